"""``make bench-planner``: measure the planner of wildcards beside other tools and write planner.md.

Nothing is written if a cover misses a URL, has more items than allowed, or evicts other objects than it says. The exit
code is also 1 if a cover may be more than 5 % above the least, evicts more than s3deploy's, or takes too long.
Linux is needed for the peak memory of a process.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks import s3cmd, s3deploy, scale
from benchmarks.machine import machine
from benchmarks.report import percent, table
from benchmarks.scale import Measurement, measured
from benchmarks.scores import Score, gap, objections, score
from benchmarks.sites import Blog, Tree, blog, urls_of_all
from invalidator.model import Allowance, Cause, Item, ObjectChange, ObjectKey, UrlPath
from invalidator.planning.coalesce import coalesce
from invalidator.planning.cover import Prefixes

RESULTS: Final = Path(__file__).parent / "planner.md"

BUDGETS: Final = (4, 8, 15, 41, 60, 120)
WILDCARDS: Final = 15
SIZES: Final = (10_000, 30_000, 100_000, 300_000, 1_000_000)
HUGE: Final = 10_000_000
FITTING: Final = 4_000
RUNS: Final = 31

# The claims.
WORST_GAP: Final = 0.05
MOST_SECONDS, MOST_MEBIBYTES = 10.0, 1024.0
"""Limits for up to a million objects, a tenth of them changed."""
HUGE_SECONDS: Final = 120.0
MOST_SECONDS_TO_FIT: Final = 0.005
"""The limit for ``FITTING`` items."""


class Planned(NamedTuple):
    """The score of a cover, and the least that any cover can evict."""

    score: Score
    bound: int


@dataclass
class Claims:
    """The claims that do not hold."""

    broken: list[str] = field(default_factory=list)

    def hold(self, where: str, found: list[str]) -> None:
        """End the process, with nothing written, if there are objections to a cover."""
        if found:
            sys.exit(f"bench-planner: {where}: {', '.join(found)}. Nothing was written.")

    def check(self, holds: bool, otherwise: str) -> None:
        """Remember a claim that does not hold. The figures are written anyway."""
        if not holds:
            self.broken.append(otherwise)
            _tell(f"NOT TRUE: {otherwise}")


def main() -> None:
    """Measure everything, write it to a file, and fail if a claim does not hold."""
    claims, site = Claims(), blog()
    parts = [_head(), _of_deploys(site, claims), _of_others(site, claims), _of_scale(claims), _of_what_fits(claims)]
    text = "\n".join(parts)
    RESULTS.write_text(text)
    print(text)
    if claims.broken:
        sys.exit("bench-planner: these claims do not hold:\n" + "\n".join(claims.broken))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _head() -> str:
    return f"""# The planner of wildcards

Changed URLs become no more items than are allowed, up to {WILDCARDS} of them wildcards `prefix*`. *Evicted* are the
objects that did not change and are forgotten all the same. Each cover was compared with every key of its site by code
that knows nothing of the planner: it clears all changed URLs, has no more items than allowed, and evicts what it says.

The planner proves the *bound*: no cover within the same allowance evicts fewer objects. Where that is what is evicted,
it is the *least*; elsewhere the *gap* is by how much it may be above that. *Exact*: nothing else is evicted at all.

Measured by `make bench-planner` on {datetime.now(UTC):%Y-%m-%d}: {machine("s3cmd")}; s3deploy {s3deploy.VERSION}.
"""


# --- five deploys ---------------------------------------------------------------------------------------


def _plan(site: Blog, changed: list[str], urls: list[str], paths: int, claims: Claims) -> Planned:
    stale, prefixes = set(changed), Prefixes(urls)
    prefixes.count(("/" + key,) for key in site.keys if key not in stale)
    cover = prefixes.cover(paths, WILDCARDS)
    where = f"{len(changed)} objects, {len(urls)} URLs, {paths} paths"
    if cover is None:
        sys.exit(f"bench-planner: {where}: there is no cover. Nothing was written.")
    found = score(cover.items, site.keys, changed, urls)
    claims.hold(where, objections(found, paths, WILDCARDS, cover.evicted))
    above = gap(found.evicted, cover.bound)
    claims.check(above <= WORST_GAP, f"{where}: {percent(above)} above the bound")
    return Planned(found, cover.bound)


def _of_deploys(site: Blog, claims: Claims) -> str:
    _tell("Five deploys …")
    rows = []
    for name, changed in site.deploys.items():
        urls = urls_of_all(changed)
        for paths in BUDGETS:
            found, bound = _plan(site, changed, urls, paths, claims)
            figures = (found.items, found.wildcards, found.evicted, bound)
            rows.append([name, f"{len(urls):,}", str(paths), *(f"{n:,}" for n in figures), *_proof(found, bound)])
    columns = ["deploy", "changed URLs", "allowed", "items", "wildcards", "evicted", "bound", "gap", ""]
    return f"""## Five deploys to a site of {len(site.keys):,} objects

