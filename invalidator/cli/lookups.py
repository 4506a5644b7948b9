"""Look-ups of the distributions that a command is about. Only commands that ask CloudFront import this."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from invalidator.aws.cloudfront import CloudFront
from invalidator.cli.targets import bucket_meant, check_served, settings_meant
from invalidator.cli.terminal import warn
from invalidator.distributions.catalog import DISCOVERY
from invalidator.distributions.concerned import Concerned, asked_by, buckets_of, concerned
from invalidator.distributions.describe import has_tenants, items_of
from invalidator.errors import CdnError, ConfigurationError, UnconfiguredError
from invalidator.events.decode import Decoded
from invalidator.model import Distribution, DistributionId, Site
from invalidator.runtime import clients
from invalidator.settings.environment import Settings
from invalidator.workers import Threads

_SECONDS: Final = 60.0
"""For CloudFront to describe the distributions."""


def find_id(host: str) -> str:
    """Return the id of the distribution with this domain or alias; empty if none is known."""
    host = host.lower()
    with suppress(CdnError, ConfigurationError):
        names = {
            name.lower(): str(summary["Id"])
            for summary in clients.cloudfront().summaries()
            for name in (summary.get("DomainName", ""), *items_of(summary, "Aliases"))
        }
        return names.get(host) or names.get(f"*.{host.partition('.')[2]}", "")
    return ""


def distributions_meant(ids: list[str], bucket: str | None) -> list[DistributionId]:
    """Return the distributions that were named, serve the bucket or are configured; if there are none, all.

    At least one. Raises ConfigurationError, or CdnError.
    """
    try:
        settings = settings_meant(ids, bucket)
    except UnconfiguredError:
        every = list(_everything(clients.cloudfront()))
        if not every:
            raise ConfigurationError("the account has no distribution, and none is configured") from None
        return every
    settings, meant = replace(settings, describe=False), bucket_meant(settings, bucket)
    found = distributions_serving(settings, meant) if meant else distributions_described(settings, set())
    return [distribution.id for distribution in found]


def distributions_serving(settings: Settings, bucket: str) -> list[Distribution]:
    """Return the distributions of the settings, with their sites, of which at least one may serve this bucket.

    Raises ConfigurationError if none does, and as ``distributions_described``.
    """
    distributions, warnings = _look_up(settings, {bucket})
    check_served(distributions, settings, bucket)
    warn(warnings)
    return distributions


def sites_of(settings: Settings) -> list[Site]:
    """Return the sites of the distributions of the settings. Raises as ``distributions_described``."""
    return [distribution.site for distribution in distributions_described(settings, {"any"})]


def distributions_described(settings: Settings, buckets: set[str]) -> list[Distribution]:
    """Return the distributions of the settings, with the sites that they are for these buckets.

    Raises ConfigurationError or CdnError if one is not known.
    """
    distributions, warnings = _look_up(settings, buckets)
    warn(warnings)
    return distributions


def _look_up(settings: Settings, buckets: set[str]) -> tuple[list[Distribution], list[str]]:
    """Return the distributions and warnings; the error of an unknown one says what a warning would say."""
    catalog = clients.catalog()
    found = catalog.look_up(settings, buckets, Threads(), _SECONDS)
    warnings = catalog.warnings()
    return found.certain(), warnings


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


def _everything(account: CloudFront) -> Iterator[DistributionId]:
    """Yield every distribution of the account or, where it has tenants, these in its place."""
    for summary in account.summaries():
        id_ = DistributionId(summary["Id"])
        if has_tenants(summary):
            yield from account.tenants(id_)
        else:
            yield id_
