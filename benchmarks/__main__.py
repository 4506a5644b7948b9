"""``make bench``: measure, write results.json, and make results.md, a plot and the README's block from it.

``python -m benchmarks cold`` measures cold starts only, shows them, and writes nothing. ``python -m benchmarks cold
NAME=ZIP …`` measures these zips of the function in turn in place of everything else. ``python -m benchmarks catch-up``
measures catching up only, and writes that.

Each ratio compares two things that were measured in turn in one run, so it holds when the machine's speed drifts.
Each figure is a median. Linux is needed for the peak memory of a process, Node.js for the deployed zip.
"""

import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import Final, TypeVar
from zipfile import ZipFile

from benchmarks import report, speed
from benchmarks.catch_up import catch_ups
from benchmarks.cold import account, cold_starts, packagings, start
from benchmarks.figures import MEMORY, CatchUps, Cold, Planned, Results, Start, load, load_deployment, save
from benchmarks.machine import hardware, versions
from benchmarks.progress import ENOUGH_SECONDS, Progress
from benchmarks.scale import PATHS, WILDCARDS, Measurement, measured
from benchmarks.scores import objections
from tests.doubles.packaged import BUCKET, DISTRIBUTIONS, package

PACKAGES: Final = ("boto3", "aws-lambda-powertools", "awslambdaric")
SIZES: Final = (10_000, 100_000, 1_000_000)
PATIENCE: Final = 300.0
INTERRUPTED: Final = 128 + 2
"""The exit code of shells: 128 plus the number of the signal."""

_T = TypeVar("_T")


def main(*arguments: str) -> None:
    """Measure everything and write it to files, or show the part that the arguments name."""
    _check_machine()
    match arguments:
        case ():
            _write(_measured(_measure, parts=6))
        case ("cold",):
            print(report.cold_starts(_measured(_measure_cold, parts=3)[0]))
        case ("cold", *zips) if all("=" in each for each in zips):
            print(report.functions(_measured(partial(_compare, zips), parts=1)))
        case ("catch-up",):
            _write({**load(), "catch_up": _measured(_measure_catch_up, parts=1)})
        case _:
            sys.exit("bench: the arguments are none, or: cold [NAME=ZIP …], or: catch-up")


def _write(results: Results) -> None:
    save(results)
    deployment = load_deployment()
    report.write(results, deployment)
    print(report.readme(results, deployment))
    print("Written: benchmarks/results.json, results.md, speed.svg, and the block in README.md.")


def _measured(measure: Callable[[Progress], _T], parts: int) -> _T:
    """Measure so many parts, or end the process with a sentence."""
    progress = Progress(parts)
    try:
        return measure(progress)
    except KeyboardInterrupt:
        progress.end()
        print("bench: interrupted. Nothing was written.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except CalledProcessError as error:
        sys.exit(f"bench: a measured program failed. Nothing was written. It printed:\n{error.stderr}")
    except OSError as error:
        sys.exit(f"bench: {error}. Nothing was written.")
    finally:
        progress.end()


def _check_machine() -> None:
    """End the process with a sentence if the machine lacks something."""
    if sys.platform != "linux":
        sys.exit("bench: run this on Linux, which reports the peak memory of a process. A container will do.")
    if shutil.which("npm") is None:
        sys.exit(
            "bench: npm was not found. Install Node.js 20 or later, which osls needs to make the zip (on Debian and"
            " Ubuntu: apt install npm)."
        )


def _measure_cold(progress: Progress) -> tuple[Cold, bool]:
    """Return the cold starts, and whether the zip has bytecode."""
    with TemporaryDirectory() as folder, account() as served:
        progress.part("package")
        archive = _archive(Path(folder) / "package")
        has_bytecode = any(name.endswith(".pyc") for name in ZipFile(archive).namelist())
        return cold_starts(archive, served, progress), has_bytecode


def _measure_catch_up(progress: Progress, command: str = "python -m benchmarks catch-up") -> CatchUps:
    progress.part("catching up on a million objects")
    return catch_ups(progress.step, command)


def _compare(zips: list[str], progress: Progress) -> list[Start]:
    """Return the cold starts of these zips, each against the first."""
    archives = {name: Path(archive) for name, _, archive in (each.partition("=") for each in zips)}
    progress.part("cold starts of the zips")
    with account() as served:
        runs = packagings(archives, served, progress.step)
    others = next(iter(runs.values()))
    return [start(name, MEMORY, taken, others) for name, taken in runs.items()]


def _measure(progress: Progress) -> Results:
    cold, has_bytecode = _measure_cold(progress)
    progress.part("decode and plan")
    warm = speed.warm(progress.step)
    progress.part("the planner on large sites")
    planner = list[Planned]()
    for objects in SIZES:
        progress.step(len(planner), len(SIZES))
        planner.append(_planned(objects))
    catch_up = _measure_catch_up(progress, "make bench")
    return Results(
        command="make bench",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=hardware(),
        versions=versions(*PACKAGES),
        bytecode=has_bytecode,
        took=round(progress.end()),
        cold=cold,
        warm=warm,
        planner=planner,
        catch_up=catch_up,
    )


def _archive(folder: Path) -> Path:
    """Return the deployed zip, or end the process with the output of osls."""
    try:
        return package(folder, BUCKET, DISTRIBUTIONS).zips["invalidate"]
    except AssertionError as error:
        sys.exit(f"bench: osls made no package. Nothing was measured. It printed:\n{error}")


def _planned(objects: int) -> Planned:
    runs = [_planned_once(objects)]
    if runs[0].seconds <= ENOUGH_SECONDS:
        runs += [_planned_once(objects) for _ in range(2)]
    found = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    return Planned(
        objects=objects,
        urls=found.urls,
        runs=len(runs),
        seconds=float(f"{found.seconds:.3g}"),
        mebibytes=round(max(run.peak for run in runs), 1),
        evicted=found.score.evicted,
        bound=found.bound,
    )


def _planned_once(objects: int) -> Measurement:
    found = measured(objects, clustered=False, times=1, patience=PATIENCE)
    if found is None:
        sys.exit(f"bench: the planner takes too long for {objects:,} objects, or too much memory. Nothing was written.")
    wrong = objections(found.score, PATHS, WILDCARDS, found.claimed)
    if wrong:
        sys.exit(f"bench: the planner on {objects:,} objects: {', '.join(wrong)}. Nothing was written.")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
