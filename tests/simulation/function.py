"""Lambda: pollers that batch messages, and invocations of the real handler, which can crash anywhere."""

import json
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from greenlet import greenlet

from invalidator import handler
from invalidator.aws import cloudfront as edge_of_cloudfront
from invalidator.aws import queues
from invalidator.aws.listings import Listings
from invalidator.distributions.catalog import Catalog
from invalidator.model import Allowance
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from invalidator.runtime.metrics import Document
from tests.simulation import s3
from tests.simulation.cloudfront import PLAIN, WILDCARDS, CloudFront, Place
from tests.simulation.sqs import Client, Message, Queue
from tests.simulation.weather import Deployment, Weather
from tests.simulation.world import BEGINNING, Signal, World

Handler = Callable[[object, LocalContext, Clients], dict[str, Any]]

URL = "https://sqs/changes"
DEAD_LETTERS_URL = "https://sqs/dead-letters"


class Context(LocalContext):
    """The context of an invocation on the virtual clock."""

    def __init__(self, world: World, seconds: float, request: str) -> None:
        super().__init__(aws_request_id=request, deadline=world.now + seconds)
        object.__setattr__(self, "world", world)
        self.world: World

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - self.world.now) * 1000)


class Workers:
    """Tasks of the world in place of threads."""

    def __init__(self, world: World, tasks: list[greenlet]) -> None:
        self._world, self._tasks = world, tasks
        self._ended: deque[Any] = deque()
        self._signal = Signal()

    def start(self, call: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                self._ended.append(call())
            except AssertionError:
                raise  # a check of this world has failed
            except Exception as error:  # noqa: BLE001 raised again where it is waited for
                self._ended.append(error)
            self._signal.fire()

        self._tasks.append(self._world.spawn(run))

    def wait(self, seconds: float) -> Any:
        if not self._ended:
            self._world.sleep(max(seconds, 0.0), self._signal)
        ended = self._ended.popleft() if self._ended else None
        if isinstance(ended, Exception):
            raise ended
        return ended


class Aws(NamedTuple):
    """The surroundings of an invocation, the allowance of a plan, and the metrics with their seconds."""

    queue: Queue
    cloudfront: CloudFront
    bucket: s3.Bucket
    allowance: Allowance
    metrics: list[tuple[float, Document]]


class Invocation:
    """One invocation, and the laws of its calls.

    A call never has more items than a distribution takes at a time. All calls for a distribution together, apart from
    its ``tickets``, are the new work of one plan, which keeps to the allowance; halves and repeated calls contain only
    items of that plan.
    """

    def __init__(self, world: World, aws: Aws, weather: Weather, messages: list[Message]) -> None:
        self._world, self._allowance = world, aws.allowance
        self._new: dict[str, set[str]] = {}
        self._left: dict[str, set[str]] = {}
        for message in messages:
            for distribution, path in places_of(message.body) or []:
                self._left.setdefault(distribution, set()).add(path)
        self.tasks: list[greenlet] = []
        self._accepted: list[tuple[float, str, int, int]] = []
        # For each distribution the times of refusals for want of room, and the kinds of items: true for wildcards.
        self._refused: dict[str, list[tuple[float, set[bool]]]] = {}
        cdn = edge_of_cloudfront.CloudFront(aws.cloudfront.client(self._watch))
        listings = Listings(s3.Client(world, aws.bucket, weather), lambda: world.now)
        self.edge = Clients(
            cloudfront=lambda: cdn,
            queue=lambda url: queues.Queue(Client(world, aws.queue, weather.not_stored), url),
            workers=lambda: Workers(world, self.tasks),
            catalog=lambda: Catalog(cdn, lambda: world.now, world.sleep),
            listings=lambda: listings,
            now=lambda: BEGINNING.timestamp() + world.now,
            publish=lambda documents, _context: aws.metrics.extend((world.now, document) for document in documents),
        )

    def _watch(self, distribution: str, paths: list[str], result: str) -> None:
        now, wildcards = self._world.now, sum(path.endswith("*") for path in paths)
        if result in {"accepted", "TooManyInvalidationsInProgress"}:
            self._check_refusals(distribution, {path.endswith("*") for path in paths}, result)
        if result == "TooManyInvalidationsInProgress":
            # The seconds that the call itself takes are not counted against the handler.
            mine = [entry for entry in self._accepted if entry[1] == distribution and entry[0] > now - 24.0]
            assert len(paths) - wildcards + sum(entry[2] for entry in mine) <= PLAIN, "our own calls exceed the quota"
            assert wildcards + sum(entry[3] for entry in mine) <= WILDCARDS, "our own wildcards exceed the quota"
        elif result == "accepted":
            self._accepted.append((now, distribution, len(paths) - wildcards, wildcards))
        assert result not in {"BatchTooLarge", "InconsistentQuantities"}, result
        self._check_new_work(distribution, paths)

    def _check_refusals(self, distribution: str, kinds: set[bool], result: str) -> None:
        now, refused = self._world.now, self._refused.setdefault(distribution, [])
        recent = [before for at, before in refused if now - at < 25.0]
        assert not any(len(before) == 1 and before <= kinds for before in recent), "a full quota was hammered"
        if result != "accepted":
            assert len(recent) < 2, "a full distribution was hammered"
            refused.append((now, kinds))

    def _check_new_work(self, distribution: str, paths: list[str]) -> None:
        new = self._new.setdefault(distribution, set())
        if new.issuperset(paths):
            return
        new |= set(paths) - self._left.get(distribution, set())
        wildcards, allowed = sum(path.endswith("*") for path in new), self._allowance
        assert wildcards <= allowed.wildcards, f"{wildcards} wildcards, and {allowed}"
        assert not allowed.wildcards or len(new) <= allowed.paths, f"{len(new)} paths, and {allowed}"


class Function:
    """The event source mapping and the function behind it, which must answer in time unless it crashes.

    ``delivering`` is called with the messages of each invocation, ``acknowledging`` with those that will be deleted.
    """

    def __init__(
        self, world: World, weather: Weather, deployment: Deployment, aws: Aws, handle: Handler = handler.lambda_handler
    ) -> None:
        self._world, self._queue, self._aws = world, aws.queue, aws
        self.weather, self._deployment, self._handle = weather, deployment, handle
        self.delivering: list[Callable[[list[Message]], None]] = []
        self.invocations = 0
        self.running = 0
        for _ in range(deployment.concurrency):
            world.spawn(self._poll)

    def _poll(self) -> None:
        world, queue = self._world, self._queue
        while True:
            visible = queue.next_visible()
            if visible is None or visible > world.now:
                world.sleep(inf if visible is None else visible - world.now, queue.arrived)
                continue
            self.running += 1
            world.sleep(self._deployment.window)
            most = self._deployment.batch_size
            if world.happens(self.weather.split):
                most = world.rng.randint(1, 20)
            messages = queue.receive(most, self.weather.twice)
            if messages and not world.happens(self.weather.not_started):
                self._invoke(messages)
            self.running -= 1

    def _invoke(self, messages: list[Message]) -> None:
        world = self._world
        self.invocations += 1
        number = self.invocations
        for listener in self.delivering:
            listener(messages)
        seconds = world.rng.uniform(1, 40) if world.happens(self.weather.short) else self._deployment.timeout
        invocation = Invocation(world, self._aws, self.weather, messages)
        answer: list[dict[str, Any]] = []
        over = Signal()
        event = {"Records": [_record(message) for message in messages]}
        world.note(f"invocation {number} of {[f'{m.id}/{m.received}' for m in messages[:9]]}, {seconds:.0f} s")

        def run() -> None:
            try:
                answer.append(self._handle(event, Context(world, seconds, f"request-{number}"), invocation.edge))
            except Exception as error:
                # An event of SQS is always answered: an error would deliver all its messages again.
                raise AssertionError(f"invocation {number} failed: {error!r:.300}") from error
            over.fire()

        task = world.spawn(run)
        invocation.tasks.append(task)
        left = seconds
        if world.happens(self.weather.crash):
            left = min(seconds, world.rng.choice([0.3, 1.0, 5.0, 30.0]) * world.rng.random())
        world.sleep(left, over)
        if not task.dead:
            world.note(f"invocation {number} is cut off")
            assert left < seconds, f"invocation {number} did not end in {seconds} seconds"
        world.kill(invocation.tasks)
        if answer:
            failed = {item["itemIdentifier"] for item in answer[0]["batchItemFailures"]}
            world.note(f"invocation {number} done, {len(failed)} of {len(messages)} messages failed")
            for message in messages:
                if message.id not in failed:
                    self._queue.delete(message.id)


def _record(message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.received)},
        "eventSource": "aws:sqs",
    }


def places_of(body: str) -> list[Place] | None:
    """Return the items of a ticket, each with its distribution. None if the message is no ticket."""
    if body.startswith('{"Records"'):
        return None
    document = json.loads(body)
    return [(document["distribution"], path) for path, *_ in document["items"]]
