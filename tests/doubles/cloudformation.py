"""A stack that waits for the answers of its custom resource."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.loopback import Quiet, serving

QUEUE = "arn:aws:sqs:us-east-1:111122223333:invalidator-dev-Queue"
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:invalidator-dev-invalidate"
PROPERTIES = {"ServiceToken": "arn", "Bucket": "origin", "EntryId": "invalidator-dev", "Target": QUEUE}


@dataclass(frozen=True)
class Context:
    """The context of an invocation whose remaining time never changes."""

    seconds: float = 300.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class CloudFormation:
    """A stack that sends requests. The next answers meet the HTTP statuses in ``refusals`` (0: nonsense)."""

    invoke: Callable[[dict[str, Any]], object]
    url: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    refusals: deque[int] = field(default_factory=deque)

    def ask(self, kind: str, resource: str | None = None, **properties: str) -> dict[str, Any]:
        """Send a request and return the answer of the function."""
        event = {
            "RequestType": kind,
            "ResponseURL": self.url,
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/invalidator-dev/1",
            "RequestId": "7",
            "LogicalResourceId": "Connection",
            "ResourceType": "Custom::BucketNotification",
            "ResourceProperties": {k: v for k, v in (PROPERTIES | properties).items() if v},
        }
        self.invoke(event | ({"PhysicalResourceId": resource} if resource else {}))
        return self.answers.pop()


@contextmanager
def waiting_stack(invoke: Callable[[dict[str, Any]], object]) -> Iterator[CloudFormation]:
    """Serve a stack that waits for answers over HTTP."""
    stack = CloudFormation(invoke)

    class Handler(Quiet):
        def do_PUT(self) -> None:
            body = self.body()
            assert len(body) <= 4096
            status = stack.refusals.popleft() if stack.refusals else 200
            if status == 200:
                stack.answers.append(json.loads(body))
                stack.content_types.append(self.headers["Content-Type"])
            if status == 0:
                self.wfile.write(b"nonsense\r\n\r\n")
                return
            self.respond(status)

    with serving(Handler) as address:
        stack.url = f"http://{address}/answer?X-Amz-Signature=secret"
        yield stack
