"""Settings, read from the environment, Secrets Manager and Parameter Store, and checked once.

Nothing else in this package reads the environment. The names are the table in the README.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError

from invalidator.errors import ConfigurationError
from invalidator.model import DistributionId

_DEFAULT_INDEX_DOCUMENT: Final = "index.html"
_DEFAULT_TTL_SECONDS: Final = 300

_MAX_TTL_SECONDS: Final = 86_400

# AWS's ids are some 14 characters of these. To ask no more than this shape keeps most of what is not meant to
# be seen, in a secret that was named by mistake, from being taken for ids and shown in the log.
_is_distribution_id = re.compile(r"[A-Z0-9]{1,32}").fullmatch
_separators = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an invocation needs to know. ``distributions`` is not empty and has no duplicates."""

    distributions: tuple[DistributionId, ...]
    index_document: str = _DEFAULT_INDEX_DOCUMENT


def load(environ: Mapping[str, str] = os.environ, instead: Sequence[str] = ()) -> Settings:
    """Read all settings. Secrets and parameters come from a cache that lasts ``SETTINGS_TTL`` seconds.

    ``instead`` are the ids of a command line, which replace the configured ones if there are any. Raises
    ConfigurationError, naming the variable, if anything is missing, malformed or unreadable.
    """
    ttl = _ttl(environ)
    ids = dict.fromkeys(_checked(id_, "--distribution-id") for id_ in instead) or dict.fromkeys(
        _configured_ids(environ, ttl)
    )
    if not ids:
        raise ConfigurationError(
            "no distribution to invalidate: set DISTRIBUTION_IDS, DISTRIBUTION_ID, DISTRIBUTION_ID_<name>,"
            " DISTRIBUTION_IDS_SECRET or DISTRIBUTION_IDS_PARAMETER"
        )
    return Settings(tuple(ids), _index_document(environ))


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


def _configured_ids(environ: Mapping[str, str], ttl: int) -> Iterator[DistributionId]:
    for word in _words(environ.get("DISTRIBUTION_IDS", "")):
        yield _checked(word, "DISTRIBUTION_IDS")
    for name in sorted(environ):
        if (name == "DISTRIBUTION_ID" or name.startswith("DISTRIBUTION_ID_")) and environ[name].strip():
            yield _checked(environ[name].strip(), name)
    for name, fetch in (("DISTRIBUTION_IDS_SECRET", _secret), ("DISTRIBUTION_IDS_PARAMETER", _parameter)):
        if stored := environ.get(name, "").strip():
            yield from _stored_ids(name, stored, fetch, ttl)


def _words(text: str) -> list[str]:
    return [word for word in _separators.split(text) if word]


def _checked(word: str, source: str, *, secret: bool = False) -> DistributionId:
    if _is_distribution_id(word):
        return DistributionId(word)
    raise ConfigurationError(
        f"{source}: {'a value in it' if secret else repr(word)} is not a distribution id (expected capitals and"
        " digits, as E1A2B3C4D5E6F7; not a domain name, not an ARN; several ids go into DISTRIBUTION_IDS)"
    )


def _stored_ids(
    variable: str, name: str, fetch: Callable[[str, int], str | bytes], ttl: int
) -> Iterator[DistributionId]:
    """The ids in a secret or parameter. No error may show its content: nothing is quoted, nothing chained."""
    try:
        content = fetch(name, ttl)
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


def _secret(name: str, ttl: int) -> str | bytes:
    # Imported here, since Powertools' parameters cost a cold start what many functions never use.
    from aws_lambda_powertools.utilities.parameters import GetParameterError, get_secret

    try:
        return get_secret(name, max_age=ttl)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS_SECRET: {name} cannot be read: {error}") from error


def _parameter(name: str, ttl: int) -> str | bytes:
    from aws_lambda_powertools.utilities.parameters import GetParameterError, get_parameter

    try:
        return get_parameter(name, decrypt=True, max_age=ttl)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS_PARAMETER: {name} cannot be read: {error}") from error
