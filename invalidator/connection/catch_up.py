"""Catch up on what changed in a bucket while nobody heard of it: its listing says what, and the queue is told.

A listing shows what was written, and in a bucket with versions what was deleted, by its delete marker. What was deleted
for good, it does not show.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from invalidator.aws.listings import Bounds, Listings
from invalidator.aws.versions import ListedVersion, VersionPage
from invalidator.connection.heard import Marker
from invalidator.connection.notification_checks import EVERY_KEY, KeyFilter
from invalidator.errors import ListingError
from invalidator.events.held import write_gathered
from invalidator.events.records import change_listed
from invalidator.limits import MAX_ASYNCHRONOUS_EVENT_BYTES, SECONDS_OF_UPLOAD
from invalidator.model import Gathered, ObjectChange

_MOST_BYTES: Final = MAX_ASYNCHRONOUS_EVENT_BYTES
"""Of a message: what Lambda takes, and any queue."""

_MANY: Final = 1_000
"""So many changes are sent together: those of a page, if all of it changed; a message holds some more."""

_PAGES: Final = 50
"""After so many pages, what was found is sent however few it is, so that the listing can go on from there."""

_UPLOAD: Final = timedelta(seconds=SECONDS_OF_UPLOAD)

_of_parts = re.compile(r'.*-[0-9]+"?').fullmatch


class Sink(Protocol):
    """The queue or the function that takes the changes."""

    def send(self, text: str) -> None:
        """Store a ticket. Raises StorageError."""


class Window(NamedTuple):
    """A time in which nobody heard of changes."""

    since: datetime
    until: datetime

    def has(self, version: ListedVersion) -> bool:
        """Return whether a version was written in this time, or may have been.

        An object that was uploaded in parts, as its ETag tells, has the time at which its upload was begun:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html (2026-11-30)
        """
        if not self.since - _UPLOAD <= version.modified <= self.until:
            return False
        in_parts = version.content is not None and _of_parts(version.content[0])
        return bool(in_parts) or version.modified >= self.since


@dataclass(slots=True)
class CatchUpProgress:
    """The state of a catch-up: pages listed, versions on them, changes and messages sent.

    All up to the marker ``after`` is sent. Of the changes, so many are ``early``: uploads in parts before the window.
    ``has_versions`` is true once a version has an id, or is a delete marker, so that deletes can be seen.
    """

    after: Marker | None = None
    pages: int = 0
    versions: int = 0
    changes: int = 0
    messages: int = 0
    early: int = 0
    has_versions: bool = False
    is_done: bool = False

    def add(self, page: VersionPage) -> None:
        """Count a page."""
        self.pages += 1
        self.versions += len(page.entries)
        self.has_versions |= any(version.version != "null" or version.content is None for version in page.entries)

    def document(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in ("pages", "versions", "changes", "messages")}


class CatchUp:
    """Lists a bucket, and sends what changed in a window."""

    def __init__(
        self,
        bucket: str,
        window: Window,
        listings: Listings,
        sink: Sink,
        keys: KeyFilter = EVERY_KEY,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bucket, self._window, self._keys = bucket, window, keys
        self._listings, self._sink, self._now = listings, sink, now
        self._found: dict[str, ObjectChange] = {}
        self._newest: dict[str, datetime] = {}

    def run(self, bounds: Bounds, after: Marker | None = None) -> Iterator[CatchUpProgress]:
        """Yield the progress, the same object, after each page. Raises ListingError, StorageError or EventError.

        Goes on ``after`` a marker of an earlier run with the same window.
        """
        progress, end = CatchUpProgress(after), after
        try:
            for page in self._listings.version_pages(self._bucket, self._keys.prefix, bounds, after):
                for version in page.entries:
                    self._take(version)
                end = page.end
                progress.add(page)
                is_last = end is None
                if is_last or len(self._found) >= _MANY or progress.pages % _PAGES == 0:
                    self._send(progress, end)
                progress.is_done = is_last
                yield progress
        except ListingError:
            self._send(progress, end)  # what was listed need not be listed again
            yield progress
            raise

    def _take(self, version: ListedVersion) -> None:
        """Note a version in the window. The newest of a key stands for all of them."""
        key = version.key
        is_new = key not in self._newest or version.modified > self._newest[key]
        if is_new and key.endswith(self._keys.suffix) and self._window.has(version):
            etag = version.content[0].strip('"') if version.content else ""
            modified = f"{version.modified.isoformat()[:19]}.000Z"  # in a tenth of the time that strftime takes
            id_ = "" if version.version == "null" else version.version
            self._found[key], self._newest[key] = (
                change_listed(self._bucket, key, modified, id_, etag),
                version.modified,
            )

    def _send(self, progress: CatchUpProgress, end: Marker | None) -> None:
        now = self._now()
        for body, changes in write_gathered(Gathered(tuple(self._found.values()), now, now), _MOST_BYTES):
            self._sink.send(body)
            progress.messages += 1
            progress.changes += len(changes)
        progress.early += sum(self._newest[key] < self._window.since for key in self._found)
        self._found.clear()
        # The next page may go on with versions of the same key.
        self._newest = {key: at for key, at in self._newest.items() if end and key == end[0]}
        progress.after = end
