"""The ids of distributions: where the settings have them, which shapes they take, and what is declared beside them."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from invalidator.errors import ConfigurationError
from invalidator.model import Declared, DistributionId
from invalidator.settings.stored import Stored
from invalidator.urls.encoding import why_rewritten

Ids = dict[DistributionId, Declared | None]
"""Distributions in their order, each with its declaration, if there is one."""

OPTION: Final = "--distribution-id"
DISCOVER: Final = "discover"
"""The word that stands for the distributions that are found in the account."""

# AWS's ids are some 14 characters of these, and an embedded AWS makes others.
is_distribution_id = re.compile(r"[A-Z0-9]{1,32}|dt_[A-Za-z0-9]{1,64}").fullmatch
# In a secret or parameter that was named by mistake, a PIN, a seed or a key would be such a word, and would be logged.
_is_cloudfronts = re.compile(r"E[A-Z0-9]{9,20}|dt_[A-Za-z0-9]{1,64}").fullmatch
_arn = re.compile(r"arn:[\w-]+:cloudfront::\d*:distribution(?:-tenant)?/(\w+)", re.ASCII).fullmatch
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (2026-11-21)
is_bucket_name = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]").fullmatch
_separators = re.compile(r"[\s,]+")
_DECLARATION: Final[dict[str, type]] = {"id": str, "bucket": str, "origin_path": str, "cache_tags": bool}


def words_of(text: str) -> list[str]:
    """Return the words of a text, which are separated by commas or white space."""
    return [word for word in _separators.split(text) if word]


def ids_of(environ: Mapping[str, str], stored: Stored, instead: Sequence[str], source: str) -> tuple[Ids, bool]:
    """Return the chosen distributions, and whether those of the account are to be discovered beside them.

    ``instead`` are words that replace all configured ids, if there are any: ids, names of parameters that hold ids
    (they begin with a slash), or ``discover``; ``source`` is where they were given. Raises ConfigurationError.
    """
    words = list(instead) or words_of(environ.get("DISTRIBUTION_IDS", ""))
    named = [word for word in words if word.lower() != DISCOVER]
    ids: Ids = {}
    if not instead:
        ids = {_checked(word, "DISTRIBUTION_IDS"): None for word in named}
        _add(ids, _configured(environ, stored))
        return ids, len(named) < len(words)
    for word in named:
        _add(ids, _given(word, source, stored))
    with suppress(ConfigurationError):  # without the configured ids, their declarations are not known
        ids |= {id_: declared for id_, declared in _configured(environ, stored).items() if id_ in ids}
    return ids, len(named) < len(words)


def _configured(environ: Mapping[str, str], stored: Stored) -> Ids:
    """Return the ids of all variables but DISTRIBUTION_IDS."""
    ids: Ids = {}
    for name in sorted(environ):
        if (name == "DISTRIBUTION_ID" or name.startswith("DISTRIBUTION_ID_")) and environ[name].strip():
            ids[_checked(environ[name].strip(), name)] = None
    for variable, read in (
        ("DISTRIBUTION_IDS_SECRET", stored.secret),
        ("DISTRIBUTION_IDS_PARAMETER", stored.parameter),
    ):
        if name := environ.get(variable, "").strip():
            _add(ids, read(variable, name, partial(_parsed, where=f"{variable}: {name}")))
    return ids


def _given(word: str, source: str, stored: Stored) -> Ids:
    """Return the id that a word is, or the ids of the parameter that it names."""
    if word.startswith("/"):
        return stored.parameter(source, word, partial(_parsed, where=f"{source}: {word}"))
    return {_checked(word, source): None}


def _add(ids: Ids, more: Ids) -> None:
    """Add ids; one that is known already and comes without a declaration keeps the one that it has."""
    for id_, declared in more.items():
        ids[id_] = declared or ids.get(id_)


def _checked(word: str, source: str, *, secret: bool = False) -> DistributionId:
    if (_is_cloudfronts if secret else is_distribution_id)(word):
        return DistributionId(word)
    if (rewritten := why_rewritten(word)) and not secret:
        raise ConfigurationError(f"{source}: {word!r} {rewritten}")
    if arn := _arn(word):
        problem = f"an ARN and not a distribution id: give the id at its end{'' if secret else f', {arn[1]}'}"
    else:
        problem = (
            f"not a distribution id (expected {'E and 9 to 20 ' if secret else ''}capitals and digits, as"
            f" E1A2B3C4D5E6F7; not a domain name: 'distributions' lists the ids{_for_several(source)})"
        )
    raise ConfigurationError(f"{source}: {'a value in it' if secret else repr(word)} is {problem}")


def _for_several(source: str) -> str:
    """Say where more than one id goes."""
    if source == OPTION:
        return "; for several, repeat the option"
    return "; several ids go into DISTRIBUTION_IDS" if re.match("DISTRIBUTION_ID(_|$)", source) else ""


# --- the content of secrets and parameters --------------------------------------------------------------


def _parsed(text: str, where: str) -> Ids:
    """Return the ids in the content of a secret or parameter. No error quotes the content, or chains one that does."""
    ids: Ids = {}
    for value in _values(text, where):
        if isinstance(value, dict):
            _add(ids, _declared(value, where))
        elif isinstance(value, str):
            _add(ids, {_checked(word, where, secret=True): None for word in words_of(value)})
        else:
            raise ConfigurationError(
                f"{where} is JSON but neither an array of ids nor an object whose values are ids, nor objects such as"
                ' {"id": "E1A2B3C4D5E6F7", "bucket": "my-origin", "origin_path": "/prod"}'
            )
    if not ids:
        raise ConfigurationError(f"{where} holds no distribution id")
    return ids


def _values(text: str, where: str) -> list[Any]:
    """Return the values of a JSON array or object, one declaration, one JSON text, or the plain text itself."""
    from invalidator.strict_json import DuplicateNameError, parse_strictly  # which many functions never need

    try:
        value = parse_strictly(text)
    except DuplicateNameError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    except (ValueError, RecursionError):
        return [text]
    if isinstance(value, dict):
        # In the console's key/value editor, a name may be "id", too.
        return [value] if "id" in value and set(value) <= set(_DECLARATION) else list(value.values())
    return value if isinstance(value, list) else [value]


def _declared(declaration: dict[str, Any], where: str) -> Ids:
    """Return the id of a declaration with what it declares. All fields but the id may be left out."""
    id_, bucket, path, tags = (declaration.get(name, kind()) for name, kind in _DECLARATION.items())
    if set(declaration) <= set(_DECLARATION) and all(isinstance(text, str) for text in (id_, bucket, path)):
        path = path.rstrip("/")
        if isinstance(tags, bool) and (not path or path.startswith("/")) and (not bucket or is_bucket_name(bucket)):
            return {_checked(id_, where, secret=True): Declared(bucket, path, tags)}
    raise ConfigurationError(
        f'{where}: an object in it is not of the expected form, {{"id": "E1A2B3C4D5E6F7", "bucket": "my-origin",'
        ' "origin_path": "/prod", "cache_tags": true}, of which all but the id may be left out'
    )
