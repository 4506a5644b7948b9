"""Listeners to calls that get no answer: they are repeated, and whoever waits should know why it takes so long."""

from collections.abc import Callable
from typing import Final

_listeners: Final[set[Callable[[str], object]]] = set()


def listen(listener: Callable[[str], object]) -> None:
    """Call this with the reason of each attempt of a call that gets no answer."""
    _listeners.add(listener)


def tell_unanswered(reason: str) -> None:
    """Tell all listeners why an attempt got no answer."""
    for listener in _listeners:
        listener(reason)
