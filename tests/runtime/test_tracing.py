"""What X-Ray's daemon gets of a function that runs under Lambda's own runtime client, and what it never gets."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from invalidator.local.embedded import embedded_aws
from tests.doubles import strategies as make
from tests.doubles.cloudfront import DENIED, StrictCloudFront, serve
from tests.doubles.lambda_runtime import LAYER, NOT_TRACED, Function, deployed
from tests.doubles.loopback import answering
from tests.doubles.packaged import ROOT, Package
from tests.doubles.strategies import Change

ROOTS = ("1-5bef4de7-ad49b0e87f6ef6c87fc2e700", "1-5bef4de8-000000000000000000000002")
ON = {"POWERTOOLS_TRACE_DISABLED": "false", "DISTRIBUTION_IDS": "E1,E2"}


def sampled(root: str = ROOTS[0], parent: str = "53995c3f42cd8ad8") -> str:
    """What Lambda says of an invocation that is to be traced."""
    return f"Root={root};Parent={parent};Sampled=1"


class Daemon:
    """X-Ray's: a UDP socket on loopback, where what was sent before an answer is there after it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = "{}:{}".format(*self.socket.getsockname())
        self.text = ""

    def received(self) -> list[Any]:
        """The segments that came since the last call, in the order in which they ended."""
        found: list[Any] = []
        while True:
            try:
                header, _, body = self.socket.recv(65_536).decode().partition("\n")
            except BlockingIOError:
                return found
            assert json.loads(header) == {"format": "json", "version": 1}
            self.text += body
            found.append(json.loads(body))


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    with made.socket:
        yield made


@pytest.fixture
def double() -> StrictCloudFront:
    return StrictCloudFront({"E1", "E2"})


Start = Callable[..., Function]


@pytest.fixture
def start(packages: dict[str, Package], tmp_path: Path, double: StrictCloudFront, daemon: Daemon) -> Iterator[Start]:
    """Starts the function in a new process, with these variables."""
    with ExitStack() as until_the_end:
        endpoint = until_the_end.enter_context(serve(double))

        def begin(layer: tuple[str, ...] = LAYER, **environ: str) -> Function:
            archive = packages["queue"].zip_of("invalidate")
            environ = {"AWS_ENDPOINT_URL": endpoint, "AWS_XRAY_DAEMON_ADDRESS": daemon.address, **environ}
            name = "invalidator.handler.lambda_handler"
            return until_the_end.enter_context(deployed(archive, tmp_path, name, environ, layer))

        yield begin


def calls(segments: list[Any]) -> list[tuple[str, str, str]]:
    """Service, operation and distribution of each call."""
    found = [(item["name"], item["aws"]) for item in segments if item.get("namespace") == "aws"]
    return sorted((name, aws["operation"], aws.get("distribution_id", "")) for name, aws in found)


def check(segments: list[Any], root: str, parent: str) -> Any:
    """The handler's segment, which is the last, and under which all others are, in the trace ``root``."""
    *others, served = segments
    assert (served["name"], served["parent_id"]) == ("## lambda_handler", parent)
    assert {item["parent_id"] for item in others + served.get("subsegments", [])} <= {served["id"]}
    for item in segments:
        assert (item["trace_id"], item["type"], item["in_progress"]) == (root, "subsegment", False)
        assert item["start_time"] <= item["end_time"]
    return served


# --- on -------------------------------------------------------------------------------------------------


def test_an_invocation_is_a_segment_with_one_for_each_call_in_it(start: Start, daemon: Daemon) -> None:
    assert not start(**ON).invoke(make.s3(Change("a")), sampled()).failed
    segments = daemon.received()
    served = check(segments, ROOTS[0], "53995c3f42cd8ad8")
    assert served["annotations"] == {"ColdStart": True, "Service": "invalidator"}
    assert "metadata" not in served
    assert calls(segments) == [
        ("cloudfront", "CreateInvalidation", "E1"),
        ("cloudfront", "CreateInvalidation", "E2"),
        ("cloudfront", "GetDistributionConfig", "E1"),
        ("cloudfront", "GetDistributionConfig", "E2"),
    ]


