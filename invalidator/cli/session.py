"""The begin and end of commands: the log, errors in a sentence with a remedy, interrupts."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from invalidator.cli.terminal import narrate
from invalidator.errors import CdnError, ConfigurationError, InvalidatorError

_INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit status of a command that a SIGINT ended, as shells have it."""


@contextmanager
def errors_explained() -> Iterator[None]:
    """End with a sentence instead of a traceback: with status 2 if the user has to correct something, else 1."""
    try:
        yield
    except InvalidatorError as error:
        # To the function it is a setting that does not work; not to a person.
        if isinstance(error, ConfigurationError) and isinstance(error.__cause__, CdnError):
            narrate(f"error: {error.__cause__}")
            raise typer.Exit(1) from error
        narrate(f"error: {error}")
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error


@contextmanager
def _signals_handled(handler: Any) -> Iterator[None]:
    """Handle SIGINT, SIGTERM and a closed terminal in this way.

    SIGINT even if it was ignored, as it is in a script's background job; SIGHUP only if it was not, as nohup has it.
    """
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, handle in before.items():
            signal.signal(number, handle)


@contextmanager
def interruptible(conclude: Callable[[], None], status: int = _INTERRUPTED) -> Iterator[None]:
    """End with this status on SIGINT and on SIGTERM, after the command has told what became of it."""
    with _signals_handled(signal.default_int_handler):
        try:
            yield
        except KeyboardInterrupt:
            conclude()
            raise typer.Exit(status) from None


@contextmanager
def interrupts_ending_at_once() -> Iterator[None]:
    """End without a word on SIGINT: one that comes in the midst of an import may be lost, with a traceback."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore interrupts while something is printed that must not be lost."""
    with _signals_handled(signal.SIG_IGN):
        yield


def log_to_stderr(level: int | None = None) -> None:
    """Write the function's log beside the narration, so that standard output holds the answer alone."""
    from invalidator.runtime.log import logger  # Powertools, which few commands need

    log_handler = logger.logger_handler
    if isinstance(log_handler, logging.StreamHandler):
        log_handler.setStream(sys.stderr)
    if level is not None:
        logger.setLevel(level)
