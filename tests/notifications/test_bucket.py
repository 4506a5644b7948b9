"""A bucket's notifications changed through the real SDK, against the strict S3 over HTTP."""

import os
from collections import deque
from collections.abc import Iterator
from typing import Any, cast
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import pytest

from invalidator.errors import NoSuchBucketError, NotificationError, UnansweredError
from invalidator.notifications.bucket import Bucket, s3_client
from invalidator.notifications.merge import EVENTBRIDGE, EVENTS, NotificationEntry
from tests.doubles.loopback import Quiet, serving
from tests.doubles.strict_s3 import BROKEN, BUSY, DENIED, NAMESPACE, StrictS3, serve

QUEUE = "arn:aws:sqs:us-east-1:111122223333:invalidator"
OTHER = "arn:aws:lambda:us-east-1:111122223333:function:thumbnails"
ENTRY = NotificationEntry("invalidator", QUEUE)
OTHERS = {
    "LambdaFunctionConfigurations": [
        {"Id": "thumbnails", "LambdaFunctionArn": OTHER, "Events": ["s3:ObjectTagging:*"]}
    ],
    "EventBridgeConfiguration": {},
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictS3]:
    double = StrictS3({"origin": "us-east-1", "west": "eu-west-1", "old": "EU"}, {QUEUE, OTHER})
    with serve(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        client = s3_client()
        for bucket in ("origin", "west"):
            client.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration=OTHERS, SkipDestinationValidation=True
            )
        double.puts = 0
        yield double


def bucket(name: str = "origin", pauses: tuple[float, ...] = (), slept: list[float] | None = None) -> Bucket:
    return Bucket(name, s3_client(), pauses, ([] if slept is None else slept).append)


def configuration(name: str = "origin") -> object:
    answer = s3_client().get_bucket_notification_configuration(Bucket=name)
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def test_connecting_adds_ours_beside_what_others_put(aws: StrictS3) -> None:
    before, after = bucket().connect(ENTRY)
    ours = {"Id": "invalidator", "QueueArn": QUEUE, "Events": list(EVENTS)}
    assert before == OTHERS
    assert after == {**before, "QueueConfigurations": [ours]} == configuration()


def test_a_target_of_others_that_is_gone_is_named_with_what_to_do(aws: StrictS3) -> None:
    aws.reachable = {QUEUE}
    with pytest.raises(NotificationError, match="Unable to validate") as caught:
        bucket().connect(ENTRY)
    told = str(caught.value)
    assert f"S3 also checks the targets of other entries: {OTHER} (entry 'thumbnails'). If one of them" in told
    assert "remove its entry, with disconnect --id, and try again" in told
    assert told.count("S3 also checks") == 1
    assert configuration() == OTHERS
    bucket().disconnect("thumbnails")
    bucket().connect(ENTRY)


def test_where_our_own_target_is_out_of_reach_no_other_is_blamed(aws: StrictS3) -> None:
    aws.reachable = {OTHER}
    with pytest.raises(NotificationError, match="Unable to validate") as caught:
        bucket().connect(ENTRY)
    assert OTHER not in str(caught.value)


@pytest.mark.parametrize("service", ["sqs", "sns"])
def test_a_fifo_target_is_refused_and_nothing_is_written(aws: StrictS3, service: str) -> None:
    with pytest.raises(NotificationError, match=r"changes.fifo' is FIFO, and S3 notifies no FIFO queue or topic"):
        bucket().connect(NotificationEntry("invalidator", f"arn:aws:{service}:us-east-1:111122223333:changes.fifo"))
    assert aws.puts == 0


def test_what_is_so_already_is_not_written_again(aws: StrictS3) -> None:
    entry = NotificationEntry("invalidator", QUEUE, "a b/", ".html")
    bucket().connect(entry)
    before, after = bucket().connect(entry)
    assert before is after
    assert aws.puts == 1
    bucket().disconnect("invalidator")
    bucket().disconnect("invalidator")
    assert aws.puts == 2
    assert configuration() == OTHERS


def test_a_dry_run_writes_nothing(aws: StrictS3) -> None:
    before, after = bucket().connect(ENTRY, dry_run=True)
    assert before != after
    bucket().connect(ENTRY)
    bucket().disconnect("invalidator", dry_run=True)
    assert aws.puts == 1


