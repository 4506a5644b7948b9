"""``local``: run an embedded AWS until it is stopped."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

from invalidator.cli.options import option
from invalidator.cli.session import errors_explained, interruptible, log_to_stderr
from invalidator.cli.terminal import narrate, print_line
from invalidator.errors import ConfigurationError
from invalidator.operator.wording import count

if TYPE_CHECKING:
    from invalidator.local.embedded import AcceptedInvalidation, EmbeddedAws

_Port = Annotated[int, option("--port", "The port to listen on; 0 takes any free one.", "PORT", min=0, max=65535)]


def local(port: _Port = 4577) -> None:
    """Run an embedded AWS on loopback until Ctrl-C: a bucket, a queue, two distributions and the function.

    Upload to its bucket with any S3 client, and see the invalidations.

    Example: invalidator local --port 4577
    """
    with interruptible(lambda: narrate("Stopped."), status=0), errors_explained(), embedded(port=port) as aws:
        _serve(aws)


def _serve(aws: "EmbeddedAws") -> None:
    from invalidator.local.embedded import BUCKET
    from invalidator.local.queue_worker import notified_queue

    worker = notified_queue()
    log_to_stderr(logging.ERROR)
    narrate(f"Embedded AWS at {aws.endpoint}: bucket {BUCKET}, distributions {', '.join(aws.distributions)}")
    for line in (
        "Upload something from another terminal, for instance:",
        "",
        f"  export AWS_ENDPOINT_URL={aws.endpoint} AWS_DEFAULT_REGION=us-east-1"
        " AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing",
        f"  aws s3 cp README.md s3://{BUCKET}/",
        "",
        "Ctrl-C stops it.",
    ):
        narrate(line)
    while True:
        worker.poll(wait_seconds=1)
        print_accepted(aws.new_invalidations())


@contextmanager
def embedded(buckets: list[str] | None = None, port: int = 0) -> "Iterator[EmbeddedAws]":
    """Run an embedded AWS with these buckets. Raises ConfigurationError if it is not installed."""
    try:
        from invalidator.local.embedded import BUCKET, embedded_aws
    except ImportError as error:
        raise ConfigurationError(
            f"the embedded AWS needs the extra 'local': pip install '.[local]' ({error})"
        ) from error
    with embedded_aws(buckets or [BUCKET], port) as aws:
        yield aws


def print_accepted(accepted: "list[AcceptedInvalidation]") -> None:
    """Print each invalidation, and the paths once below all that have the same."""
    for (again, paths), same in groupby(accepted, lambda invalidation: (invalidation.again, invalidation.paths)):
        for invalidation in same:
            print_line(
                (invalidation.distribution, "bold cyan"),
                f"  invalidation {invalidation.id}  ",
                (count(len(paths), "path"), "bold"),
                f"  {invalidation.caller_reference}",
            )
        for line in ["(known already: nothing new was created)"] if again else paths:
            print_line(f"    {line}")
