"""Functions that are invoked without waiting: what Lambda does not take is told."""

import json

import pytest

from invalidator.aws.functions import Function
from invalidator.errors import StorageError
from tests.doubles.loopback import Quiet, answering, serving


def test_an_event_is_handed_over_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, bytes]] = []

    class Lambda(Quiet):
        def do_POST(self) -> None:
            asked.append((self.path, self.headers["X-Amz-Invocation-Type"], self.body()))
            self.respond(202)

    with serving(Lambda) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        Function.connect("f").send(json.dumps({"a": 1}))
    assert asked == [("/2015-03-31/functions/f/invocations", "Event", b'{"a": 1}')]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "f: the answer cannot be read.*the status 200"),
        (
            b"HTTP/1.1 403 Forbidden\r\nx-amzn-ErrorType: AccessDeniedException\r\nContent-Length: 2\r\n\r\n{}",
            "grant lambda:InvokeFunction",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\nx-amzn-ErrorType: ResourceNotFoundException\r\nContent-Length: 2\r\n\r\n{}",
            "check",
        ),
    ],
)
def test_what_lambda_does_not_take_is_told(monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str) -> None:
    with answering(answer) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(StorageError, match=words):
            Function.connect("f").send("{}")
