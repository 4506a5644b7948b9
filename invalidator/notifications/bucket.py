"""The only calls to S3: a bucket's notification configuration, read whole and written back whole."""

import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final, Protocol, Self
from xml.etree import ElementTree as ET

from botocore.exceptions import ClientError

from invalidator.aws import sdk
from invalidator.errors import NoSuchBucketError, NotificationError, UnansweredError
from invalidator.notifications.merge import (
    EVENTBRIDGE,
    Configuration,
    NotificationEntry,
    connected,
    disconnected,
    target_arn,
)

_UNREACHABLE: Final = "Unable to validate the following destination configurations"
# How the Regions are called in which buckets were made before there were others.
_FIRST_REGIONS: Final = {None: "us-east-1", "EU": "eu-west-1"}


class _Client(Protocol):
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


Change = tuple[Configuration, Configuration]


class Bucket:
    """A bucket whose notifications we may change.

    Both ways of changing them return the configuration before and after, the same object if there was nothing
    to do; and write nothing with ``dry_run``. They raise NotificationError if the bucket is as it was, and
    UnansweredError if that cannot be known. Two changes at the same time may undo each other, since S3 has no
    way to write only what nobody has changed in between.
    """

    def __init__(
        self, name: str, client: _Client, pauses: Iterable[float] = (), sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """``pauses``, in seconds, come before each further try of what may pass by itself.

        That is a permission so new that it is not known everywhere yet, of the target
        (https://github.com/zappa/Zappa/pull/1441) or our own, and a bucket that is just being changed.
        """
        self._name = name
        self._client = client
        self._pauses = pauses
        self._sleep = sleep

    @classmethod
    def open(cls, name: str, pauses: Iterable[float] = ()) -> Self:
        """Connect to S3 with what the SDK is configured with. Raises ConfigurationError if that cannot be used."""
        return cls(name, s3_client(), pauses)

    def connect(self, entry: NotificationEntry, *, dry_run: bool = False) -> Change:
        """Have the bucket notify the entry's target, in place of what an entry of the same id notified."""

        def change() -> Change:
            self._check_region(entry)
            before = self.configuration()
            check_targets = entry.target != EVENTBRIDGE
            return self._write(before, connected(before, entry), dry_run=dry_run, check_targets=check_targets)

        return self._patiently(change)

    def disconnect(self, id_: str, target: str | None = None, *, dry_run: bool = False) -> Change:
        """Take our entry out; if a target is given, only if it is that which the entry notifies."""

        def change() -> Change:
            before = self.configuration()
            return self._write(before, disconnected(before, id_, target), dry_run=dry_run, check_targets=False)

        return self._patiently(change)

    def _patiently(self, change: Callable[[], Change]) -> Change:
        """Make a change, from the reading on, as often as there are pauses and what keeps it may pass."""
        for pause in self._pauses:
            try:
                return change()
            except ClientError as error:
                if not _may_pass(error):
                    raise self._explained(error) from error
                self._sleep(pause)
            except sdk.ERRORS as error:
                raise self._explained(error) from error
        try:
            return change()
        except sdk.ERRORS as error:
            raise self._explained(error) from error

    def _check_region(self, entry: NotificationEntry) -> None:
        """S3 reaches targets of its own Region only; a rule elsewhere would wait for ever and not say so."""
        there = self._client.meta.region_name if entry.target == EVENTBRIDGE else target_arn(entry.target).region
        here = self.region()
        if here != there:
            raise NotificationError(
                f"bucket {self._name!r} is in {here}, and {entry.target} in {there}: a bucket notifies targets in its"
                f" own Region only (deploy with --region {here}, or name a target there)"
            )

    # These two raise what the SDK raises, or NotificationError for an answer that is none.

    def region(self) -> str:
        """The Region that the bucket is in."""
        answer = self._client.get_bucket_location(Bucket=self._name)["LocationConstraint"]
        return str(_FIRST_REGIONS.get(answer, answer))

    def configuration(self) -> Configuration:
        """What the bucket notifies, whole."""
        answer = self._client.get_bucket_notification_configuration(Bucket=self._name)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def _write(self, before: Configuration, after: Configuration, *, dry_run: bool, check_targets: bool) -> Change:
        """Targets are checked only where ours is added: the dead one of another must not keep ours in."""
        if after is not before and not dry_run:
            try:
                self._client.put_bucket_notification_configuration(
                    Bucket=self._name,
                    NotificationConfiguration=after,
                    SkipDestinationValidation=not check_targets,
                )
            except sdk.ERRORS as error:
                if not isinstance(error, ClientError) or _may_have_been_done(error):
                    raise UnansweredError(str(self._explained(error))) from error
                raise
        return before, after

    def _explained(self, error: Exception) -> NotificationError:
        kind = NoSuchBucketError if sdk.code_of(error) == "NoSuchBucket" else NotificationError
        return kind(f"bucket {self._name!r}: {sdk.explained(error)}")


def s3_client() -> _Client:
    """Return an S3 client for the configured Region. Raises ConfigurationError if the SDK cannot be set up."""
    client = sdk.client("s3", attempts=2)
    client.meta.events.register("after-call.s3.GetBucketNotificationConfiguration", _check_answer)
    connected_client: _Client = client
    return connected_client


def _may_have_been_done(error: ClientError) -> bool:
    # A refusal after another attempt, whose fate is unknown, tells nothing of the first.
    attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return attempts > 0 or sdk.status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _check_answer(http_response: Any, model: Any, **_: Any) -> None:
    """The SDK drops what it does not know, and writing the rest back would take that from the bucket."""
    if http_response.status_code != HTTPStatus.OK:
        return  # an error, which the SDK explains
    try:
        root = ET.fromstring(http_response.content)  # noqa: S314
    except ET.ParseError as error:
        raise NotificationError(f"S3 answered with what is no notification configuration: {error}") from error
    if "Notification" not in _name(root):  # what is not S3 but like it calls it otherwise
        raise NotificationError(f"S3 answered with what is no notification configuration: <{_name(root)}>")
    if names := sorted(set(_unknown(root, model.output_shape))):
        raise NotificationError(
            f"the bucket's notification configuration has {', '.join(names)}, which the AWS SDK here does not know and"
            " would erase: change it where the SDK is newer"
        )


def _unknown(element: ET.Element, shape: Any) -> Iterator[str]:
    """The names in an answer that the SDK's model of it does not have."""
    shape = shape.member if shape.type_name == "list" else shape
    if shape.type_name != "structure":
        return
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    for child in element:
        if _name(child) in members:
            yield from _unknown(child, members[_name(child)])
        else:
            yield _name(child)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _may_pass(error: ClientError) -> bool:
    message = str(error.response.get("Error", {}).get("Message"))
    return sdk.code_of(error) in {"AccessDenied", "OperationAborted"} or _UNREACHABLE in message
