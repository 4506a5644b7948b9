"""Charts of budgets: whatever there is to draw is drawn without a complaint, and its words are right."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from invalidator.errors import ConfigurationError
from invalidator.model import DistributionId
from invalidator.operator import plot
from invalidator.operator.curves import Curve, Point

FEW = (Point(1, 1, 18), Point(4, 2, 17), Point(12, 2, 0))
MANY = (Point(2, 2, 1_500), Point(9, 2, 530), Point(750, 15, 0))


def curve(points: tuple[Point, ...], *distributions: str, changed: int = 15) -> Curve:
    return Curve(tuple(map(DistributionId, distributions)), changed, points[-1].paths, points)


ONE = curve(FEW, "E1")
CASES = {
    "one": [ONE],
    "wide": [curve(MANY, "E1", changed=1_212)],
    "several": [curve(MANY, "E1", "E2", "E3", "E4", "E5"), *(curve(FEW, f"E{number}") for number in range(6, 14))],
    "one point": [curve((Point(1, 0, 0),), "E1", changed=1)],
    "one large point": [curve((Point(700, 0, 0),), "E1")],
    "nothing": [],
}


@pytest.mark.parametrize("budget", [None, 10])
@pytest.mark.parametrize("case", CASES)
def test_whatever_there_is_to_draw_is_drawn(case: str, budget: int | None, tmp_path: Path) -> None:
    file = tmp_path / "curve.svg"
    plot.save(CASES[case], file, budget)
    assert "</svg>" in file.read_text()


def words(curves: list[Curve], budget: int | None = None) -> list[str]:
    """All text of a chart."""
    figure = Figure()
    plot._draw(figure.add_subplot(), curves, budget)
    (axes,) = figure.axes
    told = [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
    return told + axes.get_legend_handles_labels()[1]


def test_a_chart_says_what_it_shows() -> None:
    assert words([ONE]) == [
        "15 changed objects on E1: what fewer paths evict",
        "paths sent",
        "unchanged objects evicted",
        "nothing widened: 12 paths",
    ]
    assert words([curve(MANY, "any", changed=1_212)])[0] == "1,212 changed objects: what fewer paths evict"
    assert words(CASES["one point"])[0] == "1 changed object on E1: what fewer paths evict"


def test_the_budget_is_marked_where_it_pays_for_anything() -> None:
    assert words([ONE], 8)[4:] == ["--budget 8: 4 paths, 17 evicted"]
    assert words([ONE], 1)[4:] == ["--budget 1: 1 path, 18 evicted"]
    assert words([curve(MANY, "E1")], 1)[4:] == []


def test_what_is_sent_if_nothing_is_widened_is_marked() -> None:
    lossless = replace(ONE, exact=7_701)
    figure = Figure()
    plot._draw(figure.add_subplot(), [ONE, lossless], None)
    (axes,) = figure.axes
    (marks,) = (line for line in axes.lines if line.get_marker() == "D")
    assert np.array_equal(marks.get_xydata(), [(12, 0), (7_701, 0)])
    assert axes.get_xlim()[1] > 7_701
    assert words([lossless])[3] == "nothing widened: 7,701 paths"


def test_several_curves_are_told_apart() -> None:
    shown = words(CASES["several"], 10)[3:]
    figure = Figure()
    plot._draw(figure.add_subplot(), CASES["several"], None)
    curves = [line for line in figure.axes[0].lines if not str(line.get_label()).startswith(("_", "nothing"))]
    assert len({(line.get_color(), line.get_linestyle()) for line in curves}) == len(CASES["several"])
    assert shown[:2] == ["E1, E2, … 3 more", "E6"]
    assert shown[-2:] == ["nothing widened", "--budget 10"]


def test_a_chart_is_read_on_any_page_because_its_own_is_white(tmp_path: Path) -> None:
    plot.save([ONE], tmp_path / "curve.svg", None)
    first = re.search('style="fill: #([0-9a-f]+)"', (tmp_path / "curve.svg").read_text())
    assert first is not None
    assert first[1] == "ffffff"


@pytest.mark.parametrize("suffix", plot.SUFFIXES)
def test_the_same_curve_is_the_same_file_without_a_date_or_version(suffix: str, tmp_path: Path) -> None:
    one, other = (tmp_path / f"{name}{suffix}" for name in "ab")
    for file in (one, other):
        plot.save([ONE], file, None)
    assert one.read_bytes() == other.read_bytes()
    assert not re.search(rb"20\d\d-\d\d|D:20\d\d|[Mm]atplotlib v", one.read_bytes())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--plot: .*/none/curve\.svg cannot be written: No such file"):
        plot.save([ONE], tmp_path / "none" / "curve.svg", None)
