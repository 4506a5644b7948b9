"""The check of a stack: what is wrong is told, put back, and caught up."""

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from io import StringIO
from typing import Any, ClassVar, Self

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from invalidator.aws.listings import Listings
from invalidator.check import Services, lambda_handler
from invalidator.connection.examine import Examiner, Wiring, sdk_client
from invalidator.connection.heard import Heard, HeardParameter
from invalidator.connection.policies import allowing_statement
from invalidator.connection.policy_checks import sending_request
from invalidator.errors import ConfigurationError, HeardError, StorageError
from invalidator.local import embedded
from invalidator.notifications.merge import EVENTBRIDGE, EVENTS, NotificationEntry
from invalidator.operator.doctor import Doctor
from invalidator.runtime import clients
from invalidator.runtime.invocation import LocalContext
from tests.connection.test_notification_checks import QUEUE
from tests.doubles.loopback import Quiet, serving
from tests.doubles.strict_s3 import StrictS3, serve
from tests.doubles.versioned_s3 import VersionedS3

BUCKET, STACK = "origin", "invalidator-dev"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:invalidate"
OTHER = "arn:aws:sqs:us-east-1:123456789012:another"
ASKED = sending_request("s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}", QUEUE)
WAITED = 360.0
MAPPING = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@dataclass
class Deployed:
    """A stack on moto, and what its check says. Its clock goes on while it pauses."""

    queue: str
    functions: type["Lambda"]
    passed: float = 0.0
    paused: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """The error of each call of an operation."""
    seconds: int = 900
    while_paused: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.passed)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.passed += seconds
        self.while_paused()

    def publish(self, documents: Any) -> None:
        self.metrics |= {name: value for document in documents for name, (value,) in document.values.items()}

    def client(self, service: str, region: str) -> Any:
        client = sdk_client(service, region)
        client.meta.events.register("before-send.*", self.refuse)
        return client

    def refuse(self, event_name: str, request: Any, **_: Any) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        if operation not in self.refused:
            return None
        code = self.refused[operation]
        raw = io.BytesIO(f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        raw.stream = lambda **_: iter([raw.getvalue()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, 403, HTTPHeaders(), raw)

    def missed(self) -> Self:
        """Note that changes may have been missed, as a deployment does that connects the bucket."""
        HeardParameter(aws("ssm"), "heard").miss()
        return self

    def check(self, event: object = None, **services: Any) -> dict[str, Any]:
        """Run the function."""
        self.metrics.clear()
        told = Services(client_of=self.client, now=self.now, pause=self.pause, publish=self.publish)
        context = LocalContext(deadline=LocalContext().deadline - 900 + self.seconds)
        return lambda_handler(event or {}, context, told._replace(**services))

    def notify(self, *entries: dict[str, Any], **more: Any) -> None:
        """Write the notifications of the bucket, as every other tool does."""
        told = {"QueueConfigurations": list(entries), **more}
        aws("s3").put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration=told, SkipDestinationValidation=True
        )

    @property
    def entries(self) -> list[tuple[str, str]]:
        """The ids and the targets of the entries of the bucket."""
        answer: Any = aws("s3").get_bucket_notification_configuration(Bucket=BUCKET)
        return [(entry["Id"], entry["QueueArn"]) for entry in answer.get("QueueConfigurations", ())]

    def hear(self, heard: Heard) -> None:
        """Write the parameter."""
        aws("ssm").put_parameter(Name="heard", Value=heard.to_json(), Type="String", Overwrite=True)

    @property
    def heard(self) -> Heard:
        parameter: Any = aws("ssm").get_parameter(Name="heard")["Parameter"]
        return Heard.from_json(parameter["Value"], parameter["LastModifiedDate"])

    def upload(self, key: str) -> None:
        aws("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")

    def caught_up(self) -> list[str]:
        """Take the keys that tickets on the queue hold; other messages are S3's."""
        sqs, found = aws("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found += [change[1] for change in json.loads(message["Body"]).get("changes", ())]
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found)


@cache
def made(service: str, *_endpoints: str | None) -> Any:
    """Make a client once for an endpoint, which takes as long as three calls."""
    return boto3.client(service)  # type: ignore[call-overload]


def aws(service: str) -> Any:
    """Return a client of the test's own, to look at what is there, and to change it."""
    return made(service, *(os.environ.get(f"AWS_ENDPOINT_URL{name}") for name in ("", "_S3", "_LAMBDA")))


def ours(**more: Any) -> dict[str, Any]:
    return {"Id": STACK, "QueueArn": QUEUE, "Events": list(EVENTS), **more}


def theirs(event: str = "s3:ObjectRestore:Completed") -> dict[str, Any]:
    """An entry of another tool; for this event, it overlaps with nothing of ours."""
    return {"Id": "theirs", "QueueArn": OTHER, "Events": [event]}


@pytest.fixture
def stack(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """A stack that is connected, and of which all was heard until now."""
    embedded._post(server, "/moto-api/reset")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    embedded._make_buckets([BUCKET])
    aws("sqs").create_queue(QueueName="another")
    queue = aws("sqs").create_queue(QueueName="changes")["QueueUrl"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowing_statement(ASKED)]})
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    aws("ssm").put_parameter(Name="heard", Value="{}", Type="String")
    environ = {"BUCKET": BUCKET, "ENTRY_ID": STACK, "TARGET": QUEUE, "PREFIX": "", "SUFFIX": ""}
    environ |= {"QUEUE_URL": queue, "MAPPING": MAPPING, "HEARD_PARAMETER": "heard", "REPAIR": "on"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    clients.forget()  # the sessions of other tests, which have another endpoint
    # A new class, whose state a test may change. (moto's Lambda would run what receives messages, in Docker.)
    functions = type("Functions", (Lambda,), {})
    deployed = Deployed(queue, functions)
    deployed.notify(ours())
    with serving(functions) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://{address}")
        deployed.hear(Heard(datetime.now(UTC)))
        yield deployed
    clients.forget()


class Lambda(Quiet):
    """The event source mapping M of a function, in any state, and the function's policy."""

    state = "Enabled"
    policy: ClassVar[dict[str, Any]] = {"Statement": []}

    def do_GET(self) -> None:
        is_policy = self.path.endswith("/policy")
        found = {"Policy": json.dumps(self.policy)} if is_policy else {"UUID": MAPPING, "State": self.state}
        assert is_policy or self.path == f"/2015-03-31/event-source-mappings/{MAPPING}"
        self.respond(200, json.dumps(found).encode(), "application/json")


def logged(log: StringIO, message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["message"] == message]


# --- what is well ---------------------------------------------------------------------------------------


def test_where_all_is_well_nothing_is_told_nor_changed(stack: Deployed, log: StringIO) -> None:
    before = stack.heard
    stack.upload("a")
    assert stack.check() == {"problems": 0, "repaired": False, "caught_up": 0}
    assert (stack.metrics, stack.paused, stack.caught_up(), log.getvalue()) == ({}, [], [], "")
    assert stack.heard == Heard(stack.heard.until)
    assert stack.heard.until > before.until


def test_what_is_uploaded_while_a_new_stack_begins_is_caught_up(stack: Deployed) -> None:
    stack.upload("before")
    stack.caught_up()
    aws("ssm").put_parameter(Name="heard", Value="{}", Type="String", Overwrite=True)
    stack.while_paused = lambda: stack.upload("while S3 begins")
    assert stack.check()["caught_up"] == 2
    assert (stack.paused, stack.caught_up()) == ([WAITED], ["before", "while S3 begins"])
    assert stack.heard == Heard(stack.heard.until)
    assert stack.check()["caught_up"] == 0


@pytest.mark.parametrize("event", [{"connected": True}, [], None, {"detail-type": "Scheduled Event"}])
def test_no_event_lets_it_list_the_bucket(stack: Deployed, event: object) -> None:
    stack.upload("a")
    stack.caught_up()
    assert stack.check(event) == {"problems": 0, "repaired": False, "caught_up": 0}
    assert stack.paused == []


# --- what is wrong --------------------------------------------------------------------------------------


def test_an_entry_that_was_overwritten_is_put_back_beside_the_new_one(stack: Deployed, log: StringIO) -> None:
    stack.notify(theirs())
    stack.upload("unheard")
    stack.while_paused = lambda: stack.upload("unheard, too")
    assert stack.check() == {"problems": 1, "repaired": True, "caught_up": 2}
    assert stack.entries == [("theirs", OTHER), (STACK, QUEUE)]
    assert stack.metrics == {"Disconnected": 1, "Repaired": 1, "CaughtUp": 2}
    assert set(stack.caught_up()) == {"unheard", "unheard, too"}
    (said,) = logged(log, "connection broken")
    assert said["text"] == f"bucket origin notifies {OTHER}, and not {QUEUE}: its changes are not invalidated"
    assert said["todo"] == f"python -m invalidator connect --stack {STACK}"
    assert stack.check() == {"problems": 0, "repaired": False, "caught_up": 0}


def test_without_repair_it_is_told_and_caught_up_once_somebody_connects(
    stack: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPAIR", "off")
    stack.notify(theirs())
    stack.upload("unheard")
    for _ in range(2):
        assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
        assert (stack.entries, stack.metrics, stack.paused) == ([("theirs", OTHER)], {"Disconnected": 1}, [])
    stack.notify(theirs(), ours())
    assert stack.check() == {"problems": 0, "repaired": False, "caught_up": 1}
    assert stack.caught_up() == ["unheard"]


@pytest.mark.parametrize(
    "entry",
    [
        ours(Events=["s3:ObjectCreated:*"]),
        ours(Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "blog/"}]}}),
        ours(QueueArn=OTHER),
        ours(Events=[event for event in EVENTS if event.endswith("*")]),
    ],
)
def test_an_entry_that_is_not_as_deployed_is_put_right(stack: Deployed, entry: dict[str, Any]) -> None:
    stack.notify(entry)
    assert stack.check()["repaired"]
    assert stack.entries == [(STACK, QUEUE)]
    assert stack.check()["problems"] == 0


