"""Many stale URLs, few items: the cover that evicts the fewest unchanged objects. Pure.

A wildcard clears every URL that begins with its prefix. Only the prefixes matter at which stale URLs part: any other
prefix has the same stale URLs below it as a longer one, which evicts no more. They form a tree, and a cover is a choice
of its nodes, none below another. The price of a node is the number of neighbours below it. It saves as many items as
there are below it, less one, and takes one of the allowed wildcards.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from invalidator.planning.knapsack import cheapest
from invalidator.planning.tree import WORK, Tree

_NONE: Final = -1
_SUNK: Final = -2
_AFTER_ALL: Final = "\x7f"
# https://www.rfc-editor.org/rfc/rfc3629#section-3 (2026-11-22)
_CONTINUES: Final = 0x80
_FIRST_OF_SEVERAL: Final = 0xC0
_FIRST_OF_THREE: Final = 0xE0
_FIRST_OF_FOUR: Final = 0xF0


class Cover(NamedTuple):
    """Items that clear all stale URLs, sorted.

    ``wide`` are the new wildcards among them, each with the number of unchanged objects that it evicts; ``evicted`` is
    the sum. No cover within the allowance evicts fewer than ``bound``, which is the same number unless the proof would
    take too long.
    """

    items: list[str]
    wide: dict[str, int]
    evicted: int
    bound: int


class Prefixes:
    """The prefixes at which stale URLs part, and how many neighbours begin with each."""

    def __init__(self, urls: Iterable[str]) -> None:
        """Take URLs in ASCII. One that ends in ``*`` is a wildcard already: it stays, or a wider one replaces it."""
        self._texts: list[str] = []
        self._wild: list[bool] = []
        # A wildcard comes before all URLs that it clears.
        for text, exact in sorted((url[:-1], False) if url[-1] == "*" else (url, True) for url in set(urls)):
            if not (self._wild and self._wild[-1] and text.startswith(self._texts[-1])):
                self._texts.append(text)
                self._wild.append(not exact)
        self._start: list[int] = []
        self._end: list[int] = []
        self._depth: list[int] = []
        self._around = [_NONE] * (len(self._texts) + 1)
        self._grow()
        self._parent = self._parents()
        self._below = [0] * len(self._start)
        """The number of neighbours that begin with each prefix, but with no longer one."""

    def _grow(self) -> None:
        """Make the nodes, each after those below it: a range of URLs, and the length of their common prefix."""
        texts = self._texts
        open_: list[tuple[int, int, list[int]]] = []  # depth, first URL, and the gaps between URLs that share no more
        for place in range(1, len(texts) + 1):
            depth = _shared(texts[place - 1], texts[place]) if place < len(texts) else _NONE
            start = place - 1
            while open_ and open_[-1][0] > depth:
                closed, start, gaps = open_.pop()
                for gap in gaps:
                    self._around[gap] = len(self._start)
                self._start.append(start)
                self._end.append(place)
                self._depth.append(closed)
            if not (open_ and open_[-1][0] == depth):
                open_.append((depth, start, []))
            open_[-1][2].append(place)

    @property
    def common(self) -> str:
        """The common prefix of all URLs, up to a whole character: no cover evicts an object without it."""
        return self._prefix(len(self._start) - 1) if self._start else "".join(self._texts)

    def _prefix(self, node: int) -> str:
        return self._texts[self._start[node]][: self._depth[node]]

    # --- the neighbours ---------------------------------------------------------------------------------

    def count(self, objects: Iterable[tuple[str, ...]]) -> None:
        """Count objects, each given by its URLs, under the prefixes that evict them, unless they are evicted anyway.

        Stale URLs do not count. Objects may be millions: only their numbers are kept. Sorted ones take less time.
        """
        below, place = self._below, _Place(self._texts, self._wild, self._around, self._beside(), self._prefix)
        for urls in objects:
            nodes = [place.of(url) for url in urls]
            if len(nodes) == 1:
                if nodes[0] >= 0:
                    below[nodes[0]] += 1
            elif _SUNK not in nodes:
                self._count_once({node for node in nodes if node >= 0})

    def _count_once(self, nodes: set[int]) -> None:
        """Count an object at each of these nodes, and once above them: where their paths meet, it is taken off."""
        known: set[int] = set()
        for node in sorted(nodes):
            self._below[node] += 1
            above = node
            while above < len(self._parent) and above not in known:
                known.add(above)
                above = self._parent[above]
            if above in known:
                self._below[above] -= 1

    def _beside(self) -> list[list[int]]:
        """Return for each gap between two URLs the prefixes that only one of them has, the longest first."""
        beside: list[list[int]] = [[] for _ in self._around]
        for node, (start, end) in enumerate(zip(self._start, self._end, strict=True)):
            beside[start].append(node)
            beside[end].append(node)
        return beside

    # --- the cover --------------------------------------------------------------------------------------

    def cover(self, paths: int, wildcards: int, share: int = 1) -> Cover | None:
        """Return the cover within these numbers of items and wildcards that evicts the least; None if there is none.

        Of several such covers it is the one with the fewest items, and of those the one with the longest prefixes. The
        search takes one part of the work of which there are ``share`` parts.
        """
        tree, numbers = self._tree()
        room = wildcards - self._wild.count(True)
        chosen = cheapest(tree, len(self._texts) - paths, room, WORK // share)
        if chosen is None:
            return None
        prices = sorted((self._start[numbers[node]], numbers[node], tree.price[node]) for node in chosen.nodes)
        wide = {f"{self._prefix(node)}*": price for _, node, price in prices}
        left = self._left([node for _, node, _ in prices])
        return Cover(sorted([*left, *wide]), wide, chosen.price, chosen.bound)

    def _left(self, nodes: list[int]) -> Iterator[str]:
        """Yield the items that are in none of the nodes, which are sorted."""
        place = 0
        for start, end in [*((self._start[node], self._end[node]) for node in nodes), (len(self._texts),) * 2]:
            for text, wild in zip(self._texts[place:start], self._wild[place:start], strict=True):
                yield f"{text}*" if wild else text
            place = end

    def _tree(self) -> tuple[Tree, list[int]]:
        """Return the nodes to choose from, without those whose prefix could be shorter and would evict no more."""
        size = len(self._start)
        parent, price = self._parent, self._below.copy()
        for node in range(size - 1):
            price[parent[node]] += price[node]
        wild = [0, *accumulate(1 if wild else 0 for wild in self._wild)]
        ranges = list(zip(self._start, self._end, strict=True))
        whole = Tree(
            parent,
            price,
            [end - start - 1 for start, end in ranges],
            [1 - (wild[end] - wild[start]) for start, end in ranges],
            self._depth,
        )
        return whole.only([node == size - 1 or price[node] < price[parent[node]] for node in range(size)])

    def _parents(self) -> list[int]:
        size = len(self._start)
        parents, above = [size] * size, list[int]()
        for node in range(size - 1, -1, -1):
            while above and self._start[above[-1]] >= self._end[node]:
                above.pop()
            if above:
                parents[node] = above[-1]
            above.append(node)
        return parents


class _Place:
    """A search for the longest prefix of a URL among the nodes. It remembers the last gap between two stale URLs."""

    def __init__(
        self,
        texts: list[str],
        wild: list[bool],
        around: list[int],
        beside: list[list[int]],
        prefix: Callable[[int], str],
    ) -> None:
        self._texts, self._wild, self._around, self._beside, self._prefix = texts, wild, around, beside, prefix
        self._low = self._high = ""
        self._node, self._sunk = _NONE, False
        self._inner: list[tuple[str, int]] = []

    def of(self, url: str) -> int:
        """Return the node; _NONE if there is none or the URL is stale, _SUNK if a wildcard clears it anyway."""
        if not self._low < url < self._high:
            place = bisect_left(self._texts, url)
            if self._texts[place : place + 1] == [url]:
                return _SUNK if self._wild[place] else _NONE
            self._look(place)
        if self._sunk and url.startswith(self._low):
            return _SUNK
        return next((node for prefix, node in self._inner if url.startswith(prefix)), self._node)

    def _look(self, place: int) -> None:
        texts = self._texts
        self._low = texts[place - 1] if place else ""
        self._high = texts[place] if place < len(texts) else _AFTER_ALL
        self._node, self._sunk = self._around[place], place > 0 and self._wild[place - 1]
        self._inner = [(self._prefix(node), node) for node in self._beside[place]]


def _shared(one: str, other: str) -> int:
    """Return the length of the common prefix of two URLs, up to a whole character of the key."""
    end = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    while end != (whole := _whole(one, end)):
        end = whole
    return end


def _whole(text: str, end: int) -> int:
    """Return the start of an escape, or of a character of several escapes, that is cut at the end; else the end."""
    cut = text.rfind("%", max(end - 2, 0), end)
    if cut >= 0:
        return cut
    for octets in range(1, 4):
        start = end - 3 * octets
        if start < 0 or text[start] != "%":
            break
        octet = int(text[start + 1 : start + 3], 16)
        if octet >= _FIRST_OF_SEVERAL:
            return start if octets < _octets(octet) else end
        if octet < _CONTINUES:
            break
    return end


def _octets(first: int) -> int:
    """Return the length of a character in UTF-8, by its first octet."""
    if first >= _FIRST_OF_FOUR:
        return 4
    return 3 if first >= _FIRST_OF_THREE else 2
