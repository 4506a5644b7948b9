"""Examples of what viewers ask for; the laws are in test_edge_caches.py."""

from collections.abc import Iterable

import pytest

from invalidator.model import UNKNOWN_SITE, Behavior, ErrorPage, ObjectChange, ObjectKey, Origin, Site, UrlPath
from invalidator.urls.rules import parse
from invalidator.urls.viewers import NO_BEHAVIOR, NO_ORIGIN, OUTSIDE, TILDE, View, Viewers

REST = Origin("b")
WEBSITE = Origin("b", is_website=True)
PROD = Origin("b", "/prod")


def changed(key: str, bucket: str = "b") -> ObjectChange:
    return ObjectChange(bucket, ObjectKey(key), f"{bucket}/{key}")


def paths(site: Site, key: str, view: View = View(), bucket: str = "b") -> set[str]:  # noqa: B008 it is frozen
    found = [path for path, _ in Viewers(site, view).stale(changed(key, bucket)).paths]
    return set(found)


def notes(site: Site, key: str, view: View = View(), bucket: str = "b") -> tuple[str, ...]:  # noqa: B008
    return tuple(Viewers(site, view).stale(changed(key, bucket)).notes)


def default(*origins: Origin, query_strings: bool = False) -> Behavior:
    return Behavior("*", origins, query_strings)


def rules(*written: str) -> View:
    return View(rules=parse(f"[{', '.join(written)}]", "RULES"))


def test_the_origin_path_is_no_part_of_the_url() -> None:
    site = Site((default(PROD),))
    assert paths(site, "prod/a.html") == {"/a.html"}
    assert paths(site, "prod/index.html") == {"/", "/index.html"}
    for key in ("a.html", "prod", "product/a.html", "staging/prod/a.html"):
        assert (paths(site, key), notes(site, key)) == (set(), (OUTSIDE,))


def test_a_bucket_behind_several_origins_is_served_by_each_of_them() -> None:
    site = Site((default(REST, PROD),))
    assert paths(site, "prod/a") == {"/prod/a", "/a"}


def test_each_bucket_of_an_event_has_its_own_origins() -> None:
    viewers = Viewers(Site((default(PROD, Origin("c")),)), View())
    found = {
        (path, cause.source.subject[0]) for b in "bcb" for path, cause in viewers.stale(changed("prod/a", b)).paths
    }
    assert found == {("/a", "b"), ("/prod/a", "c")}
    assert viewers.stale(changed("prod/a", "d")).notes == [NO_ORIGIN]


def test_a_distribution_without_the_bucket_gets_nothing() -> None:
    site = Site((default(Origin("another")),))
    assert (paths(site, "a"), notes(site, "a")) == (set(), (NO_ORIGIN,))
    assert notes(Site(()), "a") == (NO_ORIGIN,)


def test_a_url_that_leads_elsewhere_is_not_cleared() -> None:
    site = Site((Behavior("api/*", ()), Behavior("*.jpg", (PROD,)), default(REST)))
    assert (paths(site, "api/a"), notes(site, "api/a")) == (set(), (NO_BEHAVIOR,))
    assert paths(site, "a.html") == {"/a.html"}
    assert paths(site, "a.jpg") == set()
    assert paths(site, "prod/a.jpg") == {"/a.jpg"}


def test_the_first_behaviour_that_matches_decides() -> None:
    site = Site((Behavior("img/*", (REST,)), Behavior("*.jpg", ()), default(REST)))
    assert paths(site, "img/a.jpg") == {"/img/a.jpg"}
    assert paths(site, "a.jpg") == set()


def test_a_pattern_in_either_spelling_lets_the_path_be_cleared() -> None:
    site = Site((Behavior("caf\u00e9/*", (REST,)), default()))
    assert paths(site, "caf\u00e9/a") == {"/caf%C3%A9/a"}
    site = Site((Behavior("caf%C3%A9/*", (REST,)), default()))
    assert paths(site, "caf\u00e9/a") == {"/caf%C3%A9/a"}


@pytest.mark.parametrize(
    ("root", "key", "expected"),
    [
        ("home.html", "home.html", {"/", "/home.html"}),
        ("home.html", "index.html", {"/index.html"}),
        ("home.html", "a/home.html", {"/a/home.html"}),
        ("index.html", "index.html", {"/", "/index.html"}),
        ("", "index.html", {"/", "/index.html"}),
        ("a/b.html", "a/b.html", {"/", "/a/b.html"}),
    ],
)
def test_the_root_is_what_the_distribution_says(root: str, key: str, expected: set[str]) -> None:
    assert paths(Site((default(REST),), root), key) == expected


