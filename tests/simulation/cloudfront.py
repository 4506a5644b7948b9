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
from tests.simulation.weather import Weather
from tests.simulation.world import World

_refusal = partial(client_error, "CreateInvalidation")

RATE, BURST = 0.5, 10.0
PLAIN, WILDCARDS = 3_000, 15


Place = tuple[str, str]
"""A distribution, and a path or wildcard on it."""


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
    was last accepted, ``fresh_at`` the time at which that reached the edges. ``called`` counts the calls by answer.
    """

    def __init__(self, world: World, weather: Weather, distributions: list[str]) -> None:
        self._world, self._weather = world, weather
        self.double = StrictCloudFront(set(distributions))
        self.edges: dict[str, dict[str, int | None]] = {id_: {} for id_ in distributions}
        self.accepted_at: dict[Place, float] = {}
        self.fresh_at: dict[Place, float] = {}
        self.called: Counter[str] = Counter()
        self.in_progress: dict[str, Counter[str]] = {id_: Counter() for id_ in distributions}
        self.references: dict[tuple[str, str], tuple[str, ...]] = {}
        self.bad: set[str] = set()  # paths that are refused as invalid
        self.last_accepted = 0.0
        self._tokens, self._refilled = BURST, 0.0

    def client(self, watch: "Callable[[str, list[str], str], None]") -> "Client":
        """Return the client of one invocation. ``watch`` is called with each call and its answer."""
        return Client(self, self._world, self._weather, watch)

    def view(self, distribution: str, path: str, version: int | None) -> None:
        """Let a viewer ask: on a miss, the edge fetches this version from the origin."""
        self.edges[distribution].setdefault(path, version)

    def answer(self, distribution: str, batch: Any) -> dict[str, Any]:
        """Answer a call at this moment."""
        paths, reference = batch["Paths"]["Items"], batch["CallerReference"]
        known = self.references.setdefault((distribution, reference), tuple(paths))
        assert known == tuple(paths), f"the reference {reference} was used with two contents"
        if not self._let_through():
            raise _refusal("Throttling", 400, "Rate exceeded")
        if self.bad.intersection(paths):
            raise client_error(
                "CreateInvalidation",
                "InvalidArgument",
                400,
                "Your request contains one or more invalid invalidation paths.",
            )
        before = len(self.double.accepted)
        wildcards = sum(path.endswith("*") for path in paths)
        new = not any((i.distribution, i.reference) == (distribution, reference) for i in self.double.accepted)
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
            self._accept(distribution, paths, wildcards)
        else:
            self.called["replayed"] += 1
        return answer

    def _accept(self, distribution: str, paths: list[str], wildcards: int) -> None:
        world, busy = self._world, self.in_progress[distribution]
        self.called["accepted"] += 1
        self.last_accepted = world.now
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
        for path in [path for path in edge if path.startswith(item[:-1])] if item.endswith("*") else [item]:
            edge.pop(path, None)

    def _let_through(self) -> bool:
        self._tokens = min(BURST, self._tokens + (self._world.now - self._refilled) * RATE)
        self._refilled = self._world.now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Client:
    """The client of the SDK. A call takes time on its way there and back, and either way may fail."""

    def __init__(
        self, cloudfront: CloudFront, world: World, weather: Weather, watch: Callable[[str, list[str], str], None]
    ) -> None:
        self._cloudfront, self._world, self._weather, self._watch = cloudfront, world, weather, watch

    def create_invalidation(self, *, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        paths = InvalidationBatch["Paths"]["Items"]
        try:
            answer = self._call(DistributionId, InvalidationBatch)
        except ClientError as error:
            self._note(DistributionId, InvalidationBatch, error.response["Error"]["Code"])
            raise
        except ReadTimeoutError:
            self._note(DistributionId, InvalidationBatch, "no answer")
            raise
        self._note(DistributionId, InvalidationBatch, "accepted")
        self._watch(DistributionId, paths, "accepted")
        return answer

    def get_distribution_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        world, weather = self._world, self._weather
        world.sleep(10.0 if world.happens(weather.hangs) else world.rng.uniform(0.1, 0.8))
        if world.happens(weather.unavailable):
            raise client_error("GetDistributionConfig", "ServiceUnavailable", 503, "not described")
        return self._cloudfront.double.get_distribution_config(Id=Id)

    def _note(self, distribution: str, batch: Any, result: str) -> None:
        paths = batch["Paths"]["Items"]
        self._world.note(f"{distribution} {batch['CallerReference'][-8:]} {len(paths)} {paths[:3]}: {result}")
        if result != "accepted":
            self._cloudfront.called[result] += 1
            self._watch(distribution, paths, result)

    def _call(self, distribution: str, batch: Any) -> dict[str, Any]:
        world, weather = self._world, self._weather
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
