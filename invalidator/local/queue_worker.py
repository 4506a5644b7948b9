"""A queue that the embedded bucket notifies, its dead letters, and a worker that polls it as Lambda does."""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import boto3

from invalidator import handler
from invalidator.connection.policies import allowing_statement
from invalidator.connection.policy_checks import sending_request
from invalidator.limits import MAX_MESSAGES_PER_CALL, MAX_MESSAGES_PER_EVENT
from invalidator.local.embedded import BUCKET, REGION
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.merge import NotificationEntry
from invalidator.runtime.log import logger

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef


_VISIBILITY_SECONDS: Final = 10
"""Of a stack's queue they are 722, but nobody wants to wait an hour to see a dead letter."""
_ATTEMPTS: Final = 5
"""As in deploy/queue.yml."""


def notified_queue() -> "QueueWorker":
    """Create a queue that the bucket notifies, and one for its dead letters. Returns the worker of the first.

    Sets the function's variables that name them.
    """
    sqs = boto3.client("sqs")
    dead = sqs.create_queue(QueueName="invalidator-dead-letters")["QueueUrl"]
    worker = QueueWorker(sqs.create_queue(QueueName="invalidator")["QueueUrl"])
    request = sending_request("s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}", worker.arn)
    redrive = {"deadLetterTargetArn": QueueWorker(dead).arn, "maxReceiveCount": _ATTEMPTS}
    sqs.set_queue_attributes(
        QueueUrl=worker.url,
        Attributes={
            "Policy": json.dumps({"Version": "2012-10-17", "Statement": [allowing_statement(request)]}),
            "RedrivePolicy": json.dumps(redrive),
            "VisibilityTimeout": str(_VISIBILITY_SECONDS),
        },
    )
    Bucket.open(BUCKET).connect(NotificationEntry("invalidator", worker.arn))
    os.environ |= {"QUEUE_URL": worker.url, "DEAD_LETTERS_URL": dead, "DISCOVER_BUCKET": BUCKET}
    return worker


class QueueWorker:
    """Polls a queue, calls the handler and deletes messages, as Lambda does."""

    def __init__(self, url: str) -> None:
        self._sqs = boto3.client("sqs")
        self.url = url
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]

    def receive(self, wait_seconds: int = 0) -> dict[str, Any] | None:
        """Return the messages as the event that Lambda would make of them; None if the queue stays empty."""
        messages: list[MessageTypeDef] = []
        while len(messages) < MAX_MESSAGES_PER_EVENT:
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MAX_MESSAGES_PER_CALL,
                MessageSystemAttributeNames=["All"],
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
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=record["receiptHandle"])

    def release(self, event: dict[str, Any]) -> None:
        """Give the messages back at once, as if their visibility timeout had passed."""
        for record in event["Records"]:
            self._sqs.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
            )

    def poll(self, wait_seconds: int = 0) -> int:
        """Receive, handle, acknowledge. Returns the number of messages received.

        If the function fails, all of them come again when their visibility timeout is over.
        """
        event = self.receive(wait_seconds)
        if event is None:
            return 0
        try:
            self.acknowledge(event, handler.lambda_handler(event))
        except Exception:  # noqa: BLE001 whatever it is: Lambda does not end with the function, either
            logger.exception("the function failed")
        return len(event["Records"])

    def _record(self, message: "MessageTypeDef") -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": REGION,
        }
