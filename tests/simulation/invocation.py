"""One invocation of the function, and the laws of its calls and of what it stores."""

from bisect import bisect_left
from math import inf

from invalidator.aws.sdk import LONGEST_ATTEMPT
from tests.simulation.cloudfront import PLAIN, WILDCARDS
from tests.simulation.container import Aws, Container
from tests.simulation.messages import Ticket, places_of, ticket_of
from tests.simulation.sites import Place
from tests.simulation.sqs import Message
from tests.simulation.world import World

_CROWDED_TWICE = 2
_ENOUGH_SECONDS = 10.0
"""A shorter invocation may have no time for storing what is left."""


class Invocation:
    """One invocation, and the laws of its calls.

    A call never has more items than a distribution takes at a time. All calls for a distribution together, apart from
    its ``tickets``, are the new work of one plan, which keeps to the allowance; halves and repeated calls contain only
    items of that plan.
    """

    def __init__(self, world: World, aws: Aws, container: Container, messages: list[Message], end: float) -> None:
        self._world, self._aws, self._served = world, aws, {*aws.sites.served}
        self._first, self._end, self._seconds = inf, end, end - world.now
        # The items of tickets by distribution, and since when the oldest of them wait.
        self._left: dict[str, set[str]] = {}
        self._oldest: dict[str, float] = {}
        # Tickets to be sent alone, each with its message: those that came before, and parts of batches with an invalid
        # path.
        self._alone: list[tuple[set[Place], Message]] = []
        self._messages = messages
        self._brought: set[tuple[str, str]] = set()  # the references of its tickets
        self._called = set(aws.cloudfront.references)  # by earlier invocations, and by those that go on
        self._places: dict[str, set[Place]] = {}
        self._refused_tickets: set[str] = set()
        # Changes that come again after they have waited are planned apart, each time with an allowance of their own.
        self._plans = 1
        self._has_waiting = False  # changes that have waited, beside which the same ones may come anew
        self._read(messages)
        # The new items of each distribution; the batches that were refused as invalid; the keys of what is not stored.
        self._new: dict[str, set[str]] = {}
        self._invalid: dict[str, list[list[str]]] = {}
        self._lost: set[str] = set()
        # Calls to the queue that were not answered yet, and those that failed.
        self._sent = self._unstored = 0
        self._storing = inf  # since when something is stored
        # For each distribution, when its last call began; those to which a call is on its way; and the age of the
        # oldest work of the distribution that was called last for the first time.
        self._begun: dict[str, float] = {}
        self._running: set[str] = set()
        self._turn = -inf
        self._is_large = False  # a large plan was stored, in which the oldest work may have been
        self.accepted: set[Place] = set()
        self._accepted: list[tuple[float, str, int, int]] = []
        # For each distribution the times of refusals for want of room, and the kinds of items: true for wildcards.
        self._refused: dict[str, list[tuple[float, set[bool]]]] = {}
        self.edge = container.clients(self._watch, self._check_begin, self._check_stored)

    def _read(self, messages: list[Message]) -> None:
        for message in messages:
            ticket = ticket_of(message.body)
            if ticket is None:
                continue
            self._plans += bool(ticket.distributions) and message.received > 1
            self._has_waiting = self._has_waiting or bool(ticket.distributions)
            if not ticket.ids <= self._served:
                self._refused_tickets.add(message.id)
            for distribution, path in ticket.batch:
                self._left.setdefault(distribution, set()).add(path)
                self._oldest[distribution] = min(ticket.since, self._oldest.get(distribution, inf))
            # A part that was refused twice for want of room may be cut and mixed anew.
            is_part = ticket.reference in self._aws.cloudfront.parts and ticket.crowded < _CROWDED_TWICE
            self._brought.add(ticket.reference)
            is_second = ticket.is_repeat and ticket.crowded < _CROWDED_TWICE
            if ticket.batch and (message.received > 1 or is_part or is_second):
                self._alone.append((set(ticket.batch), message))

    # --- laws of the calls ------------------------------------------------------------------------------

    def _check_begin(self, distribution: str) -> None:
        """Check that a call is for a distribution of ours, whose turn it is."""
        assert distribution in self._served, f"{distribution} is not configured"
        if not self._begun:
            self._first = self._world.now
        if distribution not in self._begun:
            since = self._oldest.get(distribution, inf)
            assert since >= self._turn or self._is_large, (
                f"{distribution} has waited since {since:.0f}, and others came first"
            )
            self._turn = since
        self._begun[distribution] = self._world.now
        self._running.add(distribution)

    def check_end(self) -> None:
        """Check that no call was left behind whose answer could still have come in time."""
        now, seconds = self._world.now, self._end - self._first
        waited = min((now - self._begun[distribution] for distribution in self._running), default=inf)
        # A function too short for the longest call makes calls in the first half of its time.
        fine = waited >= min(LONGEST_ATTEMPT, seconds / 4) - 1.0
        assert fine, f"a call was left behind after {waited:.1f} seconds"

    def _watch(self, distribution: str, paths: list[str], result: str) -> None:
        self._running.discard(distribution)
        if result in {"accepted", "TooManyInvalidationsInProgress"}:
            self._check_refusals(distribution, {path.endswith("*") for path in paths}, result)
        self._check_quotas(distribution, paths, result)
        if result == "InvalidArgument":
            self._invalid.setdefault(distribution, []).append(sorted(paths))
        assert result not in {"BatchTooLarge", "InconsistentQuantities"}, result
        self._check_new_work(distribution, paths)
        self._check_alone({(distribution, path) for path in paths})

    def _check_quotas(self, distribution: str, paths: list[str], result: str) -> None:
        now, wildcards = self._world.now, sum(path.endswith("*") for path in paths)
        if result == "TooManyInvalidationsInProgress":
            # The seconds that the call itself takes are not counted against the handler.
            mine = [entry for entry in self._accepted if entry[1] == distribution and entry[0] > now - 24.0]
            assert len(paths) - wildcards + sum(entry[2] for entry in mine) <= PLAIN, "our own calls exceed the quota"
            assert wildcards + sum(entry[3] for entry in mine) <= WILDCARDS, "our own wildcards exceed the quota"
        elif result == "accepted":
            self.accepted |= {(distribution, path) for path in paths}
            self._accepted.append((now, distribution, len(paths) - wildcards, wildcards))

    def _check_refusals(self, distribution: str, kinds: set[bool], result: str) -> None:
        now, refused = self._world.now, self._refused.setdefault(distribution, [])
        recent = [before for at, before in refused if now - at < 25.0]
        assert not any(len(before) == 1 and before <= kinds for before in recent), "a full quota was hammered"
        if result != "accepted":
            assert len(recent) < 2, "a full distribution was hammered"
            refused.append((now, kinds))

    def _check_new_work(self, distribution: str, paths: list[str]) -> None:
        new = self._new.setdefault(distribution, set())
        if new.issuperset(paths):
            return
        new |= set(paths) - self._left.get(distribution, set())
        widened = [path for path in new if path.endswith("*") and (distribution, path) not in self._aws.sites.exact]
        wildcards, allowed, plans = len(widened), self._aws.allowance, self._plans
        assert wildcards <= plans * allowed.wildcards, f"{wildcards} wildcards, and {allowed}"
        assert not allowed.wildcards or len(new) <= plans * allowed.paths, f"{len(new)} paths, and {allowed}"

    def _check_alone(self, sent: set[Place]) -> None:
        for part, message in self._alone:
            if part < sent:
                places = [self._places_of(other.body) for other in self._messages if other is not message]
                is_new = all(any(_is_cleared_for(place, some) for some in places) for place in part)
                assert is_new, f"a ticket that has to be sent alone was mixed with others: {sorted(part)[:5]}"

    def _places_of(self, body: str) -> set[Place]:
        if body not in self._places:
            self._places[body] = {*places_of(body, self._aws.sites)}
        return self._places[body]

    # --- laws of what is stored -------------------------------------------------------------------------

    def check_failed(self, failed: set[str]) -> None:
        """Check that no message is reported as failed although everything was stored that should be."""
        known = failed - self._refused_tickets
        # The queue may be slow, but there has to be some time for it.
        slow = self._sent > 0 and self._world.now - self._storing >= min(5.0, self._seconds / 8)
        fine = not known or slow or self._unstored or self._seconds < _ENOUGH_SECONDS
        assert fine, f"{sorted(known)[:5]} come again, though the queue stores everything"

    def _check_stored(self, what: str, bodies: list[str]) -> None:
        self._storing = min(self._storing, self._world.now)
        self._sent += {"sent": 1, "stored": -1}.get(what, 0)
        self._unstored += len(bodies) if what == "not stored" else 0
        for body in bodies:
            ticket = ticket_of(body)
            assert ticket is not None, f"stored, and no ticket: {body[:300]}"
            is_large = '"a large plan' in body
            self._note_part(ticket, is_whole=is_large)
            if is_large:
                # It is sent at once if it is not stored, and perhaps stored again after that.
                self._is_large = True
            elif ticket.batch and ticket.ids.isdisjoint(self._left) and not self._has_waiting:
                self._check_coming_again(what, ticket)

    def _note_part(self, ticket: Ticket, *, is_whole: bool) -> None:
        paths, cloudfront = sorted(path for _, path in ticket.batch), self._aws.cloudfront
        if is_whole:  # a plan of its own, which happens to have the paths of a part
            cloudfront.wholes.add(ticket.reference)
            cloudfront.parts.discard(ticket.reference)
            return
        # What was never sent may be mixed, and a whole batch may have the paths of a part by chance.
        is_new = ticket.reference in cloudfront.references and ticket.reference not in self._brought | self._called
        if is_new and ticket.reference not in cloudfront.wholes:
            wholes = (whole for id_ in ticket.ids for whole in self._invalid.get(id_, []))
            if any(_is_slice(paths, whole) for whole in wholes):
                cloudfront.parts.add(ticket.reference)

    def _check_coming_again(self, what: str, ticket: Ticket) -> None:
        """Check that nothing is stored whose messages come again, because other tickets of them are not stored."""
        if what == "not stored":
            self._lost.update(ticket.keys)
        elif what == "sent":
            assert not self._lost.issuperset(ticket.keys), f"stored, though it comes again: {sorted(ticket.batch)[:5]}"


def _is_slice(part: list[str], whole: list[str]) -> bool:
    """Return true if a part was cut out of the sorted paths of a batch, as halves are."""
    start = bisect_left(whole, part[0]) if part else 0
    return 0 < len(part) < len(whole) and whole[start : start + len(part)] == part


def _is_cleared_for(place: Place, places: set[Place]) -> bool:
    """Return true if a path, or a wildcard for one object or for many, clears one of these places."""
    id_, path = place
    if not {place, (id_, path.removesuffix("*")), (id_, path.removesuffix("?*"))}.isdisjoint(places):
        return True
    return path.endswith("*") and any(other == id_ and below.startswith(path[:-1]) for other, below in places)
