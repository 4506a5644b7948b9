"""A standard queue of SQS: at least once, in any order, with a visibility timeout and dead letters."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.doubles.sdk import client_error
from tests.simulation.world import Signal, World

MOST_BYTES = 1_048_576
_MOST_BYTES_RECEIVED = 6 * MOST_BYTES
_ALWAYS_TOGETHER = 10
"""Messages that one call receives."""


@dataclass
class Message:
    """A message, and the time from which it can be received."""

    id: str
    body: str
    visible_at: float
    received: int = 0


class Queue:
    """A queue with its dead letters. ``deleting``, ``storing`` and ``burying`` are called with each such message.

    ``unanswered`` is called with the bodies of a call that stored them and says that it failed.

    ``limit`` is the most bytes of a message, ``trouble`` the answer to all that is sent: "hangs", the code of an error,
    or none.
    """

    def __init__(self, world: World, visibility: float, receives: int) -> None:
        self._world, self._visibility, self._receives = world, visibility, receives
        self._numbers = count(1)
        self.messages: dict[str, Message] = {}
        self.dead: list[Message] = []
        self.arrived = Signal()
        self.storing: list[Callable[[str], None]] = []
        self.unanswered: list[Callable[[list[str]], None]] = []
        self.burying: list[Callable[[str], None]] = []
        self.limit, self.trouble = MOST_BYTES, ""
        self.deleting: list[Callable[[Message], None]] = []

    def send(self, body: str, delay: float = 0.0) -> None:
        """Store a message."""
        message = Message(f"m{next(self._numbers)}", body, self._world.now + delay)
        self.messages[message.id] = message
        for listener in self.storing:
            listener(body)
        self.arrived.fire()

    def bury(self, body: str) -> None:
        """Store a message in the dead letters."""
        self.dead.append(Message(f"m{next(self._numbers)}", body, self._world.now))
        for listener in self.burying:
            listener(body)

    def next_visible(self) -> float | None:
        """Return the time at which a message can be received; None if the queue is empty."""
        return min((message.visible_at for message in self.messages.values()), default=None)

    def receive(self, most: int, twice: float, spread: float) -> list[Message]:
        """Receive up to ``most`` messages, and as many bytes as an event takes.

        With the probability ``twice``, each can be received again at once; with ``spread``, only a random part of more
        than ten comes.
        """
        now, rng = self._world.now, self._world.rng
        visible = [message for message in self.messages.values() if message.visible_at <= now]
        rng.shuffle(visible)
        if len(visible) > _ALWAYS_TOGETHER and self._world.happens(spread):
            most = min(most, rng.randint(_ALWAYS_TOGETHER, len(visible)))
        received, size = list[Message](), 0
        for message in visible[:most]:
            size += len(message.body)
            if received and size > _MOST_BYTES_RECEIVED:
                break
            message.received += 1
            if message.received > self._receives:
                self._world.note(f"{message.id} is given up by the queue")
                del self.messages[message.id]
                self.dead.append(message)
                continue
            message.visible_at = now + (0.0 if self._world.happens(twice) else self._visibility)
            received.append(message)
        return received

    def delete(self, id_: str) -> None:
        """Forget a message."""
        message = self.messages.pop(id_, None)
        if message:
            for listener in self.deleting:
                listener(message)

    def redrive(self) -> None:
        """Move all dead letters back into the queue, as "Start DLQ redrive" does."""
        letters, self.dead = self.dead, []
        for letter in letters:
            self.messages[letter.id] = Message(letter.id, letter.body, self._world.now)
        self.arrived.fire()


class Client:
    """The client of the SDK. A call takes time, and may fail before or after a message is stored.

    ``watch`` is called with "sent" and the bodies of each call; then with "stored" and all of them, unless the call
    failed; then with "not stored" and those that the caller has to take for lost.
    """

    def __init__(self, world: World, queue: Queue, fails: Callable[[], float]) -> None:
        self._world, self._queue, self._fails = world, queue, fails
        self.watch: Callable[[str, list[str]], None] = lambda _what, _bodies: None

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> Any:  # noqa: N803
        def take() -> Any:
            if problem := self._problem(MessageBody, DelaySeconds):
                raise client_error("SendMessage", problem, 400)
            self._store(QueueUrl, MessageBody, DelaySeconds)
            return {"MessageId": "stored"}

        return self._call("SendMessage", [MessageBody], take)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        assert sum(len(entry["MessageBody"]) for entry in Entries) <= MOST_BYTES

        def take() -> Any:
            taken, failed = [], []
            for entry in Entries:
                problem = self._problem(entry["MessageBody"], entry["DelaySeconds"])
                if problem or self._world.happens(self._fails()):
                    about = {"Code": problem or "InternalError", "SenderFault": bool(problem), "Message": "not stored"}
                    failed.append({"Id": entry["Id"], **about})
                else:
                    self._store(QueueUrl, entry["MessageBody"], entry["DelaySeconds"])
                    taken.append({"Id": entry["Id"], "MessageId": "stored"})
            return {"Successful": taken, "Failed": failed}

        watch = self.watch  # of the invocation that calls, even if the process is frozen and serves another meanwhile
        answer = self._call("SendMessageBatch", [entry["MessageBody"] for entry in Entries], take)
        failed = {entry["Id"] for entry in answer["Failed"]}
        watch("not stored", [entry["MessageBody"] for entry in Entries if entry["Id"] in failed])
        return answer

    def _call(self, operation: str, bodies: list[str], take: Callable[[], Any]) -> Any:
        watch = self.watch
        watch("sent", bodies)
        try:
            answer = self._try(operation, bodies, take)
        except (ClientError, ReadTimeoutError):
            watch("not stored", bodies)
            raise
        watch("stored", bodies)
        return answer

    def _try(self, operation: str, bodies: list[str], take: Callable[[], Any]) -> Any:
        self._world.sleep(self._world.rng.uniform(0.005, 0.05))
        if self._queue.trouble == "hangs":
            self._world.sleep(10.0)
            raise ReadTimeoutError(endpoint_url="https://sqs.amazonaws.com")
        if self._queue.trouble:
            raise client_error(operation, self._queue.trouble, 403)
        if self._world.happens(self._fails()):
            raise client_error(operation, "InternalError", 500)
        answer = take()
        self._world.sleep(self._world.rng.uniform(0.005, 0.05))
        if self._world.happens(self._fails()):
            for listener in self._queue.unanswered:
                listener(bodies)
            raise client_error(operation, "InternalError", 500)
        return answer

    def _problem(self, body: str, delay: int) -> str:
        """Return the code of the error for a message that the queue refuses."""
        assert 0 <= delay <= 900
        assert len(body) <= MOST_BYTES
        return "InvalidParameterValue" if len(body) > self._queue.limit else ""

    def _store(self, url: str, body: str, delay: int) -> None:
        if url.endswith("dead-letters"):
            self._queue.bury(body)
        else:
            self._queue.send(body, delay)
        self._world.note(f"stored for {delay} s: {body[:150]}")
