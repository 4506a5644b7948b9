"""Our entry in a bucket's notification configuration, merged in and taken out without touching any other.

A bucket has one configuration, and a PUT replaces all of it. So whoever adds an entry has to send back
everything that was there: entries of other tools, in their order, and whatever this module knows nothing of.
That is why a configuration stays the dict that S3 answers with,
``{"QueueConfigurations": [{"Id", "QueueArn", "Events", "Filter"}…], "TopicConfigurations": […],
"LambdaFunctionConfigurations": […], "EventBridgeConfiguration": {}}``, each of the four there or not.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html (read on 2026-11-21)
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from invalidator.errors import NotificationError
from invalidator.events.decode import VISIBLE_CHANGES

Configuration = Mapping[str, Any]

EVENTS: Final = tuple(f"s3:{prefix}*" for prefix in VISIBLE_CHANGES)
"""What a bucket has to tell: each event that changes what a viewer sees."""

EVENTBRIDGE: Final = "eventbridge"
"""The target that is no entry but a switch of the bucket: everything is sent to EventBridge, where rules choose."""

# The service in the ARN of a target → the list that its entries stand in, and their name for the ARN.
_LISTS: Final = {
    "sqs": ("QueueConfigurations", "QueueArn"),
    "sns": ("TopicConfigurations", "TopicArn"),
    "lambda": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
}
_arn_of_target = re.compile(
    r"arn:aws[\w-]*:(?P<service>sqs|sns|lambda):(?P<region>[a-z0-9-]+):\d{12}:[^\s:][^\s]*"
).fullmatch


@dataclass(frozen=True, slots=True)
class Entry:
    """What a bucket is to notify: ``target`` is an ARN or EVENTBRIDGE, ``id`` the name by which we know ours.

    ``prefix`` and ``suffix`` of the keys are as S3 stores them, and mean nothing to EventBridge.
    """

    id: str
    target: str
    prefix: str = ""
    suffix: str = ""


def connected(configuration: Configuration, entry: Entry) -> Configuration:
    """The configuration with our entry in it, in place of an earlier one of the same id.

    It is the same object if nothing has to change. Raises NotificationError if S3 would have to send an event
    to both our target and another's, which it refuses to be set up for.
    """
    others = disconnected(configuration, entry.id)
    if entry.target == EVENTBRIDGE:
        after = {"EventBridgeConfiguration": {}, **others}
        return configuration if after == configuration else after
    list_name, arn_name = _list_of(entry.target)
    ours = {"Id": entry.id, arn_name: entry.target, "Events": list(EVENTS), **_filter(entry)}
    for other_arn, other in _entries(others):
        if _overlap(ours, other):
            raise NotificationError(_why(ours, other, other_arn))
    before = [other for _, other in _entries(configuration) if other.get("Id") == entry.id]
    if [(item.get(arn_name), _meaning(item)) for item in before] == [(entry.target, _meaning(ours))]:
        return configuration
    return {**others, list_name: [*others.get(list_name, ()), ours]}


def disconnected(configuration: Configuration, id_: str, target: str | None = None) -> Configuration:
    """The configuration without our entry (only if that notifies ``target``, if given); the same object if it has none.

    EventBridge stays switched on, since nothing tells whose rules use it by now.
    """
    after = dict(configuration)
    for list_name, arn_name in _LISTS.values():
        items = configuration.get(list_name, [])
        kept = [item for item in items if item.get("Id") != id_ or target not in {None, item.get(arn_name)}]
        if len(kept) < len(items):
            after[list_name] = kept
            if not kept:
                del after[list_name]
    return configuration if after == configuration else after


def region_of(arn: str) -> str:
    """The Region of a target. Raises NotificationError if it is not the ARN of one."""
    return _parts_of(arn)["region"]


def difference(before: Configuration, after: Configuration) -> list[str]:
    """The lines of a unified diff of the two as JSON, the same in every run; none if they are equal."""
    old, new = (json.dumps(item, indent=2, sort_keys=True, ensure_ascii=False).split("\n") for item in (before, after))
    return list(difflib.unified_diff(old, new, "before", "after", lineterm=""))


def _list_of(arn: str) -> tuple[str, str]:
    return _LISTS[_parts_of(arn)["service"]]


def _parts_of(arn: str) -> re.Match[str]:
    if found := _arn_of_target(arn):
        return found
    raise NotificationError(
        f"{arn!r} is not the ARN of a queue, a topic or a function (expected"
        " arn:aws:sqs:<region>:<account>:<name>, or sns, or lambda with function:<name>)"
    )


def _filter(entry: Entry) -> dict[str, Any]:
    rules = [
        {"Name": name, "Value": _encoded(value)}
        for name, value in (("prefix", entry.prefix), ("suffix", entry.suffix))
        if value
    ]
    return {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}


def _encoded(text: str) -> str:
    # A space is "+", other special characters are percent-encoded, and there are no wildcards:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html (2026-11-21)
    return quote_plus(text, safe="/!'()")


# --- overlaps -------------------------------------------------------------------------------------------


def _entries(configuration: Configuration) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each entry with its target's ARN."""
    for list_name, arn_name in _LISTS.values():
        for item in configuration.get(list_name, ()):
            yield str(item.get(arn_name, "")), item


def _meaning(entry: Mapping[str, Any]) -> tuple[frozenset[str], str, str]:
    """Events, prefix and suffix of an entry. S3 answers with the names of the rules capitalised."""
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    values = {rule.get("Name", "").lower(): unquote_plus(rule.get("Value", "")) for rule in rules}
    return frozenset(entry.get("Events", ())), values.get("prefix", ""), values.get("suffix", "")


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both would have to be sent an event.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html (2026-11-21)
    """
    (events, prefix, suffix), (other_events, other_prefix, other_suffix) = _meaning(one), _meaning(other)
    return (
        any(_same_event(a, b) for a in events for b in other_events)
        and (prefix.startswith(other_prefix) or other_prefix.startswith(prefix))
        and (suffix.endswith(other_suffix) or other_suffix.endswith(suffix))
    )


def _same_event(one: str, other: str) -> bool:
    return one == other or any(a.endswith("*") and b.startswith(a[:-1]) for a, b in ((one, other), (other, one)))


def _why(ours: Mapping[str, Any], other: Mapping[str, Any], arn: str) -> str:
    shared = ", ".join(sorted(event for event in ours["Events"] if any(_same_event(event, e) for e in other["Events"])))
    _, prefix, suffix = _meaning(other)
    keys = " and ".join(f"{name} {value!r}" for name, value in (("prefix", prefix), ("suffix", suffix)) if value)
    return (
        f"the bucket already sends {shared} of {f'keys with {keys}' if keys else 'all keys'} to {arn}"
        f" (its entry {other.get('Id', 'without an id')!r}), and S3 sends an event to one target only. Give a"
        " prefix or suffix that shares no key with it, or use EventBridge, which goes beside it (trigger=eventbridge)"
    )


# --- as it is -------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """An entry of whatever origin: whom the bucket tells of which events, of which keys."""

    id: str
    target: str
    events: frozenset[str]
    prefix: str = ""
    suffix: str = ""


def told(configuration: Configuration) -> list[Told]:
    """All entries of a bucket. EventBridge is no entry."""
    return [Told(str(entry.get("Id", "")), target, *_meaning(entry)) for target, entry in _entries(configuration)]
