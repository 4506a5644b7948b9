"""All commands: ``python -m invalidator``. Exit status: 0 done, 1 something failed, 2 wrong usage or configuration."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from invalidator import __version__
from invalidator.cli.connect import connect, disconnect
from invalidator.cli.create import create
from invalidator.cli.demo import demo
from invalidator.cli.distributions import distributions
from invalidator.cli.dlq import dlq
from invalidator.cli.doctor import doctor
from invalidator.cli.explain import explain
from invalidator.cli.invoke import invoke
from invalidator.cli.local import local
from invalidator.cli.plan import plan
from invalidator.cli.status import status
from invalidator.cli.tags import tags
from invalidator.cli.terminal import cell, print_line
from invalidator.cli.verify import verify


class _Commands(TyperGroup):
    """The commands. Their help shows what stands for a value, as KEY does, not types of Python, and it wraps."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in self.commands.values():
            _without_types(command.get_params(typer.Context(command)))
            paragraphs = (command.help or "").split("\n\n")
            command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

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
        error.message = cell(getattr(error, "message", "")).plain
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
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"invalidator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for command in (
    *(invoke, plan, create, explain, distributions, status, tags, connect, disconnect, dlq, doctor, verify),
    *(local, demo),
):
    app.command()(command)
