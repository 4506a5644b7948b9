"""What an operator gets wrong: judged by itself, and found by the whole command."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from invalidator.local import embedded
from invalidator.model import Behavior, DistributionId, Origin, Site
from invalidator.notifications.merge import EVENTS
from invalidator.operator import diagnosis, doctor, policies
from invalidator.operator.diagnosis import Failure, Finding
from invalidator.runtime import clients
from invalidator.settings import stored
from tests.doubles import cloudfront_http, strict_s3
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.configurations import behavior, configuration, custom, of_buckets, with_oac
from tests.doubles.loopback import Quiet, answering, serving
from tests.doubles.strict_s3 import StrictS3

ROOT = Path(__file__).parents[2]
QUEUE = "arn:aws:sqs:us-east-1:123456789012:changes"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
ASKED = diagnosis.request("s3.amazonaws.com", "arn:aws:s3:::origin", QUEUE)
LEAVES = sorted(diagnosis._WANTED)


def wrong(findings: list[Finding], check: str = "") -> list[Finding]:
    return [finding for finding in findings if finding.verdict == "wrong" and check in ("", finding.check)]


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


# --- policies -------------------------------------------------------------------------------------------


def allow(**changes: Any) -> dict[str, Any]:
    return policies.allowing_statement(ASKED) | changes


def judged(*statements: Any) -> str:
    return policies.evaluate(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), ASKED)


def where(operator: str, key: str, *values: str) -> dict[str, Any]:
    return allow(Condition={operator: {key: list(values)}})


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (allow(), "allowed"),
        (allow(Condition={}), "allowed"),
        (allow(Principal="*"), "allowed"),
        (allow(Principal={"AWS": "*"}), "allowed"),
        (allow(Principal={"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]}), "allowed"),
        (allow(Action=["sqs:ReceiveMessage", "SQS:Send*"]), "allowed"),
        (allow(Resource="*"), "allowed"),
        (where("ArnLike", "AWS:SourceArn", "arn:aws:s3:*:*:origin"), "allowed"),
        (where("ArnEqualsIfExists", "aws:SourceArn", "arn:aws:s3:::*"), "allowed"),
        (where("StringEquals", "aws:SourceArn", "arn:aws:s3:::other", "arn:aws:s3:::origin"), "allowed"),
        (where("StringLike", "aws:SourceArn", "*:ori?in"), "allowed"),
        (where("StringNotEquals", "aws:SourceArn", "arn:aws:s3:::other"), "allowed"),
        (where("Bool", "aws:SecureTransport", "true"), "allowed"),
        (allow(Principal={"Service": "sns.amazonaws.com"}), "missing"),
        (allow(Principal={"AWS": "arn:aws:iam::123456789012:root"}), "missing"),
        (allow(Action="sqs:ReceiveMessage"), "missing"),
        (allow(Resource=QUEUE + "2"), "missing"),
        (where("ArnLike", "aws:SourceArn", "arn:aws:s3:::other"), "missing"),
        (where("ArnLike", "aws:SourceArn", "arn:*:origin"), "missing"),
        (where("StringEquals", "aws:SourceArn", "arn:aws:s3:::*"), "missing"),
        (where("StringLike", "aws:SourceArn", "arn:aws:s3:::[o]rigin"), "missing"),
        # The bucket may be another account's.
        (where("StringEquals", "aws:SourceAccount", "210987654321"), "undecided"),
        (where("StringEquals", "aws:PrincipalOrgID", "o-1"), "undecided"),
        (where("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z"), "undecided"),
        ({key: value for key, value in allow(NotAction="sqs:*").items() if key != "Action"}, "undecided"),
    ],
)
def test_a_policy_means_what_aws_says_it_means(statement: dict[str, Any], verdict: str) -> None:
    assert judged(statement) == verdict


def test_what_is_denied_is_not_allowed_by_anything_else() -> None:
    assert judged(allow(), allow(Effect="Deny"), allow()) == "denied"
    assert judged(allow(), allow(Effect="Deny", Condition={"Null": {"aws:SourceVpc": "true"}})) == "undecided"


@pytest.mark.parametrize("text", ["", '{"Statement": []}'])
def test_without_a_statement_nothing_is_allowed(text: str) -> None:
    assert policies.evaluate(text, ASKED) == "missing"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"Statement": [1]}', json.dumps({"Statement": allow(Condition=1)})])
def test_what_is_no_policy_decides_nothing(text: str) -> None:
    assert policies.evaluate(text, ASKED) == "undecided"


def test_a_denial_of_what_is_not_encrypted_in_transit_does_not_concern_s3() -> None:
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    assert judged(insecure, allow()) == "allowed"


NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True)


@given(NAMES, st.sampled_from([QUEUE, FUNCTION]), NAMES)
def test_the_statement_that_is_proposed_is_enough_and_for_that_bucket_alone(
    bucket: str, target: str, other: str
) -> None:
    ask = [diagnosis.request("s3.amazonaws.com", f"arn:aws:s3:::{name}", target) for name in (bucket, other)]
    text = json.dumps({"Statement": policies.allowing_statement(ask[0])})
    assert policies.evaluate(text, ask[0]) == "allowed"
    assert policies.evaluate(text, ask[1]) == ("allowed" if bucket == other else "missing")


def test_each_verdict_on_a_policy_says_what_to_do() -> None:
    found = {
        verdict: diagnosis.policy("queue policy", json.dumps({"Statement": statements}), ASKED)
        for verdict, statements in {
            "allowed": [allow()],
            "missing": [],
            "denied": [allow(), allow(Effect="Deny")],
            "undecided": [where("StringEquals", "aws:PrincipalOrgID", "o-1")],
        }.items()
    }
    assert [item.verdict for item in found.values()] == ["ok", "wrong", "wrong", "unknown"]
    assert found["allowed"].todo == ""
    assert json.dumps(policies.allowing_statement(ASKED)) in found["missing"].todo
    assert "except s3.amazonaws.com" in found["denied"].todo
    assert "see that it allows s3.amazonaws.com sqs:SendMessage" in found["undecided"].todo


@pytest.mark.parametrize(
    ("key", "verdicts"),
    [
        ("", []),
        ("alias/aws/sqs", ["wrong"]),
        ("arn:aws:kms:us-east-1:1:alias/aws/sqs", ["wrong"]),
        ("mine", ["unknown"]),
    ],
)
def test_a_key_that_s3_may_not_use_is_wrong(key: str, verdicts: list[str]) -> None:
    assert [item.verdict for item in diagnosis.encryption(QUEUE, key)] == verdicts


# --- notifications --------------------------------------------------------------------------------------


def entry(
    target: str = QUEUE, events: tuple[str, ...] = EVENTS, id_: str = "invalidator", **rules: str
) -> dict[str, Any]:
    name = {"sqs": "Queue", "sns": "Topic", "lambda": "LambdaFunction"}[target.split(":")[2]]
    filter_ = [{"Name": rule, "Value": value} for rule, value in rules.items()]
    more = {"Filter": {"Key": {"FilterRules": filter_}}} if filter_ else {}
    return {"Id": id_, f"{name}Arn": target, "Events": list(events), **more}


def configured(*entries: dict[str, Any], eventbridge: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {"EventBridgeConfiguration": {}} if eventbridge else {}
    for item in entries:
        (arn,) = (name for name in item if name.endswith("Arn"))
        found.setdefault(arn.removesuffix("Arn") + "Configurations", []).append(item)
    return found


def notified(*entries: dict[str, Any], queue: str = "", prefixes: tuple[str, ...] = (), **more: bool) -> list[Finding]:
    return diagnosis.notification("origin", configured(*entries, **more), queue, prefixes)


@given(st.data())
def test_events_may_be_told_in_any_number_of_entries_but_each_has_to_be(data: st.DataObject) -> None:
    homes = data.draw(st.lists(st.sampled_from(range(4)), min_size=len(LEAVES), max_size=len(LEAVES)))
    groups = [tuple(leaf for leaf, home in zip(LEAVES, homes, strict=True) if home == number) for number in range(4)]
    entries = [entry(events=group, id_=str(number)) for number, group in enumerate(groups) if group]
    assert only(notified(*entries)).verdict == "ok"
    lost = data.draw(st.sampled_from(LEAVES))
    less = [item | {"Events": [event for event in item["Events"] if event != lost]} for item in entries]
    finding = only(notified(*less))
    assert finding.verdict == "wrong"
    assert f"nothing of {lost}" in finding.text or f"nothing of {lost.rpartition(':')[0]}:*" in finding.text


def test_a_bucket_that_notifies_nobody_is_to_be_connected() -> None:
    finding = only(notified(queue=QUEUE))
    assert (finding.verdict, finding.check) == ("wrong", "notification")
    assert finding.todo == f"python -m invalidator connect --bucket origin --queue {QUEUE}"
    assert "arn:aws:sqs:<region>" in only(notified()).todo


def test_what_another_is_told_is_not_heard_by_the_queue() -> None:
    finding = only(notified(entry(FUNCTION), queue=QUEUE))
    assert finding.text.startswith(f"bucket origin notifies {FUNCTION}, and not {QUEUE}")


def test_a_filter_is_wrong_and_named() -> None:
    finding = only(notified(entry(id_="in-dev", prefix="a b/", suffix=".html")))
    assert finding.verdict == "wrong"
    assert "only of keys with prefix 'a b/' and suffix '.html'" in finding.text
    assert finding.todo.startswith(f"python -m invalidator connect --bucket origin --queue {QUEUE} --id in-dev; or")


def test_a_filter_that_lets_all_through_that_is_served_is_well() -> None:
    assert only(notified(entry(prefix="prod"), prefixes=("prod/",))).verdict == "ok"
    both = entry(prefix="prod/", id_="1"), entry(prefix="beta/", id_="2")
    assert only(notified(*both, prefixes=("prod/", "beta/x/"))).verdict == "ok"
    for prefixes in ((), ("",), ("prod/", "")):
        assert wrong(notified(entry(prefix="prod/"), prefixes=prefixes))
    assert wrong(notified(entry(suffix=".html"), prefixes=("prod/",)))


def test_several_entries_of_a_queue_are_replaced_by_one() -> None:
    both = entry(suffix=".html", id_="1"), entry(suffix=".css", id_="a b")
    todo = only(notified(*both, queue=QUEUE)).todo
    assert todo.startswith(
        "python -m invalidator disconnect --bucket origin --id 'a b' && python -m invalidator connect"
    )
    assert "name the function's queue with --queue" in only(notified(both[0], entry(FUNCTION, suffix=".c"))).todo


def test_a_function_is_connected_as_such_and_a_topic_by_hand() -> None:
    few = ("s3:ObjectCreated:*",)
    assert f"--function {FUNCTION}" in only(notified(entry(FUNCTION, few))).todo
    assert only(notified(entry(TOPIC, few), queue=QUEUE)).todo.startswith("have the entry 'invalidator' tell of s3:")


def test_eventbridge_hears_everything() -> None:
    assert only(notified(eventbridge=True, queue=QUEUE)).verdict == "ok"
    assert only(notified(entry(FUNCTION, ("s3:ObjectTagging:*",)), eventbridge=True)).verdict == "ok"
    # The queue is told by the bucket itself, and that is not enough.
    assert only(notified(entry(suffix=".a"), eventbridge=True, queue=QUEUE)).verdict == "wrong"


# --- regions, distributions, failures -------------------------------------------------------------------


def test_a_target_elsewhere_is_out_of_reach() -> None:
    assert only(diagnosis.regions("origin", "us-east-1", [QUEUE, FUNCTION])).verdict == "ok"
    finding = only(diagnosis.regions("origin", "eu-west-1", [QUEUE]))
    assert (finding.verdict, "--region eu-west-1" in finding.todo) == ("wrong", True)
    assert "nonsense in no Region" in only(diagnosis.regions("origin", "eu-west-1", ["nonsense"])).text


E1, E2 = DistributionId("E1"), DistributionId("E2")
HERE, ELSEWHERE = (Site((Behavior("*", (Origin(bucket),)),)) for bucket in ("origin", "other"))


def test_at_least_one_distribution_has_to_serve_the_bucket() -> None:
    assert only(diagnosis.distributions("origin", {E1: HERE}, [], [])).verdict == "ok"
    assert [item.verdict for item in diagnosis.distributions("origin", {E1: HERE, E2: ELSEWHERE}, [], [])] == [
        "ok",
        "unknown",
    ]
    nobody = only(diagnosis.distributions("origin", {E2: ELSEWHERE}, [], []))
    assert nobody.verdict == "wrong"
    assert '[{"id": "E2", "bucket": "origin"}]' in nobody.todo
    assert (
        "E8 and E9 of this account do: add E8 and E9"
        in only(diagnosis.distributions("origin", {E2: ELSEWHERE}, [], ["E8", "E9"])).todo
    )
    assert only(diagnosis.distributions("origin", {}, [E1], [])).verdict == "unknown"
    assert only(diagnosis.distributions("origin", {}, [], [])).verdict == "wrong"


def test_who_serves_the_bucket_and_is_not_configured_has_stale_viewers() -> None:
    _, finding = diagnosis.distributions("origin", {E1: HERE}, [], ["E9"])
    assert (finding.verdict, finding.text) == (
        "wrong",
        "E9 serves bucket origin and is not configured: viewers there keep seeing old objects",
    )


def test_a_check_that_cannot_be_made_is_not_well() -> None:
    denied = diagnosis.failed("queue policy", "queue q", Failure("GetQueueAttributes", "AccessDenied", "no"))
    assert denied == Finding(
        "queue policy", "wrong", "queue q: no", "allow sqs:GetQueueAttributes on queue q to whose credentials these are"
    )
    assert not diagnosis.are_well([diagnosis.failed("bucket", "bucket b", Failure("", "", "Could not connect"))])


# --- the whole command ----------------------------------------------------------------------------------


class Aws(NamedTuple):
    endpoint: str
    distributions: tuple[str, ...]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """One for all of these tests, since it takes half a second to stop."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@pytest.fixture
