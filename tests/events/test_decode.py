"""Laws of the dialects."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_plus

import botocore.session
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.events import tickets
from invalidator.events.decode import DIALECTS, decode
from invalidator.model import DistributionId, ObjectChange
from tests.doubles import strategies as make
from tests.doubles.strategies import NOTIFICATIONS, ROUTES, TEST_EVENT, Change, simple_plan

EVENTS = Path(__file__).parents[2] / "events"
SAM = Path(__file__).parent / "sam"


@given(make.changes, make.routes)
def test_a_key_comes_back_byte_for_byte_through_every_dialect(change: Change, route: str) -> None:
    decoded = decode(ROUTES[route](change))
    assert [(c.bucket, c.key) for c in decoded.changes] == [(change.bucket, change.key)]
    assert not decoded.refusals
    assert decoded.ignored == 0


@given(st.binary(min_size=1, max_size=1024))
def test_a_form_encoded_key_may_be_any_bytes(key: bytes) -> None:
    record = make.s3_record(Change("x"), lambda _: "".join(f"%{byte:02x}" for byte in key))
    (change,) = decode({"Records": [record]}).changes
    assert change.key.encode("utf-8", "surrogateescape") == key


CALLS = sorted({*ROUTES} - {*NOTIFICATIONS})
pairs = st.sampled_from([NOTIFICATIONS, CALLS]).flatmap(lambda routes: st.tuples(*[st.sampled_from(routes)] * 2))


@given(make.changes, pairs)
def test_a_change_has_the_same_identity_by_whatever_way_it_comes(change: Change, pair: tuple[str, str]) -> None:
    one, other = pair
    assert decode(ROUTES[one](change)).changes[0].identity == decode(ROUTES[other](change)).changes[0].identity


@given(make.changes, make.changes, st.sampled_from(["s3", "eventbridge", "cloudtrail"]))
def test_two_changes_have_two_identities(one: Change, other: Change, route: str) -> None:
    identities = {decode(ROUTES[route](change)).changes[0].identity for change in (one, other)}
    differ = (one.bucket, one.key, one.sequencer) != (other.bucket, other.key, other.sequencer)
    assert len(identities) == 1 + differ


def test_a_key_cannot_pass_for_another_key_with_another_sequencer() -> None:
    twins = Change("a sequencer 01", sequencer="02"), Change("a", sequencer="01 sequencer 02")
    assert len({change.identity for change in decode(make.s3(*twins)).changes}) == 2


@given(make.json_values)
def test_whatever_is_no_dialect_is_refused_and_nothing_raised(event: Any) -> None:
    decoded = decode(event)
    assert not decoded.changes
    assert decoded.refusals or event.get("Records") == []


BARE = {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a"}}}]}


def _ticket(*changes: Change) -> Any:
    (batch,) = simple_plan(decode(make.s3(*changes)).changes, [DistributionId("E1")], "index.html").batches
    return json.loads(tickets.write(tickets.Ticket(batch, "Throttling: Rate exceeded")))


TICKET = _ticket(Change("a/index.html"), Change("b"))


def _broken(document: Any, replacement: Any) -> list[Any]:
    """The document with each of its parts in turn replaced, and with each of its fields in turn missing."""
    damaged = [replacement]
    if isinstance(document, dict):
        for name, value in document.items():
            damaged.append({other: document[other] for other in document if other != name})
            damaged += [{**document, name: broken} for broken in _broken(value, replacement)]
    if isinstance(document, list):
        for index, value in enumerate(document):
            damaged += [[*document[:index], broken, *document[index + 1 :]] for broken in _broken(value, replacement)]
    return damaged


def _is_empty(event: Any) -> bool:
    """Return True if an event, or the failed one in it, says that it is empty."""
    if isinstance(event, dict) and "requestContext" in event:
        event = event.get("requestPayload")
    return isinstance(event, dict) and event.get("Records") == []


@pytest.mark.parametrize("route", sorted(ROUTES))
@pytest.mark.parametrize("replacement", [None, 7, "", "x", [], {}, True, ["x"], {"key": 1}])
def test_a_damaged_event_never_raises_and_is_never_lost(route: str, replacement: Any) -> None:
    for damaged in _broken(ROUTES[route](Change("a.html")), replacement):
        decoded = decode(damaged)
        assert decoded.changes or decoded.refusals or decoded.ignored or _is_empty(damaged)


@pytest.mark.parametrize("replacement", [None, 7, "", "x", [], {}, True, ["x"], {"key": 1}, "2"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_damaged_ticket_never_raises_and_is_never_lost(replacement: Any, nested: bool) -> None:
    ticket = make.failed_invocation(TICKET) if nested else TICKET
    for damaged in _broken(ticket, replacement):
        decoded = decode(make.sqs(damaged))
        assert decoded.tickets or decoded.refusals or decoded.ignored or _is_empty(damaged)
    for damaged in _broken(make.sqs(ticket), replacement):
        decoded = decode(damaged)
        assert decoded.tickets or decoded.refusals or decoded.ignored or _is_empty(damaged)


def _named(name: str) -> Any:
    return make.s3(Change("a.html", name=name))


def _kind(kind: str) -> Any:
    return make.eventbridge(Change("a.html")) | {"detail-type": kind}


def _call(version: str = "", **fields: Any) -> Any:
    event = make.cloudtrail(Change("a.html", version=version))
    return event | {"detail": event["detail"] | fields}


ENVELOPES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda event: event,
    "sqs": make.sqs,
    "sns": make.sns,
    "sqs-sns": lambda event: make.sqs(make.sns_envelope(event)),
    "failed": make.failed_invocation,
}
IGNORED = [
    *map(_named, ["ObjectTagging:Put", "ObjectRestore:Completed", "ObjectAnnotation:Put", "ObjectRetention:Put"]),
    *map(_named, ["s3:LifecycleTransition", "ReducedRedundancyLostObject", "Replication:OperationNotTracked"]),
    *map(_kind, ["Object Restore Initiated", "Object Restore Completed", "Object Restore Expired"]),
    *map(_kind, ["Object Storage Class Changed", "Object Access Tier Changed"]),
    *map(_kind, ["Object Tags Added", "Object Tags Deleted"]),
    *[_call(eventName=name) for name in ("GetObject", "HeadObject", "ListObjectVersions", "UploadPart")],
    *[_call(eventName=name) for name in ("CreateMultipartUpload", "PutObjectTagging", "PutBucketVersioning")],
    make.s3(Change("a", name="LifecycleExpiration:Delete", version="v1")),
    make.eventbridge(Change("a", name="LifecycleExpiration:Delete", version="v1")),
]


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_what_no_viewer_sees_is_counted_and_not_a_change(envelope: str) -> None:
    for event in IGNORED:
        decoded = decode(ENVELOPES[envelope](event))
        assert (decoded.changes, decoded.refusals, decoded.ignored) == ([], [], 1), event


_kinds = st.text(max_size=40) | st.sampled_from(["Object Renamed", "ObjectAcl:Delete", "RenameObject", "PutBucketAcl"])


@given(_kinds, st.sampled_from([_named, _kind, lambda name: _call(eventName=name)]), st.sampled_from([*ENVELOPES]))
def test_a_kind_that_nobody_knows_is_refused_and_never_ignored(
    kind: str, event_of: Callable[[str], Any], envelope: str
) -> None:
    decoded = decode(ENVELOPES[envelope](event_of(f"{kind}?")))
    assert (decoded.changes, len(decoded.refusals), decoded.ignored) == ([], 1, 0)


def _s3_model() -> Any:
    return botocore.session.get_session().get_service_model("s3")


def test_each_event_that_s3_can_send_is_a_change_or_harmless() -> None:
    visible = ("ObjectCreated:", "ObjectRemoved:", "LifecycleExpiration:", "ObjectAcl:")
    for name in _s3_model().shape_for("Event").enum:
        decoded = decode(_named(name))
        assert not decoded.refusals, name
        assert len(decoded.changes) == name.removeprefix("s3:").startswith(visible)


def test_each_call_that_s3_knows_is_a_change_harmless_or_refused() -> None:
    decoded = {name: decode(_call(eventName=name)) for name in _s3_model().operation_names}
    assert {name for name, found in decoded.items() if found.changes} == {
        *("PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject", "PutObjectAcl")
    }
    refused = {name for name, found in decoded.items() if found.refusals}
    assert {"DeleteObjects", "RenameObject", "PutBucketPolicy", "DeleteBucket", "PutPublicAccessBlock"} <= refused
    assert not [name for name in refused if name.startswith(("Get", "Head", "List", "Upload"))]


@given(make.changes, st.sampled_from(CALLS), st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_call_that_failed_changed_nothing(change: Change, route: str, code: str, name: str) -> None:
    event = make.cloudtrail(change)
    event["detail"] |= {"errorCode": code, **({"eventName": name} if name else {})}
    decoded = decode(event)
    assert (decoded.changes, decoded.refusals, decoded.ignored) == ([], [], 1)


@given(make.changes, st.sampled_from(["", "null", "v1"]), st.sampled_from(["s3", "eventbridge"]))
@example(Change("a", name="LifecycleExpiration:Delete"), "null", "s3")
@example(Change("a", name="LifecycleExpiration:Delete"), "null", "eventbridge")
@example(Change("a", name="LifecycleExpiration:DeleteMarkerCreated"), "v1", "eventbridge")
def test_of_expired_versions_only_noncurrent_ones_change_nothing(change: Change, version: str, route: str) -> None:
    """A rule of the bucket's lifecycle puts a delete marker over a current version."""
    decoded = decode(ROUTES[route](replace(change, version=version)))
    is_nothing = (change.name, version) == ("LifecycleExpiration:Delete", "v1")
    assert (len(decoded.changes), decoded.ignored, decoded.refusals) == (not is_nothing, is_nothing, [])


