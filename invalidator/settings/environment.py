"""Settings, read from the environment, Secrets Manager and Parameter Store, and checked once.

Nothing else in this package reads the environment. The names are the table in the README.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, partial
from typing import Any, Final, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError

from invalidator.aws import sdk
from invalidator.distributions.describe import Declared
from invalidator.errors import ConfigurationError, UnconfiguredError
from invalidator.limits import MAX_DIMENSION_CHARACTERS, MAX_NAMESPACE_CHARACTERS, MAX_WILDCARDS_PER_CALL
from invalidator.model import DistributionId
from invalidator.planning.coalesce import Allowance
from invalidator.urls import rules
from invalidator.urls.encoding import why_rewritten
from invalidator.urls.viewers import View

_DEFAULT_INDEX_DOCUMENT: Final = "index.html"
_DISCOVER: Final = "discover"
_OPTION: Final = "--distribution-id"
_DEFAULT_TTL_SECONDS: Final = 300

_MAX_TTL_SECONDS: Final = 86_400
MAX_PATHS: Final = 1_000_000
"""As many as one plan can be allowed to send to a distribution."""
_DEFAULT_LIST_PAGES: Final = 1_000
_MAX_LIST_PAGES: Final = 100_000
_PATIENCE_SECONDS: Final = 60
"""For which, at most, a secret that cannot be read is not asked for again."""

# AWS's ids are some 14 characters of these. To ask no more than this shape keeps most of what is not meant to
# be seen, in a secret that was named by mistake, from being taken for ids and shown in the log.
is_distribution_id = re.compile(r"[A-Z0-9]{1,32}|dt_[A-Za-z0-9]{1,64}").fullmatch
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (2026-11-21)
_is_bucket_name = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]").fullmatch
_separators = re.compile(r"[\s,]+")
# As Powertools spells it.
_TRUE: Final = ("1", "y", "yes", "t", "true", "on")
_FALSE: Final = ("0", "n", "no", "f", "false", "off")
_DECLARED: Final[dict[str, type]] = {"id": str, "bucket": str, "origin_path": str, "cache_tags": bool}


class Comparison(Enum):
    """What has to be the same in two versions of an object, for the later one to be skipped."""

    VERSIONS = "versions"
    VERSIONS_AND_METADATA = "versions+metadata"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an invocation needs to know.

    ``distributions`` has no duplicates and is not empty, unless they are to be discovered: all of the account, or
    those with ``discover_tag`` (``name`` or ``name=value``), and where no event names a bucket, those of
    ``discover_bucket``. ``declared`` is what was said of some of them;
    ``describe`` is whether CloudFront is asked about them, every ``ttl`` seconds.

    ``queue_url`` is the function's own queue, ``dead_letters_url`` what keeps what that gives up; both may be
    empty. ``warnings`` say what is wrong and was got round. ``allowance`` is how much one plan may send to each
    distribution, ``list_pages`` how many pages of listings an invocation may ask S3 for. ``skip_unchanged`` is how
    an upload is compared with the version before, so as not to invalidate what is the same; None: not at all.
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
    list_pages: int = _DEFAULT_LIST_PAGES
    skip_unchanged: Comparison | None = None


Ids = dict[DistributionId, Declared | None]
T = TypeVar("T")


class _Kept(NamedTuple):
    """What was made of a secret or parameter, and until when it is not read again."""

    value: Any
    until: float
    warning: str = ""


_kept: Final[dict[tuple[str, str], _Kept]] = {}
"""What warm invocations know, by variable and by name of the secret or parameter."""


def load(
    environ: Mapping[str, str] = os.environ,
    instead: Sequence[str] = (),
    now: Callable[[], float] = time.monotonic,
    source: str = _OPTION,
) -> Settings:
    """Read all settings. Secrets and parameters are read again after ``SETTINGS_TTL`` seconds.

    One that cannot be read or used then leaves its last ids in force, with a warning. ``instead`` are the ids of a
    command line, or whatever ``source`` is called, which replace the configured ones if there are any; those that
    begin with a slash are names of parameters that hold ids. Raises ConfigurationError, naming the variable, if
    anything is missing, malformed or unreadable, and UnconfiguredError, which is one, if there is no distribution.
    """
    stored = _Stored(_ttl(environ), now(), _warnings(environ))
    words = list(instead) or _words(environ.get("DISTRIBUTION_IDS", ""))
    discover = any(word.lower() == _DISCOVER for word in words)
    words = [word for word in words if word.lower() != _DISCOVER]
    ids: Ids = {}
    if instead:
        for word in words:
            _add(ids, _named(word, source, stored))
        with suppress(ConfigurationError):  # what is declared of them holds, if it can be read
            ids |= {id_: declared for id_, declared in _configured_ids(environ, stored).items() if id_ in ids}
    else:
        ids = {_checked(word, "DISTRIBUTION_IDS"): None for word in words}
        _add(ids, _configured_ids(environ, stored))
    if not ids and not discover:
        raise UnconfiguredError(
            "no distribution to invalidate: set DISTRIBUTION_IDS, DISTRIBUTION_ID, DISTRIBUTION_ID_<name>,"
            " DISTRIBUTION_IDS_SECRET or DISTRIBUTION_IDS_PARAMETER"
        )
    queue_url, dead_letters_url = queue_urls(environ)
    return Settings(
        tuple(ids),
        _view(environ, stored),
        queue_url,
        dead_letters_url,
        tuple(stored.warnings),
        discover=discover,
        discover_bucket=_bucket(environ),
        discover_tag="=".join(part.strip() for part in environ.get("DISCOVER_TAG", "").split("=", 1)),
        declared={id_: declared for id_, declared in ids.items() if declared is not None},
        describe=_one_of(environ, "DESCRIBE", {"": True, "on": True, "off": False}),
        ttl=stored.ttl,
        allowance=_allowance(environ),
        list_pages=_whole(environ, "LIST_PAGES", _DEFAULT_LIST_PAGES, range(1, _MAX_LIST_PAGES + 1)),
        skip_unchanged=_one_of(environ, "SKIP_UNCHANGED", {"": None} | {item.value: item for item in Comparison}),
    )


_ASKED_OF_AWS: Final = ("DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER", "RULES_PARAMETER")


def offline(environ: Mapping[str, str] = os.environ, instead: Sequence[str] = ()) -> Settings:
    """What can be known without a call to AWS; there may be no distribution. ``warnings`` say what is not known."""
    if named := [word for word in instead if word.startswith("/")]:
        raise ConfigurationError(f"{_OPTION}: AWS is not asked here, so that {named[0]!r} is not read: give the id")
    unread = [name for name in _ASKED_OF_AWS if environ.get(name, "").strip()]
    ids = environ.get("DISTRIBUTION_IDS", "")
    # As if they were to be discovered: then there need not be any.
    known = dict(environ) | dict.fromkeys(_ASKED_OF_AWS, "") | {"DISTRIBUTION_IDS": f"{ids},{_DISCOVER}"}
    config = load(known, instead)
    return replace(
        config,
        describe=False,
        discover=False,
        warnings=tuple(f"AWS is not asked here, so that {name} is not read" for name in unread),
    )


def view(environ: Mapping[str, str] = os.environ) -> View:
    """What holds for all distributions, for whom the distributions themselves are not known."""
    return _view(environ, _Stored(_ttl(environ), time.monotonic(), []))


def queue_urls(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The function's own queue and its dead letters, for whom the distributions are of no interest; maybe empty."""
    return _queue_url(environ, "QUEUE_URL"), _queue_url(environ, "DEAD_LETTERS_URL")


