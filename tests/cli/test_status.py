"""``status`` as a user types it, in a process of its own; ``--watch``, on a clock that is moved."""

import io
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import pytest
import typer
from rich.cells import cell_len
from rich.console import Console

from invalidator import model
from invalidator.aws.cloudfront import CloudFront
from invalidator.cli.status import watch_for_ever
from invalidator.cli.status_view import fitted, refreshed
from invalidator.local.embedded import embedded_aws
from invalidator.model import DistributionId
from invalidator.operator.invalidations import DistributionInvalidations, Invalidations, ListedInvalidation
from tests.doubles.clock import Clock
from tests.doubles.cloudfront import BIRTH, DENIED, Invalidation, StrictCloudFront, Time
from tests.doubles.command import assert_explained, rows, run, start
from tests.doubles.configurations import of_buckets
from tests.operator.test_invalidations import accepting

HEAD = ["distribution", "invalidation", "status", "age", "items", "paths", "made by"]
UNKNOWN = "NoSuchDistribution: There is none (this account has no such distribution: correct the list of distributions)"


def shown(done: "subprocess.CompletedProcess[str]") -> list[list[str]]:
    """Return the rows without ages, which are different tomorrow."""
    head, *found = rows(done)
    assert head == HEAD
    assert all(re.fullmatch(r"[0-9,]+ (s|min|h|d)", row[3]) for row in found if len(row) > 3)
    return [row[:3] + row[4:] for row in found]


# --- the list -------------------------------------------------------------------------------------------


def test_status_lists_what_the_configured_distributions_have_accepted(cloudfront: StrictCloudFront) -> None:
    cloudfront.accepted = [
        Invalidation("I1", "E1", "invalidator-" + "0" * 32, ("/", "/blog/", "/a", "/b", "/c")),
        Invalidation("I2", "E1", "cli-1-1", ("/*",), 60.0),
        Invalidation("I3", "E2", "by hand", ("/a", "/b", "/c"), 30.0),
    ]
    cloudfront.distributions = {"E1", "E2", "E3"}
    accepting(cloudfront, "E3", 1)
    done = run("status")
    assert done.returncode == 0
    assert shown(done) == [
        ["E1", "I2", "Completed", "1", "/*", "aws cli"],
        ["E1", "I1", "Completed", "5", "/, /blog/, … 3 more", "invalidator"],
        ["E2", "I3", "Completed", "3", "/a, /b, /c", "other"],
    ]
    assert done.stderr == "3 invalidations on 2 distributions, none in progress.\n"
    assert [row[0] for row in shown(run("status", "--distribution-id", "E2", "--distribution-id", "E3"))] == [
        *("E2", "E3")
    ]


def test_what_is_left_out_is_counted_and_shown_with_all(cloudfront: StrictCloudFront) -> None:
    cloudfront.page = 3
    newest = accepting(cloudfront, "E1", 12)
    accepting(cloudfront, "E2", 2)
    done = run("status")
    *table, left_out = shown(done)
    assert [row[1] for row in table] == newest[:10] + [item.id for item in cloudfront.accepted[:-3:-1]]
    assert left_out == ["… and 2 older of E1; --all shows them"]
    assert done.stderr == "14 invalidations on 2 distributions, none in progress.\n"
    assert len(shown(run("status", "--all"))) == 14
    assert shown(run("status", "--limit", "1"))[2:] == [
        ["… and 11 older of E1; --all shows them"],
        ["… and 1 older of E2; --all shows them"],
    ]


def test_all_in_progress_are_shown_however_old(cloudfront: StrictCloudFront) -> None:
    clock = Clock()
    cloudfront.time = Time(clock)
    old = accepting(cloudfront, "E1", 3)
    clock.now = 10.0
    (new,) = accepting(cloudfront, "E1", 1)
    done = run("status", "--limit", "1")
    assert [(row[1], row[2]) for row in shown(done)] == [(id_, "InProgress") for id_ in [new, *old]]
    assert done.stderr.endswith(", 4 in progress.\n")
    clock.now = 26.0
    done = run("status", "--limit", "1")
    assert shown(done)[0][1:3] == [new, "InProgress"]
    assert done.stderr.endswith(", 1 in progress.\n")
    clock.now = 36.0
    assert shown(run("status", "--limit", "1"))[0][1:3] == [new, "Completed"]


