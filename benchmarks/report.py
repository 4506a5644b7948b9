"""The last runs in words: results.md, deployment.md, blocks in other documents, and the plots.

All are made from results.json and deployment.json.

``python -m benchmarks.report`` writes them again without measuring.
"""

from collections import Counter
from itertools import product
from math import inf
from pathlib import Path
from typing import Final

from benchmarks import figures, plots
from benchmarks.figures import (
    BOUND,
    BY_MEMORY,
    COLD,
    DEPLOYED,
    FLUSH,
    MEMORY,
    OURS,
    PER_OBJECT,
    PLAIN,
    SPLIT,
    STACK,
    CatchUps,
    Cold,
    Comparison,
    Deploy,
    Deployment,
    Phase,
    Planned,
    Results,
    Spread,
    Start,
)
from benchmarks.prices import (
    billed_cold,
    billed_warm,
    catch_up_seconds,
    share_of,
    usd_a_million,
    usd_of_calls,
    usd_of_seconds,
)
from benchmarks.scores import gap
from benchmarks.sites import blog, urls_of_all
from benchmarks.targets import MEDIAN_ONLY, MET, MISSED, TARGETS, cold_targets, pairs, verdict
from invalidator import check
from invalidator.limits import MAX_INVOCATION_SECONDS as INVOCATION_SECONDS
from invalidator.model import usd_for

HERE: Final = Path(__file__).parent
DOCUMENT: Final = HERE / "results.md"
DEPLOYMENT: Final = HERE / "deployment.md"
README: Final = HERE.parent / "README.md"
CATCH_UP_MEMORIES: Final = (MEMORY, 512, 1_024)
MOST_WRONG: Final = 0.05
"""The share of a processor may be wrong by so much."""
_OTHERS: Final = {FLUSH: "`/*` at the end", PER_OBJECT: PER_OBJECT}
PAGE: Final = HERE.parent / "docs" / "how-it-works.md"


def block(name: str, text: str) -> str:
    """Return a text between the comments that mark it as written by a program."""
    return f"<!-- {name}: begin -->\n{text}<!-- {name}: end -->\n"


def write(results: Results, deployment_: Deployment) -> None:
    """Write everything that is made from the results."""
    plots.save_speed(results)
    plots.save_deploys(deployment_)
    DOCUMENT.write_text(document(results))
    DEPLOYMENT.write_text(deployment(deployment_))
    _replace(README, "benchmarks", readme(results, deployment_))
    _replace(PAGE, "deployment", overview(deployment_))


def _replace(file: Path, name: str, text: str) -> None:
    begin, end = block(name, "|").split("|")
    before, _, rest = file.read_text().partition(begin)
    file.write_text(before + block(name, text) + rest.partition(end)[2])


# --- the README -----------------------------------------------------------------------------------------


def readme(results: Results, deployment_: Deployment) -> str:
    """Return the few rows that a user cares about, the picture of deploys, and where and when they were measured."""
    ours, plain = (_start(results["cold"], name) for name in (DEPLOYED, PLAIN))
    whole, slowest = "5,000 objects, shuffled, 100/s", max(deployment_["deploys"], key=_our_seconds)
    deploys = [
        ("1 of 5,000 objects", "1 image", 1),
        ("300 scattered ones", "300 images", 1),
        ("all of them in any order, 100 a second", whole, 1),
        ("the same to 20 distributions", whole, 20),
        (
            f"the slowest: {slowest['name']} to {slowest['distributions']} distributions",
            slowest["name"],
            slowest["distributions"],
        ),
    ]
    rows = [
        [
            f"Cold start with {MEMORY} MB, until the first event is answered",
            time(ours["answered"]["median"]),
            f"{time(plain['answered']['median'])}: a handler that makes a CloudFront client at import, and no more",
        ],
        *(_beside(told, _ways(deployment_, name, number)) for told, name, number in deploys),
    ]
    return f"""{table(["what", "invalidator", "beside it"], rows, words=3)}
![Price and time of deploys](benchmarks/{plots.DEPLOYS.name})

Deploys: the price without free paths, and the time from the last upload until all is fresh; in brackets the worst run.
Simulated with CloudFront's quotas {_on(deployment_)}: [all deploys, and the targets that
are missed](benchmarks/{DEPLOYMENT.name}). {measured(results)} [More](benchmarks/{DOCUMENT.name}).
"""


def _ways(found: Deployment, name: str, distributions: int) -> dict[str, Deploy]:
    rows = found["deploys"]
    return {row["way"]: row for row in rows if (row["name"], row["distributions"]) == (name, distributions)}


