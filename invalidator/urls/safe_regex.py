"""Regular expressions that are refused if some key makes them run for ages. Pure.

Python's engine backtracks, so ``^(a+)+$`` takes twice as long for each further character of a key that does not match.
Whoever may upload chooses the keys. So each expression is tried before it is used, on keys made to keep each of its
repetitions busy, from short ones to the longest that S3 has, and refused as soon as one takes too long. Expressions
for which no such keys can be made (with look-around, references to groups, conditions) are refused without a trial.
"""

import importlib
import re
import time
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from invalidator.limits import MAX_KEY_BYTES

_SECONDS: Final = 0.1
"""The time that a key of the greatest length may take."""
_SECONDS_SHORT: Final = 0.01
"""The time that a key of up to ``_SHORT`` repetitions may take."""
_SHORT: Final = 32
_SECONDS_IN_ALL: Final = 0.5

# The numbers of repetitions to try. They grow so slowly that the first which takes too long does not take for ages.
_REPETITIONS: Final = (
    *range(1, 17),
    *(18, 20, 22, 24, 28, 32, 40, 50, 62, 78, 97, 121, 152, 190, 237, 296, 370, 463, 579, 723, 904),
)
_CHARACTERS: Final = "a0A/._- \n\0é"
_MAX_DEPTH: Final = 50
"""The depth at which groups, alternatives and repetitions may be nested is less than this.

Python's own limit differs with its version and with the caller's stack.
"""
_MAX_LITERALS: Final = 12
_MAX_TEXTS: Final = 24
_REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_SINGLE: Final = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_REFUSED: Final = {
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "GROUPREF": "a reference to a group",
    "GROUPREF_EXISTS": "a condition",
}

# The standard library's own parser of patterns; its name is not public, its result has been the same for decades.
_parser: Final[Any] = importlib.import_module("re._parser")
_compiler: Final[Any] = importlib.import_module("re._compiler")


