"""Items + their neighbours + what is allowed → fewer items, each wide one with its price. Pure.

Nothing is widened as long as all fits; where it does not, as few unchanged objects are evicted as possible, which is
what cover.py finds out. That needs the neighbours. Where these cannot be known, directories are widened.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from invalidator.errors import ListingError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import Allowance, Item, Point, UrlPath, Wide

if TYPE_CHECKING:
    from invalidator.planning.cover import Cover, Prefixes

Neighbours = Callable[[str], Iterable[tuple[UrlPath, ...]]]
"""All objects of a site that have a URL that begins so, each by all its URLs, in any order. Raises ListingError."""

_MAX_LEVEL: Final = 50
"""Of directories; deeper ones are taken for a part of these, so that no key can make it a long search."""

_ALL: Final = 40
_SOME: Final = 30
"""Budgets to try: each of up to so many, or so many of more."""

_MAX_OBJECTS: Final = 50_000
"""To list only because it may save paths: 50 pages, some seconds."""

TAGS_ALONE: Final = "the cache tags alone are more than MAX_PATHS"


class Coalesced(NamedTuple):
    """Items, and what there is to say about how they were found; empty if nothing."""

    items: tuple[Item, ...]
    warning: str = ""


def coalesce(
    items: tuple[Item, ...], allowance: Allowance, neighbours: Neighbours, *, saves: bool, sites: int = 1
) -> Coalesced:
    """As many items as are allowed, which clear at least the same; the very same items if all is well with these.

    ``saves`` is whether fewer would cost less, ``sites`` how many there are to be done in the same time. Items are
    sorted by path, before and after.
    """
    lossless = saves if allowance.lossless is None else allowance.lossless
    if not allowance.wildcards or not (lossless or _need(items, allowance).is_over):
        return Coalesced(items)
    items = _widened(items, {})
    need = _need(items, allowance)
    if not (lossless or need.is_over):
        return Coalesced(items)
    # Where one is left, perhaps the wildcard of a rule, there is nothing to list for: fewer it cannot be.
    if need.paths < 1 or len(need.urls) <= 1:
        return Coalesced(items, TAGS_ALONE if need.is_over else "")
    prefixes = _prefixes(need.urls)
    try:
        objects = neighbours(prefixes.common)
        # What may save some money is not worth any time.
        prefixes.count(objects if need.is_over or allowance.lossless else _few(objects))
    except ListingError as error:
        if not need.is_over:
            return Coalesced(items, f"{error}; wildcards that would evict nothing were not looked for")
        return Coalesced(_widened(items, dict.fromkeys(_directories(need))), f"{error}; whole directories are cleared")
    cover = prefixes.cover(need.paths, need.wildcards, sites)
    return Coalesced(_widened(items, cover.wide), _doubt(cover)) if cover else Coalesced(items)


def _few(objects: Iterable[tuple[UrlPath, ...]]) -> Iterator[tuple[UrlPath, ...]]:
    for number, urls in enumerate(objects):
        if number == _MAX_OBJECTS:
            raise ListingError(f"there are more than {_MAX_OBJECTS:,} objects beside what changed")
        yield urls


def _prefixes(urls: Iterable[str]) -> "Prefixes":
    # Imported here: most events take few paths, and need none of it.
    from invalidator.planning.cover import Prefixes

    return Prefixes(urls)


def _doubt(cover: "Cover") -> str:
    if cover.evicted == cover.bound:
        return ""
    return (
        f"wildcards evict {cover.evicted:,} unchanged objects, where {cover.bound:,} or more have to be: that it could"
        " not be fewer was not proven"
    )


class Trial(NamedTuple):
    """What to try for a curve: with so many wildcards, ``also`` these budgets. ``begin`` is called before each."""

    wildcards: int = MAX_WILDCARDS_PER_CALL
    also: tuple[int, ...] = ()
    begin: Callable[[], object] = lambda: None


def curve(items: tuple[Item, ...], trial: Trial, neighbours: Neighbours) -> tuple[Point, ...]:
    """What different budgets of paths cost, by one tree and one listing: each point evicts less than the one before.

    Between the fewest paths and the fewest that evict the least, all budgets are tried if they are few, otherwise
    some, close together where they are small. Raises ListingError.
    """
    items = _widened(items, {})
    urls = _need(items, Allowance()).urls
    if not trial.wildcards or len(urls) <= 1:
        return (Point(len(items), sum(item.is_wildcard for item in items), 0),)
    prefixes = _prefixes(urls)
    prefixes.count(neighbours(prefixes.common))
    tags = len(items) - len(urls)

    def points(budgets: Iterable[int]) -> Iterator[Point]:
        for budget in budgets:
            trial.begin()
            need = _need(items, Allowance(budget, trial.wildcards))
            if need.paths > 0 and (cover := prefixes.cover(need.paths, need.wildcards)):
                wild = sum(url[-1] == "*" for url in cover.items)
                yield Point(tags + len(cover.items), wild, cover.evicted)

    dearest = list(points([len(items)]))
    most = max((point.paths for point in dearest), default=len(items))
    return _pareto([*dearest, *points(sorted({*_spread(tags + 1, most), *trial.also}))])


def _spread(low: int, high: int) -> Iterable[int]:
    """Whole numbers between these two, both of them included, in about the same proportion to one another."""
    if high - low < _ALL:
        return range(low, high + 1)
    ratio = (high / low) ** (1 / (_SOME - 1))
    return {low, high - 1, high, *(round(low * ratio**step) for step in range(1, _SOME - 1))}


def _pareto(points: list[Point]) -> tuple[Point, ...]:
    """Without those that evict no less than one with fewer paths."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.paths, point.evicted)):
        if not kept or point.evicted < kept[-1].evicted:
            kept.append(point)
    return tuple(kept)


