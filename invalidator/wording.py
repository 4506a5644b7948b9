"""Numbers, ages and lists of names in words. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, TypeVar

_T = TypeVar("_T")
_Name = TypeVar("_Name", bound=str)

_FEW: Final = 3
"""The number of names that are shown one by one."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 path``, ``2,000 paths``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def age(seconds: float) -> str:
    """Return an age in whole units: ``12 s``, ``3 min``, ``2 h``, ``5 d``. A time in the future is ``0 s`` old."""
    whole = max(int(seconds), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= length:
            return f"{whole // length:,} {unit}"
    return f"{whole} s"


def first_few(items: Sequence[_T], most: int = _FEW) -> tuple[Sequence[_T], int]:
    """Return the first items and the number of the others. That is never 1: the item itself takes no more room."""
    if len(items) <= most:
        return items, 0
    return items[: most - 1], len(items) - (most - 1)


def names(ids: Collection[str]) -> str:
    """Return the first few names and the number of the others: ``E1, E2, … 8 more``."""
    some, more = first_few(list(ids))
    return ", ".join([*some, *([f"… {more:,} more"] if more else [])])


def all_names(ids: Collection[str]) -> str:
    """Return all names: ``E1, E2 and E3``. There has to be one."""
    *others, last = ids
    return f"{', '.join(others)} and {last}" if others else last


def agreed(verb: str, subjects: Collection[object]) -> str:
    """Return a verb, given in the plural, in the number of its subjects: ``serve`` is ``serves`` for one."""
    singular = {"are": "is", "have": "has", "do": "does"}
    return verb if len(subjects) != 1 else singular.get(verb, f"{verb}s")


def names_by_value(pairs: Iterable[tuple[_Name, _T]]) -> dict[_T, list[_Name]]:
    """Return the names that have each value, without duplicates; values and names in the order of the pairs."""
    found: dict[_T, dict[_Name, None]] = {}
    for name, value in pairs:
        found.setdefault(value, {})[name] = None
    return {value: list(ids) for value, ids in found.items()}
