"""The packages that osls makes of serverless.yml: a CloudFormation template and zips, without an AWS account.

``python -m tests.doubles.packaged FOLDER`` makes those which together have all resources that there are.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OSLS = ROOT / "deploy" / "node_modules" / ".bin" / "osls"
BUCKET, DISTRIBUTIONS = "bucket=my-origin", "distributions=E1A2B3C4D5E6F7,E7F6D5C4B3A2E1"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:us-east-1:111122223333:ops"
CASES = {
    "queue": (BUCKET, DISTRIBUTIONS, "check=0"),
    "discover": (
        BUCKET,
        "distributions=discover,dt_1wFXwCQzpJbJnDg3j8XuV1LhPZ4",
        "discover-tag=invalidate=yes",
        "settings-ttl=60",
        "directory-urls=bare",
        "error-pages=ignore",
        "tildes=wildcard",
        'rules=[{"match": "^(.*)[.]html$", "also": ["/$1", "#page:$1"]}]',
        "rules-parameter=/cloudfront/rules",
        "exclude=assets/*.????????.js",
        "skip-unchanged=versions",
        "gather=60",
        "deploy-marker=.deployed",
        "repeat-after=10",
        "pipeline=on",
        "check=15",
        "repair=on",
        "cost-alarm=2.50",
        "monthly-budget=5",
    ),
    "direct": (
        BUCKET,
        "secret=cloudfront/ids",
        "trigger=direct",
        f"alarm-topic={TOPIC}",
        f"kms-key={KEY}",
        "log-retention=7",
        "prefix=blog/",
        "suffix=.html",
        "index-document=default.htm",
        "describe=off",
    ),
    "eventbridge": (
        BUCKET,
        "parameter=/cloudfront/ids",
        "trigger=eventbridge",
        "prefix=blog/",
        "suffix=.html",
        "max-paths=500",
        "gather=0",
        "skip-unchanged=versions+metadata",
        f"kms-key={KEY}",
        "pipeline=on",
        "pipeline-parameters=/sites/*,/shop/ids",
        "dashboard=off",
        "cost-alarm=0.05",
    ),
}
"""A deployment for each trigger, and one that uses what else there is; the distributions come from everywhere."""


@dataclass(frozen=True)
class Package:
    """A folder that osls wrote, the template in it, and the given parameters."""

    folder: Path
    template: dict[str, Any]
    given: dict[str, str]

    @property
    def resources(self) -> dict[str, Any]:
        """Return the resources of the template, by logical id."""
        found: dict[str, Any] = self.template["Resources"]
        return found

    @property
    def zips(self) -> dict[str, Path]:
        """Return the zip of each function, by its name in serverless.yml."""
        functions = json.loads((self.folder / "serverless-state.json").read_text())["service"]["functions"]
        return {name: ROOT / function["package"]["artifact"] for name, function in functions.items()}


def needed(program: str) -> str:
    """Return the path of a program of Node.js. If it is missing, skip the test or, in CI, fail it."""
    found = shutil.which(program)
    if found is None:
        assert not os.environ.get("CI"), "CI has to have Node.js"
        pytest.skip(f"{program} was not found: packaging needs Node.js and npm")
    return found


def osls(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run osls, and install it before if need be. Its only credentials are those in ``more``."""
    needed("npm")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE", "MFLAGS"))}
    environ |= {"NO_COLOR": "1", "PYTHON": sys.executable} | more
    # One at a time: the first run installs osls, and all runs work in the same folder.
    with alone(ROOT / ".osls.lock"):
        installed = _run(["make", "deploy/node_modules/.package-lock.json"], environ)
        return _run([str(OSLS), *arguments], environ) if installed.returncode == 0 else installed


def _run(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Keep other processes of the test run out of this context."""
    with lock.open("w") as file:
        flock(file, LOCK_EX)
        yield


def package(folder: Path, *parameters: str) -> Package:
    """Package with these parameters (``name=value``) into a folder, unless the package is there."""
    written = folder / "cloudformation-template-update-stack.json"
    with alone(folder.parent / f"{folder.name}.lock"):
        if not written.exists():
            options = [word for value in parameters for word in ("--param", value)]
            done = osls("package", "--package", str(folder), *options)
            assert done.returncode == 0, done.stdout + done.stderr
    template = json.loads(written.read_text())
    return Package(folder, template, dict(parameter.split("=", 1) for parameter in parameters))


class Packages(Mapping[str, Package]):
    """The packages of CASES, by name. Each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, dict[str, Package]()

    def __getitem__(self, name: str) -> Package:
        if name not in self._made:
            self._made[name] = package(self._folder / f"package-{name}", *CASES[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(CASES)

    def __len__(self) -> int:
        return len(CASES)


if __name__ == "__main__":
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for case in ("discover", "direct", "eventbridge"):
        made = Packages(folder)[case]
        print(f"{case}: {len(made.resources)} resources", file=sys.stderr)