def test_status_for_a_program(cloudfront: StrictCloudFront) -> None:
    (id_,) = accepting(cloudfront, "E1", 1)
    done = run("status", "--json", "--distribution-id", "E1", "--distribution-id", "E9")
    assert done.returncode == 1
    known, unknown = json.loads(done.stdout)["distributions"]
    assert known["invalidations"][0].pop("age") > 0
    one = {
        "distribution": "E1",
        "id": id_,
        "status": "Completed",
        "created": "2026-11-20T00:00:00Z",
        "items": ["/0"],
        "caller_reference": "cli-0-1",
        "made_by": "aws cli",
    }
    assert known == {"distribution": "E1", "total": 1, "invalidations": [one], "error": None}
    assert unknown == {"distribution": "E9", "total": None, "invalidations": [], "error": UNKNOWN}
    found = json.loads(run("status", id_, "--json").stdout)["invalidation"]
    assert found.pop("age") > 0
    assert found == one


def test_where_nothing_was_invalidated_that_is_said(cloudfront: StrictCloudFront) -> None:
    done = run("status")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "0 invalidations on 2 distributions, none in progress.\n"


def test_distributions_that_cannot_be_read_are_one_warning(cloudfront: StrictCloudFront) -> None:
    (id_,) = accepting(cloudfront, "E2", 1)
    done = run("status", DISTRIBUTION_IDS="E8,E2,E9")
    assert done.returncode == 1
    assert [row[:2] for row in shown(done)] == [["E2", id_]]
    assert done.stderr.splitlines() == [
        f"warning: E8, E9: cannot be read: {UNKNOWN}",
        "1 invalidation on 1 distribution, none in progress.",
    ]


def test_items_that_cannot_be_read_are_question_marks(cloudfront: StrictCloudFront) -> None:
    (id_,) = accepting(cloudfront, "E1", 1)
    cloudfront.unreadable["GetInvalidation"] = DENIED
    done = run("status")
    assert done.returncode == 1
    assert shown(done) == [["E1", id_, "Completed", "?", "?", "?"]]
    warning, _ = done.stderr.splitlines()
    assert warning.startswith("warning: E1: some items cannot be read: AccessDenied: ")
    assert "grant cloudfront:GetInvalidation on" in warning
    one = json.loads(run("status", "--json").stdout)["distributions"][0]["invalidations"][0]
    assert (one["items"], one["caller_reference"], one["made_by"]) == (None, None, None)


def test_what_others_wrote_is_shown_as_data(cloudfront: StrictCloudFront) -> None:
    paths = ("/[red]x[/red]", "/:bomb:\x7f", "/" + "é" * 100)
    cloudfront.accepted = [Invalidation("I1", "E1", "cli-1-1\x9b31m[bold]", paths)]
    done = run("status")
    assert shown(done)[0][4] == f"/[red]x[/red], /:bomb:\\x7f, /{'é' * 58}…"
    done = run("status", "I1")
    head, *items = done.stdout.splitlines()
    assert head.endswith("3 items  made by other: cli-1-1\\x9b31m[bold]")
    assert items == ["    /[red]x[/red]", "    /:bomb:\\x7f", f"    /{'é' * 100}"]


# --- one ------------------------------------------------------------------------------------------------


def test_status_of_one_shows_all_its_items_wherever_it_is(cloudfront: StrictCloudFront) -> None:
    cloudfront.accepted = [Invalidation("I1", "E2", "cli-1-1", tuple(f"/{number:04}" for number in range(3_000)))]
    done = run("status", "I1")
    assert (done.returncode, done.stderr) == (0, "")
    head, *items = done.stdout.splitlines()
    assert re.sub(r"[0-9,]+ (d|h)", "age", head) == (
        "E2  I1  Completed  age (2026-11-20T00:00:00Z)  3,000 items  made by aws cli: cli-1-1"
    )
    assert items == [f"    /{number:04}" for number in range(3_000)]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["I9"], 1, "error: no invalidation 'I9' on the 2 distributions asked: E1, E2: NoSuchInvalidation: "),
        (["I9", "--distribution-id", "E9"], 1, "'I9' on the 1 distribution asked: E9: NoSuchDistribution: "),
        (["E1"], 1, "error: 'E1' is a distribution, not an invalidation: 'invalidator status --distribution-id E1'"),
        (["I/9"], 2, "error: ID: 'I/9' is not the id of an invalidation"),
        ([""], 2, "error: ID: '' is not the id of an invalidation"),
        (["--distribution-id", "E9"], 1, f"error: E9: cannot be read: {UNKNOWN}"),
        (["--distribution-id", "a_b"], 2, "error: --distribution-id: 'a_b' is not a distribution id"),
        (["--distribution-id", "discover"], 2, "error: --bucket: give the bucket whose distributions"),
        (["--bucket", "s3://a"], 2, "error: --bucket: 's3://a' is not the name of a bucket"),
        (["--bucket", ""], 2, "error: --bucket: '' is not the name of a bucket"),
        (["--bucket", "nobodys"], 2, "error: no distribution of this account has an origin in bucket 'nobodys'"),
        (["--limit", "0"], 2, "--limit"),
        (["--watch", "--distribution-id", "E9"], 1, f"error: E9: cannot be read: {UNKNOWN}"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: list[str], status: int, words: str, cloudfront: StrictCloudFront) -> None:
    assert_explained(run("status", *arguments), status, words)


