"""``prove`` against edges on loopback, with and without a stack that invalidates."""

import io
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import typer

from invalidator.cli import prove as command
from invalidator.cli.prove import _agree, _distribution, _layout, _world, prove
from invalidator.cli.prove_view import narrate_left
from invalidator.cli.targets import settings_meant
from invalidator.errors import CdnError, ConfigurationError
from invalidator.local.edge import EdgeCache, edge_served
from invalidator.local.embedded import BUCKET, EmbeddedAws, embedded_aws
from invalidator.local.queue_worker import notified_queue
from invalidator.operator.probe_objects import ProbeObjects, WrittenProbe
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.configurations import listed, of_buckets
from tests.doubles.documents import check_document


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    """The embedded AWS, whose first distribution is the configured one, and has an invalidation already."""
    with embedded_aws() as running:
        os.environ["DISTRIBUTION_IDS"] = running.distributions[0]
        boto3.client("cloudfront").create_invalidation(
            DistributionId=running.distributions[0],
            InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "an earlier one"},
        )
        yield running


def status(aws: EmbeddedAws, url: str, **options: Any) -> int:
    """Return the exit status of the command."""
    given: dict[str, Any] = {"bucket": BUCKET, "distribution_id": [aws.distributions[0]], "yes": True} | options
    try:
        prove(url=url, **given)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def keys() -> list[str]:
    return [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())]


def test_a_program_gets_what_viewers_see_and_what_is_open(aws: EmbeddedAws, capsys: pytest.CaptureFixture[str]) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="mine", Body=b"1")
    with edge_served(EdgeCache(aws.distributions[0])) as edge:
        assert status(aws, edge.url, as_json=True) == 0
    told = capsys.readouterr()
    check_document(told.out, "prove")
    shown = json.loads(told.out)
    assert keys() == ["mine"]
    assert shown["invalidated_by"] == "its own plan"
    assert "/til%7Ede" in shown["items"]
    seen = {url["url"]: url for url in shown["urls"]}
    assert seen["/red+flower"].pop("seconds") < 60
    assert seen["/red+flower"] == {
        "url": "/red+flower", "object": "red flower", "status": 200, "served": True, "cached": True,
    }  # fmt: skip
    assert seen["/a+b"]["seconds"] is None
    assert shown["questions"][0].keys() == {"asked", "invalidated", "observed", "means"}
    lines = told.err.splitlines()
    assert lines[:3] == [
        "At most 23 paths are invalidated: 0.115 USD if the 1,000 free paths of the month are used up.",
        "uploading 23 probes",
        "filling the cache: 18 URLs",
    ]
    assert lines[-2] == "All probes are removed."
    assert BUCKET not in told.out
    assert edge.url.rpartition(":")[2] not in told.out


