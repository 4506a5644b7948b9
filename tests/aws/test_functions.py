"""Functions that are invoked without waiting: what Lambda does not take is told."""

import json
from contextlib import closing

import pytest

from invalidator.aws.functions import Function
from invalidator.errors import StorageError
from tests.doubles.loopback import Quiet, serving


def send(text: str) -> None:
    """Send an event to a function, and leave no connection open."""
    function = Function.connect("f")
    with closing(function._client):
        function.send(text)


def test_an_event_is_handed_over_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, bytes]] = []

    class Lambda(Quiet):
        def do_POST(self) -> None:
            asked.append((self.path, self.headers["X-Amz-Invocation-Type"], self.body()))
            self.respond(202)

    with serving(Lambda) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        send(json.dumps({"a": 1}))
    assert asked == [("/2015-03-31/functions/f/invocations", "Event", b'{"a": 1}')]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (200, "", "f: the answer cannot be read.*the status 200"),
        (403, "AccessDeniedException", "grant lambda:InvokeFunction"),
        (404, "ResourceNotFoundException", "check the name"),
    ],
)
def test_what_lambda_does_not_take_is_told(monkeypatch: pytest.MonkeyPatch, status: int, code: str, words: str) -> None:
    class Lambda(Quiet):
        def do_POST(self) -> None:
            self.body()
            self.respond(status, json.dumps({"__type": code}).encode(), "application/json")

    with serving(Lambda) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        with pytest.raises(StorageError, match=words):
            send("{}")
