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
from typing import Any, Final

from invalidator.limits import MAX_PATH_CHARACTERS, MAX_TAG_CHARACTERS
from invalidator.model import ObjectKey, UrlPath

# An escape of any other character is another URL than the character: https://www.rfc-editor.org/rfc/rfc3986#section-2.2
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_RAW: Final = _UNRESERVED + b"!$&'(),/:;=@"
_LITERAL: Final = re.escape(_RAW.decode())
_is_spelt = re.compile(rf"/(?:[+{_LITERAL}]|%[0-9A-F]{{2}})*(?:\?(?:[+?{_LITERAL}]|%[0-9A-F]{{2}})*)?\*?").fullmatch
_has_others = re.compile(rf"[^{_LITERAL}]").search
# Visible ASCII; a comma would separate two tags, and there are no wildcards.
_is_tag = re.compile(r"#[!-)+\--~]+").fullmatch
_slash: Final[Any] = "/"  # of any type, since to call UrlPath takes longer than to put a slash in front
LONGEST_SUGGESTION: Final = 200
"""Characters: nobody reads a longer suggestion."""

_escape = re.compile("(%[0-9A-Fa-f]{2})")


def _table(*, space: str, plus: str, raw: bytes = _RAW) -> tuple[str, ...]:
    """Return the text that stands for each byte of a key."""
    table = [chr(byte) if byte in raw else f"%{byte:02X}" for byte in range(256)]
    table[ord(" ")], table[ord("+")] = space, plus
    return tuple(table)


# A cache keeps an object under the spelling in the viewer's request. "%20" and "%2B" have one meaning. A "+" is a
# space to S3 (its console's "object URL" has it) and a plus sign to others, so it may stand for either, though not for
# both in one URL.
_TABLES: Final = (_table(space="%20", plus="+"), _table(space="%20", plus="%2B"), _table(space="+", plus="%2B"))
_ONCE: Final = _table(space="%20", plus="+", raw=_RAW + b"?*")
# As JavaScript's encodeURIComponent, which next/image and others call; but CloudFront takes neither ~ nor * raw.
_QUERY_TABLES: Final = tuple(
    _table(space=space, plus="%2B", raw=_UNRESERVED + b"!'()") for space in ("%20", "%20", "+")
)


def spellings(key: ObjectKey) -> tuple[UrlPath, ...]:
    """Return every path under which viewers ask for this key, without duplicates, the usual one first.

    One path, unless the key has a space (``%20`` and ``+``) or a plus sign (``+`` and ``%2B``).
    """
    if not _has_others(key):  # nearly always
        return (_slash + key,)
    return tuple(dict.fromkeys(UrlPath("/" + text) for text in encodings(key)))


def encodings(text: str, *, in_query: bool = False) -> tuple[str, str, str]:
    """Return the three ways in which viewers spell a part of a key, in a path or as a value of a query string.

    Mostly they are the same.
    """
    octets = text.encode("utf-8", "surrogateescape")
    one, two, three = (_encoded(octets, table) for table in (_QUERY_TABLES if in_query else _TABLES))
    return one, two, three


def encode_once(text: str) -> str:
    """Encode a piece of a path that a person wrote: each character that CloudFront wants encoded, and none twice.

    Raises UnicodeEncodeError for half a surrogate pair.
    """
    # Every second piece is an escape.
    return "".join(
        _minimal(piece) if number % 2 else _encoded(piece.encode("utf-8", "surrogateescape"), _ONCE)
        for number, piece in enumerate(_escape.split(text))
    )


def _minimal(escape: str) -> str:
    """Return an escape, or its character if that is the same: "%41" would be accepted and clear nothing."""
    byte = int(escape[1:], 16)
    return chr(byte) if byte in _UNRESERVED else escape.upper()


def _encoded(octets: bytes, table: tuple[str, ...]) -> str:
    return "".join([table[octet] for octet in octets])


def is_path(text: str) -> bool:
    """Return whether this could be a path of this program: spelt as above, with at most a wildcard at its end."""
    return len(text) <= MAX_PATH_CHARACTERS and _is_spelt(text) is not None


def is_tag(text: str) -> bool:
    """Return whether CloudFront takes this for a cache tag: ``#`` and 1 to 256 visible characters."""
    return len(text) <= MAX_TAG_CHARACTERS + 1 and _is_tag(text) is not None


# --- arguments that Git Bash has rewritten --------------------------------------------------------------

# Git Bash takes an argument that begins with a slash for a path in its own folder, and replaces it with the full path.
# https://github.com/git-for-windows/build-extra/blob/main/ReleaseNotes.md, "known issues" (2026-11-22)
_is_rewritten = re.compile(r"[A-Za-z]:[/\\]").match
_rewritten = re.compile(
    r"[a-z]:[/\\](?:users[/\\][^/\\]+[/\\])?(?:[^/\\]*[/\\])*?(?:git|msys2|msys64|msys32|cygwin|cygwin64)(?:[/\\]|$)(.*)",
    re.IGNORECASE,
)


def why_rewritten(text: str) -> str:
    """Explain an argument that Git Bash has rewritten; empty if it has not."""
    if not _is_rewritten(text):
        return ""
    before = _rewritten.match(text)
    path = "/" + before[1].replace("\\", "/").removeprefix("/") if before else ""
    path = path[: path.find("*") + 1] or path
    result = f", and it is {path!r} again" if path and len(path) <= LONGEST_SUGGESTION else ""
    return (
        "is a path on this computer: Git Bash rewrites arguments that begin with a slash. Put MSYS_NO_PATHCONV=1 in"
        f" front of the command{result}"
    )
