"""Cold starts, warm events, and memory. Things that are compared are measured in turn. Needs Linux."""

import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.figures import Cold, Comparison, Memory, Warm, comparison
from invalidator.events.decode import decode
from invalidator.model import DistributionId
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.cloudfront_http import serve
from tests.doubles.lambda_runtime import deployed
from tests.doubles.strategies import Change, s3, simple_plan
from tests.doubles.uploads import uploads_event

ROOT: Final = Path(__file__).parent.parent

HANDLER: Final = "invalidator.handler.lambda_handler"
MESSAGES: Final = (1, 10, 100, 1_000, 4_000)
# For an event that is carried out, too: as many objects as a distribution takes at a time.
OBJECTS: Final = 2_000
COLD_RUNS: Final = 21
DEPLOYED_RUNS: Final = 15
WARM_RUNS: Final = 31
SAMPLE_SECONDS: Final = 0.02
"""A sample lasts at least this long: faster work is repeated within it."""

# Lossless wildcards would need a bucket to list, and there is none.
SETTINGS: Final = {"DISTRIBUTION_IDS": "E1", "LOSSLESS": "off"}

# The handler that many write: clients at import, one record, one call.
PLAIN_HANDLER: Final = """
import boto3

cloudfront = boto3.client("cloudfront")
{more}
def lambda_handler(event, context):
    changed = event["Records"][0]["s3"]["object"]
    paths = {{"Quantity": 1, "Items": ["/" + changed["key"]]}}
    batch = {{"Paths": paths, "CallerReference": changed["sequencer"]}}
    return cloudfront.create_invalidation(DistributionId="E1", InvalidationBatch=batch)["Invalidation"]["Id"]
"""
PLAIN: Final = "plain.lambda_handler"

BARE: Final = "import boto3; boto3.client('cloudfront')"
FIRST_EVENT: Final = """
import json, sys
from invalidator.handler import lambda_handler
lambda_handler(json.load(open(sys.argv[1])))
"""

Step = Callable[[int, int], None]
"""A function that is called with the number of runs that are done, and of all runs."""


@contextmanager
def endpoint() -> Iterator[str]:
    """Serve a CloudFront with one distribution on loopback. Yield its URL."""
    with serve(StrictCloudFront({"E1"})) as address:
        yield address


# --- cold processes -------------------------------------------------------------------------------------


def cold_process(address: str, step: Step) -> Comparison:
    """Measure the CPU seconds of a process: import the handler and serve a first event, against a bare client."""
    environ = _environment(address)
    ours, bare = [], []
    with TemporaryDirectory() as folder:
        event = Path(folder) / "event.json"
        event.write_text(json.dumps(s3(Change("blog/index.html"))))
        for number in range(COLD_RUNS + 1):
            ours.append(_cpu_of_process(FIRST_EVENT, environ, event))
            bare.append(_cpu_of_process(BARE, environ))
            step(number, COLD_RUNS)
    return comparison(ours[1:], bare[1:])  # the first pair fills the caches of the disk


def _environment(address: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **SETTINGS,
    }


def _cpu_of_process(program: str, environ: dict[str, str], *arguments: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program, *arguments], env=environ, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- under Lambda's runtime client ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A process of a function: seconds until it asks for an event, seconds of each event, and peak MiB."""

    init: float
    first: float
    second: float
    peak: float
    peak_with_messages: float

    @property
    def cold(self) -> float:
        """Return the seconds from the start of the process to its first answer."""
        return self.init + self.first


def under_the_runtime(address: str, archive: Path, step: Step) -> tuple[dict[str, Comparison], Memory]:
    """Measure the deployed zip beside plain handlers, all under Lambda's runtime client."""
    environ = {"AWS_ENDPOINT_URL": address, **SETTINGS}
    runs: list[tuple[_Run, ...]] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        functions = [
            (archive, HANDLER),
            (_plain(folder / "two.zip", 's3 = boto3.client("s3")\n'), PLAIN),
            (_plain(folder / "one.zip", ""), PLAIN),
        ]
        for number in range(DEPLOYED_RUNS + 1):
            runs.append(
                tuple(
                    _run_deployed(zipped, folder / f"{number}-{place}", handler, environ)
                    for place, (zipped, handler) in enumerate(functions)
                )
            )
            step(number, DEPLOYED_RUNS)
    ours, two, one = zip(*runs[1:], strict=True)  # the first of each fills the caches of the disk
    return {
        "two_clients": _compared(ours, two, attrgetter("cold")),
        "one_client": _compared(ours, one, attrgetter("cold")),
        "init": _compared(ours, two, attrgetter("init")),
        "later": _compared(ours, two, attrgetter("second")),
    }, Memory(
        ours=_mebibytes(ours, attrgetter("peak")),
        two_clients=_mebibytes(two, attrgetter("peak")),
        one_client=_mebibytes(one, attrgetter("peak")),
        ours_with_messages=_mebibytes(ours, attrgetter("peak_with_messages")),
        messages=MESSAGES[-1],
    )


def cold(process: Comparison, deployed_: dict[str, Comparison]) -> Cold:
    """Put the measurements of cold starts together."""
    return Cold(
        process=process,
        two_clients=deployed_["two_clients"],
        one_client=deployed_["one_client"],
        init=deployed_["init"],
        later=deployed_["later"],
    )


def _plain(archive: Path, more: str) -> Path:
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("plain.py", PLAIN_HANDLER.format(more=more))
    return archive


def _run_deployed(archive: Path, folder: Path, handler: str, environ: dict[str, str]) -> _Run:
    with deployed(archive, folder, handler, environ) as function:
        first, second = (function.invoke(s3(Change("a.html", sequencer=text))) for text in ("01", "02"))
        assert not first.failed
        assert not second.failed
        peak = function.peak_mebibytes()
        if handler == HANDLER:
            assert function.invoke(uploads_event(MESSAGES[-1], OBJECTS)).payload == {"batchItemFailures": []}
        return _Run(function.init_seconds, first.seconds, second.seconds, peak, function.peak_mebibytes())


def _compared(ours: Iterable[_Run], others: Iterable[_Run], measure: Callable[[_Run], float]) -> Comparison:
    return comparison([measure(run) for run in ours], [measure(run) for run in others])


def _mebibytes(runs: Iterable[_Run], measure: Callable[[_Run], float]) -> float:
    return round(median(measure(run) for run in runs), 1)


# --- in one process -------------------------------------------------------------------------------------


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
