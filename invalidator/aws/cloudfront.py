"""The only calls to CloudFront, and what its errors mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from typing import Any, Final, NamedTuple, Self

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from invalidator.aws import sdk
from invalidator.errors import (
    CdnError,
    ForbiddenError,
    InProgressError,
    InvalidPathError,
    ReferenceUsedError,
    ThrottledError,
    UnavailableError,
    UnknownIdError,
)
from invalidator.model import Batch, DistributionId, Invalidation

_Json = dict[str, Any]

_KINDS: Final[dict[str, type[CdnError]]] = {
    "AccessDenied": ForbiddenError,
    "EntityNotFound": UnknownIdError,
    "InvalidArgument": InvalidPathError,
    "InvalidationBatchAlreadyExists": ReferenceUsedError,
    "NoSuchDistribution": UnknownIdError,
    "NoSuchInvalidation": UnknownIdError,
    "TooManyInvalidationsInProgress": InProgressError,
}
"""Code of an error that does not pass by itself → the error of ours that it means."""


class Configured(NamedTuple):
    """A DistributionConfig; for a tenant, that of its distribution, with the parameters of the tenant."""

    config: _Json
    parameters: dict[str, str]


class CloudFront:
    """The calls, through an SDK client that does not retry by itself."""

    longest_call: Final[float] = sdk.LONGEST_ATTEMPT

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """Connect to CloudFront with what the SDK is configured with. Raises ConfigurationError if that is unusable."""
        # One attempt, since carry_out retries: botocore does not know when the invocation ends.
        return cls(sdk.client("cloudfront", attempts=1))

    def create_invalidation(self, batch: Batch) -> str:
        """Send a batch and return the id of the invalidation that CloudFront accepted for it.

        Sending the same batch again is safe: CloudFront knows its caller reference and returns the
        invalidation of the first time. Raises CdnError, or that of its kinds which says more.
        """
        paths = [item.path for item in batch.items]
        content = {
            "Paths": {"Quantity": len(paths), "Items": paths},
            "CallerReference": batch.caller_reference,
        }
        with _errors_explained():
            if is_tenant(batch.distribution):
                answer = self._client.create_invalidation_for_distribution_tenant(
                    Id=batch.distribution, InvalidationBatch=content
                )
            else:
                answer = self._client.create_invalidation(DistributionId=batch.distribution, InvalidationBatch=content)
        id_ = _part(answer, "Invalidation", "Id")
        if not id_:
            raise UnavailableError("CloudFront answered without the id of an invalidation")
        return str(id_)

    # What follows changes nothing. Each raises CdnError, or that of its kinds which says more.

    def invalidation(self, distribution: DistributionId, id_: str) -> Invalidation:
        """An invalidation, with its items."""
        with _errors_explained():
            if is_tenant(distribution):
                answer = self._client.get_invalidation_for_distribution_tenant(
                    DistributionTenantId=distribution, Id=id_
                )
            else:
                answer = self._client.get_invalidation(DistributionId=distribution, Id=id_)
        return _invalidation(distribution, _object(answer, "Invalidation"))

    def invalidations(self, distribution: DistributionId) -> Iterator[Invalidation]:
        """All of a distribution, page by page, without their items; the latest first, as far as CloudFront says."""
        call, name = self._client.list_invalidations, "DistributionId"
        if is_tenant(distribution):
            call, name = self._client.list_invalidations_for_distribution_tenant, "Id"
        for page in _pages(partial(call, **{name: distribution}), "InvalidationList"):
            yield from (_invalidation(distribution, item) for item in page.get("Items") or [])

    def configured(self, distribution: DistributionId) -> Configured:
        """How a distribution is configured, or that of which this is a tenant."""
        parameters: dict[str, str] = {}
        with _errors_explained():
            if is_tenant(distribution):
                tenant = _object(self._client.get_distribution_tenant(Identifier=distribution), "DistributionTenant")
                parameters = {item["Name"]: item["Value"] for item in tenant.get("Parameters") or []}
                distribution = DistributionId(tenant.get("DistributionId", ""))
            answer = self._client.get_distribution_config(Id=distribution)
        return Configured(_object(answer, "DistributionConfig"), parameters)

    def cache_policy(self, id_: str) -> _Json:
        """The CachePolicyConfig of a cache policy."""
        with _errors_explained():
            return _object(self._client.get_cache_policy_config(Id=id_), "CachePolicyConfig")

    def summaries(self) -> Iterator[_Json]:
        """Every distribution of the account, page by page, in the words of DistributionSummary."""
        for page in _pages(self._client.list_distributions, "DistributionList"):
            yield from page.get("Items") or []

    def tenants(self, distribution: DistributionId) -> Iterator[DistributionId]:
        """The tenants of a distribution."""
        marker: dict[str, str] = {}
        while True:
            with _errors_explained():
                page = self._client.list_distribution_tenants(
                    AssociationFilter={"DistributionId": distribution}, **marker
                )
            yield from (tenant["Id"] for tenant in page.get("DistributionTenantList") or [])
            if not page.get("NextMarker") or marker == {"Marker": page["NextMarker"]}:
                return
            marker = {"Marker": page["NextMarker"]}

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a distribution, those that cost centres have: by name."""
        with _errors_explained():
            tags = _object(self._client.list_tags_for_resource(Resource=arn), "Tags")
        return {tag["Key"]: tag.get("Value", "") for tag in tags.get("Items") or []}


