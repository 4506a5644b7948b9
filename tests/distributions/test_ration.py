"""Laws of rationing: what is left waits for each distribution, and something is always planned."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.distributions import ration as module
from invalidator.distributions.concerned import Concerned
from invalidator.distributions.ration import ration
from invalidator.events.decode import decode
from invalidator.model import Distribution, DistributionId, HeldChanges, ObjectChange, ObjectKey
from invalidator.urls.rules import parse
from invalidator.urls.viewers import View
from tests.doubles import strategies as make

VIEW = View(rules=parse('[{"match": "^(.*)/(.*)[.]html$", "also": ["/$2"]}]', "RULES"), exclude=("excluded/*",))
E1, E2 = DistributionId("E1"), DistributionId("E2")
NOTHING = decode(make.sqs(), "request")

changes = st.builds(
    lambda key, times, identity: ObjectChange("origin", ObjectKey(key * times), f"{identity}"),
    st.sampled_from(["/", "a", "excluded/"]),
    st.integers(1, 100),
    st.integers(0, 3),
)
lists = st.lists(changes, max_size=5)


@given(lists, lists, lists, st.booleans(), st.integers(0, 100_000))
def test_each_change_is_planned_or_waits(
    new: list[ObjectChange], one: list[ObjectChange], other: list[ObjectChange], takes_new: bool, steps: int
) -> None:
    held = [HeldChanges((E1,), tuple(some), 2) for some in (one, other)]
    known = [Distribution(E1, held=tuple(held)), Distribution(E2, held=(held[0],), takes_new=takes_new)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_MAX_STEPS", steps)
        kept, concerned = ration(new, Concerned(NOTHING, known, [], []), VIEW)
    waiting = {unknown.id: unknown.held for unknown in concerned.unknown}
    late = {change for tickets in waiting.values() for ticket in tickets for change in ticket.changes}
    everything = [*new, *one, *other]
    assert not everything or set(everything) - late
    assert not any(change.key.startswith("excluded/") for change in late)
    for distribution, before in zip(concerned.known, known, strict=True):
        expected = [(held.attempts, set(held.changes)) for held in before.held]
        expected = [*([(0, set(new))] if before.takes_new else []), *expected]
        now = [(0, set(kept))] if before.takes_new else []
        now += [(held.attempts, set(held.changes)) for held in distribution.held]
        left = [(held.attempts, set(held.changes)) for held in waiting.get(distribution.id, ())]
        for attempts in (0, 2):
            assert union(now, attempts) | union(left, attempts) == union(expected, attempts)
            assert not union(now, attempts) & union(left, attempts)
    shared = [set(map(id, distribution.held)) for distribution in concerned.known]
    assert shared[1] <= shared[0]  # what is planned once is not planned for each distribution


def union(tickets: list[tuple[int, set[ObjectChange]]], attempts: int) -> set[ObjectChange]:
    return {change for of, some in tickets if of == attempts for change in some}


def test_without_much_to_do_everything_is_left_as_it_is() -> None:
    new = [ObjectChange("origin", ObjectKey(f"a/{number}.html"), f"{number}") for number in range(10_000)]
    concerned = Concerned(NOTHING, [Distribution(E1)], [], [])
    for view in (VIEW, replace(VIEW, rules=())):
        kept, same = ration(new, concerned, view)
        assert kept is new
        assert same is concerned


def test_the_longest_keys_wait_first() -> None:
    new = [ObjectChange("origin", ObjectKey("/" * (1_024 - number % 3)), f"{number}") for number in range(600)]
    kept, _ = ration(new, Concerned(NOTHING, [Distribution(E1)], [], []), VIEW)
    assert 400 < len(kept) < 600
    assert {change for change in new if len(change.key) < 1_024} <= set(kept)
