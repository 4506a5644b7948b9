"""Which distributions a command is about, by its options and by the settings."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from invalidator.aws.cloudfront import CloudFront
from invalidator.cli.terminal import warn
from invalidator.distributions.catalog import DISCOVERY
from invalidator.distributions.concerned import Concerned, asked_by, buckets_of, concerned
from invalidator.distributions.describe import has_tenants
from invalidator.errors import ConfigurationError, UnconfiguredError
from invalidator.events.decode import Decoded
from invalidator.model import Distribution, DistributionId
from invalidator.runtime import clients
from invalidator.settings import environment
from invalidator.settings.environment import Settings, check_bucket_name
from invalidator.workers import Threads

_SECONDS: Final = 60.0
"""For CloudFront to describe the distributions."""


def bucket_meant(settings: Settings, bucket: str | None) -> str | None:
    """Return the bucket that was named or, if distributions are to be discovered, the configured one.

    Raises ConfigurationError if distributions are to be discovered and there is no bucket.
    """
    meant = bucket or (settings.discover_bucket if settings.discover else None)
    if settings.discover and not meant:
        raise ConfigurationError("--bucket: give the bucket whose distributions are to be discovered")
    return meant


def distributions_meant(ids: list[str], bucket: str | None) -> list[DistributionId]:
    """Return the distributions that were named, serve the bucket or are configured; if there are none, all.

    At least one. Raises ConfigurationError, or CdnError.
    """
    if bucket is not None:
        check_bucket_name(bucket, "--bucket")
        ids = [*ids, "discover"]
    try:
        settings = environment.load(instead=ids)
    except UnconfiguredError:
        every = list(_everything(clients.cloudfront()))
        if not every:
            raise ConfigurationError("the account has no distribution, and none is configured") from None
        return every
    named = bucket_meant(settings, bucket)
    distributions, warnings = _look_up(replace(settings, describe=False), {named} if named else set())
    if not distributions:
        raise ConfigurationError("; ".join(warnings))
    warn(warnings)
    return [distribution.id for distribution in distributions]


def distributions_serving(settings: Settings, buckets: set[str]) -> tuple[list[Distribution], list[str]]:
    """Return the distributions that may serve these buckets, described, and warnings, which are narrated.

    Raises ConfigurationError or CdnError if one is not known.
    """
    distributions, warnings = _look_up(settings, buckets)
    warn(warnings)
    return distributions, warnings


def distributions_as_known(settings: Settings, buckets: set[str]) -> list[Distribution]:
    """Return the distributions that may serve these buckets. Each that cannot be described now serves all keys."""
    catalog = clients.catalog()
    found = catalog.look_up(settings, buckets, Threads(), _SECONDS)
    warn(catalog.warnings())
    return found.known + [Distribution(id_) for id_ in found.unknown if id_ != DISCOVERY]


def distributions_concerned(settings: Settings, decoded: Decoded) -> Concerned:
    """Return the distributions that an event concerns, as the function does. Raises as ``distributions_serving``."""
    catalog = clients.catalog()
    found = catalog.look_up(settings, buckets_of(decoded), Threads(), _SECONDS, asked_by(decoded))
    warn(catalog.warnings() if not found.unknown else ())
    found.certain()
    return concerned(decoded, found, settings)


def _look_up(settings: Settings, buckets: set[str]) -> tuple[list[Distribution], list[str]]:
    """Return the distributions and warnings; the error of an unknown one says what a warning would say."""
    catalog = clients.catalog()
    found = catalog.look_up(settings, buckets, Threads(), _SECONDS)
    warnings = catalog.warnings()
    return found.certain(), warnings


def _everything(account: CloudFront) -> Iterator[DistributionId]:
    """Yield every distribution of the account or, where it has tenants, these in its place."""
    for summary in account.summaries():
        id_ = DistributionId(summary["Id"])
        if has_tenants(summary):
            yield from account.tenants(id_)
        else:
            yield id_
