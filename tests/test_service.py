"""Laws of carrying out, against a CloudFront that keeps the documented rules."""

from collections.abc import Callable
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from invalidator.cloudfront import CloudFront, connect
from invalidator.errors import CdnError, ConfigurationError, OutOfTimeError, ThrottledError, UnavailableError
from invalidator.events import decode
from invalidator.model import Batch, DistributionId, Outcome, Plan
from invalidator.planner import make_plan
from invalidator.service import carry_out
from tests import strategies as make
from tests.doubles import DENIED, IN_PROGRESS, THROTTLED, UNAVAILABLE, StrictCloudFront
from tests.strategies import Change

IDS = [f"E{number}" for number in range(1, 6)]


def plan_for(ids: list[str], *changes: Change) -> Plan:
    return make_plan(decode(make.s3(*changes)).changes, map(DistributionId, ids), "index.html")


@dataclass
class Clock:
    """The time that an invocation has left, in seconds; sleeping takes some, and so does each call."""

    left: float = 120.0
    call: float = 0.0  # seconds that each call takes
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.left -= seconds


class SlowCloudFront(CloudFront):
    """A CloudFront each of whose calls takes time."""

    def __init__(self, double: StrictCloudFront, clock: Clock) -> None:
        super().__init__(double)
        self._clock = clock

    def create_invalidation(self, batch: Batch) -> str:
        self._clock.left -= self._clock.call
        return super().create_invalidation(batch)


def run(plan: Plan, double: StrictCloudFront, clock: Clock | None = None, chance: float = 1.0) -> list[Outcome]:
    clock = clock or Clock()
    cdn = SlowCloudFront(double, clock)
    return list(carry_out(plan, cdn, lambda: clock.left, sleep=clock.sleep, chance=lambda: chance))


deploys = st.lists(make.changes, min_size=1, max_size=8)


@given(deploys, st.sets(st.sampled_from(IDS)), st.sampled_from([DENIED, IN_PROGRESS]))
def test_the_failure_of_any_distributions_leaves_all_others_done(
    deploy: list[Change], failing: set[str], fault: tuple[str, int]
) -> None:
    double = StrictCloudFront(IDS, broken=dict.fromkeys(failing, fault))
    outcomes = run(plan_for(IDS, *deploy), double)
    assert {outcome.batch.distribution for outcome in outcomes if outcome.error} == failing
    assert {item.distribution for item in double.accepted} == set(IDS) - failing
    assert double.calls == len(IDS)


# Seven, since all may hit the same batch, and it is given up after eight attempts.
@given(st.lists(st.sampled_from([THROTTLED, UNAVAILABLE, None]), max_size=7), st.floats(0, 1))
def test_whatever_passes_is_overcome_and_billed_once(faults: list[tuple[str, int] | None], chance: float) -> None:
    double = StrictCloudFront(IDS)
    double.faults.extend(faults)
    outcomes = run(plan_for(IDS, Change("a")), double, Clock(left=900), chance)
    assert not [outcome for outcome in outcomes if outcome.error]
    assert sorted(item.distribution for item in double.accepted) == IDS


@given(st.integers(1, 5))
def test_a_batch_whose_answer_was_lost_is_sent_again_and_billed_once(lost: int) -> None:
    double = StrictCloudFront(["E1"], lose_answers=lost)
    (outcome,) = run(plan_for(["E1"], Change("a")), double)
    assert outcome.invalidation == double.accepted[0].id
    assert len(double.accepted) == 1
    assert double.calls == lost + 1


LONGEST = CloudFront.longest_call
calls_take = st.floats(0, LONGEST)
lasting = st.sampled_from([THROTTLED, UNAVAILABLE])


@given(st.floats(2 * (LONGEST + 1), 300), calls_take, st.floats(0, 1), lasting, st.integers(1, 40))
def test_retries_never_take_more_than_the_time_that_is_left(
    left: float, call: float, chance: float, fault: tuple[str, int], count: int
) -> None:
    ids = [f"E{number}" for number in range(count)]
    double, clock = StrictCloudFront(ids, broken=dict.fromkeys(ids, fault)), Clock(left, call)
    outcomes = run(plan_for(ids, Change("a")), double, clock, chance)
    assert len(outcomes) == count
    assert all(outcome.error for outcome in outcomes)
    assert clock.left >= 1