def test_the_dead_target_of_another_does_not_keep_ours_in(aws: StrictS3) -> None:
    bucket().connect(ENTRY)
    aws.reachable.clear()
    bucket().disconnect("invalidator")
    assert configuration() == OTHERS


@pytest.mark.parametrize(("name", "region"), [("west", "eu-west-1"), ("old", "eu-west-1")])
@pytest.mark.parametrize("target", [QUEUE, EVENTBRIDGE])
def test_a_bucket_in_another_region_is_refused_by_name(aws: StrictS3, name: str, region: str, target: str) -> None:
    words = f"bucket '{name}' is in {region}, and .* in us-east-1.*--region {region}"
    with pytest.raises(NotificationError, match=words):
        bucket(name).connect(NotificationEntry("invalidator", target))
    assert aws.puts == 0


def test_the_region_of_a_bucket_is_that_of_its_target(aws: StrictS3) -> None:
    queue = QUEUE.replace("us-east-1", "eu-west-1")
    aws.reachable = {queue}
    bucket("old").connect(NotificationEntry("invalidator", queue))
    assert aws.puts == 1


def test_an_overlap_is_refused_before_anything_is_written(aws: StrictS3) -> None:
    bucket().connect(NotificationEntry("another", QUEUE))
    with pytest.raises(NotificationError, match="its entry 'another'"):
        bucket().connect(ENTRY)
    assert aws.puts == 1


def test_what_s3_says_of_a_target_is_passed_on(aws: StrictS3) -> None:
    aws.reachable.remove(QUEUE)
    with pytest.raises(NotificationError, match=f"Unable to validate.*{QUEUE}.*do not allow S3 to publish"):
        bucket().connect(ENTRY)


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        ("GET location", "s3:GetBucketLocation"),
        ("GET notification", "s3:GetBucketNotification"),
        ("PUT notification", "s3:PutBucketNotification"),
    ],
)
def test_a_missing_permission_is_named_and_changes_nothing(aws: StrictS3, request_: str, action: str) -> None:
    aws.faults[request_] = deque([DENIED])
    with pytest.raises(NotificationError, match=rf"'origin': AccessDenied \(grant {action} on this bucket to the"):
        bucket().connect(ENTRY)
    assert aws.puts == 0


def test_a_bucket_that_is_not_there_is_told_apart(aws: StrictS3) -> None:
    with pytest.raises(NoSuchBucketError, match="check the name of the bucket"):
        bucket("nope").connect(ENTRY)
    with pytest.raises(NoSuchBucketError):
        bucket("nope").disconnect("invalidator")


def test_an_answer_that_is_lost_is_told_from_a_refusal(aws: StrictS3) -> None:
    aws.lose_answers = 2
    with pytest.raises(UnansweredError, match="'origin': InternalError"):
        bucket().connect(ENTRY)
    # The SDK tried it twice; it was made, and doing it again finds it made.
    assert aws.puts == 2
    before, after = bucket().connect(ENTRY)
    assert before is after


def test_a_refusal_after_an_answer_that_was_lost_is_no_refusal(aws: StrictS3) -> None:
    aws.lose_answers = 1
    aws.faults["PUT notification"] = deque([None, BUSY])
    with pytest.raises(UnansweredError, match="OperationAborted"):
        bucket().connect(ENTRY)
    assert aws.puts == 1


@pytest.mark.parametrize(
    "path",
    [
        "StepFunctionConfiguration",
        "QueueConfiguration/Delay",
        "TopicConfiguration/Filter/S3Metadata",
        "CloudFunctionConfiguration/Filter/S3Key/FilterRule/Mode",
    ],
)
def test_what_the_sdk_does_not_know_is_refused_and_not_erased(aws: StrictS3, path: str) -> None:
    part = aws.configurations["origin"] = ET.Element(f"{{{NAMESPACE}}}NotificationConfiguration")
    for name in path.split("/"):
        part = ET.SubElement(part, f"{{{NAMESPACE}}}{name}")
    words = f"has {path.rpartition('/')[2]}, which .* would erase"
    with pytest.raises(NotificationError, match=words):
        bucket().connect(ENTRY)
    with pytest.raises(NotificationError, match=words):
        bucket().disconnect("invalidator")
    assert aws.puts == 0


