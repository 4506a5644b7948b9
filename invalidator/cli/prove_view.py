"""The output of ``prove``: what becomes of each spelling, and the answers to what AWS leaves open.

Both tables can be sent to anyone: they name neither the bucket nor the host, the distribution or the account.
"""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from invalidator import __version__
from invalidator.cli.plan_view import dollars
from invalidator.cli.terminal import narrate, print_json, print_line, print_table, utc
from invalidator.limits import FREE_PATHS
from invalidator.model import usd_for
from invalidator.operator.probe_objects import WrittenProbe
from invalidator.operator.proof import Proof
from invalidator.wording import agreed, count

_COLOURS: Final = {"new": "green", "old": "bold red"}


def show_proof(proof: Proof, *, as_json: bool) -> None:
    """Show all that was observed, and the conclusion."""
    by = "the stack" if proof.by_stack else "its own plan"
    today = utc(datetime.now(UTC))
    if as_json:
        print_json("prove", _as_json(proof, by, today))
    else:
        print_line(f"invalidator {__version__}, {today}, edge {proof.pop or 'unknown'}, invalidated by {by}")
        urls = [
            (one.url, one.name, "yes" if one.cached else "no", (one.state, _COLOURS.get(one.state[:3], "")))
            for one in proof.spellings
        ]
        print_table(("URL", "object", "was cached", "viewers see"), urls)
        print_line("invalidated: ", ", ".join(sorted(proof.items)) or "nothing")
        print_table(("open question", "invalidated", "observed", "that means"), proof.answers())
    for problem in proof.problems:
        narrate(f"error: {problem}")
    narrate(_conclusion(proof))


def _as_json(proof: Proof, by: str, today: str) -> dict[str, object]:
    return {
        "invalidator": __version__,
        "date": today,
        "pop": proof.pop or None,
        "invalidated_by": by,
        "items": sorted(proof.items),
        "urls": [
            {
                "url": one.url,
                "object": one.name,
                "status": one.status,
                "served": one.served,
                "cached": one.cached,
                "seconds": None if one.seconds is None or one.by else round(one.seconds, 3),
            }
            for one in proof.spellings
        ],
        "questions": [answer._asdict() for answer in proof.answers()],
        "errors": proof.problems,
    }


def _conclusion(proof: Proof) -> str:
    every = [one for one in proof.spellings if one.is_proof]
    if not every:
        answers = ", ".join(sorted({one.state for one in proof.spellings}))
        return f"Nothing is proved: the edge has cached no probe ({answers})."
    old, last = proof.old, max(one.seconds or 0.0 for one in every)
    if not old:
        return f"Viewers see the new object at all {count(len(every), 'URL')} that were cached, after {last:.1f} s."
    urls = ", ".join(one.url for one in old)
    return f"{len(old)} of {count(len(every), 'URL')} {agreed('show', old)} the old object: {urls}"


def price(paths: int) -> str:
    """Return a sentence about the price of so many paths."""
    usd = dollars(usd_for(paths))
    return (
        f"At most {paths:,} paths are invalidated: {usd} USD if the {FREE_PATHS:,} free paths of the month are used up."
    )


def narrate_left(left: Mapping[WrittenProbe, str], bucket: str, prefix: str) -> None:
    """Tell which probes could not be removed, and the commands that remove them."""
    if not left:
        narrate("All probes are removed.")
        return
    for (key, version), why in left.items():
        narrate(f"error: {f'version {version} of ' if version else ''}{key!r} is not removed: {why}")
    delete = f"aws s3api delete-object --bucket {bucket}"
    commands = [f"{delete} --key {shlex.quote(key)} --version-id {id_}" for key, id_ in left if id_]
    if len(commands) < len(left):
        commands.append(f"aws s3 rm --recursive {shlex.quote(f's3://{bucket}/{prefix}')}")
    narrate("These remove what is left:")
    for command in commands:
        narrate(f"  {command}")
