"""Dead letters are listed exactly and sent again once: on moto's SQS, over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from hypothesis import given
from hypothesis import strategies as st

from invalidator import handler
from invalidator.errors import ConfigurationError, DeadLettersError, IncompleteError
from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.events.held import read_held, write_gathered, write_held
from invalidator.local.embedded import EmbeddedAws, embedded_aws
from invalidator.local.queue_worker import QueueWorker
from invalidator.model import Batch, Distribution, DistributionId, Gathered, HeldChanges
from invalidator.operator import dead_letter_queue
from invalidator.operator.dead_letter_queue import DeadLetterQueue, DiscardedLetter, ResentLetter, source_among
from invalidator.operator.dead_letters import EVERY, DeadLetter, LetterContents, UnclearedPath, contents_of, merged
from invalidator.urls.viewers import View
from tests.doubles import strategies as make
from tests.doubles.cloudfront import DENIED, StrictCloudFront
from tests.doubles.loopback import Quiet, serving
from tests.doubles.strategies import Change, simple_plan

IDS = [DistributionId("E1"), DistributionId("E2")]
SENT = "2026-11-21T10:00:00Z"
SINCE = "2026-11-20T09:30:12.345Z"  # that of the records in strategies.py
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:invalidator-dev-invalidate:$LATEST"


def letter(document: object, sent: str = SENT, error: str = "") -> DeadLetter:
    return DeadLetter("m1", "r1", document if isinstance(document, str) else json.dumps(document), sent, error)


def read(document: object, *, ids: list[DistributionId] = IDS, error: str = "") -> LetterContents:
    return contents_of(letter(document, error=error), lambda _: [Distribution(id_) for id_ in ids], View())


def batches(*changes: Change) -> tuple[Batch, ...]:
    return simple_plan(decode(make.s3(*changes)).changes, IDS, "index.html").batches


def ticket(batch: Batch, why: str = "AccessDenied: no") -> str:
    return tickets.write(tickets.Ticket(batch, why))


def failed_invocation(event: object, **more: object) -> dict[str, Any]:
    """As https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html shows it (2026-11-21)."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-20T09:35:00.000Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": FUNCTION,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        **more,
    }


# --- what is in a letter --------------------------------------------------------------------------------


@given(st.lists(make.changes, min_size=1, max_size=4), st.integers(0, 10), st.booleans(), st.text(max_size=40))
def test_a_ticket_is_listed_path_by_path_and_sent_again_as_it_is(
    changes: list[Change], attempts: int, apart: bool, why: str
) -> None:
    for planned in batches(*changes):
        batch = replace(planned, attempts=attempts, apart=apart)
        found = read(ticket(batch, why))
        assert (found.kind, found.problem) == ("a ticket", "")
        assert found.stale == tuple(
            UnclearedPath(batch.distribution, item.path, SINCE, attempts, why) for item in batch.items
        )
        assert found.bodies == (ticket(replace(batch, attempts=0, apart=True), why),)


def test_what_found_no_room_is_sent_again_with_other_work() -> None:
    (batch, _) = batches(Change("a"))
    crowded = ticket(replace(batch, crowded=tickets.MAX_CROWDED))
    assert read(crowded).bodies == (ticket(batch),)


def test_what_waited_for_its_burst_is_listed_and_sent_again_as_it_is() -> None:
    changed = tuple(decode(make.s3(Change("a"), Change(".deployed"))).changes)
    ((body, _),) = write_gathered(Gathered(changed, 1_795_000_000.0, 1_795_000_005.0))
    found = contents_of(letter(body), lambda _: [Distribution(id_) for id_ in IDS], View(), ".deployed")
    assert (found.kind, found.problem) == ("a ticket", "")
    assert [row[:4] for row in found.stale] == [(id_, "/a", SINCE, None) for id_ in IDS]
    assert found.bodies == (body,)


def test_what_waited_for_a_description_is_sent_again_whole_and_anew() -> None:
    changed = tuple(decode(make.s3(*(Change(f"é{number}") for number in range(3)))).changes)
    waiting = HeldChanges((IDS[0],), changed, 5, "AccessDenied: no")
    ((body, _),) = write_held(waiting)
    found = read(body)
    assert [row[:2] for row in found.stale] == [("E1", "/%C3%A90"), ("E1", "/%C3%A91"), ("E1", "/%C3%A92")]
    (again,) = (read_held(json.loads(body)) for body in found.bodies)
    assert (again.distributions, again.attempts, again.why) == (waiting.distributions, 0, waiting.why)
    assert [change[:3] for change in again.changes] == [change[:3] for change in changed]


