"""The batches that wait for each distribution, and what becomes of those that it refuses."""

from bisect import insort_left
from dataclasses import dataclass, field, replace

from invalidator.delivery.halving import Family, by_kind, halves
from invalidator.delivery.pacing import MAX_CALLS, Room
from invalidator.errors import CdnError, InProgressError, OutOfTimeError, ThrottledError
from invalidator.events.tickets import MAX_CROWDED, MAX_INVOCATIONS
from invalidator.model import Batch, Outcome


@dataclass(slots=True)
class Attempt:
    """A batch on its way: how many calls were made for it in this invocation, and when it is due again.

    ``order`` is the place in the plan of the batch that it is or was a part of.
    """

    batch: Batch
    order: int
    family: Family = field(default_factory=Family)
    calls: int = 0
    due: float = 0.0
    error: CdnError | None = None

    def part(self, batch: Batch, error: CdnError | None = None) -> "Attempt":
        """Return the attempt to send a part of this batch."""
        return Attempt(batch, self.order, self.family, error=error)

    def smaller(self, error: CdnError, *, again: bool) -> list["Attempt"]:
        """Return the parts in which it has a better chance on a crowded distribution, or itself.

        It is halved only if it was refused ``again``, for lack of room.
        """
        batch = self.batch
        # CloudFront may know a batch that is fixed: in parts it would be billed twice. Probes are counted.
        if batch.is_fixed or len(batch.items) == 1 or self.family.probes:
            return [self]
        if len(parts := by_kind(batch)) > 1:
            plain, wildcards = parts
            return [self.part(plain), self.part(wildcards, error)]
        return [self.part(half, error) for half in halves(batch)] if again else [self]


@dataclass(slots=True)
class Lane:
    """One distribution, to which one call is made at a time."""

    number: int
    room: Room = field(default_factory=Room)
    last_start: float = -1.0
    # Plain paths, and batches with wildcards: each kind has a quota of its own, and must not wait for the other.
    _queues: tuple[list[Attempt], list[Attempt]] = field(default_factory=lambda: ([], []))

    def wait(self, *attempts: Attempt) -> None:
        """Queue attempts by the time at which they are due, then by the order of the plan; parts before later parts."""
        for attempt in reversed(attempts):
            insort_left(self._queues[attempt.batch.wildcards > 0], attempt, key=_rank)

    def heads(self, now: float) -> list[tuple[float, int, int]]:
        """Return when the first batch of each queue can be sent, its order, and the number of the queue."""
        return [
            (max(now, queue[0].due, self.room.free_at(queue[0].batch)), queue[0].order, number)
            for number, queue in enumerate(self._queues)
            if queue
        ]

    def take(self, queue: int) -> Attempt:
        """Remove the first attempt of a queue."""
        return self._queues[queue].pop(0)

    def take_all(self, family: Family) -> list[Attempt]:
        """Remove all attempts of a family."""
        taken = [attempt for queue in self._queues for attempt in queue if attempt.family is family]
        for queue in self._queues:
            queue[:] = [attempt for attempt in queue if attempt.family is not family]
        return taken

    def release(self, attempt: Attempt) -> None:
        """Queue what its family keeps waiting for probes, because a probe did not turn out to be invalid."""
        self.wait(*map(attempt.part, attempt.family.release()))

    def failed(self, attempt: Attempt, error: CdnError, *, answered: bool) -> Outcome:
        """Return the outcome of a batch that is given up, with its counts as they are now.

        ``answered`` tells that CloudFront answered some call in this invocation.
        """
        batch = attempt.batch
        if isinstance(error, InProgressError):
            if self.room.is_full(batch):
                crowded = min(batch.crowded + 1, MAX_CROWDED)
                # A batch that is apart may have been accepted in an earlier invocation; of one that is frozen, another
                # copy may be, because the queue may have stored it and said that it did not. If it finds no room for
                # the second time, half a minute later, its own invalidation would be complete, and CloudFront would
                # answer with that. So CloudFront does not know it, and the next plan may cut it. It must have been
                # called for now, and only once: another call of this invocation may have been accepted without an
                # answer. (A copy that found no room either may still come later: then it is billed twice.)
                is_fixed = not (crowded > 1 and attempt.calls == 1)
                batch = replace(
                    batch, crowded=crowded, apart=batch.apart and is_fixed, frozen=batch.frozen and is_fixed
                )
        elif not (answered and attempt.calls < MAX_CALLS and isinstance(error, (OutOfTimeError, ThrottledError))):
            batch = replace(batch, attempts=batch.attempts + 1)
        elif batch.attempts >= MAX_INVOCATIONS:
            # A dead letter that was sent back waits behind others, which is no attempt: it has one left.
            batch = replace(batch, attempts=MAX_INVOCATIONS - 1)
        return Outcome(batch, error=error)


def _rank(attempt: Attempt) -> tuple[float, int]:
    return attempt.due, attempt.order
