"""The command line as a user types it, in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer

from invalidator.cli.app import app
from invalidator.events.decode import decode
from invalidator.events.tickets import Ticket, write
from invalidator.local.embedded import embedded_aws
from invalidator.local.queue_worker import QueueWorker
from invalidator.model import DistributionId
from tests.doubles import strategies as make
from tests.doubles import strict_s3
from tests.doubles.cloudfront import DENIED, StrictCloudFront
from tests.doubles.configurations import of_buckets
from tests.doubles.strategies import Change, simple_plan
from tests.doubles.strict_s3 import StrictS3

ROOT = Path(__file__).parents[2]
EVENTS = sorted((ROOT / "events").glob("*.json"))
COMMANDS = typer.main.get_group(app).commands
COMMAND = [sys.executable, "-m", "invalidator"]


def run(*arguments: str | Path, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        env=os.environ | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_explained(done: subprocess.CompletedProcess[str], status: int, words: str) -> None:
    """A user's mistake ends in a sentence, not in a traceback, and with nothing on standard output."""
    assert done.returncode == status
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


# --- invoke ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", EVENTS, ids=lambda path: path.stem)
def test_every_sample_event_runs_on_the_embedded_aws(file: Path) -> None:
    done = run("invoke", file, "--local")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if file.stem.startswith("sqs"):
        assert answer == {"batchItemFailures": []}
    else:
        assert len(answer["invalidations"]) == (0 if "test-event" in file.stem else 2)
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    created = [line for line in logged if line["message"] == "invalidation created"]
    assert len(created) == (0 if "test-event" in file.stem else 2)


def test_invoke_reads_standard_input_and_uses_the_real_endpoint(cloudfront: StrictCloudFront) -> None:
    done = run("invoke", "-", stdin=json.dumps(make.s3(Change("a"))))
    assert done.returncode == 0
    assert [item["distribution"] for item in json.loads(done.stdout)["invalidations"]] == ["E1", "E2"]
    assert cloudfront.paths("E1") == ["/a"]


def test_a_file_with_a_byte_order_mark_is_read(cloudfront: StrictCloudFront, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(make.s3(Change("a"))), encoding="utf-8-sig")
    assert run("invoke", file).returncode == 0
    assert cloudfront.paths("E1") == ["/a"]


def test_invoke_fails_where_a_message_fails(cloudfront: StrictCloudFront) -> None:
    done = run("invoke", "-", stdin=json.dumps(make.sqs(make.s3(Change("a")), "poison")))
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_invoke_fails_where_a_job_of_codepipeline_does() -> None:
    event = json.loads((ROOT / "events" / "codepipeline-job.json").read_text())
    event["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"]["UserParameters"] = '{"objectPaths": "x"}'
    done = run("invoke", "-", "--local", stdin=json.dumps(event))
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["result"], answer["type"]) == ("failed", "ConfigurationError")
    assert "did you mean '/x'?" in answer["reason"]
    assert "Traceback" not in done.stderr
    assert event["CodePipeline.job"]["data"]["artifactCredentials"]["secretAccessKey"] not in done.stdout + done.stderr


def test_invoke_explains_what_failed(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = DENIED
    done = run("invoke", "-", stdin=json.dumps(make.s3(Change("a"))))
    assert_explained(done, 1, "error: E1: /a not invalidated: AccessDenied")
    assert "grant cloudfront:CreateInvalidation on" in done.stderr


@pytest.mark.parametrize(("level", "shown"), [("INFO", False), ("DEBUG", True)])
def test_an_event_is_logged_at_debug_only_whatever_powertools_is_told(
    cloudfront: StrictCloudFront, level: str, shown: bool
) -> None:
    environ = {"POWERTOOLS_LOGGER_LOG_EVENT": "true", "POWERTOOLS_LOG_LEVEL": level}
    done = run("invoke", "events/s3-put.json", **environ)
    assert done.returncode == 0
    assert ("sourceIPAddress" in done.stderr) == shown


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "words"),
    [
        (["invoke", "-"], "{", 2, "error: <stdin> is not JSON: Expecting property name"),
        (["invoke", "no-such-file.json"], "", 2, "no-such-file.json"),
        (["invoke", "LICENSE"], "", 2, "error: LICENSE is not JSON"),
        (["invoke", "-"], "{}", 2, "error: no distribution to invalidate: set DISTRIBUTION_IDS"),
        (["invoke", "-", "--local"], '{"a": 1}', 1, "an object with 'a' is none of: an SQS record"),
        (["invoke", "-", "--local"], json.dumps(make.s3(Change("a", bucket="?"))), 2, "cannot have a bucket '?'"),
        (["plan"], "", 2, "give one of them: an event, keys"),
        (["plan", "events/s3-put.json", "--key", "a"], "", 2, "give one of them: an event, keys"),
        (
            ["plan", "--key", "a", "--distribution-id", "a.b"],
            "",
            2,
            "--distribution-id: 'a.b' is not a distribution id",
        ),
        (["plan", "--key", "a", "--distribution-id", ""], "", 2, "--distribution-id: '' is not a distribution id"),
        (["local", "--port", "99999"], "", 2, "65535"),
        (["no-such-command"], "", 2, "no-such-command"),
    ],
)
def test_a_mistake_is_explained(arguments: list[str], stdin: str, status: int, words: str) -> None:
    assert_explained(run(*arguments, stdin=stdin), status, words)


