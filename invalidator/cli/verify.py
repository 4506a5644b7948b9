"""The command ``verify``: whether viewers get of a URL what S3 has, and in how many seconds they do."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

import typer

from invalidator.cli.output import freshness_json, narrate, print_freshness, waiting
from invalidator.cli.session import JSON, check_bucket, errors_explained, interruptible
from invalidator.errors import ConfigurationError, EdgeError, ObjectError
from invalidator.limits import MAX_KEY_BYTES
from invalidator.operator import edge
from invalidator.operator.freshness import EdgeAnswer, Freshness, S3Object, judge
from invalidator.operator.objects import S3Objects
from invalidator.workers import within

_PATIENCE: Final = 300
# Seconds between two looks: an invalidation takes some, and an edge is not to be bothered for longer ones.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0
_GROWTH: Final = 1.25
_SHORTEST_LOOK: Final = 0.5

_URL: Any = typer.Option(help="The URL as viewers have it; what has to be encoded is.", metavar="https://…")
_KEY: Any = typer.Option(help="The key of its object, as S3 stores it.", metavar="KEY")
_BUCKET: Any = typer.Option(help="The bucket that it is in.", metavar="NAME")
_UNTIL_FRESH: Any = typer.Option(
    "--until-fresh", help="Ask again until the URL is fresh, and say after how many seconds."
)
_TIMEOUT: Any = typer.Option(
    help=f"With --until-fresh: how many seconds to wait, at most; if not given, {_PATIENCE}.",
    min=1,
    metavar="SECONDS",
)


class Look(NamedTuple):
    """What both sides said at one time, and what follows."""

    stored: S3Object | None
    served: EdgeAnswer
    verdict: Freshness


def verify(
    url: Annotated[str, _URL],
    key: Annotated[str, _KEY],
    bucket: Annotated[str, _BUCKET],
    until_fresh: Annotated[bool, _UNTIL_FRESH] = False,
    timeout: Annotated[int | None, _TIMEOUT] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Compare what the edge nearest to you serves for a URL with the object that S3 has. Changes nothing.

    Asks once, as viewers do, without their browser's cache; other edges may still differ. Fails if the URL is stale,
    or cannot be judged.

    Example: invalidator verify --url https://www.example.com/blog/ --key blog/index.html --bucket my-origin

    Example: invalidator verify --url https://www.example.com/a.css --key a.css --bucket my-origin --until-fresh
    """
    if timeout is not None and not until_fresh:
        raise typer.BadParameter("it goes with --until-fresh", param_hint="--timeout")
    begun = time.monotonic()
    with (
        interruptible(lambda: f"Stopped after {time.monotonic() - begun:.1f} s; nothing was changed."),
        errors_explained(),
    ):
        asked = edge.check_url(url)
        look = _looking(asked, _checked(key), bucket)
        found, seconds = _wait(look, timeout or _PATIENCE) if until_fresh else (look(_PATIENCE), None)
    if asked != url:
        narrate(f"Asked for {asked}")
    _show(found, seconds, {"url": asked, "bucket": bucket, "key": key}, as_json=as_json)
    if found.verdict.verdict != "fresh":
        raise typer.Exit(1)


def looks_until_fresh(
    look: Callable[[float], Look],
    timeout: float,
    tell: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Look, float]:
    """The last look, and how many seconds after the first was begun it was over: ``timeout``, at most.

    ``look`` takes the seconds that are left. Looks again until nothing changes by waiting, and for the last time when
    there is just enough time for that. An edge that answered once may be out of reach after that, for as long as there
    is time. Raises what ``look`` raises.
    """
    begun, between, longest, is_last, found = now(), _FIRST_PAUSE, _SHORTEST_LOOK / 2, False, None

    def rest() -> float:
        """Seconds until the last look has to begin: twice what the longest took is enough for it."""
        return timeout - min(2 * longest, timeout / 2) - (now() - begun)

    while True:
        looked = now()
        try:
            found = look(timeout - (looked - begun))
            longest = max(longest, now() - looked)
            tell(_told(found))
        except EdgeError as error:
            if found is None or is_last or rest() <= 0:
                raise
            tell(str(error))
        else:
            if found.verdict.final or is_last or rest() <= 0:
                return found, now() - begun
        is_last = rest() <= between
        pause(max(min(between, rest()), 0.0))
        between = min(between * _GROWTH, _LONGEST_PAUSE)


def _wait(look: Callable[[float], Look], timeout: float) -> tuple[Look, float]:
    with waiting() as tell:
        return looks_until_fresh(look, timeout, tell)


def _looking(url: str, key: str, bucket: str) -> Callable[[float], Look]:
    """What looks at both sides within so many seconds."""
    check_bucket(bucket)
    s3 = S3Objects.connect()

    def look(seconds: float) -> Look:
        end = time.monotonic() + seconds
        # In this order: what the edge serves cannot be newer than what S3 says after it.
        served = edge.ask(url, seconds)
        try:
            stored = within(end - time.monotonic(), lambda: s3.stored(bucket, key))
        except TimeoutError as error:
            raise ObjectError(f"{key!r} in bucket {bucket!r}: S3 did not answer in the time that was left") from error
        return Look(stored, served, judge(stored, served, datetime.now(UTC)))

    return look


def _checked(key: str) -> str:
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"--key: {key!r} is not UTF-8, as all keys are") from error
    if not key:
        raise ConfigurationError("--key: it is empty")
    if length > MAX_KEY_BYTES:
        raise ConfigurationError(f"--key: it has {length:,} bytes, and S3 has keys of {MAX_KEY_BYTES:,} at most")
    return key


def _show(found: Look, seconds: float | None, asked: dict[str, str], *, as_json: bool) -> None:
    fresh = found.verdict.verdict == "fresh"
    if as_json:
        taken = {"seconds": round(seconds, 3) if seconds is not None and fresh else None}
        print(json.dumps(asked | freshness_json(*found) | taken, indent=2))
    else:
        print_freshness(*found)
    if seconds is None:
        return
    if fresh:
        narrate(f"Fresh after {seconds:.1f} s.")
    elif found.verdict.final:
        narrate("Waiting would not change that.")
    elif found.verdict.verdict == "unknown":
        narrate(f"Not known after {seconds:.1f} s: see why the URL answers {found.served.status}.")
    else:
        narrate(
            f"Not fresh after {seconds:.1f} s: see whether the invalidation was sent, and is completed ('status' shows"
            " that), and whether it names this URL ('explain')."
        )


def _told(found: Look) -> str:
    """How things stand, in words that stay the same for as long as they do."""
    stored, served, verdict = found
    ours = f"ETag {stored.etag}" if stored else "no such object"
    theirs = f"{served.status}{f', ETag {served.etag}' if served.etag else ''}"
    return f"{verdict.verdict}: the edge serves {theirs}; S3 has {ours}."
