"""The only calls that change a bucket: its notification configuration is read whole and written back whole."""

import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final, Protocol, Self
from xml.etree import ElementTree as ET  # nosec B405

from botocore.exceptions import ClientError

from invalidator.aws import sdk
from invalidator.errors import NoSuchBucketError, NotificationError, UnansweredError
from invalidator.notifications.merge import (
    EVENTBRIDGE,
    Configuration,
    NotificationEntry,
    connected,
    disconnected,
    entries_of,
    target_arn,
)

# Errors of a change that may go well a minute later: AWS takes that long to apply a new permission everywhere.
_SETTLING: Final = {"AccessDenied", "OperationAborted"}
_UNREACHABLE: Final = "Unable to validate the following destination configurations"
_NO_CONFIGURATION: Final = "the answer of S3 is not a notification configuration"
# S3's names of the Regions of old buckets: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
_FIRST_REGIONS: Final = {None: "us-east-1", "EU": "eu-west-1"}


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    @property
    def meta(self) -> Any:
        """Return an object with the ``region_name`` of the client."""

    def get_bucket_location(self, *, Bucket: str) -> Any:  # noqa: N803 the SDK's names
        """Read its Region: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html."""

    def get_bucket_notification_configuration(self, *, Bucket: str) -> Any:  # noqa: N803
        """Read: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html."""

    def put_bucket_notification_configuration(
        self,
        *,
        Bucket: str,  # noqa: N803
        NotificationConfiguration: Any,  # noqa: N803
        SkipDestinationValidation: bool,  # noqa: N803
    ) -> Any:
        """Write: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html."""


_Change = tuple[Configuration, Configuration]


