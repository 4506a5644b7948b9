"""Laws of expressions: they match what they should, in as many steps as is said, or are refused."""

import importlib
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_KEY_BYTES
from invalidator.urls.characters import BEYOND, END, characters_of
from invalidator.urls.safe_regex import Expression
from tests.doubles.backtracking import SINGLE, Backtracking
from tests.laws.imports import ROOT

parser: Any = importlib.import_module("re._parser")

HONEST = [
    "^(.*)\\.html$",
    "^blog/(.*)/index\\.html$",
    "^(.*)/(.*)\\.html$",
    "(.*)/(.*)\\.html",
    "^(.*)/(.*)/index\\.html$",
    "^([^/]+)/(.*)\\.html$",
    "^([^/]*)/([^/]*)/([^/]*)/([^/]*)\\.html$",
    "([^/]+)/([^/]+)/([^/]+)\\.html$",
    "^(?:[^/]+/)*index\\.html$",
    "^((?:[^/]+/)*)([^/]+)\\.html$",
    "^((?:[a-z0-9-]+/)*)([a-z0-9-]+)\\.html$",
    "^([a-z0-9]+(?:-[a-z0-9]+)*)/([a-z0-9]+(?:-[a-z0-9]+)*)\\.html$",
    "^(?:[a-z0-9-]+/){1,3}index\\.html$",
    "^docs(?:/[^/]*)*",
    "^(?:(.*)/)?index\\.html$",
    "(^|/)index\\.html$",
    "^(.*/)?([^/]*)$",
    "^(\\w+/)*\\w+\\.html$",
    "^products/(\\d+)-([a-z0-9-]+)\\.json$",
    "^posts/(\\d{4})-(\\d{2})-(\\d{2})-(.*)\\.md$",
    "^(\\d{4})(\\d{2})(\\d{2})-(.*)$",
    "^images/(.+)\\.(jpe?g|png|webp)$",
    "^(.*)/(.*)\\.(jpe?g|png|webp)$",
    "^(.*)/([^/]+)\\.(?:min\\.)?(js|css)$",
    "^(.*)_(\\d+)x(\\d+)\\.(jpg|jpeg|png|gif|webp|avif)$",
    "^(.*)-[0-9a-f]{64}\\.js$",
    "^([0-9a-f]{2}){16}\\.js$",
    "^(.*?)(?:\\.[a-z]{2})?\\.html$",
    "^data/(.+?)-(\\d+)\\.(json|csv)$",
    "^(en|de)/(.*)$",
    "^(?P<lang>[a-z]{2})/(?P<rest>.*)$",
    "^(?:www|cdn)/((?:[a-z]+/)+)?([a-z]+)\\.(?:html|htm|php)$",
    "([\\w-]+)/([\\w-]+)\\.html$",
    "(\\w+)-(\\w+)\\.html",
    "(?i)\\.css$",
    "(?i)^(.*)\\.HTML?$",
    ".+\\.html",
    "[[a]b",
    "a{1000000000,}",
    "",
    f"^(?:{'|'.join(['ab', 'cd'] * 160)})",
    "a" * 1_000,
]
SHARED, FOR_EVER = "takes too long on some keys, since its parts", "takes for ever on some keys"
EMPTY, EMPTY_TWICE = (
    "repeats, or makes optional, what may match nothing",
    "has alternatives of which two may match nothing",
)
FAR = "has a set of many characters beyond U+FFFF, which takes long"
SLOW = {
    "^(a+)+$": FOR_EVER,
    "(a|a)*b": EMPTY_TWICE,
    "(?:ab|a.)*c": FOR_EVER,
    "(a|aa)+$": FOR_EVER,
    "(?:aa|aaa)+$": FOR_EVER,
    "(?:a{5}|a{6})*$": FOR_EVER,
    "^(\\w+\\s?)*$": FOR_EVER,
    "^([^/]+)+$": FOR_EVER,
    "^posts/(x+x+)+y": FOR_EVER,
    "(x+x+)+y": FOR_EVER,
    "^(a|ab|b)*c": FOR_EVER,
    "^(.*a){12}$": SHARED,
    "[^" + "".join(chr(0x1F300 + 2 * number) for number in range(9)) + "x]+x": FAR,
    "^(.*?,){11}P": SHARED,
    "^(.*)(.*)(.*)(.*)x": SHARED,
    "(.*)(.*)(.*)x$": SHARED,
    "^(.*)/(.*)/(.*)\\.html$": SHARED,
    "^(.*)a(.*)b(.*)c(.*)d$": SHARED,
    "^(([a-z])+.)+[A-Z]([a-z])+$": FOR_EVER,
    "^((é|éa)*)*$x": EMPTY,
    "^(?:[\u0430-\u044f]+\u0439)*$": FOR_EVER,
    "(?i)^(?:k\N{KELVIN SIGN}?)*$": FOR_EVER,
    "(?:a|aa){30}$": SHARED,
    "^(?:\\d\\d|\\d){30}-": SHARED,
    "^(?:.|..){35}Q": SHARED,
    "^(?:[a-z]|[a-z]{2}){30}/": SHARED,
    "(?:(?:a|aa){40}c?)+$": FOR_EVER,
    "(?:ab|a.){30}$": SHARED,
    "(?:a|aa){500}$": FOR_EVER,
    "^([^\\Wa-zA0é_]+)+$": FOR_EVER,
    "^([^a0A/._\\- \\n\\0é]+)+$": FOR_EVER,
    "(?:a?){40}a{40}": EMPTY,
    "a?" * 40 + "a" * 40: SHARED,
    "^(?:[0-9]?){30}[0-9]{30}\\.html$": EMPTY,
    "^([^/]*/?)*$": EMPTY,
    "^(?:a{0,3}){20}$": EMPTY,
    "(?:(?:a?)?)?": EMPTY,
    "(?:\\b)*": EMPTY,
    "^x*" + "(?:a?|b?)" * 30 + "y": EMPTY_TWICE,
    "(?:" * 40 + "a|aa" + "){64}" * 40: SHARED,
    "a+b+c+[^/]+-": "takes too long on some keys, since it is tried at each of their characters",
}


