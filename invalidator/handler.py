"""The Lambda function: event in, invalidations out, and an answer by which Lambda knows what to send again."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from invalidator.aws import sdk
from invalidator.delivery.carry_out import Budget, Cdn, carry_out
from invalidator.distributions.catalog import Catalog
from invalidator.errors import (
    CdnError,
    ConfigurationError,
    IncompleteError,
    ListingError,
    StorageError,
    UnconfiguredError,
)
from invalidator.events import tickets
from invalidator.events.decode import Decoded, decode
from invalidator.limits import MAX_INVOCATION_SECONDS
from invalidator.model import Batch, Distribution, DistributionId, Invalidation, ObjectKey, Outcome, Plan, Site
from invalidator.planning.planner import make_plan
from invalidator.runtime import clients, metrics
from invalidator.runtime.log import logger
from invalidator.runtime.metrics import Tally
from invalidator.settings import environment
from invalidator.workers import Threads, Workers

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from invalidator.aws.listings import Bounds, Listings, Unchanged
    from invalidator.aws.sqs import Queue
    from invalidator.runtime.jobs import Pipeline, Work

_PATIENCE_SECONDS: Final = 5.0
"""Longest pause on a distribution's own account where a ticket can wait instead: it holds up nothing else."""

_DESCRIBING_SECONDS: Final = 10.0
"""Longest time for learning about distributions, and no more than a quarter of what there is."""

_COMPARING_SECONDS: Final = 10.0
"""Longest time for comparing uploads with what was there before, and no more than a quarter of what there is."""

_LISTING_SECONDS: Final = 30.0
"""Longest time for listing what wildcards would evict, and no more than a third of what there is."""

_MAX_KEPT: Final = 50_000
"""Keys that are kept while an event is handled: some megabytes."""

_LAST_ANSWER_SECONDS: Final = 2.0
"""How much of that is left for the last answer, so that what was found before is not lost."""


def look(distribution: DistributionId, id_: str) -> Invalidation:
    """Return an invalidation as it stands."""
    return clients.cloudfront().invalidation(distribution, id_)


class Edge(NamedTuple):
    """What the function touches of the world, beside the event and the context."""

    cdn: Callable[[], Cdn] = clients.cloudfront
    queue: "Callable[[str], Queue]" = clients.queue
    workers: Callable[[], Workers[Any]] = Threads
    catalog: Callable[[], Catalog] = clients.catalog
    listings: "Callable[[], Listings]" = clients.listings
    look: Callable[[DistributionId, str], Invalidation] = look
    pipeline: "Callable[[], Pipeline]" = clients.pipeline
    # Seconds since 1970.
    now: Callable[[], float] = time.time
    publish: Callable[[Iterable[metrics.Document], metrics.Context], None] = metrics.publish


AWS: Final = Edge()


@dataclass(slots=True)
class _Result:
    """What became of an event's batches: accepted, stored as tickets, or neither."""

    plan: Plan
    done: list[Outcome] = field(default_factory=list)
    tickets: int = 0
    failed: list[Outcome] = field(default_factory=list)
    # The messages of what failed; None for an event that is no queue's.
    coming_again: set[str | None] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


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


def lambda_handler(
    event: object, context: "LambdaContext | LocalContext | None" = None, edge: Edge = AWS
) -> dict[str, Any]:
    """Invalidate what the event says has changed, on every configured distribution.

    What cannot be invalidated now is stored as tickets, if there is a queue for them. Returns
    ``{"batchItemFailures": [{"itemIdentifier"}…]}`` for an SQS event, with the messages to deliver again. For any
    other: ``{"invalidations": [{"distribution", "id", "items", "caller_reference"}…], "ignored": n, "tickets": n,
    "excluded": n, "unserved": n, "unchanged": n}``, the last three of which count changes that the settings exclude,
    that concern none of the distributions, or that wrote what had been there before.
    A job of CodePipeline gets its own answer; what is returned beside it is ``{"job": id, "result": "succeeded",
    "failed" or "running", …}``. It is failed rather than raised, unless it cannot be answered: JobError, EventError.
    Raises ConfigurationError before anything is done, and IncompleteError after everything was tried if something
    was neither done nor stored and there is no message to name in an answer: Lambda then retries.
    """
    if context is None:  # outside Lambda, where nobody collects metrics
        context, edge = LocalContext(), edge._replace(publish=lambda _documents, _context: None)
    handle = _handle_job if isinstance(event, dict) and "CodePipeline.job" in event else _handle
    return handle(event, context, edge)


