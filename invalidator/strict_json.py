"""JSON that people write: an object in which a name is there twice is refused, since they may mean the other value."""

import json
from typing import Any


class DuplicateNameError(ValueError):
    """A name is there twice in an object."""


def parse_strictly(text: str) -> Any:
    """Return the value in a JSON text. Raises DuplicateNameError, or ValueError or RecursionError if it is no JSON."""
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        # Not which one: the text may be a secret.
        raise DuplicateNameError("a name is there twice in an object")
    return made
