"""Laws of the plan: it covers what changed, nothing else, and depends on nothing but the changes."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.events import decode
from invalidator.limits import MAX_ITEMS_PER_CALL
from invalidator.model import DistributionId, Plan
from invalidator.planner import make_plan
from tests import strategies as make
from tests.doubles import keys_of
from tests.strategies import Change

E1, E2 = DistributionId("E1"), DistributionId("E2")
deploys = st.lists(make.changes, min_size=1, max_size=12)


def plan_of(event: Any, index_document: str = "index.html") -> Plan:
    return make_plan(decode(event).changes, [E1, E2], index_document)


def contents(plan: Plan) -> list[tuple[str, str, list[str], list[str]]]:
    """All of a plan that anyone can see."""
    return [
        (batch.distribution, batch.caller_reference, [i.path for i in batch.items], [i.reason for i in batch.items])
        for batch in plan.batches
    ]


def references(plan: Plan) -> set[str]:
    return {batch.caller_reference for batch in plan.batches}


@given(deploys)
def test_every_changed_object_is_covered_on_every_distribution(deploy: list[Change]) -> None:
    plan = plan_of(make.s3(*deploy))
    for distribution in (E1, E2):
        paths = [i.path for batch in plan.batches if batch.distribution == distribution for i in batch.items]
        covered = {key for path in paths for key in keys_of(path)}
        assert {change.key.encode() for change in deploy} <= covered


@given(deploys)
def test_nothing_but_changed_objects_and_the_directories_of_index_documents_is_covered(deploy: list[Change]) -> None:
    keys = {change.key for change in deploy}
    directories = {key.removesuffix("index.html") for key in keys if ("/" + key).endswith("/index.html")}
    for batch in plan_of(make.s3(*deploy)).batches:
        for item in batch.items:
            assert keys_of(item.path) & {key.encode() for key in keys | directories}


@given(deploys, st.data())
def test_neither_the_order_of_records_nor_their_duplicates_change_anything(deploy: list[Change], data: Any) -> None:
    again = data.draw(st.lists(st.sampled_from(deploy), max_size=5))
    shuffled = data.draw(st.permutations(deploy + again))
    assert contents(plan_of(make.s3(*deploy))) == contents(plan_of(make.s3(*shuffled)))


@given(deploys, make.routes)
def test_the_same_changes_make_the_same_references_by_whatever_way_they_come(deploy: list[Change], route: str) -> None:
    events = [make.ROUTES[route](change) for change in deploy]
    event = {"Records": [record for event in events for record in event.get("Records", [event])]}
    assert references(plan_of(event)) == references(plan_of(make.s3(*deploy)))


@given(deploys, st.data())
def test_a_new_sequencer_makes_new_references(deploy: list[Change], data: Any) -> None:
    one = data.draw(st.sampled_from(deploy))
    later = replace(one, sequencer=data.draw(make.sequencers.filter(lambda text: text != one.sequencer)))
    edited = [later if change == one else change for change in deploy]
    before, after = plan_of(make.s3(*deploy)), plan_of(make.s3(*edited))
    assert not references(before) & references(after)


def test_other_paths_for_the_same_changes_make_other_references() -> None:
    event = make.s3(Change("a/index.html"))
    assert not references(plan_of(event)) & references(plan_of(event, ""))


@given(deploys)
def test_a_reference_is_128_bits_and_says_whose_it_is(deploy: list[Change]) -> None:
    for reference in references(plan_of(make.s3(*deploy))):
        assert re.fullmatch(r"invalidator-[0-9a-f]{32}", reference)


@given(deploys)
def test_no_two_batches_have_the_same_reference(deploy: list[Change]) -> None:
    plan = plan_of(make.s3(*deploy))
    assert len(references(plan)) == plan.calls


@given(deploys)
def test_a_batch_has_no_duplicate_and_knows_the_messages_behind_it(deploy: list[Change]) -> None:
    plan = plan_of(make.sqs(*[make.s3(change) for change in deploy]))
    for batch in plan.batches:
        paths = [item.path for item in batch.items]
        assert len(set(paths)) == len(paths)
        assert batch.message_ids == {f"m{number}" for number in range(len(deploy))}


@pytest.mark.parametrize("objects", [0, 1, 2_999, 3_000, 3_001, 6_000, 7_500])
def test_a_distribution_gets_as_few_calls_as_carry_its_items(objects: int) -> None:
    plan = plan_of(make.s3(*[Change(f"a{number}") for number in range(objects)]))
    assert plan.calls == 2 * -(-objects // MAX_ITEMS_PER_CALL)
    assert plan.paths == 2 * objects
    assert all(1 <= len(batch.items) <= MAX_ITEMS_PER_CALL for batch in plan.batches)


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("index.html", {"/index.html", "/"}),
        ("a/index.html", {"/a/index.html", "/a/"}),
        ("a b/index.html", {"/a%20b/index.html", "/a+b/index.html", "/a%20b/", "/a+b/"}),
        ("reindex.html", {"/reindex.html"}),
        ("my.index.html", {"/my.index.html"}),
        ("a/reindex.html", {"/a/reindex.html"}),
        ("index.html/a", {"/index.html/a"}),
        ("a/", {"/a/"}),
        ("/index.html", {"//index.html", "//"}),
    ],
)
def test_an_index_document_also_clears_its_directory(key: str, paths: set[str]) -> None:
    (batch, _) = plan_of(make.s3(Change(key))).batches
    assert {item.path for item in batch.items} == paths


def test_without_an_index_document_a_directory_is_never_cleared() -> None:
    (batch, _) = plan_of(make.s3(Change("a/index.html")), "").batches
    assert [item.path for item in batch.items] == ["/a/index.html"]


def test_an_index_document_of_another_name() -> None:
    (batch, _) = plan_of(make.s3(Change("a/my home.htm"), Change("b/index.html")), "my home.htm").batches
    assert {item.path for item in batch.items} == {"/a/my%20home.htm", "/a/my+home.htm", "/a/", "/b/index.html"}


def test_every_item_has_its_reason() -> None:
    (batch, _) = plan_of(make.s3(Change("a b/index.html"), Change("a b/"))).batches
    assert {item.path: item.reason for item in batch.items} == {
        "/a%20b/": "directory of index document 'a b/index.html'; object 'a b/'",
        "/a%20b/index.html": "object 'a b/index.html'",
        "/a+b/": "directory of index document 'a b/index.html'; other spelling of object 'a b/'",
        "/a+b/index.html": "other spelling of object 'a b/index.html'",
    }
