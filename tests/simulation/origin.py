"""The notifications of the bucket, which others overwrite, and what nobody hears of meanwhile.

S3 acts on a new configuration up to five minutes later. A person reads alarms, and repairs what the stack may not.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import inf
from random import Random
from typing import Any

from invalidator.errors import NotificationError
from invalidator.limits import SECONDS_UNTIL_NOTIFIED
from invalidator.notifications.merge import Configuration, NotificationEntry, connected, entries_of
from tests.doubles.versioned_s3 import VersionedS3
from tests.simulation.sites import BUCKET, MARKER
from tests.simulation.uploads import HOUR, Upload
from tests.simulation.world import BEGINNING, World

SHARE = 0.12
"""The share of worlds in which others overwrite the notifications of the bucket."""
REGION = "eu-central-1"
ENTRY = NotificationEntry("stack", f"arn:aws:sqs:{REGION}:123456789012:changes")
NOBODY = json.dumps({"Statement": []})
"""The policy of a queue into which S3 may not send."""
_ANOTHER = f"arn:aws:sns:{REGION}:123456789012:others"
_HOURS = 3 * HOUR
_POLICY_SECONDS = 60.0
"""After so many seconds at most, SQS acts on a new policy."""


@dataclass(frozen=True)
class Plan:
    """The connection of a world, and its troubles.

    The check runs every ``period`` seconds and may repair. ``skew`` is the clock of S3, ``page`` the versions in a page
    of a listing, which may be so ``slow`` that one check cannot finish it. ``fails``, ``killed``, ``throttled`` and
    ``twice`` are probabilities, of a call or of an invocation, ``meanwhile`` that others write while it runs.
    """

    period: float
    repairs: bool
    has_versions: bool
    skew: float
    page: int
    is_slow: bool
    fails: float
    killed: float
    throttled: float
    twice: float
    meanwhile: float
    troubles: tuple[tuple[float, str], ...]
    uploads: tuple[Upload, ...]


def plan_of(seed: int, uploads: list[Upload]) -> Plan | None:
    """Draw the connection of a world with these uploads; None for most."""
    rng = Random(f"connection {seed}")  # noqa: S311 it has to be the same again
    if rng.random() >= SHARE:
        return None
    kinds = ["replaced", "replaced", "overlapping", "denied"]
    is_slow = rng.random() < 0.4
    return Plan(
        period=60.0 * rng.choice([5, 5, 20, 60]),
        repairs=rng.random() < 0.7,
        has_versions=rng.random() < 0.5,
        skew=rng.uniform(-10, 10),
        page=3 if is_slow else rng.choice([3, 25, 1_000]),
        is_slow=is_slow,
        fails=rng.choice([0.0, 0.02, 0.1]),
        killed=rng.choice([0.0, 0.1, 0.4]),
        throttled=rng.choice([0.0, 0.2]),
        twice=rng.choice([0.0, 0.2, 0.5]),
        meanwhile=rng.choice([0.0, 0.5]),
        troubles=tuple((rng.uniform(0, _HOURS), rng.choice(kinds)) for _ in range(rng.randint(1, 4))),
        uploads=tuple(_more(rng, _keys(uploads))),
    )


def _keys(uploads: list[Upload]) -> list[str]:
    """Return some of the keys, and more beside them: most objects change for the last time unheard, or heard."""
    keys = sorted({upload.key for upload in uploads} - {MARKER})
    below = "prod/" if any(key.startswith("prod/") for key in keys) else ""
    return [*keys[:20], *(f"{below}pages/{number}.html" for number in range(60))]


def _more(rng: Random, keys: list[str]) -> Iterator[Upload]:
    at = rng.uniform(0, 60)
    while at < _HOURS + HOUR / 2:
        yield Upload(at, rng.choice(keys), removed=rng.random() < 0.15)
        at += rng.choice([1.0, 60.0, 400.0]) * rng.random()


class Origin:
    """The bucket with its versions and notifications, and the policy of the queue.

    ``happened`` counts the troubles. ``unheard`` are the seconds at which objects changed for the last time without
    being heard. ``broken`` and ``denied`` count how often the entry was lost, and how often the queue let nobody in.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self.plan = world, plan
        self.s3 = VersionedS3(page=plan.page)
        self.configuration: Configuration = {}
        self.happened: Counter[str] = Counter()
        self.unheard: dict[str, float] = {}
        self.broken = self.denied = 0
        self.is_calm = self.is_denied = False
        self._acts_at, self._lets_in_at = inf, 0.0
        self._changed: dict[str, float] = {}
        self._repaired = self._allowed = 0

    def schedule(self) -> None:
        """Let the stack connect the bucket, and others do what they do."""
        self._world.after(0.0, lambda: self.put(connected({}, ENTRY)))
        begin = {"replaced": self.replace, "overlapping": partial(self.replace, overlaps=True), "denied": self._deny}
        for at, kind in self.plan.troubles:
            self._world.after(at, partial(self._trouble, kind, begin[kind]))

    # --- what changes -----------------------------------------------------------------------------------

    def hears(self) -> bool:
        """Return whether S3 tells of a change that happens now."""
        return self._world.now >= max(self._acts_at, self._lets_in_at) and not self.is_denied

    def change(self, upload: Upload) -> bool:
        """Change an object. Return whether S3 tells of it."""
        world, key = self._world, upload.key
        is_in_parts = not upload.removed and world.happens(0.2)
        # It has the time at which its upload was begun.
        seconds = world.rng.choice([1.0, 10.0, 300.0]) * world.rng.random() * 60 if is_in_parts else 0.0
        modified = BEGINNING + timedelta(seconds=world.now + self.plan.skew - seconds)
        etag = {"ETag": f'"{world.now:.3f}{"-7" if is_in_parts else ""}"'}
        stored = self.s3.buckets[BUCKET]
        if not self.plan.has_versions:
            stored[:] = [version for version in stored if version.key != key]
        if self.plan.has_versions:
            self.s3.write(key, None if upload.removed else b"", modified, BUCKET, **etag)
        elif not upload.removed:
            self.s3.write(key, b"", modified, BUCKET, "null", **etag)
        self._changed[key] = world.now
        if not self.hears():
            self.unheard[key] = world.now
            kind = "deletes" if upload.removed else "in parts" if is_in_parts else "at once"
            self.happened.update(["not heard", f"not heard, {kind}"])
        return self.hears()

    def unlisted(self) -> set[str]:
        """Return the keys whose last change was not heard, and cannot be seen in a listing: they are gone."""
        if self.plan.has_versions:
            return set()
        there = {stored.key for stored in self.s3.buckets[BUCKET]}
        return {key for key, at in self.unheard.items() if key not in there and at == self._changed[key]}

    def unheard_last(self) -> set[str]:
        """Return the keys whose last change was not heard."""
        return {key for key, at in self.unheard.items() if at == self._changed[key]}

    # --- who writes the configuration -------------------------------------------------------------------

    def put(self, configuration: Configuration) -> None:
        """Replace the configuration. S3 stops at once, and begins some minutes later."""
        had, has = (ENTRY in entries_of(each) for each in (self.configuration, configuration))
        self.configuration = configuration
        if has and not had:
            self._acts_at = self._world.now + self._world.rng.choice([0.3, 1.0]) * SECONDS_UNTIL_NOTIFIED
        elif not has:
            self.broken += had
            self._acts_at = inf
        self._world.note(f"the bucket tells {sorted(entry.target for entry in entries_of(configuration))}")

    def policy(self) -> str:
        """Return the policy of the queue."""
        allowing = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": ENTRY.target,
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{BUCKET}"}},
        }
        return NOBODY if self.is_denied else json.dumps({"Statement": [allowing]})

    def _trouble(self, kind: str, begin: Any) -> None:
        if not self.is_calm:
            self.happened[kind] += 1
            self._world.note(f"the connection: {kind}")
            begin()

    def replace(self, *, overlaps: bool = False) -> None:
        """Let another tool write its own configuration, perhaps one that overlaps with ours."""
        rng = self._world.rng
        events = ["s3:ObjectCreated:*"] if overlaps else ["s3:ReducedRedundancyLostObject"]
        others = [{"Id": "others", "TopicArn": _ANOTHER, "Events": events}]
        self.put({"TopicConfigurations": others} if overlaps or rng.random() < 0.5 else {})
        if overlaps:
            self._world.after(rng.uniform(600, 2 * HOUR), self._give_way)

    def _give_way(self) -> None:
        """Take an entry away that overlaps, and ours with it, if it is there meanwhile."""
        if any(entry.target == _ANOTHER and entry.events & ENTRY.events for entry in entries_of(self.configuration)):
            self.put({})

    def _deny(self) -> None:
        if not self.is_denied:
            self.is_denied, self.denied = True, self.denied + 1

    # --- the person -------------------------------------------------------------------------------------

    def alarm(self, broken: int, denied: int) -> None:
        """Tell a person that the entry, or S3's way into the queue, was lost: the time that has this number."""
        if broken > self._repaired or denied > self._allowed:
            after = 60.0 if self.is_calm else self._world.rng.uniform(60, HOUR / 2)
            self._world.after(after, partial(self._repair, broken, denied))

    def _repair(self, broken: int, denied: int) -> None:
        """Repair what was alarmed about; what is broken since then was not."""
        if denied == self.denied and self.is_denied:
            self.is_denied, self._allowed = False, denied
            self._lets_in_at = self._world.now + self._world.rng.uniform(0, _POLICY_SECONDS)
            self.happened["allowed by hand"] += 1
            self._world.note("a person lets S3 into the queue")
        is_missing = ENTRY not in entries_of(self.configuration)
        if not self.plan.repairs and broken == self.broken and is_missing:
            try:
                self.put(connected(self.configuration, ENTRY))
                self._repaired = broken
                self.happened["repaired by hand"] += 1
            except NotificationError:
                self._world.note("a person cannot repair it")

    def fix(self) -> None:
        """Let nobody overwrite anything any more."""
        self.is_calm = True
        self._give_way()


def time_of(now: float) -> datetime:
    """Return the time at so many seconds of a world."""
    return BEGINNING + timedelta(seconds=now)
