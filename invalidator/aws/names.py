"""The names of AWS: ARNs, and the URLs and names of queues."""

import re
from typing import Final, NamedTuple, Self

from invalidator.errors import ConfigurationError

QUEUE_ARN_FORM: Final = "arn:aws:sqs:<region>:<account>:<name>"
QUEUE_URL_FORM: Final = "https://sqs.<region>.amazonaws.com/<account>/<name>"

_arn = re.compile(r"arn:(aws[\w-]*):([a-z0-9-]+):([a-z0-9-]+):([0-9]{12}):([^\s:]\S*)", re.ASCII).fullmatch
_queue_url = re.compile(r"https?://[^\s/]+/\S+").fullmatch
_queue_name = re.compile(r"[\w-]{1,80}", re.ASCII).fullmatch
_region_in_url = re.compile(r"https://sqs(?:-fips)?\.([a-z0-9-]+)\.").match
_account_in_url = re.compile(r"https?://[^/]+/([0-9]{12})/[^/]+").fullmatch


class Arn(NamedTuple):
    """The parts of an ARN that has a Region and an account. ``resource`` is the rest: ``changes``, ``function:f``.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html (2026-11-28)
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the parts of an ARN; None if the text is no ARN, or one without a Region or an account."""
        found = _arn(text)
        return cls(*found.groups()) if found else None


def is_queue_url(text: str) -> bool:
    """Return whether a text can be the URL of a queue, of AWS or of another endpoint."""
    return _queue_url(text) is not None


def queue_region(url: str) -> str:
    """Return the Region in the URL of a queue; empty if it has none, as another endpoint's or a name."""
    found = _region_in_url(url)
    return found[1] if found else ""


def queue_account(url: str) -> str:
    """Return the account in the URL of a queue; empty if it has none."""
    found = _account_in_url(url)
    return found[1] if found else ""


def check_queue(text: str, source: str = "") -> None:
    """Raise ConfigurationError, with the ``source`` of the text, if it is neither the URL nor the name of a queue."""
    if not (_queue_url(text) or _queue_name(text)):
        raise ConfigurationError(
            f"{f'{source}: ' if source else ''}{text!r} is neither the URL nor the name of a queue (expected"
            f" {QUEUE_URL_FORM}, or <name>; not an ARN)"
        )
