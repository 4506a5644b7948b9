"""The last runs as they are in results.json and deployment.json. All other files are made from these.

The first is of ``make bench``, the second of ``make bench-deployment``.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Final, TypedDict, cast

RESULTS: Final = Path(__file__).parent / "results.json"
DEPLOYMENT: Final = RESULTS.parent / "deployment.json"


class Spread(TypedDict):
    """The median of several runs, and the values that a tenth of the runs are below and above."""

    median: float
    p10: float
    p90: float


class Comparison(TypedDict):
    """Two things that were measured in turn. ``ratio`` is taken pair by pair."""

    runs: int
    ours: Spread
    theirs: Spread
    ratio: Spread


class Cold(TypedDict):
    """Seconds from the start of a process to its first answer: of CPU time in ``process``, of the clock elsewhere."""

    process: Comparison
    """Against a process that imports boto3 and makes a CloudFront client."""
    two_clients: Comparison
    """Under Lambda's runtime client, against a handler that makes an S3 and a CloudFront client at import."""
    one_client: Comparison
    """The same, against a handler that makes only a CloudFront client at import."""
    init: Comparison
    """The part of ``two_clients`` until the process asks for its first event."""
    later: Comparison
    """A second event, against the handler with two clients."""


class Warm(TypedDict):
    """Seconds of CPU time to decode and plan an event, against ``json.loads`` on the bodies of its messages."""

    messages: int
    seconds: Comparison


class Memory(TypedDict):
    """Peak MiB of a process under Lambda's runtime client, after two events of one object."""

    ours: float
    two_clients: float
    one_client: float
    ours_with_messages: float
    """The peak after one more event, with as many ``messages`` as an event can have."""
    messages: int


class Planned(TypedDict):
    """A plan for a site of which a tenth of the objects changed: medians over the runs."""

    objects: int
    urls: int
    """Changed URLs."""
    runs: int
    seconds: float
    mebibytes: float
    """The peak of the process, its inputs included."""
    evicted: int
    bound: int
    """No cover within the allowance evicts fewer objects."""


class Results(TypedDict):
    """A whole run. The date is in UTC."""

    command: str
    date: str
    machine: str
    versions: dict[str, str]
    bytecode: bool
    """True if the deployed zip has bytecode, which takes Python 3.13 to make."""
    took: float
    """Seconds."""
    cold: Cold
    warm: list[Warm]
    memory: Memory
    planner: list[Planned]


OURS, SPLIT, COLD, PER_OBJECT, FLUSH, BOUND = WAYS = (
    "ours",
    "ours, split",
    "ours, cold",
    "one call an object",
    "one flush",
    "bound",
)
"""The ways to invalidate a deploy: ours in three kinds of luck, others, and what is possible at best."""
STACK: Final = (OURS, SPLIT, COLD)


class Deploy(TypedDict):
    """One deploy and one way to invalidate it: sums over the distributions, medians and the worst of the runs.

    A time is None if viewers of some objects get the old version in the end.
    """

    name: str
    objects: int
    distributions: int
    way: str
    runs: int
    usd: float
    """The price of all paths, without free ones."""
    worst_usd: float
    """The highest price of a run."""
    calls: float
    refused: float
    """Calls that CloudFront refused: too many calls, or too many paths in progress."""
    median: float | None
    """Seconds from the upload of an object until no edge has its old version under any URL: the median of objects."""
    last: float | None
    """Seconds from the last upload until that is so for all objects."""
    worst_last: float | None
    """The longest of these of a run."""
    evicted: float
    """Objects that a wildcard evicts before this deploy uploads them, or that it does not upload: the worst run."""
    stale: float
    """Objects of which an edge keeps the old version under some URL: the worst run."""


class Deployment(TypedDict):
    """A whole run of ``make bench-deployment``. The date is in UTC."""

    command: str
    date: str
    machine: str
    took: float
    """Seconds."""
    deploys: list[Deploy]


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least two values, to four significant digits."""
    tenths = quantiles(values, n=10, method="inclusive")
    return Spread(median=_rounded(median(values)), p10=_rounded(tenths[0]), p90=_rounded(tenths[-1]))


def comparison(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Compare values that were measured in turn."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Comparison(runs=len(ratios), ours=spread(ours), theirs=spread(theirs), ratio=spread(ratios))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def save(results: Results | Deployment, path: Path = RESULTS) -> None:
    """Write the results to a file."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def load(path: Path = RESULTS) -> Results:
    """Return the results of the last run of ``make bench``."""
    return cast(Results, json.loads(path.read_text()))


def load_deployment(path: Path = DEPLOYMENT) -> Deployment:
    """Return the results of the last run of ``make bench-deployment``."""
    return cast(Deployment, json.loads(path.read_text()))
