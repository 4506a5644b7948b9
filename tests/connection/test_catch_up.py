"""Changes of which nobody heard: all of them are sent, and nothing else."""

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.aws.listings import Listings
from invalidator.connection import catch_up
from invalidator.connection.catch_up import CatchUp, CatchUpProgress, Window
from invalidator.connection.heard import Marker
from invalidator.connection.notification_checks import EVERY_KEY, KeyFilter
from invalidator.errors import ListingError, StorageError
from invalidator.events.decode import decode
from invalidator.events.records import Delivery, change_of_record
from invalidator.limits import MAX_ASYNCHRONOUS_EVENT_BYTES
from invalidator.model import ObjectChange
from tests.doubles.versioned_s3 import NOW, VersionedS3

SINCE, UNTIL = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
WINDOW = Window(SINCE, UNTIL)
IN_PARTS = 'ETag-2"'


@dataclass
class Sent:
    """A queue that remembers, and may be full."""

    texts: list[str] = field(default_factory=list)
    room: int = 1_000_000

    def send(self, text: str) -> None:
        if len(self.texts) >= self.room:
            raise StorageError("full")
        assert len(text.encode()) <= MAX_ASYNCHRONOUS_EVENT_BYTES
        self.texts.append(text)

    @property
    def changes(self) -> list[ObjectChange]:
        """The changes that the function reads in it."""
        events = [decode({"Records": [sqs(number, text)]}) for number, text in enumerate(self.texts)]
        assert not [refusal for event in events for refusal in event.refusals]
        return [change for event in events for ticket in event.gathered for change in ticket.changes]

    @property
    def keys(self) -> list[str]:
        return [change.key for change in self.changes]


def sqs(number: int, text: str) -> dict[str, Any]:
    return {"eventSource": "aws:sqs", "messageId": f"m{number}", "body": text, "attributes": {}}


def caught_up(
    s3: VersionedS3, sent: Sent, keys: KeyFilter = EVERY_KEY, after: Marker | None = None, pages: int = 1_000
) -> CatchUpProgress:
    listings = Listings(s3, now=lambda: 0.0)
    run = CatchUp("origin", WINDOW, listings, sent, keys, now=lambda: 1_790_000_000.0)
    last = CatchUpProgress()
    for progress in run.run(listings.bounds(60, pages), after):
        last = progress
    return last


@dataclass(frozen=True)
class Write:
    """A version, or without an ETag a delete marker; ``minutes`` after the window began."""

    key: str
    minutes: float
    etag: str | None

    @property
    def at(self) -> datetime:
        return (SINCE + timedelta(minutes=self.minutes)).replace(microsecond=0)

    @property
    def counts(self) -> bool:
        """True if it is certain that it counts, by the words of the rule."""
        earliest = -24 * 60 if self.etag == IN_PARTS else 0
        return earliest <= self.minutes <= 60


keys = st.sampled_from(["a", "a b", "blog/ü.html", "blog/x*", "c\n", "z.html"])
# Never within a second of an end, where S3 cuts fractions off.
minutes = st.sampled_from([-2000.0, -1500.0, -1000.0, -90.0, -2.0, -0.5, 0.0, 1.0, 30.0, 59.0, 60.0, 61.0, 90.0])
writes = st.lists(st.builds(Write, keys, minutes, st.sampled_from(['"one"', IN_PARTS, None])), max_size=25)


def written(history: list[Write], page: int) -> VersionedS3:
    s3 = VersionedS3(page=page)
    for write in sorted(history, key=lambda one: one.minutes):
        s3.write(write.key, None if write.etag is None else b"x", write.at, ETag=write.etag)
    return s3


@given(writes, st.integers(1, 9), st.sampled_from([1, 1_000]))
def test_each_key_that_changed_in_the_window_is_sent_once(history: list[Write], page: int, many: int) -> None:
    sent = Sent()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catch_up, "_MANY", many)  # sent after each page, or at the end
        progress = caught_up(written(history, page), sent)
    assert sorted(sent.keys) == sorted({write.key for write in history if write.counts})
    assert (progress.is_done, progress.changes, progress.versions) == (True, len(sent.keys), len(history))
    assert progress.has_versions == bool(history)
    newest = {write.key: write for write in sorted(history, key=lambda one: one.minutes) if write.counts}
    assert progress.early == sum(write.minutes < 0 for write in newest.values())


@given(writes, st.integers(1, 5), st.integers(1, 5))
def test_it_goes_on_where_it_stopped_and_sends_no_more(history: list[Write], page: int, pages: int) -> None:
    s3, whole, parts = written(history, page), Sent(), Sent()
    caught_up(s3, whole)
    after, is_done = None, False
    for _ in range(len(history) + 2):
        listings = Listings(s3, now=lambda: 0.0)
        with suppress(ListingError):
            for progress in CatchUp("origin", WINDOW, listings, parts).run(listings.bounds(60, pages), after):
                after, is_done = progress.after, progress.is_done
        if is_done:
            break
    assert is_done
    assert set(parts.keys) == set(whole.keys)


