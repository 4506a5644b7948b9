"""The function as Lambda sees it, with the real SDK in between and the strict CloudFront behind HTTP."""

import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.aws import sdk
from invalidator.aws.cloudfront import CloudFront
from invalidator.aws.listings import MAX_PAGES, Bounds, Listings
from invalidator.aws.queues import Queue
from invalidator.codepipeline.answers import JobAnswer, JobDone
from invalidator.codepipeline.jobs import JobServices, answer_job
from invalidator.codepipeline.requests import Job
from invalidator.distributions import ration as ration_module
from invalidator.distributions.catalog import Catalog
from invalidator.errors import ConfigurationError, IncompleteError
from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.handler import lambda_handler
from invalidator.local.embedded import embedded_aws
from invalidator.model import Batch, DistributionId, HeldChanges, ObjectKey, Origin, Outcome, UrlPath
from invalidator.runtime import clients
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from invalidator.runtime.log import logger
from invalidator.runtime.metrics import Document
from invalidator.urls.encoding import spellings
from invalidator.urls.viewers import Viewers
from tests.doubles import codepipelines
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock, OnClock, hurried, on
from tests.doubles.cloudfront import DENIED, IN_PROGRESS, THROTTLED, UNAVAILABLE, StrictCloudFront, Time
from tests.doubles.codepipelines import StrictCodePipeline
from tests.doubles.configurations import WITH_QUERY_STRINGS, behavior, configuration, of_buckets, policy, with_oac
from tests.doubles.queues import StrictQueues
from tests.doubles.strategies import ROUTES, TEST_EVENT, Change, simple_plan
from tests.doubles.versioned_s3 import NOW, VersionedS3

EVENTS = Path(__file__).parent.parent / "events"


A_SLOT = 1_795_000_080.0
"""A time at which what waits for room meets: in seconds since 1970, a multiple of 120."""
QUEUE, DEAD_LETTERS = (f"https://sqs.eu-central-1.amazonaws.com/123456789012/{name}" for name in ("changes", "dead"))


