"""Wiring on the embedded AWS: real uploads through moto's S3, its queue, topic and bus, to its CloudFront."""

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from invalidator.errors import ConfigurationError
from invalidator.events.decode import decode
from invalidator.handler import lambda_handler
from invalidator.local.demo import SITE
from invalidator.local.embedded import BUCKET, EmbeddedAws, embedded_aws
from invalidator.local.queue_worker import QueueWorker, notified_queue
from tests.doubles.codepipelines import job

# All but a line break, for which moto's server has no route.
HOSTILE_KEYS = [*SITE, "a%20b", "#?&=;:@!$'(),", '<>"{}|\\^[]`', "//x", "x/../y", "~", "🌹" * 200]


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    with embedded_aws() as running:
        # A wildcard in place of two paths or more would evict them.
        for key in ("blog/other", "blog/red flower", "red flower.webp"):
            put(key)
        yield running


def put(key: str, body: bytes = b"x") -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def paths(aws: EmbeddedAws) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {distribution: [] for distribution in aws.distributions}
    for invalidation in aws.new_invalidations():
        found[invalidation.distribution] += invalidation.paths
    return found


def test_uploads_and_deletes_reach_every_distribution_through_the_queue(aws: EmbeddedAws) -> None:
    worker = notified_queue()
    assert worker.poll() == 1  # s3:TestEvent
    assert aws.new_invalidations() == []
    put("blog/index.html")
    put("red flower.jpg")
    boto3.client("s3").delete_object(Bucket=BUCKET, Key="blog/index.html")
    assert worker.poll() == 3
    expected = ["/blog/", "/blog/index.html", "/red%20flower.jpg", "/red+flower.jpg"]
    assert paths(aws) == dict.fromkeys(aws.distributions, expected)
    assert worker.receive() is None


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_keys_survive_s3_and_its_notification(aws: EmbeddedAws, key: str) -> None:
    worker = notified_queue()
    worker.poll()
    put(key)
    event = worker.receive()
    assert event is not None
    assert [change.key for change in decode(event).changes] == [key]


def test_a_message_that_fails_stays_in_the_queue(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = notified_queue()
    worker.poll()
    monkeypatch.delenv("QUEUE_URL")  # else a ticket would take the place of the message
    monkeypatch.setenv("DISTRIBUTION_IDS", f"E0MISSING,{aws.distributions[0]}")
    put("a")
    event = worker.receive()
    assert event is not None
    answer = lambda_handler(event)
    worker.acknowledge(event, answer)
    worker.release(event)
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == [event["Records"][0]["messageId"]]
    assert paths(aws)[aws.distributions[0]] == ["/a"]
    again = worker.receive()
    assert again is not None
    assert again["Records"][0]["body"] == event["Records"][0]["body"]


def test_what_fails_five_times_becomes_a_dead_letter(aws: EmbeddedAws) -> None:
    worker = notified_queue()
    worker.poll()
    boto3.client("sqs").send_message(QueueUrl=worker.url, MessageBody="poison")
    for times in range(1, 6):
        event = worker.receive()
        assert event is not None
        assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == str(times)
        worker.acknowledge(event, lambda_handler(event))
        worker.release(event)
    assert worker.receive() is None
    dead = QueueWorker(os.environ["DEAD_LETTERS_URL"]).receive()
    assert dead is not None
    assert dead["Records"][0]["body"] == "poison"


def test_a_function_that_fails_keeps_its_messages(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = notified_queue()
    monkeypatch.setenv("DISTRIBUTION_IDS", "no id")
    assert worker.poll() == 1
    name: Any = "ApproximateNumberOfMessagesNotVisible"
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=worker.url, AttributeNames=[name])["Attributes"]
    assert attributes[name] == "1"


def queue_behind(subscribe: Any) -> Any:
    """A queue's reader, after ``subscribe(arn)`` has put something in front of it."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="behind")["QueueUrl"]
    subscribe(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def event() -> dict[str, Any]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return {
            "Records": [{"messageId": m["MessageId"], "eventSource": "aws:sqs", "body": m["Body"]} for m in messages]
        }

    return event


@pytest.mark.parametrize("raw", ["false", "true"])
def test_uploads_come_through_a_topic(aws: EmbeddedAws, raw: str) -> None:
    sns = boto3.client("sns")
    topic = sns.create_topic(Name="changes")["TopicArn"]
    event = queue_behind(
        lambda arn: sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": raw})
    )
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]},
    )
    put("blog/red flower+.html")
    assert lambda_handler(event()) == {"batchItemFailures": []}
    expected = ["/blog/red%20flower%2B.html", "/blog/red%20flower+.html", "/blog/red+flower%2B.html"]
    assert paths(aws) == dict.fromkeys(aws.distributions, expected)


def test_uploads_come_through_eventbridge(aws: EmbeddedAws) -> None:
    events = boto3.client("events")
    events.put_rule(Name="changes", EventPattern=json.dumps({"source": ["aws.s3"]}))
    event = queue_behind(lambda arn: events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": arn}]))
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    put("a+b%20c.html")
    assert lambda_handler(event()) == {"batchItemFailures": []}
    expected = ["/a%2Bb%2520c.html", "/a+b%2520c.html"]
    assert paths(aws) == dict.fromkeys(aws.distributions, expected)


def test_only_the_same_reference_with_the_same_paths_is_known_already(aws: EmbeddedAws) -> None:
    cloudfront, distribution = boto3.client("cloudfront"), aws.distributions[0]
    for path in ("/a", "/a", "/b"):
        batch: Any = {"Paths": {"Quantity": 1, "Items": [path]}, "CallerReference": "r"}
        cloudfront.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)
    assert [(item.paths, item.again) for item in aws.new_invalidations()] == [
        (("/a",), False),
        (("/b",), False),
        (("/a",), True),
    ]


@pytest.mark.parametrize(("parameters", "name"), [({"wait": True}, "outputVariables"), ("{", "failureDetails")])
def test_the_answers_of_jobs_are_taken(aws: EmbeddedAws, parameters: object, name: str) -> None:
    answer = lambda_handler(job(parameters))
    (taken,) = aws.job_answers
    assert taken["jobId"] == answer["job"]
    assert name in taken
    assert len(aws.new_invalidations()) == (2 if name == "outputVariables" else 0)


def test_a_port_in_use_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} cannot be used"), embedded_aws(port=port):
            pass


def test_nothing_of_the_machine_is_changed_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "example.com")
    monkeypatch.setenv("DISTRIBUTION_ID_1", "E9")
    before = dict(os.environ)
    with embedded_aws() as running:
        assert "AWS_PROFILE" not in os.environ
        assert os.environ["DISTRIBUTION_IDS"] == ",".join(running.distributions)
        assert "DISTRIBUTION_ID_1" not in os.environ
    assert dict(os.environ) == before
