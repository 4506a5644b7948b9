"""Laws of the settings. Secrets and parameters come from moto's Secrets Manager and Parameter Store."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters.constants import DEFAULT_PROVIDERS
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.errors import ConfigurationError
from invalidator.settings import load

IDS = ("E1A2B3C4D5E6F7", "EDFDVBD6EXAMPLE")


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def put_secret(value: str | bytes, name: str = "cdn") -> str:
    kind = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
    return boto3.client("secretsmanager").create_secret(Name=name, **kind)["ARN"]


@given(st.lists(st.sampled_from(["E1", "E2", "E3"]), min_size=1), st.sampled_from([",", " ", "\n", ", ", "\t,\n "]))
def test_a_list_is_separated_by_commas_or_white_space_and_has_no_duplicates(ids: list[str], separator: str) -> None:
    assert load({"DISTRIBUTION_IDS": separator.join(ids)}).distributions == tuple(dict.fromkeys(ids))


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


@pytest.mark.parametrize(("ttl", "seen"), [("", "E1"), ("300", "E1"), ("0", "E2")])
def test_a_parameter_is_kept_for_the_time_to_live(aws: None, ttl: str, seen: str) -> None:
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="cdn", Value="E1", Type="String")
    environ = {"DISTRIBUTION_IDS_PARAMETER": "cdn", "SETTINGS_TTL": ttl}
    assert load(environ).distributions == ("E1",)
    ssm.put_parameter(Name="cdn", Value="E2", Type="String", Overwrite=True)
    assert load(environ).distributions == (seen,)


@pytest.mark.parametrize(("ttl", "seconds"), [("", 300), ("60", 60)])
def test_the_time_to_live_is_in_seconds_and_five_minutes_by_default(aws: None, ttl: str, seconds: int) -> None:
    put_secret("E1")
    before = datetime.now()  # noqa: DTZ005 Powertools counts in local time
    load({"DISTRIBUTION_IDS_SECRET": "cdn", "SETTINGS_TTL": ttl})
    (kept,) = DEFAULT_PROVIDERS["secrets"].store.values()
    assert timedelta(seconds=seconds) <= kept.ttl - before < timedelta(seconds=seconds + 30)


@pytest.mark.parametrize(("ttl", "seen"), [("", "E1"), ("300", "E1"), ("0", "E2")])
def test_a_secret_is_kept_for_the_time_to_live(aws: None, ttl: str, seen: str) -> None:
    put_secret("E1")
    environ = {"DISTRIBUTION_IDS_SECRET": "cdn", "SETTINGS_TTL": ttl}
    assert load(environ).distributions == ("E1",)
    boto3.client("secretsmanager").put_secret_value(SecretId="cdn", SecretString="E2")
    assert load(environ).distributions == (seen,)


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
        ({"DISTRIBUTION_IDS": "e1"}, "DISTRIBUTION_IDS: 'e1' is not a distribution id"),
        ({"DISTRIBUTION_IDS": "E1", "SETTINGS_TTL": "-1"}, "SETTINGS_TTL: '-1' is not"),
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
    assert load(ids).index_document == "index.html"
    assert load(ids | {"INDEX_DOCUMENT": "default.htm"}).index_document == "default.htm"
    assert load(ids | {"INDEX_DOCUMENT": ""}).index_document == ""
