"""What the command line prints: data on standard output, narration on standard error, colour on a terminal only."""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from invalidator.distributions.describe import Described
from invalidator.limits import FREE_PATHS
from invalidator.model import Cost, Curve, Invalidation, Origin, Outcome, Plan
from invalidator.notifications.merge import Configuration, diff_lines
from invalidator.operator.dead_letter_queue import DiscardedLetter, ResentLetter
from invalidator.operator.dead_letters import EVERY, DeadLetter, LetterContents, StalePath
from invalidator.operator.findings import Finding
from invalidator.operator.freshness import EdgeAnswer, Freshness, S3Object
from invalidator.operator.invalidations import DistributionInvalidations, made_by
from invalidator.operator.wording import age, count, first_few

if TYPE_CHECKING:
    from invalidator.local.embedded import AcceptedInvalidation


class Explained(NamedTuple):
    """What a distribution would get for an object: each path with its reasons, and what there is to say beside."""

    distribution: str
    paths: dict[str, list[str]]
    notes: tuple[str, ...]


class _Console(Console):
    """One that leaves it to others what is to be done where nobody reads on, instead of ending the program."""

    def on_broken_pipe(self) -> None:
        """Raise it again."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _console(*, stderr: bool = False) -> Console:
    """Colour only on a terminal; in a pipe, lines as long as their content."""
    stream = sys.stderr if stderr else sys.stdout
    return _Console(
        file=stream, width=None if stream.isatty() else 1_000_000, highlight=False, markup=False, emoji=False
    )


def narrate(text: str) -> None:
    """A sentence about what is going on; dim if it is indented. Where nobody can read it, the data is still printed."""
    try:
        _console(stderr=True).print(text, soft_wrap=True, style="dim" if text.startswith(" ") else "")
    except OSError:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 Python writes to it once more, at the end


def narrate_about(made: Plan) -> None:
    """Why a plan costs more than it would have to, and what is not done."""
    for warning in made.warnings:
        narrate(f"warning: {warning}")
    for note in made.notes:
        narrate(f"{note.distribution}: {note.text} ({count(note.changes, 'change')})")


@contextmanager
def progress(doing: str, each: int = 1) -> Iterator[Callable[[], None]]:
    """Yields what is to be called when ``each`` things more were done; the count is shown on a terminal only."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    done = 0
    with console.status(f"{doing} …") as status:

        def advance() -> None:
            nonlocal done
            done += each
            status.update(f"{doing}: {done:,} …")

        yield advance


@contextmanager
def board(done: str, steps: Mapping[str, int], *, lines: bool) -> Iterator[Callable[[str], None]]:
    """Yields what is to be called with a name when another of its ``steps`` is ``done``: a bar for each name.

    Where there is no terminal, a line says so when the last step of a name is, if there are to be ``lines``.
    """
    console, start = _console(stderr=True), time.monotonic()
    left = dict(steps)

    def told(name: str) -> None:
        left[name] -= 1
        if lines and not left[name]:
            narrate(f"  {name}: {done} after {time.monotonic() - start:.0f} s")

    if not console.is_terminal:
        yield told
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(done),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not lines) as bars:
        tasks = {name: bars.add_task(name, total=number) for name, number in steps.items()}
        yield lambda name: bars.advance(tasks[name])


def print_created(accepted: Iterable[Outcome]) -> None:
    """A line for each invalidation that was accepted."""
    for batch, id_ in ((outcome.batch, outcome.invalidation) for outcome in accepted):
        line = f"  invalidation {id_}  {count(len(batch.items), 'path')}  {batch.caller_reference}"
        _console().print(Text.assemble((batch.distribution, "bold cyan"), line), soft_wrap=True)


def print_accepted(accepted: "list[AcceptedInvalidation]") -> None:
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


