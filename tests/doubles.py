"""A CloudFront that keeps the documented rules of a call and is strict where moto is lenient.

What it does not know by itself is time: throttling and the quota of what is in progress come on demand.

It has two doors: that of an SDK client (``create_invalidation``), and HTTP on loopback (``serve``), so that
the real SDK signs, sends and parses.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

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


@dataclass
class StrictCloudFront:
    """The distributions of an account. ``accepted`` is what is billed; ``calls`` counts every attempt."""

    distributions: Iterable[str]
    accepted: list[Invalidation] = field(default_factory=list)
    calls: int = 0
    # What the next calls meet, in order; None lets one through.
    faults: deque[tuple[str, int] | None] = field(default_factory=deque)
    # What every call to a distribution meets.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)
    # The next calls are accepted, but their answers are lost.
    lose_answers: int = 0

    def paths(self, distribution: str) -> list[str]:
        """Everything that a distribution has forgotten, once for each time that it was billed."""
        return [path for item in self.accepted if item.distribution == distribution for path in item.paths]

    def create_invalidation(self, *, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        """The operation as the SDK calls it; raises the SDK's own ClientError."""
        self.calls += 1
        parameters = {"DistributionId": DistributionId, "InvalidationBatch": InvalidationBatch}
        validate_parameters(parameters, _operation().input_shape)
        fault = (self.faults.popleft() if self.faults else None) or self.broken.get(DistributionId)
        if fault is not None:
            raise _error(*fault, f"{fault[0]} on demand")
        if DistributionId not in self.distributions:
            raise _error("NoSuchDistribution", 404, "The specified distribution does not exist.")
        paths, reference = InvalidationBatch["Paths"], InvalidationBatch["CallerReference"]
        _check(paths["Items"], paths["Quantity"])
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
                    "InvalidArgument",
                    400,
                    "Your request contains a caller reference that was used for a previous invalidation batch"
                    " for the same distribution.",
                )
        invalidation = Invalidation(f"I{len(self.accepted) + 1:013}", distribution, reference, paths)
        self.accepted.append(invalidation)
        return invalidation


def _check(items: list[str], quantity: int) -> None:
    if quantity != len(items):
        raise _error("InconsistentQuantities", 400, "The value of Quantity and the size of Items don't match.")
    if len(items) > 3000:
        raise _error("BatchTooLarge", 413, "Invalidation batch specified is too large.")
    if len(set(items)) != len(items) or not all(map(_is_path, items)):
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


def _error(code: str, status: int, message: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "CreateInvalidation",
    )


@cache
def _operation() -> Any:
    return botocore.session.get_session().get_service_model("cloudfront").operation_model("CreateInvalidation")


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
