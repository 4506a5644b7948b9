"""The start of a process: what its first event would wait for is done while Lambda lends it a whole processor."""

import gc
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from invalidator.errors import UnconfiguredError
from invalidator.runtime.clients import AWS, Clients
from invalidator.runtime.log import logger
from invalidator.settings import environment
from invalidator.settings.environment import Settings
from invalidator.workers import at_once

LONGEST: Final = 5.0
"""Seconds after which the rest is left to the first event. After 10, Lambda would stop the process and begin anew.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (2026-11-29)
"""

_SHORTEST: Final = 1.0
"""With fewer seconds left, nobody is asked any more: the answers would come too late."""

_NOT_READY: Final = "not ready before the first event"


def begin(*, serves_jobs: bool = False) -> None:
    """Get a process of Lambda ready, as the end of its import."""
    get_ready(serves_jobs=serves_jobs)
    # Else the garbage collector looks through all that was imported during the first events: 20 ms with a whole
    # processor, and seven times as much with 256 MB (Python 3.13, 2026-11-29).
    gc.freeze()


def get_ready(clients: Clients = AWS, *, serves_jobs: bool = False) -> None:
    """Read the settings, set up the clients and describe the distributions, as far as there is time for it.

    A function that ``serves_jobs`` describes none. What fails is logged and not kept: the first event tries it again.
    """
    end = clients.monotonic() + LONGEST

    def made(*calls: Callable[[], Any]) -> list[Any]:
        attempts = deque(partial(_attempted, call) for call in calls)
        results = [result for (result,) in at_once(attempts, clients.workers(), lambda: end - clients.monotonic())]
        if len(results) < len(calls):
            logger.info(_NOT_READY, extra={"reason": f"no answer within {LONGEST:.0f} seconds"})
        return results

    for settings in made(environment.load, clients.catalog, *([clients.pipeline] if serves_jobs else [])):
        if isinstance(settings, Settings) and not serves_jobs and end - clients.monotonic() >= _SHORTEST:
            queue = [partial(clients.queue, settings.queue_url)] if settings.queue_url else []
            made(*queue, partial(_describe, clients, settings, end))


def _attempted(call: Callable[[], Any]) -> tuple[Any]:
    try:
        return (call(),)
    except UnconfiguredError:  # a job, or a ticket, may name the distributions
        return (None,)
    except Exception as error:  # noqa: BLE001 whatever it is: the event has to be told, and the process to start
        logger.info(_NOT_READY, extra={"reason": str(error)})
        return (None,)


def _describe(clients: Clients, settings: Settings, end: float) -> None:
    """Describe the distributions of the bucket, or those that are listed if it is not known. Raises CdnError.

    Where nobody would be asked, or nothing would be kept, only a connection is opened: to read the certificates for it
    takes the first event 0.3 seconds with 256 MB (2026-11-29).
    """
    bucket = settings.discover_bucket
    config = settings if bucket else replace(settings, discover=False)
    # An event does not see what fails here, or fails only after the time is over.
    catalog = clients.catalog().apart()
    if not settings.ttl or not (config.describe or config.discover):
        catalog.greet()
        return
    catalog.look_up(config, {bucket}, clients.workers(), end - clients.monotonic()).certain()