@pytest.mark.parametrize("route", [*make.ROUTES, "failed invocation"])
def test_the_changes_of_a_letter_are_sent_again_with_known_fields_only(route: str) -> None:
    document = (
        failed_invocation(make.s3(Change("a"))) if route == "failed invocation" else make.ROUTES[route](Change("a"))
    )
    if route.startswith("sqs"):
        document = json.loads(document["Records"][0]["body"])
    document |= {"CodePipeline.job": {"id": "x"}, "hunter": 2}
    found = read(document)
    assert found.problem == ""
    (again,) = (json.loads(body) for body in found.bodies)
    assert set(again) == {"type", "version", "since", "going_on", "changes"}
    before, after = (
        decode({"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": json.dumps(body)}]})
        for body in (document, again)
    )
    (served,) = after.gathered
    assert list(served.changes) == before.changes
    assert [change.key for change in served.changes] == ["a"]


def test_tickets_that_came_in_other_messages_are_not_sent_again() -> None:
    one = json.loads(ticket(batches(Change("a"))[0]))
    found = read({"Records": [one, one]})
    assert found.problem == "a ticket inside of another message, as the function never sends one"
    assert ({row.path for row in found.stale}, found.bodies) == ({"/a"}, ())


def test_a_ticket_with_which_a_function_failed_is_sent_again() -> None:
    (batch, _) = batches(Change("a"))
    ((held, _),) = write_held(HeldChanges((IDS[0],), tuple(decode(make.s3(Change("a"))).changes), 5, "no"))
    for body in (ticket(batch), held):
        found = read(failed_invocation(json.loads(body)))
        assert found == read(body)
        assert [row[:2] for row in found.stale] == [("E1", "/a")]


def test_what_is_a_ticket_by_name_and_has_records_is_read_as_these() -> None:
    whole = json.loads(ticket(batches(Change("a"))[0]))
    for outer in ({"type": tickets.KIND}, {"type": tickets.KIND, "version": 2}, whole):
        found = read(outer | make.s3(Change("b")))
        assert ([row.path for row in found.stale], found.problem) == (["/b", "/b"], "")
        assert keys_sent(list(found.bodies)) == ["b"]


def test_what_a_failure_says_of_many_distributions_is_read_once() -> None:
    ids = [DistributionId(f"E{number}") for number in range(200)]
    payload = {"errorMessage": "\n" * 300_000 + "E7: /a not invalidated: no"}
    found = read(failed_invocation(make.s3(Change("a")), responsePayload=payload), ids=ids)
    assert [row[:1] + row[4:] for row in found.stale] == [("E7", "/a not invalidated: no")]


@pytest.mark.parametrize("route", ["s3", "eventbridge", "sqs-sns-s3"])
def test_a_notification_concerns_every_configured_distribution(route: str) -> None:
    document = make.ROUTES[route](Change("blog/index.html"))
    body = json.loads(document["Records"][0]["body"]) if route.startswith("sqs") else document
    since = "2026-11-20T09:30:12Z" if route == "eventbridge" else SINCE
    why = "the function did not get it done; its log of that time says why"
    assert read(body)[:3] == (
        "notifications" if route == "s3" else read(body).kind,
        tuple(UnclearedPath(id_, path, since, None, why) for id_ in IDS for path in ("/blog/", "/blog/index.html")),
        "",
    )
    assert {row.distribution for row in read(body, ids=[EVERY]).stale} == {""}


def test_who_put_a_letter_there_may_say_why() -> None:
    (row, _) = read(make.eventbridge(Change("a")), error="No permission to send").stale
    assert row.why == "No permission to send"


def test_where_no_time_is_told_it_is_that_of_the_message() -> None:
    record = make.s3_record(Change("a"))
    del record["eventTime"]
    assert {row.since for row in read({"Records": [record]}).stale} == {SENT}


