"""The parts of the benchmarks: sites, other tools, the scorer, simulated deploys, tables, plots."""

import math
import posixpath
import re
import subprocess
import sysconfig
from collections import Counter, defaultdict
from copy import deepcopy
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import __main__ as bench
from benchmarks import catch_up as catching
from benchmarks import (
    deployment,
    deploys,
    figures,
    per_object,
    plots,
    prices,
    progress,
    report,
    s3cmd,
    s3deploy,
    targets,
)
from benchmarks.deploys import HUGE, SORTED, Case, Counts
from benchmarks.figures import BOUND, COLD, FLUSH, OURS, PER_OBJECT, STACK, WAYS, CaughtUp, Deploy, Deployment, Results
from benchmarks.scores import Score, gap, objections, score
from benchmarks.sites import Tree, blog, urls_of, urls_of_all
from tests.doubles.packaged import ROOT
from tests.simulation import cloudfront
from tests.simulation.cloudfront import CloudFront
from tests.simulation.story import Upload
from tests.simulation.weather import CALM
from tests.simulation.world import World

# --- sites ----------------------------------------------------------------------------------------------


def test_the_site_has_5000_objects_and_its_deploys_are_the_same_every_time() -> None:
    site = blog()
    assert len(site.keys) == len(set(site.keys)) == 5_000
    assert Counter(key.partition("/")[0] for key in site.keys if "/" in key) == {
        "posts": 2_400,
        "images": 2_175,
        "tags": 300,
        "assets": 120,
    }
    sizes = {name: (len(changed), len(urls_of_all(changed))) for name, changed in site.deploys.items()}
    assert sizes == {
        "edit of 7": (7, 12),
        "300 images": (300, 300),
        "200 mixed": (200, 321),
        "300 tags + 40 posts": (340, 680),
        "all 5000": (5_000, 7_701),
    }
    for changed in site.deploys.values():
        assert len(set(changed)) == len(changed)
        assert set(changed) <= set(site.keys)
    assert site == blog()


def test_what_the_deploys_change() -> None:
    deploys = blog().deploys
    assert deploys["edit of 7"][0] == "posts/2024/12/p3/index.html"
    assert deploys["300 images"][:2] == ["images/26/im1326.jpg", "images/12/im617.jpg"]
    assert deploys["200 mixed"][:2] == ["posts/2019/08/p19/index.html", "images/20/im1006.jpg"]
    assert deploys["300 tags + 40 posts"][-2:] == ["posts/2023/04/p9/index.html", "posts/2019/08/p0/index.html"]


def test_an_index_document_is_asked_for_by_its_directory_too() -> None:
    assert urls_of("index.html") == ["/index.html", "/"]
    assert urls_of("a/index.html") == ["/a/index.html", "/a/"]
    assert urls_of("a/reindex.html") == ["/a/reindex.html"]
    assert urls_of_all(["a", "index.html"]) == ["/a", "/index.html", "/"]


@pytest.mark.parametrize("clustered", [False, True])
def test_of_a_large_site_a_tenth_is_changed(clustered: bool) -> None:
    tree = Tree(20_000, clustered)
    keys, changed = list(tree.keys()), tree.changed()
    assert len(set(keys)) == 20_000
    assert len(set(changed)) == len(changed) == 2_000
    assert set(changed) <= set(keys)
    assert changed == Tree(20_000, clustered).changed()


def test_clustered_changes_fill_directories_and_scattered_ones_do_not() -> None:
    def full_directories(tree: Tree) -> int:
        sizes = Counter(posixpath.dirname(key) for key in tree.keys())  # noqa: SIM118 it is no dict
        changed = Counter(posixpath.dirname(key) for key in tree.changed())
        return sum(changed[directory] == sizes[directory] for directory in changed)

    assert full_directories(Tree(20_000)) == 0
    assert full_directories(Tree(20_000, clustered=True)) > 10


# --- the scorer -----------------------------------------------------------------------------------------

KEYS = ["index.html", "a/index.html", "a/1.css", "a/12.css", "ab.css", "b.css"]


