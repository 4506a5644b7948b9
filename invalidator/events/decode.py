"""An event of any dialect → the changes and tickets in it. Pure. Below this package nobody sees JSON.

An event is a document, or a list of documents under ``Records``. Each document is of one dialect: it tells what
happened to an object, or it is an envelope around another document. A new dialect is a row in ``DIALECTS``.

Shapes: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html,
https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html (read on 2026-11-20),
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html (read on 2026-11-21).
"""

import json
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from invalidator.errors import EventError
from invalidator.events import tickets
from invalidator.events.records import Delivery, change_of_event, change_of_record, description_of, text_in
from invalidator.limits import MAX_VERSION_CHARACTERS
from invalidator.model import Batch, DistributionId, Gathered, HeldChanges, ObjectChange, Uncollected, with_fields

_Json = dict[str, Any]

_CALL: Final = "AWS API Call via CloudTrail"

# Three are real (SQS around SNS around S3). The bound stops a message that was made to nest without end.
_MAX_ENVELOPES: Final = 4
_TOO_MANY: Final = f"more than {_MAX_ENVELOPES} envelopes around each other"
# A notification has one record. A message made of a million bad records must not take the time of all others.
_MAX_REFUSALS: Final = 100
_TOO_DEEP: Final = "a record that is nested too deep"

_decoder: Final[Any] = json.JSONDecoder()
_scan_once: Final = _decoder.scan_once


