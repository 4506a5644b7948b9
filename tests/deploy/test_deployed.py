"""The packaged template as a stack on moto, its functions in real processes: uploads in, invalidations out.

moto's CloudFormation makes the resources, its S3, SQS, SNS and EventBridge carry the notifications. Its Lambda would
run functions in Docker; here it runs the packaged zips under Lambda's runtime client.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto import settings as moto_settings
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config

from invalidator import check
from invalidator.local.embedded import EmbeddedAws, embedded_aws
from invalidator.local.queue_worker import QueueWorker
from invalidator.runtime.invocation import LocalContext
from tests.deploy.test_serverless import MAY_FOR_CHECKS, USING_THE_KEY, WITH_CHECK, properties
from tests.doubles.cloudformation import HOST
from tests.doubles.dashboards import series_of
from tests.doubles.https import in_place_of
from tests.doubles.lambda_runtime import Answer, Function, deployed, needs_linux
from tests.doubles.loopback import Quiet
from tests.doubles.packaged import CASES, ROOT, Package, Packages
from tests.doubles.strict_s3 import StrictS3, serve

BUCKET, STACK = "my-origin", "invalidator-dev"
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:x"

# Types that moto's CloudFormation does not know. Only cfn-lint and test_serverless.py check these.
UNKNOWN_TO_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
}

# moto warns of them; test_everything_that_moto_knows_is_made_from_the_template compares the warnings with this list.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS:")

SITE = ["index.html", "blog/index.html", "blog/red flower.html", "blog/café+1.html", "blog/*.html", "data.json"]


@dataclass
class Stack:
    """A stack of a package, and the processes of its functions."""

    aws: EmbeddedAws
    package: Package
    folder: Path
    until_the_end: ExitStack
    physical: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    """The addresses at which moto waits for answers of the custom resource."""
    answered: threading.Event = field(default_factory=threading.Event)
    started: list[Any] = field(default_factory=list)
    """The events of the check, which is not run for them: it would wait for S3."""
    _running: dict[str, Function] = field(default_factory=dict)

    def function(self, name: str, **more: str) -> Function:
        """Return the running function, with the template's environment and ``more``. The first event starts it."""
        if name not in self._running:
            properties = self.package.resources[f"{name.capitalize()}LambdaFunction"]["Properties"]
            variables = properties.get("Environment", {}).get("Variables", {})
            environ = {"AWS_ENDPOINT_URL": self.aws.endpoint, **more} | {
                name: self.valued(value) if isinstance(value, dict) else value
                for name, value in variables.items()
                if name not in more
            }
            if environ.get("DISTRIBUTION_IDS"):
                environ["DISTRIBUTION_IDS"] = ",".join(self.aws.distributions)
            process = deployed(self.package.zips[name], self.folder / name, properties["Handler"], environ)
            self._running[name] = self.until_the_end.enter_context(process)
        return self._running[name]

    def valued(self, reference: dict[str, str]) -> str:
        """Return what a reference stands for."""
        return stack_id() if reference["Ref"] == "AWS::StackId" else self.physical[reference["Ref"]]

    def invalidated(self) -> dict[str, list[str]]:
        """Every path that was accepted since the last call, by distribution, sorted."""
        found: dict[str, list[str]] = {id_: [] for id_ in self.aws.distributions}
        for invalidation in self.aws.new_invalidations():
            found[invalidation.distribution] += invalidation.paths
        return {id_: sorted(paths) for id_, paths in found.items()}


Deploy = Callable[[str], Stack]