def aws(server: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """A bucket that is set up well: with a queue ``changes``, which is the function's, and two distributions."""
    embedded._post(server, "/moto-api/reset")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    embedded._make_buckets(["origin"])
    boto3.client("s3").put_object(Bucket="origin", Key="prod/a")
    url = boto3.client("sqs").create_queue(QueueName="changes")["QueueUrl"]
    let(url, policies.allowing_statement(ASKED))
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
    return list(doctor.Doctor.connect(bucket, clients.cloudfront(), clients.catalog()).findings(queue))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "invalidator", "doctor", "--bucket", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_is_well_is_said_and_the_status_is_0(aws: Aws) -> None:
    done = run("origin")
    assert (done.returncode, done.stderr) == (0, "5 findings: nothing wrong. Nothing was changed.\n")
    assert re.findall(r"^ok     ([\w ]+): ", done.stdout, re.MULTILINE) == [
        *("settings", "distributions", "notification", "region", "queue policy"),
    ]
    assert "→" not in done.stdout
    assert run("origin", "--queue", "changes").stdout == done.stdout


def test_what_is_wrong_is_said_with_what_to_do_and_the_status_is_1(aws: Aws) -> None:
    notify()
    done = run("origin")
    assert (done.returncode, done.stderr) == (1, "5 findings: 1 wrong. Nothing was changed.\n")
    lines = done.stdout.splitlines()
    at = lines.index("wrong  notification: bucket origin notifies nobody: nothing is heard of its changes")
    assert lines[at + 1] == f"       → python -m invalidator connect --bucket origin --queue {QUEUE}"
    answer = json.loads(run("origin", "--json").stdout)
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
    assert "none of the configured distributions has an origin in bucket lonely" in finding.text
    monkeypatch.setenv("DISTRIBUTION_IDS", "E404")
    gone, nobody = wrong(look(), "distributions")
    assert "distribution E404: NoSuchDistribution" in gone.text
    assert nobody.todo.startswith(" and ".join(aws.distributions) + " of this account do: add")
    monkeypatch.setenv("DISTRIBUTION_IDS", aws.distributions[0])
    assert f"add {aws.distributions[1]} to DISTRIBUTION_IDS" in only(wrong(look())).todo


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "notifies nobody"),
        ([entry(prefix="blog/")], "only of keys with prefix 'blog/'"),
        ([entry(events=("s3:ObjectCreated:*",))], "nothing of s3:ObjectRemoved:*, s3:LifecycleExpiration:*"),
    ],
)
def test_the_notification_is_missing_or_filtered(aws: Aws, entries: list[dict[str, Any]], words: str) -> None:
    notify(*entries)
    assert words in only(wrong(look())).text