def print_plan(made: Plan) -> None:
    """A line for each item of each batch, with its reason."""
    table = Table(box=None, pad_edge=False)
    for name in ("distribution", "path", "reason"):
        table.add_column(name, overflow="fold")
    for batch in made.batches:
        for item in batch.items:
            style = "yellow" if item.wide else ""
            table.add_row(Text(batch.distribution, "cyan"), Text(item.path, style), Text(item.reason, style))
    if made.batches:
        _console().print(table)


def told_cost(made: Plan) -> str:
    """What a plan takes, in a sentence."""
    cost = made.cost
    if not cost.paths:
        return "Nothing is stale."
    evicted = ""
    if any(item.wide for batch in made.batches for item in batch.items):
        number = "an unknown number of unchanged objects" if cost.evicted is None else _evicted(cost.evicted)
        evicted = f"; {number} evicted"
    wild = f", {f'{cost.wildcards:,} of them ' if cost.paths > 1 else ''}with a wildcard" if cost.wildcards else ""
    return (
        f"{count(cost.calls, 'call')}, {count(cost.paths, 'path')}{wild}:"
        f" {_dollars(cost.usd)} USD if the {FREE_PATHS:,} free paths of the month are used up{evicted}."
    )


def _evicted(number: int) -> str:
    return count(number, "unchanged object")


def _dollars(usd: float) -> str:
    """Cents, and their tenths where there are any."""
    return f"{usd:,.3f}".removesuffix("0")


def print_curves(curves: list[Curve], budget: int | None) -> None:
    """A table for each group of distributions; what the budget pays for is marked."""
    out = _console()
    for number, curve in enumerate(curves):
        names = Text(", ".join(curve.distributions), "bold cyan")
        exact = f"{count(curve.changed, 'changed object')}; {count(curve.exact, 'path')} if nothing is widened"
        out.print(Text.assemble("\n" if number else "", names, f"  {exact}"), soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for name in ("paths", "wildcards", "evicted", "USD"):
            table.add_column(name, justify="right")
        bought = curve.at(budget) if budget is not None else None
        for point in curve.points:
            cells = (f"{point.paths:,}", f"{point.wildcards:,}", f"{point.evicted:,}", f"{point.usd:,.3f}")
            mark = [f"← --budget {budget}"] if point == bought else []
            table.add_row(*cells, *mark, style="bold green" if mark else "")
        out.print(table)


def curves_json(curves: list[Curve]) -> list[dict[str, Any]]:
    """The same for a program, for each distribution. ``exact`` is so many paths, if nothing is widened."""
    return [
        {
            "distribution": id_,
            "changed": curve.changed,
            "exact": curve.exact,
            "points": [point._asdict() | {"usd": point.usd} for point in curve.points],
        }
        for curve in curves
        for id_ in curve.distributions
    ]


def print_explanation(explained: list[Explained]) -> None:
    """A line for each path, or one for what keeps a distribution from getting any."""
    table = Table(box=None, pad_edge=False)
    for name in ("distribution", "path", "reason"):
        table.add_column(name, overflow="fold")
    for distribution, paths, notes in explained:
        for path, reasons in paths.items():
            table.add_row(Text(distribution, "cyan"), Text(path), Text("; ".join(reasons)))
        for note in notes:
            table.add_row(Text(distribution, "cyan"), "-", Text(_plain(note), "dim" if paths else "yellow"))
    _console().print(table)


def explanation_json(explained: list[Explained]) -> list[dict[str, Any]]:
    """The same for a program."""
    return [
        {
            "distribution": distribution,
            "items": [{"path": path, "reasons": reasons} for path, reasons in paths.items()],
            "notes": list(notes),
        }
        for distribution, paths, notes in explained
    ]


def print_distributions(found: list[Described]) -> None:
    """A row for each distribution; a question mark where something may not be read."""
    table = Table(box=None, pad_edge=False)
    for name in ("id", "domain", "aliases", "origins", "root object", "tags", "tenants"):
        table.add_column(name, overflow="fold")
    for item in found:
        origins = [_origin(origin) for origin in item.origins] + list(item.others)
        root = "?" if item.root_object is None else item.root_object
        tags = {None: "?", True: "on", False: "off"}[item.cache_tags]
        cells = (item.domain, "\n".join(item.aliases), "\n".join(origins), root, tags, "\n".join(item.tenants))
        table.add_row(Text(item.id, "cyan"), *map(Text, cells))
    if found:
        _console().print(table)


def distributions_json(found: list[Described]) -> list[dict[str, Any]]:
    """The same for a program."""
    return [
        {
            "id": item.id,
            "domain": item.domain,
            "aliases": list(item.aliases),
            "origins": [
                {"bucket": origin.bucket, "origin_path": origin.path, "website": origin.is_website}
                for origin in item.origins
            ],
            "other_origins": list(item.others),
            "default_root_object": item.root_object,
            "cache_tags": item.cache_tags,
            "tenants": list(item.tenants),
        }
        for item in found
    ]


def _origin(origin: Origin) -> str:
    return f"{origin.bucket}{origin.path}{' (website)' if origin.is_website else ''}"


def print_change(before: Configuration, after: Configuration, result: str, *, dry_run: bool) -> None:
    """What a change does to a bucket's notifications; ``result`` says how things stand after it."""
    lines = diff_lines(before, after)
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
                "cost": cost_json(batch.cost),
            }
            for batch in made.batches
        ],
        "cost": cost_json(made.cost),
        "warnings": list(made.warnings),
        "notes": [note._asdict() for note in made.notes],
        "excluded": made.excluded,
        "unserved": made.unserved,
    }


