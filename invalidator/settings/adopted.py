"""Settings of a stack, and a Region and profile of AWS, in place of those that are set here."""

import os
import re
from collections.abc import Mapping, MutableMapping
from typing import Final

from invalidator.errors import ConfigurationError

VARIABLES: Final = frozenset(
    [
        "DEAD_LETTERS_URL",
        "DEPLOY_MARKER",
        "DESCRIBE",
        "DIRECTORY_URLS",
        "DISCOVER_BUCKET",
        "DISCOVER_TAG",
        "ERROR_PAGES",
        "EXCLUDE",
        "GATHER",
        "INCLUDE",
        "INDEX_DOCUMENT",
        "MAX_PATHS",
        "MONTHLY_BUDGET",
        "QUEUE_URL",
        "REPEAT_AFTER",
        "RULES",
        "RULES_PARAMETER",
        "SETTINGS_TTL",
        "SKIP_UNCHANGED",
        "STACK_ID",
        "TILDES",
    ]
)
"""The variables of the settings, without those of the distributions, which begin with DISTRIBUTION_ID."""

_OTHERS: Final = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_DEFAULT_PROFILE"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
)
"""The variables that would win over AWS_PROFILE.

https://docs.aws.amazon.com/boto3/latest/guide/credentials.html#configuring-credentials (2026-11-29)
"""

_is_region = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+").fullmatch


def default_stack(environ: Mapping[str, str] = os.environ) -> str:
    """Read the stack of all commands for which no other is named; it may be empty."""
    return environ.get("INVALIDATOR_STACK", "").strip()


def is_setting(name: str) -> bool:
    """Return whether a variable is one of the settings."""
    return name.startswith("DISTRIBUTION_ID") or name in VARIABLES


def adopt_settings(settings: Mapping[str, str], environ: MutableMapping[str, str] = os.environ) -> None:
    """Put these settings in the place of all that are set here."""
    for name in filter(is_setting, list(environ)):
        del environ[name]
    environ.update(settings)


def adopt_account(region: str, profile: str, environ: MutableMapping[str, str] = os.environ) -> None:
    """Put a Region and a profile, where they are not empty, in the place of those that are set here.

    Raises ConfigurationError if no Region can have this name.
    """
    if profile:
        for name in _OTHERS:
            environ.pop(name, None)
        environ["AWS_PROFILE"] = profile
    if region:
        if not _is_region(region):
            raise ConfigurationError(f"--region: {region!r} is not the name of a Region, as eu-central-1")
        environ["AWS_DEFAULT_REGION"] = region
