"""A CloudFront that keeps the documented rules of a call and is strict where moto is lenient; queues; and time.

What CloudFront does not know by itself is time: throttling and the quota of what is in progress come on demand,
unless it is given a clock.

It has two doors: that of an SDK client (``create_invalidation``), and HTTP on loopback (``serve``), so that
the real SDK signs, sends and parses.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from itertools import count
from math import inf
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from invalidator.model import Batch, Outcome
from invalidator.runtime.invocation import LocalContext
from tests.doubles.configurations import Json, of_buckets
from tests.doubles.loopback import Quiet, serving

# RFC 1738 §2.2: what is neither unsafe nor a control character, and "%", which begins an escape.
_TAKEN = re.compile(r"/(?:[A-Za-z0-9\-_.!$&'()*+,/:;=?@]|%[0-9A-F]{2})*")
# Escapes that the documentation asks for, and the three that only a key can need: ? starts a query string,
# * would be a wildcard, + may be a space.
_WORTH_ENCODING = set(range(0x21)) | set(range(0x7F, 0x100)) | set(b'<>"#%{}|\\^~[]`') | set(b"?*+")

THROTTLED = ("Throttling", 400)
UNAVAILABLE = ("ServiceUnavailable", 503)
IN_PROGRESS = ("TooManyInvalidationsInProgress", 400)
DENIED = ("AccessDenied", 403)

BIRTH = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Invalidation:
    """An accepted batch."""

    id: str
    distribution: str
    reference: str
    paths: tuple[str, ...]
    at: float = 0.0


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
    # How distributions are configured, where it matters; the others serve the buckets of these tests.
    configs: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    # The distribution and the parameters of each tenant.
    tenants: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    # What each call that reads meets, by operation; and which were made.
    unreadable: dict[str, tuple[str, int]] = field(default_factory=dict)
    # How many characters the ids of invalidations have.
    characters: int = 14
    # Without a clock: how often an invalidation is in progress when it is looked at, before it is completed.
    looks_to_complete: int = 0
    looks: Counter[str] = field(default_factory=Counter)
    read: list[tuple[str, str]] = field(default_factory=list)
    page: int = 100
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

    def create_invalidation_for_distribution_tenant(self, *, Id: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        """The same for a tenant."""
        if Id not in self.tenants:
            raise _error("EntityNotFound", 404, "The entity was not found.", "CreateInvalidationForDistributionTenant")
        return self.create_invalidation(DistributionId=Id, InvalidationBatch=InvalidationBatch)

    # --- what it says of what it has accepted -----------------------------------------------------------

    def get_invalidation(self, *, DistributionId: str, Id: str) -> dict[str, Any]:  # noqa: N803
        """One of a distribution."""
        self._reading("GetInvalidation", DistributionId, {*self.distributions, *self.configs})
        return self._invalidation(DistributionId, Id)

    def get_invalidation_for_distribution_tenant(self, *, DistributionTenantId: str, Id: str) -> dict[str, Any]:  # noqa: N803
        """One of a tenant."""
        self._reading("GetInvalidationForDistributionTenant", DistributionTenantId, self.tenants)
        return self._invalidation(DistributionTenantId, Id)

    def _invalidation(self, distribution: str, id_: str) -> dict[str, Any]:
        for item in self.accepted:
            if (item.distribution, item.id) == (distribution, id_):
                paths = {"Quantity": len(item.paths), "Items": list(item.paths)}
                told = self._standing(item)
                self.looks[id_] += 1
                return {
                    "Invalidation": told | {"InvalidationBatch": {"Paths": paths, "CallerReference": item.reference}}
                }
        raise _error("NoSuchInvalidation", 404, "The specified invalidation does not exist.", "GetInvalidation")

    def list_invalidations(self, *, DistributionId: str, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        """A page of those of a distribution."""
        self._reading("ListInvalidations", DistributionId, {*self.distributions, *self.configs})
        return self._invalidations(DistributionId, Marker)

    def list_invalidations_for_distribution_tenant(self, *, Id: str, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        """A page of those of a tenant."""
        self._reading("ListInvalidationsForDistributionTenant", Id, self.tenants)
        return self._invalidations(Id, Marker)

    def _invalidations(self, distribution: str, marker: str) -> dict[str, Any]:
        found = [self._standing(item) for item in reversed(self.accepted) if item.distribution == distribution]
        start = int(marker)
        end = start + self.page
        more = {"NextMarker": str(end)} if end < len(found) else {}
        items = found[start:end]
        page = {"Marker": marker, "MaxItems": self.page, "IsTruncated": bool(more), "Quantity": len(items), **more}
        return {"InvalidationList": page | ({"Items": items} if items else {})}

    def _standing(self, item: Invalidation) -> dict[str, Any]:
        if self.time:
            completed = self.time.clock.now >= item.at + self.time.seconds_to_complete
        else:
            completed = self.looks[item.id] >= self.looks_to_complete
        created = BIRTH + timedelta(seconds=item.at)
        return {"Id": item.id, "CreateTime": created, "Status": "Completed" if completed else "InProgress"}

    # --- what it says of itself -------------------------------------------------------------------------

    def _reading(self, operation: str, id_: str, known: Container[str]) -> None:
        with self._one_at_a_time:
            self.read.append((operation, id_))
        if operation in self.unreadable:
            raise _error(*self.unreadable[operation], "on demand", operation)
        if id_ not in known:
            code = "NoSuchCachePolicy" if operation == "GetCachePolicyConfig" else "NoSuchDistribution"
            code = "EntityNotFound" if "Tenant" in operation else code
            raise _error(code, 404, "There is none.", operation)

    def get_distribution_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        """What a distribution is made of."""
        self._reading("GetDistributionConfig", Id, {*self.distributions, *self.configs})
        return {"DistributionConfig": self.configs.get(Id) or of_buckets("origin", "other-origin")}

    def get_distribution_tenant(self, *, Identifier: str) -> dict[str, Any]:  # noqa: N803
        """What makes a tenant different."""
        self._reading("GetDistributionTenant", Identifier, self.tenants)
        distribution, parameters = self.tenants[Identifier]
        named = [{"Name": name, "Value": value} for name, value in parameters.items()]
        more = {"Parameters": named} if named else {}
        return {"DistributionTenant": {"Id": Identifier, "DistributionId": distribution, **more}}

    def get_cache_policy_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        """What a cache policy says."""
        self._reading("GetCachePolicyConfig", Id, self.policies)
        return {"CachePolicyConfig": self.policies[Id]}

    def list_distributions(self, *, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        """A page of them."""
        self._reading("ListDistributions", Marker, [Marker])
        ids, start = sorted({*self.distributions, *self.configs}), int(Marker)
        end = start + self.page
        more = {"NextMarker": str(end)} if end < len(ids) else {}
        items = [self._summary(id_) for id_ in ids[start:end]]
        page = {"Marker": Marker, "MaxItems": self.page, "IsTruncated": bool(more), "Quantity": len(items), **more}
        return {"DistributionList": page | ({"Items": items} if items else {})}

    def _summary(self, id_: str) -> dict[str, Any]:
        config = self.configs.get(id_) or of_buckets("origin", "other-origin")
        about = {"Id": id_, "ARN": f"arn:aws:cloudfront::123456789012:distribution/{id_}", "Status": "Deployed"}
        domain = {"DomainName": f"{id_.lower()}.cloudfront.net", "Aliases": {"Quantity": 0}}
        # Neither the default root object nor the configuration of cache tags is part of it.
        known = _operation("cloudfront", "ListDistributions").output_shape.members["DistributionList"]
        names = known.members["Items"].member.members
        return {name: value for name, value in (config | about | domain).items() if name in names}

    def list_distribution_tenants(self, *, AssociationFilter: Any, Marker: str = "") -> dict[str, Any]:  # noqa: N803
        """A page of the tenants of a distribution: one."""
        distribution = AssociationFilter["DistributionId"]
        self._reading("ListDistributionTenants", distribution, [distribution])
        ids = sorted(id_ for id_, (of, _) in self.tenants.items() if of == distribution and id_ > Marker)
        more = {"NextMarker": ids[0]} if len(ids) > 1 else {}
        return {"DistributionTenantList": [{"Id": id_, "DistributionId": distribution} for id_ in ids[:1]], **more}

    def list_tags_for_resource(self, *, Resource: str) -> dict[str, Any]:  # noqa: N803
        """The tags of a distribution."""
        self._reading("ListTagsForResource", Resource, [Resource])
        tags = self.tags.get(Resource.rpartition("/")[2], {})
        return {
            "Tags": {"Items": [{"Key": name, **({"Value": value} if value else {})} for name, value in tags.items()]}
        }

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
        if DistributionId not in {*self.distributions, *self.configs, *self.tenants}:
            raise _error("NoSuchDistribution", 404, "The specified distribution does not exist.")
        _check(paths["Items"], paths["Quantity"], self.rejects)
        invalidation = self._accept(DistributionId, reference, tuple(paths["Items"]))
        if self.lose_answers:
            self.lose_answers -= 1
            raise _error("InternalError", 500, "the answer was lost")
        # As the real one says it, even where it answers with an earlier one.
        return {"Invalidation": self._standing(invalidation) | {"InvalidationBatch": InvalidationBatch}}

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
        now = self.time.clock.now if self.time else 0.0
        invalidation = Invalidation(
            f"I{len(self.accepted) + 1:0{self.characters - 1}}", distribution, reference, paths, now
        )
        self.accepted.append(invalidation)
        return invalidation


def _check(items: list[str], quantity: int, rejects: set[str]) -> None:
    if quantity != len(items):
        raise _error("InconsistentQuantities", 400, "The value of Quantity and the size of Items don't match.")
    if len(items) > 3000:
        raise _error("BatchTooLarge", 413, "Invalidation batch specified is too large.")
    if (
        len(set(items)) != len(items)
        or not all(_is_path(item) or _is_tag(item) for item in items)
        or rejects.intersection(items)
    ):
        raise _error("InvalidArgument", 400, "Your request contains one or more invalid invalidation paths.")
    for item in filter(_is_path, items):
        encoded = {int(escape_[1:], 16) for escape_ in re.findall(r"%[0-9A-F]{2}", item)}
        # The real one says nothing and clears nothing.
        assert encoded <= _WORTH_ENCODING, f"{item} would be accepted and clear nothing"


def _is_path(item: str) -> bool:
    return len(item) <= 4000 and "*" not in item[:-1] and _TAKEN.fullmatch(item) is not None


def _is_tag(item: str) -> bool:
    return re.fullmatch(r"#[!-~]{1,256}", item) is not None and not re.search("[,*]", item)


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
        self._running: list[tuple[float, int, Any]] = []
        self._numbers = count()
        self.pauses: list[float] = []
        self.most = 0

    def start(self, call: Callable[[], Any]) -> None:
        outcome = call()
        # To describe a distribution takes no time.
        seconds = self._takes(outcome.batch) if isinstance(outcome, Outcome) else 0.0
        heappush(self._running, (self._clock.now + seconds, next(self._numbers), outcome))
        self.most = max(self.most, len(self._running))

    def wait(self, seconds: float) -> Any:
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


@contextmanager
def serve(cloudfront: StrictCloudFront) -> Iterator[str]:
    """Serve it on loopback for as long as the context lasts; yields the endpoint's URL."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, body: bytes = b"") -> None:
            status, answer = _answer(cloudfront, self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Handler) as address:
        yield f"http://{address}"