def test_an_entry_of_another_name_is_as_good(stack: Deployed) -> None:
    stack.notify(ours(Id="terraform"))
    assert stack.check() == {"problems": 0, "repaired": False, "caught_up": 0}
    assert stack.entries == [("terraform", QUEUE)]


def test_a_repair_that_overlaps_is_refused_and_told(stack: Deployed, log: StringIO) -> None:
    stack.notify(theirs("s3:ObjectCreated:Put"))
    stack.upload("unheard")
    assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
    assert (stack.entries, stack.metrics) == ([("theirs", OTHER)], {"Disconnected": 1})
    assert "S3 sends an event to one target only" in logged(log, "connection not repaired")[0]["error"]
    stack.notify(ours())
    assert stack.check()["caught_up"] == 1


def test_a_configuration_that_cannot_be_read_is_told_and_decides_nothing(stack: Deployed, log: StringIO) -> None:
    stack.notify(theirs())
    stack.refused["GetBucketNotificationConfiguration"] = "AccessDenied"
    before = stack.heard
    assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
    assert (stack.metrics, stack.heard, stack.entries) == ({"Disconnected": 1}, before, [("theirs", OTHER)])
    assert "grant s3:GetBucketNotification" in logged(log, "connection broken")[0]["todo"]


def test_a_dead_target_of_another_tool_does_not_stop_a_repair(stack: Deployed) -> None:
    stack.notify(theirs() | {"QueueArn": f"{OTHER}-is-gone"})
    assert stack.check()["repaired"]


