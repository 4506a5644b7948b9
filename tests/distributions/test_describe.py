"""Configurations of CloudFront, in every spelling that AWS documents and as moto makes them."""

import json
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.distributions.describe import (
    has_tenants,
    of_bucket,
    policy_ids,
    policy_varies_by_query,
    serves,
    site_of,
    undescribed,
)
from invalidator.local.embedded import embedded_aws
from invalidator.model import UNKNOWN_SITE, Behavior, Declared, Origin, Site
from tests.doubles.command import assert_explained, run
from tests.doubles.configurations import (
    CACHING_OPTIMIZED,
    WITH_QUERY_STRINGS,
    behavior,
    configuration,
    custom,
    group,
    legacy,
    listed,
    of_buckets,
    policy,
    with_oac,
    with_oai,
)

BUCKETS = ["b0b", "my-origin", "www.example.com", "s3", "a.s3.eu-central-1", "s3-website"]


def never(policy_id: str) -> bool:
    raise AssertionError(f"asked for {policy_id}")


def site(config: dict[str, Any], **more: Any) -> Site:
    return site_of(config, {CACHING_OPTIMIZED: False, WITH_QUERY_STRINGS: True}.__getitem__, **more)


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize(
    "suffix",
    [
        "s3.amazonaws.com",
        "s3.eu-central-1.amazonaws.com",
        "s3-eu-west-1.amazonaws.com",
        "s3.us-gov-west-1.amazonaws.com",
        "s3.dualstack.eu-central-1.amazonaws.com",
        "s3-fips.us-east-1.amazonaws.com",
        "s3-fips.dualstack.us-east-1.amazonaws.com",
        "s3-accelerate.amazonaws.com",
        "s3-accelerate.dualstack.amazonaws.com",
        "s3-external-1.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "S3.EU-Central-1.AmazonAWS.com",
        "s3.eu-central-1.amazonaws.com.",
    ],
)
def test_a_bucket_is_known_by_every_name_that_s3_has_for_it(bucket: str, suffix: str) -> None:
    assert of_bucket(f"{bucket}.{suffix}", "/prod") == Origin(bucket, "/prod")


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize(
    "suffix",
    [
        "s3-website-us-east-1.amazonaws.com",
        "s3-website.eu-central-1.amazonaws.com",
        "s3-website.dualstack.eu-central-1.amazonaws.com",
        "s3-website.cn-north-1.amazonaws.com.cn",
    ],
)
def test_a_website_endpoint_is_known_as_one(bucket: str, suffix: str) -> None:
    assert of_bucket(f"{bucket}.{suffix}", "") == Origin(bucket, "", is_website=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/my-origin", Origin("my-origin")),
        ("/my-origin/prod", Origin("my-origin", "/prod")),
        ("/my-origin/prod/de", Origin("my-origin", "/prod/de")),
        ("", None),
    ],
)
def test_in_the_path_style_the_bucket_is_the_first_part_of_the_origin_path(path: str, expected: Origin | None) -> None:
    assert of_bucket("s3.eu-central-1.amazonaws.com", path) == expected


@pytest.mark.parametrize(
    "domain",
    [
        "www.example.com",
        "my-origin.s3.example.com",
        "s3.amazonaws.com.example.com",
        "my-alb-1234.eu-central-1.elb.amazonaws.com",
        "d1234.execute-api.eu-central-1.amazonaws.com",
        "my-ap-111122223333.s3-accesspoint.eu-central-1.amazonaws.com",
        "my-ap-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias.s3.eu-central-1.amazonaws.com",
        "my-olap-1a4n8yjrb3kda96f67zwrwiiuse1a--ol-s3.s3.eu-central-1.amazonaws.com",
        "my-origin.s3-website.amazonaws.com",
        "mediastore.eu-central-1.amazonaws.com",
        "",
    ],
)
def test_nothing_else_is_taken_for_a_bucket(domain: str) -> None:
    assert of_bucket(domain, "/prod") is None


def test_an_origin_path_may_be_encoded() -> None:
    assert of_bucket("b.s3.amazonaws.com", "/my%20site/") == of_bucket("b.s3.amazonaws.com", "/my site")


