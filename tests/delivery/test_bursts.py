"""Laws of bursts: what is alone goes at once, what is many waits, and nothing waits for ever or for a clock."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.delivery import brake
from invalidator.delivery.bursts import (
    MANY,
    SLOT_SECONDS,
    Arrivals,
    Burst,
    Verdict,
    Wait,
    joined,
    seconds_to_slot,
    verdict_on,
)

NOW = 1_795_000_000.0
MOST = Wait(0, 300)
SEND, HOLD, HOLD_IF_DEAR = Verdict

times = st.integers(-2_000, 2_000).map(lambda seconds: NOW + seconds)
bursts = st.builds(Burst, times, times)


def arrived(*received: tuple[float, int]) -> Arrivals:
    """The memory of a process that has received so many changes so many seconds ago, and is long up."""
    arrivals = Arrivals()
    for ago, new in ((1_000.0, 0), *received):
        arrivals.take(new, NOW - ago)
    return arrivals


def verdict(age: float, quiet: float, *received: tuple[float, int], wait: Wait = MOST) -> Verdict:
    """The end of changes of which the first was received so long ago, in a burst that last went on then."""
    arrivals = arrived(*received, (0.0, 0))
    burst = joined([Burst(NOW - age, NOW - quiet)], arrivals, NOW)
    return verdict_on(burst, arrivals, NOW, wait, has_waited=True)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ([(0, 1)], SEND),
        ([(0, MANY - 1)], SEND),
        ([(0, MANY)], HOLD),
        ([(19, 5), (0, 5)], HOLD),
        ([(21, 9), (0, 1)], SEND),  # an edit, and another one later
        ([(2 * number, 2) for number in range(8, -1, -1)], HOLD),  # a process that gets a part of a slow burst
    ],
)
def test_a_burst_begins_with_many_changes_within_seconds(received: list[tuple[float, int]], expected: Verdict) -> None:
    arrivals = arrived(*received)
    assert verdict_on(joined([], arrivals, NOW), arrivals, NOW, MOST, has_waited=False) == expected


@pytest.mark.parametrize(
    ("quiet", "received", "expected"),
    [
        (5, [], HOLD),
        (6, [], SEND),
        (100, [(0, 3)], HOLD),  # new ones have just come
        (100, [(5, 3)], HOLD),  # this process has seen some in an earlier event
        (100, [(0, 2)], SEND),  # a lone upload or two do not keep others waiting
    ],
)
def test_a_burst_is_over_when_none_has_come_for_a_while(
    quiet: float, received: list[tuple[float, int]], expected: Verdict
) -> None:
    assert verdict(30, quiet, *received) == expected


def test_a_process_that_has_just_begun_waits_twice_as_long() -> None:
    for quiet, expected in (6.0, HOLD), (12.0, SEND):
        arrivals = Arrivals()
        arrivals.take(0, NOW)
        burst = joined([Burst(NOW - 30, NOW - quiet)], arrivals, NOW)
        assert verdict_on(burst, arrivals, NOW, MOST, has_waited=True) == expected


def test_after_a_minute_it_is_asked_now_and_then_what_it_would_cost() -> None:
    asked = [age for age in range(0, 300, SLOT_SECONDS) if verdict(age, 0) == HOLD_IF_DEAR]
    assert asked == list(range(60, 300, 20))


@given(st.floats(0, 5), st.lists(st.floats(0, 2.5), min_size=48, max_size=48))
def test_it_is_asked_after_that_minute_however_late_a_delivery_is(since: float, late: list[float]) -> None:
    begun = NOW - NOW % SLOT_SECONDS + since
    arrivals = Arrivals()
    arrivals.take(0, begun - 100)
    asked = []
    for slot, seconds in enumerate(late, 1):
        now = NOW - NOW % SLOT_SECONDS + slot * SLOT_SECONDS + seconds
        burst = joined([Burst(begun, now)], arrivals, now)
        if verdict_on(burst, arrivals, now, MOST, has_waited=True) == HOLD_IF_DEAR:
            asked.append(now - begun)
    assert 60 <= asked[0] <= 60 + SLOT_SECONDS + 2.5
    assert all(later - earlier <= 20 + 5 for earlier, later in pairwise(asked))


@given(st.integers(0, 900), bursts, st.lists(st.tuples(st.integers(0, 900), st.integers(0, 99)), max_size=9))
def test_nothing_waits_longer_than_it_may(most: int, burst: Burst, received: list[tuple[int, int]]) -> None:
    arrivals = arrived(*sorted(received, reverse=True))
    waiting = joined([burst, Burst(NOW - most, NOW)], arrivals, NOW)
    assert verdict_on(waiting, arrivals, NOW, Wait(0, most), has_waited=True) == SEND


@given(
    st.integers(1, 900), st.integers(0, 900), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 99)), max_size=9)
)
def test_where_the_budget_runs_out_everything_waits_as_long_as_it_must(
    least: int, most: int, received: list[tuple[int, int]]
) -> None:
    arrivals = arrived(*sorted(received, reverse=True))
    new = joined([], arrivals, NOW)
    assert verdict_on(new, arrivals, NOW, Wait(least, most), has_waited=False) == HOLD
    for age, expected in (least - 1, HOLD), (max(least, most), SEND):
        burst = joined([Burst(NOW - age, NOW)], arrivals, NOW)
        assert verdict_on(burst, arrivals, NOW, Wait(least, most), has_waited=True) == expected


@given(st.lists(bursts, max_size=5), times)
def test_no_clock_of_another_process_makes_anything_wait(waiting: list[Burst], now: float) -> None:
    arrivals = Arrivals()
    arrivals.take(99, now + 3_600)  # then the clock is set back
    arrivals.take(0, now)
    burst = joined(waiting, arrivals, now)
    assert burst.since <= burst.going_on <= now
    assert -inf < burst.since


@given(times, st.sampled_from([SLOT_SECONDS, brake.LONG_SLOT_SECONDS]))
def test_what_is_held_meets_at_the_next_slot(now: float, slot: int) -> None:
    assert 1 <= seconds_to_slot(now, slot) <= slot
    assert (int(now) + seconds_to_slot(now, slot)) % slot == 0
