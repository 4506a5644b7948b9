"""Items + neighbours + an allowance → fewer items, each widened one with its price. Pure.

Nothing is widened while all items fit. If they do not, ``cover`` finds the wildcards that evict the fewest unchanged
objects, for which it needs the neighbours. Where these cannot be listed, wildcards of whole directories are taken.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from invalidator.errors import ListingError
from invalidator.limits import MAX_ITEMS_PER_CALL
from invalidator.model import Allowance, Item, UrlPath, Wide

if TYPE_CHECKING:
    from invalidator.planning.cover import Cover, Prefixes

ListNeighbours = Callable[[str], Iterable[tuple[UrlPath, ...]]]
"""A function from a prefix to all URLs of each neighbour with a URL that begins with it. It raises ListingError."""

_MAX_LEVEL: Final = 50
"""The deepest level of directories that is told apart, so that no key can make the search long."""

_MAX_NEIGHBOURS: Final = 50_000
"""The most objects to list only because that may save paths: 50 pages, which take some 5 to 10 seconds."""

_NEIGHBOURS_PER_URL: Final = 1_000
"""As many again for each URL: a page costs a thousandth of a path, but each makes viewers wait for the rest."""

_FEWEST_URLS: Final = 3
"""For fewer URLs nothing is listed: the two of an index document go at once."""

TAGS_ALONE: Final = "the cache tags alone are more than MAX_PATHS"


class Coalesced(NamedTuple):
    """The items to send, and a warning if they may evict more than they have to, or are too many."""

    items: tuple[Item, ...]
    warning: str = ""


def coalesce(items: tuple[Item, ...], allowance: Allowance, neighbours: ListNeighbours, sites: int = 1) -> Coalesced:
    """Return items within the allowance that clear at least the same; the very same items if they need no change.

    What is under a wildcard is never sent beside it.

    The time for a search is shared between ``sites``. Items are sorted by path, before and after.
    """
    items = widened(items, {})
    if not _may_widen(items, allowance):
        return Coalesced(items)
    demand = demand_of(items, allowance)
    # A single URL, perhaps the wildcard of a rule, cannot become fewer, whatever there is beside it.
    if demand.paths < 1 or len(demand.urls) <= 1:
        return Coalesced(items, TAGS_ALONE if demand.is_over else "")
    if demand.is_over:
        return _covered(items, demand, neighbours, None, sites)
    # A listing that may only save money must not take long.
    most = min(_MAX_NEIGHBOURS, _NEIGHBOURS_PER_URL * len(demand.urls))
    saving = max(min(allowance.saving, demand.wildcards), count_wildcards(demand.urls))
    return _covered(items, demand._replace(wildcards=saving), neighbours, most, sites)


def _may_widen(items: tuple[Item, ...], allowance: Allowance) -> bool:
    may_save = allowance.saving > 0 and len(items) >= _FEWEST_URLS
    return allowance.wildcards > 0 and (may_save or demand_of(items, allowance).is_over)


def _covered(
    items: tuple[Item, ...], demand: "Demand", neighbours: ListNeighbours, most: int | None, sites: int
) -> Coalesced:
    prefixes = _prefixes(demand.urls)
    try:
        objects = neighbours(prefixes.common)
        prefixes.count(objects if most is None else _up_to(most, objects))
    except ListingError as error:
        if not demand.is_over:
            return Coalesced(items, f"{error}; wildcards that would evict nothing were not looked for")
        directories = dict.fromkeys(_directories(demand))
        return Coalesced(widened(items, directories), f"{error}; whole directories are cleared")
    cover = prefixes.cover(demand.paths, demand.wildcards, sites)
    return Coalesced(widened(items, cover.wide), _doubt(cover)) if cover else Coalesced(items)


def _up_to(most: int, objects: Iterable[tuple[UrlPath, ...]]) -> Iterator[tuple[UrlPath, ...]]:
    for number, urls in enumerate(objects):
        if number == most:
            raise ListingError(f"there are more than {most:,} objects beside the changed ones")
        yield urls


def _prefixes(urls: Iterable[str]) -> "Prefixes":
    # Imported here: most events have few paths and do not need it.
    from invalidator.planning.cover import Prefixes

    return Prefixes(urls)


def _doubt(cover: "Cover") -> str:
    if cover.evicted == cover.bound:
        return ""
    return (
        f"wildcards evict {cover.evicted:,} unchanged objects, where {cover.bound:,} or more have to be evicted: the"
        " search ended before it could prove that no fewer would do"
    )


class Demand(NamedTuple):
    """The URLs to clear, and the numbers of items and of wildcards among them that are allowed for it."""

    urls: list[UrlPath]
    paths: int
    wildcards: int

    @property
    def is_over(self) -> bool:
        """True if they are more than is allowed."""
        return len(self.urls) > self.paths or count_wildcards(self.urls) > self.wildcards


def demand_of(items: tuple[Item, ...], allowance: Allowance) -> Demand:
    """Return the URLs among items, and what an allowance leaves for them beside the cache tags."""
    urls = [item.path for item in items if item.path[0] != "#"]
    paths, wildcards = allowance.paths - (len(items) - len(urls)), allowance.wildcards
    if allowance.paths > MAX_ITEMS_PER_CALL:  # such an allowance asks for items to wait rather than to be widened
        wildcards = max(wildcards, count_wildcards(urls))
    return Demand(urls, paths, wildcards)


def count_wildcards(paths: Iterable[str]) -> int:
    """Return how many of the paths are wildcards."""
    return len([path for path in paths if path[-1] == "*"])


# --- widening -------------------------------------------------------------------------------------------


def widened(items: tuple[Item, ...], wide: Mapping[str, int | None]) -> tuple[Item, ...]:
    """Add wildcards, each with its evictions. An item under any wildcard is dropped, and its causes go to that."""
    prefixes = _outermost([*wide, *[item.path for item in items if item.path[-1] == "*"]])
    if not prefixes:
        return items
    groups: dict[str, list[Item]] = {}
    for item in items:
        text = item.path.removesuffix("*")
        outer = prefixes[bisect_right(prefixes, text) - 1]
        groups.setdefault(f"{outer}*" if text.startswith(outer) else item.path, []).append(item)
    return tuple(_merged(path, groups[path], wide) for path in sorted(groups))


def _outermost(wildcards: Iterable[str]) -> list[str]:
    """Return the prefixes of the wildcards that are under no other, sorted."""
    prefixes: list[str] = []
    for prefix in sorted(wildcard[:-1] for wildcard in wildcards):
        if not (prefixes and prefix.startswith(prefixes[-1])):
            prefixes.append(prefix)
    return prefixes


def _merged(path: str, group: list[Item], wide: Mapping[str, int | None]) -> Item:
    if group[0].path == path and len(group) == 1:
        return group[0]
    causes = tuple(chain.from_iterable(item.causes for item in group))
    changed = len({source.subject for source, _ in causes})
    return Item(UrlPath(path), causes, Wide(changed, wide[path]) if path in wide else None)


def _directories(demand: Demand) -> list[str]:
    """Return wildcards of the directories with the most changes, of the deepest level at which they are enough."""
    level = min(max(url.count("/") for url in demand.urls) - 1, _MAX_LEVEL)
    while (directories := _of_level(level, demand)) is None:
        level -= 1
    return directories


def _of_level(level: int, demand: Demand) -> list[str] | None:
    below: dict[str, list[str]] = {}
    for url in demand.urls:
        names = url.split("/", level + 1)
        if len(names) == level + 2:
            below.setdefault("/".join(names[:-1]) + "/*", []).append(url)
    directories: list[str] = []
    missing_paths = len(demand.urls) - demand.paths
    missing_wildcards = count_wildcards(demand.urls) - demand.wildcards
    for directory in sorted(below, key=lambda directory: (-len(below[directory]), directory)):
        if missing_paths <= 0 and missing_wildcards <= 0:
            break
        directories.append(directory)
        missing_paths -= len(below[directory]) - 1
        missing_wildcards -= count_wildcards(below[directory]) - 1
    return directories if missing_paths <= 0 and missing_wildcards <= 0 else None
