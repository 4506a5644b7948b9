"""The same thing by hand: ``python -m invalidator``.

Exit status: 0 done, 1 something failed, 2 wrong usage or configuration.
"""

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from invalidator import __version__, handler
from invalidator.aws.names import Arn, check_queue
from invalidator.cli import create, previews, status, verify
from invalidator.cli.output import (
    HOW_TO_USE_TAGS,
    Explained,
    curves_json,
    discarded_json,
    distributions_json,
    explanation_json,
    findings_json,
    narrate,
    narrate_about,
    plan_json,
    print_accepted,
    print_change,
    print_curves,
    print_discarded,
    print_distributions,
    print_explanation,
    print_findings,
    print_plan,
    print_sent,
    print_stale,
    progress,
    sent_json,
    stale_json,
    told_cost,
)
from invalidator.cli.session import (
    DISTRIBUTIONS,
    JSON,
    Commands,
    a_file,
    check_bucket,
    check_input,
    errors_explained,
    load,
    log_to_stderr,
    text_of,
    with_lines_of,
)
from invalidator.distributions.catalog import inventory
from invalidator.distributions.describe import Described
from invalidator.errors import ConfigurationError
from invalidator.events.decode import decode
from invalidator.limits import FREE_PATHS, MAX_WILDCARDS_PER_CALL
from invalidator.model import Distribution, ObjectChange
from invalidator.notifications.bucket import Bucket
from invalidator.notifications.merge import NotificationEntry
from invalidator.operator import doctor, snapshots
from invalidator.operator.dead_letter_queue import DeadLetterQueue
from invalidator.operator.dead_letters import EVERY, FAILED_INVOCATION, DeadLetter, LetterContents, contents_of, merged
from invalidator.operator.findings import are_well
from invalidator.operator.plot import SUFFIXES as PLOT_SUFFIXES
from invalidator.operator.plot import save as save_plot
from invalidator.operator.wording import count
from invalidator.runtime import clients
from invalidator.settings import environment
from invalidator.urls.viewers import View, Viewers

if TYPE_CHECKING:
    from invalidator.local.embedded import EmbeddedAws

app = typer.Typer(
    cls=Commands,
    help="Invalidate exactly the CloudFront paths that changed S3 objects make stale.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_EVENT: Any = typer.Argument(
    help="A file with the event; - is standard input.",
    encoding="utf-8-sig",
    metavar="EVENT.json",
    autocompletion=a_file,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"invalidator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def invoke(
    event: Annotated[typer.FileText, _EVENT],
    local: Annotated[bool, typer.Option("--local", help="On an embedded AWS; needs no account.")] = False,
) -> None:
    """Run the Lambda handler on an event and print its answer.

    With your AWS credentials and the distributions in DISTRIBUTION_IDS, or, with --local, on an embedded AWS
    with two distributions.

    Example: invalidator invoke events/s3-put.json --local
    """
    with errors_explained():
        document = load(event)
        log_to_stderr()
        if local:
            with _embedded_aws(_buckets(document)):
                answer = handler.lambda_handler(document)
        else:
            answer = handler.lambda_handler(document)
    print(json.dumps(answer, indent=2))
    if answer.get("batchItemFailures") or answer.get("result") == "failed":
        raise typer.Exit(1)


_CHANGED: Final = "What changed: an event, or"
_SENT: Final = "How much may be sent"

