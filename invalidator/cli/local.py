"""``local``: run an embedded AWS until it is stopped."""

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from invalidator.cli.options import option
from invalidator.cli.session import errors_explained, interruptible, interrupts_ending_at_once, log_to_stderr
from invalidator.cli.terminal import narrate, print_line
from invalidator.errors import ConfigurationError
from invalidator.wording import count

if TYPE_CHECKING:
    from invalidator.local.edge import EdgeCache
    from invalidator.local.embedded import AcceptedInvalidation, EmbeddedAws

_Port = Annotated[
    int,
    option("--port", "The port to listen on, and the two after it; 0 takes any free ones.", "PORT", min=0, max=65533),
]


def local(port: _Port = 4577) -> None:
    """Run an embedded AWS on loopback until Ctrl-C: a bucket, a queue, two distributions and the function.

    Upload to its bucket with any S3 client, and see the invalidations. Each distribution has an edge, a URL at which
    answers are cached until they are invalidated. Other commands work on it with the variables that it prints.

    Example: invalidator local --port 4577
    """
    with interruptible(lambda: narrate("Stopped."), status=0), errors_explained(), embedded(port=port) as aws:
        from invalidator.local.edge import edges_served  # imported already, as are those below

        with edges_served(aws.distributions, port and port + 1) as edges:
            _serve(aws, edges)


def _serve(aws: "EmbeddedAws", edges: "list[EdgeCache]") -> None:
    from invalidator.local.embedded import BUCKET
    from invalidator.local.queue_worker import notified_queue

    worker = notified_queue()
    log_to_stderr(logging.ERROR)
    narrate(f"Embedded AWS at {aws.endpoint}: bucket {BUCKET}, its queue, and two distributions that serve it:")
    for edge in edges:
        narrate(f"  {edge.distribution} at {edge.url}/")
    narrate("From another terminal, for instance:")
    narrate("")
    for line in _samples(edges[0].url):
        narrate(f"  {line}")
    narrate("")
    narrate("Ctrl-C stops it.")
    while True:
        worker.poll(wait_seconds=1)
        print_accepted(aws.new_invalidations())


def _samples(url: str) -> Iterator[str]:
    """Yield lines for another shell: the variables, an upload, and commands that work on it."""
    from invalidator.local.embedded import BUCKET, variables

    yield f"export {' '.join(f'{name}={quote(text)}' for name, text in variables().items())}"
    python = Path(sys.executable)
    here = quote(str(python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python))
    upload = f"import boto3; boto3.client('s3').upload_file('README.md', '{BUCKET}', 'README.md')"
    yield f"aws s3 cp README.md s3://{BUCKET}/" if shutil.which("aws") else f'{here} -c "{upload}"'
    for command in (
        f"verify --url {url}/README.md --key README.md --bucket {BUCKET} --until-fresh",
        f"status --bucket {BUCKET}",
        f"doctor --bucket {BUCKET}",
        "dlq",
    ):
        yield f"{here} -m invalidator {command}"


@contextmanager
def embedded(buckets: list[str] | None = None, port: int = 0) -> "Iterator[EmbeddedAws]":
    """Run an embedded AWS with these buckets. Raises ConfigurationError if it is not installed."""
    try:
        with interrupts_ending_at_once():
            import invalidator.local.demo  # noqa: F401 with all that the others need, too
            from invalidator.local.embedded import BUCKET, embedded_aws
    except ImportError as error:
        raise ConfigurationError(
            f"the embedded AWS needs the extra 'local': install 'invalidator[local]', or '.[local]' in a clone"
            f" ({error})"
        ) from error
    with embedded_aws(buckets or [BUCKET], port) as aws:
        yield aws


def accepted_json(accepted: "AcceptedInvalidation") -> dict[str, Any]:
    """Return an invalidation for a program."""
    return {
        "distribution": accepted.distribution,
        "id": accepted.id,
        "items": list(accepted.paths),
        "caller_reference": accepted.caller_reference,
        "known": accepted.again,
    }


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