def cost_json(cost: Cost) -> dict[str, Any]:
    """What something takes; ``usd`` as if the free paths of the month were used, ``evicted`` null if not known."""
    return {
        "paths": cost.paths,
        "wildcards": cost.wildcards,
        "calls": cost.calls,
        "usd": cost.usd,
        "evicted": cost.evicted,
    }


# --- findings -------------------------------------------------------------------------------------------

_MARKS: Final = {"ok": ("ok   ", "green"), "wrong": ("wrong", "bold red"), "unknown": ("?    ", "yellow")}


def print_findings(findings: Iterable[Finding]) -> None:
    """A line for each, and below it what to do."""
    out = _console()
    for check, verdict, text, todo in findings:
        out.print(Text.assemble(_MARKS[verdict], f"  {check}: {_plain(text)}"), soft_wrap=True)
        if todo:
            out.print(Text(f"       → {_plain(todo)}"), soft_wrap=True)


def findings_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """The same for a program."""
    return {"findings": [finding._asdict() for finding in findings]}


# --- freshness ------------------------------------------------------------------------------------------

_COLOURS: Final = {"fresh": "bold green", "stale": "bold red", "unknown": "bold yellow"}


@contextmanager
def waiting() -> Iterator[Callable[[str], None]]:
    """Yields what is to be told how things stand: shown beside the time on a terminal, else narrated if it is news."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield _narrate_news()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("asking")
        yield lambda text: shown.update(task, description=_plain(text))


def _narrate_news() -> Callable[[str], None]:
    told = ""

    def tell(text: str) -> None:
        nonlocal told
        if text != told:
            narrate(_plain(text))
        told = text

    return tell


def print_freshness(stored: S3Object | None, served: EdgeAnswer, verdict: Freshness) -> None:
    """What both sides say, side by side, and below it the verdict."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "S3", "edge"):
        table.add_column(name, overflow="fold")
    kept = "-" if served.age is None else f"{served.age:,} s"
    modified = served.last_modified and _written(served.last_modified)
    for name, ours, theirs in (
        ("status", "object" if stored else "no such object", str(served.status)),
        ("ETag", stored.etag if stored else "-", served.etag or "-"),
        ("Last-Modified", _written(stored.last_modified) if stored else "-", modified or "-"),
        ("Age", "-", kept),
        ("X-Cache", "-", served.x_cache or "-"),
        ("POP", "-", served.pop or "-"),
    ):
        table.add_row(Text(name, "cyan"), Text(_plain(ours)), Text(_plain(theirs)))
    out = _console()
    out.print(table)
    told = Text.assemble((verdict.verdict, _COLOURS[verdict.verdict]), f": {_plain(verdict.why)}.")
    out.print(told, soft_wrap=True)


