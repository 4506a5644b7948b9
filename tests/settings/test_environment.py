"""Laws of the settings. Secrets and parameters come from moto's Secrets Manager and Parameter Store."""

import json
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL
from invalidator.local.embedded import embedded_aws
from invalidator.model import Allowance, Declared
from invalidator.settings.environment import (
    Comparison,
    Settings,
    load,
    metrics,
    metrics_namespace,
    offline,
    service_name,
    view,
)
from invalidator.settings.stored import forget_stored
from invalidator.urls.viewers import View
from tests.doubles.loopback import answering

IDS = ("E1A2B3C4D5E6F7", "EDFDVBD6EXAMPLE")


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def put_secret(value: str | bytes, name: str = "cdn") -> str:
    kind = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
    return boto3.client("secretsmanager").create_secret(Name=name, **kind)["ARN"]


@given(st.lists(st.sampled_from(["E1", "E2", "E3"]), min_size=1), st.sampled_from([",", " ", "\n", ", ", "\t,\n "]))
def test_commas_or_white_space_separate_a_list_and_duplicates_go(ids: list[str], separator: str) -> None:
    assert load({"DISTRIBUTION_IDS": separator.join(ids)}).distributions == tuple(dict.fromkeys(ids))


@pytest.mark.parametrize("id_", ["E" * 32, "dt_" + "aA0" * 21 + "a"])
def test_an_id_may_be_longer_than_those_of_today(id_: str) -> None:
    assert load({"DISTRIBUTION_IDS": id_}).distributions == (id_,)


def test_distributions_are_the_union_of_all_variables(aws: None) -> None:
    put_secret('["E5", "E1"]')
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value="E6,E2", Type="StringList")
    config = load(
        {
            "DISTRIBUTION_IDS": "E1, E2",
            "DISTRIBUTION_ID": "E3",
            "DISTRIBUTION_ID_1": "E4",
            "DISTRIBUTION_ID_eu": "E1",
            "DISTRIBUTION_ID_EMPTY": "",
            "DISTRIBUTION_IDS_SECRET": "cdn",
            "DISTRIBUTION_IDS_PARAMETER": "/cdn/ids",
            "DISTRIBUTION_IDEA": "not one of ours!",
        }
    )
    assert config.distributions == ("E1", "E2", "E3", "E4", "E5", "E6")


FORMS = [
    json.dumps(IDS),
    json.dumps(dict(zip(["www", "blog"], IDS, strict=True))),
    json.dumps(" ".join(IDS)),
    ",".join(IDS),
    "\n".join(IDS) + "\n",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_may_have_every_form(aws: None, form: str) -> None:
    arn = put_secret(form)
    assert load({"DISTRIBUTION_IDS_SECRET": "cdn"}).distributions == IDS
    assert load({"DISTRIBUTION_IDS_SECRET": arn}).distributions == IDS


def test_a_secret_may_be_binary(aws: None) -> None:
    put_secret(",".join(IDS).encode())
    assert load({"DISTRIBUTION_IDS_SECRET": "cdn"}).distributions == IDS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_a_parameter_may_have_every_form_and_type(aws: None, form: str, kind: Any) -> None:
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value=form, Type=kind)
    assert load({"DISTRIBUTION_IDS_PARAMETER": "/cdn/ids"}).distributions == IDS


class Stored:
    """A secret and a parameter called cdn, and a clock by which they are read."""

    def __init__(self, variable: str) -> None:
        self.environ = {variable: "cdn"}
        self.now = 1_000.0
        self._is_secret = "SECRET" in variable

    def put(self, value: str) -> None:
        if not self._is_secret:
            boto3.client("ssm").put_parameter(Name="cdn", Value=value, Type="String", Overwrite=True)
            return
        secrets = boto3.client("secretsmanager")
        try:
            secrets.put_secret_value(SecretId="cdn", SecretString=value)
        except secrets.exceptions.ResourceNotFoundException:
            secrets.create_secret(Name="cdn", SecretString=value)

    def remove(self) -> None:
        if self._is_secret:
            boto3.client("secretsmanager").delete_secret(SecretId="cdn", ForceDeleteWithoutRecovery=True)
        else:
            boto3.client("ssm").delete_parameter(Name="cdn")

    def load(self, after: float = 0.0, **more: str) -> Settings:
        """Load the settings so many seconds after the last time."""
        self.now += after
        return load(self.environ | more, now=lambda: self.now)

    def load_instead(self, id_: str) -> Settings:
        """Load them for an id of a command line."""
        return load(self.environ, instead=[id_], now=lambda: self.now)


