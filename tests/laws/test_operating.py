"""The log has what an operator looks for, and the names of objects cannot forge a line of it."""

import json
import re
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest

from invalidator.aws.listings import Listings
from invalidator.aws.queues import Queue
from invalidator.handler import lambda_handler
from invalidator.limits import USD_PER_PATH
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from invalidator.runtime.log import logger
from invalidator.runtime.metrics import MAX_DISTRIBUTIONS, Name
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock, OnClock
from tests.doubles.cloudfront import DENIED, IN_PROGRESS, StrictCloudFront
from tests.doubles.configurations import of_buckets
from tests.doubles.queues import StrictQueues
from tests.doubles.strategies import Change
from tests.doubles.versioned_s3 import VersionedS3
from tests.test_handler import DEAD_LETTERS, MANY, QUEUE, lines_of, ticket

OPERATING = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^```insights\n(.*?)^```$", OPERATING, re.MULTILINE | re.DOTALL)

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html (2026-11-22)
_COMMANDS = {"fields", "filter", "stats", "sort", "limit"}
_WORDS = {"as", "asc", "by", "desc", "in", "like", "or"}
_FUNCTIONS = {"bin", "count", "latest", "max", "sum"}


def words_of(query: str) -> set[str]:
    """Return the words of a query outside of quotes, expressions and time spans, without CloudWatch's own fields."""
    return set(re.findall(r"(?<![@\w.])[a-z]\w*", re.sub(r'"[^"]*"|/[^/\n]*/', "", query)))


def fields_of(query: str) -> set[str]:
    """Return the fields of log lines that a query reads."""
    made = set(re.findall(r"\bas (\w+)", query))
    return words_of(query) - made - _COMMANDS - _WORDS - _FUNCTIONS


def messages_of(query: str) -> set[str]:
    """Return the messages that a query looks for."""
    found = re.findall(r'\bmessage (?:= ("[^"]*")|in (\[[^]]*\]))', query)
    return {text for one, some in found for text in json.loads(some or f"[{one}]")}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    stream = StringIO()
    monkeypatch.setattr(logger.logger_handler, "stream", stream)
    return stream


