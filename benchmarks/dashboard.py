"""``make dashboard-preview``: draws the dashboard of a simulated day, docs/dashboard.png, for the README.

The widgets are those of deploy/dashboard.json, the alarms those of the templates, the numbers those of ``day``. What
CloudWatch does with them is done here: sums, maxima and percentiles of each period. Sums are drawn as bars, since most
periods have none.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch, Rectangle
from matplotlib.path import Path as Shape
from matplotlib.textpath import TextToPath
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmarks.day import DAY, DAYS, DEAD_LETTERS, Numbers, fortnight
from tests.doubles.dashboards import Series, series_of

ROOT: Final = Path(__file__).parent.parent
PICTURE: Final = ROOT / "docs" / "dashboard.png"
SEED: Final = 1
_ABSENT: Final = re.compile(r"\$\{(Pipeline|CostAlarm)")
"""What deploy/dashboard.js leaves out of a deployment with no more parameters than it takes."""

_INCHES: Final = (0.5, 0.3)
"""Width and height of a cell of the grid."""
_DPI, _COLOURS_KEPT, _DIGEST = 150, 256, "Digest"
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73")  # as in plot.py
_GREY, _PALE, _RED, _GREEN = "#5F6B7A", "#D5DBDB", "#C62828", "#2E7D32"
_STYLE: Final[dict[Any, Any]] = {
    "axes.edgecolor": _PALE,
    "axes.titlesize": 9.5,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 8.5,
    "xtick.color": _PALE,
    "ytick.color": _PALE,
    "xtick.labelcolor": _GREY,
    "ytick.labelcolor": _GREY,
}


class Line(NamedTuple):
    """One series of a widget: its periods with their values. ``start`` is that of a period, in seconds."""

    label: str
    points: list[tuple[float, float]]
    series: Series


class Alarm(NamedTuple):
    """An alarm of the stack, and whether it is one at the end of the day."""

    name: str
    raised: bool


# --- numbers --------------------------------------------------------------------------------------------


def aggregated(numbers: Iterable[tuple[float, float]], period: int, stat: str) -> list[tuple[float, float]]:
    """The statistic of each period in which there is something, by the second with which the period begins."""
    periods: dict[int, list[float]] = defaultdict(list)
    for at, value in numbers:
        periods[int(at // period) * period].append(value)
    return [(float(start), statistic(values, stat)) for start, values in sorted(periods.items())]


def statistic(values: list[float], stat: str) -> float:
    """One of CloudWatch's; a percentile is the smallest value that so many of them do not exceed."""
    if stat.startswith("p"):
        return sorted(values)[max(ceil(float(stat[1:]) / 100 * len(values)), 1) - 1]
    return sum(values) if stat == "Sum" else max(values)


def lines_of(widget: Any, numbers: Numbers) -> list[Line]:
    """What a metric widget draws, in the time that it shows."""
    begin = -(DAYS - 1) * DAY if widget["properties"].get("start") else 0.0
    found = []
    for series in series_of(widget):
        for of in _all_that(series, numbers):
            shown = [(at, value) for at, value in numbers.get((series.name, of), []) if at >= begin]
            label = of if "${!" in series.label else series.label
            found.append(Line(label, aggregated(shown, series.period, series.stat), series))
    return found


def _all_that(series: Series, numbers: Numbers) -> list[str]:
    """What the metric is of: the one that is named, all of a search, or nothing in particular."""
    others = {name: value for name, value in series.dimensions.items() if name != "service"}
    if None in others.values():
        return sorted({of for name, of in numbers if name == series.name and of})
    return [value or "" for value in others.values()] or [""]


def alarms_of(names: list[str], numbers: Numbers) -> Iterator[Alarm]:
    """How these alarms of the template are at the end of the day: raised if each of the last periods is above."""
    known = _alarms_of_the_templates()
    for name in names:
        given = known[name]
        stat, period = given.get("Statistic") or given["ExtendedStatistic"], given["Period"]
        of = next((str(each["Value"]) for each in given["Dimensions"] if each["Name"] != "service"), "")
        key = given["MetricName"], f"${{{of}}}" if of else ""
        last = dict(aggregated(numbers.get(key, []), period, stat))
        begins = [DAY - period * (number + 1) for number in range(given["EvaluationPeriods"])]
        yield Alarm(name, all(last.get(start, 0.0) > given["Threshold"] for start in begins))


