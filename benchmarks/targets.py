"""The targets of deploys, and which of them the last run misses."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from benchmarks.figures import STACK, Deploy

MET, MEDIAN_ONLY, MISSED = "met", "met by the median only", "missed"


class Target(NamedTuple):
    """The most that a deploy may cost, and the most seconds from the last upload until all is fresh; None: any."""

    name: str
    usd: float
    seconds: float | None
    distributions: int = 1


TARGETS: Final = (
    Target("1 image", 0.01, 9.5),
    Target("1 page", 0.01, 9.5),
    Target("300 images", 1.50, 20.0),
    Target("300 tags + 40 posts", 0.42, None),
    Target("5,000 objects, shuffled, 20/s", 0.20, 35.0),
    Target("5,000 objects, sorted, 20/s", 0.20, 35.0),
    Target("5,000 objects, shuffled, 100/s", 0.10, 35.0),
    Target("5,000 objects, sorted, 100/s", 0.10, 35.0),
    Target("50,000 objects, shuffled, 500/s", 1.00, 60.0),
    Target("5,000 objects, shuffled, 100/s", 1.00, 60.0, distributions=20),
)


def pairs(deploys: Iterable[Deploy]) -> Iterator[tuple[Target, Deploy]]:
    """Yield each target with each row that it is about: ours, in all kinds of luck."""
    targets = {(target.name, target.distributions): target for target in TARGETS}
    for row in deploys:
        target = targets.get((row["name"], row["distributions"]))
        if target and row["way"] in STACK:
            yield target, row


def verdict(target: Target, row: Deploy) -> str:
    """Return in words whether a row meets its target. Nothing may be evicted or stale in any run."""
    if row["evicted"] or row["stale"]:
        return MISSED
    if not _is_within(target, row["usd"], row["last"]):
        return MISSED
    return MET if _is_within(target, row["worst_usd"], row["worst_last"]) else MEDIAN_ONLY


def _is_within(target: Target, usd: float, seconds: float | None) -> bool:
    is_soon = target.seconds is None or (seconds is not None and seconds <= target.seconds)
    return is_soon and round(usd, 4) <= target.usd