class Expression:
    """A regular expression to search keys for, in which ``.`` matches any character: a key may hold line breaks."""

    def __init__(self, text: str) -> None:
        """Raise re.error if the text is no expression, or one that cannot be tried."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about "[[", whose meaning has not changed
            pattern = re.compile(text, re.DOTALL)
            self._tree = _parser.parse(text, re.DOTALL)
        if refused := sorted(set(_operations(self._tree, _MAX_DEPTH)) & set(_REFUSED)):
            raise re.error(f"{_REFUSED[refused[0]]} cannot be used here")
        literals = dict.fromkeys(c for c in text if c.isalnum() or c in ",;:~=+@!&%")
        self._samples = _Samples((*_CHARACTERS, *list(literals)[:_MAX_LITERALS]))
        # A pattern that begins with ".*" matches at the beginning or nowhere: a search elsewhere only takes time.
        self.search = pattern.match if _begins_with_anything(self._tree) else pattern.search
        self.groups = pattern.groups
        self.names = frozenset(pattern.groupindex)
        self._tried = self.search
        if _loosen(self._tree):
            loose = _compiler.compile(self._tree, re.DOTALL)
            self._tried = loose.match if _begins_with_anything(self._tree) else loose.search

    def slow_key(self) -> str | None:
        """Return a key on which the expression takes too long; None if none was found within half a second."""
        attacks = (
            (before, body, after)
            for before, bodies in self._samples.repeats(self._tree, "")
            for body in bodies
            for after in self._misfits(before, body)
        )
        start = time.thread_time()
        for before, body, after in attacks:
            if slow := self._slow_length(before, body, after):
                return slow
            if time.thread_time() - start > _SECONDS_IN_ALL:
                return None
        return None

    def _slow_length(self, before: str, body: str, after: str) -> str | None:
        for times in _REPETITIONS:
            key: str = before + body * times + after
            if len(key) > MAX_KEY_BYTES:
                break
            limit = _SECONDS_SHORT if times <= _SHORT else _SECONDS
            # Measured twice, since another thread or process may have taken the time of the first.
            if self._seconds(key) > limit and self._seconds(key) > limit:
                return key
        return None

    def _seconds(self, key: str) -> float:
        start = time.thread_time()
        self._tried(key)
        return time.thread_time() - start

    def _misfits(self, before: str, body: str) -> list[str]:
        """Return up to two ends with which a key does not match as a whole, so that the engine tries everything."""
        ends = ("\n\0\n", "!", *_CHARACTERS)
        return [end for end in ends if not self._fits(before + body * 2 + end)][:2]

    def _fits(self, key: str) -> bool:
        match = self._tried(key)
        return match is not None and match.span() == (0, len(key))


# --- parsed expressions ---------------------------------------------------------------------------------


def _begins_with_anything(tree: Any) -> bool:
    if not len(tree):
        return False
    operation, argument = tree[0]
    if str(operation) == "SUBPATTERN" and not argument[2]:  # the flags that are turned off, as in (?-s:.*)
        return _begins_with_anything(argument[-1])
    if str(operation) != "MAX_REPEAT":
        return False
    least, most, body = argument
    return least == 0 and most == _parser.MAXREPEAT and [str(inner) for inner, _ in body] == ["ANY"]


def _loosen(tree: Any) -> bool:
    """Let everything but a single character that is repeated a certain number of times be repeated at will.

    ``(?:a|aa){30}`` takes no time on 29 characters and ages on 40; ``(?:a|aa)+`` shows from the start where it leads.
    Returns whether anything has changed.
    """
    changed = False
    for position, (operation, argument) in enumerate(tree.data):
        if str(operation) in _REPEATS:
            least, most, body = argument
            changed |= _loosen(body)
            if 1 < most < _parser.MAXREPEAT and (len(body) != 1 or str(body[0][0]) not in _SINGLE):
                tree.data[position] = (operation, (min(least, 1), _parser.MAXREPEAT, body))
                changed = True
        else:
            for inner in _inner(str(operation), argument):
                changed |= _loosen(inner)
    return changed


def _operations(tree: Any, depth: int) -> Iterator[str]:
    if not depth:
        raise re.error(f"groups, alternatives and repetitions are nested {_MAX_DEPTH} deep, or deeper")
    for operation, argument in tree:
        name = str(operation)
        yield name
        for inner in [argument[2]] if name in _REPEATS else _inner(name, argument):
            yield from _operations(inner, depth - 1)


def _inner(name: str, argument: Any) -> list[Any]:
    match name:
        case "SUBPATTERN":
            return [argument[-1]]
        case "BRANCH":
            return list(argument[1])
        case "ATOMIC_GROUP":
            return [argument]
    return []


# --- texts for them to match ----------------------------------------------------------------------------


class _Samples:
    """Texts that an expression matches, made of characters that are likely to matter."""

    def __init__(self, characters: tuple[str, ...]) -> None:
        self._characters = tuple(dict.fromkeys(characters))

    def repeats(self, tree: Any, before: str) -> Iterator[tuple[str, list[str]]]:
        """Yield a text that leads up to each repetition, the inner ones first, and texts that it can repeat."""
        for operation, argument in tree:
            name = str(operation)
            if name in _REPEATS:
                _, most, body = argument
                yield from self.repeats(body, before)
                if most > 1:
                    yield before, list(dict.fromkeys(self._matching(body)))[:_MAX_TEXTS]
            else:
                for inner in _inner(name, argument):
                    yield from self.repeats(inner, before)
            before = (before + next(iter(self._matching([(operation, argument)])), ""))[:MAX_KEY_BYTES]

    def _matching(self, tree: Any) -> Iterator[str]:
        """Yield some texts with the fewest repetitions, in which each branch and each kind of character occurs."""
        choices = [list(islice(self._choices(str(operation), argument), _MAX_TEXTS)) for operation, argument in tree]
        firsts = [choice[0] if choice else "" for choice in choices]
        yield "".join(firsts)[:MAX_KEY_BYTES]
        for position, choice in enumerate(choices):
            for other in choice[1:]:
                yield "".join([*firsts[:position], other, *firsts[position + 1 :]])[:MAX_KEY_BYTES]

    def _choices(self, name: str, argument: Any) -> Iterator[str]:
        if name in _SINGLE:
            yield from self._single(name, argument)
        elif name in _REPEATS:
            least, _, body = argument
            for text in self._matching(body):
                yield (text * min(max(least, 1), MAX_KEY_BYTES))[:MAX_KEY_BYTES]
        else:
            for inner in _inner(name, argument):
                yield from self._matching(inner)

    def _single(self, name: str, argument: Any) -> list[str]:
        match name:
            case "LITERAL":
                return [chr(argument)]
            case "NOT_LITERAL":
                return [c for c in self._characters if ord(c) != argument]
            case "ANY":
                return list(self._characters)
        return self._of_set(argument)

    def _of_set(self, members: Any) -> list[str]:
        fits = re.compile(_set_source(members)).fullmatch
        likely = [c for c in (*_listed(members), *self._characters) if fits(c)]
        return list(dict.fromkeys(likely)) or [c for c in map(chr, range(0x20, 0x250)) if fits(c)][:2]


def _listed(members: Any) -> list[str]:
    """Return the characters that a set names, and the ends of its ranges."""
    listed = [chr(argument) for name, argument in members if str(name) == "LITERAL"]
    return listed + [chr(end) for name, argument in members if str(name) == "RANGE" for end in argument]


def _set_source(members: Any) -> str:
    """Return the set as a pattern of its own."""
    categories = {
        "CATEGORY_DIGIT": r"\d",
        "CATEGORY_NOT_DIGIT": r"\D",
        "CATEGORY_SPACE": r"\s",
        "CATEGORY_NOT_SPACE": r"\S",
        "CATEGORY_WORD": r"\w",
        "CATEGORY_NOT_WORD": r"\W",
    }
    source = ""
    for name, argument in members:
        match str(name):
            case "NEGATE":
                source += "^"
            case "LITERAL":
                source += re.escape(chr(argument))
            case "RANGE":
                source += "-".join(re.escape(chr(end)) for end in argument)
            case "CATEGORY":
                source += categories.get(str(argument), "")
    return f"[{source}]" if source.strip("^") else "(?s:.)"
