"""A plan on the screen and as JSON, for ``plan`` and for ``create``."""

from typing import Any

from invalidator.cli.terminal import narrate, print_table, warn
from invalidator.limits import FREE_PATHS
from invalidator.model import Batch, Cost, Plan, usd_for
from invalidator.wording import count


def show_plan(plan: Plan) -> None:
    """Print each item of each batch with its reason; wide ones stand out."""
    items = ((batch.distribution, item) for batch in plan.batches for item in batch.items)
    print_table(
        ("distribution", "path", "reason"),
        (
            [(id_, "cyan"), (item.path, style), (item.reason, style)]
            for id_, item in items
            for style in ["yellow" if item.wide else ""]
        ),
    )


def narrate_plan(plan: Plan) -> None:
    """Tell why a plan costs more than it would have to, and what is not done."""
    warn(plan.warnings)
    for note in plan.notes:
        narrate(f"{note.distribution}: {note.text} ({count(note.changes, 'change')})")


def cost_in_words(plan: Plan) -> str:
    """Say in a sentence what a plan costs."""
    cost = plan.cost
    if not cost.paths:
        return "Nothing is stale."
    free = f"if the {FREE_PATHS:,} free paths of the month are used up"
    return (
        f"{count(cost.calls, 'call')}, {count(cost.paths, 'path')}{_wildcards(cost)}:"
        f" {dollars(cost.usd)} USD {free}{_evicted(plan)}.{_singly(plan)}"
    )


def _singly(plan: Plan) -> str:
    if plan.singly <= plan.cost.paths:
        return ""
    return f" Path by path: {count(plan.singly, 'path')}, {dollars(usd_for(plan.singly))} USD."


def _wildcards(cost: Cost) -> str:
    if not cost.wildcards:
        return ""
    return f", {f'{cost.wildcards:,} of them ' if cost.paths > 1 else ''}with a wildcard"


def _evicted(plan: Plan) -> str:
    if not any(item.wide for batch in plan.batches for item in batch.items):
        return ""
    number = plan.cost.evicted
    objects = "an unknown number of unchanged objects" if number is None else count(number, "unchanged object")
    return f"; {objects} evicted"


def dollars(usd: float) -> str:
    """Write cents, and their tenths only if there are any."""
    return f"{usd:,.3f}".removesuffix("0")


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan for a program."""
    return {
        "batches": [_batch_json(batch) for batch in plan.batches],
        "cost": _cost_json(plan.cost) | {"path_by_path": {"paths": plan.singly, "usd": usd_for(plan.singly)}},
        "warnings": list(plan.warnings),
        "notes": [note._asdict() for note in plan.notes],
        "excluded": plan.excluded,
        "unserved": plan.unserved,
    }


def _batch_json(batch: Batch) -> dict[str, Any]:
    return {
        "distribution": batch.distribution,
        "items": [item.path for item in batch.items],
        "caller_reference": batch.caller_reference,
        "reasons": [item.reason for item in batch.items],
        "cost": _cost_json(batch.cost),
    }


def _cost_json(cost: Cost) -> dict[str, Any]:
    """Return a cost: ``usd`` as if the free paths of the month were used up, ``evicted`` null if it is not known."""
    return {
        "paths": cost.paths,
        "wildcards": cost.wildcards,
        "calls": cost.calls,
        "usd": cost.usd,
        "evicted": cost.evicted,
    }