@pytest.mark.parametrize(
    ("items", "found"),
    [
        (["/a/", "/a/index.html", "/a/1.css"], Score(3, 0, 0, 0)),
        (["/a/", "/a/1.css"], Score(2, 0, 0, 1)),
        (["/a/*"], Score(1, 1, 1, 0)),
        (["/a/i*", "/a/1*", "/a/"], Score(3, 2, 1, 0)),
        (["/a*", "/a/12.css"], Score(2, 1, 2, 0)),
        (["/*"], Score(1, 1, 4, 0)),
        (["/b.css"], Score(1, 0, 1, 3)),
        ([], Score(0, 0, 0, 3)),
    ],
)
def test_the_scorer_counts_items_wildcards_evicted_objects_and_missed_urls(items: list[str], found: Score) -> None:
    changed = ["a/index.html", "a/1.css"]
    assert score(items, KEYS, changed, urls_of_all(changed)) == found


def test_a_cover_is_objected_to_for_each_thing_that_is_wrong_with_it() -> None:
    assert objections(Score(3, 2, 5, 0), paths=3, wildcards=2, claimed=5) == []
    assert objections(Score(3, 2, 5, 1), paths=2, wildcards=1, claimed=4) == [
        "1 changed URLs are not cleared",
        "3 items, where 2 are allowed",
        "2 wildcards, where 1 are allowed",
        "5 objects are evicted, not 4 as the planner says",
    ]


def test_the_gap_is_relative_to_the_bound() -> None:
    assert gap(0, 0) == gap(7, 7) == 0
    assert gap(21, 20) == pytest.approx(0.05)
    assert gap(1, 0) == math.inf


# --- s3deploy -------------------------------------------------------------------------------------------


def files(folder: str, number: int) -> list[str]:
    return [f"{folder}/file{count}.css" for count in range(1, number + 1)]


def files_in_many(folder: str, number: int) -> list[str]:
    return [f"{folder}-{count - 1}/file{count}.css" for count in range(1, number + 1)]


ROOT_AND_STYLES = ["/index.html", "/styles.css"]
NESTED = [
    *ROOT_AND_STYLES,
    *files("blog", 10),
    *files("blog/l1", 10),
    *files("blog/l1/l2/l3/l5", 10),
    *files("blog/l1/l3", 10),
    *files_in_many("about/l1", 10),
    *files("about/l1/l2/l3", 10),
]
STYLES = "/hugoscss/styles/main.min.36816b22057425f8a5f66b73918446b0cd793c0c6125406c285948f507599d1e.css"
IN_HUGOSCSS = [f"/hugoscss{page}/index.html" for page in ("/categories", "", "/tags", "/post", "/post/hello-scss")]


@pytest.mark.parametrize(
    ("root", "paths", "changed", "items"),
    [
        ("web", 5, ["/web/index.html"], ["/web/"]),
        ("", 5, ["/index.html"], ["/"]),
        ("web", 5, ["/web/b/"], ["/web/b/"]),
        ("", 5, [*ROOT_AND_STYLES, *files("css", 20)], ["/", "/css/*", "/styles.css"]),
        ("", 5, [*ROOT_AND_STYLES, *files_in_many("css", 20)], ["/*"]),
        ("", 5, NESTED, ["/", "/about/*", "/blog/*", "/styles.css"]),
        ("/hugoscss", 3, [*IN_HUGOSCSS, STYLES], ["/hugoscss/*"]),
        ("/", 3, ["/a/b1/a.css", "/a/b2/b.css"], ["/a/b1/a.css", "/a/b2/b.css"]),
        ("/", 1, ["/a/b1/a.css", "/a/b2/b.css"], ["/a/*"]),
    ],
)
def test_s3deploy_asks_for_what_its_own_tests_expect(
    root: str, paths: int, changed: list[str], items: list[str]
) -> None:
    """The examples of TestReduceInvalidationPaths in version 2.16.0, those with ``-force`` aside.

    https://github.com/bep/s3deploy/blob/e5e75954b7c9585ef4729fd67b39be0e18fb298c/lib/cloudfront_test.go
    """
    assert s3deploy.items(changed, root, paths) == items


