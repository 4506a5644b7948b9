"""Every command in every trouble: what it says and its exit status, from one table.

A row has the arguments of a command; a column is a trouble, and what all commands say then. A row names the cells in
which its command says something else, or which do not apply (None). A command without a row fails here.
"""

import io
import json
import os
import re
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

import boto3
import pytest

from invalidator.__main__ import main
from invalidator.aws import sdk
from invalidator.cli.app import NAMES
from invalidator.local.embedded import BUCKET, embedded_aws
from invalidator.local.queue_worker import QueueWorker
from invalidator.runtime import clients
from invalidator.runtime.log import logger
from tests.doubles import strategies as make
from tests.doubles.command import ROOT
from tests.doubles.loopback import Quiet, answering, ok, serving
from tests.doubles.strategies import Change

KEY: Final = "blog/index.html"
NO_BUCKET: Final = "nobody-has-this"
QUEUE: Final = "arn:aws:sqs:us-east-1:123456789012:changes"


class Cell(NamedTuple):
    """The exit status and words of a command, and its arguments where they are not those of its row."""

    status: int
    words: str
    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str] = {}


@dataclass(frozen=True)
class Row:
    """The arguments of a command, in which {} stands for what is made for the tests, and its own cells."""

    arguments: tuple[str, ...]
    cells: Mapping[str, Cell | None] = field(default_factory=dict)


COLUMNS: Final = {
    "no credentials": Cell(1, "Unable to locate credentials (log in, or set AWS_PROFILE)"),
    "a wrong Region": Cell(2, "region_name 'eu_central_1' doesn't match a supported format"),
    "a dead endpoint": Cell(1, "Could not connect to the endpoint URL"),
    "a silent endpoint": Cell(1, "no answer yet: Read timeout on endpoint URL"),
    "a page of a proxy": Cell(1, ""),
    "an unknown bucket": Cell(
        2,
        f"error: no distribution of this account has an origin in bucket '{NO_BUCKET}': check the name, or give"
        " --distribution-id",
    ),
    "an unknown id": Cell(1, "this account has no such distribution: correct the list of distributions"),
    "a key with a slash": Cell(2, f"did you mean '{KEY}'?"),
    "an empty input": Cell(2, "<stdin> is not JSON"),
    "40 columns": Cell(0, ""),
    "a closed pipe": Cell(1, ""),
    "Ctrl-C": Cell(130, ""),
}

_NO_CALLS: Final = dict.fromkeys([*COLUMNS, "40 columns", "a closed pipe"])
_NO_KEYS: Final = {"a key with a slash": None, "an empty input": None}
_GONE: Final = Cell(1, "NoSuchBucket: The specified bucket does not exist (check the name of the bucket)")
_NO_QUEUE: Final = ("--since", "1h", "--bucket", BUCKET, "--queue", "none")
_UNKNOWN: Final = ("--distribution-id", "E0UNKNOWN")

