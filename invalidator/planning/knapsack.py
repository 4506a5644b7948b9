"""The cheapest choice of nodes of a tree, none below another, that saves enough and takes no more than there is. Pure.

A knapsack on a tree with two constraints, solved as a shortest path: the nodes are gone through from the last, and at
each one is either passed over, or chosen, which leads past all that is below it. In three steps:

1. Prices are put on what has to be saved and on what is taken (Lagrange multipliers, found with Kelley's cutting
   planes). For any such prices, the value of the best choice is a lower bound. A node with which that value
   would be above the price of what has been found is not looked at again.
2. Where few enough nodes are left, what is taken is counted exactly, with a price only on what has to be saved. For
   each node and each number taken so far, a table says what the rest of the path costs at least.
3. Partial choices (labels) are extended node by node, the dominated ones left out, and those with which the bound is
   above the price of what has been found. Of more than some width, the most promising are kept (a beam); then the bound
   is the lowest of those that were left out. The width doubles until nothing is left out, or the work is done.

What is to be done depends on nothing but the input; how much of it is done, on counted work. All of it is done in whole
numbers, so that no rounding is in the proof.

A. M. Geoffrion, Lagrangean relaxation for integer programming (1974); J. E. Kelley, The cutting-plane method for
solving convex programs (1960); S. Irnich, G. Desaulniers, Shortest path problems with resource constraints (2005).
"""

from bisect import bisect_right
from collections.abc import Callable
from operator import add, itemgetter
from typing import Any, Final, NamedTuple

_SCALE: Final = 1 << 20
_NEVER: Final = 1 << 200
"""More than anything costs."""
_MAX_PLANES: Final = 60
_MAX_LINES: Final = 40
_NEAR: Final = 0.05
"""Between the bound and the highest that there can be: not worth another round."""
WORK: Final = 1_500_000
"""Labels, nodes and entries of tables to look at in all: one to two seconds."""
_ENTRY: Final = 8
"""So many entries of a table take as long as a label."""
_MAX_TABLE: Final = 100_000
"""Entries: some 4 MB."""
_MAX_WIDTH: Final = 4_096
"""Labels at a node: some 1 MB."""
_WIDTH_FOR_TIES: Final = 64
"""From there on, no more is done only to find, of what costs the same, the best."""
_SHARES: Final = ((1, 1), (8, 7), (7, 8))
"""Of the best price of what is saved: each price bounds other labels best."""
_SKETCHES: Final = ((200, 200_000), (1_000, 200_000))
"""First, the nodes that save at least such a part of what is needed, with so much work: mostly near the best."""


class Tree(NamedTuple):
    """Nodes in postorder: all below a node come just before it. ``parent`` is a number, or how many nodes there are.

    Each has a price, saves something, takes something (or, being negative, gives it), and has a weight: of the
    choices that cost and save the same, the heaviest is taken.
    """

    parent: list[int]
    price: list[int]
    saved: list[int]
    taken: list[int]
    weight: list[int]

    def only(self, kept: list[bool]) -> "tuple[Tree, list[int]]":
        """The tree of some of the nodes, and their numbers in this one."""
        numbers = [node for node, keep in enumerate(kept) if keep]
        size, total = len(kept), len(numbers)
        new = [total] * (size + 1)  # of each node, the new number of itself or of what is kept above it
        for fresh in range(total):
            new[numbers[fresh]] = fresh
        for node in range(size - 1, -1, -1):
            if not kept[node]:
                new[node] = new[self.parent[node]]
        return Tree(
            [new[self.parent[node]] for node in numbers],
            *([values[node] for node in numbers] for values in self[1:]),
        ), numbers


class Choice(NamedTuple):
    """The nodes that are chosen. None that saves enough costs less than ``bound``."""

    nodes: list[int]
    price: int
    bound: int


def cheapest(tree: Tree, needed: int, room: int, work: int = WORK) -> Choice | None:
    """The choice that saves ``needed`` and takes no more than ``room``; None if there is none or none is found.

    Of those that cost the same, that which saves the most, and of those the heaviest. The price is above the bound
    only where a proof would take more than ``work``, in labels: then it is not always the best, but more work never
    makes it worse. Where a single node will do, something is found without any.
    """
    needed = max(needed, 0)  # below that it says nothing, and no price could be put on it
    free = _free(tree, needed, room)
    if free is not None:
        return Choice(free, 0, 0)
    search = _Search(tree, needed, room, _Meter(work))
    search.run(_SKETCHES)
    return search.choice()


