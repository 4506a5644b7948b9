"""A catch-up of a large bucket: the function that checks the connection, against an S3, SQS and SSM behind TLS.

The function runs in a process of its own, which sees only its zip. All answers come from this machine. It does not
wait until S3 notifies. Needs Linux.
"""

import json
import os
import subprocess
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl
from zipfile import ZipFile

from benchmarks.figures import CatchUps, CaughtUp
from benchmarks.machine import hardware
from benchmarks.prices import BYTES_PER_REQUEST
from benchmarks.progress import ENOUGH_SECONDS, Step
from benchmarks.sites import Tree
from invalidator.notifications.merge import EVENTBRIDGE
from tests.doubles.https import in_place_of
from tests.doubles.loopback import Quiet

OBJECTS: Final = 1_000_000
CHANGED: Final = (0, 100, 1)
"""One of so many objects changed while nobody heard of it; none of them for 0."""
PAGE: Final = 1_000
BUILD: Final = Path(__file__).parents[1] / ".build"
"""The folder of the zips, and of the packages in them."""

_BUCKET: Final = "origin"
_QUEUE: Final = "https://sqs.us-east-1.amazonaws.com/123456789012/invalidator"
_ARN: Final = "arn:aws:sqs:us-east-1:123456789012:invalidator"
_ALLOWED: Final = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": _ARN,
}
_DEPLOYED: Final = {
    "BUCKET": _BUCKET,
    "ENTRY_ID": "invalidator",
    "TARGET": EVENTBRIDGE,
    "QUEUE_URL": _QUEUE,
    "HEARD_PARAMETER": "invalidator-heard",
}
_WITHOUT_ACCOUNT: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "POWERTOOLS_SERVICE_NAME": "invalidator",
}

# As S3 writes them, with the owner and the checksum of an object of today.
_VERSION: Final = (
    "<Version><Key>{}</Key><VersionId>null</VersionId><IsLatest>true</IsLatest><LastModified>{}</LastModified>"
    "<ETag>&quot;{:032x}&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>20480</Size><Owner><ID>"
    f"{'0123456789abcdef' * 4}</ID></Owner><StorageClass>STANDARD</StorageClass></Version>"
)
_LISTING: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>origin</Name><Prefix></Prefix>'
    "<KeyMarker>{}</KeyMarker><VersionIdMarker>null</VersionIdMarker>{}<MaxKeys>1000</MaxKeys>"
    "<EncodingType>url</EncodingType><IsTruncated>{}</IsTruncated>{}</ListVersionsResult>"
)
_MORE: Final = "<NextKeyMarker>{}</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>"
_CONNECTED: Final = "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"

# It measures the handler alone, and prints that in its last line.
_PROGRAM: Final = """
import json, re, time
from invalidator import check
from invalidator.runtime.invocation import LocalContext
services = check.AWS_SERVICES._replace(pause=lambda _seconds: None)
begun, used = time.perf_counter(), time.process_time()
answer = check.lambda_handler({}, LocalContext(), services)
seconds, cpu = time.perf_counter() - begun, time.process_time() - used
peak = re.search("VmHWM: *([0-9]+)", open("/proc/self/status").read().replace("\t", " "))
print(json.dumps([seconds, cpu, int(peak[1]) / 1024, answer["caught_up"]]))
"""


class Run(NamedTuple):
    """A check that caught up: its seconds of the clock and of CPU time, its peak in MiB, and the changes it sent."""

    seconds: float
    cpu: float
    peak: float
    caught_up: int


class Account:
    """A bucket of which one in so many objects changed half an hour ago, a queue, and the parameter of a new stack.

    ``calls`` counts the calls of each kind, ``requests`` what SQS bills for them, ``messages`` those that it got.
    """

    def __init__(self, keys: Sequence[str], one_in: int) -> None:
        self._keys, self._one_in = keys, one_in
        self._value, self._version = "{}", 1
        self.calls = Counter[str]()
        self.requests = self.messages = 0
        now = datetime.now(UTC)
        self._connected = now - timedelta(hours=1)
        ages = timedelta(days=365), timedelta(minutes=30)
        self._times = [f"{now - age:%Y-%m-%dT%H:%M:%S}.000Z" for age in ages]

    @property
    def changed(self) -> int:
        """Return the number of objects that changed."""
        return len(self._keys[:: self._one_in]) if self._one_in else 0

    def listed(self, after: str) -> str:
        """Return a page of the listing, as S3 writes it. No key needs encoding."""
        start = bisect_right(self._keys, after) if after else 0
        keys = self._keys[start : start + PAGE]
        is_cut = start + PAGE < len(self._keys)
        versions = (
            _VERSION.format(key, self._times[self._one_in > 0 and number % self._one_in == 0], number)
            for number, key in enumerate(keys, start)
        )
        more = _MORE.format(keys[-1]) if is_cut else ""
        return _LISTING.format(after, more, str(is_cut).lower(), "".join(versions))

    def answer(self, operation: str, arguments: Any) -> Any:
        """Return the answer of SQS or SSM."""
        match operation:
            case "GetQueueAttributes":
                return {"Attributes": {"QueueArn": _ARN, "Policy": json.dumps({"Statement": [_ALLOWED]})}}
            case "SendMessageBatch":
                entries = arguments["Entries"]
                self.messages += len(entries)
                size = sum(len(entry["MessageBody"].encode()) for entry in entries)
                self.requests += ceil(size / BYTES_PER_REQUEST)
                return {"Successful": [{"Id": entry["Id"], "MessageId": "sent"} for entry in entries]}
            case "PutParameter":
                self._value, self._version = arguments["Value"], self._version + 1
                return {"Version": self._version}
            case "GetParameter":
                changed = self._connected.timestamp()
                return {"Parameter": {"Version": self._version, "Value": self._value, "LastModifiedDate": changed}}
        raise ValueError(operation)


