"""Laws of listings that were kept: what differs is what changed, and no part of a listing is taken for the whole."""

import json
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.errors import ConfigurationError, ListingError
from invalidator.operator.snapshots import Snapshot, difference, keys_of, read_snapshot
from tests.doubles import strategies as make

contents = st.dictionaries(make.keys.filter(bool), st.sampled_from("123"), max_size=8)


def listing(objects: dict[str, str], **beside: Any) -> str:
    return json.dumps({"Contents": [{"Key": key, "ETag": etag, "Size": 1} for key, etag in objects.items()], **beside})


def snapshot(objects: dict[str, str], prefix: str = "") -> Snapshot:
    return read_snapshot(listing(objects, Prefix=prefix), "a.json")


@given(contents, contents)
def test_what_differs_is_what_is_written_new_or_gone_whichever_comes_first(
    before: dict[str, str], after: dict[str, str]
) -> None:
    found = difference(snapshot(before), snapshot(after))
    assert found.keys == sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    assert (found.new, found.gone) == (len(after.keys() - before.keys()), len(before.keys() - after.keys()))
    assert difference(snapshot(after), snapshot(before)).keys == found.keys
    assert difference(snapshot(after), snapshot(after)) == ([], 0, 0)


def test_of_the_same_etag_another_size_is_another_object() -> None:
    one, two = (read_snapshot(json.dumps([{"Key": "a", "ETag": "1", "Size": size}]), "a.json") for size in (1, 2))
    assert difference(one, two).keys == ["a"]


@mock_aws
def test_what_the_sdk_answers_is_a_listing() -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="origin")
    before = read_snapshot(json.dumps(s3.list_objects_v2(Bucket="origin"), default=str), "a.json")
    for key in ("red flower.jpg", "a+b", "é"):
        s3.put_object(Bucket="origin", Key=key, Body=b"x")
    after = read_snapshot(json.dumps(s3.list_objects_v2(Bucket="origin"), default=str), "b.json")
    assert difference(before, after).keys == ["a+b", "red flower.jpg", "é"]


@pytest.mark.parametrize("text", ["", " \n", "null", "[]", "{}", '{"Contents": null}', '{"RequestCharged": null}'])
def test_nothing_is_an_empty_bucket(text: str) -> None:
    assert read_snapshot(text, "a.json") == Snapshot({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "a.json is not JSON: Expecting property name"),
        ("[" * 100_000, "a.json is not JSON: "),
        *(
            (text, "a.json: it is not a listing; expected the output of aws s3api list-objects-v2")
            for text in ('"a"', "7", "false")
        ),
        ('{"Contents": {}}', "a.json: its Contents are not an array; expected the output of aws s3api"),
        ('{"Records": []}', "a.json: it has no Contents"),
        ('{"Versions": []}', "a.json: it has no Contents"),
        (listing({"a": "1"}, IsTruncated=True), "a.json: it is a part of a longer listing: list the bucket again"),
        (listing({"a": "1"}, NextToken="eyJ"), "without --no-paginate and --max-items"),
        (listing({"a": "1"}, CommonPrefixes=[{"Prefix": "b/"}]), "without --delimiter"),
        ("[1]", "a.json: item 0 of its Contents has no Key"),
        ('[{"Key": "a", "ETag": "1"}, {"ETag": "1"}]', "a.json: item 1 of its Contents has no Key"),
        ('[{"Key": "", "ETag": "1"}]', "item 0 of its Contents has no Key"),
        ('[{"Key": 1, "ETag": "1"}]', "item 0 of its Contents has no Key"),
        ('[{"Key": "a"}]', "item 0 of its Contents has neither ETag nor Size"),
        ('[{"Key": "a", "ETag": "1"}, {"Key": "a", "ETag": "1"}]', "item 1 of its Contents has the Key 'a' of an item"),
    ],
)
def test_what_is_no_whole_listing_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_snapshot(text, "a.json")
    assert words in str(caught.value)


@given(make.json_values)
def test_whatever_is_in_a_file_it_is_a_listing_or_explained(document: Any) -> None:
    problem = ""
    try:
        assert not read_snapshot(json.dumps(document), "a.json").objects
    except ConfigurationError as error:
        problem = str(error)
    assert not problem or problem.startswith("a.json: ")


