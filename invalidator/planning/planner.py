"""Changes × distributions → a plan. Pure: the same input makes the same plan, in whatever order it comes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, NoReturn

from invalidator.errors import ListingError
from invalidator.model import (
    Allowance,
    Batch,
    Cause,
    Distribution,
    DistributionId,
    HeldChanges,
    Item,
    Note,
    ObjectChange,
    Plan,
    Site,
    Uncollected,
    UrlPath,
    with_fields,
)
from invalidator.planning.batches import Chunk, batch_of, chunks, distinct, merge
from invalidator.planning.coalesce import coalesce
from invalidator.planning.neighbours import ListObjects, Neighbours
from invalidator.urls.viewers import StalePath, View, Viewers

_DEFAULT_ALLOWANCE: Final = Allowance()


def _unlisted(_bucket: str, _prefix: str) -> NoReturn:
    raise ListingError("what else is in the bucket is not known")


class _Case(NamedTuple):
    """A site and the changes that concern it: for all distributions alike, but for the caller references."""

    site: Site
    takes_new: bool
    held: tuple[HeldChanges, ...]


def make_plan(
    changes: Iterable[ObjectChange],
    distributions: Iterable[Distribution],
    view: View,
    left: Iterable[Batch] = (),
    allowance: Allowance = _DEFAULT_ALLOWANCE,
    list_objects: ListObjects = _unlisted,
) -> Plan:
    """Plan one batch for each distribution, as many as its items take, or none if it serves no changed object.

    Wildcards take the place of paths on a distribution that would get more than its allowance, or where they clear the
    same at a lower cost; ``list_objects`` tells what else they would evict.

    ``left`` are batches that earlier invocations could not complete. Those that are fixed stay as they are; the
    others are merged with the changes, so that they take no calls of their own.
    """
    cases, changes, left = [(each.id, _cases(each)) for each in distributions], list(changes), list(distinct(left))
    taken = taken_changes(changes, view)
    # Each case is worked on once. It is looked for once, too: a site may be large.
    numbers: dict[_Case, int] = {}
    numbered = [(id_, [numbers.setdefault(case, len(numbers)) for case in some]) for id_, some in cases]
    work: list[_Work] = []
    for case in numbers:
        concerning = _concerning(case, taken, view)
        stale = stale_items(concerning, case.site, view)
        neighbours = Neighbours(concerning, case.site, view, list_objects)
        items, warning = coalesce(stale.items, allowance, neighbours.urls, len(numbers))
        work.append(_Work(stale, items, chunks(items), [*neighbours.warnings, warning], case.takes_new))
    planned = [(id_, [work[number] for number in some]) for id_, some in numbered]
    return Plan(
        tuple(_batches(planned, left)),
        tuple(_notes(planned)),
        len(changes) - len(taken),
        _unserved(len(taken), work),
        _warnings(work),
        sum(len(one.stale.items) for _, some in planned for one in some) + sum(len(batch.items) for batch in left),
    )


def _warnings(work: "Iterable[_Work]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(warning for one in work for warning in one.warnings if warning))


def _unserved(changes: int, work: "Iterable[_Work]") -> int:
    """Return the number of new changes that make nothing stale anywhere."""
    return len(set(range(changes)).intersection(*[one.stale.unserved for one in work if one.takes_new]))


def _cases(distribution: Distribution) -> list[_Case]:
    """Return the case of everything that is sent together, and those of what is sent apart."""
    if not distribution.held:
        return [_Case(distribution.site, distribution.takes_new, ())]
    together = tuple(held for held in distribution.held if not held.apart)
    apart = [_Case(distribution.site, takes_new=False, held=(held,)) for held in distribution.held if held.apart]
    return [_Case(distribution.site, distribution.takes_new, together), *apart]


def _concerning(case: _Case, taken: list[ObjectChange], view: View) -> list[ObjectChange]:
    if not case.held:
        return taken if case.takes_new else []
    earlier = taken_changes([change for held in case.held for change in held.changes], view)
    return [*taken, *earlier] if case.takes_new else earlier


def taken_changes(changes: list[ObjectChange], view: View) -> list[ObjectChange]:
    """Return the changes that the settings do not exclude."""
    return [change for change in changes if view.takes(change.key)] if view.include or view.exclude else changes


class StaleItems(NamedTuple):
    """The stale items of a site, and for each note the number of changes that it is about.

    ``unserved`` are the indices of the changes that make nothing stale.
    """

    items: tuple[Item, ...]
    notes: list[tuple[str, int]]
    unserved: set[int]


def stale_items(changes: Sequence[ObjectChange], site: Site, view: View) -> StaleItems:
    """Return what changes make stale on a site."""
    if not site.behaviors:  # nothing is known of it
        return StaleItems((), [], set())
    viewers = Viewers(site, view)
    paths: list[StalePath] = []
    notes: list[str] = []
    unserved: set[int] = set()
    with Uncollected():
        for number, change in enumerate(changes):
            before = len(paths)
            if reasons := viewers.collect(change, paths):
                notes += set(reasons)
                if len(paths) == before:
                    unserved.add(number)
        return StaleItems(_items(paths), sorted(Counter(notes).items()) if notes else [], unserved)


def _items(stale: list[StalePath]) -> tuple[Item, ...]:
    single = dict(stale)
    if len(single) == len(stale):  # no path comes twice, nearly always
        return tuple([with_fields(Item, (path, (single[path],), None)) for path in sorted(single)])
    causes: dict[UrlPath, list[Cause]] = {}
    for path, cause in stale:
        causes.setdefault(path, []).append(cause)
    return tuple([with_fields(Item, (path, tuple(causes[path]), None)) for path in sorted(causes)])


class _Work(NamedTuple):
    """The stale items of a case, and those to send for it, whole and in chunks."""

    stale: StaleItems
    items: tuple[Item, ...]
    chunks: list[Chunk]
    warnings: list[str]
    takes_new: bool


_Planned = tuple[DistributionId, list[_Work]]
"""A distribution, with the work for everything that is sent together first, and then that for what is sent apart."""


def _batches(planned: list[_Planned], left: Iterable[Batch]) -> Iterator[Batch]:
    waiting: dict[DistributionId, list[Batch]] = {}
    for batch in left:
        waiting.setdefault(batch.distribution, []).append(batch)
    # The oldest work comes first: with more work than an invocation has time for, the last would wait for ever.
    in_order = sorted(planned, key=lambda one: _since(waiting.get(one[0], []))) if waiting else planned
    for id_, work in in_order:
        mine = waiting.get(id_)
        yield from _batches_beside(mine, id_, work) if mine else _new_batches(id_, work)


def _new_batches(id_: DistributionId, work: list[_Work]) -> list[Batch]:
    return [batch_of(id_, chunk) for one in work for chunk in one.chunks]


def _batches_beside(left: list[Batch], id_: DistributionId, work: list[_Work]) -> list[Batch]:
    together, *apart = work
    others = _open_batches(id_, together, [batch for batch in left if not batch.is_fixed])
    return _in_turn([batch for batch in left if batch.is_fixed], [*others, *_new_batches(id_, apart)])


def _open_batches(id_: DistributionId, new: _Work, left: list[Batch]) -> list[Batch]:
    """Return the batches of what is new and of what is left. Second clearings are merged with each other only."""
    if not left:
        return _new_batches(id_, [new])
    firsts = merge(id_, new.items, [batch for batch in left if not batch.repeat])
    repeats = merge(id_, (), [batch for batch in left if batch.repeat])
    return [*firsts, *(replace(batch, repeat=True) for batch in repeats)]


def _in_turn(fixed: list[Batch], others: list[Batch]) -> list[Batch]:
    """Return the batches of a distribution in the order in which they are sent.

    What is fixed takes a call each: new changes must not wait for all of it, however much it is. But if the oldest came
    after them, it might never find room.
    """
    if not fixed:
        return others
    fixed = sorted(fixed, key=lambda batch: batch.since)
    first = 1 if fixed[0].since <= _since(others) else 0
    return [*fixed[:first], *others, *fixed[first:]]


def _since(left: list[Batch]) -> str:
    """Return the time since which something is left; after all times if nothing is."""
    return min((batch.since for batch in left), default="~")


def _notes(planned: list[_Planned]) -> Iterator[Note]:
    return (Note(id_, text, number) for id_, (together, *_) in planned for text, number in together.stale.notes)
