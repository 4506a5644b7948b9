"""``create``: what a person or a build asks to be invalidated, now."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from invalidator import handler, previews, settings
from invalidator.console import (
    JSON,
    a_file,
    bucket_meant,
    check_bucket,
    check_input,
    distributions_meant,
    errors_explained,
    interruptible,
    with_lines_of,
)
from invalidator.errors import CdnError, ConfigurationError, NothingError, OutOfTimeError, UnconfiguredError
from invalidator.invalidations import check_id, find
from invalidator.model import DistributionId, Outcome, Plan
from invalidator.output import board, narrate, narrate_about, plan_json, print_created, print_plan, told_cost
from invalidator.service import Budget, carry_out
from invalidator.waiting import until_completed
from invalidator.wording import alike, count
from invalidator.workers import Threads
from invalidator.written import EVERYTHING, batches_of, path_of

_WHAT: Final = "What to invalidate"
_WHERE: Final = "Where"
_DEFAULT_TIMEOUT: Final = 15 * 60
_MIN_TIMEOUT: Final = 2
"""With less, no call could be begun."""
_MAX_TIMEOUT: Final = 24 * 60 * 60

_More = Annotated[list[str] | None, typer.Argument(help="More of what --paths takes.", metavar="PATH")]
_Paths = Annotated[
    list[str] | None,
    typer.Option(
        help="A path as viewers ask for it, in quotes; what CloudFront does not take is encoded. An asterisk at its end"
        " is a wildcard; #name is a cache tag. Repeatable; more may follow it.",
        metavar="PATH",
        rich_help_panel=_WHAT,
    ),
]
_FromFile = Annotated[
    list[typer.FileBinaryRead] | None,
    typer.Option(
        help="A file with such paths, one a line, or with a NUL between them; - is standard input; repeatable.",
        metavar="FILE",
        autocompletion=a_file,
        rich_help_panel=_WHAT,
    ),
]
_Keys = Annotated[
    list[str] | None,
    typer.Option(
        help="The key of an object, as S3 stores it: it is encoded for you, and all its URLs are cleared; repeatable.",
        metavar="KEY",
        rich_help_panel=_WHAT,
    ),
]
_KeysFrom = Annotated[
    list[typer.FileBinaryRead] | None,
    typer.Option(
        help="A file with such keys; repeatable.", metavar="FILE", autocompletion=a_file, rich_help_panel=_WHAT
    ),
]
_Again = Annotated[
    str | None,
    typer.Option(help="Instead, all items of an earlier invalidation, anew.", metavar="ID", rich_help_panel=_WHAT),
]
_Distributions = Annotated[
    list[str] | None,
    typer.Option(
        help="A distribution or tenant, or the name of a parameter that holds ids and begins with a slash; repeatable."
        " Without it, and without --bucket: the configured ones.",
        metavar="ID",
        rich_help_panel=_WHERE,
    ),
]
_Bucket = Annotated[
    str | None,
    typer.Option(
        help="The bucket of the keys; without it, that which the distributions serve. Without --distribution-id: the"
        " distributions that serve it.",
        metavar="NAME",
        rich_help_panel=_WHERE,
    ),
]
_Reference = Annotated[
    str | None,
    typer.Option(
        help="A name for this wish, such as a build's. The same paths under the same name are not billed twice; without"
        " one, each run is a new wish.",
        metavar="TEXT",
    ),
]
_Timeout = Annotated[
    int,
    typer.Option(help="Seconds for all of it, --wait included.", min=_MIN_TIMEOUT, max=_MAX_TIMEOUT, metavar="SECONDS"),
]


def create(
    path: _More = None,
    paths: _Paths = None,
    from_file: _FromFile = None,
    key: _Keys = None,
    keys_from: _KeysFrom = None,
    again: _Again = None,
    distribution_id: _Distributions = None,
    bucket: _Bucket = None,
    reference: _Reference = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until all edges have forgotten it.")] = False,
    timeout: _Timeout = _DEFAULT_TIMEOUT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Invalidate paths, keys or cache tags on distributions, and wait for that if you like.

    Example: invalidator create --distribution-id E1A2B3C4D5E6F7 --paths '/*' --wait

    Example: invalidator create --bucket my-origin --key 'blog/red flower.html'

    Example: invalidator create --again I2J0I21PCUYOIK

    Example: git diff -z --name-only --no-renames HEAD~1 | invalidator create --bucket my-origin --keys-from -
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was accepted has to be told
    with errors_explained(), interruptible(lambda: "Interrupted. Nothing was sent."):
        check_input([*(from_file or []), *(keys_from or [])], "--from-file, --keys-from")
        texts = _texts(paths or [], path or [], from_file or [])
        keys = with_lines_of(keys_from or [], [_key(text) for text in key or []], "--keys-from", "keys")
        if not (texts or keys or again is not None):
            raise ConfigurationError(f"nothing to invalidate: give --paths, as '{EVERYTHING}', or --key")
        if reference is not None and not reference.strip():
            raise ConfigurationError("--reference: it is empty; leave it out for a new wish")
        identity = f"create {reference or uuid4()}"
        if again is None:
            made = _plan(texts, keys, bucket, distribution_id or [], identity)
        elif texts or keys:
            raise ConfigurationError("--again: it takes the place of paths and keys")
        else:
            made = _plan_again(again, distributions_meant(distribution_id or [], bucket), identity)
        if dry_run:
            _show(made, as_json=as_json)
            return
        if not made.batches:
            narrate_about(made)
            raise NothingError("nothing was sent: no distribution serves any of these keys")
        report = Report(made)
        with interruptible(partial(_interrupted, report, as_json=as_json)):
            _carry_out(report, timeout, wait=wait, as_json=as_json)
        _tell(report, as_json=as_json)
    if report.has_failed:
        raise typer.Exit(1)


# --- what is wanted -------------------------------------------------------------------------------------


def _texts(named: list[str], more: list[str], files: list[typer.FileBinaryRead]) -> list[str]:
    """Paths and tags as they are written. Raises ConfigurationError if one of them is none."""
    written = [*named, *more]
    # A shell makes of /* that is not in quotes what stands in the root of this machine.
    if len(written) > 1 and set(written) == {str(entry) for entry in Path("/").glob("[!.]*")}:
        raise ConfigurationError("--paths: your shell has expanded /*: put it in quotes, as '/*'")
    for text in more:
        if settings.is_distribution_id(text):
            raise ConfigurationError(f"{text!r} is no path: did you mean --distribution-id {text}? It is repeated")
    for text in written:
        path_of(text, "--paths")
        if " /" in text:
            narrate(f"warning: {text!r} is taken for one path, with a space in it: put quotes around each path")
    texts = with_lines_of(files, written, "--from-file", "paths")
    for text in texts[len(written) :]:
        path_of(text, "--from-file")
    return texts


def _key(text: str) -> str:
    if not text:
        raise ConfigurationError("--key: it is empty")
    if text.lower().startswith("s3://"):
        bucket, _, key = text[5:].partition("/")
        raise ConfigurationError(f"--key: {text!r} is a URL: did you mean --bucket {bucket} --key {key!r}?")
    if text.startswith("/"):
        narrate(f"warning: --key: {text!r} is taken as it is, with the slash that it begins with; S3 has few such keys")
    return text


def _plan(texts: list[str], keys: list[str], bucket: str | None, ids: list[str], identity: str) -> Plan:
    if bucket is not None:
        check_bucket(bucket)
    try:
        config = settings.load(instead=ids or (["discover"] if bucket else []))
    except UnconfiguredError as error:
        where = "give --distribution-id, or --bucket for those that serve it"
        raise ConfigurationError(f"{where}; {error}") from error
    bucket = bucket_meant(config, bucket)
    preview = previews.of_wish(texts, keys, bucket, config, identity)
    if preview.told:
        narrate(f"{preview.told}.")
    if preview.decoded.refusals:
        raise ConfigurationError(f"--key: {preview.decoded.refusals[0].reason}")
    if not preview.distributions:
        raise ConfigurationError(f"no distribution has an origin in bucket {bucket}: there is nothing to send it to")
    return preview.plan()


def _plan_again(id_: str, distributions: list[DistributionId], identity: str) -> Plan:
    check_id(id_, "--again")
    found = find(handler.cdn(), distributions, id_)
    return Plan(tuple(batches_of(found.items, f"--again {id_}", [found.distribution], identity)))


def _show(made: Plan, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plan_json(made), indent=2))
    else:
        print_plan(made)
    narrate_about(made)
    narrate(f"{told_cost(made)}\nNothing was sent.")


# --- what comes of it -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Report:
    """What became of a plan: what was accepted, what was not, and how long each took to complete, in seconds."""

    plan: Plan
    accepted: list[Outcome] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    completed: dict[tuple[DistributionId, str], float] = field(default_factory=dict)
    unseen: list[tuple[DistributionId, str, CdnError]] = field(default_factory=list)
    unwritten: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether anything was not accepted or, if that was to be waited for, is not known to be completed."""
        return bool(self.refused or self.unseen or self.unwritten)