@contextmanager
def working() -> Iterator[None]:
    """Run the function on the uploads, and then on the overwritten probes, each time on all of them together."""
    worker, ended = notified_queue(), threading.Event()
    worker.poll()  # S3 has sent a test event
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="invalidator")["QueueUrl"]

    def waiting() -> int:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def work() -> None:
        for number in (23, 11):
            while waiting() < number:
                if ended.wait(0.1):
                    return
            worker.poll()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_stack_is_waited_for_and_its_table_can_be_sent(
    aws: EmbeddedAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/1/invalidator")
    monkeypatch.setattr(command, "_STACK_SECONDS", 16)  # two seconds without news are enough here
    with working(), edge_served(EdgeCache(aws.distributions[0])) as edge:
        assert status(aws, edge.url) == 0
    out, err = capsys.readouterr()
    assert keys() == []
    assert "invalidated by the stack" in out.splitlines()[0]
    assert re.search(r"^/star%2A +star\* +yes +new after \d+\.\d s", out, re.MULTILINE)
    assert re.search(r"^keys of events .* keys of events are read as S3 stores them *$", out, re.MULTILINE)
    assert err.splitlines()[0] == (
        "At most 107 paths are invalidated: 0.535 USD if the 1,000 free paths of the month are used up."
    )
    assert err.splitlines()[-1].startswith("Viewers see the new object at all 14 URLs that were cached, after ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_interrupts_it_leaves_no_probe(
    number: int, aws: EmbeddedAws, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []

    def now() -> float:
        answers.append(1)
        if len(answers) == 30:
            assert len(keys()) == 23
            os.kill(os.getpid(), number)
        return time.monotonic()

    with edge_served(EdgeCache(aws.distributions[0], now=now)) as edge:
        assert status(aws, edge.url) == 130
    assert keys() == []
    assert capsys.readouterr().err.splitlines()[-2:] == ["All probes are removed.", "Stopped."]


def test_a_mistake_is_explained_before_anything_is_uploaded(
    aws: EmbeddedAws, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = aws.distributions
    os.environ["DISCOVER_BUCKET"] = BUCKET
    unserved = {"bucket": "unserved"}
    mistakes: list[tuple[int, str, str, dict[str, Any]]] = [
        (2, "--url: leave out the query string", "http://127.0.0.1:1/?a", {}),
        (2, "--url: 'd1' does not begin with https://", "d1", {}),
        (1, "http://127.0.0.1:1/ cannot be fetched: the connection was refused", "http://127.0.0.1:1", {}),
        (2, f"no distribution among {one} has an origin in bucket 'unserved'", "http://127.0.0.1:1", unserved),
    ]
    mistakes += [
        (2, f"give the one behind 127.0.0.1, of {one}, {other}", "http://127.0.0.1:1", {"distribution_id": []}),
        # The bucket of the settings is not named, so that the configured distribution is meant.
        (1, "the connection was refused", "http://127.0.0.1:1", {"bucket": None, "distribution_id": []}),
        (
            2,
            "no distribution of this account has an origin in bucket 'unserved'",
            "http://127.0.0.1:1",
            unserved | {"distribution_id": []},
        ),
    ]
    for ended, words, url, options in mistakes:
        assert status(aws, url, **options) == ended, words
        assert words in capsys.readouterr().err
    with edge_served(EdgeCache(one)) as edge:
        assert status(aws, edge.url, yes=False) == 2
    assert "there is no terminal to ask on" in capsys.readouterr().err
    assert keys() == []


def test_the_end_of_the_time_is_blamed_on_nothing_else(aws: EmbeddedAws, capsys: pytest.CaptureFixture[str]) -> None:
    with edge_served(EdgeCache(aws.distributions[0])) as edge:
        assert status(aws, edge.url, timeout=0) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "All probes are removed.",
        "error: the time of --timeout is over: give it more seconds",
    ]
    assert keys() == []
    layout = _layout(settings_meant([]), BUCKET, edge.url)
    world = _world(layout, ProbeObjects.connect(BUCKET, layout.base), edge.url, lambda: 0.0, print)
    with pytest.raises(CdnError, match="not sent within --timeout"):
        world.send(layout.plan)


@pytest.mark.parametrize(
    ("host", "found"), [("e2.cloudfront.net", "E2"), ("www.example.com", "E1"), ("a.example.org", "E2"), ("e3.com", "")]
)
def test_the_distribution_is_that_of_the_host(cloudfront: StrictCloudFront, host: str, found: str) -> None:
    cloudfront.configs = {
        "E1": of_buckets("origin") | {"Aliases": listed("WWW.example.com")},
        "E2": of_buckets("origin") | {"Aliases": listed("*.example.org")},
    }
    settings = settings_meant(["discover"])
    if found:
        assert _distribution(settings, "origin", host).id == found
        return
    with pytest.raises(ConfigurationError, match=r"give the one behind e3\.com, of E1, E2"):
        _distribution(settings, "origin", host)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_on_a_terminal_the_price_is_asked_about(answer: str, monkeypatch: pytest.MonkeyPatch, *, agreed: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    if agreed:
        _agree("0.12 USD", yes=False)
        return
    with pytest.raises(typer.Exit) as ended:
        _agree("0.12 USD", yes=False)
    assert ended.value.exit_code == 1


def test_what_is_left_is_named_with_the_command_that_removes_it(capsys: pytest.CaptureFixture[str]) -> None:
    left = {WrittenProbe("p 1/a"): "AccessDenied", WrittenProbe("p 1/b", "v1"): "AccessDenied"}
    narrate_left(left, "origin", "p 1/")
    assert capsys.readouterr().err.splitlines() == [
        "error: 'p 1/a' is not removed: AccessDenied",
        "error: version v1 of 'p 1/b' is not removed: AccessDenied",
        "These remove what is left:",
        "  aws s3api delete-object --bucket origin --key 'p 1/b' --version-id v1",
        "  aws s3 rm --recursive 's3://origin/p 1/'",
    ]
