"""The month's budget: what it still allows is asked before a plan, and what the plan has cost is noted after it."""

from math import ceil
from typing import Final

from invalidator.delivery.brake import OFF, Brake, brake
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import log_warnings, logger
from invalidator.runtime.metrics import Tally
from invalidator.settings import environment

_READING_SECONDS: Final = 3.0


def brake_on(invocation: Invocation) -> Brake:
    """Return how hard to brake. Where nobody knows what the month has cost, it goes on without, and says so."""
    budget = invocation.settings.monthly_budget
    if not _is_set(invocation):
        return OFF
    spending = invocation.clients.spending()
    spent = spending.fresh()
    if spent is None:
        workers = invocation.clients.workers()
        workers.start(spending.read)
        spent = workers.wait(invocation.share(1 / 10, _READING_SECONDS))
    problem = spent.problem if spent else "CloudWatch does not answer in time"
    log_warnings([f"MONTHLY_BUDGET: {problem}"] if problem else [])
    if spent is None or spent.usd is None:
        return OFF
    found = brake(budget, spent.usd)
    if found.seconds:
        logger.info("the month's budget runs out", extra={"used_percent": _percent(found), "seconds": found.seconds})
    return found


def note_spent(tally: Tally, brake: Brake, invocation: Invocation) -> None:
    """Note what was accepted, so that the next plan of this process knows of it at once."""
    if _is_set(invocation):
        tally.peak("BudgetUsed", _percent(brake))
        invocation.clients.spending().add(tally.usd)


def _is_set(invocation: Invocation) -> bool:
    """Return whether there is a budget, and the metric that it is read from."""
    return invocation.settings.monthly_budget > 0 and environment.metrics()


def _percent(brake: Brake) -> int:
    return ceil(100 * brake.used)
