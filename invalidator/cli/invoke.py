"""``invoke``: run the Lambda handler on an event."""

import json
from typing import Annotated, Any

import typer

from invalidator.cli import options
from invalidator.cli.files import read_json
from invalidator.cli.local import accepted_json, embedded, print_accepted
from invalidator.cli.options import option
from invalidator.cli.session import errors_explained, log_to_stderr
from invalidator.cli.terminal import print_json, print_line
from invalidator.distributions.concerned import buckets_of
from invalidator.events.decode import decode


@options.in_account
def invoke(
    event: Annotated[typer.FileText, options.EVENT],
    local: Annotated[bool, option("--local", "Run it on an embedded AWS, which needs no account.")] = False,
    as_json: options.Json = False,
) -> None:
    """Run the Lambda handler on an event and print its answer.

    It takes your AWS credentials and the distributions in DISTRIBUTION_IDS or, with --local, an embedded AWS with two
    distributions, and then prints their invalidations, too.

    Example: invalidator invoke events/s3-put.json --local
    """
    with errors_explained():
        document = read_json(event)
        log_to_stderr()
        answer, accepted = _run(document, local=local)
    if as_json:
        print_json("invoke", {"answer": answer, "invalidations": [accepted_json(one) for one in accepted]})
    else:
        print_accepted(accepted)
        print_line(f"answer: {json.dumps(answer)}")
    if answer.get("batchItemFailures") or answer.get("result") == "failed":
        raise typer.Exit(1)


def _run(document: Any, *, local: bool) -> tuple[Any, list[Any]]:
    """Run the handler. Returns its answer and, of an embedded AWS, what was accepted."""
    from invalidator.handler import lambda_handler  # with Powertools, which no other command needs

    if not local:
        return lambda_handler(document), []
    with embedded(sorted(buckets_of(decode(document)))) as aws:
        return lambda_handler(document), aws.new_invalidations()
