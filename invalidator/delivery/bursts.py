"""When changes wait for the rest of their burst, and when all that waits goes. Pure.

Times are in seconds since 1970, by the clocks of the function's processes. These share no memory: what one knows of a
burst, another learns from the tickets in which the changes wait. The numbers were chosen by simulation:
benchmarks/deployment.md.
"""

from collections import deque
from enum import Enum, auto
from math import ceil, inf
from typing import Final, NamedTuple

SLOT_SECONDS: Final = 5
"""What waits is delivered again at multiples of so many seconds, so that all of it meets."""

MANY: Final = 10
"""So many new changes begin a burst, if a process receives them within _RECENT_SECONDS."""

_RECENT_SECONDS: Final = 20.0

_GOING_ON: Final = 3
"""So many new changes in one event show that a burst goes on. A lone upload now and then does not."""

_QUIET_SECONDS: Final = 6.0
"""After so many seconds a burst is over: longer than a slot, so that what waits has met, and made few messages."""

_CHEAP_SECONDS: Final = 60.0
"""After so many seconds, what waits goes if that is cheap."""

_ASKING_SLOTS: Final = 4
"""Every so many slots it is asked whether that is cheap: it takes a plan."""

MOST_USD: Final = 0.50
"""Sending is cheap up to this price."""


class Burst(NamedTuple):
    """The times at which the first change of a burst was received, and at which the burst last went on."""

    since: float
    going_on: float


class Wait(NamedTuple):
    """The seconds that a change waits: at least, because the month's budget runs out, and at most for its burst."""

    least: float
    most: float


class Verdict(Enum):
    """The end of new changes, and of those that have waited: they go, or wait for the next slot."""

    SEND = auto()
    HOLD = auto()
    HOLD_IF_DEAR = auto()


class Arrivals:
    """The changes that one process has received lately."""

    def __init__(self) -> None:
        self._counts = deque[tuple[float, int]]()
        self._begun, self.going_on = inf, -inf

    def take(self, new: int, now: float) -> None:
        """Note that so many new changes are received."""
        # A clock that was set back makes what was received seem to be still to come.
        while self._counts and not now - _RECENT_SECONDS < self._counts[0][0] <= now:
            self._counts.popleft()
        if new:
            self._counts.append((now, new))
        self.going_on = now if new >= _GOING_ON else min(self.going_on, now)
        self._begun = min(self._begun, now)

    @property
    def are_many(self) -> bool:
        """True if they make a burst."""
        return sum(count for _, count in self._counts) >= MANY

    def patience(self, now: float) -> float:
        """Return the seconds without a sign of a burst after which it is over.

        A process that has just begun has seen nothing of it yet, and gives it twice as long.
        """
        return _QUIET_SECONDS * (2 if now - self._begun < _QUIET_SECONDS else 1)


def joined(waiting: list[Burst], arrivals: Arrivals, now: float) -> Burst:
    """Return what is known of the burst that new changes and those that have waited belong to.

    A time after ``now``, by the clock of another process, is taken for ``now``: nothing waits for a clock.
    """
    since = min((min(burst.since, now) for burst in waiting), default=now)
    return Burst(since, min(max([since, arrivals.going_on, *(burst.going_on for burst in waiting)]), now))


def verdict_on(burst: Burst, arrivals: Arrivals, now: float, wait: Wait, *, has_waited: bool) -> Verdict:
    """Return what to do with the changes of a burst. ``has_waited`` says that some of them have waited already."""
    age = now - burst.since
    if age < wait.least:
        return Verdict.HOLD
    if not has_waited:
        return Verdict.HOLD if wait.most and arrivals.are_many else Verdict.SEND
    if age >= wait.most or now - burst.going_on >= arrivals.patience(now):
        return Verdict.SEND
    # What waits is delivered once in each slot, though some seconds after it began.
    slots = int(now // SLOT_SECONDS) - ceil((burst.since + _CHEAP_SECONDS) / SLOT_SECONDS)
    if slots >= 0 and slots % _ASKING_SLOTS == 0:
        return Verdict.HOLD_IF_DEAR
    return Verdict.HOLD


def seconds_to_slot(now: float, slot: int = SLOT_SECONDS) -> int:
    """Return the seconds until the next multiple of a slot; at least one."""
    return slot - int(now) % slot
