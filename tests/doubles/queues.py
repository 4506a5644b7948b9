"""The queues of an account, as strict as SQS is about a message."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.validate import validate_parameters

from tests.doubles.sdk import client_error, operation_model


class Message(NamedTuple):
    """A message that was sent to a queue."""

    url: str
    body: str
    delay: int


@dataclass
class StrictQueues:
    """The queues of an account, by URL, called as an SDK client."""

    urls: set[str]
    messages: list[Message] = field(default_factory=list)
    # The error of every call to a queue.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> Any:  # noqa: N803
        """Send a message, as the SDK calls the operation. Raises the SDK's ClientError."""
        parameters = {"QueueUrl": QueueUrl, "MessageBody": MessageBody, "DelaySeconds": DelaySeconds}
        validate_parameters(parameters, operation_model("sqs", "SendMessage").input_shape)
        if QueueUrl in self.broken:
            raise client_error("SendMessage", *self.broken[QueueUrl], "on demand")
        if QueueUrl not in self.urls:
            raise client_error("SendMessage", "AWS.SimpleQueueService.NonExistentQueue", 400, "It does not exist.")
        if not 0 <= DelaySeconds <= 900 or not 0 < len(MessageBody.encode()) <= 1_048_576:
            raise client_error("SendMessage", "InvalidParameterValue", 400, "Reason: it is too long, or of no use.")
        self.messages.append(Message(QueueUrl, MessageBody, DelaySeconds))
        return {"MessageId": f"sent-{len(self.messages)}"}