def invoke(
    event: Any,
    queues: StrictQueues | None = None,
    limit: float = 120.0,
    request: str = "request",
    workers: type[Calls] = Calls,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Run the function in virtual time, with queues that are not those of the SDK."""
    clock = clock or Clock(limit)
    queue = partial(Queue, queues or StrictQueues(set()))
    edge = on(clock, queue=queue, workers=lambda: workers(clock), now=lambda: A_SLOT)
    return lambda_handler(event, OnClock(aws_request_id=request, clock=clock), edge)


def cold(event: Any, queues: StrictQueues | None = None) -> dict[str, Any]:
    """Run the function in virtual time, in a new container, which knows no distribution yet."""
    clock = Clock()
    known = Catalog(clients.cloudfront(), lambda: clock.now, lambda _: None)
    edge = on(
        clock, queue=partial(Queue, queues or StrictQueues(set())), workers=lambda: Calls(clock), catalog=lambda: known
    )
    return lambda_handler(event, OnClock(aws_request_id="request", clock=clock), edge)


def failed(answer: dict[str, Any]) -> list[str]:
    assert list(answer) == ["batchItemFailures"]
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def lines_of(log: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_every_dialect_reaches_every_distribution(cloudfront: StrictCloudFront, route: str) -> None:
    answer = lambda_handler(ROUTES[route](Change("blog/red flower.html")), LocalContext())
    for distribution in ("E1", "E2"):
        assert cloudfront.paths(distribution) == ["/blog/red%20flower.html", "/blog/red+flower.html"]
    if route.startswith("sqs"):
        assert failed(answer) == []
    else:
        assert answer == {
            "invalidations": [
                {
                    "distribution": item.distribution,
                    "id": item.id,
                    "items": len(item.paths),
                    "caller_reference": item.reference,
                }
                for item in sorted(cloudfront.accepted, key=lambda item: item.distribution)
            ],
            "ignored": 0,
            "tickets": 0,
            "excluded": 0,
            "unserved": 0,
            "unchanged": 0,
        }


@pytest.mark.parametrize("file", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_event_is_accepted_by_cloudfront(
    cloudfront: StrictCloudFront, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tickets among them are for the distributions of the embedded AWS.
    text = file.read_text().replace("EESVZEMEETI1Q", "E1").replace("EW8XZDR3UNZCW", "E2")
    pipeline = StrictCodePipeline({"11111111-abcd-1111-abcd-111111abcdef"})
    with codepipelines.serve(pipeline) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint)
        answer = lambda_handler(json.loads(text), LocalContext())
    assert answer.get("batchItemFailures", []) == []
    assert all(job.is_success and not job.token for job in pipeline.answers)
    assert {item.distribution for item in cloudfront.accepted} == ({"E1", "E2"} if "test" not in file.stem else set())


def test_a_test_event_is_acknowledged_and_nothing_called(cloudfront: StrictCloudFront) -> None:
    answer = lambda_handler(TEST_EVENT, LocalContext())
    assert answer == {"invalidations": [], "ignored": 1, "tickets": 0, "excluded": 0, "unserved": 0, "unchanged": 0}
    assert failed(lambda_handler(make.sqs(TEST_EVENT), LocalContext())) == []
    assert (cloudfront.calls, cloudfront.read) == (0, [])


good = make.changes.map(make.s3)
bad = st.sampled_from(
    ["", "{", "null", '{"a": 1}', {"Records": [{"s3": 1}]}, make.s3(Change("x" * 1025)), make.s3(Change(""))]
)


@make.times(0.6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), good, bad), min_size=1, max_size=6))
def test_exactly_the_messages_that_cannot_be_decoded_are_reported(cloudfront: StrictCloudFront, batch: Any) -> None:
    cloudfront.accepted.clear()
    answer = lambda_handler(make.sqs(*[fine if is_good else poison for is_good, fine, poison in batch]), LocalContext())
    assert failed(answer) == [f"m{number}" for number, (is_good, _, _) in enumerate(batch) if not is_good]
    changed = [change for is_good, fine, _ in batch if is_good for change in decode(fine).changes]
    expected = {item.path for batch in simple_plan(changed, ["E1"]).batches for item in batch.items}
    assert set(cloudfront.paths("E1")) == set(cloudfront.paths("E2")) == expected


@pytest.mark.parametrize("fault", [THROTTLED, DENIED, IN_PROGRESS, ("InternalError", 500)])
def test_messages_that_failed_on_one_distribution_are_reported(
    cloudfront: StrictCloudFront, fault: tuple[str, int]
) -> None:
    cloudfront.broken["E1"] = fault
    event = make.sqs(make.s3(Change("a")), TEST_EVENT, make.s3(Change("b"), Change("c")))
    assert failed(lambda_handler(event, *hurried())) == ["m0", "m2"]
    assert cloudfront.paths("E2") == ["/a", "/b", "/c"]


def test_only_the_messages_of_the_chunk_that_failed_are_reported(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_PATHS", "4000")
    cloudfront.faults.extend([None, None, DENIED])
    event = make.sqs(*[make.s3(Change(f"{number:04}")) for number in range(4_000)])
    assert failed(invoke(event)) == sorted(f"m{number}" for number in range(3_000, 4_000))
    assert len(cloudfront.paths("E1")) == 3_000
    assert len(cloudfront.paths("E2")) == 4_000


def test_without_messages_a_failure_is_raised_after_all_the_rest_was_done(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = DENIED
    record = make.s3_record(Change("a"))
    with pytest.raises(IncompleteError) as caught:
        lambda_handler({"Records": [{"eventSource": "aws:ec2"}, record, {"s3": {}}]}, LocalContext())
    assert "E1: /a not invalidated: AccessDenied" in str(caught.value)
    assert "refused: an object from 'aws:ec2' is none of" in str(caught.value)
    assert "refused: a record without bucket.name and object.key" in str(caught.value)
    assert cloudfront.paths("E2") == ["/a"]


def test_a_change_that_no_message_brought_fails_the_whole_batch(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken = {"E1": DENIED, "E2": DENIED}
    event = make.sqs(TEST_EVENT)
    event["Records"].append(make.s3_record(Change("a")))
    with pytest.raises(IncompleteError, match="E1: /a not invalidated"):
        lambda_handler(event, LocalContext())


def test_a_message_without_an_id_fails_the_whole_batch(cloudfront: StrictCloudFront) -> None:
    event = make.sqs(make.s3(Change("a")), "poison")
    del event["Records"][1]["messageId"]
    with pytest.raises(IncompleteError, match="an SQS record in an envelope or without a messageId"):
        lambda_handler(event, LocalContext())
    assert cloudfront.paths("E1") == ["/a"]


@pytest.mark.parametrize("event", [{"Records": []}, {}, make.sqs(make.s3(Change("a"))), TEST_EVENT])
def test_wrong_settings_are_raised_before_anything_is_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, event: Any
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "not-an-id")
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS: 'not-an-id' is not"):
        lambda_handler(event, LocalContext())
    assert cloudfront.calls == 0


def test_credentials_that_are_missing_are_reported_and_not_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), LocalContext())) == ["m0"]


def test_a_cloudfront_out_of_reach_is_reported_and_not_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), *hurried())) == ["m0"]


def test_an_invocation_about_to_end_sends_nothing_and_acknowledges_nothing(cloudfront: StrictCloudFront) -> None:
    class Ending(LocalContext):
        def get_remaining_time_in_millis(self) -> int:
            return 900

    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), Ending())) == ["m0"]
    assert cloudfront.calls == 0


def test_a_record_that_nothing_identifies_is_known_by_the_request(cloudfront: StrictCloudFront) -> None:
    bare = {"Records": [{"s3": {"bucket": {"name": "origin"}, "object": {"key": "a"}}}]}
    for request in ("r1", "r1", "r2"):
        lambda_handler(bare, LocalContext(aws_request_id=request))
    assert cloudfront.paths("E1") == ["/a", "/a"]


def test_a_warm_invocation_finds_its_connections_made() -> None:
    assert clients.cloudfront() is clients.cloudfront()
    assert clients.queue(QUEUE) is clients.queue(QUEUE)
    kept = clients.listings()
    assert kept is clients.listings()
    clients.forget()
    assert kept is not clients.listings()


def test_the_function_runs_without_a_context(cloudfront: StrictCloudFront) -> None:
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))))) == []


# --- what cannot be invalidated now ---------------------------------------------------------------------


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> StrictQueues:
    """The function's own queue and the one for what it gives up."""
    monkeypatch.setenv("QUEUE_URL", QUEUE)
    monkeypatch.setenv("DEAD_LETTERS_URL", DEAD_LETTERS)
    return StrictQueues({QUEUE, DEAD_LETTERS})


def stored(queues: StrictQueues, url: str = QUEUE) -> list[Batch]:
    return decode(make.sqs(*(message.body for message in queues.messages if message.url == url))).tickets


def paths(batch: Batch) -> list[str]:
    return [item.path for item in batch.items]


def redelivered(queues: StrictQueues, url: str = QUEUE) -> Any:
    """The event that the messages in a queue become; it is empty then."""
    event = make.sqs(*[message.body for message in queues.messages if message.url == url])
    queues.messages = [message for message in queues.messages if message.url != url]
    return event


def ticket(*changes: Change, distribution: str = "E1", **fields: Any) -> str:
    """The ticket that an earlier invocation left."""
    (batch,) = simple_plan(decode(make.s3(*changes)).changes, [DistributionId(distribution)], "").batches
    return tickets.write(tickets.Ticket(replace(batch, **fields), "Throttling: Rate exceeded"))


def delayed(queues: StrictQueues) -> list[tuple[str, int]]:
    return [(message.url, message.delay) for message in queues.messages]


@pytest.mark.parametrize("fault", [THROTTLED, DENIED, IN_PROGRESS, UNAVAILABLE, ("InternalError", 500)])
def test_what_a_distribution_refuses_is_stored_and_acknowledged(
    cloudfront: StrictCloudFront, queues: StrictQueues, fault: tuple[str, int]
) -> None:
    cloudfront.broken["E1"] = fault
    event = make.sqs(make.s3(Change("a")), TEST_EVENT, make.s3(Change("b"), Change("c")))
    assert failed(invoke(event, queues)) == []
    assert cloudfront.paths("E2") == ["/a", "/b", "/c"]
    (left,) = stored(queues)
    assert (left.distribution, paths(left)) == ("E1", ["/a", "/b", "/c"])
    # Room is counted apart: to wait for it is no attempt.
    assert (left.attempts, left.crowded) == ((0, 1) if fault == IN_PROGRESS else (1, 0))
    assert {call.reference for call in cloudfront.log if call.distribution == "E1"} == {left.caller_reference}
    assert left.apart == (fault[1] >= 500)
    assert left.since == "2026-11-20T09:30:12.345Z"
    assert delayed(queues) == [(QUEUE, 30)]
    assert fault[0] in json.loads(queues.messages[0].body)["why"]


def test_what_is_served_later_is_served_under_the_same_reference(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.broken["E1"] = DENIED
    invoke(make.sqs(make.s3(Change("a")), make.s3(Change("b"))), queues)
    (left,) = stored(queues)
    cloudfront.broken.clear()
    assert failed(invoke(redelivered(queues), queues)) == []
    (accepted,) = [item for item in cloudfront.accepted if item.distribution == "E1"]
    assert (accepted.reference, accepted.paths) == (left.caller_reference, ("/a", "/b"))
    assert len(cloudfront.paths("E2")) == 2
    assert queues.messages == []


def test_what_had_been_accepted_without_an_answer_is_not_billed_again(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.lose_answers = 1_000
    assert failed(invoke(make.sqs(make.s3(Change("a"))), queues)) == []
    assert [batch.apart for batch in stored(queues)] == [True, True]
    cloudfront.lose_answers = 0
    # With something new, among which it would be another batch.
    event = redelivered(queues)
    event["Records"] += [record | {"messageId": "new"} for record in make.sqs(make.s3(Change("b")))["Records"]]
    assert failed(invoke(event, queues)) == []
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/a", "/b"]


def test_what_was_refused_is_sent_with_what_is_new(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    event = make.sqs(ticket(Change("a")), ticket(Change("b")), make.s3(Change("c")))
    assert failed(invoke(event, queues)) == []
    assert cloudfront.calls == 2
    assert cloudfront.paths("E1") == ["/a", "/b", "/c"]
    assert cloudfront.paths("E2") == ["/c"]


def test_an_answer_without_messages_says_how_many_tickets_there_are(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.broken["E1"] = IN_PROGRESS
    answer = invoke(make.s3(Change("a")), queues)
    assert [item["distribution"] for item in answer["invalidations"]] == ["E2"]
    assert (answer["ignored"], answer["tickets"]) == (0, 1)
    assert [batch.distribution for batch in stored(queues)] == ["E1"]


FULL = ("AWS.SimpleQueueService.OverLimit", 403)


def with_ids(queues: StrictQueues, first: int = 0) -> dict[str, Any]:
    """The event that brings what is stored, and empties the queue."""
    event = redelivered(queues)
    for number, record in enumerate(event["Records"], first):
        record["messageId"] = f"t{number}"
    return dict(event)


def test_a_large_plan_is_stored_before_it_is_sent(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_PATHS", "4000")
    event = make.sqs(*[make.s3(Change(f"{number:04}")) for number in range(4_000)])
    assert failed(invoke(event, queues)) == []
    assert cloudfront.calls == 0
    assert [(batch.distribution, len(batch.items), batch.attempts, batch.frozen) for batch in stored(queues)] == [
        (id_, number, 0, True) for id_ in ("E1", "E2") for number in (3_000, 1_000)
    ]
    assert {message.delay for message in queues.messages} == {0}
    references = {batch.caller_reference for batch in stored(queues)}
    # More than a distribution takes at a time waits for room, without a call.
    event = with_ids(queues)
    assert failed(invoke(event, queues)) == []
    assert cloudfront.calls == 2
    assert [(batch.distribution, batch.attempts) for batch in stored(queues)] == [("E1", 0), ("E2", 0)]
    for batch in stored(queues):
        accepted = cloudfront.paths(batch.distribution)
        assert (len(accepted) + len(batch.items), set(accepted) & set(paths(batch))) == (4_000, set())
    # An invocation that was cut off after this brings everything again, among other changes: nothing is billed twice.
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = "2"
    event["Records"] += make.sqs(make.s3(Change("0000", sequencer="later")))["Records"]
    event["Records"][-1]["messageId"] = "new"
    queues.messages.clear()
    assert failed(invoke(event, queues)) == []
    while queues.messages:
        assert failed(invoke(with_ids(queues), queues)) == []
    assert sorted(cloudfront.paths("E1")) == sorted([f"/{number:04}" for number in range(4_000)] + ["/0000"])
    assert references <= {item.reference for item in cloudfront.accepted}


def test_what_is_given_up_of_a_large_plan_keeps_its_references(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    # Of what the queue stored and said that it did not, another copy may be accepted once it is allowed again.
    cloudfront.broken["E1"] = DENIED
    large = [ticket(Change(f"{name}1"), Change(f"{name}2"), attempts=4, frozen=True) for name in "ab"]
    assert failed(invoke(make.sqs(*large), queues)) == []
    cloudfront.broken.clear()
    assert failed(invoke(make.sqs(*large), queues)) == []
    assert failed(invoke(redelivered(queues, DEAD_LETTERS), queues)) == []
    assert sorted(cloudfront.paths("E1")) == ["/a1", "/a2", "/b1", "/b2"]


def test_what_of_a_large_plan_is_not_stored_is_sent_at_once(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    queues.broken[QUEUE] = FULL
    event = make.sqs(*[make.s3(Change(f"{number:03}")) for number in range(501)])
    assert failed(invoke(event, queues)) == []
    assert len(cloudfront.paths("E1")) == len(cloudfront.paths("E2")) == 501


def test_without_a_queue_a_large_plan_is_sent_at_once(cloudfront: StrictCloudFront) -> None:
    assert invoke(make.s3(*[Change(f"{number:03}") for number in range(501)]))["tickets"] == 0
    assert len(cloudfront.paths("E1")) == 501


def test_an_invocation_that_is_too_short_stores_everything(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    assert failed(invoke(make.sqs(make.s3(Change("a"))), queues, limit=0.9)) == []
    assert [(batch.distribution, batch.apart) for batch in stored(queues)] == [("E1", False), ("E2", False)]
    assert cloudfront.calls == 0


def test_what_cannot_be_stored_is_reported(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.broken["E1"] = IN_PROGRESS
    queues.broken[QUEUE] = FULL
    event = make.sqs(make.s3(Change("a")), TEST_EVENT, make.s3(Change("b")))
    assert failed(invoke(event, queues)) == ["m0", "m2"]
    with pytest.raises(IncompleteError, match="E1: /a not invalidated: TooManyInvalidationsInProgress"):
        invoke(make.s3(Change("a")), queues)


def test_a_ticket_that_cannot_be_stored_again_is_reported(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.broken["E1"] = IN_PROGRESS
    queues.broken[QUEUE] = FULL
    event = make.sqs(ticket(Change("a")), ticket(Change("b"), distribution="E2"))
    assert failed(invoke(event, queues)) == ["m0"]
    assert cloudfront.paths("E2") == ["/b"]


@dataclass
class FullOnce(StrictQueues):
    """Queues that refuse the first call."""

    refused: bool = False

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803
        self.broken = {} if self.refused else {QueueUrl: FULL}
        self.refused = True
        return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)


def test_what_comes_again_anyway_is_not_stored_beside_it(
    cloudfront: StrictCloudFront, queues: StrictQueues, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"E{number:02}" for number in range(12)]
    monkeypatch.setenv("DISTRIBUTION_IDS", " ".join(ids))
    cloudfront.distributions = set(ids)
    cloudfront.broken = dict.fromkeys(ids, DENIED)
    full_once = FullOnce(queues.urls)
    assert failed(invoke(make.sqs(make.s3(Change("a"))), full_once)) == ["m0"]
    assert full_once.messages == []
    assert [line["message"] for line in lines_of(log)] == ["invalidation failed"] * 12


def test_what_could_not_be_stored_keeps_no_other_message_from_being_stored(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    class FullForE1(StrictQueues):
        def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803
            full = [entry for entry in Entries if '"E1"' in entry["MessageBody"]]
            others = [entry for entry in Entries if entry not in full]
            answer = super().send_message_batch(QueueUrl=QueueUrl, Entries=others)
            failures = [{"Id": entry["Id"], "Code": "OverLimit", "SenderFault": True} for entry in full]
            return answer | {"Failed": failures}

    cloudfront.broken = {"E1": IN_PROGRESS, "E2": IN_PROGRESS}
    partly = FullForE1(queues.urls)
    assert failed(invoke(make.sqs(ticket(Change("a")), ticket(Change("b"), distribution="E2")), partly)) == ["m0"]
    (kept,) = partly.messages
    assert json.loads(kept.body)["distribution"] == "E2"


def test_a_thousand_tickets_are_stored_ten_in_a_call(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"E{number:04}" for number in range(1_500)]
    monkeypatch.setenv("DISTRIBUTION_IDS", " ".join(ids))
    monkeypatch.setenv("DESCRIBE", "off")
    cloudfront.broken = dict.fromkeys(ids, DENIED)
    assert failed(invoke(make.sqs(make.s3(Change("a"))), queues)) == []
    assert (len(queues.messages), len(queues.calls)) == (1_500, 150)


def test_a_queue_that_does_not_answer_ends_in_time(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    class Silent(Calls):
        """Workers whose calls of the queue never end."""

        def start(self, call: Any) -> None:
            if call.func.__name__ != "_store":
                super().start(call)

    cloudfront.broken["E1"] = DENIED
    clock = Clock()
    answer = invoke(make.sqs(make.s3(Change("a"))), queues, clock=clock, workers=Silent)
    assert failed(answer) == ["m0"]
    assert clock.now == clock.limit - 1.0


def test_without_an_sdk_to_store_with_messages_are_reported(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    def no_queue(url: str) -> Queue:
        raise ConfigurationError("the AWS SDK cannot be set up")

    cloudfront.broken["E1"] = DENIED
    clock = Clock()
    edge = on(clock, queue=no_queue, workers=lambda: Calls(clock))
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), OnClock(clock=clock), edge)) == ["m0"]


def test_without_a_queue_a_ticket_is_served_all_the_same(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E2"] = DENIED
    event = make.sqs(ticket(Change("a")), ticket(Change("b"), distribution="E2"))
    assert failed(invoke(event)) == ["m1"]
    assert cloudfront.paths("E1") == ["/a"]


@pytest.mark.parametrize("apart", [False, True])
def test_a_ticket_for_a_distribution_that_is_not_ours_is_refused(
    cloudfront: StrictCloudFront, queues: StrictQueues, apart: bool
) -> None:
    cloudfront.distributions = {"E1", "E2", "E3"}
    event = make.sqs(ticket(Change("a"), distribution="E3", apart=apart), make.s3(Change("b")))
    assert failed(invoke(event, queues)) == ["m0"]
    assert {call.distribution for call in cloudfront.log} == {"E1", "E2"}
    assert queues.messages == []
    with pytest.raises(IncompleteError, match="refused: a ticket for 'E3', which is not one of the configured"):
        invoke(json.loads(ticket(Change("a"), distribution="E3")), queues)


# --- what is given up -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "before", "where"),
    [
        (THROTTLED, 8, (QUEUE, 900)),
        (THROTTLED, 9, (DEAD_LETTERS, 0)),
        (UNAVAILABLE, 9, (DEAD_LETTERS, 0)),
        (DENIED, 1, (QUEUE, 60)),
        (DENIED, 3, (QUEUE, 240)),
        (DENIED, 4, (DEAD_LETTERS, 0)),
    ],
)
def test_what_is_refused_too_often_is_given_up(
    cloudfront: StrictCloudFront, queues: StrictQueues, fault: tuple[str, int], before: int, where: tuple[str, int]
) -> None:
    cloudfront.broken["E1"] = fault
    assert failed(invoke(make.sqs(ticket(Change("a"), attempts=before)), queues)) == []
    assert delayed(queues) == [where]
    (left,) = stored(queues, where[0])
    assert (left.attempts, paths(left)) == (before + 1, ["/a"])


@pytest.mark.parametrize(
    ("before", "where"),
    [(0, (QUEUE, 30)), (1, (QUEUE, 60)), (2, (QUEUE, 120)), (30, (QUEUE, 120)), (31, (DEAD_LETTERS, 0))],
)
def test_what_waits_for_others_to_complete_is_given_up_after_an_hour(
    cloudfront: StrictCloudFront, queues: StrictQueues, before: int, where: tuple[str, int]
) -> None:
    cloudfront.broken["E1"] = IN_PROGRESS
    assert failed(invoke(make.sqs(ticket(Change("a"), attempts=9, crowded=before)), queues)) == []
    assert delayed(queues) == [where]
    (left,) = stored(queues, where[0])
    assert (left.attempts, left.crowded) == (9, (before + 1) % 32)  # a dead letter that comes back starts anew


def test_what_was_given_up_for_want_of_room_starts_anew_when_back(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    """AWS's console moves dead letters back as they are."""
    cloudfront.broken["E1"] = IN_PROGRESS
    assert failed(invoke(make.sqs(ticket(Change("a"), crowded=32)), queues)) == []
    assert delayed(queues) == [(QUEUE, 30)]
    (left,) = stored(queues, QUEUE)
    assert left.crowded == 1


def test_a_deploy_of_many_wildcards_ends_with_all_of_them_accepted(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_PATHS", "4000")
    for id_ in ("E1", "E2"):
        default = {"DefaultCacheBehavior": behavior("origin", WITH_QUERY_STRINGS)}
        cloudfront.configs[id_] = of_buckets("origin") | default
    clock = Clock()
    cloudfront.time = Time(clock)
    waiting = make.sqs(*(make.s3(Change(f"{number}.jpg")) for number in range(200)))["Records"]
    for _ in range(200):
        # Two invocations at a time, of which one finds the distributions busy with the work of the other.
        for records in filter(None, (waiting[::2], waiting[1::2])):
            clock.limit = clock.now + 120
            assert failed(invoke({"Records": records}, queues, clock=clock)) == []
        assert stored(queues, DEAD_LETTERS) == []
        if not queues.messages:
            break
        clock.now += max(message.delay for message in queues.messages)
        waiting = redelivered(queues, QUEUE)["Records"]
    assert sorted(cloudfront.paths("E1")) == sorted(f"/{number}.jpg*" for number in range(200))


def test_what_was_given_up_can_be_sent_back_again_and_again(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.broken["E1"] = DENIED
    event = make.sqs(ticket(Change("a"), attempts=9))
    for _ in range(3):
        assert failed(invoke(event, queues)) == []
        event = redelivered(queues, DEAD_LETTERS)
        assert len(event["Records"]) == 1
    cloudfront.broken.clear()
    assert failed(invoke(event, queues)) == []
    assert cloudfront.paths("E1") == ["/a"]


def test_without_dead_letters_what_is_given_up_is_reported(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEAD_LETTERS_URL")
    cloudfront.broken["E1"] = DENIED
    event = make.sqs(ticket(Change("a"), attempts=9, apart=True), make.s3(Change("b")))
    assert failed(invoke(event, queues)) == ["m0"]
    assert [paths(batch) for batch in stored(queues)] == [["/b"]]


def test_a_message_is_reported_if_any_of_its_batches_could_not_be_stored(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.broken["E1"] = IN_PROGRESS
    cloudfront.rejects = {"/bad"}
    queues.broken[DEAD_LETTERS] = FULL
    event = make.sqs(make.s3(Change("a")), make.s3(Change("bad")))
    assert failed(invoke(event, queues)) == ["m1"]
    assert [(batch.distribution, paths(batch)) for batch in stored(queues)] == [("E1", ["/a", "/bad"])]


def test_one_invalid_path_among_three_thousand_costs_the_others_nothing(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.rejects = {"/0815"}
    event = make.sqs(
        *[make.s3(*[Change(f"{number:04}") for number in range(at, at + 300)]) for at in range(0, 3_000, 300)]
    )
    assert failed(invoke(event, queues)) == []
    assert failed(invoke(redelivered(queues), queues)) == []
    for distribution in ("E1", "E2"):
        good = [f"/{number:04}" for number in range(3_000) if number != 815]
        assert sorted(cloudfront.paths(distribution)) == good
    given_up = stored(queues, DEAD_LETTERS)
    assert [batch.distribution for batch in given_up] == ["E1", "E2"]
    for batch in given_up:
        ((path, (cause,), _),) = batch.items
        assert (path, cause.source.key, cause.relation) == ("/0815", "0815", "object")
    assert delayed(queues) == [(DEAD_LETTERS, 0)] * 2
    assert "InvalidArgument" in json.loads(queues.messages[0].body)["why"]


def test_invalid_paths_share_a_dead_letter_that_lists_them_all(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    keys = [f"{number:03}" for number in range(300)]
    cloudfront.rejects = {f"/{key}" for key in keys}
    assert failed(invoke(make.sqs(*(make.s3(Change(key)) for key in keys)), queues)) == []
    assert len(cloudfront.log) <= 2 * 60
    one, other = stored(queues, DEAD_LETTERS)
    assert (one.distribution, other.distribution) == ("E1", "E2")
    assert paths(one) == paths(other) == sorted(cloudfront.rejects)


def test_a_path_that_is_refused_twice_is_once_in_the_dead_letter(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.rejects = {"/bad"}
    half = ticket(Change("bad", sequencer="1"), apart=True, attempts=3)
    assert failed(invoke(make.sqs(half, make.s3(Change("bad", sequencer="2"))), queues)) == []
    assert [(batch.distribution, paths(batch)) for batch in stored(queues, DEAD_LETTERS)] == [
        ("E1", ["/bad"]),
        ("E2", ["/bad"]),
    ]


@pytest.mark.parametrize("wildcards", [False, True])
def test_a_large_plan_is_sent_though_uploads_go_on(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch, wildcards: bool
) -> None:
    for name, value in {"DISTRIBUTION_IDS": "E1", "MAX_PATHS": "9000", "LOSSLESS": "off"}.items():
        monkeypatch.setenv(name, value)
    number = 3_000
    if wildcards:
        cached_by_query = {"DefaultCacheBehavior": behavior("origin", WITH_QUERY_STRINGS)}
        cloudfront.configs["E1"] = of_buckets("origin") | cached_by_query
        number = 105  # wildcards: more than a distribution takes in six times
        monkeypatch.setattr("invalidator.runtime.deliver._MAX_PATHS_AT_ONCE", 100)
    clock = Clock()
    cloudfront.time = Time(clock)
    event = make.sqs(*[make.s3(*[Change(f"{at + n:04}") for n in range(15)]) for at in range(0, number, 15)])
    wanted = {f"/{n:04}" for n in range(number)}
    for round_ in range(20):
        clock.limit = clock.now + 120
        for place, record in enumerate(event["Records"]):
            record["messageId"] = f"x{place}"
        assert failed(invoke(event, queues, clock=clock)) == []
        if wanted <= set(cloudfront.paths("E1")):
            break
        clock.now += 30
        event = redelivered(queues)
        event["Records"] += make.sqs(make.s3(Change(f"new{round_}")))["Records"]
    assert wanted <= set(cloudfront.paths("E1"))


# --- invocations that end in between --------------------------------------------------------------------


class Cut(BaseException):
    """The end of an invocation, wherever it is."""


class CutOff(Calls):
    """An invocation that ends before it knows how its calls went."""

    def wait(self, seconds: float) -> Any:
        ended = super().wait(seconds)
        if isinstance(ended, Outcome):
            raise Cut
        return ended


@pytest.mark.parametrize("of_ticket", [False, True])
def test_what_is_delivered_again_after_a_crash_is_not_billed_again(
    cloudfront: StrictCloudFront, queues: StrictQueues, of_ticket: bool
) -> None:
    bodies: list[Any] = [make.s3(Change("a")), make.s3(Change("b"))]
    if of_ticket:
        bodies = [ticket(Change("a"), Change("b"), distribution=id_) for id_ in ("E1", "E2")]
    event = make.sqs(*bodies)
    with pytest.raises(Cut):
        invoke(event, queues, workers=CutOff)
    assert len(cloudfront.accepted) == 2
    assert failed(invoke(make.delivered_again(event), queues)) == []
    assert cloudfront.calls == 4
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/a", "/b"]


def test_a_ticket_that_was_perhaps_sent_is_not_mixed_with_what_is_new(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    event = make.sqs(ticket(Change("a")))
    with pytest.raises(Cut):
        invoke(event, queues, workers=CutOff)
    event = make.delivered_again(event)
    event["Records"] += [record | {"messageId": "new"} for record in make.sqs(make.s3(Change("b")))["Records"]]
    assert failed(invoke(event, queues)) == []
    assert cloudfront.paths("E1") == ["/a", "/b"]


def test_what_lambda_gave_up_is_done_when_it_comes_as_a_dead_letter(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    bare = {"Records": [{"s3": {"bucket": {"name": "origin"}, "object": {"key": "a"}}}]}
    with pytest.raises(Cut):
        invoke(bare, queues, request="r1", workers=CutOff)
    assert failed(invoke(make.sqs(make.failed_invocation(bare, "r1")), queues, request="r2")) == []
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/a"]


def test_a_call_that_hangs_is_stored_apart(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    class Hanging(Calls):
        def __init__(self, clock: Clock) -> None:
            super().__init__(clock, lambda batch: 1e6 if batch.distribution == "E1" else 0.1)

    clock = Clock()
    edge = on(clock, queue=partial(Queue, queues), workers=lambda: Hanging(clock))
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), OnClock(clock=clock), edge)) == []
    # There was time for the call that stores it.
    assert clock.left > sdk.LONGEST_ATTEMPT
    (left,) = stored(queues)
    assert (left.distribution, left.apart) == ("E1", True)
    assert failed(invoke(redelivered(queues), queues)) == []
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/a"]


# --- uploads that change nothing ------------------------------------------------------------------------


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> VersionedS3:
    """The bucket, with the versions of which uploads are compared."""
    monkeypatch.setenv("SKIP_UNCHANGED", "versions")
    return VersionedS3()


def listing(s3: VersionedS3) -> Listings:
    return Listings(s3, lambda: 0.0, lambda: datetime(2026, 11, 20, 9, 31, tzinfo=UTC))


def compare(event: Any, listings: Listings, workers: type[Calls] = Calls, clock: Clock | None = None) -> dict[str, Any]:
    """Run the function in virtual time on a bucket with versions."""
    clock = clock or Clock()
    return lambda_handler(
        event, OnClock(clock=clock), on(clock, workers=lambda: workers(clock), listings=lambda: listings)
    )


def uploaded(s3: VersionedS3, key: str, *bodies: bytes, **headers: Any) -> Change:
    """The last of some uploads of an object, at the time of the events."""
    time = datetime(2026, 11, 20, 9, 30, 12, tzinfo=UTC)
    (*_, version) = [s3.write(key, body, time, **headers) for body in bodies]
    return Change(key, version=version)


def test_an_upload_of_what_was_there_before_is_done_with_and_takes_no_path(
    cloudfront: StrictCloudFront, s3: VersionedS3, log: StringIO
) -> None:
    same, other = uploaded(s3, "same", b"1", b"1"), uploaded(s3, "other", b"1", b"2")
    event = make.sqs(make.s3(same), make.s3(other), make.eventbridge(same))
    assert failed(compare(event, listing(s3))) == []
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/other"]
    told = [line["uploads"] for line in lines_of(log) if line["message"] == "unchanged uploads skipped"]
    assert told == [2]
    assert len(s3.calls) <= 2


def test_where_every_upload_changed_something_nothing_is_said(
    cloudfront: StrictCloudFront, s3: VersionedS3, log: StringIO
) -> None:
    compare(make.s3(uploaded(s3, "a", b"1", b"2")), listing(s3))
    assert [line for line in lines_of(log) if line["message"] == "unchanged uploads skipped"] == []


def test_an_event_in_which_nothing_changed_takes_no_call(cloudfront: StrictCloudFront, s3: VersionedS3) -> None:
    answer = compare(make.s3(*[uploaded(s3, key, b"1", b"1") for key in "abc"]), listing(s3))
    assert (answer["invalidations"], answer["unchanged"]) == ([], 3)
    assert cloudfront.calls == 0


def test_what_is_skipped_does_not_keep_a_failure_from_being_reported(
    cloudfront: StrictCloudFront, s3: VersionedS3
) -> None:
    cloudfront.broken["E1"] = DENIED
    same, other = uploaded(s3, "same", b"1", b"1"), uploaded(s3, "other", b"1", b"2")
    event = make.sqs(make.s3(same), make.s3(same, other), "poison")
    assert failed(compare(event, listing(s3), clock=Clock(1.5))) == ["m1", "m2"]


def test_a_removal_is_never_skipped(cloudfront: StrictCloudFront, s3: VersionedS3) -> None:
    same = uploaded(s3, "a", b"1", b"1")
    compare(make.s3(replace(same, name="ObjectRemoved:Delete")), listing(s3))
    assert cloudfront.paths("E1") == ["/a"]
    assert s3.calls == []


@pytest.mark.parametrize("route", ["s3", "eventbridge", "cloudtrail"])
@pytest.mark.parametrize("mode", ["versions", "versions+metadata"])
def test_neither_a_new_acl_nor_an_empty_object_is_ever_skipped(
    cloudfront: StrictCloudFront, s3: VersionedS3, monkeypatch: pytest.MonkeyPatch, mode: str, route: str
) -> None:
    monkeypatch.setenv("SKIP_UNCHANGED", mode)
    event_of = make.ROUTES[route]
    compare(event_of(replace(uploaded(s3, "a", b"1", b"1"), name="ObjectAcl:Put")), listing(s3))
    compare(event_of(uploaded(s3, "b", b"", b"")), listing(s3))
    assert compare(event_of(uploaded(s3, "c", b"1", b"1")), listing(s3))["unchanged"] == 1
    assert cloudfront.paths("E1") == ["/a", "/b"]


def test_metadata_are_compared_where_that_is_wanted(
    cloudfront: StrictCloudFront, s3: VersionedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKIP_UNCHANGED", "versions+metadata")
    uploaded(s3, "a", b"1", ContentType="text/plain")
    change = uploaded(s3, "a", b"1", ContentType="text/html")
    assert compare(make.s3(change), listing(s3))["unchanged"] == 0
    again = uploaded(s3, "a", b"1", ContentType="text/html")
    assert compare(make.s3(again), listing(s3))["unchanged"] == 1
    assert cloudfront.paths("E1") == ["/a"]


def test_nothing_is_compared_unless_it_is_wanted(
    cloudfront: StrictCloudFront, s3: VersionedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKIP_UNCHANGED")
    assert compare(make.s3(uploaded(s3, "a", b"1", b"1")), listing(s3))["unchanged"] == 0
    assert s3.calls == []


def test_what_is_excluded_is_not_compared(
    cloudfront: StrictCloudFront, s3: VersionedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCLUDE", "*.map")
    answer = compare(make.s3(uploaded(s3, "a.map", b"1", b"1")), listing(s3))
    assert (answer["excluded"], answer["unchanged"]) == (1, 0)
    assert s3.calls == []


def test_what_cannot_be_compared_is_invalidated_with_a_warning(
    cloudfront: StrictCloudFront, s3: VersionedS3, log: StringIO
) -> None:
    s3.broken["ListObjectVersions"] = DENIED
    assert failed(compare(make.sqs(make.s3(uploaded(s3, "a", b"1", b"1"))), listing(s3))) == []
    assert cloudfront.paths("E1") == ["/a"]
    (warning,) = [line["message"] for line in lines_of(log) if line["level"] == "WARNING"]
    assert "grant s3:ListBucketVersions on this bucket" in warning


def test_a_bucket_that_does_not_answer_is_not_waited_for(
    cloudfront: StrictCloudFront, s3: VersionedS3, log: StringIO
) -> None:
    class Silent(Calls):
        def start(self, call: Any) -> None:
            if not isinstance(call, partial) or call.func != same.unchanged:
                super().start(call)

    same, clock = listing(s3), Clock()
    event = make.sqs(make.s3(uploaded(s3, "a", b"1", b"1")))
    assert failed(compare(event, same, Silent, clock)) == []
    assert clock.now == 10.0
    assert cloudfront.paths("E1") == ["/a"]
    (warning,) = [line["message"] for line in lines_of(log) if line["level"] == "WARNING"]
    assert warning == "S3 does not answer; all uploads are invalidated"


@pytest.mark.parametrize(("limit", "seconds"), [(120.0, 8.0), (40.0, 8.0), (20.0, 3.0), (8.0, 1.0)])
def test_comparing_leaves_time_for_what_it_is_about(
    cloudfront: StrictCloudFront, s3: VersionedS3, limit: float, seconds: float
) -> None:
    class Watched(Listings):
        def bounds(self, seconds: float, pages: int = MAX_PAGES) -> Bounds:
            bounds.append(seconds)
            return super().bounds(seconds, pages)

    bounds: list[float] = []
    compare(make.s3(uploaded(s3, "a", b"1")), Watched(s3, lambda: 0.0), clock=Clock(limit))
    assert bounds == [seconds]


def test_uploads_are_compared_through_the_sdk(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIP_UNCHANGED", "versions+metadata")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="origin")
        client.put_bucket_versioning(Bucket="origin", VersioningConfiguration={"Status": "Enabled"})
        for body, expected in (b"1", 0), (b"1", 1), (b"2", 0), (b"1", 0), (b"1", 1):
            version = client.put_object(Bucket="origin", Key="a b", Body=body)["VersionId"]
            event = make.s3(Change("a b", version, version=version))
            event["Records"][0]["eventTime"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
            assert lambda_handler(event)["unchanged"] == expected
    assert cloudfront.paths("E1") == ["/a%20b", "/a+b"] * 3


# --- more than a distribution is to get -----------------------------------------------------------------


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> VersionedS3:
    """A bucket of 40 objects in two directories, of whose changes only so many paths are to be sent."""
    monkeypatch.setenv("MAX_PATHS", "6")
    s3 = VersionedS3(page=7)
    s3.buckets["other-origin"] = []
    for number in range(40):
        s3.write(f"{'ab'[number % 2]}/{number:02}", b"1")
    return s3


def upload(s3: VersionedS3, *keys: str, clock: Clock | None = None, workers: type[Calls] = Calls) -> list[str]:
    """The messages that failed, of a message for each key."""
    clock = clock or Clock()
    event = make.sqs(*(make.s3(Change(key)) for key in keys))
    return failed(compare(event, Listings(s3, lambda: clock.now), workers, clock))


def warnings_in(log: StringIO) -> list[str]:
    return [line["message"] for line in lines_of(log) if line["level"] == "WARNING"]


MANY = ["a/00", "a/02", "a/04", *(f"b/{number:02}" for number in range(1, 40, 2) if number != 11)]


def test_too_much_is_widened_so_that_the_fewest_neighbours_are_evicted(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO
) -> None:
    assert upload(site, *MANY) == []
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/a/00", "/a/02", "/a/04", "/b/*"]
    assert len(site.made("ListObjectsV2")) == 6 + 1  # once for both distributions, which have two buckets
    assert warnings_in(log) == []
    told = [line for line in lines_of(log) if line["message"] == "paths widened"]
    assert [(line["distribution"], line["evicted"], line["wildcards"]) for line in told] == [
        (id_, 1, {"/b/*": "19 changed, 1 unchanged evicted"}) for id_ in ("E1", "E2")
    ]


def test_distributions_that_differ_are_planned_from_one_listing(
    cloudfront: StrictCloudFront, site: VersionedS3
) -> None:
    cloudfront.configs["E2"] = of_buckets("origin") | {"DefaultRootObject": "start.html"}
    assert upload(site, *MANY) == []
    assert cloudfront.paths("E2") == cloudfront.paths("E1")
    assert [arguments["Bucket"] for arguments in site.made("ListObjectsV2")].count("origin") == 6


def test_what_is_little_is_not_listed(cloudfront: StrictCloudFront, site: VersionedS3) -> None:
    assert upload(site, *MANY[:2]) == []
    assert cloudfront.paths("E1") == [f"/{key}" for key in MANY[:2]]
    assert site.calls == []


def test_what_is_not_too_much_is_sent_in_fewer_paths_that_evict_nothing(
    cloudfront: StrictCloudFront, site: VersionedS3
) -> None:
    assert upload(site, "a/00", *(f"b/2{number}" for number in (1, 3, 5, 7, 9))) == []
    assert cloudfront.paths("E1") == ["/a/00", "/b/2*"]


def redeployed(s3: VersionedS3) -> list[str]:
    """The messages that failed after all 40 objects were uploaded just now, half of them with the same bytes."""
    keys = [stored.key for stored in s3.buckets["origin"]]
    versions = [s3.write(key, b"2" if key[2] in "01" else b"1", NOW) for key in keys]
    event = make.sqs(*(make.s3(Change(key, version=version)) for key, version in zip(keys, versions, strict=True)))
    for record in event["Records"]:
        record["body"] = record["body"].replace("2026-11-20T09:30:12.345Z", f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z")
    clock = Clock()
    listings = Listings(s3, lambda: clock.now, lambda: NOW)
    edge = on(clock, workers=lambda: Calls(clock), listings=lambda: listings, now=NOW.timestamp)
    return failed(lambda_handler(event, OnClock(clock=clock), edge))


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("EXCLUDE", "", ["/*"]),
        ("EXCLUDE", "*/2* */3*", ["/a/0*", "/a/1*", "/b/0*", "/b/1*"]),
        ("SKIP_UNCHANGED", "versions", ["/a/0*", "/a/1*", "/b/0*", "/b/1*"]),
    ],
)
def test_what_a_deploy_leaves_as_it_is_stays_in_the_caches(
    cloudfront: StrictCloudFront,
    site: VersionedS3,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    expected: list[str],
) -> None:
    monkeypatch.setenv("MAX_PATHS", "3000")
    monkeypatch.setenv(setting, value)
    assert redeployed(site) == []
    assert cloudfront.paths("E1") == expected


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "grant s3:ListBucket on this bucket"),
        ("SlowDown", "again in a minute"),
        ("NoSuchBucket", "check the name"),
    ],
)
def test_where_the_bucket_cannot_be_listed_directories_go_with_a_warning(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO, code: str, advice: str
) -> None:
    site.broken["ListObjectsV2"] = (code, 403)
    assert upload(site, *MANY) == []
    assert cloudfront.paths("E1") == ["/a/00", "/a/02", "/a/04", "/b/*"]
    (warning,) = warnings_in(log)
    assert advice in warning
    assert warning.endswith("; whole directories are cleared")


def test_a_listing_takes_no_more_pages_than_allowed(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listings.bounds, "__defaults__", (5,))
    assert upload(site, *MANY) == []
    assert cloudfront.paths("E1") == ["/a/00", "/a/02", "/a/04", "/b/*"]
    assert len(site.made("ListObjectsV2")) == 5
    (warning,) = warnings_in(log)
    assert "it takes more than 5 pages" in warning


def test_all_listings_of_an_event_share_the_pages_that_are_allowed(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listings.bounds, "__defaults__", (6,))
    assert upload(site, *MANY) == []
    assert len(site.made("ListObjectsV2")) == 6
    (warning,) = warnings_in(log)
    assert warning.endswith("more than 6 pages; each path pattern that leads there counts as one object")


def test_what_is_said_to_be_evicted_is_that_of_each_distribution(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO
) -> None:
    assert upload(site, *MANY[:-2]) == []
    told = [line for line in lines_of(log) if line["message"] == "paths widened"]
    assert [(line["evicted"], line["wildcards"]) for line in told] == [
        (3, {"/b/*": "17 changed, 3 unchanged evicted"})
    ] * 2


def test_the_wildcard_of_a_rule_is_not_said_to_be_widened(
    cloudfront: StrictCloudFront, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RULES", '[{"match": "^index[.]html$", "instead": ["/*"]}]')
    lambda_handler(make.s3(Change("index.html")))
    assert "/*" in cloudfront.paths("E1")
    assert [line for line in lines_of(log) if line["message"] == "paths widened"] == []


@pytest.mark.parametrize(("limit", "seconds"), [(120.0, 30.0), (60.0, 20.0), (6.0, 2.0)])
def test_a_silent_bucket_takes_a_third_of_the_time_at_most(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO, limit: float, seconds: float
) -> None:
    class Silent(Calls):
        def start(self, call: Any) -> None:
            if isinstance(call, partial):  # only the pages of a listing are asked for by another function
                super().start(call)

    clock = Clock(limit)
    assert upload(site, *MANY, clock=clock, workers=Silent) == []
    assert clock.now == pytest.approx(seconds)
    assert cloudfront.paths("E2") == ["/a/00", "/a/02", "/a/04", "/b/*"]
    (warning,) = warnings_in(log)
    assert "S3 does not answer in time" in warning


def test_rules_that_are_slow_for_the_keys_of_a_bucket_end_the_search(
    cloudfront: StrictCloudFront, site: VersionedS3, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, urls = Clock(120.0), Viewers.urls

    def slowly(viewers: Viewers, key: ObjectKey, origin: Origin) -> tuple[UrlPath, ...]:
        clock.now += 25.0
        return urls(viewers, key, origin)

    monkeypatch.setattr(Viewers, "urls", slowly)
    assert upload(site, *MANY, clock=clock) == []
    assert clock.now == pytest.approx(75.0)  # half of the time, and the key at which it was over
    assert cloudfront.paths("E2") == ["/a/00", "/a/02", "/a/04", "/b/*"]
    (warning,) = warnings_in(log)
    assert "the rules take too long for the keys of bucket 'origin'" in warning


def test_a_message_under_a_wildcard_that_failed_is_reported(cloudfront: StrictCloudFront, site: VersionedS3) -> None:
    cloudfront.broken["E1"] = DENIED
    assert upload(site, *MANY) == sorted(f"m{number}" for number in range(len(MANY)))


def test_a_redelivered_event_that_is_widened_is_billed_once(cloudfront: StrictCloudFront, site: VersionedS3) -> None:
    assert upload(site, *MANY) == upload(site, *MANY) == []
    assert len(cloudfront.paths("E1")) == 4


@pytest.mark.parametrize("most", ["0", "-1", "many", "1.5", "1000001"])
def test_a_number_of_paths_that_makes_no_sense_stops_everything(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    monkeypatch.setenv("MAX_PATHS", most)
    with pytest.raises(ConfigurationError, match="MAX_PATHS"):
        lambda_handler(make.sqs(make.s3(Change("a"))), LocalContext())
    assert cloudfront.calls == 0


def test_neighbours_are_listed_through_the_sdk(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_PATHS", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="origin")
        for key in ("a b/1", "a b/2", "a b/3", "c/1", "c/2", "d"):
            client.put_object(Bucket="origin", Key=key)
        lambda_handler(make.s3(Change("c/1"), Change("c/2"), Change("a b/1")))
    assert cloudfront.paths("E1") == ["/a*", "/c/*"]


# --- a list of distributions that changes ---------------------------------------------------------------


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Secrets Manager with the list E1ABCDEFGH, which is read at every event."""
    monkeypatch.setenv("DISTRIBUTION_IDS_SECRET", "cdn")
    monkeypatch.setenv("SETTINGS_TTL", "0")
    with mock_aws():
        secrets = boto3.client("secretsmanager")
        secrets.create_secret(Name="cdn", SecretString="E1ABCDEFGH")
        yield secrets


def test_a_distribution_that_is_added_to_the_list_is_served(listed: Any) -> None:
    double = StrictCloudFront({"E1ABCDEFGH", "E2ABCDEFGH"})
    edge = Clients(cloudfront=lambda: CloudFront(double), catalog=lambda: Catalog(CloudFront(double)))
    lambda_handler(make.s3(Change("a")), LocalContext(), edge)
    listed.put_secret_value(SecretId="cdn", SecretString="E1ABCDEFGH E2ABCDEFGH")
    lambda_handler(make.s3(Change("b")), LocalContext(), edge)
    assert (double.paths("E1ABCDEFGH"), double.paths("E2ABCDEFGH")) == (["/a", "/b"], ["/b"])


def test_a_list_that_is_lost_is_a_warning_and_stops_nothing(listed: Any, log: StringIO) -> None:
    double = StrictCloudFront({"E1ABCDEFGH"})
    cdn = CloudFront(double)
    edge = Clients(cloudfront=lambda: cdn, catalog=lambda: Catalog(cdn))
    lambda_handler(make.s3(Change("a")), LocalContext(), edge)
    listed.delete_secret(SecretId="cdn", ForceDeleteWithoutRecovery=True)
    lambda_handler(make.s3(Change("b")), LocalContext(), edge)
    assert double.paths("E1ABCDEFGH") == ["/a", "/b"]
    (warning,) = [line for line in lines_of(log) if line["level"] == "WARNING"]
    assert "DISTRIBUTION_IDS_SECRET: cdn cannot be read" in warning["message"]
    assert "what was known so far stays in force" in warning["message"]


def test_a_list_that_never_could_be_read_stops_everything(listed: Any) -> None:
    listed.delete_secret(SecretId="cdn", ForceDeleteWithoutRecovery=True)
    double = StrictCloudFront({"E1ABCDEFGH"})
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS_SECRET: cdn cannot be read"):
        lambda_handler(make.sqs(make.s3(Change("a"))), LocalContext(), Clients(cloudfront=lambda: CloudFront(double)))
    assert double.calls == 0


# --- with the queues of the SDK -------------------------------------------------------------------------


def test_a_ticket_goes_through_a_real_queue_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_aws() as aws:
        client = boto3.client("sqs")
        monkeypatch.setenv("QUEUE_URL", client.create_queue(QueueName="changes")["QueueUrl"])
        monkeypatch.setenv("DEAD_LETTERS_URL", client.create_queue(QueueName="dead")["QueueUrl"])
        monkeypatch.setenv("DISTRIBUTION_IDS", f"{aws.distributions[0]},EMISSING")
        lost = ticket(Change("b"), distribution="EMISSING", attempts=4, apart=True)
        assert failed(lambda_handler(make.sqs(make.s3(Change("a b")), lost), LocalContext())) == []
        (done,) = aws.new_invalidations()
        assert done.paths == ("/a%20b", "/a+b")
        # Half a minute is to pass before the one is seen; the other is for people.
        urls = client.list_queues()["QueueUrls"]
        waiting = {
            url.split("/")[-1]: client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
            )["Attributes"]
            for url in urls
        }
        assert waiting == {
            "changes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "1"},
            "dead": {"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesDelayed": "0"},
        }
        (letter,) = client.receive_message(QueueUrl=next(url for url in urls if url.endswith("dead")))["Messages"]
        given_up = tickets.read(json.loads(letter["Body"]))
        assert (given_up.batch.distribution, paths(given_up.batch)) == ("EMISSING", ["/b"])
        assert "NoSuchDistribution" in given_up.why


# --- the log --------------------------------------------------------------------------------------------


def test_there_is_one_line_an_invalidation(cloudfront: StrictCloudFront, log: StringIO) -> None:
    invoke(make.s3(Change("a"), Change("b")), request="request-1")
    lines = lines_of(log)
    assert [
        (line["distribution"], line["invalidation"], line["items"], line["caller_reference"]) for line in lines
    ] == [(item.distribution, item.id, 2, item.reference) for item in cloudfront.accepted]
    assert {line["function_request_id"] for line in lines} == {"request-1"}


def test_what_is_ignored_is_logged(cloudfront: StrictCloudFront, log: StringIO) -> None:
    lambda_handler(make.sqs(TEST_EVENT, make.s3(Change("a", name="ObjectTagging:Put"))), LocalContext())
    assert [(line["message"], line["records"]) for line in lines_of(log)] == [("records ignored", 2)]


def test_every_failure_has_its_line(cloudfront: StrictCloudFront, log: StringIO) -> None:
    cloudfront.broken["E1"] = DENIED
    lambda_handler(make.sqs(make.s3(Change("a")), "poison"), LocalContext())
    errors = [line for line in lines_of(log) if line["level"] == "ERROR"]
    assert [line["message"] for line in errors] == ["record refused", "invalidation failed"]
    assert errors[0]["message_id"] == "m1"
    assert "AccessDenied" in errors[1]["error"]


@pytest.mark.parametrize("fault", [DENIED, IN_PROGRESS, THROTTLED, "undescribed"])
def test_the_time_of_what_is_refused_counts_from_the_second_time_on(
    cloudfront: StrictCloudFront, queues: StrictQueues, fault: Any
) -> None:
    if fault == "undescribed":
        cloudfront.unreadable["GetDistributionConfig"] = THROTTLED
    else:
        cloudfront.broken["E1"] = fault

    def seconds(event: Any) -> list[list[float]]:
        clock, documents = Clock(), list[Document]()
        edge = on(
            clock,
            queue=partial(Queue, queues),
            workers=lambda: Calls(clock),
            catalog=lambda: Catalog(clients.cloudfront(), lambda: clock.now, lambda _: None),
            publish=lambda told, _context: documents.extend(told),
        )
        lambda_handler(event, OnClock(clock=clock), edge)
        return [each.values["SecondsRefused"] for each in documents if "SecondsRefused" in each.values]

    assert seconds(make.sqs(make.s3(Change("a")))) == []
    (left,) = [message.body for message in queues.messages]
    ((age,),) = seconds(make.sqs(left))
    assert age > 0


def test_every_ticket_has_its_line(cloudfront: StrictCloudFront, queues: StrictQueues, log: StringIO) -> None:
    cloudfront.broken = {"E1": DENIED, "E2": IN_PROGRESS}
    invoke(make.sqs(ticket(Change("a"), attempts=4), make.s3(Change("b"))), queues)
    lines = [line for line in lines_of(log) if "error" in line]
    assert {(line["level"], line["message"], line["distribution"], line.get("seconds")) for line in lines} == {
        ("ERROR", "invalidation given up", "E1", None),  # what is new does not share the attempts of the ticket
        ("WARNING", "invalidation put off", "E1", 30),
        ("WARNING", "invalidation put off", "E2", 30),
    }
    assert {line["caller_reference"] for line in lines} == {
        json.loads(message.body)["caller_reference"] for message in queues.messages
    }


def test_a_ticket_that_could_not_be_stored_has_its_line(
    cloudfront: StrictCloudFront, queues: StrictQueues, log: StringIO
) -> None:
    cloudfront.broken["E1"] = IN_PROGRESS
    queues.broken[QUEUE] = ("AccessDenied", 403)
    invoke(make.sqs(make.s3(Change("a"))), queues)
    (line,) = [line for line in lines_of(log) if line["message"] == "invalidation failed"]
    assert (line["level"], line["distribution"]) == ("ERROR", "E1")
    assert "TooManyInvalidationsInProgress" in line["error"]
    assert "sqs:SendMessage on this queue" in line["not_stored"]


def test_the_event_is_logged_at_debug_only(cloudfront: StrictCloudFront, log: StringIO) -> None:
    event = TEST_EVENT | {"Bucket": "seen"}
    lambda_handler(event, LocalContext())
    assert "seen" not in log.getvalue()
    logger.setLevel("DEBUG")
    lambda_handler(event, LocalContext())
    assert "seen" in log.getvalue()


# --- what distributions serve ---------------------------------------------------------------------------


def test_only_those_that_serve_the_bucket_are_called(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    ids = [f"E{number}" for number in range(20)]
    cloudfront.configs = {id_: of_buckets("another") for id_ in ids} | {
        id_: of_buckets("origin") for id_ in ("E7", "E13")
    }
    monkeypatch.setenv("DISTRIBUTION_IDS", " ".join(ids))
    answer = lambda_handler(make.s3(Change("a"), Change("b")), LocalContext())
    assert cloudfront.calls == 2
    assert [item["distribution"] for item in answer["invalidations"]] == ["E7", "E13"]
    skipped = [line for line in lines_of(log) if line["message"] == "left out on a distribution"]
    assert [(line["distribution"], line["records"]) for line in skipped] == [
        (id_, 2) for id_ in ids if id_ not in {"E7", "E13"}
    ]
    assert {line["reason"] for line in skipped} == {"it has no origin in the bucket"}


def test_a_key_that_nothing_serves_is_counted_and_acknowledged(cloudfront: StrictCloudFront, log: StringIO) -> None:
    cloudfront.configs = {id_: of_buckets("another") for id_ in ("E1", "E2")}
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))))) == []
    assert lambda_handler(make.s3(Change("a")))["unserved"] == 1
    assert cloudfront.calls == 0
    told = [line for line in lines_of(log) if line["message"] == "changes of no concern"]
    assert [(line["excluded"], line["unserved"]) for line in told] == [(0, 1), (0, 1)]


def test_what_is_excluded_is_counted_and_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCLUDE", "assets/*.????????.js")
    answer = lambda_handler(make.s3(Change("assets/app.0a1b2c3d.js"), Change("a.html")))
    assert (answer["excluded"], answer["unserved"]) == (1, 0)
    assert cloudfront.paths("E1") == ["/a.html"]


def held_by(queues: StrictQueues, url: str = QUEUE) -> list[HeldChanges]:
    """The tickets of changes in a queue."""
    return decode(make.sqs(*(message.body for message in queues.messages if message.url == url))).held


PROD = configuration([with_oac("o", "origin.s3.amazonaws.com", "/prod")], behavior("o"))


@pytest.mark.parametrize("fault", [THROTTLED, DENIED, UNAVAILABLE])
def test_what_an_unknown_distribution_serves_is_waited_for(
    cloudfront: StrictCloudFront, queues: StrictQueues, fault: tuple[str, int]
) -> None:
    cloudfront.configs = {"E1": of_buckets("origin"), "E2": PROD}
    cloudfront.undescribed = {"E2": fault}
    event = make.sqs(make.s3(Change("prod/a")), TEST_EVENT, make.s3(Change("b")))
    assert failed(cold(event, queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/b", "/prod/a"], [])
    (held,) = held_by(queues)
    assert (held.distributions, [change.key for change in held.changes], held.attempts) == (("E2",), ["prod/a", "b"], 1)
    assert (fault[0] in held.why, held.since) == (True, "2026-11-20T09:30:12.345Z")
    assert delayed(queues) == [(QUEUE, 30)]
    cloudfront.undescribed = {}
    cloudfront.read.clear()
    assert failed(cold(redelivered(queues), queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/b", "/prod/a"], ["/a"])
    assert cloudfront.read == [("GetDistributionConfig", "E2")]  # of which alone something waits
    assert queues.messages == []


def test_a_policy_that_cannot_be_read_is_waited_for(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.configs = {"E1": configuration([with_oac("o", "origin.s3.amazonaws.com")], behavior("o", "mine"))}
    cloudfront.policies["mine"] = policy("all")
    cloudfront.unreadable["GetCachePolicyConfig"] = THROTTLED
    assert failed(cold(make.sqs(make.s3(Change("a"))), queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == ([], ["/a"])
    cloudfront.unreadable.clear()
    assert failed(cold(redelivered(queues), queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/a", "/a?*"], ["/a"])


def test_what_may_not_be_described_ends_as_a_letter_with_the_remedy(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.unreadable["GetDistributionConfig"] = DENIED
    assert failed(cold(make.sqs(make.s3(Change("a"))), queues)) == []
    seconds = []
    while queues.messages[0].url == QUEUE:
        (message,) = queues.messages
        seconds.append(message.delay)
        assert failed(cold(redelivered(queues), queues)) == []
    assert seconds == [30, 60, 120, 240]  # five attempts in seven and a half minutes
    (held,) = held_by(queues, DEAD_LETTERS)
    assert held.distributions == ("E1", "E2")
    assert "grant cloudfront:GetDistributionConfig on this distribution" in held.why
    assert "or set DESCRIBE=off" in held.why
    assert cloudfront.calls == 0


def test_without_a_queue_what_is_not_known_is_raised(cloudfront: StrictCloudFront) -> None:
    cloudfront.undescribed = {"E2": DENIED}
    with pytest.raises(IncompleteError, match=r"E2: 1 change not invalidated: .*, or set DESCRIBE=off"):
        cold(make.s3(Change("a")))
    assert cloudfront.paths("E1") == ["/a"]
    assert failed(cold(make.sqs(make.s3(Change("b"))))) == ["m0"]


def test_what_could_be_described_before_is_served_as_it_was(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.configs["E2"] = PROD
    clock = Clock()
    known = Catalog(CloudFront(cloudfront), lambda: clock.now, lambda _: None)

    def serve(key: str) -> None:
        edge = on(clock, queue=partial(Queue, queues), workers=lambda: Calls(clock), catalog=lambda: known)
        assert failed(lambda_handler(make.sqs(make.s3(Change(key))), OnClock(clock=clock), edge)) == []

    serve("prod/a")
    clock.now = 300.0
    clock.limit = 420.0
    cloudfront.unreadable["GetDistributionConfig"] = THROTTLED
    serve("prod/b")
    assert (cloudfront.paths("E2"), queues.messages) == (["/a", "/b"], [])


def test_what_has_waited_is_sent_with_what_is_new_and_once(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.undescribed = {"E2": THROTTLED}
    cold(make.sqs(make.s3(Change("a"))), queues)
    cloudfront.undescribed = {}
    event = make.sqs(queues.messages[0].body, queues.messages[0].body, make.s3(Change("a")), make.s3(Change("b")))
    assert failed(cold(event, queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/a", "/a", "/b"], ["/a", "/b"])


def test_tickets_of_the_same_changes_become_one_and_none_is_lost(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.undescribed = {"E1": THROTTLED, "E2": THROTTLED}
    cold(make.sqs(make.s3(Change("a"), Change("b"))), queues)
    cold(redelivered(queues), queues)
    cold(make.sqs(make.s3(Change("b"), Change("c"))), queues)  # of which one has come before
    assert [held.attempts for held in held_by(queues)] == [2, 1]
    event = redelivered(queues)
    assert failed(cold(event, queues)) == []
    assert [([change.key for change in held.changes], held.attempts) for held in held_by(queues)] == [
        (["a", "b"], 3),
        (["c"], 2),
    ]
    # The same change once more, as S3 may tell of it.
    event["Records"] += [record | {"messageId": "again"} for record in make.sqs(make.s3(Change("a")))["Records"]]
    queues.messages = []
    assert failed(cold(event, queues)) == []
    assert [len(held.changes) for held in held_by(queues)] == [2, 1]
    # What cannot be stored comes again with every message that brought it.
    lost = StrictQueues(set())
    assert sorted(failed(cold(event, lost))) == ["again", "m0", "m1"]
    assert lost.messages == []


def test_what_waits_for_a_distribution_that_is_gone_becomes_a_letter(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudfront.undescribed = {"E1": THROTTLED, "E2": THROTTLED}
    cold(make.sqs(make.s3(Change("a"))), queues)
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1")
    cloudfront.undescribed = {}
    while any(message.url == QUEUE for message in queues.messages):
        assert failed(cold(redelivered(queues), queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/a"], [])
    (held,) = held_by(queues, DEAD_LETTERS)
    assert (held.distributions, held.why.startswith("E2 is not one of the configured distributions")) == (("E2",), True)


def test_what_changes_on_a_distribution_of_tenants_only_becomes_a_letter(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.configs = {"E1": of_buckets("origin") | {"ConnectionMode": "tenant-only"}}
    assert failed(cold(make.sqs(make.s3(Change("a"))), queues)) == []
    while any(message.url == QUEUE for message in queues.messages):
        assert failed(cold(redelivered(queues), queues)) == []
    assert (cloudfront.calls, cloudfront.paths("E2")) == (1, ["/a"])
    (held,) = held_by(queues, DEAD_LETTERS)
    assert held.distributions == ("E1",)
    assert held.why.startswith("cannot be invalidated: it is multi-tenant and has no viewers of its own: give the ids")


def test_a_redelivered_ticket_of_changes_is_billed_once(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.undescribed = {"E1": THROTTLED}
    cold(make.sqs(make.s3(Change("a"))), queues)
    cloudfront.undescribed = {}
    event = redelivered(queues)
    assert failed(cold(event, queues)) == []
    # The invocation was cut off before Lambda knew: the ticket comes again, beside something new.
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    event["Records"] += [record | {"messageId": "new"} for record in make.sqs(make.s3(Change("b")))["Records"]]
    assert failed(cold(event, queues)) == []
    assert cloudfront.paths("E1") == ["/a", "/b"]


def test_while_anything_is_unknown_no_change_is_unserved(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    cloudfront.configs = {"E1": of_buckets("elsewhere")}
    cloudfront.undescribed = {"E2": THROTTLED}
    answer = cold(make.s3(Change("a")), queues)
    assert (answer["unserved"], answer["tickets"]) == (0, 1)
    cloudfront.undescribed = {"E1": THROTTLED, "E2": THROTTLED}
    answer = cold(make.s3(Change("a")), queues)
    assert (answer["unserved"], answer["tickets"]) == (0, 1)


def test_what_waited_for_discovery_reaches_what_is_listed_meanwhile(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E2,discover")
    cloudfront.unreadable["ListDistributions"] = THROTTLED
    cold(make.sqs(make.s3(Change("a"))), queues)
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == ([], ["/a"])
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2,discover")
    cloudfront.unreadable.clear()
    assert failed(cold(redelivered(queues), queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/a"], ["/a"])


def test_what_waits_for_discovery_in_vain_draws_nothing_new_along(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E2,discover")
    cloudfront.unreadable["ListDistributions"] = THROTTLED
    cold(make.sqs(make.s3(Change("a"))), queues)
    monkeypatch.setenv("DISTRIBUTION_IDS", "E2")
    event = redelivered(queues)
    event["Records"] += [record | {"messageId": "new"} for record in make.sqs(make.s3(Change("b")))["Records"]]
    assert failed(cold(event, queues)) == []
    (held,) = held_by(queues)
    assert [change.key for change in held.changes] == ["a"]
    assert held.why.startswith("distributions are not discovered any more")
    assert failed(cold(make.sqs(ticket(Change("c"), distribution="discover")), queues)) == ["m0"]
    assert {call.distribution for call in cloudfront.log} == {"E2"}


def test_the_reason_of_a_ticket_is_that_of_all_its_distributions(
    cloudfront: StrictCloudFront, queues: StrictQueues
) -> None:
    cloudfront.unreadable["GetDistributionConfig"] = THROTTLED
    cold(make.sqs(make.s3(Change("a"))), queues)
    (held,) = held_by(queues)
    assert (held.distributions, held.why) == (("E1", "E2"), "cannot be described: Throttling: on demand")


def test_a_ticket_of_a_later_version_stays_on_the_queue(cloudfront: StrictCloudFront, queues: StrictQueues) -> None:
    later = {"type": "invalidator ticket", "version": 3}
    assert failed(cold(make.sqs(later, make.s3(Change("a"))), queues)) == ["m0"]
    assert cloudfront.paths("E1") == ["/a"]


def test_to_describe_can_be_turned_off_which_is_said_once(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setenv("DESCRIBE", "off")
    for key in ("a", "b"):
        lambda_handler(make.s3(Change(key)))
    assert (cloudfront.paths("E1"), cloudfront.read) == (["/a", "/b"], [])
    assert len([line for line in lines_of(log) if line["message"].startswith("DESCRIBE is off")]) == 1


def test_a_variable_of_powertools_is_warned_of_once(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "false")
    for key in ("a", "b"):
        lambda_handler(make.s3(Change(key)))
    assert cloudfront.paths("E1") == ["/a", "/b"]
    (warning,) = warnings_in(log)
    assert warning.startswith("POWERTOOLS_TRACE_DISABLED: ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RULES", '[{"match": "(", "also": ["/a"]}]'),
        ("RULES", '[{"match": "a", "also": ["/a*b"]}]'),
        ("RULES", '[{"match": "a", "also": ["#a,b"]}]'),
        ("RULES", '[{"match": "^(a+)+$", "also": ["/a"]}]'),
        ("RULES_PARAMETER", "/nowhere"),
        ("DIRECTORY_URLS", "both"),
        ("ERROR_PAGES", "60"),
        ("TILDES", "raw"),
        ("DESCRIBE", "maybe"),
        ("EXCLUDE", '["a", 1]'),
        ("INCLUDE", '["a"'),
    ],
)
def test_wrong_settings_stop_everything_before_an_acknowledgement(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    if variable == "RULES_PARAMETER":
        with embedded_aws() as aws:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", aws.endpoint)
            monkeypatch.setenv(variable, value)
            with pytest.raises(ConfigurationError, match="RULES_PARAMETER: /nowhere cannot be read"):
                lambda_handler(make.sqs(make.s3(Change("a"))))
    else:
        with pytest.raises(ConfigurationError, match=f"^{variable}"):
            lambda_handler(make.sqs(make.s3(Change("a"))))
    assert cloudfront.calls == 0


def test_rules_and_tags_reach_the_distributions_that_take_them(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    cloudfront.configs["E1"] = of_buckets("origin") | {"CacheTagConfig": {"HeaderName": "x-amz-meta-cache-tag"}}
    monkeypatch.setenv("RULES", '[{"match": "^p/([0-9]+)[.]json$", "also": ["#product:$1", "/p/$1/"]}]')
    lambda_handler(make.s3(Change("p/42.json")))
    assert cloudfront.paths("E1") == ["#product:42", "/p/42.json", "/p/42/"]
    assert cloudfront.paths("E2") == ["/p/42.json", "/p/42/"]
    (told,) = [line for line in lines_of(log) if line["message"] == "left out on a distribution"]
    assert (told["distribution"], told["records"]) == ("E2", 1)
    assert told["reason"].startswith("rule 1: its tags are left out")


def test_tags_and_wildcards_can_wait_as_tickets(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id_ in ("E1", "E2"):
        cloudfront.configs[id_] = of_buckets("origin") | {
            "DefaultCacheBehavior": behavior("origin", WITH_QUERY_STRINGS),
            "CacheTagConfig": {"HeaderName": "x-amz-meta-cache-tag"},
        }
    monkeypatch.setenv("RULES", '[{"match": "^(.*)[.]jpg$", "also": ["#image:$1"]}]')
    cloudfront.broken["E1"] = cloudfront.broken["E2"] = IN_PROGRESS
    assert failed(invoke(make.sqs(make.s3(Change("a.jpg"), Change("a/index.html"))), queues)) == []
    cloudfront.broken.clear()
    assert failed(invoke(make.sqs(*(json.loads(message.body) for message in queues.messages)), queues)) == []
    assert sorted(cloudfront.paths("E1")) == ["#image:a", "/a.jpg*", "/a/", "/a/?*", "/a/index.html*"]


def test_tenants_are_invalidated_by_their_own_operation(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudfront.tenants["dt_1wFXwCQzpJb"] = ("E1", {})
    monkeypatch.setenv("DISTRIBUTION_IDS", "dt_1wFXwCQzpJb,E2,dt_gone")
    with pytest.raises(
        IncompleteError,
        match=r"dt_gone: 1 change not invalidated: .*: EntityNotFound: .*this account has no such distribution",
    ):
        lambda_handler(make.s3(Change("a")), *hurried())
    assert cloudfront.paths("dt_1wFXwCQzpJb") == cloudfront.paths("E2") == ["/a"]


def test_distributions_are_found_by_their_bucket(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    cloudfront.distributions = set()
    cloudfront.configs = {"E1": of_buckets("another"), "E2": of_buckets("origin"), "E3": of_buckets("origin")}
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    answer = lambda_handler(make.s3(Change("a")))
    assert [item["distribution"] for item in answer["invalidations"]] == ["E2", "E3"]
    assert failed(lambda_handler(make.sqs(ticket(Change("b"), distribution="E1"), make.s3(Change("c"))))) == []
    assert cloudfront.paths("E1") == ["/b"]
    told = [line["distribution"] for line in lines_of(log) if line["message"] == "left out on a distribution"]
    assert told == []
    assert failed(lambda_handler(make.sqs(ticket(Change("b"), distribution="E9")))) == ["m0"]


def test_where_distributions_cannot_be_discovered_the_listed_are_served(
    cloudfront: StrictCloudFront, queues: StrictQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover,E1")
    cloudfront.unreadable["ListDistributions"] = DENIED
    event = make.sqs(make.s3(Change("a")), ticket(Change("b"), distribution="E2"), ticket(Change("c")))
    assert failed(cold(event, queues)) == []
    assert (cloudfront.paths("E1"), cloudfront.paths("E2")) == (["/a", "/c"], [])
    (held,), (left,) = held_by(queues), stored(queues)
    assert (held.distributions, left.distribution, left.attempts) == (("discover",), "E2", 1)
    assert "cloudfront:ListDistributions" in held.why
    cloudfront.unreadable.clear()
    assert failed(cold(redelivered(queues), queues)) == []
    assert (cloudfront.paths("E1"), sorted(cloudfront.paths("E2"))) == (["/a", "/c"], ["/a", "/b"])


def test_whichever_distribution_answers_first_a_job_gets_the_same_answer() -> None:
    ids = [DistributionId("E2"), DistributionId("E1")]

    def answer(step: int) -> JobAnswer:
        services = JobServices(
            lambda _: ids,
            lambda batches: [Outcome(batch, f"I-{batch.distribution}") for batch in batches[::step]],
            clients.invalidation,
            lambda: 120.0,
        )
        return answer_job(Job("11111111-abcd-1111-abcd-111111abcdef", ""), services, 0.0)

    assert answer(1) == answer(-1) == JobDone(tuple((id_, f"I-{id_}") for id_ in ids))


SLOW_KEYS = [Change("/" * length) for length in (1_000, 1_001, 1_002)]
"""Keys on which the rule below takes the most steps."""


@pytest.fixture
def few_steps(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one of the slow keys use up what the rules may take."""
    monkeypatch.setenv("RULES", '[{"match": "^(.*)/(.*)[.]html$", "also": ["/new/$2"]}]')
    monkeypatch.setattr(ration_module, "_MAX_STEPS", 2_000_000)


@pytest.mark.usefixtures("few_steps")
def test_slow_keys_never_cost_an_invocation_its_other_messages(
    cloudfront: StrictCloudFront, queues: StrictQueues, log: StringIO
) -> None:
    event = make.sqs(*map(make.s3, [*SLOW_KEYS, *(Change(f"a/{number}.html") for number in range(7))]))
    assert failed(invoke(event, queues)) == []
    expected = {path for number in range(7) for path in (f"/a/{number}.html", f"/new/{number}")}
    for id_ in ("E1", "E2"):
        assert set(cloudfront.paths(id_)) == expected
    rounds = 0
    while queues.messages:
        assert {line["error"] for line in lines_of(log) if line["message"] == "invalidation put off"} == {
            "not planned: the rules may take long for its key, and there are more such keys; it comes next"
        }
        assert failed(invoke(redelivered(queues), queues)) == []
        rounds += 1
    assert rounds == 3  # one key in each
    for id_ in ("E1", "E2"):
        assert set(cloudfront.paths(id_)) == expected | {
            path for key in SLOW_KEYS for path in spellings(ObjectKey(key.key))
        }


@pytest.mark.usefixtures("few_steps")
def test_the_messages_of_slow_keys_come_again_if_no_queue_takes_them(cloudfront: StrictCloudFront) -> None:
    event = make.sqs(*map(make.s3, [*SLOW_KEYS, Change("a/1.html")]))
    assert failed(invoke(event)) == ["m0", "m1", "m2"]
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/a/1.html", "/new/1"]
