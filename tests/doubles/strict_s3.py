"""An S3 that keeps the documented rules of notification configurations, over HTTP, and is strict where moto is not.

It refuses overlaps and targets that it cannot reach. It returns what was put, EventBridge included, and capitalises the
names of filter rules, as S3 does. Throttling, lost answers and refusals come on demand.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tests.doubles.loopback import Quiet, serving

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_TAG = f"{{{NAMESPACE}}}"
_TARGETS = {"QueueConfiguration": "Queue", "TopicConfiguration": "Topic", "CloudFunctionConfiguration": "CloudFunction"}

DENIED = (403, "AccessDenied", "")
BUSY = (409, "OperationAborted", "A conflicting conditional operation is currently in progress against this resource.")
BROKEN = (500, "InternalError", "We encountered an internal error. Please try again.")


class Refused(Exception):  # noqa: N818 an answer, not a failure
    """An error that S3 answers: HTTP status, code, message and further elements."""


@dataclass
class StrictS3:
    """Buckets by name with their Regions (old buckets of eu-west-1 have "EU"). ``puts`` counts changes."""

    regions: dict[str, str]
    # Targets that exist and allow S3 to send to them.
    reachable: set[str] = field(default_factory=set)
    configurations: dict[str, ET.Element] = field(default_factory=dict)
    puts: int = 0
    requests: int = 0
    # The errors of the next requests of these names, in order; None lets a request through.
    faults: dict[str, deque[tuple[int, str, str] | None]] = field(default_factory=dict)
    # The next changes are made, but their answers are lost.
    lose_answers: int = 0

    def answer(self, method: str, bucket: str, query: str, body: bytes, *, check: bool) -> bytes:
        """Return the body of the answer. Raises Refused."""
        request = f"{method} {query}"
        self.requests += 1
        faults = self.faults.get(request)
        if faults and (fault := faults.popleft()):
            raise Refused(*fault, "")
        if bucket not in self.regions:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist", "")
        if request == "GET location":
            region = self.regions[bucket].replace("us-east-1", "")
            return f'<LocationConstraint xmlns="{NAMESPACE}">{region}</LocationConstraint>'.encode()
        if request == "GET notification":
            return ET.tostring(self.configurations.get(bucket, ET.Element(f"{_TAG}NotificationConfiguration")))
        assert request == "PUT notification", request
        self._put(bucket, ET.fromstring(body), check=check)  # noqa: S314 written by the SDK of this very process
        if self.lose_answers:
            self.lose_answers -= 1
            raise Refused(*BROKEN, "")
        return b""

    def _put(self, bucket: str, root: ET.Element, *, check: bool) -> None:
        entries = [child for child in root if _name(child) in _TARGETS]
        ids = [_text(entry, "Id") for entry in entries]
        if len(set(ids)) < len(ids):
            raise Refused(400, "InvalidArgument", "Same ID used for multiple configurations.", "")
        for one, other in itertools.combinations(entries, 2):
            if _share_an_event(one, other):
                raise Refused(400, "InvalidArgument", "Configurations overlap.", "")
        for entry in entries if check else ():
            self._check_target(_text(entry, _TARGETS[_name(entry)]), self.regions[bucket])
        for rule in root.iter(f"{_TAG}FilterRule"):
            name = rule.find(f"{_TAG}Name")
            assert name is not None
            name.text = (name.text or "").capitalize()
        self.configurations[bucket] = root
        self.puts += 1

    def _check_target(self, arn: str, region: str) -> None:
        if arn.split(":")[3] != region.replace("EU", "eu-west-1"):
            message = "The notification destination service region is not valid for the bucket location constraint"
            raise Refused(400, "InvalidArgument", message, "")
        if arn not in self.reachable:
            raise Refused(
                400,
                "InvalidArgument",
                "Unable to validate the following destination configurations",
                f"<ArgumentName>{escape(arn)}, null</ArgumentName>"
                "<ArgumentValue>Permissions on the destination do not allow S3 to publish</ArgumentValue>",
            )


def _name(element: ET.Element) -> str:
    return element.tag.removeprefix(_TAG)


def _text(element: ET.Element, name: str) -> str:
    return element.findtext(f"{_TAG}{name}", "")


def _share_an_event(one: ET.Element, other: ET.Element) -> bool:
    """Return true if both would get some event: both filters match a key, and both lists have a name."""
    (prefix, suffix), (other_prefix, other_suffix) = _rules(one), _rules(other)
    key = max(prefix, other_prefix, key=len) + max(suffix, other_suffix, key=len)
    names = [{event.text or "" for event in entry.iter(f"{_TAG}Event")} for entry in (one, other)]
    families = [{name.rsplit(":", 1)[0] for name in each if name.endswith("*")} for each in names]
    shared = names[0] & names[1]
    shared |= {name for name in names[0] if name.rsplit(":", 1)[0] in families[1]}
    shared |= {name for name in names[1] if name.rsplit(":", 1)[0] in families[0]}
    return (
        bool(shared)
        and all(key.startswith(p) for p in (prefix, other_prefix))
        and all(key.endswith(s) for s in (suffix, other_suffix))
    )


def _rules(entry: ET.Element) -> tuple[str, str]:
    values = {
        _text(rule, "Name").lower(): unquote_plus(_text(rule, "Value")) for rule in entry.iter(f"{_TAG}FilterRule")
    }
    return values.get("prefix", ""), values.get("suffix", "")


@contextmanager
def serve(s3: StrictS3) -> Iterator[str]:
    """Serve it on loopback. Yield the URL of the endpoint."""

    class Handler(Quiet):
        def _respond(self) -> None:
            path, _, query = self.path.partition("?")
            check = self.headers.get("x-amz-skip-destination-validation", "false").lower() != "true"
            status = 200
            try:
                answer = s3.answer(self.command, path.strip("/"), query, self.body(), check=check)
            except Refused as refusal:
                status, code, message, more = refusal.args
                answer = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}</Error>".encode()
            self.respond(status, answer)

        do_GET = do_PUT = _respond  # noqa: N815 the names that the server looks for

    with serving(Handler) as address:
        yield f"http://{address}"
