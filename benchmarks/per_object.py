"""The handler that is pasted everywhere, in the simulated AWS: one event, one call and one path an object.

S3 invokes it asynchronously, without a queue in between. It runs::

    cloudfront = boto3.client("cloudfront")

    def lambda_handler(event, context):
        path = "/" + event["Records"][0]["s3"]["object"]["key"]
        for distribution in DISTRIBUTIONS:
            cloudfront.create_invalidation(
                DistributionId=distribution,
                InvalidationBatch={
                    "Paths": {"Quantity": 1, "Items": [path]},
                    "CallerReference": str(time.time()),
                },
            )

Wherever there is a choice, the handler gets the better conditions: keys that need no decoding, a timeout that it never
reaches (the default of 3 seconds would end it during its retries), no cold starts, and the SDK's retry mode with more
attempts. The numbers are those of the documentation:

- The SDK, in its legacy mode, makes up to 5 attempts, and waits before the next one for a random part of 1, 2, 4 and
  8 seconds: https://docs.aws.amazon.com/boto3/latest/guide/retries.html, and ``delay_exponential`` in
  https://github.com/boto/botocore/blob/develop/botocore/retryhandler.py (2026-11-22). The standard mode, which is the
  default of the newest versions, makes 3, after a random part of 1 and 2 seconds when it is throttled.
- Lambda runs an event that failed again after one minute, and once more after another two. Then it is dropped:
  https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html (2026-11-22).
- Of its invocations, up to 1,000 run at a time; other events wait:
  https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11-22).
"""

from collections import Counter, deque
from functools import partial
from itertools import count
from typing import Any, Final

from botocore.exceptions import ClientError

from tests.simulation.cloudfront import Client, CloudFront
from tests.simulation.world import World

ATTEMPTS: Final = 5
"""Attempts of a call."""
WAITS: Final = (60.0, 120.0)
"""Seconds before the second and the third try of an event that failed."""
CONCURRENCY: Final = 1_000
"""Invocations at a time."""
RETRIED: Final = frozenset({"Throttling"})
"""The errors of the simulated CloudFront that the SDK retries."""


def call(world: World, client: Client, distribution: str, paths: list[str]) -> None:
    """Call CreateInvalidation with the SDK's own retries. Raises ClientError if the last attempt fails, too."""
    batch: dict[str, Any] = {"Paths": {"Quantity": len(paths), "Items": paths}, "CallerReference": str(world.now)}
    for attempt in count(1):
        try:
            client.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)
        except ClientError as error:
            if attempt == ATTEMPTS or error.response["Error"]["Code"] not in RETRIED:
                raise
        else:
            return
        world.sleep(world.rng.random() * 2 ** (attempt - 1))


class PerObject:
    """The function, with Lambda's queue of asynchronous events in front of it.

    ``invocations`` counts the invocations for each key, ``dropped`` has the keys whose events were given up.
    """

    def __init__(self, world: World, cloudfront: CloudFront, distributions: list[str]) -> None:
        self._world, self._client = world, cloudfront.client(lambda *_: None)
        self._distributions = distributions
        self._waiting: deque[tuple[str, int]] = deque()
        self._free = CONCURRENCY
        self.invocations: Counter[str] = Counter()
        self.dropped: list[str] = []

    def notify(self, key: str, tried: int = 0) -> None:
        """Take an event of S3, or one that Lambda has already tried so many times."""
        self._waiting.append((key, tried))
        self._start()

    def _start(self) -> None:
        while self._waiting and self._free:
            self._free -= 1
            self._world.spawn(partial(self._invoke, *self._waiting.popleft()))

    def _invoke(self, key: str, tried: int) -> None:
        self.invocations[key] += 1
        try:
            self._handle(key)
        except ClientError:
            if tried < len(WAITS):
                self._world.after(WAITS[tried], partial(self.notify, key, tried + 1))
            else:
                self.dropped.append(key)
        self._free += 1
        self._start()

    def _handle(self, key: str) -> None:
        for distribution in self._distributions:
            call(self._world, self._client, distribution, [f"/{key}"])
