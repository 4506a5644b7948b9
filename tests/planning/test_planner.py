"""Laws of the plan: it covers what changed, nothing else, and depends on nothing but the changes."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import (
    UNKNOWN_SITE,
    Batch,
    Behavior,
    Cause,
    Distribution,
    DistributionId,
    ErrorPage,
    Item,
    Note,
    Origin,
    Plan,
    Site,
    UrlPath,
)
from invalidator.planning.batches import with_items, with_next_reference
from invalidator.planning.planner import make_plan, stale_items
from invalidator.urls.rules import parse
from invalidator.urls.viewers import NO_ORIGIN, OUTSIDE, View
from tests.doubles import strategies as make
from tests.doubles.cloudfront import keys_of
from tests.doubles.strategies import Change, simple_plan

E1, E2 = DistributionId("E1"), DistributionId("E2")
deploys = st.lists(make.changes, min_size=1, max_size=12)


def plan_of(event: Any, index_document: str = "index.html") -> Plan:
    return simple_plan(decode(event).changes, [E1, E2], index_document)


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
def test_only_changed_objects_and_directories_of_their_index_are_covered(deploy: list[Change]) -> None:
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


@given(deploys, st.sampled_from(make.NOTIFICATIONS))
def test_the_same_changes_make_the_same_references_by_any_route(deploy: list[Change], route: str) -> None:
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
    assert len(references(plan)) == plan.cost.calls


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
    assert plan.cost.calls == 2 * -(-objects // MAX_ITEMS_PER_CALL)
    assert plan.cost.paths == 2 * objects
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


def test_of_a_single_page_application_all_is_cleared_by_one_path() -> None:
    site = Site(
        (Behavior("*", (Origin("origin"),)),), "index.html", error_pages=(ErrorPage(UrlPath("/index.html"), 300),)
    )
    changes = decode(make.s3(Change("index.html"), Change("app.js"))).changes
    (batch,) = make_plan(changes, [Distribution(E1, site)], View()).batches
    (item,) = batch.items
    assert (item.path, item.wide) == ("/*", None)
    assert "error page, kept under each URL that failed, of 'index.html'" in item.reason


def test_every_item_has_its_reason() -> None:
    (batch, _) = plan_of(make.s3(Change("a b/index.html"), Change("a b/"))).batches
    assert {item.path: item.reason for item in batch.items} == {
        "/a%20b/": "directory of index document 'a b/index.html'; object 'a b/'",
        "/a%20b/index.html": "object 'a b/index.html'",
        "/a+b/": "directory of index document 'a b/index.html'; other spelling of object 'a b/'",
        "/a+b/index.html": "other spelling of object 'a b/index.html'",
    }


@pytest.mark.parametrize("filling", ["x", "\0", "🌹"])
def test_the_order_of_records_does_not_change_where_a_batch_is_cut(filling: str) -> None:
    # "+" is another spelling of one key and the usual one of the other: as a cause, they differ in length.
    long = filling * (1_000 // len(filling.encode()))
    keys = [f"{long}{number:03}{sign}" for number in range(200) for sign in " +"]
    forward, backward = (plan_of(make.s3(*map(Change, order))) for order in (keys, keys[::-1]))
    assert forward.cost.calls > 2
    assert contents(forward) == contents(backward)


@given(deploys)
def test_an_item_has_the_causes_that_each_change_alone_would_give_it(deploy: list[Change]) -> None:
    # Whether a path comes once or twice must make no difference.
    changes = [change for one in [*deploy, *deploy[:1]] for change in decode(make.s3(one)).changes]
    for some in changes, changes[:-1], [*changes, changes[0]._replace(identity="again")]:
        alone = [item for change in some for item in stale_items([change], UNKNOWN_SITE, View()).items]
        causes: dict[UrlPath, tuple[Cause, ...]] = {}
        for item in alone:
            causes[item.path] = (*causes.get(item.path, ()), *item.causes)
        assert stale_items(some, UNKNOWN_SITE, View()).items == tuple(
            Item(path, causes[path]) for path in sorted(causes)
        )


# --- what is not done -----------------------------------------------------------------------------------

HERE, BELOW_A, ELSEWHERE = (
    Site((Behavior("*", (origin,)),)) for origin in (Origin("origin"), Origin("origin", "/a"), Origin("elsewhere"))
)


def plan_for(sites: Iterable[Site], view: View) -> Plan:
    """Plan for changes of b, a/1 and c."""
    distributions = [Distribution(DistributionId(f"E{number}"), site) for number, site in enumerate(sites, 1)]
    return make_plan(decode(make.s3(Change("b"), Change("a/1"), Change("c"))).changes, distributions, view)


@pytest.mark.parametrize(
    ("sites", "view", "paths", "excluded", "unserved"),
    [
        ([HERE], View(), 3, 0, 0),
        ([ELSEWHERE], View(), 0, 0, 3),
        ([BELOW_A], View(), 1, 0, 2),
        ([HERE, ELSEWHERE], View(), 3, 0, 0),
        ([ELSEWHERE, BELOW_A], View(), 1, 0, 2),
        ([HERE], View(include=("a/*",)), 1, 2, 0),
        ([HERE], View(exclude=("a/*",)), 2, 1, 0),
        ([BELOW_A], View(exclude=("b",)), 1, 1, 1),
        ([], View(exclude=("b",)), 0, 1, 2),
    ],
)
def test_a_change_is_served_excluded_or_of_no_concern_to_any_distribution(
    sites: list[Site], view: View, paths: int, excluded: int, unserved: int
) -> None:
    plan = plan_for(sites, view)
    assert (plan.cost.paths, plan.excluded, plan.unserved) == (paths, excluded, unserved)


def test_each_distribution_has_notes_with_the_number_of_their_changes() -> None:
    view = View(rules=parse('[{"match": "^a|^1", "also": ["#one", "#two"]}]', "RULES"))
    tags = "rule 1: its tags are left out, since the distribution does not know objects by cache tags"
    assert plan_for([HERE], view).unserved == 0
    assert plan_for([Site(())], view).notes == ()  # that of a ticket for another distribution
    assert plan_for([HERE, ELSEWHERE, HERE, BELOW_A], view).notes == (
        Note(E1, tags, 1),
        Note(E2, NO_ORIGIN, 3),
        Note(DistributionId("E3"), tags, 1),
        Note(DistributionId("E4"), tags, 1),
        Note(DistributionId("E4"), OUTSIDE, 2),
    )


# --- what earlier invocations have left -----------------------------------------------------------------


def left_of(deploy: Iterable[Change], distribution: str = "E1", message: str | None = None, **fields: Any) -> Batch:
    """Return the batch of a ticket for these changes, read from the queue. ``wildcards`` adds items of these names."""
    wildcards = [[f"/{name}*", "object", name] for name in fields.pop("wildcards", ())]
    (batch,) = simple_plan(decode(make.s3(*deploy)).changes, [DistributionId(distribution)], "index.html").batches
    document = json.loads(tickets.write(tickets.Ticket(replace(batch, **fields), "Throttling")))
    document["items"] += wildcards
    return tickets.read(document, message).batch


def with_left(deploy: Iterable[Change], left: Iterable[Batch]) -> Plan:
    return simple_plan(decode(make.s3(*deploy)).changes, [E1, E2], "index.html", left)


def paths(batches: Iterable[Batch], distribution: str = "E1") -> list[str]:
    return [item.path for batch in batches if batch.distribution == distribution for item in batch.items]


few = st.lists(make.changes, min_size=1, max_size=4)
several = st.lists(few, min_size=1, max_size=3)
perhaps = st.lists(make.changes, max_size=4)
# Each example takes plans to make it.
quickly = make.times(0.5)


@quickly
@given(perhaps, several)
def test_what_is_left_is_sent_with_what_is_new_in_one_call(deploy: list[Change], earlier: list[list[Change]]) -> None:
    left = [left_of(changes, message=f"t{number}") for number, changes in enumerate(earlier)]
    plan = with_left(deploy, left)
    (batch,) = [batch for batch in plan.batches if batch.distribution == E1]
    assert paths([batch]) == sorted({*paths(left), *paths(plan_of(make.s3(*deploy)).batches)})
    assert batch.message_ids >= {f"t{number}" for number in range(len(earlier))}
    assert not batch.apart


@quickly
@given(perhaps, several, st.data())
def test_the_order_of_what_is_left_changes_nothing(
    deploy: list[Change], earlier: list[list[Change]], data: Any
) -> None:
    left = [
        left_of(changes, data.draw(st.sampled_from(["E1", "E2"])), apart=data.draw(st.booleans()))
        for changes in earlier
    ]
    plan, again = with_left(deploy, left), with_left(reversed(deploy), data.draw(st.permutations(left)))
    assert contents(plan) == contents(again)
    # What is uncertain may be new once more, under the same name; never does one name stand for two contents.
    named = {
        (batch.distribution, batch.caller_reference, *paths([batch], batch.distribution)) for batch in plan.batches
    }
    assert len(named) == len(references(plan))


@quickly
@given(perhaps, several)
def test_the_messages_in_which_it_comes_change_no_reference(deploy: list[Change], earlier: list[list[Change]]) -> None:
    one, other = ([left_of(changes, message=message) for changes in earlier] for message in ("m1", "m2"))
    assert references(with_left(deploy, one)) == references(with_left(deploy, other))


@quickly
@given(few, few, few)
def test_what_is_sent_with_something_else_has_another_reference(
    one: list[Change], other: list[Change], deploy: list[Change]
) -> None:
    """Under the reference of either, CloudFront could take it for that one, and do nothing."""
    left = [left_of(one), left_of(other)]
    known = {batch.caller_reference for batch in left} | references(plan_of(make.s3(*deploy)))
    assert not known & {batch.caller_reference for batch in with_left(deploy, left).batches if batch.distribution == E1}


@quickly
@given(few, st.integers(0, 10))
def test_what_is_left_alone_keeps_its_reference(deploy: list[Change], attempts: int) -> None:
    left = left_of(deploy, attempts=attempts)
    assert with_left([], [left]).batches == (left,)


@quickly
@given(perhaps, several, several, st.data())
def test_what_is_apart_is_sent_as_it_is_and_does_not_change_the_rest(
    deploy: list[Change], earlier: list[list[Change]], uncertain: list[list[Change]], data: Any
) -> None:
    left = [left_of(changes) for changes in earlier]
    apart = [
        # Of another bucket, since of twins the one that is apart decides.
        left_of((replace(one, bucket="third") for one in changes), data.draw(st.sampled_from(["E1", "E2"])), apart=True)
        for changes in uncertain
    ]
    plan = with_left(deploy, [*apart, *left])
    kept = [batch for batch in plan.batches if batch.apart]
    assert {(b.distribution, b.caller_reference, tuple(paths([b], b.distribution))) for b in kept} == {
        (b.distribution, b.caller_reference, tuple(paths([b], b.distribution))) for b in apart
    }
    rest = Plan(tuple(batch for batch in plan.batches if not batch.apart))
    assert contents(rest) == contents(with_left(deploy, left))


@quickly
@given(few, st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=2, max_size=4))
def test_a_ticket_delivered_twice_is_sent_once_and_serves_all_messages(
    deploy: list[Change], deliveries: list[tuple[int, bool]]
) -> None:
    twins = [
        left_of(deploy, message=f"m{number}", attempts=attempts, apart=apart)
        for number, (attempts, apart) in enumerate(deliveries)
    ]
    (batch,) = with_left([], twins).batches
    assert batch.caller_reference == twins[0].caller_reference
    assert paths([batch]) == paths(twins[:1])
    assert batch.message_ids == {f"m{number}" for number in range(len(twins))}
    assert batch.attempts == max(attempts for attempts, _ in deliveries)
    assert batch.apart == any(apart for _, apart in deliveries)


@quickly
@given(few)
def test_tickets_of_the_same_reference_for_two_distributions_are_no_twins(deploy: list[Change]) -> None:
    one, other = left_of(deploy, message="m1"), left_of(deploy, message="m2")
    other = replace(other, distribution=E2)
    assert with_left([], [one, other]).batches == (one, other)


@quickly
@given(perhaps, several, several)
def test_what_is_left_for_one_distribution_never_goes_to_another(
    deploy: list[Change], mine: list[list[Change]], others: list[list[Change]]
) -> None:
    left = [left_of(changes, "E1", "m1") for changes in mine]
    foreign = [left_of(changes, "E2", "m2", apart=len(changes) % 2 == 0) for changes in others]
    plan, alone = with_left(deploy, [*foreign, *left]), with_left(deploy, left)
    assert [batch for batch in plan.batches if batch.distribution == E1] == [
        batch for batch in alone.batches if batch.distribution == E1
    ]


@quickly
@given(perhaps, st.lists(st.integers(0, 10), min_size=1, max_size=4, unique=True))
def test_what_is_sent_together_was_refused_equally_often(deploy: list[Change], attempts: list[int]) -> None:
    left = [left_of([Change(f"left {number}")], attempts=number) for number in attempts]
    plan = with_left(deploy, left)
    mine = [batch for batch in plan.batches if batch.distribution == E1]
    assert {batch.attempts for batch in mine} == {*attempts} | (
        {0} if paths(plan_of(make.s3(*deploy)).batches) else set()
    )
    for number in attempts:
        assert [batch.attempts for batch in mine if f"/left%20{number}" in paths([batch])] == [number]
    assert {batch.attempts for batch in plan.batches if batch.distribution == E2} <= {0}


@quickly
@given(few, st.integers(1, 10), st.integers(0, 32))
def test_what_changes_again_starts_anew_and_is_sent_once(deploy: list[Change], attempts: int, crowded: int) -> None:
    old = left_of(deploy, attempts=attempts, crowded=crowded)
    mine = [batch for batch in with_left(deploy, [old]).batches if batch.distribution == E1]
    assert sorted(path for batch in mine for path in paths([batch])) == sorted(paths([old]))
    assert {batch.attempts for batch in mine} == {0}
    assert max(batch.crowded for batch in mine) <= 4
    assert all(batch.message_ids >= old.message_ids for batch in mine)


crowds = st.lists(
    st.tuples(st.integers(0, 32), st.booleans(), st.integers(1, 60)), min_size=1, max_size=4, unique_by=lambda t: t[0]
)


@quickly
@given(perhaps, crowds)
def test_without_room_batches_halve_and_wildcards_go_apart(
    deploy: list[Change], crowds: list[tuple[int, bool, int]]
) -> None:
    left = []
    for crowded, wild, number in crowds:
        names = [f"{crowded}-{place}" for place in range(min(number, 15) if wild else number)]
        batch = left_of(
            [Change(name) for name in names] if not wild else [Change("a")], wildcards=names if wild else ()
        )
        items = tuple(item for item in batch.items if item.is_wildcard == wild)
        left.append(replace(batch, items=items, crowded=crowded))
    mine = [batch for batch in with_left(deploy, left).batches if batch.distribution == E1]
    most = {False: 0, True: 0}
    for crowded, wild, _ in crowds:
        most[wild] = max(most[wild], crowded)
    for batch in mine if any(most.values()) else ():
        wild = bool(batch.wildcards)
        assert batch.wildcards in {0, len(batch.items)}
        assert len(batch.items) <= max((15 if wild else 3_000) >> batch.crowded, 1)
        assert batch.crowded >= min(most[wild], 4)
    assert {path for batch in mine for path in paths([batch])} >= {item.path for batch in left for item in batch.items}
    for wild in (False, True):  # what has waited longest comes first
        waited = [batch.crowded for batch in mine if bool(batch.wildcards) == wild]
        assert waited == sorted(waited, reverse=True) or not any(most.values())


names_ = st.sets(st.text("abc/", min_size=1, max_size=4), max_size=15)


@quickly
@given(perhaps, st.lists(names_, min_size=1, max_size=5))
def test_a_batch_has_no_more_wildcards_than_a_distribution_takes(deploy: list[Change], named: list[set[str]]) -> None:
    left = [left_of([Change("a")], wildcards=sorted(names)) for names in named]
    mine = [batch for batch in with_left(deploy, left).batches if batch.distribution == E1]
    wildcards = [sum(item.is_wildcard for item in batch.items) for batch in mine]
    assert all(number <= MAX_WILDCARDS_PER_CALL for number in wildcards)
    assert len(mine) == max(1, -(-sum(wildcards) // MAX_WILDCARDS_PER_CALL))
    assert sorted(paths(mine)) == sorted({*paths(left), *paths(plan_of(make.s3(*deploy)).batches)})


@pytest.mark.parametrize(("left", "new"), [([2_000, 1_000], 0), ([2_000, 2_000], 0), ([3_000], 1), ([1] * 40, 2_960)])
def test_what_is_left_takes_as_few_calls_as_carry_it(left: list[int], new: int) -> None:
    made = [left_of([Change(f"{n}/{number}") for number in range(size)]) for n, size in enumerate(left)]
    plan = with_left([Change(f"new/{number}") for number in range(new)], made)
    mine = [batch for batch in plan.batches if batch.distribution == E1]
    assert len(mine) == -(-(sum(left) + new) // MAX_ITEMS_PER_CALL)
    assert len(set(paths(mine))) == len(paths(mine)) == sum(left) + new


@quickly
@given(several)
def test_whatever_is_made_of_tickets_can_be_written_as_tickets(earlier: list[list[Change]]) -> None:
    for batch in with_left([], [left_of(changes, message="m1") for changes in earlier]).batches:
        document = json.loads(tickets.write(tickets.Ticket(batch, "")))
        again = tickets.read(document, "m1").batch
        assert (again.caller_reference, paths([again])) == (batch.caller_reference, paths([batch]))


def test_those_come_first_whose_work_is_the_oldest() -> None:
    ids = [DistributionId(f"E{number}") for number in range(1, 5)]
    left: list[Batch] = []
    for id_, time in zip(ids, ["", "2026-11-20T09:31:00Z", "2026-11-20T09:30:00Z"], strict=False):
        changes = [change._replace(time=time) for change in decode(make.s3(Change("a"))).changes]
        left += simple_plan(changes, [id_], "").batches
    plan = simple_plan(decode(make.s3(Change("b"))).changes, reversed(ids), "", left)
    # What is left for who knows how long first, what is new last.
    assert [batch.distribution for batch in plan.batches] == ["E1", "E3", "E2", "E4"]


@quickly
@given(few, st.integers(0, 30), st.booleans(), st.booleans())
def test_only_the_oldest_fixed_batch_comes_before_new_changes(
    new: list[Change], many: int, open_: bool, apart: bool
) -> None:
    fixed = [replace(left_of([Change(f"left/{number}")]), apart=apart, frozen=not apart) for number in range(many)]
    left = [*fixed, *([left_of([Change("open")])] if open_ else [])]
    mine = [batch for batch in with_left(new, left).batches if batch.distribution == E1]
    order = [batch.is_fixed for batch in mine]
    others = len(mine) - many
    assert order == [*([True] * min(many, 1)), *[False] * others, *[True] * max(many - 1, 0)]


@quickly
@given(few, st.data())
def test_the_parts_of_a_batch_have_references_of_their_own(deploy: list[Change], data: Any) -> None:
    batch = left_of(deploy)
    middle = data.draw(st.integers(1, max(1, len(batch.items) - 1)))
    parts = [with_items(batch, items) for items in (batch.items[:middle], batch.items[middle:]) if items]
    assert [path for half in parts for path in paths([half])] == paths([batch])
    assert len({half.caller_reference for half in parts} | {batch.caller_reference}) == len(parts) + 1
    assert [with_items(batch, half.items) for half in parts] == parts
    stored = tickets.read(json.loads(tickets.write(tickets.Ticket(batch, "")))).batch
    later = [with_items(stored, half.items) for half in parts]
    assert [half.caller_reference for half in later] == [half.caller_reference for half in parts]


@quickly
@given(few)
def test_the_next_reference_is_another_and_always_the_same(deploy: list[Change]) -> None:
    names, batch = set(), left_of(deploy)
    for _ in range(5):
        assert replace(with_next_reference(batch), caller_reference=batch.caller_reference) == batch
        assert with_next_reference(batch) == with_next_reference(batch)
        names.add(batch.caller_reference)
        batch = with_next_reference(batch)
    assert len(names) == 5
    again = tickets.read(json.loads(tickets.write(tickets.Ticket(batch, "")))).batch
    assert again.caller_reference == batch.caller_reference


def test_the_same_paths_on_two_distributions_are_renamed_to_two_references() -> None:
    one, other = (left_of([Change("a")], distribution) for distribution in ("E1", "E2"))
    assert with_next_reference(one).caller_reference != with_next_reference(other).caller_reference
