"""The function's only calls to SQS: they store what is left to do."""

from typing import Any, Protocol, Self

from invalidator.aws import sdk
from invalidator.errors import StorageError


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> Any:  # noqa: N803 the SDK's names
        """Put a message into a queue.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        """


class Queue:
    """A queue that takes messages."""

    def __init__(self, client: _Client, url: str) -> None:
        self._client, self._url = client, url

    @classmethod
    def connect(cls, url: str) -> Self:
        """Connect to a queue as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        # One attempt: a second one could store the message twice, and would take longer than the function has left.
        return cls(sdk.client("sqs", attempts=1), url)

    def send(self, text: str, delay: int = 0) -> None:
        """Store a message, to be delivered after ``delay`` seconds at the earliest. Raises StorageError."""
        with sdk.raising(StorageError, self._url):
            answer = self._client.send_message(QueueUrl=self._url, MessageBody=text, DelaySeconds=delay)
            if not answer["MessageId"]:
                raise ValueError("MessageId is empty")
