"""Laws of the ids: every source and shape counts, and what is no id is refused with its place."""

import json
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import ConfigurationError
from invalidator.model import Declared
from invalidator.settings.environment import load
from invalidator.settings.stored import forget_stored
from tests.doubles.loopback import answering
from tests.doubles.stored import FORMS, IDS, StoredIds, put_parameter, put_secret


@given(st.lists(st.sampled_from(["E1", "E2", "E3"]), min_size=1), st.sampled_from([",", " ", "\n", ", ", "\t,\n "]))
def test_commas_or_white_space_separate_a_list_and_duplicates_go(ids: list[str], separator: str) -> None:
    assert load({"DISTRIBUTION_IDS": separator.join(ids)}).distributions == tuple(dict.fromkeys(ids))


@pytest.mark.parametrize("id_", ["E" * 32, "dt_" + "aA0" * 21 + "a"])
def test_an_id_may_be_longer_than_those_of_today(id_: str) -> None:
    assert load({"DISTRIBUTION_IDS": id_}).distributions == (id_,)


@pytest.mark.parametrize(
    ("arn", "id_"),
    [
        ("arn:aws:cloudfront::123456789012:distribution/E1A2B3C4D5E6F7", "E1A2B3C4D5E6F7"),
        ("arn:aws-cn:cloudfront::123456789012:distribution-tenant/dt_1wFXwCQzpJb", "dt_1wFXwCQzpJb"),
    ],
)
def test_an_arn_is_refused_with_the_id_in_it(stored: StoredIds, arn: str, id_: str) -> None:
    for environ in ({"DISTRIBUTION_IDS": f"E1,{arn}"}, {"DISTRIBUTION_ID_EU": arn}):
        with pytest.raises(ConfigurationError, match=f"'{arn}' is an ARN .*: give the id at its end, {id_}$"):
            load(environ)
    with pytest.raises(ConfigurationError, match=r"^--distribution-id: .* at its end, "):
        load({}, instead=[arn])
    stored.put(arn)
    forget_stored()
    with pytest.raises(ConfigurationError, match=r"a value in it is an ARN .*: give the id at its end$"):
        stored.load()


def test_distributions_are_the_union_of_all_variables(aws: None) -> None:
    put_secret('["E5ABCDEFGH", "E1ABCDEFGH"]')
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value="E6ABCDEFGH,E2ABCDEFGH", Type="StringList")
    config = load(
        {
            "DISTRIBUTION_IDS": "E1ABCDEFGH, E2ABCDEFGH",
            "DISTRIBUTION_ID": "E3ABCDEFGH",
            "DISTRIBUTION_ID_1": "E4ABCDEFGH",
            "DISTRIBUTION_ID_eu": "E1ABCDEFGH",
            "DISTRIBUTION_ID_EMPTY": "",
            "DISTRIBUTION_IDS_SECRET": "cdn",
            "DISTRIBUTION_IDS_PARAMETER": "/cdn/ids",
            "DISTRIBUTION_IDEA": "not one of ours!",
        }
    )
    assert config.distributions == ("E1ABCDEFGH", "E2ABCDEFGH", "E3ABCDEFGH", "E4ABCDEFGH", "E5ABCDEFGH", "E6ABCDEFGH")


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_may_have_every_form(aws: None, form: str) -> None:
    arn = put_secret(form)
    assert load({"DISTRIBUTION_IDS_SECRET": "cdn"}).distributions == IDS
    assert load({"DISTRIBUTION_IDS_SECRET": arn}).distributions == IDS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_a_parameter_may_have_every_form_and_type(aws: None, form: str, kind: Any) -> None:
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value=form, Type=kind)
    assert load({"DISTRIBUTION_IDS_PARAMETER": "/cdn/ids"}).distributions == IDS


def test_a_stored_list_may_hold_ids_and_declarations_side_by_side(stored: StoredIds) -> None:
    declared = '{"id": "E2ABCDEFGH", "bucket": "b0b", "origin_path": "/prod/"}, {"id": "dt_3x", "cache_tags": true}'
    stored.put(f'["E1ABCDEFGH", {declared}, "E4ABCDEFGH"]')
    found = stored.load()
    assert found.distributions == ("E1ABCDEFGH", "E2ABCDEFGH", "dt_3x", "E4ABCDEFGH")
    assert found.declared == {"E2ABCDEFGH": Declared("b0b", "/prod"), "dt_3x": Declared(cache_tags=True)}


