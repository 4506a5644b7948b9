"""One world from its first upload to its last check."""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from invalidator import handler
from invalidator.limits import MAX_INVOCATION_SECONDS
from invalidator.model import EXACT, Allowance
from invalidator.runtime.log import logger
from invalidator.runtime.metrics import Document
from invalidator.settings.environment import MAX_PATHS
from tests.simulation.books import Books
from tests.simulation.checks import Checks
from tests.simulation.cloudfront import CloudFront, clearing
from tests.simulation.container import Aws
from tests.simulation.function import DEAD_LETTERS_URL, URL, Function, Handler
from tests.simulation.messages import notification, places_of, ticket_of
from tests.simulation.origin import Origin, Plan, plan_of
from tests.simulation.s3 import Bucket
from tests.simulation.sites import MARKER, Place, Site, Sites, prompt_sites, sites_of, viewed_at
from tests.simulation.sqs import Queue
from tests.simulation.troubles import Troubles
from tests.simulation.uploads import HOUR, UNCHANGING, Upload, below, marking, prompt_uploads, trickle, uploads_of
from tests.simulation.weather import (
    CALM,
    Deployment,
    Weather,
    prompt_weather,
    weather_of,
    weather_of_crowd,
    widening_of,
)
from tests.simulation.world import World

CROWD = 160
MANY = (0.0315, 1_000), (0.045, CROWD)
"""Up to which share of the worlds there are so many distributions."""

__all__ = ["Report", "Story", "Upload", "viewed_at"]


@dataclass
class Report:
    """The sums of one world."""

    seed: int
    uploads: int = 0
    accepted: int = 0
    billed: int = 0
    invocations: int = 0
    tickets: int = 0
    letters: int = 0
    wildcards: int = 0
    doubled: int = 0
    is_alone: bool = True  # no other tool has invalidations in progress
    last: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)
    connection: Counter[str] = field(default_factory=Counter)


