"""The distributions of an account, as they are shown to a person."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from invalidator.aws.cloudfront import CloudFront
from invalidator.distributions.describe import has_tenants, items_of, of_bucket, serves, site_of
from invalidator.errors import CdnError
from invalidator.model import DistributionId, Origin

_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """A distribution as it is shown to a person.

    ``others`` are the domains of the origins that are no buckets. ``root_object`` and ``cache_tags`` are None where
    only the summary of the distribution could be read.
    """

    id: DistributionId
    domain: str
    aliases: tuple[str, ...]
    origins: tuple[Origin, ...]
    others: tuple[str, ...]
    root_object: str | None
    cache_tags: bool | None
    tenants: tuple[DistributionId, ...]


def inventory(account: CloudFront, bucket: str) -> Iterator[Described]:
    """List the distributions of the account for a person; with a bucket, only those that serve it.

    Raises CdnError if they cannot be listed. What else cannot be read is left out.
    """
    for summary in account.summaries():
        if bucket and not serves(summary, bucket):
            continue
        id_ = DistributionId(summary["Id"])
        config: _Json | None = None
        tenants: tuple[DistributionId, ...] = ()
        with suppress(CdnError):
            config = account.configured(id_).config
        with suppress(CdnError):
            tenants = tuple(account.tenants(id_)) if has_tenants(summary) else ()
        yield described(summary, config, tenants)


def described(summary: _Json, config: _Json | None, tenants: tuple[DistributionId, ...]) -> Described:
    """Make the description from a DistributionSummary, the DistributionConfig, if it could be read, and the tenants."""
    domains = [(item["DomainName"], item.get("OriginPath") or "") for item in items_of(summary, "Origins")]
    buckets = [of_bucket(*domain) for domain in domains]
    root_object, cache_tags = None, None
    if config is not None:
        site = site_of(config, lambda _: False)
        root_object, cache_tags = site.root_object, site.cache_tags
    return Described(
        DistributionId(summary["Id"]),
        summary.get("DomainName", ""),
        tuple(items_of(summary, "Aliases")),
        tuple(dict.fromkeys(filter(None, buckets))),
        tuple(domain for (domain, _), origin in zip(domains, buckets, strict=True) if not origin),
        root_object,
        cache_tags,
        tenants,
    )