def _carry_out(report: Report, timeout: float, *, wait: bool, as_json: bool) -> None:
    end = time.monotonic() + timeout

    def left() -> float:
        return end - time.monotonic()

    _send(report, left, as_json=as_json)
    if wait:
        _wait(report, left)


def _send(report: Report, left: Callable[[], float], *, as_json: bool) -> None:
    steps = Counter(str(batch.distribution) for batch in report.plan.batches)
    at_once = not (as_json or sys.stderr.isatty())
    try:
        with board("answered", steps, lines=False) as show:
            for outcome in carry_out(report.plan, handler.cdn(), Budget(left), Threads()):
                (report.refused if outcome.error else report.accepted).append(outcome)
                if at_once and not outcome.error:
                    _print(report, partial(print_created, [outcome]))
                show(outcome.batch.distribution)
    finally:  # also where it is interrupted: what was accepted is not taken back
        first = {batch.distribution: number for number, batch in enumerate(report.plan.batches)}
        for outcomes in (report.accepted, report.refused):
            outcomes.sort(key=lambda outcome: first[outcome.batch.distribution])
        if not (at_once or as_json):
            _print(report, partial(print_created, report.accepted))


def _print(report: Report, show: Callable[[], None]) -> None:
    """Print what must not be lost; on standard error, if standard output does not take it."""
    try:
        show()
        sys.stdout.flush()
    except (OSError, SystemExit) as error:  # the latter is Rich's, where nobody reads on
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 it is written to once more at the end
        why = f": {error}" if isinstance(error, OSError) else ""
        narrate(f"error: standard output cannot be written{why}. Accepted so far:")
        for outcome in report.accepted:
            narrate(f"  {outcome.batch.distribution}  invalidation {outcome.invalidation}")
        report.unwritten = True


