"""Settings, read from the environment, Secrets Manager and Parameter Store, and checked once.

Nothing else in this package reads the environment. The names are the table in the README.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from invalidator.errors import ConfigurationError
from invalidator.model import DistributionId

_DEFAULT_INDEX_DOCUMENT: Final = "index.html"
_DEFAULT_TTL_SECONDS: Final = 300

_is_distribution_id = re.compile(r"[A-Za-z0-9_]{1,64}").fullmatch
_separators = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an invocation needs to know. ``distributions`` is not empty and has no duplicates."""

    distributions: tuple[DistributionId, ...]
    index_document: str = _DEFAULT_INDEX_DOCUMENT


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read all settings. Secrets and parameters come from a cache that lasts ``SETTINGS_TTL`` seconds.

    Raises ConfigurationError, naming the variable, if anything is missing, malformed or unreadable.
    """
    ids = dict.fromkeys(_distribution_ids(environ, _ttl(environ)))
    if not ids:
        raise ConfigurationError(
            "no distribution to invalidate: set DISTRIBUTION_IDS, DISTRIBUTION_ID, DISTRIBUTION_ID_<name>,"
            " DISTRIBUTION_IDS_SECRET or DISTRIBUTION_IDS_PARAMETER"
        )
    return Settings(tuple(ids), load_index_document(environ))


def load_index_document(environ: Mapping[str, str] = os.environ) -> str:
    """The file name that is served for its directory; empty if none is. Raises ConfigurationError."""
    name = environ.get("INDEX_DOCUMENT", _DEFAULT_INDEX_DOCUMENT).strip()
    if "/" in name:
        raise ConfigurationError(
            f"INDEX_DOCUMENT is {name!r}; expected the name of a file, as index.html, without a directory"
        )
    return name


def service_name(environ: Mapping[str, str] = os.environ) -> str:
    """What the function calls itself in its log, after Powertools' own variable."""
    return environ.get("POWERTOOLS_SERVICE_NAME") or "invalidator"


def parse_ids(text: str, source: str) -> list[DistributionId]:
    """Ids separated by commas or white space. ``source`` is the variable that an error names."""
    return [_checked(word, source) for word in _separators.split(text) if word]


# --- the sources of ids ---------------------------------------------------------------------------------


def _distribution_ids(environ: Mapping[str, str], ttl: int) -> Iterator[DistributionId]:
    yield from parse_ids(environ.get("DISTRIBUTION_IDS", ""), "DISTRIBUTION_IDS")
    for name in sorted(environ):
        if (name == "DISTRIBUTION_ID" or name.startswith("DISTRIBUTION_ID_")) and environ[name].strip():
            yield _checked(environ[name].strip(), name)
    for name, fetch in (("DISTRIBUTION_IDS_SECRET", _secret), ("DISTRIBUTION_IDS_PARAMETER", _parameter)):
        if stored := environ.get(name, "").strip():
            yield from _stored_ids(name, stored, fetch, ttl)


def _checked(word: str, source: str, *, quote: bool = True) -> DistributionId:
    if _is_distribution_id(word):
        return DistributionId(word)
    value = repr(word) if quote else "a value"
    raise ConfigurationError(
        f"{source} has {value} that cannot be the id of a distribution; expected letters and digits as in"
        " E1A2B3C4D5E6F7 (not a domain name, not an ARN; several go into DISTRIBUTION_IDS)"
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
    words = [word for text in _texts(text, variable, name) for word in _separators.split(text) if word]
    if not words:
        raise ConfigurationError(f"{variable}: {name} holds no distribution id")
    for word in words:
        yield _checked(word, f"{variable}: {name}", quote=False)


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
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"SETTINGS_TTL is {text!r}; expected a whole number of seconds, 0 or more")
    return int(text)


def _secret(name: str, ttl: int) -> str | bytes:
    # Imported here, since Powertools' parameters cost a cold start what many functions never use.
    from aws_lambda_powertools.utilities.parameters import GetParameterError, get_secret

    try:
        return get_secret(name, max_age=ttl)
    except GetParameterError as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS_SECRET: {name} cannot be read: {error}") from error


def _parameter(name: str, ttl: int) -> str | bytes:
    from aws_lambda_powertools.utilities.parameters import GetParameterError, get_parameter

    try:
        return get_parameter(name, decrypt=True, max_age=ttl)
    except GetParameterError as error:
        raise ConfigurationError(f"DISTRIBUTION_IDS_PARAMETER: {name} cannot be read: {error}") from error