class Refusal(NamedTuple):
    """A document that could not be read: why, and the id of the queue message that brought it, if one did."""

    reason: str
    message_id: str | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The contents of an event. ``ignored`` counts the records that change nothing for viewers.

    ``tickets``, ``held`` and ``gathered`` were left by earlier invocations; ``stacks`` has the mark of each ticket.
    """

    changes: list[ObjectChange] = field(default_factory=list)
    tickets: list[Batch] = field(default_factory=list)
    held: list[HeldChanges] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ignored: int = 0
    from_queue: bool = False
    gathered: list[Gathered] = field(default_factory=list)
    stacks: list[str] = field(default_factory=list)


def decode(event: object, delivery_id: str = "") -> Decoded:
    """Read an event of any dialect. A document that cannot be read is in ``refusals`` and stops no other.

    ``delivery_id`` is the identity of a record that has none of its own. It has to be the same when the event is
    delivered again, as Lambda's request id is.
    """
    reader = _Reader()
    with Uncollected():  # one message may be made of a million brackets
        reader.read(event, Delivery(delivery_id))
    return Decoded(**vars(reader))


def without_strangers(decoded: Decoded, strangers: Container[DistributionId]) -> Decoded:
    """Return the same contents, with each ticket for a stranger refused: the queue decides nothing more."""
    ours, refusals = list[Batch](), list(decoded.refusals)
    for batch in decoded.tickets:
        if batch.distribution not in strangers:
            ours.append(batch)
        else:
            reason = f"a ticket for {batch.distribution!r:.40}, which is not one of the configured distributions"
            refusals += [Refusal(reason, message_id) for message_id in batch.message_ids]
    return replace(decoded, tickets=ours, refusals=refusals)


class _Reader:
    """Collects what the documents of one event hold: it has the fields of ``Decoded``."""

    def __init__(self) -> None:
        self.changes: list[ObjectChange] = []
        self.tickets: list[Batch] = []
        self.held: list[HeldChanges] = []
        self.gathered: list[Gathered] = []
        self.stacks: list[str] = []
        self.refusals: list[Refusal] = []
        self.ignored = 0
        self.from_queue = False

    def read(self, document: object, delivery: Delivery) -> None:
        """Read a document, or each document of a list, up to a number of refusals."""
        records = document.get("Records") if isinstance(document, dict) else None
        # An empty list beside other fields is no list of documents, but a stray field of one.
        if not isinstance(records, list) or (not records and document != {"Records": []}):
            records = [document]
        refused = 0
        for record in records:
            try:
                self._read_record(record, delivery)
            except (EventError, RecursionError) as error:
                self._refuse(str(error) if isinstance(error, EventError) else _TOO_DEEP, delivery)
                refused += 1
                if refused == _MAX_REFUSALS:
                    self._refuse("so many records refused that the rest was not read", delivery)
                    break

    def _read_record(self, record: object, delivery: Delivery) -> None:
        if isinstance(record, dict):
            source = record.get("eventSource")
            if source == "aws:sqs":  # as the dialects have it; there may be thousands
                self.read_sqs(record, delivery)
                return
            if source == "aws:s3":
                self.read_s3(record, delivery)
                return
            for _, is_one, read in DIALECTS:
                if is_one(record):
                    read(self, record, delivery)
                    return
        names = ", ".join(dialect.name for dialect in DIALECTS)
        raise EventError(f"{description_of(record)} is none of: {names}. Trying it by hand? See the samples in events/")

    def _refuse(self, reason: str, delivery: Delivery) -> None:
        self.refusals.append(Refusal(reason, delivery.message_id))

    def _add(self, change: ObjectChange | None) -> None:
        if change is None:
            self.ignored += 1
        else:
            self.changes.append(change)

    # --- what tells of a change ---

    def read_s3(self, record: _Json, delivery: Delivery) -> None:
        self._add(change_of_record(record, delivery))

    def read_eventbridge(self, event: _Json, delivery: Delivery) -> None:
        self._add(change_of_event(event, delivery))

    def read_call(self, event: _Json, delivery: Delivery) -> None:
        from invalidator.events.cloudtrail import change_of_call  # which most events have nothing for

        self._add(change_of_call(event, delivery))

    def read_ticket(self, document: _Json, delivery: Delivery) -> None:
        if tickets.is_of_batch(document):
            batch, _, stack = tickets.read(document, delivery.message_id, redelivered=delivery.redelivered)
            if batch.crowded == tickets.MAX_CROWDED:  # it was given up for want of room, and somebody sent it back
                batch = replace(batch, crowded=0)
            self.tickets.append(batch)
            self.stacks.append(stack)
        else:
            from invalidator.events import held  # which most events have nothing for

            if held.is_gathered(document):
                self.gathered.append(held.read_gathered(document, delivery.message_id))
            else:
                self.held.append(held.read_held(document, delivery.message_id, redelivered=delivery.redelivered))

    def read_test_event(self, _document: _Json, _delivery: Delivery) -> None:
        self.ignored += 1

    # --- envelopes ---

    def read_sqs(self, record: _Json, delivery: Delivery) -> None:
        message_id = record.get("messageId")
        # Inside an envelope, a message's content would decide which messages are acknowledged.
        if delivery.envelopes or not isinstance(message_id, str) or len(message_id) > MAX_VERSION_CHARACTERS:
            raise EventError("an SQS record in an envelope or without a messageId")
        self.from_queue = True
        attributes = record.get("attributes")
        received = attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None
        redelivered = received not in (None, "1")
        self._read_text(record.get("body"), with_fields(Delivery, (message_id, message_id, 1, redelivered)))

    def read_sns_record(self, record: _Json, delivery: Delivery) -> None:
        envelope = record.get("Sns")
        if not isinstance(envelope, dict):
            raise EventError(
                f"an SNS record whose Sns is {description_of(envelope)}; expected an object with a Message"
            )
        self.read_sns_envelope(envelope, delivery)

    def read_sns_envelope(self, envelope: _Json, delivery: Delivery) -> None:
        id_ = text_in(envelope, "MessageId") or delivery.id
        self._read_text(envelope.get("Message"), delivery._replace(id=id_, envelopes=delivery.envelopes + 1))

    def read_failed_invocation(self, record: _Json, delivery: Delivery) -> None:
        """Read the event that Lambda gave up; its request id is that of the attempts."""
        if delivery.envelopes >= _MAX_ENVELOPES:
            raise EventError(_TOO_MANY)
        context = record["requestContext"]
        id_ = text_in(context, "requestId") if isinstance(context, dict) else ""
        self.read(record["requestPayload"], delivery._replace(id=id_ or delivery.id, envelopes=delivery.envelopes + 1))

    def _read_text(self, text: object, delivery: Delivery) -> None:
        """Read the JSON text in an envelope."""
        if delivery.envelopes > _MAX_ENVELOPES:
            self._refuse(_TOO_MANY, delivery)
        elif isinstance(text, str):
            try:
                document = _decode_json(text)
            except (ValueError, RecursionError) as error:
                self._refuse(f"the envelope holds {len(text):,} characters that are not JSON: {error}", delivery)
            else:
                self.read(document, delivery)
        else:
            self._refuse(f"the envelope holds {description_of(text)}; expected a string", delivery)


def _decode_json(text: str) -> object:
    """Return what json.loads returns, and raise what it raises.

    That takes more time, since it looks for blanks around the JSON. There may be thousands of messages without any.
    """
    try:
        value, end = _scan_once(text, 0)
    except StopIteration:  # it begins with a blank, or is no JSON
        end = -1
    return value if end == len(text) else _decoder.decode(text)


class _Dialect(NamedTuple):
    name: str
    is_one: Callable[[_Json], bool]
    read: Callable[[_Reader, _Json, Delivery], None]


DIALECTS: Final = (
    _Dialect("an SQS record", lambda d: d.get("eventSource") == "aws:sqs", _Reader.read_sqs),
    _Dialect(
        "an S3 record", lambda d: d.get("eventSource", "aws:s3" if "s3" in d else None) == "aws:s3", _Reader.read_s3
    ),
    _Dialect("an SNS record", lambda d: d.get("EventSource") == "aws:sns", _Reader.read_sns_record),
    _Dialect(
        "an SNS envelope", lambda d: d.get("Type") == "Notification" and "Message" in d, _Reader.read_sns_envelope
    ),
    _Dialect(
        "an EventBridge event of aws.s3",
        lambda d: d.get("source") == "aws.s3" and d.get("detail-type", _CALL) != _CALL,
        _Reader.read_eventbridge,
    ),
    _Dialect(
        "a call of S3 in CloudTrail",
        lambda d: d.get("source") == "aws.s3" and d.get("detail-type") == _CALL,
        _Reader.read_call,
    ),
    _Dialect("a ticket", lambda d: d.get("type") == tickets.KIND, _Reader.read_ticket),
    _Dialect(
        "a failed invocation", lambda d: "requestContext" in d and "requestPayload" in d, _Reader.read_failed_invocation
    ),
    _Dialect("s3:TestEvent", lambda d: d.get("Event") == "s3:TestEvent", _Reader.read_test_event),
)
"""The dialects in the order in which they are tried: first those of which thousands may come at once."""