class _Loader(yaml.SafeLoader):
    """Reads ``!GetAtt A.B`` as ``A.B``."""


_Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def _alarms_of_the_templates() -> dict[str, Any]:
    service = yaml.load((ROOT / "serverless.yml").read_text(), _Loader)  # noqa: S506 a SafeLoader
    queue = yaml.load((ROOT / "deploy" / "queue.yml").read_text(), _Loader)  # noqa: S506
    resources = service["resources"][-1]["Resources"] | queue
    return {name: each["Properties"] for name, each in resources.items() if name.endswith("Alarm")}


def widgets() -> list[Any]:
    """Those of the dashboard, without what this deployment does not have."""
    found = json.loads((ROOT / "deploy" / "dashboard.json").read_text())["widgets"]
    for properties in (widget["properties"] for widget in found):
        for name in {"metrics", "alarms"} & set(properties):
            properties[name] = [item for item in properties[name] if not _ABSENT.search(json.dumps(item))]
    return list(found)


# --- the picture ----------------------------------------------------------------------------------------


def main() -> None:
    """Draw the picture into the repository."""
    save(fortnight(SEED), PICTURE)
    print(f"{PICTURE.relative_to(ROOT)}, {PICTURE.stat().st_size:,} bytes")


def save(numbers: Numbers, path: Path) -> None:
    """Draw all widgets into a PNG, which says of what it is; the same numbers make the same file."""
    with BytesIO() as file:
        figure_of(numbers).savefig(file, dpi=_DPI)
        of = PngInfo()
        of.add_text(_DIGEST, digest(numbers))
        # With few colours, it takes a third of the bytes.
        Image.open(file).convert("RGB").quantize(_COLOURS_KEPT, kmeans=1, dither=Image.Dither.NONE).save(
            path, "PNG", pnginfo=of
        )


def figure_of(numbers: Numbers) -> Figure:
    """All widgets with these numbers."""
    drawn = widgets()
    rows = max(widget["y"] + widget["height"] for widget in drawn)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(24 * _INCHES[0], rows * _INCHES[1]), facecolor="white")
        for widget in drawn:
            _draw(figure, widget, rows, numbers)
    return figure


def digest(numbers: Numbers) -> str:
    """That of all that is drawn. Of a picture, it could be another with the next version of a library."""
    content = []
    for widget in widgets():
        lines = lines_of(widget, numbers) if widget["type"] == "metric" else []
        points = [(line.label, [(at, f"{value:.3g}") for at, value in line.points]) for line in lines]
        content.append((widget, points, list(alarms_of(_names(widget), numbers))))
    return sha256(json.dumps(content).encode()).hexdigest()


def digest_of(picture: Path) -> str:
    """That of what a picture shows."""
    with Image.open(picture) as image:
        return str(image.info[_DIGEST])


def _names(widget: Any) -> list[str]:
    """The alarms that a widget shows."""
    return [re.sub(r"\W|Arn", "", name) for name in widget["properties"].get("alarms", [])]


def _draw(figure: Figure, widget: Any, rows: int, numbers: Numbers) -> None:
    x, y, width, height = (widget[name] for name in ("x", "y", "width", "height"))
    _frame(figure, x, rows - y - height, width, height, rows)
    place = _Place(figure, x, rows - y - height, width, height, rows)
    if widget["type"] == "text":
        _draw_text(place, widget["properties"]["markdown"])
    elif widget["type"] == "alarm":
        _draw_alarms(place, widget["properties"]["title"], list(alarms_of(_names(widget), numbers)))
    else:
        _draw_metrics(place, widget["properties"], lines_of(widget, numbers))


class _Place(NamedTuple):
    """A widget's cells of the grid, counted from below."""

    figure: Figure
    x: int
    y: int
    width: int
    height: int
    rows: int

    def axes(self, left: float, bottom: float, right: float, top: float) -> Axes:
        """Axes within margins, in inches."""
        wide, high = 24 * _INCHES[0], self.rows * _INCHES[1]
        x, y = self.x * _INCHES[0] + left, self.y * _INCHES[1] + bottom
        width, height = self.width * _INCHES[0] - left - right, self.height * _INCHES[1] - bottom - top
        return self.figure.add_axes((x / wide, y / high, width / wide, height / high))

    def blank(self) -> Axes:
        """Axes without any lines, in which a unit is an inch, from the upper left corner."""
        axes = self.axes(0, 0, 0, 0)
        axes.set_axis_off()
        axes.set_xlim(0, self.width * _INCHES[0])
        axes.set_ylim(self.height * _INCHES[1], 0)
        return axes


