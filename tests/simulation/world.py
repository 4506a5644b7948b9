"""Virtual time, and tasks that take turns in it."""

import heapq
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from math import inf
from random import Random

from greenlet import GreenletExit, getcurrent, greenlet

Action = Callable[[], object]

BEGINNING = datetime(2026, 11, 20, tzinfo=UTC)
"""When the clock of a world is at zero."""


class Signal:
    """Something to wait for. Whoever waits is woken when it fires."""

    def __init__(self) -> None:
        self.waiting: list[Action] = []

    def fire(self) -> None:
        """Wake all that wait."""
        woken, self.waiting = self.waiting, []
        for wake in woken:
            wake()


class World:
    """A clock in seconds, what is to happen when, and a source of chance."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.rng = Random(seed)  # noqa: S311 it has to be the same again
        self.trace: deque[str] = deque(maxlen=4_000)
        self._order = count()
        self._due: list[tuple[float, int, Action]] = []
        self._hub = getcurrent()
        self._tasks: list[greenlet] = []

    def note(self, text: str) -> None:
        """A line for whoever has to understand what went wrong."""
        self.trace.append(f"{self.now:9.2f} {text}")

    def happens(self, probability: float) -> bool:
        """Whether something of that probability happens now."""
        return probability > 0 and self.rng.random() < probability

    def after(self, seconds: float, action: Action) -> None:
        """Have something happen later."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), action))

    def spawn(self, run: Action) -> greenlet:
        """A task, which begins when its turn comes."""
        task = greenlet(run, self._hub)
        self._tasks.append(task)
        self.after(0.0, task.switch)
        return task

    def sleep(self, seconds: float, signal: Signal | None = None) -> None:
        """Let time pass for the task that calls this, or less if the signal fires."""
        task, slept = getcurrent(), False

        def wake() -> None:
            nonlocal slept
            # Of the clock and the signal, the first; and nobody wakes the dead.
            if not slept and not task.dead:
                slept = True
                task.switch()

        if signal:
            signal.waiting.append(lambda: self.after(0.0, wake))
        if seconds < inf:
            self.after(seconds, wake)
        self._hub.switch()

    def kill(self, tasks: list[greenlet]) -> None:
        """End tasks where they stand."""
        for task in tasks:
            # From the hub, to which a task returns at its end.
            self.after(0.0, partial(_end, task))
        self.sleep(0.0)

    def close(self) -> None:
        """End all tasks, each of which would keep the world in memory."""
        for task in self._tasks:
            _end(task)

    def run(self, until: float) -> None:
        """Let everything happen that is due until then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heapq.heappop(self._due)
            action()


def _end(task: greenlet) -> None:
    if not task.dead:
        task.throw(GreenletExit)
