"""Whether what the edge serves for a URL is what S3 has: decided by what both say of it, and by nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal, NamedTuple

from invalidator.operator.wording import age

_ABSENT: Final = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
"""What viewers get where there is no object: 403 if the distribution may not list the bucket.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""
# Not 304: nobody said here what was known already.
_REDIRECTS: Final = {300, 301, 302, 303, 307, 308}
_MAX_AGE_DIGITS: Final = 10


class S3Object(NamedTuple):
    """What S3 says of an object. ``etag`` is as it came, in quotes."""

    etag: str
    last_modified: datetime


class EdgeAnswer(NamedTuple):
    """What the edge answered; texts are as they came, and empty where it did not say. ``age`` is in seconds."""

    status: int
    etag: str = ""
    last_modified: datetime | None = None
    age: int | None = None
    x_cache: str = ""
    pop: str = ""
    location: str = ""


class Freshness(NamedTuple):
    """``final`` if waiting changes nothing any more."""

    verdict: Literal["fresh", "stale", "unknown"]
    why: str
    final: bool = False


def served(status: int, headers: Mapping[str, str]) -> EdgeAnswer:
    """What an answer says, of which nothing is believed to be well-formed. ``headers`` are by names in lower case."""
    return EdgeAnswer(
        status,
        headers.get("etag", "").strip(),
        _date(headers.get("last-modified", "")),
        _age(headers.get("age", "")),
        headers.get("x-cache", "").strip(),
        headers.get("x-amz-cf-pop", "").strip(),
        headers.get("location", "").strip(),
    )


def judge(stored: S3Object | None, answer: EdgeAnswer, now: datetime) -> Freshness:
    """Compare what S3 has, None if there is no such object, with what the edge serves; ``now`` is the time of both.

    To be told the truth, ask the edge first: what it had before S3 was asked is no newer than what S3 has.
    """
    status = answer.status
    if status in _REDIRECTS:
        to = f" to {answer.location}: give that URL" if answer.location else ": give the URL that it leads to"
        return Freshness("unknown", f"the URL redirects ({status}){to}", final=True)
    if status not in {HTTPStatus.OK, *_ABSENT}:
        return Freshness("unknown", f"the URL answers {status}{_told(answer)}, which says nothing of the object")
    if stored is None:
        return _judge_deleted(answer)
    if status in _ABSENT:
        return Freshness(
            "stale",
            f"S3 has the object, {_written(stored, now)}, and the URL answers {status}{_told(answer)}: the edge still"
            " has an answer from before the upload, or does not serve this object there (see that the URL is that of"
            " the key, the origin path and cache behavior, and whether viewers may see it)",
        )
    return _judge_contents(stored, answer, now)


def _judge_deleted(answer: EdgeAnswer) -> Freshness:
    if answer.status in _ABSENT:
        return Freshness(
            "fresh",
            f"S3 has no such object, and the URL answers {answer.status}: nobody has it; if there should be one, check"
            " the key and the bucket",
            final=True,
        )
    if answer.x_cache.lower().startswith("error"):
        return Freshness(
            "unknown",
            f"S3 has no such object, and the URL answers {answer.status} with the page that the distribution shows for"
            f" an error{_told(answer)}",
            final=True,
        )
    return Freshness(
        "stale",
        f"S3 has no such object, and the URL still answers {answer.status}{_told(answer)}; if there should be one,"
        " check the key and the bucket",
    )


def _judge_contents(stored: S3Object, answer: EdgeAnswer, now: datetime) -> Freshness:
    ours, theirs = _opaque(stored.etag), _opaque(answer.etag)
    when = answer.last_modified and answer.last_modified.replace(microsecond=0)
    written = stored.last_modified.replace(microsecond=0)
    another = f"{_told(answer)} than that of S3's object, {_written(stored, now)}{_later(when, written)}"
    if theirs:
        if ours == theirs:
            older = "; it is of an earlier upload of the same bytes, whose other headers it has"
            return Freshness(
                "fresh", f"the ETag is that of S3's object{older if when and when < written else ''}", True
            )
        return Freshness("stale", f"the edge serves another ETag{another}")
    if when is None:
        return Freshness("unknown", "the URL answers with neither an ETag nor a Last-Modified to compare", final=True)
    if when == written:
        return Freshness("fresh", "there is no ETag to compare; Last-Modified is that of S3's object", final=True)
    return Freshness("stale", f"there is no ETag to compare, and the edge serves another Last-Modified{another}")


def _opaque(etag: str) -> str:
    """What an ETag says, strong or weak: CloudFront makes a strong one weak when it compresses what it is of.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html
    """
    return etag.strip().removeprefix("W/").removeprefix('"').removesuffix('"')


def _written(stored: S3Object, now: datetime) -> str:
    return f"written {age((now - stored.last_modified).total_seconds())} ago"


def _told(answer: EdgeAnswer) -> str:
    kept = "" if answer.age is None else f"Age {answer.age:,} s"
    x_cache = answer.x_cache and f"X-Cache {answer.x_cache}"
    found = ", ".join(filter(None, (kept, x_cache)))
    return f" ({found})" if found else ""


def _later(when: datetime | None, written: datetime) -> str:
    later = "; that was modified later than S3's object: the URL may be that of another one"
    return later if when and when > written else ""


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _age(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_AGE_DIGITS else None