def test_s3deploy_takes_keys_as_they_are_uploaded() -> None:
    assert s3deploy.items(["index.html", "a/reindex.html", "a/b.css"]) == ["/", "/a/", "/a/b.css"]
    assert s3deploy.items([]) == []


# --- s3cmd ----------------------------------------------------------------------------------------------

CHANGED = ["index.html", "a/index.html", "a/b.css"]


@pytest.mark.parametrize(
    ("options", "items"),
    [
        ([], ["/", "/a/", "/a/b.css"]),
        ([s3cmd.WITH_INDEX], ["/index.html", "/", "/a/index.html", "/a/", "/a/b.css"]),
        ([s3cmd.WITH_INDEX, s3cmd.WITHOUT_DIRECTORY], ["/index.html", "/a/index.html", "/a/b.css"]),
    ],
)
def test_the_options_of_s3cmd_clear_index_documents_or_directories(options: list[str], items: list[str]) -> None:
    assert s3cmd.run(CHANGED, *options) == s3cmd.Requests([items], "")


def test_s3cmd_sends_nothing_if_there_are_too_many_paths() -> None:
    assert s3cmd.run([f"{number}.css" for number in range(s3cmd.PATHS)]).refusal == ""
    refused = s3cmd.run([f"{number}.css" for number in range(s3cmd.PATHS + 1)])
    assert refused.calls == []
    assert refused.refusal.endswith("Too many paths to invalidate")


# --- deploys through the simulation ---------------------------------------------------------------------

EDIT = "edit of 7"


def counted(way: str, changed: str = EDIT, distributions: int = 1) -> Counts:
    return deploys.WAYS[way](Case(changed, distributions=distributions), 0)


@pytest.fixture
def nothing_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudfront, "BURST", 0.0)
    monkeypatch.setattr(cloudfront, "RATE", 0.0)


@pytest.fixture
def all_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudfront, "BURST", 1e9)


class Watched(per_object.PerObject):
    """A function that remembers when the invocations for each key began, and how many ran at a time."""

    def __init__(self, world: World) -> None:
        super().__init__(world, CloudFront(world, CALM, ["E1"]), ["E1"])
        self.began: dict[str, list[float]] = defaultdict(list)
        self.ended: dict[str, list[float]] = defaultdict(list)
        self.running = self.most = 0

    def _handle(self, key: str) -> None:
        self.began[key].append(self._world.now)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            super()._handle(key)
        finally:
            self.running -= 1
            self.ended[key].append(self._world.now)


def watched(objects: int) -> Watched:
    world = World(0)
    function = Watched(world)
    for number in range(objects):
        world.after(number / 100, partial(function.notify, f"{number}.css"))
    world.run(math.inf)
    return function


def test_a_deploy_comes_in_the_order_of_its_keys_or_in_one_of_its_seed() -> None:
    case = Case("300 images", SORTED, 20.0)
    uploads = case.uploads(0)
    assert uploads == case.uploads(1) == sorted(uploads, key=lambda upload: upload.key)
    assert uploads[2] == Upload(0.1, "images/0/im49.jpg")
    shuffled = case._replace(order=deploys.SHUFFLED)
    assert shuffled.uploads(0) == shuffled.uploads(0) != shuffled.uploads(1) != uploads
    assert {upload.key for upload in shuffled.uploads(0)} == set(blog().deploys["300 images"])
    assert Case(HUGE).objects == len(set(deploys.keys_of(HUGE))) == 50_000


@pytest.mark.usefixtures("nothing_let_through")
def test_one_call_an_object_gives_up_after_three_times_five_attempts() -> None:
    for distributions in (1, 2):
        found = counted(PER_OBJECT, distributions=distributions)
        assert found == Counts(0, 7 * 3 * 5, 7 * 3 * 5, math.inf, math.inf, 0, 7 * distributions)
    function = watched(3)
    assert set(function.invocations.values()) == {3}
    assert sorted(function.dropped) == ["0.css", "1.css", "2.css"]
    for key, began in function.began.items():
        ended = function.ended[key]
        assert [began[1] - ended[0], began[2] - ended[1]] == pytest.approx([60, 120])
        for start, end in zip(began, ended, strict=True):
            assert 5 * 0.05 <= end - start <= 1 + 2 + 4 + 8 + 5 * 0.4


