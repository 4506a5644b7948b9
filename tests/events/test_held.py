"""Laws of tickets of changes: what is written is read again, fits into messages, and nothing else is taken for one."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import EventError
from invalidator.events.decode import decode
from invalidator.events.held import read_held, write_held
from invalidator.limits import MAX_MESSAGE_BYTES
from invalidator.model import DistributionId, HeldChanges
from tests.doubles import strategies as make
from tests.doubles.strategies import Change

ids = st.lists(st.sampled_from(["E1", "E2", "dt_1", "discover"]), min_size=1, max_size=4, unique=True)
helds = st.builds(
    lambda changes, names, attempts, why, listed: HeldChanges(
        tuple(map(DistributionId, names)),
        tuple(decode(make.s3(*changes)).changes),
        attempts,
        why,
        tuple(map(DistributionId, listed)),
    ),
    st.lists(make.changes, min_size=1, max_size=5),
    ids,
    st.integers(0, 10),
    st.text(max_size=500),
    st.lists(st.sampled_from(["E1", "E2"]), max_size=2, unique=True),
)


def fields(held: HeldChanges) -> tuple[Any, ...]:
    return (
        held.distributions,
        held.attempts,
        held.why,
        held.listed,
        [change._replace(message_id=None) for change in held.changes],
    )


@given(helds)
def test_what_is_written_is_read_again_through_the_queue(held: HeldChanges) -> None:
    ((body, changes),) = write_held(held)
    assert changes == held.changes
    assert body.isascii()
    decoded = decode(make.sqs(body))
    (again,) = decoded.held
    assert fields(again) == fields(held)
    assert {change.message_id for change in again.changes} == {"m0"}
    assert (decoded.changes, decoded.tickets, decoded.refusals) == ([], [], [])
    assert json.loads(body)["since"] == held.since


@given(st.lists(st.integers(1, 1_024), min_size=1, max_size=30), st.integers(1, 300))
def test_more_changes_than_a_message_holds_take_several(lengths: list[int], times: int) -> None:
    changes = decode(
        make.s3(*(Change("x" * size, f"{number:X}") for number in range(times) for size in lengths))
    ).changes
    parts = list(write_held(HeldChanges((DistributionId("E1"),), tuple(changes), 1, "Throttling")))
    assert [change for _, some in parts for change in some] == changes
    assert all(len(body) <= MAX_MESSAGE_BYTES for body, _ in parts)
    for body, some in parts:
        assert read_held(json.loads(body)).changes == some
    sizes = [len(body) for body, _ in parts]
    assert all(first + second > MAX_MESSAGE_BYTES for first, second in pairwise(sizes))


GOOD: dict[str, Any] = {
    "type": "invalidator ticket",
    "version": 2,
    "distributions": ["E1"],
    "attempts": 1,
    "since": "",
    "why": "",
    "changes": [["origin", "a", "sequencer 1", "", ""]],
}


ODD: dict[str, list[Any]] = {
    "version": [None, 0, 1, 3, "2", [], True],
    "distributions": [None, [], "E1", [1], [""], ["E" * 81], {"E1": 1}],
    "attempts": [-1, 11, True, "1", None],
    "listed": [None, "E1", [1], [""], {"E1": 1}],
    "changes": [
        *(None, [], "a", [[]], [["origin", "a"]], [{"a": 1}], [None]),
        [["origin", "", "1", "", ""]],
        [["", "a", "1", "", ""]],
        [["origin", "a", "", "", ""]],
        [["origin", "x" * 1_025, "1", "", ""]],
        [["origin", "a", 1, "", ""]],
        [["origin", "a", "1", "", "", ""]],
    ],
}


@pytest.mark.parametrize("odd", [{name: value} for name, values in ODD.items() for value in values])
def test_what_is_no_ticket_of_changes_is_refused_and_stops_no_other(odd: dict[str, Any]) -> None:
    assert len(decode(make.sqs(GOOD)).held) == 1
    decoded = decode(make.sqs(GOOD | odd, GOOD, make.s3(Change("b"))))
    assert (len(decoded.held), len(decoded.changes)) == (1, 1)
    assert [refusal.message_id for refusal in decoded.refusals] == ["m0"]


@pytest.mark.parametrize("name", ["version", "distributions", "attempts", "why", "changes"])
def test_a_ticket_of_changes_without_a_field_is_refused(name: str) -> None:
    with pytest.raises(EventError):
        read_held({field: value for field, value in GOOD.items() if field != name})


@pytest.mark.parametrize("id_", ["", "\ud800", "E 1", "é", "E1\n", "x" * 81, 7, None])
def test_what_can_be_no_id_is_refused(id_: Any) -> None:
    with pytest.raises(EventError):
        read_held(GOOD | {"distributions": [id_]})


def test_a_later_version_is_told_to_update() -> None:
    for version, words in ((4, "version 4"), ("x" * 100, "a version"), ([[]], "a version")):
        with pytest.raises(EventError, match=f"a ticket of {words} that this program does not know: update it"):
            read_held(GOOD | {"version": version})
