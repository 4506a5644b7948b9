"""Laws of batches in which CloudFront does not take some paths, or takes none."""

from collections import Counter
from dataclasses import replace
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import InvalidPathError, OutOfTimeError
from invalidator.model import Batch, DistributionId, Outcome, Plan
from tests.doubles import strategies as make
from tests.doubles.carrying import PLAIN, Invocation, batch_of, failures, timed
from tests.doubles.cloudfront import IN_PROGRESS, THROTTLED, UNAVAILABLE, StrictCloudFront


def refusing(bad: set[int]) -> StrictCloudFront:
    double = timed(["E1"])
    double.rejects = {PLAIN[number].path for number in bad}
    return double


def paths_of(outcomes: list[Outcome]) -> list[list[str]]:
    return [[item.path for item in outcome.batch.items] for outcome in outcomes]


def all_paths(outcomes: list[Outcome]) -> list[str]:
    return [path for paths in paths_of(outcomes) for path in paths]


@given(st.integers(1, 120), st.data())
def test_exactly_the_invalid_paths_are_refused_where_any_is_accepted(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, count - 1)))
    double = refusing(bad)
    outcomes = Invocation(double, 900).run(Plan((batch_of(count),)))
    if double.accepted or len(bad) < 8:
        _check_exact(count, bad, double, outcomes)
    else:
        assert sorted(all_paths(outcomes)) == [item.path for item in PLAIN[:count]]
        assert {type(outcome.error) for outcome in outcomes} == {InvalidPathError}
        assert len([paths for paths in paths_of(outcomes) if len(paths) > 1]) <= 1
        assert double.calls <= 60


@pytest.mark.parametrize(
    "bad",
    [
        {0},
        {2_999},
        {1_499, 1_500},
        set(range(0, 3_000, 500)),
        set(range(20)),
        set(range(2_999)) - {1_500},
        set(range(1, 3_000, 2)),
    ],
)
def test_an_invalid_path_is_found_among_three_thousand(bad: set[int]) -> None:
    double = refusing(bad)
    outcomes = Invocation(double, 900).run(Plan((batch_of(3_000),)))
    _check_exact(3_000, bad, double, outcomes)


def _check_exact(count: int, bad: set[int], double: StrictCloudFront, outcomes: list[Outcome]) -> None:
    refused = [outcome for outcome in outcomes if outcome.error]
    assert sorted(paths_of(refused)) == [[PLAIN[n].path] for n in sorted(bad)]
    assert {type(outcome.error) for outcome in refused} <= {InvalidPathError}
    # The object that is to blame is known to the end.
    assert {outcome.batch.items[0] for outcome in refused} == {PLAIN[number] for number in bad}
    assert sorted(double.paths("E1")) == [PLAIN[number].path for number in range(count) if number not in bad]
    assert len({made.reference for made in double.log}) == double.calls
    assert double.calls <= 1 + 2 * len(bad) * ceil(log2(count))


def test_the_parts_of_a_batch_have_the_same_references_each_time() -> None:
    logs = []
    for _ in range(2):
        double = timed(["E1", "E2"])
        double.rejects = {PLAIN[7].path}
        Invocation(double).run(Plan((batch_of(20), batch_of(20, distribution="E2"))))
        logs.append([(made.distribution, made.reference) for made in double.log])
    assert logs[0] == logs[1]
    assert len(set(logs[0])) == len(logs[0])


def test_what_is_left_of_a_batch_with_an_invalid_path_stays_apart() -> None:
    double = timed(["E1"])
    double.rejects = {PLAIN[0].path}
    double.faults.extend([None, IN_PROGRESS])
    outcomes = Invocation(double, patience=5.0).run(Plan((replace(batch_of(20), attempts=4),)))
    assert [(len(outcome.batch.items), outcome.batch.apart) for outcome in outcomes] == [(10, True), (10, True)]
    # The half was never refused before.
    assert [(outcome.batch.attempts, outcome.batch.crowded) for outcome in outcomes] == [(0, 1), (0, 1)]


def test_an_invalid_path_on_one_distribution_holds_up_no_other_batch() -> None:
    double = timed(["E1"])
    double.rejects = {PLAIN[0].path}
    healthy = Batch(DistributionId("E1"), PLAIN[500:600], "healthy")
    outcomes = Invocation(double).run(Plan((batch_of(20), healthy)))
    assert len([outcome for outcome in outcomes if outcome.error]) == 1
    assert len(double.paths("E1")) == 19 + 100