@pytest.mark.usefixtures("nothing_let_through")
def test_no_more_invocations_run_at_a_time_than_lambda_lets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_object, "CONCURRENCY", 2)
    function = watched(5)
    assert function.most == 2
    assert len(function.dropped) == 5


@pytest.mark.usefixtures("all_let_through")
def test_without_a_limit_one_call_an_object_misses_only_other_urls() -> None:
    # Five of the seven are index documents, which viewers find at the URL of their directory, too.
    assert counted(PER_OBJECT, distributions=2) == Counts(0.07, 14, 0, math.inf, math.inf, 0, 10)
    found = counted(PER_OBJECT, "300 images")
    assert found._replace(median=0, last=0) == Counts(1.5, 300, 0, 0, 0, 0, 0)
    assert 0.1 < found.median < found.last < 10
    function = watched(50)
    assert set(function.invocations.values()) == {1}
    assert function.dropped == []


def test_what_is_wrong_in_itself_is_not_tried_again_by_the_sdk() -> None:
    world = World(0)
    account = CloudFront(world, CALM, ["E1"])
    account.bad.add("/bad.css")
    function = per_object.PerObject(world, account, ["E1"])
    function.notify("bad.css")
    world.run(math.inf)
    assert account.called == {"InvalidArgument": 3}
    assert function.dropped == ["bad.css"]


@pytest.mark.parametrize("distributions", [1, 20])
def test_a_flush_is_one_call_a_distribution_and_evicts_all_unchanged(distributions: int) -> None:
    found = counted(FLUSH, distributions=distributions)
    assert found.usd == 0.005 * distributions
    assert found.calls - found.refused == distributions
    assert (found.evicted, found.stale) == (4_993 * distributions, 0)


@pytest.mark.parametrize("way", STACK)
@pytest.mark.parametrize("changed", [EDIT, "300 tags + 40 posts"])
def test_ours_leaves_nothing_stale_and_evicts_nothing(way: str, changed: str) -> None:
    found, least = counted(way, changed, 2), counted(BOUND, changed, 2)
    assert (found.evicted, found.stale) == (0, 0)
    assert found.usd >= least.usd
    assert found.last > 2


def test_what_a_wildcard_evicts_before_its_upload_is_counted_once() -> None:
    world, case = World(0), Case("1 image")
    account = CloudFront(world, CALM, ["E1"])
    watch = deploys.Watch(world, account, case, [Upload(1.0, "images/0/im1.jpg"), Upload(2.0, "images/0/im10.jpg")])
    world.run(1.5)
    world.now = 1.5
    for paths in (["/images/0/im1.jpg"], ["/images/0/im1*"], ["/images/0/im1.*", "/images/0/im10*"]):
        for accept in account.accepting:
            accept("E1", paths)
    # im1.jpg was uploaded before; im10.jpg is uploaded later, and im11.jpg to im19.jpg are not.
    assert watch.counts().evicted == 10


def test_the_bound_is_the_price_of_all_changes_and_a_wait_for_the_quota() -> None:
    assert [counted(BOUND, changed).usd for changed in ("1 image", "1 page", "300 images")] == [0.005, 0.01, 1.5]
    found = counted(BOUND, "1 image", 20)
    assert found.usd == pytest.approx(0.1)
    assert 2 < found.median < 8
    assert 20 < found.last < 28


# --- figures --------------------------------------------------------------------------------------------


def test_a_ratio_is_that_of_each_pair() -> None:
    found = figures.comparison([2.0, 30.0, 4.0], [1.0, 10.0, 1.0])
    assert found["runs"] == 3
    assert found["ratio"]["median"] == 3.0
    assert (found["ours"]["median"], found["theirs"]["median"]) == (4.0, 1.0)


def test_a_spread_leaves_out_a_tenth_on_each_side() -> None:
    assert figures.spread([float(number) for number in range(11)]) == {"median": 5.0, "p10": 1.0, "p90": 9.0}
    assert figures.spread([1 / 3, 1 / 3])["median"] == 0.3333


