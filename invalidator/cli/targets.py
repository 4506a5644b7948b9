"""Which distributions a command is about, by its options and by the settings."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from invalidator.aws.cloudfront import CloudFront
from invalidator.cli.terminal import warn
from invalidator.distributions.catalog import DISCOVERY
from invalidator.distributions.concerned import Concerned, asked_by, buckets_of, concerned
from invalidator.distributions.describe import has_tenants, items_of
from invalidator.errors import CdnError, ConfigurationError, UnconfiguredError
from invalidator.events.decode import Decoded
from invalidator.model import Distribution, DistributionId
from invalidator.runtime import clients
from invalidator.settings import environment
from invalidator.settings.environment import Settings, check_bucket_name
from invalidator.settings.ids import OPTION
from invalidator.workers import Threads

_SECONDS: Final = 60.0
"""For CloudFront to describe the distributions."""


# A domain, an alias, or a URL of one.
_host = re.compile(r"(?:https?://)?((?:[\w*-]+\.)+[\w-]+)(?:[/:?#].*)?", re.ASCII | re.IGNORECASE).fullmatch


def settings_meant(ids: list[str]) -> Settings:
    """Return the settings, with these ids in place of the configured ones, if there are any.

    Raises ConfigurationError, with the id to use if one of the words is a domain of a distribution of the account.
    """
    for word in ids:
        if (host := _host(word)) and (id_ := _id_of(host[1].lower())):
            raise ConfigurationError(f"{OPTION}: {word!r} is not a distribution id: did you mean {id_}?")
    return environment.load(instead=ids)


def _id_of(host: str) -> str:
    """Return the id of the distribution with this domain or alias; empty if none is known."""
    with suppress(CdnError, ConfigurationError):
        names = {
            name.lower(): str(summary["Id"])
            for summary in clients.cloudfront().summaries()
            for name in (summary.get("DomainName", ""), *items_of(summary, "Aliases"))
        }
        return names.get(host) or names.get(f"*.{host.partition('.')[2]}", "")
    return ""


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
        settings = settings_meant(ids)
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
