"""A beam search through the nodes of a tree: partial choices, of which only the most promising go on. Pure."""

from bisect import bisect_right
from operator import itemgetter
from typing import Any

from invalidator.planning.tables import Table
from invalidator.planning.tree import NEVER, SCALE, Meter, Tree

Label = tuple[int, int, int, int, Any]
"""A partial choice: its price, what it still needs to save, its negative weight, what it takes, and its nodes.

The nodes are None, or a pair of the last one and the nodes before it. Choices are compared by the other four, in order.
"""

_rank = itemgetter(0, 1, 2, 3)


class Beam:
    """Labels that go through the nodes, no more than ``width`` of them at each."""

    def __init__(self, tree: Tree, tables: list[Table], limit: int, width: int) -> None:
        self._tree, self._tables, self._limit, self._width = tree, tables, limit, width
        self._route = tables[0].route
        self.dropped = NEVER
        """The least cost, scaled, of all labels that were left out although they might cost no more than the limit."""

    def best(self, needed: int, meter: Meter) -> Label | None:
        """Return the best label that saves enough and takes no more than there is; None if none is left."""
        tree, first = self._tree, self._route.first
        arriving: list[list[Label]] = [[] for _ in range(len(tree.parent) + 1)]
        labels: list[Label] = [(0, needed, 0, self._route.start, None)]
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
        return min(
            (label for label in labels if label[1] <= 0 and label[3] <= self._route.end), key=_rank, default=None
        )

    def _choose(self, node: int, labels: list[Label]) -> list[Label]:
        _, prices, saved, taken, weights = self._tree
        more, less, takes, weight = prices[node], saved[node], taken[node], weights[node]
        return [
            (price + more, need - less, light - weight, used + takes, (node, nodes))
            for price, need, light, used, nodes in labels
        ]

    def _within(self, labels: list[Label], place: int, before: int | None = None) -> list[Label]:
        """Return the labels that may lead to a cost within the limit, given those that did at the place before."""
        limit, exact = self._limit, self._route.exact
        for table in self._tables:
            row, per_saved, per_taken = table.rows[place], table.per_saved, table.per_taken
            if before is None or row is not table.rows[before]:
                labels = [
                    label
                    for label in labels
                    if label[0] * SCALE + per_saved * label[1] + per_taken * label[3] + row[label[3] if exact else 0]
                    <= limit
                ]
        return labels

    def _bounds(self, labels: list[Label], place: int) -> list[int]:
        """Return the least cost that each label may lead to."""
        bounds, exact = [0] * len(labels), self._route.exact
        for table in self._tables:
            row, per_saved, per_taken = table.rows[place], table.per_saved, table.per_taken
            bounds = [
                max(
                    bound,
                    label[0] * SCALE + per_saved * label[1] + per_taken * label[3] + row[label[3] if exact else 0],
                )
                for bound, label in zip(bounds, labels, strict=True)
            ]
        return bounds

    def _best_of(self, labels: list[Label], place: int) -> list[Label]:
        """Return the labels that no other dominates, and of these the most promising."""
        labels = _pareto(labels)
        if len(labels) <= self._width:
            return labels
        bounds = self._bounds(labels, place)
        kept = self._promising(labels, sorted(range(len(labels)), key=bounds.__getitem__))
        self.dropped = min(self.dropped, *(bound for number, bound in enumerate(bounds) if number not in kept))
        return [labels[number] for number in sorted(kept)]

    def _promising(self, labels: list[Label], order: list[int]) -> set[int]:
        """Choose half of the labels by their bounds; the others differ as much as may be in what they take and need."""
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


def _pareto(labels: list[Label]) -> list[Label]:
    """Leave out the labels that cost as much as another or more, and neither save more nor take less."""
    labels.sort(key=_rank)
    kept: list[Label] = []
    taken: list[int] = []  # by the kept labels, ascending, each with the most that they save, ascending likewise
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


def nodes_of(label: Label) -> list[int]:
    """Return the chosen nodes of a label."""
    nodes, rest = list[int](), label[4]
    while rest:
        node, rest = rest
        nodes.append(node)
    return nodes
