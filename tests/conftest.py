"""A machine without AWS: tests see no credentials, settings or connections of the person who runs them."""

import gc
import os
import re
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import boto3
import hypothesis
import pytest

from invalidator.runtime import clients
from invalidator.runtime.log import logger
from invalidator.settings import stored
from invalidator.settings.adopted import VARIABLES
from invalidator.settings.environment import GONE
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.cloudfront_http import serve
from tests.doubles.packaged import Packages
from tests.doubles.shared_sdk import share_between_sessions

# Without a deadline, because the machines of a CI are shared. The benchmarks measure speed.
for _profile, _examples in {"quick": 10, "test": 30, "long": 100}.items():
    hypothesis.settings.register_profile(_profile, deadline=None, max_examples=_examples)
hypothesis.settings.load_profile("test")

# Hundreds of processes start here, each in half the time if it need not compile what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Hundreds of tests make a session of the SDK, and it prepares the same things anew for each.
share_between_sessions()

SETTINGS = {*VARIABLES, *GONE, "INVALIDATOR_STACK", "LOG_LEVEL"}

# These start processes or servers, package, or try many cases.
SLOW = re.compile(
    r"tests/(benchmarks|cli|codepipeline|deploy|distributions|laws|local|notifications|simulation)/"
    r"|tests/(aws/test_(listings|spending)|runtime/test_cold_start|test_custom_resource|urls/test_edge_caches)"
    r"|tests/operator/test_(dead_letters|doctor|edge|objects|plot)|tests/planning/test_(knapsack|cover|coalesce)"
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave what make quick would leave out unread: to import it takes longer than many tests."""
    is_slow = SLOW.match(f"{collection_path.relative_to(config.rootpath).as_posix()}/")
    return True if config.getoption("markexpr") == "not slow" and is_slow else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that make quick leaves out."""
    for item in items:
        if SLOW.match(item.nodeid) or "packages" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through all tests again and again."""
    gc.freeze()


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the variables of the machine from a test, and the test's connections and secrets from the next one."""
    for name in os.environ:
        if (
            name.startswith(("AWS_", "DISTRIBUTION_ID", "POWERTOOLS_", "PYTHONUNBUFFERED"))
            or name in SETTINGS
            or name.lower().endswith("_proxy")
        ):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    logger.setLevel("INFO")
    yield
    clients.forget()
    stored.forget_stored()
    boto3.DEFAULT_SESSION = None


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Return a package for each trigger. Each is made once for all tests, when it is first asked for."""
    folder = tmp_path_factory.getbasetemp()
    # Each worker of a parallel run has a folder of its own in a common one.
    return Packages(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run moto for all tests of a module, since it takes half a second to stop."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 most tests need none

    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@pytest.fixture
def cloudfront(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictCloudFront]:
    """Serve the strict CloudFront, with distributions E1 and E2, for which the function is set up."""
    double = StrictCloudFront({"E1", "E2"})
    with serve(double) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("DISTRIBUTION_IDS", "E1,E2")
        yield double


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Return what the function logs."""
    stream = StringIO()
    monkeypatch.setattr(logger.logger_handler, "stream", stream)
    return stream