def _wait(report: Report, left: Callable[[], float]) -> None:
    accepted = [(outcome.batch.distribution, str(outcome.invalidation)) for outcome in report.accepted]
    start = time.monotonic()
    with board("completed", Counter(str(distribution) for distribution, _ in accepted), lines=True) as show:
        for distribution, id_, error in until_completed(accepted, handler.look, left, time.sleep):
            if error:
                report.unseen.append((distribution, id_, error))
            else:
                report.completed[distribution, id_] = time.monotonic() - start
                show(distribution)


def _interrupted(report: Report, *, as_json: bool) -> str:
    _tell(report, as_json=as_json)
    answered = sum(len(outcome.batch.items) for outcome in (*report.accepted, *report.refused))
    left = sum(len(batch.items) for batch in report.plan.batches) - answered
    lost = f" {count(left, 'path')} were not sent, or nobody heard the answer." if left else ""
    goes_on = " What was accepted goes on: 'invalidator status' shows how." if report.accepted else ""
    return f"Interrupted.{lost}{goes_on}"


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        _print(report, lambda: print(json.dumps(_document(report), indent=2)))
    narrate_about(report.plan)
    told = [(outcome.batch.distribution, _why(outcome)) for outcome in report.refused]
    told += [(distribution, f"{id_}: {error}") for distribution, id_, error in report.unseen]
    for text, ids in alike(told).items():
        narrate(f"error: {', '.join(ids)}: {text}")  # all of them: something is to be done for each
    if not report.accepted:
        narrate("Nothing was accepted.")
        return
    paths = sum(len(outcome.batch.items) for outcome in report.accepted)
    accepted = f"{count(len(report.accepted), 'invalidation')} of {count(paths, 'path')} accepted"
    if report.completed:
        accepted += f", {len(report.completed):,} completed, the last after {max(report.completed.values()):.0f} s"
    narrate(f"{accepted}.")


def _why(outcome: Outcome) -> str:
    if isinstance(outcome.error, OutOfTimeError):
        return f"{count(len(outcome.batch.items), 'path')} not sent within --timeout"
    return outcome.failure.partition(": ")[2]


def _document(report: Report) -> dict[str, Any]:
    """The same for a program. ``seconds`` until it was completed; null if that was not waited for, or not seen."""
    return {
        "invalidations": [
            {
                "distribution": batch.distribution,
                "id": id_,
                "items": [item.path for item in batch.items],
                "caller_reference": batch.caller_reference,
                "seconds": None if seconds is None else round(seconds, 1),
            }
            for batch, id_ in ((outcome.batch, str(outcome.invalidation)) for outcome in report.accepted)
            for seconds in [report.completed.get((batch.distribution, id_))]
        ],
        "failed": [
            {
                "distribution": outcome.batch.distribution,
                "items": [item.path for item in outcome.batch.items],
                "error": str(outcome.error),
            }
            for outcome in report.refused
        ],
        "not_completed": [
            {"distribution": distribution, "id": id_, "error": str(error)} for distribution, id_, error in report.unseen
        ],
    }
