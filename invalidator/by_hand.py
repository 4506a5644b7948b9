"""Paths and cache tags as a person writes them → batches. Pure."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_PATH_CHARACTERS, MAX_TAG_CHARACTERS
from invalidator.model import Batch, Cause, DistributionId, Item, Request, UrlPath
from invalidator.planning.batches import make_batches
from invalidator.urls.encoding import encode_once, is_path, is_tag, why_rewritten

EVERYTHING: Final = "/*"

_LONGEST_SUGGESTION: Final = 200
"""Characters: nobody reads a longer suggestion."""

_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://").match


def path_of(text: str, source: str) -> UrlPath:
    """Return a path or tag as CloudFront takes it: encoded where needed, and nothing twice.

    Raises ConfigurationError, with the ``source`` of the text and a guess at what was meant.
    """
    if problem := _problem(text):
        raise ConfigurationError(f"{source}: {text!r:.200} {problem}")
    try:
        path = text if text[0] == "#" else encode_once(text)
    except UnicodeEncodeError:
        raise ConfigurationError(f"{source}: {text!r:.200} is not Unicode text") from None
    if not (is_path(path) or is_tag(path)):
        raise ConfigurationError(
            f"{source}: {text!r:.200} is longer than CloudFront takes it: {MAX_PATH_CHARACTERS:,} characters, encoded"
        )
    return UrlPath(path)


def _problem(text: str) -> str:
    if rewritten := why_rewritten(text):
        return rewritten
    if text[:1] == "#":
        allowed = f"# and 1 to {MAX_TAG_CHARACTERS} visible ASCII characters without commas and asterisks"
        return "" if is_tag(text) else f"is no cache tag: expected {allowed}"
    if _has_scheme(text):
        return _problem_of_url(text)
    if text[:1] != "/":
        return f"does not begin with a slash{_suggested(text) if text.strip() else f', as {EVERYTHING!r}'}"
    if "*" in text[:-1]:
        return f"has a wildcard that is not at its end{_suggested(text)} (An asterisk in a name is %2A.)"
    return ""


def _problem_of_url(text: str) -> str:
    if text.lower().startswith("s3://"):
        return "is an object and not a path: a path is what viewers ask for, without the bucket"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "is a URL and not a path: leave out scheme and host"
    query = f"?{parts.query}" if parts.query else ""
    return f"is a URL and not a path{_suggested(parts.path + query)}"


def _suggested(text: str, words: str = ": did you mean {!r}?") -> str:
    """Return words with the path that was probably meant; empty if CloudFront would refuse it as well."""
    path = "/" + text.strip().removeprefix("/")
    path = path[: path.find("*") + 1] or path
    try:
        path_of(path, "")
    except ConfigurationError:
        return ""
    return words.format(path) if len(path) <= _LONGEST_SUGGESTION else ""


def batches_of(
    texts: Iterable[str], source: str, distributions: Iterable[DistributionId], identity: str
) -> list[Batch]:
    """Return the batches of these paths and tags for each distribution.

    ``identity`` differs from that of every other request. The same one makes the same caller references, which
    CloudFront does not bill twice. Raises ConfigurationError.
    """
    written: dict[UrlPath, dict[str, None]] = {}
    for text in texts:
        written.setdefault(path_of(text, source), {})[text] = None
    items = tuple(
        Item(path, tuple(Cause(Request(text, identity), "given as") for text in written[path]))
        for path in sorted(written)
    )
    return [batch for id_ in dict.fromkeys(distributions) for batch in make_batches(id_, items)]
