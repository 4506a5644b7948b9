"""List a dead-letter queue, send its letters again, or discard them."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from invalidator.aws import sdk
from invalidator.aws.advice import is_denied
from invalidator.aws.queues import Queue
from invalidator.errors import ConfigurationError, DeadLettersError, StorageError
from invalidator.limits import MAX_MESSAGES_PER_CALL
from invalidator.notifications.arns import Arn
from invalidator.operator.dead_letters import DeadLetter, LetterContents
from invalidator.settings.environment import is_queue_url
from invalidator.settings.queue_names import check_queue, queue_region

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


# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (2026-11-29)
_function_name = re.compile(
    r"(arn:aws[\w-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[\w-]{1,64}(:(\$LATEST|[\w-]{1,128}))?", re.ASCII
).fullmatch


class Recipient(NamedTuple):
    """A queue or function that takes letters again: its URL or name, and what sends it a body. Raises StorageError."""

    name: str
    send: Callable[[str], object]


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

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url
        self._deleted: set[str] = set()

    @classmethod
    def connect(cls, queue: str) -> Self:
        """Connect to the queue with this URL or name. Raises ConfigurationError, or DeadLettersError if none has it."""
        client = sdk.client("sqs", attempts=3, region=queue_region(queue))
        return cls(client, url_of_queue(queue, client))

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

    def sources(self) -> list[str]:
        """Return the URLs of the queues that these are the dead letters of.

        Raises ConfigurationError if there are none: whatever reads a queue at work counts as a failed delivery there.
        """
        try:
            answer = self._call(self._client.list_dead_letter_source_queues)
        except DeadLettersError as error:
            if error.__cause__ and is_denied(sdk.code_of(error.__cause__)):
                raise DeadLettersError(f"{error}; or insist with --any-queue") from error
            raise
        if found := list(map(str, answer.get("queueUrls", []))):
            return found
        raise ConfigurationError(
            f"no queue has {self._url} as its dead-letter queue, so it is not read: name the dead-letter queue. That of"
            " a stack with --param trigger=direct has no queue in front of it: insist with --any-queue"
        )

    def queue(self, queue: str) -> Recipient:
        """Return the queue with this URL or name as a recipient."""
        url = url_of_queue(queue, self._client)
        return Recipient(url, Queue(self._client, url).send)

    def function(self, function: str) -> Recipient:
        """Return the function with this name or ARN as a recipient. Raises ConfigurationError if it is neither."""
        if not _function_name(function):
            raise ConfigurationError(f"--function: {function!r} is neither the name nor the ARN of a Lambda function")
        arn = Arn.parse(function)
        region = arn.region if arn else queue_region(self._url)
        client: LambdaClient = sdk.client("lambda", attempts=3, region=region)

        def invoke(body: str) -> None:
            with sdk.raising(StorageError, function):
                client.invoke(FunctionName=function, InvocationType="Event", Payload=body.encode())

        return Recipient(function, invoke)

    def send_again(self, letter: DeadLetter, contents: LetterContents, to: Recipient, *, dry_run: bool) -> ResentLetter:
        """Send what a letter holds to a queue or function, and delete the letter once that was accepted."""
        if contents.problem:
            return ResentLetter(letter, contents, "", contents.problem)
        try:
            for body in () if dry_run else contents.bodies:
                to.send(body)
        except StorageError as error:
            return ResentLetter(letter, contents, to.name, str(error))
        problem = self._delete(letter, dry_run=dry_run)
        unsure = problem and f"it was sent again, but cannot be deleted: {problem}"
        return ResentLetter(letter, contents, to.name, unsure)

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

    def _call(self, call: Callable[..., Any], **arguments: Any) -> Any:
        with sdk.raising(DeadLettersError, self._url):
            return call(QueueUrl=self._url, **arguments)


def url_of_queue(queue: str, client: "SQSClient") -> str:
    """Return the URL of the queue with this URL or name. Raises ConfigurationError, or DeadLettersError."""
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


def source_among(sources: Sequence[str], configured: str) -> str:
    """Return the queue to send dead letters to: the configured one, or the only one that they come from.

    ``sources`` is empty if these are not known. Raises ConfigurationError if nobody can tell which one.
    """
    if configured and (configured in sources or not sources):
        return configured
    if len(sources) == 1:
        return sources[0]
    which = f"they may come from {' or '.join(sources)}" if sources else "nobody knows where they come from"
    raise ConfigurationError(f"{which}: name the queue to send to with --to, or the function with --function")
