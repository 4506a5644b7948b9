"""Cold starts: a process that is slowed, hosts behind TLS, functions in turn, and what is told of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import __main__ as bench
from benchmarks import cold as measuring
from benchmarks import prices, report, targets
from benchmarks.cold import Account, Run, Taken, account, packagings, side_by_side, start
from benchmarks.figures import BY_MEMORY, DEPLOYED, FUNCTIONS, LISTED, MEMORY, Cold
from benchmarks.slowed import LOOK_SECONDS, PERIOD_SECONDS, Bandwidth, cpu_seconds, slowed
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.cloudfront_http import answering_as
from tests.doubles.https import in_place_of
from tests.doubles.lambda_runtime import needs_linux
from tests.doubles.loopback import Quiet
from tests.doubles.packaged import Packages
from tests.doubles.queues import Message, StrictQueues, answering_for

# --- a slowed process -----------------------------------------------------------------------------------


def looked_at(bandwidth: Bandwidth, begin: float, end: float, *, busy: bool = True) -> None:
    """Look at a process from begin to end that runs whenever it may, if it is busy, and else does nothing."""
    now, may_run = begin, bandwidth.allows(begin, bandwidth.used)
    while now < end:
        now += LOOK_SECONDS
        may_run = bandwidth.allows(now, bandwidth.used + LOOK_SECONDS * (busy and may_run))


@given(share=st.floats(0.01, 1))
def test_a_busy_process_gets_its_share_of_the_time(share: float) -> None:
    bandwidth = Bandwidth(share * PERIOD_SECONDS, 0.0, 0.0)
    looked_at(bandwidth, 0.0, 2.0)
    assert bandwidth.used == pytest.approx(share * 2.0, abs=share * PERIOD_SECONDS + 2 * LOOK_SECONDS)


def test_what_is_left_over_of_a_period_is_lost() -> None:
    bandwidth = Bandwidth(0.004, 0.0, 0.0)
    looked_at(bandwidth, 0.0, 1.0, busy=False)
    looked_at(bandwidth, 1.0, 1.0 + PERIOD_SECONDS / 2)
    assert bandwidth.used == pytest.approx(0.004, abs=2 * LOOK_SECONDS)


def test_what_was_taken_too_much_is_paid_back() -> None:
    bandwidth = Bandwidth(0.004, 0.0, 0.0)
    assert not bandwidth.allows(0.001, 0.017)
    assert not bandwidth.allows(3.9 * PERIOD_SECONDS, 0.017)
    assert bandwidth.allows(4.1 * PERIOD_SECONDS, 0.017)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that works in a thread, ends it, says how long all took, and is busy once its input is closed."""
    needs_linux()
    program = """if True:
        import sys, threading, time
        worker = threading.Thread(target=lambda: sum(range(1_000_000)))
        worker.start()
        worker.join()
        print(time.process_time(), flush=True)
        sys.stdin.read()
        while True: pass
    """
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        yield running
        running.kill()


