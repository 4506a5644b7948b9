"""Laws of the brake: what is spent slows what is sent, never below a path, and what waits does so for minutes only."""

from hypothesis import given
from hypothesis import strategies as st

from invalidator.delivery.brake import OFF, brake
from invalidator.limits import USD_PER_PATH
from invalidator.model import Allowance

budgets = st.floats(0.01, 10_000)
shares = st.floats(0, 3)


@given(budgets, shares, shares)
def test_the_more_is_spent_the_harder_it_brakes(budget: float, one: float, other: float) -> None:
    less, more = (brake(budget, budget * share) for share in sorted((one, other)))
    assert less.used <= more.used
    assert less.seconds <= more.seconds <= 900
    assert less.paths is not None
    assert more.paths is not None
    assert less.paths >= more.paths


@given(budgets, shares, st.integers(1, 200), st.integers(1, 3_000))
def test_a_plan_never_takes_more_than_a_part_of_what_is_left(
    budget: float, share: float, distributions: int, most: int
) -> None:
    allowed = brake(budget, budget * share).allowance(Allowance(most), distributions)
    assert 1 <= allowed.paths <= most
    left = max(budget * (1 - share), 0)
    assert allowed.paths == 1 or allowed.paths * distributions * USD_PER_PATH <= left / 4 + 1e-6


def test_until_half_of_the_budget_is_used_nothing_waits() -> None:
    assert [brake(10, spent).seconds for spent in (0, 5, 6, 7.5, 10, 20)] == [0, 0, 180, 450, 900, 900]


def test_a_budget_that_is_used_up_costs_a_path_a_quarter_of_an_hour() -> None:
    used_up = brake(5, 5)
    a_month = 30 * 24 * 3600 / used_up.seconds * used_up.allowance(Allowance(), 1).paths
    assert a_month * USD_PER_PATH == 14.40


def test_without_a_budget_nothing_changes() -> None:
    assert OFF.allowance(Allowance(), 20) == Allowance()
    assert OFF.seconds == 0
