"""Storing in queues: moto's, behind the real SDK, and one that refuses as the real ones do."""

import json

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.aws.queues import Queue
from invalidator.errors import ConfigurationError, StorageError
from invalidator.limits import MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES
from tests.doubles.loopback import answering, ok
from tests.doubles.queues import Message, StrictQueues

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/changes"


@given(st.text(min_size=1), st.integers(0, MAX_DELAY_SECONDS))
def test_a_message_is_stored_as_it_is(text: str, delay: int) -> None:
    queues = StrictQueues({URL})
    Queue(queues, URL).send(text, delay)
    assert queues.messages == [Message(URL, text, delay)]


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
        Queue.connect(url).send("later", 900)
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
        def send_message(self, **_: str | int) -> None:
            raise error

    with pytest.raises(StorageError, match=words):
        Queue(Unreachable(), URL).send("text")


def test_what_is_too_long_for_a_queue_is_not_stored() -> None:
    queues = StrictQueues({URL})
    Queue(queues, URL).send("x" * MAX_MESSAGE_BYTES)
    with pytest.raises(StorageError, match="InvalidParameterValue"):
        Queue(queues, URL).send("x" * MAX_MESSAGE_BYTES + "x")
    assert len(queues.messages) == 1


def test_an_sdk_that_cannot_be_set_up_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(ConfigurationError, match="the AWS SDK cannot be set up"):
        Queue.connect(URL)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"MessageId": ""}', b"[]", b"1", b"<html>proxy</html>", b"\xff\xfe"])
def test_an_answer_without_the_id_of_a_message_has_stored_nothing(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(ok(body)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match="/123456789012/changes: "):
            Queue.connect(f"{endpoint}/123456789012/changes").send("text")


def test_a_message_is_sent_once_so_that_it_is_not_stored_twice() -> None:
    queue = Queue.connect(URL)
    assert queue._client.meta.config.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]
