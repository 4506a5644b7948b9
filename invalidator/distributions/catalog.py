"""What is known of the distributions: read from CloudFront once in a while, and kept between invocations."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast

from invalidator.aws.cloudfront import Configured, is_tenant
from invalidator.aws.sdk import patiently
from invalidator.distributions import describe
from invalidator.distributions.describe import MANAGED_POLICIES, Declared, Described, Json, has_tenants, serves
from invalidator.errors import PASSING, CdnError, ConfigurationError
from invalidator.model import UNKNOWN_SITE, Distribution, DistributionId, Site
from invalidator.settings.environment import Settings
from invalidator.workers import Workers

T = TypeVar("T")
_Key = tuple[object, ...]

_PATIENCE_SECONDS: Final = 60
"""For which, at most, something that could not be read is not asked for again."""
_PATIENCE_SECONDS_PASSING: Final = 5
"""The same, if it is likely to be over soon."""
_MAX_PARALLEL: Final = 8


class Account(Protocol):
    """What can be read of the distributions of an account; ``cloudfront.CloudFront`` is one."""

    def configured(self, distribution: DistributionId) -> Configured:
        """How a distribution or tenant is configured."""

    def cache_policy(self, id_: str) -> Json:
        """A CachePolicyConfig."""

    def summaries(self) -> Iterator[Json]:
        """Every distribution of the account, as a DistributionSummary."""

    def tenants(self, distribution: DistributionId) -> Iterator[DistributionId]:
        """The tenants of a distribution."""

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a distribution."""


class Answer(NamedTuple):
    """What came of describing a distribution: its site, or why there is none."""

    distribution: DistributionId
    site: Site | None
    problem: str = ""
    is_passing: bool = False


class _Kept(NamedTuple):
    """What was read, or assumed in its place, and until when it is not read again."""

    value: Any
    until: float
    is_assumed: bool = False


