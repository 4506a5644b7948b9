"""A stack that waits for the answers of its custom resource."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from invalidator.connection.heard import Heard
from tests.doubles.https import in_place_of
from tests.doubles.loopback import Quiet, serving
from tests.doubles.versioned_s3 import NOW

QUEUE = "arn:aws:sqs:us-east-1:111122223333:invalidator-dev-Queue"
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:invalidator-dev-invalidate"
STACK: Final = "arn:aws:cloudformation:us-east-1:111122223333:stack/invalidator-dev/1"
PROPERTIES = {"ServiceToken": "arn", "Bucket": "origin", "EntryId": "invalidator-dev", "Target": QUEUE}
VARIABLES = {"Bucket": "BUCKET", "EntryId": "ENTRY_ID", "Target": "TARGET", "Prefix": "PREFIX", "Suffix": "SUFFIX"}
HOST: Final = "cloudformation-custom-resource-response-useast1.s3.amazonaws.com"


@dataclass(frozen=True)
class Context:
    """The context of an invocation whose remaining time never changes."""

    seconds: float = 300.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


Invoked = tuple[str, str | None, Any]


@dataclass
class Check:
    """A function that is invoked without waiting for it, and its parameter; all answers have this status."""

    status: int = 202
    asked: list[Invoked] = field(default_factory=list)
    """The path, the type and the event of each invocation."""
    value: str = "{}"
    version: int = 1

    @property
    def heard(self) -> Heard:
        """The content of the parameter."""
        return Heard.from_json(self.value, NOW)

    def hear(self, heard: Heard) -> None:
        """Write the parameter."""
        self.value, self.version = heard.to_json(), self.version + 1

    def parameter(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of Parameter Store."""
        if operation == "PutParameter":
            self.value, self.version = arguments["Value"], self.version + 1
            return {"Version": self.version}
        found = {"Value": self.value, "Version": self.version, "LastModifiedDate": NOW.timestamp()}
        return {"Parameter": found}


@contextmanager
def serve_check(check: Check) -> Iterator[str]:
    """Serve the APIs of Lambda and of Parameter Store on loopback. Yield the URL of the endpoint."""

    class Handler(Quiet):
        def do_POST(self) -> None:
            operation = self.headers.get("X-Amz-Target", "").partition(".")[2]
            arguments, answer = json.loads(self.body()), {}
            if operation and check.status == check.__class__.status:
                answer = check.parameter(operation, arguments)
            elif not operation:
                check.asked.append((self.path, self.headers["X-Amz-Invocation-Type"], arguments))
            self.respond(check.status, json.dumps(answer).encode(), "application/json")

    with serving(Handler) as address:
        yield f"http://{address}"


def variables(properties: dict[str, str]) -> dict[str, str]:
    """Return the variables that the template sets for these properties of the resource."""
    return {variable: properties.get(name, "") for name, variable in VARIABLES.items()} | {"STACK_ID": STACK}


@dataclass
class CloudFormation:
    """A stack that sends requests. The next answers meet the HTTP statuses in ``refusals`` (0: nonsense).

    ``deploy`` gives the function the variables of a template. With ``environ``, a process finds the stack.
    """

    invoke: Callable[[dict[str, Any]], object]
    deploy: Callable[[dict[str, str]], object] = lambda _: None
    environ: dict[str, str] = field(default_factory=dict)
    url: str = f"https://{HOST}/answer?X-Amz-Signature=secret"
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    refusals: deque[int] = field(default_factory=deque)

    def ask(self, kind: str, resource: str | None = None, **properties: str) -> dict[str, Any]:
        """Deploy a template with these properties, send the request for it, and return the answer of the function."""
        self.deploy(variables(PROPERTIES | properties))
        return self.forge(kind, resource, **properties)

    def forge(self, kind: str, resource: str | None = None, **properties: Any) -> dict[str, Any]:
        """Send a request that no template asks for, and return the answer of the function."""
        self.invoke(self.request(kind, resource) | {"ResourceProperties": _without_empty(PROPERTIES | properties)})
        return self.answers.pop()

    def request(self, kind: str, resource: str | None = None) -> dict[str, Any]:
        """Return a request as CloudFormation sends it."""
        event = {
            "RequestType": kind,
            "ResponseURL": self.url,
            "StackId": STACK,
            "RequestId": "7",
            "LogicalResourceId": "Connection",
            "ResourceType": "Custom::BucketNotification",
            "ResourceProperties": PROPERTIES,
        }
        return event | ({"PhysicalResourceId": resource} if resource else {})


def _without_empty(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value}


@contextmanager
def waiting_stack(folder: Path) -> Iterator[CloudFormation]:
    """Serve a stack that waits for answers over HTTPS."""
    stack = CloudFormation(lambda _: None)

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

    with in_place_of({HOST: Handler}, folder) as environ:
        stack.environ = environ
        yield stack