def test_a_failed_invocation_says_which_distribution_refused(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E2"] = DENIED
    event = make.s3(Change("a"))
    with pytest.raises(IncompleteError) as caught:
        handler.lambda_handler(event)
    payload = {"errorMessage": str(caught.value), "errorType": "IncompleteError"}
    (row,) = read(failed_invocation(event, responsePayload=payload)).stale
    assert row[:4] == ("E2", "/a", SINCE, 3)
    assert row.why.startswith("/a not invalidated: AccessDenied")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"responsePayload": {"errorMessage": "Task timed out"}}, "Task timed out"),
        ({"responsePayload": "?"}, "the function did not get it done; its log of that time says why"),
        ({}, "the function did not get it done; its log of that time says why"),
        ({"responsePayload": {"errorMessage": "x"}, "requestContext": "?"}, "x"),
    ],
)
def test_a_failed_invocation_that_names_no_distribution_may_be_of_any(more: dict[str, Any], why: str) -> None:
    found = read(failed_invocation(make.s3(Change("a")), **more))
    assert [(row.distribution, row.path, row.why) for row in found.stale] == [("E1", "/a", why), ("E2", "/a", why)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('{"password": "hunter2', "the envelope holds 21 characters that are not JSON"),
        ('{"password": "hunter2"}', "an object with 'password' is none of: an SQS record"),
        ('"hunter2"', "a string of 7 characters is none of"),
        ("[" * 100_000, "characters that are not JSON"),
        ('{"type": "invalidator ticket", "hunter": 2}', "a ticket that this program did not write"),
        (json.dumps(failed_invocation({"hunter": 2})), "an object with 'hunter' is none of"),
        (json.dumps(make.sqs(make.s3(Change("hunter2")))), "an SQS record in an envelope"),
    ],
)
def test_what_cannot_be_read_is_said_without_its_contents(body: str, problem: str) -> None:
    found = read(body)
    assert problem in found.problem
    assert found.stale == ()
    assert "hunter2" not in found.problem


def test_of_a_letter_that_can_be_read_in_part_that_part_is_listed() -> None:
    found = read(make.s3(Change("a"), Change("")))
    assert [row.path for row in found.stale] == ["/a", "/a"]
    assert "whose key is a string of 0" in found.problem


def test_what_no_viewer_sees_is_not_stale() -> None:
    assert read(make.TEST_EVENT)[1:] == ((), "", (), ())


def test_a_path_is_listed_once_with_its_longest_time_and_its_latest_reason() -> None:
    rows = [
        UnclearedPath("E1", "/b", "2", 3, "old"),
        UnclearedPath("E1", "/b", "1", None, "new"),
        UnclearedPath("E2", "/b", "1", None, "new"),
        UnclearedPath("E1", "/a", "3", 0, "new"),
    ]
    assert merged([LetterContents("a ticket", (row,)) for row in rows]) == [
        UnclearedPath("E1", "/b", "1", 3, "new"),
        UnclearedPath("E2", "/b", "1", None, "new"),
        UnclearedPath("E1", "/a", "3", 0, "new"),
    ]


# --- the queue ------------------------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    monkeypatch.setattr(dead_letter_queue, "_WAIT_SECONDS", 0)  # moto has one server, which knows all messages
    with embedded_aws() as running:
        yield running


@pytest.fixture
def dead(aws: EmbeddedAws) -> str:
    """A dead-letter queue's URL."""
    return boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]


def in_front(dead: str, name: str = "changes") -> str:
    """A new queue whose dead letters it keeps."""
    target = json.dumps({"deadLetterTargetArn": QueueWorker(dead).arn, "maxReceiveCount": 1})
    return boto3.client("sqs").create_queue(QueueName=name, Attributes={"RedrivePolicy": target})["QueueUrl"]


def put(url: str, *bodies: object) -> None:
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=text)


def bodies_in(url: str) -> list[str]:
    event = QueueWorker(url).receive()
    return sorted(record["body"] for record in event["Records"]) if event else []


def listed(queue: DeadLetterQueue) -> list[str]:
    with queue.held() as letters:
        return sorted(letter.body for letter in letters)


def send_again(queue: DeadLetterQueue, to: str, *, function: bool = False, dry_run: bool = False) -> list[ResentLetter]:
    recipient = queue.function(to) if function else queue.queue(to)
    with queue.held() as letters:
        return [
            queue.send_again(item, contents_of(item, lambda _: [], View()), recipient, dry_run=dry_run)
            for item in letters
        ]


