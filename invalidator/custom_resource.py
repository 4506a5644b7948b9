"""The Lambda function that connects a CloudFormation stack to the origin bucket, which belongs to no stack.

CloudFormation sends a request for each change of the resource, and waits for the answer at a URL. It always gets one:
without it, the stack waits until it times out. Before the bucket is connected it is noted that changes are missed, and
after each deployment the check of the stack is started, which catches up with them.

Whoever may invoke the function may forge a request. So the stack, the bucket and the entry are those of the
environment, which the template sets; a request that names others is refused, and nothing is sent but to CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (read on 2026-11-21)
"""

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

from invalidator.aws import sdk
from invalidator.aws.functions import Function
from invalidator.connection.heard import HeardParameter
from invalidator.errors import ConfigurationError, InvalidatorError, NoSuchBucketError, UnansweredError
from invalidator.limits import MAX_CLOUDFORMATION_ANSWER_BYTES
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.deployed import VARIABLES_OF_ENTRY, deployed_entry
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
_MAX_ID_CHARACTERS: Final = 400
"""Of an id in an answer. CloudFormation's own are shorter."""

# Buckets with the name of those that take answers, without a port, or a user whom the host would only seem to follow:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html (2026-11-29)
_is_cloudformations = re.compile(
    r"https://cloudformation-custom-resource-response-[a-z0-9-]{1,60}\.s3([.-][a-z0-9.-]{1,60})?"
    r"\.amazonaws\.(com|com\.cn|eu)/[!-~]*"
).fullmatch


class _Context(Protocol):
    """The part of Lambda's context that is used here."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""


def lambda_handler(event: dict[str, Any], context: _Context) -> None:
    """Connect or disconnect the bucket as CloudFormation asks, and answer.

    ``event["ResourceProperties"]`` has ``Bucket``, ``EntryId``, ``Target`` (an ARN, or "eventbridge"), and may have
    ``Prefix`` and ``Suffix``; the environment has the same, and ``STACK_ID``. Raises UnansweredError if the answer
    cannot be sent, or nobody waits for it: CloudFormation then waits until the ServiceTimeout of the template.
    """
    url = event.get("ResponseURL") if isinstance(event, dict) else None
    if not (isinstance(url, str) and _is_cloudformations(url)):
        raise UnansweredError("nothing was done: the ResponseURL of the request is none of CloudFormation's")
    # Not the whole event: anyone who has its URL can answer in our place.
    _logger.info("%a %.2000a", event.get("RequestType"), event.get("ResourceProperties"))
    try:
        status, resource, reason = "SUCCESS", _carry_out(event, context), ""
    except InvalidatorError as error:
        status, resource, reason = "FAILED", _left_behind(event, error), str(error)
    except Exception as error:
        _logger.exception("unexpected")
        reason = f"unexpected, please report it: {type(error).__name__}: {error}"
        status, resource = "FAILED", _left_behind(event, error)
    _logger.info("%s %a %a", status, resource, reason)
    _send(url, _answer(event, status, resource, reason))
    if status == "SUCCESS" and event.get("RequestType") != "Delete":
        _start_check()


def _carry_out(event: dict[str, Any], context: _Context) -> str:
    """Return the physical id, by which the entry can be deleted: the bucket and the id of the entry."""
    pauses = _pauses(lambda: context.get_remaining_time_in_millis() / 1000)
    bucket, entry = deployed_entry(os.environ)
    _check_stack(event)
    match event.get("RequestType"):
        case "Delete":
            _delete(event, bucket, entry, pauses)
            return str(event["PhysicalResourceId"])
        case "Create" | "Update":
            _check_bucket(event, bucket)
            _check_properties(event)
            Bucket.open(bucket, pauses).connect(entry, first=_note_missed)
            return f"{bucket}/{entry.id}"
    raise ConfigurationError(f"a request of the type {event.get('RequestType')!r:.40}, which is not known")


def _check_stack(event: dict[str, Any]) -> None:
    stack = os.environ.get("STACK_ID")
    if not stack or event.get("StackId") != stack:
        raise ConfigurationError(f"a request of the stack {event.get('StackId')!r:.200}, but this is {stack}")


def _check_properties(event: dict[str, Any]) -> None:
    """Refuse an entry that is not that of the template. Of an update that is undone, Lambda has the variables first."""
    properties = event.get("ResourceProperties")
    for name, variable in VARIABLES_OF_ENTRY.items():
        given = properties.get(name, "") if isinstance(properties, dict) else None
        if given != os.environ.get(variable, ""):
            raise ConfigurationError(f"the property {name} is {given!r:.200}, but {variable} is another in this stack")


def _pauses(seconds_left: Callable[[], float]) -> Iterator[float]:
    """Yield the pauses, until one would leave no time for another attempt and the answer."""
    for pause in _PAUSES:
        if seconds_left() < pause + _LONGEST_TRY + _SENDING_ATTEMPTS * _SENDING_SECONDS:
            return
        yield pause


def _check_bucket(event: dict[str, Any], bucket: str) -> None:
    """Raise ConfigurationError if the bucket changes: the stack's role has no rights on the first one any more."""
    connected = str(event.get("PhysicalResourceId", "")).partition("/")[0]
    if event["RequestType"] == "Update" and connected != bucket:
        raise ConfigurationError(
            f"this stack is connected to bucket {connected!r}, and a stack serves one bucket: deploy another stack"
            f" (with osls, another --stage) for {bucket!r}, or remove this stack first"
        )


