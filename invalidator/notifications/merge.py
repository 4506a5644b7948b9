"""Add our entry to a bucket's notification configuration, or remove it, without touching any other entry. Pure.

A bucket has one configuration, and a PUT replaces all of it. So whoever adds an entry has to send back everything
that was there: the entries of other tools, in their order, and every field that this module does not know. That is
why a configuration stays the dict that S3 answers with,
``{"QueueConfigurations": [{"Id", "QueueArn", "Events", "Filter"}…], "TopicConfigurations": […],
"LambdaFunctionConfigurations": […], "EventBridgeConfiguration": {}}``, in which each of the four may be missing.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html (read on 2026-11-21)
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

from invalidator.errors import NotificationError
from invalidator.model import ACL_CHANGE, VISIBLE_CHANGES
from invalidator.notifications.arns import NO_FIFO, QUEUE_ARN_FORM, Arn

Configuration = Mapping[str, Any]

EVENTS: Final = (*(f"s3:{prefix}*" for prefix in VISIBLE_CHANGES), f"s3:{ACL_CHANGE}")
"""The events that a bucket has to send: those that change what a viewer sees."""

EVENTBRIDGE: Final = "eventbridge"
"""The target that is no entry but a switch of the bucket: S3 sends every event to EventBridge, whose rules choose."""

# Service in the ARN of a target → name of the list that its entries stand in, name of the field with the ARN.
_LISTS: Final = {
    "sqs": ("QueueConfigurations", "QueueArn"),
    "sns": ("TopicConfigurations", "TopicArn"),
    "lambda": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
}


@dataclass(frozen=True, slots=True)
class NotificationEntry:
    """An entry of a bucket: the events of which keys it sends to which target, an ARN or EVENTBRIDGE.

    ``id`` is how an entry of ours is found again. ``prefix`` and ``suffix`` are of keys as S3 stores them; EventBridge
    ignores them.
    """

    id: str
    target: str
    prefix: str = ""
    suffix: str = ""
    events: frozenset[str] = frozenset(EVENTS)


def entries_of(configuration: Configuration) -> list[NotificationEntry]:
    """Return all entries of a bucket, without EventBridge, which has none. A missing id is empty."""
    return [
        _entry(item, arn_name) for list_name, arn_name in _LISTS.values() for item in configuration.get(list_name, ())
    ]


def connected(configuration: Configuration, entry: NotificationEntry) -> Configuration:
    """Return the configuration with our entry, in place of an earlier one with the same id.

    Returns the same object if nothing has to change. Raises NotificationError if its target is FIFO, or if it
    overlaps with another: S3 refuses a configuration by which it would have to send one event to two targets.
    """
    others = disconnected(configuration, entry.id)
    if entry.target == EVENTBRIDGE:
        after = {"EventBridgeConfiguration": {}, **others}
        return configuration if after == configuration else after
    target = target_arn(entry.target)
    if target.is_fifo:
        raise NotificationError(f"{entry.target!r} {NO_FIFO}")
    list_name, arn_name = _LISTS[target.service]
    for other in entries_of(others):
        if _overlap(entry, other):
            raise NotificationError(_explain_overlap(entry, other))
    if [earlier for earlier in entries_of(configuration) if earlier.id == entry.id] == [entry]:
        return configuration
    ours = {"Id": entry.id, arn_name: entry.target, "Events": list(EVENTS), **_filter(entry)}
    return {**others, list_name: [*others.get(list_name, ()), ours]}


def disconnected(configuration: Configuration, id_: str, target: str | None = None) -> Configuration:
    """Return the configuration without our entry; with a ``target``, only if the entry sends to that one.

    Returns the same object if there is no such entry. EventBridge stays on: other rules may have come to use it.
    """
    after = dict(configuration)
    for list_name, arn_name in _LISTS.values():
        items = configuration.get(list_name, [])
        others = [item for item in items if item.get("Id") != id_ or target not in {None, item.get(arn_name)}]
        if len(others) < len(items):
            after[list_name] = others
            if not others:
                del after[list_name]
    return configuration if after == configuration else after


def target_arn(text: str) -> Arn:
    """Return the parts of a target's ARN. Raises NotificationError unless it is a queue, a topic or a function."""
    arn = Arn.parse(text)
    if arn and arn.service in _LISTS:
        return arn
    raise NotificationError(
        f"{text!r} is not the ARN of a queue, a topic or a function (expected"
        f" {QUEUE_ARN_FORM}, or sns, or lambda with function:<name>)"
    )


def diff_lines(before: Configuration, after: Configuration) -> list[str]:
    """Return the lines of a unified diff of two configurations as sorted JSON; none if they are equal."""
    old, new = (json.dumps(item, indent=2, sort_keys=True, ensure_ascii=False).split("\n") for item in (before, after))
    return list(difflib.unified_diff(old, new, "before", "after", lineterm=""))


# --- filters --------------------------------------------------------------------------------------------


def _entry(item: Mapping[str, Any], arn_name: str) -> NotificationEntry:
    """Read one entry as S3 answers with it: the names of its filter rules may be capitalised."""
    rules = item.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    values = {rule.get("Name", "").lower(): unquote_plus(rule.get("Value", "")) for rule in rules}
    prefix, suffix = values.get("prefix", ""), values.get("suffix", "")
    events = frozenset(item.get("Events", ()))
    return NotificationEntry(str(item.get("Id", "")), str(item.get(arn_name, "")), prefix, suffix, events)


def _filter(entry: NotificationEntry) -> dict[str, Any]:
    rules = [{"Name": name, "Value": _encoded(value)} for name, value in filters_of(entry).items()]
    return {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}


def _encoded(text: str) -> str:
    # A space is "+", other special characters are percent-encoded, and there are no wildcards:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html (2026-11-21)
    return quote_plus(text, safe="/!'()")


def filters_of(entry: NotificationEntry) -> dict[str, str]:
    """Return the prefix and the suffix of an entry by these names, without the empty ones."""
    return {name: value for name, value in (("prefix", entry.prefix), ("suffix", entry.suffix)) if value}


def filter_words(entry: NotificationEntry) -> str:
    """Return the filter of an entry in words, as ``prefix 'blog/' and suffix '.html'``; empty if it has none."""
    return " and ".join(f"{name} {value!r}" for name, value in filters_of(entry).items())


# --- overlaps -------------------------------------------------------------------------------------------


def _overlap(one: NotificationEntry, other: NotificationEntry) -> bool:
    """Return whether S3 would have to send some event to both.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html (2026-11-21)
    """
    return (
        any(_same_event(a, b) for a in one.events for b in other.events)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


def _same_event(one: str, other: str) -> bool:
    return one == other or any(a.endswith("*") and b.startswith(a[:-1]) for a, b in ((one, other), (other, one)))


def _explain_overlap(ours: NotificationEntry, other: NotificationEntry) -> str:
    shared = ", ".join(sorted(event for event in ours.events if any(_same_event(event, e) for e in other.events)))
    keys = f"keys with {filter_words(other)}" if filters_of(other) else "all keys"
    return (
        f"the bucket already sends {shared} of {keys} to {other.target} (its entry {other.id or 'without an id'!r}),"
        " and S3 sends an event to one target only. Give a prefix or a suffix that no key of that entry has, or use"
        " EventBridge, which gets every event as well (trigger=eventbridge)"
    )
