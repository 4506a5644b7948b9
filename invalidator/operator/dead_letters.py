"""Read dead letters: which distribution still serves which path. Pure, for the command line.

A dead letter is a ticket that the function gave up, a notification that the queue gave up, or Lambda's record of an
invocation that failed.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

from invalidator.events import tickets
from invalidator.events.decode import DIALECTS, Decoded, decode
from invalidator.events.held import is_gathered, read_held, write_gathered, write_held
from invalidator.model import EXACT, Batch, Distribution, DistributionId, Gathered, HeldChanges, ObjectChange
from invalidator.planning.planner import make_plan
from invalidator.settings.ids import DISCOVER
from invalidator.urls.viewers import View

EVERY: Final = DistributionId("")
"""Stands for all configured distributions, where these are not known."""

_TICKET: Final = "a ticket"

_FAILED_INVOCATION: Final = "a failed invocation"

_NO_REASON: Final = "the function did not get it done; its log of that time says why"


class DeadLetter(NamedTuple):
    """A message in a dead-letter queue. ``sent`` is when it came there (ISO 8601), ``error`` why, if it says so."""

    id: str
    receipt: str
    body: str
    sent: str
    error: str


class UnclearedPath(NamedTuple):
    """A path that a distribution still serves from before a change.

    ``since`` is the time of the change (ISO 8601), ``attempts`` how often CloudFront refused to invalidate it, None if
    that is not known, and ``why`` the last reason.
    """

    distribution: str
    path: str
    since: str
    attempts: int | None
    why: str


class LetterContents(NamedTuple):
    """The kind of a letter and its stale paths. One with a ``problem`` cannot be read whole, and is not sent again.

    ``bodies`` are what is sent again: a ticket, or the ``changes`` in the letter, with the fields that the function
    needs and no others. Nothing else in a letter is ever sent, and nothing in it says where to.
    """

    kind: str
    stale: tuple[UnclearedPath, ...]
    problem: str = ""
    bodies: tuple[str, ...] = ()
    changes: tuple[ObjectChange, ...] = ()


def contents_of(
    letter: DeadLetter, serving: Callable[[set[str]], Sequence[Distribution]], view: View, marker: str = ""
) -> LetterContents:
    """Return the contents of a letter. ``serving`` finds the distributions that may serve some buckets.

    The upload of the ``marker``, the key that ends a burst, makes nothing stale.
    """
    decoded = decode({"Records": [{"eventSource": "aws:sqs", "messageId": letter.id, "body": letter.body}]})
    document = _document_of(letter.body)
    kind = _kind(document)
    # A function without a queue may have failed with a ticket that was sent to it.
    inner = document["requestPayload"] if kind == _FAILED_INVOCATION else document
    if _kind(inner) == _TICKET and not decoded.refusals and not is_gathered(inner):
        return _ticket(letter, inner, serving, view)
    changes = _changes_in(decoded)
    seen = [change for change in changes if change.key != marker]
    attempts, why = _tried(letter, document)
    distributions = serving({change.bucket for change in seen})
    if kind == _FAILED_INVOCATION:
        distributions = _named_in(why, distributions)
    plan = make_plan(seen, distributions, view, allowance=EXACT)
    stale = tuple(_uncleared([*plan.batches, *decoded.tickets], attempts, why, letter))
    problem = _problem(decoded)
    return LetterContents(kind, stale, problem, () if problem else _bodies(changes, decoded), changes)


def _changes_in(decoded: Decoded) -> tuple[ObjectChange, ...]:
    """Return new changes, and those that waited for the rest of their burst."""
    return tuple(chain(decoded.changes, *(ticket.changes for ticket in decoded.gathered)))


def _problem(decoded: Decoded) -> str:
    """Return why something in a letter cannot be sent again; empty if all of it can."""
    if decoded.refusals:
        return "; ".join(sorted({refusal.reason for refusal in decoded.refusals}))
    if decoded.tickets or decoded.held:
        return "a ticket inside of another message, as the function never sends one"
    return ""


def _bodies(changes: tuple[ObjectChange, ...], decoded: Decoded) -> tuple[str, ...]:
    """Return changes as tickets of a burst that is over, so that the function serves them when they come."""
    since = min((ticket.since for ticket in decoded.gathered), default=0.0)
    going_on = max((ticket.going_on for ticket in decoded.gathered), default=0.0)
    return tuple(body for body, _ in write_gathered(Gathered(changes, since, going_on)))


def _ticket(
    letter: DeadLetter, document: Any, serving: Callable[[set[str]], Sequence[Distribution]], view: View
) -> LetterContents:
    """Return what a ticket holds. It is sent again without attempts, or its next refusal would bring it back here.

    A batch keeps its reference, because CloudFront may have accepted it, unless it was given up for want of room.
    """
    if tickets.is_of_batch(document):
        ticket = tickets.read(document)
        batch, why = ticket.batch, ticket.why
        stale = tuple(_uncleared([batch], batch.attempts, why, letter))
        apart = batch.apart or batch.crowded < tickets.MAX_CROWDED
        again = ticket._replace(batch=replace(batch, attempts=0, crowded=0, apart=apart))
        return LetterContents(_TICKET, stale, bodies=(tickets.write(again),))
    waiting = read_held(document)
    stale = tuple(_waiting(waiting, letter, serving, view))
    bodies = tuple(body for body, _ in write_held(replace(waiting, attempts=0)))
    return LetterContents(_TICKET, stale, bodies=bodies, changes=waiting.changes)


def _waiting(
    waiting: HeldChanges, letter: DeadLetter, serving: Callable[[set[str]], Sequence[Distribution]], view: View
) -> Iterator[UnclearedPath]:
    """Yield the paths of changes that waited until it is known what some distributions serve."""
    known = {one.id: one for one in serving({change.bucket for change in waiting.changes})}
    ids = dict.fromkeys(waiting.distributions)
    if DISCOVER in ids:  # those that are discovered now, or else the word itself
        ids |= dict.fromkeys(known.keys() - {*waiting.listed})
    named = [known.get(id_, Distribution(id_)) for id_ in ids if id_ != DISCOVER or len(ids) == 1]
    plan = make_plan(waiting.changes, named, view, allowance=EXACT)
    return _uncleared(plan.batches, waiting.attempts, waiting.why, letter)


def merged(contents: Iterable[LetterContents]) -> list[UnclearedPath]:
    """Return each path of each distribution once, with its earliest time, in the order of these times."""
    found: dict[tuple[str, str], UnclearedPath] = {}
    for row in (row for content in contents for row in content.stale):
        known = found.get((row.distribution, row.path), row)
        attempts = max((count for count in (known.attempts, row.attempts) if count is not None), default=None)
        found[row.distribution, row.path] = row._replace(since=min(known.since, row.since), attempts=attempts)
    return sorted(found.values(), key=lambda row: (row.since, row.distribution, row.path))


def _document_of(body: str) -> Any:
    """Return the JSON in a letter's body; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _kind(document: Any) -> str:
    # What has records beside it is read as these, as the function does.
    if not isinstance(document, dict) or isinstance(document.get("Records"), list):
        return "notifications"
    return next((name for name, infer, _ in DIALECTS if infer(document)), "notifications")


