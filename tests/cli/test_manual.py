"""Help, the manual that is made of it, and completion."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from invalidator.cli.app import NAMES, load_command
from tests.doubles.command import COMMAND, ROOT, run

COMMANDS: dict[str, Any] = {name: load_command(name) for name in NAMES}
EXAMPLES = [(name, example) for name, command in COMMANDS.items() for example in generate.examples(command)]


# --- help -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(name: str) -> None:
    assert any(f"invalidator {name}" in example for example in generate.examples(COMMANDS[name]))


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_every_example_is_a_command_line_that_is_understood(
    name: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, command, *arguments = shlex.split(example[example.rindex("invalidator ") :])
    assert (program, command) == ("invalidator", name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    for argument in arguments:
        if argument.endswith(".json"):
            Path(argument).parent.mkdir(exist_ok=True)
            Path(argument).touch()
    with COMMANDS[name].make_context(name, arguments):
        pass


def test_every_value_of_an_option_has_a_name() -> None:
    for command in COMMANDS.values():
        for param in command.params:
            assert param.metavar or param.is_flag, f"{command.name} {param.opts}"


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_a_terminal_and_shows_examples_but_no_type_of_python(name: str) -> None:
    done = run(*filter(None, [name]), "--help", COLUMNS="80", TERM="dumb")
    assert done.returncode == 0
    shown = " ".join(done.stdout.split())
    assert f"Usage: invalidator {name}" in shown
    for text in [f"Example: {example}" for example in generate.examples(COMMANDS[name])] if name else COMMANDS:
        assert text in shown
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout.replace("https://…", "")
    assert not re.search(r"<\w+(\[\w+\])?>", done.stdout)


# --- the manual -----------------------------------------------------------------------------------------


def test_the_manual_is_what_the_help_says() -> None:
    assert generate.FILE.read_text(encoding="utf-8") == generate.manual(), "docs/cli.md is out of date: run 'make docs'"


def test_the_manual_is_the_same_on_every_terminal() -> None:
    code = "import sys; from docs import generate; sys.stdout.write(generate.manual())"
    environ = {"COLUMNS": "40", "TERM": "dumb", "NO_COLOR": "1", "LANG": "de_DE.UTF-8", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | environ, check=True, capture_output=True, text=True
    )
    assert done.stdout == generate.manual()


def test_the_manual_has_every_option_of_every_command() -> None:
    sections = re.split(r"^## invalidator ([\w-]+)$", generate.manual(), flags=re.MULTILINE)
    assert sections[1::2] == list(COMMANDS)
    for name, text in zip(sections[1::2], sections[2::2], strict=True):
        for param in COMMANDS[name].params:
            assert f"* `{param.opts[0] if param.param_type_name == 'option' else param.metavar}" in text


# --- completion -----------------------------------------------------------------------------------------


def completed(*words: str) -> list[str]:
    """Return what bash is told that the last word may become."""
    environ = {"COMP_WORDS": " ".join(["invalidator", *words]), "COMP_CWORD": str(len(words))}
    done = run(_INVALIDATOR_COMPLETE="complete_bash", **environ)
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_and_their_options_are_completed() -> None:
    assert completed("cre") == ["create"]
    assert completed("d") == ["distributions", "disconnect", "dlq", "doctor", "demo"]
    assert completed("create", "--dis") == ["--distribution-id"]


def test_names_of_files_are_left_to_the_shell() -> None:
    for command in COMMANDS.values():
        for param in command.params:
            if (param.metavar or "").startswith(("FILE", "EVENT", "A.", "B.")):
                option = [param.opts[0]] if param.param_type_name == "option" else []
                assert completed(command.name, *option, "eve") == []


@pytest.mark.parametrize(
    ("shell", "environ", "shown"),
    [("zsh", {}, """_arguments '*: :(("create":"""), ("fish", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "create\t")],
)
def test_other_shells_are_answered_in_their_words(shell: str, environ: dict[str, str], shown: str) -> None:
    asked = {"_INVALIDATOR_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "invalidator cre"}
    assert run(**asked, **environ).stdout.startswith(shown)


BASH = shutil.which("bash")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home in which the command is on the PATH."""
    program = tmp_path / "bin" / "invalidator"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def bash(script: str) -> str:
    """Return what bash prints after it has completed the typed line, as it does at Tab."""
    typed = """
        COMP_WORDS=(invalidator cre) COMP_CWORD=1
        "$(complete -p invalidator | sed 's/.* -F \\([^ ]*\\) .*/\\1/')" invalidator cre invalidator
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [str(BASH), "--norc", "--noprofile", "-c", script + typed], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_bash_completes_what_is_typed(installed: Path) -> None:
    assert bash('eval "$(invalidator --show-completion)"\n') == "create\n"


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_completion_that_is_installed_is_there_at_the_next_start_of_bash(installed: Path) -> None:
    assert bash('invalidator --install-completion >/dev/null\n. "$HOME/.bashrc"\n') == "create\n"
    assert (installed / ".bash_completions" / "invalidator.sh").exists()
