"""Laws of the spelling of paths."""

import re
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.limits import MAX_KEY_BYTES, MAX_PATH_CHARACTERS, MAX_TAG_CHARACTERS
from invalidator.model import ObjectKey
from invalidator.urls.encoding import encode_once, is_path, is_tag, spellings
from tests.doubles.cloudfront import keys_of
from tests.doubles.strategies import keys

any_bytes = st.binary(min_size=1, max_size=MAX_KEY_BYTES).map(lambda key: key.decode("utf-8", "surrogateescape"))


@given(keys | any_bytes)
def test_every_path_holds_only_what_cloudfront_takes_and_no_wildcard(key: str) -> None:
    for path in spellings(ObjectKey(key)):
        assert re.fullmatch(r"/(?:[A-Za-z0-9\-_.!$&'()+,/:;=@]|%[0-9A-F]{2})*", path)
        assert len(path) <= MAX_PATH_CHARACTERS


@given(keys | any_bytes)
def test_every_path_stands_for_its_key_byte_for_byte(key: str) -> None:
    for path in spellings(ObjectKey(key)):
        assert key.encode("utf-8", "surrogateescape") in keys_of(path)


@given(keys | any_bytes)
def test_spellings_have_no_duplicates_and_are_at_most_three(key: str) -> None:
    paths = spellings(ObjectKey(key))
    assert len(set(paths)) == len(paths) <= 3


@given(keys)
def test_the_spellings_are_these_and_no_others(key: str) -> None:
    clear = quote(key, safe="!$&'(),/:;=@").replace("~", "%7E")
    plus_is_plus, plus_is_space = clear.replace("%2B", "+"), clear.replace("%20", "+")
    assert set(spellings(ObjectKey(key))) == {f"/{path}" for path in (clear, plus_is_plus, plus_is_space)}


@given(keys, keys)
def test_two_keys_share_a_path_only_where_a_plus_sign_may_be_a_space(one: str, other: str) -> None:
    shared = set(spellings(ObjectKey(one))) & set(spellings(ObjectKey(other)))
    assert one == other or all("+" in path for path in shared)


@given(st.text("abc/.-_!$&'(),:;=@", max_size=20))
def test_what_need_not_be_encoded_is_left_alone(key: str) -> None:
    assert spellings(ObjectKey(key)) == ("/" + key,)


@given(keys | any_bytes, st.sampled_from(["", "*"]))
def test_what_is_made_here_is_known_again_with_a_wildcard_or_without(key: str, wildcard: str) -> None:
    for path in spellings(ObjectKey(key)):
        assert is_path(path + wildcard)


@given(st.text("/aZ0%2Ff*+~?# é\n", max_size=8))
def test_a_path_of_ours_is_one_that_cloudfront_takes(text: str) -> None:
    # A question mark begins a query string, and stands for itself in one.
    expected = re.fullmatch(r"/(?:[A-Za-z0-9\-_.!$&'()+,/:;=@?]|%[0-9A-F]{2})*\*?", text) is not None
    assert is_path(text) == expected


@given(st.text("#aZ0%2F*+~? é\n,:-!", max_size=8))
def test_a_tag_is_visible_ascii_without_commas_and_asterisks(text: str) -> None:
    assert is_tag(text) == (re.fullmatch(r"#[^\x00-\x20\x7f-\U0010ffff,*]+", text) is not None)


def test_a_tag_may_hold_every_other_visible_character() -> None:
    visible = "".join(map(chr, range(0x21, 0x7F)))
    assert "".join(character for character in map(chr, range(0x200)) if is_tag(f"#{character}")) == "".join(
        character for character in visible if character not in ",*"
    )


@pytest.mark.parametrize(("characters", "valid"), [(MAX_TAG_CHARACTERS, True), (MAX_TAG_CHARACTERS + 1, False)])
def test_a_tag_has_a_length_that_cloudfront_takes(characters: int, valid: bool) -> None:
    assert is_tag("#" + "a" * characters) == valid


@given(st.text(st.characters(codec="utf-8"), max_size=12))
def test_what_a_person_wrote_is_encoded_once(text: str) -> None:
    once = encode_once(text)
    assert encode_once(once) == once
    assert is_path("/" + once.replace("*", ""))
    assert unquote_to_bytes(once) == unquote_to_bytes(text)


@pytest.mark.parametrize(("characters", "valid"), [(MAX_PATH_CHARACTERS, True), (MAX_PATH_CHARACTERS + 1, False)])
def test_a_path_has_a_length_that_cloudfront_takes(characters: int, valid: bool) -> None:
    assert is_path("/" + "a" * (characters - 1)) == valid
    assert is_path("/" + "a" * (characters - 2) + "*") == valid


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("a b", ["/a%20b", "/a+b"]),
        ("a+b", ["/a+b", "/a%2Bb"]),
        # Not /a+b+c as well: to no reader does one plus sign mean a space and the other itself.
        ("a b+c", ["/a%20b+c", "/a%20b%2Bc", "/a+b%2Bc"]),
        ("~x", ["/%7Ex"]),
        ("*", ["/%2A"]),
        ("a*b*", ["/a%2Ab%2A"]),
        ("what?", ["/what%3F"]),
        ("#1", ["/%231"]),
        ("a%20b", ["/a%2520b"]),
        ("%00", ["/%2500"]),
        ("a\nb\0", ["/a%0Ab%00"]),
        ("/a//b", ["//a//b"]),
        ("../x/./y", ["/../x/./y"]),
        ("café", ["/caf%C3%A9"]),
        ("🌹" * 256, ["/" + "%F0%9F%8C%B9" * 256]),
        ('<>"{}|\\^[]`', ["/%3C%3E%22%7B%7D%7C%5C%5E%5B%5D%60"]),
        ("!$&'(),:;=@", ["/!$&'(),:;=@"]),
    ],
)
def test_examples(key: str, paths: list[str]) -> None:
    assert list(spellings(ObjectKey(key))) == paths