def keys_sent(bodies: list[str]) -> list[str]:
    """The keys in tickets of changes."""
    documents = [json.loads(body) for body in bodies]
    return sorted(change[1] for document in documents for change in document.get("changes", []))


def test_listing_shows_each_letter_once_and_takes_none(dead: str) -> None:
    put(dead, *[f"{number:02}" for number in range(23)])
    queue = DeadLetterQueue.connect(dead)
    for _ in range(2):
        assert listed(queue) == [f"{number:02}" for number in range(23)]
    assert len(bodies_in(dead)) == 23


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, OSError])
def test_letters_are_given_back_however_it_ends(dead: str, end: type[BaseException]) -> None:
    put(dead, "a", "b")
    queue = DeadLetterQueue.connect("dead")

    def end_it() -> None:
        with queue.held():
            assert (bodies_in(dead), queue.hidden()) == ([], 2)
            raise end

    with pytest.raises(end):
        end_it()
    assert bodies_in(dead) == ["a", "b"]


def test_letters_are_given_back_when_receiving_is_interrupted(dead: str) -> None:
    put(dead, "a")
    queue = DeadLetterQueue.connect(dead)
    calls: list[object] = []

    def interrupt(**_: object) -> None:
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt

    queue._client.meta.events.register("before-call.sqs.ReceiveMessage", interrupt)
    with pytest.raises(KeyboardInterrupt), queue.held():
        pass
    assert bodies_in(dead) == ["a"]


def test_a_queue_that_hands_out_the_same_letters_for_ever_is_listed_once(dead: str) -> None:
    put(dead, "a")
    queue = DeadLetterQueue.connect(dead)

    def hold_for_no_time(params: dict[str, Any], **_: object) -> None:
        params["VisibilityTimeout"] = 0

    queue._client.meta.events.register("provide-client-params.sqs.ReceiveMessage", hold_for_no_time)
    assert listed(queue) == ["a"]


def test_a_queue_has_a_url_or_a_name(dead: str) -> None:
    assert DeadLetterQueue.connect("dead").queue("dead").name == dead
    for wrong in ("arn:aws:sqs:eu-central-1:111122223333:dead", "a b", "", "https://sqs.eu-central-1.amazonaws.com"):
        with pytest.raises(ConfigurationError, match="neither the URL nor the name of a queue"):
            DeadLetterQueue.connect(wrong)
    with pytest.raises(DeadLettersError, match=r"queue nope: .*NonExistentQueue.* \(check the name, the account and"):
        DeadLetterQueue.connect("nope")
    with pytest.raises(DeadLettersError, match="NonExistentQueue"), DeadLetterQueue.connect(dead + "2").held():
        pass


def test_the_region_is_that_of_the_url() -> None:
    url = "https://sqs.eu-central-1.amazonaws.com/111122223333/dead"
    assert DeadLetterQueue.connect(url)._client.meta.region_name == "eu-central-1"
    assert DeadLetterQueue.connect("http://127.0.0.1/111122223333/dead")._client.meta.region_name == "us-east-1"


def deny(queue: DeadLetterQueue, operation: str) -> None:
    """From now on the queue refuses an operation as SQS does where a permission is missing."""
    error = {"Code": "AccessDenied", "Message": "not authorized", "Type": "Sender"}

    def refuse(**_: object) -> Any:
        return AWSResponse("", 403, HTTPHeaders(), None), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}

    queue._client.meta.events.register(f"before-call.sqs.{operation}", refuse)


@pytest.mark.parametrize(
    ("operation", "permission"),
    [("ReceiveMessage", "sqs:ReceiveMessage"), ("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility")],
)
def test_a_permission_that_is_missing_is_named(dead: str, operation: str, permission: str) -> None:
    put(dead, "a")
    queue = DeadLetterQueue.connect(dead)
    deny(queue, operation)
    with pytest.raises(DeadLettersError, match=f"AccessDenied: not authorized \\(grant {permission} on this queue to"):
        listed(queue)


def test_without_permission_to_ask_nobody_is_known_to_hold_letters(dead: str) -> None:
    queue = DeadLetterQueue.connect(dead)
    deny(queue, "GetQueueAttributes")
    assert queue.hidden() == 0


# --- sending again --------------------------------------------------------------------------------------


