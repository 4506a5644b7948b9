"""Lambda: pollers that batch messages, and invocations of the real handler, which can crash anywhere."""

from collections.abc import Callable
from math import inf
from typing import Any

from invalidator import handler
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from tests.simulation.container import Aws, Container, Context
from tests.simulation.invocation import Invocation
from tests.simulation.sites import Place
from tests.simulation.sqs import Message
from tests.simulation.weather import Deployment, Weather
from tests.simulation.world import Signal, World

Handler = Callable[[object, LocalContext, Clients], dict[str, Any]]

URL = "https://sqs/changes"
DEAD_LETTERS_URL = "https://sqs/dead-letters"


class Function:
    """The event source mapping and the function behind it, which must answer in time unless it crashes.

    ``delivering`` is called with the messages of each invocation, ``cutting`` with the time at which one began that was
    killed when all was done, ``leaving`` with what one accepted that was cut off before it answered.
    """

    def __init__(
        self, world: World, weather: Weather, deployment: Deployment, aws: Aws, handle: Handler = handler.lambda_handler
    ) -> None:
        self._world, self._queue, self._aws = world, aws.queue, aws
        self.weather, self._deployment, self._handle = weather, deployment, handle
        self.delivering: list[Callable[[list[Message]], None]] = []
        self.cutting: list[Callable[[float], None]] = []
        self.leaving: list[Callable[[set[Place]], None]] = []
        self.invocations = 0
        self.running = 0
        self._idle: list[Container] = []
        self._version = 0
        for _ in range(deployment.concurrency):
            world.spawn(self._poll)

    def deploy(self) -> None:
        """Let later invocations begin in new processes, as after a change of the settings."""
        self._idle.clear()
        self._version += 1

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
            messages = queue.receive(most, self.weather.twice, self.weather.spread)
            if messages and not world.happens(self.weather.not_started):
                self._invoke(messages)
            self.running -= 1

    def _invoke(self, messages: list[Message]) -> None:
        world = self._world
        self.invocations += 1
        for listener in self.delivering:
            listener(messages)
        seconds = world.rng.uniform(1, 40) if world.happens(self.weather.short) else self._deployment.timeout
        container, version = self._container(), self._version
        invocation = Invocation(world, self._aws, container, messages, world.now + seconds)
        run = _Run(world, self._handle, invocation)
        context = Context(world, seconds, f"request-{self.invocations}", self._step(seconds))
        name = f"invocation {self.invocations}"
        world.note(f"{name} of {[f'{m.id}/{m.received}' for m in messages[:9]]}, {seconds:.0f} s")
        begun = world.now
        failed = run.play(container, context, messages, self._left(seconds), name)
        for leave in self.leaving if failed is None else ():
            leave(invocation.accepted)
        if failed is not None and world.happens(self.weather.cut):
            world.note(f"{name} is killed before it answers")
            failed = None
            for cut in self.cutting:
                cut(begun)
        if failed is None or version != self._version or self._is_cold():
            world.kill(container.process.tasks)
        else:
            container.process.frozen = True
            self._idle.append(container)
        done = [] if failed is None else [message.id for message in messages if message.id not in failed]
        for id_ in done:
            self._queue.delete(id_)

    def _container(self) -> Container:
        if not self._idle:
            return Container(self._world, self._aws, lambda: self.weather)
        container = self._idle.pop()
        self._world.thaw(container.process)
        return container

    def _is_cold(self) -> bool:
        return self.weather.cold >= 1 or self._world.happens(self.weather.cold)

    def _left(self, seconds: float) -> float:
        """Return the seconds after which the invocation is cut off."""
        rng = self._world.rng
        if self._world.happens(self.weather.crash):
            return min(seconds, rng.choice([0.3, 1.0, 5.0, 30.0]) * rng.random())
        return seconds

    def _step(self, seconds: float) -> tuple[float, float]:
        """Return when the clock steps, and by how many seconds: forth, so that fewer seems left, or back."""
        rng = self._world.rng
        if not self._world.happens(self.weather.stepped):
            return inf, 0.0
        step = rng.choice([-1, 1]) * rng.choice([2.0, 20.0, 3_600.0])
        return self._world.now + seconds * rng.random(), step


class _Run:
    """The play of one invocation in its container."""

    def __init__(self, world: World, handle: Handler, invocation: Invocation) -> None:
        self._world, self._handle, self._invocation = world, handle, invocation

    def play(
        self, container: Container, context: Context, messages: list[Message], left: float, name: str
    ) -> set[str] | None:
        """Return the messages that the handler reports as failed; None if it was cut off after ``left`` seconds."""
        world, over, event = self._world, Signal(), {"Records": [_record(message) for message in messages]}
        answer: list[dict[str, Any]] = []

        def is_misled() -> bool:
            # By a step of the clock, it seemed to be over long before.
            return context.step[1] < 0 and world.now >= context.step[0]

        def run() -> None:
            try:
                answer.append(self._handle(event, context, self._invocation.edge))
            except Exception as error:
                # An event of SQS is always answered: an error would deliver all its messages again.
                raise AssertionError(f"{name} failed: {error!r:.300}") from error
            if not is_misled():
                self._invocation.check_end()
            over.fire()

        task, seconds = world.spawn(run, container.process), context.deadline - world.now
        world.sleep(left, over)
        if not task.dead:
            world.note(f"{name} is cut off")
            assert left < seconds, f"{name} did not end in {seconds} seconds"
            return None
        failed = {item["itemIdentifier"] for item in answer[0]["batchItemFailures"]}
        if not is_misled():
            self._invocation.check_failed(failed)
        world.note(f"{name} done, {len(failed)} of {len(messages)} messages failed")
        return failed


def _record(message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.received)},
        "eventSource": "aws:sqs",
    }
