"""Tables of the cheapest rest of a choice, with an exact count of what is taken. Pure.

A choice of nodes is a path through them, from the last to the first: each node is passed over, or chosen, which leads
past all nodes below it.
"""

from operator import add

from invalidator.planning.tree import NEVER, SCALE, Tree


class Route:
    """The steps from the last node to the first, and the bounds of what may be taken on the way.

    Place ``n`` is before node ``n - 1``. From there a path leads to place ``n - 1`` or, if the node is chosen, to
    ``first[n - 1]``, the first place below it. What is taken is counted from ``start``, so that the count is never
    negative; at place 0 it may be ``end`` at most.
    """

    def __init__(self, tree: Tree, room: int, *, exact: bool) -> None:
        size = len(tree.parent)
        self.tree, self.exact = tree, exact
        self.first = list(range(size + 1))
        given = [0] * (size + 1)  # the most that a node, or the nodes below it, can give
        for node, parent in enumerate(tree.parent):
            given[node] = max(given[node], -tree.taken[node])
            given[parent] += given[node]
            self.first[parent] = min(self.first[parent], self.first[node])
        self.start = given[size]
        self.end = room + self.start
        self.width = max(self.end, 0) + self.start + max([0, *tree.taken]) + 1

    def entry(self, taken: int) -> int:
        """Return the entry of a row that holds for a count of what is taken; without exact counts there is one."""
        return taken if self.exact else 0


class Table:
    """The least cost of the rest of a path, scaled: a row for each place, with an entry for each count.

    Without exact counts, what is taken has a price, and each row has one entry.
    """

    def __init__(self, route: Route, needed: int, per_saved: int, per_taken: int) -> None:
        self.route, self.per_saved, self.per_taken = route, per_saved, per_taken
        tree = route.tree
        self._cost = [
            price * SCALE - per_saved * saved + per_taken * taken
            for price, saved, taken in zip(tree.price, tree.saved, tree.taken, strict=True)
        ]
        self._offset = per_saved * needed
        if route.exact:
            self.rows = [[0 if taken <= route.end else NEVER for taken in range(route.width)]]
        else:
            self.rows = [[-per_taken * route.end]]
        for node, cost in enumerate(self._cost):
            skipped, chosen = self.rows[node], self._ahead(self.rows[route.first[node]], tree.taken[node])
            row = [
                one if one <= other + cost else other + cost  # noqa: FURB136 - this takes half the time of min()
                for one, other in zip(skipped, chosen, strict=True)
            ]
            self.rows.append(skipped if row == skipped else row)
        self.value = self._offset + per_taken * route.start + self.rows[-1][route.entry(route.start)]

    def _ahead(self, row: list[int], taken: int) -> list[int]:
        """Return the entries of a row for the counts after so much more is taken."""
        if not self.route.exact or not taken:
            return row
        return row[taken:] + [NEVER] * taken if taken > 0 else row[:1] * -taken + row[:taken]

    def _behind(self, row: list[int], taken: int) -> list[int]:
        """Return the entries of a row for the counts before so much was taken."""
        if not self.route.exact or not taken:
            return row
        return [NEVER] * taken + row[:-taken] if taken > 0 else row[-taken:] + [NEVER] * -taken

    def best(self) -> list[int]:
        """Return the choice that costs least."""
        node, taken, chosen = len(self._cost), self.route.start, []
        while node:
            node -= 1
            entry = self.route.entry(taken)
            if self.rows[node + 1][entry] != self.rows[node][entry]:
                chosen.append(node)
                taken += self.route.tree.taken[node]
                node = self.route.first[node]
        return chosen

    def within(self, limit: int) -> list[bool]:
        """Tell of each node whether it is part of any path that costs no more than a limit."""
        route, size = self.route, len(self._cost)
        never = [NEVER] * len(self.rows[0])
        behind, kept = [never] * (size + 1), [False] * size
        behind[size] = never.copy()
        behind[size][route.entry(route.start)] = self._offset + self.per_taken * route.start
        for node in range(size - 1, -1, -1):
            here, first = behind[node + 1], route.first[node]
            behind[node + 1] = never  # it is not read again
            chosen = [entry + self._cost[node] for entry in self._behind(here, route.tree.taken[node])]
            kept[node] = min(map(add, chosen, self.rows[first])) <= limit
            behind[node] = here if behind[node] is never else list(map(min, behind[node], here))
            if kept[node]:
                behind[first] = list(map(min, behind[first], chosen))
        return kept
