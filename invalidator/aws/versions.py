"""Find the uploads that wrote the same bytes as before, from the versions that S3 lists. Pure.

Each upload is compared with the version before it. In doubt it counts as a change: to invalidate an unchanged object
costs a path; not to invalidate a changed one leaves viewers with the old one.

Why this is safe: each time that viewers would see something else under a key, there is an event, and that event is
skipped only if a version with the same bytes comes right before. If that was not so when the upload was made, a version
in between is gone: deleted for good, or replaced under the id "null". Each of these has an event of its own, which is
later and is never skipped. (Lifecycle rules remove versions without a change, but not before a day has passed, and
uploads are compared within an hour.) The only other case is an earlier version from a multipart upload that began
earlier and completed later: then its own event is the later one, and is judged in the same way.
"""

from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from os.path import commonprefix
from typing import Any, Final, NamedTuple

from invalidator.limits import MAX_KEY_BYTES
from invalidator.model import ObjectChange

_ARCHIVED: Final = {"GLACIER", "DEEP_ARCHIVE"}
"""Storage classes whose objects nobody can read unless they are restored, which a listing does not say."""

_SEEN_BY_VIEWERS: Final = (
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires"),
    *("ExpiresString", "Metadata", "WebsiteRedirectLocation"),
    # These say whether the object can be read at all.
    *("ArchiveStatus", "Restore"),
)
"""The fields of an answer to HeadObject that matter to viewers, beside the bytes.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (2026-11-22)
"""


class ListedVersion(NamedTuple):
    """A version in a listing or, without ``content``, a delete marker. ``modified`` is in whole seconds.

    ``content`` identifies the bytes: ETag, size and storage class.
    """

    key: str
    version: str
    modified: datetime
    content: tuple[str, int, str] | None

    @property
    def shows_bytes(self) -> bool:
        """True if viewers get its bytes while it is the latest version: it has some, and is not archived.

        An empty object may be a redirect to somewhere else, or all that matters of it may be its headers.
        """
        return self.content is not None and self.content[1] > 0 and self.content[2] not in _ARCHIVED


class VersionPage(NamedTuple):
    """A page of a listing of versions: sorted by key, and for each key from the newest to the oldest.

    Delete markers come after the other versions, in the same order. ``end`` is the last key and version of the page,
    from which the next page goes on; None on the last page.
    """

    entries: Sequence[ListedVersion]
    end: tuple[str, str] | None = None


VersionPair = tuple[ListedVersion, ListedVersion]
"""A version and the one right before it."""

VersionsByKey = dict[str, set[str]]
"""The ids of versions, by key."""


def in_question(changes: Iterable[ObjectChange], since: datetime) -> dict[str, VersionsByKey]:
    """Return the versions of the uploads after a moment that may have changed nothing, by bucket.

    Leaves out uploads without a version id, and those whose event does not say when they were made.
    """
    found: dict[str, VersionsByKey] = {}
    earliest = f"{since:%Y-%m-%dT%H:%M:%S}"
    for change in changes:
        if change.version not in {"", "null"} and change.time[:19] >= earliest and is_text(change.key):
            found.setdefault(change.bucket, {}).setdefault(change.key, set()).add(change.version)
    return found


def is_text(key: str) -> bool:
    """Return whether a key is valid Unicode. S3 has no other keys."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def repeated(entries: Collection[ListedVersion], versions: Container[str]) -> Iterator[VersionPair]:
    """Yield each of the versions that has the same bytes as the version before it, with that one.

    ``entries`` are those of one key. There must be no delete marker between the two. Delete markers are listed apart,
    so that is decided by their times, which are in whole seconds.
    """
    uploads, removals = _split(entries)
    times = [removal.modified for removal in removals]
    for upload, before in pairwise(uploads):
        is_same = upload.version in versions and upload.shows_bytes and upload.content == before.content
        if is_same and before.modified <= upload.modified and not _any_between(before, times, upload):
            yield upload, before


def _split(entries: Iterable[ListedVersion]) -> tuple[list[ListedVersion], list[ListedVersion]]:
    """Return the uploads and the delete markers."""
    entries = list(entries)
    return [entry for entry in entries if entry.content], [entry for entry in entries if not entry.content]


def _any_between(first: ListedVersion, times: Iterable[datetime], last: ListedVersion) -> bool:
    return any(first.modified <= time <= last.modified for time in times)


def look_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether viewers see no difference between two objects with the same bytes, by answers to HeadObject.

    False if one has metadata that S3 cannot show in headers.
    """
    if one.get("MissingMeta") or other.get("MissingMeta"):
        return False
    return all(one.get(name) == other.get(name) for name in _SEEN_BY_VIEWERS)


class VersionWalk:
    """A walk through the listed versions of a bucket, from one wanted key to the next, in at most a page for each key.

    ``prefix`` is common to all wanted keys. ``next`` holds the arguments for the next page; None at the end.
    """

    def __init__(self, wanted: VersionsByKey) -> None:
        self._wanted = wanted
        self._waiting = deque(sorted(wanted))  # Python's order of characters is that of their UTF-8, and so S3's
        self._pages = len(wanted)
        self._carried: list[ListedVersion] = []
        first, last = self._waiting[0], self._waiting[-1]
        self.prefix = commonprefix([first, last])  # noqa: RUF071 of characters
        self.next: dict[str, str] | None = {} if first == self.prefix else {"KeyMarker": _before(first)}

    def take(self, page: VersionPage) -> list[VersionPair]:
        """Take a page, and return the repeated versions on it. Sets ``next``."""
        entries: dict[str, list[ListedVersion]] = {}
        for entry in (*self._carried, *page.entries):
            if entry.key in self._wanted:
                entries.setdefault(entry.key, []).append(entry)
        self._pages -= 1
        self._carried, self.next = [], None
        if page.end and self._pages:
            self._advance(entries, *page.end)
        return [pair for key, listed in entries.items() for pair in repeated(listed, self._wanted[key])]

    def _advance(self, entries: Mapping[str, list[ListedVersion]], last: str, version: str) -> None:
        """Go on after the last key and version of a page."""
        waiting = self._waiting
        while waiting and waiting[0] < last:
            waiting.popleft()
        if waiting and waiting[0] == last and self._finish(last, entries.get(last, [])):
            waiting.popleft()
        if waiting:
            jump = _before(waiting[0])
            self.next = {"KeyMarker": jump} if jump > last else {"KeyMarker": last, "VersionIdMarker": version}

    def _finish(self, key: str, entries: list[ListedVersion]) -> bool:
        """Return whether all wanted versions of a key, and one before each, are listed. Carries over what is needed."""
        uploads, removals = _split(entries)
        if self._wanted[key].issubset(upload.version for upload in uploads[:-1]):
            return True
        if uploads:  # the next page may begin with the version before the last one
            self._carried = [uploads[-1], *removals]
        return False


def _before(key: str) -> str:
    """Return a text right before a key, with next to nothing between the two, and no longer than a key may be."""
    start, last = key[:-1], key[-1]
    if last == "\0":
        return start
    previous = "\ud7ff" if last == "\ue000" else chr(ord(last) - 1)  # between these two there are no characters
    marker = f"{start}{previous}\U0010fffd"
    return marker if len(marker.encode()) <= MAX_KEY_BYTES else start
