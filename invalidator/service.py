"""Carry out a plan: try every batch, whatever happens to the others."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from invalidator.errors import CdnError, OutOfTimeError, ThrottledError, UnavailableError
from invalidator.limits import SECONDS_PER_CALL
from invalidator.model import Batch, Outcome, Plan

_SECONDS_TO_ANSWER: Final = 1.0
"""Kept back from the end of an invocation to report what was done."""

_MAX_PAUSE_SECONDS: Final = 20.0
_MAX_ATTEMPTS: Final = 8
"""After these a batch is given back to whoever sent the event: a minute and a half of pauses."""


class Cdn(Protocol):
    """What accepts batches."""

    @property
    def longest_call(self) -> float:
        """Seconds after which a call ends at the latest, whatever the network does."""

    def create_invalidation(self, batch: Batch) -> str:
        """Return the id of the accepted invalidation, the same id for the same batch; raise CdnError."""


def carry_out(
    plan: Plan,
    cdn: Cdn,
    time_left: Callable[[], float],
    *,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> Iterator[Outcome]:
    """Yield the outcome of each batch as soon as it is certain: accepted, refused, or given up.

    What was throttled or went without an answer is sent again after a pause, with the same caller
    reference, as long as ``time_left()`` (seconds) allows the pause and the call after it. ``chance`` gives a
    number from 0 to 1.
    """
    waiting = deque(_Waiting(batch) for batch in plan.batches)
    while waiting:
        batch, attempts, last = waiting.popleft()
        if last is not None and time_left() <= cdn.longest_call + _SECONDS_TO_ANSWER:
            yield last
            continue
        outcome, attempts = _try(batch, cdn, time_left), attempts + 1
        throttled = isinstance(outcome.error, ThrottledError)
        if not throttled and not isinstance(outcome.error, UnavailableError):
            yield outcome
            continue
        pause = min(SECONDS_PER_CALL * 2 ** (attempts - 1), _MAX_PAUSE_SECONDS) * (1 + chance()) / 2
        if attempts == _MAX_ATTEMPTS or time_left() <= pause + cdn.longest_call + _SECONDS_TO_ANSWER:
            yield outcome
            continue
        # A throttled account would refuse the next batch as well; any other fault is this batch's own, and
        # does not hold up those that were not tried yet.
        all_tried = not waiting or waiting[0].last is not None
        if throttled or all_tried:
            sleep(pause)
        waiting.append(_Waiting(batch, attempts, outcome))


class _Waiting(NamedTuple):
    batch: Batch
    attempts: int = 0
    last: Outcome | None = None


def _try(batch: Batch, cdn: Cdn, time_left: Callable[[], float]) -> Outcome:
    try:
        if time_left() <= _SECONDS_TO_ANSWER:
            raise OutOfTimeError("not sent: the invocation is about to end; give the function more time")
        return Outcome(batch, invalidation=cdn.create_invalidation(batch))
    except CdnError as error:
        return Outcome(batch, error=error)
