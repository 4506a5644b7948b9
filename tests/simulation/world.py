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
    """An event that tasks can wait for."""

    def __init__(self) -> None:
        self.waiting: list[Action] = []

    def fire(self) -> None:
        """Wake all tasks that wait."""
        woken, self.waiting = self.waiting, []
        for wake in woken:
            wake()


class Process:
    """Tasks that stand still together while their process is frozen."""

    def __init__(self) -> None:
        self.tasks: list[greenlet] = []
        self.frozen = False
        self.missed: list[Action] = []

    def run(self, action: Action) -> None:
        """Run an action of a task, or keep it until the process goes on."""
        if self.frozen:
            self.missed.append(action)
        else:
            action()


class World:
    """A clock in seconds, a timetable, and a source of chance."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.rng = Random(seed)  # noqa: S311 it has to be the same again
        self.trace: deque[str] = deque(maxlen=4_000)
        self._order = count()
        self._due: list[tuple[float, int, Action]] = []
        self._hub = getcurrent()
        self._tasks: list[greenlet] = []
        self._processes: dict[greenlet, Process] = {}

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now:9.2f} {text}")

    def happens(self, probability: float) -> bool:
        """Return true with this probability."""
        return probability > 0 and self.rng.random() < probability

    def after(self, seconds: float, action: Action) -> None:
        """Schedule an action."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), action))

    def spawn(self, run: Action, process: Process | None = None) -> greenlet:
        """Return a new task, perhaps of a process, which begins when its turn comes."""
        task = greenlet(run, self._hub)
        self._tasks.append(task)
        if process:
            self._processes[task] = process
            process.tasks = [one for one in process.tasks if not one.dead] + [task]
            self.after(0.0, partial(process.run, task.switch))
        else:
            self.after(0.0, task.switch)
        return task

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on: what its tasks waited for has come meanwhile."""
        missed, process.missed, process.frozen = process.missed, [], False
        for action in missed:
            self.after(0.0, partial(process.run, action))

    def sleep(self, seconds: float, signal: Signal | None = None) -> None:
        """Let time pass for the calling task, at most until the signal fires."""
        task, slept = getcurrent(), False
        process = self._processes.get(task)

        def wake() -> None:
            nonlocal slept
            # The clock and the signal may both wake the task: only the first does, and none if the task has ended.
            if not slept and not task.dead:
                if process and process.frozen:
                    process.missed.append(wake)
                    return
                slept = True
                task.switch()

        if signal:
            signal.waiting.append(lambda: self.after(0.0, wake))
        if seconds < inf:
            self.after(seconds, wake)
        self._hub.switch()

    def kill(self, tasks: list[greenlet]) -> None:
        """End tasks where they are."""
        for task in tasks:
            # Switched from the hub, to which a task returns when it ends.
            self.after(0.0, partial(_end, task))
        self.sleep(0.0)

    def close(self) -> None:
        """End all tasks. Each of them would keep the world in memory."""
        for task in self._tasks:
            _end(task)

    def run(self, until: float) -> None:
        """Run all actions that are due until then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heapq.heappop(self._due)
            action()


def _end(task: greenlet) -> None:
    if not task.dead:
        task.throw(GreenletExit)
