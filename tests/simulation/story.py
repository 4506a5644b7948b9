"""One world from its first upload to its last check."""

import json
import os
import random
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from urllib.parse import quote_plus

from invalidator import handler
from invalidator.model import EXACT, Allowance
from invalidator.runtime.log import logger
from invalidator.runtime.metrics import Document
from tests.doubles.cloudfront import DENIED
from tests.simulation.cloudfront import CloudFront, Place, clearing
from tests.simulation.function import DEAD_LETTERS_URL, URL, Aws, Function, Handler, places_of
from tests.simulation.s3 import Bucket
from tests.simulation.sqs import Message, Queue
from tests.simulation.weather import CALM, Deployment, weather_of, widening_of
from tests.simulation.world import BEGINNING, World

HOUR = 3_600.0
GONE = ("NoSuchDistribution", 404)
UNCHANGING = [f"{directory}/{n}.txt" for directory in ("posts", "posts/1", "img", "assets", "all") for n in range(9)]
"""Objects that nobody uploads again, beside all those that are."""


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
    last: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Upload:
    """A new version of an object, or its removal, at some time."""

    at: float
    key: str
    removed: bool = False


def viewed_at(key: str) -> list[str]:
    """Return the paths under which viewers ask for an object."""
    paths = ["/" + key.replace(" ", "%20")] + (["/" + key.replace(" ", "+")] if " " in key else [])
    return paths + [path.removesuffix("index.html") for path in paths if path.endswith("/index.html")]


