"""Evaluate whether the policy of a queue or function lets a service of AWS call it. Pure.

Some conditions cannot be evaluated from the policy alone: where one matters, the verdict is "undecided".

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html (2026-11-22)
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from invalidator.urls.globs import glob

_Json = dict[str, Any]
PolicyVerdict = Literal["allowed", "denied", "missing", "undecided"]

_ARN_COLONS: Final = 5
_NEGATED: Final = "Not"
# The condition operators that are evaluated, without "Not" and "IfExists" in their names.
_OPERATORS: Final = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "Bool"}


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """The call of a service. ``known`` are the condition keys of the call, in lower case.

    ``likely`` are condition keys that may have another value: a policy that requires another one decides nothing.
    """

    service: str
    action: str
    resource: str
    known: Mapping[str, str] = field(default_factory=dict)
    likely: Mapping[str, str] = field(default_factory=dict)


def evaluate(policy: str, request: PolicyRequest) -> PolicyVerdict:
    """Return the verdict of a policy, as JSON, on a request. "missing" means that no statement allows it."""
    if not policy:
        return "missing"
    try:
        statements = [(item["Effect"], _applies(item, request)) for item in _list(json.loads(policy)["Statement"])]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # it is not a policy
        return "undecided"
    denied, allowed = _any_of("Deny", statements), _any_of("Allow", statements)
    if denied:
        return "denied"
    if allowed is False:
        return "missing"
    return "allowed" if allowed and denied is False else "undecided"


def allowing_statement(request: PolicyRequest) -> _Json:
    """Return a statement that allows the request, for its source and account alone."""
    conditions = {"ArnEquals": {"aws:SourceArn": request.known.get("aws:sourcearn", "<ARN of what sends>")}}
    if account := request.likely.get("aws:sourceaccount"):
        conditions["StringEquals"] = {"aws:SourceAccount": account}
    return {
        "Effect": "Allow",
        "Principal": {"Service": request.service},
        "Action": request.action,
        "Resource": request.resource,
        "Condition": conditions,
    }


# --- three answers: True, False, and None for unknown ----------------------------------------------------


def _applies(described: _Json, request: PolicyRequest) -> bool | None:
    if {"NotPrincipal", "NotAction", "NotResource"} & set(described):
        return None
    return _all(
        (
            _is_principal(described["Principal"], request.service),
            any(_matches(pattern.lower(), request.action.lower()) for pattern in _texts(described["Action"])),
            # The policy of a queue or function is about that alone, and may leave out its resource.
            any(_arn_matches(pattern, request.resource) for pattern in _texts(described.get("Resource", "*"))),
            *_conditions(described.get("Condition") or {}, request),
        )
    )


def _is_principal(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    return service in _texts(principal.get("Service")) or "*" in _texts(principal.get("AWS"))


def _conditions(conditions: Mapping[str, Mapping[str, Any]], request: PolicyRequest) -> Iterator[bool | None]:
    for operator, tests in conditions.items():
        for key, expected in tests.items():
            yield _condition(operator.removesuffix("IfExists"), key.lower(), _texts(expected), request)


def _condition(operator: str, key: str, expected: list[str], request: PolicyRequest) -> bool | None:
    is_negated, operator = _NEGATED in operator, operator.replace(_NEGATED, "")
    actual = request.known.get(key, request.likely.get(key))
    if actual is None or operator not in _OPERATORS:
        return None
    if any(_compares(operator, pattern, actual) for pattern in expected):
        return not is_negated
    return None if key in request.likely else is_negated


def _compares(operator: str, pattern: str, actual: str) -> bool:
    if operator.startswith("Arn"):
        return _arn_matches(pattern, actual)
    if operator == "StringLike":
        return _matches(pattern, actual)
    return pattern == actual if operator == "StringEquals" else pattern.lower() == actual.lower()


def _arn_matches(pattern: str, arn: str) -> bool:
    """Return whether an ARN matches, part by part: only in the last part may a wildcard stand for a colon."""
    parts, others = pattern.split(":", _ARN_COLONS), arn.split(":", _ARN_COLONS)
    return pattern == "*" or (len(parts) == len(others) and all(map(_matches, parts, others)))


def _matches(pattern: str, text: str) -> bool:
    return bool(glob(pattern.replace("[", "[[]"))(text))


def _texts(value: Any) -> list[str]:
    return [str(item) for item in _list(value)]


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _all(answers: tuple[bool | None, ...]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _any_of(effect: str, statements: list[tuple[str, bool | None]]) -> bool | None:
    answers = {applies for effect_, applies in statements if effect_ == effect}
    if True in answers:
        return True
    return None if None in answers else False
