"""The time, the place and the target of a catch-up, and where it goes on, as a person gives them."""

import base64
import json
import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from invalidator.aws import sdk
from invalidator.aws.functions import Function
from invalidator.aws.queues import Queue
from invalidator.cli.targets import origin_bucket
from invalidator.cli.terminal import utc
from invalidator.connection.catch_up import Sink, Window
from invalidator.connection.examine import NOT_KNOWN
from invalidator.connection.heard import Marker
from invalidator.connection.notification_checks import EVERY_KEY, KeyFilter
from invalidator.errors import ConfigurationError
from invalidator.notifications.merge import NotificationEntry
from invalidator.operator.dead_letter_queue import url_of_queue
from invalidator.operator.stacks import wiring_of
from invalidator.settings import environment
from invalidator.settings.queue_names import check_queue, queue_region

_age = re.compile(r"([0-9]{1,6})([smhd])").fullmatch
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_OLDEST: Final = timedelta(days=365)
_GOING_ON: Final = timedelta(days=30)
"""So much older a time may be that stands in the line with which an earlier run goes on."""


class Place(NamedTuple):
    """A bucket and its keys, and what hears of their changes: a queue, by its URL or name, or a function."""

    bucket: str
    keys: KeyFilter
    queue: str
    function: str

    def connect(self) -> tuple[str, Sink]:
        """Return the URL of the queue, or the name of the function, and what sends to it.

        Raises ConfigurationError if there is neither, or an error that says why it is not found.
        """
        if self.function:
            return self.function, Function.connect(self.function)
        if not self.queue:
            raise ConfigurationError("--queue: give the queue of the function, or the stack with --stack")
        # A message that is stored twice does no harm: its changes have the same identities.
        client = sdk.client("sqs", attempts=3, region=queue_region(self.queue))
        url = url_of_queue(self.queue, client)
        return url, Queue(client, url)


def place_meant(
    stack: str | None, bucket: str | None, queue: str | None, prefix: str | None, suffix: str | None
) -> Place:
    """Return what is given and, of what is not, that of the stack, or that which the settings name.

    Raises ConfigurationError, or StackError.
    """
    if queue is not None:
        check_queue(queue, "--queue")
    deployed, entry = _deployed(stack)
    origin = origin_bucket(deployed if bucket is None else bucket)
    keys = _keys(prefix, suffix, entry if origin == deployed else None)
    target = queue or environment.queue_urls()[0]
    return Place(origin, keys, target, entry.target if entry and not target else "")


def _deployed(stack: str | None) -> tuple[str | None, NotificationEntry | None]:
    bucket, wiring = wiring_of(stack) if stack else (None, NOT_KNOWN)
    return bucket, wiring.entry


def _keys(prefix: str | None, suffix: str | None, entry: NotificationEntry | None) -> KeyFilter:
    """Return the keys that are given or, of what is not, those of an entry, or all."""
    for name, text in (("--prefix", prefix), ("--suffix", suffix)):
        if text and not text.isprintable():
            raise ConfigurationError(f"{name}: {text!r:.80} is not printable: give the part of it that is")
    heard = KeyFilter(entry.prefix, entry.suffix) if entry else EVERY_KEY
    return KeyFilter(heard.prefix if prefix is None else prefix, heard.suffix if suffix is None else suffix)


def window_meant(since: str, until: str | None, now: datetime) -> Window:
    """Return the time between two moments, in whole seconds. Raises ConfigurationError if there is none."""
    window = Window(_moment("--since", since, now), _moment("--until", "0s" if until is None else until, now))
    if window.until < window.since:
        raise ConfigurationError(f"--until: {until!r} is before --since")
    return window


def _moment(option: str, text: str, now: datetime) -> datetime:
    found = _age(text)
    age = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else now - _time(option, text)
    if age < timedelta():
        raise ConfigurationError(f"{option}: {text!r} is in the future: it is {utc(now)}")
    if age > _OLDEST + (timedelta() if found else _GOING_ON):
        raise ConfigurationError(
            f"{option}: {text!r} is more than {_OLDEST.days} days ago: clear everything with create --paths '/*'"
        )
    return (now - age).replace(microsecond=0)


def _time(option: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        expected = "an age, as 90s, 45m, 2h or 3d, nor a time, as 2026-11-30T08:00:00Z"
        raise ConfigurationError(f"{option}: {text!r:.80} is neither {expected}") from error
    if time.tzinfo is None:
        raise ConfigurationError(f"{option}: {text!r} has no zone: add Z for UTC, or one as +01:00")
    return time


def marker_text(marker: Marker, place: Place, window: Window) -> str:
    """Return a marker of this listing for an option: whatever is in the key, it passes a shell and a terminal."""
    return base64.urlsafe_b64encode(json.dumps([*marker, _digest(place, window)]).encode()).decode()


def marker_meant(text: str, place: Place, window: Window) -> Marker:
    """Return the marker in a text. Raises ConfigurationError if there is none, or it is of another listing."""
    copy = "copy the whole line with which it said how to go on"
    try:
        key, version, digest = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
        is_marker = isinstance(key, str) and isinstance(version, str) and key and version
    except (ValueError, TypeError, RecursionError):
        is_marker = False
    if not is_marker:
        raise ConfigurationError(f"--after: {text!r:.80} is not where a catch-up stopped: {copy}")
    if digest != _digest(place, window):
        raise ConfigurationError(
            f"--after: that catch-up had another bucket, prefix, suffix, --since or --until: {copy}"
        )
    return key, version


def _digest(place: Place, window: Window) -> str:
    """Return what tells a listing from others: where it goes on, another one would skip keys that it never saw."""
    listed = [place.bucket, *place.keys, *map(utc, window)]
    return sha256(json.dumps(listed).encode()).hexdigest()[:16]
