"""Laws of the jobs of CodePipeline: always answered, never billed twice, and no word of their credentials."""

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from moto import mock_aws

from invalidator.aws import sdk
from invalidator.aws.cloudfront import CloudFront
from invalidator.codepipeline.answers import JobRunning
from invalidator.codepipeline.jobs import JobServices, answer_job
from invalidator.codepipeline.progress import Progress, SentBatch
from invalidator.codepipeline.requests import Job
from invalidator.distributions.catalog import Catalog
from invalidator.errors import EventError, IncompleteError, JobError
from invalidator.handler import lambda_handler
from invalidator.limits import MAX_CONTINUATION_TOKEN_CHARACTERS, MAX_JOB_MESSAGE_CHARACTERS
from invalidator.model import Batch, DistributionId, Invalidation, Outcome
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from invalidator.runtime.log import logger
from invalidator.settings import stored
from tests.doubles import codepipelines
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock, OnClock
from tests.doubles.cloudfront import DENIED, IN_PROGRESS, THROTTLED, UNAVAILABLE, StrictCloudFront, Time
from tests.doubles.codepipelines import CREDENTIALS, Answer, Json, StrictCodePipeline, job
from tests.doubles.configurations import of_buckets
from tests.doubles.loopback import answering
from tests.doubles.strategies import json_values

EPOCH = 1_795_000_000.0


@dataclass
class World:
    """A CloudFront whose calls take ``takes`` seconds, a CodePipeline, and functions of ``seconds``; on one clock."""

    cloudfront: StrictCloudFront = field(default_factory=lambda: StrictCloudFront({"E1", "E2"}))
    pipeline: StrictCodePipeline = field(default_factory=StrictCodePipeline)
    clock: Clock = field(default_factory=Clock)
    seconds: float = 120.0
    takes: float = 0.0
    told: list[Json] = field(default_factory=list)
    catalog: Catalog | None = None

    def invoke(self, event: object) -> Json:
        self.clock.limit = self.clock.now + self.seconds
        cdn = CloudFront(self.cloudfront)
        self.catalog = self.catalog or Catalog(cdn, lambda: self.clock.now, lambda _: None)
        catalog = self.catalog
        edge = Clients(
            cloudfront=lambda: cdn,
            workers=lambda: Calls(self.clock, lambda _: self.takes),
            catalog=lambda: catalog,
            invalidation=cdn.invalidation,
            pipeline=lambda: self.pipeline,
            now=lambda: EPOCH + self.clock.now,
        )
        self.told.append(lambda_handler(event, OnClock(clock=self.clock), edge))
        return self.told[-1]

    def pause(self) -> None:
        self.clock.now += 30

    def run(self, parameters: object = "", **more: Any) -> Answer:
        return self.pipeline.run_to_the_end(self.invoke, parameters, pause=self.pause, **more)

    def accepted(self) -> list[tuple[str, str]]:
        return sorted((item.distribution, path) for item in self.cloudfront.accepted for path in item.paths)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2")
    return World()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    stream = StringIO()
    monkeypatch.setattr(logger.logger_handler, "stream", stream)
    return stream