def test_each_letter_goes_back_and_is_deleted(dead: str) -> None:
    changes = in_front(dead)
    first, second = (replace(batch, attempts=5) for batch in batches(Change("a")))
    put(dead, ticket(first), ticket(second), make.s3(Change("b")))
    sent = send_again(DeadLetterQueue.connect(dead), changes)
    assert {item.to for item in sent} == {changes}
    sent_bodies = bodies_in(changes)
    assert {ticket(replace(batch, attempts=0, apart=True)) for batch in (first, second)} < set(sent_bodies)
    assert (len(sent_bodies), keys_sent(sent_bodies)) == (3, ["b"])
    assert bodies_in(dead) == []


def test_a_letter_that_the_queue_itself_gave_up_comes_back_to_it(dead: str) -> None:
    changes, body = in_front(dead), json.dumps(make.s3(Change("a")))
    put(changes, body)
    sqs = boto3.client("sqs")
    assert "Messages" in sqs.receive_message(QueueUrl=changes, VisibilityTimeout=0)
    assert "Messages" not in sqs.receive_message(QueueUrl=changes)
    send_again(DeadLetterQueue.connect(dead), changes)
    assert (keys_sent(bodies_in(changes)), bodies_in(dead)) == (["a"], [])


def test_a_dry_run_sends_and_deletes_nothing(dead: str) -> None:
    changes = in_front(dead)
    put(dead, make.s3(Change("a")), failed_invocation(make.s3(Change("b"))))
    sent = send_again(DeadLetterQueue.connect(dead), changes, dry_run=True)
    assert {item.to for item in sent} == {changes}
    assert keys_sent([body for item in sent for body in item.contents.bodies]) == ["a", "b"]
    assert (len(bodies_in(dead)), bodies_in(changes)) == (2, [])


def test_what_is_not_sent_stays_and_the_others_go(dead: str) -> None:
    changes = in_front(dead)
    poison, job = "poison", json.dumps(failed_invocation({"CodePipeline.job": {"id": "x"}}))
    put(dead, poison, job, make.s3(Change("a")))
    problems = [item.problem for item in send_again(DeadLetterQueue.connect(dead), changes)]
    assert [problem for problem in problems if "not JSON" in problem]
    assert [problem for problem in problems if "an object with 'CodePipeline.job' is none of" in problem]
    assert len(bodies_in(changes)) == problems.count("") == 1
    assert bodies_in(dead) == sorted([poison, job])


def test_nothing_is_deleted_that_no_queue_took(dead: str) -> None:
    put(dead, make.s3(Change("a")))
    (sent,) = send_again(DeadLetterQueue.connect(dead), dead + "2")
    assert "NonExistentQueue" in sent.problem
    assert len(bodies_in(dead)) == 1


def test_a_letter_that_was_sent_but_cannot_be_deleted_is_told(dead: str) -> None:
    changes = in_front(dead)
    put(dead, make.s3(Change("a")))
    queue = DeadLetterQueue.connect(dead)
    deny(queue, "DeleteMessage")
    (sent,) = send_again(queue, changes)
    assert sent.problem.startswith("it was sent again, but cannot be deleted: ")
    assert "grant sqs:DeleteMessage on this queue" in sent.problem
    assert (len(bodies_in(changes)), len(bodies_in(dead))) == (1, 1)


# --- discarding -----------------------------------------------------------------------------------------


def discard(queue: DeadLetterQueue, *bodies: str, dry_run: bool = False) -> list[DiscardedLetter]:
    """Discard the letters with these bodies."""
    with queue.held() as letters:
        chosen = [(item, contents_of(item, lambda _: [], View())) for item in letters if item.body in bodies]
        return [queue.discard(item, contents, dry_run=dry_run) for item, contents in chosen]


def test_exactly_what_is_discarded_is_deleted_whatever_is_in_it(dead: str) -> None:
    tickets_ = [ticket(batch) for batch in batches(Change("a"))]
    put(dead, "poison", "another", *tickets_)
    queue = DeadLetterQueue.connect(dead)
    assert len(discard(queue, "poison", tickets_[0], dry_run=True)) == 2
    assert len(bodies_in(dead)) == 4
    boto3.client("sqs").purge_queue(QueueUrl=dead)
    put(dead, "poison", "another", *tickets_)
    done = discard(queue, "poison", tickets_[0])
    assert {item.letter.body: item.problem for item in done} == {"poison": "", tickets_[0]: ""}
    assert {row.path for item in done for row in item.contents.stale} == {"/a"}
    assert bodies_in(dead) == sorted(["another", tickets_[1]])


