"""``explain``: say what a change of an object would clear, and why."""

from typing import Any, NamedTuple

from invalidator.cli import options
from invalidator.cli.keys import key_meant
from invalidator.cli.lookups import distributions_serving
from invalidator.cli.session import errors_explained
from invalidator.cli.targets import origin_bucket, settings_meant
from invalidator.cli.terminal import Part, narrate, print_json, print_table
from invalidator.errors import ConfigurationError, EventError
from invalidator.events.records import change_by_hand
from invalidator.model import Distribution, ObjectChange
from invalidator.urls.viewers import View, Viewers
from invalidator.wording import count


class Explanation(NamedTuple):
    """The paths that a distribution would get for a key, each with its reasons, and notes beside them."""

    distribution: str
    key: str
    paths: dict[str, list[str]]
    notes: tuple[str, ...]


@options.in_account
def explain(
    *,
    words: options.KeyWords,
    key: options.Keys,
    literal: options.Literal = False,
    bucket: options.OriginBucket = None,
    distribution_id: options.DistributionIds,
    as_json: options.Json = False,
) -> None:
    """Say for each distribution what a change of an object would clear there, and why, or why nothing.

    Example: invalidator explain blog/index.html --bucket my-origin
    """
    with errors_explained():
        if not (words or key):
            raise ConfigurationError("KEY: give at least one")
        keys = [key_meant(text, bucket, literal=literal) for text in (*words, *key)]
        settings = settings_meant(distribution_id, bucket)
        origin = origin_bucket(bucket)
        changes = [_change(one, origin) for one in keys]
        distributions = distributions_serving(settings, origin)
        explained = [_explained(item, change, settings.view) for item in distributions for change in changes]
    _show(explained, origin, as_json=as_json)
    paths = sum(len(item.paths) for item in explained)
    narrate(f"{count(paths, 'path')} on {count(len(distributions), 'distribution')}. Nothing was sent.")


def _show(explained: list[Explanation], bucket: str, *, as_json: bool) -> None:
    if as_json:
        print_json("explain", {"bucket": bucket, "explanations": [_as_json(item) for item in explained]})
    else:
        print_table(("distribution", "path", "reason"), [row for item in explained for row in _rows(item)])


def _change(key: str, bucket: str) -> ObjectChange:
    try:
        return change_by_hand(bucket, key, "explain")
    except EventError as error:
        raise ConfigurationError(f"--key: {error}") from error


def _explained(distribution: Distribution, change: ObjectChange, view: View) -> Explanation:
    if not view.takes(change.key):
        return Explanation(distribution.id, change.key, {}, ("INCLUDE and EXCLUDE leave this key out",))
    paths: dict[str, dict[str, None]] = {}
    stale, notes = Viewers(distribution.site, view).stale(change)
    for path, cause in stale:
        paths.setdefault(path, {})[str(cause)] = None
    reasons = {path: list(causes) for path, causes in sorted(paths.items())}
    return Explanation(distribution.id, change.key, reasons, tuple(dict.fromkeys(notes)))


def _rows(item: Explanation) -> list[list[Part]]:
    """Return a row for each path and for each note, which stands out where there is no path."""
    id_: Part = (item.distribution, "cyan")
    rows: list[list[Part]] = [[id_, path, "; ".join(reasons)] for path, reasons in item.paths.items()]
    return rows + [[id_, "-", (note, "dim" if item.paths else "yellow")] for note in item.notes]


def _as_json(item: Explanation) -> dict[str, Any]:
    return {
        "distribution": item.distribution,
        "key": item.key,
        "items": list(item.paths),
        "reasons": ["; ".join(reasons) for reasons in item.paths.values()],
        "notes": list(item.notes),
    }
