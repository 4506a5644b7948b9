"""A CloudFront that keeps the documented rules of a call, behind the door of an SDK client (``create_invalidation``).

Without a clock, throttling and exhausted quotas come on demand.
"""

import re
from collections import Counter, deque
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from tests.doubles.clock import Clock
from tests.doubles.configurations import Json, of_buckets
from tests.doubles.sdk import client_error, operation_model

# RFC 1738 §2.2: the characters that are neither unsafe nor control characters, and "%", which begins an escape.
_TAKEN = re.compile(r"/(?:[A-Za-z0-9\-_.!$&'()*+,/:;=?@]|%[0-9A-F]{2})*")
# No URL of a viewer has an escape of these: https://www.rfc-editor.org/rfc/rfc3986#section-2.3
_NEVER_ENCODED = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")

THROTTLED = ("Throttling", 400)
UNAVAILABLE = ("ServiceUnavailable", 503)
IN_PROGRESS = ("TooManyInvalidationsInProgress", 400)
DENIED = ("AccessDenied", 403)

BIRTH = datetime(2026, 11, 20, tzinfo=UTC)

_refusal = partial(client_error, "CreateInvalidation")


@dataclass(frozen=True)
class Invalidation:
    """An accepted batch."""

    id: str
    distribution: str
    reference: str
    paths: tuple[str, ...]
    at: float = 0.0


class Call(NamedTuple):
    """An attempt: its time, distribution, reference, and number of paths."""

    at: float
    distribution: str
    reference: str
    paths: int