@given(st.floats(1.01, 2 * (LONGEST + 1)), calls_take, lasting)
def test_a_function_too_short_to_see_a_call_end_makes_calls_in_the_first_half_of_its_time(
    left: float, call: float, fault: tuple[str, int]
) -> None:
    double, clock = StrictCloudFront(IDS, broken=dict.fromkeys(IDS, fault)), Clock(left, call)
    outcomes = run(plan_for(IDS, Change("a")), double, clock)
    assert len(outcomes) == len(IDS)
    assert double.calls >= 1
    assert clock.left >= max(left / 2, 1.0) - call


@given(calls_take, st.floats(0, 1))
def test_a_batch_that_was_sent_is_never_reported_as_not_sent(call: float, chance: float) -> None:
    double, clock = StrictCloudFront(IDS, lose_answers=99), Clock(60.0, call)
    outcomes = run(plan_for(IDS, Change("a")), double, clock, chance)
    sent = {item.distribution for item in double.accepted}
    for outcome in outcomes:
        assert isinstance(outcome.error, OutOfTimeError) == (outcome.batch.distribution not in sent)


def test_without_time_nothing_is_sent_and_everything_reported() -> None:
    double = StrictCloudFront(IDS)
    outcomes = run(plan_for(IDS, Change("a")), double, Clock(left=0.9))
    assert [type(outcome.error) for outcome in outcomes] == [OutOfTimeError] * len(IDS)
    assert double.calls == 0


def test_a_distribution_that_is_always_refused_for_now_is_given_up_after_eight_attempts() -> None:
    double = StrictCloudFront(IDS, broken={"E1": THROTTLED})
    outcomes = run(plan_for(IDS, Change("a")), double, Clock(left=900))
    assert double.calls == 8 + len(IDS) - 1
    assert [outcome.batch.distribution for outcome in outcomes if outcome.error] == ["E1"]


@pytest.mark.parametrize("fault", [IN_PROGRESS, DENIED])
def test_what_is_refused_for_good_is_tried_once(fault: tuple[str, int]) -> None:
    double, clock = StrictCloudFront(["E1"], broken={"E1": fault}), Clock()
    (outcome,) = run(plan_for(["E1"], Change("a")), double, clock)
    assert fault[0] in str(outcome.error)
    assert double.calls == 1
    assert clock.pauses == []


def test_pauses_grow_and_a_throttled_account_is_not_asked_meanwhile() -> None:
    double, clock = StrictCloudFront(["E1", "E2"]), Clock()
    double.faults.extend([THROTTLED, None, THROTTLED, THROTTLED])
    run(plan_for(["E1", "E2"], Change("a")), double, clock)
    assert clock.pauses == [2.0, 4.0, 8.0]


def test_when_one_batch_was_throttled_the_next_waits_as_well() -> None:
    double, clock = StrictCloudFront(["E1", "E2"]), Clock()
    double.faults.append(THROTTLED)
    outcomes = carry_out(
        plan_for(["E1", "E2"], Change("a")),
        CloudFront(double),
        lambda: clock.left,
        sleep=clock.sleep,
        chance=lambda: 1.0,
    )
    assert (next(outcomes).batch.distribution, clock.pauses) == ("E2", [2.0])
    assert (next(outcomes).batch.distribution, clock.pauses) == ("E1", [2.0])


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE])
def test_what_cannot_wait_as_long_as_it_should_is_not_sent_again(fault: tuple[str, int]) -> None:
    double = StrictCloudFront(["E1"], broken={"E1": fault})
    run(plan_for(["E1"], Change("a")), double, Clock(left=3.0))
    assert double.calls == 1