def _free(tree: Tree, needed: int, room: int) -> list[int] | None:
    """What costs nothing: of nodes at no price, none should be below another."""
    free = [node for node, price in enumerate(tree.price) if price == 0]
    chosen = [node for node in free if tree.taken[node] <= 0]
    room -= sum(tree.taken[node] for node in chosen)
    dear = [node for node in free if tree.taken[node] > 0]
    dear.sort(key=lambda node: (tree.saved[node], tree.weight[node]), reverse=True)
    if room < 0:
        return None
    chosen += dear[:room]
    return chosen if sum(tree.saved[node] for node in chosen) >= needed else None


_Plane = tuple[int, int, int]
"""Of a choice: its price, what it still needs to save, and what it takes beyond the room."""


class _Relaxed:
    """The tree under prices for what is saved and for what is taken, both scaled."""

    def __init__(self, tree: Tree, item: int, place: int) -> None:
        self._tree = tree
        self.cost = [
            price * _SCALE - item * saved + place * taken
            for price, saved, taken in zip(tree.price, tree.saved, tree.taken, strict=True)
        ]
        self.below = [0] * (len(self.cost) + 1)
        """Of the best choice below each node; that of the whole tree last."""
        below, parent = self.below, tree.parent
        for node, cost in enumerate(self.cost):
            best = below[node]
            below[parent[node]] += min(best, cost)

    def best(self) -> list[int]:
        """The best choice."""
        parent = self._tree.parent
        closed, chosen = [False] * len(self.below), []
        for node in range(len(self.cost) - 1, -1, -1):
            if closed[parent[node]]:
                closed[node] = True
            elif self.cost[node] < self.below[node]:
                closed[node] = True
                chosen.append(node)
        return chosen

    def within(self, gap: int) -> list[bool]:
        """The nodes that are part of any choice within a gap of the best."""
        parent, kept = self._tree.parent, [False] * len(self.cost)
        regret = [0] * len(self.below)  # by how much the best is missed if neither the node nor any above is chosen
        for node in range(len(self.cost) - 1, -1, -1):
            cost, best = self.cost[node], self.below[node]
            above = regret[parent[node]]
            kept[node] = above + max(cost - best, 0) <= gap
            regret[node] = above + max(best - cost, 0)
        return kept


class _SpentError(Exception):
    """There is no work left."""


