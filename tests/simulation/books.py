"""The books of a world: what was notified, stored, accepted and billed; and the laws that they have to keep."""

from collections import Counter, defaultdict
from collections.abc import Collection
from math import inf

from tests.simulation.cloudfront import CloudFront, clearing
from tests.simulation.messages import EVERY, Ticket, places_of, ticket_of
from tests.simulation.sites import Place, Sites
from tests.simulation.sqs import Message, Queue
from tests.simulation.world import World

_SECONDS_OF_TRIES = 420.0
"""Fewest seconds for which a change is tried before it is given up."""
_MOST_SECONDS = 600.0
"""Within so many seconds everything is accepted where only others' uploads and invalidations are in the way."""
_MOST_ATTEMPTS, _MOST_CROWDED = 10, 32
_HOLDING_SECONDS = 120.0
"""Within so many seconds an invocation stores what it holds."""
_REFUSALS = ("AccessDenied", "NoSuchDistribution", "ExpiredToken")
_MOST_STORED = 60
"""Tickets of the same batch that is refused: five, and more where it is delivered twice. A failing queue makes many."""
_MOST_SECONDS_REFUSED = 6 * 3_600.0
"""Seconds from the first ticket of such a batch to its last: five receipts of each of five tickets, and of the one that
it is a part of. The copies that a failing queue makes end by then, too: each call for them is an attempt, since what
refuses never says instead that it is full."""


