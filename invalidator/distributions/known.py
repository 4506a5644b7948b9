"""The knowledge of an account's distributions: read once in a while, and kept between invocations."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from invalidator.aws.cloudfront import Ask, CloudFront, is_tenant
from invalidator.distributions import describe
from invalidator.distributions.describe import MANAGED_POLICIES, TENANTS_ONLY, has_tenants, serves
from invalidator.errors import CdnError, TenantsOnlyError
from invalidator.model import DistributionId, Site
from invalidator.settings.environment import Settings
from invalidator.ttl_cache import TtlCache

_T = TypeVar("_T")
_Key = tuple[object, ...]
_Json = dict[str, Any]

NOT_ASKED: Final = "there was time to ask for others only"
"""The reason why something is not read that nothing is wrong with: nobody is warned of it."""

_MEMORY_SECONDS: Final = 5
"""The time for which a failure is remembered where nothing is known."""

_MAX_SITES: Final = 1_000
"""Sites among which one that is alike is looked for: what was described long ago must not be kept for ever."""


class Discovered(NamedTuple):
    """The distributions that serve some buckets, and those of the asked-for ids that could serve any.

    Of those in ``uncertain`` nobody knows it: their tags cannot be read.
    """

    serving: list[DistributionId]
    ours: set[DistributionId]
    uncertain: dict[DistributionId, CdnError]


class Known:
    """The answers of CloudFront about an account. What was known stays in force while it cannot be read again.

    Nothing else is kept, and nothing is guessed: what was never read, or rests on such a thing, raises CdnError.
    """

    def __init__(self, account: CloudFront, now: Callable[[], float], cache: TtlCache | None = None) -> None:
        self._account, self._now = account, now
        self._cache = cache or TtlCache(now, CdnError)
        self._sites: dict[Site, Site] = {}  # those that are alike are one
        self._failures: dict[DistributionId, tuple[CdnError, float]] = {}
        self._problems: dict[_Key, str] = {}
        self._warnings: list[str] = []

    def site(self, id_: DistributionId, config: Settings, ask: Ask) -> Site:
        """Return the site of a distribution."""

        def described() -> Site:
            document, parameters = ask(partial(self._account.configured, id_))
            if has_tenants(document) and not is_tenant(id_):
                raise TenantsOnlyError(": ".join(TENANTS_ONLY))
            varies = {policy: self._varies(policy, config, ask) for policy in describe.policy_ids(document)}
            site = describe.site_of(document, varies.__getitem__, declared, parameters)
            if len(self._sites) >= _MAX_SITES:
                self._sites.clear()
            return self._sites.setdefault(site, site)

        declared = config.declared.get(id_)
        return self._read(("distribution", id_, declared), config, described)

    def discovered(
        self, buckets: Collection[str], asked: Collection[DistributionId], config: Settings, ask: Ask
    ) -> Discovered:
        """Return the distributions that serve these buckets, and those of the ``asked`` that could serve any."""
        uncertain: dict[DistributionId, CdnError] = {}
        serving = [id_ for bucket in buckets for id_ in self._serving(bucket, config, ask, uncertain)]
        ours = {id_ for id_ in asked if id_ not in uncertain and self._is_ours(id_, config, ask)}
        return Discovered(serving, ours, uncertain)

    def recent_failure(self, name: DistributionId) -> CdnError | None:
        """Return why something was unknown a moment ago."""
        error, until = self._failures.get(name, (None, 0.0))
        return error if self._now() < until else None

    def remember(self, name: DistributionId, error: CdnError, config: Settings) -> None:
        """Remember for a moment why something is unknown, so that not every event asks in vain."""
        self._failures[name] = error, self._now() + min(config.ttl, _MEMORY_SECONDS)

    def apart(self) -> "Known":
        """Return the same knowledge with failures and warnings of its own, which nobody else sees."""
        return Known(self._account, self._now, self._cache)

    def warnings(self) -> list[str]:
        """Return the warnings since the last call. A problem that lasts is reported once."""
        new, self._warnings = sorted(self._warnings), []
        return new

    def report(self, key: _Key, warning: str) -> None:
        """Warn of a problem, unless it was the last thing reported of its key; an empty text ends it."""
        if warning and self._problems.get(key) != warning:
            self._warnings.append(warning)
        self._problems[key] = warning

    def _read(self, key: _Key, config: Settings, fetch: Callable[[], _T]) -> _T:
        """Return what was read no longer than the TTL ago, or is known from before. Raises CdnError."""
        value, problem = self._cache.read(key, config.ttl, partial(_understood, fetch))
        stays = f"{key[0]} {key[1]} cannot be read; what was known of it stays in force: {problem}"
        if not problem.endswith(NOT_ASKED):
            self.report(key, stays if problem else "")
        return value

    def _varies(self, policy: str, config: Settings, ask: Ask) -> bool:
        """Return whether query strings are part of the cache key."""
        if policy in MANAGED_POLICIES:
            return MANAGED_POLICIES[policy]
        try:
            fetch = partial(ask, partial(self._account.cache_policy, policy))
            document = self._read(("cache policy", policy), config, fetch)
        except CdnError as error:
            raise type(error)(f"cache policy {policy} cannot be read: {error}") from error
        return describe.policy_varies_by_query(document)

    # --- discovery --------------------------------------------------------------------------------------

    def _serving(
        self, bucket: str, config: Settings, ask: Ask, uncertain: dict[DistributionId, CdnError]
    ) -> list[DistributionId]:
        ids: list[DistributionId] = []
        for summary in self._summaries(config, ask):
            if not (summary.get("Enabled", True) and serves(summary, bucket)):
                continue
            viewed = self._viewed(summary, config, ask)
            try:
                ids += viewed if self._is_chosen(summary, config, ask) else ()
            except CdnError as error:
                uncertain |= dict.fromkeys(viewed, error)
        tagged = f" and the tag {config.discover_tag}" if config.discover_tag else ""
        none = f"no distribution was found with an origin in bucket {bucket}{tagged}"
        self.report(("bucket", bucket), "" if ids else none)
        return ids

    def _is_ours(self, id_: DistributionId, config: Settings, ask: Ask) -> bool:
        alike = [item for item in self._summaries(config, ask) if has_tenants(item) == is_tenant(id_)]
        return any(id_ in self._viewed(item, config, ask) and self._is_chosen(item, config, ask) for item in alike)

    def _summaries(self, config: Settings, ask: Ask) -> list[_Json]:
        # A long list is not read from its beginning again because one of its pages fails.
        fetch = partial(_list, self._account.summaries, ask)
        return self._read(("the list of", "distributions"), config, fetch)

    def _viewed(self, summary: _Json, config: Settings, ask: Ask) -> list[DistributionId]:
        """Return the distribution itself or, if it has no viewers of its own, its tenants."""
        id_ = DistributionId(summary["Id"])
        if not has_tenants(summary):
            return [id_]
        fetch = partial(_list, partial(self._account.tenants, id_), ask)
        return self._read(("the list of tenants of", id_), config, fetch)

    def _is_chosen(self, summary: _Json, config: Settings, ask: Ask) -> bool:
        name, equals, value = config.discover_tag.partition("=")
        if not name:
            return True
        arn = summary["ARN"]
        tags: dict[str, str] = self._read(("tags of", arn), config, partial(ask, partial(self._account.tags, arn)))
        return name in tags and (not equals or tags[name] == value)


def _list(read: Callable[[Ask], Iterator[_T]], ask: Ask) -> list[_T]:
    return list(read(ask))


def _understood(fetch: Callable[[], _T]) -> _T:
    try:
        return fetch()
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise CdnError(f"CloudFront's answer cannot be understood ({error!r:.80})") from error