# log_event is off even where POWERTOOLS_LOGGER_LOG_EVENT asks for it: an event is shown at DEBUG only.
@logger.inject_lambda_context(log_event=False)
def _handle(event: object, context: "LambdaContext | LocalContext", edge: Edge) -> dict[str, Any]:
    if logger.log_level <= logging.DEBUG:
        logger.debug("event", extra={"event": _shown(event)})
    config = environment.load()
    for warning in config.warnings:
        logger.warning(warning)
    decoded = decode(event, context.aws_request_id)
    distributions = _distributions(decoded, config, context, edge)
    if decoded.ignored:
        logger.info("records ignored", extra={"records": decoded.ignored})
    for refusal in decoded.refusals:
        logger.error("record refused", extra={"reason": refusal.reason, "message_id": refusal.message_id})
    _skip_unchanged(decoded, config, context, edge)
    objects = _Objects(config, context, edge).keys
    plan = make_plan(decoded.changes, distributions, config.view, decoded.tickets, config.allowance, objects)
    _log_what_is_left_out(plan)
    result = _carry_out(plan, config, context, edge)
    result.tally.count("RecordsReceived", decoded.received)
    result.tally.count("RecordsIgnored", decoded.ignored + decoded.unchanged + plan.excluded + plan.unserved)
    result.tally.count("Failures", len(decoded.refusals))
    _publish(result.tally, context, edge, by_distribution=len(distributions) <= metrics.MAX_DISTRIBUTIONS)
    return _batch_answer(decoded, result) if decoded.from_queue else _summary(decoded, result)


def _shown(event: object) -> object:
    """An event, for the log; a job that comes back among dead letters still has its credentials."""
    is_job = "CodePipeline.job" in json.dumps(event, default=str)
    return "not shown, since there is a job of CodePipeline in it" if is_job else event


def _distributions(
    decoded: Decoded, config: environment.Settings, context: "LambdaContext | LocalContext", edge: Edge
) -> list[Distribution]:
    """All that there may be something to do for; tickets for others are refused."""
    catalog = edge.catalog()
    seconds = min(_DESCRIBING_SECONDS, context.get_remaining_time_in_millis() / 1000 / 4)
    buckets = {change.bucket for change in decoded.changes}
    found = catalog.look_up(config, buckets, edge.workers(), seconds)
    decoded.refuse_strangers(partial(_is_ours, catalog, config))
    for warning in catalog.warnings():
        logger.warning(warning)
    if not config.describe:
        _log_that_nothing_is_described()
    # Those that were discovered for a bucket of another event have tickets only.
    others = {batch.distribution for batch in decoded.tickets} - {distribution.id for distribution in found}
    return found + [Distribution(id_, Site(())) for id_ in sorted(others)]


def _skip_unchanged(
    decoded: Decoded, config: environment.Settings, context: "LambdaContext | LocalContext", edge: Edge
) -> None:
    """Drop the uploads that wrote what had been there before. What cannot be compared in time stays."""
    if config.skip_unchanged is None:
        return
    uploads = [change for change in decoded.changes if change.version and config.view.takes(change.key)]
    if not uploads:
        return
    listings, workers = edge.listings(), edge.workers()
    seconds = min(_COMPARING_SECONDS, context.get_remaining_time_in_millis() / 1000 / 4)
    bounds = listings.bounds(config.list_pages, max(seconds - _LAST_ANSWER_SECONDS, seconds / 2))
    metadata = config.skip_unchanged is environment.Comparison.VERSIONS_AND_METADATA
    workers.start(partial(listings.unchanged, uploads, bounds, metadata=metadata))
    found: Unchanged | None = workers.wait(seconds)
    for warning in found.warnings if found else ["S3 does not answer; all uploads are invalidated"]:
        logger.warning(warning)
    if found and found.changes:
        decoded.skip(found.changes)
        logger.info("unchanged uploads skipped", extra={"uploads": decoded.unchanged})