class Books:
    """Records everything, and checks each acknowledgement and each bill.

    ``keys`` are the objects behind the places, and ``hopeless`` the paths refused as invalid. No change is held for the
    rest of its burst after ``longest_hold`` seconds. The queue ``is_sure`` if it stores everything and says so. What is
    accepted is cleared again after ``repeat_after`` seconds; 0: it is not.
    ``doubled`` counts the paths that were billed twice because an invocation was killed between storing and answering.
    """

    def __init__(self, world: World, cloudfront: CloudFront, queue: Queue, sites: Sites) -> None:
        self._world, self._cloudfront, self._sites = world, cloudfront, sites
        self.keys: dict[Place, str] = {}
        self.hopeless: set[str] = set()
        self.longest_hold, self.is_sure, self.repeat_after = 0, True, 0
        self.once_invalid: set[str] = set()
        self.tickets = self.doubled = 0
        self._changed_at: dict[str, float] = {}  # by message id
        self._uploaded_at: dict[str, float] = {}  # by key
        self._stored_as: dict[str, list[Place]] = {}  # the places of a ticket, as the settings were when it was stored
        self._waiting: Counter[Place] = Counter()  # in tickets
        self._given_up: Counter[Place] = Counter()  # in dead letters
        self._acknowledged: dict[Place, tuple[float, float]] = {}  # the newest change, and when it was acknowledged
        self._copied: set[tuple[str, str]] = set()  # references of batches of which the queue may have two tickets
        self._second: Counter[Place] = Counter()  # in tickets and dead letters of second clearings
        self._cleared_at: tuple[dict[Place, float], dict[Place, float]] = {}, {}  # for the first time, and the second
        self._may_bill: Counter[Place] = Counter()
        self._billed_at: dict[Place, list[float]] = defaultdict(list)
        self._cut: dict[Place, float] = {}
        self._caught_up: set[str] = set()  # tickets that tell of changes for the first time, as notifications do
        self._refused_since: dict[tuple[str, str], float] = {}
        self._refused: Counter[tuple[str, str]] = Counter()  # tickets that a person has to do something for
        self._awaited: dict[Place, float] = {}
        queue.storing.append(self._store)
        queue.burying.append(self._bury)
        queue.unanswered.append(self._store_unknown)
        queue.deleting.append(self._acknowledge)
        cloudfront.accepting.append(self._bill)

    # --- what is noted ----------------------------------------------------------------------------------

    def upload(self, key: str) -> None:
        """Note that an object changes now."""
        self._uploaded_at[key] = self._world.now

    def notify(self, message_id: str, changed_at: float) -> None:
        """Note which message tells of a change."""
        self._changed_at[message_id] = changed_at

    def wait_for(self, notification: str) -> None:
        """Expect everything that a notification concerns to be accepted soon."""
        for place in places_of(notification, self._sites):
            self._awaited.setdefault(place, self._world.now)

    def deliver(self, messages: list[Message]) -> None:
        """Count the deliveries that may be billed.

        Each of a notification is, and of a ticket by which a check caught up. Of another ticket, the first is not, and
        another one only if the ticket was not accepted under its own reference: it may have been merged with other
        work then.
        """
        for message in messages:
            ticket, is_news = ticket_of(message.body), message.body in self._caught_up
            again = message.received > 1 and ticket is not None and ticket.reference not in self._cloudfront.known
            if ticket is None or is_news or again:
                self._may_bill.update(places_of(message.body, self._sites))

    def catch_up(self, body: str) -> None:
        """Note that a check stores this ticket of what nobody had heard of."""
        self._caught_up.add(body)

    def cut(self, since: float) -> None:
        """Note that an invocation, begun at ``since``, was killed when everything was accepted or stored."""
        accepted = self._cloudfront.accepted_at
        self._cut |= {place: self._world.now for place, at in accepted.items() if at >= since}

    def leave(self, accepted: set[Place]) -> None:
        """Note what an invocation accepted that was cut off: its messages come again, and may be planned anew."""
        for place in accepted:
            self._cleared_at[0].pop(place, None)

    def redrive(self, letters: list[Message]) -> None:
        """Note that all dead letters are on the queue again.

        As such, a ticket does not tell that it was delivered before, and may have been accepted.
        """
        for letter in letters:
            if letter.received > 1 and ticket_of(letter.body):
                self._may_bill.update(places_of(letter.body, self._sites))
        self._waiting.update(self._given_up)
        self._given_up.clear()

    def _store(self, body: str) -> None:
        ticket = ticket_of(body)
        if ticket is not None:
            assert ticket.attempts <= _MOST_ATTEMPTS, f"{ticket.attempts} attempts: {body[:300]}"
            assert ticket.crowded <= _MOST_CROWDED, f"{ticket.crowded} times without room: {body[:300]}"
            held = self._world.now - ticket.held_since
            assert held <= self.longest_hold + _HOLDING_SECONDS, f"held for {held:.0f} seconds: {body[:300]}"
            self.tickets += 1
            if ticket.reference in self._copied and not ticket.is_fixed:
                # It found no room twice and goes under new references, whatever the other ticket of it did.
                self._may_bill.update(ticket.batch)
            if ticket.batch and ticket.why.startswith(_REFUSALS):
                self._refused[ticket.reference] += 1
                since = self._refused_since.setdefault(ticket.reference, self._world.now)
                most = _MOST_STORED if self.is_sure else inf
                assert self._refused[ticket.reference] <= most, f"tried again and again: {body[:300]}"
                assert self._world.now - since <= _MOST_SECONDS_REFUSED, f"tried for hours: {body[:300]}"
            (self._second if ticket.is_repeat else self._waiting).update(self._places_of(body, ticket))

    def _places_of(self, body: str, ticket: Ticket) -> list[Place]:
        return self._stored_as.setdefault(body, ticket.places(self._sites))

    def _store_unknown(self, bodies: list[str]) -> None:
        """Note what was stored unknown to the function. What gathers counts as a delivery: it may be sent as well."""
        for body in bodies:
            ticket = ticket_of(body)
            if ticket is not None and ticket.distributions == (EVERY,):
                self._may_bill.update(ticket.places(self._sites))
            elif ticket is not None and ticket.is_fixed:
                self._copied.add(ticket.reference)

    def _bury(self, body: str) -> None:
        ticket = ticket_of(body)
        assert ticket is not None, f"a dead letter that is no ticket: {body[:300]}"
        self.tickets += 1
        (self._second if ticket.is_repeat else self._given_up).update(self._places_of(body, ticket))

    def _bill(self, distribution: str, paths: list[str]) -> None:
        accepted = {(distribution, path) for path in paths}
        reference = self._cloudfront.double.accepted[-1].reference
        is_second = (distribution, reference) in self._cloudfront.seconds
        self._cleared_at[is_second].update(dict.fromkeys(accepted, self._world.now))
        if self.repeat_after and not is_second:
            self._may_bill.update(accepted)
        for place in accepted if self._cut else ():
            if place in self._cut and self._is_unchanged(place):
                self.doubled += 1
            self._cut.pop(place, None)
        for place in [place for place in self._awaited if not accepted.isdisjoint(clearing(place))]:
            seconds = self._world.now - self._awaited.pop(place)
            assert seconds <= _MOST_SECONDS, f"{place} was accepted after {seconds:.0f} seconds"

    def _is_unchanged(self, place: Place) -> bool:
        """Return true if the object behind a place has not changed since it was last accepted."""
        distribution, path = place
        key = self.keys.get(place) or self.keys.get((distribution, path.removesuffix("*").removesuffix("?")))
        return key is not None and self._uploaded_at.get(key, inf) < self._cloudfront.accepted_at[place]

    # --- what has to be true ----------------------------------------------------------------------------

    def _acknowledge(self, message: Message) -> None:
        """Check that all of a message was accepted after the change, or is stored elsewhere."""
        ticket, now = ticket_of(message.body), self._world.now
        places = places_of(message.body, self._sites)
        if ticket is None:
            changed_at = self._changed_at[message.id]
            for place in places:
                # The same change, told of again, has been tried since the first time.
                if changed_at > self._acknowledged.get(place, (-inf, 0.0))[0]:
                    self._acknowledged[place] = changed_at, now
        else:
            changed_at = ticket.since
            (self._second if ticket.is_repeat else self._waiting).subtract(self._places_of(message.body, ticket))
            if ticket.is_repeat:
                self._acknowledge_second(ticket)
                return
        for place in places:
            since = max(changed_at, self._acknowledged.get(place, (-inf, 0.0))[0])
            if not self._is_done(place, since):
                raise AssertionError(f"{place} of {message.id} was acknowledged, and neither accepted nor stored")

    def _acknowledge_second(self, ticket: Ticket) -> None:
        """Check that a second clearing was accepted, or is stored elsewhere."""
        accepted_at, is_known = self._cleared_at[1], ticket.reference in self._cloudfront.known
        for place in ticket.batch:
            fine = is_known or self._second[place] > 0 or accepted_at.get(place, -1.0) >= ticket.since
            assert fine, f"the second clearing of {place} was acknowledged, and neither accepted nor stored"

    def check_repeated(self, removed: Collection[str]) -> None:
        """Check that all that was accepted was accepted again later, and nothing where that is not set."""
        firsts, seconds = self._cleared_at
        assert self.repeat_after or not seconds, f"repeated: {sorted(seconds)[:5]}"
        for place, at in firsts.items() if self.repeat_after else ():
            again = max(seconds.get(item, -1.0) for item in clearing(place))
            fine = place[0] in removed or again >= at + self.repeat_after
            assert fine, f"{place} was accepted at {at:.0f}, and again at {again:.0f}"

    def _is_done(self, place: Place, since: float) -> bool:
        accepted_at = self._cloudfront.accepted_at
        if any(accepted_at.get(item, -1.0) >= since or self._waiting[item] > 0 for item in clearing(place)):
            return True
        given_up = any(self._given_up[item] > 0 for item in clearing(place))
        return given_up and self._may_be_given_up(place)

    def _may_be_given_up(self, place: Place) -> bool:
        """Return true if a place may be given up: an invalid path at once, all else after some time only."""
        if place[0] in self.once_invalid or self.is_hopeless(place):
            return True
        _, tried_since = self._acknowledged.get(place, (0.0, -inf))
        return self._world.now - tried_since >= _SECONDS_OF_TRIES

    def is_hopeless(self, place: Place) -> bool:
        """Return true if a path, with any query string, is refused as invalid."""
        path = place[1]
        return not self.hopeless.isdisjoint({path, path.partition("?")[0], path.removesuffix("*")})

    def check_promptness(self) -> None:
        """Check that nothing is waited for any more."""
        assert not self._awaited, f"never accepted: {sorted(self._awaited)[:5]}"

    def check_bill(self) -> None:
        """Check that each billed item has a delivery of its own of something that it clears.

        The numbers alone tell, because of two items that clear the same path, one clears everything the other does.
        """
        accepted = self._cloudfront.double.accepted
        billed = Counter((each.distribution, path) for each in accepted for path in each.paths)
        all_billed, may_bill = _below(billed, billed), _below(billed, self._may_bill)
        for place, times in all_billed.items():
            allowed = may_bill[place]
            assert times <= allowed, f"{place} was billed {times} times, and delivered {allowed} times"


def _below(items: Collection[Place], numbers: Counter[Place]) -> Counter[Place]:
    """Return the sum of the numbers of all items that each item clears, its own included."""
    if not any(path.endswith("*") for _, path in items):
        return numbers  # no wildcards, as in most worlds
    sums: Counter[Place] = Counter()
    for place, number in numbers.items():
        for item in clearing(place):
            if item in items:
                sums[item] += number
    return sums
