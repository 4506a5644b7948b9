"""Carry out a plan: try every batch, whatever happens to the others."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

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
    reference, until ``time_left()`` (seconds) would not allow it. ``chance`` gives a number from 0 to 1.
    """
    waiting = deque((batch, 1) for batch in plan.batches)
    while waiting:
        batch, attempt = waiting.popleft()
        outcome = _try(batch, cdn, time_left)
        if not isinstance(outcome.error, ThrottledError | UnavailableError):
            yield outcome
            continue
        pause = min(SECONDS_PER_CALL * 2 ** (attempt - 1), _MAX_PAUSE_SECONDS) * (1 + chance()) / 2
        if attempt == _MAX_ATTEMPTS or time_left() <= pause + _SECONDS_TO_ANSWER:
            yield outcome
            continue
        # A throttled account would refuse the next batch as well; any other fault is this batch's own, and
        # does not hold up those that were not tried yet.
        if isinstance(outcome.error, ThrottledError) or not waiting or waiting[0][1] > 1:
            sleep(pause)
        waiting.append((batch, attempt + 1))


def _try(batch: Batch, cdn: Cdn, time_left: Callable[[], float]) -> Outcome:
    try:
        if time_left() <= _SECONDS_TO_ANSWER:
            raise OutOfTimeError("not sent: the invocation is about to end; give the function more time")
        return Outcome(batch, invalidation=cdn.create_invalidation(batch))
    except CdnError as error:
        return Outcome(batch, error=error)
