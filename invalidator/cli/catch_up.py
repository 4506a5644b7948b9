"""``catch-up``: send what changed in a bucket while nobody heard of it."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from invalidator.aws import sdk
from invalidator.aws.listings import Listings
from invalidator.cli import options
from invalidator.cli.catch_up_inputs import Place, marker_meant, marker_text, place_meant, window_meant
from invalidator.cli.options import option
from invalidator.cli.plan_view import dollars
from invalidator.cli.session import errors_explained, interruptible, undisturbed
from invalidator.cli.terminal import narrate, print_json, print_line, states_shown, stderr_console, utc
from invalidator.connection.catch_up import CatchUp, CatchUpProgress, Window
from invalidator.connection.heard import Marker
from invalidator.errors import EventError, InvalidatorError, ListingError, StorageError
from invalidator.events.held import read_gathered
from invalidator.limits import USD_PER_PATH
from invalidator.wording import count

_TELLING: Final = 100
"""After so many pages, a line says how far the listing has come, where nothing moves on a terminal."""

_TIME: Final = "an age, as 90s, 45m, 2h or 3d, or a time, as 2026-11-30T08:00:00Z"
_Prefix = Annotated[
    str | None,
    option("--prefix", "Only keys that begin with this; if not given, those that the stack hears of, or all.", "TEXT"),
]
_Suffix = Annotated[str | None, option("--suffix", "Only keys that end with this, in the same way.", "TEXT")]
_MaxPages = Annotated[
    int,
    option("--max-pages", "Stop after this many pages of a thousand versions each; 10,000 cost 0.05 USD.", "N", min=1),
]


@options.in_account
def catch_up(
    context: typer.Context,
    *,
    since: Annotated[str, option("--since", f"Since when nobody heard of changes: {_TIME}.", "TIME")],
    until: Annotated[str | None, option("--until", "Until when; if not given, now.", "TIME")] = None,
    bucket: options.OriginBucket = None,
    queue: Annotated[
        str | None, options.queue_option("The function's queue; if not given, that of the stack, or QUEUE_URL.")
    ] = None,
    prefix: _Prefix = None,
    suffix: _Suffix = None,
    dry_run: options.DryRun = False,
    max_pages: _MaxPages = 10_000,
    after: Annotated[
        str | None, option("--after", "Go on where an earlier run has stopped, which said what to give here.", "MARKER")
    ] = None,
    as_json: options.Json = False,
    stack: options.StackName = None,
) -> None:
    """List a bucket, and send what changed while nobody heard of it to the function, by its queue.

    A stack that checks its bucket does that by itself. By hand: after a bucket was disconnected, or with another queue.
    It sees what was written and, in a bucket with versions, what was deleted, by its delete marker. It does
    not see what was deleted for good, nor changes of ACLs, for which S3 changes no time. An object that was uploaded in
    parts has the time at which the upload began, and counts if that was up to a day earlier.

    What S3 told of all the same has been cleared already, and is cleared and billed once more. What an earlier catch-up
    sent, CloudFront mostly knows by its reference: it is neither cleared nor billed again. 'create --key' clears it in
    any case. --dry-run shows what would be sent, and what it may cost.

    Example: invalidator catch-up --since 2h --stack invalidator-dev

    Example: invalidator catch-up --since 3h --until 45m --bucket my-origin --queue my-changes --dry-run
    """
    with errors_explained():
        window = window_meant(since, until, datetime.now(UTC))
        place = place_meant(stack, bucket, queue, prefix, suffix)
        marker = None if after is None else marker_meant(after, place, window)
        shown = _Shown(as_json)
        name, sink = ("", shown) if dry_run else place.connect()
        listings = Listings.connect()

    def line(after: Marker | None) -> str:
        times = {"since": utc(window.since), "until": utc(window.until)}
        going_on = marker_text(after, place, window) if after else None
        instead = {"stack": stack or None, "after": going_on} | times
        return options.retyped("catch-up", context, context.params | instead)

    report = _Report(place, window, name, CatchUpProgress(marker), line, shown.objects if dry_run else None, as_json)
    if window.since == window.until:
        report.progress.is_done = True
        narrate(f"There is no time between {utc(window.since)} and {utc(window.until)}.")
        report.tell()
        return
    if marker:
        narrate(f"Going on after key {marker[0]!r}.")
    with interruptible(lambda: report.stop("Interrupted.")):
        try:
            with _progress(in_place=not dry_run) as tell:
                run = CatchUp(place.bucket, window, listings, sink, place.keys)
                for progress in run.run(listings.bounds(math.inf, max_pages), marker):
                    report.progress = progress
                    tell(progress)
        except (ListingError, StorageError, EventError) as error:
            raise typer.Exit(report.fail(error, max_pages)) from error
    report.tell()


class _Shown:
    """Takes changes in place of a queue, and prints each as a line, or keeps them for a JSON document."""

    def __init__(self, as_json: bool) -> None:
        self.objects: list[dict[str, str]] = []
        self._as_json = as_json

    def send(self, text: str) -> None:
        for change in read_gathered(json.loads(text)).changes:
            modified = f"{change.time[:19]}Z"
            if self._as_json:
                self.objects.append({"key": change.key, "modified": modified})
            else:
                print_line(f"{modified}  {_key_text(change.key)}")


def _key_text(key: str) -> str:
    """Return a key for a line: in quotes if it has spaces at an end, or what is not printable, or begins with one."""
    is_plain = key.isprintable() and key == key.strip() and key[0] not in "'\""
    return key if is_plain else repr(key)


@dataclass
class _Report:
    """The result so far. ``objects`` are those of a dry run; ``line`` is how it goes on after a marker."""

    place: Place
    window: Window
    target: str
    progress: CatchUpProgress
    line: Callable[[Marker | None], str]
    objects: list[dict[str, str]] | None
    as_json: bool

    def tell(self) -> None:
        """Tell what was done."""
        self._print()
        progress = self.progress
        narrate(self._summary())
        if progress.changes:
            narrate(self._price())
        if progress.early:
            early = count(progress.early, "object")
            narrate(f"Uploads in parts have the time at which they began, so those of the day before count: {early}.")
        if self._sees_deletes() is False:
            narrate(f"Bucket {self.place.bucket} shows no versions, and so not what was deleted: see 'create --key'.")
        if self.objects is None and progress.changes:
            narrate(
                "The function clears within about two minutes what no earlier catch-up has sent: 'status' shows it, and"
                " 'dlq' what it gave up. 'create --key' clears in any case."
            )

    def fail(self, error: InvalidatorError, max_pages: int) -> int:
        """Tell why it failed. Return the exit status."""
        if isinstance(error, ListingError) and self.progress.pages >= max_pages:
            self.stop(f"Stopped after {count(max_pages, 'page')}, as --max-pages says.")
            return 1
        is_missing = any(sdk.code_of(each) == "NoSuchBucket" for each in sdk.causes_of(error))
        self.stop(f"error: {error}", helps=not is_missing)
        return 2 if is_missing else 1

    def stop(self, why: str, *, helps: bool = True) -> None:
        """Tell why it stopped and, where it ``helps``, with which line it goes on."""
        pages, is_dry = self.progress.pages, self.objects is not None
        with undisturbed():
            if pages:
                self._print()
            narrate(why)
            if pages:
                narrate(self._summary())
            if helps and not self.progress.is_done and (pages or not is_dry):
                narrate("To go on:" if is_dry else "To go on (what was sent last may be sent twice):")
                narrate(f"  {self.line(self.progress.after)}")

    def _sees_deletes(self) -> bool | None:
        """Return whether the listing shows what was deleted; None if it shows too little to tell."""
        progress = self.progress
        return progress.has_versions or (False if progress.versions and progress.is_done else None)

    def _print(self) -> None:
        if not self.as_json:
            return
        done, after = self.progress.is_done, self.progress.after
        document = {
            "bucket": self.place.bucket,
            "to": self.target or None,
            "since": utc(self.window.since),
            "until": utc(self.window.until),
            **self.progress.document(),
            "sees_deletes": self._sees_deletes(),
            "done": done,
            "after": None if done or not after else marker_text(after, self.place, self.window),
        }
        print_json("catch-up", document | ({} if self.objects is None else {"objects": self.objects}))

    def _summary(self) -> str:
        progress, (since, until) = self.progress, self.window
        listed = f"{_listed(progress)} from {utc(since)} to {utc(until)}"
        messages = count(progress.messages, "message")
        if not progress.changes:
            return f"{listed}. Nothing was sent."
        if self.objects is not None:
            return f"{listed}. Nothing was sent: it would be {messages}."
        return f"{listed}. {messages} sent to {self.target}."

    def _price(self) -> str:
        usd = dollars(self.progress.changes * USD_PER_PATH)
        return (
            f"At one path each, they would cost {usd} USD on each distribution that serves them ({USD_PER_PATH} USD a"
            " path). Where much changed, the function sends a few wildcards instead. MAX_PATHS and MONTHLY_BUDGET bound"
            " that."
        )


def _listed(progress: CatchUpProgress) -> str:
    versions, pages = count(progress.versions, "version"), count(progress.pages, "page")
    return f"{versions} on {pages} listed: {count(progress.changes, 'object')} changed"


@contextmanager
def _progress(*, in_place: bool) -> Iterator[Callable[[CatchUpProgress], None]]:
    """Yield a function that takes the progress: a terminal shows it ``in_place``, anything else a line now and then."""
    if in_place and stderr_console().is_terminal:
        with states_shown() as tell:
            yield lambda progress: tell(_listed(progress))
    else:

        def tell_lines(progress: CatchUpProgress) -> None:
            if progress.pages and progress.pages % _TELLING == 0:
                narrate(f"  {_listed(progress)}")

        yield tell_lines
