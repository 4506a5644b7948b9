"""The check of the stack: Lambda runs it by its schedule, also twice or late, and kills it anywhere."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from math import inf
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ReadTimeoutError

from invalidator import check
from invalidator.aws import queues
from invalidator.aws.listings import Listings
from invalidator.connection import catch_up
from invalidator.connection.heard import Heard
from invalidator.errors import ConfigurationError, HeardError
from invalidator.limits import MAX_INVOCATION_SECONDS
from invalidator.notifications.merge import entries_of
from invalidator.runtime.metrics import Document
from tests.doubles.sdk import client_error
from tests.simulation import sqs
from tests.simulation.container import Context
from tests.simulation.origin import ENTRY, NOBODY, REGION, Origin, Plan, time_of
from tests.simulation.sites import BUCKET
from tests.simulation.world import Signal, World

PARAMETER = "heard"
VARIABLES = {
    "BUCKET": BUCKET,
    "ENTRY_ID": ENTRY.id,
    "TARGET": ENTRY.target,
    "MAPPING": "mapping",
    "HEARD_PARAMETER": PARAMETER,
}
_STEPS = {"_MANY": 10, "_PAGES": 3}
_LONG_SECONDS = 900.0
"""So long does a slow listing take."""
_REFUSALS = ("AccessDenied", 403), ("SlowDown", 503), ("InternalError", 500)


class Checks:
    """The function that checks, with its schedule and its parameter. ``running`` counts its invocations."""

    def __init__(self, world: World, plan: Plan, queue: sqs.Queue, caught_up: Callable[[str], None]) -> None:
        self._world, self.origin, self._queue, self._caught_up = world, Origin(world, plan), queue, caught_up
        self.plan, self.running = plan, 0
        self.parameter: dict[str, Any] = {"Value": "{}", "Version": 1, "LastModifiedDate": time_of(0.0)}

    @contextmanager
    def deployed(self) -> Iterator[None]:
        """Set the function up. It sends what it finds in small steps, so that it is interrupted between them."""
        os.environ |= VARIABLES | {"REPAIR": "on" if self.plan.repairs else "off"}
        before = {name: getattr(catch_up, name) for name in _STEPS}
        try:
            vars(catch_up).update(_STEPS)
            yield
        finally:
            vars(catch_up).update(before)

    def schedule(self) -> None:
        """Let the stack connect the bucket and check it for ever, and others overwrite what is there."""
        self.origin.schedule()
        self._invoke({})
        self._world.spawn(self._every)

    def heard_until(self) -> float:
        """Return the second until which everything is heard or sent; infinitely long ago if it is not known."""
        heard = Heard.from_json(self.parameter["Value"], self.parameter["LastModifiedDate"])
        return -inf if heard.is_deaf else (heard.until - time_of(0.0)).total_seconds()

    def _every(self) -> None:
        while True:
            self._world.sleep(self.plan.period + self._world.rng.uniform(-10, 10))
            times = 2 if self.happens(self.plan.twice, "twice") else 1
            for _ in range(times):
                self._invoke({"a schedule": "says nothing"})
            if times == 2 and self.happens(self.plan.meanwhile, "replaced between two checks"):
                self._world.after(self._world.rng.uniform(0, 3), self.origin.replace)

    def happens(self, probability: float, what: str) -> bool:
        """Return true with this probability, until everything is calm."""
        happens = not self.origin.is_calm and self._world.happens(probability)
        self.origin.happened[what] += happens
        return happens

    def _invoke(self, event: object) -> None:
        self._world.spawn(partial(self._try, event))

    def _try(self, event: object) -> None:
        """Invoke it up to three times, as Lambda does with an event that nobody waits for."""
        if self.happens(self.plan.throttled, "throttled"):
            self._world.sleep(self._world.rng.uniform(1, 300))
        self._world.sleep(self._world.rng.random())
        for pause in (60.0, 120.0, 0.0):
            self.running += 1
            is_done = _Invocation(self, self._world, self._queue, self._caught_up).play(event, self._left())
            self.running -= 1
            if is_done:
                return
            self.origin.happened["retried"] += 1
            self._world.sleep(pause)

    def _left(self) -> float:
        """Return the seconds after which it is killed."""
        if self.happens(self.plan.killed, "killed"):
            return self._world.rng.choice([3.0, 30.0, 800.0]) * self._world.rng.random()
        return float(MAX_INVOCATION_SECONDS)


class _Invocation:
    """One invocation, and the services that it calls. What it has seen broken, it tells in an alarm."""

    def __init__(self, checks: Checks, world: World, queue: sqs.Queue, caught_up: Callable[[str], None]) -> None:
        self._checks, self._world, self._origin, self._plan = checks, world, checks.origin, checks.plan
        self._seen_broken = self._seen_denied = 0
        self._is_dead = False
        client = _Storing(world, queue, lambda: 0.0 if self._origin.is_calm else self._plan.fails)
        client.storing = caught_up
        self._queue = client

    def play(self, event: object, left: float) -> bool:
        """Return whether it ended without an error, within so many seconds."""
        world, over, answers = self._world, Signal(), list[object]()
        context = Context(world, float(MAX_INVOCATION_SECONDS), "check", (inf, 0.0))

        def run() -> None:
            try:
                answers.append(check.lambda_handler(event, context, self._services()))
            except (ConfigurationError, HeardError) as error:
                world.note(f"the check fails: {error!s:.150}")
            over.fire()

        task = world.spawn(run)
        world.sleep(left, over)
        if not task.dead:
            world.note("the check is killed")
            self._is_dead = True
            world.kill([task])
        world.note(f"a check: {answers}, {self._checks.parameter['Value']}")
        return bool(answers)

    def _services(self) -> check.Services:
        clients = {"s3": self._s3(), "sqs": self._sqs(), "lambda": self._lambda(), "ssm": self._ssm()}
        return check.Services(
            client_of=lambda service, _region: clients[service],
            listings=self._listings,
            queue=lambda url: queues.Queue(self._queue, url),
            now=self._now,
            pause=self._world.sleep,
            publish=self._publish,
        )

    def _now(self) -> datetime:
        return time_of(self._world.now)

    def _publish(self, documents: Iterable[Document]) -> None:
        if self._is_dead:
            return
        for document in documents:
            self._origin.happened.update({name: round(sum(values)) for name, values in document.values.items()})
            if document.values.get("Disconnected"):
                self._origin.alarm(self._seen_broken, self._seen_denied)

    # --- the services of AWS ----------------------------------------------------------------------------

    def _call(
        self,
        operation: str,
        answer: Callable[..., Any],
        seconds: float = 0.0,
        arrive: Callable[[Any], None] = lambda _answered: None,
    ) -> Callable[..., Any]:
        """Return a call that takes time, and may fail before or after it has done what it is asked for."""

        def call(**arguments: Any) -> Any:
            world = self._world
            world.sleep(seconds + world.rng.uniform(0.02, 0.2))
            fails = 0.0 if self._origin.is_calm else self._plan.fails
            if world.happens(fails / 2):
                self._fail(operation)
            answered = answer(**arguments)
            world.sleep(world.rng.uniform(0.02, 0.2))
            if world.happens(fails / 2):
                self._fail(operation)
            arrive(answered)
            return answered

        return call

    def _fail(self, operation: str) -> None:
        world = self._world
        world.note(f"{operation} fails")
        self._origin.happened[f"{operation} fails"] += 1
        if world.happens(0.3):
            world.sleep(20.0)
            raise ReadTimeoutError(endpoint_url="https://aws")
        raise client_error(operation, *world.rng.choice(_REFUSALS))

    def _s3(self) -> Any:
        def read(**_: Any) -> Any:
            return dict(self._origin.configuration)

        def see(configuration: Any) -> None:
            if ENTRY not in entries_of(configuration) and not self._seen_broken:
                self._seen_broken = self._origin.broken

        def put(*, NotificationConfiguration: Any, **_: Any) -> None:  # noqa: N803
            self._origin.happened["put"] += 1
            self._origin.put(NotificationConfiguration)

        return SimpleNamespace(
            meta=SimpleNamespace(region_name=REGION),
            get_bucket_location=self._call("GetBucketLocation", lambda **_: {"LocationConstraint": REGION}),
            get_bucket_notification_configuration=self._call("GetBucketNotificationConfiguration", read, arrive=see),
            put_bucket_notification_configuration=self._call("PutBucketNotificationConfiguration", put),
        )

    def _sqs(self) -> Any:
        def see(answer: Any) -> None:
            if answer["Attributes"]["Policy"] == NOBODY and not self._seen_denied:
                self._seen_denied = self._origin.denied

        def read(**_: Any) -> Any:
            return {"Attributes": {"QueueArn": ENTRY.target, "Policy": self._origin.policy()}}

        def forbidden(**_: Any) -> Any:  # which the role does not have
            raise client_error("GetQueueUrl", "AccessDenied", 403)

        attributes = self._call("GetQueueAttributes", read, arrive=see)
        return SimpleNamespace(get_queue_attributes=attributes, get_queue_url=self._call("GetQueueUrl", forbidden))

    def _lambda(self) -> Any:
        return SimpleNamespace(
            get_event_source_mapping=self._call("GetEventSourceMapping", lambda **_: {"State": "Enabled"})
        )

    def _ssm(self) -> Any:
        parameter = self._checks.parameter

        def put(*, Value: str, **_: Any) -> Any:  # noqa: N803
            parameter.update(Value=Value, Version=parameter["Version"] + 1, LastModifiedDate=self._now())
            self._world.note(f"heard {parameter['Version']}: {Value}")
            return {"Version": parameter["Version"]}

        return SimpleNamespace(
            get_parameter=self._call("GetParameter", lambda **_: {"Parameter": dict(parameter)}),
            put_parameter=self._call("PutParameter", put),
        )

    def _listings(self) -> Listings:
        s3, world = self._origin.s3, self._world
        if self._checks.happens(self._plan.meanwhile, "replaced during a listing"):
            world.after(world.rng.uniform(0, 300 if self._plan.is_slow else 3), self._origin.replace)
        pages = max(len(s3.buckets[BUCKET]) // s3.page, 1)
        seconds = min(20.0, _LONG_SECONDS / pages) if self._plan.is_slow else 0.0
        listing = self._call("ListObjectVersions", s3.list_object_versions, seconds)
        client: Any = SimpleNamespace(list_object_versions=listing)
        return Listings(client, lambda: world.now, self._now)


class _Storing(sqs.Client):
    """The client of the queue. ``storing`` is called with each ticket that is stored."""

    storing: Callable[[str], None]

    def _store(self, url: str, body: str, delay: int) -> None:
        self.storing(body)
        super()._store(url, body, delay)
