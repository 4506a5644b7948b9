"""Files that commands read, standard input among them."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer

from invalidator.cli.terminal import warn
from invalidator.errors import ConfigurationError
from invalidator.operator import snapshots


def is_event(word: str) -> bool:
    """Return whether an argument is the name of a file with an event, and not a key."""
    return word == "-" or word.endswith(".json") or (word.startswith(("/", ".")) and Path(word).exists())


def open_event(name: str) -> TextIO:
    """Open a file with an event; - is standard input. Raises ConfigurationError."""
    if name == "-":
        return sys.stdin
    try:
        return Path(name).open(encoding="utf-8-sig")
    except OSError as error:
        why = f"{name}: {os.strerror(error.errno or 0)} (if that is a key, give it with --key)"
        raise ConfigurationError(why) from error


def read_text(file: TextIO) -> str:
    """Return the text of a file. Raises ConfigurationError if it is not text."""
    try:
        return file.read()
    except ValueError as error:
        raise ConfigurationError(f"{file.name} is not text: {error}") from error


def read_json(file: TextIO) -> Any:
    """Return the JSON document in a file. Raises ConfigurationError if it is not JSON."""
    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file.name} is not JSON: {error}") from error


def check_standard_input(files: Iterable[typer.FileBinaryRead], options: str) -> None:
    """Raise ConfigurationError if two of the files are standard input, which can be read only once."""
    if [file.name for file in files].count("<stdin>") > 1:
        raise ConfigurationError(f"{options}: only one of them can be standard input")


def with_lines(
    given: Sequence[str], files: Sequence[typer.FileBinaryRead], option: str, *, allow_empty: bool | None = None
) -> list[str]:
    """Return the keys or paths that were given, and those in files: one a line, or separated by NUL.

    Raises ConfigurationError, also if files are given and there is nothing in any, unless ``allow_empty``. It is None
    for a command without that option.
    """
    texts = list(given)
    for file in files:
        content = snapshots.keys_of(file.read(), file.name)
        warn(content.warnings)
        texts += content.keys
    if files and not texts and not allow_empty:
        names = ", ".join(file.name for file in files)
        hint = "" if allow_empty is None else " (--allow-empty takes that for no work)"
        raise ConfigurationError(f"{option}: {names}: no line has anything in it{hint}")
    return texts
