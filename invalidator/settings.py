"""Settings, read from the environment, Secrets Manager and Parameter Store, and checked once.

Nothing else in this package reads the environment. The names are the table in the README.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError

from invalidator import sdk
from invalidator.errors import ConfigurationError
from invalidator.model import DistributionId

_DEFAULT_INDEX_DOCUMENT: Final = "index.html"
_DEFAULT_TTL_SECONDS: Final = 300

_MAX_TTL_SECONDS: Final = 86_400
_PATIENCE_SECONDS: Final = 60
"""For which, at most, a secret that cannot be read is not asked for again."""

# AWS's ids are some 14 characters of these. To ask no more than this shape keeps most of what is not meant to
# be seen, in a secret that was named by mistake, from being taken for ids and shown in the log.
_is_distribution_id = re.compile(r"[A-Z0-9]{1,32}").fullmatch
_separators = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an invocation needs to know. ``distributions`` is not empty and has no duplicates.

    ``queue_url`` is the function's own queue, ``dead_letters_url`` what keeps what that gives up; both may be
    empty. ``warnings`` say what is wrong and was got round.
    """

    distributions: tuple[DistributionId, ...]
    index_document: str = _DEFAULT_INDEX_DOCUMENT
    queue_url: str = ""
    dead_letters_url: str = ""
    warnings: tuple[str, ...] = ()


class _Kept(NamedTuple):
    """The ids that a secret or parameter had, and until when they are not read again."""

    ids: tuple[DistributionId, ...]
    until: float
    warning: str = ""


_kept: Final[dict[tuple[str, str], _Kept]] = {}
"""What warm invocations know, by variable and by name of the secret or parameter."""


def load(
    environ: Mapping[str, str] = os.environ,
    instead: Sequence[str] = (),
    now: Callable[[], float] = time.monotonic,
) -> Settings:
    """Read all settings. Secrets and parameters are read again after ``SETTINGS_TTL`` seconds.

    One that cannot be read or used then leaves its last ids in force, with a warning. ``instead`` are the ids of a
    command line, which replace the configured ones if there are any. Raises ConfigurationError, naming the
    variable, if anything is missing, malformed or unreadable.
    """
    warnings: list[str] = []
    ids = dict.fromkeys(_checked(id_, "--distribution-id") for id_ in instead) or dict.fromkeys(
        _configured_ids(environ, now(), warnings)
    )
    if not ids:
        raise ConfigurationError(
            "no distribution to invalidate: set DISTRIBUTION_IDS, DISTRIBUTION_ID, DISTRIBUTION_ID_<name>,"
            " DISTRIBUTION_IDS_SECRET or DISTRIBUTION_IDS_PARAMETER"
        )
    return Settings(tuple(ids), _index_document(environ), *queue_urls(environ), tuple(warnings))


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


def service_name(environ: Mapping[str, str] = os.environ) -> str:
    """What the function calls itself in its log, after Powertools' own variable."""
    return environ.get("POWERTOOLS_SERVICE_NAME") or "invalidator"


def _index_document(environ: Mapping[str, str]) -> str:
    name = environ.get("INDEX_DOCUMENT", _DEFAULT_INDEX_DOCUMENT).strip()
    if "/" in name:
        raise ConfigurationError(
            f"INDEX_DOCUMENT: {name!r} is not the name of a file (expected one without a directory, as index.html)"
        )
    return name


# --- the sources of ids ---------------------------------------------------------------------------------


def _configured_ids(environ: Mapping[str, str], now: float, warnings: list[str]) -> Iterator[DistributionId]:
    ttl = _ttl(environ)
    for word in _words(environ.get("DISTRIBUTION_IDS", "")):
        yield _checked(word, "DISTRIBUTION_IDS")
    for name in sorted(environ):
        if (name == "DISTRIBUTION_ID" or name.startswith("DISTRIBUTION_ID_")) and environ[name].strip():
            yield _checked(environ[name].strip(), name)
    for name, fetch in (("DISTRIBUTION_IDS_SECRET", _secret), ("DISTRIBUTION_IDS_PARAMETER", _parameter)):
        if stored := environ.get(name, "").strip():
            kept = _keep(name, stored, fetch, ttl, now)
            if kept.warning:
                warnings.append(kept.warning)
            yield from kept.ids


def _keep(variable: str, name: str, fetch: Callable[[str], str | bytes], ttl: int, now: float) -> _Kept:
    """The ids of a secret or parameter: those known, while they are fresh, and for want of better ones."""
    known = _kept.get((variable, name))
    if known and now < known.until:
        return known
    try:
        new = _Kept(tuple(_stored_ids(variable, name, fetch)), now + ttl)
    except ConfigurationError as error:
        if not known:
            raise
        new = _Kept(known.ids, now + min(ttl, _PATIENCE_SECONDS), f"{error}; the ids known so far stay in force")
    _kept[variable, name] = new
    return new


def _words(text: str) -> list[str]:
    return [word for word in _separators.split(text) if word]


def _checked(word: str, source: str, *, secret: bool = False) -> DistributionId:
    if _is_distribution_id(word):
        return DistributionId(word)
    raise ConfigurationError(
        f"{source}: {'a value in it' if secret else repr(word)} is not a distribution id (expected capitals and"
        " digits, as E1A2B3C4D5E6F7; not a domain name, not an ARN; several ids go into DISTRIBUTION_IDS)"
    )


def _stored_ids(variable: str, name: str, fetch: Callable[[str], str | bytes]) -> Iterator[DistributionId]:
    """The ids in a secret or parameter. No error may show its content: nothing is quoted, nothing chained."""
    try:
        content = fetch(name)
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: {name} holds bytes that are not text") from None
    words = [word for part in _texts(text, variable, name) for word in _words(part)]
    if not words:
        raise ConfigurationError(f"{variable}: {name} holds no distribution id")
    for word in words:
        yield _checked(word, f"{variable}: {name}", secret=True)


def _texts(text: str, variable: str, name: str) -> list[str]:
    """A JSON array of texts, the values of a JSON object, a JSON text, or plain text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    values = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    if not all(isinstance(item, str) for item in values):
        raise ConfigurationError(
            f"{variable}: {name} is JSON but neither an array of ids nor an object whose values are ids"
        )
    return values


def _ttl(environ: Mapping[str, str]) -> int:
    text = environ.get("SETTINGS_TTL", "").strip() or str(_DEFAULT_TTL_SECONDS)
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _MAX_TTL_SECONDS:
        raise ConfigurationError(
            f"SETTINGS_TTL: {text!r:.40} is not a whole number of seconds from 0 to {_MAX_TTL_SECONDS}"
        )
    return int(text)


@cache
def _provider(kind: str) -> Any:
    """Powertools' reader of secrets or parameters, with timeouts that leave an invocation time for its work."""
    # Imported here, since Powertools' parameters cost a cold start what many functions never use.
    from aws_lambda_powertools.utilities import parameters

    return getattr(parameters, kind)(boto_config=sdk.config(attempts=2))


def _secret(name: str) -> str | bytes:
    from aws_lambda_powertools.utilities.parameters import GetParameterError

    try:
        content: str | bytes = _provider("SecretsProvider").get(name, force_fetch=True)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS_SECRET: {name} cannot be read: {error}") from error
    return content


def _parameter(name: str) -> str | bytes:
    from aws_lambda_powertools.utilities.parameters import GetParameterError

    try:
        content: str | bytes = _provider("SSMProvider").get(name, decrypt=True, force_fetch=True)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS_PARAMETER: {name} cannot be read: {error}") from error
    return content
