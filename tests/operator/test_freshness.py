"""Laws of the judgement, whatever S3 and the edge say."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.operator.freshness import EdgeAnswer, S3Object, judge

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMES = st.timedeltas(timedelta(0), timedelta(days=7_000)).map(lambda ago: NOW - ago)
NAMES = ("etag", "last-modified", "age", "x-cache", "x-amz-cf-pop", "location")
ANY_HEADERS = st.dictionaries(st.sampled_from(NAMES), st.text())
ABSENT = (403, 404, 410)


def etag(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


def spelt(tag: str) -> list[str]:
    """The ways in which the same ETag comes."""
    return [tag, f"W/{tag}", tag.strip('"'), f" {tag} "]


BODIES = st.binary(max_size=3)
SPELLINGS = st.integers(0, 3)


@given(BODIES, BODIES, TIMES, TIMES, SPELLINGS, SPELLINGS)
def test_the_etag_alone_decides_where_there_is_one(
    ours: bytes, theirs: bytes, written: datetime, modified: datetime, one: int, other: int
) -> None:
    stored = S3Object(spelt(etag(ours))[one], written)
    answer = EdgeAnswer(200, spelt(etag(theirs))[other], modified)
    found = judge(stored, answer, NOW)
    assert (found.verdict, found.final) == (("fresh", True) if ours == theirs else ("stale", False))


@given(TIMES, TIMES)
def test_without_an_etag_the_same_second_is_fresh_and_any_other_stale(written: datetime, modified: datetime) -> None:
    found = judge(S3Object('"a"', written), EdgeAnswer(200, "", written.replace(microsecond=0)), NOW)
    assert (found.verdict, found.final) == ("fresh", True)
    same = written.replace(microsecond=0) == modified.replace(microsecond=0)
    found = judge(S3Object('"a"', written), EdgeAnswer(200, "", modified), NOW)
    assert (found.verdict, found.final) == (("fresh", True) if same else ("stale", False))


def test_with_neither_nothing_is_known() -> None:
    found = judge(S3Object('"a"', NOW), EdgeAnswer(200), NOW)
    assert (found.verdict, found.final) == ("unknown", True)


@pytest.mark.parametrize("status", ABSENT)
def test_where_viewers_get_no_object_a_deleted_one_is_fresh_and_others_not(status: int) -> None:
    gone, there = judge(None, EdgeAnswer(status), NOW), judge(S3Object('"a"', NOW), EdgeAnswer(status), NOW)
    assert (gone.verdict, gone.final) == ("fresh", True)
    assert (there.verdict, there.final) == ("stale", False)
    neither = "neither has it; if the object should exist, check the key and the bucket"
    assert gone.why == f"S3 has no such object, and the URL answers {status}: {neither}"
    assert f"the URL answers {status}: the edge still has an answer from before the upload" in there.why


def test_a_deleted_object_that_viewers_get_is_stale_unless_it_is_an_error() -> None:
    served_still = judge(None, EdgeAnswer(200, '"a"', x_cache="Hit from cloudfront"), NOW)
    assert (served_still.verdict, served_still.final) == ("stale", False)
    error_page = judge(None, EdgeAnswer(200, '"a"', x_cache="Error from cloudfront"), NOW)
    assert (error_page.verdict, error_page.final) == ("unknown", True)
    assert "with the error page of the distribution (X-Cache Error from cloudfront)" in error_page.why


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("exists", [True, False])
def test_a_redirect_says_nothing_of_the_object_and_waiting_does_not_help(status: int, exists: bool) -> None:
    found = judge(S3Object('"a"', NOW) if exists else None, EdgeAnswer(status, '"a"', location="https://e.com/"), NOW)
    assert (found.verdict, found.final) == ("unknown", True)
    assert found.why == f"the URL redirects ({status}) to https://e.com/: give that URL"
    assert judge(None, EdgeAnswer(status), NOW).why == f"the URL redirects ({status}): give the URL that it leads to"


@given(
    st.sampled_from([201, 299, 304, 399, 400])
    | st.integers(100, 599).filter(lambda status: status not in {200, 300, 301, 302, 303, 307, 308, *ABSENT}),
    st.booleans(),
)
def test_no_other_status_is_fresh_or_stale(status: int, exists: bool) -> None:
    found = judge(S3Object('"a"', NOW) if exists else None, EdgeAnswer(status, '"a"'), NOW)
    assert (found.verdict, found.final) == ("unknown", False)
    assert found.why == f"the URL answers {status}, which says nothing about the object"


@given(st.none() | st.builds(S3Object, st.text(), TIMES), st.integers(100, 999), ANY_HEADERS)
def test_whatever_the_edge_says_there_is_a_verdict_with_a_reason(
    stored: S3Object | None, status: int, headers: dict[str, str]
) -> None:
    found = judge(stored, EdgeAnswer.read(status, headers), NOW)
    assert found.why
    assert found.final or found.verdict != "fresh"


@given(TIMES, st.integers(0, 9_999_999_999), st.text(), st.text())
def test_what_is_well_formed_is_read_as_it_is(when: datetime, age: int, x_cache: str, pop: str) -> None:
    headers = {"last-modified": format_datetime(when, usegmt=True), "age": str(age), "x-cache": x_cache}
    found = EdgeAnswer.read(200, headers | {"x-amz-cf-pop": pop, "etag": 'W/"a"'})
    assert found == EdgeAnswer(200, 'W/"a"', when.replace(microsecond=0), age, x_cache.strip(), pop.strip())


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", ""])
def test_a_time_without_a_zone_is_in_utc_and_one_with_another_is_converted(zone: str) -> None:
    assert EdgeAnswer.read(200, {"last-modified": f"Sun, 22 Nov 2026 12:00:00 {zone}"}).last_modified == NOW
    elsewhere = EdgeAnswer.read(200, {"last-modified": "Sun, 22 Nov 2026 14:00:00 +0200"}).last_modified
    assert (elsewhere, elsewhere and elsewhere.tzinfo) == (NOW, UTC)


def test_white_space_around_what_is_said_is_not_part_of_it() -> None:
    headers = {"etag": ' "a" ', "age": " 5 ", "x-cache": " Hit ", "x-amz-cf-pop": " FRA ", "location": " /b "}
    assert EdgeAnswer.read(301, headers) == EdgeAnswer(301, '"a"', None, 5, "Hit", "FRA", "/b")


@pytest.mark.parametrize("age", ["", "-1", "1.5", "²", "9" * 5_000, "12 s", "1_0"])
def test_an_age_that_is_none_is_none(age: str) -> None:
    assert EdgeAnswer.read(200, {"age": age}).age is None


@pytest.mark.parametrize(
    "when",
    ["", "0", "yesterday", "Mon, 99 Foo 2026", "Sun, 22 Nov 99999 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0100"],
)
def test_a_date_that_is_none_is_none(when: str) -> None:
    assert EdgeAnswer.read(200, {"last-modified": when}).last_modified is None


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (timedelta(seconds=-5), "written 0 s ago"),
        (timedelta(seconds=35), "written 35 s ago"),
        (timedelta(minutes=119), "written 1 h ago"),
        (timedelta(days=4_000), "written 4,000 d ago"),
    ],
)
def test_a_stale_verdict_says_the_age_of_the_object_and_of_the_answer(ago: timedelta, told: str) -> None:
    why = judge(S3Object('"a"', NOW - ago), EdgeAnswer(200, '"b"', None, 35, "Hit from cloudfront"), NOW).why
    assert why == (
        f"the edge serves another ETag (Age 35 s, X-Cache Hit from cloudfront) than that of S3's object, {told}"
    )


def test_a_url_that_serves_what_is_newer_may_be_that_of_another_object() -> None:
    later = "; the edge's is later than S3's: the URL may belong to another object"
    for modified, said in ((NOW, later), (NOW - timedelta(hours=1), ""), (NOW - timedelta(hours=2), ""), (None, "")):
        why = judge(S3Object('"a"', NOW - timedelta(hours=1)), EdgeAnswer(200, '"b"', modified), NOW).why
        assert why == f"the edge serves another ETag than that of S3's object, written 1 h ago{said}"


def test_an_earlier_upload_of_the_same_bytes_is_fresh_and_named() -> None:
    earlier = "; the edge has an earlier upload of the same bytes, with the headers of that one"
    for modified, said in (
        (NOW - timedelta(seconds=1), earlier),
        (NOW, ""),
        (NOW + timedelta(hours=1), ""),
        (None, ""),
    ):
        found = judge(S3Object('"a"', NOW), EdgeAnswer(200, '"a"', modified), NOW)
        assert found == ("fresh", f"the ETag is that of S3's object{said}", True)