def test_missing_credentials_are_a_sentence() -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    words = "Unable to locate credentials (log in, or set AWS_PROFILE)"
    for arguments in ([], ["I1"], ["--watch"]):
        done = run("status", *arguments, DISTRIBUTION_IDS="E1,E2", **nobody)
        assert_explained(done, 1, words)
        assert len(done.stderr.splitlines()) == 1
    assert_explained(run("status", **nobody), 1, words)


def test_a_profile_that_is_not_there_is_a_sentence() -> None:
    for arguments in ([], ["I1"], ["--watch"]):
        done = run("status", *arguments, DISTRIBUTION_IDS="E1", AWS_PROFILE="nope")
        assert_explained(done, 2, "error: the AWS SDK cannot be set up: The config profile (nope) could not be found")


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_credentials_that_do_not_hold_are_a_sentence(code: str, cloudfront: StrictCloudFront) -> None:
    cloudfront.unreadable |= dict.fromkeys(["ListInvalidations", "GetInvalidation", "ListDistributions"], (code, 403))
    for arguments in ([], ["I1"]):
        done = run("status", *arguments)
        assert_explained(done, 1, f"{code}: on demand (the credentials ")
        assert len(done.stderr.splitlines()) == 1
    assert_explained(run("status", DISTRIBUTION_IDS=""), 1, f"{code}: on demand (the credentials ")


# --- which distributions --------------------------------------------------------------------------------


def test_the_distributions_of_a_bucket_are_found(cloudfront: StrictCloudFront) -> None:
    cloudfront.configs = {"E1": of_buckets("another"), "E2": of_buckets("mine"), "E3": of_buckets("mine")}
    for id_ in ("E1", "E2", "E3"):
        accepting(cloudfront, id_, 1)
    for arguments in (["--bucket", "mine"], ["--bucket", "mine", "--distribution-id", "discover"]):
        assert [row[0] for row in shown(run("status", *arguments))] == ["E2", "E3"]
    done = run("status", DISTRIBUTION_IDS="discover", DISCOVER_BUCKET="another")
    assert [row[0] for row in shown(done)] == ["E1"]
    (id_,) = [item.id for item in cloudfront.accepted if item.distribution == "E3"]
    assert run("status", id_, "--bucket", "mine").stdout.startswith(f"E3  {id_}")


def test_without_configuration_the_whole_account_is_asked(cloudfront: StrictCloudFront) -> None:
    cloudfront.configs = {"E2": of_buckets("origin") | {"ConnectionMode": "tenant-only"}}
    cloudfront.tenants = {"dt_1": ("E2", {}), "dt_2": ("E2", {})}
    cloudfront.page = 1
    for id_ in ("E1", "dt_2", "dt_1"):
        accepting(cloudfront, id_, 1)
    assert [row[0] for row in shown(run("status", DISTRIBUTION_IDS=""))] == ["E1", "dt_1", "dt_2"]


def test_an_account_without_distributions_is_said_to_have_none(cloudfront: StrictCloudFront) -> None:
    cloudfront.distributions = ()
    assert_explained(run("status", DISTRIBUTION_IDS=""), 2, "the account has no distribution, and none is configured")