def forget() -> None:
    """Read secrets and parameters anew at the next event, as a cold start does."""
    _kept.clear()
    _provider.cache_clear()


def _queue_url(environ: Mapping[str, str], name: str) -> str:
    url = environ.get(name, "").strip()
    if url and not re.fullmatch(r"https?://[^\s/]+/\S+", url):
        raise ConfigurationError(
            f"{name}: {url!r} is not the URL of a queue (expected"
            " https://sqs.<region>.amazonaws.com/<account>/<name>; not a name, not an ARN)"
        )
    return url


def check_bucket(name: str, source: str) -> None:
    """Raise ConfigurationError, with the ``source`` of the name, if no bucket can have it."""
    if not _is_bucket_name(name):
        raise ConfigurationError(f"{source}: {name!r} is not the name of a bucket (not a URL, not an ARN)")


def service_name(environ: Mapping[str, str] = os.environ) -> str:
    """What the function calls itself in its log and metrics, after Powertools' own variable."""
    return environ.get("POWERTOOLS_SERVICE_NAME", "").strip() or "invalidator"


def metrics_namespace(environ: Mapping[str, str] = os.environ) -> str:
    """Under which the metrics are, after Powertools' own variable."""
    return environ.get("POWERTOOLS_METRICS_NAMESPACE", "").strip() or "invalidator"