def test_the_root_is_cleared_where_either_name_of_it_leads_to_the_bucket() -> None:
    site = Site((Behavior("*.html", (REST,)), default()), "home.html")
    assert paths(site, "home.html") == {"/", "/home.html"}


@pytest.mark.parametrize(
    ("origin", "bare", "expected"),
    [
        (REST, None, {"/a/", "/a/index.html"}),
        (REST, True, {"/a", "/a/", "/a/index.html"}),
        (WEBSITE, None, {"/a", "/a/", "/a/index.html"}),
        (WEBSITE, False, {"/a/", "/a/index.html"}),
    ],
)
def test_a_directory_without_its_slash_is_cleared_where_it_is_found_so(
    origin: Origin, bare: bool | None, expected: set[str]
) -> None:
    assert paths(Site((default(origin),)), "a/index.html", View(bare=bare)) == expected
    assert paths(Site((default(origin),)), "index.html", View(bare=bare)) == {"/", "/index.html"}


def test_a_directory_that_ends_in_two_slashes_has_no_url_with_one() -> None:
    assert paths(Site((default(WEBSITE),)), "/index.html") == {"//index.html", "//"}
    assert paths(Site((default(WEBSITE),)), "a//index.html") == {"/a//index.html", "/a//"}
    view = rules('{"match": "^", "instead": ["//$0index.html"]}')
    assert paths(Site((default(WEBSITE),)), "index.html", view) == {"//index.html", "//"}


def test_an_index_document_beside_another_root_object_is_no_root() -> None:
    for origin in (REST, WEBSITE):
        assert paths(Site((default(origin),), "home.html"), "index.html", View(bare=True)) == {"/index.html"}


def test_query_strings_are_cleared_if_either_spelling_is_cached_by_them() -> None:
    site = Site((Behavior("caf%C3%A9/*", (REST,), query_strings=True), default(REST)))
    assert paths(site, "caf\u00e9/a.jpg") == {"/caf%C3%A9/a.jpg*"}


def test_query_strings_are_cleared_where_they_are_part_of_the_cache_key() -> None:
    site = Site((Behavior("*.jpg", (REST,), query_strings=True), default(REST)))
    assert paths(site, "a b.jpg") == {"/a%20b.jpg*", "/a+b.jpg*"}
    assert paths(site, "a.png") == {"/a.png"}


def test_the_query_strings_of_a_directory_take_nothing_of_it_along() -> None:
    site = Site((default(REST, query_strings=True),))
    assert paths(site, "a/index.html") == {"/a/", "/a/?*", "/a/index.html*"}
    assert paths(site, "a/index.html", View(bare=True)) == {"/a", "/a?*", "/a/", "/a/?*", "/a/index.html*"}
    assert paths(site, "v1.2/licence") == {"/v1.2/licence", "/v1.2/licence?*"}
    assert paths(site, "v1.2/index.html", View(bare=True)) >= {"/v1.2", "/v1.2?*"}
    assert paths(site, "v1.2") == {"/v1.2", "/v1.2?*"}


def test_of_an_unknown_distribution_every_bucket_is_served_under_its_keys() -> None:
    assert paths(UNKNOWN_SITE, "a/index.html", bucket="any") == {"/a/", "/a/index.html"}


