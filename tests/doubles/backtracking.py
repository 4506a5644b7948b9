"""A matcher that goes back as Python's does, over the same parse tree, and counts its steps."""

import importlib
import re
from collections.abc import Callable
from typing import Any

_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")
_constants: Any = importlib.import_module("re._constants")

_GoOn = Callable[[int], int | None]
"""What comes next, from a place in the key: the end of the match, or None."""

SINGLE = {"LITERAL", "NOT_LITERAL", "ANY", "IN"}


class Backtracking:
    """An expression, in which a dot is any character. ``steps`` counts the tests of characters and the choices."""

    def __init__(self, text: str) -> None:
        self._tree = _parser.parse(text, re.DOTALL)
        self._single: dict[tuple[str, str], Any] = {}
        self.steps = 0
        self._key = ""

    def search(self, key: str, places: range) -> tuple[int, int] | None:
        """Return the span of the first match from one of these places."""
        self._key = key
        for place in places:
            end = self._sequence(self._tree, 0, place, lambda end: end)
            if end is not None:
                return place, end
        return None

    def _sequence(self, tree: Any, number: int, place: int, go_on: _GoOn) -> int | None:
        if number == len(tree):
            return go_on(place)
        operation, argument = tree[number]
        return self._part(str(operation), argument, place, lambda end: self._sequence(tree, number + 1, end, go_on))

    def _part(self, name: str, argument: Any, place: int, go_on: _GoOn) -> int | None:
        if name == "SUBPATTERN":
            return self._sequence(argument[-1], 0, place, go_on)
        if name == "BRANCH":
            self.steps += 1
            return _first(self._sequence(branch, 0, place, go_on) for branch in argument[1])
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            least, most, body = argument
            single = len(body) == 1 and str(body[0][0]) in SINGLE
            repeat = self._characters if single else self._groups
            return repeat(least, most, body, place, go_on, greedy=name == "MAX_REPEAT")
        return go_on(place + (name != "AT")) if self._fits(name, argument, place) else None

    def _fits(self, name: str, argument: Any, place: int) -> bool:
        self.steps += 1
        node = name, repr(argument)
        if node not in self._single:
            part = _parser.SubPattern(self._tree.state, [(getattr(_constants, name), argument)])
            self._single[node] = _compiler.compile(part, self._tree.state.flags)
        return self._single[node].match(self._key, place) is not None

    def _characters(self, least: int, most: int, body: Any, place: int, go_on: _GoOn, *, greedy: bool) -> int | None:
        (operation, argument), ends, end = body[0], [], place
        while True:
            if end - place >= least:
                ends.append(end)
                if not greedy and (found := go_on(end)) is not None:
                    return found
            if end - place == most or not self._fits(str(operation), argument, end):
                return _first(map(go_on, reversed(ends))) if greedy else None
            end += 1

    def _groups(self, least: int, most: int, body: Any, place: int, go_on: _GoOn, *, greedy: bool) -> int | None:
        def rest(times: int, end: int) -> int | None:
            self.steps += 1
            for again in (True, False) if greedy else (False, True):
                if again and times < most:
                    found = self._sequence(body, 0, end, lambda then: rest(times + 1, then))
                else:
                    found = None if again or times < least else go_on(end)
                if found is not None:
                    return found
            return None

        return rest(0, place)


def _first(ends: Any) -> int | None:
    return next((end for end in ends if end is not None), None)
