"""``doctor``: find what is set up wrong."""

from collections.abc import Iterable
from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.session import errors_explained
from invalidator.cli.terminal import narrate, print_json, print_line
from invalidator.operator.doctor import Doctor
from invalidator.operator.findings import Finding, are_well
from invalidator.operator.queue_names import check_queue
from invalidator.operator.wording import count
from invalidator.runtime import clients
from invalidator.settings.environment import check_bucket_name

_Queue = Annotated[str | None, options.queue_option("The function's queue; if not given, QUEUE_URL.")]
_MARKS: Final = {"ok": ("ok   ", "green"), "wrong": ("wrong", "bold red"), "unknown": ("?    ", "yellow")}


def doctor(bucket: options.OriginBucket, queue: _Queue = None, as_json: options.Json = False) -> None:
    """Find what is set up wrong between a bucket, its queue and its distributions, and say what to do.

    It takes your credentials and the settings in the variables here: set them as they are set for the function. Changes
    nothing. Fails if anything is wrong.

    Example: invalidator doctor --bucket my-origin --queue my-changes
    """
    with errors_explained():
        check_bucket_name(bucket, "--bucket")
        if queue is not None:
            check_queue(queue, "--queue")
        examination = Doctor.connect(bucket, clients.cloudfront(), clients.catalog())
        findings = list(examination.findings(queue or ""))
    if as_json:
        print_json({"findings": [finding._asdict() for finding in findings]})
    else:
        _print(findings)
    narrate(f"{_summary(findings)}. Nothing was changed.")
    if not are_well(findings):
        raise typer.Exit(1)


def _print(findings: Iterable[Finding]) -> None:
    """Print a line for each finding and, below it, what to do."""
    for check, verdict, text, todo in findings:
        print_line(_MARKS[verdict], f"  {check}: {text}")
        if todo:
            print_line(f"       → {todo}")


def _summary(findings: list[Finding]) -> str:
    wrong, unknown = (sum(finding.verdict == verdict for finding in findings) for verdict in ("wrong", "unknown"))
    judged = f"{wrong:,} wrong" if wrong else "nothing wrong"
    rest = f", {unknown:,} that cannot be judged" if unknown else ""
    return f"{count(len(findings), 'finding')}: {judged}{rest}"
