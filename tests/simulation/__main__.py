"""``make simulate``: many worlds (SEEDS=10000), or one with its trace (SEED=17)."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context

from tests.simulation.many import Result, Total, try_world, try_worlds
from tests.simulation.protections import PROTECTIONS, noticed_by

TRACE_LINES = 60


def main() -> int:
    """Play the worlds of the command line. Return 1 if one fails or a bound does not hold."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds to play")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--seed", type=int, help="only this one, with its trace")
    parser.add_argument("--protections", action="store_true", help="turn each protection off, until a world notices")
    given = parser.parse_args()
    if given.protections:
        return _protections(range(given.first, given.first + given.seeds))
    if given.seed is not None:
        return _one(given.seed)
    return _many(range(given.first, given.first + given.seeds))


def _protections(seeds: range) -> int:
    """Print after how many worlds each protection is missed."""
    unnoticed = 0
    print("| protection | worlds until its removal is noticed |\n|---|---|")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for name, seed in zip(PROTECTIONS, pool.map(partial(noticed_by, seeds=seeds), PROTECTIONS), strict=True):
            unnoticed += seed is None
            after = f"none of {len(seeds):,}" if seed is None else f"{seed - seeds.start + 1:,}"
            print(f"| {name} | {after} |", flush=True)
    return 1 if unnoticed else 0


def _one(seed: int) -> int:
    result = try_world(seed)
    if result.failure:
        _show(result)
        return 1
    print(f"Seed {seed} is as it has to be: {result.report}")
    return 0


def _many(seeds: range) -> int:
    total, failures, begun = Total(), 0, time.monotonic()
    for result in _until_interrupted(try_worlds(seeds)):
        total.add(result)
        if result.failure:
            failures += 1
            _show(result)
        if sys.stderr.isatty():
            print(f"\r{total.worlds:,} of {len(seeds):,} worlds …", end="", file=sys.stderr)
        elif total.worlds % 1_000 == 0:
            print(
                f"{total.worlds:,} of {len(seeds):,} worlds, {failures or 'none'} failed …", file=sys.stderr, flush=True
            )
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(f"{total}\n{failures or 'None'} failed; {time.monotonic() - begun:.0f} seconds.")
    for bound in total.exceeded():
        print(f"Too much: {bound}")
    is_whole = total.worlds + failures == len(seeds)
    return 1 if failures or total.exceeded() else 0 if is_whole else 130


def _until_interrupted(results: Iterator[Result]) -> Iterator[Result]:
    """Yield results. On Ctrl-C, the sums so far are still worth something."""
    with suppress(KeyboardInterrupt):
        yield from results


def _show(result: Result) -> None:
    print("\n".join(result.trace[-TRACE_LINES:]))
    print(f"Seed {result.seed} failed: {result.failure}\nAgain: make simulate SEED={result.seed}\n")


if __name__ == "__main__":
    sys.exit(main())
