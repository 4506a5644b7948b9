"""The terminal: data on standard output, narration on standard error, colour on a terminal only.

All that the command line prints goes through this module, and all of it through ``cell`` or JSON: text from outside may
hold what a terminal obeys, or Rich.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Part = str | tuple[str, str]
"""Of a line or table: a text, or one with its style."""


class _Console(Console):
    """A console that raises what a broken pipe raises, instead of ending the program."""

    def on_broken_pipe(self) -> None:
        """Raise it again, for the caller to decide."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@cache
def _console(stream: TextIO) -> Console:
    """Return a console that shows colour on a terminal only and, in a pipe, lines as long as their content."""
    width = None if stream.isatty() else 1_000_000
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def stdout_console() -> Console:
    """Return the console for data."""
    return _console(sys.stdout)


def stderr_console() -> Console:
    """Return the console for narration."""
    return _console(sys.stderr)


JSON_VERSION: Final = 1
"""The version of what --json prints. It changes when a field is removed, or means something else."""


def print_json(command: str, document: Mapping[str, Any]) -> None:
    """Print the JSON document of a command. docs/output.schema.json describes all of them."""
    print(json.dumps({"version": JSON_VERSION, "command": command, **document}, indent=2))


def cell(*parts: Part) -> Text:
    """Return a text for one line of a terminal or one cell of a table."""
    made = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        made.append(plain(text), style)
    return made


def plain(text: str) -> str:
    """Return a text on one line, with characters that are not printable, as those that a terminal obeys, as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in "; ".join(text.splitlines()))


def print_line(*parts: Part) -> None:
    """Print a line; a terminal wraps it where it is too long, and a pipe gets it whole."""
    stdout_console().print(cell(*parts), soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Part]]) -> None:
    """Print a table, unless it has no rows. A terminal that is too narrow gets folded cells."""
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(cell(part) for part in row))
    if table.rows:
        stdout_console().print(table)


def utc(moment: datetime) -> str:
    """Return a time of UTC as ISO 8601 writes it, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def narrate(text: str) -> None:
    """Tell what is going on, in a line; dim if it is indented. If nobody can read it, go on: data is still to come."""
    try:
        stderr_console().print(cell((text, "dim" if text.startswith(" ") else "")), soft_wrap=True)
    except OSError:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 Python writes to it once more, at the end


def warn(warnings: Iterable[str]) -> None:
    """Narrate each warning."""
    for warning in warnings:
        narrate(f"warning: {warning}")


@contextmanager
def progress(doing: str, each: int = 1) -> Iterator[Callable[[], None]]:
    """Yield a function to call after every ``each`` things that are done; only a terminal shows the count."""
    console = stderr_console()
    if not console.is_terminal:
        yield lambda: None
        return
    done = 0
    with console.status(cell(f"{doing} …")) as status:

        def advance() -> None:
            nonlocal done
            done += each
            status.update(cell(f"{doing}: {done:,} …"))

        yield advance


@contextmanager
def board(done: str, steps: Mapping[str, int], *, lines: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function to call with a name when another of its ``steps`` is ``done``. A terminal shows bars.

    Elsewhere, with ``lines``, the last step of each name is narrated.
    """
    console, start = stderr_console(), time.monotonic()
    left = dict(steps)

    def count_down(name: str) -> None:
        left[name] -= 1
        if lines and not left[name]:
            narrate(f"  {name}: {done} after {time.monotonic() - start:.0f} s")

    if not console.is_terminal:
        yield count_down
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(done),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not lines) as bars:
        tasks = {name: bars.add_task(plain(name), total=number) for name, number in steps.items()}
        yield lambda name: bars.advance(tasks[name])


@contextmanager
def states_shown() -> Iterator[Callable[[str], None]]:
    """Yield a function that takes the present state: a terminal shows it with the time, a pipe only when it is new."""
    console = stderr_console()
    if not console.is_terminal:
        yield _narrate_news()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("asking")
        yield lambda text: shown.update(task, description=plain(text))


def _narrate_news() -> Callable[[str], None]:
    last = ""

    def tell(text: str) -> None:
        nonlocal last
        if text != last:
            narrate(text)
        last = text

    return tell
