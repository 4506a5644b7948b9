"""Waiting until invalidations are completed, on a clock that is moved."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import CdnError, InProgressError, ThrottledError, UnavailableError, UnknownIdError
from invalidator.model import DistributionId, Invalidation
from invalidator.operator.completion import Completion, until_completed
from tests.doubles.clock import Clock

E1, E2 = DistributionId("E1"), DistributionId("E2")


def completing(
    clock: Clock, ends: dict[tuple[DistributionId, str], float]
) -> Callable[[DistributionId, str], Invalidation]:
    """A CloudFront whose invalidations are completed at these times."""

    def look(distribution: DistributionId, id_: str) -> Invalidation:
        status = "Completed" if clock.now >= ends[distribution, id_] else "InProgress"
        return Invalidation(distribution, id_, status, datetime.now(UTC))

    return look


def waited(
    clock: Clock, accepted: list[tuple[DistributionId, str]], look: Callable[[DistributionId, str], Invalidation]
) -> list[Completion]:
    def pause(seconds: float) -> None:
        assert 0 < seconds <= 5
        clock.now += seconds

    return list(until_completed(accepted, look, lambda: clock.left, pause))


@given(st.lists(st.floats(0, 300), max_size=6), st.floats(1, 200))
def test_each_comes_once_as_soon_as_it_is_completed_and_none_too_late(times: list[float], limit: float) -> None:
    clock = Clock(limit)
    ends: dict[tuple[DistributionId, str], float] = {(E1, f"I{number}"): end for number, end in enumerate(times)}
    seen: dict[str, float] = {}
    look = completing(clock, ends)

    def pause(seconds: float) -> None:
        clock.now += seconds

    for end in until_completed(ends, look, lambda: clock.left, pause):
        assert end.invalidation not in seen
        seen[end.invalidation] = clock.now
        expected = ends[E1, end.invalidation]
        if end.error is None:
            assert expected <= clock.now < expected + 5.001
        else:
            assert isinstance(end.error, InProgressError)
            assert "'invalidator status' shows its progress" in str(end.error)
            assert expected > limit - 0.001
    assert len(seen) == len(times)
    assert clock.now <= limit + 0.001


def test_it_looks_soon_and_then_gently() -> None:
    clock, looks = Clock(60.0), list[float]()
    look = completing(clock, {(E1, "I1"): 40.0})

    def noting(distribution: DistributionId, id_: str) -> Invalidation:
        looks.append(clock.now)
        return look(distribution, id_)

    assert waited(clock, [(E1, "I1")], noting) == [Completion(E1, "I1")]
    assert looks == [1, 3, 6, 10, 15, 20, 25, 30, 35, 40]


def test_what_is_completed_is_not_looked_at_again() -> None:
    clock, looks = Clock(), list[tuple[DistributionId, str]]()
    look = completing(clock, {(E1, "I1"): 0.0, (E2, "I2"): 20.0})

    def noting(distribution: DistributionId, id_: str) -> Invalidation:
        looks.append((distribution, id_))
        return look(distribution, id_)

    assert waited(clock, [(E1, "I1"), (E2, "I2"), (E1, "I1")], noting) == [Completion(E1, "I1"), Completion(E2, "I2")]
    assert looks.count((E1, "I1")) == 1


def test_what_is_completed_at_the_same_time_is_seen_at_the_same_look() -> None:
    clock = Clock()
    ends: dict[tuple[DistributionId, str], float] = {(E1, f"I{number}"): 0.0 for number in range(4)}
    assert waited(clock, list(ends), completing(clock, ends)) == [Completion(*one) for one in ends]
    assert clock.now == 1


@pytest.mark.parametrize("error", [ThrottledError("slow down"), UnavailableError("no answer")])
def test_what_passes_is_waited_for(error: CdnError) -> None:
    clock = Clock()
    look = completing(clock, {(E1, "I1"): 0.0})

    def failing(distribution: DistributionId, id_: str) -> Invalidation:
        if clock.now < 10:
            raise error
        return look(distribution, id_)

    assert waited(clock, [(E1, "I1")], failing) == [Completion(E1, "I1")]


def test_one_that_cannot_be_seen_does_not_hold_up_the_others() -> None:
    clock, gone = Clock(), UnknownIdError("gone")
    look = completing(clock, {(E1, "I1"): 0.0, (E2, "I2"): 9.0})

    def failing(distribution: DistributionId, id_: str) -> Invalidation:
        if id_ == "I1":
            raise gone
        return look(distribution, id_)

    assert waited(clock, [(E1, "I1"), (E2, "I2")], failing) == [Completion(E1, "I1", gone), Completion(E2, "I2")]


def test_nothing_is_waited_for_if_nothing_was_accepted() -> None:
    clock = Clock()
    assert waited(clock, [], completing(clock, {})) == []
    assert clock.now == 0
