"""The only calls to CloudFront, and what its errors mean."""

from http import HTTPStatus
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004 the SDK's name
from botocore.parsers import ResponseParserError

from invalidator import sdk
from invalidator.errors import (
    CdnError,
    InProgressError,
    InvalidPathError,
    ReferenceUsedError,
    ThrottledError,
    UnavailableError,
)
from invalidator.model import Batch

# The codes that botocore's standard mode retries; HTTP 429 means the first, HTTP 5xx the second.
_THROTTLED: Final = {
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_TRANSIENT: Final = {"RequestTimeout", "RequestTimeoutException"}
_ADVICE: Final = {
    "NoSuchDistribution": "it is not in this account; correct the list of distributions",
    "AccessDenied": "allow the role cloudfront:CreateInvalidation on this distribution",
    "TooManyInvalidationsInProgress": "earlier invalidations have to complete first; send it again in half a minute",
    "InvalidArgument": "CloudFront takes no path like this; look at how the object is called",
}


class Client(Protocol):
    """The part of an SDK client that is used here."""

    def create_invalidation(self, *, DistributionId: str, InvalidationBatch: Any) -> Any:  # noqa: N803 the SDK's names
        """Create an invalidation.

        https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html
        """


class CloudFront:
    """CreateInvalidation through an SDK client that does not retry by itself."""

    longest_call: Final[float] = sdk.LONGEST_ATTEMPT

    def __init__(self, client: Client) -> None:
        self._client = client

    def create_invalidation(self, batch: Batch) -> str:
        """Send a batch and return the id of the invalidation that CloudFront accepted for it.

        Sending the same batch again is safe: CloudFront knows its caller reference and returns the
        invalidation of the first time. Raises CdnError, or that of its kinds which says more.
        """
        paths = [item.path for item in batch.items]
        try:
            answer = self._client.create_invalidation(
                DistributionId=batch.distribution,
                InvalidationBatch={
                    "Paths": {"Quantity": len(paths), "Items": paths},
                    "CallerReference": batch.caller_reference,
                },
            )
        except ClientError as error:
            raise _meaning(error) from error
        except (HTTPClientError, ConnectionError, ResponseParserError, UnicodeDecodeError) as error:
            raise UnavailableError(f"no answer that makes sense from CloudFront: {error}") from error
        except (BotoCoreError, OSError) as error:
            raise CdnError(f"the call could not be made: {sdk.explained(error, {})}") from error
        try:
            id_ = answer["Invalidation"]["Id"]
        except (KeyError, TypeError):
            id_ = None
        if not id_:
            raise UnavailableError("CloudFront answered without the id of an invalidation")
        return str(id_)


def connect() -> CloudFront:
    """A CloudFront with the credentials and endpoint that the SDK finds in its usual places.

    Raises ConfigurationError if what it finds there cannot be used.
    """
    # One attempt, since the service retries: botocore cannot be told when the invocation ends.
    return CloudFront(sdk.client("cloudfront", attempts=1))


def _meaning(error: ClientError) -> CdnError:
    code, status, text = sdk.code_of(error), sdk.status_of(error), sdk.explained(error, _ADVICE)
    if code in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(text)
    if code in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(text)
    if code == "TooManyInvalidationsInProgress":
        return InProgressError(text)
    # The documentation has the first form, reports the second: https://github.com/aws/aws-cdk/issues/3878 (2026-11-20)
    if code == "InvalidationBatchAlreadyExists" or (code == "InvalidArgument" and "caller reference" in text.lower()):
        return ReferenceUsedError(text)
    return InvalidPathError(text) if code == "InvalidArgument" else CdnError(text)
