"""An edge cache on loopback, in front of the bucket of the embedded AWS.

It caches the answers of the bucket for a time, by URL and compression, and evicts the items of its distribution's
invalidations. It knows these only from CloudFront.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.exceptions import ClientError

from invalidator.local.embedded import BUCKET
from tests.doubles.loopback import Quiet, serving

Headers = dict[str, str]


@dataclass
class Cached:
    """An answer of the bucket, with its time."""

    status: int
    headers: Headers
    since: float


@dataclass
class EdgeCache:
    """The cache of one distribution. ``now`` is its clock, ``ttl`` the seconds for which it keeps answers.

    ``extra`` overrides the headers of each answer (None: not sent), ``asked`` are the headers of all requests.
    """

    distribution: str
    url: str = ""
    ttl: float = 86_400.0
    now: Callable[[], float] = time.monotonic
    extra: dict[str, str | None] = field(default_factory=dict)
    asked: list[Headers] = field(default_factory=list)
    cached: dict[tuple[str, bool], Cached] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._s3, self._cloudfront = boto3.client("s3"), boto3.client("cloudfront")

    def answer(self, path: str, viewer: Headers) -> tuple[int, Headers]:
        """Answer a request for the path of a URL."""
        with self._lock:
            self.asked.append(viewer)
            self._forget_invalidated()
            place = (path, "gzip" in viewer.get("accept-encoding", ""))
            found = self.cached.get(place)
            hit = found is not None and self.now() - found.since < self.ttl
            if found is None or not hit:
                found = self.cached[place] = self._of_origin(path, compressed=place[1])
            told = "Hit" if hit else "Miss"
            headers: dict[str, str | None] = {
                **found.headers,
                "X-Cache": f"{told if found.status < 400 else 'Error'} from cloudfront",
                "Via": "1.1 edge.cloudfront.net (CloudFront)",
                "X-Amz-Cf-Pop": "FRA56-P1",
                "Age": str(int(self.now() - found.since)) if hit else None,
                **self.extra,
            }
            return found.status, {name: value for name, value in headers.items() if value is not None}

    def _of_origin(self, path: str, *, compressed: bool) -> Cached:
        try:
            answer = self._s3.get_object(Bucket=BUCKET, Key=unquote(path.partition("?")[0]).removeprefix("/"))
        except ClientError as error:
            return Cached(error.response["ResponseMetadata"]["HTTPStatusCode"], {}, self.now())
        answer["Body"].close()
        headers = {
            "ETag": f"W/{answer['ETag']}" if compressed else answer["ETag"],
            "Last-Modified": format_datetime(answer["LastModified"].astimezone(UTC), usegmt=True),
        }
        return Cached(200, headers | ({"Content-Encoding": "gzip"} if compressed else {}), self.now())

    def _forget_invalidated(self) -> None:
        listed: Any = self._cloudfront.list_invalidations(DistributionId=self.distribution)["InvalidationList"]
        for id_ in [item["Id"] for item in listed.get("Items", ()) if item["Id"] not in self._known]:
            self._known.add(id_)
            found = self._cloudfront.get_invalidation(DistributionId=self.distribution, Id=id_)["Invalidation"]
            for item in found["InvalidationBatch"]["Paths"]["Items"]:
                self.cached = {place: kept for place, kept in self.cached.items() if not is_named(place[0], item)}

    def invalidate(self, *paths: str) -> None:
        """Create an invalidation in CloudFront."""
        batch: Any = {"Paths": {"Quantity": len(paths), "Items": list(paths)}, "CallerReference": "".join(paths)}
        self._cloudfront.create_invalidation(DistributionId=self.distribution, InvalidationBatch=batch)


def is_named(path: str, item: str) -> bool:
    """Return true if an item of an invalidation covers a path, however either is encoded."""
    path, prefix = unquote(path), unquote(item.removesuffix("*"))
    return path.startswith(prefix) if item.endswith("*") else path == prefix


@contextmanager
def edge_cache(distribution: str) -> Iterator[EdgeCache]:
    """Serve the edge cache of a distribution of the embedded AWS."""
    cache = EdgeCache(distribution)

    class Handler(Quiet):
        def do_GET(self) -> None:
            viewer = {name.lower(): value for name, value in self.headers.items()}
            status, headers = cache.answer(self.path, viewer)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    with serving(Handler) as address:
        cache.url = f"http://{address}"
        yield cache
