"""A simulated day of a site, and every number of it that CloudWatch would have.

The handler is the real one, and its metrics are those that it sends. The figures of the queue and of the function are
those of the simulated ones. Nothing goes wrong but what the day is about (one distribution is forbidden for half an
hour, and in the evening another program of the account takes most of its calls to CloudFront), and what CloudFront's
quotas refuse.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any, Final

from invalidator import handler
from invalidator.handler import Edge, LocalContext
from invalidator.planning.coalesce import Allowance
from tests.doubles.cloudfront import DENIED
from tests.simulation.function import Context
from tests.simulation.story import HOUR, Story, Upload
from tests.simulation.weather import Deployment
from tests.simulation.world import World

DAY: Final = 24 * HOUR
DAYS: Final = 14
"""As many are drawn where the period is a day; all but the last are quiet."""

FUNCTION, QUEUE, DEAD_LETTERS = "${InvalidateLambdaFunction}", "${Queue.QueueName}", "${DeadLetters.QueueName}"
DISTRIBUTIONS: Final = {"E1": "E1A2B3C4D5E6F7", "E2": "E7F6D5C4B3A2E1"}
FORBIDDEN: Final = ("E2", 14.0 * HOUR, 14.5 * HOUR)
"""A distribution, from when, and until when."""

CROWDED: Final = (18.895 * HOUR, 18.91 * HOUR)
"""While another program calls CloudFront once a second."""

_AS_DEPLOYED: Final = Deployment(allowance=Allowance(300, 15))
"""With ``--param max-paths=300``, so that there are wildcards to be seen."""

_LOOK_SECONDS: Final = 5.0
_KEPT_SECONDS: Final = 600.0
"""Time after which an idle environment of the function is gone: an assumption, since Lambda promises nothing."""

# Hour, number of objects, and objects a second: at noon a new design, later two while a distribution is forbidden.
_DEPLOYS: Final = (
    *((6.6, 45, 20.0), (8.2, 160, 20.0), (9.5, 240, 50.0), (10.7, 90, 20.0), (12.0, 3_000, 250.0), (13.3, 110, 20.0)),
    *((14.1, 60, 20.0), (14.484, 80, 20.0), (15.6, 220, 50.0), (17.0, 75, 20.0), (18.9, 350, 20.0), (21.3, 50, 20.0)),
)
_PAGES: Final = 3_200

Numbers = dict[tuple[str, str], list[tuple[float, float]]]
"""Seconds and values, by the name of a metric and what it is of: a queue, a function, a distribution, or all."""


class Day(Story):
    """What is uploaded, and what everybody sees of it."""

    def __init__(self, seed: int, deploys: tuple[tuple[float, int, float], ...] = _DEPLOYS) -> None:
        rng = Random(f"day {seed}")  # noqa: S311 it has to be the same again
        function = Watched()
        super().__init__(
            seed,
            calm=True,
            handle=function.handle,
            deployment=_AS_DEPLOYED,
            uploads=sorted(_uploads(rng, deploys), key=lambda upload: upload.at),
            distributions=len(DISTRIBUTIONS),
        )
        self.numbers: Numbers = function.numbers
        self._sent: dict[str, float] = {}
        for key in _keys():
            self.bucket.write(key)
        self.queue.storing.append(self._note_sent)

    def forbid(self, distribution: str, start: float, end: float) -> None:
        """Have every call for a distribution refused for a while."""
        self.world.after(start, partial(self._break, distribution))
        self.world.after(end, partial(self._heal, distribution))

    def crowd(self, start: float, end: float) -> None:
        """Have another program of the account call CloudFront each second for a while."""
        for second in range(int(start), int(end)):
            self.world.after(float(second), self.cloudfront._let_through)

    def played(self) -> Numbers:
        """Play it, with all of its checks, and tell the numbers of the day."""
        self.world.after(0.0, self._look)
        self.play()
        for at, document in self.metrics:
            for name, values in document.values.items():
                for of in {"", DISTRIBUTIONS.get(document.distribution or "", "")}:
                    self.numbers[name, of] += [(at, value) for value in values]
        return {key: [(at, value) for at, value in found if at < DAY] for key, found in self.numbers.items()}

    def _break(self, distribution: str) -> None:
        super()._break(distribution)
        self.cloudfront.double.broken[distribution] = DENIED

    def _mend(self) -> None:
        self.world.run(DAY)  # the operator comes tomorrow
        super()._mend()

    def _note_sent(self, _body: str) -> None:
        if self.queue.messages:
            self._sent.setdefault(next(reversed(self.queue.messages)), self.world.now)

    def _look(self) -> None:
        now, messages = self.world.now, self.queue.messages.values()
        hidden = [message for message in messages if message.visible_at > now]
        delayed = sum(message.received == 0 for message in hidden)
        seen = {
            "ApproximateNumberOfMessagesVisible": len(messages) - len(hidden),
            "ApproximateNumberOfMessagesNotVisible": len(hidden) - delayed,
            "ApproximateNumberOfMessagesDelayed": delayed,
            "ApproximateAgeOfOldestMessage": max((now - self._sent[message.id] for message in messages), default=0.0),
        }
        for name, value in seen.items():
            self.numbers[name, QUEUE].append((now, value))
        self.numbers["ApproximateNumberOfMessagesVisible", DEAD_LETTERS].append((now, len(self.queue.dead)))
        if now < DAY:
            self.world.after(_LOOK_SECONDS, self._look)


class Watched:
    """The handler, as Lambda sees it."""

    def __init__(self) -> None:
        self.numbers: Numbers = defaultdict(list)
        self._idle_since: list[float] = []

    def handle(self, event: object, context: LocalContext, edge: Edge) -> dict[str, Any]:
        """Handle an event, and note when, how long it took, and whether it had to start first."""
        assert isinstance(context, Context)
        world, begun = context.world, context.world.now
        self._start(world)
        for name in ("Errors", "Throttles"):
            self.numbers[name, FUNCTION].append((begun, 0.0))  # as none fails: what is refused is stored
        answer = handler.lambda_handler(event, context, edge)
        self.numbers["Duration", FUNCTION].append((world.now, 1_000 * (world.now - begun)))
        self._idle_since.append(world.now)
        return answer

    def _start(self, world: World) -> None:
        self._idle_since = [since for since in self._idle_since if since > world.now - _KEPT_SECONDS]
        if self._idle_since:
            self._idle_since.pop()
        else:
            self.numbers["ColdStart", FUNCTION].append((world.now, 1.0))


def fortnight(seed: int) -> Numbers:
    """The numbers of some days, of which the last begins at zero and has the trouble."""
    today = Day(seed)
    today.forbid(*FORBIDDEN)
    today.crowd(*CROWDED)
    found: Numbers = defaultdict(list, today.played())
    for ago in range(1, DAYS):
        for key, numbers in Day(seed + ago, _quiet(seed + ago)).played().items():
            found[key] = [(at - ago * DAY, value) for at, value in numbers] + found[key]
    return found


def _quiet(seed: int) -> tuple[tuple[float, int, float], ...]:
    """The deploys of another day: fewer on some, and none that is large."""
    rng = Random(f"quiet {seed}")  # noqa: S311 it has to be the same again
    return tuple((rng.uniform(7, 20), rng.randint(20, 200), 20.0) for _ in range(rng.randint(1, 6)))


def _keys() -> Iterator[str]:
    yield "index.html"
    for number in range(_PAGES):
        yield f"{('blog', 'docs', 'shop')[number % 3]}/{number // 40:02}/{number}.html"
        yield f"images/{number // 100:02}/{number}.jpg"
    yield from (f"archive/{number // 50:02}/{number}.html" for number in range(_PAGES))


def _uploads(rng: Random, deploys: tuple[tuple[float, int, float], ...]) -> Iterator[Upload]:
    keys = [key for key in _keys() if not key.startswith("archive/")]
    for hour, number, rate in deploys:
        chosen = sorted(rng.sample(keys, number))  # the order in which they are synced
        yield from (Upload(hour * HOUR + place / rate, key) for place, key in enumerate(chosen))
    at = 6 * HOUR
    while (at := at + rng.expovariate(1 / 1_500)) < 23 * HOUR:  # editors
        yield Upload(at, rng.choice(keys))