def test_a_call_for_a_tenant_names_it(start: Start, daemon: Daemon, double: StrictCloudFront) -> None:
    double.tenants["dt_1"] = ("E1", {})
    assert not start(**ON | {"DISTRIBUTION_IDS": "dt_1"}, DESCRIBE="off").invoke(make.s3(Change("a")), sampled()).failed
    assert calls(daemon.received()) == [("cloudfront", "CreateInvalidationForDistributionTenant", "dt_1")]


@pytest.mark.parametrize(
    "second",
    [(ROOTS[1], "00000000000000ff"), (ROOTS[0], "00000000000000ff")],
    ids=["another trace", "the same event again"],
)
def test_each_invocation_of_a_warm_process_is_traced_in_its_own_place(
    start: Start, daemon: Daemon, second: tuple[str, str]
) -> None:
    function = start(**ON, DESCRIBE="off")
    function.invoke(make.s3(Change("a")), sampled())
    check(daemon.received(), ROOTS[0], "53995c3f42cd8ad8")
    function.invoke(make.s3(Change("b")), sampled(*second))
    segments = daemon.received()
    assert check(segments, *second)["annotations"]["ColdStart"] is False
    assert [name for name, *_ in calls(segments)] == ["cloudfront", "cloudfront"]


def test_what_cloudfront_refuses_is_a_fault_and_lambda_hears_of_it_as_ever(
    start: Start, daemon: Daemon, double: StrictCloudFront
) -> None:
    double.broken["E1"] = DENIED
    answer = start(**ON, DESCRIBE="off").invoke(make.s3(Change("a")), sampled())
    assert (answer.failed, answer.payload["errorType"]) == (True, "IncompleteError")
    segments = daemon.received()
    served = check(segments, ROOTS[0], "53995c3f42cd8ad8")
    assert (served["fault"], served["cause"]["exceptions"][0]["type"]) == (True, "IncompleteError")
    assert "metadata" not in served
    by_distribution = {item["aws"]["distribution_id"]: item for item in segments[:-1]}
    assert by_distribution["E1"]["http"]["response"]["status"] == DENIED[1]
    assert ("fault" in by_distribution["E1"], "fault" in by_distribution["E2"]) == (True, False)


@pytest.mark.parametrize(
    ("disabled", "trace"),
    [("false", NOT_TRACED), ("false", sampled().replace("=1;S", "=0;S").replace("Sampled=1", "Sampled=0"))]
    + [(value, sampled()) for value in ("true", "", "flase")],
)
def test_nothing_is_sent_unless_both_the_variable_and_x_ray_ask_for_it(
    start: Start, daemon: Daemon, disabled: str, trace: str
) -> None:
    function = start(POWERTOOLS_TRACE_DISABLED=disabled, DISTRIBUTION_IDS="E1")
    for key in "ab":
        assert not function.invoke(make.s3(Change(key)), trace).failed
    assert daemon.received() == []
    warned = [line["message"] for line in function.logged() if line["level"] == "WARNING"]
    assert warned == (
        ["POWERTOOLS_TRACE_DISABLED: 'flase' is neither true nor false, and there are no traces"] * 2
        if disabled == "flase"
        else []
    )


@pytest.mark.parametrize(
    ("layer", "environ", "words"),
    [
        (tuple(name for name in LAYER if "xray" not in name), {}, "No module named 'aws_xray_sdk'"),
        (LAYER, {"AWS_XRAY_DAEMON_ADDRESS": "nonsense"}, "Invalid daemon address nonsense specified."),
    ],
    ids=["missing", "set up wrong"],
)
def test_without_the_sdk_the_function_works_and_says_once_that_nothing_is_traced(
    start: Start,
    daemon: Daemon,
    double: StrictCloudFront,
    layer: tuple[str, ...],
    environ: dict[str, str],
    words: str,
) -> None:
    function = start(layer, **ON, **environ)
    for key in "ab":
        assert not function.invoke(make.s3(Change(key)), sampled()).failed
    assert (double.paths("E1"), daemon.received()) == (["/a", "/b"], [])
    (warned,) = [line["message"] for line in function.logged() if line["level"] == "WARNING"]
    assert warned.startswith(f"POWERTOOLS_TRACE_DISABLED: nothing is traced: {words}")
    assert ("add aws-xray-sdk" in warned) == (layer != LAYER)


