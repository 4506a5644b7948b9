"""Why a plan takes more paths than ``--budget`` allows, as far as the planner does not say so itself."""

from collections.abc import Iterable
from typing import Final

from invalidator.cli.plan_inputs import Preview
from invalidator.model import DistributionId, Item, Plan, UrlPath
from invalidator.operator.curves import Curve
from invalidator.wording import count

_NO_WILDCARDS: Final = "without wildcards"
_TAGS: Final = "with these cache tags, each of which takes a path"
_TICKETS: Final = "with tickets, which are sent as they are"


def over_budget(preview: Preview, plan: Plan, budget: int) -> list[str]:
    """Return a sentence for each reason why distributions get more paths than the budget allows."""
    left: dict[DistributionId, set[UrlPath]] = {}
    for batch in preview.decoded.tickets:
        left.setdefault(batch.distribution, set()).update(item.path for item in batch.items)
    sent: dict[DistributionId, list[Item]] = {}
    for batch in plan.batches:
        sent.setdefault(batch.distribution, []).extend(batch.items)
    alike: dict[tuple[str, int], list[DistributionId]] = {}
    for id_, items in sent.items():
        new = [item.path for item in items if item.path not in left.get(id_, ())]
        if len(items) > budget and (why := _why(preview, new, budget)):
            alike.setdefault((why, len(items)), []).append(id_)
    return [_sentence(ids, budget, why, paths) for (why, paths), ids in alike.items()]


def below_curves(preview: Preview, curves: Iterable[Curve], budget: int) -> list[str]:
    """Return a sentence for each curve that has no point within the budget."""
    why = _TAGS if preview.settings.allowance.wildcards else _NO_WILDCARDS
    return [
        _sentence(curve.distributions, budget, why, curve.points[0].paths) for curve in curves if not curve.at(budget)
    ]


def _why(preview: Preview, new: list[UrlPath], budget: int) -> str:
    if len(new) <= budget:
        return _TICKETS
    if preview.settings.allowance.wildcards:
        return ""
    return _TAGS if sum(path[0] == "#" for path in new) >= budget else _NO_WILDCARDS


def _sentence(ids: Iterable[DistributionId], budget: int, why: str, paths: int) -> str:
    return f"{', '.join(ids)}: --budget {budget} cannot be kept {why}: it takes {count(paths, 'path')}"
