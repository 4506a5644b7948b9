"""Several calls at a time."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Workers(Protocol[T]):
    """What makes several calls at a time, and lets time pass."""

    def start(self, call: Callable[[], T]) -> None:
        """Begin a call, without waiting for its end."""

    def wait(self, seconds: float) -> T | None:
        """What a call that has ended returned; None if none has after so many seconds."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What a call returns, or raise what it raises; TimeoutError after so many seconds, when it is left behind."""
    threads = Threads[tuple[T]]()
    threads.start(lambda: (call(),))
    ended = threads.wait(seconds)
    if ended is None:
        raise TimeoutError
    return ended[0]


class Threads(Generic[T]):
    """Workers that are threads. One that is left behind keeps nothing from ending."""

    def __init__(self) -> None:
        self._ended: SimpleQueue[T | BaseException] = SimpleQueue()

    def start(self, call: Callable[[], T]) -> None:
        """Begin a call in a thread of its own."""
        threading.Thread(target=self._run, args=[call], daemon=True).start()

    def wait(self, seconds: float) -> T | None:
        """What a call returned, or raise what it raised."""
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
