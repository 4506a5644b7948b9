"""Laws of paths and tags as a person writes them."""

import ast
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.by_hand import EVERYTHING, batches_of, path_of
from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_PATH_CHARACTERS, MAX_TAG_CHARACTERS, MAX_WILDCARDS_PER_CALL
from invalidator.model import Batch, DistributionId, ObjectKey
from invalidator.urls.encoding import is_path, is_tag, spellings
from tests.doubles.cloudfront import StrictCloudFront, check_items
from tests.doubles.strategies import keys

_awkward = st.sampled_from([*"/*#?%+~:\\ \n\0", "//", "%2A", "%41", "%2f", "%c3%A9", "é", "🌹", "C:/", "Git/", "s3://"])
texts = st.lists(_awkward | st.text(max_size=4), max_size=8).map("".join)
written = texts | texts.map("/{}".format) | texts.map("https://www.example.com{}".format) | texts.map("#{}".format)


def taken(text: str) -> str | None:
    try:
        return path_of(text, "here")
    except ConfigurationError:
        return None


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        path_of(text, "objectPaths")
    return str(caught.value)


LITERAL = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"


def suggestions(words: str) -> list[str]:
    """Return the proposals of a refusal."""
    found = re.search(rf"(?:did you mean |and it is )({LITERAL}(?: and {LITERAL})*)(?:\?| again)", words)
    return [ast.literal_eval(literal) for literal in re.findall(LITERAL, found[1])] if found else []


@given(written)
def test_what_is_accepted_is_what_cloudfront_takes_and_clears_something(text: str) -> None:
    if path := taken(text):
        assert is_path(path) or is_tag(path)
        assert "*" not in path[:-1]
        check_items([path])


@given(written)
def test_what_is_a_path_already_stays_as_it_is(text: str) -> None:
    if path := taken(text):
        assert path_of(path, "here", again=True) == path


@given(keys, st.sampled_from(["", "*"]))
def test_the_path_of_an_object_is_that_path(key: str, wildcard: str) -> None:
    for path in spellings(ObjectKey(key)):
        assert path_of(path + wildcard, "here", again=True) == path + wildcard


@given(texts.map("/{}".format))
def test_encoding_never_changes_which_object_is_meant(text: str) -> None:
    if path := taken(text):
        assert unquote_to_bytes(path) == unquote_to_bytes(text.encode(errors="surrogateescape"))
        # An asterisk is a wildcard or one that was encoded, before and after.
        assert path.endswith("*") == text.endswith("*")
        assert path.upper().count("%2A") == text.upper().count("%2A")
        assert path.upper().count("%3F") == text.upper().count("%3F")


