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

from invalidator.cli import previews
from invalidator.cli.output import board, narrate, narrate_about, plan_json, print_created, print_plan, told_cost
from invalidator.cli.session import (
    INTERRUPTED,
    JSON,
    a_file,
    bucket_meant,
    check_bucket,
    check_input,
    distributions_meant,
    errors_explained,
    undisturbed,
    with_lines_of,
)
from invalidator.delivery.carry_out import Budget, carry_out
from invalidator.errors import (
    CdnError,
    ConfigurationError,
    NothingError,
    OutOfTimeError,
    UnavailableError,
    UnconfiguredError,
)
from invalidator.model import DistributionId, Invalidation, Outcome, Plan
from invalidator.operator.completion import until_completed
from invalidator.operator.invalidations import check_invalidation_id, find_invalidation
from invalidator.operator.wording import count, names_by_value
from invalidator.planning.by_hand import EVERYTHING, batches_of, path_of
from invalidator.runtime import clients
from invalidator.settings import environment
from invalidator.settings.ids import is_distribution_id
from invalidator.workers import Threads, within

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
    end = time.monotonic() + timeout
    report: Report | None = None
    try:
        with errors_explained():
            check_input([*(from_file or []), *(keys_from or [])], "--from-file, --keys-from")
            texts = _texts(paths or [], path or [], from_file or [])
            keys = _keys(with_lines_of(keys_from or [], key, "--keys-from", "keys"))
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
            _check_work(made, dry_run=dry_run, as_json=as_json)
            if dry_run:
                _show(made, as_json=as_json)
                return
            report = Report(made, as_json)
            _carry_out(report, lambda: end - time.monotonic(), wait=wait)
        _tell(report)
    except KeyboardInterrupt:
        if report:
            _tell_interrupted(report)
        else:
            narrate("Interrupted. Nothing was sent.")
        raise typer.Exit(INTERRUPTED) from None
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
        if is_distribution_id(text):
            raise ConfigurationError(f"{text!r} is no path: did you mean --distribution-id {text}? It is repeated")
    for text in written:
        path_of(text, "--paths")
        if " /" in text:
            narrate(f"warning: {text!r} is taken for one path, with a space in it: put quotes around each path")
    texts = with_lines_of(files, written, "--from-file", "paths")
    for text in texts[len(written) :]:
        path_of(text, "--from-file")
    return texts


def _keys(texts: list[str]) -> list[str]:
    """Keys as S3 stores them. Raises ConfigurationError if one of them cannot be meant."""
    for text in texts:
        if not text:
            raise ConfigurationError("--key: it is empty")
        if text.lower().startswith("s3://"):
            bucket, _, key = text[5:].partition("/")
            meant = f": did you mean --bucket {bucket} --key {key!r}?" if bucket and key else ""
            raise ConfigurationError(f"--key: {text!r} is a URL{meant}")
    if odd := [text for text in texts if text.startswith("/")]:
        more = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
        narrate(f"warning: key {odd[0]!r}{more}: taken as it is, with the slash at its beginning; S3 has few such keys")
    return texts


def _plan(texts: list[str], keys: list[str], bucket: str | None, ids: list[str], identity: str) -> Plan:
    if bucket is not None:
        check_bucket(bucket)
    try:
        config = environment.load(instead=ids or (["discover"] if bucket else []))
    except UnconfiguredError as error:
        where = "give --distribution-id, or --bucket for those that serve it"
        raise ConfigurationError(f"{where}; {error}") from error
    if bucket and ids and not keys:
        narrate("warning: --bucket makes no difference beside --distribution-id, without keys")
    bucket = bucket_meant(config, bucket)
    preview = previews.of_wish(texts, keys, bucket, config, identity)
    if preview.decoded.refusals:
        raise ConfigurationError(f"--key: {preview.decoded.refusals[0].reason}")
    if not preview.distributions:
        raise ConfigurationError(f"no distribution has an origin in bucket {bucket}: there is nothing to send it to")
    return preview.plan()


def _plan_again(id_: str, distributions: list[DistributionId], identity: str) -> Plan:
    check_invalidation_id(id_, "--again")
    found = find_invalidation(clients.cloudfront(), distributions, id_)
    return Plan(tuple(batches_of(found.items, f"--again {id_}", [found.distribution], identity)))