# --- what is asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "accepted"),
    [
        ("", [("E1", "/*"), ("E2", "/*")]),
        (" \n", [("E1", "/*"), ("E2", "/*")]),
        ({}, [("E1", "/*"), ("E2", "/*")]),
        ({"wait": False}, [("E1", "/*"), ("E2", "/*")]),
        ({"wait": True}, [("E1", "/*"), ("E2", "/*")]),
        ({"objectPaths": ["/", "/blog/*"]}, [("E1", "/"), ("E1", "/blog/*"), ("E2", "/"), ("E2", "/blog/*")]),
        ({"objectPaths": "/a b", "distributionId": "E2"}, [("E2", "/a%20b")]),
        ({"distributionId": "E2"}, [("E2", "/*")]),
        ({"distributionId": ["E2", "E1"]}, [("E1", "/*"), ("E2", "/*")]),
        ({"distributionId": "E2, E1 E2"}, [("E1", "/*"), ("E2", "/*")]),
        ({"distributionIds": ["E2"]}, [("E2", "/*")]),
        ({"distributionIds": "E2"}, [("E2", "/*")]),
        ({"distributionId": "E1", "distributionIds": ["E2", "E1"]}, [("E1", "/*"), ("E2", "/*")]),
        ({"distributionId": "E1", "objectPaths": ["/a", "/a", "#news"]}, [("E1", "#news"), ("E1", "/a")]),
        ({"distributionId": "E1", "objectPaths": ["/a b", "/a%20b"]}, [("E1", "/a%20b")]),
    ],
)
def test_every_form_of_the_parameters_is_done(world: World, parameters: object, accepted: Any) -> None:
    answer = world.run(parameters)
    assert answer.is_success
    assert world.accepted() == accepted
    assert sorted(answer.outputs) == sorted((item.distribution, item.id) for item in world.cloudfront.accepted)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("user-parameter-string", "UserParameters: they are not JSON"),
        ("[" * 900, "UserParameters: they are not JSON"),
        ("9" * 5_000, "UserParameters: they are not JSON"),
        ("[]", "UserParameters: they are JSON, but no object"),
        ('{"objectPaths": "/*", "objectPaths": "/b"}', "they are not JSON (a name is there twice in an object)"),
        ({"paths": ["/*"]}, "there is no 'paths'; there are distributionId, distributionIds, objectPaths, wait"),
        ({"wait": "true"}, "wait is neither true nor false"),
        ({"objectPaths": []}, "objectPaths is neither a string nor a list of strings"),
        ({"objectPaths": None}, "objectPaths is neither a string nor a list of strings"),
        ({"objectPaths": ["/a", 1]}, "objectPaths is neither a string nor a list of strings"),
        ({"objectPaths": ["blog/*"]}, "objectPaths: 'blog/*' does not begin with a slash: did you mean '/blog/*'?"),
        ({"objectPaths": ["AccessDenied"]}, "objectPaths: 'AccessDenied' does not begin with a slash"),
        ({"objectPaths": "/index.html /sw.js"}, "several paths: did you mean '/index.html' and '/sw.js'? (Repeat"),
        (
            {"objectPaths": ["/a\n/b\n"]},
            "objectPaths: '/a\\n/b\\n' looks like several paths: did you mean '/a' and '/b'?",
        ),
        ({"objectPaths": '["/a", "/b"]'}, "looks like several paths: did you mean '/a' and '/b'?"),
        ({"objectPaths": [""]}, "objectPaths: '' does not begin with a slash, as '/*'"),
        ({"objectPaths": ["/a*b"]}, "did you mean '/a*'?"),
        ({"objectPaths": ["C:/Program Files/Git/*"]}, "Git Bash"),
        ({"objectPaths": ["/\ud800"]}, "is not Unicode text"),
        ({"distributionId": ""}, "distributionId is empty; leave it out for the configured distributions"),
        ({"distributionIds": ["", " , "]}, "distributionId is empty"),
        ({"distributionIds": []}, "distributionIds is neither a string nor a list of strings"),
        ({"distributionId": 7}, "distributionId is neither a string nor a list of strings"),
        (
            {"distributionId": "d111.cloudfront.net"},
            "distributionId: 'd111.cloudfront.net' is not one of the configured",
        ),
        (
            {"distributionId": "E0MISSING"},
            "distributionId: 'E0MISSING' is not one of the configured distributions: name",
        ),
        ({"distributionId": ["E1", "dt_2"]}, "distributionId: 'dt_2' is not one of the configured distributions"),
        ({"distributionId": "discover"}, "distributionId: 'discover' is not one of the configured distributions"),
    ],
)
@pytest.mark.parametrize("wait", [False, True])
def test_what_cannot_be_meant_is_a_configuration_error(world: World, parameters: Any, words: str, wait: bool) -> None:
    if isinstance(parameters, dict) and wait:
        parameters = {"wait": True} | parameters
    answer = world.run(parameters)
    assert (answer.is_success, answer.type) == (False, "ConfigurationError")
    assert words in answer.message
    assert world.accepted() == []
    assert len(world.pipeline.answers) == 1
    assert world.told[-1]["result"] == "failed"


def test_the_event_that_aws_documents_is_answered(world: World) -> None:
    event = job("user-parameter-string", id_=world.pipeline.new_job())
    event["CodePipeline.job"]["data"]["continuationToken"] = "A continuation token if continuing job"
    assert world.invoke(event)["type"] == "ConfigurationError"
    (answer,) = world.pipeline.answers
    assert "the continuation token is none that was given out here; run the action again" in answer.message


def test_without_any_distribution_it_is_said_what_to_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTRIBUTION_IDS")
    answer = world.run()
    assert answer.type == "ConfigurationError"
    assert answer.message.startswith("give distributionId in UserParameters; no distribution to invalidate: set")


def test_a_tenant_is_done_and_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,dt_2")
    world.cloudfront.tenants["dt_2"] = ("E1", {})
    world.cloudfront.looks_to_complete = 1
    answer = world.run({"distributionId": "dt_2", "wait": True})
    assert [distribution for distribution, _ in answer.outputs] == ["dt_2"]
    assert ("GetInvalidationForDistributionTenant", "dt_2") in world.cloudfront.read


