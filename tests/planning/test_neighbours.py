"""Laws of neighbours: what a wildcard evicts is what the distribution serves and did not change."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import ListingError
from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.model import (
    UNKNOWN_SITE,
    Allowance,
    Behavior,
    Distribution,
    DistributionId,
    ObjectChange,
    ObjectKey,
    Origin,
    Plan,
    Site,
)
from invalidator.planning.planner import make_plan
from invalidator.urls.rules import parse
from invalidator.urls.viewers import View
from tests.doubles import strategies as make
from tests.doubles.strategies import Change, simple_plan
from tests.planning.test_planner import E1, E2, contents, deploys, plan_of


class Buckets:
    """Buckets to list, and the listings that were asked for."""

    def __init__(self, **keys: list[str]) -> None:
        self._keys = keys
        self.asked: list[tuple[str, str]] = []

    def __call__(self, bucket: str, prefix: str) -> Iterator[ObjectKey]:
        self.asked.append((bucket, prefix))
        return (ObjectKey(key) for key in self._keys[bucket] if key.startswith(prefix))


def wide_plan(
    keys: Iterable[str], sites: Iterable[Site], buckets: Buckets, allowance: Allowance, bucket: str = "origin"
) -> Plan:
    distributions = [Distribution(DistributionId(f"E{number}"), site) for number, site in enumerate(sites, 1)]
    changes = decode(make.s3(*(Change(key, bucket=bucket) for key in keys))).changes
    return make_plan(changes, distributions, View(), (), allowance, buckets)


def items_of(plan: Plan) -> list[tuple[str, str, str]]:
    return [(batch.distribution, item.path, item.reason) for batch in plan.batches for item in batch.items]


def served(*behaviors: Behavior) -> Site:
    return Site((*behaviors, Behavior("*", (Origin("origin"),))))


def test_neighbours_are_the_other_objects_that_the_distribution_serves() -> None:
    buckets = Buckets(origin=["a/1", "a/2", "a/3", "a/4", "b/1", "prod/a/1", "prod/a/3"], other=["a/5"])
    sites = [
        Site((Behavior("*", (Origin(""),)),)),
        Site((Behavior("*", (Origin("origin", "/prod"),)),)),
        served(Behavior("a/5", (Origin("other"),))),
        served(Behavior("a/3", (Origin("other"),)), Behavior("a/?4", (Origin("other"),))),
        Site((Behavior("*", (Origin("other"),)),)),
    ]
    plan = wide_plan(["a/1", "a/2", "prod/a/1", "prod/a/2"], sites, buckets, Allowance(1))
    assert items_of(plan) == [
        ("E1", "/*", "4 changed, 4 unchanged evicted"),
        ("E2", "/a/*", "2 changed, 1 unchanged evicted"),
        ("E3", "/*", "4 changed, 5 unchanged evicted"),
        ("E4", "/*", "4 changed, 3 unchanged evicted"),
    ]
    assert plan.cost.evicted == 13


def test_only_what_is_over_is_listed_and_only_where_all_its_paths_begin() -> None:
    buckets = Buckets(origin=["a/b/1", "a/b/2", "a/b/3"])
    sites = [Site((Behavior("*", (Origin("origin", path),)),)) for path in ("", "/a")]
    wide_plan(["a/b/1", "a/b/2"], sites, buckets, Allowance(2))
    assert buckets.asked == []
    wide_plan(["a/b/1", "a/b/2"], sites, buckets, Allowance(1))
    assert buckets.asked == [("origin", "a/b/")] * 2


def test_distributions_that_are_alike_are_listed_once() -> None:
    buckets = Buckets(origin=["a/1", "a/2"])
    plan = wide_plan(["a/1", "a/2"], [UNKNOWN_SITE] * 20, buckets, Allowance(1))
    assert buckets.asked == [("origin", "a/")]
    assert len(plan.batches) == 20


def test_what_comes_from_elsewhere_is_a_neighbour_that_cannot_be_listed() -> None:
    buckets = Buckets(origin=["a/1", "a/2", "a/3", "b/1"])
    sites = [served(Behavior(pattern, ())) for pattern in ("/a/api/*", "a?c", "c/*")]
    plan = wide_plan(["a/1", "a/2", "a/3"], sites, buckets, Allowance())
    assert items_of(plan)[-1] == ("E3", "/a/*", "3 changed, 0 unchanged evicted")
    assert [path for id_, path, _ in items_of(plan) if id_ == "E1"] == ["/a/1", "/a/2", "/a/3"]


def test_a_bucket_that_cannot_be_listed_counts_as_one_object_a_pattern() -> None:
    def objects(bucket: str, prefix: str) -> Iterator[ObjectKey]:
        if bucket != "origin":
            raise ListingError(f"bucket {bucket!r} cannot be listed: AccessDenied")
        return Buckets(origin=["a/1", "a/2", "b/1", "b/2"])(bucket, prefix)

    changes = decode(make.s3(*map(Change, ("a/1", "a/2", "b/1", "b/2")))).changes
    site = served(Behavior("c/*.jpg", (Origin("media"),)))
    plan = make_plan(changes, [Distribution(E1, site)], View(), (), Allowance(2), objects)
    assert items_of(plan) == [
        ("E1", "/a/*", "2 changed, 0 unchanged evicted"),
        ("E1", "/b/*", "2 changed, 0 unchanged evicted"),
    ]
    assert plan.warnings == (
        "bucket 'media' cannot be listed: AccessDenied; each path pattern that leads there counts as one object",
    )


def test_each_path_pattern_counts_once_wherever_it_leads() -> None:
    def objects(bucket: str, prefix: str) -> Iterator[ObjectKey]:
        if bucket != "origin":
            raise ListingError("AccessDenied")
        return iter(())

    site = served(Behavior("m/*", (Origin("media"),)), Behavior("api/*", ()))
    plan = make_plan(changes_of("a", "b"), [Distribution(E1, site)], View(), (), Allowance(1), objects)
    assert items_of(plan) == [("E1", "/*", "2 changed, 2 unchanged evicted")]


def test_a_bucket_is_not_listed_where_none_of_its_urls_can_be_evicted() -> None:
    buckets = Buckets(origin=["a/1", "a/2"], media=[])
    sites = [served(Behavior(pattern, (Origin("media"),))) for pattern in ("c/*.jpg", "a/b/*", "a*.jpg", "a?b/3")]
    wide_plan(["a/1", "a/2"], sites[:1], buckets, Allowance(1))
    assert buckets.asked == [("origin", "a/")]
    wide_plan(["a/1", "a/2"], sites[1:], buckets, Allowance(1))
    assert buckets.asked[1:] == [("media", "a/"), ("origin", "a/")] * 3


@pytest.mark.parametrize("pattern", ["~m/*", "%7Em/*", "/~m/*"])
def test_a_path_pattern_is_compared_with_urls_in_their_spelling(pattern: str) -> None:
    buckets = Buckets(origin=["~a", "~b"], media=["~m/1", "~m/2"])
    (site, elsewhere) = (served(Behavior(pattern, origins)) for origins in ((Origin("media"),), ()))
    assert items_of(wide_plan(["~a", "~b"], [site, elsewhere], buckets, Allowance(1))) == [
        ("E1", "/%7E*", "2 changed, 2 unchanged evicted"),
        ("E2", "/%7E*", "2 changed, 1 unchanged evicted"),
    ]


@pytest.mark.parametrize(
    ("rule", "evicted"),
    [
        ('"match": "^data/([0-9]+)[.]json$", "also": ["/products/$1/", "#p$1"]', 2),
        ('"match": "^data/([0-9]+)[.]json$", "instead": ["/products/$1/"]', 1),
        ('"match": "^v/data/([0-9]+)[.]json$", "also": ["/products/$1/"], "whole_key": true', 2),
    ],
)
def test_what_rules_give_for_other_objects_is_a_neighbour(rule: str, evicted: int) -> None:
    keys = [f"v/data/{number}.json" for number in range(1, 4)]
    site = Site((Behavior("data/*", (Origin("origin", "/v"),)), Behavior("*", ())))
    view = View(rules=parse(f"[{{{rule}}}]", "RULES"))
    changes, buckets = changes_of(*keys[:2]), Buckets(origin=keys)
    lossless = make_plan(changes, [Distribution(E1, site)], view, (), Allowance(saving=15), buckets)
    assert [item for batch in lossless.batches for item in batch.items if item.wide] == []
    assert make_plan(changes, [Distribution(E1, site)], view, (), Allowance(1), buckets).cost.evicted == evicted


def test_the_wildcard_that_a_rule_gives_for_a_neighbour_is_no_object() -> None:
    view = View(rules=parse('[{"match": "^index[.]html$", "also": ["/*"]}]', "RULES"))
    plan = make_plan(changes_of("a", "b"), [Distribution(E1)], view, (), Allowance(1), Buckets(origin=["index.html"]))
    assert items_of(plan) == [("E1", "/*", "2 changed, 1 unchanged evicted")]


def test_what_a_rule_gives_for_a_neighbour_counts_once_with_it() -> None:
    view = View(rules=parse('[{"match": "^(.*)[.]html$", "also": ["/$1"]}]', "RULES"))
    keys = [f"a/{number}.html" for number in range(5)]
    plan = make_plan(changes_of(*keys[:2]), [Distribution(E1)], view, (), Allowance(1), Buckets(origin=keys))
    assert items_of(plan) == [("E1", "/a/*", "2 changed, 3 unchanged evicted")]


def test_spaces_and_plus_signs_are_listed_as_what_they_are_in_keys() -> None:
    buckets = Buckets(origin=["a +/1", "a +/2", "a +/3", "a "])
    plan = wide_plan(["a +/1", "a +/2"], [UNKNOWN_SITE], buckets, Allowance(3))
    assert buckets.asked == [("origin", "a")]
    assert items_of(plan) == [("E1", "/a*", "2 changed, 2 unchanged evicted")]


def test_an_object_is_evicted_by_any_of_its_spellings() -> None:
    keys = ["c+d1", "c+d2", "c d3", "c d4", "e"]
    plan = wide_plan(keys[:2], [UNKNOWN_SITE], Buckets(origin=keys), Allowance(2))
    assert items_of(plan) == [("E1", "/c*", "2 changed, 2 unchanged evicted")]
    lossless = wide_plan(keys[:2], [UNKNOWN_SITE], Buckets(origin=keys), Allowance(saving=15))
    assert [path for _, path, _ in items_of(lossless)] == ["/c%2Bd*", "/c+d1", "/c+d2"]


def test_an_object_in_two_buckets_or_behind_two_origins_counts_once() -> None:
    buckets = Buckets(origin=["a/1", "a/2", "a/3"], replica=["a/1", "a/2", "a/3", "a/4"])
    origins = (Origin("origin"), Origin("replica"), Origin("origin", is_website=True))
    plan = wide_plan(["a/1", "a/2"], [Site((Behavior("*", origins),))], buckets, Allowance(1))
    assert items_of(plan) == [("E1", "/a/*", "2 changed, 2 unchanged evicted")]


def test_a_page_that_depends_on_many_objects_counts_once() -> None:
    view = View(rules=parse('[{"match": "^p/", "also": ["/p.xml"]}]', "RULES"))
    keys = [f"p/{number}" for number in range(9)]
    (changed, *_), buckets = changes_of("a"), Buckets(origin=keys)
    stale = [changed._replace(key=ObjectKey(key)) for key in ("p1", "p2")]
    plan = make_plan(stale, [Distribution(E1)], view, (), Allowance(1), buckets)
    assert items_of(plan) == [("E1", "/p*", "2 changed, 9 unchanged evicted")]


def test_a_key_that_is_no_text_is_listed_by_what_is_text_in_it() -> None:
    buckets = Buckets(origin=["a/é/3"])
    changes = [change._replace(key=ObjectKey(f"a/\udcff/{n}")) for n, change in enumerate(simple_changes(2))]
    plan = make_plan(changes, [Distribution(E1)], View(), (), Allowance(1), buckets)
    assert buckets.asked == [("origin", "a/")]
    assert [item.path for item in plan.batches[0].items] == ["/a/%FF/*"]


def changes_of(*keys: str, bucket: str = "origin") -> list[ObjectChange]:
    return decode(make.s3(*(Change(key, bucket=bucket) for key in keys))).changes


def simple_changes(number: int) -> list[ObjectChange]:
    return decode(make.s3(*(Change(f"k{n}") for n in range(number)))).changes


@pytest.mark.parametrize(("objects", "paths", "listings"), [(1, 1, 0), (2, 2, 0), (3, 1, 1), (501, 1, 1)])
def test_from_three_paths_on_what_is_beside_them_is_listed(objects: int, paths: int, listings: int) -> None:
    keys = [f"a/{number}" for number in range(objects)]
    buckets = Buckets(origin=keys)
    plan = wide_plan(keys, [UNKNOWN_SITE] * 2, buckets, Allowance())
    assert len(buckets.asked) == listings
    assert plan.cost.paths == 2 * paths


def test_an_object_counts_once_in_each_bucket_however_many_paths_it_has() -> None:
    changes = [
        change for bucket in ("origin", "other") for change in changes_of("a/index.html", "a/b c", bucket=bucket)
    ]
    plan = make_plan(changes, [Distribution(E1)], View(), (), Allowance(1), Buckets(origin=["a/index.html"], other=[]))
    assert items_of(plan) == [("E1", "/a/*", "4 changed, 0 unchanged evicted")]


def test_what_changed_in_one_bucket_is_a_neighbour_in_another() -> None:
    buckets = Buckets(origin=["a/1", "a/2", "a/x"], other=["a/1", "a/x"])
    site = served(Behavior("a/x", (Origin("other"),)))
    plan = make_plan(changes_of("a/1", "a/2", "a/x"), [Distribution(E1, site)], View(), (), Allowance(1), buckets)
    assert items_of(plan) == [("E1", "/a/*", "2 changed, 1 unchanged evicted")]


def test_a_bucket_is_listed_under_each_of_its_origin_paths() -> None:
    buckets = Buckets(origin=["a/1", "a/2", "a/3", "v/b/a/4", "v/b/a/5"])
    site = served(Behavior("b/*", (Origin("origin", "/v"),)))
    plan = make_plan(changes_of("a/1", "v/b/a/4"), [Distribution(E1, site)], View(), (), Allowance(1), buckets)
    assert items_of(plan) == [("E1", "/*", "2 changed, 4 unchanged evicted")]
    assert buckets.asked == [("origin", "v/"), ("origin", "")]


def test_what_changed_is_no_neighbour_even_where_a_rule_gives_another_path() -> None:
    view = View(rules=parse('[{"match": "^a/([0-9])[.]md$", "instead": ["/a/$1/"]}]', "RULES"))
    buckets = Buckets(origin=["a/1.md", "a/2.md", "a/x.jpg"])
    plan = make_plan(changes_of("a/1.md", "a/2.md"), [Distribution(E1)], view, (), Allowance(1), buckets)
    assert items_of(plan) == [("E1", "/a/*", "2 changed, 1 unchanged evicted")]


def test_what_changed_but_is_excluded_is_a_neighbour() -> None:
    changes = changes_of("a/1", "a/2", "a/3.map")
    view = View(exclude=("*.map",))
    plan = make_plan(changes, [Distribution(E1)], view, (), Allowance(1), Buckets(origin=["a/1", "a/2", "a/3.map"]))
    assert items_of(plan) == [("E1", "/a/*", "2 changed, 1 unchanged evicted")]


def test_what_is_evicted_is_known_if_it_is_known_of_all_wildcards() -> None:
    def objects(bucket: str, _prefix: str) -> list[ObjectKey]:
        if bucket == "other":
            raise ListingError("AccessDenied")
        return [ObjectKey("a/3")]

    changes = [*changes_of("a/1", "a/2"), *changes_of("b/1", "b/2", bucket="other")]
    distributions = [
        Distribution(id_, Site((Behavior("*", (Origin(bucket),)),))) for id_, bucket in ((E1, "origin"), (E2, "other"))
    ]
    plan = make_plan(changes, distributions, View(), (), Allowance(1), objects)
    assert [batch.cost.evicted for batch in plan.batches] == [1, None]
    assert (plan.cost.evicted, plan.cost.wildcards) == (None, 2)
    left = replace(plan.batches[1], distribution=E1)
    (both,) = make_plan(changes, distributions[:1], View(), [left], Allowance(1), objects).batches
    assert [item.wide.evicted for item in both.items if item.wide] == [1, None]
    assert (both.cost.evicted, both.cost.wildcards) == (None, 2)


def test_of_several_sites_each_warning_is_said_once() -> None:
    distributions = [Distribution(E1), Distribution(E2, served())]
    plan = make_plan(simple_changes(4), distributions, View(), (), Allowance(1))
    assert plan.warnings == ("what else is in the bucket is not known; whole directories are cleared",)


def test_without_a_listing_directories_go_and_a_warning_says_why() -> None:
    changes = simple_changes(4)
    plan = make_plan(changes, [Distribution(E1), Distribution(E2)], View(), (), Allowance(1))
    assert [reason for _, _, reason in items_of(plan)] == ["4 changed, an unknown number of unchanged evicted"] * 2
    assert plan.warnings == ("what else is in the bucket is not known; whole directories are cleared",)
    assert (plan.cost.evicted, plan.batches[0].cost.evicted) == (None, None)


@given(deploys, st.integers(1, 6), st.integers(1, 3), st.data())
def test_within_any_allowance_nothing_is_missed_in_any_order_of_records(
    deploy: list[Change], paths: int, wildcards: int, data: Any
) -> None:
    shuffled = data.draw(st.permutations(deploy))
    others = data.draw(st.lists(make.plain_keys, max_size=20))
    buckets = Buckets(origin=others, **{"other-origin": others[::2]})
    allowance = Allowance(paths, wildcards)
    one, two = (
        make_plan(decode(make.s3(*order)).changes, [Distribution(E1)], View(), (), allowance, buckets)
        for order in (deploy, shuffled)
    )
    assert contents(one) == contents(two)
    made = [item.path for batch in one.batches for item in batch.items]
    exact = [item.path for batch in plan_of(make.s3(*deploy)).batches for item in batch.items]
    assert all(path in made or path.startswith(tuple(p[:-1] for p in made if p[-1] == "*")) for path in exact)
    assert len(made) <= paths
    assert one.cost.wildcards <= wildcards


def test_a_ticket_of_a_wide_item_still_says_what_it_costs() -> None:
    keys = [f"posts/{number}" for number in range(40)]
    plan = wide_plan(keys, [UNKNOWN_SITE], Buckets(origin=[*keys, "posts/x"]), Allowance(1))
    (item,) = tickets.read(json.loads(tickets.write(tickets.Ticket(plan.batches[0], "Throttling")))).batch.items
    assert item.reason == "40 changed, 1 unchanged evicted, among them object 'posts/0'"
    assert sum(tickets.sizes(plan.batches[0].items)) >= sum(tickets.sizes((item,)))


@pytest.mark.parametrize("kept", [{"left"}, {"new"}, {"left", "new"}])
def test_what_a_wildcard_costs_is_known_whether_it_is_left_over_or_new(kept: set[str]) -> None:
    (left,) = wide_plan(["z/1", "z/2"], [UNKNOWN_SITE], Buckets(origin=["z/3"]), Allowance(1)).batches
    if "left" not in kept:
        left = replace(left, items=tuple(item._replace(wide=None) for item in left.items))
    view = View(rules=() if "new" in kept else parse('[{"match": "^z/", "instead": ["/z/*"]}]', "RULES"))
    objects = Buckets(origin=["z/3"])
    plan = make_plan(changes_of("z/4", "z/5"), [Distribution(E1)], view, [left], Allowance(1), objects)
    assert items_of(plan) == [("E1", "/z/*", "2 changed, 1 unchanged evicted")]


def test_what_was_left_over_is_sent_as_it_is_beside_what_is_widened() -> None:
    (left,) = simple_plan(simple_changes(3), [E1]).batches
    changes = decode(make.s3(Change("z/1"), Change("z/2"))).changes
    plan = make_plan(changes, [Distribution(E1)], View(), [left], Allowance(1), Buckets(origin=["z/3"]))
    assert [item.path for item in plan.batches[0].items] == ["/k0", "/k1", "/k2", "/z/*"]
    assert plan.cost.evicted == 1
