"""The mistakes of operators: each check by itself, and the whole command."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

import boto3
import pytest

from invalidator.connection.examine import Wiring
from invalidator.connection.findings import Finding
from invalidator.connection.policies import allowing_statement
from invalidator.connection.policy_checks import sending_request
from invalidator.local import embedded
from invalidator.operator.doctor import Doctor
from invalidator.runtime import clients
from invalidator.settings import stored
from tests.connection.test_notification_checks import FUNCTION, QUEUE, TOPIC, configured, entry, only, wrong
from tests.doubles import cloudfront_http, strict_s3
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.command import ROOT, assert_explained, run
from tests.doubles.configurations import behavior, configuration, custom, of_buckets, with_oac
from tests.doubles.loopback import Quiet, answering, serving
from tests.doubles.strict_s3 import StrictS3

ASKED = sending_request("s3.amazonaws.com", "arn:aws:s3:::origin", QUEUE)


class Aws(NamedTuple):
    endpoint: str
    distributions: tuple[str, ...]


@pytest.fixture
def aws(server: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """A bucket that is set up well: with a queue ``changes``, which is the function's, and two distributions."""
    embedded._post(server, "/moto-api/reset")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    embedded._make_buckets(["origin"])
    boto3.client("s3").put_object(Bucket="origin", Key="prod/a")
    url = boto3.client("sqs").create_queue(QueueName="changes")["QueueUrl"]
    let(url, allowing_statement(ASKED))
    notify(entry())
    distributions = tuple(embedded._make_distribution(["origin"], number) for number in (1, 2))
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(distributions))
    monkeypatch.setenv("QUEUE_URL", url)
    return Aws(server, distributions)


def let(url: str, *statements: dict[str, Any]) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    boto3.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def notify(*entries: dict[str, Any]) -> None:
    told: Any = configured(*entries)
    boto3.client("s3").put_bucket_notification_configuration(Bucket="origin", NotificationConfiguration=told)


def serve_under(path: str) -> str:
    """A third distribution, with an origin path."""
    origin = with_oac("o", "origin.s3.us-east-1.amazonaws.com", path)
    made: Any = configuration([origin], behavior("o"), CallerReference=path)
    return boto3.client("cloudfront").create_distribution(DistributionConfig=made)["Distribution"]["Id"]


def look(queue: str = "", bucket: str = "origin") -> list[Finding]:
    clients.forget()
    return list(Doctor(bucket, clients.cloudfront(), clients.catalog(), Wiring(queue)).findings())


def test_what_is_well_is_said_and_the_status_is_0(aws: Aws) -> None:
    done = run("doctor", "--bucket", "origin")
    assert (done.returncode, done.stderr) == (0, "5 findings: nothing wrong. Nothing was changed.\n")
    assert re.findall(r"^ok     ([\w ]+): ", done.stdout, re.MULTILINE) == [
        *("settings", "distributions", "notification", "region", "queue policy")
    ]
    assert "→" not in done.stdout
    assert run("doctor", "--bucket", "origin", "--queue", "changes").stdout == done.stdout


def test_what_is_wrong_is_said_with_what_to_do_and_the_status_is_1(aws: Aws) -> None:
    notify()
    done = run("doctor", "--bucket", "origin")
    assert (done.returncode, done.stderr) == (1, "5 findings: 1 wrong. Nothing was changed.\n")
    lines = done.stdout.splitlines()
    at = lines.index("wrong  notification: bucket origin notifies nothing: its changes are not invalidated")
    assert lines[at + 1] == f"       → python -m invalidator connect --bucket origin --queue {QUEUE}"
    answer = json.loads(run("doctor", "--bucket", "origin", "--json").stdout)
    assert [item["verdict"] for item in answer["findings"]].count("wrong") == 1
    assert all(set(item) == {"check", "verdict", "text", "todo"} for item in answer["findings"])