def _our_seconds(row: Deploy) -> float:
    return _longest(row) if row["way"] in STACK else 0.0


def _beside(told: str, ways: dict[str, Deploy]) -> list[str]:
    others = "; ".join(f"{name}: {_price(ways[way])}{_mistakes(ways[way])}" for way, name in _OTHERS.items())
    return [told, f"{_price(ways[OURS])} ({_worst(ways)})", others]


# --- results.md -----------------------------------------------------------------------------------------


def document(results: Results) -> str:
    """Return results.md."""
    return f"""# The last run of `make bench`

{measured(results)} It took {results["took"]:,.0f} seconds. The same figures for programs:
[{figures.RESULTS.name}]({figures.RESULTS.name}).

What is compared is measured in turn in one run, so that ratios hold where the machine's speed drifts: each is the
median of the ratios pair by pair. Every figure is a median; in brackets is what a tenth of the runs are below, and a
tenth above. Below 1 ×, ours is the faster.

![Cold starts, what ours costs against a plain handler, and decode and plan against json.loads]({plots.SPEED.name})

## Cold starts

{cold_starts(results["cold"])}
## Decode and plan

An SQS event of S3 notifications for two distributions, against `json.loads` on its bodies, which is the least that any
handler has to do: CPU time in a warm process.

{_warm(results)}
## The planner on large sites

A tenth of the objects changed, scattered all over the site, which is the hard case. They have to become 3,000 paths,
15 of them wildcards. *Evicted* are objects that did not change; no cover evicts fewer than the *bound*. The time
includes counting the other objects in a stream of all URLs. More sizes, and other tools: [planner.md](planner.md).

{_planner(results)}
## Catching up

{catch_up(results["catch_up"])}"""


def measured(results: Results) -> str:
    """Return a sentence that says when, where and how the run was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    bytecode = "with" if results["bytecode"] else "without"
    where = f"{results['machine']}, {versions}, {bytecode} bytecode in the zip"
    return f"Measured by `{results['command']}` on {results['date']}: {where}."


def _compared(found: Comparison) -> list[str]:
    return [_times(found["ours"]), _times(found["theirs"]), _ratios(found["ratio"]), str(found["runs"])]


def _warm(results: Results) -> str:
    rows = []
    for row in results["warm"]:
        found = row["seconds"]
        each = f"{found['ours']['median'] / row['messages'] * 1e6:.1f} µs"
        rows.append([f"{row['messages']:,}", each, *_compared(found)])
    return table(["messages", "ours, a message", "ours, all", "`json.loads`", "ratio", "runs"], rows, words=0)


def _planner(results: Results) -> str:
    rows = [
        [
            *(f"{value:,}" for value in (row["objects"], row["urls"])),
            time(row["seconds"]),
            f"{row['mebibytes']:.0f}",
            *(f"{value:,}" for value in (row["evicted"], row["bound"])),
            percent(_gap(row)),
            str(row["runs"]),
        ]
        for row in results["planner"]
    ]
    columns = ["objects", "changed URLs", "time", "MiB", "evicted", "bound", "gap", "runs"]
    return table(columns, rows, words=0)


def _gap(row: Planned) -> float:
    return gap(row["evicted"], row["bound"])


# --- catching up ----------------------------------------------------------------------------------------


def catch_up(found: CatchUps) -> str:
    """Return everything about catching up: what it takes and costs, and how much of an invocation."""
    objects = found["rows"][0]["objects"]
    return f"""Measured by `{found["command"]}` on {found["date"]}: {found["machine"]}.

A check of a bucket of {objects:,} objects that was connected just now, by the deployed function, in a process that sees
only its zip. S3, SQS and Parameter Store answer over TLS on the same machine, so the times have no network in them, nor
S3's own. *CPU* is that of the whole check, of all threads; *MiB* its peak. *Billed* are requests of SQS, one for each
64 KB. Parameter Store is read as often as it is written; the other calls are three.

{_taken(found)}
With its part of a processor, the CPU time alone takes the *seconds* below. An invocation has {INVOCATION_SECONDS} s,
of which {check._SETTLING_SECONDS} s are spent on waiting until S3 notifies, and {check._SECONDS_TO_END:.0f} s are kept
for its end; what is *left* is for the answers of S3. A check that runs out of time is gone on with by the next one.
USD: listings and SQS, and the whole invocation.

