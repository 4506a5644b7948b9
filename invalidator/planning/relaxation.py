"""A lower bound of a knapsack on a tree: prices on what is saved and on what is taken take the place of both limits.

For any prices, the value of the best choice is a lower bound (Lagrange multipliers). The prices at which the bound is
highest are found with Kelley's cutting planes. Pure.
"""

from collections.abc import Callable
from typing import Final

from invalidator.planning.tree import SCALE, Tree

MAX_LINES: Final = 40
"""The most rounds of a search for the highest point of a concave function."""

Plane = tuple[int, int, int]
"""A choice: its price, what it still needs to save, and what it takes beyond the room."""


class Relaxation:
    """The tree under scaled prices for each unit that is saved and for each that is taken."""

    def __init__(self, tree: Tree, per_saved: int, per_taken: int) -> None:
        self._tree = tree
        self._cost = [
            price * SCALE - per_saved * saved + per_taken * taken
            for price, saved, taken in zip(tree.price, tree.saved, tree.taken, strict=True)
        ]
        self.below = [0] * (len(self._cost) + 1)
        """The cost of the best choice below each node; that of the whole tree comes last."""
        below, parent = self.below, tree.parent
        for node, cost in enumerate(self._cost):
            best = below[node]
            below[parent[node]] += min(best, cost)

    def best(self) -> list[int]:
        """Return the choice that costs least."""
        parent = self._tree.parent
        closed, chosen = [False] * len(self.below), []
        for node in range(len(self._cost) - 1, -1, -1):
            if closed[parent[node]]:
                closed[node] = True
            elif self._cost[node] < self.below[node]:
                closed[node] = True
                chosen.append(node)
        return chosen

    def within(self, gap: int) -> list[bool]:
        """Tell of each node whether it is part of any choice within a gap of the best."""
        parent, kept = self._tree.parent, [False] * len(self._cost)
        regret = [0] * len(self.below)  # the gap to the best if neither the node nor any above it is chosen
        for node in range(len(self._cost) - 1, -1, -1):
            cost, best = self._cost[node], self.below[node]
            above = regret[parent[node]]
            kept[node] = above + max(cost - best, 0) <= gap
            regret[node] = above + max(best - cost, 0)
        return kept


_Line = tuple[float, float, float]
"""A point of a concave function: its value, its slope, and a number that belongs to it."""


def highest(planes: set[Plane], limit: float) -> tuple[float, float, float]:
    """Return the prices up to ``limit`` at which the lowest plane is highest, and how high that is.

    The first price is per unit saved, the second per unit taken.
    """

    def at_saved(per_saved: float) -> _Line:
        def at_taken(per_taken: float) -> _Line:
            price, lacking, over = min(planes, key=lambda plane: plane[0] + per_saved * plane[1] + per_taken * plane[2])
            return price + per_saved * lacking + per_taken * over, over, lacking

        per_taken, value, slope = _peak(at_taken, limit)
        return value, slope, per_taken

    per_saved, value, _ = _peak(at_saved, limit)
    return per_saved, at_saved(per_saved)[2], value


def _peak(line_at: Callable[[float], _Line], limit: float) -> tuple[float, float, float]:
    """Return where from 0 to ``limit`` a concave function is highest, how high, and its numbers mixed by the slopes."""
    low, high = 0.0, limit
    rising, falling = line_at(low), line_at(high)
    if rising[1] <= 0:
        return low, rising[0], rising[2]
    if falling[1] >= 0:
        return high, falling[0], falling[2]
    for _ in range(MAX_LINES):
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