@given(json_values)
@make.times(0.6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_parameters_are_the_job_is_answered(world: World, parameters: object) -> None:
    world.run(parameters)
    world.run({"objectPaths": parameters})
    world.run({"distributionId": parameters})


@given(st.text(st.characters(), max_size=30))
@make.times(1, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_text_there_is_the_job_is_answered(world: World, text: str) -> None:
    # As a name of a parameter: without credentials it cannot be read.
    for parameters in ({text: 1}, {"objectPaths": text}, {"distributionId": text.removeprefix("/")}):
        world.run(json.dumps(parameters))


# --- where the ids come from ----------------------------------------------------------------------------


ONE, OTHER = "E1A2B3C4D5E6F7", "E2A2B3C4D5E6F7"


@pytest.fixture
def ssm(world: World) -> Iterator[Any]:
    """A Parameter Store, beside a CloudFront that has two distributions more than are configured."""
    world.cloudfront.distributions = {"E1", "E2", ONE, OTHER}
    with mock_aws():
        yield boto3.client("ssm")


def test_ids_may_stand_in_parameters_beside_others(world: World, ssm: Any) -> None:
    ssm.put_parameter(Name="/cdn/one", Value=ONE, Type="String")
    ssm.put_parameter(Name="/cdn/both", Value=f"{ONE},{OTHER}", Type="StringList")
    assert world.run({"distributionId": "/cdn/one"}).is_success
    assert world.accepted() == [(ONE, "/*")]
    world.cloudfront.accepted.clear()
    assert world.run({"distributionId": ["/cdn/both", "E2"]}).is_success
    assert world.accepted() == [(ONE, "/*"), ("E2", "/*"), (OTHER, "/*")]


def test_a_job_reaches_no_distribution_that_is_not_configured(world: World, ssm: Any) -> None:
    ssm.put_parameter(Name="/cdn/one", Value=ONE, Type="String")
    for ids in (OTHER, [OTHER, "E1"], ["/cdn/one", OTHER], f"E1 {OTHER}"):
        answer = world.run({"distributionId": ids})
        assert answer.type == "ConfigurationError"
        assert f"distributionId: '{OTHER}' is not one of the configured distributions" in answer.message
    assert world.accepted() == []


def test_a_parameter_that_is_not_there_is_a_configuration_error(world: World, ssm: Any) -> None:
    answer = world.run({"distributionId": "/cdn/none"})
    assert answer.type == "ConfigurationError"
    assert answer.message.startswith("distributionId: /cdn/none cannot be read")
    # Half of a surrogate pair, which JSON can say and CodePipeline does not take.
    assert "/cdn/\\ud800" in world.run('{"distributionId": "/cdn/\\ud800"}').message


@contextmanager
def parameter_store(code: str, status: int) -> Iterator[str]:
    """A Parameter Store that answers with this error and is never slow to do so; yields its endpoint."""
    body = json.dumps({"__type": code, "message": "no"}).encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with answering(head.encode() + body) as endpoint:
        yield endpoint


def test_a_parameter_that_may_not_be_read_is_a_permission_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with parameter_store("AccessDeniedException", 400) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", endpoint)
        answer = world.run({"distributionId": "/cdn/ids"})
    assert answer.type == "PermissionError"
    assert "distributionId: /cdn/ids cannot be read" in answer.message


@pytest.mark.parametrize("fault", [("ThrottlingException", 400), ("InternalServerError", 500), None])
def test_a_parameter_that_cannot_be_read_now_is_read_later(
    world: World, ssm: Any, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, int] | None
) -> None:
    # One attempt, since the pauses of the SDK are real ones.
    monkeypatch.setattr(sdk, "config", lambda attempts, config=sdk.config: config(attempts=min(attempts, 1)))
    first, second = world.pipeline.new_job(), world.pipeline.new_job()
    with parameter_store(*fault) if fault else nullcontext("http://127.0.0.1:1") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", endpoint)
        world.invoke(job({"distributionId": "/cdn/ids"}, id_=first))
    token = world.pipeline.answers[-1].token
    assert token
    monkeypatch.delenv("AWS_ENDPOINT_URL_SSM")
    stored.forget_stored()
    ssm.put_parameter(Name="/cdn/ids", Value=ONE, Type="String")
    world.invoke(job({"distributionId": "/cdn/ids"}, token, second))
    assert world.pipeline.answers[-1].is_success
    assert world.accepted() == [(ONE, "/*")]


def test_distributions_are_discovered_for_the_bucket_that_is_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.cloudfront.configs = {"E3": of_buckets("mine"), "E4": of_buckets("other")}
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    answer = world.run()
    assert (answer.type, "DISCOVER_BUCKET is missing" in answer.message) == ("ConfigurationError", True)
    monkeypatch.setenv("DISCOVER_BUCKET", "mine")
    assert world.run().is_success
    assert world.accepted() == [("E3", "/*")]
    world.cloudfront.accepted.clear()
    assert world.run({"distributionId": "discover"}).is_success
    assert world.run({"distributionId": "E3"}).is_success
    assert world.accepted() == [("E3", "/*"), ("E3", "/*")]
    answer = world.run({"distributionId": "E4"})
    assert (answer.type, "'E4' is not one of the configured" in answer.message) == ("ConfigurationError", True)


def test_where_nothing_is_discovered_the_job_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    monkeypatch.setenv("DISCOVER_BUCKET", "nobody")
    answer = world.run()
    assert (answer.type, world.accepted()) == ("ConfigurationError", [])
    assert "no distribution was found with an origin in bucket nobody" in answer.message


@pytest.mark.parametrize(
    ("fault", "type_"), [(DENIED, "PermissionError"), (THROTTLED, "SystemUnavailable"), (("Strange", 400), "JobFailed")]
)
def test_where_discovery_fails_the_job_does_in_the_same_way(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, int], type_: str
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    monkeypatch.setenv("DISCOVER_BUCKET", "origin")
    world.cloudfront.unreadable["ListDistributions"] = fault
    answer = world.run()
    assert (answer.type, fault[0] in answer.message) == (type_, True)
    assert len(world.pipeline.answers) > 100 or type_ != "SystemUnavailable"


# --- what goes wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "type_", "words"),
    [
        (DENIED, "PermissionError", "grant cloudfront:CreateInvalidation on this distribution"),
        (("NoSuchDistribution", 404), "ConfigurationError", "or it is multi-tenant: correct the list"),
        (("Strange", 400), "JobFailed", "Strange: Strange on demand"),
        (THROTTLED, "SystemUnavailable", "Throttling"),
        (IN_PROGRESS, "SystemUnavailable", "TooManyInvalidationsInProgress"),
        (UNAVAILABLE, "SystemUnavailable", "ServiceUnavailable"),
    ],
)
def test_a_failure_says_what_was_not_done_why_and_what_was_accepted(
    world: World, fault: tuple[str, int], type_: str, words: str
) -> None:
    world.cloudfront.broken["E1"] = fault
    answer = world.run({"objectPaths": ["/a", "/b"]})
    assert (answer.is_success, answer.type) == (False, type_)
    assert answer.message.startswith("E1: /a and 1 more not invalidated: ")
    assert words in answer.message
    (accepted,) = world.cloudfront.accepted
    assert answer.message.endswith(f"\n1 of 2 invalidations accepted: {accepted.id} on E2.")