@pytest.fixture
def deploy(packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deploy]:
    """Return a function that makes a stack of a package, in an AWS with the bucket and the stored ids."""
    needs_linux()
    monkeypatch.setitem(default_user_config, "lambda", {"use_docker": False})
    with ExitStack() as until_the_end:
        aws = until_the_end.enter_context(embedded_aws([BUCKET]))
        for key in ("blog/red flower.txt", "blog/café+2.html", "other"):  # that wildcards in place of paths would evict
            boto3.client("s3").put_object(Bucket=BUCKET, Key=key)
        # The process of the stack's custom resource, which moto would start in Docker.
        host, _, port = aws.endpoint.rpartition(":")
        monkeypatch.setattr(moto_settings, "moto_server_host", lambda: host)
        monkeypatch.setattr(moto_settings, "moto_server_port", lambda: port)
        ids = ",".join(aws.distributions)
        boto3.client("secretsmanager").create_secret(Name="cloudfront/ids", SecretString=ids)
        boto3.client("ssm").put_parameter(Name="/cloudfront/ids", Value=ids, Type="String")
        boto3.client("ssm").put_parameter(Name="/cloudfront/rules", Value="[]", Type="String")

        def create(case: str) -> Stack:
            stack = Stack(aws, packages[case], tmp_path, until_the_end)
            monkeypatch.setattr(LambdaFunction, "_invoke_lambda", partialmethod(invoke, stack))
            # Without Docker, moto would answer in place of a function that somebody invokes.
            monkeypatch.setattr(LambdaSimpleBackend, "invoke", LambdaBackend.invoke)
            stack.physical = create_stack(stack)
            return stack

        yield create


def invoke(self: LambdaFunction, stack: Stack, event: dict[str, Any]) -> tuple[str, bool, str]:
    """Run a function in a process, where moto would start Docker."""
    name = self.function_name.rpartition("-")[2]
    if name == "connect":
        answer = connect(stack, event, self.environment_vars)
        stack.answered.set()
    elif name == "check":
        stack.started.append(event)
        return "null", False, ""
    else:
        answer = stack.function(name).invoke(event)
    return json.dumps(answer.payload), answer.failed, ""


def connect(stack: Stack, event: dict[str, Any], variables: dict[str, str]) -> Answer:
    """Run the function that connects the bucket. Its answer goes to moto, which has no host like CloudFormation's."""
    if not stack.waiting:

        class Forward(Quiet):
            def do_PUT(self) -> None:
                request = Request(stack.waiting[-1], self.body(), {"Content-Type": ""}, method="PUT")  # noqa: S310
                with urlopen(request) as answered:  # noqa: S310
                    self.respond(answered.status)

        environ = stack.until_the_end.enter_context(in_place_of({HOST: Forward}, stack.folder))
        stack.function("connect", **variables, **environ)
    stack.waiting.append(event["ResponseURL"])
    return stack.function("connect").invoke(event | {"ResponseURL": f"https://{HOST}/answer"})


def create_stack(stack: Stack) -> dict[str, str]:
    """Create it, wait until its custom resource has answered, and return the physical ids."""
    cloudformation = boto3.client("cloudformation")
    template = json.dumps(with_dashboards_that_moto_can_make(stack.package))
    cloudformation.create_stack(StackName=STACK, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    assert stack.answered.wait(60)
    assert cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    summaries = cloudformation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]
    return {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in summaries if item["LogicalResourceId"]}


def stack_id() -> str:
    return boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackId"]


def with_dashboards_that_moto_can_make(package: Package) -> Any:
    """Return the template without the alarms of the dashboard, which moto does not know and would refuse."""
    template = json.loads(json.dumps(package.template))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            body = resource["Properties"]["DashboardBody"]
            body["Fn::Sub"] = re.sub(r"\$\{\w+Alarm\.Arn\}", ALARM, body["Fn::Sub"])
    return template


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("case", ["queue", "direct"])
def test_what_an_operator_types_first_shows_what_was_given_up(deploy: Deploy, case: str) -> None:
    stack = deploy(case)
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8").partition("\n## At 3 a.m.\n")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", page.partition("\n## ")[0], re.DOTALL)
    typed = textwrap.dedent(block)
    assert typed.count("eu-central-1") == 1
    typed = typed.replace("eu-central-1", "us-east-1").replace(".venv/bin/python", sys.executable)
    if case == "direct":
        assert "`invalidator dlq --any-queue`" in page
        typed = typed.replace("invalidator dlq\n", "invalidator dlq --any-queue\n")
    boto3.client("sqs").send_message(QueueUrl=stack.physical["DeadLetters"], MessageBody="poison")
    done = subprocess.run(
        ["bash", "-O", "expand_aliases", "-c", typed],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "AWS_DEFAULT_REGION"}
        | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be read: the envelope holds 6 characters" in done.stdout
    assert "0 stale paths in 1 dead letter" in done.stderr