def _delete(event: dict[str, Any], bucket: str, entry: NotificationEntry, pauses: Iterable[float]) -> None:
    resource = event.get("PhysicalResourceId")
    if resource == _NOTHING:
        return
    if not isinstance(resource, str) or ("/" in resource and resource != f"{bucket}/{entry.id}"):
        raise ConfigurationError(f"{resource!r:.200} is not the connection of this stack, {bucket}/{entry.id}")
    # If CloudFormation did not get the answer to the creation, it made up an id. An entry that the creation may have
    # left is recognized by its target, too, which no other stack has.
    target = None if "/" in resource else entry.target
    try:
        Bucket.open(bucket, pauses).disconnect(entry.id, target)
    except NoSuchBucketError:
        _logger.info("the bucket does not exist any more, and neither does the entry")


def _left_behind(event: dict[str, Any], error: Exception) -> str:
    """Return the physical id after a failure. After an update it stays, or CloudFormation would delete the entry."""
    if event.get("PhysicalResourceId"):
        return str(event["PhysicalResourceId"])
    if isinstance(error, InvalidatorError) and not isinstance(error, UnansweredError):
        return _NOTHING
    bucket, entry = deployed_entry(os.environ)  # which was there when the bucket was asked
    return f"{bucket}/{entry.id}"


# If one of these fails, the deployment succeeds all the same: a bucket that is not connected is worse.


def _note_missed() -> None:
    """Note for the check, if there is one, that changes may have been missed until now."""
    if parameter := os.environ.get("HEARD_PARAMETER"):
        try:
            HeardParameter(sdk.client("ssm", attempts=3), parameter).miss()
        except InvalidatorError as error:
            _logger.error("nobody knows that changes may have been missed: %a", str(error))  # noqa: TRY400


def _start_check() -> None:
    """Start the check, if there is one. If that fails, it comes when it is next due."""
    if check := os.environ.get("CHECK_FUNCTION"):
        try:
            Function.connect(check).send("{}")
        except InvalidatorError as error:
            _logger.error("the check is not started: %a", str(error))  # noqa: TRY400


def _answer(event: dict[str, Any], status: str, resource: str, reason: str) -> bytes:
    ids = {name: str(event.get(name, "")) for name in ("StackId", "RequestId", "LogicalResourceId")}
    ids = {name: _ascii(id_)[:_MAX_ID_CHARACTERS] for name, id_ in {"PhysicalResourceId": resource, **ids}.items()}
    answer = {"Status": status, "Reason": "", **ids}
    room = MAX_CLOUDFORMATION_ANSWER_BYTES - len(json.dumps(answer))
    answer["Reason"] = _ascii(reason)[:room]
    return json.dumps(answer).encode()


def _ascii(text: str) -> str:
    """Return a text that takes a byte a character in JSON, so that it can be cut anywhere."""
    return re.sub(r"[^ -~]|\\", "?", re.sub(r"\s", " ", text).replace('"', "'"))


def _send(url: str, body: bytes) -> None:
    failure = ""
    for attempt in range(1, _SENDING_ATTEMPTS + 1):
        # The URL is signed for an empty content type, and urllib would add one. Behind a proxy, urllib changes a
        # request so that it cannot be sent twice.
        request = Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310 it is https
        try:
            with urlopen(request, timeout=_SENDING_SECONDS):  # noqa: S310  # nosec B310
                return
        except (OSError, HTTPException) as error:
            # Without the error itself, which may quote the URL.
            failure = f"CloudFormation did not take the answer: {type(error).__name__} at attempt {attempt}"
            _logger.warning(failure)
    raise UnansweredError(failure)
