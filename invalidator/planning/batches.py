"""Items → batches: as few calls as carry them, each with its caller reference. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from json.encoder import encode_basestring_ascii
from typing import Final, NamedTuple

from invalidator.events import tickets
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import Batch, DistributionId, Item, ObjectChange, Request, UrlPath

_FIRST_HALVINGS: Final = 4
"""The most halvings of what is new on a distribution without room."""


class Chunk(NamedTuple):
    """The items of one call, sorted by path, and their digest, which does not depend on the distribution."""

    items: tuple[Item, ...]
    digest: bytes


def chunks(items: tuple[Item, ...], most: int = MAX_ITEMS_PER_CALL) -> list[Chunk]:
    """Cut items into as few chunks as one call and one queue message can carry each, of at most so many items."""
    found: list[Chunk] = []
    for start in range(0, len(items), most):
        some = items[start : start + most]
        contents = _contents(some)
        if not _surely_fit(contents):
            return [*found, *(Chunk(few, _digest(_contents(few))) for few in _cut(items[start:], most))]
        found.append(Chunk(some, _digest(contents)))
    return found


def batch_of(distribution: DistributionId, chunk: Chunk, attempts: int = 0) -> Batch:
    """Return the batch that sends a chunk to a distribution."""
    return Batch(distribution, chunk.items, _caller_reference(distribution, chunk.digest), attempts)


def make_batches(distribution: DistributionId, items: tuple[Item, ...], attempts: int = 0) -> list[Batch]:
    """Return the batches, as few as possible, that send sorted items to a distribution."""
    return [batch_of(distribution, chunk, attempts) for chunk in chunks(items)]


def with_items(batch: Batch, items: tuple[Item, ...]) -> Batch:
    """Return a batch of some of the items only, under a reference that follows from that of the whole.

    So it is the same whether the whole was planned just now or comes out of a ticket, which does not know all causes.
    """
    digest = sha256(json.dumps([batch.caller_reference, [item.path for item in items]]).encode()).digest()
    return replace(batch, items=items, caller_reference=_caller_reference(batch.distribution, digest))


def with_next_reference(batch: Batch) -> Batch:
    """Return the batch under another reference, which follows from its present one."""
    digest = sha256(batch.caller_reference.encode()).digest()
    return replace(batch, caller_reference=_caller_reference(batch.distribution, digest))


def repeat_of(batch: Batch) -> Batch:
    """Return the second clearing of a batch: the same items, under a reference that follows from the first one's.

    It is apart: there may be copies of it, and another batch with its items would be billed beside them.
    """
    reference = _caller_reference(batch.distribution, sha256(b"repeat " + batch.caller_reference.encode()).digest())
    return Batch(batch.distribution, batch.items, reference, apart=True, repeat=True)


class _Standing(NamedTuple):
    """The failures that the items of a batch share: invocations without room for it, and others."""

    crowded: int
    attempts: int


_NEW: Final = _Standing(0, 0)


def merge(distribution: DistributionId, items: tuple[Item, ...], left: list[Batch]) -> list[Batch]:
    """Return the batches that send new items together with those of batches left by earlier invocations.

    Only items with equally many failures share a batch; a path with anything new behind it counts as new. A batch that
    nothing is added to or taken from stays as it is, reference and all. What has waited longest for room comes first.
    """
    crowding, batches = _crowding(left), list[Batch]()
    for standing, some in sorted(_parts(items, left).items(), reverse=True):
        same = [batch for batch in left if batch.items == some and not any(crowding)]
        batches += same[:1] or _cut_to_fit(distribution, some, standing, crowding)
    return batches


def _parts(items: tuple[Item, ...], left: list[Batch]) -> dict[_Standing, tuple[Item, ...]]:
    """Return new items and those of batches, each path once, by standing and sorted by path."""
    parts: dict[_Standing, dict[UrlPath, Item]] = {_NEW: {item.path: item for item in items}}
    place = dict.fromkeys(parts[_NEW], _NEW)
    for batch in sorted(left, key=lambda batch: (batch.attempts, batch.crowded)):
        standing = _Standing(batch.crowded, batch.attempts)
        parts.setdefault(standing, {})
        for item in batch.items:
            part = parts[place.setdefault(item.path, standing)]
            known = part.get(item.path)
            part[item.path] = Item(item.path, known.causes + item.causes, known.wide or item.wide) if known else item
    return {standing: tuple(part[path] for path in sorted(part)) for standing, part in parts.items()}


def _crowding(left: list[Batch]) -> tuple[int, int]:
    """Return the most invocations in which there was no room for plain items, and for wildcards."""
    plain = max((batch.crowded for batch in left if batch.wildcards < len(batch.items)), default=0)
    return plain, max((batch.crowded for batch in left if batch.wildcards), default=0)


def _cut_to_fit(
    distribution: DistributionId, items: tuple[Item, ...], standing: _Standing, crowding: tuple[int, int]
) -> Iterator[Batch]:
    """Yield batches that halve with each invocation without room, wildcards apart: they have a quota of their own."""
    if not any(crowding):
        yield from make_batches(distribution, items, standing.attempts)
        return
    plain = tuple(item for item in items if not item.is_wildcard)
    wildcards = tuple(item for item in items if item.is_wildcard)
    for some, known, most in (plain, crowding[0], MAX_ITEMS_PER_CALL), (wildcards, crowding[1], MAX_WILDCARDS_PER_CALL):
        crowded = max(standing.crowded, min(known, _FIRST_HALVINGS))
        for chunk in chunks(some, max(most >> crowded, 1)):
            yield replace(batch_of(distribution, chunk, standing.attempts), crowded=crowded)


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
        crowded=max(batch.crowded for batch in twins),
        frozen=all(batch.frozen for batch in twins),
        apart=any(batch.apart for batch in twins),
    )


def _cut(items: tuple[Item, ...], most: int) -> Iterator[tuple[Item, ...]]:
    start = wildcards = size = 0
    for end, bytes_ in enumerate(tickets.sizes(items)):
        wild = 1 if items[end][0][-1] == "*" else 0
        size += bytes_
        wildcards += wild
        if end - start == most or wildcards > MAX_WILDCARDS_PER_CALL or size > tickets.MAX_BYTES:
            yield items[start:end]
            start, wildcards, size = end, wild, bytes_
    yield items[start:]


class _Contents(NamedTuple):
    """The paths of items, and the sources and relations of all their causes: there may be thousands of them."""

    paths: list[UrlPath]
    sources: list[ObjectChange | Request]
    relations: list[str]


def _contents(items: tuple[Item, ...]) -> _Contents:
    causes = [cause for item in items for cause in item.causes]
    return _Contents([item.path for item in items], [one.source for one in causes], [one.relation for one in causes])


def _surely_fit(contents: _Contents) -> bool:
    """Return whether items surely fit in one call and one message, as nearly all do: for that, no size is looked at."""
    keys = [source.key for source in contents.sources]
    no_wildcard = not [path for path in contents.paths if path[-1] == "*"]
    return no_wildcard and tickets.most_bytes(contents.paths, contents.relations, keys) <= tickets.MAX_BYTES


def _digest(contents: _Contents) -> bytes:
    """Return a digest of the paths and of the changes behind them."""
    identities = sorted(dict.fromkeys([source.identity for source in contents.sources]))
    # JSON, since it keeps apart what joining would blur: a key may hold any separator.
    return sha256(f"[{_json_of(contents.paths)}, {_json_of(identities)}]".encode()).digest()


def _json_of(texts: Iterable[str]) -> str:
    """Return what json.dumps makes of texts, but without a new encoder, which costs more than a few texts do."""
    return f"[{', '.join(map(encode_basestring_ascii, texts))}]"


def _caller_reference(distribution: DistributionId, digest: bytes) -> str:
    """Name a batch after the changes behind it, never after a clock or a random number.

    CloudFront answers a reference that it has seen on the distribution, with the same paths, with the earlier
    invalidation, and charges nothing. So an event that is delivered again is free, while the next upload of the same
    key, which has another identity, is never taken for the first.
    """
    return "invalidator-" + sha256(distribution.encode() + b"\0" + digest).hexdigest()[:32]
