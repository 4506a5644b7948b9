"""All commands: ``python -m invalidator``. Exit status: 0 done, 1 something failed, 2 wrong usage or configuration.

A command is imported when it is run: the help of all takes no more than their first lines.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pkgutil import get_data
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from invalidator import __version__

NAMES: Final = (
    *("invoke", "plan", "create", "explain", "distributions", "status", "tags", "connect", "disconnect"),
    *("catch-up", "dlq", "doctor", "verify", "prove", "local", "demo"),
)
"""The commands. Each is the function of that name, with _ for -, in the module of that name."""

_MODULES: Final = {"disconnect": "connect", "catch-up": "catch_up"}
"""The modules of commands that have none of their own."""

_SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}


@cache
def load_command(name: str) -> Any:
    """Import a command. Its help shows what stands for a value, as KEY does, not types of Python, and it wraps."""
    from invalidator.cli.session import interrupts_ending_at_once

    with interrupts_ending_at_once():
        module = import_module(f"invalidator.cli.{_MODULES.get(name, name)}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    alone.command(context_settings=_SETTINGS)(getattr(module, _function(name)))
    command: Any = typer.main.get_command(alone)
    _without_types(command.get_params(typer.Context(command, **_SETTINGS)))
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in command.help.split("\n\n"))
    return command


def _summary(name: str) -> str:
    """Return the first line of the help of a command, read from its source."""
    source = get_data("invalidator.cli", f"{_MODULES.get(name, name)}.py") or b""
    mine = _function(name)
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == mine]
    return (ast.get_docstring(functions[0]) or "").partition("\n")[0]


def _function(name: str) -> str:
    return name.replace("-", "_")


class _Command(TyperCommand):
    """A command that is imported as soon as there is something to do with it."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Make the context of the command itself."""
        return load_command(str(self.name)).make_context(*args, **settings)


class _Commands(TyperGroup):
    """The commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = dict.fromkeys(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a command, by its name."""
        return _Command(cmd_name, help=_summary(cmd_name)) if cmd_name in NAMES else None

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Make the context of no command, among others of its wrong options."""
        with _errors_plain():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, which may complain of its options."""
        with _errors_plain():
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of no command, among them those that typer adds last."""
        return _without_types(super().get_params(ctx))


@contextmanager
def _errors_plain() -> Iterator[None]:
    """Let typer print what it complains of, as a wrong option, as one plain line."""
    try:
        yield
    except typer.TyperException as error:
        from invalidator.cli.terminal import plain

        error.message = plain(getattr(error, "message", ""))
        raise


def _without_types(params: list[Any]) -> list[Any]:
    for param in params:
        if param.param_type_name == "argument" or param.is_flag:
            param.display_type_rich = lambda ctx: ""  # noqa: ARG005 as typer calls it, which has no option for this
    return params


app = typer.Typer(
    cls=_Commands,
    help="Invalidate exactly the CloudFront paths that changed S3 objects make stale.",
    no_args_is_help=True,
    context_settings=_SETTINGS,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from invalidator.cli.terminal import print_line

        print_line(f"invalidator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass
