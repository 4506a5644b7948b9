"""Carry out a plan: try every batch, whatever happens to the others."""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple, Protocol

from invalidator.delivery.pacing import MAX_CALLS, Pace, Room, pause
from invalidator.errors import (
    CdnError,
    InProgressError,
    InvalidPathError,
    OutOfTimeError,
    ReferenceUsedError,
    ThrottledError,
    UnavailableError,
)
from invalidator.model import Batch, DistributionId, Outcome, Plan
from invalidator.planning.batches import with_items, with_next_reference
from invalidator.workers import Workers

_SECONDS_TO_ANSWER: Final = 1.0
"""Kept back at the end of an invocation for its answer."""

_TICK_SECONDS: Final = 0.001
"""The resolution of Lambda's clock."""

_MAX_PARALLEL: Final = 8
_MAX_INVOCATIONS_IN_PROGRESS: Final = 3
"""Most invocations that count for a batch that waits for the invalidations of another one."""


class TimeLeft(NamedTuple):
    """The time for carrying out a plan: ``seconds()`` until the invocation is cut off.

    A batch that would have to wait longer than ``patience`` seconds for its distribution is given up at once.
    ``closing`` seconds are kept back for storing what is left.
    """

    seconds: Callable[[], float]
    patience: float = math.inf
    closing: float = 0.0


class Cdn(Protocol):
    """Accepts batches: CloudFront, or a double of it."""

    @property
    def longest_call(self) -> float:
        """Seconds after which a call ends at the latest, whatever the network does."""

    def create_invalidation(self, batch: Batch) -> str:
        """Return the id of the accepted invalidation, the same id for the same batch; raise CdnError."""


def carry_out(
    plan: Plan, cdn: Cdn, time_left: TimeLeft, workers: Workers[Outcome], chance: Callable[[], float] = random.random
) -> Iterator[Outcome]:
    """Yield the outcome of each batch as soon as it is final: accepted, refused, or given up.

    Distributions are served at the same time, the batches of one distribution in turn. A batch that was throttled or
    got no answer is sent again after a pause, with the same caller reference, if there is time for the pause and the
    call after it. ``chance`` gives a number from 0 to 1.

    A batch with an invalid path is halved until the path is found, so that all others are accepted. The batch of an
    outcome may therefore be a part of one in the plan. It is apart if CloudFront may have accepted it.
    """
    return _Run(plan, cdn, time_left, workers, chance).outcomes()


def in_order(outcomes: Iterable[Outcome], distributions: Iterable[DistributionId]) -> list[Outcome]:
    """Return outcomes in the order of these distributions, others last; those of one distribution by their paths."""
    rank = {id_: number for number, id_ in enumerate(distributions)}

    def key(outcome: Outcome) -> tuple[int, str, str]:
        id_ = outcome.batch.distribution
        return rank.get(id_, len(rank)), id_, outcome.batch.items[0].path

    return sorted(outcomes, key=key)


@dataclass(slots=True)
class _Attempt:
    """A batch on its way: how many calls were made for it in this invocation, and when it is due again."""

    batch: Batch
    calls: int = 0
    due: float = 0.0
    error: CdnError | None = None


@dataclass(slots=True)
class _Lane:
    """One distribution, to which one call is made at a time."""

    room: Room = field(default_factory=Room)
    waiting: list[_Attempt] = field(default_factory=list)
    last_start: float = -1.0

    @property
    def due(self) -> float:
        """The time at which the next batch may be sent to this distribution."""
        head = self.waiting[0]
        return max(head.due, self.room.free_at(head.batch))

    def wait(self, *attempts: _Attempt) -> None:
        """Queue attempts, in front of those that are due later or at the same time."""
        self.waiting = sorted([*attempts, *self.waiting], key=lambda attempt: attempt.due)


