"""The function with one of its protections turned off, which the simulation must notice."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from invalidator.delivery.carry_out import Cdn
from invalidator.errors import CdnError, InvalidPathError
from invalidator.handler import lambda_handler
from invalidator.model import Batch, Outcome
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from invalidator.workers import Workers
from tests.simulation.function import Handler


class NewReferences:
    """A CloudFront whose calls all have new references, as references made from the clock would be."""

    def __init__(self, cdn: Cdn) -> None:
        self._cdn, self.longest_call, self._numbers = cdn, cdn.longest_call, count()

    def create_invalidation(self, batch: Batch) -> str:
        reference = f"{batch.caller_reference}-{next(self._numbers)}"
        return self._cdn.create_invalidation(replace(batch, caller_reference=reference))


class NoHalving:
    """A CloudFront whose batches are not halved if a path is invalid."""

    def __init__(self, cdn: Cdn) -> None:
        self._cdn, self.longest_call = cdn, cdn.longest_call

    def create_invalidation(self, batch: Batch) -> str:
        try:
            return self._cdn.create_invalidation(batch)
        except InvalidPathError as error:
            raise CdnError(str(error)) from error


class NoStore:
    """A queue that accepts every message and keeps none."""

    def send(self, text: str, delay: int = 0) -> None:
        pass


class Impatient:
    """Workers that count a call as done as soon as it has begun."""

    def __init__(self, workers: Workers[Any]) -> None:
        self._workers, self._ended = workers, deque[Outcome]()

    def start(self, call: Any) -> None:
        self._workers.start(call)
        if isinstance(call, partial) and isinstance(call.args[0], Batch):
            self._ended.append(Outcome(call.args[0], invalidation="surely"))

    def wait(self, seconds: float) -> Any:
        return self._ended.popleft() if self._ended else self._workers.wait(seconds)


def _over(change: Callable[[Clients], Clients]) -> Handler:
    def handle(event: object, context: LocalContext, edge: Clients) -> dict[str, Any]:
        return lambda_handler(event, context, change(edge))

    return handle


def _without_partial_failures(event: object, context: LocalContext, edge: Clients) -> dict[str, Any]:
    lambda_handler(event, context, edge)
    return {"batchItemFailures": []}


TURNED_OFF: dict[str, Handler] = {
    "the same reference again": _over(lambda edge: edge._replace(cloudfront=lambda: NewReferences(edge.cloudfront()))),
    "partial failures": _without_partial_failures,
    "tickets": _over(lambda edge: edge._replace(queue=lambda _: NoStore())),  # type: ignore[arg-type,return-value]
    "halving": _over(lambda edge: edge._replace(cloudfront=lambda: NoHalving(edge.cloudfront()))),
    "waiting before acknowledging": _over(lambda edge: edge._replace(workers=lambda: Impatient(edge.workers()))),
}
"""By the name of the protection."""
