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

from invalidator.limits import MAX_PATH_CHARACTERS
from invalidator.model import ObjectKey, UrlPath

_RAW: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!$&'(),/:;=@"
_is_spelt = re.compile(rf"/(?:[+{re.escape(_RAW.decode())}]|%[0-9A-F]{{2}})*\*?").fullmatch
_has_one_spelling = re.compile(rf"[{re.escape(_RAW.decode())}]*").fullmatch


def _table(*, space: str, plus: str) -> tuple[str, ...]:
    """The text that each byte of a key becomes."""
    table = [chr(byte) if byte in _RAW else f"%{byte:02X}" for byte in range(256)]
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


def spellings(key: ObjectKey) -> tuple[UrlPath, ...]:
    """Every path under which viewers ask for this key, without duplicates, the usual one first.

    One path, unless the key has a space (``%20`` and ``+``) or a plus sign (``+`` and ``%2B``).
    """
    if _has_one_spelling(key):
        return (UrlPath("/" + key),)
    octets = key.encode("utf-8", "surrogateescape")
    return tuple(dict.fromkeys(UrlPath("/" + "".join([table[octet] for octet in octets])) for table in _TABLES))


def is_path(text: str) -> bool:
    """Whether this could be a path of ours: spelt as above, with at most a wildcard at its end."""
    return len(text) <= MAX_PATH_CHARACTERS and _is_spelt(text) is not None
