"""Carry out a plan: try every batch, whatever happens to the others."""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from typing import Final, NamedTuple, Protocol

from invalidator.delivery.halving import halves_apart
from invalidator.delivery.lanes import Attempt, Lane
from invalidator.delivery.pacing import MAX_CALLS, Pace, pause
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
from invalidator.planning.batches import with_next_reference
from invalidator.workers import MAX_PARALLEL, Workers

SECONDS_TO_ANSWER: Final = 1.0
"""Kept back at the end of an invocation for its answer."""

_TICK_SECONDS: Final = 0.001
"""The resolution of Lambda's clock."""


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

    A batch with an invalid path is halved until the path is found, so that all others are accepted; but not where no
    path at all is accepted. A batch for which there is no room is cut into smaller ones. The batch of an outcome may
    therefore be a part of one in the plan. It is apart if CloudFront may have accepted it. If the answer to a call
    arrives after the batch was given up, and it was accepted, that is a second outcome of this caller reference.
    """
    return _Run(plan, cdn, time_left, workers, chance).outcomes()


def in_order(outcomes: Iterable[Outcome], distributions: Iterable[DistributionId]) -> list[Outcome]:
    """Return outcomes in the order of these distributions, others last; those of one distribution by their paths."""
    rank = {id_: number for number, id_ in enumerate(distributions)}

    def key(outcome: Outcome) -> tuple[int, str, str]:
        id_ = outcome.batch.distribution
        return rank.get(id_, len(rank)), id_, outcome.batch.items[0].path

    return sorted(outcomes, key=key)


class _Run:
    """The state of ``carry_out``. One thread changes it; the others only make calls."""

    def __init__(
        self, plan: Plan, cdn: Cdn, time_left: TimeLeft, workers: Workers[Outcome], chance: Callable[[], float]
    ) -> None:
        self._cdn, self._patience, self._workers, self._chance = cdn, time_left.patience, workers, chance
        self._lanes: dict[DistributionId, Lane] = {}
        # Lanes with batches, by the time at which the next one can be sent; at the same time by that of the last call.
        self._waiting: list[tuple[float, float, int, Lane]] = []
        self._running: dict[DistributionId, Attempt] = {}
        for order, batch in enumerate(plan.batches):
            self._lanes.setdefault(batch.distribution, Lane(order)).wait(Attempt(batch, order))
        left = time_left.seconds()
        self._clock: Callable[[], float] = lambda: left - time_left.seconds()
        self._clock_time = self._set_back = 0.0
        closing = min(time_left.closing + SECONDS_TO_ANSWER, max(left / 4, SECONDS_TO_ANSWER))
        # No call starts later than would let it end before the closing. A function too short for that makes calls in
        # the first half of its time.
        reserve = max(SECONDS_TO_ANSWER, min(cdn.longest_call + closing, left / 2))
        self._last_start, self._end = left - reserve, left - closing
        self._pace = Pace()
        self._answered = False

    def outcomes(self) -> Iterator[Outcome]:
        for lane in self._lanes.values():
            yield from self._queue(lane)
        while self._running or self._waiting:
            yield from self._give_up()
            self._start()
            if (ended := self._wait()) is not None:
                yield from self._settle(ended)
            elif self._running and self._is_over():
                yield from self._leave_running()
        yield from self._late()

    def _now(self) -> float:
        """Return the seconds since the beginning. A clock that is set back does not make them fewer."""
        before, self._clock_time = self._clock_time, self._clock()
        self._set_back += max(before - self._clock_time, 0.0)
        return self._clock_time + self._set_back

    def _is_over(self) -> bool:
        return self._now() + _TICK_SECONDS >= self._end

    def _wait(self) -> Outcome | None:
        """Wait until the next step, or until a call ends; at the end of the time, take what has ended already."""
        if not (self._running or self._waiting):
            return None
        now, until = self._now(), self._end
        if self._waiting and len(self._running) < MAX_PARALLEL:
            until = min(until, max(self._waiting[0][0], self._pace.due))
        ended = self._workers.wait(until - now)
        if ended is None:
            # So much time has passed, whatever the clock says.
            missing = until - self._now()
            self._set_back += max(missing, 0.0)
        return ended

    def _late(self) -> Iterator[Outcome]:
        """Yield what has been accepted although it was given up a moment ago."""
        while self._is_over() and (ended := self._workers.wait(0.0)) is not None:
            yield from self._settle(ended)

    # --- before a call ----------------------------------------------------------------------------------

    def _queue(self, lane: Lane) -> Iterator[Outcome]:
        """Let a lane wait for its turn. Yield the batches that would wait too long, or longer than there is time."""
        now = self._now()
        while heads := lane.heads(now):
            due, _, queue = max(heads)
            if due - now <= self._patience and max(due, self._pace.due) < self._last_start:
                heappush(self._waiting, (min(heads)[0], lane.last_start, lane.number, lane))
                return
            attempt = lane.take(queue)
            yield from self._fail(lane, attempt, attempt.error or _not_sent(is_full=due > now))

    def _give_up(self) -> Iterator[Outcome]:
        """Yield everything that waits, if there is no time for another call."""
        if max(self._now(), self._pace.due) >= self._last_start:
            while self._waiting:
                yield from self._queue(heappop(self._waiting)[-1])

    def _start(self) -> None:
        """Begin the calls that are due. Other distributions come before a second call of the same one."""
        while self._waiting and len(self._running) < MAX_PARALLEL:
            now = self._now()
            if max(self._waiting[0][0], self._pace.due) > now + _TICK_SECONDS:
                return
            lane = heappop(self._waiting)[-1]
            attempt = lane.take(min(lane.heads(now))[2])
            self._running[attempt.batch.distribution] = attempt
            lane.last_start = now
            self._pace.start(now)
            self._workers.start(partial(_try, attempt.batch, self._cdn))

    # --- after a call -----------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome) -> Iterator[Outcome]:
        """Yield the outcome if it is final; otherwise queue the batch for another attempt."""
        attempt = self._running.pop(outcome.batch.distribution, None)
        if attempt is None:
            # It was given up before its answer came. What was accepted is not left to do.
            if outcome.error is None:
                yield outcome
            return
        lane, error = self._lanes[outcome.batch.distribution], outcome.error
        again, attempt.error = isinstance(attempt.error, InProgressError), error
        attempt.calls += 1
        self._keep_pace(lane, error)
        match error:
            case None:
                lane.room.accept(outcome.batch, self._now())
                attempt.family.accept()
                lane.release(attempt)
                yield outcome
            case InvalidPathError():
                yield from self._find_invalid(lane, attempt, error)
            case ThrottledError() | InProgressError() | UnavailableError() | ReferenceUsedError():
                parts = self._prepared(lane, attempt, error, again=again)
                if attempt.calls < MAX_CALLS or len(parts) > 1:
                    lane.wait(*parts)
                else:
                    yield from self._fail(lane, attempt, error)
            case _:
                yield from self._fail(lane, attempt, error)
        yield from self._queue(lane)

    def _keep_pace(self, lane: Lane, error: CdnError | None) -> None:
        if isinstance(error, ThrottledError):
            self._pace.throttle(lane.last_start, self._now(), self._chance())
        elif not isinstance(error, UnavailableError):
            self._pace.let_through()
            self._answered = True

    def _prepared(self, lane: Lane, attempt: Attempt, error: CdnError, *, again: bool) -> list[Attempt]:
        """Return what to send the next time: the batch with what has to be different, or parts of it."""
        batch, now = attempt.batch, self._now()
        if isinstance(error, InProgressError):
            lane.room.refuse(batch, now)
            return attempt.smaller(error, again=again)
        if isinstance(error, UnavailableError):
            attempt.due = now + pause(attempt.calls, self._chance())
            attempt.batch = replace(batch, apart=True)
        elif isinstance(error, ReferenceUsedError):
            attempt.batch = with_next_reference(batch)
        return [attempt]

    def _find_invalid(self, lane: Lane, attempt: Attempt, error: InvalidPathError) -> Iterator[Outcome]:
        """Queue parts of a batch with an invalid path. Yield a path that was refused alone, and what is hopeless."""
        family, batch = attempt.family, attempt.batch
        if len(batch.items) > 1:
            lane.wait(*map(attempt.part, [family.probe(batch)] if family.probes else halves_apart(batch)))
            return
        yield lane.failed(attempt, error, answered=self._answered)
        if family.refuse(error):
            parts = lane.take_all(family)
            family.probes = len(parts)
            # A part that was sent before may have been accepted. It is sent as it was.
            lane.wait(*(part if part.calls else part.part(family.probe(part.batch)) for part in parts))
        if family.has_few_left:
            lane.release(attempt)
        elif given_up := family.given_up():
            rest, error = given_up
            yield lane.failed(attempt.part(rest), error, answered=self._answered)

    def _leave_running(self) -> Iterator[Outcome]:
        """Give up a call that did not end in time."""
        id_, attempt = self._running.popitem()
        lane = self._lanes[id_]
        attempt.batch = replace(attempt.batch, apart=True)
        yield from self._fail(lane, attempt, UnavailableError("no answer before the invocation had to end"))
        yield from self._queue(lane)

    def _fail(self, lane: Lane, attempt: Attempt, error: CdnError) -> Iterator[Outcome]:
        yield lane.failed(attempt, error, answered=self._answered)
        lane.release(attempt)


def _not_sent(*, is_full: bool) -> CdnError:
    if is_full:
        return InProgressError("not sent: earlier invalidations have to complete first")
    return OutOfTimeError("not sent: the invocation is about to end; give the function more time")


def _try(batch: Batch, cdn: Cdn) -> Outcome:
    try:
        return Outcome(batch, invalidation=cdn.create_invalidation(batch))
    except CdnError as error:
        return Outcome(batch, error=error)
