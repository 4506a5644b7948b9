"""The examples for builds work: their commands run here as CodeBuild and GitHub run them."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from invalidator.local.embedded import EmbeddedAws, embedded_aws

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BUCKET = "my-origin"
PARAMETER = "/my-site/distribution-id"

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash"),
    pytest.mark.skipif(sys.platform == "win32", reason="builds run on Linux"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with all that the project depends on, but not the project. Return its programs."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    (packages / "dependencies.pth").write_text("\n".join(ours))
    pip = folder / "bin" / "pip"  # a link, because installing pip takes several seconds
    pip.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m pip "$@"\n')
    pip.chmod(0o755)
    assert not (folder / "bin" / "invalidator").exists()
    return folder / "bin"


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    """Start an AWS with the bucket, two distributions, and a parameter with the id of the first."""
    with embedded_aws([BUCKET]) as running:
        boto3.client("ssm").put_parameter(Name=PARAMETER, Value=running.distributions[0], Type="String")
        yield running


def machine(python: Path, folder: Path) -> dict[str, str]:
    """Return the environment that a build begins with."""
    programs = [str(python), str(Path(sys.executable).parent), os.environ["PATH"]]
    inherited = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return inherited | {
        "PATH": os.pathsep.join(programs),
        "HOME": str(folder),
        "PIP_NO_INDEX": "1",  # nothing is downloaded: what the examples install is there
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


# --- CodeBuild ------------------------------------------------------------------------------------------


def build(python: Path, folder: Path, number: int = 1, **overridden: str) -> bool:
    """Run the buildspec in a folder, as CodeBuild does. Return true if the build succeeds.

    What an earlier build has installed is there, as in an image of one's own: installing it again takes seconds.
    Variables of a project are ``overridden`` when a build is started.
    https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
    https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
    https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
    """
    spec: Any = yaml.safe_load((EXAMPLES / "buildspec.yml").read_text())
    assert spec.keys() == {"version", "env", "phases"}
    assert spec["env"].keys() == {"variables", "parameter-store"}
    ssm = boto3.client("ssm")
    parameters = {
        name: ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"]
        for name, parameter in spec["env"]["parameter-store"].items()
    }
    environ = machine(python, folder) | spec["env"]["variables"] | parameters | overridden
    environ |= {
        "CI": "true",
        "CODEBUILD_BUILD_ID": f"my-site:12345678-a1b2-c3d4-e5f6-{number:012}",
        "CODEBUILD_SRC_DIR": str(folder),
        "CODEBUILD_SRC_DIR_invalidator": str(ROOT),
    }
    if (python / "invalidator").exists():
        del spec["phases"]["install"]
    return subprocess.run(["sh", "-c", script(spec["phases"])], cwd=folder, env=environ, check=False).returncode == 0


def script(phases: dict[str, Any]) -> str:
    """Put all phases into one shell script. A failure ends its phase; after a failed build, only post_build runs."""
    before = ("install", "pre_build", "build")
    assert phases.keys() <= {*before, "post_build"}
    lines = ["export CODEBUILD_BUILD_SUCCEEDING=1"]
    for name in (*before, "post_build"):
        phase = phases.get(name, {"commands": ["true"]})
        assert phase.keys() <= {"runtime-versions", "commands"}
        commands = " && ".join(f"{{ {command}\n}}" for command in phase["commands"])
        reached = "" if name == "post_build" else '[ "$CODEBUILD_BUILD_SUCCEEDING" = 0 ] || '
        lines.append(f"{reached}{{ {commands}; }} || CODEBUILD_BUILD_SUCCEEDING=0")
        if name == "pre_build":
            lines.append('[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ] || exit 1')
    return "\n".join([*lines, '[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ]'])


def keys() -> list[str]:
    return [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def invalidated(aws: EmbeddedAws) -> list[tuple[str, ...]]:
    """Return the paths invalidated since the last call. They must be on the parameter's distribution, and new."""
    accepted = [item for item in aws.new_invalidations() if not item.again]
    assert {item.distribution for item in accepted} <= {aws.distributions[0]}
    return [item.paths for item in accepted]


def test_a_build_uploads_the_site_and_invalidates_it_once(python: Path, aws: EmbeddedAws, tmp_path: Path) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="gone.html", Body=b"x")
    assert build(python, tmp_path)
    assert keys() == ["index.html"]
    assert invalidated(aws) == [("/*",)]
    assert build(python, tmp_path)
    assert invalidated(aws) == []
    assert build(python, tmp_path, number=2)
    assert invalidated(aws) == [("/*",)]


