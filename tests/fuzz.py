"""Try inputs at random for some minutes: whatever they are, there is no other error than the package's own.

    python -m tests.fuzz --seconds 300

What is found is shown as small as it can be made, and ends the run with status 1. The tests try a few inputs each.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from invalidator.codepipeline.requests import job_request, read_job
from invalidator.errors import InvalidatorError
from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.events.held import read_gathered, read_held
from invalidator.model import Distribution, DistributionId
from invalidator.operator.dead_letters import DeadLetter, contents_of
from invalidator.planning.planner import make_plan
from invalidator.settings import environment
from invalidator.urls import rules
from invalidator.urls.encoding import encode_once, encodings, is_path, why_rewritten
from invalidator.urls.viewers import View
from tests.cli.test_terminal import WRITERS, assert_data, shown
from tests.doubles import strategies as make
from tests.doubles.command import ROOT

Target = Callable[[Any], object]

_words = st.sampled_from(
    [*"{}[]()*+?|\\^$.#/,: \n\0", '"', "a", "0", "-1", "1e999", "null", "é", "\ud800", "\x1b[2J", "E1"]
)
_texts = st.text(max_size=40) | st.lists(_words, max_size=60).map("".join)
_deep = st.builds(
    lambda depth, pair: pair[0] * depth + pair[1] * depth, st.integers(0, 3_000), st.sampled_from(["[]", "()"])
)
_json = make.json_values | _deep


def _changed(document: Any) -> st.SearchStrategy[Any]:
    """Return documents such as this one, with something else in one or several places."""
    if isinstance(document, dict):
        fields = {name: _changed(value) for name, value in document.items()}
        return st.just(document) | st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(fields) | _json
    if isinstance(document, list):
        return st.just(document) | st.tuples(*map(_changed, document)).map(list) | st.lists(_json, max_size=3) | _json
    return st.just(document) | _json | _texts


_TICKET: Final[dict[str, Any]] = {
    "type": tickets.KIND,
    "distribution": "E1",
    "caller_reference": f"invalidator-{'0' * 32}",
    "attempts": 0,
    "apart": False,
    "since": "2026-11-20T09:30:12.345Z",
    "why": "Throttling",
    "items": [["/a", "object", "a"]],
    "repeat": True,
}
_HELD: Final[dict[str, Any]] = {
    "type": tickets.KIND,
    "version": 2,
    "distributions": ["E1"],
    "attempts": 0,
    "since": "",
    "why": "",
    "changes": [["origin", "a", "sequencer 1", "2026-11-20T09:30:12.345Z", ""]],
}
_GATHERED: Final[dict[str, Any]] = {
    "type": tickets.KIND,
    "version": 3,
    "since": 1.0,
    "going_on": 1.0,
    "changes": _HELD["changes"],
}
_RULE: Final = {"match": "^(.*)\\.html$", "also": ["/$1", "#tag:$1"], "instead": ["/en/$1/"], "whole_key": False}
_documents = st.one_of(*map(_changed, (_TICKET, _HELD, _GATHERED)))
_events = st.one_of(
    *(_changed(route(make.Change("a b/index.html"))) for route in make.ROUTES.values()),
    _documents.map(make.sqs),
    st.sampled_from([{"type": tickets.KIND}, _TICKET, _HELD, _GATHERED])
    .map(lambda ticket: ticket | make.s3(make.Change("a")))
    .flatmap(_changed),
    _changed(make.failed_invocation(make.s3(make.Change("a")))),
    _json,
)
_VARIABLES: Final = (
    *("DISTRIBUTION_IDS", "RULES", "INCLUDE", "EXCLUDE", "INDEX_DOCUMENT", "DIRECTORY_URLS", "MAX_PATHS", "GATHER"),
    *("DEPLOY_MARKER", "MONTHLY_BUDGET", "SETTINGS_TTL", "QUEUE_URL", "DEAD_LETTERS_URL", "SKIP_UNCHANGED", "STACK_ID"),
    *("ERROR_PAGES", "TILDES", "REPEAT_AFTER"),
)


@contextmanager
def raising_nothing() -> Iterator[None]:
    """Take even an error of the package's own for a fault."""
    try:
        yield
    except InvalidatorError as error:
        raise AssertionError(f"raised: {error!r}") from error


def serve_event(event: Any) -> None:
    """Decode an event, and plan what is in it for a distribution."""
    with raising_nothing():
        decoded = decode(event, "request")
    make_plan(decoded.changes, [Distribution(DistributionId("E1"))], View("index.html"), decoded.tickets)
    for refusal in decoded.refusals:
        assert len(refusal.reason) < 1_000
        assert refusal.reason.isprintable(), ascii(refusal.reason)


