"""The URLs and names of queues, as a person writes them."""

import re

from invalidator.errors import ConfigurationError
from invalidator.settings.environment import NO_FIFO_QUEUE, QUEUE_URL_FORM, is_queue_url

_queue_name = re.compile(r"[\w-]{1,80}", re.ASCII).fullmatch
_region_in_url = re.compile(r"https://sqs(?:-fips)?\.([a-z0-9-]+)\.").match
_account_in_url = re.compile(r"https?://[^/]+/([0-9]{12})/[^/]+").fullmatch


def queue_region(url: str) -> str:
    """Return the Region in the URL of a queue; empty if it has none, as another endpoint's or a name."""
    found = _region_in_url(url)
    return found[1] if found else ""


def queue_account(url: str) -> str:
    """Return the account in the URL of a queue; empty if it has none."""
    found = _account_in_url(url)
    return found[1] if found else ""


def check_queue(text: str, source: str = "") -> None:
    """Raise ConfigurationError, with the ``source`` of the text, unless it is the URL or name of a standard queue."""
    where = f"{source}: " if source else ""
    if text.endswith(".fifo"):
        raise ConfigurationError(f"{where}{text!r} {NO_FIFO_QUEUE}")
    if not (is_queue_url(text) or _queue_name(text)):
        raise ConfigurationError(
            f"{where}{text!r} is neither the URL nor the name of a queue (expected"
            f" {QUEUE_URL_FORM}, or <name>; not an ARN)"
        )
