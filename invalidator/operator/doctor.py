"""The calls of ``doctor``: each of them only reads, and none that fails keeps the others from being made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Self, TypeVar

from invalidator.aws import sdk
from invalidator.aws.names import Arn, is_queue_url, queue_region
from invalidator.distributions import describe
from invalidator.distributions.catalog import Account, Catalog
from invalidator.errors import ConfigurationError, InvalidatorError
from invalidator.model import DistributionId, Site
from invalidator.notifications.bucket import Bucket, s3_client
from invalidator.notifications.merge import Configuration
from invalidator.operator import diagnosis
from invalidator.operator.diagnosis import Failure, Finding
from invalidator.settings import environment
from invalidator.settings.environment import Settings
from invalidator.workers import Threads

_T = TypeVar("_T")

_ATTEMPTS: Final = 2
_SECONDS: Final = 30.0
_ATTRIBUTES: Final = ("QueueArn", "Policy", "KmsMasterKeyId")


class UnseenError(InvalidatorError):
    """Something could not be looked at."""

    def __init__(self, finding: Finding, code: str) -> None:
        super().__init__(finding.text)
        self.finding, self.code = finding, code


@dataclass(slots=True)
class _Seen:
    """What the checks have learned so far, for those that come later. What is None could not be seen."""

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
    """Looks at all that has to do with a bucket."""

    def __init__(self, bucket: str, client: Any, account: Account, catalog: Catalog) -> None:
        """``client`` is one of ``s3_client``."""
        self._name, self._client = bucket, client
        self._bucket = Bucket(bucket, client)
        self._account, self._catalog = account, catalog
        self._seen = _Seen()

    @classmethod
    def connect(cls, bucket: str, account: Account, catalog: Catalog) -> Self:
        """Connect to S3 with what the SDK is configured with. Raises ConfigurationError if that cannot be used."""
        return cls(bucket, s3_client(), account, catalog)

    def findings(self, queue: str = "") -> Iterator[Finding]:
        """All that can be said. ``queue`` is the function's, by URL or name; if not given, that of its settings."""
        checks = (
            self._settings,
            self._location,
            self._configured,
            self._distributions,
            self._origin_paths,
            lambda: self._own_queue(queue),
            self._notification,
            self._regions,
            self._policies,
        )
        for check in checks:
            try:
                yield from check()
            except UnseenError as error:
                yield error.finding

    # --- settings, distributions, origin paths ----------------------------------------------------------

    def _settings(self) -> Iterator[Finding]:
        try:
            self._seen.config = environment.load()
        except ConfigurationError as error:
            yield diagnosis.unusable_settings(_failure(error))
        else:
            yield Finding("settings", "ok", "the settings here can be used")

    def _configured(self) -> Iterator[Finding]:
        """Describe each configured distribution; say which cannot be."""
        config = self._seen.config
        if config is None:
            return
        ids = replace(config, describe=False)  # described one by one below, to tell what is wrong with which
        asked = partial(self._catalog.look_up, ids, [self._name], Threads(), _SECONDS)
        for id_ in [found.id for found in _ask("distributions", "the distributions of the account", asked)]:
            try:
                described, parameters = _ask("distributions", f"distribution {id_}", self._account.configured, id_)
            except UnseenError as error:
                self._seen.unseen += [] if diagnosis.is_gone(error.code) else [id_]
                yield error.finding
            else:
                declared = config.declared.get(id_)
                self._seen.sites[id_] = describe.site_of(described, lambda _: False, declared, parameters)

    def _distributions(self) -> Iterator[Finding]:
        if self._seen.config is None or not self._seen.config.discover:
            try:
                self._seen.others = _ask("distributions", "the distributions of the account", self._unconfigured)
            except UnseenError as error:
                yield error.finding
        yield from diagnosis.distributions(self._name, self._seen.sites, self._seen.unseen, self._seen.others)

    def _unconfigured(self) -> dict[DistributionId, Site]:
        """What serves the bucket to viewers and is not in the settings."""
        found: dict[DistributionId, Site] = {}
        for summary in self._account.summaries():
            if summary.get("Enabled", True) and describe.serves(summary, self._name):
                id_, site = DistributionId(summary["Id"]), describe.site_of(summary, lambda _: False)
                ids = self._account.tenants(id_) if describe.has_tenants(summary) else [id_]
                found |= dict.fromkeys(ids, site)
        known = {*self._seen.sites, *self._seen.unseen}
        return {id_: site for id_, site in found.items() if id_ not in known}

    def _origin_paths(self) -> Iterator[Finding]:
        for prefix, ids in self._prefixes().items():
            if prefix and not self._seen.is_missing:
                has_keys = _ask("origin path", f"bucket {self._name}", self._has_keys, prefix)
                yield diagnosis.origin_path(self._name, ids, prefix, has_keys=has_keys)

    def _prefixes(self) -> dict[str, list[DistributionId]]:
        """How the keys begin that viewers get, and on which distributions."""
        found: dict[str, list[DistributionId]] = {}
        # Where the settings cannot be read, those that serve the bucket are the best guess.
        sites = self._seen.sites if self._seen.config else self._seen.others
        for id_, site in sites.items():
            for origin in site.origins(self._name):
                found.setdefault(diagnosis.key_prefix(origin), []).append(id_)
        return {prefix: list(dict.fromkeys(ids)) for prefix, ids in found.items()}

    def _has_keys(self, prefix: str) -> bool:
        return bool(self._client.list_objects_v2(Bucket=self._name, Prefix=prefix, MaxKeys=1).get("KeyCount"))

    # --- bucket, notification, policies -----------------------------------------------------------------

    def _location(self) -> Iterator[Finding]:
        try:
            self._seen.region = _ask("bucket", f"bucket {self._name}", self._bucket.region)
        except UnseenError as error:
            self._seen.is_missing = error.code == "NoSuchBucket"
            yield error.finding

    def _own_queue(self, queue: str) -> Iterator[Finding]:
        queue = queue or _queue_url()
        if queue:
            client = sdk.client("sqs", attempts=_ATTEMPTS, region=queue_region(queue))
            if not is_queue_url(queue):
                what = f"queue {queue} in {client.meta.region_name}"
                queue = _ask("queue policy", what, client.get_queue_url, QueueName=queue)["QueueUrl"]
            self._seen.queue = self._attributes(client, queue)
        yield from ()  # what there is to say of it depends on what the bucket notifies

    def _notification(self) -> Iterator[Finding]:
        if not self._seen.is_missing:
            asked = self._bucket.configuration
            configuration = self._seen.configuration = _ask("notification", f"bucket {self._name}", asked)
            prefixes = self._prefixes()
            yield from diagnosis.notification(self._name, configuration, self._seen.queue_arn, prefixes)

    def _targets(self) -> list[str]:
        """What is to be notified: the function's queue or, where that is not known, all that is."""
        entries = diagnosis.heard(self._seen.configuration or {}, self._seen.queue_arn)
        own = [self._seen.queue_arn] if self._seen.queue else []
        return list(dict.fromkeys([*own, *(entry.target for entry in entries)]))

    def _regions(self) -> Iterator[Finding]:
        if self._seen.region:
            # A topic reaches queues of other Regions; S3 itself does not.
            targets = [target for target in self._targets() if self._sender(target)[0] != "sns.amazonaws.com"]
            yield from diagnosis.regions(self._name, self._seen.region, targets)

    def _policies(self) -> Iterator[Finding]:
        looks: dict[str, Callable[[str, Arn], Iterator[Finding]]] = {
            "sqs": self._queue_policy,
            "lambda": self._function,
        }
        for target in self._targets():
            arn = Arn.parse(target)
            if arn is None or arn.service not in looks:
                text = f"{target} is told of changes; who may send there and who listens is not looked at"
                yield Finding("topic", "unknown", text, "see that the function hears of what arrives there")
                continue
            try:
                yield from looks[arn.service](target, arn)
            except UnseenError as error:
                yield error.finding

    def _queue_policy(self, queue: str, arn: Arn) -> Iterator[Finding]:
        attributes = self._seen.queue
        if attributes is None or queue != self._seen.queue_arn:
            client = sdk.client("sqs", attempts=_ATTEMPTS, region=arn.region)
            asked = {"QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account}
            url = _ask("queue policy", f"queue {queue}", client.get_queue_url, **asked)["QueueUrl"]
            attributes = self._attributes(client, url)
        asked_by = diagnosis.request(*self._sender(queue), queue)
        yield diagnosis.policy("queue policy", attributes.get("Policy", ""), asked_by)
        yield from diagnosis.encryption(queue, attributes.get("KmsMasterKeyId", ""))

    def _sender(self, queue: str) -> tuple[str, str]:
        """The service that sends to a queue, and in whose name."""
        entries = diagnosis.heard(self._seen.configuration or {}, queue)
        if entries and entries[0].target != queue:
            return "sns.amazonaws.com", entries[0].target
        if not entries and "EventBridgeConfiguration" in (self._seen.configuration or {}):
            return "events.amazonaws.com", ""
        return "s3.amazonaws.com", f"arn:aws:s3:::{self._name}"

    def _attributes(self, client: Any, url: str) -> dict[str, str]:
        asked = {"QueueUrl": url, "AttributeNames": list(_ATTRIBUTES)}
        found: dict[str, str] = _ask("queue policy", f"queue {url}", client.get_queue_attributes, **asked)["Attributes"]
        return found

    def _function(self, function: str, arn: Arn) -> Iterator[Finding]:
        client = sdk.client("lambda", attempts=_ATTEMPTS, region=arn.region)
        try:
            text = _ask("function policy", f"function {function}", client.get_policy, FunctionName=function)["Policy"]
        except UnseenError as error:
            if error.code != "ResourceNotFoundException" or "Function not found" in error.finding.text:
                raise
            text = ""  # the function is there, and has no policy
        yield diagnosis.policy("function policy", text, diagnosis.request(*self._sender(function), function))


def _queue_url() -> str:
    try:
        return environment.queue_urls()[0]
    except ConfigurationError:
        return ""  # which is a finding about the settings already


def _ask(check: str, what: str, call: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """What the call returns. Raises UnseenError with what there is to say if it does not."""
    try:
        return call(*arguments, **named)
    except (InvalidatorError, *sdk.ERRORS) as error:
        failure = _failure(error)
        raise UnseenError(diagnosis.failed(check, what, failure), failure.code) from error


def _failure(error: BaseException) -> Failure:
    """The call behind an error, if a service refused one."""
    text, cause = str(error), _sdk_error(error)
    if cause is None:
        return Failure("", "", text)
    if not isinstance(error, ConfigurationError):  # which names the variable
        text = sdk.explained(cause, {})
    return Failure(getattr(cause, "operation_name", ""), sdk.code_of(cause), text)


def _sdk_error(error: BaseException | None) -> Exception | None:
    while error is not None and not isinstance(error, sdk.ERRORS):
        error = error.__cause__ or error.__context__  # Powertools does not name the cause of its errors
    return error
