"""Laws of curves: the cost of every budget, from one listing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import ListingError
from invalidator.events.decode import decode
from invalidator.model import Allowance, Behavior, Distribution, DistributionId, ObjectKey, Origin, Site, UrlPath
from invalidator.operator.curves import Point, Trial, curve, curves
from invalidator.planning.coalesce import Coalesced, coalesce
from invalidator.urls.viewers import View
from tests.doubles import strategies as make
from tests.doubles.strategies import Change
from tests.planning.test_coalesce import beside, items, items_of_urls, never, paths, paths_of, unlisted, wildcards
from tests.planning.test_neighbours import Buckets
from tests.planning.test_planner import E1, E2


def cost_of(found: Coalesced) -> Point:
    evicted = sum(item.wide.evicted or 0 for item in found.items if item.wide)
    return Point(len(found.items), wildcards(paths_of(found)), evicted)


@given(items_of_urls, st.lists(paths, max_size=12), st.integers(0, 4))
def test_a_curve_is_the_cost_of_all_budgets_without_those_no_better(
    urls: list[str], others: list[str], most: int
) -> None:
    given_, tags = items(*urls), sum(url[0] == "#" for url in urls)
    points = curve(given_, Trial(most), beside(*others))
    assert all(one.paths < two.paths and one.evicted > two.evicted for one, two in itertools.pairwise(points))
    if most and len(urls) > tags + 1:
        for budget in range(tags + 1, len(urls) + 1):
            planned = coalesce(given_, Allowance(budget, most, saving=most), beside(*others))
            bought = max(point for point in points if point.paths <= budget)
            assert bought.evicted == cost_of(planned).evicted
            assert bought.paths <= cost_of(planned).paths


@pytest.mark.parametrize(
    ("urls", "most"), [(["/a", "/b", "/c*"], 0), (["/a"], 15), (["#red", "#blue", "/a*"], 15), (["#red"], 15)]
)
def test_where_there_is_no_choice_there_is_one_point_and_nothing_is_listed(urls: list[str], most: int) -> None:
    assert curve(items(*urls), Trial(most), never) == (Point(len(urls), wildcards(urls), 0),)


def test_of_many_budgets_some_are_tried_with_one_listing() -> None:
    listed: list[str] = []
    others = [f"/{directory}/x{number}" for directory in range(40) for number in range(1 + directory % 7)]

    def neighbours(prefix: str) -> list[tuple[UrlPath, ...]]:
        listed.append(prefix)
        return [(UrlPath(url),) for url in others if url.startswith(prefix)]

    urls = [f"/{directory}/{number}" for directory in range(40) for number in range(10)]
    points = curve(items(*urls), Trial(15, (100, 123)), neighbours)
    assert listed == ["/"]
    assert points[0] == Point(1, 1, len(others))
    assert points[-1] == Point(400, 0, 0)
    assert 10 < len(points) <= 35


def test_without_a_listing_there_is_no_curve() -> None:
    with pytest.raises(ListingError, match="AccessDenied"):
        curve(items("/a/1", "/a/2"), Trial(), unlisted)


def test_distributions_with_the_same_site_have_one_curve_and_one_listing() -> None:
    changes = decode(make.s3(*(Change(f"posts/{number}") for number in range(4)), Change("a.map"))).changes
    buckets = Buckets(origin=["posts/x", "posts/1x", "b"])
    prod = Site((Behavior("*", (Origin("origin", "/posts"),)),))
    idle = Site((Behavior("*", (Origin("another"),)),))
    distributions = [Distribution(DistributionId("E3"), prod), *map(Distribution, (E1, E2))]
    distributions += [Distribution(DistributionId("E4"), idle)]
    of_prod, of_rest = curves(changes, distributions, View(exclude=("*.map",)), buckets, Trial(also=(2,)))
    assert (of_prod.distributions, of_rest.distributions) == ((DistributionId("E3"),), (E1, E2))
    assert (of_rest.changed, of_rest.exact) == (4, 4)
    assert of_rest.points == ((1, 1, 2), (4, 0, 0))
    assert [of_rest.at(budget) for budget in (0, 1, 3, 9)] == [None, (1, 1, 2), (1, 1, 2), (4, 0, 0)]
    assert len(buckets.asked) == 2


def test_where_another_bucket_cannot_be_listed_a_curve_says_so() -> None:
    def objects(bucket: str, _prefix: str) -> list[ObjectKey]:
        if bucket != "origin":
            raise ListingError("AccessDenied")
        return []

    site = Site((Behavior("img/*", (Origin("images"),)), Behavior("*", (Origin("origin"),))))
    changes = decode(make.s3(Change("a"), Change("k"))).changes
    (found,) = curves(changes, [Distribution(E1, site)], View(), objects, Trial())
    assert found.points == ((1, 1, 1), (2, 0, 0))
    assert found.warnings == ("AccessDenied; each path pattern that leads there counts as one object",)
