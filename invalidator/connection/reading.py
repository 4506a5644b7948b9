"""Calls that a check needs: one that fails becomes a finding, and stops no other check."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from invalidator.aws import sdk
from invalidator.connection.findings import Failure, Finding, failed_check
from invalidator.errors import ConfigurationError, InvalidatorError

_T = TypeVar("_T")


class UnreadableError(InvalidatorError):
    """A call failed that a check needs; the finding says so."""

    def __init__(self, finding: Finding, code: str) -> None:
        super().__init__(finding.text)
        self.finding, self.code = finding, code


def read_for(check: str, resource: str, call: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """Return what the call returns. Raises UnreadableError, with the finding, if it fails."""
    try:
        return call(*arguments, **named)
    except (InvalidatorError, *sdk.ERRORS) as error:
        failure = failure_of(error)
        raise UnreadableError(failed_check(check, resource, failure), failure.code) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        failure = Failure("", "", f"the answer cannot be read: {error!r}")
        raise UnreadableError(failed_check(check, resource, failure), "") from error


def found_by(
    steps: Iterable[Callable[[], Iterable[Finding]]], unreadable: Callable[[UnreadableError], Finding]
) -> Iterator[Finding]:
    """Yield the findings of all steps. ``unreadable`` returns the finding for a step that cannot go on."""
    for step in steps:
        try:
            yield from step()
        except UnreadableError as error:
            yield unreadable(error)


def field_of(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a call that returns one field of an answer."""
    return lambda **arguments: call(**arguments)[name]


def failure_of(error: BaseException) -> Failure:
    """Return the call of AWS behind an error."""
    cause = next((cause for cause in sdk.causes_of(error) if isinstance(cause, sdk.ERRORS)), None)
    if cause is None:
        return Failure("", "", str(error))
    # A ConfigurationError names the variable.
    text = str(error) if isinstance(error, ConfigurationError) else sdk.message_of(cause)
    return Failure(getattr(cause, "operation_name", ""), sdk.code_of(cause), text)