def uploads_of(rng: Random, bad_paths: int) -> list[Upload]:
    """Return the uploads of an hour: a few deploys, some of them large, over the same keys again and again."""
    keys = ["index.html", *(f"posts/{n}/index.html" for n in range(20)), *(f"img/a {n}.jpg" for n in range(5))]
    keys += [f"assets/{n}.css" for n in range(40)]
    uploads: list[Upload] = []
    for _ in range(rng.randint(1, 5)):
        at = rng.uniform(0, HOUR / 2)
        if rng.random() < 0.03:
            chosen = [f"all/{n}.html" for n in range(rng.randint(2_900, 7_000))]
            gap = 0.003
        else:
            chosen = [rng.choice(keys) for _ in range(rng.randint(1, rng.choice([2, 10, 60])))]
            gap = rng.choice([0.0, 0.02, 1.0])
        for _ in range(bad_paths):
            place = rng.randrange(len(chosen))
            chosen[place] = f"bad/{chosen[place].removeprefix('bad/')}"
        for key in chosen:
            uploads.append(Upload(at, key, removed=rng.random() < 0.1))
            at += gap
    return sorted(uploads, key=lambda upload: upload.at)


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
        self.uploads = uploads if uploads is not None else uploads_of(rng, weather.bad_paths)
        # Drawn last, so that given uploads do not change the rest of the world.
        drawn, unlisted = widening_of(rng) if uploads is None else (EXACT, 0.0)
        self.weather = CALM if calm else replace(weather, unlisted=unlisted)
        self.distributions = [f"E{number}" for number in range(1, count + 1)]
        self.seed, self.world = seed, World(seed)
        self.deployment = deployment or Deployment()
        self.allowance = self.deployment.allowance or drawn
        self.queue = Queue(self.world, self.deployment.visibility, self.deployment.receives)
        self.cloudfront = CloudFront(self.world, self.weather, self.distributions)
        self.bucket = Bucket(UNCHANGING)
        self.metrics: list[tuple[float, Document]] = []
        aws = Aws(self.queue, self.cloudfront, self.bucket, self.allowance, self.metrics)
        self.function = Function(self.world, self.weather, self.deployment, aws, handle)
        self.versions: dict[str, int | None] = {}
        self.keys = {path: upload.key for upload in self.uploads for path in viewed_at(upload.key)}
        self.bad = {path for path, key in self.keys.items() if key.startswith("bad/")} if not calm else set()
        self.cloudfront.bad |= self.bad
        self.broken: set[str] = set()
        self.report = Report(seed)
        self._expected = 0  # notifications on their way
        self._changed_at: dict[str, float] = {}  # by message id
        self._stored: Counter[Place] = Counter()
        self._may_bill: Counter[Place] = Counter()
        self.queue.storing.append(self._note_stored)
        self.queue.deleting.append(self._check_acknowledged)
        self.function.delivering.append(self._note_delivered)

    # --- what happens -----------------------------------------------------------------------------------

    def play(self) -> Report:
        """Play the world and check everything. Raises AssertionError."""
        with _environment(self.distributions, self.allowance):
            random.seed(self.seed)
            try:
                self._schedule()
                self._run_until_quiet()
                self._check_end()
                self._mend()
                self._run_until_quiet()
                self._check_mended()
            finally:
                self.world.close()
        return self._summary()

    def _schedule(self) -> None:
        world, rng = self.world, self.world.rng
        self._expected = len(self.uploads)
        for number, upload in enumerate(self.uploads):
            world.after(upload.at, partial(self._upload, number, upload))
        for distribution in self.distributions:
            if world.happens(self.weather.broken):
                start, seconds = rng.uniform(0, HOUR / 2), rng.choice([60.0, 600.0, 3 * HOUR]) * rng.uniform(0.5, 1)
                world.after(start, partial(self._break, distribution))
                world.after(start + seconds, partial(self._heal, distribution))

    def _upload(self, number: int, upload: Upload) -> None:
        world, weather = self.world, self.weather
        for path in viewed_at(upload.key):
            for distribution in self.distributions:  # so that every edge has the old version
                self.cloudfront.view(distribution, path, self.versions.get(upload.key))
        self.versions[upload.key] = None if upload.removed else number
        (self.bucket.remove if upload.removed else self.bucket.write)(upload.key)
        body, changed_at = json.dumps(_notification(number, upload)), world.now
        for _ in range(2 if world.happens(weather.notified_twice) else 1):
            late = world.rng.uniform(60, 600) if world.happens(weather.late) else world.rng.uniform(0.1, 2.0)
            self._expected += 1
            world.after(late, lambda: self._notify(body, changed_at))
        self._expected -= 1
        if world.happens(0.3):
            world.after(world.rng.uniform(0, 60), lambda: self._look_at(upload.key))

    def _notify(self, body: str, changed_at: float) -> None:
        self._expected -= 1
        self.queue.send(body)
        self._changed_at[next(reversed(self.queue.messages))] = changed_at

    def _look_at(self, key: str) -> None:
        for path in viewed_at(key):
            self.cloudfront.view(self.world.rng.choice(self.distributions), path, self.versions[key])

    def _break(self, distribution: str) -> None:
        self.world.note(f"{distribution} breaks")
        self.broken.add(distribution)
        self.cloudfront.double.broken[distribution] = self.world.rng.choice([DENIED, GONE])

    def _heal(self, distribution: str) -> None:
        self.world.note(f"{distribution} works again")
        self.cloudfront.double.broken.pop(distribution, None)

    def _mend(self) -> None:
        """Do the work of an operator: remove the cause, and send the dead letters back."""
        self.report.letters = len(self.queue.dead)
        self.world.note("everything is mended, and the dead letters go back")
        self.function.weather = self.cloudfront._weather = CALM
        for distribution in self.distributions:
            self._heal(distribution)
        self.queue.redrive()

    def _run_until_quiet(self) -> None:
        limit = self.world.now + 48 * HOUR
        while self._expected or self.queue.messages or self.function.running:
            self.world.run(self.world.now + 300)
            assert self.world.now < limit, "it never comes to rest"
            self.world.after(300, lambda: None)
        self.world.run(self.world.now + 60)  # until all edges know of what was accepted

    # --- what has to be true ----------------------------------------------------------------------------

    def _note_stored(self, body: str) -> None:
        ticket = places_of(body)
        if ticket is not None:
            self.report.tickets += 1
            self._stored.update(ticket)

    def _note_delivered(self, messages: list[Message]) -> None:
        """Count the deliveries that may be billed: each of a notification, and each of a ticket but the first."""
        for message in messages:
            ticket = places_of(message.body)
            if ticket is None or message.received > 1:
                self._may_bill.update(ticket or self._viewed(message))

    def _check_acknowledged(self, message: Message) -> None:
        """Check that all of a message was accepted after the change, or is stored elsewhere."""
        ticket, accepted_at = places_of(message.body), self.cloudfront.accepted_at
        if ticket is None:
            since = self._changed_at[message.id]
        else:
            self._stored.subtract(ticket)
            since = _seconds_of(json.loads(message.body)["since"])
        for place in ticket or self._viewed(message):
            fine = any(accepted_at.get(item, -1.0) >= since or self._stored[item] > 0 for item in clearing(place))
            assert fine, f"{place} of {message.id} was acknowledged, and neither accepted nor stored"

    def _viewed(self, notification: Message) -> list[Place]:
        key = self.uploads[_number_of(notification.body)].key
        return [(id_, path) for id_ in self.distributions for path in viewed_at(key)]

    def _stale(self) -> set[Place]:
        return {
            (distribution, path)
            for distribution, edge in self.cloudfront.edges.items()
            for path, version in edge.items()
            if version != self.versions.get(self.keys[path])
        }

    def _check_end(self) -> None:
        dead = {place for letter in self.queue.dead for place in places_of(letter.body) or self._viewed(letter)}
        missing = [place for place in self._stale() if dead.isdisjoint(clearing(place))]
        assert not missing, f"stale and in no dead letter: {sorted(missing)[:5]}"
        for letter in self.queue.dead:
            for distribution, path in places_of(letter.body) or []:
                # The queue itself gives up a message that was received too often, as after several crashes.
                given_up = letter.received > self.deployment.receives
                fine = given_up or distribution in self.broken or path in self.bad
                assert fine, f"{distribution} works, and {path} was given up: {letter.body[:300]}"
        self._check_bill()

    def _check_mended(self) -> None:
        assert self._stale() <= {(id_, path) for id_ in self.distributions for path in self.bad}
        self._check_bill()

    def _check_bill(self) -> None:
        """Check that each billed item has a delivery of its own of something that it clears.

        The numbers alone tell, because of two items that clear the same path, one clears everything the other does.
        """
        accepted = self.cloudfront.double.accepted
        billed = Counter((each.distribution, path) for each in accepted for path in each.paths)
        all_billed, may_bill = _below(billed, billed), _below(billed, self._may_bill)
        for place, times in all_billed.items():
            allowed = may_bill[place]
            assert times <= allowed, f"{place} was billed {times} times, and delivered {allowed} times"

    def _summary(self) -> Report:
        report, called = self.report, self.cloudfront.called
        billed = [path for id_ in self.distributions for path in self.cloudfront.double.paths(id_)]
        report.answers, report.unlisted = called, self.bucket.unlisted
        report.uploads, report.accepted = len(self.uploads), called["accepted"]
        report.billed, report.wildcards = len(billed), sum(path.endswith("*") for path in billed)
        report.invocations, report.last = self.function.invocations, self.cloudfront.last_accepted
        return report