def freshness_json(stored: S3Object | None, served: EdgeAnswer, verdict: Freshness) -> dict[str, Any]:
    """The same for a program. What is not there is null."""
    theirs = {name: None if value == "" else value for name, value in served._asdict().items()}
    return {
        "verdict": verdict.verdict,
        "why": verdict.why,
        "stored": stored and stored._asdict() | {"last_modified": _written(stored.last_modified)},
        "served": theirs | {"last_modified": served.last_modified and _written(served.last_modified)},
    }


# --- dead letters ---------------------------------------------------------------------------------------

_ANY: Final = "every configured distribution"
_MAX_PATHS_SHOWN: Final = 100


def print_stale(stale: list[StalePath], unreadable: list[tuple[DeadLetter, str]], *, every: bool) -> None:
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


def stale_json(stale: list[StalePath], letters: list[tuple[DeadLetter, LetterContents]]) -> dict[str, Any]:
    """The same for a program, and what is in each letter. A distribution is null where it may be any configured one."""
    return {
        "stale": _rows_json(stale),
        "unreadable": [
            {"message_id": letter.id, "since": letter.sent, "reason": contents.problem}
            for letter, contents in letters
            if contents.problem
        ],
        "letters": [
            {"message_id": letter.id, "sent": letter.sent, "contents": _told(contents)} for letter, contents in letters
        ],
    }


def _rows_json(stale: Iterable[StalePath]) -> list[dict[str, Any]]:
    return [row._asdict() | {"distribution": row.distribution or None} for row in stale]


def print_sent(sent: ResentLetter) -> None:
    """A line for what was sent again, and a sentence about what was not."""
    if sent.problem:
        narrate(f"left where it is: message {sent.letter.id}: {_plain(sent.problem)}")
    else:
        line = Text.assemble((sent.letter.id, "cyan"), f"  {_told(sent.contents)}  → {_plain(sent.to)}")
        _console().print(line, soft_wrap=True)


def sent_json(sent: Iterable[ResentLetter]) -> dict[str, Any]:
    """The same for a program."""
    found: dict[str, list[Any]] = {"sent": [], "left": []}
    for letter, contents, to, problem in sent:
        if problem:
            found["left"].append({"message_id": letter.id, "reason": problem})
        else:
            found["sent"].append({"message_id": letter.id, "kind": contents.kind, "to": to})
    return found


def print_discarded(discarded: Iterable[DiscardedLetter], *, every: bool) -> None:
    """A line for each letter, and below it the paths that it was about, no more than some unless ``every``."""
    out = _console()
    for letter, contents, problem in discarded:
        if problem:
            narrate(f"left where it is: message {letter.id}: {_plain(problem)}")
            continue
        out.print(Text.assemble((letter.id, "cyan"), f"  {_told(contents)}"), soft_wrap=True)
        shown = contents.stale if every else contents.stale[:_MAX_PATHS_SHOWN]
        for row in shown:
            out.print(Text(f"    {_plain(row.distribution) or _ANY}  {row.path}"), soft_wrap=True)
        if len(shown) < len(contents.stale):
            out.print(Text(f"    … and {len(contents.stale) - len(shown):,} more; --all shows them"))


def discarded_json(discarded: Iterable[DiscardedLetter], missing: list[str]) -> dict[str, Any]:
    """The same for a program. ``missing`` are the ids of which there was no letter."""
    found: dict[str, list[Any]] = {"discarded": [], "left": [], "missing": missing}
    for letter, contents, problem in discarded:
        if problem:
            found["left"].append({"message_id": letter.id, "reason": problem})
        else:
            told = {"contents": _told(contents), "stale": _rows_json(contents.stale)}
            found["discarded"].append({"message_id": letter.id, **told})
    return found


