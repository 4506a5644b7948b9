"""Carry out a plan in Lambda: a batch is accepted, or stored as a ticket, or its messages come again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from invalidator.aws.queues import Message
from invalidator.delivery import pacing
from invalidator.delivery.carry_out import TimeLeft, carry_out, in_order
from invalidator.distributions.catalog import DISCOVERY
from invalidator.distributions.concerned import Concerned
from invalidator.errors import CdnError, InProgressError, InvalidPathError
from invalidator.events import tickets
from invalidator.model import Batch, DistributionId, ObjectChange, Outcome, Plan
from invalidator.planning.batches import merge, repeat_of
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import details_of, log_warnings, logger
from invalidator.runtime.metrics import Tally
from invalidator.runtime.store import Leftover, store

_MAX_PATHS_AT_ONCE: Final = 1_000
"""The most new paths, worth 5 USD, that are sent before their plan is stored: a crash may bill them twice."""

_FROZEN: Final = "a large plan, stored before it is sent"
_REPEAT: Final = "the second clearing, which was not due yet"


@dataclass(slots=True)
class PlanResult:
    """The outcomes of an event's plan. ``tally`` counts them for CloudWatch."""

    accepted: list[Outcome] = field(default_factory=list)
    # For a person: what was neither accepted nor stored.
    failures: list[str] = field(default_factory=list)
    tickets: int = 0
    tally: Tally = field(default_factory=Tally)
    # The messages of those failures; None for an event that is no queue's.
    coming_again: set[str | None] = field(default_factory=set)


def send(plan: Plan, time_left: TimeLeft, invocation: Invocation, tally: Tally) -> Iterator[Outcome]:
    """Carry out a plan, and log and count what CloudFront accepts. Yields each outcome as soon as it is final."""
    clients = invocation.clients
    for outcome in carry_out(plan, tally.counting(clients.cloudfront()), time_left, clients.workers()):
        if outcome.error is None:
            tally.accept(outcome.batch, clients.now())
            details = {"invalidation": outcome.invalidation, **details_of(outcome.batch)}
            logger.info("invalidation created", extra=details)
        yield outcome


def deliver(plan: Plan, changes: list[ObjectChange], concerned: Concerned, invocation: Invocation) -> PlanResult:
    """Carry out the plan of an event. What CloudFront does not accept now is stored, if there is a queue for it.

    So are the changes that concern unknown distributions, the tickets of which nobody knows whether they are ours, and
    the second clearing of what it accepts, if there is to be one.
    """
    result = PlanResult()
    plan = _frozen(plan, result, invocation)
    time_left = invocation.time_left(can_wait=bool(invocation.settings.queue_url))
    failed = {_key(outcome): outcome for outcome in concerned.undecided}
    for outcome in send(plan, time_left, invocation, result.tally):
        if outcome.error is None:  # perhaps late, after it was given up
            failed.pop(_key(outcome), None)
            result.accepted.append(outcome)
        else:
            failed[_key(outcome)] = outcome
    distributions = invocation.settings.distributions
    result.accepted = in_order(result.accepted, distributions)
    waiting = _unplanned(changes, concerned, invocation) if concerned.unknown else ()
    left = _leftovers(in_order(failed.values(), distributions), invocation)
    _store([*waiting, *left, *_repeats(result.accepted, invocation)], result, invocation)
    return result


def _unplanned(changes: list[ObjectChange], concerned: Concerned, invocation: Invocation) -> Iterator[Leftover]:
    from invalidator.runtime.unplanned import unplanned  # which most events have nothing for

    return unplanned(changes, concerned.unknown, invocation.settings)


def _key(outcome: Outcome) -> tuple[object, ...]:
    # A queue may bring a ticket twice, and two tickets of the same reference with different paths.
    batch = outcome.batch
    paths, messages = tuple(item.path for item in batch.items), frozenset(batch.message_ids)
    return batch.distribution, batch.caller_reference, paths, messages


def _frozen(plan: Plan, result: PlanResult, invocation: Invocation) -> Plan:
    """Store the batches of a large plan as they are, and return what is left to send.

    Once they are stored, the event is done. Whoever receives the tickets sends them under the same references, so that
    no crash makes other ones.
    """
    fixed = [batch for batch in plan.batches if batch.is_fixed]
    new = [replace(batch, frozen=True) for batch in plan.batches if not batch.is_fixed]
    if not invocation.settings.queue_url or sum(len(batch.items) for batch in new) <= _MAX_PATHS_AT_ONCE:
        return plan
    return replace(plan, batches=(*_unstored(new, result, invocation), *fixed))


def _unstored(frozen: list[Batch], result: PlanResult, invocation: Invocation) -> list[Batch]:
    """Store batches, and return those that cannot be stored. Half of the time is left for these."""
    ends = store(
        [_leftover(batch, _FROZEN, invocation) for batch in frozen], invocation, set(), invocation.seconds_left() / 2
    )
    unstored = [batch for batch, end in zip(frozen, ends, strict=True) if not end.is_stored]
    result.tickets += len(frozen) - len(unstored)
    logger.info("large plan stored", extra={"tickets": len(frozen) - len(unstored)})
    problems = {end.problem for end in ends} - {""}
    log_warnings(f"a large plan is sent without being stored first: {problem}" for problem in sorted(problems))
    return unstored