def test_what_passes_by_itself_is_not_why_a_job_fails(world: World) -> None:
    world.cloudfront.broken = {"E1": DENIED, "E2": THROTTLED}
    answer = world.run()
    assert answer.type == "PermissionError"
    assert ("E1: /*" in answer.message, "E2: /*" in answer.message) == (True, True)
    assert answer.message.endswith("\n0 of 2 invalidations accepted.")


def test_failures_of_several_kinds_are_a_failed_job(world: World) -> None:
    world.cloudfront.broken = {"E1": DENIED, "E2": ("NoSuchDistribution", 404)}
    assert world.run().type == "JobFailed"


def test_a_message_that_is_too_long_still_says_what_was_accepted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"E{number:013}" for number in range(100)]
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(ids))
    world.cloudfront = StrictCloudFront(ids, broken=dict.fromkeys(ids[:50], DENIED), characters=26)
    answer = world.run({"distributionIds": ids})
    assert answer.type == "PermissionError"
    assert len(answer.message) == MAX_JOB_MESSAGE_CHARACTERS
    assert answer.message.startswith(f"{ids[0]}: /* not invalidated")
    assert answer.message.endswith(" and 30 more.")
    assert "\n50 of 100 invalidations accepted: I" in answer.message


@pytest.mark.parametrize("wait", [False, True])
def test_an_invalid_path_costs_no_other(world: World, wait: bool) -> None:
    world.cloudfront.rejects = {"/c"}
    paths = [f"/{letter}" for letter in "abcdefgh"]
    answer = world.run({"distributionId": "E1", "objectPaths": paths, "wait": wait})
    assert answer.type == "ConfigurationError"
    assert answer.message.startswith("E1: /c not invalidated: InvalidArgument")
    assert [path for _, path in world.accepted()] == [path for path in paths if path != "/c"]


def test_an_unexpected_error_fails_the_job_and_is_logged_with_its_place(
    world: World, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CloudFront, "create_invalidation", lambda *_: 1 / 0)
    answer = world.run()
    assert (answer.type, answer.message) == (
        "JobFailed",
        "unexpected, please report it: ZeroDivisionError: division by zero",
    )
    assert "test_jobs.py" in log.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        {"actionConfiguration": None},
        {"actionConfiguration": {"configuration": {"UserParameters": 7}}},
        {"actionConfiguration": {"configuration": {}}, "continuationToken": ["x"]},
    ],
)
def test_a_job_of_which_only_the_id_can_be_read_is_failed(world: World, data: object) -> None:
    id_ = world.pipeline.new_job()
    world.invoke({"CodePipeline.job": {"id": id_, "data": data}})
    assert world.pipeline.answered[id_].type == "JobFailed"
    assert world.accepted() == []


@pytest.mark.parametrize("told", [None, [], "x", {}, {"id": 1}, {"id": "x"}, {"id": "../../etc"}])
def test_a_job_without_an_id_cannot_be_answered(world: World, told: object) -> None:
    with pytest.raises(EventError, match="cannot be answered"):
        world.invoke({"CodePipeline.job": told})


# --- the wait -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same_id", [False, True])
@pytest.mark.parametrize("looks", [0, 1, 5])
def test_a_job_that_waits_comes_back_until_all_is_completed(world: World, looks: int, same_id: bool) -> None:
    world.cloudfront.looks_to_complete = looks
    answer = world.run({"wait": True}, same_id=same_id)
    assert answer.is_success
    assert len(world.pipeline.answers) == looks + 1
    assert world.accepted() == [("E1", "/*"), ("E2", "/*")]
    assert world.cloudfront.calls == 2
    details = [answer.given["executionDetails"] for answer in world.pipeline.answers]
    assert [about["percentComplete"] for about in details] == [50] * looks + [100]
    if looks:
        assert details[0]["summary"] == "2 of 2 invalidations accepted, 0 completed"
    assert details[-1]["summary"] == "2 invalidations completed"


def test_what_is_completed_is_not_looked_at_again(world: World) -> None:
    world.cloudfront.looks_to_complete = 2
    ids = [world.pipeline.new_job() for _ in range(2)]
    world.invoke(job({"wait": True}, "", ids[0]))
    world.cloudfront.looks["I0000000000001"] = 2
    world.invoke(job({"wait": True}, world.pipeline.answers[-1].token, ids[1]))
    assert world.pipeline.answers[-1].token.split(" ")[-1].endswith(":I0000000000001")
    reads = len(world.cloudfront.read)
    world.invoke(job({"wait": True}, world.pipeline.answers[-1].token, world.pipeline.new_job()))
    assert len(world.cloudfront.read) == reads + 1


def test_without_wait_nobody_looks(world: World) -> None:
    world.cloudfront.looks_to_complete = 1_000
    assert world.run().is_success
    assert world.cloudfront.read == []


def test_a_wait_that_never_ends_fails_after_an_hour(world: World) -> None:
    world.cloudfront.looks_to_complete = 10_000
    answer = world.run({"wait": True}, bound=125)
    assert (answer.is_success, answer.type) == (False, "JobFailed")
    assert answer.message.startswith(
        "not completed within 60 minutes\n2 of 2 invalidations accepted, 0 completed: I0000000000001 on "
    )
    assert 3_600 < world.clock.now < 3_700
    assert world.cloudfront.calls == 2


