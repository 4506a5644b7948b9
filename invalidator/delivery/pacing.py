"""When a call may be made: the rate of the account, and what a distribution has in progress. Pure.

Times are in seconds since the invocation began.
"""

from dataclasses import dataclass, field
from typing import Final

from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL, SECONDS_PER_CALL, SECONDS_TO_COMPLETE
from invalidator.model import Batch

MAX_PAUSE_SECONDS: Final = 20.0
"""Longest pause before a call that was throttled or went without an answer is made again."""

_SECONDS_UNTIL_ROOM: Final = 30.0
"""Pause of a distribution that has too much in progress: a little more than most of it takes."""


@dataclass(slots=True)
class Pace:
    """The rate of calls, which is the account's: any at first, and once it is throttled, what it lets through."""

    interval: float = 0.0
    due: float = 0.0
    _changed: float = 0.0

    def start(self, now: float) -> None:
        """A call is made."""
        self.due = now + self.interval

    def let_through(self) -> None:
        """A call was not throttled."""
        self.interval *= 0.9

    def throttle(self, started: float, now: float, chance: float) -> None:
        """A call that was started then was throttled."""
        # Of calls that were made at the same time, the first to be refused has said all there is to say.
        if started >= self._changed:
            self.interval = min(max(self.interval * 1.5, SECONDS_PER_CALL), MAX_PAUSE_SECONDS)
            self._changed = now
        # Half of it by chance, so that functions do not march in step.
        self.due = now + self.interval * (1 + chance) / 2


@dataclass(slots=True)
class Room:
    """What one distribution has in progress, as far as this invocation knows."""

    # Before this nothing may be sent, since CloudFront said that it is too much.
    _held: float = 0.0
    # What it accepted: until when that is in progress, plain items, wildcards.
    _accepted: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def has_accepted(self) -> bool:
        """Whether it accepted anything in this invocation."""
        return bool(self._accepted)

    def accept(self, batch: Batch, now: float) -> None:
        """Count what was accepted."""
        wildcards = sum(item.is_wildcard for item in batch.items)
        self._accepted.append((now + SECONDS_TO_COMPLETE, len(batch.items) - wildcards, wildcards))

    def refuse(self, now: float) -> None:
        """CloudFront says that too much is in progress."""
        self._held = now + _SECONDS_UNTIL_ROOM

    def free_at(self, batch: Batch) -> float:
        """When there is room for the batch."""
        wildcards = sum(item.is_wildcard for item in batch.items)
        plain = len(batch.items) - wildcards
        for until, earlier_plain, earlier_wildcards in reversed(self._accepted):
            plain, wildcards = plain + earlier_plain, wildcards + earlier_wildcards
            if plain > MAX_ITEMS_PER_CALL or wildcards > MAX_WILDCARDS_PER_CALL:
                return max(self._held, until)
        return self._held