# --- normalized paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("assets//v2/app.js", {"/assets//v2/app.js"}),
        ("/assets/v2/app.js", {"//assets/v2/app.js"}),
        ("//assets/v2/app.js", {"///assets/v2/app.js"}),
        ("assets/./v2/app.js", {"/assets/./v2/app.js"}),
        ("./assets/v2/app.js", {"/./assets/v2/app.js"}),
        ("x/../assets/v2/app.js", {"/x/../assets/v2/app.js"}),
        ("../assets/v2/a b.js", {"/../assets/v2/a%20b.js", "/../assets/v2/a+b.js"}),
        ("docs//index.html", {"/docs//", "/docs//index.html"}),
        ("docs/v1/../index.html", {"/docs/v1/../", "/docs/v1/../index.html"}),
        ("/index.html", {"//index.html", "//"}),
        ("media//cut.mp4", {"/media//cut.mp4*"}),
        # Which of the two goes first is not documented: it is x/b or assets/v2/b.
        ("assets/v2//../b", {"/assets/v2//../b"}),
        ("x//../assets/v2", set()),
        ("assets/v2/../app.js", {"/assets/v2/../app.js"}),
        ("assets.v2/..app.js", set()),
    ],
)
def test_the_normalized_url_may_choose_the_behaviour_too(key: str, expected: set[str]) -> None:
    behaviors = (
        Behavior("assets/v2/*", (REST,)),
        Behavior("docs/index.html", (REST,)),
        Behavior("docs/", (REST,)),
        Behavior("/media/*", (REST,), query_strings=True),
        Behavior("home.html", (REST,)),
        Behavior("index.html", (REST,)),
    )
    assert paths(Site((*behaviors, default()), "home.html"), key) == expected


def test_a_key_behind_an_origin_path_may_be_normalized_too() -> None:
    site = Site((Behavior("docs/guide/*", (PROD,)), default()))
    assert paths(site, "prod//docs/guide/a.html") == {"//docs/guide/a.html"}
    assert paths(site, "prod/x/../docs/guide/a.html") == {"/x/../docs/guide/a.html"}
    view = rules('{"match": "^/docs/(.*)$", "also": ["/docs//guide/$1"]}')
    varied = Site((Behavior("docs/guide/*", (PROD,), query_strings=True), default(PROD)))
    assert paths(varied, "prod//docs/a.html", view) == {"//docs/a.html", "/docs//guide/a.html", "/docs//guide/a.html?*"}


# --- error pages and tildes -----------------------------------------------------------------------------


def with_pages(*pages: tuple[str, int], query_strings: bool = False) -> Site:
    found = tuple(ErrorPage(UrlPath(path), seconds) for path, seconds in pages)
    return Site((default(PROD, query_strings=query_strings),), "index.html", error_pages=found)


def test_an_error_page_that_is_kept_for_long_is_cleared_under_every_url() -> None:
    site = with_pages(("/index.html", 61))
    assert paths(site, "prod/index.html") == {"/", "/index.html", "/*"}
    assert paths(site, "index.html") == paths(site, "other/index.html") == set()
    assert paths(site, "prod/about.html") == {"/about.html"}
    (cause,) = [
        str(cause) for path, cause in Viewers(site, View()).stale(changed("prod/index.html")).paths if "*" in path
    ]
    assert cause == "error page, kept under each URL that failed, of 'prod/index.html'"
    assert paths(with_pages(("/", 61)), "prod/index.html") == {"/", "/index.html", "/*"}
    assert paths(with_pages(("/a%20b.html", 61)), "prod/a b.html") == {"/a%20b.html", "/a+b.html", "/*"}
    assert "/*" in paths(with_pages(("/404.html", 300), query_strings=True), "prod/404.html")
    assert "/*" in paths(with_pages(("/404", 300), query_strings=True), "prod/404")


def test_a_page_that_a_rule_makes_may_be_an_error_page_too() -> None:
    site = with_pages(("/errors/404", 3_600))
    assert "/*" in paths(site, "prod/404.md", rules('{"match": "^(.*)[.]md$", "instead": ["/errors/$1"]}'))


def test_an_error_page_that_goes_soon_takes_a_note_only() -> None:
    site = with_pages(("/index.html", 60))
    assert paths(site, "prod/index.html") == {"/", "/index.html"}
    assert notes(site, "prod/index.html") == ("URLs that failed may show the old error page /index.html for 60 s",)
    assert notes(site, "prod/about.html") == ()
    ignored = View(error_pages=False)
    assert paths(with_pages(("/index.html", 86_400)), "prod/index.html", ignored) == {"/", "/index.html"}
    assert notes(with_pages(("/index.html", 86_400)), "prod/index.html", ignored) != ()


