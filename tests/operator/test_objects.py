"""One object of S3, as it is now: what HEAD does not say, GET does."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from invalidator.errors import ObjectError
from invalidator.local.embedded import BUCKET, embedded_aws
from invalidator.operator.freshness import S3Object
from invalidator.operator.objects import S3Objects
from tests.doubles.loopback import Quiet, answering, serving


@pytest.fixture
def s3() -> Iterator[Any]:
    with embedded_aws():
        yield boto3.client("s3")


@pytest.mark.parametrize("key", ["a", "/a", "a b+c%20d", "é/🌹", "#?&"])
def test_what_was_uploaded_is_said_and_what_was_not_is_none(s3: Any, key: str) -> None:
    assert S3Objects.connect().find(BUCKET, key) is None
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["ETag"]
    found = S3Objects.connect().find(BUCKET, key)
    assert found == S3Object(etag, s3.head_object(Bucket=BUCKET, Key=key)["LastModified"])
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert S3Objects.connect().find(BUCKET, key) is None


def test_a_delete_marker_is_no_object(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="a")
    assert S3Objects.connect().find(BUCKET, "a") is None


def test_a_bucket_that_is_not_there_is_no_missing_object(s3: Any) -> None:
    with pytest.raises(
        ObjectError, match=r"^'a' in bucket 'nobodys': NoSuchBucket: .* \(check the name of the bucket\)$"
    ):
        S3Objects.connect().find("nobodys", "a")


def test_an_object_that_comes_in_between_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class JustUploaded(Quiet):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("ETag", '"a"')
            self.send_header("Last-Modified", "Sun, 22 Nov 2026 12:00:00 GMT")
            self.end_headers()

    with serving(JustUploaded) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        found = S3Objects.connect().find(BUCKET, "a")
    assert found is not None
    assert found.etag == '"a"'


@pytest.mark.parametrize(
    ("headers", "error"), [(b"", "KeyError"), (b'ETag: "a"\r\nLast-Modified: then\r\n', "ValueError")]
)
def test_an_answer_that_makes_no_sense_is_explained(
    headers: bytes, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + headers + b"\r\n") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(ObjectError, match=f"'a' in bucket 'origin': the answer cannot be read: {error}"):
            S3Objects.connect().find(BUCKET, "a")


def test_what_s3_tells_without_a_body_is_not_asked_for_again() -> None:
    class Refusing:
        def head_object(self, **_: str) -> Any:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "HeadObject")

        def get_object(self, **_: str) -> Any:
            pytest.fail("it is asked for again")

    with pytest.raises(ObjectError, match=r"SlowDown: later \(the bucket gets more requests than S3 serves"):
        S3Objects(Refusing()).find(BUCKET, "a")
