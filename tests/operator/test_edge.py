"""The request to an edge: as viewers send it, and what becomes of all that may come back."""

import socket
import threading
from collections.abc import Iterator
from http.client import BadStatusLine
from pathlib import Path
from socketserver import BaseRequestHandler
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLError
from urllib.error import URLError
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.serving import make_ssl_devcert

from invalidator.errors import ConfigurationError, EdgeError
from invalidator.operator.edge import _reason, address_of, ask, check_url
from invalidator.operator.freshness import EdgeAnswer
from invalidator.workers import within
from tests.doubles import strategies as make
from tests.doubles.loopback import Quiet, answering, ok, serving


class Recording(Quiet):
    """Answers with a redirect to itself, and keeps what it was asked."""

    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(301)
        self.send_header("Location", "/b")
        self.send_header("ETag", '"a"')
        self.send_header("ETag", '"b"')
        self.end_headers()


@pytest.fixture
def recording() -> Iterator[str]:
    Recording.asked = []
    with serving(Recording) as address:
        yield address


# --- the request ----------------------------------------------------------------------------------------


def test_it_is_asked_once_as_viewers_ask_and_no_redirect_is_followed(recording: str) -> None:
    assert ask(f"http://{recording}/a%20b?x=%2F") == EdgeAnswer(301, '"a"', location="/b")
    ((path, headers),) = Recording.asked
    assert path == "/a%20b?x=%2F"
    assert set(headers) == {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert headers["accept-encoding"] == "gzip, br"


def test_the_edge_at_an_address_is_asked_for_the_host_of_the_url(recording: str) -> None:
    host, _, port = recording.partition(":")
    assert ask(f"http://Edge.invalid:{port}/a", address=host).status == 301
    assert Recording.asked[0][1]["host"] == f"Edge.invalid:{port}"
    assert address_of(f"http://localhost:{port}/") == host
    assert address_of("http://edge.invalid/") == ""


def test_a_proxy_of_the_machine_is_asked(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{recording}")
    assert ask("http://www.example.com/a").status == 301
    assert ask("http://www.example.com/a", address="127.0.0.2").status == 301
    assert [path for path, _ in Recording.asked] == ["http://www.example.com/a"] * 2


def test_the_body_is_left_where_it_is() -> None:
    class Endless(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nETag: "a"\r\n\r\n')
            self.request.recv(1)  # until the other side closes the connection

    with serving(Endless) as address:
        assert ask(f"http://{address}/") == EdgeAnswer(200, '"a"')


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, SSLContext]:
    """A certificate for localhost that nobody trusts, and a server's context with it."""
    file, key = make_ssl_devcert(str(tmp_path / "server"), "localhost")
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file, key)
    return file, tls


def test_a_certificate_that_nobody_trusts_is_refused(certificate: tuple[str, SSLContext]) -> None:
    with (
        serving(Recording, certificate[1]) as address,
        pytest.raises(EdgeError, match="its certificate is not valid: "),
    ):
        ask(f"https://{address}/")


def test_a_certificate_that_is_trusted_is_accepted_for_its_own_host(
    certificate: tuple[str, SSLContext], recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with serving(Recording, certificate[1]) as address:
        named = f"https://{address.replace('127.0.0.1', 'localhost')}/"
        assert ask(named).status == ask(named, address="127.0.0.1").status == 301
        with pytest.raises(EdgeError, match="certificate is not valid for '127"):
            ask(f"https://{address}/")


def test_https_that_is_not_spoken_is_said_to_be_so() -> None:
    with (
        answering(ok(b"")) as url,
        pytest.raises(EdgeError, match=r"TLS failed: .* \(check that the server speaks HTTPS there\)"),
    ):
        ask(url.replace("http", "https"))


# --- the answer -----------------------------------------------------------------------------------------


@make.times(0.5)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda more: b"HTTP/1.1 200 OK\r\n" + more))
@example(b"")
@example(b"\x1b[31m\r\n\r\n")
@example(b"HTTP/1.1 \x1b[31m OK\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n")
@example(b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n")
def test_whatever_comes_back_is_an_answer_or_a_sentence(answer: bytes) -> None:
    with answering(answer) as url:
        told = f"{url} cannot be fetched: "
        try:
            assert ask(url).status in range(1_000)
        except EdgeError as error:
            told = str(error)
        assert told.startswith(f"{url} cannot be fetched: ")
        assert told.isprintable()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "its host is not known (check its name, and your connection)",
        ),
        (TimeoutError("timed out"), "there was no answer within 10 s"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (SSLError(1, "odd"), "TLS failed: odd (check that the server speaks HTTPS there)"),
        (OSError("Tunnel connection failed: 403 Forbidden"), "Tunnel connection failed: 403 Forbidden"),
        (BadStatusLine("x"), "its answer is not HTTP: BadStatusLine 'x'"),
    ],
)
def test_what_keeps_it_from_answering_is_said_in_a_sentence(error: Exception, told: str) -> None:
    assert _reason(error, 10.0) == told
    assert not isinstance(error, OSError) or _reason(URLError(error), 10.0) == told


