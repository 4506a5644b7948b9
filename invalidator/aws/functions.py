"""Functions of Lambda that are invoked without waiting for what they answer."""

from typing import Any, Final, Self

from invalidator.aws import sdk
from invalidator.errors import StorageError

_ACCEPTED: Final = 202


class Function:
    """A function that takes events. Lambda keeps each, and tries it up to three times."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    @classmethod
    def connect(cls, name: str) -> Self:
        """Connect to a function, by its name or ARN. Raises ConfigurationError if the SDK cannot be set up."""
        return cls(sdk.client("lambda", attempts=2), name)

    def send(self, text: str) -> None:
        """Invoke it with an event, as JSON. Raises StorageError if Lambda did not take it, as far as is known."""
        with sdk.raising(StorageError, self._name):
            answer = self._client.invoke(FunctionName=self._name, InvocationType="Event", Payload=text.encode())
            answer["Payload"].read()  # or its connection stays open
            if answer["StatusCode"] != _ACCEPTED:
                raise ValueError(f"the status {answer['StatusCode']}")
