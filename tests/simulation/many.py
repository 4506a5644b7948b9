"""Many worlds on all processors, and their sums."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from math import nan
from multiprocessing import get_context
from typing import Final

from invalidator.model import usd_for
from tests.simulation.story import Report, Story

MOST_PATHS: Final = 1.5
MOST_BATCHES: Final = 3.0
"""Against the same uploads where nothing goes wrong, over this many worlds at least."""
ENOUGH_WORLDS: Final = 100


@dataclass
class Result:
    """The report of a world, and of the same uploads in calm, or the reason why the world failed."""

    seed: int
    report: Report | None = None
    calm: Report | None = None
    failure: str = ""
    trace: list[str] = field(default_factory=list)


@dataclass
class Total:
    """Sums over worlds.

    Those of ``twins`` are over the worlds that were also played in calm, those of ``alone`` without other tools.
    """

    worlds: int = 0
    uploads: int = 0
    invocations: int = 0
    tickets: int = 0
    letters: int = 0
    paths: int = 0
    wildcards: int = 0
    doubled: int = 0
    batches: int = 0
    twins: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)
    overwritten: int = 0  # worlds
    connection: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Add a world that did not fail."""
        report = result.report
        if report is None:
            return
        self.worlds += 1
        self.uploads += report.uploads
        self.invocations += report.invocations
        self.tickets += report.tickets
        self.letters += report.letters
        self.paths += report.billed
        self.wildcards += report.wildcards
        self.doubled += report.doubled
        self.batches += report.accepted
        self.answers.update(report.answers)
        if report.is_alone:
            self.alone.update(report.answers)
        self.unlisted.update(report.unlisted)
        self.overwritten += bool(report.connection)
        self.connection.update(report.connection)
        if result.calm is not None:
            calm = result.calm
            self.twins.update(paths=report.billed, calm_paths=calm.billed)
            self.twins.update(batches=report.accepted, calm_batches=calm.accepted)

    @property
    def paths_ratio(self) -> float:
        """Return the billed paths, relative to those of the calm twins."""
        return self.twins["paths"] / (self.twins["calm_paths"] or nan)

    @property
    def batches_ratio(self) -> float:
        """Return the accepted calls, relative to those of the calm twins."""
        return self.twins["batches"] / (self.twins["calm_batches"] or nan)

    def exceeded(self) -> list[str]:
        """Return the bounds of docs/how-it-works.md that do not hold."""
        if self.worlds < ENOUGH_WORLDS:
            return []
        calls = self.answers.total()
        bounds = {
            f"{self.paths_ratio:.2f} times the paths": self.paths_ratio <= MOST_PATHS,
            f"{self.batches_ratio:.2f} times the calls": self.batches_ratio <= MOST_BATCHES,
            "throttled calls": self.answers["Throttling"] <= calls / 4,
            "calls to full distributions": self.alone["TooManyInvalidationsInProgress"] <= self.alone.total() / 100,
        }
        return [name for name, holds in bounds.items() if not holds]

    def __str__(self) -> str:
        """Return a summary of a few lines."""
        connection = self.connection
        refused = self.answers.total() - self.answers["accepted"] - self.answers["replayed"]
        return (
            f"{self.worlds:,} worlds: {self.uploads:,} uploads, {self.invocations:,} invocations,"
            f" {refused:,} calls refused or unanswered, {self.tickets:,} tickets, {self.letters:,} dead letters.\n"
            f"{self.paths:,} paths were billed, {self.wildcards:,} of them wildcards:"
            f" {self.paths_ratio:.2f} times those of the same uploads where nothing goes wrong.\n"
            f"{self.batches:,} calls were accepted: {self.batches_ratio:.2f} times.\n"
            f"{self.doubled:,} paths ({usd_for(self.doubled):,.2f} USD) were billed twice, where the function was"
            " killed between storing and answering.\n"
            f"In {self.overwritten:,} worlds, others overwrote the notifications of the bucket:"
            f" {connection['not heard']:,} uploads were not heard, and {connection['CaughtUp']:,} changes caught up."
        )


def try_world(seed: int) -> Result:
    """Play a world, and for one seed in five also its calm twin."""
    story = Story(seed)
    try:
        report = story.play()
        return Result(seed, report, None if seed % 5 else Story(seed, calm=True).play())
    except AssertionError as error:
        return Result(seed, failure=str(error), trace=list(story.world.trace))


def try_worlds(seeds: Iterable[int]) -> Iterator[Result]:
    """Play many worlds and yield their results in the order of the seeds."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(try_world, seeds, chunksize=5)
        finally:  # what nobody asks for any more is not played
            pool.shutdown(wait=False, cancel_futures=True)
