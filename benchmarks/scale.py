"""The planner on large sites, each measurement in a process of its own: ``python -m benchmarks.scale 10000`` is one.

The changed URLs are in memory when the clock starts. The URLs of the site are a stream that is generated on demand;
the time that generating takes is subtracted.
"""

import json
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.scores import Score, score
from benchmarks.sites import Tree, urls_of_all
from invalidator.planning.cover import Prefixes

PATHS: Final = 3_000
WILDCARDS: Final = 15
MEMORY: Final = 10 * 2**30
"""Most bytes of a process."""


@dataclass(frozen=True)
class Measurement:
    """A plan for one site. Times are in seconds, memory in MiB."""

    urls: int
    """Changed URLs."""
    build: float
    count: float
    cover: float
    inputs: float
    """The peak of the process when the clock started."""
    peak: float
    """The peak when the cover was found, the inputs included."""
    claimed: int
    """The objects that the planner says it evicts."""
    bound: int
    score: Score

    @property
    def seconds(self) -> float:
        """Return the time of all three steps."""
        return self.build + self.count + self.cover


def measured(objects: int, *, clustered: bool, times: int, patience: float) -> Measurement | None:
    """Return the median of the times and the largest memory of several processes.

    None if one takes more seconds than ``patience``, or more memory than ``MEMORY``.
    """
    runs = [_in_a_process(objects, clustered, patience) for _ in range(times)]
    done = [run for run in runs if run is not None]
    if len(done) < times:
        return None
    seconds = {name: median(getattr(run, name) for run in done) for name in ("build", "count", "cover")}
    return replace(done[0], **seconds, peak=max(run.peak for run in done))


def _in_a_process(objects: int, clustered: bool, patience: float) -> Measurement | None:
    command = [sys.executable, "-m", "benchmarks.scale", str(objects), *(["clustered"] if clustered else [])]
    try:
        done = subprocess.run(command, timeout=patience, check=False, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode and "MemoryError" in done.stderr:
        return None
    if done.returncode:
        raise OSError(f"the planner failed on {objects:,} objects:\n{done.stderr}")
    found = json.loads(done.stdout)
    return Measurement(**found | {"score": Score(*found["score"])})


def _measure(tree: Tree) -> Measurement:
    changed = tree.changed()
    urls = urls_of_all(changed)
    start = time.perf_counter()
    deque(_stream(tree), maxlen=0)
    streaming = time.perf_counter() - start
    inputs = _peak()
    start = time.perf_counter()
    prefixes = Prefixes(urls)
    built = time.perf_counter()
    prefixes.count((url,) for url in _stream(tree))
    counted = time.perf_counter()
    cover = prefixes.cover(PATHS, WILDCARDS)
    done = time.perf_counter()
    peak = _peak()
    if cover is None:
        raise ValueError(f"The planner found no cover of {len(urls):,} URLs.")
    return Measurement(
        urls=len(urls),
        build=built - start,
        count=max(0.0, counted - built - streaming),
        cover=done - counted,
        inputs=inputs,
        peak=peak,
        claimed=cover.evicted,
        bound=cover.bound,
        score=score(cover.items, tree.keys(), changed, urls),
    )


def _stream(tree: Tree) -> Iterator[str]:
    return (f"/{key}" for key in tree.keys())  # noqa: SIM118 it is no dict


def _peak() -> float:
    """Return the peak MiB of this process. (That of getrusage includes the peak of its parent.)"""
    return next(
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )


def main() -> None:
    """Measure the site that the command line names, and print the measurement as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(json.dumps(asdict(_measure(Tree(int(sys.argv[1]), clustered="clustered" in sys.argv)))))


if __name__ == "__main__":
    main()
