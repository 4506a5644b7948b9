"""``plan``: each path with its reason, and nothing sent."""

import json
import re

import pytest

from tests.doubles import strategies as make
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.command import assert_explained, rows, run
from tests.doubles.configurations import of_buckets
from tests.doubles.documents import contents
from tests.doubles.strategies import Change


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
    done = run("plan", "events/sqs-ticket.json", "--distribution-id", "EESVZEMEETI1Q")
    assert done.returncode == 1
    assert re.findall(r"/blog/\S*", done.stdout) == ["/blog/", "/blog/index.html"]
    assert "refused: a ticket for 'EW8XZDR3UNZCW', which is not one of the configured" in done.stderr


def test_plan_as_json_is_what_invoke_sends(cloudfront: StrictCloudFront) -> None:
    planned = contents(run("plan", "events/s3-many-records.json", "--json").stdout)
    run("invoke", "events/s3-many-records.json")
    sent = [(item.distribution, list(item.paths), item.reference) for item in cloudfront.accepted]
    assert sorted(sent) == [  # they are sent at the same time
        (batch["distribution"], batch["items"], batch["caller_reference"]) for batch in planned["batches"]
    ]
    assert set(planned) == {"batches", "cost", "warnings", "notes", "excluded", "unserved", "refused"}
    assert planned["cost"].pop("path_by_path") == {"paths": 12, "usd": 0.06}
    assert planned["cost"] == {"paths": 12, "wildcards": 0, "calls": 2, "usd": 0.06, "evicted": 0}
    for batch in planned["batches"]:
        assert set(batch) == {"distribution", "items", "caller_reference", "reasons", "cost"}
        assert batch["cost"] == {"paths": 6, "wildcards": 0, "calls": 1, "usd": 0.03, "evicted": 0}
        assert len(batch["reasons"]) == len(batch["items"])


def test_plan_knows_who_serves_a_bucket_if_it_is_told_which(cloudfront: StrictCloudFront) -> None:
    cloudfront.configs = {"E1": of_buckets("another"), "E2": of_buckets("mine")}
    done = run("plan", "a", "--key", "b.map", DISCOVER_BUCKET="mine", EXCLUDE="*.map")
    assert rows(done) == [["distribution", "path", "reason"], ["E2", "/a", "object 'a'"]]
    assert done.stderr.splitlines() == [
        "E1: it has no origin in the bucket (1 change)",
        "1 call, 1 path: 0.005 USD if the 1,000 free paths of the month are used up.",
        "1 change excluded. Nothing was sent.",
    ]
    alone = run("plan", "a", "--bucket", "mine")
    assert rows(alone)[1:] == [["E2", "/a", "object 'a'"]]
    assert "E1" not in alone.stderr
    cloudfront.read.clear()
    assert len(rows(run("plan", "--key", "a"))) == 3
    assert cloudfront.read == []


def test_plan_says_that_all_of_it_is_sent_twice(cloudfront: StrictCloudFront) -> None:
    done = run("plan", "--key", "a", REPEAT_AFTER="10", QUEUE_URL="https://sqs.eu-central-1.amazonaws.com/1/changes")
    assert done.stderr.splitlines() == [
        "2 calls, 2 paths: 0.01 USD if the 1,000 free paths of the month are used up.",
        "REPEAT_AFTER: the function sends all of it twice, for twice that (0.02 USD).",
        "Nothing was sent.",
    ]
    assert cloudfront.calls == 0
    # Without the queue on which it would wait, there is none.
    assert "twice" not in run("plan", "--key", "a", REPEAT_AFTER="10").stderr


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
    done = run("plan", "--key", "x" * 1_025, "--distribution-id", "E1")
    assert_explained(done, 2, "error: --key: a key of 1,025 bytes; S3 has none above 1,024")
    assert_explained(run("plan", "--key", "", "--distribution-id", "E1"), 2, "error: --key: it is empty")
