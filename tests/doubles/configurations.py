"""Configurations of distributions, as AWS documents them.

https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DistributionConfig.html (2026-11-22). Members that
no test needs (certificates, logging, prices) are left out; the SDK checks the rest against its model.
"""

from typing import Any

Json = dict[str, Any]

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
WITH_QUERY_STRINGS = "4cc15a8a-d715-48a4-82b8-cc0b614638fe"


def listed(*items: Any) -> Json:
    """Return a list in the form of CloudFront's API."""
    return {"Quantity": len(items), "Items": list(items)} if items else {"Quantity": 0}


def with_oac(id_: str, domain: str, path: str = "") -> Json:
    """Return an S3 origin with an origin access control, as today's console makes it."""
    return {
        "Id": id_,
        "DomainName": domain,
        "OriginPath": path,
        "CustomHeaders": listed(),
        "S3OriginConfig": {"OriginAccessIdentity": ""},
        "ConnectionAttempts": 3,
        "ConnectionTimeout": 10,
        "OriginShield": {"Enabled": False},
        "OriginAccessControlId": "E327GJI25M56DG",
    }


def with_oai(id_: str, domain: str, path: str = "") -> Json:
    """Return an S3 origin with an origin access identity, as older ones have it."""
    identity = {"OriginAccessIdentity": "origin-access-identity/cloudfront/E127EXAMPLE51Z"}
    return with_oac(id_, domain, path) | {"S3OriginConfig": identity, "OriginAccessControlId": ""}


def custom(id_: str, domain: str, path: str = "") -> Json:
    """Return a custom origin: a web server, or the website endpoint of a bucket."""
    return {
        "Id": id_,
        "DomainName": domain,
        "OriginPath": path,
        "CustomHeaders": listed(),
        "CustomOriginConfig": {
            "HTTPPort": 80,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "http-only",
            "OriginSslProtocols": listed("TLSv1.2"),
        },
    }


def group(id_: str, *members: str) -> Json:
    """Return an origin group whose second member answers if the first fails."""
    return {
        "Id": id_,
        "FailoverCriteria": {"StatusCodes": listed(500, 502)},
        "Members": listed(*({"OriginId": member} for member in members)),
    }


def behavior(target: str, policy: str = CACHING_OPTIMIZED, **more: Any) -> Json:
    """Return a cache behaviour with a cache policy."""
    return {"TargetOriginId": target, "ViewerProtocolPolicy": "redirect-to-https", "CachePolicyId": policy, **more}


def legacy(target: str, *, query_string: bool, **more: Any) -> Json:
    """Return a cache behaviour with the settings that preceded cache policies."""
    values = {"QueryString": query_string, "Cookies": {"Forward": "none"}, "Headers": listed()}
    settings = {"ForwardedValues": values, "MinTTL": 0, "DefaultTTL": 86_400, "MaxTTL": 31_536_000}
    return {"TargetOriginId": target, "ViewerProtocolPolicy": "allow-all", **settings, **more}


def configuration(origins: list[Json], default: Json, *others: Json, **more: Any) -> Json:
    """Return a DistributionConfig."""
    return {
        "CallerReference": "1",
        "Comment": "",
        "Enabled": True,
        "Origins": listed(*origins),
        "DefaultCacheBehavior": default,
        "CacheBehaviors": listed(*others),
        **more,
    }


def of_buckets(*buckets: str) -> Json:
    """Return the configuration of a distribution that serves these buckets as a whole."""
    origins = [with_oac(bucket, f"{bucket}.s3.eu-central-1.amazonaws.com") for bucket in buckets]
    if len(origins) == 1:
        return configuration(origins, behavior(buckets[0]))
    return configuration(origins, behavior("all"), OriginGroups=listed(group("all", *buckets)))


def policy(query_strings: str, *names: str) -> Json:
    """Return a CachePolicyConfig: none, all, whitelist or allExcept."""
    strings = {"QueryStringBehavior": query_strings} | ({"QueryStrings": listed(*names)} if names else {})
    return {
        "Name": "mine",
        "MinTTL": 1,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": True,
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": strings,
        },
    }
