"""The rules of CloudWatch for the body of a dashboard, and the metrics that a body draws.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html (2026-11-22);
cfn-lint does not check it.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

COLUMNS, ROWS, MOST_WIDGETS = 24, 1_000, 500
VIEWS = {"timeSeries", "singleValue", "gauge", "bar", "pie", "table"}
STATISTIC = re.compile(r"SampleCount|Average|Sum|Minimum|Maximum|IQM|p(100|\d{1,2}(\.\d+)?)")
START = re.compile(r"-P(\d+[DWM]|T\d+[HM])")
OF_WIDGETS = {"type", "width", "height", "properties"}
# By type: required properties, and those optional ones that are used here.
PROPERTIES: dict[str, tuple[set[str], set[str]]] = {
    "text": ({"markdown"}, {"background"}),
    "alarm": ({"alarms"}, {"title", "sortBy", "states"}),
    "metric": (
        {"metrics", "region"},
        {"title", "view", "stat", "period", "stacked", "start", "end", "yAxis", "legend", "annotations"},
    ),
}
OF_METRICS = {"label", "stat", "period", "yAxis", "color", "id", "visible", "expression"}
OF_AXES = {"label", "min", "max", "showUnits"}
_SEARCH = re.compile(r"SEARCH\('\{([^}]+)\} MetricName=\"(\w+)\" service=\"([^\"]+)\"', '([^']+)', (\d+)\)")


class Series(NamedTuple):
    """A metric in a widget. If a dimension has no value, there is one line for each existing value."""

    namespace: str
    name: str
    dimensions: dict[str, str | None]
    stat: str
    period: int
    label: str
    right: bool


def series_of(widget: Any) -> Iterator[Series]:
    """Yield all metrics of a metric widget."""
    properties = widget["properties"]
    for metric in properties["metrics"]:
        *words, options = metric if isinstance(metric[-1], dict) else [*metric, {}]
        label, right = options.get("label", ""), options.get("yAxis") == "right"
        if words:
            namespace, name, *pairs = words
            known: dict[str, str | None] = dict(zip(pairs[::2], pairs[1::2], strict=True))
            stat, period = options.get("stat", properties["stat"]), options.get("period", properties["period"])
            yield Series(namespace, name, known, stat, period, label, right)
        else:
            found = _SEARCH.fullmatch(options["expression"])
            assert found is not None, options["expression"]
            namespace, *names = found[1].split(",")
            dimensions = dict.fromkeys(names) | {"service": found[3]}
            yield Series(namespace, found[2], dimensions, found[4], int(found[5]), label, right)


def objections(body: Any) -> list[str]:
    """Return the reasons why CloudWatch would refuse the body, or draw something else than intended."""
    found = [f"unknown: {name}" for name in set(body) - {"start", "end", "periodOverride", "variables", "widgets"}]
    found += [] if body.get("periodOverride") in {"auto", "inherit"} else ["periodOverride"]
    found += [] if START.fullmatch(body.get("start", "-P1D")) else ["start"]
    found += [] if len(body["widgets"]) <= MOST_WIDGETS else ["too many widgets"]
    for number, widget in enumerate(body["widgets"]):
        found += [f"widget {number}: {what}" for what in _of_widget(widget)]
    return found + list(_of_rows(body["widgets"]))


def _of_rows(widgets: Any) -> Iterator[str]:
    """Yield the titles of widgets that do not fill their row, in which each has the next place that is free."""
    left = tall = 0
    for widget in widgets:
        if left and (widget["height"] != tall or left + widget["width"] > COLUMNS):
            yield f"{widget['properties'].get('title')} leaves a hole"
        left, tall = (left + widget["width"]) % COLUMNS, widget["height"]
    if left:
        yield "the last row has a hole"


def _of_widget(widget: Any) -> Iterator[str]:
    if set(widget) != OF_WIDGETS or widget["type"] not in PROPERTIES:
        yield f"its names are {sorted(widget)}, its type is {widget.get('type')}"
        return
    if not (1 <= widget["width"] <= COLUMNS and 1 <= widget["height"] <= ROWS):
        yield f"it is not on the grid: {widget['width']} x {widget['height']}"
    needed, optional = PROPERTIES[widget["type"]]
    given = set(widget["properties"])
    if not needed <= given <= needed | optional:
        yield f"its properties are {sorted(given)}"
    elif widget["type"] == "metric":
        yield from _of_metrics(widget["properties"])
    elif widget["type"] == "alarm":
        yield from _of_alarms(widget["properties"])
    elif not widget["properties"]["markdown"].strip():
        yield "there is no text"


def _of_alarms(properties: Any) -> Iterator[str]:
    if not 1 <= len(properties["alarms"]) <= 100:
        yield "there have to be 1 to 100 alarms"
    if properties.get("sortBy", "default") not in {"default", "stateUpdatedTimestamp", "timestamp"}:
        yield "sortBy"


def _of_metrics(properties: Any) -> Iterator[str]:
    if not properties["metrics"]:
        yield "there is no metric"
    if properties.get("view", "timeSeries") not in VIEWS:
        yield f"view {properties['view']}"
    if not START.fullmatch(properties.get("start", "-P1D")):
        yield f"start {properties['start']}"
    axes = properties.get("yAxis", {})
    if not set(axes) <= {"left", "right"} or any(not set(axis) <= OF_AXES for axis in axes.values()):
        yield "yAxis"
    yield from _of_series(properties, axes)


def _of_series(properties: Any, axes: Any) -> Iterator[str]:
    for metric in properties["metrics"]:
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        if not set(options) <= OF_METRICS or options.get("yAxis", "left") not in {"left", "right"}:
            yield f"options {options}"
        if not all(isinstance(word, str) for word in metric[: len(metric) - bool(options)]):
            yield f"metric {metric}"
    for series in series_of({"properties": properties}):
        if series.period not in {1, 5, 10, 30} and (series.period <= 0 or series.period % 60):
            yield f"period {series.period}"
        if not STATISTIC.fullmatch(series.stat):
            yield f"statistic {series.stat}"
        if series.right and "right" not in axes:
            yield f"there is no right axis for {series.label}"