def test_a_repair_that_is_not_allowed_is_told(stack: Deployed, log: StringIO) -> None:
    stack.notify()
    stack.refused["PutBucketNotificationConfiguration"] = "AccessDenied"
    assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
    assert "s3:PutBucketNotification" in logged(log, "connection not repaired")[0]["error"]
    assert stack.heard.is_deaf


def test_a_queue_that_lets_s3_in_no_more_makes_deaf(stack: Deployed, log: StringIO) -> None:
    sqs = aws("sqs")
    policy = sqs.get_queue_attributes(QueueUrl=stack.queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=stack.queue, Attributes={"Policy": ""})
    stack.upload("unheard")
    stack.caught_up()  # moto needs no policy
    assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
    assert logged(log, "connection broken")[0]["check"] == "queue policy"
    sqs.set_queue_attributes(QueueUrl=stack.queue, Attributes={"Policy": policy})
    assert stack.check() == {"problems": 0, "repaired": False, "caught_up": 1}


def test_a_mapping_that_is_disabled_is_told_and_makes_nobody_deaf(stack: Deployed, log: StringIO) -> None:
    """The queue keeps what arrives."""
    stack.functions.state = "Disabled"
    assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
    assert logged(log, "connection broken")[0]["todo"].startswith("aws lambda update-event-source-mapping --enabled")
    assert not stack.heard.is_deaf


