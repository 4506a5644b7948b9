"""The last run of ``make bench``, as results.json has it; everything else that is written is made from that."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Final, TypedDict, cast

RESULTS: Final = Path(__file__).parent / "results.json"


class Spread(TypedDict):
    """Of several runs, the median, and the tenths of them that are below and above."""

    median: float
    p10: float
    p90: float


class Comparison(TypedDict):
    """Of two things that were measured in turn, so many times; the ratio is that of each pair."""

    runs: int
    ours: Spread
    theirs: Spread
    ratio: Spread


class Cold(TypedDict):
    """From the start of a process to its first answer. Seconds: of CPU time in ``process``, of the clock elsewhere."""

    process: Comparison
    """Against a process that imports boto3 and makes a CloudFront client."""
    two_clients: Comparison
    """Under Lambda's runtime client, against a handler that makes an S3 and a CloudFront client at import."""
    one_client: Comparison
    """There, against a handler that makes a CloudFront client at import."""
    init: Comparison
    """Of the seconds against two clients, those until the first event is asked for."""
    later: Comparison
    """There, a second event."""


class Warm(TypedDict):
    """Decode and plan an event of so many messages, against ``json.loads`` on their bodies: seconds of CPU time."""

    messages: int
    seconds: Comparison


class Memory(TypedDict):
    """MiB that a process had taken at the most: under Lambda's runtime client, after two events of one object."""

    ours: float
    two_clients: float
    one_client: float
    ours_with_messages: float
    """After one more event, of so many messages as there are at the most."""
    messages: int


PER_OBJECT, FLUSH, OURS, PATIENT = WAYS = ("one call an object", "one flush", "ours", "ours, window=20")
"""How a deploy is invalidated."""


class Deploy(TypedDict):
    """One deploy, and one way to invalidate it: medians over some seeds, summed over the distributions."""

    name: str
    objects: int
    urls: int
    """Under which viewers ask for these objects."""
    distributions: int
    way: str
    calls: float
    refused: float
    """Of the calls: there were too many, or too much was in progress."""
    paths: float
    """Those billed."""
    evicted: float
    """Objects that did not change and are forgotten all the same, once for each distribution."""
    drained: float
    """Seconds from the first upload until the edges had forgotten the last of what they ever forgot."""
    stale_objects: float
    """Changed objects that viewers go on to get as they were, once for each distribution."""
    stale_directories: float
    """The same of the URLs of directories, which show their index document."""


class Planned(TypedDict):
    """A site of so many objects, a tenth of them changed, planned for: medians of so many runs."""

    objects: int
    urls: int
    """The changed ones."""
    runs: int
    seconds: float
    mebibytes: float
    """That the process had taken at the most, its inputs included."""
    evicted: int
    bound: int
    """No cover within the allowance evicts fewer objects."""


class Results(TypedDict):
    """All of it. The date is that of the run, in UTC."""

    command: str
    date: str
    machine: str
    versions: dict[str, str]
    bytecode: bool
    """Whether there is any in the deployed zip: it takes Python 3.13."""
    took: float
    """Seconds."""
    cold: Cold
    warm: list[Warm]
    memory: Memory
    deploys: list[Deploy]
    planner: list[Planned]


def spread(values: Sequence[float]) -> Spread:
    """Of at least two values, to four significant digits."""
    tenths = quantiles(values, n=10, method="inclusive")
    return Spread(median=_rounded(median(values)), p10=_rounded(tenths[0]), p90=_rounded(tenths[-1]))


def comparison(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Of what was measured in turn."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Comparison(runs=len(ratios), ours=spread(ours), theirs=spread(theirs), ratio=spread(ratios))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def save(results: Results, path: Path = RESULTS) -> None:
    """Write them down."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def load(path: Path = RESULTS) -> Results:
    """Those of the last run."""
    return cast(Results, json.loads(path.read_text()))
