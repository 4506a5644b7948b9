"""Laws of the start of a process: the first event finds everything ready, and nothing is kept that failed."""

import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from invalidator.aws.cloudfront import CloudFront
from invalidator.distributions.catalog import Catalog
from invalidator.errors import ConfigurationError
from invalidator.handler import lambda_handler
from invalidator.runtime.clients import Clients
from invalidator.runtime.start import LONGEST, get_ready
from invalidator.settings import environment
from tests.doubles import strategies as make
from tests.doubles.clock import Calls, Clock, OnClock, on
from tests.doubles.cloudfront import DENIED, UNAVAILABLE, StrictCloudFront
from tests.doubles.configurations import of_buckets
from tests.doubles.stored import put_secret
from tests.doubles.strategies import Change

ROOT = Path(__file__).parents[2]
EVENT = make.sqs(make.s3(Change("a.html")))


class Process:
    """A process on a clock, with an account of its own. Each description takes some seconds."""

    def __init__(self, *ids: str, seconds: float = 0.0) -> None:
        self.double, self.clock = StrictCloudFront(set(ids or ("E1", "E2"))), Clock()
        catalog = Catalog(CloudFront(self.double), lambda: self.clock.now, self.pause)
        self.clients: Clients = on(
            self.clock,
            catalog=lambda: catalog,
            cloudfront=lambda: CloudFront(self.double),
            workers=lambda: Calls(self.clock, describing=seconds),
        )

    def pause(self, seconds: float) -> None:
        self.clock.now += seconds

    def start(self, *, serves_jobs: bool = False) -> None:
        get_ready(self.clients, serves_jobs=serves_jobs)

    def read(self) -> list[str]:
        """Return what was read of each distribution since the last time."""
        read, self.double.read = self.double.read, []
        return [f"{operation} {id_}" for operation, id_ in sorted(read)]

    def serve(self) -> Any:
        return lambda_handler(EVENT, OnClock(clock=self.clock), self.clients)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2")
    return Process()


def test_the_first_event_reads_nothing_any_more(process: Process) -> None:
    process.start()
    assert process.read() == ["GetDistributionConfig E1", "GetDistributionConfig E2"]
    assert process.serve() == {"batchItemFailures": []}
    assert process.read() == []
    assert process.double.paths("E1") == process.double.paths("E2") == ["/a.html"]


def test_what_serves_the_bucket_is_discovered_before_an_event_names_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover")
    monkeypatch.setenv("DISCOVER_BUCKET", "origin")
    process.double.configs["E2"] = of_buckets("another")
    process.start()
    assert process.read() == ["GetDistributionConfig E1", "ListDistributions 0"]
    assert process.serve() == {"batchItemFailures": []}
    assert process.read() == []
    assert (process.double.paths("E1"), process.double.paths("E2")) == (["/a.html"], [])


def test_where_the_bucket_is_not_known_what_is_listed_is_described(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "discover,E1")
    process.start()
    assert process.read() == ["GetDistributionConfig E1"]


def test_what_failed_is_asked_for_again_at_once_and_nothing_is_said_of_it(process: Process, log: StringIO) -> None:
    process.double.undescribed["E1"] = DENIED
    process.start()
    assert "not ready before the first event" in log.getvalue()
    process.double.undescribed.clear()
    process.read()
    log.truncate(0)
    assert process.serve() == {"batchItemFailures": []}
    assert process.read() == ["GetDistributionConfig E1"]  # E2 is known
    assert process.double.paths("E1") == process.double.paths("E2") == ["/a.html"]
    assert "WARNING" not in log.getvalue()


def test_nothing_is_guessed_where_no_description_could_be_had(process: Process) -> None:
    process.double.undescribed["E1"] = UNAVAILABLE
    process.start()
    assert process.serve() == {"batchItemFailures": [{"itemIdentifier": EVENT["Records"][0]["messageId"]}]}
    assert (process.double.paths("E1"), process.double.paths("E2")) == ([], ["/a.html"])


def test_what_fails_after_the_start_is_over_is_none_of_the_events_business(process: Process, log: StringIO) -> None:
    catalog = process.clients.catalog()
    process.double.undescribed["E1"] = UNAVAILABLE
    process.start()
    assert catalog.warnings() == []
    process.double.undescribed.clear()
    process.read()
    assert process.serve() == {"batchItemFailures": []}
    assert process.read() == ["GetDistributionConfig E1"]
    assert "WARNING" not in log.getvalue()


def test_where_nothing_is_kept_nothing_is_described(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTINGS_TTL", "0")
    process.start()
    assert process.read() == []


def test_nobody_is_asked_when_the_time_is_nearly_over(process: Process) -> None:
    catalog = process.clients.catalog()

    def late() -> Catalog:
        process.clock.now = LONGEST - 0.5
        return catalog

    process.clients = process.clients._replace(catalog=late)
    process.start()
    assert process.read() == []


@pytest.mark.parametrize("seconds", [3.0, 4.99, 1e6])
def test_a_description_that_hangs_is_left_after_five_seconds(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2")
    process = Process(seconds=seconds)
    process.start()
    assert process.clock.now <= LONGEST


def test_a_hundred_distributions_are_described_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"E{number}" for number in range(100)]
    monkeypatch.setenv("DISTRIBUTION_IDS", ",".join(ids))
    process = Process(*ids, seconds=0.05)
    process.start()
    assert process.clock.now <= 2
    assert len(process.read()) == 100
    found = process.clients.catalog().look_up(environment.load(), {"origin"}, Calls(process.clock), 1.0)
    assert process.read() == []
    assert len({id(distribution.site) for distribution in found.known}) == 1  # those that are alike are kept once


def test_secrets_are_read_before_the_first_event(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTRIBUTION_IDS")
    monkeypatch.setenv("DISTRIBUTION_IDS_SECRET", "cdn")
    with mock_aws():
        put_secret("E1ABCDEFGH")
        process.start()
    assert environment.load().distributions == ("E1ABCDEFGH",)  # nobody would answer any more


@pytest.mark.parametrize("name", ["DISTRIBUTION_IDS", "QUEUE_URL"])
def test_wrong_settings_are_told_by_the_event_and_stop_no_start(
    process: Process, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "https://nonsense")
    process.start()
    assert process.read() == []
    with pytest.raises(ConfigurationError, match=name):
        process.serve()


def test_the_queue_is_connected_before_the_first_event(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/111122223333/own"
    monkeypatch.setenv("QUEUE_URL", url)
    connected: list[str] = []
    process.clients = process.clients._replace(queue=connected.append)  # type: ignore[arg-type]
    process.start()
    assert connected == [url]


def test_a_function_that_serves_jobs_describes_nothing(process: Process) -> None:
    connected: list[str] = []
    process.clients = process.clients._replace(pipeline=lambda: connected.append("pipeline"))
    process.start(serves_jobs=True)
    assert (process.read(), connected) == ([], ["pipeline"])


def test_outside_of_lambda_an_import_does_nothing(cloudfront: StrictCloudFront) -> None:
    program = "import sys, invalidator.handler; sys.exit('invalidator.runtime.start' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
    assert cloudfront.read == []


def test_the_collector_leaves_alone_what_was_imported(cloudfront: StrictCloudFront) -> None:
    program = "import gc; from invalidator.runtime.start import begin; begin(); print(gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10_000
    assert sorted(cloudfront.read) == [("GetDistributionConfig", "E1"), ("GetDistributionConfig", "E2")]
