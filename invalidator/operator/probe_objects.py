"""The only calls that write objects: those of ``prove``, under a prefix of its own."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol, Self

from invalidator.aws import sdk
from invalidator.errors import ObjectError

_SECONDS_CACHED: Final = 3_600
"""Longer than a proof takes."""


class _Client(Protocol):
    """The part of an SDK client that is used here."""

    def put_object(self, **arguments: Any) -> Any:
        """Write an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html."""

    def delete_objects(self, **arguments: Any) -> Any:
        """Remove objects or versions: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""


class WrittenProbe(NamedTuple):
    """An object or, with its id, a version of one."""

    key: str
    version: str = ""

    @property
    def identifier(self) -> dict[str, str]:
        """The name of it in a request."""
        return {"Key": self.key} | ({"VersionId": self.version} if self.version else {})


class ProbeObjects:
    """Writes objects below a prefix, and removes all that it wrote, versions included."""

    def __init__(self, client: _Client, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self._tried: list[str] = []
        self._written: list[WrittenProbe] = []

    @classmethod
    def connect(cls, bucket: str, prefix: str) -> Self:
        """Connect to S3 as the SDK is configured. Raises ConfigurationError if that cannot be used."""
        return cls(sdk.client("s3", attempts=3), bucket, prefix)

    @property
    def has_written(self) -> bool:
        """True if something may have been written."""
        return bool(self._tried)

    def put(self, key: str) -> str:
        """Write an object that no call has written before, and return its ETag. Raises ObjectError."""
        if not key.startswith(self._prefix):
            raise ObjectError(f"{key!r} is not below {self._prefix!r}: it was not written")
        self._tried.append(key)  # before it is written: nobody knows about a call that was cut off
        with sdk.raising(ObjectError, f"{key!r} in bucket {self._bucket!r} cannot be written"):
            answer = self._put(key, f"Probe {len(self._tried)} of invalidator: it can be deleted.\n")
            self._written.append(WrittenProbe(key, answer.get("VersionId", "")))
            return str(answer["ETag"])

    def _put(self, key: str, body: str) -> Any:
        how = {"ContentType": "text/plain", "CacheControl": f"max-age={_SECONDS_CACHED}"}
        try:
            return self._client.put_object(Bucket=self._bucket, Key=key, Body=body.encode(), **how)
        except sdk.ERRORS as error:
            if sdk.code_of(error) and not sdk.is_passing(error):
                self._tried.pop()  # there is nothing to remove
            raise

    def remove(self) -> dict[WrittenProbe, str]:
        """Remove everything. Returns what is left, with the reasons, and raises nothing.

        If S3 does not remove a version, a delete marker hides it.
        """
        left = self._delete([one for one in self._written if one.version])
        # A call that was cut off may have written a version whose id is not known.
        known = Counter(one.key for one in self._written if one.version)
        unsure = [key for key, times in Counter(self._tried).items() if times > known[key]]
        return left | self._delete([WrittenProbe(key) for key in dict.fromkeys([*unsure, *(one.key for one in left)])])

    def _delete(self, written: Sequence[WrittenProbe]) -> dict[WrittenProbe, str]:
        """Remove objects and versions, and return those that are left, with the reasons."""
        if not written:
            return {}
        wanted = {"Objects": [one.identifier for one in written], "Quiet": True}
        try:
            with sdk.raising(ObjectError, f"bucket {self._bucket!r}"):
                answer = self._client.delete_objects(Bucket=self._bucket, Delete=wanted)
                errors = answer.get("Errors", ())
                return {WrittenProbe(error["Key"], error.get("VersionId", "")): error["Code"] for error in errors}
        except ObjectError as error:
            return dict.fromkeys(written, str(error))
