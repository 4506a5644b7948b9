"""Two pictures of the last runs. The same figures make the same files."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from textwrap import fill
from typing import Any, Final, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.figures import (
    BOUND,
    DEPLOYED,
    FLUSH,
    LISTED,
    MEMORY,
    OURS,
    PER_OBJECT,
    PLAIN,
    STACK,
    Cold,
    Deploy,
    Deployment,
    Results,
    Spread,
)
from benchmarks.targets import cold_targets
from invalidator.operator import plot

HERE: Final = Path(__file__).parent
SPEED: Final = HERE / "speed.svg"
DEPLOYS: Final = HERE / "deploys.svg"

_BLUE, _ORANGE, *_ = plot._COLOURS
_GREY: Final = plot._GREY
_BAND: Final = "#F4F4F4"
_STYLE: Final = plot._STYLE | {"axes.spines.top": False, "svg.hashsalt": "benchmarks"}
_SIDES: Final[tuple[Literal["ours"], Literal["theirs"]]] = ("ours", "theirs")
_COLOURS: Final = {OURS: _BLUE, PER_OBJECT: _ORANGE, FLUSH: _GREY, BOUND: "black"}
_MARKERS: Final = {OURS: "o", PER_OBJECT: "s", FLUSH: "D", BOUND: "|"}
_SIZES: Final = {OURS: 6, PER_OBJECT: 5, FLUSH: 4.5, BOUND: 7}
_LABELS: Final = {
    FLUSH: f"{FLUSH}: /* at the end",
    BOUND: f"{BOUND}: the least possible without evicting anything else",
}
_LANES: Final = {way: 0.21 * number - 0.32 for number, way in enumerate(_MARKERS)}
"""The place in the row of a deploy for each way, so that none is behind another, nor between two rows."""
_LINE: Final = 0.36
"""The height of a line of text, of a row."""
_MARKS: Final[dict[str, dict[str, Any]]] = {
    DEPLOYED: {"marker": "o"},
    LISTED: {"marker": "o", "markerfacecolor": "white", "markeredgewidth": 1.8},
}
"""The functions that are ours, the upper of a row first."""
_APART: Final = 0.34
"""The space between them, of a row."""
_Key = Literal["usd", "worst_usd", "last", "worst_last"]


def save_speed(results: Results, path: Path = SPEED) -> None:
    """Draw cold starts and warm events into a file."""
    _save(path, identifier(results), draw_speed(results))


def save_deploys(found: Deployment, path: Path = DEPLOYS) -> None:
    """Draw deploys into a file."""
    _save(path, identifier(found), draw_deploys(found))


def draw_speed(results: Results) -> Figure:
    """Draw cold starts and warm events."""
    return _drawn(7.6, lambda figure: _speed(figure, results))


def draw_deploys(found: Deployment) -> Figure:
    """Draw deploys."""
    return _drawn(13.2, lambda figure: _deploys(figure, found))


def _drawn(height: float, draw: Callable[[Figure], None]) -> Figure:
    """Return a picture on white, which can be read on dark pages, too."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, height), layout="constrained", facecolor="white")
        draw(figure)
    return figure


def _save(path: Path, name: str, figure: Figure) -> None:
    """Save a picture, with an identifier that tells from which figures."""
    metadata = plot._NO_DATE[path.suffix] | ({"Identifier": name} if path.suffix == ".svg" else {})
    with mpl.rc_context(_STYLE):
        figure.savefig(path, dpi=110, metadata=metadata)


def identifier(results: Results | Deployment) -> str:
    """Return a digest of the figures."""
    return "sha256:" + sha256(json.dumps(results, sort_keys=True).encode()).hexdigest()


# --- speed ----------------------------------------------------------------------------------------------


def _speed(figure: Figure, results: Results) -> None:
    rows = figure.add_gridspec(2)
    top, bottom = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    left, right = top.subplots(1, 2, width_ratios=[1, 1.1])
    _draw_cold(left, results["cold"])
    _draw_warm(right, results)
    _draw_ratios(bottom.subplots(), results["cold"])


