"""CloudFront's description of a distribution → its site, which is all that the planner needs of it. Pure.

Shapes: https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DistributionConfig.html (2026-11-22).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, starmap
from typing import Any, Final
from urllib.parse import unquote

from invalidator.limits import ERROR_CACHING_SECONDS
from invalidator.model import UNKNOWN_SITE, Behavior, Declared, ErrorPage, Origin, Site, UrlPath
from invalidator.urls.encoding import encode_once

_Json = dict[str, Any]

_RANGE_ERROR: Final = 416
_DEFAULT_PATTERN: Final = "*"
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


def of_bucket(domain: str, origin_path: str) -> Origin | None:
    """Return the bucket behind the domain and path of an origin; None if the domain is not that of a bucket."""
    # CloudFront has the path of an origin encoded, as in a URL; a key is not.
    domain, path = domain.lower().rstrip("."), unquote(origin_path).rstrip("/")
    if _is_path_style(domain):
        _, bucket, *rest = [*path.split("/", 2), ""]
        return Origin(bucket, f"/{rest[0]}" if rest[0] else "") if bucket else None
    match = _is_bucket(domain)
    # The alias of an access point, or of an Object Lambda one, looks like a bucket, whose name it hides.
    if match is None or match["bucket"].endswith(("-s3alias", "--ol-s3")):
        return None
    return Origin(match["bucket"], path, is_website=match["website"] is not None)


def site_of(
    config: _Json,
    varies_by_query: Callable[[str], bool],
    declared: Declared | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Site:
    """Return the site that a DistributionConfig describes.

    ``varies_by_query`` tells of the id of a cache policy whether query strings are part of its cache key;
    ``parameters`` are those of a tenant.
    """
    origins = _origins(config, declared, _defaults(config) | dict(parameters or {}))

    def behavior(described: _Json, pattern: str) -> Behavior:
        buckets = origins.get(described.get("TargetOriginId", ""), ())
        return Behavior(pattern, buckets, _has_query_strings(described, varies_by_query))

    others = [behavior(described, described.get("PathPattern", "")) for described in items_of(config, "CacheBehaviors")]
    default = behavior(config.get("DefaultCacheBehavior") or {}, _DEFAULT_PATTERN)
    tags = bool((config.get("CacheTagConfig") or {}).get("HeaderName")) or bool(declared and declared.cache_tags)
    root = (config.get("DefaultRootObject") or "").removeprefix("/")
    return Site((*others, default), root, tags, tuple(_error_pages(config)))


def undescribed(declared: Declared | None) -> Site:
    """Return the site to assume of a distribution, declared or not, where nobody asks for its description."""
    if declared is None:
        return UNKNOWN_SITE
    origin = declared.origin or Origin("")
    return Site((Behavior(_DEFAULT_PATTERN, (origin,)),), cache_tags=declared.cache_tags)


def _error_pages(config: _Json) -> Iterator[ErrorPage]:
    """Yield each error page once, with the longest time of any error that it is shown for."""
    longest: dict[UrlPath, int] = {}
    for described in items_of(config, "CustomErrorResponses"):
        # CloudFront keeps no answer to a range that cannot be served.
        if (page := described.get("ResponsePagePath")) and described.get("ErrorCode") != _RANGE_ERROR:
            path, seconds = UrlPath(encode_once(page)), described.get("ErrorCachingMinTTL", ERROR_CACHING_SECONDS)
            longest[path] = max(seconds, longest.get(path, 0))
    return starmap(ErrorPage, longest.items())


def serves(config: _Json, bucket: str) -> bool:
    """Return whether a bucket is an origin of a DistributionConfig, or of a DistributionSummary.

    Where the domain of an origin has parameters of tenants, any bucket may be.
    """
    if any(_placeholder.search(item.get("DomainName") or "") for item in items_of(config, "Origins")):
        return True
    return any(origin.bucket == bucket for origins in _origins(config, None, {}).values() for origin in origins)


def _origins(config: _Json, declared: Declared | None, parameters: Mapping[str, str]) -> dict[str, tuple[Origin, ...]]:
    """Return the buckets behind the id of each origin and of each group of origins."""
    hidden = declared.origin if declared else None
    buckets: dict[str, tuple[Origin, ...]] = {}
    for described in items_of(config, "Origins"):
        domain, path = (_filled(described.get(name) or "", parameters) for name in ("DomainName", "OriginPath"))
        origin = of_bucket(domain, path) or hidden
        buckets[described.get("Id", "")] = (origin,) if origin else ()
    for group in items_of(config, "OriginGroups"):
        members = [buckets.get(member.get("OriginId", ""), ()) for member in items_of(group, "Members")]
        buckets[group.get("Id", "")] = tuple(dict.fromkeys(chain.from_iterable(members)))
    return buckets


def _defaults(config: _Json) -> dict[str, str]:
    """Return the default values of those parameters of tenants that have one."""
    values = {}
    for described in (config.get("TenantConfig") or {}).get("ParameterDefinitions") or []:
        value = ((described.get("Definition") or {}).get("StringSchema") or {}).get("DefaultValue")
        if value is not None:
            values[described.get("Name", "")] = value
    return values


def items_of(holder: _Json, name: str) -> list[Any]:
    """Return a list of CloudFront's, which is left out where it is empty."""
    return (holder.get(name) or {}).get("Items") or []


def _filled(text: str, parameters: Mapping[str, str]) -> str:
    """Put a tenant's parameters in place of ``{{name}}``; one without a value stays as it is."""
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
"""By the id of a policy that AWS manages: True if query strings are part of the cache key."""


def policy_ids(config: _Json) -> set[str]:
    """Return the ids of the cache policies that a DistributionConfig refers to."""
    behaviors = [config.get("DefaultCacheBehavior") or {}, *items_of(config, "CacheBehaviors")]
    return {described["CachePolicyId"] for described in behaviors if described.get("CachePolicyId")}


def policy_varies_by_query(config: _Json) -> bool:
    """Return whether a CachePolicyConfig makes query strings part of the cache key."""
    query_strings = (config.get("ParametersInCacheKeyAndForwardedToOrigin") or {}).get("QueryStringsConfig") or {}
    behavior = query_strings.get("QueryStringBehavior") or "none"
    if behavior == "whitelist":
        return bool(items_of(query_strings, "QueryStrings"))
    return bool(behavior != "none")


def _has_query_strings(behavior: _Json, varies_by_query: Callable[[str], bool]) -> bool:
    if policy := behavior.get("CachePolicyId"):
        return varies_by_query(policy)
    return bool((behavior.get("ForwardedValues") or {}).get("QueryString"))


TENANTS_ONLY: Final = (
    "it is multi-tenant and has no viewers of its own",
    "give the ids of its tenants (dt_…), or 'discover', in its place",
)
"""The reason why such a distribution cannot be invalidated, and what to do."""


def has_tenants(summary: _Json) -> bool:
    """Return whether the viewers of a distribution go to its tenants only, never to the distribution itself."""
    return summary.get("ConnectionMode") == "tenant-only"
