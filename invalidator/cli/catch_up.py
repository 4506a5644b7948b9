"""``catch-up``: send what changed in a bucket while nobody heard of it."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from invalidator.aws.listings import Listings
from invalidator.cli import options
from invalidator.cli.catch_up_inputs import Place, marker_meant, marker_text, place_meant, window_meant
from invalidator.cli.options import option
from invalidator.cli.plan_view import dollars
from invalidator.cli.session import errors_explained, interruptible, undisturbed
from invalidator.cli.terminal import narrate, print_json, print_line, states_shown, stderr_console, utc
from invalidator.connection.catch_up import CatchUp, CatchUpProgress, Window
from invalidator.connection.heard import Marker
from invalidator.errors import EventError, ListingError, StorageError
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
    It sees what was written and, in a bucket with versions, what was deleted, by its delete marker; not what was
    deleted for good. An object that was uploaded in parts has the time at which the upload began, and counts if that
    was up to a day earlier.

    What was heard of all the same is cleared once more. --dry-run shows what would be sent, and what it may cost.

    Example: invalidator catch-up --since 2h --stack invalidator-dev

    Example: invalidator catch-up --since 3h --until 45m --bucket my-origin --queue my-changes --dry-run
    """
    with errors_explained():
        window = window_meant(since, until, datetime.now(UTC))
        marker = None if after is None else marker_meant(after)
        place = place_meant(stack, bucket, queue, prefix, suffix)
        shown = _Shown(as_json)
        name, sink = ("", shown) if dry_run else place.connect()
        listings = Listings.connect()

    def line(after: Marker | None) -> str:
        times = {"since": utc(window.since), "until": utc(window.until)}
        instead = {"stack": stack or None, "after": marker_text(after) if after else None} | times
        return options.retyped("catch-up", context, context.params | instead)

    report = _Report(place, window, name, CatchUpProgress(marker), line, shown.objects if dry_run else None)
    with interruptible(lambda: report.stop("Interrupted.", as_json=as_json)):
        try:
            with _progress(in_place=not dry_run) as tell:
                run = CatchUp(place.bucket, window, listings, sink, place.keys)
                for progress in run.run(listings.bounds(math.inf, max_pages), marker):
                    report.progress = progress
                    tell(progress)
        except (ListingError, StorageError, EventError) as error:
            report.stop(f"error: {error}", as_json=as_json)
            raise typer.Exit(1) from error
    report.tell(as_json=as_json)


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
                print_line(f"{modified}  {change.key}")


@dataclass
class _Report:
    """The result so far. ``objects`` are those of a dry run; ``line`` is how it goes on after a marker."""

    place: Place
    window: Window
    target: str
    progress: CatchUpProgress
    line: Callable[[Marker | None], str]
    objects: list[dict[str, str]] | None

    def tell(self, *, as_json: bool) -> None:
        """Tell what was done."""
        self._print(as_json=as_json)
        narrate(self._summary())
        if self.progress.changes:
            narrate(self._price())
            narrate(
                "What was uploaded in parts is among them from a day earlier on: its time is when the upload began."
            )
        if not self.progress.has_versions:
            narrate(f"Bucket {self.place.bucket} shows no versions, and so not what was deleted: see 'create --key'.")
        if self.objects is None and self.progress.changes:
            narrate("The function clears them within about two minutes: 'status' shows it, and 'dlq' what it gave up.")

    def stop(self, why: str, *, as_json: bool) -> None:
        """Tell why it stopped, and with which line it goes on."""
        with undisturbed():
            if self.progress.pages:
                self._print(as_json=as_json)
            narrate(why)
            if self.progress.pages:
                narrate(self._summary())
            narrate("To go on from there, with at most what was sent last sent twice:")
            narrate(f"  {self.line(self.progress.after)}")

    def _print(self, *, as_json: bool) -> None:
        if not as_json:
            return
        done, after = self.progress.is_done, self.progress.after
        document = {
            "bucket": self.place.bucket,
            "to": self.target or None,
            "since": utc(self.window.since),
            "until": utc(self.window.until),
            **self.progress.document(),
            "sees_deletes": self.progress.has_versions,
            "done": done,
            "after": None if done or not after else marker_text(after),
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
            f"If each were a path of its own, they would cost {usd} USD on each distribution that serves them, at"
            f" {USD_PER_PATH} USD a path. The settings MAX_PATHS and MONTHLY_BUDGET bound that."
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