def test_a_letter_that_cannot_be_deleted_is_told(dead: str) -> None:
    put(dead, "poison")
    queue = DeadLetterQueue.connect(dead)
    deny(queue, "DeleteMessage")
    (discarded,) = discard(queue, "poison")
    assert "grant sqs:DeleteMessage on this queue" in discarded.problem
    assert bodies_in(dead) == ["poison"]


# --- where to -------------------------------------------------------------------------------------------


def test_only_the_dead_letter_queue_of_some_queue_is_read(dead: str) -> None:
    queue = DeadLetterQueue.connect(dead)
    with pytest.raises(ConfigurationError, match=r"^no queue has .* as its dead-letter queue, so it is not read: name"):
        queue.sources()
    first = in_front(dead, "first")
    assert queue.sources() == [first]
    second = in_front(dead, "second")
    assert set(queue.sources()) == {first, second}
    deny(queue, "ListDeadLetterSourceQueues")
    with pytest.raises(
        DeadLettersError, match=r"grant sqs:ListDeadLetterSourceQueues on .*\); or insist with --any-qu"
    ):
        queue.sources()


def test_letters_go_where_they_come_from_or_where_the_operator_says() -> None:
    assert source_among(["first"], "") == source_among(["first"], "https://configured/q") == "first"
    assert source_among(["first", "second"], "second") == "second"
    assert source_among([], "https://configured/q") == "https://configured/q"
    for sources, words in ((["a", "b"], "they may come from a or b: name the"), ([], "nobody knows where they come")):
        with pytest.raises(ConfigurationError, match=words):
            source_among(sources, "")


# --- failed invocations ---------------------------------------------------------------------------------


@pytest.fixture
def invoked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Everything that Lambda is asked to invoke: the path, the type of the invocation, and the payload."""
    found: list[Any] = []

    class Lambda(Quiet):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.append((self.path, self.headers["X-Amz-Invocation-Type"], body))
            self.send_response(403 if "forbidden" in self.path else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Lambda) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://{address}")
        yield found


def test_a_letter_never_chooses_what_is_invoked(dead: str, invoked: list[Any]) -> None:
    changes = in_front(dead)
    put(dead, failed_invocation(make.s3(Change("a"))), failed_invocation({"drop": "database"}))
    sent = send_again(DeadLetterQueue.connect(dead), changes)
    assert sorted(item.to for item in sent) == ["", changes]
    assert (invoked, keys_sent(bodies_in(changes))) == ([], ["a"])


def test_the_changes_of_a_failed_invocation_go_to_the_function_named(dead: str, invoked: list[Any]) -> None:
    other = FUNCTION.replace("invalidate", "another")
    put(dead, failed_invocation(make.s3(Change("é")), hunter=2))
    (sent,) = send_again(DeadLetterQueue.connect(dead), other, function=True)
    assert (sent.to, sent.problem) == (other, "")
    ((path, kind, body),) = invoked
    assert path == f"/2015-03-31/functions/{other.replace(':', '%3A').replace('$', '%24')}/invocations"
    assert (kind, keys_sent([json.dumps(body)])) == ("Event", ["é"])
    assert bodies_in(dead) == []


def test_a_function_that_does_not_take_a_letter_leaves_it(dead: str, invoked: list[Any]) -> None:
    put(dead, failed_invocation(make.s3(Change("a"))))
    (sent,) = send_again(DeadLetterQueue.connect(dead), "forbidden", function=True)
    assert sent.problem.startswith("forbidden: 403")
    assert len(bodies_in(dead)) == 1


@pytest.mark.parametrize("name", ["", "a b", "arn:aws:sqs:eu-central-1:123456789012:changes", "../x", "a" * 65])
def test_what_names_no_function_is_refused(dead: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is neither the name nor the ARN of a Lambda function"):
        DeadLetterQueue.connect(dead).function(name)


def test_what_a_function_gave_up_is_served_when_it_is_sent_to_it(cloudfront: StrictCloudFront) -> None:
    (body,) = read(failed_invocation(make.s3(Change("a")))).bodies
    assert handler.lambda_handler(json.loads(body))["invalidations"]
    assert set(cloudfront.paths("E1")) == {"/a"}