def test_what_is_saved_is_loaded_again(played: Deployment, tmp_path: Path) -> None:
    results = figures.load()
    figures.save(results, tmp_path / "results.json")
    assert figures.load(tmp_path / "results.json") == results
    assert (tmp_path / "results.json").read_text() == figures.RESULTS.read_text()
    figures.save(played, tmp_path / "deployment.json")
    assert figures.load_deployment(tmp_path / "deployment.json") == played
    assert (tmp_path / "deployment.json").read_text() == figures.DEPLOYMENT.read_text()


def test_a_row_has_the_medians_of_the_runs_and_the_worst_of_them() -> None:
    one, two, three = (
        Counts(usd, 1, 0, 2.0, last, 0, stale) for usd, last, stale in [(1, 9, 0), (3, math.inf, 1), (2, 5, 0)]
    )
    found = deployment.row(Case("1 page"), OURS, [one, two, three])
    assert (found["usd"], found["worst_usd"], found["last"], found["worst_last"]) == (2, 3, 9, None)
    assert (found["runs"], found["objects"], found["stale"], found["median"]) == (3, 1, 1, 2.0)


def test_all_deploys_that_can_be_played_are_in_the_last_run(played: Deployment) -> None:
    expected = [
        (case.name, case.distributions, way, runs)
        for case, way in product(deployment.cases(), WAYS)
        if (runs := deployment.runs(case, way))
    ]
    assert [(row["name"], row["distributions"], row["way"], row["runs"]) for row in played["deploys"]] == expected


@pytest.mark.parametrize("way", STACK)
def test_ours_evicted_nothing_and_left_nothing_stale_in_the_last_run(played: Deployment, way: str) -> None:
    rows = [row for row in played["deploys"] if row["way"] == way]
    assert len(rows) == len(list(deployment.cases()))
    assert sum(row["evicted"] + row["stale"] for row in rows) == 0


def test_every_target_is_about_a_deploy_and_its_verdict_is_shown(played: Deployment) -> None:
    found = list(targets.pairs(played["deploys"]))
    assert [target for target, _ in found] == [target for target in targets.TARGETS for _ in STACK]
    shown = report.deployment(played).partition("## Targets")[2].partition("## All")[0]
    for row, line in zip(found, [line for line in shown.splitlines() if line.startswith("| ")][2:], strict=True):
        assert line.endswith(f"| {targets.verdict(*row)} |")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "met"),
        ({"usd": 0.015}, "missed"),
        ({"last": 9.6}, "missed"),
        ({"last": None}, "missed"),
        ({"worst_usd": 0.015}, "met by the median only"),
        ({"worst_last": None}, "met by the median only"),
        ({"evicted": 1}, "missed"),
        ({"stale": 1}, "missed"),
    ],
)
def test_a_target_that_is_missed_is_told(played: Deployment, values: Any, told: str) -> None:
    target, row = next(pair for pair in targets.pairs(played["deploys"]) if pair[0].name == "1 page")
    within = {"usd": 0.01, "worst_usd": 0.01, "last": 9.5, "worst_last": 9.5, "evicted": 0, "stale": 0}
    assert targets.verdict(target, cast(Deploy, row | within | values)) == told


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1234.0, "1,234 s"), (7.04, "7.0 s"), (0.2612, "261 ms"), (0.001, "1.0 ms"), (3.97e-6, "4.0 µs"), (0.0, "0.0 µs")],
)
def test_a_time_is_told_in_the_unit_that_suits_it(seconds: float, told: str) -> None:
    assert report.time(seconds) == told


def test_a_share_is_told_in_two_digits_that_count() -> None:
    assert [report.percent(value) for value in (0.0, 0.0000731, 0.05)] == ["0 %", "0.0073 %", "5 %"]


def test_a_table_has_its_numbers_on_the_right() -> None:
    assert report.table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"