@pytest.fixture(params=["DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER"])
def stored(request: pytest.FixtureRequest, aws: None) -> Stored:
    made = Stored(request.param)
    made.put("E1")
    return made


@pytest.mark.parametrize(("ttl", "seconds"), [("", 300), ("60", 60), ("1", 1), ("86400", 86_400)])
def test_what_is_stored_is_read_again_when_the_time_to_live_is_over(stored: Stored, ttl: str, seconds: int) -> None:
    assert stored.load(SETTINGS_TTL=ttl).distributions == ("E1",)
    stored.put("E2")
    assert stored.load(seconds - 0.5, SETTINGS_TTL=ttl).distributions == ("E1",)
    assert stored.load(0.5, SETTINGS_TTL=ttl).distributions == ("E2",)


def test_without_a_time_to_live_what_is_stored_is_read_at_every_event(stored: Stored) -> None:
    assert stored.load(SETTINGS_TTL="0").distributions == ("E1",)
    stored.put("E2")
    assert stored.load(SETTINGS_TTL="0").distributions == ("E2",)


def test_what_is_forgotten_is_read_anew(stored: Stored) -> None:
    stored.load()
    stored.put("E2")
    forget_stored()
    assert stored.load().distributions == ("E2",)


@pytest.mark.parametrize("content", [None, "hunter2!", "[]", '{"a": 1}'])
def test_the_last_good_ids_stay_in_force_with_a_warning(stored: Stored, content: str | None) -> None:
    """Whoever breaks the list does not stop the invalidations."""
    assert stored.load().warnings == ()
    if content is None:
        stored.remove()
    else:
        stored.put(content)
    assert stored.load(299).warnings == ()
    for _ in range(3):
        config = stored.load(100)
        assert config.distributions == ("E1",)
        (warning,) = config.warnings
        assert warning.startswith(next(iter(stored.environ)))
        assert warning.endswith("; what was known so far stays in force")
        assert "hunter2" not in warning


def test_a_broken_list_is_read_again_within_a_minute_not_at_every_event(stored: Stored) -> None:
    stored.load()
    stored.put("broken")
    assert stored.load(300).warnings
    stored.put("E2")
    still = stored.load(59)
    assert (still.distributions, len(still.warnings)) == (("E1",), 1)
    mended = stored.load(1)
    assert (mended.distributions, mended.warnings) == (("E2",), ())


def test_a_repair_is_seen_no_later_than_the_time_to_live(stored: Stored) -> None:
    stored.load(SETTINGS_TTL="10")
    stored.put("broken")
    assert stored.load(10, SETTINGS_TTL="10").warnings
    stored.put("E2")
    assert stored.load(10, SETTINGS_TTL="10").distributions == ("E2",)


def test_ids_that_were_never_good_are_an_error_each_time(stored: Stored) -> None:
    stored.put("broken")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="a value in it is not a distribution id"):
            stored.load()
    stored.put("E2")
    assert stored.load().distributions == ("E2",)


def test_the_ids_of_another_secret_do_not_stand_in_for_those_of_one(aws: None) -> None:
    put_secret("E1")
    assert load({"DISTRIBUTION_IDS_SECRET": "cdn"}).distributions == ("E1",)
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS_SECRET: other cannot be read"):
        load({"DISTRIBUTION_IDS_SECRET": "other"})
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS_PARAMETER: cdn cannot be read"):
        load({"DISTRIBUTION_IDS_PARAMETER": "cdn"})


