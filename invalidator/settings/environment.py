"""Settings: the environment, secrets and parameters, checked once and put into one object.

Nothing but this package and ``local`` reads the environment. docs/configuration.md has a table of all variables.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import Final, TypeVar

from invalidator.errors import ConfigurationError, UnconfiguredError
from invalidator.limits import MAX_DELAY_SECONDS, MAX_DIMENSION_CHARACTERS, MAX_KEY_BYTES, MAX_NAMESPACE_CHARACTERS
from invalidator.model import Allowance, Declared, DistributionId
from invalidator.settings import powertools
from invalidator.settings.ids import DISCOVER, OPTION, ids_of, is_bucket_name, words_of
from invalidator.settings.stored import Stored
from invalidator.urls import rules
from invalidator.urls.viewers import View

_T = TypeVar("_T")

QUEUE_URL_FORM: Final = "https://sqs.<region>.amazonaws.com/<account>/<name>"
NO_FIFO_QUEUE: Final = (
    "is a FIFO queue: S3 cannot notify it, none of its messages can be delayed alone, and Lambda takes ten of them at a"
    " time, without a window. Neither tickets nor gathering can work there: use a standard queue"
)

_DEFAULT_INDEX_DOCUMENT: Final = "index.html"
_DEFAULT_TTL_SECONDS: Final = 300
_MAX_TTL_SECONDS: Final = 86_400
MAX_PATHS: Final = 1_000_000
"""The most paths that a plan can be allowed to send to a distribution."""
_READ_FROM_AWS: Final = ("DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER", "RULES_PARAMETER")

GONE: Final = {
    "LOSSLESS": "wildcards that evict nothing are used wherever they save something",
    "MAX_WILDCARDS": "a plan has few, unless it would exceed MAX_PATHS",
    "LIST_PAGES": "listings are bounded by what they may save",
}
"""The variables that are no longer read, and why nobody needs them."""

IN_VAIN: Final = ("MONTHLY_BUDGET does nothing", "REPEAT_AFTER does nothing")

# As Powertools spells it.
_TRUE: Final = ("1", "y", "yes", "t", "true", "on")
_FALSE: Final = ("0", "n", "no", "f", "false", "off")


class SkipUnchanged(Enum):
    """The parts of two versions of an object that have to be the same for the later one to be skipped."""

    VERSIONS = "versions"
    VERSIONS_AND_METADATA = "versions+metadata"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an invocation.

    ``distributions`` has no duplicates. It is empty only if distributions are discovered: all of the account, or those
    with ``discover_tag`` (``name`` or ``name=value``). Where no event names a bucket, they are those of
    ``discover_bucket``. ``declared`` has the declarations of some distributions. With ``describe``, CloudFront is
    asked about each, every ``ttl`` seconds.

    ``queue_url`` is the function's own queue, ``dead_letters_url`` its dead-letter queue; both may be empty.
    ``warnings`` say what is wrong with settings that can be used all the same. ``allowance`` bounds what one plan may
    send to each distribution. A change waits for the rest of its burst for ``gather`` seconds at most; 0: not at all.
    The upload of the key ``deploy_marker`` ends a burst. What is accepted is sent once more, ``repeat_after`` seconds
    later; 0: it is not. ``monthly_budget`` is in US dollars; 0: there is none.
    ``skip_unchanged`` says how an upload is compared with the version before; uploads that are the same are not
    invalidated. None: nothing is compared. ``stack`` marks the tickets of the stack; empty outside of one.
    """

    distributions: tuple[DistributionId, ...]
    view: View = field(default_factory=View)
    queue_url: str = ""
    dead_letters_url: str = ""
    warnings: tuple[str, ...] = ()
    discover: bool = False
    discover_tag: str = ""
    discover_bucket: str = ""
    declared: Mapping[DistributionId, Declared] = field(default_factory=dict)
    describe: bool = False
    ttl: int = _DEFAULT_TTL_SECONDS
    allowance: Allowance = field(default_factory=Allowance)
    skip_unchanged: SkipUnchanged | None = None
    gather: int = 0
    deploy_marker: str = ""
    repeat_after: int = 0
    monthly_budget: float = 0.0
    stack: str = ""


