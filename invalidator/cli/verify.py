"""``verify``: compare what the edge serves for a URL with the object in S3."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from invalidator.cli import options
from invalidator.cli.keys import key_meant
from invalidator.cli.options import option
from invalidator.cli.session import errors_explained, interruptible
from invalidator.cli.targets import origin_bucket
from invalidator.cli.terminal import narrate, states_shown
from invalidator.cli.verify_view import EdgeComparison, show_comparison, state_line
from invalidator.errors import ConfigurationError, EdgeError, ObjectError
from invalidator.limits import MAX_KEY_BYTES
from invalidator.operator import edge
from invalidator.operator.freshness import judge
from invalidator.operator.objects import S3Objects
from invalidator.workers import within

_PATIENCE: Final = 300
# Seconds between two comparisons: most invalidations take more than one, and an edge is not asked more often later.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0
_GROWTH: Final = 1.25
_SHORTEST_COMPARISON: Final = 0.5

_Url = Annotated[
    str | None, option("--url", "The URL that viewers ask for; characters are encoded where necessary.", "https://…")
]
_UntilFresh = Annotated[
    bool, option("--until-fresh", "Ask again until the URL is fresh, and say after how many seconds.")
]
_Timeout = Annotated[
    int | None,
    option(
        "--timeout", f"With --until-fresh: wait at most this many seconds; if not given, {_PATIENCE}.", "SECONDS", min=1
    ),
]


@options.in_account
def verify(
    *,
    words: options.KeyWords,
    url: _Url = None,
    key: Annotated[list[str], options.key_option("The key of its object, as S3 stores it.", **options.REPEATABLE)],
    literal: Annotated[bool, option("--literal", options.LITERAL)] = False,
    bucket: options.OriginBucket = None,
    until_fresh: _UntilFresh = False,
    timeout: _Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Compare what the edge nearest to you serves for a URL with the object that S3 has. Changes nothing.

    It asks once, as viewers do, without their browser's cache; other edges may still differ. Fails if the URL is stale
    or cannot be judged.

    Example: invalidator verify --url https://www.example.com/blog/ --key blog/index.html --bucket my-origin

    Example: invalidator verify --url https://www.example.com/a.css --key a.css --bucket my-origin --until-fresh
    """
    keys = [*words, *key]
    begun = time.monotonic()
    with (
        interruptible(lambda: narrate(f"Stopped after {time.monotonic() - begun:.1f} s; nothing was changed.")),
        errors_explained(),
    ):
        if url is None or len(keys) != 1:
            raise ConfigurationError(f"{'--url' if url is None else 'KEY'}: give one")
        if timeout is not None and not until_fresh:
            raise ConfigurationError("--timeout: give it together with --until-fresh")
        asked, object_key, origin = (
            edge.check_url(url),
            _checked(keys[0], bucket, literal=literal),
            origin_bucket(bucket),
        )
        compare = _comparing(asked, object_key, origin)
        comparison, seconds = _wait(compare, timeout or _PATIENCE) if until_fresh else (compare(_PATIENCE), None)
    if asked != url:
        narrate(f"Asked for {asked}")
    show_comparison(comparison, seconds, {"url": asked, "bucket": origin, "key": object_key}, as_json=as_json)
    if comparison.verdict.verdict != "fresh":
        raise typer.Exit(1)


def compare_until_fresh(
    compare: Callable[[float], EdgeComparison],
    timeout: float,
    tell: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[EdgeComparison, float]:
    """Return the last comparison, and the seconds until it was done: at most ``timeout``.

    ``compare`` takes the seconds that are left. Compares until waiting changes nothing more, and for the last time when
    just enough time is left. An edge that has answered once may be out of reach until the time is up. Raises what
    ``compare`` raises.
    """
    begun, between, longest, is_last, comparison = now(), _FIRST_PAUSE, _SHORTEST_COMPARISON / 2, False, None

    def rest() -> float:
        """Return the seconds until the last comparison has to begin: twice the longest so far is enough for it."""
        return timeout - min(2 * longest, timeout / 2) - (now() - begun)

    while True:
        started = now()
        try:
            comparison = compare(timeout - (started - begun))
            longest = max(longest, now() - started)
            tell(state_line(comparison))
        except EdgeError as error:
            if comparison is None or is_last or rest() <= 0:
                raise
            tell(str(error))
        else:
            if comparison.verdict.final or is_last or rest() <= 0:
                return comparison, now() - begun
        is_last = rest() <= between
        pause(max(min(between, rest()), 0.0))
        between = min(between * _GROWTH, _LONGEST_PAUSE)


def _wait(compare: Callable[[float], EdgeComparison], timeout: float) -> tuple[EdgeComparison, float]:
    with states_shown() as tell:
        return compare_until_fresh(compare, timeout, tell)


def _comparing(url: str, key: str, bucket: str) -> Callable[[float], EdgeComparison]:
    """Return a function that compares both sides within a number of seconds."""
    s3 = S3Objects.connect()

    def compare(seconds: float) -> EdgeComparison:
        end = time.monotonic() + seconds
        # The edge first: what it serves cannot be newer than what S3 says afterwards.
        served = edge.ask(url, seconds)
        try:
            stored = within(end - time.monotonic(), lambda: s3.find(bucket, key))
        except TimeoutError as error:
            raise ObjectError(f"{key!r} in bucket {bucket!r}: S3 did not answer in the time that was left") from error
        return EdgeComparison(stored, served, judge(stored, served, datetime.now(UTC)))

    return compare


def _checked(key: str, bucket: str | None, *, literal: bool) -> str:
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"--key: {key!r} is not UTF-8, as all keys are") from error
    if length > MAX_KEY_BYTES:
        raise ConfigurationError(f"--key: it has {length:,} bytes, and a key of S3 has at most {MAX_KEY_BYTES:,}")
    return key_meant(key, bucket, literal=literal)
