"""Read listings of a bucket from files, compare two, and read files of keys. Pure.

A listing is the output of ``aws s3api list-objects-v2 --bucket my-origin``, with or without ``--query Contents``:
https://docs.aws.amazon.com/cli/latest/reference/s3api/list-objects-v2.html (2026-11-22).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from invalidator.errors import ConfigurationError, ListingError
from invalidator.model import ObjectKey

_BESIDE: Final = {
    *("CommonPrefixes", "Delimiter", "EncodingType", "IsTruncated", "KeyCount", "MaxKeys", "Name", "Prefix"),
    *("RequestCharged", "ResponseMetadata", "StartAfter", "ContinuationToken"),
}
"""Fields of a listing without objects. A document with any other field is not an empty listing."""
_MORE: Final = ("IsTruncated", "NextToken", "NextContinuationToken")
_EXPECTED: Final = "expected the output of aws s3api list-objects-v2 --bucket …"

_QUOTED: Final = re.compile(r'"(?=.*\\)([^"\\]|\\([0-7]{3}|[abfnrtv"\\]))*"', re.DOTALL)
"""A name with unusual characters as git writes it: https://git-scm.com/docs/git-config, core.quotePath (2026-11-22)."""


class Snapshot(NamedTuple):
    """ETag and size of each listed object, and the prefix that was listed."""

    objects: dict[ObjectKey, tuple[Any, Any]]
    prefix: str = ""

    def keys(self, prefix: str) -> Iterator[ObjectKey]:
        """Return the keys with a prefix. Raises ListingError if not all of these were listed."""
        if not prefix.startswith(self.prefix):
            raise ListingError(f"what else is in the bucket is not known: only keys with {self.prefix!r} were listed")
        return (key for key in self.objects if key.startswith(prefix))


class Difference(NamedTuple):
    """The sorted keys of the objects that differ between two snapshots; the numbers of new ones and of gone ones."""

    keys: list[ObjectKey]
    new: int
    gone: int


class KeyList(NamedTuple):
    """The keys in a file. ``warnings`` name lines that may not be keys as S3 stores them."""

    keys: list[str]
    warnings: list[str]


def read_snapshot(text: str, name: str) -> Snapshot:
    """Return the snapshot in a listing; an empty text is an empty bucket. ``name`` is the file's, for errors.

    Raises ConfigurationError if the text is not a listing, or not a whole one.
    """
    try:
        document = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict | list | None):
        _refuse(name, f"it is not a listing; {_EXPECTED}")
    if not isinstance(document, dict):
        return Snapshot(_objects(document, name))
    _check_is_whole(document, name)
    prefix = document.get("Prefix")
    return Snapshot(_objects(document.get("Contents"), name), prefix if isinstance(prefix, str) else "")


def _check_is_whole(document: dict[str, Any], name: str) -> None:
    if any(document.get(field) for field in _MORE):
        _refuse(name, "it is a part of a longer listing: list the bucket again without --no-paginate and --max-items")
    if document.get("CommonPrefixes"):
        _refuse(name, "it leaves out the objects in directories: list the bucket again without --delimiter")
    if "Contents" not in document and not set(document) <= _BESIDE:
        _refuse(name, f"it has no Contents; {_EXPECTED}")


def _objects(contents: Any, name: str) -> dict[ObjectKey, tuple[Any, Any]]:
    if not isinstance(contents, list | None):
        _refuse(name, f"its Contents are not an array; {_EXPECTED}")
    objects: dict[ObjectKey, tuple[Any, Any]] = {}
    for number, item in enumerate(contents or ()):
        where = f"item {number} of its Contents"
        if not isinstance(item, dict) or not isinstance(item.get("Key"), str) or not item["Key"]:
            _refuse(name, f"{where} has no Key; {_EXPECTED}")
        key, content = ObjectKey(item["Key"]), (item.get("ETag"), item.get("Size"))
        if content == (None, None):
            _refuse(name, f"{where} has neither ETag nor Size, by which a change is seen; {_EXPECTED}")
        if key in objects:
            _refuse(name, f"{where} has the Key {key!r:.80} of an item before it; expected one listing of one bucket")
        objects[key] = content
    return objects


def _refuse(name: str, problem: str) -> NoReturn:
    raise ConfigurationError(f"{name}: {problem}")


def difference(before: Snapshot, after: Snapshot) -> Difference:
    """Return the objects that changed between two snapshots. Raises ConfigurationError if these cannot be compared."""
    if before.prefix != after.prefix:
        raise ConfigurationError(
            f"--before and --after: one lists keys with prefix {before.prefix!r}, the other with {after.prefix!r}: list"
            " both with the same --prefix, or none"
        )
    old, new = before.objects, after.objects
    changed = [key for key, content in new.items() if old.get(key) != content]
    gone = [key for key in old if key not in new]
    return Difference(sorted(changed + gone), sum(key not in old for key in changed), len(gone))


def keys_of(content: bytes, name: str) -> KeyList:
    """Return the keys in a file: one in each line or, if there is a NUL, one before each NUL.

    Lines end with a newline, since a key may hold any other character that ends lines somewhere. ``name`` is the
    file's, for errors. Raises ConfigurationError if the file is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}: line {line} is not UTF-8, as all keys are") from error
    if "\0" in text:
        return KeyList([key for key in text.split("\0") if key], [])
    windows = text.count("\r\n") == text.count("\n")
    lines = text.split("\r\n" if windows else "\n")
    return KeyList([key for key in lines if key], list(_doubts(lines, name)))


def _doubts(lines: list[str], name: str) -> Iterator[str]:
    """Yield one warning of each kind: a file has many such lines, or none."""
    quoted = [number for number, line in enumerate(lines, 1) if _QUOTED.fullmatch(line)]
    if quoted:
        yield (
            f"{_lines(quoted, name)}: the quotes are taken for a part of the key; if git wrote them, use git diff -z,"
            " which writes names as they are"
        )
    returns = [number for number, line in enumerate(lines, 1) if line.endswith("\r")]
    if returns:
        yield (
            f"{_lines(returns, name)}: the carriage return at the end is taken for a part of the key; end all"
            " lines alike, or put a NUL after each key"
        )


def _lines(numbers: list[int], name: str) -> str:
    more = f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else ""
    return f"{name}: line {numbers[0]:,}{more}"
