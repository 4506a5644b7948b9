"""The cheapest choice of nodes of a tree, none below another, that saves enough and takes no more than there is. Pure.

A knapsack on a tree with two constraints, solved in two steps. First, prices are put on what has to be saved and on
what is taken (Lagrange multipliers, found with Kelley's cutting planes), under which the best choice is found node by
node: for any such prices, its value is a lower bound. Then every choice is enumerated whose value under these prices
lies within a gap of that bound, as sums of the Pareto-optimal choices below each node. The gap widens until a choice
is found that saves enough: nothing cheaper was left out, and each failure has proven a higher bound. All of it is
done in whole numbers, so that no rounding is in the proof.

A. M. Geoffrion, Lagrangean relaxation for integer programming (1974); J. E. Kelley, The cutting-plane method for
solving convex programs (1960).
"""

from bisect import bisect_right
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple

_SCALE: Final = 1 << 20
_MAX_PLANES: Final = 60
_MAX_LINES: Final = 40
_NEAR: Final = 0.05
"""Between the bound and the highest that there can be: not worth another round."""
_MAX_WORK: Final = 1_000_000
"""Sums to look at before a proof, or the search for something better, is given up: about a second."""
_MAX_STATES: Final = 30
"""Of the choices below a node, as many as are looked at from then on."""
_PARTS: Final = (50, 200, 1_000)
"""Where nothing can be proven, nodes are left out that save less than such a part of what is needed."""


