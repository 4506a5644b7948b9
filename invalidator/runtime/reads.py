"""The reads of an invocation from AWS before it plans: each has a bound in time, and none stops the invocation."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from invalidator.distributions.concerned import Concerned, asked_by, buckets_of, concerned
from invalidator.errors import ListingError
from invalidator.events.decode import Decoded
from invalidator.model import ObjectChange, ObjectKey
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import log_once, log_warnings, logger
from invalidator.settings.environment import SkipUnchanged

if TYPE_CHECKING:
    from invalidator.aws.listings import Bounds, Unchanged

_DESCRIBING_SECONDS: Final = 30.0
_COMPARING_SECONDS: Final = 10.0
_LISTING_SECONDS: Final = 30.0

_LAST_ANSWER_SECONDS: Final = 2.0
"""Kept back from a comparison for its last answer, so that earlier answers are not lost."""

_MAX_KEPT: Final = 50_000
"""Keys that are kept while an event is handled: some megabytes."""


def find_distributions(decoded: Decoded, invocation: Invocation) -> Concerned:
    """Return the distributions that an event concerns, with what has waited for each of them."""
    catalog, settings = invocation.clients.catalog(), invocation.settings
    seconds = invocation.share(1 / 4, _DESCRIBING_SECONDS)
    buckets, workers, asked = buckets_of(decoded), invocation.clients.workers(), asked_by(decoded)
    found = catalog.look_up(settings, buckets, workers, seconds, asked, only_asked=not decoded.changes)
    log_warnings(catalog.warnings())
    if not settings.describe:
        log_once("DESCRIBE is off: every distribution is taken to serve each key as it is")
    return concerned(decoded, found, settings)


def without_unchanged(changes: list[ObjectChange], invocation: Invocation) -> list[ObjectChange]:
    """Return the changes without uploads that wrote what was there before. A doubtful upload stays."""
    settings = invocation.settings
    uploads = [change for change in changes if change.version and settings.view.takes(change.key)]
    if settings.skip_unchanged is None or not uploads:
        return changes
    unchanged = _unchanged(uploads, invocation)
    if not unchanged:
        return changes
    rest = [change for change in changes if change not in unchanged]
    logger.info("unchanged uploads skipped", extra={"uploads": len(changes) - len(rest)})
    return rest


def _unchanged(uploads: list[ObjectChange], invocation: Invocation) -> Container[ObjectChange]:
    """Return the uploads that wrote what was there before, as far as S3 says so in time."""
    settings, listings, workers = invocation.settings, invocation.clients.listings(), invocation.clients.workers()
    seconds = invocation.share(1 / 4, _COMPARING_SECONDS)
    bounds = listings.bounds(max(seconds - _LAST_ANSWER_SECONDS, seconds / 2))
    metadata = settings.skip_unchanged is SkipUnchanged.VERSIONS_AND_METADATA
    workers.start(partial(listings.unchanged, uploads, bounds, metadata=metadata))
    compared: Unchanged | None = workers.wait(seconds)
    log_warnings(compared.warnings if compared else ["S3 does not answer; all uploads are invalidated"])
    return compared.changes if compared else ()


@dataclass(slots=True)
class BucketKeys:
    """Lists the buckets of an invocation. All its listings together have one bound in pages and time.

    What changed since a ``burst`` began is left out.
    """

    invocation: Invocation
    burst: datetime | None
    _bounds: "Bounds | None" = None
    _reserve: float = 0.0
    _kept: dict[tuple[str, str], list[ObjectKey]] = field(default_factory=dict)

    def beginning(self, bucket: str, prefix: str) -> Iterator[ObjectKey]:
        """Yield the keys that begin so. A short list is kept for the next site. Raises ListingError."""
        if (bucket, prefix) in self._kept:
            yield from self._in_time(self._kept[bucket, prefix], bucket)
            return
        kept: list[ObjectKey] = []
        for page in self._pages(bucket, prefix):
            yield from self._in_time(page, bucket)
            if len(kept) <= _MAX_KEPT:
                kept += page
        if len(kept) <= _MAX_KEPT:
            self._kept[bucket, prefix] = kept

    def _in_time(self, keys: list[ObjectKey], bucket: str) -> Iterator[ObjectKey]:
        """Yield keys as long as there is time for the rules to say what each of them stands for."""
        for key in keys:
            if self.invocation.seconds_left() < self._reserve:
                raise ListingError(f"the rules take too long for the keys of bucket {bucket!r}")
            yield key

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[ObjectKey]]:
        """Yield pages of keys. Raises ListingError, also where S3 does not answer at all."""
        listings, workers = self.invocation.clients.listings(), self.invocation.clients.workers()
        if self._bounds is None:
            seconds = self.invocation.share(1 / 3, _LISTING_SECONDS)
            self._reserve = self.invocation.seconds_left() / 2
            self._bounds = listings.bounds(seconds)
        settings = self.invocation.settings
        # An upload that is not invalidated leaves in the caches what was there, and that is not to be evicted.
        burst = self.burst if settings.skip_unchanged is None else None
        pages = listings.pages(bucket, prefix, self._bounds, burst, settings.view.takes)
        page: list[ObjectKey] | None = []
        while page is not None:
            yield page
            workers.start(lambda: (next(pages, None),))
            ended = workers.wait(listings.left(self._bounds))
            if ended is None:
                raise ListingError(f"bucket {bucket!r} cannot be listed: S3 does not answer in time")
            (page,) = ended