def test_each_source_that_cannot_be_read_has_its_warning(aws: None) -> None:
    secret, parameter = Stored("DISTRIBUTION_IDS_SECRET"), Stored("DISTRIBUTION_IDS_PARAMETER")
    secret.put("E1")
    parameter.put("E2")
    environ = secret.environ | parameter.environ | {"DISTRIBUTION_ID": "E3"}
    load(environ, now=lambda: 0.0)
    secret.remove()
    parameter.remove()
    config = load(environ, now=lambda: 300.0)
    assert config.distributions == ("E3", "E1", "E2")
    assert [warning.split(":")[0] for warning in config.warnings] == [*secret.environ, *parameter.environ]


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
        ({"DISTRIBUTION_IDS": "E1", "QUEUE_URL": "https://sqs.example"}, "QUEUE_URL: 'https://sqs.example' is not"),
        ({"DISTRIBUTION_IDS_SECRET": "missing"}, "DISTRIBUTION_IDS_SECRET: missing cannot be read"),
        ({"DISTRIBUTION_IDS_PARAMETER": "/missing"}, "DISTRIBUTION_IDS_PARAMETER: /missing cannot be read"),
    ],
)
def test_an_error_names_the_variable(aws: None, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "hunter2",
        "hunter2!",
        '{"username": "admin", "password": "Hunter2hunter2"}',
        '{"password": "hunter2!"}',
        '["hunter2!"]',
        '{"a": {"b": "hunter2"}}',
        "[hunter2",
        "[" * 60_000 + "hunter2",
        b"\xffhunter2",
        " ",
        "[]",
    ],
)
def test_the_content_of_a_secret_is_never_shown(aws: None, content: str | bytes) -> None:
    put_secret(content)
    with pytest.raises(ConfigurationError) as caught:
        load({"DISTRIBUTION_IDS_SECRET": "cdn"})
    error: BaseException | None = caught.value
    assert "DISTRIBUTION_IDS_SECRET: cdn" in str(error)
    while error is not None:
        assert "hunter2" not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_region_that_is_missing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for variable in ("DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER"):
        with pytest.raises(ConfigurationError, match=f"{variable}: cdn cannot be read: You must specify a region"):
            load({variable: "cdn"})


def test_the_index_document_is_index_html_unless_it_is_set() -> None:
    ids = {"DISTRIBUTION_IDS": "E1"}
    assert load(ids).view.index_document == "index.html"
    assert load(ids | {"INDEX_DOCUMENT": "default.htm"}).view.index_document == "default.htm"
    assert load(ids | {"INDEX_DOCUMENT": ""}).view.index_document == ""


# --- what is said of distributions, and of all of them ---------------------------------------------------


def test_a_stored_list_may_hold_ids_and_declarations_side_by_side(stored: Stored) -> None:
    stored.put(
        '["E1", {"id": "E2", "bucket": "b0b", "origin_path": "/prod/"}, {"id": "dt_3x", "cache_tags": true}, "E4"]'
    )
    found = stored.load()
    assert found.distributions == ("E1", "E2", "dt_3x", "E4")
    assert found.declared == {"E2": Declared("b0b", "/prod"), "dt_3x": Declared(cache_tags=True)}


@pytest.mark.parametrize(("written", "path"), [("/", ""), ("/a/b/", "/a/b"), ("/a//", "/a")])
def test_a_slash_at_the_end_of_a_declared_path_makes_no_difference(stored: Stored, written: str, path: str) -> None:
    stored.put(json.dumps([{"id": "E1", "origin_path": written}]))
    assert stored.load().declared == {"E1": Declared("", path)}


def test_one_declaration_may_stand_without_a_list(stored: Stored) -> None:
    stored.put('{"id": "E1", "bucket": "b0b"}')
    assert stored.load().declared == {"E1": Declared("b0b")}


def test_a_declaration_holds_wherever_else_the_id_is_named(stored: Stored) -> None:
    stored.put('["E1", {"id": "E1", "bucket": "b0b"}, "E1"]')
    assert stored.load().declared == {"E1": Declared("b0b")}
    assert stored.load_instead("E1").declared == {"E1": Declared("b0b")}
    assert stored.load_instead("E2").declared == {}
    forget_stored()
    stored.put("broken")
    assert (stored.load_instead("E1").distributions, stored.load_instead("E1").declared) == (("E1",), {})


def test_a_declaration_in_a_secret_holds_beside_the_id_in_a_parameter(aws: None) -> None:
    put_secret('[{"id": "E1", "bucket": "b0b"}]')
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value="E1,E2", Type="StringList")
    found = load({"DISTRIBUTION_IDS_SECRET": "cdn", "DISTRIBUTION_IDS_PARAMETER": "/cdn/ids", "DISTRIBUTION_ID": "E1"})
    assert (found.distributions, found.declared) == (("E1", "E2"), {"E1": Declared("b0b")})


# --- names of parameters instead of ids -----------------------------------------------------------------


def put_parameter(value: str, kind: Any = "String") -> None:
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value=value, Type=kind, Overwrite=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_instead_of_ids_the_name_of_a_parameter_may_be_given(aws: None, form: str, kind: Any) -> None:
    put_parameter(form, kind)
    assert load({"DISTRIBUTION_IDS": "E9"}, instead=["/cdn/ids"]).distributions == IDS
    assert load({}, instead=["E1", "/cdn/ids", IDS[0], "E2"]).distributions == ("E1", *IDS, "E2")


