"""Five deploys through the simulated AWS: one call an object, one flush of everything, and ours, beside each other.

Nothing goes wrong, but the documented quotas hold: the account's rate of calls, and paths in progress. All three ways
meet the same uploads, and edges that have cached every URL of an object before it changes. The scorer counts the
evicted objects, and the edges tell which objects stay stale; neither asks the planner.
"""

import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from multiprocessing import get_context
from statistics import median
from typing import Final, NamedTuple, cast

from benchmarks import figures
from benchmarks.figures import Deploy
from benchmarks.per_object import PerObject, call
from benchmarks.scores import score
from benchmarks.sites import Blog, blog, urls_of, urls_of_all
from invalidator.model import Allowance
from tests.simulation.cloudfront import PLAIN, WILDCARDS, CloudFront
from tests.simulation.story import Story, Upload
from tests.simulation.weather import CALM, Deployment
from tests.simulation.world import World

UPLOADS_A_SECOND: Final = 100.0
DISTRIBUTIONS: Final = (1, 2)
SEEDS: Final = 5
NOTIFIED: Final = (0.1, 2.0)
"""Seconds from an upload to its notification, as in the other simulations."""
PAGE: Final = 1_000
"""Keys in a page of a listing."""

ALLOWANCE: Final = Allowance(PLAIN, WILDCARDS)
"""The default allowance of a plan."""


class Counts(NamedTuple):
    """The figures of one deploy: the fields of the same names in the results."""

    calls: float
    refused: float
    paths: float
    evicted: float
    drained: float
    stale_objects: float
    stale_directories: float


class Played(NamedTuple):
    """The account after a deploy, and the version that each key has in the bucket."""

    cloudfront: CloudFront
    versions: dict[str, int | None]


Way = Callable[[int, Blog, list[Upload], int], Played]


def uploads_of(keys: Iterable[str]) -> list[Upload]:
    """Return the uploads of a deploy, in the order of the keys."""
    return [Upload(number / UPLOADS_A_SECOND, key) for number, key in enumerate(sorted(keys))]


# --- three ways -----------------------------------------------------------------------------------------


def one_an_object(seed: int, _site: Blog, uploads: list[Upload], distributions: int) -> Played:
    """Play the handler that is pasted everywhere."""
    world, played = _world(seed, uploads, distributions)
    function = PerObject(world, played.cloudfront, list(played.cloudfront.edges))
    for upload in uploads:
        world.after(upload.at + world.rng.uniform(*NOTIFIED), partial(function.notify, upload.key))
    return _run(world, played)


def flush(seed: int, _site: Blog, uploads: list[Upload], distributions: int) -> Played:
    """Play a script that invalidates everything at the end of a deploy."""
    world, played = _world(seed, uploads, distributions)
    client = played.cloudfront.client(lambda *_: None)

    def script() -> None:
        for distribution in played.cloudfront.edges:
            call(world, client, distribution, ["/*"])

    world.after(uploads[-1].at, lambda: world.spawn(script))
    return _run(world, played)


def ours(seed: int, site: Blog, uploads: list[Upload], distributions: int, window: float = 5.0) -> Played:
    """Play the stack with its defaults, or with another window."""
    deployment = Deployment(window=window, visibility=720 + window, allowance=ALLOWANCE)
    story = Story(seed, calm=True, deployment=deployment, uploads=uploads, distributions=distributions)
    story.bucket.keys, story.bucket.page = sorted(site.keys), PAGE
    story.play()
    return Played(story.cloudfront, story.versions)


WAYS: Final[dict[str, Way]] = dict(
    zip(figures.WAYS, (one_an_object, flush, ours, partial(ours, window=20.0)), strict=True)
)


def _world(seed: int, uploads: list[Upload], distributions: int) -> tuple[World, Played]:
    world = World(seed)
    cloudfront = CloudFront(world, CALM, [f"E{number}" for number in range(1, distributions + 1)])
    played = Played(cloudfront, {})
    for number, upload in enumerate(uploads):
        world.after(upload.at, partial(_upload, played, number, upload.key))
    return world, played


def _upload(played: Played, number: int, key: str) -> None:
    for distribution, url in product(played.cloudfront.edges, urls_of(key)):  # somebody has just looked
        played.cloudfront.view(distribution, url, played.versions.get(key))
    played.versions[key] = number


def _run(world: World, played: Played) -> Played:
    try:
        world.run(float("inf"))
    finally:
        world.close()
    return played


# --- figures ----------------------------------------------------------------------------------


def counted(played: Played, site: Blog, changed: list[str]) -> Counts:
    """Count what the edges hold and what CloudFront accepted."""
    cloudfront, called = played.cloudfront, played.cloudfront.called
    urls = urls_of_all(changed)
    scores = [score(set(cloudfront.double.paths(id_)), site.keys, changed, urls) for id_ in cloudfront.edges]
    stale_objects = stale_urls = 0
    for edge, key in product(cloudfront.edges.values(), changed):
        stale = [url for url in urls_of(key) if url in edge and edge[url] != played.versions[key]]
        stale_objects += f"/{key}" in stale
        stale_urls += len(stale)
    return Counts(
        calls=called.total(),
        refused=called["Throttling"] + called["TooManyInvalidationsInProgress"],
        paths=sum(len(each.paths) for each in cloudfront.double.accepted),
        evicted=sum(found.evicted for found in scores),
        drained=max(cloudfront.fresh_at.values(), default=0.0),
        stale_objects=stale_objects,
        stale_directories=stale_urls - stale_objects,
    )


def measured(step: Callable[[int, int], None]) -> list[Deploy]:
    """Play every deploy every way, on all processors."""
    cases, found = list(product(DISTRIBUTIONS, blog().deploys, WAYS)), list[Deploy]()
    # An interruption ends the pool; without this, each process would print a traceback of its own.
    with get_context("spawn").Pool(os.cpu_count(), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        for row in pool.imap(_measure, cases):
            found.append(row)
            step(len(found), len(cases))
    return found


def _measure(case: tuple[int, str, str]) -> Deploy:
    """Play one deploy one way with some seeds."""
    distributions, name, way = case
    site = blog()
    changed = site.deploys[name]
    uploads = uploads_of(changed)
    runs = [counted(WAYS[way](seed, site, uploads, distributions), site, changed) for seed in range(SEEDS)]
    medians = Counts(*(round(median(values), 1) for values in zip(*runs, strict=True)))
    deploy = {"name": name, "objects": len(changed), "urls": len(urls_of_all(changed))}
    return cast(Deploy, deploy | {"distributions": distributions, "way": way} | medians._asdict())
