"""A queue that the embedded bucket notifies, and a worker that polls it as Lambda does."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3

from invalidator import handler
from invalidator.limits import MAX_MESSAGES_PER_CALL, MAX_MESSAGES_PER_EVENT
from invalidator.local.embedded import BUCKET, REGION
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.merge import NotificationEntry

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef


def notified_queue() -> "QueueWorker":
    """Create a queue that the bucket notifies, and return its worker."""
    worker = QueueWorker(boto3.client("sqs").create_queue(QueueName="invalidator")["QueueUrl"])
    Bucket.open(BUCKET).connect(NotificationEntry("invalidator", worker.arn))
    return worker


class QueueWorker:
    """Polls a queue, calls the handler and deletes messages, as Lambda does."""

    def __init__(self, url: str) -> None:
        self._sqs = boto3.client("sqs")
        self._url = url
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]

    def receive(self, wait_seconds: int = 0) -> dict[str, Any] | None:
        """Return the messages as the event that Lambda would make of them; None if the queue stays empty."""
        messages: list[MessageTypeDef] = []
        while len(messages) < MAX_MESSAGES_PER_EVENT:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MAX_MESSAGES_PER_CALL,
                WaitTimeSeconds=0 if messages else wait_seconds,
            )
            if not answer.get("Messages"):
                break
            messages += answer["Messages"]
        return {"Records": [self._record(message) for message in messages]} if messages else None

    def acknowledge(self, event: dict[str, Any], answer: Mapping[str, Any]) -> None:
        """Delete the messages that the handler's answer does not name as failed."""
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        for record in event["Records"]:
            if record["messageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=record["receiptHandle"])

    def release(self, event: dict[str, Any]) -> None:
        """Give the messages back at once, as if their visibility timeout had passed."""
        for record in event["Records"]:
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
            )

    def poll(self, wait_seconds: int = 0) -> int:
        """Receive, handle, acknowledge. Returns the number of messages received."""
        event = self.receive(wait_seconds)
        if event is None:
            return 0
        self.acknowledge(event, handler.lambda_handler(event))
        return len(event["Records"])

    def _record(self, message: "MessageTypeDef") -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": REGION,
        }