def _draw_cold(axes: Axes, cold: Cold) -> None:
    """Draw a bar for each function: init, and beside it the first event. A line is over four fifths of the runs."""
    starts = [found for found in cold["starts"] if found["memory"] == MEMORY]
    most = max(found["answered"]["p90"] for found in starts)
    for place, found in enumerate(starts):
        colour = _BLUE if found["function"] in _MARKS else _GREY
        init, answered = found["init"]["seconds"]["median"], found["answered"]
        axes.barh(place, init, height=0.7, color=colour)
        axes.barh(place, answered["median"] - init, left=init, height=0.7, color=colour, alpha=0.45)
        axes.plot([answered["p10"], answered["p90"]], [place, place], color="black", linewidth=1)
        told = f"{answered['median']:.2f} s  ({found['ratios']['answered']['median']:.2f} ×)"
        axes.text(answered["p90"] + most * 0.03, place, told, va="center")
    axes.set_yticks(range(len(starts)), [fill(found["function"].replace("`", ""), 22) for found in starts])
    axes.set_ylim(len(starts) - 0.5, -0.6)
    axes.set_xlim(0, most * 1.7)
    told = f"seconds to the first answer: init (dark) and the first event (light)\n(×) as long as {PLAIN}"
    axes.set_xlabel(told + "; line: four fifths of the runs")
    axes.set_title(f"Cold start with {MEMORY} MB", loc="left", fontweight="bold", pad=10)
    _without_lines(axes)


def _without_lines(axes: Axes) -> None:
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _draw_ratios(axes: Axes, cold: Cold) -> None:
    """Draw how ours compares with the plain handler, the worst on top, and the targets."""
    rows = sorted(_ratios(cold).items(), key=lambda row: -max(found["median"] for found in row[1].values()))
    bounds = {name: most for name, _, most, _ in cold_targets(cold)}
    for place, (name, found) in enumerate(rows):
        most = bounds.get(name)
        if most:
            axes.plot([most, most], [place - 0.45, place + 0.45], color="black", linewidth=2)
        _draw_row(axes, place, found, most or 1)
    axes.axvline(1, color=_GREY, linewidth=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
    axes.set_xlabel(
        "● as the README deploys it   ○ with DISTRIBUTION_IDS=E1\n"
        "orange: misses its target (|) or, without one, is above 1 ×"
    )
    axes.set_title("Ours against a plain handler, the worst on top", loc="left", fontweight="bold", pad=10)
    _without_lines(axes)


def _draw_row(axes: Axes, place: int, found: dict[str, Spread], most: float) -> None:
    """Draw the functions one below the other, in orange if they are above the most that they should be."""
    for number, function in enumerate(function for function in _MARKS if function in found):
        values, lane = found[function], place + _APART * (number - (len(found) - 1) / 2)
        colour = _ORANGE if values["median"] > most else _BLUE
        axes.plot([values["p10"], values["p90"]], [lane, lane], color=colour, linewidth=1)
        axes.plot(values["median"], lane, color=colour, markersize=6, **_MARKS[function])


def _ratios(cold: Cold) -> dict[str, dict[str, Spread]]:
    """Return the ratios of ours by what they are about, and by function; the targets among them by their names."""
    found: dict[str, dict[str, Spread]] = defaultdict(dict)
    for target in cold_targets(cold):
        found[target.name][target.function] = target.found
    for each in cold["starts"]:
        if each["function"] in _MARKS:
            if each["memory"] != MEMORY:
                found[f"time to the first answer, {each['memory']} MB"][each["function"]] = each["ratios"]["answered"]
            else:
                found["CPU time to the first answer"][each["function"]] = each["ratios"]["cpu"]
                found["CPU time of the second event"][each["function"]] = each["ratios"]["second"]
    return found


def _draw_warm(axes: Axes, results: Results) -> None:
    rows = results["warm"]
    messages = [row["messages"] for row in rows]
    ours, theirs = ([row["seconds"][side]["median"] / row["messages"] * 1e6 for row in rows] for side in _SIDES)
    axes.plot(messages, ours, color=_BLUE, marker="o", markersize=6, linewidth=1.8, clip_on=False)
    axes.plot(messages, theirs, color=_GREY, marker="D", markersize=5, linewidth=1.8, clip_on=False)
    for row, value in zip(rows, ours, strict=True):
        told = f"{row['seconds']['ratio']['median']:.1f} ×" + (" json.loads" if row is rows[0] else "")
        axes.annotate(told, (row["messages"], value), (-3, 9), textcoords="offset points", color=_BLUE)
    named: dict[str, Any] = {"va": "center", "fontweight": "bold", "textcoords": "offset points"}
    axes.annotate("decode and plan", (messages[0], ours[0]), (14, -2), color=_BLUE, **named)
    axes.annotate("json.loads", (messages[0], theirs[0]), (-4, 13), color=_GREY, **named)
    axes.set_xscale("log")
    axes.set_xlim(0.6, messages[-1] * 4)
    axes.set_xticks(messages, [f"{number:,}" for number in messages])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(plot._number))
    axes.set_ylim(0, max(ours) * 1.2)
    axes.set_xlabel("messages in an event")
    axes.set_ylabel("microseconds a message")
    axes.set_title("Warm event, for two distributions", loc="left", fontweight="bold", pad=10)