def metrics(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to print metrics, after Powertools' own variables: in development, only if they are said to be on."""
    word = environ.get("POWERTOOLS_METRICS_DISABLED") or environ.get("POWERTOOLS_DEV", "")
    return word.lower() not in _TRUE


def _view(environ: Mapping[str, str], stored: "_Stored") -> View:
    parameter = environ.get("RULES_PARAMETER", "").strip()
    found = rules.parse(environ.get("RULES", "").strip() or "[]", "RULES")
    if parameter:
        found += stored.read("RULES_PARAMETER", parameter, lambda: _stored_rules(parameter))
    return View(
        _index_document(environ),
        _one_of(environ, "DIRECTORY_URLS", {"": None, "slash": False, "bare": True}),
        found,
        _globs(environ, "INCLUDE"),
        _globs(environ, "EXCLUDE"),
    )


def _one_of(environ: Mapping[str, str], name: str, meanings: dict[str, T]) -> T:
    word = environ.get(name, "").strip().lower()
    if word not in meanings:
        raise ConfigurationError(f"{name}: {word!r:.40} is none of {', '.join(filter(None, meanings))}")
    return meanings[word]


def _whole(environ: Mapping[str, str], name: str, default: int, allowed: range, unit: str = "") -> int:
    text = environ.get(name, "").strip() or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) not in allowed:
        raise ConfigurationError(f"{name}: {text!r:.40} is not a whole number{unit} from {allowed[0]} to {allowed[-1]}")
    return int(text)


def _allowance(environ: Mapping[str, str]) -> Allowance:
    most = Allowance()
    return Allowance(
        _whole(environ, "MAX_PATHS", most.paths, range(1, MAX_PATHS + 1)),
        _whole(environ, "MAX_WILDCARDS", most.wildcards, range(MAX_WILDCARDS_PER_CALL + 1)),
        _one_of(environ, "LOSSLESS", {"": None, "on": True, "off": False}),
    )


def _bucket(environ: Mapping[str, str]) -> str:
    name = environ.get("DISCOVER_BUCKET", "").strip()
    if name:
        check_bucket(name, "DISCOVER_BUCKET")
    return name


