"""What the command line prints: data on standard output, narration on standard error, colour on a terminal only."""

import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from invalidator.model import Plan
from invalidator.notifications import Configuration, difference

if TYPE_CHECKING:
    from invalidator.local import Accepted


def _console(*, stderr: bool = False) -> Console:
    """Colour only on a terminal; in a pipe, lines as long as their content."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 1_000_000, highlight=False, markup=False)


def narrate(text: str) -> None:
    """A sentence about what is going on; dim if it is indented."""
    _console(stderr=True).print(text, soft_wrap=True, style="dim" if text.startswith(" ") else "")


def print_accepted(accepted: "list[Accepted]") -> None:
    """Each invalidation, and below those of the same paths the paths."""
    out = _console()
    for (again, paths), same in groupby(accepted, lambda invalidation: (invalidation.again, invalidation.paths)):
        for invalidation in same:
            out.print(
                Text.assemble(
                    (invalidation.distribution, "bold cyan"),
                    f"  invalidation {invalidation.id}  ",
                    (count(len(paths), "path"), "bold"),
                    f"  {invalidation.caller_reference}",
                ),
                soft_wrap=True,
            )
        for line in ["(known already: nothing new was created)"] if again else paths:
            out.print(f"    {line}", soft_wrap=True)


def count(number: int, noun: str) -> str:
    """``1 path``, ``2,000 paths``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_plan(made: Plan) -> None:
    """A line for each item of each batch, with its reason."""
    table = Table(box=None, pad_edge=False)
    for name in ("distribution", "path", "reason"):
        table.add_column(name, overflow="fold")
    for batch in made.batches:
        for item in batch.items:
            table.add_row(Text(batch.distribution, "cyan"), Text(item.path), Text(item.reason))
    if made.batches:
        _console().print(table)


def print_change(before: Configuration, after: Configuration, result: str, *, dry_run: bool) -> None:
    """What a change does to a bucket's notifications; ``result`` says how things stand after it."""
    lines = difference(before, after)
    for line in lines:
        colour = {"+": "green", "-": "red"}.get(line[0], "")
        _console().print(Text(line, colour), soft_wrap=True)
    if not lines:
        narrate(f"Nothing to do: {result}")
    else:
        narrate("Nothing was changed." if dry_run else f"Done: {result}")


def plan_json(made: Plan) -> dict[str, Any]:
    """The same for a program."""
    return {
        "batches": [
            {
                "distribution": batch.distribution,
                "items": [item.path for item in batch.items],
                "caller_reference": batch.caller_reference,
                "reasons": [item.reason for item in batch.items],
            }
            for batch in made.batches
        ],
        "calls": made.calls,
        "paths": made.paths,
    }
