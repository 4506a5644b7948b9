"""What CloudFront says of a distribution → what of it matters here. Pure.

Shapes: https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DistributionConfig.html (2026-11-22).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from invalidator.model import Behavior, DistributionId, Origin, Site

Json = dict[str, Any]

DEFAULT_PATTERN: Final = "*"
"""The path pattern of the default cache behaviour."""

_REGION: Final = r"[a-z]{2}(?:-[a-z]+)+-\d"
# The names under which S3 serves a bucket: https://docs.aws.amazon.com/general/latest/gr/s3.html and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html (2026-11-22).
_AMAZON: Final = r"\.amazonaws\.com(?:\.cn)?"
_S3: Final = rf"(?:s3|s3-fips|s3-accelerate|s3-external-1)(?:[.-]{_REGION}|\.dualstack(?:\.{_REGION})?)?{_AMAZON}"
_WEBSITE: Final = rf"s3-website(?:[.-]|\.dualstack\.){_REGION}{_AMAZON}"
_is_bucket = re.compile(rf"(?P<bucket>.+)\.(?:{_S3}|(?P<website>{_WEBSITE}))").fullmatch
_is_path_style = re.compile(_S3).fullmatch
_placeholder = re.compile(r"\{\{([^{}]+)\}\}")


class Declared(NamedTuple):
    """What a person says of a distribution that does not show it: which bucket its other origins hide.

    An empty bucket stands for any, if there is an origin path; without both, nothing is hidden. ``cache_tags`` is true
    where objects carry tags that CloudFront is told of.
    """

    bucket: str = ""
    origin_path: str = ""
    cache_tags: bool = False

    @property
    def origin(self) -> Origin | None:
        """What the origins stand for whose domain is not that of a bucket."""
        return Origin(self.bucket, self.origin_path) if self.bucket or self.origin_path else None


def of_bucket(domain: str, origin_path: str) -> Origin | None:
    """The bucket behind an origin; None if its domain is not that of a bucket."""
    # In a URL it may be encoded; in a key it is not.
    domain, path = domain.lower().rstrip("."), unquote(origin_path).rstrip("/")
    if _is_path_style(domain):
        _, bucket, *rest = [*path.split("/", 2), ""]
        return Origin(bucket, f"/{rest[0]}" if rest[0] else "") if bucket else None
    found = _is_bucket(domain)
    # The alias of an access point, or of an Object Lambda one, looks like a bucket, whose name it hides.
    if found is None or found["bucket"].endswith(("-s3alias", "--ol-s3")):
        return None
    return Origin(found["bucket"], path, is_website=found["website"] is not None)


def site_of(
    config: Json,
    varies_by_query: Callable[[str], bool],
    declared: Declared | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Site:
    """What a DistributionConfig says of URLs.

    ``varies_by_query`` says of the id of a cache policy whether query strings are part of its cache key;
    ``parameters`` are those of a tenant.
    """
    defaults = {name: value for name, value in _defaults(config) if value is not None}
    origins = _origins(config, declared, defaults | dict(parameters or {}))

    def behavior(described: Json, pattern: str) -> Behavior:
        found = origins.get(described.get("TargetOriginId", ""), ())
        return Behavior(pattern, found, _has_query_strings(described, varies_by_query))

    others = [behavior(described, described.get("PathPattern", "")) for described in _items(config, "CacheBehaviors")]
    default = behavior(config.get("DefaultCacheBehavior") or {}, DEFAULT_PATTERN)
    tags = bool((config.get("CacheTagConfig") or {}).get("HeaderName")) or bool(declared and declared.cache_tags)
    return Site((*others, default), (config.get("DefaultRootObject") or "").removeprefix("/"), tags)


def undescribed(declared: Declared) -> Site:
    """What is known of a distribution from its declaration alone."""
    origin = declared.origin or Origin("")
    return Site((Behavior(DEFAULT_PATTERN, (origin,)),), cache_tags=declared.cache_tags)


def serves(config: Json, bucket: str) -> bool:
    """Whether this bucket is an origin. A summary, as ListDistributions returns it, says enough.

    Where the domain has parameters of tenants, it may be.
    """
    if any(_placeholder.search(item.get("DomainName") or "") for item in _items(config, "Origins")):
        return True
    return any(origin.bucket == bucket for found in _origins(config, None, {}).values() for origin in found)


def _origins(config: Json, declared: Declared | None, parameters: Mapping[str, str]) -> dict[str, tuple[Origin, ...]]:
    """The buckets behind the id of each origin and of each group of origins."""
    found: dict[str, tuple[Origin, ...]] = {}
    for described in _items(config, "Origins"):
        domain, path = (_filled(described.get(name) or "", parameters) for name in ("DomainName", "OriginPath"))
        origin = of_bucket(domain, path)
        if origin is None and declared is not None:
            origin = declared.origin
        found[described.get("Id", "")] = (origin,) if origin else ()
    for group in _items(config, "OriginGroups"):
        members = [found.get(member.get("OriginId", ""), ()) for member in _items(group, "Members")]
        found[group.get("Id", "")] = tuple(dict.fromkeys(origin for member in members for origin in member))
    return found


def _defaults(config: Json) -> Iterator[tuple[str, str | None]]:
    """What the parameters of tenants are where a tenant does not say."""
    for described in (config.get("TenantConfig") or {}).get("ParameterDefinitions") or []:
        definition = (described.get("Definition") or {}).get("StringSchema") or {}
        yield described.get("Name", ""), definition.get("DefaultValue")


def _items(holder: Json, name: str) -> list[Json]:
    return (holder.get(name) or {}).get("Items") or []


def _filled(text: str, parameters: Mapping[str, str]) -> str:
    """With a tenant's parameters in place of ``{{name}}``."""
    return _placeholder.sub(lambda match: parameters.get(match[1].strip(), match[0]), text)


