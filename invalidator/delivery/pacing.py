"""The times at which calls may be made: by the rate of the account, and by what is in progress. Pure.

Times are in seconds since the invocation began.
"""

from dataclasses import dataclass, field
from typing import Final

from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL, SECONDS_PER_CALL, SECONDS_TO_COMPLETE
from invalidator.model import Batch

MAX_PAUSE_SECONDS: Final = 20.0
"""Longest pause before a call that was throttled or got no answer is made again."""

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
            self.interval = min(max(self.interval * 1.5, SECONDS_PER_CALL), MAX_PAUSE_SECONDS)
            self._changed = now
        # Half of it by chance, so that functions do not march in step.
        self.due = now + self.interval * (1 + chance) / 2


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
        wildcards = sum(item.is_wildcard for item in batch.items)
        self._accepted.append((now + SECONDS_TO_COMPLETE, len(batch.items) - wildcards, wildcards))

    def refuse(self, now: float) -> None:
        """Note that CloudFront says that too much is in progress."""
        self._held = now + _SECONDS_UNTIL_ROOM

    def free_at(self, batch: Batch) -> float:
        """Return the time at which there is room for a batch."""
        wildcards = sum(item.is_wildcard for item in batch.items)
        plain = len(batch.items) - wildcards
        for until, earlier_plain, earlier_wildcards in reversed(self._accepted):
            plain, wildcards = plain + earlier_plain, wildcards + earlier_wildcards
            if plain > MAX_ITEMS_PER_CALL or wildcards > MAX_WILDCARDS_PER_CALL:
                return max(self._held, until)
        return self._held