def test_a_mapping_that_stays_disabled_makes_deaf_before_the_queue_forgets(stack: Deployed) -> None:
    stack.functions.state = "Disabled"
    stack.passed += 2 * 86_400
    stack.check()
    stack.functions.state = "Enabled"
    assert stack.check()["caught_up"] == 0  # the queue still has everything
    stack.functions.state = "Disabled"
    stack.upload("dropped by the queue")
    stack.caught_up()
    stack.passed += 5 * 86_400
    stack.hear(Heard(datetime.now(UTC)))
    stack.check()
    stack.functions.state = "Enabled"
    assert stack.check()["caught_up"] == 1


def test_what_does_not_exist_is_no_riddle(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears what changes until it is made again, other than with what may not be read."""
    monkeypatch.setenv("REPAIR", "off")
    monkeypatch.setenv("QUEUE_URL", stack.queue.replace("changes", "gone"))
    stack.upload("unheard")
    stack.caught_up()
    assert stack.check()["problems"] == 1
    assert stack.heard.is_deaf
    monkeypatch.setenv("QUEUE_URL", stack.queue)
    assert stack.check()["caught_up"] == 1


def test_what_was_found_is_told_before_the_long_part(stack: Deployed) -> None:
    """A check that is cut off in it has repaired, so that the next one finds nothing to tell."""
    told = []
    stack.notify()
    stack.while_paused = lambda: told.append(dict(stack.metrics))
    stack.check()
    assert told == [{"Disconnected": 1, "Repaired": 1}]


def test_a_bucket_that_is_gone_is_told(stack: Deployed, log: StringIO) -> None:
    aws("s3").delete_bucket(Bucket=BUCKET)
    assert stack.check()["problems"] == 1
    assert "NoSuchBucket" in logged(log, "connection broken")[0]["text"]


# --- EventBridge, and a function without a queue ---------------------------------------------------------


def test_behind_eventbridge_the_switch_and_the_rule_are_looked_at(
    stack: Deployed, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    events = aws("events")
    rule = events.put_rule(Name="changes", EventPattern='{"source": ["aws.s3"]}')["RuleArn"]
    asked = sending_request("events.amazonaws.com", rule, QUEUE)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowing_statement(asked)]})
    aws("sqs").set_queue_attributes(QueueUrl=stack.queue, Attributes={"Policy": policy})
    monkeypatch.setenv("TARGET", EVENTBRIDGE)
    monkeypatch.setenv("RULE", "changes")
    with serve(StrictS3({BUCKET: "us-east-1"})) as endpoint:  # moto has no EventBridge for buckets
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        stack.notify(theirs("s3:ObjectCreated:Put"), EventBridgeConfiguration={})
        assert stack.check()["problems"] == 0
        stack.notify(theirs("s3:ObjectCreated:Put"))
        assert stack.check()["repaired"]
        events.disable_rule(Name="changes")
        assert stack.check() == {"problems": 1, "repaired": False, "caught_up": 0}
    said = {line["todo"] for line in logged(log, "connection broken")}
    assert said == {f"python -m invalidator connect --stack {STACK}", "aws events enable-rule --name changes"}
    assert stack.heard.is_deaf


def test_without_a_queue_the_function_is_told(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its policy is judged by the same code as doctor's."""
    for name, value in {"TARGET": FUNCTION, "QUEUE_URL": "", "MAPPING": ""}.items():
        monkeypatch.setenv(name, value)
    sent: dict[str, list[str]] = {}

    class Sink:
        def __init__(self, name: str) -> None:
            self.sent = sent.setdefault(name, [])

        def send(self, text: str) -> None:
            self.sent.append(text)

    connected: Any = {"LambdaFunctionArn": FUNCTION, "Events": list(EVENTS), "Id": STACK}
    stack.notify(LambdaFunctionConfigurations=[connected])
    stack.upload("a")
    assert stack.missed().check(function=Sink) == {"problems": 1, "repaired": False, "caught_up": 0}
    assert (sent, stack.heard.is_deaf) == ({}, True)
    asked = sending_request("s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}", FUNCTION)
    stack.functions.policy = {"Statement": [allowing_statement(asked)]}
    assert stack.check(function=Sink) == {"problems": 0, "repaired": False, "caught_up": 1}
    assert [change[1] for text in sent[FUNCTION] for change in json.loads(text)["changes"]] == ["a"]


# --- catching up, bounded and in parts -------------------------------------------------------------------


def test_a_bucket_that_cannot_be_listed_is_told_until_it_can(stack: Deployed, log: StringIO) -> None:
    stack.notify()
    stack.upload("unheard")

    def watched() -> Listings:
        return Listings(stack.client("s3", ""))

    stack.refused["ListObjectVersions"] = "AccessDenied"
    told = stack.check(listings=watched)
    assert told == {"problems": 1, "repaired": True, "caught_up": 0}
    assert stack.metrics["NotCaughtUp"] >= WAITED
    (said,) = logged(log, "not caught up; the next check goes on")
    assert "grant s3:ListBucketVersions" in said["error"]
    assert stack.check(listings=watched)["problems"] == 0
    assert set(stack.metrics) == {"NotCaughtUp"}
    assert stack.paused == [WAITED]  # it has been waited for
    assert stack.check()["caught_up"] == 1
    assert (stack.metrics, stack.caught_up()) == ({"CaughtUp": 1}, ["unheard"])


def test_what_the_queue_does_not_take_is_sent_by_the_next_check(stack: Deployed) -> None:
    class Full:
        def __init__(self, _url: str) -> None: ...

        def send(self, _text: str) -> None:
            raise StorageError("full")

    stack.upload("unheard")
    stack.caught_up()
    assert stack.missed().check(queue=Full)["caught_up"] == 0
    assert "NotCaughtUp" in stack.metrics
    assert stack.check()["caught_up"] == 1


def test_a_queue_that_fails_once_stops_no_catch_up(stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [500, 200]

    class Sqs(Quiet):
        def do_POST(self) -> None:
            self.body()
            self.respond(
                answers.pop(0), b'{"Successful": [{"Id": "0", "MessageId": "m"}]}', "application/x-amz-json-1.0"
            )

    with serving(Sqs) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://{address}")
        Services().queue(f"http://{address}/123456789012/changes").send("{}")
    assert answers == []


def test_where_time_ends_the_next_check_goes_on(stack: Deployed) -> None:
    stack.upload("unheard")
    stack.caught_up()
    stack.seconds = 20
    assert stack.missed().check()["caught_up"] == 0
    assert stack.heard.is_deaf
    assert "NotCaughtUp" in stack.metrics
    stack.seconds = 900
    assert stack.check()["caught_up"] == 1


def test_of_two_checks_at_once_one_catches_up(stack: Deployed, log: StringIO) -> None:
    stack.upload("unheard")
    stack.caught_up()

    def again() -> None:
        stack.while_paused = lambda: None
        assert stack.check()["caught_up"] == 0
        assert logged(log, "another check catches up")

    stack.while_paused = again
    assert stack.missed().check()["caught_up"] == 1


def test_a_check_that_saw_the_bucket_connected_before_writes_no_more(stack: Deployed) -> None:
    """It would say that all was heard until its end, though another one has seen meanwhile that nobody hears."""
    stack.hear(Heard(stack.now(), is_deaf=True))
    calls = iter(range(99))

    def disconnect(**_: Any) -> None:
        if next(calls) == 1:  # after the examination
            stack.notify()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("REPAIR", "off")
                stack.check()

    def client(service: str, region: str) -> Any:
        found = stack.client(service, region)
        found.meta.events.register("before-call.ssm.GetParameter", disconnect)
        return found

    stack.check(client_of=client)
    assert stack.heard.is_deaf


@pytest.mark.parametrize("is_deployed", [True, False])
def test_a_bucket_that_is_connected_again_meanwhile_is_waited_for_again(stack: Deployed, is_deployed: bool) -> None:
    """The window of the first one ends before the second connection, so that it must not say that all is heard."""
    stack.upload("unheard")
    stack.caught_up()
    caught_up = []

    def again() -> None:
        stack.while_paused = lambda: stack.upload("later")
        if is_deployed:
            stack.missed()
        else:
            stack.notify()  # by another tool
        caught_up.append(stack.check()["caught_up"])

    stack.while_paused = again
    stack.missed().check()
    assert caught_up == [2]
    assert stack.caught_up() == ["later", "unheard"]
    assert not stack.heard.is_deaf


def test_a_check_that_has_to_leave_the_rest_to_another_one_says_so(stack: Deployed, log: StringIO) -> None:
    stack.while_paused = lambda: stack.hear(Heard(stack.now(), is_deaf=True))
    assert stack.missed().check()["caught_up"] == 0
    assert set(stack.metrics) == {"NotCaughtUp"}
    (said,) = logged(log, "not caught up; the next check goes on")
    assert said["error"] == "the bucket was disconnected again, or another check catches up"


def test_what_changed_shortly_before_is_sent_as_well(stack: Deployed) -> None:
    """S3 may have shown a configuration that had been replaced already."""
    stack.upload("a")
    stack.caught_up()
    stack.hear(Heard(datetime.now(UTC) + timedelta(minutes=4), is_deaf=True))
    assert stack.check()["caught_up"] == 1
    stack.hear(Heard(datetime.now(UTC) + timedelta(minutes=6), is_deaf=True))
    assert stack.check()["caught_up"] == 0


def test_one_that_was_cut_off_is_gone_on_with_after_its_time(stack: Deployed) -> None:
    stack.upload("unheard")
    stack.caught_up()

    def cut() -> None:
        raise GeneratorExit

    stack.while_paused = cut
    with pytest.raises(GeneratorExit):
        stack.missed().check()
    stack.while_paused = lambda: None
    assert stack.check()["caught_up"] == 0  # it may still be running
    stack.passed += 900
    assert stack.check()["caught_up"] == 1


def test_a_listing_that_takes_long_is_not_begun_anew_each_time(stack: Deployed) -> None:
    """Otherwise a bucket of many objects that another tool disconnects every hour would never be caught up."""
    for key in "abc":
        stack.upload(key)
    stack.caught_up()
    listed = VersionedS3(page=1)
    for key in "abc":
        listed.write(key, b"x", datetime.now(UTC).replace(microsecond=0), bucket=BUCKET)
    found = []
    for _ in range(6):
        stack.notify()
        listings = Listings(listed)
        # Time for one page.
        bounds = listings.bounds(60, 1)
        listings.bounds = lambda *_, bounds=bounds: bounds  # type: ignore[method-assign]
        stack.check(listings=lambda listings=listings: listings)
        found.append("".join(stack.caught_up()))
    assert found[:3] == ["a", "b", "c"]
    assert stack.heard.is_deaf  # since the end of that listing


# --- mistakes -------------------------------------------------------------------------------------------


def test_a_damaged_parameter_hides_nothing_that_is_wrong(stack: Deployed, log: StringIO) -> None:
    aws("ssm").put_parameter(Name="heard", Value="what", Type="String", Overwrite=True)
    stack.notify()
    with pytest.raises(HeardError, match=r"set it to \{\}"):
        stack.check()
    assert logged(log, "connection broken")
    # Else nobody would know that changes were missed: the function fails, which has an alarm of its own.
    assert (stack.metrics, stack.entries) == ({}, [])


@pytest.mark.parametrize("what", ["until", "end", "busy"])
def test_a_time_to_come_is_told_since_all_before_it_would_be_forgotten(stack: Deployed, what: str) -> None:
    later: Any = {what: stack.now() + timedelta(hours=1)}
    stack.hear(replace(Heard(stack.now(), is_deaf=True), **later))
    with pytest.raises(HeardError, match=r"set it to \{\}"):
        stack.check()


def test_nobody_is_alarmed_before_it_is_noted_that_changes_are_missed(stack: Deployed) -> None:
    """Whoever repairs it at once would otherwise hide from the next check that anything was missed."""
    stack.hear(Heard(stack.now()))
    stack.notify()
    stack.refused["PutParameter"] = "AccessDenied"
    with pytest.raises(HeardError, match="AccessDenied"):
        stack.check()
    assert (stack.metrics, stack.entries) == ({}, [])
    del stack.refused["PutParameter"]
    stack.check()
    assert stack.metrics["Disconnected"] == 1


def test_that_changes_are_missed_is_noted_whoever_writes_meanwhile(stack: Deployed) -> None:
    """As a check that began before the bucket was disconnected, and ends when this one has read the parameter."""
    heard = Heard(stack.now() - timedelta(hours=1))
    stack.hear(heard)
    stack.notify()
    calls = iter(range(9))

    def write_late(**_: Any) -> None:
        if next(calls) == 1:
            stack.hear(Heard(stack.now()))

    def client(service: str, region: str) -> Any:
        found = stack.client(service, region)
        found.meta.events.register("before-call.ssm.GetParameter", write_late)
        return found

    stack.while_paused = lambda: stack.upload("unheard")
    assert stack.check(client_of=client)["caught_up"] == 1


@pytest.mark.parametrize("name", ["BUCKET", "ENTRY_ID", "TARGET", "HEARD_PARAMETER"])
def test_a_variable_that_is_missing_is_named(stack: Deployed, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match=f"{name} is not set: deploy the stack again"):
        stack.check()


# --- one piece of code ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["none", "overwritten", "policy", "mapping", "unreadable"])
def test_doctor_says_what_the_check_says(stack: Deployed, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    match trouble:
        case "overwritten":
            stack.notify(theirs())
        case "policy":
            aws("sqs").set_queue_attributes(QueueUrl=stack.queue, Attributes={"Policy": ""})
        case "mapping":
            stack.functions.state = "Disabled"
        case "unreadable":
            aws("sqs").delete_queue(QueueUrl=stack.queue)
    wiring = Wiring(stack.queue, NotificationEntry(STACK, QUEUE), MAPPING)
    monkeypatch.setenv("DISTRIBUTION_IDS", embedded._make_distribution([BUCKET], 1))
    checked = [*Examiner(BUCKET, wiring).examine().findings]
    doctors = [*Doctor(BUCKET, clients.cloudfront(), clients.catalog(), wiring).findings()]
    assert [finding for finding in doctors if finding in checked] == checked
    wrong = [finding.check for finding in checked if finding.verdict == "wrong"]
    assert len(set(wrong)) == (trouble != "none")
    assert stack.check()["problems"] == len(wrong)