@pytest.mark.parametrize(("written", "path"), [("/", ""), ("/a/b/", "/a/b"), ("/a//", "/a")])
def test_a_slash_at_the_end_of_a_declared_path_makes_no_difference(stored: StoredIds, written: str, path: str) -> None:
    stored.put(json.dumps([{"id": "E1ABCDEFGH", "origin_path": written}]))
    assert stored.load().declared == {"E1ABCDEFGH": Declared("", path)}


def test_one_declaration_may_stand_without_a_list(stored: StoredIds) -> None:
    stored.put('{"id": "E1ABCDEFGH", "bucket": "b0b"}')
    assert stored.load().declared == {"E1ABCDEFGH": Declared("b0b")}


def test_a_declaration_holds_wherever_else_the_id_is_named(stored: StoredIds) -> None:
    stored.put('["E1ABCDEFGH", {"id": "E1ABCDEFGH", "bucket": "b0b"}, "E1ABCDEFGH"]')
    assert stored.load().declared == {"E1ABCDEFGH": Declared("b0b")}
    assert stored.load_instead("E1ABCDEFGH").declared == {"E1ABCDEFGH": Declared("b0b")}
    assert stored.load_instead("E2ABCDEFGH").declared == {}
    forget_stored()
    stored.put("broken")
    assert (stored.load_instead("E1ABCDEFGH").distributions, stored.load_instead("E1ABCDEFGH").declared) == (
        ("E1ABCDEFGH",),
        {},
    )


def test_a_declaration_in_a_secret_holds_beside_the_id_in_a_parameter(aws: None) -> None:
    put_secret('[{"id": "E1ABCDEFGH", "bucket": "b0b"}]')
    boto3.client("ssm").put_parameter(Name="/cdn/ids", Value="E1ABCDEFGH,E2ABCDEFGH", Type="StringList")
    found = load(
        {"DISTRIBUTION_IDS_SECRET": "cdn", "DISTRIBUTION_IDS_PARAMETER": "/cdn/ids", "DISTRIBUTION_ID": "E1ABCDEFGH"}
    )
    assert (found.distributions, found.declared) == (("E1ABCDEFGH", "E2ABCDEFGH"), {"E1ABCDEFGH": Declared("b0b")})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
def test_instead_of_ids_the_name_of_a_parameter_may_be_given(aws: None, form: str, kind: Any) -> None:
    put_parameter(form, kind)
    assert load({"DISTRIBUTION_IDS": "E9ABCDEFGH"}, instead=["/cdn/ids"]).distributions == IDS
    assert load({}, instead=["E1ABCDEFGH", "/cdn/ids", IDS[0], "E2ABCDEFGH"]).distributions == (
        "E1ABCDEFGH",
        *IDS,
        "E2ABCDEFGH",
    )


def test_what_a_named_parameter_declares_holds(aws: None) -> None:
    put_parameter('["E1ABCDEFGH", {"id": "E2ABCDEFGH", "bucket": "b0b"}]')
    found = load({}, instead=["E2ABCDEFGH", "/cdn/ids"])
    assert (found.distributions, found.declared) == (("E2ABCDEFGH", "E1ABCDEFGH"), {"E2ABCDEFGH": Declared("b0b")})


def test_an_error_about_a_named_parameter_names_it_and_its_source(aws: None) -> None:
    for source in ("--distribution-id", "distributionId"):
        with pytest.raises(ConfigurationError, match=f"^{source}: /cdn/none cannot be read: .*ParameterNotFound"):
            load({"DISTRIBUTION_IDS": "E1ABCDEFGH"}, instead=["/cdn/none"], source=source)
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