def test_what_is_completed_in_the_last_moment_is_a_success(world: World) -> None:
    world.cloudfront.looks_to_complete = 121
    assert world.run({"wait": True}, bound=125).is_success


def test_when_the_time_is_over_nobody_looks() -> None:
    left = iter([100.0, 26.0, 24.0])
    seen: list[str] = []

    def look(distribution: DistributionId, id_: str) -> Invalidation:
        seen.append(distribution)
        return Invalidation(distribution, id_, "Completed", datetime(2026, 11, 22, tzinfo=UTC))

    services = JobServices(
        lambda _: [DistributionId("E1"), DistributionId("E2")],
        lambda batches: [Outcome(batch, invalidation="I1") for batch in batches],
        look,
        lambda: next(left),
    )
    answer = answer_job(Job("11111111-abcd-1111-abcd-111111abcdef", '{"wait": true}'), services, EPOCH)
    assert isinstance(answer, JobRunning)
    assert (seen, answer.summary) == (["E1"], "2 of 2 invalidations accepted, 1 completed")


@pytest.mark.parametrize("seconds", [3.0, 10.0, 25.0, 900.0])
def test_functions_with_little_time_wait_too(world: World, seconds: float) -> None:
    world.seconds = seconds
    world.cloudfront.looks_to_complete = 2
    assert world.run({"wait": True}, bound=10).is_success


def test_a_function_whose_time_is_over_looks_the_next_time(world: World) -> None:
    world.cloudfront.time = Time(world.clock, rate=0.5, burst=1, seconds_to_complete=25)
    world.seconds = 60
    assert world.run({"wait": True, "objectPaths": [f"/{number}/*" for number in range(60)]}).is_success
    assert len(world.accepted()) == 120


@pytest.mark.parametrize(
    ("fault", "type_"),
    [
        (DENIED, "PermissionError"),
        (("NoSuchInvalidation", 404), "ConfigurationError"),
        (THROTTLED, ""),
        (UNAVAILABLE, ""),
    ],
)
def test_what_cannot_be_seen_is_said_or_looked_at_again(world: World, fault: tuple[str, int], type_: str) -> None:
    world.cloudfront.unreadable["GetInvalidation"] = fault
    first = world.pipeline.new_job()
    world.invoke(job({"wait": True}, id_=first))
    answer = world.pipeline.answered[first]
    assert answer.is_success == bool(answer.token) == (not type_)
    if type_:
        assert answer.type == type_
        assert "is accepted, but nobody can see whether it is completed" in answer.message
        assert "grant cloudfront:GetInvalidation on this" in answer.message or fault != DENIED
    else:
        about = {"summary": "2 of 2 invalidations accepted, 0 completed", "percentComplete": 50}
        assert answer.given["executionDetails"] == about
        world.cloudfront.unreadable.clear()
        world.invoke(job({"wait": True}, answer.token, world.pipeline.new_job()))
        assert world.pipeline.answers[-1].outputs
    assert len(world.cloudfront.accepted) == 2


# --- what goes on later ---------------------------------------------------------------------------------


@pytest.mark.parametrize("same_id", [False, True])
@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("fault", [THROTTLED, IN_PROGRESS, UNAVAILABLE])
def test_what_cannot_be_sent_now_is_sent_later_and_once(
    world: World, fault: tuple[str, int], wait: bool, same_id: bool
) -> None:
    world.cloudfront.broken["E1"] = fault
    jobs = 0

    def pause() -> None:
        nonlocal jobs
        jobs += 1
        world.pause()
        if jobs == 3:
            world.cloudfront.broken.clear()

    answer = world.pipeline.run_to_the_end(world.invoke, {"wait": wait}, same_id=same_id, pause=pause)
    assert answer.is_success
    assert world.accepted() == [("E1", "/*"), ("E2", "/*")]
    # What was accepted is known, and not even sent again.
    assert len([call for call in world.cloudfront.log if call.distribution == "E2"]) == 1
    assert len(world.pipeline.answers) == 4
    about = world.pipeline.answers[0].given["executionDetails"]
    assert about["summary"] == f"1 of 2 invalidations accepted{', 1 completed' * wait}"
    assert about["percentComplete"] == 50


def test_lost_answers_of_cloudfront_are_not_billed_again(world: World) -> None:
    world.cloudfront.lose_answers = 20
    assert world.run({"wait": True}).is_success
    assert world.accepted() == [("E1", "/*"), ("E2", "/*")]


@pytest.mark.parametrize("name", ["InvalidArgument", "InvalidationBatchAlreadyExists"])
def test_a_reference_that_was_used_with_other_paths_is_no_hindrance(world: World, name: str) -> None:
    world.cloudfront.used_reference = name
    world.cloudfront.looks_to_complete = 2
    id_ = world.pipeline.new_job()
    world.invoke(job({"distributionId": "E1", "objectPaths": "/a"}, id_=id_))
    (item,) = world.cloudfront.accepted
    object.__setattr__(item, "paths", ("/b",))
    world.pipeline.open.add(id_)
    world.invoke(job({"distributionId": "E1", "objectPaths": "/a", "wait": True}, id_=id_))
    for _ in range(2):
        token, id_ = world.pipeline.answers[-1].token, world.pipeline.new_job()
        world.invoke(job({"distributionId": "E1", "objectPaths": "/a", "wait": True}, token, id_))
    assert world.pipeline.answers[-1].outputs == [("E1", "I0000000000002")]
    assert len(world.cloudfront.accepted) == 2


