"""How numbers, ages and names are told to people. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, TypeVar

_T = TypeVar("_T")
_Name = TypeVar("_Name", bound=str)

_FEW: Final = 3
"""As many names as are told one by one."""


def count(number: int, noun: str) -> str:
    """``1 path``, ``2,000 paths``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def age(seconds: float) -> str:
    """``12 s``, ``3 min``, ``2 h``, ``5 d``: whole units, as many as have passed. What is to come is ``0 s``."""
    whole = max(int(seconds), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= length:
            return f"{whole // length:,} {unit}"
    return f"{whole} s"


def first(items: Sequence[_T], most: int = _FEW) -> tuple[Sequence[_T], int]:
    """The first ones, and how many more there are: never one alone, in whose place it could stand itself."""
    if len(items) <= most:
        return items, 0
    return items[: most - 1], len(items) - (most - 1)


def names(ids: Collection[str]) -> str:
    """``E1, E2, … 8 more``."""
    some, more = first(list(ids))
    return ", ".join([*some, *([f"… {more:,} more"] if more else [])])


def alike(told: Iterable[tuple[_Name, _T]]) -> dict[_T, list[_Name]]:
    """What is the same for several names, once, with all of these, once each; both in the order of the first."""
    found: dict[_T, dict[_Name, None]] = {}
    for name, what in told:
        found.setdefault(what, {})[name] = None
    return {what: list(ids) for what, ids in found.items()}
