"""What the planner is measured with: its sites, other tools, and the scorer."""

import math
import posixpath
from collections import Counter

import pytest

from benchmarks import s3cmd, s3deploy
from benchmarks.scores import Score, gap, objections, score
from benchmarks.sites import Tree, blog, urls_of, urls_of_all

# --- sites ----------------------------------------------------------------------------------------------


def test_the_site_has_5000_objects_and_its_deploys_are_the_same_every_time() -> None:
    site = blog()
    assert len(site.keys) == len(set(site.keys)) == 5_000
    assert Counter(key.partition("/")[0] for key in site.keys if "/" in key) == {
        "posts": 2_400,
        "images": 2_175,
        "tags": 300,
        "assets": 120,
    }
    sizes = {name: (len(changed), len(urls_of_all(changed))) for name, changed in site.deploys.items()}
    assert sizes == {
        "edit of 7": (7, 12),
        "300 images": (300, 300),
        "200 mixed": (200, 321),
        "300 tags + 40 posts": (340, 680),
        "all 5000": (5_000, 7_701),
    }
    for changed in site.deploys.values():
        assert len(set(changed)) == len(changed)
        assert set(changed) <= set(site.keys)
    assert site == blog()


def test_what_the_deploys_change() -> None:
    deploys = blog().deploys
    assert deploys["edit of 7"][0] == "posts/2024/12/p3/index.html"
    assert deploys["300 images"][:2] == ["images/26/im1326.jpg", "images/12/im617.jpg"]
    assert deploys["200 mixed"][:2] == ["posts/2019/08/p19/index.html", "images/20/im1006.jpg"]
    assert deploys["300 tags + 40 posts"][-2:] == ["posts/2023/04/p9/index.html", "posts/2019/08/p0/index.html"]


def test_an_index_document_is_asked_for_by_its_directory_too() -> None:
    assert urls_of("index.html") == ["/index.html", "/"]
    assert urls_of("a/index.html") == ["/a/index.html", "/a/"]
    assert urls_of("a/reindex.html") == ["/a/reindex.html"]
    assert urls_of_all(["a", "index.html"]) == ["/a", "/index.html", "/"]


@pytest.mark.parametrize("clustered", [False, True])
def test_of_a_large_site_a_tenth_is_changed(clustered: bool) -> None:
    tree = Tree(20_000, clustered)
    keys, changed = list(tree.keys()), tree.changed()
    assert len(set(keys)) == 20_000
    assert len(set(changed)) == len(changed) == 2_000
    assert set(changed) <= set(keys)
    assert changed == Tree(20_000, clustered).changed()


def test_clustered_changes_fill_directories_and_scattered_ones_do_not() -> None:
    def full_directories(tree: Tree) -> int:
        sizes = Counter(posixpath.dirname(key) for key in tree.keys())  # noqa: SIM118 it is no dict
        changed = Counter(posixpath.dirname(key) for key in tree.changed())
        return sum(changed[directory] == sizes[directory] for directory in changed)

    assert full_directories(Tree(20_000)) == 0
    assert full_directories(Tree(20_000, clustered=True)) > 10


# --- the scorer -----------------------------------------------------------------------------------------

KEYS = ["index.html", "a/index.html", "a/1.css", "a/12.css", "ab.css", "b.css"]


@pytest.mark.parametrize(
    ("items", "found"),
    [
        (["/a/", "/a/index.html", "/a/1.css"], Score(3, 0, 0, 0)),
        (["/a/", "/a/1.css"], Score(2, 0, 0, 1)),
        (["/a/*"], Score(1, 1, 1, 0)),
        (["/a/i*", "/a/1*", "/a/"], Score(3, 2, 1, 0)),
        (["/a*", "/a/12.css"], Score(2, 1, 2, 0)),
        (["/*"], Score(1, 1, 4, 0)),
        (["/b.css"], Score(1, 0, 1, 3)),
        ([], Score(0, 0, 0, 3)),
    ],
)
def test_the_scorer_counts_items_wildcards_evicted_objects_and_missed_urls(items: list[str], found: Score) -> None:
    changed = ["a/index.html", "a/1.css"]
    assert score(items, KEYS, changed, urls_of_all(changed)) == found


