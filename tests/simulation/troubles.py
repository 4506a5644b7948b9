"""Troubles that begin and end: of distributions, descriptions, credentials, queues, settings, and by other tools."""

import os
from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.doubles.cloudfront import DENIED
from tests.simulation.cloudfront import PLAIN, WILDCARDS, CloudFront
from tests.simulation.function import Function
from tests.simulation.reading import KINDS
from tests.simulation.sites import POLICY, Sites
from tests.simulation.sqs import MOST_BYTES, Queue
from tests.simulation.uploads import HOUR
from tests.simulation.weather import CALM, Weather
from tests.simulation.world import World

GONE = ("NoSuchDistribution", 404)
_UNTIL_FIXED = 1_000 * HOUR


class Troubles:
    """The troubles of a world.

    ``affected`` are the distributions that something is wrong with, or was, that does not always pass by itself.
    ``removed`` are those that the settings named once.
    """

    def __init__(
        self, world: World, weather: Weather, cloudfront: CloudFront, queue: Queue, sites: Sites, function: Function
    ) -> None:
        self._world, self._weather, self._cloudfront = world, weather, cloudfront
        self._queue, self._sites, self._function = queue, sites, function
        self.affected: set[str] = set()
        self.invalid: set[str] = set()
        self.removed: list[str] = []
        self._foreign: dict[str, Counter[str]] = {}

    def schedule(self) -> None:
        """Let every trouble of the weather come and go."""
        weather, ids = self._weather, list(self._sites.all)
        for id_ in ids:
            self._maybe(weather.broken, partial(self._break, id_), partial(self._heal, id_))
            self._maybe(weather.invalid, partial(self._refuse, id_), partial(self._cloudfront.invalid.discard, id_))
            self._maybe(weather.crowded, partial(self._occupy, id_), partial(self._free, id_))
            self._maybe(weather.removed, partial(self._remove, id_), None)
        for name in (*ids, POLICY, "ListDistributions"):
            self._maybe(weather.undescribed, partial(self._hide, name), partial(self._show, name))
        self._maybe(weather.expired, self._expire, self._renew)
        self._maybe(weather.unstored, self._refuse_to_store, self._store)

    def _maybe(self, probability: float, begin: Callable[[], object], end: Callable[[], object] | None) -> None:
        world, rng = self._world, self._world.rng
        if not world.happens(probability):
            return
        start = rng.uniform(0, HOUR / 2)
        seconds = rng.choice([5.0, 60.0, 600.0, 3 * HOUR, _UNTIL_FIXED]) * rng.uniform(0.5, 1)
        world.after(start, begin)
        if end and seconds < 100 * HOUR:
            world.after(start + seconds, end)

    def fix(self) -> None:
        """Remove the causes, as an operator does."""
        self._function.weather = self._cloudfront.weather = CALM
        for id_ in self._sites.all:
            self._heal(id_)
            self._free(id_)
        self._cloudfront.invalid.clear()
        self._cloudfront.unreadable.clear()
        self._renew()
        self._store()
        self._sites.listed += self.removed
        self._deploy()

    def _deploy(self) -> None:
        os.environ["DISTRIBUTION_IDS"] = self._sites.setting
        self._function.deploy()

    # --- distributions ----------------------------------------------------------------------------------

    def _break(self, distribution: str) -> None:
        how = self._world.rng.choice([DENIED, GONE])
        self._world.note(f"{distribution} breaks: {how[0]}")
        self.affected.add(distribution)
        self._cloudfront.double.broken[distribution] = how
        if how == GONE:
            self._cloudfront.unreadable[distribution] = how[0]

    def _heal(self, distribution: str) -> None:
        self._world.note(f"{distribution} works again")
        if self._cloudfront.double.broken.pop(distribution, None) == GONE:
            self._cloudfront.unreadable.pop(distribution, None)

    def _refuse(self, distribution: str) -> None:
        self._world.note(f"{distribution} takes no path")
        self.affected.add(distribution)
        self.invalid.add(distribution)
        self._cloudfront.invalid.add(distribution)

    def _hide(self, name: str) -> None:
        how = self._world.rng.choice(KINDS)
        self._world.note(f"{name} cannot be read: {how}")
        self.affected |= set(self._sites.all) if name not in self._sites.all else {name}
        self._cloudfront.unreadable[name] = how

    def _show(self, name: str) -> None:
        self._world.note(f"{name} can be read again")
        self._cloudfront.unreadable.pop(name, None)

    # --- the account ------------------------------------------------------------------------------------

    def _expire(self) -> None:
        self._world.note("the credentials expire")
        self.affected |= set(self._sites.all)
        self._cloudfront.expired = True
        self._cloudfront.unreadable[""] = "ExpiredToken"

    def _renew(self) -> None:
        self._world.note("the credentials are new")
        self._cloudfront.expired = False
        self._cloudfront.unreadable.pop("", None)

    def _refuse_to_store(self) -> None:
        kind = self._world.rng.choice(["hangs", "AccessDenied", "size"])
        self._world.note(f"the queue: {kind}")
        self._queue.limit = 2_000 if kind == "size" else MOST_BYTES
        self._queue.trouble = "" if kind == "size" else kind

    def _store(self) -> None:
        self._world.note("the queue stores everything")
        self._queue.limit, self._queue.trouble = MOST_BYTES, ""

    def _remove(self, distribution: str) -> None:
        """Take a distribution out of the settings, unless it is discovered as well."""
        if distribution in self._sites.listed and not self._sites.discover and len(self._sites.listed) > 1:
            self._world.note(f"{distribution} is taken out of the settings")
            self._sites.listed.remove(distribution)
            self.removed.append(distribution)
            self.affected.add(distribution)
            self._deploy()

    # --- other tools ------------------------------------------------------------------------------------

    def _occupy(self, distribution: str) -> None:
        """Let another tool have invalidations in progress on a distribution: seldom as many as it takes."""
        rng = self._world.rng
        content = Counter(plain=rng.choice([0, 1_000, PLAIN - 1]), wild=rng.choice([1, 5, WILDCARDS - 1]))
        self._world.note(f"another tool occupies {dict(content)} of {distribution}")
        self.affected.add(distribution)
        self._foreign[distribution] = content
        self._cloudfront.in_progress[distribution].update(content)

    def occupy_a_little(self) -> None:
        """Let another tool have one wildcard in progress for ever on each distribution."""
        for distribution in self._sites.all:
            self._cloudfront.in_progress[distribution].update(wild=1)

    def _free(self, distribution: str) -> None:
        self._cloudfront.in_progress[distribution].subtract(self._foreign.pop(distribution, Counter()))
