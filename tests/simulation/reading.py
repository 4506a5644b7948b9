"""The calls that describe distributions: they are late, hang, are refused, or their answers cannot be used."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ReadTimeoutError
from botocore.parsers import ResponseParserError

from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.sdk import client_error
from tests.simulation.weather import Weather
from tests.simulation.world import World

REFUSALS = {
    "ServiceUnavailable": 503,
    "Throttling": 400,
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "NoSuchDistribution": 404,
}
# What botocore says where an answer is not XML, or ends in the middle.
_UNREADABLE = {
    "garbage": "Unable to parse response (not well-formed (invalid token)), invalid XML received",
    "truncated": "Unable to parse response (no element found), invalid XML received",
}
KINDS = ["ServiceUnavailable", "Throttling", "AccessDenied", "hangs", "garbage", "empty", "truncated"]
"""The ways in which a description can fail for a while. A person has to fix the third."""


class Reader:
    """The part of the SDK's client that reads.

    ``unreadable`` gives the trouble with an id or an operation, or with all calls under an empty name.
    """

    def __init__(
        self, world: World, weather: Callable[[], Weather], account: StrictCloudFront, unreadable: dict[str, str]
    ) -> None:
        self._world, self._weather, self._account, self._unreadable = world, weather, account, unreadable

    def get_distribution_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        return self._read("GetDistributionConfig", Id, lambda: self._account.get_distribution_config(Id=Id))

    def get_cache_policy_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        return self._read("GetCachePolicyConfig", Id, lambda: self._account.get_cache_policy_config(Id=Id))

    def get_distribution_tenant(self, *, Identifier: str) -> dict[str, Any]:  # noqa: N803
        def call() -> dict[str, Any]:
            return self._account.get_distribution_tenant(Identifier=Identifier)

        return self._read("GetDistributionTenant", Identifier, call)

    def list_distributions(self, **marker: str) -> dict[str, Any]:
        return self._read("ListDistributions", "", lambda: self._account.list_distributions(**marker))

    def list_distribution_tenants(self, **given: Any) -> dict[str, Any]:
        return self._read("ListDistributionTenants", "", lambda: self._account.list_distribution_tenants(**given))

    def list_tags_for_resource(self, *, Resource: str) -> dict[str, Any]:  # noqa: N803
        raise NotImplementedError

    def _read(self, operation: str, id_: str, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        world, weather = self._world, self._weather()
        world.sleep(10.0 if world.happens(weather.hangs) else world.rng.uniform(0.1, 0.8))
        if world.happens(weather.unavailable):
            raise client_error(operation, "ServiceUnavailable", 503, "not described")
        trouble = self._unreadable.get("") or self._unreadable.get(operation) or self._unreadable.get(id_, "")
        if trouble:
            world.note(f"{operation} {id_}: {trouble}")
        if trouble == "hangs":
            world.sleep(10.0)
            raise ReadTimeoutError(endpoint_url="https://cloudfront.amazonaws.com")
        if trouble in REFUSALS:
            raise client_error(operation, trouble, REFUSALS[trouble], "not described")
        if trouble in _UNREADABLE:
            raise ResponseParserError(_UNREADABLE[trouble])
        answer = call()
        if trouble == "empty":  # as botocore reads an answer of no bytes
            return {name: {} for name in answer}
        return answer
