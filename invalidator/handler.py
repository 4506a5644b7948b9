"""The Lambda function: event in, invalidations out, and an answer by which Lambda knows what to send again."""

import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aws_lambda_powertools.logging import Logger

from invalidator import cloudfront, settings
from invalidator.errors import IncompleteError
from invalidator.events import Decoded, decode
from invalidator.limits import MAX_INVOCATION_SECONDS
from invalidator.model import Batch, Outcome
from invalidator.planner import make_plan
from invalidator.service import carry_out

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service=settings.service_name())
# Made at the first event and kept: a warm invocation finds it connected.
cdn = cache(cloudfront.connect)


@dataclass(frozen=True)
class LocalContext:
    """The context of an invocation outside Lambda: a quarter of an hour, Lambda's own maximum."""

    function_name: str = "local"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "local"
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    deadline: float = field(default_factory=lambda: time.monotonic() + MAX_INVOCATION_SECONDS)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the quarter of an hour is over."""
        return int((self.deadline - time.monotonic()) * 1000)


def lambda_handler(event: object, context: "LambdaContext | LocalContext | None" = None) -> dict[str, Any]:
    """Invalidate what the event says has changed, on every configured distribution.

    Returns ``{"batchItemFailures": [{"itemIdentifier"}…]}`` for an SQS event, with the messages to deliver
    again. For any other: ``{"invalidations": [{"distribution", "id", "items", "caller_reference"}…],
    "ignored": n}``. Raises ConfigurationError before anything is done, and IncompleteError after everything
    was tried if something failed and there is no message to name in an answer: Lambda then retries.
    """
    return _handle(event, context or LocalContext())


# log_event is off even where POWERTOOLS_LOGGER_LOG_EVENT asks for it: an event is shown at DEBUG only.
@logger.inject_lambda_context(log_event=False)
def _handle(event: object, context: "LambdaContext | LocalContext") -> dict[str, Any]:
    logger.debug("event", extra={"event": event})
    config = settings.load()
    decoded = decode(event, context.aws_request_id)
    if decoded.ignored:
        logger.info("records ignored", extra={"records": decoded.ignored})
    for refusal in decoded.refusals:
        logger.error("record refused", extra={"reason": refusal.reason, "message_id": refusal.message_id})
    outcomes = []
    plan = make_plan(decoded.changes, config.distributions, config.index_document)
    for outcome in carry_out(plan, cdn(), lambda: context.get_remaining_time_in_millis() / 1000):
        _log(outcome)
        outcomes.append(outcome)
    return _batch_answer(decoded, outcomes) if decoded.from_queue else _summary(decoded, outcomes)


def _log(outcome: Outcome) -> None:
    details: dict[str, Any] = {
        "distribution": outcome.batch.distribution,
        "items": len(outcome.batch.items),
        "caller_reference": outcome.batch.caller_reference,
    }
    if outcome.error is None:
        logger.info("invalidation created", extra={"invalidation": outcome.invalidation, **details})
    else:
        logger.error("invalidation failed", extra={"error": str(outcome.error), **details})


def _batch_answer(decoded: Decoded, outcomes: list[Outcome]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: the others are deleted."""
    failed = {refusal.message_id for refusal in decoded.refusals}
    for outcome in outcomes:
        if outcome.error is not None:
            failed |= outcome.batch.message_ids
    named = sorted(message_id for message_id in failed if message_id is not None)
    if len(named) < len(failed):
        raise IncompleteError(_what_failed(decoded, outcomes))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in named]}


def _summary(decoded: Decoded, outcomes: list[Outcome]) -> dict[str, Any]:
    if decoded.refusals or any(outcome.error is not None for outcome in outcomes):
        raise IncompleteError(_what_failed(decoded, outcomes))
    return {
        "invalidations": [
            {
                "distribution": outcome.batch.distribution,
                "id": outcome.invalidation,
                "items": len(outcome.batch.items),
                "caller_reference": outcome.batch.caller_reference,
            }
            for outcome in outcomes
        ],
        "ignored": decoded.ignored,
    }


def _what_failed(decoded: Decoded, outcomes: list[Outcome]) -> str:
    failures = [
        f"{outcome.batch.distribution}: {_some_of(outcome.batch)} not invalidated: {outcome.error}"
        for outcome in outcomes
        if outcome.error is not None
    ]
    return "\n".join(failures + [f"refused: {refusal.reason}" for refusal in decoded.refusals])


def _some_of(batch: Batch) -> str:
    first, *others = batch.items
    return f"{first.path} and {len(others):,} more" if others else first.path
