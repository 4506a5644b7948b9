"""A deployed stack by its name: the variables of its functions, and its outputs."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from invalidator.aws import sdk
from invalidator.connection.examine import Wiring
from invalidator.errors import ConfigurationError, StackError
from invalidator.notifications.deployed import deployed_entry
from invalidator.notifications.merge import NotificationEntry
from invalidator.settings.adopted import is_setting

_ATTEMPTS: Final = 2
_FUNCTION: Final = "invalidate"
_CONNECTION: Final = "connect"


class Stack(NamedTuple):
    """A stack: its outputs, by name, and the variables of the function that invalidates."""

    name: str
    outputs: Mapping[str, str]
    variables: Mapping[str, str]

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a stack of the configured account and Region. Raises StackError or ConfigurationError."""
        client = sdk.client("cloudformation", attempts=_ATTEMPTS)
        with sdk.raising(StackError, f"stack {name!r} in {client.meta.region_name}"):
            found = client.describe_stacks(StackName=name)["Stacks"][0]
            outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
        return cls(name, outputs, _variables(outputs.get("Function") or f"{name}-{_FUNCTION}"))

    def settings(self) -> dict[str, str]:
        """Return the settings of the function, and the URLs of its queues, as variables."""
        queues = {"QUEUE_URL": self.outputs.get("Queue", ""), "DEAD_LETTERS_URL": self.outputs.get("DeadLetters", "")}
        # No others: what is set for a function, as PATH or a proxy, is no right over this machine.
        mine = {name: value for name, value in self.variables.items() if is_setting(name)}
        return {name: value for name, value in queues.items() if value} | mine


def connection_of(stack: str) -> tuple[str, NotificationEntry]:
    """Return the bucket of a stack, and the entry that the stack adds to its notifications.

    Raises StackError or ConfigurationError.
    """
    try:
        return deployed_entry(_variables(f"{stack}-{_CONNECTION}"))
    except ConfigurationError as error:
        raise StackError(f"stack {stack!r} does not say how it connects its bucket: {error}") from error


def wiring_of(name: str) -> tuple[str, Wiring]:
    """Return the bucket of a stack, and how its changes reach the function. Raises StackError or ConfigurationError."""
    outputs = Stack.read(name).outputs
    bucket, entry = connection_of(name)
    queue, mapping, rule = (outputs.get(output, "") for output in ("Queue", "EventSourceMapping", "Rule"))
    return bucket, Wiring(queue, entry, mapping, rule)


def _variables(function: str) -> dict[str, str]:
    client = sdk.client("lambda", attempts=_ATTEMPTS)
    with sdk.raising(StackError, f"function {function!r} in {client.meta.region_name}"):
        environment: dict[str, Any] = client.get_function_configuration(FunctionName=function).get("Environment", {})
        if error := environment.get("Error"):
            raise StackError(f"function {function!r}: its variables cannot be read: {error.get('Message')}")
        return dict(environment.get("Variables", {}))
