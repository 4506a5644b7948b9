"""Cold starts: the deployed zip beside plain handlers, under Lambda's own runtime client, on a CloudFront behind TLS.

Init runs at full speed, as in Lambda; the first events get the share of a processor that the function's memory entitles
it to. Things that are compared are measured in turn. Needs Linux.
"""

import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TypeVar

from benchmarks.figures import (
    BY_MEMORY,
    DEPLOYED,
    IDLE,
    LISTED,
    MEMORIES,
    MEMORY,
    PLAIN,
    TWO_CLIENTS,
    Cold,
    Comparison,
    Loop,
    Phase,
    Ratios,
    Spread,
    Start,
    comparison,
    spread,
)
from benchmarks.prices import MB_OF_A_PROCESSOR, share_of
from benchmarks.progress import Progress, Step
from benchmarks.slowed import cpu_seconds, share_of_a_loop, slowed
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.cloudfront_http import answering_as
from tests.doubles.configurations import of_buckets
from tests.doubles.https import in_place_of
from tests.doubles.lambda_runtime import RUNTIME, Answer, Function, deployed, install
from tests.doubles.queues import StrictQueues, answering_for
from tests.doubles.strategies import Change, s3, sqs
from tests.doubles.uploads import uploads_event
from tests.doubles.versioned_s3 import VersionedS3, answering_with

HANDLER: Final = "invalidator.handler.lambda_handler"
MESSAGES: Final = 4_000
# For an event that is carried out, too: as many objects as a distribution takes at a time.
OBJECTS: Final = 2_000
RUNS: Final = 9
PROCESS_RUNS: Final = 15

_QUEUE: Final = "https://sqs.us-east-1.amazonaws.com/123456789012/invalidator"

SETTINGS: Final = {"DISTRIBUTION_IDS": "E1"}
README_SETTINGS: Final = {"DISTRIBUTION_IDS": "discover", "DISCOVER_BUCKET": "origin", "QUEUE_URL": _QUEUE}

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
_NOTHING: Final = "def lambda_handler(event, context): return None\n"

BARE: Final = "import boto3; boto3.client('cloudfront')"
FIRST_EVENT: Final = """
import json, sys
from invalidator.handler import lambda_handler
lambda_handler(json.load(open(sys.argv[1])))
"""

_Name = TypeVar("_Name", bound=Hashable)
_Measure = Callable[["Run"], float]


class Account(NamedTuple):
    """An account with one distribution, and the variables with which a process finds and trusts it."""

    cloudfront: StrictCloudFront
    environ: dict[str, str]


@contextmanager
def account() -> Iterator[Account]:
    """Serve an account's CloudFront, SQS and S3 on loopback, in place of AWS's hosts."""
    cloudfront, bucket = StrictCloudFront((), configs={"E1": of_buckets("origin")}), VersionedS3()
    for record in uploads_event(OBJECTS)["Records"]:
        bucket.write(json.loads(record["body"])["Records"][0]["s3"]["object"]["key"], b"")
    hosts = {
        "cloudfront.amazonaws.com": answering_as(cloudfront),
        "sqs.us-east-1.amazonaws.com": answering_for(StrictQueues({_QUEUE})),
        "origin.s3.amazonaws.com": answering_with(bucket),
    }
    with TemporaryDirectory() as folder, in_place_of(hosts, Path(folder)) as environ:
        yield Account(cloudfront, environ)


# --- cold processes -------------------------------------------------------------------------------------


def cold_process(archive: Path, environ: Mapping[str, str], step: Step) -> Comparison:
    """Measure the CPU seconds of a process: import the handler of a zip and serve a first event, or a bare client."""
    ours, bare = [], []
    with TemporaryDirectory() as folder:
        task, runtime, event = Path(folder) / "task", Path(folder) / "runtime", Path(folder) / "event.json"
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(task)
        install(RUNTIME, runtime)
        event.write_text(json.dumps(s3(Change("blog/index.html"))))
        for number in range(PROCESS_RUNS + 1):
            ours.append(_cpu_of_process(FIRST_EVENT, {**_environment(task), **environ}, event))
            bare.append(_cpu_of_process(BARE, {**_environment(runtime), **environ}))
            step(number, PROCESS_RUNS)
    return comparison(ours[1:], bare[1:])  # the first pair fills the caches of the disk


def _environment(modules: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(modules),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **SETTINGS,
    }