class Catalog:
    """The distributions of an account. ``now`` is a clock in seconds, and ``pause`` lets some of them pass."""

    def __init__(
        self,
        account: Account,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._account, self._now, self._pause = account, now, pause
        self._kept: dict[_Key, _Kept] = {}
        self._warned: dict[_Key, str] = {}
        self._warnings: list[str] = []

    def look_up(
        self, config: Settings, buckets: Iterable[str], workers: Workers[Answer], seconds: float
    ) -> list[Distribution]:
        """The configured distributions, and those that are discovered for the buckets, each with its site.

        Describing them takes ``seconds`` at the most. One that cannot be described in that time is what it was the
        last time, or else one that serves everything. Raises ConfigurationError if distributions are to be
        discovered and cannot be.
        """
        ids = list(config.distributions)
        buckets = sorted(buckets)
        for bucket in buckets if config.discover else ():
            ids += self._discovered(bucket, config)
        ids = list(dict.fromkeys(ids))
        if not (config.describe and buckets):  # where nothing changed, nobody needs to know
            return [Distribution(id_, _assumed(config.declared.get(id_))) for id_ in ids]
        sites = self._sites(ids, config, workers, seconds)
        return [Distribution(id_, sites[id_]) for id_ in ids]

    def has(self, id_: DistributionId, config: Settings) -> bool:
        """Whether that distribution is configured, or may be discovered for some bucket.

        Raises ConfigurationError if distributions are to be discovered and cannot be.
        """
        if id_ in config.distributions:
            return True
        if not config.discover:
            return False
        with _discovering():
            found = [summary for summary in self._summaries(config) if has_tenants(summary) == is_tenant(id_)]
            return any(id_ in self._viewed(summary, config) and self._is_chosen(summary, config) for summary in found)

    def warnings(self) -> list[str]:
        """What there is to be said since the last time; what goes on is not said again."""
        said, self._warnings = sorted(self._warnings), []
        return said

    def _warn(self, key: _Key, text: str) -> None:
        if self._warned.get(key) != text:
            self._warned[key] = text
            self._warnings.append(text)

    def _cached(self, key: _Key, ttl: int, read: Callable[[], T]) -> T:
        """What was read not long ago, or is read now. If it cannot be, the last that is known stays in force."""
        kept = self._kept.get(key)
        if kept is None or self._now() >= kept.until:
            try:
                kept = _Kept(read(), self._now() + ttl)
                self._warned.pop(key, None)
            except CdnError as error:
                if kept is None:
                    raise
                self._warn(key, f"{key[0]} {key[1]} cannot be read; what was known of it stays in force: {error}")
                kept = _Kept(kept.value, self._now() + min(ttl, _PATIENCE_SECONDS))
            self._kept[key] = kept
        value: T = kept.value
        return value

    def _patiently(self, read: Callable[[], T]) -> T:
        """What is read, at the third attempt at the latest: a cold start has nothing else to go by."""
        return patiently(read, self._pause)

    # --- descriptions -----------------------------------------------------------------------------------

    def _sites(
        self, ids: list[DistributionId], config: Settings, workers: Workers[Answer], seconds: float
    ) -> dict[DistributionId, Site]:
        sites: dict[DistributionId, Site] = {}
        waiting = []
        for id_ in ids:
            known = self._kept.get(_key(id_, config))
            if known and self._now() < known.until:
                sites[id_] = known.value
            else:
                waiting.append(id_)
        for answer in self._answers(waiting, config, workers, seconds):
            sites[answer.distribution] = self._settled(answer, config)
        return sites

    def _answers(
        self, waiting: list[DistributionId], config: Settings, workers: Workers[Answer], seconds: float
    ) -> Iterator[Answer]:
        """One for each, in any order; several are asked for at a time."""
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
            described, parameters = self._patiently(lambda: self._account.configured(id_))
            varies = {policy: self._varies(policy, config) for policy in describe.policy_ids(described)}
            site = describe.site_of(described, varies.__getitem__, config.declared.get(id_), parameters)
        except CdnError as error:
            is_passing = isinstance(error, PASSING)
            return Answer(id_, None, str(error), is_passing=is_passing)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            return Answer(id_, None, f"what CloudFront says of it cannot be understood ({error!r:.80})")
        # Here, since it may come too late for the invocation that asked, and in time for the next.
        self._kept[key] = _Kept(site, self._now() + config.ttl)
        self._warned.pop(key, None)
        return Answer(id_, site)

    def _varies(self, policy: str, config: Settings) -> bool:
        if policy in MANAGED_POLICIES:
            return MANAGED_POLICIES[policy]
        key, read = ("cache policy", policy), partial(self._account.cache_policy, policy)
        try:
            return self._cached(key, config.ttl, lambda: describe.policy_varies_by_query(self._patiently(read)))
        except CdnError as error:
            self._warn(
                key, f"cache policy {policy} cannot be read; query strings are taken to make no difference: {error}"
            )
            return False

    def _settled(self, answer: Answer, config: Settings) -> Site:
        key, site = _key(answer.distribution, config), answer.site
        if site is not None:
            return site
        known = self._kept.get(key) or _Kept(_assumed(config.declared.get(answer.distribution)), 0.0, is_assumed=True)
        if self._now() < known.until:  # it has just come, behind the answer that there is none
            return cast("Site", known.value)
        seconds = _PATIENCE_SECONDS_PASSING if answer.is_passing else _PATIENCE_SECONDS
        self._kept[key] = known._replace(until=self._now() + min(config.ttl, seconds))
        meanwhile = "it is taken to serve each key as it is"
        if not known.is_assumed:
            meanwhile = "what was known of it stays in force"
        self._warn(key, f"distribution {answer.distribution} cannot be described; {meanwhile}: {answer.problem}")
        return cast("Site", known.value)

    # --- discovery --------------------------------------------------------------------------------------

    def _discovered(self, bucket: str, config: Settings) -> list[DistributionId]:
        with _discovering():
            serving = [item for item in self._summaries(config) if item.get("Enabled", True) and serves(item, bucket)]
            chosen = [summary for summary in serving if self._is_chosen(summary, config)]
            found = [id_ for summary in chosen for id_ in self._viewed(summary, config)]
        if not found:
            tagged = f" and the tag {config.discover_tag}" if config.discover_tag else ""
            self._warn(("bucket", bucket), f"no distribution was found with an origin in bucket {bucket}{tagged}")
        return found

    def _summaries(self, config: Settings) -> list[Json]:
        return self._cached(("the list of", "distributions"), config.ttl, lambda: self._patiently(self._list))

    def _list(self) -> list[Json]:
        return list(self._account.summaries())

    def _viewed(self, summary: Json, config: Settings) -> list[DistributionId]:
        """The distribution itself or, if it has no viewers of its own, its tenants."""
        id_ = DistributionId(summary["Id"])
        if not has_tenants(summary):
            return [id_]
        read = partial(self._patiently, lambda: list(self._account.tenants(id_)))
        return self._cached(("the list of tenants of", id_), config.ttl, read)

    def _is_chosen(self, summary: Json, config: Settings) -> bool:
        name, equals, value = config.discover_tag.partition("=")
        if not name:
            return True
        arn = summary["ARN"]
        tags = self._cached(("tags of", arn), config.ttl, partial(self._patiently, lambda: self._account.tags(arn)))
        return name in tags and (not equals or tags[name] == value)


@contextmanager
def _discovering() -> Iterator[None]:
    try:
        yield
    except CdnError as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS: discover: {error}") from error


def inventory(account: Account, bucket: str) -> Iterator[Described]:
    """Every distribution of the account, for people; if a bucket is named, those that serve it.

    Raises CdnError if they cannot be listed.
    """
    for summary in account.summaries():
        if bucket and not serves(summary, bucket):
            continue
        id_ = DistributionId(summary["Id"])
        config: Json | None = None
        tenants: tuple[DistributionId, ...] = ()
        with suppress(CdnError):
            config = account.configured(id_).config
        with suppress(CdnError):
            tenants = tuple(account.tenants(id_)) if has_tenants(summary) else ()
        yield describe.described(summary, config, tenants)


def _key(id_: DistributionId, config: Settings) -> _Key:
    return "distribution", id_, config.declared.get(id_)


def _assumed(declared: Declared | None) -> Site:
    return describe.undescribed(declared) if declared else UNKNOWN_SITE
