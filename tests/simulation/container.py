"""A process of the function: frozen between its invocations, with what it knows and with threads left behind."""

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from invalidator.aws import cloudfront as edge_of_cloudfront
from invalidator.aws import queues
from invalidator.aws.listings import Listings
from invalidator.aws.spending import Spending
from invalidator.delivery.bursts import Arrivals
from invalidator.distributions.catalog import Catalog
from invalidator.model import Allowance, Batch
from invalidator.runtime.clients import Clients
from invalidator.runtime.invocation import LocalContext
from invalidator.runtime.metrics import Document
from tests.simulation import s3, spending
from tests.simulation.cloudfront import CloudFront
from tests.simulation.sites import Sites
from tests.simulation.sqs import Client, Queue
from tests.simulation.weather import Weather
from tests.simulation.world import BEGINNING, Process, Signal, World


class Aws(NamedTuple):
    """The surroundings of the function, the allowance of a plan, and the metrics with their seconds."""

    queue: Queue
    cloudfront: CloudFront
    bucket: s3.Bucket
    sites: Sites
    allowance: Allowance
    metrics: list[tuple[float, Document]]


class Context(LocalContext):
    """The context of an invocation on the virtual clock, which may step by some seconds at some time."""

    def __init__(self, world: World, seconds: float, request: str, step: tuple[float, float]) -> None:
        super().__init__(aws_request_id=request, deadline=world.now + seconds)
        object.__setattr__(self, "world", world)
        object.__setattr__(self, "step", step)
        self.world: World
        self.step: tuple[float, float]

    def get_remaining_time_in_millis(self) -> int:
        at, seconds = self.step
        return int((self.deadline - self.world.now + (seconds if self.world.now >= at else 0.0)) * 1000)


class Workers:
    """Tasks of the world in place of threads."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process
        self._ended: deque[Any] = deque()
        self._signal = Signal()

    def start(self, call: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                self._ended.append(call())
            except AssertionError:
                raise  # a check of this world has failed
            except Exception as error:  # noqa: BLE001 raised again where it is waited for
                self._ended.append(error)
            self._signal.fire()

        self._world.spawn(run, self._process)

    def wait(self, seconds: float) -> Any:
        if not self._ended:
            self._world.sleep(max(seconds, 0.0), self._signal)
        ended = self._ended.popleft() if self._ended else None
        if isinstance(ended, Exception):
            raise ended
        return ended


class Noting:
    """A CloudFront that knows which references are those of second clearings."""

    def __init__(self, cdn: edge_of_cloudfront.CloudFront, seconds: set[tuple[str, str]]) -> None:
        self._cdn, self._seconds, self.longest_call = cdn, seconds, cdn.longest_call

    def create_invalidation(self, batch: Batch) -> str:
        if batch.repeat:
            self._seconds.add((batch.distribution, batch.caller_reference))
        return self._cdn.create_invalidation(batch)


class Container:
    """A process of the function with its connections and its catalog."""

    def __init__(self, world: World, aws: Aws, weather: Callable[[], Weather]) -> None:
        self._world, self._aws, self._weather = world, aws, weather
        self.process = Process()
        cdn = edge_of_cloudfront.CloudFront(aws.cloudfront.client(lambda *_: None))
        self._catalog = Catalog(cdn, lambda: world.now, world.sleep)
        self._listings = Listings(
            s3.Client(world, aws.bucket, weather), lambda: world.now, lambda: BEGINNING + timedelta(seconds=world.now)
        )
        self._arrivals = Arrivals()
        self._spending = Spending(
            spending.Client(world, aws.metrics),
            "invalidator",
            "simulated",
            lambda: world.now,
            lambda: BEGINNING + timedelta(seconds=world.now),
        )
        self._sqs = Client(world, aws.queue, lambda: weather().not_stored)

    def clients(
        self,
        watch: Callable[[str, list[str], str], None],
        begin: Callable[[str], None],
        store: Callable[[str, list[str]], None],
    ) -> Clients:
        """Return the clients of an invocation, whose calls are watched."""
        world, metrics, sqs = self._world, self._aws.metrics, self._sqs
        sqs.watch = store
        cloudfront = self._aws.cloudfront
        cdn = Noting(edge_of_cloudfront.CloudFront(cloudfront.client(watch, begin)), cloudfront.seconds)
        return Clients(
            cloudfront=lambda: cdn,
            queue=lambda url: queues.Queue(sqs, url),
            workers=lambda: Workers(world, self.process),
            catalog=lambda: self._catalog,
            listings=lambda: self._listings,
            arrivals=lambda: self._arrivals,
            spending=lambda: self._spending,
            now=lambda: BEGINNING.timestamp() + world.now,
            monotonic=lambda: world.now,
            publish=lambda documents, _context: metrics.extend((world.now, document) for document in documents),
        )
