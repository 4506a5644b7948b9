"""The brake on the month's bill: what the month has cost so far → how much a plan may send, and how long changes wait.

It slows spending, and is no cap: a path per distribution goes every quarter of an hour whatever it costs, so that
nothing stays stale for money. Pure.
"""

from typing import Final, NamedTuple

from invalidator.limits import MAX_DELAY_SECONDS, USD_PER_PATH
from invalidator.model import Allowance

_SHARE: Final = 0.25
"""A plan may cost this part of what is left of the budget."""

_FREE: Final = 0.5
"""Once this part of the budget is used up, changes wait, too: in the end, for a quarter of an hour."""

LONG_SLOT_SECONDS: Final = 60
"""What waits for money meets at multiples of so many seconds: it waits for minutes anyway."""


class Brake(NamedTuple):
    """The strength of the brake. Of the month's budget a share is ``used``: 1.0 is all of it, and it may be more.

    A plan may send so many ``paths`` to all distributions together, and at least one to each; changes wait for so many
    ``seconds`` before they are sent. Without a budget, nothing is braked.
    """

    used: float = 0.0
    paths: int | None = None
    seconds: int = 0

    def allowance(self, allowance: Allowance, distributions: int) -> Allowance:
        """Return what is left of an allowance."""
        if self.paths is None:
            return allowance
        return allowance._replace(paths=min(allowance.paths, max(self.paths // max(distributions, 1), 1)))


OFF: Final = Brake()


def brake(budget: float, spent: float) -> Brake:
    """Return how hard to brake once a month has cost so much of its budget, both in US dollars."""
    used = spent / budget
    paths = int(max(budget - spent, 0.0) * _SHARE / USD_PER_PATH)
    waiting = min(max(used - _FREE, 0.0) / (1 - _FREE), 1.0)
    return Brake(used, paths, round(waiting * MAX_DELAY_SECONDS))