{_in_an_invocation(found)}"""


def _taken(found: CatchUps) -> str:
    rows = []
    for row in found["rows"]:
        calls = (row["calls"].get(name, 0) for name in ("ListObjectVersions", "SendMessageBatch", "PutParameter"))
        numbers = [f"{value:,}" for value in (row["changed"], *calls, row["requests"])]
        times = (row["seconds"], row["cpu"], row["cpu"] / row["calls"]["ListObjectVersions"])
        rows.append([*numbers, *map(time, times), f"{row['mebibytes']:.0f}", str(row["runs"])])
    calls_of = ["pages", "calls of SQS", "of PutParameter", "billed"]
    return table(["changed", *calls_of, "time", "CPU", "CPU a page", "MiB", "runs"], rows, words=0)


def _in_an_invocation(found: CatchUps) -> str:
    rows = []
    for memory, row in product(CATCH_UP_MEMORIES, found["rows"]):
        seconds, pages = catch_up_seconds(row, memory), row["calls"]["ListObjectVersions"]
        left = (INVOCATION_SECONDS - check._SETTLING_SECONDS - check._SECONDS_TO_END - seconds) / pages
        whole = usd_of_seconds(memory, min(check._SETTLING_SECONDS + seconds, INVOCATION_SECONDS))
        prices = [f"{usd:.4f}" for usd in (usd_of_calls(row), whole)]
        told = f"{left * 1000:,.0f} ms" if left > 0 else "none: it takes two checks or more"
        rows.append([f"{memory:,}", f"{row['changed']:,}", f"{seconds:,.0f}", told, *prices])
    return table(
        ["MB", "changed", "seconds", "left for S3, a page", "USD of calls", "of the invocation"], rows, words=0
    )


# --- cold starts ----------------------------------------------------------------------------------------


def cold_starts(cold: Cold) -> str:
    """Return everything about cold starts: what was measured and how, what misses its target, all figures."""
    return f"""Under Lambda's own runtime client, in a process that sees only the zip and the packages of the runtime.
CloudFront answers over TLS on the same machine: the network is not in it, nor the time in which Lambda finds a machine.
*Init* lasts from the start of the process until it asks for its first event, and has a whole processor, as in Lambda.
Each event has the share of one that comes with the memory, in every 20 ms: [slowed.py](slowed.py) stops the process
when it has used that up. {_loops(cold)} *CPU* is that of all threads; the other times are of the clock.

With {MEMORY} MB:

{functions([found for found in cold["starts"] if found["memory"] == MEMORY])}
× is the ratio to *{PLAIN}*, run by run, in {_start(cold, PLAIN)["runs"]} runs. CPU time of a
process that imports the handler and serves a first event, against one that runs `import boto3;
boto3.client("cloudfront")` and no more: {_cpu_of_process(cold["process"])}. After
one more event, of {cold["messages"]:,} messages, the peak of ours is {_mebibytes(cold["peak_with_messages"])} MiB.

### Targets

*Met* is what nine tenths of the runs meet.

{_cold_targets(cold)}
### By memory

Each millisecond that has begun is billed, and those of init, too. USD: a million events of one message, requests
included; *cold*, if each event started a process, *warm*, if none did.

