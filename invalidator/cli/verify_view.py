"""The output of ``verify``: both sides, the verdict, and what to do."""

from typing import Final, NamedTuple

from invalidator.cli.terminal import narrate, print_json, print_line, print_table, utc
from invalidator.operator.freshness import EdgeAnswer, Freshness, S3Object

_COLOURS: Final = {"fresh": "bold green", "stale": "bold red", "unknown": "bold yellow"}


class EdgeComparison(NamedTuple):
    """The answers of both sides at one time, and the verdict on them."""

    stored: S3Object | None
    served: EdgeAnswer
    verdict: Freshness


def state_line(comparison: EdgeComparison) -> str:
    """Say how things stand, in words that stay the same until that changes."""
    stored, served, verdict = comparison
    ours = f"ETag {stored.etag}" if stored else "no such object"
    theirs = f"{served.status}{f', ETag {served.etag}' if served.etag else ''}"
    return f"{verdict.verdict}: the edge serves {theirs}; S3 has {ours}."


def show_comparison(comparison: EdgeComparison, seconds: float | None, asked: dict[str, str], *, as_json: bool) -> None:
    """Show a comparison and its verdict and, after ``seconds`` of waiting, the conclusion."""
    if as_json:
        fresh_after = round(seconds, 3) if seconds is not None and comparison.verdict.verdict == "fresh" else None
        print_json("verify", asked | _as_json(comparison) | {"seconds": fresh_after})
    else:
        _print(comparison)
    if seconds is not None:
        narrate(_conclusion(comparison, seconds))


def _conclusion(comparison: EdgeComparison, seconds: float) -> str:
    verdict = comparison.verdict
    if verdict.verdict == "fresh":
        return f"Fresh after {seconds:.1f} s."
    if verdict.final:
        return "Waiting would not change that."
    if verdict.verdict == "unknown":
        return f"Not known after {seconds:.1f} s: find out why the URL answers {comparison.served.status}."
    return (
        f"Not fresh after {seconds:.1f} s: check that the invalidation was sent and is completed ('status' shows that),"
        " and that it names this URL ('explain')."
    )


def _print(comparison: EdgeComparison) -> None:
    """Print the answers of both sides beside each other, and the verdict below them."""
    stored, served, verdict = comparison
    age = "" if served.age is None else f"{served.age:,} s"
    modified = utc(served.last_modified) if served.last_modified else ""
    rows = [
        ("status", "object" if stored else "no such object", str(served.status)),
        ("ETag", stored.etag if stored else "", served.etag),
        ("Last-Modified", utc(stored.last_modified) if stored else "", modified),
        ("Age", "", age),
        ("X-Cache", "", served.x_cache),
        ("POP", "", served.pop),
    ]
    print_table(("", "S3", "edge"), [[(name, "cyan"), ours or "-", theirs or "-"] for name, ours, theirs in rows])
    print_line((verdict.verdict, _COLOURS[verdict.verdict]), f": {verdict.why}.")


def _as_json(comparison: EdgeComparison) -> dict[str, object]:
    """Return a comparison for a program. What is not there is null."""
    stored, served, verdict = comparison
    theirs = {name: None if value == "" else value for name, value in served._asdict().items()}
    return {
        "verdict": verdict.verdict,
        "reason": verdict.why,
        "stored": stored and stored._asdict() | {"last_modified": utc(stored.last_modified)},
        "served": theirs | {"last_modified": served.last_modified and utc(served.last_modified)},
    }
