"""The connection of a bucket: each request of CloudFormation is carried out and answered."""

import json
import urllib.request
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator import custom_resource
from invalidator.aws import sdk
from invalidator.connection.heard import Heard
from invalidator.custom_resource import lambda_handler
from invalidator.errors import UnansweredError
from invalidator.notifications.bucket import Bucket, s3_client
from invalidator.notifications.merge import EVENTBRIDGE, NotificationEntry
from tests.doubles.cloudformation import (
    FUNCTION,
    PROPERTIES,
    QUEUE,
    STACK,
    VARIABLES,
    Check,
    CloudFormation,
    Context,
    Invoked,
    serve_check,
    variables,
    waiting_stack,
)
from tests.doubles.packaged import Packages
from tests.doubles.strict_s3 import BROKEN, BUSY, DENIED, StrictS3, serve
from tests.doubles.versioned_s3 import NOW

CREATED = "origin/invalidator-dev"


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CloudFormation]:
    monkeypatch.setattr(custom_resource, "_PAUSES", (0.0, 0.0))

    def set_all(environ: dict[str, str]) -> None:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    with waiting_stack(tmp_path) as stack:
        set_all(stack.environ | variables(PROPERTIES))
        monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxy of an earlier test
        stack.invoke, stack.deploy = lambda event: lambda_handler(event, Context()), set_all
        yield stack


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictS3]:
    double = StrictS3({"origin": "us-east-1", "another": "us-east-1", "west": "eu-west-1"}, {QUEUE, FUNCTION})
    with serve(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield double


def targets(bucket: str = "origin") -> list[str]:
    """Everything that the bucket notifies."""
    answer = s3_client().get_bucket_notification_configuration(Bucket=bucket)
    return [
        value
        for name, entries in answer.items()
        if name.endswith("Configurations")
        for entry in entries
        for value in entry.values()
        if str(value).startswith("arn:")
    ]


# --- the life of a stack --------------------------------------------------------------------------------


def test_a_stack_is_connected_when_made_and_disconnected_when_deleted(
    aws: StrictS3, cloudformation: CloudFormation
) -> None:
    answer = cloudformation.ask("Create", Prefix="blog/", Suffix=".html")
    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": CREATED,
        "Reason": "",
        "StackId": STACK,
        "RequestId": "7",
        "LogicalResourceId": "Connection",
    }
    assert targets() == [QUEUE]
    (queue,) = s3_client().get_bucket_notification_configuration(Bucket="origin")["QueueConfigurations"]
    rules = queue["Filter"]["Key"]["FilterRules"]
    assert [(rule["Name"], rule["Value"]) for rule in rules] == [("Prefix", "blog/"), ("Suffix", ".html")]
    assert cloudformation.ask("Delete", CREATED)["Status"] == "SUCCESS"
    assert targets() == []