{_by_memory(cold)}"""


def _loops(cold: Cold) -> str:
    shares = [f"{each['got']:.3f} where {each['asked']:.3f} was asked for" for each in cold["loops"]]
    wrong = any(abs(each["got"] / each["asked"] - 1) > MOST_WRONG for each in cold["loops"])
    more = f" That is more than {percent(MOST_WRONG)} wrong: the machine was too busy." if wrong else ""
    return f"In this run, a busy loop got {', '.join(shares)}.{more}"


def functions(starts: list[Start]) -> str:
    """Return a table of functions that start cold."""
    rows = [
        [
            found["function"],
            *(cell for phase in (found["init"], found["first"], found["second"]) for cell in _phase(phase)),
            _times(found["answered"]),
            *(_ratios(found["ratios"][key]) for key in ("answered", "cpu", "second")),
            _mebibytes(found["peak"]),
            ratio(found["ratios"]["peak"]),
        ]
        for found in starts
    ]
    phases = ["init", "CPU", "first event", "CPU", "second event", "CPU"]
    ratios = ["×", "CPU until then, ×", "CPU of second event, ×"]
    return table(["function", *phases, "first answer", *ratios, "peak MiB", "×"], rows)


def _phase(found: Phase) -> list[str]:
    return [_times(found["seconds"]), _times(found["cpu"])]


def _mebibytes(found: Spread) -> str:
    return f"{found['median']:.0f} ({found['p10']:.0f} … {found['p90']:.0f})"


def _cpu_of_process(found: Comparison) -> str:
    ours, theirs, against, runs = _compared(found)
    return f"{ours} against {theirs}, {against}, in {runs} runs"


def _cold_targets(cold: Cold) -> str:
    rows = [
        [target.name, target.function, f"{target.most:.2f}", _ratios(target.found), target.verdict]
        for target in cold_targets(cold)
    ]
    return table(["target", "function", "at most", "found", ""], rows, words=2)


def _by_memory(cold: Cold) -> str:
    rows = [
        [
            found["function"],
            f"{found['memory']}",
            f"{share_of(found['memory']):.3f}",
            _times(found["answered"]),
            _ratios(found["ratios"]["answered"]),
            *(cell for billed in (billed_cold(found), billed_warm(found)) for cell in _billed(found["memory"], billed)),
        ]
        for found in cold["starts"]
        if found["function"] in BY_MEMORY
    ]
    billed = ["ms billed, cold", "USD", "ms billed, warm", "USD"]
    return table(["function", "MB", "of a processor", "first answer", "×", *billed], rows)


def _billed(memory: int, milliseconds: int) -> list[str]:
    return [f"{milliseconds:,}", f"{usd_a_million(memory, milliseconds):.2f}"]


def _start(cold: Cold, name: str) -> Start:
    return next(found for found in cold["starts"] if (found["function"], found["memory"]) == (name, MEMORY))


# --- deployment.md --------------------------------------------------------------------------------------


def deployment(found: Deployment) -> str:
    """Return deployment.md."""
    counts = sorted({row["distributions"] for row in found["deploys"]})
    urls = len(urls_of_all(blog().keys))
    return f"""# Deploys

Made {_on(found)}, in {found["took"]:,.0f} seconds. The same figures for programs:
[{figures.DEPLOYMENT.name}]({figures.DEPLOYMENT.name}).

