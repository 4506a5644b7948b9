"""One run of the function: its settings, its connections, its clock and its end."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import uuid4

from invalidator.aws.sdk import LONGEST_ATTEMPT
from invalidator.delivery.carry_out import TimeLeft
from invalidator.limits import MAX_INVOCATION_SECONDS
from invalidator.runtime.clients import Clients
from invalidator.runtime.log import log_warnings, logger
from invalidator.runtime.metrics import Tally
from invalidator.settings import environment
from invalidator.settings.environment import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

InvocationContext: TypeAlias = "LambdaContext | LocalContext"

_PATIENCE_SECONDS: Final = 5.0
"""Longest pause on a distribution's own account where a ticket or a later job can wait instead."""

_UNCONFIGURED: Final = Settings(())


@dataclass(frozen=True)
class LocalContext:
    """The context of an invocation outside Lambda, which may take a quarter of an hour, Lambda's own maximum."""

    function_name: str = "local"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "local"
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    deadline: float = field(default_factory=lambda: time.monotonic() + MAX_INVOCATION_SECONDS)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the quarter of an hour is over."""
        return int((self.deadline - time.monotonic()) * 1000)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of the function. A job reads its own settings later."""

    clients: Clients
    context: "InvocationContext"
    # By the monotonic clock.
    end: float
    settings: Settings = _UNCONFIGURED

    @classmethod
    def begin(cls, clients: Clients, context: "InvocationContext", settings: Settings = _UNCONFIGURED) -> "Invocation":
        """Begin an invocation."""
        return cls(clients, context, clients.monotonic() + context.get_remaining_time_in_millis() / 1000, settings)

    @classmethod
    def configured(cls, clients: Clients, context: "InvocationContext") -> "Invocation":
        """Load the settings, log their warnings and begin. Raises ConfigurationError."""
        settings = environment.load()
        log_warnings(settings.warnings)
        return cls.begin(clients, context, settings)

    def seconds_left(self) -> float:
        """Return the seconds until Lambda ends the invocation."""
        # Lambda counts by its wall clock, which may be set back meanwhile.
        counted = self.context.get_remaining_time_in_millis() / 1000
        return min(counted, self.end - self.clients.monotonic())

    def share(self, part: float, most: float) -> float:
        """Return this part of the seconds that are left, and never more than ``most``."""
        return min(most, self.seconds_left() * part)

    def time_left(self, *, can_wait: bool) -> TimeLeft:
        """Return the time for carrying out a plan. ``can_wait``: what has to wait for long can do so elsewhere."""
        if can_wait:
            return TimeLeft(self.seconds_left, _PATIENCE_SECONDS, LONGEST_ATTEMPT)
        return TimeLeft(self.seconds_left)

    def publish(self, tally: Tally, *, by_distribution: bool = False) -> None:
        """Publish the metrics; a failure is logged and changes nothing."""
        try:
            self.clients.publish(tally.documents(by_distribution=by_distribution), self.context)
        except Exception:  # noqa: BLE001 whatever it is: what was done must not be done again for a metric
            logger.exception("metrics not published")