def test_an_origin_need_not_have_a_path() -> None:
    origin = with_oac("o", "my-origin.s3.amazonaws.com")
    del origin["OriginPath"]
    config = configuration([origin], behavior("o"))
    assert site(config).behaviors[-1].origins == (Origin("my-origin"),)
    assert serves(config, "my-origin")


def test_error_pages_have_the_longest_time_of_their_errors() -> None:
    def pages(*responses: dict[str, Any]) -> tuple[tuple[str, int], ...]:
        return site_of({"CustomErrorResponses": {"Items": list(responses)}}, lambda _: False).error_pages

    page = {"ResponsePagePath": "/a b~.html", "ResponseCode": "200"}
    assert pages({"ErrorCode": 404, **page}) == (("/a%20b%7E.html", 10),)
    both = [{"ErrorCode": code, "ErrorCachingMinTTL": seconds, **page} for code, seconds in ((403, 300), (404, 0))]
    assert pages(*both) == pages(*reversed(both)) == (("/a%20b%7E.html", 300),)
    assert pages({"ErrorCode": 404, "ErrorCachingMinTTL": 300}) == ()
    # CloudFront keeps no answer to a range that cannot be served.
    assert pages({"ErrorCode": 416, "ErrorCachingMinTTL": 300, **page}) == ()


@given(st.text(), st.text())
def test_no_domain_breaks_anything(domain: str, path: str) -> None:
    of_bucket(domain, path)


@pytest.mark.parametrize("make", [with_oac, with_oai])
def test_access_control_makes_no_difference(make: Any) -> None:
    config = configuration([make("o", "my-origin.s3.eu-central-1.amazonaws.com", "/prod")], behavior("o"))
    assert site(config) == Site((Behavior("*", (Origin("my-origin", "/prod"),)),))


def test_behaviours_stay_in_their_order_and_the_default_one_is_last() -> None:
    config = configuration(
        [
            with_oac("o", "my-origin.s3.amazonaws.com"),
            custom("web", "my-origin.s3-website-us-east-1.amazonaws.com"),
            custom("api", "api.example.com"),
        ],
        behavior("o"),
        behavior("api", PathPattern="/api/*"),
        behavior("web", PathPattern="*.html"),
        DefaultRootObject="home.html",
    )
    rest, website = Origin("my-origin"), Origin("my-origin", is_website=True)
    expected = (Behavior("/api/*", ()), Behavior("*.html", (website,)), Behavior("*", (rest,)))
    assert site(config) == Site(expected, "home.html")


def test_the_default_root_object_is_a_key_however_it_is_written() -> None:
    assert site(of_buckets("b") | {"DefaultRootObject": "/home.html"}).root_object == "home.html"


def test_a_group_of_origins_serves_what_each_of_them_has() -> None:
    config = of_buckets("first", "second") | {"OriginGroups": listed(group("all", "first", "second"))}
    assert site(config).behaviors == (Behavior("*", (Origin("first"), Origin("second"))),)


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (behavior("o"), False),
        (behavior("o", WITH_QUERY_STRINGS), True),
        (legacy("o", query_string=False), False),
        (legacy("o", query_string=True), True),
    ],
)
def test_query_strings_are_found_in_the_policy_or_legacy_settings(described: dict[str, Any], expected: bool) -> None:
    config = configuration([with_oac("o", "my-origin.s3.amazonaws.com")], described)
    assert site(config).behaviors[-1].query_strings is expected


def test_nobody_is_asked_about_policies_where_there_are_none() -> None:
    config = configuration([with_oac("o", "o.s3.amazonaws.com")], legacy("o", query_string=True))
    assert site_of(config, never).behaviors[-1].query_strings
    assert policy_ids(config) == set()