# --- query strings --------------------------------------------------------------------------------------

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html (2026-11-22)
MANAGED_POLICIES: Final = {
    "658327ea-f89d-4fab-a63d-7e88639e58f6": False,  # CachingOptimized
    "b2884449-e4de-46a7-ac36-70bc7f1ddd6d": False,  # CachingOptimizedForUncompressedObjects
    "4135ea2d-6df8-44a3-9df3-4b5a84be39ad": False,  # CachingDisabled
    "83da9c7e-98b4-4e11-a168-04f0df8e2c65": False,  # UseOriginCacheControlHeaders
    "4cc15a8a-d715-48a4-82b8-cc0b614638fe": True,  # UseOriginCacheControlHeaders-QueryStrings
    "08627262-05a9-4f76-9ded-b50ca2e3a84f": True,  # Elemental-MediaPackage
    "2e54312d-136d-493c-8eb9-b001f22f67d2": True,  # Amplify
}
"""Whether query strings are part of the cache key, by the id of a policy that AWS manages."""


def policy_ids(config: Json) -> set[str]:
    """The cache policies that a DistributionConfig refers to."""
    behaviors = [config.get("DefaultCacheBehavior") or {}, *_items(config, "CacheBehaviors")]
    return {described["CachePolicyId"] for described in behaviors if described.get("CachePolicyId")}


def policy_varies_by_query(config: Json) -> bool:
    """Whether a CachePolicyConfig makes query strings part of the cache key."""
    key = config.get("ParametersInCacheKeyAndForwardedToOrigin") or {}
    return _behavior_of(key.get("QueryStringsConfig") or {}) != "none"


def _behavior_of(query_strings: Json) -> str:
    behavior: str = query_strings.get("QueryStringBehavior") or "none"
    if behavior == "whitelist" and not _items(query_strings, "QueryStrings"):
        return "none"
    return behavior


def _has_query_strings(behavior: Json, varies_by_query: Callable[[str], bool]) -> bool:
    if policy := behavior.get("CachePolicyId"):
        return varies_by_query(policy)
    return bool((behavior.get("ForwardedValues") or {}).get("QueryString"))


# --- for people -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Described:
    """A distribution as a person wants to see it.

    ``root_object`` and ``cache_tags`` are None where only its summary could be read; ``others`` are the domains of the
    origins that are no buckets.
    """

    id: DistributionId
    domain: str
    aliases: tuple[str, ...]
    origins: tuple[Origin, ...]
    others: tuple[str, ...]
    root_object: str | None
    cache_tags: bool | None
    tenants: tuple[DistributionId, ...]


def described(summary: Json, config: Json | None, tenants: tuple[DistributionId, ...]) -> Described:
    """Made of a DistributionSummary, of the DistributionConfig, if that may be read, and of the tenants."""
    origins = [
        (item, of_bucket(item["DomainName"], item.get("OriginPath") or "")) for item in _items(summary, "Origins")
    ]
    site = site_of(config, lambda _: False) if config is not None else None
    return Described(
        DistributionId(summary["Id"]),
        summary.get("DomainName", ""),
        tuple((summary.get("Aliases") or {}).get("Items") or ()),
        tuple(dict.fromkeys(origin for _, origin in origins if origin)),
        tuple(item["DomainName"] for item, origin in origins if not origin),
        site.root_object if site else None,
        site.cache_tags if site else None,
        tenants,
    )


def has_tenants(summary: Json) -> bool:
    """Whether the distribution has no viewers of its own, but tenants that have."""
    return summary.get("ConnectionMode") == "tenant-only"
