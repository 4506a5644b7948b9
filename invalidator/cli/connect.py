"""``connect`` and ``disconnect``: the entry in a bucket's notification configuration."""

from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.options import option
from invalidator.cli.session import errors_explained
from invalidator.cli.terminal import narrate, print_line
from invalidator.errors import ConfigurationError
from invalidator.notifications.arns import NO_FIFO, QUEUE_ARN_FORM, Arn
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.merge import Configuration, NotificationEntry, diff_lines
from invalidator.settings.environment import check_bucket_name

_FUNCTION_ARN: Final = "arn:aws:lambda:<region>:<account>:function:<name>"

_Id = Annotated[
    str, option("--id", "The name of the entry; for the stack of serverless.yml, the stack's name.", "NAME")
]


def connect(
    bucket: options.OriginBucket,
    queue: Annotated[str | None, options.queue_option("The queue to notify.", metavar="ARN")] = None,
    function: Annotated[str | None, option("--function", "The function to notify.", "ARN")] = None,
    prefix: Annotated[str, option("--prefix", "Notify only of keys that begin with this.", "TEXT")] = "",
    suffix: Annotated[str, option("--suffix", "Notify only of keys that end with this.", "TEXT")] = "",
    id_: _Id = "invalidator",
    dry_run: options.DryRun = False,
) -> None:
    """Let a bucket notify a queue or a function of its changes, beside all that it notifies already.

    The policy of the queue or function has to allow S3 to send to it. Shows what changes in the bucket's notification
    configuration.

    Example: invalidator connect --bucket my-origin --queue arn:aws:sqs:eu-central-1:111122223333:changes --dry-run
    """
    if (queue is None) == (function is None):
        raise typer.BadParameter("give one of them", param_hint="--queue / --function")
    with errors_explained():
        _check_entry(bucket, id_, prefix, suffix)
        target = _checked(queue, "--queue", QUEUE_ARN_FORM) or _checked(function, "--function", _FUNCTION_ARN)
        entry = NotificationEntry(id_, target, prefix, suffix)
        change = Bucket.open(bucket).connect(entry, dry_run=dry_run)
    _print(*change, f"bucket {bucket} notifies {target}, by its entry {id_!r}.", dry_run=dry_run)


def disconnect(bucket: options.OriginBucket, id_: _Id = "invalidator", dry_run: options.DryRun = False) -> None:
    """Remove the entry with this name from a bucket's notification configuration, and nothing else.

    Example: invalidator disconnect --bucket my-origin --dry-run
    """
    with errors_explained():
        _check_entry(bucket, id_)
        change = Bucket.open(bucket).disconnect(id_, dry_run=dry_run)
    _print(*change, f"bucket {bucket} has no entry {id_!r}.", dry_run=dry_run)


def _check_entry(bucket: str, id_: str, prefix: str = "", suffix: str = "") -> None:
    if not id_.strip() or not id_.isprintable():
        raise ConfigurationError(f"--id: {id_!r} is not a name: give printable characters")
    for name, text in (("--prefix", prefix), ("--suffix", suffix)):
        if not text.isprintable() or "*" in text:
            raise ConfigurationError(f"{name}: {text!r} is not what S3 takes: give printable text without an asterisk")
    check_bucket_name(bucket, "--bucket")


def _checked(arn: str | None, name: str, expected: str) -> str:
    """Return the ARN that an option has, or nothing. Raises ConfigurationError if it is not as expected."""
    if arn is not None:
        parts = Arn.parse(arn)
        if parts is None or parts.service != expected.split(":")[2]:
            raise ConfigurationError(f"{name}: {arn!r} is not an ARN such as {expected}")
        if parts.is_fifo:
            raise ConfigurationError(f"{name}: {arn!r} {NO_FIFO}")
    return arn or ""


def _print(before: Configuration, after: Configuration, result: str, *, dry_run: bool) -> None:
    """Print what changes in a configuration; ``result`` says what is the case after that."""
    lines = diff_lines(before, after)
    for line in lines:
        print_line((line, {"+": "green", "-": "red"}.get(line[0], "")))
    if not lines:
        narrate(f"Nothing to do: {result}")
    else:
        narrate("Nothing was changed." if dry_run else f"Done: {result}")
