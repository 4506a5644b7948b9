"""A CloudFront that keeps the documented rules of a call and is strict where moto is lenient; queues; and time.

What CloudFront does not know by itself is time: throttling and the quota of what is in progress come on demand,
unless it is given a clock.

It has two doors: that of an SDK client (``create_invalidation``), and HTTP on loopback (``serve``), so that
the real SDK signs, sends and parses.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from heapq import heappop, heappush
from itertools import count
from math import inf
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from invalidator.handler import LocalContext
from invalidator.model import Batch, Outcome
from tests.loopback import Quiet, serving

# RFC 1738 §2.2: what is neither unsafe nor a control character, and "%", which begins an escape.
_TAKEN = re.compile(r"/(?:[A-Za-z0-9\-_.!$&'()*+,/:;=?@]|%[0-9A-F]{2})*")
# Escapes that the documentation asks for, and the three that only a key can need: ? starts a query string,
# * would be a wildcard, + may be a space.
_WORTH_ENCODING = set(range(0x21)) | set(range(0x7F, 0x100)) | set(b'<>"#%{}|\\^~[]`') | set(b"?*+")

THROTTLED = ("Throttling", 400)
UNAVAILABLE = ("ServiceUnavailable", 503)
IN_PROGRESS = ("TooManyInvalidationsInProgress", 400)
DENIED = ("AccessDenied", 403)


@dataclass(frozen=True)
class Invalidation:
    """An accepted batch."""

    id: str
    distribution: str
    reference: str
    paths: tuple[str, ...]


class Call(NamedTuple):
    """One attempt: when it was made, on which distribution, under which reference, with how many paths."""

    at: float
    distribution: str
    reference: str
    paths: int


class Clock:
    """The time that an invocation has, in seconds. Nobody ever waits for it to pass: it is moved."""

    def __init__(self, limit: float = 120.0) -> None:
        self.limit, self.now = limit, 0.0

    @property
    def left(self) -> float:
        return self.limit - self.now


@dataclass
class Time:
    """What CloudFront does in time: it lets calls through at a rate, and takes a while to complete one."""

    clock: Clock
    rate: float = inf
    burst: float = inf
    seconds_to_complete: float = 25.0
    _tokens: float = field(init=False)
    _filled: float = 0.0
    _accepted: dict[str, list[tuple[float, int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def lets_through(self) -> bool:
        if self.burst == inf:
            return True
        self._tokens = min(self.burst, self._tokens + (self.clock.now - self._filled) * self.rate)
        self._filled = self.clock.now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def has_room(self, distribution: str, paths: tuple[str, ...]) -> bool:
        accepted = self._accepted.get(distribution, [])
        busy = [entry for entry in accepted if entry[0] + self.seconds_to_complete > self.clock.now]
        wildcards = sum(path.endswith("*") for path in paths)
        plain = len(paths) - wildcards + sum(entry[1] for entry in busy)
        return plain <= 3000 and wildcards + sum(entry[2] for entry in busy) <= 15

    def accept(self, distribution: str, paths: tuple[str, ...]) -> None:
        wildcards = sum(path.endswith("*") for path in paths)
        entry = (self.clock.now, len(paths) - wildcards, wildcards)
        self._accepted.setdefault(distribution, []).append(entry)


@dataclass
class StrictCloudFront:
    """The distributions of an account. ``accepted`` is what is billed; ``calls`` counts every attempt."""

    distributions: Iterable[str]
    accepted: list[Invalidation] = field(default_factory=list)
    log: list[Call] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    # What the next calls meet, in order; None lets one through.
    faults: deque[tuple[str, int] | None] = field(default_factory=deque)
    # What every call to a distribution meets.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)
    # The next calls are accepted, but their answers are lost.
    lose_answers: int = 0
    # Paths that are taken for invalid, however they look.
    rejects: set[str] = field(default_factory=set)
    # How it calls it that a reference was used with other paths: as documented, or as reported.
    used_reference: str = "InvalidArgument"
    time: Time | None = None
    _one_at_a_time: Lock = field(default_factory=Lock)

    @property
    def calls(self) -> int:
        return len(self.log)

    def paths(self, distribution: str) -> list[str]:
        """Everything that a distribution has forgotten, once for each time that it was billed."""
        return [path for item in self.accepted if item.distribution == distribution for path in item.paths]

    def create_invalidation(self, *, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        """The operation as the SDK calls it; raises the SDK's own ClientError."""
        with self._one_at_a_time:
            try:
                return self._create(DistributionId, InvalidationBatch)
            except ClientError as error:
                self.refused[error.response["Error"]["Code"]] += 1
                raise

    def _create(self, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        parameters = {"DistributionId": DistributionId, "InvalidationBatch": InvalidationBatch}
        validate_parameters(parameters, _operation("cloudfront", "CreateInvalidation").input_shape)
        paths, reference = InvalidationBatch["Paths"], InvalidationBatch["CallerReference"]
        now = self.time.clock.now if self.time else 0.0
        self.log.append(Call(now, DistributionId, reference, len(paths["Items"])))
        fault = (self.faults.popleft() if self.faults else None) or self.broken.get(DistributionId)
        if fault is None and self.time and not self.time.lets_through():
            fault = THROTTLED
        if fault is not None:
            raise _error(*fault, f"{fault[0]} on demand")
        if DistributionId not in self.distributions:
            raise _error("NoSuchDistribution", 404, "The specified distribution does not exist.")
        _check(paths["Items"], paths["Quantity"], self.rejects)
        invalidation = self._accept(DistributionId, reference, tuple(paths["Items"]))
        if self.lose_answers:
            self.lose_answers -= 1
            raise _error("InternalError", 500, "the answer was lost")
        return {"Invalidation": {"Id": invalidation.id, "InvalidationBatch": InvalidationBatch}}

    def _accept(self, distribution: str, reference: str, paths: tuple[str, ...]) -> Invalidation:
        for earlier in self.accepted:
            if (earlier.distribution, earlier.reference) == (distribution, reference):
                if earlier.paths == paths:
                    return earlier
                raise _error(
                    self.used_reference,
                    400,
                    "Your request contains a caller reference that was used for a previous invalidation batch"
                    " for the same distribution.",
                )
        if sum(path.endswith("*") for path in paths) > 15 or (
            self.time and not self.time.has_room(distribution, paths)
        ):
            raise _error(*IN_PROGRESS, "Processing your request will cause you to exceed the maximum number.")
        if self.time:
            self.time.accept(distribution, paths)
        invalidation = Invalidation(f"I{len(self.accepted) + 1:013}", distribution, reference, paths)
        self.accepted.append(invalidation)
        return invalidation


def _check(items: list[str], quantity: int, rejects: set[str]) -> None:
    if quantity != len(items):
        raise _error("InconsistentQuantities", 400, "The value of Quantity and the size of Items don't match.")
    if len(items) > 3000:
        raise _error("BatchTooLarge", 413, "Invalidation batch specified is too large.")
    if len(set(items)) != len(items) or not all(map(_is_path, items)) or rejects.intersection(items):
        raise _error("InvalidArgument", 400, "Your request contains one or more invalid invalidation paths.")
    for item in items:
        encoded = {int(escape_[1:], 16) for escape_ in re.findall(r"%[0-9A-F]{2}", item)}
        # The real one says nothing and clears nothing.
        assert encoded <= _WORTH_ENCODING, f"{item} would be accepted and clear nothing"


def _is_path(item: str) -> bool:
    return len(item) <= 4000 and "*" not in item[:-1] and _TAKEN.fullmatch(item) is not None


def keys_of(path: str) -> set[bytes]:
    """The keys that a path may stand for: a plus sign is a space to some and itself to others."""
    raw = path.removeprefix("/")
    return {unquote_to_bytes(raw), unquote_to_bytes(raw.replace("+", " "))}


def _error(code: str, status: int, message: str, operation: str = "CreateInvalidation") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


@cache
def _operation(service: str, name: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(name)


# --- time without waiting -------------------------------------------------------------------------------


class Calls:
    """Workers on a clock that is moved: calls overlap, and each takes as long as ``takes`` says.

    A call meets CloudFront when it begins. ``pauses`` are the waits while no call was on its way, ``most`` is how
    many were at the same time.
    """

    def __init__(self, clock: Clock, takes: Callable[[Batch], float] = lambda _: 0.0) -> None:
        self._clock, self._takes = clock, takes
        self._running: list[tuple[float, int, Outcome]] = []
        self._numbers = count()
        self.pauses: list[float] = []
        self.most = 0

    def start(self, call: Callable[[], Outcome]) -> None:
        outcome = call()
        heappush(self._running, (self._clock.now + self._takes(outcome.batch), next(self._numbers), outcome))
        self.most = max(self.most, len(self._running))

    def wait(self, seconds: float) -> Outcome | None:
        until = self._clock.now + max(seconds, 0.0)
        if self._running and self._running[0][0] <= until:
            end, _, outcome = heappop(self._running)
            self._clock.now = max(self._clock.now, end)
            return outcome
        if not self._running:
            self.pauses.append(seconds)
        self._clock.now = until
        return None


@dataclass(frozen=True)
class OnClock(LocalContext):
    """The context of an invocation whose time is a clock's."""

    clock: Clock = field(default_factory=Clock)

    def get_remaining_time_in_millis(self) -> int:
        return int(self.clock.left * 1000)


class HurriedContext(LocalContext):
    """An invocation that has time for calls and none for pauses."""

    def get_remaining_time_in_millis(self) -> int:
        return 1_500


# --- queues ---------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """What was put into a queue."""

    url: str
    body: str
    delay: int


@dataclass
class StrictQueues:
    """The queues of an account, by URL, behind the door of an SDK client."""

    urls: set[str]
    messages: list[Message] = field(default_factory=list)
    # What every call to a queue meets.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> Any:  # noqa: N803
        """The operation as the SDK calls it; raises the SDK's own ClientError."""
        parameters = {"QueueUrl": QueueUrl, "MessageBody": MessageBody, "DelaySeconds": DelaySeconds}
        validate_parameters(parameters, _operation("sqs", "SendMessage").input_shape)
        if QueueUrl in self.broken:
            raise _error(*self.broken[QueueUrl], "on demand", "SendMessage")
        if QueueUrl not in self.urls:
            raise _error("AWS.SimpleQueueService.NonExistentQueue", 400, "It does not exist.", "SendMessage")
        if not 0 <= DelaySeconds <= 900 or not 0 < len(MessageBody.encode()) <= 1_048_576:
            raise _error("InvalidParameterValue", 400, "Reason: it is too long, or of no use.", "SendMessage")
        self.messages.append(Message(QueueUrl, MessageBody, DelaySeconds))
        return {"MessageId": f"sent-{len(self.messages)}"}


# --- over HTTP ------------------------------------------------------------------------------------------

_NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
_ROUTE = re.compile(r"/2020-05-31/distribution/([^/]+)/invalidation")


@contextmanager
def serve(cloudfront: StrictCloudFront) -> Iterator[str]:
    """Serve it on loopback for as long as the context lasts; yields the endpoint's URL."""

    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = _post(cloudfront, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Handler) as address:
        yield f"http://{address}"


def _post(cloudfront: StrictCloudFront, path: str, body: bytes) -> tuple[int, bytes]:
    route = _ROUTE.fullmatch(path)
    assert route is not None, f"unexpected call: POST {path}"
    tree = ET.fromstring(body)  # noqa: S314 written by the SDK of this very process
    batch = {
        "Paths": {
            "Quantity": int(tree.findtext(f".//{{{_NAMESPACE}}}Quantity", "")),
            "Items": [item.text or "" for item in tree.iter(f"{{{_NAMESPACE}}}Path")],
        },
        "CallerReference": tree.findtext(f"{{{_NAMESPACE}}}CallerReference"),
    }
    try:
        answer = cloudfront.create_invalidation(DistributionId=route[1], InvalidationBatch=batch)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        text = (
            f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{escape(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
        return error.response["ResponseMetadata"]["HTTPStatusCode"], text.encode()
    text = (
        f'<Invalidation xmlns="{_NAMESPACE}"><Id>{answer["Invalidation"]["Id"]}</Id><Status>InProgress</Status>'
        "<CreateTime>2026-11-20T00:00:00Z</CreateTime></Invalidation>"
    )
    return 201, text.encode()
