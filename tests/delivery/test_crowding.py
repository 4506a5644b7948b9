"""Laws of a distribution that has as much in progress as it takes: its own quotas for plain paths and for wildcards."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import InProgressError
from invalidator.events.tickets import MAX_CROWDED
from invalidator.limits import SECONDS_TO_COMPLETE
from invalidator.model import Batch, DistributionId, Outcome, Plan
from tests.doubles import strategies as make
from tests.doubles.carrying import PLAIN, WILDCARDS, Invocation, batch_of, failures, plan_for, run, timed
from tests.doubles.cloudfront import DENIED, IN_PROGRESS, UNAVAILABLE, StrictCloudFront
from tests.doubles.strategies import Change


def test_a_chunk_that_fails_leaves_the_other_chunks_done() -> None:
    double = StrictCloudFront(["E1"])
    double.faults.append(DENIED)
    outcomes = run(plan_for(["E1"], *[Change(f"a{number}") for number in range(7_000)]), double)
    assert [outcome.error is None for outcome in outcomes] == [False, True, True]
    assert len(double.paths("E1")) == 4_000


def milliseconds(number: int) -> float:
    return number / 1_000


sizes = st.tuples(st.sampled_from([1, 10, 1_000, 1_500, 2_985]), st.integers(0, 15)) | st.just((3_000, 0))


@make.times(0.4)
# Where a call takes a hundred-millionth of a second, the sums of times here and there differ by more than that.
@given(st.lists(sizes, min_size=1, max_size=7), st.lists(sizes, max_size=3), st.integers(0, 10_000).map(milliseconds))
def test_a_distribution_never_gets_more_in_progress_than_it_takes(
    one: list[tuple[int, int]], other: list[tuple[int, int]], call: float
) -> None:
    double = timed(["E1", "E2"])
    plan = Plan(
        tuple(batch_of(*size, "E1", f"r{n}") for n, size in enumerate(one))
        + tuple(batch_of(*size, "E2", f"r{n}") for n, size in enumerate(other))
    )
    assert not failures(Invocation(double, 900, takes=lambda _: call).run(plan))
    assert double.refused == Counter()
    assert double.calls == len(plan.batches)


def test_what_has_room_is_sent_at_once_and_the_rest_when_it_has() -> None:
    double = timed(["E1"])
    plan = Plan(tuple(batch_of(1_500, 5, reference=f"r{number}") for number in range(5)))
    Invocation(double, 900).run(plan)
    second = SECONDS_TO_COMPLETE
    assert [made.at for made in double.log] == pytest.approx([0.0, 0.0, second, second, 2 * second])


@given(st.integers(1, 7), st.floats(0, 1), st.floats(0, 10))
def test_a_distribution_with_too_much_in_progress_is_left_alone(refusals: int, chance: float, call: float) -> None:
    double = timed(["E1"])
    double.faults.extend([IN_PROGRESS] * refusals)
    plan = Plan(tuple(batch_of(1, reference=f"r{number}") for number in range(3)))
    assert not failures(Invocation(double, 900, chance=chance, takes=lambda _: call).run(plan))
    starts = [made.at for made in double.log]
    assert all(later - earlier >= 25 for earlier, later in pairwise(starts[: refusals + 1]))
    assert double.calls == refusals + 3


def test_what_would_wait_longer_than_patience_is_given_up_at_once() -> None:
    double = timed(["E1", "E2"])
    double.broken["E1"] = IN_PROGRESS
    refused = tuple(batch_of(1, reference=f"r{number}") for number in range(3))
    invocation = Invocation(double, 900, patience=5.0)
    outcomes = invocation.run(Plan((*refused, batch_of(1, distribution="E2"))))
    assert failures(outcomes) == ["E1"] * 3
    for outcome in outcomes:
        assert isinstance(outcome.error, InProgressError | None)
        assert outcome.batch.apart is False
        assert (outcome.batch.attempts, outcome.batch.crowded) == (0, 1 if outcome.error else 0)
    assert Counter(made.distribution for made in double.log) == {"E1": 1, "E2": 1}
    assert invocation.clock.now == 0.0


def test_what_waits_for_our_own_invalidations_was_not_refused() -> None:
    double = timed(["E1"])
    tried = tuple(replace(batch_of(3_000, reference=f"r{number}"), attempts=4) for number in range(3))
    done, *left = Invocation(double, 900, patience=5.0).run(Plan(tried))
    assert done.error is None
    assert [type(outcome.error) for outcome in left] == [InProgressError] * 2
    assert [(outcome.batch.attempts, outcome.batch.crowded) for outcome in left] == [(4, 0), (4, 0)]
    assert double.calls == 1


# --- other programs that use the quotas -----------------------------------------------------------------


def crowded(plain: int, wildcards: int) -> StrictCloudFront:
    """A distribution with so many items of others in progress that never complete."""
    double = timed(["E1"])
    assert double.time
    double.time._accepted["E1"] = [(inf, plain, wildcards)]
    return double


def soon(double: StrictCloudFront, *batches: Batch) -> list[Outcome]:
    """Carry out where a ticket can wait in place of the invocation."""
    return Invocation(double, patience=5.0).run(Plan(batches))


def counts(outcomes: list[Outcome]) -> list[tuple[int, int, int]]:
    """Return the items, the refusals and the invocations without room of each batch that failed."""
    failed = [outcome.batch for outcome in outcomes if outcome.error]
    return [(len(batch.items), batch.attempts, batch.crowded) for batch in failed]


def test_plain_paths_of_a_refused_mixture_are_sent_at_once() -> None:
    double = crowded(0, 15)
    outcomes = soon(double, batch_of(100, 5))
    assert counts(outcomes) == [(5, 0, 1)]
    assert double.paths("E1") == [item.path for item in PLAIN[:100]]
    assert double.calls == 2
    assert len({outcome.batch.caller_reference for outcome in outcomes} | {"r"}) == 3


def test_two_refused_calls_tell_that_both_quotas_are_used_up() -> None:
    double = crowded(3_000, 15)
    outcomes = soon(double, batch_of(100, 5), batch_of(7, reference="r1"), batch_of(8, 1, reference="r2"))
    assert sorted(counts(outcomes)) == [(5, 0, 1), (7, 0, 1), (9, 0, 1), (100, 0, 1)]
    assert double.calls == 2


batches = st.builds(
    lambda number, size, apart: Batch(
        DistributionId("E1"),
        PLAIN[number * 100 : number * 100 + size[0]] + WILDCARDS[number : number + size[1]],
        f"r{number}",
        apart=apart,
    ),
    st.integers(0, 14),
    st.tuples(st.integers(0, 100), st.integers(0, 1)).filter(any),
    st.booleans(),
)
plans = st.lists(batches, min_size=1, max_size=8, unique_by=lambda batch: batch.caller_reference)


@given(plans, st.sampled_from([0, 2_990, 3_000]), st.sampled_from([0, 14, 15]))
def test_a_full_quota_is_asked_for_twice_at_most_and_holds_up_no_other(
    plan: list[Batch], plain: int, wildcards: int
) -> None:
    double = crowded(plain, wildcards)
    outcomes = soon(double, *plan)
    items = Counter(item.path for outcome in outcomes for item in outcome.batch.items)
    assert items == Counter(item.path for batch in plan for item in batch.items)
    assert sum(double.refused.values()) <= 2
    assert {type(outcome.error) for outcome in outcomes if outcome.error} <= {InProgressError}
    failed = [outcome.batch for outcome in outcomes if outcome.error]
    if plain == 0:
        assert all(batch.wildcards for batch in failed)
    if wildcards == 0 and not any(0 < batch.wildcards < len(batch.items) for batch in plan):
        assert all(batch.wildcards < len(batch.items) for batch in failed)
    assert all(
        batch.apart == (batch.caller_reference in {b.caller_reference for b in plan if b.apart}) for batch in failed
    )


@given(st.integers(0, MAX_CROWDED), st.integers(0, 10))
def test_each_invocation_without_room_counts_up_to_the_most_that_count(before: int, attempts: int) -> None:
    (outcome,) = soon(crowded(3_000, 0), replace(batch_of(9), crowded=before, attempts=attempts))
    assert (outcome.batch.crowded, outcome.batch.attempts) == (min(before + 1, MAX_CROWDED), attempts)


def test_what_waits_behind_a_refused_batch_of_its_kind_was_crowded_out_too() -> None:
    refused = soon(crowded(3_000, 0), *(batch_of(size, reference=f"r{size}") for size in (9, 8, 7)))
    assert counts(refused) == [(9, 0, 1), (8, 0, 1), (7, 0, 1)]


@pytest.mark.parametrize("wildcards", [0, 5])
def test_a_batch_is_not_crowded_out_where_others_of_its_kind_are_accepted(wildcards: int) -> None:
    double = crowded(2_990, 10)
    outcomes = soon(double, batch_of(5, wildcards), replace(batch_of(20, reference="r1"), crowded=3))
    assert counts(outcomes) == [(20, 0, 3)]
    assert double.calls == 2


def test_accepted_wildcards_say_nothing_of_room_for_plain_paths() -> None:
    outcomes = soon(crowded(3_000, 0), batch_of(0, 5), batch_of(20, reference="r1"))
    assert counts(outcomes) == [(20, 0, 1)]


# --- batches that cloudfront may know -------------------------------------------------------------------


@pytest.mark.parametrize(("before", "apart"), [(0, True), (1, False), (2, False), (MAX_CROWDED, False)])
def test_what_cloudfront_may_know_is_cut_after_its_second_refusal(before: int, apart: bool) -> None:
    double = crowded(3_000, 15)
    (outcome,) = soon(double, replace(batch_of(10, 2), apart=True, crowded=before))
    assert (len(outcome.batch.items), outcome.batch.caller_reference, outcome.batch.apart) == (12, "r", apart)
    assert double.calls == 1


def test_what_was_only_put_off_may_still_be_known_to_cloudfront() -> None:
    known = replace(batch_of(10, reference="known"), apart=True, crowded=5)
    _, outcome = soon(crowded(3_000, 0), batch_of(1), known)
    assert (outcome.batch.crowded, outcome.batch.apart) == (6, True)


def test_a_call_without_answer_just_now_may_be_known_to_cloudfront() -> None:
    double = crowded(3_000, 0)
    double.faults.append(UNAVAILABLE)
    (outcome,) = soon(double, replace(batch_of(10), crowded=5))
    assert (outcome.batch.crowded, outcome.batch.apart) == (6, True)


def test_what_filled_the_distribution_without_an_answer_is_billed_once() -> None:
    double = crowded(2_000, 0)
    double.lose_answers = 1
    (outcome,) = soon(double, batch_of(1_000))
    assert outcome.error is None
    assert len(double.paths("E1")) == 1_000


# --- without a queue ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "plain", "foreign"),
    [
        (batch_of(0, 15), 0, 1),
        (batch_of(0, 2), 0, 14),
        (batch_of(3_000), 1, 0),
        (batch_of(3_000), 1_500, 0),
        (batch_of(40), 2_975, 0),
        (batch_of(2_985, 15), 1, 1),
    ],
)
def test_what_cannot_wait_elsewhere_shrinks_until_there_is_room_for_it(batch: Batch, plain: int, foreign: int) -> None:
    double = crowded(plain, foreign)
    assert not failures(Invocation(double, 900).run(Plan((batch,))))
    assert sorted(double.paths("E1")) == sorted(item.path for item in batch.items)


def test_what_cloudfront_may_know_does_not_shrink_within_an_invocation() -> None:
    double = crowded(1, 0)
    (outcome,) = Invocation(double, 900).run(Plan((replace(batch_of(3_000), apart=True),)))
    assert (len(outcome.batch.items), outcome.batch.crowded, outcome.batch.apart) == (3_000, 1, True)
    starts = [made.at for made in double.log]
    assert all(later - earlier >= 25 for earlier, later in pairwise(starts))
