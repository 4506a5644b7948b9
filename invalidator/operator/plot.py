"""Draw charts of the trade between paths and evicted objects. matplotlib is imported only then."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invalidator.errors import ConfigurationError
from invalidator.limits import FREE_PATHS, USD_PER_PATH
from invalidator.operator.curves import Curve, Point
from invalidator.wording import count, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES: Final = (".svg", ".png", ".pdf")

# Okabe and Ito's colours, which colour-blind people can tell apart: https://jfly.uni-koeln.de/color/ (2026-11-22).
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINES: Final = ("-", "--", ":")
"""For curves of the same colour."""
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
"""The axis is logarithmic if the largest number of paths is more than this many times the smallest."""


def save(curves: list[Curve], path: Path, budget: int | None) -> None:
    """Draw curves into a file with one of the SUFFIXES, and mark what a budget of paths buys and what is exact.

    The same curves make the same file. Raises ConfigurationError if it cannot be written, or matplotlib is missing.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure  # without pyplot, which would look for a display
    except ImportError as error:
        raise ConfigurationError(
            f"--plot needs the extra 'plot': install 'invalidator[plot]', or '.[plot]' in a clone ({error})"
        ) from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.8), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, curves, budget)
        if curves:  # below, where none is
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False)
        try:
            figure.savefig(path, dpi=150, metadata=_NO_DATE[path.suffix.lower()])
        except OSError as error:
            raise ConfigurationError(f"--plot: {path} cannot be written: {error.strerror or error}") from error


def _draw(axes: "Axes", curves: list[Curve], budget: int | None) -> None:
    ends, logarithmic = _ends(curves)
    for number, curve in enumerate(curves):
        label = names(curve.distributions) if len(curves) > 1 else None
        _draw_curve(axes, curve, number, ends[1], label)
    if curves:
        exact = [Point(curve.exact, 0, 0) for curve in curves]
        _mark(axes, exact, ("nothing widened", count(exact[0].paths, "path")), marker="D", markersize=13)
    bought = [] if budget is None else [point for curve in curves if (point := curve.at(budget))]
    if bought:
        only = f"{count(bought[0].paths, 'path')}, {bought[0].evicted:,} evicted"
        _mark(axes, bought, (f"--budget {budget:,}", only), marker="o", markersize=9)
    _set_axes(axes, ends, logarithmic=logarithmic)
    axes.set_title(_title(curves), loc="left", pad=12, fontweight="bold")


def _ends(curves: list[Curve]) -> tuple[tuple[float, float], bool]:
    """Return the ends of the axis of paths, and whether it is logarithmic."""
    first = min((curve.points[0].paths for curve in curves), default=1)
    last = max((max(curve.exact, curve.points[-1].paths) for curve in curves), default=1)
    if last > _WIDE * first:
        return (first / 1.25, last * 1.25), True
    margin = max((last - first) * 0.06, 0.6)
    return (first - margin, last + margin), False


def _draw_curve(axes: "Axes", curve: Curve, number: int, end: float, label: str | None) -> None:
    """Draw steps: paths that are not enough for the next point evict as many objects as this one."""
    paths, evicted = ([point[field] for point in curve.points] for field in (0, 2))
    used, place = divmod(number, len(_COLOURS))
    style: dict[str, Any] = {"color": _COLOURS[place], "clip_on": False}
    line = _LINES[used % len(_LINES)]
    axes.step([*paths, end], [*evicted, evicted[-1]], line, where="post", linewidth=1.8, label=label, **style)
    axes.plot(paths, evicted, linestyle="", marker="o", markersize=4, zorder=3, **style)


def _mark(axes: "Axes", points: list[Point], words: tuple[str, str], **style: Any) -> None:
    """Draw a hollow mark around a point of each curve. The legend has the second words only about a single one."""
    label = ": ".join(words) if len(points) == 1 else words[0]
    places = ([point.paths for point in points], [point.evicted for point in points])
    hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.4}
    axes.plot(*places, label=label, linestyle="", clip_on=False, zorder=4, **hollow, **style)


def _set_axes(axes: "Axes", ends: tuple[float, float], *, logarithmic: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_xlabel("paths sent")
    axes.set_ylabel("unchanged objects evicted")
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xlim(ends)
    most = max(axes.dataLim.y1 * 1.05, 1)
    axes.set_ylim(-0.05 * most, most)  # marks at 0 stand above the figures of the axis
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
    changed = count(max((curve.changed for curve in curves), default=0), "changed object")
    ids = curves[0].distributions if len(curves) == 1 else ()
    on = f" on {ids[0]}" if len(ids) == 1 and ids[0] != "any" else ""
    return f"{changed}{on}: what fewer paths evict"
