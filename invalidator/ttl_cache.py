"""Values that are read once in a while. The last one stays in force while it cannot be read again. Pure."""

from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple, TypeVar

_V = TypeVar("_V")

PATIENCE_SECONDS: Final = 60
"""The longest time until a value that could not be read is tried again."""


class Cached(NamedTuple):
    """A value, the time from which it is read again, and why the last attempt failed (empty if it did not).

    The value is None if no attempt has succeeded yet.
    """

    value: Any
    until: float
    problem: str = ""


class TtlCache:
    """A cache by any key. ``now`` is a clock in seconds; ``failure`` is the error of a value that cannot be read.

    Caches with the same ``entries`` share their values.
    """

    def __init__(
        self, now: Callable[[], float], failure: type[Exception], entries: dict[Hashable, Cached] | None = None
    ) -> None:
        self._now, self._failure = now, failure
        self._entries = {} if entries is None else entries

    def read(self, key: Hashable, ttl: float, fetch: Callable[[], _V]) -> tuple[_V, str]:
        """Return the value, which is fetched if it is older than ``ttl`` seconds, and why it is older all the same.

        After a failure the last value stays in force, and the next attempt is made after 60 seconds, or after ``ttl``
        if that is less. Without a last value, the error of ``fetch`` is raised.
        """
        cached = self.fresh(key)
        if cached is None:
            try:
                cached = self.keep(key, fetch(), ttl)
            except self._failure as error:
                if key not in self._entries:
                    raise
                cached = self.retain(key, min(ttl, PATIENCE_SECONDS), str(error))
        return cached.value, cached.problem

    def fresh(self, key: Hashable) -> Cached | None:
        """Return the value that is in force, unless it has to be read again first."""
        cached = self._entries.get(key)
        return cached if cached and self._now() < cached.until else None

    def keep(self, key: Hashable, value: object, ttl: float) -> Cached:
        """Keep a value that has just been read for ``ttl`` seconds."""
        self._entries[key] = Cached(value, self._now() + ttl)
        return self._entries[key]

    def retain(self, key: Hashable, seconds: float, problem: str) -> Cached:
        """Leave the last value, or None, in force for some more seconds, since it could not be read."""
        known = self._entries.get(key)
        self._entries[key] = Cached(known.value if known else None, self._now() + seconds, problem)
        return self._entries[key]
