"""Calls that are made at the same time."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Final, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MAX_PARALLEL: Final = 8
"""Calls to one service that are made at the same time."""


class Workers(Protocol[T]):
    """Makes calls at the same time, and lets time pass."""

    def start(self, call: Callable[[], T]) -> None:
        """Begin a call without waiting for its end."""

    def wait(self, seconds: float) -> T | None:
        """Return the result of a call that has ended; None if no call ends within so many seconds."""


class Pending(Protocol[T_co]):
    """Calls that were not made yet, as a deque holds them."""

    def __len__(self) -> int:
        """Return their number."""

    def popleft(self) -> Callable[[], T_co]:
        """Remove the first of them."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises. After so many seconds, leave it and raise TimeoutError."""
    threads = Threads[tuple[T]]()
    threads.start(lambda: (call(),))
    ended = threads.wait(seconds)
    if ended is None:
        raise TimeoutError
    return ended[0]


def at_once(calls: Pending[T], workers: Workers[T], seconds: Callable[[], float]) -> Iterator[T]:
    """Make calls, eight at a time, and yield what they return, in any order, until no ``seconds()`` are left.

    Calls may be added meanwhile. Those that were not made, or have not ended by then, are left behind.
    """
    running = 0
    while calls or running:
        while calls and running < MAX_PARALLEL:
            workers.start(calls.popleft())
            running += 1
        ended = workers.wait(seconds())
        if ended is None:
            return
        running -= 1
        yield ended


class Threads(Generic[T]):
    """Workers that are threads. A call that never ends does not keep the process from ending."""

    def __init__(self) -> None:
        self._ended: SimpleQueue[T | BaseException] = SimpleQueue()

    def start(self, call: Callable[[], T]) -> None:
        """Begin a call in a thread of its own."""
        threading.Thread(target=self._run, args=[call], daemon=True).start()

    def wait(self, seconds: float) -> T | None:
        """Return the result of a call that has ended, or raise what it raised."""
        try:
            ended = self._ended.get(timeout=max(seconds, 0.0))
        except Empty:
            return None
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._ended.put(call())
        except BaseException as error:  # noqa: BLE001 raised again where it is waited for
            self._ended.put(error)
