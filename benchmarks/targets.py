"""The targets of deploys and of cold starts, and which of them the last runs miss."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from benchmarks.figures import DEPLOYED, LISTED, MEMORY, STACK, Cold, Deploy, Spread

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


# --- cold starts ----------------------------------------------------------------------------------------


class ColdTarget(NamedTuple):
    """The most that a ratio may be, and what it was in the last run. ``function`` is one of ours."""

    name: str
    function: str
    most: float
    found: Spread

    @property
    def verdict(self) -> str:
        """Return in words whether the ratio is within the target: in nine tenths of the runs, or in half of them."""
        if self.found["median"] > self.most:
            return MISSED
        return MET if self.found["p90"] <= self.most else MEDIAN_ONLY


def cold_targets(cold: Cold) -> Iterator[ColdTarget]:
    """Yield all targets of cold starts."""
    yield ColdTarget("CPU time of a process, against a bare CloudFront client", LISTED, 0.85, cold["process"]["ratio"])
    for found in cold["starts"]:
        if found["memory"] == MEMORY and found["function"] in {DEPLOYED, LISTED}:
            name, ratios = found["function"], found["ratios"]
            yield ColdTarget("part of the CPU time that is in the first event", name, 1 / 6, found["in_event"])
            yield ColdTarget("time to the first answer, against a plain handler", name, 0.60, ratios["answered"])
            yield ColdTarget("peak memory, against a plain handler", name, 0.85, ratios["peak"])