def is_tenant(distribution: DistributionId) -> bool:
    """Whether this is the id of a tenant of a distribution."""
    return distribution.startswith("dt_")


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _meaning(error) from error
    # The SDK lets through a ValueError where the answer is no text, or a time in it is none.
    except sdk.NO_ANSWER as error:
        raise UnavailableError(f"no answer from CloudFront: {error}") from error
    except (ResponseParserError, ValueError) as error:
        raise UnavailableError(f"no answer that makes sense from CloudFront: {error}") from error
    except (BotoCoreError, OSError) as error:
        raise CdnError(f"the call could not be made: {sdk.explained(error)}") from error


def _pages(call: Callable[..., Any], name: str) -> Iterator[_Json]:
    """All pages of a list, as far as CloudFront gives a new marker."""
    marker: dict[str, str] = {}
    while True:
        with _errors_explained():
            page = _object(call(**marker), name)
        if "Quantity" not in page:  # which every page has, so that this is not the end of the list
            raise UnavailableError(f"CloudFront answered without {name}")
        yield page
        following = page.get("NextMarker") if page.get("IsTruncated") else None
        if not following or marker == {"Marker": following}:
            return
        marker = {"Marker": following}


def _invalidation(distribution: DistributionId, told: _Json) -> Invalidation:
    try:
        batch = told.get("InvalidationBatch") or {}
        paths, reference = batch.get("Paths") or {}, batch.get("CallerReference", "")
        created = told["CreateTime"].astimezone(UTC)
        return Invalidation(
            distribution, told["Id"], told["Status"], created, tuple(paths.get("Items") or ()), reference
        )
    except KeyError as error:
        raise UnavailableError(
            f"CloudFront tells of an invalidation in a way that is not known ({error!r:.80})"
        ) from error


def _part(answer: Any, *names: str) -> Any:
    """What stands somewhere in an answer; None if it is not there."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _object(answer: Any, name: str) -> _Json:
    found = _part(answer, name)
    if not isinstance(found, dict):
        raise UnavailableError(f"CloudFront answered without {name}")
    return found


def _meaning(error: ClientError) -> CdnError:
    """Return the error of ours that an answer means."""
    return _kind(error)(sdk.explained(error))


def _kind(error: ClientError) -> type[CdnError]:
    code = sdk.code_of(error)
    if sdk.is_throttled(error):
        return ThrottledError
    if sdk.is_unavailable(error):
        return UnavailableError
    # The documentation has InvalidationBatchAlreadyExists, reports have an InvalidArgument:
    # https://github.com/aws/aws-cdk/issues/3878 (2026-11-20)
    if code == "InvalidArgument" and "caller reference" in sdk.message_of(error).lower():
        return ReferenceUsedError
    return _KINDS.get(code, CdnError)
