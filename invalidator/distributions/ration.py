"""The changes whose keys the rules can be asked about in one invocation; the others wait as tickets. Pure.

An expression takes up to 100 milliseconds for a key that was made to slow it down. There may be thousands of such
keys and a hundred rules. So an invocation takes as many steps as fit into its time, those for the cheapest keys first:
a slow key does not hold up others. Since it is counted what a key may take, not what it takes, the same event is always
divided in the same way.
"""

from collections.abc import Collection, Set
from dataclasses import replace
from functools import cache
from itertools import accumulate, chain
from operator import itemgetter
from typing import Final, NamedTuple

from invalidator.distributions.concerned import Concerned
from invalidator.errors import OutOfTimeError
from invalidator.model import HeldChanges, ObjectChange, UnknownDistribution
from invalidator.urls.viewers import View

_MAX_STEPS: Final = 2_000_000_000
"""The steps of one invocation: some 10 seconds on keys that were made to take all of them, far less on others."""

_WHY: Final = "not planned: the rules may take long for its key, and there are more such keys; it comes next"


class Ration(NamedTuple):
    """The new changes to plan now, and the distributions with the changes that have waited and are planned now.

    The changes that are left wait for each distribution as for an unknown one.
    """

    changes: list[ObjectChange]
    concerned: Concerned


def ration(changes: list[ObjectChange], concerned: Concerned, view: View) -> Ration:
    """Leave the changes beyond what the rules can be asked in one invocation. At least one is planned."""
    if not view.rules:
        return Ration(changes, concerned)
    tickets = {held: held.changes for one in concerned.known for held in one.held}
    late = _late(dict.fromkeys(chain(changes, *tickets.values())).keys(), concerned, view)
    if not late:
        return Ration(changes, concerned)
    new = HeldChanges((), tuple(changes))
    now, left = ({held: _only(held, late, is_late=is_late) for held in (new, *tickets)} for is_late in (False, True))
    return Ration([change for change in changes if change not in late], _divided(concerned, new, now, left))


_Parts = dict[HeldChanges, list[HeldChanges]]
"""For what has waited, its part; nothing if that is empty."""


def _divided(concerned: Concerned, new: HeldChanges, now: _Parts, left: _Parts) -> Concerned:
    known = [replace(one, held=_parts(one.held, now)) for one in concerned.known]
    waiting = [
        UnknownDistribution(
            one.id, OutOfTimeError(_WHY), _parts((new,) * one.takes_new + one.held, left), takes_new=False
        )
        for one in concerned.known
    ]
    return concerned._replace(known=known, unknown=[*concerned.unknown, *(one for one in waiting if one.held)])


def _parts(tickets: tuple[HeldChanges, ...], parts: _Parts) -> tuple[HeldChanges, ...]:
    return tuple(chain.from_iterable(parts[held] for held in tickets))


def _only(held: HeldChanges, late: Set[ObjectChange], *, is_late: bool) -> list[HeldChanges]:
    """Return what has waited with those changes only that are late or not; nothing if there are none."""
    changes = tuple(change for change in held.changes if (change in late) == is_late)
    return [replace(held, changes=changes)] if changes else []


def _late(changes: Collection[ObjectChange], concerned: Concerned, view: View) -> Set[ObjectChange]:
    """Return the changes that are left: those that may take the most steps."""
    sites = {one.site for one in concerned.known}
    places = cache(lambda bucket: sum(len(site.origins(bucket)) for site in sites))
    steps = cache(lambda length: sum(rule.expression.steps(length) for rule in view.rules))
    costs = [steps(len(change.key)) * places(change.bucket) * view.takes(change.key) for change in changes]
    if sum(costs) <= _MAX_STEPS:
        return frozenset()
    in_order = sorted(zip(costs, changes, strict=True), key=itemgetter(0))
    sums = accumulate(cost for cost, _ in in_order)
    late = {change for total, (_, change) in zip(sums, in_order, strict=True) if total > _MAX_STEPS}
    return late - {in_order[0][1]}
