"""Laws of expressions: they match what they should, and those that could take for ever are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.urls.safe_regex import Expression


@pytest.mark.parametrize(
    "text",
    [
        "^(.*)\\.html$",
        "(.*)/(.*)\\.html",
        "^([^/]+)/(.*)\\.html$",
        "^posts/(\\d{4})-(\\d{2})-(\\d{2})-(.*)\\.md$",
        "^((?:[a-z0-9-]+/)*)([a-z0-9-]+)\\.html$",
        "^(?P<lang>[a-z]{2})/(?P<rest>.*)$",
        "(?i)^(.*)\\.HTML?$",
        "^data/(.+?)-(\\d+)\\.(json|csv)$",
        "([\\w-]+)/([\\w-]+)\\.html$",
        "(\\w+)-(\\w+)\\.html",
        "^(\\d{4})(\\d{2})(\\d{2})-(.*)$",
        "^(?:[a-z0-9-]+/){1,3}index\\.html$",
        "^([0-9a-f]{2}){16}\\.js$",
        "[[a]b",
        "a{1000000000,}",
        "",
    ],
)
def test_what_people_write_is_taken(text: str) -> None:
    assert Expression(text).slow_key() is None


@pytest.mark.parametrize(
    "text",
    [
        "^(a+)+$",
        "(a|a)*b",
        "(a|aa)+$",
        "(?:aa|aaa)+$",
        "(?:a{5}|a{6})*$",
        "^(\\w+\\s?)*$",
        "^([^/]+)+$",
        "^posts/(x+x+)+y",
        "^(.*a){12}$",
        "^(.*)(.*)(.*)(.*)x",
        "^(.*)/(.*)/(.*)/(.*)\\.html$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "^((é|é)*)*$x",
        "(?:a|aa){30}$",
        "^(?:\\d\\d|\\d){30}-",
        "^(?:.|..){35}Q",
        "^(?:[a-z]|[a-z]{2}){30}/",
        "(?:(?:a|aa){40}c?)+$",
        "(?:ab|ab){30}$",
        "(?:a|aa){500}$",
        "^([^\\Wa-zA0é_]+)+$",
        "^([^a0A/._\\- \\n\\0é]+)+$",
        "^(.*?,){11}P",
        f"(?:{'|'.join(['ab'] * 100)})*c",
    ],
)
def test_what_goes_back_for_ever_is_found_with_a_key_that_shows_it(text: str) -> None:
    key = Expression(text).slow_key()
    assert key is not None
    assert 0 < len(key) <= 1024


@pytest.mark.parametrize(
    "text", ["(?=(a+)+$)b", "(?!b)a", "(?<=X)(a+)+$", "(.*)\\1", "(a)?(?(1)b|c)", "((?:x(?<!y))*)"]
)
def test_what_cannot_be_tried_is_refused(text: str) -> None:
    with pytest.raises(re.error, match="cannot be used here"):
        Expression(text)


def test_a_dot_is_any_character_of_a_key() -> None:
    assert Expression("^(.*)[.]html$").search("a\nb.html")


@given(st.text("ab/\n", max_size=12))
def test_an_expression_that_begins_with_anything_finds_the_same(key: str) -> None:
    for text in ("(.*)b", ".*a", "((.*))/a", "b.*", "(.+)b", "(.*?)b", "(.{0,2})b"):
        found, expected = Expression(text).search(key), re.search(text, key, re.DOTALL)
        assert (found and found.span()) == (expected and expected.span())


def nested(opening: str, closing: str, times: int) -> str:
    return opening * times + "a" + closing * times


@pytest.mark.parametrize(
    ("opening", "closing", "most"), [("(", ")", 49), ("(bb|", ")", 24), ("(b", ")?", 24), ("(?:", ")", 200)]
)
def test_expressions_are_taken_up_to_a_depth_and_no_further(opening: str, closing: str, most: int) -> None:
    assert Expression(nested(opening, closing, most)).slow_key() is None
    if opening != "(?:":  # which leaves nothing to be nested
        with pytest.raises(re.error, match=r"^groups, alternatives and repetitions are nested 50 deep, or deeper$"):
            Expression(nested(opening, closing, most + 1))
