"""Laws of the pauses after a failure: each is twice as long as the one before, and some failures end them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.delivery.pacing import MAX_CALLS, delay, is_hopeless, pause
from invalidator.errors import (
    CdnError,
    InProgressError,
    InvalidPathError,
    OutOfTimeError,
    ReferenceUsedError,
    ThrottledError,
    UnavailableError,
)
from invalidator.limits import MAX_DELAY_SECONDS


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 30), (1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 900), (7, 900), (10, 900), (1_000, 900)],
)
def test_each_attempt_is_twice_as_far_from_the_one_before(attempts: int, seconds: int) -> None:
    assert delay(attempts) == seconds <= MAX_DELAY_SECONDS
    assert type(delay(attempts)) is int  # SQS takes no other


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (ThrottledError(), 10),
        (InProgressError(), 13),
        (UnavailableError(), 10),
        (OutOfTimeError(), 10),
        (CdnError(), 5),
        (ReferenceUsedError(), 5),
        (InvalidPathError(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, CdnError) else None,
)
def test_what_passes_has_more_attempts_than_what_a_person_has_to_fix(error: CdnError, attempts: int) -> None:
    assert [number for number in range(13) if not is_hopeless(number, error)] == list(range(attempts))


@given(st.integers(1, MAX_CALLS), st.floats(0, 1))
def test_a_pause_is_twice_the_one_before_at_most_and_half_by_chance(calls: int, chance: float) -> None:
    assert pause(calls, chance) <= pause(calls, 1) == min(2 * pause(calls, 0), 20)
    assert pause(calls, chance) <= pause(calls + 1, chance) <= 2 * pause(calls, chance)
