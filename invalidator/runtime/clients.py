"""The connections of a process, each made at its first use and kept: a warm invocation finds it connected."""

from functools import cache
from typing import TYPE_CHECKING

from invalidator.aws import cloudfront as cloudfront_api
from invalidator.aws.cloudfront import CloudFront
from invalidator.distributions.catalog import Catalog

if TYPE_CHECKING:
    from invalidator.aws.listings import Listings
    from invalidator.aws.sqs import Queue
    from invalidator.runtime.jobs import Pipeline


@cache
def cloudfront() -> CloudFront:
    """Return the client of CloudFront. Raises ConfigurationError if the SDK cannot be set up."""
    return cloudfront_api.connect()


@cache
def catalog() -> Catalog:
    """Return the descriptions of the distributions."""
    return Catalog(cloudfront())


@cache
def queue(url: str) -> "Queue":
    """Return the queue with this URL, to which tickets are sent."""
    from invalidator.aws.sqs import connect

    return connect(url)


@cache
def pipeline() -> "Pipeline":
    """Return the client of CodePipeline, which takes the answers of jobs."""
    from invalidator.runtime.jobs import connect

    return connect()


@cache
def listings() -> "Listings":
    """Return the client that lists buckets."""
    # Imported here: most functions never list anything, and would start 3 ms later, about 1 % (2026-11-22).
    from invalidator.aws.listings import connect

    return connect()


def forget() -> None:
    """Connect anew at the next use, as a cold start does."""
    for kept in (cloudfront, catalog, queue, listings, pipeline):
        kept.cache_clear()
