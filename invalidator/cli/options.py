"""Options: a short way to declare them, and those that several commands have, each declared once."""

from typing import Annotated, Any, Final

import typer

WHAT: Final = "What to invalidate"
"""The panel of the help with the options that say so."""


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


def key_option(help_: str, panel: str | None = None) -> Any:
    """Return ``--key``, for one key or for several."""
    return option("--key", help_, "KEY", panel)


EVENT: Final[Any] = typer.Argument(
    help="A file with the event; - is standard input.",
    encoding="utf-8-sig",
    metavar="EVENT.json",
    autocompletion=complete_file,
)
_LINES: Final = "one a line or separated by NUL; - is standard input. Repeatable."

OriginBucket = Annotated[str, bucket_option("The origin bucket.")]
Keys = Annotated[
    list[str] | None, key_option("The key of an object, as S3 stores it; it stands for all its URLs. Repeatable.", WHAT)
]
KeysFrom = Annotated[list[typer.FileBinaryRead] | None, file_option("--keys-from", f"A file with such keys, {_LINES}")]
PathsFrom = Annotated[
    list[typer.FileBinaryRead] | None, file_option("--from-file", f"A file with such paths, {_LINES}")
]
DistributionIds = Annotated[
    list[str] | None,
    option(
        "--distribution-id",
        "A distribution or tenant to use instead of the configured ones. 'discover' stands for those that serve the"
        " bucket, a name that begins with a slash for the ids in that parameter. Repeatable.",
        "ID",
    ),
]
All = Annotated[bool, option("--all", "Show all of them, however many.")]
DryRun = Annotated[bool, option("--dry-run", "Show what would be done, and change nothing.")]
Json = Annotated[bool, option("--json", "Print one JSON document.")]
