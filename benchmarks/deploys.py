"""Deploys through the simulated AWS: ours, one call an object, one flush of everything, and what is possible at best.

Nothing goes wrong, but the documented quotas hold: the account's rate of calls, and paths in progress. All ways meet
the same uploads, and edges that have cached every URL of an object before it changes. What is evicted, and what stays
stale, is seen at CloudFront and its edges; neither asks the planner.
"""

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import product
from math import inf
from statistics import median
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from benchmarks import figures
from benchmarks.per_object import PerObject, call
from benchmarks.sites import blog, urls_of
from invalidator.model import Allowance, Distribution, DistributionId, ObjectChange, ObjectKey, usd_for
from invalidator.planning.planner import make_plan
from invalidator.urls.viewers import View
from tests.simulation.cloudfront import BURST, RATE, WILDCARDS, CloudFront
from tests.simulation.sites import BUCKET
from tests.simulation.story import Story, Upload
from tests.simulation.weather import CALM
from tests.simulation.weather import Deployment as Numbers
from tests.simulation.world import World

NOTIFIED: Final = (0.1, 2.0)
"""Seconds from an upload to its notification, as in the other simulations."""
CALLED: Final = (0.05, 0.4)
"""Seconds from a call to its acceptance, likewise."""
FORGOTTEN: Final = (0.5, 5.0)
"""Seconds from there until the edges know, likewise."""
PAGE: Final = 1_000
"""Keys in a page of a listing."""

SHUFFLED, SORTED = "shuffled", "sorted"
HUGE: Final = "50,000 objects"


@cache
def keys_of(changed: str) -> list[str]:
    """Return the sorted keys of the site for this deploy: ten copies of the site for the largest."""
    keys = blog().keys
    return sorted(f"{copy}/{key}" for copy, key in product("abcdefghij", keys)) if changed == HUGE else sorted(keys)


@cache
def changed_keys(changed: str) -> list[str]:
    """Return the sorted keys that this deploy uploads."""
    deploys = blog().deploys
    page, *_ = deploys["edit of 7"]
    some = {"1 image": ["images/0/im1.jpg"], "1 page": [page], "5,000 objects": deploys["all 5000"]}
    return keys_of(HUGE) if changed == HUGE else sorted(some.get(changed) or deploys[changed])


class Case(NamedTuple):
    """A deploy: what it uploads, in which order, how many objects a second, and the number of distributions."""

    changed: str
    order: str = SHUFFLED
    rate: float = 100.0
    distributions: int = 1

    @property
    def objects(self) -> int:
        """Return the number of uploads."""
        return len(changed_keys(self.changed))

    @property
    def name(self) -> str:
        """Return the deploy in words, without its distributions."""
        return f"{self.changed}, {self.order}, {self.rate:.0f}/s" if self.objects >= 5_000 else self.changed

    @property
    def places(self) -> int:
        """Return the number of objects that have to become fresh on a distribution."""
        return self.objects * self.distributions

    def uploads(self, seed: int) -> list[Upload]:
        """Return the uploads. The order of shuffled ones differs from seed to seed."""
        keys = list(changed_keys(self.changed))
        if self.order == SHUFFLED:
            random.Random(seed).shuffle(keys)  # noqa: S311
        return [Upload(number / self.rate, key) for number, key in enumerate(keys)]


class Counts(NamedTuple):
    """The figures of one run: the fields of the same names in the results. Times without an end are infinite."""

    usd: float
    calls: float
    refused: float
    median: float
    last: float
    evicted: float
    stale: float


class Watch:
    """Sees what a distribution accepts, and when its edges forget the old version of what changed."""

    def __init__(self, world: World, cloudfront: CloudFront, case: Case, uploads: list[Upload]) -> None:
        self._world, self._cloudfront, self._uploads = world, cloudfront, uploads
        self._at = {f"/{upload.key}": upload.at for upload in uploads}
        self._urls = [f"/{key}" for key in keys_of(case.changed)]
        self._fresh: dict[tuple[str, str], float] = {}
        self._evicted = set[tuple[str, str]]()
        cloudfront.accepting.append(self._accept)
        cloudfront.forgetting.append(self._forget)

    def _accept(self, distribution: str, paths: list[str]) -> None:
        for path in paths:
            if path.endswith("*"):
                prefix = path[:-1]
                urls = self._urls[bisect_left(self._urls, prefix) : bisect_left(self._urls, f"{prefix}\U0010ffff")]
                now = self._world.now
                self._evicted.update((distribution, url) for url in urls if self._at.get(url, inf) > now)

    def _forget(self, distribution: str, url: str) -> None:
        self._fresh.setdefault((distribution, url), self._world.now)  # what comes back is the new version

    def counts(self) -> Counts:
        """Return what was seen until now."""
        called = self._cloudfront.called
        fresh_at = {
            (distribution, upload): max(self._fresh.get((distribution, url), inf) for url in urls_of(upload.key))
            for distribution, upload in product(self._cloudfront.edges, self._uploads)
        }
        return Counts(
            usd=usd_for(sum(len(each.paths) for each in self._cloudfront.double.accepted)),
            calls=called.total(),
            refused=called["Throttling"] + called["TooManyInvalidationsInProgress"],
            median=median(at - upload.at for (_, upload), at in fresh_at.items()),
            last=max(fresh_at.values()) - self._uploads[-1].at,
            evicted=len(self._evicted),
            stale=sum(at == inf for at in fresh_at.values()),
        )


