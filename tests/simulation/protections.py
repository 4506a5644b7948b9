"""The function with one of its protections turned off, which the simulation must notice."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from math import inf
from typing import Any, NamedTuple

from invalidator import check
from invalidator.aws.queues import Message
from invalidator.connection import catch_up
from invalidator.connection.heard import Heard, HeardParameter
from invalidator.delivery import bursts, carry_out, halving, lanes, pacing
from invalidator.delivery.bursts import Verdict
from invalidator.delivery.carry_out import Cdn
from invalidator.distributions import concerned, known
from invalidator.errors import CdnError, InvalidPathError
from invalidator.events import tickets
from invalidator.handler import lambda_handler
from invalidator.model import UNKNOWN_SITE, Batch, Outcome, Site
from invalidator.planning import batches, planner
from invalidator.runtime import gather, store
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import Invocation, LocalContext
from invalidator.workers import Workers
from tests.simulation.function import Handler
from tests.simulation.story import Story


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

    def send_all(self, messages: list[Message]) -> list[str]:
        return [""] * len(messages)


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


# --- rules of modules -----------------------------------------------------------------------------------

_read, _site, _stored = tickets.read, known.Known.site, store._store
_unstored = gather.Gathering._unstored
_begin: Any = carry_out._Run.__init__


def _read_as_new(document: dict[str, Any], message_id: str | None = None, **_: object) -> tickets.Ticket:
    return _read(document, message_id)


def _without_attempts(batch: Batch, **changes: Any) -> Batch:
    return replace(batch, **{name: value for name, value in changes.items() if name != "attempts"})


def _guessed(known_: known.Known, *given: Any) -> Site:
    try:
        return _site(known_, *given)
    except CdnError:
        return UNKNOWN_SITE


def _stored_again(leftovers: Any, url: str, invocation: Any, _coming_again: object) -> Any:
    return _stored(leftovers, url, invocation, set())


def _begun_late(run: Any, *given: Any) -> None:
    _begin(run, *given)
    run._last_start = run._end


def _time_for_calls_only(invocation: Invocation, *, can_wait: bool) -> carry_out.TimeLeft:
    return carry_out.TimeLeft(invocation.seconds_left, 5.0 if can_wait else inf)


def _as_if_stored(gathering: gather.Gathering, parts: Any, messages: Any, reserve: float) -> list[Any]:
    _unstored(gathering, parts, messages, reserve)
    return []


# --- of the check of the connection ---------------------------------------------------------------------


_heard = HeardParameter.read


def _deaf_and_silent(parameter: HeardParameter) -> Heard:
    return parameter.read().deaf()


def _never_again(heard: Heard, end: datetime) -> Heard:
    return Heard(end)


def _without_marker(parameter: HeardParameter) -> Heard:
    return replace(_heard(parameter), after=None)


class Protection(NamedTuple):
    """A protection: the ``first`` world that notices, and the handler without it or what takes the place of rules."""

    first: int
    handle: Handler = lambda_handler
    rules: tuple[tuple[Any, str, object], ...] = ()


PROTECTIONS: dict[str, Protection] = {
    "the same reference again": Protection(
        1, handle=_over(lambda edge: edge._replace(cloudfront=lambda: NewReferences(edge.cloudfront())))
    ),
    "partial failures": Protection(1, handle=_without_partial_failures),
    "tickets": Protection(0, handle=_over(lambda edge: edge._replace(queue=lambda _: NoStore()))),  # type: ignore[arg-type,return-value]
    "halving": Protection(1, handle=_over(lambda edge: edge._replace(cloudfront=lambda: NoHalving(edge.cloudfront())))),
    "waiting before acknowledging": Protection(
        0, handle=_over(lambda edge: edge._replace(workers=lambda: Impatient(edge.workers())))
    ),
    "redelivered ticket apart": Protection(31, rules=((tickets, "read", _read_as_new),)),
    "halves apart": Protection(6, rules=((carry_out, "halves_apart", halving.halves),)),
    "unanswered apart": Protection(16, rules=((carry_out, "replace", lambda batch, **_: batch),)),
    "attempts growing": Protection(2, rules=((lanes, "replace", _without_attempts),)),
    "time kept for storing": Protection(138, rules=((Invocation, "time_left", _time_for_calls_only),)),
    "oldest first": Protection(2, rules=((planner, "_since", lambda _left: ""),)),
    "strangers' tickets refused": Protection(
        221, rules=((concerned, "without_strangers", lambda decoded, _strangers: decoded),)
    ),
    "no ticket for what comes again": Protection(85, rules=((store, "_store", _stored_again),)),
    "calls not begun too late": Protection(85, rules=((carry_out._Run, "__init__", _begun_late),)),
    "room bookkeeping": Protection(5, rules=((pacing.Room, "free_at", lambda _room, _batch: 0.0),)),
    "shrinking": Protection(
        61,
        rules=(
            (lanes.Attempt, "smaller", lambda attempt, _error, **_: [attempt]),
            (batches, "_crowding", lambda _left: (0, 0)),
        ),
    ),
    "what is not held sent at once": Protection(22, rules=((gather.Gathering, "_unstored", _as_if_stored),)),
    "an end of each burst": Protection(0, rules=((bursts, "verdict_on", lambda *_, **__: Verdict.HOLD),)),
    "waiting for descriptions": Protection(0, rules=((known.Known, "site", _guessed),)),
    "waiting until S3 has begun": Protection(167, rules=((check, "_SETTLING_SECONDS", 0.0),)),
    "a note before the repair": Protection(0, rules=((HeardParameter, "miss", _deaf_and_silent),)),
    "a day earlier for uploads in parts": Protection(0, rules=((catch_up, "_UPLOAD", timedelta(0)),)),
    "what is missed during a listing": Protection(0, rules=((Heard, "listed", _never_again),)),
    "going on after what was listed": Protection(0, rules=((HeardParameter, "read", _without_marker),)),
}


@contextmanager
def turned_off(protection: Protection) -> Iterator[None]:
    """Let the program do without a protection."""
    before = [(place, name, getattr(place, name)) for place, name, _ in protection.rules]
    for place, name, instead in protection.rules:
        setattr(place, name, instead)
    try:
        yield
    finally:
        for place, name, rule in before:
            setattr(place, name, rule)


def noticed_by(name: str, seeds: Iterable[int]) -> int | None:
    """Return the first of these worlds that fails without a protection; None if none does."""
    protection = PROTECTIONS[name]
    with turned_off(protection):
        for seed in seeds:
            try:
                Story(seed, handle=protection.handle).play()
            except AssertionError:
                return seed
    return None
