"""The tree of a knapsack, and the bounds of a search in it. Pure."""

from typing import Final, NamedTuple

SCALE: Final = 1 << 20
"""Costs under prices are whole numbers in units of this fraction, so that no rounding is in a proof."""
NEVER: Final = 1 << 200
"""More than anything costs."""
WORK: Final = 1_500_000
"""The labels, nodes and entries of tables that a search may look at: one to two seconds of work."""


class Tree(NamedTuple):
    """Nodes in postorder: all nodes below a node come just before it. ``parent`` of a root is the number of nodes.

    Each node has a price, saves something, takes something (or gives it, if the number is negative), and has a weight:
    of the choices that cost and save the same, the heaviest is taken.
    """

    parent: list[int]
    price: list[int]
    saved: list[int]
    taken: list[int]
    weight: list[int]

    def only(self, kept: list[bool]) -> "tuple[Tree, list[int]]":
        """Return the tree of the kept nodes, and their numbers in this tree."""
        numbers = [node for node, keep in enumerate(kept) if keep]
        size, total = len(kept), len(numbers)
        new = [total] * (size + 1)  # of each node, the new number of itself or of the kept node above it
        for fresh in range(total):
            new[numbers[fresh]] = fresh
        for node in range(size - 1, -1, -1):
            if not kept[node]:
                new[node] = new[self.parent[node]]
        return Tree(
            [new[self.parent[node]] for node in numbers], *([values[node] for node in numbers] for values in self[1:])
        ), numbers

    def largest_last(self) -> "tuple[Tree, list[int]]":
        """Return the tree in a postorder in which siblings that save more come later, and the old numbers."""
        size = len(self.parent)
        children: list[list[int]] = [[] for _ in range(size + 1)]
        for node in sorted(range(size), key=self.saved.__getitem__):
            children[self.parent[node]].append(node)
        order, open_ = list[int](), [size]
        while open_:
            order.append(node := open_.pop())
            open_ += children[node]
        order.reverse()
        new = {node: number for number, node in enumerate(order)}
        order.pop()
        return Tree(
            [new[self.parent[node]] for node in order], *([values[node] for node in order] for values in self[1:])
        ), order


class SpentError(Exception):
    """There is no work left to spend."""


class Meter:
    """A countdown of work: the same input always stops at the same step, on any machine."""

    def __init__(self, work: int) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Take some work off. Raises SpentError, and takes all, if there is less left."""
        if work > self.left:
            self.left = 0
            raise SpentError
        self.left -= work