# --- the ways -------------------------------------------------------------------------------------------


def ours(case: Case, seed: int, *, spread: float = 0.0, cold: float = 0.0) -> Counts:
    """Play the stack with its defaults.

    ``spread`` is the share of receives that get a random part of the queue, ``cold`` that of invocations in new
    processes.
    """
    uploads = case.uploads(seed)
    deployment = Numbers(allowance=Allowance())
    story = Story(seed, calm=True, deployment=deployment, uploads=uploads, distributions=case.distributions)
    story.function.weather = replace(CALM, spread=spread, cold=cold)
    story.bucket.keys, story.bucket.page = list(keys_of(case.changed)), PAGE
    watch = Watch(story.world, story.cloudfront, case, uploads)
    story.play()
    return watch.counts()


def one_an_object(case: Case, seed: int) -> Counts:
    """Play the handler that is pasted everywhere."""
    uploads = case.uploads(seed)
    world, cloudfront = _world(case, seed, uploads)
    function = PerObject(world, cloudfront, list(cloudfront.edges))
    for upload in uploads:
        world.after(upload.at + world.rng.uniform(*NOTIFIED), partial(function.notify, upload.key))
    return _run(world, Watch(world, cloudfront, case, uploads))


def flush(case: Case, seed: int) -> Counts:
    """Play a script that invalidates everything at the end of a deploy, and tries until it is let through."""
    uploads = case.uploads(seed)
    world, cloudfront = _world(case, seed, uploads)
    client = cloudfront.client(lambda *_: None)

    def is_done(distribution: str) -> bool:
        try:
            call(world, client, distribution, ["/*"])
        except ClientError:
            return False
        return True

    def script() -> None:
        for distribution in cloudfront.edges:
            while not is_done(distribution):
                pass

    world.after(uploads[-1].at, lambda: world.spawn(script))
    return _run(world, Watch(world, cloudfront, case, uploads))


def bound(case: Case, seed: int) -> Counts:
    """Return the least money and the least seconds, each by itself: no way has both.

    The money is that of one plan of all changes at once, which evicts nothing else. The seconds are those of a function
    that calls at once whenever an object changes, and finds ten calls left for the last one.
    """
    rng, uploads = random.Random(seed), case.uploads(seed)  # noqa: S311
    told = [upload.at + rng.uniform(*NOTIFIED) for upload in uploads]
    called = [max(0.0, number + 1 - BURST) / RATE for number in range(case.distributions)]
    known = max(wait + rng.uniform(*CALLED) + rng.uniform(*FORGOTTEN) for wait in called)
    alone = [
        at - upload.at + rng.uniform(*CALLED) + rng.uniform(*FORGOTTEN)
        for at, upload in zip(told, uploads, strict=True)
    ]
    return Counts(
        usd=usd_for(_fewest_paths(case.changed) * case.distributions),
        calls=case.distributions,
        refused=0,
        median=median(alone),
        last=max(told) + known - uploads[-1].at,
        evicted=0,
        stale=0,
    )


@cache
def _fewest_paths(changed: str) -> int:
    changes = [ObjectChange(BUCKET, ObjectKey(key), key) for key in changed_keys(changed)]

    def listed(_bucket: str, prefix: str) -> list[ObjectKey]:
        return [ObjectKey(key) for key in keys_of(changed) if key.startswith(prefix)]

    plan = make_plan(
        changes,
        [Distribution(DistributionId("E1"))],
        View(),
        allowance=Allowance(saving=WILDCARDS),
        list_objects=listed,
    )
    return sum(len(batch.items) for batch in plan.batches)


WAYS: Final[dict[str, Callable[[Case, int], Counts]]] = dict(
    zip(
        figures.WAYS,
        (ours, partial(ours, spread=1.0), partial(ours, spread=1.0, cold=1.0), one_an_object, flush, bound),
        strict=True,
    )
)


def _world(case: Case, seed: int, uploads: list[Upload]) -> tuple[World, CloudFront]:
    world, versions = World(seed), dict[str, int]()
    cloudfront = CloudFront(world, CALM, [f"E{number}" for number in range(1, case.distributions + 1)])

    def write(number: int, key: str) -> None:
        for distribution, url in product(cloudfront.edges, urls_of(key)):  # somebody has just looked
            cloudfront.view(distribution, url, versions.get(key))
        versions[key] = number

    for number, upload in enumerate(uploads):
        world.after(upload.at, partial(write, number, upload.key))
    return world, cloudfront


def _run(world: World, watch: Watch) -> Counts:
    try:
        world.run(inf)
    finally:
        world.close()
    return watch.counts()
