"""What an operator gets wrong, judged from what AWS says. Pure; ``examination`` asks."""

from collections.abc import Collection, Mapping, Sequence
from json import dumps
from shlex import quote
from typing import Any, Final, Literal, NamedTuple

from invalidator.aws.names import Arn
from invalidator.model import DistributionId, Origin, Site
from invalidator.notifications.merge import EVENTS, Configuration, NotificationEntry, entries_of
from invalidator.operator import policies

FindingVerdict = Literal["ok", "wrong", "unknown"]


class Finding(NamedTuple):
    """What was looked at, how it is, what was seen and, unless it is well, what to do."""

    check: str
    verdict: FindingVerdict
    text: str
    todo: str = ""


def are_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong, as far as can be told."""
    return all(finding.verdict != "wrong" for finding in findings)


# --- calls that fail ------------------------------------------------------------------------------------

# What has to be allowed for a call, where it is not called as the operation is.
_PERMISSIONS: Final = {
    "GetBucketLocation": "s3:GetBucketLocation",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "ListObjectsV2": "s3:ListBucket",
    "GetQueueUrl": "sqs:GetQueueUrl",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "GetPolicy": "lambda:GetPolicy",
    "GetSecretValue": "secretsmanager:GetSecretValue",
    "GetParameter": "ssm:GetParameter",
}
_DENIED: Final = {"AccessDenied", "AccessDeniedException"}
_MISSING: Final = {
    "NoSuchBucket": "check the name of the bucket",
    "NoSuchDistribution": "take it out of the configured distributions, or correct it there",
    "EntityNotFound": "take it out of the configured distributions, or correct it there",
    "AWS.SimpleQueueService.NonExistentQueue": "check the queue's name, account and Region; `connect` names another",
    "QueueDoesNotExist": "check the queue's name, account and Region; `connect` names another",
    "ResourceNotFoundException": "check the name, the account and the Region",
}
_GONE: Final = {"NoSuchDistribution", "EntityNotFound"}
_OTHERWISE: Final = "until it can be seen, nobody knows whether it is well: mend that and look again"


class Failure(NamedTuple):
    """A call that failed: its operation and the service's code, both empty if it was never made, and why."""

    operation: str
    code: str
    text: str


def failed(check: str, what: str, failure: Failure) -> Finding:
    """What could not be seen is wrong, too: a check that was not made must not be taken for a good one."""
    if failure.code in _DENIED:
        permission = _PERMISSIONS.get(failure.operation, f"cloudfront:{failure.operation}")
        todo = f"allow {permission} on {what} to whose credentials these are"
    else:
        todo = _MISSING.get(failure.code, _OTHERWISE)
    return Finding(check, "wrong", f"{what}: {failure.text}", todo)


def is_gone(code: str) -> bool:
    """Whether there is no such distribution, rather than that it cannot be seen."""
    return code in _GONE


def unusable_settings(failure: Failure) -> Finding:
    """Settings that the function would stop at."""
    todo = "correct that, for the function and here"
    if failure.code in _DENIED:
        todo = (
            f"allow {_PERMISSIONS.get(failure.operation, failure.operation)} on it to the function's role and here,"
            " and kms:Decrypt if a key of yours encrypts it"
        )
    return Finding("settings", "wrong", failure.text, todo)


# --- distributions --------------------------------------------------------------------------------------


def distributions(
    bucket: str, sites: Mapping[DistributionId, Site], unseen: Collection[str], others: Collection[str]
) -> list[Finding]:
    """Which of the configured ones serve the bucket, and which serve it that are not configured.

    ``unseen`` are configured, but nobody can say how they are; ``others`` serve it and are not configured.
    """
    serving = [id_ for id_, site in sites.items() if site.origins(bucket)]
    if not serving:
        return [_nobody(bucket, sites, unseen, others)]
    found = [Finding("distributions", "ok", f"{_names(serving)} {_verb(serving, 'serve')} bucket {bucket}")]
    if idle := [id_ for id_ in sites if id_ not in serving]:
        found.append(
            Finding(
                "distributions",
                "unknown",
                f"{_names(idle)} {_verb(idle, 'have')} no origin in bucket {bucket}, and"
                f" {_verb(idle, 'are')} not told of its changes",
                f"nothing, if that is meant so; if a domain of your own hides the bucket, {_declare(idle[0], bucket)}",
            )
        )
    if others:
        found.append(
            Finding(
                "distributions",
                "wrong",
                f"{_names(others)} {_verb(others, 'serve')} bucket {bucket} and {_verb(others, 'are')} not configured:"
                " viewers there keep seeing old objects",
                _configure(others),
            )
        )
    return found


