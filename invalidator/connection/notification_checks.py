"""Checks of what a bucket sends, to whom and to which Regions; and of what passes it on to the function. Pure."""

from collections.abc import Collection, Sequence
from shlex import quote
from typing import Final, NamedTuple

from invalidator.connection.findings import Finding, FindingVerdict
from invalidator.notifications.arns import QUEUE_ARN_FORM, Arn
from invalidator.notifications.merge import (
    EVENTBRIDGE,
    EVENTS,
    Configuration,
    NotificationEntry,
    entries_of,
    filter_words,
)
from invalidator.wording import agreed, all_names

_KINDS: Final = {
    "s3:ObjectCreated:*": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "s3:ObjectRemoved:*": ("Delete", "DeleteMarkerCreated"),
    "s3:LifecycleExpiration:*": ("Delete", "DeleteMarkerCreated"),
}
"""The events that a wildcard stands for.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html (2026-11-22)
"""
_EVENTS_OF: Final = {wildcard: [f"{wildcard[:-1]}{kind}" for kind in kinds] for wildcard, kinds in _KINDS.items()}

VISIBLE_EVENTS: Final = frozenset(event for events in _EVENTS_OF.values() for event in events)
"""Each S3 event that every bucket has to send: all that viewers see, but changes of ACLs, which few buckets have."""


_ACL_EVENT: Final = frozenset(event for event in EVENTS if not event.endswith("*"))


class KeyFilter(NamedTuple):
    """The keys with a prefix and a suffix; empty ones stand for all."""

    prefix: str = ""
    suffix: str = ""


EVERY_KEY: Final = KeyFilter()


class _Missing(NamedTuple):
    """The events that are sent for no key, and those that are sent for some keys only, of those that are served."""

    entirely: frozenset[str]
    by_filter: frozenset[str]


def entries_for(configuration: Configuration, queue: str = "") -> list[NotificationEntry]:
    """Return the entries by which the function may get the events of a bucket: all, if its queue is not known.

    ``queue`` is the ARN of its queue: then the entries with that target, or else those with a topic.
    """
    entries = entries_of(configuration)
    if not queue:
        return entries
    return [entry for entry in entries if entry.target == queue] or [
        entry for entry in entries if _service(entry.target) == "sns"
    ]


def check_as_deployed(bucket: str, configuration: Configuration, entry: NotificationEntry) -> list[Finding]:
    """Return whether the bucket sends all that an entry says, which a stack has added to its notifications."""
    again = f"python -m invalidator connect --stack {quote(entry.id)}"
    if entry.target == EVENTBRIDGE:
        if "EventBridgeConfiguration" in configuration:
            return [_finding("ok", f"bucket {bucket} sends every change to EventBridge")]
        text = f"bucket {bucket} does not send to EventBridge: its changes are not invalidated"
        return [_finding("wrong", text, again)]
    entries = [found for found in entries_of(configuration) if found.target == entry.target]
    if not entries:
        return [_not_connected(bucket, configuration, entry.target, again)]
    keys = [KeyFilter(entry.prefix, entry.suffix)]
    missing = _missing(entries, keys, VISIBLE_EVENTS | _ACL_EVENT)
    if not any(missing):
        return [_complete(bucket, entries, keys)]
    others = [found for found in entries if found.id != entry.id]
    return _incomplete(bucket, entries, missing, " && ".join([*_away(bucket, others), again]))


def check_notification(
    bucket: str, configuration: Configuration, queue: str = "", served: Collection[KeyFilter] = (EVERY_KEY,)
) -> list[Finding]:
    """Return whether the bucket sends every event that changes what a viewer sees.

    ``queue`` is the ARN of the function's queue, if that is known; ``served`` are the keys that viewers get.
    """
    entries = entries_for(configuration, queue)
    missing = _missing(entries, served, VISIBLE_EVENTS)
    is_complete = bool(entries) and not any(missing)
    if "EventBridgeConfiguration" in configuration and not is_complete and not (entries and queue):
        return [_finding("ok", f"bucket {bucket} sends every change to EventBridge, whose rules are not checked")]
    todo = _connect(bucket, entries, queue)
    if not entries:
        return [_not_connected(bucket, configuration, queue, todo)]
    if is_complete:
        return [_complete(bucket, entries, served)]
    return _incomplete(bucket, entries, missing, todo, "; or nothing, if no other key is served")


def _finding(verdict: FindingVerdict, text: str, todo: str = "") -> Finding:
    return Finding("notification", verdict, text, todo)


def _complete(bucket: str, entries: Sequence[NotificationEntry], served: Collection[KeyFilter]) -> Finding:
    words = [filter_words(NotificationEntry("", "", *keys)) for keys in served]
    keys = f" of keys with {' or '.join(words)}" if all(words) else ""
    return _finding("ok", f"{_sends(bucket, entries)} every change{keys} that a viewer sees")


def _sends(bucket: str, entries: Sequence[NotificationEntry]) -> str:
    return f"bucket {bucket} notifies {all_names(_targets(entries))} of"


def _not_connected(bucket: str, configuration: Configuration, target: str, todo: str) -> Finding:
    others = _targets(entries_of(configuration))
    text = f"bucket {bucket} notifies {f'{all_names(others)}, and not {target}' if others else 'nothing'}"
    return _finding("wrong", f"{text}: its changes are not invalidated", todo)


