"""The only request to an edge: one GET of a URL, as viewers send it, whose body is not read."""

import re
import socket
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection, InvalidURL, RemoteDisconnected
from ipaddress import ip_address
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import SplitResult, quote, urlsplit
from urllib.request import HTTPHandler, OpenerDirector, ProxyHandler, Request, UnknownHandler

from invalidator import __version__
from invalidator.errors import ConfigurationError, EdgeError
from invalidator.operator.freshness import EdgeAnswer
from invalidator.workers import within

_SECONDS: Final = 10.0
"""Bound on the whole request, without the body of the answer."""
# As most viewers send them, so that a cache looks up the same object as for them: they accept compressed bodies.
_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, br",
    "User-Agent": f"Mozilla/5.0 (compatible; invalidator/{__version__})",
}
_HOST: Final = re.compile(r"(?=.{1,254}$)(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9_][a-z0-9_-]{0,62}\.?")
_REASONS: Final[dict[type[Exception], str]] = {
    gaierror: "its host is not known (check its name, and your connection)",
    TimeoutError: "there was no answer within {seconds:.2g} s",
    ConnectionRefusedError: "the connection was refused (check host and port)",
    RemoteDisconnected: "it closed the connection without an answer",
}


def check_url(text: str) -> str:
    """Return a URL as browsers request it: encoded where needed, but not twice, and without its fragment.

    Raises ConfigurationError, with a suggestion where there is one.
    """
    if re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?/*[^/?#]*@", text):  # not shown, since it may hold a password
        raise ConfigurationError("--url: leave out the user and the password before the host: they are not sent")
    if not text.isprintable():
        raise ConfigurationError(f"--url: {text!r} is not a URL: it has characters that no URL has")
    if not re.match("https?://", text, re.IGNORECASE):
        raise ConfigurationError(f"--url: {text!r} does not begin with https:// or http://{_suggested(text)}")
    try:
        url = urlsplit(text)._replace(fragment="")
        encoded = _encoded(url._replace(path=url.path or "/"))
        is_url = encoded.port != 0 and _is_host(encoded.hostname or "")
    except ValueError as error:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {error}") from error
    if not is_url:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {url.netloc!r} is not the name of a host")
    return encoded.geturl()


def address_of(url: str, seconds: float = _SECONDS) -> str:
    """Return the address of the edge nearest to here, to ask it again; empty if there is none without a proxy."""
    parts = urlsplit(url)

    def connect() -> str:
        place = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection(place, timeout=seconds) as connection:
            return str(connection.getpeername()[0])

    with suppress(OSError):
        return within(seconds, connect)
    return ""


def ask(url: str, seconds: float = _SECONDS, address: str = "") -> EdgeAnswer:
    """Return the answer of an edge to one GET, of the one at this ``address`` if there is no proxy before it.

    Follows no redirect. Raises EdgeError if there is no answer within ``seconds``, at most 10.
    """
    request = Request(url, headers=_HEADERS)  # noqa: S310 check_url has checked it
    host, seconds = request.host, min(seconds, _SECONDS)

    def call() -> EdgeAnswer:
        with _opener(urlsplit(url).hostname or "", address).open(request, timeout=seconds) as answer:
            return EdgeAnswer.read(
                answer.status, {name.lower(): value for name, value in reversed(answer.headers.items())}
            )

    try:
        # The timeout of a socket is for each read, of which there may be many, and the lookup of a host has none.
        return within(seconds, call)
    except (OSError, HTTPException, ValueError) as error:
        # ProxyHandler puts the proxy in the place of the host, without its password.
        through = f" through the proxy {request.host}" if request.host != host else ""
        raise EdgeError(f"{url} cannot be fetched{through}: {_reason(error, seconds)}") from error


def _opener(host: str, address: str) -> OpenerDirector:
    """Return an opener for HTTP alone, through the proxies of the machine, that takes every status for an answer."""
    opener = OpenerDirector()
    opener.addheaders = []
    for handler in (ProxyHandler(), _Connecting(host, address), UnknownHandler()):
        opener.add_handler(handler)
    return opener


class _Connecting(HTTPHandler):
    """Makes connections; those to a host, to its address. TLS and HTTP still name the host."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__()
        self._host, self._address = host, address

    def http_open(self, req: Request) -> Any:
        return self.do_open(partial(self._connect, HTTPConnection), req)

    def https_open(self, req: Request) -> Any:
        return self.do_open(partial(self._connect, HTTPSConnection), req)

    https_request = HTTPHandler.http_request

    def _connect(self, kind: Any, place: str, **options: Any) -> Any:
        connection = kind(place, **options)
        if self._address and connection.host.lower() == self._host:
            at = (self._address, connection.port)
            connection._create_connection = lambda _, *rest: socket.create_connection(at, *rest)  # noqa: SLF001
        return connection


def _reason(error: Exception, seconds: float) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message} (check that the distribution has this host name)"
    if isinstance(cause, SSLError):
        return f"TLS failed: {getattr(cause, 'reason', None) or cause} (check that the server speaks HTTPS there)"
    for kind, reason in _REASONS.items():
        if isinstance(cause, kind):
            return reason.format(seconds=seconds)
    if isinstance(cause, InvalidURL | ValueError):  # the proxy, not shown since it may hold a password: url is valid
        return "the proxy of this machine is not a URL (check http_proxy and https_proxy)"
    if isinstance(cause, HTTPException):
        return f"its answer is not HTTP: {type(cause).__name__} {str(cause)!r:.200}"
    return str(getattr(cause, "strerror", None) or cause)


def _suggested(text: str) -> str:
    """Return the end of a sentence about a text without https://, with a suggestion; empty if there is none."""
    rest = re.match(r"(?:https?:/*|//)?([^/:\s].*)", text.strip())
    if rest is None or re.match("[a-z0-9]+://", rest[1]):  # s3://…
        return ""
    meant = f"https://{rest[1]}"
    try:
        check_url(meant)
    except ConfigurationError:
        return ""
    return f": did you mean {meant!r}?"


def _encoded(url: SplitResult) -> SplitResult:
    """Encode the characters that cannot be in a URL, as browsers do, and leave alone what is encoded already."""
    host = url.netloc if url.netloc.isascii() else url.netloc.encode("idna").decode()
    path, query = (quote(part, safe="!$%&'()*+,/:;=?@[]^|~") for part in (url.path, url.query))
    return url._replace(netloc=host, path=path, query=query)


def _is_host(name: str) -> bool:
    try:
        return _HOST.fullmatch(name) is not None or bool(ip_address(name))
    except ValueError:
        return False
