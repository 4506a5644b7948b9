"""Globs, and regular expressions, of which those are found that can be made to run for ages. Pure.

Python's engine goes back and tries again, so ``^(a+)+$`` takes twice as long for each further character of a key that
does not match. Keys come from whoever may upload: a pattern is tried before it is used, on keys made to keep each of
its repetitions busy, from short ones to the longest that S3 has, and as soon as one takes too long it is refused. What
such keys cannot be made for (look-around, references to groups, conditions) is refused as it is.
"""

import fnmatch
import importlib
import re
import time
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from invalidator.limits import MAX_KEY_BYTES

_SECONDS: Final = 0.1
"""For a key of the greatest length."""
_SECONDS_SHORT: Final = 0.01
_SHORT: Final = 32
_SECONDS_IN_ALL: Final = 0.5

# Each step takes so little more than the one before that the first which takes too long does not take for ages.
_STEPS: Final = (
    *range(1, 17),
    18,
    20,
    22,
    24,
    28,
    32,
    40,
    50,
    62,
    78,
    97,
    121,
    152,
    190,
    237,
    296,
    370,
    463,
    579,
    723,
    904,
)
_CHARACTERS: Final = "a0A/._- \n\0é"
_MAX_DEPTH: Final = 50
"""Of groups, alternatives and repetitions within each other: less than this is taken.

How many Python itself takes is different for each version, and for each caller's stack.
"""
_MAX_LITERALS: Final = 12
_MAX_TEXTS: Final = 24
_REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_SINGLE: Final = ("LITERAL", "NOT_LITERAL", "ANY", "IN")
_NOT_TRIED: Final = {
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "GROUPREF": "a reference to a group",
    "GROUPREF_EXISTS": "a condition",
}

# The standard library's own parser of patterns; its name is not public, its result has been the same for decades.
_parser: Final[Any] = importlib.import_module("re._parser")
_compiler: Final[Any] = importlib.import_module("re._compiler")


@lru_cache(maxsize=1_000)
def glob(text: str) -> Callable[[str], object]:
    """What tells whether a key matches: ``*`` and ``?`` match slashes, too, ``[abc]`` and ``[!abc]`` one character.

    These are the globs of ``aws s3 sync --exclude``. Python's translation of them never goes back for long.
    """
    return re.compile(fnmatch.translate(text)).match


def path_pattern(text: str) -> Callable[[str], object]:
    """What tells whether a URL, without its first slash, matches the path pattern of a cache behaviour.

    Brackets have no meaning in it, and a slash at its beginning makes no difference:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html (2026-11-22)
    """
    return glob(text.removeprefix("/").replace("[", "[[]"))