def load(
    environ: Mapping[str, str] = os.environ,
    instead: Sequence[str] = (),
    now: Callable[[], float] = time.monotonic,
    source: str = OPTION,
) -> Settings:
    """Read all settings; secrets and parameters are read again after ``SETTINGS_TTL`` seconds.

    A secret or parameter that cannot be read or used then stays in force as it was, with a warning. ``instead``
    replaces the configured distributions, if it is not empty: with ids, and with names of parameters that hold ids,
    which begin with a slash; ``source`` names the option that they come from. Raises ConfigurationError, naming the
    variable, if anything is missing, malformed or unreadable, and its UnconfiguredError if there is no distribution.
    """
    stored = Stored(_ttl(environ), now)
    ids, discover = ids_of(environ, stored, instead, source)
    if not ids and not discover:
        raise UnconfiguredError(
            "no distribution to invalidate: set DISTRIBUTION_IDS, DISTRIBUTION_ID, DISTRIBUTION_ID_<name>,"
            " DISTRIBUTION_IDS_SECRET or DISTRIBUTION_IDS_PARAMETER"
        )
    queue_url, dead_letters_url = queue_urls(environ)
    seen = _view(environ, stored)
    return Settings(
        tuple(ids),
        seen,
        queue_url,
        dead_letters_url,
        (*_warnings(environ), *stored.warnings),
        discover=discover,
        discover_bucket=discover_bucket(environ),
        discover_tag="=".join(text.strip() for text in environ.get("DISCOVER_TAG", "").split("=", 1)),
        declared={id_: declared for id_, declared in ids.items() if declared is not None},
        describe=_one_of(environ, "DESCRIBE", {"": True, "on": True, "off": False}),
        ttl=stored.ttl,
        allowance=_allowance(environ),
        skip_unchanged=_one_of(environ, "SKIP_UNCHANGED", {"": None} | {item.value: item for item in SkipUnchanged}),
        gather=_whole(environ, "GATHER", 0, range(MAX_DELAY_SECONDS + 1), " of seconds"),
        deploy_marker=_deploy_marker(environ),
        repeat_after=_repeat_after(environ),
        monthly_budget=_monthly_budget(environ),
        stack=_stack(environ),
    )


def offline(environ: Mapping[str, str] = os.environ, instead: Sequence[str] = ()) -> Settings:
    """Read the settings that need no call to AWS; there may be no distribution. ``warnings`` name what was not read."""
    if named := [word for word in instead if word.startswith("/")]:
        raise ConfigurationError(f"{OPTION}: {named[0]!r} names a parameter, and AWS is not asked here: give the id")
    unread = [name for name in _READ_FROM_AWS if environ.get(name, "").strip()]
    # With "discover", there need not be any id.
    ids = f"{environ.get('DISTRIBUTION_IDS', '')},{DISCOVER}"
    config = load(dict(environ) | dict.fromkeys(_READ_FROM_AWS, "") | {"DISTRIBUTION_IDS": ids}, instead)
    return replace(
        config,
        describe=False,
        discover=False,
        warnings=tuple(f"{name} is not read: AWS is not asked here" for name in unread),
    )


def is_queue_url(text: str) -> bool:
    """Return whether a text can be the URL of a queue, of AWS or of another endpoint."""
    return re.fullmatch(r"https?://[^\s/]+/\S+", text) is not None


def view(environ: Mapping[str, str] = os.environ) -> View:
    """Read the settings that hold for all distributions, for a caller who does not need to know these."""
    return _view(environ, Stored(_ttl(environ), time.monotonic))