class Bucket:
    """A bucket whose notifications are read and changed.

    ``connect`` and ``disconnect`` return the configuration before and after, the same object if nothing had to change.
    With ``dry_run`` they write nothing. They raise NotificationError if the bucket was left as it was, and
    UnansweredError if nobody knows. Two changes at the same time may undo each other, because S3 cannot write on the
    condition that nobody else has written in between.
    """

    def __init__(
        self, name: str, client: _Client, pauses: Iterable[float] = (), sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """``pauses``, in seconds, come before each further attempt after an error that settles by itself.

        S3 may not know a new permission yet, ours or that of the target (https://github.com/zappa/Zappa/pull/1441), or
        somebody else is changing the bucket.
        """
        self._name = name
        self._client = client
        self._pauses = pauses
        self._sleep = sleep

    @classmethod
    def open(cls, name: str, pauses: Iterable[float] = ()) -> Self:
        """Connect to S3 as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        return cls(name, s3_client(), pauses)

    def connect(
        self,
        entry: NotificationEntry,
        *,
        dry_run: bool = False,
        is_known: bool = False,
        first: Callable[[], object] = lambda: None,
    ) -> _Change:
        """Add an entry, in place of an earlier one with the same id.

        S3 looks whether it may send to the target, unless that ``is_known``: it then looks at those of others, too.
        ``first`` is called right before anything is written.
        """

        def change() -> _Change:
            self._check_region(entry)
            before = self.configuration()
            check_targets = entry.target != EVENTBRIDGE and not is_known
            after = connected(before, entry)
            if after is not before and not dry_run:
                first()
            return self._write(before, after, dry_run=dry_run, check_targets=check_targets)

        return self._patiently(change)

    def disconnect(self, id_: str, target: str | None = None, *, dry_run: bool = False) -> _Change:
        """Remove the entry with this id; with a ``target``, only if the entry has that one."""

        def change() -> _Change:
            before = self.configuration()
            return self._write(before, disconnected(before, id_, target), dry_run=dry_run, check_targets=False)

        return self._patiently(change)

    def _patiently(self, change: Callable[[], _Change]) -> _Change:
        """Make a change, from the reading on, and again after each pause as long as its error may settle."""
        for pause in self._pauses:
            try:
                return change()
            except sdk.ERRORS as error:
                if not _may_settle(error):
                    raise self._explained(error) from error
                self._sleep(pause)
        try:
            return change()
        except sdk.ERRORS as error:
            raise self._explained(error) from error

    def _check_region(self, entry: NotificationEntry) -> None:
        """Raise NotificationError for a target in another Region. A rule of EventBridge there would wait for ever."""
        there = self._client.meta.region_name if entry.target == EVENTBRIDGE else target_arn(entry.target).region
        here = self.region()
        if here != there:
            raise NotificationError(
                f"bucket {self._name!r} is in {here}, and {entry.target} in {there}: S3 sends events within a Region"
                f" only (deploy with --region {here}, or name a target there)"
            )

    # These two raise what the SDK raises, or NotificationError for an answer that is no configuration.

    def region(self) -> str:
        """Return the Region of the bucket."""
        answer = self._client.get_bucket_location(Bucket=self._name)["LocationConstraint"]
        return str(_FIRST_REGIONS.get(answer, answer))

    def configuration(self) -> Configuration:
        """Return the whole notification configuration."""
        answer = self._client.get_bucket_notification_configuration(Bucket=self._name)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def _write(self, before: Configuration, after: Configuration, *, dry_run: bool, check_targets: bool) -> _Change:
        """Write a change. S3 checks targets only if an entry is added: another's dead target must not keep ours in."""
        if after is not before and not dry_run:
            try:
                self._client.put_bucket_notification_configuration(
                    Bucket=self._name, NotificationConfiguration=after, SkipDestinationValidation=not check_targets
                )
            except sdk.ERRORS as error:
                if check_targets and (note := _note_on_others(error, before, after)):
                    error.add_note(note)
                if not isinstance(error, ClientError) or _may_have_been_done(error):
                    raise UnansweredError(str(self._explained(error))) from error
                raise
        return before, after

    def _explained(self, error: Exception) -> NotificationError:
        kind = NoSuchBucketError if sdk.code_of(error) == "NoSuchBucket" else NotificationError
        notes = "".join(f". {note}" for note in getattr(error, "__notes__", ()))
        return kind(f"bucket {self._name!r}: {sdk.message_with_advice(error)}{notes}")


def s3_client() -> _Client:
    """Return an S3 client for the configured Region. Raises ConfigurationError if the SDK cannot be set up."""
    client = sdk.client("s3", attempts=2)
    client.meta.events.register("after-call.s3.GetBucketNotificationConfiguration", _check_answer)
    connected_client: _Client = client
    return connected_client


def _may_have_been_done(error: ClientError) -> bool:
    # A refusal says nothing about an attempt of the SDK before it, whose answer never came.
    attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return attempts > 0 or sdk.status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _note_on_others(error: Exception, before: Configuration, after: Configuration) -> str:
    """Return what to do about the targets of others, if S3 may mean one of them."""
    message = sdk.message_of(error) if isinstance(error, ClientError) else ""
    others = _others_meant(message, before, after) if _UNREACHABLE in message else []
    targets = ", ".join(f"{entry.target} (entry {entry.id!r})" for entry in others)
    return targets and (
        f"S3 also checks the targets of other entries: {targets}. If one of them no longer exists, remove its entry,"
        " with disconnect --id, and try again; or, if it has to stay, write the configuration by hand with"
        " --skip-destination-validation"
    )


def _others_meant(message: str, before: Configuration, after: Configuration) -> list[NotificationEntry]:
    """Return those entries of others whose targets S3 names; if it names no target at all, all of others."""
    others = [entry for entry in entries_of(after) if entry in entries_of(before)]
    named = [entry for entry in entries_of(after) if entry.target in message]
    return [entry for entry in named or others if entry in others]


def _check_answer(http_response: Any, model: Any, **_: Any) -> None:
    """Raise NotificationError for unknown elements: the SDK drops them, so that the next write would erase them."""
    if http_response.status_code != HTTPStatus.OK:
        return  # the SDK raises the error
    try:
        # S3's own answer, over TLS; the SDK parses the same bytes in the same way.
        root = ET.fromstring(http_response.content)  # noqa: S314  # nosec B314
    except ET.ParseError as error:
        raise NotificationError(f"{_NO_CONFIGURATION}: {error}") from error
    if "Notification" not in _name(root):  # other services with S3's API have other names for it
        raise NotificationError(f"{_NO_CONFIGURATION}: <{_name(root)}>")
    if names := sorted(set(_unknown(root, model.output_shape))):
        raise NotificationError(
            f"the bucket's notification configuration has {', '.join(names)}, which this version of the AWS SDK does"
            " not know and would erase: upgrade boto3"
        )


def _unknown(element: ET.Element, shape: Any) -> Iterator[str]:
    """Yield the names of elements in an answer that the SDK's model does not have."""
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


def _may_settle(error: Exception) -> bool:
    return sdk.code_of(error) in _SETTLING or (isinstance(error, ClientError) and _UNREACHABLE in sdk.message_of(error))
