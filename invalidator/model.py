"""The nouns: what changed, what has to be forgotten because of it, and how that went."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, NewType

from invalidator.errors import CdnError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL, USD_PER_PATH

ObjectKey = NewType("ObjectKey", str)
"""A key as S3 stores it, decoded. Bytes that are not UTF-8 are kept as surrogate escapes (PEP 383)."""

UrlPath = NewType("UrlPath", str)
"""A path as CloudFront wants it in an invalidation: encoded, beginning with a slash. Or a cache tag: ``#tag``."""

DistributionId = NewType("DistributionId", str)
"""The id of a distribution, or of a tenant of one (``dt_…``)."""


# What there is one of for every record is a NamedTuple and not, like the rest, a frozen dataclass: it is as
# immutable and takes a third of the time to make, a twentieth of all the time that a large event takes.


class ObjectChange(NamedTuple):
    """One object was written or removed.

    ``identity`` tells this change from every other change of any object, and is the same each time that
    the change is delivered. ``message_id`` is that of the queue message that brought it, if one did. ``time``
    is when it happened, in the words of the event (ISO 8601), or empty. ``version`` is the version id of an object
    that was written; empty for one that was removed, and where the event has none.
    """

    bucket: str
    key: ObjectKey
    identity: str
    message_id: str | None = None
    time: str = ""
    version: str = ""


class Cause(NamedTuple):
    """Why a path is stale: the object that changed, and what the path is to that object."""

    change: ObjectChange
    relation: str

    def __str__(self) -> str:
        return f"{self.relation} {self.change.key!r}"


class Wide(NamedTuple):
    """What a wildcard stands for that was made to save paths: so many objects that changed, and so many that did not.

    Of the latter it is None where they are not known.
    """

    changed: int
    evicted: int | None

    def __str__(self) -> str:
        evicted = "an unknown number of" if self.evicted is None else f"{self.evicted:,}"
        return f"{self.changed:,} changed, {evicted} unchanged evicted"


class Item(NamedTuple):
    """One path to invalidate, with every change that makes it stale; if it was widened, with what that costs."""

    path: UrlPath
    causes: tuple[Cause, ...]
    wide: Wide | None = None

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all paths that begin so. In a path made of a key, ``*`` is ``%2A``."""
        return self.path[-1] == "*"

    @property
    def reason(self) -> str:
        """What a wide item costs; else the distinct causes, in an order that does not depend on that of the records."""
        if self.wide:
            return str(self.wide)
        return "; ".join(sorted({str(cause) for cause in self.causes}))


class Origin(NamedTuple):
    """A bucket behind a distribution; an empty name stands for any bucket.

    CloudFront puts ``path`` ("" or "/prod") in front of what a viewer asks for. The website endpoint of a bucket
    serves index documents by itself.
    """

    bucket: str
    path: str = ""
    is_website: bool = False


class Declared(NamedTuple):
    """A statement of the settings about a distribution: the bucket behind each origin whose domain names none.

    An empty bucket stands for any bucket if there is an origin path; without both, such origins are ignored.
    ``cache_tags`` is true where objects carry tags that CloudFront knows them by.
    """

    bucket: str = ""
    origin_path: str = ""
    cache_tags: bool = False

    @property
    def origin(self) -> Origin | None:
        """The origin to assume where a domain names no bucket; None if there is none."""
        return Origin(self.bucket, self.origin_path) if self.bucket or self.origin_path else None


class Behavior(NamedTuple):
    """What a distribution does with the URLs that match a pattern, in which ``*`` and ``?`` are wildcards.

    ``origins`` are those buckets that it may ask: several, if it is a group. With ``query_strings`` it caches a URL
    apart for each query string, or for some part of it.
    """

    pattern: str
    origins: tuple[Origin, ...]
    query_strings: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """How a distribution finds an object for a URL: by the first of the behaviours that matches, the default one last.

    ``root_object`` is what it serves at ``/``, if it says so. With ``cache_tags``, objects can be cleared by tag.
    """

    behaviors: tuple[Behavior, ...]
    root_object: str = ""
    cache_tags: bool = False

    def buckets(self, known: Iterable[str]) -> set[str]:
        """Those that it asks; if it may ask any, those known."""
        names = {origin.bucket for behavior in self.behaviors for origin in behavior.origins}
        return names - {""} | set(known if "" in names else ())

    def origins(self, bucket: str) -> list[Origin]:
        """Where it asks this bucket, each once."""
        found = (origin for behavior in self.behaviors for origin in behavior.origins)
        return [origin for origin in dict.fromkeys(found) if origin.bucket in ("", bucket)]


UNKNOWN_SITE: Final = Site((Behavior("*", (Origin(""),)),))
"""What is assumed of a distribution that is not described: any object of any bucket is served under its own key."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution, or a tenant of one, with what is known of it."""

    id: DistributionId
    site: Site = UNKNOWN_SITE


