"""Policies mean what AWS says they mean, and each finding about one says what to do."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.connection.policies import allowing_statement, evaluate
from invalidator.connection.policy_checks import check_encryption, check_policy, sending_request

QUEUE = "arn:aws:sqs:us-east-1:123456789012:changes"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
ASKED = sending_request("s3.amazonaws.com", "arn:aws:s3:::origin", QUEUE)


def allow(**changes: Any) -> dict[str, Any]:
    return allowing_statement(ASKED) | changes


def judged(*statements: Any) -> str:
    return evaluate(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), ASKED)


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
    assert evaluate(text, ASKED) == "missing"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"Statement": [1]}', json.dumps({"Statement": allow(Condition=1)})])
def test_what_is_no_policy_decides_nothing(text: str) -> None:
    assert evaluate(text, ASKED) == "undecided"


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
def test_the_proposed_statement_is_enough_and_for_that_bucket_alone(bucket: str, target: str, other: str) -> None:
    ask = [sending_request("s3.amazonaws.com", f"arn:aws:s3:::{name}", target) for name in (bucket, other)]
    text = json.dumps({"Statement": allowing_statement(ask[0])})
    assert evaluate(text, ask[0]) == "allowed"
    assert evaluate(text, ask[1]) == ("allowed" if bucket == other else "missing")


def test_each_verdict_on_a_policy_says_what_to_do() -> None:
    found = {
        verdict: check_policy("queue policy", json.dumps({"Statement": statements}), ASKED)
        for verdict, statements in {
            "allowed": [allow()],
            "missing": [],
            "denied": [allow(), allow(Effect="Deny")],
            "undecided": [where("StringEquals", "aws:PrincipalOrgID", "o-1")],
        }.items()
    }
    assert [item.verdict for item in found.values()] == ["ok", "wrong", "wrong", "unknown"]
    assert found["allowed"].todo == ""
    assert json.dumps(allowing_statement(ASKED)) in found["missing"].todo
    assert "except s3.amazonaws.com" in found["denied"].todo
    assert "check that it allows s3.amazonaws.com sqs:SendMessage" in found["undecided"].todo


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
    assert [item.verdict for item in check_encryption(QUEUE, key)] == verdicts


def test_only_s3_sends_its_account_along() -> None:
    asked = sending_request("sns.amazonaws.com", TOPIC, QUEUE)
    mine = allow(Principal="*", Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}})
    assert evaluate(json.dumps({"Statement": mine}), asked) == "undecided"
