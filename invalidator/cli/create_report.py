"""The report of ``create``: what became of a plan, as it is carried out, waited for and told."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from invalidator.cli.plan_view import narrate_plan
from invalidator.cli.session import undisturbed
from invalidator.cli.terminal import board, narrate, print_json, print_line
from invalidator.delivery.carry_out import TimeLeft, carry_out
from invalidator.errors import CdnError, OutOfTimeError, UnavailableError
from invalidator.model import DistributionId, Invalidation, Outcome, Plan
from invalidator.operator.completion import until_completed
from invalidator.runtime import clients
from invalidator.wording import count, names_by_value
from invalidator.workers import Threads, within


@dataclass(slots=True)
class Report:
    """The outcomes of a plan: accepted, not accepted, and after how many seconds each was completed.

    ``earlier`` are invalidations that were there before: CloudFront knew what it answers with one of them. ``printed``
    counts the accepted that were printed; ``unwritten`` if standard output takes no more.
    """

    plan: Plan
    as_json: bool = False
    earlier: set[tuple[DistributionId, str]] = field(default_factory=set)
    accepted: list[Outcome] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)
    completed: dict[tuple[DistributionId, str], float] = field(default_factory=dict)
    unseen: list[tuple[DistributionId, str, CdnError]] = field(default_factory=list)
    printed: int = 0
    unwritten: bool = False

    @property
    def has_failed(self) -> bool:
        """True if anything was not accepted or, with ``--wait``, is not known to be completed."""
        return bool(self.refused or self.unseen or self.unwritten)

    def add(self, outcome: Outcome) -> None:
        """Note an outcome. A batch may be accepted late, after it was given up."""
        if outcome.error is None:
            self.accepted.append(outcome)
            self.refused = [other for other in self.refused if _sent_as(other) != _sent_as(outcome)]
        else:
            self.refused.append(outcome)

    def sort(self, outcomes: list[Outcome]) -> None:
        """Put outcomes in the order of the distributions, which are served at the same time."""
        order = {batch.distribution: number for number, batch in enumerate(self.plan.batches)}
        outcomes.sort(key=lambda outcome: order[outcome.batch.distribution])

    def knew(self, outcome: Outcome) -> bool:
        """Return whether CloudFront knew an accepted batch, so that nothing new was created or billed."""
        return (outcome.batch.distribution, str(outcome.invalidation)) in self.earlier


def _sent_as(outcome: Outcome) -> tuple[DistributionId, str]:
    return outcome.batch.distribution, outcome.batch.caller_reference


def carry_out_plan(report: Report, left: Callable[[], float], *, wait: bool) -> None:
    """Send everything and, with ``wait``, look until it is completed. ``left`` gives the seconds that remain."""
    steps = Counter(str(batch.distribution) for batch in report.plan.batches)
    # Beside the bars on a terminal, nothing can be printed.
    at_once = not (report.as_json or sys.stderr.isatty())
    with board("answered", steps, lines=False) as advance:
        for outcome in carry_out(report.plan, clients.cloudfront(), TimeLeft(left), Threads()):
            report.add(outcome)
            if at_once:
                _print_accepted(report)
            advance(outcome.batch.distribution)
    if not report.as_json:
        _print_accepted(report)
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

    with board("completed", Counter(str(distribution) for distribution, _ in accepted), lines=True) as advance:
        for distribution, id_, error in until_completed(accepted, look, left, time.sleep):
            if error:
                report.unseen.append((distribution, id_, error))
            else:
                report.completed[distribution, id_] = time.monotonic() - start
                advance(distribution)


def _print_accepted(report: Report) -> None:
    """Print what was accepted and is not printed yet."""
    outcomes = report.accepted[report.printed :]
    report.sort(outcomes)
    _print(report, partial(_print_lines, report, outcomes), outcomes)
    report.printed = len(report.accepted)  # afterwards: if it is interrupted here, rather twice than never


def _print_lines(report: Report, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        batch, known = outcome.batch, "  known already" if report.knew(outcome) else ""
        paths = count(len(batch.items), "path")
        line = f"  invalidation {outcome.invalidation}  {paths}  {batch.caller_reference}{known}"
        print_line((batch.distribution, "bold cyan"), line)


def _print(report: Report, show: Callable[[], None], outcomes: list[Outcome]) -> None:
    """Print what must not be lost: to standard error, if standard output does not take it."""
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


def tell(report: Report) -> None:
    """Tell all that became of a plan."""
    with undisturbed():
        report.sort(report.accepted)
        report.sort(report.refused)
        if report.as_json:
            _print(report, lambda: print_json("create", report_json(report)), report.accepted)
        narrate_plan(report.plan)
        reasons = [(outcome.batch.distribution, why_refused(outcome)) for outcome in report.refused]
        reasons += [(distribution, f"{id_}: {error}") for distribution, id_, error in report.unseen]
        for text, ids in names_by_value(reasons).items():
            narrate(f"error: {', '.join(ids)}: {text}")  # all ids: something has to be done for each
        narrate(_summary(report))


def _summary(report: Report) -> str:
    if not report.accepted:
        is_unknown = any(isinstance(outcome.error, UnavailableError) for outcome in report.refused)
        return "Nothing is known to be accepted." if is_unknown else "Nothing was accepted."
    paths = sum(len(outcome.batch.items) for outcome in report.accepted)
    accepted = f"{count(len(report.accepted), 'invalidation')} of {count(paths, 'path')} accepted"
    if known := sum(map(report.knew, report.accepted)):
        accepted += f", {known:,} known already: nothing new was created or billed for {'it' if known == 1 else 'them'}"
    if report.completed:
        accepted += f", {len(report.completed):,} completed, the last after {max(report.completed.values()):.0f} s"
    return f"{accepted}."


def tell_interrupted(report: Report | None) -> None:
    """Tell what is known so far, and what is not."""
    if report is None:
        narrate("Interrupted. Nothing was sent.")
        return
    with undisturbed():
        if not report.as_json:
            _print_accepted(report)
        tell(report)
    answered = sum(len(outcome.batch.items) for outcome in (*report.accepted, *report.refused))
    left = sum(len(batch.items) for batch in report.plan.batches) - answered
    lost = f" Not sent, or not answered yet: {count(left, 'path')}." if left else ""
    goes_on = " What was accepted goes on: 'invalidator status' shows how." if report.accepted else ""
    narrate(f"Interrupted.{lost}{goes_on}")


def why_refused(outcome: Outcome) -> str:
    """Say why something was refused, to a person who waits for it."""
    if isinstance(outcome.error, OutOfTimeError):
        return f"{outcome.paths} not sent within --timeout"
    if isinstance(outcome.error, UnavailableError):
        return f"{outcome.paths} perhaps not invalidated; 'invalidator status' shows whether it was: {outcome.error}"
    return f"{outcome.paths} not invalidated: {outcome.error}"


def report_json(report: Report) -> dict[str, Any]:
    """Return a report for a program."""
    return {
        "invalidations": [_accepted_json(report, outcome) for outcome in report.accepted],
        "failed": [
            {
                "distribution": outcome.batch.distribution,
                "items": [item.path for item in outcome.batch.items],
                "caller_reference": outcome.batch.caller_reference,
                "error": why_refused(outcome),
            }
            for outcome in report.refused
        ],
        "not_completed": [
            {"distribution": distribution, "id": id_, "error": str(error)} for distribution, id_, error in report.unseen
        ],
    }


def _accepted_json(report: Report, outcome: Outcome) -> dict[str, Any]:
    """Return an invalidation; ``seconds`` is null if it was not waited for, or not seen to be completed."""
    batch, id_ = outcome.batch, str(outcome.invalidation)
    seconds = report.completed.get((batch.distribution, id_))
    return {
        "distribution": batch.distribution,
        "id": id_,
        "items": [item.path for item in batch.items],
        "caller_reference": batch.caller_reference,
        "known": report.knew(outcome),
        "seconds": None if seconds is None else round(seconds, 1),
    }
