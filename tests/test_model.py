"""Laws of what makes thousands of objects."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.errors import EventError
from invalidator.events.decode import decode
from invalidator.model import Uncollected
from tests.doubles import strategies as make
from tests.doubles.strategies import ROUTES, Change, simple_plan


@given(st.lists(make.changes, min_size=1, max_size=5), make.routes)
def test_what_comes_by_the_thousand_has_all_its_fields(deploy: list[Change], route: str) -> None:
    changes = [change for one in deploy for change in decode(ROUTES[route](one)).changes]
    (batch,) = simple_plan(changes, ["E1"]).batches
    causes = [cause for item in batch.items for cause in item.causes]
    made: list[Any] = [*batch.items, *causes, *(cause.source for cause in causes)]
    for one in made:
        assert type(one)(**one._asdict()) == one


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_afterwards_as_it_was(collects: bool) -> None:
    (gc.enable if collects else gc.disable)()
    with Uncollected():
        assert not gc.isenabled()
    assert gc.isenabled() is collects
    with pytest.raises(EventError), Uncollected():
        raise EventError
    assert gc.isenabled() is collects


@pytest.mark.usefixtures("collector")
def test_two_blocks_that_overlap_leave_the_collector_on() -> None:
    one, other = Uncollected(), Uncollected()
    one.__enter__()
    other.__enter__()
    one.__exit__()
    other.__exit__()
    assert gc.isenabled()
