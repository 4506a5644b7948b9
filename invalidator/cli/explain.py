"""``explain``: say what a change of an object would clear, and why."""

from typing import Annotated, Any, NamedTuple

import typer

from invalidator.cli import options
from invalidator.cli.keys import check_key
from invalidator.cli.session import errors_explained
from invalidator.cli.targets import distributions_serving, settings_meant
from invalidator.cli.terminal import Part, narrate, print_json, print_table
from invalidator.errors import ConfigurationError, EventError
from invalidator.events.records import change_by_hand
from invalidator.model import Distribution, ObjectChange
from invalidator.operator.wording import count
from invalidator.settings.environment import Settings, check_bucket_name
from invalidator.urls.viewers import View, Viewers


class Explanation(NamedTuple):
    """The paths that a distribution would get for an object, each with its reasons, and notes beside them."""

    distribution: str
    paths: dict[str, list[str]]
    notes: tuple[str, ...]


def explain(
    key: Annotated[str, typer.Argument(help="An object key, as S3 stores it.", metavar="KEY")],
    bucket: options.OriginBucket,
    distribution_id: options.DistributionIds = None,
    as_json: options.Json = False,
) -> None:
    """Say for each distribution what a change of an object would clear there, and why, or why nothing.

    Example: invalidator explain blog/index.html --bucket my-origin --distribution-id discover
    """
    with errors_explained():
        check_bucket_name(bucket, "--bucket")
        check_key(key, "KEY")
        settings = settings_meant(distribution_id or [])
        change = _change(key, bucket)
        distributions, warnings = distributions_serving(settings, {bucket})
        explained = [_explained(distribution, change, settings.view) for distribution in distributions]
    if as_json:
        print_json([_as_json(item) for item in explained])
    else:
        _print(explained, bucket, settings)
    paths = sum(len(item.paths) for item in explained)
    narrate(f"{count(paths, 'path')} on {count(len(explained), 'distribution')}. Nothing was sent.")
    if warnings:  # the question was who serves it
        raise typer.Exit(1)


def _change(key: str, bucket: str) -> ObjectChange:
    try:
        return change_by_hand(bucket, key, "explain")
    except EventError as error:
        raise ConfigurationError(f"KEY: {error}") from error


def _explained(distribution: Distribution, change: ObjectChange, view: View) -> Explanation:
    if not view.takes(change.key):
        return Explanation(distribution.id, {}, ("INCLUDE and EXCLUDE leave this key out",))
    paths: dict[str, dict[str, None]] = {}
    stale, notes = Viewers(distribution.site, view).stale(change)
    for path, cause in stale:
        paths.setdefault(path, {})[str(cause)] = None
    reasons = {path: list(causes) for path, causes in sorted(paths.items())}
    return Explanation(distribution.id, reasons, tuple(dict.fromkeys(notes)))


def _print(explained: list[Explanation], bucket: str, settings: Settings) -> None:
    print_table(("distribution", "path", "reason"), [row for item in explained for row in _rows(item)])
    if settings.discover and not explained:
        tagged = f" and the tag {settings.discover_tag}" if settings.discover_tag else ""
        narrate(f"No distribution of the account has an origin in bucket {bucket}{tagged}.")


def _rows(item: Explanation) -> list[list[Part]]:
    """Return a row for each path and for each note, which stands out where there is no path."""
    id_: Part = (item.distribution, "cyan")
    rows: list[list[Part]] = [[id_, path, "; ".join(reasons)] for path, reasons in item.paths.items()]
    return rows + [[id_, "-", (note, "dim" if item.paths else "yellow")] for note in item.notes]


def _as_json(item: Explanation) -> dict[str, Any]:
    return {
        "distribution": item.distribution,
        "items": [{"path": path, "reasons": reasons} for path, reasons in item.paths.items()],
        "notes": list(item.notes),
    }