def _frame(figure: Figure, x: int, y: int, width: int, height: int, rows: int) -> None:
    axes = _Place(figure, x, y, width, height, rows).blank()
    size = width * _INCHES[0] - 0.12, height * _INCHES[1] - 0.12
    axes.add_patch(
        FancyBboxPatch((0.06, 0.06), *size, boxstyle="round,pad=0,rounding_size=0.06", fc="white", ec=_PALE, lw=0.9)
    )


def _draw_metrics(place: _Place, properties: Any, lines: list[Line]) -> None:
    two = "right" in properties["yAxis"]
    axes = place.axes(0.72, 0.56, 0.66 if two else 0.32, 0.42)
    others = axes.twinx() if two else axes
    below: dict[float, float] | None = defaultdict(float) if properties.get("stacked") else None
    order = range(len(lines)) if below is not None else _largest_first(lines)
    for number in order:
        line = lines[number]
        _draw_line(others if line.series.right else axes, line, number, below)
    _scale(axes, properties["yAxis"]["left"]["label"])
    if two:
        _scale(others, properties["yAxis"]["right"]["label"])
    _set_time(axes, days=bool(properties.get("start")), narrow=place.width < 12)
    around = place.blank()
    around.text(0.22, 0.24, properties["title"], fontsize=9.5, fontweight="bold", va="center")
    handles = [_handle(line, _COLOURS[number % 3]) for number, line in enumerate(lines)]
    corner = 0.22 / (place.width * _INCHES[0]), 0.12 / (place.height * _INCHES[1])
    around.legend(
        handles=handles, loc="lower left", bbox_to_anchor=corner, ncols=4, frameon=False, fontsize=8,
        handlelength=0.9, handleheight=0.9, handletextpad=0.5, columnspacing=1.4, borderpad=0, borderaxespad=0,
    )  # fmt: skip


def _largest_first(lines: list[Line]) -> list[int]:
    """Their numbers, so that nothing is hidden behind what is larger."""
    return sorted(range(len(lines)), key=lambda number: -sum(value for _, value in lines[number].points))


def _handle(line: Line, colour: str) -> Any:
    return Patch(color=colour, label=line.label)


def _draw_line(axes: Axes, line: Line, number: int, below: dict[float, float] | None) -> None:
    period, colour = line.series.period, _COLOURS[number % 3]
    if line.series.stat == "Sum" and not line.series.right:
        _draw_bars(axes, line, colour, defaultdict(float) if below is None else below)
        nothing = [at for at, value in line.points if not value]
        axes.plot(nothing, [0.0] * len(nothing), linestyle="", color=colour, clip_on=False, **_dots(number))
    elif line.series.stat == "Maximum":
        times, values = _corners(line.points, period)
        axes.fill_between(times, values, step="post", color=colour, alpha=0.2, linewidth=0)
        axes.step(times, values, where="post", color=colour, linewidth=1.1, zorder=2)
    else:
        times, values = _joined(line.points, period)
        axes.plot(times, values, color=colour, linewidth=0.9, **_dots(number))


def _dots(number: int) -> Any:
    """Those of several lines, where these have the same value, are rings around each other."""
    size = 2.2 + 1.1 * (number % 3)
    return {"marker": "o", "markersize": size, "markeredgewidth": 0, "zorder": 4 - 0.1 * number}


def _draw_bars(axes: Axes, line: Line, colour: str, below: dict[float, float]) -> None:
    """All bars of a series as one shape, each upon what is below it."""
    half = line.series.period * 0.4
    corners: list[tuple[float, float]] = []
    for at, value in line.points:
        low, high = below[at], below[at] + value
        corners += [(at - half, low), (at - half, high), (at + half, high), (at + half, low), (at - half, low)]
        below[at] = high
    codes = [Shape.MOVETO, Shape.LINETO, Shape.LINETO, Shape.LINETO, Shape.CLOSEPOLY] * len(line.points)
    axes.add_patch(PathPatch(Shape(corners or [(0, 0)], codes or [Shape.MOVETO]), color=colour, linewidth=0, zorder=2))
    axes.update_datalim(corners or [(0, 0)])


