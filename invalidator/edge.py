"""The only request to an edge: one GET of a URL, as viewers send it, of which the body is left there."""

import re
from collections.abc import Iterable
from http.client import HTTPException, RemoteDisconnected
from ipaddress import ip_address
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError
from typing import Final
from urllib.error import URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from invalidator import __version__
from invalidator.errors import ConfigurationError, EdgeError
from invalidator.freshness import Served, served

_SECONDS: Final = 10.0
# What most viewers ask for is compressed. Nothing here makes a cache look elsewhere than for them.
_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, br",
    "User-Agent": f"Mozilla/5.0 (compatible; invalidator/{__version__})",
}
_TOLD: Final[dict[type[Exception], str]] = {
    gaierror: "its host is not known (check the name, and the connection)",
    TimeoutError: f"there was no answer within {_SECONDS:.0f} s",
    ConnectionRefusedError: "the connection was refused (check host and port)",
    RemoteDisconnected: "it closed the connection without an answer",
}


def check_url(text: str) -> str:
    """The URL as it is asked for, without its fragment. Raises ConfigurationError, with what may have been meant."""
    expected = "https://… or http://…, as viewers have it"
    if not text.isprintable():
        raise ConfigurationError(f"--url: {text!r} is not a URL: it has characters that cannot be in one")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    if not scheme and (rest := re.match(r"(?:https?:/*|//)?([^/:\s].*)", text.strip())):
        expected = f"https://{rest[1]}"
    if not scheme or scheme[1].lower() not in {"https", "http"}:
        raise ConfigurationError(f"--url: {text!r} is not what it should be: {expected}")
    try:
        parts = urlsplit(text)
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
        well_formed = parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError as error:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {error}") from error
    if "@" in host:  # which is not shown, since it may be a password
        raise ConfigurationError("--url: it is not what it should be: no user and no password before the host")
    asked, spelt = (
        urlunsplit((parts.scheme, *more, ""))
        for more in (
            (parts.netloc, parts.path or "/", parts.query),
            (host, _encoded(parts.path or "/"), _encoded(parts.query)),
        )
    )
    if spelt != asked:
        raise ConfigurationError(f"--url: {text!r} is not what it should be: {spelt}")
    if not well_formed:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {host!r} is not the name of a host")
    return spelt


def ask(url: str) -> Served:
    """What the edge answers; no redirect is followed. Raises EdgeError if it does not answer."""
    opener = _opener((ProxyHandler(), HTTPHandler(), HTTPSHandler()))
    try:
        with opener.open(Request(url, headers=_HEADERS), timeout=_SECONDS) as answer:  # noqa: S310 checked above
            return served(answer.status, {name.lower(): value for name, value in reversed(answer.headers.items())})
    except (OSError, HTTPException, ValueError) as error:
        raise EdgeError(f"{url} cannot be asked: {_explained(error)}") from error


def _opener(handlers: Iterable[ProxyHandler | HTTPHandler | HTTPSHandler]) -> OpenerDirector:
    """Opens HTTP alone, through the proxies of the machine, and returns every answer, whatever its status."""
    opener = OpenerDirector()
    opener.addheaders = []
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _explained(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message} (is the host a name that the distribution has?)"
    if isinstance(cause, SSLError):
        return f"TLS failed: {cause.reason or cause} (does it speak https there?)"
    for kind, told in _TOLD.items():
        if isinstance(cause, kind):
            return told
    if isinstance(cause, HTTPException | ValueError):
        return f"it answers with what is no HTTP: {type(cause).__name__} {str(cause)!r:.200}"
    return str(getattr(cause, "strerror", None) or cause)


def _encoded(text: str) -> str:
    """As browsers send it: what is encoded stays so, and what has no place in a URL becomes so."""
    return quote(text, safe="!$%&'()*+,/:;=?@[]^|~")


def _is_host(name: str) -> bool:
    try:
        return bool(re.fullmatch(r"(?!-)[A-Za-z0-9_.-]{1,253}", name)) or bool(ip_address(name))
    except ValueError:
        return False
