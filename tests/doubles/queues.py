"""The queues of an account, as strict as SQS is about a message."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.validate import validate_parameters

from tests.doubles.loopback import Quiet
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
    # The numbers of messages in each call.
    calls: list[int] = field(default_factory=list)
    # Bytes of a call, and of a message.
    largest: int = 1_048_576
    # The error of every call to a queue.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803
        """Send messages, as the SDK calls the operation. Raises the SDK's ClientError."""
        parameters = {"QueueUrl": QueueUrl, "Entries": Entries}
        validate_parameters(parameters, operation_model("sqs", "SendMessageBatch").input_shape)
        self.calls.append(len(Entries))
        if QueueUrl in self.broken:
            raise client_error("SendMessageBatch", *self.broken[QueueUrl], "on demand")
        if QueueUrl not in self.urls:
            raise client_error("SendMessageBatch", "AWS.SimpleQueueService.NonExistentQueue", 400, "It does not exist.")
        ids = {entry["Id"] for entry in Entries}
        if not 0 < len(ids) == len(Entries) <= 10:
            raise client_error("SendMessageBatch", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400)
        if sum(len(entry["MessageBody"].encode()) for entry in Entries) > self.largest:
            raise client_error("SendMessageBatch", "AWS.SimpleQueueService.BatchRequestTooLong", 400, "too long")
        answer: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        for entry in Entries:
            body, delay = entry["MessageBody"], entry["DelaySeconds"]
            if not 0 <= delay <= 900 or not body:
                reason = {"Code": "InvalidParameterValue", "Message": "of no use", "SenderFault": True}
                answer["Failed"].append({"Id": entry["Id"], **reason})
                continue
            self.messages.append(Message(QueueUrl, body, delay))
            answer["Successful"].append({"Id": entry["Id"], "MessageId": f"sent-{len(self.messages)}"})
        return answer


def answering_for(queues: StrictQueues) -> type[Quiet]:
    """Return a handler of requests that answers as SQS does: AWS's JSON protocol, without errors."""

    class Handler(Quiet):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
            answer = getattr(queues, xform_name(operation))(**json.loads(self.body()))
            self.respond(200, json.dumps(answer).encode(), "application/x-amz-json-1.0")

    return Handler