def test_the_time_of_threads_that_have_ended_counts(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert float(process.stdout.readline()) < cpu_seconds(process.pid)


def test_a_process_is_stopped_and_not_left_so(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with slowed(process.pid, 0.01):
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
    _, status = os.waitpid(process.pid, os.WCONTINUED)
    assert os.WIFCONTINUED(status)
    assert os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG) == (0, 0)


# --- hosts behind TLS -----------------------------------------------------------------------------------

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/queue"


def test_hosts_answer_over_tls_and_keep_their_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double, queues, connections = StrictCloudFront({"E1"}), StrictQueues({QUEUE}), list[str]()

    class Counted(answering_as(double)):  # type: ignore[misc]  # its base is made of the double
        def setup(self) -> None:
            super().setup()
            connections.append(self.connection.version())

    hosts: dict[str, type[Quiet]] = {
        "cloudfront.amazonaws.com": Counted,
        "sqs.us-east-1.amazonaws.com": answering_for(queues),
    }
    with in_place_of(hosts, tmp_path) as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        cloudfront = boto3.client("cloudfront")
        assert cloudfront.list_distributions()["DistributionList"]["Items"][0]["Id"] == "E1"
        origins = cloudfront.get_distribution_config(Id="E1")["DistributionConfig"]["Origins"]["Items"]
        assert [origin["Id"] for origin in origins] == ["origin", "other-origin"]
        boto3.client("sqs").send_message_batch(
            QueueUrl=QUEUE, Entries=[{"Id": "0", "MessageBody": "told", "DelaySeconds": 0}]
        )
    assert connections == ["TLSv1.3"]
    assert queues.messages == [Message(QUEUE, "told", 0)]


# --- functions in turn ----------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Account]:
    with account() as found:
        yield found


def test_zips_are_measured_in_turn(packages: Packages, served: Account) -> None:
    archive, steps = packages["discover"].zips["invalidate"], list[tuple[int, int]]()
    found = packagings({"one": archive, "other": archive}, served, lambda *step: steps.append(step), runs=2)
    assert {name: len(runs) for name, runs in found.items()} == {"one": 2, "other": 2}
    assert steps == [(number, 4) for number in range(4)]
    for run in (*found["one"], *found["other"]):
        assert run.answered > run.init.seconds > 0
        assert run.cpu > run.first.cpu > 0
        assert run.peak == run.last_peak > 0
    assert set(served.cloudfront.paths("E1")) == {"/a.html"}


def test_a_function_that_does_not_invalidate_is_not_measured(served: Account, tmp_path: Path) -> None:
    idle = measuring._setups(tmp_path / "none.zip", tmp_path)[FUNCTIONS[-1]]
    (found,) = side_by_side({"idle": idle}, served, lambda *_: None, runs=1).values()
    assert len(found) == 1
    with pytest.raises(AssertionError, match="did not make the call"):
        side_by_side({"idle": idle._replace(calls=1)}, served, lambda *_: None)


@pytest.mark.parametrize("more", ["", 's3 = boto3.client("s3")\n'])
def test_the_plain_handler_is_python(more: str) -> None:
    compile(measuring.PLAIN_HANDLER.format(more=more), "plain.py", "exec")


# --- figures, prices and targets ------------------------------------------------------------------------


def run(init: float, first: float) -> Run:
    return Run(Taken(init, init), Taken(first, first / 4), Taken(0.1, 0.01), 40.0, 0.0)


def test_a_cold_start_is_init_and_the_first_event() -> None:
    found = start("ours", 256, [run(1.0, 2.0), run(2.0, 4.0)], [run(1.0, 1.0), run(1.0, 1.0)])
    assert found["answered"]["median"] == 4.5
    assert found["in_event"]["median"] == 0.3333
    ratios = [found["ratios"][name]["median"] for name in ("answered", "cpu", "second", "peak")]
    assert ratios == [2.25, 1.8, 1.0, 1.0]


def test_a_million_events_are_billed_by_memory_and_milliseconds() -> None:
    assert prices.usd_a_million(1024, 1000) == pytest.approx(13.3334 + 0.20)
    assert prices.usd_a_million(128, 1) == pytest.approx(0.0016666750 + 0.20)
    assert prices.share_of(1769) == 1


def test_init_is_billed_and_each_millisecond_that_has_begun() -> None:
    found = start("ours", 256, [run(0.2001, 0.3), run(0.2001, 0.3)], [run(1.0, 1.0), run(1.0, 1.0)])
    assert (prices.billed_cold(found), prices.billed_warm(found)) == (501, 100)


def test_each_target_of_cold_starts_is_shown_with_its_verdict(cold: Cold) -> None:
    found = list(targets.cold_targets(cold))
    assert [target.function for target in found] == [LISTED, *[DEPLOYED] * 3, *[LISTED] * 3]
    assert {target.verdict for target in found} == {"met", "missed", "met by the median only"}
    shown = report.cold_starts(cold).partition("### Targets")[2].partition("###")[0]
    for target, line in zip(found, [line for line in shown.splitlines() if line.startswith("| ")][2:], strict=True):
        assert line.startswith(f"| {target.name} | {target.function} | {target.most:.2f} | ")
        assert line.endswith(f" | {target.verdict} |")


@pytest.mark.parametrize(
    ("median", "p90", "told"), [(0.5, 0.6, "met"), (0.5, 0.61, "met by the median only"), (0.61, 0.7, "missed")]
)
def test_a_target_of_cold_starts_that_is_missed_is_told(median: float, p90: float, told: str) -> None:
    found = targets.ColdTarget("any", LISTED, 0.6, {"median": median, "p10": 0.4, "p90": p90})
    assert found.verdict == told


def test_all_functions_and_memories_are_shown(cold: Cold) -> None:
    told = report.cold_starts(cold)
    with_256, by_memory = told.partition("### By memory")[::2]
    for function in FUNCTIONS:
        assert f"\n| {function} | " in with_256
    for found in cold["starts"]:
        is_shown = f"\n| {found['function']} | {found['memory']} | " in by_memory
        assert is_shown == (found["function"] in BY_MEMORY)
    assert [found["memory"] for found in cold["starts"] if found["function"] == DEPLOYED] == [128, 192, MEMORY, 512]


@pytest.mark.parametrize(("got", "is_told"), [(1.04, False), (0.96, False), (1.06, True), (0.94, True)])
def test_a_share_that_is_wrong_is_told(cold: Cold, got: float, is_told: bool) -> None:
    loops: Any = deepcopy(cold["loops"])
    loops[-1]["got"] = loops[-1]["asked"] * got
    assert ("the machine was too busy" in report.cold_starts({**cold, "loops": loops})) == is_told


# --- python -m benchmarks cold --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["warm"], ["cold", "one.zip"], ["cold", "a=one.zip", "two.zip"]])
def test_other_arguments_are_refused_with_a_sentence(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_check_machine", lambda: None)
    with pytest.raises(SystemExit, match=r"the arguments are none, or: cold \[NAME=ZIP …\]"):
        bench.main(*arguments)