# --- deploys --------------------------------------------------------------------------------------------


def _deploys(figure: Figure, found: Deployment) -> None:
    """Draw dots on a line for each deploy, the further left the better, and the mistakes of each way."""
    rows = found["deploys"]
    names = list(dict.fromkeys(map(_name, rows)))
    price, seconds, wrong = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 0.75])
    _draw_dots(price, rows, names, ("usd", "worst_usd"), "")
    _draw_dots(seconds, rows, names, ("last", "worst_last"), " s")
    _tell_what_is_wrong(wrong, rows, names)
    price.set_yticks(range(len(names)), names)
    price.set_ylim(len(names) - 0.5, -0.5)
    price.set_title("Price", loc="left", fontweight="bold", pad=10)
    seconds.set_title("All fresh after", loc="left", fontweight="bold", pad=10)
    wrong.set_title("What goes wrong", loc="left", fontweight="bold", pad=10)
    price.set_xlabel("USD, without free paths")
    seconds.set_xlabel("from the last upload")
    for axes in (price, seconds, wrong):
        for place in range(0, len(names), 2):
            axes.axhspan(place - 0.5, place + 0.5, color=_BAND, linewidth=0, zorder=0)
    title = (
        "Deploys to one distribution, or × so many, simulated with CloudFront's quotas.\n"
        "Blue lines reach from the best median of ours to the worst run, whether the queue splits or processes are new."
        "\nA way that has no mark in the middle never gets all fresh."
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=_GREY)
    figure.legend(*price.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)


def _name(row: Deploy) -> str:
    return row["name"] + (f" × {row['distributions']}" if row["distributions"] > 1 else "")


def _draw_dots(axes: Axes, rows: Sequence[Deploy], names: list[str], keys: tuple[_Key, _Key], unit: str) -> None:
    for row in rows:
        if row["way"] in _MARKERS:
            _draw_dot(axes, row, names.index(_name(row)), row[keys[0]])
    for place, name in enumerate(names):
        ours = [row for row in rows if _name(row) == name and row["way"] in STACK]
        _draw_worst(axes, ours, place, keys, unit)
    axes.set_xscale("log")
    axes.set_xlim(axes.dataLim.x0 / 1.4, axes.dataLim.x1 * 20)  # the figures of ours are beside its line
    axes.xaxis.set_major_locator(LogLocator(numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}{unit}"))
    _without_lines(axes)


def _draw_worst(axes: Axes, ours: Sequence[Deploy], place: float, keys: tuple[_Key, _Key], unit: str) -> None:
    """Draw a line from the best median of ours to the worst run, and write both beside it."""
    values = [row[kind] or 0.0 for row in ours for kind in keys]
    best, most = min(values), max(values)
    place += _LANES[OURS]
    axes.plot([best, most], [place, place], color=_BLUE, linewidth=2, marker="|", markersize=9)
    told: dict[str, Any] = {"textcoords": "offset points", "va": "center_baseline", "color": _BLUE, "fontsize": 9}
    reach = f"{best:.3g} … {most:.3g}" if best < most else f"{best:.3g}"
    axes.annotate(reach + unit, (most, place), (8, 0), **told)


def _draw_dot(axes: Axes, row: Deploy, place: int, value: float | None) -> None:
    """Draw a mark, unless the way never gets there: the last column says so."""
    way = row["way"]
    if value is not None:
        label = _LABELS.get(way, way) if place == 0 else None
        axes.plot(value, place + _LANES[way], label=label, **_mark(way))


def _mark(way: str) -> dict[str, Any]:
    return {"linestyle": "", "marker": _MARKERS[way], "markersize": _SIZES[way], "color": _COLOURS[way]}


def _tell_what_is_wrong(axes: Axes, rows: Sequence[Deploy], names: list[str]) -> None:
    """Write the mistakes of each way in a line behind its mark: not everybody can tell colours apart."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    for place, name in enumerate(names):
        wrong = [row for row in rows if _name(row) == name and (row["evicted"] or row["stale"])]
        for number, row in enumerate(wrong):
            way, line = OURS if row["way"] in STACK else row["way"], place + _LINE * (number - (len(wrong) - 1) / 2)
            axes.plot(0.05, line, **_mark(way))
            axes.text(0.1, line, _mistakes(row), fontsize=9, color=_COLOURS[way], va="center_baseline")


def _mistakes(row: Deploy) -> str:
    told = {"evicted": row["evicted"], "stay stale": row["stale"]}
    return ", ".join(f"{number:,.0f} {what}" for what, number in told.items() if number)