class Story:
    """A world, its events, and the records that the checks need."""

    def __init__(
        self,
        seed: int,
        *,
        calm: bool = False,
        handle: Handler = handler.lambda_handler,
        deployment: Deployment | None = None,
        uploads: list[Upload] | None = None,
        distributions: int | None = None,
    ) -> None:
        rng = Random(f"story {seed}")  # noqa: S311 it has to be the same again
        weather, count = weather_of(rng), distributions or rng.randint(1, 4)
        self.promptly = False
        if uploads is None:
            self._draw(rng, weather, count)
        else:
            ids = [f"E{number}" for number in range(1, count + 1)]
            self.uploads, self.sites = uploads, Sites(dict.fromkeys(ids, Site()), ids)
            self.weather, self.allowance = weather, EXACT
        more = Random(f"gathering {seed}")  # noqa: S311
        self.gathers = uploads is not None or more.random() < 0.5
        if uploads is None and more.random() < 0.5:
            self.uploads = sorted([*self.uploads, *marking(more, self.uploads)], key=_at)
        # Without the permission to list, a budget would make wildcards of directories.
        # With very many distributions, waiting for money as well takes many hours.
        is_small = len(self.sites.all) < CROWD
        plan = self._connect(seed) if uploads is None and not self.promptly and is_small else None
        has_budget = not plan and uploads is None and not self.promptly and is_small and self.allowance.wildcards > 0
        self.budget = more.choice([0.0, 0.1, 1.0]) if has_budget else 0.0
        # From chance of its own, so that other worlds go on as they always did. Where a failing queue makes copies of
        # copies, each with a second clearing, the rate of calls would keep some of these worlds busy for days.
        some = Random(f"repeating {seed}")  # noqa: S311
        is_sure = not (self.weather.not_stored or self.weather.unstored)
        repeats = uploads is None and not self.promptly and is_small and is_sure and some.random() < 0.2
        self.repeat_after = some.choice([1, 10, 60]) if repeats else 0
        self.weather = CALM if calm else replace(self.weather, spread=more.choice([0.0, 0.3, 1.0]))
        self.distributions = list(self.sites.all)
        self.seed, self.world = seed, World(seed)
        self.deployment = deployment or Deployment()
        self.allowance = self.deployment.allowance or self.allowance
        self.queue = Queue(self.world, self.deployment.visibility, self.deployment.receives)
        self.cloudfront = CloudFront(self.world, self.weather, self.distributions)
        self.sites.describe(self.cloudfront.double)
        # Without the permission to list, and without a bound to keep, nothing is widened.
        self.bucket = Bucket(UNCHANGING, is_closed=not self.allowance.wildcards)
        self.metrics: list[tuple[float, Document]] = []
        aws = Aws(self.queue, self.cloudfront, self.bucket, self.sites, self.allowance, self.metrics)
        self.function = Function(self.world, self.weather, self.deployment, aws, handle)
        self.books = Books(self.world, self.cloudfront, self.queue, self.sites)
        self.troubles = Troubles(self.world, self.weather, self.cloudfront, self.queue, self.sites, self.function)
        self.books.once_invalid = self.troubles.invalid
        self.books.is_sure = not (self.weather.not_stored or self.weather.unstored)
        self.books.longest_hold = max(self.deployment.gather if self.gathers else 0, 900 if self.budget else 0)
        self.books.repeat_after = self.repeat_after
        # Where nothing goes wrong, the bucket is connected for ever.
        self.checks = Checks(self.world, plan, self.queue, self.books.catch_up) if plan and not calm else None
        self.report = Report(seed)
        self._expected = 0  # notifications on their way
        self.function.delivering.append(self.books.deliver)
        self.function.cutting.append(self.books.cut)
        self.function.leaving.append(self.books.leave)
        self.versions: dict[str, int | None] = {}
        self._name_places(calm=calm)

    def _connect(self, seed: int) -> Plan | None:
        """Draw the connection of the bucket, and what is uploaded while others overwrite it."""
        plan = plan_of(seed, self.uploads)
        if plan:
            # It takes hours anyway. What keeps hundreds of tickets waiting is enough for a world of its own.
            self.uploads = sorted([*self.uploads, *plan.uploads], key=_at)
            self.weather = replace(self.weather, unstored=0.0, undescribed=0.0, expired=0.0, broken=0.0)
        return plan

    def _name_places(self, *, calm: bool) -> None:
        """Tell the books and CloudFront which places there are, and which paths are refused."""
        self.keys = {place: key for key in {upload.key for upload in self.uploads} for place in self._places(key)}
        self.books.keys = self.keys
        self.sites.exact |= {
            (id_, path + end) for id_, path in self.keys for end in ("*", "?*") if self.sites.all[id_].queries
        }
        if not calm:
            self.books.hopeless |= {path for _, path in self.keys if "/bad/" in path and "?" not in path}
            self.cloudfront.bad |= {path + more for path in self.books.hopeless for more in ("", "*", "?*")}

    def _draw(self, rng: Random, weather: Weather, count: int) -> None:
        """Draw what is uploaded, what the distributions serve, and what may be widened."""
        kind = rng.random()
        if kind < 0.03:
            self.promptly = True
            self.uploads, self.sites = prompt_uploads(rng), prompt_sites(rng)
            self.weather, self.allowance = prompt_weather(rng), EXACT
            return
        many = next((number for share, number in MANY if kind < share), 0)
        self.uploads = uploads_of(rng, weather.bad_paths, few=bool(many))
        self.sites = sites_of(rng, many or count)
        if any(site.queries for site in self.sites.all.values()):
            # Each takes a wildcard, of which a distribution takes 15 at a time: thousands would take hours.
            self.uploads = [upload for upload in self.uploads if not re.match("all/.{4}", upload.key)]
        if any(site.path for site in self.sites.all.values()):
            self.uploads = below(rng, self.uploads, "/prod")
        if kind > 0.95:
            self.uploads = sorted([*self.uploads, *trickle(rng, HOUR)], key=_at)
        self.allowance, unlisted = widening_of(rng)
        self.weather = replace(weather, unlisted=unlisted)
        if many > CROWD:
            self.weather = weather_of_crowd(weather)

    def _places(self, key: str) -> list[Place]:
        return self.sites.places(key, self.distributions)

    # --- what happens -----------------------------------------------------------------------------------

    def play(self) -> Report:
        """Play the world and check everything. Raises AssertionError."""
        gather = self.deployment.gather if self.gathers else 0
        steps = self.checks.deployed() if self.checks else nullcontext()
        with _environment(self.sites, self.allowance, gather, self.budget, self.repeat_after), steps:
            random.seed(self.seed)
            try:
                self._schedule()
                self._run_until_quiet()
                self._check_end()
                self._fix()
                self._run_until_heard()
                self._run_until_quiet()
                self._check_fixed()
            finally:
                self.world.close()
        return self._summary()

    def _schedule(self) -> None:
        self._expected = len(self.uploads)
        for number, upload in enumerate(self.uploads):
            self.world.after(upload.at, partial(self._upload, number, upload))
        if self.promptly:
            self.troubles.occupy_a_little()
        self.troubles.schedule()
        if self.checks:
            self.checks.schedule()

    def _upload(self, number: int, upload: Upload) -> None:
        world, weather = self.world, self.weather
        for distribution, path in self._places(upload.key):  # so that every edge has the old version
            self.cloudfront.view(distribution, path, self.versions.get(upload.key))
        self.versions[upload.key] = None if upload.removed else number
        if upload.removed:
            self.bucket.remove(upload.key)
        else:
            self.bucket.write(upload.key, world.now)
        self.books.upload(upload.key)
        body, changed_at = notification(number, upload), world.now
        is_heard = not self.checks or self.checks.origin.change(upload)
        for _ in range((2 if world.happens(weather.notified_twice) else 1) if is_heard else 0):
            late = world.rng.uniform(60, 600) if world.happens(weather.late) else world.rng.uniform(0.1, 2.0)
            self._expected += 1
            world.after(late, lambda: self._notify(body, changed_at))
        self._expected -= 1
        if world.happens(0.3):
            world.after(world.rng.uniform(0, 60), lambda: self._look_at(upload.key))

    def _notify(self, body: str, changed_at: float) -> None:
        self._expected -= 1
        self.queue.send(body)
        self.books.notify(next(reversed(self.queue.messages)), changed_at)
        if self.promptly:
            self.books.wait_for(body)

    def _look_at(self, key: str) -> None:
        distribution = self.world.rng.choice(self.distributions)
        for _, path in self.sites.places(key, [distribution]):
            self.cloudfront.view(distribution, path, self.versions[key])

    def _fix(self) -> None:
        """Do the work of an operator: remove the causes, and send the dead letters back."""
        self.report.letters = len(self.queue.dead)
        self.world.note("everything is fixed, and the dead letters go back")
        self.troubles.fix()
        self.books.redrive(self.queue.dead)
        self.queue.redrive()

        if self.checks:
            self.checks.origin.fix()

    def _run_until_heard(self) -> None:
        """Run until a check has found nothing wrong and caught up: one in a few, even where each lists for long."""
        if not self.checks:
            return
        fixed, period = self.world.now, self.checks.plan.period
        limit = fixed + 8 * (max(period, MAX_INVOCATION_SECONDS) + 60)
        while self.checks.heard_until() <= fixed or self.checks.running:
            self.world.run(self.world.now + 60)
            assert self.world.now < limit, f"not caught up: {self.checks.parameter}"
            self.world.after(60, lambda: None)

    def _run_until_quiet(self) -> None:
        limit = self.world.now + 48 * HOUR
        while self._expected or self.queue.messages or self.function.running:
            self.world.run(self.world.now + 300)
            assert self.world.now < limit, "it never comes to rest"
            self.world.after(300, lambda: None)
        self.world.run(self.world.now + 60)  # until all edges know of what was accepted

    # --- what has to be true ----------------------------------------------------------------------------

    def _stale(self) -> set[Place]:
        """Return what is old on those distributions that the settings always named."""
        return {
            (distribution, path)
            for distribution, edge in self.cloudfront.edges.items()
            if distribution not in self.troubles.removed
            for path, version in edge.items()
            if version != self.versions.get(self.keys[distribution, path])
        }

    def _check_end(self) -> None:
        letters = [letter.body for letter in self.queue.dead if not _is_repeat(letter.body)]
        dead = {place for body in letters for place in places_of(body, self.sites)}
        unheard = self._places_at(self.checks.origin.unheard_last()) if self.checks else set()
        missing = [place for place in self._stale() - unheard if dead.isdisjoint(clearing(place))]
        assert not missing, f"stale and in no dead letter: {sorted(missing)[:5]}"
        self._check_letters()
        self.books.check_bill()
        self.books.check_promptness()

    def _check_letters(self) -> None:
        for letter in self.queue.dead:
            # The queue itself gives up a message that was received too often, as after several crashes.
            if letter.received > self.deployment.receives or ticket_of(letter.body) is None:
                continue
            for place in places_of(letter.body, self.sites):
                fine = place[0] in self.troubles.affected or self.books.is_hopeless(place)
                assert fine, f"{place[0]} works, and {place[1]} was given up: {letter.body[:300]}"

    def _check_fixed(self) -> None:
        unlisted = self._places_at(self.checks.origin.unlisted()) if self.checks else set()
        stale = [place for place in self._stale() - unlisted if not self.books.is_hopeless(place)]
        assert not stale, f"stale, though everything is fixed: {sorted(stale)[:5]}"
        self.books.check_bill()
        self.books.check_repeated(self.troubles.removed)
        if self.checks:
            self._check_caught_up(self.checks.origin)

    def _check_caught_up(self, origin: Origin) -> None:
        """Check that all that a listing shows was accepted after it changed, though nobody heard of it."""
        unlisted, accepted_at = origin.unlisted(), self.cloudfront.accepted_at
        for key, at in origin.unheard.items():
            for place in self._places(key) if key not in unlisted else ():
                last = max(accepted_at.get(item, -1.0) for item in clearing(place))
                fine = last >= at or place[0] in self.troubles.removed or self.books.is_hopeless(place)
                assert fine, f"{place} changed at {at:.0f}, unheard, and was accepted at {last:.0f}"

    def _places_at(self, keys: set[str]) -> set[Place]:
        return {place for key in keys for place in self._places(key)}

    def _summary(self) -> Report:
        report, called = self.report, self.cloudfront.called
        billed = [path for each in self.cloudfront.double.accepted for path in each.paths]
        report.is_alone = not (self.promptly or self.weather.crowded)
        report.tickets, report.doubled = self.books.tickets, self.books.doubled
        report.answers, report.unlisted = called, self.bucket.unlisted
        if self.checks:
            report.connection = +self.checks.origin.happened
        report.uploads, report.accepted = len(self.uploads), called["accepted"]
        report.billed, report.wildcards = len(billed), sum(path.endswith("*") for path in billed)
        report.invocations, report.last = self.function.invocations, self.cloudfront.last_accepted
        return report


def _is_repeat(body: str) -> bool:
    ticket = ticket_of(body)
    return ticket is not None and ticket.is_repeat


def _at(upload: Upload) -> float:
    return upload.at


@contextmanager
def _environment(sites: Sites, allowance: Allowance, gather: int, budget: float, repeat_after: int) -> Iterator[None]:
    """Set the function up, without its log."""
    before, level = dict(os.environ), logger.log_level
    os.environ |= {
        "DISTRIBUTION_IDS": sites.setting,
        "QUEUE_URL": URL,
        "DEAD_LETTERS_URL": DEAD_LETTERS_URL,
        "MAX_PATHS": str(allowance.paths if allowance.wildcards else MAX_PATHS),
        "GATHER": str(gather),
        "DEPLOY_MARKER": MARKER,
        "MONTHLY_BUDGET": f"{budget:.2f}",
        "REPEAT_AFTER": str(repeat_after),
    }
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        logger.setLevel(level)
