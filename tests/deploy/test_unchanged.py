"""Zips of unchanged inputs are left as they are, and zips of changed ones never are."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.bundle import pinned_name
from deploy.unchanged import hash_inputs, is_sealed, seal
from tests.doubles.packaged import ROOT, Packages

DATA = {
    f"{name}.json{end}"
    for name in ("endpoints", "_retry", "partitions", "sdk-default-configuration")
    for end in ("", ".gz")
}
"""What there is to read for a program that calls no service."""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return two files, a with "1" and b with "2"."""
    made = [tmp_path / "a", tmp_path / "b"]
    for number, file in enumerate(made, 1):
        file.write_text(str(number))
    return made


def test_the_same_inputs_have_the_same_hash_in_any_order(files: list[Path]) -> None:
    assert hash_inputs(files, "3.13", "x") == hash_inputs(reversed(files), "3.13", "x")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_text("2"),
        lambda folder: (folder / "a").write_text(""),
        lambda folder: ((folder / "a").write_text("2"), (folder / "b").write_text("1")),
        lambda folder: (folder / "a").rename(folder / "0"),
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "c").write_text(""),
    ],
)
def test_other_inputs_have_another_hash(files: list[Path], change: Callable[[Path], object]) -> None:
    folder, before = files[0].parent, hash_inputs(files, "3.13")
    change(folder)
    assert hash_inputs(folder.iterdir(), "3.13") != before


def test_other_words_have_another_hash(files: list[Path]) -> None:
    words = [(), ("",), ("a",), ("ab",), ("a", "b"), ("b", "a"), (str(files[0]), "1")]
    assert len({hash_inputs(some, *more) for some in (files, files[1:], []) for more in words}) == 3 * len(words)


def test_files_are_known_again_if_neither_they_nor_their_inputs_changed(files: list[Path]) -> None:
    record = files[0].with_name("record")
    assert not is_sealed(record, "inputs", files)
    record.write_text(seal("inputs", [b"1", b"2"]))
    assert is_sealed(record, "inputs", files)
    assert not is_sealed(record, "other inputs", files)
    assert not is_sealed(record, "inputs", files[::-1])
    files[1].write_text("3")
    assert not is_sealed(record, "inputs", files)
    files[1].unlink()
    assert not is_sealed(record, "inputs", files)


def test_zips_are_made_again_if_and_only_if_something_changed(packages: Packages, tmp_path: Path) -> None:
    assert packages["queue"].zips  # the pinned packages are there
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    zips, ours, pinned = tmp_path / "zips", tmp_path / "invalidator" / "errors.py", ROOT / ".build" / pinned_name()
    theirs = zips / pinned.name / "six.py"
    for place in (ours, theirs):  # few, so that this takes little time
        place.parent.mkdir(parents=True)
        place.write_text("X = 1\n")
    shutil.copytree(
        pinned / "botocore" / "data", theirs.with_name("botocore") / "data", ignore=lambda _, names: {*names} - DATA
    )
    packed = sorted(file for file in theirs.parent.rglob("*") if file.is_file())
    theirs.parent.with_suffix(".seal").write_text(seal(pinned.name, [file.read_bytes() for file in packed]))

    def made(*tag: str) -> dict[str, int]:
        """Make the zips and return their inodes: a file that is written again is another one."""
        subprocess.run([sys.executable, "-Es", "-m", "deploy.zips", "zips", *tag], cwd=tmp_path, check=True)
        return {file.name: file.stat().st_ino for file in zips.glob("*.zip")}

    before = made()
    assert len(before) == 4
    assert made() == before
    for changed in (ours, tmp_path / "deploy" / "bundle.py", zips / "connect.zip"):
        with changed.open("a") as file:
            file.write("Y = 2\n")
        after = made()
        assert after.keys() == before.keys()
        assert not set(after.items()) & set(before.items())
        before = after
    assert not set(made(str(sys.implementation.cache_tag)).items()) & set(before.items())
