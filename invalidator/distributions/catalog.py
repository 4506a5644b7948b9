"""The distributions that an event concerns, each with its site: asked for at the same time, within one deadline."""

import random
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from invalidator.aws.cloudfront import Ask, CloudFront
from invalidator.aws.sdk import patiently
from invalidator.distributions import describe
from invalidator.distributions.known import NOT_ASKED, Discovered, Known
from invalidator.errors import PASSING, CdnError, ConfigurationError, OutOfTimeError, TenantsOnlyError, UnavailableError
from invalidator.model import Distribution, DistributionId, Site
from invalidator.settings.environment import Settings
from invalidator.settings.ids import DISCOVER
from invalidator.workers import Workers, at_once

DISCOVERY: Final = DistributionId(DISCOVER)
"""Stands for the distributions that are still to be discovered."""


class Answer(NamedTuple):
    """The site of a distribution or, under the name DISCOVERY, what was discovered; or why it is unknown."""

    name: DistributionId
    value: Site | Discovered | CdnError


class Found(NamedTuple):
    """Distributions with their sites, and those of which nothing is known, each with the reason.

    ``discovered`` are the ids that were discovered for the buckets. If they could not be, DISCOVERY is ``unknown``, and
    so is each id that was asked for and may have to be discovered. ``strangers`` were asked for and are not ours.
    """

    known: list[Distribution]
    discovered: Collection[DistributionId] = ()
    unknown: Mapping[DistributionId, CdnError] = MappingProxyType({})
    strangers: Collection[DistributionId] = ()

    def certain(self) -> list[Distribution]:
        """Return the distributions if all are known. Raises ConfigurationError or CdnError if one is not."""
        if DISCOVERY in self.unknown:
            error = self.unknown[DISCOVERY]
            raise ConfigurationError(f"DISTRIBUTION_IDS: {error}") from error
        if self.unknown:
            raise next(iter(self.unknown.values()))
        return self.known


class Catalog:
    """The distributions of an account. ``now`` is a clock in seconds; ``pause`` waits for some seconds."""

    def __init__(
        self,
        account: CloudFront,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
        known: Known | None = None,
    ) -> None:
        self._account, self._now, self._pause = account, now, pause
        self._known = known or Known(account, now)
        self.warnings, self.greet = self._known.warnings, account.greet

    def apart(self) -> "Catalog":
        """Return a catalog that shares what is known, but neither failures nor warnings."""
        return Catalog(self._account, self._now, self._pause, self._known.apart())

    def look_up(
        self,
        config: Settings,
        buckets: Collection[str],
        workers: Workers[Answer],
        seconds: float,
        asked: Mapping[DistributionId, bool] = MappingProxyType({}),
        *,
        only_asked: bool = False,
    ) -> Found:
        """Return the configured distributions and those discovered for the buckets, each with its site.

        ``asked`` are the ids of tickets, which may be for other distributions of the account, and whether the site
        matters; if ``only_asked``, distributions whose site does not matter are left out, unless what is asked for has
        to be discovered. At most a third of ``seconds`` passes without an answer, and at most ``seconds`` in all; what
        is not read by then stays as it was last known. Without buckets nothing is described.
        """
        search = _Search(self._known, config, buckets, asked, self._patiently)
        search.begin(only_asked=only_asked and not asked.get(DISCOVERY))
        last = self._now()
        end = last + seconds

        def left() -> float:
            # A call that hangs must not take all the time, and must not end a search in which others are answered.
            return min(end, last + seconds / 3) - self._now()

        for answer in at_once(search.calls, workers, left):
            search.take(answer)
            last = self._now()
        return search.found()

    def _patiently(self, call: Callable[[], Any]) -> Any:
        return patiently(call, self._pause)