def test_a_call_is_known_by_its_event_its_request_or_its_delivery() -> None:
    def identity(**fields: Any) -> str:
        event = _call(**fields)
        (change,) = decode({name: event[name] for name in event if name != "id"}, "r1").changes
        return change.identity

    one, other = identity(eventID="1", requestID="r"), identity(eventID="2", requestID="r")
    assert identity(eventID="1", requestID="again") == one != other
    assert identity(eventID=None, requestID="r") == identity(requestID="r", eventID="")
    assert identity(eventID=None, requestID=None).endswith("call r1")


def test_a_call_of_cloudtrail_says_what_a_notification_says() -> None:
    expected = ObjectChange("origin", "a b+%20", "", None, "2026-11-20T09:30:12Z", "v1")  # type: ignore[arg-type]
    for route in ("eventbridge", "cloudtrail"):
        (change,) = decode(ROUTES[route](Change("a b+%20", version="v1"))).changes
        assert change._replace(identity="") == expected


@pytest.mark.parametrize("name", ["s3:ObjectCreated:Put", "", None])
def test_a_change_is_not_missed_for_the_way_in_which_it_is_named(name: str | None) -> None:
    record = make.s3_record(Change("a")) | {"eventName": name}
    assert decode({"Records": [record]}).changes


@pytest.mark.parametrize(
    "event",
    [TEST_EVENT, make.sqs(TEST_EVENT), make.sqs(make.sns_envelope(TEST_EVENT)), make.sns(TEST_EVENT)],
    ids=["s3", "sqs", "sqs-sns", "sns"],
)
def test_the_test_event_is_acknowledged_and_nothing_done(event: Any) -> None:
    decoded = decode(event)
    assert (decoded.changes, decoded.refusals, decoded.ignored) == ([], [], 1)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.99"])