def test_another_trigger_moves_the_entry_in_one_write(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    assert cloudformation.ask("Update", CREATED, Target=FUNCTION)["PhysicalResourceId"] == CREATED
    assert targets() == [FUNCTION]
    assert cloudformation.ask("Update", CREATED, Target=EVENTBRIDGE)["PhysicalResourceId"] == CREATED
    assert targets() == []
    assert aws.puts == 3


def test_a_bucket_that_tells_eventbridge_already_is_never_written_to(
    aws: StrictS3, cloudformation: CloudFormation
) -> None:
    """So that its notifications may belong to Terraform, which would undo what others write."""
    Bucket.open("origin").connect(NotificationEntry("tf-s3-lambda-1", FUNCTION))
    Bucket.open("origin").connect(NotificationEntry("", EVENTBRIDGE))
    before, puts = Bucket.open("origin").configuration(), aws.puts
    assert cloudformation.ask("Create", Target=EVENTBRIDGE)["Status"] == "SUCCESS"
    assert cloudformation.ask("Update", CREATED, Target=EVENTBRIDGE, Prefix="blog/")["Status"] == "SUCCESS"
    assert cloudformation.ask("Delete", CREATED, Target=EVENTBRIDGE)["Status"] == "SUCCESS"
    assert (aws.puts, Bucket.open("origin").configuration()) == (puts, before)


def test_a_stack_stays_with_its_bucket(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    answer = cloudformation.ask("Update", CREATED, Bucket="another")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", CREATED)
    assert "connected to bucket 'origin'" in answer["Reason"]
    assert (targets(), targets("another")) == ([QUEUE], [])
    assert cloudformation.ask("Update", CREATED)["Status"] == "SUCCESS"  # the rollback


def test_a_request_that_comes_twice_changes_nothing_more(aws: StrictS3, cloudformation: CloudFormation) -> None:
    assert cloudformation.ask("Create") == cloudformation.ask("Create")
    assert aws.puts == 1
    assert cloudformation.ask("Delete", CREATED) == cloudformation.ask("Delete", CREATED)
    assert aws.puts == 2


def test_deleting_after_the_bucket_is_gone_succeeds(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    del aws.regions["origin"]
    assert cloudformation.ask("Delete", CREATED)["Status"] == "SUCCESS"


# --- the check of the stack -----------------------------------------------------------------------------


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    double = Check()
    with serve_check(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", endpoint)
        monkeypatch.setenv("CHECK_FUNCTION", "invalidator-dev-check")
        monkeypatch.setenv("HEARD_PARAMETER", "invalidator-dev-heard")
        yield double


STARTED: Invoked = ("/2015-03-31/functions/invalidator-dev-check/invocations", "Event", {})


def test_a_connection_is_noted_as_missed_and_the_check_is_started(
    aws: StrictS3, cloudformation: CloudFormation, check: Check
) -> None:
    assert cloudformation.ask("Create")["Status"] == "SUCCESS"
    assert check.asked == [STARTED]
    for number, prefix in enumerate(("blog/", ""), 2):
        check.hear(Heard(NOW))
        assert cloudformation.ask("Update", CREATED, Prefix=prefix)["Status"] == "SUCCESS"
        assert (check.heard, check.asked) == (Heard(NOW, is_deaf=True), [STARTED] * number)


def test_that_changes_are_missed_is_noted_before_the_bucket_is_connected(
    aws: StrictS3, cloudformation: CloudFormation, check: Check
) -> None:
    """A check that comes in between finds the bucket connected, and has to know all the same."""
    check.hear(Heard(NOW))
    aws.faults["PUT notification"] = deque([DENIED] * 3)
    assert cloudformation.ask("Create")["Status"] == "FAILED"
    assert (check.heard, check.asked) == (Heard(NOW, is_deaf=True), [])


def test_where_the_bucket_is_connected_nothing_is_noted(
    aws: StrictS3, cloudformation: CloudFormation, check: Check
) -> None:
    cloudformation.ask("Create")
    check.asked.clear()
    check.hear(Heard(NOW))
    cloudformation.ask("Create")
    cloudformation.ask("Update", CREATED)
    assert check.asked == [STARTED, STARTED]  # each deployment is checked
    cloudformation.forge("Update", CREATED, Prefix="another/")
    cloudformation.ask("Delete", CREATED)
    assert (check.heard, check.asked) == (Heard(NOW), [STARTED, STARTED])


@pytest.mark.parametrize("status", [403, 404, 429, 500])
def test_a_check_that_cannot_be_reached_fails_no_deployment(
    aws: StrictS3, cloudformation: CloudFormation, check: Check, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    check.status = status
    assert cloudformation.ask("Create")["Status"] == "SUCCESS"
    assert targets() == [QUEUE]
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [text.partition(": ")[0] for text in said] == [
        "nobody knows that changes may have been missed",
        "the check is not started",
    ]
    assert check.asked


def test_cloudformation_is_answered_before_the_check_is_started(
    aws: StrictS3, cloudformation: CloudFormation, check: Check
) -> None:
    cloudformation.refusals.extend([403] * 3)
    with pytest.raises(UnansweredError):
        cloudformation.ask("Create")
    assert check.asked == []


# --- forged requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Bucket", "EntryId", "Target", "Prefix", "Suffix"])
def test_a_forged_request_connects_nothing_else(aws: StrictS3, cloudformation: CloudFormation, name: str) -> None:
    cloudformation.ask("Create", Prefix="blog/")
    for forged in ("another", FUNCTION, "", ["x"], {"a": "b"}):
        for kind, resource in (("Create", None), ("Update", CREATED)):
            answer = cloudformation.forge(kind, resource, **({"Prefix": "blog/"} | {name: forged}))
            allowed = name == "Suffix" and not forged
            assert (answer["Status"] == "SUCCESS") is allowed, (forged, answer)
            assert allowed or f"the property {name} is " in answer["Reason"]
    assert (aws.puts, targets(), targets("another")) == (1, [QUEUE], [])


@pytest.mark.parametrize("resource", ["origin/another-stack", "another/invalidator-dev", "/", "origin/", {"a": "b"}, 5])
def test_a_forged_request_removes_no_entry_of_others(
    aws: StrictS3, cloudformation: CloudFormation, resource: Any
) -> None:
    Bucket.open("origin").connect(NotificationEntry("another-stack", FUNCTION))
    answer = cloudformation.forge("Delete", resource)
    assert answer["Status"] == "FAILED"
    assert "is not the connection of this stack, origin/invalidator-dev" in answer["Reason"]
    assert targets() == [FUNCTION]


def test_a_request_of_another_stack_is_refused(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    requests = aws.requests
    for kind, resource in (("Create", None), ("Update", CREATED), ("Delete", CREATED)):
        for stack in (STACK + "2", "", None, ["x"]):
            cloudformation.invoke(cloudformation.request(kind, resource) | {"StackId": stack})
            answer = cloudformation.answers.pop()
            assert answer["Status"] == "FAILED"
            assert "a request of the stack " in answer["Reason"]
    assert (aws.requests, targets()) == (requests, [QUEUE])


@pytest.mark.parametrize(
    "url",
    [
        "http://{host}/answer",
        "file:///etc/passwd",
        "https://example.com/answer",
        "https://example.com/{host}/answer",
        "https://{host}.example.com/answer",
        "https://{host}@example.com/answer",
        "https://example.com#.{host}/answer",
        "https://{host}:8080/answer",
        "https://my-{host}/answer",
        "https://my-bucket.s3.amazonaws.com/answer",
        "https://{host}/answer\r\nHost: example.com",
        "HTTPS://{host}/answer",
        "",
        None,
        ["https://{host}/answer"],
    ],
)
def test_nothing_is_done_or_sent_for_who_is_not_cloudformation(
    aws: StrictS3, cloudformation: CloudFormation, url: Any
) -> None:
    host = cloudformation.url.split("/")[2]
    where = url.format(host=host) if isinstance(url, str) else url
    with pytest.raises(UnansweredError, match="nothing was done: the ResponseURL of the"):
        cloudformation.invoke(cloudformation.request("Create") | {"ResponseURL": where})
    assert (aws.requests, cloudformation.answers) == (0, [])


def test_a_long_address_takes_no_longer_than_it_is() -> None:
    host = "https://cloudformation-custom-resource-response-a"
    for text in (f"{host}.s3" + "-a" * 500_000, host + "-" * 500_000, f"{host}.s3" + "." * 500_000):
        assert not custom_resource._is_cloudformations(text)


def test_an_answer_fits_whatever_the_request_has_for_ids(aws: StrictS3, cloudformation: CloudFormation) -> None:
    for junk in ("🌹" * 5_000, "\0" * 5_000, ["x"] * 5_000, {"a": "\ud800"}):
        more = {"StackId": junk, "RequestId": junk, "LogicalResourceId": junk, "PhysicalResourceId": junk}
        cloudformation.invoke(cloudformation.request("Update") | more)
        assert cloudformation.answers.pop()["Status"] == "FAILED"


@pytest.mark.parametrize("event", [None, [], "Create", {}])
def test_what_is_no_request_at_all_is_refused(aws: StrictS3, event: Any) -> None:
    with pytest.raises(UnansweredError):
        lambda_handler(event, Context())
    assert aws.requests == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/a?b=c%2F",
        "https://cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com/arn%3Aaws",
        "https://cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn/a",
        "https://cloudformation-custom-resource-response-useast1.s3.dualstack.us-east-1.amazonaws.com/a",
    ],
)
def test_cloudformation_takes_answers_in_each_region(url: str) -> None:
    assert custom_resource._is_cloudformations(url)


def test_a_request_without_properties_is_answered(aws: StrictS3, cloudformation: CloudFormation) -> None:
    for properties in (None, "x", 5, ["Bucket"]):
        cloudformation.invoke(cloudformation.request("Create") | {"ResourceProperties": properties})
        answer = cloudformation.answers.pop()
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "nothing")
    cloudformation.ask("Create")
    cloudformation.invoke(cloudformation.request("Delete", CREATED) | {"ResourceProperties": None})
    assert cloudformation.answers.pop()["Status"] == "SUCCESS"
    assert targets() == []


def test_a_forged_request_writes_one_plain_line_into_the_log(
    aws: StrictS3, cloudformation: CloudFormation, caplog: pytest.LogCaptureFixture
) -> None:
    cloudformation.forge("Create\n\x1b[31m", "x\n\u202e", Bucket="a\nSUCCESS origin")
    assert all(record.getMessage().isascii() for record in caplog.records)
    assert all(record.getMessage().isprintable() for record in caplog.records)


# --- failures -------------------------------------------------------------------------------------------


def assert_nothing_is_left(aws: StrictS3, cloudformation: CloudFormation, answer: dict[str, Any], words: str) -> None:
    """CloudFormation is told why, and can take the resource back without the bucket being asked for anything."""
    assert answer["Status"] == "FAILED"
    assert words in answer["Reason"]
    requests = aws.requests
    assert cloudformation.ask("Delete", answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert aws.requests == requests


def test_an_overlap_fails_with_the_name_of_the_other_entry(aws: StrictS3, cloudformation: CloudFormation) -> None:
    Bucket.open("origin").connect(NotificationEntry("thumbnails", FUNCTION))
    assert_nothing_is_left(aws, cloudformation, cloudformation.ask("Create"), "its entry 'thumbnails'")
    assert targets() == [FUNCTION]


def test_a_bucket_in_another_region_fails_with_its_region(aws: StrictS3, cloudformation: CloudFormation) -> None:
    assert_nothing_is_left(aws, cloudformation, cloudformation.ask("Create", Bucket="west"), "--region eu-west-1")


def test_a_target_of_others_that_is_gone_fails_with_its_name(aws: StrictS3, cloudformation: CloudFormation) -> None:
    gone = f"{QUEUE}-of-others"
    entry: Any = {"QueueConfigurations": [{"Id": "theirs", "QueueArn": gone, "Events": ["s3:ObjectTagging:*"]}]}
    s3_client().put_bucket_notification_configuration(
        Bucket="origin", NotificationConfiguration=entry, SkipDestinationValidation=True
    )
    answer = cloudformation.ask("Create")
    assert answer["Status"] == "FAILED"
    assert f"S3 also checks the targets of other entries: {gone} (entry 'theirs')" in answer["Reason"]


def test_a_missing_permission_fails_with_its_name(aws: StrictS3, cloudformation: CloudFormation) -> None:
    aws.faults["GET notification"] = deque([DENIED] * 3)
    assert_nothing_is_left(
        aws, cloudformation, cloudformation.ask("Create"), "grant s3:GetBucketNotification on this bucket"
    )


@pytest.mark.parametrize("missing", ["Bucket", "EntryId", "Target"])
def test_a_variable_that_is_missing_fails_with_its_name(
    aws: StrictS3, cloudformation: CloudFormation, missing: str
) -> None:
    answer = cloudformation.ask("Create", **{missing: ""})
    assert_nothing_is_left(aws, cloudformation, answer, f"{VARIABLES[missing]} is not set: deploy the stack again")


def test_a_request_of_an_unknown_shape_is_answered_too(aws: StrictS3, cloudformation: CloudFormation) -> None:
    for missing in ({"ResponseURL": cloudformation.url}, {"ResponseURL": cloudformation.url, "StackId": STACK}):
        lambda_handler(missing, Context())
        assert cloudformation.answers.pop()["Status"] == "FAILED"
    assert aws.requests == 0


def test_what_is_unexpected_leaves_the_id_by_which_it_can_be_taken_back(
    aws: StrictS3, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_resource, "_PAUSES", None)
    aws.faults["GET location"] = deque([DENIED])
    answer = cloudformation.ask("Create")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", CREATED)
    assert "unexpected, please report it" in answer["Reason"]


def test_a_bucket_may_be_called_as_it_likes(aws: StrictS3, cloudformation: CloudFormation) -> None:
    aws.regions["nothing"] = "us-east-1"
    resource = cloudformation.ask("Create", Bucket="nothing")["PhysicalResourceId"]
    assert targets("nothing") == [QUEUE]
    cloudformation.ask("Delete", resource, Bucket="nothing")
    assert targets("nothing") == []


def test_no_connection_fails_with_that_reason(cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    answer = cloudformation.ask("Create")
    assert answer["Reason"].startswith("bucket 'origin': Could not connect to the endpoint URL")
    assert answer["PhysicalResourceId"] == "nothing"


def test_what_may_have_been_made_is_taken_back(aws: StrictS3, cloudformation: CloudFormation) -> None:
    aws.lose_answers = 2
    answer = cloudformation.ask("Create")
    assert (answer["Status"], targets()) == ("FAILED", [QUEUE])
    assert cloudformation.ask("Delete", answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert targets() == []


def test_a_failed_update_keeps_its_id_so_that_nothing_is_deleted(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    aws.faults["PUT notification"] = deque([DENIED] * 3)
    answer = cloudformation.ask("Update", CREATED, Prefix="blog/")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", CREATED)
    assert targets() == [QUEUE]


def test_a_creation_that_cloudformation_gave_up_on_is_taken_back(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    assert cloudformation.ask("Delete", "invalidator-dev-Connection-1AB2C3D4E5F6")["Status"] == "SUCCESS"
    assert targets() == []


def test_an_entry_that_an_abandoned_creation_cannot_have_made_stays(
    aws: StrictS3, cloudformation: CloudFormation
) -> None:
    cloudformation.ask("Create", Target=FUNCTION)
    assert cloudformation.ask("Delete", "invalidator-dev-Connection-1AB2C3D4E5F6")["Status"] == "SUCCESS"
    assert targets() == [FUNCTION]


def test_a_delete_without_permission_fails_and_leaves_the_entry(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    aws.faults["GET notification"] = deque([DENIED] * 3)
    assert cloudformation.ask("Delete", CREATED)["Status"] == "FAILED"
    assert targets() == [QUEUE]


def test_a_delete_that_fails_says_so(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    aws.faults["PUT notification"] = deque([BROKEN, BROKEN])
    answer = cloudformation.ask("Delete", CREATED)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", CREATED)
    assert "InternalError" in answer["Reason"]


def test_a_permission_that_is_new_is_waited_for(aws: StrictS3, cloudformation: CloudFormation) -> None:
    aws.faults["GET location"] = deque([DENIED])
    aws.faults["PUT notification"] = deque([BUSY])
    assert cloudformation.ask("Create")["Status"] == "SUCCESS"
    assert (aws.puts, targets()) == (1, [QUEUE])


LONGEST_TRY = 3 * 2 * sdk.LONGEST_ATTEMPT  # location, read, write; two attempts each
SENDING = custom_resource._SENDING_ATTEMPTS * custom_resource._SENDING_SECONDS


def seconds_left_after(start: float, slowness: list[float]) -> tuple[float, float]:
    """Return the seconds left after tries of these lengths, and the seconds of the pauses."""
    state = {"left": start - slowness[0] * LONGEST_TRY, "waited": 0.0}
    for pause, share in zip(custom_resource._pauses(lambda: state["left"]), slowness[1:], strict=False):
        state["left"] -= pause + share * LONGEST_TRY
        state["waited"] += pause
    return state["left"], state["waited"]


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_the_answer_goes_out_in_time_however_slow_s3_is(packages: Packages, slowness: list[float]) -> None:
    timeout = packages["queue"].resources["ConnectLambdaFunction"]["Properties"]["Timeout"]
    assert seconds_left_after(timeout, slowness)[0] >= SENDING - 1e-6


def test_a_permission_has_a_minute_and_a_half_to_be_known(packages: Packages) -> None:
    timeout = packages["queue"].resources["ConnectLambdaFunction"]["Properties"]["Timeout"]
    assert seconds_left_after(timeout, [0.02] * 10)[1] >= 90


# --- the answer -----------------------------------------------------------------------------------------


def test_the_answer_fits_whatever_the_reason(aws: StrictS3, cloudformation: CloudFormation) -> None:
    awkward = "\1\n\"'\\é🌹" * 2_000
    Bucket.open("origin").connect(NotificationEntry("x" * 200, FUNCTION))
    answer = cloudformation.ask("Create", EntryId="y" * 900, Target=awkward)
    assert answer["Status"] == "FAILED"
    assert len(answer["Reason"]) > 1_000


def test_the_reason_is_plain_text() -> None:
    answer = json.loads(custom_resource._answer({}, "FAILED", "x", 'a\nb "c" \\ é'))
    assert answer["Reason"] == "a b 'c' ? ?"


def test_the_answer_has_the_content_type_that_its_url_is_signed_for(
    aws: StrictS3, cloudformation: CloudFormation
) -> None:
    cloudformation.ask("Create")
    assert cloudformation.content_types == [""]


def test_an_answer_that_is_not_taken_is_sent_again(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.refusals.extend([500, 0])
    assert cloudformation.ask("Create")["Status"] == "SUCCESS"


def test_an_answer_that_is_never_taken_is_an_error_in_the_log(aws: StrictS3, cloudformation: CloudFormation) -> None:
    cloudformation.refusals.extend([403] * 3)
    with pytest.raises(UnansweredError, match="did not take the answer: HTTPError at attempt 3"):
        cloudformation.ask("Create")


def test_the_url_of_the_answer_is_never_logged(
    aws: StrictS3, cloudformation: CloudFormation, caplog: pytest.LogCaptureFixture
) -> None:
    cloudformation.ask("Create")
    cloudformation.refusals.extend([403] * 3)
    with pytest.raises(UnansweredError) as error:
        cloudformation.ask("Delete", CREATED)
    assert "Create" in caplog.text
    assert "secret" not in caplog.text + str(error.getrepr(style="long", chain=True))