def test_a_repeated_job_makes_the_same_references_and_another_others(world: World) -> None:
    id_ = world.pipeline.new_job()
    for _ in range(3):
        world.pipeline.open.add(id_)
        world.invoke(job("", id_=id_))
    assert len(world.cloudfront.accepted) == 2
    assert len({call.reference for call in world.cloudfront.log}) == 2
    assert len({str(answer.outputs) for answer in world.pipeline.answers}) == 1
    world.run()
    assert len(world.cloudfront.accepted) == 4


@pytest.mark.parametrize(("number", "known_at_the_end"), [(62, 62), (100, 30), (180, 1)])
@pytest.mark.parametrize(("rate", "seconds"), [(0.5, 120.0), (0.5, 900.0), (1_000.0, 120.0)])
def test_more_invalidations_than_a_token_has_room_for_come_to_an_end(
    world: World, rate: float, seconds: float, number: int, known_at_the_end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"E{one:013}" for one in range(number)]
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(ids))
    time = Time(world.clock, rate=rate, burst=10)
    world.seconds = seconds
    world.cloudfront = StrictCloudFront(ids, time=time, characters=26)
    answer = world.run({"distributionIds": ids, "wait": True, "objectPaths": ["/a", "/b/*"]}, bound=30)
    assert answer.is_success
    known = {item.distribution: item.id for item in world.cloudfront.accepted}
    assert len(known) == len(world.cloudfront.accepted) == number
    assert answer.outputs == [(id_, known[id_]) for id_ in ids if (id_, known[id_]) in answer.outputs]
    assert len(answer.outputs) >= known_at_the_end
    tokens = [answer.token for answer in world.pipeline.answers if answer.token]
    assert all(len(token) <= MAX_CONTINUATION_TOKEN_CHARACTERS for token in tokens)
    assert max(map(len, tokens)) > 1_900


@pytest.mark.parametrize("wait", [False, True])
def test_of_more_than_it_has_room_for_a_token_holds_some(
    world: World, wait: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"E{one:013}" for one in range(300)]
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(ids))
    world.cloudfront = StrictCloudFront(ids, broken={ids[0]: IN_PROGRESS}, characters=26)

    def pause() -> None:
        world.cloudfront.broken.clear()

    answer = world.pipeline.run_to_the_end(world.invoke, {"distributionIds": ids, "wait": wait}, pause=pause)
    assert answer.is_success
    assert (len(world.pipeline.answers), len(world.cloudfront.accepted)) == (2, 300)


@pytest.mark.parametrize(("seconds", "wait"), [(900.0, False), (120.0, True)])
def test_a_thousand_distributions_need_hardly_more_than_a_thousand_calls(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float, wait: bool
) -> None:
    ids = [f"E{one:013}" for one in range(1_000)]
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(ids))
    world.seconds, world.takes = seconds, 0.2
    world.cloudfront = StrictCloudFront(ids, time=Time(world.clock, rate=0.5, burst=10), characters=26)
    assert world.run({"wait": wait}).is_success
    assert len(world.cloudfront.accepted) == 1_000
    # The rate allows it in 1,980 seconds, and is found out by calls that are throttled. Nothing is sent twice.
    assert world.clock.now < 2_400
    throttled = world.cloudfront.refused["Throttling"]
    assert (world.cloudfront.calls - throttled, throttled < 400) == (1_000, True)


_REFERENCES = [f"invalidator-{number:032x}" for number in range(0, 10**36, 10**33)]


def batches(number: int) -> list[Batch]:
    return [Batch(DistributionId("E1"), (), reference) for reference in _REFERENCES[:number]]


@given(
    sent=st.dictionaries(
        st.integers(0, 999), st.builds(SentBatch, st.from_regex(r"\AI[A-Z0-9]{13,25}\Z"), st.booleans())
    ),
    settled=st.sets(st.integers(0, 999), max_size=999),
    number=st.integers(1, 1_000),
)
def test_a_token_holds_what_is_settled_and_first_what_to_look_at_again(
    sent: dict[int, SentBatch], settled: set[int], number: int
) -> None:
    sent = {one: SentBatch("", True) for one in settled} | sent
    sent = {one: sent[one] for one in sent if one < number}
    all_of_them = batches(number)
    progress = Progress("11111111-abcd-1111-abcd-111111abcdef", 1)
    progress.recall(all_of_them)
    for one, batch in enumerate(all_of_them):
        if one in sent and (sent[one].settled or progress.has_room()):
            progress.put(batch, sent[one])
    token = progress.token()
    assert len(token) <= MAX_CONTINUATION_TOKEN_CHARACTERS
    recalled = Progress.of(Job(progress.job, "", token), 2)
    assert recalled.token() == token
    recalled.recall(reversed(all_of_them))
    for batch in all_of_them:
        expected, found = progress.get(batch), recalled.get(batch)
        assert (found and found.settled) == (expected and expected.settled)
        assert found == expected or (found and found.settled and not found.invalidation)
    assert recalled.token() == token
    changed = Progress.of(Job(progress.job, "", token), 2)
    changed.recall(all_of_them[1:])
    assert not any(changed.get(batch) for batch in all_of_them)


