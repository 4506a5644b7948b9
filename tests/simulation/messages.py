"""The messages of the queue: notifications of S3, tickets of a batch, and two kinds of tickets of changes."""

import json
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from tests.simulation.sites import Place, Sites
from tests.simulation.uploads import Upload
from tests.simulation.world import BEGINNING

EVERY = "every distribution"


class Ticket(NamedTuple):
    """A ticket: of a batch, with its places and reference, or of changes for some distributions or for EVERY one.

    ``since`` is when the earliest of its changes happened, ``held_since`` when the first of what waits for the rest
    of their burst was received. That of a second clearing ``is_repeat``; ``since`` is then when it is due. The batch of
    one that ``is_fixed`` is neither cut nor merged, since CloudFront may know it.
    """

    since: float
    attempts: int
    crowded: int
    batch: tuple[Place, ...]
    reference: tuple[str, str]
    keys: tuple[str, ...]
    why: str
    distributions: tuple[str, ...] = ()
    held_since: float = inf
    is_repeat: bool = False
    is_fixed: bool = False

    @property
    def ids(self) -> set[str]:
        """Return the distributions that it names."""
        return {id_ for id_, _ in self.batch} | set(self.distributions) - {"discover", EVERY}

    def places(self, sites: Sites) -> list[Place]:
        """Return everything that it stands for. "discover" stands for the distributions that no setting names."""
        if not self.distributions:
            return list(self.batch)
        if self.distributions == (EVERY,):  # that is served when they go
            return _places(self, tuple(sites.served), sites)
        found = sites.discovered if "discover" in self.distributions else []
        return _places(self, tuple(dict.fromkeys([*self.distributions, *found])), sites)


@lru_cache(maxsize=64)
def _places(ticket: Ticket, distributions: tuple[str, ...], sites: Sites) -> list[Place]:
    known = [id_ for id_ in distributions if id_ in sites.all]
    return [place for key in ticket.keys for place in sites.places(key, known)]


@lru_cache(maxsize=512)
def ticket_of(body: str) -> Ticket | None:
    """Return the ticket in a message; None if it is a notification."""
    if body.startswith('{"Records"'):
        return None
    document = json.loads(body)
    if document.get("version") == 3:
        keys = tuple(change[1] for change in document["changes"])
        first = min(_seconds_of(change[3]) for change in document["changes"])
        received = document["since"] - BEGINNING.timestamp()
        return Ticket(first, 0, 0, (), ("", ""), keys, "", (EVERY,), received)
    since, attempts, crowded = _seconds_of(document["since"]), document["attempts"], document.get("crowded", 0)
    if "changes" in document:
        keys = tuple(change[1] for change in document["changes"])
        return Ticket(since, attempts, crowded, (), ("", ""), keys, document["why"], tuple(document["distributions"]))
    id_ = document["distribution"]
    places = tuple((id_, path) for path, *_ in document["items"])
    keys = tuple(key for *_, key in document["items"])
    reference = id_, document["caller_reference"]
    is_repeat, is_fixed = document.get("repeat", False), bool(document["apart"] or document.get("frozen"))
    return Ticket(
        since, attempts, crowded, places, reference, keys, document["why"], is_repeat=is_repeat, is_fixed=is_fixed
    )


def _seconds_of(time: str) -> float:
    return (datetime.fromisoformat(time) - BEGINNING).total_seconds() if time else 0.0


def notification(number: int, upload: Upload) -> str:
    """Return what S3 tells of an upload."""
    return json.dumps({"Records": [_record(number, upload)]})


def _record(number: int, upload: Upload) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": (BEGINNING + timedelta(seconds=upload.at)).isoformat().replace("+00:00", "Z"),
        "eventName": "ObjectRemoved:Delete" if upload.removed else "ObjectCreated:Put",
        "s3": {"bucket": {"name": "origin"}, "object": {"key": quote_plus(upload.key), "sequencer": f"{number:018X}"}},
    }


def places_of(body: str, sites: Sites) -> list[Place]:
    """Return everything that a message stands for."""
    ticket = ticket_of(body)
    return sites.places(key_of(body), sites.served) if ticket is None else ticket.places(sites)


@lru_cache(maxsize=512)
def key_of(body: str) -> str:
    """Return the key of the object that a notification tells of."""
    return unquote_plus(json.loads(body)["Records"][0]["s3"]["object"]["key"])