class _Search:
    """One look-up: the calls that are still to be made, and the answers so far."""

    def __init__(
        self, known: Known, config: Settings, buckets: Collection[str], asked: Mapping[DistributionId, bool], ask: Ask
    ) -> None:
        self._known, self._config, self._buckets, self._asked, self._ask = known, config, sorted(buckets), asked, ask
        self._others = set(asked) - {DISCOVERY, *config.distributions}
        self._answers: dict[DistributionId, Site | Discovered | CdnError | None] = {}
        self._learned = False
        self._only_asked = False
        self.calls = deque[partial[Answer]]()

    def begin(self, *, only_asked: bool) -> None:
        """Begin with what is configured."""
        self._only_asked = only_asked
        if self._config.discover and (self._buckets or self._others):
            self._begin([DISCOVERY])
        self._describe(self._config.distributions)

    def take(self, answer: Answer) -> None:
        """Note an answer. What was discovered has to be described."""
        self._answers[answer.name] = answer.value
        error = answer.value if isinstance(answer.value, CdnError) else None
        if error and not isinstance(error, OutOfTimeError) and error is not self._known.recent_failure(answer.name):
            self._known.remember(answer.name, error, self._config)
        if isinstance(answer.value, Discovered):
            # Its tags do not matter where a distribution is listed.
            uncertain, listed = answer.value.uncertain, self._config.distributions
            self._answers |= {id_: error for id_, error in uncertain.items() if id_ not in listed}
            self._describe([*answer.value.serving, *(id_ for id_ in sorted(answer.value.ours) if self._asked[id_])])

    def found(self) -> Found:
        """Return the result. What has no answer yet stays as it was last known."""
        late, left = UnavailableError("no answer in time"), OutOfTimeError(NOT_ASKED)
        while unanswered := [name for name, value in self._answers.items() if value is None]:
            # To wait behind others is no failure, as long as some of them are learnt.
            behind = {call.args[0] for call in self.calls} if self._learned else set()
            for name in unanswered:
                self.take(self._answer(name, partial(_fail, left if name in behind else late)))
        unknown = self._unknown()
        if DISCOVERY in unknown:
            unknown |= dict.fromkeys(sorted(self._others), unknown[DISCOVERY])
        discovery = self._answers.get(DISCOVERY)
        serving, ours, _ = discovery if isinstance(discovery, Discovered) else ((), set[DistributionId](), {})
        ids = dict.fromkeys((*self._config.distributions, *serving, *sorted(ours)))
        return Found(
            self._distributions(filter(self._matters, ids)), serving, unknown, self._others - ours - set(unknown)
        )

    def _unknown(self) -> dict[DistributionId, CdnError]:
        unknown: dict[DistributionId, CdnError] = {}
        for name, answer in sorted(self._answers.items()):
            if isinstance(answer, CdnError):
                unknown[name] = self._told(name, answer)
            else:
                self._known.report((name,), "")
        return unknown

    def _distributions(self, ids: Iterable[DistributionId]) -> list[Distribution]:
        """Return those that are known. One that nobody was asked about serves what is declared."""
        declared = self._config.declared
        answers = [(id_, self._answers.get(id_) or describe.undescribed(declared.get(id_))) for id_ in ids]
        return [Distribution(id_, answer) for id_, answer in answers if isinstance(answer, Site)]

    def _describe(self, ids: Iterable[DistributionId]) -> None:
        if self._config.describe and self._buckets:
            self._begin(filter(self._matters, ids))

    def _matters(self, id_: DistributionId) -> bool:
        return not self._only_asked or self._asked.get(id_, False)

    def _begin(self, names: Iterable[DistributionId]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self._answers]
        # First those that something waits for, and else in any order: where the first ones take all the time, the
        # others have their turn in a later invocation. Nobody gains anything by guessing the order.
        for name in sorted(random.sample(new, len(new)), key=lambda name: not self._asked.get(name)):  # nosec B311
            self._answers[name] = None
            if failure := self._known.recent_failure(name):
                self.take(self._answer(name, partial(_fail, failure)))
            else:
                self.calls.append(partial(self._ask_about, name))

    def _ask_about(self, name: DistributionId) -> Answer:
        asked = False

        def ask(call: Callable[[], Any]) -> Any:
            nonlocal asked
            value = self._ask(call)
            asked = True
            return value

        answer = self._answer(name, ask)
        # A site that is only remembered, because CloudFront refuses, is no progress.
        if asked and isinstance(answer.value, Site):
            self._learned = True
        return answer

    def _answer(self, name: DistributionId, ask: Ask) -> Answer:
        try:
            if name == DISCOVERY:
                return Answer(name, self._known.discovered(self._buckets, self._others, self._config, ask))
            return Answer(name, self._known.site(name, self._config, ask))
        except CdnError as error:
            return Answer(name, error)

    def _told(self, name: DistributionId, error: CdnError) -> CdnError:
        """Return an error that says what is unknown, and warn of it."""
        verb = "invalidated" if isinstance(error, TenantsOnlyError) else "described"
        what = "distributions cannot be discovered" if name == DISCOVERY else f"distribution {name} cannot be {verb}"
        is_all = isinstance(error, (*PASSING, TenantsOnlyError)) or name == DISCOVERY
        instead = "" if is_all else ", or set DESCRIBE=off"
        self._known.report((name,), f"{what}: {error}{instead}; what changes there has to wait")
        told = type(error)(f"{what}: {error}{instead}")
        told.__cause__ = error
        return told


def _fail(error: CdnError, _call: object) -> Any:
    raise error
