"""``create``: invalidate now what a person or a build asks for."""

import time
from typing import Annotated

import typer

from invalidator.cli import options
from invalidator.cli.create_inputs import Order, read_paths
from invalidator.cli.create_report import Report, carry_out_plan, report_json, tell, tell_interrupted
from invalidator.cli.files import check_standard_input
from invalidator.cli.keys import read_keys
from invalidator.cli.options import option
from invalidator.cli.plan_view import cost_in_words, narrate_plan, plan_json, show_plan
from invalidator.cli.session import errors_explained, interruptible
from invalidator.cli.terminal import narrate, print_json
from invalidator.errors import NothingError
from invalidator.model import Plan
from invalidator.operator.wording import count

_Paths = Annotated[
    list[str] | None,
    option(
        "--paths",
        "A path as viewers ask for it, in quotes; it is encoded where CloudFront requires that. An asterisk at its end"
        " is a wildcard; #name is a cache tag. Repeatable; more paths may follow it.",
        "PATH",
        options.WHAT,
    ),
]
_Again = Annotated[
    str | None, option("--again", "Send all items of this earlier invalidation once more.", "ID", options.WHAT)
]
_Bucket = Annotated[
    str | None,
    options.bucket_option(
        "The bucket of the keys, if the distributions serve several. Without --distribution-id: send to the"
        " distributions that serve it."
    ),
]
_Reference = Annotated[
    str | None,
    option(
        "--reference",
        "A name for this run, such as a build's. CloudFront does not bill the same paths twice under the same name;"
        " without a name, it bills each run.",
        "TEXT",
    ),
]
_Timeout = Annotated[
    int, option("--timeout", "Give up after this many seconds, --wait included.", "SECONDS", min=2, max=24 * 60 * 60)
]
"""At least 2: with less, no call could be begun."""


def create(
    path: Annotated[list[str] | None, typer.Argument(help="More of what --paths takes.", metavar="PATH")] = None,
    paths: _Paths = None,
    from_file: options.PathsFrom = None,
    key: options.Keys = None,
    keys_from: options.KeysFrom = None,
    again: _Again = None,
    distribution_id: options.DistributionIds = None,
    bucket: _Bucket = None,
    reference: _Reference = None,
    wait: Annotated[bool, option("--wait", "Wait until it is completed on all edges.")] = False,
    timeout: _Timeout = 15 * 60,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Invalidate paths, keys or cache tags on distributions and, if you like, wait until that is completed.

    Example: invalidator create --distribution-id E1A2B3C4D5E6F7 --paths '/*' --wait

    Example: invalidator create --bucket my-origin --key 'blog/red flower.html'

    Example: invalidator create --again I2J0I21PCUYOIK

    Example: git diff -z --name-only --no-renames HEAD~1 | invalidator create --bucket my-origin --keys-from -
    """
    end = time.monotonic() + timeout
    report: Report | None = None
    with interruptible(lambda: tell_interrupted(report)):
        with errors_explained():
            check_standard_input([*(from_file or []), *(keys_from or [])], "--from-file, --keys-from")
            texts, keys = read_paths(paths or [], path or [], from_file), read_keys(key, keys_from)
            plan = Order(texts, keys, again, bucket, distribution_id or [], reference).plan()
            _check_work(plan, dry_run=dry_run, as_json=as_json)
            if dry_run:
                show_plan(plan, as_json=as_json)
                narrate_plan(plan)
                narrate(cost_in_words(plan))
                narrate("Nothing was sent.")
                return
            report = Report(plan, as_json)
            carry_out_plan(report, lambda: end - time.monotonic(), wait=wait)
        tell(report)
    if report.has_failed:
        raise typer.Exit(1)


def _check_work(plan: Plan, *, dry_run: bool, as_json: bool) -> None:
    """Raise NothingError if there is nothing to send: whoever asks for it expects otherwise."""
    if plan.batches:
        return
    if as_json:
        print_json(plan_json(plan) if dry_run else report_json(Report(plan)))
    narrate_plan(plan)
    if plan.excluded:
        raise NothingError(f"nothing to send: INCLUDE and EXCLUDE leave out {count(plan.excluded, 'key')}")
    raise NothingError("nothing to send: no distribution serves any of these keys; 'explain' says why")
