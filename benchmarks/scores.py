"""What invalidation items clear, counted without any help from what planned them."""

from collections.abc import Collection, Iterable
from typing import NamedTuple


class Score(NamedTuple):
    """Of a cover: its items, those of them that are wildcards, and what is wrong with what they clear."""

    items: int
    wildcards: int
    evicted: int
    """Objects that did not change and are forgotten all the same, each counted once."""
    missed: int
    """URLs to be cleared that stay in the caches."""


def score(items: Collection[str], keys: Iterable[str], changed: Iterable[str], urls: Iterable[str]) -> Score:
    """Compare items with all keys of a site, those that changed, and the URLs that are to be cleared for these."""
    exact = {item for item in items if not item.endswith("*")}
    prefixes = tuple(item[:-1] for item in items if item.endswith("*"))
    stale = set(changed)

    def cleared(url: str) -> bool:
        return url in exact or url.startswith(prefixes)

    evicted = sum(cleared("/" + key) for key in keys if key not in stale)
    return Score(len(items), len(prefixes), evicted, sum(not cleared(url) for url in urls))


def gap(evicted: int, bound: int) -> float:
    """By how much more than the least a cover may evict, at the most: 0.05 is 5 %."""
    if evicted == bound:
        return 0.0
    return (evicted - bound) / bound if bound else float("inf")


def objections(found: Score, paths: int, wildcards: int, claimed: int) -> list[str]:
    """What is wrong with a cover that may have so many items and wildcards and says that it evicts so much."""
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
