"""The distributions and how CloudFront describes them: read once in a while, and kept between invocations."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from invalidator.aws.cloudfront import CloudFront, is_tenant
from invalidator.aws.sdk import patiently
from invalidator.distributions import describe
from invalidator.distributions.describe import MANAGED_POLICIES, has_tenants, serves
from invalidator.errors import PASSING, CdnError, ConfigurationError
from invalidator.model import UNKNOWN_SITE, Distribution, DistributionId, Site
from invalidator.settings.environment import Settings
from invalidator.ttl_cache import PATIENCE_SECONDS, TtlCache
from invalidator.workers import Workers

_T = TypeVar("_T")
_Key = tuple[object, ...]
_Json = dict[str, Any]

_PATIENCE_SECONDS_PASSING: Final = 5
"""The longest time until a distribution is asked about again after an error that will pass soon."""
_MAX_PARALLEL: Final = 8


class Answer(NamedTuple):
    """The result of describing a distribution: its site, or the reason why there is none."""

    distribution: DistributionId
    site: Site | None
    problem: str = ""
    is_passing: bool = False


class Catalog:
    """The distributions of an account. ``now`` is a clock in seconds; ``pause`` waits for some seconds."""

    def __init__(
        self,
        account: CloudFront,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._account, self._now, self._pause = account, now, pause
        self._cache = TtlCache(now, CdnError)
        self._problems: dict[_Key, str] = {}
        self._warnings: list[str] = []

    def look_up(
        self, config: Settings, buckets: Iterable[str], workers: Workers[Answer], seconds: float
    ) -> list[Distribution]:
        """Return the configured distributions and those discovered for the buckets, each with its site.

        Descriptions are waited for at most ``seconds``. A distribution that cannot be described by then keeps its last
        site; without one it is taken to serve each key as it is. Without buckets nothing is described. Raises
        ConfigurationError if distributions have to be discovered and cannot be listed.
        """
        ids = list(config.distributions)
        buckets = sorted(buckets)
        for bucket in buckets if config.discover else ():
            ids += self._discovered(bucket, config)
        ids = list(dict.fromkeys(ids))
        if not (config.describe and buckets):
            return [Distribution(id_, _assumed(id_, config)) for id_ in ids]
        sites = self._sites(ids, config, workers, seconds)
        return [Distribution(id_, sites[id_]) for id_ in ids]

    def has(self, id_: DistributionId, config: Settings) -> bool:
        """Return whether a distribution is configured, or could be discovered for some bucket.

        Raises ConfigurationError if distributions have to be discovered and cannot be listed.
        """
        if id_ in config.distributions:
            return True
        if not config.discover:
            return False
        with _discovering():
            alike = [summary for summary in self._summaries(config) if has_tenants(summary) == is_tenant(id_)]
            return any(id_ in self._viewed(summary, config) and self._is_chosen(summary, config) for summary in alike)

    def warnings(self) -> list[str]:
        """Return the warnings since the last call. A problem that lasts is reported once."""
        new, self._warnings = sorted(self._warnings), []
        return new

    def _report(self, key: _Key, warning: str) -> None:
        """Warn of a problem, unless it was the last thing reported of its key; an empty text ends it."""
        if warning and self._problems.get(key) != warning:
            self._warnings.append(warning)
        self._problems[key] = warning

    def _cached(self, key: tuple[str, str], config: Settings, read: Callable[[], _T]) -> _T:
        """Return what was read no longer than the TTL ago. Raises CdnError if it cannot be read and never was.

        With no other way to know it, a cold start tries up to three times.
        """
        value, problem = self._cache.read(key, config.ttl, lambda: patiently(read, self._pause))
        kind, name = key
        stays = f"{kind} {name} cannot be read; what was known of it stays in force: {problem}"
        self._report(key, stays if problem else "")
        return value

    # --- descriptions -----------------------------------------------------------------------------------

    def _sites(
        self, ids: list[DistributionId], config: Settings, workers: Workers[Answer], seconds: float
    ) -> dict[DistributionId, Site]:
        cached = {id_: self._cache.fresh(_key(id_, config)) for id_ in ids}
        sites = {id_: _site(entry.value, id_, config) for id_, entry in cached.items() if entry}
        waiting = [id_ for id_ in ids if id_ not in sites]
        for answer in self._answers(waiting, config, workers, seconds):
            sites[answer.distribution] = self._settled(answer, config)
        return sites

    def _answers(
        self, waiting: list[DistributionId], config: Settings, workers: Workers[Answer], seconds: float
    ) -> Iterator[Answer]:
        """Describe several distributions at a time; yield an answer for each, in any order."""
        running: dict[DistributionId, None] = {}
        end = self._now() + seconds
        while waiting or running:
            while waiting and len(running) < _MAX_PARALLEL:
                id_ = waiting.pop(0)
                running[id_] = None
                workers.start(partial(self._describe, id_, config))
            answer = workers.wait(end - self._now())
            if answer is None:
                break
            del running[answer.distribution]
            yield answer
        for id_ in [*running, *waiting]:
            yield Answer(id_, None, "no answer in time", is_passing=True)

    def _describe(self, id_: DistributionId, config: Settings) -> Answer:
        key = _key(id_, config)
        try:
            described, parameters = patiently(lambda: self._account.configured(id_), self._pause)
            varies = {policy: self._varies(policy, config) for policy in describe.policy_ids(described)}
            site = describe.site_of(described, varies.__getitem__, config.declared.get(id_), parameters)
        except CdnError as error:
            return Answer(id_, None, str(error), is_passing=isinstance(error, PASSING))
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            return Answer(id_, None, f"CloudFront's description of it cannot be understood ({error!r:.80})")
        # Kept here, since it may come too late for the invocation that asked, and in time for the next.
        self._cache.keep(key, site, config.ttl)
        self._report(key, "")
        return Answer(id_, site)

    def _varies(self, policy: str, config: Settings) -> bool:
        if policy in MANAGED_POLICIES:
            return MANAGED_POLICIES[policy]
        key = ("cache policy", policy)
        try:
            return self._cached(
                key, config, lambda: describe.policy_varies_by_query(self._account.cache_policy(policy))
            )
        except CdnError as error:
            self._report(
                key, f"cache policy {policy} cannot be read; query strings are taken to make no difference: {error}"
            )
            return False

    def _settled(self, answer: Answer, config: Settings) -> Site:
        """Return the site of an answer; if it has none, that of an answer that came too late, or the last one."""
        id_, site, problem, is_passing = answer
        if site is not None:
            return site
        key = _key(id_, config)
        entry = self._cache.fresh(key)
        if entry is None:
            patience = _PATIENCE_SECONDS_PASSING if is_passing else PATIENCE_SECONDS
            entry = self._cache.retain(key, min(config.ttl, patience), problem)
            stays = (
                "it is taken to serve each key as it is"
                if entry.value is None
                else "what was known of it stays in force"
            )
            self._report(key, f"distribution {id_} cannot be described; {stays}: {problem}")
        return _site(entry.value, id_, config)

    # --- discovery --------------------------------------------------------------------------------------

    def _discovered(self, bucket: str, config: Settings) -> list[DistributionId]:
        with _discovering():
            serving = [item for item in self._summaries(config) if item.get("Enabled", True) and serves(item, bucket)]
            chosen = [summary for summary in serving if self._is_chosen(summary, config)]
            ids = [id_ for summary in chosen for id_ in self._viewed(summary, config)]
        if not ids:
            tagged = f" and the tag {config.discover_tag}" if config.discover_tag else ""
            self._report(("bucket", bucket), f"no distribution was found with an origin in bucket {bucket}{tagged}")
        return ids

    def _summaries(self, config: Settings) -> list[_Json]:
        return self._cached(("the list of", "distributions"), config, lambda: list(self._account.summaries()))

    def _viewed(self, summary: _Json, config: Settings) -> list[DistributionId]:
        """Return the distribution itself or, if it has no viewers of its own, its tenants."""
        id_ = DistributionId(summary["Id"])
        if not has_tenants(summary):
            return [id_]
        return self._cached(("the list of tenants of", id_), config, lambda: list(self._account.tenants(id_)))

    def _is_chosen(self, summary: _Json, config: Settings) -> bool:
        name, equals, value = config.discover_tag.partition("=")
        if not name:
            return True
        arn = summary["ARN"]
        tags = self._cached(("tags of", arn), config, lambda: self._account.tags(arn))
        return name in tags and (not equals or tags[name] == value)


@contextmanager
def _discovering() -> Iterator[None]:
    try:
        yield
    except CdnError as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS: discover: {error}") from error


def _key(id_: DistributionId, config: Settings) -> _Key:
    return "distribution", id_, config.declared.get(id_)


def _assumed(id_: DistributionId, config: Settings) -> Site:
    declared = config.declared.get(id_)
    return describe.undescribed(declared) if declared else UNKNOWN_SITE


def _site(known: Site | None, id_: DistributionId, config: Settings) -> Site:
    return _assumed(id_, config) if known is None else known
