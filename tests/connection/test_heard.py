"""Until when changes were heard: written and read again, by one check at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.aws import sdk
from invalidator.connection.heard import Heard, HeardParameter
from invalidator.errors import HeardError
from invalidator.limits import MAX_KEY_BYTES, MAX_VERSION_CHARACTERS
from tests.doubles.versioned_s3 import NOW

times = st.integers(0, 7_258_118_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_KEY_BYTES)
keys = texts.filter(lambda text: len(text.encode()) <= MAX_KEY_BYTES)
states = st.builds(
    Heard,
    times,
    st.booleans(),
    st.none() | times,
    st.none() | st.tuples(keys, texts.filter(str.isascii)),
    st.none() | times,
    st.booleans(),
)


@given(states)
def test_what_is_written_is_read_again_and_fits(heard: Heard) -> None:
    text = heard.to_json()
    assert Heard.from_json(text, NOW) == heard
    assert text.isascii()
    assert "{{" not in text  # which Parameter Store refuses


def test_the_longest_marker_fits_into_a_parameter() -> None:
    """https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""
    marker = "\U0001f600" * (MAX_KEY_BYTES // 4), "v" * MAX_VERSION_CHARACTERS
    assert len(Heard(NOW, is_deaf=True, end=NOW, after=marker, busy=NOW).to_json()) < 4_096


def test_of_a_new_stack_nothing_was_heard_since_it_was_made() -> None:
    assert Heard.from_json("{}", NOW) == Heard(NOW, is_deaf=True)


@given(states, times)
def test_what_is_missed_during_a_listing_is_listed_after_it(heard: Heard, end: datetime) -> None:
    deaf = heard.deaf()
    assert deaf.is_deaf
    assert (deaf.until, deaf.end, deaf.after) == (heard.until, heard.end, heard.after)
    assert deaf.listed(end) == Heard(end, is_deaf=heard.end is not None)


@pytest.fixture
def ssm(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    boto3.client("ssm").put_parameter(Name="heard", Value="{}", Type="String", Overwrite=True)
    return sdk.client("ssm", attempts=1)


def test_of_two_checks_the_later_one_writes(ssm: Any) -> None:
    one, other = HeardParameter(ssm, "heard"), HeardParameter(ssm, "heard")
    first, _ = one.read(), other.read()
    assert first.is_deaf
    assert other.write(Heard(NOW))
    assert other.write(Heard(NOW, is_deaf=True))
    assert not one.write(Heard(NOW))
    assert one.read() == Heard(NOW, is_deaf=True)
    assert one.write(Heard(NOW))


def test_what_another_check_writes_at_the_same_moment_is_not_lost(ssm: Any) -> None:
    """Parameter Store cannot write on the condition that nobody else has."""
    client = sdk.client("ssm", attempts=1)
    one, other = HeardParameter(client, "heard"), HeardParameter(ssm, "heard")
    other.read()
    assert other.write(Heard(NOW))
    assert other.read() == one.read() == Heard(NOW)
    missed = [Heard(NOW, is_deaf=True)]

    def write_first(**_: Any) -> None:
        if missed:
            other.write(missed.pop())

    client.meta.events.register("before-call.ssm.PutParameter", write_first)
    assert not one.write(Heard(NOW + timedelta(hours=1)))
    assert other.read() == Heard(NOW, is_deaf=True)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"deaf": true}', '{"until": "soon"}', '{"until": "2026-11-30T00:00:00"}']
)
def test_a_damaged_parameter_is_named_with_what_to_do(ssm: Any, text: str) -> None:
    ssm.put_parameter(Name="heard", Value=text or "x", Type="String", Overwrite=True)
    with pytest.raises(HeardError, match=r"parameter heard holds .*: set it to \{\}, and catch up by hand"):
        HeardParameter(ssm, "heard").read()


def test_a_parameter_that_is_not_there_is_named(ssm: Any) -> None:
    with pytest.raises(HeardError, match="parameter nope: ParameterNotFound"):
        HeardParameter(ssm, "nope").read()
