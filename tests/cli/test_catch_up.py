"""``catch-up``: the time and place that a person gives, what is told, and how it goes on."""

import io
import json
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.cli.app import load_command
from invalidator.cli.catch_up_inputs import Place, marker_meant, marker_text, window_meant
from invalidator.connection.catch_up import Window
from invalidator.connection.notification_checks import KeyFilter
from invalidator.errors import ConfigurationError
from invalidator.local import embedded
from tests.doubles import versioned_s3
from tests.doubles.documents import check_document, contents
from tests.doubles.versioned_s3 import VersionedS3

NOW = datetime(2026, 11, 30, 8, 0, 0, 123_456, UTC)
PLACE = Place("origin", KeyFilter("", ""), "changes", "")
WINDOW = Window(NOW - timedelta(hours=2), NOW)
AWKWARD = "a'b \x1b[2J\n\u202e é"

ages = st.builds("{}{}".format, st.integers(0, 10**8), st.sampled_from("smhd"))
zones = st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(timezones=st.none() | zones).map(datetime.isoformat)


# --- what a person gives --------------------------------------------------------------------------------


@given(st.one_of(ages, times, st.text()), st.one_of(st.none(), ages, times, st.text()))
@example("0001-01-01T00:00:00+23:59", None)
@example("9999-12-31T23:59:59-23:59", None)
@example("9" * 5_000 + "d", None)
def test_any_two_texts_are_a_window_of_the_past_year_or_told(since: str, until: str | None) -> None:
    try:
        window = window_meant(since, until, NOW)
    except ConfigurationError:
        return
    assert NOW - timedelta(days=396) <= window.since <= window.until <= NOW
    assert window.since.microsecond == window.until.microsecond == 0


@given(st.integers(0, 365 * 24 * 60), zones)
def test_an_age_is_the_time_that_is_so_long_ago(minutes: int, zone: timezone) -> None:
    window = window_meant(f"{minutes}m", None, NOW)
    assert NOW - window.since - timedelta(minutes=minutes) < timedelta(seconds=1)
    assert window_meant(window.since.astimezone(zone).isoformat(), "0s", NOW) == window


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("yesterday", None, "--since: 'yesterday' is neither an age, as 90s, 45m, 2h or 3d, nor a time, as 2026"),
        ("", None, "--since: '' is neither an age"),
        ("-2h", None, "--since: '-2h' is neither an age"),
        ("2026-11-30T07:00:00", None, "--since: '2026-11-30T07:00:00' has no zone: add Z for UTC, or one as +01:00"),
        ("2026-11-30", None, "has no zone"),
        ("2026-11-30T09:00:00Z", None, "--since: '2026-11-30T09:00:00Z' is in the future: it is 2026-11-30T08:00:00Z"),
        ("2h", "2027-01-01T00:00Z", "--until: '2027-01-01T00:00Z' is in the future"),
        ("2h", "", "--until: '' is neither"),
        ("2h", "3h", "--until: '3h' is before --since"),
        ("366d", None, "--since: '366d' is more than 365 days ago: clear everything with create --paths '/*'"),
        ("2020-01-01T00:00Z", None, "is more than 365 days ago"),
    ],
)
def test_a_time_that_cannot_be_meant_is_told(since: str, until: str | None, words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        window_meant(since, until, NOW)
    assert words in str(error.value)


def test_a_run_that_went_back_a_year_can_go_on_a_month_later() -> None:
    since = window_meant("365d", None, NOW).since
    assert window_meant(since.isoformat(), None, NOW + timedelta(days=29)).since == since


@given(st.text(st.characters(), min_size=1), st.text(min_size=1))
@example(AWKWARD, "null")
@example("\ud800", "v")
def test_a_marker_passes_a_shell_and_a_terminal_as_it_is(key: str, version: str) -> None:
    text = marker_text((key, version), PLACE, WINDOW)
    assert shlex.quote(text) == text
    assert text.isprintable()
    assert marker_meant(text, PLACE, WINDOW) == (key, version)
    assert marker_meant(text, PLACE._replace(queue="another"), WINDOW) == (key, version)


@given(st.text() | st.text().map(lambda text: marker_text((text, ""), PLACE, WINDOW)))
@example("WyJhIiwiYiJd")  # of two
@example("W1siYSJdLCJiIiwiYyJd")  # not of texts
@example("bnVsbA==")
def test_a_text_that_is_no_marker_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--after: .* is not where a catch-up stopped: copy the whole line"):
        marker_meant(text, PLACE, WINDOW)


@pytest.mark.parametrize(
    ("place", "window"),
    [
        (PLACE._replace(bucket="another"), WINDOW),
        (PLACE._replace(keys=KeyFilter("a", "")), WINDOW),
        (PLACE._replace(keys=KeyFilter("", "a")), WINDOW),
        (PLACE, WINDOW._replace(since=NOW - timedelta(hours=3))),
        (PLACE, WINDOW._replace(until=NOW - timedelta(hours=1))),
    ],
)
def test_a_marker_of_another_listing_is_refused(place: Place, window: Window) -> None:
    """It would skip keys that this one never saw."""
    with pytest.raises(ConfigurationError, match=r"^--after: that catch-up had another bucket, .* copy the whole line"):
        marker_meant(marker_text(("m", "v"), place, window), PLACE, WINDOW)


# --- a bucket and a queue -------------------------------------------------------------------------------


@dataclass
class Bucket(VersionedS3):
    """A bucket that interrupts the command with the page of this number, and one that has no end."""

    interrupts: int = 0
    is_endless: bool = False
    asked: int = 0
    ago: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=30))

    def list_object_versions(self, **arguments: Any) -> dict[str, Any]:
        self.asked += 1
        if self.asked == self.interrupts:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        page = super().list_object_versions(**arguments)
        if self.is_endless:
            key = f"{self.asked:08}"
            page["Versions"][0]["Key"] = key
            page |= {"IsTruncated": True, "NextKeyMarker": key, "NextVersionIdMarker": "v"}
        return page