class _Run:
    """The state of ``carry_out``. One thread changes it; the others only make calls."""

    def __init__(
        self, plan: Plan, cdn: Cdn, time_left: TimeLeft, workers: Workers[Outcome], chance: Callable[[], float]
    ) -> None:
        self._cdn, self._patience, self._workers, self._chance = cdn, time_left.patience, workers, chance
        self._lanes: dict[DistributionId, _Lane] = {}
        self._running: dict[DistributionId, _Attempt] = {}
        for batch in plan.batches:
            self._lanes.setdefault(batch.distribution, _Lane()).waiting.append(_Attempt(batch))
        left = time_left.seconds()
        self._now: Callable[[], float] = lambda: left - time_left.seconds()
        closing = min(time_left.closing + _SECONDS_TO_ANSWER, max(left / 4, _SECONDS_TO_ANSWER))
        # No call starts later than would let it end before the closing. A function too short for that makes calls in
        # the first half of its time.
        reserve = max(_SECONDS_TO_ANSWER, min(cdn.longest_call + closing, left / 2))
        self._last_start, self._end = left - reserve, left - closing
        self._pace = Pace()
        self._answered = False

    def outcomes(self) -> Iterator[Outcome]:
        while True:
            yield from self._give_up()
            self._start()
            if self._running and self._now() + _TICK_SECONDS >= self._end:
                yield self._unanswered()
            elif self._running or self._waiting():
                ended = self._workers.wait(self._next() - self._now())
                if ended is not None:
                    yield from self._settle(ended)
            else:
                return

    def _waiting(self) -> list[_Lane]:
        return [lane for id_, lane in self._lanes.items() if lane.waiting and id_ not in self._running]

    def _next(self) -> float:
        """Return the time of the next step, unless a call ends before."""
        dues = [max(lane.due, self._pace.due) for lane in self._waiting()]
        return min(self._end, *dues) if dues and len(self._running) < _MAX_PARALLEL else self._end

    # --- before a call ----------------------------------------------------------------------------------

    def _give_up(self) -> Iterator[Outcome]:
        """Yield the batches that cannot be sent any more: they would wait too long, or the time is over."""
        for lane in self._waiting():
            while lane.waiting and self._is_late(lane):
                outcome = self._given_up(lane)
                del lane.waiting[0]
                yield outcome

    def _is_late(self, lane: _Lane) -> bool:
        now, due = self._now(), lane.due
        return due - now > self._patience or max(now, due, self._pace.due) >= self._last_start

    def _given_up(self, lane: _Lane) -> Outcome:
        attempt = lane.waiting[0]
        if attempt.error:
            return self._failed(attempt, attempt.error)
        if lane.due > self._now():
            return self._failed(attempt, InProgressError("not sent: earlier invalidations have to complete first"))
        error = OutOfTimeError("not sent: the invocation is about to end; give the function more time")
        return self._failed(attempt, error)

    def _start(self) -> None:
        """Begin the calls that are due. Other distributions come before a second call of the same one."""
        for lane in sorted(self._waiting(), key=lambda lane: lane.last_start):
            now = self._now()
            if max(lane.due, self._pace.due) > now + _TICK_SECONDS or len(self._running) >= _MAX_PARALLEL:
                continue
            attempt = lane.waiting.pop(0)
            self._running[attempt.batch.distribution] = attempt
            lane.last_start = now
            self._pace.start(now)
            self._workers.start(partial(_try, attempt.batch, self._cdn))

    # --- after a call -----------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome) -> Iterator[Outcome]:
        """Yield the outcome if it is final; otherwise queue the batch for another attempt."""
        lane, attempt = self._lanes[outcome.batch.distribution], self._running.pop(outcome.batch.distribution)
        now, attempt.error = self._now(), outcome.error
        attempt.calls += 1
        if isinstance(outcome.error, ThrottledError):
            self._pace.throttle(lane.last_start, now, self._chance())
        elif not isinstance(outcome.error, UnavailableError):
            self._pace.let_through()
            self._answered = True
        match outcome.error:
            case None:
                lane.room.accept(outcome.batch, now)
                yield outcome
            case InvalidPathError() if len(outcome.batch.items) > 1:
                lane.wait(*map(_Attempt, _halves(outcome.batch)))
            case ThrottledError() | InProgressError() | UnavailableError() | ReferenceUsedError() as error:
                self._prepare(lane, attempt, error)
                if attempt.calls < MAX_CALLS:
                    lane.wait(attempt)
                else:
                    yield self._failed(attempt, error)
            case error:
                yield self._failed(attempt, error)

    def _prepare(self, lane: _Lane, attempt: _Attempt, error: CdnError) -> None:
        """Change what has to be different in the next attempt."""
        now = self._now()
        if isinstance(error, InProgressError):
            lane.room.refuse(now)
        elif isinstance(error, UnavailableError):
            attempt.due = now + pause(attempt.calls, self._chance())
            attempt.batch = replace(attempt.batch, apart=True)
        elif isinstance(error, ReferenceUsedError):
            attempt.batch = with_next_reference(attempt.batch)

    def _unanswered(self) -> Outcome:
        _, attempt = self._running.popitem()
        attempt.batch = replace(attempt.batch, apart=True)
        return self._failed(attempt, UnavailableError("no answer before the invocation had to end"))

    def _failed(self, attempt: _Attempt, error: CdnError) -> Outcome:
        batch = attempt.batch
        if isinstance(error, InProgressError) and self._lanes[batch.distribution].room.has_accepted:
            attempts = 0  # it waits for our own invalidations
        elif isinstance(error, InProgressError):
            # It waits for those of another invocation: longer each time, and it is never given up for that.
            attempts = max(batch.attempts, min(batch.attempts + 1, _MAX_INVOCATIONS_IN_PROGRESS))
        elif isinstance(error, OutOfTimeError) and self._answered:
            attempts = batch.attempts  # waiting behind others is no attempt
        else:
            attempts = batch.attempts + 1
        return Outcome(replace(batch, attempts=attempts), error=error)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    """Return both halves, apart: mixed with other batches they would have to be halved from the beginning."""
    middle = len(batch.items) // 2
    apart = replace(batch, apart=True, attempts=0)
    return with_items(apart, batch.items[:middle]), with_items(apart, batch.items[middle:])


def _try(batch: Batch, cdn: Cdn) -> Outcome:
    try:
        return Outcome(batch, invalidation=cdn.create_invalidation(batch))
    except CdnError as error:
        return Outcome(batch, error=error)