@pytest.mark.parametrize("text", HONEST)
def test_what_people_write_is_taken(text: str) -> None:
    assert Expression(text).steps(MAX_KEY_BYTES) <= 16_000_000


@pytest.mark.parametrize(("text", "problem"), SLOW.items())
def test_what_may_go_back_for_long_is_refused_with_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(problem)}[^:]*: (let|leave) "):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("(?=(a+)+$)b", "look-around"),
        ("(?!b)a", "look-around"),
        ("(?<=X)(a+)+$", "look-around"),
        ("((?:x(?<!y))*)", "look-around"),
        ("(.*)\\1", "a reference to a group"),
        ("(a)?(?(1)b|c)", "a condition"),
        ("(?>a)", "an atomic group"),
        ("a*+", "a possessive repetition"),
    ],
)
def test_what_has_no_known_bound_is_refused(text: str, operation: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^has {operation}, which cannot be used here$"):
        Expression(text)


def test_what_the_documents_refuse_is_refused_and_the_rest_taken() -> None:
    section = (ROOT / "docs/urls.md").read_text().partition("### Expressions that are refused")[2]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    refused, written = (
        [text.replace(r"\|", "|") for row in rows for text in re.findall("`(.+?)`", row[column])] for column in (0, 2)
    )
    assert len(refused) > len(written) > 5
    for text in written:
        assert Expression(text)
    for text in refused:
        with pytest.raises(ConfigurationError):
            Expression(f"(b){text}" if "1" in text else text)


def test_a_dot_is_any_character_of_a_key() -> None:
    assert Expression("^(.*)[.]html$").search("a\nb.html")


@given(st.text("ab/\n", max_size=12))
def test_an_expression_that_needs_no_search_finds_the_same(key: str) -> None:
    for text in ("(.*)b", ".*a", "((.*))/a", "b.*", "(.+)b", "(.*?)b", "(.{0,2})b", ".{2,}?b", "^a", "(?m)^a", "\\Ab"):
        found, expected = Expression(text).search(key), re.search(text, key, re.DOTALL)
        assert (found and found.span()) == (expected and expected.span())


# --- the bound -------------------------------------------------------------------------------------------

characters = st.sampled_from(["a", "b", "/", ".", "[^/]", "\\w", "[ab]", "[^a]", "[a-z]"])
quantifiers = st.sampled_from(["", "", "?", "*", "+", "*?", "+?", "{2}", "{1,3}", "{0,70}", "{2,}"])
places = st.sampled_from(["^", "$", "\\b", "\\B", "\\A", "\\Z"])


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(st.one_of(inner, places), min_size=1, max_size=4).map("".join)
    return st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["(", "(?:"]),
        st.lists(sequences, min_size=1, max_size=3).map("|".join),
        st.just(")"),
        quantifiers,
    )