def read_letter(event: Any) -> None:
    """Read a dead letter, and what would be sent again of it."""
    body = event if isinstance(event, str) else json.dumps(event)
    letter = DeadLetter("m1", "r1", body, "2026-11-21T10:00:00Z", "")
    with raising_nothing():  # or one letter would keep dlq from all others
        contents = contents_of(letter, lambda _: [Distribution(DistributionId("E1"))], View("index.html"))
    for again in contents.bodies:
        assert not decode({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": again}]}).refusals


def read_ticket(document: Any) -> None:
    """Read tickets of all versions, and write those of batches again."""
    if isinstance(document, dict):
        for read in (lambda ticket: tickets.write(tickets.read(ticket)), read_held, read_gathered):
            with suppress(InvalidatorError):
                read(document)


def follow_rules(case: tuple[Any, str]) -> None:
    """Parse rules, and follow them for a key."""
    value, key = case
    text = value if isinstance(value, str) else json.dumps(value)
    for rule in rules.parse(text, "RULES"):
        followed = rules.follow(rule, key, cache_tags=True)
        assert followed is None or all(
            is_path(item) or item.startswith("#") for item in [*followed.also, *followed.instead]
        )


def load_settings(environ: dict[str, str]) -> None:
    """Load settings from an environment."""
    environment.load(environ)
    environment.offline(environ)


def encode(text: str) -> None:
    """Encode a key, and a path that a person has written."""
    why_rewritten(text)
    assert is_path(f"/{encode_once(text)}".rstrip("*")) or len(text) > 300 or "*" in text
    assert all(is_path(f"/{spelling}") for spelling in encodings(text))


def read_request(event: Any) -> None:
    """Read a job of CodePipeline, and its parameters."""
    text = event if isinstance(event, str) else json.dumps(event)
    with suppress(InvalidatorError):
        job_request(text)
    if isinstance(event, dict) and "CodePipeline.job" in event:
        read_job(event)


def print_text(case: tuple[str, str, int]) -> None:
    """Print a text in one of all ways, on a terminal of some width."""
    name, text, width = case
    assert_data(shown(lambda: WRITERS[name](text), width))


_JOB: Final = json.loads((ROOT / "events" / "codepipeline-job.json").read_text())
_keys = make.keys | st.text(max_size=1_024).filter(lambda key: len(key.encode(errors="replace")) <= 1_024)
TARGETS: Final[dict[str, tuple[st.SearchStrategy[Any], Target]]] = {
    "decode": (_events, serve_event),
    "dead letters": (_events | _texts, read_letter),
    "tickets": (_documents, read_ticket),
    "rules": (st.tuples(st.lists(_changed(_RULE), max_size=3) | _texts, _keys), follow_rules),
    "settings": (
        st.dictionaries(st.sampled_from(_VARIABLES), _texts | st.sampled_from(["E1", "on", "7"])),
        load_settings,
    ),
    "paths": (_keys, encode),
    "jobs": (_changed(_JOB) | _texts, read_request),
    "terminal": (st.tuples(st.sampled_from(sorted(WRITERS)), _texts, st.integers(1, 200)), print_text),
}


def attempt(target: Target, value: Any) -> None:
    """Try one input. Raises whatever is not the package's own error."""
    with suppress(InvalidatorError):
        target(value)


def try_some(name: str, examples: int) -> None:
    """Try so many inputs of a target. Raises what is found, with the smallest input that shows it."""
    strategy, target = TARGETS[name]
    phases = (Phase.generate, Phase.shrink)

    @settings(
        max_examples=examples, database=None, deadline=None, phases=phases, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def law(value: Any) -> None:
        attempt(target, value)

    law()


def main() -> int:
    """Try inputs of all targets in turn until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Try inputs at random.")
    parser.add_argument("--seconds", type=float, default=300.0)
    end, rounds, each = time.monotonic() + parser.parse_args().seconds, 0, 300
    for name in [name for name in os.environ if re.match("AWS_|DISTRIBUTION_|POWERTOOLS_", name)]:
        del os.environ[name]
    while time.monotonic() < end:
        for name in TARGETS:
            try_some(name, each)
        rounds += 1
        if sys.stderr.isatty():
            print(f"{rounds * each:,} inputs of each of {', '.join(TARGETS)}: nothing found", end="\r", file=sys.stderr)
    print(f"{rounds * each:,} inputs of each of {', '.join(TARGETS)}: nothing found.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
