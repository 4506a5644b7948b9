"""Secrets of Secrets Manager and parameters of Parameter Store, read once in a while."""

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, Final, TypeVar

from invalidator.errors import ConfigurationError
from invalidator.ttl_cache import Cached, TtlCache

_T = TypeVar("_T")

_entries: Final[dict[Hashable, Cached]] = {}
"""The parsed contents that warm invocations share, by variable and by name of the secret or parameter."""


class Stored:
    """The secrets and parameters as one reading of the settings sees them.

    Each is read again after ``ttl`` seconds of the clock ``now``. ``warnings`` name those that could not be read or
    used then, so that their last content stays in force.
    """

    def __init__(self, ttl: int, now: Callable[[], float]) -> None:
        self.ttl = ttl
        self.warnings: list[str] = []
        self._cache = TtlCache(now, ConfigurationError, _entries)

    def secret(self, variable: str, name: str, parse: Callable[[str], _T]) -> _T:
        """Return the parsed content of the secret that a variable names.

        Raises ConfigurationError, with the variable and the name, if it cannot be read or parsed and never was.
        """
        return self._parsed(variable, name, lambda: parse(_text(variable, name, _secrets, _secret)))

    def parameter(self, variable: str, name: str, parse: Callable[[str], _T]) -> _T:
        """Return the parsed content of the parameter that a variable names, decrypted. Raises as ``secret`` does."""
        return self._parsed(variable, name, lambda: parse(_text(variable, name, _parameters, _parameter)))

    def _parsed(self, variable: str, name: str, read: Callable[[], _T]) -> _T:
        value, problem = self._cache.read((variable, name), self.ttl, read)
        if problem:
            self.warnings.append(f"{problem}; what was known so far stays in force")
        return value


def forget_stored() -> None:
    """Read secrets and parameters anew at the next event, as a cold start does."""
    _entries.clear()
    _secrets.cache_clear()
    _parameters.cache_clear()


@cache
def _secrets() -> Any:
    from invalidator.aws import sdk  # imported late: it takes long, and many plans are made without AWS

    return sdk.client("secretsmanager", attempts=2)


@cache
def _parameters() -> Any:
    from invalidator.aws import sdk

    return sdk.client("ssm", attempts=2)


def _secret(client: Any, name: str) -> str | bytes:
    """Return the current version of a secret, which is text or bytes.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html (2026-11-29)
    """
    answer = client.get_secret_value(SecretId=name)
    content: str | bytes = answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"]
    return content


def _parameter(client: Any, name: str) -> str:
    """Return the value of a parameter, decrypted.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html (2026-11-29)
    """
    return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def _text(variable: str, name: str, connect: Callable[[], Any], read: Callable[[Any, str], str | bytes]) -> str:
    from invalidator.aws import sdk

    place = f"{variable}: {name} cannot be read"
    try:
        client = connect()
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from error
    with sdk.raising(ConfigurationError, place):
        content = read(client, name)
    try:
        return content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        # Not chained: the error would show the content.
        raise ConfigurationError(f"{variable}: {name} holds bytes that are not text") from None
