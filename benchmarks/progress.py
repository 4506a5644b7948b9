"""The progress of a measurement on standard error: one line that is overwritten on a terminal, else a line a part.

No thread draws it, because that thread would be measured, too.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Final

ENOUGH_SECONDS: Final = 20.0
"""A run that takes longer is not repeated."""

Step = Callable[[int, int], None]
"""A function that is called with the number of runs that are done, and of all runs."""


class Progress:
    """The part that is running, and how much of it is done."""

    def __init__(self, parts: int) -> None:
        self._parts, self._part, self._name, self._begun = parts, 0, "", time.monotonic()

    def part(self, name: str) -> None:
        """Begin the next part."""
        self._part, self._name = self._part + 1, name
        self._show("", lasting=True)

    def step(self, done: int, of: int) -> None:
        """Show how much of the part is done."""
        self._show(f": {done} of {of}", lasting=False)

    def end(self) -> float:
        """Clear the line on the terminal. Return the seconds since the beginning."""
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        return time.monotonic() - self._begun

    def _show(self, more: str, *, lasting: bool) -> None:
        text = f"[{self._part}/{self._parts}] {self._name}{more} …"
        if sys.stderr.isatty():
            dim, plain = ("", "") if os.environ.get("NO_COLOR") else ("\033[2m", "\033[0m")
            print(f"\r\033[K{dim}{text}{plain}", end="", file=sys.stderr, flush=True)
        elif lasting:
            print(text, file=sys.stderr, flush=True)