def upload_and_delete() -> None:
    s3 = boto3.client("s3")
    for key in SITE:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    s3.delete_object(Bucket=BUCKET, Key="data.json")


EXPECTED = [
    "/",
    "/blog/",
    "/blog/%2A.html",
    "/blog/caf%C3%A9%2B1.html",
    "/blog/caf%C3%A9+1.html",
    "/blog/index.html",
    "/blog/red%20flower.html",
    "/blog/red+flower.html",
    "/data.json",
    "/index.html",
]


@pytest.mark.parametrize("case", CASES)
def test_everything_that_moto_knows_is_made_from_the_template(deploy: Deploy, case: str) -> None:
    stack = deploy(case)
    missing = {name for name in stack.package.resources if name not in stack.physical}
    assert {stack.package.resources[name]["Type"] for name in missing} <= UNKNOWN_TO_MOTO
    made = {stack.package.resources[name]["Type"] for name in stack.physical}
    assert not made & UNKNOWN_TO_MOTO


@pytest.mark.parametrize("case", ["discover", "direct"])
def test_the_dashboard_shows_the_queues_and_functions_of_the_stack(deploy: Deploy, case: str) -> None:
    stack = deploy(case)
    answer = boto3.client("cloudwatch").get_dashboard(DashboardName=f"{STACK}-us-east-1")
    widgets = json.loads(answer["DashboardBody"])["widgets"]
    drawn = [series for widget in widgets if widget["type"] == "metric" for series in series_of(widget)]
    shown = {value for series in drawn for name, value in series.dimensions.items() if name != "distribution"}
    names = {"Queue", "DeadLetters", "InvalidateLambdaFunction", "PipelineLambdaFunction", "CheckLambdaFunction"}
    names &= set(stack.physical)
    assert shown == {STACK} | {stack.physical[name].rpartition("/")[2] for name in names}
    (alarms,) = (widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm")
    assert set(alarms) == {ALARM}
    assert f"dlq --queue {stack.physical['DeadLetters'].rpartition('/')[2]}`" in widgets[0]["properties"]["markdown"]


def test_the_bucket_notifies_the_queue_of_the_stack(deploy: Deploy) -> None:
    deploy("queue")
    answer = boto3.client("s3").get_bucket_notification_configuration(Bucket=BUCKET)
    (entry,) = answer["QueueConfigurations"]
    assert entry["Id"] == STACK
    assert entry["QueueArn"].rpartition(":")[2].startswith(f"{STACK}-Queue-")


def test_objects_written_and_deleted_are_invalidated_through_the_queue(deploy: Deploy) -> None:
    stack = deploy("queue")
    worker = reading_in_batches(stack, stack.physical["Queue"])
    upload_and_delete()
    feed(stack, worker, messages=len(SITE) + 1)
    assert stack.invalidated() == dict.fromkeys(stack.aws.distributions, EXPECTED)
    assert worker.receive() is None


def test_objects_written_and_deleted_are_invalidated_directly(deploy: Deploy) -> None:
    stack = deploy("direct")
    upload_and_delete()
    # With the given prefix, and another index document.
    expected = [path for path in EXPECTED if path.startswith("/blog/") and path != "/blog/"]
    assert stack.invalidated() == dict.fromkeys(stack.aws.distributions, expected)


def test_objects_written_and_deleted_are_invalidated_through_eventbridge(deploy: Deploy) -> None:
    stack = deploy("eventbridge")
    worker = reading_in_batches(stack, stack.physical["Queue"])
    upload_and_delete()
    feed(stack, worker, messages=4)  # the keys that match the rule: blog/*.html
    expected = [path for path in EXPECTED if path.startswith("/blog/")]
    assert stack.invalidated() == dict.fromkeys(stack.aws.distributions, expected)


def test_objects_written_and_deleted_are_invalidated_through_a_topic(deploy: Deploy) -> None:
    stack = deploy("queue")
    worker = reading_in_batches(stack, stack.physical["Queue"])
    sns = boto3.client("sns")
    topic = sns.create_topic(Name="changes")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=worker.arn)
    events: Any = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": events}]}
    )
    upload_and_delete()
    feed(stack, worker, messages=1 + len(SITE) + 1)  # including the test message of S3
    assert stack.invalidated() == dict.fromkeys(stack.aws.distributions, EXPECTED)


