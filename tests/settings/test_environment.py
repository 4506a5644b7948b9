"""Laws of the settings that one variable makes, or a few."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.local.embedded import embedded_aws
from invalidator.model import Allowance
from invalidator.settings.environment import (
    GONE,
    SkipUnchanged,
    load,
    metrics,
    metrics_namespace,
    offline,
    service_name,
    view,
)
from invalidator.urls.viewers import View


def test_a_queue_is_known_by_its_url() -> None:
    url, other = "https://sqs.eu-central-1.amazonaws.com/123456789012/changes", "http://127.0.0.1:5000/1/left"
    config = load({"DISTRIBUTION_IDS": "E1", "QUEUE_URL": f" {url}\n", "DEAD_LETTERS_URL": other})
    assert (config.queue_url, config.dead_letters_url) == (url, other)
    assert load({"DISTRIBUTION_IDS": "E1"}).queue_url == load({"DISTRIBUTION_IDS": "E1"}).dead_letters_url == ""
    assert load({"DISTRIBUTION_IDS": "E1", "QUEUE_URL": " "}).queue_url == ""


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "no distribution to invalidate: set DISTRIBUTION_IDS"),
        ({"DISTRIBUTION_IDS": " , "}, "no distribution to invalidate"),
        (
            {"DISTRIBUTION_IDS": "E1,d111.cloudfront.net"},
            "DISTRIBUTION_IDS: 'd111.cloudfront.net' is not a distribution id",
        ),
        ({"DISTRIBUTION_ID": "E1,E2"}, "DISTRIBUTION_ID: 'E1,E2' is not a distribution id"),
        ({"DISTRIBUTION_ID_EU": "arn:aws:cloudfront::1:distribution/E1"}, "DISTRIBUTION_ID_EU: 'arn:"),
        ({"DISTRIBUTION_ID": "É1"}, "DISTRIBUTION_ID: 'É1' is not"),
        (
            {"DISTRIBUTION_IDS": "E1", "INDEX_DOCUMENT": "a/index.html"},
            "INDEX_DOCUMENT: 'a/index.html' is not the name of a file",
        ),
        ({"DISTRIBUTION_IDS_SECRET": "cdn", "SETTINGS_TTL": "soon"}, "SETTINGS_TTL: 'soon' is not"),
        ({"DISTRIBUTION_IDS": "E1", "SETTINGS_TTL": "9" * 5_000}, "SETTINGS_TTL: '999"),
        ({"DISTRIBUTION_IDS": "E1", "SETTINGS_TTL": "86401"}, "SETTINGS_TTL: '86401' is not"),
        ({"DISTRIBUTION_IDS": "E" * 33}, "is not a distribution id"),
        ({"DISTRIBUTION_IDS": "dt_" + "a" * 65}, "is not a distribution id"),
        ({"DISTRIBUTION_IDS": "e1"}, "DISTRIBUTION_IDS: 'e1' is not a distribution id"),
        ({"DISTRIBUTION_IDS": "E1", "SETTINGS_TTL": "-1"}, "SETTINGS_TTL: '-1' is not"),
        ({"DISTRIBUTION_IDS": "E1", "QUEUE_URL": "changes"}, "QUEUE_URL: 'changes' is not the URL of a queue"),
        (
            {"DISTRIBUTION_IDS": "E1", "DEAD_LETTERS_URL": "arn:aws:sqs:eu-central-1:1:left"},
            "DEAD_LETTERS_URL: 'arn:aws:sqs:eu-central-1:1:left' is not the URL of a queue",
        ),
        (
            {"DISTRIBUTION_IDS": "E1", "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/changes.fifo"},
            "changes.fifo' is a FIFO queue: S3 cannot notify it",
        ),
        (
            {"DISTRIBUTION_IDS": "E1", "DEAD_LETTERS_URL": "http://127.0.0.1:5000/1/dead.fifo"},
            "DEAD_LETTERS_URL: 'http://127.0.0.1:5000/1/dead.fifo' is a FIFO queue",
        ),
        ({"DISTRIBUTION_IDS": "E1", "QUEUE_URL": "https://sqs.example"}, "QUEUE_URL: 'https://sqs.example' is not"),
        ({"DISTRIBUTION_IDS_SECRET": "missing"}, "DISTRIBUTION_IDS_SECRET: missing cannot be read"),
        ({"DISTRIBUTION_IDS_PARAMETER": "/missing"}, "DISTRIBUTION_IDS_PARAMETER: /missing cannot be read"),
    ],
)
def test_an_error_names_the_variable(aws: None, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ)
    assert words in str(caught.value)


def test_the_index_document_is_index_html_unless_it_is_set() -> None:
    ids = {"DISTRIBUTION_IDS": "E1"}
    assert load(ids).view.index_document == "index.html"
    assert load(ids | {"INDEX_DOCUMENT": "default.htm"}).view.index_document == "default.htm"
    assert load(ids | {"INDEX_DOCUMENT": ""}).view.index_document == ""


# --- what is said of distributions, and of all of them ---------------------------------------------------


def test_without_aws_no_parameter_can_be_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^--distribution-id: '/cdn/ids' names a parameter, and AWS is not"):
        offline({}, instead=["E1", "/cdn/ids"])


def test_distributions_may_be_discovered_for_one_bucket() -> None:
    environ = {"DISTRIBUTION_IDS": "discover"}
    assert load(environ).discover_bucket == ""
    assert load(environ | {"DISCOVER_BUCKET": " my-origin\n"}).discover_bucket == "my-origin"
    assert offline(environ | {"DISCOVER_BUCKET": "my-origin"}).discover_bucket == "my-origin"


@pytest.mark.parametrize("name", ["s3://origin", "arn:aws:s3:::origin", "Origin", "a b", "ab", "a" * 64])
def test_the_bucket_to_discover_for_is_the_name_of_one(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^DISCOVER_BUCKET: .* is not the name of a bucket"):
        load({"DISTRIBUTION_IDS": "discover", "DISCOVER_BUCKET": name})


@pytest.mark.parametrize(("text", "expected"), [("on", True), ("off", False), (" Off\n", False), (" ", True)])
def test_to_describe_is_on_or_off(text: str, expected: bool) -> None:
    assert load({"DISTRIBUTION_IDS": "E1", "DESCRIBE": text}).describe is expected


def test_what_cloudfront_says_is_kept_as_long_as_what_is_stored() -> None:
    assert load({"DISTRIBUTION_IDS": "E1", "SETTINGS_TTL": "60"}).ttl == 60


def test_what_holds_for_all_distributions_has_defaults() -> None:
    found = load({"DISTRIBUTION_IDS": "E1"})
    assert (found.view, found.describe, found.ttl) == (View(), True, 300)


def test_what_holds_for_all_distributions_can_be_had_without_them() -> None:
    environ = {"INDEX_DOCUMENT": "home.htm", "DIRECTORY_URLS": "bare", "EXCLUDE": "*.map"}
    assert (
        view(environ)
        == load(environ | {"DISTRIBUTION_IDS": "E1"}).view
        == View("home.htm", bare=True, exclude=("*.map",))
    )


@pytest.mark.parametrize(
    ("pages", "tildes", "expected"),
    [("", "", (True, False)), ("clear", "exact", (True, False)), ("ignore", "wildcard", (False, True))],
)
def test_error_pages_and_tildes_are_as_it_is_said(pages: str, tildes: str, expected: tuple[bool, bool]) -> None:
    found = view({"ERROR_PAGES": pages, "TILDES": tildes})
    assert (found.error_pages, found.tilde_wildcards) == expected


@pytest.mark.parametrize(("text", "expected"), [("slash", False), ("bare", True), ("", None), ("Bare", True)])
def test_directories_are_asked_for_as_it_is_said(text: str, expected: bool | None) -> None:
    assert load({"DISTRIBUTION_IDS": "E1", "DIRECTORY_URLS": text}).view.bare is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("assets/*.js, *.map", ("assets/*.js", "*.map")),
        ('["a b/*", "c,d"]', ("a b/*", "c,d")),
        ("[ab]*.js", ("[ab]*.js",)),
        ('[ "a/*",\n "b" ]', ("a/*", "b")),
        ("[]", ()),
        (" ", ()),
    ],
)
def test_globs_are_words_or_a_json_array(text: str, expected: tuple[str, ...]) -> None:
    found = load({"DISTRIBUTION_IDS": "E1", "INCLUDE": text, "EXCLUDE": text}).view
    assert (found.include, found.exclude) == (expected, expected)


@pytest.mark.parametrize(
    "text", ["['a/*']", '["a/*"', '"a/*"', "[1]", '["a/*", ""]', "[null]", '["a/*",' + "[" * 60_000]
)
def test_globs_that_were_meant_for_an_array_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^INCLUDE: expected globs, as assets"):
        load({"DISTRIBUTION_IDS": "E1", "INCLUDE": text})


# --- how much is sent, listed and compared ---------------------------------------------------------------


def test_a_plan_may_take_what_one_call_takes_unless_it_is_said() -> None:
    found = load({"DISTRIBUTION_IDS": "E1"})
    assert found.allowance == Allowance() == Allowance(MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL, 7)
    assert (found.skip_unchanged, found.gather, found.deploy_marker) == (None, 0, "")
    said = {"MAX_PATHS": "50", "SKIP_UNCHANGED": "versions", "GATHER": "300", "DEPLOY_MARKER": " .deployed "}
    found = load({"DISTRIBUTION_IDS": "E1"} | said)
    assert found.allowance == Allowance(50)
    assert (found.skip_unchanged, found.gather, found.deploy_marker) == (SkipUnchanged.VERSIONS, 300, ".deployed")


@pytest.mark.parametrize("key", ["/deployed", "s3://origin/deployed", "https://example.com/a", "a" * 1_025, "ü" * 513])
def test_a_deploy_marker_is_a_key(key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^DEPLOY_MARKER: .* is not the key of an object"):
        load({"DISTRIBUTION_IDS": "E1", "DEPLOY_MARKER": key})


def test_a_monthly_budget_is_an_amount_of_dollars() -> None:
    for text, usd in {
        "5": 5.0,
        " 2.50 ": 2.5,
        "0.5": 0.5,
        "999999.99": 999_999.99,
        "0": 0.0,
        "": 0.0,
        "0.00": 0.0,
    }.items():
        assert load({"DISTRIBUTION_IDS": "E1", "MONTHLY_BUDGET": text}).monthly_budget == usd
    for text in ("-5", "5 USD", "$5", "5,00", "1e3", "inf", "nan", ".5", "5.", "0.001", "1000000", "٣", "9" * 5_000):
        with pytest.raises(ConfigurationError, match=r"^MONTHLY_BUDGET: .* is not a number of US dollars"):
            load({"DISTRIBUTION_IDS": "E1", "MONTHLY_BUDGET": text})


def test_a_second_clearing_needs_the_queue_that_it_waits_on() -> None:
    for seconds, queue, expected in ("10", "", 1), ("0", "", 0), ("", "", 0), ("10", "https://sqs.test/1/changes", 0):
        found = load({"DISTRIBUTION_IDS": "E1", "REPEAT_AFTER": seconds, "QUEUE_URL": queue})
        assert len([text for text in found.warnings if text.startswith("REPEAT_AFTER does nothing")]) == expected


def test_a_budget_needs_the_metric_that_it_is_read_from() -> None:
    for budget, expected in ("5", 1), ("0", 0):
        environ = {"DISTRIBUTION_IDS": "E1", "MONTHLY_BUDGET": budget, "POWERTOOLS_METRICS_DISABLED": "true"}
        assert len(load(environ).warnings) == expected


@pytest.mark.parametrize("name", GONE)
def test_a_variable_that_is_gone_is_told_of_and_ignored(name: str) -> None:
    found = load({"DISTRIBUTION_IDS": "E1", name: "nonsense"})
    (warning,) = found.warnings
    assert warning.startswith(f"{name} is no longer read: ")
    assert replace(found, warnings=()) == load({"DISTRIBUTION_IDS": "E1"})


@pytest.mark.parametrize(
    ("name", "least", "most", "default"),
    [
        ("SETTINGS_TTL", 0, 86_400, 300),
        ("MAX_PATHS", 1, 1_000_000, 3_000),
        ("GATHER", 0, 900, 0),
        ("REPEAT_AFTER", 0, 900, 0),
    ],
)
def test_a_whole_number_is_one_within_its_bounds(name: str, least: int, most: int, default: int) -> None:
    def value(text: str) -> int:
        found = load({"DISTRIBUTION_IDS": "E1", name: text})
        return {
            "SETTINGS_TTL": found.ttl,
            "MAX_PATHS": found.allowance.paths,
            "GATHER": found.gather,
            "REPEAT_AFTER": found.repeat_after,
        }[name]

    taken = {str(least): least, str(most): most, f" {most}\n": most, f"00{most}": most, "": default, " ": default}
    assert {text: value(text) for text in taken} == taken
    for text in (str(least - 1), str(most + 1), "-1", "+1", "1.0", "1e2", "1_0", "all", "٣", "9" * 5_000):
        with pytest.raises(ConfigurationError, match=rf"^{name}: .* is not a whole number.* from {least} to {most}$"):
            value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), ("versions", SkipUnchanged.VERSIONS), ("Versions+Metadata ", SkipUnchanged.VERSIONS_AND_METADATA)],
)
def test_uploads_are_compared_as_it_is_said(text: str, expected: SkipUnchanged | None) -> None:
    assert load({"DISTRIBUTION_IDS": "E1", "SKIP_UNCHANGED": text}).skip_unchanged is expected


@pytest.mark.parametrize(
    ("name", "words"),
    [("DESCRIBE", "'perhaps' is none of on, off"), ("SKIP_UNCHANGED", "'perhaps' is none of versions, versions.metad")],
)
def test_a_word_that_is_none_of_those_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: {words}"):
        load({"DISTRIBUTION_IDS": "E1", name: "perhaps"})


def test_rules_come_from_the_variable_and_then_from_the_parameter() -> None:
    with embedded_aws():
        ssm = boto3.client("ssm")
        ssm.put_parameter(Name="/rules", Value='[{"match": "b", "also": ["/b"]}]', Type="String")
        environ = {"DISTRIBUTION_IDS": "E1", "RULES": '[{"match": "a", "also": ["/a"]}]', "RULES_PARAMETER": "/rules"}
        assert [rule.also[0].literals for rule in load(environ).view.rules] == [("/a",), ("/b",)]
        ssm.put_parameter(Name="/rules", Value="[", Type="String", Overwrite=True)
        still = load(environ, now=lambda: monotonic() + 300)
        assert len(still.view.rules) == 2
        assert still.warnings[0].startswith("RULES_PARAMETER: /rules: not JSON")


# --- without AWS ----------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["E1", "E2", "discover"]), max_size=3), st.sampled_from([(), ("E3",), ("discover",)]))
def test_without_aws_all_is_known_but_what_is_there(named: list[str], instead: tuple[str, ...]) -> None:
    here = {"DISTRIBUTION_IDS": ",".join(named), "EXCLUDE": "*.map", "MAX_PATHS": "7", "INDEX_DOCUMENT": ""}
    there = dict.fromkeys(("DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER", "RULES_PARAMETER"), "cdn")
    config = offline(here | there, instead)  # with no AWS to ask, anything that is asked is an error
    assert list(config.distributions) == [id_ for id_ in dict.fromkeys(instead or named) if id_ != "discover"]
    assert not config.discover
    assert not config.describe
    assert (config.view, config.allowance.paths) == (View(index_document="", exclude=("*.map",)), 7)
    assert len(config.warnings) == 3
    assert all(name in " ".join(config.warnings) for name in there)
    assert offline(here, instead).warnings == ()


def test_without_aws_a_wrong_variable_is_wrong() -> None:
    with pytest.raises(ConfigurationError, match=r"DISTRIBUTION_IDS: 'a\.b' is not a distribution id"):
        offline({"DISTRIBUTION_IDS": "a.b"})
    with pytest.raises(ConfigurationError, match="MAX_PATHS"):
        offline({"MAX_PATHS": "many"})


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "on", "y", "t"])
def test_there_are_metrics_unless_they_are_said_to_be_disabled(word: str) -> None:
    assert not metrics({"POWERTOOLS_METRICS_DISABLED": word})
    for other in ("", "false", "0", "No", "off", "ture", " "):
        assert metrics({"POWERTOOLS_METRICS_DISABLED": other})
    assert metrics({})


@pytest.mark.parametrize(
    ("disabled", "are_printed"), [("", False), ("false", True), ("0", True), ("true", False), ("ture", True)]
)
def test_in_development_there_are_metrics_only_if_they_are_turned_on(disabled: str, are_printed: bool) -> None:
    assert metrics({"POWERTOOLS_DEV": "1", "POWERTOOLS_METRICS_DISABLED": disabled}) == are_printed
    assert not metrics({"POWERTOOLS_DEV": "true"})
    assert metrics({"POWERTOOLS_DEV": "false"})


def warned_of(**environ: str) -> list[str]:
    """The variables of which there is a warning."""
    return [warning.split(":")[0] for warning in load({"DISTRIBUTION_IDS": "E1", **environ}).warnings]


@pytest.mark.parametrize(("word", "warnings"), [("", 0), ("FALSE", 0), ("1", 0), ("flase", 1), (" false", 1)])
def test_a_misspelt_switch_of_metrics_is_a_warning(word: str, warnings: int) -> None:
    name = "POWERTOOLS_METRICS_DISABLED"
    assert warned_of(**{name: word}) == [name] * warnings


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "off", "n", "f"])
def test_a_warning_says_that_traces_are_gone_where_they_are_asked_for(word: str) -> None:
    name = "POWERTOOLS_TRACE_DISABLED"
    assert warned_of(**{name: word}) == [name]
    for other in ("", "true", "1", "yes", "flase", " false", "none"):
        assert warned_of(**{name: other}) == []


@pytest.mark.parametrize(
    ("name", "read", "most"),
    [("POWERTOOLS_SERVICE_NAME", service_name, 1_024), ("POWERTOOLS_METRICS_NAMESPACE", metrics_namespace, 255)],
)
def test_a_name_under_which_cloudwatch_takes_no_metrics_is_a_warning(
    name: str, read: Callable[[dict[str, str]], str], most: int
) -> None:
    for none in ("", " ", "\n"):
        assert read({name: none}) == "invalidator"
        assert warned_of(**{name: none}) == []
    for good in (most * "x", "my site: it's 50% #1/a_b-c.d"):
        assert read({name: f" {good}\n"}) == good
        assert warned_of(**{name: good}) == []
    for bad in ((most + 1) * "x", "a\nb", "caf\u00e9", "a\x7f"):
        assert warned_of(**{name: bad}) == [name]
