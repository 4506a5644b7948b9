"""One notification of S3 → the change of one object. Pure.

S3 sends records: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html.
EventBridge sends events: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
Both pages were read on 2026-11-20, and again on 2026-11-29, for the kinds of events.
"""

import re
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from invalidator.errors import EventError
from invalidator.limits import MAX_KEY_BYTES, MAX_VERSION_CHARACTERS
from invalidator.model import ACL_CHANGE, VISIBLE_CHANGES, ObjectChange, with_fields

_Json = dict[str, Any]

_MAX_ENCODED_CHARACTERS: Final = 6 * MAX_KEY_BYTES
"""Of a key as it is written: twice what one needs in which each byte is %XX."""

# Names of before 2018 in us-east-1 are longer, and have capitals and underscores:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (2026-11-29)
# Most events are of one bucket, so that the last one is known. (No more: a message may name a megabyte.)
_is_bucket_name = lru_cache(maxsize=1)(re.compile(r"[A-Za-z0-9._-]{1,255}").fullmatch)

_CHANGES: Final = (*VISIBLE_CHANGES, ACL_CHANGE)
_EXPIRED: Final = "LifecycleExpiration:Delete"
_HARMLESS: Final = {
    *("ObjectTagging", "ObjectRestore", "ObjectAnnotation", "ObjectRetention", "Replication"),
    *("LifecycleTransition", "IntelligentTiering", "ReducedRedundancyLostObject"),
}
"""The first parts of the names of S3's events that change nothing for viewers. Others are refused.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_NotificationConfiguration.html (botocore of 2026-11)
"""

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-mapping-troubleshooting.html (2026-11-29)
_CREATED: Final = "Object Created"
_VISIBLE_DETAIL_TYPES: Final = (_CREATED, "Object Deleted", "Object ACL Updated")
_HARMLESS_DETAIL_TYPES: Final = {
    *("Object Restore Initiated", "Object Restore Completed", "Object Restore Expired", "Object Tags Added"),
    *("Object Tags Deleted", "Object Storage Class Changed", "Object Access Tier Changed"),
}


class Delivery(NamedTuple):
    """The delivery of a document: the queue message that brought it, if one did, and how many envelopes were around it.

    ``id`` is the same each time that the document is delivered.
    """

    id: str
    message_id: str | None = None
    envelopes: int = 0
    redelivered: bool = False


def change_of_record(record: _Json, delivery: Delivery) -> ObjectChange | None:
    """Return the change that a record of S3 tells of; None if viewers do not see it. Raises EventError."""
    version = record.get("eventVersion", "2.0")
    if not isinstance(version, str) or not version.startswith("2."):
        raise _other_version(version)
    # A record without a name counts as a change: to clear one path too many does no harm. It does not count as an
    # upload, which might be skipped as unchanged.
    name = record.get("eventName") or VISIBLE_CHANGES[1]
    if not isinstance(name, str):
        raise EventError(f"an S3 record whose eventName is {description_of(name)}; expected a string")
    name = name.removeprefix("s3:")
    if not name.startswith(_CHANGES):
        if name.partition(":")[0] not in _HARMLESS:
            raise unknown_kind("an S3 record", name)
        return None
    bucket, key, details = _object_of(record.get("s3"))
    key = _decoded(key)
    time, version = text_in(record, "eventTime"), text_in(details, "versionId")
    if name == _EXPIRED and _is_noncurrent(version):
        return None
    identity = _identity(details, version, "eTag", time, delivery)
    return _change(bucket, key, identity, delivery.message_id, time, version if "ObjectCreated:" in name else "")


def _other_version(version: object) -> EventError:
    what = f"{version[:20]!r}" if isinstance(version, str) else description_of(version)
    return EventError(f"an S3 record of eventVersion {what}; expected 2.x")


def _decoded(key: str) -> str:
    """Return a key that is form-encoded: "red flower.jpg" arrives as "red+flower.jpg"."""
    if key.isascii() and len(key) <= MAX_KEY_BYTES and "%" not in key and "+" not in key:
        return key  # nearly always
    if len(key) > _MAX_ENCODED_CHARACTERS:
        raise EventError(f"a key of {len(key):,} characters; S3 has none above {MAX_KEY_BYTES:,} bytes")
    # Bytes that are not UTF-8, which S3 itself never sends, survive as surrogate escapes and become the same bytes in
    # the path.
    key = unquote_plus(key, errors="surrogateescape")
    _check_key(key, errors="surrogateescape")
    return key


def change_of_event(event: _Json, delivery: Delivery) -> ObjectChange | None:
    """Return the change that an EventBridge event of S3 tells of; None if viewers do not see it. Raises EventError."""
    kind = event["detail-type"]
    if not isinstance(kind, str):
        raise EventError(f"an EventBridge event whose detail-type is {description_of(kind)}; expected a string")
    if kind not in _VISIBLE_DETAIL_TYPES:
        if kind not in _HARMLESS_DETAIL_TYPES:
            raise unknown_kind("an EventBridge event of aws.s3", kind)
        return None
    # The key is raw: decoding would turn "a+b%20" into another key.
    detail = event.get("detail")
    bucket, key, details = _object_of(detail)
    _check_key(key, errors="strict")
    time, version = text_in(event, "time"), text_in(details, "version-id")
    if _is_noncurrent(version) and _is_expired(detail):
        return None
    identity = _identity(details, version, "etag", time, delivery)
    return _change(bucket, key, identity, delivery.message_id, time, version if kind == _CREATED else "")


