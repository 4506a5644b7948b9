"""``status``: show what has been invalidated, and whether it is done."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.lookups import distributions_meant
from invalidator.cli.options import option
from invalidator.cli.session import errors_explained, interruptible
from invalidator.cli.status_view import all_json, one_json, print_all, print_one, refreshed
from invalidator.cli.terminal import narrate, print_json, progress
from invalidator.errors import ConfigurationError
from invalidator.model import DistributionId
from invalidator.operator.invalidations import (
    DistributionInvalidations,
    Invalidations,
    check_invalidation_id,
    find_invalidation,
)
from invalidator.runtime import clients
from invalidator.wording import count, names, names_by_value

_REFRESHING_SECONDS: Final = 5.0

_Id = Annotated[
    str | None, typer.Argument(help="An invalidation, to see all of its items.", metavar="ID", show_default=False)
]
_Limit = Annotated[
    int, option("--limit", "Show so many of each distribution, the newest, and all in progress.", "N", min=1)
]
_Watch = Annotated[bool, option("--watch", "Look again every 5 seconds, until Ctrl-C, which ends it with status 0.")]


@options.in_account
def status(
    *,
    id_: _Id = None,
    distribution_id: options.DistributionIds,
    bucket: options.ServedBucket = None,
    limit: _Limit = 10,
    every: options.All = False,
    watch: _Watch = False,
    as_json: options.Json = False,
) -> None:
    """Show what has been invalidated: whether it is done, how old it is, its paths, and what made it.

    It asks the configured distributions or, if none is configured, all of the account. Changes nothing.

    You need cloudfront:ListInvalidations and cloudfront:GetInvalidation, and to find distributions
    cloudfront:ListDistributions.

    Example: invalidator status --stack invalidator-dev

    Example: invalidator status --bucket my-origin --watch

    Example: invalidator status I2J0I21PCUYOIK --distribution-id E1A2B3C4D5E6F7
    """
    with errors_explained():
        _check_watch(watch, id_, as_json=as_json)
        if id_ is not None:
            check_invalidation_id(id_, "ID")
        distributions = distributions_meant(distribution_id, bucket)
        if id_ is not None:
            _show(id_, distributions, as_json=as_json)
            return
        reader = Invalidations(clients.cloudfront())
    most = None if every else limit
    if watch:
        with interruptible(lambda: narrate("Stopped."), status=0):
            watch_for_ever(lambda: reader.newest(distributions, most))
    elif not _list(reader, distributions, most, as_json=as_json):
        raise typer.Exit(1)


def _check_watch(watch: bool, id_: str | None, *, as_json: bool) -> None:
    if watch and (as_json or id_ is not None):
        raise ConfigurationError(f"--watch: it does not go with {'--json' if as_json else 'ID'}")


def _now() -> datetime:
    return datetime.now(UTC)


def _show(id_: str, distributions: list[DistributionId], *, as_json: bool) -> None:
    invalidation = find_invalidation(clients.cloudfront(), distributions, id_)
    if as_json:
        print_json("status", {"invalidation": one_json(invalidation, True, _now())})
    else:
        print_one(invalidation, _now())


def _list(reader: Invalidations, distributions: list[DistributionId], most: int | None, *, as_json: bool) -> bool:
    """Print the newest of each distribution. Return False if anything could not be read."""
    with progress("asking CloudFront") as advance:
        listed = reader.newest(distributions, most, advance)
    if as_json:
        print_json("status", all_json(listed, _now()))
    else:
        print_all(listed, _now())
    problems = _problems(listed)
    for problem in problems:
        narrate(problem)
    if not all(one.problem for one in listed):
        narrate(_summary(listed))
    return not problems


def _problems(listed: list[DistributionInvalidations]) -> list[str]:
    """Return a sentence for each reason why something could not be read, with the distributions concerned."""
    reasons = names_by_value(
        (one.distribution, f"{what}: {why}")
        for one in listed
        for what, why in (("cannot be read", one.problem), ("some items cannot be read", one.unread))
        if why
    )
    kind = "error" if all(one.problem for one in listed) else "warning"
    return [f"{kind}: {names(ids)}: {reason}" for reason, ids in reasons.items()]


def _summary(listed: list[DistributionInvalidations]) -> str:
    read = [one for one in listed if not one.problem]
    running = sum(not seen.invalidation.is_completed for one in read for seen in one.shown)
    number = count(sum(one.total for one in read), "invalidation")
    return f"{number} on {count(len(read), 'distribution')}, {f'{running:,}' if running else 'none'} in progress."


_Screen = Callable[[], AbstractContextManager[Callable[[list[DistributionInvalidations], datetime], None]]]


def watch_for_ever(
    read: Callable[[], list[DistributionInvalidations]],
    screen: _Screen = refreshed,
    now: Callable[[], datetime] = _now,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Read and show again and again. ``now`` is a clock, and ``pause`` lets seconds pass.

    Ends if nothing at all can be read at first.
    """
    before: list[str] | None = None
    with screen() as show:
        while True:
            listed = read()
            show(listed, now())
            problems = _problems(listed)
            for problem in problems:
                if problem not in (before or ()):
                    narrate(problem)
            if before is None and all(one.problem for one in listed):
                raise typer.Exit(1)
            before = problems
            pause(_REFRESHING_SECONDS)
