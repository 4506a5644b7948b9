"""Carrying out in virtual time, against a CloudFront that keeps the documented rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf

from invalidator.aws.cloudfront import CloudFront
from invalidator.delivery.carry_out import TimeLeft, carry_out
from invalidator.events.decode import decode
from invalidator.model import Batch, Cause, DistributionId, Item, ObjectChange, ObjectKey, Outcome, Plan, UrlPath
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock
from tests.doubles.cloudfront import StrictCloudFront, Time
from tests.doubles.strategies import Change, simple_plan

IDS = [f"E{number}" for number in range(1, 6)]


def plan_for(ids: list[str], *changes: Change) -> Plan:
    return simple_plan(decode(make.s3(*changes)).changes, map(DistributionId, ids), "index.html")


def _items(form: str, count: int) -> tuple[Item, ...]:
    paths = [form.format(number) for number in range(count)]
    return tuple(
        Item(UrlPath(path), (Cause(ObjectChange("origin", ObjectKey(path[1:]), f"change of {path}"), "object"),))
        for path in paths
    )


PLAIN, WILDCARDS = _items("/{:04}", 3_000), _items("/w{:02}*", 15)


def batch_of(plain: int, wildcards: int = 0, distribution: str = "E1", reference: str = "r") -> Batch:
    return Batch(DistributionId(distribution), PLAIN[:plain] + WILDCARDS[:wildcards], reference)


@dataclass
class Invocation:
    """One carrying out in virtual time. ``ended`` is when each outcome was known."""

    double: StrictCloudFront
    limit: float = 120.0
    patience: float = inf
    closing: float = 0.0
    chance: float = 1.0
    takes: Callable[[Batch], float] = lambda _: 0.0
    # By how many seconds Lambda's clock is set forward (or back), by the time at which that happens.
    steps: dict[float, float] = field(default_factory=dict)
    asked: int = 0
    ended: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Clock(self.limit)
        self.workers = Calls(self.clock, self.takes)
        if self.double.time:
            self.double.time.clock = self.clock

    def outcomes(self, plan: Plan) -> Iterator[Outcome]:
        time_left = TimeLeft(self.seconds, self.patience, self.closing)
        for outcome in carry_out(plan, CloudFront(self.double), time_left, self.workers, lambda: self.chance):
            self.ended.append((outcome.batch.distribution, self.clock.now))
            yield outcome

    def seconds(self) -> float:
        self.asked += 1
        return self.clock.left - sum(by for at, by in self.steps.items() if at <= self.clock.now)

    def run(self, plan: Plan) -> list[Outcome]:
        return list(self.outcomes(plan))


def run(plan: Plan, double: StrictCloudFront, limit: float = 120.0) -> list[Outcome]:
    return Invocation(double, limit).run(plan)


def timed(ids: list[str], rate: float = inf, burst: float = inf) -> StrictCloudFront:
    """A CloudFront that knows what time it is."""
    return StrictCloudFront(ids, time=Time(Clock(), rate, burst))


def failures(outcomes: list[Outcome]) -> list[str]:
    return [outcome.batch.distribution for outcome in outcomes if outcome.error]
