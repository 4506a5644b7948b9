"""Dead letters on the screen and as JSON, for ``dlq``."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from invalidator.cli.terminal import Part, narrate, print_line, print_table
from invalidator.operator.dead_letter_queue import DiscardedLetter, ResentLetter
from invalidator.operator.dead_letters import EVERY, DeadLetter, LetterContents, UnclearedPath
from invalidator.wording import count

ReadLetter = tuple[DeadLetter, LetterContents]
"""A dead letter, and what is in it."""

_ANY: Final = "every configured distribution"
_MAX_PATHS: Final = 100
"""Of one letter and distribution, that are shown without --all."""


def print_stale(stale: list[UnclearedPath], unreadable: list[tuple[DeadLetter, str]], *, every: bool) -> None:
    """Print each path, but no more than 100 of what one letter says of one distribution, unless ``every``."""
    rows = list(_rows(stale, every=every))
    for letter, problem in unreadable:
        rows.append(["?", "?", letter.sent, "", f"message {letter.id} cannot be read: {problem}"])
    print_table(("distribution", "path", "since", "attempts", "why"), rows)


def _rows(stale: list[UnclearedPath], *, every: bool) -> Iterator[list[Part]]:
    for (distribution, since, attempts, why), same in groupby(stale, lambda row: (row[0], *row[2:])):
        paths = [row.path for row in same]
        for path in _some(paths, every=every):
            tried = "" if attempts is None else str(attempts)
            yield [(_name(distribution), "cyan"), path, since, tried, why]


def _some(lines: list[str], *, every: bool) -> list[str]:
    """Return the first 100 lines, and one that counts the others; or all."""
    left = len(lines) - _MAX_PATHS
    return lines if every or left <= 0 else [*lines[:_MAX_PATHS], f"… and {left:,} more; --all shows them"]


def stale_json(stale: list[UnclearedPath], letters: list[ReadLetter]) -> dict[str, Any]:
    """Return what is stale, and what is in each letter. A distribution is null if it may be any configured one."""
    return {
        "stale": _rows_json(stale),
        "unreadable": [
            {"message_id": letter.id, "sent": letter.sent, "error": contents.problem}
            for letter, contents in letters
            if contents.problem
        ],
        "letters": [
            {"message_id": letter.id, "sent": letter.sent, "contents": _summary(contents)}
            for letter, contents in letters
        ],
    }


def _rows_json(stale: Iterable[UnclearedPath]) -> list[dict[str, Any]]:
    return [
        {
            "distribution": row.distribution or None,
            "path": row.path,
            "since": row.since,
            "attempts": row.attempts,
            "error": row.why,
        }
        for row in stale
    ]


def print_sent(sent: ResentLetter, *, every: bool, whole: bool) -> None:
    """Print a letter that was sent again, or narrate why it was not.

    With ``whole``, everything that is sent is printed: no more than 100 lines, unless ``every``.
    """
    if sent.problem:
        _narrate_left(sent.letter, sent.problem)
        return
    print_line((sent.letter.id, "cyan"), f"  {_summary(sent.contents)}  → {sent.to}")
    if whole:
        contents = sent.contents
        changed = [f"s3://{change.bucket}/{change.key}" for change in contents.changes]
        for line in _some(changed or _stale_lines(contents), every=every):
            print_line(f"    {line}")


def _stale_lines(contents: LetterContents) -> list[str]:
    return [f"{_name(row.distribution)}  {row.path}" for row in contents.stale]


def sent_json(sent: Iterable[ResentLetter]) -> dict[str, Any]:
    """Return what was sent again, and what was left."""
    answer: dict[str, list[Any]] = {"sent": [], "left": []}
    for letter, contents, to, problem in sent:
        if problem:
            answer["left"].append({"message_id": letter.id, "error": problem})
        else:
            bodies = [json.loads(body) for body in contents.bodies]
            answer["sent"].append({"message_id": letter.id, "kind": contents.kind, "to": to, "bodies": bodies})
    return answer


def print_discarded(discarded: Iterable[DiscardedLetter], *, every: bool) -> None:
    """Print each letter and, below it, the paths that it was about: no more than 100, unless ``every``."""
    for letter, contents, problem in discarded:
        if problem:
            _narrate_left(letter, problem)
            continue
        print_line((letter.id, "cyan"), f"  {_summary(contents)}")
        for line in _some(_stale_lines(contents), every=every):
            print_line(f"    {line}")


def discarded_json(discarded: Iterable[DiscardedLetter], missing: list[str]) -> dict[str, Any]:
    """Return what was discarded, what was left, and the ids of which there was no letter."""
    answer: dict[str, list[Any]] = {"discarded": [], "left": [], "missing": missing}
    for letter, contents, problem in discarded:
        if problem:
            answer["left"].append({"message_id": letter.id, "error": problem})
        else:
            whole = {"contents": _summary(contents), "stale": _rows_json(contents.stale)}
            answer["discarded"].append({"message_id": letter.id, **whole})
    return answer


def _narrate_left(letter: DeadLetter, problem: str) -> None:
    narrate(f"left where it is: message {letter.id}: {problem}")


def _summary(contents: LetterContents) -> str:
    """Say in a line what is in a letter."""
    if contents.problem and not contents.stale:
        return f"cannot be read: {contents.problem}"
    distributions = dict.fromkeys(row.distribution for row in contents.stale)
    if not distributions:
        return f"{contents.kind}: nothing that a viewer sees"
    rest = f"; the rest cannot be read: {contents.problem}" if contents.problem else ""
    paths = {row.path for row in contents.stale}
    return f"{contents.kind}: {count(len(paths), 'path')} on {', '.join(map(_name, distributions))}{rest}"


def _name(distribution: str) -> str:
    return _ANY if distribution == EVERY else distribution
