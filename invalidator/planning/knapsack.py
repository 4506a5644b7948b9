"""The cheapest choice of nodes of a tree, none below another, that saves enough and takes no more than there is. Pure.

This is a knapsack on a tree with two constraints, solved in three steps:

1. ``relaxation`` puts prices on what is saved and on what is taken, which gives a lower bound. A node whose choice
   would raise the bound above the price of the best choice so far is not looked at again.
2. Where few enough nodes are left, ``tables`` count exactly what is taken, with a price only on what is saved.
3. ``beam`` extends partial choices node by node, and leaves out those that are dominated or whose bound is too high. Of
   more partial choices than some width, it keeps the most promising; the lowest bound of the others then bounds the
   result. The width doubles until nothing is left out, or the work is spent.

The steps depend on nothing but the input, and their number on counted work. All costs are whole numbers, so that no
rounding is in the proof.

A. M. Geoffrion, Lagrangean relaxation for integer programming (1974); J. E. Kelley, The cutting-plane method for
solving convex programs (1960); S. Irnich, G. Desaulniers, Shortest path problems with resource constraints (2005).
"""

from contextlib import suppress
from typing import Final, NamedTuple

from invalidator.planning.beam import Beam, nodes_of
from invalidator.planning.relaxation import MAX_LINES, Plane, Relaxation, highest
from invalidator.planning.tables import Route, Table
from invalidator.planning.tree import NEVER, SCALE, WORK, Meter, SpentError, Tree

_MAX_PLANES: Final = 60
_NEAR: Final = 0.05
"""A gap between the bound and the highest possible bound that is not worth another round."""
_ENTRY: Final = 8
"""The entries of a table that take as long as a label."""
_MAX_TABLE: Final = 100_000
"""The most entries of a table: some 4 MB."""
_MAX_WIDTH: Final = 4_096
"""The most labels at a node: some 1 MB."""
_WIDTH_FOR_TIES: Final = 64
"""The width from which on no work is done only to find the best of the choices that cost the same."""
_SHARES: Final = ((1, 1), (8, 7), (7, 8))
"""The tables' shares of the best price of what is saved: each bounds other labels best."""
_SKETCHES: Final = ((200, 200_000), (1_000, 200_000))
"""The first searches: among the nodes that save at least such a part of the need, with so much work. Mostly they end
near the best choice."""


class Choice(NamedTuple):
    """The chosen nodes. No choice that saves enough costs less than ``bound``."""

    nodes: list[int]
    price: int
    bound: int


def cheapest(tree: Tree, needed: int, room: int, work: int = WORK) -> Choice | None:
    """Return the cheapest choice that saves ``needed`` and takes no more than ``room``; None if none is found.

    Of the choices that cost the same, it is the one that saves the most, and of those the heaviest. Only where a proof
    would take more than ``work`` is the price above the bound, and the choice perhaps not the cheapest; more work never
    makes it worse. Where a single node will do, a choice is found without any work.
    """
    needed = max(needed, 0)  # a negative need says nothing, and no price could be put on it
    free = _free(tree, needed, room)
    if free is not None:
        return Choice(free, 0, 0)
    search = _Search(tree, needed, room, Meter(work))
    search.run(_SKETCHES)
    return search.choice()


def _free(tree: Tree, needed: int, room: int) -> list[int] | None:
    """Return a choice that costs nothing; None if none is enough. No node at no price is below another."""
    free = [node for node, price in enumerate(tree.price) if price == 0]
    chosen = [node for node in free if tree.taken[node] <= 0]
    room -= sum(tree.taken[node] for node in chosen)
    if room < 0:
        return None
    takers = [node for node in free if tree.taken[node] > 0]
    takers.sort(key=lambda node: (tree.saved[node], tree.weight[node]), reverse=True)
    chosen += takers[:room]
    return chosen if _sum(tree.saved, chosen) >= needed else None


def _sum(values: list[int], nodes: list[int]) -> int:
    return sum(values[node] for node in nodes)


