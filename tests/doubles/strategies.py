"""Inputs of the laws: keys as hostile as S3 allows, changes, and every event that can carry these."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import settings
from hypothesis import strategies as st

from invalidator.model import EXACT, Batch, Distribution, DistributionId, ObjectChange, Plan
from invalidator.planning.planner import make_plan
from invalidator.urls.viewers import View

Json = dict[str, Any]


def times(factor: float, **more: Any) -> settings:
    """Return settings with this many times the examples of the profile, for a law that is quick or slow to check."""
    return settings(max_examples=max(1, round(factor * settings().max_examples)), **more)


@dataclass(frozen=True)
class Change:
    """A change before it is encoded in any dialect."""

    key: str
    sequencer: str = "0055AED6DCD90281E5"
    bucket: str = "origin"
    name: str = "ObjectCreated:Put"
    version: str = ""


_awkward = st.sampled_from([*" +%*?#~&=/\\\n\0", "//", "..", "%20", "%2A", "é", "🌹", "index.html", "/index.html"])
_pieces = st.lists(_awkward | st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=12)
keys = _pieces.map("".join).filter(lambda key: 0 < len(key.encode()) <= 1024)
"""Any key that S3 accepts; mostly short, full of the characters that go wrong."""

# The deploys of a real site are among them: plain keys and index documents in directories.
plain_keys = st.from_regex(r"([a-z]{1,3}/){0,2}(index\.html|[a-z]{1,3}\.(css|js))", fullmatch=True)
sequencers = st.text("0123456789ABCDEF", min_size=18, max_size=18)
names = st.sampled_from(
    [
        "ObjectCreated:Put",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "ObjectAcl:Put",
    ]
)
changes = st.builds(Change, keys | plain_keys, sequencers, st.sampled_from(["origin", "other-origin"]), names)


def simple_plan(
    changes: Iterable[ObjectChange], ids: Iterable[str], index_document: str = "index.html", left: Iterable[Batch] = ()
) -> Plan:
    """Return the exact plan for distributions whose configuration is unknown."""
    distributions = [Distribution(DistributionId(id_)) for id_ in ids]
    return make_plan(changes, distributions, View(index_document), left, EXACT)


# --- the dialects ---------------------------------------------------------------------------------------


def s3_record(change: Change, encode: Callable[[str], str] = quote_plus) -> Json:
    """Return a record of an S3 notification."""
    version = {"versionId": change.version} if change.version else {}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-20T09:30:12.345Z",
        "eventName": change.name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "invalidator",
            "bucket": {"name": change.bucket, "arn": f"arn:aws:s3:::{change.bucket}"},
            "object": {"key": encode(change.key), "size": 1, "sequencer": change.sequencer, **version},
        },
    }


def s3(*changes: Change) -> Json:
    """Return an S3 notification."""
    return {"Records": [s3_record(change) for change in changes]}


def eventbridge(change: Change) -> Json:
    """Return an EventBridge event, which has the raw key."""
    family, _, name = change.name.partition(":")
    kind = {"ObjectCreated": "Object Created", "ObjectAcl": "Object ACL Updated"}.get(family, "Object Deleted")
    reason = "Lifecycle Expiration" if family == "LifecycleExpiration" else "DeleteObject"
    deletion = {
        "reason": reason,
        "deletion-type": "Permanently Deleted" if name == "Delete" else "Delete Marker Created",
    }
    version = {"version-id": change.version} if change.version else {}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2026-11-20T09:30:12Z",
        "detail": {
            "bucket": {"name": change.bucket},
            "object": {"key": change.key, "sequencer": change.sequencer, **version},
            **(deletion if kind == "Object Deleted" else {}),
        },
    }


_CALLS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "PostObject",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectAcl:Put": "PutObjectAcl",
}


def cloudtrail(change: Change) -> Json:
    """Return the EventBridge event of a call that CloudTrail has logged, which has the raw key."""
    answer = {"x-amz-version-id": change.version, "x-amz-server-side-encryption": "AES256"} if change.version else None
    return {
        "version": "0",
        "id": "0a1b2c3d-0000-1111-2222-333344445555",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.s3",
        "time": "2026-11-20T09:30:12Z",
        "detail": {
            "eventVersion": "1.11",
            "eventTime": "2026-11-20T09:30:12Z",
            "eventSource": "s3.amazonaws.com",
            "eventName": _CALLS.get(change.name, "DeleteObject"),
            "requestParameters": {"bucketName": change.bucket, "key": change.key},
            "responseElements": answer,
            "requestID": "C3D13FE58DE4C810",
            "eventID": change.sequencer,
            "eventType": "AwsApiCall",
        },
    }


def sns_envelope(body: Json) -> Json:
    """Return the body of a message that SNS sends to a queue."""
    return {"Type": "Notification", "MessageId": "95df01b4", "TopicArn": "arn:aws:sns:::t", "Message": json.dumps(body)}


def sns(*bodies: Json) -> Json:
    """Return the event that SNS invokes a function with."""
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1", "Sns": sns_envelope(body)} for body in bodies]}


def sqs(*bodies: Json | str) -> Json:
    """Return the event that Lambda makes of a queue's messages. Their ids are m0, m1, …"""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:invalidator",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def delivered_again(event: Json, times: int = 2) -> Json:
    """Return the same messages with this count of deliveries."""
    attributes = {"ApproximateReceiveCount": str(times)}
    return {"Records": [record | {"attributes": attributes} for record in event["Records"]]}