class Expression:
    """A pattern that is looked for in keys, in which ``.`` is any character: a key may hold line breaks."""

    def __init__(self, text: str) -> None:
        """Raise re.error if it is none, or has in it what cannot be tried."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # for "[[", which means what it has always meant
            pattern = re.compile(text, re.DOTALL)
            self._tree = _parser.parse(text, re.DOTALL)
        if strange := sorted(set(_operations(self._tree, _MAX_DEPTH)) & set(_NOT_TRIED)):
            raise re.error(f"{_NOT_TRIED[strange[0]]} cannot be used here")
        literals = dict.fromkeys(c for c in text if c.isalnum() or c in ",;:~=+@!&%")
        self._texts = _Texts((*_CHARACTERS, *list(literals)[:_MAX_LITERALS]))
        # What begins with ".*" is found at the beginning, or nowhere: to look further takes time and finds nothing.
        self.search = pattern.match if _begins_with_anything(self._tree) else pattern.search
        self.groups = pattern.groups
        self.names = frozenset(pattern.groupindex)
        self._tried = self.search
        if _loosen(self._tree):
            loose = _compiler.compile(self._tree, re.DOTALL)
            self._tried = loose.match if _begins_with_anything(self._tree) else loose.search

    def slow_key(self) -> str | None:
        """A key on which it takes too long; None if none was found."""
        attacks = (
            (before, body, after)
            for before, bodies in self._texts.repeats(self._tree, "")
            for body in bodies
            for after in self._misfits(before, body)
        )
        start = time.thread_time()
        for before, body, after in attacks:
            if slow := self._slow_length(before, body, after):
                return slow
            if time.thread_time() - start > _SECONDS_IN_ALL:
                return None  # nothing of what was tried took long; only that there is so much of it
        return None

    def _slow_length(self, before: str, body: str, after: str) -> str | None:
        for step in _STEPS:
            key: str = before + body * step + after
            if len(key) > MAX_KEY_BYTES:
                break
            limit = _SECONDS_SHORT if step <= _SHORT else _SECONDS
            # Twice, since the first may have met something else that takes time.
            if self._seconds(key) > limit and self._seconds(key) > limit:
                return key
        return None

    def _seconds(self, key: str) -> float:
        start = time.thread_time()
        self._tried(key)
        return time.thread_time() - start

    def _misfits(self, before: str, body: str) -> list[str]:
        """Ends after which a key does not match as a whole, so that the engine tries everything; up to two of them."""
        ends = ("\n\0\n", "!", *_CHARACTERS)
        return [end for end in ends if not self._fits(before + body * 2 + end)][:2]

    def _fits(self, key: str) -> bool:
        match = self._tried(key)
        return match is not None and match.span() == (0, len(key))


def _begins_with_anything(tree: Any) -> bool:
    if not len(tree):
        return False
    operation, argument = tree[0]
    if str(operation) == "SUBPATTERN" and not argument[2]:  # which are flags that are turned off, as in (?-s:.*)
        return _begins_with_anything(argument[-1])
    if str(operation) != "MAX_REPEAT":
        return False
    least, most, body = argument
    return least == 0 and most == _parser.MAXREPEAT and [str(inner) for inner, _ in body] == ["ANY"]


def _loosen(tree: Any) -> bool:
    """Let what is repeated a certain number of times be repeated at will, unless it is a single character.

    ``(?:a|aa){30}`` takes no time on 29 characters and ages on 40; ``(?:a|aa)+`` shows from the start where it leads.
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


class _Texts:
    """Texts made for a pattern, of characters that are likely to matter."""

    def __init__(self, characters: tuple[str, ...]) -> None:
        self._characters = tuple(dict.fromkeys(characters))

    def repeats(self, tree: Any, before: str) -> Iterator[tuple[str, list[str]]]:
        """Each repetition, the inner ones first: a text that leads up to it, and texts that it can repeat."""
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
        """Some that this matches, each branch and each kind of character among them; the least of repetitions."""
        choices = [list(islice(self._choices(str(operation), argument), _MAX_TEXTS)) for operation, argument in tree]
        firsts = [choice[0] if choice else "" for choice in choices]
        yield "".join(firsts)[:MAX_KEY_BYTES]
        for position, choice in enumerate(choices):
            for other in choice[1:]:
                yield "".join([*firsts[:position], other, *firsts[position + 1 :]])[:MAX_KEY_BYTES]

    def _choices(self, name: str, argument: Any) -> Iterator[str]:
        match name:
            case "LITERAL":
                yield chr(argument)
            case "NOT_LITERAL":
                yield from (c for c in self._characters if ord(c) != argument)
            case "ANY":
                yield from self._characters
            case "IN":
                yield from self._of_set(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, _, body = argument
                for text in self._matching(body):
                    yield (text * min(max(least, 1), MAX_KEY_BYTES))[:MAX_KEY_BYTES]
            case "BRANCH" | "SUBPATTERN" | "ATOMIC_GROUP":
                for inner in _inner(name, argument):
                    yield from self._matching(inner)

    def _of_set(self, members: Any) -> Iterator[str]:
        listed = [chr(argument) for name, argument in members if str(name) == "LITERAL"]
        listed += [chr(end) for name, argument in members if str(name) == "RANGE" for end in argument]
        fits = re.compile(_set_source(members)).fullmatch
        found = list(dict.fromkeys(c for c in (*listed, *self._characters) if fits(c)))
        yield from found or [c for c in map(chr, range(0x20, 0x250)) if fits(c)][:2]


def _set_source(members: Any) -> str:
    """The set as a pattern of its own."""
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
