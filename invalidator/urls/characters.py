"""Sets of characters in expressions, as the bits of a number: 256 characters, and one bit for all others. Pure.

A set may come out too large, never too small: characters that it does not hold are certainly not in it.
"""

from typing import Any, Final

_SIZE: Final = 256
BEYOND: Final = 1 << _SIZE
"""The bit that all characters beyond the first 256 share."""
END: Final = BEYOND << 1
"""The end of the key, as a character that no set holds."""

_LATIN: Final = BEYOND - 1
_ALL: Final = _LATIN | BEYOND


def _bits(characters: str) -> int:
    return sum(1 << ord(character) for character in set(characters))


_FIRST: Final = "".join(map(chr, range(_SIZE)))
_UPPER: Final = _bits("".join(c for c in _FIRST if c.isupper() and ord(c.lower()) == ord(c) + 32))
_KIN: Final = _bits("IiKkSsÅåßµÿ")
"""Characters that are the same as some beyond where case does not matter: the sign of Kelvin is a k."""
_CATEGORIES: Final = {
    "DIGIT": (_bits("0123456789"), _bits("0123456789")),
    "SPACE": (_bits(" \t\n\r\f\v"), _bits("".join(filter(str.isspace, _FIRST)))),
    "WORD": (
        _bits("_" + "".join(filter(str.isalnum, _FIRST[:128]))),
        _bits("_" + "".join(filter(str.isalnum, _FIRST))),
    ),
}
"""The characters that are certainly of a category, and all that may be, among the first 256: ``(?a)`` decides."""


def characters_of(name: str, argument: Any, *, any_case: bool) -> int:
    """Return the characters that a node for a single character may match. With ``any_case``, they match in any case."""
    match name:
        case "LITERAL":
            found = _range(argument, argument)
        case "NOT_LITERAL":
            return _ALL & ~(_range(argument, argument) & _LATIN)
        case "IN" if str(argument[0][0]) == "NEGATE":
            return _ALL & ~_union(argument[1:], certainly=True)
        case "IN":
            found = _union(argument, certainly=False)
        case _:
            return _ALL
    return _in_any_case(found) if any_case else found


def _union(members: Any, *, certainly: bool) -> int:
    found = 0
    for name, argument in members:
        match str(name):
            case "LITERAL":
                found |= _range(argument, argument)
            case "RANGE":
                found |= _range(*argument)
            case _:
                found |= _category(str(argument), certainly=certainly)
    return found & _LATIN if certainly else found


def _range(first: int, last: int) -> int:
    return ((2 << min(last, _SIZE)) - 1 & -(1 << first) & _LATIN if first < _SIZE else 0) | (
        BEYOND if last >= _SIZE else 0
    )


def _category(name: str, *, certainly: bool) -> int:
    certain, possible = _CATEGORIES[name.rpartition("_")[2]]
    if "_NOT_" in name:
        return _ALL & ~(possible if certainly else certain)
    return certain if certainly else possible | BEYOND


def _in_any_case(found: int) -> int:
    found |= (found & _UPPER) << 32 | (found >> 32 & _UPPER)
    if found & BEYOND:
        found |= _KIN
    return found | (BEYOND if found & _KIN else 0)
