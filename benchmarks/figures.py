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


DEPLOYED, LISTED, PLAIN, TWO_CLIENTS, IDLE = FUNCTIONS = (
    "ours, as the README deploys it",
    "ours, with `DISTRIBUTION_IDS=E1`",
    "a handler with a CloudFront client",
    "a handler with an S3 and a CloudFront client",
    "a handler that does nothing",
)
"""The functions that start cold. The first gets its event from a queue, and looks for its distributions."""
MEMORY: Final = 256
"""MB of the deployed function, as in serverless.yml."""
MEMORIES: Final = (128, 192, MEMORY, 512)
BY_MEMORY: Final = (DEPLOYED, PLAIN)
"""The functions that are measured with other memories, too."""


class Phase(TypedDict):
    """Seconds of the clock, and of CPU time of all threads."""

    seconds: Spread
    cpu: Spread


class Ratios(TypedDict):
    """A function against the handler with a CloudFront client and as much memory, run by run."""

    answered: Spread
    """Seconds until the first answer."""
    cpu: Spread
    """CPU time until then."""
    second: Spread
    """CPU time of the second event."""
    peak: Spread


class Start(TypedDict):
    """A function that starts: its init at full speed, and two events at the share of a processor for its memory."""

    function: str
    memory: int
    """MB."""
    runs: int
    init: Phase
    first: Phase
    second: Phase
    answered: Spread
    """Seconds from the start of the process to the first answer."""
    in_event: Spread
    """The part of the CPU time until then that the first event takes."""
    peak: Spread
    """MiB after both events."""
    ratios: Ratios


class Loop(TypedDict):
    """A busy loop in place of a function: the share of a processor that it was to get, and what it got."""

    memory: int
    asked: float
    got: float


class Cold(TypedDict):
    """Cold starts."""

    process: Comparison
    """CPU seconds of a process that serves a first event, against one that makes a CloudFront client."""
    starts: list[Start]
    loops: list[Loop]
    messages: int
    peak_with_messages: Spread
    """MiB of LISTED after one more event, with as many ``messages`` as an event can have."""


class Warm(TypedDict):
    """Seconds of CPU time to decode and plan an event, against ``json.loads`` on the bodies of its messages."""

    messages: int
    seconds: Comparison


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


class CaughtUp(TypedDict):
    """A check that caught up on a bucket: medians of the runs; the calls, messages and requests of one of them."""

    objects: int
    changed: int
    runs: int
    calls: dict[str, int]
    messages: int
    requests: int
    """Of SQS, as it bills them."""
    seconds: float
    """With a whole processor, and without waiting until S3 notifies."""
    cpu: float
    mebibytes: float
    """The peak of the process: the highest of all runs."""


class CatchUps(TypedDict):
    """Catch-ups, which can be measured without the rest. The date is in UTC."""

    command: str
    date: str
    machine: str
    rows: list[CaughtUp]


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
    planner: list[Planned]
    catch_up: CatchUps


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
