"""The score of invalidation items, counted without the code that planned them."""

from collections.abc import Collection, Iterable
from typing import NamedTuple


class Score(NamedTuple):
    """The items and wildcards of a cover, and its mistakes."""

    items: int
    wildcards: int
    evicted: int
    """Unchanged objects that it clears, each counted once."""
    missed: int
    """Changed URLs that it does not clear."""


def score(items: Collection[str], keys: Iterable[str], changed: Iterable[str], urls: Iterable[str]) -> Score:
    """Compare items with all keys of a site, the changed ones, and the URLs of the changed ones."""
    exact = {item for item in items if not item.endswith("*")}
    prefixes = tuple(item[:-1] for item in items if item.endswith("*"))
    stale = set(changed)

    def cleared(url: str) -> bool:
        return url in exact or url.startswith(prefixes)

    evicted = sum(cleared("/" + key) for key in keys if key not in stale)
    return Score(len(items), len(prefixes), evicted, sum(not cleared(url) for url in urls))


def gap(evicted: int, bound: int) -> float:
    """Return how far a cover may be above the least at most: 0.05 is 5 %."""
    if evicted == bound:
        return 0.0
    return (evicted - bound) / bound if bound else float("inf")


def objections(found: Score, paths: int, wildcards: int, claimed: int) -> list[str]:
    """Return the differences between a cover and its allowance and claim."""
    wrong = []
    if found.missed:
        wrong.append(f"{found.missed:,} changed URLs are not cleared")
    if found.items > paths:
        wrong.append(f"{found.items:,} items, where {paths:,} are allowed")
    if found.wildcards > wildcards:
        wrong.append(f"{found.wildcards:,} wildcards, where {wildcards:,} are allowed")
    if found.evicted != claimed:
        wrong.append(f"{found.evicted:,} objects are evicted, not {claimed:,} as the planner says")
    return wrong
