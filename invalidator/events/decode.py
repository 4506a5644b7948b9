"""Whatever invoked the function → the object changes in it, and the tickets: what an invocation before had left.

What arrives is a document, or a list of them under ``Records``, and each is of one dialect. Some dialects
say what happened to an object; the others are envelopes around a document of another. ``DIALECTS`` lists
them in the order in which they are tried. Below this module nobody sees JSON.

Shapes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html,
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
(read on 2026-11-20),
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html (read on 2026-11-21).
"""

import json
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from invalidator.errors import EventError
from invalidator.events import tickets
from invalidator.limits import MAX_KEY_BYTES
from invalidator.model import Batch, DistributionId, ObjectChange, ObjectKey

Json = dict[str, Any]

VISIBLE_CHANGES: Final = ("ObjectCreated:", "ObjectRemoved:", "LifecycleExpiration:")
"""How the names of the S3 events begin that change what a viewer sees. Tags, ACLs, restores and so on do not."""

_VISIBLE_DETAIL_TYPES: Final = ("Object Created", "Object Deleted")
# Three are real (SQS around SNS around S3); the bound is there for a message made to nest without end.
_MAX_ENVELOPES: Final = 4
# A notification has one record. A message made of a million bad ones must not take the time of all others.
_MAX_REFUSALS: Final = 100


# What json.loads does after looking for options: there may be thousands of messages.
_decode_json: Final = json.JSONDecoder().decode


class Refusal(NamedTuple):
    """Something that could not be read: why, and the id of the queue message that it came in, if one."""

    reason: str
    message_id: str | None


@dataclass(slots=True)
class Decoded:
    """What was in an event.

    ``ignored`` counts what was understood and concerns no viewer, ``unchanged`` what was skipped later, since it made
    no difference.
    """

    changes: list[ObjectChange] = field(default_factory=list)
    tickets: list[Batch] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ignored: int = 0
    from_queue: bool = False
    unchanged: int = 0

    @property
    def received(self) -> int:
        """The records, of whatever use, with what was refused; tickets aside, which are this program's own."""
        return len(self.changes) + self.unchanged + self.ignored + len(self.refusals)

    def skip(self, unchanged: Container[ObjectChange]) -> None:
        """Drop changes that made no difference; their messages are done with, if nothing else is in them."""
        before = len(self.changes)
        self.changes = [change for change in self.changes if change not in unchanged]
        self.unchanged += before - len(self.changes)

    def refuse_strangers(self, is_ours: Callable[[DistributionId], bool]) -> None:
        """Drop the tickets for other distributions: whoever may write to the queue decides nothing more."""
        tickets, self.tickets = self.tickets, []
        for batch in tickets:
            if is_ours(batch.distribution):
                self.tickets.append(batch)
            else:
                reason = f"a ticket for {batch.distribution!r:.40}, which is not one of the configured distributions"
                self.refusals += [Refusal(reason, message_id) for message_id in batch.message_ids]


class _Delivery(NamedTuple):
    """How a document came. ``id`` is the same each time that it is delivered."""

    id: str
    message_id: str | None = None
    envelopes: int = 0
    redelivered: bool = False


def decode(event: object, delivery_id: str = "") -> Decoded:
    """Read an event of any dialect. What cannot be read is in ``refusals`` and stops nothing else.

    ``delivery_id`` stands in for a record's identity where a record has none of its own; it has to be the
    same when the event is delivered again, as Lambda's request id is.
    """
    decoded = Decoded()
    _read_document(event, _Delivery(delivery_id), decoded)
    return decoded


def _read_document(document: object, delivery: _Delivery, decoded: Decoded) -> None:
    records = document.get("Records") if isinstance(document, dict) else None
    # An empty list beside other fields is no list of documents, but a stray field of one.
    if not isinstance(records, list) or (not records and document != {"Records": []}):
        records = [document]
    refused = 0
    for record in records:
        try:
            _read_record(record, delivery, decoded)
        except EventError as error:
            decoded.refusals.append(Refusal(str(error), delivery.message_id))
            refused += 1
            if refused == _MAX_REFUSALS:
                decoded.refusals.append(
                    Refusal("so many records refused that the rest was not read", delivery.message_id)
                )
                break


def _read_envelope(text: object, delivery: _Delivery, decoded: Decoded) -> None:
    try:
        document = _parse(text, delivery.envelopes)
    except EventError as error:
        decoded.refusals.append(Refusal(str(error), delivery.message_id))
    else:
        _read_document(document, delivery, decoded)