class _Search:
    """A tree that loses nodes, and two bounds that approach each other."""

    def __init__(self, tree: Tree, needed: int, room: int, meter: Meter) -> None:
        self._whole = self._tree = tree
        self._needed, self._room, self._meter = needed, room, meter
        self._numbers = list(range(len(tree.price)))  # of the nodes that remain, in the whole tree
        self._per_saved, self._per_taken = 0, 0
        """The prices with the highest bound so far, scaled."""
        self._exact = False
        """True: what is taken is counted, and has no price."""
        self._lower = 0
        self._best: list[int] | None = None
        self._upper = sum(tree.price) + 1
        for node, price in enumerate(tree.price):
            if price < self._upper and tree.saved[node] >= needed and tree.taken[node] <= room:
                self._best, self._upper = [node], price

    def choice(self) -> Choice | None:
        """Return the best choice so far, with the bound."""
        return None if self._best is None else Choice(self._best, self._upper, self._lower)

    def run(self, sketches: tuple[tuple[int, int], ...] = ()) -> None:
        """Search until the best choice is proven, or the work is spent. More work makes the same steps, then more."""
        with suppress(SpentError):
            for share, work in sketches:
                self._sketch(self._needed // share, work)
            self._approach()
            self._sort()
            self._widen()

    def _sketch(self, least: int, work: int) -> None:
        """Search among the nodes that save at least so much, for a choice to start with."""
        tree, numbers = self._whole.only([saved >= least for saved in self._whole.saved])
        if len(numbers) == len(self._numbers):
            return
        meter = Meter(min(work, self._meter.left))
        before = meter.left
        search = _Search(tree, self._needed, self._room, meter)
        search.run()
        choice = search.choice()
        if choice and choice.price < self._upper:
            self._best, self._upper = [numbers[node] for node in choice.nodes], choice.price
        self._meter.spend(before - meter.left)

    def _raise(self, bound: int) -> None:
        """Note that nothing costs less than this scaled bound, but for what is already found."""
        self._lower = max(self._lower, min(-(-bound // SCALE), self._upper))

    def _offer(self, chosen: list[int]) -> Plane:
        """Take a choice of the nodes that remain, if it is enough and costs less than the best so far."""
        _, prices, saved, taken, _ = self._tree
        price, need = _sum(prices, chosen), self._needed - _sum(saved, chosen)
        over = _sum(taken, chosen) - self._room
        if need <= 0 and over <= 0 and price < self._upper:
            self._best, self._upper = [self._numbers[node] for node in chosen], price
        return price, need, over

    def _keep(self, kept: list[bool]) -> None:
        if not all(kept):
            self._tree, numbers = self._tree.only(kept)
            self._numbers = [self._numbers[node] for node in numbers]

    # --- a price on what is taken -----------------------------------------------------------------------

    def _approach(self) -> None:
        """Raise the bound as far as two prices can, and drop the nodes of which no choice is as cheap as the best."""
        planes: set[Plane] = {(0, self._needed, -self._room)}
        if self._best is not None:
            need = self._needed - _sum(self._whole.saved, self._best)
            planes.add((self._upper, need, _sum(self._whole.taken, self._best) - self._room))
        limit, top = float(self._upper) * (self._needed + 1), 0
        for _ in range(_MAX_PLANES):
            self._meter.spend(len(self._numbers))
            saved, taken, expected = highest(planes, limit)
            per_saved, per_taken = round(saved * SCALE), round(taken * SCALE)
            value, plane = self._relax(per_saved, per_taken)
            if value > top:
                self._per_saved, self._per_taken, top = per_saved, per_taken, value
            if plane in planes or expected - top / SCALE < _NEAR or self._lower >= self._upper:
                return
            planes.add(plane)

    def _relax(self, per_saved: int, per_taken: int) -> tuple[int, Plane]:
        """Find the best choice under these prices: it gives a bound, and perhaps is enough itself."""
        relaxed = Relaxation(self._tree, per_saved, per_taken)
        value = relaxed.below[-1] + per_saved * self._needed - per_taken * self._room
        self._raise(value)
        plane = self._offer(relaxed.best())
        self._keep(relaxed.within(self._upper * SCALE - value))
        return value, plane

    # --- what is taken is counted -----------------------------------------------------------------------

    def _table(self, per_saved: int) -> Table:
        route = Route(self._tree, self._room, exact=self._exact)
        self._meter.spend(len(self._numbers) * (1 + route.width // _ENTRY))
        return Table(route, self._needed, per_saved, self._per_taken)

    def _refine(self) -> None:
        """Raise the bound as far as one price can: up to where a rising line and a falling one meet."""
        width = Route(self._tree, self._room, exact=True).width
        if len(self._numbers) * width > _MAX_TABLE:
            return
        self._exact, self._per_taken = True, 0
        rising, falling, per_saved, top = (0, self._needed), (self._upper, 0), self._per_saved, -1
        for _ in range(MAX_LINES):
            table = self._table(per_saved)
            if table.value > top:
                self._per_saved, top = per_saved, table.value
            self._raise(table.value)
            if table.value > self._upper * SCALE:
                return
            price, need, _ = self._offer(table.best())
            self._keep(table.within(self._upper * SCALE))
            if need > 0:
                rising = price, need
            else:
                falling = price, need
            if rising[1] <= falling[1]:
                return
            per_saved = max((falling[0] - rising[0]) * SCALE // (rising[1] - falling[1]), 0)
            if rising[0] * SCALE + per_saved * rising[1] - top < _NEAR * SCALE:
                return

    # --- the beam ---------------------------------------------------------------------------------------

    def _sort(self) -> None:
        """Put the nodes that save more to the end: they are chosen first, and small ones fill up the rest."""
        self._meter.spend(len(self._numbers))
        self._tree, order = self._tree.largest_last()
        self._numbers = [self._numbers[node] for node in order]

    def _widen(self) -> None:
        """Go through the nodes with more and more labels."""
        width = 1
        while width <= _MAX_WIDTH:
            if not self._exact:
                self._refine()
            self._keep(self._table(self._per_saved).within(self._upper * SCALE))
            tables = [self._table(self._per_saved * share // whole) for share, whole in _SHARES]
            beam = Beam(self._tree, tables, self._upper * SCALE, width)
            label = beam.best(self._needed, self._meter)
            if label is not None and label[0] <= self._upper:
                # Of the choices at the same price, it is better than one that was found on the way.
                self._best, self._upper = [self._numbers[node] for node in nodes_of(label)], label[0]
            self._raise(beam.dropped)
            if beam.dropped == NEVER or (self._lower >= self._upper and width >= _WIDTH_FOR_TIES):
                return
            width *= 2