def test_what_a_named_parameter_declares_holds(aws: None) -> None:
    put_parameter('["E1", {"id": "E2", "bucket": "b0b"}]')
    found = load({}, instead=["E2", "/cdn/ids"])
    assert (found.distributions, found.declared) == (("E2", "E1"), {"E2": Declared("b0b")})


def test_an_error_about_a_named_parameter_names_it_and_its_source(aws: None) -> None:
    for source in ("--distribution-id", "distributionId"):
        with pytest.raises(ConfigurationError, match=f"^{source}: /cdn/none cannot be read: .*ParameterNotFound"):
            load({"DISTRIBUTION_IDS": "E1"}, instead=["/cdn/none"], source=source)
    for content in ("hunter2!", '{"a": "hunter2!"}', "[1]"):
        put_parameter(content)
        with pytest.raises(ConfigurationError, match=r"^distributionId: /cdn/ids") as caught:
            load({}, instead=["/cdn/ids"], source="distributionId")
        assert "hunter2" not in str(caught.value)


def test_a_named_parameter_that_may_not_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"__type":"AccessDeniedException","message":"not authorized to perform: ssm:GetParameter"}'
    with answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(ConfigurationError, match=r"^--distribution-id: /cdn/ids cannot be read: .*ssm:GetPara"):
            load({}, instead=["/cdn/ids"])


def test_a_named_parameter_is_read_again_when_the_time_to_live_is_over(aws: None) -> None:
    def found(now: float) -> Settings:
        return load({"SETTINGS_TTL": "60"}, instead=["/cdn/ids"], now=lambda: now)

    put_parameter("E1")
    assert found(0).distributions == ("E1",)
    put_parameter("E2")
    assert found(59.5).distributions == ("E1",)
    assert found(60).distributions == ("E2",)
    boto3.client("ssm").delete_parameter(Name="/cdn/ids")
    still = found(120)
    assert still.distributions == ("E2",)
    assert still.warnings[0].startswith("--distribution-id: /cdn/ids cannot be read")
    assert still.warnings[0].endswith("; what was known so far stays in force")


def test_each_named_parameter_is_remembered_for_itself(aws: None) -> None:
    put_parameter("E1")
    boto3.client("ssm").put_parameter(Name="/cdn/more", Value="E2", Type="String")
    assert load({}, instead=["/cdn/ids"]).distributions == ("E1",)
    assert load({}, instead=["/cdn/more"]).distributions == ("E2",)
    assert load({}, instead=["/cdn/more", "/cdn/ids"]).distributions == ("E2", "E1")


def test_without_aws_no_parameter_can_be_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^--distribution-id: AWS is not asked here, so that '/cdn/ids' is"):
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


def test_names_of_a_key_value_secret_may_be_anything(stored: Stored) -> None:
    stored.put('{"id": "E1", "other": "E2"}')
    assert (stored.load().distributions, stored.load().declared) == (("E1", "E2"), {})
    stored.put('{"bucket": "E3"}')
    assert stored.load(300).distributions == ("E3",)


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "E1", "path": "/prod"}]',
        '[{"id": "E1", "bucket": 1}]',
        '[{"id": "E1", "bucket": "https://hunter2!"}]',
        '[{"id": "E1", "origin_path": "prod"}]',
        '[{"id": "E1", "cache_tags": "hunter2!"}]',
        '[{"bucket": "hunter2!"}]',
        '[{"id": "hunter2!"}]',
        '[["E1"]]',
        "[1]",
    ],
)
def test_a_declaration_that_is_none_is_refused_without_showing_it(stored: Stored, text: str) -> None:
    stored.put(text)
    with pytest.raises(ConfigurationError) as caught:
        stored.load()
    assert "hunter2!" not in str(caught.value)
    assert "E1A2B3C4D5E6F7" in str(caught.value)


def test_distributions_may_be_discovered_alone_or_beside_others() -> None:
    alone = load({"DISTRIBUTION_IDS": "discover", "DISCOVER_TAG": "team=web"})
    assert (alone.distributions, alone.discover, alone.discover_tag) == ((), True, "team=web")
    beside = load({"DISTRIBUTION_IDS": "E1,discover", "DISTRIBUTION_ID_2": "E2"})
    assert (beside.distributions, beside.discover) == (("E1", "E2"), True)
    assert load({"DISTRIBUTION_IDS": "E9"}, instead=["discover"]).discover
    assert load({"DISTRIBUTION_IDS": "discover", "DISCOVER_TAG": " team = a = b\n"}).discover_tag == "team=a = b"
    for word in ("Discover", "DISCOVER"):
        assert (load({"DISTRIBUTION_IDS": word}).distributions, load({"DISTRIBUTION_IDS": word}).discover) == ((), True)
    assert not load({"DISTRIBUTION_IDS": "E1"}).discover


