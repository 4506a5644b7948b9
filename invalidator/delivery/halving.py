"""Smaller batches in place of one that was refused, so that the rest of it is accepted. Pure."""

from dataclasses import dataclass, field, replace
from typing import Final

from invalidator.errors import InvalidPathError
from invalidator.model import Batch
from invalidator.planning.batches import with_items

_SINGLE_PATHS_REFUSED: Final = 8
"""So many paths that were sent alone and refused, and none accepted, raise the doubt that the paths are to blame."""


@dataclass(slots=True)
class Family:
    """All parts of one batch of the plan in which CloudFront says that a path is invalid.

    If it refuses everything, halving down to each path would take two calls a path. So after some single paths, probes
    decide: one path of each part that waits. While so many ``probes`` are on their way, the rests of those parts wait.
    Where these are no more than some single paths either, nothing is left to decide: they are sent.
    """

    probes: int = 0
    _refused: int = 0
    _has_accepted: bool = False
    _first_refusal: InvalidPathError | None = None
    _rests: list[Batch] = field(default_factory=list)

    def accept(self) -> None:
        """Note that a part was accepted: from now on, only single paths can be to blame."""
        self._has_accepted = True

    def refuse(self, error: InvalidPathError) -> bool:
        """Note that a single path was refused; return True if it is time for probes."""
        self._first_refusal = self._first_refusal or error
        self._refused += 1
        self.probes = max(self.probes - 1, 0)
        return self._refused == _SINGLE_PATHS_REFUSED and not self._has_accepted

    def probe(self, batch: Batch) -> Batch:
        """Return the first path of a part, and keep the rest of it waiting."""
        first, *rest = batch.items
        if rest:
            self._rests.append(with_items(batch, tuple(rest)))
        return with_items(batch, (first,))

    def release(self) -> list[Batch]:
        """Return what waits for the probes: it has to be sent, since they did not decide against it."""
        rests, self._rests = self._rests, []
        self.probes = self._refused = 0
        return rests

    @property
    def has_few_left(self) -> bool:
        """Every probe was refused, and so little waits that each path can be tried."""
        return not self.probes and 0 < sum(len(batch.items) for batch in self._rests) <= _SINGLE_PATHS_REFUSED

    def given_up(self) -> tuple[Batch, InvalidPathError] | None:
        """Return all that is left, as one batch, once every probe was refused; None if there is nothing to give up."""
        if self.probes or not self._rests:
            return None
        rests = self.release()
        items = sorted(item for batch in rests for item in batch.items)
        return with_items(rests[0], tuple(items)), InvalidPathError(
            f"CloudFront accepts no path of this batch: it refused each one that was sent alone, the first with"
            f" ({self._first_refusal}). Look for the cause in the distribution or in the identity that calls,"
            f" rather than in a path; then send these again"
        )


def halves(batch: Batch) -> list[Batch]:
    """Return both halves of a batch."""
    middle = len(batch.items) // 2
    return [with_items(batch, batch.items[:middle]), with_items(batch, batch.items[middle:])]


def halves_apart(batch: Batch) -> list[Batch]:
    """Return both halves, apart: mixed with other batches they would have to be halved from the beginning."""
    return halves(replace(batch, apart=True, frozen=False, attempts=0, crowded=0))


def by_kind(batch: Batch) -> list[Batch]:
    """Return the plain paths and the wildcards of a batch as batches, if it has any."""
    kinds = [tuple(item for item in batch.items if item.is_wildcard is kind) for kind in (False, True)]
    return [with_items(batch, items) for items in kinds if items]
