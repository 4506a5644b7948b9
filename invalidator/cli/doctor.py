"""``doctor``: find what is set up wrong."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.session import errors_explained
from invalidator.cli.targets import origin_bucket, settings_meant, unserved
from invalidator.cli.terminal import narrate, print_json, print_line
from invalidator.connection.examine import Wiring
from invalidator.connection.findings import Finding, are_well
from invalidator.distributions.describe import serves
from invalidator.errors import InvalidatorError, UnconfiguredError
from invalidator.operator.doctor import Doctor
from invalidator.operator.stacks import wiring_of
from invalidator.runtime import clients
from invalidator.settings.environment import Settings
from invalidator.settings.queue_names import check_queue
from invalidator.wording import count

_Queue = Annotated[str | None, options.queue_option("The function's queue; if not given, QUEUE_URL.")]
_MARKS: Final = {"ok": ("ok   ", "green"), "wrong": ("wrong", "bold red"), "unknown": ("?    ", "yellow")}


@options.in_account
def doctor(
    *,
    bucket: options.OriginBucket = None,
    distribution_id: options.DistributionIds,
    queue: _Queue = None,
    as_json: options.Json = False,
    stack: options.StackName = None,
) -> None:
    """Find what is set up wrong between a bucket, its queue and its distributions, and say what to do.

    It takes your credentials and the settings of the stack or, without --stack, those in the variables here. If these
    name no distribution, it examines those that serve the bucket. Changes nothing. Fails if anything is wrong.

    Example: invalidator doctor --stack invalidator-dev

    Example: invalidator doctor --bucket my-origin --queue my-changes
    """
    with errors_explained():
        origin = origin_bucket(bucket)
        if queue is not None:
            check_queue(queue, "--queue")
        if bucket is not None and not (distribution_id or _is_known(bucket)):
            raise unserved("of this account", bucket)
        examination = Doctor(origin, clients.cloudfront(), clients.catalog(), _wiring(stack, origin, queue))
        findings = list(examination.findings(partial(_settings, distribution_id, origin)))
    if as_json:
        print_json("doctor", {"findings": [finding._asdict() for finding in findings]})
    else:
        _print(findings)
    narrate(f"{_summary(findings)}. Nothing was changed.")
    if not are_well(findings):
        raise typer.Exit(1)


def _wiring(stack: str | None, bucket: str, queue: str | None) -> Wiring:
    """Return what is known of the connection: what a stack has deployed, if it is about this bucket and queue."""
    deployed = wiring_of(stack) if stack and not queue else None
    return deployed[1] if deployed and deployed[0] == bucket else Wiring(queue or "")


def _settings(ids: list[str], bucket: str) -> Settings:
    """Return the settings to examine: those that are set or, if these name no distribution, for the bucket."""
    try:
        return settings_meant(ids)
    except UnconfiguredError:
        return settings_meant([], bucket)


def _is_known(bucket: str) -> bool:
    """Return whether the account or the settings know a bucket; also if they cannot be read: the findings say why."""
    try:
        declared = {one.bucket for one in _settings([], bucket).declared.values() if one}
        return bucket in declared or any(serves(summary, bucket) for summary in clients.cloudfront().summaries())
    except InvalidatorError:
        return True


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
