"""A cold start pays for nothing that its first event does not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles import strategies as make
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.strategies import Change
from tests.doubles.uploads import uploads_event
from tests.laws.imports import FILES
from tests.test_handler import QUEUE

ROOT = Path(__file__).parents[2]

# Reads an event, handles it, and says which modules were imported before, and in which of these something was called.
FIRST_EVENT = """
import json, sys, threading
from invalidator.handler import lambda_handler

imported, called = set(sys.modules), set()

def note(frame, event, _argument):
    if event == "call":
        called.add(frame.f_globals.get("__name__"))

event = json.load(sys.stdin)
threading.setprofile(note)
sys.setprofile(note)
lambda_handler(event)
sys.setprofile(None)
print(json.dumps({"imported": sorted(imported), "called": sorted(filter(None, called)), "all": sorted(sys.modules)}))
"""

# They hold names, and nothing to call.
NAMES = {"invalidator", "invalidator.errors", "invalidator.limits", "invalidator.runtime.log"} | {
    f"invalidator.{name}" for name in FILES if FILES[name].name == "__init__.py"
}


def first_event(event: object) -> dict[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_EVENT],
        input=json.dumps(event),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name: set(found) for name, found in json.loads(done.stdout.splitlines()[-1]).items()}


def ours(modules: set[str]) -> set[str]:
    return {module for module in modules if module.partition(".")[0] == "invalidator"}


def test_what_the_handler_imports_of_ours_the_first_event_uses(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", QUEUE)
    monkeypatch.setenv("GATHER", "300")
    found = first_event(make.sqs(make.s3(Change("blog/index.html"))))
    assert cloudfront.calls == 2
    assert ours(found["imported"]) - found["called"] - NAMES == set()
    assert ours(found["all"]) == ours(found["imported"])


def test_what_an_event_needs_beyond_that_is_imported_when_it_needs_it(
    cloudfront: StrictCloudFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_PATHS", "10")
    found = first_event(uploads_event(50))
    assert cloudfront.calls == 2
    later = {
        *(f"invalidator.aws.{name}" for name in ("advice", "listings", "unanswered", "versions")),
        "invalidator.wording",  # in what a listing says that stops
        *(f"invalidator.planning.{name}" for name in ("beam", "cover", "knapsack", "relaxation", "tables", "tree")),
    }
    assert ours(found["all"]) - ours(found["imported"]) == later


@pytest.mark.parametrize("module", ["aws_xray_sdk", "typer", "rich", "moto", "matplotlib"])
def test_what_belongs_elsewhere_is_never_imported(cloudfront: StrictCloudFront, module: str) -> None:
    assert module not in first_event(make.sqs(make.s3(Change("a"))))["all"]
