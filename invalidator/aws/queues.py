"""The only calls to SQS of the function: storing what is left to do."""

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
    """A queue that messages can be put into."""

    def __init__(self, client: _Client, url: str) -> None:
        self._client, self._url = client, url

    @classmethod
    def connect(cls, url: str) -> Self:
        """Connect to a queue with what the SDK is configured with. Raises ConfigurationError if that cannot be used."""
        # One attempt: a second one could store the message twice, and would take longer than the function has left.
        return cls(sdk.client("sqs", attempts=1), url)

    def send(self, text: str, delay: int = 0) -> None:
        """Store a message, to be delivered in ``delay`` seconds at the earliest. Raises StorageError."""
        try:
            answer = self._client.send_message(QueueUrl=self._url, MessageBody=text, DelaySeconds=delay)
            stored = bool(answer["MessageId"])
        except sdk.ERRORS as error:
            raise StorageError(f"{self._url}: {sdk.explained(error)}") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StorageError(f"{self._url}: an answer that makes no sense: {error!r}") from error
        if not stored:
            raise StorageError(f"{self._url}: an answer without the id of a message")
