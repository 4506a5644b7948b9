"""Lambda: pollers that batch messages, and invocations of the real handler, which can crash anywhere."""

from collections.abc import Callable
from math import inf
from typing import Any

from invalidator import handler
from invalidator.aws.sdk import LONGEST_ATTEMPT
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from tests.simulation.cloudfront import PLAIN, WILDCARDS
from tests.simulation.container import Aws, Container, Context
from tests.simulation.messages import ticket_of
from tests.simulation.sqs import Message
from tests.simulation.weather import Deployment, Weather
from tests.simulation.world import Signal, World

Handler = Callable[[object, LocalContext, Clients], dict[str, Any]]

URL = "https://sqs/changes"
DEAD_LETTERS_URL = "https://sqs/dead-letters"


class Invocation:
    """One invocation, and the laws of its calls.

    A call never has more items than a distribution takes at a time. All calls for a distribution together, apart from
    its ``tickets``, are the new work of one plan, which keeps to the allowance; halves and repeated calls contain only
    items of that plan.
    """

    def __init__(self, world: World, aws: Aws, container: Container, messages: list[Message], end: float) -> None:
        self._world, self._allowance, self._exact = world, aws.allowance, aws.sites.exact
        self._served = {*aws.sites.served}
        self._first, self._end, self.stepped = inf, end, False
        self._new: dict[str, set[str]] = {}
        self._oldest: dict[str, float] = {}
        self._left: dict[str, set[str]] = {}
        for message in messages:
            if ticket := ticket_of(message.body):
                for distribution, path in ticket.batch:
                    self._left.setdefault(distribution, set()).add(path)
                    self._oldest[distribution] = min(ticket.since, self._oldest.get(distribution, inf))
        # For each distribution, when its last call began; those to which a call is on its way; and the age of the
        # oldest work of the distribution that was called last for the first time.
        self._begun: dict[str, float] = {}
        self._running: set[str] = set()
        self._turn = -inf
        self._accepted: list[tuple[float, str, int, int]] = []
        # For each distribution the times of refusals for want of room, and the kinds of items: true for wildcards.
        self._refused: dict[str, list[tuple[float, set[bool]]]] = {}
        self.edge = container.clients(self._watch, self._check_begin)

    def _check_begin(self, distribution: str) -> None:
        """Check that a call is for a distribution of ours, whose turn it is."""
        assert distribution in self._served, f"{distribution} is not configured"
        if not self._begun:
            self._first = self._world.now
        if distribution not in self._begun:
            since = self._oldest.get(distribution, inf)
            assert since >= self._turn, f"{distribution} has waited since {since:.0f}, and others came first"
            self._turn = since
        self._begun[distribution] = self._world.now
        self._running.add(distribution)

    def check_end(self) -> None:
        """Check that no call was left behind whose answer could still have come in time."""
        now, seconds = self._world.now, self._end - self._first
        waited = min((now - self._begun[distribution] for distribution in self._running), default=inf)
        # A function too short for the longest call makes calls in the first half of its time.
        fine = waited >= min(LONGEST_ATTEMPT, seconds / 4) - 1.0 or self.stepped
        assert fine, f"a call was left behind after {waited:.1f} seconds"

    def _watch(self, distribution: str, paths: list[str], result: str) -> None:
        now, wildcards = self._world.now, sum(path.endswith("*") for path in paths)
        self._running.discard(distribution)
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
        widened = [path for path in new if path.endswith("*") and (distribution, path) not in self._exact]
        wildcards, allowed = len(widened), self._allowance
        assert wildcards <= allowed.wildcards, f"{wildcards} wildcards, and {allowed}"
        assert not allowed.wildcards or len(new) <= allowed.paths, f"{len(new)} paths, and {allowed}"


class Function:
    """The event source mapping and the function behind it, which must answer in time unless it crashes.

    ``delivering`` is called with the messages of each invocation, ``cutting`` with the time at which one began that was
    killed when all was done.
    """

    def __init__(
        self, world: World, weather: Weather, deployment: Deployment, aws: Aws, handle: Handler = handler.lambda_handler
    ) -> None:
        self._world, self._queue, self._aws = world, aws.queue, aws
        self.weather, self._deployment, self._handle = weather, deployment, handle
        self.delivering: list[Callable[[list[Message]], None]] = []
        self.cutting: list[Callable[[float], None]] = []
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
            messages = queue.receive(most, self.weather.twice)
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
        run = _Run(world, self._handle, Invocation(world, self._aws, container, messages, world.now + seconds))
        context = Context(world, seconds, f"request-{self.invocations}", self._step(seconds))
        name = f"invocation {self.invocations}"
        world.note(f"{name} of {[f'{m.id}/{m.received}' for m in messages[:9]]}, {seconds:.0f} s")
        begun = world.now
        failed = run.play(container, context, messages, self._left(seconds), name)
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
        self._invocation.stepped = context.step[1] > 0

        def run() -> None:
            try:
                answer.append(self._handle(event, context, self._invocation.edge))
            except Exception as error:
                # An event of SQS is always answered: an error would deliver all its messages again.
                raise AssertionError(f"{name} failed: {error!r:.300}") from error
            self._invocation.check_end()
            over.fire()

        task, seconds = world.spawn(run, container.process), context.deadline - world.now
        world.sleep(left, over)
        if not task.dead:
            world.note(f"{name} is cut off")
            # If the clock steps back, the time that is left is not known to anybody.
            assert left < seconds or self._invocation.stepped, f"{name} did not end in {seconds} seconds"
            return None
        failed = {item["itemIdentifier"] for item in answer[0]["batchItemFailures"]}
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