def _nobody(bucket: str, sites: Collection[str], unseen: Collection[str], others: Collection[str]) -> Finding:
    add = f"{_names(others)} of this account {_verb(others, 'do')}: {_configure(others)}" if others else ""
    if unseen:
        text = f"whether {_names(unseen)} {_verb(unseen, 'serve')} bucket {bucket} cannot be seen"
        return Finding("distributions", "unknown", text, add or "look again when it can be")
    if sites:
        text = f"none of the configured distributions has an origin in bucket {bucket}: {_names(sites)}"
        declare = f"if a domain of your own hides the bucket, {_declare(next(iter(sites)), bucket)}"
        return Finding("distributions", "wrong", text, add or f"correct DISTRIBUTION_IDS; {declare}")
    text = f"no distribution is known to serve bucket {bucket}"
    return Finding("distributions", "wrong", text, add or "set DISTRIBUTION_IDS to those that do")


def _configure(ids: Collection[str]) -> str:
    return f"add {_names(ids)} to DISTRIBUTION_IDS, or to the secret or parameter that holds the ids"


def _declare(id_: str, bucket: str) -> str:
    return f"say so in the secret or parameter that holds the ids: {dumps([{'id': id_, 'bucket': bucket}])}"


def key_prefix(origin: Origin) -> str:
    """How all keys begin that viewers get from an origin."""
    return f"{origin.path.strip('/')}/" if origin.path else ""


def origin_path(bucket: str, ids: Sequence[str], prefix: str, *, has_keys: bool) -> Finding:
    """Whether there is anything to serve under an origin path."""
    path = f"/{prefix[:-1]}"
    if has_keys:
        return Finding("origin path", "ok", f"origin path {path} of {_names(ids)}: bucket {bucket} has such keys")
    return Finding(
        "origin path",
        "wrong",
        f"origin path {path} of {_names(ids)}: no key in bucket {bucket} begins with {prefix!r}, so that there is"
        " nothing to serve and nothing to invalidate",
        f"correct the origin path of {_names(ids)}, or upload to {prefix!r}",
    )


# --- notifications --------------------------------------------------------------------------------------

_LEAVES: Final = {
    "s3:ObjectCreated:*": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "s3:ObjectRemoved:*": ("Delete", "DeleteMarkerCreated"),
    "s3:LifecycleExpiration:*": ("Delete", "DeleteMarkerCreated"),
}
"""The events of a family.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html (2026-11-22)
"""
_WANTED: Final = frozenset(f"{family[:-1]}{leaf}" for family in EVENTS for leaf in _LEAVES[family])


def heard(configuration: Configuration, queue: str = "") -> list[NotificationEntry]:
    """The entries by which the function may hear of changes; if its queue is known, by that queue or by topics."""
    entries = entries_of(configuration)
    if not queue:
        return entries
    return [entry for entry in entries if entry.target == queue] or [
        entry for entry in entries if _service(entry.target) == "sns"
    ]


