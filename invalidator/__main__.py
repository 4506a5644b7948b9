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
        sys.exit(130)  # while it was being imported


def _open_streams() -> None:
    """Have all three where a shell has closed some; without standard output nothing is begun."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 as long as the process
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    if sys.stdout is None:
        sys.exit("error: standard output is closed")


def _run() -> None:
    try:
        from invalidator.cli.app import app  # noqa: PLC0415 what the function needs is installed without it
    except ImportError as error:
        sys.exit(f"error: the command line needs the extra 'cli': pip install '.[cli]' ({error})")
    except ValueError as error:  # Powertools, of its own variables
        sys.exit(f"error: POWERTOOLS_LOG_LEVEL or another variable of Powertools is wrong: {error}")
    try:
        try:
            app(prog_name="invalidator")
        finally:
            sys.stdout.flush()  # at the end of Python, it would be too late to say anything
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes to it once more, at the end
        # Where a pipe is broken, whoever reads has seen enough, as head has.
        sys.exit(1 if isinstance(error, BrokenPipeError) else f"error: the output cannot be written: {error}")


if __name__ == "__main__":
    main()
