"""A host of the internet on loopback: a proxy that answers in its place, over TLS, with a certificate in its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.doubles.loopback import Quiet, serving


@contextmanager
def in_place_of(host: str, handler: type[Quiet], folder: Path) -> Iterator[dict[str, str]]:
    """Serve ``https://host``. Yield the variables with which a process goes to this server, and trusts it."""
    certificate = _certificate(host, folder)
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    class Proxy(handler):  # type: ignore[misc, valid-type]  # its base is chosen by the caller
        def do_CONNECT(self) -> None:
            assert self.path == f"{host}:443"
            self.send_response(200)
            self.end_headers()
            with tls.wrap_socket(self.request, server_side=True) as inside:
                self.rfile, self.wfile = inside.makefile("rb"), inside.makefile("wb", 0)
                self.handle_one_request()
                self.rfile.close()
                self.wfile.close()
            self.rfile = self.wfile = BytesIO()  # type: ignore[assignment]  # the server flushes and closes them once more

    with serving(Proxy) as address:
        yield {"https_proxy": f"http://{address}", "SSL_CERT_FILE": str(certificate)}


def _certificate(host: str, folder: Path) -> Path:
    """Write a key, and a certificate for a host that signs itself, to a file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, usage = datetime.now(UTC), [True, False, False, False, False, True, True, False, False]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{host[:40]}.pem"
    file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(encoding)
    )
    return file