def test_any_minor_version_of_2_is_read(version: str) -> None:
    record = make.s3_record(Change("a")) | {"eventVersion": version}
    assert decode({"Records": [record]}).changes


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"Records": [make.s3_record(Change("a")) | {"eventVersion": "3.0"}]}, "eventVersion '3.0'; expected 2.x"),
        ({"Records": [{"eventSource": "aws:dynamodb"}]}, "an object from 'aws:dynamodb' is none of"),
        ({"source": "aws.ec2", "detail-type": "x"}, "an object from 'aws.ec2' is none of"),
        ({"CodePipeline": {"secretAccessKey": "hush"}}, "an object with 'CodePipeline' is none of"),
        ({"source": {"secretAccessKey": "hush"}}, "an object with 'source' is none of"),
        ([], "a list is none of"),
        ("text", "a string of 4 characters is none of"),
        (make.sqs("{not JSON"), "9 characters that are not JSON: Expecting property name"),
        (make.sqs("[" * 100_000), "that are not JSON"),
        (make.sqs(make.sqs(make.s3(Change("a")))), "an SQS record in an envelope"),
        ({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {}}}]}, "without bucket.name and object.key"),
        (make.s3(Change("é" * 513)), "a key of 1,026 bytes; S3 has none above 1,024"),
        (make.eventbridge(Change("\ud800")), "a key that is not Unicode text: '\\ud800'"),
        (make.eventbridge(Change("\udc80x")), "a key that is not Unicode text"),
        (make.eventbridge(Change("a")) | {"detail-type": None}, "whose detail-type is nothing; expected a string"),
        (make.sns_envelope({}) | {"Records": []}, "an object with no fields is none of"),
        (
            {"Records": [make.s3_record(Change("a", name="ObjectAccessed:Get"))]},
            "S3 record of the unknown kind 'Object",
        ),
        (make.eventbridge(Change("a")) | {"detail-type": "Object Renamed"}, "of aws.s3 of the unknown kind 'Object R"),
        (make.cloudtrail(Change("a")) | {"detail": [7]}, "a CloudTrail event whose detail is a list"),
        (_call(eventName="PutBucketPolicy"), "a CloudTrail event of the unknown kind 'PutBucketPolicy': update"),
        (_call(eventName="DeleteObjects"), "have the trail log the DeleteObject event of each object"),
        (_call(responseElements=[7]), "a CloudTrail event whose responseElements is a list; expected an object"),
        (_call(requestParameters=None), "a record whose bucket is nothing and whose key is nothing"),
        (_call(requestParameters={"bucketName": "a-1b2c-s3alias", "key": "a"}), "the access point 'a-1b2c-s3alias'"),
        (_call(requestParameters={"bucketName": "m1b2c.mrap", "key": "a"}), "the access point 'm1b2c.mrap'"),
    ],
)
def test_a_refusal_names_what_was_seen_and_what_is_expected(event: Any, reason: str) -> None:
    (refusal,) = decode(event).refusals
    assert reason in refusal.reason
    assert "hush" not in refusal.reason