def notification(
    bucket: str, configuration: Configuration, queue: str = "", prefixes: Collection[str] = ()
) -> list[Finding]:
    """Whether the bucket tells of everything that a viewer sees.

    ``queue`` is the ARN of the function's queue, if that is known; ``prefixes`` are how the keys begin that are
    served, if that is known.
    """
    entries = heard(configuration, queue)
    unheard, filtered = _gaps(entries, prefixes or ("",))
    if "EventBridgeConfiguration" in configuration and (not entries or (not queue and unheard | filtered)):
        text = f"bucket {bucket} tells EventBridge of every change; which rules pass that on is not looked at"
        return [Finding("notification", "ok", text)]
    if not entries:
        return [_untold(bucket, configuration, queue)]
    if not unheard | filtered:
        told_of = "every change that a viewer sees" + (" there" if any(prefixes) and "" not in prefixes else "")
        return [Finding("notification", "ok", f"bucket {bucket} tells {_names(_targets(entries))} of {told_of}")]
    todo, found = _connect(bucket, entries, queue), []
    if unheard:
        text = f"bucket {bucket} tells {_names(_targets(entries))} nothing of {', '.join(_families(unheard))}"
        found.append(Finding("notification", "wrong", text, todo))
    if filtered:
        filters = " or ".join(dict.fromkeys(_filter(entry) for entry in entries if entry.prefix or entry.suffix))
        text = f"bucket {bucket} tells {_names(_targets(entries))} only of keys with {filters}: nothing of the others"
        whole = f"{todo}; or let it be, if no other key is served"
        found.append(Finding("notification", "wrong", f"{text} ({', '.join(_families(filtered))})", whole))
    return found


