"""The invalidation requests of s3cmd: the command itself runs against a server on loopback.

Its ``cfinval`` takes the changed objects and sends the requests that ``sync --cf-invalidate`` sends after an upload.
Two options decide if it clears index documents, their directories or both, provided that the bucket is a website.
It plans nothing: each path becomes an item.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Final, NamedTuple

from werkzeug.serving import make_ssl_devcert

from benchmarks.sites import INDEX
from tests.doubles.loopback import Quiet, serving

PATHS: Final = 999
"""Most paths that it sends."""
BUCKET: Final = "site"
WITH_INDEX: Final = "--cf-invalidate-default-index"
WITHOUT_DIRECTORY: Final = "--cf-no-invalidate-default-index-root"

_ANSWERS: Final = {
    "GET /2010-11-01/distribution": (
        "<DistributionList><IsTruncated>false</IsTruncated><DistributionSummary><Id>E1</Id><Enabled>true</Enabled>"
        f"<CustomOrigin><DNSName>{BUCKET}.s3-website-us-east-1.amazonaws.com</DNSName></CustomOrigin>"
        "</DistributionSummary></DistributionList>"
    ),
    "POST /2010-11-01/distribution/E1/invalidation": "<Invalidation><Id>I1</Id></Invalidation>",
    f"GET /{BUCKET}/?website": (
        f"<WebsiteConfiguration><IndexDocument><Suffix>{INDEX}</Suffix></IndexDocument></WebsiteConfiguration>"
    ),
    f"GET /{BUCKET}/?location": "<LocationConstraint/>",
}


class Requests(NamedTuple):
    """The items of each call to CreateInvalidation, and the error of s3cmd if it gave up."""

    calls: list[list[str]]
    refusal: str


def run(changed: Iterable[str], *options: str) -> Requests:
    """Invalidate these keys by s3cmd with these options. Raises OSError if it cannot be run."""
    command = Path(sysconfig.get_path("scripts")) / "s3cmd"
    objects = [f"s3://{BUCKET}/{key}" for key in changed]
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as (address, calls):
        config = _config(Path(folder), address)
        done = subprocess.run(
            [sys.executable, command, "--config", config, *options, "cfinval", *objects],
            env={"HOME": folder, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode and "Too many paths" not in done.stderr:
        raise OSError(f"s3cmd failed: {done.stderr or done.stdout}")
    return Requests(calls, done.stderr.strip().splitlines()[-1] if done.returncode else "")


def _config(folder: Path, address: str) -> Path:
    file = folder / "s3cfg"
    settings = {
        "access_key": "testing",
        "secret_key": "testing",
        "host_base": address,
        "host_bucket": address,
        "cloudfront_host": address,
        "check_ssl_certificate": False,  # the server's certificate was made just before
    }
    file.write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    return file


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Answer as S3 and CloudFront, over TLS, which s3cmd requires. Yield host and port, and the calls so far."""
    calls: list[list[str]] = []

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer(200)

        def do_POST(self) -> None:
            batch = ET.fromstring(self.body())  # noqa: S314 written by s3cmd
            calls.append([path.text or "" for path in batch.iter("Path")])
            self.answer(201)

        def answer(self, status: int) -> None:
            self.respond(status, _ANSWERS[f"{self.command} {self.path}"].encode())

    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*make_ssl_devcert(str(folder / "server"), "127.0.0.1"))
    with serving(Handler, tls) as address:
        yield address, calls
