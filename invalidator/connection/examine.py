"""Examine the way of an event, from the bucket to the function. Each call only reads.

``doctor`` and the check of a stack both say what is found here. With the stack, it is known what was deployed; without
it, all that is served has to be sent.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from invalidator.aws import sdk
from invalidator.connection.findings import Finding
from invalidator.connection.notification_checks import (
    EVERY_KEY,
    KeyFilter,
    check_as_deployed,
    check_mapping,
    check_notification,
    check_regions,
    check_rule,
    entries_for,
)
from invalidator.connection.policy_checks import check_encryption, check_policy, sending_request
from invalidator.connection.reading import UnreadableError, field_of, found_by, read_for
from invalidator.notifications.arns import Arn
from invalidator.notifications.bucket import Bucket, s3_client
from invalidator.notifications.merge import EVENTBRIDGE, Configuration, NotificationEntry
from invalidator.settings.environment import is_queue_url
from invalidator.settings.queue_names import queue_region

_ATTEMPTS: Final = 2
_ATTRIBUTES: Final = ("QueueArn", "Policy", "KmsMasterKeyId")
_MAPPING: Final = "event source mapping"
_GONE: Final = {
    *("NoSuchBucket", "ResourceNotFoundException"),
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
}


class Wiring(NamedTuple):
    """The known parts of a connection; empty, or None, where they are not known, or where there is none.

    ``queue`` is the URL or the name of the function's queue, ``entry`` what the stack adds to the notifications of the
    bucket, ``mapping`` the id of the event source mapping, ``rule`` the name of the rule of EventBridge.
    """

    queue: str = ""
    entry: NotificationEntry | None = None
    mapping: str = ""
    rule: str = ""


NOT_KNOWN: Final = Wiring()


ConnectionState = Literal["connected", "held", "unread", "broken"]
"""Changes arrive; they stay on the queue, since nothing receives them; nobody knows; or they do not arrive."""


class Examined(NamedTuple):
    """All findings, and what they come to."""

    findings: list[Finding]
    state: ConnectionState


def sdk_client(service: str, region: str = "") -> Any:
    """Return a client of the SDK. Raises ConfigurationError."""
    return s3_client() if service == "s3" else sdk.client(service, attempts=_ATTEMPTS, region=region)


class Examiner:
    """Examines a bucket and its wiring. ``region``, ``configuration`` and ``queue_arn`` are empty until they are read.

    ``unread`` are the findings about calls that failed; but that something does not exist is certain.
    """

    def __init__(
        self, bucket: str, wiring: Wiring = NOT_KNOWN, client_of: Callable[[str, str], Any] = sdk_client
    ) -> None:
        """``client_of`` returns the client of a service, for a Region or, if that is empty, the configured one."""
        self.bucket = Bucket(bucket, client_of("s3", ""))
        self.region, self.is_missing = "", False
        self.configuration: Configuration = {}
        self.unread: list[Finding] = []
        self._name, self._wiring, self._client_of = bucket, wiring, client_of
        self._attributes: dict[str, str] = {}

    @property
    def queue_arn(self) -> str:
        """The ARN of the function's own queue; empty if it is not known."""
        return self._attributes.get("QueueArn", "")

    def examine(self) -> Examined:
        """Return what is found about all of it."""
        found = [*self.location(), *self.findings()]
        wrong = [finding for finding in found if finding.verdict == "wrong" and finding not in self.unread]
        if any(finding.check != _MAPPING for finding in wrong):
            return Examined(found, "broken")
        if self.unread:
            return Examined(found, "unread")
        return Examined(found, "held" if wrong else "connected")

    def location(self) -> Iterator[Finding]:
        """Yield a finding if the Region of the bucket cannot be read."""
        try:
            self.region = read_for("bucket", f"bucket {self._name}", self.bucket.region)
        except UnreadableError as error:
            self.is_missing = error.code == "NoSuchBucket"
            yield self._unreadable(error)

    def findings(self, served: Collection[KeyFilter] = ()) -> Iterator[Finding]:
        """Return what is found on the way of an event; ``served`` are the keys that matter if no entry is known."""
        steps = (
            self._own_queue,
            partial(self._notification, served),
            self._regions,
            self._policies,
            self._rule,
            self._mapping,
        )
        return found_by(steps, self._unreadable)

    def _unreadable(self, error: UnreadableError) -> Finding:
        if error.code not in _GONE:
            self.unread.append(error.finding)
        return error.finding

    def _own_queue(self) -> list[Finding]:
        """Read about the function's queue. What is found of it depends on the notifications of the bucket."""
        if queue := self._wiring.queue:
            client = self._client_of("sqs", queue_region(queue))
            if not is_queue_url(queue):
                resource = f"queue {queue} in {client.meta.region_name}"
                queue = read_for("queue policy", resource, field_of(client.get_queue_url, "QueueUrl"), QueueName=queue)
            self._attributes = _attributes(client, queue)
        return []

    def _notification(self, served: Collection[KeyFilter]) -> Iterator[Finding]:
        if self.is_missing:
            return
        self.configuration = read_for("notification", f"bucket {self._name}", self.bucket.configuration)
        if self._wiring.entry:
            yield from check_as_deployed(self._name, self.configuration, self._wiring.entry)
        else:
            yield from check_notification(self._name, self.configuration, self.queue_arn, served or (EVERY_KEY,))

    def _targets(self) -> list[str]:
        """Return the function's queue, if it is known, and the targets by which it may get events."""
        own = [self.queue_arn] if self.queue_arn else []
        if self._wiring.entry:
            targets = [self._wiring.entry.target] if self._wiring.entry.target != EVENTBRIDGE else []
        else:
            targets = [entry.target for entry in entries_for(self.configuration, self.queue_arn)]
        return list(dict.fromkeys([*own, *targets]))

    def _regions(self) -> Iterator[Finding]:
        if self.region:
            # A topic reaches queues of other Regions; S3 itself does not.
            targets = [target for target in self._targets() if self._sender(target)[0] != "sns.amazonaws.com"]
            yield from check_regions(self._name, self.region, targets)

    def _policies(self) -> Iterator[Finding]:
        checks = {"sqs": self._queue_policy, "lambda": self._function_policy}
        for target in self._targets():
            arn = Arn.parse(target)
            if arn is None or arn.service not in checks:
                text = f"the bucket notifies {target}, whose policy and subscriptions are not checked"
                yield Finding("topic", "unknown", text, "check that the function gets what arrives there")
                continue
            yield from found_by([partial(checks[arn.service], target, arn)], self._unreadable)

    def _queue_policy(self, queue: str, arn: Arn) -> Iterator[Finding]:
        attributes = self._attributes
        if not attributes and self._wiring.entry:
            return  # it is the function's own queue, and is said to be unreadable
        if queue != self.queue_arn:
            client = self._client_of("sqs", arn.region)
            owned = {"QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account}
            url = read_for("queue policy", f"queue {queue}", field_of(client.get_queue_url, "QueueUrl"), **owned)
            attributes = _attributes(client, url)
        request = sending_request(*self._sender(queue), queue)
        yield check_policy("queue policy", attributes.get("Policy", ""), request)
        yield from check_encryption(queue, attributes.get("KmsMasterKeyId", ""))

    def _function_policy(self, function: str, arn: Arn) -> Iterator[Finding]:
        client = self._client_of("lambda", arn.region)
        try:
            read = field_of(client.get_policy, "Policy")
            policy = read_for("function policy", f"function {function}", read, FunctionName=function)
        except UnreadableError as error:
            if error.code != "ResourceNotFoundException" or "Function not found" in error.finding.text:
                raise
            policy = ""  # the function exists and has no policy
        yield check_policy("function policy", policy, sending_request(*self._sender(function), function))

    def _sender(self, target: str) -> tuple[str, str]:
        """Return the service that sends to a target, and the ARN of what it sends from; empty if not known."""
        s3 = "s3.amazonaws.com", f"arn:aws:s3:::{self._name}"
        if self._wiring.entry:
            return s3 if self._wiring.entry.target == target else ("events.amazonaws.com", "")
        entries = entries_for(self.configuration, target)
        if entries and entries[0].target != target:
            return "sns.amazonaws.com", entries[0].target
        if not entries and "EventBridgeConfiguration" in self.configuration:
            return "events.amazonaws.com", ""
        return s3

    def _rule(self) -> Iterator[Finding]:
        if rule := self._wiring.rule:
            read = field_of(self._client_of("events", "").describe_rule, "State")
            yield check_rule(rule, read_for("rule", f"rule {rule}", read, Name=rule))

    def _mapping(self) -> Iterator[Finding]:
        if mapping := self._wiring.mapping:
            read = field_of(self._client_of("lambda", "").get_event_source_mapping, "State")
            state = read_for(_MAPPING, f"event source mapping {mapping}", read, UUID=mapping)
            yield check_mapping(_MAPPING, mapping, state)


def _attributes(client: Any, url: str) -> dict[str, str]:
    arguments = {"QueueUrl": url, "AttributeNames": list(_ATTRIBUTES)}
    read = field_of(client.get_queue_attributes, "Attributes")
    attributes: dict[str, str] = read_for("queue policy", f"queue {url}", read, **arguments)
    return attributes
