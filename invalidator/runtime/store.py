"""Store what an invocation leaves: as tickets for later invocations, and as dead letters for a person."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from invalidator.aws.queues import Message, batches
from invalidator.delivery.carry_out import SECONDS_TO_ANSWER
from invalidator.errors import ConfigurationError, StorageError
from invalidator.model import DistributionId
from invalidator.runtime.invocation import Invocation
from invalidator.workers import at_once


class Leftover(NamedTuple):
    """A message to store for some distributions, and the messages whose work it holds.

    It is a dead letter if it ``is_hopeless``, else a ticket; if it ``is_repeat``, that of a second clearing.
    ``failures`` say what was not done, ``since`` is when the first of it changed, if it was refused more than once.
    """

    message: Message
    distributions: Sequence[DistributionId]
    message_ids: set[str | None]
    failures: Sequence[str]
    details: dict[str, Any]
    is_hopeless: bool = False
    since: str = ""
    is_repeat: bool = False


class StoreResult(NamedTuple):
    """The end of a leftover: stored or not; and why not, if the queue said so."""

    is_stored: bool
    problem: str = ""


_UNANSWERED: Final = StoreResult(is_stored=False, problem="no answer from the queue in time")


def store(
    leftovers: Sequence[Leftover],
    invocation: Invocation,
    coming_again: set[str | None],
    reserve: float = SECONDS_TO_ANSWER,
) -> list[StoreResult]:
    """Store leftovers, several calls at a time, until ``reserve`` seconds are left. Return the end of each.

    Adds the messages of what is not stored to ``coming_again``, and does not store what only they brought: it would be
    done twice, and again with each failure.
    """
    calls: deque[Callable[[], dict[int, StoreResult]]] = deque(
        partial(_store, {place: leftovers[place] for place in places}, url, invocation, coming_again)
        for url, places in _calls(leftovers, invocation)
    )
    ends: dict[int, StoreResult] = {}
    for some in at_once(calls, invocation.clients.workers(), lambda: invocation.seconds_left() - reserve):
        ends |= some
    for place, leftover in enumerate(leftovers):
        if not ends.setdefault(place, _UNANSWERED).is_stored:
            coming_again |= leftover.message_ids
    return [ends[place] for place in range(len(leftovers))]


def _calls(leftovers: Sequence[Leftover], invocation: Invocation) -> Iterator[tuple[str, list[int]]]:
    """Yield the queue and the leftovers of each call."""
    settings = invocation.settings
    for url, is_hopeless in (settings.queue_url, False), (settings.dead_letters_url, True):
        places = [place for place, leftover in enumerate(leftovers) if leftover.is_hopeless == is_hopeless]
        for some in batches([leftovers[place].message for place in places]):
            yield url if settings.queue_url else "", [places[number] for number in some]


def _store(
    leftovers: dict[int, Leftover], url: str, invocation: Invocation, coming_again: set[str | None]
) -> dict[int, StoreResult]:
    kept = [place for place, leftover in leftovers.items() if url and not leftover.message_ids <= coming_again]
    problems = _send([leftovers[place].message for place in kept], url, invocation) if kept else []
    stored = {place: StoreResult(not problem, problem) for place, problem in zip(kept, problems, strict=True)}
    ends = {place: stored.get(place, StoreResult(is_stored=False)) for place in leftovers}
    # Known at once to the calls that begin later.
    coming_again.update(*(leftovers[place].message_ids for place, end in ends.items() if not end.is_stored))
    return ends


def _send(messages: list[Message], url: str, invocation: Invocation) -> list[str]:
    """Return for each message why it is not stored; empty if it is."""
    try:
        return invocation.clients.queue(url).send_all(messages)
    except (StorageError, ConfigurationError) as error:
        return [str(error)] * len(messages)
