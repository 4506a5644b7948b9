"""Object key → the spellings under which CloudFront may have cached it. Pure text.

CloudFront wants non-ASCII characters and the unsafe ones of RFC 1738 §2.2 percent-encoded, and nothing else:
an item with any other character encoded is accepted and clears nothing
(https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html).
``urllib.parse.quote`` is therefore wrong both ways: it leaves ``~`` raw, which CloudFront rejects, and
encodes ``!$&'()*+,:;=@``, which makes the invalidation miss.

Two more characters are encoded here: ``?``, which would begin a query string, and ``*``, which at the end
of an item is a wildcard, so that an object called ``*`` would flush the site.
"""

import re
from typing import Final

from invalidator.limits import MAX_PATH_CHARACTERS, MAX_TAG_CHARACTERS
from invalidator.model import ObjectKey, UrlPath

_RAW: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!$&'(),/:;=@"
_LITERAL: Final = re.escape(_RAW.decode())
_is_spelt = re.compile(rf"/(?:[+{_LITERAL}]|%[0-9A-F]{{2}})*(?:\?(?:[+?{_LITERAL}]|%[0-9A-F]{{2}})*)?\*?").fullmatch
_has_one_spelling = re.compile(rf"[{_LITERAL}]*").fullmatch
# Visible ASCII; a comma would separate two tags, and there are no wildcards.
_is_tag = re.compile(r"#[!-)+\--~]+").fullmatch
_LONGEST_SUGGESTION: Final = 200
"""Characters; more than that nobody reads."""

_escape = re.compile("(%[0-9A-Fa-f]{2})")


def _table(*, space: str, plus: str, raw: bytes = _RAW) -> tuple[str, ...]:
    """The text that each byte of a key becomes."""
    table = [chr(byte) if byte in raw else f"%{byte:02X}" for byte in range(256)]
    table[ord(" ")], table[ord("+")] = space, plus
    return tuple(table)


# A cache keeps an object under the spelling that the viewer asked with. "%20" and "%2B" are clear to
# everyone. A "+" in a URL is a space to S3 (its console's "object URL" has it) and a plus sign to others, so
# it may stand for either, though not for both in one URL.
_TABLES: Final = (
    _table(space="%20", plus="+"),
    _table(space="%20", plus="%2B"),
    _table(space="+", plus="%2B"),
)
_AS_WRITTEN: Final = _table(space="%20", plus="+", raw=_RAW + b"?*")


def spellings(key: ObjectKey) -> tuple[UrlPath, ...]:
    """Every path under which viewers ask for this key, without duplicates, the usual one first.

    One path, unless the key has a space (``%20`` and ``+``) or a plus sign (``+`` and ``%2B``).
    """
    if _has_one_spelling(key):
        return (UrlPath("/" + key),)
    return tuple(dict.fromkeys(UrlPath("/" + text) for text in encodings(key)))


def encodings(text: str) -> tuple[str, str, str]:
    """A part of a key in the three ways in which viewers spell it; mostly they are the same."""
    octets = text.encode("utf-8", "surrogateescape")
    one, two, three = (_encoded(octets, table) for table in _TABLES)
    return one, two, three


def as_written(text: str) -> str:
    """A piece of a path that a person wrote: what CloudFront does not take is encoded, nothing twice, and nothing else.

    Raises UnicodeEncodeError for half a surrogate pair.
    """
    parts = _escape.split(text)
    # The odd ones are escapes.
    return "".join(
        _worth(part) if number % 2 else _encoded(part.encode("utf-8", "surrogateescape"), _AS_WRITTEN)
        for number, part in enumerate(parts)
    )


def _worth(escape: str) -> str:
    """An escape, or its character, if that is none to encode: "%41" would be accepted and clear nothing."""
    byte = int(escape[1:], 16)
    return chr(byte) if byte in _RAW else escape.upper()


def _encoded(octets: bytes, table: tuple[str, ...]) -> str:
    return "".join([table[octet] for octet in octets])


def is_path(text: str) -> bool:
    """Whether this could be a path of ours: spelt as above, with at most a wildcard at its end."""
    return len(text) <= MAX_PATH_CHARACTERS and _is_spelt(text) is not None


def is_tag(text: str) -> bool:
    """Whether CloudFront takes this for a cache tag: ``#`` and 1 to 256 visible characters."""
    return len(text) <= MAX_TAG_CHARACTERS + 1 and _is_tag(text) is not None


# --- an argument that is no path of a URL any more ------------------------------------------------------

# Git Bash takes an argument that begins with a slash for a path in its own folder, and writes out where that is.
# https://github.com/git-for-windows/build-extra/blob/main/ReleaseNotes.md, "known issues" (2026-11-22)
_is_rewritten = re.compile(r"[A-Za-z]:[/\\]").match
_rewritten = re.compile(
    r"[a-z]:[/\\](?:users[/\\][^/\\]+[/\\])?(?:[^/\\]*[/\\])*?(?:git|msys2|msys64|msys32|cygwin|cygwin64)(?:[/\\]|$)(.*)",
    re.IGNORECASE,
)


def why_rewritten(text: str) -> str:
    """What to say of an argument that Git Bash has rewritten; empty if it has not."""
    if not _is_rewritten(text):
        return ""
    before = _rewritten.match(text)
    path = "/" + before[1].replace("\\", "/").removeprefix("/") if before else ""
    path = path[: path.find("*") + 1] or path
    told = f", and it is {path!r} again" if path and len(path) <= _LONGEST_SUGGESTION else ""
    return (
        "is a path on this computer: Git Bash makes that of what begins with a slash. Put MSYS_NO_PATHCONV=1 in front"
        f" of the command{told}"
    )
