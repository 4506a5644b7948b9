"""Changes × distributions → a plan. Pure: the same input makes the same plan, in whatever order it comes."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote

from invalidator.errors import ListingError
from invalidator.events import tickets
from invalidator.limits import FREE_PATHS, MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import (
    Allowance,
    Batch,
    Cause,
    Curve,
    Distribution,
    DistributionId,
    Item,
    Note,
    ObjectChange,
    ObjectKey,
    Origin,
    Plan,
    Site,
    UrlPath,
)
from invalidator.planning.coalesce import Trial, coalesce, curve
from invalidator.urls.encoding import encode_once
from invalidator.urls.viewers import StalePath, View, Viewers

Objects = Callable[[str, str], Iterable[ObjectKey]]
"""The keys in a bucket that begin so. Raises ListingError."""

_DEFAULT: Final = Allowance()


def unlisted(_bucket: str, _prefix: str) -> NoReturn:
    """For want of a listing."""
    raise ListingError("what else is in the bucket is not known")


def make_plan(
    changes: Iterable[ObjectChange],
    distributions: Iterable[Distribution],
    view: View,
    left: Iterable[Batch] = (),
    allowance: Allowance = _DEFAULT,
    objects: Objects = unlisted,
) -> Plan:
    """One batch a distribution, or as many as its items take; none if nothing changed that it serves.

    Where a distribution would get more items than it is allowed, or where the same is cleared with fewer at a lower
    cost, wildcards take their place, for which ``objects`` lists what else is in the buckets.

    ``left`` are the batches that earlier invocations could not bring to an end. Those that are apart stay as
    they are; the others become one with the changes, so that they take no calls of their own.
    """
    distributions, changes = list(distributions), list(changes)
    taken = _taken(changes, view)
    # Many distributions are alike: for those, everything is the same but the caller reference.
    sites = Counter(item.site for item in distributions)
    found = {site: _found(taken, site, view) for site in sites}
    saves = sum(number * len(found[site].items) for site, number in sites.items()) > FREE_PATHS
    work: dict[Site, _Work] = {}
    for site, here in found.items():
        neighbours = _Neighbours(taken, site, view, objects)
        items, warning = coalesce(here.items, allowance, neighbours.objects, saves=saves, sites=len(sites))
        work[site] = _work(items, neighbours.warnings + [warning] * bool(warning))
    waiting: dict[DistributionId, list[Batch]] = {}
    for batch in _distinct(left):
        waiting.setdefault(batch.distribution, []).append(batch)
    made: list[Batch] = []
    # Those come first whose work is the oldest: with more of them than there is time for, the last would wait for ever.
    for distribution in sorted(distributions, key=lambda distribution: _oldest(waiting.get(distribution.id, []))):
        id_, mine, new = distribution.id, waiting.get(distribution.id, []), work[distribution.site]
        open_ = [batch for batch in mine if not batch.apart]
        if open_:
            made += _merged(id_, new.items, open_)
        else:
            made += [Batch(id_, chunk, _caller_reference(id_, digest)) for chunk, digest in new.chunks]
        # Last: each takes a call of its own, and however many there are, what has just changed must not wait for them.
        made += [batch for batch in mine if batch.apart]
    # Of what is here for its tickets alone there is nothing to say.
    told = [item for item in distributions if item.site.behaviors]
    notes = (Note(item.id, text, count) for item in told for text, count in found[item.site].notes)
    unserved = set[int](range(len(taken))).intersection(*(new.unserved for new in found.values()))
    warnings = dict.fromkeys(warning for new in work.values() for warning in new.warnings)
    return Plan(tuple(made), tuple(notes), len(changes) - len(taken), len(unserved), tuple(warnings))


def curves(
    changes: Iterable[ObjectChange],
    distributions: Iterable[Distribution],
    view: View,
    objects: Objects,
    trial: Trial,
) -> Iterator[Curve]:
    """What budgets of paths cost, for each group of distributions with the same site for which there is a choice.

    Raises ListingError.
    """
    taken = _taken(list(changes), view)
    alike: dict[Site, list[DistributionId]] = {}
    for distribution in distributions:
        alike.setdefault(distribution.site, []).append(distribution.id)
    for site, ids in alike.items():
        if items := _found(taken, site, view).items:
            changed = len({cause.source.subject for item in items for cause in item.causes})
            neighbours = _Neighbours(taken, site, view, objects)
            points = curve(items, trial, neighbours.objects)
            yield Curve(tuple(ids), changed, len(items), points, tuple(neighbours.warnings))


def _taken(changes: list[ObjectChange], view: View) -> list[ObjectChange]:
    return [change for change in changes if view.takes(change.key)] if view.include or view.exclude else changes


class _Found(NamedTuple):
    """What is stale on a site, and what there is to say about what is not; ``unserved`` are indices of changes."""

    items: tuple[Item, ...]
    notes: list[tuple[str, int]]
    unserved: set[int]


def _found(changes: Sequence[ObjectChange], site: Site, view: View) -> _Found:
    viewers, notes, unserved = Viewers(site, view), Counter[str](), set[int]()
    stale: list[StalePath] = []
    for number, change in enumerate(changes):
        if told := viewers.collect(change, stale):
            notes.update(set(told))
            if not stale or stale[-1][1].source is not change:
                unserved.add(number)
    return _Found(_items(stale), sorted(notes.items()), unserved)


class _Work(NamedTuple):
    """What there is to send to distributions with the same site: the items, and these in chunks with their digests."""

    items: tuple[Item, ...]
    chunks: list[tuple[tuple[Item, ...], bytes]]
    warnings: list[str]


def _work(items: tuple[Item, ...], warnings: list[str]) -> _Work:
    return _Work(items, [(chunk, _digest(chunk)) for chunk in _chunks(items)], warnings)


class _Neighbours:
    """What is served beside the changed objects.

    What comes from elsewhere, or from a bucket without changes that cannot be listed, is not known: each path pattern
    that leads there counts as one object. ``warnings`` say so of buckets.
    """

    def __init__(self, changes: Sequence[ObjectChange], site: Site, view: View, objects: Objects) -> None:
        self._changes, self._site, self._view, self._objects = changes, site, view, objects
        self.warnings: list[str] = []

    def objects(self, prefix: str) -> Iterator[tuple[UrlPath, ...]]:
        """Those with a URL that begins so, each by all its URLs, and perhaps others. Raises ListingError."""
        changed: dict[str, set[ObjectKey]] = {}
        for change in self._changes:
            changed.setdefault(change.bucket, set()).add(change.key)
        sources = [
            (bucket, origin)
            for bucket in sorted(self._site.buckets(changed.keys()))
            for origin in self._site.origins(bucket)
            if bucket in changed or self._view.rules or _meet(self._patterns(bucket), prefix)
        ]
        # Several buckets may have the same object, and rules give the same for many. Their numbers take less room.
        known = set[int]() if len(sources) > 1 or self._view.rules else None
        for bucket, origin in sources:
            try:
                for urls in self._of(bucket, origin, changed.get(bucket, set()), prefix):
                    yield urls if known is None else _first(urls, known)
            except ListingError as error:
                if bucket in changed:
                    raise
                self.warnings.append(f"{error}; each path pattern that leads there counts as one object")
                yield from ((path,) for path in self._patterns(bucket))
        yield from ((path,) for path in self._patterns())

    def _of(self, bucket: str, origin: Origin, changed: set[ObjectKey], prefix: str) -> Iterator[tuple[UrlPath, ...]]:
        viewers = Viewers(self._site, self._view)
        for key in self._objects(bucket, self._beginning(origin, prefix)):
            if key not in changed and (urls := viewers.urls(key, origin)):
                yield urls

    def _beginning(self, origin: Origin, prefix: str) -> str:
        """How the keys begin of all that may have URLs that begin so. Of what a rule gives, that is not known."""
        if any(rule.whole_key for rule in self._view.rules):
            return ""
        return _key(origin, "/" if self._view.rules else prefix)

    def _patterns(self, bucket: str | None = None) -> Iterator[UrlPath]:
        """How the URLs begin, as viewers spell them, that lead to a bucket, or to none."""
        for behavior in self._site.behaviors:
            if bucket in {origin.bucket for origin in behavior.origins} or not (bucket or behavior.origins):
                yield UrlPath("/" + encode_once(re.split("[*?]", behavior.pattern.removeprefix("/"))[0]))


def _first(urls: tuple[UrlPath, ...], known: set[int]) -> tuple[UrlPath, ...]:
    """Those that are not known yet."""
    new = tuple(url for url in urls if hash(url) not in known)
    known.update(map(hash, new))
    return new


def _meet(beginnings: Iterable[str], prefix: str) -> bool:
    """Whether a URL may begin with one of these and with that."""
    return any(prefix.startswith(one) or one.startswith(prefix) for one in beginnings)


def _key(origin: Origin, prefix: str) -> str:
    """How the keys begin of what has URLs that begin so."""
    # What may be spelt in other ways, or is no text, is not looked for.
    key = unquote(re.split(r"\+|%20|%2B", prefix)[0], errors="surrogateescape")
    text = re.split("[\udc80-\udcff]", key)[0]
    return f"{origin.path}{text}"[1:]


def _oldest(left: list[Batch]) -> str:
    """Since when something is left; after all times if nothing is."""
    return min((batch.since for batch in left), default="~")


def batches(distribution: DistributionId, items: tuple[Item, ...], attempts: int = 0) -> list[Batch]:
    """As few as these items take, in their order."""
    return [
        Batch(distribution, chunk, _caller_reference(distribution, _digest(chunk)), attempts)
        for chunk in _chunks(items)
    ]


def part(batch: Batch, items: tuple[Item, ...]) -> Batch:
    """Some items of a batch as one of their own, with a reference of their own."""
    return replace(batch, items=items, caller_reference=_caller_reference(batch.distribution, _digest(items)))


def renamed(batch: Batch) -> Batch:
    """The same items under another reference: the same one each time."""
    digest = sha256(batch.caller_reference.encode()).digest()
    return replace(batch, caller_reference=_caller_reference(batch.distribution, digest))


def _merged(distribution: DistributionId, new: tuple[Item, ...], left: list[Batch]) -> list[Batch]:
    if not new and len(left) == 1:
        return left
    together: dict[UrlPath, Item] = {}
    for item in chain(new, *(batch.items for batch in left)):
        known = together.get(item.path)
        together[item.path] = Item(item.path, known.causes + item.causes, known.wide or item.wide) if known else item
    items = tuple(together[path] for path in sorted(together))
    return batches(distribution, items, max(batch.attempts for batch in left))


def _distinct(left: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch once: the queue may deliver a ticket twice, and both messages are served by one call."""
    same: dict[tuple[DistributionId, str, tuple[UrlPath, ...]], list[Batch]] = {}
    for batch in left:
        paths = tuple(item.path for item in batch.items)
        same.setdefault((batch.distribution, batch.caller_reference, paths), []).append(batch)
    for key in sorted(same):
        first, *others = same[key]
        if others:
            items = (
                many[0]._replace(causes=tuple(chain(*(item.causes for item in many))))
                for many in zip(*(batch.items for batch in same[key]), strict=True)
            )
            attempts, apart = max(batch.attempts for batch in same[key]), any(batch.apart for batch in same[key])
            first = replace(first, items=tuple(items), attempts=attempts, apart=apart)
        yield first


