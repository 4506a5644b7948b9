"""The invalidation items of s3deploy, by the published rules of its ``normalizeInvalidationPaths`` (see SOURCE).

1. An index document stands for its directory, and only the directory is cleared. (So is that of any file whose name
   ends that way.)
2. While there are more than eight paths, those with the most slashes become wildcards for the directory above their
   own (at the top level, for their own), one level after the other.
3. If there are still more, or one of them is the whole site, the whole site is cleared.

s3deploy also cleans paths such as ``a//b``. That is left out, because no site here has any.
"""

import posixpath
from collections.abc import Iterable
from typing import Final

VERSION: Final = "2.16.0"
SOURCE: Final = "https://github.com/bep/s3deploy/blob/e5e75954b7c9585ef4729fd67b39be0e18fb298c/lib/cloudfront.go"
"""The rules of that version, read on 2026-11-22."""

PATHS: Final = 8
"""Most paths that are not coalesced."""


def items(changed: Iterable[str], root: str = "/", paths: int = PATHS) -> list[str]:
    """Return its items for changed keys or paths of a site whose pages are all below the root."""
    site = posixpath.join("/", root, "*")
    found = {_directory_of_index(posixpath.join("/", path)) for path in changed}
    slashes = max((path.count("/") for path in found), default=0)
    while len(found) > paths and slashes > 0:
        found = {_wildcard(path) if path.count("/") > slashes else path for path in found}
        slashes -= 1
    return [site] if len(found) > paths or site in found else sorted(found)


def _directory_of_index(path: str) -> str:
    return posixpath.join(posixpath.dirname(path), "") if path.endswith("index.html") else path


def _wildcard(path: str) -> str:
    """Return the wildcard for the directory above that of a path, or for its own if only the root is above."""
    own = posixpath.dirname(path)
    above = posixpath.dirname(own)
    return posixpath.join(own if above == "/" else above, "*")
