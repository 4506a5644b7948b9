"""Make the files of a release of the commit at hand: ``make release`` writes them into ``dist/``.

They are the package (a wheel and its sources), the zips of the functions, a template that deploys them, the bill of
what they bring, and the hashes of all. The same commit gives the same bytes with the same Python and zlib, which the
bill names, whatever the folder and the time.
"""

import os
import subprocess  # nosec B404
import sys
from contextlib import chdir
from hashlib import sha256
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import TemporaryDirectory

from hatchling.build import build_sdist, build_wheel

from deploy.bill import bill_of_materials
from deploy.bundle import REQUIREMENTS, pinned
from deploy.checkout import Checkout, CheckoutError, objections, read_checkout
from deploy.pythons import LAMBDAS_PYTHON
from deploy.released import TemplateError, released
from deploy.zips import FUNCTIONS, ROOT
from invalidator import __version__


def main() -> int:
    """Make the release, or say on standard error what is against it. Its files are named on standard output."""
    try:
        checkout = read_checkout(ROOT, __version__)
        if found := objections(checkout, str(sys.implementation.cache_tag)):
            return _refuse(found)
        if checkout.unasked:
            print(f"Origin was not asked for a tag v{__version__}: {checkout.unasked}", file=sys.stderr)
        template = released((ROOT / "template.yml").read_text("utf-8"), __version__)
    except CheckoutError as error:
        return _refuse([str(error)])
    except TemplateError as error:
        return _refuse([f"template.yml: {error}."])
    build, dist = ROOT / ".build", ROOT / "dist"
    build.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=build) as part:
        _write_all(Path(part) / "dist", checkout, template)
        rmtree(dist, ignore_errors=True)  # the files of another version are not of this release
        (Path(part) / "dist").rename(dist)
    for file in sorted(dist.iterdir()):
        print(file.relative_to(ROOT))
    return 0


def _refuse(reasons: list[str]) -> int:
    for reason in reasons:
        print(f"error: no release of {__version__}: {reason}", file=sys.stderr)
    return 1


def _write_all(folder: Path, checkout: Checkout, template: str) -> None:
    folder.mkdir()
    _copy_zips(folder)
    os.environ["SOURCE_DATE_EPOCH"] = str(checkout.time)
    with chdir(ROOT):  # hatchling packs the folder it is in
        build_sdist(str(folder))
        build_wheel(str(folder))
    (folder / "invalidator.yml").write_text(template, "utf-8")
    bill = bill_of_materials(pinned(ROOT / ".build"), REQUIREMENTS.read_text(), __version__, checkout.time)
    (folder / "invalidator.cdx.json").write_text(bill, "utf-8")
    (folder / "SHA256SUMS").write_text(_hashes_of(folder))


def _copy_zips(folder: Path) -> None:
    # In a process of its own: the options are those with which the bytecode is always made.
    command = [sys.executable, "-Es", "-m", "deploy.zips", ".build", LAMBDAS_PYTHON]
    if status := subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 # nosec B603
        sys.exit(status)  # it has said why
    for name in FUNCTIONS:
        copyfile(ROOT / ".build" / f"{name}.zip", folder / f"{name}.zip")


def _hashes_of(folder: Path) -> str:
    """Return the hashes of the files in a folder, in the form that ``sha256sum --check`` reads."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return "".join(f"{sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


if __name__ == "__main__":
    sys.exit(main())
