"""Laws of the cache: a value is read again when its time is over, and stays in force when it cannot be."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.ttl_cache import PATIENCE_SECONDS, TtlCache

ttls = st.sampled_from([0, 1, 10, 59, 60, 61, 300, 86_400])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing() -> Any:
    raise LookupError("AccessDenied")


def never() -> Any:
    raise AssertionError("fetched for nothing")


@given(st.lists(st.tuples(st.sampled_from("ab"), ttls, st.integers(0, 400), st.booleans())))
def test_a_value_is_fetched_when_its_time_is_over_and_stays_until_then(
    readings: list[tuple[str, int, int, bool]],
) -> None:
    clock = Clock()
    cache = TtlCache(clock, LookupError)
    last: dict[str, int] = {}
    until: dict[str, float] = {}
    for number, (key, ttl, seconds, fails) in enumerate(readings):
        clock.now += seconds
        if clock.now < until.get(key, 0.0):
            assert cache.read(key, ttl, never)[0] == last[key]
        elif not fails:
            assert cache.read(key, ttl, partial(int, number)) == (number, "")
            last[key], until[key] = number, clock.now + ttl
        elif key in last:
            assert cache.read(key, ttl, failing) == (last[key], "AccessDenied")
            until[key] = clock.now + min(ttl, PATIENCE_SECONDS)
        else:
            with pytest.raises(LookupError, match="AccessDenied"):
                cache.read(key, ttl, failing)


def test_another_error_is_raised_whatever_is_known() -> None:
    cache = TtlCache(Clock(), KeyError)
    assert cache.read("a", 0, lambda: None) == (None, "")
    with pytest.raises(LookupError, match="AccessDenied"):
        cache.read("a", 0, failing)


def test_a_value_that_was_never_read_may_be_retained_as_none() -> None:
    clock = Clock()
    cache = TtlCache(clock, LookupError)
    assert cache.retain("a", 5, "no answer") == (None, 5.0, "no answer")
    clock.now = 4.9
    assert cache.fresh("a") == (None, 5.0, "no answer")
    clock.now = 5.0
    assert cache.fresh("a") is None


def test_caches_with_the_same_entries_share_their_values() -> None:
    entries: dict[Any, Any] = {}
    TtlCache(Clock(), LookupError, entries).keep("a", 1, 300)
    assert TtlCache(Clock(), KeyError, entries).read("a", 300, never) == (1, "")
    entries.clear()
    assert TtlCache(Clock(), KeyError, entries).fresh("a") is None
