"""The only calls that read one object as it is now."""

from typing import Any, Final, Protocol, Self

from invalidator.aws import sdk
from invalidator.errors import ObjectError
from invalidator.operator.freshness import S3Object

# An answer to HEAD has no body, so that its code is the HTTP status. GET says why.
_UNEXPLAINED: Final = {"400", "403", "404"}
_GONE: Final = "NoSuchKey"


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    def head_object(self, **arguments: str) -> Any:
        """Read metadata: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html."""

    def get_object(self, **arguments: str) -> Any:
        """Read an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html."""


class S3Objects:
    """Reads objects, one at a time."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """Connect to S3 as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        return cls(sdk.client("s3", attempts=3))

    def find(self, bucket: str, key: str) -> S3Object | None:
        """Return an object; None if there is none with this key. Raises ObjectError if S3 does not say."""
        with sdk.raising(ObjectError, f"{key!r} in bucket {bucket!r}"):
            try:
                answer = self._head(bucket, key)
            except sdk.ERRORS as error:
                if sdk.code_of(error) == _GONE:
                    return None
                raise
            return S3Object(answer["ETag"], answer["LastModified"])

    def _head(self, bucket: str, key: str) -> Any:
        try:
            return self._client.head_object(Bucket=bucket, Key=key)
        except sdk.ERRORS as error:
            if sdk.code_of(error) not in _UNEXPLAINED:
                raise
        answer = self._client.get_object(Bucket=bucket, Key=key)
        answer["Body"].close()
        return answer
