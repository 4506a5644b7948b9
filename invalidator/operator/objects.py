"""The only calls that look at one object, as it is now."""

from typing import Any, Final, Protocol, Self

from invalidator.aws import sdk
from invalidator.errors import ObjectError
from invalidator.operator.freshness import S3Object

# The answer to HEAD has no body, and so no code but its status.
_UNTOLD: Final = {"400", "403", "404"}
_GONE: Final = "NoSuchKey"


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    def head_object(self, **arguments: str) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html."""

    def get_object(self, **arguments: str) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html."""


class S3Objects:
    """What is in buckets, one object at a time."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """Connect to S3 with what the SDK is configured with. Raises ConfigurationError if that cannot be used."""
        return cls(sdk.client("s3", attempts=3))

    def stored(self, bucket: str, key: str) -> S3Object | None:
        """What S3 says of an object; None if there is no such one. Raises ObjectError if it does not say."""
        try:
            answer = self._head(bucket, key)
            return S3Object(answer["ETag"], answer["LastModified"])
        except sdk.ERRORS as error:
            if sdk.code_of(error) == _GONE:
                return None
            raise ObjectError(f"{key!r} in bucket {bucket!r}: {sdk.explained(error)}") from error
        except (LookupError, ValueError) as error:
            raise ObjectError(f"{key!r} in bucket {bucket!r}: an answer that makes no sense: {error!r}") from error

    def _head(self, bucket: str, key: str) -> Any:
        try:
            return self._client.head_object(Bucket=bucket, Key=key)
        except sdk.ERRORS as error:
            if sdk.code_of(error) not in _UNTOLD:
                raise
        # What HEAD is refused for, GET tells: no such object or no such bucket, credentials that have expired.
        answer = self._client.get_object(Bucket=bucket, Key=key)
        answer["Body"].close()
        return answer
