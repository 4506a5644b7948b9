"""Laws of rules: what they give is something that CloudFront takes, and what cannot be is refused before it is used."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import ConfigurationError
from invalidator.urls.encoding import is_path, is_tag
from invalidator.urls.rules import Followed, follow, parse
from tests.doubles import strategies as make
from tests.doubles.cloudfront import keys_of


def followed(rule: dict[str, Any], key: str, *, cache_tags: bool = True) -> Followed | None:
    (parsed,) = parse(json.dumps([rule]), "RULES")
    return follow(parsed, key, cache_tags=cache_tags)


def also(match: str, *templates: str, key: str) -> list[str]:
    found = followed({"match": match, "also": list(templates)}, key)
    assert found is not None
    return list(found.also)


@pytest.mark.parametrize(
    ("match", "template", "key", "expected"),
    [
        ("^(.*)\\.html$", "/$1", "about.html", ["/about"]),
        ("^(.*)\\.html$", "/en/$1/", "a/b.html", ["/en/a/b/"]),
        ("^(.*)\\.html$", "/$1", "red flower.html", ["/red%20flower", "/red+flower"]),
        ("^(.*)\\.html$", "/$1", "c++.html", ["/c++", "/c%2B%2B"]),
        ("^(.*)\\.html$", "/$1", "é*?#%.html", ["/%C3%A9%2A%3F%23%25"]),
        ("^(a)|b", "/x$1", "b", ["/x"]),
        ("^data/(?:([a-z]+)/)?all[.]json$", "/$1*", "data/all.json", []),
        ("^(a*)b", "/x$1", "b", ["/x"]),
        ("^(?P<lang>..)/(?P<rest>.*)$", "/${rest}?lang=${lang}", "de/a", ["/a?lang=de"]),
        ("(.)(.)", "/$2$1/$0", "ab", ["/ba/ab"]),
        ("(.)", "/${1}0", "a", ["/a0"]),
        ("a", "/price$$", "a", ["/price$"]),
        ("a", "/café/~x/%C3%a9", "a", ["/caf%C3%A9/%7Ex/%C3%A9"]),
        ("a", "/red flower+1/%", "a", ["/red%20flower+1/%25"]),
        ("a", "/a?b=c?d e*", "a", ["/a?b=c?d%20e*"]),
        ("^posts/", "/posts/*", "posts/1", ["/posts/*"]),
        ("^(.*)[.]json$", "/search?q=$1*", "a b.json", ["/search?q=a%20b*", "/search?q=a+b*"]),
        (
            "^(.*[.]png)$",
            "/_next/image?url=${1:url}&w=640",
            "img/a (1)é~*.png",
            [
                "/_next/image?url=img%2Fa%20(1)%C3%A9%7E%2A.png&w=640",
                "/_next/image?url=img%2Fa+(1)%C3%A9%7E%2A.png&w=640",
            ],
        ),
        ("^(?P<name>.*)$", "/x?u=%2F${name:url}*", "a/R&D+=?#%41", ["/x?u=%2Fa%2FR%26D%2B%3D%3F%23%2541*"]),
        ("^(.*)$", "/$1?u=${0:url}", "a b", ["/a%20b?u=a%20b", "/a+b?u=a+b"]),
        ("a", "/search?q=R%26D&x=%2fa%41", "a", ["/search?q=R%26D&x=%2FaA"]),
        ("^products/(.*)$", "#Product:$1", "products/A42", ["#product:a42"]),
        ("^a", "#tag", "a", ["#tag"]),
    ],
)
def test_a_template_gives_every_spelling_of_its_path(match: str, template: str, key: str, expected: list[str]) -> None:
    assert also(match, template, key=key) == expected


def test_a_rule_that_does_not_match_gives_nothing() -> None:
    assert followed({"match": "^b", "also": ["/x"]}, "a") is None


@given(make.keys)
def test_whatever_is_matched_is_data(key: str) -> None:
    found = followed({"match": "^(.*)$", "also": ["/x/$1"], "instead": ["#$1", "/$1$1"]}, key)
    assert found is not None
    assert all(is_path(item) for item in found.also)
    assert all(is_tag(item) or is_path(item) for item in found.instead)
    assert key.encode() in {part.removeprefix(b"x/") for path in found.also for part in keys_of(path)}


@pytest.mark.parametrize("matched", ["a,b", "a b", "é", "a*", "x" * 300, ""])
def test_a_tag_that_cloudfront_would_refuse_is_left_out_and_told_of(matched: str) -> None:
    found = followed({"match": "^p/(.*)$", "also": ["#$1", "/list"]}, f"p/{matched}")
    assert found is not None
    assert found.also == ["/list"]
    assert found.problems == ["rule 1: a tag is left out: with the matched text in it, CloudFront would refuse it"]


def test_a_path_that_is_too_long_is_left_out_and_told_of() -> None:
    found = followed({"match": "^(.*)$", "also": ["/$1/$1"]}, "é" * 512)
    assert found is not None
    assert found.also == []
    assert found.problems == ["rule 1: a path is left out: with the matched text in it, CloudFront would refuse it"]


def test_without_cache_tags_a_rule_has_its_paths_only() -> None:
    rule = {"match": "^a", "also": ["#one", "/one"], "instead": ["#two"]}
    found = followed(rule, "a", cache_tags=False)
    assert found is not None
    assert (found.also, found.instead) == (["/one"], [])
    assert set(found.problems) == {
        "rule 1: its tags are left out, since the distribution does not know objects by cache tags"
    }
    assert followed(rule, "a") == (["#one", "/one"], ["#two"], [])


def test_one_template_may_stand_without_a_list() -> None:
    assert followed({"match": "a", "instead": "/b"}, "a") == ([], ["/b"], [])


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("{", "RULES: not JSON: "),
        ("[" * 60_000, "RULES: not JSON: "),
        ('[{"match": "a", "also": ["/b"], "also": ["/c"]}]', "RULES: not JSON: a name is there twice in an object"),
        ('{"match": "a"}', "RULES: expected a list of at most 100 rules, as "),
        (["a"], "RULES, rule 1: expected an object with a regular expression, as "),
        ([{"also": ["/a"]}], "RULES, rule 1: expected an object with a regular expression"),
        ([{"match": 1, "also": ["/a"]}], "RULES, rule 1: expected an object with a regular expression"),
        ([{"match": "a", "also": ["/a"]}, {"match": "b"}], "RULES, rule 2: neither 'also' nor 'instead' says"),
        ([{"match": "a", "olso": ["/a"]}], "RULES, rule 1: 'olso' is none of also, instead, match, whole_key"),
        ([{"match": "(", "also": ["/a"]}], "RULES, rule 1, match: '(' is no regular expression: "),
        ([{"match": "a{99999999999}", "also": ["/a"]}], "RULES, rule 1, match: 'a{99999999999}' is no regular"),
        ([{"match": "(" * 499 + ")" * 499, "also": ["/a"]}], " is no regular expression: maximum recursion depth"),
        ([{"match": "^(a+)+$", "also": ["/a"]}], "RULES, rule 1, match: '^(a+)+$' takes for ever on some keys, since "),
        ([{"match": "a" * 1_001, "also": ["/a"]}], "RULES, rule 1, match: 1,001 characters; at most 1,000"),
        ([{"match": "a", "also": 1}], "RULES, rule 1, also: expected a list of at most 100 texts"),
        ([{"match": "a", "also": ["/a"] * 101}], "RULES, rule 1, also: expected a list of at most 100 texts"),
        ([{"match": "a", "also": ["a"]}], "RULES, rule 1, also: 'a' is neither a path, which begins with /, nor"),
        ([{"match": "a", "also": ["$0"]}], "RULES, rule 1, also: '$0' is neither a path"),
        ([{"match": "a", "also": ["/a*b"]}], "CloudFront takes an asterisk at the end of a path only"),
        ([{"match": "(a)", "also": ["/*$1"]}], "CloudFront takes an asterisk at the end of a path only"),
        ([{"match": "(a)", "also": ["/$1**"]}], "CloudFront takes an asterisk at the end of a path only"),
        ([{"match": "a", "also": ["/" + "é" * 900]}], "is longer than 4,000 characters, which CloudFront refuses"),
        ([{"match": "a", "also": ["/" + "a" * 1_000]}], "of at most 1,000 characters"),
        ([{"match": "a", "also": ["/\ud800"]}], "holds characters that nobody can see; encode them, as %0A"),
        ([{"match": "a(?!b)", "also": ["/a"]}], "'a(?!b)' has look-around, which cannot be used here"),
        ([{"match": "a", "also": ["#a,b"]}], "is no cache tag: # and 1 to 256 visible ASCII characters without commas"),
        ([{"match": "a", "also": ["#"]}], "is no cache tag"),
        ([{"match": "a", "also": ["#a b"]}], "is no cache tag"),
        ([{"match": "a", "also": ["#a*"]}], "is no cache tag"),
        ([{"match": "(a)", "also": ["#é$1"]}], "is no cache tag"),
        ([{"match": "a", "also": ["#" + "a" * 257]}], "is no cache tag"),
        ([{"match": "(a)", "also": ["/$2"]}], "'$2' is no group of the expression, which has 1"),
        ([{"match": "(a)", "also": ["/${b}"]}], "'${b}' is no group of the expression"),
        (
            [{"match": "(a)", "also": ["/5$"]}],
            "behind a $ comes a group, as $1, ${1}, ${name} or ${1:url}; $$ is a dollar sign",
        ),
        ([{"match": "(a)", "also": ["/${1:URL}"]}], "behind a $ comes a group"),
        ([{"match": "a", "also": ["/a"], "whole_key": "yes"}], "RULES, rule 1, whole_key: expected true or false"),
        ([{"match": "a", "also": ["/a"]}] * 101, "RULES: expected a list of at most 100 rules"),
    ],
)
def test_what_cannot_work_is_refused_with_its_place_and_what_is_expected(rules: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(rules if isinstance(rules, str) else json.dumps(rules), "RULES")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("RULES")


def test_rules_may_be_as_many_and_as_long_as_is_said() -> None:
    longest: Any = {"match": "a" * 1_000, "also": ["/a"] * 99 + ["/" + "b" * 999]}
    parsed = parse(json.dumps([longest, *[{"match": "a", "also": ["/a"]}] * 99]), "RULES")
    assert (len(parsed), parsed[-1].name, len(parsed[0].also)) == (100, "rule 100", 100)
    assert followed(longest, "a" * 1_000) == (["/a"] * 99 + ["/" + "b" * 999], [], [])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["match", "also", "instead", "whole_key", "x"]), inner)
        ),
    )
)
def test_no_rules_break_anything(rules: Any) -> None:
    with suppress(ConfigurationError):
        parse(json.dumps(rules), "RULES")


@pytest.mark.parametrize(
    "match", ["(" * 400 + "a" + ")" * 400, "(a|" * 200 + "a" + ")" * 200, "(" * 50 + "a" + ")" * 50]
)
def test_an_expression_that_is_too_deep_is_refused(match: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^RULES, rule 1, match: "):
        parse(json.dumps([{"match": match, "also": ["/a"]}]), "RULES")
