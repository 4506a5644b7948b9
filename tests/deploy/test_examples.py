"""The examples for builds work: their commands run here as CodeBuild and GitHub run them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from invalidator.cli.app import load_command
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


OURS = "your-org/invalidator@0000000000000000000000000000000000000000"
ACTION: Any = yaml.safe_load((ROOT / "action.yml").read_text())


def filled(text: Any, **values: str) -> str:
    """Fill the expressions in a text. Of a boolean, GitHub makes the word."""
    text = str(text).lower() if isinstance(text, bool) else str(text)
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: values[found[1]], text)


def expanded(steps: list[dict[str, Any]], **environ: str) -> Iterator[dict[str, Any]]:
    """Yield the steps that are commands, among them those of our action for each step that uses it.

    https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax
    """
    for step in steps:
        if step.get("uses") == OURS:
            assert step["with"].keys() <= ACTION["inputs"].keys()
            given = {name: declared["default"] for name, declared in ACTION["inputs"].items()} | step["with"]
            known = {f"env.{name}": value for name, value in environ.items()}
            inputs = {f"inputs.{name}": filled(value, **known) for name, value in given.items()}
            for command in ACTION["runs"]["steps"]:
                variables = {name: filled(value, **inputs) for name, value in command.get("env", {}).items()}
                yield command | {"env": variables}
        elif "run" in step:
            yield step | {"env": {}}


def do(
    steps: list[dict[str, Any]], python: Path, folder: Path, action: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the commands of the steps until one fails, as a runner on Linux does, with our action in a folder.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
    """
    runner = {"RUNNER_TEMP": str(folder), "GITHUB_ACTION_PATH": str(action)}
    done = subprocess.CompletedProcess[bytes]([], 0)
    for step in expanded(steps, **environ):
        assert step.keys() <= {"run", "env", "shell"}
        assert "${{" not in step["run"]
        strict = ["--noprofile", "--norc", "-o", "pipefail"] if step.get("shell") == "bash" else []
        done = subprocess.run(
            ["bash", *strict, "-e", "-c", step["run"]],
            cwd=folder,
            env=machine(python, folder) | runner | environ | step["env"],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            break
    return done


def packages_of(folder: Path, action: Path = ROOT) -> Path:
    """Return the folder in which the action has its packages. If it exists, nothing is installed."""
    return folder / f"invalidator{str(action).replace('/', '-')}"


def test_a_run_of_the_workflow_uploads_the_site_and_invalidates_it_once(
    python: Path, aws: EmbeddedAws, tmp_path: Path
) -> None:
    document: Any = yaml.safe_load(workflow())
    packages_of(tmp_path).mkdir()
    assert do(document["jobs"]["deploy"]["steps"], python, tmp_path, **document["env"]).returncode == 0
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
    packages_of(tmp_path).mkdir()
    git("init", "--quiet")
    for name in ("public/café.html", "public/same.html", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n" * 9)
    git("add", "public", "README.md")
    git("commit", "--quiet", "--message", "before")
    git("mv", "public/café.html", "public/tea.html")
    (tmp_path / "README.md").write_text("changed")
    git("commit", "--quiet", "--all", "--message", "after")
    compare, act = alternative()
    assert compare["env"] == {"BEFORE": "${{ github.event.before }}"}
    before = git("rev-parse", "HEAD~1")
    assert do([compare, act], python, tmp_path, **document["env"], BEFORE=before).returncode == 0
    assert invalidated(aws) == [("/caf%C3%A9.html", "/tea.html")]


# --- the action -----------------------------------------------------------------------------------------


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Make a folder of programs whose python3 writes its arguments and its standard input into files."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python3"
    program.write_text('#!/bin/sh\ncat >stdin\nprintf "%s\\0" "$@" >arguments\n')
    program.chmod(0o755)
    packages_of(tmp_path).mkdir()
    return program.parent


def act(programs: Path, folder: Path, **inputs: Any) -> tuple[int, bytes, list[str], str]:
    """Use the action. Return its status, its output, and the arguments and the standard input of the command."""
    done = do([{"uses": OURS, "with": {n.replace("_", "-"): value for n, value in inputs.items()}}], programs, folder)
    arguments = (folder / "arguments").read_text().split("\0")[2:-1]  # behind -P -s
    return done.returncode, done.stdout, arguments, (folder / "stdin").read_text()


def test_what_an_action_is_given_reaches_the_command(spoken: Path, tmp_path: Path) -> None:
    paths = "/a *\n$(touch gone)\n--wait\n"
    _, _, arguments, read = act(spoken, tmp_path, paths=paths, distribution_id="E1, dt_2\n/my/*", wait=True)
    assert arguments == [
        *("-m", "invalidator", "create", "--distribution-id=E1", "--distribution-id=dt_2", "--distribution-id=/my/*"),
        *("--from-file=-", "--wait"),
    ]
    assert read == paths
    for awkward in (
        "$(touch gone)",
        "`touch gone`",
        "a b; touch gone",
        '"; touch gone; "',
        "'\ntouch gone\n'",
        "--wait",
    ):
        _, _, arguments, read = act(spoken, tmp_path, bucket=awkward, keys_from=awkward, dry_run="true")
        assert arguments[2:] == ["create", f"--bucket={awkward}", f"--keys-from={awkward}", "--dry-run"]
        assert read == ""
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("name", ["wait", "allow-empty", "dry-run"])
def test_an_action_refuses_a_word_that_is_neither_true_nor_false(spoken: Path, tmp_path: Path, name: str) -> None:
    for word in ("yes", "", "true\n::set-env::"):
        status, said, arguments, _ = act(spoken, tmp_path, paths="/a", **{name: word})
        assert (status, len(said.splitlines())) == (2, 1)
        assert re.fullmatch(rb"::error::[a-z-]+ is \S+: give true or false\n", said)
        assert "create" not in arguments


def test_every_input_of_the_action_is_read_and_is_an_option_of_create() -> None:
    (read,) = [step["env"] for step in ACTION["runs"]["steps"] if "env" in step]
    assert list(read.values()) == [f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]]
    options = {param.opts[0] for param in load_command("create").params}
    assert {f"--{name}" for name in ACTION["inputs"]} <= options


def test_an_action_that_is_shown_has_these_inputs() -> None:
    page = (ROOT / "docs" / "pipelines.md").read_text()
    (shown,) = [
        step for text in re.findall(r"```yaml\n(- uses:.*?)```", page, re.DOTALL) for step in yaml.safe_load(text)
    ]
    assert re.fullmatch(r"your-org/invalidator@v\d+", shown["uses"])
    assert shown["with"].keys() <= ACTION["inputs"].keys()
    table = page.partition("| input |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(ACTION["inputs"])


def wheel(folder: Path, name: str) -> str:
    """Make a wheel with one module, which is called like it. Return the line of a file of requirements."""
    info, file = f"{name}-1.0.dist-info", folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


def test_an_action_installs_what_has_the_hash_and_nothing_else(python: Path, tmp_path: Path) -> None:
    action, offered = tmp_path / "action", {"PIP_FIND_LINKS": str(tmp_path)}
    (action / "invalidator").mkdir(parents=True)
    (action / "invalidator" / "__init__.py").touch()
    (action / "invalidator" / "__main__.py").write_text("raise SystemExit(3)")  # in place of the command
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").write_text("raise SystemExit(4)")  # what a build has is not run
    right = wheel(tmp_path, "tool")
    wrong = f"tool==1.0 --hash=sha256:{'0' * 64}\n"
    install = [{"uses": OURS, "with": {}}]
    for requirement in (wrong, "tool==1.0\n", right):
        (action / "requirements-cli.txt").write_text(requirement)
        done = do(install, python, tmp_path, action, **offered)
        assert done.returncode == (3 if requirement == right else 1), done.stderr
        assert (packages_of(tmp_path, action) / "tool.py").exists() is (requirement == right)


def test_an_action_says_which_python_it_needs(spoken: Path, tmp_path: Path) -> None:
    (spoken / "python3").write_text("#!/bin/sh\nexit 1\n")
    done = do([{"uses": OURS, "with": {"paths": "/a"}}], spoken, tmp_path)
    assert (done.returncode, done.stdout.count(b"\n")) == (1, 1)
    assert done.stdout.startswith(b"::error::invalidator needs Python 3.11 or later")


def test_pip_sees_no_credentials(spoken: Path, tmp_path: Path) -> None:
    (spoken / "python3").write_text('#!/bin/sh\ncase "$*" in *pip\\ install*) env >seen ;; esac\n')
    packages_of(tmp_path).rmdir()
    assert do([{"uses": OURS, "with": {"paths": "/a"}}], spoken, tmp_path).returncode == 0
    assert "AWS_" in "".join(os.environ)
    assert "AWS_" not in (tmp_path / "seen").read_text()
