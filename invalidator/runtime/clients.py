"""The connections of a process, each made at its first use and kept: a warm invocation finds it connected."""

import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from invalidator.aws import sdk
from invalidator.aws.cloudfront import CloudFront
from invalidator.delivery.bursts import Arrivals
from invalidator.delivery.carry_out import Cdn
from invalidator.distributions.catalog import Catalog
from invalidator.model import DistributionId, Invalidation
from invalidator.runtime import metrics
from invalidator.runtime.log import log_once
from invalidator.workers import Threads, Workers

if TYPE_CHECKING:
    from invalidator.aws.listings import Listings
    from invalidator.aws.queues import Queue
    from invalidator.aws.spending import Spending


@cache
def cloudfront() -> CloudFront:
    """Return the client of CloudFront. Raises ConfigurationError if the SDK cannot be set up, as all of these do."""
    return CloudFront.connect()


@cache
def catalog() -> Catalog:
    """Return the descriptions of the distributions."""
    return Catalog(cloudfront())


@cache
def queue(url: str) -> "Queue":
    """Return the queue with this URL, to which tickets are sent."""
    from invalidator.aws.queues import Queue

    return Queue.connect(url)


@cache
def arrivals() -> Arrivals:
    """Return what this process has received lately."""
    return Arrivals()


@cache
def spending() -> "Spending":
    """Return what the month has cost."""
    # Imported here: only a function with a budget asks.
    from invalidator.aws.spending import Spending
    from invalidator.settings import environment

    return Spending.connect(environment.metrics_namespace(), environment.service_name())


@cache
def pipeline() -> Any:
    """Return the SDK's client of CodePipeline, which takes the answers of jobs."""
    return sdk.client("codepipeline", attempts=3)


@cache
def listings() -> "Listings":
    """Return the client that lists buckets."""
    # Imported here: most functions never list anything, and would start 3 ms later, about 1 % (2026-11-22).
    from invalidator.aws.listings import Listings

    return Listings.connect()


def invalidation(distribution: DistributionId, id_: str) -> Invalidation:
    """Return an invalidation as it stands. Raises CdnError."""
    return cloudfront().invalidation(distribution, id_)


def forget() -> None:
    """Connect anew at the next use, as a cold start does."""
    for kept in (cloudfront, catalog, queue, listings, spending, pipeline, arrivals, log_once):
        kept.cache_clear()
    sdk.forget_sessions()


class Clients(NamedTuple):
    """Everything that the function touches beside its event: connections, threads, the time, and where metrics go."""

    cloudfront: Callable[[], Cdn] = cloudfront
    invalidation: Callable[[DistributionId, str], Invalidation] = invalidation
    catalog: Callable[[], Catalog] = catalog
    queue: "Callable[[str], Queue]" = queue
    listings: "Callable[[], Listings]" = listings
    spending: "Callable[[], Spending]" = spending
    pipeline: Callable[[], Any] = pipeline
    arrivals: Callable[[], Arrivals] = arrivals
    workers: Callable[[], Workers[Any]] = Threads
    # Seconds since 1970.
    now: Callable[[], float] = time.time
    # Seconds since any time, on a clock that nobody sets.
    monotonic: Callable[[], float] = time.monotonic
    publish: Callable[[Iterable[metrics.Document], metrics.Context], None] = metrics.publish


AWS: Final = Clients()
