"""The only request to an edge: one GET of a URL, as viewers send it, of which the body is left there."""

import re
from http.client import HTTPException, InvalidURL, RemoteDisconnected
from ipaddress import ip_address
from socket import gaierror
from ssl import SSLCertVerificationError, SSLError
from typing import Final
from urllib.error import URLError
from urllib.parse import SplitResult, quote, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, UnknownHandler

from invalidator import __version__
from invalidator.errors import ConfigurationError, EdgeError
from invalidator.operator.freshness import EdgeAnswer, served
from invalidator.workers import within

_SECONDS: Final = 10.0
"""Within which all of an answer but its body has to be there."""
# What most viewers ask for is compressed. Nothing here makes a cache look elsewhere than for them.
_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, br",
    "User-Agent": f"Mozilla/5.0 (compatible; invalidator/{__version__})",
}
_HOST: Final = re.compile(r"(?=.{1,254}$)(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9_][a-z0-9_-]{0,62}\.?")
_TOLD: Final[dict[type[Exception], str]] = {
    gaierror: "its host is not known (check the name, and the connection)",
    TimeoutError: "there was no answer within {seconds:.2g} s",
    ConnectionRefusedError: "the connection was refused (check host and port)",
    RemoteDisconnected: "it closed the connection without an answer",
}


def check_url(text: str) -> str:
    """The URL as browsers ask for it: encoded where it has to be, nothing twice, and without its fragment.

    Raises ConfigurationError, with what may have been meant.
    """
    if re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?/*[^/?#]*@", text):  # which is not shown, for the password
        raise ConfigurationError("--url: leave out the user and the password before the host: they are not sent")
    if not text.isprintable():
        raise ConfigurationError(f"--url: {text!r} is not a URL: it has characters that cannot be in one")
    if not re.match("https?://", text, re.IGNORECASE):
        raise ConfigurationError(f"--url: {text!r} does not begin with https:// or http://{_suggested(text)}")
    try:
        url = urlsplit(text)._replace(fragment="")
        spelt = _spelt(url._replace(path=url.path or "/"))
        is_url = spelt.port != 0 and _is_host(spelt.hostname or "")
    except ValueError as error:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {error}") from error
    if not is_url:
        raise ConfigurationError(f"--url: {text!r} is not a URL: {url.netloc!r} is not the name of a host")
    return spelt.geturl()


def ask(url: str, seconds: float = _SECONDS) -> EdgeAnswer:
    """What the edge answers; no redirect is followed.

    Raises EdgeError if it does not within ``seconds``, and within 10 in any case.
    """
    request = Request(url, headers=_HEADERS)  # noqa: S310 checked above
    host, seconds = request.host, min(seconds, _SECONDS)

    def call() -> EdgeAnswer:
        with _opener().open(request, timeout=seconds) as answer:
            return served(answer.status, {name.lower(): value for name, value in reversed(answer.headers.items())})

    try:
        # A socket's own timeout is that of each read, of which there may be many, and looking up a host has none.
        return within(seconds, call)
    except (OSError, HTTPException, ValueError) as error:
        # The handler of proxies has put theirs in the place of the host, and has taken the password out.
        through = f" through the proxy {request.host}" if request.host != host else ""
        raise EdgeError(f"{url} cannot be asked{through}: {_explained(error, seconds)}") from error


def _opener() -> OpenerDirector:
    """Opens HTTP alone, through the proxies of the machine, and returns every answer, whatever its status."""
    opener = OpenerDirector()
    opener.addheaders = []
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), UnknownHandler()):
        opener.add_handler(handler)
    return opener


def _explained(error: Exception, seconds: float) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message} (is the host a name that the distribution has?)"
    if isinstance(cause, SSLError):
        return f"TLS failed: {getattr(cause, 'reason', None) or cause} (does it speak https there?)"
    for kind, told in _TOLD.items():
        if isinstance(cause, kind):
            return told.format(seconds=seconds)
    if isinstance(cause, InvalidURL | ValueError):  # the URL itself is checked before
        return "the proxy of this machine is no URL (check http_proxy and https_proxy)"  # which may have a password
    if isinstance(cause, HTTPException):
        return f"it answers with what is no HTTP: {type(cause).__name__} {str(cause)!r:.200}"
    return str(getattr(cause, "strerror", None) or cause)


def _suggested(text: str) -> str:
    """What may be meant by a text that does not begin as it should; nothing if that would not be taken, either."""
    rest = re.match(r"(?:https?:/*|//)?([^/:\s].*)", text.strip())
    if rest is None or re.match("[a-z0-9]+://", rest[1]):  # s3://…
        return ", as what viewers ask for does"
    meant = f"https://{rest[1]}"
    try:
        check_url(meant)
    except ConfigurationError:
        return ""
    return f": did you mean {meant!r}?"


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
