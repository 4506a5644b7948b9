"""The ARNs of what a bucket may notify, in their parts."""

import re
from typing import Final, NamedTuple, Self

QUEUE_ARN_FORM: Final = "arn:aws:sqs:<region>:<account>:<name>"
NO_FIFO: Final = "is FIFO, and S3 notifies no FIFO queue or topic: use a standard one"

_arn = re.compile(r"arn:(aws[\w-]*):([a-z0-9-]+):([a-z0-9-]+):([0-9]{12}):([^\s:]\S*)", re.ASCII).fullmatch


class Arn(NamedTuple):
    """The parts of an ARN that has a Region and an account. ``resource`` is the rest: ``changes``, ``function:f``.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html (2026-11-28)
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @property
    def is_fifo(self) -> bool:
        """True for a FIFO queue or topic, whose name has to end like that.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html and
        https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html (2026-11-29)
        """
        return self.resource.endswith(".fifo")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the parts of an ARN; None if the text is no ARN, or one without a Region or an account."""
        found = _arn(text)
        return cls(*found.groups()) if found else None
