"""Secrets of Secrets Manager and parameters of Parameter Store, read once in a while through Powertools."""

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError

from invalidator.aws import sdk
from invalidator.errors import ConfigurationError
from invalidator.settings import powertools
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
        return self._parsed(variable, name, lambda: parse(_text(variable, name, "SecretsProvider")))

    def parameter(self, variable: str, name: str, parse: Callable[[str], _T]) -> _T:
        """Return the parsed content of the parameter that a variable names, decrypted. Raises as ``secret`` does."""
        return self._parsed(variable, name, lambda: parse(_text(variable, name, "SSMProvider", decrypt=True)))

    def _parsed(self, variable: str, name: str, read: Callable[[], _T]) -> _T:
        value, problem = self._cache.read((variable, name), self.ttl, read)
        if problem:
            self.warnings.append(f"{problem}; what was known so far stays in force")
        return value


def forget_stored() -> None:
    """Read secrets and parameters anew at the next event, as a cold start does."""
    _entries.clear()
    _provider.cache_clear()


@cache
def _provider(kind: str) -> Any:
    """Return Powertools' reader of secrets or parameters, with timeouts that leave an invocation time for its work."""
    # Imported here, since Powertools' parameters cost a cold start what many functions never use.
    from aws_lambda_powertools.utilities import parameters

    return getattr(parameters, kind)(boto_config=sdk.config(attempts=2))


def _text(variable: str, name: str, kind: str, **options: bool) -> str:
    with powertools.spared():
        from aws_lambda_powertools.utilities.parameters import GetParameterError

    try:
        # Kept for no time by Powertools, whose variable for that is then not read.
        content: str | bytes = _provider(kind).get(name, max_age=0, force_fetch=True, **options)
    except (GetParameterError, BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"{variable}: {name} cannot be read: {_explained(error)}") from error
    try:
        return content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        # Not chained: the error would show the content.
        raise ConfigurationError(f"{variable}: {name} holds bytes that are not text") from None


def _explained(error: Exception) -> str:
    """Explain the SDK's own error, about which it is known what to do; Powertools wraps it."""
    causes = (cause for cause in sdk.causes_of(error) if isinstance(cause, sdk.ERRORS))
    return sdk.message_with_advice(next(causes, error))
