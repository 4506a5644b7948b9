"""The README is true: its commands are run, its output compared, its names looked up."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import deployment
from invalidator import codepipeline

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

# What is different in every run: references are made of upload times, ids are drawn by moto.
_CHANGING = re.compile(r"invalidator-[0-9a-f]{32}|\b[A-Z0-9]{13}\b")


def transcript() -> list[tuple[str, str]]:
    """Each command of the README's console blocks with the output that it shows."""
    blocks = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
    found = []
    for block in blocks:
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            found.append((command, output))
    return found


def make_runs(target: str) -> str:
    """The command that ``make target`` ends with."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1]


def normalised(output: str) -> list[str]:
    return [_CHANGING.sub("…", line).rstrip() for line in output.splitlines()]


@pytest.mark.parametrize(("command", "shown"), transcript(), ids=[command for command, _ in transcript()])
def test_a_command_of_the_readme_prints_what_the_readme_shows(
    command: str, shown: str, request: pytest.FixtureRequest
) -> None:
    if command.startswith("make "):
        command = make_runs(command.removeprefix("make "))
    python, *arguments = shlex.split(command)
    assert python.endswith("bin/python")
    if "pytest" in arguments:
        workers = str(os.sysconf("SC_NPROCESSORS_ONLN") + 1)
        assert arguments[:6] == ["-m", "pytest", "-n", workers, "--dist", "worksteal"]
        assert all(argument.startswith("--ignore=") for argument in arguments[6:])
        passed = re.fullmatch(r"…\n=+ (\d+) passed in .* =+\n", shown)
        assert passed is not None
        chosen = request.config.option.keyword or request.config.option.ignore
        if request.config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen:
            assert int(passed[1]) == request.session.testscollected, "put the number in the README right"
        return
    environ = os.environ | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ,
        check=True,
        stdout=subprocess.PIPE,
        # In a block that shows an answer, the function's log is not shown.
        stderr=subprocess.DEVNULL if "invoke" in arguments else subprocess.STDOUT,
        text=True,
    )
    assert normalised(done.stdout) == normalised(shown)


def test_the_readme_shows_the_two_commands_of_a_newcomer() -> None:
    assert [command for command, _ in transcript()][:2] == ["make demo", "make test"]


def test_every_test_that_the_readme_names_exists() -> None:
    named = re.findall(r"\[`(test_\w+)`\]\(([\w/.]+)\)", README)
    assert len(named) > 5
    for name, file in named:
        assert f"def {name}(" in (ROOT / file).read_text()


def test_every_link_within_the_project_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_variable_that_is_read_is_in_the_readme() -> None:
    text = (ROOT / "invalidator" / "settings.py").read_text()
    variables = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', text))
    assert len(variables) > 5
    for name in variables:
        assert f"`{name}`" in README


def test_the_action_that_the_readme_shows_can_be_read() -> None:
    section = README.partition("\n## From a pipeline\n")[2].partition("\n## ")[0]
    (shown,) = re.findall(r"UserParameters: '(.*)'", section)
    assert codepipeline.wish_of(shown) == ((), ("/", "/blog/*"), True)
    assert codepipeline.wish_of("") == ((), ("/*",), False)
    table = section.partition("| parameter |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(codepipeline._PARAMETERS)
    for variable in codepipeline.outputs(codepipeline.Done(())):
        assert f"#{{invalidated.{variable}}}" in section


def test_the_figures_are_those_of_the_last_run() -> None:
    figures = (ROOT / "benchmarks" / "results.md").read_text().partition("\n\n")[2]
    assert f"<!-- benchmarks: begin -->\n{figures}<!-- benchmarks: end -->\n" in README
    shown = deployment.quoted(deployment.RESULTS.read_text())
    assert f"{deployment.BEGIN}{shown}{deployment.END}" in README
