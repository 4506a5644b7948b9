"""List a dead-letter queue, send its letters again, or discard them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from invalidator.aws import sdk
from invalidator.aws.queues import Queue
from invalidator.errors import ConfigurationError, DeadLettersError, StorageError
from invalidator.limits import MAX_MESSAGES_PER_CALL
from invalidator.notifications.arns import Arn
from invalidator.operator.dead_letters import FAILED_INVOCATION, DeadLetter, LetterContents, body_to_resend, document_of
from invalidator.operator.queue_names import check_queue, queue_account, queue_region
from invalidator.settings.environment import is_queue_url

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

_VISIBILITY_TIMEOUT: Final = 600
"""Seconds for which nobody else receives a listed letter, unless it is given back earlier."""

_WAIT_SECONDS: Final = 1
"""With any wait SQS asks all its servers; without, only some, so that an empty answer would mean nothing."""

# Attributes that EventBridge's rules and Lambda's own dead-letter queues add to a message.
_ERROR_ATTRIBUTES: Final = ("ERROR_MESSAGE", "ErrorMessage")


class ResentLetter(NamedTuple):
    """A letter that was sent again to a queue or function, unless a ``problem`` kept it from being sent or deleted."""

    letter: DeadLetter
    contents: LetterContents
    to: str
    problem: str = ""


class DiscardedLetter(NamedTuple):
    """A letter that was deleted without being sent again, unless a ``problem`` kept it from being deleted."""

    letter: DeadLetter
    contents: LetterContents
    problem: str = ""


class DeadLetterQueue:
    """A dead-letter queue. Each call raises DeadLettersError if SQS refuses it or does not answer."""

    def __init__(self, client: "SQSClient", url: str, functions: "Callable[[str], LambdaClient]") -> None:
        """``functions`` returns the client of Lambda for a Region."""
        self._client, self._url, self._functions = client, url, functions
        self._deleted: set[str] = set()

    @classmethod
    def connect(cls, queue: str) -> Self:
        """Connect to the queue with this URL or name. Raises ConfigurationError, or DeadLettersError if none has it."""
        client = sdk.client("sqs", attempts=3, region=queue_region(queue))
        return cls(client, _url_of(queue, client), cache(_lambda_client))

    # --- receiving --------------------------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[list[DeadLetter]]:
        """Receive all letters and hide them from others meanwhile. Gives back at the end what was not deleted."""
        received: dict[str, DeadLetter] = {}
        try:
            self._receive(received)
            yield sorted(received.values(), key=lambda letter: (letter.sent, letter.id))
        except KeyboardInterrupt:
            # A poll that was cut off goes on in SQS until its wait is over, and would take what is given back.
            time.sleep(2 * _WAIT_SECONDS)
            raise
        finally:
            self._give_back([letter for letter in received.values() if letter.id not in self._deleted])

    def _receive(self, received: dict[str, DeadLetter]) -> None:
        """Receive until an answer has no new letter. An old one comes again when its visibility timeout is over."""
        is_new = True
        while is_new:
            answer = self._call(
                self._client.receive_message,
                MaxNumberOfMessages=MAX_MESSAGES_PER_CALL,
                VisibilityTimeout=_VISIBILITY_TIMEOUT,
                WaitTimeSeconds=_WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=list(_ERROR_ATTRIBUTES),
            )
            letters = [_letter(message) for message in answer.get("Messages", [])]
            is_new = any(letter.id not in received for letter in letters)
            received |= {letter.id: letter for letter in letters}

    def _give_back(self, letters: list[DeadLetter]) -> None:
        for start in range(0, len(letters), MAX_MESSAGES_PER_CALL):
            entries = [
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(letters[start : start + MAX_MESSAGES_PER_CALL])
            ]
            try:
                self._call(self._client.change_message_visibility_batch, Entries=entries)
            except DeadLettersError as error:
                raise DeadLettersError(f"{error}; the letters stay hidden for up to ten minutes") from error

    def hidden(self) -> int:
        """Return about how many letters others have received just now; 0 if a permission to know that is missing."""
        name = "ApproximateNumberOfMessagesNotVisible"
        try:
            answer = self._call(self._client.get_queue_attributes, AttributeNames=[name])
        except DeadLettersError:
            return 0
        return int(answer.get("Attributes", {}).get(name, 0))

    # --- sending again, discarding ----------------------------------------------------------------------

    def source(self, configured: str) -> str:
        """Return the URL of the queue that these are the dead letters of; ``configured``, if it is one of several.

        Raises ConfigurationError if nobody can tell which one.
        """
        try:
            answer = self._call(self._client.list_dead_letter_source_queues)
        except DeadLettersError as error:
            raise DeadLettersError(f"{error}; or name the queue to send to with --to") from error
        found = answer.get("queueUrls", [])
        if configured and (configured in found or not found):
            return configured
        if len(found) != 1:
            owners = f"{' and '.join(found)} have" if found else "no queue has"
            raise ConfigurationError(f"{owners} {self._url} as dead-letter queue: name the queue to send to with --to")
        return str(found[0])

    def url_of(self, queue: str) -> str:
        """Return the URL of another queue, by its URL or its name."""
        return _url_of(queue, self._client)

    def send_again(self, letter: DeadLetter, contents: LetterContents, to: str, *, dry_run: bool) -> ResentLetter:
        """Send a letter to the queue ``to``, or to the function that failed, and delete it once it was accepted."""
        if contents.problem:
            return ResentLetter(letter, contents, "", contents.problem)
        try:
            if contents.kind == FAILED_INVOCATION:
                to = self._invoke(document_of(letter.body), dry_run=dry_run)
            elif not dry_run:
                Queue(self._client, to).send(body_to_resend(letter, contents))
        except (DeadLettersError, StorageError) as error:
            return ResentLetter(letter, contents, to, str(error))
        problem = self._delete(letter, dry_run=dry_run)
        return ResentLetter(letter, contents, to, problem and f"it was sent again, but cannot be deleted: {problem}")

    def discard(self, letter: DeadLetter, contents: LetterContents, *, dry_run: bool) -> DiscardedLetter:
        """Delete a letter. Its paths stay stale."""
        return DiscardedLetter(letter, contents, self._delete(letter, dry_run=dry_run))

    def _delete(self, letter: DeadLetter, *, dry_run: bool) -> str:
        """Delete a letter. Returns why that failed, or nothing."""
        if not dry_run:
            try:
                self._call(self._client.delete_message, ReceiptHandle=letter.receipt)
            except DeadLettersError as error:
                return str(error)
            self._deleted.add(letter.id)
        return ""

    def _invoke(self, record: dict[str, Any], *, dry_run: bool) -> str:
        """Invoke the failed function again, and return its ARN.

        The letter names the function, and anyone who may write to the queue can forge one. So the function has to be of
        the account of the queue.
        """
        context = record["requestContext"]
        function = str(context.get("functionArn")) if isinstance(context, dict) else ""
        arn = Arn.parse(function)
        if not arn or arn.service != "lambda" or queue_account(self._url) not in {"", arn.account}:
            raise DeadLettersError(f"{function!r:.100} is not the ARN of a function in the account of the queue")
        if not dry_run:
            payload = json.dumps(record["requestPayload"]).encode()
            with sdk.raising(DeadLettersError, function):
                client = self._functions(arn.region)
                client.invoke(FunctionName=function, InvocationType="Event", Payload=payload)
        return function

    def _call(self, call: Callable[..., Any], **arguments: Any) -> Any:
        with sdk.raising(DeadLettersError, self._url):
            return call(QueueUrl=self._url, **arguments)


def _lambda_client(region: str) -> "LambdaClient":
    client: LambdaClient = sdk.client("lambda", attempts=3, region=region)
    return client


def _url_of(queue: str, client: "SQSClient") -> str:
    check_queue(queue)
    if is_queue_url(queue):
        return queue
    with sdk.raising(DeadLettersError, f"queue {queue}"):
        return client.get_queue_url(QueueName=queue)["QueueUrl"]


def _letter(message: "MessageTypeDef") -> DeadLetter:
    sent = datetime.fromtimestamp(int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000, UTC)
    attributes = message.get("MessageAttributes", {})
    errors = [attributes[name].get("StringValue", "") for name in _ERROR_ATTRIBUTES if name in attributes]
    body, receipt = message.get("Body", ""), message["ReceiptHandle"]
    return DeadLetter(message["MessageId"], receipt, body, f"{sent:%Y-%m-%dT%H:%M:%SZ}", "; ".join(errors))
