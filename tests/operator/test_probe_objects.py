"""Probes are removed whatever happens: from buckets with and without versions, and where S3 refuses something."""

from typing import Any

import pytest
from botocore.validate import validate_parameters

from invalidator.errors import ObjectError
from invalidator.operator.probe_objects import ProbeObjects, WrittenProbe
from tests.doubles.sdk import client_error, operation_model


class Bucket:
    """An S3 in memory: the versions of each key, newest last; None is a delete marker."""

    def __init__(self, *, versioned: bool) -> None:
        self.versioned, self.refuses = versioned, set[str]()
        self.versions: dict[str, dict[str, str | None]] = {"other/key": {"null": "x"}}
        self.answers = True
        self.number = 0

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        validate_parameters(arguments, operation_model("s3", "PutObject").input_shape)
        if "put" in self.refuses:
            raise client_error("PutObject", "AccessDenied", 403)
        version = self._write(arguments["Key"], arguments["Body"].decode())
        if not self.answers:
            raise KeyboardInterrupt
        return {"ETag": f'"{self.number}"'} | ({"VersionId": version} if self.versioned else {})

    def delete_objects(self, **arguments: Any) -> dict[str, Any]:
        validate_parameters(arguments, operation_model("s3", "DeleteObjects").input_shape)
        if "delete" in self.refuses:
            raise client_error("DeleteObjects", "AccessDenied", 403)
        return {"Errors": [error for one in arguments["Delete"]["Objects"] if (error := self._delete(**one))]}

    def _write(self, key: str, body: str | None) -> str:
        self.number += 1
        version = f"v{self.number}" if self.versioned else "null"
        self.versions.setdefault(key, {})[version] = body
        return version

    def _delete(self, Key: str, VersionId: str = "") -> dict[str, str] | None:  # noqa: N803 as S3 has it
        if {Key, "versions" if VersionId else ""} & self.refuses:
            named = {"Key": Key} | ({"VersionId": VersionId} if VersionId else {})
            return named | {"Code": "AccessDenied", "Message": "Access Denied"}
        if VersionId or not self.versioned:
            self.versions.get(Key, {}).pop(VersionId or "null", None)
        else:
            self._write(Key, None)
        return None

    @property
    def visible(self) -> set[str]:
        return {key for key, versions in self.versions.items() if versions and list(versions.values())[-1] is not None}


def written(bucket: Bucket) -> ProbeObjects:
    probes = ProbeObjects(bucket, "origin", "p/")
    assert probes.put("p/a") != probes.put("p/b") != probes.put("p/a")
    return probes


@pytest.mark.parametrize("versioned", [True, False])
def test_everything_that_was_written_is_removed_and_nothing_else(*, versioned: bool) -> None:
    bucket = Bucket(versioned=versioned)
    assert written(bucket).remove() == {}
    assert {key: versions for key, versions in bucket.versions.items() if versions} == {"other/key": {"null": "x"}}


def test_nothing_is_written_outside_the_prefix() -> None:
    bucket = Bucket(versioned=False)
    with pytest.raises(ObjectError, match="'other/key' is not below 'p/'"):
        ProbeObjects(bucket, "origin", "p/").put("other/key")
    assert bucket.versions == {"other/key": {"null": "x"}}


@pytest.mark.parametrize("versioned", [True, False])
def test_a_call_that_was_cut_off_leaves_nothing_that_viewers_see(*, versioned: bool) -> None:
    bucket = Bucket(versioned=versioned)
    probes = written(bucket)
    bucket.answers = False
    with pytest.raises(KeyboardInterrupt):
        probes.put("p/c")
    assert probes.remove() == {}
    assert bucket.visible == {"other/key"}


def test_a_call_that_s3_refuses_names_the_permission() -> None:
    bucket = Bucket(versioned=False)
    bucket.refuses = {"put", "delete"}
    probes = ProbeObjects(bucket, "origin", "p/")
    with pytest.raises(
        ObjectError, match=r"'p/a' in bucket 'origin' cannot be written: AccessDenied.*grant s3:PutObject"
    ):
        probes.put("p/a")
    assert probes.remove() == {}


def test_without_the_right_to_remove_versions_they_are_hidden_and_told_of() -> None:
    bucket = Bucket(versioned=True)
    bucket.refuses = {"versions"}
    left = written(bucket).remove()
    assert bucket.visible == {"other/key"}
    assert left == {
        WrittenProbe(key, id_): "AccessDenied" for key, id_ in (("p/a", "v1"), ("p/b", "v2"), ("p/a", "v3"))
    }


def test_what_cannot_be_removed_is_named_with_the_reason() -> None:
    bucket = Bucket(versioned=False)
    probes = written(bucket)
    bucket.refuses = {"p/b"}
    assert probes.remove() == {WrittenProbe("p/b"): "AccessDenied"}
    assert bucket.visible == {"other/key", "p/b"}
    bucket.refuses = {"delete"}
    left = probes.remove()
    assert set(left) == {WrittenProbe("p/a"), WrittenProbe("p/b")}
    (why,) = set(left.values())
    assert why.startswith("bucket 'origin': AccessDenied")
    assert "grant s3:DeleteObject on this object, and s3:DeleteObjectVersion on its versions," in why


def test_nothing_written_takes_no_call() -> None:
    bucket = Bucket(versioned=False)
    bucket.refuses = {"delete"}
    assert ProbeObjects(bucket, "origin", "p/").remove() == {}
