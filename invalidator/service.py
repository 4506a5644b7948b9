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
    """Yield the outcome of each batch as soon as it is final: accepted, refused, or given up.

    What was throttled or went without an answer is sent again after a pause, with the same caller
    reference, as long as ``time_left()`` (seconds) allows the pause and the call after it. ``chance`` gives a
    number from 0 to 1.
    """
    reserve = _reserve(cdn.longest_call, time_left())
    waiting = deque(_Waiting(batch) for batch in plan.batches)
    # Seconds of pauses so far, and how many of these have to pass before the next call of whatever batch.
    slept = held = 0.0
    while waiting:
        batch, attempts, due, last = waiting.popleft()
        pause = max(due, held) - slept
        if pause > 0 and time_left() > pause + reserve:
            sleep(pause)
            slept += pause
        elif last is not None and (pause > 0 or time_left() <= reserve):
            yield last
            continue
        outcome = _try(batch, cdn, enough_time=time_left() > reserve)
        throttled = isinstance(outcome.error, ThrottledError)
        attempts += 1
        if attempts < _MAX_ATTEMPTS and (throttled or isinstance(outcome.error, UnavailableError)):
            due = slept + _pause(attempts, chance())
            # A throttled account would refuse every other batch as well; any other fault is this batch's own.
            held = due if throttled else held
            waiting.append(_Waiting(batch, attempts, due, outcome))
        else:
            yield outcome


class _Waiting(NamedTuple):
    batch: Batch
    attempts: int = 0
    due: float = 0.0
    last: Outcome | None = None


def _reserve(longest_call: float, time_left: float) -> float:
    """Seconds that have to be left for a call: enough to see its end and to answer.

    In a function that is too short for that, half of its time, so that calls are made at all.
    """
    return max(_SECONDS_TO_ANSWER, min(longest_call + _SECONDS_TO_ANSWER, time_left / 2))


def _pause(attempts: int, chance: float) -> float:
    """Seconds before the next attempt: doubling, and half of it by chance, so that functions do not march in step."""
    return min(SECONDS_PER_CALL * 2.0 ** (attempts - 1), _MAX_PAUSE_SECONDS) * (1 + chance) / 2


def _try(batch: Batch, cdn: Cdn, *, enough_time: bool) -> Outcome:
    try:
        if not enough_time:
            raise OutOfTimeError("not sent: the invocation is about to end; give the function more time")
        return Outcome(batch, invalidation=cdn.create_invalidation(batch))
    except CdnError as error:
        return Outcome(batch, error=error)