@pytest.fixture
def lines(cloudfront: StrictCloudFront, log: StringIO, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the function logs while all kinds of things happen to it."""
    for name, value in {
        "DISTRIBUTION_IDS": "E1 E2 E3",
        "QUEUE_URL": QUEUE,
        "DEAD_LETTERS_URL": DEAD_LETTERS,
        "MAX_PATHS": "6",
        "EXCLUDE": "drafts/*",
    }.items():
        monkeypatch.setenv(name, value)
    cloudfront.distributions = {"E1", "E2", "E3"}
    cloudfront.configs["E3"] = of_buckets("another")
    queues, bucket = StrictQueues({QUEUE, DEAD_LETTERS}), VersionedS3()
    bucket.buckets["other-origin"] = []
    for number in range(40):
        bucket.write(f"{'ab'[number % 2]}/{number:02}", b"1")

    def invoke(*bodies: Any) -> None:
        clock = Clock()
        edge = Clients(
            queue=partial(Queue, queues), workers=lambda: Calls(clock), listings=lambda: Listings(bucket, lambda: 0.0)
        )
        lambda_handler(make.sqs(*bodies), OnClock(clock=clock), edge)

    invoke("poison", make.s3(*map(Change, MANY)), make.s3(Change("drafts/a")))
    cloudfront.broken = {"E1": DENIED, "E2": IN_PROGRESS}
    invoke(ticket(Change("a"), attempts=4), make.s3(Change("b")))
    queues.broken[QUEUE] = ("AccessDenied", 403)
    invoke(make.s3(Change("c")))
    return lines_of(log)


@pytest.mark.parametrize("query", QUERIES, ids=[f"query {number}" for number in range(1, len(QUERIES) + 1)])
def test_a_query_finds_its_messages_and_its_fields(query: str, lines: list[dict[str, Any]]) -> None:
    logged = {line["message"] for line in lines}
    assert messages_of(query) <= logged
    found = [line for line in lines if line["message"] in (messages_of(query) or logged)]
    levels = re.findall(r"level in (\[.*?\])", query)
    found = [line for line in found if not levels or line["level"] in json.loads(levels[0])]
    assert found
    for name in fields_of(query):
        assert any(name in line for line in found), name


def test_the_first_query_finds_an_error_as_lambdas_runtime_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap = pytest.importorskip("awslambdaric.bootstrap")
    error = bootstrap.make_error("DISTRIBUTION_IDS: 'x' is not a distribution id", "ConfigurationError", [])
    bootstrap.log_error(error, bootstrap.StandardLogSink())
    (expression,) = re.findall(r"@message like /(.*)/$", QUERIES[0], re.MULTILINE)
    assert re.search(expression, capsys.readouterr().out)
    # https://github.com/DataDog/datadog-serverless-functions/pull/278 (2026-11-22)
    assert re.search(expression, "2026-11-22T09:30:12.345Z 8f507cfc Task timed out after 120.00 seconds")


def test_what_a_query_reads_is_known() -> None:
    query = 'fields @timestamp, a, b_c | filter message in ["x y", "z"] | stats sum(n) * 0.5 as usd by d, bin(1d)'
    assert fields_of(query) == {"a", "b_c", "message", "n", "d"}
    assert messages_of(query) == {"x y", "z"}
    assert len(QUERIES) >= 10
    assert set().union(*map(messages_of, QUERIES)) >= {"invalidation created", "invalidation failed"}


def test_queries_are_numbered_as_they_are_referred_to() -> None:
    told = re.split(r"^```insights$", OPERATING, flags=re.MULTILINE)[:-1]
    numbers = [re.findall(r"^(\d+)\\\. ", text, re.MULTILINE) for text in told]
    assert numbers == [[str(number)] for number in range(1, len(QUERIES) + 1)]
    assert {int(number) for number in re.findall(r"[Qq]uery (\d+)", OPERATING)} <= set(range(1, len(QUERIES) + 1))


def test_a_query_has_the_price_of_a_path() -> None:
    assert re.findall(r"sum\(items\) \* ([0-9.]+)", OPERATING) == [str(USD_PER_PATH)]


def test_every_metric_is_explained_and_from_when_on_there_are_only_sums() -> None:
    (told,) = re.findall(r"^## Metrics$(.*?)^## ", OPERATING, re.MULTILINE | re.DOTALL)
    names = [name for row in re.findall(r"^\| (`.*?) \|", told, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(names) == sorted({*get_args(Name), "ColdStart"})
    assert re.findall(r"more than (\d+)\s+distributions", told) == [str(MAX_DISTRIBUTIONS)]


def test_an_event_that_is_too_deep_for_the_log_is_served(cloudfront: StrictCloudFront, log: StringIO) -> None:
    logger.setLevel("DEBUG")
    nested: list[object] = []
    for _ in range(5_000):
        nested = [nested]
    lambda_handler(make.s3(Change("a")) | {"more": nested}, LocalContext())
    assert cloudfront.paths("E1") == ["/a"]
    assert '"event":"not shown: it is nested too deep"' in log.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        *(
            "a\nb",
            'a"}\n{"level":"CRITICAL","message":"b',
            "a\r\nb",
            "a\x1b[2Jb",
            "a\u2028b\x85c",
            "a\x00b",
            "*",
            "#a,b",
        ),
        *("\ud800", "\u202egpj.exe", "é"),
    ],
)
def test_no_key_makes_a_second_line_in_the_log(cloudfront: StrictCloudFront, log: StringIO, key: str) -> None:
    logger.setLevel("DEBUG")
    cloudfront.broken["E1"] = DENIED
    changes = [Change("a"), Change("a", name=key), *([] if key == "\ud800" else [Change(key)])]
    lambda_handler(make.sqs(*map(make.s3, changes)) | {key: key}, LocalContext())
    text = log.getvalue()
    assert '"event":{' in text  # the line at DEBUG, which has the key as it came
    assert {json.loads(line)["level"] for line in text.splitlines()} <= {"DEBUG", "INFO", "WARNING", "ERROR"}
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
