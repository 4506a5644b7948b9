"""Lambda without AWS: the packaged zip in a process of its own, under AWS's own runtime client.

Lambda's Python runtimes run that client (awslambdaric). It asks a Runtime API on loopback for events and posts answers
there: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. As in Lambda, the process sees the unpacked zip
and the runtime's packages, in this order, but neither this project's folder nor its virtual environment. Two things
differ from Lambda: the Python, which is the one that runs the tests, and the versions of the runtime's packages, which
are those of requirements.txt.
"""

import json
import os
import queue
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import pytest

from tests.doubles.loopback import Quiet, serving

# The packages of the runtime python3.13.
RUNTIME: Final = (
    *("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"),
    *("awslambdaric", "simplejson", "snapshot-restore-py"),
)

_START_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 120

_TRACE: Final = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"


@dataclass(frozen=True)
class Answer:
    """The answer of the function to an invocation: its result, or its error as a document."""

    payload: Any
    failed: bool
    seconds: float


@dataclass
class Function:
    """A function whose process is running, or ended before it took an event (``init_error``)."""

    process: subprocess.Popen[bytes]
    log: Path
    events: "queue.Queue[tuple[str, bytes]]"
    answers: "queue.Queue[tuple[str, str, bytes]]"
    init_seconds: float = 0.0
    init_error: Any = None
    _count: int = 0

    def invoke(self, event: object) -> Answer:
        """Deliver an event and wait for the answer."""
        self._count += 1
        request = f"00000000-0000-0000-0000-{self._count:012}"
        start = time.perf_counter()
        self.events.put((request, json.dumps(event).encode()))
        answered, kind, body = self.answers.get(timeout=_ANSWER_SECONDS)
        seconds = time.perf_counter() - start
        assert answered == request
        return Answer(json.loads(body), kind == "error", seconds)

    def logged(self) -> list[dict[str, Any]]:
        """Return the structured lines of the log so far, without metrics."""
        return [line for line in self._lines() if "_aws" not in line]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics in the log so far."""
        return [line for line in self._lines() if "_aws" in line]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def peak_mebibytes(self) -> float:
        """Return the peak memory of the process so far. Needs Linux."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kibibytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        return int(kibibytes) / 1024


def needs_linux() -> None:
    """Skip the test on other systems."""
    if sys.platform != "linux":
        pytest.skip("Lambda's runtime client is for Linux")


@contextmanager
def deployed(archive: Path, folder: Path, handler: str, environ: Mapping[str, str]) -> Iterator[Function]:
    """Unpack a zip into ``folder``, beside the runtime, and run it there until the context ends."""
    needs_linux()
    task = folder / "task"
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(task)
    install(RUNTIME, folder / "runtime")
    with running(handler, task, [task, folder / "runtime"], environ) as function:
        yield function


@contextmanager
def running(handler: str, task: Path, path: list[Path], environ: Mapping[str, str]) -> Iterator[Function]:
    """Run a handler in ``task``. Its path has these folders and the standard library."""
    events: queue.Queue[tuple[str, bytes]] = queue.Queue()
    answers: queue.Queue[tuple[str, str, bytes]] = queue.Queue()
    started: queue.Queue[bytes | None] = queue.Queue()
    log = task.parent / "log"
    with _runtime_api(events, answers, started) as api, log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            # -S: without the virtual environment's packages.
            [sys.executable, "-S", "-m", "awslambdaric", handler],
            cwd=task,
            env={**_environment(api, handler, path), **environ},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            error = started.get(timeout=_START_SECONDS)
            function = Function(process, log, events, answers, time.perf_counter() - start)
            if error is not None:
                process.wait(_START_SECONDS)
                function.init_error = json.loads(error)
            yield function
        finally:
            process.kill()
            process.wait()


def install(names: tuple[str, ...], folder: Path) -> None:
    """Link installed packages into a folder, as pip --target would copy them."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in (place for name in names for place in _places(name)):
        link = folder / place.name
        if not link.exists():
            link.symlink_to(place)


@cache
def _places(name: str) -> list[Path]:
    """Return the files and folders of an installed package. The SDK's list of them has thousands of lines."""
    package = distribution(name)
    tops = {file.parts[0] for file in package.files or () if file.parts[0] != ".."}
    return [Path(str(package.locate_file(top))) for top in tops]


def _environment(api: str, handler: str, path: list[Path]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "AWS_LAMBDA_RUNTIME_API": api,
        "_HANDLER": handler,
        "LAMBDA_TASK_ROOT": str(path[0]),
        "AWS_LAMBDA_FUNCTION_NAME": "invalidator",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }


# --- the Runtime API ------------------------------------------------------------------------------------

_PREFIX: Final = "/2018-06-01/runtime"


@contextmanager
def _runtime_api(
    events: "queue.Queue[tuple[str, bytes]]",
    answers: "queue.Queue[tuple[str, str, bytes]]",
    started: "queue.Queue[bytes | None]",
) -> Iterator[str]:
    """Serve the Runtime API on loopback. The first request for an event, or an earlier error, goes to ``started``."""

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes, and the second must not wait for the first to be acknowledged.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            assert self.path == f"{_PREFIX}/invocation/next"
            started.put(None)
            request, event = events.get()
            if not request:
                return
            self.send_response(200)
            headers = {
                # Without the first and the last, the native part of the client crashes silently.
                "Content-Type": "application/json",
                "Content-Length": str(len(event)),
                "Lambda-Runtime-Aws-Request-Id": request,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + _ANSWER_SECONDS) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:invalidator",
                "Lambda-Runtime-Trace-Id": _TRACE,
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self) -> None:
            body = self._body()
            *_, request, kind = self.path.split("/")
            if request == "init":
                started.put(body)
            else:
                answers.put((request, kind, body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

    with serving(Handler) as address:
        try:
            yield address
        finally:
            events.put(("", b""))  # releases a request that still waits for an event
