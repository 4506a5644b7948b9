"""``dlq``: list the dead letters, send them again, or discard them."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.dlq_view import (
    ReadLetter,
    discarded_json,
    print_discarded,
    print_sent,
    print_stale,
    sent_json,
    stale_json,
)
from invalidator.cli.lookups import distributions_as_known
from invalidator.cli.options import option
from invalidator.cli.session import errors_explained, interruptible
from invalidator.cli.terminal import narrate, print_json
from invalidator.errors import ConfigurationError
from invalidator.model import Distribution
from invalidator.operator.dead_letter_queue import DeadLetterQueue, Recipient, source_among
from invalidator.operator.dead_letters import EVERY, DeadLetter, contents_of, merged
from invalidator.settings import environment
from invalidator.settings.environment import Settings
from invalidator.wording import count

_To = Annotated[
    str | None,
    option(
        "--to", "The queue that --retry sends to. If not given: the queue whose dead letters these are.", "URL|NAME"
    ),
]
_Function = Annotated[
    str | None,
    option(
        "--function",
        "The function that --retry sends to, in place of a queue: that of a stack with --param trigger=direct.",
        "NAME|ARN",
    ),
]
_AnyQueue = Annotated[
    bool,
    option(
        "--any-queue",
        "Read the queue even if no other queue has it as its dead-letter queue. Whatever is read in a queue at work"
        " counts as a failed delivery there.",
    ),
]
_Discard = Annotated[
    list[str],
    option(
        "--discard",
        "Delete the letter with this id for good, whatever is in it. --json lists the ids of all letters, the table"
        " only those of letters that cannot be read. Repeatable.",
        "ID",
        **options.REPEATABLE,
    ),
]

_INTERRUPTED: Final = "Interrupted. Every letter that was not deleted is in the queue again."


@options.in_account
def dlq(
    *,
    queue: Annotated[str | None, options.queue_option("The dead-letter queue; if not given, DEAD_LETTERS_URL.")] = None,
    as_json: options.Json = False,
    every: options.All = False,
    retry: Annotated[bool, option("--retry", "Send each letter again, and delete what was accepted.")] = False,
    to: _To = None,
    function: _Function = None,
    any_queue: _AnyQueue = False,
    discard: _Discard,
    dry_run: options.DryRun = False,
) -> None:
    """List what was given up: which distribution still serves which path, since when, and why; oldest first.

    Leaves all letters in the dead-letter queue. With --retry, once the cause is fixed: sends the changes and tickets in
    each letter again, with their attempts at 0, and deletes the letter once they are accepted. They go to the queue
    that the letters come from, or to the queue or function that you name, whatever a letter says. --dry-run shows what
    would be sent, with --all however much that is. With --discard: deletes letters that are of no use, such as those
    that cannot be read; the paths in them stay stale.

    Example: invalidator dlq --queue my-dead-letters --retry --dry-run

    Example: invalidator dlq --discard 5fea7756-0ea4-451a-a703-a558b933e274
    """
    with interruptible(lambda: narrate(_INTERRUPTED)), errors_explained():
        _check_options(retry, discard, to, function, dry_run)
        letter_queue, configured = _open(queue)
        sources = [] if any_queue else letter_queue.sources()
        recipient = _recipient(letter_queue, to, function, sources, configured) if retry else None
        with letter_queue.held() as held:
            letters = _read(letter for letter in held if not discard or letter.id in discard)
            done = True
            if discard:
                done = _discard(letter_queue, letters, discard, every=every, dry_run=dry_run, as_json=as_json)
            elif recipient:
                done = _send_again(letter_queue, letters, recipient, every=every, dry_run=dry_run, as_json=as_json)
            else:
                _list(letters, every=every, as_json=as_json)
            if not held:
                _narrate_empty(letter_queue)
    if not done:
        raise typer.Exit(1)


def _check_options(retry: bool, discard: list[str], to: str | None, function: str | None, dry_run: bool) -> None:
    recipients = 2 - [to, function].count(None)
    for is_wrong, options_, sentence in (
        (retry and discard, "--retry / --discard", "give one of them"),
        (recipients > 1, "--to / --function", "give one of them"),
        (recipients and not retry, "--to / --function", "give it together with --retry"),
        (dry_run and not (retry or discard), "--dry-run", "give it together with --retry or --discard"),
    ):
        if is_wrong:
            raise ConfigurationError(f"{options_}: {sentence}")


def _open(queue: str | None) -> tuple[DeadLetterQueue, str]:
    """Return the dead-letter queue, and the URL of the function's queue, if that is configured."""
    configured, dead = environment.queue_urls()
    name = queue or dead
    if not name:
        raise ConfigurationError("no dead-letter queue is known: give --queue, or set DEAD_LETTERS_URL")
    return DeadLetterQueue.connect(name), configured