@pytest.mark.parametrize("envelope", [make.sns_envelope, make.failed_invocation])
def test_envelopes_that_nest_without_end_are_refused(envelope: Callable[[Any], Any]) -> None:
    body = make.s3(Change("a"))
    for _ in range(20):
        body = envelope(body)
    for event in (body, make.sqs(body)):
        (refusal,) = decode(event).refusals
        assert "more than 4 envelopes" in refusal.reason


@pytest.mark.parametrize("depth", [10, 900, 990, 993, 100_000])
@pytest.mark.parametrize("field", ["distribution", "since", "why", "caller_reference", "items"])
def test_a_ticket_that_nests_without_end_is_refused_or_harmless(depth: int, field: str) -> None:
    body = json.dumps(TICKET | {field: "@"}).replace('"@"', "[" * depth + "]" * depth)
    decoded = decode(make.sqs(body))
    assert len(decoded.tickets) + len(decoded.refusals) == 1


def test_a_message_never_decides_which_messages_are_acknowledged() -> None:
    forged = make.sqs("not JSON")
    forged["Records"][0]["messageId"] = "somebody else's"
    (refusal,) = decode(make.sqs(forged)).refusals
    assert refusal.message_id == "m0"


def test_a_record_without_sequencer_is_known_by_version_etag_and_time() -> None:
    def identity(**changed: str) -> str:
        record = make.s3_record(Change("a"))
        del record["s3"]["object"]["sequencer"]
        record["eventTime"] = changed.pop("time", "2026-11-20T09:30:12.345Z")
        record["s3"]["object"] |= {"versionId": "v1", "eTag": "e1"} | changed
        return decode({"Records": [record]}).changes[0].identity

    assert identity() == identity()
    others = {identity(versionId="v2"), identity(eTag="e2"), identity(time="2026-11-20T09:30:12.346Z")}
    assert len(others | {identity()}) == 4