def test_the_policy_of_the_queue_does_not_let_s3_send(aws: Aws) -> None:
    url = os.environ["QUEUE_URL"]
    let(url, policies.allowing_statement(diagnosis.request("s3.amazonaws.com", "arn:aws:s3:::other", QUEUE)))
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
    [
        ([], "wrong"),
        ([policies.allowing_statement(diagnosis.request("s3.amazonaws.com", "arn:aws:s3:::origin", FUNCTION))], "ok"),
    ],
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
    let(os.environ["QUEUE_URL"], policies.allowing_statement(diagnosis.request("sns.amazonaws.com", topic, QUEUE)))
    found = look()
    assert wrong(found) == []
    assert [item.check for item in found if item.verdict == "unknown"] == ["topic"]


def test_only_s3_sends_its_account_along() -> None:
    asked = diagnosis.request("sns.amazonaws.com", TOPIC, QUEUE)
    mine = allow(Principal="*", Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}})
    assert policies.evaluate(json.dumps({"Statement": mine}), asked) == "undecided"


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
        asked = diagnosis.request("events.amazonaws.com", "arn:aws:events:us-east-1:123456789012:rule/r", QUEUE)
        let(os.environ["QUEUE_URL"], policies.allowing_statement(asked))
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


def test_what_is_discovered_is_configured(account: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> None:
    account.configs["E2"] = of_buckets("origin")
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    assert "E1 and E2 serve bucket origin" in [item.text for item in look()]
    account.unreadable["ListDistributions"] = ("AccessDenied", 403)
    assert wrong(look())[0].todo.startswith("allow cloudfront:ListDistributions")


def test_a_domain_that_hides_the_bucket_is_to_be_declared(
    account: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.configs["E1"] = configuration([custom("o", "files.example.org", "/prod")], behavior("o"))
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
    content = json.dumps(["E404"])
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
        done = run("origin", "--queue", "changes", "--json")
    assert done.returncode == 1
    todos = " ".join(item["todo"] for item in json.loads(done.stdout)["findings"])
    for permission in (
        "s3:GetBucketLocation",
        "s3:GetBucketNotification",
        "sqs:GetQueueUrl",
        "cloudfront:GetDistributionConfig",
        "cloudfront:ListDistributions",
    ):
        assert f"allow {permission} on " in todos
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
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_text_from_outside_is_shown_as_data(aws: Aws) -> None:
    notify(entry(prefix="[red]a\u202eb"))
    done = run("origin")
    assert "[red]a\\u202eb" in done.stdout
