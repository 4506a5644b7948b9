"""What the command line prints: data on standard output, narration on standard error, colour on a terminal only."""

import sys
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from invalidator.dead_letters import Sent
from invalidator.letters import EVERY, Contents, Letter, Stale
from invalidator.model import Plan
from invalidator.notifications import Configuration, difference

if TYPE_CHECKING:
    from invalidator.local import Accepted


def _console(*, stderr: bool = False) -> Console:
    """Colour only on a terminal; in a pipe, lines as long as their content."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream, width=None if stream.isatty() else 1_000_000, highlight=False, markup=False, emoji=False
    )


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


# --- dead letters ---------------------------------------------------------------------------------------

_ANY: Final = "every configured distribution"
_MAX_PATHS_SHOWN: Final = 100


def print_stale(stale: list[Stale], unreadable: list[tuple[Letter, str]], *, every: bool) -> None:
    """A line for each path; of what one letter says of one distribution, no more than some unless ``every``."""
    table = Table(box=None, pad_edge=False)
    for name in ("distribution", "path", "since", "attempts", "why"):
        table.add_column(name, overflow="fold")
    for (distribution, since, attempts, why), same in groupby(stale, lambda row: (row[0], *row[2:])):
        paths = [row.path for row in same]
        shown = paths if every or len(paths) <= _MAX_PATHS_SHOWN else paths[:_MAX_PATHS_SHOWN]
        rest = [f"… and {len(paths) - len(shown):,} more; --all shows them"] if len(shown) < len(paths) else []
        for path in shown + rest:
            cells = (path, _plain(since), "" if attempts is None else str(attempts), _plain(why))
            table.add_row(Text(_plain(distribution) or _ANY, "cyan"), *map(Text, cells))
    for letter, problem in unreadable:
        table.add_row("?", "?", letter.sent, "", Text(f"message {letter.id} cannot be read: {_plain(problem)}"))
    _console().print(table)


def stale_json(stale: list[Stale], unreadable: list[tuple[Letter, str]]) -> dict[str, Any]:
    """The same for a program. The distribution is null where it may be any of the configured ones."""
    return {
        "stale": [row._asdict() | {"distribution": row.distribution or None} for row in stale],
        "unreadable": [
            {"message_id": letter.id, "since": letter.sent, "reason": problem} for letter, problem in unreadable
        ],
    }


def print_sent(sent: Sent) -> None:
    """A line for what was sent again, and a sentence about what was not."""
    if sent.problem:
        narrate(f"left where it is: message {sent.letter.id}: {_plain(sent.problem)}")
    else:
        line = Text.assemble((sent.letter.id, "cyan"), f"  {_told(sent.contents)}  → {_plain(sent.to)}")
        _console().print(line, soft_wrap=True)


def sent_json(sent: Iterable[Sent]) -> dict[str, Any]:
    """The same for a program."""
    found: dict[str, list[Any]] = {"sent": [], "left": []}
    for letter, contents, to, problem in sent:
        if problem:
            found["left"].append({"message_id": letter.id, "reason": problem})
        else:
            found["sent"].append({"message_id": letter.id, "kind": contents.kind, "to": to})
    return found


def _told(contents: Contents) -> str:
    distributions = dict.fromkeys(row.distribution for row in contents.stale)
    if not distributions:
        return f"{contents.kind}: nothing that a viewer sees"
    names = ", ".join(_ANY if name == EVERY else _plain(name) for name in distributions)
    return f"{contents.kind}: {count(len({row.path for row in contents.stale}), 'path')} on {names}"


def _plain(text: str) -> str:
    """Text from outside, on one line and without what would be a command to the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in "; ".join(text.splitlines()))
