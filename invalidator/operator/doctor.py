"""The calls of ``doctor``: each only reads, and one that fails does not stop the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from invalidator.aws.cloudfront import CloudFront, is_tenant
from invalidator.connection.examine import NOT_KNOWN, Examiner, Wiring, sdk_client
from invalidator.connection.findings import Finding, unusable_settings
from invalidator.connection.notification_checks import KeyFilter
from invalidator.connection.reading import UnreadableError, failure_of, found_by, read_for
from invalidator.distributions import describe
from invalidator.distributions.catalog import Catalog
from invalidator.errors import ConfigurationError
from invalidator.model import DistributionId, Site
from invalidator.operator.distribution_checks import (
    check_distributions,
    check_error_pages,
    check_origin_path,
    check_tildes,
    key_prefix,
)
from invalidator.settings import environment
from invalidator.settings.environment import Settings
from invalidator.urls.viewers import View
from invalidator.workers import Threads

_SECONDS: Final = 60.0
_GONE: Final = {"NoSuchDistribution", "EntityNotFound"}


@dataclass(slots=True)
class _Facts:
    """The facts that the checks share. A fact that could not be read is None.

    ``sites`` are those of the configured distributions, except the ``unseen`` ones; ``others`` serve the bucket and
    are not configured.
    """

    config: Settings | None = None
    sites: dict[DistributionId, Site] = field(default_factory=dict)
    unseen: list[DistributionId] = field(default_factory=list)
    others: dict[DistributionId, Site] = field(default_factory=dict)


class Doctor:
    """Checks everything between a bucket and its viewers."""

    def __init__(self, bucket: str, account: CloudFront, catalog: Catalog, wiring: Wiring = NOT_KNOWN) -> None:
        """Connect to S3 as the SDK is configured. Raises ConfigurationError if that cannot be used.

        Without a queue in the ``wiring``, that of the settings is taken.
        """
        self._name, self._client = bucket, sdk_client("s3")
        self._account, self._catalog = account, catalog
        self._examiner = Examiner(bucket, wiring._replace(queue=wiring.queue or _configured_queue()))
        self._facts = _Facts()

    def findings(self, load: Callable[[], Settings] = environment.load) -> Iterator[Finding]:
        """Return all findings. ``load`` reads the settings to examine."""
        checks = (
            partial(self._settings, load),
            self._examiner.location,
            self._configured,
            self._distributions,
            self._origin_paths,
            self._way_of_an_event,
        )
        return found_by(checks, lambda error: error.finding)

    # --- settings, distributions, origin paths ----------------------------------------------------------

    def _settings(self, load: Callable[[], Settings]) -> Iterator[Finding]:
        try:
            self._facts.config = load()
        except ConfigurationError as error:
            yield unusable_settings(failure_of(error))
        else:
            yield Finding("settings", "ok", "the settings here can be used")

    def _configured(self) -> Iterator[Finding]:
        """Read each configured distribution. Yields a finding for each that cannot be read."""
        config = self._facts.config
        if config is None:
            return
        ids = replace(config, describe=False)  # they are described one by one below, to tell which cannot be
        found = self._catalog.look_up(ids, [self._name], Threads(), _SECONDS)
        for id_ in [known.id for known in read_for("distributions", "the distributions of the account", found.certain)]:
            try:
                described, parameters = read_for("distributions", f"distribution {id_}", self._account.configured, id_)
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
                facts.others = read_for("distributions", "the distributions of the account", self._unconfigured)
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
        for prefix, ids in self._prefixes().items() if not self._examiner.is_missing else ():
            try:
                keys = read_for("origin path", f"bucket {self._name}", self._first_keys, prefix)
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

    # --- the way of an event ----------------------------------------------------------------------------

    def _way_of_an_event(self) -> Iterator[Finding]:
        yield from self._examiner.findings([KeyFilter(prefix) for prefix in self._prefixes()])


def _configured_queue() -> str:
    try:
        return environment.queue_urls()[0]
    except ConfigurationError:
        return ""  # the finding about the settings says so
