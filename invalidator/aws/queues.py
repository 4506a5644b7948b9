"""The function's only calls to SQS: they store what is left to do."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self

from invalidator.aws import sdk
from invalidator.errors import StorageError
from invalidator.limits import MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_CALL


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803 the SDK's names
        """Put messages into a queue.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
        """


class Message(NamedTuple):
    """A message to store, to be delivered after ``delay`` seconds at the earliest."""

    body: str
    delay: int = 0


def batches(messages: Sequence[Message]) -> Iterator[range]:
    """Yield the places of messages that one call takes together."""
    start = size = 0
    for end, message in enumerate(messages):
        bytes_ = len(message.body.encode())
        if end - start == MAX_MESSAGES_PER_CALL or size + bytes_ > MAX_MESSAGE_BYTES:
            yield range(start, end)
            start, size = end, 0
        size += bytes_
    if messages:
        yield range(start, len(messages))


class Queue:
    """A queue that takes messages."""

    def __init__(self, client: _Client, url: str) -> None:
        self._client, self._url = client, url

    @classmethod
    def connect(cls, url: str, attempts: int = 1) -> Self:
        """Connect to a queue as the SDK is configured. Raises ConfigurationError if that cannot be used.

        A second attempt may store a message twice, and takes longer than the function has left for tickets.
        """
        return cls(sdk.client("sqs", attempts=attempts), url)

    def send(self, text: str) -> None:
        """Store a message. Raises StorageError."""
        (problem,) = self.send_all([Message(text)])
        if problem:
            raise StorageError(problem)

    def send_all(self, messages: Sequence[Message]) -> list[str]:
        """Store messages that one call takes together. Return for each why it is not stored; empty if it is.

        Raises StorageError if nobody knows of any.
        """
        entries = [
            {"Id": str(place), "MessageBody": message.body, "DelaySeconds": message.delay}
            for place, message in enumerate(messages)
        ]
        try:
            with sdk.raising(StorageError, self._url):
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
                return self._problems(answer, len(messages))
        except StorageError as error:
            # The queue may take less than SQS does. What one message needs, it does not take from the others.
            if len(messages) == 1 or "BatchRequestTooLong" not in str(error):
                raise
        middle = len(messages) // 2
        return self.send_all(messages[:middle]) + self.send_all(messages[middle:])

    def _problems(self, answer: Any, number: int) -> list[str]:
        problems = [f"{self._url}: the answer does not name it"] * number
        for entry in answer.get("Failed") or ():
            problems[int(entry["Id"])] = f"{self._url}: {entry['Code']}: {entry.get('Message', '')}".rstrip(": ")
        for entry in answer.get("Successful") or ():
            if entry["MessageId"]:
                problems[int(entry["Id"])] = ""
        return problems