def _items(stale: Iterable[tuple[UrlPath, Cause]]) -> tuple[Item, ...]:
    causes: dict[UrlPath, list[Cause]] = {}
    for path, cause in stale:
        causes.setdefault(path, []).append(cause)
    return tuple(Item(path, tuple(causes[path])) for path in sorted(causes))


def _chunks(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
    """As few chunks as one call and one message can carry each."""
    start = wildcards = size = 0
    for end, bytes_ in enumerate(tickets.sizes(items)):
        wild = items[end][0][-1] == "*"
        size += bytes_
        wildcards += wild
        if end - start == MAX_ITEMS_PER_CALL or wildcards > MAX_WILDCARDS_PER_CALL or size > tickets.MAX_BYTES:
            yield items[start:end]
            start, wildcards, size = end, wild, bytes_
    if items:
        yield items[start:]


def _digest(items: tuple[Item, ...]) -> bytes:
    """What these items are and which changes are behind them."""
    causes = chain.from_iterable(item.causes for item in items)
    identities = sorted({source.identity for source, _ in causes})
    # JSON, since it keeps apart what joining would blur: a key may hold any separator.
    return sha256(json.dumps([[item.path for item in items], identities]).encode()).digest()


def _caller_reference(distribution: DistributionId, digest: bytes) -> str:
    """A name for this batch that comes from the changes, never from a clock or a random number.

    CloudFront answers a reference that it has seen on the distribution, with the same paths, with the
    earlier invalidation and bills nothing. So a redelivered event is free, while the next upload of the
    same key, having another identity, is never taken for the first.
    """
    return "invalidator-" + sha256(distribution.encode() + b"\0" + digest).hexdigest()[:32]
