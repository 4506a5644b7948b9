"""Laws of looking at what distributions have accepted."""

import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.aws.cloudfront import CloudFront
from invalidator.errors import (
    CdnError,
    ConfigurationError,
    ForbiddenError,
    ThrottledError,
    UnavailableError,
    UnknownIdError,
)
from invalidator.events.decode import decode
from invalidator.model import DistributionId, Invalidation
from invalidator.operator.invalidations import (
    DistributionInvalidations,
    Invalidations,
    SentSince,
    check_invalidation_id,
    earlier_ids,
    find_invalidation,
    made_by,
)
from tests.doubles import strategies as make
from tests.doubles.clock import Clock
from tests.doubles.cloudfront import DENIED, StrictCloudFront, Time
from tests.doubles.strategies import Change, simple_plan

BIRTH = datetime(2026, 11, 20, tzinfo=UTC)
E1, E2, E3 = map(DistributionId, ("E1", "E2", "E3"))

invalidations = st.lists(
    st.builds(
        lambda id_, status, seconds: Invalidation(E1, id_, status, BIRTH + timedelta(seconds=seconds)),
        st.text("ABC123", min_size=1, max_size=6),
        st.sampled_from(["Completed", "InProgress", "COMPLETED", "Wondering"]),
        st.integers(0, 20),
    ),
    max_size=30,
    unique_by=lambda invalidation: invalidation.id,
)


@dataclass
class Told(CloudFront):
    """A CloudFront with just these invalidations. The next calls meet ``faults``; ``read`` are the ids asked for."""

    lists: dict[str, list[Invalidation]]
    items: tuple[str, ...] = ("/a",)
    faults: deque[CdnError] = field(default_factory=deque)
    read: list[str] = field(default_factory=list)

    def invalidation(self, distribution: DistributionId, id_: str) -> Invalidation:
        if self.faults:
            raise self.faults.popleft()
        self.read.append(id_)
        (told,) = {told.id: told for told in self.lists[distribution] if told.id == id_}.values()
        return told._replace(items=self.items, caller_reference="cli-1-1")

    def invalidations(self, distribution: DistributionId) -> Iterator[Invalidation]:
        if self.faults:
            raise self.faults.popleft()
        yield from self.lists[distribution]


def accepting(double: StrictCloudFront, distribution: str, number: int) -> list[str]:
    """The ids of so many new invalidations, the newest first."""
    before = len(double.accepted)
    for count in range(before, before + number):
        batch = {"Paths": {"Quantity": 1, "Items": [f"/{count}"]}, "CallerReference": f"cli-{count}-1"}
        if distribution.startswith("dt_"):
            double.create_invalidation_for_distribution_tenant(Id=distribution, InvalidationBatch=batch)
        else:
            double.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)
    return [item.id for item in double.accepted[before:]][::-1]


def ids(listed: DistributionInvalidations) -> list[str]:
    return [seen.invalidation.id for seen in listed.shown]


# --- the newest -----------------------------------------------------------------------------------------


@given(invalidations, st.none() | st.integers(0, 10), st.randoms())
def test_the_newest_and_all_in_progress_are_shown_newest_first(
    told: list[Invalidation], most: int | None, random: Any
) -> None:
    random.shuffle(told)
    (listed,) = Invalidations(Told({E1: told})).newest([E1], most)
    shown = [seen.invalidation for seen in listed.shown]
    moments = [invalidation.created for invalidation in shown]
    assert moments == sorted(moments, reverse=True)
    left_out = [invalidation for invalidation in told if invalidation.id not in ids(listed)]
    assert all(invalidation.is_completed for invalidation in left_out)
    assert len(left_out) + len(shown) == listed.total == len(told)
    number = len(told) if most is None else most
    assert moments[:number] == sorted((invalidation.created for invalidation in told), reverse=True)[:number]
    assert not any(invalidation.is_completed for invalidation in shown[number:])


@pytest.mark.parametrize("id_", ["E1", "dt_1"])
@pytest.mark.parametrize("page", [1, 2, 3, 7, 100])
def test_all_pages_are_read_of_distributions_and_tenants(id_: str, page: int) -> None:
    double = StrictCloudFront(["E1"], tenants={"dt_1": ("E1", {})}, page=page)
    expected = accepting(double, id_, 7)
    (listed,) = Invalidations(CloudFront(double)).newest([DistributionId(id_)], None)
    assert sorted(ids(listed), reverse=True) == expected
    assert {seen.invalidation.items for seen in listed.shown} == {(f"/{number}",) for number in range(7)}
    assert {seen.invalidation.caller_reference for seen in listed.shown} == {f"cli-{n}-1" for n in range(7)}