def _usd(paths: int) -> float:
    return round(paths * USD_PER_PATH, 3)


class Allowance(NamedTuple):
    """The paths that one plan may send to each distribution, and the wildcards among them.

    ``lossless`` says when wildcards that evict nothing unchanged replace paths: always, never, or (None) only where
    that saves money.
    """

    paths: int = MAX_ITEMS_PER_CALL
    wildcards: int = MAX_WILDCARDS_PER_CALL
    lossless: bool | None = None


EXACT: Final = Allowance(wildcards=0)
"""Nothing is widened, however much changed."""


class Cost(NamedTuple):
    """What something takes: paths, wildcards among them, calls, and unchanged objects evicted, None if not known."""

    paths: int
    wildcards: int
    calls: int
    evicted: int | None

    @property
    def usd(self) -> float:
        """US dollars, as far as the paths are beyond the free ones of the month."""
        return _usd(self.paths)


class Point(NamedTuple):
    """So many paths, so many of them wildcards, are enough if so many unchanged objects are evicted."""

    paths: int
    wildcards: int
    evicted: int

    @property
    def usd(self) -> float:
        """US dollars, as far as the paths are beyond the free ones of the month."""
        return _usd(self.paths)


@dataclass(frozen=True, slots=True)
class Curve:
    """What can be had on some distributions with the same site: more paths for fewer evictions, in that order.

    ``changed`` objects would take ``exact`` paths if nothing were widened. ``warnings`` say why evictions may be more.
    """

    distributions: tuple[DistributionId, ...]
    changed: int
    exact: int
    points: tuple[Point, ...]
    warnings: tuple[str, ...] = ()

    def at(self, budget: int) -> Point | None:
        """What is had for at most so many paths; None if that is not enough for anything."""
        return max((point for point in self.points if point.paths <= budget), default=None)


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
    def cost(self) -> Cost:
        """What sending it takes."""
        evicted = [item.wide.evicted for item in self.items if item.wide]
        known = [number for number in evicted if number is not None]
        wildcards = sum(item.is_wildcard for item in self.items)
        return Cost(len(self.items), wildcards, 1, sum(known) if len(known) == len(evicted) else None)

    @property
    def message_ids(self) -> set[str | None]:
        """The queue messages that are not served until this batch is accepted; None for a change without one."""
        return {cause.change.message_id for item in self.items for cause in item.causes}

    @property
    def since(self) -> str:
        """When the first of its objects changed, as far as that is known."""
        times = (cause.change.time for item in self.items for cause in item.causes)
        return min((time for time in times if time), default="")


class Note(NamedTuple):
    """Something that is not done on a distribution, why, and for how many of the changes."""

    distribution: DistributionId
    text: str
    changes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All batches of one event. Carrying it out in any order gives the same result.

    ``excluded`` counts the changes that the settings exclude, ``unserved`` those that concern no distribution.
    ``warnings`` say why something costs more than it would have to.
    """

    batches: tuple[Batch, ...]
    notes: tuple[Note, ...] = ()
    excluded: int = 0
    unserved: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """What it takes if nothing is refused; the same path on two distributions counts twice."""
        costs = [batch.cost for batch in self.batches]
        evicted = None if any(cost.evicted is None for cost in costs) else sum(cost.evicted or 0 for cost in costs)
        return Cost(sum(cost.paths for cost in costs), sum(cost.wildcards for cost in costs), len(costs), evicted)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one batch ended: with the id of an invalidation, or with an error."""

    batch: Batch
    invalidation: str | None = None
    error: CdnError | None = None

    @property
    def paths(self) -> str:
        """What it is about, in a few words."""
        first, *others = self.batch.items
        return f"{first.path} and {len(others):,} more" if others else first.path

    @property
    def failure(self) -> str:
        """What was not invalidated where, and why; for an operator."""
        return f"{self.batch.distribution}: {self.paths} not invalidated: {self.error}"


class Invalidation(NamedTuple):
    """What a distribution has accepted, as CloudFront tells of it: ``created`` is in UTC.

    In a list, CloudFront tells neither the items nor the caller reference.
    """

    distribution: DistributionId
    id: str
    status: str
    created: datetime
    items: tuple[str, ...] = ()
    caller_reference: str = ""

    @property
    def is_completed(self) -> bool:
        """Whether all edges have forgotten it; if not, it is in progress."""
        return self.status.lower() == "completed"
