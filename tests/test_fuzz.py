"""A few inputs of each target of ``make fuzz``, which tries them for minutes."""

import pytest

from tests.fuzz import TARGETS, try_some


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_the_input_there_is_no_other_error_than_our_own(name: str) -> None:
    try_some(name, 60)
