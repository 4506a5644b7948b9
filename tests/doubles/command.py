"""The command line as a user types it, in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.doubles import warm
from tests.doubles.documents import check_document

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = [sys.executable, "-m", "invalidator"]
_MACHINE: Final = dict(os.environ)


def run(*arguments: str | Path, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end: in a new Python if a variable is set that is read at the start or by an import.

    Its JSON document is held to the schema.
    """
    environ = os.environ | environ
    done = subprocess.run(
        [*(COMMAND if starts_anew(environ) else warm.command()), *arguments],
        input=stdin,
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "--json" in arguments and done.stdout:
        check_document(done.stdout, str(arguments[0]))
    return done


def starts_anew(environ: Mapping[str, str]) -> bool:
    """Return true if a variable is set that is read at the start of Python or by an import, unless the machine has it.

    The server that starts commands fast has those of the machine, such as PYTHON from ``make PYTHON=…``.
    """
    is_read = ("PYTHON", "POWERTOOLS")
    return any(name.startswith(is_read) and value != _MACHINE.get(name) for name, value in environ.items())


def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Begin a command that is interrupted while it runs, with SIGINT ignored, as in a script's background job."""
    background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *COMMAND, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(background, cwd=ROOT, text=True, **(pipes | options))


def assert_explained(done: "subprocess.CompletedProcess[str]", status: int, words: str) -> None:
    """Assert that a user's mistake ends in a sentence, without a traceback, and with nothing on standard output."""
    assert done.returncode == status
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def rows(done: "subprocess.CompletedProcess[str]") -> list[list[str]]:
    """Return the cells of each line of a table."""
    return [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()]
