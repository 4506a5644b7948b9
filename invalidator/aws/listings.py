"""Listings of a bucket: the keys under a prefix, and the versions of uploaded objects."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol, Self

from botocore.exceptions import ClientError

from invalidator.aws import sdk
from invalidator.aws.versions import (
    ListedVersion,
    VersionPage,
    VersionPair,
    VersionsByKey,
    VersionWalk,
    in_question,
    is_text,
    look_the_same,
)
from invalidator.errors import ListingError
from invalidator.model import ObjectChange, ObjectKey
from invalidator.wording import count

_RECENT: Final = timedelta(hours=1)
"""Age up to which an upload is compared. Later, a version right before it may be gone, and the event of that, too."""

# The answer to HEAD has no body, and so no code but its status.
_FORBIDDEN: Final = "403"
_GONE: Final = {"404", "NoSuchKey", "NoSuchVersion"}


class _Client(Protocol):
    """The part of an SDK client that is used here.

    It asks for encoded keys, since XML cannot hold all characters, and decodes them. Times stay as S3 writes them.
    """

    def list_objects_v2(self, **arguments: str) -> Any:
        """List keys: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html."""

    def list_object_versions(self, **arguments: str) -> Any:
        """List versions: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html."""

    def head_object(self, **arguments: str) -> Any:
        """Read metadata: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html."""


_JUST_NOW: Final = timedelta(minutes=3)
"""In a burst, what changed within this time is evicted by nobody: it has been, or is about to be."""

MAX_PAGES: Final = 1_000
"""The most pages that an invocation lists: a million objects."""


@dataclass(slots=True)
class Bounds:
    """The most that may be listed: a number of pages, and a time, in seconds of the clock, after which none begins.

    ``asked`` counts the pages so far. All listings of an invocation share the bounds.
    """

    pages: int
    until: float
    asked: int = 0


class _ForbiddenError(ListingError):
    """A permission to read the metadata of an object is missing."""


class Unchanged(NamedTuple):
    """The uploads that changed nothing, and sentences that say why others could not be compared."""

    changes: frozenset[ObjectChange]
    warnings: tuple[str, ...] = ()


class Listings:
    """Lists buckets. ``now`` is a clock in seconds, ``today`` returns the date and time."""

    def __init__(
        self,
        client: _Client,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._now, self._today = client, now, today

    @classmethod
    def connect(cls) -> Self:
        """Connect to S3 as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        # Three quarters of the CPU time of a page are spent on times (botocore 1.44.5, 2026-11-29).
        return cls(sdk.client("s3", attempts=2, raw_times=True))

    def bounds(self, seconds: float, pages: int = MAX_PAGES) -> Bounds:
        """Return bounds of so many seconds from now on, and of so many pages."""
        return Bounds(pages, self._now() + seconds)

    def left(self, bounds: Bounds) -> float:
        """Return the seconds until the time of the bounds is over; negative after that."""
        return bounds.until - self._now()

    def keys(self, bucket: str, prefix: str, bounds: Bounds) -> Iterator[ObjectKey]:
        """Yield the keys with a prefix, in the order of their UTF-8. Raises ListingError."""
        return chain.from_iterable(self.pages(bucket, prefix, bounds))

    def pages(
        self,
        bucket: str,
        prefix: str,
        bounds: Bounds,
        burst: datetime | None = None,
        takes: Callable[[ObjectKey], bool] = lambda _key: True,
    ) -> Iterator[list[ObjectKey]]:
        """Yield the keys with a prefix page by page. Each page is read when it is needed. Raises ListingError.

        Objects that changed since a ``burst`` began, or in the last three minutes of it, are left out, if the function
        ``takes`` their changes.
        """
        now = self._today()
        # What changed after that is new; not, however, what a clock of S3 that is far ahead says.
        new = (min(burst, now - _JUST_NOW), now + _JUST_NOW) if burst else None
        more: dict[str, str] | None = {} if is_text(prefix) else None
        while more is not None:
            self._begin_page(bucket, bounds)
            with _listing(bucket):
                answer = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
                found = answer.get("Contents", ())
                keys = [
                    ObjectKey(item["Key"])
                    for item in found
                    if not (new and new[0] <= _modified(item) <= new[1] and takes(item["Key"]))
                ]
                more = {"ContinuationToken": answer["NextContinuationToken"]} if answer["IsTruncated"] else None
            del answer  # a page is large, and the next one is read while this generator still runs
            yield keys

    def version_pages(
        self, bucket: str, prefix: str, bounds: Bounds, after: tuple[str, str] | None = None
    ) -> Iterator[VersionPage]:
        """Yield the versions and delete markers with a prefix page by page, from the end of a page on if it is given.

        Each page is read when it is needed. Raises ListingError.
        """
        end, is_first = after, True
        while end or is_first:
            is_first = False
            self._begin_page(bucket, bounds)
            more = {"KeyMarker": end[0], "VersionIdMarker": end[1]} if end else {}
            with _listing(bucket):
                page = _page(self._client.list_object_versions(Bucket=bucket, Prefix=prefix, **more))
            yield page
            end = page.end

    def unchanged(self, changes: Collection[ObjectChange], bounds: Bounds, *, metadata: bool) -> Unchanged:
        """Return the uploads that wrote the same bytes as before; with ``metadata``, under the same headers, too.

        Takes at most one listing for each key, and far fewer if the keys are close together; with ``metadata``, also
        two calls for each upload of the same bytes. An upload that cannot be compared for certain counts as a change.
        """
        since = self._today() - _RECENT
        found: set[tuple[str, str, str]] = set()
        warnings: list[str] = []
        for bucket, wanted in sorted(in_question(changes, since).items()):
            try:
                pairs = (pair for pair in self._repeated(bucket, wanted, bounds) if pair[0].modified > since)
                for ours, _ in self._of_same_metadata(bucket, pairs, bounds) if metadata else pairs:
                    found.add((bucket, ours.key, ours.version))
            except ListingError as error:
                warnings.append(
                    f"uploads are invalidated without being compared with the versions before them: {error}"
                )
        unchanged = (change for change in changes if (change.bucket, change.key, change.version) in found)
        return Unchanged(frozenset(unchanged), tuple(warnings))

    def _repeated(self, bucket: str, wanted: VersionsByKey, bounds: Bounds) -> Iterator[VersionPair]:
        walk = VersionWalk(wanted)
        while walk.next is not None:
            self._begin_page(bucket, bounds)
            with _listing(bucket):
                answer = self._client.list_object_versions(Bucket=bucket, Prefix=walk.prefix, **walk.next)
                pairs = walk.take(_page(answer))
            yield from pairs

    def _of_same_metadata(self, bucket: str, pairs: Iterable[VersionPair], bounds: Bounds) -> Iterator[VersionPair]:
        forbidden: ListingError | None = None
        for number, (ours, before) in enumerate(pairs):
            try:
                if self._look_the_same(bucket, ours, before, bounds):
                    yield ours, before
            except _ForbiddenError as error:
                forbidden = error
                if number == 0:  # most likely the permission is missing for all of them
                    break
        if forbidden:
            raise forbidden

    def _look_the_same(self, bucket: str, one: ListedVersion, other: ListedVersion, bounds: Bounds) -> bool:
        heads = []
        for entry in (one, other):
            self._check_time(bucket, bounds)
            with _listing(bucket):
                try:
                    heads.append(self._client.head_object(Bucket=bucket, Key=entry.key, VersionId=entry.version))
                except ClientError as error:
                    if sdk.code_of(error) in _GONE:
                        return False
                    if sdk.code_of(error) == _FORBIDDEN:
                        text = f"the metadata of {entry.key!r:.80} in bucket {bucket!r} cannot be read"
                        raise _ForbiddenError(f"{text}: {sdk.message_with_advice(error)}") from error
                    raise
        return look_the_same(*heads)

    def _begin_page(self, bucket: str, bounds: Bounds) -> None:
        self._check_time(bucket, bounds)
        if bounds.asked >= bounds.pages:
            raise ListingError(f"{_cannot_list(bucket)}: it takes more than {count(bounds.pages, 'page')}")
        bounds.asked += 1

    def _check_time(self, bucket: str, bounds: Bounds) -> None:
        if self._now() >= bounds.until:
            raise ListingError(f"{_cannot_list(bucket)}: there is no time left (after {count(bounds.asked, 'page')})")


def _listing(bucket: str) -> AbstractContextManager[None]:
    return sdk.raising(ListingError, _cannot_list(bucket))


def _cannot_list(bucket: str) -> str:
    return f"bucket {bucket!r} cannot be listed"


def _page(answer: Any) -> VersionPage:
    uploads = [
        _version(item, (item["ETag"], item["Size"], item.get("StorageClass", "STANDARD")))
        for item in answer.get("Versions", ())
    ]
    removals = [_version(item, None) for item in answer.get("DeleteMarkers", ())]
    end = (answer["NextKeyMarker"], answer["NextVersionIdMarker"]) if answer["IsTruncated"] else None
    return VersionPage([*uploads, *removals], end)


def _version(item: Any, content: tuple[str, int, str] | None) -> ListedVersion:
    return ListedVersion(item["Key"], item["VersionId"], _modified(item), content)


def _modified(item: Any) -> datetime:
    """Return the time of an entry, as ``2026-11-29T12:00:00.000Z``. Raises ValueError if it is none, or has no zone."""
    modified = datetime.fromisoformat(item["LastModified"])
    if modified.tzinfo is None:
        raise ValueError(f"the time {modified} has no zone")
    return modified