def _gaps(entries: Sequence[NotificationEntry], prefixes: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The events of which nothing is told, and those of which not every key that is served."""
    heard_of = frozenset[str]().union(*(_events(entry) for entry in entries))
    gaps = frozenset[str]()
    for prefix in prefixes:
        whole = (entry for entry in entries if not entry.suffix and prefix.startswith(entry.prefix))
        gaps |= _WANTED - frozenset[str]().union(*(_events(entry) for entry in whole))
    return _WANTED - heard_of, gaps & heard_of


def _events(entry: NotificationEntry) -> frozenset[str]:
    return frozenset(
        leaf
        for leaf in _WANTED
        for event in entry.events
        if leaf == event or (event.endswith("*") and leaf.startswith(event[:-1]))
    )


def _families(events: Collection[str]) -> list[str]:
    """The same with a wildcard for all of a family."""
    found = []
    for family in EVENTS:
        leaves = [f"{family[:-1]}{leaf}" for leaf in _LEAVES[family]]
        named = [leaf for leaf in leaves if leaf in events]
        found += [family] if named == leaves else named
    return found


def _untold(bucket: str, configuration: Configuration, queue: str) -> Finding:
    others = _targets(entries_of(configuration))
    text = f"bucket {bucket} notifies {f'{_names(others)}, and not {queue}' if others else 'nobody'}"
    return Finding("notification", "wrong", f"{text}: nothing is heard of its changes", _connect(bucket, (), queue))


def _connect(bucket: str, entries: Sequence[NotificationEntry], queue: str) -> str:
    """The command that puts it right, where there is one entry to put right."""
    target = queue or (entries[0].target if entries else "arn:aws:sqs:<region>:<account>:<name>")
    if len(_targets(entries)) > 1:
        return "name the function's queue with --queue, for a verdict on that alone"
    if _service(entries[0].target if entries else target) == "sns":
        return f"have the entry {entries[0].id!r} tell of {', '.join(EVENTS)}, without a filter"
    first, *others = entries or [NotificationEntry("invalidator", target)]
    option = "--function" if _service(target) == "lambda" else "--queue"
    name = "" if first.id == "invalidator" else f" --id {quote(first.id)}"
    away = [f"python -m invalidator disconnect --bucket {bucket} --id {quote(entry.id)}" for entry in others]
    return " && ".join([*away, f"python -m invalidator connect --bucket {bucket} {option} {target}{name}"])


def _filter(entry: NotificationEntry) -> str:
    rules = (("prefix", entry.prefix), ("suffix", entry.suffix))
    return " and ".join(f"{name} {value!r}" for name, value in rules if value)


def _targets(entries: Sequence[NotificationEntry]) -> list[str]:
    return list(dict.fromkeys(entry.target for entry in entries))


# --- Regions --------------------------------------------------------------------------------------------


def regions(bucket: str, here: str, targets: Collection[str]) -> list[Finding]:
    """Whether what the bucket notifies is where the bucket is; S3 reaches nothing else."""
    elsewhere = [target for target in targets if _region(target) != here]
    if not elsewhere:
        beside = f", as {_verb(targets, 'are')} {_names(targets)}" if targets else ""
        return [Finding("region", "ok", f"bucket {bucket} is in {here}{beside}")]
    return [
        Finding(
            "region",
            "wrong",
            f"bucket {bucket} is in {here}, and {target} in {_region(target) or 'no Region'}: a bucket notifies only"
            " what is in its own",
            f"deploy with --region {here}, or connect a queue that is there",
        )
        for target in elsewhere
    ]


def _region(target: str) -> str:
    arn = Arn.parse(target)
    return arn.region if arn else ""


def _service(target: str) -> str:
    arn = Arn.parse(target)
    return arn.service if arn else ""


# --- policies -------------------------------------------------------------------------------------------

_SERVICES: Final = {"s3.amazonaws.com": "S3", "sns.amazonaws.com": "SNS", "events.amazonaws.com": "EventBridge"}


def request(sender: str, source: str, target: str) -> policies.PolicyRequest:
    """What a service does to notify a target. ``source`` is the ARN in whose name it does; empty if not known."""
    partition, account = target.split(":")[1], target.split(":")[4]
    known = {"aws:securetransport": "true"}
    if source:
        known["aws:sourcearn"] = source.replace("arn:aws:", f"arn:{partition}:", 1)
    action = {"sqs": "sqs:SendMessage", "lambda": "lambda:InvokeFunction"}[_service(target)]
    # Only S3 sends its account along; which may be another, since nobody can see here whose bucket it is.
    likely = {"aws:sourceaccount": account} if sender == "s3.amazonaws.com" else {}
    return policies.PolicyRequest(sender, action, target, known, likely)


def policy(check: str, text: str, asked: policies.PolicyRequest) -> Finding:
    """Whether the policy of a queue or function lets it be notified."""
    service, source = _SERVICES[asked.service], asked.known.get("aws:sourcearn", "")
    doing = f"{service} call {asked.action}{f' for {source}' if source else ''}"
    match policies.evaluate(text, asked):
        case "allowed":
            return Finding(check, "ok", f"{asked.resource} lets {doing}")
        case "denied":
            seen = f"the policy of {asked.resource} has a statement that does not let {doing}: nothing arrives there"
            return Finding(check, "wrong", seen, f"except {asked.service} from what that statement denies")
        case "missing":
            seen = f"nothing in the policy of {asked.resource} lets {doing}: nothing arrives there"
            return Finding(check, "wrong", seen, f"add to its policy: {dumps(policies.allowing_statement(asked))}")
        case "undecided":
            seen = f"the policy of {asked.resource} may let {doing}, but has conditions that cannot be judged from here"
            return Finding(check, "unknown", seen, f"see that it allows {asked.service} {asked.action}")


def encryption(queue: str, key: str) -> list[Finding]:
    """Whether S3 may use the key that encrypts a queue.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html (2026-11-22)
    """
    if not key:
        return []
    if key.endswith("alias/aws/sqs"):
        text = f"{queue} is encrypted with {key}, which S3 may not use: nothing arrives there"
        return [Finding("queue policy", "wrong", text, "encrypt it with SSE-SQS, or with a key of your own")]
    text = f"{queue} is encrypted with {key}, whose policy is not looked at"
    todo = "see that it allows s3.amazonaws.com kms:GenerateDataKey and kms:Decrypt"
    return [Finding("queue policy", "unknown", text, todo)]


# --- words ----------------------------------------------------------------------------------------------


def _names(names: Collection[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _verb(names: Collection[Any], verb: str) -> str:
    singular = {"are": "is", "have": "has", "do": "does", "serve": "serves"}
    return singular[verb] if len(names) == 1 else verb
