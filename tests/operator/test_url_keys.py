"""The objects behind a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.model import Behavior, ObjectKey, Origin, Site
from invalidator.operator.url_keys import UrlObject, objects_behind
from invalidator.urls.encoding import spellings
from invalidator.urls.viewers import View
from tests.doubles.strategies import keys

REST = Site((Behavior("*", (Origin("b"),)),), root_object="index.html")
PROD = Site((Behavior("/img/*", (Origin("images"),)), Behavior("*", (Origin("b", "/prod"),))))
EITHER = Site((Behavior("*", (Origin("b"), Origin("c"))),))
VARIED = Site((Behavior("*", (Origin("b"),), True),))


@pytest.mark.parametrize(
    ("path", "site", "found"),
    [
        ("/blog/a.html", REST, ["b/blog/a.html"]),
        ("/red%20flower.jpg", REST, ["b/red flower.jpg"]),
        ("/red flower.jpg", REST, ["b/red flower.jpg"]),
        ("/caf%c3%a9", REST, ["b/café"]),
        ("/a%2541", REST, ["b/a%41"]),
        ("/", REST, ["b/index.html"]),
        ("/a.jpg", VARIED, ["b/a.jpg"]),
        ("/a", PROD, ["b/prod/a"]),
        ("/img/a", PROD, ["images/img/a"]),
        # These may be several objects.
        ("/c++", REST, ["b/c++", "b/c  "]),
        ("/blog/", REST, ["b/blog/", "b/blog/index.html"]),
        ("/a", EITHER, ["b/a", "c/a"]),
    ],
)
def test_an_object_is_found_by_its_url(path: str, site: Site, found: list[str]) -> None:
    objects = objects_behind(path, site, View(), "")
    assert sorted(f"{one.bucket}/{one.key}" for one in objects) == sorted(found)


@given(keys)
def test_each_spelling_of_a_url_leads_to_its_key(key: str) -> None:
    for path in spellings(ObjectKey(key)):
        assert UrlObject("b", key) in objects_behind(path, REST, View(), "")


@given(st.text(max_size=8))
def test_whatever_a_person_writes_is_no_error(path: str) -> None:
    objects_behind(f"/{path}", PROD, View(), "b")
