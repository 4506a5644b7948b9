"""The only calls to CloudFront, and the meaning of its errors."""

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

Ask = Callable[[Callable[[], Any]], Any]
"""Returns what a call to CloudFront returns, or raises CdnError: because it fails, or because nobody may be asked."""

_KINDS: Final[dict[str, type[CdnError]]] = {
    "AccessDenied": ForbiddenError,
    "EntityNotFound": UnknownIdError,
    "InvalidArgument": InvalidPathError,
    "InvalidationBatchAlreadyExists": ReferenceUsedError,
    "NoSuchDistribution": UnknownIdError,
    "NoSuchInvalidation": UnknownIdError,
    "TooManyInvalidationsInProgress": InProgressError,
}
"""Code of an error that does not pass by itself → the error of ours."""


def _once(call: Callable[[], Any]) -> Any:
    return call()


class Configured(NamedTuple):
    """A DistributionConfig, and the values of a tenant's parameters by name; a distribution has none."""

    config: _Json
    parameters: dict[str, str]


class CloudFront:
    """Calls CloudFront through an SDK client that does not retry by itself."""

    longest_call: Final[float] = sdk.LONGEST_ATTEMPT

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """Connect to CloudFront as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        # One attempt, since carry_out retries: botocore does not know when the invocation ends.
        return cls(sdk.client("cloudfront", attempts=1))

    def create_invalidation(self, batch: Batch) -> str:
        """Send a batch, and return the id of the invalidation that CloudFront accepted.

        It is safe to send the same batch again: CloudFront knows its caller reference and returns the first
        invalidation. Raises CdnError, or the kind of it that says more.
        """
        paths = [item.path for item in batch.items]
        content = {"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": batch.caller_reference}
        with _errors_explained():
            if is_tenant(batch.distribution):
                answer = self._client.create_invalidation_for_distribution_tenant(
                    Id=batch.distribution, InvalidationBatch=content
                )
            else:
                answer = self._client.create_invalidation(DistributionId=batch.distribution, InvalidationBatch=content)
        id_ = _object(answer, "Invalidation").get("Id")
        if not id_:
            raise UnavailableError("CloudFront answered without the id of an invalidation")
        return str(id_)

    def greet(self) -> None:
        """Open the connection over which the next call goes. Raises CdnError."""
        with _errors_explained():
            sdk.open_connection(self._client)

    # The calls below change nothing. Each raises CdnError, or the kind of it that says more.

    def invalidation(self, distribution: DistributionId, id_: str) -> Invalidation:
        """Return an invalidation, with its items."""
        with _errors_explained():
            if is_tenant(distribution):
                answer = self._client.get_invalidation_for_distribution_tenant(
                    DistributionTenantId=distribution, Id=id_
                )
            else:
                answer = self._client.get_invalidation(DistributionId=distribution, Id=id_)
        return _invalidation(distribution, _object(answer, "Invalidation"))

    def invalidations(self, distribution: DistributionId) -> Iterator[Invalidation]:
        """Yield the invalidations of a distribution without their items, the newest first."""
        call, name = self._client.list_invalidations, "DistributionId"
        if is_tenant(distribution):
            call, name = self._client.list_invalidations_for_distribution_tenant, "Id"
        for page in _pages(partial(call, **{name: distribution}), "InvalidationList"):
            yield from (_invalidation(distribution, item) for item in page.get("Items") or [])

    def configured(self, distribution: DistributionId) -> Configured:
        """Return the configuration of a distribution, or of the distribution that a tenant belongs to."""
        parameters: dict[str, str] = {}
        with _errors_explained():
            if is_tenant(distribution):
                tenant = _object(self._client.get_distribution_tenant(Identifier=distribution), "DistributionTenant")
                parameters = {item["Name"]: item["Value"] for item in tenant.get("Parameters") or []}
                distribution = DistributionId(tenant.get("DistributionId", ""))
            answer = self._client.get_distribution_config(Id=distribution)
        config = _object(answer, "DistributionConfig")
        # Without these it would be a distribution that serves nothing.
        if not (
            _object(config, "Origins").get("Items") and _object(config, "DefaultCacheBehavior").get("TargetOriginId")
        ):
            raise UnavailableError("CloudFront answered without the origins of a distribution")
        for name in config.keys() & {"Origins", "CacheBehaviors", "OriginGroups"}:
            _check_whole(config, name)
        return Configured(config, parameters)

    def cache_policy(self, id_: str) -> _Json:
        """Return the CachePolicyConfig of a cache policy."""
        with _errors_explained():
            policy = _object(self._client.get_cache_policy_config(Id=id_), "CachePolicyConfig")
        # Without these it is half an answer, rather than a policy without settings.
        for member in ("Name", "MinTTL"):
            if member not in policy:
                raise UnavailableError(f"CloudFront answered without the {member} of a cache policy")
        return policy

    def summaries(self, ask: Ask = _once) -> Iterator[_Json]:
        """Yield each distribution of the account, as a DistributionSummary. ``ask`` reads each page of the list."""
        for page in _pages(self._client.list_distributions, "DistributionList", ask):
            yield from page.get("Items") or []

    def tenants(self, distribution: DistributionId, ask: Ask = _once) -> Iterator[DistributionId]:
        """Yield the ids of the tenants of a distribution. ``ask`` reads each page of the list."""
        marker: dict[str, str] = {}
        while True:
            page = ask(partial(self._page_of_tenants, distribution, marker))
            yield from (tenant["Id"] for tenant in page["DistributionTenantList"])
            if not page.get("NextMarker") or marker == {"Marker": page["NextMarker"]}:
                return
            marker = {"Marker": page["NextMarker"]}

    def _page_of_tenants(self, distribution: DistributionId, marker: dict[str, str]) -> _Json:
        with _errors_explained():
            page: _Json = self._client.list_distribution_tenants(
                AssociationFilter={"DistributionId": distribution}, **marker
            )
        if not isinstance(page.get("DistributionTenantList"), list):
            raise UnavailableError("CloudFront answered without DistributionTenantList")
        return page

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a distribution by name. They are those of the resource, not cache tags."""
        with _errors_explained():
            tags = _object(self._client.list_tags_for_resource(Resource=arn), "Tags")
        return {tag["Key"]: tag.get("Value", "") for tag in tags.get("Items") or []}


