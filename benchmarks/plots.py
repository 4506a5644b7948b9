"""Two pictures of the last run. The same figures make the same files."""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.figures import FLUSH, OURS, PER_OBJECT, Comparison, Deploy, Results, Spread
from invalidator.operator import plot

HERE: Final = Path(__file__).parent
SPEED: Final = HERE / "speed.svg"
DEPLOYS: Final = HERE / "deploys.svg"

_BLUE, _RED, *_ = plot._COLOURS
_GREY: Final = plot._GREY
_LIGHT: Final = "#B5B5B5"
_STYLE: Final = plot._STYLE | {"axes.spines.top": False, "svg.hashsalt": "benchmarks"}
_SIDES: Final[tuple[Literal["ours"], Literal["theirs"]]] = ("ours", "theirs")
_COLOURS: Final = {PER_OBJECT: _RED, FLUSH: _GREY, OURS: _BLUE}
_MARKERS: Final = {PER_OBJECT: "s", FLUSH: "D", OURS: "o"}
_SIZES: Final = {PER_OBJECT: 9, FLUSH: 6, OURS: 9}
_LINES: Final = {PER_OBJECT: -0.14, FLUSH: 0.14}
"""The place in the row of a deploy for the words about these ways."""
_NAMES: Final = {"edit of 7": "7 objects edited", "all 5000": "all 5,000 objects"}
_CLOSE: Final = 4
"""The numbers of dots overlap if their values differ by less than this factor."""


def save(results: Results, speed: Path = SPEED, deploys: Path = DEPLOYS) -> None:
    """Draw both pictures. Their identifier tells from which figures."""
    with mpl.rc_context(_STYLE):
        for path, draw, height in ((speed, _speed, 3.9), (deploys, _deploys, 4.6)):
            figure = Figure(figsize=(9, height), layout="constrained", facecolor="white")
            draw(figure, results)
            metadata = plot._NO_DATE[path.suffix] | (
                {"Identifier": identifier(results)} if path.suffix == ".svg" else {}
            )
            figure.savefig(path, dpi=110, metadata=metadata)


def identifier(results: Results) -> str:
    """Return a digest of the figures."""
    return "sha256:" + sha256(json.dumps(results, sort_keys=True).encode()).hexdigest()


# --- speed ----------------------------------------------------------------------------------------------


def _speed(figure: Figure, results: Results) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
    _draw_cold(left, results)
    _draw_warm(right, results)


def _draw_cold(axes: Axes, results: Results) -> None:
    """Draw a pair of bars for each comparison, with a line over the middle four fifths of the runs."""
    cold = results["cold"]
    pairs: list[tuple[str, str, Comparison]] = [
        (
            "Under Lambda's runtime client, to the first answer",
            "S3 and CloudFront\nclient at import",
            cold["two_clients"],
        ),
        ("CPU time of a process", "bare CloudFront\nclient", cold["process"]),
    ]
    most = max(found[side]["p90"] for *_, found in pairs for side in _SIDES) * 1000
    places, names = list[float](), list[str]()
    for number, (title, other, found) in enumerate(pairs):
        top = 3.3 * number
        axes.text(0, top - 0.75, title, fontsize=9, color=_GREY, va="center")
        _draw_bar(axes, top, found["theirs"], most)
        _draw_bar(axes, top + 1, found["ours"], most, found["ratio"])
        places += [top, top + 1]
        names += [other, OURS]
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(max(places) + 0.6, -1.2)
    axes.set_xlim(0, most * 1.5)
    axes.set_xlabel("milliseconds")
    axes.set_title("Cold start", loc="left", fontweight="bold", pad=10)


def _draw_bar(axes: Axes, place: float, found: Spread, most: float, ratio: Spread | None = None) -> None:
    value, low, high = found["median"] * 1000, found["p10"] * 1000, found["p90"] * 1000
    axes.barh(place, value, height=0.78, color=_BLUE if ratio else _LIGHT)
    axes.plot([low, high], [place, place], color="black", linewidth=1)
    told = f"{value:.0f} ms" + (f"  ({ratio['median']:.2f} ×)" if ratio else "")
    axes.text(high + most * 0.03, place, told, va="center", fontweight="bold" if ratio else "normal")