{table(columns, rows)}"""


def _proof(found: Score, bound: int) -> tuple[str, str]:
    above = gap(found.evicted, bound)
    return percent(above), "" if above else "least" if found.evicted else "exact"


# --- others ---------------------------------------------------------------------------------------------


class Other(NamedTuple):
    """The requests of another tool after a deploy: the items of each call, or why it makes none."""

    name: str
    allows: int
    calls: list[list[str]]
    refusal: str = ""


def _others(changed: list[str]) -> list[Other]:
    found = [Other("s3deploy", s3deploy.PATHS, [s3deploy.items(changed)])]
    for options in ((), (s3cmd.WITH_INDEX,)):
        name = " ".join(["s3cmd", *(f"`{option}`" for option in options)])
        found.append(Other(name, s3cmd.PATHS, *s3cmd.run(changed, *options)))
    return found


def _of_others(site: Blog, claims: Claims) -> str:
    rows = []
    for name, changed in site.deploys.items():
        _tell(f"Others: {name} …")
        for other in _others(changed):
            rows.append([name, other.name, *_beside(site, changed, other, claims)])
    columns = ["deploy", "tool", "calls", "paths", "wildcards", "evicted", "missed", "ours, the same", "ours, all"]
    return f"""## What others make of these deploys

s3deploy counts slashes to make {s3deploy.PATHS} paths of more; these are its
[published rules]({s3deploy.SOURCE}),
in code of our own. s3cmd was run as after an upload to a bucket that is a website; it takes up to {s3cmd.PATHS} paths
and coalesces none. *Missed* are URLs of changed objects that stay as they were: of an index document, both tools clear
the directory, but by default not its own URL.

Beside them is what we evict: *ours, the same* clears what the tool clears, with as many paths as it took;
*ours, all* misses nothing, and is allowed as many paths as the tool ever sends. In brackets are the paths.

{table(columns, rows, words=2)}"""


def _beside(site: Blog, changed: list[str], other: Other, claims: Claims) -> list[str]:
    urls = urls_of_all(changed)
    every = _plan(site, changed, urls, other.allows, claims).score
    ours = f"{every.evicted:,} ({every.items:,})"
    if other.refusal:
        return ["none", "", "", "", f"{len(urls):,}", "", ours]
    items = [item for call in other.calls for item in call]
    theirs = score(items, site.keys, changed, urls)
    cleared = [url for url in urls if not score(items, [], [], [url]).missed]
    same = _plan(site, changed, cleared, len(items), claims).score
    claims.check(same.evicted <= theirs.evicted, f"{len(changed)} objects: {other.name} evicts less than we do")
    figures = [len(other.calls), *theirs, same.evicted]
    return [*(f"{figure:,}" for figure in figures), ours]


# --- large sites ----------------------------------------------------------------------------------------


def _of_scale(claims: Claims) -> str:
    rows, unproven = [], list[int]()
    for clustered in (False, True):
        for objects in SIZES:
            _tell(f"{objects:,} objects, {_kind(clustered)} …")
            found = measured(objects, clustered=clustered, times=3 if objects < SIZES[-1] else 1, patience=600)
            where = f"{objects:,} objects, {_kind(clustered)}"
            if found is None:
                sys.exit(f"bench-planner: {where}: it took too much time or memory. Nothing was written.")
            _claim(where, found, claims)
            claims.check(found.seconds <= MOST_SECONDS, f"{where}: {found.seconds:.1f} s")
            claims.check(found.peak <= MOST_MEBIBYTES, f"{where}: {found.peak:,.0f} MiB")
            rows.append(_scale_row(objects, clustered, found))
            unproven += [found.urls] if found.claimed > found.bound else []
    rest = _of_the_largest(rows, claims)
    columns = ["objects", "changes", "changed URLs", "build", "count", "cover", "all, s", "ns / (n log n)"]
    columns += ["MiB", "before", "items", "wildcards", "evicted", "bound", "gap"]
    return f"""## Large sites

