"""``make bench-deployment``: simulate deploys with several batching windows and write deployment.md.

Nothing goes wrong, but the documented quotas hold: the account's rate of calls, and paths in progress.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Final

from tests.simulation.cloudfront import BURST, RATE
from tests.simulation.story import Story, Upload, viewed_at
from tests.simulation.weather import Deployment

RESULTS: Final = Path(__file__).parent / "deployment.md"
PAGE: Final = RESULTS.parent.parent / "docs" / "how-it-works.md"
BEGIN, END = "<!-- deployment: begin -->\n", "<!-- deployment: end -->\n"
QUOTED: Final = "Objects: 5,000; distributions: 2."
"""The case that docs/how-it-works.md shows."""

WINDOWS: Final = (1, 2, 5, 10, 20, 60)
OBJECTS: Final = (1, 500, 5_000)
DISTRIBUTIONS: Final = (1, 2, 20)
SEEDS: Final = 5
UPLOADS_A_SECOND: Final = 100.0


@dataclass(frozen=True)
class Case:
    """A deploy: number of objects and of distributions, and the batching window in seconds."""

    objects: int
    distributions: int
    window: int


@dataclass(frozen=True)
class Figures:
    """The figures of one deploy. Seconds run from an upload until the edges have forgotten the old object.

    ``drained`` are the seconds from the first upload until that is so for every object.
    """

    calls: float
    paths: float
    median: float
    worst: float
    drained: float


def main() -> None:
    """Simulate all cases and write the tables."""
    cases = [Case(*case) for case in product(OBJECTS, DISTRIBUTIONS, WINDOWS)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        figures = dict(zip(cases, pool.map(simulate, cases), strict=True))
    report = _report(figures)
    RESULTS.write_text(report)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + quoted(report) + END + rest.partition(END)[2])
    print(report)


def quoted(report: str) -> str:
    """Return the part of the report that docs/how-it-works.md shows."""
    return QUOTED + report.partition(QUOTED)[2].partition("\nObjects: ")[0]


def simulate(case: Case) -> Figures:
    """Return the mean of each figure over all seeds."""
    runs = [_simulate(case, seed) for seed in range(SEEDS)]
    return Figures(*(mean(figures) for figures in zip(*map(astuple, runs), strict=True)))


def _simulate(case: Case, seed: int) -> Figures:
    uploads = [Upload(number / UPLOADS_A_SECOND, f"site/{number}.html") for number in range(case.objects)]
    deployment = Deployment(window=case.window)
    story = Story(seed, calm=True, deployment=deployment, uploads=uploads, distributions=case.distributions)
    report = story.play()
    fresh = story.cloudfront.fresh_at
    seconds = [
        fresh[distribution, path] - upload.at
        for distribution in story.distributions
        for upload in uploads
        for path in viewed_at(upload.key)
    ]
    return Figures(report.answers.total(), report.billed, median(seconds), max(seconds), max(fresh.values()))


def _report(figures: dict[Case, Figures]) -> str:
    lines = [
        "# The batching window",
        "",
        f"Deploys at {UPLOADS_A_SECOND:.0f} objects a second in the simulated AWS: {RATE} calls a second after a burst"
        f" of {BURST:.0f}, 3,000 paths in progress, up to 5 seconds until the edges know, concurrency"
        f" {Deployment().concurrency}. Seconds are from an upload to the moment at which the edges have forgotten the"
        f" old object, as the median over the objects and the worst; a deploy is drained when that is so for all of"
        f" it, seconds after its first upload. Each figure is the mean of {SEEDS} runs.",
    ]
    for objects, distributions in product(OBJECTS, DISTRIBUTIONS):
        lines += [
            "",
            f"Objects: {objects:,}; distributions: {distributions}. One call for each object on each would take"
            f" {_one_by_one(objects * distributions)}.",
            "",
            "| window | calls | paths | median | worst | drained |",
            "|---|---|---|---|---|---|",
            *(_row(window, figures[Case(objects, distributions, window)]) for window in WINDOWS),
        ]
    lines += ["", f"Made by `make bench-deployment` on {datetime.now(UTC):%Y-%m-%d}."]
    return "\n".join(lines) + "\n"


def _row(window: int, found: Figures) -> str:
    seconds = f"{found.median:,.0f} s | {found.worst:,.0f} s | {found.drained:,.0f} s"
    return f"| {window} s | {found.calls:,.1f} | {found.paths:,.0f} | {seconds} |"


def _one_by_one(calls: int) -> str:
    seconds = max(0.0, (calls - BURST) / RATE)
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
