"""The picture of the dashboard: drawn from the widgets that are deployed, and from what a simulated day comes to."""

import json
from functools import cache
from pathlib import Path

import pytest

from benchmarks import dashboard
from benchmarks.day import DAY, DAYS, DEAD_LETTERS, DISTRIBUTIONS, QUEUE, Numbers, fortnight
from tests.deploy.test_dashboard import made_by_node
from tests.doubles.dashboards import series_of

numbers = cache(lambda: fortnight(dashboard.SEED))


def metric_widgets() -> list[dict[str, object]]:
    return [widget for widget in dashboard.widgets() if widget["type"] == "metric"]


def test_the_picture_in_the_repository_is_of_these_widgets_and_numbers() -> None:
    found = dashboard.digest_of(dashboard.PICTURE)
    assert found == dashboard.digest(numbers()), "draw it anew, with make dashboard-preview, and look at it"


def test_every_widget_is_drawn_under_its_title() -> None:
    figure = dashboard.figure_of(numbers())
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    titles = [widget["properties"]["title"] for widget in dashboard.widgets() if widget["type"] != "text"]
    assert [text for text in texts if text in titles] == titles
    labels = [text.get_text() for axes in figure.axes if (legend := axes.get_legend()) for text in legend.get_texts()]
    assert labels == [line.label for widget in metric_widgets() for line in dashboard.lines_of(widget, numbers())]
    assert set(DISTRIBUTIONS.values()) <= set(labels)


def test_the_same_numbers_make_the_same_file(tmp_path: Path) -> None:
    few: Numbers = {("PathsInvalidated", ""): [(60.0, 5.0)], ("Errors", "${InvalidateLambdaFunction}"): [(1.0, 0.0)]}
    for name in "ab":
        dashboard.save(few, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert dashboard.digest_of(tmp_path / "a") == dashboard.digest(few) != dashboard.digest({})


def test_every_metric_has_something_to_show_but_that_of_ignored_records() -> None:
    shown = {series.name for widget in metric_widgets() for series in series_of(widget)}
    assert shown - {name for name, _ in numbers()} == {"RecordsIgnored"}


def test_what_is_not_deployed_by_default_is_not_drawn() -> None:
    body = json.loads(made_by_node(trigger="queue", pipeline="off", costs="off")["Fn::Sub"])
    assert dashboard.widgets() == body["widgets"]


def test_what_all_distributions_had_is_the_sum_of_what_each_had() -> None:
    for name in ("PathsInvalidated", "Tickets", "Failures"):
        of_each = [numbers().get((name, id_), []) for id_ in DISTRIBUTIONS.values()]
        assert sum(value for _, value in numbers()[name, ""]) == sum(value for each in of_each for _, value in each) > 0
    assert all(-DAYS * DAY < at < DAY for found in numbers().values() for at, _ in found)


@pytest.mark.parametrize(
    ("stat", "points"),
    [
        ("Sum", [(0.0, 6.0), (120.0, 4.0)]),
        ("Maximum", [(0.0, 3.0), (120.0, 4.0)]),
        ("p50", [(0.0, 2.0), (120.0, 4.0)]),
        ("p95", [(0.0, 3.0), (120.0, 4.0)]),
        ("p0", [(0.0, 1.0), (120.0, 4.0)]),
    ],
)
def test_numbers_are_brought_together_by_period(stat: str, points: list[tuple[float, float]]) -> None:
    assert dashboard.aggregated([(59.9, 3.0), (0.0, 1.0), (125.0, 4.0), (7.0, 2.0)], 60, stat) == points
    assert dashboard.statistic([float(value) for value in range(1, 101)], "p95") == 95.0


def raised(found: Numbers) -> set[str]:
    names = ["FreshnessAlarm", "DeadLettersAlarm", "OldMessagesAlarm", "TicketsAlarm", "ErrorsAlarm"]
    return {alarm.name for alarm in dashboard.alarms_of(names, found) if alarm.raised}


def test_an_alarm_is_raised_by_what_was_too_much_until_the_end() -> None:
    late, delayed = "UploadToInvalidation", "ApproximateNumberOfMessagesDelayed"
    quarter = [(DAY - 60.0 * minute, 1.0) for minute in range(1, 16)]
    assert raised({}) == set()
    assert raised({(late, ""): [(DAY - 1, 900_001.0)]}) == {"FreshnessAlarm"}
    assert raised({(late, ""): [(DAY - 1, 900_000.0), (DAY - 901, 900_001.0)]}) == set()
    assert raised({(delayed, QUEUE): quarter}) == {"TicketsAlarm"}
    assert raised({(delayed, QUEUE): quarter[:9]}) == set()
    assert raised({("ApproximateNumberOfMessagesVisible", DEAD_LETTERS): quarter[:1]}) == {"DeadLettersAlarm"}
    assert raised(numbers()) == {"DeadLettersAlarm"}