def test_a_token_of_an_earlier_version_is_still_read() -> None:
    one, two, three = batches(4)[1:]
    names = [batch.caller_reference.removeprefix("invalidator-")[:8] for batch in (one, two)]
    token = f"11111111-abcd-1111-abcd-111111abcdef 1795000000 {names[0]}+ {names[1]}-I1 ffffffff+I9"
    progress = Progress.of(Job("22222222-abcd-1111-abcd-111111abcdef", "", token), 1)
    progress.recall([one, two, three])
    known = [progress.get(batch) for batch in (one, two, three)]
    assert known == [SentBatch("", settled=True), SentBatch("I1", settled=False), None]
    assert progress.token().startswith("11111111-abcd-1111-abcd-111111abcdef 1795000000 ")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "1",
        "11111111-abcd-1111-abcd-111111abcdef",
        "11111111-abcd-1111-abcd-111111abcdef ",
        "11111111-abcd-1111-abcd-111111abcdef soon",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 ",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 0123",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 01234567*I1",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 01234567-",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 01234567.",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 01234567.1 01234567+",
        "11111111-abcd-1111-abcd-111111abcdef 1795000000 01234567.1 x:I1",
        "x 1795000000",
        " 1795000000",
    ],
)
def test_a_token_that_is_not_ours_is_a_configuration_error(world: World, token: str) -> None:
    id_ = world.pipeline.new_job()
    world.invoke(job("", token, id_))
    assert world.pipeline.answered[id_].type == "ConfigurationError"
    assert "continuation token" in world.pipeline.answered[id_].message
    assert world.accepted() == []


def test_a_token_that_is_cut_is_answered_and_bills_nothing_again(world: World) -> None:
    world.cloudfront.looks_to_complete = 1_000
    world.invoke(job({"wait": True}, "", world.pipeline.new_job()))
    whole = world.pipeline.answers[-1].token
    for end in range(1, len(whole)):
        id_ = world.pipeline.new_job()
        world.invoke(job({"wait": True}, whole[:end], id_))
        assert id_ in world.pipeline.answered
    assert len(world.cloudfront.accepted) == 2


def test_what_is_no_longer_meant_is_forgotten_and_what_is_new_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cloudfront.distributions = {"E1", "E2", "E3"}
    world.cloudfront.looks_to_complete = 1
    ids = [world.pipeline.new_job() for _ in range(3)]
    world.invoke(job({"wait": True}, "", ids[0]))
    monkeypatch.setenv("DISTRIBUTION_IDS", "E2,E3")
    world.cloudfront.looks_to_complete = 2
    world.invoke(job({"wait": True}, world.pipeline.answers[-1].token, ids[1]))
    (gone,) = [item.id for item in world.cloudfront.accepted if item.distribution == "E1"]
    assert gone not in world.pipeline.answers[-1].token
    world.invoke(job({"wait": True}, world.pipeline.answers[-1].token, ids[2]))
    while world.pipeline.answers[-1].token:
        world.invoke(job({"wait": True}, world.pipeline.answers[-1].token, world.pipeline.new_job()))
    assert [distribution for distribution, _ in world.pipeline.answers[-1].outputs] == ["E2", "E3"]
    assert world.accepted() == [("E1", "/*"), ("E2", "/*"), ("E3", "/*")]


# --- the answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [("AccessDeniedException", 400), ("ThrottlingException", 400), ("X", 500)])
def test_a_job_that_cannot_be_answered_comes_again_and_bills_nothing(world: World, fault: tuple[str, int]) -> None:
    world.pipeline.faults.append(fault)
    id_ = world.pipeline.new_job()
    with pytest.raises(JobError, match=rf"job {id_} could not be answered: {fault[0]}"):
        world.invoke(job("", id_=id_))
    world.invoke(job("", id_=id_))
    assert world.pipeline.answered[id_].is_success
    assert len(world.cloudfront.accepted) == 2


def test_who_may_not_answer_is_told_what_to_allow(world: World) -> None:
    world.pipeline.faults.append(("AccessDeniedException", 400))
    with pytest.raises(JobError, match=r"grant codepipeline:PutJob(Success|Failure)Result on \*"):
        world.invoke(job("", id_=world.pipeline.new_job()))


def test_an_answer_taken_without_a_word_is_no_error_the_second_time(world: World) -> None:
    world.pipeline.lose_answers = 1
    id_ = world.pipeline.new_job()
    with pytest.raises(JobError):
        world.invoke(job("", id_=id_))
    assert world.invoke(job("", id_=id_))["result"] == "succeeded"
    assert (len(world.pipeline.answers), len(world.cloudfront.accepted)) == (1, 2)


@pytest.mark.parametrize("parameters", ["", {"wait": True}, "nonsense"])
def test_a_job_that_was_stopped_meanwhile_is_no_error(world: World, log: StringIO, parameters: object) -> None:
    id_ = world.pipeline.new_job()
    world.pipeline.open.remove(id_)
    world.invoke(job(parameters, id_=id_))
    assert "the pipeline does not wait for this job any more" in log.getvalue()


# --- over HTTP ------------------------------------------------------------------------------------------


