"""Storing in queues: moto's, behind the real SDK, and one that refuses as the real ones do."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.aws.queues import Message as Unsent
from invalidator.aws.queues import Queue, batches
from invalidator.errors import ConfigurationError, StorageError
from invalidator.limits import MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES
from tests.doubles.loopback import answering, ok
from tests.doubles.queues import Message, StrictQueues

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/changes"


texts = st.text(min_size=1)


@given(st.lists(st.builds(Unsent, texts, st.integers(0, MAX_DELAY_SECONDS)), max_size=40))
def test_messages_are_stored_as_they_are_ten_in_a_call(messages: list[Unsent]) -> None:
    queues = StrictQueues({URL})
    for places in batches(messages):
        assert Queue(queues, URL).send_all([messages[place] for place in places]) == [""] * len(places)
    assert queues.messages == [Message(URL, body, delay) for body, delay in messages]
    assert len(queues.calls) == -(-len(messages) // 10)


@given(st.lists(st.integers(1, MAX_MESSAGE_BYTES), max_size=30))
def test_the_messages_of_a_call_have_no_more_bytes_than_it_takes(sizes: list[int]) -> None:
    messages = [Unsent("x" * size) for size in sizes]
    cut = list(batches(messages))
    assert [place for places in cut for place in places] == list(range(len(messages)))
    assert all(len(places) <= 10 and sum(sizes[place] for place in places) <= MAX_MESSAGE_BYTES for places in cut)


def test_a_queue_that_takes_less_gets_messages_that_it_takes() -> None:
    queues = StrictQueues({URL}, largest=262_144)
    bodies = [Unsent(str(number) * 90_000) for number in range(9)]
    assert Queue(queues, URL).send_all(bodies) == [""] * 9
    with pytest.raises(StorageError, match="BatchRequestTooLong"):
        Queue(queues, URL).send_all([Unsent("x" * 262_145)])


def test_a_message_that_is_not_stored_is_told_from_those_that_are() -> None:
    queues = StrictQueues({URL})
    problems = Queue(queues, URL).send_all([Unsent("a"), Unsent("b", 901), Unsent("c")])
    assert problems == ["", f"{URL}: InvalidParameterValue: of no use", ""]
    assert [message.body for message in queues.messages] == ["a", "c"]


def test_a_message_arrives_through_the_sdk() -> None:
    with mock_aws():
        client = boto3.client("sqs")
        url = client.create_queue(QueueName="changes")["QueueUrl"]
        Queue.connect(url).send(json.dumps({"a": "\udc80"}))
        (message,) = client.receive_message(QueueUrl=url)["Messages"]
        assert json.loads(message["Body"]) == {"a": "\udc80"}


def test_a_message_can_be_held_back() -> None:
    with mock_aws():
        client = boto3.client("sqs")
        url = client.create_queue(QueueName="changes")["QueueUrl"]
        Queue.connect(url).send_all([Unsent("later", 900)])
        count = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
        assert count["Attributes"] == {"ApproximateNumberOfMessagesDelayed": "1"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (("AccessDenied", 403), "grant sqs:SendMessage on this queue"),
        (("AWS.SimpleQueueService.NonExistentQueue", 400), "correct QUEUE_URL and DEAD_LETTERS_URL"),
        (("QueueDoesNotExist", 400), "correct QUEUE_URL and DEAD_LETTERS_URL"),
        (("ExpiredToken", 403), "the credentials have expired: renew them"),
        (("InvalidClientTokenId", 403), "check which ones are in use"),
        (("RequestThrottled", 400), "RequestThrottled: on demand"),
        (("InternalError", 500), "InternalError: on demand"),
    ],
)
def test_every_refusal_names_the_queue_and_what_to_do(fault: tuple[str, int], words: str) -> None:
    queues = StrictQueues({URL}, broken={URL: fault})
    with pytest.raises(StorageError) as caught:
        Queue(queues, URL).send("text")
    assert str(caught.value).startswith(f"{URL}: {fault[0]}")
    assert words in str(caught.value)


def test_a_queue_that_is_not_there_is_explained_as_the_sdk_says_it() -> None:
    with mock_aws(), pytest.raises(StorageError, match="correct QUEUE_URL and DEAD_LETTERS_URL"):
        Queue.connect(URL).send("text")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EndpointConnectionError(endpoint_url=URL), "Could not connect"),
        (ReadTimeoutError(endpoint_url=URL), "Read timeout"),
        (NoCredentialsError(), "log in, or set AWS_PROFILE"),
        (FileNotFoundError("no such program"), "no such program"),
    ],
)
def test_a_queue_that_cannot_be_asked_is_an_error_of_storage(error: Exception, words: str) -> None:
    class Unreachable:
        def send_message_batch(self, **_: Any) -> None:
            raise error

    with pytest.raises(StorageError, match=words):
        Queue(Unreachable(), URL).send("text")


def test_what_is_too_long_for_a_queue_is_not_stored() -> None:
    queues = StrictQueues({URL})
    Queue(queues, URL).send("x" * MAX_MESSAGE_BYTES)
    with pytest.raises(StorageError, match="BatchRequestTooLong"):
        Queue(queues, URL).send("x" * MAX_MESSAGE_BYTES + "x")
    assert len(queues.messages) == 1


def test_an_sdk_that_cannot_be_set_up_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(ConfigurationError, match="the AWS SDK cannot be set up"):
        Queue.connect(URL)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"Successful": [{"Id": "0", "MessageId": ""}]}', b"[]", b"1", b"<html>proxy</html>", b"\xff\xfe"],
)
def test_an_answer_without_the_id_of_a_message_has_stored_nothing(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(ok(body)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match="/123456789012/changes: "):
            Queue.connect(f"{endpoint}/123456789012/changes").send("text")


def test_a_message_is_sent_once_so_that_it_is_not_stored_twice() -> None:
    queue = Queue.connect(URL)
    assert queue._client.meta.config.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]
