"""The catalog: descriptions are read once in a while, kept when a read fails, and never in the way."""

import gc
from collections.abc import Callable
from dataclasses import replace
from itertools import count, islice
from typing import Any

import pytest

from invalidator.aws.cloudfront import CloudFront
from invalidator.distributions.catalog import Answer, Catalog, Found
from invalidator.errors import ConfigurationError, ForbiddenError, OutOfTimeError, ThrottledError, UnavailableError
from invalidator.model import UNKNOWN_SITE, Behavior, Declared, DistributionId, Origin, Site
from invalidator.settings.environment import Settings
from tests.doubles.clock import Calls, Clock
from tests.doubles.cloudfront import DENIED, THROTTLED, StrictCloudFront
from tests.doubles.configurations import behavior, configuration, custom, of_buckets, policy, with_oac
from tests.doubles.sdk import client_error

E1, E2 = DistributionId("E1"), DistributionId("E2")
ORIGIN = Site((Behavior("*", (Origin("origin"),)),))


class Look:
    """A catalog of a strict account, on a clock."""

    def __init__(self, double: StrictCloudFront, **configured: Any) -> None:
        self.double, self.clock = double, Clock()
        self.pauses: list[float] = []
        self.catalog = Catalog(CloudFront(double), lambda: self.clock.now, self.pauses.append)
        given: Any = {"distributions": (E1,), "describe": True} | configured
        self.config = Settings(**given)
        self.warnings: list[str] = []
        self.unknown: dict[str, str] = {}

    def find(self, *buckets: str, workers: Any = None, asked: Any = None) -> Found:
        found = self.catalog.look_up(
            self.config, buckets or ("origin",), workers or Calls(self.clock), 10.0, asked or {}
        )
        self.warnings = self.catalog.warnings()
        self.unknown = {name: f"{type(error).__name__}: {error}" for name, error in found.unknown.items()}
        return found

    def sites(self, *buckets: str, workers: Any = None) -> dict[str, Site]:
        """Return the sites of the distributions that are known."""
        return {distribution.id: distribution.site for distribution in self.find(*buckets, workers=workers).known}

    def has(self, id_: str) -> bool:
        """Return whether a ticket may be for a distribution."""
        found = self.catalog.look_up(self.config, (), Calls(self.clock), 10.0, {DistributionId(id_): False})
        return id_ not in found.strangers and id_ not in found.unknown

    @property
    def read(self) -> list[str]:
        """Return the calls since the last time."""
        read, self.double.read = self.double.read, []
        return [f"{operation} {id_}" for operation, id_ in read]


def look(configs: dict[str, Any] | None = None, **configured: Any) -> Look:
    return Look(StrictCloudFront(set(), configs=configs or {"E1": of_buckets("origin")}), **configured)


def test_a_distribution_is_described_once_in_the_time_that_settings_last() -> None:
    account = look({"E1": of_buckets("origin"), "E2": of_buckets("other")}, distributions=(E1, E2))
    assert account.sites() == {"E1": ORIGIN, "E2": Site((Behavior("*", (Origin("other"),)),))}
    assert sorted(account.read) == ["GetDistributionConfig E1", "GetDistributionConfig E2"]
    account.clock.now = 299
    account.sites()
    assert account.read == []
    account.double.configs["E1"] = of_buckets("moved")
    account.clock.now = 300
    assert account.sites()["E1"].behaviors[0].origins == (Origin("moved"),)


def test_what_was_described_long_ago_is_not_kept_for_ever() -> None:
    def kept() -> int:
        # By its type: isinstance asks a weak reference for the class of what may be gone.
        return sum(type(thing) is Site for thing in gc.get_objects())

    account, before = look(ttl=0), kept()
    for number in range(1_200):
        account.double.configs["E1"] = of_buckets(f"bucket-{number}")
        account.sites()
    assert kept() - before <= 1_001


