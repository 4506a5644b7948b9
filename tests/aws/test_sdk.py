"""The SDK cannot make a call: the reason is explained for every service."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from invalidator.aws import sdk
from invalidator.aws.cloudfront import CloudFront
from invalidator.errors import CdnError, ConfigurationError, NotificationError
from invalidator.model import ObjectChange, ObjectKey
from invalidator.notifications.bucket import Bucket, s3_client
from invalidator.notifications.merge import NotificationEntry
from tests.doubles.loopback import answering, ok
from tests.doubles.strategies import simple_plan


def connect() -> None:
    entry = NotificationEntry("invalidator", "arn:aws:sqs:us-east-1:111122223333:changes")
    Bucket.open("origin").connect(entry)


@pytest.mark.parametrize("setting", ["credential_process = /nonexistent", "s3 = foo"])
def test_a_broken_configuration_of_the_sdk_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    config = tmp_path / "config"
    config.write_text(f"[default]\n{setting}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match="the AWS SDK cannot be set up: "):
        connect()


def test_credentials_that_cannot_be_read_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/deploy")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent")
    with pytest.raises(NotificationError, match=r"bucket 'origin': .*/nonexistent"):
        connect()
    plan = simple_plan([ObjectChange("origin", ObjectKey("a"), "1")], ["E1"])
    with pytest.raises(CdnError, match=r"the call could not be made: .*/nonexistent"):
        CloudFront.connect().create_invalidation(plan.batches[0])


def test_the_region_is_us_east_1_where_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert s3_client().meta.region_name == "us-east-1"


def test_a_role_is_assumed_where_times_are_raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/deploy")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    role = (
        b"<Answer><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>assumed</AccessKeyId>"
        b"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        b"<Expiration>2099-11-29T12:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></Answer>"
    )
    with answering(ok(role)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint)
        client = sdk.client("s3", attempts=1, raw_times=True)
        assert "AWSAccessKeyId=assumed" in client.generate_presigned_url("head_bucket", {"Bucket": "origin"})


def test_only_a_client_that_is_told_so_leaves_times_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    page = b"<Result><Contents><Key>a</Key><LastModified>2026-11-29T12:00:00.000Z</LastModified></Contents></Result>"
    with answering(ok(page)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        clients = [sdk.client("s3", attempts=1, raw_times=raw) for raw in (True, False)]
        pages = [client.list_objects_v2(Bucket="origin") for client in clients]
    times = [page["Contents"][0]["LastModified"] for page in pages]
    assert times == ["2026-11-29T12:00:00.000Z", datetime(2026, 11, 29, 12, tzinfo=UTC)]


TOKEN = "IQoJb3JpZ2luX2VjEA/+0_-=="


def as_answered(text: str) -> Exception:
    return ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": text}}, "CreateInvalidation")


@pytest.mark.parametrize("error", [as_answered, ValueError], ids=["the service's own", "one that another wrapped"])
@pytest.mark.parametrize(
    "quoted",
    [
        f"'POST\n/\nx-amz-security-token:{TOKEN}\n\nhost'",
        f"X-Amz-Security-Token={TOKEN.replace('/', '%2F').replace('+', '%2B')}&host",
        f"x-amz-security-token: {TOKEN} host",
    ],
)
def test_what_aws_quotes_of_a_request_is_shown_without_its_token(
    error: Callable[[str], Exception], quoted: str
) -> None:
    told = sdk.message_with_advice(error(f"The Canonical String should have been {quoted}"))
    assert "The Canonical String should have been" in told
    assert re.search(r"\.\.\.\s*&?host", told)
    assert not set(re.findall(r"\w{5,}", TOKEN)) & set(re.findall(r"\w{5,}", told))