def test_the_readme_has_few_rows_and_the_documents_have_all(results: Results, played: Deployment) -> None:
    rows = [line for line in report.readme(results, played).splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 6  # a head of two lines
    document = report.document(results)
    for text in (results["machine"], results["date"], "`make bench`", *results["versions"].values()):
        assert text in document
    assert [row["messages"] for row in results["warm"]] == [1, 10, 100, 1_000, 4_000]
    assert [row["objects"] for row in results["planner"]] == [10_000, 100_000, 1_000_000]
    of_deploys = report.deployment(played)
    assert report.overview(played) in of_deploys
    for row in played["deploys"]:
        assert f"| {row['name']} | {row['way']} | {row['usd']:,.3f} | " in of_deploys


def test_every_table_has_as_many_cells_in_each_row(results: Results, played: Deployment) -> None:
    for text in (report.document(results), report.readme(results, played), report.deployment(played)):
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({line.count(" | ") for line in table.splitlines()}) == 1


def test_the_same_results_are_the_same_plots_without_a_date(
    results: Results, played: Deployment, tmp_path: Path
) -> None:
    for name in "ab":
        plots.save_speed(results, tmp_path / f"{name}-speed.svg")
        plots.save_deploys(played, tmp_path / f"{name}-deploys.svg")
    for plot in ("speed", "deploys"):
        one, other = ((tmp_path / f"{name}-{plot}.svg").read_bytes() for name in "ab")
        assert one == other
        assert not re.search(rb"20\d\d-\d\d|[Mm]atplotlib v", one)


def test_plots_say_which_results_they_were_drawn_from(played: Deployment) -> None:
    others = deepcopy(played)
    others["deploys"][0]["calls"] += 1
    assert plots.identifier(played) == plots.identifier(deepcopy(played)) != plots.identifier(others)


Box = tuple[float, float, float, float]


def boxes(axes: Axes, points: float) -> list[tuple[str, Box]]:
    """Return the marks and texts of a chart, each with its box in points of so many pixels, but no lines."""
    found = []
    for line in axes.lines:
        if line.get_marker() not in ("None", "|") or line.get_linestyle() == "None":
            half = line.get_markersize() / 2
            for x, y in axes.transData.transform(np.asarray(line.get_xydata())) / points:
                found.append((f"{line.get_marker()} at {x:.0f}, {y:.0f}", (x - half, y - half, x + half, y + half)))
    for text in axes.texts:
        (left, low), (right, high) = text.get_window_extent().get_points() / points
        found.append((text.get_text(), (left, low, right, high)))
    return found


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.fixture(scope="module")
def deploys_drawn() -> Figure:
    figure = plots.draw_deploys(figures.load_deployment())
    figure.draw_without_rendering()
    return figure


def test_nothing_in_a_plot_hides_a_mark_or_a_text(results: Results, deploys_drawn: Figure) -> None:
    speed = plots.draw_speed(results)
    speed.draw_without_rendering()
    for figure in (speed, deploys_drawn):
        assert figure.get_facecolor() == (1, 1, 1, 1)
        for axes in figure.get_axes():
            pairs = combinations(boxes(axes, figure.dpi / 72), 2)
            assert [(one, other) for (one, first), (other, second) in pairs if overlap(first, second)] == []


def test_nothing_reaches_the_edge_of_its_chart_or_picture(deploys_drawn: Figure) -> None:
    speed = plots.draw_speed(figures.load())
    speed.draw_without_rendering()
    for figure in (speed, deploys_drawn):
        inner, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(inner.x0, inner.y0, width - inner.x1, height - inner.y1) >= 0
        for axes in figure.get_axes():
            right = axes.get_window_extent().x1 * 72 / figure.dpi
            assert [name for name, box in boxes(axes, figure.dpi / 72) if box[2] > right - 2] == []


def test_all_that_is_drawn_of_a_deploy_is_well_inside_its_row(deploys_drawn: Figure) -> None:
    points = deploys_drawn.dpi / 72
    for axes in deploys_drawn.get_axes():
        first, second = axes.transData.transform([(1, 0), (1, 1)])[:, 1] / points
        for name, (_, low, _, high) in boxes(axes, points):
            ends = [(first - end) / (first - second) for end in (low, high)]
            assert all(abs(end - round(end)) < 0.45 for end in ends), name


def test_each_mistake_has_the_mark_of_the_way_that_makes_it(played: Deployment) -> None:
    played["deploys"][1] |= {"way": COLD, "evicted": 3, "stale": 2}
    *_, wrong = plots.draw_deploys(played).get_axes()
    assert [np.asarray(line.get_ydata())[0] for line in wrong.lines] == [text.get_position()[1] for text in wrong.texts]
    made = {(row["way"] if row["way"] != COLD else OURS) for row in played["deploys"] if row["evicted"] or row["stale"]}
    assert {line.get_marker() for line in wrong.lines} == {plots._MARKERS[way] for way in made}
    assert "3 evicted, 2 stay stale" in [text.get_text() for text in wrong.texts]


# --- catching up ----------------------------------------------------------------------------------------


def sorted_keys(objects: int) -> list[str]:
    return sorted(Tree(objects).keys())


def test_the_bucket_of_a_catch_up_lists_each_object_once() -> None:
    keys, after, found = sorted_keys(2_500), "", list[tuple[str, str]]()
    account = catching.Account(keys, 100)
    for _ in range(3):
        page = account.listed(after)
        found += re.findall("<Key>([^<]*)</Key>.*?<LastModified>([^<]*)<", page)
        after = "".join(re.findall("<NextKeyMarker>([^<]*)<", page))
    assert [key for key, _ in found] == keys
    newest = max(at for _, at in found)
    assert sum(at == newest for _, at in found) == account.changed == 25
    assert after == ""


def test_a_process_catches_up_with_the_calls_that_it_takes() -> None:
    account = catching.Account(sorted_keys(2_500), 1)
    found = catching.run(account, f"{ROOT}:{sysconfig.get_path('purelib')}")
    assert found.caught_up == 2_500
    assert found.seconds > 0 < found.cpu
    assert found.peak > 20
    assert account.calls["ListObjectVersions"] == 3
    assert account.messages == account.calls["SendMessageBatch"] == 3
    assert account.requests > account.messages  # of 64 KB each


def test_a_catch_up_that_misses_a_change_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess((), 0, "[1.0, 1.0, 40.0, 24]\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(OSError, match="24 of 25 changes"):
        catching.run(catching.Account(sorted_keys(2_500), 100), "")


def caught_up(cpu: float) -> CaughtUp:
    account = catching.Account(sorted_keys(2_500), 100)
    account.calls.update({"ListObjectVersions": 3, "SendMessageBatch": 1, "PutParameter": 2})
    account.messages, account.requests = 1, 3
    return catching.caught_up(2_500, account, [catching.Run(cpu, cpu * each, 40.0, 25) for each in (1, 2, 3)])


def test_a_catch_up_costs_its_pages_messages_and_seconds() -> None:
    found = caught_up(1.0)
    assert prices.usd_of_calls(found) == pytest.approx(3 * 0.000005 + 3 * 0.0000004)
    assert prices.catch_up_seconds(found, 1_769) == found["cpu"] == 2.0
    assert prices.usd_of_seconds(1_024, 10.0) == pytest.approx(0.000133334 + 0.0000002)


def test_it_is_told_if_a_catch_up_takes_more_than_a_check_has(results: Results) -> None:
    told = report.catch_up({**results["catch_up"], "rows": [caught_up(1.0), caught_up(100.0)]})
    shown = [line for line in told.splitlines() if line.startswith(("| 256 |", "| 1,024 |"))]
    assert len(shown) == 4
    assert [line for line in shown if "two checks or more" in line] == [shown[1]]


# --- make bench -----------------------------------------------------------------------------------------


def test_without_nodejs_it_is_said_at_once_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"bench: npm was not found\. .* Node\.js 20 or later"):
        bench.main()


def test_an_interruption_is_told_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: progress.Progress) -> Results:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        bench._measured(interrupted, parts=1)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "bench: interrupted. Nothing was written.\n"


def test_where_there_is_no_terminal_each_part_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = progress.Progress(2)
    shown.part("one")
    shown.step(1, 9)
    shown.part("two")
    shown.end()
    assert capsys.readouterr().err == "[1/2] one …\n[2/2] two …\n"
