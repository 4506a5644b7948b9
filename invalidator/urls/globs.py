"""Globs on keys, and the path patterns of cache behaviours on URLs. Pure."""

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

    Brackets have no meaning in it, and a slash at its beginning makes no difference:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesCacheBehavior.html (2026-11-22)
    """
    return glob(text.removeprefix("/").replace("[", "[[]"))
