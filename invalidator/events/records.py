"""One notification of S3 → the change of one object. Pure.

S3 sends records: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html.
EventBridge sends events: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
Both pages were read on 2026-11-20.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from invalidator.errors import EventError
from invalidator.limits import MAX_KEY_BYTES
from invalidator.model import VISIBLE_CHANGES, ObjectChange, ObjectKey

_Json = dict[str, Any]

_CREATED: Final = "Object Created"
_VISIBLE_DETAIL_TYPES: Final = (_CREATED, "Object Deleted")


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
    if not isinstance(version, str) or version[:2] != "2.":
        raise EventError(f"an S3 record of eventVersion {version!r:.40}; expected 2.x")
    # A record without a name counts as a change: to clear one path too many does no harm. It does not count as an
    # upload, which might be skipped as unchanged.
    name = record.get("eventName") or VISIBLE_CHANGES[1]
    if not isinstance(name, str):
        raise EventError(f"an S3 record whose eventName is {description_of(name)}; expected a string")
    if not name.removeprefix("s3:").startswith(VISIBLE_CHANGES):
        return None
    bucket, key, details = _object_of(record.get("s3"))
    # The key is form-encoded: "red flower.jpg" arrives as "red+flower.jpg". Bytes that are not UTF-8, which S3 itself
    # never sends, survive as surrogate escapes and become the same bytes in the path.
    key = unquote_plus(key, errors="surrogateescape")
    if not key.isascii() or len(key) > MAX_KEY_BYTES:
        _check_key(key, errors="surrogateescape")
    time = record.get("eventTime")
    identity = _identity(details, "versionId", "eTag", time, delivery)
    version = _version(details.get("versionId"), is_upload="ObjectCreated:" in name)
    return _change(bucket, key, identity, delivery.message_id, time, version)


def change_of_event(event: _Json, delivery: Delivery) -> ObjectChange | None:
    """Return the change that an EventBridge event of S3 tells of; None if viewers do not see it. Raises EventError."""
    kind = event["detail-type"]
    if not isinstance(kind, str):
        raise EventError(f"an EventBridge event whose detail-type is {description_of(kind)}; expected a string")
    if kind not in _VISIBLE_DETAIL_TYPES:
        return None
    # Here alone the key is raw: decoding would turn "a+b%20" into another key.
    bucket, key, details = _object_of(event.get("detail"))
    _check_key(key, errors="strict")
    time = event.get("time")
    identity = _identity(details, "version-id", "etag", time, delivery)
    version = _version(details.get("version-id"), is_upload=kind == _CREATED)
    return _change(bucket, key, identity, delivery.message_id, time, version)


def change_by_hand(bucket: str, key: str, identity: str) -> ObjectChange:
    """Return the change of an object that a person names, without a notification.

    Two calls with the same ``identity`` mean the same change. Raises EventError if S3 cannot have such a key.
    """
    if not key:
        raise EventError("an empty key")
    _check_key(key, errors="strict")
    return _change(bucket, key, f"delivery {identity}", None, None, "")


def change_again(change: ObjectChange) -> ObjectChange:
    """Return a change that has only its own part of an identity with the whole of it. Raises EventError."""
    if not (change.bucket and change.key and change.identity):
        raise EventError("a change without bucket, key or identity")
    _check_key(change.key, errors="surrogateescape")
    return _change(*change)


def own_identity(change: ObjectChange) -> str:
    """Return the part of a change's identity that does not name the object."""
    return change.identity.removeprefix(_name_of(change.bucket, change.key))


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
    return bucket, key, details


def _identity(details: _Json, version: str, etag: str, time: object, delivery: Delivery) -> str:
    """Return a text that is the same in every delivery of this change, and in no other change of the object.

    S3's sequencer is that by definition. Without one: version id, ETag and time. Without a time: the delivery, so that
    a later change is never taken for this one.
    """
    if sequencer := details.get("sequencer"):
        return f"sequencer {sequencer}"
    if time:
        return f"time {time} version {details.get(version)} etag {details.get(etag)}"
    return f"delivery {delivery.id}"


def _version(version: object, *, is_upload: bool) -> str:
    """Return the version that an upload wrote; empty for a removal, or where the event names no version."""
    return version if is_upload and isinstance(version, str) else ""


def _name_of(bucket: str, key: str) -> str:
    # The lengths keep apart what a key with blanks in it could blur.
    return f"{len(bucket)} {len(key)} {bucket} {key} "


def _change(bucket: str, key: str, identity: str, message_id: str | None, time: object, version: str) -> ObjectChange:
    whole = _name_of(bucket, key) + identity
    return ObjectChange(bucket, ObjectKey(key), whole, message_id, time if isinstance(time, str) else "", version)


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
        names = ", ".join(repr(str(name)[:40]) for name in list(value)[:8])
        return f"an object with {names or 'no fields'}"
    if isinstance(value, str):
        return f"a string of {len(value)} characters"
    return {list: "a list", type(None): "nothing", bool: "a boolean"}.get(type(value), "a number")