def test_the_ids_of_a_command_line_replace_all_that_are_configured() -> None:
    configured = {"DISTRIBUTION_IDS": "E1,discover", "DISTRIBUTION_ID": "E2", "DISTRIBUTION_ID_3": "E3"}
    found = load(configured, instead=["E9"])
    assert (found.distributions, found.discover) == (("E9",), False)


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
    assert found.allowance == Allowance() == Allowance(MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL, None)
    assert (found.list_pages, found.skip_unchanged) == (1_000, None)
    said = {"MAX_PATHS": "50", "MAX_WILDCARDS": "0", "LOSSLESS": "off", "LIST_PAGES": "7", "SKIP_UNCHANGED": "versions"}
    found = load({"DISTRIBUTION_IDS": "E1"} | said)
    assert found.allowance == Allowance(50, 0, lossless=False)
    assert (found.list_pages, found.skip_unchanged) == (7, Comparison.VERSIONS)


@pytest.mark.parametrize(
    ("name", "least", "most", "default"),
    [
        ("SETTINGS_TTL", 0, 86_400, 300),
        ("MAX_PATHS", 1, 1_000_000, 3_000),
        ("MAX_WILDCARDS", 0, 15, 15),
        ("LIST_PAGES", 1, 100_000, 1_000),
    ],
)
def test_a_whole_number_is_one_within_its_bounds(name: str, least: int, most: int, default: int) -> None:
    def value(text: str) -> int:
        found = load({"DISTRIBUTION_IDS": "E1", name: text})
        return {
            "SETTINGS_TTL": found.ttl,
            "MAX_PATHS": found.allowance.paths,
            "MAX_WILDCARDS": found.allowance.wildcards,
            "LIST_PAGES": found.list_pages,
        }[name]

    taken = {str(least): least, str(most): most, f" {most}\n": most, f"00{most}": most, "": default, " ": default}
    assert {text: value(text) for text in taken} == taken
    for text in (str(least - 1), str(most + 1), "-1", "+1", "1.0", "1e2", "1_0", "all", "٣", "9" * 5_000):
        with pytest.raises(ConfigurationError, match=rf"^{name}: .* is not a whole number.* from {least} to {most}$"):
            value(text)


@pytest.mark.parametrize(("text", "expected"), [("on", True), ("Off", False), ("", None), (" ", None)])
def test_lossless_wildcards_are_used_always_never_or_where_they_save_money(
    text: str, expected: bool | None
) -> None:
    assert load({"DISTRIBUTION_IDS": "E1", "LOSSLESS": text}).allowance.lossless is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("versions", Comparison.VERSIONS),
        ("Versions+Metadata ", Comparison.VERSIONS_AND_METADATA),
    ],
)
def test_uploads_are_compared_as_it_is_said(text: str, expected: Comparison | None) -> None:
    assert load({"DISTRIBUTION_IDS": "E1", "SKIP_UNCHANGED": text}).skip_unchanged is expected


@pytest.mark.parametrize(
    ("name", "words"),
    [("LOSSLESS", "'perhaps' is none of on, off"), ("SKIP_UNCHANGED", "'perhaps' is none of versions, versions.metad")],
)
def test_a_word_that_is_none_of_those_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: {words}"):
        load({"DISTRIBUTION_IDS": "E1", name: "perhaps"})


def test_rules_come_from_the_variable_and_then_from_the_parameter() -> None:
    with embedded_aws():
        ssm = boto3.client("ssm")
        ssm.put_parameter(Name="/rules", Value='[{"match": "b", "also": ["/b"]}]', Type="String")
        environ = {
            "DISTRIBUTION_IDS": "E1",
            "RULES": '[{"match": "a", "also": ["/a"]}]',
            "RULES_PARAMETER": "/rules",
        }
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
def test_in_development_there_are_metrics_only_if_they_are_turned_on(
    disabled: str, are_printed: bool
) -> None:
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
    [
        ("POWERTOOLS_SERVICE_NAME", service_name, 1_024),
        ("POWERTOOLS_METRICS_NAMESPACE", metrics_namespace, 255),
    ],
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
