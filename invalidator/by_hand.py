"""Paths and cache tags as a person writes them → batches. Pure."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_PATH_CHARACTERS, MAX_TAG_CHARACTERS
from invalidator.model import Batch, Cause, DistributionId, Item, Request, UrlPath
from invalidator.planning.batches import make_batches
from invalidator.urls.encoding import LONGEST_SUGGESTION, encode_once, is_path, is_tag, why_rewritten

EVERYTHING: Final = "/*"

_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://").match
_control = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A form of a CI may hand over the escapes of line breaks, and a copied text spaces that nobody sees.
_gaps = re.compile(r"(?:[\s,;|\u200b\ufeff]|\\[nrt](?=[\s/]|$))+")
_begins = re.compile(r"[\"'\[\]]*(?:https?:/)?/").match
_QUOTES: Final = "\"'[]"
_ENDS: Final = ",;\u200b\ufeff"


def path_of(text: str, source: str, *, again: bool = False) -> UrlPath:
    """Return a path or tag as CloudFront takes it: encoded where needed, and nothing twice.

    What is sent ``again`` is one path, however it looks. Raises ConfigurationError, with the ``source`` of the text and
    a guess at what was meant.
    """
    if problem := _problem(text, again=again):
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


def _problem(text: str, *, again: bool) -> str:
    if (rewritten := why_rewritten(text)) or _has_scheme(text):
        return rewritten or _problem_of_url(text)
    if len(_pieces(text)) > 1 and not again:
        return (
            f"looks like several paths{_suggested(text)} (Repeat the option, or give a JSON array. If it is one path,"
            " write a space as %20, and * for a comma or semicolon and all behind it.)"
        )
    if text[:1] == "#":
        allowed = f"# and 1 to {MAX_TAG_CHARACTERS} visible ASCII characters without commas and asterisks"
        return "" if is_tag(text) else f"is no cache tag: expected {allowed}"
    return _problem_of_path(text, again=again)


def _problem_of_path(text: str, *, again: bool) -> str:
    if text[:1] != "/":
        return f"does not begin with a slash{_suggested(text) if text.strip() else f', as {EVERYTHING!r}'}"
    if (text.rstrip(_ENDS) != text or text != text.strip()) and not again:
        return f"has white space, a comma or a semicolon at its end{_suggested(text)} (A space in a name is %20.)"
    if _control.search(text):
        spelt = _control.sub(lambda match: quote(match[0]), text)
        return f"has a line break or another control character in it{_suggested(spelt)}"
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
    is_one = len(_pieces(text)) == 1 and not re.search(r"\s[a-z]+://", text)
    return f"is a URL and not a path{_suggested(parts.path + query) if is_one else ''}"


def _pieces(text: str) -> list[str]:
    """Return the paths that a text seems to be a list of, without quotes around them; mostly it is a single one."""
    start, pieces = 0, []
    for gap in _gaps.finditer(text):
        # Behind a blank, a # is mostly that of a number, as in "song #1.mp3".
        if _begins(text, gap.end()) or (text.startswith("#", gap.end()) and gap[0].strip(" ")):
            pieces.append(text[start : gap.start()])
            start = gap.end()
    blanks = f"{_ENDS}{''.join(filter(str.isspace, set(text)))}"
    pieces = [piece.strip(blanks) for piece in (*pieces, text[start:])]
    quoted = text.lstrip(blanks)[:1] in {*_QUOTES}
    pieces = [piece.strip(_QUOTES) if quoted or piece[:1] in {*_QUOTES} else piece for piece in pieces]
    return list(filter(None, pieces)) or [""]


def _suggested(text: str) -> str:
    """Return a question with the paths that were probably meant; empty if CloudFront would refuse one as well."""
    pieces = _pieces(text)
    if pieces == [""] and text:
        return ""
    paths = [piece if piece[:1] in {"/", "#"} else f"/{piece}" for piece in pieces]
    paths = [path[: path.find("*") + 1] or path for path in paths]
    try:
        for path in paths:
            path_of(path, "")
    except ConfigurationError:
        return ""
    return f": did you mean {' and '.join(map(repr, paths))}?" if len("".join(paths)) <= LONGEST_SUGGESTION else ""


def batches_of(
    texts: Iterable[str], source: str, distributions: Iterable[DistributionId], identity: str, *, again: bool = False
) -> list[Batch]:
    """Return the batches of these paths and tags for each distribution; ``again``: each was an item before.

    ``identity`` differs from that of every other request. The same one makes the same caller references, which
    CloudFront does not bill twice. Raises ConfigurationError.
    """
    written: dict[UrlPath, dict[str, None]] = {}
    for text in texts:
        written.setdefault(path_of(text, source, again=again), {})[text] = None
    items = tuple(
        Item(path, tuple(Cause(Request(text, identity), "given as") for text in written[path]))
        for path in sorted(written)
    )
    return [batch for id_ in dict.fromkeys(distributions) for batch in make_batches(id_, items)]