def _incomplete(
    bucket: str, entries: Sequence[NotificationEntry], missing: _Missing, todo: str, or_else: str = ""
) -> list[Finding]:
    sends, found = _sends(bucket, entries), list[Finding]()
    if missing.entirely:
        found.append(_finding("wrong", f"{sends} no {', '.join(_shortened(missing.entirely))}", todo))
    if missing.by_filter:
        filters = " or ".join(dict.fromkeys(filter_words(entry) for entry in entries if filter_words(entry)))
        text = f"{sends} {', '.join(_shortened(missing.by_filter))} only for keys with {filters}"
        found.append(_finding("wrong", text, f"{todo}{or_else}"))
    return found


def _missing(entries: Sequence[NotificationEntry], served: Collection[KeyFilter], events: frozenset[str]) -> _Missing:
    sent = everywhere = _sent(entries, events)
    for prefix, suffix in served:
        fitting = [e for e in entries if prefix.startswith(e.prefix) and suffix.endswith(e.suffix)]
        everywhere &= _sent(fitting, events)
    return _Missing(events - sent, sent - everywhere)


def _sent(entries: Sequence[NotificationEntry], events: frozenset[str]) -> frozenset[str]:
    names = {name for entry in entries for name in entry.events}
    return frozenset(
        event
        for event in events
        if any(event == name or (name.endswith("*") and event.startswith(name[:-1])) for name in names)
    )


def _shortened(events: Collection[str]) -> list[str]:
    """Return the events with a wildcard in place of all that it stands for."""
    found: list[str] = []
    for wildcard, members in _EVENTS_OF.items():
        named = [event for event in members if event in events]
        found += [wildcard] if named == members else named
    return found + sorted(_ACL_EVENT.intersection(events))


def _connect(bucket: str, entries: Sequence[NotificationEntry], queue: str) -> str:
    """Return the command that corrects the entries, if they have one target."""
    target = queue or (entries[0].target if entries else QUEUE_ARN_FORM)
    if len(_targets(entries)) > 1:
        return "name the function's queue with --queue, so that its entries alone are checked"
    if entries and _service(entries[0].target) == "sns":
        return f"let the entry {entries[0].id!r} send {', '.join(EVENTS)}, without a filter"
    first, *others = entries or [NotificationEntry("invalidator", target)]
    option = "--function" if _service(target) == "lambda" else "--queue"
    name = "" if first.id == "invalidator" else f" --id {quote(first.id)}"
    connect = f"python -m invalidator connect --bucket {bucket} {option} {target}{name}"
    return " && ".join([*_away(bucket, others), connect])


def _away(bucket: str, others: Sequence[NotificationEntry]) -> list[str]:
    return [f"python -m invalidator disconnect --bucket {bucket} --id {quote(entry.id)}" for entry in others]


def _targets(entries: Sequence[NotificationEntry]) -> list[str]:
    return list(dict.fromkeys(entry.target for entry in entries))


def _service(target: str) -> str:
    arn = Arn.parse(target)
    return arn.service if arn else ""


# --- Regions --------------------------------------------------------------------------------------------


def check_regions(bucket: str, region: str, targets: Collection[str]) -> list[Finding]:
    """Return whether the targets of a bucket are in its Region; S3 sends to no other."""
    regions = {target: arn.region if (arn := Arn.parse(target)) else "no Region" for target in targets}
    elsewhere = {target: there for target, there in regions.items() if there != region}
    if not elsewhere:
        beside = f", as {agreed('are', targets)} {all_names(targets)}" if targets else ""
        return [Finding("region", "ok", f"bucket {bucket} is in {region}{beside}")]
    return [
        Finding(
            "region",
            "wrong",
            f"bucket {bucket} is in {region}, and {target} in {there}: S3 sends events within a Region only",
            f"deploy with --region {region}, or connect a queue that is there",
        )
        for target, there in elsewhere.items()
    ]


# --- what passes events on ------------------------------------------------------------------------------

_WORKING_STATES: Final = {"Enabled", "Enabling", "Creating", "Updating"}
"""The states of an event source mapping that receives messages, or is about to.

https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html (2026-11-30)
"""


def check_mapping(check: str, mapping: str, state: str) -> Finding:
    """Return whether an event source mapping in this state hands the messages of the queue to the function."""
    if state in _WORKING_STATES:
        return Finding(check, "ok", f"event source mapping {mapping} is {state.lower()}")
    text = (
        f"event source mapping {mapping} is {state.lower()}: the queue keeps what arrives for four days, then drops it"
    )
    return Finding(check, "wrong", text, f"aws lambda update-event-source-mapping --enabled --uuid {mapping}")


def check_rule(rule: str, state: str) -> Finding:
    """Return whether a rule of EventBridge in this state passes events on."""
    if state.startswith("ENABLED"):
        return Finding("rule", "ok", f"rule {rule} passes on what the bucket sends to EventBridge")
    return Finding(
        "rule", "wrong", f"rule {rule} is {state.lower()}: no event arrives", f"aws events enable-rule --name {rule}"
    )
