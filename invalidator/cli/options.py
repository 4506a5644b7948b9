"""Options: a short way to declare them, and those that several commands have, each declared once."""

import inspect
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from invalidator.aws.unanswered import listen
from invalidator.cli.session import errors_explained, interruptible
from invalidator.cli.terminal import narrate
from invalidator.settings.adopted import adopt_account, adopt_settings, default_stack

WHAT: Final = "What to invalidate"
"""The panel of the help with the options that say so."""

REPEATABLE: Final[dict[str, Any]] = {"default_factory": list, "show_default": False}
"""Of an option that may be repeated, or not be given."""


def option(name: str, help_: str, metavar: str | None = None, panel: str | None = None, **rules: Any) -> Any:
    """Return the declaration of an option; one without a ``metavar`` is a flag."""
    return typer.Option(name, help=help_, metavar=metavar, rich_help_panel=panel, **rules)


def file_option(name: str, help_: str, metavar: str = "FILE", **rules: Any) -> Any:
    """Return the declaration of an option that says what to invalidate, by the name of a file."""
    return option(name, help_, metavar, WHAT, autocompletion=complete_file, **rules)


def complete_file() -> list[str]:
    """Suggest nothing, so that the shell itself completes the names of files."""
    return []


def bucket_option(help_: str, panel: str | None = None) -> Any:
    """Return ``--bucket``; the help says what a command does with it."""
    return option("--bucket", help_, "NAME", panel)


def queue_option(help_: str, metavar: str = "URL|NAME") -> Any:
    """Return ``--queue``; the help says which queue a command means."""
    return option("--queue", help_, metavar)


def key_option(help_: str, panel: str | None = None, **rules: Any) -> Any:
    """Return ``--key``, for one key or for several."""
    return option("--key", help_, "KEY", panel, **rules)


EVENT: Final[Any] = typer.Argument(
    help="A file with the event; - is standard input.",
    encoding="utf-8-sig",
    metavar="EVENT.json",
    autocompletion=complete_file,
)
Words = Annotated[
    list[str],
    typer.Argument(
        help="Keys, as --key takes them; or a file with the event, whose name ends in .json, or - for standard input.",
        metavar="KEY|EVENT.json",
        autocompletion=complete_file,
        **REPEATABLE,
    ),
]
KeyWords = Annotated[list[str], typer.Argument(help="Keys, as --key takes them.", metavar="KEY", **REPEATABLE)]
_LINES: Final = "one a line or separated by NUL; - is standard input. Repeatable."

ServedBucket = Annotated[
    str | None, bucket_option("The distributions that serve this bucket, in place of the configured ones.")
]
KeysBucket = Annotated[
    str | None,
    bucket_option(
        "The bucket of the keys; if not given, that of the stack, or DISCOVER_BUCKET. Without --distribution-id, it"
        " stands for the distributions that serve it.",
        WHAT,
    ),
]
OriginBucket = Annotated[
    str | None, bucket_option("The origin bucket; if not given, that of the stack, or DISCOVER_BUCKET.")
]
Keys = Annotated[
    list[str],
    key_option(
        "The key of an object, as S3 stores it; it stands for all its URLs. A URL of a distribution stands for its key,"
        " where only one can be meant. Repeatable.",
        WHAT,
        **REPEATABLE,
    ),
]
KeysFrom = Annotated[
    list[typer.FileBinaryRead], file_option("--keys-from", f"A file with such keys, {_LINES}", **REPEATABLE)
]
LITERAL: Final = "Take keys as they are, also if they look like a URL or begin with a slash."
Literal = Annotated[bool, option("--literal", LITERAL, panel=WHAT)]
AllowEmpty = Annotated[
    bool, option("--allow-empty", "If the files name nothing, do nothing and end with status 0.", panel=WHAT)
]
PathsFrom = Annotated[
    list[typer.FileBinaryRead], file_option("--from-file", f"A file with such paths, {_LINES}", **REPEATABLE)
]
DistributionIds = Annotated[
    list[str],
    option(
        "--distribution-id",
        "A distribution or tenant to use instead of the configured ones. 'discover' stands for those that serve the"
        " bucket, a name that begins with a slash for the ids in that parameter. Repeatable.",
        "ID",
        **REPEATABLE,
    ),
]
All = Annotated[bool, option("--all", "Show all of them, however many.")]
DryRun = Annotated[bool, option("--dry-run", "Show what would be done, and change nothing.")]
Json = Annotated[bool, option("--json", "Print one JSON document.")]


_ACCOUNT: Final = "Which account and stack"
StackName = Annotated[
    str | None,
    option(
        "--stack",
        "A deployed stack, as invalidator-dev; if not given, INVALIDATOR_STACK. Its settings, bucket and queues replace"
        " the variables here.",
        "NAME",
        _ACCOUNT,
    ),
]
_Region = Annotated[str | None, option("--region", "The Region, in place of the configured one.", "REGION", _ACCOUNT)]
_Profile = Annotated[
    str | None,
    option("--profile", "A profile of ~/.aws/config, in place of the credentials in use.", "PROFILE", _ACCOUNT),
]


def in_account(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that calls AWS the options --stack, --region and --profile, which hold before it begins."""
    mine, more = inspect.signature(command), {"stack": StackName, "region": _Region, "profile": _Profile}

    @wraps(command)
    def run(**given: Any) -> None:
        with interruptible(lambda: narrate("Interrupted.")):
            if not (given.get("stack") or _is_offline(given)):
                given["stack"] = default_stack()
            with errors_explained():
                _adopt(**{name: given.get(name) for name in more})
            command(**{name: value for name, value in given.items() if name in mine.parameters})

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in more.items()
        if name not in mine.parameters
    ]
    run.__signature__ = mine.replace(parameters=[*mine.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = more | command.__annotations__
    return run


def retyped(command: str, context: typer.Context, given: Mapping[str, object]) -> str:
    """Return a command line, quoted for a shell, with these values for options of the context, by their names."""
    program = [sys.argv[0]] if Path(sys.argv[0]).name == "invalidator" else [sys.executable, "-m", "invalidator"]
    words = [*program, command]
    for param in context.command.params:
        value = given.get(str(param.name))
        if value is not None and value is not False and value != param.default:
            words += [param.opts[0]] if value is True else [param.opts[0], str(value)]
    return shlex.join(words)


def _is_offline(given: dict[str, Any]) -> bool:
    """Return whether a command with these options needs no account, so that it reads a stack only if one is named."""
    return bool(given.get("local") or given.get("before"))


def _adopt(stack: str | None, region: str | None, profile: str | None) -> None:
    _tell_unanswered.cache_clear()
    listen(_tell_unanswered)
    adopt_account(region or "", profile or "")
    if stack:
        from invalidator.operator.stacks import Stack as DeployedStack

        adopt_settings(DeployedStack.read(stack).settings())


@cache
def _tell_unanswered(why: str) -> None:
    """Tell once why there is no answer: a person at a terminal would not wait a minute in silence."""
    narrate(f"no answer yet: {why}")