def _read(held: Iterable[DeadLetter]) -> list[ReadLetter]:
    try:
        settings, unknown = environment.load(), ""
    except ConfigurationError as error:
        settings, unknown = Settings((EVERY,), environment.view()), str(error)
    described = partial(_described, settings)
    letters = [(letter, contents_of(letter, described, settings.view, settings.deploy_marker)) for letter in held]
    if unknown and any(row.distribution == EVERY for _, contents in letters for row in contents.stale):
        narrate(f"The configured distributions are not known here: {unknown}")
    return letters


def _described(settings: Settings, buckets: set[str]) -> list[Distribution]:
    """Return the distributions. Of those that nobody can describe now, letters are shown all the same."""
    return distributions_as_known(settings, buckets)


def _list(letters: list[ReadLetter], *, every: bool, as_json: bool) -> None:
    stale = merged(contents for _, contents in letters)
    unreadable = [(letter, contents.problem) for letter, contents in letters if contents.problem]
    if as_json:
        print_json("dlq", stale_json(stale, letters))
    else:
        print_stale(stale, unreadable, every=every)
    if letters:
        narrate(f"{count(len(stale), 'stale path')} in {count(len(letters), 'dead letter')}, all left where they are.")
    if unreadable:
        narrate("Letters that cannot be read are never sent again: delete them by their ids with --discard.")


def _discard(
    queue: DeadLetterQueue, letters: list[ReadLetter], ids: list[str], *, every: bool, dry_run: bool, as_json: bool
) -> bool:
    """Delete these letters. Return False if one was left, or is not there."""
    done = [queue.discard(letter, contents, dry_run=dry_run) for letter, contents in letters]
    missing = sorted(set(ids) - {letter.id for letter, _ in letters}, key=ids.index)
    if as_json:
        print_json("dlq", discarded_json(done, missing))
    else:
        print_discarded(done, every=every)
    _narrate_missing(missing)
    gone = [one.contents for one in done if not one.problem]
    if letters:
        _narrate_count(len(gone), len(done) - len(gone), "discarded", dry_run=dry_run)
    stale = merged([] if dry_run else gone)
    if stale:
        narrate(f"{count(len(stale), 'path')} in them may still be stale: clear them with 'create'.")
    return len(gone) == len(done) and not missing


def _narrate_missing(ids: list[str]) -> None:
    for id_ in ids:
        narrate(
            f"The dead-letter queue shows no letter {id_!r}: check the id with 'dlq --json'. If another reader has the"
            " letter, try again in ten minutes."
        )


def _recipient(
    queue: DeadLetterQueue, to: str | None, function: str | None, sources: list[str], configured: str
) -> Recipient:
    if function is not None:
        return queue.function(function)
    return queue.queue(source_among(sources, configured) if to is None else to)


def _send_again(
    queue: DeadLetterQueue, letters: list[ReadLetter], to: Recipient, *, every: bool, dry_run: bool, as_json: bool
) -> bool:
    """Send these letters again. Return False if one was left."""
    done = []
    for letter, contents in letters:
        done.append(queue.send_again(letter, contents, to, dry_run=dry_run))
        if not as_json:
            print_sent(done[-1], every=every, whole=dry_run)
    if as_json:
        print_json("dlq", sent_json(done))
    sent = [letter.problem for letter in done].count("")
    if letters:
        _narrate_count(sent, len(done) - sent, "sent again", dry_run=dry_run)
    return sent == len(done)


def _narrate_count(done: int, left: int, what: str, *, dry_run: bool) -> None:
    would = f"would be {what}; nothing was." if dry_run else f"{what}."
    rest = f" {left:,} left where they are." if left else ""
    narrate(f"{count(done, 'dead letter')} {would}{rest}")


def _narrate_empty(queue: DeadLetterQueue) -> None:
    if elsewhere := queue.hidden():
        narrate(
            f"The dead-letter queue shows nothing, but another reader may have {count(elsewhere, 'letter')} just now:"
            " look again in ten minutes."
        )
    else:
        narrate("The dead-letter queue is empty: nothing is known to be stale.")