def test_the_policies_of_all_behaviours_are_named() -> None:
    config = configuration(
        [], behavior("o", "one"), behavior("o", "two", PathPattern="a"), behavior("o", PathPattern="b")
    )
    assert policy_ids(config) == {"one", "two", CACHING_OPTIMIZED}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (policy("none"), False),
        (policy("all"), True),
        (policy("whitelist", "v"), True),
        (policy("whitelist"), False),
        (policy("allExcept", "utm_source"), True),
        ({}, False),
    ],
)
def test_a_policy_says_whether_query_strings_are_part_of_the_cache_key(config: dict[str, Any], expected: bool) -> None:
    assert policy_varies_by_query(config) is expected


def test_cache_tags_are_on_where_a_header_is_named() -> None:
    assert not site(of_buckets("b")).cache_tags
    assert not site(of_buckets("b") | {"CacheTagConfig": {"HeaderName": ""}}).cache_tags
    assert site(of_buckets("b") | {"CacheTagConfig": {"HeaderName": "x-amz-meta-cache-tag"}}).cache_tags
    assert site(of_buckets("b"), declared=Declared(cache_tags=True)).cache_tags


def test_a_declaration_says_what_is_behind_the_origins_that_show_no_bucket() -> None:
    config = configuration(
        [custom("ap", "my-ap-1.s3-accesspoint.eu-central-1.amazonaws.com"), with_oac("o", "other.s3.amazonaws.com")],
        behavior("ap"),
        behavior("o", PathPattern="o/*"),
    )
    assert site(config).behaviors[-1].origins == ()
    found = site(config, declared=Declared("my-origin", "/prod")).behaviors
    assert found == (Behavior("o/*", (Origin("other"),)), Behavior("*", (Origin("my-origin", "/prod"),)))


def test_a_declaration_is_all_that_is_known_of_what_cannot_be_described() -> None:
    assert undescribed(Declared("b", "/prod", cache_tags=True)) == Site(
        (Behavior("*", (Origin("b", "/prod"),)),), cache_tags=True
    )


def test_the_parameters_of_a_tenant_are_filled_in() -> None:
    config = configuration(
        [with_oac("o", "{{ customer }}-site.s3.amazonaws.com", "/{{path}}/{{missing}}")], behavior("o")
    )
    found = site(config, parameters={"customer": "acme", "path": "prod"})
    assert found.behaviors[-1].origins == (Origin("acme-site", "/prod/{{missing}}"),)


def test_a_summary_is_enough_to_know_whether_a_bucket_is_served() -> None:
    summary = {name: of_buckets("one", "two")[name] for name in ("Origins", "OriginGroups")}
    assert serves(summary, "one")
    assert serves(summary, "two")
    assert not serves(summary, "three")
    assert not serves({}, "one")


def test_a_declaration_of_tags_alone_hides_nothing() -> None:
    config = configuration([custom("api", "api.example.com")], behavior("api"))
    assert site(config, declared=Declared(cache_tags=True)) == Site((Behavior("*", ()),), cache_tags=True)
    assert undescribed(Declared(cache_tags=True)).behaviors == UNKNOWN_SITE.behaviors


def test_a_declared_path_without_a_bucket_holds_for_any() -> None:
    config = configuration([custom("api", "api.example.com")], behavior("api"))
    anywhere = Site((Behavior("*", (Origin("", "/prod"),)),))
    assert site(config, declared=Declared(origin_path="/prod")) == anywhere
    assert undescribed(Declared(origin_path="/prod")) == anywhere


def test_a_parameter_that_nobody_has_a_value_for_stays_as_it_is() -> None:
    definitions = [{"Name": name, "Definition": {"StringSchema": {"Required": True}}} for name in ("one", "two")]
    config = configuration([with_oac("o", "b.s3.amazonaws.com", "/{{one}}/{{two}}")], behavior("o"))
    config |= {"TenantConfig": {"ParameterDefinitions": definitions}}
    assert site(config, parameters={"two": "2"}).behaviors[-1].origins == (Origin("b", "/{{one}}/2"),)


@pytest.mark.parametrize(("mode", "expected"), [("tenant-only", True), ("direct", False), (None, False)])
def test_a_distribution_has_viewers_of_its_own_unless_it_says_otherwise(mode: str | None, expected: bool) -> None:
    assert has_tenants(of_buckets("b") | ({"ConnectionMode": mode} if mode else {})) is expected


