"""What is in the dead letters: which distribution still serves which path. Pure, for the command line.

A letter is a ticket that the function gave up, a notification that the queue did, or Lambda's record of an invocation
that failed.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from invalidator.events import tickets
from invalidator.events.decode import DIALECTS, decode
from invalidator.model import EXACT, Batch, Distribution, DistributionId
from invalidator.planning.planner import make_plan
from invalidator.urls.viewers import View

EVERY: Final = DistributionId("")
"""Stands for all configured distributions where it is not known which those are."""

TICKET: Final = "a ticket"
FAILED_INVOCATION: Final = "a failed invocation"
"""The only kind of letter that is not sent to a queue."""

_NOT_HANDLED: Final = "the function did not get it done; its log of that time says why"


class DeadLetter(NamedTuple):
    """A message in the dead letters. ``sent`` is when it first was (ISO 8601), ``error`` why it was put here."""

    id: str
    receipt: str
    body: str
    sent: str
    error: str


class StalePath(NamedTuple):
    """A distribution that still serves a path: since when, how often it refused to forget it (if known), and why."""

    distribution: str
    path: str
    since: str
    attempts: int | None
    why: str


class LetterContents(NamedTuple):
    """What is in a letter. ``problem`` says what of it cannot be read; such a letter is not sent again."""

    kind: str
    stale: tuple[StalePath, ...]
    problem: str = ""


Serving = Callable[[set[str]], Sequence[Distribution]]
"""What finds the distributions that may serve some buckets."""


def contents_of(letter: DeadLetter, serving: Serving, view: View) -> LetterContents:
    """What is stale, as far as this letter goes, and on which distributions."""
    decoded = decode({"Records": [{"eventSource": "aws:sqs", "messageId": letter.id, "body": letter.body}]})
    problem = "; ".join(sorted({refusal.reason for refusal in decoded.refusals}))
    document = document_of(letter.body)
    kind = next(
        (name for name, infer, _ in DIALECTS if isinstance(document, dict) and infer(document)), "notifications"
    )
    attempts, why = None, letter.error or _NOT_HANDLED
    if kind == TICKET and not problem:
        batch, why = tickets.read(document)
        return LetterContents(kind, tuple(_stale([batch], batch.attempts, why, letter)))
    distributions = serving({change.bucket for change in decoded.changes})
    if kind == FAILED_INVOCATION:
        attempts, why = _attempts(document), _failure(document) or why
        distributions = _refusing(distributions, why)
    plan = make_plan(decoded.changes, distributions, view, allowance=EXACT)
    return LetterContents(kind, tuple(_stale([*plan.batches, *decoded.tickets], attempts, why, letter)), problem)


def merged(contents: Iterable[LetterContents]) -> list[StalePath]:
    """Each path of each distribution once, those first that have been stale for the longest time."""
    found: dict[tuple[str, str], StalePath] = {}
    for row in (row for content in contents for row in content.stale):
        known = found.get((row.distribution, row.path), row)
        attempts = max((count for count in (known.attempts, row.attempts) if count is not None), default=None)
        found[row.distribution, row.path] = row._replace(since=min(known.since, row.since), attempts=attempts)
    return sorted(found.values(), key=lambda row: (row.since, row.distribution, row.path))


def document_of(body: str) -> Any:
    """What a letter's body holds; None if that is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _stale(batches: Iterable[Batch], attempts: int | None, why: str, letter: DeadLetter) -> Iterator[StalePath]:
    for batch in batches:
        for item in batch.items:
            since = min((cause.source.time for cause in item.causes if cause.source.time), default=letter.sent)
            yield StalePath(batch.distribution, item.path, since, attempts, _about(batch.distribution, why))


def _attempts(record: dict[str, Any]) -> int | None:
    context = record["requestContext"]
    count = context.get("approximateInvokeCount") if isinstance(context, dict) else None
    return count if type(count) is int else None


def _failure(record: dict[str, Any]) -> str:
    """What the function said. It is a line for each distribution that refused, if it came to that."""
    payload = record.get("responsePayload")
    message = payload.get("errorMessage") if isinstance(payload, dict) else None
    return message if isinstance(message, str) else ""


def _refusing(distributions: Sequence[Distribution], failure: str) -> Sequence[Distribution]:
    """Those that a failure names; if it names none, nobody knows, and it may be any of them."""
    return [one for one in distributions if _about(one.id, failure) != failure] or distributions


def _about(distribution: str, why: str) -> str:
    """The part of a failure that concerns a distribution, if there is one."""
    lines = [line for line in why.splitlines() if distribution and line.startswith(f"{distribution}: ")]
    return "; ".join(line.removeprefix(f"{distribution}: ") for line in lines) or why


def anew(letter: DeadLetter, contents: LetterContents) -> str:
    """The same message; a ticket's attempts begin anew, or the next refusal would bring it back here."""
    if contents.kind != TICKET:
        return letter.body
    batch, why = tickets.read(document_of(letter.body))
    return tickets.write(tickets.Ticket(replace(batch, attempts=0), why))
