"""CloudFront in time: the rate of calls, paths in progress, propagation, and edges that cache.

The strict double checks each single call.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.sdk import client_error
from tests.simulation.reading import Reader
from tests.simulation.sites import Place
from tests.simulation.weather import Weather
from tests.simulation.world import World

_refusal = partial(client_error, "CreateInvalidation")

RATE, BURST = 0.5, 10.0
PLAIN, WILDCARDS = 3_000, 15


def clearing(place: Place) -> Iterator[Place]:
    """Yield the items that clear an item: the same one, and each wider wildcard."""
    distribution, path = place
    yield place
    for item in _wider(path):
        yield distribution, item


@cache
def _wider(path: str) -> list[str]:
    prefix = path.removesuffix("*")
    return [f"{prefix[:end]}*" for end in range(1, len(prefix) + (prefix == path))]


class CloudFront:
    """The distributions of the account with their edges.

    ``edges`` are the versions that viewers get, by distribution and path. ``accepted_at`` is the time at which an item
    was last accepted, ``fresh_at`` the time at which that reached the edges. ``called`` counts the calls by answer,
    ``accepting`` is called with what is newly accepted, ``forgetting`` with each URL that an edge had and forgets.
    ``unreadable``, ``invalid`` and ``expired`` are troubles: what cannot be described and how, distributions that take
    no path, and credentials.
    """

    def __init__(self, world: World, weather: Weather, distributions: list[str]) -> None:
        self._world, self.weather = world, weather
        self.double = StrictCloudFront({id_ for id_ in distributions if not id_.startswith("dt_")})
        self.edges: dict[str, dict[str, int | None]] = {id_: {} for id_ in distributions}
        self.accepted_at: dict[Place, float] = {}
        self.fresh_at: dict[Place, float] = {}
        self.called: Counter[str] = Counter()
        self.in_progress: dict[str, Counter[str]] = {id_: Counter() for id_ in distributions}
        self.references: dict[tuple[str, str], tuple[str, ...]] = {}
        self.known: set[tuple[str, str]] = set()  # accepted references
        self.seconds: set[tuple[str, str]] = set()  # references of second clearings
        # References of parts of batches that were refused as invalid, and of batches of large plans.
        self.parts: set[tuple[str, str]] = set()
        self.wholes: set[tuple[str, str]] = set()
        self.accepting: list[Callable[[str, list[str]], None]] = []
        self.forgetting: list[Callable[[str, str], None]] = []
        self.bad: set[str] = set()  # paths that are refused as invalid
        self.unreadable: dict[str, str] = {}
        self.invalid: set[str] = set()
        self.expired = False
        self.last_accepted = 0.0
        self._tokens, self._refilled = BURST, 0.0

    def client(
        self, watch: Callable[[str, list[str], str], None], begin: Callable[[str], None] = lambda _: None
    ) -> "Client":
        """Return the client of one invocation.

        ``watch`` is called with each call and its answer, ``begin`` with the distribution as a call begins.
        """
        return Client(self, self._world, watch, begin)

    def view(self, distribution: str, path: str, version: int | None) -> None:
        """Let a viewer ask: on a miss, the edge fetches this version from the origin."""
        self.edges[distribution].setdefault(path, version)

    def answer(self, distribution: str, batch: Any) -> dict[str, Any]:
        """Answer a call at this moment."""
        paths, reference = batch["Paths"]["Items"], batch["CallerReference"]
        known = self.references.setdefault((distribution, reference), tuple(paths))
        assert known == tuple(paths), f"the reference {reference} was used with two contents"
        assert distribution in self.edges, f"{distribution} does not serve the bucket"
        if self.expired:
            raise _refusal("ExpiredToken", 403, "The security token included in the request is expired")
        if not self._let_through():
            raise _refusal("Throttling", 400, "Rate exceeded")
        # A distribution that is gone or forbidden says so, whatever the call holds and however full it is: AWS does
        # nothing before it has authorized a call.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/intro-structure.html (2026-11-29)
        is_refused = distribution in self.double.broken
        new = not is_refused and (distribution, reference) not in self.known
        if new and (distribution in self.invalid or self.bad.intersection(paths)):
            raise client_error(
                "CreateInvalidation",
                "InvalidArgument",
                400,
                "Your request contains one or more invalid invalidation paths.",
            )
        before = len(self.double.accepted)
        wildcards = sum(path.endswith("*") for path in paths)
        busy = self.in_progress[distribution]
        if new and (busy["plain"] + len(paths) - wildcards > PLAIN or busy["wild"] + wildcards > WILDCARDS):
            # An invalid call is refused first, whatever is in progress.
            raise client_error(
                "CreateInvalidation",
                "TooManyInvalidationsInProgress",
                400,
                "Processing your request will exceed a limit",
            )
        answer = self.double.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)
        if len(self.double.accepted) > before:
            self.known.add((distribution, reference))
            self._accept(distribution, paths, wildcards)
        else:
            self.called["replayed"] += 1
        return answer

    def _accept(self, distribution: str, paths: list[str], wildcards: int) -> None:
        world, busy = self._world, self.in_progress[distribution]
        self.called["accepted"] += 1
        self.last_accepted = world.now
        for listener in self.accepting:
            listener(distribution, paths)
        for path in paths:
            self.accepted_at[distribution, path] = world.now
        content = Counter(plain=len(paths) - wildcards, wild=wildcards)
        busy.update(content)

        def forget() -> None:
            for path in paths:
                self._forget(distribution, path)
                self.fresh_at[distribution, path] = world.now

        world.after(world.rng.uniform(0.5, 5.0), forget)
        world.after(world.rng.uniform(5.0, 25.0), lambda: busy.subtract(content))

    def _forget(self, distribution: str, item: str) -> None:
        edge = self.edges[distribution]
        had = [path for path in edge if path.startswith(item[:-1])] if item.endswith("*") else {item} & edge.keys()
        for path in had:
            del edge[path]
            for listener in self.forgetting:
                listener(distribution, path)

    def _let_through(self) -> bool:
        self._tokens = min(BURST, self._tokens + (self._world.now - self._refilled) * RATE)
        self._refilled = self._world.now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Client(Reader):
    """The client of the SDK. A call takes time on its way there and back, and either way may fail."""

    def __init__(
        self,
        cloudfront: CloudFront,
        world: World,
        watch: Callable[[str, list[str], str], None],
        begin: Callable[[str], None],
    ) -> None:
        super().__init__(world, lambda: cloudfront.weather, cloudfront.double, cloudfront.unreadable)
        self._cloudfront, self._watch, self._begin = cloudfront, watch, begin

    def create_invalidation(self, *, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        self._begin(DistributionId)
        try:
            answer = self._call(DistributionId, InvalidationBatch)
        except ClientError as error:
            self._note(DistributionId, InvalidationBatch, error.response["Error"]["Code"])
            raise
        except ReadTimeoutError:
            self._note(DistributionId, InvalidationBatch, "no answer")
            raise
        self._note(DistributionId, InvalidationBatch, "accepted")
        return answer

    def create_invalidation_for_distribution_tenant(self, *, Id: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        return self.create_invalidation(DistributionId=Id, InvalidationBatch=InvalidationBatch)

    def _note(self, distribution: str, batch: Any, result: str) -> None:
        paths = batch["Paths"]["Items"]
        self._world.note(f"{distribution} {batch['CallerReference'][-8:]} {len(paths)} {paths[:3]}: {result}")
        if result != "accepted":
            self._cloudfront.called[result] += 1
        self._watch(distribution, paths, result)

    def _call(self, distribution: str, batch: Any) -> dict[str, Any]:
        world, weather = self._world, self._weather()
        world.sleep(world.rng.uniform(0.05, 0.4))
        if world.happens(weather.unavailable):
            raise _refusal("ServiceUnavailable", 503, "before anything was done")
        answer = self._cloudfront.answer(distribution, batch)
        if world.happens(weather.hangs):
            world.sleep(10.0)
            raise ReadTimeoutError(endpoint_url="https://cloudfront.amazonaws.com")
        world.sleep(world.rng.uniform(0.05, 0.4))
        if world.happens(weather.unavailable):
            raise _refusal("InternalError", 500, "after it was accepted")
        return answer