Sites of up to a million objects in directories of several levels and very different sizes. A tenth of the objects
changed: *scattered* all over the site, or *clustered*, nine tenths of them in directories that changed with all that is
in them. They have to become {scale.PATHS:,} items, {scale.WILDCARDS} of them wildcards.

Seconds are those to *build* a tree of the changed URLs, to *count* the unchanged objects in a stream of all URLs in no
order (less the time that it takes to make these up), and to choose the *cover*; each is the median of three processes,
and of one for the largest. *n* is the number of changed URLs; the logarithm is to base 2. *MiB* is the most memory
that the process had taken, and how much of that it had before the planner began: Python, the changed URLs, and what
the others are made up from.

{table(columns, rows, words=2)}
{_of_proofs(unproven)}
{rest}"""


def _of_proofs(unproven: list[int]) -> str:
    if not unproven:
        return "Each of the covers is proven to evict the least.\n"
    least = f"{min(unproven):,}"
    return f"""Below {least} changed URLs, each of the covers is proven to evict the least. From there on a proof may
take longer than the second or so that is given to it; then it is the best that was found, and the gap is known.
"""


def _kind(clustered: bool) -> str:
    return "clustered" if clustered else "scattered"


def _claim(where: str, found: Measurement, claims: Claims) -> None:
    claims.hold(where, objections(found.score, scale.PATHS, scale.WILDCARDS, found.claimed))
    above = gap(found.claimed, found.bound)
    claims.check(above <= WORST_GAP, f"{where}: {percent(above)} above the bound")


def _scale_row(objects: int, clustered: bool, found: Measurement) -> list[str]:
    growth = found.seconds * 1e9 / (found.urls * math.log2(found.urls))
    figures = [found.peak, found.inputs, *found.score[:3], found.bound]
    return [
        f"{objects:,}",
        _kind(clustered),
        f"{found.urls:,}",
        *(_seconds(seconds) for seconds in (found.build, found.count, found.cover, found.seconds)),
        f"{growth:,.0f}",
        *(f"{figure:,.0f}" for figure in figures),
        percent(gap(found.claimed, found.bound)),
    ]


def _of_the_largest(rows: list[list[str]], claims: Claims) -> str:
    """Add a row for ten million objects, or return a sentence if this machine cannot plan for so many."""
    where = f"{HUGE:,} objects, {_kind(True)}"
    _tell(f"{where} …")
    found = measured(HUGE, clustered=True, times=1, patience=5 * HUGE_SECONDS)
    if found is None or found.seconds > HUGE_SECONDS:
        limit = f"{HUGE_SECONDS:.0f} s or {scale.MEMORY // 2**30} GiB"
        return f"{HUGE:,} objects are left out: they take more than {limit}.\n"
    _claim(where, found, claims)
    rows.append(_scale_row(HUGE, True, found))
    return ""


# --- items that fit ------------------------------------------------------------------------------------------


def _of_what_fits(claims: Claims) -> str:
    site = Tree(10 * FITTING)
    items = _items(urls_of_all(site.changed())[:FITTING])
    others: list[tuple[UrlPath, ...]] = [(UrlPath(f"/{key}"),) for key in site.keys()]  # noqa: SIM118 they are no dict's
    exact, lossless = (
        median(_cpu(partial(_fit, items, others, lossless=lossless)) for _ in range(RUNS)) for lossless in (False, True)
    )
    claims.check(exact < MOST_SECONDS_TO_FIT, f"{FITTING:,} items that fit take {exact * 1000:.1f} ms")
    return f"""## What fits

{FITTING:,} URLs where {FITTING:,} items are allowed: nothing has to be widened, and finding that out takes
{exact * 1000:.1f} ms. To look for wildcards that evict nothing, among {len(others):,} objects, takes
{lossless * 1000:.0f} ms. Both are medians of {RUNS}.
"""


def _fit(items: tuple[Item, ...], others: list[tuple[UrlPath, ...]], *, lossless: bool) -> None:
    coalesce(items, Allowance(FITTING, WILDCARDS, WILDCARDS if lossless else 0), lambda _prefix: others)


def _items(urls: list[str]) -> tuple[Item, ...]:
    changes = (ObjectChange("origin", ObjectKey(url[1:]), url) for url in sorted(urls))
    return tuple(Item(UrlPath(f"/{change.key}"), (Cause(change, "object"),)) for change in changes)


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 1 else f"{seconds:.1f}"


if __name__ == "__main__":
    main()
