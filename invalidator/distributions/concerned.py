"""The contents of an event × the distributions that were found → which changes concern which distribution. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from invalidator.distributions.catalog import DISCOVERY, Found
from invalidator.errors import CdnError, UnknownIdError
from invalidator.events.decode import Decoded, without_strangers
from invalidator.model import Distribution, DistributionId, HeldChanges, Outcome, Site, UnknownDistribution
from invalidator.settings.environment import Settings


class Concerned(NamedTuple):
    """The contents of an event without foreign tickets, the distributions to plan for, and those that are unknown.

    ``undecided`` are tickets of which nobody knows whether they are foreign.
    """

    decoded: Decoded
    known: list[Distribution]
    unknown: list[UnknownDistribution]
    undecided: list[Outcome]


def buckets_of(decoded: Decoded) -> set[str]:
    """Return the buckets of all changes of an event, those that have waited included."""
    return {change.bucket for change in chain(decoded.changes, *(held.changes for held in decoded.held))}


def asked_by(decoded: Decoded) -> dict[DistributionId, bool]:
    """Return the distributions of tickets, and whether it matters what they serve."""
    asked = {batch.distribution: False for batch in decoded.tickets}
    return asked | {id_: True for held in decoded.held for id_ in held.distributions}


def concerned(decoded: Decoded, found: Found, settings: Settings) -> Concerned:
    """Return the distributions that an event concerns, with what has waited for each of them."""
    new = {*settings.distributions, *found.discovered} | ({DISCOVERY} if settings.discover else set())
    waiting = _waiting(decoded, found, new)
    unknown = [
        UnknownDistribution(id_, error, waiting.get(id_, ()), takes_new=id_ in new)
        for id_, error in _errors(waiting, found).items()
    ]
    ours = without_strangers(decoded, {DISCOVERY, *found.strangers})
    decided, undecided = _without_undecided(ours, {one.id: one.error for one in unknown if not one.takes_new})
    known = [replace(one, held=waiting.get(one.id, ()), takes_new=one.id in new) for one in found.known]
    # What is not known serves nothing yet; but as long as not all is known, no change is unserved.
    others = {batch.distribution: False for batch in decided.tickets} | {one.id: one.takes_new for one in unknown}
    known += (
        Distribution(id_, Site(()), takes_new=others[id_]) for id_ in sorted(others.keys() - {one.id for one in known})
    )
    return Concerned(decided, known, unknown, undecided)


def _errors(waiting: Collection[DistributionId], found: Found) -> dict[DistributionId, CdnError]:
    """Return why each unknown distribution is unknown, strangers for which something waits included."""
    strangers = set(waiting) - found.unknown.keys() - {one.id for one in found.known}
    return {**found.unknown, **{id_: _stranger(id_) for id_ in sorted(strangers)}}


def _waiting(
    decoded: Decoded, found: Found, new: Collection[DistributionId]
) -> dict[DistributionId, tuple[HeldChanges, ...]]:
    """Return what has waited for each distribution."""
    is_discovered = DISCOVERY in new and DISCOVERY not in found.unknown
    waiting: dict[DistributionId, tuple[HeldChanges, ...]] = {}
    for held in decoded.held:
        ids = set(held.distributions)
        if is_discovered and DISCOVERY in ids:  # it has waited for all that is discovered now
            ids = ids - {DISCOVERY} | (set(found.discovered) - set(held.listed))
        for id_ in sorted(ids):
            waiting[id_] = (*waiting.get(id_, ()), held)
    return waiting


def _stranger(id_: DistributionId) -> CdnError:
    if id_ == DISCOVERY:
        return UnknownIdError("distributions are not discovered any more: discard what waits for them")
    return UnknownIdError(f"{id_} is not one of the configured distributions: add it, or discard what waits for it")


def _without_undecided(decoded: Decoded, unknown: Mapping[DistributionId, CdnError]) -> tuple[Decoded, list[Outcome]]:
    """Return the contents without tickets for distributions that may be foreign, and those tickets as failures.

    A ticket for a distribution that is ours is sent, whatever is known of that: its paths are.
    """
    errors = [(batch, unknown.get(batch.distribution)) for batch in decoded.tickets]
    undecided = [Outcome(replace(batch, attempts=batch.attempts + 1), error=error) for batch, error in errors if error]
    return replace(decoded, tickets=[batch for batch, error in errors if error is None]), undecided
