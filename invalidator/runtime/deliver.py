"""Carry out a plan in Lambda: a batch is accepted, or stored as a ticket, or its messages come again."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from invalidator.delivery import pacing
from invalidator.delivery.carry_out import TimeLeft, carry_out, in_order
from invalidator.errors import CdnError, ConfigurationError, StorageError
from invalidator.events import tickets
from invalidator.model import Outcome, Plan
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import details_of, logger
from invalidator.runtime.metrics import Tally


@dataclass(slots=True)
class PlanResult:
    """The outcomes of an event's plan. ``tally`` counts them for CloudWatch."""

    accepted: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    tickets: int = 0
    tally: Tally = field(default_factory=Tally)
    # The messages of what failed; None for an event that is no queue's.
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


def deliver(plan: Plan, invocation: Invocation) -> PlanResult:
    """Carry out the plan of an event; what CloudFront does not accept now is stored, if there is a queue for it."""
    result = PlanResult()
    time_left = invocation.time_left(can_wait=bool(invocation.settings.queue_url))
    for outcome in send(plan, time_left, invocation, result.tally):
        if outcome.error is None:
            result.accepted.append(outcome)
        elif _store(outcome, outcome.error, result, invocation):
            result.tickets += 1
        else:
            result.tally.count("Failures", 1, outcome.batch.distribution)
            result.failed.append(outcome)
            result.coming_again |= outcome.batch.message_ids
    distributions = invocation.settings.distributions
    result.accepted = in_order(result.accepted, distributions)
    result.failed = in_order(result.failed, distributions)
    return result


def _store(outcome: Outcome, error: CdnError, result: PlanResult, invocation: Invocation) -> bool:
    """Store what is left as a ticket or a dead letter. False if it is not stored: its messages have to come again."""
    batch, settings = outcome.batch, invocation.settings
    details = {"error": str(error), **details_of(batch)}
    hopeless = pacing.is_hopeless(batch, error)
    url = settings.dead_letters_url if hopeless else settings.queue_url
    # A batch whose messages come again anyway needs no ticket: it would be done twice, and again with each failure.
    if not (settings.queue_url and url) or batch.message_ids <= result.coming_again:
        logger.error("invalidation failed", extra=details)
        return False
    delay = 0 if hopeless else pacing.delay(batch, error)
    try:
        invocation.clients.queue(url).send(tickets.write(tickets.Ticket(batch, str(error))), delay)
    except (StorageError, ConfigurationError) as failure:
        # An operator has no use for the place in the code.
        logger.error("invalidation failed", extra={"not_stored": str(failure), **details})
        return False
    result.tally.count("Failures" if hopeless else "Tickets", 1, batch.distribution)
    if hopeless:
        logger.error("invalidation given up", extra=details)
    else:
        logger.warning("invalidation put off", extra={"seconds": delay, **details})
    return True
