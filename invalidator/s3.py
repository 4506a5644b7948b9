"""The only calls to S3: a bucket's notification configuration, read whole and written back whole."""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from invalidator import sdk
from invalidator.errors import NoSuchBucketError, NotificationError, UnansweredError
from invalidator.notifications import EVENTBRIDGE, Configuration, Entry, connected, disconnected

_UNREACHABLE: Final = "Unable to validate the following destination configurations"
_NO_ANSWER: Final = (BotoCoreError, ResponseParserError)
_ADVICE: Final = {
    "AccessDenied": (
        "allow s3:GetBucketLocation, s3:GetBucketNotification and s3:PutBucketNotification on this bucket"
    ),
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidAccessKeyId": "the credentials are not valid; check which ones are in use",
    "NoSuchBucket": "check its name",
    "OperationAborted": "something else is changing the bucket; try again",
    "SignatureDoesNotMatch": "the credentials are not valid; check the secret key",
}


class Client(Protocol):
    """The part of an SDK client that is used here."""

    @property
    def meta(self) -> Any:
        """Its ``region_name``."""

    def get_bucket_location(self, *, Bucket: str) -> Any:  # noqa: N803 the SDK's names
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html."""

    def get_bucket_notification_configuration(self, *, Bucket: str) -> Any:  # noqa: N803
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html."""

    def put_bucket_notification_configuration(
        self,
        *,
        Bucket: str,  # noqa: N803
        NotificationConfiguration: Any,  # noqa: N803
        SkipDestinationValidation: bool,  # noqa: N803
    ) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html."""


class Bucket:
    """A bucket whose notifications we may change.

    Both ways of changing them return the configuration before and after, the same object if there was nothing
    to do; and write nothing with ``dry_run``. They raise NotificationError if the bucket is as it was, and
    UnansweredError if that cannot be known. Two changes at the same time may undo each other, since S3 has no
    way to write only what nobody has changed in between.
    """

    def __init__(
        self, name: str, client: Client, pauses: Iterable[float] = (), sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """``pauses``, in seconds, come before each further try of what may pass by itself.

        That is a target whose permission is so new that S3 does not know it yet
        (https://github.com/zappa/Zappa/pull/1441), and a bucket that is just being changed.
        """
        self._name = name
        self._client = client
        self._pauses = tuple(pauses)
        self._sleep = sleep

    def connect(self, entry: Entry, *, dry_run: bool = False) -> tuple[Configuration, Configuration]:
        """Have the bucket notify the entry's target, in place of what an entry of the same id notified."""
        self._check_region(entry)
        return self._change(lambda before: connected(before, entry), dry_run=dry_run, check_targets=True)

    def disconnect(self, id_: str, *, dry_run: bool = False) -> tuple[Configuration, Configuration]:
        """Take our entry out. The targets of the others are not checked: a dead one must not keep ours in."""
        return self._change(lambda before: disconnected(before, id_), dry_run=dry_run, check_targets=False)

    def _check_region(self, entry: Entry) -> None:
        """S3 reaches targets of its own Region only; a rule elsewhere would wait for ever and not say so."""
        there = self._client.meta.region_name if entry.target == EVENTBRIDGE else _region_of(entry.target)
        try:
            answer = self._client.get_bucket_location(Bucket=self._name)["LocationConstraint"]
        except (ClientError, *_NO_ANSWER) as error:
            raise self._explained(error) from error
        here = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(answer, answer)
        if here != there:
            raise NotificationError(
                f"bucket {self._name!r} is in {here}, and {entry.target} in {there}: S3 notifies only within a"
                f" Region. Deploy into that of the bucket: --region {here}"
            )

    def _change(
        self, edit: Callable[[Configuration], Configuration], *, dry_run: bool, check_targets: bool
    ) -> tuple[Configuration, Configuration]:
        for pause in (*self._pauses, None):
            before = self._read()
            after = edit(before)
            if after is before or dry_run:
                break
            try:
                self._write(after, check_targets=check_targets)
                break
            except ClientError as error:
                if pause is None or not _may_pass(error):
                    raise self._explained(error) from error
                self._sleep(pause)
        return before, after

    def _read(self) -> Configuration:
        try:
            answer = self._client.get_bucket_notification_configuration(Bucket=self._name)
        except (ClientError, *_NO_ANSWER) as error:
            raise self._explained(error) from error
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def _write(self, configuration: Configuration, *, check_targets: bool) -> None:
        try:
            self._client.put_bucket_notification_configuration(
                Bucket=self._name,
                NotificationConfiguration=configuration,
                SkipDestinationValidation=not check_targets,
            )
        except _NO_ANSWER as error:
            raise UnansweredError(f"bucket {self._name!r}: no answer that makes sense from S3: {error}") from error
        except ClientError as error:
            if _status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise UnansweredError(f"bucket {self._name!r}: {_text(error)}") from error
            raise

    def _explained(self, error: Exception) -> NotificationError:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        advice = f" ({_ADVICE[code]})" if code in _ADVICE else ""
        kind = NoSuchBucketError if code == "NoSuchBucket" else NotificationError
        return kind(f"bucket {self._name!r}: {_text(error)}{advice}")


def connect(region: str | None = None) -> Client:
    """An S3 client for the configured region or another. Raises ConfigurationError if there can be none."""
    client: Client = sdk.client("s3", attempts=2, region=region, default_region="us-east-1")
    return client


def _region_of(arn: str) -> str:
    return (arn.split(":") + [""] * 4)[3]


def _may_pass(error: ClientError) -> bool:
    details = error.response.get("Error", {})
    return details.get("Code") == "OperationAborted" or _UNREACHABLE in str(details.get("Message"))


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _text(error: Exception) -> str:
    """What S3 says, with the details that it gives of each argument: they name the target and what is wrong."""
    if not isinstance(error, ClientError):
        return str(error)
    details = error.response.get("Error", {})
    told = [str(value) for name, value in details.items() if value and name.startswith(("Message", "Argument"))]
    return f"{details.get('Code', 'unknown error')}: {'; '.join(told)}".rstrip(": ")