def failed_invocation(event: Json, request: str = "r1") -> Json:
    """Return the record that Lambda keeps of an event that it has given up."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-20T09:36:12.345Z",
        "requestContext": {
            "requestId": request,
            "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:invalidator:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "E1: /a not invalidated", "errorType": "IncompleteError"},
    }


TEST_EVENT: Json = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-20T09:30:00Z", "Bucket": "origin"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Anything that JSON can say."""

# Each dialect's event for a change. S3 leaves "/" raw; compatible services encode it, too.
ROUTES: dict[str, Callable[[Change], Json]] = {
    "s3": s3,
    "s3 that encodes everything": lambda change: {
        "Records": [s3_record(change, lambda key: "".join(f"%{byte:02X}" for byte in key.encode()))]
    },
    "s3 that leaves / raw": lambda change: {"Records": [s3_record(change, lambda key: quote_plus(key, safe="/"))]},
    "s3 with %20 for a space": lambda change: {"Records": [s3_record(change, quote)]},
    "sqs-s3": lambda change: sqs(s3(change)),
    "sqs-sns-s3": lambda change: sqs(sns_envelope(s3(change))),
    "sns-s3": lambda change: sns(s3(change)),
    "eventbridge": eventbridge,
    "sqs-eventbridge": lambda change: sqs(eventbridge(change)),
    "failed s3": lambda change: failed_invocation(s3(change)),
    "failed sns-s3": lambda change: failed_invocation(sns(s3(change))),
    "failed eventbridge": lambda change: failed_invocation(eventbridge(change)),
    "sqs-failed s3": lambda change: sqs(failed_invocation(s3(change))),
    "sqs-sns-eventbridge": lambda change: sqs(sns_envelope(eventbridge(change))),
    "cloudtrail": cloudtrail,
    "sqs-cloudtrail": lambda change: sqs(cloudtrail(change)),
    "sns-cloudtrail": lambda change: sns(cloudtrail(change)),
    "sqs-sns-cloudtrail": lambda change: sqs(sns_envelope(cloudtrail(change))),
    "failed cloudtrail": lambda change: failed_invocation(cloudtrail(change)),
}
routes = st.sampled_from(sorted(ROUTES))
NOTIFICATIONS = sorted(route for route in ROUTES if "cloudtrail" not in route)
"""The routes of S3's own notifications: a call in CloudTrail tells of the same change, but not that it is the same."""