@dataclass(slots=True)
class _Objects:
    """What else is in the buckets, as far as there is time to list it: all listings together have one bound."""

    config: environment.Settings
    context: "LambdaContext | LocalContext"
    edge: Edge
    bounds: "Bounds | None" = None
    kept: dict[tuple[str, str], list[ObjectKey]] = field(default_factory=dict)

    def keys(self, bucket: str, prefix: str) -> Iterator[ObjectKey]:
        """The keys that begin so; not listed again for another site if there are not too many. Raises ListingError."""
        if (bucket, prefix) in self.kept:
            yield from self.kept[bucket, prefix]
            return
        kept: list[ObjectKey] = []
        for page in self._pages(bucket, prefix):
            yield from page
            if len(kept) <= _MAX_KEPT:
                kept += page
        if len(kept) <= _MAX_KEPT:
            self.kept[bucket, prefix] = kept

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[ObjectKey]]:
        """Pages of them. Raises ListingError even where S3 does not answer at all."""
        listings, workers = self.edge.listings(), self.edge.workers()
        if self.bounds is None:
            left = self.context.get_remaining_time_in_millis() / 1000
            self.bounds = listings.bounds(self.config.list_pages, min(_LISTING_SECONDS, left / 3))
        pages = listings.pages(bucket, prefix, self.bounds)
        page: list[ObjectKey] | None = []
        while page is not None:
            yield page
            workers.start(lambda: (next(pages, None),))
            ended = workers.wait(listings.left(self.bounds))
            if ended is None:
                raise ListingError(f"bucket {bucket!r} cannot be listed: S3 does not answer in time")
            (page,) = ended


def _is_ours(catalog: Catalog, config: environment.Settings, id_: DistributionId) -> bool:
    try:
        return catalog.has(id_, config)
    except ConfigurationError as error:
        logger.warning(str(error))
        return False  # the ticket comes again, and the others do not wait for it


@cache
def _log_that_nothing_is_described() -> None:
    logger.info("DESCRIBE is off: every distribution is taken to serve each key as it is")


def forget() -> None:
    """Connect anew at the next event, as a cold start does."""
    clients.forget()
    _log_that_nothing_is_described.cache_clear()


def _log_what_is_left_out(plan: Plan) -> None:
    for note in plan.notes:
        details = {"distribution": note.distribution, "reason": note.text, "records": note.changes}
        logger.info("left out on a distribution", extra=details)
    for warning in plan.warnings:
        logger.warning(warning)
    for batch in plan.batches:
        if wide := {item.path: item.reason for item in batch.items if item.wide}:
            details = {"distribution": batch.distribution, "evicted": batch.cost.evicted, "wildcards": wide}
            logger.info("paths widened", extra=details)
    if plan.excluded or plan.unserved:
        logger.info("changes of no concern", extra={"excluded": plan.excluded, "unserved": plan.unserved})


def _carry_out(
    plan: Plan, config: environment.Settings, context: "LambdaContext | LocalContext", edge: Edge
) -> _Result:
    budget = Budget(lambda: context.get_remaining_time_in_millis() / 1000)
    if config.queue_url:
        budget = budget._replace(patience=_PATIENCE_SECONDS, closing=sdk.LONGEST_ATTEMPT)
    result = _Result(plan)
    for outcome in carry_out(plan, result.tally.counting(edge.cdn()), budget, edge.workers()):
        if outcome.error is None:
            logger.info("invalidation created", extra={"invalidation": outcome.invalidation, **_details(outcome)})
            result.done.append(outcome)
            result.tally.accept(outcome.batch, edge.now())
        elif _store(outcome, outcome.error, result, config, edge):
            result.tickets += 1
        else:
            result.tally.count("Failures", 1, outcome.batch.distribution)
            result.failed.append(outcome)
            result.coming_again |= outcome.batch.message_ids
    # They were served at the same time; whoever reads the answer wants them in the order of the settings.
    first = {id_: number for number, id_ in enumerate(config.distributions)}
    for outcomes in (result.done, result.failed):
        outcomes.sort(
            key=lambda outcome: (first.get(outcome.batch.distribution, len(first)), outcome.batch.distribution)
        )
    return result


def _store(outcome: Outcome, error: CdnError, result: _Result, config: environment.Settings, edge: Edge) -> bool:
    """Write a ticket for what is left. False if it is not stored anywhere: its messages have to come again."""
    batch, details = outcome.batch, {"error": str(error), **_details(outcome)}
    hopeless = tickets.is_hopeless(batch.attempts, error)
    url = config.dead_letters_url if hopeless else config.queue_url
    # What comes again anyway needs no ticket: it would be done twice, and with each failure there would be more of it.
    if not (config.queue_url and url) or batch.message_ids <= result.coming_again:
        logger.error("invalidation failed", extra=details)
        return False
    delay = 0 if hopeless else tickets.delay(batch.attempts)
    try:
        edge.queue(url).send(tickets.write(tickets.Ticket(batch, str(error))), delay)
    except (StorageError, ConfigurationError) as failure:
        # Where in the code it happened is of no use to an operator.
        logger.error("invalidation failed", extra={"not_stored": str(failure), **details})
        return False
    result.tally.count("Failures" if hopeless else "Tickets", 1, batch.distribution)
    if hopeless:
        logger.error("invalidation given up", extra=details)
    else:
        logger.warning("invalidation put off", extra={"seconds": delay, **details})
    return True


