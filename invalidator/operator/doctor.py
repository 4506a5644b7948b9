"""The calls of ``doctor``: each only reads, and one that fails does not stop the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Self, TypeVar

from invalidator.aws import sdk
from invalidator.aws.cloudfront import CloudFront, is_tenant
from invalidator.connection.findings import Failure, Finding, failed_check, unusable_settings
from invalidator.connection.notification_checks import check_notification, check_regions, entries_for
from invalidator.connection.policy_checks import check_encryption, check_policy, sending_request
from invalidator.distributions import describe
from invalidator.distributions.catalog import Catalog
from invalidator.errors import ConfigurationError, InvalidatorError
from invalidator.model import DistributionId, Site
from invalidator.notifications.arns import Arn
from invalidator.notifications.bucket import Bucket, s3_client
from invalidator.notifications.merge import Configuration
from invalidator.operator.distribution_checks import (
    check_distributions,
    check_error_pages,
    check_origin_path,
    check_tildes,
    key_prefix,
)
from invalidator.settings import environment
from invalidator.settings.environment import Settings, is_queue_url
from invalidator.settings.queue_names import queue_region
from invalidator.urls.viewers import View
from invalidator.workers import Threads

_T = TypeVar("_T")

_ATTEMPTS: Final = 2
_SECONDS: Final = 60.0
_ATTRIBUTES: Final = ("QueueArn", "Policy", "KmsMasterKeyId")
_GONE: Final = {"NoSuchDistribution", "EntityNotFound"}


class UnreadableError(InvalidatorError):
    """A call failed that a check needs; the finding says so."""

    def __init__(self, finding: Finding, code: str) -> None:
        super().__init__(finding.text)
        self.finding, self.code = finding, code


@dataclass(slots=True)
class _Facts:
    """The facts that the checks share. A fact that could not be read is None.

    ``sites`` are those of the configured distributions, except the ``unseen`` ones; ``others`` serve the bucket and
    are not configured.
    """

    config: Settings | None = None
    region: str | None = None
    sites: dict[DistributionId, Site] = field(default_factory=dict)
    unseen: list[DistributionId] = field(default_factory=list)
    others: dict[DistributionId, Site] = field(default_factory=dict)
    queue: dict[str, str] | None = None
    configuration: Configuration | None = None
    is_missing: bool = False

    @property
    def queue_arn(self) -> str:
        """The ARN of the function's own queue; empty if it is not known."""
        return (self.queue or {}).get("QueueArn", "")