TABLE: Final = {
    "invoke": Row(
        ("events/s3-put.json",),
        {
            "an unknown bucket": None,  # it is that of the event
            "an unknown id": Cell(1, COLUMNS["an unknown id"].words, environ={"DISTRIBUTION_IDS": "E0UNKNOWN"}),
            "a key with a slash": None,
            "an empty input": Cell(2, "<stdin> is not JSON", ("-",)),
        },
    ),
    "plan": Row(
        ("--key", KEY, "--bucket", BUCKET, "--distribution-id", "discover"),
        {
            "an unknown id": COLUMNS["an unknown id"]._replace(arguments=("--key", KEY, "--bucket", BUCKET, *_UNKNOWN)),
            "an empty input": Cell(2, "<stdin> is not JSON", ("-",)),
        },
    ),
    "create": Row(
        ("--key", KEY, "--bucket", BUCKET),
        {
            "an unknown id": COLUMNS["an unknown id"]._replace(arguments=("--key", KEY, *_UNKNOWN)),
            "an empty input": Cell(2, "--allow-empty", ("--keys-from", "-", "--bucket", BUCKET)),
            "a silent endpoint": COLUMNS["a silent endpoint"]._replace(
                arguments=("--key", KEY, "--bucket", BUCKET, "--timeout", "2")
            ),
            "40 columns": Cell(0, "", ("--key", KEY, "--bucket", BUCKET, "--dry-run")),
            "a closed pipe": Cell(
                1, "error: standard output cannot be written: [Errno 32] Broken pipe. What was accept"
            ),
        },
    ),
    "explain": Row(
        (KEY, "--bucket", BUCKET, "--distribution-id", "discover"),
        {
            "an unknown id": COLUMNS["an unknown id"]._replace(arguments=(KEY, "--bucket", BUCKET, *_UNKNOWN)),
            "an empty input": None,
        },
    ),
    "distributions": Row(("--bucket", BUCKET), _NO_KEYS | {"an unknown id": None}),
    "status": Row(
        ("--bucket", BUCKET),
        _NO_KEYS
        | {
            "an unknown id": Cell(1, "check both ids", ("I0UNKNOWN", "--distribution-id", "{distribution}")),
            "40 columns": None,  # it leaves columns out: test_status.py
        },
    ),
    "tags": Row((), _NO_CALLS | {"40 columns": COLUMNS["40 columns"], "a closed pipe": COLUMNS["a closed pipe"]}),
    "connect": Row(
        ("--bucket", BUCKET, "--queue", QUEUE, "--dry-run"),
        _NO_KEYS | {"an unknown bucket": _GONE, "an unknown id": None},  # S3 looks at the queue, not moto
    ),
    "disconnect": Row(
        ("--bucket", BUCKET, "--id", "nothing"),
        _NO_KEYS
        | {
            "an unknown bucket": _GONE,
            "an unknown id": Cell(0, f"Nothing to do: bucket {BUCKET} has no entry 'nothing'."),
            "a closed pipe": Cell(0, "Nothing to do"),
        },
    ),
    "catch-up": Row(
        ("--since", "1h", "--bucket", BUCKET, "--dry-run"),
        _NO_KEYS
        | {
            "an unknown bucket": _GONE._replace(status=2),
            "an unknown id": Cell(1, "check the name, the account", _NO_QUEUE),
        },
    ),
    "dlq": Row(
        ("--queue", "{queue}"),
        _NO_KEYS
        | {
            "a page of a proxy": Cell(2, "insist with --any-queue"),  # the SDK takes it for an answer with no queues
            "an unknown bucket": None,
            "an unknown id": Cell(1, "check the name, the account and the Region of the queue", ("--queue", "none")),
        },
    ),
    "doctor": Row(
        ("--bucket", BUCKET, "--queue", "changes"),
        _NO_KEYS
        | {
            "no credentials": Cell(1, f"wrong bucket: bucket {BUCKET}: Unable to locate credentials"),
            "an unknown id": Cell(1, "check the name", ("--bucket", BUCKET, "--queue", "none")),
            "40 columns": Cell(1, ""),
        },
    ),
    "verify": Row(
        ("--url", "{edge}", "--key", KEY, "--bucket", BUCKET),
        {
            "an unknown bucket": Cell(1, NO_BUCKET),
            "an unknown id": None,
            "an empty input": None,
            "40 columns": Cell(1, ""),
        },
    ),
    "prove": Row(
        ("--url", "{edge}", "--bucket", BUCKET, "--yes"),
        _NO_KEYS
        | {
            "an unknown id": None,
            "40 columns": None,  # it takes half a minute: test_prove.py
            "a closed pipe": None,
            "Ctrl-C": Cell(130, "Stopped."),
        },
    ),
    "local": Row((), _NO_CALLS),  # test_local.py
    "demo": Row((), _NO_CALLS),  # the same
}


class _Bytes(io.BytesIO):
    name = "<stdin>"


class _Stream(io.TextIOWrapper):
    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