def _publish(
    tally: Tally, context: "LambdaContext | LocalContext", edge: Edge, *, by_distribution: bool = False
) -> None:
    try:
        edge.publish(tally.documents(by_distribution=by_distribution), context)
    except Exception:  # noqa: BLE001 whatever it is: what was done is done, and must not be done again for a metric
        logger.exception("metrics not published")


def _details(outcome: Outcome) -> dict[str, Any]:
    return {
        "distribution": outcome.batch.distribution,
        "items": len(outcome.batch.items),
        "caller_reference": outcome.batch.caller_reference,
    }


# --- jobs of CodePipeline -------------------------------------------------------------------------------


@logger.inject_lambda_context(log_event=False)
def _handle_job(event: object, context: "LambdaContext | LocalContext", edge: Edge) -> dict[str, Any]:
    # Nothing of the event is logged at any level: it holds credentials.
    from invalidator.runtime import jobs

    job = jobs.read(event)
    tally = Tally()
    verdict = jobs.verdict_of(job, _work(context, edge, tally), edge.now())
    told = jobs.result(job, verdict)
    if isinstance(verdict, jobs.Failed):
        logger.error("job failed", extra=told, exc_info=verdict.error)
        tally.count("Failures")
    else:
        logger.info("job served", extra=told)
    # Before the answer, which may fail. Whoever writes jobs names distributions: there is no end to those that a metric
    # could be of.
    _publish(tally, context, edge)
    if not edge.pipeline().answer(job.id, verdict):
        logger.warning("the pipeline does not wait for this job any more", extra={"job": job.id})
    return told


def _work(context: "LambdaContext | LocalContext", edge: Edge, tally: Tally) -> "Work":
    """What a job needs of CloudFront and of the settings."""
    from invalidator.runtime.jobs import Work

    def left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def distributions(ids: Sequence[str]) -> list[DistributionId]:
        try:
            config = environment.load(instead=ids, source="distributionId")
        except UnconfiguredError as error:
            raise ConfigurationError(f"give distributionId in UserParameters; {error}") from error
        if config.discover and not config.discover_bucket:
            raise ConfigurationError("DISCOVER_BUCKET is missing, without which there is nothing to discover for a job")
        config = replace(config, describe=False)
        found = edge.catalog().look_up(config, {config.discover_bucket} - {""}, edge.workers(), 0.0)
        warnings = [*config.warnings, *edge.catalog().warnings()]
        for warning in warnings:
            logger.warning(warning)
        if not found:
            raise ConfigurationError("; ".join(warnings) or f"no distribution serves bucket {config.discover_bucket}")
        return [distribution.id for distribution in found]

    def send(batches: tuple[Batch, ...]) -> Iterator[Outcome]:
        # What has to wait on its distribution's account waits in CodePipeline.
        budget = Budget(left, _PATIENCE_SECONDS, closing=sdk.LONGEST_ATTEMPT)
        for outcome in carry_out(Plan(batches), tally.counting(edge.cdn()), budget, edge.workers()):
            if outcome.error is None:
                tally.accept(outcome.batch, edge.now())
                logger.info("invalidation created", extra={"invalidation": outcome.invalidation, **_details(outcome)})
            else:
                logger.warning("not invalidated", extra={"error": str(outcome.error), **_details(outcome)})
            yield outcome

    return Work(distributions, send, edge.look, left)


# --- answers --------------------------------------------------------------------------------------------


def _batch_answer(decoded: Decoded, result: _Result) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: the others are deleted."""
    ids = {refusal.message_id for refusal in decoded.refusals} | result.coming_again
    named = sorted(message_id for message_id in ids if message_id is not None)
    if len(named) < len(ids):
        raise IncompleteError(_what_failed(decoded, result))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in named]}


def _summary(decoded: Decoded, result: _Result) -> dict[str, Any]:
    if decoded.refusals or result.failed:
        raise IncompleteError(_what_failed(decoded, result))
    return {
        "invalidations": [
            {"distribution": outcome.batch.distribution, "id": outcome.invalidation, **_details(outcome)}
            for outcome in result.done
        ],
        "ignored": decoded.ignored,
        "tickets": result.tickets,
        "excluded": result.plan.excluded,
        "unserved": result.plan.unserved,
        "unchanged": decoded.unchanged,
    }


def _what_failed(decoded: Decoded, result: _Result) -> str:
    failures = [outcome.failure for outcome in result.failed]
    return "\n".join(failures + [f"refused: {refusal.reason}" for refusal in decoded.refusals])