def _cpu_of_process(program: str, environ: Mapping[str, str], *arguments: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # -S: without the packages of the virtual environment.
    command = [sys.executable, "-S", "-c", program, *map(str, arguments)]
    subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- under Lambda's runtime client ----------------------------------------------------------------------


class Setup(NamedTuple):
    """A function: its zip, handler and variables, its event with a sequencer, and its memory in MB.

    Each event makes it call CloudFront so often (``calls``). After two of them it may get one more, of many messages.
    """

    archive: Path
    handler: str
    environ: Mapping[str, str]
    event: Callable[[str], Any]
    memory: int = MEMORY
    calls: int = 1
    more: Any = None


class Taken(NamedTuple):
    """Seconds of the clock and of CPU time, of all threads."""

    seconds: float
    cpu: float


class Run(NamedTuple):
    """A process of a function until it asks for an event, and its first two events; its peak in MiB after these.

    ``last_peak`` is the peak after the event of many messages, if there was one.
    """

    init: Taken
    first: Taken
    second: Taken
    peak: float
    last_peak: float

    @property
    def answered(self) -> float:
        """Return the seconds from the start of the process to its first answer."""
        return self.init.seconds + self.first.seconds

    @property
    def cpu(self) -> float:
        """Return the CPU seconds until then."""
        return self.init.cpu + self.first.cpu


def packagings(archives: Mapping[str, Path], served: Account, step: Step, runs: int = RUNS) -> dict[str, list[Run]]:
    """Measure several zips of this function in turn, as the README deploys it. Return the runs of each, by its name."""
    return side_by_side({name: _as_deployed(archive) for name, archive in archives.items()}, served, step, runs)


def side_by_side(
    setups: Mapping[_Name, Setup], served: Account, step: Step, runs: int = RUNS
) -> dict[_Name, list[Run]]:
    """Run each function so many times, in turn. Return the runs, by the function's name."""
    found: dict[_Name, list[Run]] = {name: [] for name in setups}
    for setup in {setup.archive: setup for setup in setups.values()}.values():  # which fills the caches of the disk
        _run(setup._replace(memory=MB_OF_A_PROCESSOR), served)
    for number in range(runs):
        for place, (name, setup) in enumerate(setups.items()):
            step(number * len(setups) + place, runs * len(setups))
            found[name].append(_run(setup, served))
    return found


def _run(setup: Setup, served: Account) -> Run:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(setup.memory), **served.environ, **setup.environ}
    calls = served.cloudfront.calls
    with TemporaryDirectory() as folder, deployed(setup.archive, Path(folder), setup.handler, environ) as function:
        assert function.init_error is None, function.init_error
        init = Taken(function.init_seconds, cpu_seconds(function.process.pid))
        first, second = (_event(function, setup.event(sequencer), setup.memory) for sequencer in ("01", "02"))
        assert served.cloudfront.calls == calls + 2 * setup.calls, "an event did not make the call that it should"
        peak = function.peak_mebibytes()
        if setup.more:
            _check(function.invoke(setup.more))
        return Run(init, first, second, peak, function.peak_mebibytes())


def _event(function: Function, event: Any, memory: int) -> Taken:
    pid = function.process.pid
    before = cpu_seconds(pid)
    with slowed(pid, share_of(memory)):
        answer = function.invoke(event)
    _check(answer)
    return Taken(answer.seconds, cpu_seconds(pid) - before)


def _check(answer: Answer) -> None:
    assert not answer.failed, answer.payload
    assert not (isinstance(answer.payload, dict) and answer.payload.get("batchItemFailures")), answer.payload


# --- all functions --------------------------------------------------------------------------------------


def cold_starts(archive: Path, served: Account, progress: Progress) -> Cold:
    """Measure all functions with 256 MB, some with other memories, and whether a loop gets the share that it should."""
    progress.part("cold starts under Lambda's runtime client")
    with TemporaryDirectory() as folder:
        runs = side_by_side(_with_memories(_setups(archive, Path(folder))), served, progress.step)
    progress.part("cold processes")
    process = cold_process(archive, served.environ, progress.step)
    return Cold(
        process=process,
        starts=[start(*name, taken, runs[PLAIN, name[1]]) for name, taken in runs.items()],
        loops=[
            Loop(memory=memory, asked=share_of(memory), got=share_of_a_loop(share_of(memory))) for memory in MEMORIES
        ],
        messages=MESSAGES,
        peak_with_messages=spread([run.last_peak for run in runs[LISTED, MEMORY]]),
    )


def _with_memories(setups: Mapping[str, Setup]) -> dict[tuple[str, int], Setup]:
    """Return the functions by name and memory, in the order in which they are shown."""
    named = {
        (name, memory): setup._replace(memory=memory)
        for memory, (name, setup) in product(MEMORIES, setups.items())
        if memory == MEMORY or name in BY_MEMORY
    }
    listed = named[LISTED, MEMORY]
    return named | {(LISTED, MEMORY): listed._replace(more=uploads_event(MESSAGES, OBJECTS))}


def start(function: str, memory: int, runs: list[Run], others: list[Run]) -> Start:
    """Return the figures of a function beside those of another that was measured in turn with it."""

    def values(measure: _Measure) -> Spread:
        return spread([measure(run) for run in runs])

    def phase(taken: Callable[[Run], Taken]) -> Phase:
        return Phase(seconds=values(lambda run: taken(run).seconds), cpu=values(lambda run: taken(run).cpu))

    def ratio(measure: _Measure) -> Spread:
        return spread([measure(run) / measure(other) for run, other in zip(runs, others, strict=True)])

    return Start(
        function=function,
        memory=memory,
        runs=len(runs),
        init=phase(lambda run: run.init),
        first=phase(lambda run: run.first),
        second=phase(lambda run: run.second),
        answered=values(lambda run: run.answered),
        in_event=values(lambda run: run.first.cpu / run.cpu),
        peak=values(lambda run: run.peak),
        ratios=Ratios(
            answered=ratio(lambda run: run.answered),
            cpu=ratio(lambda run: run.cpu),
            second=ratio(lambda run: run.second.cpu),
            peak=ratio(lambda run: run.peak),
        ),
    )


def _setups(archive: Path, folder: Path) -> dict[str, Setup]:
    return {
        DEPLOYED: _as_deployed(archive),
        LISTED: Setup(archive, HANDLER, SETTINGS, _notification),
        PLAIN: _plain(folder / "one.zip", PLAIN_HANDLER.format(more="")),
        TWO_CLIENTS: _plain(folder / "two.zip", PLAIN_HANDLER.format(more='s3 = boto3.client("s3")\n')),
        IDLE: _plain(folder / "nothing.zip", _NOTHING)._replace(calls=0),
    }


def _as_deployed(archive: Path) -> Setup:
    return Setup(archive, HANDLER, README_SETTINGS, lambda sequencer: sqs(_notification(sequencer)))


def _plain(archive: Path, program: str) -> Setup:
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("plain.py", program)
    return Setup(archive, "plain.lambda_handler", {}, _notification)


def _notification(sequencer: str) -> Any:
    return s3(Change("a.html", sequencer=sequencer))
