"""Compare the answer of an edge for a URL with the object in S3. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal, NamedTuple, Self

from invalidator.wording import age

_ABSENT: Final = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
"""The answers for an object that does not exist: 403 if the distribution may not list the bucket.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""
# Not 304: the request has no condition.
_REDIRECTS: Final = {300, 301, 302, 303, 307, 308}
_MAX_AGE_DIGITS: Final = 10


class S3Object(NamedTuple):
    """An object in S3, by what S3 says of it. ``etag`` is in quotes, as S3 sends it."""

    etag: str
    last_modified: datetime


class EdgeAnswer(NamedTuple):
    """The answer of an edge. Texts are as they came, and empty if missing. ``age`` is in seconds."""

    status: int
    etag: str = ""
    last_modified: datetime | None = None
    age: int | None = None
    x_cache: str = ""
    pop: str = ""
    location: str = ""

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str]) -> Self:
        """Read an answer, none of whose headers has to be well-formed. ``headers`` are by name in lower case."""
        return cls(
            status,
            headers.get("etag", "").strip(),
            _date(headers.get("last-modified", "")),
            _age(headers.get("age", "")),
            headers.get("x-cache", "").strip(),
            headers.get("x-amz-cf-pop", "").strip(),
            headers.get("location", "").strip(),
        )


class Freshness(NamedTuple):
    """The verdict on a URL, with the reason. It is ``final`` if waiting cannot change it."""

    verdict: Literal["fresh", "stale", "unknown"]
    why: str
    final: bool = False


def judge(stored: S3Object | None, answer: EdgeAnswer, now: datetime) -> Freshness:
    """Return whether an edge serves the object as it is in S3; None stands for an object that does not exist.

    ``now`` is the time of both answers. Request the one of the edge first: then it cannot be newer than the one of S3.
    """
    status = answer.status
    if status in _REDIRECTS:
        to = f" to {answer.location}: give that URL" if answer.location else ": give the URL that it leads to"
        return Freshness("unknown", f"the URL redirects ({status}){to}", final=True)
    if status not in {HTTPStatus.OK, *_ABSENT}:
        return Freshness("unknown", f"the URL answers {status}{_cached(answer)}, which says nothing about the object")
    if stored is None:
        return _judge_deleted(answer)
    if status in _ABSENT:
        return Freshness(
            "stale",
            f"S3 has the object, {_written(stored, now)}, and the URL answers {status}{_cached(answer)}: the edge still"
            " has an answer from before the upload, or does not serve this object there (check that the URL belongs to"
            " the key, the origin path and the cache behavior, and that viewers have access)",
        )
    return _judge_contents(stored, answer, now)


def _judge_deleted(answer: EdgeAnswer) -> Freshness:
    if answer.status in _ABSENT:
        return Freshness(
            "fresh",
            f"S3 has no such object, and the URL answers {answer.status}: neither has it; if the object should exist,"
            " check the key and the bucket",
            final=True,
        )
    if answer.x_cache.lower().startswith("error"):
        return Freshness(
            "unknown",
            f"S3 has no such object, and the URL answers {answer.status} with the error page of the distribution"
            f"{_cached(answer)}",
            final=True,
        )
    return Freshness(
        "stale",
        f"S3 has no such object, and the URL still answers {answer.status}{_cached(answer)}; if the object should"
        " exist, check the key and the bucket",
    )


def _judge_contents(stored: S3Object, answer: EdgeAnswer, now: datetime) -> Freshness:
    ours, theirs = _opaque(stored.etag), _opaque(answer.etag)
    when = answer.last_modified and answer.last_modified.replace(microsecond=0)
    modified = stored.last_modified.replace(microsecond=0)
    another = f"{_cached(answer)} than that of S3's object, {_written(stored, now)}{_later(when, modified)}"
    if theirs:
        if ours == theirs:
            older = "; the edge has an earlier upload of the same bytes, with the headers of that one"
            return Freshness(
                "fresh", f"the ETag is that of S3's object{older if when and when < modified else ''}", True
            )
        return Freshness("stale", f"the edge serves another ETag{another}")
    if when is None:
        return Freshness("unknown", "the URL answers with neither an ETag nor a Last-Modified to compare", final=True)
    if when == modified:
        return Freshness("fresh", "there is no ETag to compare; Last-Modified is that of S3's object", final=True)
    return Freshness("stale", f"there is no ETag to compare, and the edge serves another Last-Modified{another}")


def _opaque(etag: str) -> str:
    """Return the text of an ETag, strong or weak: CloudFront makes it weak when it compresses the object.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/ServingCompressedFiles.html
    """
    return etag.strip().removeprefix("W/").removeprefix('"').removesuffix('"')


def _written(stored: S3Object, now: datetime) -> str:
    return f"written {age((now - stored.last_modified).total_seconds())} ago"


def _cached(answer: EdgeAnswer) -> str:
    age_ = "" if answer.age is None else f"Age {answer.age:,} s"
    x_cache = answer.x_cache and f"X-Cache {answer.x_cache}"
    found = ", ".join(filter(None, (age_, x_cache)))
    return f" ({found})" if found else ""


def _later(when: datetime | None, modified: datetime) -> str:
    later = "; the edge's is later than S3's: the URL may belong to another object"
    return later if when and when > modified else ""


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _age(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_AGE_DIGITS else None
