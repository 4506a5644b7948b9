"""``make bench-deployment``: play deploys through the simulated AWS and write deployment.json.

Made from it: deployment.md, deploys.svg, and the blocks in docs/how-it-works.md and the README.
``python -m benchmarks.report`` writes all of them again without playing.
"""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from math import inf
from multiprocessing import get_context
from statistics import median
from typing import Final

from benchmarks import figures, report
from benchmarks.deploys import HUGE, SHUFFLED, SORTED, WAYS, Case, Counts
from benchmarks.figures import PER_OBJECT, STACK, Deploy
from benchmarks.machine import hardware
from benchmarks.progress import Progress

RUNS: Final = ((400, 25), (6_000, 5), (100_000, 3))
"""How often a deploy is played that makes at most so many objects fresh, those of each distribution counted."""
SMALL: Final = ("1 image", "1 page", "edit of 7", "300 images", "300 tags + 40 posts")
SLOW: Final = 20.0
"""At so many uploads a second, prices differ the most from run to run."""
LARGE: Final = [Case("5,000 objects", order, rate) for rate, order in product((SLOW, 100.0, 500.0), (SHUFFLED, SORTED))]
WIDE: Final = (Case("1 image"), Case("300 images"), Case("5,000 objects"))
"""The deploys that are played to more than one distribution, too."""
DISTRIBUTIONS: Final = (2, 20, 100)


def cases() -> Iterator[Case]:
    """Yield all deploys that are played."""
    yield from (*map(Case, SMALL), *LARGE, Case(HUGE, rate=500.0))
    for distributions, case in product(DISTRIBUTIONS, WIDE):
        yield case._replace(distributions=distributions)


def runs(case: Case, way: str) -> int:
    """Return how often a deploy is played one way: once, if a run takes minutes."""
    if case.changed == HUGE or (way == PER_OBJECT and case.objects >= 5_000):
        return 1
    if case.rate == SLOW:
        return 12
    return next((number for places, number in RUNS if case.places <= places), 1)


def main() -> None:
    """Play all deploys, write the figures, and tell which targets they miss."""
    progress = Progress(parts=1)
    progress.part("deploys through the simulation")
    begun = time.monotonic()
    work = [(case, way, seed) for case, way in product(cases(), WAYS) for seed in range(runs(case, way))]
    work.sort(key=_effort, reverse=True)
    found: dict[tuple[Case, str], list[Counts]] = {}
    # An interruption ends the pool; without this, each process would print a traceback of its own.
    with get_context("spawn").Pool(os.cpu_count(), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        for number, (case, way, counts) in enumerate(pool.imap_unordered(_play, work), start=1):
            found.setdefault((case, way), []).append(counts)
            progress.step(number, len(work))
    progress.end()
    rows = [row(*each, found[each]) for each in product(cases(), WAYS) if each in found]
    results: figures.Deployment = {
        "command": "make bench-deployment",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": hardware(),
        "took": round(time.monotonic() - begun),
        "deploys": rows,
    }
    figures.save(results, figures.DEPLOYMENT)
    report.write(figures.load(), results)
    print(report.deployment(results))


def _effort(work: tuple[Case, str, int]) -> tuple[float, float]:
    case, way, _ = work
    return case.places * (way in {*STACK, PER_OBJECT}), -case.rate


def _play(work: tuple[Case, str, int]) -> tuple[Case, str, Counts]:
    case, way, seed = work
    return case, way, WAYS[way](case, seed)


def row(case: Case, way: str, counts: Sequence[Counts]) -> Deploy:
    """Return the medians over the runs, and the worst of them."""
    medians = Counts(*(median(values) for values in zip(*counts, strict=True)))
    return Deploy(
        name=case.name,
        objects=case.objects,
        distributions=case.distributions,
        way=way,
        runs=len(counts),
        usd=medians.usd,
        worst_usd=max(each.usd for each in counts),
        calls=medians.calls,
        refused=medians.refused,
        median=_seconds(medians.median),
        last=_seconds(medians.last),
        worst_last=_seconds(max(each.last for each in counts)),
        evicted=max(each.evicted for each in counts),
        stale=max(each.stale for each in counts),
    )


def _seconds(value: float) -> float | None:
    return None if value == inf else round(value, 1)


if __name__ == "__main__":
    main()