def test_an_error_page_of_another_origin_is_none_of_the_bucket() -> None:
    site = Site((Behavior("/errors/*", ()), default(REST)), error_pages=(ErrorPage(UrlPath("/errors/404"), 300),))
    assert paths(site, "errors/404") == set()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/~b.html", {"/a/%7Eb.html", "/a/*"}),
        ("a b~c~d", {"/a%20b%7Ec%7Ed", "/a+b%7Ec%7Ed", "/a%20b*", "/a+b*"}),
        ("~me/index.html", {"/%7Eme/index.html", "/%7Eme/", "/*"}),
        ("a.html", {"/a.html"}),
    ],
)
def test_a_tilde_may_be_cleared_by_what_is_before_it(key: str, expected: set[str]) -> None:
    site = Site((default(REST),))
    assert paths(site, key, View(tilde_wildcards=True)) == expected
    assert notes(site, key, View(tilde_wildcards=True)) == ()
    assert paths(site, key) == {path for path in expected if "*" not in path}
    assert notes(site, key) == ((TILDE,) if "~" in key else ())
    view = rules('{"match": "^(.*)[.]md$", "also": ["/~me/$1"]}')
    assert notes(site, "a.md", view) == (TILDE,)


# --- rules ----------------------------------------------------------------------------------------------

CLEAN = '{"match": "^(.*)[.]html$", "also": ["/$1"]}'


def test_a_rule_sees_the_key_as_viewers_do() -> None:
    assert paths(Site((default(PROD),)), "prod/about.html", rules(CLEAN)) == {"/about", "/about.html"}
    assert paths(Site((default(REST),)), "prod/about.html", rules(CLEAN)) == {"/prod/about", "/prod/about.html"}
    assert paths(Site((default(PROD),)), "staging/about.html", rules(CLEAN)) == set()


def test_a_rule_for_whole_keys_serves_what_no_origin_does() -> None:
    view = rules('{"match": "^data/list[.]json$", "also": ["/list/"], "whole_key": true}')
    assert paths(Site((default(PROD),)), "data/list.json", view) == {"/list/"}
    assert paths(Site((default(REST),)), "data/list.json", view) == {"/list/", "/data/list.json"}
    assert paths(Site((default(Origin("another")),)), "data/list.json", view) == set()


def test_a_rule_for_whole_keys_can_replace_the_path_too() -> None:
    view = rules('{"match": "^pages/(.*)[.]md$", "instead": ["/$1/"], "whole_key": true}')
    assert paths(Site((default(REST),)), "pages/a.md", view) == {"/a/"}


def test_instead_replaces_the_paths_of_the_object_and_nothing_else() -> None:
    view = rules('{"match": "^(.*)[.]html$", "instead": ["/$1"]}')
    assert paths(Site((default(REST),)), "a b.html", view) == {"/a%20b", "/a+b"}
    assert paths(Site((default(REST),)), "a/index.html", view) == {"/a/index", "/a/"}


@pytest.mark.parametrize(
    ("template", "key", "expected"),
    [
        ("/cdn/media/$0", "docs/index.html", {"/cdn/media/docs/index.html", "/cdn/media/docs/"}),
        ("/cdn/media/$0", "index.html", {"/cdn/media/index.html", "/cdn/media/"}),
        ("/cdn/media/$0", "docs/a.html", {"/cdn/media/docs/a.html"}),
        ("/cdn/media/$0", "docs/reindex.html", {"/cdn/media/docs/reindex.html"}),
        ("/x?file=/$0", "docs/index.html", {"/x?file=/docs/index.html", "/docs/"}),
        ("/m/$0", "a b/index.html", {"/m/a%20b/index.html", "/m/a%20b/", "/m/a+b/index.html", "/m/a+b/"}),
    ],
)
def test_the_directory_of_an_index_document_follows_the_rule(template: str, key: str, expected: set[str]) -> None:
    for whole in ("false", "true"):
        view = rules(f'{{"match": "^.*$", "instead": ["{template}"], "whole_key": {whole}}}')
        assert paths(Site((default(REST),)), key, view) == expected
    # The default root object is CloudFront's own: no rule moves it.
    root = paths(Site((default(REST),), "index.html"), key, view)
    assert root == expected | ({"/"} if key == "index.html" else set())
    bare = View(bare=True, rules=view.rules)
    with_bare = {path[:-1] for path in expected if path[-1] == "/"}
    assert paths(Site((default(REST),)), key, bare) == expected | with_bare
    varied = Site((Behavior("cdn/*", (), query_strings=True), default(REST)))
    if template.startswith("/cdn") and "/cdn/media/docs/" in expected:
        assert paths(varied, key, view) == expected | {f"{path}?*" for path in expected}


def test_a_directory_follows_a_path_with_all_its_query_strings_and_no_tag() -> None:
    site = Site((default(REST),), cache_tags=True)
    for item in ("/cdn/$0*", "/cdn/$0?*"):
        expected = {item.replace("$0", "docs/index.html"), "/cdn/docs/"}
        assert paths(site, "docs/index.html", rules(f'{{"match": "^.*$", "instead": ["{item}"]}}')) == expected
    for tag in ("#$0", "#page:$0"):
        view = rules(f'{{"match": "^.*$", "instead": ["{tag}"]}}')
        assert paths(site, "docs/index.html", view) == {tag.replace("$0", "docs/index.html"), "/docs/"}


def test_the_directory_of_a_whole_key_follows_wherever_the_key_is() -> None:
    view = rules('{"match": "^staging/(.*)$", "instead": ["/preview/$1"], "whole_key": true}')
    expected = {"/preview/docs/", "/preview/docs/index.html"}
    assert paths(Site((default(PROD),)), "staging/docs/index.html", view) == expected
    assert paths(Site((default(Origin("b", "/staging")),)), "staging/docs/index.html", view) == expected


def test_the_path_of_the_object_stays_where_nothing_can_replace_it() -> None:
    view = rules('{"match": "^(.*)[.]html$", "instead": ["#page:$1"]}')
    assert paths(Site((default(REST),), cache_tags=True), "a.html", view) == {"#page:a"}
    assert paths(Site((default(REST),)), "a.html", view) == {"/a.html"}
    assert notes(Site((default(REST),)), "a.html", view) != ()


def test_what_is_wrong_with_a_rule_is_told_where_nothing_is_cleared_too() -> None:
    site = Site((Behavior("api/*", ()), default(REST)))
    (note,) = notes(site, "api/a", rules('{"match": "a", "also": ["#tag"]}'))
    assert note.startswith("rule 1: its tags are left out")
    assert notes(site, "api/a", rules('{"match": "b", "also": ["#tag"]}')) == (NO_BEHAVIOR,)


def test_what_a_rule_gives_is_cleared_with_its_query_strings_too() -> None:
    site = Site((Behavior("en/*", (), query_strings=True), default(REST)))
    view = rules('{"match": "^(.*)[.]html$", "also": ["/en/$1", "/en/$1/", "/en/$1?x=1", "/en/*", "/$1"]}')
    assert paths(site, "a.html", view) == {
        "/a.html",
        "/en/a",
        "/en/a?*",
        "/en/a/",
        "/en/a/?*",
        "/en/a?x=1",
        "/en/*",
        "/a",
    }


@pytest.mark.parametrize("pattern", ["caf\u00e9/*", "caf%C3%A9/*"])
def test_what_a_rule_gives_is_compared_with_patterns_in_either_spelling(pattern: str) -> None:
    site = Site((Behavior(pattern, (), query_strings=True), default(REST)))
    view = rules('{"match": "^(.*)[.]html$", "also": ["/caf\u00e9/$1"]}')
    assert paths(site, "a.html", view) == {"/a.html", "/caf%C3%A9/a", "/caf%C3%A9/a?*"}


def test_all_rules_that_match_count_and_any_of_them_replaces_the_object() -> None:
    both, other = '{"match": "^(.*)[.]html$", "also": ["/en/$1"], "instead": ["/$1"]}', '{"match": "a", "also": ["/x"]}'
    for view in (rules(both, other), rules(other, both)):
        assert paths(Site((default(REST),)), "a.html", view) == {"/en/a", "/a", "/x"}


@pytest.mark.parametrize(
    ("include", "exclude", "key", "expected"),
    [
        ((), (), "a", True),
        (("blog/*",), (), "blog/a", True),
        (("blog/*",), (), "a", False),
        (("a", "b"), (), "b", True),
        ((), ("assets/*.????????.js",), "assets/app.0a1b2c3d.js", False),
        ((), ("assets/*.????????.js",), "assets/app.js", True),
        (("blog/*",), ("*.map",), "blog/a.map", False),
    ],
)
def test_a_key_has_to_be_included_and_not_excluded(
    include: Iterable[str], exclude: Iterable[str], key: str, expected: bool
) -> None:
    assert View(include=tuple(include), exclude=tuple(exclude)).takes(key) is expected
