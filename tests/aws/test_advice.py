"""Laws of advice: each piece ends a sentence and tells a person to do something."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.aws.advice import _ACTIONS, _DENIED, _REMEDIES, _REMEDIES_OF_OPERATIONS, is_denied, remedy

OPERATIONS = sorted({*_ACTIONS, *(operation for operation, _ in _REMEDIES_OF_OPERATIONS), "CreateInvalidation"})
CODES = sorted({*_DENIED, *_REMEDIES, *(code for _, code in _REMEDIES_OF_OPERATIONS)})
VERBS = ("check", "correct", "grant", "log in", "renew", "set", "try again")

operations = st.sampled_from(OPERATIONS)
denials = st.sampled_from(sorted(_DENIED))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_advice_is_the_end_of_a_sentence_with_a_remedy(operation: str) -> None:
    advices = {code: remedy(operation, code) for code in CODES}
    assert {code for code, advice in advices.items() if advice} >= {*_REMEDIES, *_DENIED}
    for advice in filter(None, advices.values()):
        *why, what_to_do = advice.split(": ")
        assert len(why) <= 1
        assert what_to_do.startswith(VERBS)
        assert not re.search(r"[.\n]|\s$", advice)


@pytest.mark.parametrize(("operation", "code"), _REMEDIES_OF_OPERATIONS)
def test_an_operation_may_have_advice_of_its_own(operation: str, code: str) -> None:
    assert remedy(operation, code) == _REMEDIES_OF_OPERATIONS[operation, code] != remedy("GetQueueUrl", code)


@given(operations, denials)
def test_a_denial_names_the_action_and_the_resource(operation: str, code: str) -> None:
    assert is_denied(code)
    assert re.fullmatch(r"grant [a-z0-9]+:\w* on \S.* to the identity that made the call", remedy(operation, code))


@given(operations, denials, st.text(min_size=1))
def test_a_denial_names_the_resource_that_was_asked_for(operation: str, code: str, resource: str) -> None:
    assert f" on {resource} to the identity" in remedy(operation, code, resource)


@given(st.from_regex(r"[A-Z][A-Za-z]+", fullmatch=True).filter(lambda name: name not in _ACTIONS), denials)
def test_an_operation_without_a_row_is_one_of_cloudfront(operation: str, code: str) -> None:
    assert remedy(operation, code).startswith(f"grant cloudfront:{operation} on this distribution ")


@given(operations, st.text().filter(lambda code: code not in CODES), st.text())
def test_nothing_is_advised_about_an_unknown_error(operation: str, code: str, resource: str) -> None:
    assert not is_denied(code)
    assert remedy(operation, code, resource) == ""
