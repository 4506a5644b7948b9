"""Write ``docs/cli.md``, the manual of the command line, from the help of its commands: ``make docs``.

It is the same on every machine: neither the width of the terminal nor a variable of the environment changes it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from invalidator.cli.app import NAMES, app, load_command

FILE: Final = Path(__file__).parent / "cli.md"

_HEAD: Final = """\
<!-- Written by 'make docs' from the help of the commands: change that, and not this file. -->
# The command line

## NAME

invalidator - {purpose}

## SYNOPSIS

```text
invalidator [OPTIONS] COMMAND [ARGS]...
python -m invalidator [OPTIONS] COMMAND [ARGS]...
```

## DESCRIPTION

Commands print data to standard output, which you can pipe, and tell the rest on standard error. With `--json`, the data
is one JSON object with a `version`, which [a schema](output.schema.json) describes: fields may be added to a version,
and none is removed or means something else. Without data, as after wrong usage, standard output is empty.

A bucket that is named stands for the distributions that serve it, if `--distribution-id` names no others. Without it,
the configured bucket and distributions are meant, with `--stack` those of the stack. `doctor` examines what is
configured, if anything is.

A FILE that is `-` is standard input. In a file with keys or paths, each ends with a newline or, if the file has a NUL
in it, with a NUL, as `git diff -z` and `find -print0` write them.
"""

_TAIL: Final = """\
## EXIT STATUS

| | |
|---|---|
| 0 | done; also if Ctrl-C, SIGTERM or a closed terminal ended `local` or `status --watch`, which run until then |
| 1 | something failed, or a check found something wrong: the last lines of standard error say what. Without a word, \
if whoever reads the output, as `head`, has seen enough |
| 2 | wrong usage or configuration, also a bucket that no distribution serves |
| 130 | Ctrl-C, SIGTERM or a closed terminal ended the command early: invalidations that were sent go on |

## ENVIRONMENT

* The [settings of the function](configuration.md), such as `DISTRIBUTION_IDS`: the commands use those that are set
  where they run. An option such as `--distribution-id` replaces its variable.
* `INVALIDATOR_STACK` is a stack for all commands, as if `--stack` named it.
* What [the AWS SDK reads](https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html), such as
  `AWS_PROFILE` and `AWS_DEFAULT_REGION`.
* `NO_COLOR` turns colours off.

## FILES

* The AWS SDK reads `~/.aws/config` and `~/.aws/credentials`.
* `invalidator --install-completion` writes files for the shell that it is called from. bash:
  `~/.bash_completions/invalidator.sh` and a line in `~/.bashrc`; zsh: `~/.zfunc/_invalidator` and lines in `~/.zshrc`;
  fish: `~/.config/fish/completions/invalidator.fish`. From its next start on, the shell completes commands, options and
  names of files. It cannot complete `python -m invalidator`.
"""

_EXAMPLE: Final = "Example: "


def manual() -> str:
    """Return the whole manual."""
    # Typer's own click is private, and so are its types.
    group: Any = typer.main.get_command(app)
    purpose, commands = group.help[0].lower() + group.help[1:], {name: load_command(name) for name in NAMES}
    contents = [f"* [{name}](#invalidator-{name}): {_summary(command)}" for name, command in commands.items()]
    sections = [
        _HEAD.format(purpose=_text(purpose)),
        "\n".join(["## OPTIONS", "", *_options(group)]),
        "\n".join(["## COMMANDS", "", *contents, ""]),
        *("\n".join(_section(name, command)) for name, command in commands.items()),
        _TAIL,
    ]
    return "\n".join(sections)


def examples(command: Any) -> list[str]:
    """Return the command lines that the help of a command shows, pipes included."""
    return [text.removeprefix(_EXAMPLE) for text in _paragraphs(command) if text.startswith(_EXAMPLE)]


def _section(name: str, command: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=f"invalidator {name}")
    yield from (f"## invalidator {name}", "", _text(_summary(command)), "")
    yield from ("### SYNOPSIS", "", "```text", f"invalidator {name} {_usage(command, context)}", "```", "")
    if rest := [_text(text) for text in _paragraphs(command)[1:] if not text.startswith(_EXAMPLE)]:
        yield from ("### DESCRIPTION", "", "\n\n".join(rest), "")
    yield from ("### OPTIONS", "", *_options(command))
    yield from ("### EXAMPLES", "", "```sh", *examples(command), "```", "")


def _usage(command: Any, context: typer.Context) -> str:
    needed = [f"{param.opts[0]} {param.metavar}" for param in _shown(command) if _is_option(param) and param.required]
    return " ".join([*needed, *command.collect_usage_pieces(context)])


def _options(command: Any) -> Iterator[str]:
    """Yield an item for each argument and option, those of a panel of the help below its title."""
    panels: dict[str, list[Any]] = {}
    for param in _shown(command):
        panels.setdefault(param.rich_help_panel or "", []).append(param)
    for panel, params in sorted(panels.items(), key=lambda entry: entry[0] != ""):
        if panel:
            yield from (f"**{_text(panel)}**", "")
        yield from map(_option, params)
        yield ""


def _option(param: Any) -> str:
    if not _is_option(param):
        names = f"`{param.metavar}`"
    elif param.is_flag:
        names = ", ".join(f"`{name}`" for name in sorted(param.opts, key=len))
    else:
        names = f"`{', '.join(param.opts)} {param.metavar}`"
    limits = ", ".join(_limits(param))
    return f"* {names}{f' ({limits})' if limits else ''}: {_text(_joined(param.help))}"


def _limits(param: Any) -> Iterator[str]:
    if param.required:
        yield "required"
    if (param.nargs == -1 or getattr(param, "multiple", False)) and "repeatable" not in param.help.lower():
        yield "repeatable"
    least, most = getattr(param, "min", None), getattr(param, "max", None)
    if most is not None:
        yield f"{least:,} to {most:,}"
    elif least is not None:
        yield f"at least {least:,}"
    if param.default not in (None, False, "", list):
        yield f"default: {param.default}"


def _shown(command: Any) -> list[Any]:
    context = typer.Context(command, help_option_names=["-h", "--help"])
    return [param for param in command.get_params(context) if not param.hidden]


def _is_option(param: Any) -> bool:
    return bool(param.param_type_name == "option")


def _summary(command: Any) -> str:
    return _paragraphs(command)[0]


def _paragraphs(command: Any) -> list[str]:
    return [_joined(paragraph) for paragraph in command.help.split("\n\n")]


def _joined(text: str) -> str:
    return " ".join(text.split())


def _text(text: str) -> str:
    """Escape the characters that mean something to Markdown."""
    return re.sub(r"([\\`*<\[])", r"\\\1", text)


if __name__ == "__main__":
    FILE.write_text(manual(), encoding="utf-8")
