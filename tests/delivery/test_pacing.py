"""Laws of the pauses after a failure: each is twice as long as the one before, and some failures end them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.delivery.pacing import MAX_CALLS, Pace, delay, is_hopeless, meeting, pause
from invalidator.errors import (
    CdnError,
    InProgressError,
    InvalidPathError,
    OutOfTimeError,
    ReferenceUsedError,
    ThrottledError,
    UnavailableError,
)
from invalidator.events.tickets import MAX_CROWDED
from invalidator.limits import MAX_DELAY_SECONDS
from invalidator.model import DistributionId, HeldChanges
from tests.doubles.carrying import batch_of


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 30), (1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 900), (7, 900), (10, 900), (1_000, 900)],
)
def test_each_attempt_is_twice_as_far_from_the_one_before(attempts: int, seconds: int) -> None:
    for error in (ThrottledError(), UnavailableError(), CdnError()):
        after = delay(replace(batch_of(1), attempts=attempts, crowded=9), error)
        assert after == seconds <= MAX_DELAY_SECONDS
        assert type(after) is int  # SQS takes no other


@pytest.mark.parametrize(
    ("crowded", "seconds"), [(0, 30), (1, 30), (2, 60), (3, 120), (4, 120), (5, 120), (MAX_CROWDED, 120)]
)
def test_a_distribution_without_room_is_asked_every_two_minutes(crowded: int, seconds: int) -> None:
    after = delay(replace(batch_of(1), crowded=crowded, attempts=9), InProgressError())
    assert after == seconds
    assert type(after) is int


@pytest.mark.parametrize("seconds", [30, 60, 120])
def test_what_has_found_no_room_meets_at_about_that_time(seconds: int) -> None:
    for now in (1_795_000_000.0, 1_795_000_059.9, 1_795_000_101.5):
        after = meeting(seconds, now)
        assert abs(after - seconds) <= seconds / 2
        assert (int(now) + after) % seconds == 0


def test_a_distribution_that_stays_full_is_given_up_after_an_hour() -> None:
    batches = [replace(batch_of(1), crowded=crowded) for crowded in range(1, MAX_CROWDED + 1)]
    *again, last = [is_hopeless(batch, InProgressError()) for batch in batches]
    assert (set(again), last) == ({False}, True)
    assert sum(delay(batch, InProgressError()) for batch in batches[:-1]) == 30 + 60 + 29 * 120 == 3_570


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (ThrottledError(), 10),
        (UnavailableError(), 10),
        (OutOfTimeError(), 10),
        (CdnError(), 5),
        (ReferenceUsedError(), 5),
        (InvalidPathError(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, CdnError) else None,
)
def test_what_passes_has_more_attempts_than_what_a_person_has_to_fix(error: CdnError, attempts: int) -> None:
    batches = [replace(batch_of(1), attempts=number, crowded=MAX_CROWDED) for number in range(13)]
    assert [batch.attempts for batch in batches if not is_hopeless(batch, error)] == list(range(attempts))


@pytest.mark.parametrize(("error", "hopeless"), [(OutOfTimeError(), False), (UnavailableError(), True)])
def test_changes_behind_others_that_are_learnt_are_never_given_up(error: CdnError, hopeless: bool) -> None:
    assert is_hopeless(HeldChanges((DistributionId("E1"),), (), attempts=10), error) is hopeless


@pytest.mark.parametrize("begun", [0.0, 7.0])
def test_calls_begun_at_one_instant_slow_the_next_ones_down_once(begun: float) -> None:
    once, often = Pace(), Pace()
    once.throttle(begun, begun, 0.0)
    for _ in range(8):
        often.throttle(begun, begun, 0.0)
    assert once == often
    often.throttle(begun + 1, begun + 2, 0.0)
    assert often.interval > once.interval > 0


@given(st.integers(0, 1_000))
def test_no_other_refusals_count_where_there_is_no_room(attempts: int) -> None:
    assert not is_hopeless(replace(batch_of(1), attempts=attempts), InProgressError())


@given(st.integers(1, MAX_CALLS), st.floats(0, 1))
def test_a_pause_is_twice_the_one_before_at_most_and_half_by_chance(calls: int, chance: float) -> None:
    assert pause(calls, chance) <= pause(calls, 1) == min(2 * pause(calls, 0), 20)
    assert pause(calls, chance) <= pause(calls + 1, chance) <= 2 * pause(calls, chance)