def test_what_two_pages_have_is_counted_once() -> None:
    told = [Invalidation(E1, id_, "Completed", BIRTH) for id_ in ("C", "B", "B", "A")]
    (listed,) = Invalidations(Told({E1: told})).newest([E1], 2)
    assert (ids(listed), listed.total) == (["C", "B"], 3)


def test_only_what_is_shown_is_asked_for_and_that_once() -> None:
    double = StrictCloudFront(["E1", "E2"])
    accepting(double, "E1", 5)
    accepting(double, "E2", 1)
    reader = Invalidations(CloudFront(double))
    looks = [reader.newest([E1, E2, E1], 2) for _ in range(3)]
    assert looks[0] == looks[1] == looks[2]
    assert [len(listed.shown) for listed in looks[0]] == [2, 1]
    operations = [operation for operation, _ in double.read]
    assert (operations.count("ListInvalidations"), operations.count("GetInvalidation")) == (6, 3)


def test_a_status_is_that_of_the_list_each_time() -> None:
    account = Told({E1: [Invalidation(E1, "A", "InProgress", BIRTH)]})
    reader = Invalidations(account)
    assert [seen.invalidation.is_completed for seen in reader.newest([E1], 1)[0].shown] == [False]
    account.lists[E1] = [Invalidation(E1, "A", "Completed", BIRTH)]
    assert [seen.invalidation.is_completed for seen in reader.newest([E1], 1)[0].shown] == [True]
    assert account.read == ["A"]


def test_a_distribution_that_cannot_be_read_stops_no_other() -> None:
    double = StrictCloudFront(["E1", "E3"])
    accepting(double, "E1", 1)
    accepting(double, "E3", 2)
    found = Invalidations(CloudFront(double)).newest([E1, E2, E3], 10)
    assert [(listed.distribution, listed.total) for listed in found] == [(E1, 1), (E2, 0), (E3, 2)]
    assert [bool(listed.problem) for listed in found] == [False, True, False]
    assert "NoSuchDistribution" in found[1].problem


def test_details_that_cannot_be_read_stop_nothing_and_are_asked_for_again() -> None:
    double = StrictCloudFront(["E1"], unreadable={"GetInvalidation": DENIED})
    accepting(double, "E1", 3)
    reader = Invalidations(CloudFront(double))
    (listed,) = reader.newest([E1], 2)
    assert [seen.is_whole for seen in listed.shown] == [False, False]
    assert (listed.total, listed.problem) == (3, "")
    assert "cloudfront:GetInvalidation" in listed.unread
    double.unreadable.clear()
    (listed,) = reader.newest([E1], 2)
    assert [seen.is_whole for seen in listed.shown] == [True, True]
    assert listed.unread == ""


@pytest.mark.parametrize("kind", [ThrottledError, UnavailableError])
@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_what_passes_is_waited_for_twice(kind: type[CdnError], times: int) -> None:
    account = Told({E1: [Invalidation(E1, "A", "Completed", BIRTH)]}, faults=deque([kind("later")] * times))
    pauses: list[float] = []
    (listed,) = Invalidations(account, pause=pauses.append).newest([E1], 1)
    assert pauses == [1.0, 3.0][:times]
    assert listed.problem == ("later" if times > 2 else "")


def test_what_does_not_pass_is_not_waited_for() -> None:
    account = Told({E1: []}, faults=deque([ForbiddenError("no")]))
    pauses: list[float] = []
    assert Invalidations(account, pause=pauses.append).newest([E1], 1) == [DistributionInvalidations(E1, problem="no")]
    assert pauses == []


@dataclass
class InTurn:
    """Workers that answer the last call first. ``most`` is how many were on their way."""

    calls: list[Callable[[], tuple[int, object]]] = field(default_factory=list)
    most: int = 0

    def start(self, call: Callable[[], tuple[int, object]]) -> None:
        self.calls.append(call)
        self.most = max(self.most, len(self.calls))

    def wait(self, seconds: float) -> tuple[int, object]:
        assert seconds >= 60
        return self.calls.pop()()


def test_at_most_eight_calls_run_at_a_time_and_may_end_in_any_order() -> None:
    double = StrictCloudFront([f"E{number}" for number in range(20)])
    for number in range(20):
        accepting(double, f"E{number}", number)
    asked = [DistributionId(f"E{number}") for number in range(20)]
    workers, advances = InTurn(), list[None]()
    found = Invalidations(CloudFront(double), lambda: workers).newest(asked, 2, lambda: advances.append(None))
    assert found == Invalidations(CloudFront(double)).newest(asked, 2)
    assert [listed.total for listed in found] == list(range(20))
    assert all(seen.invalidation.distribution == listed.distribution for listed in found for seen in listed.shown)
    assert workers.most == 8
    assert len(advances) == 20 + sum(len(listed.shown) for listed in found)


