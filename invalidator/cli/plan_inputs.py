"""The inputs of a plan made by hand: what changed, who serves it, and what else is in the buckets.

Most plans are made without AWS, so that its SDK is imported only where it is asked.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from invalidator.by_hand import batches_of
from invalidator.cli.targets import bucket_meant
from invalidator.cli.terminal import narrate, progress, warn
from invalidator.distributions.describe import undescribed
from invalidator.errors import ConfigurationError, EventError, ListingError
from invalidator.events.decode import Decoded, Refusal, decode
from invalidator.events.records import change_by_hand
from invalidator.model import Distribution, DistributionId, ObjectChange, ObjectKey, Plan
from invalidator.operator.curves import Curve, Trial, curves
from invalidator.operator.snapshots import Snapshot, difference
from invalidator.planning.neighbours import ListObjects
from invalidator.planning.planner import make_plan
from invalidator.settings.environment import Settings
from invalidator.wording import count

ANY: Final = "any"
"""Stands for a bucket or distribution that nobody named."""

_LISTING_SECONDS: Final = 60.0
_SHOWN_EACH: Final = 1_000
"""Objects listed between two updates of the progress."""


@dataclass(slots=True)
class Preview:
    """All that a plan is made of. ``summary`` tells how its changes were found."""

    decoded: Decoded
    distributions: list[Distribution]
    settings: Settings
    list_objects: ListObjects
    summary: str = ""

    def plan(self) -> Plan:
        """Return what would be sent."""
        decoded, settings = self.decoded, self.settings
        return make_plan(
            decoded.changes, self.distributions, settings.view, decoded.tickets, settings.allowance, self.list_objects
        )

    def curves(self, also: Iterable[int]) -> list[Curve]:
        """Return what it would cost with fewer or more paths, and with these numbers. Raises ListingError."""
        changes, settings = self.decoded.changes, self.settings
        with ExitStack() as stack:
            # Begun at the first budget: until then, the progress of the listing is shown.
            opened = cache(lambda: stack.enter_context(progress("budgets tried")))

            def begin() -> None:
                advance = opened()
                advance()

            trial = Trial(settings.allowance.wildcards, tuple(also), begin)
            return list(curves(changes, self.distributions, settings.view, self.list_objects, trial))


def narrate_refusals(preview: Preview) -> None:
    """Tell why records are refused."""
    for refusal in preview.decoded.refusals:
        narrate(f"refused: {refusal.reason}")


def of_event(document: object, settings: Settings) -> Preview:
    """Return the preview of an event."""
    return _served(decode(document, "plan"), settings, _listed())


def of_keys(keys: list[str], bucket: str | None, settings: Settings) -> Preview:
    """Return the preview of changed objects. Without a bucket, AWS is asked neither who serves them nor what else.

    Raises ConfigurationError if no distribution serves the bucket, or S3 cannot have one of the keys.
    """
    bucket = bucket_meant(settings, bucket)
    decoded = changes_of_keys(keys, bucket or ANY, "plan")
    if decoded.refusals:
        raise ConfigurationError(f"--key: {decoded.refusals[0].reason}")
    if bucket:
        from invalidator.cli.lookups import distributions_serving

        return Preview(decoded, distributions_serving(settings, bucket), settings, _listed())
    warn(settings.warnings)
    distributions = [Distribution(id_, undescribed(settings.declared.get(id_))) for id_ in settings.distributions]
    return Preview(decoded, distributions, _unwidened(settings), _unlisted)


def of_paths_and_keys(
    texts: list[str], keys: list[str], bucket: str | None, settings: Settings, identity: str
) -> Preview:
    """Return the preview of paths as they are written and of changed objects; ``identity`` makes the references.

    CloudFront is asked who serves the bucket of the keys, and S3 what else is in it. Raises ConfigurationError if no
    bucket is given and the distributions serve several.
    """
    from invalidator.cli.lookups import distributions_described, distributions_serving

    settings = settings if keys else replace(settings, describe=False)
    if bucket:
        distributions = distributions_serving(settings, bucket)
    else:
        distributions = distributions_described(settings, {ANY} if keys else set())
        bucket = _common_bucket(distributions) if keys else None
    batches = batches_of(texts, "--paths", [item.id for item in distributions], identity)
    decoded = replace(changes_of_keys(keys, bucket or ANY, identity), tickets=batches)
    if not bucket:
        return Preview(decoded, distributions, _unwidened(settings), _unlisted)
    return Preview(decoded, distributions, settings, _listed())


def of_snapshots(before: Snapshot, after: Snapshot, bucket: str | None, settings: Settings) -> Preview:
    """Return the preview of what differs between two listings. AWS is not asked: each key is served as it is."""
    keys, new, gone = difference(before, after)
    decoded = changes_of_keys(keys, bucket or ANY, "plan")
    distributions = [Distribution(id_) for id_ in settings.distributions or (DistributionId(ANY),)]
    warn(settings.warnings)
    summary = f"{count(len(keys), 'object')} changed, {new:,} of them new and {gone:,} gone; "
    summary += f"{len(after.objects) - (len(keys) - gone):,} unchanged"
    return Preview(decoded, distributions, settings, lambda _, prefix: after.keys(prefix), summary)


def changes_of_keys(keys: Iterable[str], bucket: str, identity: str) -> Decoded:
    """Return the changes of objects that a person names, and refuse each key that S3 cannot have."""
    changes, refusals = list[ObjectChange](), list[Refusal]()
    for key in keys:
        try:
            changes.append(change_by_hand(bucket, key, identity))
        except EventError as error:
            refusals.append(Refusal(str(error), None))
    return Decoded(changes, refusals=refusals)


def _common_bucket(distributions: Iterable[Distribution]) -> str:
    """Return the bucket that these serve; empty if it is not known. Raises ConfigurationError if there are several."""
    names = sorted({name for item in distributions for name in item.site.buckets(())})
    if len(names) > 1:
        raise ConfigurationError(f"--bucket: give the bucket of the keys: the distributions serve {', '.join(names)}")
    return "".join(names)


def _served(decoded: Decoded, settings: Settings, list_objects: ListObjects) -> Preview:
    from invalidator.cli.lookups import distributions_concerned

    decoded, distributions, _, _ = distributions_concerned(settings, decoded)
    ignored = f"{count(decoded.ignored, 'record')} ignored" if decoded.ignored else ""
    return Preview(decoded, distributions, settings, list_objects, ignored)


def _unwidened(settings: Settings) -> Settings:
    """Return settings by which nothing is widened only to save paths: without a listing, that may evict anything."""
    return replace(settings, allowance=settings.allowance._replace(saving=0))


def _unlisted(_bucket: str, _prefix: str) -> Iterator[ObjectKey]:
    raise ListingError("what else is in the bucket is not known: name it with --bucket")


def _listed() -> ListObjects:
    """Return the listing of a bucket, which shows its progress. All listings share a minute."""
    from invalidator.runtime import clients

    bounds = cache(lambda: clients.listings().bounds(_LISTING_SECONDS))

    def list_objects(bucket: str, prefix: str) -> Iterator[ObjectKey]:
        with progress(f"listing {bucket}", each=_SHOWN_EACH) as advance:
            for number, key in enumerate(clients.listings().keys(bucket, prefix, bounds()), 1):
                if number % _SHOWN_EACH == 0:
                    advance()
                yield key

    return list_objects