class _Need(NamedTuple):
    """The URLs to clear, and of how many items, so many of them wildcards, that may be made."""

    urls: list[UrlPath]
    paths: int
    wildcards: int

    @property
    def is_over(self) -> bool:
        return len(self.urls) > self.paths or sum(url[-1] == "*" for url in self.urls) > self.wildcards


def _need(items: tuple[Item, ...], allowance: Allowance) -> _Need:
    urls = [item.path for item in items if item.path[0] != "#"]
    paths, wildcards = allowance.paths - (len(items) - len(urls)), allowance.wildcards
    if allowance.paths > MAX_ITEMS_PER_CALL:  # whoever allows that wants the rest to wait, not to be widened
        wildcards = max(wildcards, sum(url[-1] == "*" for url in urls))
    return _Need(urls, paths, wildcards)


def _widened(items: tuple[Item, ...], wide: Mapping[str, int | None]) -> tuple[Item, ...]:
    """With these wildcards, each with what it evicts, and without what any wildcard clears: its causes go to that."""
    prefixes: list[str] = []
    for prefix in sorted([*(path[:-1] for path in wide), *(item.path[:-1] for item in items if item.is_wildcard)]):
        if not (prefixes and prefix.startswith(prefixes[-1])):
            prefixes.append(prefix)
    if not prefixes:
        return items
    groups: dict[str, list[Item]] = {}
    for item in items:
        text = item.path.removesuffix("*")
        outer = prefixes[bisect_right(prefixes, text) - 1]
        groups.setdefault(f"{outer}*" if text.startswith(outer) else item.path, []).append(item)
    return tuple(_item(path, groups[path], wide) for path in sorted(groups))


def _item(path: str, group: list[Item], wide: Mapping[str, int | None]) -> Item:
    if group[0].path == path and len(group) == 1:
        return group[0]
    causes = tuple(chain.from_iterable(item.causes for item in group))
    changed = len({source.subject for source, _ in causes})
    return Item(UrlPath(path), causes, Wide(changed, wide[path]) if path in wide else None)


def _directories(need: _Need) -> list[str]:
    """Wildcards for directories: those with the most changes, of the deepest level at which they are enough."""
    level = min(max(url.count("/") for url in need.urls) - 1, _MAX_LEVEL)
    while (found := _of_level(level, need)) is None:
        level -= 1
    return found


def _of_level(level: int, need: _Need) -> list[str] | None:
    changed, own = Counter[str](), Counter[str]()
    for url in need.urls:
        parts = url.split("/", level + 1)
        if len(parts) == level + 2:
            directory = "/".join(parts[:-1]) + "/*"
            changed[directory] += 1
            own[directory] += url[-1] == "*"
    found: list[str] = []
    # What is left; below 0, what is missing.
    paths = need.paths - len(need.urls)
    wildcards = need.wildcards - sum(url[-1] == "*" for url in need.urls)
    for directory in sorted(changed, key=lambda directory: (-changed[directory], directory)):
        if paths >= 0 and wildcards >= 0:
            break
        found.append(directory)
        paths += changed[directory] - 1
        wildcards += own[directory] - 1
    return found if paths >= 0 and wildcards >= 0 else None
