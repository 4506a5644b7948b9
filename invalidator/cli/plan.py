"""``plan``: show what would be sent, and send nothing."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from invalidator.cli import options, plan_inputs
from invalidator.cli.files import is_event, open_event, read_json, read_text
from invalidator.cli.keys import GivenKeys
from invalidator.cli.options import file_option, option
from invalidator.cli.plan_budget import over_budget
from invalidator.cli.plan_curves import show_curves
from invalidator.cli.plan_inputs import Preview, narrate_refusals
from invalidator.cli.plan_view import cost_in_words, dollars, narrate_plan, plan_json, show_plan
from invalidator.cli.session import errors_explained
from invalidator.cli.targets import bucket_meant, settings_meant
from invalidator.cli.terminal import narrate, print_json, warn
from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_WILDCARDS_PER_CALL
from invalidator.operator import snapshots
from invalidator.operator.plot import SUFFIXES
from invalidator.settings import environment
from invalidator.settings.environment import Settings, check_bucket_name
from invalidator.wording import count

_HOW_MUCH: Final = "How much may be sent"


_Before = Annotated[
    typer.FileText | None,
    file_option(
        "--before",
        "With --after: the output of 'aws s3api list-objects-v2 --bucket my-origin' from before the change.",
        "A.json",
        encoding="utf-8-sig",
    ),
]
_After = Annotated[
    typer.FileText | None,
    file_option(
        "--after",
        "With --before: the same from after the change. Two listings need no credentials: nothing is asked of AWS, and"
        " each key is taken to be served as it is.",
        "B.json",
        encoding="utf-8-sig",
    ),
]
_MOST_PATHS: Final = "At most this many paths for each distribution; if not given, MAX_PATHS. Wildcards save the rest."
_Budget = Annotated[int | None, option("--budget", _MOST_PATHS, "N", _HOW_MUCH, min=1, max=environment.MAX_PATHS)]
_MOST_WILDCARDS: Final = "At most this many wildcards among them; if not given, 15."
_Wildcards = Annotated[
    int | None, option("--wildcards", _MOST_WILDCARDS, "N", _HOW_MUCH, min=0, max=MAX_WILDCARDS_PER_CALL)
]
_CURVE: Final = "Show instead how many unchanged objects are evicted with fewer paths, or with more."
_PLOT: Final = "Draw that curve, too: into an .svg, .png or .pdf. Needs the extra 'plot'."


@options.in_account
def plan(
    *,
    words: options.Words,
    key: options.Keys,
    keys_from: options.KeysFrom,
    literal: options.Literal = False,
    before: _Before = None,
    after: _After = None,
    bucket: options.KeysBucket = None,
    distribution_id: options.DistributionIds,
    budget: _Budget = None,
    wildcards: _Wildcards = None,
    curve: Annotated[bool, option("--curve", _CURVE, panel=_HOW_MUCH)] = False,
    plot: Annotated[Path | None, option("--plot", _PLOT, "FILE.svg", _HOW_MUCH)] = None,
    as_json: options.Json = False,
) -> None:
    """Show what would be sent to each distribution, why, and what it costs. Sends nothing.

    Say what changed with an event, with keys, or with two listings of the bucket. Without --bucket, or that of a stack,
    CloudFront is not asked who serves the keys, nor S3 what else the bucket has.

    Example: invalidator plan blog/index.html 'red flower.jpg' --distribution-id E1A2B3C4D5E6F7

    Example: invalidator plan --before monday.json --after tuesday.json --budget 50

    Example: git diff -z --name-only --no-renames HEAD~1 |
    invalidator plan --keys-from - --bucket my-origin --curve --plot curve.svg
    """
    events, named = filter(is_event, words), [*itertools.filterfalse(is_event, words), *key]
    changed = _Changed([*events], GivenKeys(named, keys_from, bucket, literal), before, after)
    with errors_explained():
        changed.check()
        texts = changed.keys.read()
        settings = environment.offline(instead=distribution_id) if before else settings_meant(distribution_id, bucket)
        preview = changed.preview(texts, _allowing(settings, budget, wildcards))
        if curve or plot:
            changed.check_curve(settings, plot)
            end = show_curves(preview, budget, plot, as_json=as_json)
        else:
            end = _show(preview, budget, as_json=as_json)
    narrate(". ".join(filter(None, [preview.summary, end, "Nothing was sent."])))
    if preview.decoded.refusals:
        raise typer.Exit(1)


class _Changed(NamedTuple):
    """The changes, as the options say them."""

    events: list[str]
    keys: GivenKeys
    before: typer.FileText | None
    after: typer.FileText | None

    @property
    def has_keys(self) -> bool:
        """True if keys are given, or files with keys."""
        return bool(self.keys.named or self.keys.files)

    def check(self) -> None:
        """Raise ConfigurationError unless there is either an event, or keys, or two listings."""
        before, after = self.before, self.after
        if [*map(bool, self.events), self.has_keys, bool(before or after)].count(True) != 1:
            raise ConfigurationError(
                "give one of them: an event, keys (--key, --keys-from), or two listings (--before, --after)"
            )
        if (before is None) != (after is None):
            raise ConfigurationError("--before / --after: give both, or none of them")
        if before and after and before.name == after.name == "<stdin>":
            raise ConfigurationError("--before / --after: only one of them can be standard input")

    def check_curve(self, settings: Settings, plot: Path | None) -> None:
        """Raise ConfigurationError if a curve lacks the bucket of the keys, or a plot its kind of file."""
        if self.has_keys and not bucket_meant(settings, self.keys.bucket):
            raise ConfigurationError(
                "--bucket: give the bucket of the keys: --curve and --plot count what else is in it"
            )
        if plot and plot.suffix.lower() not in SUFFIXES:
            raise ConfigurationError(f"--plot: give a file whose name ends in {', '.join(SUFFIXES)}")

    def preview(self, texts: list[str], settings: Settings) -> Preview:
        """Return all that the plan is made of; ``texts`` are the keys. Raises ConfigurationError."""
        if self.before and self.after:
            if self.keys.bucket is not None:
                check_bucket_name(self.keys.bucket, "--bucket")
            old, new = (snapshots.read_snapshot(read_text(file), file.name) for file in (self.before, self.after))
            return plan_inputs.of_snapshots(old, new, self.keys.bucket, settings)
        if self.events:
            return plan_inputs.of_event(read_json(open_event(self.events[0])), settings)
        return plan_inputs.of_keys(texts, self.keys.bucket, settings)


def _allowing(settings: Settings, budget: int | None, wildcards: int | None) -> Settings:
    allowance = settings.allowance
    if budget is not None:
        allowance = allowance._replace(paths=budget, saving=allowance.wildcards)
    if wildcards is not None:
        allowance = allowance._replace(wildcards=wildcards, saving=wildcards)
    return replace(settings, allowance=allowance)


def _show(preview: Preview, budget: int | None, *, as_json: bool) -> str:
    """Print the plan. Return how many changes are left out of it, if any."""
    made = preview.plan()
    if as_json:
        refused = [refusal.reason for refusal in preview.decoded.refusals]
        print_json("plan", plan_json(made) | {"refused": refused})
    else:
        show_plan(made)
    narrate_refusals(preview)
    narrate_plan(made)
    warn(over_budget(preview, made, budget) if budget is not None else ())
    narrate(cost_in_words(made))
    if preview.settings.repeat_after and preview.settings.queue_url and made.batches:
        narrate(f"REPEAT_AFTER: the function sends all of it twice, for twice that ({dollars(2 * made.cost.usd)} USD).")
    excluded = f"{count(made.excluded, 'change')} excluded" if made.excluded else ""
    return ", ".join(filter(None, [excluded, f"{made.unserved:,} unserved" if made.unserved else ""]))
