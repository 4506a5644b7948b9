"""The commit of which a release is made, and what keeps it from being one.

A release is made again byte for byte from its commit, so nothing may get into it that the commit has not; and a version
is one commit for ever.
"""

import os
import re
import subprocess  # nosec B404
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from deploy.pythons import LAMBDAS_PYTHON

_SECONDS_TO_ASK = 30
_UNATTENDED = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}


class CheckoutError(Exception):
    """There is no commit to make a release of; says why."""


@dataclass(frozen=True)
class Checkout:
    """A commit, and the state of the files, tags and CHANGELOG around it.

    ``changed`` are files that are not as in the commit. ``tagged`` has the commit that the version's tag names, by the
    place where it does: "here", "on origin". ``unasked`` is the reason why origin could not be asked, or empty.
    ``tags`` are those of the commit that name a version. (v1, by which the action is called, does not.)
    """

    version: str
    commit: str
    time: int  # of the commit, in seconds since 1970
    changelog: str
    changed: Sequence[str] = ()
    tagged: Mapping[str, str] = field(default_factory=dict)
    unasked: str = ""
    tags: Sequence[str] = ()


def objections(checkout: Checkout, python: str) -> list[str]:
    """Return a sentence for each reason why this Python must not make a release of this commit."""
    return [
        *_about_files(checkout.changed),
        *_about_tags(checkout),
        *_about_changelog(checkout.changelog, checkout.version),
        *_about_python(python),
    ]


def _about_files(changed: Sequence[str]) -> list[str]:
    if not changed:
        return []
    few = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")  # noqa: PLR2004
    return [f"files that are not as in the commit: {few}. Commit or remove them."]


def _about_tags(checkout: Checkout) -> list[str]:
    tag = f"v{checkout.version}"
    elsewhere = [
        f"{tag} {place} is commit {commit[:12]} already, and this is {checkout.commit[:12]}. Raise __version__ in"
        " invalidator/__init__.py, or check that commit out."
        for place, commit in checkout.tagged.items()
        if commit != checkout.commit
    ]
    others = [
        f"the tag {other} is on this commit, whose version is {checkout.version}. Delete the tag, or set __version__."
        for other in checkout.tags
        if other != tag
    ]
    return elsewhere + others


def _about_changelog(text: str, version: str) -> list[str]:
    found = []
    waiting = [line[:60] for line in _section(text, "Unreleased") if line and not line.startswith("#")]
    if waiting:
        found.append(f"CHANGELOG.md: Unreleased is not empty: {waiting[0]!r}. Move it to the section of a version.")
    newest = next(iter(versions(text)), None)
    if newest != version:
        first = f"its newest dated version is {newest}" if newest else "it has no dated version"
        found.append(f"CHANGELOG.md: {first}. Begin a section with '## {version} - YYYY-MM-DD'.")
    return found


def _section(text: str, name: str) -> list[str]:
    """Return the lines of a section of a CHANGELOG without its heading."""
    found = re.search(rf"^## \[?{name}\]?$\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    return [line.strip() for line in found[1].splitlines()] if found else []


def versions(changelog: str) -> list[str]:
    """Return the versions of a CHANGELOG that have a date, in their order there: the newest is the first."""
    found = re.findall(r"^## \[?(\d+\.\d+\.\d+)\]? [-\u2013\u2014] (\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)
    return [version for version, day in found if _is_date(day)]


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _about_python(python: str) -> list[str]:
    if python == LAMBDAS_PYTHON:
        return []
    return [
        f"the zips take {LAMBDAS_PYTHON}, the Python of Lambda, and this is {python}: rm -r .venv-release, then make"
        " release PYTHON=/path/to/python3.13."
    ]


def read_checkout(root: Path, version: str) -> Checkout:
    """Return the state of a checkout. Raises CheckoutError."""
    if _git(root, "rev-parse", "--show-prefix"):  # a folder in the repository of something else
        raise CheckoutError(f"{root} is not the top of a repository: clone it.")
    tag = f"refs/tags/v{version}"
    here = _git(root, "for-each-ref", "--format=%(objectname) %(*objectname)", tag).split()
    on_origin, unasked = _asked_of_origin(root, tag)
    return Checkout(
        version=version,
        commit=_git(root, "rev-parse", "HEAD"),
        time=int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD")),
        changelog=(root / "CHANGELOG.md").read_text("utf-8"),
        changed=_changed(root),
        # Of an annotated tag, the last one is the commit.
        tagged={place: found[-1] for place, found in (("here", here), ("on origin", on_origin)) if found},
        unasked=unasked,
        tags=_git(root, "tag", "--points-at", "HEAD", "v*.*.*").split(),
    )


def _changed(root: Path) -> list[str]:
    tracked = _git(root, "diff", "--name-only", "--no-renames", "-z", "HEAD")
    # What is packed are all files that .gitignore leaves, whatever else git ignores on this machine.
    others = _git(root, "ls-files", "--others", "--exclude-from=.gitignore", "-z")
    return [name for name in (tracked + "\0" + others).split("\0") if name]


def _asked_of_origin(root: Path, tag: str) -> tuple[list[str], str]:
    """Return the hashes of a tag on origin, that of its commit last, and why they are not known."""
    if "origin" not in _git(root, "remote").split():
        return [], "there is no origin"
    try:
        lines = _git(root, "ls-remote", "origin", tag, f"{tag}^{{}}").splitlines()
    except CheckoutError as error:
        return [], str(error)
    return [line.split()[0] for line in lines], ""


def _git(root: Path, *words: str) -> str:
    command, environ = ("git", *words), os.environ | _UNATTENDED
    try:
        done = subprocess.run(  # noqa: S603 # nosec B603
            command,
            cwd=root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS_TO_ASK,
        )
    except FileNotFoundError as error:
        raise CheckoutError("git was not found: install it.") from error
    except subprocess.TimeoutExpired as error:
        raise CheckoutError(f"git {words[0]} took more than {_SECONDS_TO_ASK} seconds") from error
    except subprocess.CalledProcessError as error:
        raise CheckoutError(f"git {words[0]}: {' '.join(error.stderr.split())}") from error
    return done.stdout.strip()
