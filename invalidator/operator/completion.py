"""Wait until invalidations are completed, with few calls and a bound in time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Final, NamedTuple

from invalidator.errors import PASSING, CdnError, InProgressError
from invalidator.model import DistributionId, Invalidation

# Most invalidations are completed within 25 seconds (limits.SECONDS_TO_COMPLETE), few within one.
_FIRST_PAUSES: Final = (1.0, 2.0, 3.0, 4.0)
_PAUSE: Final = 5.0

_Accepted = tuple[DistributionId, str]
"""An accepted invalidation: its distribution and its id."""


class Completion(NamedTuple):
    """An invalidation that is completed, or an error that says why that is not known."""

    distribution: DistributionId
    invalidation: str
    error: CdnError | None = None


def until_completed(
    accepted: Iterable[_Accepted],
    read: Callable[[DistributionId, str], Invalidation],
    left: Callable[[], float],
    pause: Callable[[float], object],
) -> Iterator[Completion]:
    """Yield each invalidation as soon as it is completed, and at the end, with an error, those that are not.

    Ends when no seconds are ``left``. Calls ``pause`` with seconds, then ``read`` for each invalidation in progress.
    """
    waiting = list(dict.fromkeys(accepted))
    for seconds in chain(_FIRST_PAUSES, repeat(_PAUSE)):
        if not waiting or left() <= 0:
            break
        pause(min(seconds, left()))
        for one in list(waiting):
            if left() >= 0 and (completion := _completion(one, read)):
                waiting.remove(one)
                yield completion
    for one in waiting:
        yield Completion(*one, InProgressError("it is still in progress; 'invalidator status' shows its progress"))


def _completion(one: _Accepted, read: Callable[[DistributionId, str], Invalidation]) -> Completion | None:
    try:
        return Completion(*one) if read(*one).is_completed else None
    except PASSING:
        return None
    except CdnError as error:
        return Completion(*one, error)
