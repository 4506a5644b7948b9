"""Warm events in one process. Things that are compared are measured in turn."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks.figures import Comparison, Warm, comparison
from benchmarks.progress import Step
from invalidator.events.decode import decode
from invalidator.model import DistributionId
from tests.doubles.strategies import simple_plan
from tests.doubles.uploads import uploads_event

MESSAGES: Final = (1, 10, 100, 1_000, 4_000)
WARM_RUNS: Final = 31
SAMPLE_SECONDS: Final = 0.02
"""A sample lasts at least this long: faster work is repeated within it."""


def warm(step: Step) -> list[Warm]:
    """Measure decoding and planning for two distributions, against the least that any handler must do."""
    found = []
    for number, messages in enumerate(MESSAGES):
        step(number, len(MESSAGES))
        found.append(Warm(messages=messages, seconds=_decode_and_plan(messages)))
    return found


def _decode_and_plan(messages: int) -> Comparison:
    event = uploads_event(messages)
    bodies = [record["body"] for record in event["Records"]]
    ids = [DistributionId("E1"), DistributionId("E2")]

    def ours() -> Any:
        return simple_plan(decode(event).changes, ids, "index.html")

    def floor() -> Any:
        for body in bodies:
            json.loads(body)

    times = [_times(ours), _times(floor)]
    pairs = [(_cpu(ours, times[0]), _cpu(floor, times[1])) for _ in range(WARM_RUNS)]
    return comparison([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _times(work: Callable[[], Any]) -> int:
    """Return how often the work fits into a sample."""
    times = 1
    while (seconds := _cpu(work, times) * times) < SAMPLE_SECONDS:
        times = max(2 * times, int(times * SAMPLE_SECONDS / max(seconds, 1e-6)))
    return times


def _cpu(work: Callable[[], Any], times: int) -> float:
    """Return the CPU seconds of the work: the mean of several times."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times
