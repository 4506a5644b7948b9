"""The Lambda function by which a CloudFormation stack connects the origin bucket, which is not the stack's own.

CloudFormation sends a request for each change of the resource and waits for an answer at a URL of its own. It
always gets one: without it, a stack waits until it gives up.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (read on 2026-11-21)
"""

import json
import logging
import re
from http.client import HTTPException
from typing import Any, Final
from urllib.request import Request, urlopen

from invalidator import s3
from invalidator.errors import ConfigurationError, InvalidatorError, NoSuchBucketError, UnansweredError
from invalidator.limits import MAX_CLOUDFORMATION_ANSWER_BYTES
from invalidator.notifications import Entry

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

# The function has five minutes: enough for these, for calls as slow as can be, and for the answer.
_PAUSES: Final = (3.0, 9.0)
_SENDING_ATTEMPTS: Final = 3
_SENDING_SECONDS: Final = 10
# The id of a resource that failed before anything was changed. There is nothing to delete of it.
_NOTHING: Final = "nothing"


def lambda_handler(event: dict[str, Any], _context: object = None) -> None:
    """Do what CloudFormation asks and tell it how that went.

    ``event["ResourceProperties"]`` has ``Bucket``, ``EntryId``, ``Target`` (an ARN, or "eventbridge"), and may have
    ``Prefix`` and ``Suffix``. Raises UnansweredError if the answer cannot be sent: Lambda then sends the request again.
    """
    # Not the event as a whole: whoever has the URL in it can answer in our place.
    logger.info("%s %s", event.get("RequestType"), event.get("ResourceProperties"))
    try:
        status, resource, reason = "SUCCESS", _carry_out(event), ""
    except InvalidatorError as error:
        status, resource, reason = "FAILED", _left_behind(event, error), str(error)
    except Exception as error:
        logger.exception("unexpected")
        told = f"unexpected, please report it: {type(error).__name__}: {error}"
        status, resource, reason = "FAILED", _left_behind(event, error), told
    logger.info("%s %s %s", status, resource, reason)
    _send(event["ResponseURL"], _answer(event, status, resource, reason))


def _carry_out(event: dict[str, Any]) -> str:
    """Returns the physical id: the bucket and the id of our entry in it, which is all that it takes to delete it."""
    if event["RequestType"] == "Delete":
        _delete(event["PhysicalResourceId"])
        return str(event["PhysicalResourceId"])
    bucket, entry = _wanted(event["ResourceProperties"])
    _check_bucket(event, bucket)
    _bucket(bucket).connect(entry)
    return f"{bucket}/{entry.id}"


def _check_bucket(event: dict[str, Any], bucket: str) -> None:
    """By the time that it is asked for another bucket, the stack's role may no longer touch the first one."""
    connected = event.get("PhysicalResourceId", "").partition("/")[0]
    if event["RequestType"] == "Update" and connected != bucket:
        raise ConfigurationError(
            f"this stack is connected to bucket {connected!r}, and a stack serves one bucket: deploy with another"
            f" --stage for {bucket!r}, or remove this stack first"
        )


def _delete(resource: str) -> None:
    bucket, _, id_ = resource.partition("/")
    if not id_:
        return
    try:
        _bucket(bucket).disconnect(id_)
    except NoSuchBucketError:
        logger.info("the bucket is gone, and our entry with it")


def _wanted(properties: dict[str, str]) -> tuple[str, Entry]:
    for name in ("Bucket", "EntryId", "Target"):
        if not properties.get(name):
            raise ConfigurationError(f"property {name} of the resource is missing")
    entry = Entry(
        properties["EntryId"], properties["Target"], properties.get("Prefix", ""), properties.get("Suffix", "")
    )
    return properties["Bucket"], entry


def _bucket(name: str) -> s3.Bucket:
    return s3.Bucket(name, s3.connect(), _PAUSES)


def _left_behind(event: dict[str, Any], error: Exception) -> str:
    """The physical id after a failure. A new one after an update would have CloudFormation delete the old one."""
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
    # One byte a character, so that it can be cut anywhere.
    plain = re.sub(r"\s", " ", reason).replace('"', "'")
    answer["Reason"] = re.sub(r"[^ -~]|\\", "?", plain)[:room]
    return json.dumps(answer).encode()


def _send(url: str, body: bytes) -> None:
    # The URL is signed for an empty content type, and urllib would add one.
    request = Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310 it is CloudFormation's
    failure = ""
    for attempt in range(1, _SENDING_ATTEMPTS + 1):
        try:
            with urlopen(request, timeout=_SENDING_SECONDS):  # noqa: S310
                return
        except (OSError, HTTPException) as error:
            # Not the error itself, which may quote the URL.
            failure = f"CloudFormation did not take the answer: {type(error).__name__} at attempt {attempt}"
            logger.warning(failure)
    raise UnansweredError(failure)