class Doctor:
    """Checks everything between a bucket and its viewers."""

    def __init__(self, bucket: str, client: Any, account: CloudFront, catalog: Catalog) -> None:
        """``client`` is one of ``s3_client``."""
        self._name, self._client = bucket, client
        self._bucket = Bucket(bucket, client)
        self._account, self._catalog = account, catalog
        self._facts = _Facts()

    @classmethod
    def connect(cls, bucket: str, account: CloudFront, catalog: Catalog) -> Self:
        """Connect to S3 as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        return cls(bucket, s3_client(), account, catalog)

    def findings(self, queue: str = "", load: Callable[[], Settings] = environment.load) -> Iterator[Finding]:
        """Yield all findings. ``queue`` is the URL or the name of the function's queue; empty: that of the settings.

        ``load`` reads the settings to examine.
        """
        checks = (
            partial(self._settings, load),
            self._location,
            self._configured,
            self._distributions,
            self._origin_paths,
            partial(self._own_queue, queue),
            self._notification,
            self._regions,
            self._policies,
        )
        for check in checks:
            try:
                yield from check()
            except UnreadableError as error:
                yield error.finding

    # --- settings, distributions, origin paths ----------------------------------------------------------

    def _settings(self, load: Callable[[], Settings]) -> Iterator[Finding]:
        try:
            self._facts.config = load()
        except ConfigurationError as error:
            yield unusable_settings(_failure(error))
        else:
            yield Finding("settings", "ok", "the settings here can be used")

    def _configured(self) -> Iterator[Finding]:
        """Read each configured distribution. Yields a finding for each that cannot be read."""
        config = self._facts.config
        if config is None:
            return
        ids = replace(config, describe=False)  # they are described one by one below, to tell which cannot be
        found = self._catalog.look_up(ids, [self._name], Threads(), _SECONDS)
        for id_ in [known.id for known in _read("distributions", "the distributions of the account", found.certain)]:
            try:
                described, parameters = _read("distributions", f"distribution {id_}", self._account.configured, id_)
            except UnreadableError as error:
                if error.code not in _GONE:
                    self._facts.unseen.append(id_)
                yield error.finding
            else:
                if describe.has_tenants(described) and not is_tenant(id_):
                    why, todo = describe.TENANTS_ONLY
                    yield Finding("distributions", "wrong", f"{id_} cannot be invalidated: {why}", todo)
                    continue
                declared = config.declared.get(id_)
                self._facts.sites[id_] = describe.site_of(described, lambda _: False, declared, parameters)

    def _distributions(self) -> Iterator[Finding]:
        facts = self._facts
        if facts.config is None or not facts.config.discover:
            try:
                facts.others = _read("distributions", "the distributions of the account", self._unconfigured)
            except UnreadableError as error:
                yield error.finding
        yield from check_distributions(self._name, facts.sites, facts.unseen, facts.others)
        yield from check_error_pages(self._name, facts.sites, self._view())

    def _unconfigured(self) -> dict[DistributionId, Site]:
        """Return the distributions that serve the bucket to viewers and are not in the settings."""
        found: dict[DistributionId, Site] = {}
        for summary in self._account.summaries():
            if summary.get("Enabled", True) and describe.serves(summary, self._name):
                id_, site = DistributionId(summary["Id"]), describe.site_of(summary, lambda _: False)
                ids = self._account.tenants(id_) if describe.has_tenants(summary) else [id_]
                found |= dict.fromkeys(ids, site)
        known = {*self._facts.sites, *self._facts.unseen}
        return {id_: site for id_, site in found.items() if id_ not in known}

    def _origin_paths(self) -> Iterator[Finding]:
        for prefix, ids in self._prefixes().items() if not self._facts.is_missing else ():
            try:
                keys = _read("origin path", f"bucket {self._name}", self._first_keys, prefix)
            except UnreadableError:
                if prefix:
                    raise
                continue  # of a whole bucket, nothing depends on it
            if prefix:
                yield check_origin_path(self._name, ids, prefix, has_keys=bool(keys))
            yield from check_tildes(self._name, keys, self._view())

    def _prefixes(self) -> dict[str, list[DistributionId]]:
        """Return the prefixes of the keys that viewers get, each with its distributions."""
        found: dict[str, list[DistributionId]] = {}
        # If the settings cannot be read, those that serve the bucket are the best guess.
        sites = self._facts.sites if self._facts.config else self._facts.others
        for id_, site in sites.items():
            for origin in site.origins(self._name):
                found.setdefault(key_prefix(origin), []).append(id_)
        return {prefix: list(dict.fromkeys(ids)) for prefix, ids in found.items()}

    def _first_keys(self, prefix: str) -> list[str]:
        """Return the keys with a prefix on the first page of a listing."""
        return [
            item["Key"] for item in self._client.list_objects_v2(Bucket=self._name, Prefix=prefix).get("Contents", ())
        ]

    def _view(self) -> View:
        return self._facts.config.view if self._facts.config else View()

    # --- bucket, notification, policies -----------------------------------------------------------------

    def _location(self) -> Iterator[Finding]:
        try:
            self._facts.region = _read("bucket", f"bucket {self._name}", self._bucket.region)
        except UnreadableError as error:
            self._facts.is_missing = error.code == "NoSuchBucket"
            yield error.finding

    def _own_queue(self, queue: str) -> Iterator[Finding]:
        queue = queue or _configured_queue()
        if queue:
            client = sdk.client("sqs", attempts=_ATTEMPTS, region=queue_region(queue))
            if not is_queue_url(queue):
                resource = f"queue {queue} in {client.meta.region_name}"
                queue = _read("queue policy", resource, _field(client.get_queue_url, "QueueUrl"), QueueName=queue)
            self._facts.queue = _attributes(client, queue)
        yield from ()  # the findings about it depend on the notifications of the bucket

    def _notification(self) -> Iterator[Finding]:
        if not self._facts.is_missing:
            configuration = _read("notification", f"bucket {self._name}", self._bucket.configuration)
            self._facts.configuration = configuration
            yield from check_notification(self._name, configuration, self._facts.queue_arn, self._prefixes())

    def _targets(self) -> list[str]:
        """Return the function's queue, if it is known, and the targets by which it may get events."""
        entries = entries_for(self._facts.configuration or {}, self._facts.queue_arn)
        own = [self._facts.queue_arn] if self._facts.queue else []
        return list(dict.fromkeys([*own, *(entry.target for entry in entries)]))

    def _regions(self) -> Iterator[Finding]:
        if self._facts.region:
            # A topic reaches queues of other Regions; S3 itself does not.
            targets = [target for target in self._targets() if self._sender(target)[0] != "sns.amazonaws.com"]
            yield from check_regions(self._name, self._facts.region, targets)

    def _policies(self) -> Iterator[Finding]:
        checks = {"sqs": self._queue_policy, "lambda": self._function_policy}
        for target in self._targets():
            arn = Arn.parse(target)
            if arn is None or arn.service not in checks:
                text = f"the bucket notifies {target}, whose policy and subscriptions are not checked"
                yield Finding("topic", "unknown", text, "check that the function gets what arrives there")
                continue
            try:
                yield from checks[arn.service](target, arn)
            except UnreadableError as error:
                yield error.finding

    def _queue_policy(self, queue: str, arn: Arn) -> Iterator[Finding]:
        attributes = self._facts.queue
        if attributes is None or queue != self._facts.queue_arn:
            client = sdk.client("sqs", attempts=_ATTEMPTS, region=arn.region)
            owned = {"QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account}
            url = _read("queue policy", f"queue {queue}", _field(client.get_queue_url, "QueueUrl"), **owned)
            attributes = _attributes(client, url)
        request = sending_request(*self._sender(queue), queue)
        yield check_policy("queue policy", attributes.get("Policy", ""), request)
        yield from check_encryption(queue, attributes.get("KmsMasterKeyId", ""))

    def _function_policy(self, function: str, arn: Arn) -> Iterator[Finding]:
        client = sdk.client("lambda", attempts=_ATTEMPTS, region=arn.region)
        try:
            read = _field(client.get_policy, "Policy")
            policy = _read("function policy", f"function {function}", read, FunctionName=function)
        except UnreadableError as error:
            if error.code != "ResourceNotFoundException" or "Function not found" in error.finding.text:
                raise
            policy = ""  # the function exists and has no policy
        yield check_policy("function policy", policy, sending_request(*self._sender(function), function))

    def _sender(self, target: str) -> tuple[str, str]:
        """Return the service that sends to a target, and the ARN of what it sends from; empty if not known."""
        entries = entries_for(self._facts.configuration or {}, target)
        if entries and entries[0].target != target:
            return "sns.amazonaws.com", entries[0].target
        if not entries and "EventBridgeConfiguration" in (self._facts.configuration or {}):
            return "events.amazonaws.com", ""
        return "s3.amazonaws.com", f"arn:aws:s3:::{self._name}"


def _attributes(client: Any, url: str) -> dict[str, str]:
    arguments = {"QueueUrl": url, "AttributeNames": list(_ATTRIBUTES)}
    attributes: dict[str, str] = _read(
        "queue policy", f"queue {url}", _field(client.get_queue_attributes, "Attributes"), **arguments
    )
    return attributes


def _field(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a call that returns one field of an answer."""
    return lambda **arguments: call(**arguments)[name]


def _configured_queue() -> str:
    try:
        return environment.queue_urls()[0]
    except ConfigurationError:
        return ""  # the finding about the settings says so


def _read(check: str, resource: str, call: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """Return what the call returns. Raises UnreadableError, with the finding, if it fails."""
    try:
        return call(*arguments, **named)
    except (InvalidatorError, *sdk.ERRORS) as error:
        failure = _failure(error)
        raise UnreadableError(failed_check(check, resource, failure), failure.code) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        failure = Failure("", "", f"the answer cannot be read: {error!r}")
        raise UnreadableError(failed_check(check, resource, failure), "") from error


def _failure(error: BaseException) -> Failure:
    """Return the call of AWS behind an error."""
    cause = next((cause for cause in sdk.causes_of(error) if isinstance(cause, sdk.ERRORS)), None)
    if cause is None:
        return Failure("", "", str(error))
    # A ConfigurationError names the variable.
    text = str(error) if isinstance(error, ConfigurationError) else sdk.message_of(cause)
    return Failure(getattr(cause, "operation_name", ""), sdk.code_of(cause), text)
