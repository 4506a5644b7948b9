"""Invalidations on the screen and as JSON, for ``status``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Group, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from invalidator.cli.terminal import cell, print_line, stdout_console, utc
from invalidator.model import Invalidation
from invalidator.operator.invalidations import DistributionInvalidations, made_by
from invalidator.wording import age, count, first_few

_MAX_CHARACTERS: Final = 60
"""Of a path in a table, in which several stand in a line."""
_COLUMNS: Final = ("invalidation", "status", "age", "items", "paths", "made by")
# Cells on a terminal, of columns that may be narrower than their content.
_MIN_PATHS: Final = 10
_MIN_MAKER: Final = 12


def print_all(listed: list[DistributionInvalidations], now: datetime) -> None:
    """Print a line for each invalidation, and one for what is left out of each distribution."""
    console = stdout_console()
    if any(one.shown for one in listed):
        console.print(fitted(console.width, listed, now) if console.is_terminal else _table(listed, now))
    for line in _left_out(listed):
        print_line(line)


@contextmanager
def refreshed() -> Iterator[Callable[[list[DistributionInvalidations], datetime], None]]:
    """Yield a function that shows all again: a terminal in the same place, a pipe only if anything is different."""
    console = stdout_console()
    if not console.is_terminal:
        yield _print_news()
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda listed, now: live.update(
            Group(fitted(console.width, listed, now), *map(cell, _left_out(listed))), refresh=True
        )


def _print_news() -> Callable[[list[DistributionInvalidations], datetime], None]:
    last: list[DistributionInvalidations] | None = None

    def show(listed: list[DistributionInvalidations], now: datetime) -> None:
        nonlocal last
        if listed != last:
            last = listed
            print_all(listed, now)
            sys.stdout.flush()

    return show


def print_one(invalidation: Invalidation, now: datetime) -> None:
    """Print an invalidation and, below it, each item."""
    when = f"{age((now - invalidation.created).total_seconds())} ({utc(invalidation.created)})"
    reference = invalidation.caller_reference
    print_line(
        (invalidation.distribution, "cyan"),
        f"  {invalidation.id}  ",
        _status(invalidation),
        f"  {when}  ",
        (count(len(invalidation.items), "item"), "bold"),
        f"  made by {made_by(reference)}: {reference}",
    )
    for item in invalidation.items:
        print_line(f"    {item}")


def _table(listed: list[DistributionInvalidations], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("distribution", *_COLUMNS):
        table.add_column(name, no_wrap=True, justify="right" if name == "items" else "left")
    for one in listed:
        for row in _rows(one, now):
            table.add_row(cell((one.distribution, "cyan")), *row)
    return table


def fitted(width: int, listed: list[DistributionInvalidations], now: datetime) -> Group:
    """Return a table in lines of ``width`` cells: distributions have lines of their own, some columns have no room."""
    rows = [_rows(one, now) for one in listed]
    needed = [max(cell_len(name), *_widths(rows, place)) for place, name in enumerate(_COLUMNS)]
    widths, gap = _fit(needed, width)
    parts: list[Text | Table] = [_fixed_table(widths, gap, [], is_head=True)]
    for one, its in zip(listed, rows, strict=True):
        if its:
            parts += [cell((f"distribution {one.distribution}", "cyan")), _fixed_table(widths, gap, its)]
    return Group(*parts)


def _fixed_table(widths: list[int], gap: int, rows: list[list[Text]], *, is_head: bool = False) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_header=is_head)
    for name, width in zip(_COLUMNS, widths, strict=False):
        justify: JustifyMethod = "right" if name == "items" else "left"
        table.add_column(name, width=width, no_wrap=True, overflow="ellipsis", justify=justify)
    for row in rows:
        table.add_row(*row[: len(widths)])
    return table


def _fit(needed: list[int], width: int) -> tuple[list[int], int]:
    """Return the widths of the first columns, those that have room, and of the gap between two."""
    *fixed, paths, maker = needed
    rest = width - sum(fixed) - 2 * len(fixed)
    made = min(maker, max(_MIN_MAKER, rest - 2 - paths))
    if rest - 2 - made >= min(paths, _MIN_PATHS):
        return [*fixed, min(paths, rest - 2 - made), made], 2
    if rest >= min(paths, _MIN_PATHS):
        return [*fixed, min(paths, rest)], 2
    return fixed, 2 if rest + 2 >= 0 else 1


def _widths(rows: list[list[list[Text]]], place: int) -> list[int]:
    return [0, *(row[place].cell_len for its in rows for row in its)]


def _rows(one: DistributionInvalidations, now: datetime) -> list[list[Text]]:
    """Return the cells of each invalidation."""
    return [_cells(invalidation, is_whole, now) for invalidation, is_whole in one.shown]


def _cells(invalidation: Invalidation, is_whole: bool, now: datetime) -> list[Text]:
    items = invalidation.items
    whole = (f"{len(items):,}", _paths(items), made_by(invalidation.caller_reference))
    rest = (age((now - invalidation.created).total_seconds()), *(whole if is_whole else ("?", "?", "?")))
    return [cell(invalidation.id), cell(_status(invalidation)), *map(cell, rest)]


def _left_out(listed: list[DistributionInvalidations]) -> list[str]:
    older = [(one.distribution, one.total - len(one.shown)) for one in listed]
    return [f"… and {number:,} older of {id_}; --all shows them" for id_, number in older if number]


def _status(invalidation: Invalidation) -> tuple[str, str]:
    """Return the status, and its colour."""
    return invalidation.status, "green" if invalidation.is_completed else "yellow"


def _paths(items: tuple[str, ...]) -> str:
    some, more = first_few(items)
    short = [f"{path[: _MAX_CHARACTERS - 1]}…" if len(path) > _MAX_CHARACTERS else path for path in some]
    return ", ".join([*short, f"… {more:,} more"] if more else short)


def all_json(listed: list[DistributionInvalidations], now: datetime) -> dict[str, Any]:
    """Return all for a program. ``items`` are null where they could not be read, ``error`` where there is none."""
    return {
        "distributions": [
            {
                "distribution": one.distribution,
                "total": None if one.problem else one.total,
                "invalidations": [one_json(*seen, now) for seen in one.shown],
                "error": one.problem or one.unread or None,
            }
            for one in listed
        ]
    }


def one_json(invalidation: Invalidation, is_whole: bool, now: datetime) -> dict[str, Any]:
    """Return an invalidation for a program. ``created`` is in UTC, ``age`` in whole seconds."""
    return {
        "distribution": invalidation.distribution,
        "id": invalidation.id,
        "status": invalidation.status,
        "created": utc(invalidation.created),
        "age": max(int((now - invalidation.created).total_seconds()), 0),
        "items": list(invalidation.items) if is_whole else None,
        "caller_reference": invalidation.caller_reference if is_whole else None,
        "made_by": made_by(invalidation.caller_reference) if is_whole else None,
    }
