"""Powertools' own variables: a value that Powertools does not take would stop the function before its first event.

Powertools reads them when it is imported and when its logger is made, and its errors do not name the variable.
"""

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Final

_SWITCH: Final = (r"1|y(es)?|t(rue)?|on|0|no?|f(alse)?|off", "true or false")
_LEVEL: Final = (r"debug|info|warn(ing)?|error|critical|fatal", "DEBUG, INFO, WARNING, ERROR or CRITICAL")
_TAKEN: Final = {
    "POWERTOOLS_LOG_LEVEL": _LEVEL,
    "LOG_LEVEL": _LEVEL,
    "POWERTOOLS_LOGGER_SAMPLE_RATE": (r"0+(\.\d*)?|0*\.\d+|0*1(\.0*)?|\d(\.\d*)?e-[1-9]\d*", "a number from 0 to 1"),
    "POWERTOOLS_LOG_DEDUPLICATION_DISABLED": _SWITCH,
    "POWERTOOLS_DEBUG": _SWITCH,
    "POWERTOOLS_DEV": _SWITCH,
}
"""Name → the expression and the words for what it takes, in any case."""


@contextmanager
def spared(environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Show Powertools, while it is imported and set up, none of the values that it does not take."""
    before = {name: environ[name] for name in _TAKEN if name in environ}
    for name, value in before.items():
        # Not in small letters: with a level of Lambda's own beside it, Powertools would not know it.
        environ[name] = value.strip().upper()
        if not value.strip() or not _takes(name, value):
            del environ[name]
    try:
        yield
    finally:
        environ.update(before)


def unusable(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each value that Powertools does not take; an empty one is like none."""
    for name, (_, words) in _TAKEN.items():
        if (value := environ.get(name, "")).strip() and not _takes(name, value):
            yield f"{name}: {value!r:.40} is not {words}, so the default is used: correct or remove the variable"


def _takes(name: str, value: str) -> bool:
    return re.fullmatch(_TAKEN[name][0], value.strip(), re.ASCII | re.IGNORECASE) is not None
