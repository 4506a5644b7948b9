"""``connect`` and ``disconnect``: the entry in a bucket's notification configuration."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.options import option, retyped
from invalidator.cli.session import errors_explained
from invalidator.cli.targets import origin_bucket
from invalidator.cli.terminal import narrate, print_json, print_line, utc
from invalidator.errors import ConfigurationError
from invalidator.limits import SECONDS_UNTIL_NOTIFIED
from invalidator.notifications.arns import NO_FIFO, QUEUE_ARN_FORM, Arn
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.merge import Configuration, NotificationEntry, diff_lines
from invalidator.operator.stacks import connection_of

_FUNCTION_ARN: Final = "arn:aws:lambda:<region>:<account>:function:<name>"

_CLOCKS: Final = timedelta(minutes=1)
"""So much the clock here may be ahead of S3's."""

_OF_STACK: Final = "--bucket, --prefix, --suffix and --id"
_ID: Final = "invalidator"
_Id = Annotated[
    str | None, option("--id", f"The name of the entry; if not given, that of the stack, or {_ID!r}.", "NAME")
]


@options.in_account
def connect(
    context: typer.Context,
    bucket: options.OriginBucket = None,
    queue: Annotated[str | None, options.queue_option("The queue to notify.", metavar="ARN")] = None,
    function: Annotated[str | None, option("--function", "The function to notify.", "ARN")] = None,
    prefix: Annotated[str, option("--prefix", "Notify only of keys that begin with this.", "TEXT")] = "",
    suffix: Annotated[str, option("--suffix", "Notify only of keys that end with this.", "TEXT")] = "",
    id_: _Id = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    stack: options.StackName = None,
) -> None:
    """Let a bucket notify a queue or a function of its changes, beside all that it notifies already.

    The policy of the queue or function has to allow S3 to send to it. Shows what changes in the bucket's notification
    configuration. With --stack alone: connects the bucket of the stack as its deployment did.

    Example: invalidator connect --stack invalidator-dev

    Example: invalidator connect --bucket my-origin --queue arn:aws:sqs:eu-central-1:111122223333:changes --dry-run
    """
    with errors_explained():
        deployed = _stack_alone(stack, queue, function)
        if deployed:
            _check_none_given(bucket, prefix, suffix, id_)
            origin, entry = connection_of(deployed)
        else:
            target = _checked(queue, "--queue", QUEUE_ARN_FORM) or _checked(function, "--function", _FUNCTION_ARN)
            origin, entry = origin_bucket(bucket), NotificationEntry(_name(id_, stack), target, prefix, suffix)
            _check_entry(entry.id, prefix, suffix)
        begun, change = datetime.now(UTC), Bucket.open(origin).connect(entry, dry_run=dry_run)
    result = f"bucket {origin} notifies {entry.target}, by its entry {entry.id!r}."
    if _print("connect", *change, result, dry_run=dry_run, as_json=as_json) and deployed:
        _narrate_missed(context, deployed, begun - _CLOCKS)


@options.in_account
def disconnect(
    bucket: options.OriginBucket = None,
    id_: _Id = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    stack: options.StackName = None,
) -> None:
    """Remove the entry with this name from a bucket's notification configuration, and nothing else.

    Example: invalidator disconnect --bucket my-origin --dry-run
    """
    with errors_explained():
        origin, name = origin_bucket(bucket), _name(id_, stack)
        _check_entry(name)
        change = Bucket.open(origin).disconnect(name, dry_run=dry_run)
    result = f"bucket {origin} has no entry {name!r}."
    _print("disconnect", *change, result, dry_run=dry_run, as_json=as_json)


def _narrate_missed(context: typer.Context, stack: str, since: datetime) -> None:
    """Tell how to send what changes until S3 notifies."""
    account = {name: context.params.get(name) for name in ("region", "profile")}
    narrate(
        f"S3 begins to notify within about {SECONDS_UNTIL_NOTIFIED // 60} minutes. Then send what changed until then"
        " or, with an earlier time, since the entry was gone:"
    )
    narrate(f"  {retyped('catch-up', context, account | {'stack': stack})} --since {utc(since)}")


def _stack_alone(stack: str | None, *targets: str | None) -> str:
    """Return the stack, unless a target is given. Raises ConfigurationError if nothing is, or two of them."""
    given = [target for target in targets if target is not None]
    if len(given) > 1 or not (given or stack):
        raise ConfigurationError("--queue / --function: give one of them, or --stack")
    return "" if given else stack or ""


def _check_none_given(*options_: str | None) -> None:
    """Raise ConfigurationError if anything is given of what a stack says itself."""
    if any(options_):
        raise ConfigurationError(f"--stack: leave out {_OF_STACK}, which the stack has; or give --queue or --function")


def _name(id_: str | None, stack: str | None) -> str:
    return (stack or _ID) if id_ is None else id_


def _check_entry(id_: str, prefix: str = "", suffix: str = "") -> None:
    if not id_.strip() or not id_.isprintable():
        raise ConfigurationError(f"--id: {id_!r} is not a name: give printable characters")
    for name, text in (("--prefix", prefix), ("--suffix", suffix)):
        if not text.isprintable() or "*" in text:
            raise ConfigurationError(f"{name}: {text!r} is not what S3 takes: give printable text without an asterisk")


def _checked(arn: str | None, name: str, expected: str) -> str:
    """Return the ARN that an option has, or nothing. Raises ConfigurationError if it is not as expected."""
    if arn is not None:
        parts = Arn.parse(arn)
        if parts is None or parts.service != expected.split(":")[2]:
            raise ConfigurationError(f"{name}: {arn!r} is not an ARN such as {expected}")
        if parts.is_fifo:
            raise ConfigurationError(f"{name}: {arn!r} {NO_FIFO}")
    return arn or ""


def _print(
    command: str, before: Configuration, after: Configuration, result: str, *, dry_run: bool, as_json: bool
) -> bool:
    """Print what changes in a configuration. Return whether it did; ``result`` says what is the case after that."""
    lines = diff_lines(before, after)
    changed = bool(lines) and not dry_run
    if as_json:
        print_json(command, {"changed": changed, "before": dict(before), "after": dict(after)})
    else:
        for line in lines:
            print_line((line, {"+": "green", "-": "red"}.get(line[0], "")))
    if not lines:
        narrate(f"Nothing to do: {result}")
    else:
        narrate("Nothing was changed." if dry_run else f"Done: {result}")
    return changed