def test_missing_credentials_are_explained() -> None:
    done = run("invoke", "events/s3-put.json", DISTRIBUTION_IDS="E1", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert_explained(done, 1, "Unable to locate credentials (log in, or set AWS_PROFILE)")
    done = run("connect", "--bucket", "origin", "--queue", QUEUE, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert_explained(done, 1, "bucket 'origin': Unable to locate credentials (log in, or set AWS_PROFILE)")


# --- plan -----------------------------------------------------------------------------------------------


def test_plan_shows_each_path_with_its_reason_and_calls_nothing(cloudfront: StrictCloudFront) -> None:
    done = run("plan", "--key", "blog/index.html", "--key", "red flower.jpg")
    assert done.returncode == 0
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()[1:]]
    assert [(row[0], row[1], row[2].strip()) for row in rows] == [
        (distribution, path, reason)
        for distribution in ("E1", "E2")
        for path, reason in [
            ("/blog/", "directory of index document 'blog/index.html'"),
            ("/blog/index.html", "object 'blog/index.html'"),
            ("/red%20flower.jpg", "object 'red flower.jpg'"),
            ("/red+flower.jpg", "other spelling of object 'red flower.jpg'"),
        ]
    ]
    assert done.stderr.splitlines() == [
        "2 calls, 8 paths: 0.04 USD if the 1,000 free paths of the month are used up.",
        "Nothing was sent.",
    ]
    assert cloudfront.calls == 0


def test_plan_refuses_tickets_for_other_distributions_as_the_function_does() -> None:
    done = run("plan", "events/sqs-ticket.json", "--distribution-id", "QESVZEMEETI1Q")
    assert done.returncode == 1
    assert re.findall(r"/blog/\S*", done.stdout) == ["/blog/", "/blog/index.html"]
    assert "refused: a ticket for 'XW8XZDR3UNZCW', which is not one of the configured" in done.stderr


def test_plan_as_json_is_what_invoke_sends(cloudfront: StrictCloudFront) -> None:
    planned = json.loads(run("plan", "events/s3-many-records.json", "--json").stdout)
    run("invoke", "events/s3-many-records.json")
    sent = [(item.distribution, list(item.paths), item.reference) for item in cloudfront.accepted]
    assert sorted(sent) == [  # they are sent at the same time
        (batch["distribution"], batch["items"], batch["caller_reference"]) for batch in planned["batches"]
    ]
    assert set(planned) == {"batches", "cost", "warnings", "notes", "excluded", "unserved"}
    assert planned["cost"] == {"paths": 12, "wildcards": 0, "calls": 2, "usd": 0.06, "evicted": 0}
    for batch in planned["batches"]:
        assert set(batch) == {"distribution", "items", "caller_reference", "reasons", "cost"}
        assert batch["cost"] == {"paths": 6, "wildcards": 0, "calls": 1, "usd": 0.03, "evicted": 0}
        assert len(batch["reasons"]) == len(batch["items"])


def test_plan_knows_who_serves_a_bucket_if_it_is_told_which(cloudfront: StrictCloudFront) -> None:
    cloudfront.configs = {"E1": of_buckets("another"), "E2": of_buckets("mine")}
    done = run("plan", "--key", "a", "--key", "b.map", "--bucket", "mine", EXCLUDE="*.map")
    assert rows(done) == [["distribution", "path", "reason"], ["E2", "/a", "object 'a'"]]
    assert done.stderr.splitlines() == [
        "E1: it has no origin in the bucket (1 change)",
        "1 call, 1 path: 0.005 USD if the 1,000 free paths of the month are used up.",
        "1 change excluded. Nothing was sent.",
    ]
    assert run("plan", "--key", "a", "--bucket", "nobodys").stderr.splitlines()[-2:] == [
        "Nothing is stale.",
        "1 unserved. Nothing was sent.",
    ]
    cloudfront.read.clear()
    assert len(rows(run("plan", "--key", "a"))) == 3
    assert cloudfront.read == []


def test_plan_reports_what_it_cannot_read(cloudfront: StrictCloudFront) -> None:
    done = run("plan", "-", "--json", stdin=json.dumps(make.s3(Change("a"), Change(""))))
    assert done.returncode == 1
    assert json.loads(done.stdout)["cost"]["paths"] == 2
    assert "refused: a record whose bucket is a string of 6 characters and whose key is a string of 0" in done.stderr


@pytest.mark.parametrize("key", ["[red]x[/red]", "a\x1b[31mb", "é\nb", "🌹" * 256])
def test_a_hostile_key_is_shown_as_data(key: str) -> None:
    done = run("plan", "--key", key, "--distribution-id", "E1")
    (row,) = done.stdout.splitlines()[1:]
    assert f"object {key!r}" in row
    assert "\x1b" not in done.stdout


def test_a_key_that_s3_cannot_have_is_refused() -> None:
    assert_explained(run("plan", "--key", "x" * 1_025, "--distribution-id", "E1"), 1, "refused: a key of 1,025 bytes")
    assert_explained(run("plan", "--key", "", "--distribution-id", "E1"), 1, "refused: a record whose bucket is")


def test_a_terminal_that_cannot_show_a_key_gets_its_escape() -> None:
    done = run("plan", "--key", "café", "--distribution-id", "E1", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "object 'caf\\xe9'" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("POWERTOOLS_LOG_LEVEL", "verbose", "error: POWERTOOLS_LOG_LEVEL or another variable of Powertools is wrong"),
        ("AWS_PROFILE", "nope", "error: the AWS SDK cannot be set up: The config profile (nope) could not be found"),
    ],
)
def test_a_wrong_variable_is_explained(name: str, value: str, words: str) -> None:
    done = run("invoke", "events/s3-put.json", **{name: value, "DISTRIBUTION_IDS": "E1"})
    assert done.returncode in {1, 2}
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "status", "words"),
    [
        ("typer", 1, "error: the command line needs the extra 'cli': pip install '.[cli]'"),
        ("moto", 2, "error: the embedded AWS needs the extra 'local': pip install '.[local]'"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(missing: str, status: int, words: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from invalidator.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert_explained(done, status, words)


def test_where_whoever_reads_has_seen_enough_it_ends_without_a_word() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*COMMAND, "tags"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_output_that_cannot_be_written_is_explained() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 a device
        done = subprocess.run(
            [*COMMAND, "plan", "--key", "a" * 1_000, "--distribution-id", "E1", "--json"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    *_, said = done.stderr.splitlines()
    assert said == "error: the output cannot be written: [Errno 28] No space left on device"
    assert "Traceback" not in done.stderr


# --- dlq ------------------------------------------------------------------------------------------------

EMPTY = "The dead-letter queue is empty: nothing is known to be stale.\n"
HIDDEN: Any = "ApproximateNumberOfMessagesNotVisible"


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a dead-letter queue, which DEAD_LETTERS_URL has, behind the queue ``changes``."""
    with embedded_aws():
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": QueueWorker(url).arn, "maxReceiveCount": 5})
        sqs.create_queue(QueueName="changes", Attributes={"RedrivePolicy": redrive})
        monkeypatch.setenv("DEAD_LETTERS_URL", url)
        monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2")
        monkeypatch.setenv("DESCRIBE", "off")
        yield url


def put(url: str, *bodies: str) -> None:
    for body in bodies:
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=body)


def ticket(*keys: str, since: str = "2026-11-20T09:30:12.345Z") -> str:
    """One that E1 refused five times."""
    event = make.s3(*map(Change, keys))
    for record in event["Records"]:
        record["eventTime"] = since
    (batch,) = simple_plan(decode(event).changes, [DistributionId("E1")], "index.html").batches
    return write(Ticket(replace(batch, attempts=5), "AccessDenied: no\x1b[31m"))


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()]


def test_dlq_lists_what_is_stale_and_leaves_it(dead: str) -> None:
    later = make.eventbridge(Change(":bomb:")) | {"time": "2026-11-20T10:00:00Z"}
    put(dead, json.dumps(later), ticket("blog/index.html"))
    for _ in range(2):
        done = run("dlq")
        assert done.returncode == 0
        assert rows(done) == [
            ["distribution", "path", "since", "attempts", "why"],
            ["E1", "/blog/", "2026-11-20T09:30:12.345Z", "5", "AccessDenied: no\\x1b[31m"],
            ["E1", "/blog/index.html", "2026-11-20T09:30:12.345Z", "5", "AccessDenied: no\\x1b[31m"],
            *(
                [
                    id_,
                    "/:bomb:",
                    "2026-11-20T10:00:00Z",
                    "the function did not get it done; its log of that time says why",
                ]
                for id_ in ("E1", "E2")
            ),
        ]
        assert done.stderr == "4 stale paths in 2 dead letters, all left where they are.\n"
    assert run("dlq", "--queue", "dead", DEAD_LETTERS_URL="").stdout == done.stdout


def test_dlq_as_json_is_for_programs(dead: str) -> None:
    put(dead, json.dumps(make.s3(Change("a"))), "poison")
    done = run("dlq", "--json", DISTRIBUTION_IDS="")
    document = json.loads(done.stdout)
    (row,), (unreadable,) = document["stale"], document["unreadable"]
    assert (row["distribution"], row["path"], row["attempts"]) == (None, "/a", None)
    assert set(row) == {"distribution", "path", "since", "attempts", "why"}
    assert set(unreadable) == {"message_id", "since", "reason"}
    assert "not JSON" in unreadable["reason"]
    told = {letter["message_id"]: letter["contents"] for letter in document["letters"]}
    assert told.pop(unreadable["message_id"]).startswith("cannot be read: the envelope holds 6 characters")
    assert list(told.values()) == ["notifications: 1 path on every configured distribution"]
    assert done.stderr.startswith("The configured distributions are not known here: no distribution to invalidate")
    assert "every configured distribution  /a " in run("dlq", DISTRIBUTION_IDS="").stdout


def test_dlq_shows_what_it_cannot_read_as_such(dead: str) -> None:
    put(dead, '{"password": "hunter2')
    done = run("dlq")
    assert done.returncode == 0
    assert rows(done)[1][:2] == ["?", "?"]
    assert "cannot be read: the envelope holds 21 characters that are not JSON" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr.endswith("What cannot be read is never sent again: --discard deletes it, by its id.\n")


def ids_in_table(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"message (\S+) cannot be read", done.stdout)


def test_what_cannot_be_read_is_discarded_by_the_id_that_is_shown(dead: str) -> None:
    put(dead, "poison", ticket("a"))
    (id_,) = ids_in_table(run("dlq"))
    rehearsed = run("dlq", "--discard", id_, "--dry-run")
    assert rehearsed.stdout.startswith(f"{id_}  cannot be read: the envelope holds 6 characters that are not JSON: ")
    assert rehearsed.stderr == "1 dead letter would be discarded; nothing was.\n"
    assert ids_in_table(run("dlq")) == [id_]
    done = run("dlq", "--discard", id_)
    assert (done.returncode, done.stdout) == (0, rehearsed.stdout)
    assert done.stderr == "1 dead letter discarded.\n"
    assert (rows(run("dlq"))[1][1], len(json.loads(run("dlq", "--json").stdout)["letters"])) == ("/a", 1)


def test_what_is_discarded_says_what_stays_stale(dead: str) -> None:
    put(dead, ticket("a", "b"), json.dumps(make.s3(Change("c"), Change(""))))
    ids = {
        letter["contents"][:8]: letter["message_id"] for letter in json.loads(run("dlq", "--json").stdout)["letters"]
    }
    of_ticket, partly = ids["a ticket"], ids["notifica"]
    again = json.loads(run("dlq", "--discard", of_ticket, "--dry-run", "--json").stdout)
    (told,) = again["discarded"]
    assert [(row["distribution"], row["path"]) for row in told["stale"]] == [("E1", "/a"), ("E1", "/b")]
    assert (told["message_id"], again["left"], again["missing"]) == (of_ticket, [], [])
    done = run("dlq", "--discard", of_ticket, "--discard", partly, "--discard", partly)
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [f"{of_ticket}  a ticket: 2 paths on E1", "    E1  /a", "    E1  /b"]
    assert "  notifications: 1 path on E1, E2; the rest cannot be read: " in done.stdout.splitlines()[3]
    assert done.stderr == (
        "2 dead letters discarded.\n4 paths of them may still be stale: 'create' clears what you name.\n"
    )
    assert_explained(run("dlq"), 0, EMPTY.strip())


def test_of_a_long_letter_that_is_discarded_some_paths_are_shown_or_all(dead: str) -> None:
    put(dead, ticket(*[f"{number:03}" for number in range(150)]))
    (letter,) = json.loads(run("dlq", "--json").stdout)["letters"]
    chosen = ("dlq", "--dry-run", "--discard", letter["message_id"])
    assert rows(run(*chosen))[-1] == ["… and 50 more; --all shows them"]
    assert rows(run(*chosen, "--all"))[-1] == ["E1", "/149"]


def test_an_id_that_is_not_there_is_told_and_the_others_go(dead: str) -> None:
    put(dead, "poison")
    (id_,) = ids_in_table(run("dlq"))
    done = run("dlq", "--discard", "nope\x1b[31m", "--discard", id_)
    assert done.returncode == 1
    assert "not there: no letter 'nope\\x1b[31m' is in the dead-letter queue" in done.stderr
    assert done.stderr.endswith("1 dead letter discarded.\n")
    assert_explained(run("dlq", "--discard", id_), 1, f"not there: no letter '{id_}' is in the dead-letter queue")
    assert json.loads(run("dlq", "--discard", id_, "--json").stdout) == {"discarded": [], "left": [], "missing": [id_]}


def test_dlq_folds_what_is_long_unless_asked_for_all(dead: str) -> None:
    put(dead, ticket(*[f"{number:03}" for number in range(150)]))
    shown = rows(run("dlq"))
    assert (len(shown), shown[-1][1]) == (102, "… and 50 more; --all shows them")
    assert [row[1] for row in rows(run("dlq", "--all"))[1:]] == [f"/{number:03}" for number in range(150)]
    assert len(json.loads(run("dlq", "--json").stdout)["stale"]) == 150


def test_an_empty_dead_letter_queue_is_good_news(dead: str) -> None:
    assert_explained(run("dlq"), 0, EMPTY.strip())
    assert_explained(run("dlq", "--retry"), 0, EMPTY.strip())
    done = run("dlq", "--json")
    assert (json.loads(done.stdout), done.stderr) == ({"stale": [], "unreadable": [], "letters": []}, EMPTY)
    put(dead, "a")
    boto3.client("sqs").receive_message(QueueUrl=dead)
    assert_explained(run("dlq"), 0, "Nothing can be seen in the dead-letter queue, but 1 letter may be in other hands")


def test_dlq_sends_again_what_can_be_sent(dead: str) -> None:
    put(dead, ticket("a"), "poison")
    target = dead.replace("dead", "changes")
    rehearsed = run("dlq", "--retry", "--dry-run")
    assert rehearsed.returncode == 1
    assert rehearsed.stdout.split("  ")[1] == f"a ticket: 1 path on E1  → {target}\n".split("  ")[0]
    assert rehearsed.stderr.endswith("1 dead letter would be sent again; nothing was. 1 left where they are.\n")
    done = run("dlq", "--retry")
    assert (done.returncode, done.stdout) == (1, rehearsed.stdout)
    assert re.search(r"left where it is: message \S+: the envelope holds 6 characters that are not JSON", done.stderr)
    assert done.stderr.endswith("1 dead letter sent again. 1 left where they are.\n")
    event = QueueWorker(target).receive()
    assert event is not None
    assert [json.loads(record["body"])["attempts"] for record in event["Records"]] == [0]
    answer = json.loads(run("dlq", "--retry", "--json").stdout)
    assert (answer["sent"], len(answer["left"])) == ([], 1)


def test_dlq_needs_no_distributions_to_send_again(dead: str) -> None:
    put(dead, json.dumps(make.s3(Change("a"))))
    done = run("dlq", "--retry", "--json", "--to", "changes", DISTRIBUTION_IDS="")
    assert done.returncode == 0
    (sent,) = json.loads(done.stdout)["sent"]
    assert (sent["kind"], sent["to"]) == ("notifications", dead.replace("dead", "changes"))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_letters_are_given_back_when_dlq_is_stopped(dead: str, stop: signal.Signals) -> None:
    put(dead, *"abcdefghijk")
    sqs = boto3.client("sqs")
    with subprocess.Popen([*COMMAND, "dlq"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        while sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=[HIDDEN])["Attributes"][HIDDEN] != "11":
            assert process.poll() is None
        process.send_signal(stop)
        _, stderr = process.communicate(timeout=20)
    assert b"Traceback" not in stderr
    # The eleventh may have been on its way when the signal came; nobody can give that one back.
    assert len(sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)["Messages"]) == 10


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("dlq",), 2, "no dead-letter queue to look into: give --queue, or set DEAD_LETTERS_URL"),
        (("dlq", "--queue", "arn:aws:sqs:eu-central-1:111122223333:dead"), 2, "neither the URL nor the name"),
        (("dlq", "--queue", "dead", "--dry-run"), 2, "--dry-run: it goes with --retry or --discard"),
        (("dlq", "--queue", "dead", "--retry", "--discard", "a"), 2, "--retry / --discard: give one of them"),
        (("dlq", "--queue", "dead", "--to", "changes"), 2, "--to: it goes with --retry"),
        (("dlq", "--queue", "dead"), 1, "queue dead: Unable to locate credentials (log in, or set AWS_PROFILE)"),
    ],
)
def test_wrong_usage_of_dlq_is_explained(arguments: tuple[str, ...], status: int, words: str) -> None:
    assert_explained(run(*arguments, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""), status, words)


def test_what_keeps_dlq_from_its_queues_is_explained(dead: str) -> None:
    assert_explained(run("dlq", "--queue", "nope"), 1, "(check the name, the account and the Region)")
    put(dead, "{}", json.dumps(make.s3(Change("a"))))
    assert_explained(run("dlq", "--retry", "--to", "nope"), 1, "(check the name, the account and the Region)")
    boto3.client("sqs").delete_queue(QueueUrl=dead.replace("dead", "changes"))
    assert_explained(run("dlq", "--retry"), 2, f"{dead} is the dead-letter queue of no queue: say with --to which")


# --- demo and local -------------------------------------------------------------------------------------


def test_the_demo_tells_the_whole_story() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    heads = [line.split() for line in done.stdout.splitlines() if not line.startswith(" ")]
    references = [head[5] for head in heads]
    first, edit, delete, redelivery = (references[n : n + 2] for n in (0, 2, 4, 6))
    assert redelivery == delete
    assert len({*first, *edit, *delete}) == 6
    assert done.stdout.endswith("    (known already: nothing new was created)\n")
    assert "8 changes, 6 invalidations of 28 paths on 2 distributions; 0 messages failed." in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_local_shows_each_invalidation_as_it_happens_and_stops_cleanly(stop: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "local", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        head = process.stderr.readline()
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", head)
        assert endpoint is not None, head
        while "Ctrl-C stops it." not in process.stderr.readline():
            pass
        boto3.client("s3", endpoint_url=endpoint[0]).put_object(Bucket="origin", Key="blog/index.html", Body=b"x")
        shown = [process.stdout.readline() for _ in range(4)]
        process.send_signal(stop)
        _, rest = process.communicate(timeout=20)
    assert [line.strip() for line in shown if line.startswith(" ")] == ["/blog/", "/blog/index.html"]
    assert rest == "Stopped.\n"
    assert process.returncode == 0


def test_a_port_in_use_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_explained(run("local", "--port", port), 2, f"port {port} cannot be used")


# --- help -----------------------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"invalidator \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage: invalidator" in done.stdout
    assert command in run("--help").stdout


# --- connect, disconnect --------------------------------------------------------------------------------

QUEUE = "arn:aws:sqs:us-east-1:111122223333:changes"
DIFFERENCE = """\
--- before
+++ after
@@ -1 +1,13 @@
-{}
+{
+  "QueueConfigurations": [
+    {
+      "Events": [
+        "s3:ObjectCreated:*",
+        "s3:ObjectRemoved:*",
+        "s3:LifecycleExpiration:*"
+      ],
+      "Id": "invalidator",
+      "QueueArn": "arn:aws:sqs:us-east-1:111122223333:changes"
+    }
+  ]
+}
"""


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictS3]:
    bucket = StrictS3({"origin": "us-east-1", "west": "eu-west-1"}, {QUEUE})
    with strict_s3.serve(bucket) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield bucket


def test_a_bucket_is_connected_and_disconnected_by_hand(origin: StrictS3) -> None:
    connect = ("connect", "--bucket", "origin", "--queue", QUEUE)
    rehearsed = run(*connect, "--dry-run")
    assert (rehearsed.returncode, rehearsed.stdout, rehearsed.stderr) == (0, DIFFERENCE, "Nothing was changed.\n")
    assert origin.puts == 0
    done = run(*connect)
    assert (done.returncode, done.stdout) == (0, DIFFERENCE)
    assert done.stderr == f"Done: bucket origin notifies {QUEUE}, as its entry 'invalidator'.\n"
    again = run(*connect)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == f"Nothing to do: bucket origin notifies {QUEUE}, as its entry 'invalidator'.\n"
    gone = run("disconnect", "--bucket", "origin")
    assert gone.stderr == "Done: bucket origin has no entry 'invalidator'.\n"
    assert "-{" in gone.stdout.splitlines()
    assert (
        run("disconnect", "--bucket", "origin").stderr == "Nothing to do: bucket origin has no entry 'invalidator'.\n"
    )
    assert origin.puts == 2


def test_what_keeps_a_bucket_from_being_connected_is_explained(origin: StrictS3) -> None:
    assert_explained(run("connect", "--bucket", "nope", "--queue", QUEUE), 1, "NoSuchBucket")
    assert_explained(run("connect", "--bucket", "west", "--queue", QUEUE), 1, "is in eu-west-1")
    assert_explained(run("connect", "--bucket", "origin", "--queue", QUEUE + "2"), 1, "do not allow S3 to publish")
    run("connect", "--bucket", "origin", "--queue", QUEUE, "--id", "first")
    assert_explained(run("connect", "--bucket", "origin", "--queue", QUEUE), 1, "its entry 'first'")
    assert_explained(run("disconnect", "--bucket", "nope"), 1, "check the name of the bucket")


FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:f"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("connect", "--bucket", "origin"), "--queue / --function: give one of them"),
        (("connect", "--bucket", "origin", "--queue", QUEUE, "--function", FUNCTION), "give one of them"),
        (("connect", "--queue", QUEUE), "Missing option '--bucket'"),
        (("disconnect",), "Missing option '--bucket'"),
        (
            ("connect", "--bucket", "origin", "--queue", "changes"),
            "--queue: 'changes' is not what it should be: arn:aws",
        ),
        (("connect", "--bucket", "origin", "--queue", ""), "--queue: '' is not"),
        (("connect", "--bucket", "origin", "--queue", "arn:"), "--queue: 'arn:' is not"),
        (("connect", "--bucket", "origin", "--queue", "arn:aws:sqs:::"), "--queue: 'arn:aws:sqs:::' is not"),
        (("connect", "--bucket", "origin", "--function", QUEUE), f"--function: '{QUEUE}' is not"),
        (("connect", "--bucket", "origin", "--queue", QUEUE, "--suffix", "*.html"), "--suffix: '*.html' is not what"),
        (("connect", "--bucket", "origin", "--queue", QUEUE, "--prefix", "\udcff"), "--prefix: '\\udcff' is not what"),
        (("connect", "--bucket", "origin", "--queue", QUEUE, "--id", " "), "--id: an entry has to have a name"),
        (("connect", "--bucket", "s3://origin", "--queue", QUEUE), "--bucket: 's3://origin' is not the name"),
        (("disconnect", "--bucket", "arn:aws:s3:::origin"), "--bucket: 'arn:aws:s3:::origin' is not the name"),
        (("disconnect", "--bucket", ""), "--bucket: '' is not the name"),
    ],
)
def test_wrong_usage_of_connect_is_explained(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert_explained(done, 2, words)
