"""Files that commands read, standard input among them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from invalidator.cli.terminal import warn
from invalidator.errors import ConfigurationError
from invalidator.operator import snapshots


def read_text(file: typer.FileText) -> str:
    """Return the text of a file. Raises ConfigurationError if it is not text."""
    try:
        return file.read()
    except ValueError as error:
        raise ConfigurationError(f"{file.name} is not text: {error}") from error


def read_json(file: typer.FileText) -> Any:
    """Return the JSON document in a file. Raises ConfigurationError if it is not JSON."""
    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file.name} is not JSON: {error}") from error


def check_standard_input(files: Iterable[typer.FileBinaryRead], options: str) -> None:
    """Raise ConfigurationError if two of the files are standard input, which can be read only once."""
    if [file.name for file in files].count("<stdin>") > 1:
        raise ConfigurationError(f"{options}: only one of them can be standard input")


def with_lines(given: Sequence[str] | None, files: Sequence[typer.FileBinaryRead] | None, option: str) -> list[str]:
    """Return the keys or paths that were given, and those in files: one a line, or separated by NUL.

    Raises ConfigurationError, also if files are given and there is nothing in any.
    """
    texts = list(given or [])
    for file in files or []:
        content = snapshots.keys_of(file.read(), file.name)
        warn(content.warnings)
        texts += content.keys
    if files and not texts:
        raise ConfigurationError(f"{option}: {', '.join(file.name for file in files)}: no line has anything in it")
    return texts