def test_batches_without_answer_wait_together() -> None:
    double, clock = StrictCloudFront(IDS, broken=dict.fromkeys(IDS, UNAVAILABLE)), Clock(left=900)
    run(plan_for(IDS, Change("a")), double, clock)
    assert clock.pauses == [2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]
    assert double.calls == 8 * len(IDS)


def test_a_batch_without_answer_waits_however_the_others_fare() -> None:
    double, clock = StrictCloudFront(["E1", "E2"]), Clock()
    double.faults.extend([UNAVAILABLE, None, UNAVAILABLE])
    run(plan_for(["E1", "E2"], Change("a")), double, clock)
    assert clock.pauses == [2.0, 4.0]


def test_chance_takes_at_most_half_of_a_pause() -> None:
    double, clock = StrictCloudFront(["E1"], broken={"E1": THROTTLED}), Clock()
    run(plan_for(["E1"], Change("a")), double, clock, chance=0.0)
    assert clock.pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_one_distribution_that_is_out_of_order_does_not_delay_the_others() -> None:
    double, clock = StrictCloudFront(IDS, broken={"E1": UNAVAILABLE}), Clock(left=900)
    outcomes = carry_out(plan_for(IDS, Change("a")), CloudFront(double), lambda: clock.left, sleep=clock.sleep)
    done = [next(outcomes).batch.distribution for _ in IDS[1:]]
    assert done == IDS[1:]
    assert clock.pauses == []


def test_a_chunk_that_fails_leaves_the_other_chunks_of_its_distribution_done() -> None:
    double = StrictCloudFront(["E1"])
    double.faults.append(DENIED)
    outcomes = run(plan_for(["E1"], *[Change(f"a{number}") for number in range(7_000)]), double)
    assert [outcome.error is None for outcome in outcomes] == [False, True, True]
    assert len(double.paths("E1")) == 4_000


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (("Throttling", 400), ThrottledError, "Throttling"),
        (("ThrottlingException", 400), ThrottledError, "ThrottlingException"),
        (("Whatever", 429), ThrottledError, "Whatever"),
        (("ServiceUnavailable", 503), UnavailableError, "ServiceUnavailable"),
        (("InternalError", 500), UnavailableError, "InternalError"),
        (("RequestTimeout", 400), UnavailableError, "RequestTimeout"),
        (("TooManyInvalidationsInProgress", 400), CdnError, "send it again in half a minute"),
        (("AccessDenied", 403), CdnError, "allow the role cloudfront:CreateInvalidation"),
        (("NoSuchDistribution", 404), CdnError, "correct the list of distributions"),
        (("InvalidArgument", 400), CdnError, "one of its paths is invalid"),
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
    ],
)
def test_an_answer_without_sense_is_no_answer_and_stops_nobody(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(answer)

    with TCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(UnavailableError):
            connect().create_invalidation(plan_for(["E1"], Change("a")).batches[0])
        server.shutdown()


def test_the_sdk_itself_does_not_retry_and_ends_a_call_when_it_says(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = UNAVAILABLE
    cdn = connect()
    with pytest.raises(UnavailableError):
        cdn.create_invalidation(plan_for(["E1"], Change("a")).batches[0])
    assert cloudfront.calls == 1
    config = cdn._client.meta.config  # type: ignore[attr-defined]
    assert config.connect_timeout + config.read_timeout == cdn.longest_call


def test_no_region_is_needed(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert connect().create_invalidation(plan_for(["E1"], Change("a")).batches[0]) == cloudfront.accepted[0].id


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_PROFILE", "nope"), ("AWS_ENDPOINT_URL", "nonsense"), ("AWS_DEFAULT_REGION", "eu west")],
)
def test_an_sdk_that_cannot_be_set_up_is_a_configuration_error(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="the AWS SDK cannot be set up"):
        connect()


def test_a_server_out_of_reach_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="Could not connect"):
        connect().create_invalidation(plan_for(["E1"], Change("a")).batches[0])


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
    with pytest.raises(AssertionError, match="clear nothing"):
        refusal("/a%3Ab", reference="needless")


def _code(call: Callable[[], object]) -> str:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""
