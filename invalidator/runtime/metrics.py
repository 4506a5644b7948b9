"""The metrics of an invocation: how much was done, at what cost, and how soon.

They are printed as documents of the embedded metric format, which reach CloudWatch through Lambda's log without a call:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
(2026-11-22). Zeros are left out, because CloudWatch bills a metric for each hour in which it is sent:
https://aws.amazon.com/cloudwatch/pricing/ (2026-11-22).
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, cast

from invalidator.delivery.carry_out import Cdn
from invalidator.errors import ThrottledError
from invalidator.limits import MAX_RETENTION_SECONDS, MAX_VALUES_PER_METRIC
from invalidator.model import Batch, DistributionId, usd_for
from invalidator.settings import environment, powertools

with powertools.spared():
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
    from aws_lambda_powertools.metrics.provider import cold_start

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

Name = Literal[
    "RecordsReceived",
    "RecordsIgnored",
    "PathsInvalidated",
    "Wildcards",
    "EvictedNeighbours",
    "EstimatedCostUSD",
    "Calls",
    "CallsThrottled",
    "Tickets",
    "ForeignTickets",
    "Failures",
    "UploadToInvalidation",
    "SecondsHeld",
    "SecondsRefused",
    "BudgetUsed",
    "Disconnected",
    "Repaired",
    "CaughtUp",
    "NotCaughtUp",
]

_UNITS: Final[dict[Name, MetricUnit]] = {
    "EstimatedCostUSD": MetricUnit.NoUnit,
    "UploadToInvalidation": MetricUnit.Milliseconds,
    "SecondsHeld": MetricUnit.Seconds,
    "SecondsRefused": MetricUnit.Seconds,
    "BudgetUsed": MetricUnit.Percent,
    "NotCaughtUp": MetricUnit.Seconds,
}
"""The units of the metrics that are not counts."""

MAX_DISTRIBUTIONS: Final = 20
"""With more distributions, none has metrics of its own: they would cost more than the paths of most sites."""

Values = dict[Name, list[float]]


class Document(NamedTuple):
    """Metrics with their values: of all distributions together and, if one is named, of that one as well."""

    distribution: DistributionId | None
    values: Values


class Context(Protocol):
    """The context of an invocation."""

    @property
    def function_name(self) -> str:
        """The dimension of cold starts."""


@dataclass(slots=True)
class Tally:
    """The counts so far. Only calls are counted by several threads."""

    # By distribution; None: of no single distribution.
    _counts: dict[DistributionId | None, Counter[Name]] = field(default_factory=lambda: {None: Counter()})
    # By distribution and by the identity and key of a change: milliseconds from the change to its acceptance.
    _delays: dict[DistributionId | None, dict[tuple[str, str], int]] = field(default_factory=dict)
    _calls: list[Name] = field(default_factory=list)

    def count(self, name: Name, number: int = 1, distribution: DistributionId | None = None) -> None:
        """Add to a count, of a distribution if one is named."""
        self._counts.setdefault(distribution, Counter())[name] += number

    def peak(self, name: Literal["SecondsHeld", "SecondsRefused", "BudgetUsed"], value: int) -> None:
        """Note a value of a metric of which the highest counts."""
        self._counts[None][name] = max(self._counts[None][name], value)

    def refuse(self, since: str, now: float) -> None:
        """Note that something that changed at a time, as S3 writes it, has to wait for another attempt."""
        self.peak("SecondsRefused", (_milliseconds(since, now) or 0) // 1000)

    def accept(self, batch: Batch, now: float) -> None:
        """Count a batch that CloudFront accepted ``now`` seconds after 1970.

        A change in several batches of a distribution is accepted there with the last of them. The changes behind a
        ticket count as old as the first of them. How soon they were accepted, their second clearing does not tell.
        """
        self.count("PathsInvalidated", len(batch.items), batch.distribution)
        self.count("Wildcards", batch.wildcards)
        self.count("EvictedNeighbours", sum((item.wide and item.wide.evicted) or 0 for item in batch.items))
        delays = self._delays.setdefault(batch.distribution, {})
        for item in () if batch.repeat else batch.items:
            for source, _ in item.causes:
                if (delay := _milliseconds(source.time, now)) is not None:
                    delays[source.identity, source.key] = delay

    @property
    def usd(self) -> float:
        """The cost of what was accepted, in US dollars."""
        return usd_for(sum(counter["PathsInvalidated"] for counter in self._counts.values()))

    def counting(self, cdn: Cdn) -> Cdn:
        """Return the same Cdn with its calls counted."""
        return _Counted(cdn, self._calls)

    def documents(self, *, by_distribution: bool) -> Iterator[Document]:
        """Yield everything in as few documents as possible."""
        by_distribution = by_distribution and len(self._counts) - 1 <= MAX_DISTRIBUTIONS
        counts = self._counts | {None: self._counts[None] + Counter(self._calls)}
        delays = {id_: [*by_change.values()] for id_, by_change in self._delays.items()}
        usd = self.usd
        if not by_distribution:
            counts = {None: sum(counts.values(), Counter())}
            delays = {None: [*chain.from_iterable(delays.values())]}
        for id_, counter in counts.items():
            values = _values(counter)
            if id_ is None and usd:
                values["EstimatedCostUSD"] = [usd]
            yield from _documents(id_, values, delays.get(id_, []))


class _Counted:
    """A Cdn whose calls are noted in a list, by any thread."""

    def __init__(self, cdn: Cdn, calls: list[Name]) -> None:
        self.longest_call, self._cdn, self._calls = cdn.longest_call, cdn, calls

    def create_invalidation(self, batch: Batch) -> str:
        self._calls.append("Calls")
        try:
            return self._cdn.create_invalidation(batch)
        except ThrottledError:
            self._calls.append("CallsThrottled")
            raise


def _values(counter: Counter[Name]) -> Values:
    return {name: [number] for name, number in counter.items() if number}


def print_documents(documents: Iterable[Document]) -> None:
    """Print the documents, for Lambda to collect; nothing where the settings turn metrics off."""
    for document in documents if environment.metrics() else ():
        print(line_of(document))  # noqa: T201


def publish(documents: Iterable[Document], context: Context) -> None:
    """Print the documents, and that of a cold start if this was one."""
    print_documents(documents)
    if cold_start.is_cold_start and environment.metrics():
        _metrics({}).add_cold_start_metric(cast("LambdaContext", context))
        cold_start.is_cold_start = False


def line_of(document: Document) -> str:
    """Return a document of the embedded metric format."""
    metrics = _metrics(document.values)
    if document.distribution is not None:
        metrics.add_metadata("distribution", document.distribution)
    told = metrics.serialize_metric_set()
    if document.distribution is not None:
        # A second set of dimensions beside the first, for which Powertools would have to be asked before it serializes.
        told["_aws"]["CloudWatchMetrics"][0]["Dimensions"].append(["service", "distribution"])
    return json.dumps(told, separators=(",", ":"))


def _metrics(values: Values) -> EphemeralMetrics:
    made: dict[str, Any] = {
        name: {"Unit": _UNITS.get(name, MetricUnit.Count).value, "Value": value} for name, value in values.items()
    }
    return EphemeralMetrics(
        metric_set=made, namespace=environment.metrics_namespace(), service=environment.service_name()
    )


def _documents(id_: DistributionId | None, values: Values, delays: list[int]) -> Iterator[Document]:
    """Yield documents; each takes a limited number of values of a metric."""
    most = MAX_VALUES_PER_METRIC
    if delays:
        values["UploadToInvalidation"] = [*delays[:most]]
    if values:
        yield Document(id_, values)
    for start in range(most, len(delays), most):
        yield Document(id_, {"UploadToInvalidation": [*delays[start : start + most]]})


def _milliseconds(time: str, now: float) -> int | None:
    """Return the milliseconds from a time as S3 writes it until ``now``; 0 if its clock is ahead.

    None if it is no time, or longer ago than any queue keeps a message.
    """
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return None
    seconds = now - (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()
    return max(round(seconds * 1000), 0) if seconds <= MAX_RETENTION_SECONDS else None
