"""The packaged zip runs under Lambda's own runtime client and returns the answers that Lambda expects."""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from invalidator.codepipeline import handler as pipeline_handler
from invalidator.errors import JobError
from invalidator.runtime.invocation import LocalContext
from tests.doubles import strategies as make
from tests.doubles import strict_s3
from tests.doubles.cloudformation import PROPERTIES, QUEUE, variables, waiting_stack
from tests.doubles.cloudfront import DENIED, StrictCloudFront
from tests.doubles.cloudfront_http import answering_as, serve
from tests.doubles.https import in_place_of
from tests.doubles.lambda_runtime import Function, deployed
from tests.doubles.packaged import ROOT, Packages
from tests.doubles.strategies import Change
from tests.doubles.strict_s3 import StrictS3
from tests.doubles.uploads import uploads_event

HANDLER = "invalidator.handler.lambda_handler"


@pytest.fixture
def double() -> StrictCloudFront:
    return StrictCloudFront({"E1", "E2"})


@pytest.fixture
def function(packages: Packages, tmp_path: Path, double: StrictCloudFront) -> Iterator[Function]:
    """Start the function behind the queue in a new process, with two distributions."""
    with serve(double) as endpoint:
        environ = {"AWS_ENDPOINT_URL": endpoint, "DISTRIBUTION_IDS": "E1,E2"}
        with deployed(packages["queue"].zips["invalidate"], tmp_path, HANDLER, environ) as running:
            yield running


def test_a_cold_start_takes_an_s3_event(function: Function, double: StrictCloudFront) -> None:
    assert function.init_error is None
    answer = function.invoke(make.s3(Change("blog/red flower.html")))
    assert not answer.failed
    assert [item["distribution"] for item in answer.payload["invalidations"]] == ["E1", "E2"]
    assert double.paths("E1") == double.paths("E2") == ["/blog/red%20flower.html", "/blog/red+flower.html"]
    assert [line["cold_start"] for line in function.logged()] == [True, True]


def test_the_first_event_finds_the_distributions_described(function: Function, double: StrictCloudFront) -> None:
    assert sorted(double.read) == [("GetDistributionConfig", "E1"), ("GetDistributionConfig", "E2")]
    assert not function.invoke(make.s3(Change("a"))).failed
    assert len(double.read) == 2


@pytest.mark.parametrize("environ", [{"DESCRIBE": "off"}, {"SETTINGS_TTL": "0"}, {}], ids=["off", "0", "described"])
def test_the_first_event_goes_over_the_connection_of_the_start(
    packages: Packages, tmp_path: Path, double: StrictCloudFront, environ: dict[str, str]
) -> None:
    asked: list[tuple[str, str]] = []
    connections: list[object] = []

    class Handler(answering_as(double)):  # type: ignore[misc]  # a class that is made for the double
        def setup(self) -> None:
            connections.append(self)
            super().setup()

        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            super().do_GET()

    with in_place_of({"cloudfront.amazonaws.com": Handler}, tmp_path) as trusted:
        more = {"DISTRIBUTION_IDS": "E1", **environ, **trusted}
        with deployed(packages["queue"].zips["invalidate"], tmp_path, HANDLER, more) as function:
            at_start = list(asked)
            assert not function.invoke(make.s3(Change("a"))).failed
    assert double.paths("E1") == ["/a"]
    assert (at_start == [("/", "")]) == bool(environ)
    assert len(connections) == 1


def test_a_warm_process_takes_a_batch_from_a_queue(function: Function, double: StrictCloudFront) -> None:
    function.invoke(make.s3(Change("a")))
    answer = function.invoke(make.sqs(make.s3(Change("b")), make.s3(Change("b", sequencer="02")), make.s3(Change("c"))))
    assert (answer.failed, answer.payload) == (False, {"batchItemFailures": []})
    assert double.paths("E2") == ["/a", "/b", "/c"]
    assert function.logged()[-1]["cold_start"] is False


def test_as_many_messages_as_lambda_delivers_are_taken_at_once(function: Function, double: StrictCloudFront) -> None:
    answer = function.invoke(uploads_event(4_000, objects=2_000))
    assert (answer.failed, answer.payload) == (False, {"batchItemFailures": []})
    assert double.calls == 2
    assert len(double.paths("E1")) == 3_000


