"""Laws of Powertools' own variables: no value of them stops anything."""

from typing import Any

import pytest
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.shared.functions import strtobool
from hypothesis import given
from hypothesis import strategies as st

from invalidator.settings.environment import load
from invalidator.settings.powertools import spared

LEVELS = ("POWERTOOLS_LOG_LEVEL", "LOG_LEVEL")
SWITCHES = ("POWERTOOLS_DEBUG", "POWERTOOLS_DEV", "POWERTOOLS_LOG_DEDUPLICATION_DISABLED")
NAMES = (*LEVELS, *SWITCHES, "POWERTOOLS_LOGGER_SAMPLE_RATE")
TAKEN = ["DEBUG", "info", "Warn", "WARNING", "error", "CRITICAL", "fatal", "true", "False", "ON", "off", "y", "N", "1"]
RATES = ["0", "0.1", "1.0", ".5", "1.", "1e-3", "2", "-1", "nan", "inf", "1e5", "."]
VALUES = (
    st.sampled_from([*TAKEN, *RATES, "TRACE", "NOTSET", "perhaps", "", " "])
    | st.text(max_size=9)
    | st.floats().map(str)
)


def seen(name: str, value: str) -> str | None:
    environ = {name: value}
    with spared(environ):
        shown = environ.get(name)
    assert environ == {name: value}
    return shown


def warnings_of(**environ: str) -> list[str]:
    return [*load({"DISTRIBUTION_IDS": "E1", **environ}).warnings]


@given(st.sampled_from(NAMES), VALUES)
def test_powertools_sees_no_value_that_it_does_not_take(name: str, value: str) -> None:
    shown = seen(name, value)
    if shown is None:
        pass
    elif name in LEVELS:
        Logger(service="of-this-test", level=shown)
    elif name in SWITCHES:
        strtobool(shown)
    else:
        assert 0 <= float(shown) <= 1


@given(st.sampled_from(NAMES), VALUES)
def test_a_value_that_powertools_does_not_see_is_one_warning(name: str, value: str) -> None:
    warnings = warnings_of(**{name: value})
    assert len(warnings) == (seen(name, value) is None and value.strip() != "")
    assert all(warning.startswith(f"{name}: {value!r:.40} is not ") for warning in warnings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("POWERTOOLS_LOG_LEVEL", "TRACE", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("LOG_LEVEL", "nonsense", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("POWERTOOLS_DEV", "perhaps", "true or false"),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "10%", "a number from 0 to 1"),
    ],
)
def test_the_warning_of_a_variable_says_what_it_takes(name: str, value: str, words: str) -> None:
    (warning,) = warnings_of(**{name: value})
    assert f"{value!r} is not {words}, so the default is used" in warning
    assert len(warnings_of(**{name: "x" * 5_000})[0]) < 200


@pytest.mark.parametrize("value", [*TAKEN[:7], " info "])
def test_a_level_is_taken_in_any_case(value: str) -> None:
    assert [seen(name, value) for name in LEVELS] == [value.strip().upper()] * 2


@pytest.mark.parametrize("value", RATES[:6])
def test_a_sample_rate_is_taken_as_it_is(value: str) -> None:
    assert float(seen("POWERTOOLS_LOGGER_SAMPLE_RATE", value) or "nan") == float(value)


def test_the_environment_is_as_before_whatever_powertools_does() -> None:
    environ: dict[str, Any] = {"POWERTOOLS_DEV": "perhaps", "LOG_LEVEL": "info", "OTHER": "x"}
    with pytest.raises(ImportError), spared(environ):
        raise ImportError
    assert environ == {"POWERTOOLS_DEV": "perhaps", "LOG_LEVEL": "info", "OTHER": "x"}