Deploys to a site of 5,000 objects, or to ten copies of it, in the simulated AWS: 0.5 calls a second after a burst of 10
([an AWS engineer](https://github.com/aws/aws-sdk-js/issues/3983)), 3,000 paths and 15 wildcards in progress on a
distribution ([quotas](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html)), up
to 2 seconds until S3 notifies, up to 5 seconds until the edges know. Nothing else goes wrong. Smaller deploys upload
100 objects a second in any order; the name of a larger one has order and rate.

- *{OURS}*: the stack with its defaults, in warm processes. *{SPLIT}*: the same, but the queue gives each invocation a
  random part of what it has, so that the two processes share every burst. *{COLD}*: that, and each invocation has a
  new process, which remembers nothing.
- *{PER_OBJECT}*: [the handler that is pasted everywhere](per_object.py), which S3 invokes asynchronously, with the
  retries of the SDK and of Lambda. Where there is a choice, it gets the better part.
- *{FLUSH}*: `/*` at the end of the deploy, which takes a script that knows the end.
- *{BOUND}*: the best that can be had from S3's notifications without evicting anything else. USD: the paths for all
  changes at once, with wildcards where these evict nothing. Seconds: notification, call and edges; for the last object
  with the quota of calls, of which ten are left, for the median without it. No way has both, because who calls at once
  does not know what is still to come. A flush can be sooner, because its script waits for no notification.

*USD*: the price of all paths that were accepted, as if none were free. *Refused* are calls, of those made. *Fresh
after* are the seconds from the upload of an object until no edge has its old version under any URL: the median of the
objects. *All fresh* are the seconds from the last upload until that is so for all of them; *never*, if it never is.
*Evicted* are objects that a wildcard evicts before this deploy uploads them, or that it does not upload at all.
*Stale* are objects of which viewers get the old version under some URL until it expires; for one call an object, these
include index documents, which it does not invalidate at the URL of their directory. All is summed over the
distributions. Each figure is the median of the runs, which differ in the order of uploads, unless that is sorted, and
in every delay; *worst*, evicted and stale are the worst of all runs.

Path by path, the whole site of 5,000 objects is {urls:,} paths, or {_usd(usd_for(urls))} on each distribution.

![Price and time of the deploys]({plots.DEPLOYS.name})

## On one distribution

{overview(found)}
## Targets

Nothing may be evicted or stale in any run. {_met(found)}. The bound of each is in the tables below.

{_targets(found)}{"".join(_deploys(found, count) for count in counts)}
## What is left out

Only one image, 300 images, and 5,000 objects in any order at 100 a second are played on 2, 20 and 100 distributions.
What takes minutes a run is played once, as the last column says.
"""


def _on(found: Deployment) -> str:
    return f"by `{found['command']}` on {found['date']} ({found['machine']})"


def _met(found: Deployment) -> str:
    told = Counter(verdict(*pair) for pair in pairs(found["deploys"]))
    return (
        f"Of {told.total()} targets, {len(TARGETS)} for each of the {len(STACK)} ways that are ours, {told[MET]} are"
        f" met by all runs, {told[MEDIAN_ONLY]} only by the median, {told[MISSED]} by neither"
    )


def overview(found: Deployment) -> str:
    """Return the table that docs/how-it-works.md shows: price and last seconds of all ways, on one distribution."""
    rows = []
    for name in dict.fromkeys(row["name"] for row in found["deploys"]):
        ways = _ways(found, name, 1)
        others = (_price(ways[way]) + _mistakes(ways[way]) for way in (*_OTHERS, BOUND))
        rows.append([name, _price(ways[OURS]), _worst(ways), *others])
    return table(["deploy", OURS, "worst of all runs", *_OTHERS.values(), BOUND], rows, words=6)


def _worst(ways: dict[str, Deploy]) -> str:
    """Return the highest price of all runs of ours, and the longest time: not always of the same run."""
    ours = [ways[way] for way in STACK]
    return f"{_usd(max(row['worst_usd'] for row in ours))}, {_after(max(map(_longest, ours)))}"


def _longest(row: Deploy) -> float:
    return inf if row["worst_last"] is None else row["worst_last"]


def _price(row: Deploy) -> str:
    return _usd(row["usd"]) if row["stale"] else f"{_usd(row['usd'])}, {_after(row['last'])}"


def _usd(value: float) -> str:
    return f"{value:,.3f} USD"


def _after(seconds: float | None) -> str:
    return "never" if seconds in {None, inf} else time(seconds)


def _mistakes(row: Deploy) -> str:
    told = {"evicted": row["evicted"], "stay stale": row["stale"]}
    return "".join(f", {value:,.0f} {name}" for name, value in told.items() if value)


def _targets(found: Deployment) -> str:
    rows = [
        [
            row["name"],
            str(row["distributions"]),
            row["way"],
            *(f"{value:.3f}" for value in (target.usd, row["usd"], row["worst_usd"])),
            "any" if target.seconds is None else f"{target.seconds:.1f}",
            *("never" if value is None else f"{value:.1f}" for value in (row["last"], row["worst_last"])),
            verdict(target, row),
        ]
        for target, row in pairs(found["deploys"])
    ]
    return table(
        ["deploy", "distributions", "way", "USD at most", "median", "worst", "s at most", "median", "worst", ""],
        rows,
        3,
    )


def _deploys(found: Deployment, distributions: int) -> str:
    rows = [
        [
            row["name"],
            row["way"],
            *(f"{row[key]:,.3f}" for key in ("usd", "worst_usd")),
            *(f"{row[key]:,.0f}" for key in ("calls", "refused")),
            *(_after(row[key]) for key in ("median", "last", "worst_last")),
            *(f"{row[key]:,.0f}" for key in ("evicted", "stale", "runs")),
        ]
        for row in found["deploys"]
        if row["distributions"] == distributions
    ]
    columns = ["deploy", "way", "USD", "worst", "calls", "refused", "fresh after", "all fresh", "worst", "evicted"]
    title = f"## All figures: {distributions} distribution{'' if distributions == 1 else 's'}"
    return f"\n{title}\n\n{table([*columns, 'stale', 'runs'], rows, words=2)}"


# --- words ----------------------------------------------------------------------------------------------


def table(columns: list[str], rows: list[list[str]], words: int = 1) -> str:
    """Return a table in Markdown. The first ``words`` columns hold words, the others numbers."""
    lines = [columns, ["---" if number < words else "---:" for number in range(len(columns))], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def time(seconds: float) -> str:
    """Return seconds in the unit that suits them: 95 s, 7.0 s, 261 ms, 30 µs."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            break
    number = seconds / size
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"


def ratio(found: Spread) -> str:
    """Return the median of a ratio."""
    return f"{found['median']:.2f} ×"


def percent(value: float) -> str:
    """Return a share with two significant digits."""
    return f"{value * 100:.2g} %" if value else "0 %"


def _times(found: Spread) -> str:
    return f"{time(found['median'])} ({time(found['p10'])} … {time(found['p90'])})"


def _ratios(found: Spread) -> str:
    return f"{ratio(found)} ({found['p10']:.2f} … {found['p90']:.2f})"


if __name__ == "__main__":
    write(figures.load(), figures.load_deployment())
