"""The edge on loopback: it caches URLs as viewers spell them, and forgets those that an item names."""

import gzip
import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.local.edge import EdgeAssumptions, EdgeCache, edge_served
from invalidator.local.embedded import BUCKET, EmbeddedAws, embedded_aws
from invalidator.model import ObjectKey
from invalidator.urls.encoding import spellings
from tests.doubles.clock import Clock

KEYS = st.text(st.sampled_from("a/.~*+ %?#&é🌹{|"), max_size=8)


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedAws]:
    """One embedded AWS for all these tests; each has keys of its own."""
    with embedded_aws() as aws:
        yield aws


@pytest.fixture
def aws(running: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> EmbeddedAws:
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    return running


def put(key: str, body: str) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body.encode(), ContentType="text/plain")


def invalidate(distribution: str, *items: str) -> None:
    batch: Any = {"Paths": {"Quantity": len(items), "Items": list(items)}, "CallerReference": " ".join(items)}
    boto3.client("cloudfront").create_invalidation(DistributionId=distribution, InvalidationBatch=batch)


def seen(edge: EdgeCache, url: str, **viewer: str) -> tuple[int, str, str]:
    """Return the status, the body and the first word of X-Cache."""
    status, headers, body = edge.answer(url, viewer)
    return status, body.decode(), headers["x-cache"].split()[0]


@given(KEYS, KEYS)
def test_the_items_of_a_key_name_its_urls_and_no_others(key: str, other: str) -> None:
    assumed = EdgeAssumptions(plus_is_space=False)
    for one in (key, other):
        for raw in ("", "+", "*~"):  # browsers leave the last as they are, some programs do not
            url = "/" + quote(one, safe="&/" + raw)
            assert assumed.key(url) == one
            named = any(assumed.names(item, url) for item in spellings(ObjectKey(key)))
            # A plus sign in a URL is itself to some, and a space to others.
            assert named or one != key
            assert not named or one.replace("+", " ") == key.replace("+", " ")


@pytest.mark.parametrize(
    ("assumed", "item", "url", "named"),
    [
        ({}, "/a", "/a", True),
        ({}, "/a", "/A", False),
        ({}, "/a*", "/ab?c=1", True),
        ({}, "/a", "/a?c=1", False),
        ({}, "/%2A", "/*", True),
        ({}, "/%2A", "/%2A", True),
        ({}, "/%2A", "/a", False),
        ({"escaped_star": "wildcard"}, "/%2A", "/a", True),
        ({"escaped_star": "wildcard"}, "/b%2A", "/a", False),
        ({"escaped_star": "nothing"}, "/%2A", "/*", False),
        ({"escaped_star": "nothing"}, "/%2A", "/%2A", True),
        ({}, "/%7Ea", "/~a", True),
        ({"escaped_tilde": False}, "/%7Ea", "/~a", False),
        ({"escaped_tilde": False}, "/*", "/~a", True),
        ({}, "/d/?*", "/d/?x=1", True),
        ({}, "/d/?*", "/d/", False),
        ({"query_wildcard": False}, "/d/?*", "/d/?x=1", False),
        ({"query_wildcard": False}, "/d/*", "/d/?x=1", True),
        ({}, "/a//b", "/a//b", True),
        ({}, "/a/b", "/a//b", False),
        ({"normalizes": "urls"}, "/a//b", "/a//b", False),
        ({"normalizes": "urls"}, "/a/b", "/a/x/..//b?c", False),
        ({"normalizes": "urls"}, "/a/b", "/a/x/..//b", True),
        ({"normalizes": "both"}, "/a//b", "/a//b", True),
        ({"normalizes": "both"}, "/a//b", "/a/b", True),
        ({}, "/caf%C3%A9", "/caf\xc3\xa9", True),  # raw bytes, as some programs send them
        ({}, "/caf%C3%A9", "/caf%c3%a9", False),
    ],
)
def test_each_open_question_has_its_answers(assumed: dict[str, Any], item: str, url: str, named: bool) -> None:
    assert EdgeAssumptions(**assumed).names(item, url) == named


