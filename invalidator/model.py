"""The nouns: what changed, what has to be forgotten because of it, and how that went."""

from dataclasses import dataclass
from typing import NamedTuple, NewType

from invalidator.errors import CdnError

ObjectKey = NewType("ObjectKey", str)
"""A key as S3 stores it, decoded. Bytes that are not UTF-8 are kept as surrogate escapes (PEP 383)."""

UrlPath = NewType("UrlPath", str)
"""A path as CloudFront wants it in an invalidation: encoded, beginning with a slash."""

DistributionId = NewType("DistributionId", str)


# What there is one of for every record is a NamedTuple and not, like the rest, a frozen dataclass: it is as
# immutable and takes a third of the time to make, a twentieth of all the time that a large event takes.


class ObjectChange(NamedTuple):
    """One object was written or removed.

    ``identity`` tells this change from every other change of any object, and is the same each time that
    the change is delivered. ``message_id`` is that of the queue message that brought it, if one did. ``time``
    is when it happened, in the words of the event (ISO 8601), or empty.
    """

    bucket: str
    key: ObjectKey
    identity: str
    message_id: str | None = None
    time: str = ""


class Cause(NamedTuple):
    """Why a path is stale: the object that changed, and what the path is to that object."""

    change: ObjectChange
    relation: str

    def __str__(self) -> str:
        return f"{self.relation} {self.change.key!r}"


class Item(NamedTuple):
    """One path to invalidate, with every change that makes it stale."""

    path: UrlPath
    causes: tuple[Cause, ...]

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all paths that begin so. In a path made of a key, ``*`` is ``%2A``."""
        return self.path[-1] == "*"

    @property
    def reason(self) -> str:
        """The distinct causes in words, in an order that does not depend on that of the records."""
        return "; ".join(sorted({str(cause) for cause in self.causes}))


@dataclass(frozen=True, slots=True)
class Batch:
    """What one CreateInvalidation call carries: 1 to 3,000 items without duplicates, sorted by path.

    ``attempts`` counts the invocations in a row in which the distribution refused it. A batch that is ``apart``
    has to be sent as it is, with nothing else, since CloudFront may know its reference, or holds it to be invalid.
    """

    distribution: DistributionId
    items: tuple[Item, ...]
    caller_reference: str
    attempts: int = 0
    apart: bool = False

    @property
    def message_ids(self) -> set[str | None]:
        """The queue messages that are not served until this batch is accepted; None for a change without one."""
        return {cause.change.message_id for item in self.items for cause in item.causes}

    @property
    def since(self) -> str:
        """When the first of its objects changed, as far as that is known."""
        times = (cause.change.time for item in self.items for cause in item.causes)
        return min((time for time in times if time), default="")


@dataclass(frozen=True, slots=True)
class Plan:
    """All batches of one event. Carrying it out in any order gives the same result."""

    batches: tuple[Batch, ...]

    @property
    def calls(self) -> int:
        """CreateInvalidation calls that the plan takes when none is refused."""
        return len(self.batches)

    @property
    def paths(self) -> int:
        """Paths that AWS counts for its price; the same path on two distributions counts twice."""
        return sum(len(batch.items) for batch in self.batches)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one batch ended: with the id of an invalidation, or with an error."""

    batch: Batch
    invalidation: str | None = None
    error: CdnError | None = None