def test_a_build_that_fails_to_upload_invalidates_nothing(python: Path, aws: EmbeddedAws, tmp_path: Path) -> None:
    assert not build(python, tmp_path, BUCKET="no-such-bucket")
    assert keys() == []
    assert invalidated(aws) == []


def test_a_build_fails_where_nothing_could_be_invalidated(python: Path, aws: EmbeddedAws, tmp_path: Path) -> None:
    boto3.client("ssm").put_parameter(Name=PARAMETER, Value="E0000000000000", Type="String", Overwrite=True)
    assert not build(python, tmp_path)
    assert keys() == ["index.html"]
    assert invalidated(aws) == []


def test_a_build_that_cannot_install_does_nothing(python: Path, aws: EmbeddedAws, tmp_path: Path) -> None:
    (python / "invalidator").unlink(missing_ok=True)
    assert not build(python, tmp_path, PIP_PYTHON=str(tmp_path / "none"))
    assert keys() == []
    assert invalidated(aws) == []


def test_what_is_shown_of_the_buildspec_is_in_it() -> None:
    page = (ROOT / "docs" / "pipelines.md").read_text()
    (shown,) = re.findall(r"```yaml\n(env:.*?)```", page, flags=re.DOTALL)
    rest = iter((EXAMPLES / "buildspec.yml").read_text().splitlines())
    for line in shown.splitlines():
        assert line in rest, f"{line} is not there, or in another place"


# --- GitHub Actions -------------------------------------------------------------------------------------


def workflow() -> str:
    return (EXAMPLES / "github-actions.yml").read_text()


def alternative() -> list[dict[str, Any]]:
    """Return the steps that the workflow shows in a comment."""
    _, _, text = workflow().partition("# If the repository has public/ ")
    lines = re.findall(r"^ +# ?(.*\n)", text[text.index("\n") :], flags=re.MULTILINE)
    start = next(number for number, line in enumerate(lines) if line.startswith("- "))
    steps: list[dict[str, Any]] = yaml.safe_load(textwrap.dedent("".join(lines[start:])))
    return steps


def do(steps: list[dict[str, Any]], python: Path, folder: Path, **environ: str) -> bool:
    """Run the commands of the steps, as a runner on Linux does. Return true if all succeed.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
    """
    (folder / "invalidator").symlink_to(ROOT)
    for step in steps:
        is_installed = "pip" in step.get("run", "") and (python / "invalidator").exists()
        if "run" in step and not is_installed:
            assert step.keys() <= {"run", "env"}
            assert "${{" not in step["run"]
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]], cwd=folder, env=machine(python, folder) | environ, check=False
            )
            if done.returncode:
                return False
    return True


def test_a_run_of_the_workflow_uploads_the_site_and_invalidates_it_once(
    python: Path, aws: EmbeddedAws, tmp_path: Path
) -> None:
    document: Any = yaml.safe_load(workflow())
    steps = document["jobs"]["deploy"]["steps"]
    assert do(steps, python, tmp_path, **document["env"], GITHUB_RUN_ID="1658821493", GITHUB_RUN_ATTEMPT="1")
    assert keys() == ["index.html"]
    assert invalidated(aws) == [("/*",)]


def test_a_run_of_the_workflow_may_invalidate_only_what_was_pushed(
    python: Path, aws: EmbeddedAws, tmp_path: Path
) -> None:
    def git(*arguments: str) -> str:
        names = ("-c", "user.name=me", "-c", "user.email=me@example.com")
        done = subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    document: Any = yaml.safe_load(workflow())
    (install,) = [step for step in document["jobs"]["deploy"]["steps"] if "pip" in step.get("run", "")]
    git("init", "--quiet")
    for name in ("public/café.html", "public/same.html", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n" * 9)
    git("add", ".")
    git("commit", "--quiet", "--message", "before")
    git("mv", "public/café.html", "public/tea.html")
    (tmp_path / "README.md").write_text("changed")
    git("commit", "--quiet", "--all", "--message", "after")
    (step,) = alternative()
    assert step["env"] == {"BEFORE": "${{ github.event.before }}"}
    before = git("rev-parse", "HEAD~1")
    assert do([install, step], python, tmp_path, **document["env"], BEFORE=before)
    assert invalidated(aws) == [("/caf%C3%A9.html", "/tea.html")]