# --- small things ---------------------------------------------------------------------------------------


def _below(items: Collection[Place], numbers: Counter[Place]) -> Counter[Place]:
    """Return the sum of the numbers of all items that each item clears, its own included."""
    if not any(path.endswith("*") for _, path in items):
        return numbers  # no wildcards, as in most worlds
    sums: Counter[Place] = Counter()
    for place, number in numbers.items():
        for item in clearing(place):
            if item in items:
                sums[item] += number
    return sums


def _notification(number: int, upload: Upload) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventTime": (BEGINNING + timedelta(seconds=upload.at)).isoformat().replace("+00:00", "Z"),
                "eventName": "ObjectRemoved:Delete" if upload.removed else "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": "origin"},
                    "object": {"key": quote_plus(upload.key), "sequencer": f"{number:018X}"},
                },
            }
        ]
    }


def _number_of(body: str) -> int:
    return int(json.loads(body)["Records"][0]["s3"]["object"]["sequencer"], 16)


def _seconds_of(time: str) -> float:
    return (datetime.fromisoformat(time) - BEGINNING).total_seconds() if time else 0.0


@contextmanager
def _environment(distributions: list[str], allowance: Allowance) -> Iterator[None]:
    """Set the function up, without its log."""
    before, level = dict(os.environ), logger.log_level
    os.environ |= {
        "DISTRIBUTION_IDS": ",".join(distributions),
        "QUEUE_URL": URL,
        "DEAD_LETTERS_URL": DEAD_LETTERS_URL,
        "MAX_PATHS": str(allowance.paths),
        "MAX_WILDCARDS": str(allowance.wildcards),
        "LOSSLESS": {None: "", True: "on", False: "off"}[allowance.lossless],
    }
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        logger.setLevel(level)
