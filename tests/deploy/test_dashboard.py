"""The dashboard and the alarms: CloudWatch accepts them, and they show the metrics that the function sends."""

import json
import re
import subprocess
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any, get_args

import boto3
import pytest
from aws_lambda_powertools.metrics.provider import cold_start

from deploy.dashboard import OFTEN, TEMPLATE, Dashboard, with_dashboard
from invalidator import check, handler
from invalidator.errors import StorageError
from invalidator.local.embedded import embedded_aws
from invalidator.local.queue_worker import QueueWorker
from invalidator.model import Allowance
from invalidator.runtime.invocation import LocalContext
from invalidator.runtime.metrics import Name, line_of
from tests.deploy.test_serverless import properties, resolved
from tests.doubles.dashboards import Series, objections, series_of
from tests.doubles.emf import metrics_of
from tests.doubles.packaged import CASES, ROOT, Package, Packages, needed
from tests.simulation.story import Story
from tests.simulation.weather import Deployment

WITH_DASHBOARD = [case for case, given in CASES.items() if "dashboard=off" not in given]
OURS = "invalidator"

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html (2026-11-22)
OF_AWS = {
    "AWS/SQS": (
        "QueueName",
        {
            *("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesDelayed"),
            *("ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesVisible"),
        },
    ),
    "AWS/Lambda": ("FunctionName", {"Errors", "Throttles", "Duration", "Invocations"}),
}


@cache
def emitted() -> set[tuple[str, frozenset[str]]]:
    """Return each metric that the handler sends in simulated worlds, with each set of names of dimensions.

    Everything happens in those worlds: tickets, failures, wildcards.
    """
    stories = [Story(seed, deployment=Deployment(allowance=Allowance(20, 15))) for seed in range(10)]
    for story in stories:
        story.play()
    lines = [line_of(document) for story in stories for _, document in story.metrics]
    for name in ("s3-test-event", "sqs-ticket"):
        lines += printed_at_a_cold_start(json.loads((ROOT / "events" / f"{name}.json").read_text()))
    lines += printed_by_checks()
    found = [metric for line in lines for metric in metrics_of(json.loads(line))]
    assert {namespace for namespace, *_ in found} == {OURS}
    return {(name, frozenset(names)) for _, name, names, _ in found}


