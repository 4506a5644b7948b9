"""The last run in words: results.md, the block in the README, and the plots, all made from results.json.

``python -m benchmarks.report`` writes them again without measuring.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks import figures, plots
from benchmarks.figures import FLUSH, OURS, PATIENT, PER_OBJECT, Comparison, Deploy, Planned, Results, Spread
from benchmarks.scores import gap
from invalidator.limits import USD_PER_PATH

HERE: Final = Path(__file__).parent
DOCUMENT: Final = HERE / "results.md"
README: Final = HERE.parent / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->\n"


def write(results: Results) -> None:
    """Write everything that is made from the results."""
    plots.save(results)
    DOCUMENT.write_text(document(results))
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + readme(results) + END + rest.partition(END)[2])


# --- the README -----------------------------------------------------------------------------------------


def readme(results: Results) -> str:
    """Return the four rows that a user cares about, the picture of deploys, and where and when they were measured."""
    cold, warm = results["cold"]["one_client"], max(results["warm"], key=lambda row: row["messages"])
    found = {(row["name"], row["way"]): row for row in results["deploys"] if row["distributions"] == 1}
    edit, edit_by_flush = (found["edit of 7", way] for way in (OURS, FLUSH))
    whole, patient, whole_by_flush, by_object = (found["all 5000", way] for way in (OURS, PATIENT, FLUSH, PER_OBJECT))
    rows = [
        [
            "Cold start under Lambda's runtime client, until the first event is answered",
            time(cold["ours"]["median"]),
            f"{time(cold['theirs']['median'])}: a handler that makes a CloudFront client at import, and no more",
        ],
        [
            f"{warm['messages']:,} messages decoded and planned for two distributions",
            time(warm["seconds"]["ours"]["median"]),
            f"{time(warm['seconds']['theirs']['median'])}: `json.loads`, and no more",
        ],
        [
            f"{edit['objects']} of 5,000 objects edited",
            f"fresh after {_effort(edit)}",
            f"`/*`: {_effort(edit_by_flush)}",
        ],
        [
            f"{whole['objects']:,} of 5,000 objects replaced, 100 a second",
            f"fresh after {_effort(whole)}; with `window=20` after {_effort(patient)}",
            f"`/*`: {_effort(whole_by_flush)}; one call an object: {by_object['stale_objects']:,.0f} stay stale",
        ],
    ]
    return f"""{table(["what", "invalidator", "beside it"], rows, words=3)}
![Calls and drain time of five deploys](benchmarks/{plots.DEPLOYS.name})

*Fresh*: seconds from the first upload on, in a simulation with CloudFront's quotas. *USD*: if the 1,000 free paths of
the month are used up. {measured(results)}
All figures, and how they were measured: [benchmarks/results.md](benchmarks/results.md).
"""


def _effort(row: Deploy) -> str:
    paths = f"{row['paths']:,.0f} path{'' if row['paths'] == 1 else 's'}"
    return f"{time(row['drained'])}, {paths}, {row['paths'] * USD_PER_PATH:,.3f} USD, {row['evicted']:,.0f} evicted"


# --- results.md -----------------------------------------------------------------------------------------


def document(results: Results) -> str:
    """Return results.md."""
    return f"""# The last run of `make bench`

{measured(results)} It took {results["took"]:,.0f} seconds. The same figures for programs:
[{figures.RESULTS.name}]({figures.RESULTS.name}).

What is compared is measured in turn in one run, so that ratios hold where the machine's speed drifts: each is the
median of the ratios pair by pair. Every figure is a median; in brackets is what a tenth of the runs are below, and a
tenth above. Below 1 ×, ours is the faster.

![Cold starts, and decode and plan against json.loads]({plots.SPEED.name})

## Cold starts

From the start of a process to its first answer. *Process*: CPU time, start and end of Python included. The others run
under Lambda's own runtime client, in a process that sees the deployed zip and the packages of layer and runtime alone,
and are in seconds of the clock.

{_cold(results)}
## Decode and plan

An SQS event of S3 notifications for two distributions, against `json.loads` on its bodies, which is the least that any
handler has to do: CPU time in a warm process.

{_warm(results)}
## Memory

The most that a process under Lambda's runtime client had taken, SDK included.

{_memory(results)}
{_deploys(results)}
## The planner on large sites

A tenth of the objects changed, scattered all over the site, which is the hard case. They have to become 3,000 paths,
15 of them wildcards. *Evicted* are objects that did not change; no cover evicts fewer than the *bound*. The time
includes counting the other objects in a stream of all URLs. More sizes, and other tools: [planner.md](planner.md).