@pytest.fixture
def pipeline(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictCodePipeline]:
    """The strict CodePipeline, beside the strict CloudFront, for the real SDK."""
    double = StrictCodePipeline()
    with codepipelines.serve(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEPIPELINE", endpoint)
        yield double


def test_the_real_sdk_takes_a_job_to_its_end(cloudfront: StrictCloudFront, pipeline: StrictCodePipeline) -> None:
    cloudfront.looks_to_complete = 2
    answer = pipeline.run_to_the_end(lambda event: lambda_handler(event, LocalContext()), {"wait": True})
    assert answer.outputs == [(item.distribution, item.id) for item in cloudfront.accepted] or answer.outputs == [
        (item.distribution, item.id) for item in reversed(cloudfront.accepted)
    ]
    assert len(pipeline.answers) == 3
    failed = pipeline.run_to_the_end(lambda event: lambda_handler(event, LocalContext()), "{")
    assert failed.type == "ConfigurationError"
    lambda_handler(job("", id_="99999999-abcd-1111-abcd-111111abcdef"), LocalContext())
    pipeline.faults.append(("AccessDeniedException", 400))
    with pytest.raises(JobError, match="grant codepipeline:PutJob"):
        lambda_handler(job("", id_=pipeline.new_job()), LocalContext())


@pytest.mark.parametrize("parameters", ["", {"wait": True}, "user-parameter-string", {"objectPaths": ["x"]}])
@pytest.mark.parametrize("how", ["good", "no data", "no id", "refused", "denied", "unexpected"])
def test_the_credentials_of_a_job_are_never_logged(  # noqa: PLR0913, PLR0917 three logs and two doubles
    cloudfront: StrictCloudFront,
    pipeline: StrictCodePipeline,
    log: StringIO,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    parameters: object,
    how: str,
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    logger.setLevel("DEBUG")
    caplog.set_level(logging.DEBUG)
    event = job(parameters, id_=pipeline.new_job())
    if how == "no data":
        event["CodePipeline.job"]["data"].pop("actionConfiguration")
    elif how == "no id":
        event["CodePipeline.job"].pop("id")
    elif how == "refused":
        pipeline.faults.extend([("AccessDeniedException", 400)])
    elif how == "denied":
        cloudfront.broken["E1"] = DENIED
    elif how == "unexpected":
        monkeypatch.setattr(CloudFront, "create_invalidation", lambda *_: 1 / 0)
    error = ""
    try:
        lambda_handler(event, LocalContext())
    except (EventError, JobError) as caught:
        error = "".join(traceback.format_exception(caught))
    logged = log.getvalue() + caplog.text + error
    assert "botocore" in caplog.text or how == "no id"
    for secret in CREDENTIALS.values():
        assert secret not in logged
        assert secret[5:25] not in logged


@pytest.mark.parametrize(
    "route", [make.failed_invocation, make.sqs, lambda event: make.sqs(make.failed_invocation(event))]
)
def test_credentials_of_a_job_among_dead_letters_are_not_logged(
    cloudfront: StrictCloudFront, log: StringIO, caplog: pytest.LogCaptureFixture, route: Callable[[Json], Json]
) -> None:
    logger.setLevel("DEBUG")
    caplog.set_level(logging.DEBUG)
    with suppress(IncompleteError):
        lambda_handler(route(job("")), LocalContext())
    assert "not shown: it holds a job of CodePipeline" in log.getvalue()
    for secret in CREDENTIALS.values():
        assert secret not in log.getvalue() + caplog.text


# --- anything at once -----------------------------------------------------------------------------------

_faults = st.sampled_from([THROTTLED, UNAVAILABLE, IN_PROGRESS, ("InternalError", 500)])
_hard = st.sampled_from([DENIED, ("Strange", 400)])


def test_a_job_without_room_for_a_wildcard_bills_nothing_twice() -> None:
    world = World(StrictCloudFront({"E1"}))
    world.cloudfront.faults.append(IN_PROGRESS)
    assert world.run({"distributionIds": ["E1"], "objectPaths": ["/a", "/b/*"]}).is_success
    assert world.accepted() == [("E1", "/a"), ("E1", "/b/*")]


@given(
    paths=st.lists(st.sampled_from(["/a", "/b/*", "/c d", "/e", "#t"]), min_size=1, max_size=5),
    ids=st.lists(st.sampled_from(["E1", "E2", "dt_3"]), min_size=1, max_size=4),
    wait=st.booleans(),
    faults=st.lists(st.none() | _faults | _hard, max_size=25),
    rejects=st.sets(st.sampled_from(["/a", "/e"]), max_size=1),
    lost=st.integers(0, 3),
    answers=st.lists(st.none() | st.just(("ThrottlingException", 400)), max_size=4),
    same_id=st.booleans(),
)
@make.times(1.5)
def test_a_success_has_each_path_accepted_once_a_failure_names_the_rest(  # noqa: PLR0913, PLR0917 a sequence of everything
    paths: list[str],
    ids: list[str],
    wait: bool,
    faults: list[tuple[str, int] | None],
    rejects: set[str],
    lost: int,
    answers: list[tuple[str, int] | None],
    same_id: bool,
) -> None:
    world = World(StrictCloudFront({"E1", "E2"}, tenants={"dt_3": ("E1", {})}, looks_to_complete=1, rejects=rejects))
    world.cloudfront.faults.extend(faults)
    world.cloudfront.lose_answers = lost
    # Lambda comes three times for one job.
    world.pipeline.faults.extend(answers[:2])
    answer = world.run({"distributionIds": ids, "objectPaths": paths, "wait": wait}, same_id=same_id)
    wanted = {(id_, path.replace(" ", "%20")) for id_ in ids for path in paths}
    accepted = world.accepted()
    assert len(accepted) == len(set(accepted))
    assert set(accepted) <= wanted
    if answer.is_success:
        assert set(accepted) == wanted
        assert {id_ for id_, _ in answer.outputs} == set(ids)
    else:
        for id_ in {id_ for id_, _ in wanted - set(accepted)}:
            assert f"{id_}: " in answer.message
