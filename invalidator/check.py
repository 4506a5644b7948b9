"""The Lambda function that checks, now and then, whether the bucket still tells of its changes.

Every tool that writes the notifications of a bucket replaces those of all others. What is wrong is logged and counted,
for an alarm. If the stack repairs, the entry is put back. What changed while nobody heard of it is found by listing
the bucket, and sent to the queue as changes.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from invalidator.aws.functions import Function
from invalidator.aws.listings import Listings
from invalidator.aws.queues import Queue
from invalidator.connection.catch_up import CatchUp, Sink, Window
from invalidator.connection.examine import Examiner, Wiring, sdk_client
from invalidator.connection.findings import Finding
from invalidator.connection.heard import Heard, HeardParameter
from invalidator.connection.notification_checks import KeyFilter
from invalidator.errors import (
    ConfigurationError,
    EventError,
    ListingError,
    NotificationError,
    OvertakenError,
    StorageError,
)
from invalidator.limits import MAX_INVOCATION_SECONDS, SECONDS_UNTIL_NOTIFIED
from invalidator.notifications.deployed import deployed_entry
from invalidator.notifications.merge import NotificationEntry
from invalidator.runtime import metrics
from invalidator.runtime.log import logger

if TYPE_CHECKING:
    from invalidator.runtime.invocation import InvocationContext

_SETTLING_SECONDS: Final = SECONDS_UNTIL_NOTIFIED + 60
"""For so long, a bucket that was connected just now may not tell of its changes."""

_MARGIN: Final = timedelta(seconds=SECONDS_UNTIL_NOTIFIED)
"""For so long, S3 may show a configuration that has been replaced; and clocks differ."""

_KEPT: Final = timedelta(days=3)
"""After so long, what nothing receives is about to be dropped: the queue of the stack keeps it for four days."""

_MOST_PAGES: Final = 100_000
"""More than there is time for."""

_NOTING: Final = timedelta(seconds=20)
"""After so long, it is noted how far a listing has come. An account may write three parameters in a second:

https://docs.aws.amazon.com/general/latest/gr/ssm.html (2026-11-30)
"""

_SECONDS_TO_END: Final = 30.0
"""Kept for what is left to send, to note and to log."""

_STOPS: Final = (ListingError, StorageError, EventError)
"""The errors that stop a listing; the next check goes on."""


class Services(NamedTuple):
    """Everything that a check touches: the SDK, the listings, what takes changes, the time, and where metrics go."""

    client_of: Callable[[str, str], Any] = sdk_client
    listings: Callable[[], Listings] = Listings.connect
    # A message that is stored twice does no harm: its changes have the same identities.
    queue: Callable[[str], Sink] = partial(Queue.connect, attempts=3)
    function: Callable[[str], Sink] = Function.connect
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Callable[[float], None] = time.sleep
    # Not that it began anew, as it does each time.
    publish: Callable[[Iterable[metrics.Document]], None] = metrics.print_documents


AWS_SERVICES: Final = Services()


class Watched(NamedTuple):
    """A deployed connection: the bucket, its way to the function, the parameter, and whether the entry is put back."""

    bucket: str
    entry: NotificationEntry
    wiring: Wiring
    parameter: str
    repairs: bool

    @classmethod
    def deployed(cls, variables: Mapping[str, str]) -> Self:
        """Read it from the variables of the function. Raises ConfigurationError if one is missing."""
        bucket, entry = deployed_entry(variables)
        queue, mapping, rule = (variables.get(name, "") for name in ("QUEUE_URL", "MAPPING", "RULE"))
        parameter = variables.get("HEARD_PARAMETER", "")
        if not parameter:
            raise ConfigurationError("HEARD_PARAMETER is not set: deploy the stack again")
        return cls(bucket, entry, Wiring(queue, entry, mapping, rule), parameter, variables.get("REPAIR") == "on")


@logger.inject_lambda_context(log_event=False)
def lambda_handler(_event: object, context: "InvocationContext", services: Services = AWS_SERVICES) -> dict[str, Any]:
    """Check the connection, put it back if the stack says so, and catch up on what was missed.

    No event says anything: whoever may invoke the function could forge it. Returns ``{"problems": n, "repaired": bool,
    "caught_up": n}``. Raises ConfigurationError or HeardError if that cannot be done at all.
    """
    run = _Check(Watched.deployed(os.environ), services, context)
    run.check()
    return {"problems": run.problems, "repaired": run.is_repaired, "caught_up": run.caught_up}


class _Check:
    """One check; its counts become metrics."""

    def __init__(self, watched: Watched, services: Services, context: "InvocationContext") -> None:
        self.problems, self.caught_up, self.is_repaired = 0, 0, False
        self._watched, self._services, self._context = watched, services, context
        self._begun = services.now()
        self._parameter = HeardParameter(services.client_of("ssm", ""), watched.parameter)

    def check(self) -> None:
        """Check, repair and catch up."""
        examiner = self._examiner()
        try:
            # First: nobody may have noted since then that the bucket is disconnected, as seen after this examination.
            heard = self._parameter.read()
        finally:
            findings, state = examiner.examine()
            wrong = self._tell(findings)
        self._check_times(heard)
        if state == "broken" or (state == "held" and self._begun - heard.until > _KEPT):
            # Before anything is put back, or anybody is alarmed who puts it back: the next check sees no trace of it.
            heard = self._parameter.miss()
        self.problems = wrong
        if state == "broken" and self._watched.repairs and self._repair(examiner):
            _, state = self._examiner().examine()
            heard = self._parameter.miss()  # who waits for S3 since before the repair waits too short
        self._publish({"Disconnected": [self.problems], "Repaired": [int(self.is_repaired)]})
        if state == "connected" and heard.is_deaf:
            self._catch_up(heard)
        elif state == "connected":
            self._parameter.write(Heard(self._begun))

    def _publish(self, values: metrics.Values) -> None:
        """Publish the metrics that are not zero."""
        if values := {name: numbers for name, numbers in values.items() if any(numbers)}:
            self._services.publish([metrics.Document(None, values)])

    def _check_times(self, heard: Heard) -> None:
        """Raise HeardError if a time is to come, by which changes would be forgotten."""
        for time_ in (heard.until, heard.end, heard.busy):
            if time_ and time_ - self._begun > _MARGIN:
                raise self._parameter.damaged(time_.isoformat())

    def _examiner(self) -> Examiner:
        return Examiner(self._watched.bucket, self._watched.wiring, self._services.client_of)

    def _tell(self, findings: list[Finding]) -> int:
        wrong = [finding for finding in findings if finding.verdict == "wrong"]
        for check, _, text, todo in wrong:
            logger.error("connection broken", extra={"check": check, "text": text, "todo": todo})
        return len(wrong)

    def _repair(self, examiner: Examiner) -> bool:
        """Put the entry back. Return whether anything was missing, and is there again."""
        try:
            before, after = examiner.bucket.connect(self._watched.entry, is_known=True)
        except NotificationError as error:
            logger.error("connection not repaired", extra={"error": str(error)})
            return False
        self.is_repaired = before is not after
        if self.is_repaired:
            logger.warning("connection repaired", extra={"before": before, "after": after})
        return self.is_repaired

    # --- what was missed --------------------------------------------------------------------------------

    def _catch_up(self, heard: Heard) -> None:
        """Send what changed since nobody heard of it. What is not sent now is sent by the next check."""
        behind, lease = heard.again, timedelta(seconds=MAX_INVOCATION_SECONDS)
        if heard.busy and self._begun - heard.busy < lease:
            logger.info("another check catches up")
            behind = bool(heard.after)  # it takes long
        else:
            try:
                self._send_missed(self._begin(heard))
            except (*_STOPS, OvertakenError) as error:
                logger.error("not caught up; the next check goes on", extra={"error": str(error)})
                behind = True
        seconds = (self._services.now() - heard.until).total_seconds() if behind else 0
        self._publish({"CaughtUp": [self.caught_up], "NotCaughtUp": [seconds]})

    def _begin(self, heard: Heard) -> Heard:
        """Wait until S3 tells of changes, unless that has been waited for. Return it with the end of what is missed."""
        heard = self._note(replace(heard, busy=self._services.now()))
        if heard.end:
            return heard
        self._services.pause(_SETTLING_SECONDS)
        end = self._services.now()
        return self._note(replace(heard, end=end, busy=end))

    def _note(self, heard: Heard) -> Heard:
        """Note what is known now. Raises OvertakenError."""
        if not self._parameter.write(heard):
            raise OvertakenError("the bucket was disconnected again, or another check catches up")
        return heard

    def _send_missed(self, heard: Heard) -> None:
        """List the bucket and send what changed, as far as there is time. Raises what stops it."""
        watched, services, end = self._watched, self._services, heard.end or self._begun
        listings, entry = services.listings(), watched.entry
        sink = services.queue(watched.wiring.queue) if watched.wiring.queue else services.function(entry.target)
        window, keys = Window(heard.until - _MARGIN, end), KeyFilter(entry.prefix, entry.suffix)
        bounds = listings.bounds(self._context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_END, _MOST_PAGES)
        run = CatchUp(watched.bucket, window, listings, sink, keys, lambda: services.now().timestamp())
        noted = services.now()
        try:
            for progress in run.run(bounds, heard.after):
                self.caught_up = progress.changes
                heard = replace(heard, after=progress.after)
                if progress.is_done:
                    self._note(heard.listed(end))
                    logger.info("caught up", extra=progress.document())
                elif services.now() - noted >= _NOTING:
                    noted = services.now()
                    self._note(replace(heard, busy=noted))
        except _STOPS:
            self._parameter.write(replace(heard, busy=None))  # the next check need not wait for this one
            raise