{_planner(results)}"""


def measured(results: Results) -> str:
    """Return a sentence that says when, where and how the run was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    bytecode = "with" if results["bytecode"] else "without"
    where = f"{results['machine']}, {versions}, {bytecode} bytecode in the zip"
    return f"Measured by `{results['command']}` on {results['date']}: {where}."


def _cold(results: Results) -> str:
    cold = results["cold"]
    parts: list[tuple[str, str, Comparison]] = [
        ("process", 'a bare `import boto3; boto3.client("cloudfront")`', cold["process"]),
        ("deployed zip", "a handler that makes an S3 and a CloudFront client at import", cold["two_clients"]),
        ("of that, until the first event is asked for", "the same handler", cold["init"]),
        ("deployed zip", "a handler that makes a CloudFront client at import", cold["one_client"]),
        ("a second event in that process", "the handler with two clients", cold["later"]),
    ]
    rows = [[what, against, *_compared(found)] for what, against, found in parts]
    return table(["what", "against", "ours", "the other", "ratio", "runs"], rows, words=2)


def _compared(found: Comparison) -> list[str]:
    return [_times(found["ours"]), _times(found["theirs"]), _ratios(found["ratio"]), str(found["runs"])]


def _warm(results: Results) -> str:
    rows = []
    for row in results["warm"]:
        found = row["seconds"]
        each = f"{found['ours']['median'] / row['messages'] * 1e6:.1f} µs"
        rows.append([f"{row['messages']:,}", each, *_compared(found)])
    return table(["messages", "ours, a message", "ours, all", "`json.loads`", "ratio", "runs"], rows, words=0)


def _memory(results: Results) -> str:
    memory = results["memory"]
    rows = [
        ["ours, after two events of one object", memory["ours"]],
        [f"ours, after one of {memory['messages']:,} messages", memory["ours_with_messages"]],
        ["a handler with an S3 and a CloudFront client, after two events of one object", memory["two_clients"]],
        ["a handler with a CloudFront client, likewise", memory["one_client"]],
    ]
    return table(["process", "MiB"], [[str(what), f"{mebibytes:.0f}"] for what, mebibytes in rows])


def _deploys(results: Results) -> str:
    head = f"""## Five deploys

To a site of 5,000 objects in the simulated AWS: uploads at 100 objects a second in the order of their keys, 0.5 calls a
second after a burst of 10 ([an AWS engineer](https://github.com/aws/aws-sdk-js/issues/3983)), 3,000 paths and 15
wildcards in progress on a distribution
([quotas](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html)), up to 5 seconds
until the edges know. Nothing else goes wrong.

- *{PER_OBJECT}*: [the handler that is pasted everywhere](per_object.py), which S3 invokes asynchronously, with the
  retries of the SDK and of Lambda. Where there is a choice, it gets the better part.
- *{FLUSH}*: `/*` at the end of the deploy.
- *{OURS}*: the stack with its defaults; *{PATIENT}*: with `--param window=20`.

All is summed over the distributions; each figure is the median of five runs. *Refused* are calls, of those made.
*Evicted* are objects that did not change and are forgotten all the same. *Drained* is when the edges had forgotten the
last of what they ever forgot, from the first upload on. *Stale* are changed objects, and URLs of directories that show
an index document, which nobody invalidates any more: viewers get what they were until it expires.

Where a deploy changes everything, a flush at its end is sooner and takes one path. Ours is told of one object after the
other and cannot know what is still to come; of more than 1,000 paths in an event, it makes wildcards where these evict
nothing else.

![Calls and drain time of the five deploys]({plots.DEPLOYS.name})
"""
    counts = sorted({row["distributions"] for row in results["deploys"]})
    return "\n".join([head, *(_deploys_to(results["deploys"], count) for count in counts)])


def _deploys_to(deploys: Iterable[Deploy], distributions: int) -> str:
    columns = ["deploy", "invalidated by", "calls", "refused", "paths", "evicted", "drained"]
    columns += ["stale objects", "stale directories"]
    rows = []
    for row in deploys:
        if row["distributions"] == distributions:
            sums = [row["calls"], row["refused"], row["paths"], row["evicted"]]
            rows.append([row["name"], row["way"], *(f"{value:,.0f}" for value in sums), time(row["drained"])])
            rows[-1] += [f"{row['stale_objects']:,.0f}", f"{row['stale_directories']:,.0f}"]
    to = f"To {distributions} distribution{'' if distributions == 1 else 's'}:"
    return f"{to}\n\n{table(columns, rows, words=2)}"


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
    write(figures.load())