expressions = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "^", "(?i)", "(?m)^"]),
    st.lists(st.recursive(st.builds("{}{}".format, characters, quantifiers), wider, max_leaves=6), max_size=4).map(
        "".join
    ),
    st.sampled_from(["", "$", "x", "x$"]),
)
keys = st.builds(
    "{}{}{}".format,
    st.builds(lambda text, times: text * times, st.text("ab/.", min_size=1, max_size=3), st.integers(0, 8)),
    st.builds(lambda text, times: text * times, st.text("abA/.\n", max_size=3), st.integers(0, 4)),
    st.sampled_from(["", "x", "~", "\n"]),
)


@given(expressions, st.lists(keys, min_size=1, max_size=5))
def test_no_key_takes_more_steps_than_is_said(text: str, some: list[str]) -> None:
    try:
        expression = Expression(text)
    except ConfigurationError:
        assume(False)
    begins = expression.search == re.compile(text, re.DOTALL).match
    for key in some:
        if expression.steps(len(key)) < 10_000:
            double = Backtracking(text)
            expected = re.search(text, key, re.DOTALL)
            assert double.search(key, range(1 if begins else len(key) + 1)) == (expected and expected.span())
            assert double.steps <= expression.steps(len(key))


@pytest.mark.parametrize("text", ["^(a+)+$", "^(?:a|aa){30}$"])
def test_the_double_finds_out_what_takes_for_ever(text: str) -> None:
    steps = []
    for length in (4, 8, 12):
        double = Backtracking(text)
        double.search("a" * length + "~", range(1))
        steps.append(double.steps)
    assert steps[2] > 1_000


# --- the parser ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.ASCII, re.ASCII | re.IGNORECASE])
@pytest.mark.parametrize(
    "text",
    [
        *map(re.escape, "aAkKsSiIzZ0_/.\n×÷ßÿÅåµ\N{KELVIN SIGN}\N{ANGSTROM SIGN}\N{GREEK SMALL LETTER MU}ẞſıİŸа日"),
        *("\\d", "\\D", "\\s", "\\S", "\\w", "\\W", "."),
        *(
            "[^/]",
            "[^k]",
            "[^\\W_]",
            "[^\\w]",
            "[\\s\\d]",
            "[^\\D5]",
            "[Z-a]",
            "[à-ÿ]",
            "[ÿ-\N{LATIN SMALL LETTER LONG S}]",
        ),
        *("[^Z-a]", "[^é-ū]", "[\u0430-\u044f]", "[^\u0430-\u044f]", "[\\W\\w]", "[^\\S\\n]", "[K-\uffff]"),
    ],
)
def test_a_set_holds_all_characters_that_are_matched(text: str, flags: int) -> None:
    ((operation, argument),) = parser.parse(text, flags | re.DOTALL)
    assert str(operation) in SINGLE
    found = characters_of(str(operation), argument, any_case=bool(flags & re.IGNORECASE))
    matched = re.compile(text, flags | re.DOTALL).match
    everything = "".join(map(chr, range(0x3000))) + "\N{KELVIN SIGN}\N{ANGSTROM SIGN}日\uffff\U0001f600"
    assert [c for c in everything if matched(c) and not found & (1 << ord(c) if ord(c) < 256 else BEYOND)] == []
    assert not found & END


def test_few_sets_hold_more_than_what_is_matched() -> None:
    first = "".join(map(chr, range(256)))
    for text in ("a", "[a-f]", "\\d", "[^/]", "\\w", "\\s", "[^\\W_]", "."):
        ((operation, argument),) = parser.parse(text, re.DOTALL)
        found = characters_of(str(operation), argument, any_case=False)
        assert [c for c in first if found & 1 << ord(c)] == re.findall(text, first, re.DOTALL)


