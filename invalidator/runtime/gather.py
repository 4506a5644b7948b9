"""The changes of an event that are served now, and those that wait on the queue for the rest of their burst."""

from datetime import UTC, datetime
from typing import Final

from invalidator.aws.queues import Message
from invalidator.delivery import bursts
from invalidator.delivery.brake import LONG_SLOT_SECONDS, Brake
from invalidator.delivery.bursts import Burst, Verdict, Wait
from invalidator.events.decode import Decoded
from invalidator.model import Gathered, ObjectChange, ObjectKey, Plan, usd_for
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import log_warnings, logger
from invalidator.runtime.store import Leftover, store

_NOTIFIED_SECONDS: Final = 60.0
"""S3 tells of a change within so many seconds, typically."""

_TRIES: Final = 3

_LONGEST_SECONDS: Final = 1_200.0
"""A burst that seems to be older was forgotten, as among dead letters: what changed since is not part of it."""

_Key = tuple[str, ObjectKey, str]
"""Bucket, key and identity of a change."""

_Part = tuple[Message, set[_Key]]
"""A message to store, and the changes in it."""


class Gathering:
    """The changes of an event, and of the tickets in it that waited for the rest of their burst.

    ``changes`` are those to serve now: once they are held, only those that could not be stored. ``received`` counts the
    new ones, ``markers`` the uploads that only said that a deploy is done. ``seconds`` is how long the first of those
    that are held has waited. The ``brake`` on the month's bill may make all of them wait, a done deploy included.
    """

    def __init__(self, decoded: Decoded, invocation: Invocation, brake: Brake) -> None:
        settings = invocation.settings
        self.brake, self._invocation, self._now = brake, invocation, invocation.clients.now()
        self._waited = [change for ticket in decoded.gathered for change in ticket.changes]
        everything = [*decoded.changes, *self._waited]
        self.changes = [change for change in everything if change.key != settings.deploy_marker]
        self.markers = len(everything) - len(self.changes)
        self.received, self.seconds = len(decoded.changes), 0
        self._burst, self._verdict = Burst(self._now, self._now), Verdict.SEND
        # What is not on the queue cannot come back by it.
        if decoded.from_queue and settings.queue_url:
            self._judge(decoded)
        if self._verdict == Verdict.HOLD:
            self._hold(everything)

    def _judge(self, decoded: Decoded) -> None:
        """Decide what becomes of the changes, by what is known of their burst."""
        settings = self._invocation.settings
        wait = Wait(self.brake.seconds, settings.gather)
        if not (max(wait) or decoded.gathered):
            return
        arrivals = self._invocation.clients.arrivals()
        arrivals.take(len(decoded.changes), self._now)
        waiting = [Burst(ticket.since, ticket.going_on) for ticket in decoded.gathered]
        self._burst = bursts.joined(waiting, arrivals, self._now)
        if self._age >= wait.least and any(change.key == settings.deploy_marker for change in self._waited):
            return  # the deploy is done
        self._verdict = bursts.verdict_on(self._burst, arrivals, self._now, wait, has_waited=bool(waiting))
        if self.markers and self._age < wait.most:
            self._verdict = Verdict.HOLD

    @property
    def _age(self) -> float:
        return self._now - self._burst.since

    @property
    def begun(self) -> datetime | None:
        """The time before which no upload of the burst was, as far as that is known; None if the changes are few."""
        if len(self.changes) < bursts.MANY:
            return None
        earliest = self._now - _LONGEST_SECONDS
        return datetime.fromtimestamp(max(self._burst.since - _NOTIFIED_SECONDS, earliest), UTC)

    def holds(self, plan: Plan) -> bool:
        """Hold the changes if that is still possible and their plan costs much. Return whether that was done."""
        new = sum(len(batch.items) for batch in plan.batches if not (batch.is_fixed or batch.attempts))
        if self._verdict != Verdict.HOLD_IF_DEAR or usd_for(new) <= bursts.MOST_USD:
            return False
        self._hold(self.changes)
        return True

    def _hold(self, changes: list[ObjectChange]) -> None:
        """Store changes until the next slot, each once; those that cannot be stored are served now."""
        from invalidator.events.held import write_gathered  # which most events have nothing for

        messages: dict[_Key, set[str | None]] = {}
        for change in changes:
            messages.setdefault(change[:3], set()).add(change.message_id)
        once = {change[:3]: change for change in changes}
        slot = LONG_SLOT_SECONDS if self._age < self.brake.seconds else bursts.SLOT_SECONDS
        parts = [
            (Message(body, bursts.seconds_to_slot(self._now, slot)), {change[:3] for change in part})
            for body, part in write_gathered(Gathered(tuple(once.values()), *self._burst))
        ]
        reserve = self._invocation.seconds_left() / 2  # for those that cannot be stored
        for _ in range(_TRIES):
            # A message that was stored without an answer, and then again, meets itself at the slot: it is one change.
            parts = self._unstored(parts, messages, reserve)
        lost = set[_Key]().union(*(keys for _, keys in parts))
        self._tell(len(once) - len(lost))
        self.changes, self.markers = [change for change in self.changes if change[:3] in lost], 0

    def _tell(self, held: int) -> None:
        """Log that so many changes wait, if any do, and note for how long."""
        if held:
            self.seconds = round(self._age)
            details = {"changes": held, "seconds": self.seconds}
            logger.info("changes wait for the rest of their burst", extra=details)

    def _unstored(self, parts: list[_Part], messages: dict[_Key, set[str | None]], reserve: float) -> list[_Part]:
        """Store parts until ``reserve`` seconds are left, and return those that cannot be stored."""
        invocation = self._invocation
        leftovers = [
            Leftover(message, (), set[str | None]().union(*(messages[key] for key in keys)), (), {})
            for message, keys in parts
        ]
        ends = store(leftovers, invocation, set(), reserve) if parts else []
        problems = {end.problem for end in ends if not end.is_stored}
        log_warnings(f"changes cannot wait for the rest of their burst: {problem}" for problem in sorted(problems))
        return [part for part, end in zip(parts, ends, strict=True) if not end.is_stored]