# --- as moto makes them, by the commands ----------------------------------------------------------------

SHOP = configuration(
    [
        with_oac("prod", "my-origin.s3.eu-central-1.amazonaws.com", "/prod"),
        custom("web", "my-origin.s3-website-us-east-1.amazonaws.com"),
        custom("api", "api.example.com"),
    ],
    behavior("prod"),
    behavior("web", PathPattern="blog/*"),
    legacy("prod", query_string=True, PathPattern="*.jpg"),
    DefaultRootObject="home.html",
    CacheTagConfig={"HeaderName": "x-amz-meta-cache-tag"},
    Aliases=listed("www.example.com"),
)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The id of a distribution of many kinds of origins, beside the two that serve another bucket."""
    with embedded_aws(["another"]):
        answer = boto3.client("cloudfront").create_distribution(DistributionConfig=SHOP)  # type: ignore[arg-type]
        monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
        yield answer["Distribution"]["Id"]


def explained(key: str) -> dict[str, Any]:
    done = run("explain", key, "--bucket", "my-origin", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["explanations"]
    return {item["distribution"]: item for item in found}


def test_explain_gives_each_path_its_reason_on_each_distribution(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULES", '[{"match": "^products/([0-9]+)[.]html$", "also": ["#product:$1"]}]')
    for key, expected in {
        "prod/home.html": {"/": "default root object", "/home.html": "object"},
        "prod/a b.jpg": {"/a%20b.jpg*": "object", "/a+b.jpg*": "other spelling of object"},
        "blog/index.html": {"/blog/": "directory of index document", "/blog/index.html": "object"},
        "prod/products/42.html": {"#product:42": "rule 1 for", "/products/42.html": "object"},
    }.items():
        ((distribution, item),) = explained(key).items()
        reasons = dict(zip(item["items"], item["reasons"], strict=True))
        assert (distribution, reasons) == (shop, {path: f"{why} {key!r}" for path, why in expected.items()})
    assert explained("elsewhere.html")[shop]["notes"] == ["none of its cache behaviours leads to the object"]


def test_explain_says_what_the_settings_leave_out(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCLUDE", "prod/assets/*.????????.js")
    done = run("explain", "prod/assets/app.0a1b2c3d.js", "--bucket", "my-origin")
    assert f"{shop}  -     INCLUDE and EXCLUDE leave this key out" in done.stdout
    assert explained("prod/assets/app.js")[shop]["items"]


def test_distributions_lists_what_there_is(shop: str) -> None:
    done = run("distributions", "--json")
    listed_ = {item["distribution"]: item for item in json.loads(done.stdout)["distributions"]}
    assert len(listed_) == 3
    found = listed_[shop]
    assert found.pop("domain").endswith(".cloudfront.net")
    assert found == {
        "distribution": shop,
        "aliases": ["www.example.com"],
        "origins": [
            {"bucket": "my-origin", "origin_path": "/prod", "website": False},
            {"bucket": "my-origin", "origin_path": "", "website": True},
        ],
        "other_origins": ["api.example.com"],
        "default_root_object": "home.html",
        "cache_tags": True,
        "tenants": [],
    }
    table = run("distributions", "--bucket", "my-origin")
    assert shop in table.stdout
    assert "my-origin (website)" in table.stdout
    assert table.stderr == "1 distribution with an origin in bucket my-origin.\n"
    done = run("distributions", "--bucket", "nobody")
    assert_explained(done, 2, "error: no distribution of this account has an origin in bucket 'nobody': check the name")


def test_the_rules_that_tags_shows_can_be_used(monkeypatch: pytest.MonkeyPatch, shop: str) -> None:
    shown = run("tags").stdout
    (rules,) = [line.strip() for line in shown.splitlines() if line.strip().startswith("RULES=")]
    monkeypatch.setenv("RULES", rules.removeprefix("RULES='").removesuffix("'"))
    assert explained("prod/data/products/42.json")[shop]["items"] == [
        "#product:42",
        "/data/products/42.json",
        "/products/42/",
    ]