def test_refused_work_is_stored_and_its_messages_are_deleted(deploy: Deploy) -> None:
    stack = deploy("queue")
    worker = reading_in_batches(stack, stack.physical["Queue"])
    gone, other = stack.aws.distributions
    cloudfront, sqs = boto3.client("cloudfront"), boto3.client("sqs")
    cloudfront.delete_distribution(Id=gone, IfMatch=cloudfront.get_distribution(Id=gone)["ETag"])
    upload_and_delete()
    feed(stack, worker, messages=len(SITE) + 1)
    listed = cloudfront.list_invalidations(DistributionId=other)["InvalidationList"]["Items"]
    assert len(listed) == 1
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    found = sqs.get_queue_attributes(QueueUrl=stack.physical["Queue"], AttributeNames=names)["Attributes"]
    assert [found[name] for name in names] == ["0", "1"]


def test_the_request_to_delete_the_connection_leaves_what_others_put(deploy: Deploy) -> None:
    s3 = boto3.client("s3")
    other: Any = {
        "Id": "thumbnails",
        "LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:thumbnails",
        "Events": ["s3:ObjectTagging:*"],
    }
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"LambdaFunctionConfigurations": [other]}
    )
    stack = deploy("queue")
    before = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    assert before["LambdaFunctionConfigurations"] == [other]
    assert len(before["QueueConfigurations"]) == 1
    event = {
        "RequestType": "Delete",
        "PhysicalResourceId": f"{BUCKET}/{STACK}",
        "StackId": stack_id(),
        "ResponseURL": f"{stack.aws.endpoint}/cloudformation_us-east-1/cfnresponse?stack={STACK}",
    }
    connect(stack, event, {})  # moto takes no second answer
    after = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    assert after["LambdaFunctionConfigurations"] == [other]
    assert "QueueConfigurations" not in after


# --- the check of the connection ------------------------------------------------------------------------