# --- one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["E1", "E3", "dt_1"])
def test_an_invalidation_is_found_on_whichever_distribution_has_it(owner: str) -> None:
    double = StrictCloudFront(["E1", "E3"], tenants={"dt_1": ("E1", {})})
    accepting(double, "E3", 1)
    (id_,) = accepting(double, owner, 1)
    asked = [DistributionId(name) for name in ("E2", "E1", "dt_1", "E3")]  # of which the first is not there
    found = find_invalidation(CloudFront(double), asked, id_)
    assert (found.distribution, found.id, found.items, found.caller_reference) == (owner, id_, ("/1",), "cli-1-1")


def test_an_invalidation_that_is_nowhere_says_which_were_asked() -> None:
    double = StrictCloudFront([f"E{number}" for number in range(1, 6)])
    with pytest.raises(UnknownIdError, match=r"^no invalidation 'I1' on the 5 distributions asked: E1, E2, … 3 more: "):
        find_invalidation(CloudFront(double), map(DistributionId, [*double.distributions, "E1"]), "I1")
    with pytest.raises(
        UnknownIdError, match=r"on the 1 distribution asked: E1: NoSuchInvalidation: .* check both ids\)$"
    ):
        find_invalidation(CloudFront(double), [E1], "I1")
    with pytest.raises(UnknownIdError, match=r"on the 1 distribution asked: E9: NoSuchDistribution: "):
        find_invalidation(CloudFront(double), [DistributionId("E9")], "I1")


def test_a_distribution_is_not_taken_for_an_invalidation() -> None:
    double = StrictCloudFront(["E1"])
    with pytest.raises(UnknownIdError, match=r"^'E1' is a distribution, not .* --distribution-id E1' lists its"):
        find_invalidation(CloudFront(double), [E1], "E1")
    assert double.read == []


def test_where_one_may_not_be_asked_it_is_not_said_that_there_is_none() -> None:
    account = Told({E2: [Invalidation(E2, "A", "Completed", BIRTH)]}, faults=deque([ForbiddenError("not E1")]))
    assert find_invalidation(account, [E1, E2], "A").distribution == E2
    account.faults.extend([ForbiddenError("not E1"), UnknownIdError("none")])
    with pytest.raises(ForbiddenError, match="E1: not E1; E2: none"):
        find_invalidation(account, [E1, E2], "B")


def test_what_would_befall_every_call_ends_the_search() -> None:
    account = Told({E2: [Invalidation(E2, "A", "Completed", BIRTH)]}, faults=deque([CdnError("expired")]))
    with pytest.raises(CdnError, match=r"^expired$"):
        find_invalidation(account, [E1, E2], "A")
    assert account.read == []


@pytest.mark.parametrize("id_", ["", " ", "a b", "I/..", "I?a", "É1", "-x", "I" * 65, "I\n"])
def test_what_cannot_be_an_id_is_not_asked_for(id_: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--again: .* is not the id of an invalidation"):
        check_invalidation_id(id_, "--again")
    check_invalidation_id("IDFDVBD632BHDS", "--again")


# --- what cloudfront says -------------------------------------------------------------------------------


class Answering:
    """A client of the SDK that gets these pages, and this invalidation."""

    def __init__(self, *pages: dict[str, Any], one: dict[str, Any] | None = None) -> None:
        self._pages, self._one = deque(pages), one

    def list_invalidations(self, **_: str) -> dict[str, Any]:
        return {"InvalidationList": self._pages.popleft()}

    def get_invalidation(self, **_: str) -> dict[str, Any]:
        return {"Invalidation": self._one}


def test_a_page_that_does_not_say_how_much_it_holds_is_no_end_of_the_list() -> None:
    with pytest.raises(UnavailableError, match=r"^CloudFront answered without InvalidationList$"):
        list(CloudFront(Answering({"IsTruncated": False})).invalidations(E1))


def test_a_marker_after_the_last_page_is_not_followed() -> None:
    last = {"Quantity": 0, "IsTruncated": False, "NextMarker": "more"}
    assert list(CloudFront(Answering(last)).invalidations(E1)) == []


def test_a_time_is_told_in_utc() -> None:
    created = BIRTH.astimezone(timezone(timedelta(hours=2)))
    told = {"Id": "A", "Status": "Completed", "CreateTime": created, "InvalidationBatch": {}}
    found = CloudFront(Answering(one=told)).invalidation(E1, "A")
    assert (found.created, found.created.tzinfo) == (BIRTH, UTC)


def test_an_invalidation_without_its_time_may_be_read_again() -> None:
    with pytest.raises(UnavailableError, match=r"^CloudFront answered with an invalidation without 'CreateTime'$"):
        CloudFront(Answering(one={"Id": "A", "Status": "Completed"})).invalidation(E1, "A")


# --- for people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "maker"),
    [
        ("cli-1763720105-593642", "aws cli"),
        ("E1A2B3C4D5E6F7.20261122084500.4242", "s3cmd"),
        ("terraform-20261122084500123400000001", "terraform"),
        ("20261122084500", "s3deploy, hugo or other"),
        ("3f2b8c1e-52a4-4f07-9a53-0d9b1c1f7a11", "cdk or other"),
        ("invalidator-7b0f2d9c0edefce270db4469ea357542", "invalidator"),
        ("invalidator-7B0F2D9C0EDEFCE270DB4469EA357542", "other"),
        ("invalidator-7b0f2d9c0edefce270db4469ea357542 ", "other"),
        ("my invalidator-7b0f2d9c0edefce270db4469ea357542", "other"),
        ("cli-1763720105-593642\n", "other"),
        ("cli-\u0661-\u0661", "other"),
        ("1763720105", "other"),
        ("1763720105123", "other"),
        ("3f2b8c1e-52a4-1f07-9a53-0d9b1c1f7a11", "other"),
        ("", "other"),
    ],
)
def test_a_caller_reference_tells_what_made_it(reference: str, maker: str) -> None:
    assert made_by(reference) == maker


