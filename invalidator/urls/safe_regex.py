"""Regular expressions that are refused unless their structure proves that no key makes them run for long. Pure.

Python's engine backtracks, so ``^(a+)+$`` takes twice as long for each further character of a key that does not match.
Whoever may upload chooses the keys. Where the next character of a key decides how an expression goes on, there is one
way; elsewhere the engine may have to try each. A bound on its steps follows for the longest key that S3 has.

Ways and steps are polynomials: ``(a, b, c)`` stands for a, b for each character that is left of the key, and c for each
pair of them. So what is tried at each character costs the polynomial, shifted by one.
"""

import importlib
import re
import warnings
from collections.abc import Callable
from functools import reduce
from itertools import accumulate, zip_longest
from math import comb
from typing import Any, Final, NamedTuple

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_KEY_BYTES
from invalidator.urls.characters import END, characters_of

_MAX_STEPS: Final = 16_000_000
"""The steps that a search may take: 50 to 100 milliseconds, as measured with the worst expressions of random ones."""
_MAX_DEPTH: Final = 50
"""The depth at which groups, alternatives and repetitions may be nested is less than this.

Python's own limit differs with its version and with the caller's stack.
"""
_ITERATION: Final = 4
"""Steps for a repetition of a group, which takes the engine longer than the test of a character."""
_FEW: Final = 64
"""Up to so many repetitions count as they are, more as any number."""
_MAX_FAR_MEMBERS: Final = 8
"""Of a set: Python compares each character with one after the other of those beyond U+FFFF."""
_MAX_DEGREE: Final = 3
"""Beyond the limit for the longest key, as are all higher ones."""

_BEGIN: Final = "takes too long on some keys, since it is tried at each of their characters: let it begin with ^"
_SHARED: Final = (
    "takes too long on some keys, since its parts can share the same characters in many ways: let no part match the"
    " character with which the next begins, as [^/]*/ in place of .*/"
)
_SHARED_FOR_EVER: Final = (
    "takes for ever on some keys, since what it repeats can match the same characters in several ways: let each"
    " repetition end with a character that is nowhere else in it, as (?:[^/]+/)*"
)
_FAR: Final = "has a set of many characters beyond U+FFFF, which takes long: let it have ranges of them"
_EMPTY: Final = "repeats, or makes optional, what may match nothing: let that match at least one character, as (?:a+)?"
_EMPTY_TWICE: Final = "has alternatives of which two may match nothing: leave that to one of them, as (?:a|b)?"

_REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT")
_CODES: Final = ("LITERAL", "RANGE")
_FIRST_PLANE: Final = 0xFFFF
_SINGLE: Final = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_REFUSED: Final = {
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "GROUPREF": "a reference to a group",
    "GROUPREF_EXISTS": "a condition",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repetition",
}

# The standard library's own parser of patterns; its name is not public, its result has been the same for decades.
_parser: Final[Any] = importlib.import_module("re._parser")

_IGNORES_CASE: Final = re.compile(r"\(\?[a-zA-Z]*i").search

_Number = tuple[int, ...]
_NONE: Final[_Number] = ()
_ONE: Final[_Number] = (1,)


