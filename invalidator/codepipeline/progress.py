"""The progress of a job of CodePipeline, carried from each of its jobs to the next in a continuation token. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from invalidator.codepipeline.requests import Job, is_job_id
from invalidator.errors import ConfigurationError, EventError
from invalidator.limits import MAX_CONTINUATION_TOKEN_CHARACTERS, SECONDS_PER_CALL
from invalidator.model import Batch

_MAX_DIGITS: Final = 1_200
"""Hexadecimal digits for what is settled: 4,800 batches, more than an account may send in two hours."""

_ROOM: Final = 8 * 32
"""Characters for the ids, of up to 26 characters, of as many batches as are sent at the same time."""

_LONGEST_SECONDS: Final = 3_600
"""A job is continued for so long, and twice as long as its calls take at the account's rate.

That is far longer than anything takes, and a small part of the 24 hours that it may take.
"""

_is_settled = re.compile(r"[0-9a-f]{8}\.[0-9a-f]+").fullmatch
_is_id = re.compile(r"[0-9]{1,6}:\w{1,64}").fullmatch
# Earlier versions wrote these.
_is_old_entry = re.compile(r"([0-9a-f]{8})([+-])(\w{0,64})(?<!-)").fullmatch


class SentBatch(NamedTuple):
    """A batch that CloudFront accepted. It is ``settled`` once it is completed, or if nobody waits for that.

    ``invalidation`` is empty where a token had no room for the id.
    """

    invalidation: str
    settled: bool


@dataclass(slots=True)
class Progress:
    """The batches that were sent so far. ``job`` is the id of the first job, ``since`` the second in which it came.

    A token says which batches are settled, in one bit each, and gives the ids of those that have to be looked at again.
    """

    job: str
    since: int
    _words: list[str] = field(default_factory=list)
    # The caller references of all batches of the job, sorted, and what is known about some.
    _references: list[str] = field(default_factory=list)
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
        since, *words = rest.split(" ")
        is_ours = all(map(_is_old_entry, words)) or (_is_settled(words[0]) and all(map(_is_id, words[1:])))
        if not (is_job_id(first) and re.fullmatch(r"[0-9]{1,12}", since) and is_ours):
            raise ConfigurationError("the continuation token is none that was given out here; run the action again")
        return cls(first, int(since), words)

    def recall(self, batches: Iterable[Batch]) -> None:
        """Take up what the token says about the batches of the job.

        It says nothing if it was made for others, since the list of distributions changed: all are sent again then,
        and CloudFront answers with the earlier invalidations.
        """
        self._references = sorted(batch.caller_reference for batch in batches)
        if all(map(_is_old_entry, self._words)):
            self._sent = dict(self._recalled_from_old())
            return
        head, *entries = self._words
        _, _, settled = head.partition(".")
        if head == self._head(settled, entries):
            ids = dict(entry.split(":") for entry in entries)
            for number, reference in enumerate(self._references):
                sent = SentBatch(ids.get(str(number), ""), bool(int(settled, 16) >> number & 1))
                if any(sent):
                    self._sent[reference] = sent

    def _recalled_from_old(self) -> Iterator[tuple[str, SentBatch]]:
        entries = {entry[1]: entry for entry in map(_is_old_entry, self._words) if entry}
        for reference in self._references:
            if entry := entries.get(reference.removeprefix("invalidator-")[:8]):
                yield reference, SentBatch(entry[3], entry[2] == "+")

    def get(self, batch: Batch) -> SentBatch | None:
        """Return what was sent for a batch; None if it was not accepted yet."""
        return self._sent.get(batch.caller_reference)

    def put(self, batch: Batch, sent: SentBatch) -> None:
        """Note that a batch was accepted, or how it stands now."""
        self._sent[batch.caller_reference] = sent

    @property
    def longest_seconds(self) -> float:
        """Return the seconds for which the job is continued."""
        return _LONGEST_SECONDS + 2 * SECONDS_PER_CALL * len(self._references)

    def is_late(self, now: float) -> bool:
        """Return True if the job has to end."""
        return now - self.since > self.longest_seconds

    def has_room(self) -> bool:
        """Return True if the token has room for more batches that have to be looked at again."""
        return self._room_for_entries() - sum(len(entry) + 1 for entry in self._entries(settled=False)) >= _ROOM

    def token(self) -> str:
        """Return the token for the next job: ids to look at again come before those that are only told at the end.

        What has no room is sent again, and CloudFront answers with the earlier invalidation.
        """
        if not self._references:
            return " ".join([self.job, str(self.since), *self._words])
        settled = 0
        for number, reference in enumerate(self._references[: 4 * _MAX_DIGITS]):
            if reference in self._sent and self._sent[reference].settled:
                settled |= 1 << number
        room, entries = self._room_for_entries(), []
        for entry in [*self._entries(settled=False), *self._entries(settled=True)]:
            room -= len(entry) + 1
            if room >= 0:
                entries.append(entry)
        return " ".join([self.job, str(self.since), self._head(f"{settled:x}", entries), *entries])

    def _room_for_entries(self) -> int:
        digits = min(len(self._references) // 4 + 1, _MAX_DIGITS)
        return MAX_CONTINUATION_TOKEN_CHARACTERS - len(f"{self.job} {self.since} {self._head('', [])}") - digits

    def _entries(self, *, settled: bool) -> list[str]:
        sent = ((number, self._sent.get(reference)) for number, reference in enumerate(self._references))
        return [f"{number}:{one[0]}" for number, one in sent if one and one.invalidation and one.settled == settled]

    def _head(self, settled: str, entries: list[str]) -> str:
        """Return what is settled, behind a digest by which the next job sees that it is about the same batches."""
        return f"{sha256(' '.join([*self._references, settled, *entries]).encode()).hexdigest()[:8]}.{settled}"
