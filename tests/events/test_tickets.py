"""Laws of tickets: what is written is read again, fits into a message, and nothing else is taken for one."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.delivery.pacing import is_hopeless
from invalidator.errors import EventError, ThrottledError
from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.events.tickets import Ticket
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_MESSAGE_BYTES
from invalidator.model import Batch, DistributionId
from tests.doubles import strategies as make
from tests.doubles.strategies import Change, Json, simple_plan

# Each example takes a plan to make it.
quickly = make.times(0.5)


def batches_of(*changes: Change) -> tuple[Batch, ...]:
    return simple_plan(decode(make.s3(*changes)).changes, [DistributionId("E1A2B3C4D5E6F7")], "index.html").batches


deploys = st.lists(make.changes, min_size=1, max_size=4)
batches = st.builds(
    lambda deploy, attempts, apart, crowded, repeat: replace(
        batches_of(*deploy)[0], attempts=attempts, apart=apart, crowded=crowded, repeat=repeat
    ),
    deploys,
    st.integers(0, 10),
    st.booleans(),
    st.integers(0, 32),
    st.booleans(),
)


def written(batch: Batch, why: str = "Throttling: Rate exceeded") -> Json:
    document: Json = json.loads(tickets.write(Ticket(batch, why)))
    return document


@quickly
@given(batches, st.text(max_size=600), st.sampled_from(["", "0123456789abcdef"]))
def test_what_is_written_is_read_again(batch: Batch, why: str, stack: str) -> None:
    document = json.loads(tickets.write(Ticket(batch, why, stack)))
    read, why_again, stack_again = tickets.read(document, "m7")
    assert (stack_again, "stack" in document) == (stack, bool(stack))
    assert (read.distribution, read.caller_reference, read.attempts, read.apart, read.crowded, read.since) == (
        batch.distribution,
        batch.caller_reference,
        batch.attempts,
        batch.apart,
        batch.crowded,
        batch.since,
    )
    assert [(item.path, cause.relation, cause.source.key) for item in read.items for cause in item.causes] == [
        (item.path, item.causes[0].relation, item.causes[0].source.key) for item in batch.items
    ]
    assert read.message_ids == {"m7"}
    assert (read.repeat, "repeat" in document) == (batch.repeat, batch.repeat)
    assert why_again == why[:500]


@quickly
@given(batches, st.text(max_size=600))
def test_a_ticket_is_json_in_ascii_and_says_what_it_is(batch: Batch, why: str) -> None:
    text = tickets.write(Ticket(batch, why))
    assert text.isascii()
    assert json.loads(text)["type"] == "invalidator ticket"


@quickly
@given(batches)
def test_a_ticket_that_is_read_and_written_again_is_the_same(batch: Batch) -> None:
    assert written(tickets.read(written(batch), "m1").batch) == written(batch)


@quickly
@given(batches)
def test_one_that_is_delivered_again_is_apart_and_else_the_same(batch: Batch) -> None:
    once, again = (tickets.read(written(batch), "m1", redelivered=redelivered).batch for redelivered in (False, True))
    assert once.apart == batch.apart
    assert again == replace(once, apart=True)


def test_it_is_known_since_when_the_first_of_its_objects_waits() -> None:
    times = ["2026-11-20T09:30:14Z", "2026-11-20T09:30:12Z", "2026-11-20T09:30:13Z"]
    records = [make.s3_record(Change(f"{n}", sequencer=f"{n}")) | {"eventTime": time} for n, time in enumerate(times)]
    (batch,) = simple_plan(decode({"Records": records}).changes, [DistributionId("E1")], "").batches
    assert tickets.read(written(batch)).batch.since == "2026-11-20T09:30:12Z"
    (unknown,) = simple_plan(decode(BARE).changes, [DistributionId("E1")], "").batches
    assert tickets.read(written(unknown)).batch.since == ""


BARE = {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a"}}}]}


# --- what fits into a message ---------------------------------------------------------------------------


def assert_all_fit(batches: tuple[Batch, ...]) -> None:
    for batch in batches:
        worst = Ticket(replace(batch, attempts=11, distribution=DistributionId("E" * 32)), "\0" * 600)
        assert len(tickets.write(worst).encode()) <= MAX_MESSAGE_BYTES
        assert len(batch.items) <= MAX_ITEMS_PER_CALL


@quickly
@given(batches)
def test_the_size_of_an_item_is_hardly_more_than_what_it_takes(batch: Batch) -> None:
    alone = replace(batch, items=())
    taken = len(tickets.write(Ticket(batch, ""))) - len(tickets.write(Ticket(alone, "")))
    # A time that is known is not known without items.
    taken -= len(batch.since)
    allowed = sum(tickets.sizes(batch.items))
    longest = max(len(cause.relation) for item in batch.items for cause in item.causes) + 6 * 1_024
    assert taken <= allowed <= taken + 2 * len(batch.items) + longest * sum(len(i.causes) > 1 for i in batch.items)


@pytest.mark.parametrize("filling", ["x", "\0", "é", "🌹", '"', "\\", "\x7f", " ", "+", "a b+c*"])
def test_every_batch_of_the_longest_keys_fits_into_one_message(filling: str) -> None:
    index = "/index.html"  # a path more of each, or three
    room = (1_024 - 4 - len(index)) // len(filling.encode())
    keys = [f"{number:04}{filling * room}{index}" for number in range(400)]
    assert len(keys[0].encode()) > 1_000
    made = batches_of(*map(Change, keys))
    assert_all_fit(made)
    assert {cause.source.key for batch in made for item in batch.items for cause in item.causes} == set(keys)
    # As few as that: no two neighbours would have fitted into one.
    for one, other in pairwise(made):
        together = sum(tickets.sizes((*one.items, other.items[0])))
        assert together > tickets.MAX_BYTES or len(one.items) == MAX_ITEMS_PER_CALL


@make.times(0.15)
@given(st.lists(make.keys, min_size=1, max_size=3), st.integers(1, 200))
def test_every_batch_of_any_keys_fits_into_one_message(keys: list[str], times: int) -> None:
    longer = {key * (1_024 // len(key.encode())) for key in keys}
    many = {f"{n}{key}"[:1_000] for key in longer for n in range(times)}
    assert_all_fit(batches_of(*(Change(key) for key in many if len(key.encode()) <= 1_024)))


def test_a_time_of_any_length_leaves_a_ticket_short() -> None:
    record = make.s3_record(Change("a")) | {"eventTime": "9" * 1_024}
    (batch,) = simple_plan(decode({"Records": [record]}).changes, [DistributionId("E1")], "").batches
    assert len(tickets.write(Ticket(batch, ""))) < 500
    assert tickets.read(written(batch)).batch.since == "9" * 40


def test_a_reason_of_any_length_leaves_a_ticket_short() -> None:
    (batch,) = batches_of(Change("a"))
    assert len(tickets.write(Ticket(batch, "\0" * MAX_MESSAGE_BYTES))) < 6 * 500 + 500


# --- what is no ticket ----------------------------------------------------------------------------------

(EXAMPLE,) = batches_of(Change("a b/index.html"), Change("c"))
FIELDS = ["distribution", "caller_reference", "attempts", "apart", "since", "why", "items"]


def refused(document: Any) -> bool:
    try:
        tickets.read(document, "m1")
    except EventError:
        return True
    return False


@pytest.mark.parametrize("field", FIELDS)
def test_a_ticket_without_one_of_its_fields_is_refused(field: str) -> None:
    document = written(EXAMPLE)
    del document[field]
    with pytest.raises(EventError, match="a ticket that this program did not write"):
        tickets.read(document)


@given(st.sampled_from(["caller_reference", "attempts", "items"]), make.json_values)
def test_junk_in_what_a_call_depends_on_is_refused(field: str, junk: Any) -> None:
    valid = field == "attempts" and type(junk) is int and 0 <= junk <= 10
    assert refused(written(EXAMPLE) | {field: junk}) != valid


@given(st.sampled_from(["distribution", "apart", "since", "why"]), make.json_values)
def test_junk_elsewhere_is_refused_or_does_no_harm(field: str, junk: Any) -> None:
    if refused(written(EXAMPLE) | {field: junk}):
        assert field == "distribution" or not isinstance(junk, str) or len(junk) > 40
        return
    read = tickets.read(written(EXAMPLE) | {field: junk}, "m1")
    assert read.batch.items == tickets.read(written(EXAMPLE), "m1").batch.items or field == "since"
    again = json.loads(tickets.write(read))
    assert tickets.read(again, "m1") == read


@pytest.mark.parametrize("id_", ["", "\ud800", "E 1", "é", "E1\n", "x" * 81])
def test_a_ticket_for_what_can_be_no_distribution_is_refused(id_: str) -> None:
    assert refused(written(EXAMPLE) | {"distribution": id_})


@given(st.text(), make.json_values)
def test_fields_of_another_version_are_ignored(name: str, value: Any) -> None:
    document = written(EXAMPLE)
    assert tickets.read({name: value} | document, "m1") == tickets.read(document, "m1")


def test_a_ticket_is_written_as_it_always_was() -> None:
    sample = json.loads((Path(__file__).parents[2] / "events" / "sqs-ticket.json").read_text())
    for record in sample["Records"]:
        document = json.loads(record["body"])
        assert json.loads(tickets.write(tickets.read(document))) == document


@example({"/path": 0, "object": 0, "key": 0})
@example("/ok")
@given(make.json_values)
def test_junk_in_place_of_an_item_is_refused(junk: Any) -> None:
    document = written(EXAMPLE)
    assert refused(document | {"items": [*document["items"], junk]})


@given(make.json_values)
def test_junk_in_place_of_a_path_is_refused(junk: Any) -> None:
    document = written(EXAMPLE)
    assert refused(document | {"items": [*document["items"], [junk, "object", "k"]]})


@given(make.json_values, make.json_values)
def test_junk_in_place_of_a_cause_is_refused_or_text(relation: Any, key: Any) -> None:
    document = written(EXAMPLE) | {"items": [["/k", relation, key]]}
    if refused(document):
        assert not (isinstance(relation, str) and isinstance(key, str)) or max(len(relation), len(key)) > 1_000
        return
    read = tickets.read(document, "m1")
    assert len(tickets.write(read).encode()) <= MAX_MESSAGE_BYTES
    assert [item.path for item in read.batch.items] == ["/k"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "k",
        "/a b",
        "/~a",
        "/é",
        "/a*b",
        "/a**",
        "/%zz",
        "/%2f",
        "/a\n",
        "/a?b c",
        "#",
        "#a,b",
        "#a*",
        "/" + "a" * 4_000,
        "*",
        "\ud800",
    ],
)
def test_a_path_that_cloudfront_would_not_take_is_refused(path: str) -> None:
    assert refused(written(EXAMPLE) | {"items": [[path, "object", "k"]]})


def items(count: int, form: str = "/{}") -> list[list[str]]:
    return [[form.format(number), "object", f"{number}"] for number in range(count)]


@pytest.mark.parametrize(
    ("many", "valid"),
    [
        ([], False),
        (items(1), True),
        (items(1) * 2, False),
        (items(3_000), True),
        (items(3_001), False),
        (items(15, "/{}*"), True),
        (items(16, "/{}*"), False),
        (items(2_985) + items(15, "/w{}*"), True),
        (items(2_986) + items(15, "/w{}*"), False),
        ([["/a", "object", "k" * MAX_MESSAGE_BYTES]], False),
        ([["/a", "o" * MAX_MESSAGE_BYTES, "k"]], False),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else None,
)
def test_a_ticket_holds_no_more_than_one_call_and_one_message_carry(many: list[list[str]], valid: bool) -> None:
    assert refused(written(EXAMPLE) | {"items": many}) != valid


@pytest.mark.parametrize(
    "reference", ["invalidator-", "INVALIDATOR-" + "0" * 32, "invalidator-" + "0" * 33, "x", "invalidator-" + "g" * 32]
)
def test_a_reference_that_is_not_ours_is_refused(reference: str) -> None:
    assert refused(written(EXAMPLE) | {"caller_reference": reference})


@quickly
@given(batches)
def test_a_ticket_that_was_given_up_can_be_sent_back_as_often_as_it_takes(batch: Batch) -> None:
    for _ in range(15):
        batch = replace(batch, attempts=batch.attempts + 1)
        batch = tickets.read(written(batch), "m1").batch
    assert is_hopeless(batch, ThrottledError())


def test_whatever_stands_in_tickets_is_cut_to_what_one_message_can_hold() -> None:
    many = [[f"/{number}", "🌹" * 35, f"{number}"] for number in range(3_000)]
    halves = [tickets.read(written(EXAMPLE) | {"items": part}).batch for part in (many[:1_500], many[1_500:])]
    made = simple_plan([], [halves[0].distribution], "", halves).batches
    assert len(made) > 1
    assert all(len(tickets.write(Ticket(batch, "why"))) <= MAX_MESSAGE_BYTES for batch in made)