class Expression:
    """A regular expression to search keys for, in which ``.`` matches any character: a key may hold line breaks."""

    def __init__(self, text: str) -> None:
        """Raise re.error if the text is no expression, ConfigurationError if it may take too long."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about "[[", whose meaning has not changed
            pattern = re.compile(text, re.DOTALL)
            tree = _parser.parse(text, re.DOTALL)
        # A search elsewhere than at the beginning would only take time.
        is_anchored = _begins_with_anything(tree) or _begins_at_the_beginning(tree, pattern.flags)
        self.search = pattern.match if is_anchored else pattern.search
        self.groups = pattern.groups
        self.names = frozenset(pattern.groupindex)
        from_one_place = _steps(tree, any_case=bool(_IGNORES_CASE(text)))
        self._steps = from_one_place if is_anchored else (0, *from_one_place)
        if self.steps(MAX_KEY_BYTES) > _MAX_STEPS:
            raise ConfigurationError(_BEGIN if _evaluated(from_one_place, MAX_KEY_BYTES) <= _MAX_STEPS else _SHARED)

    def steps(self, length: int) -> int:
        """Return a bound on the steps of a search in any key of this length."""
        return _evaluated(self._steps, length)


def _begins_at_the_beginning(tree: Any, flags: int) -> bool:
    beginning = ("AT_BEGINNING", "AT_BEGINNING_STRING")[flags & re.MULTILINE > 0 :]
    return bool(len(tree)) and str(tree[0][1]) in beginning


def _begins_with_anything(tree: Any) -> bool:
    """Return whether a match at any place would also be one from the beginning of the key."""
    if not len(tree):
        return False
    operation, argument = tree[0]
    if str(operation) == "SUBPATTERN" and not argument[2]:  # the flags that are turned off, as in (?-s:.*)
        return _begins_with_anything(argument[-1])
    if str(operation) not in _REPEATS:
        return False
    _, most, body = argument
    return most == _parser.MAXREPEAT and [str(inner) for inner, _ in body] == ["ANY"]


# --- the bound -------------------------------------------------------------------------------------------


class _Begin(NamedTuple):
    """The characters with which something can begin, the steps to find that it does not, and whether it may be empty.

    Nothing has more than one way to be empty.
    """

    characters: int
    steps: int
    is_empty: bool

    def then(self, after: "_Begin") -> "_Begin":
        if not self.is_empty:
            return self
        return _Begin(self.characters | after.characters, self.steps + after.steps, after.is_empty)


_AT_END: Final = _Begin(0, 0, is_empty=True)
"""After the end of an expression nothing can fail, so that nothing is tried again."""


class _Cost(NamedTuple):
    """The ways through a part of an expression, and its steps, the vain ones at what comes after it included.

    A way is one to a place where what comes after can begin: elsewhere that is over after its first steps. With one
    way, no character of a key is looked at twice.
    """

    ways: _Number
    steps: _Number

    def then(self, after: "_Cost") -> "_Cost":
        if self.ways == _ONE:
            # Each of the two has its own share of the characters.
            fixed, each = sum(self.steps[:1] + after.steps[:1]), _joined(max, self.steps[1:], after.steps[1:])
            return _Cost(after.ways, (fixed, *each))
        return _Cost(_times(self.ways, after.ways), _plus(self.steps, _times(self.ways, after.steps)))


def _steps(tree: Any, *, any_case: bool) -> _Number:
    """Return a bound on the steps from one place of a key. Raises ConfigurationError if there is none."""
    bound = _Bound(any_case=any_case)
    bound.begin(tree, _MAX_DEPTH)
    return bound.cost(tree, _AT_END).steps


class _Bound:
    """The bound on the steps of one expression."""

    def __init__(self, *, any_case: bool) -> None:
        self._any_case = any_case
        self._begins: dict[int, _Begin] = {}

    def begin(self, tree: Any, depth: int = 0) -> _Begin:
        """Return how a sequence begins; the first time, check it to this depth."""
        if id(tree) not in self._begins:
            if not depth:
                raise re.error(f"groups, alternatives and repetitions are nested {_MAX_DEPTH} deep, or deeper")
            parts = [self._part(str(operation), argument, depth - 1) for operation, argument in tree]
            self._begins[id(tree)] = reduce(lambda after, part: part.then(after), reversed(parts), _AT_END)
        return self._begins[id(tree)]

    def _part(self, name: str, argument: Any, depth: int = 0) -> _Begin:
        match name:
            case "AT":
                is_end = "AT_END" in str(argument)
                return _Begin(END | 1 << ord("\n") if is_end else 0, 1, is_empty=not is_end)
            case "SUBPATTERN":
                return self.begin(argument[-1], depth)
            case "BRANCH":
                return self._either([self.begin(branch, depth) for branch in argument[1]])
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, _, body = argument
                inner = self.begin(body, depth)
                return _Begin(inner.characters, inner.steps + 1, least == 0)
        if name not in _SINGLE:
            raise ConfigurationError(f"has {_REFUSED.get(name, name)}, which cannot be used here")
        if name == "IN" and _far_members(argument) > _MAX_FAR_MEMBERS:
            raise ConfigurationError(_FAR)
        return _Begin(characters_of(name, argument, any_case=self._any_case), 1, is_empty=False)

    @staticmethod
    def _either(begins: list[_Begin]) -> _Begin:
        if sum(begin.is_empty for begin in begins) > 1:
            raise ConfigurationError(_EMPTY_TWICE)
        characters = reduce(int.__or__, (begin.characters for begin in begins))
        return _Begin(characters, 1 + sum(begin.steps for begin in begins), any(begin.is_empty for begin in begins))

    def cost(self, tree: Any, after: _Begin) -> _Cost:
        """Return the cost of a sequence in front of something."""
        cost = _Cost(_ONE, _NONE)
        for operation, argument in reversed(tree.data):
            cost = self._cost(str(operation), argument, after).then(cost)
            after = self._part(str(operation), argument).then(after)
        return cost

    def _cost(self, name: str, argument: Any, after: _Begin) -> _Cost:
        if name == "SUBPATTERN":
            return self.cost(argument[-1], after)
        if name == "BRANCH":
            return self._branches(argument[1], after)
        if name not in _REPEATS:
            return _Cost(_ONE, _ONE)
        least, most, body = argument
        if len(body) == 1 and str(body[0][0]) in _SINGLE:
            return self._characters(least, most, self.begin(body), after)
        return self._groups(least, most, body, after)

    def _branches(self, branches: list[Any], after: _Begin) -> _Cost:
        """Add up what begins with the same characters; of the others, only one goes on after its first steps."""
        seen, ways, steps, in_vain = 0, _NONE, _NONE, 1 + after.steps
        for branch in branches:
            begin, cost = self.begin(branch), self.cost(branch, after)
            characters = begin.then(after).characters
            how = sum if seen & characters else max
            ways, steps = _joined(how, ways, cost.ways), _joined(how, steps, cost.steps)
            seen, in_vain = seen | characters, in_vain + begin.steps
        return _Cost(ways, _plus(steps, (in_vain,)))

    @staticmethod
    def _characters(least: int, most: int, inner: _Begin, after: _Begin) -> _Cost:
        is_clear = least == most or not inner.characters & after.characters
        each = 1 + after.steps
        return _Cost(_counts(least, most, is_clear), (1 + most * each,) if most <= _FEW else (1, each))

    def _groups(self, least: int, most: int, body: Any, after: _Begin) -> _Cost:
        if not body.getwidth()[0]:
            raise ConfigurationError(_EMPTY)
        inner = self.begin(body)
        again = _Begin(inner.characters | after.characters, inner.steps + after.steps + 1, is_empty=False)
        ways, steps = self.cost(body, after if most == 1 else again)
        steps = _plus(steps, (_ITERATION + after.steps,))
        is_clear = least == most or not inner.characters & after.characters
        if ways == _ONE:
            steps = _plus(_ONE, _times(steps, (most,))) if most <= _FEW else _plus(steps, (0, steps[0]))
            return _Cost(_counts(least, most, is_clear), steps)
        if most > _FEW:
            raise ConfigurationError(_SHARED_FOR_EVER)
        powers = list(accumulate(range(most), lambda power, _: _times(power, ways), initial=_ONE))
        total = reduce(_plus, powers)
        return _Cost(powers[-1] if is_clear else total, _times(total, steps))


def _far_members(members: Any) -> int:
    """Return how many members of a set are, or end, in the planes beyond the first."""
    ends = (argument[1] if str(name) == "RANGE" else argument for name, argument in members if str(name) in _CODES)
    return sum(end > _FIRST_PLANE for end in ends)


def _counts(least: int, most: int, is_clear: bool) -> _Number:
    if is_clear:
        return _ONE
    return (most - least + 1,) if most <= _FEW else (0, 1)


def _evaluated(number: _Number, left: int) -> int:
    return sum(times * comb(left + degree, degree) for degree, times in enumerate(number))


def _joined(how: Callable[[tuple[int, ...]], int], one: _Number, other: _Number) -> _Number:
    return tuple(map(how, zip_longest(one, other, fillvalue=0)))


def _plus(one: _Number, other: _Number) -> _Number:
    return _joined(sum, one, other)


def _times(one: _Number, other: _Number) -> _Number:
    product = [0] * (_MAX_DEGREE + 1)
    for degree, a in enumerate(one):
        for more, b in enumerate(other):
            product[min(degree + more, _MAX_DEGREE)] += a * b
    return tuple(min(a, _MAX_STEPS + 1) for a in product[: len(one) + len(other) - 1])
