"""The function's log: one JSON object a line, of a constant message and fields."""

import json
import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from invalidator.events.decode import Decoded
from invalidator.model import Batch, Plan
from invalidator.settings import environment, powertools

with powertools.spared():
    from aws_lambda_powertools.logging import Logger


def _as_ascii(record: Any) -> str:
    """Return a line of the log, in which a reader of logs finds nothing to obey, whatever text comes from outside."""
    return json.dumps(record, default=str, separators=(",", ":"))


with powertools.spared():
    logger = Logger(service=environment.service_name(), json_serializer=_as_ascii)


@cache
def log_once(text: str, log: Callable[[str], None] = logger.info) -> None:
    """Log a text at the first event of a process only."""
    log(text)


def log_event(event: object) -> None:
    """Log an event at DEBUG. A job that comes back among dead letters still has its credentials: it is not shown."""
    if logger.log_level <= logging.DEBUG:
        try:
            is_job = "CodePipeline.job" in _as_ascii(event)
        except RecursionError:
            logger.debug("event", extra={"event": "not shown: it is nested too deep"})
        else:
            logger.debug("event", extra={"event": "not shown: it holds a job of CodePipeline" if is_job else event})


def log_warnings(warnings: Iterable[str]) -> None:
    """Log warnings; those of variables that do nothing, once: a process cannot change them."""
    for warning in warnings:
        if warning.startswith(("POWERTOOLS_", "LOG_LEVEL", *environment.IN_VAIN, *environment.GONE)):
            log_once(warning, logger.warning)
        else:
            logger.warning(warning)


def log_contents(decoded: Decoded) -> None:
    """Log what an event holds beside changes and tickets."""
    if decoded.ignored:
        logger.info("records ignored", extra={"records": decoded.ignored})
    for refusal in decoded.refusals:
        logger.error("record refused", extra={"reason": refusal.reason, "message_id": refusal.message_id})


def log_plan(plan: Plan) -> None:
    """Log what a plan leaves out, widens and warns of."""
    for note in plan.notes:
        details = {"distribution": note.distribution, "reason": note.text, "records": note.changes}
        logger.info("left out on a distribution", extra=details)
    log_warnings(plan.warnings)
    for batch in plan.batches:
        if wide := {item.path: item.reason for item in batch.items if item.wide}:
            details = {"distribution": batch.distribution, "evicted": batch.cost.evicted, "wildcards": wide}
            logger.info("paths widened", extra=details)
    if plan.excluded or plan.unserved:
        logger.info("changes of no concern", extra={"excluded": plan.excluded, "unserved": plan.unserved})


def details_of(batch: Batch) -> dict[str, str | int]:
    """Return the fields by which a batch is found again in the log and in CloudFront."""
    more = {"repeat": True} if batch.repeat else {}
    return {
        "distribution": batch.distribution,
        "items": len(batch.items),
        "caller_reference": batch.caller_reference,
        **more,
    }