def queue_urls(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Read the URLs of the function's own queue and of its dead-letter queue; each may be empty."""
    return _queue_url(environ, "QUEUE_URL"), _queue_url(environ, "DEAD_LETTERS_URL")


def check_bucket_name(name: str, source: str) -> None:
    """Raise ConfigurationError, with the ``source`` of the name, if no bucket can have it."""
    if not is_bucket_name(name):
        raise ConfigurationError(f"{source}: {name!r} is not the name of a bucket: give its name, not a URL or an ARN")


# --- Powertools' own variables --------------------------------------------------------------------------


def service_name(environ: Mapping[str, str] = os.environ) -> str:
    """Read the name of the function in its log and metrics."""
    return environ.get("POWERTOOLS_SERVICE_NAME", "").strip() or "invalidator"


def metrics_namespace(environ: Mapping[str, str] = os.environ) -> str:
    """Read the namespace of the metrics."""
    return environ.get("POWERTOOLS_METRICS_NAMESPACE", "").strip() or "invalidator"


def metrics(environ: Mapping[str, str] = os.environ) -> bool:
    """Read whether to print metrics; in development, they are off unless they are turned on."""
    word = environ.get("POWERTOOLS_METRICS_DISABLED") or environ.get("POWERTOOLS_DEV", "")
    return word.lower() not in _TRUE


def is_lambda(environ: Mapping[str, str] = os.environ) -> bool:
    """Read whether this process takes its events from Lambda.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime (2026-11-29)
    """
    return "AWS_LAMBDA_RUNTIME_API" in environ


def _warnings(environ: Mapping[str, str]) -> list[str]:
    gone = [f"{name} is no longer read: {why}; remove the variable" for name, why in GONE.items() if name in environ]
    return [*powertools.unusable(environ), *_switches_in_vain(environ), *gone, *_names_in_vain(environ)]


def _switches_in_vain(environ: Mapping[str, str]) -> Iterator[str]:
    if (word := environ.get("POWERTOOLS_METRICS_DISABLED", "")).lower() not in ("", *_TRUE, *_FALSE):
        yield f"POWERTOOLS_METRICS_DISABLED: {word!r:.40} turns nothing off: set it to true or false"
    if environ.get("POWERTOOLS_TRACE_DISABLED", "").lower() in _FALSE:
        yield "POWERTOOLS_TRACE_DISABLED: this function no longer sends traces to X-Ray; remove the variable"
    if _monthly_budget(environ) and not metrics(environ):
        yield f"{IN_VAIN[0]} without metrics, which POWERTOOLS_METRICS_DISABLED turns off"
    if _repeat_after(environ) and not _queue_url(environ, "QUEUE_URL"):
        yield f"{IN_VAIN[1]} without a queue on which the second clearing can wait: set QUEUE_URL"


def _names_in_vain(environ: Mapping[str, str]) -> Iterator[str]:
    names = {
        "POWERTOOLS_SERVICE_NAME": (service_name(environ), MAX_DIMENSION_CHARACTERS),
        "POWERTOOLS_METRICS_NAMESPACE": (metrics_namespace(environ), MAX_NAMESPACE_CHARACTERS),
    }
    for name, (word, most) in names.items():
        if len(word) > most or not (word.isascii() and word.isprintable()):
            yield (
                f"{name}: {word!r:.40} has more than {most:,} characters, or characters outside ASCII: CloudWatch takes"
                " no metrics under it; choose a shorter name in ASCII"
            )


# --- one variable, or a few -----------------------------------------------------------------------------


def _view(environ: Mapping[str, str], stored: Stored) -> View:
    parsed = rules.parse(environ.get("RULES", "").strip(), "RULES")
    if name := environ.get("RULES_PARAMETER", "").strip():
        parse = partial(rules.parse, source=f"RULES_PARAMETER: {name}")
        parsed += stored.parameter("RULES_PARAMETER", name, parse)
    return View(
        _index_document(environ),
        _one_of(environ, "DIRECTORY_URLS", {"": None, "slash": False, "bare": True}),
        parsed,
        _globs(environ, "INCLUDE"),
        _globs(environ, "EXCLUDE"),
        _one_of(environ, "ERROR_PAGES", {"": True, "clear": True, "ignore": False}),
        _one_of(environ, "TILDES", {"": False, "exact": False, "wildcard": True}),
    )


def _one_of(environ: Mapping[str, str], name: str, meanings: dict[str, _T]) -> _T:
    word = environ.get(name, "").strip().lower()
    if word not in meanings:
        raise ConfigurationError(f"{name}: {word!r:.40} is none of {', '.join(filter(None, meanings))}")
    return meanings[word]


def _whole(environ: Mapping[str, str], name: str, default: int, allowed: range, unit: str = "") -> int:
    text = environ.get(name, "").strip() or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) not in allowed:
        raise ConfigurationError(f"{name}: {text!r:.40} is not a whole number{unit} from {allowed[0]} to {allowed[-1]}")
    return int(text)


