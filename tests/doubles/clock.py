"""Time without waiting: a clock that is moved, calls that overlap on it, and invocations that run on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from invalidator.model import Batch, Outcome
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext


class Clock:
    """The seconds of an invocation. Nobody waits for them to pass: the tests move the clock."""

    def __init__(self, limit: float = 120.0) -> None:
        self.limit, self.now = limit, 0.0

    @property
    def left(self) -> float:
        return self.limit - self.now


class Calls:
    """Workers on the clock. Calls overlap, and ``takes`` gives the seconds of each.

    A call reaches CloudFront when it begins. Any other call takes ``describing`` seconds. ``pauses`` are the waits
    while no call was running, ``most`` is the largest number of calls at the same time.
    """

    def __init__(self, clock: Clock, takes: Callable[[Batch], float] = lambda _: 0.0, describing: float = 0.0) -> None:
        self._clock, self._takes, self._describing = clock, takes, describing
        self._running: list[tuple[float, int, Any]] = []
        self._numbers = count()
        self.pauses: list[float] = []
        self.most = 0

    def start(self, call: Callable[[], Any]) -> None:
        outcome = call()
        seconds = self._takes(outcome.batch) if isinstance(outcome, Outcome) else self._describing
        heappush(self._running, (self._clock.now + seconds, next(self._numbers), outcome))
        self.most = max(self.most, len(self._running))

    def wait(self, seconds: float) -> Any:
        until = self._clock.now + max(seconds, 0.0)
        if self._running and self._running[0][0] <= until:
            end, _, outcome = heappop(self._running)
            self._clock.now = max(self._clock.now, end)
            return outcome
        if not self._running:
            self.pauses.append(seconds)
        self._clock.now = until
        return None


@dataclass(frozen=True)
class OnClock(LocalContext):
    """The context of an invocation on a clock."""

    clock: Clock = field(default_factory=Clock)

    def get_remaining_time_in_millis(self) -> int:
        return int(self.clock.left * 1000)


def on(clock: Clock, **others: Any) -> Clients:
    """Return clients whose time is that of a clock."""
    return Clients(**({"monotonic": lambda: clock.now, "workers": lambda: Calls(clock)} | others))


def hurried() -> tuple[OnClock, Clients]:
    """Return the context and the clients of an invocation that has time for calls, but not for pauses."""
    clock = Clock(limit=1.5)
    return OnClock(clock=clock), on(clock)
