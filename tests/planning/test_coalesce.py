"""Laws of what is widened: nothing while all fits; then what evicts the least; and without a listing, directories."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import ListingError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.model import EXACT, Allowance, Cause, Item, ObjectChange, ObjectKey, UrlPath, Wide
from invalidator.planning import cover
from invalidator.planning.coalesce import TAGS_ALONE, Coalesced, ListNeighbours, coalesce, widened
from tests.planning.test_cover import clears, url_of

paths = st.text("ab/", max_size=6).map(url_of)
items_of_urls = st.lists(
    paths | paths.map(lambda path: f"{path}*") | st.sampled_from(["#red", "#blue"]),
    unique=True,
    min_size=1,
    max_size=14,
)
allowances = st.builds(Allowance, st.integers(1, 15), st.integers(0, 4), st.integers(0, 15))
DENIED = "bucket 'origin' cannot be listed: AccessDenied"


def items(*urls: str) -> tuple[Item, ...]:
    """An item for each, of an object and a message of its own."""
    return tuple(Item(UrlPath(url), (cause(url),)) for url in sorted(urls))


def cause(url: str) -> Cause:
    return Cause(ObjectChange("origin", ObjectKey(url[1:]), url, f"message of {url}"), "object")


def beside(*urls: str) -> ListNeighbours:
    return lambda prefix: [(UrlPath(url),) for url in urls if url.startswith(prefix)]


def unlisted(_prefix: str) -> Iterable[tuple[UrlPath, ...]]:
    raise ListingError(DENIED)


def never(prefix: str) -> Iterable[tuple[UrlPath, ...]]:
    raise AssertionError(f"listed for nothing: {prefix}")


def paths_of(found: Coalesced) -> list[str]:
    return [item.path for item in found.items]


def wildcards(urls: Iterable[str]) -> int:
    return sum(url.endswith("*") for url in urls)


# --- when ---------------------------------------------------------------------------------------------


@given(items_of_urls)
def test_what_fits_stays_as_it_is_and_nothing_is_listed(urls: list[str]) -> None:
    given_ = items(*urls)
    allowance = Allowance(len(urls), max(wildcards(urls), 1), saving=0)
    # But what is under a wildcard is not sent beside it.
    assert coalesce(given_, allowance, never) == Coalesced(widened(given_, {}))


@given(items_of_urls, st.integers(1, 15))
def test_without_wildcards_nothing_is_widened_however_much_it_is(urls: list[str], most: int) -> None:
    given_ = items(*urls)
    for allowance in (EXACT, Allowance(most, 0)):
        assert coalesce(given_, allowance, never) == Coalesced(widened(given_, {}))


def test_a_plan_that_may_be_larger_than_the_quota_waits_and_is_not_widened() -> None:
    urls = [f"/{number}" for number in range(4_000)] + [f"/{number}.jpg*" for number in range(100)]
    assert len(coalesce(items(*urls), Allowance(4_100, saving=0), never).items) == 4_100


def test_a_plan_of_the_quota_has_no_more_wildcards_than_that() -> None:
    urls = [f"/{number}.jpg*" for number in range(10, 10 + MAX_WILDCARDS_PER_CALL + 1)]
    found = paths_of(coalesce(items(*urls), Allowance(saving=0), beside("/1", "/2")))
    assert len(found) == wildcards(found) <= MAX_WILDCARDS_PER_CALL


def test_a_larger_plan_may_be_widened_where_nothing_was_before() -> None:
    found = coalesce(items(*(f"/{number}" for number in range(3_501))), Allowance(3_500, saving=0), beside())
    assert 1 <= wildcards(paths_of(found)) <= len(found.items) <= 3_500


def test_even_such_a_plan_has_no_more_paths_than_it_may() -> None:
    urls = [f"/{number}" for number in range(4_000)] + [f"/{number}.jpg*" for number in range(100)]
    found = paths_of(coalesce(items(*urls), Allowance(3_500, saving=0), beside()))
    assert len(found) <= 3_500
    assert wildcards(found) <= 100


@pytest.mark.parametrize("saving", [1, 7])
def test_where_it_saves_money_a_wildcard_replaces_all_paths_of_a_directory(saving: int) -> None:
    changed = ("/index.html", "/tags/t1/", "/tags/t1/index.html")
    allowance = Allowance(saving=saving)
    found = coalesce(items(*changed), allowance, beside(*changed, "/tags/t2/index.html"))
    assert paths_of(found) == ["/index.html", "/tags/t1/*"]
    assert [item.reason for item in found.items] == ["object 'index.html'", "2 changed, 0 unchanged evicted"]


def test_for_two_paths_nobody_waits_for_a_listing() -> None:
    given_ = items("/tags/t1/", "/tags/t1/index.html")
    assert coalesce(given_, Allowance(), never) == Coalesced(given_)


@given(st.integers(0, 15), st.integers(0, 3))
def test_to_save_paths_a_plan_takes_few_wildcards_more_than_it_has(saving: int, before: int) -> None:
    urls = [f"/{place}/{number}" for place in range(20) for number in range(3)]
    rules = [f"/rule{number}*" for number in range(before)]
    found = coalesce(items(*urls, *rules), Allowance(saving=saving), beside("/x"))
    assert wildcards(paths_of(found)) <= max(saving, before)


@given(items_of_urls, st.lists(paths, max_size=12), allowances)
def test_what_is_not_over_evicts_nothing(urls: list[str], others: list[str], allowance: Allowance) -> None:
    wide = allowance._replace(paths=len(urls), wildcards=max(wildcards(urls), 1), saving=15)
    found = coalesce(items(*urls), wide, beside(*others))
    assert all(item.wide is None or item.wide.evicted == 0 for item in found.items)


# --- what ---------------------------------------------------------------------------------------------


def test_a_wide_item_says_what_it_costs() -> None:
    changed = [f"/posts/2019/{number}.html" for number in range(1_212)]
    others = [f"/posts/2019/x{number}" for number in range(28)] + ["/posts/2020/a", "/about"]
    found = coalesce(items("/about", *changed), Allowance(2, saving=0), beside(*others))
    assert paths_of(found) == ["/about", "/posts/2019/*"]
    assert found.items[1].wide == Wide(1_212, 28)
    assert found.items[1].reason == "1,212 changed, 28 unchanged evicted"


@given(items_of_urls, st.lists(paths, max_size=12), allowances.filter(lambda allowance: allowance.wildcards > 0))
def test_nothing_is_missed_nothing_is_over_and_every_message_is_served(
    urls: list[str], others: list[str], allowance: Allowance
) -> None:
    given_ = items(*urls)
    tags = sum(url[0] == "#" for url in urls)
    for neighbours in (beside(*others), unlisted):
        found = coalesce(given_, allowance, neighbours)
        made = paths_of(found)
        assert made == sorted(set(made))
        assert all(url in made if url[0] == "#" else clears(made, url.removesuffix("*")) for url in urls)
        assert {cause for item in found.items for cause in item.causes} == {cause(url) for url in urls}
        if allowance.paths > tags or len(urls) == tags:
            assert len(made) <= max(allowance.paths, tags)
            assert wildcards(made) <= allowance.wildcards or wildcards(urls) == 1


@given(items_of_urls, st.lists(paths, max_size=12), allowances, st.randoms(use_true_random=False))
def test_the_order_of_neighbours_changes_nothing(
    urls: list[str], others: list[str], allowance: Allowance, chance: Any
) -> None:
    shuffled = list(others)
    chance.shuffle(shuffled)
    one, two = (coalesce(items(*urls), allowance, beside(*some)) for some in (others, shuffled))
    assert one == two


def test_what_a_wildcard_clears_anyway_is_no_item_of_its_own() -> None:
    found = coalesce(items("/a*", "/a/b", "/a/c*", "/d", "/e"), Allowance(3, saving=0), never)
    assert paths_of(found) == ["/a*", "/d", "/e"]
    assert found.items[0].causes == (cause("/a*"), cause("/a/b"), cause("/a/c*"))
    assert found.items[0].wide is None


@pytest.mark.parametrize("others", [["/*", "/a", "/b/*"], ["/a"], []])
def test_where_one_path_clears_all_or_none_there_is_nothing_to_list(others: list[str]) -> None:
    found = coalesce(items("#red", *others), Allowance(saving=MAX_WILDCARDS_PER_CALL), never)
    assert (paths_of(found), found.warning) == (["#red", *others[:1]], "")


@pytest.mark.parametrize(("others", "most"), [([], 1), (["/a"], 2), (["/a", "/b"], 2), (["/*", "/a"], 2)])
def test_where_the_cache_tags_alone_are_too_many_that_is_said(others: list[str], most: int) -> None:
    found = coalesce(items("#red", "#blue", *others), Allowance(most, saving=0), never)
    assert found.warning == TAGS_ALONE
    assert coalesce(items("#red", "#blue", *others), Allowance(3, saving=0), beside("/c")).warning == ""


def test_cache_tags_count_and_are_never_widened() -> None:
    given_ = items("#red", "#blue", "/a/1", "/a/2")
    assert paths_of(coalesce(given_, Allowance(3, saving=0), beside("/b"))) == ["#blue", "#red", "/a/*"]
    found = coalesce(given_, Allowance(2, saving=0), never)
    assert paths_of(found) == paths_of(Coalesced(given_))
    assert found.warning == TAGS_ALONE


def test_only_to_save_paths_no_more_is_listed_than_that_is_worth() -> None:
    asked: list[int] = []

    def many(prefix: str) -> Iterator[tuple[UrlPath, ...]]:
        for number in range(60_000):
            asked.append(number)
            yield (UrlPath(f"{prefix}x{number}"),)

    given_ = items("/tags/t1/", "/tags/t1/index.html", "/a")
    found = coalesce(given_, Allowance(), many)
    assert found.items == given_
    assert "more than 3,000 objects" in found.warning
    assert len(asked) == 3_001
    found = coalesce(items(*(f"/{number}/a" for number in range(60))), Allowance(), many)
    assert "more than 50,000 objects" in found.warning
    assert coalesce(given_, Allowance(2), many).warning == ""


def test_a_warning_says_that_the_fewest_evictions_were_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [f"/{directory}/{number}" for directory in "abcd" for number in range(6)]
    others = [f"/{directory}/x{number}" for directory in "abcde" for number in range(5)]
    given_, allowance, neighbours = items(*changed), Allowance(14, 2), beside(*others)
    assert coalesce(given_, allowance, neighbours).warning == ""
    monkeypatch.setattr(cover, "WORK", 0)
    found = coalesce(given_, allowance, neighbours)
    evicted = sum(item.wide.evicted or 0 for item in found.items if item.wide)
    assert found.warning.startswith(f"wildcards evict {evicted:,} unchanged objects, where ")
    assert len(found.items) <= 14


# --- what is asked for --------------------------------------------------------------------------------


def test_no_more_is_listed_than_what_all_paths_begin_with() -> None:
    asked: list[str] = []

    def neighbours(prefix: str) -> list[tuple[UrlPath, ...]]:
        asked.append(prefix)
        return []

    coalesce(items("/posts/2019/é/1", "/posts/2019/è/2", "#red"), Allowance(2, saving=0), neighbours)
    assert asked == ["/posts/2019/"]


# --- without a listing --------------------------------------------------------------------------------


def test_without_a_listing_the_deepest_busy_directories_are_widened() -> None:
    urls = [f"/a/b/{n}" for n in range(5)] + [f"/a/c/{n}" for n in range(3)] + ["/a/d/1", "/e/1", "/f"]
    found = coalesce(items(*urls), Allowance(7, saving=0), unlisted)
    assert paths_of(found) == ["/a/b/*", "/a/c/0", "/a/c/1", "/a/c/2", "/a/d/1", "/e/1", "/f"]
    assert found.items[0].reason == "5 changed, an unknown number of unchanged evicted"
    assert found.warning == f"{DENIED}; whole directories are cleared"
    assert paths_of(coalesce(items(*urls), Allowance(5, saving=0), unlisted)) == [
        *("/a/b/*", "/a/c/*", "/a/d/1", "/e/1", "/f")
    ]
    assert paths_of(coalesce(items(*urls), Allowance(3, saving=0), unlisted)) == ["/a/*", "/e/1", "/f"]
    assert paths_of(coalesce(items(*urls), Allowance(2, saving=0), unlisted)) == ["/*"]


def test_without_a_listing_what_is_not_over_stays_as_it_is() -> None:
    given_ = items("/a", "/tags/t1/", "/tags/t1/index.html")
    found = coalesce(given_, Allowance(), unlisted)
    assert found == Coalesced(given_, f"{DENIED}; wildcards that would evict nothing were not looked for")


def test_without_a_listing_small_directories_go_before_those_above_them() -> None:
    changed = items("/a/b/1", "/a/b/2", "/e/1", "/e/2", "/e/3")
    assert paths_of(coalesce(changed, Allowance(4, saving=0), unlisted)) == ["/a/b/*", "/e/1", "/e/2", "/e/3"]


def test_without_a_listing_directories_replace_too_many_wildcards() -> None:
    changed = items("/a/1*", "/a/2*", "/b/1", "/b/2", "/b/3")
    assert paths_of(coalesce(changed, Allowance(9, 2, saving=0), unlisted)) == paths_of(Coalesced(changed))
    assert paths_of(coalesce(changed, Allowance(9, 1, saving=0), unlisted)) == ["/*"]
    changed = items("/a/1*", "/a/2*", "/a/3", "/b/1", "/b/2")
    assert paths_of(coalesce(changed, Allowance(9, 1, saving=0), unlisted)) == ["/a/*", "/b/1", "/b/2"]


def test_a_listing_that_breaks_off_is_none() -> None:
    def broken(_prefix: str) -> Iterable[tuple[UrlPath, ...]]:
        yield (UrlPath("/b/9"),)
        raise ListingError(DENIED)

    found = coalesce(items("/a/1", "/a/2", "/b/1", "/b/2", "/b/3"), Allowance(3, saving=0), broken)
    assert paths_of(found) == ["/a/1", "/a/2", "/b/*"]
    assert found.items[2].wide == Wide(3, None)


def test_no_key_is_so_deep_that_it_takes_long() -> None:
    deep = "/" + "a/" * 500
    urls = [f"{deep}{number}" for number in range(MAX_ITEMS_PER_CALL)] + [f"/b{number}" for number in range(2)]
    found = coalesce(items(*urls), Allowance(wildcards=MAX_WILDCARDS_PER_CALL, saving=0), unlisted)
    assert paths_of(found) == ["/" + "a/" * 50 + "*", "/b0", "/b1"]
