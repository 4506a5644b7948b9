"""Metrics: what is printed is what CloudWatch takes, and says what happened."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from aws_lambda_powertools.metrics.provider import cold_start
from hypothesis import given
from hypothesis import strategies as st

from invalidator.aws.cloudfront import CloudFront
from invalidator.aws.listings import Listings
from invalidator.aws.queues import Queue
from invalidator.distributions.catalog import Catalog
from invalidator.errors import IncompleteError, JobError
from invalidator.handler import lambda_handler
from invalidator.model import Batch, Cause, DistributionId, Item, ObjectChange, ObjectKey, UrlPath, Wide
from invalidator.runtime.clients import Clients
from invalidator.runtime.log import logger
from invalidator.runtime.metrics import MAX_DISTRIBUTIONS, Document, Name, Tally, line_of
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock, OnClock
from tests.doubles.cloudfront import DENIED, THROTTLED, UNAVAILABLE, StrictCloudFront
from tests.doubles.cloudfront_http import serve
from tests.doubles.codepipelines import StrictCodePipeline
from tests.doubles.emf import metrics_of, problems
from tests.doubles.lambda_runtime import deployed
from tests.doubles.packaged import Packages
from tests.doubles.queues import StrictQueues
from tests.doubles.strategies import Change
from tests.doubles.uploads import uploads_event
from tests.doubles.versioned_s3 import VersionedS3
from tests.simulation.story import Story, Upload, viewed_at

UPLOADED = datetime(2026, 11, 20, 9, 30, 12, 345_000, UTC).timestamp()
"""When all objects of the test events were written."""
LATE = 7.5
QUEUE, DEAD_LETTERS = (f"https://sqs.eu-central-1.amazonaws.com/123456789012/{name}" for name in ("changes", "dead"))


@dataclass
class World:
    """A CloudFront, queues, and a function that is invoked some seconds after all uploads."""

    cloudfront: StrictCloudFront = field(default_factory=lambda: StrictCloudFront({"E1", "E2"}))
    queues: StrictQueues = field(default_factory=lambda: StrictQueues({QUEUE, DEAD_LETTERS}))
    jobs: StrictCodePipeline = field(default_factory=StrictCodePipeline)
    clock: Clock = field(default_factory=Clock)
    printed: list[str] = field(default_factory=list)

    def invoke(self, event: object, **others: Any) -> dict[str, Any]:
        cdn = CloudFront(self.cloudfront)
        edge = Clients(
            cloudfront=lambda: cdn,
            queue=partial(Queue, self.queues),
            workers=lambda: Calls(self.clock),
            catalog=lambda: Catalog(cdn, lambda: self.clock.now, lambda _: None),
            invalidation=cdn.invalidation,
            pipeline=lambda: self.jobs,
            now=lambda: UPLOADED + LATE + self.clock.now,
            monotonic=lambda: self.clock.now,
            publish=lambda documents, _: self.printed.extend(map(line_of, documents)),
        )
        return lambda_handler(event, OnClock(clock=self.clock), edge._replace(**others))

    def metrics(self) -> dict[tuple[str, ...], list[float]]:
        """The values by name and, behind it, distribution, if there is one. What is no document is found out."""
        found: dict[tuple[str, ...], list[float]] = {}
        for line in self.printed:
            document = json.loads(line)
            assert problems(document) == []
            for namespace, name, dimensions, values in metrics_of(document):
                assert (namespace, document["service"]) == ("invalidator", "invalidator")
                assert dimensions in {("service",), ("distribution", "service")}
                place = (document["distribution"],) if "distribution" in dimensions else ()
                found.setdefault((name, *place), []).extend(values)
        return found

    def sums(self) -> dict[tuple[str, ...], float]:
        return {place: sum(values) for place, values in self.metrics().items() if place[0] != "UploadToInvalidation"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2")
    return World()


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUE_URL", QUEUE)
    monkeypatch.setenv("DEAD_LETTERS_URL", DEAD_LETTERS)


# --- what an invocation tells ---------------------------------------------------------------------------


def test_an_upload_tells_what_it_took_and_how_old_it_had_become(world: World) -> None:
    world.invoke(make.s3(Change("blog/index.html")))
    assert world.metrics() == {
        ("RecordsReceived",): [1],
        ("Calls",): [2],
        ("EstimatedCostUSD",): [0.02],
        ("PathsInvalidated",): [2, 2],
        ("PathsInvalidated", "E1"): [2],
        ("PathsInvalidated", "E2"): [2],
        ("UploadToInvalidation",): [7_500, 7_500],
        ("UploadToInvalidation", "E1"): [7_500],
        ("UploadToInvalidation", "E2"): [7_500],
    }


def test_every_upload_has_its_age_on_every_distribution(world: World) -> None:
    world.invoke(uploads_event(1_000))
    ages = world.metrics()
    for place in [("UploadToInvalidation", "E1"), ("UploadToInvalidation", "E2")]:
        assert ages[place] == [7_500] * 1_000
    assert len(ages["UploadToInvalidation",]) == 2_000
    assert len(world.printed) == 1 + 2 * 10


def test_what_waited_for_room_is_as_old_as_it_has_become(
    world: World, queues: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_PATHS", "10000")
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1")
    world.invoke(uploads_event(4_000))
    plan = world.queues.messages
    world.queues.messages = []
    assert (len(plan), world.sums().get(("Tickets", "E1"))) == (2, None)  # stored before it is sent: no failure
    world.invoke(make.sqs(*(json.loads(message.body) for message in plan)))
    assert world.sums()["PathsInvalidated", "E1"] == 3_000
    assert world.sums()["Tickets", "E1"] == 1
    world.clock.now, world.clock.limit = 40.0, 160.0
    first = len(world.metrics()["UploadToInvalidation", "E1"])
    (message,) = world.queues.messages
    world.queues.messages = []
    world.invoke(make.sqs(json.loads(message.body)))
    later = world.metrics()["UploadToInvalidation", "E1"][first:]
    assert set(later) == {47_500}
    assert first + len(later) >= 4_000  # an object whose two paths were parted counts with each
    assert world.sums()["PathsInvalidated", "E1"] == 6_000


def test_what_is_ignored_is_told_whatever_the_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCLUDE", "secret/*")
    changes = [Change("a"), Change("secret/b"), Change("c", name="ObjectTagging:Put"), Change("d", bucket="foreign")]
    world.invoke(make.s3(*changes))
    assert world.sums()["RecordsReceived",] == 4
    assert world.sums()["RecordsIgnored",] == 3


def test_an_upload_that_changes_nothing_is_received_and_ignored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIP_UNCHANGED", "versions")
    s3, time = VersionedS3(), datetime(2026, 11, 20, 9, 30, 12, tzinfo=UTC)
    (*_, version) = [s3.write("a", b"same", time) for _ in range(2)]
    world.invoke(make.s3(Change("a", version=version)), listings=lambda: Listings(s3, lambda: 0.0, lambda: time))
    assert world.metrics() == {("RecordsReceived",): [1], ("RecordsIgnored",): [1]}


def test_what_is_not_zero_is_told_and_nothing_else(world: World) -> None:
    world.invoke(make.s3(Change("c", name="ObjectTagging:Put")))
    assert world.metrics() == {("RecordsReceived",): [1], ("RecordsIgnored",): [1]}


def test_calls_that_are_throttled_are_told_with_all_calls(world: World) -> None:
    world.cloudfront.faults.extend([THROTTLED, None, THROTTLED, UNAVAILABLE])
    world.invoke(make.s3(Change("a")))
    assert world.sums()["CallsThrottled",] == 2
    assert world.sums()["Calls",] == 2 + 3
    assert world.sums()["PathsInvalidated",] == 2


def test_a_refusal_counts_as_a_ticket_and_as_a_failure_in_the_end(world: World, queues: None) -> None:
    world.cloudfront.broken["E1"] = DENIED
    world.invoke(make.sqs(make.s3(Change("a"))))
    assert world.sums()["Tickets", "E1"] == 1
    assert ("Tickets", "E2") not in world.sums()
    assert ("Failures",) not in world.sums()
    for _ in range(4):
        world.invoke(make.sqs(json.loads(world.queues.messages[-1].body)))
    assert world.queues.messages[-1].url == DEAD_LETTERS
    assert world.sums()["Tickets", "E1"] == 4
    assert world.sums()["Failures", "E1"] == 1
    # Those were no records of S3.
    assert world.sums()["RecordsReceived",] == 1


def test_what_is_neither_done_nor_stored_or_is_refused_is_a_failure(world: World) -> None:
    world.cloudfront.broken["E2"] = DENIED
    event = make.s3(Change("a"), Change("b"))
    event["Records"][1]["s3"] = "nonsense"
    with pytest.raises(IncompleteError):
        world.invoke(event)
    assert world.sums()["Failures",] == 2
    assert world.sums()["Failures", "E2"] == 1
    assert world.sums()["RecordsReceived",] == 2


def a_job(**wish: Any) -> dict[str, Any]:
    job: dict[str, Any] = json.loads((Path(__file__).parents[2] / "events" / "codepipeline-job.json").read_text())
    configuration = job["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"]
    configuration["UserParameters"] = json.dumps(wish)
    return job


def test_a_job_tells_what_it_sent_and_names_no_distribution(world: World) -> None:
    world.invoke(a_job(objectPaths=["/a", "/b/*"], distributionId=["E1", "E2"]))
    sent = {("PathsInvalidated",): 4, ("Wildcards",): 2, ("Calls",): 2, ("EstimatedCostUSD",): 0.02}
    assert world.sums() == sent
    world.invoke(a_job(objectPaths=["no path"]))
    assert world.sums() == sent | {("Failures",): 1}


def test_a_job_that_cannot_be_answered_tells_what_it_sent(world: World) -> None:
    world.jobs.faults.append(("AccessDeniedException", 400))
    with pytest.raises(JobError):
        world.invoke(a_job(objectPaths=["/a"]))
    assert world.sums() == {("PathsInvalidated",): 2, ("Calls",): 2, ("EstimatedCostUSD",): 0.01}


@pytest.mark.parametrize(("number", "named"), [(MAX_DISTRIBUTIONS, True), (MAX_DISTRIBUTIONS + 1, False)])
def test_of_many_distributions_there_are_only_sums(monkeypatch: pytest.MonkeyPatch, number: int, named: bool) -> None:
    ids = [f"E{each}" for each in range(number)]
    monkeypatch.setenv("DISTRIBUTION_IDS", " ".join(ids))
    world = World(StrictCloudFront(set(ids)))
    world.invoke(make.s3(Change("a")))
    ages = world.metrics()["UploadToInvalidation",]
    assert (len(ages), ages[:10]) == (number, [7_500] * 10)
    assert world.sums()["PathsInvalidated",] == number
    assert {place[1] for place in world.metrics() if len(place) > 1} == set(ids if named else [])


def test_a_metric_that_cannot_be_told_keeps_nothing_from_being_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = StringIO()
    monkeypatch.setattr(logger.logger_handler, "stream", log)

    def publish(_documents: object, _context: object) -> None:
        raise OSError("no space left on device")

    cdn = CloudFront(world.cloudfront)
    edge = Clients(
        cloudfront=lambda: cdn, workers=lambda: Calls(world.clock), catalog=lambda: Catalog(cdn), publish=publish
    )
    answer = lambda_handler(make.sqs(make.s3(Change("a"))), OnClock(), edge)
    assert answer == {"batchItemFailures": []}
    assert "no space left on device" in log.getvalue()


# --- sums -----------------------------------------------------------------------------------------------

IDS = [DistributionId("E1"), DistributionId("E2"), DistributionId("dt_3")]
times = st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 1)).map(lambda time: f"{time.isoformat()}Z")  # noqa: DTZ001
wides = st.none() | st.builds(Wide, st.integers(1, 9), st.none() | st.integers(0, 9))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    paths = draw(st.lists(st.sampled_from(["/a", "/b", "/c", "/d*", "/*"]), min_size=1, unique=True))
    change = st.builds(ObjectChange, st.just("origin"), st.sampled_from([ObjectKey("a"), ObjectKey("b")]), times)
    changes = st.lists(st.builds(lambda made, time: made._replace(time=time), change, times), min_size=1, max_size=300)
    causes = changes.map(lambda found: tuple(Cause(made, "object") for made in found))
    items = tuple(Item(UrlPath(path), draw(causes), draw(wides)) for path in sorted(paths))
    return Batch(draw(st.sampled_from(IDS)), items, "invalidator-1")


def told(tally: Tally, *, by_distribution: bool) -> Iterator[Document]:
    for document in tally.documents(by_distribution=by_distribution):
        assert problems(json.loads(line_of(document))) == []
        yield document


@given(st.lists(batches(), max_size=4), st.booleans())
def test_nothing_is_lost_or_doubled_on_the_way_into_documents(accepted: list[Batch], by_distribution: bool) -> None:
    tally, now = Tally(), datetime(2026, 12, 2, tzinfo=UTC).timestamp()
    for batch in accepted:
        tally.accept(batch, now)
    sums, ages = Counter[str](), Counter[DistributionId | None]()
    for document in told(tally, by_distribution=by_distribution):
        ages[document.distribution] += len(document.values.pop("UploadToInvalidation", []))
        sums.update({name: sum(values) for name, values in document.values.items()})
    costs = [batch.cost for batch in accepted]
    assert sums["PathsInvalidated"] == sum(cost.paths for cost in costs)
    assert sums["EstimatedCostUSD"] == pytest.approx(sums["PathsInvalidated"] * 0.005)
    assert sums["Wildcards"] == sum(cost.wildcards for cost in costs)
    wide = [item.wide for batch in accepted for item in batch.items if item.wide]
    assert sums["EvictedNeighbours"] == sum(each.evicted or 0 for each in wide)
    changed = {
        (batch.distribution, cause.source.identity, cause.source.key)
        for batch in accepted
        for item in batch.items
        for cause in item.causes
    }
    assert ages.total() == len(changed)
    if by_distribution:
        assert ages == Counter(id_ for id_, _, _ in changed)


def test_a_change_in_several_batches_is_as_old_as_at_the_last_of_them() -> None:
    tally, change = Tally(), ObjectChange("origin", ObjectKey("a"), "1", time="2026-11-20T09:30:12.345Z")
    for seconds, path in ((1, "/a"), (3, "/b")):
        item = Item(UrlPath(path), (Cause(change, "object"),))
        tally.accept(Batch(IDS[0], (item,), "r"), UPLOADED + seconds)
    ages = [document.values.get("UploadToInvalidation") for document in told(tally, by_distribution=True)]
    assert ages == [None, [3_000]]


FIRST, LAST = "0001-01-01T00:00:00", "9999-12-31T23:59:59"
extremes = st.sampled_from([FIRST, LAST, f"{FIRST}+23:59", f"{LAST}-23:59", "2026-W47", "", 1_000_000 * "2"])


@given(st.text() | times | extremes)
def test_whatever_the_time_of_a_change_is_its_age_is_a_number_or_not_told(time: str) -> None:
    tally, change = Tally(), ObjectChange("origin", ObjectKey("a"), "1", time=time)
    tally.accept(Batch(IDS[0], (Item(UrlPath("/a"), (Cause(change, "object"),)),), "r"), UPLOADED)
    for document in told(tally, by_distribution=True):
        assert min(document.values.get("UploadToInvalidation", [0])) >= 0


@pytest.mark.parametrize(
    ("time", "age"),
    [
        ("2026-11-20T09:30:12.345Z", [1_500]),
        ("2026-11-20T09:30:13Z", [845]),
        ("2026-11-20T10:30:12.345+01:00", [1_500]),
        ("2026-11-20T09:30:12.345", [1_500]),
        ("2026-11-20T09:31:00Z", [0]),  # of two clocks, one is fast
        ("2026-11-06T09:30:13.846Z", [14 * 24 * 60 * 60 * 1_000 - 1]),
        ("2026-11-06T09:30:13Z", None),  # no message is as old: it is forged, or was sent again by hand
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_age_of_a_change_is_counted_from_its_event_time(time: str, age: list[int] | None) -> None:
    tally, change = Tally(), ObjectChange("origin", ObjectKey("a"), "1", time=time)
    tally.accept(Batch(IDS[0], (Item(UrlPath("/a"), (Cause(change, "object"),)),), "r"), UPLOADED + 1.5)
    (document,) = [each for each in told(tally, by_distribution=True) if each.distribution]
    assert document.values.get("UploadToInvalidation") == age


def test_a_call_takes_as_long_where_it_is_counted() -> None:
    cdn = CloudFront(StrictCloudFront({"E1"}))
    assert Tally().counting(cdn).longest_call == cdn.longest_call > 0


def test_money_is_not_counted_and_time_is_in_milliseconds() -> None:
    directive = json.loads(line_of(Document(None, {name: [1] for name in get_args(Name)})))["_aws"]["CloudWatchMetrics"]
    units = {metric["Name"]: metric["Unit"] for metric in directive[0]["Metrics"]}
    others = {"EstimatedCostUSD": "None", "UploadToInvalidation": "Milliseconds"}
    others |= dict.fromkeys(["SecondsHeld", "SecondsRefused", "NotCaughtUp"], "Seconds") | {"BudgetUsed": "Percent"}
    assert units == dict.fromkeys(get_args(Name), "Count") | others


def _with(document: dict[str, Any], directive: dict[str, Any]) -> dict[str, Any]:
    return document | {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}}


def test_what_is_no_document_would_be_noticed() -> None:
    good = json.loads(line_of(Document(IDS[0], {"PathsInvalidated": [1], "UploadToInvalidation": [1, 2]})))
    assert problems(good) == []
    directive = good["_aws"]["CloudWatchMetrics"][0]
    for bad in (
        good | {"UploadToInvalidation": [1] * 101},
        good | {"PathsInvalidated": "1"},
        good | {"distribution": ""},
        good | {"_aws": {"Timestamp": 1.5, "CloudWatchMetrics": [directive]}},
        _with(good, directive | {"Dimensions": []}),
        _with(good, directive | {"Metrics": [{"Name": "PathsInvalidated", "Unit": "paths"}]}),
    ):
        assert problems(bad)


# --- in Lambda ------------------------------------------------------------------------------------------


def test_in_lambda_the_metrics_are_in_the_log_with_one_of_the_cold_start(packages: Packages, tmp_path: Path) -> None:
    environ = {"DISTRIBUTION_IDS": "E1", "POWERTOOLS_SERVICE_NAME": "my-site", "POWERTOOLS_METRICS_NAMESPACE": "Sites"}
    directive = '{"Namespace":"evil","Dimensions":[[]],"Metrics":[{"Name":"a"}]}'
    hostile = f'\n{{"_aws":{{"Timestamp":1,"CloudWatchMetrics":[{directive}]}},"a":1}}\n'
    with serve(StrictCloudFront({"E1"})) as endpoint:
        archive, name = packages["queue"].zips["invalidate"], "invalidator.handler.lambda_handler"
        with deployed(archive, tmp_path, name, environ | {"AWS_ENDPOINT_URL": endpoint}) as function:
            for key in ("a", hostile):
                assert not function.invoke(make.s3(Change(key))).failed
            documents = function.metrics()
    assert [problem for document in documents for problem in problems(document)] == []
    assert {document["service"] for document in documents} == {"my-site"}
    found = [metric for document in documents for metric in metrics_of(document)]
    assert {namespace for namespace, *_ in found} == {"Sites"}
    starts = [(dimensions, values) for _, name, dimensions, values in found if name == "ColdStart"]
    assert starts == [(("function_name", "service"), [1])]
    assert [values for _, name, dimensions, values in found if (name, len(dimensions)) == ("RecordsReceived", 1)] == [
        [1],
        [1],
    ]


def test_metrics_can_be_turned_off(packages: Packages, tmp_path: Path) -> None:
    environ = {"DISTRIBUTION_IDS": "E1", "POWERTOOLS_METRICS_DISABLED": "True"}
    with serve(StrictCloudFront({"E1"})) as endpoint:
        archive, name = packages["queue"].zips["invalidate"], "invalidator.handler.lambda_handler"
        with deployed(archive, tmp_path, name, environ | {"AWS_ENDPOINT_URL": endpoint}) as function:
            assert not function.invoke(make.s3(Change("a"))).failed
            assert function.metrics() == []
            assert function.logged()


def test_outside_of_lambda_no_metrics_are_printed(
    cloudfront: StrictCloudFront, capsys: pytest.CaptureFixture[str]
) -> None:
    started = cold_start.is_cold_start
    lambda_handler(make.s3(Change("a")))
    assert cloudfront.calls == 2
    assert "_aws" not in capsys.readouterr().out
    assert cold_start.is_cold_start == started


# --- in the simulated AWS -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_goes_wrong_the_metrics_say_what_the_world_saw(seed: int) -> None:
    uploads = [Upload(number / 20, f"site/{number}/index.html") for number in range(200)]
    story = Story(seed, calm=True, uploads=uploads, distributions=2)
    report = story.play()
    sums, ages = Counter[str](), Counter[tuple[str, int]]()
    for _, document in story.metrics:
        ages.update((str(document.distribution), round(age)) for age in document.values.pop("UploadToInvalidation", []))
        sums.update({name: sum(values) for name, values in document.values.items()})
    assert sums["RecordsReceived"] == len(uploads)
    assert sums["PathsInvalidated"] == report.billed
    assert sums["EstimatedCostUSD"] == pytest.approx(report.billed * 0.005)
    assert sums["Calls"] == report.answers.total()
    assert sums["CallsThrottled"] == report.answers["Throttling"]
    accepted_at = story.cloudfront.accepted_at
    seen = [
        (id_, round(1_000 * (max(accepted_at[id_, path] for path in viewed_at(upload.key)) - upload.at)))
        for id_ in story.distributions
        for upload in uploads
    ]
    # CloudFront accepts a call a little before its answer is there.
    for (told_of, age), (really_of, really) in zip(sorted(ages.elements()), sorted(seen), strict=True):
        assert told_of == really_of
        assert 0 <= age - really <= 500
