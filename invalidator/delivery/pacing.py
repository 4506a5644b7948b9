"""The times at which calls may be made: by the rate of the account, by what is in progress, and after failures. Pure.

Times are in seconds since the invocation began.
"""

from dataclasses import dataclass, field
from typing import Final

from invalidator.delivery import bursts
from invalidator.errors import PASSING, CdnError, InProgressError, InvalidPathError, OutOfTimeError
from invalidator.events.tickets import MAX_CROWDED, MAX_INVOCATIONS
from invalidator.limits import (
    CALLS_AT_ONCE,
    MAX_DELAY_SECONDS,
    MAX_ITEMS_PER_CALL,
    MAX_WILDCARDS_PER_CALL,
    SECONDS_PER_CALL,
    SECONDS_TO_COMPLETE,
)
from invalidator.model import Batch, HeldChanges

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

_MAX_CROWDED_DELAY_SECONDS: Final = 120
"""About the longest delay of a ticket whose distribution is full: room that is free does not stay free for long."""

_SECONDS_UNTIL_ROOM: Final = 30.0
"""Pause of a distribution that has too much in progress: a little longer than most invalidations take."""


@dataclass(slots=True)
class Pace:
    """The account's rate of calls: some at once, then one each ``interval``, which is learnt from what gets through."""

    interval: float = SECONDS_PER_CALL
    due: float = 0.0
    # The calls that can be made at once, as of a time: each interval adds one.
    _at_once: float = CALLS_AT_ONCE
    _as_of: float = 0.0
    _changed: float = -1.0

    def start(self, now: float) -> None:
        """Note that a call is made."""
        at_once = min(self._at_once + (now - self._as_of) / self.interval, CALLS_AT_ONCE)
        self._at_once, self._as_of = max(at_once - 1, 0.0), now
        self.due = now + max(1 - self._at_once, 0.0) * self.interval

    def let_through(self) -> None:
        """Note that a call was not throttled: the next ones may follow sooner."""
        self.interval *= 0.95

    def throttle(self, started: float, now: float, chance: float) -> None:
        """Note that a call that was started at ``started`` was throttled: the next ones wait longer."""
        # Of calls that were made at the same time, the first to be refused has said all there is to say.
        if started > self._changed:
            slower = 1.0 if self._changed < 0 else 1.5  # at first, the burst of the account may be used up already
            self.interval = min(max(self.interval * slower, SECONDS_PER_CALL), _MAX_PAUSE_SECONDS)
            self._changed = now
        self._at_once, self._as_of = 0.0, now
        self.due = now + _spread(self.interval, chance)


@dataclass(slots=True)
class Room:
    """The invalidations in progress on one distribution, as far as this invocation knows.

    Plain items and wildcards have quotas of their own: a pair has a number for each of these two kinds, in this order.
    """

    # No call is made with a kind before this time, because CloudFront said that too much is in progress.
    _held: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _refused: set[int] = field(default_factory=set)
    _taken: set[int] = field(default_factory=set)
    # Accepted batches that are in progress: until when, and how many items of each kind.
    _accepted: list[tuple[float, tuple[int, int]]] = field(default_factory=list)

    def is_full(self, batch: Batch) -> bool:
        """Return True if CloudFront refused a kind of items in the batch, and accepted none of that kind."""
        return any(kind in self._refused and kind not in self._taken for kind in _kinds(_counts(batch)))

    def accept(self, batch: Batch, now: float) -> None:
        """Note that a batch was accepted."""
        in_progress = [entry for entry in self._accepted if entry[0] > now]
        counts = _counts(batch)
        self._accepted = [*in_progress, (now + SECONDS_TO_COMPLETE, counts)]
        self._taken.update(_kinds(counts))

    def refuse(self, batch: Batch, now: float) -> None:
        """Note that CloudFront says that too much is in progress for a batch.

        A batch of both kinds does not show which of them is to blame. It holds up the scarcer one, the wildcards:
        then a batch of plain items tells about the other.
        """
        kinds = _kinds(_counts(batch))
        self._held[kinds[-1]] = now + _SECONDS_UNTIL_ROOM
        self._refused.update(kinds)

    def free_at(self, batch: Batch) -> float:
        """Return the time at which there is room for a batch."""
        plain, wildcards = counts = _counts(batch)
        held = max(self._held[kind] for kind in _kinds(counts))
        for until, (earlier_plain, earlier_wildcards) in reversed(self._accepted):
            plain, wildcards = plain + earlier_plain, wildcards + earlier_wildcards
            if plain > MAX_ITEMS_PER_CALL or wildcards > MAX_WILDCARDS_PER_CALL:
                return max(held, until)
        return held


def _counts(batch: Batch) -> tuple[int, int]:
    wildcards = batch.wildcards
    return len(batch.items) - wildcards, wildcards


def _kinds(counts: tuple[int, int]) -> list[int]:
    return [kind for kind, count in enumerate(counts) if count]


def pause(calls: int, chance: float) -> float:
    """Return the seconds until a call that got no answer is made again, after so many calls."""
    return _spread(_doubled(SECONDS_PER_CALL, calls, _MAX_PAUSE_SECONDS), chance)


def delay(waiting: Batch | HeldChanges, error: CdnError) -> int:
    """Return the seconds until a ticket is tried again, after the invocations that failed."""
    if isinstance(error, InProgressError) and isinstance(waiting, Batch):
        return int(_doubled(_FIRST_DELAY_SECONDS, waiting.crowded, _MAX_CROWDED_DELAY_SECONDS))
    return int(_doubled(_FIRST_DELAY_SECONDS, waiting.attempts, MAX_DELAY_SECONDS))


def seconds_to_repeat(batch: Batch, seconds: int) -> int:
    """Return the seconds until a batch is sent once more: more than asked for, if both have no room at a time."""
    plain, wildcards = _counts(batch)
    has_room = 2 * plain <= MAX_ITEMS_PER_CALL and 2 * wildcards <= MAX_WILDCARDS_PER_CALL
    return seconds if has_room else max(seconds, int(_SECONDS_UNTIL_ROOM))


def meeting(seconds: int, now: float) -> int:
    """Return a delay of about so many seconds, at whose end what waits so long meets. ``now`` is in seconds since 1970.

    Copies of a ticket, of which a queue that fails may make many, become one there.
    """
    half = seconds // 2
    return half + bursts.seconds_to_slot(now + half, seconds)


def is_hopeless(waiting: Batch | HeldChanges, error: CdnError) -> bool:
    """Return True if another invocation is useless until a person has fixed something.

    For a distribution that stays full that is after 32 invocations, an hour: 30 + 60 + 29 x 120 = 3,570 seconds.
    """
    if isinstance(error, InvalidPathError):
        return True
    if isinstance(error, InProgressError) and isinstance(waiting, Batch):
        return waiting.crowded >= MAX_CROWDED
    if isinstance(error, OutOfTimeError) and isinstance(waiting, HeldChanges):
        return False  # nobody was asked about its distribution yet, only about others
    return waiting.attempts >= (MAX_INVOCATIONS if isinstance(error, PASSING) else _MAX_INVOCATIONS_REFUSED)


def _doubled(first: float, failures: int, most: float) -> float:
    """Return the seconds after so many failures: twice as many after each."""
    return min(first * 2.0 ** max(failures - 1, 0), most)


def _spread(seconds: float, chance: float) -> float:
    """Make half of a pause a matter of chance, so that functions do not march in step."""
    return seconds * (1 + chance) / 2
