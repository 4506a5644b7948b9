"""List the invalidations of distributions, or find one, for the command line."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from invalidator.aws.cloudfront import CloudFront
from invalidator.aws.sdk import patiently
from invalidator.errors import PASSING, CdnError, ConfigurationError, ForbiddenError, UnknownIdError
from invalidator.model import DistributionId, Invalidation
from invalidator.wording import count, names, names_by_value
from invalidator.workers import Threads, Workers, at_once

_T = TypeVar("_T")

_LONGEST_SECONDS: Final = 3_600.0
"""More than any number of reads takes: each has a bound of its own."""

_COMPARED: Final = 100
"""The newest invalidations, about a page of them, by which newer ones are known."""

OTHER: Final = "other"
# The caller references that tools make, by their source code (2026-11-22). People may choose the last two as well, so
# that these prove nothing.
_MAKERS: Final = (
    ("invalidator", r"invalidator-[0-9a-f]{32}"),
    # awscli/customizations/cloudfront.py, unique_string: the time and a random number
    ("aws cli", r"cli-[0-9]+-[0-9]+"),
    # S3/CloudFront.py, InvalidationBatch: the distribution, the time and a random number
    ("s3cmd", r"[A-Z0-9]+\.[0-9]{14}\.[0-9]{4}"),
    # internal/service/cloudfront/create_invalidation_action.go of the provider, and helper/id/id.go of its SDK
    ("terraform", r"terraform-[0-9]{18}[0-9a-f]{8}"),
    # lib/cloudfront.go of s3deploy and deploy/cloudfront.go of Hugo: the time
    ("s3deploy, hugo or other", r"20[0-9]{12}"),
    # aws-s3-deployment/bucket-deployment-handler/index.py of the CDK: a UUID of the fourth version
    ("cdk or other", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
)
_makers: Final = tuple((name, re.compile(pattern).fullmatch) for name, pattern in _MAKERS)

# AWS's ids have about 14 capitals and digits. A text that is nothing like that is not sent to CloudFront.
_is_id = re.compile(r"[A-Za-z0-9]{1,64}").fullmatch


class ListedInvalidation(NamedTuple):
    """An invalidation. If not ``is_whole``, its items and its caller reference could not be read."""

    invalidation: Invalidation
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class DistributionInvalidations:
    """The newest invalidations of a distribution, newest first, and the total number of its invalidations.

    ``problem`` says why none could be read, ``unread`` why some are not whole.
    """

    distribution: DistributionId
    shown: tuple[ListedInvalidation, ...] = ()
    total: int = 0
    problem: str = ""
    unread: str = ""


class _Detail(NamedTuple):
    items: tuple[str, ...]
    caller_reference: str


class Invalidations:
    """The invalidations of an account. The items of each are read only once, since they never change."""

    def __init__(
        self,
        account: CloudFront,
        workers: Callable[[], Workers[tuple[int, object]]] = Threads,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._account, self._workers, self._pause = account, workers, pause
        self._details: dict[tuple[DistributionId, str], _Detail] = {}

    def newest(
        self, distributions: Iterable[DistributionId], most: int | None, advance: Callable[[], object] = lambda: None
    ) -> list[DistributionInvalidations]:
        """Return the ``most`` newest invalidations of each distribution, and all that are in progress; None means all.

        Calls ``advance`` after each call to CloudFront. Raises nothing: what cannot be read is a problem.
        """
        ids = list(dict.fromkeys(distributions))
        found = self._at_once([partial(self._all, id_) for id_ in ids], advance)
        chosen = {id_: _newest(all_, most) for id_, all_ in zip(ids, found, strict=True) if not isinstance(all_, str)}
        every = [invalidation for some in chosen.values() for invalidation in some]
        reads = [partial(self._detail, invalidation) for invalidation in every]
        details = dict(zip(every, self._at_once(reads, advance), strict=True))
        return [_listed(id_, all_, chosen.get(id_, []), details) for id_, all_ in zip(ids, found, strict=True)]

    def _all(self, distribution: DistributionId) -> list[Invalidation] | str:
        """Return the invalidations of a distribution, or why they cannot be read."""
        try:
            read = patiently(lambda: list(self._account.invalidations(distribution)), self._pause)
        except CdnError as error:
            return str(error)
        # An invalidation that is created while the pages are read moves others to the next page, which has them again.
        return list({invalidation.id: invalidation for invalidation in read}.values())

    def _detail(self, listed: Invalidation) -> _Detail | str:
        """Return the items and the reference of a listed invalidation, or why they cannot be read."""
        key = listed.distribution, listed.id
        if key not in self._details:
            try:
                whole = patiently(partial(self._account.invalidation, *key), self._pause)
            except CdnError as error:
                return str(error)
            self._details[key] = _Detail(whole.items, whole.caller_reference)
        return self._details[key]

    def _at_once(self, calls: Sequence[Callable[[], _T]], advance: Callable[[], object]) -> list[_T]:
        """Return what the calls return, in their order. Makes several calls at a time."""
        numbered: deque[Callable[[], tuple[int, object]]] = deque(
            partial(_numbered, number, call) for number, call in enumerate(calls)
        )
        done: dict[int, Any] = {}
        for number, returned in at_once(numbered, self._workers(), lambda: _LONGEST_SECONDS):
            done[number] = returned
            advance()
        return [done[number] for number in range(len(calls))]


def _numbered(number: int, call: Callable[[], object]) -> tuple[int, object]:
    return number, call()


def _newest(found: Iterable[Invalidation], most: int | None) -> list[Invalidation]:
    # Not every list has the newest first, as CloudFront's has: see _down_to.
    ordered = sorted(found, key=lambda invalidation: (invalidation.created, invalidation.id), reverse=True)
    return [item for place, item in enumerate(ordered) if most is None or place < most or not item.is_completed]


def _listed(
    distribution: DistributionId,
    found: list[Invalidation] | str,
    chosen: list[Invalidation],
    details: dict[Invalidation, _Detail | str],
) -> DistributionInvalidations:
    if isinstance(found, str):
        return DistributionInvalidations(distribution, problem=found)
    shown, unread = [], ""
    for invalidation in chosen:
        detail = details[invalidation]
        if isinstance(detail, str):
            shown.append(ListedInvalidation(invalidation, is_whole=False))
            unread = detail
        else:
            shown.append(ListedInvalidation(invalidation._replace(**detail._asdict())))
    return DistributionInvalidations(distribution, tuple(shown), len(found), unread=unread)


def earlier_ids(account: CloudFront, distributions: Iterable[DistributionId]) -> set[tuple[DistributionId, str]]:
    """Return the ids of the newest invalidations of distributions, as far as they can be read.

    An answer to a call that has one of them tells of nothing new.
    """
    found: set[tuple[DistributionId, str]] = set()
    for id_ in dict.fromkeys(distributions):
        with suppress(CdnError):
            found.update((id_, earlier) for earlier in _newest_ids(account, id_))
    return found


def _newest_ids(account: CloudFront, distribution: DistributionId) -> set[str]:
    found: set[str] = set()
    for one in _down_to(account.invalidations(distribution), lambda _: len(found) >= _COMPARED):
        found.add(one.id)
    return found


def _down_to(
    invalidations: Iterable[Invalidation], is_enough: Callable[[Invalidation], bool]
) -> Iterator[Invalidation]:
    """Yield invalidations until it is enough, if the newest come first; else, all of them."""
    # CloudFront lists the newest first (see "Marker"; 2026-11-29), moto the oldest:
    # https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_ListInvalidations.html
    first: Invalidation | None = None
    for one in invalidations:
        first = first or one
        if one.created < first.created and is_enough(one):
            return
        yield one


class SentSince:
    """The invalidations of a distribution since this was made. Raises CdnError if they cannot be listed."""

    def __init__(self, account: CloudFront, distribution: DistributionId) -> None:
        self._account, self._distribution = account, distribution
        self._before = _newest_ids(account, distribution)
        self._whole: dict[str, Invalidation] = {}

    def __call__(self) -> list[Invalidation]:
        """Return them as they stand, with their items; those that were read before, if CloudFront does not answer."""
        with suppress(*PASSING):
            for listed in _down_to(self._account.invalidations(self._distribution), self._is_earlier):
                known = self._whole.get(listed.id)
                if not (self._is_earlier(listed) or (known and known.is_completed)):
                    self._whole[listed.id] = self._account.invalidation(self._distribution, listed.id)
        return list(self._whole.values())

    def _is_earlier(self, one: Invalidation) -> bool:
        return one.id in self._before


def find_invalidation(account: CloudFront, distributions: Iterable[DistributionId], id_: str) -> Invalidation:
    """Return the invalidation with this id, with its items, from the first distribution that has it.

    Raises UnknownIdError if none has it, ForbiddenError if a permission to know that is missing, and any other CdnError
    at once.
    """
    asked = list(dict.fromkeys(distributions))
    if id_ in asked:
        raise UnknownIdError(
            f"{id_!r} is a distribution, not an invalidation: 'invalidator status --distribution-id {id_}' lists its"
            " invalidations"
        )
    why: list[tuple[DistributionId, str]] = []
    kind: type[CdnError] = UnknownIdError
    for distribution in asked:
        try:
            return account.invalidation(distribution, id_)
        except (UnknownIdError, ForbiddenError) as error:
            why.append((distribution, str(error)))
            kind = ForbiddenError if isinstance(error, ForbiddenError) else kind
    reasons = "; ".join(f"{names(ids)}: {text}" for text, ids in names_by_value(why).items())
    raise kind(f"no invalidation {id_!r:.80} on the {count(len(asked), 'distribution')} asked: {reasons}")


def check_invalidation_id(id_: str, source: str) -> None:
    """Raise ConfigurationError, with the ``source`` of the text, if no invalidation can have this id."""
    if not _is_id(id_):
        raise ConfigurationError(
            f"{source}: {id_!r:.80} is not the id of an invalidation (expected capitals and digits, as I2J0I21PCUYOIK)"
        )


def made_by(reference: str) -> str:
    """Return the tool that made an invalidation, as far as its caller reference shows."""
    return next((name for name, is_its in _makers if is_its(reference)), OTHER)
