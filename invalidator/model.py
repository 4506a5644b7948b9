"""The nouns: changes of objects, distributions, the plan for them, and its outcome. Pure."""

import gc
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, NewType

from invalidator.errors import CdnError
from invalidator.limits import MAX_ITEMS_PER_CALL, MAX_WILDCARDS_PER_CALL, USD_PER_PATH

ObjectKey = NewType("ObjectKey", str)
"""A key as S3 stores it, decoded. Bytes that are not UTF-8 are kept as surrogate escapes (PEP 383)."""

UrlPath = NewType("UrlPath", str)
"""A path as CloudFront takes it in an invalidation: encoded, with a slash in front. Or a cache tag: ``#tag``."""

DistributionId = NewType("DistributionId", str)
"""The id of a distribution, or of a tenant of one (``dt_…``)."""

VISIBLE_CHANGES: Final = ("ObjectCreated:", "ObjectRemoved:", "LifecycleExpiration:")
"""Prefixes of the names of the S3 events that write or remove an object. Tags and restores do not."""

ACL_CHANGE: Final = "ObjectAcl:Put"
"""The name of the S3 event that says who may read an object from now on. Buckets without ACLs never send it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html (2026-11-29)
"""


# A class with an instance for every record is a NamedTuple, not a frozen dataclass like the rest: it is as immutable
# and takes a third of the time to make, which is a twentieth of the time of a large event.

with_fields: Final = tuple.__new__
"""Make a NamedTuple of the values of all its fields, in order: in half the time that its constructor takes.

It fills in no defaults and checks nothing, so it is only for classes of which an event has thousands of instances.
"""


