"""``verify`` as a user types it, with an edge cache in front of the embedded AWS."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

import boto3
import pytest

from invalidator.cli.verify import _comparing, compare_until_fresh
from invalidator.cli.verify_view import EdgeComparison, show_comparison
from invalidator.errors import EdgeError, ObjectError
from invalidator.local.edge import EdgeCache, Headers, edge_served
from invalidator.local.embedded import BUCKET, embedded_aws
from invalidator.operator.freshness import EdgeAnswer, Freshness, S3Object
from tests.doubles.command import COMMAND, ROOT, assert_explained, run, start
from tests.doubles.loopback import Quiet, serving


@dataclass
class Edge(EdgeCache):
    """An edge of which a test invalidates paths by itself. ``extra`` are headers in place of those of its answers."""

    extra: Headers = field(default_factory=dict)

    def answer(self, url: str, viewer: Headers) -> tuple[int, Headers, bytes]:
        status, headers, body = super().answer(url, viewer)
        return status, headers | self.extra, body

    def invalidate(self, *paths: str) -> None:
        batch: Any = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": "".join(paths)}
        boto3.client("cloudfront").create_invalidation(DistributionId=self.distribution, InvalidationBatch=batch)


@pytest.fixture
def edge() -> Iterator[Edge]:
    """The edge of the first of two distributions, which nobody has asked for anything."""
    with embedded_aws() as aws, edge_served(cache := Edge(aws.distributions[0], error_ttl=inf)):
        yield cache


def put(key: str, body: str) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body.encode())


def verify(edge: Edge, key: str, *options: str, path: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    url = f"{edge.url}{path or f'/{key}'}"
    return run("verify", "--url", url, "--key", key, "--bucket", BUCKET, *options, **environ)


def verdict(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """Return the exit status, and the first word of the last line."""
    return done.returncode, done.stdout.splitlines()[-1].partition(":")[0]


# --- one comparison -------------------------------------------------------------------------------------------


def test_an_upload_makes_the_edge_stale_and_an_invalidation_fresh(edge: Edge) -> None:
    put("blog/a.html", "one")
    assert verdict(verify(edge, "blog/a.html")) == (0, "fresh")
    put("blog/a.html", "two")
    assert verdict(verify(edge, "blog/a.html")) == (1, "stale")
    edge.invalidate("/blog/b.html")
    assert verdict(verify(edge, "blog/a.html")) == (1, "stale")
    edge.invalidate("/blog/*")
    assert verdict(verify(edge, "blog/a.html")) == (0, "fresh")


def test_a_deleted_object_is_stale_until_the_edge_forgets_it(edge: Edge) -> None:
    put("a", "one")
    verify(edge, "a")
    boto3.client("s3").delete_object(Bucket=BUCKET, Key="a")
    done = verify(edge, "a")
    assert verdict(done) == (1, "stale")
    assert "S3 has no such object, and the URL still answers 200 (Age " in done.stdout
    edge.invalidate("/a")
    assert verdict(verify(edge, "a")) == (0, "fresh")


def test_an_answer_from_before_the_first_upload_is_stale(edge: Edge) -> None:
    assert verdict(verify(edge, "a")) == (0, "fresh")
    put("a", "one")
    done = verify(edge, "a")
    assert verdict(done) == (1, "stale")
    assert "the URL answers 404 (Age " in done.stdout
    edge.invalidate("/a")
    assert verdict(verify(edge, "a")) == (0, "fresh")


def test_the_url_need_not_be_that_of_the_key(edge: Edge) -> None:
    put("red flower+.html", "one")
    assert verdict(verify(edge, "red flower+.html", path="/red%20flower%2B.html")) == (0, "fresh")
    put("blog/index.html", "one")
    put("rewritten", "one")
    assert verdict(verify(edge, "blog/index.html", path="/rewritten?a=b#c")) == (0, "fresh")


def test_what_has_to_be_encoded_is_and_it_is_shown_what_was_asked(edge: Edge) -> None:
    put("ü x", "one")
    asked = f"{edge.url}/%C3%BC%20x"
    done = verify(edge, "ü x")
    assert verdict(done) == (0, "fresh")
    assert done.stderr == f"Asked for {asked}\n"
    assert json.loads(verify(edge, "ü x", "--json").stdout)["url"] == asked


def test_s3_has_no_longer_than_is_left(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Quiet):
        def do_HEAD(self) -> None:
            self.rfile.read(1)  # until the other side closes the connection

    with serving(Hanging) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        with pytest.raises(ObjectError, match="'a' in bucket 'origin': S3 did not answer in the time that was left"):
            _comparing(f"{edge.url}/a", "a", BUCKET)(0.3)


def test_both_sides_are_shown_beside_each_other(edge: Edge) -> None:
    put("a", "one")
    verify(edge, "a")
    edge.extra["age"] = "35"
    done = verify(edge, "a")
    etag = '"f97c5d29941bfb1b2fdab0874906ab82"'
    rows = [line.split("  ") for line in done.stdout.splitlines()]
    shown = {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows[1:-1]}
    assert shown["ETag"] == [etag, f"W/{etag}"]
    assert shown["Last-Modified"][0] == shown["Last-Modified"][1]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["Last-Modified"][0])
    assert shown["status"] == ["object", "200"]
    assert shown["Age"] == ["-", "35 s"]
    assert shown["X-Cache"] == ["-", "Hit from cloudfront"]
    assert shown["POP"] == ["-", "FRA56-P1"]
    assert rows[-1] == ["fresh: the ETag is that of S3's object."]
    assert done.stderr == ""


def test_a_program_gets_the_same_as_json(edge: Edge) -> None:
    put("a", "one")
    verify(edge, "a")
    put("a", "two")
    done = verify(edge, "a", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert {"url", "bucket", "key", "verdict", "reason", "seconds", "stored", "served"} < set(answer)
    assert (answer["url"], answer["bucket"], answer["key"]) == (f"{edge.url}/a", BUCKET, "a")
    assert (answer["verdict"], answer["seconds"]) == ("stale", None)
    assert answer["stored"]["etag"] != answer["served"]["etag"].removeprefix("W/")
    assert datetime.fromisoformat(answer["stored"]["last_modified"]).tzinfo == UTC
    assert datetime.fromisoformat(answer["served"]["last_modified"]).tzinfo == UTC
    assert answer["served"]["x_cache"] == "Hit from cloudfront"
    assert answer["served"]["location"] is None
    boto3.client("s3").delete_object(Bucket=BUCKET, Key="a")
    assert json.loads(verify(edge, "a", "--json").stdout)["stored"] is None


def test_a_hostile_header_is_shown_as_data(edge: Edge) -> None:
    put("a", "one")
    edge.extra = {"x-cache": "[red]\x1b[31m\x07", "etag": '"\x9b"', "x-amz-cf-pop": "x" * 60_000, "age": "9" * 5_000}
    done = verify(edge, "a")
    assert verdict(done) == (1, "stale")
    assert "[red]\\x1b[31m\\x07" in done.stdout
    assert not {"\x1b", "\x07", "\x9b"} & set(done.stdout)


# --- until it is fresh ----------------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STALE = EdgeComparison(S3Object('"b"', NOW), EdgeAnswer(200, '"a"'), Freshness("stale", ""))
FRESH = EdgeComparison(S3Object('"b"', NOW), EdgeAnswer(200, '"b"'), Freshness("fresh", "", final=True))
BROKEN = EdgeComparison(None, EdgeAnswer(503), Freshness("unknown", ""))
REDIRECT = EdgeComparison(None, EdgeAnswer(301), Freshness("unknown", "", final=True))


class Clock:
    """Time passes by pauses alone, from a moment that is not the first."""

    def __init__(self) -> None:
        self.seconds = 10_000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def wait(
    comparisons: list[EdgeComparison | EdgeError], timeout: float = 300
) -> tuple[EdgeComparison, float, list[float], list[str]]:
    """Return what comes of a sequence of comparisons, of which the last one is repeated."""
    clock, states = Clock(), list[str]()

    def compare(left: float) -> EdgeComparison:
        assert 0 < left <= timeout
        answer = comparisons.pop(0) if len(comparisons) > 1 else comparisons[0]
        if isinstance(answer, EdgeError):
            raise answer
        return answer

    answer, seconds = compare_until_fresh(compare, timeout, states.append, clock.now, clock.pause)
    return answer, seconds, clock.pauses, states


@pytest.mark.parametrize("answer", [FRESH, REDIRECT])
def test_what_no_waiting_changes_is_not_waited_for(answer: EdgeComparison) -> None:
    assert wait([answer])[:3] == (answer, 0.0, [])


def test_pauses_grow_from_one_second_to_five() -> None:
    _, seconds, pauses, _ = wait([*[STALE] * 20, FRESH])
    assert pauses[:2] == [1.0, 1.25]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0
    assert seconds == sum(pauses)


@pytest.mark.parametrize("timeout", [1, 7, 300])
def test_the_last_look_is_half_a_second_before_the_end(timeout: int) -> None:
    answer, seconds, pauses, _ = wait([STALE], timeout)
    assert answer == STALE
    assert seconds == pytest.approx(timeout - 0.5)
    assert sum(pauses) == pytest.approx(timeout - 0.5)


@pytest.mark.parametrize("timeout", [1, 2, 7, 300])
@pytest.mark.parametrize("takes", [0.1, 0.9, 4.0, 10.0])
def test_it_takes_no_longer_than_it_may_however_long_a_look_takes(timeout: int, takes: float) -> None:
    clock = Clock()

    def compare(left: float) -> EdgeComparison:
        clock.seconds += min(takes, left)
        if takes > left:
            raise EdgeError("late")
        return STALE

    begun = clock.seconds
    try:
        _, seconds = compare_until_fresh(compare, timeout, lambda _: None, clock.now, clock.pause)
    except EdgeError:
        assert takes > timeout
    else:
        assert seconds == clock.seconds - begun
    assert clock.seconds - begun <= timeout + 1e-6


def test_an_edge_that_answered_once_may_be_out_of_reach_for_a_while() -> None:
    assert wait([STALE, EdgeError("gone"), FRESH])[0] == FRESH
    with pytest.raises(EdgeError):
        wait([EdgeError("gone"), FRESH])
    with pytest.raises(EdgeError):
        wait([STALE, EdgeError("gone")], 10)


def test_no_pause_is_negative_though_time_runs_out_while_it_tells() -> None:
    clock, comparisons = Clock(), list[EdgeComparison | EdgeError]([STALE, EdgeError("gone"), FRESH])

    def compare(_: float) -> EdgeComparison:
        answer = comparisons.pop(0)
        if isinstance(answer, EdgeError):
            raise answer
        return answer

    def tell(text: str) -> None:
        clock.seconds += 60 if text == "gone" else 0

    assert compare_until_fresh(compare, 10, tell, clock.now, clock.pause)[0] == FRESH
    assert clock.pauses == [1.0, 0.0]


@pytest.mark.parametrize(
    ("answer", "seconds", "states", "narrated"),
    [
        (FRESH, 3.00049, 3.0, "Fresh after 3.0 s."),
        (FRESH, None, None, ""),
        (BROKEN, 3.0, None, "Not known after 3.0 s: find out why the URL answers 503.\n"),
        (STALE, 3.0, None, "Not fresh after 3.0 s: check that the invalidation was sent"),
        (REDIRECT, 3.0, None, "Waiting would not change that."),
    ],
)
def test_the_seconds_until_it_was_fresh_are_told_and_no_others(
    answer: EdgeComparison,
    seconds: float | None,
    states: float | None,
    narrated: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_comparison(answer, seconds, {"key": "a"}, as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["seconds"] == states
    assert shown.err.startswith(narrated)
    assert bool(shown.err) == bool(narrated)


def test_a_version_that_comes_while_we_wait_is_waited_for(edge: Edge) -> None:
    put("a", "one")
    compare = _comparing(f"{edge.url}/a", "a", BUCKET)
    compare(300)
    put("a", "two")
    clock = Clock()

    def pause(seconds: float) -> None:
        clock.pause(seconds)
        if len(clock.pauses) == 2:
            put("a", "three")
        if len(clock.pauses) == 3:
            edge.invalidate("/a")

    states: list[str] = []
    answer, seconds = compare_until_fresh(compare, 300, states.append, clock.now, pause)
    assert answer.verdict.verdict == "fresh"
    assert seconds == sum(clock.pauses[:3])
    assert answer.stored is not None
    assert answer.stored.etag == '"35d6d33467aae9a2e3dccb4b6b027878"'  # of "three"
    assert len(states) == 4
    assert states[0] == states[1] != states[2]


def test_what_nobody_invalidates_is_fresh_when_its_time_is_over(edge: Edge) -> None:
    clock = Clock()
    edge.now, edge.ttl = clock.now, 60
    put("a", "one")
    compare = _comparing(f"{edge.url}/a", "a", BUCKET)
    compare(300)
    put("a", "two")
    answer, seconds = compare_until_fresh(compare, 300, print, clock.now, clock.pause)
    assert answer.verdict.verdict == "fresh"
    assert 60 <= seconds < 65


def test_the_seconds_until_an_invalidation_arrives_are_told(edge: Edge) -> None:
    put("a", "one")
    verify(edge, "a")
    put("a", "two")
    command = ["verify", "--url", f"{edge.url}/a", "--key", "a", "--bucket", BUCKET, "--until-fresh", "--json"]
    with start(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().startswith("stale: the edge serves 200, ETag W/")
        edge.invalidate("/a")
        answer = json.loads(process.stdout.read())
        narrated = process.stderr.read().splitlines()
    assert process.returncode == 0
    assert answer["verdict"] == "fresh"
    assert answer["seconds"] > 0
    assert narrated[0].startswith("fresh: the edge serves 200, ETag W/")
    assert narrated[1] == f"Fresh after {answer['seconds']:.1f} s."


def test_what_does_not_become_fresh_says_what_to_look_at(edge: Edge) -> None:
    put("a", "one")
    verify(edge, "a")
    put("a", "two")
    done = verify(edge, "a", "--until-fresh", "--timeout", "1")
    assert verdict(done) == (1, "stale")
    assert "Not fresh after 0." in done.stderr
    assert "check that the invalidation was sent and is completed ('status' shows that)" in done.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_with_a_sentence(edge: Edge, stop: signal.Signals) -> None:
    put("a", "one")
    verify(edge, "a")
    put("a", "two")
    command = ["verify", "--url", f"{edge.url}/a", "--key", "a", "--bucket", BUCKET, "--until-fresh"]
    with start(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        state = process.stderr.readline()
        process.send_signal(stop)
        assert process.stdout.read() == ""
        *again, narrated = process.stderr.read().splitlines(keepends=True)
    # Rich writes a line again if the signal comes after it wrote the line and before it forgot it.
    assert set(again) <= {state}
    assert process.returncode == 130
    assert narrated.startswith("Stopped after ")


def test_a_terminal_shows_how_things_stand_and_forgets_it(edge: Edge) -> None:
    put("a", "one")
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as shown:
        command = ["verify", "--url", f"{edge.url}/a", "--key", "a", "--bucket", BUCKET, "--until-fresh"]
        done = subprocess.run(
            [*COMMAND, *command],
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=follower,
            check=False,
        )
        os.close(follower)
        text = shown.read(65_536).decode()
    assert done.returncode == 0
    assert "asking" in text
    assert "Fresh after " in text
    assert b"\x1b" not in done.stdout


# --- mistakes -------------------------------------------------------------------------------------------

OPTIONS = {"--url": "http://127.0.0.1:1/a", "--key": "a", "--bucket": BUCKET}


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (
            {"--url": "example.com/a"},
            2,
            "'example.com/a' does not begin with https:// or http://: did you mean 'https:",
        ),
        ({"--url": "s3://a/b"}, 2, "'s3://a/b' does not begin with https:// or http://"),
        ({"--url": ""}, 2, "--url: '' does not begin with https:// or http://"),
        ({"--bucket": "s3://origin"}, 2, "--bucket: 's3://origin' is not the name of a bucket"),
        ({"--key": ""}, 2, "--key: it is empty"),
        ({"--key": "é" * 513}, 2, "--key: it has 1,026 bytes, and a key of S3 has at most 1,024"),
        ({"--key": "\udce9"}, 2, "--key: '\\udce9' is not UTF-8"),
        ({"--timeout": "0"}, 2, "be greater than or equal to 1"),
        ({}, 1, "error: http://127.0.0.1:1/a cannot be fetched: the connection was refused (check host and port)"),
    ],
)
def test_a_mistake_is_explained(options: dict[str, str], status: int, words: str) -> None:
    arguments = [text for option in (OPTIONS | options).items() for text in option]
    assert_explained(run("verify", *arguments), status, words)


@pytest.mark.parametrize("missing", OPTIONS)
def test_an_option_that_is_missing_is_named(missing: str) -> None:
    arguments = [text for option in OPTIONS.items() for text in option if option[0] != missing]
    words = {"--url": "--url: give one", "--key": "KEY: give one", "--bucket": "--bucket: give the origin bucket"}
    assert_explained(run("verify", *arguments), 2, words[missing])


def test_a_bucket_that_is_not_there_is_explained(edge: Edge) -> None:
    done = run("verify", "--url", f"{edge.url}/a", "--key", "a", "--bucket", "nobodys")
    assert_explained(done, 1, "error: 'a' in bucket 'nobodys': NoSuchBucket: The specified bucket does not exist")
    assert "(check the name of the bucket)" in done.stderr


def test_missing_credentials_are_explained(edge: Edge) -> None:
    done = verify(edge, "a", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert_explained(done, 1, "'a' in bucket 'origin': Unable to locate credentials (log in, or set AWS_PROFILE)")


def test_a_profile_that_is_not_there_is_explained(edge: Edge) -> None:
    done = verify(edge, "a", AWS_PROFILE="nope")
    assert_explained(done, 2, "error: the AWS SDK cannot be set up: The config profile (nope) could not be found")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "ExpiredToken", "ExpiredToken: no (the credentials have expired: renew them)"),
        (
            403,
            "InvalidAccessKeyId",
            "InvalidAccessKeyId: no (the credentials are not valid: check which ones are in use",
        ),
        (403, "AccessDenied", "AccessDenied: no (grant s3:GetObject on this object and s3:ListBucket on its bucket to"),
    ],
)
def test_what_s3_refuses_is_explained_though_head_has_no_reason(edge: Edge, status: int, code: str, words: str) -> None:
    class Refusing(Quiet):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    with serving(Refusing) as address:
        assert_explained(verify(edge, "a", AWS_ENDPOINT_URL=f"http://{address}"), 1, f"'a' in bucket 'origin': {words}")
