"""Mistakes of other tools, each as a story that must not happen here."""

from collections import deque

import pytest

from invalidator.aws.listings import Listings
from invalidator.errors import IncompleteError
from invalidator.handler import lambda_handler
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock, OnClock, hurried
from tests.doubles.cloudfront import DENIED, IN_PROGRESS, StrictCloudFront
from tests.doubles.codepipelines import StrictCodePipeline
from tests.doubles.strategies import Change
from tests.doubles.versioned_s3 import VersionedS3


def handle(*changes: Change) -> None:
    lambda_handler(make.s3(*changes), LocalContext())


def test_all_records_of_an_event_are_read(cloudfront: StrictCloudFront) -> None:
    handle(Change("a"), Change("b"), Change("c"))
    assert cloudfront.paths("E1") == ["/a", "/b", "/c"]


def test_the_second_upload_of_a_key_is_not_swallowed(cloudfront: StrictCloudFront) -> None:
    handle(Change("a", sequencer="01"))
    handle(Change("a", sequencer="02"))
    assert cloudfront.paths("E1") == ["/a", "/a"]


def test_an_event_that_is_delivered_again_is_not_billed_again(cloudfront: StrictCloudFront) -> None:
    event = make.sqs(make.s3(Change("a")), make.s3(Change("b")))
    for _ in range(3):
        lambda_handler(event, LocalContext())
    assert cloudfront.calls == 6
    assert cloudfront.paths("E1") == ["/a", "/b"]


def test_a_job_that_is_tried_again_is_not_billed_again(cloudfront: StrictCloudFront) -> None:
    pipeline = StrictCodePipeline(faults=deque([("ThrottlingException", 400)]))
    edge = Clients(pipeline=lambda: pipeline)
    cloudfront.looks_to_complete = 3
    answer = pipeline.run_to_the_end(lambda event: lambda_handler(event, LocalContext(), edge), {"wait": True})
    assert answer.is_success
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == ["/*"]


def test_one_object_is_not_one_call(cloudfront: StrictCloudFront) -> None:
    handle(*[Change(f"{number}.html") for number in range(500)])
    assert cloudfront.calls == 2


def test_a_message_is_not_deleted_after_a_failed_call(cloudfront: StrictCloudFront) -> None:
    cloudfront.broken = {"E1": IN_PROGRESS, "E2": IN_PROGRESS}
    answer = lambda_handler(make.sqs(make.s3(Change("a"))), *hurried())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_one_failing_distribution_does_not_stop_the_others(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E0MISSING E1 E2")
    cloudfront.broken["E1"] = DENIED
    with pytest.raises(IncompleteError) as caught:
        handle(Change("a"))
    # In the order of the answers.
    assert [line.split(": ")[:2] for line in sorted(str(caught.value).splitlines())] == [
        ["E0MISSING", "1 change not invalidated"],
        ["E1", "/a not invalidated"],
    ]
    assert cloudfront.paths("E2") == ["/a"]


def test_one_path_that_cloudfront_rejects_does_not_cost_the_others(cloudfront: StrictCloudFront) -> None:
    cloudfront.rejects = {"/b"}
    with pytest.raises(IncompleteError) as caught:
        handle(*map(Change, "abcdefgh"))
    assert [line.split(": ")[:3] for line in sorted(str(caught.value).splitlines())] == [
        ["E1", "/b not invalidated", "InvalidArgument"],
        ["E2", "/b not invalidated", "InvalidArgument"],
    ]
    assert sorted(cloudfront.paths("E1")) == sorted(cloudfront.paths("E2")) == [f"/{name}" for name in "acdefgh"]


def test_every_distribution_gets_its_own_paths_right(cloudfront: StrictCloudFront) -> None:
    handle(Change("a b/index.html"))
    expected = ["/a%20b/", "/a%20b/index.html", "/a+b/", "/a+b/index.html"]
    assert cloudfront.paths("E1") == cloudfront.paths("E2") == expected


def test_keys_are_not_sanitised_into_other_keys(cloudfront: StrictCloudFront) -> None:
    handle(Change("a//b"), Change("../c"), Change("d?v=1#x"), Change("e%20f"), Change("-~"))
    assert cloudfront.paths("E1") == ["/-%7E", "/../c", "/a//b", "/d%3Fv=1%23x", "/e%2520f"]


def test_an_object_called_asterisk_does_not_flush_the_site(cloudfront: StrictCloudFront) -> None:
    handle(Change("*"), Change("blog/*"))
    assert cloudfront.paths("E1") == ["/%2A", "/blog/%2A"]


def test_reindex_html_is_no_index_document(cloudfront: StrictCloudFront) -> None:
    handle(Change("reindex.html"))
    assert cloudfront.paths("E1") == ["/reindex.html"]


def test_an_index_document_clears_itself_and_its_directory(cloudfront: StrictCloudFront) -> None:
    handle(Change("dir/index.html"), Change("index.html"))
    assert cloudfront.paths("E1") == ["/", "/dir/", "/dir/index.html", "/index.html"]


@pytest.mark.parametrize(("most", "wildcards"), [(10_000, 0), (3_000, 15)])
def test_no_wildcard_is_more_than_a_distribution_takes_or_than_needed(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch, most: int, wildcards: int
) -> None:
    monkeypatch.setenv("MAX_PATHS", str(most))
    clock = Clock(900)  # on which a distribution completes 3,000 before it takes the next
    keys = [f"{letter}/{number}" for letter in "abcdefghij" for number in range(1_000)]
    bucket = VersionedS3({"origin": [], "other-origin": []})
    for key in [*keys, *(f"{key}.txt" for key in keys)]:
        bucket.write(key, b"")
    edge = Clients(workers=lambda: Calls(clock), listings=lambda: Listings(bucket, lambda: clock.now))
    lambda_handler(make.s3(*map(Change, keys)), OnClock(clock=clock), edge)
    sent = cloudfront.paths("E1")
    assert most - 10 < len(sent) <= most
    assert len([path for path in sent if path.endswith("*")]) <= wildcards


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
    ],
)
def test_deletes_are_invalidated(cloudfront: StrictCloudFront, name: str) -> None:
    handle(Change("a", name=name))
    assert cloudfront.paths("E1") == ["/a"]


@pytest.mark.parametrize("route", ["s3", "eventbridge", "cloudtrail"])
def test_an_object_that_becomes_private_is_invalidated(cloudfront: StrictCloudFront, route: str) -> None:
    lambda_handler(make.ROUTES[route](Change("a", name="ObjectAcl:Put")), LocalContext())
    assert cloudfront.paths("E1") == ["/a"]


def test_the_end_of_an_old_version_evicts_nothing(cloudfront: StrictCloudFront) -> None:
    handle(Change("a", name="LifecycleExpiration:Delete", version="3sL4kqtJlcpXroDTDmJ"))
    assert cloudfront.calls == 0
