"""What the commands have in common: how they begin, what they read, and how they end when something is wrong."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import typer
from typer.core import TyperGroup

from invalidator.aws.cloudfront import CloudFront
from invalidator.cli.output import narrate
from invalidator.distributions.describe import has_tenants
from invalidator.errors import CdnError, ConfigurationError, InvalidatorError, UnconfiguredError
from invalidator.model import DistributionId
from invalidator.operator import snapshots
from invalidator.runtime import clients
from invalidator.runtime.log import logger
from invalidator.settings import environment
from invalidator.workers import Threads

_DISCOVERING_SECONDS: Final = 30.0
INTERRUPTED: Final = 128 + 2
"""As shells have it: 128 and the number of the signal."""

JSON: Final[Any] = typer.Option("--json", help="As JSON.")
DISTRIBUTIONS: Final[Any] = typer.Option(
    help="Instead of the configured distributions; repeatable. What begins with a slash is the name of a parameter that"
    " holds ids.",
    metavar="ID",
)


class Commands(TyperGroup):
    """All commands. Their help shows what stands for a value, as KEY does, without types of Python, and it wraps."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in self.commands.values():
            _without_types(command.get_params(typer.Context(command)))
            paragraphs = (command.help or "").split("\n\n")
            command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of no command, those among them that typer adds last."""
        return _without_types(super().get_params(ctx))


def _without_types(params: list[Any]) -> list[Any]:
    for param in params:
        if param.param_type_name == "argument" or param.is_flag:
            param.display_type_rich = lambda ctx: ""  # noqa: ARG005 as typer calls it, which has no option for this
    return params


def a_file() -> list[str]:
    """What completes the name of a file: nothing of ours, so that the shell looks for files itself."""
    return []


@contextmanager
def errors_explained() -> Iterator[None]:
    """End with a sentence instead of a traceback, and with status 2 if it is for the user to mend, else 1."""
    try:
        yield
    except InvalidatorError as error:
        if isinstance(error.__cause__, CdnError):  # to the function it is a setting that does not work; not to a person
            narrate(f"error: distributions cannot be discovered: {error.__cause__}")
            raise typer.Exit(1) from error
        narrate(f"error: {error}")
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error


@contextmanager
def interruptible(told: Callable[[], str]) -> Iterator[None]:
    """End with a sentence, and with the status of what a SIGINT has ended, if it is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        narrate(told())
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back what would interrupt, for as long as something is told that must not be lost."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handle in before.items():
            signal.signal(number, handle)


def text_of(file: typer.FileText) -> str:
    """What is in a file. Raises ConfigurationError if that is no text."""
    try:
        return file.read()
    except ValueError as error:
        raise ConfigurationError(f"{file.name} is not text: {error}") from error


def load(file: typer.FileText) -> Any:
    """The JSON in a file. Raises ConfigurationError if it is none."""
    try:
        return json.load(file)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file.name} is not JSON: {error}") from error


def check_input(files: Iterable[typer.FileBinaryRead], options: str) -> None:
    """Raise ConfigurationError if two of the files are standard input, which can be read once."""
    if [file.name for file in files].count("<stdin>") > 1:
        raise ConfigurationError(f"{options}: only one of them can be standard input")


def with_lines_of(
    files: Sequence[typer.FileBinaryRead], given: Sequence[str] | None, option: str, what: str
) -> list[str]:
    """What was given, and the lines of files, or what is between NULs.

    Raises ConfigurationError, also if there are files and nothing at all in them.
    """
    found = list(given or [])
    for file in files:
        content = snapshots.keys_of(file.read(), file.name)
        for warning in content.warnings:
            narrate(f"warning: {warning}")
        found += content.keys
    if files and not found:
        names = ", ".join(file.name for file in files)
        raise ConfigurationError(f"{option}: no {what} were given: there is none in {names}")
    return found


def check_bucket(name: str) -> None:
    """Raise ConfigurationError if no bucket can have this name."""
    environment.check_bucket(name, "--bucket")


def bucket_meant(config: environment.Settings, bucket: str | None) -> str | None:
    """The bucket whose distributions are meant: that which was named or, for those to be discovered, the configured.

    Raises ConfigurationError if one is needed and there is none.
    """
    found = bucket or (config.discover_bucket if config.discover else None)
    if config.discover and not found:
        raise ConfigurationError("--bucket: give the bucket whose distributions are to be discovered")
    return found


def distributions_meant(ids: list[str], bucket: str | None) -> list[DistributionId]:
    """Those named, those that serve the bucket, those configured or, for want of these, all of the account.

    At least one. Raises ConfigurationError, or CdnError.
    """
    if bucket is not None:
        check_bucket(bucket)
        ids = [*ids, "discover"]
    try:
        config = environment.load(instead=ids)
    except UnconfiguredError:
        found = list(_everything(clients.cloudfront()))
        if not found:
            raise ConfigurationError("the account has no distribution, and none is configured") from None
        return found
    return _configured(config, bucket_meant(config, bucket))


def _configured(config: environment.Settings, bucket: str | None) -> list[DistributionId]:
    catalog = clients.catalog()
    buckets = {bucket} if bucket else set[str]()
    found = catalog.look_up(replace(config, describe=False), buckets, Threads(), _DISCOVERING_SECONDS)
    warnings = catalog.warnings()
    if not found:
        raise ConfigurationError("; ".join(warnings))
    for warning in warnings:
        narrate(f"warning: {warning}")
    return [distribution.id for distribution in found]


def _everything(account: CloudFront) -> Iterator[DistributionId]:
    """All distributions of the account, and in place of those that have tenants, these."""
    for summary in account.summaries():
        id_ = DistributionId(summary["Id"])
        if has_tenants(summary):
            yield from account.tenants(id_)
        else:
            yield id_


def log_to_stderr(level: int | None = None) -> None:
    """Show the function's log beside the narration, so that standard output holds the answer alone."""
    log_handler = logger.logger_handler
    if isinstance(log_handler, logging.StreamHandler):
        log_handler.setStream(sys.stderr)
    if level is not None:
        logger.setLevel(level)