def _parse(text: object, envelopes: int) -> object:
    if envelopes > _MAX_ENVELOPES:
        raise EventError(f"more than {_MAX_ENVELOPES} envelopes around each other")
    if not isinstance(text, str):
        raise EventError(f"the envelope holds {_seen(text)}; expected a string")
    try:
        return _decode_json(text)
    except (ValueError, RecursionError) as error:
        raise EventError(f"the envelope holds {len(text):,} characters that are not JSON: {error}") from error


# --- the dialects ---------------------------------------------------------------------------------------


def _read_s3(record: Json, delivery: _Delivery, decoded: Decoded) -> None:
    version = record.get("eventVersion", "2.0")
    if not isinstance(version, str) or version[:2] != "2.":
        raise EventError(f"an S3 record of eventVersion {version!r:.40}; expected 2.x")
    # A record that does not say what happened counts as a change: to clear one path too many does no harm. Nor is it
    # taken for an upload, which might be skipped.
    name = record.get("eventName") or VISIBLE_CHANGES[1]
    if not isinstance(name, str):
        raise EventError(f"an S3 record whose eventName is {_seen(name)}; expected a string")
    if not name.removeprefix("s3:").startswith(VISIBLE_CHANGES):
        decoded.ignored += 1
        return
    bucket, key, details = _object_of(record.get("s3"))
    # The key is form-encoded: "red flower.jpg" arrives as "red+flower.jpg". Bytes that are not UTF-8, which
    # S3 itself never sends, survive as surrogate escapes, and so come back as the same bytes in the path.
    key = unquote_plus(key, errors="surrogateescape")
    time = record.get("eventTime")
    identity = _identity(details, "versionId", "eTag", time, delivery)
    version = details.get("versionId")
    if version and not ("ObjectCreated:" in name and isinstance(version, str)):
        version = ""
    decoded.changes.append(_change(bucket, key, identity, delivery, time, version or ""))


def _read_eventbridge(event: Json, delivery: _Delivery, decoded: Decoded) -> None:
    kind = event["detail-type"]
    if not isinstance(kind, str):
        raise EventError(f"an EventBridge event whose detail-type is {_seen(kind)}; expected a string")
    if kind not in _VISIBLE_DETAIL_TYPES:
        decoded.ignored += 1
        return
    # Unlike everywhere else the key is raw here: to decode it would turn "a+b%20" into another key.
    bucket, key, details = _object_of(event.get("detail"))
    _check(key, errors="strict")
    time = event.get("time")
    identity = _identity(details, "version-id", "etag", time, delivery)
    version = details.get("version-id")
    if version and not (kind == "Object Created" and isinstance(version, str)):
        version = ""
    decoded.changes.append(_change(bucket, key, identity, delivery, time, version or ""))


def _read_ticket(document: Json, delivery: _Delivery, decoded: Decoded) -> None:
    decoded.tickets.append(tickets.read(document, delivery.message_id, redelivered=delivery.redelivered).batch)


def _ignore(_document: Json, _delivery: _Delivery, decoded: Decoded) -> None:
    decoded.ignored += 1


def _read_sqs(record: Json, delivery: _Delivery, decoded: Decoded) -> None:
    message_id = record.get("messageId")
    # Inside an envelope it would be a message's content that decides which messages are acknowledged.
    if delivery.envelopes or not isinstance(message_id, str):
        raise EventError("an SQS record in an envelope or without a messageId")
    decoded.from_queue = True
    attributes = record.get("attributes")
    received = attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None
    redelivered = received not in (None, "1")
    _read_envelope(record.get("body"), _Delivery(message_id, message_id, 1, redelivered), decoded)


def _read_sns_record(record: Json, delivery: _Delivery, decoded: Decoded) -> None:
    envelope = record.get("Sns")
    if not isinstance(envelope, dict):
        raise EventError(f"an SNS record whose Sns is {_seen(envelope)}; expected an object with a Message")
    _read_sns_envelope(envelope, delivery, decoded)


def _read_sns_envelope(envelope: Json, delivery: _Delivery, decoded: Decoded) -> None:
    inside = delivery._replace(id=str(envelope.get("MessageId", delivery.id)), envelopes=delivery.envelopes + 1)
    _read_envelope(envelope.get("Message"), inside, decoded)


def _read_failed_invocation(record: Json, delivery: _Delivery, decoded: Decoded) -> None:
    """What Lambda keeps of an event that it has given up; its request id is the same as in the attempts."""
    if delivery.envelopes >= _MAX_ENVELOPES:
        raise EventError(f"more than {_MAX_ENVELOPES} envelopes around each other")
    context = record["requestContext"]
    id_ = str(context.get("requestId", delivery.id)) if isinstance(context, dict) else delivery.id
    _read_document(record["requestPayload"], delivery._replace(id=id_, envelopes=delivery.envelopes + 1), decoded)


