"""Laws of carrying out, against a CloudFront that keeps the documented rules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import inf
from threading import Barrier, Event, Lock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from invalidator import model
from invalidator.aws.cloudfront import CloudFront
from invalidator.delivery.carry_out import TimeLeft, carry_out
from invalidator.delivery.pacing import Room, is_hopeless
from invalidator.errors import (
    CdnError,
    ConfigurationError,
    ForbiddenError,
    InProgressError,
    InvalidPathError,
    OutOfTimeError,
    ReferenceUsedError,
    ThrottledError,
    UnavailableError,
    UnknownIdError,
)
from invalidator.events.tickets import MAX_INVOCATIONS
from invalidator.model import Batch, DistributionId, Outcome, Plan
from invalidator.workers import Threads
from tests.doubles import strategies as make
from tests.doubles.carrying import IDS, PLAIN, Invocation, batch_of, failures, plan_for, run, timed
from tests.doubles.cloudfront import BIRTH, DENIED, IN_PROGRESS, THROTTLED, UNAVAILABLE, Invalidation, StrictCloudFront
from tests.doubles.loopback import answering, ok
from tests.doubles.strategies import Change

deploys = st.lists(make.changes, min_size=1, max_size=8)


@given(deploys, st.sets(st.sampled_from(IDS)), st.sampled_from([DENIED, IN_PROGRESS]))
def test_the_failure_of_any_distributions_leaves_all_others_done(
    deploy: list[Change], failing: set[str], fault: tuple[str, int]
) -> None:
    double = StrictCloudFront(IDS, broken=dict.fromkeys(failing, fault))
    outcomes = Invocation(double, patience=5.0).run(plan_for(IDS, *deploy))
    assert set(failures(outcomes)) == failing
    assert {item.distribution for item in double.accepted} == set(IDS) - failing
    assert double.calls == len(IDS)


# Seven, since all may hit the same batch, and it is given up after eight attempts.
passing = st.sampled_from([THROTTLED, UNAVAILABLE, IN_PROGRESS, None])


@given(st.lists(passing, max_size=7), st.floats(0, 1), st.floats(0, 10))
def test_whatever_passes_is_overcome_and_billed_once(
    faults: list[tuple[str, int] | None], chance: float, call: float
) -> None:
    double = StrictCloudFront(IDS)
    double.faults.extend(faults)
    outcomes = Invocation(double, 900, chance=chance, takes=lambda _: call).run(plan_for(IDS, Change("a")))
    assert not failures(outcomes)
    assert sorted(item.distribution for item in double.accepted) == IDS


@given(st.integers(1, 5))
def test_a_batch_whose_answer_was_lost_is_sent_again_and_billed_once(lost: int) -> None:
    double = StrictCloudFront(["E1"], lose_answers=lost)
    (outcome,) = run(plan_for(["E1"], Change("a")), double)
    assert outcome.invalidation == double.accepted[0].id
    assert len(double.accepted) == 1
    assert double.calls == lost + 1


# --- the end of the invocation --------------------------------------------------------------------------

LONGEST = CloudFront.longest_call
calls_take = st.floats(0, LONGEST)
lasting = st.sampled_from([THROTTLED, UNAVAILABLE, IN_PROGRESS])
ALMOST = 1 - 1e-6


@given(st.floats(2 * (LONGEST + 1), 300), calls_take, st.floats(0, 1), lasting, st.integers(1, 40))
def test_retries_never_take_more_than_the_time_that_is_left(
    limit: float, call: float, chance: float, fault: tuple[str, int], count: int
) -> None:
    ids = [f"E{number}" for number in range(count)]
    invocation = Invocation(
        StrictCloudFront(ids, broken=dict.fromkeys(ids, fault)), limit, chance=chance, takes=lambda _: call
    )
    outcomes = invocation.run(plan_for(ids, Change("a")))
    assert sorted(failures(outcomes)) == sorted(ids)
    assert not [outcome for outcome in outcomes if "no answer before" in str(outcome.error)]
    assert invocation.clock.left >= ALMOST


@given(st.floats(1.01, 2 * (LONGEST + 1)), calls_take, lasting)
def test_a_function_too_short_for_a_call_begins_them_in_its_first_half(
    limit: float, call: float, fault: tuple[str, int]
) -> None:
    double = timed(IDS)
    double.broken = dict.fromkeys(IDS, fault)
    invocation = Invocation(double, limit, takes=lambda _: call)
    assert len(invocation.run(plan_for(IDS, Change("a")))) == len(IDS)
    assert double.calls >= 1
    assert max(made.at for made in double.log) <= limit / 2
    assert invocation.clock.left >= ALMOST


@given(calls_take, st.floats(0, 1))
def test_a_batch_that_was_sent_is_never_reported_as_not_sent(call: float, chance: float) -> None:
    double = StrictCloudFront(IDS, lose_answers=99)
    outcomes = Invocation(double, 60.0, chance=chance, takes=lambda _: call).run(plan_for(IDS, Change("a")))
    sent = {item.distribution for item in double.accepted}
    for outcome in outcomes:
        assert isinstance(outcome.error, OutOfTimeError) == (outcome.batch.distribution not in sent)


def test_without_time_nothing_is_sent_and_everything_reported() -> None:
    double = StrictCloudFront(IDS)
    outcomes = run(plan_for(IDS, Change("a")), double, 0.9)
    assert [type(outcome.error) for outcome in outcomes] == [OutOfTimeError] * len(IDS)
    assert [outcome.batch.attempts for outcome in outcomes] == [1] * len(IDS)
    assert double.calls == 0


@given(st.floats(0, 20), st.floats(90, 900))
def test_a_call_that_hangs_is_left_behind_in_time_to_store_what_is_left(closing: float, limit: float) -> None:
    invocation = Invocation(
        StrictCloudFront(IDS), limit, closing=closing, takes=lambda batch: inf if batch.distribution == "E1" else 0.1
    )
    outcomes = invocation.run(plan_for(IDS, Change("a")))
    *_, hung = outcomes
    assert failures(outcomes) == ["E1"]
    assert isinstance(hung.error, UnavailableError)
    assert (hung.batch.apart, hung.batch.attempts) == (True, 1)
    assert closing + ALMOST <= invocation.clock.left <= closing + 1.1


def test_what_waits_behind_a_call_that_hangs_was_not_sent() -> None:
    plan = Plan((batch_of(1, reference="r1"), batch_of(2, reference="r2")))
    hung, other = Invocation(StrictCloudFront(["E1"]), takes=lambda _: inf).run(plan)
    assert (type(hung.error), hung.batch.apart) == (UnavailableError, True)
    assert (type(other.error), other.batch.apart) == (OutOfTimeError, False)


@pytest.mark.parametrize(("fault", "attempts"), [(None, 4), (DENIED, 4), (THROTTLED, 5), (UNAVAILABLE, 5)])
def test_to_have_stood_behind_others_that_were_answered_is_no_attempt(
    fault: tuple[str, int] | None, attempts: int
) -> None:
    double = StrictCloudFront(["E1"])
    double.faults.append(fault)
    plan = Plan(tuple(replace(batch_of(1, reference=f"r{number}"), attempts=4) for number in range(2)))
    outcomes = Invocation(double, 30.0, takes=lambda _: LONGEST + 3).run(plan)
    (late,) = [outcome for outcome in outcomes if outcome.batch.caller_reference == "r1"]
    assert (type(late.error), late.batch.attempts) == (OutOfTimeError, attempts)


@pytest.mark.parametrize(("limit", "calls", "attempts"), [(30.0, 5, 4), (300.0, 8, 5)])
def test_to_be_throttled_beside_others_is_an_attempt_after_eight_calls(limit: float, calls: int, attempts: int) -> None:
    double = StrictCloudFront(["E1", "E2"], broken={"E1": THROTTLED})
    plan = Plan(tuple(replace(batch_of(1, distribution=id_), attempts=4) for id_ in ("E1", "E2")))
    _, late = Invocation(double, limit).run(plan)
    assert (type(late.error), late.batch.attempts) == (ThrottledError, attempts)
    assert len([call for call in double.log if call.distribution == "E1"]) == calls


def test_a_dead_letter_sent_back_may_stand_behind_others_before_its_try() -> None:
    plan = Plan(tuple(replace(batch_of(1, reference=f"r{number}"), attempts=MAX_INVOCATIONS) for number in range(2)))
    outcomes = Invocation(StrictCloudFront(["E1"]), 30.0, takes=lambda _: LONGEST + 3).run(plan)
    late = next(outcome for outcome in outcomes if outcome.batch.caller_reference == "r1")
    assert isinstance(late.error, OutOfTimeError)
    assert not is_hopeless(late.batch, late.error)
    (outcome,) = run(Plan((late.batch,)), StrictCloudFront(["E1"], broken={"E1": THROTTLED}), 900)
    assert isinstance(outcome.error, ThrottledError)
    assert is_hopeless(outcome.batch, outcome.error)


@given(st.floats(1.01, 900), st.floats(0, 30))
def test_there_is_always_time_for_a_first_call(limit: float, closing: float) -> None:
    double = StrictCloudFront(["E1"])
    (outcome,) = Invocation(double, limit, closing=closing).run(plan_for(["E1"], Change("a")))
    assert outcome.error is None


def test_a_distribution_always_throttled_is_given_up_after_eight_attempts() -> None:
    double = StrictCloudFront(IDS, broken={"E1": THROTTLED})
    outcomes = run(plan_for(IDS, Change("a")), double, 900)
    assert double.calls == 8 + len(IDS) - 1
    assert failures(outcomes) == ["E1"]


def test_what_is_refused_for_good_is_tried_once() -> None:
    double = StrictCloudFront(["E1"], broken={"E1": DENIED})
    invocation = Invocation(double)
    (outcome,) = invocation.run(plan_for(["E1"], Change("a")))
    assert "AccessDenied" in str(outcome.error)
    assert double.calls == 1
    assert invocation.workers.pauses == []


# --- clocks that are set, and answers that come late ----------------------------------------------------

steps = st.dictionaries(st.floats(0, 120), st.floats(-300, 300), max_size=4)
durations = st.lists(st.floats(0, LONGEST) | st.just(inf), min_size=5, max_size=5)


@given(steps, durations, st.lists(passing, max_size=9), st.integers(0, 3))
def test_whatever_the_clock_does_each_batch_has_its_true_outcome(
    set_: dict[float, float], takes: list[float], faults: list[tuple[str, int] | None], lost: int
) -> None:
    double = StrictCloudFront(IDS, lose_answers=lost)
    double.faults.extend(faults)
    invocation = Invocation(
        double, steps=set_, closing=9.0, patience=5.0, takes=lambda batch: takes[int(batch.distribution[1:]) - 1]
    )
    outcomes = invocation.run(plan_for(IDS, Change("a")))
    accepted = {outcome.batch.distribution for outcome in outcomes if not outcome.error}
    failed = {outcome.batch.distribution: outcome for outcome in outcomes if outcome.error}
    assert accepted | set(failed) == set(IDS)
    billed = {item.distribution for item in double.accepted}
    assert accepted <= billed
    # What may have been accepted is known as such.
    assert billed - accepted <= {id_ for id_ in failed if failed[id_].batch.apart}


@given(st.floats(0.001, 100), st.floats(1, 1_000), st.floats(0.1, LONGEST) | st.just(inf))
def test_a_clock_that_is_set_back_hides_the_time_of_one_call_at_most(at: float, by: float, call: float) -> None:
    plan = Plan(tuple(batch_of(1, 0, id_, f"r{number}") for number in range(100) for id_ in IDS))
    invocation = Invocation(StrictCloudFront(IDS), steps={at: -by}, closing=9.0, takes=lambda _: call)
    outcomes = invocation.run(plan)
    assert len(outcomes) == len(plan.batches)
    assert invocation.clock.left >= 9 + ALMOST - (call if call < inf else 0)
    assert call < inf or invocation.clock.left <= 10.1


def test_answers_that_are_there_when_the_time_is_suddenly_over_are_taken() -> None:
    invocation = Invocation(StrictCloudFront(IDS), steps={5.0: 1_000.0}, takes=lambda _: 5.0)
    assert not failures(invocation.run(plan_for(IDS, Change("a"))))


@pytest.mark.parametrize("fault", [None, DENIED, UNAVAILABLE, ("InvalidArgument", 400)])
def test_an_acceptance_that_arrives_late_is_told_and_a_refusal_is_not(fault: tuple[str, int] | None) -> None:
    double = StrictCloudFront(["E1", "E2"], broken={"E2": fault} if fault else {})
    invocation = Invocation(double, takes=lambda batch: inf if batch.distribution == "E1" else 119.5)
    outcomes = invocation.outcomes(plan_for(["E1", "E2"], Change("a")))
    hung = next(outcomes)
    assert (hung.batch.distribution, type(hung.error), hung.batch.apart) == ("E2", UnavailableError, True)
    invocation.clock.now += 1.0  # to store it takes a while
    late = [(outcome.batch.distribution, outcome.invalidation) for outcome in outcomes]
    assert late == [("E2", double.accepted[-1].id), ("E1", None)] if fault is None else [("E1", None)]


def test_the_last_call_that_is_given_up_may_still_be_told_as_accepted() -> None:
    double = StrictCloudFront(["E1"])
    invocation = Invocation(double, takes=lambda _: 119.5)
    outcomes = invocation.outcomes(plan_for(["E1"], Change("a")))
    assert isinstance(next(outcomes).error, UnavailableError)
    invocation.clock.now += 1.0
    assert [outcome.invalidation for outcome in outcomes] == [double.accepted[0].id]


# --- many distributions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [None, THROTTLED, IN_PROGRESS, DENIED])
@pytest.mark.parametrize("patience", [5.0, inf])
def test_the_work_for_a_distribution_does_not_grow_with_their_number(
    fault: tuple[str, int] | None, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def counted(room: Room, batch: Batch) -> float:
        nonlocal looks
        looks += 1
        return free_at(room, batch)

    free_at = Room.free_at
    monkeypatch.setattr(Room, "free_at", counted)

    def work(count: int) -> float:
        nonlocal looks
        looks = 0
        double = StrictCloudFront([f"E{number}" for number in range(count)])
        double.faults.extend([fault] * 9)
        invocation = Invocation(double, 900, patience, takes=lambda _: 0.1)
        plan = Plan(tuple(batch_of(1, 1, id_, f"r{number}") for number in range(2) for id_ in double.distributions))
        assert len(invocation.run(plan)) >= 2 * count
        return (looks + invocation.asked) / count

    assert work(400) <= 1.1 * work(50)


# --- the pace of the account ----------------------------------------------------------------------------


def test_pauses_grow_while_the_account_is_throttled() -> None:
    invocation = Invocation(StrictCloudFront(["E1"], broken={"E1": THROTTLED}), 900)
    invocation.run(plan_for(["E1"], Change("a")))
    assert invocation.workers.pauses == pytest.approx([2.0, 3.0, 4.5, 6.75, 10.125, 15.1875, 20.0])


def test_chance_takes_at_most_half_of_a_pause() -> None:
    invocation = Invocation(StrictCloudFront(["E1"], broken={"E1": THROTTLED}), 900, chance=0.0)
    invocation.run(plan_for(["E1"], Change("a")))
    assert invocation.workers.pauses == pytest.approx([1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 10.0])


def test_when_one_batch_was_throttled_the_next_waits_as_well() -> None:
    ids = [f"E{number}" for number in range(1, 10)]
    double = StrictCloudFront(ids)
    double.faults.append(THROTTLED)
    invocation = Invocation(double)
    outcomes = invocation.run(plan_for(ids, Change("a")))
    # Eight were sent before anyone knew; the ninth, which was not sent so far, comes before the first.
    assert [outcome.batch.distribution for outcome in outcomes] == [*ids[1:8], "E9", "E1"]
    assert [at for _, at in invocation.ended][:7] == [0.0] * 7
    assert invocation.workers.pauses[0] == pytest.approx(2.0)


def test_calls_that_were_refused_together_slow_down_once() -> None:
    double = StrictCloudFront(IDS)
    double.faults.extend([THROTTLED] * len(IDS))
    invocation = Invocation(double, takes=lambda _: 0.1)
    invocation.run(plan_for(IDS, Change("a")))
    assert invocation.workers.pauses[0] == pytest.approx(2.0)


def test_what_is_let_through_makes_the_pauses_shorter() -> None:
    plan = Plan(tuple(batch_of(1, reference=f"r{number}") for number in range(6)))
    double = StrictCloudFront(["E1"])
    double.faults.append(THROTTLED)
    invocation = Invocation(double)
    assert not failures(invocation.run(plan))
    assert invocation.workers.pauses == pytest.approx([2.0, 2.0, 1.8, 1.715, 1.629, 1.5475625])


def test_what_was_not_sent_stays_frozen() -> None:
    frozen = [replace(batch_of(1_600, reference=f"r{number}"), frozen=True) for number in range(3)]
    double = StrictCloudFront(["E1"])
    outcomes = Invocation(double, patience=5.0).run(Plan(tuple(frozen)))
    assert double.calls == 1  # the first takes more than half of the room
    left = [outcome.batch for outcome in outcomes if outcome.error]
    assert [(batch.frozen, batch.caller_reference) for batch in left] == [(True, "r1"), (True, "r2")]


@pytest.mark.parametrize(
    ("refusal", "crowded", "frozen"),
    [
        *((refusal, crowded, True) for refusal in (THROTTLED, DENIED, UNAVAILABLE) for crowded in (0, 1)),
        (IN_PROGRESS, 0, True),  # another copy of it may be accepted before it comes again
        (IN_PROGRESS, 1, False),
    ],
)
def test_only_a_second_refusal_for_want_of_room_thaws_a_batch(
    refusal: tuple[str, int], crowded: int, frozen: bool
) -> None:
    double = StrictCloudFront(["E1"], broken={"E1": refusal})
    batch = replace(batch_of(2, wildcards=1), frozen=True, crowded=crowded)
    (outcome,) = Invocation(double, patience=5.0).run(Plan((batch,)))
    assert (outcome.batch.frozen, outcome.batch.caller_reference) == (frozen, "r")


@pytest.mark.parametrize(("number", "seconds"), [(8, 0.25), (10, 0.5), (11, 2.5), (40, 20.0)])
def test_ten_calls_go_at_once_and_the_rest_faster_and_faster(number: int, seconds: float) -> None:
    ids = [f"E{each}" for each in range(number)]
    invocation = Invocation(timed(ids), takes=lambda _: 0.25)
    assert not failures(invocation.run(plan_for(ids, Change("a"))))
    assert seconds - 1 < invocation.clock.now <= seconds


@given(st.floats(0.05, 1.0), st.floats(0, 1), st.integers(20, 40))
@make.times(0.4)
def test_under_a_real_accounts_rate_all_get_done_with_few_calls_in_vain(call: float, chance: float, count: int) -> None:
    ids = [f"E{number}" for number in range(count)]
    double = timed(ids, rate=0.5, burst=10)
    invocation = Invocation(double, 600, chance=chance, takes=lambda _: call)
    assert not failures(invocation.run(plan_for(ids, Change("a"))))
    # Eight of them are made before the first is refused.
    assert double.refused["Throttling"] <= 16
    # Hardly slower than the account lets it be.
    assert invocation.clock.now <= (count - 10) / 0.5 + 20


# --- a distribution without answers ---------------------------------------------------------------------


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE])
def test_what_cannot_wait_as_long_as_it_should_is_not_sent_again(fault: tuple[str, int]) -> None:
    double = StrictCloudFront(["E1"], broken={"E1": fault})
    run(plan_for(["E1"], Change("a")), double, 3.0)
    assert double.calls == 1


def test_batches_without_answer_wait_together() -> None:
    double = StrictCloudFront(IDS, broken=dict.fromkeys(IDS, UNAVAILABLE))
    invocation = Invocation(double, 900)
    invocation.run(plan_for(IDS[:3], Change("a")))
    assert invocation.workers.pauses == pytest.approx([2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0])
    assert double.calls == 8 * 3


def test_a_batch_without_answer_waits_however_the_others_fare() -> None:
    double = StrictCloudFront(["E1", "E2"])
    double.faults.extend([UNAVAILABLE, None, UNAVAILABLE])
    invocation = Invocation(double)
    invocation.run(plan_for(["E1", "E2"], Change("a")))
    assert invocation.workers.pauses == pytest.approx([2.0, 4.0])


def test_one_distribution_that_is_out_of_order_does_not_delay_the_others() -> None:
    invocation = Invocation(StrictCloudFront(IDS, broken={"E1": UNAVAILABLE}), 900)
    outcomes = invocation.outcomes(plan_for(IDS, Change("a")))
    done = [next(outcomes).batch.distribution for _ in IDS[1:]]
    assert done == IDS[1:]
    assert invocation.workers.pauses == []


@given(st.integers(1, 4), st.integers(1, 4), st.floats(1, 12))
def test_one_distribution_that_is_slow_does_not_delay_the_others(slow: int, quick: int, call: float) -> None:
    plan = Plan(
        tuple(batch_of(1, distribution="E1", reference=f"s{number}") for number in range(slow))
        + tuple(batch_of(1, distribution="E2", reference=f"q{number}") for number in range(quick))
    )
    invocation = Invocation(StrictCloudFront(IDS), takes=lambda batch: call if batch.distribution == "E1" else 0.1)
    assert not failures(invocation.run(plan))
    ends = dict(invocation.ended)
    assert ends["E2"] == pytest.approx(quick * 0.1)
    assert ends["E1"] == pytest.approx(slow * call)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=20), st.lists(st.floats(0.01, 10), min_size=20, max_size=20))
def test_at_most_eight_calls_are_on_their_way_and_one_a_distribution(
    batches: list[int], durations: list[float]
) -> None:
    ids = [f"E{number}" for number in range(len(batches))]
    double = timed(ids)
    invocation = Invocation(double, 900, takes=lambda batch: durations[int(batch.distribution[1:])])
    plan = Plan(
        tuple(batch_of(1, 0, id_, f"r{n}") for id_, many in zip(ids, batches, strict=True) for n in range(many))
    )
    assert not failures(invocation.run(plan))
    assert invocation.workers.most == min(8, len(ids))
    for id_, seconds in zip(ids, durations, strict=False):
        starts = [made.at for made in double.log if made.distribution == id_]
        gaps = [later - earlier for earlier, later in pairwise(starts)]
        assert all(gap >= seconds - 1e-6 for gap in gaps)


def test_a_pause_for_want_of_an_answer_is_no_longer_than_patience_either() -> None:
    double = StrictCloudFront(["E1", "E2"], broken={"E1": UNAVAILABLE})
    invocation = Invocation(double, 900, patience=5.0)
    outcomes = invocation.run(plan_for(["E1", "E2"], Change("a")))
    assert failures(outcomes) == ["E1"]
    assert invocation.workers.pauses == [2.0, 4.0]


def test_patience_does_not_end_what_waits_for_the_account() -> None:
    double = StrictCloudFront(["E1"])
    double.faults.extend([THROTTLED] * 6)
    assert not failures(Invocation(double, 900, patience=5.0).run(plan_for(["E1"], Change("a"))))


# --- references -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["InvalidArgument", "InvalidationBatchAlreadyExists"])
def test_a_reference_of_other_paths_is_changed_and_no_path_blamed(code: str) -> None:
    references = []
    for _ in range(2):
        double = StrictCloudFront(["E1"], used_reference=code)
        double.accepted.append(Invalidation("I0", "E1", "r", ("/other",)))
        (outcome,) = run(Plan((batch_of(20),)), double)
        assert outcome.error is None
        assert double.accepted[-1].paths == tuple(item.path for item in PLAIN[:20])
        references.append([made.reference for made in double.log])
    assert references[0] == references[1]
    assert len(set(references[0])) == len(references[0]) == 2


@given(st.integers(1, 7))
def test_references_are_changed_until_one_is_free(used: int) -> None:
    double = StrictCloudFront(["E1"])
    for _ in range(used):
        double.accepted.append(Invalidation("I0", "E1", double.log[-1].reference if double.log else "r", ("/other",)))
        double.log.clear()
        run(Plan((batch_of(1),)), double, 900)
        double.accepted.pop()  # what has just been accepted
        double.log[:] = double.log[-1:]
    (outcome,) = run(Plan((batch_of(1),)), double, 900)
    assert outcome.error is None


# --- what is known of a batch that failed ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "apart"),
    [
        ([DENIED], False),
        ([THROTTLED] * 8, False),
        ([IN_PROGRESS], False),
        ([UNAVAILABLE] * 8, True),
        ([UNAVAILABLE, DENIED], True),
        ([UNAVAILABLE, IN_PROGRESS], True),
        ([("RequestTimeout", 400), DENIED], True),
        ([THROTTLED, DENIED], False),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_a_batch_is_apart_if_cloudfront_may_have_accepted_it(
    faults: list[tuple[str, int]], apart: bool, before: bool
) -> None:
    double = StrictCloudFront(["E1"])
    double.faults.extend(faults)
    batch = replace(batch_of(3), apart=before, attempts=2)
    (outcome,) = Invocation(double, 900, patience=25.0).run(Plan((batch,)))
    full = faults[-1] == IN_PROGRESS
    assert outcome.batch == replace(batch, apart=apart or before, attempts=2 if full else 3, crowded=1 if full else 0)


# --- threads --------------------------------------------------------------------------------------------


def test_threads_make_calls_at_the_same_time() -> None:
    together = Barrier(8)

    def call() -> Outcome:
        together.wait(10)
        return Outcome(batch_of(1), "I1")

    workers = Threads[Outcome]()
    for _ in range(8):
        workers.start(call)
    ended = [workers.wait(10) for _ in range(8)]
    assert [outcome.invalidation for outcome in ended if outcome] == ["I1"] * 8


def test_threads_return_nothing_while_no_call_has_ended() -> None:
    workers, go_on = Threads[Outcome](), Event()

    def call() -> Outcome:
        go_on.wait(10)
        return Outcome(batch_of(1), "I1")

    workers.start(call)
    assert workers.wait(0) is None
    assert workers.wait(-1.0) is None
    go_on.set()
    assert workers.wait(10) == Outcome(batch_of(1), "I1")
    assert workers.wait(0) is None


@pytest.mark.parametrize("error", [ZeroDivisionError("a mistake"), SystemExit(3)])
def test_what_a_call_raises_is_raised_where_it_is_waited_for(error: BaseException) -> None:
    def call() -> Outcome:
        raise error

    workers = Threads[Outcome]()
    workers.start(call)
    with pytest.raises(type(error)) as caught:
        workers.wait(10)
    assert caught.value is error


def test_distributions_are_really_called_at_the_same_time() -> None:
    together, lock, sent = Barrier(len(IDS)), Lock(), []

    class Meeting:
        longest_call = LONGEST

        def create_invalidation(self, batch: Batch) -> str:
            together.wait(10)
            with lock:
                sent.append(batch.distribution)
            return "I1"

    outcomes = list(carry_out(plan_for(IDS, Change("a")), Meeting(), TimeLeft(lambda: 120.0), Threads()))
    assert not failures(outcomes)
    assert sorted(sent) == IDS


# --- errors and answers of cloudfront -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (("Throttling", 400), ThrottledError, "Throttling"),
        (("ThrottlingException", 400), ThrottledError, "ThrottlingException"),
        (("Whatever", 429), ThrottledError, "Whatever"),
        (("ServiceUnavailable", 503), UnavailableError, "ServiceUnavailable"),
        (("InternalError", 500), UnavailableError, "InternalError"),
        (("RequestTimeout", 400), UnavailableError, "RequestTimeout"),
        (("TooManyInvalidationsInProgress", 400), InProgressError, "try again in half a minute"),
        (("AccessDenied", 403), ForbiddenError, "grant cloudfront:CreateInvalidation on this distribution"),
        (("NoSuchDistribution", 404), UnknownIdError, "correct the list of distributions"),
        (("InvalidArgument", 400), InvalidPathError, "correct the path, or the key that it comes from"),
        (("InvalidationBatchAlreadyExists", 409), ReferenceUsedError, "InvalidationBatchAlreadyExists"),
        (("ExpiredToken", 403), CdnError, "the credentials have expired"),
        (("SomethingNew", 400), CdnError, "SomethingNew: SomethingNew on demand"),
    ],
)
def test_every_error_of_cloudfront_has_its_meaning(fault: tuple[str, int], kind: type[CdnError], words: str) -> None:
    double = StrictCloudFront(["E1"], broken={"E1": fault})
    batch = plan_for(["E1"], Change("a")).batches[0]
    with pytest.raises(CdnError, match=words) as caught:
        CloudFront(double).create_invalidation(batch)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n<html>not",
        b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n<cut",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
        b"no HTTP at all\r\n\r\n",
        ok(b"\xff\xfe"),
        ok(b"<Invalidation><Id/></Invalidation>"),
        ok(b"<Invalidation>text</Invalidation>"),
    ],
)
def test_an_answer_without_sense_is_no_answer_and_stops_nobody(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(UnavailableError):
            CloudFront.connect().create_invalidation(plan_for(["E1"], Change("a")).batches[0])


def test_the_sdk_itself_does_not_retry_and_ends_a_call_when_it_says(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = UNAVAILABLE
    cdn = CloudFront.connect()
    with pytest.raises(UnavailableError):
        cdn.create_invalidation(plan_for(["E1"], Change("a")).batches[0])
    assert cloudfront.calls == 1
    config = cdn._client.meta.config
    assert config.connect_timeout + config.read_timeout == cdn.longest_call


def test_no_region_is_needed(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert (
        CloudFront.connect().create_invalidation(plan_for(["E1"], Change("a")).batches[0]) == cloudfront.accepted[0].id
    )


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_PROFILE", "nope"), ("AWS_ENDPOINT_URL", "nonsense"), ("AWS_DEFAULT_REGION", "eu west")]
)
def test_an_sdk_that_cannot_be_set_up_is_a_configuration_error(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="the AWS SDK cannot be set up"):
        CloudFront.connect()


def test_a_server_out_of_reach_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="Could not connect"):
        CloudFront.connect().create_invalidation(plan_for(["E1"], Change("a")).batches[0])


@pytest.mark.parametrize("id_", ["E1", "dt_1"])
@pytest.mark.parametrize("page", [1, 2, 5, 100])
def test_what_was_accepted_is_listed_page_by_page_and_told_one_by_one(
    id_: str, page: int, cloudfront: StrictCloudFront
) -> None:
    cloudfront.tenants = {"dt_1": ("E1", {})}
    cloudfront.page, cloudfront.looks_to_complete = page, 1
    cdn, owner = CloudFront.connect(), DistributionId(id_)
    batches = [plan_for([id_], Change(f"a{number}"), Change(f"b{number}")).batches[0] for number in range(5)]
    accepted = {cdn.create_invalidation(batch): batch for batch in batches}
    listed = list(cdn.invalidations(owner))
    assert [told.id for told in listed] == list(accepted)[::-1]
    assert len([call for call in cloudfront.read if call[0].startswith("List")]) == -(-5 // page)
    for told in listed:
        assert told == model.Invalidation(owner, told.id, "InProgress", BIRTH)
        batch = accepted[told.id]
        whole = cdn.invalidation(owner, told.id)
        items = tuple(item.path for item in batch.items)
        assert whole == told._replace(items=items, caller_reference=batch.caller_reference)
        assert cdn.invalidation(owner, told.id).is_completed
    assert list(cdn.invalidations(DistributionId("E2"))) == []


@pytest.mark.parametrize(
    ("id_", "code"), [("E9", "NoSuchDistribution"), ("dt_9", "EntityNotFound"), ("E1", "NoSuchInvalidation")]
)
def test_what_is_not_there_cannot_be_told(id_: str, code: str, cloudfront: StrictCloudFront) -> None:
    cdn = CloudFront.connect()
    with pytest.raises(UnknownIdError, match=f"^{code}: "):
        cdn.invalidation(DistributionId(id_), "I1")
    if id_ != "E1":
        with pytest.raises(UnknownIdError, match=f"^{code}: "):
            list(cdn.invalidations(DistributionId(id_)))


@pytest.mark.parametrize(
    ("operation", "id_"),
    [
        ("ListInvalidations", "E1"),
        ("GetInvalidation", "E1"),
        ("ListInvalidationsForDistributionTenant", "dt_1"),
        ("GetInvalidationForDistributionTenant", "dt_1"),
    ],
)
def test_who_may_not_read_is_told_which_permission_is_missing(
    operation: str, id_: str, cloudfront: StrictCloudFront
) -> None:
    cloudfront.unreadable[operation] = DENIED
    cdn, owner = CloudFront.connect(), DistributionId(id_)
    calls = {"L": lambda: list(cdn.invalidations(owner)), "G": lambda: [cdn.invalidation(owner, "I1")]}
    with pytest.raises(ForbiddenError, match=f"grant cloudfront:{operation} on this distribution"):
        calls[operation[0]]()


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"text",
        b"<Status>Completed</Status><CreateTime>2026-11-20T00:00:00Z</CreateTime>",
        b"<Id>I1</Id><CreateTime>2026-11-20T00:00:00Z</CreateTime>",
        b"<Id>I1</Id><Status>Completed</Status>",
        b"<Id>I1</Id><Status>Completed</Status><CreateTime>yesterday</CreateTime>",
    ],
)
def test_what_is_told_of_an_invalidation_without_sense_is_no_answer(
    told: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(ok(b"<Invalidation>%b</Invalidation>" % told)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(UnavailableError):
            CloudFront.connect().invalidation(DistributionId("E1"), "I1")
    told = b"<InvalidationSummary>%b</InvalidationSummary>" % told
    with answering(ok(b"<InvalidationList><Items>%b</Items></InvalidationList>" % told)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(UnavailableError):
            list(CloudFront.connect().invalidations(DistributionId("E1")))


@pytest.mark.parametrize("body", [b"", b"<InvalidationList/>", b"<InvalidationList>text</InvalidationList>", b"<cut"])
def test_a_list_is_empty_only_where_cloudfront_says_so(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(ok(body)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(UnavailableError):
            list(CloudFront.connect().invalidations(DistributionId("E1")))


def test_times_are_in_utc_and_what_is_left_out_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    told = b"<Id>I1</Id><Status>Strange</Status><CreateTime>2026-11-20T02:00:00+02:00</CreateTime>"
    with answering(ok(b"<Invalidation>%b</Invalidation>" % told)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        found = CloudFront.connect().invalidation(DistributionId("E1"), "I1")
    assert found == model.Invalidation(DistributionId("E1"), "I1", "Strange", BIRTH)
    assert found.created.utcoffset() == timedelta()
    assert not found.is_completed


def test_the_double_refuses_what_cloudfront_refuses() -> None:
    """A double that accepts anything would prove nothing."""

    def refusal(*paths: str, distribution: str = "E1", reference: str = "r", quantity: int | None = None) -> str:
        return _code(
            lambda: double.create_invalidation(
                DistributionId=distribution,
                InvalidationBatch={
                    "Paths": {"Quantity": len(paths) if quantity is None else quantity, "Items": list(paths)},
                    "CallerReference": reference,
                },
            )
        )

    double = StrictCloudFront(["E1"])
    assert refusal("/a") == ""
    assert refusal("/a") == ""
    assert len(double.accepted) == 1
    assert refusal("/b") == "InvalidArgument"
    for bad in ["a", "/a b", "/~a", "/é", "/a*b", "/%zz", "/a\n", '/"', "/" + "a" * 4_000]:
        assert refusal(bad, reference=bad) == "InvalidArgument"
    assert refusal("/x", "/x", reference="twice") == "InvalidArgument"
    assert refusal("/x", reference="quantity", quantity=2) == "InconsistentQuantities"
    assert refusal(*[f"/{n}" for n in range(3_001)], reference="large") == "BatchTooLarge"
    assert refusal("/a", distribution="E9") == "NoSuchDistribution"
    assert refusal(*[f"/{n}*" for n in range(16)], reference="wildcards") == "TooManyInvalidationsInProgress"
    double.rejects = {"/well-formed"}
    assert refusal("/x", "/well-formed", reference="rejected") == "InvalidArgument"
    with pytest.raises(AssertionError, match="clear nothing"):
        refusal("/a%2Db", reference="needless")


def test_the_double_with_a_clock_throttles_and_completes_as_cloudfront() -> None:
    def refusal(*paths: str) -> str:
        batch = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": f"r{double.calls}"}
        return _code(lambda: double.create_invalidation(DistributionId="E1", InvalidationBatch=batch))

    double = timed(["E1"])
    assert double.time
    clock = double.time.clock
    many = [f"/{number}" for number in range(2_999)]
    assert refusal(*many) == ""
    clock.now = 10.0
    assert refusal("/a", *[f"/{number}*" for number in range(15)]) == ""
    assert refusal("/b") == refusal("/b*") == "TooManyInvalidationsInProgress"
    clock.now = 25.0
    assert (refusal("/b"), refusal("/b*"), refusal(*many)) == ("", "TooManyInvalidationsInProgress", IN_PROGRESS[0])
    double = timed(["E1"], rate=0.5, burst=2)
    assert double.time
    assert [refusal("/a") for _ in range(3)] == ["", "", "Throttling"]
    double.time.clock.now = 2.0
    assert [refusal("/a") for _ in range(2)] == ["", "Throttling"]


def _code(call: Callable[[], object]) -> str:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""
