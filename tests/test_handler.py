"""The function as Lambda sees it, with the real SDK in between and the strict CloudFront behind HTTP."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invalidator.errors import ConfigurationError, IncompleteError
from invalidator.events import decode
from invalidator.handler import LocalContext, cdn, lambda_handler, logger
from invalidator.site import stale_paths
from tests import strategies as make
from tests.doubles import DENIED, IN_PROGRESS, THROTTLED, StrictCloudFront
from tests.strategies import ROUTES, TEST_EVENT, Change

EVENTS = Path(__file__).parent.parent / "events"


class HurriedContext(LocalContext):
    """An invocation that has time for calls and none for pauses."""

    def get_remaining_time_in_millis(self) -> int:
        return 1_500


def failed(answer: dict[str, Any]) -> list[str]:
    assert list(answer) == ["batchItemFailures"]
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_every_dialect_reaches_every_distribution(cloudfront: StrictCloudFront, route: str) -> None:
    answer = lambda_handler(ROUTES[route](Change("blog/red flower.html")), LocalContext())
    for distribution in ("E1", "E2"):
        assert cloudfront.paths(distribution) == ["/blog/red%20flower.html", "/blog/red+flower.html"]
    if route.startswith("sqs"):
        assert failed(answer) == []
    else:
        assert answer == {
            "invalidations": [
                {
                    "distribution": item.distribution,
                    "id": item.id,
                    "items": len(item.paths),
                    "caller_reference": item.reference,
                }
                for item in cloudfront.accepted
            ],
            "ignored": 0,
        }


@pytest.mark.parametrize("file", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_event_is_accepted_by_cloudfront(cloudfront: StrictCloudFront, file: Path) -> None:
    answer = lambda_handler(json.loads(file.read_text()), LocalContext())
    assert answer.get("batchItemFailures", []) == []
    assert {item.distribution for item in cloudfront.accepted} == ({"E1", "E2"} if "test" not in file.stem else set())


def test_a_test_event_is_acknowledged_and_nothing_called(cloudfront: StrictCloudFront) -> None:
    assert lambda_handler(TEST_EVENT, LocalContext()) == {"invalidations": [], "ignored": 1}
    assert failed(lambda_handler(make.sqs(TEST_EVENT), LocalContext())) == []
    assert cloudfront.calls == 0


good = make.changes.map(make.s3)
bad = st.sampled_from(
    ["", "{", "null", '{"a": 1}', {"Records": [{"s3": 1}]}, make.s3(Change("x" * 1025)), make.s3(Change(""))]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(st.booleans(), good, bad), min_size=1, max_size=6))
def test_exactly_the_messages_that_cannot_be_decoded_are_reported(cloudfront: StrictCloudFront, batch: Any) -> None:
    cloudfront.accepted.clear()
    answer = lambda_handler(make.sqs(*[fine if is_good else poison for is_good, fine, poison in batch]), LocalContext())
    assert failed(answer) == [f"m{number}" for number, (is_good, _, _) in enumerate(batch) if not is_good]
    changed = [change for is_good, fine, _ in batch if is_good for change in decode(fine).changes]
    expected = {path for change in changed for path, _ in stale_paths(change, "index.html")}
    assert set(cloudfront.paths("E1")) == set(cloudfront.paths("E2")) == expected


@pytest.mark.parametrize("fault", [THROTTLED, DENIED, IN_PROGRESS, ("InternalError", 500)])
def test_messages_whose_invalidation_failed_on_one_distribution_are_reported(
    cloudfront: StrictCloudFront, fault: tuple[str, int]
) -> None:
    cloudfront.broken["E1"] = fault
    event = make.sqs(make.s3(Change("a")), TEST_EVENT, make.s3(Change("b"), Change("c")))
    assert failed(lambda_handler(event, HurriedContext())) == ["m0", "m2"]
    assert cloudfront.paths("E2") == ["/a", "/b", "/c"]


def test_only_the_messages_of_the_chunk_that_failed_are_reported(cloudfront: StrictCloudFront) -> None:
    cloudfront.faults.extend([None, DENIED])
    event = make.sqs(*[make.s3(Change(f"{number:04}")) for number in range(4_000)])
    assert failed(lambda_handler(event, LocalContext())) == sorted(f"m{number}" for number in range(3_000, 4_000))
    assert len(cloudfront.paths("E1")) == 3_000
    assert len(cloudfront.paths("E2")) == 4_000


def test_without_messages_a_failure_is_raised_after_all_the_rest_was_done(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken["E1"] = DENIED
    record = make.s3_record(Change("a"))
    with pytest.raises(IncompleteError) as caught:
        lambda_handler({"Records": [{"eventSource": "aws:ec2"}, record, {"s3": {}}]}, LocalContext())
    assert "E1: /a not invalidated: AccessDenied" in str(caught.value)
    assert "refused: an object from 'aws:ec2' is none of" in str(caught.value)
    assert "refused: a record without bucket.name and object.key" in str(caught.value)
    assert cloudfront.paths("E2") == ["/a"]


def test_a_change_that_no_message_brought_fails_the_whole_batch(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken = {"E1": DENIED, "E2": DENIED}
    event = make.sqs(TEST_EVENT)
    event["Records"].append(make.s3_record(Change("a")))
    with pytest.raises(IncompleteError, match="E1: /a not invalidated"):
        lambda_handler(event, LocalContext())


def test_a_message_without_an_id_fails_the_whole_batch(cloudfront: StrictCloudFront) -> None:
    event = make.sqs(make.s3(Change("a")), "poison")
    del event["Records"][1]["messageId"]
    with pytest.raises(IncompleteError, match="an SQS record in an envelope or without a messageId"):
        lambda_handler(event, LocalContext())
    assert cloudfront.paths("E1") == ["/a"]


@pytest.mark.parametrize("event", [{"Records": []}, {}, make.sqs(make.s3(Change("a"))), TEST_EVENT])
def test_wrong_settings_are_raised_before_anything_is_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, event: Any
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "not-an-id")
    with pytest.raises(ConfigurationError, match="DISTRIBUTION_IDS: 'not-an-id' is not"):
        lambda_handler(event, LocalContext())
    assert cloudfront.calls == 0


def test_credentials_that_are_missing_are_reported_and_not_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), LocalContext())) == ["m0"]


def test_a_cloudfront_out_of_reach_is_reported_and_not_acknowledged(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), HurriedContext())) == ["m0"]


def test_an_invocation_about_to_end_sends_nothing_and_acknowledges_nothing(cloudfront: StrictCloudFront) -> None:
    class Ending(LocalContext):
        def get_remaining_time_in_millis(self) -> int:
            return 900

    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))), Ending())) == ["m0"]
    assert cloudfront.calls == 0


def test_a_record_that_nothing_identifies_is_known_by_the_request(cloudfront: StrictCloudFront) -> None:
    bare = {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "a"}}}]}
    for request in ("r1", "r1", "r2"):
        lambda_handler(bare, LocalContext(aws_request_id=request))
    assert cloudfront.paths("E1") == ["/a", "/a"]


def test_a_warm_invocation_finds_its_connection_made() -> None:
    assert cdn() is cdn()


def test_the_function_runs_without_a_context(cloudfront: StrictCloudFront) -> None:
    assert failed(lambda_handler(make.sqs(make.s3(Change("a"))))) == []


# --- the log --------------------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    stream = StringIO()
    monkeypatch.setattr(logger.logger_handler, "stream", stream)
    return stream


def lines_of(log: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_there_is_one_line_an_invalidation(cloudfront: StrictCloudFront, log: StringIO) -> None:
    context = LocalContext(aws_request_id="request-1")
    lambda_handler(make.s3(Change("a"), Change("b")), context)
    lines = lines_of(log)
    assert [
        (line["distribution"], line["invalidation"], line["items"], line["caller_reference"]) for line in lines
    ] == [(item.distribution, item.id, 2, item.reference) for item in cloudfront.accepted]
    assert {line["function_request_id"] for line in lines} == {"request-1"}


def test_what_is_ignored_is_logged(cloudfront: StrictCloudFront, log: StringIO) -> None:
    lambda_handler(make.sqs(TEST_EVENT, make.s3(Change("a", name="ObjectTagging:Put"))), LocalContext())
    assert [(line["message"], line["records"]) for line in lines_of(log)] == [("records ignored", 2)]


def test_every_failure_has_its_line(cloudfront: StrictCloudFront, log: StringIO) -> None:
    cloudfront.broken["E1"] = DENIED
    lambda_handler(make.sqs(make.s3(Change("a")), "poison"), LocalContext())
    errors = [line for line in lines_of(log) if line["level"] == "ERROR"]
    assert [line["message"] for line in errors] == ["record refused", "invalidation failed"]
    assert errors[0]["message_id"] == "m1"
    assert "AccessDenied" in errors[1]["error"]


def test_the_event_is_logged_at_debug_only(cloudfront: StrictCloudFront, log: StringIO) -> None:
    event = TEST_EVENT | {"Bucket": "seen"}
    lambda_handler(event, LocalContext())
    assert "seen" not in log.getvalue()
    logger.setLevel("DEBUG")
    lambda_handler(event, LocalContext())
    assert "seen" in log.getvalue()
