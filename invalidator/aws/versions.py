"""Which uploads wrote what had been there before, by the versions that S3 lists. Pure.

Each upload is compared with the version before it. In doubt it has changed something: to invalidate what is the same
costs a path, and not to invalidate what is not leaves something stale.

Why that is enough: whenever viewers would see something else under a key, there is an event, and it is skipped only if
there is a version of the same bytes right before. Where that was not so at the time of the upload, something in between
is gone: removed for good, or replaced under the id "null". That has an event of its own, which is later, and is never
skipped. Or the version before is of a multipart upload that was begun earlier and completed later: then its own event
is the later one, and is judged in the same way.
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
"""Storage classes whose objects nobody can read, or only while they are restored, of which a listing tells nothing."""

_SEEN_BY_VIEWERS: Final = (
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires"),
    *("ExpiresString", "Metadata", "WebsiteRedirectLocation"),
    # Whether it can be read at all.
    *("ArchiveStatus", "Restore"),
)
"""What HeadObject tells of an object that is more to viewers than its bytes.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (2026-11-22)
"""


class ListedVersion(NamedTuple):
    """A version in a listing, or, without ``content``, a delete marker. ``modified`` is to the second.

    ``content`` is what tells its bytes from others: ETag, size and storage class.
    """

    key: str
    version: str
    modified: datetime
    content: tuple[str, int, str] | None

    @property
    def is_readable(self) -> bool:
        """Whether viewers can have it as long as it is the latest."""
        return self.content is not None and self.content[2] not in _ARCHIVED


class VersionPage(NamedTuple):
    """A page of a listing of versions: by key, and those of a key from the newest to the oldest.

    Delete markers are listed apart, in the same order. ``end`` is what S3 wants to hear for the next page, the last
    key and version of this one; None if there is no more.
    """

    entries: Sequence[ListedVersion]
    end: tuple[str, str] | None = None


VersionPair = tuple[ListedVersion, ListedVersion]
"""A version and the one right before it."""

VersionsByKey = dict[str, set[str]]
"""The versions in question, by key."""


def in_question(changes: Iterable[ObjectChange], since: datetime) -> dict[str, VersionsByKey]:
    """The uploads after a moment that may turn out to be the same, by bucket.

    Those of a bucket without versions, or whose event does not say when it happened, do not.
    """
    wanted: dict[str, VersionsByKey] = {}
    earliest = f"{since:%Y-%m-%dT%H:%M:%S}"
    for change in changes:
        if change.version not in {"", "null"} and change.time[:19] >= earliest and is_text(change.key):
            wanted.setdefault(change.bucket, {}).setdefault(change.key, set()).add(change.version)
    return wanted


def is_text(key: str) -> bool:
    """Whether S3 can have such a key: not if some of its bytes were no UTF-8."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def repeated(entries: Collection[ListedVersion], versions: Container[str]) -> Iterator[VersionPair]:
    """Out of the entries of one key: those of the versions that have the same bytes as the one before them.

    There must not be a delete marker in between: they are listed apart, so the times have to tell, in whole seconds.
    """
    written = [entry for entry in entries if entry.content]
    removed = [entry.modified for entry in entries if not entry.content]
    for ours, before in pairwise(written):
        if (
            ours.version in versions
            and ours.content == before.content
            and ours.is_readable
            and before.modified <= ours.modified
            and not any(before.modified <= time <= ours.modified for time in removed)
        ):
            yield ours, before


def look_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether viewers see no difference between two objects of the same bytes, by what HeadObject answers.

    With metadata that do not go into its headers, that is not known.
    """
    if one.get("MissingMeta") or other.get("MissingMeta"):
        return False
    return all(one.get(name) == other.get(name) for name in _SEEN_BY_VIEWERS)


class VersionWalk:
    """The way through the versions of a bucket, past the keys in question, in no more pages than there are of these.

    ``prefix`` is how all of them begin. ``next`` says where the next page is to begin, as arguments of the call; None
    at the end.
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
        """Go past a page: the pairs on it that are repeated."""
        here: dict[str, list[ListedVersion]] = {}
        for entry in (*self._carried, *page.entries):
            if entry.key in self._wanted:
                here.setdefault(entry.key, []).append(entry)
        self._pages -= 1
        self._carried, self.next = [], None
        if page.end and self._pages:
            self._advance(here, *page.end)
        return [pair for key, entries in here.items() for pair in repeated(entries, self._wanted[key])]

    def _advance(self, here: dict[str, list[ListedVersion]], last: str, version: str) -> None:
        waiting = self._waiting
        while waiting and waiting[0] < last:
            waiting.popleft()
        if waiting and waiting[0] == last:
            entries = here.get(last, [])
            written = [entry for entry in entries if entry.content]
            if self._wanted[last].issubset(entry.version for entry in written[:-1]):
                waiting.popleft()
            else:  # what comes next may be the version before the last one here
                removed = [entry for entry in entries if not entry.content]
                self._carried = [*written[-1:], *(entry for entry in removed if written)]
        if waiting:
            jump = _before(waiting[0])
            self.next = {"KeyMarker": jump} if jump > last else {"KeyMarker": last, "VersionIdMarker": version}


def _before(key: str) -> str:
    """What comes before a key, with next to nothing in between; not longer than a key may be."""
    start, last = key[:-1], key[-1]
    if last == "\0":
        return start
    previous = "\ud7ff" if last == "\ue000" else chr(ord(last) - 1)  # between these two there are no characters
    marker = f"{start}{previous}\U0010fffd"
    return marker if len(marker.encode()) <= MAX_KEY_BYTES else start
