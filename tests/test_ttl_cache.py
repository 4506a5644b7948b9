"""Laws of the cache: a value is read again when its time is over, and stays in force when it cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from invalidator.ttl_cache import PATIENCE_SECONDS, TtlCache

ttls = st.sampled_from([0, 1, 10, 59, 60, 61, 300, 86_400])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(problem: str = "AccessDenied") -> Callable[[], Any]:
    def fetch() -> Any:
        raise LookupError(problem)

    return fetch


def never() -> Any:
    raise AssertionError("fetched for nothing")


@given(ttls, st.floats(0, 1, exclude_max=True))
def test_a_value_is_fetched_once_in_its_time_and_again_after_it(ttl: int, share: float) -> None:
    clock = Clock()
    cache = TtlCache(clock, LookupError)
    assert cache.read("a", ttl, lambda: 1) == (1, "")
    if ttl:
        clock.now = min(ttl * share, ttl - 0.5)
        assert cache.read("a", ttl, never) == (1, "")
    clock.now = ttl
    assert cache.read("a", ttl, lambda: 2) == (2, "")


@given(ttls)
def test_after_a_failure_the_last_value_stays_and_is_tried_again_sooner(ttl: int) -> None:
    clock = Clock()
    cache = TtlCache(clock, LookupError)
    cache.read("a", ttl, lambda: 1)
    for attempt in range(3):
        clock.now += min(ttl, PATIENCE_SECONDS) if attempt else ttl
        assert cache.read("a", ttl, failing(f"attempt {attempt}")) == (1, f"attempt {attempt}")
        if ttl:
            clock.now += 0.5
            assert cache.read("a", ttl, never) == (1, f"attempt {attempt}")
            clock.now -= 0.5
    clock.now += min(ttl, PATIENCE_SECONDS)
    assert cache.read("a", ttl, lambda: 2) == (2, "")


def test_without_a_last_value_the_failure_is_raised_each_time() -> None:
    cache = TtlCache(Clock(), LookupError)
    for _ in range(2):
        with pytest.raises(LookupError, match="AccessDenied"):
            cache.read("a", 300, failing())
    assert cache.read("a", 300, lambda: None) == (None, "")
    assert cache.read("a", 300, never) == (None, "")


def test_another_error_is_raised_whatever_is_known() -> None:
    cache = TtlCache(Clock(), KeyError)
    cache.read("a", 0, lambda: 1)
    with pytest.raises(LookupError, match="AccessDenied"):
        cache.read("a", 0, failing())


def test_what_was_never_read_may_be_retained_as_none() -> None:
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


class Reading(RuleBasedStateMachine):
    """Two keys, read at any times with any outcomes: the value is always the last that was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.cache = TtlCache(self.clock, LookupError)
        self.last: dict[str, int] = {}
        self.fetched = 0

    @rule(seconds=st.integers(0, 400))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(key=st.sampled_from("ab"), ttl=ttls, fails=st.booleans())
    def read(self, key: str, ttl: int, fails: bool) -> None:
        def fetch() -> int:
            if fails:
                raise LookupError("AccessDenied")
            self.fetched += 1
            self.last[key] = self.fetched
            return self.fetched

        if fails and key not in self.last:
            with pytest.raises(LookupError):
                self.cache.read(key, ttl, fetch)
        else:
            value, problem = self.cache.read(key, ttl, fetch)
            assert value == self.last[key]
            assert problem in ("", "AccessDenied")


TestReading = Reading.TestCase