def _told(contents: LetterContents) -> str:
    if contents.problem and not contents.stale:
        return f"cannot be read: {_plain(contents.problem)}"
    distributions = dict.fromkeys(row.distribution for row in contents.stale)
    if not distributions:
        return f"{contents.kind}: nothing that a viewer sees"
    names = ", ".join(_ANY if name == EVERY else _plain(name) for name in distributions)
    rest = f"; the rest cannot be read: {_plain(contents.problem)}" if contents.problem else ""
    return f"{contents.kind}: {count(len({row.path for row in contents.stale}), 'path')} on {names}{rest}"


def _plain(text: str) -> str:
    """Text from outside, on one line and without what would be a command to the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in "; ".join(text.splitlines()))


# --- invalidations --------------------------------------------------------------------------------------

_MAX_CHARACTERS: Final = 60
"""Of a path in a table, in which several stand in a line."""
_CELLS: Final = ("invalidation", "status", "age", "items", "paths", "made by")
# Cells on a terminal, of columns that can do with fewer than their content has.
_MIN_PATHS: Final = 10
_MIN_MAKER: Final = 12


def print_listed(found: list[DistributionInvalidations], now: datetime) -> None:
    """A line for each invalidation, and one for what was left out of each distribution."""
    out = _console()
    if any(listed.shown for listed in found):
        out.print(_listed_in(out.width, found, now) if out.is_terminal else _listed_table(found, now))
    for line in _left_out(found):
        out.print(line, soft_wrap=True)


@contextmanager
def refreshed() -> Iterator[Callable[[list[DistributionInvalidations], datetime], None]]:
    """Yields what shows the same again and again: in its place on a terminal, elsewhere only if it is different."""
    console = _console()
    if not console.is_terminal:
        last: list[list[DistributionInvalidations]] = []

        def show(found: list[DistributionInvalidations], now: datetime) -> None:
            if last != [found]:
                last[:] = [found]
                print_listed(found, now)
                sys.stdout.flush()

        yield show
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda found, now: live.update(
            Group(_listed_in(console.width, found, now), *_left_out(found)), refresh=True
        )


def _listed_table(found: list[DistributionInvalidations], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("distribution", *_CELLS):
        table.add_column(name, no_wrap=True, justify="right" if name == "items" else "left")
    for listed in found:
        for row in _rows(listed, now):
            table.add_row(Text(listed.distribution, "cyan"), *row)
    return table


def _listed_in(width: int, found: list[DistributionInvalidations], now: datetime) -> Group:
    """The same in lines of ``width`` cells: the distribution stands above its own, and what has no room is left out."""
    rows = [_rows(listed, now) for listed in found]
    needed = [max(cell_len(name), *_widths(rows, place)) for place, name in enumerate(_CELLS)]
    widths, gap = _fitted(needed, width)
    parts: list[Text | Table] = [_part(widths, gap, [], is_head=True)]
    for listed, its in zip(found, rows, strict=True):
        if its:
            parts += [Text(f"distribution {listed.distribution}", "cyan"), _part(widths, gap, its)]
    return Group(*parts)


def _part(widths: list[int], gap: int, rows: list[list[Text]], *, is_head: bool = False) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_header=is_head)
    for name, width in zip(_CELLS, widths, strict=False):
        justify: JustifyMethod = "right" if name == "items" else "left"
        table.add_column(name, width=width, no_wrap=True, overflow="ellipsis", justify=justify)
    for row in rows:
        table.add_row(*row[: len(widths)])
    return table


def _fitted(needed: list[int], width: int) -> tuple[list[int], int]:
    """How wide the first columns are, those that have room, and the gap between two."""
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


def _rows(listed: DistributionInvalidations, now: datetime) -> list[list[Text]]:
    """The cells of each invalidation."""
    return [_cells(told, is_whole, now) for told, is_whole in listed.shown]


def _cells(told: Invalidation, is_whole: bool, now: datetime) -> list[Text]:
    whole = (f"{len(told.items):,}", _paths(told.items), made_by(told.caller_reference))
    rest = (age((now - told.created).total_seconds()), *(whole if is_whole else ("?", "?", "?")))
    return [Text(_plain(told.id)), _status(told), *map(Text, rest)]


def _left_out(found: list[DistributionInvalidations]) -> list[str]:
    older = [(listed.distribution, listed.total - len(listed.shown)) for listed in found]
    return [f"… and {number:,} older of {id_}; --all shows them" for id_, number in older if number]


def _status(told: Invalidation) -> Text:
    return Text(_plain(told.status), "green" if told.is_completed else "yellow")


def _paths(items: tuple[str, ...]) -> str:
    some, more = first_few(items)
    short = [f"{path[: _MAX_CHARACTERS - 1]}…" if len(path) > _MAX_CHARACTERS else path for path in map(_plain, some)]
    return ", ".join([*short, *([f"… {more:,} more"] if more else [])])


def listed_json(found: list[DistributionInvalidations], now: datetime) -> dict[str, Any]:
    """The same for a program. ``items`` are null where they could not be read, ``problem`` where there is none."""
    return {
        "distributions": [
            {
                "distribution": listed.distribution,
                "total": None if listed.problem else listed.total,
                "invalidations": [invalidation_json(*seen, now) for seen in listed.shown],
                "problem": listed.problem or listed.unread or None,
            }
            for listed in found
        ]
    }


def print_invalidation(told: Invalidation, now: datetime) -> None:
    """What there is to say of it, and below that each item."""
    out = _console()
    when = f"{age((now - told.created).total_seconds())} ({_written(told.created)})"
    parts = ("  ", _status(told), f"  {when}  ", (count(len(told.items), "item"), "bold"), "  made by ")
    maker = f"{made_by(told.caller_reference)}: {_plain(told.caller_reference)}"
    out.print(Text.assemble((told.distribution, "cyan"), f"  {_plain(told.id)}", *parts, maker), soft_wrap=True)
    for item in told.items:
        out.print(Text(f"    {_plain(item)}"), soft_wrap=True)


def invalidation_json(told: Invalidation, is_whole: bool, now: datetime) -> dict[str, Any]:
    """The same for a program. ``created`` is in UTC, ``age`` in whole seconds."""
    return {
        "distribution": told.distribution,
        "id": told.id,
        "status": told.status,
        "created": _written(told.created),
        "age": max(int((now - told.created).total_seconds()), 0),
        "items": list(told.items) if is_whole else None,
        "caller_reference": told.caller_reference if is_whole else None,
        "made_by": made_by(told.caller_reference) if is_whole else None,
    }


def _written(moment: datetime) -> str:
    """A time of UTC, as in ISO 8601."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