def test_nobody_is_asked_where_nothing_changed_or_where_it_is_off() -> None:
    account = look()
    assert account.catalog.look_up(account.config, [], Calls(account.clock), 10.0).known[0].site == UNKNOWN_SITE
    assert look(describe=False).sites() == {"E1": UNKNOWN_SITE}
    assert account.read == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (
            DENIED,
            "AccessDenied: on demand (grant cloudfront:GetDistributionConfig on this distribution to the identity"
            " that made the call), or set DESCRIBE=off",
        ),
        (THROTTLED, "Throttling: on demand"),
        (("InternalError", 500), "InternalError: on demand"),
    ],
)
def test_of_an_undescribed_distribution_nothing_is_assumed(broken: tuple[str, int], problem: str) -> None:
    account = look({"E1": of_buckets("origin"), "E2": of_buckets("origin")}, distributions=(E1, E2))
    account.double.unreadable["GetDistributionConfig"] = broken
    assert account.sites() == {}
    assert sorted(account.warnings) == [
        f"distribution {id_} cannot be described: {problem}; what changes there has to wait" for id_ in ("E1", "E2")
    ]
    kinds = {DENIED: ForbiddenError, THROTTLED: ThrottledError}
    assert {kinds.get(broken, UnavailableError)} == {type(error) for error in account.find().unknown.values()}
    attempts = 2 * len([0.0, *account.pauses[:2]])
    account.clock.now = 4
    assert account.sites() == {}
    assert (len(account.read), account.warnings) == (attempts, [])
    account.clock.now = 5
    assert account.sites() == {}
    assert (len(account.read), account.warnings) == (attempts, [])
    account.double.unreadable.clear()
    account.clock.now = 10
    assert account.sites()["E1"] == ORIGIN
    account.double.unreadable["GetDistributionConfig"] = broken
    account.clock.now = 310
    assert account.sites()["E1"] == ORIGIN
    assert len(account.warnings) == 2


def test_what_is_described_is_known_beside_what_is_not() -> None:
    account = look({"E1": of_buckets("origin")}, distributions=(E1, E2))
    assert account.sites() == {"E1": ORIGIN}
    assert [*account.unknown] == ["E2"]
    assert account.unknown["E2"].startswith("UnknownIdError: distribution E2 cannot be described: NoSuchDistribution")


def test_what_was_known_stays_in_force_when_it_cannot_be_read_any_more() -> None:
    account = look()
    account.sites()
    account.double.unreadable["GetDistributionConfig"] = THROTTLED
    account.clock.now = 300
    assert account.sites() == {"E1": ORIGIN}
    (warning,) = account.warnings
    assert warning.startswith("distribution E1 cannot be read; what was known of it stays in force: Throttling")


def test_a_problem_is_said_again_when_it_is_another_or_had_gone() -> None:
    account = look()
    account.sites()
    said = []
    for broken in (THROTTLED, THROTTLED, DENIED, None, DENIED):
        account.double.unreadable = {"GetDistributionConfig": broken} if broken else {}
        account.clock.now += 300
        account.sites()
        said.append([warning.partition("stays in force: ")[2].partition(":")[0] for warning in account.warnings])
    assert said == [["Throttling"], [], ["AccessDenied"], [], ["AccessDenied"]]


@pytest.mark.parametrize("ttl", [0, 3])
def test_what_cannot_be_read_is_asked_for_again_no_later_than_the_rest(ttl: int) -> None:
    account = look(ttl=ttl)
    account.double.unreadable["GetDistributionConfig"] = THROTTLED
    assert account.sites() == {}
    account.double.unreadable.clear()
    account.clock.now = ttl
    assert account.sites() == {"E1": ORIGIN}


def test_what_is_declared_anew_is_in_force_at_once() -> None:
    account = look({"E1": configuration([custom("ap", "ap.example.com")], behavior("ap"))})
    assert account.sites()["E1"].behaviors[0].origins == ()
    account.config = replace(account.config, declared={E1: Declared("hidden")})
    assert account.sites()["E1"].behaviors[0].origins == (Origin("hidden"),)


WHOLE = of_buckets("origin")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"DistributionConfig": {}},
        {"DistributionConfig": WHOLE | {"Origins": {"Quantity": 0}}},
        {"DistributionConfig": WHOLE | {"Origins": WHOLE["Origins"] | {"Quantity": 2}}},
        {"DistributionConfig": WHOLE | {"CacheBehaviors": {"Quantity": 1}}},
        {"DistributionConfig": WHOLE | {"DefaultCacheBehavior": {}}},
        {"DistributionConfig": {name: value for name, value in WHOLE.items() if name != "DefaultCacheBehavior"}},
    ],
)
def test_half_an_answer_leaves_the_distribution_unknown(answer: dict[str, Any]) -> None:
    class Curt(StrictCloudFront):
        def get_distribution_config(self, *, Id: str) -> dict[str, Any]:  # noqa: ARG002, N803
            return answer

    account = Look(Curt({"E1"}))
    assert account.sites() == {}
    assert account.unknown["E1"].startswith(
        "UnavailableError: distribution E1 cannot be described: CloudFront answered"
    )


