"""A stack by its name: what --stack, --region and --profile do to all commands."""

import json
import shlex
from pathlib import Path

import boto3
import pytest

from invalidator.cli.app import NAMES, load_command
from invalidator.cli.catch_up_inputs import place_meant
from invalidator.connection.notification_checks import EVERY_KEY, KeyFilter
from invalidator.local import embedded
from invalidator.operator.stacks import Stack
from tests.doubles.command import assert_explained, rows, run
from tests.doubles.documents import contents
from tests.doubles.loopback import answering, ok

CALLING_AWS = [name for name in NAMES if name not in {"tags", "local", "demo"}]
STACK = "invalidator-dev"
ENTRY = {"BUCKET": "origin", "ENTRY_ID": STACK, "PREFIX": "", "SUFFIX": ".html"}


def template(**functions: dict[str, str]) -> str:
    """Return a template with a queue, dead letters, and functions with these variables, as a deployment has them."""
    code = {"ZipFile": "def handler(event, context): pass"}
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}, "maxReceiveCount": 5}
    common = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Code": code,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    }
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": redrive}},
        "DeadLetters": {"Type": "AWS::SQS::Queue"},
    }
    for name, variables in functions.items():
        properties = {**common, "FunctionName": f"{STACK}-{name}", "Environment": {"Variables": variables}}
        resources[name] = {"Type": "AWS::Lambda::Function", "Properties": properties}
    outputs = {"Function": "invalidate", "Queue": "Queue", "DeadLetters": "DeadLetters"}
    return json.dumps(
        {"Resources": resources, "Outputs": {name: {"Value": {"Ref": resource}} for name, resource in outputs.items()}}
    )


