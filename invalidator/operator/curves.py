"""The unchanged objects that budgets of paths evict: the curves of ``plan --curve``. Pure.

Each choice evicts fewer unchanged objects than all choices with fewer paths.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from invalidator.limits import MAX_WILDCARDS_PER_CALL
from invalidator.model import Allowance, Distribution, DistributionId, Item, ObjectChange, Site, usd_for
from invalidator.planning.coalesce import ListNeighbours, count_wildcards, demand_of, widened
from invalidator.planning.cover import Prefixes
from invalidator.planning.neighbours import ListObjects, Neighbours
from invalidator.planning.planner import stale_items, taken_changes
from invalidator.urls.viewers import View

_ALL: Final = 40
_SOME: Final = 30
"""The budgets to try for a curve: each, if there are fewer than ``_ALL``, or else ``_SOME`` of them."""


class Point(NamedTuple):
    """A choice: so many paths, so many of them wildcards, and so many unchanged objects evicted."""

    paths: int
    wildcards: int
    evicted: int

    @property
    def usd(self) -> float:
        """US dollars, for paths beyond the free ones of the month."""
        return usd_for(self.paths)


@dataclass(frozen=True, slots=True)
class Curve:
    """The choices for some distributions with the same site: from few paths to many, from many evictions to few.

    ``changed`` objects would take ``exact`` paths if nothing were widened. ``warnings`` say why evictions may be more.
    """

    distributions: tuple[DistributionId, ...]
    changed: int
    exact: int
    points: tuple[Point, ...]
    warnings: tuple[str, ...] = ()

    def at(self, budget: int) -> Point | None:
        """Return the choice with the fewest evictions for at most so many paths; None if no choice takes so few."""
        return max((point for point in self.points if point.paths <= budget), default=None)


class Trial(NamedTuple):
    """The budgets to try for a curve: ``also`` these, each with so many wildcards. ``begin`` is called before each."""

    wildcards: int = MAX_WILDCARDS_PER_CALL
    also: tuple[int, ...] = ()
    begin: Callable[[], object] = lambda: None


def curves(
    changes: Iterable[ObjectChange],
    distributions: Iterable[Distribution],
    view: View,
    list_objects: ListObjects,
    trial: Trial,
) -> Iterator[Curve]:
    """Yield the evictions that budgets of paths cost, for each group of distributions with the same stale site.

    Raises ListingError.
    """
    taken = taken_changes(list(changes), view)
    alike: dict[Site, list[DistributionId]] = {}
    for distribution in distributions:
        alike.setdefault(distribution.site, []).append(distribution.id)
    for site, ids in alike.items():
        if items := stale_items(taken, site, view).items:
            changed = len({cause.source.subject for item in items for cause in item.causes})
            neighbours = Neighbours(taken, site, view, list_objects)
            points = curve(items, trial, neighbours.urls)
            yield Curve(tuple(ids), changed, len(items), points, tuple(neighbours.warnings))


def curve(items: tuple[Item, ...], trial: Trial, neighbours: ListNeighbours) -> tuple[Point, ...]:
    """Return the evictions that budgets of paths cost, from one listing: each point evicts less than the one before.

    Of the budgets between the fewest paths and the fewest that evict the least, all are tried if they are few, or else
    some, which are closer together where they are small. Raises ListingError.
    """
    items = widened(items, {})
    urls = demand_of(items, Allowance()).urls
    if not trial.wildcards or len(urls) <= 1:
        return (Point(len(items), count_wildcards(item.path for item in items), 0),)
    prefixes = Prefixes(urls)
    prefixes.count(neighbours(prefixes.common))
    tags = len(items) - len(urls)

    def points(budgets: Iterable[int]) -> Iterator[Point]:
        for budget in budgets:
            trial.begin()
            demand = demand_of(items, Allowance(budget, trial.wildcards))
            if demand.paths > 0 and (cover := prefixes.cover(demand.paths, demand.wildcards)):
                yield Point(tags + len(cover.items), count_wildcards(cover.items), cover.evicted)

    dearest = list(points([len(items)]))
    most = max((point.paths for point in dearest), default=len(items))
    return _pareto([*dearest, *points(sorted({*_spread(tags + 1, most), *trial.also}))])


def _spread(low: int, high: int) -> Iterable[int]:
    """Return all whole numbers from ``low`` to ``high``, or some that grow by about the same factor."""
    if high - low < _ALL:
        return range(low, high + 1)
    ratio = (high / low) ** (1 / (_SOME - 1))
    return {low, high - 1, high, *(round(low * ratio**step) for step in range(1, _SOME - 1))}


def _pareto(points: list[Point]) -> tuple[Point, ...]:
    """Leave out the points that evict no less than one with fewer paths."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.paths, point.evicted)):
        if not best or point.evicted < best[-1].evicted:
            best.append(point)
    return tuple(best)
