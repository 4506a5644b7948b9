"""``make bench``: measure, write results.md and the table in the README.

Ratios are of two things measured in turn in one run, so that they hold where the machine's speed drifts;
each figure is a median. Needs Linux, for the peak memory of a process.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from invalidator.events import decode
from invalidator.model import DistributionId
from tests.doubles import StrictCloudFront, serve
from tests.lambda_runtime import deployed
from tests.packaged import BUCKET, DISTRIBUTIONS, package
from tests.strategies import Change, s3, simple_plan
from tests.uploads import uploads_event

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->\n"

HANDLER = "invalidator.handler.lambda_handler"
MESSAGES = 4_000
# What is carried out, too, is of so many objects: all that a distribution takes at a time.
OBJECTS = 2_000
COLD_RUNS = 21
WARM_RUNS = 31

DEPLOYED_RUNS = 15

# There is no bucket to list, as there would be for so many paths.
SETTINGS = {"DISTRIBUTION_IDS": "E1", "LOSSLESS": "off"}

# What many write: a client at import, one record, one call.
USUAL_FUNCTION = """
import boto3

client = boto3.client("cloudfront")

def lambda_handler(event, context):
    changed = event["Records"][0]["s3"]["object"]
    paths = {"Quantity": 1, "Items": ["/" + changed["key"]]}
    batch = {"Paths": paths, "CallerReference": changed["sequencer"]}
    return client.create_invalidation(DistributionId="E1", InvalidationBatch=batch)["Invalidation"]["Id"]
"""

BARE = "import boto3; boto3.client('cloudfront')"
FIRST_EVENT = """
import json, sys
from invalidator.handler import lambda_handler
lambda_handler(json.load(open(sys.argv[1])))
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) / 1024, file=sys.stderr)
"""


def main() -> None:
    """Measure everything and write it down."""
    with serve(StrictCloudFront({"E1"})) as endpoint, tempfile.TemporaryDirectory() as folder:
        environ = _environment(endpoint)
        one = _write(Path(folder) / "one.json", s3(Change("blog/index.html")))
        many = _write(Path(folder) / "many.json", uploads_event(MESSAGES, OBJECTS))
        cold, bare = _cold_starts(environ, one)
        peak = _run(FIRST_EVENT, environ, many)[1]
        deployed_rows = _deployed(endpoint, Path(folder))
    plan, floor = _decode_and_plan()
    rows = [
        (
            "Cold process: import the handler and serve its first event, against a bare"
            ' `import boto3; boto3.client("cloudfront")` (CPU time)',
            f"{_ratio(cold, bare):.2f} ×",
            f"{_ms(cold)} against {_ms(bare)}",
        ),
        (
            f"Decode and plan an SQS event of {MESSAGES:,} S3 messages, against `json.loads` on its bodies",
            f"{_ratio(plan, floor):.2f} ×",
            f"{_ms(plan)} against {_ms(floor)}",
        ),
        (f"Peak memory of a process that handles {MESSAGES:,} messages, SDK included", f"{peak:.0f} MiB", ""),
        *deployed_rows,
    ]
    table = "| what | median | |\n|---|---|---|\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    where = machine("boto3", "aws-lambda-powertools")
    text = f"{table}\nMeasured by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {where}.\n"
    (HERE / "results.md").write_text("# The last run\n\n" + text)
    _into_readme(text)
    print(text)


# --- cold processes -------------------------------------------------------------------------------------


def _environment(endpoint: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE.parent),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **SETTINGS,
    }


def _write(file: Path, event: dict[str, Any]) -> Path:
    file.write_text(json.dumps(event))
    return file


def _run(program: str, environ: dict[str, str], *arguments: Path) -> tuple[float, float]:
    """CPU seconds of a Python process, start and end included, and its peak memory in MiB if it prints that."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environ, check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, float(done.stderr or 0)


def _cold_starts(environ: dict[str, str], event: Path) -> tuple[list[float], list[float]]:
    ours, bare = [], []
    for _ in range(COLD_RUNS + 1):
        ours.append(_run(FIRST_EVENT, environ, event)[0])
        bare.append(_run(BARE, environ)[0])
    return ours[1:], bare[1:]  # the first pair fills the caches of the disk


# --- under Lambda's runtime client ----------------------------------------------------------------------


@dataclass
class _Run:
    """A process of a function: seconds from its start until it asks for an event, and for each event; MiB at most."""

    init: float
    first: float
    second: float
    peak: float


def _deployed(endpoint: str, folder: Path) -> list[tuple[str, str, str]]:
    """Rows about the zip that is deployed, beside the usual function in the same runtime client."""
    archive = package(folder / "package", BUCKET, DISTRIBUTIONS).zip_of("invalidate")
    usual_archive = folder / "usual.zip"
    with zipfile.ZipFile(usual_archive, "w") as zipped:
        zipped.writestr("usual.py", USUAL_FUNCTION)
    environ = {"AWS_ENDPOINT_URL": endpoint, **SETTINGS}
    ours, usual = [], []
    for number in range(DEPLOYED_RUNS + 1):
        ours.append(_run_deployed(archive, folder / f"ours{number}", HANDLER, environ))
        usual.append(_run_deployed(usual_archive, folder / f"usual{number}", "usual.lambda_handler", environ))
    del ours[0], usual[0]  # the first pair fills the caches of the disk
    cold, cold_usual = ([run.init + run.first for run in runs] for runs in (ours, usual))
    return [
        (
            "The deployed zip under Lambda's own runtime client: from the start of the process to the answer to its"
            " first event, against a function that does no more than make a boto3 client and a call",
            f"{_ratio(cold, cold_usual):.2f} ×",
            f"{_ms(cold)} (init {_ms([run.init for run in ours])}) against {_ms(cold_usual)}",
        ),
        (
            "A later event in that process",
            _ms([run.second for run in ours]),
            f"against {_ms([run.second for run in usual])}",
        ),
        (
            f"Peak memory of that process, including an event of {MESSAGES:,} messages",
            f"{statistics.median(run.peak for run in ours):.0f} MiB",
            "",
        ),
    ]


def _run_deployed(archive: Path, folder: Path, handler: str, environ: dict[str, str]) -> _Run:
    with deployed(archive, folder, handler, environ) as function:
        first, second = (function.invoke(s3(Change("a.html", sequencer=text))) for text in ("01", "02"))
        assert not first.failed
        assert not second.failed
        if handler == HANDLER:
            assert function.invoke(uploads_event(MESSAGES, OBJECTS)).payload == {"batchItemFailures": []}
        return _Run(function.init_seconds, first.seconds, second.seconds, function.peak_mebibytes())


# --- in one process -------------------------------------------------------------------------------------


def _decode_and_plan() -> tuple[list[float], list[float]]:
    event = uploads_event(MESSAGES)
    bodies = [record["body"] for record in event["Records"]]
    ids = [DistributionId("E1"), DistributionId("E2")]

    def ours() -> None:
        simple_plan(decode(event).changes, ids, "index.html")

    def floor() -> None:
        for body in bodies:
            json.loads(body)

    pairs = [(_cpu(ours), _cpu(floor)) for _ in range(WARM_RUNS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


# --- words ----------------------------------------------------------------------------------------------


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios pair by pair."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms"


def _into_readme(text: str) -> None:
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + BEGIN + text + END + after)


if __name__ == "__main__":
    main()