@pytest.mark.parametrize(
    "answer", [{}, *({"CachePolicyConfig": part} for part in ({}, {"MinTTL": 1}, {"Name": "mine"}))]
)
def test_half_a_policy_leaves_the_distribution_unknown(answer: dict[str, Any]) -> None:
    class Curt(StrictCloudFront):
        def get_cache_policy_config(self, *, Id: str) -> dict[str, Any]:  # noqa: ARG002, N803
            return answer

    config = configuration([with_oac("o", "origin.s3.amazonaws.com")], behavior("o", "mine"))
    account = Look(Curt(set(), configs={"E1": config}))
    assert account.sites() == {}
    assert "cache policy mine cannot be read: CloudFront answered without" in account.unknown["E1"]


class Stuck:
    """Workers whose calls never end."""

    def start(self, call: Callable[[], Answer]) -> None:
        """Begin nothing."""

    def wait(self, seconds: float) -> None:
        assert 3.0 < seconds < 4.0  # of ten, so that others may follow


def ids_of(number: int) -> list[DistributionId]:
    return [DistributionId(f"E{place}") for place in range(number)]


def test_to_wait_for_a_description_takes_no_more_than_its_time() -> None:
    ids = ids_of(20)
    account = look(distributions=tuple(ids))
    assert account.sites(workers=Stuck()) == {}
    assert len(account.warnings) == len(account.unknown) == 20
    assert all(error.endswith("no answer in time") for error in account.unknown.values())
    account.clock.now = 5  # by then, CloudFront may be itself again
    account.sites()
    assert len(account.read) == 20


def test_what_was_known_stays_in_force_where_nothing_answers_in_time() -> None:
    account = many(distributions=("E001",))
    known = account.sites()
    account.clock.now = 300
    assert account.sites(workers=Stuck()) == known
    assert [warning.partition(": ")[2] for warning in account.warnings] == ["no answer in time"] * 4


def test_a_listed_distribution_is_described_while_discovery_hangs() -> None:
    account = many(distributions=("E001",))

    class Selective(Calls):
        """Workers whose first call never ends: the one that discovers."""

        begun = False

        def start(self, call: Callable[[], Any]) -> None:
            if self.begun:
                super().start(call)
            self.begun = True

    assert list(account.sites(workers=Selective(account.clock))) == ["E001"]
    assert account.unknown == {"discover": "UnavailableError: distributions cannot be discovered: no answer in time"}
    account.read.clear()
    account.clock.now += 4  # it is not asked for again in vain
    assert list(account.sites()) == ["E001"]
    assert account.read == []


