"""Hosts of the internet on loopback: a proxy that answers in their place, over TLS, with a certificate of theirs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.doubles.loopback import Quiet, serving


@contextmanager
def in_place_of(hosts: Mapping[str, type[Quiet]], folder: Path) -> Iterator[dict[str, str]]:
    """Serve ``https://host`` for each host. Yield the variables with which a process goes to them, and trusts them.

    As with AWS, a connection is kept for the next request, and a process trusts all authorities that the SDK brings:
    to read their certificates takes most of the time of a first connection.
    """
    certificate, trusted = _certificate(hosts, folder), folder / "trusted.pem"
    trusted.write_bytes((Path(botocore.__file__).parent / "cacert.pem").read_bytes() + certificate.read_bytes())
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    kept = {host: type("Kept", (handler,), _KEPT) for host, handler in hosts.items()}

    class Proxy(Quiet):
        def do_CONNECT(self) -> None:
            host, _, port = self.path.partition(":")
            assert port == "443"
            assert host in kept, f"nobody answers in place of {host}"
            self.send_response(200)
            self.end_headers()
            with tls.wrap_socket(self.request, server_side=True) as inside:
                kept[host](inside, self.client_address, self.server)
            self.close_connection = True

    with serving(Proxy) as address:
        yield {"https_proxy": f"http://{address}", "SSL_CERT_FILE": str(trusted), "AWS_CA_BUNDLE": str(trusted)}


# Headers and body are two writes, and the second must not wait for the first to be acknowledged.
_KEPT = {"protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True}


def _certificate(hosts: Iterable[str], folder: Path) -> Path:
    """Write a certificate for hosts that signs itself, and its key, to a file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, usage = datetime.now(UTC), [True, False, False, False, False, True, True, False, False]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(encoding)
    )
    return file
