"""The reads of an invocation from AWS before it plans: each has a bound in time, and none stops the invocation."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from invalidator.distributions.catalog import Catalog
from invalidator.errors import ConfigurationError, ListingError
from invalidator.events.decode import Decoded, without_strangers
from invalidator.model import Distribution, DistributionId, ObjectChange, ObjectKey, Site
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import log_once, log_warnings, logger
from invalidator.settings.environment import Settings, SkipUnchanged

if TYPE_CHECKING:
    from invalidator.aws.listings import Bounds, Unchanged

_DESCRIBING_SECONDS: Final = 10.0
_COMPARING_SECONDS: Final = 10.0
_LISTING_SECONDS: Final = 30.0

_LAST_ANSWER_SECONDS: Final = 2.0
"""Kept back from a comparison for its last answer, so that earlier answers are not lost."""

_MAX_KEPT: Final = 50_000
"""Keys that are kept while an event is handled: some megabytes."""


def find_distributions(decoded: Decoded, invocation: Invocation) -> tuple[Decoded, list[Distribution]]:
    """Return the contents without the tickets of foreign distributions, and the distributions that they concern."""
    distributions = _distributions_of(decoded.changes, invocation)
    decoded = _without_foreign_tickets(decoded, invocation)
    # A ticket may be for a distribution that was discovered for a bucket of another event.
    others = {batch.distribution for batch in decoded.tickets} - {distribution.id for distribution in distributions}
    return decoded, distributions + [Distribution(id_, Site(())) for id_ in sorted(others)]


def _distributions_of(changes: list[ObjectChange], invocation: Invocation) -> list[Distribution]:
    """Return the configured distributions and those discovered for the buckets of the changes."""
    catalog, settings, workers = invocation.clients.catalog(), invocation.settings, invocation.clients.workers()
    buckets = {change.bucket for change in changes}
    distributions = catalog.look_up(settings, buckets, workers, invocation.share(1 / 4, _DESCRIBING_SECONDS))
    log_warnings(catalog.warnings())
    if not settings.describe:
        log_once("DESCRIBE is off: every distribution is taken to serve each key as it is")
    return distributions


def _without_foreign_tickets(decoded: Decoded, invocation: Invocation) -> Decoded:
    """Return the same contents, with each ticket for a distribution that is not ours refused."""
    catalog = invocation.clients.catalog()
    decoded = without_strangers(decoded, partial(_is_ours, catalog, invocation.settings))
    log_warnings(catalog.warnings())
    return decoded


def _is_ours(catalog: Catalog, settings: Settings, id_: DistributionId) -> bool:
    try:
        return catalog.has(id_, settings)
    except ConfigurationError as error:
        logger.warning(str(error))
        return False  # the ticket comes again, and the others do not wait for it


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
    bounds = listings.bounds(settings.list_pages, max(seconds - _LAST_ANSWER_SECONDS, seconds / 2))
    metadata = settings.skip_unchanged is SkipUnchanged.VERSIONS_AND_METADATA
    workers.start(partial(listings.unchanged, uploads, bounds, metadata=metadata))
    compared: Unchanged | None = workers.wait(seconds)
    log_warnings(compared.warnings if compared else ["S3 does not answer; all uploads are invalidated"])
    return compared.changes if compared else ()


@dataclass(slots=True)
class BucketKeys:
    """Lists the buckets of an invocation. All its listings together have one bound in pages and time."""

    invocation: Invocation
    _bounds: "Bounds | None" = None
    _kept: dict[tuple[str, str], list[ObjectKey]] = field(default_factory=dict)

    def beginning(self, bucket: str, prefix: str) -> Iterator[ObjectKey]:
        """Yield the keys that begin so. A short list is kept for the next site. Raises ListingError."""
        if (bucket, prefix) in self._kept:
            yield from self._kept[bucket, prefix]
            return
        kept: list[ObjectKey] = []
        for page in self._pages(bucket, prefix):
            yield from page
            if len(kept) <= _MAX_KEPT:
                kept += page
        if len(kept) <= _MAX_KEPT:
            self._kept[bucket, prefix] = kept

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[ObjectKey]]:
        """Yield pages of keys. Raises ListingError, also where S3 does not answer at all."""
        listings, workers = self.invocation.clients.listings(), self.invocation.clients.workers()
        if self._bounds is None:
            seconds = self.invocation.share(1 / 3, _LISTING_SECONDS)
            self._bounds = listings.bounds(self.invocation.settings.list_pages, seconds)
        pages = listings.pages(bucket, prefix, self._bounds)
        page: list[ObjectKey] | None = []
        while page is not None:
            yield page
            workers.start(lambda: (next(pages, None),))
            ended = workers.wait(listings.left(self._bounds))
            if ended is None:
                raise ListingError(f"bucket {bucket!r} cannot be listed: S3 does not answer in time")
            (page,) = ended