def test_eventbridge_without_sequencer_is_known_by_version_and_time() -> None:
    def identity(time: str = "2026-11-20T09:30:12Z", **changed: str) -> str:
        event = make.eventbridge(Change("a")) | {"time": time}
        event["detail"]["object"] = {"key": "a", "version-id": "v1", "etag": "e1"} | changed
        return decode(event).changes[0].identity

    others = {identity(**{"version-id": "v2"}), identity(etag="e2"), identity(time="2026-11-20T09:30:13Z")}
    assert len(others | {identity()}) == 4


# --- tickets and failed invocations ---------------------------------------------------------------------


@given(st.lists(make.changes, min_size=1, max_size=6))
def test_a_ticket_comes_through_a_queue(deploy: list[Change]) -> None:
    decoded = decode(make.sqs(TEST_EVENT, _ticket(*deploy)))
    assert decoded.tickets == [tickets.read(_ticket(*deploy), "m1").batch]
    assert decoded.tickets[0].message_ids == {"m1"}
    assert (decoded.changes, decoded.refusals, decoded.ignored, decoded.from_queue) == ([], [], 1, True)


def test_a_ticket_by_hand_belongs_to_no_message() -> None:
    assert [batch.message_ids for batch in decode(TICKET).tickets] == [{None}]


@pytest.mark.parametrize(
    ("attributes", "apart"),
    [
        ({"ApproximateReceiveCount": "1"}, False),
        ({"ApproximateReceiveCount": "2"}, True),
        ({"ApproximateReceiveCount": "17"}, True),
        ({"SentTimestamp": "1795167012900"}, False),
        ({}, False),
        (None, False),
        ({"ApproximateReceiveCount": ["2"]}, True),
    ],
)
def test_a_ticket_that_was_delivered_before_may_have_been_sent(attributes: Any, apart: bool) -> None:
    event = make.sqs(TICKET)
    event["Records"][0]["attributes"] = attributes
    assert [batch.apart for batch in decode(event).tickets] == [apart]


def test_a_ticket_stays_apart_however_it_is_delivered() -> None:
    assert decode(make.sqs(TICKET | {"apart": True})).tickets[0].apart


def test_only_the_messages_that_were_delivered_before_are_apart() -> None:
    event = make.sqs(TICKET, TICKET)
    event["Records"][1] = make.delivered_again(event)["Records"][1]
    assert [batch.apart for batch in decode(event).tickets] == [False, True]


def test_a_ticket_that_cannot_be_read_is_refused_alone() -> None:
    decoded = decode(make.sqs(TICKET | {"attempts": -1}, TICKET, make.s3(Change("a"))))
    ((reason, message_id),) = decoded.refusals
    assert message_id == "m0"
    assert "a ticket that this program did not write" in reason
    assert (len(decoded.tickets), len(decoded.changes)) == (1, 1)


INSIDE: dict[str, Callable[[Change], Any]] = {
    "s3": make.s3,
    "bare": lambda _: BARE,
    "sns-s3": lambda change: make.sns(make.s3(change)),
    "eventbridge": make.eventbridge,
}


@given(make.changes, st.sampled_from(sorted(INSIDE)), st.text("0123456789abcdef-", min_size=1))
def test_a_failed_invocation_is_the_event_that_failed(change: Change, inside: str, request: str) -> None:
    event = INSIDE[inside](change)
    first = decode(event, request)
    assert decode(make.failed_invocation(event, request), "another request") == first
    # Lambda puts it into a queue, where that is its destination.
    later = decode(make.sqs(make.failed_invocation(event, request)), "another request")
    assert [after._replace(message_id=None) for after in later.changes] == first.changes
    assert {after.message_id for after in later.changes} == {"m0"}
    assert later.from_queue