@dataclass
class Time:
    """CloudFront on a clock: it limits the rate of calls, and takes a while to complete an invalidation."""

    clock: Clock
    rate: float = inf
    burst: float = inf
    seconds_to_complete: float = 25.0
    _tokens: float = field(init=False)
    _filled: float = 0.0
    _accepted: dict[str, list[tuple[float, int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def lets_through(self) -> bool:
        if self.burst == inf:
            return True
        self._tokens = min(self.burst, self._tokens + (self.clock.now - self._filled) * self.rate)
        self._filled = self.clock.now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def has_room(self, distribution: str, paths: tuple[str, ...]) -> bool:
        accepted = self._accepted.get(distribution, [])
        busy = [entry for entry in accepted if entry[0] + self.seconds_to_complete > self.clock.now]
        wildcards = sum(path.endswith("*") for path in paths)
        plain = len(paths) - wildcards + sum(entry[1] for entry in busy)
        return plain <= 3000 and wildcards + sum(entry[2] for entry in busy) <= 15

    def accept(self, distribution: str, paths: tuple[str, ...]) -> None:
        wildcards = sum(path.endswith("*") for path in paths)
        entry = (self.clock.now, len(paths) - wildcards, wildcards)
        self._accepted.setdefault(distribution, []).append(entry)


@dataclass
class StrictCloudFront:
    """The distributions of an account. ``accepted`` is what is billed; ``calls`` counts every attempt."""

    distributions: Iterable[str]
    accepted: list[Invalidation] = field(default_factory=list)
    log: list[Call] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    # The errors of the next calls, in order; None lets a call through.
    faults: deque[tuple[str, int] | None] = field(default_factory=deque)
    # The error of every call to a distribution.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)
    # The next calls are accepted, but their answers are lost.
    lose_answers: int = 0
    # Paths that are refused as invalid, however they look.
    rejects: set[str] = field(default_factory=set)
    # The error for a reference that was used with other paths: the documented one, or the one that users reported.
    used_reference: str = "InvalidArgument"
    time: Time | None = None
    # The configurations of distributions; without one, a distribution serves the buckets of these tests.
    configs: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    # The distribution and the parameters of each tenant.
    tenants: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    # The errors of reading calls, by operation.
    unreadable: dict[str, tuple[str, int]] = field(default_factory=dict)
    # The errors of describing a distribution, by its id.
    undescribed: dict[str, tuple[str, int]] = field(default_factory=dict)
    # The errors of reading its tags, by its id.
    untagged: dict[str, tuple[str, int]] = field(default_factory=dict)
    # The length of the ids of invalidations.
    characters: int = 14
    # Without a clock: how often a request shows an invalidation in progress before it is completed.
    looks_to_complete: int = 0
    looks: Counter[str] = field(default_factory=Counter)
    read: list[tuple[str, str]] = field(default_factory=list)
    page: int = 100
    _one_at_a_time: Lock = field(default_factory=Lock)

    @property
    def calls(self) -> int:
        return len(self.log)

    def paths(self, distribution: str) -> list[str]:
        """Return all paths that a distribution was billed for."""
        return [path for item in self.accepted if item.distribution == distribution for path in item.paths]

    def create_invalidation(self, *, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        """Create an invalidation, as the SDK calls the operation. Raises the SDK's ClientError."""
        with self._one_at_a_time:
            try:
                return self._create(DistributionId, InvalidationBatch)
            except ClientError as error:
                self.refused[error.response["Error"]["Code"]] += 1
                raise

    def create_invalidation_for_distribution_tenant(self, *, Id: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        """Create an invalidation for a tenant."""
        if Id not in self.tenants:
            raise client_error("CreateInvalidationForDistributionTenant", "EntityNotFound", 404)
        return self.create_invalidation(DistributionId=Id, InvalidationBatch=InvalidationBatch)

    # --- invalidations -----------------------------------------------------------

    def get_invalidation(self, *, DistributionId: str, Id: str) -> dict[str, Any]:  # noqa: N803
        """Return an invalidation of a distribution."""
        self._reading("GetInvalidation", DistributionId, {*self.distributions, *self.configs})
        return self._invalidation(DistributionId, Id)

    def get_invalidation_for_distribution_tenant(self, *, DistributionTenantId: str, Id: str) -> dict[str, Any]:  # noqa: N803
        """Return an invalidation of a tenant."""
        self._reading("GetInvalidationForDistributionTenant", DistributionTenantId, self.tenants)
        return self._invalidation(DistributionTenantId, Id)

    def _invalidation(self, distribution: str, id_: str) -> dict[str, Any]:
        for item in self.accepted:
            if (item.distribution, item.id) == (distribution, id_):
                paths = {"Quantity": len(item.paths), "Items": list(item.paths)}
                told = self._standing(item)
                self.looks[id_] += 1
                return {
                    "Invalidation": told | {"InvalidationBatch": {"Paths": paths, "CallerReference": item.reference}}
                }
        raise client_error("GetInvalidation", "NoSuchInvalidation", 404)

    def list_invalidations(self, *, DistributionId: str, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        """Return a page of the invalidations of a distribution."""
        self._reading("ListInvalidations", DistributionId, {*self.distributions, *self.configs})
        return self._invalidations(DistributionId, Marker)

    def list_invalidations_for_distribution_tenant(self, *, Id: str, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        """Return a page of the invalidations of a tenant."""
        self._reading("ListInvalidationsForDistributionTenant", Id, self.tenants)
        return self._invalidations(Id, Marker)

    def _invalidations(self, distribution: str, marker: str) -> dict[str, Any]:
        found = [self._standing(item) for item in reversed(self.accepted) if item.distribution == distribution]
        start = int(marker)
        end = start + self.page
        more = {"NextMarker": str(end)} if end < len(found) else {}
        items = found[start:end]
        page = {"Marker": marker, "MaxItems": self.page, "IsTruncated": bool(more), "Quantity": len(items), **more}
        return {"InvalidationList": page | ({"Items": items} if items else {})}

    def _standing(self, item: Invalidation) -> dict[str, Any]:
        if self.time:
            completed = self.time.clock.now >= item.at + self.time.seconds_to_complete
        else:
            completed = self.looks[item.id] >= self.looks_to_complete
        created = BIRTH + timedelta(seconds=item.at)
        return {"Id": item.id, "CreateTime": created, "Status": "Completed" if completed else "InProgress"}

    # --- distributions -------------------------------------------------------------------------

    def _reading(self, operation: str, id_: str, known: Container[str]) -> None:
        with self._one_at_a_time:
            self.read.append((operation, id_))
        if operation in self.unreadable:
            raise client_error(operation, *self.unreadable[operation], "on demand")
        if id_ not in known:
            code = "NoSuchCachePolicy" if operation == "GetCachePolicyConfig" else "NoSuchDistribution"
            code = "EntityNotFound" if "Tenant" in operation else code
            raise client_error(operation, code, 404, "There is none.")

    def get_distribution_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        """Return the configuration of a distribution."""
        self._reading("GetDistributionConfig", Id, {*self.distributions, *self.configs})
        if Id in self.undescribed:
            raise client_error("GetDistributionConfig", *self.undescribed[Id], "on demand")
        return {"DistributionConfig": self.configs.get(Id) or of_buckets("origin", "other-origin")}

    def get_distribution_tenant(self, *, Identifier: str) -> dict[str, Any]:  # noqa: N803
        """Return the distribution and the parameters of a tenant."""
        self._reading("GetDistributionTenant", Identifier, self.tenants)
        distribution, parameters = self.tenants[Identifier]
        named = [{"Name": name, "Value": value} for name, value in parameters.items()]
        more = {"Parameters": named} if named else {}
        return {"DistributionTenant": {"Id": Identifier, "DistributionId": distribution, **more}}

    def get_cache_policy_config(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        """Return the configuration of a cache policy."""
        self._reading("GetCachePolicyConfig", Id, self.policies)
        return {"CachePolicyConfig": self.policies[Id]}

    def list_distributions(self, *, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        """Return a page of the distributions."""
        self._reading("ListDistributions", Marker, [Marker])
        ids, start = sorted({*self.distributions, *self.configs}), int(Marker)
        end = start + self.page
        more = {"NextMarker": str(end)} if end < len(ids) else {}
        items = [self._summary(id_) for id_ in ids[start:end]]
        page = {"Marker": Marker, "MaxItems": self.page, "IsTruncated": bool(more), "Quantity": len(items), **more}
        return {"DistributionList": page | ({"Items": items} if items else {})}

    def _summary(self, id_: str) -> dict[str, Any]:
        config = self.configs.get(id_) or of_buckets("origin", "other-origin")
        about = {"Id": id_, "ARN": f"arn:aws:cloudfront::123456789012:distribution/{id_}", "Status": "Deployed"}
        domain = {"DomainName": f"{id_.lower()}.cloudfront.net"}
        config = {"Aliases": {"Quantity": 0}} | config
        # A summary has neither the default root object nor the configuration of cache tags.
        known = operation_model("cloudfront", "ListDistributions").output_shape.members["DistributionList"]
        names = known.members["Items"].member.members
        return {name: value for name, value in (config | about | domain).items() if name in names}

    def list_distribution_tenants(self, *, AssociationFilter: Any, Marker: str = "") -> dict[str, Any]:  # noqa: N803
        """Return a page of the tenants of a distribution, one at a time."""
        distribution = AssociationFilter["DistributionId"]
        self._reading("ListDistributionTenants", distribution, [distribution])
        ids = sorted(id_ for id_, (of, _) in self.tenants.items() if of == distribution and id_ > Marker)
        more = {"NextMarker": ids[0]} if len(ids) > 1 else {}
        return {"DistributionTenantList": [{"Id": id_, "DistributionId": distribution} for id_ in ids[:1]], **more}

    def list_tags_for_resource(self, *, Resource: str) -> dict[str, Any]:  # noqa: N803
        """Return the tags of a distribution."""
        self._reading("ListTagsForResource", Resource, [Resource])
        if (id_ := Resource.rpartition("/")[2]) in self.untagged:
            raise client_error("ListTagsForResource", *self.untagged[id_], "on demand")
        tags = self.tags.get(Resource.rpartition("/")[2], {})
        return {
            "Tags": {"Items": [{"Key": name, **({"Value": value} if value else {})} for name, value in tags.items()]}
        }

    def _create(self, DistributionId: str, InvalidationBatch: Any) -> dict[str, Any]:  # noqa: N803
        parameters = {"DistributionId": DistributionId, "InvalidationBatch": InvalidationBatch}
        validate_parameters(parameters, operation_model("cloudfront", "CreateInvalidation").input_shape)
        paths, reference = InvalidationBatch["Paths"], InvalidationBatch["CallerReference"]
        now = self.time.clock.now if self.time else 0.0
        self.log.append(Call(now, DistributionId, reference, len(paths["Items"])))
        fault = (self.faults.popleft() if self.faults else None) or self.broken.get(DistributionId)
        if fault is None and self.time and not self.time.lets_through():
            fault = THROTTLED
        if fault is not None:
            raise _refusal(*fault)
        known = DistributionId in {*self.distributions, *self.configs, *self.tenants}
        if not known or self.configs.get(DistributionId, {}).get("ConnectionMode") == "tenant-only":
            raise _refusal("NoSuchDistribution", 404, "The specified distribution does not exist.")
        check_items(paths["Items"], paths["Quantity"], self.rejects)
        invalidation = self._accept(DistributionId, reference, tuple(paths["Items"]))
        if self.lose_answers:
            self.lose_answers -= 1
            raise _refusal("InternalError", 500, "the answer was lost")
        # CloudFront echoes the batch, even if it answers with an earlier invalidation.
        return {"Invalidation": self._standing(invalidation) | {"InvalidationBatch": InvalidationBatch}}

    def _accept(self, distribution: str, reference: str, paths: tuple[str, ...]) -> Invalidation:
        for earlier in self.accepted:
            if (earlier.distribution, earlier.reference) == (distribution, reference):
                if earlier.paths == paths:
                    return earlier
                raise _refusal(
                    self.used_reference,
                    400,
                    "Your request contains a caller reference that was used for a previous invalidation batch"
                    " for the same distribution.",
                )
        if sum(path.endswith("*") for path in paths) > 15 or (
            self.time and not self.time.has_room(distribution, paths)
        ):
            raise _refusal(*IN_PROGRESS, "Processing your request will cause you to exceed the maximum number.")
        if self.time:
            self.time.accept(distribution, paths)
        now = self.time.clock.now if self.time else 0.0
        invalidation = Invalidation(
            f"I{len(self.accepted) + 1:0{self.characters - 1}}", distribution, reference, paths, now
        )
        self.accepted.append(invalidation)
        return invalidation


def check_items(items: list[str], quantity: int | None = None, rejects: Container[str] = ()) -> None:
    """Raise the SDK's error if CloudFront would refuse a batch of these items."""
    if quantity not in {None, len(items)}:
        raise _refusal("InconsistentQuantities", 400, "The value of Quantity and the size of Items don't match.")
    if len(items) > 3000:
        raise _refusal("BatchTooLarge", 413, "Invalidation batch specified is too large.")
    if len(set(items)) != len(items) or not all(_is_item(item) and item not in rejects for item in items):
        raise _refusal("InvalidArgument", 400, "Your request contains one or more invalid invalidation paths.")
    for item in items:
        encoded = {int(escape[1:], 16) for escape in re.findall(r"%[0-9A-F]{2}", item)}
        # CloudFront accepts such a path silently and clears nothing.
        assert item.startswith("#") or not encoded & _NEVER_ENCODED, f"{item} would be accepted and clear nothing"


def _is_item(item: str) -> bool:
    return _is_path(item) or _is_tag(item)


def _is_path(item: str) -> bool:
    return len(item) <= 4000 and "*" not in item[:-1] and _TAKEN.fullmatch(item) is not None


def _is_tag(item: str) -> bool:
    return re.fullmatch(r"#[!-~]{1,256}", item) is not None and not re.search("[,*]", item)


def keys_of(path: str) -> set[bytes]:
    """Return the keys that a path may stand for: a plus sign is a space to some servers and a plus to others."""
    raw = path.removeprefix("/")
    return {unquote_to_bytes(raw), unquote_to_bytes(raw.replace("+", " "))}
