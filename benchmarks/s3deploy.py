"""What s3deploy asks CloudFront to invalidate, by its published rules, in words of our own.

They are those of ``normalizeInvalidationPaths``; see SOURCE.

1. An index document stands for its directory, and only that is cleared. (So is any file whose name ends that way.)
2. As long as there are more than eight paths, those with the most slashes become wildcards for the directory above
   their own (at the top level, for their own), one level after the other.
3. If there are still more, or one of them is the whole site, the whole site is cleared.

It also tidies paths such as ``a//b``; that is left out, as none of the sites here has them.
"""

import posixpath
from collections.abc import Iterable
from typing import Final

VERSION: Final = "2.16.0"
SOURCE: Final = "https://github.com/bep/s3deploy/blob/e5e75954b7c9585ef4729fd67b39be0e18fb298c/lib/cloudfront.go"
"""Of that version, read on 2026-11-22."""

PATHS: Final = 8
"""More than so many are coalesced."""


def items(changed: Iterable[str], root: str = "/", paths: int = PATHS) -> list[str]:
    """Its items for these changed keys or paths of a site whose pages are all below that root."""
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
    """For all that is in the directory above that of the path, or in its own where there is none above but the root."""
    own = posixpath.dirname(path)
    above = posixpath.dirname(own)
    return posixpath.join(own if above == "/" else above, "*")