class _Dialect(NamedTuple):
    name: str
    infer: Callable[[Json], bool]
    read: Callable[[Json, _Delivery, Decoded], None]


DIALECTS: Final = (
    _Dialect("an SQS record", lambda d: d.get("eventSource") == "aws:sqs", _read_sqs),
    _Dialect("an S3 record", lambda d: d.get("eventSource", "aws:s3" if "s3" in d else None) == "aws:s3", _read_s3),
    _Dialect("an SNS record", lambda d: d.get("EventSource") == "aws:sns", _read_sns_record),
    _Dialect("an SNS envelope", lambda d: d.get("Type") == "Notification" and "Message" in d, _read_sns_envelope),
    _Dialect(
        "an EventBridge event of aws.s3",
        lambda d: d.get("source") == "aws.s3" and "detail-type" in d,
        _read_eventbridge,
    ),
    _Dialect("a ticket", lambda d: d.get("type") == tickets.KIND, _read_ticket),
    _Dialect(
        "a failed invocation",
        lambda d: "requestContext" in d and "requestPayload" in d,
        _read_failed_invocation,
    ),
    _Dialect("s3:TestEvent", lambda d: d.get("Event") == "s3:TestEvent", _ignore),
)


# What there may be thousands of says by itself what it is.
_BY_SOURCE: Final = {"aws:sqs": _read_sqs, "aws:s3": _read_s3}


def _read_record(record: object, delivery: _Delivery, decoded: Decoded) -> None:
    if isinstance(record, dict):
        source = record.get("eventSource")
        if isinstance(source, str) and source in _BY_SOURCE:
            _BY_SOURCE[source](record, delivery, decoded)
            return
        for _, infer, read in DIALECTS:
            if infer(record):
                read(record, delivery, decoded)
                return
    names = ", ".join(dialect.name for dialect in DIALECTS)
    raise EventError(f"{_seen(record)} is none of: {names}. Trying it by hand? See the samples in events/")


# --- what the dialects share ----------------------------------------------------------------------------


def _object_of(holder: Any) -> tuple[str, str, Json]:
    """Bucket, key as it is written, and the other details of ``{"bucket": {"name"}, "object": {"key", …}}``."""
    try:
        bucket, details = holder["bucket"]["name"], holder["object"]
        key = details["key"]
    except (KeyError, TypeError, IndexError) as error:
        raise EventError(f"a record without bucket.name and object.key, but with {_seen(holder)}") from error
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise EventError(
            f"a record whose bucket is {_seen(bucket)} and whose key is {_seen(key)}; expected two strings"
        )
    return bucket, key, details


def _identity(details: Json, version: str, etag: str, time: object, delivery: _Delivery) -> str:
    """What is the same in every delivery of this change and in no other change of the object.

    S3's sequencer is that by definition. Where there is none: version id, etag and time, and where there is
    nothing of the kind either, the delivery, so that a later change is never taken for this one.
    """
    if sequencer := details.get("sequencer"):
        return f"sequencer {sequencer}"
    if time:
        return f"time {time} version {details.get(version)} etag {details.get(etag)}"
    return f"delivery {delivery.id}"


def _change(bucket: str, key: str, identity: str, delivery: _Delivery, time: object, version: str) -> ObjectChange:
    if not key.isascii() or len(key) > MAX_KEY_BYTES:
        _check(key, errors="surrogateescape")
    # The lengths keep apart what a key with blanks in it could blur.
    whole = f"{len(bucket)} {len(key)} {bucket} {key} {identity}"
    when = time if isinstance(time, str) else ""
    return ObjectChange(bucket, ObjectKey(key), whole, delivery.message_id, when, version)


def _check(key: str, errors: str) -> None:
    try:
        size = len(key.encode("utf-8", errors))
    except UnicodeEncodeError as error:
        raise EventError(f"a key that is not Unicode text: {key!r:.80}") from error
    if size > MAX_KEY_BYTES:
        raise EventError(f"a key of {size:,} bytes; S3 has none above {MAX_KEY_BYTES:,}")


def _seen(value: object) -> str:
    """A value in a few words: where it comes from or its fields' names, no contents. Some events carry credentials."""
    if isinstance(value, dict):
        source = value.get("eventSource") or value.get("EventSource") or value.get("source")
        if isinstance(source, str):
            return f"an object from {source[:60]!r}"
        names = ", ".join(repr(str(name)[:40]) for name in list(value)[:8])
        return f"an object with {names or 'nothing in it'}"
    if isinstance(value, str):
        return f"a string of {len(value)} characters"
    return {list: "a list", type(None): "nothing", bool: "a boolean"}.get(type(value), "a number")
