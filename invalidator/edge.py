"""The only request to an edge: one GET of a URL, as viewers send it, of which the body is left there."""

import re
from http.client import HTTPException, InvalidURL, RemoteDisconnected
from ipaddress import ip_address
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError
from typing import Final
from urllib.error import URLError
from urllib.parse import SplitResult, quote, urlsplit
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
_HOST: Final = re.compile(r"(?=.{1,254}$)(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9_][a-z0-9_-]{0,62}\.?")
_TOLD: Final[dict[type[Exception], str]] = {
    gaierror: "its host is not known (check the name, and the connection)",
    TimeoutError: f"there was no answer within {_SECONDS:.0f} s",
    ConnectionRefusedError: "the connection was refused (check host and port)",
    RemoteDisconnected: "it closed the connection without an answer",
}


def check_url(text: str) -> str:
    """The URL as it is asked for, without its fragment. Raises ConfigurationError, with what may have been meant."""
    if re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?/*[^/?#]*@", text):  # which is not shown, for the password
        raise ConfigurationError("--url: it is not what it should be: no user and no password before the host")
    if not text.isprintable():
        raise ConfigurationError(f"--url: {text!r} is not a URL: it has characters that cannot be in one")
    if not re.match("https?://", text, re.IGNORECASE):
        raise ConfigurationError(f"--url: {text!r} is not what it should be: {_with_scheme(text)}")
    try:
        url = urlsplit(text)._replace(fragment="")
        url = url._replace(path=url.path or "/")
        spelt = _spelt(url)
        is_url = url.port != 0 and _is_host(spelt.hostname or "")
    except ValueError as error:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {error}") from error
    if spelt != url:
        raise ConfigurationError(f"--url: {text!r} is not what it should be: {spelt.geturl()}")
    if not is_url:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {url.netloc!r} is not the name of a host")
    return url.geturl()


def ask(url: str) -> Served:
    """What the edge answers; no redirect is followed. Raises EdgeError if it does not answer."""
    try:
        with _opener().open(Request(url, headers=_HEADERS), timeout=_SECONDS) as answer:  # noqa: S310 checked above
            return served(answer.status, {name.lower(): value for name, value in reversed(answer.headers.items())})
    except (OSError, HTTPException, ValueError) as error:
        raise EdgeError(f"{url} cannot be asked: {_explained(error)}") from error


def _opener() -> OpenerDirector:
    """Opens HTTP alone, through the proxies of the machine, and returns every answer, whatever its status."""
    opener = OpenerDirector()
    opener.addheaders = []
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _explained(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message} (is the host a name that the distribution has?)"
    if isinstance(cause, SSLError):
        return f"TLS failed: {getattr(cause, 'reason', None) or cause} (does it speak https there?)"
    for kind, told in _TOLD.items():
        if isinstance(cause, kind):
            return told
    if isinstance(cause, InvalidURL | ValueError):  # the URL itself is checked before
        return f"the proxy of this machine is no URL: {str(cause)!r:.200} (check http_proxy and https_proxy)"
    if isinstance(cause, HTTPException):
        return f"it answers with what is no HTTP: {type(cause).__name__} {str(cause)!r:.200}"
    return str(getattr(cause, "strerror", None) or cause)


def _with_scheme(text: str) -> str:
    """What may be meant by a text that does not begin as it should."""
    rest = re.match(r"(?:https?:/*|//)?([^/:\s].*)", text.strip())
    if rest is None or re.match("[a-z0-9]+://", rest[1]):  # s3://…
        return "https://… or http://…, as viewers have it"
    return f"https://{rest[1]}"


def _spelt(url: SplitResult) -> SplitResult:
    """As browsers send it: what is encoded stays so, and what has no place in a URL becomes so."""
    host = url.netloc if url.netloc.isascii() else url.netloc.encode("idna").decode()
    path, query = (quote(part, safe="!$%&'()*+,/:;=?@[]^|~") for part in (url.path, url.query))
    return url._replace(netloc=host, path=path, query=query)


def _is_host(name: str) -> bool:
    try:
        return _HOST.fullmatch(name) is not None or bool(ip_address(name))
    except ValueError:
        return False
