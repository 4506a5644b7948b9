"""``make bench``: measure, write results.json, and make results.md, a plot and the README's block from it.

Each ratio compares two things that were measured in turn in one run, so it holds when the machine's speed drifts.
Each figure is a median. Linux is needed for the peak memory of a process, Node.js for the deployed zip.
"""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZipFile

from benchmarks import report, speed
from benchmarks.figures import Planned, Results, load_deployment, save
from benchmarks.machine import hardware, versions
from benchmarks.progress import Progress
from benchmarks.scale import PATHS, WILDCARDS, Measurement, measured
from benchmarks.scores import objections
from tests.doubles.packaged import BUCKET, DISTRIBUTIONS, package

PACKAGES: Final = ("boto3", "aws-lambda-powertools", "awslambdaric")
SIZES: Final = (10_000, 100_000, 1_000_000)
ENOUGH_SECONDS: Final = 20.0
"""A run that takes longer is not repeated."""
PATIENCE: Final = 300.0
INTERRUPTED: Final = 128 + 2
"""The exit code of shells: 128 plus the number of the signal."""


def main() -> None:
    """Measure everything and write it to files."""
    _check_machine()
    results = _measured()
    save(results)
    deployment = load_deployment()
    report.write(results, deployment)
    print(report.readme(results, deployment))
    print("Written: benchmarks/results.json, results.md, speed.svg, and the block in README.md.")


def _measured() -> Results:
    """Measure everything, or end the process with a sentence."""
    progress = Progress(parts=5)
    try:
        return _measure(progress)
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


def _measure(progress: Progress) -> Results:
    with TemporaryDirectory() as folder, speed.endpoint() as address:
        progress.part("package")
        archive = _archive(Path(folder) / "package")
        has_bytecode = any(name.endswith(".pyc") for name in ZipFile(archive).namelist())
        progress.part("cold processes")
        process = speed.cold_process(address, progress.step)
        progress.part("cold starts under Lambda's runtime client")
        deployed, memory = speed.under_the_runtime(address, archive, progress.step)
    progress.part("decode and plan")
    warm = speed.warm(progress.step)
    progress.part("the planner on large sites")
    planner = list[Planned]()
    for objects in SIZES:
        progress.step(len(planner), len(SIZES))
        planner.append(_planned(objects))
    return Results(
        command="make bench",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=hardware(),
        versions=versions(*PACKAGES),
        bytecode=has_bytecode,
        took=round(progress.end()),
        cold=speed.cold(process, deployed),
        warm=warm,
        memory=memory,
        planner=planner,
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
    main()
