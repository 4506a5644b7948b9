"""An edge of CloudFront on loopback, in front of the embedded S3.

It caches the answers of the bucket by URL, as viewers spell it, for a day, whatever Cache-Control says. It forgets
what the invalidations of its distribution name. It learns of these, and of the configuration, from CloudFront.
"""

import gzip
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from invalidator.distributions.describe import MANAGED_POLICIES, site_of
from invalidator.limits import ERROR_CACHING_SECONDS
from invalidator.local.embedded import check_port
from invalidator.model import Behavior
from invalidator.urls.globs import path_pattern, with_single_slashes, without_dots

Headers = dict[str, str]
"""Names are lower-case."""

_DAY: Final = 86_400.0
_FROM_S3: Final = ("content-type", "content-encoding", "cache-control", "etag", "last-modified")
# What an item may hold raw; CloudFront compares the rest of a URL encoded. A tilde is never encoded by quote().
_RAW: Final = "!$%&'()+,/:;=?@"


@dataclass(frozen=True)
class EdgeAssumptions:
    """Answers to the questions that AWS's documentation leaves open. By default they are those that plans count on.

    ``escaped_star``: ``/%2A`` names the object ``*``, is a wildcard, or names nothing that viewers spell ``/*``.
    ``escaped_tilde``: ``/%7E`` names what viewers spell ``/~``. ``query_wildcard``: ``/dir/?*`` names ``/dir/?x=1``.
    ``plus_is_space``: S3 takes a plus sign in a URL for a space. ``normalizes``: a URL is compared with an item after
    ``//``, ``.`` and ``..`` were taken out of nothing, of the URL, or of both.
    """

    escaped_star: Literal["object", "wildcard", "nothing"] = "object"
    escaped_tilde: bool = True
    query_wildcard: bool = True
    plus_is_space: bool = True
    normalizes: Literal["nothing", "urls", "both"] = "nothing"

    def names(self, item: str, url: str) -> bool:
        """Return whether an item of an invalidation names a URL that is cached."""
        if self.escaped_star == "wildcard" and item.endswith("%2A"):
            item = item.removesuffix("%2A") + "*"
        if self.normalizes == "both":
            item = _normal(item)
        prefix, url = item.removesuffix("*"), self._comparable(url)
        if prefix == item:
            return url == item
        return url.startswith(prefix) and (self.query_wildcard or "?" not in prefix)

    def key(self, url: str) -> str:
        """Return the key that S3 is asked for, after the origin path; bytes that are not UTF-8 as surrogates."""
        path = url.partition("?")[0].removeprefix("/")
        path = path.replace("+", " ") if self.plus_is_space else path
        return unquote_to_bytes(path.encode("latin-1")).decode("utf-8", "surrogateescape")

    def _comparable(self, url: str) -> str:
        """Return a URL as an item can spell it: raw characters that no item may have are encoded."""
        url = quote(url.encode("latin-1"), safe=_RAW + ("*" if self.escaped_star == "nothing" else ""))
        url = url.replace("~", "%7E") if self.escaped_tilde else url
        return url if self.normalizes == "nothing" else _normal(url)


def _normal(url: str) -> str:
    path, question, query = url.partition("?")
    return without_dots(with_single_slashes(path)) + question + query


class CachedAnswer(NamedTuple):
    """An answer of the bucket, and the time at which it came."""

    status: int
    headers: Headers
    body: bytes
    since: float


