"""Let all sessions of the SDK in a process share what is the same for each and takes long to prepare."""

from functools import cache
from typing import Any, Final

import botocore.session
from botocore import hooks

_ALIASER: Final[Any] = hooks.EventAliaser


def share_between_sessions() -> None:
    """Share the models, which are megabytes of JSON, the aliases of events, and what is known of signatures."""
    alias, aliases = _ALIASER._alias_event_name, dict[str, str]()

    def alias_once(self: Any, name: str) -> str:
        if name not in aliases:
            aliases[name] = alias(self, name)
        return aliases[name]

    botocore.session.create_loader = cache(botocore.session.create_loader)
    hooks.accepts_kwargs = cache(hooks.accepts_kwargs)
    _ALIASER._alias_event_name = alias_once