class Slow:
    """Workers whose calls take three seconds, one after the other."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._waiting = clock, list[Callable[[], Answer]]()

    def start(self, call: Callable[[], Answer]) -> None:
        self._waiting.append(call)

    def wait(self, seconds: float) -> Answer | None:
        self._clock.now += min(seconds, 3.0)
        return self._waiting.pop(0)() if seconds >= 3.0 else None


def test_all_descriptions_together_take_no_more_than_their_time() -> None:
    ids = ids_of(20)
    account = look({id_: of_buckets("origin") for id_ in ids}, distributions=tuple(ids))
    account.sites(workers=Slow(account.clock))
    assert (len(account.warnings), account.clock.now) == (17, 10.0)


def test_what_something_waits_for_is_described_first() -> None:
    unknown = set(ids_of(20))
    for left in [17, 14, 11, 8, 5, 2, 0]:  # three at each cold start, and never the same ones
        account = look({id_: of_buckets("origin") for id_ in unknown}, distributions=tuple(ids_of(20)))
        found = account.find(workers=Slow(account.clock), asked=dict.fromkeys(unknown, True))
        unknown -= {one.id for one in found.known}
        assert len(unknown) == left
        # Eight calls at most were not answered in time. To wait behind them is no failure.
        late = [id_ for id_ in unknown if not isinstance(found.unknown[id_], OutOfTimeError)]
        assert len(late) == min(left, 8)


def test_what_waited_behind_others_is_asked_for_at_once_the_next_time() -> None:
    ids = ids_of(20)
    account = look({id_: of_buckets("origin") for id_ in ids}, distributions=tuple(ids))
    first = account.find(workers=Slow(account.clock))
    behind = {id_ for id_, error in first.unknown.items() if isinstance(error, OutOfTimeError)}
    assert len(behind) == 9
    account.read.clear()
    assert behind <= set(account.sites())  # the other eight failed a moment ago
    assert len(account.read) == len(behind)


def test_a_known_distribution_that_waits_behind_others_is_no_problem() -> None:
    ids = ids_of(20)
    account = look({id_: of_buckets("origin") for id_ in ids}, distributions=tuple(ids))
    account.sites()
    account.clock.now = 300.0
    assert len(account.sites(workers=Slow(account.clock))) == 20
    assert len(account.warnings) == 8  # of the calls that were not answered in time


def test_where_nothing_is_learnt_all_that_waits_has_failed() -> None:
    account = look(distributions=tuple(ids_of(20)))
    found = account.find(workers=Stuck(), asked=dict.fromkeys(ids_of(20), True))
    assert {type(error) for error in found.unknown.values()} == {UnavailableError}


def test_a_listed_distribution_does_not_depend_on_tags() -> None:
    account = look({"E1": of_buckets("origin")}, distributions=(E1,), discover=True, discover_tag="t")
    account.double.unreadable["ListTagsForResource"] = DENIED

    class ListedFirst(Calls):
        """Workers that run the call that discovers after all others."""

        def __init__(self, clock: Clock) -> None:
            super().__init__(clock)
            self.last: list[Callable[[], Any]] = []

        def start(self, call: Callable[[], Any]) -> None:
            self.last.append(call)

        def wait(self, seconds: float) -> Any:
            if self.last:
                super().start(self.last.pop())
            return super().wait(seconds)

    for workers in (Calls(account.clock), ListedFirst(account.clock)):
        assert account.sites(workers=workers) == {"E1": ORIGIN}
        account.clock.now += 10


def test_that_a_list_is_read_is_no_progress_where_no_description_is() -> None:
    ids = ids_of(20)
    account = look({id_: of_buckets("origin") for id_ in ids}, distributions=(), discover=True)

    class OnlyDiscovery(Calls):
        """Workers whose calls never end, but for the first: the one that discovers."""

        begun = False

        def start(self, call: Callable[[], Any]) -> None:
            if not self.begun:
                super().start(call)
            self.begun = True

    found = account.find(workers=OnlyDiscovery(account.clock), asked=dict.fromkeys(ids, True))
    assert {type(found.unknown[id_]) for id_ in ids} == {UnavailableError}


def test_that_a_site_is_remembered_is_no_progress() -> None:
    ids = ids_of(20)
    account = look({id_: of_buckets("origin") for id_ in ids}, distributions=(ids[0],))
    account.sites()
    account.clock.now = 300.0
    account.double.undescribed = {"E0": DENIED}
    account.config = replace(account.config, distributions=tuple(ids))

    class OnlyTheKnown(Calls):
        """Workers whose calls never end, but for that about E0."""

        def start(self, call: Any) -> None:
            if call.args == ("E0",):
                super().start(call)

    found = account.find(workers=OnlyTheKnown(account.clock), asked={ids[0]: True})
    assert [one.id for one in found.known] == ["E0"]
    assert {type(error) for error in found.unknown.values()} == {UnavailableError}


def test_only_what_something_waits_for_is_described_where_nothing_is_new() -> None:
    configs = {id_: of_buckets("origin") for id_ in ("E1", "E2", "E3")}
    account = look(configs, distributions=(E1, E2, DistributionId("E3")))
    found = account.catalog.look_up(
        account.config, ["origin"], Calls(account.clock), 10.0, {E2: True, E1: False}, only_asked=True
    )
    assert [one.id for one in found.known] == ["E2"]
    assert account.read == ["GetDistributionConfig E2"]


def test_several_are_described_at_a_time() -> None:
    ids = ids_of(20)
    account = look({id_: of_buckets("origin") for id_ in ids}, distributions=tuple(ids))
    workers = Calls(account.clock)
    assert account.sites(workers=workers) == dict.fromkeys(ids, ORIGIN)
    assert workers.most == 8


def test_a_policy_is_read_once_for_all_and_those_of_aws_never() -> None:
    config = configuration(
        [with_oac("o", "origin.s3.amazonaws.com")], behavior("o"), behavior("o", "mine", PathPattern="*.jpg")
    )
    account = look({"E1": config, "E2": config}, distributions=(E1, E2))
    account.double.policies["mine"] = policy("all")
    assert account.sites()["E2"].behaviors[0] == Behavior("*.jpg", (Origin("origin"),), query_strings=True)
    assert [text for text in account.read if "Policy" in text] == ["GetCachePolicyConfig mine"]


def test_a_policy_is_read_again_in_time_and_stays_in_force_if_it_cannot_be() -> None:
    config = configuration([with_oac("o", "origin.s3.amazonaws.com")], behavior("o", "mine"))
    account = look({"E1": config}, ttl=300)
    account.double.policies["mine"] = policy("none")

    def after(seconds: int) -> tuple[bool, int, int]:
        """Return whether query strings matter, and the numbers of readings and of warnings."""
        account.clock.now += seconds
        varies = account.sites()["E1"].behaviors[0].query_strings
        return varies, len([text for text in account.read if "Policy" in text]), len(account.warnings)

    assert after(0) == (False, 1, 0)
    account.double.policies["mine"] = policy("all")
    assert after(300) == (True, 1, 0)
    account.double.unreadable["GetCachePolicyConfig"] = DENIED
    assert after(300) == (True, 1, 1)
    assert account.warnings[0].startswith("cache policy mine cannot be read; what was known of it stays in force: ")
    assert after(300) == (True, 1, 0)
    account.double.unreadable.clear()
    assert after(300) == (True, 1, 0)
    account.double.unreadable["GetCachePolicyConfig"] = DENIED
    assert after(300) == (True, 1, 1)


@pytest.mark.parametrize("fault", [DENIED, THROTTLED])
def test_what_rests_on_an_unread_policy_is_unknown_and_not_kept(fault: tuple[str, int]) -> None:
    config = configuration([with_oac("o", "origin.s3.amazonaws.com", "/prod")], behavior("o", "mine"))
    account = look({"E1": config, "E2": of_buckets("origin")}, distributions=(E1, E2))
    account.double.policies["mine"] = policy("all")
    account.double.unreadable["GetCachePolicyConfig"] = fault
    assert account.sites() == {"E2": ORIGIN}
    said = account.unknown["E1"]
    assert "distribution E1 cannot be described: cache policy mine cannot be read: " in said
    assert ("grant cloudfront:GetCachePolicyConfig on this cache policy" in said) == (fault == DENIED)
    assert ("or set DESCRIBE=off" in said) == (fault == DENIED)
    account.double.unreadable.clear()
    account.clock.now = 5
    (behavior_,) = account.sites()["E1"].behaviors
    assert behavior_.query_strings


@pytest.mark.parametrize("fault", [THROTTLED, ("InternalError", 500)])
def test_a_description_that_cannot_be_had_just_now_is_asked_for_again(fault: tuple[str, int]) -> None:
    account = look()
    account.double.unreadable["GetDistributionConfig"] = fault
    account.catalog._pause = lambda _: account.double.unreadable.clear()
    assert account.sites() == {"E1": ORIGIN}
    assert account.warnings == []


def test_a_description_that_comes_too_late_is_there_for_the_next_event() -> None:
    account = look()

    calls = []

    class Late(Stuck):
        def start(self, call: Callable[[], Answer]) -> None:
            calls.append(call)

    assert account.sites(workers=Late()) == {}
    calls[0]()
    assert account.sites(workers=Stuck()) == {"E1": ORIGIN}
    assert account.warnings == []


def test_a_description_that_comes_just_after_the_wait_is_used_and_kept() -> None:
    account = look()

    class JustLate:
        def start(self, call: Callable[[], Answer]) -> None:
            self.call = call

        def wait(self, _seconds: float) -> None:
            self.call()

    assert account.sites(workers=JustLate()) == {"E1": ORIGIN}
    assert account.warnings == []
    account.clock.now = 299
    assert account.sites(workers=Stuck()) == {"E1": ORIGIN}
    assert account.warnings == []


@pytest.mark.parametrize(
    "odd", [{"Origins": 1}, {"CacheBehaviors": {"Quantity": 1, "Items": [None]}}, {"DefaultRootObject": 1}]
)
def test_what_cannot_be_understood_concerns_one_distribution_only(odd: dict[str, Any]) -> None:
    account = look({"E1": of_buckets("origin"), "E2": of_buckets("origin") | odd}, distributions=(E1, E2))
    assert account.sites() == {"E1": ORIGIN}
    assert "CloudFront" in account.unknown["E2"]


def test_a_tenant_is_described_by_its_distribution_and_its_parameters() -> None:
    config = configuration([with_oac("o", "{{name}}.s3.amazonaws.com")], behavior("o"))
    account = look({"E1": config}, distributions=("dt_1",))
    account.double.tenants["dt_1"] = ("E1", {"name": "origin"})
    assert account.sites() == {"dt_1": ORIGIN}
    account = look(distributions=("dt_1",))
    account.double.tenants["dt_1"] = ("E1", {})
    assert account.sites() == {"dt_1": ORIGIN}


def test_a_declaration_holds_where_the_description_or_nobody_says_more() -> None:
    declared = {E1: Declared("hidden", "/prod")}
    hidden = Site((Behavior("*", (Origin("hidden", "/prod"),)),))
    config = configuration([custom("ap", "ap.example.com")], behavior("ap"))
    account = look({"E1": config}, declared=declared)
    assert account.sites() == {"E1": hidden}
    assert look(declared=declared, describe=False).sites() == {"E1": hidden}
    account = look(declared=declared)
    account.double.unreadable["GetDistributionConfig"] = DENIED
    assert account.sites() == {}


# --- discovery ------------------------------------------------------------------------------------------


def many(**configured: Any) -> Look:
    """A hundred distributions on pages of ten, of which two serve the bucket."""
    configs = {f"E{number:03}": of_buckets("other") for number in range(100)}
    configs |= {"E042": of_buckets("origin"), "E099": of_buckets("origin", "other")}
    account = look(configs, **({"distributions": (), "discover": True} | configured))
    account.double.page = 10
    return account


def test_all_pages_are_searched_for_the_distributions_of_the_bucket() -> None:
    account = many()
    assert set(account.sites()) == {"E042", "E099"}
    read = account.read
    assert len([text for text in read if text.startswith("ListDistributions ")]) == 10
    assert sorted(text for text in read if "Config" in text) == [
        "GetDistributionConfig E042",
        "GetDistributionConfig E099",
    ]
    account.clock.now = 299
    account.sites()
    assert account.read == []


def test_a_page_that_fails_is_read_again_and_not_the_pages_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    account, pages = many(), count(1)
    read = account.double.list_distributions

    def failing(**arguments: str) -> dict[str, Any]:
        if next(pages) % 3 == 0:
            raise client_error("ListDistributions", "InternalError", 500, "on demand")
        return read(**arguments)

    monkeypatch.setattr(account.double, "list_distributions", failing)
    assert set(account.sites()) == {"E042", "E099"}
    assert len([text for text in account.read if text.startswith("ListDistributions ")]) == 10


def test_each_bucket_of_an_event_is_looked_for() -> None:
    assert len(many().sites("origin", "other")) == 100
    assert many().sites("nobody") == {}


class Endless(StrictCloudFront):
    """One that has the same page after each page."""

    def list_distributions(self, *, Marker: str = "0") -> dict[str, Any]:  # noqa: ARG002, N803
        page: dict[str, Any] = super().list_distributions()["DistributionList"]
        return {"DistributionList": page | {"IsTruncated": True, "NextMarker": "again"}}

    def list_distribution_tenants(self, *, AssociationFilter: Any, **_: str) -> dict[str, Any]:  # noqa: N803
        return super().list_distribution_tenants(AssociationFilter=AssociationFilter) | {"NextMarker": "again"}


def test_pages_without_end_are_not_read_for_ever() -> None:
    account = CloudFront(Endless({"E1"}, tenants={"dt_1": ("E1", {})}))
    assert len(list(islice(account.summaries(), 10))) == 2
    assert len(list(islice(account.tenants(E1), 10))) == 2


def test_in_an_account_without_distributions_none_is_found() -> None:
    assert Look(StrictCloudFront(set()), distributions=(), discover=True).sites() == {}


def test_those_that_are_named_stay_beside_those_that_are_found() -> None:
    assert list(many(distributions=("E001", "E042")).sites()) == ["E001", "E042", "E099"]


def test_a_disabled_distribution_is_not_found() -> None:
    account = many()
    account.double.configs["E042"] |= {"Enabled": False}
    assert set(account.sites()) == {"E099"}


def test_to_find_nothing_is_worth_a_word() -> None:
    account = many(discover_tag="team")
    assert account.sites() == {}
    assert account.warnings == ["no distribution was found with an origin in bucket origin and the tag team"]
    account.sites("b", "c")
    assert [warning.split()[9] for warning in account.warnings] == ["b", "c"]
    account.sites("origin", "b", "c")
    assert account.warnings == []


def test_what_tenants_are_called_may_be_a_parameter() -> None:
    named = configuration([with_oac("o", "{{name}}-site.s3.amazonaws.com", "/{{path}}")], behavior("o"))
    parameter = {"Name": "path", "Definition": {"StringSchema": {"Required": False, "DefaultValue": "main"}}}
    named |= {"ConnectionMode": "tenant-only", "TenantConfig": {"ParameterDefinitions": [parameter]}}
    account = look({"E1": named}, distributions=(), discover=True)
    account.double.tenants = {"dt_1": ("E1", {"name": "acme"}), "dt_2": ("E1", {"name": "other", "path": "new"})}
    origins = {id_: site.behaviors[0].origins[0] for id_, site in account.sites("acme-site").items()}
    assert origins == {"dt_1": Origin("acme-site", "/main"), "dt_2": Origin("other-site", "/new")}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("team", {"E042", "E099"}),
        ("team=web", {"E042"}),
        ("team=a=b", {"E099"}),
        ("team=", set()),
        ("empty=", {"E042"}),
        ("other", set()),
        ("other=web", set()),
    ],
)
def test_a_tag_limits_what_is_found(tag: str, expected: set[str]) -> None:
    account = many(discover_tag=tag)
    account.double.tags = {"E042": {"team": "web", "empty": ""}, "E099": {"team": "a=b"}, "E001": {"team": "web"}}
    assert set(account.sites()) == expected
    assert len([text for text in account.read if text.startswith("ListTags")]) == 2
    account.clock.now = 299
    account.sites()
    assert account.read == []
    account.double.tags.clear()
    account.clock.now = 300
    assert account.sites() == {}


def test_tenants_replace_a_distribution_without_viewers_of_its_own() -> None:
    account = look({"E1": of_buckets("origin") | {"ConnectionMode": "tenant-only"}}, distributions=(), discover=True)
    account.double.tenants = {id_: ("E9" if id_ == "dt_9" else "E1", {}) for id_ in ("dt_0", "dt_1", "dt_2", "dt_9")}
    assert set(account.sites()) == {"dt_0", "dt_1", "dt_2"}
    assert account.has("dt_1")
    assert not account.has("dt_9")


@pytest.mark.parametrize("discover", [False, True])
def test_a_distribution_of_tenants_only_is_refused_by_its_own_id(discover: bool) -> None:
    configs = {"E1": of_buckets("origin") | {"ConnectionMode": "tenant-only"}, "E2": of_buckets("origin")}
    account = look(configs, distributions=(E1, E2, DistributionId("dt_1")), discover=discover)
    account.double.tenants = {"dt_1": ("E1", {})}
    assert set(account.sites()) == {"dt_1", "E2"}
    assert account.unknown == {
        "E1": "TenantsOnlyError: distribution E1 cannot be invalidated: it is multi-tenant and has no viewers of its"
        " own: give the ids of its tenants (dt_…), or 'discover', in its place"
    }


def test_the_tenants_of_each_distribution_are_listed_once_in_their_time() -> None:
    only_tenants = of_buckets("origin") | {"ConnectionMode": "tenant-only"}
    account = look(
        {"E1": only_tenants, "E2": only_tenants, "E3": of_buckets("origin")}, distributions=(), discover=True
    )
    account.double.tenants = {"dt_1": ("E1", {}), "dt_2": ("E2", {})}

    def found_after(seconds: int) -> tuple[set[str], list[str]]:
        account.clock.now += seconds
        return set(account.sites("origin", "other")), [text for text in account.read if "Tenants" in text]

    listings = ["ListDistributionTenants E1", "ListDistributionTenants E2"]
    assert found_after(0) == ({"dt_1", "dt_2", "E3"}, listings)
    assert account.has("dt_2")
    account.double.tenants = {"dt_1": ("E1", {}), "dt_3": ("E2", {})}
    assert found_after(299) == ({"dt_1", "dt_2", "E3"}, [])
    assert found_after(1) == ({"dt_1", "dt_3", "E3"}, listings)
    account.double.unreadable["ListDistributionTenants"] = DENIED
    account.clock.now += 300
    assert account.has("E3")
    assert account.read == ["ListDistributions 0"]


def test_a_tag_that_cannot_be_read_concerns_its_distribution_only() -> None:
    account = many(distributions=("E001",), discover_tag="team")
    account.double.tags = {"E042": {"team": "web"}, "E099": {"team": "web"}}
    account.double.untagged = {"E099": DENIED}
    found = account.find(asked={DistributionId("E099"): True})
    assert [one.id for one in found.known] == ["E001", "E042"]
    assert [*found.unknown] == ["E099"]
    assert "cloudfront:ListTagsForResource" in account.unknown["E099"]


def test_an_outage_that_comes_back_is_warned_of_again() -> None:
    account = look(ttl=0)
    warned = []
    for fault in (THROTTLED, None, THROTTLED):
        account.double.undescribed = {"E1": fault} if fault else {}
        account.catalog._known._cache._entries.clear()
        account.clock.now += 10
        account.sites()
        warned.append(len(account.warnings))
    assert warned == [1, 0, 1]


@pytest.mark.parametrize("operation", ["ListDistributions", "ListDistributionTenants"])
def test_without_discovery_the_listed_are_served_and_the_others_wait(operation: str) -> None:
    account = many(distributions=("E001",))
    account.double.configs["E042"] |= {"ConnectionMode": "tenant-only"}
    account.double.unreadable[operation] = DENIED
    found = account.find(asked={DistributionId("E042"): True, DistributionId("E001"): False})
    assert [one.id for one in found.known] == ["E001"]
    assert {*found.unknown} == {"discover", "E042"}
    assert f"cloudfront:{operation}" in account.unknown["discover"]
    (warning,) = account.warnings
    assert warning.startswith("distributions cannot be discovered: AccessDenied: ")
    assert found.strangers == set()
    with pytest.raises(
        ConfigurationError, match=f"DISTRIBUTION_IDS: distributions cannot be discovered: AccessDenied: .*{operation}"
    ):
        found.certain()
    assert account.pauses == []


def test_the_list_is_read_once_for_all_that_asks_for_it() -> None:
    account = many()
    asked = {DistributionId(f"E9{number}"): True for number in range(10, 20)}
    assert account.find(asked=asked).strangers == set(asked)
    assert len([text for text in account.read if text.startswith("ListDistributions ")]) == 10


def test_half_a_list_is_no_list() -> None:
    class Curt(StrictCloudFront):
        def list_distributions(self, *, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
            answer: dict[str, Any] = super().list_distributions(Marker=Marker)
            return {"DistributionList": answer["DistributionList"] | {"Items": []}}

        def list_distribution_tenants(self, **_: Any) -> dict[str, Any]:
            return {}

    account = Look(Curt({"E1"}), distributions=(), discover=True)
    assert account.sites() == {}
    assert "without DistributionList" in account.unknown["discover"]
    with pytest.raises(UnavailableError):
        list(CloudFront(Curt({"E1"})).tenants(E1))


@pytest.mark.parametrize("fault", [THROTTLED, ("InternalError", 500)])
def test_a_list_that_cannot_be_had_just_now_is_asked_for_again(fault: tuple[str, int]) -> None:
    account = many()
    account.double.unreadable["ListDistributions"] = fault
    account.catalog._pause = lambda _: account.double.unreadable.clear()
    assert set(account.sites()) == {"E042", "E099"}


@pytest.mark.parametrize(
    "operation",
    [
        *("GetCachePolicyConfig", "GetDistributionConfig", "GetDistributionTenant", "ListDistributions"),
        *("ListDistributionTenants", "ListTagsForResource"),
    ],
)
def test_whatever_cannot_be_read_just_now_is_asked_for_again(operation: str) -> None:
    config = configuration([with_oac("o", "origin.s3.amazonaws.com")], behavior("o", "mine"))
    account = look(
        {"E1": config | {"ConnectionMode": "tenant-only"}}, distributions=(), discover=True, discover_tag="team"
    )
    account.double.policies["mine"] = policy("all")
    account.double.tenants["dt_1"] = ("E1", {})
    account.double.tags["E1"] = {"team": "web"}
    account.double.unreadable[operation] = THROTTLED
    account.catalog._pause = lambda _: account.double.unreadable.clear()
    assert account.sites() == {"dt_1": Site((Behavior("*", (Origin("origin"),), query_strings=True),))}
    assert account.warnings == []


def test_after_the_third_time_it_is_given_up() -> None:
    account = many()
    account.double.unreadable["ListDistributions"] = THROTTLED
    assert account.sites() == {}
    assert account.unknown["discover"].startswith("ThrottledError: ")
    assert (account.pauses, account.read) == ([1.0, 3.0], ["ListDistributions 0"] * 3)


def test_discovered_distributions_stay_in_force_when_they_cannot_be_listed() -> None:
    account = many()
    account.sites()
    account.double.unreadable["ListDistributions"] = THROTTLED
    account.clock.now = 300
    assert set(account.sites()) == {"E042", "E099"}
    assert account.warnings == [
        "the list of distributions cannot be read; what was known of it stays in force: Throttling: on demand"
    ]


@pytest.mark.parametrize(("ttl", "patience"), [(300, 60), (10, 10)])
def test_a_list_that_cannot_be_read_is_asked_for_again_within_a_minute(ttl: int, patience: int) -> None:
    account = many(ttl=ttl)
    account.sites()
    account.double.unreadable["ListDistributions"] = DENIED
    listings = []
    for seconds in (ttl, patience - 1, 1):
        account.read.clear()
        account.clock.now += seconds
        account.sites()
        listings.append([text for text in account.read if text.startswith("ListDistributions ")])
    assert listings == [["ListDistributions 0"], [], ["ListDistributions 0"]]


def test_a_ticket_may_be_for_any_that_could_have_been_found() -> None:
    account = many()
    assert account.has("E000")
    assert not account.has("E100")
    account = many(discover_tag="team")
    account.double.tags["E000"] = {"team": "web"}
    assert account.has("E000")
    assert not account.has("E001")
    assert not look().has("E2")
