"""Changes that cannot be planned yet, because nobody knows what some distributions serve: they become tickets."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from invalidator.aws.queues import Message
from invalidator.delivery import pacing
from invalidator.distributions.catalog import DISCOVERY
from invalidator.errors import OutOfTimeError
from invalidator.events.held import write_held
from invalidator.model import DistributionId, HeldChanges, ObjectChange, UnknownDistribution
from invalidator.planning.planner import taken_changes
from invalidator.runtime.store import Leftover
from invalidator.settings.environment import Settings

_Key = tuple[str, str, str]


class _Part(NamedTuple):
    """Changes that share a ticket: each once, with all the messages that brought it."""

    attempts: int
    listed: tuple[DistributionId, ...]
    changes: dict[_Key, ObjectChange]
    messages: dict[_Key, set[str | None]]


def unplanned(
    changes: list[ObjectChange], unknown: Iterable[UnknownDistribution], settings: Settings
) -> Iterator[Leftover]:
    """Yield what to store of the changes that concern unknown distributions, those that have waited before included.

    Distributions that are unknown for the same kind of reason share a message. So do changes that were tried equally
    often, and each is stored once: otherwise those that come again, because a part of a ticket could not be stored,
    would multiply.
    """
    new = HeldChanges((), tuple(taken_changes(changes, settings.view)), listed=settings.distributions)
    waiting: dict[tuple[tuple[HeldChanges, ...], type], list[UnknownDistribution]] = {}
    for one in unknown:
        tickets = (new, *one.held) if one.takes_new else one.held
        waiting.setdefault((tickets, type(one.error)), []).append(one)
    for (tickets, _), some in waiting.items():
        is_discovery = any(one.id == DISCOVERY for one in some)
        for part in _parts(tickets, is_discovery=is_discovery):
            yield from _leftovers(part, some)


def _parts(tickets: Iterable[HeldChanges], *, is_discovery: bool) -> Iterator[_Part]:
    """Yield the parts of tickets. What is apart shares with nothing; a change counts all the attempts that it had."""
    parts: dict[tuple[object, ...], _Part] = {}
    part_of: dict[tuple[object, ...], _Part] = {}
    for held in sorted(tickets, key=lambda held: -held.attempts):
        listed = held.listed if is_discovery else ()
        sharing = listed, held if held.apart else None
        own = parts.setdefault((held.attempts, *sharing), _Part(held.attempts, listed, {}, {}))
        for change in held.changes:
            key = change[:3]
            part = part_of.setdefault((key, *sharing), own)
            part.changes.setdefault(key, change)
            part.messages.setdefault(key, set()).add(change.message_id)
    yield from (part for part in parts.values() if part.changes)


def _leftovers(waiting: _Part, unknown: list[UnknownDistribution]) -> Iterator[Leftover]:
    """Yield what to store of changes that wait for these distributions."""
    error, ids = unknown[0].error, tuple(one.id for one in unknown)
    again = HeldChanges(
        ids,
        tuple(waiting.changes.values()),
        waiting.attempts + (not isinstance(error, OutOfTimeError)),  # waiting behind others is no attempt
        str(error).removeprefix(f"distribution {ids[0]} "),  # it is the same for the others
        waiting.listed,
    )
    is_hopeless = pacing.is_hopeless(again, error)
    delay = 0 if is_hopeless else pacing.delay(again, error)
    for body, part in write_held(again):
        noun = "change" if len(part) == 1 else "changes"
        yield Leftover(
            Message(body, delay),
            ids,
            set().union(*(waiting.messages[change[:3]] for change in part)),
            [f"{one.id}: {len(part):,} {noun} not invalidated: {one.error}" for one in unknown],
            {"error": str(error), "distribution": ", ".join(ids), "changes": len(part)},
            is_hopeless,
            again.since if again.attempts > 1 else "",
        )