def _globs(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A JSON array of globs, or globs separated by commas or white space."""
    text = environ.get(name, "").strip()
    try:
        value = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        value = None
    # A glob may begin with a bracket, too; with a quotation mark in it, an array was meant.
    globs = value if isinstance(value, list) else _words(text)
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


# --- the sources of ids ---------------------------------------------------------------------------------


class _Stored(NamedTuple):
    """The secrets and parameters, as they are read at some moment. ``ttl`` and ``now`` are seconds."""

    ttl: int
    now: float
    warnings: list[str]

    def read(self, variable: str, name: str, parse: Callable[[], T]) -> T:
        """What is made of one: what is known, while that is fresh, and for want of better."""
        kept = _kept.get((variable, name))
        if kept is None or self.now >= kept.until:
            try:
                kept = _Kept(parse(), self.now + self.ttl)
            except ConfigurationError as error:
                if kept is None:
                    raise
                warning = f"{error}; what was known so far stays in force"
                kept = _Kept(kept.value, self.now + min(self.ttl, _PATIENCE_SECONDS), warning)
            _kept[variable, name] = kept
        if kept.warning:
            self.warnings.append(kept.warning)
        value: T = kept.value
        return value


def _configured_ids(environ: Mapping[str, str], stored: _Stored) -> Ids:
    ids: Ids = {}
    for name in sorted(environ):
        if (name == "DISTRIBUTION_ID" or name.startswith("DISTRIBUTION_ID_")) and environ[name].strip():
            ids[_checked(environ[name].strip(), name)] = None
    for variable, fetch in (("DISTRIBUTION_IDS_SECRET", _secret), ("DISTRIBUTION_IDS_PARAMETER", _parameter)):
        if name := environ.get(variable, "").strip():
            _add(ids, stored.read(variable, name, partial(_stored_ids, variable, name, fetch)))
    return ids


def _named(word: str, source: str, stored: _Stored) -> Ids:
    """An id, or the ids in a parameter."""
    if word.startswith("/"):
        return stored.read(source, word, partial(_stored_ids, source, word, _parameter))
    return {_checked(word, source): None}


def _add(ids: Ids, more: Ids) -> None:
    """An id that is named again without a declaration keeps the one that it has."""
    for id_, declared in more.items():
        ids[id_] = declared or ids.get(id_)


def _warnings(environ: Mapping[str, str]) -> list[str]:
    """What is wrong but holds up nothing."""
    names = {
        "POWERTOOLS_SERVICE_NAME": (service_name(environ), MAX_DIMENSION_CHARACTERS),
        "POWERTOOLS_METRICS_NAMESPACE": (metrics_namespace(environ), MAX_NAMESPACE_CHARACTERS),
    }
    found = []
    if (word := environ.get("POWERTOOLS_METRICS_DISABLED", "")).lower() not in ("", *_TRUE, *_FALSE):
        found.append(f"POWERTOOLS_METRICS_DISABLED: {word!r:.40} is neither true nor false; metrics are printed")
    if environ.get("POWERTOOLS_TRACE_DISABLED", "").lower() in _FALSE:
        found.append("POWERTOOLS_TRACE_DISABLED: this function no longer sends traces to X-Ray; remove the variable")
    return found + [
        f"{name}: {word!r:.40} has more than {most:,} characters, or others than those of ASCII: CloudWatch takes no"
        " metrics under it"
        for name, (word, most) in names.items()
        if len(word) > most or not (word.isascii() and word.isprintable())
    ]


def _words(text: str) -> list[str]:
    return [word for word in _separators.split(text) if word]


def _checked(word: str, source: str, *, secret: bool = False) -> DistributionId:
    if is_distribution_id(word):
        return DistributionId(word)
    if (told := why_rewritten(word)) and not secret:
        raise ConfigurationError(f"{source}: {word!r} {told}")
    raise ConfigurationError(
        f"{source}: {'a value in it' if secret else repr(word)} is not a distribution id (expected capitals and"
        f" digits, as E1A2B3C4D5E6F7; not a domain name, not an ARN{_several(source)})"
    )


def _several(source: str) -> str:
    """Where more than one id goes."""
    if source == _OPTION:
        return "; for several, the option is repeated"
    return "; several ids go into DISTRIBUTION_IDS" if re.match("DISTRIBUTION_ID(_|$)", source) else ""


def _stored_ids(variable: str, name: str, fetch: Callable[[str, str], str | bytes]) -> Ids:
    """The ids in a secret or parameter. No error may show its content: nothing is quoted, nothing chained."""
    where = f"{variable}: {name}"
    ids: Ids = {}
    for part in _parts(_content(variable, name, fetch)):
        if isinstance(part, dict):
            _add(ids, dict([_declared(part, where)]))
        elif isinstance(part, str):
            _add(ids, {_checked(word, where, secret=True): None for word in _words(part)})
        else:
            raise ConfigurationError(
                f"{where} is JSON but neither an array of ids nor an object whose values are ids, nor objects such as"
                ' {"id": "E1A2B3C4D5E6F7", "bucket": "my-origin", "origin_path": "/prod"}'
            )
    if not ids:
        raise ConfigurationError(f"{where} holds no distribution id")
    return ids


def _content(variable: str, name: str, fetch: Callable[[str, str], str | bytes]) -> str:
    content = fetch(variable, name)
    try:
        return content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: {name} holds bytes that are not text") from None


def _parts(text: str) -> list[Any]:
    """The parts of a JSON array, the values of a JSON object, an object that declares, a JSON text, or plain text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    if isinstance(value, dict):
        # In the console's key/value editor, a name may be "id", too.
        return [value] if "id" in value and set(value) <= set(_DECLARED) else list(value.values())
    return value if isinstance(value, list) else [value]


def _declared(written: dict[str, Any], where: str) -> tuple[DistributionId, Declared]:
    """What a person says of a distribution. Of the fields, only the id has to be there."""
    id_, bucket, path, tags = (written.get(name, kind()) for name, kind in _DECLARED.items())
    if set(written) <= set(_DECLARED) and all(isinstance(text, str) for text in (id_, bucket, path)):
        path = path.rstrip("/")
        if isinstance(tags, bool) and (not path or path.startswith("/")) and (not bucket or _is_bucket_name(bucket)):
            return _checked(id_, where, secret=True), Declared(bucket, path, tags)
    raise ConfigurationError(
        f'{where}: an object in it is not what it should be: {{"id": "E1A2B3C4D5E6F7", "bucket": "my-origin",'
        ' "origin_path": "/prod", "cache_tags": true}, of which all but the id may be left out'
    )


def _stored_rules(name: str) -> tuple[rules.Rule, ...]:
    return rules.parse(_content("RULES_PARAMETER", name, _parameter), f"RULES_PARAMETER: {name}")


def _ttl(environ: Mapping[str, str]) -> int:
    return _whole(environ, "SETTINGS_TTL", _DEFAULT_TTL_SECONDS, range(_MAX_TTL_SECONDS + 1), " of seconds")


@cache
def _provider(kind: str) -> Any:
    """Powertools' reader of secrets or parameters, with timeouts that leave an invocation time for its work."""
    # Imported here, since Powertools' parameters cost a cold start what many functions never use.
    from aws_lambda_powertools.utilities import parameters

    return getattr(parameters, kind)(boto_config=sdk.config(attempts=2))


def _secret(variable: str, name: str) -> str | bytes:
    from aws_lambda_powertools.utilities.parameters import GetParameterError

    try:
        content: str | bytes = _provider("SecretsProvider").get(name, force_fetch=True)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"{variable}: {name} cannot be read: {_why(error)}") from error
    return content


def _parameter(variable: str, name: str) -> str | bytes:
    from aws_lambda_powertools.utilities.parameters import GetParameterError

    try:
        content: str | bytes = _provider("SSMProvider").get(name, decrypt=True, force_fetch=True)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"{variable}: {name} cannot be read: {_why(error)}") from error
    return content


def _why(error: Exception) -> str:
    """What the SDK said: Powertools wraps it, in words that lack what to do."""
    inner = error.__cause__ or error.__context__
    return sdk.explained(inner if isinstance(inner, BotoCoreError) else error, {})
