"""The command ``status``: what has been invalidated, and whether it is done."""

import json
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from invalidator.cli.output import (
    invalidation_json,
    listed_json,
    narrate,
    print_invalidation,
    print_listed,
    progress,
    refreshed,
)
from invalidator.cli.session import DISTRIBUTIONS, JSON, distributions_meant, errors_explained
from invalidator.model import DistributionId
from invalidator.operator.invalidations import (
    DistributionInvalidations,
    Invalidations,
    check_invalidation_id,
    find_invalidation,
)
from invalidator.operator.wording import count, names, names_by_value
from invalidator.runtime import clients

_REFRESHING_SECONDS: Final = 5.0
_DEFAULT_LIMIT: Final = 10

_Id = Annotated[
    str | None,
    typer.Argument(help="An invalidation, to see all of its items.", metavar="ID", show_default=False),
]
_Bucket = Annotated[
    str | None,
    typer.Option(help="Those of the account that serve this bucket, instead of the configured ones.", metavar="NAME"),
]
_Limit = Annotated[
    int, typer.Option(help="Show so many of each distribution, the newest, and all in progress.", min=1, metavar="N")
]
_All = Annotated[bool, typer.Option("--all", help="Show every one, however many.")]
_Watch = Annotated[
    bool, typer.Option("--watch", help="Look again every 5 seconds, until Ctrl-C, which ends it with status 0.")
]


def status(
    id_: _Id = None,
    distribution_id: Annotated[list[str] | None, DISTRIBUTIONS] = None,
    bucket: _Bucket = None,
    limit: _Limit = _DEFAULT_LIMIT,
    every: _All = False,
    watch: _Watch = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what has been invalidated: whether it is done, how old it is, what was in it, and what made it.

    On the configured distributions or, where none is configured, on all of the account. Changes nothing.

    Needs cloudfront:ListInvalidations and cloudfront:GetInvalidation, and to find distributions
    cloudfront:ListDistributions.

    Example: invalidator status --bucket my-origin --watch

    Example: invalidator status I2J0I21PCUYOIK --distribution-id E1A2B3C4D5E6F7
    """
    if watch and (as_json or id_ is not None):
        other = "--json" if as_json else "ID"
        raise typer.BadParameter(f"it does not go with {other}", param_hint="--watch")
    with errors_explained():
        if id_ is not None:
            check_invalidation_id(id_, "ID")
        asked = distributions_meant(distribution_id or [], bucket)
        if id_ is not None:
            _show(id_, asked, as_json=as_json)
            return
        reader = Invalidations(clients.cloudfront())
    most = None if every else limit
    if watch:
        _watch(lambda: reader.newest(asked, most))
    elif not _list(reader, asked, most, as_json=as_json):
        raise typer.Exit(1)


# --- what is shown --------------------------------------------------------------------------------------


def _now() -> datetime:
    return datetime.now(UTC)


def _show(id_: str, asked: list[DistributionId], *, as_json: bool) -> None:
    found = find_invalidation(clients.cloudfront(), asked, id_)
    if as_json:
        print(json.dumps(invalidation_json(found, True, _now()), indent=2))
    else:
        print_invalidation(found, _now())


def _list(reader: Invalidations, asked: list[DistributionId], most: int | None, *, as_json: bool) -> bool:
    """False if something could not be read."""
    with progress("asking CloudFront") as advance:
        found = reader.newest(asked, most, advance)
    if as_json:
        print(json.dumps(listed_json(found, _now()), indent=2))
    else:
        print_listed(found, _now())
    problems = problems_of(found)
    for problem in problems:
        narrate(problem)
    if not all(listed.problem for listed in found):
        narrate(told(found))
    return not problems


def problems_of(found: list[DistributionInvalidations]) -> list[str]:
    """A sentence for each reason why something could not be read, with the distributions that it concerns."""
    reasons = names_by_value(
        (listed.distribution, f"{what}: {why}")
        for listed in found
        for what, why in (("cannot be read", listed.problem), ("some items cannot be read", listed.unread))
        if why
    )
    kind = "error" if all(listed.problem for listed in found) else "warning"
    return [f"{kind}: {names(ids)}: {reason}" for reason, ids in reasons.items()]


def told(found: list[DistributionInvalidations]) -> str:
    """How many there are, in a sentence."""
    read = [listed for listed in found if not listed.problem]
    running = sum(not seen.invalidation.is_completed for listed in read for seen in listed.shown)
    number = count(sum(listed.total for listed in read), "invalidation")
    return f"{number} on {count(len(read), 'distribution')}, {f'{running:,}' if running else 'none'} in progress."


def _watch(look: Callable[[], list[DistributionInvalidations]]) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        watch_for_ever(look)
    except KeyboardInterrupt:
        narrate("Stopped.")


Screen = Callable[[], AbstractContextManager[Callable[[list[DistributionInvalidations], datetime], None]]]


def watch_for_ever(
    look: Callable[[], list[DistributionInvalidations]],
    screen: Screen = refreshed,
    now: Callable[[], datetime] = _now,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Show what a look finds, again and again. ``now`` is a clock, and ``pause`` lets seconds pass.

    Ends if nothing at all can be read at the first look.
    """
    said: list[str] | None = None
    with screen() as show:
        while True:
            found = look()
            show(found, now())
            problems = problems_of(found)
            for problem in problems:
                if problem not in (said or ()):
                    narrate(problem)
            if said is None and all(listed.problem for listed in found):
                raise typer.Exit(1)
            said = problems
            pause(_REFRESHING_SECONDS)