def test_status_reads_ids_from_a_parameter_on_the_embedded_aws() -> None:
    with embedded_aws() as aws:
        boto3.client("ssm").put_parameter(Name="/site/ids", Value=aws.distributions[1], Type="String")
        batch = {"Paths": {"Quantity": 2, "Items": ["/a", "/b*"]}, "CallerReference": "cli-1-1"}
        for id_ in aws.distributions:
            boto3.client("cloudfront").create_invalidation(DistributionId=id_, InvalidationBatch=batch)  # type: ignore[arg-type]
        (row,) = shown(run("status", "--distribution-id", "/site/ids"))
        assert [row[0], *row[2:]] == [aws.distributions[1], "Completed", "2", "/a, /b*", "aws cli"]
        for environ in ({}, {"DISTRIBUTION_IDS": ""}):
            assert sorted(row[0] for row in shown(run("status", **environ))) == sorted(aws.distributions)
        head, *items = run("status", row[1]).stdout.splitlines()
        assert head.startswith(f"{aws.distributions[1]}  {row[1]}  Completed  ")
        assert items == ["    /a", "    /b*"]
        assert_explained(run("status", "I1"), 1, "no invalidation 'I1' on the 2 distributions asked")


# --- on a terminal --------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def on_a_terminal(width: int, *listed: DistributionInvalidations) -> list[str]:
    """Return the lines that a terminal of that width shows."""
    out = Console(file=io.StringIO(), width=width)
    with out.capture() as shown:
        out.print(fitted(width, list(listed), NOW))
    return [line.rstrip() for line in shown.get().splitlines()]


def accepted(
    distribution: str, id_: str, items: tuple[str, ...], reference: str = "cli-1-1", status: str = "Completed"
) -> DistributionInvalidations:
    told = model.Invalidation(DistributionId(distribution), id_, status, NOW - timedelta(minutes=59), items, reference)
    return DistributionInvalidations(told.distribution, (ListedInvalidation(told),), 1)


LONG = ("/blog/2026/11/one.html", "/blog/2026/11/two.html", "/blog/2026/11/three.html")
USUAL = (
    accepted("E1A2B3C4D5E6F7", "I2J0I21PCUYOIK", ("/", *LONG), "invalidator-" + "0" * 32, "InProgress"),
    accepted("E2A2B3C4D5E6F7", "IDFDVBD632BHDS", LONG, "20261122084500"),
)


def test_a_terminal_of_the_usual_width_has_all_in_one_line_each() -> None:
    assert on_a_terminal(80, *USUAL) == [
        "invalidation    status      age     items  paths                    made by",
        "distribution E1A2B3C4D5E6F7",
        "I2J0I21PCUYOIK  InProgress  59 min      4  /, /blog/2026/11/one.h…  invalidator",
        "distribution E2A2B3C4D5E6F7",
        "IDFDVBD632BHDS  Completed   59 min      3  /blog/2026/11/one.html…  s3deploy, h…",
    ]


def test_a_narrow_terminal_has_fewer_columns() -> None:
    assert on_a_terminal(60, *USUAL)[:3] == [
        "invalidation    status      age     items  paths",
        "distribution E1A2B3C4D5E6F7",
        "I2J0I21PCUYOIK  InProgress  59 min      4  /, /blog/2026/11…",
    ]
    assert on_a_terminal(40, *USUAL)[:3] == [
        "invalidation   status     age    items",
        "distribution E1A2B3C4D5E6F7",
        "I2J0I21PCUYOIK InProgress 59 min     4",
    ]


def test_a_wide_terminal_has_all_of_it() -> None:
    (*_, line) = on_a_terminal(200, *USUAL)
    assert line.endswith(f"  {', '.join(LONG)}  s3deploy, hugo or other")


@pytest.mark.parametrize("width", range(38, 200, 3))
def test_no_line_is_wider_than_the_terminal_and_each_invalidation_has_one(width: int) -> None:
    lines = on_a_terminal(
        width, *USUAL, DistributionInvalidations(DistributionId("E3"), (), 0), accepted("E4", "I3", ("/é",) * 3_000)
    )
    assert max(map(cell_len, lines)) <= width
    assert [line.split()[0] for line in lines] == [
        *("invalidation", "distribution", "I2J0I21PCUYOIK", "distribution", "IDFDVBD632BHDS", "distribution", "I3")
    ]
    assert "InProgress" in lines[2]


# --- watching -------------------------------------------------------------------------------------------


