"""Make the zips with the first of some Pythons that can: ``python -Es -m deploy.pythons FOLDER PYTHON …``.

The Python that Lambda runs makes them with bytecode. If it is not among these, another makes them without, and a
sentence says so. deploy/package.js and "make zips" run this.
"""

import os
import subprocess  # nosec B404
import sys
from typing import Final

LAMBDAS_PYTHON: Final = "cpython-313"
"""The Python of the functions, as ``sys.implementation.cache_tag`` names it: only it makes their bytecode."""


def main(folder: str, *pythons: str) -> None:
    """Write the zips, or end with what went wrong."""
    if _failure(pythons, folder, LAMBDAS_PYTHON) is None:
        return
    text = _failure(pythons, folder)
    if text is not None:
        sys.exit(f"The zips were not made.\n{text}")
    # One of them may have got the packages, for which another one has no pip.
    if _failure(pythons, folder, LAMBDAS_PYTHON) is not None:
        named = os.environ.get("PYTHON")
        why = f"PYTHON={named} is another" if named else "it was not found. Name it with PYTHON=…"
        sys.stderr.write(
            f"Packaged without bytecode, so each cold start compiles: that takes Python 3.13, and {why}.\n"
        )


def _failure(pythons: tuple[str, ...], *words: str) -> str | None:
    """Return None if one of these Pythons makes the zips, else what the first of them says."""
    texts = []
    for python in pythons:
        command = [python, "-Es", "-m", "deploy.zips", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # nosec B603
        if done.returncode == 0:
            return None
        texts.append(f"{python}: {done.stderr.strip()}")
    return texts[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