def _corners(points: list[tuple[float, float]], period: int) -> tuple[list[float], list[float]]:
    """Only where the value changes, which is the same to see."""
    kept = [point for before, point in zip([(0.0, -1.0), *points], points, strict=False) if point[1] != before[1]]
    kept += [(at + period, value) for at, value in points[-1:]]
    return [at for at, _ in kept], [value for _, value in kept]


def _joined(points: list[tuple[float, float]], period: int) -> tuple[list[float], list[float]]:
    """With a gap where a period has nothing, as CloudWatch draws it."""
    times: list[float] = []
    values: list[float] = []
    for at, value in points:
        if times and at > times[-1] + period:
            times.append(at)
            values.append(float("nan"))
        times.append(at)
        values.append(value)
    return times, values


def _scale(axes: Axes, label: str) -> None:
    axes.set_ylim(0, max(axes.dataLim.y1 * 1.08, 1.0) if axes.dataLim.y1 > 0 else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.set_ylabel(label, color=_GREY, fontsize=8)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    for name in ("top", "left", "right"):
        axes.spines[name].set_visible(False)


def _short(value: float, _: int | None) -> str:
    return f"{value / 1_000:,g}k" if value >= 10_000 else f"{value:,g}"


def _set_time(axes: Axes, *, days: bool, narrow: bool) -> None:
    axes.grid(axis="y", color="#ECEFF1", linewidth=0.8)
    if days:
        axes.set_xlim(-(DAYS - 0.4) * DAY, 0.7 * DAY)
        axes.xaxis.set_major_locator(FixedLocator([-ago * DAY for ago in range(12, -1, -2)]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{20 + round(at / DAY)} Nov"))
    else:
        axes.set_xlim(0, DAY)
        axes.xaxis.set_major_locator(FixedLocator([hour * 3_600 for hour in range(0, 25, 6 if narrow else 3)]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{round(at / 3_600):02}:00"))


def _draw_alarms(place: _Place, title: str, alarms: list[Alarm]) -> None:
    axes = place.blank()
    axes.text(0.22, 0.3, title, fontsize=9.5, fontweight="bold", va="center")
    width = (place.width * _INCHES[0] - 0.44) / len(alarms)
    for number, alarm in enumerate(alarms):
        colour, left = _RED if alarm.raised else _GREEN, 0.22 + number * width
        axes.add_patch(Rectangle((left, 0.46), width - 0.12, 0.3, fc="#F7F9F9", ec=_PALE, lw=0.8))
        axes.add_patch(Rectangle((left, 0.46), 0.06, 0.3, fc=colour, lw=0))
        axes.text(left + 0.15, 0.61, alarm.name, fontsize=8.5, va="center")
        state = "In alarm" if alarm.raised else "OK"
        axes.text(left + width - 0.22, 0.61, state, fontsize=8.5, va="center", ha="right", color=colour, weight="bold")


_FONTS: Final[dict[str, dict[str, Any]]] = {
    "**": {"family": "DejaVu Sans", "size": 8.8, "weight": "bold"},
    "`": {"family": "DejaVu Sans Mono", "size": 8.2},
    "": {"family": "DejaVu Sans", "size": 8.8},
}


def _draw_text(place: _Place, markdown: str) -> None:
    """Paragraphs with bold words and code, broken where a line is full."""
    axes, measure = place.blank(), TextToPath()
    text = markdown.replace(DEAD_LETTERS, "invalidator-dev-DeadLetters-1A2B3C4D")
    y, right = 0.27, place.width * _INCHES[0] - 0.22
    for paragraph in text.split("\n\n"):
        x = 0.22
        for word, style, space in _words(paragraph):
            font = FontProperties(**_FONTS[style])
            wide = measure.get_text_width_height_descent(word, font, ismath=False)[0] / 72
            if x + wide > right:
                x, y = 0.22, y + 0.18
            axes.text(x, y, word, fontproperties=font, va="baseline")
            x += wide + 0.04 * space
        y += 0.25


def _words(paragraph: str) -> Iterator[tuple[str, str, bool]]:
    """Each word with its style, and whether there is a space behind it."""
    for text in re.split(r"(\*\*.+?\*\*|`.+?`)", paragraph):
        style = next(style for style in _FONTS if text.startswith(style))
        for word, space in re.findall(r"(\S*)(\s?)", text.removeprefix(style).removesuffix(style)):
            if word or space:
                yield word, style, bool(space)


if __name__ == "__main__":
    main()