@pytest.fixture
def deployed(server: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A bucket, the distributions that serve it, of which the first is configured, and a stack in another Region."""
    embedded._post(server, "/moto-api/reset")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    boto3.client("s3").create_bucket(Bucket="origin", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    distributions = tuple(embedded._make_distribution(["origin"], number) for number in (1, 2))
    function = {
        "DISTRIBUTION_IDS": distributions[0],
        "DISCOVER_BUCKET": "origin",
        "EXCLUDE": "*.map",
        "POWERTOOLS_SERVICE_NAME": STACK,
        "https_proxy": "http://elsewhere.example",  # the settings of a function are no rights over this machine
        "PATH": "/elsewhere",
    }
    queue = "arn:aws:sqs:eu-central-1:123456789012:changes"
    boto3.client("sqs").create_queue(QueueName="changes")
    body = template(invalidate=function, connect=ENTRY | {"TARGET": queue})
    boto3.client("cloudformation").create_stack(StackName=STACK, TemplateBody=body)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    return distributions


HERE = ("--stack", STACK, "--region", "eu-central-1")


def test_all_that_calls_aws_takes_a_stack_a_region_and_a_profile() -> None:
    for name in NAMES:
        options = {option for param in load_command(name).params for option in param.opts}
        assert ({"--stack", "--region", "--profile"} <= options) == (name in CALLING_AWS), name


def test_a_stack_brings_its_settings_bucket_and_queues(deployed: tuple[str, ...]) -> None:
    """Variables that are set here are not read: those of another function would be mixed with them."""
    elsewhere = {"MAX_PATHS": "1", "DISTRIBUTION_IDS": "E9", "INCLUDE": "nothing"}
    done = run("plan", "a", "b.map", *HERE, **elsewhere)
    assert rows(done)[1:] == [[deployed[0], "/a", "object 'a'"]]
    assert "1 change excluded" in done.stderr
    assert contents(run("explain", "a", "--json", *HERE).stdout)["bucket"] == "origin"
    done = run("dlq", *HERE)
    assert (done.returncode, "is empty" in done.stderr) == (0, True), done.stderr
    assert run("create", "a", "--json", *HERE).returncode == 0
    found = contents(run("status", "--json", INVALIDATOR_STACK=STACK, AWS_DEFAULT_REGION="eu-central-1").stdout)
    assert [one["distribution"] for one in found["distributions"]] == [deployed[0]]
    found = contents(run("doctor", "--json", *HERE).stdout)
    assert f"{deployed[1]} serves bucket origin and is not configured" in str(found)


def test_a_stack_sets_nothing_here_but_settings(deployed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert set(Stack.read(STACK).variables) >= {"PATH", "https_proxy"}
    settings = Stack.read(STACK).settings()
    assert set(settings) == {"DISTRIBUTION_IDS", "DISCOVER_BUCKET", "EXCLUDE", "QUEUE_URL", "DEAD_LETTERS_URL"}


def test_a_stack_is_connected_as_its_deployment_did(deployed: tuple[str, ...]) -> None:
    done = run("connect", *HERE)
    assert done.returncode == 0
    hint, line = done.stderr.splitlines()[-2:]
    assert hint.startswith("S3 begins to notify within about 5 minutes. Then send what changed until then")
    then = run(*shlex.split(line)[3:], "--dry-run", "--json")
    assert (then.returncode, contents(then.stdout)["bucket"]) == (0, "origin")
    (entry,) = boto3.client("s3").get_bucket_notification_configuration(Bucket="origin")["QueueConfigurations"]
    assert (entry["Id"], entry["Filter"]["Key"]["FilterRules"]) == (STACK, [{"Name": "suffix", "Value": ".html"}])
    assert_explained(
        run("connect", *HERE, "--bucket", "other"), 2, "error: --stack: leave out --bucket, --prefix, --suffix"
    )
    document = contents(run("connect", "--json", *HERE).stdout)
    assert (document["changed"], document["before"]) == (False, document["after"])
    document = contents(run("disconnect", "--json", *HERE).stdout)
    assert (document["changed"], document["after"]) == (True, {})


def test_a_catch_up_takes_what_a_stack_has_deployed_or_what_is_given(
    deployed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    settings = Stack.read(STACK).settings()
    monkeypatch.setenv("QUEUE_URL", settings["QUEUE_URL"])
    assert place_meant(STACK, None, None, None, None) == ("origin", KeyFilter("", ".html"), settings["QUEUE_URL"], "")
    given = place_meant(STACK, None, "changes", "blog/", "")
    assert given == ("origin", KeyFilter("blog/", ""), "changes", "")
    assert given.connect()[0].endswith("/changes")
    assert place_meant(STACK, "another", "changes", None, None) == ("another", EVERY_KEY, "changes", "")
    monkeypatch.delenv("QUEUE_URL")
    direct = place_meant(STACK, None, None, None, None)  # as with --param trigger=direct
    assert direct.connect()[0] == direct.function == "arn:aws:sqs:eu-central-1:123456789012:changes"


def test_what_asks_no_account_asks_for_no_default_stack() -> None:
    """A rehearsal and a comparison of listings need no credentials, whatever is set here."""
    listings = ("--before", "examples/listing-before.json", "--after", "examples/listing-after.json")
    nowhere = {"INVALIDATOR_STACK": STACK, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert run("plan", *listings, **nowhere).returncode == 0
    assert run("invoke", "events/s3-put.json", "--local", **nowhere).returncode == 0
    assert_explained(run("plan", "a", **nowhere), 1, f"error: stack '{STACK}' in us-east-1: Could not connect")


def test_a_mistake_about_a_stack_is_a_sentence(deployed: tuple[str, ...]) -> None:
    done = run("status", "--stack", "nope", "--region", "eu-central-1")
    assert_explained(done, 1, "error: stack 'nope' in eu-central-1: ValidationError: ")
    assert "(check the name of the stack, the account and the Region)" in done.stderr
    assert_explained(
        run("status", "--stack", STACK), 2, "You must specify a region (set AWS_DEFAULT_REGION, or give --region"
    )
    boto3.client("lambda", region_name="eu-central-1").delete_function(FunctionName=f"{STACK}-invalidate")
    assert_explained(run("status", *HERE), 1, f"error: function '{STACK}-invalidate' in eu-central-1: ResourceNotFound")


def test_a_page_of_a_proxy_is_no_stack() -> None:
    with answering(ok(b"<html>\nlog in\n</html>")) as endpoint:
        done = run("status", *HERE, AWS_ENDPOINT_URL=endpoint)
    assert_explained(done, 1, f"error: stack '{STACK}' in eu-central-1: ")
    assert done.stderr.count("\n") == 1


def test_a_profile_and_its_region_are_those_of_the_command(deployed: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("[profile theirs]\nregion=eu-central-1\naws_access_key_id=a\naws_secret_access_key=b\n")
    done = run("plan", "a", "--stack", STACK, "--profile", "theirs", AWS_CONFIG_FILE=str(file))
    assert rows(done)[1:] == [[deployed[0], "/a", "object 'a'"]]
    done = run("plan", "a", "--bucket", "origin", "--profile", "nope", AWS_CONFIG_FILE=str(file))
    assert_explained(done, 2, "The config profile (nope) could not be found")
