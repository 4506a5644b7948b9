"""Items → batches: as few calls as carry them, each with its caller reference. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from typing import NamedTuple

from invalidator.events import tickets
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import Batch, DistributionId, Item, UrlPath


class Chunk(NamedTuple):
    """The items of one call, sorted by path, and their digest, which does not depend on the distribution."""

    items: tuple[Item, ...]
    digest: bytes


def chunks(items: tuple[Item, ...]) -> list[Chunk]:
    """Cut items into as few chunks as one call and one queue message can carry each."""
    return [Chunk(some, _digest(some)) for some in _cut(items)]


def batch_of(distribution: DistributionId, chunk: Chunk, attempts: int = 0) -> Batch:
    """Return the batch that sends a chunk to a distribution."""
    return Batch(distribution, chunk.items, _caller_reference(distribution, chunk.digest), attempts)


def make_batches(distribution: DistributionId, items: tuple[Item, ...], attempts: int = 0) -> list[Batch]:
    """Return the batches, as few as possible, that send sorted items to a distribution."""
    return [batch_of(distribution, chunk, attempts) for chunk in chunks(items)]


def with_items(batch: Batch, items: tuple[Item, ...]) -> Batch:
    """Return a batch of some of the items only, under a reference of its own."""
    return replace(batch, items=items, caller_reference=_caller_reference(batch.distribution, _digest(items)))


def with_next_reference(batch: Batch) -> Batch:
    """Return the batch under another reference, which follows from its present one."""
    digest = sha256(batch.caller_reference.encode()).digest()
    return replace(batch, caller_reference=_caller_reference(batch.distribution, digest))


def merge(distribution: DistributionId, items: tuple[Item, ...], left: list[Batch]) -> list[Batch]:
    """Return the batches that send new items together with those of batches left by earlier invocations.

    A single batch that nothing is added to stays as it is, reference and all.
    """
    if not items and len(left) == 1:
        return left
    merged: dict[UrlPath, Item] = {}
    for item in chain(items, *(batch.items for batch in left)):
        known = merged.get(item.path)
        merged[item.path] = Item(item.path, known.causes + item.causes, known.wide or item.wide) if known else item
    attempts = max(batch.attempts for batch in left)
    return make_batches(distribution, tuple(merged[path] for path in sorted(merged)), attempts)


def distinct(left: Iterable[Batch]) -> Iterator[Batch]:
    """Yield each batch once, sorted: the queue may deliver a ticket twice, and one call serves both messages."""
    same: dict[tuple[DistributionId, str, tuple[UrlPath, ...]], list[Batch]] = {}
    for batch in left:
        paths = tuple(item.path for item in batch.items)
        same.setdefault((batch.distribution, batch.caller_reference, paths), []).append(batch)
    for key in sorted(same):
        yield _joined(same[key])


def _joined(twins: list[Batch]) -> Batch:
    first, *others = twins
    if not others:
        return first
    items = (
        alike[0]._replace(causes=tuple(chain(*(item.causes for item in alike))))
        for alike in zip(*(batch.items for batch in twins), strict=True)
    )
    return replace(
        first,
        items=tuple(items),
        attempts=max(batch.attempts for batch in twins),
        apart=any(batch.apart for batch in twins),
    )


def _cut(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
    start = wildcards = size = 0
    for end, bytes_ in enumerate(tickets.sizes(items)):
        wild = 1 if items[end][0][-1] == "*" else 0
        size += bytes_
        wildcards += wild
        if end - start == MAX_ITEMS_PER_CALL or wildcards > MAX_WILDCARDS_PER_CALL or size > tickets.MAX_BYTES:
            yield items[start:end]
            start, wildcards, size = end, wild, bytes_
    if items:
        yield items[start:]


def _digest(items: tuple[Item, ...]) -> bytes:
    """Return a digest of the paths and of the changes behind them."""
    causes = chain.from_iterable(item.causes for item in items)
    identities = sorted({source.identity for source, _ in causes})
    # JSON, since it keeps apart what joining would blur: a key may hold any separator.
    return sha256(json.dumps([[item.path for item in items], identities]).encode()).digest()


def _caller_reference(distribution: DistributionId, digest: bytes) -> str:
    """Name a batch after the changes behind it, never after a clock or a random number.

    CloudFront answers a reference that it has seen on the distribution, with the same paths, with the earlier
    invalidation, and charges nothing. So an event that is delivered again is free, while the next upload of the same
    key, which has another identity, is never taken for the first.
    """
    return "invalidator-" + sha256(distribution.encode() + b"\0" + digest).hexdigest()[:32]
