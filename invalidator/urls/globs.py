"""Globs on keys, and the path patterns of cache behaviours on URLs. Pure.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html (2026-11-29)
"""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=1_000)
def glob(text: str) -> Callable[[str], object]:
    """Return a test of keys: ``*`` and ``?`` match slashes, too, ``[abc]`` and ``[!abc]`` one character.

    These are the globs of ``aws s3 sync --exclude``. Python's translation of them never backtracks for long.
    """
    return re.compile(fnmatch.translate(text)).match


def path_pattern(text: str) -> Callable[[str], object]:
    """Return a test of URLs, without their first slash, against the path pattern of a cache behaviour.

    Brackets have no meaning in it, and a slash at its beginning makes no difference.
    """
    return glob(text.removeprefix("/").replace("[", "[[]"))


def may_be_normalized(path: str) -> bool:
    """Return whether CloudFront may compare another form of a path: of thousands, hardly one."""
    return "//" in path or "/." in path


def normalized(url: str) -> set[str]:
    """Return the forms of a URL, without their first slash, that a path pattern may be compared with; it is one.

    CloudFront removes ``//``, ``.`` and ``..`` before, as RFC 3986 has it. In which order is not documented, and makes
    a difference for ``a//../b``.
    """
    path = f"/{url}"
    return {url, without_dots(with_single_slashes(path))[1:], with_single_slashes(without_dots(path))[1:]}


_slashes = re.compile("/+")


def with_single_slashes(path: str) -> str:
    """Replace several slashes in a row with one."""
    return _slashes.sub("/", path)


def without_dots(path: str) -> str:
    """Remove dot segments, as https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4 does."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