@dataclass(frozen=True)
class World:
    """A bucket, the queue of the function, and a command line that names both."""

    bucket: Bucket
    queue: str

    @property
    def line(self) -> list[str]:
        return ["catch-up", "--since", "2h", "--bucket", "origin", "--queue", "changes"]

    def sent(self) -> list[str]:
        """Take all keys out of the queue."""
        sqs, keys = boto3.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                keys += [change[1] for change in json.loads(message["Body"])["changes"]]
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return keys


@pytest.fixture
def world(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    embedded._post(server, "/moto-api/reset")
    bucket = Bucket(page=2)
    with versioned_s3.serve(bucket) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        yield World(bucket, boto3.client("sqs").create_queue(QueueName="changes")["QueueUrl"])


@dataclass(frozen=True)
class Told:
    """The exit status of a command, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def going_on(self) -> list[str]:
        """The command line that goes on."""
        words = shlex.split(self.err.splitlines()[-1])
        assert words[:3] == [sys.executable, "-m", "invalidator"]
        return words[3:]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a command line in this process."""

    def tell(line: list[str]) -> Told:
        command, *arguments = line
        status = load_command(command).main(arguments, standalone_mode=False)
        told = Told(int(status or 0), *capsys.readouterr())
        assert "Traceback" not in told.err
        assert (told.out + told.err).replace("\n", "").isprintable()
        if "--json" in line and told.out:
            check_document(told.out, command)
        return told

    return tell


def test_what_was_written_and_deleted_since_is_sent(world: World, run: Any) -> None:
    bucket = world.bucket
    bucket.write("old", b"1", bucket.ago - timedelta(hours=2))
    bucket.write("new", b"1", bucket.ago)
    bucket.write("deleted", None, bucket.ago)
    told = run(world.line)
    assert (told.status, told.out, sorted(world.sent())) == (0, "", ["deleted", "new"])
    first, price, within = told.err.splitlines()
    assert first.startswith("3 versions on 2 pages listed: 2 objects changed from 20")
    assert first.endswith(f"Z. 1 message sent to {world.queue}.")
    assert price.startswith("At one path each, they would cost 0.01 USD on each distribution that serves them (0.005")
    assert within.startswith("The function clears within about two minutes what no earlier catch-up has sent: ")
    assert run([*world.line, "--prefix", "n", "--suffix", "w"]).status == 0
    assert world.sent() == ["new"]


def test_a_bucket_without_versions_does_not_show_what_was_deleted(world: World, run: Any) -> None:
    world.bucket.write("new", b"1", world.bucket.ago, version="null")
    told = run([*world.line, "--json"])
    assert "Bucket origin shows no versions, and so not what was deleted: see 'create --key'." in told.err
    document = contents(told.out)
    assert (document["sees_deletes"], document["done"], document["to"]) == (False, True, world.queue)
    assert document["changes"] == document["messages"] == 1


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(world: World, run: Any) -> None:
    world.bucket.write(AWKWARD, b"1", world.bucket.ago)
    told = run([*world.line, "--dry-run"])
    at = f"{world.bucket.ago:%Y-%m-%dT%H:%M:%SZ}"
    assert told.out == f"{at}  {AWKWARD!r}\n"
    assert "1 object changed from" in told.err
    assert "Nothing was sent: it would be 1 message." in told.err
    document = contents(run(["catch-up", "--since", "2h", "--bucket", "origin", "--dry-run", "--json"]).out)
    assert document["objects"] == [{"key": AWKWARD, "modified": at}]
    assert (document["to"], world.sent()) == (None, [])


@pytest.mark.parametrize(
    ("key", "shown"),
    [("red flower.jpg", "red flower.jpg"), (" a", "' a'"), ("a ", "'a '"), ("'a'", "\"'a'\""), ("a\n", r"'a\n'")],
)
def test_a_key_in_a_line_is_told_from_the_space_around_it(world: World, run: Any, key: str, shown: str) -> None:
    world.bucket.write(key, b"1", world.bucket.ago)
    assert run([*world.line, "--dry-run"]).out[20:] == f"  {shown}\n"


def test_uploads_in_parts_of_the_day_before_are_counted_if_any(world: World, run: Any) -> None:
    for key, age in (("early", 20), ("also", 3), ("within", 1), ("too-early", 30)):
        world.bucket.write(key, b"1", datetime.now(UTC) - timedelta(hours=age), ETag='"x-2"')
    assert "so those of the day before count: 2 objects." in run(world.line).err
    assert "in parts" not in run([*world.line, "--prefix", "within"]).err


@pytest.mark.parametrize(("version", "sees"), [("v1", True), ("null", True), (None, None)])
def test_who_sees_nothing_says_nothing_of_what_was_deleted(
    world: World, run: Any, version: str | None, sees: bool | None
) -> None:
    if version:  # null in a bucket that has versions no more
        world.bucket.write("zzz", None, world.bucket.ago, version=version)
    told = run([*world.line, "--prefix", "zzz", "--json"])
    assert "shows no versions" not in told.err
    assert contents(told.out)["sees_deletes"] is sees


def test_a_time_in_which_nothing_can_change_lists_nothing(world: World, run: Any) -> None:
    at = f"{world.bucket.ago:%Y-%m-%dT%H:%M:%SZ}"
    told = run([*world.line, "--since", at, "--until", at, "--json"])
    assert (told.status, world.bucket.asked, contents(told.out)["done"]) == (0, 0, True)
    assert told.err.startswith(f"There is no time between {at} and {at}.\n")


def test_a_bucket_that_is_not_there_is_a_mistake_of_the_user(world: World, run: Any) -> None:
    told = run([*world.line, "--bucket", "nope"])
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("error: bucket 'nope' cannot be listed: NoSuchBucket")
    assert told.err.endswith("(check the name of the bucket)\n")


def test_a_dry_run_that_has_shown_nothing_has_nothing_to_go_on_with(world: World, run: Any) -> None:
    world.bucket.faults.append(("AccessDenied", 403))
    told = run([*world.line, "--dry-run"])
    assert (told.status, told.err.count("\n")) == (1, 1)


def test_what_stops_goes_on_with_the_line_that_it_tells(world: World, run: Any) -> None:
    keys = [f"{number}{AWKWARD}" for number in range(7)]
    for key in keys:
        world.bucket.write(key, b"1", world.bucket.ago)
    told = run([*world.line, "--max-pages", "1", "--json"])
    document = contents(told.out)
    assert (told.status, document["done"], document["changes"]) == (1, False, 2)
    assert told.err.startswith("Stopped after 1 page, as --max-pages says.\n")
    assert "\nTo go on (what was sent last may be sent twice):\n" in told.err
    assert told.going_on[told.going_on.index("--after") + 1] == document["after"]
    assert "Z" in told.going_on[told.going_on.index("--since") + 1]
    runs = 1
    while told.status:
        told, runs = run(told.going_on), runs + 1
        assert told.err.startswith(f"Going on after key {keys[2 * runs - 3]!r}.\n")
    assert (runs, world.sent()) == (4, keys)


@pytest.mark.parametrize("number", [1, 3])
def test_ctrl_c_tells_how_to_go_on(world: World, run: Any, number: int) -> None:
    keys = [f"{place}" for place in range(7)]
    for key in keys:
        world.bucket.write(key, b"1", world.bucket.ago)
    world.bucket.interrupts = number
    told = run(world.line)
    assert told.status == 130
    assert "Interrupted." in told.err
    assert run(told.going_on).status == 0
    assert world.sent() == keys


def test_the_line_names_the_program_that_was_called(world: World, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/with space/invalidator"])
    for key in ("it's 1", "it's 2", "it's 3"):
        world.bucket.write(key, b"1", world.bucket.ago)
    told = run([*world.line, "--max-pages", "1", "--prefix", "it's"])
    line = told.err.splitlines()[-1]
    assert line.startswith("  '/with space/invalidator' catch-up --since 20")
    assert "--prefix 'it'\"'\"'s' --max-pages 1" in line


def test_a_page_or_a_message_that_is_refused_tells_how_to_go_on(world: World, run: Any) -> None:
    world.bucket.write("a", b"1", world.bucket.ago)
    world.bucket.faults.append(("AccessDenied", 403))
    told = run(world.line)
    assert told.status == 1
    assert told.err.startswith("error: bucket 'origin' cannot be listed: AccessDenied")
    nowhere = told.going_on
    nowhere[nowhere.index("changes")] = f"{world.queue}-2"
    refused = run(nowhere)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith(f"error: {world.queue}-2: AWS.SimpleQueueService.NonExistentQueue")
    assert run(told.going_on).status == 0
    assert world.sent() == ["a"]


def test_a_bucket_without_an_end_is_left_after_so_many_pages(world: World, run: Any) -> None:
    world.bucket.write("a", b"1", world.bucket.ago)
    world.bucket.is_endless = True
    told = run([*world.line, "--max-pages", "105", "--dry-run", "--json"])
    assert (told.status, world.bucket.asked, contents(told.out)["pages"]) == (1, 105, 105)
    assert told.err.startswith("  100 versions on 100 pages listed: 100 objects changed\nStopped after 105 pages, as ")
    assert "\nTo go on:\n" in told.err


def test_a_terminal_sees_how_far_it_has_come(world: World, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    world.bucket.write("a", b"1", world.bucket.ago)
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    run(world.line)
    assert "1 version on 1 page listed: 1 object changed" in screen.getvalue()


@pytest.mark.parametrize("option", ["--prefix", "--suffix"])
def test_a_filter_that_no_terminal_shows_is_refused(world: World, run: Any, option: str) -> None:
    told = run([*world.line, option, AWKWARD])
    assert (told.status, world.bucket.asked) == (2, 0)
    assert told.err.startswith(f"error: {option}: ")