class Told(NamedTuple):
    """The exit status of a command, and what it wrote."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class World:
    """An embedded AWS with an object, an invalidation and a letter, an edge, and endpoints for troubles."""

    names: Mapping[str, str]
    environ: Mapping[str, str]
    endpoints: Mapping[str, str]

    def arguments(self, command: str, words: tuple[str, ...]) -> list[str]:
        return [command, *(word.format_map(self.names) for word in words)]


class _Interrupting(Quiet):
    """An endpoint where a Ctrl-C comes with the first request of a command, and with no other: it would be too late."""

    left = SimpleQueue[None]()

    def do_GET(self) -> None:
        with suppress(Empty):
            self.left.get_nowait()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        self.respond(404)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 the names that the server looks for


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        aws = stack.enter_context(embedded_aws())
        boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=b"x")
        batch: Any = {"Paths": {"Quantity": 1, "Items": ["/a"]}, "CallerReference": "before"}
        boto3.client("cloudfront").create_invalidation(DistributionId=aws.distributions[0], InvalidationBatch=batch)
        sqs = boto3.client("sqs")
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": QueueWorker(dead).arn, "maxReceiveCount": 5})
        sqs.create_queue(QueueName="changes", Attributes={"RedrivePolicy": redrive})
        sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(make.s3(Change(KEY))))
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        yield World(
            {"queue": dead, "distribution": aws.distributions[0], "edge": stack.enter_context(answering(ok(b"x")))},
            {"AWS_ENDPOINT_URL": aws.endpoint, "DISTRIBUTION_IDS": aws.distributions[0]},
            {
                "a dead endpoint": f"http://127.0.0.1:{closed.getsockname()[1]}",
                "a silent endpoint": f"http://127.0.0.1:{silent}",
                "a page of a proxy": stack.enter_context(answering(ok(b"<html>log in</html>"))),
                "Ctrl-C": f"http://{stack.enter_context(serving(_Interrupting))}",
            },
        )


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that runs a command in this process, as ``python -m invalidator`` does."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(logger.logger_handler, "stream", io.StringIO())
    monkeypatch.setattr(sdk, "_PAUSES_SECONDS", (0.0, 0.0))

    def tell(arguments: list[str], environ: Mapping[str, str], *, is_terminal: bool = False, out: Any = None) -> Told:
        for name, value in {**world.environ, **environ}.items():
            monkeypatch.setenv(name, value)
        written = [io.BytesIO(), io.BytesIO()]
        streams = [_Stream(raw, write_through=True) for raw in (out or written[0], written[1])]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            stream.is_terminal = is_terminal
            monkeypatch.setattr(f"sys.{name}", stream)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(_Bytes()))
        monkeypatch.setattr("sys.argv", ["invalidator", *arguments])
        clients.forget()
        with pytest.raises(SystemExit) as ended:
            main()
        told = Told(int(ended.value.code or 0), *(raw.getvalue().decode() for raw in written))
        monkeypatch.setattr(logger.logger_handler, "stream", io.StringIO())  # it may have been our standard error
        for used in {*streams, sys.stdout, sys.stderr}:
            with suppress(BrokenPipeError):
                used.close()
        return told

    yield tell
    clients.forget()


def cells() -> Iterator[Any]:
    for command, row in TABLE.items():
        for trouble, usual in COLUMNS.items():
            cell = row.cells.get(trouble, usual)
            if cell is not None:
                yield pytest.param(command, trouble, cell, id=f"{command} with {trouble}")


def troubled(world: World, command: str, trouble: str, cell: Cell) -> tuple[list[str], dict[str, str]]:
    """Return the arguments of a command, and the variables that it finds, in this trouble."""
    arguments = world.arguments(command, cell.arguments or TABLE[command].arguments)
    environ = dict(cell.environ)
    match trouble:
        case "no credentials":
            environ |= {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        case "a wrong Region":
            environ |= {"AWS_REGION": "eu_central_1", "AWS_DEFAULT_REGION": "eu_central_1"}
        case "an unknown bucket":
            arguments = [NO_BUCKET if word == BUCKET else word for word in arguments]
        case "a key with a slash":
            arguments = [f"/{KEY}" if word == KEY else word for word in arguments]
        case _ if trouble in world.endpoints:
            environ["AWS_ENDPOINT_URL"] = world.endpoints[trouble]
    return arguments, environ


def test_each_command_has_a_row_and_each_own_cell_a_column() -> None:
    assert set(TABLE) == set(NAMES)
    assert {trouble for row in TABLE.values() for trouble in row.cells} <= set(COLUMNS)


@pytest.mark.parametrize(("command", "trouble", "cell"), list(cells()))
def test_a_command_in_trouble_says_so_in_a_sentence(
    command: str, trouble: str, cell: Cell, world: World, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, environ = troubled(world, command, trouble, cell)
    if trouble == "a silent endpoint":
        monkeypatch.setattr(sdk, "_READ_SECONDS", 0.2)
    if trouble == "40 columns":
        wide, narrow = run(arguments, environ), run(arguments, {**environ, "COLUMNS": "40"}, is_terminal=True)
        assert not letters(wide.out) - letters(narrow.out)
        told = narrow
    elif trouble == "a closed pipe":
        reading, writing = os.pipe()
        os.close(reading)
        told = run(arguments, environ, out=os.fdopen(writing, "wb", 0))
        assert cell.words or "error" not in told.err
    else:
        if trouble == "Ctrl-C":
            _Interrupting.left.put(None)
        told = run(arguments, environ)
    said = " ".join((told.err + told.out).split())
    assert cell.words in said
    assert told.status == cell.status
    assert "Traceback" not in said
    if told.status == 2:
        assert told.out == ""
        assert told.err.count("error: ") == 1


WRONG_USAGE: Final = [
    ("connect --bucket origin", "--queue / --function: give one of them, or --stack"),
    ("plan", "give one of them: an event, keys (--key, --keys-from), or two listings (--before, --after)"),
    ("plan events/s3-put.json --key a", "give one of them"),
    ("plan events/s3-put.json --keys-from LICENSE", "give one of them"),
    ("plan events/s3-put.json --before LICENSE --after LICENSE", "give one of them"),
    ("plan --key a --before LICENSE --after LICENSE", "give one of them"),
    ("plan --before LICENSE", "--before / --after: give both, or none of them"),
    ("plan --after LICENSE", "--before / --after: give both, or none of them"),
    ("plan --before - --after -", "--before / --after: only one of them can be standard input"),
    ("create", "nothing to invalidate"),
    ("explain", "KEY: give at least one"),
    ("verify --key a", "--url: give one"),
    ("verify --url https://a.example/", "KEY: give one"),
    ("verify --url https://a.example/ --key a --timeout 5", "--timeout: give it together with --until-fresh"),
    ("dlq --retry --discard a", "--retry / --discard: give one of them"),
    ("dlq --retry --to a --function b", "--to / --function: give one of them"),
    ("dlq --to a", "--to / --function: give it together with --retry"),
    ("dlq --function b", "--to / --function: give it together with --retry"),
    ("dlq --dry-run", "--dry-run: give it together with --retry or --discard"),
    ("catch-up --since yesterday", "--since: 'yesterday' is neither an age, as 90s, 45m, 2h or 3d, nor a time"),
    ("catch-up --since 2h --bucket origin", "--queue: give the queue of the function, or the stack with --stack"),
    ("catch-up --since 2h --bucket origin --queue a.fifo", "--queue: 'a.fifo' is a FIFO queue"),
    ("catch-up --since 2h", "--bucket: give the origin bucket, or the stack"),
    ("catch-up --since 2h --bucket origin --after WyJhIl0=", "--after: 'WyJhIl0=' is not where a catch-up stopped"),
    ("status --watch --json", "--watch: it does not go with --json"),
    ("status --watch I1", "--watch: it does not go with ID"),
]


@pytest.mark.parametrize(("line", "words"), WRONG_USAGE)
def test_options_that_do_not_go_together_are_told_in_one_line(line: str, words: str, run: Any) -> None:
    told = run(line.split(), {})
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"error: {words}")
    assert told.err.count("\n") == 1


def letters(text: str) -> Counter[str]:
    """Count what is not white, apart from what a terminal obeys and from figures, which may change from run to run."""
    return Counter(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\s\d]", "", text))