def test_a_poison_message_comes_back_alone(function: Function, double: StrictCloudFront) -> None:
    event = make.sqs(make.s3(Change("a")), make.s3(Change("b")))
    event["Records"][0]["body"] = '{"poison": '
    answer = function.invoke(event)
    assert not answer.failed
    assert answer.payload == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert double.paths("E1") == ["/b"]


def test_a_distribution_that_refuses_brings_its_messages_back(function: Function, double: StrictCloudFront) -> None:
    double.broken["E1"] = DENIED
    event = make.sqs(make.s3(Change("a")))
    answer = function.invoke(event)
    assert answer.payload == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert double.paths("E2") == ["/a"]


def test_an_error_is_told_to_lambda_and_the_process_goes_on(function: Function, double: StrictCloudFront) -> None:
    double.broken["E1"] = DENIED
    answer = function.invoke(make.s3(Change("a")))
    assert answer.failed
    assert answer.payload["errorType"] == "IncompleteError"
    assert "E1: /a not invalidated: AccessDenied" in answer.payload["errorMessage"]
    double.broken.clear()
    assert not function.invoke(make.s3(Change("a"))).failed
    assert (double.paths("E1"), double.paths("E2")) == (["/a"], ["/a"])
    assert function.process.poll() is None


def test_a_function_without_the_modules_for_jobs_says_so(function: Function) -> None:
    answer = function.invoke(json.loads((ROOT / "events" / "codepipeline-job.json").read_text()))
    assert answer.failed
    assert answer.payload["errorType"] == "JobError"
    assert "this function serves no jobs" in answer.payload["errorMessage"]


def test_wrong_settings_are_told_to_lambda_at_each_event(packages: Packages, tmp_path: Path) -> None:
    archive = packages["queue"].zips["invalidate"]
    with deployed(archive, tmp_path, HANDLER, {"DISTRIBUTION_IDS": "d111.cloudfront.net"}) as function:
        for _ in range(2):
            answer = function.invoke(make.sqs(make.s3(Change("a"))))
            assert answer.failed
            assert answer.payload["errorType"] == "ConfigurationError"
            assert answer.payload["errorMessage"].startswith("DISTRIBUTION_IDS: 'd111.cloudfront.net' is not")


@pytest.mark.parametrize("content", [None, b"{", b"{}"], ids=["missing", "half", "bare"])
@pytest.mark.parametrize("name", ["cloudfront/2020-05-31/service-2", "endpoints", "partitions"])
def test_damaged_data_of_the_sdk_does_no_harm_or_is_told_to_lambda(
    packages: Packages, tmp_path: Path, double: StrictCloudFront, name: str, content: bytes | None
) -> None:
    damaged = tmp_path / "damaged.zip"
    with ZipFile(packages["queue"].zips["invalidate"]) as whole, ZipFile(damaged, "w") as written:
        for file in whole.namelist():
            is_it = file == f"botocore/data/{name}.json"
            if not is_it or content is not None:
                written.writestr(file, content or b"" if is_it else whole.read(file))
    with serve(double) as endpoint:
        environ = {"DISTRIBUTION_IDS": "E1", "AWS_ENDPOINT_URL": endpoint}
        with deployed(damaged, tmp_path, HANDLER, environ) as function:
            assert function.init_error is None
            answers = [function.invoke(make.s3(Change(key))) for key in ("a", "b")]
    assert answers[0].failed or content == b"{}"
    for answer in answers:
        assert answer.failed == (not double.accepted)
        if answer.failed:
            assert answer.payload["errorType"] == "ConfigurationError"
            assert answer.payload["errorMessage"].startswith("the AWS SDK cannot be set up: ")


def test_a_client_that_cannot_be_made_is_told_to_lambda(packages: Packages, tmp_path: Path) -> None:
    wrong = tmp_path / "config"
    wrong.write_text("no section")
    environ = {"DISTRIBUTION_IDS": "E1", "AWS_CONFIG_FILE": str(wrong)}
    with deployed(packages["queue"].zips["invalidate"], tmp_path, HANDLER, environ) as function:
        answer = function.invoke(make.s3(Change("a")))
    assert (answer.failed, answer.payload["errorType"]) == (True, "ConfigurationError")
    assert answer.payload["errorMessage"].startswith("the AWS SDK cannot be set up: Unable to parse config file")