def printed_at_a_cold_start(event: Any) -> list[str]:
    """Return the metrics that the handler prints for a first event without work."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setattr(cold_start, "is_cold_start", True)
        patch.setenv("DISTRIBUTION_IDS", "E1")
        patch.setenv("STACK_ID", "a stack that has written no ticket")
        handler.lambda_handler(event, LocalContext())
    return [line for line in printed.getvalue().splitlines() if '"_aws"' in line]


class Full:
    """A queue that takes nothing."""

    def send(self, text: str) -> None:
        raise StorageError(f"no room for {text:.9}")


def printed_by_checks() -> list[str]:
    """Return the metrics of two checks: one repairs a connection, and one can send what the first could not."""
    quick = check.AWS_SERVICES._replace(pause=lambda _: None)
    with embedded_aws(["origin"]), pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        boto3.client("s3").put_object(Bucket="origin", Key="a")
        boto3.client("ssm").put_parameter(Name="heard", Value="{}", Type="String")
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        policy: Any = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allowed]})}
        queue = boto3.client("sqs").create_queue(QueueName="changes", Attributes=policy)["QueueUrl"]
        variables = {"BUCKET": "origin", "ENTRY_ID": "mine", "TARGET": QueueWorker(queue).arn, "QUEUE_URL": queue}
        for name, value in (variables | {"HEARD_PARAMETER": "heard", "REPAIR": "on"}).items():
            patch.setenv(name, value)
        for services in (quick._replace(queue=lambda _: Full()), quick):
            check.lambda_handler({}, LocalContext(), services)
    return [line for line in printed.getvalue().splitlines() if '"_aws"' in line]


def body_of(packaged: Package) -> Any:
    """Return the dashboard as CloudFormation would send it to CloudWatch."""
    return json.loads(properties(packaged, "Dashboard")["DashboardBody"])


def drawn_by(packaged: Package) -> list[Series]:
    """Return all metrics of the dashboard."""
    widgets = body_of(packaged)["widgets"]
    return [series for widget in widgets if widget["type"] == "metric" for series in series_of(widget)]


def made_by_node(**given: str) -> Any:
    """Run deploy/dashboard.js with these parameters, without osls."""
    program = """
        const given = JSON.parse(process.argv[1]);
        const make = require('./deploy/dashboard.js');
        const resolveVariable = async (name) => ({ 'self:custom.given': given })[name];
        make({ options: {}, resolveVariable }).then((made) => console.log(JSON.stringify(made)));
    """
    done = subprocess.run(
        [needed("node"), "-e", program, json.dumps(given)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def made_by_python(**given: str) -> str:
    """Return what Fn::Sub makes of the dashboard of template.yml, apart from references."""
    dashboard = Dashboard(json.loads((ROOT / "deploy" / "dashboard.json").read_text()))
    holds = {
        "HasQueue": given["trigger"] != "direct",
        "HasPipeline": given["pipeline"] == "on",
        "HasChecks": given["checks"] == "on",
        "HasCostAlarm": given["costs"] == "on",
        "HasBudget": given["budget"] == "on",
    }
    values = OFTEN | {name: text if holds[str(of)] else "" for name, (of, text) in dashboard.optional.items()}
    return re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], found[0]), dashboard.text)


# --- the body -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", WITH_DASHBOARD)
def test_cloudwatch_takes_the_dashboard(packages: Packages, case: str) -> None:
    assert objections(body_of(packages[case])) == []


def first_metric(body: Any) -> Any:
    return next(widget for widget in body["widgets"] if widget["type"] == "metric")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(period=60),
        lambda body: body.update(start="-1D"),
        lambda body: body["widgets"].append(body["widgets"][1]),
        lambda body: body["widgets"].pop(1),
        lambda body: first_metric(body).update(height=5),
        lambda body: first_metric(body).update(width=25),
        lambda body: first_metric(body).update(type="graph"),
        lambda body: first_metric(body)["properties"].pop("region"),
        lambda body: first_metric(body)["properties"].update(colour="red"),
        lambda body: first_metric(body)["properties"].update(view="line"),
        lambda body: first_metric(body)["properties"].update(period=90),
        lambda body: first_metric(body)["properties"]["metrics"][0][-1].update(stat="p101"),
        lambda body: first_metric(body)["properties"]["metrics"][0][-1].update(yAxis="right"),
        lambda body: first_metric(body)["properties"]["metrics"].clear(),
        lambda body: body["widgets"][-1]["properties"]["alarms"].clear(),
    ],
)
def test_what_cloudwatch_does_not_take_would_be_noticed(spoil: Callable[[Any], object]) -> None:
    body = json.loads((ROOT / "deploy" / "dashboard.json").read_text())
    assert objections(body) == []
    spoil(body)
    assert objections(body)


@pytest.mark.parametrize("case", WITH_DASHBOARD)
def test_everything_that_the_dashboard_refers_to_is_in_the_stack(packages: Packages, case: str) -> None:
    packaged = packages[case]
    text = packaged.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    of_aws = {"AWS::Region", "AWS::StackName"}
    named = re.findall(r"\$\{([^!}]+)\}", text)
    assert {name.partition(".")[0] for name in named} - of_aws <= set(packaged.resources)
    types = {"QueueName": "AWS::SQS::Queue", "Arn": "AWS::CloudWatch::Alarm", "": "AWS::Lambda::Function"}
    for name in set(named) - of_aws:
        resource, _, attribute = name.partition(".")
        assert packaged.resources[resource]["Type"] == types[attribute]


@pytest.mark.parametrize("case", WITH_DASHBOARD)
def test_the_dashboard_has_all_queues_alarms_and_functions_but_connect(packages: Packages, case: str) -> None:
    packaged = packages[case]
    text = packaged.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    kinds = {"AWS::SQS::Queue", "AWS::CloudWatch::Alarm", "AWS::Lambda::Function"}
    there = {name for name, resource in packaged.resources.items() if resource["Type"] in kinds}
    assert {name for name in there if f"${{{name}" in text} == there - {"ConnectLambdaFunction"}


@pytest.mark.parametrize("trigger", ["queue", "direct"])
@pytest.mark.parametrize("pipeline", ["on", "off"])
@pytest.mark.parametrize("costs", ["on", "off"])
def test_what_is_left_out_leaves_no_hole(trigger: str, pipeline: str, costs: str) -> None:
    checks = {"on": "off", "off": "on"}[pipeline]
    given = {"trigger": trigger, "pipeline": pipeline, "costs": costs, "budget": costs, "checks": checks}
    made = made_by_node(**given)
    body = json.loads(resolved(made))
    assert objections(body) == []
    assert json.loads(made_by_python(**given)) == json.loads(made["Fn::Sub"])
    text = json.dumps(body)
    assert ("<Queue." in text) == ("<TicketsAlarm." in text) == ("<OldMessagesAlarm." in text) == (trigger != "direct")
    assert ("<Pipeline" in text) == (pipeline == "on")
    of_checks = ("<CheckLambda", "<CheckErrorsAlarm.", "<DisconnectedAlarm.", "<CatchUpAlarm.", "CaughtUp", "Repaired")
    assert {name in text for name in of_checks} == {checks == "on"}
    assert ("<CostAlarm" in text) == ("<BudgetAlarm" in text) == ("BudgetUsed" in text) == (costs == "on")


def test_the_dashboard_of_the_template_is_up_to_date() -> None:
    template = TEMPLATE.read_text(encoding="utf-8")
    assert with_dashboard(template) == template


def test_the_dashboard_has_no_more_metrics_than_is_told_where_its_price_is(packages: Packages) -> None:
    drawn = {(one.namespace, one.name, str(one.dimensions)) for one in drawn_by(packages["discover"])}  # has everything
    searched = {metric for metric in drawn if "None" in metric[2]}
    text = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
    assert len(searched) == 2
    assert f"this one has {len(drawn - searched)} at most, and two for each distribution" in text


def test_a_deployment_without_a_dashboard_has_none(packages: Packages) -> None:
    for case, packaged in packages.items():
        types = [resource["Type"] for resource in packaged.resources.values()]
        assert types.count("AWS::CloudWatch::Dashboard") == (case in WITH_DASHBOARD)
        assert ("Dashboard" in packaged.template.get("Outputs", {})) == (case in WITH_DASHBOARD)
    assert 0 < len(WITH_DASHBOARD) < len(CASES)


@pytest.mark.parametrize("case", WITH_DASHBOARD)
def test_two_stacks_of_an_account_have_two_dashboards(packages: Packages, case: str) -> None:
    # The dashboards of all Regions share one list of names.
    name = packages[case].resources["Dashboard"]["Properties"]["DashboardName"]
    assert name == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


# --- metrics --------------------------------------------------------------------------------------------


def test_every_metric_that_is_drawn_is_one_that_is_sent(packages: Packages) -> None:
    sent = emitted()
    assert {name for name, _ in sent} == {*get_args(Name), "ColdStart"}
    drawn = [series for case in WITH_DASHBOARD for series in drawn_by(packages[case])]
    ours = {(series.name, frozenset(series.dimensions)) for series in drawn if series.namespace == OURS}
    assert ours <= sent
    # A metric that is sent by distribution is drawn by distribution, or in sum.
    assert {name for name, _ in ours} == {name for name, _ in sent}


def test_every_alarm_is_about_a_metric_that_is_sent(packages: Packages) -> None:
    sent = emitted()
    for packaged in packages.values():
        alarms = [resource for resource in packaged.resources.values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
        for alarm in (resource["Properties"] for resource in alarms):
            names = frozenset(dimension["Name"] for dimension in alarm["Dimensions"])
            if alarm["Namespace"] == OURS:
                assert (alarm["MetricName"], names) in sent
            else:
                dimension, metrics = OF_AWS[alarm["Namespace"]]
                assert alarm["MetricName"] in metrics
                assert names == {dimension}


@pytest.mark.parametrize("case", WITH_DASHBOARD)
def test_metrics_of_aws_are_those_of_its_documentation(packages: Packages, case: str) -> None:
    for series in drawn_by(packages[case]):
        if series.namespace != OURS:
            dimension, metrics = OF_AWS[series.namespace]
            assert series.name in metrics
            assert list(series.dimensions) == [dimension]


@pytest.mark.parametrize("case", CASES)
def test_metrics_are_sent_under_the_name_that_dashboard_and_alarms_read(packages: Packages, case: str) -> None:
    packaged = packages[case]
    state = json.loads((packaged.folder / "serverless-state.json").read_text())["service"]
    stack = f"{state['service']}-{state['provider']['stackTags']['stage']}"  # osls names it so
    functions = {f"{name}LambdaFunction" for name in ("Invalidate", "Pipeline", "Check")}
    for function in functions & set(packaged.resources):
        assert properties(packaged, function)["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == stack
    named = [
        dimension["Value"]
        for name, resource in packaged.resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and resource["Properties"]["Namespace"] == OURS
        for dimension in properties(packaged, name)["Dimensions"]
    ]
    if case in WITH_DASHBOARD:
        named += [str(series.dimensions["service"]) for series in drawn_by(packaged) if series.namespace == OURS]
    assert set(named) == {"<AWS::StackName>"}
