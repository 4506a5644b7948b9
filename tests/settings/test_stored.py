"""Laws of secrets and parameters: read once in a while, in force while they cannot be, and never shown."""

import boto3
import pytest

from invalidator.errors import ConfigurationError
from invalidator.settings.environment import Settings, load
from invalidator.settings.stored import forget_stored
from tests.doubles.stored import IDS, StoredIds, put_parameter, put_secret


@pytest.mark.parametrize(("ttl", "seconds"), [("", 300), ("60", 60), ("1", 1), ("86400", 86_400)])
def test_what_is_stored_is_read_again_when_the_time_to_live_is_over(stored: StoredIds, ttl: str, seconds: int) -> None:
    assert stored.load(SETTINGS_TTL=ttl).distributions == ("E1ABCDEFGH",)
    stored.put("E2ABCDEFGH")
    assert stored.load(seconds - 0.5, SETTINGS_TTL=ttl).distributions == ("E1ABCDEFGH",)
    assert stored.load(0.5, SETTINGS_TTL=ttl).distributions == ("E2ABCDEFGH",)


def test_without_a_time_to_live_what_is_stored_is_read_at_every_event(stored: StoredIds) -> None:
    assert stored.load(SETTINGS_TTL="0").distributions == ("E1ABCDEFGH",)
    stored.put("E2ABCDEFGH")
    assert stored.load(SETTINGS_TTL="0").distributions == ("E2ABCDEFGH",)


def test_powertools_own_time_to_live_is_not_read(stored: StoredIds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_PARAMETERS_MAX_AGE", "soon")
    assert stored.load().distributions == ("E1ABCDEFGH",)


def test_what_is_forgotten_is_read_anew(stored: StoredIds) -> None:
    stored.load()
    stored.put("E2ABCDEFGH")
    forget_stored()
    assert stored.load().distributions == ("E2ABCDEFGH",)


@pytest.mark.parametrize("content", [None, "hunter2!", "[]", '{"a": 1}'])
def test_the_last_good_ids_stay_in_force_with_a_warning(stored: StoredIds, content: str | None) -> None:
    """Whoever breaks the list does not stop the invalidations."""
    assert stored.load().warnings == ()
    if content is None:
        stored.remove()
    else:
        stored.put(content)
    assert stored.load(299).warnings == ()
    for _ in range(3):
        config = stored.load(100)
        assert config.distributions == ("E1ABCDEFGH",)
        (warning,) = config.warnings
        assert warning.startswith(next(iter(stored.environ)))
        assert warning.endswith("; what was known so far stays in force")
        assert "hunter2" not in warning


def test_a_broken_list_is_read_again_within_a_minute_not_at_every_event(stored: StoredIds) -> None:
    stored.load()
    stored.put("broken")
    assert stored.load(300).warnings
    stored.put("E2ABCDEFGH")
    still = stored.load(59)
    assert (still.distributions, len(still.warnings)) == (("E1ABCDEFGH",), 1)
    mended = stored.load(1)
    assert (mended.distributions, mended.warnings) == (("E2ABCDEFGH",), ())


def test_a_repair_is_seen_no_later_than_the_time_to_live(stored: StoredIds) -> None:
    stored.load(SETTINGS_TTL="10")
    stored.put("broken")
    assert stored.load(10, SETTINGS_TTL="10").warnings
    stored.put("E2ABCDEFGH")
    assert stored.load(10, SETTINGS_TTL="10").distributions == ("E2ABCDEFGH",)


def test_ids_that_were_never_good_are_an_error_each_time(stored: StoredIds) -> None:
    stored.put("broken")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="a value in it is not a distribution id"):
            stored.load()
    stored.put("E2ABCDEFGH")
    assert stored.load().distributions == ("E2ABCDEFGH",)


def test_the_ids_of_another_secret_do_not_stand_in_for_those_of_one(aws: None) -> None:
    put_secret("E1ABCDEFGH")
    assert load({"DISTRIBUTION_IDS_SECRET": "cdn"}).distributions == ("E1ABCDEFGH",)
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS_SECRET: other cannot be read"):
        load({"DISTRIBUTION_IDS_SECRET": "other"})
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS_PARAMETER: cdn cannot be read"):
        load({"DISTRIBUTION_IDS_PARAMETER": "cdn"})


def test_each_source_that_cannot_be_read_has_its_warning(aws: None) -> None:
    secret, parameter = StoredIds("DISTRIBUTION_IDS_SECRET"), StoredIds("DISTRIBUTION_IDS_PARAMETER")
    secret.put("E1ABCDEFGH")
    parameter.put("E2ABCDEFGH")
    environ = secret.environ | parameter.environ | {"DISTRIBUTION_ID": "E3ABCDEFGH"}
    load(environ, now=lambda: 0.0)
    secret.remove()
    parameter.remove()
    config = load(environ, now=lambda: 300.0)
    assert config.distributions == ("E3ABCDEFGH", "E1ABCDEFGH", "E2ABCDEFGH")
    assert [warning.split(":")[0] for warning in config.warnings] == [*secret.environ, *parameter.environ]


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
        with pytest.raises(ConfigurationError, match=f"{variable}: cdn cannot be read: .*You must specify a region"):
            load({variable: "cdn"})


def test_a_secret_may_be_binary(aws: None) -> None:
    put_secret(",".join(IDS).encode())
    assert load({"DISTRIBUTION_IDS_SECRET": "cdn"}).distributions == IDS


def test_a_named_parameter_is_read_again_when_the_time_to_live_is_over(aws: None) -> None:
    def found(now: float) -> Settings:
        return load({"SETTINGS_TTL": "60"}, instead=["/cdn/ids"], now=lambda: now)

    put_parameter("E1ABCDEFGH")
    assert found(0).distributions == ("E1ABCDEFGH",)
    put_parameter("E2ABCDEFGH")
    assert found(59.5).distributions == ("E1ABCDEFGH",)
    assert found(60).distributions == ("E2ABCDEFGH",)
    boto3.client("ssm").delete_parameter(Name="/cdn/ids")
    still = found(120)
    assert still.distributions == ("E2ABCDEFGH",)
    assert still.warnings[0].startswith("--distribution-id: /cdn/ids cannot be read")
    assert still.warnings[0].endswith("; what was known so far stays in force")


def test_each_named_parameter_is_remembered_for_itself(aws: None) -> None:
    put_parameter("E1ABCDEFGH")
    boto3.client("ssm").put_parameter(Name="/cdn/more", Value="E2ABCDEFGH", Type="String")
    assert load({}, instead=["/cdn/ids"]).distributions == ("E1ABCDEFGH",)
    assert load({}, instead=["/cdn/more"]).distributions == ("E2ABCDEFGH",)
    assert load({}, instead=["/cdn/more", "/cdn/ids"]).distributions == ("E2ABCDEFGH", "E1ABCDEFGH")