def _check_work(made: Plan, *, dry_run: bool, as_json: bool) -> None:
    """Raise NothingError if there is nothing to send: who asks for it expects otherwise."""
    if made.batches:
        return
    if as_json:
        print(json.dumps(plan_json(made) if dry_run else _document(Report(made)), indent=2))
    narrate_about(made)
    if made.excluded:
        raise NothingError(f"nothing to send: INCLUDE and EXCLUDE leave out {count(made.excluded, 'key')}")
    raise NothingError("nothing to send: no distribution serves any of these keys")


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
    as_json: bool = False
    accepted: list[Outcome] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    completed: dict[tuple[DistributionId, str], float] = field(default_factory=dict)
    unseen: list[tuple[DistributionId, str, CdnError]] = field(default_factory=list)
    # How many of the accepted were told, and whether standard output takes no more.
    told: int = 0
    unwritten: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether anything was not accepted or, if that was to be waited for, is not known to be completed."""
        return bool(self.refused or self.unseen or self.unwritten)

    def sort(self, outcomes: list[Outcome]) -> None:
        """Put them in the order of the distributions, which are served at the same time."""
        first = {batch.distribution: number for number, batch in enumerate(self.plan.batches)}
        outcomes.sort(key=lambda outcome: first[outcome.batch.distribution])


def _carry_out(report: Report, left: Callable[[], float], *, wait: bool) -> None:
    steps = Counter(str(batch.distribution) for batch in report.plan.batches)
    # Beside the bars on a terminal, nothing can be printed.
    at_once = not (report.as_json or sys.stderr.isatty())
    with board("answered", steps, lines=False) as show:
        for outcome in carry_out(report.plan, clients.cloudfront(), Budget(left), Threads()):
            (report.refused if outcome.error else report.accepted).append(outcome)
            if at_once:
                _tell_accepted(report)
            show(outcome.batch.distribution)
    if not report.as_json:
        _tell_accepted(report)
    if wait:
        _wait(report, left)


def _wait(report: Report, left: Callable[[], float]) -> None:
    report.sort(report.accepted)
    accepted = [(outcome.batch.distribution, str(outcome.invalidation)) for outcome in report.accepted]
    start = time.monotonic()

    def look(distribution: DistributionId, id_: str) -> Invalidation:
        try:
            return within(left(), lambda: clients.cloudfront().invalidation(distribution, id_))
        except TimeoutError as error:
            raise UnavailableError("no answer in time") from error

    with board("completed", Counter(str(distribution) for distribution, _ in accepted), lines=True) as show:
        for distribution, id_, error in until_completed(accepted, look, left, time.sleep):
            if error:
                report.unseen.append((distribution, id_, error))
            else:
                report.completed[distribution, id_] = time.monotonic() - start
                show(distribution)


# --- what is told of it ---------------------------------------------------------------------------------


def _tell_accepted(report: Report) -> None:
    """Print what was accepted and is not told yet."""
    outcomes = report.accepted[report.told :]
    report.sort(outcomes)
    _print(report, partial(print_created, outcomes), outcomes)
    report.told = len(report.accepted)  # not before: what is interrupted here is rather told twice


def _print(report: Report, show: Callable[[], None], outcomes: list[Outcome]) -> None:
    """Print what must not be lost: on standard error, where standard output does not take it."""
    if not report.unwritten:
        try:
            show()
            sys.stdout.flush()
        except OSError as error:
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 it is written to once more at the end
            report.unwritten = True
            narrate(f"error: standard output cannot be written: {error}. What was accepted:")
        else:
            return
    for outcome in outcomes:
        narrate(f"  {outcome.batch.distribution}  invalidation {outcome.invalidation}")


def _tell(report: Report) -> None:
    with undisturbed():
        report.sort(report.accepted)
        report.sort(report.refused)
        if report.as_json:
            _print(report, lambda: print(json.dumps(_document(report), indent=2)), report.accepted)
        narrate_about(report.plan)
        told = [(outcome.batch.distribution, _why(outcome)) for outcome in report.refused]
        told += [(distribution, f"{id_}: {error}") for distribution, id_, error in report.unseen]
        for text, ids in names_by_value(told).items():
            narrate(f"error: {', '.join(ids)}: {text}")  # all of them: something is to be done for each
        narrate(_summary(report))


def _summary(report: Report) -> str:
    if not report.accepted:
        return "Nothing was accepted."
    paths = sum(len(outcome.batch.items) for outcome in report.accepted)
    accepted = f"{count(len(report.accepted), 'invalidation')} of {count(paths, 'path')} accepted"
    if report.completed:
        accepted += f", {len(report.completed):,} completed, the last after {max(report.completed.values()):.0f} s"
    return f"{accepted}."


def _tell_interrupted(report: Report) -> None:
    """Tell what is known so far, and what is not."""
    with undisturbed():
        if not report.as_json:
            _tell_accepted(report)
        _tell(report)
    answered = sum(len(outcome.batch.items) for outcome in (*report.accepted, *report.refused))
    left = sum(len(batch.items) for batch in report.plan.batches) - answered
    lost = f" Not sent, or not answered yet: {count(left, 'path')}." if left else ""
    goes_on = " What was accepted goes on: 'invalidator status' shows how." if report.accepted else ""
    narrate(f"Interrupted.{lost}{goes_on}")


def _why(outcome: Outcome) -> str:
    """Why something was refused, for whoever waits in front of it."""
    if isinstance(outcome.error, OutOfTimeError):
        return f"{outcome.paths} not sent within --timeout"
    if isinstance(outcome.error, UnavailableError):
        return f"{outcome.paths} perhaps not invalidated; 'invalidator status' shows whether it was: {outcome.error}"
    return f"{outcome.paths} not invalidated: {outcome.error}"


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
                "caller_reference": outcome.batch.caller_reference,
                "error": _why(outcome),
            }
            for outcome in report.refused
        ],
        "not_completed": [
            {"distribution": distribution, "id": id_, "error": str(error)} for distribution, id_, error in report.unseen
        ],
    }
