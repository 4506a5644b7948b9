"""The curve of ``plan --curve`` and ``--plot``: unchanged objects evicted, by the number of paths."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from invalidator.cli.plan_budget import below_curves
from invalidator.cli.plan_inputs import Preview, narrate_refusals
from invalidator.cli.terminal import narrate, print_json, print_line, stdout_console, warn
from invalidator.limits import FREE_PATHS
from invalidator.operator.curves import Curve
from invalidator.operator.plot import save
from invalidator.wording import count


def show_curves(preview: Preview, budget: int | None, plot: Path | None, *, as_json: bool) -> str:
    """Print the curves, and draw them into a file. Return what became of the file, if there was to be one."""
    curves = preview.curves([] if budget is None else [budget])
    if plot and curves:
        save(curves, plot, budget)
    if as_json:
        print_json("plan", {"curves": list(_curves_json(curves))})
    else:
        _print(curves, budget)
    _narrate(preview, curves, budget)
    return f"{plot} was {'' if curves else 'not '}written" if plot else ""


def _narrate(preview: Preview, curves: list[Curve], budget: int | None) -> None:
    narrate_refusals(preview)
    warn(dict.fromkeys(warning for curve in curves for warning in curve.warnings))
    warn(below_curves(preview, curves, budget) if budget is not None else ())
    tickets = len(preview.decoded.tickets)
    if tickets:
        narrate(f"{count(tickets, 'ticket')} {'is' if tickets == 1 else 'are'} left out.")
    if curves:
        narrate(f"Evicted: unchanged objects. USD: if the {FREE_PATHS:,} free paths of the month are used up.")
    else:
        narrate("Nothing else is stale." if tickets else "Nothing is stale.")


def _print(curves: list[Curve], budget: int | None) -> None:
    for number, curve in enumerate(curves):
        names = (", ".join(curve.distributions), "bold cyan")
        exact = f"{count(curve.changed, 'changed object')}; {count(curve.exact, 'path')} if nothing is widened"
        if number:
            print_line()
        print_line(names, f"  {exact}")
        stdout_console().print(_table(curve, budget))


def _table(curve: Curve, budget: int | None) -> Table:
    """Return a row for each point; the one that the budget pays for is marked."""
    table = Table(box=None, pad_edge=False)
    for name in ("paths", "wildcards", "evicted", "USD"):
        table.add_column(name, justify="right")
    bought = curve.at(budget) if budget is not None else None
    for point in curve.points:
        mark = [f"← --budget {budget}"] if point == bought else []
        cells = (f"{point.paths:,}", f"{point.wildcards:,}", f"{point.evicted:,}", f"{point.usd:,.3f}")
        table.add_row(*cells, *mark, style="bold green" if mark else "")
    return table


def _curves_json(curves: list[Curve]) -> Iterable[dict[str, Any]]:
    """Yield the curve of each distribution. ``exact`` is for nothing widened."""
    for curve in curves:
        points = [point._asdict() | {"usd": point.usd} for point in curve.points]
        for id_ in curve.distributions:
            yield {"distribution": id_, "changed": curve.changed, "exact": {"paths": curve.exact}, "points": points}