def test_a_cover_is_objected_to_for_each_thing_that_is_wrong_with_it() -> None:
    assert objections(Score(3, 2, 5, 0), paths=3, wildcards=2, claimed=5) == []
    assert objections(Score(3, 2, 5, 1), paths=2, wildcards=1, claimed=4) == [
        "1 changed URLs are not cleared",
        "3 items, where 2 are allowed",
        "2 wildcards, where 1 are allowed",
        "5 objects are evicted, not 4 as the planner says",
    ]


def test_the_gap_is_relative_to_the_bound() -> None:
    assert gap(0, 0) == gap(7, 7) == 0
    assert gap(21, 20) == pytest.approx(0.05)
    assert gap(1, 0) == math.inf


# --- s3deploy -------------------------------------------------------------------------------------------


def files(folder: str, number: int) -> list[str]:
    return [f"{folder}/file{count}.css" for count in range(1, number + 1)]


def files_in_many(folder: str, number: int) -> list[str]:
    return [f"{folder}-{count - 1}/file{count}.css" for count in range(1, number + 1)]


ROOT_AND_STYLES = ["/index.html", "/styles.css"]
NESTED = [
    *ROOT_AND_STYLES,
    *files("blog", 10),
    *files("blog/l1", 10),
    *files("blog/l1/l2/l3/l5", 10),
    *files("blog/l1/l3", 10),
    *files_in_many("about/l1", 10),
    *files("about/l1/l2/l3", 10),
]
STYLES = "/hugoscss/styles/main.min.36816b22057425f8a5f66b73918446b0cd793c0c6125406c285948f507599d1e.css"
IN_HUGOSCSS = [f"/hugoscss{page}/index.html" for page in ("/categories", "", "/tags", "/post", "/post/hello-scss")]


@pytest.mark.parametrize(
    ("root", "paths", "changed", "items"),
    [
        ("web", 5, ["/web/index.html"], ["/web/"]),
        ("", 5, ["/index.html"], ["/"]),
        ("web", 5, ["/web/b/"], ["/web/b/"]),
        ("", 5, [*ROOT_AND_STYLES, *files("css", 20)], ["/", "/css/*", "/styles.css"]),
        ("", 5, [*ROOT_AND_STYLES, *files_in_many("css", 20)], ["/*"]),
        ("", 5, NESTED, ["/", "/about/*", "/blog/*", "/styles.css"]),
        ("/hugoscss", 3, [*IN_HUGOSCSS, STYLES], ["/hugoscss/*"]),
        ("/", 3, ["/a/b1/a.css", "/a/b2/b.css"], ["/a/b1/a.css", "/a/b2/b.css"]),
        ("/", 1, ["/a/b1/a.css", "/a/b2/b.css"], ["/a/*"]),
    ],
)
def test_s3deploy_asks_for_what_its_own_tests_expect(
    root: str, paths: int, changed: list[str], items: list[str]
) -> None:
    """The examples of TestReduceInvalidationPaths in version 2.16.0, those with ``-force`` aside.

    https://github.com/bep/s3deploy/blob/e5e75954b7c9585ef4729fd67b39be0e18fb298c/lib/cloudfront_test.go
    """
    assert s3deploy.items(changed, root, paths) == items


def test_s3deploy_takes_keys_as_they_are_uploaded() -> None:
    assert s3deploy.items(["index.html", "a/reindex.html", "a/b.css"]) == ["/", "/a/", "/a/b.css"]
    assert s3deploy.items([]) == []


# --- s3cmd ----------------------------------------------------------------------------------------------

CHANGED = ["index.html", "a/index.html", "a/b.css"]


@pytest.mark.parametrize(
    ("options", "items"),
    [
        ([], ["/", "/a/", "/a/b.css"]),
        ([s3cmd.WITH_INDEX], ["/index.html", "/", "/a/index.html", "/a/", "/a/b.css"]),
        ([s3cmd.WITH_INDEX, s3cmd.WITHOUT_DIRECTORY], ["/index.html", "/a/index.html", "/a/b.css"]),
    ],
)
def test_s3cmd_clears_index_documents_or_their_directories_as_its_options_say(
    options: list[str], items: list[str]
) -> None:
    assert s3cmd.run(CHANGED, *options) == s3cmd.Requests([items], "")


def test_s3cmd_sends_nothing_if_there_are_too_many_paths() -> None:
    assert s3cmd.run([f"{number}.css" for number in range(s3cmd.PATHS)]).refusal == ""
    refused = s3cmd.run([f"{number}.css" for number in range(s3cmd.PATHS + 1)])
    assert refused.calls == []
    assert refused.refusal.endswith("Too many paths to invalidate")