def _draw_warm(axes: Axes, results: Results) -> None:
    rows = results["warm"]
    messages = [row["messages"] for row in rows]
    ours, theirs = ([row["seconds"][side]["median"] / row["messages"] * 1e6 for row in rows] for side in _SIDES)
    axes.plot(messages, ours, color=_BLUE, marker="o", markersize=6, linewidth=1.8, clip_on=False)
    axes.plot(messages, theirs, color=_GREY, marker="D", markersize=5, linewidth=1.8, clip_on=False)
    for row, value in zip(rows, ours, strict=True):
        told = f"{row['seconds']['ratio']['median']:.1f} ×"
        axes.annotate(told, (row["messages"], value), (-3, 9), textcoords="offset points", color=_BLUE)
    named: dict[str, Any] = {"va": "center", "fontweight": "bold", "textcoords": "offset points"}
    axes.annotate("decode and plan", (messages[0], ours[0]), (14, -2), color=_BLUE, **named)
    axes.annotate("json.loads", (messages[0], theirs[0]), (-4, 13), color=_GREY, **named)
    axes.set_xscale("log")
    axes.set_xlim(0.6, messages[-1] * 1.6)
    axes.set_xticks(messages, [f"{number:,}" for number in messages])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(plot._number))
    axes.set_ylim(0, max(ours) * 1.2)
    axes.set_xlabel("messages in an event")
    axes.set_ylabel("microseconds a message")
    axes.set_title("Warm event, for two distributions", loc="left", fontweight="bold", pad=10)


# --- deploys --------------------------------------------------------------------------------------------


def _deploys(figure: Figure, results: Results) -> None:
    """Draw dots on a line for each deploy, the further left the better, and the mistakes of each way."""
    rows = [row for row in results["deploys"] if row["distributions"] == 1 and row["way"] in _COLOURS]
    names = list(dict.fromkeys(row["name"] for row in rows))
    calls, drained, wrong = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 0.74])
    _draw_dots(calls, rows, names, lambda row: row["calls"], "")
    _draw_dots(drained, rows, names, lambda row: row["drained"], " s")
    calls.xaxis.set_major_locator(LogLocator(numticks=9))
    drained.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=9))
    _tell_what_is_wrong(wrong, rows, names)
    calls.set_yticks(range(len(names)), [_NAMES.get(name, name) for name in names])
    calls.set_ylim(len(names) - 0.45, -0.6)
    calls.set_title("CreateInvalidation calls", loc="left", fontweight="bold", pad=10)
    drained.set_title("Drained after", loc="left", fontweight="bold", pad=10)
    wrong.set_title("What goes wrong", loc="left", fontweight="bold", pad=10)
    drained.set_xlabel("seconds from the first upload")
    calls.set_xlabel("calls, refused ones included")
    title = "Five deploys to a site of 5,000 objects on one distribution, simulated with CloudFront's quotas"
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=_GREY)
    figure.legend(*calls.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)


def _draw_dots(
    axes: Axes, rows: Sequence[Deploy], names: list[str], value_of: Callable[[Deploy], float], unit: str
) -> None:
    for place, name in enumerate(names):
        values = {row["way"]: value_of(row) for row in rows if row["name"] == name}
        axes.plot([min(values.values()), max(values.values())], [place, place], color="#CFCFCF", linewidth=2, zorder=1)
        for way in (OURS, FLUSH, PER_OBJECT):
            axes.plot(
                values[way],
                place,
                linestyle="",
                marker=_MARKERS[way],
                markersize=_SIZES[way],
                color=_COLOURS[way],
                zorder=2 if way == FLUSH else 3,
                label=None if place else way,
            )
        _tell(axes, place, values, unit)
    axes.set_xscale("log")
    axes.set_xlim(axes.dataLim.x0 / 1.9, axes.dataLim.x1 * 2.6)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _short(value: float, _: int | None) -> str:
    return f"{value / 1_000:g}k" if value >= 1_000 else f"{value:g}"


def _tell(axes: Axes, place: int, values: dict[str, float], unit: str) -> None:
    """Write the values above the dots, side by side if the dots are close."""
    ours, other = values[OURS], values[PER_OBJECT]
    close = max(ours, other) < _CLOSE * min(ours, other)
    for way, value, against in ((OURS, ours, other), (PER_OBJECT, other, ours)):
        axes.annotate(
            f"{value:,.0f}{unit}",
            (value, place),
            (0, 8),
            textcoords="offset points",
            ha=("left" if value > against else "right") if close else "center",
            color=_COLOURS[way],
            fontweight="bold",
        )


def _tell_what_is_wrong(axes: Axes, rows: Sequence[Deploy], names: list[str]) -> None:
    axes.set_axis_off()
    for row in rows:
        if row["way"] in _LINES:
            place = names.index(row["name"]) + _LINES[row["way"]]
            axes.text(0, place, _wrong(row), fontsize=9, color=_COLOURS[row["way"]], va="center")


def _wrong(row: Deploy) -> str:
    """Return the mistakes that a deploy leaves, in words; an empty text if there are none."""
    if row["evicted"]:
        return f"{row['evicted']:,.0f} unchanged evicted"
    if row["stale_objects"]:
        return f"{row['stale_objects']:,.0f} of {row['objects']:,} stay stale"
    return f"{row['stale_directories']:,.0f} directory URLs stay stale" if row["stale_directories"] else ""
