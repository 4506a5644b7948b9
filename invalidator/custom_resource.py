"""The Lambda function that connects a CloudFormation stack to the origin bucket, which belongs to no stack.

CloudFormation sends a request for each change of the resource, and waits for the answer at a URL. It always gets one:
without it, the stack waits until it times out.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (read on 2026-11-21)
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from invalidator.aws import sdk
from invalidator.errors import ConfigurationError, InvalidatorError, NoSuchBucketError, UnansweredError
from invalidator.limits import MAX_CLOUDFORMATION_ANSWER_BYTES
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.merge import NotificationEntry

_logger = logging.getLogger(__name__)
_logger.setLevel(logging.INFO)

# In all one and a half times the minute that SQS may take to apply a new policy:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html (2026-11-21)
_PAUSES: Final = (2.0, 5.0, 10.0, 15.0, 25.0, 35.0)
# Seconds that an attempt may take: three calls with two attempts each.
_LONGEST_TRY: Final = 6 * sdk.LONGEST_ATTEMPT
_SENDING_ATTEMPTS: Final = 3
_SENDING_SECONDS: Final = 10
# The id of a resource that failed before anything was changed: there is nothing to delete.
_NOTHING: Final = "nothing"


class _Context(Protocol):
    """The part of Lambda's context that is used here."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""


def lambda_handler(event: dict[str, Any], context: _Context) -> None:
    """Connect or disconnect the bucket as CloudFormation asks, and answer.

    ``event["ResourceProperties"]`` has ``Bucket``, ``EntryId``, ``Target`` (an ARN, or "eventbridge"), and may have
    ``Prefix`` and ``Suffix``. Raises UnansweredError if the answer cannot be sent: CloudFormation then waits until the
    ServiceTimeout of the template.
    """
    # Not the whole event: anyone who has its URL can answer in our place.
    _logger.info("%s %s", event.get("RequestType"), event.get("ResourceProperties"))
    try:
        status, resource, reason = "SUCCESS", _carry_out(event, context), ""
    except InvalidatorError as error:
        status, resource, reason = "FAILED", _left_behind(event, error), str(error)
    except Exception as error:
        _logger.exception("unexpected")
        reason = f"unexpected, please report it: {type(error).__name__}: {error}"
        status, resource = "FAILED", _left_behind(event, error)
    _logger.info("%s %s %s", status, resource, reason)
    _send(event["ResponseURL"], _answer(event, status, resource, reason))


def _carry_out(event: dict[str, Any], context: _Context) -> str:
    """Return the physical id, by which the entry can be deleted: the bucket and the id of the entry."""
    pauses = _pauses(lambda: context.get_remaining_time_in_millis() / 1000)
    if event["RequestType"] == "Delete":
        _delete(event, pauses)
        return str(event["PhysicalResourceId"])
    name, entry = _wanted(event["ResourceProperties"])
    _check_bucket(event, name)
    Bucket.open(name, pauses).connect(entry)
    return f"{name}/{entry.id}"


def _pauses(seconds_left: Callable[[], float]) -> Iterator[float]:
    """Yield the pauses, until one would leave no time for another attempt and the answer."""
    for pause in _PAUSES:
        if seconds_left() < pause + _LONGEST_TRY + _SENDING_ATTEMPTS * _SENDING_SECONDS:
            return
        yield pause


def _check_bucket(event: dict[str, Any], bucket: str) -> None:
    """Raise ConfigurationError if the bucket changes: the stack's role has no rights on the first one any more."""
    connected = event.get("PhysicalResourceId", "").partition("/")[0]
    if event["RequestType"] == "Update" and connected != bucket:
        raise ConfigurationError(
            f"this stack is connected to bucket {connected!r}, and a stack serves one bucket: deploy another --stage"
            f" for {bucket!r}, or remove this stack first"
        )


def _delete(event: dict[str, Any], pauses: Iterable[float]) -> None:
    if event["PhysicalResourceId"] == _NOTHING:
        return
    name, _, id_ = event["PhysicalResourceId"].partition("/")
    target = None
    if not id_:
        # CloudFormation did not get the answer to the creation, and made up an id. An entry that the creation may have
        # left is recognized by its target, too, which no other stack has.
        name, entry = _wanted(event["ResourceProperties"])
        id_, target = entry.id, entry.target
    try:
        Bucket.open(name, pauses).disconnect(id_, target)
    except NoSuchBucketError:
        _logger.info("the bucket does not exist any more, and neither does the entry")


def _wanted(properties: dict[str, str]) -> tuple[str, NotificationEntry]:
    for name in ("Bucket", "EntryId", "Target"):
        if not properties.get(name):
            raise ConfigurationError(f"property {name} of the resource is missing")
    entry = NotificationEntry(
        properties["EntryId"], properties["Target"], properties.get("Prefix", ""), properties.get("Suffix", "")
    )
    return properties["Bucket"], entry


def _left_behind(event: dict[str, Any], error: Exception) -> str:
    """Return the physical id after a failure. After an update it stays, or CloudFormation would delete the entry."""
    if event.get("PhysicalResourceId"):
        return str(event["PhysicalResourceId"])
    if isinstance(error, InvalidatorError) and not isinstance(error, UnansweredError):
        return _NOTHING
    properties = event.get("ResourceProperties", {})
    return f"{properties.get('Bucket', '')}/{properties.get('EntryId', '')}".strip("/") or _NOTHING


def _answer(event: dict[str, Any], status: str, resource: str, reason: str) -> bytes:
    answer = {
        "Status": status,
        "PhysicalResourceId": resource,
        "Reason": "",
        **{name: event.get(name, "") for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    room = MAX_CLOUDFORMATION_ANSWER_BYTES - len(json.dumps(answer))
    # ASCII, one byte a character, so that it can be cut anywhere.
    plain = re.sub(r"\s", " ", reason).replace('"', "'")
    answer["Reason"] = re.sub(r"[^ -~]|\\", "?", plain)[:room]
    return json.dumps(answer).encode()


def _send(url: str, body: bytes) -> None:
    # The URL is signed for an empty content type, and urllib would add one.
    request = Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310 it is CloudFormation's
    failure = ""
    for attempt in range(1, _SENDING_ATTEMPTS + 1):
        try:
            with urlopen(request, timeout=_SENDING_SECONDS):  # noqa: S310  # nosec B310
                return
        except (OSError, HTTPException) as error:
            # Without the error itself, which may quote the URL.
            failure = f"CloudFormation did not take the answer: {type(error).__name__} at attempt {attempt}"
            _logger.warning(failure)
    raise UnansweredError(failure)