class _Meter:
    """Counts down the work."""

    def __init__(self, work: int) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Raises ``_SpentError`` if there is not so much left: then nothing is."""
        if work > self.left:
            self.left = 0
            raise _SpentError
        self.left -= work


class _Search:
    """The tree, of which less and less remains, and two bounds that approach each other."""

    def __init__(self, tree: Tree, needed: int, room: int, meter: _Meter) -> None:
        self._whole = self._tree = tree
        self._needed, self._room, self._meter = needed, room, meter
        self._numbers = list(range(len(tree.price)))  # of the nodes that remain, in the tree that was given
        self._item, self._place = 0, 0
        """The prices with the highest bound so far, scaled."""
        self._exact = False
        """What is taken has no price, but is counted."""
        self._lower = 0
        self._best: list[int] | None = None
        self._upper = sum(tree.price) + 1
        for node, price in enumerate(tree.price):
            if price < self._upper and tree.saved[node] >= needed and tree.taken[node] <= room:
                self._best, self._upper = [node], price

    def choice(self) -> Choice | None:
        """The best that is found, and the bound."""
        return None if self._best is None else Choice(self._best, self._upper, self._lower)

    def run(self, sketches: tuple[tuple[int, int], ...] = ()) -> None:
        """Search until the best is proven, or the work is done. More work makes the same steps, and then more."""
        try:
            for part, work in sketches:
                self._sketch(self._needed // part, work)
            self._approach()
            self._sort()
            self._widen()
        except _SpentError:
            pass

    def _sketch(self, least: int, work: int) -> None:
        """Search among the nodes that save so much, for something to start with."""
        tree, numbers = self._whole.only([saved >= least for saved in self._whole.saved])
        if len(numbers) == len(self._numbers):
            return
        meter = _Meter(min(work, self._meter.left))
        before = meter.left
        search = _Search(tree, self._needed, self._room, meter)
        search.run()
        found = search.choice()
        if found and found.price < self._upper:
            self._best, self._upper = [numbers[node] for node in found.nodes], found.price
        self._meter.spend(before - meter.left)

    def _raise(self, bound: int) -> None:
        """Nothing costs less than this, scaled, unless it has been found."""
        self._lower = max(self._lower, min(-(-bound // _SCALE), self._upper))

    def _offer(self, chosen: list[int]) -> _Plane:
        """Take a choice of the nodes that remain, if it will do and costs less than what was found before."""
        _, prices, saved, taken, _ = self._tree
        price = sum(prices[node] for node in chosen)
        need = self._needed - sum(saved[node] for node in chosen)
        over = sum(taken[node] for node in chosen) - self._room
        if need <= 0 and over <= 0 and price < self._upper:
            self._best, self._upper = [self._numbers[node] for node in chosen], price
        return price, need, over

    def _keep(self, kept: list[bool]) -> None:
        if not all(kept):
            self._tree, numbers = self._tree.only(kept)
            self._numbers = [self._numbers[node] for node in numbers]

    # --- a price on what is taken -----------------------------------------------------------------------

    def _approach(self) -> None:
        """Raise the bound as far as two prices can, and drop what is part of nothing as cheap as what is found."""
        planes: set[_Plane] = {(0, self._needed, -self._room)}
        if self._best is not None:
            planes.add((self._upper, *self._left(self._best)))
        highest, top = float(self._upper) * (self._needed + 1), 0
        for _ in range(_MAX_PLANES):
            self._meter.spend(len(self._numbers))
            item, place, expected = _highest(planes, highest)
            value, plane = self._relax(round(item * _SCALE), round(place * _SCALE))
            if value > top:
                self._item, self._place, top = round(item * _SCALE), round(place * _SCALE), value
            if plane in planes or expected - top / _SCALE < _NEAR or self._lower >= self._upper:
                return
            planes.add(plane)

    def _left(self, chosen: list[int]) -> tuple[int, int]:
        """What a choice of the nodes of the whole tree still needs to save, and takes beyond the room."""
        saved, taken = self._whole.saved, self._whole.taken
        return self._needed - sum(saved[node] for node in chosen), sum(taken[node] for node in chosen) - self._room

    def _relax(self, item: int, place: int) -> tuple[int, _Plane]:
        """The best choice under these prices: it gives a bound, and perhaps will do itself."""
        relaxed = _Relaxed(self._tree, item, place)
        value = relaxed.below[-1] + item * self._needed - place * self._room
        self._raise(value)
        plane = self._offer(relaxed.best())
        self._keep(relaxed.within(self._upper * _SCALE - value))
        return value, plane

    # --- what is taken is counted -----------------------------------------------------------------------

    def _table(self, item: int) -> "_Table":
        path = _Path(self._tree, self._room, exact=self._exact)
        self._meter.spend(len(self._numbers) * (1 + path.width // _ENTRY))
        return _Table(path, self._needed, item, self._place)

    def _refine(self) -> None:
        """Raise the bound as far as one price can: of two lines, one falling, what is above where they meet."""
        width = _Path(self._tree, self._room, exact=True).width
        if len(self._numbers) * width > _MAX_TABLE:
            return
        self._exact, self._place = True, 0
        rising, falling, item, top = (0, self._needed), (self._upper, 0), self._item, -1
        for _ in range(_MAX_LINES):
            table = self._table(item)
            if table.value > top:
                self._item, top = item, table.value
            self._raise(table.value)
            if table.value > self._upper * _SCALE:
                return
            price, need, _ = self._offer(table.best())
            self._keep(table.within(self._upper * _SCALE))
            if need > 0:
                rising = price, need
            else:
                falling = price, need
            if rising[1] <= falling[1]:
                return
            item = max((falling[0] - rising[0]) * _SCALE // (rising[1] - falling[1]), 0)
            if rising[0] * _SCALE + item * rising[1] - top < _NEAR * _SCALE:
                return

    # --- the path ---------------------------------------------------------------------------------------

    def _sort(self) -> None:
        """Put what saves more to the end: it is chosen first, and what saves little fills up the rest."""
        tree, size = self._tree, len(self._numbers)
        self._meter.spend(size)
        children: list[list[int]] = [[] for _ in range(size + 1)]
        for node in sorted(range(size), key=tree.saved.__getitem__):
            children[tree.parent[node]].append(node)
        order, open_ = list[int](), [size]
        while open_:
            order.append(node := open_.pop())
            open_ += children[node]
        order.reverse()
        new = {node: number for number, node in enumerate(order)}
        order.pop()
        self._tree = Tree(
            [new[tree.parent[node]] for node in order],
            *([values[node] for node in order] for values in tree[1:]),
        )
        self._numbers = [self._numbers[node] for node in order]

    def _widen(self) -> None:
        """Go through the nodes, with more and more labels."""
        width = 1
        while width <= _MAX_WIDTH:
            if not self._exact:
                self._refine()
            self._keep(self._table(self._item).within(self._upper * _SCALE))
            tables = [self._table(self._item * share // whole) for share, whole in _SHARES]
            beam = _Beam(self._tree, tables, self._upper * _SCALE, width)
            found = beam.best(self._needed, self._meter)
            if found is not None and found[0] <= self._upper:
                # Of the same price, it is better than what was found on the way.
                self._best, self._upper = [self._numbers[node] for node in _nodes(found)], found[0]
            self._raise(beam.dropped)
            if beam.dropped == _NEVER or (self._lower >= self._upper and width >= _WIDTH_FOR_TIES):
                return
            width *= 2


class _Path:
    """From the last node to the first: where each leads, and what may be taken on the way.

    From place ``n``, before node ``n - 1``, it leads to ``n - 1``, or, if the node is chosen, to the first below it.
    What is taken is counted from ``start``, so that it is never negative, and is no more than ``end`` at place 0.
    """

    def __init__(self, tree: Tree, room: int, *, exact: bool) -> None:
        size = len(tree.parent)
        self.tree, self.exact = tree, exact
        self.first = list(range(size + 1))
        given = [0] * (size + 1)  # at most, by what is at a node or below
        for node, parent in enumerate(tree.parent):
            given[node] = max(given[node], -tree.taken[node])
            given[parent] += given[node]
            self.first[parent] = min(self.first[parent], self.first[node])
        self.start = given[size]
        self.end = room + self.start
        self.width = max(self.end, 0) + self.start + max([0, *tree.taken]) + 1


class _Table:
    """Of each place on the path, and of all that may be taken so far, what the rest costs at least, scaled.

    Where what is taken is not counted exactly, there is a price on it, and one entry for each place.
    """

    def __init__(self, path: _Path, needed: int, item: int, place: int) -> None:
        self.path, self.item, self.place = path, item, place
        tree = path.tree
        self._cost = [
            price * _SCALE - item * saved + place * taken
            for price, saved, taken in zip(tree.price, tree.saved, tree.taken, strict=True)
        ]
        self._offset = item * needed
        if path.exact:
            self.rows = [[0 if taken <= path.end else _NEVER for taken in range(path.width)]]
        else:
            self.rows = [[-place * path.end]]
        for node, cost in enumerate(self._cost):
            skipped, chosen = self.rows[node], self._ahead(self.rows[path.first[node]], tree.taken[node])
            row = [
                one if one <= other + cost else other + cost  # noqa: FURB136 - this takes half the time of min()
                for one, other in zip(skipped, chosen, strict=True)
            ]
            self.rows.append(skipped if row == skipped else row)
        self.value = self._offset + place * path.start + self.rows[-1][path.start * path.exact]

    def _ahead(self, row: list[int], taken: int) -> list[int]:
        """The entries once so much more is taken."""
        if not self.path.exact or not taken:
            return row
        return row[taken:] + [_NEVER] * taken if taken > 0 else row[:1] * -taken + row[:taken]

    def _behind(self, row: list[int], taken: int) -> list[int]:
        """The entries before so much was taken."""
        if not self.path.exact or not taken:
            return row
        return [_NEVER] * taken + row[:-taken] if taken > 0 else row[-taken:] + [_NEVER] * -taken

    def best(self) -> list[int]:
        """The choice that costs least."""
        node, taken, chosen = len(self._cost), self.path.start, []
        while node:
            node -= 1
            entry = taken * self.path.exact
            if self.rows[node + 1][entry] != self.rows[node][entry]:
                chosen.append(node)
                taken += self.path.tree.taken[node]
                node = self.path.first[node]
        return chosen

    def within(self, limit: int) -> list[bool]:
        """The nodes that are part of any path that costs no more than a limit."""
        path, size = self.path, len(self._cost)
        never = [_NEVER] * len(self.rows[0])
        behind, kept = [never] * (size + 1), [False] * size
        behind[size] = never.copy()
        behind[size][path.start * path.exact] = self._offset + self.place * path.start
        for node in range(size - 1, -1, -1):
            here, first = behind[node + 1], path.first[node]
            behind[node + 1] = never  # nobody asks for it again
            chosen = [entry + self._cost[node] for entry in self._behind(here, path.tree.taken[node])]
            kept[node] = min(map(add, chosen, self.rows[first])) <= limit
            behind[node] = here if behind[node] is never else list(map(min, behind[node], here))
            if kept[node]:
                behind[first] = list(map(min, behind[first], chosen))
        return kept


_Label = tuple[int, int, int, int, Any]
"""What is chosen so far: its price, what it still needs to save, its weight, negative, what it takes, and, last, its
nodes: None, or the last one and those before. In the order in which choices are compared, but for the nodes."""

_rank = itemgetter(0, 1, 2, 3)


class _Beam:
    """Labels that go through the nodes, no more of them at any than some width."""

    def __init__(self, tree: Tree, tables: list[_Table], limit: int, width: int) -> None:
        self._tree, self._tables, self._limit, self._width = tree, tables, limit, width
        self._path = tables[0].path
        self.dropped = _NEVER
        """What all costs at least that was left out, scaled, if it costs no more than the limit."""

    def best(self, needed: int, meter: _Meter) -> _Label | None:
        """The best label that is left in the end and will do."""
        tree, first = self._tree, self._path.first
        arriving: list[list[_Label]] = [[] for _ in range(len(tree.parent) + 1)]
        labels: list[_Label] = [(0, needed, 0, self._path.start, None)]
        for node in range(len(tree.parent) - 1, -1, -1):
            meter.spend(2 * len(labels) + 1)
            goal = first[node]
            arriving[goal] += self._within(self._choose(node, labels), goal)
            if len(arriving[goal]) > 2 * self._width:
                arriving[goal] = self._best_of(arriving[goal], goal)
            labels = self._within(labels, node, node + 1)
            if arriving[node]:
                labels = self._best_of(labels + arriving[node], node)
                arriving[node] = []
        return min((label for label in labels if label[1] <= 0 and label[3] <= self._path.end), key=_rank, default=None)

    def _choose(self, node: int, labels: list[_Label]) -> list[_Label]:
        _, prices, saved, taken, weights = self._tree
        more, less, takes, weight = prices[node], saved[node], taken[node], weights[node]
        return [
            (price + more, need - less, light - weight, used + takes, (node, nodes))
            for price, need, light, used, nodes in labels
        ]

    def _within(self, labels: list[_Label], place: int, before: int | None = None) -> list[_Label]:
        """The labels that may lead to what costs no more than the limit; those that did at another place are given."""
        limit, exact = self._limit, self._path.exact
        for table in self._tables:
            row, item, fee = table.rows[place], table.item, table.place
            if before is None or row is not table.rows[before]:
                labels = [
                    label
                    for label in labels
                    if label[0] * _SCALE + item * label[1] + fee * label[3] + row[exact * label[3]] <= limit
                ]
        return labels

    def _bounds(self, labels: list[_Label], place: int) -> list[int]:
        """What each label leads to costs at least."""
        bounds, exact = [0] * len(labels), self._path.exact
        for table in self._tables:
            row, item, fee = table.rows[place], table.item, table.place
            bounds = [
                max(bound, label[0] * _SCALE + item * label[1] + fee * label[3] + row[exact * label[3]])
                for bound, label in zip(bounds, labels, strict=True)
            ]
        return bounds

    def _best_of(self, labels: list[_Label], place: int) -> list[_Label]:
        """Those that no other dominates, and of them the most promising."""
        labels = _pareto(labels)
        if len(labels) <= self._width:
            return labels
        bounds = self._bounds(labels, place)
        kept = self._promising(labels, sorted(range(len(labels)), key=bounds.__getitem__))
        self.dropped = min(self.dropped, *(bound for number, bound in enumerate(bounds) if number not in kept))
        return [labels[number] for number in sorted(kept)]

    def _promising(self, labels: list[_Label], order: list[int]) -> set[int]:
        """Half of them by the bound; the others as different as may be in what they take and still need."""
        half = (self._width + 1) // 2
        kept, others = set(order[:half]), order[half:]
        needs = [label[1] for label in labels]
        step = (max(needs) - min(needs)) * 8 // self._width + 1
        alike: dict[tuple[int, int], int] = {}
        for number in others:
            alike.setdefault((labels[number][3], labels[number][1] // step), number)
        for number in (*alike.values(), *others):
            if len(kept) == self._width:
                break
            kept.add(number)
        return kept


def _pareto(labels: list[_Label]) -> list[_Label]:
    """Without those that cost as much as another, or more, and neither save more nor take less."""
    labels.sort(key=_rank)
    kept: list[_Label] = []
    taken: list[int] = []  # by those kept, ascending, with what at most they save, ascending likewise
    saved: list[int] = []
    for label in labels:
        place = bisect_right(taken, label[3])
        if place and saved[place - 1] >= -label[1]:
            continue
        kept.append(label)
        end = place
        while end < len(saved) and saved[end] <= -label[1]:
            end += 1
        if place and taken[place - 1] == label[3]:
            place -= 1
        taken[place:end], saved[place:end] = [label[3]], [-label[1]]
    return kept


def _nodes(label: _Label) -> list[int]:
    """What is chosen."""
    nodes, rest = list[int](), label[4]
    while rest:
        node, rest = rest
        nodes.append(node)
    return nodes


# --- the highest bound ----------------------------------------------------------------------------------

_Line = tuple[float, float, float]
"""Of a concave function at some place: its value, its slope, and something that goes with it."""


def _highest(planes: set[_Plane], limit: float) -> tuple[float, float, float]:
    """The prices, up to some limit, at which the lowest of the planes is highest, and how high."""

    def at_item(item: float) -> _Line:
        def at_place(place: float) -> _Line:
            price, lacking, over = min(planes, key=lambda plane: plane[0] + item * plane[1] + place * plane[2])
            return price + item * lacking + place * over, over, lacking

        place, value, slope = _peak(at_place, limit)
        return value, slope, place

    item, value, _ = _peak(at_item, limit)
    return item, at_item(item)[2], value


def _peak(line_at: Callable[[float], _Line], limit: float) -> tuple[float, float, float]:
    """Where from 0 to a limit a concave function is highest, how high, and what goes with it, mixed as its slopes."""
    low, high = 0.0, limit
    rising, falling = line_at(low), line_at(high)
    if rising[1] <= 0:
        return low, rising[0], rising[2]
    if falling[1] >= 0:
        return high, falling[0], falling[2]
    for _ in range(_MAX_LINES):
        middle = low + (falling[0] - rising[0] + falling[1] * (low - high)) / (rising[1] - falling[1])
        expected = rising[0] + rising[1] * (middle - low)
        line = line_at(middle)
        if line[0] >= expected - 1e-9 * (1 + abs(expected)) or not low < middle < high:
            break
        if line[1] > 0:
            low, rising = middle, line
        else:
            high, falling = middle, line
    share = -falling[1] / (rising[1] - falling[1])
    return middle, line[0], share * rising[2] + (1 - share) * falling[2]
