"""Changes × distributions → a plan. Pure: the same changes make the same plan, in whatever order they come."""

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain

from invalidator.limits import MAX_ITEMS_PER_CALL
from invalidator.model import Batch, Cause, DistributionId, Item, ObjectChange, Plan, UrlPath
from invalidator.site import stale_paths


def make_plan(changes: Iterable[ObjectChange], distributions: Iterable[DistributionId], index_document: str) -> Plan:
    """One batch a distribution, or as many as it takes at 3,000 items each; none if nothing changed."""
    chunks = [(chunk, _digest(chunk)) for chunk in _chunks(_items(changes, index_document))]
    return Plan(
        tuple(
            Batch(distribution, chunk, _caller_reference(distribution, digest))
            for distribution in distributions
            for chunk, digest in chunks
        )
    )


def _items(changes: Iterable[ObjectChange], index_document: str) -> tuple[Item, ...]:
    causes: dict[UrlPath, list[Cause]] = {}
    for change in changes:
        for path, cause in stale_paths(change, index_document):
            causes.setdefault(path, []).append(cause)
    return tuple(Item(path, tuple(causes[path])) for path in sorted(causes))


def _chunks(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
    for start in range(0, len(items), MAX_ITEMS_PER_CALL):
        yield items[start : start + MAX_ITEMS_PER_CALL]


def _digest(items: tuple[Item, ...]) -> bytes:
    """What these items are and which changes are behind them."""
    causes = chain.from_iterable(item.causes for item in items)
    identities = sorted({cause.change.identity for cause in causes})
    # JSON, since it keeps apart what joining would blur: a key may hold any separator.
    return sha256(json.dumps([[item.path for item in items], identities]).encode()).digest()


def _caller_reference(distribution: DistributionId, digest: bytes) -> str:
    """A name for this batch that comes from the changes, never from a clock or a random number.

    CloudFront answers a reference that it has seen on the distribution, with the same paths, with the
    earlier invalidation and bills nothing. So a redelivered event is free, while the next upload of the
    same key, having another identity, is never taken for the first.
    """
    return "invalidator-" + sha256(distribution.encode() + b"\0" + digest).hexdigest()[:32]
