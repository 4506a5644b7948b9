"""The settings of a stack, and a Region and profile, in place of those that are set here."""

import re

import pytest

from invalidator.errors import ConfigurationError
from invalidator.settings import environment
from invalidator.settings.adopted import VARIABLES, adopt_account, adopt_settings, is_setting
from invalidator.settings.environment import GONE
from tests.doubles.command import ROOT


def test_each_variable_of_the_settings_is_replaced() -> None:
    """All that the settings read from the environment is one of these."""
    text = "".join((ROOT / "invalidator" / "settings" / name).read_text() for name in ("environment.py", "ids.py"))
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', text)) & set(re.findall(r"`(\w+)`", _documented()))
    powertools = {name for name in read if name.startswith("POWERTOOLS_")}
    assert read - powertools - set(GONE) == {name for name in read if is_setting(name)}
    assert read >= VARIABLES


def _documented() -> str:
    return (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_settings_of_a_stack_replace_all_that_is_set_here() -> None:
    here = {"MAX_PATHS": "9", "DISTRIBUTION_ID_BLOG": "E1", "AWS_PROFILE": "mine", "HOME": "/"}
    adopt_settings({"DISTRIBUTION_IDS": "E2", "TILDES": "wildcard"}, here)
    assert here == {"AWS_PROFILE": "mine", "HOME": "/", "DISTRIBUTION_IDS": "E2", "TILDES": "wildcard"}
    assert environment.load(here).distributions == ("E2",)


def test_a_profile_wins_over_keys_and_a_region_over_the_one_here() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    keys |= {
        "AWS_DEFAULT_PROFILE": "other",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_ROLE_ARN": "arn:aws:iam::1:r",
    }
    here = {**keys, "AWS_DEFAULT_REGION": "us-east-1"}
    adopt_account("", "", here)
    assert here == {**keys, "AWS_DEFAULT_REGION": "us-east-1"}
    adopt_account("eu-central-1", "mine", here)
    assert here == {"AWS_PROFILE": "mine", "AWS_DEFAULT_REGION": "eu-central-1"}


@pytest.mark.parametrize("region", ["us", "eu-central", "EU-CENTRAL-1", "eu-central-1a", "https://a.b"])
def test_what_no_region_is_called_is_refused(region: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--region: '{region}' is not the name of a Region"):
        adopt_account(region, "", {})
