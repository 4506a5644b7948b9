"""Until what was accepted is completed: asked for gently, and for no longer than one likes."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Final, NamedTuple

from invalidator.errors import PASSING, CdnError, InProgressError
from invalidator.model import DistributionId, Invalidation

# Most are completed within 25 seconds (limits.SECONDS_TO_COMPLETE), few within one.
_FIRST_PAUSES: Final = (1.0, 2.0, 3.0, 4.0)
_PAUSE: Final = 5.0

_Accepted = tuple[DistributionId, str]
"""An invalidation: the distribution, and its own id."""


class Completion(NamedTuple):
    """An invalidation that is completed, or of which that cannot be seen, and why."""

    distribution: DistributionId
    invalidation: str
    error: CdnError | None = None


def until_completed(
    accepted: Iterable[_Accepted],
    look: Callable[[DistributionId, str], Invalidation],
    left: Callable[[], float],
    pause: Callable[[float], object],
) -> Iterator[Completion]:
    """Yield each as soon as it is completed. What is not when ``left`` is used up comes last, with an error.

    ``left`` is in seconds, and so is what ``pause`` is called with, between two looks at all that are in progress.
    """
    waiting = list(dict.fromkeys(accepted))
    for seconds in chain(_FIRST_PAUSES, repeat(_PAUSE)):
        if not waiting or left() <= 0:
            break
        pause(min(seconds, left()))
        for one in list(waiting):
            if left() >= 0 and (end := _end(one, look)):
                waiting.remove(one)
                yield end
    for distribution, id_ in waiting:
        yield Completion(
            distribution, id_, InProgressError("it is still in progress; 'invalidator status' shows how it goes on")
        )


def _end(one: _Accepted, look: Callable[[DistributionId, str], Invalidation]) -> Completion | None:
    try:
        return Completion(*one) if look(*one).is_completed else None
    except PASSING:
        return None
    except CdnError as error:
        return Completion(*one, error)
