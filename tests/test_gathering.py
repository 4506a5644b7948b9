"""The handler gathers bursts: what waits is on the queue, keeps its identity, and goes when the burst is over."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from typing import Any

import pytest

from invalidator.aws.queues import Queue
from invalidator.aws.spending import Spending
from invalidator.delivery.bursts import Arrivals
from invalidator.events.decode import decode
from invalidator.handler import lambda_handler
from invalidator.model import Gathered
from invalidator.runtime import clients
from tests.doubles import strategies as make
from tests.doubles.clock import Clock, OnClock, on
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.queues import StrictQueues
from tests.doubles.sdk import client_error
from tests.doubles.strategies import Change
from tests.test_handler import DEAD_LETTERS, QUEUE, lines_of

NOON = 1_795_000_000.0


@dataclass
class Function:
    """The function of a stack that gathers, in one process, at a time that is set."""

    cloudfront: StrictCloudFront
    queues: StrictQueues = field(default_factory=lambda: StrictQueues({QUEUE, DEAD_LETTERS}))
    arrivals: Arrivals = field(default_factory=Arrivals)
    now: float = NOON
    # In US dollars, this month; None: nobody knows.
    spent: float | None = 0.0
    _received: int = 0

    def event(self, *changes: Change) -> dict[str, Any]:
        """Return an event with new changes and with all that waits on the queue, which it empties."""
        bodies = [make.s3(change) for change in changes]
        event: dict[str, Any] = make.sqs(*bodies)
        waiting = make.sqs(*[message.body for message in self.queues.messages if message.url == QUEUE])
        event["Records"] += waiting["Records"]
        self.queues.messages.clear()
        for record in event["Records"]:
            self._received += 1
            record["messageId"] = f"m{self._received}"
        return event

    def invoke(self, *changes: Change, after: float = 5.0) -> list[str]:
        """Let the function receive new changes and all that waits, some seconds later. Return what failed."""
        self.now += after
        return self.handle(self.event(*changes))

    def handle(self, event: Any) -> list[str]:
        """Return the messages that failed."""
        answer = self.answer(event)
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def answer(self, event: Any) -> dict[str, Any]:
        """Return the answer to an event."""
        clock = Clock()
        edge = on(
            clock,
            queue=partial(Queue, self.queues),
            arrivals=lambda: self.arrivals,
            now=lambda: self.now,
            spending=lambda: self._spending,
        )
        return lambda_handler(event, OnClock(aws_request_id="request", clock=clock), edge)

    def __post_init__(self) -> None:
        """Read what was spent from an answer of CloudWatch."""
        self._spending = Spending(self, "invalidator", "invalidator", lambda: self.now)

    def get_metric_statistics(self, **_: Any) -> Any:
        """Answer as CloudWatch does."""
        if self.spent is None:
            raise client_error("GetMetricStatistics", "AccessDenied", 403, "not read")
        return {"Datapoints": [{"Sum": self.spent}]}

    @property
    def waiting(self) -> list[str]:
        """Return the keys that wait, sorted."""
        found = [decode(make.sqs(message.body)).gathered for message in self.queues.messages]
        return sorted(change.key for tickets in found for ticket in tickets for change in ticket.changes)


def changes(*numbers: int) -> list[Change]:
    return [Change(f"a/{number:02}", sequencer=f"{number:04X}") for number in numbers]


@pytest.fixture
def function(cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """Set a function up whose process has long been up, with one distribution."""
    for name, value in {"DISTRIBUTION_IDS": "E1", "QUEUE_URL": QUEUE, "DEAD_LETTERS_URL": DEAD_LETTERS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GATHER", "300")
    monkeypatch.setenv("DEPLOY_MARKER", ".deployed")
    monkeypatch.setenv("DESCRIBE", "off")
    found = Function(cloudfront)
    found.arrivals.take(0, NOON - 100)
    yield found
    clients.forget()


def test_few_changes_go_at_once(function: Function) -> None:
    assert function.invoke(*changes(*range(9))) == []
    assert (len(function.cloudfront.paths("E1")), function.waiting) == (9, [])


def test_a_burst_waits_and_goes_together_when_it_is_over(function: Function) -> None:
    assert function.invoke(*changes(*range(12))) == []
    assert function.invoke(*changes(*range(12, 30))) == []
    assert (function.cloudfront.calls, len(function.waiting)) == (0, 30)
    assert function.invoke() == []  # none is new, but six seconds have not passed
    assert (function.cloudfront.calls, len(function.waiting)) == (0, 30)
    assert function.invoke() == []
    assert (function.cloudfront.calls, function.waiting) == (1, [])
    assert function.cloudfront.paths("E1") == [f"/a/{number:02}" for number in range(30)]


def test_what_waits_is_one_message_and_each_change_is_in_it_once(function: Function) -> None:
    function.invoke(*changes(*range(12)), *changes(*range(12)))
    twice = [*function.queues.messages]
    function.queues.messages += twice
    function.invoke(*changes(*range(12, 15)))
    assert len(function.queues.messages) == 1
    assert function.waiting == [f"a/{number:02}" for number in range(15)]


def test_what_has_waited_is_sent_under_the_reference_of_its_changes(function: Function) -> None:
    event = function.event(*changes(*range(12)))
    for _ in range(2):  # the same notifications come twice
        function.handle(event)
        function.invoke(after=10)
    assert function.cloudfront.calls == 2
    assert len(function.cloudfront.accepted) == 1


@pytest.mark.parametrize("most", [0, 60, 300])
def test_after_its_time_a_burst_goes_although_it_goes_on(
    function: Function, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATHER", str(most))
    begun, number = function.now + 5, 0
    while not function.cloudfront.calls:
        function.invoke(*changes(*range(number, number + 12)))
        number += 12
        assert function.now - begun <= most
    assert function.now - begun == most
    assert function.waiting == []


def test_after_a_minute_what_is_cheap_goes(function: Function) -> None:
    function.invoke(*changes(*range(12)))
    begun, number = function.now, 12
    while not function.cloudfront.calls:
        function.invoke(*changes(*range(number, number + 3)))
        number += 3
    assert function.now - begun == 60
    assert len(function.cloudfront.paths("E1")) == 48


def test_the_marker_ends_a_burst_and_is_never_invalidated(function: Function) -> None:
    function.invoke(*changes(*range(12)))
    function.invoke(*changes(*range(12, 24)), Change(".deployed"))
    assert (function.cloudfront.calls, len(function.waiting)) == (0, 25)
    function.invoke(*changes(*range(24, 30)))
    assert (function.cloudfront.calls, function.waiting) == (1, [])
    assert function.cloudfront.paths("E1") == [f"/a/{number:02}" for number in range(30)]


def test_a_marker_holds_nothing_longer_than_its_time(function: Function) -> None:
    function.invoke(*changes(*range(12)))
    function.invoke(Change(".deployed"), after=300)
    assert (function.cloudfront.calls, function.waiting) == (1, [])


def test_a_marker_beside_nothing_does_nothing(function: Function) -> None:
    assert function.invoke(Change(".deployed")) == []
    assert function.invoke() == []
    assert (function.cloudfront.calls, function.waiting) == (0, [])


def test_without_gathering_the_marker_is_ignored(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATHER", "0")
    function.invoke(Change(".deployed"), Change("a"))
    assert (function.cloudfront.paths("E1"), function.waiting) == (["/a"], [])


def test_what_cannot_wait_is_sent_at_once(function: Function) -> None:
    function.queues.broken[QUEUE] = ("AccessDenied", 403)
    assert function.invoke(*changes(*range(12))) == []
    assert len(function.cloudfront.paths("E1")) == 12
    assert function.queues.calls == [1, 1, 1]


def test_an_event_that_is_no_queues_is_served_at_once(function: Function) -> None:
    function.answer(make.s3(*changes(*range(50))))
    assert len(function.cloudfront.paths("E1")) == 50


def test_tickets_are_served_while_a_burst_waits(function: Function) -> None:
    function.cloudfront.broken["E1"] = ("Throttling", 400)
    function.invoke(Change("before"))
    function.cloudfront.broken.clear()
    function.invoke(*changes(*range(12)))
    assert function.cloudfront.paths("E1") == ["/before"]
    assert len(function.waiting) == 12


# --- a month's budget -----------------------------------------------------------------------------------


def test_once_half_of_a_budget_is_used_single_changes_wait_and_meet(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "10")
    function.spent = 6.0
    function.invoke(Change("a"))
    begun = function.now
    assert [(begun + message.delay) % 60 for message in function.queues.messages] == [0]
    for number in (1, 2, 3):
        assert function.invoke(*changes(number), after=50) == []
    assert function.cloudfront.calls == 0
    while not function.cloudfront.calls:
        function.invoke(after=5)
    assert function.now - begun == 180
    assert function.cloudfront.paths("E1") == ["/a", "/a/01", "/a/02", "/a/03"]


def test_a_budget_that_is_used_up_leaves_a_path_a_quarter_of_an_hour(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    function.spent = 7.0
    begun, sent = function.now, list[float]()
    for number in range(240):
        function.invoke(*changes(number), Change(f"b/{number:03}"), after=15)
        if len(function.cloudfront.accepted) > len(sent):
            sent.append(function.now - begun)
    assert sent == [915, 1830, 2745]
    assert {item.paths for item in function.cloudfront.accepted} == {("/*",)}


def test_where_the_budget_is_used_up_no_marker_ends_the_waiting(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    function.spent = 5.0
    function.invoke(Change("a"), Change(".deployed"))
    function.invoke(after=60)
    assert (function.cloudfront.calls, function.waiting) == (0, [".deployed", "a"])
    function.invoke(after=900)
    assert (function.cloudfront.paths("E1"), function.waiting) == (["/a"], [])


def test_a_marker_under_a_budget_ends_a_burst_once_its_changes_have_waited(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "10")
    function.spent = 5.5  # everything waits for 90 seconds
    function.invoke(*changes(*range(12)), Change(".deployed"))
    begun, number = function.now, 12
    while not function.cloudfront.calls:
        function.invoke(*changes(*range(number, number + 3)))
        number += 3
    assert function.now - begun == 90


def test_without_metrics_there_is_no_budget_which_is_told_of_once(
    function: Function, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    function.spent = 7.0
    function.invoke(Change("a"))
    function.invoke(Change("b"))
    assert function.cloudfront.paths("E1") == ["/a", "/b"]
    (warning,) = [line["message"] for line in lines_of(log) if line["level"] == "WARNING"]
    assert warning.startswith("MONTHLY_BUDGET does nothing without metrics")


def test_what_a_process_has_sent_it_knows_before_the_metric_shows_it(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "0.20")
    for numbers in (range(9), range(10, 17), range(20, 26)):
        function.invoke(*changes(*numbers), after=30)
    assert len(function.cloudfront.paths("E1")) == 9 + 7 + 6
    function.invoke(Change("c"), after=30)
    assert function.waiting == ["c"]


def test_without_a_queue_a_budget_only_makes_plans_smaller(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    function.spent = 4.96
    function.answer(make.s3(*changes(*range(9))))
    assert function.cloudfront.paths("E1") == ["/a/*"]


def test_where_nobody_knows_what_the_month_has_cost_it_goes_on_and_says_so(
    function: Function, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    function.spent = None
    assert function.invoke(Change("a")) == []
    assert (function.cloudfront.paths("E1"), function.waiting) == (["/a"], [])
    warnings = [line["message"] for line in lines_of(log) if line["level"] == "WARNING"]
    assert warnings == [
        "MONTHLY_BUDGET: the cost of the month cannot be read: AccessDenied: not read"
        " (grant cloudwatch:GetMetricStatistics on * to the identity that made the call)"
    ]


# --- what waits -----------------------------------------------------------------------------------------


def test_a_burst_that_was_forgotten_goes_whatever_else_comes(function: Function) -> None:
    function.invoke(*changes(*range(12)))
    function.invoke(*changes(*range(12, 30)), after=3 * 24 * 3600)
    assert (function.cloudfront.calls, function.waiting) == (1, [])


def test_a_ticket_of_a_burst_can_be_read_back() -> None:
    (ticket,) = decode(make.sqs(WRITTEN)).gathered
    assert ticket == Gathered(ticket.changes, NOON, NOON + 5)
    assert [change.key for change in ticket.changes] == ["a b"]


WRITTEN: dict[str, Any] = {
    "type": "invalidator ticket",
    "version": 3,
    "since": NOON,
    "going_on": NOON + 5,
    "changes": [["origin", "a b", "sequencer 1", "2026-11-20T09:30:12.345Z", ""]],
}


NO_TIMES: list[Any] = [None, "1", -1, 1e12, float("nan"), float("inf"), float("-inf"), []]
NO_CHANGES: list[Any] = [None, [], {}, "a", [[]], [["origin", "a", "b", "c"]], [[1, 2, 3, 4, 5]]]
NO_VERSIONS: list[Any] = [4, None, []]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("since", "going_on") for value in NO_TIMES),
        *(("changes", value) for value in NO_CHANGES),
        *(("version", value) for value in NO_VERSIONS),
    ],
)
def test_a_ticket_that_was_not_written_here_is_refused(name: str, value: Any) -> None:
    decoded = decode(make.sqs(WRITTEN | {name: value}))
    assert (decoded.gathered, len(decoded.refusals)) == ([], 1)
