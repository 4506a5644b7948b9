"""``dlq``: dead letters that are listed, sent again and discarded."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import boto3
import pytest
from moto.sqs.models import SQSBackend

from invalidator.events.decode import decode
from invalidator.events.tickets import Ticket, write
from invalidator.local.embedded import embedded_aws
from invalidator.local.queue_worker import QueueWorker
from invalidator.model import DistributionId
from tests.doubles import strategies as make
from tests.doubles.command import assert_explained, rows, run, start
from tests.doubles.documents import contents
from tests.doubles.strategies import Change, simple_plan

EMPTY = "The dead-letter queue is empty: nothing is known to be stale.\n"
HIDDEN: Any = "ApproximateNumberOfMessagesNotVisible"


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a dead-letter queue behind the queue ``changes``, set DEAD_LETTERS_URL, and yield its URL."""
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
    """Return a ticket that E1 refused five times."""
    event = make.s3(*map(Change, keys))
    for record in event["Records"]:
        record["eventTime"] = since
    (batch,) = simple_plan(decode(event).changes, [DistributionId("E1")], "index.html").batches
    return write(Ticket(replace(batch, attempts=5), "AccessDenied: no\x1b[31m"))


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
    assert set(row) == {"distribution", "path", "since", "attempts", "error"}
    assert set(unreadable) == {"message_id", "sent", "error"}
    assert "not JSON" in unreadable["error"]
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
    assert done.stderr.endswith("cannot be read are never sent again: delete them by their ids with --discard.\n")


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
    assert done.stderr == ("2 dead letters discarded.\n4 paths in them may still be stale: clear them with 'create'.\n")
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
    assert "The dead-letter queue shows no letter 'nope\\x1b[31m'" in done.stderr
    assert done.stderr.endswith("1 dead letter discarded.\n")
    assert_explained(run("dlq", "--discard", id_), 1, f"The dead-letter queue shows no letter '{id_}'")
    assert contents(run("dlq", "--discard", id_, "--json").stdout) == {"discarded": [], "left": [], "missing": [id_]}


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
    assert (contents(done.stdout), done.stderr) == ({"stale": [], "unreadable": [], "letters": []}, EMPTY)
    put(dead, "a")
    boto3.client("sqs").receive_message(QueueUrl=dead)
    assert_explained(run("dlq"), 0, "shows nothing, but another reader may have 1 letter just now")


def test_dlq_sends_again_what_can_be_sent(dead: str) -> None:
    put(dead, ticket("a"), "poison")
    target = dead.replace("dead", "changes")
    rehearsed = run("dlq", "--retry", "--dry-run")
    assert rehearsed.returncode == 1
    assert rehearsed.stdout.endswith("\n    E1  /a\n")
    assert rehearsed.stdout.split("  ")[1] == f"a ticket: 1 path on E1  → {target}\n".split("  ")[0]
    assert rehearsed.stderr.endswith("1 dead letter would be sent again; nothing was. 1 left where they are.\n")
    done = run("dlq", "--retry")
    assert (done.returncode, done.stdout) == (1, rehearsed.stdout.removesuffix("    E1  /a\n"))
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
    assert [change[:2] for body in sent["bodies"] for change in body["changes"]] == [["origin", "a"]]


def test_a_rehearsal_shows_every_change_that_would_be_sent(dead: str) -> None:
    put(dead, json.dumps(make.s3(*(Change(f"{number:03}\x1b[31m") for number in range(150)))))
    rehearsed = rows(run("dlq", "--retry", "--dry-run", "--all"))
    assert rehearsed[1:] == [[f"s3://origin/{number:03}\\x1b[31m"] for number in range(150)]
    assert rows(run("dlq", "--retry", "--dry-run"))[-1] == ["… and 50 more; --all shows them"]


def test_a_queue_at_work_is_not_read(dead: str) -> None:
    changes = dead.replace("dead", "changes")
    put(changes, json.dumps(make.s3(Change("a"))))
    assert_explained(run("dlq", "--queue", "changes"), 2, f"no queue has {changes} as its dead-letter queue, so it is")
    assert rows(run("dlq", "--queue", "changes", "--any-queue"))[1][:2] == ["E1", "/a"]
    received = boto3.client("sqs").receive_message(QueueUrl=changes, MessageSystemAttributeNames=["All"])
    (message,) = received["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"  # the look that was insisted on, and this one


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_letters_are_given_back_when_dlq_is_stopped(
    dead: str, stop: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dead, *"abcdefghijk")
    has_all, is_stopped, receive = Event(), Event(), SQSBackend.receive_message

    def receive_or_wait(*arguments: Any, **options: Any) -> list[Any]:
        """Receive as SQS does, and keep a poll open for which there is nothing, until the command has ended."""
        if not (messages := receive(*arguments, **options)):
            has_all.set()
            is_stopped.wait(60)
        return messages

    monkeypatch.setattr(SQSBackend, "receive_message", receive_or_wait)
    with start("dlq") as process:
        assert has_all.wait(60)
        process.send_signal(stop)
        _, narrated = process.communicate(timeout=60)
    is_stopped.set()
    assert narrated == "Interrupted. Every letter that was not deleted is in the queue again.\n"
    assert process.returncode == 130
    assert boto3.client("sqs").get_queue_attributes(QueueUrl=dead, AttributeNames=[HIDDEN])["Attributes"][HIDDEN] == "0"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("dlq",), 2, "no dead-letter queue is known: give --queue, or set DEAD_LETTERS_URL"),
        (("dlq", "--queue", "arn:aws:sqs:eu-central-1:111122223333:dead"), 2, "neither the URL nor the name"),
        (("dlq", "--queue", "dead"), 1, "queue dead: Unable to locate credentials (log in, or set AWS_PROFILE)"),
    ],
)
def test_wrong_usage_of_dlq_is_explained(arguments: tuple[str, ...], status: int, words: str) -> None:
    assert_explained(run(*arguments, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""), status, words)


def test_what_keeps_dlq_from_its_queues_is_explained(dead: str) -> None:
    assert_explained(run("dlq", "--queue", "nope"), 1, "(check the name, the account and the Region of the queue)")
    put(dead, "{}", json.dumps(make.s3(Change("a"))))
    assert_explained(
        run("dlq", "--retry", "--to", "nope"), 1, "(check the name, the account and the Region of the queue)"
    )
    boto3.client("sqs").delete_queue(QueueUrl=dead.replace("dead", "changes"))
    assert_explained(run("dlq", "--retry"), 2, f"no queue has {dead} as its dead-letter queue, so it is not read")
    assert_explained(run("dlq", "--retry", "--any-queue"), 2, "nobody knows where they come from: name the queue to")
