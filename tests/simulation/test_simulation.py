"""The promise, in many worlds; and proof that the worlds notice when it is broken."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import pytest
from botocore.exceptions import ClientError

from invalidator.aws import listings
from invalidator.delivery import pacing
from invalidator.handler import lambda_handler
from invalidator.model import Allowance, Item, UrlPath, Wide
from invalidator.planning import coalesce, planner
from invalidator.runtime.clients import Clients
from invalidator.runtime.start import get_ready
from tests.doubles.cloudfront import DENIED
from tests.doubles.packaged import Packages
from tests.simulation.cloudfront import PLAIN, WILDCARDS, CloudFront
from tests.simulation.function import Handler
from tests.simulation.many import Total, try_worlds
from tests.simulation.protections import PROTECTIONS, noticed_by
from tests.simulation.story import Story
from tests.simulation.troubles import GONE
from tests.simulation.weather import CALM, Deployment
from tests.simulation.world import World

CHECKED = (
    "GetBucketNotificationConfiguration",
    "GetQueueAttributes",
    "ListObjectVersions",
    "GetParameter",
    "PutParameter",
)
SEEDS = 100
"""As many here; CI plays 250 more, with ``make simulate``."""


def test_nothing_is_lost_and_nothing_doubled_in_many_worlds() -> None:
    total = Total()
    for result in try_worlds(range(SEEDS)):
        assert not result.failure, "\n".join(
            [*result.trace[-40:], result.failure, f"Again: make simulate SEED={result.seed}"]
        )
        total.add(result)
    assert total.worlds == SEEDS
    # Every kind of trouble occurred. Otherwise the worlds would prove nothing.
    answers = {"Throttling", "TooManyInvalidationsInProgress", "InvalidArgument", "AccessDenied", "NoSuchDistribution"}
    assert answers | {"ServiceUnavailable", "InternalError", "no answer", "replayed"} <= set(total.answers)
    assert set(total.unlisted) == {"AccessDenied", "SlowDown", "no answer"}
    troubles = {"replaced", "overlapping", "denied", "killed", "throttled", "retried", "twice"}
    repairs = {"Repaired", "repaired by hand", "allowed by hand", "CaughtUp", "NotCaughtUp"}
    assert troubles | repairs | {f"{name} fails" for name in CHECKED} <= set(total.connection)
    assert {f"not heard, {kind}" for kind in ("at once", "in parts", "deletes")} <= set(total.connection)
    assert total.tickets > 500
    assert total.wildcards > 200
    assert total.letters > 100
    assert total.exceeded() == []


def test_what_waits_is_counted_by_the_settings_under_which_it_was_stored() -> None:
    """In this world, what waits for the rest of its burst comes back when a distribution is configured again."""
    Story(3_419).play()


@pytest.mark.parametrize("how", [DENIED, GONE])
@pytest.mark.parametrize("path", ["/a", "/bad", "/a*"])
def test_a_distribution_that_refuses_does_so_whatever_else_is_wrong(path: str, how: tuple[str, int]) -> None:
    """A full one that answered some calls with that, and refused others, kept a failing queue busy for 20 hours."""
    cloudfront = CloudFront(World(0), CALM, ["E1", "E2"])
    cloudfront.double.broken["E1"] = how
    cloudfront.invalid.add("E1")
    cloudfront.bad.add("/bad")
    batch = {"Paths": {"Quantity": 1, "Items": [path]}, "CallerReference": "first"}
    for id_ in "E1", "E2":
        cloudfront.in_progress[id_].update(plain=PLAIN, wild=WILDCARDS)
    with pytest.raises(ClientError, match=how[0]):
        cloudfront.answer("E1", batch)
    with pytest.raises(ClientError, match="InvalidArgument" if path == "/bad" else "TooManyInvalidations"):
        cloudfront.answer("E2", batch)


def getting_ready() -> Handler:
    """Return a handler that gets each new process ready before its first event, as Lambda's import does."""
    ready: list[object] = []

    def handle(event: object, context: Any, clients: Clients) -> dict[str, Any]:
        catalog = clients.catalog()  # each process has its own
        if not any(catalog is known for known in ready):
            ready.append(catalog)
            get_ready(clients)
        return lambda_handler(event, context, clients)

    return handle


@pytest.mark.parametrize("seed", [*range(10), 69])
def test_nothing_is_lost_where_each_process_gets_ready(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCOVER_BUCKET", "origin")
    Story(seed, handle=getting_ready()).play()


WORLDS = 300
"""So many at most until a protection that is turned off is noticed."""


def caught(first: int = 0, **story: Any) -> bool:
    """Return true if one of these worlds fails. The ``first`` one played is one that failed before."""
    for seed in (*range(first, WORLDS), *range(first)):
        try:
            Story(seed, **story).play()
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_the_worlds_notice_when_a_protection_is_turned_off(protection: str) -> None:
    first = PROTECTIONS[protection].first
    assert noticed_by(protection, (*range(first, WORLDS), *range(first))) is not None


merged = coalesce._merged


def caused_by_the_first(path: str, group: list[Item], wide: Mapping[str, int | None]) -> Item:
    """Return a wildcard that knows the messages behind the first of its paths only."""
    return Item(UrlPath(path), group[0].causes, Wide(len(group), wide[path]) if path in wide else None)


def too_narrow(path: str, group: list[Item], wide: Mapping[str, int | None]) -> Item:
    """Return a wildcard that ends with the first of its paths."""
    return merged(path, group, wide)._replace(
        path=UrlPath(f"{group[0].path.removesuffix('*')}*" if path in wide else path)
    )


def for_ever(_listings: object, _bounds: object) -> float:
    return inf


def not_widened(items: tuple[Item, ...], *_: object, **__: object) -> coalesce.Coalesced:
    return coalesce.Coalesced(items)


@pytest.mark.parametrize(
    ("place", "name", "instead", "first"),
    [(pacing, "_SECONDS_UNTIL_ROOM", 1.0, 16), (pacing, "MAX_ITEMS_PER_CALL", 100_000, 31)],
)
def test_the_worlds_notice_when_a_rule_is_broken(
    place: object, name: str, instead: float, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, name, instead)
    assert caught(first)


@pytest.mark.parametrize(
    ("place", "name", "instead", "first"),
    [
        (coalesce, "_merged", caused_by_the_first, 1),
        (coalesce, "_merged", too_narrow, 0),
        (planner, "coalesce", not_widened, 3),
        (listings.Listings, "left", for_ever, 3),
    ],
)
def test_the_worlds_notice_when_widening_goes_wrong(
    place: object, name: str, instead: Callable[..., object], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, name, instead)
    assert caught(first, deployment=Deployment(allowance=Allowance(40)))


def test_a_world_is_the_same_each_time() -> None:
    first, again = Story(7), Story(7)
    assert first.play() == again.play()
    assert first.world.trace == again.world.trace
    assert Story(8).play() != first.report


def test_the_worlds_are_deployed_as_the_template_says(packages: Packages) -> None:
    def properties(name: str) -> Any:
        return packages["queue"].resources[name]["Properties"]

    mapping, queue = properties("InvalidateEventSourceMappingSQSQueue"), properties("Queue")
    assert Deployment() == Deployment(
        window=mapping["MaximumBatchingWindowInSeconds"],
        batch_size=mapping["BatchSize"],
        concurrency=mapping["ScalingConfig"]["MaximumConcurrency"],
        timeout=properties("InvalidateLambdaFunction")["Timeout"],
        visibility=queue["VisibilityTimeout"],
        receives=queue["RedrivePolicy"]["maxReceiveCount"],
    )