@dataclass
class EdgeCache:
    """The cache of a distribution. ``now`` is its clock; it keeps answers for ``ttl`` or ``error_ttl`` seconds.

    Raises the SDK's ClientError if there is no such distribution.
    """

    distribution: str
    assumptions: EdgeAssumptions = EdgeAssumptions()
    url: str = ""
    ttl: float = _DAY
    error_ttl: float = ERROR_CACHING_SECONDS
    now: Callable[[], float] = time.monotonic
    _cached: dict[tuple[str, bool], CachedAnswer] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._s3, self._cloudfront = boto3.client("s3"), boto3.client("cloudfront")
        config: Any = self._cloudfront.get_distribution_config(Id=self.distribution)["DistributionConfig"]
        self._site = site_of(config, lambda policy: MANAGED_POLICIES.get(policy, False))

    def answer(self, url: str, viewer: Headers) -> tuple[int, Headers, bytes]:
        """Answer a viewer's request for a URL, from its first slash on, as Latin-1: status, headers and body."""
        behavior = self._behavior(url)
        kept_under = (
            url if behavior.query_strings else url.partition("?")[0],
            "gzip" in viewer.get("accept-encoding", ""),
        )
        with self._lock:
            self._forget_invalidated()
            found = self._cached.get(kept_under)
            is_hit = found is not None and self.now() - found.since < self._seconds(found)
            if found is None or not is_hit:
                found = self._cached[kept_under] = self._fetch(url, behavior, compressed=kept_under[1])
            age = int(self.now() - found.since)
        cached = "Error" if found.status >= HTTPStatus.BAD_REQUEST else "Hit" if is_hit else "Miss"
        about = {"x-cache": f"{cached} from cloudfront", "x-amz-cf-pop": "FRA56-P1"}
        return found.status, found.headers | about | ({"age": str(age)} if is_hit else {}), found.body

    def _seconds(self, answer: CachedAnswer) -> float:
        return self.ttl if answer.status < HTTPStatus.BAD_REQUEST else self.error_ttl

    def _behavior(self, url: str) -> Behavior:
        path = _normal(url.partition("?")[0])[1:]
        return next(behavior for behavior in self._site.behaviors if path_pattern(behavior.pattern)(path))

    def _fetch(self, url: str, behavior: Behavior, *, compressed: bool) -> CachedAnswer:
        key = self.assumptions.key(url) or self._site.root_object
        status, headers, body = int(HTTPStatus.FORBIDDEN), Headers(), b""
        for origin in behavior.origins if key else ():
            status, headers, body = self._of_bucket(origin.bucket, f"{origin.path}/{key}"[1:])
            if status < HTTPStatus.BAD_REQUEST:
                break
        if compressed and "etag" in headers and "content-encoding" not in headers:
            # CloudFront makes the ETag of what it compresses weak.
            headers |= {"content-encoding": "gzip", "etag": f"W/{headers['etag']}"}
            body = gzip.compress(body)
        return CachedAnswer(status, headers, body, self.now())

    def _of_bucket(self, bucket: str, key: str) -> tuple[int, Headers, bytes]:
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            body = f"<Error><Code>{error.response['Error']['Code']}</Code></Error>\n".encode()
            return error.response["ResponseMetadata"]["HTTPStatusCode"], {"content-type": "application/xml"}, body
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return HTTPStatus.OK, {name: headers[name] for name in _FROM_S3 if name in headers}, answer["Body"].read()

    def _forget_invalidated(self) -> None:
        pages = self._cloudfront.get_paginator("list_invalidations").paginate(DistributionId=self.distribution)
        ids = {item["Id"] for page in pages for item in page["InvalidationList"].get("Items", [])}
        for id_ in ids - self._known:
            self._known.add(id_)
            told = self._cloudfront.get_invalidation(DistributionId=self.distribution, Id=id_)["Invalidation"]
            for item in told["InvalidationBatch"]["Paths"].get("Items", []):
                for place in [place for place in self._cached if self.assumptions.names(item, place[0])]:
                    del self._cached[place]


class _EdgeServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # viewers may leave at any time
            super().handle_error(request, client_address)


@contextmanager
def edge_served(cache: EdgeCache, port: int = 0) -> Iterator[EdgeCache]:
    """Serve a cache on loopback, on any free port if ``port`` is 0, and set its ``url``. Raises ConfigurationError."""
    check_port(port)

    class Viewer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Not self.path: the server takes the second of two slashes at its beginning away.
            url = self.requestline.split(" ")[1]
            try:
                status, headers, body = cache.answer(url, {name.lower(): text for name, text in self.headers.items()})
            except (BotoCoreError, ClientError, UnicodeEncodeError) as error:  # as for a key that cannot be
                status, headers, body = HTTPStatus.BAD_GATEWAY, {}, f"{error}\n".encode()
            self.send_response(status)
            for name, text in (headers | {"content-length": str(len(body))}).items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with _EdgeServer(("127.0.0.1", port), Viewer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        cache.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield cache
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def edges_served(distributions: Iterable[str], port: int = 0) -> Iterator[list[EdgeCache]]:
    """Serve an edge of each distribution, on this port and those after it, or on any free ones if ``port`` is 0."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(edge_served(EdgeCache(distribution), port and port + number))
            for number, distribution in enumerate(distributions)
        ]
