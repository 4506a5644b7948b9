"""The chart of what can be had for how many paths. matplotlib is imported when one is drawn."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invalidator.errors import ConfigurationError
from invalidator.limits import FREE_PATHS, USD_PER_PATH
from invalidator.model import Curve, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES: Final = (".svg", ".png", ".pdf")

# Okabe and Ito's colours, which the colour-blind tell apart: https://jfly.uni-koeln.de/color/ (2026-11-22).
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY: Final = "#666666"
_STYLE: Final[dict[Any, Any]] = {
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "axes.spines.right": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "svg.fonttype": "path",  # the same on every machine
    "svg.hashsalt": "invalidator",
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
}
_NO_DATE: Final[dict[str, dict[str, Any]]] = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}
_WIDE: Final = 20
"""From so many times as many paths on, the axis is logarithmic."""
_MAX_NAMES: Final = 3


def save(curves: list[Curve], path: Path, budget: int | None) -> None:
    """Draw the curves into a file of one of the SUFFIXES; the same curves make the same file.

    Raises ConfigurationError if it cannot be written, or matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure  # without pyplot, no display is looked for
    except ImportError as error:
        raise ConfigurationError(f"--plot needs the extra 'plot': pip install '.[plot]' ({error})") from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.8), layout="constrained")
        _draw(figure.add_subplot(), curves, budget)
        try:
            figure.savefig(path, dpi=150, metadata=_NO_DATE[path.suffix.lower()])
        except OSError as error:
            raise ConfigurationError(f"--plot: {path} cannot be written: {error.strerror or error}") from error


def _draw(axes: "Axes", curves: list[Curve], budget: int | None) -> None:
    last = max((curve.points[-1].paths for curve in curves), default=1)
    first = min((curve.points[0].paths for curve in curves), default=1)
    logarithmic = last > _WIDE * first
    beyond = max((last - first) * 0.06, 0.6)
    start, end = (first / 1.25, last * 1.25) if logarithmic else (first - beyond, last + beyond)
    for number, curve in enumerate(curves):
        _draw_curve(axes, curve, _COLOURS[number % len(_COLOURS)], end, _names(curve) if len(curves) > 1 else None)
    bought = [curve.at(budget) for curve in curves] if budget is not None else []
    if budget is not None and any(bought):
        _mark(axes, [point for point in bought if point], budget)
    _set_axes(axes, (start, end), logarithmic=logarithmic)
    axes.set_title(_title(curves), loc="left", pad=12, fontweight="bold")
    if len(curves) > 1 or any(bought):
        axes.legend(frameon=False, loc="upper right")  # where no curve is that falls


def _draw_curve(axes: "Axes", curve: Curve, colour: str, end: float, label: str | None) -> None:
    """A step from each point to the next: with fewer paths than that takes, nothing is won."""
    paths, evicted = ([point[field] for point in curve.points] for field in (0, 2))
    axes.step(
        [*paths, end], [*evicted, evicted[-1]], where="post", color=colour, linewidth=1.8, label=label, clip_on=False
    )
    axes.plot(paths, evicted, linestyle="", marker="o", markersize=4, color=colour, clip_on=False, zorder=3)


def _names(curve: Curve) -> str:
    names, more = [str(id_) for id_ in curve.distributions], len(curve.distributions) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _mark(axes: "Axes", points: list[Point], budget: int) -> None:
    """A ring around what the budget pays for on each curve."""
    what = "".join(f": {point.paths:,} path{'s' * (point.paths != 1)}, {point.evicted:,} evicted" for point in points)
    axes.plot(
        [point.paths for point in points],
        [point.evicted for point in points],
        label=f"--budget {budget:,}{what if len(points) == 1 else ''}",
        linestyle="",
        marker="o",
        markersize=11,
        markerfacecolor="none",
        markeredgecolor="black",
        markeredgewidth=1.4,
        clip_on=False,
        zorder=4,
    )


def _set_axes(axes: "Axes", ends: tuple[float, float], *, logarithmic: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_xlabel("paths sent")
    axes.set_ylabel("unchanged objects evicted")
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xlim(ends)
    axes.set_ylim(0, max(axes.dataLim.y1 * 1.05, 1))
    axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
    price = axes.secondary_xaxis("top", functions=(_usd, _paths))
    price.set_xlabel(f"USD, if the {FREE_PATHS:,} free paths of the month are used up", color=_GREY, fontsize=9)
    price.tick_params(labelsize=9)
    for axis in (axes.xaxis, price.xaxis):
        even = MaxNLocator(steps=[1, 2, 5, 10], integer=axis is axes.xaxis, min_n_ticks=1)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if logarithmic else even)
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    price.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _number(value: float, _: int | None) -> str:
    return f"{value:,.0f}"


def _usd(paths: Any) -> Any:
    return paths * USD_PER_PATH


def _paths(usd: Any) -> Any:
    return usd / USD_PER_PATH


def _title(curves: list[Curve]) -> str:
    changed = max((curve.changed for curve in curves), default=0)
    objects = f"{changed:,} changed object{'' if changed == 1 else 's'}"
    only = f" on {curves[0].distributions[0]}" if len(curves) == 1 and len(curves[0].distributions) == 1 else ""
    return f"{objects}{'' if only == ' on any' else only}: what fewer paths evict"
