"""Carry out a plan in Lambda: a batch is accepted, or stored as a ticket, or its messages come again."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from invalidator.delivery import pacing
from invalidator.delivery.carry_out import Budget, carry_out, in_order
from invalidator.errors import CdnError, ConfigurationError, StorageError
from invalidator.events import tickets
from invalidator.model import Outcome, Plan
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import details_of, logger
from invalidator.runtime.metrics import Tally


@dataclass(slots=True)
class Delivered:
    """The outcomes of an event's plan. ``tally`` counts them for CloudWatch."""

    accepted: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    tickets: int = 0
    tally: Tally = field(default_factory=Tally)
    # The messages of what failed; None for an event that is no queue's.
    coming_again: set[str | None] = field(default_factory=set)


def send(plan: Plan, budget: Budget, invocation: Invocation, tally: Tally) -> Iterator[Outcome]:
    """Carry out a plan, and log and count what CloudFront accepts. Yields each outcome as soon as it is final."""
    clients = invocation.clients
    for outcome in carry_out(plan, tally.counting(clients.cloudfront()), budget, clients.workers()):
        if outcome.error is None:
            tally.accept(outcome.batch, clients.now())
            details = {"invalidation": outcome.invalidation, **details_of(outcome.batch)}
            logger.info("invalidation created", extra=details)
        yield outcome


def deliver(plan: Plan, invocation: Invocation) -> Delivered:
    """Carry out the plan of an event; what CloudFront does not accept now is stored, if there is a queue for it."""
    delivered = Delivered()
    budget = invocation.budget(can_wait=bool(invocation.settings.queue_url))
    for outcome in send(plan, budget, invocation, delivered.tally):
        if outcome.error is None:
            delivered.accepted.append(outcome)
        elif _store(outcome, outcome.error, delivered, invocation):
            delivered.tickets += 1
        else:
            delivered.tally.count("Failures", 1, outcome.batch.distribution)
            delivered.failed.append(outcome)
            delivered.coming_again |= outcome.batch.message_ids
    distributions = invocation.settings.distributions
    delivered.accepted = in_order(delivered.accepted, distributions)
    delivered.failed = in_order(delivered.failed, distributions)
    return delivered


def _store(outcome: Outcome, error: CdnError, delivered: Delivered, invocation: Invocation) -> bool:
    """Store what is left as a ticket or a dead letter. False if it is not stored: its messages have to come again."""
    batch, settings = outcome.batch, invocation.settings
    details = {"error": str(error), **details_of(batch)}
    hopeless = pacing.is_hopeless(batch.attempts, error)
    url = settings.dead_letters_url if hopeless else settings.queue_url
    # A batch whose messages come again anyway needs no ticket: it would be done twice, and again with each failure.
    if not (settings.queue_url and url) or batch.message_ids <= delivered.coming_again:
        logger.error("invalidation failed", extra=details)
        return False
    delay = 0 if hopeless else pacing.delay(batch.attempts)
    try:
        invocation.clients.queue(url).send(tickets.write(tickets.Ticket(batch, str(error))), delay)
    except (StorageError, ConfigurationError) as failure:
        # An operator has no use for the place in the code.
        logger.error("invalidation failed", extra={"not_stored": str(failure), **details})
        return False
    delivered.tally.count("Failures" if hopeless else "Tickets", 1, batch.distribution)
    if hopeless:
        logger.error("invalidation given up", extra=details)
    else:
        logger.warning("invalidation put off", extra={"seconds": delay, **details})
    return True