# --- what never gets there ------------------------------------------------------------------------------


def a_job() -> Any:
    return json.loads((ROOT / "events" / "codepipeline-job.json").read_text())


def secrets_of(job: Any) -> list[str]:
    return list(job["CodePipeline.job"]["data"]["artifactCredentials"].values())


def test_a_job_is_traced_without_its_credentials(start: Start, daemon: Daemon) -> None:
    with embedded_aws() as aws:
        listed = ",".join(aws.distributions)
        function = start(**ON | {"DISTRIBUTION_IDS": listed, "AWS_ENDPOINT_URL": aws.endpoint})
        assert function.invoke(a_job(), sampled()).payload["result"] == "succeeded"
    segments = daemon.received()
    made = calls([*segments, *check(segments, ROOTS[0], "53995c3f42cd8ad8").get("subsegments", [])])
    assert [call[:2] for call in made if call[0] != "cloudfront"] == [("codepipeline", "PutJobSuccessResult")]
    assert ("cloudfront", "CreateInvalidation", aws.distributions[0]) in made
    assert not [secret for secret in [*secrets_of(a_job()), "/blog/"] if secret in daemon.text]


def test_a_job_that_cannot_be_served_is_traced_without_its_credentials(start: Start, daemon: Daemon) -> None:
    function, job = start(**ON), a_job()
    secrets = secrets_of(job)
    assert function.invoke(job, sampled()).failed  # there is no CodePipeline here to answer to
    job["CodePipeline.job"]["id"] = secrets[0]
    assert function.invoke(job, sampled()).failed
    assert function.invoke(make.sqs(job), sampled()).payload["batchItemFailures"]
    assert function.invoke({"Records": [job]}, sampled()).failed
    assert [item["name"] for item in daemon.received()].count("## lambda_handler") == 4
    assert not [secret for secret in secrets if secret in daemon.text]


def test_what_aws_quotes_of_a_request_is_traced_and_logged_without_the_functions_credentials(
    start: Start, daemon: Daemon
) -> None:
    token = "IQoJb3JpZ2luX2VjEA/+0=="
    message = f"The Canonical String should have been\n'POST\n/\nx-amz-security-token:{token}\n\nhost'"
    body = (
        f"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body.encode())
    with answering(refusal) as endpoint:
        function = start(**ON, DESCRIBE="off", AWS_ENDPOINT_URL_CLOUDFRONT=endpoint)
        answer = function.invoke(make.s3(Change("a")), sampled())
    check(daemon.received(), ROOTS[0], "53995c3f42cd8ad8")
    for told in (daemon.text, function.log.read_text(), answer.payload["errorMessage"]):
        assert "The Canonical String" in told
        assert token not in told


# --- in a process ---------------------------------------------------------------------------------------


def run(program: str, **environ: str) -> Any:
    """What a program in a process of its own prints as JSON in its last line, and that it complains of nothing."""
    base = {"PYTHONPATH": str(ROOT), "LAMBDA_TASK_ROOT": str(ROOT), "AWS_DEFAULT_REGION": "us-east-1"}
    base |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "_X_AMZN_TRACE_ID": sampled()}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**base, **environ}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("disabled", "imported"), [("", []), ("true", []), ("false", ["aws_xray_sdk", "tracing"])])
