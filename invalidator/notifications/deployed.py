"""The entry that a stack adds to the notifications of its bucket, from the variables of its functions. Pure."""

from collections.abc import Mapping
from typing import Final

from invalidator.errors import ConfigurationError
from invalidator.notifications.merge import NotificationEntry

VARIABLES_OF_ENTRY: Final = {
    "Bucket": "BUCKET",
    "EntryId": "ENTRY_ID",
    "Target": "TARGET",
    "Prefix": "PREFIX",
    "Suffix": "SUFFIX",
}
"""The properties of the stack's connection, and the variables that say what they are."""

_NEEDED: Final = ("BUCKET", "ENTRY_ID", "TARGET")


def deployed_entry(variables: Mapping[str, str]) -> tuple[str, NotificationEntry]:
    """Return the bucket and the entry. Raises ConfigurationError if a variable is missing."""
    for name in _NEEDED:
        if not variables.get(name):
            raise ConfigurationError(f"{name} is not set: deploy the stack again")
    bucket, id_, target, prefix, suffix = (variables.get(name, "") for name in VARIABLES_OF_ENTRY.values())
    return bucket, NotificationEntry(id_, target, prefix, suffix)