def _ttl(environ: Mapping[str, str]) -> int:
    return _whole(environ, "SETTINGS_TTL", _DEFAULT_TTL_SECONDS, range(_MAX_TTL_SECONDS + 1), " of seconds")


def _allowance(environ: Mapping[str, str]) -> Allowance:
    return Allowance(_whole(environ, "MAX_PATHS", Allowance().paths, range(1, MAX_PATHS + 1)))


def _deploy_marker(environ: Mapping[str, str]) -> str:
    key = environ.get("DEPLOY_MARKER", "").strip()
    if key.startswith("/") or "://" in key or len(key.encode("utf-8", "surrogateescape")) > MAX_KEY_BYTES:
        raise ConfigurationError(
            f"DEPLOY_MARKER: {key!r:.80} is not the key of an object (expected it without bucket, and without a slash"
            " in front, as .deployed)"
        )
    return key


def _repeat_after(environ: Mapping[str, str]) -> int:
    return _whole(environ, "REPEAT_AFTER", 0, range(MAX_DELAY_SECONDS + 1), " of seconds")


def _monthly_budget(environ: Mapping[str, str]) -> float:
    text = environ.get("MONTHLY_BUDGET", "").strip() or "0"
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,2})?", text, re.ASCII):
        raise ConfigurationError(
            f"MONTHLY_BUDGET: {text!r:.40} is not a number of US dollars (expected one up to 999999.99, as 5 or 2.50; 0"
            " is no budget)"
        )
    return float(text)


def _stack(environ: Mapping[str, str]) -> str:
    """Return a mark that who may only send to the queue cannot know: the stack's id has a part that nobody chose."""
    id_ = environ.get("STACK_ID", "").strip()
    return sha256(id_.encode(errors="surrogateescape")).hexdigest()[:16] if id_ else ""


def discover_bucket(environ: Mapping[str, str] = os.environ) -> str:
    """Read the bucket whose distributions are discovered where nothing else names one; it may be empty."""
    name = environ.get("DISCOVER_BUCKET", "").strip()
    if name:
        check_bucket_name(name, "DISCOVER_BUCKET")
    return name


def _queue_url(environ: Mapping[str, str], name: str) -> str:
    url = environ.get(name, "").strip()
    if url.endswith(".fifo"):
        raise ConfigurationError(f"{name}: {url!r} {NO_FIFO_QUEUE}")
    if not is_queue_url(url) and url:
        raise ConfigurationError(
            f"{name}: {url!r} is not the URL of a queue (expected {QUEUE_URL_FORM}; not a name, not an ARN)"
        )
    return url


def _globs(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the globs of a JSON array, or those that commas or white space separate."""
    text = environ.get(name, "").strip()
    try:
        value = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        value = None
    # A glob may begin with a bracket, too; with a quotation mark in it, an array was meant.
    globs = value if isinstance(value, list) else words_of(text)
    if not all(isinstance(item, str) and item for item in globs) or (value is None and re.search("[\"']", text)):
        raise ConfigurationError(f'{name}: expected globs, as assets/*.js, or a JSON array of them, as ["assets/*.js"]')
    return tuple(globs)


def _index_document(environ: Mapping[str, str]) -> str:
    name = environ.get("INDEX_DOCUMENT", _DEFAULT_INDEX_DOCUMENT).strip()
    if "/" in name:
        raise ConfigurationError(
            f"INDEX_DOCUMENT: {name!r} is not the name of a file (expected one without a directory, as index.html)"
        )
    return name
