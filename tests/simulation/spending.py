"""CloudWatch: what the function has sent of its cost, some time later."""

from datetime import datetime
from typing import Any

from invalidator.runtime.metrics import Document
from tests.doubles.sdk import client_error
from tests.simulation.world import BEGINNING, World

_LATE_SECONDS = 100.0


class Client:
    """The client of the SDK. One call in ten is throttled, and one in ten takes longer than anybody waits."""

    def __init__(self, world: World, metrics: list[tuple[float, Document]]) -> None:
        self._world, self._metrics = world, metrics

    def get_metric_statistics(self, **arguments: Any) -> Any:
        begin: datetime = arguments["StartTime"]
        kind = self._world.rng.random()
        self._world.sleep(20.0 if kind < 0.1 else 0.1)
        if kind > 0.9:
            raise client_error("GetMetricStatistics", "Throttling", 400, "Rate exceeded")
        since, until = (begin - BEGINNING).total_seconds(), self._world.now - _LATE_SECONDS
        sums = [sum(each.values.get(arguments["MetricName"], ())) for at, each in self._metrics if since <= at <= until]
        return {"Datapoints": [{"Sum": usd} for usd in sums if usd]}
