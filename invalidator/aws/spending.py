"""The cost of the month, as the function's own metric has it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol, Self

from invalidator.aws import sdk
from invalidator.errors import SpendingError
from invalidator.ttl_cache import PATIENCE_SECONDS, TtlCache

_TTL_SECONDS: Final = 300
_DAY_SECONDS: Final = 86_400

_LATE_SECONDS: Final = 180.0
"""A metric that is printed can be read so many seconds later, typically within two minutes."""


class Spent(NamedTuple):
    """US dollars; None if they are not known. ``problem`` says why they cannot be read now, if so."""

    usd: float | None
    problem: str = ""


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    def get_metric_statistics(self, **arguments: Any) -> Any:
        """Read a metric: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html."""


class Spending:
    """Reads the cost of the month, and keeps it for five minutes; for a minute, that it cannot be read.

    The metric has the ``namespace`` and the ``service`` as its dimension. ``now`` is a clock in seconds, ``today``
    returns the date and time.
    """

    def __init__(
        self,
        client: _Client,
        namespace: str,
        service: str,
        now: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._today = client, today
        self._metric = {
            "Namespace": namespace,
            "MetricName": "EstimatedCostUSD",
            "Dimensions": [{"Name": "service", "Value": service}],
        }
        self._kept = TtlCache(now, SpendingError)
        self._now = now
        self._recent: list[tuple[float, float]] = []

    @classmethod
    def connect(cls, namespace: str, service: str) -> Self:
        """Connect to CloudWatch as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        return cls(sdk.client("cloudwatch", attempts=1), namespace, service)

    def add(self, usd: float) -> None:
        """Note what was spent just now, which the metric shows some minutes later."""
        if usd:
            self._recent.append((self._now(), usd))

    def fresh(self) -> Spent | None:
        """Return the cost of this month, unless it has to be read first."""
        kept = self._kept.fresh(self._month())
        return kept and self._spent(kept.value, kept.problem)

    def read(self) -> Spent:
        """Read the cost of this month."""
        month = self._month()
        try:
            kept = self._kept.keep(month, self._read(month), _TTL_SECONDS)
            self._recent = [one for one in self._recent if one[0] > self._now() - _LATE_SECONDS]
        except SpendingError as error:
            kept = self._kept.retain(month, PATIENCE_SECONDS, str(error))
        return self._spent(kept.value, kept.problem)

    def _spent(self, usd: float | None, problem: str) -> Spent:
        return Spent(None if usd is None else usd + sum(recent for _, recent in self._recent), problem)

    def _month(self) -> datetime:
        """Return the beginning of the month; AWS bills by UTC."""
        return self._today().replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def _read(self, month: datetime) -> float:
        # In the first second of a month, "now" would be no end of a period.
        times = {"StartTime": month, "EndTime": self._today() + timedelta(days=1)}
        with sdk.raising(SpendingError, "the cost of the month cannot be read"):
            answer = self._client.get_metric_statistics(
                **self._metric, **times, Period=_DAY_SECONDS, Statistics=["Sum"]
            )
            return sum(float(point["Sum"]) for point in answer["Datapoints"])