class Tree(NamedTuple):
    """Nodes, those below another before it: its number, or for those below none, how many nodes there are.

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


def cheapest(tree: Tree, needed: int, room: int) -> Choice | None:
    """The choice that saves ``needed`` and takes no more than ``room``; None if there is none or none is found.

    Of those that cost the same, that which saves the most, and of those the heaviest. The price is above the bound
    only where a proof would take too long.
    """
    needed = max(needed, 0)  # below that it says nothing, and no price could be put on it
    free = _free(tree, needed, room)
    if free is not None:
        return Choice(free, 0, 0)
    search = _Search(tree, needed, room)
    search.approach()
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
"""What a choice is worth, once prices are put on two things: its own price, what it lacks, what it takes too much."""


class _Relaxed:
    """The tree under prices for what is saved and for what is taken, both scaled: what each choice is worth."""

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
            worth = below[node]
            below[parent[node]] += min(worth, cost)

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

    def lost(self) -> list[int]:
        """By how much the best choice is missed if neither a node nor any above it is chosen."""
        parent, lost = self._tree.parent, [0] * len(self.below)
        for node in range(len(self.cost) - 1, -1, -1):
            lost[node] = lost[parent[node]] + max(self.below[node] - self.cost[node], 0)
        return lost

    def within(self, gap: int) -> list[bool]:
        """The nodes that are part of any choice within a gap of the best."""
        lost = self.lost()
        return [lost[node] + cost - self.below[node] <= gap for node, cost in enumerate(self.cost)]


class _Search:
    """The tree, of which less and less remains, and two bounds that approach each other."""

    def __init__(self, tree: Tree, needed: int, room: int) -> None:
        self._tree, self._needed, self._room = tree, needed, room
        self._numbers = list(range(len(tree.price)))  # of the nodes that remain, in the tree that was given
        self._item = self._place = self._worth = 0  # the prices with the highest bound so far, and that bound, scaled
        self._best: list[int] | None = None
        self._upper = sum(tree.price) + 1
        for node, price in enumerate(tree.price):
            if price < self._upper and tree.saved[node] >= needed and tree.taken[node] <= room:
                self._best, self._upper = [node], price

    @property
    def _lower(self) -> int:
        return -(-self._worth // _SCALE)

    # --- the bound --------------------------------------------------------------------------------------

    def approach(self) -> None:
        """Raise the bound as far as prices can, and drop what is part of nothing as cheap as what is found."""
        planes = {self._plane([]), *([self._plane(self._best)] if self._best else [])}
        highest = float(self._upper) * (self._needed + 1)
        for _ in range(_MAX_PLANES):
            item, place, expected = _highest(planes, highest)
            plane = self._relax(round(item * _SCALE), round(place * _SCALE))
            if plane in planes or expected - self._worth / _SCALE < _NEAR or self._lower >= self._upper:
                return
            planes.add(plane)

    def _plane(self, chosen: list[int]) -> _Plane:
        _, prices, saved, taken, _ = self._tree
        return (
            sum(prices[node] for node in chosen),
            self._needed - sum(saved[node] for node in chosen),
            sum(taken[node] for node in chosen) - self._room,
        )

    def _relax(self, item: int, place: int) -> _Plane:
        """The best choice under these prices: it gives a bound, and perhaps will do itself."""
        relaxed = _Relaxed(self._tree, item, place)
        worth = relaxed.below[-1] + item * self._needed - place * self._room
        if worth > self._worth:
            self._item, self._place, self._worth = item, place, worth
        chosen = relaxed.best()
        plane = price, lacking, over = self._plane(chosen)
        if lacking <= 0 and over <= 0 and price < self._upper:
            self._best, self._upper = [self._numbers[node] for node in chosen], price
        kept = relaxed.within(self._upper * _SCALE - worth)
        if not all(kept):
            self._tree, numbers = self._tree.only(kept)
            self._numbers = [self._numbers[node] for node in numbers]
        return plane

    # --- the choice -------------------------------------------------------------------------------------

    def choice(self) -> Choice | None:
        """The cheapest, after the bound is as high as prices make it."""
        lower = self._prove()
        if lower < self._upper:
            for part in _PARTS:
                self._enumerate(self._upper, _MAX_WORK, self._needed // part)
        return Choice(self._best, self._upper, lower) if self._best is not None else None

    def _prove(self) -> int:
        """Look among all that costs no more than some limit, which rises. Returns what nothing costs less than."""
        lower, step, work = self._lower, 0, _MAX_WORK
        while True:
            limit = min(lower + step, self._upper)
            work = self._enumerate(limit, work)
            if work < 0:
                return lower
            if limit >= self._upper:
                return self._upper
            lower, step = limit + 1, 2 * step + 1

    def _enumerate(self, limit: int, work: int, least: int = 0) -> int:
        """Look for the best choice among all that cost no more than the limit, of nodes that save no less than that.

        Returns what is left of the work that there is to do; below 0, not all of them were looked at.
        """
        relaxed = _Relaxed(self._tree, self._item, self._place)
        within = relaxed.within(limit * _SCALE - self._worth)
        tree, numbers = self._tree.only(
            [keep and saved >= least for keep, saved in zip(within, self._tree.saved, strict=True)]
        )
        # Where nodes are left out that would be worth something, what remains is worth less.
        relaxed = _Relaxed(tree, self._item, self._place)
        worth = relaxed.below[-1] + self._item * self._needed - self._place * self._room
        enumeration = _Enumeration(tree, relaxed, limit * _SCALE - worth, work)
        best = enumeration.best(self._needed, self._room)
        # Of the same price, it is better than what was found on the way.
        if best is not None and best[0] <= self._upper:
            self._best, self._upper = [self._numbers[numbers[node]] for node in _chosen(best)], best[0]
        return enumeration.work


_State = tuple[int, int, int, int, int, Any]
"""A choice below some node: its price, what it saves and its weight, both negative, what it takes, by how much it
misses the best one there, and, last, its nodes: None, one, or two of the same. The first four are in the order in which
choices are compared."""

_NOTHING: Final[_State] = (0, 0, 0, 0, 0, None)
_rank = itemgetter(0, 1, 2, 3)


class _Enumeration:
    """All choices within a gap of the best, as sums of the Pareto-optimal ones below each node."""

    def __init__(self, tree: Tree, relaxed: _Relaxed, gap: int, work: int) -> None:
        self._tree, self._relaxed, self._gap = tree, relaxed, gap
        self.work = work

    def best(self, needed: int, room: int) -> _State | None:
        """The best of them that will do."""
        return min(
            (state for state in self._all() if -state[1] >= needed and state[3] <= room), key=_rank, default=None
        )

    def _all(self) -> list[_State]:
        tree, cost, below, lost = self._tree, self._relaxed.cost, self._relaxed.below, self._relaxed.lost()
        choices: list[list[_State]] = [[_NOTHING] for _ in below]
        for node, parent in enumerate(tree.parent):
            gap, here = self._gap - lost[parent], choices[node]
            choices[node] = []  # nobody asks for them again
            if cost[node] < below[node]:
                missed = below[node] - cost[node]
                here = [(*state[:4], state[4] + missed, state[5]) for state in here]
            missed = max(cost[node] - below[node], 0)
            chosen = (tree.price[node], -tree.saved[node], -tree.weight[node], tree.taken[node], missed, node)
            here = _pareto([state for state in (*here, chosen) if state[4] <= gap])
            choices[parent] = self._sums(choices[parent], here, gap)
        return choices[-1]

    def _sums(self, left: list[_State], right: list[_State], gap: int) -> list[_State]:
        """What is chosen below one child together with what is chosen below another."""
        self.work -= len(left) * len(right)
        if self.work < 0:
            left, right = (sorted(states, key=itemgetter(4))[:_MAX_STATES] for states in (left, right))
        return _pareto(
            [
                (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], (a[5], b[5]))
                for a in left
                for b in right
                if a[4] + b[4] <= gap
            ]
        )


def _pareto(states: list[_State]) -> list[_State]:
    """Without those that cost as much as another and neither save more nor take less."""
    states.sort(key=_rank)
    kept: list[_State] = []
    taken: list[int] = []  # by those kept, ascending, with what at most they save, ascending likewise
    saved: list[int] = []
    for state in states:
        place = bisect_right(taken, state[3])
        if place and saved[place - 1] >= -state[1]:
            continue
        kept.append(state)
        end = place
        while end < len(saved) and saved[end] <= -state[1]:
            end += 1
        if place and taken[place - 1] == state[3]:
            place -= 1
        taken[place:end], saved[place:end] = [state[3]], [-state[1]]
    return kept


def _chosen(state: _State) -> list[int]:
    nodes, open_ = [], [state[5]]
    while open_:
        match open_.pop():
            case (left, right):
                open_ += (left, right)
            case int(node):
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