class Uncollected:
    """A block in which objects are made without the garbage collector, which would look at each again and again."""

    def __enter__(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._collects:  # else it is none of this block's business, or another thread's
            gc.enable()


class ObjectChange(NamedTuple):
    """One object was written or removed, or other people may read it.

    ``identity`` differs from that of every other change of any object, and is the same in each delivery of this change.
    ``message_id`` is that of the queue message that brought the change, if one did. ``time`` is when it happened, as
    the event has it (ISO 8601), or empty. ``version`` is the version id of the object that was written; empty for
    any other change, or where the event has none.
    """

    bucket: str
    key: ObjectKey
    identity: str
    message_id: str | None = None
    time: str = ""
    version: str = ""

    @property
    def subject(self) -> tuple[str, str]:
        """The object itself: one, however often it changes."""
        return self.bucket, self.key


@dataclass(frozen=True, slots=True, eq=False)
class HeldChanges:
    """Changes that wait until it is known what some distributions serve, and why it is not.

    ``distributions`` may contain the word ``discover``, for those that have to be discovered, beside those that were
    ``listed`` at that time and have been served. ``attempts`` counts the invocations in a row that asked in vain.
    What is ``apart`` has to be sent with nothing else: an invocation that ended early may have done so.
    """

    distributions: tuple[DistributionId, ...]
    changes: tuple[ObjectChange, ...]
    attempts: int = 0
    why: str = ""
    listed: tuple[DistributionId, ...] = ()
    apart: bool = False

    @property
    def since(self) -> str:
        """The time of the earliest change, as far as that is known; else empty."""
        return min((change.time for change in self.changes if change.time), default="")


class Gathered(NamedTuple):
    """Changes that wait for the rest of their burst.

    ``since`` is when the first of them was received, ``going_on`` when the burst last went on, in seconds since 1970.
    """

    changes: tuple[ObjectChange, ...]
    since: float
    going_on: float


class Request(NamedTuple):
    """A path that somebody asks for, or that an earlier invocation left; there is no record of S3 behind it.

    ``key`` is the path as it was written, or the key of the object that an earlier invocation knew. ``identity``,
    ``message_id`` and ``time`` are those of an ``ObjectChange``.
    """

    key: str
    identity: str
    message_id: str | None = None
    time: str = ""

    @property
    def subject(self) -> tuple[str, str]:
        """The path or key that is asked for; its bucket is not known."""
        return "", self.key


class Cause(NamedTuple):
    """Why a path is invalidated: the change or request, and what the path is to its key."""

    source: ObjectChange | Request
    relation: str

    def __str__(self) -> str:
        return f"{self.relation} {self.source.key!r}"


class Wide(NamedTuple):
    """The objects under a wildcard that was made to save paths: so many changed, so many did not.

    ``evicted`` is None where the unchanged objects are not known.
    """

    changed: int
    evicted: int | None

    def __str__(self) -> str:
        evicted = "an unknown number of" if self.evicted is None else f"{self.evicted:,}"
        return f"{self.changed:,} changed, {evicted} unchanged evicted"


class Item(NamedTuple):
    """One path to invalidate, with its causes; if it was widened, with what that costs."""

    path: UrlPath
    causes: tuple[Cause, ...]
    wide: Wide | None = None

    @property
    def is_wildcard(self) -> bool:
        """True if it stands for all paths that begin so. In a path made of a key, ``*`` is ``%2A``."""
        return self.path[-1] == "*"

    @property
    def reason(self) -> str:
        """The price of a widened item, or else its distinct causes in an order that the records do not change."""
        if self.wide:
            return str(self.wide)
        return "; ".join(sorted({str(cause) for cause in self.causes}))


class Origin(NamedTuple):
    """A bucket behind a distribution; an empty name stands for any bucket.

    CloudFront puts ``path`` ("" or "/prod") in front of the path that a viewer asks for. The website endpoint of a
    bucket serves index documents by itself.
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
    """A cache behaviour: it serves the URLs that match a pattern, in which ``*`` and ``?`` are wildcards.

    ``origins`` are the buckets that it may ask: several, if it is an origin group. With ``query_strings`` it caches a
    URL separately for each query string, or for some part of it.
    """

    pattern: str
    origins: tuple[Origin, ...]
    query_strings: bool = False


class ErrorPage(NamedTuple):
    """A page that CloudFront shows for an error, and the seconds for which it keeps it under the URL that failed."""

    path: UrlPath
    seconds: int


@dataclass(frozen=True, slots=True)
class Site:
    """The way from a URL to an object: the first behaviour that matches serves it; the default behaviour is last.

    ``root_object`` is the default root object, or empty. With ``cache_tags``, objects can be cleared by tag.
    """

    behaviors: tuple[Behavior, ...]
    root_object: str = ""
    cache_tags: bool = False
    error_pages: tuple[ErrorPage, ...] = ()

    def buckets(self, known: Iterable[str]) -> set[str]:
        """Return the buckets that it asks; if it may ask any bucket, also the known ones."""
        names = {origin.bucket for behavior in self.behaviors for origin in behavior.origins}
        return names - {""} | set(known if "" in names else ())

    def origins(self, bucket: str) -> list[Origin]:
        """Return the origins that lead to this bucket, each once."""
        found = (origin for behavior in self.behaviors for origin in behavior.origins)
        return [origin for origin in dict.fromkeys(found) if origin.bucket in ("", bucket)]


UNKNOWN_SITE: Final = Site((Behavior("*", (Origin(""),)),))
"""The site of a distribution that is not described: any object of any bucket is served under its own key."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution or a tenant, its site, and the changes that have waited for it.

    The new changes of an event concern it only if it ``takes_new`` ones.
    """

    id: DistributionId
    site: Site = UNKNOWN_SITE
    held: tuple[HeldChanges, ...] = ()
    takes_new: bool = True


@dataclass(frozen=True, slots=True)
class UnknownDistribution:
    """A distribution of which nobody knows what it serves, and why; otherwise as a Distribution."""

    id: DistributionId
    error: CdnError
    held: tuple[HeldChanges, ...] = ()
    takes_new: bool = True


def usd_for(paths: int) -> float:
    """Return the US dollars for paths beyond the free ones of the month."""
    return round(paths * USD_PER_PATH, 3)


class Allowance(NamedTuple):
    """The paths that one plan may send to each distribution, and the wildcards among them.

    So many as ``saving`` may replace paths only because that is cheaper and evicts nothing unchanged. They are few, so
    that the next plan still finds free ones: CloudFront takes fifteen at a time.
    """

    paths: int = MAX_ITEMS_PER_CALL
    wildcards: int = MAX_WILDCARDS_PER_CALL
    saving: int = 7


EXACT: Final = Allowance(wildcards=0)
"""Nothing is widened, however much changed."""


class Cost(NamedTuple):
    """The cost of sending: paths, wildcards among them, calls, and unchanged objects evicted (None: not known)."""

    paths: int
    wildcards: int
    calls: int
    evicted: int | None

    @property
    def usd(self) -> float:
        """US dollars, for paths beyond the free ones of the month."""
        return usd_for(self.paths)


@dataclass(frozen=True, slots=True)
class Batch:
    """The contents of one CreateInvalidation call: 1 to 3,000 items without duplicates, sorted by path.

    ``attempts`` counts the invocations in a row in which it was refused or not answered, apart from waiting behind
    others; ``crowded`` those in which the distribution had too much in progress for it, and accepted nothing else of
    that kind either. A batch that is ``apart`` has to be sent as it is, with nothing else: CloudFront may know its
    reference, or refused a path in it. So has one that is ``frozen``: it is stored before it is sent, and an invocation
    may be cut off, or another copy of it be accepted. A ``repeat`` is the second clearing of a batch that was accepted.
    """

    distribution: DistributionId
    items: tuple[Item, ...]
    caller_reference: str
    attempts: int = 0
    apart: bool = False
    crowded: int = 0
    frozen: bool = False
    repeat: bool = False

    @property
    def is_fixed(self) -> bool:
        """True if it has to be sent as it is."""
        return self.apart or self.frozen

    @property
    def wildcards(self) -> int:
        """The number of items that are wildcards."""
        return sum(item.is_wildcard for item in self.items)

    @property
    def cost(self) -> Cost:
        """The cost of sending it."""
        evicted = [item.wide.evicted for item in self.items if item.wide]
        known = [number for number in evicted if number is not None]
        return Cost(len(self.items), self.wildcards, 1, sum(known) if len(known) == len(evicted) else None)

    @property
    def message_ids(self) -> set[str | None]:
        """The queue messages that wait for this batch to be accepted; None for a change without a message."""
        return {cause.source.message_id for item in self.items for cause in item.causes}

    @property
    def since(self) -> str:
        """The time of the earliest cause, as far as that is known; else empty."""
        times = (cause.source.time for item in self.items for cause in item.causes)
        return min((time for time in times if time), default="")


class Note(NamedTuple):
    """A reason for which changes are left out on a distribution, and how many they are."""

    distribution: DistributionId
    text: str
    changes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All batches of one event. They can be sent in any order.

    ``excluded`` counts the changes that the settings exclude, ``unserved`` those that concern no distribution.
    ``warnings`` say why the plan costs more than necessary. ``singly`` is the number of paths without any wildcard that
    saves some.
    """

    batches: tuple[Batch, ...]
    notes: tuple[Note, ...] = ()
    excluded: int = 0
    unserved: int = 0
    warnings: tuple[str, ...] = ()
    singly: int = 0

    @property
    def cost(self) -> Cost:
        """The cost if nothing is refused; the same path on two distributions counts twice."""
        costs = [batch.cost for batch in self.batches]
        evicted = None if any(cost.evicted is None for cost in costs) else sum(cost.evicted or 0 for cost in costs)
        return Cost(sum(cost.paths for cost in costs), sum(cost.wildcards for cost in costs), len(costs), evicted)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one batch: the id of an invalidation, or an error."""

    batch: Batch
    invalidation: str | None = None
    error: CdnError | None = None

    @property
    def paths(self) -> str:
        """Its paths in a few words."""
        first, *others = self.batch.items
        return f"{first.path} and {len(others):,} more" if others else first.path

    @property
    def failure(self) -> str:
        """A sentence for an operator: these paths were not invalidated there, and why."""
        return f"{self.batch.distribution}: {self.paths} not invalidated: {self.error}"


class Invalidation(NamedTuple):
    """An invalidation as CloudFront shows it. ``created`` is in UTC.

    In a list, CloudFront shows neither the items nor the caller reference.
    """

    distribution: DistributionId
    id: str
    status: str
    created: datetime
    items: tuple[str, ...] = ()
    caller_reference: str = ""

    @property
    def is_completed(self) -> bool:
        """True if all edges have forgotten the items; otherwise it is in progress."""
        return self.status.lower() == "completed"