# --- cache tags -----------------------------------------------------------------------------------------

HOW_TO_USE_TAGS: Final = r"""
A cache tag clears, with one path, everything that was cached under it: all pages that show product 42, say.

1. Let the distribution read the tags from what S3 sends, which is the metadata of each object:

   aws cloudfront get-distribution-config --id E1A2B3C4D5E6F7 > config.json
   (take out ETag and the outermost level, and add: "CacheTagConfig": {"HeaderName": "x-amz-meta-cache-tag"})
   aws cloudfront update-distribution --id E1A2B3C4D5E6F7 --if-match ETAG --distribution-config file://config.json

2. Upload objects with their tags, separated by commas. (The shorthand of --metadata would take the comma for its own.)

   aws s3 cp shoes.html s3://my-origin/shoes.html --metadata '{"cache-tag": "product:42,category:shoes"}'

3. Say which tags go stale with which object:

   RULES='[{"match": "^data/products/([0-9]+)\\.json$", "also": ["#product:$1", "/products/$1/"]}]'

   Where a distribution does not read tags, the paths of the rule alone are cleared, and the log says so.

4. See what an upload would clear:

   invalidator explain data/products/42.json --bucket my-origin

A tag is 1 to 256 visible ASCII characters without commas and asterisks; upper and lower case are the same. Of an
object, the first 50 count. What was cached before step 1 is not known by any tag: clear it once by its paths.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-by-tags.html
""".strip()