def is_tenant(distribution: DistributionId) -> bool:
    """Return whether an id is that of a tenant of a distribution."""
    return distribution.startswith("dt_")


@contextmanager
def _errors_explained() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _kind(error)(sdk.message_with_advice(error)) from error
    except sdk.NO_ANSWER as error:
        raise UnavailableError(f"no answer from CloudFront: {error}") from error
    # The SDK does not catch its own ValueError, where the answer is not text or a time in it is not one.
    except (ResponseParserError, ValueError) as error:
        raise UnavailableError(f"the answer of CloudFront cannot be read: {sdk.message_of(error)}") from error
    except (BotoCoreError, OSError) as error:
        raise CdnError(f"the call could not be made: {sdk.message_with_advice(error)}") from error


def _pages(call: Callable[..., Any], name: str, ask: Ask = _once) -> Iterator[_Json]:
    """Yield the pages of a list, until one has no new marker."""
    marker: dict[str, str] = {}
    while True:
        page: _Json = ask(partial(_page, call, name, marker))
        yield page
        following = page.get("NextMarker") if page.get("IsTruncated") else None
        if not following or marker == {"Marker": following}:
            return
        marker = {"Marker": following}


def _page(call: Callable[..., Any], name: str, marker: dict[str, str]) -> _Json:
    """Return a page of a list."""
    with _errors_explained():
        page = _object(call(**marker), name)
    # Every page has it: without it this is no answer, rather than an empty list. It may count other pages, too.
    if "Quantity" not in page or len(page.get("Items") or ()) < min(page["Quantity"], 1):
        raise UnavailableError(f"CloudFront answered without {name}")
    return page


def _check_whole(holder: _Json, name: str) -> None:
    """Raise UnavailableError if a list has not as many items as it says: it always says so, even if it is empty."""
    if len(_object(holder, name).get("Items") or ()) != holder[name].get("Quantity"):
        raise UnavailableError(f"CloudFront answered without all of {name}")


def _invalidation(distribution: DistributionId, answer: _Json) -> Invalidation:
    """Read an Invalidation or an InvalidationSummary, which has no batch."""
    try:
        batch = answer.get("InvalidationBatch") or {}
        items, reference = (batch.get("Paths") or {}).get("Items") or (), batch.get("CallerReference", "")
        created = answer["CreateTime"].astimezone(UTC)
        return Invalidation(distribution, answer["Id"], answer["Status"], created, tuple(items), reference)
    except KeyError as error:
        raise UnavailableError(f"CloudFront answered with an invalidation without {error}") from error


def _object(answer: Any, name: str) -> _Json:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, dict):
        raise UnavailableError(f"CloudFront answered without {name}")
    return value


def _kind(error: ClientError) -> type[CdnError]:
    """Return the error of ours for a refusal."""
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
