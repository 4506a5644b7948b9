"""Laws of how numbers, ages and names are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.wording import age, count, first_few, names, names_by_value

UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def seconds_of(told: str) -> int:
    number, unit = told.split(" ")
    return int(number.replace(",", "")) * UNITS[unit]


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_what_is_older_is_not_said_to_be_younger(one: float, other: float) -> None:
    younger, older = sorted([one, other])
    assert seconds_of(age(younger)) <= seconds_of(age(older))


@given(st.floats(0, 1e9))
def test_an_age_is_never_more_than_has_passed_and_less_by_under_one_unit(seconds: float) -> None:
    told = seconds_of(age(seconds))
    assert told <= seconds < told + UNITS[age(seconds).split(" ")[1]]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (12, "12 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (200, "3 min"),
        (7_200, "2 h"),
        (86_399, "23 h"),
        (5 * 86_400, "5 d"),
        (400 * 86_400, "400 d"),
        (2_000 * 86_400, "2,000 d"),
    ],
)
def test_an_age_is_told_in_one_unit(seconds: float, told: str) -> None:
    assert age(seconds) == told


@given(st.lists(st.text()), st.integers(1, 5))
def test_the_first_ones_never_lie_about_how_many_there_are(items: list[str], most: int) -> None:
    some, more = first_few(items, most)
    assert list(some) == items[: len(some)]
    assert len(some) + more == len(items)
    assert len(some) + (more > 0) <= most
    assert more != 1


def test_some_names_are_told_and_the_others_counted() -> None:
    assert names(["E1"]) == "E1"
    assert names(["E1", "E2", "E3"]) == "E1, E2, E3"
    assert names([f"E{number}" for number in range(1, 1_003)]) == "E1, E2, … 1,000 more"


def test_one_is_singular_and_what_is_not_one_is_not() -> None:
    assert [count(number, "path") for number in (0, 1, 2, 2_000)] == ["0 paths", "1 path", "2 paths", "2,000 paths"]


def test_each_value_is_given_once_with_all_its_names_in_their_order() -> None:
    told = [("E2", "no"), ("E1", "gone"), ("E2", "no"), ("E1", "no"), ("E2", "gone")]
    assert list(names_by_value(told).items()) == [("no", ["E2", "E1"]), ("gone", ["E1", "E2"])]
    assert names_by_value([]) == {}