def _is_noncurrent(version: str) -> bool:
    """Return whether viewers do not see it if a lifecycle rule removes this for good.

    Such a rule puts a delete marker over a current version. A version that it removes is a noncurrent one, or a delete
    marker with nothing below:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configure-notification.html (2026-11-29)
    """
    return version not in {"", "null"}


def _is_expired(detail: Any) -> bool:
    return bool(detail.get("reason") == "Lifecycle Expiration" and detail.get("deletion-type") == "Permanently Deleted")


def unknown_kind(what: str, kind: str) -> EventError:
    """Return the error for a kind of event of which nobody knows what it changes."""
    return EventError(f"{what} of the unknown kind {kind!r:.60}: update this program, or stop sending it such events")


def raw_change(bucket: object, key: object, identity: str, message_id: str | None, time: str) -> ObjectChange:
    """Return the change of an object whose key is not encoded. Raises EventError if S3 has no such names."""
    bucket, key, _ = _object_of({"bucket": {"name": bucket}, "object": {"key": key}})
    _check_key(key, errors="strict")
    return _change(bucket, key, identity, message_id, time, "")


def change_by_hand(bucket: str, key: str, identity: str) -> ObjectChange:
    """Return the change of an object that a person names, without a notification.

    Two calls with the same ``identity`` mean the same change. Raises EventError if S3 cannot have such a key.
    """
    if not key:
        raise EventError("an empty key")
    _check_key(key, errors="strict")
    return _change(bucket, key, f"delivery {identity}", None, "", "")


def change_listed(bucket: str, key: str, modified: str, version: str, etag: str) -> ObjectChange:
    """Return the change of an object that a listing shows, and no notification.

    Its identity is the same in each listing; it is that of a notification without a sequencer. It has no version, by
    which it could be taken for unchanged: nobody knows what was there before it. Raises EventError.
    """
    _check_key(key, errors="strict")
    identity = f"time {modified} version {version or None} etag {etag or None}"
    return _change(bucket, key, identity, None, modified, "")


def change_again(change: ObjectChange) -> ObjectChange:
    """Return a change that has only its own part of an identity with the whole of it. Raises EventError."""
    bucket, key, identity, _, time, version = change
    if not (bucket and key and identity):
        raise EventError("a change without bucket, key or identity")
    if not _is_bucket_name(bucket) or max(len(identity) // 4, len(time), len(version)) > MAX_VERSION_CHARACTERS:
        raise EventError("a change with a bucket, an identity, a time or a version such as no change has")
    if not key.isascii() or len(key) > MAX_KEY_BYTES:
        _check_key(key, errors="surrogateescape")
    return _change(*change)


def own_identity(change: ObjectChange) -> str:
    """Return the part of a change's identity that does not name the object."""
    return change.identity.removeprefix(_change(change.bucket, change.key, "", None, "", "").identity)


def _object_of(holder: Any) -> tuple[str, str, _Json]:
    """Return bucket, key as it is written, and the other details of ``{"bucket": {"name"}, "object": {"key", …}}``."""
    try:
        bucket, details = holder["bucket"]["name"], holder["object"]
        key = details["key"]
    except (KeyError, TypeError, IndexError) as error:
        raise EventError(f"a record without bucket.name and object.key, but with {description_of(holder)}") from error
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        what = f"bucket is {description_of(bucket)} and whose key is {description_of(key)}"
        raise EventError(f"a record whose {what}; expected two strings")
    if not _is_bucket_name(bucket):
        raise EventError(f"a record of the bucket {bucket[:80]!r}; no bucket has such a name")
    return bucket, key, details


def text_in(fields: _Json, name: str) -> str:
    """Return a field that is a text; empty if it is not there. Raises EventError for anything else, or a long one."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_VERSION_CHARACTERS:
        raise EventError(f"a record whose {name} is {description_of(value)}; expected a short string")
    return value


def _identity(details: _Json, version: str, etag: str, time: str, delivery: Delivery) -> str:
    """Return a text that is the same in every delivery of this change, and in no other change of the object.

    S3's sequencer is that by definition. Without one: version id, ETag and time. Without a time: the delivery, so that
    a later change is never taken for this one.
    """
    if sequencer := text_in(details, "sequencer"):
        return f"sequencer {sequencer}"
    if time:
        return f"time {time} version {version or None} etag {text_in(details, etag) or None}"
    return f"delivery {delivery.id}"


def _change(bucket: str, key: str, identity: str, message_id: str | None, time: str, version: str) -> ObjectChange:
    # The lengths keep apart what a key with blanks in it could blur.
    whole = f"{len(bucket)} {len(key)} {bucket} {key} {identity}"
    return with_fields(ObjectChange, (bucket, key, whole, message_id, time, version))


def _check_key(key: str, errors: str) -> None:
    try:
        size = len(key.encode("utf-8", errors))
    except UnicodeEncodeError as error:
        raise EventError(f"a key that is not Unicode text: {key!r:.80}") from error
    if size > MAX_KEY_BYTES:
        raise EventError(f"a key of {size:,} bytes; S3 has none above {MAX_KEY_BYTES:,}")


def description_of(value: object) -> str:
    """Describe a value by its source or its fields' names, without its contents: some events carry credentials."""
    if isinstance(value, dict):
        source = value.get("eventSource") or value.get("EventSource") or value.get("source")
        if isinstance(source, str):
            return f"an object from {source[:60]!r}"
        names = ", ".join(repr(str(name)[:40]) for name in islice(value, 8))
        return f"an object with {names or 'no fields'}"
    if isinstance(value, str):
        return f"a string of {len(value)} characters"
    return {list: "a list", type(None): "nothing", bool: "a boolean"}.get(type(value), "a number")
