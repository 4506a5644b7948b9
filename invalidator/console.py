"""What the commands have in common: how they begin, what they read, and how they end when something is wrong."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from invalidator import handler, settings
from invalidator.errors import ConfigurationError, InvalidatorError
from invalidator.output import narrate

JSON: Final[Any] = typer.Option("--json", help="As JSON.")
DISTRIBUTIONS: Final[Any] = typer.Option(help="Instead of the configured distributions; repeatable.")


@contextmanager
def errors_explained() -> Iterator[None]:
    """End with a sentence instead of a traceback, and with status 2 if it is for the user to mend, else 1."""
    try:
        yield
    except InvalidatorError as error:
        narrate(f"error: {error}")
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error


def text_of(file: typer.FileText) -> str:
    """What is in a file. Raises ConfigurationError if that is no text."""
    try:
        return file.read()
    except ValueError as error:
        raise ConfigurationError(f"{file.name} is not text: {error}") from error


def load(file: typer.FileText) -> Any:
    """The JSON in a file. Raises ConfigurationError if it is none."""
    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file.name} is not JSON: {error}") from error


def check_bucket(name: str) -> None:
    """Raise ConfigurationError if no bucket can have this name."""
    if not settings.is_bucket_name(name):
        raise ConfigurationError(f"--bucket: {name!r} is not the name of a bucket (not a URL, not an ARN)")


def log_to_stderr(level: int | None = None) -> None:
    """Show the function's log beside the narration, so that standard output holds the answer alone."""
    log_handler = handler.logger.logger_handler
    if isinstance(log_handler, logging.StreamHandler):
        log_handler.setStream(sys.stderr)
    if level is not None:
        handler.logger.setLevel(level)
