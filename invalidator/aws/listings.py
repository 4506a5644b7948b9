"""The only calls that list objects: the keys that begin alike, and the versions of what was uploaded."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
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

_RECENT: Final = timedelta(hours=1)
"""For which an upload is taken to have the version before it: later, one in between may be gone, and its event, too."""

# The answer to HEAD has no body, and so no code but its status.
_FORBIDDEN: Final = "403"
_GONE: Final = {"404", "NoSuchKey", "NoSuchVersion"}


class _Client(Protocol):
    """The part of an SDK client that is used here.

    It asks for encoded keys, since XML cannot hold all characters, and decodes them.
    """

    def list_objects_v2(self, **arguments: str) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html."""

    def list_object_versions(self, **arguments: str) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html."""

    def head_object(self, **arguments: str) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html."""


@dataclass(slots=True)
class Bounds:
    """How much may be listed: so many pages in all, none of which is begun after a moment of the clock (seconds).

    ``asked`` counts the pages. All listings of an invocation share one of these.
    """

    pages: int
    until: float
    asked: int = 0


class _ForbiddenError(ListingError):
    """The metadata of an object may not be read."""


class Unchanged(NamedTuple):
    """The uploads that changed nothing, and, in sentences, why others could not be compared."""

    changes: frozenset[ObjectChange]
    warnings: tuple[str, ...] = ()


class Listings:
    """What is in buckets. ``now`` is a clock in seconds, ``today`` says what time it is."""

    def __init__(
        self,
        client: _Client,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._now, self._today = client, now, today

    @classmethod
    def connect(cls) -> Self:
        """Connect to S3 with what the SDK is configured with. Raises ConfigurationError if that cannot be used."""
        return cls(sdk.client("s3", attempts=2))

    def bounds(self, pages: int, seconds: float) -> Bounds:
        """Bounds of so many pages and so many seconds from now on."""
        return Bounds(pages, self._now() + seconds)

    def left(self, bounds: Bounds) -> float:
        """Seconds until the end of the bounds; below 0 after that."""
        return bounds.until - self._now()

    def keys(self, bucket: str, prefix: str, bounds: Bounds) -> Iterator[ObjectKey]:
        """The keys that begin so, in the order of their UTF-8. Raises ListingError."""
        return chain.from_iterable(self.pages(bucket, prefix, bounds))

    def pages(self, bucket: str, prefix: str, bounds: Bounds) -> Iterator[list[ObjectKey]]:
        """The same in pages, each of which is asked for when it is needed."""
        more: dict[str, str] | None = {} if is_text(prefix) else None
        while more is not None:
            self._begin_page(bucket, bounds)
            with _explained(bucket):
                answer = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
                keys = [ObjectKey(item["Key"]) for item in answer.get("Contents", ())]
                more = {"ContinuationToken": answer["NextContinuationToken"]} if answer["IsTruncated"] else None
            del answer  # a page is large, and the next one comes before this is over
            yield keys

    def unchanged(self, changes: Collection[ObjectChange], bounds: Bounds, *, metadata: bool) -> Unchanged:
        """Those uploads that wrote the same bytes as were there before; with ``metadata``, under the same headers.

        Takes no more listings than there are keys, and far fewer where these are close together; with ``metadata``,
        two more calls for each upload of the same bytes. What cannot be compared for certain has changed.
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
                warnings.append(f"uploads are invalidated without a look at what was there before: {error}")
        unchanged = (change for change in changes if (change.bucket, change.key, change.version) in found)
        return Unchanged(frozenset(unchanged), tuple(warnings))

    def _repeated(self, bucket: str, wanted: VersionsByKey, bounds: Bounds) -> Iterator[VersionPair]:
        walk = VersionWalk(wanted)
        while walk.next is not None:
            self._begin_page(bucket, bounds)
            with _explained(bucket):
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
                if number == 0:  # all of them, as it seems
                    break
        if forbidden:
            raise forbidden

    def _look_the_same(self, bucket: str, one: ListedVersion, other: ListedVersion, bounds: Bounds) -> bool:
        heads = []
        for entry in (one, other):
            self._check_time(bucket, bounds)
            with _explained(bucket):
                try:
                    heads.append(self._client.head_object(Bucket=bucket, Key=entry.key, VersionId=entry.version))
                except ClientError as error:
                    if sdk.code_of(error) in _GONE:
                        return False
                    if sdk.code_of(error) == _FORBIDDEN:
                        text = f"the metadata of {entry.key!r:.80} in bucket {bucket!r} cannot be read"
                        raise _ForbiddenError(f"{text}: {sdk.explained(error)}") from error
                    raise
        return look_the_same(*heads)

    def _begin_page(self, bucket: str, bounds: Bounds) -> None:
        self._check_time(bucket, bounds)
        if bounds.asked >= bounds.pages:
            raise ListingError(
                f"bucket {bucket!r} cannot be listed: it takes more than LIST_PAGES={bounds.pages} pages"
            )
        bounds.asked += 1

    def _check_time(self, bucket: str, bounds: Bounds) -> None:
        if self._now() >= bounds.until:
            raise ListingError(
                f"bucket {bucket!r} cannot be listed: it takes more time than there is (after {bounds.asked} pages)"
            )


@contextmanager
def _explained(bucket: str) -> Iterator[None]:
    try:
        yield
    except sdk.ERRORS as error:
        raise ListingError(f"bucket {bucket!r} cannot be listed: {sdk.explained(error)}") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ListingError(f"bucket {bucket!r} cannot be listed: an answer that makes no sense: {error!r}") from error


def _page(answer: Any) -> VersionPage:
    written = (
        ListedVersion(
            item["Key"],
            item["VersionId"],
            item["LastModified"],
            (item["ETag"], item["Size"], item.get("StorageClass", "STANDARD")),
        )
        for item in answer.get("Versions", ())
    )
    removed = (
        ListedVersion(item["Key"], item["VersionId"], item["LastModified"], None)
        for item in answer.get("DeleteMarkers", ())
    )
    end = (answer["NextKeyMarker"], answer["NextVersionIdMarker"]) if answer["IsTruncated"] else None
    return VersionPage((*written, *removed), end)
