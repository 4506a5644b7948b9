"""A ticket: a batch that CloudFront did not accept yet, as a message on the function's own queue. Pure.

It holds the items for one distribution, their caller reference, how often they were refused, and why the last time.
Once it is stored, the messages that brought the changes are acknowledged.
"""

import json
import re
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NamedTuple

from invalidator.errors import EventError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_MESSAGE_BYTES, MAX_PATH_CHARACTERS, MAX_WILDCARDS_PER_CALL
from invalidator.model import Batch, Cause, DistributionId, Item, Request, UrlPath, Wide
from invalidator.urls.encoding import is_path, is_tag

_Json = dict[str, Any]

KIND: Final = "invalidator ticket"

MAX_WHY_CHARACTERS: Final = 500
MAX_SINCE_CHARACTERS: Final = 40
_MAX_RELATION_CHARACTERS: Final = 1_000
_MAX_ID_CHARACTERS: Final = 80

_OTHER_BYTES: Final = 8_192
"""Most bytes of a ticket beside its items: the reason may take six bytes a character."""

MAX_BYTES: Final = MAX_MESSAGE_BYTES - _OTHER_BYTES
"""Most bytes of the items of one ticket."""

MAX_INVOCATIONS: Final = 10
"""Most invocations in a row whose failure a ticket counts."""

MAX_CROWDED: Final = 32
"""Most invocations in a row without room on the distribution that a ticket counts."""

_quoted = encode_basestring_ascii
# Those of distributions and tenants, and the word for the ones that are discovered.
is_id = re.compile(r"[A-Za-z0-9_]{1,80}").fullmatch
_is_reference = re.compile(r"invalidator-[0-9a-f]{32}").fullmatch


class Ticket(NamedTuple):
    """A batch, why it was not accepted, and the mark of the stack that wrote the ticket, if it has one."""

    batch: Batch
    why: str
    stack: str = ""


def is_of_batch(document: _Json) -> bool:
    """Return whether a ticket is that of a batch, which has no version."""
    return "version" not in document


def write(ticket: Ticket, since: str = "") -> str:
    """Return the body of a message: JSON in ASCII, with the path and the first cause of each item.

    Its age counts from ``since``, as S3 writes a time; if that is empty, from the first change.
    """
    batch, why, stack = ticket
    document = {
        "type": KIND,
        "distribution": batch.distribution,
        "caller_reference": batch.caller_reference,
        "attempts": min(batch.attempts, MAX_INVOCATIONS),
        "apart": batch.apart,
        "since": (since or batch.since)[:MAX_SINCE_CHARACTERS],
        "why": why[:MAX_WHY_CHARACTERS],
        "items": [
            [path, (_price(wide) if wide else "") + causes[0].relation, causes[0].source.key]
            for path, causes, wide in batch.items
        ],
    }
    if batch.crowded:
        document["crowded"] = min(batch.crowded, MAX_CROWDED)
    if batch.frozen:
        document["frozen"] = True
    if batch.repeat:
        document["repeat"] = True
    if stack:
        document["stack"] = stack
    return json.dumps(document, separators=(",", ":"))


def sizes(items: tuple[Item, ...]) -> list[int]:
    """Return the bytes that each item takes in a ticket."""
    # A path needs no escapes; its quotes, brackets and commas come to eight.
    return [
        len(path)
        + (_size(causes[0]) if len(causes) == 1 else max(map(_size, causes)))
        + (len(_price(wide)) if wide else 0)
        + 8
        for path, causes, wide in items
    ]


def most_bytes(paths: list[UrlPath], relations: list[str], keys: list[str]) -> int:
    """Return a bound of the bytes that items without a price take in a ticket: all texts are escaped at once.

    There is a relation and a key for every cause. If each item has one, the bound is two above the sum of ``sizes``.
    """
    return len(_quoted("".join((*paths, *relations, *keys)))) + 8 * len(paths) + 4 * len(relations)


def _price(wide: Wide) -> str:
    """Return the words in front of the first of the many objects that a widened item stands for."""
    return f"{wide}, among them "


def _size(cause: Cause) -> int:
    # The largest cause of an item counts: the first one depends on the order of records, and the plan must not.
    return len(_quoted(cause.relation)) + len(_quoted(cause.source.key))


def read(document: _Json, message_id: str | None = None, *, redelivered: bool = False) -> Ticket:
    """Return the ticket in a message. Raises EventError if it was not written here.

    A ``redelivered`` ticket is apart: an invocation that ended early may have sent it already.
    """
    try:
        return _read(document, message_id, redelivered=redelivered)
    except (KeyError, TypeError, ValueError) as error:
        raise EventError(f"a ticket that this program did not write ({error!r:.80})") from error


def _read(document: _Json, message_id: str | None, *, redelivered: bool) -> Ticket:
    reference, attempts, entries = document["caller_reference"], document["attempts"], document["items"]
    if not (isinstance(entries, list) and len(entries) <= MAX_ITEMS_PER_CALL):
        raise TypeError("items")
    origin = text_of(reference, _MAX_ID_CHARACTERS), message_id, text_of(document["since"], MAX_SINCE_CHARACTERS)
    items = tuple(_item(entry, origin) for entry in entries)
    # Tickets of older versions have none of these.
    stack = text_of(document.get("stack", ""), _MAX_ID_CHARACTERS)
    crowded, frozen, repeat = document.get("crowded", 0), document.get("frozen"), document.get("repeat")
    if not (_is_reference(reference) and is_count(attempts, MAX_INVOCATIONS) and is_count(crowded, MAX_CROWDED)):
        raise ValueError("caller_reference, attempts or crowded")
    distribution, apart = text_of(document["distribution"], _MAX_ID_CHARACTERS), bool(document["apart"])
    if not is_id(distribution):
        raise ValueError("distribution")
    apart = apart or redelivered
    batch = Batch(DistributionId(distribution), items, reference, attempts, apart, crowded, bool(frozen), bool(repeat))
    if not _can_be_sent(batch):
        raise ValueError("items")
    return Ticket(batch, text_of(document["why"], MAX_WHY_CHARACTERS), stack)


def text_of(value: object, most: int) -> str:
    """Return a text of at most so many characters. Raises TypeError for anything else."""
    if not (isinstance(value, str) and len(value) <= most):
        raise TypeError("a field is no text, or too long")
    return value


def is_count(value: object, most: int) -> bool:
    """Return whether a value is a whole number from 0 to ``most``."""
    return type(value) is int and 0 <= value <= most


def _item(entry: object, origin: tuple[str, str | None, str]) -> Item:
    if not isinstance(entry, list):  # an object of three fields could be unpacked, too
        raise TypeError("items")
    path, relation, key = entry
    source = Request(text_of(key, MAX_PATH_CHARACTERS), *origin)
    return Item(
        UrlPath(text_of(path, MAX_PATH_CHARACTERS)), (Cause(source, text_of(relation, _MAX_RELATION_CHARACTERS)),)
    )


def _can_be_sent(batch: Batch) -> bool:
    items = batch.items
    paths = {item.path for item in items if is_path(item.path) or is_tag(item.path)}
    return (
        0 < len(items) <= MAX_ITEMS_PER_CALL
        and len(items) == len(paths)
        and batch.wildcards <= MAX_WILDCARDS_PER_CALL
        and sum(sizes(items)) <= MAX_BYTES
    )