def _store(leftovers: list[Leftover], result: PlanResult, invocation: Invocation) -> None:
    """Store what is left. What is not stored is a failure, and its messages come again."""
    ends = store(leftovers, invocation, result.coming_again)
    for leftover, (is_stored, problem) in zip(leftovers, ends, strict=True):
        if not is_stored:
            # An operator has no use for the place in the code.
            why = {"not_stored": problem} if problem else {}
            logger.error("invalidation failed", extra=why | leftover.details)
            result.failures += leftover.failures
        elif leftover.is_hopeless:
            logger.error("invalidation given up", extra=leftover.details)
        elif leftover.is_repeat:
            logger.info("second clearing planned", extra={"seconds": leftover.message.delay, **leftover.details})
            continue  # it is not put off
        else:
            logger.warning("invalidation put off", extra={"seconds": leftover.message.delay, **leftover.details})
            result.tally.refuse(leftover.since, invocation.clients.now())
        result.tickets += is_stored
        only, *others = leftover.distributions
        of = None if others or only == DISCOVERY else only
        result.tally.count("Tickets" if is_stored and not leftover.is_hopeless else "Failures", 1, of)


def _repeats(accepted: list[Outcome], invocation: Invocation) -> Iterator[Leftover]:
    """Yield a ticket for the second clearing of each batch that was accepted for the first time.

    A viewer's request that was on its way to the origin during the upload may have put the old object back by then.
    """
    settings = invocation.settings
    if not (settings.repeat_after and settings.queue_url):
        return
    for outcome in accepted:
        if outcome.batch.repeat:
            continue
        batch = repeat_of(outcome.batch)
        delay = pacing.seconds_to_repeat(batch, settings.repeat_after)
        due = datetime.fromtimestamp(invocation.clients.now() + delay, UTC)
        # Its age tells whether it is late, and not how old the change is.
        since = due.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = tickets.write(tickets.Ticket(batch, _REPEAT, settings.stack), since)
        failure = f"{batch.distribution}: {outcome.paths} invalidated, but the second clearing is not stored"
        yield Leftover(
            Message(text, delay), [batch.distribution], batch.message_ids, [failure], details_of(batch), is_repeat=True
        )


def _leftovers(failed: list[Outcome], invocation: Invocation) -> Iterator[Leftover]:
    """Yield what has to be stored of failed outcomes. What is hopeless for the same reason shares a dead letter."""
    alike: dict[tuple[DistributionId, str, bool], list[Outcome]] = {}
    for outcome in failed:
        batch, error = outcome.batch, outcome.error
        if error is None:
            continue
        # CloudFront may know what is fixed, now or later, unless it says that a path is invalid: the reference stays.
        if pacing.is_hopeless(batch, error) and (isinstance(error, InvalidPathError) or not batch.is_fixed):
            kind = "" if isinstance(error, InvalidPathError) else str(error)
            alike.setdefault((batch.distribution, kind, batch.repeat), []).append(outcome)
        else:
            yield _leftover(batch, str(error), invocation, error, [outcome.failure])
    for outcomes in alike.values():
        yield from _letters(outcomes, invocation)


def _letters(outcomes: list[Outcome], invocation: Invocation) -> Iterator[Leftover]:
    """Yield the dead letter of outcomes of one distribution with the same error; several if one cannot hold it."""
    # The error that is about the most paths says the most.
    main = max(outcomes, key=lambda outcome: len(outcome.batch.items))
    first, error = main.batch, main.error
    failures = {item.path: outcome.failure for outcome in outcomes for item in outcome.batch.items}
    batches = [replace(outcome.batch, attempts=0, crowded=0, apart=False) for outcome in outcomes]
    for batch in merge(first.distribution, (), batches):
        counted = replace(batch, attempts=first.attempts, crowded=first.crowded, apart=first.apart, repeat=first.repeat)
        said = dict.fromkeys(failures[item.path] for item in batch.items)
        yield _leftover(counted, str(error), invocation, error, list(said))


def _leftover(
    batch: Batch, why: str, invocation: Invocation, error: CdnError | None = None, failures: Sequence[str] = ()
) -> Leftover:
    is_hopeless = error is not None and pacing.is_hopeless(batch, error)
    delay = 0 if is_hopeless or error is None else pacing.delay(batch, error)
    if delay and isinstance(error, InProgressError):
        delay = pacing.meeting(delay, invocation.clients.now())
    message = Message(tickets.write(tickets.Ticket(batch, why, invocation.settings.stack)), delay)
    details = {"error": why, **details_of(batch)}
    since = batch.since if batch.attempts + batch.crowded > 1 else ""
    return Leftover(message, [batch.distribution], batch.message_ids, failures, details, is_hopeless, since)
