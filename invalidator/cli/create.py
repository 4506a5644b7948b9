"""``create``: invalidate now what a person or a build asks for."""

import time
from typing import Annotated

import typer

from invalidator.cli import options
from invalidator.cli.create_inputs import Order, read_paths, sort_words
from invalidator.cli.create_report import Report, carry_out_plan, report_json, tell, tell_interrupted
from invalidator.cli.files import check_standard_input
from invalidator.cli.keys import GivenKeys
from invalidator.cli.options import option
from invalidator.cli.plan_view import cost_in_words, narrate_plan, plan_json, show_plan
from invalidator.cli.session import errors_explained, interruptible
from invalidator.cli.terminal import narrate, print_json
from invalidator.errors import NothingError
from invalidator.model import Plan
from invalidator.operator.invalidations import earlier_ids
from invalidator.runtime import clients
from invalidator.wording import count

_Words = Annotated[
    list[str],
    typer.Argument(
        help="Paths, which begin with a slash, tags, which begin with #, or keys. Behind --paths: more paths.",
        metavar="PATH|KEY",
        **options.REPEATABLE,
    ),
]
_Paths = Annotated[
    list[str],
    option(
        "--paths",
        "A path as viewers ask for it, in quotes; it is encoded where CloudFront requires that. An asterisk at its end"
        " is a wildcard; #name is a cache tag. Repeatable; more paths may follow it.",
        "PATH",
        options.WHAT,
        **options.REPEATABLE,
    ),
]
_Again = Annotated[
    str | None, option("--again", "Send all items of this earlier invalidation once more.", "ID", options.WHAT)
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


@options.in_account
def create(
    *,
    words: _Words,
    paths: _Paths,
    from_file: options.PathsFrom,
    key: options.Keys,
    keys_from: options.KeysFrom,
    literal: options.Literal = False,
    allow_empty: options.AllowEmpty = False,
    again: _Again = None,
    distribution_id: options.DistributionIds,
    bucket: options.KeysBucket = None,
    reference: _Reference = None,
    wait: Annotated[bool, option("--wait", "Wait until it is completed on all edges.")] = False,
    timeout: _Timeout = 15 * 60,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Invalidate paths, keys or cache tags on distributions and, if you like, wait until that is completed.

    Example: invalidator create --distribution-id E1A2B3C4D5E6F7 --paths '/*' --wait

    Example: invalidator create --bucket my-origin --key 'blog/red flower.html'

    With --reference, what CloudFront knew already is told if you have cloudfront:ListInvalidations.

    Example: invalidator create --again I2J0I21PCUYOIK

    Example: git diff -z --name-only --no-renames HEAD~1 |
    invalidator create --bucket my-origin --keys-from - --allow-empty
    """
    end = time.monotonic() + timeout
    report: Report | None = None
    with interruptible(lambda: tell_interrupted(report)):
        with errors_explained():
            check_standard_input([*from_file, *keys_from], "--from-file, --keys-from")
            more, named = sort_words(words, follow_paths=bool(paths))
            keys = GivenKeys([*named, *key], keys_from, bucket, literal, allow_empty).read()
            texts = read_paths(paths, more, from_file, allow_empty=allow_empty)
            order = Order(texts, keys, again, bucket, distribution_id, reference)
            is_empty = order.is_empty and allow_empty and bool(from_file or keys_from)
            plan = Plan(()) if is_empty else order.plan()
            if dry_run or not plan.batches:
                _show(plan, dry_run=dry_run, as_json=as_json)
                _check_work(plan, allow_empty=allow_empty)
                return
            ids = [batch.distribution for batch in plan.batches] if reference else []
            report = Report(plan, as_json, earlier_ids(clients.cloudfront(), ids))
            carry_out_plan(report, lambda: end - time.monotonic(), wait=wait)
        tell(report)
    if report.has_failed:
        raise typer.Exit(1)


def _show(plan: Plan, *, dry_run: bool, as_json: bool) -> None:
    """Show a plan that is not sent."""
    if as_json:
        print_json("create", plan_json(plan) if dry_run else report_json(Report(plan)))
    else:
        show_plan(plan)
    narrate_plan(plan)
    if plan.batches:
        narrate(cost_in_words(plan))
        narrate("Nothing was sent.")


def _check_work(plan: Plan, *, allow_empty: bool) -> None:
    """Raise NothingError if there is nothing to send, unless that is allowed: whoever asks for it expects otherwise."""
    if plan.batches:
        return
    if allow_empty:
        narrate("There is nothing to send.")
        return
    if plan.excluded:
        raise NothingError(f"nothing to send: INCLUDE and EXCLUDE leave out {count(plan.excluded, 'key')}")
    raise NothingError("nothing to send: no distribution serves any of these keys; 'explain' says why")