def test_no_variable_of_powertools_stops_the_function(
    packages: Packages, tmp_path: Path, double: StrictCloudFront
) -> None:
    wrong = {
        "POWERTOOLS_LOG_LEVEL": "TRACE",
        "LOG_LEVEL": "nonsense",
        "POWERTOOLS_DEV": "perhaps",
        "POWERTOOLS_DEBUG": "maybe",
        "POWERTOOLS_LOGGER_SAMPLE_RATE": "x",
        "POWERTOOLS_LOG_DEDUPLICATION_DISABLED": "2",
    }
    empty = {"POWERTOOLS_TRACE_DISABLED": "", "POWERTOOLS_LOGGER_LOG_EVENT": "x", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    archive = packages["queue"].zips["invalidate"]
    with serve(double) as endpoint:
        environ = {"AWS_ENDPOINT_URL": endpoint, "DISTRIBUTION_IDS": "E1", **wrong, **empty}
        with deployed(archive, tmp_path, HANDLER, environ) as function:
            assert function.init_error is None
            assert not any(function.invoke(make.s3(Change(key))).failed for key in ("a", "b"))
            warnings = [line["message"] for line in function.logged() if line["level"] == "WARNING"]
    assert double.paths("E1") == ["/a", "/b"]
    assert sorted(warning.partition(":")[0] for warning in warnings) == sorted(wrong)


def test_what_runs_is_in_the_zip_whatever_the_runtime_has(
    packages: Packages, tmp_path: Path, double: StrictCloudFront
) -> None:
    for package in ("aws_lambda_powertools", "boto3", "botocore", "dateutil", "jmespath", "six", "urllib3"):
        other = tmp_path / "runtime" / package / "__init__.py"
        other.parent.mkdir(parents=True)
        other.write_text("raise RuntimeError('another version')")
    with serve(double) as endpoint:
        environ = {"AWS_ENDPOINT_URL": endpoint, "DISTRIBUTION_IDS": "E1"}
        with deployed(packages["queue"].zips["invalidate"], tmp_path, HANDLER, environ) as function:
            assert function.init_error is None
            assert not function.invoke(make.s3(Change("a"))).failed
    assert double.paths("E1") == ["/a"]


def test_a_module_that_is_missing_from_the_zip_would_be_noticed(packages: Packages, tmp_path: Path) -> None:
    archive = packages["queue"].zips["connect"]  # it contains neither handler.py nor its packages
    with deployed(archive, tmp_path, HANDLER, {}) as function:
        assert function.init_error["errorType"] == "Runtime.ImportModuleError"
        assert function.process.returncode == 1


@pytest.mark.parametrize("event", [None, {}, [], {"Records": []}, "text"])
def test_the_function_of_pipelines_serves_nothing_but_jobs(event: object) -> None:
    with pytest.raises(JobError, match="no job of CodePipeline"):
        pipeline_handler.lambda_handler(event, LocalContext())


def test_the_function_that_connects_the_bucket_answers_cloudformation(packages: Packages, tmp_path: Path) -> None:
    archive, name = packages["queue"].zips["connect"], "invalidator.custom_resource.lambda_handler"
    aws = StrictS3({"origin": "us-east-1", "west": "eu-west-1"}, {QUEUE})
    with (
        strict_s3.serve(aws) as endpoint,
        waiting_stack(tmp_path) as cloudformation,
        deployed(
            archive, tmp_path, name, cloudformation.environ | variables(PROPERTIES) | {"AWS_ENDPOINT_URL": endpoint}
        ) as function,
    ):
        cloudformation.invoke = function.invoke
        assert cloudformation.ask("Create")["Status"] == "SUCCESS"
        forged = cloudformation.forge("Create", EntryId="another-stack")
        assert (forged["Status"], forged["PhysicalResourceId"]) == ("FAILED", "nothing")
        assert "the property EntryId is 'another-stack'" in forged["Reason"]
        assert cloudformation.ask("Delete", "origin/invalidator-dev")["Status"] == "SUCCESS"
    assert aws.puts == 2