def test_what_hangs_is_given_up_in_time() -> None:
    class Hanging(BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65_536):  # until the other side closes the connection
                pass

    with serving(Hanging) as address, pytest.raises(EdgeError, match=r"there was no answer within 0\.05 s$"):
        ask(f"http://{address}/", 0.05)


def test_a_call_that_does_not_end_is_left_behind() -> None:
    end = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.01, end.wait)
    end.set()
    assert within(10.0, lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        within(10.0, lambda: 1 // 0)


@pytest.mark.parametrize("proxy", ["http:/x", "http://a:b", "http:/me:secret@x"])
def test_a_proxy_that_is_no_url_is_not_blamed_on_the_edge(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(
        EdgeError, match=r"the proxy of this machine is not a URL \(check http_proxy and https_proxy\)$"
    ) as caught:
        ask("http://www.example.com/a")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_answer_is_named_without_its_password(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:secret@127.0.0.1:{port}")
    url = f"{scheme}://www.example.com/a"
    told = (
        f"{url} cannot be fetched through the proxy 127.0.0.1:{port}: the connection was refused (check host and port)"
    )
    with pytest.raises(EdgeError) as caught:
        ask(url)
    assert str(caught.value) == told


def test_a_proxy_that_does_not_speak_http_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(EdgeError, match=r"through the proxy 127.0.0.1:9: unknown url type: socks5$"):
        ask("http://www.example.com/a")


def test_a_refused_connection_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(EdgeError, match=f"^http://127.0.0.1:{port}/ cannot be fetched: the connection was refused"):
        ask(f"http://127.0.0.1:{port}/")


# --- the URL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("HTTPS://example.com:8443/a//b/../c;d=e", "https://example.com:8443/a//b/../c;d=e"),
        ("http://[::1]:8080/%41%c3%A9+%2B?q=[1]|2#fragment", "http://[::1]:8080/%41%c3%A9+%2B?q=[1]|2"),
        ("https://example.com/red flower.jpg", "https://example.com/red%20flower.jpg"),
        ("https://example.com/é?ü", "https://example.com/%C3%A9?%C3%BC"),
        ("https://bücher.example:8443/", "https://xn--bcher-kva.example:8443/"),
        ("https://d111111abcdef8.cloudfront.net./a_b~c", "https://d111111abcdef8.cloudfront.net./a_b~c"),
    ],
)
def test_a_url_is_asked_as_it_is_but_for_its_fragment(text: str, asked: str) -> None:
    assert check_url(text) == asked


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("example.com/a", "https://example.com/a"),
        ("localhost:8080/a", "https://localhost:8080/a"),
        ("//example.com/a", "https://example.com/a"),
        ("https:/example.com/a", "https://example.com/a"),
        ("https:example.com", "https://example.com"),
        (" https://example.com/a", "https://example.com/a"),
    ],
)
def test_what_was_probably_meant_is_said(text: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_url(text)
    assert str(caught.value) == f"--url: {text!r} does not begin with https:// or http://: did you mean {meant!r}?"


@pytest.mark.parametrize("host", ["e..com", "-e.com", "e.com:0"])
def test_what_is_no_host_is_said_to_be_none(host: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_url(f"https://{host}/")
    assert str(caught.value) == f"--url: 'https://{host}/' is not a URL: {host!r} is not the name of a host"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "/a", "s3://b/a", "ftp://e.com/", "file:///etc/passwd", "https://", "https:///a", "https://e..com/"),
        *("https://e.com:x/", "https://e.com:99999/", "https://e.com:0/", "https://[::1/", "https://-e.com/"),
        *(
            "https://e.com/a\nb",
            "https://e.com/\udce9",
            "https://e.com/\x1b",
            f"https://{'e' * 64}.com/",
            "https://é..é",
        ),
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--url: ") as caught:
        check_url(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    ["https://me:secret@e.com/", "me:secret@e.com/a", "https://me:secret@e.com:x/", "ftp://me:secret@e.com:x/\n"],
)
def test_a_password_in_a_url_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="leave out the user and the password") as caught:
        check_url(text)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_what_is_made_of_a_url_is_one_of_which_the_same_is_made(text: str) -> None:
    for url in (text, f"https://{text}", f"https://e.com/{text}"):
        try:
            found = check_url(url)
        except ConfigurationError:
            continue
        assert check_url(found) == found
        assert found.isascii()
        assert urlsplit(found).hostname
