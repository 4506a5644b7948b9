"""Globs and path patterns match what AWS says they do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.urls.globs import glob, may_be_normalized, normalized, path_pattern


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("assets/*.????????.js", "assets/app.0a1b2c3d.js", True),
        ("assets/*.????????.js", "assets/app.js", False),
        ("assets/*", "assets/deep/er.js", True),
        ("*.map", "a/b.map", True),
        ("*.MAP", "a/b.map", False),
        ("[ab]*", "b", True),
        ("[!ab]*", "b", False),
        ("a\n*", "a\nb", True),
    ],
)
def test_globs_are_those_of_aws_s3_sync(pattern: str, key: str, expected: bool) -> None:
    assert bool(glob(pattern)(key)) is expected


def test_a_glob_of_many_asterisks_does_not_go_back_for_long() -> None:
    assert not glob("*a" * 40 + "b")("a" * 1_000)


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
    [
        ("*", "", True),
        ("/images/*.jpg", "images/a/b.jpg", True),
        ("images/*.jpg", "images/a.png", False),
        ("//a/*", "/a/b", True),
        ("//a/*", "a/b", False),
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "a.jpg2", False),
        ("?.html", "a.html", True),
        ("?.html", ".html", False),
        ("a[b]", "a[b]", True),
        ("a[b]", "ab", False),
        ("A*", "a", False),
    ],
)
def test_path_patterns_have_two_wildcards_and_no_more(pattern: str, url: str, expected: bool) -> None:
    assert bool(path_pattern(pattern)(url)) is expected


@pytest.mark.parametrize(
    ("url", "forms"),
    [
        ("", {""}),
        ("a/b.c/", {"a/b.c/"}),
        ("/a", {"/a", "a"}),
        ("a//b///", {"a//b///", "a/b/"}),
        ("./a/.", {"./a/.", "a/"}),
        ("a/b/../c", {"a/b/../c", "a/c"}),
        ("../../a", {"../../a", "a"}),
        ("..", {"..", ""}),
        ("a/...", {"a/..."}),
        ("a/.b", {"a/.b"}),
        # Slashes first: a/../b. Dots first: a//../b, of which the empty segment goes.
        ("a//../b", {"a//../b", "b", "a/b"}),
    ],
)
def test_a_url_is_normalized_as_rfc_3986_has_it(url: str, forms: set[str]) -> None:
    assert normalized(url) == forms


@given(st.text("/.a", max_size=8))
def test_a_path_has_other_forms_only_where_that_is_looked_for(url: str) -> None:
    assert normalized(url) == {url} or may_be_normalized(f"/{url}")
