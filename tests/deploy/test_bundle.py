"""The pinned packages are those that pip got with their hashes, whatever becomes of their folder."""

import re
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from deploy.bundle import REQUIREMENTS, BundleError, pinned

SIX = re.search(r"^six==(?:.*\\\n)+.*\n", REQUIREMENTS.read_text(), re.MULTILINE)


def only_six(folder: Path) -> Path:
    """Write requirements of the smallest package alone."""
    assert SIX
    requirements = folder / "requirements.txt"
    requirements.write_text(SIX[0])
    return requirements


def remove(place: Path) -> None:
    (place / "six.py").unlink()


def change(place: Path) -> None:
    (place / "six.py").write_text("changed")


def add(place: Path) -> None:
    (place / "other.py").write_text("")


def empty(place: Path) -> None:
    rmtree(place)
    place.mkdir()


def test_a_folder_that_is_not_as_pip_made_it_is_made_anew(tmp_path: Path) -> None:
    requirements = only_six(tmp_path)
    place = pinned(tmp_path, requirements)
    whole = {file.relative_to(place): file.read_bytes() for file in place.rglob("*") if file.is_file()}
    assert Path("six.py") in whole
    harms: list[Callable[[Path], None]] = [remove, change, add, empty]
    for harm in harms:
        harm(place)
        assert pinned(tmp_path, requirements) == place
        assert (place / "six.py").read_bytes() == whole[Path("six.py")]
        assert not (place / "other.py").exists()


def test_a_folder_that_is_as_pip_made_it_is_left_alone(tmp_path: Path) -> None:
    requirements = only_six(tmp_path)
    before = (pinned(tmp_path, requirements) / "six.py").stat()
    assert (pinned(tmp_path, requirements) / "six.py").stat().st_ino == before.st_ino


def test_another_hash_is_refused(tmp_path: Path) -> None:
    requirements = only_six(tmp_path)
    requirements.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", requirements.read_text()))
    with pytest.raises(BundleError, match=r"pip cannot get the packages of requirements.txt: (.|\n)*HASH"):
        pinned(tmp_path, requirements)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["requirements.txt"]
