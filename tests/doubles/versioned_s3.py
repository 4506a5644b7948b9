"""An S3 with versions and pages of any size, called as an SDK client with raw times, or over HTTP.

It lists as S3 does: keys by their UTF-8, versions of a key from the newest to the oldest, times in whole seconds,
delete markers apart, and names encoded for XML. (moto does not encode names in lists of versions, and loses the
first version after a marker that is no key.)
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote_plus, unquote
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from tests.doubles.loopback import Quiet, serving
from tests.doubles.sdk import client_error, operation_model

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Stored(NamedTuple):
    """A version or, without a body, a delete marker."""

    key: str
    version: str
    modified: datetime
    body: bytes | None
    headers: dict[str, Any]
    storage: str = "STANDARD"


@dataclass
class VersionedS3:
    """Buckets by name, each with its versions in the order of writing."""

    buckets: dict[str, list[Stored]] = field(default_factory=lambda: {"origin": []})
    page: int = 1_000
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # The error of every call of an operation; the errors of the next calls, in order: None lets a call through.
    broken: dict[str, tuple[str, int]] = field(default_factory=dict)
    faults: deque[tuple[str, int] | None] = field(default_factory=deque)
    _ids: Iterator[int] = field(default_factory=count)

    def write(
        self,
        key: str,
        body: bytes | None,
        modified: datetime = NOW,
        bucket: str = "origin",
        version: str = "",
        storage: str = "STANDARD",
        **headers: Any,
    ) -> str:
        """Write a version or, without a body, a delete marker. Return its id."""
        version = version or f"v{next(self._ids)}"
        self.buckets[bucket].append(Stored(key, version, modified, body, headers, storage))
        return version

    def erase(self, version: str, bucket: str = "origin") -> None:
        """Delete a version."""
        self.buckets[bucket] = [stored for stored in self.buckets[bucket] if stored.version != version]

    def made(self, operation: str) -> list[dict[str, Any]]:
        """Return the arguments of all calls of an operation."""
        return [arguments for name, arguments in self.calls if name == operation]

    def _begin(self, operation: str, arguments: dict[str, Any]) -> list[Stored]:
        validate_parameters(arguments, operation_model("s3", operation).input_shape)
        self.calls.append((operation, arguments))
        fault = (self.faults.popleft() if self.faults else None) or self.broken.get(operation)
        if fault:
            raise client_error(operation, *fault)
        if arguments["Bucket"] not in self.buckets:
            raise client_error(operation, "NoSuchBucket", 404)
        return self.buckets[arguments["Bucket"]]

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        """Return a page of keys."""
        latest = {stored.key: stored for stored in self._begin("ListObjectsV2", arguments)}
        after = bytes.fromhex(arguments.get("ContinuationToken", "")).decode()
        keys = [
            key
            for key in sorted(latest, key=str.encode)
            if key.startswith(arguments["Prefix"]) and key > after and latest[key].body is not None
        ]
        more = {"NextContinuationToken": keys[self.page - 1].encode().hex()} if len(keys) > self.page else {}
        listed = [{"Key": key, "LastModified": _written(latest[key].modified)} for key in keys[: self.page]]
        page = {"Contents": listed} if keys else {}
        return {"IsTruncated": bool(more), **more, **page}

    def list_object_versions(self, **arguments: Any) -> dict[str, Any]:
        """Return a page of versions and delete markers."""
        listed = self._begin("ListObjectVersions", arguments)
        newest_first = listed[::-1]
        newest_first.sort(key=lambda stored: stored.key.encode())
        found = [stored for stored in newest_first if stored.key.startswith(arguments["Prefix"])]
        found = list(_after(found, arguments.get("KeyMarker"), arguments.get("VersionIdMarker")))
        page, rest = found[: self.page], found[self.page :]
        more = {"NextKeyMarker": page[-1].key, "NextVersionIdMarker": page[-1].version} if rest else {}
        versions = [_described(stored) for stored in page if stored.body is not None]
        markers = [_named(stored) for stored in page if stored.body is None]
        lists = {"Versions": versions, "DeleteMarkers": markers}
        return {"IsTruncated": bool(rest), **more, **{name: items for name, items in lists.items() if items}}

    def head_object(self, **arguments: Any) -> dict[str, Any]:
        """Return the headers of a version."""
        for stored in self._begin("HeadObject", arguments):
            if (stored.key, stored.version) == (arguments["Key"], arguments["VersionId"]):
                return {"ContentType": "binary/octet-stream", "Metadata": {}, **stored.headers}
        raise client_error("HeadObject", "404", 404)


def _after(found: list[Stored], key: str | None, version: str | None) -> Iterator[Stored]:
    assert version != ""  # S3 refuses it
    assert key is not None or version is None
    assert len((key or "").encode()) <= 1_024
    passed = False
    for stored in found:
        if key is None or stored.key > key or passed:
            yield stored
        passed = passed or (stored.key, stored.version) == (key, version)


def _named(stored: Stored) -> dict[str, Any]:
    return {"Key": stored.key, "VersionId": stored.version, "LastModified": _written(stored.modified)}


def _written(modified: datetime) -> str:
    return f"{modified.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def _described(stored: Stored) -> dict[str, Any]:
    body = stored.body or b""
    etag = stored.headers.get("ETag") or f'"{md5(body, usedforsecurity=False).hexdigest()}"'
    return _named(stored) | {"ETag": etag, "Size": len(body), "StorageClass": stored.storage}


# --- over HTTP ------------------------------------------------------------------------------------------


@contextmanager
def serve(s3: VersionedS3) -> Iterator[str]:
    """Serve it on loopback. Yield the URL of the endpoint."""
    with serving(answering_with(s3)) as address:
        yield f"http://{address}"


def answering_with(s3: VersionedS3) -> type[Quiet]:
    """Return a handler of requests that answers as S3 does, with the bucket in the path or in the name of the host."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            given = dict(parse_qsl(query, keep_blank_values=True))
            assert given["encoding-type"] == "url"
            name = "ListObjectVersions" if "versions" in given else "ListObjectsV2"
            members = operation_model("s3", name).input_shape.members
            names = {shape.serialization.get("name"): member for member, shape in members.items()}
            arguments = {names[key]: value for key, value in given.items() if key in names}
            del arguments["EncodingType"]
            arguments["Bucket"] = unquote(path.strip("/")) or self.headers["Host"].partition(".")[0]
            status, body = 200, ""
            try:
                listing = s3.list_object_versions if name == "ListObjectVersions" else s3.list_objects_v2
                body = f"<Result><EncodingType>url</EncodingType>{_xml(listing(**arguments))}</Result>"
            except ClientError as refusal:
                status = refusal.response["ResponseMetadata"]["HTTPStatusCode"]
                body = f"<Error><Code>{refusal.response['Error']['Code']}</Code></Error>"
            self.respond(status, body.encode())

    return Handler


_ELEMENTS = {"Versions": "Version", "DeleteMarkers": "DeleteMarker"}
_ENCODED = {"Key", "NextKeyMarker"}


def _xml(content: dict[str, Any]) -> str:
    parts = []
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                text = _xml(item)
            elif isinstance(item, bool):
                text = str(item).lower()
            else:
                text = quote_plus(str(item), safe="/") if name in _ENCODED else escape(str(item))
            parts.append(f"<{_ELEMENTS.get(name, name)}>{text}</{_ELEMENTS.get(name, name)}>")
    return "".join(parts)