@given(written)
def test_a_refusal_names_its_source_and_its_suggestion_is_accepted(text: str) -> None:
    if taken(text) is None:
        words = refusal(text)
        assert words.startswith("objectPaths: ")
        words.encode()
        assert all(map(taken, suggestions(words)))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/*", "/*"),
        ("/blog/*", "/blog/*"),
        ("/a b", "/a%20b"),
        ("/caf\u00e9?lang=de", "/caf%C3%A9?lang=de"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/100%", "/100%25"),
        ("/%41%2fb%2A", "/A%2Fb%2A"),
        ("/_next/image?url=%2Fa.png&w=640", "/_next/image?url=%2Fa.png&w=640"),
        ("/search?q=R%26D", "/search?q=R%26D"),
        ("/%61%2D%2E%5F%7e%3F%2B", "/a-._%7E%3F%2B"),
        ("/~me", "/%7Eme"),
        ("//x", "//x"),
        ("/a+b", "/a+b"),
        ("#news", "#news"),
    ],
)
def test_what_is_written_becomes_this(text: str, path: str) -> None:
    assert path_of(text, "here") == path


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("blog/*", "/blog/*"),
        (" blog ", "/blog"),
        ("*", "/*"),
        ("a*b*", "/a*"),
        ("/a*b", "/a*"),
        ("/blog/* ", "/blog/*"),
        ("https://www.example.com", "/"),
        ("https://www.example.com/blog/?page=2#top", "/blog/?page=2"),
        ("HTTPS://www.example.com/a*b", "/a*"),
        ("C:/Program Files/Git/blog/*", "/blog/*"),
        ("C:/Program Files/Git/", "/"),
        ("C:/Program Files/Git", "/"),
        ("D:\\Git\\blog\\*", "/blog/*"),
        ("c:/git/a*b", "/a*"),
        ("C:/Users/me/AppData/Local/Programs/Git/blog", "/blog"),
        ("C:\\Users\\git\\AppData\\Local\\Programs\\Git\\blog", "/blog"),
        ("C:/msys64/a b", "/a b"),
        ("C:/cygwin64/docs/git/x", "/docs/git/x"),
        ("/" + "a" * 150 + "*b", "/" + "a" * 150 + "*"),
        ('"/*"', "/*"),
        ("'/a b'", "/a b"),
        ('["/blog/*"]', "/blog/*"),
        ('"#news"', "#news"),
        ("/a\n", "/a"),
        ("/a,", "/a"),
        ("/a; ,", "/a"),
        ("/a\u200b", "/a"),
        ("\t/a", "/a"),
        ("/a\u00a0", "/a"),
        ("/a\nb", "/a%0Ab"),
        ("/a\tb\0", "/a%09b%00"),
        ("/a\x85b", "/a%C2%85b"),
    ],
)
def test_a_refusal_suggests_what_was_meant(text: str, meant: str) -> None:
    assert suggestions(refusal(text)) == [meant]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' does not begin with a slash, as '/*'"),
        (" \n", "does not begin with a slash, as '/*'"),
        ("\ud800", "does not begin with a slash"),
        ("/\ud800", "is not Unicode text"),
        ("s3://origin/blog/*", "is an object and not a path: a path is what viewers ask for, without the bucket"),
        ("S3://origin/a", "is an object and not a path"),
        ("https://a.b/c https://a.b/d", "is a URL and not a path"),
        ("https://a.b/c\n/d", "is a URL and not a path"),
        ("https://[/blog", "is a URL and not a path: leave out scheme and host"),
        (
            "C:/somewhere/blog/*",
            "is a path on this computer: Git Bash rewrites arguments that begin with a slash. Put MSYS",
        ),
        ("C:/legit/blog", "is a path on this computer"),
        ("x" * 4_000, "does not begin with a slash"),
        ("#", "is no cache tag: expected # and 1 to 256 visible ASCII characters"),
        ("#a,b", "is no cache tag"),
        ("#a*", "is no cache tag"),
        ("#é", "is no cache tag"),
    ],
)
def test_where_nothing_can_be_guessed_it_is_said_what_is_wrong(text: str, words: str) -> None:
    told = refusal(text)
    assert words in told
    assert suggestions(told) == []
    assert len(told) < 500


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/index.html /sw.js", ["/index.html", "/sw.js"]),
        ("/a,/b", ["/a", "/b"]),
        ("/a;/b; /c d", ["/a", "/b", "/c d"]),
        ("/a\r\n/b\r\n", ["/a", "/b"]),
        ("/a\\n/b\\n /c", ["/a", "/b", "/c"]),
        ("/a\t/b", ["/a", "/b"]),
        ("/a* /b*", ["/a*", "/b*"]),
        ('["/a", "/b"]', ["/a", "/b"]),
        ('"/a" "/b"', ["/a", "/b"]),
        ('/a "/b"', ["/a", "/b"]),
        ("/a|/b", ["/a", "/b"]),
        ("/a\u200b/b", ["/a", "/b"]),
        ("/a','/b", ["/a'", "/b"]),
        ("blog, /b", ["/blog", "/b"]),
        ("/a\n#news", ["/a", "#news"]),
        ("#a;#b", ["#a", "#b"]),
    ],
)
def test_several_paths_in_one_text_are_suggested_apart(text: str, meant: list[str]) -> None:
    told = refusal(text)
    assert "looks like several paths: did you mean " in told
    assert suggestions(told) == meant
    for way in ("Repeat the option", "JSON array", "write a space as %20"):
        assert way in told


# One that nobody could take for a list, or for a part of one.
single = (
    st.lists(st.sampled_from("a1/?=&.-_~%+()'*é") | st.characters(exclude_categories=["C", "Z"]), max_size=9)
    .map(lambda characters: "/" + "".join(characters).replace("*", "").lstrip("/"))
    .filter(lambda path: not re.search(r"[\s,;]/|[\s,;\"'\[\]]$|[;,]#|\\\\[nrt]", path))
)
between = st.sampled_from([" ", "  ", ",", ", ", " ,", ";", "; ", "\n", "\r\n", "\t", "\\n", '", "', "' '", " \u2028"])


@given(
    st.lists(single, min_size=2, max_size=4), between, st.sampled_from([("", ""), ('"', '"'), ('["', '"]'), ("", "\n")])
)
def test_a_list_in_one_text_is_never_taken_for_one_path(paths: list[str], by: str, around: tuple[str, str]) -> None:
    assert taken(around[0] + by.join(paths) + around[1]) is None


@given(single, st.sampled_from(["", "*", " b", ",b", "/w=1,h=2/a.jpg", ";v=1", " #1.mp3"]))
def test_a_single_path_is_taken(path: str, end: str) -> None:
    assert taken(path + end)


def test_what_is_sent_again_is_one_path() -> None:
    items = ["/img/w=1,", "/img/w=1,/a.jpg"]
    (batch,) = batches_of(items, "--again", IDS[:1], "job 1", again=True)
    assert [item.path for item in batch.items] == items


@pytest.mark.parametrize(("characters", "is_suggested"), [(200, True), (201, False)])
def test_only_what_somebody_reads_is_suggested(characters: int, is_suggested: bool) -> None:
    told = refusal("a" * (characters - 1))
    assert ("did you mean" in told) == is_suggested
    assert is_suggested or told.endswith(" does not begin with a slash")


def test_git_bash_is_told_how_to_leave_a_path_alone() -> None:
    assert "MSYS_NO_PATHCONV=1" in refusal("C:/Program Files/Git/blog/*")


@pytest.mark.parametrize(("characters", "is_taken"), [(MAX_PATH_CHARACTERS, True), (MAX_PATH_CHARACTERS + 1, False)])
def test_a_path_is_as_long_as_cloudfront_takes_it_encoded(characters: int, is_taken: bool) -> None:
    assert (taken("/" + "a" * (characters - 1)) is not None) == is_taken
    assert (taken("/" + "a" * (characters - 5) + " a") is not None) == is_taken
    assert (taken("/" + "a" * (characters - 2) + "*") is not None) == is_taken


@pytest.mark.parametrize(("characters", "is_taken"), [(0, False), (1, True), (MAX_TAG_CHARACTERS, True), (257, False)])
def test_a_tag_has_1_to_256_characters(characters: int, is_taken: bool) -> None:
    assert (taken("#" + "a" * characters) is not None) == is_taken


# --- batches --------------------------------------------------------------------------------------------

IDS = [DistributionId("E1"), DistributionId("dt_2")]
wishes = st.lists(st.sampled_from(["/", "/a b", "/a%20b", "/a+b", "/b/*", "/c?d", "#news", "/é"]), min_size=1)


def references(batches: list[Batch]) -> list[str]:
    return [batch.caller_reference for batch in batches]


@given(wishes.flatmap(lambda wish: st.tuples(st.just(wish), st.permutations(wish))))
def test_the_same_wish_makes_the_same_references_in_any_order(wish: Any) -> None:
    one, other = (batches_of(texts, "here", IDS, "job 1") for texts in wish)
    assert references(one) == references(other)
    assert len(set(references(one))) == len(one)


@given(wishes, wishes)
def test_another_wish_makes_other_references(one: list[str], other: list[str]) -> None:
    batches = batches_of(one, "here", IDS, "job 1")
    again = batches_of(one, "here", IDS, "job 2")
    assert not set(references(batches)) & set(references(again))
    if {path_of(text, "") for text in one} != {path_of(text, "") for text in other}:
        assert not set(references(batches)) & set(references(batches_of(other, "here", IDS, "job 1")))


def test_one_wrong_text_is_a_refusal_of_all() -> None:
    with pytest.raises(ConfigurationError, match=r"^objectPaths: 'b' does not"):
        batches_of(["/a", "b"], "objectPaths", IDS, "job 1")


@pytest.mark.parametrize(
    ("paths", "calls"),
    [
        ([EVERYTHING], 1),
        ([f"/{number}/*" for number in range(MAX_WILDCARDS_PER_CALL)], 1),
        ([f"/{number}/*" for number in range(MAX_WILDCARDS_PER_CALL + 1)], 2),
        ([f"/{number}" for number in range(MAX_ITEMS_PER_CALL)], 1),
        ([f"/{number}" for number in range(MAX_ITEMS_PER_CALL + 1)], 2),
        ([f"/{number}{'/*' * (number < 40)}" for number in range(7_000)], 4),
    ],
)
def test_every_distribution_gets_all_in_batches_that_cloudfront_takes(paths: list[str], calls: int) -> None:
    cloudfront = StrictCloudFront({"E1"}, tenants={"dt_2": ("E1", {})})
    batches = batches_of(paths, "here", [*IDS, *IDS], "job 1")
    for batch in batches:
        items = [item.path for item in batch.items]
        content = {"Paths": {"Quantity": len(items), "Items": items}, "CallerReference": batch.caller_reference}
        cloudfront.create_invalidation(DistributionId=batch.distribution, InvalidationBatch=content)
    assert sorted(cloudfront.paths("E1")) == sorted(cloudfront.paths("dt_2")) == sorted(paths)
    assert calls <= len(batches) / 2 <= calls + 1