def check_in(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give this process the variables of the check, and let S3 into the queue, which moto does not. Return them."""
    found = boto3.client("lambda").get_function_configuration(FunctionName=f"{STACK}-check")["Environment"]["Variables"]
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    if queue := found.get("QUEUE_URL"):
        names = {"<Queue.Arn>": found["TARGET"], "<Rule.Arn>": "", "111122223333": "123456789012"}
        if "RULE" in found:
            names["<Queue.Arn>"] = QueueWorker(queue).arn
            names["<Rule.Arn>"] = boto3.client("events").describe_rule(Name=found["RULE"])["Arn"]
        policy = json.dumps(properties(stack.package, "QueuePolicy")["PolicyDocument"])
        for name, value in names.items():
            policy = policy.replace(name, value)
        boto3.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    return found


@contextmanager
def services(case: str) -> Iterator[check.Services]:
    """Yield what a check touches, without the wait for S3. moto forgets that a bucket sends to EventBridge."""
    found = check.AWS_SERVICES._replace(pause=lambda _: None)
    if case != "eventbridge":
        yield found
        return
    with serve(StrictS3({BUCKET: "us-east-1"})) as endpoint:
        s3 = boto3.client("s3", endpoint_url=endpoint)
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        yield found._replace(
            client_of=lambda service, region: s3 if service == "s3" else found.client_of(service, region)
        )


@pytest.mark.parametrize("case", WITH_CHECK)
def test_what_the_bucket_did_not_tell_of_is_invalidated_with_few_rights(
    deploy: Deploy, case: str, called: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = deploy(case)
    assert stack.started == [{}]
    variables = check_in(stack, monkeypatch)
    repairs = variables["REPAIR"] == "on"
    if repairs:
        boto3.client("s3").put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})
    stack.function("invalidate", GATHER="0")  # which moto invokes for a message, with calls of its own
    with services(case) as replaced:
        called.clear()
        done = check.lambda_handler(stack.started[0], LocalContext(), replaced)
        made = set(called)
    assert done == {"problems": int(repairs), "repaired": repairs, "caught_up": 1 if variables["SUFFIX"] else 3}
    assert made == {action for action, _ in MAY_FOR_CHECKS[case] - USING_THE_KEY}
    missed = {"/blog/caf%C3%A9%2B2.html", "/*"}  # the latter where all of the site is new
    assert all(missed & set(paths) for paths in stack.invalidated().values())
    if case == "discover":  # in its own process, once all is well
        answer = stack.function("check", **variables).invoke({"detail-type": "Scheduled Event"})
        assert answer.payload == {"problems": 0, "repaired": False, "caught_up": 0}


# --- jobs of CodePipeline -------------------------------------------------------------------------------


def a_job(number: int = 1, **wished: Any) -> Any:
    """Return a job of CodePipeline with these parameters."""
    event = json.loads((ROOT / "events" / "codepipeline-job.json").read_text())
    job = event["CodePipeline.job"]
    job["id"] = f"{job['id'][:-1]}{number}"
    job["data"]["actionConfiguration"]["configuration"]["UserParameters"] = json.dumps(wished)
    return event


def named_by(answer: dict[str, Any]) -> dict[str, list[str]]:
    """Return the paths of the invalidations in an answer, by distribution."""
    names = [answer["outputVariables"][name].split(",") for name in ("distributionIds", "invalidationIds")]
    return {distribution: paths_of(distribution, id_) for distribution, id_ in zip(*names, strict=True)}


def paths_of(distribution: str, id_: str) -> list[str]:
    answer = boto3.client("cloudfront").get_invalidation(DistributionId=distribution, Id=id_)
    return answer["Invalidation"]["InvalidationBatch"]["Paths"]["Items"]


def test_a_pipeline_gets_the_answer_to_its_job_and_can_find_what_was_sent(deploy: Deploy) -> None:
    stack = deploy("eventbridge")
    paths = ["/", "/blog/*"]
    event = a_job(objectPaths=paths, wait=True)
    assert stack.function("pipeline").invoke(event).payload["result"] == "succeeded"
    (answer,) = stack.aws.job_answers
    assert answer["jobId"] == event["CodePipeline.job"]["id"]
    assert "continuationToken" not in answer
    assert named_by(answer) == dict.fromkeys(stack.aws.distributions, paths)
    assert stack.invalidated() == dict.fromkeys(stack.aws.distributions, paths)


def test_a_job_delivered_twice_creates_nothing_new_and_is_answered_alike(deploy: Deploy) -> None:
    stack = deploy("eventbridge")
    for _ in range(2):
        stack.function("pipeline").invoke(a_job(objectPaths=["/a"]))
    first, second = stack.aws.job_answers
    assert first == second
    found = stack.aws.new_invalidations()
    assert [item.again for item in found] == [False, False, True, True]
    stack.function("pipeline").invoke(a_job(2, objectPaths=["/a"]))
    assert [item.again for item in stack.aws.new_invalidations()] == [False, False]


def test_a_job_may_name_a_parameter_that_holds_the_ids(deploy: Deploy) -> None:
    stack = deploy("eventbridge")
    one, other = stack.aws.distributions
    boto3.client("ssm").put_parameter(Name="/sites/shop", Value=other, Type="String")
    stack.function("pipeline").invoke(a_job(distributionId="/sites/shop"))
    assert stack.invalidated() == {one: [], other: ["/*"]}
    stack.function("pipeline").invoke(a_job(distributionId="/sites/none"))
    details = stack.aws.job_answers[-1]["failureDetails"]
    assert details["type"] == "ConfigurationError"
    assert "/sites/none" in details["message"]


def unreadable() -> Iterator[Any]:
    """Jobs that cannot be read, and so not be answered, each with its credentials."""
    spoils: list[Callable[[Any], object]] = [
        lambda job: job.pop("id"),
        lambda job: job.update(id=job["data"]["artifactCredentials"]["secretAccessKey"]),
        lambda job: job.update(data=[job["data"]]),
        lambda job: job["data"].update(actionConfiguration=job["data"]["artifactCredentials"]),
        lambda job: job["data"].update(continuationToken=job["data"]["artifactCredentials"]),
    ]
    for spoil in spoils:
        event = a_job()
        spoil(event["CodePipeline.job"])
        yield event


MOST_TALKATIVE = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html (2026-11-22)
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_DEBUG": "true",
}


def test_the_credentials_of_a_job_are_in_no_log_however_talkative(deploy: Deploy) -> None:
    stack = deploy("eventbridge")
    function = stack.function("pipeline", **MOST_TALKATIVE)
    malformed = a_job()
    malformed["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"]["UserParameters"] = '{"wait": '
    answers = [function.invoke(event) for event in (a_job(wait=True), a_job(objectPaths=["no path"]), malformed)]
    assert [answer.payload["result"] for answer in answers] == ["succeeded", "failed", "failed"]
    raised = [function.invoke(event) for event in unreadable()]
    # A job with an id is failed. Without an id, there is no job to answer.
    assert {answer.payload.get("errorType") or answer.payload["result"] for answer in raised} == {
        "EventError",
        "failed",
    }
    log = function.log.read_text()
    assert {"DEBUG", "INFO", "ERROR"} <= {line["level"] for line in function.logged() if "level" in line}
    told = log + json.dumps([answer.payload for answer in answers + raised] + stack.aws.job_answers)
    credentials = a_job()["CodePipeline.job"]["data"]["artifactCredentials"]
    for name, secret in credentials.items():
        assert name not in told
        assert secret not in told
        assert base64.b64encode(secret.encode()).decode()[:-4] not in told


def test_what_a_talkative_log_says_of_an_event_would_be_noticed(deploy: Deploy) -> None:
    stack = deploy("eventbridge")
    function = stack.function("invalidate", **MOST_TALKATIVE)
    function.invoke({"credentials": (secret := "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")})
    assert secret in function.log.read_text()  # other events are logged at DEBUG


def reading_in_batches(stack: Stack, queue: str) -> QueueWorker:
    """Read the queue in batches, which moto's event source mapping does not know."""
    mapping = stack.physical["InvalidateEventSourceMappingSQSQueue"]
    boto3.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    return QueueWorker(queue)


def feed(stack: Stack, worker: QueueWorker, messages: int) -> None:
    """Receive messages, invoke the function, and delete the messages that did not fail, as Lambda does."""
    event = worker.receive()
    assert event is not None
    assert len(event["Records"]) == messages
    answer = stack.function("invalidate").invoke(event)
    assert answer.payload == {"batchItemFailures": []}
    worker.acknowledge(event, answer.payload)