def test_the_command_that_is_proposed_puts_it_right(aws: Aws) -> None:
    notify(entry(suffix=".html", id_="a b"))
    (finding,) = wrong(look())
    command = finding.todo.partition(";")[0].replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, check=True)  # noqa: S602 as an operator types it
    assert wrong(look()) == []


def test_no_distribution_serves_this_bucket(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("s3").create_bucket(Bucket="lonely")
    finding = only(wrong(look(bucket="lonely"), "distributions"))
    assert "no configured distribution has an origin in bucket lonely" in finding.text
    monkeypatch.setenv("DISTRIBUTION_IDS", "E404")
    gone, nobody = wrong(look(), "distributions")
    assert "distribution E404: NoSuchDistribution" in gone.text
    assert nobody.todo.startswith(" and ".join(aws.distributions) + " of this account do: add")
    monkeypatch.setenv("DISTRIBUTION_IDS", aws.distributions[0])
    assert f"add {aws.distributions[1]} to DISTRIBUTION_IDS" in only(wrong(look())).todo


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "notifies nothing"),
        ([entry(prefix="blog/")], "only for keys with prefix 'blog/'"),
        ([entry(events=("s3:ObjectCreated:*",))], "no s3:ObjectRemoved:*, s3:LifecycleExpiration:*"),
    ],
)
def test_the_notification_is_missing_or_filtered(aws: Aws, entries: list[dict[str, Any]], words: str) -> None:
    notify(*entries)
    assert words in only(wrong(look())).text


def test_the_policy_of_the_queue_does_not_let_s3_send(aws: Aws) -> None:
    url = os.environ["QUEUE_URL"]
    let(url, allowing_statement(sending_request("s3.amazonaws.com", "arn:aws:s3:::other", QUEUE)))
    finding = only(wrong(look()))
    assert finding.check == "queue policy"
    let(url, json.loads(finding.todo.partition(": ")[2]))
    assert wrong(look()) == []
    boto3.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/aws/sqs"})
    assert "which S3 may not use" in wrong(look())[-1].text