def test_what_is_unreadable_in_a_failed_invocation_is_refused() -> None:
    decoded = decode(make.sqs(make.failed_invocation({"Records": [make.s3_record(Change("a")), {"s3": 1}]})))
    assert [change.key for change in decoded.changes] == ["a"]
    assert [refusal.message_id for refusal in decoded.refusals] == ["m0"]


def test_a_failed_invocation_is_not_one_that_a_queue_had_made() -> None:
    """Lambda keeps events of asynchronous invocations only: what looks like another was made by somebody."""
    (refusal,) = decode(make.sqs(make.failed_invocation(make.sqs("x")))).refusals
    assert "an SQS record in an envelope" in refusal.reason
    assert refusal.message_id == "m0"


@pytest.mark.parametrize(
    ("event", "time"),
    [
        (make.s3(Change("a")), "2026-11-20T09:30:12.345Z"),
        (make.eventbridge(Change("a")), "2026-11-20T09:30:12Z"),
        (make.failed_invocation(make.s3(Change("a"))), "2026-11-20T09:30:12.345Z"),
        ({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a"}}}]}, ""),
    ],
)
def test_it_is_known_when_an_object_changed(event: Any, time: str) -> None:
    assert [change.time for change in decode(event).changes] == [time]


@given(make.changes, make.routes, st.sampled_from(["", "3HL4kqtJvjVBH40Nrjfkd", "null"]))
def test_the_version_of_what_was_written_is_known_and_no_other(change: Change, route: str, version: str) -> None:
    change = replace(change, version=version)
    if version not in {"", "null"} and change.name == "LifecycleExpiration:Delete":
        change = replace(change, name="ObjectRemoved:Delete")
    (decoded,) = decode(ROUTES[route](change)).changes
    assert decoded.version == (version if change.name.startswith("ObjectCreated") else "")


@pytest.mark.parametrize("route", ["s3", "eventbridge"])
def test_a_version_that_is_not_told_is_none(route: str) -> None:
    (decoded,) = decode(ROUTES[route](Change("a", version=cast("str", None)))).changes
    assert decoded.version == ""


FIELDS = {
    "s3": ["eventVersion", "eventName", "eventTime"],
    "s3.s3": ["bucket.name", "object.key", "object.sequencer", "object.versionId", "object.eTag"],
    "eventbridge": ["detail-type", "time"],
    "eventbridge.detail": ["bucket.name", "object.key", "object.sequencer", "object.version-id", "object.etag"],
    "cloudtrail.detail": ["eventName", "eventTime", "eventID", "errorCode", "requestParameters"],
    "cloudtrail.detail.requestParameters": ["bucketName", "key"],
    "cloudtrail.detail.responseElements": ["x-amz-version-id"],
}


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "junk",
    [7, True, ["x"], {"a": 1}, nested(900), "x" * 10_000, "\ud800\x1b[31m" * 200],
    ids=["number", "boolean", "list", "object", "nested", "long", "escapes"],
)
@pytest.mark.parametrize("where", [f"{start}.{field}" for start, fields in FIELDS.items() for field in fields])
def test_a_field_that_is_not_as_s3_sends_it_is_refused_alone(where: str, junk: Any) -> None:
    route, *path, name = where.split(".")
    document = json.loads(json.dumps(ROUTES[route](Change("a", version="v1"))))
    record = document["Records"][0] if route == "s3" else document
    holder = reduce(dict.__getitem__, path, record)
    if name in {"versionId", "version-id", "eTag", "etag"}:
        del holder["sequencer"]  # with it, nothing else tells changes apart
    holder[name] = junk
    decoded = decode({"Records": [document, make.s3_record(Change("b"))]})
    assert [change.key for change in decoded.changes if len(change.key) < 1_000] == ["b"]
    assert len(decoded.refusals) + decoded.ignored + len(decoded.changes) == 2
    for refusal in decoded.refusals:
        assert len(refusal.reason) < 400
        assert refusal.reason.isprintable()


@pytest.mark.parametrize("name", ["my bucket", "a\nb", "\x1b[31m", "é", "[/blue]", "x" * 256, "a/b", "\u202e"])
def test_what_no_bucket_can_be_called_is_refused(name: str) -> None:
    decoded = decode(make.s3(Change("a", bucket=name), Change("b", bucket="Old_Bucket.Name-1")))
    assert [change.key for change in decoded.changes] == ["b"]
    (refusal,) = decoded.refusals
    assert "no bucket has such a name" in refusal.reason
    assert refusal.reason.isprintable()


def test_a_key_that_is_far_too_long_is_refused_before_it_is_decoded() -> None:
    (refusal,) = decode({"Records": [make.s3_record(Change("a"), lambda _: "%41" * 400_000)]}).refusals
    assert "a key of 1,200,000 characters; S3 has none above" in refusal.reason


@given(make.json_values, st.integers(0, 3), st.sampled_from(["messageId", "attributes", "body", "eventSource"]))
def test_junk_in_one_message_harms_no_other(junk: Any, at: int, field: str) -> None:
    event = make.sqs(*(make.s3(Change(key)) for key in "abcd"))
    event["Records"][at][field] = junk
    keys = [change.key for change in decode(event).changes]
    assert [key for key in "abcd" if key in keys or key == "abcd"[at]] == list("abcd")


def test_one_message_that_is_nested_to_the_limit_harms_no_other() -> None:
    """The parser's limit, and that of what shows a value, depend on the version of Python and on the caller's stack."""
    good = json.dumps(make.s3(Change("good")))
    for depth in range(100, 1_100, 50):
        brackets = "[" * depth + "]" * depth
        for body in (
            f'{{"Records": [{{"eventVersion": {brackets}, "s3": {{}}}}]}}',
            f'{{"type": "invalidator ticket", "version": {brackets}}}',
            f'{{"requestContext": {{"requestId": {brackets}}}, "requestPayload": {brackets}}}',
            brackets,
        ):
            decoded = decode(make.sqs(body, good))
            assert [change.key for change in decoded.changes] == ["good"]
            assert {refusal.message_id for refusal in decoded.refusals} == {"m0"}


@pytest.mark.parametrize("name", ["", None])
def test_a_record_without_a_name_is_not_taken_for_an_upload(name: str | None) -> None:
    record = make.s3_record(Change("a", version="v1")) | {"eventName": name}
    assert [change.version for change in decode({"Records": [record]}).changes] == [""]


# --- records that nothing identifies --------------------------------------------------------------------


def _with_ids(message_id: str, notification_id: str) -> Any:
    event = make.sqs(make.sns_envelope(BARE) | {"MessageId": notification_id})
    event["Records"][0]["messageId"] = message_id
    return event


def _sqs_with_id(message_id: str) -> Any:
    event = make.sqs(BARE)
    event["Records"][0]["messageId"] = message_id
    return event


@pytest.mark.parametrize(
    ("first", "again", "later"),
    [
        ((BARE, "r1"), (BARE, "r1"), (BARE, "r2")),
        ((_sqs_with_id("m1"), "r1"), (_sqs_with_id("m1"), "r2"), (_sqs_with_id("m2"), "r2")),
        ((_with_ids("m1", "n1"), "r1"), (_with_ids("m2", "n1"), "r2"), (_with_ids("m1", "n2"), "r1")),
    ],
    ids=["Lambda's request", "the message", "the notification"],
)
def test_a_record_that_nothing_identifies_is_known_by_its_delivery(first: Any, again: Any, later: Any) -> None:
    one, same, other = (decode(*delivery).changes[0].identity for delivery in (first, again, later))
    assert one == same != other


@pytest.mark.parametrize(
    "file", sorted({*EVENTS.glob("*.json")} - {*EVENTS.glob("codepipeline-*.json")}), ids=lambda path: path.stem
)
def test_every_sample_event_is_understood(file: Path) -> None:
    decoded = decode(json.loads(file.read_text()))
    assert not decoded.refusals
    assert decoded.changes or decoded.tickets or decoded.held or "test-event" in file.stem
    assert decoded.from_queue == file.stem.startswith("sqs")


def test_the_samples_are_those_that_the_readme_promises() -> None:
    assert {file.stem for file in EVENTS.glob("*.json")} >= {
        "s3-put", "s3-delete", "s3-many-records", "s3-awkward-keys", "s3-test-event", "sqs-s3", "sqs-sns-s3",
        "sns-s3", "eventbridge-created", "eventbridge-deleted",
    }  # fmt: skip


def test_the_sample_with_many_records_counts_what_it_ignores() -> None:
    decoded = decode(json.loads((EVENTS / "s3-many-records.json").read_text()))
    assert (len(decoded.changes), decoded.ignored) == (7, 1)


@pytest.mark.parametrize("file", sorted(SAM.glob("*.json")), ids=lambda path: path.stem)
def test_events_that_aws_sam_generates_are_understood(file: Path) -> None:
    # Printed by aws-sam-cli 1.170.0: sam local generate-event s3 put --bucket origin --key 'blog/red flower+1.html',
    # s3 delete likewise, sqs receive-message --body and sns notification --message with the JSON of those.
    decoded = decode(json.loads(file.read_text()))
    assert [change.key for change in decoded.changes] == ["blog/red flower+1.html"]
    assert not decoded.refusals


def test_a_message_made_of_bad_records_is_refused_in_a_few_words() -> None:
    flood = {"Records": [make.s3_record(Change("before")), *[0] * 200_000]}
    decoded = decode(make.sqs(flood, make.s3(Change("beside"))))
    assert [change.key for change in decoded.changes] == ["before", "beside"]
    assert len(decoded.refusals) == 101
    assert {refusal.message_id for refusal in decoded.refusals} == {"m0"}
    assert decoded.refusals[-1].reason == "so many records refused that the rest was not read"


# --- what comes by the thousand -------------------------------------------------------------------------

_blanks = st.text(" \t\r\n", max_size=2)
_almost_json = st.text('[]{}",:\\u00e-.NaN ', max_size=12)
_texts = st.tuples(_blanks, _almost_json | make.json_values.map(json.dumps), _blanks | _almost_json).map("".join)


@given(_texts)
@example("")
@example('{"Records": []} x')
@example('\ufeff{"Records": []}')
@example('{"Records": 1, "Records": []}')
def test_a_message_is_read_as_the_decoder_of_json_reads_it(text: str) -> None:
    decoded = decode(make.sqs(text))
    try:
        document, problem = json.JSONDecoder().decode(text), ""
    except ValueError as error:
        document, problem = None, str(error)
    if problem:
        assert [refusal.reason.partition("JSON: ")[2] for refusal in decoded.refusals] == [problem]
    else:
        assert decoded == decode(make.sqs(json.dumps(document)))


@given(st.text(st.sampled_from("%+2aé~") | st.characters(codec="utf-8"), min_size=1, max_size=12))
def test_every_key_of_a_record_is_decoded_as_a_form_is(written: str) -> None:
    (change,) = decode({"Records": [make.s3_record(Change("x"), lambda _: written)]}).changes
    assert change.key == unquote_plus(written, errors="surrogateescape")


_fields = st.sampled_from(
    ["Type", "Message", "source", "detail-type", "type", "requestContext", "requestPayload", "s3"]
)
_values = st.sampled_from(["Notification", "aws.s3", "aws:sns", tickets.KIND, "s3:TestEvent", "Object Created", None])


@given(st.dictionaries(_fields, _values), st.sampled_from([("aws:s3", "an S3 record"), ("aws:sqs", "an SQS record")]))
def test_a_source_of_which_thousands_come_alone_decides_the_dialect(record: Any, source: tuple[str, str]) -> None:
    record = record | {"EventSource": "aws:sns", "eventSource": source[0]}
    assert next(dialect.name for dialect in DIALECTS if dialect.is_one(record)) == source[1]