def _answer(cloudfront: StrictCloudFront, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Find the operation that the SDK means, call it, and put its answer into XML, all by the SDK's own model."""
    name, arguments = _route(method, path)
    operation = _operation("cloudfront", name)
    payload = operation.input_shape.serialization.get("payload")
    if payload:
        arguments[payload] = _from_xml(ET.fromstring(body), operation.input_shape.members[payload])  # noqa: S314 written by the SDK of this very process
    elif body:
        content = _from_xml(ET.fromstring(body), operation.input_shape)  # noqa: S314
        arguments |= content
    try:
        answer = getattr(cloudfront, xform_name(name))(**arguments)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        text = (
            f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{escape(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        )
        return error.response["ResponseMetadata"]["HTTPStatusCode"], text.encode()
    payload = operation.output_shape.serialization.get("payload")
    shape, content = operation.output_shape, answer
    if payload:
        shape, content = shape.members[payload], answer[payload]
    tree = _to_xml(content, shape, payload or f"{name}Result")
    tree.set("xmlns", _NAMESPACE)
    return operation.http.get("responseCode", 200), ET.tostring(tree)


_SERVED = (
    "CreateInvalidation",
    "CreateInvalidationForDistributionTenant",
    "GetInvalidation",
    "GetInvalidationForDistributionTenant",
    "ListInvalidations",
    "ListInvalidationsForDistributionTenant",
    "GetDistributionConfig",
    "GetDistributionTenant",
    "GetCachePolicyConfig",
    "ListDistributions",
    "ListDistributionTenants",
    "ListTagsForResource",
)


def _route(method: str, url: str) -> tuple[str, dict[str, Any]]:
    """The operation, and what of its arguments stands in the URL."""
    path, _, query = url.partition("?")
    for name in _SERVED:
        operation = _operation("cloudfront", name)
        template = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].partition("?")[0])
        found = re.fullmatch(template, path)
        if found and operation.http["method"] == method:
            return name, {**found.groupdict(), **dict(parse_qsl(query))}
    raise AssertionError(f"unexpected call: {method} {url}")


def _from_xml(tree: ET.Element, shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            members = {member.serialization.get("name", name): name for name, member in shape.members.items()}
            names = [(members[child.tag.removeprefix(f"{{{_NAMESPACE}}}")], child) for child in tree]
            return {name: _from_xml(child, shape.members[name]) for name, child in names}
        case "list":
            return [_from_xml(child, shape.member) for child in tree]
        case "integer":
            return int(tree.text or "")
    return tree.text or ""


def _to_xml(value: Any, shape: Any, name: str) -> ET.Element:
    tree = ET.Element(name)
    match shape.type_name:
        case "structure":
            for key, content in value.items():
                member = shape.members[key]  # a KeyError: the SDK knows nothing of the kind
                tree.append(_to_xml(content, member, member.serialization.get("name", key)))
        case "list":
            for content in value:
                tree.append(_to_xml(content, shape.member, shape.member.serialization.get("name", "member")))
        case "boolean":
            tree.text = "true" if value else "false"
        case "timestamp":
            tree.text = value.isoformat()
        case _:
            tree.text = str(value)
    return tree
