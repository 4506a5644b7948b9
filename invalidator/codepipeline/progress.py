"""The progress of a job of CodePipeline, carried from each of its jobs to the next in a continuation token. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from invalidator.codepipeline.requests import Job, is_job_id
from invalidator.errors import ConfigurationError, EventError
from invalidator.limits import MAX_CONTINUATION_TOKEN_CHARACTERS
from invalidator.model import Batch

_NAME_DIGITS: Final = 8
_is_entry = re.compile(r"([0-9a-f]{8})([+-])(\w{0,64})(?<!-)").fullmatch


class SentBatch(NamedTuple):
    """A batch that CloudFront accepted. It is ``settled`` once it is completed, or if nobody waits for that.

    ``invalidation`` is empty where a token had no room for the id.
    """

    invalidation: str
    settled: bool


@dataclass(slots=True)
class Progress:
    """The batches that were sent so far. ``job`` is the id of the first job, ``since`` the second in which it came."""

    job: str
    since: int
    # By the first digits of the caller reference.
    _sent: dict[str, SentBatch] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, now: int) -> "Progress":
        """Return what the token of a job says, or nothing yet if the job has none.

        Raises ConfigurationError if the token was not made here, and EventError if the job cannot be read.
        """
        if not job.is_readable:
            raise EventError("a CodePipeline.job that is not as CodePipeline sends them")
        if not job.token:
            return cls(job.id, now)
        first, _, rest = job.token.partition(" ")
        since, *texts = rest.split(" ")
        entries = [_is_entry(text) for text in texts]
        if not (is_job_id(first) and re.fullmatch(r"[0-9]{1,12}", since) and all(entries)):
            raise ConfigurationError("the continuation token is none that was given out here; run the action again")
        return cls(first, int(since), {entry[1]: SentBatch(entry[3], entry[2] == "+") for entry in entries if entry})

    def keep_only(self, batches: list[Batch]) -> None:
        """Forget every other batch: the list of distributions may have changed since the first job."""
        names = [_name(batch) for batch in batches]
        self._sent = {name: self._sent[name] for name in names if name in self._sent}

    def get(self, batch: Batch) -> SentBatch | None:
        """Return what was sent for a batch; None if it was not accepted yet."""
        return self._sent.get(_name(batch))

    def put(self, batch: Batch, sent: SentBatch) -> None:
        """Note that a batch was accepted, or how it stands now."""
        self._sent[_name(batch)] = sent

    def token(self) -> str:
        """Return what has room: first that batches are settled (some 200), then which to look at again, then ids.

        What has no room is sent again, and CloudFront answers with the earlier invalidation. That must not be much:
        CloudFront lets through no more than some ten calls at once.
        """
        token = f"{self.job} {self.since}"
        entry = 1 + _NAME_DIGITS + 1
        settled = sum(sent.settled for sent in self._sent.values())
        room = MAX_CONTINUATION_TOKEN_CHARACTERS - len(token) - entry * settled
        for name, sent in sorted(self._sent.items(), key=lambda item: item[1].settled):
            needed = len(sent.invalidation) + (0 if sent.settled else entry)
            has_room = needed <= room
            room -= needed if has_room else 0
            longer = f"{token} {name}{'+' if sent.settled else '-'}{sent.invalidation if has_room else ''}"
            if (sent.settled or has_room) and len(longer) <= MAX_CONTINUATION_TOKEN_CHARACTERS:
                token = longer
        return token


def _name(batch: Batch) -> str:
    """Return enough of a caller reference to tell it from the others of a job."""
    return batch.caller_reference.removeprefix("invalidator-")[:_NAME_DIGITS]
