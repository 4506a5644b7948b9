"""A call of S3 that a trail of CloudTrail has logged → the change of one object. Pure.

A rule of EventBridge hands such events on. The key is raw. What lifecycle rules remove is not among the calls.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html,
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
(read on 2026-11-29).
"""

import re
from typing import Any, Final

from invalidator.errors import EventError
from invalidator.events.records import Delivery, description_of, raw_change, text_in, unknown_kind
from invalidator.model import ObjectChange

_Json = dict[str, Any]

_UPLOADS: Final = {"PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"}
_OTHER_CHANGES: Final = {"DeleteObject", "PutObjectAcl"}

# Calls that change nothing for viewers. Policies, websites, CORS and public access are not among them.
_is_harmless = re.compile(
    r"(Get|Head|List|Select)\w+|CreateBucket|CreateSession|(Create|Abort)MultipartUpload|UploadPart(Copy)?"
    r"|RestoreObject|UpdateObjectEncryption|WriteGetObjectResponse"
    r"|(Put|Delete)Object(Annotation|LegalHold|LockConfiguration|Retention|Tagging)"
    r"|(Put|Delete)(Bucket)?(Accelerate|Analytics|Encryption|IntelligentTiering|Inventory|Lifecycle|Logging|Metrics"
    r"|Notification|Replication|Tagging|Versioning)(Configuration)?"
).fullmatch


def change_of_call(event: _Json, delivery: Delivery) -> ObjectChange | None:
    """Return the change that a call made; None if it failed, or viewers do not see it. Raises EventError."""
    detail = event.get("detail")
    if not isinstance(detail, dict):
        raise EventError(f"a CloudTrail event whose detail is {description_of(detail)}; expected an object")
    name = text_in(detail, "eventName")
    if text_in(detail, "errorCode") or _is_harmless(name):
        return None
    if name == "DeleteObjects":
        # Since June 2025, CloudTrail has an event of its own for each of them:
        # https://aws.amazon.com/about-aws/whats-new/2025/06/aws-cloudtrail-logging-amazon-s3-deleteobjects-api
        raise EventError(
            "a CloudTrail event of DeleteObjects, which does not say which objects: take it out of the rule of"
            " EventBridge, and have the trail log the DeleteObject event of each object. Clear these with 'create'"
        )
    if name not in _UPLOADS | _OTHER_CHANGES:
        raise unknown_kind("a CloudTrail event", name)
    return _change(event, detail, delivery, is_upload=name in _UPLOADS)


def _change(event: _Json, detail: _Json, delivery: Delivery, *, is_upload: bool) -> ObjectChange:
    parameters, answer = (_object(detail, name) for name in ("requestParameters", "responseElements"))
    id_ = text_in(detail, "eventID") or text_in(detail, "requestID") or text_in(event, "id") or delivery.id
    time = text_in(detail, "eventTime") or text_in(event, "time")
    change = raw_change(parameters.get("bucketName"), parameters.get("key"), f"call {id_}", delivery.message_id, time)
    if change.bucket.endswith(("-s3alias", ".mrap")):  # no bucket is called so
        raise EventError(f"a CloudTrail event of the access point {change.bucket!r}, which does not name the bucket")
    return change._replace(version=text_in(answer, "x-amz-version-id")) if is_upload else change


def _object(detail: _Json, name: str) -> _Json:
    value = detail.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise EventError(f"a CloudTrail event whose {name} is {description_of(value)}; expected an object")
    return value