@given(st.lists(make.changes, min_size=1))
def test_every_reference_of_ours_is_ours(changes: list[Change]) -> None:
    for batch in simple_plan(decode(make.s3(*changes)).changes, [E1], "index.html").batches:
        assert made_by(batch.caller_reference) == "invalidator"


@pytest.mark.parametrize("distribution", [None, "E1A2B3C4D5E6F7"])
def test_the_reference_that_s3cmd_makes_is_its_own(distribution: str | None) -> None:
    # In a process of its own: it changes http.client for all that is in the same one.
    made = f"from S3.CloudFront import InvalidationBatch as I; print(I(distribution={distribution!r}).get_reference())"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", made], capture_output=True, text=True, check=True)
    assert made_by(done.stdout.strip()) == "s3cmd"


# --- since a moment -------------------------------------------------------------------------------------


def test_what_was_sent_before_is_left_out_and_the_rest_is_as_it_stands() -> None:
    before, one = (Invalidation(E1, id_, "InProgress", BIRTH) for id_ in ("I0", "I1"))
    told = Told({"E1": [before]})
    sent = SentSince(told, E1)
    assert sent() == []
    told.lists["E1"].insert(0, one)
    assert [(each.id, each.items, each.is_completed) for each in sent()] == [("I1", ("/a",), False)]
    told.lists["E1"][0] = one._replace(status="Completed")
    assert [each.is_completed for each in sent()] == [True]
    sent()
    assert told.read == ["I1", "I1"]  # what is completed does not change any more
    told.faults.extend([ThrottledError("slow down"), ForbiddenError("no")])
    assert [each.id for each in sent()] == ["I1"]
    with pytest.raises(ForbiddenError):
        sent()


@given(st.integers(0, 250), st.integers(0, 130), st.sampled_from([1, -1]), st.integers(0, 3))
def test_what_was_sent_since_is_known_in_either_order(before: int, new: int, order: int, together: int) -> None:
    every = [
        Invalidation(E1, f"I{number}", "Completed", BIRTH + timedelta(seconds=number // (together + 1)))
        for number in range(before + new)
    ]
    told = Told({"E1": every[:before][::order]})
    sent = SentSince(told, E1)
    earlier = earlier_ids(told, [E1])
    told.lists["E1"] = every[::order]
    ids_sent = {one.id for one in every[before:]}
    assert {one.id for one in sent()} == ids_sent
    assert set(told.read) == ids_sent
    assert len(earlier) == before or {id_ for _, id_ in earlier} >= {one.id for one in every[:before][-100:]}


def test_a_list_that_has_the_newest_first_is_not_read_to_its_end() -> None:
    double = StrictCloudFront(["E1"], time=Time(Clock()), page=10)
    assert double.time
    for _ in range(150):
        accepting(double, "E1", 1)
        double.time.clock.now += 1
    sent = SentSince(CloudFront(double), E1)
    pages = len(double.read)
    assert pages <= 11
    new = accepting(double, "E1", 1)
    assert [one.id for one in sent()] == new
    assert [operation for operation, _ in double.read[pages:]] == ["ListInvalidations", "GetInvalidation"]
