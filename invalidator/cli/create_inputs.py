"""The inputs of ``create``: paths and keys as a person writes them, and the plan that they make."""

from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import typer

from invalidator.by_hand import EVERYTHING, batches_of, path_of
from invalidator.cli.files import with_lines
from invalidator.cli.lookups import distributions_meant
from invalidator.cli.plan_inputs import of_paths_and_keys
from invalidator.cli.targets import bucket_meant, settings_meant
from invalidator.cli.terminal import narrate
from invalidator.errors import ConfigurationError
from invalidator.model import Plan
from invalidator.operator.invalidations import check_invalidation_id, find_invalidation
from invalidator.runtime import clients
from invalidator.settings.ids import is_distribution_id


def sort_words(words: list[str], *, follow_paths: bool) -> tuple[list[str], list[str]]:
    """Return the paths and tags among the arguments, and the keys. Behind --paths, all are paths."""
    paths = [word for word in words if follow_paths or word[:1] in {"/", "#", ""} or is_distribution_id(word)]
    return paths, [word for word in words if word not in paths]


def read_paths(
    named: list[str], more: list[str], files: list[typer.FileBinaryRead], *, allow_empty: bool = False
) -> list[str]:
    """Return paths and tags as they are written. Raises ConfigurationError if one of them is none."""
    given = [*named, *more]
    # A shell replaces /* that is not in quotes by the names in the root directory of this machine.
    if len(given) > 1 and set(given) == {str(entry) for entry in Path("/").glob("[!.]*")}:
        raise ConfigurationError("--paths: your shell has expanded /*: put it in quotes, as '/*'")
    for text in more:
        if is_distribution_id(text):
            raise ConfigurationError(f"{text!r} is no path: did you mean --distribution-id {text}? Repeat the option")
    for text in given:
        path_of(text, "--paths")
    texts = with_lines(given, files, "--from-file", allow_empty=allow_empty)
    for text in texts[len(given) :]:
        path_of(text, "--from-file")
    return texts


class Order(NamedTuple):
    """The order of a person: what to invalidate and where, as the options say it."""

    paths: list[str]
    keys: list[str]
    again: str | None
    bucket: str | None
    distributions: list[str]
    reference: str | None

    @property
    def is_empty(self) -> bool:
        """True if it names nothing."""
        return not (self.paths or self.keys or self.again is not None)

    def plan(self) -> Plan:
        """Return the plan that this makes. Raises ConfigurationError."""
        if self.is_empty:
            raise ConfigurationError(f"nothing to invalidate: give --paths, as '{EVERYTHING}', or --key")
        if self.reference is not None and not self.reference.strip():
            raise ConfigurationError("--reference: it is empty; without the option, each run has a name of its own")
        identity = f"create {self.reference or uuid4()}"
        if self.again is None:
            return self._plan_anew(identity)
        if self.paths or self.keys:
            raise ConfigurationError("--again: leave out paths and keys; those of the earlier invalidation are sent")
        check_invalidation_id(self.again, "--again")
        earlier = find_invalidation(
            clients.cloudfront(), distributions_meant(self.distributions, self.bucket), self.again
        )
        source = f"--again {self.again}"
        return Plan(tuple(batches_of(earlier.items, source, [earlier.distribution], identity, again=True)))

    def _plan_anew(self, identity: str) -> Plan:
        settings = settings_meant(self.distributions, self.bucket)
        if self.bucket and self.distributions and not self.keys:
            narrate("warning: without keys, --bucket makes no difference beside --distribution-id")
        bucket = bucket_meant(settings, self.bucket)
        preview = of_paths_and_keys(self.paths, self.keys, bucket, settings, identity)
        if preview.decoded.refusals:
            raise ConfigurationError(f"--key: {preview.decoded.refusals[0].reason}")
        return preview.plan()