_Keys = Annotated[
    list[str] | None,
    typer.Option(help="An object key, as S3 stores it; repeatable.", metavar="KEY", rich_help_panel=_CHANGED),
]
_KeysFrom = Annotated[
    list[typer.FileBinaryRead] | None,
    typer.Option(
        help="A file with such keys, one a line, or with a NUL between them; - is standard input; repeatable.",
        metavar="FILE",
        autocompletion=a_file,
        rich_help_panel=_CHANGED,
    ),
]
_Before = Annotated[
    typer.FileText | None,
    typer.Option(
        help="With --after: what 'aws s3api list-objects-v2 --bucket my-origin' printed before the change.",
        encoding="utf-8-sig",
        metavar="A.json",
        autocompletion=a_file,
        rich_help_panel=_CHANGED,
    ),
]
_After = Annotated[
    typer.FileText | None,
    typer.Option(
        help="What it printed after it. Of two listings, nothing is asked of AWS: no credentials are needed, and"
        " distributions are taken to serve each key as it is.",
        encoding="utf-8-sig",
        metavar="B.json",
        autocompletion=a_file,
        rich_help_panel=_CHANGED,
    ),
]
_Bucket = Annotated[
    str | None,
    typer.Option(
        help="The bucket of the keys; without it, CloudFront is not asked who serves them, nor S3 what else is there.",
        metavar="NAME",
        rich_help_panel=_CHANGED,
    ),
]
_Budget = Annotated[
    int | None,
    typer.Option(
        help="At most so many paths for each distribution; if not given, MAX_PATHS. Where more changed, wildcards"
        " take their place.",
        min=1,
        max=environment.MAX_PATHS,
        metavar="N",
        rich_help_panel=_SENT,
    ),
]
_Wildcards = Annotated[
    int | None,
    typer.Option(
        help="At most so many wildcards among them; if not given, MAX_WILDCARDS.",
        min=0,
        max=MAX_WILDCARDS_PER_CALL,
        metavar="N",
        rich_help_panel=_SENT,
    ),
]
_Curve = Annotated[
    bool,
    typer.Option(
        "--curve",
        help="Show instead how many unchanged objects are evicted with fewer paths, or with more.",
        rich_help_panel=_SENT,
    ),
]
_Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw that, too: into an .svg, .png or .pdf. Needs the extra 'plot'.",
        metavar="FILE.svg",
        rich_help_panel=_SENT,
    ),
]


