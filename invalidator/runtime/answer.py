"""The answer by which Lambda, or whoever invoked the function, knows what was done and what has to come again."""

from typing import Any, NamedTuple

from invalidator.errors import IncompleteError
from invalidator.events.decode import Decoded
from invalidator.model import ObjectChange, Plan
from invalidator.runtime.budget import note_spent
from invalidator.runtime.deliver import PlanResult
from invalidator.runtime.gather import Gathering
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import details_of, logger
from invalidator.runtime.metrics import MAX_DISTRIBUTIONS


class Served(NamedTuple):
    """An event that was served: its contents, what of it waits, the number of distributions, the changes, and the end.

    ``changes`` are those of the plan: without unchanged uploads.
    """

    decoded: Decoded
    gathering: Gathering
    distributions: int
    changes: list[ObjectChange]
    plan: Plan
    result: PlanResult

    @property
    def unchanged(self) -> int:
        """The number of uploads that wrote what was there before."""
        return len(self.gathering.changes) - len(self.changes)


def answer(served: Served, invocation: Invocation) -> dict[str, Any]:
    """Publish the metrics and return Lambda's answer.

    Raises IncompleteError if something failed for which there is no message to name.
    """
    _count(served, invocation.settings.stack)
    note_spent(served.result.tally, served.gathering.brake, invocation)
    invocation.publish(served.result.tally, by_distribution=served.distributions <= MAX_DISTRIBUTIONS)
    return _batch_answer(served) if served.decoded.from_queue else _summary(served)


def _count(served: Served, stack: str) -> None:
    """Count the records; tickets aside, which are this program's own."""
    decoded, gathering, plan, tally = served.decoded, served.gathering, served.plan, served.result.tally
    refused, ignored = len(decoded.refusals), decoded.ignored + gathering.markers
    tally.count("RecordsReceived", gathering.received + decoded.ignored + refused)
    tally.count("RecordsIgnored", ignored + served.unchanged + plan.excluded + plan.unserved)
    tally.count("Failures", refused)
    foreign = sum(mark != stack for mark in decoded.stacks) if stack else 0
    tally.count("ForeignTickets", foreign)
    if foreign:
        logger.warning("tickets that this stack did not write", extra={"tickets": foreign})
    tally.peak("SecondsHeld", gathering.seconds)


def _batch_answer(served: Served) -> dict[str, Any]:
    """Name the messages to deliver again. Lambda deletes the others.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    ids = {refusal.message_id for refusal in served.decoded.refusals} | served.result.coming_again
    named = sorted(message_id for message_id in ids if message_id is not None)
    if len(named) < len(ids):
        raise IncompleteError(_failures(served))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in named]}


def _summary(served: Served) -> dict[str, Any]:
    if served.decoded.refusals or served.result.failures:
        raise IncompleteError(_failures(served))
    return {
        "invalidations": [
            {"distribution": outcome.batch.distribution, "id": outcome.invalidation, **details_of(outcome.batch)}
            for outcome in served.result.accepted
        ],
        "ignored": served.decoded.ignored + served.gathering.markers,
        "tickets": served.result.tickets,
        "excluded": served.plan.excluded,
        "unserved": served.plan.unserved,
        "unchanged": served.unchanged,
    }


def _failures(served: Served) -> str:
    return "\n".join(served.result.failures + [f"refused: {refusal.reason}" for refusal in served.decoded.refusals])