@pytest.mark.parametrize(("plus_is_space", "key"), [(True, "a b/c+d"), (False, "a+b/c+d")])
def test_a_plus_sign_is_a_space_to_s3_or_itself(plus_is_space: bool, key: str) -> None:
    assert EdgeAssumptions(plus_is_space=plus_is_space).key("/a+b/c%2Bd?e=f") == key


def test_what_was_cached_is_served_until_it_is_invalidated(aws: EmbeddedAws) -> None:
    clock = Clock()
    edge, other = (EdgeCache(distribution, now=lambda: clock.now) for distribution in aws.distributions)
    put("page 1", "old")
    assert [seen(edge, "/page%201") for _ in range(2)] == [(200, "old", "Miss"), (200, "old", "Hit")]
    assert seen(edge, "/page+1") == (200, "old", "Miss")
    seen(other, "/page%201")
    put("page 1", "new")
    invalidate(edge.distribution, "/page%201")
    assert seen(edge, "/page%201?query") == (200, "new", "Miss")
    assert seen(edge, "/page+1") == seen(other, "/page%201") == (200, "old", "Hit")
    clock.now += 86_399
    assert edge.answer("/page%201", {})[1]["age"] == "86399"
    clock.now += 1
    assert seen(other, "/page%201") == (200, "new", "Miss")


def test_a_missing_object_is_kept_as_an_error_for_ten_seconds(aws: EmbeddedAws) -> None:
    clock = Clock()
    edge = EdgeCache(aws.distributions[0], now=lambda: clock.now)
    assert seen(edge, "/late")[::2] == (404, "Error")
    put("late", "here")
    clock.now += 9
    assert seen(edge, "/late")[::2] == (404, "Error")
    clock.now += 1
    assert seen(edge, "/late") == (200, "here", "Miss")


def test_the_configuration_of_the_distribution_decides(aws: EmbeddedAws) -> None:
    cloudfront: Any = boto3.client("cloudfront")
    config = cloudfront.get_distribution_config(Id=aws.distributions[0])["DistributionConfig"]
    config |= {"CallerReference": "another", "DefaultRootObject": "home.html"}
    config["Origins"]["Items"][0]["OriginPath"] = "/prod"
    config["DefaultCacheBehavior"]["ForwardedValues"] = {"QueryString": True, "Cookies": {"Forward": "none"}}
    edge = EdgeCache(cloudfront.create_distribution(DistributionConfig=config)["Distribution"]["Id"])
    put("prod/home.html", "home")
    put("prod/c//d", "deep")
    assert seen(edge, "/") == (200, "home", "Miss")
    assert seen(edge, "/?a=1") == (200, "home", "Miss")
    assert seen(edge, "/c//d") == (200, "deep", "Miss")
    assert seen(edge, "/?a=1") == (200, "home", "Hit")
    invalidate(edge.distribution, "/?*")
    assert [seen(edge, url)[2] for url in ("/", "/?a=1")] == ["Hit", "Miss"]


def test_viewers_get_bytes_over_http_compressed_if_they_like(aws: EmbeddedAws) -> None:
    put("/x", "body")
    with edge_served(EdgeCache(aws.distributions[0])) as edge:
        viewer = http.client.HTTPConnection(edge.url.removeprefix("http://"), timeout=10)

        def get(method: str, url: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
            viewer.request(method, url, headers=headers)
            answer = viewer.getresponse()
            return answer.status, answer.headers, answer.read()

        status, headers, body = get("GET", "//x")  # two slashes are a key with one in front
        assert (status, body, headers["Content-Type"]) == (200, b"body", "text/plain")
        assert headers["X-Cache"] == "Miss from cloudfront"
        assert headers["ETag"][0] == '"'
        status, headers, body = get("GET", "//x", **{"Accept-Encoding": "gzip, br"})
        assert (gzip.decompress(body), headers["Content-Encoding"]) == (b"body", "gzip")
        assert headers["ETag"].startswith('W/"')
        status, headers, body = get("HEAD", "//x")
        assert (status, headers["Content-Length"], headers["X-Cache"], body) == (200, "4", "Hit from cloudfront", b"")
        status, headers, body = get("GET", "/none", **{"Accept-Encoding": "gzip"})
        assert (status, headers["ETag"], body[:7]) == (404, None, b"<Error>")
        assert get("GET", "/%FF%00")[0] == 502
