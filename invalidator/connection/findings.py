"""Findings of ``doctor``, and those about calls that failed. Pure."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from invalidator.aws import advice

FindingVerdict = Literal["ok", "wrong", "unknown"]

_FIX_IT: Final = "fix this, and run doctor again: until this can be checked, something else may be wrong"


class Finding(NamedTuple):
    """The result of a check: its name, the verdict, the facts and, unless all is well, what to do."""

    check: str
    verdict: FindingVerdict
    text: str
    todo: str = ""


class Failure(NamedTuple):
    """A call that failed: AWS's name of it and the error code, both empty if no service answered, and the message."""

    operation: str
    code: str
    text: str


def are_well(findings: Sequence[Finding]) -> bool:
    """Return whether nothing is wrong, as far as is known."""
    return all(finding.verdict != "wrong" for finding in findings)


def failed_check(check: str, resource: str, failure: Failure) -> Finding:
    """Return the finding of a check that could not be made. It is wrong, so that nobody takes it for a good one."""
    todo = advice.remedy(failure.operation, failure.code, resource) or _FIX_IT
    return Finding(check, "wrong", f"{resource}: {failure.text}", todo)


def unusable_settings(failure: Failure) -> Finding:
    """Return the finding for settings at which the function would stop."""
    todo = "correct this setting, for the function and here"
    if advice.is_denied(failure.code):
        todo = f"{advice.remedy(failure.operation, failure.code)}, and to the role of the function"
    return Finding("settings", "wrong", failure.text, todo)
