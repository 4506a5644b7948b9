"""The cost of the month is read from the function's own metric: on moto's CloudWatch, and from answers that fail."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from invalidator.aws.spending import Spending, Spent
from invalidator.local.embedded import embedded_aws
from tests.doubles.sdk import client_error

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class CloudWatch:
    """Answers with these sums, or fails."""

    def __init__(self, *sums: float) -> None:
        self.sums, self.asked = sums, list[dict[str, Any]]()
        self.broken: Exception | None = None

    def get_metric_statistics(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        if self.broken:
            raise self.broken
        return {"Datapoints": [{"Sum": usd, "Unit": "None"} for usd in self.sums]}


class Clock:
    """The time, which the tests set."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def today(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


def spending(cloudwatch: CloudWatch, clock: Clock) -> Spending:
    return Spending(cloudwatch, "invalidator", "invalidator-dev", clock.now, clock.today)


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    with embedded_aws():
        yield boto3.client("cloudwatch")


def test_the_month_is_summed_and_no_other_service_or_month_with_it(cloudwatch: Any) -> None:
    today = datetime.now(UTC)
    sent = [
        ("invalidator", "invalidator-dev", "EstimatedCostUSD", today, 0.25),
        ("invalidator", "invalidator-dev", "EstimatedCostUSD", today.replace(day=1, hour=0, minute=1), 1.5),
        ("invalidator", "invalidator-dev", "EstimatedCostUSD", today.replace(day=1) - timedelta(days=2), 100),
        ("invalidator", "invalidator-prod", "EstimatedCostUSD", today, 100),
        ("invalidator", "invalidator-dev", "PathsInvalidated", today, 100),
        ("Sites", "invalidator-dev", "EstimatedCostUSD", today, 100),
    ]
    for namespace, service, name, time, value in sent:
        datum: Any = {"MetricName": name, "Dimensions": [{"Name": "service", "Value": service}], "Value": value}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum | {"Timestamp": time}])
    assert Spending.connect("invalidator", "invalidator-dev").read() == Spent(1.75)


def test_in_its_first_second_a_month_has_cost_nothing(cloudwatch: Any) -> None:
    first = datetime(2026, 12, 1, tzinfo=UTC)
    assert Spending(cloudwatch, "invalidator", "x", today=lambda: first).read() == Spent(0)


def test_it_is_read_every_five_minutes_and_what_was_spent_since_is_added() -> None:
    cloudwatch, clock = CloudWatch(1.0, 0.5), Clock()
    read = spending(cloudwatch, clock)
    assert read.fresh() is None
    assert read.read() == Spent(1.5)
    read.add(0.25)
    assert read.fresh() == Spent(1.75)
    clock.seconds = 299
    read.add(0.5)
    assert read.fresh() == Spent(2.25)
    clock.seconds = 300
    assert read.fresh() is None
    # What was spent a moment ago is not in the metric yet.
    assert read.read() == Spent(2.0)
    assert len(cloudwatch.asked) == 2


def test_a_new_month_begins_with_nothing_spent() -> None:
    cloudwatch, clock = CloudWatch(4.0), Clock()
    read = spending(cloudwatch, clock)
    read.read()
    clock.seconds = 6.5 * 86_400
    cloudwatch.sums = ()
    assert read.fresh() is None
    assert read.read() == Spent(0)
    assert cloudwatch.asked[-1]["StartTime"] == datetime(2026, 12, 1, tzinfo=UTC)


def test_while_it_cannot_be_read_the_last_sum_stands_for_a_minute() -> None:
    cloudwatch, clock = CloudWatch(1.0), Clock()
    read = spending(cloudwatch, clock)
    cloudwatch.broken = client_error("GetMetricStatistics", "AccessDenied", 403, "no")
    told = "the cost of the month cannot be read: AccessDenied: no (grant cloudwatch:GetMetricStatistics on * to the"
    told += " identity that made the call)"
    assert read.read() == Spent(None, told)
    assert read.fresh() == Spent(None, told)
    clock.seconds = 60
    assert read.fresh() is None
    cloudwatch.broken = None
    assert read.read() == Spent(1.0)
    clock.seconds, cloudwatch.broken = 400, ConnectionError("gone")
    assert read.read() == Spent(1.0, "the cost of the month cannot be read: gone")


@pytest.mark.parametrize("answer", [{}, {"Datapoints": [{}]}, {"Datapoints": [{"Sum": "much"}]}, None])
def test_an_answer_that_cannot_be_read_is_told_of(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cloudwatch = CloudWatch()
    monkeypatch.setattr(cloudwatch, "get_metric_statistics", lambda **_: answer)
    assert spending(cloudwatch, Clock()).read().problem.startswith("the cost of the month cannot be read: the answer")