def shape(tree: Any) -> Any:
    if isinstance(tree, parser.SubPattern):
        return [(str(operation), shape(argument)) for operation, argument in tree]
    if isinstance(tree, list | tuple):
        return type(tree)(map(shape, tree))
    return str(tree) if type(tree) is not int else tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.", [("LITERAL", 97), ("ANY", "None")]),
        ("[^a]", [("NOT_LITERAL", 97)]),
        ("[^a-b\\W]", [("IN", [("NEGATE", "None"), ("RANGE", (97, 98)), ("CATEGORY", "CATEGORY_NOT_WORD")])]),
        ("[\\dx]", [("IN", [("CATEGORY", "CATEGORY_DIGIT"), ("LITERAL", 120)])]),
        ("\\s\\S", [("IN", [("CATEGORY", f"CATEGORY_{name}")]) for name in ("SPACE", "NOT_SPACE")]),
        ("^$", [("AT", "AT_BEGINNING"), ("AT", "AT_END")]),
        ("\\A\\Z", [("AT", "AT_BEGINNING_STRING"), ("AT", "AT_END_STRING")]),
        ("\\b\\B", [("AT", "AT_BOUNDARY"), ("AT", "AT_NON_BOUNDARY")]),
        ("(a)", [("SUBPATTERN", (1, 0, 0, [("LITERAL", 97)]))]),
        ("(?i-s:a)", [("SUBPATTERN", ("None", 2, 16, [("LITERAL", 97)]))]),
        ("(?:a)b", [("LITERAL", 97), ("LITERAL", 98)]),
        ("aa|b", [("BRANCH", ("None", [[("LITERAL", 97), ("LITERAL", 97)], [("LITERAL", 98)]]))]),
        ("a*", [("MAX_REPEAT", (0, "MAXREPEAT", [("LITERAL", 97)]))]),
        ("(?:ab){2,3}?", [("MIN_REPEAT", (2, 3, [("LITERAL", 97), ("LITERAL", 98)]))]),
        ("a*+", [("POSSESSIVE_REPEAT", (0, "MAXREPEAT", [("LITERAL", 97)]))]),
        ("(?>a)", [("ATOMIC_GROUP", [("LITERAL", 97)])]),
        ("(?=a)(?!a)", [("ASSERT", (1, [("LITERAL", 97)])), ("ASSERT_NOT", (1, [("LITERAL", 97)]))]),
        ("(a)\\1", [("SUBPATTERN", (1, 0, 0, [("LITERAL", 97)])), ("GROUPREF", 1)]),
    ],
)
def test_the_parser_of_the_standard_library_is_as_it_was(text: str, expected: Any) -> None:
    assert shape(parser.parse(text, re.DOTALL)) == expected


def test_no_operation_is_new_to_us() -> None:
    constants: Any = importlib.import_module("re._constants")
    compiled = {
        "ANY_ALL",
        "CHARSET",
        "BIGCHARSET",
        "FAILURE",
        "SUCCESS",
        "INFO",
        "JUMP",
        "MARK",
        "REPEAT",
        "REPEAT_ONE",
    }
    compiled |= {"MAX_UNTIL", "MIN_UNTIL", "MIN_REPEAT_ONE", "POSSESSIVE_REPEAT_ONE"}
    parsed = {str(code) for code in constants.OPCODES} | {"MIN_REPEAT", "MAX_REPEAT"}
    parsed -= compiled | {name for name in parsed if name.endswith("_IGNORE")}
    refused = {"ASSERT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS", "ATOMIC_GROUP", "POSSESSIVE_REPEAT"}
    within_sets = {"NEGATE", "RANGE", "CATEGORY"}
    assert parsed == SINGLE | refused | within_sets | {"AT", "BRANCH", "SUBPATTERN", "MIN_REPEAT", "MAX_REPEAT"}


def nested(opening: str, closing: str, times: int) -> str:
    return opening * times + "a" + closing * times


@pytest.mark.parametrize(
    ("opening", "closing", "most"), [("(", ")", 49), ("(bb|", ")", 24), ("(b", ")?", 24), ("(?:", ")", 200)]
)
def test_expressions_are_taken_up_to_a_depth_and_no_further(opening: str, closing: str, most: int) -> None:
    assert Expression(nested(opening, closing, most))
    if opening != "(?:":  # which leaves nothing to be nested
        with pytest.raises(re.error, match=r"^groups, alternatives and repetitions are nested 50 deep, or deeper$"):
            Expression(nested(opening, closing, most + 1))