# --- a distribution that takes no path at all -----------------------------------------------------------


@pytest.mark.parametrize("count", [9, 10, 300, 3_000])
def test_where_nothing_is_accepted_few_calls_and_few_outcomes_tell(count: int) -> None:
    double = timed(["E1", "E2"])
    double.rejects = {item.path for item in PLAIN[:count]}
    outcomes = Invocation(double, 900).run(Plan((batch_of(count),)))
    assert double.calls <= 60
    assert sorted(all_paths(outcomes)) == [item.path for item in PLAIN[:count]]
    assert {type(outcome.error) for outcome in outcomes} == {InvalidPathError}
    *alone, last = outcomes
    assert {len(outcome.batch.items) for outcome in alone} == {1}
    if count > 10:
        assert len(last.batch.items) > 1
        words = str(last.error)
        assert "accepts no path of this batch" in words
        assert str(outcomes[0].error) in words
        assert "the distribution or in the identity" in words


@pytest.mark.parametrize("count", range(10, 17))
def test_in_a_small_batch_the_only_good_path_is_always_found(count: int) -> None:
    for good in range(count):
        double = refusing(set(range(count)) - {good})
        outcomes = Invocation(double, 900).run(Plan((batch_of(count),)))
        assert double.paths("E1") == [PLAIN[good].path]
        assert {len(outcome.batch.items) for outcome in outcomes} == {1}


def test_a_distribution_that_takes_no_path_harms_no_other() -> None:
    double = timed(["E1", "E2"])
    double.broken["E1"] = ("InvalidArgument", 400)
    other = batch_of(3_000, distribution="E2", reference="other")
    outcomes = Invocation(double, 900).run(Plan((batch_of(300), other)))
    assert set(failures(outcomes)) == {"E1"}
    assert len(double.paths("E2")) == 3_000


def test_a_batch_that_is_all_invalid_harms_no_other_of_its_distribution() -> None:
    double = refusing(set(range(300)))
    healthy = Batch(DistributionId("E1"), PLAIN[500:600], "healthy")
    Invocation(double, 900).run(Plan((batch_of(300), healthy)))
    assert len(double.paths("E1")) == 100
    assert double.calls <= 61


weather = st.lists(st.sampled_from([None, None, None, THROTTLED, UNAVAILABLE, IN_PROGRESS]), max_size=60)


@make.times(0.5)
@given(st.integers(9, 200), st.data(), weather, st.sampled_from([5.0, 900.0]), st.floats(5, 900))
def test_in_any_weather_each_path_is_told_of_once_and_none_wrongly(
    count: int, data: st.DataObject, faults: list[tuple[str, int] | None], patience: float, limit: float
) -> None:
    good = data.draw(st.sets(st.integers(0, count - 1), max_size=4))
    call = data.draw(st.floats(0, 3))
    double = refusing(set(range(count)) - good)
    double.faults.extend(faults)
    double.lose_answers = data.draw(st.integers(0, 3))
    outcomes = Invocation(double, limit, patience, takes=lambda _: call).run(Plan((batch_of(count),)))
    assert Counter(all_paths(outcomes)) == Counter(item.path for item in PLAIN[:count])
    invalid = [outcome for outcome in outcomes if isinstance(outcome.error, InvalidPathError)]
    assert not set(all_paths(invalid)) & set(double.paths("E1"))
    assert len(double.paths("E1")) == len(set(double.paths("E1")))
    assert all(outcome.invalidation for outcome in outcomes if not outcome.error)


def test_a_half_that_may_have_been_accepted_is_sent_again_as_it_was() -> None:
    double = refusing(set(range(16, 32)))
    double.lose_answers = 1
    outcomes = Invocation(double, 900).run(Plan((batch_of(32),)))
    assert double.paths("E1") == [item.path for item in PLAIN[:16]]
    assert {type(outcome.error) for outcome in outcomes if len(outcome.batch.items) == 1} == {InvalidPathError}
    assert len(outcomes) == 17


def test_what_waits_for_probes_is_left_as_not_sent_when_the_time_is_over() -> None:
    double = refusing(set(range(300)))
    outcomes = Invocation(double, 60.0, takes=lambda _: 2.0).run(Plan((batch_of(300),)))
    late = [outcome for outcome in outcomes if isinstance(outcome.error, OutOfTimeError)]
    assert late
    assert all(outcome.batch.apart for outcome in late)
    assert sorted(all_paths(outcomes)) == [item.path for item in PLAIN[:300]]
