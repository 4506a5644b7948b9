"""Changes that cannot be planned yet, because nobody knows what some distributions serve: they become tickets."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from invalidator.aws.queues import Message
from invalidator.delivery import pacing
from invalidator.distributions.catalog import DISCOVERY
from invalidator.errors import OutOfTimeError
from invalidator.events.held import write_held
from invalidator.model import HeldChanges, ObjectChange, UnknownDistribution
from invalidator.planning.planner import taken_changes
from invalidator.runtime.store import Leftover
from invalidator.settings.environment import Settings


def unplanned(
    changes: list[ObjectChange], unknown: Iterable[UnknownDistribution], settings: Settings
) -> Iterator[Leftover]:
    """Yield what to store of the changes that concern unknown distributions, those that have waited before included.

    Distributions that are unknown for the same kind of reason share a message.
    """
    new = HeldChanges((), tuple(taken_changes(changes, settings.view)), listed=settings.distributions)
    waiting: dict[tuple[HeldChanges, type], list[UnknownDistribution]] = {}
    for one in unknown:
        for held in (new, *one.held) if one.takes_new else one.held:
            waiting.setdefault((held, type(one.error)), []).append(one)
    for (held, _), some in waiting.items():
        yield from _leftovers(held, some)


def _leftovers(held: HeldChanges, unknown: list[UnknownDistribution]) -> Iterator[Leftover]:
    """Yield what to store of changes that wait for these distributions."""
    error, ids = unknown[0].error, tuple(one.id for one in unknown)
    why = str(error).removeprefix(f"distribution {ids[0]} ")  # it is the same for the others
    listed = held.listed if DISCOVERY in ids else ()
    attempts = held.attempts + (not isinstance(error, OutOfTimeError))  # waiting behind others is no attempt
    again = replace(held, distributions=ids, attempts=attempts, why=why, listed=listed)
    is_hopeless = pacing.is_hopeless(again, error)
    delay = 0 if is_hopeless else pacing.delay(again, error)
    for body, part in write_held(again):
        noun = "change" if len(part) == 1 else "changes"
        yield Leftover(
            Message(body, delay),
            ids,
            {change.message_id for change in part},
            [f"{one.id}: {len(part):,} {noun} not invalidated: {one.error}" for one in unknown],
            {"error": str(error), "distribution": ", ".join(ids), "changes": len(part)},
            is_hopeless,
        )