def test_nothing_of_x_ray_is_imported_unless_it_is_wanted(
    disabled: str, imported: list[str], double: StrictCloudFront, daemon: Daemon
) -> None:
    program = f"""if True:
        import json, sys
        from invalidator.handler import lambda_handler
        lambda_handler({make.s3(Change("a"))!r})
        known = {{"aws_xray_sdk": "aws_xray_sdk", "invalidator.runtime.tracing": "tracing"}}
        print(json.dumps(sorted(word for name, word in known.items() if name in sys.modules)))
    """
    with serve(double) as endpoint:
        environ = ON | {"POWERTOOLS_TRACE_DISABLED": disabled, "AWS_XRAY_DAEMON_ADDRESS": daemon.address}
        assert run(program, **environ, AWS_ENDPOINT_URL=endpoint) == imported
    assert double.paths("E1") == ["/a"]


def test_what_lambda_says_beside_the_trace_goes_with_the_calls_of_every_thread(daemon: Daemon) -> None:
    program = """if True:
        import json
        from invalidator.tracing import traced
        from invalidator.workers import Threads

        def call():
            from aws_xray_sdk.core import xray_recorder
            from aws_xray_sdk.ext.util import inject_trace_header
            headers = {}
            with xray_recorder.in_subsegment("call") as segment:
                inject_trace_header(headers, segment)
            return headers["X-Amzn-Trace-Id"]

        def work(workers):
            made = workers()
            made.start(call)
            return [call(), made.wait(60)]

        print(json.dumps(traced(work, Threads, print)))
    """
    # By which Lambda notices loops: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html (2026-11-22)
    header = f"{sampled()};Lineage=1:5759e988:0"
    environ = {"_X_AMZN_TRACE_ID": header, "AWS_XRAY_DAEMON_ADDRESS": daemon.address}
    sent = run(program, **environ, POWERTOOLS_TRACE_DISABLED="false")
    assert [dict(part.split("=") for part in line.split(";"))["Lineage"] for line in sent] == ["1:5759e988:0"] * 2


def test_a_call_that_is_left_behind_takes_nothing_with_it_and_no_invocation_leaves_anything(daemon: Daemon) -> None:
    program = """if True:
        import gc, json, os, threading
        from functools import partial
        from invalidator.tracing import traced
        from invalidator.workers import Threads

        begun, release, left = threading.Event(), threading.Event(), Threads()

        def call(name, wait=lambda: None):
            from aws_xray_sdk.core import xray_recorder
            with xray_recorder.in_subsegment(name):
                wait()
            return name

        def hang():
            begun.set()
            release.wait()

        def leave_behind(workers):
            workers().start(partial(call, "left", hang))
            begun.wait()
            return "none"

        def work(workers):
            made = workers()
            made.start(partial(call, "call"))
            return made.wait(60)

        def invoke(number, serve=work, workers=Threads):
            os.environ["_X_AMZN_TRACE_ID"] = f"Root=1-5bef4de7-{number:024};Parent={number:016};Sampled=1"
            return traced(serve, workers, print)

        def kept():
            from aws_xray_sdk.core.models.entity import Entity
            gc.collect()
            return sum(isinstance(thing, Entity) for thing in gc.get_objects())

        returned = [invoke(1, leave_behind, lambda: left), invoke(2)]
        release.set()
        returned += [left.wait(60), invoke(3)]
        before = kept()
        for number in range(4, 30):
            invoke(number)
        print(json.dumps({"returned": returned, "more": kept() - before}))
    """
    found = run(program, AWS_XRAY_DAEMON_ADDRESS=daemon.address, POWERTOOLS_TRACE_DISABLED="false")
    assert found == {"returned": ["none", "call", "left", "call"], "more": 0}
    segments = daemon.received()
    assert [(item["name"], item["trace_id"]) for item in segments] == [("## lambda_handler", trace(1))] + [
        (name, trace(number)) for number in range(2, 30) for name in ("call", "## lambda_handler")
    ]
    for segment, served in zip(segments[1::2], segments[2::2], strict=True):
        assert segment["parent_id"] == served["id"]


def trace(number: int) -> str:
    return f"1-5bef4de7-{number:024}"