@given(writes, st.sampled_from(["", "blog/", "a"]), st.sampled_from(["", ".html"]))
def test_only_keys_that_the_bucket_would_tell_of_are_sent(history: list[Write], prefix: str, suffix: str) -> None:
    everything, some = Sent(), Sent()
    s3 = written(history, 4)
    caught_up(s3, everything)
    caught_up(s3, some, KeyFilter(prefix, suffix))
    fitting = [key for key in everything.keys if key.startswith(prefix) and key.endswith(suffix)]
    assert sorted(some.keys) == sorted(fitting)


def test_listed_again_a_change_has_the_same_identity() -> None:
    s3 = written([Write("a", 5, '"one"'), Write("b", 6, None)], 1_000)
    one, again = Sent(), Sent()
    caught_up(s3, one)
    caught_up(s3, again)
    assert [change.identity for change in one.changes] == [change.identity for change in again.changes]


def test_a_change_has_the_identity_of_its_record_without_a_sequencer() -> None:
    s3, sent = VersionedS3(), Sent()
    version = s3.write("a b", b"x", UNTIL, ETag='"one"')
    caught_up(s3, sent)
    named = {"key": "a+b", "eTag": "one", "versionId": version}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": f"{UNTIL:%Y-%m-%dT%H:%M:%S}.000Z",
        "s3": {"bucket": {"name": "origin"}, "object": named},
    }
    heard = change_of_record(record, Delivery("d"))
    assert heard
    assert [change.identity for change in sent.changes] == [heard.identity]


def test_what_is_caught_up_is_never_taken_for_unchanged() -> None:
    """The version before it may be one that nobody heard of, either."""
    s3, sent = VersionedS3(), Sent()
    s3.write("a", b"x", UNTIL)
    s3.write("a", b"x", UNTIL)
    caught_up(s3, sent)
    assert [change.version for change in sent.changes] == [""]


def test_a_bucket_without_versions_has_no_deletes_to_show() -> None:
    s3, sent = VersionedS3(), Sent()
    s3.write("a", b"x", UNTIL, version="null")
    progress = caught_up(s3, sent)
    assert (sent.keys, progress.has_versions) == (["a"], False)


def test_many_changes_go_in_few_messages_and_little_memory() -> None:
    s3, sent = VersionedS3(), Sent()
    for number in range(5_500):
        s3.write(f"assets/{number:06}.js", b"x", UNTIL)
    progress = caught_up(s3, sent)
    assert len(set(sent.keys)) == len(sent.keys) == 5_500
    assert (progress.pages, progress.messages) == (6, 6)
    assert len(s3.made("ListObjectVersions")) == 6


def test_a_listing_that_finds_little_can_go_on_from_a_page_soon_before() -> None:
    s3, sent = VersionedS3(page=1), Sent()
    for number in range(120):
        s3.write(f"{number:03}", b"x", UNTIL if number == 7 else NOW)
    listings = Listings(s3, now=lambda: 0.0)
    run = CatchUp("origin", WINDOW, listings, sent).run(listings.bounds(60))
    after = [progress.after for progress in run]
    assert [after[page - 1] for page in (49, 50, 99, 100, 120)] == [
        None,
        ("049", "v49"),
        ("049", "v49"),
        ("099", "v99"),
        None,
    ]
    assert sent.keys == ["007"]


def test_what_is_not_stored_is_sent_by_the_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "_MANY", 2)
    s3, full = VersionedS3(page=2), Sent(room=1)
    for key in "abcdef":
        s3.write(key, b"x", UNTIL)
    listings = Listings(s3, now=lambda: 0.0)
    progress = CatchUpProgress()
    run = CatchUp("origin", WINDOW, listings, full).run(listings.bounds(60))
    with pytest.raises(StorageError, match="full"):
        deque((progress := each for each in run), maxlen=0)
    after = progress.after
    assert after == ("b", "v1")
    rest = Sent()
    caught_up(s3, rest, after=after)
    assert (full.keys, rest.keys) == (["a", "b"], ["c", "d", "e", "f"])


def test_a_ticket_is_served_by_a_function_without_a_queue() -> None:
    s3, sent = VersionedS3(), Sent()
    s3.write("a", b"x", UNTIL)
    caught_up(s3, sent)
    decoded = decode(json.loads(sent.texts[0]), "request")
    assert [change.key for ticket in decoded.gathered for change in ticket.changes] == ["a"]
    assert not decoded.from_queue