class Watched:
    """Reads E1 at each pause of a clock, and is interrupted after some."""

    def __init__(self, double: StrictCloudFront, clock: Clock, reads: int) -> None:
        self.shown: list[tuple[int, list[str]]] = []
        self.pauses: list[float] = []
        self._double, self._clock, self._reads = double, clock, reads
        self._reader = Invalidations(CloudFront(double), pause=lambda _: None)

    def watch(self, also: Callable[[], object] = lambda: None) -> None:
        @contextmanager
        def screen() -> Iterator[Callable[[list[DistributionInvalidations], datetime], None]]:
            yield self._show

        def pause(seconds: float) -> None:
            also()
            self.pauses.append(seconds)
            self._clock.now += seconds
            if len(self.pauses) == self._reads:
                raise KeyboardInterrupt

        read = lambda: self._reader.newest([DistributionId("E1")], 10)  # noqa: E731
        watch_for_ever(read, screen, lambda: BIRTH + timedelta(seconds=self._clock.now), pause)

    def _show(self, listed: list[DistributionInvalidations], now: datetime) -> None:
        seconds = int((now - BIRTH).total_seconds())
        self.shown.append((seconds, [seen.invalidation.status for one in listed for seen in one.shown]))


def test_watching_shows_every_five_seconds_what_there_is_by_then() -> None:
    clock = Clock()
    double = StrictCloudFront(["E1"], time=Time(clock, seconds_to_complete=12.0))
    accepting(double, "E1", 1)
    watched = Watched(double, clock, 4)
    with pytest.raises(KeyboardInterrupt):
        watched.watch(lambda: accepting(double, "E1", 1) if clock.now == 10.0 else None)
    assert watched.shown == [
        (0, ["InProgress"]),
        (5, ["InProgress"]),
        (10, ["InProgress"]),
        (15, ["InProgress", "Completed"]),
    ]
    assert set(watched.pauses) == {5.0}


def test_what_cannot_be_read_for_a_while_is_said_once_and_watched_on(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    double = StrictCloudFront(["E1"], time=Time(clock))

    def fail_for_a_while() -> None:
        double.unreadable = {"ListInvalidations": DENIED} if clock.now in {0.0, 5.0, 20.0} else {}

    watched = Watched(double, clock, 7)
    with pytest.raises(KeyboardInterrupt):
        watched.watch(fail_for_a_while)
    assert len(watched.shown) == 7
    assert capsys.readouterr().err.count("error: E1: cannot be read: AccessDenied") == 2


def test_watching_ends_where_nothing_at_all_can_be_read_from_the_first() -> None:
    watched = Watched(StrictCloudFront([]), Clock(), 3)
    with pytest.raises(typer.Exit):
        watched.watch()
    assert watched.pauses == []


def test_in_a_pipe_all_of_it_is_printed_when_anything_is_different(capsys: pytest.CaptureFixture[str]) -> None:
    double = StrictCloudFront(["E1"], looks_to_complete=1)
    (id_,) = accepting(double, "E1", 1)
    reader = Invalidations(CloudFront(double))
    with refreshed() as show:
        for seconds in range(0, 60, 5):
            show(reader.newest([DistributionId("E1")], 10), BIRTH + timedelta(seconds=seconds))
    printed = [re.split("  +", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert printed == [
        HEAD,
        ["E1", id_, "InProgress", "0 s", "1", "/0", "aws cli"],
        HEAD,
        ["E1", id_, "Completed", "5 s", "1", "/0", "aws cli"],
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_in_a_pipe_ends_well_when_it_is_told_to(number: signal.Signals, cloudfront: StrictCloudFront) -> None:
    (id_,) = accepting(cloudfront, "E1", 1)
    with start("status", "--watch") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        rest, narrated = process.communicate()
    assert lines[1].split()[:2] == ["E1", id_]
    assert (rest, narrated, process.returncode) == ("", "Stopped.\n", 0)


def test_watching_on_a_terminal_shows_colours_in_one_place(cloudfront: StrictCloudFront) -> None:
    accepting(cloudfront, "E1", 1)
    cloudfront.looks_to_complete = 1
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with start("status", "--watch", env=environ, stdout=theirs) as process:
        os.close(theirs)
        found = b""
        while b"aws cli" not in found:
            found += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        _, narrated = process.communicate()
    os.close(ours)
    assert re.search(rb"\x1b\[33mInProgress", found)
    assert (narrated, process.returncode) == ("Stopped.\n", 0)
