"""A ticket of changes, which wait on the function's own queue. Pure.

In the second version of a ticket, they wait until it is known what some distributions serve; in the third, for the rest
of their burst. An older version of this program does not know these, and leaves them on the queue.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from invalidator.errors import EventError
from invalidator.events.records import change_again, own_identity
from invalidator.events.tickets import (
    KIND,
    MAX_INVOCATIONS,
    MAX_SINCE_CHARACTERS,
    MAX_WHY_CHARACTERS,
    is_count,
    is_id,
    text_of,
)
from invalidator.limits import MAX_MESSAGE_BYTES
from invalidator.model import DistributionId, Gathered, HeldChanges, ObjectChange

_Json = dict[str, Any]

VERSION: Final = 2
GATHERED: Final = 3

_MAX_CHANGES: Final = 15_000
"""Of one ticket: more than a message holds of changes with names of usual length."""

_MAX_IDS: Final = 10_000
_as_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""json.dumps would make an encoder for each of thousands of changes."""

_LAST_TIME: Final = 1e11
"""In seconds since 1970: in some three thousand years."""


def write_held(held: HeldChanges) -> Iterator[tuple[str, tuple[ObjectChange, ...]]]:
    """Yield the body of a message with the changes in it; several if there are more than a message holds."""
    head = {
        "version": VERSION,
        "distributions": held.distributions,
        "attempts": min(held.attempts, MAX_INVOCATIONS),
        "since": held.since[:MAX_SINCE_CHARACTERS],
        "why": held.why[:MAX_WHY_CHARACTERS],
    }
    return _messages(head | ({"listed": held.listed} if held.listed else {}), held.changes)


def write_gathered(gathered: Gathered, most: int = MAX_MESSAGE_BYTES) -> Iterator[tuple[str, tuple[ObjectChange, ...]]]:
    """Yield the body of a message with the changes in it; several if there are more than ``most`` bytes hold."""
    changes, since, going_on = gathered
    return _messages({"version": GATHERED, "since": round(since, 1), "going_on": round(going_on, 1)}, changes, most)


def _messages(
    head: _Json, changes: tuple[ObjectChange, ...], most: int = MAX_MESSAGE_BYTES
) -> Iterator[tuple[str, tuple[ObjectChange, ...]]]:
    begin = json.dumps({"type": KIND, **head, "changes": []}, separators=(",", ":"))[:-2]
    start = size = 0
    texts = [_written(change) for change in changes]
    for end, text in enumerate([*texts, ""]):
        size += len(text) + 1
        is_full = len(begin) + size + 2 > most or end - start == _MAX_CHANGES
        if end > start and (end == len(texts) or is_full):
            yield f"{begin}{','.join(texts[start:end])}]}}", changes[start:end]
            start, size = end, len(text) + 1


def _written(change: ObjectChange) -> str:
    entry = change.bucket, change.key, own_identity(change), change.time, change.version
    return _as_json(entry)


def read_held(document: _Json, message_id: str | None = None, *, redelivered: bool = False) -> HeldChanges:
    """Return the changes in a ticket. Raises EventError if it was not written here."""
    version = document.get("version")
    if version != VERSION:
        what = f"version {version}" if is_count(version, 1_000) else "a version"
        raise EventError(f"a ticket of {what} that this program does not know: update it")
    with _refusing():
        return replace(_read(document, message_id), apart=redelivered)


def is_gathered(document: _Json) -> bool:
    """Return whether a ticket is of the third version."""
    return document.get("version") == GATHERED


def read_gathered(document: _Json, message_id: str | None = None) -> Gathered:
    """Return the changes in a ticket of the third version. Raises EventError if it was not written here."""
    with _refusing():
        if not _is_filled(document["changes"], _MAX_CHANGES):
            raise ValueError("changes")
        changes = tuple(_change(entry, message_id) for entry in document["changes"])
        return Gathered(changes, _time(document["since"]), _time(document["going_on"]))


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise EventError(f"a ticket that this program did not write ({error!r:.80})") from error


def _read(document: _Json, message_id: str | None) -> HeldChanges:
    attempts, ids, entries = document["attempts"], document["distributions"], document["changes"]
    if not (is_count(attempts, MAX_INVOCATIONS) and _is_filled(ids, _MAX_IDS) and _is_filled(entries, _MAX_CHANGES)):
        raise ValueError("attempts, distributions or changes")
    changes = tuple(_change(entry, message_id) for entry in entries)
    return HeldChanges(
        _ids(ids), changes, attempts, text_of(document["why"], MAX_WHY_CHARACTERS), _ids(document.get("listed", []))
    )


def _ids(values: object) -> tuple[DistributionId, ...]:
    if not isinstance(values, list) or len(values) > _MAX_IDS or not all(map(_is_id, values)):
        raise ValueError("distributions")
    return tuple(dict.fromkeys(map(DistributionId, values)))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_id(value) is not None


def _time(value: object) -> float:
    if not (isinstance(value, int | float) and 0 <= value < _LAST_TIME):
        raise ValueError("since or going_on")
    return float(value)


def _is_filled(value: object, most: int) -> bool:
    return isinstance(value, list) and 0 < len(value) <= most


def _change(entry: object, message_id: str | None) -> ObjectChange:
    if not (isinstance(entry, list) and all(isinstance(text, str) for text in entry)):
        raise TypeError("changes")
    bucket, key, identity, time, version = entry
    return change_again(ObjectChange(bucket, key, identity, message_id, time, version))
