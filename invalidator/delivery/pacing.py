"""The times at which calls may be made: by the rate of the account, by what is in progress, and after failures. Pure.

Times are in seconds since the invocation began.
"""

from dataclasses import dataclass, field
from typing import Final

from invalidator.errors import PASSING, CdnError, InProgressError, InvalidPathError
from invalidator.events.tickets import MAX_INVOCATIONS
from invalidator.limits import (
    MAX_DELAY_SECONDS,
    MAX_ITEMS_PER_CALL,
    MAX_WILDCARDS_PER_CALL,
    SECONDS_PER_CALL,
    SECONDS_TO_COMPLETE,
)
from invalidator.model import Batch

MAX_CALLS: Final = 8
"""Most calls for a batch in one invocation. After a minute or two of pauses it is given up for this invocation."""

_MAX_INVOCATIONS_REFUSED: Final = 5
"""Most invocations for a batch if a person has to fix the error: seven and a half minutes.

For an error that passes, they are MAX_INVOCATIONS: an hour and a quarter.
"""

_MAX_PAUSE_SECONDS: Final = 20.0
"""Longest pause before a call that was throttled or got no answer is made again."""

_FIRST_DELAY_SECONDS: Final = 30
"""About the time that CloudFront takes to complete an invalidation."""

_SECONDS_UNTIL_ROOM: Final = 30.0
"""Pause of a distribution that has too much in progress: a little longer than most invalidations take."""


@dataclass(slots=True)
class Pace:
    """The account's rate of calls: without limit until a call is throttled, and then the rate that gets through."""

    interval: float = 0.0
    due: float = 0.0
    _changed: float = 0.0

    def start(self, now: float) -> None:
        """Note that a call is made."""
        self.due = now + self.interval

    def let_through(self) -> None:
        """Note that a call was not throttled: the next ones may follow sooner."""
        self.interval *= 0.9

    def throttle(self, started: float, now: float, chance: float) -> None:
        """Note that a call that was started at ``started`` was throttled: the next ones wait longer."""
        # Of calls that were made at the same time, the first to be refused has said all there is to say.
        if started >= self._changed:
            self.interval = min(max(self.interval * 1.5, SECONDS_PER_CALL), _MAX_PAUSE_SECONDS)
            self._changed = now
        self.due = now + _spread(self.interval, chance)


@dataclass(slots=True)
class Room:
    """The invalidations in progress on one distribution, as far as this invocation knows."""

    # Nothing may be sent before this time, because CloudFront said that too much is in progress.
    _held: float = 0.0
    # Accepted batches: until when each is in progress, its plain items, its wildcards.
    _accepted: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def has_accepted(self) -> bool:
        """True if it accepted anything in this invocation."""
        return bool(self._accepted)

    def accept(self, batch: Batch, now: float) -> None:
        """Note that a batch was accepted."""
        self._accepted.append((now + SECONDS_TO_COMPLETE, len(batch.items) - batch.wildcards, batch.wildcards))

    def refuse(self, now: float) -> None:
        """Note that CloudFront says that too much is in progress."""
        self._held = now + _SECONDS_UNTIL_ROOM

    def free_at(self, batch: Batch) -> float:
        """Return the time at which there is room for a batch."""
        wildcards = batch.wildcards
        plain = len(batch.items) - wildcards
        for until, earlier_plain, earlier_wildcards in reversed(self._accepted):
            plain, wildcards = plain + earlier_plain, wildcards + earlier_wildcards
            if plain > MAX_ITEMS_PER_CALL or wildcards > MAX_WILDCARDS_PER_CALL:
                return max(self._held, until)
        return self._held


def pause(calls: int, chance: float) -> float:
    """Return the seconds until a call that got no answer is made again, after so many calls."""
    return _spread(_doubled(SECONDS_PER_CALL, calls, _MAX_PAUSE_SECONDS), chance)


def delay(invocations: int) -> int:
    """Return the seconds until a ticket is tried again, after so many invocations that failed."""
    return int(_doubled(_FIRST_DELAY_SECONDS, invocations, MAX_DELAY_SECONDS))


def is_hopeless(invocations: int, error: CdnError) -> bool:
    """Return True if another invocation is useless until a person has fixed something."""
    if isinstance(error, InvalidPathError):
        return True
    if isinstance(error, InProgressError):
        return False  # invalidations in progress complete; an alarm tells of a distribution that stays full
    return invocations >= (MAX_INVOCATIONS if isinstance(error, PASSING) else _MAX_INVOCATIONS_REFUSED)


def _doubled(first: float, failures: int, most: float) -> float:
    """Return the seconds after so many failures: twice as many after each."""
    return min(first * 2.0 ** max(failures - 1, 0), most)


def _spread(seconds: float, chance: float) -> float:
    """Make half of a pause a matter of chance, so that functions do not march in step."""
    return seconds * (1 + chance) / 2