@pytest.mark.parametrize(
    "content",
    ["JBSWY3DPEHPK3PXP", "AKIAIOSFODNN7EXAMPLE", "042517", "E1", "E12345678", "E" + "A" * 21, "e1abcdefgh", "PIN 1234"],
)
def test_what_only_looks_like_an_id_is_not_taken_for_one_from_a_secret(stored: StoredIds, content: str) -> None:
    for text in (
        content,
        json.dumps([content]),
        json.dumps({"id": content}),
        json.dumps({"a": f"E1ABCDEFGH {content}"}),
    ):
        forget_stored()
        stored.put(text)
        with pytest.raises(ConfigurationError, match="expected E and 9 to 20 capitals and digits") as caught:
            stored.load()
        assert content not in str(caught.value).replace("E1A2B3C4D5E6F7", "")


@pytest.mark.parametrize(
    "text", ['{"a": "E1ABCDEFGH", "a": "E2ABCDEFGH"}', '[{"id": "E1ABCDEFGH", "id": "E2ABCDEFGH"}]']
)
def test_a_name_that_is_there_twice_is_refused(stored: StoredIds, text: str) -> None:
    stored.put(text)
    with pytest.raises(ConfigurationError, match="a name is there twice in an object"):
        stored.load()


def test_names_of_a_key_value_secret_may_be_anything(stored: StoredIds) -> None:
    stored.put('{"id": "E1ABCDEFGH", "other": "E2ABCDEFGH"}')
    assert (stored.load().distributions, stored.load().declared) == (("E1ABCDEFGH", "E2ABCDEFGH"), {})
    stored.put('{"bucket": "E3ABCDEFGH"}')
    assert stored.load(300).distributions == ("E3ABCDEFGH",)


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "E1ABCDEFGH", "path": "/prod"}]',
        '[{"id": "E1ABCDEFGH", "bucket": 1}]',
        '[{"id": "E1ABCDEFGH", "bucket": "https://hunter2!"}]',
        '[{"id": "E1ABCDEFGH", "origin_path": "prod"}]',
        '[{"id": "E1ABCDEFGH", "cache_tags": "hunter2!"}]',
        '[{"bucket": "hunter2!"}]',
        '[{"id": "hunter2!"}]',
        '[["E1ABCDEFGH"]]',
        "[1]",
    ],
)
def test_a_declaration_that_is_none_is_refused_without_showing_it(stored: StoredIds, text: str) -> None:
    stored.put(text)
    with pytest.raises(ConfigurationError) as caught:
        stored.load()
    assert "hunter2!" not in str(caught.value)
    assert "E1A2B3C4D5E6F7" in str(caught.value)


def test_distributions_may_be_discovered_alone_or_beside_others() -> None:
    alone = load({"DISTRIBUTION_IDS": "discover", "DISCOVER_TAG": "team=web"})
    assert (alone.distributions, alone.discover, alone.discover_tag) == ((), True, "team=web")
    beside = load({"DISTRIBUTION_IDS": "E1ABCDEFGH,discover", "DISTRIBUTION_ID_2": "E2ABCDEFGH"})
    assert (beside.distributions, beside.discover) == (("E1ABCDEFGH", "E2ABCDEFGH"), True)
    assert load({"DISTRIBUTION_IDS": "E9ABCDEFGH"}, instead=["discover"]).discover
    assert load({"DISTRIBUTION_IDS": "discover", "DISCOVER_TAG": " team = a = b\n"}).discover_tag == "team=a = b"
    for word in ("Discover", "DISCOVER"):
        assert (load({"DISTRIBUTION_IDS": word}).distributions, load({"DISTRIBUTION_IDS": word}).discover) == ((), True)
    assert not load({"DISTRIBUTION_IDS": "E1ABCDEFGH"}).discover


def test_the_ids_of_a_command_line_replace_all_that_are_configured() -> None:
    configured = {
        "DISTRIBUTION_IDS": "E1ABCDEFGH,discover",
        "DISTRIBUTION_ID": "E2ABCDEFGH",
        "DISTRIBUTION_ID_3": "E3ABCDEFGH",
    }
    found = load(configured, instead=["E9ABCDEFGH"])
    assert (found.distributions, found.discover) == (("E9ABCDEFGH",), False)