def _uncleared(batches: Iterable[Batch], attempts: int | None, why: str, letter: DeadLetter) -> Iterator[UnclearedPath]:
    for batch in batches:
        reason = _about(batch.distribution, why) or why
        for item in batch.items:
            since = min((cause.source.time for cause in item.causes if cause.source.time), default=letter.sent)
            yield UnclearedPath(batch.distribution, item.path, since, attempts, reason)


# --- failed invocations ---------------------------------------------------------------------------------


def _tried(letter: DeadLetter, document: Any) -> tuple[int | None, str]:
    """Return how often a function failed, None if that is not known, and why it did."""
    why = letter.error or _NO_REASON
    if _kind(document) != _FAILED_INVOCATION:
        return None, why
    context = document["requestContext"]
    count = context.get("approximateInvokeCount") if isinstance(context, dict) else None
    return count if type(count) is int else None, _failure(document) or why


def _failure(record: dict[str, Any]) -> str:
    """Return the error of the function: a line for each distribution that refused, or another text; empty if none."""
    payload = record.get("responsePayload")
    message = payload.get("errorMessage") if isinstance(payload, dict) else None
    return message if isinstance(message, str) else ""


def _named_in(failure: str, distributions: Sequence[Distribution]) -> Sequence[Distribution]:
    """Return the distributions that a failure names. If it names none, any of them may have failed."""
    return [distribution for distribution in distributions if _about(distribution.id, failure)] or distributions


def _about(distribution: str, failure: str) -> str:
    """Return the lines of a failure that name a distribution, in one; empty if there are none."""
    return _by_name(failure).get(distribution, "") if distribution else ""


@lru_cache(maxsize=4)
def _by_name(failure: str) -> dict[str, str]:
    """Return what a failure says of each distribution, or of whatever else its lines begin with."""
    found: dict[str, list[str]] = {}
    for line in failure.splitlines():
        name, colon, rest = line.partition(": ")
        if colon:
            found.setdefault(name, []).append(rest)
    return {name: "; ".join(lines) for name, lines in found.items()}