@app.command()
def plan(
    event: Annotated[typer.FileText | None, _EVENT] = None,
    key: _Keys = None,
    keys_from: _KeysFrom = None,
    before: _Before = None,
    after: _After = None,
    bucket: _Bucket = None,
    distribution_id: Annotated[list[str] | None, DISTRIBUTIONS] = None,
    budget: _Budget = None,
    wildcards: _Wildcards = None,
    curve: _Curve = False,
    plot: _Plot = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what would be sent to each distribution, why, and what it takes. Sends nothing.

    Example: invalidator plan --key 'blog/index.html' --key 'red flower.jpg' --distribution-id E1A2B3C4D5E6F7

    Example: invalidator plan --before monday.json --after tuesday.json --budget 50

    Example: git diff -z --name-only --no-renames HEAD~1 |
    invalidator plan --keys-from - --bucket my-origin --curve --plot curve.svg
    """
    _check_sources(bool(event), bool(key or keys_from), before, after)
    if (key or keys_from) and (curve or plot) and bucket is None:
        raise typer.BadParameter(
            "give the bucket of the keys: --curve and --plot count what else is in it", param_hint="--bucket"
        )
    if plot and plot.suffix.lower() not in PLOT_SUFFIXES:
        expected = f"expected the name of a file that ends in {', '.join(PLOT_SUFFIXES)}"
        raise typer.BadParameter(expected, param_hint="--plot")
    with errors_explained():
        check_input(keys_from or [], "--keys-from")
        if bucket is not None:
            check_bucket(bucket)
        read = environment.offline if before else environment.load
        config = _allowed(read(instead=distribution_id or ()), budget, wildcards)
        if before and after:
            old, new = (snapshots.read_snapshot(text_of(file), file.name) for file in (before, after))
            preview = previews.of_snapshots(old, new, bucket, config)
        elif event:
            preview = previews.of_event(load(event), config)
        else:
            keys = with_lines_of(keys_from or [], key, "--keys-from", "keys")
            preview = previews.of_keys(keys, bucket, config)
        if curve or plot:
            _show_curves(preview, budget, plot, as_json=as_json)
        else:
            _show_plan(preview, budget, as_json=as_json)
    if preview.decoded.refusals:
        raise typer.Exit(1)


def _check_sources(event: bool, keys: bool, before: typer.FileText | None, after: typer.FileText | None) -> None:
    """That of all ways to say what changed there is exactly one."""
    if event + keys + bool(before or after) != 1:
        raise typer.BadParameter(
            "give one of them: an event, keys (--key, --keys-from), or two listings (--before, --after)",
            param_hint="EVENT.json",
        )
    if (before is None) != (after is None):
        raise typer.BadParameter("they go together", param_hint="--before / --after")
    if before and after and before.name == after.name == "<stdin>":
        raise typer.BadParameter("only one of them can be standard input", param_hint="--before / --after")


def _allowed(config: environment.Settings, budget: int | None, wildcards: int | None) -> environment.Settings:
    allowance = config.allowance
    if budget is not None:
        allowance = allowance._replace(paths=budget)
    if wildcards is not None:
        allowance = allowance._replace(wildcards=wildcards)
    return replace(config, allowance=allowance)


def _show_plan(preview: previews.Preview, budget: int | None, *, as_json: bool) -> None:
    made = preview.plan()
    if as_json:
        print(json.dumps(plan_json(made), indent=2))
    else:
        print_plan(made)
    for refusal in preview.decoded.refusals:
        narrate(f"refused: {refusal.reason}")
    narrate_about(made)
    for warning in preview.beyond(made, budget) if budget is not None else ():
        narrate(f"warning: {warning}")
    left_out = {
        f"{count(made.excluded, 'change')} excluded": made.excluded,
        f"{made.unserved:,} unserved": made.unserved,
    }
    narrate(told_cost(made))
    _narrate_end(", ".join(filter(None, [preview.told, *(text for text, number in left_out.items() if number)])))


def _narrate_end(*sentences: str) -> None:
    narrate(" ".join(f"{text}." for text in [*sentences, "Nothing was sent"] if text))


def _show_curves(preview: previews.Preview, budget: int | None, plot: Path | None, *, as_json: bool) -> None:
    found = preview.curves([] if budget is None else [budget])
    if plot and found:
        save_plot(found, plot, budget)
    if as_json:
        print(json.dumps(curves_json(found), indent=2))
    else:
        print_curves(found, budget)
    for refusal in preview.decoded.refusals:
        narrate(f"refused: {refusal.reason}")
    warnings = dict.fromkeys(warning for curve in found for warning in curve.warnings)
    for warning in [*warnings, *(preview.beyond_all(found, budget) if budget is not None else ())]:
        narrate(f"warning: {warning}")
    if tickets := len(preview.decoded.tickets):
        narrate(f"{count(tickets, 'ticket')} {'is' if tickets == 1 else 'are'} left aside.")
    if found:
        narrate(f"Evicted: unchanged objects. USD: if the {FREE_PATHS:,} free paths of the month are used up.")
    else:
        narrate(f"Nothing {'else ' if tickets else ''}is stale.")
    _narrate_end(preview.told, f"{plot} was {'' if found else 'not '}written" if plot else "")


app.command()(create.create)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="An object key, as S3 stores it.", metavar="KEY")],
    bucket: Annotated[str, typer.Option(help="The bucket that it is in.", metavar="NAME")],
    distribution_id: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of the configured distributions; repeatable. 'discover' finds those of the bucket.",
            metavar="ID",
        ),
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Say for each distribution what a change of an object would clear there, and why, or why nothing.

    Example: invalidator explain blog/index.html --bucket my-origin --distribution-id discover
    """
    with errors_explained():
        check_bucket(bucket)
        config = environment.load(instead=distribution_id or ())
        decoded = previews.changes_of_keys([key], bucket, "explain")
        if decoded.refusals:
            reason = decoded.refusals[0].reason if key else "it is empty"
            raise ConfigurationError(f"KEY: {reason}")
        serving, warnings = previews.serving(config, {bucket})
        explained = [_explained(item, decoded.changes[0], config.view) for item in serving]
    if as_json:
        print(json.dumps(explanation_json(explained), indent=2))
    elif explained:
        print_explanation(explained)
    elif config.discover:
        tagged = f" and the tag {config.discover_tag}" if config.discover_tag else ""
        narrate(f"No distribution of the account has an origin in bucket {bucket}{tagged}.")
    total = sum(len(item.paths) for item in explained)
    narrate(f"{count(total, 'path')} on {count(len(explained), 'distribution')}. Nothing was sent.")
    if warnings:  # who serves it is what was asked
        raise typer.Exit(1)


def _explained(distribution: Distribution, change: ObjectChange, view: View) -> Explained:
    if not view.takes(change.key):
        return Explained(distribution.id, {}, ("INCLUDE and EXCLUDE leave this key out",))
    paths: dict[str, list[str]] = {}
    stale, notes = Viewers(distribution.site, view).stale(change)
    for path, cause in stale:
        reasons = paths.setdefault(path, [])
        if str(cause) not in reasons:
            reasons.append(str(cause))
    return Explained(distribution.id, dict(sorted(paths.items())), tuple(dict.fromkeys(notes)))


@app.command()
def distributions(
    bucket: Annotated[str, typer.Option(help="Only those that serve this bucket.", metavar="NAME")] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List the distributions of the account: what they serve, and how they are called.

    Needs cloudfront:ListDistributions, and for all columns cloudfront:GetDistributionConfig and
    cloudfront:ListDistributionTenants.

    Example: invalidator distributions --bucket my-origin
    """
    found: list[Described] = []
    with errors_explained(), progress("reading distributions") as advance:
        if bucket:
            check_bucket(bucket)
        for described in inventory(clients.cloudfront(), bucket):
            found.append(described)
            advance()
    if as_json:
        print(json.dumps(distributions_json(found), indent=2))
    else:
        print_distributions(found)
    of_bucket = f" with an origin in bucket {bucket}" if bucket else ""
    narrate(f"{count(len(found), 'distribution')}{of_bucket}.")


app.command()(status.status)


@app.command()
def tags() -> None:
    """Explain how to clear objects by cache tags: what to configure, and how to upload.

    Example: invalidator tags
    """
    print(HOW_TO_USE_TAGS)


_BUCKET: Any = typer.Option(help="The origin bucket.", metavar="NAME")
_ID: Any = typer.Option(
    "--id", help="The name of the entry; for the stack of serverless.yml, the stack's name.", metavar="NAME"
)
_DRY_RUN: Any = typer.Option("--dry-run", help="Show the difference and change nothing.")


@app.command()
def connect(
    bucket: Annotated[str, _BUCKET],
    queue: Annotated[str | None, typer.Option(help="The queue to notify.", metavar="ARN")] = None,
    function: Annotated[str | None, typer.Option(help="The function to notify.", metavar="ARN")] = None,
    prefix: Annotated[str, typer.Option(help="Only of keys that begin so.", metavar="TEXT")] = "",
    suffix: Annotated[str, typer.Option(help="Only of keys that end so.", metavar="TEXT")] = "",
    id_: Annotated[str, _ID] = "invalidator",
    dry_run: Annotated[bool, _DRY_RUN] = False,
) -> None:
    """Have a bucket notify a queue or function of its changes, beside whatever else it notifies.

    S3 has to be allowed to send to it. Shows what changes in the bucket's notification configuration.

    Example: invalidator connect --bucket my-origin --queue arn:aws:sqs:eu-central-1:111122223333:changes --dry-run
    """
    if (queue is None) == (function is None):
        raise typer.BadParameter("give one of them", param_hint="--queue / --function")
    with errors_explained():
        _check_entry(bucket, id_, prefix, suffix)
        target = _arn(queue, "sqs", "--queue") if queue is not None else _arn(function, "lambda", "--function")
        entry = NotificationEntry(id_, target, prefix, suffix)
        change = Bucket.open(bucket).connect(entry, dry_run=dry_run)
    print_change(*change, f"bucket {bucket} notifies {target}, as its entry {id_!r}.", dry_run=dry_run)


@app.command()
def disconnect(
    bucket: Annotated[str, _BUCKET],
    id_: Annotated[str, _ID] = "invalidator",
    dry_run: Annotated[bool, _DRY_RUN] = False,
) -> None:
    """Take the entry of that name out of a bucket's notification configuration, and nothing else.

    Example: invalidator disconnect --bucket my-origin --dry-run
    """
    with errors_explained():
        _check_entry(bucket, id_)
        change = Bucket.open(bucket).disconnect(id_, dry_run=dry_run)
    print_change(*change, f"bucket {bucket} has no entry {id_!r}.", dry_run=dry_run)


_DLQ: Any = typer.Option(help="The dead-letter queue; if not given, DEAD_LETTERS_URL.", metavar="URL|NAME")
_TO: Any = typer.Option(
    help="The queue that --retry sends to, if not the one that these are the dead letters of.", metavar="URL|NAME"
)

_DISCARD: Any = typer.Option(
    help="Delete the letter with this id, for good, whatever is in it; repeatable. --json lists the id of each, the"
    " table those of letters that cannot be read.",
    metavar="ID",
)


@app.command()
def dlq(
    queue: Annotated[str | None, _DLQ] = None,
    as_json: Annotated[bool, JSON] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every path, however many.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Send each again, and delete what was accepted.")] = False,
    to: Annotated[str | None, _TO] = None,
    discard: Annotated[list[str] | None, _DISCARD] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what --retry would send or --discard delete, and do nothing.")
    ] = False,
) -> None:
    """List what was given up: which distribution still serves which path, since when, and why; oldest first.

    Leaves everything in the dead-letter queue. With --retry, once the cause is mended: sends each letter again to
    where it came from, with its attempts at 0, and deletes it when it was accepted there. With --discard: deletes
    letters that are of no use, such as those that cannot be read. What they say is stale stays so.

    Example: invalidator dlq --queue my-dead-letters --retry --dry-run

    Example: invalidator dlq --discard 5fea7756-0ea4-451a-a703-a558b933e274
    """
    _check_what_to_do(retry, discard, to, dry_run)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was received has to be given back
    with errors_explained():
        configured, dead = environment.queue_urls()
        if not (queue or dead):
            raise ConfigurationError("no dead-letter queue to look into: give --queue, or set DEAD_LETTERS_URL")
        letters = DeadLetterQueue.connect(queue or dead)
        target = letters.url_of(to) if to is not None else ""
        with letters.held() as held:
            contents = _contents([letter for letter in held if not discard or letter.id in discard])
            if discard:
                done = _discard(letters, contents, discard, as_json=as_json, every=every, dry_run=dry_run)
            elif retry:
                done = _send_again(letters, contents, target, configured, as_json=as_json, dry_run=dry_run)
            else:
                done = _list_stale(contents, as_json=as_json, every=every)
            if not held:
                _narrate_empty(letters)
    if not done:
        raise typer.Exit(1)


@app.command("doctor")
def doctor_(
    bucket: Annotated[str, _BUCKET],
    queue: Annotated[
        str | None, typer.Option(help="The function's queue; if not given, QUEUE_URL.", metavar="URL|NAME")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Look for what is set up wrong between a bucket, its queue and its distributions, and say what to do.

    Takes your credentials, and the settings in the variables here: set them as the function has them. Changes
    nothing. Fails if anything is wrong, or cannot be looked at.

    Example: invalidator doctor --bucket my-origin --queue my-changes
    """
    with errors_explained():
        _check_entry(bucket, "doctor")
        if queue is not None:
            check_queue(queue, "--queue")
        found = list(doctor.Doctor.connect(bucket, clients.cloudfront(), clients.catalog()).findings(queue or ""))
    if as_json:
        print(json.dumps(findings_json(found), indent=2))
    else:
        print_findings(found)
    wrong, unknown = (sum(item.verdict == verdict for item in found) for verdict in ("wrong", "unknown"))
    narrate(
        f"{count(len(found), 'finding')}: {f'{wrong:,} wrong' if wrong else 'nothing wrong'}"
        f"{f', {unknown:,} that cannot be judged' if unknown else ''}. Nothing was changed."
    )
    if not are_well(found):
        raise typer.Exit(1)


app.command()(verify.verify)


@app.command()
def local(
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0 takes any free one.", min=0, max=65535, metavar="PORT")
    ] = 4577,
) -> None:
    """Run an embedded AWS on loopback until Ctrl-C: a bucket, a queue, two distributions and the function.

    Upload to its bucket with any S3 client and see the invalidations.

    Example: invalidator local --port 4577
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with errors_explained(), _embedded_aws(port=port) as aws:
        from invalidator.local.embedded import BUCKET
        from invalidator.local.queue_worker import notified_queue

        worker = notified_queue()
        log_to_stderr(logging.ERROR)
        narrate(f"Embedded AWS at {aws.endpoint}: bucket {BUCKET}, distributions {', '.join(aws.distributions)}")
        narrate("Upload something from another terminal, for instance:\n")
        narrate(
            f"  export AWS_ENDPOINT_URL={aws.endpoint} AWS_DEFAULT_REGION=us-east-1"
            " AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing\n"
            f"  aws s3 cp README.md s3://{BUCKET}/\n"
        )
        narrate("Ctrl-C stops it.")
        try:
            while True:
                worker.poll(wait_seconds=1)
                print_accepted(aws.new_invalidations())
        except KeyboardInterrupt:
            narrate("Stopped.")


@app.command()
def demo() -> None:
    """Tell the whole story on an embedded AWS and exit: uploads, an edit, a delete, a redelivery.

    Example: invalidator demo
    """
    with errors_explained(), _embedded_aws() as aws:
        from invalidator.local.demo import run

        log_to_stderr(logging.ERROR)
        run(aws, narrate, print_accepted)


# --- dead letters ---------------------------------------------------------------------------------------

Letters = list[tuple[DeadLetter, LetterContents]]


def _check_what_to_do(retry: bool, discard: list[str] | None, to: str | None, dry_run: bool) -> None:
    if retry and discard:
        raise typer.BadParameter("give one of them", param_hint="--retry / --discard")
    if to is not None and not retry:
        raise typer.BadParameter("it goes with --retry", param_hint="--to")
    if dry_run and not (retry or discard):
        raise typer.BadParameter("it goes with --retry or --discard", param_hint="--dry-run")


def _contents(held: list[DeadLetter]) -> Letters:
    try:
        config, unknown = environment.load(), ""
    except ConfigurationError as error:
        config, unknown = environment.Settings((EVERY,), environment.view()), str(error)
    found = [(letter, contents_of(letter, partial(_distributions, config), config.view)) for letter in held]
    if unknown and any(row.distribution == EVERY for _, contents in found for row in contents.stale):
        narrate(f"The configured distributions are not known here: {unknown}")
    return found


def _distributions(config: environment.Settings, buckets: set[str]) -> list[Distribution]:
    return previews.serving(config, buckets)[0]


def _list_stale(letters: Letters, *, as_json: bool, every: bool) -> bool:
    stale = merged(contents for _, contents in letters)
    unreadable = [(letter, contents.problem) for letter, contents in letters if contents.problem]
    if as_json:
        print(json.dumps(stale_json(stale, letters), indent=2))
    elif stale or unreadable:
        print_stale(stale, unreadable, every=every)
    if letters:
        narrate(f"{count(len(stale), 'stale path')} in {count(len(letters), 'dead letter')}, all left where they are.")
    if unreadable:
        narrate("What cannot be read is never sent again: --discard deletes it, by its id.")
    return True


def _discard(
    queue: DeadLetterQueue, letters: Letters, ids: list[str], *, as_json: bool, every: bool, dry_run: bool
) -> bool:
    """False if something was left, or is not there."""
    done = [queue.discard(letter, contents, dry_run=dry_run) for letter, contents in letters]
    missing = [id_ for id_ in dict.fromkeys(ids) if id_ not in {letter.id for letter, _ in letters}]
    if as_json:
        print(json.dumps(discarded_json(done, missing), indent=2))
    else:
        print_discarded(done, every=every)
    for id_ in missing:
        where = "is in the dead-letter queue, or it is in other hands just now"
        narrate(f"not there: no letter {id_!r} {where}; 'dlq --json' lists the ids.")
    gone = [one.contents for one in done if not one.problem]
    left = f" {len(done) - len(gone):,} left where they are." if len(gone) < len(done) else ""
    would = "would be discarded; nothing was." if dry_run else "discarded."
    if letters:
        narrate(f"{count(len(gone), 'dead letter')} {would}{left}")
    if (stale := len(merged(gone))) and not dry_run:
        narrate(f"{count(stale, 'path')} of them may still be stale: 'create' clears what you name.")
    return len(gone) == len(done) and not missing


def _send_again(
    queue: DeadLetterQueue, letters: Letters, to: str, configured: str, *, as_json: bool, dry_run: bool
) -> bool:
    """False if something was left."""
    for_queue = [item for _, item in letters if not item.problem and item.kind != FAILED_INVOCATION]
    to = to or (queue.source(configured) if for_queue else "")
    done = []
    for letter, contents in letters:
        done.append(queue.send_again(letter, contents, to, dry_run=dry_run))
        if not as_json:
            print_sent(done[-1])
    if as_json:
        print(json.dumps(sent_json(done), indent=2))
    left = sum(bool(sent.problem) for sent in done)
    if letters:
        would = "would be sent again; nothing was." if dry_run else "sent again."
        narrate(f"{count(len(done) - left, 'dead letter')} {would}{f' {left:,} left where they are.' if left else ''}")
    return not left


def _narrate_empty(queue: DeadLetterQueue) -> None:
    if elsewhere := queue.others_hold():
        narrate(
            f"Nothing can be seen in the dead-letter queue, but {count(elsewhere, 'letter')} may be in other hands just"
            " now: look again in ten minutes."
        )
    else:
        narrate("The dead-letter queue is empty: nothing is known to be stale.")


# --- input ----------------------------------------------------------------------------------------------


def _check_entry(name: str, id_: str, prefix: str = "", suffix: str = "") -> None:
    if not id_.strip():
        raise ConfigurationError("--id: an entry has to have a name")
    for option, text in (("--id", id_), ("--prefix", prefix), ("--suffix", suffix)):
        if not text.isprintable() or (option != "--id" and "*" in text):
            raise ConfigurationError(f"{option}: {text!r} is not what it should be: text without a wildcard")
    check_bucket(name)


def _arn(text: str | None, service: str, option: str) -> str:
    arn = Arn.parse(text or "")
    if arn is None or arn.service != service:
        name = {"sqs": "<name>", "lambda": "function:<name>"}[service]
        expected = f"arn:aws:{service}:<region>:<account>:{name}"
        raise ConfigurationError(f"{option}: {text!r} is not what it should be: {expected}")
    return str(text)


def _buckets(document: object) -> list[str]:
    return sorted({change.bucket for change in decode(document).changes})


@contextmanager
def _embedded_aws(buckets: list[str] | None = None, port: int = 0) -> "Iterator[EmbeddedAws]":
    try:
        from invalidator.local.embedded import BUCKET, embedded_aws
    except ImportError as error:
        raise ConfigurationError(
            f"the embedded AWS needs the extra 'local': pip install '.[local]' ({error})"
        ) from error
    with embedded_aws(buckets or [BUCKET], port) as aws:
        yield aws