def test_listings_of_different_prefixes_are_not_compared() -> None:
    with pytest.raises(ConfigurationError, match="one lists keys with prefix 'a/', the other with ''"):
        difference(snapshot({"a/1": "1"}, "a/"), snapshot({"a/1": "1", "b": "1"}))


@given(contents, st.text("ab/", max_size=3))
def test_the_keys_of_a_prefix_are_all_those_that_begin_so(objects: dict[str, str], prefix: str) -> None:
    assert set(snapshot(objects).keys(prefix)) == {key for key in objects if key.startswith(prefix)}


def test_beyond_its_own_prefix_a_listing_knows_nothing() -> None:
    some = snapshot({"a/1": "1", "a/b/2": "1"}, "a/")
    assert list(some.keys("a/b")) == ["a/b/2"]
    with pytest.raises(ListingError, match="only keys with 'a/' were listed"):
        some.keys("")


# --- keys -----------------------------------------------------------------------------------------------

some_keys = st.lists(make.keys.filter(lambda key: key and "\0" not in key and not key.startswith("\ufeff")), max_size=8)


@given(some_keys)
def test_keys_with_a_nul_behind_each_come_back_whatever_they_hold(keys: list[str]) -> None:
    assert keys_of("".join(f"{key}\0" for key in keys).encode(), "-") == (keys, [])


keys_on_lines = some_keys.map(lambda keys: [key for key in keys if not {"\r", "\n"} & set(key)])


@given(keys_on_lines, st.sampled_from(["\n", "\r\n"]))
def test_keys_on_lines_come_back(keys: list[str], end: str) -> None:
    assert keys_of("".join(f"{key}{end}" for key in keys).encode(), "-").keys == keys
    assert keys_of(end.join(keys).encode("utf-8-sig"), "-").keys == keys


def test_empty_lines_are_no_keys_and_only_a_newline_ends_a_line() -> None:
    assert keys_of(b"\na\n\nb\x0bc\n d \ne\r\n", "-").keys == ["a", "b\x0bc", " d ", "e\r"]


def test_what_is_not_utf_8_is_explained() -> None:
    with pytest.raises(ConfigurationError, match=r"keys\.txt: line 2 is not UTF-8"):
        keys_of(b"a\n\xff\n", "keys.txt")


names = st.lists(st.text('a"\\ é\t', min_size=1, max_size=4), min_size=1, max_size=4, unique=True)


@given(names)
def test_a_name_in_quotes_of_git_is_warned_of_unless_a_nul_ends_it(wanted: list[str]) -> None:
    quoted = [number for number, name in enumerate(wanted, 1) if as_git_writes(name) != name]
    found = keys_of("".join(f"{as_git_writes(name)}\n" for name in wanted).encode(), "-")
    assert [text.partition(": the quotes")[0] for text in found.warnings] == [
        f"-: line {number}{f' and {len(quoted) - 1} more' if len(quoted) > 1 else ''}" for number in quoted[:1]
    ]
    assert all("use git diff -z" in text for text in found.warnings)
    assert keys_of("".join(f"{name}\0" for name in wanted).encode(), "-") == (wanted, [])


def as_git_writes(name: str) -> str:
    """Without -z: https://git-scm.com/docs/git-config, core.quotePath (2026-11-22)."""
    known = {'"': '\\"', "\\": "\\\\", "\t": "\\t"}
    written = "".join(known.get(c) or (c if c.isascii() else "".join(f"\\{b:03o}" for b in c.encode())) for c in name)
    return name if written == name else f'"{written}"'


@pytest.mark.parametrize("key", ['"a"', '"a\\303', 'a\\303"', '"\\x"', '"a" \\ "b"'])
def test_other_quotes_are_nothing_to_tell_of(key: str) -> None:
    assert keys_of(f"{key}\n".encode(), "-") == ([key], [])


def test_where_lines_do_not_end_alike_a_carriage_return_is_told_of() -> None:
    (warning,) = keys_of(b"a\nb\r\nc\n\r\n", "keys.txt").warnings
    assert warning.startswith("keys.txt: line 2 and 1 more: the carriage return at the end")
    for alike in (b"a\nb\n", b"a\r\nb\r\n", b"a\rb\n", b"b\r\0a\n\0"):
        assert keys_of(alike, "keys.txt").warnings == []