def _s3(account: Account) -> type[Quiet]:
    class Handler(Quiet):
        def do_GET(self) -> None:
            query = dict(parse_qsl(self.path.partition("?")[2], keep_blank_values=True))
            if "versions" in query:
                assert query["encoding-type"] == "url"
                name, answer = "ListObjectVersions", account.listed(query.get("key-marker", ""))
            elif "notification" in query:
                name, answer = "GetBucketNotificationConfiguration", _CONNECTED
            else:
                name, answer = "GetBucketLocation", "<LocationConstraint/>"
            account.calls[name] += 1
            self.respond(200, answer.encode())

    return Handler


def _others(account: Account) -> type[Quiet]:
    class Handler(Quiet):
        def do_POST(self) -> None:
            name = self.headers["X-Amz-Target"].partition(".")[2]
            account.calls[name] += 1
            answer = account.answer(name, json.loads(self.body()))
            self.respond(200, json.dumps(answer).encode(), "application/x-amz-json-1.1")

    return Handler


# --- measuring ------------------------------------------------------------------------------------------


def unpacked(folder: Path) -> Path:
    """Return a folder in ``folder`` with all that the function is deployed with. Raises CalledProcessError."""
    # With bytecode, as it is deployed by a Python of Lambda's version.
    command = [sys.executable, "-m", "deploy.zips", str(BUILD), str(sys.implementation.cache_tag)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    with ZipFile(BUILD / "check.zip") as zipped:
        zipped.extractall(folder / "task")
    return folder / "task"


def catch_ups(step: Step, command: str, objects: int = OBJECTS) -> CatchUps:
    """Measure catching up on a bucket of so many objects, of which none changed, 1 %, or all."""
    keys = sorted(Tree(objects).keys())
    rows = []
    with TemporaryDirectory() as folder:
        modules = str(unpacked(Path(folder)))
        for place, one_in in enumerate(CHANGED):
            step(place, len(CHANGED))
            rows.append(_measured(keys, one_in, modules))
    return CatchUps(command=command, date=f"{datetime.now(UTC):%Y-%m-%d}", machine=hardware(), rows=rows)


def _measured(keys: Sequence[str], one_in: int, modules: str) -> CaughtUp:
    account = Account(keys, one_in)
    runs = [run(account, modules)]
    if runs[0].seconds <= ENOUGH_SECONDS:
        runs += [run(Account(keys, one_in), modules) for _ in range(2)]
    return caught_up(len(keys), account, runs)


def run(account: Account, modules: str) -> Run:
    """Let a process with these modules check and catch up.

    Raises CalledProcessError if it fails, OSError if it misses a change.
    """
    hosts = {
        **dict.fromkeys((f"{_BUCKET}.s3.amazonaws.com", "s3.amazonaws.com"), _s3(account)),
        **dict.fromkeys(("sqs.us-east-1.amazonaws.com", "ssm.us-east-1.amazonaws.com"), _others(account)),
    }
    with TemporaryDirectory() as folder, in_place_of(hosts, Path(folder)) as served:
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": modules, **_DEPLOYED, **_WITHOUT_ACCOUNT, **served}
        # -S: without the packages of the virtual environment.
        command = [sys.executable, "-S", "-c", _PROGRAM]
        done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    found = Run(*json.loads(done.stdout.splitlines()[-1]))
    if found.caught_up != account.changed:
        raise OSError(f"{found.caught_up:,} of {account.changed:,} changes were caught up on:\n{done.stdout}")
    return found


def caught_up(objects: int, account: Account, runs: Sequence[Run]) -> CaughtUp:
    """Return the figures of several runs, of which ``account`` has served one."""
    return CaughtUp(
        objects=objects,
        changed=account.changed,
        runs=len(runs),
        calls=dict(sorted(account.calls.items())),
        messages=account.messages,
        requests=account.requests,
        seconds=round(median(each.seconds for each in runs), 2),
        cpu=round(median(each.cpu for each in runs), 2),
        mebibytes=round(max(each.peak for each in runs), 1),
    )
