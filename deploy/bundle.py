"""The packages of others that the functions run with: the pinned versions, and of these what is imported.

So what runs is what was tested, whatever Lambda's runtime has. Of Powertools it is the logger, the metrics, and what
they import; of botocore's data what the calls need.
"""

import ast
import subprocess  # nosec B404
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Final

from deploy.sdk_data import CALLED_FOR_US, data_files, operations_called, read_model
from deploy.unchanged import is_sealed, seal

REQUIREMENTS: Final = Path(__file__).with_name("requirements-lambda.txt")

SDK: Final = ("botocore/**/*.py", "dateutil/**/*.py", "jmespath/*.py", "six.py", "urllib3/**/*.py")
POWERTOOLS: Final = (
    "aws_lambda_powertools/*.py",
    *(
        f"aws_lambda_powertools/{folder}/**/*.py"
        for folder in ("exceptions", "logging", "metrics", "shared", "tracing", "warnings")
    ),
    *(f"aws_lambda_powertools/utilities/{name}" for name in ("__init__.py", "jmespath_utils/*.py")),
    "typing_extensions.py",
)
_BESIDE: Final = ("botocore/cacert.pem", "*.dist-info/licenses/*", "*.dist-info/LICENSE*", "*.dist-info/NOTICE*")
_NEVER_IMPORTED: Final = ("dateutil/rrule.py", "dateutil/zoneinfo/*", "urllib3/contrib/emscripten/*", "*/datadog/*")


class BundleError(Exception):
    """The pinned packages cannot be had; says why."""


def pinned(folder: Path, requirements: Path = REQUIREMENTS) -> Path:
    """Return a folder in ``folder`` with the pinned packages. Where it is not as pip made it, pip makes it anew.

    pip compares each package with the hashes of ``requirements``. Raises BundleError.
    """
    place = folder / pinned_name(requirements)
    record = place.with_suffix(".seal")
    if is_sealed(record, place.name, _files(place)):
        return place
    rmtree(place, ignore_errors=True)
    with TemporaryDirectory(dir=folder) as part:
        made = Path(part) / "packages"
        options = ("--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-warn-script-location")
        pip = (sys.executable, "-I", "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
        command = [*pip, *options, f"--requirement={requirements}", f"--target={made}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # nosec B603
        if done.returncode:
            raise BundleError(f"pip cannot get the packages of {requirements.name}: {done.stderr.strip()}")
        record.write_text(seal(place.name, [file.read_bytes() for file in _files(made)]))
        try:
            made.rename(place)
        except OSError:  # somebody else was faster
            if not place.exists():
                raise
    return place


def _files(place: Path) -> list[Path]:
    return sorted(file for file in place.rglob("*") if file.is_file())


def pinned_name(requirements: Path = REQUIREMENTS) -> str:
    """Return the name of the folder with these packages: that of another version has another name."""
    return f"packages-{sha256(requirements.read_bytes()).hexdigest()[:16]}"


def modules(packages: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the modules of the packages, as far as they are imported."""
    found = {file for pattern in patterns for file in packages.glob(pattern)}
    return sorted(file for file in found if not any(file.match(pattern) for pattern in _NEVER_IMPORTED))


def others(packages: Path, sources: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of what is no module: certificates, licences, and data for the calls of sources."""
    for file in sorted(file for pattern in _BESIDE for file in packages.glob(pattern)):
        yield file.relative_to(packages).as_posix(), file.read_bytes()
    data, texts = packages / "botocore" / "data", list(sources)
    operations = {
        service: operations_called(texts, read_model(data, service)) | CALLED_FOR_US.get(service, set())
        for service in sorted(services_of(texts))
    }
    for name, content in data_files(data, operations):
        yield f"botocore/data/{name}", content


def services_of(sources: Iterable[str]) -> set[str]:
    """Return the services of which the sources make a client: ``sdk.client("service", …)`` or ``client_of(…)``."""
    calls = (node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    named = (call.args[0] for call in calls if call.args and _name(call.func) in {"client", "client_of"})
    return {name.value for name in named if isinstance(name, ast.Constant) and isinstance(name.value, str)}


def _name(called: ast.expr) -> str:
    """Return the last part of the name of what is called, without underscores in front."""
    return str(getattr(called, "attr", "") or getattr(called, "id", "")).lstrip("_")
