"""What ``plan`` is asked about: what changed, who serves it, and what else is in the buckets."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from invalidator.cli.output import narrate, progress
from invalidator.errors import ConfigurationError, EventError, ListingError
from invalidator.events.decode import Decoded, Refusal, decode, without_strangers
from invalidator.events.records import change_by_hand
from invalidator.model import Curve, Distribution, DistributionId, Item, ObjectChange, ObjectKey, Plan, UrlPath
from invalidator.operator.snapshots import Snapshot, difference
from invalidator.operator.wording import count
from invalidator.planning.by_hand import batches_of
from invalidator.planning.coalesce import Trial
from invalidator.planning.neighbours import ListObjects
from invalidator.planning.planner import curves, make_plan
from invalidator.runtime import clients
from invalidator.settings import environment
from invalidator.workers import Threads

ANY: Final = "any"
"""In place of a bucket or distribution that nobody named."""

_DESCRIBING_SECONDS: Final = 30.0
_LISTING_SECONDS: Final = 60.0
_OFTEN: Final = 1_000
"""Objects that are listed until that is shown."""

# Why a budget cannot be kept.
_NO_WILDCARDS: Final = "without wildcards"
_TAGS: Final = "with these cache tags, each of which takes a path"
_TICKETS: Final = "with tickets, which are sent as they are"


@dataclass(slots=True)
class Preview:
    """A plan before it is made. ``told`` is what there is to say of how its changes were found."""

    decoded: Decoded
    distributions: list[Distribution]
    config: environment.Settings
    objects: ListObjects
    told: str = ""

    def plan(self) -> Plan:
        """What would be sent."""
        decoded, config = self.decoded, self.config
        return make_plan(
            decoded.changes, self.distributions, config.view, decoded.tickets, config.allowance, self.objects
        )

    def curves(self, also: Iterable[int]) -> list[Curve]:
        """What it would cost with fewer or more paths, and with so many. Raises ListingError."""
        changes, config = self.decoded.changes, self.config
        with ExitStack() as stack:
            # Not shown before the first budget: until then it is shown what is listed.
            started = cache(lambda: stack.enter_context(progress("budgets tried")))

            def begin() -> None:
                started()()

            trial = Trial(config.allowance.wildcards, tuple(also), begin)
            return list(curves(changes, self.distributions, config.view, self.objects, trial))

    def beyond(self, made: Plan, budget: int) -> list[str]:
        """Why distributions get more paths than the budget, as far as the plan does not say so itself."""
        left: dict[DistributionId, set[UrlPath]] = {}
        for batch in self.decoded.tickets:
            left.setdefault(batch.distribution, set()).update(item.path for item in batch.items)
        sent: dict[DistributionId, list[Item]] = {}
        for batch in made.batches:
            sent.setdefault(batch.distribution, []).extend(batch.items)
        alike: dict[tuple[str, int], list[DistributionId]] = {}
        for id_, items in sent.items():
            new = [item.path for item in items if item.path not in left.get(id_, ())]
            if len(items) > budget and (why := self._why(new, budget)):
                alike.setdefault((why, len(items)), []).append(id_)
        return [_beyond(ids, budget, why, paths) for (why, paths), ids in alike.items()]

    def beyond_all(self, found: list[Curve], budget: int) -> list[str]:
        """Why distributions have no point on their curve that the budget pays for."""
        why = _TAGS if self.config.allowance.wildcards else _NO_WILDCARDS
        return [
            _beyond(curve.distributions, budget, why, curve.points[0].paths) for curve in found if not curve.at(budget)
        ]

    def _why(self, new: list[UrlPath], budget: int) -> str:
        if len(new) <= budget:
            return _TICKETS
        if self.config.allowance.wildcards:
            return ""
        return _TAGS if sum(path[0] == "#" for path in new) >= budget else _NO_WILDCARDS


def _beyond(ids: Iterable[DistributionId], budget: int, why: str, paths: int) -> str:
    return f"{', '.join(ids)}: --budget {budget} cannot be kept {why}: it takes {count(paths, 'path')}"


def of_event(document: object, config: environment.Settings) -> Preview:
    """Of what an event says."""
    return _served(decode(document, "plan"), config, _listed(config.list_pages))


def of_keys(keys: list[str], bucket: str | None, config: environment.Settings) -> Preview:
    """Of the objects with these keys. Without a bucket nothing is asked of AWS: not who serves them, nor what else."""
    decoded = changes_of_keys(keys, bucket or ANY, "plan")
    if bucket:
        return _served(decoded, config, _listed(config.list_pages))
    if config.discover:
        raise ConfigurationError("--bucket: give the bucket of the keys, for distributions to be discovered")
    return _served(decoded, replace(config, describe=False), _unlisted)


def of_wish(
    texts: list[str], keys: list[str], bucket: str | None, config: environment.Settings, identity: str
) -> Preview:
    """Of paths as they are written, and of the objects with these keys; ``identity`` tells this wish from others.

    CloudFront is asked who serves the bucket of the keys, and S3 what else is in it. Raises ConfigurationError if it is
    not given, and the distributions serve several.
    """
    config = config if keys else replace(config, describe=False)
    distributions, _ = serving(config, {bucket or ANY} if bucket or keys else set())
    if keys and not bucket:
        bucket = _common_bucket(distributions)
    batches = batches_of(texts, "--paths", [item.id for item in distributions], identity)
    decoded = replace(changes_of_keys(keys, bucket or ANY, identity), tickets=batches)
    return Preview(decoded, distributions, config, _listed(config.list_pages) if bucket else _unlisted)


def _common_bucket(distributions: Iterable[Distribution]) -> str:
    """The bucket that they serve; empty if that is not known. Raises ConfigurationError if there are several."""
    found = sorted({name for item in distributions for name in item.site.buckets(())})
    if len(found) > 1:
        raise ConfigurationError(f"--bucket: give the bucket of the keys: the distributions serve {', '.join(found)}")
    return "".join(found)


def of_snapshots(before: Snapshot, after: Snapshot, bucket: str | None, config: environment.Settings) -> Preview:
    """Of what differs between two listings. AWS is not asked: each distribution is taken to serve each key as it is."""
    keys, new, gone = difference(before, after)
    decoded = changes_of_keys(keys, bucket or ANY, "plan")
    distributions = [Distribution(id_) for id_ in config.distributions or (DistributionId(ANY),)]
    for warning in config.warnings:
        narrate(f"warning: {warning}")
    told = f"{count(len(keys), 'object')} changed, {new:,} of them new and {gone:,} gone; "
    told += f"{len(after.objects) - (len(keys) - gone):,} unchanged"
    return Preview(decoded, distributions, config, lambda _, prefix: after.keys(prefix), told)


def changes_of_keys(keys: Iterable[str], bucket: str, identity: str) -> Decoded:
    """Return the changes of objects that a person names, and refuse each key that S3 cannot have."""
    changes, refusals = list[ObjectChange](), list[Refusal]()
    for key in keys:
        try:
            changes.append(change_by_hand(bucket, key, identity))
        except EventError as error:
            refusals.append(Refusal(str(error), None))
    return Decoded(changes, refusals=refusals)


def serving(config: environment.Settings, buckets: set[str]) -> tuple[list[Distribution], list[str]]:
    """The distributions that may serve these buckets, with what CloudFront says of them, and what it does not."""
    catalog = clients.catalog()
    found = catalog.look_up(config, buckets, Threads(), _DESCRIBING_SECONDS)
    warnings = catalog.warnings()
    for warning in warnings:
        narrate(f"warning: {warning}")
    return found, warnings


def _served(decoded: Decoded, config: environment.Settings, objects: ListObjects) -> Preview:
    distributions, _ = serving(config, {change.bucket for change in decoded.changes})
    decoded = without_strangers(decoded, lambda id_: clients.catalog().has(id_, config))
    return Preview(
        decoded,
        distributions,
        config,
        objects,
        f"{count(decoded.ignored, 'record')} ignored" if decoded.ignored else "",
    )


def _unlisted(_bucket: str, _prefix: str) -> Iterator[ObjectKey]:
    raise ListingError("what else is in the bucket is not known: say with --bucket which it is")


def _listed(pages: int) -> ListObjects:
    """The keys that S3 lists, shown as they come. All listings have so many pages in common, and some time."""
    bounds = cache(lambda: clients.listings().bounds(pages, _LISTING_SECONDS))

    def objects(bucket: str, prefix: str) -> Iterator[ObjectKey]:
        with progress(f"listing {bucket}", each=_OFTEN) as advance:
            for number, key in enumerate(clients.listings().keys(bucket, prefix, bounds()), 1):
                if number % _OFTEN == 0:
                    advance()
                yield key

    return objects
