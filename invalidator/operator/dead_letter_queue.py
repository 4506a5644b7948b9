"""The dead-letter queue by hand, for the command line: what is in it, sending it again, or discarding it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from invalidator.aws import sdk
from invalidator.aws.names import Arn, check_queue, is_queue_url, queue_account, queue_region
from invalidator.aws.queues import Queue
from invalidator.errors import ConfigurationError, DeadLettersError, StorageError
from invalidator.limits import MAX_MESSAGES_PER_RECEIVE
from invalidator.operator.dead_letters import FAILED_INVOCATION, DeadLetter, LetterContents, anew, document_of

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

_HELD_SECONDS: Final = 600
"""For which nobody else sees what is listed here, should it not be given back."""

_WAIT_SECONDS: Final = 1
"""With any wait at all SQS asks all its servers; without, some, so that an empty answer would mean nothing."""

# Those of EventBridge's rules and of Lambda's own dead-letter queues.
_ERROR_ATTRIBUTES: Final = ("ERROR_MESSAGE", "ErrorMessage")


class ResentLetter(NamedTuple):
    """A letter that was sent again, where to, or the problem that kept it from being sent or from being deleted."""

    letter: DeadLetter
    contents: LetterContents
    to: str
    problem: str = ""


class DiscardedLetter(NamedTuple):
    """A letter that was deleted without being sent anywhere, or the problem that kept it from being deleted."""

    letter: DeadLetter
    contents: LetterContents
    problem: str = ""


class DeadLetterQueue:
    """A dead-letter queue. Every call raises DeadLettersError if it is refused or goes without an answer."""

    def __init__(self, client: "SQSClient", url: str, functions: "Callable[[str], LambdaClient]") -> None:
        """``functions`` gives a client for a Region."""
        self._client, self._url, self._functions = client, url, functions
        self._gone: set[str] = set()

    @classmethod
    def connect(cls, queue: str) -> Self:
        """Connect to the queue with this URL or name. Raises ConfigurationError, or DeadLettersError if none has it."""
        client = sdk.client("sqs", attempts=3, region=queue_region(queue))
        return cls(client, _url_of(queue, client), cache(_functions))

    @contextmanager
    def held(self) -> Iterator[list[DeadLetter]]:
        """All that is in the queue, for nobody else to see meanwhile; what was not deleted is given back at the end."""
        held: dict[str, DeadLetter] = {}
        try:
            self._receive(held)
            yield sorted(held.values(), key=lambda letter: (letter.sent, letter.id))
        except KeyboardInterrupt:
            # A poll that was cut off goes on in SQS until its wait is over, and would take what is given back.
            time.sleep(2 * _WAIT_SECONDS)
            raise
        finally:
            self._give_back([letter for letter in held.values() if letter.id not in self._gone])

    def _receive(self, held: dict[str, DeadLetter]) -> None:
        """Until nothing comes any more, or nothing but what was there before: its time is over."""
        new = True
        while new:
            answer = self._call(
                self._client.receive_message,
                MaxNumberOfMessages=MAX_MESSAGES_PER_RECEIVE,
                VisibilityTimeout=_HELD_SECONDS,
                WaitTimeSeconds=_WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=list(_ERROR_ATTRIBUTES),
            )
            letters = [_letter(message) for message in answer.get("Messages", [])]
            new = any(letter.id not in held for letter in letters)
            held |= {letter.id: letter for letter in letters}

    def _give_back(self, letters: list[DeadLetter]) -> None:
        for start in range(0, len(letters), MAX_MESSAGES_PER_RECEIVE):
            entries = [
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(letters[start : start + MAX_MESSAGES_PER_RECEIVE])
            ]
            try:
                self._call(self._client.change_message_visibility_batch, Entries=entries)
            except DeadLettersError as error:
                raise DeadLettersError(f"{error}; the letters stay hidden for up to ten minutes") from error

    def others_hold(self) -> int:
        """How many letters are, about, in other hands; 0 if one may not know. Of use where none was received."""
        name = "ApproximateNumberOfMessagesNotVisible"
        try:
            answer = self._call(self._client.get_queue_attributes, AttributeNames=[name])
        except DeadLettersError:
            return 0
        return int(answer.get("Attributes", {}).get(name, 0))

    # --- sending again ----------------------------------------------------------------------------------

    def source(self, configured: str) -> str:
        """The queue that these are the dead letters of: ``configured``, if it may be. Raises ConfigurationError."""
        try:
            answer = self._call(self._client.list_dead_letter_source_queues)
        except DeadLettersError as error:
            raise DeadLettersError(f"{error}; or say with --to which queue to send to") from error
        found = answer.get("queueUrls", [])
        if configured and (configured in found or not found):
            return configured
        if len(found) != 1:
            raise ConfigurationError(
                f"{self._url} is the dead-letter queue of {' and of '.join(found) or 'no queue'}: say with --to which"
                " queue to send to"
            )
        return str(found[0])

    def url_of(self, queue: str) -> str:
        """The URL of another queue, by its URL or its name."""
        return _url_of(queue, self._client)

    def send_again(self, letter: DeadLetter, contents: LetterContents, to: str, *, dry_run: bool) -> ResentLetter:
        """Send a letter again, to that queue or to the function that failed, and delete it once it was accepted."""
        if contents.problem:
            return ResentLetter(letter, contents, "", contents.problem)
        try:
            if contents.kind == FAILED_INVOCATION:
                to = self._invoke(document_of(letter.body), dry_run=dry_run)
            elif not dry_run:
                Queue(self._client, to).send(anew(letter, contents))
        except (DeadLettersError, StorageError) as error:
            return ResentLetter(letter, contents, to, str(error))
        try:
            if not dry_run:
                self._delete(letter)
        except DeadLettersError as error:
            return ResentLetter(letter, contents, to, f"it was sent, but is still here: {error}")
        return ResentLetter(letter, contents, to)

    def discard(self, letter: DeadLetter, contents: LetterContents, *, dry_run: bool) -> DiscardedLetter:
        """Delete a letter, whatever is in it. What it says is stale stays so."""
        try:
            if not dry_run:
                self._delete(letter)
        except DeadLettersError as error:
            return DiscardedLetter(letter, contents, str(error))
        return DiscardedLetter(letter, contents)

    def _delete(self, letter: DeadLetter) -> None:
        self._call(self._client.delete_message, ReceiptHandle=letter.receipt)
        self._gone.add(letter.id)

    def _invoke(self, record: dict[str, Any], *, dry_run: bool) -> str:
        """Hand the event to the function again. Whoever may write to the queue must not have us call any function."""
        context = record["requestContext"]
        text = str(context.get("functionArn")) if isinstance(context, dict) else ""
        arn, account = Arn.parse(text), queue_account(self._url)
        if not arn or arn.service != "lambda" or account not in {"", arn.account}:
            raise DeadLettersError(f"{text!r:.100} is not the ARN of a function in the account of the queue")
        if not dry_run:
            try:
                payload = json.dumps(record["requestPayload"]).encode()
                self._functions(arn.region).invoke(FunctionName=text, InvocationType="Event", Payload=payload)
            except sdk.ERRORS as error:
                raise DeadLettersError(f"{text}: {sdk.explained(error)}") from error
        return text

    def _call(self, call: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return call(QueueUrl=self._url, **arguments)
        except sdk.ERRORS as error:
            raise DeadLettersError(f"{self._url}: {sdk.explained(error)}") from error


def _functions(region: str) -> "LambdaClient":
    client: LambdaClient = sdk.client("lambda", attempts=3, region=region)
    return client


def _url_of(queue: str, client: "SQSClient") -> str:
    check_queue(queue)
    if is_queue_url(queue):
        return queue
    try:
        return client.get_queue_url(QueueName=queue)["QueueUrl"]
    except sdk.ERRORS as error:
        raise DeadLettersError(f"queue {queue}: {sdk.explained(error)}") from error


def _letter(message: "MessageTypeDef") -> DeadLetter:
    sent = datetime.fromtimestamp(int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000, UTC)
    attributes = message.get("MessageAttributes", {})
    errors = [attributes[name].get("StringValue", "") for name in _ERROR_ATTRIBUTES if name in attributes]
    body, receipt = message.get("Body", ""), message["ReceiptHandle"]
    return DeadLetter(message["MessageId"], receipt, body, f"{sent:%Y-%m-%dT%H:%M:%SZ}", "; ".join(errors))