def test_where_the_queue_is_not_known_each_that_is_notified_is_looked_at(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUEUE_URL")
    assert wrong(look()) == []
    boto3.client("sqs").delete_queue(QueueUrl=boto3.client("sqs").get_queue_url(QueueName="changes")["QueueUrl"])
    assert f"queue {QUEUE}: AWS.SimpleQueueService.NonExistentQueue" in only(wrong(look())).text


def test_a_region_mismatch(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_s3.serve(StrictS3({"origin": "eu-west-1"}, {QUEUE})) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        finding = only(wrong(look(), "region"))
        assert finding.text.startswith(f"bucket origin is in eu-west-1, and {QUEUE} in us-east-1")
        told: Any = configured(entry())
        boto3.client("s3").put_bucket_notification_configuration(
            Bucket="origin", NotificationConfiguration=told, SkipDestinationValidation=True
        )
        monkeypatch.delenv("QUEUE_URL")
        assert only(wrong(look())) == finding


def test_an_unreadable_secret_hides_nothing_else(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTRIBUTION_IDS")
    monkeypatch.setenv("DISTRIBUTION_IDS_SECRET", "nope")
    notify()
    settings, distributions, notification = wrong(look())
    assert settings.text.startswith("DISTRIBUTION_IDS_SECRET: nope cannot be read: ")
    assert distributions.todo.startswith(" and ".join(aws.distributions) + " of this account do: add")
    assert notification.todo.endswith(QUEUE)


@pytest.mark.parametrize(("name", "value"), [("RULES", "["), ("SETTINGS_TTL", "-1"), ("QUEUE_URL", "changes")])
def test_a_wrong_variable_is_named(aws: Aws, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert only(wrong(look(), "settings")).text.startswith(f"{name}: ")


def test_an_origin_path_that_no_key_has(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = serve_under("/prod"), serve_under("/pro")
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join((*aws.distributions, good, bad)))
    found = look()
    assert (
        "origin path /prod"
        in only([item for item in found if item.text.startswith(f"origin path /prod of {good}")]).text
    )
    assert only(wrong(found)).text.startswith(f"origin path /pro of {bad}: no key in bucket origin begins with 'pro/'")


def test_a_filter_on_the_origin_path_of_all_is_well(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", serve_under("/prod"))
    for id_ in aws.distributions:
        boto3.client("cloudfront").delete_distribution(Id=id_, IfMatch="x")
    notify(entry(prefix="prod/"))
    assert wrong(look()) == []


def test_a_bucket_that_is_not_there_is_said_once(aws: Aws) -> None:
    assert [item.text for item in wrong(look(bucket="nope"), "bucket")] == [
        "bucket nope: NoSuchBucket: The specified bucket does not exist"
    ]
    assert wrong(look(bucket="nope"), "notification") == []


def test_a_function_is_looked_at_like_a_queue(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_URL")
    notify(entry(FUNCTION))
    assert f"function {FUNCTION}: ResourceNotFoundException" in only(wrong(look(), "function policy")).text


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [([], "wrong"), ([allowing_statement(sending_request("s3.amazonaws.com", "arn:aws:s3:::origin", FUNCTION))], "ok")],
)
def test_the_policy_of_a_function_is_judged(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, statements: list[Any], verdict: str
) -> None:
    monkeypatch.delenv("QUEUE_URL")
    notify(entry(FUNCTION))
    policy = json.dumps({"Policy": json.dumps({"Statement": statements})}).encode()
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(policy), policy)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint)
        assert only([item for item in look() if item.check == "function policy"]).verdict == verdict


def test_a_function_without_a_policy_is_not_one_that_is_not_there(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_URL")
    notify(entry(FUNCTION))
    nothing = (
        b"HTTP/1.1 404 Not Found\r\nx-amzn-ErrorType: ResourceNotFoundException\r\nContent-Length: 58\r\n\r\n"
        b'{"Message": "The resource you requested does not exist."} '
    )
    with answering(nothing) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint)
        assert "nothing in the policy of" in only(wrong(look(), "function policy")).text


def test_behind_a_topic_the_topic_sends(aws: Aws) -> None:
    topic = boto3.client("sns").create_topic(Name="t")["TopicArn"]
    notify(entry(topic))
    assert "lets SNS call sqs:SendMessage for " + topic in only(wrong(look(), "queue policy")).text
    let(os.environ["QUEUE_URL"], allowing_statement(sending_request("sns.amazonaws.com", topic, QUEUE)))
    found = look()
    assert wrong(found) == []
    assert [item.check for item in found if item.verdict == "unknown"] == ["topic"]


def test_a_topic_reaches_queues_of_other_regions(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_s3.serve(StrictS3({"origin": "eu-west-1"})) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        told: Any = configured(entry(TOPIC.replace("us-east-1", "eu-west-1")))
        boto3.client("s3").put_bucket_notification_configuration(
            Bucket="origin", NotificationConfiguration=told, SkipDestinationValidation=True
        )
        assert wrong(look(), "region") == []


def test_behind_eventbridge_a_rule_sends(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    double = StrictS3({"origin": "us-east-1"})
    with strict_s3.serve(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        boto3.client("s3").put_bucket_notification_configuration(
            Bucket="origin", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        assert "lets EventBridge call sqs:SendMessage" in only(wrong(look())).text
        asked = sending_request("events.amazonaws.com", "arn:aws:events:us-east-1:123456789012:rule/r", QUEUE)
        let(os.environ["QUEUE_URL"], allowing_statement(asked))
        found = look()
        assert wrong(found) == []
        assert [item.check for item in found if item.verdict == "unknown"] == ["queue policy"]


# --- distributions as they really are -------------------------------------------------------------------


@pytest.fixture
def account(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictCloudFront]:
    """The same, on a strict CloudFront with E1, which serves the bucket and is configured."""
    double = StrictCloudFront(set(), configs={"E1": of_buckets("origin")})
    with cloudfront_http.serve(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", endpoint)
        monkeypatch.setenv("DISTRIBUTION_IDS", "E1")
        yield double


def test_only_what_has_viewers_has_to_be_configured(account: StrictCloudFront) -> None:
    account.configs["E2"] = of_buckets("origin") | {"Enabled": False}
    account.configs["E3"] = of_buckets("other")
    assert wrong(look()) == []
    account.configs["E4"] = of_buckets("origin") | {"ConnectionMode": "tenant-only"}
    account.tenants["dt_a"] = ("E4", {})
    assert only(wrong(look())).text.startswith("dt_a serves bucket origin")


def test_a_distribution_of_tenants_only_is_not_to_be_configured(
    account: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.configs["E4"] = of_buckets("origin") | {"ConnectionMode": "tenant-only"}
    account.tenants["dt_a"] = ("E4", {})
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E4,dt_a")
    finding = only(wrong(look()))
    assert finding.text == "E4 cannot be invalidated: it is multi-tenant and has no viewers of its own"
    assert finding.todo == "give the ids of its tenants (dt_…), or 'discover', in its place"


def test_what_is_discovered_is_configured(account: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    account.configs["E2"] = of_buckets("origin")
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    assert "E1 and E2 serve bucket origin" in [item.text for item in look()]
    account.unreadable["ListDistributions"] = ("AccessDenied", 403)
    assert wrong(look())[0].todo.startswith("grant cloudfront:ListDistributions on")


LONG = "E1A2B3C4D5E6F7"  # as CloudFront's ids are, and as those in a parameter must be


def test_a_domain_that_hides_the_bucket_is_to_be_declared(
    account: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.configs = {LONG: configuration([custom("o", "files.example.org", "/prod")], behavior("o"))}
    monkeypatch.setenv("DISTRIBUTION_IDS", LONG)
    finding = only(wrong(look()))
    boto3.client("ssm").put_parameter(Name="ids", Value=finding.todo.rpartition("ids: ")[2], Type="String")
    monkeypatch.setenv("DISTRIBUTION_IDS", "")
    monkeypatch.setenv("DISTRIBUTION_IDS_PARAMETER", "ids")
    assert wrong(look()) == []


# --- permissions ----------------------------------------------------------------------------------------


@contextmanager
def denying(endpoint: str, pattern: str) -> Iterator[str]:
    """Pass requests on to an endpoint, but answer AccessDenied where "METHOD /path?query target" has the pattern."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = f"{self.command} {self.path} {self.headers.get('X-Amz-Target', '')}"
            if re.search(pattern, asked):
                self._send(403, _denied(asked))
                return
            connection = HTTPConnection(endpoint.removeprefix("http://"))
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self._send(answer.status, answer.read())
            connection.close()

        do_POST = do_GET  # noqa: N815 the names that the server looks for

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as address:
        yield f"http://{address}"


def _denied(asked: str) -> bytes:
    error = "<Error><Code>AccessDenied</Code><Message>You may not.</Message></Error>"
    if "/2020-05-31/" in asked:
        return f"<ErrorResponse>{error}</ErrorResponse>".encode()
    return (
        error.encode()
        if asked.startswith("GET /origin")
        else b'{"__type": "AccessDeniedException", "message": "You may not."}'
    )


@pytest.mark.parametrize(
    ("pattern", "permission"),
    [
        (r"\?location", "s3:GetBucketLocation"),
        (r"\?notification", "s3:GetBucketNotification"),
        (r"list-type=2", "s3:ListBucket"),
        (r"GetQueueUrl", "sqs:GetQueueUrl"),
        (r"GetQueueAttributes", "sqs:GetQueueAttributes"),
        (r"/distribution/\w+/config", "cloudfront:GetDistributionConfig"),
        (r"GET /2020-05-31/distribution ", "cloudfront:ListDistributions"),
        (r"GetSecretValue", "secretsmanager:GetSecretValue"),
        (r"GetParameter", "ssm:GetParameter"),
    ],
)
def test_a_missing_permission_is_named_and_stops_nothing_else(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, pattern: str, permission: str
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", serve_under("/prod"))
    for id_ in aws.distributions:
        boto3.client("cloudfront").delete_distribution(Id=id_, IfMatch="x")
    content = json.dumps(["E404A2B3C4D5E6"])
    boto3.client("secretsmanager").create_secret(Name="ids", SecretString=content)
    boto3.client("ssm").put_parameter(Name="ids", Value=content, Type="String")
    source = {"secretsmanager": "_SECRET", "ssm": "_PARAMETER"}.get(permission.partition(":")[0], "")
    if source:
        monkeypatch.setenv(f"DISTRIBUTION_IDS{source}", "ids")
    notify(entry(prefix="prod/"))
    before = {finding for finding in look("changes") if finding.verdict == "ok"}
    with denying(aws.endpoint, pattern) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        clients.forget()
        stored.forget_stored()
        found = look("changes")
    assert permission in " ".join(item.todo for item in wrong(found))
    after = {finding for finding in found if finding.verdict == "ok"}
    assert len(after) >= len(before) - 3
    assert {item.check for item in after} & {"region", "queue policy", "distributions"}


def test_where_nothing_is_allowed_each_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>You may not.</Message></Error>"
    # Each connection is answered once, and the SDK would use it again.
    lines = "HTTP/1.1 403 Forbidden", "x-amzn-query-error: AccessDenied;Sender", "Connection: close"
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    with answering(head + body) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("DISTRIBUTION_IDS", "E1")
        done = run("doctor", "--bucket", "origin", "--queue", "changes", "--json")
    assert done.returncode == 1
    todos = " ".join(item["todo"] for item in json.loads(done.stdout)["findings"])
    for permission in (
        "s3:GetBucketLocation",
        "s3:GetBucketNotification",
        "sqs:GetQueueUrl",
        "cloudfront:GetDistributionConfig",
        "cloudfront:ListDistributions",
    ):
        assert f"grant {permission} on " in todos
    assert "Traceback" not in done.stderr


def test_without_a_connection_nothing_is_taken_for_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1")
    found = look("changes")
    assert {item.check for item in found if item.verdict == "ok"} == {"settings"}
    assert all("Could not connect" in item.text for item in wrong(found))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("s3://origin",), "--bucket: 's3://origin' is not the name of a bucket"),
        (
            ("origin", "--queue", QUEUE),
            "is neither the URL nor the name of a queue (expected https://sqs.<region>.amazonaws.com/",
        ),
        (("origin", "--queue", ""), "--queue: '' is neither"),
    ],
)
def test_wrong_usage_is_explained(arguments: tuple[str, ...], words: str) -> None:
    done = run("doctor", "--bucket", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_text_from_outside_is_shown_as_data(aws: Aws) -> None:
    notify(entry(prefix="[red]a\u202eb"))
    done = run("doctor", "--bucket", "origin")
    assert "[red]a\\u202eb" in done.stdout


# --- a bucket that nothing seems to serve ---------------------------------------------------------------


def test_a_bucket_that_nobody_knows_is_a_mistake(aws: Aws) -> None:
    done = run("doctor", "--bucket", "nobodys")
    assert_explained(
        done, 2, "error: no distribution of this account has an origin in bucket 'nobodys': check the name"
    )


def test_a_bucket_that_is_declared_or_named_with_an_id_is_examined(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain of the user's own may hide it from the list of distributions."""
    content = json.dumps([{"id": "E1A2B3C4D5E6F7", "bucket": "hidden"}])
    boto3.client("secretsmanager").create_secret(Name="ids", SecretString=content)
    named = run("doctor", "--bucket", "hidden", "--distribution-id", aws.distributions[0])
    declared = run("doctor", "--bucket", "hidden", DISTRIBUTION_IDS_SECRET="ids")
    assert [done.returncode for done in (named, declared)] == [1, 1]
    assert all("findings: " in done.stderr for done in (named, declared))
