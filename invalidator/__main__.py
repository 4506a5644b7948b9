"""``python -m invalidator``, and the command ``invalidator``."""

import io
import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command line, or say what keeps it from running."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a key may hold what the terminal's encoding does not
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)  # during the import of a command


def _open_streams() -> None:
    """Open the streams that a shell has closed; without standard output, end before anything is begun."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 until the process ends
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    if sys.stdout is None:
        sys.exit("error: standard output is closed")


def _plain(error: Exception) -> str:
    """Return the text of an error without what a terminal obeys: the command line, which knows how, is not there."""
    return ascii(str(error))[1:-1]


def _run() -> None:
    try:
        from invalidator.cli.app import app  # noqa: PLC0415 so that what is missing is told
    except ImportError as error:
        sys.exit(f"error: a package of the command line is missing: install all that it needs ({_plain(error)})")
    try:
        try:
            app(prog_name="invalidator")
        finally:
            sys.stdout.flush()  # here, while an error can still be told
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes to it once more, at the end
        # A broken pipe is no error: the reader, such as head, has seen enough.
        sys.exit(1 if isinstance(error, BrokenPipeError) else f"error: the output cannot be written: {error}")


if __name__ == "__main__":
    main()