def test_entries_of_every_kind_are_known(aws: StrictS3) -> None:
    rule: Any = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a/"}, {"Name": "suffix", "Value": ".b"}]}}
    everything: Any = {
        f"{kind}Configurations": [
            {"Id": kind, f"{kind}Arn": f"arn:aws:{service}:x", "Events": [f"s3:Object{event}:*"], "Filter": rule}
        ]
        for kind, service, event in (
            ("Queue", "sqs", "Created"),
            ("Topic", "sns", "Removed"),
            ("LambdaFunction", "lambda", "Tagging"),
        )
    }
    client = s3_client()
    client.put_bucket_notification_configuration(
        Bucket="origin", NotificationConfiguration=everything, SkipDestinationValidation=True
    )
    before, _ = bucket().disconnect("invalidator")
    assert set(before) == set(everything)


@pytest.mark.parametrize("body", [b"", b"<html></html>"])
def test_an_answer_that_is_no_configuration_is_not_taken_for_an_empty_one(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    class Nonsense(Quiet):
        def do_GET(self) -> None:
            answer = f'<LocationConstraint xmlns="{NAMESPACE}"/>'.encode() if "location" in self.path else body
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Nonsense) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        with pytest.raises(NotificationError, match="is not a notification configuration"):
            bucket().connect(ENTRY)


def test_a_change_whose_answer_never_comes_may_have_been_made(aws: StrictS3, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL"]

    class Closing(Quiet):
        def do_GET(self) -> None:
            with urlopen(endpoint + self.path) as answer:  # noqa: S310 on loopback
                body = answer.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))

    with serving(Closing) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        with pytest.raises(UnansweredError, match="'origin': Connection was closed"):
            bucket().connect(ENTRY)


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_makes_no_sense_is_explained(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    class Nonsense(Quiet):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"<ht>")

    with serving(Nonsense) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        with pytest.raises(NotificationError, match="'origin': Unable to parse response"):
            bucket().connect(ENTRY)


def test_the_dead_target_of_another_does_not_keep_eventbridge_off(aws: StrictS3) -> None:
    aws.reachable.clear()
    client = s3_client()
    others: Any = {"LambdaFunctionConfigurations": OTHERS["LambdaFunctionConfigurations"]}
    client.put_bucket_notification_configuration(
        Bucket="origin", NotificationConfiguration=others, SkipDestinationValidation=True
    )
    bucket().connect(NotificationEntry("invalidator", EVENTBRIDGE))
    assert configuration() == OTHERS


def test_no_connection_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for pauses in ((), (1.0,)):
        with pytest.raises(NotificationError, match=r"'origin': Could not connect to the endpoint URL"):
            bucket(pauses=pauses).connect(ENTRY)


# --- what passes by itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", ["GET location", "GET notification", "PUT notification"])
def test_a_permission_that_is_new_is_waited_for(aws: StrictS3, request_: str) -> None:
    slept: list[float] = []
    aws.faults[request_] = deque([DENIED, DENIED])
    bucket(pauses=(1, 2, 4), slept=slept).connect(ENTRY)
    assert slept == [1, 2]
    assert aws.puts == 1


def test_a_bucket_that_is_being_changed_is_read_again_before_it_is_written(aws: StrictS3) -> None:
    def somebody_else(_: float) -> None:
        s3_client().put_bucket_notification_configuration(
            Bucket="origin", NotificationConfiguration={}, SkipDestinationValidation=True
        )

    aws.faults["PUT notification"] = deque([BUSY])
    Bucket("origin", s3_client(), (1, 2), somebody_else).connect(ENTRY)
    assert set(cast("dict[str, object]", configuration())) == {"QueueConfigurations"}


def test_a_target_that_stays_unreachable_is_given_up(aws: StrictS3) -> None:
    slept: list[float] = []
    aws.reachable.remove(QUEUE)
    with pytest.raises(NotificationError, match="Unable to validate"):
        bucket(pauses=(1, 2), slept=slept).connect(ENTRY)
    assert slept == [1, 2]


def test_what_does_not_pass_by_itself_is_not_tried_again(aws: StrictS3) -> None:
    slept: list[float] = []
    aws.faults["PUT notification"] = deque([BROKEN, BROKEN])
    with pytest.raises(UnansweredError):
        bucket(pauses=(1, 2), slept=slept).connect(ENTRY)
    with pytest.raises(NoSuchBucketError):
        bucket("nope", pauses=(1, 2), slept=slept).connect(ENTRY)
    assert slept == []
