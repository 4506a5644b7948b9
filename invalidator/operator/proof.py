"""The observations of ``prove``, and the answers that follow from them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import unquote

from invalidator.operator.freshness import EdgeAnswer, S3Object, judge
from invalidator.operator.probes import PLAIN, QUESTIONS, ProbeLayout, Question

# The ETag alone decides: S3 does not say when it wrote what was put.
_SOME_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNDECIDED: Final = "not decided"


@dataclass(slots=True)
class Spelling:
    """A URL of a probe, relative to the root of the probes, and what the edge answered for it.

    ``served``: it answered with the object; ``cached``: it did so from its cache. ``seconds`` after all probes were
    overwritten the URL had the new object; None: it still has the old one. For an object that does not change, it is
    the time at which the edge had forgotten it. ``by`` is the item that was sent for it alone.
    """

    url: str
    name: str
    status: int = 0
    served: bool = False
    cached: bool = False
    seconds: float | None = None
    by: str = ""

    @property
    def is_proof(self) -> bool:
        """True if the edge had cached it, so that it shows what an invalidation clears."""
        return self.served and self.cached

    @property
    def state(self) -> str:
        """The state in a few words."""
        if not self.served:
            return f"not served here ({self.status})"
        if not self.cached:
            return "not cached"
        if self.by:
            return f"old until {self.by} was sent"
        return "old" if self.seconds is None else f"new after {self.seconds:.1f} s"


def has(answer: EdgeAnswer, etag: str) -> bool:
    """Return whether an edge answered with the version of an object that has this ETag."""
    return judge(S3Object(etag, _SOME_TIME), answer, _SOME_TIME).verdict == "fresh"


def is_hit(answer: EdgeAnswer) -> bool:
    """Return whether an answer came out of the cache."""
    return answer.x_cache.lower().startswith("hit")


class OpenAnswer(NamedTuple):
    """A question, what was asked for and invalidated, what was observed, and which of the possible answers it means."""

    asked: str
    invalidated: str
    observed: str
    means: str


@dataclass(slots=True)
class Proof:
    """All that a run has observed. ``items`` are those that cleared the overwritten probes, without further ones.

    All are relative to the probes. ``bystanders`` are objects that did not change, by their URLs.
    """

    layout: ProbeLayout
    by_stack: bool = False
    spellings: list[Spelling] = field(default_factory=list)
    bystanders: dict[str, Spelling] = field(default_factory=dict)
    items: set[str] = field(default_factory=set)
    pop: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def old(self) -> list[Spelling]:
        """The spellings that the plan did not clear."""
        return [one for one in self.spellings if one.is_proof and (one.seconds is None or one.by)]

    @property
    def is_good(self) -> bool:
        """True if viewers got the new object at each spelling that the edge had cached, of which there is one."""
        return not (self.old or self.problems) and any(one.is_proof for one in self.spellings)

    def answers(self) -> list[OpenAnswer]:
        """Return the answers to the open questions, as far as this edge gave them."""
        found = [self._answer(question) for question in QUESTIONS]
        return [*found, self._keys()]

    def undecided(self, question: Question) -> str:
        """Return why nothing follows from what became of a URL; empty if something does."""
        one = self._spelling(question)
        if f"/{PLAIN}" in {old.url for old in self.old}:
            return f"not even /{PLAIN} is cleared"
        if one is None or question.item not in self.layout.items:
            return "not asked: query strings are not in the cache key"
        if not one.is_proof:
            return one.state
        if question.item not in self.items:
            return f"{question.item} was not sent"
        others = sorted(item for item in self.items - {question.item} if _may_clear(item, question.url))
        return f"{', '.join(others)} was sent, too" if others else ""

    def _answer(self, question: Question) -> OpenAnswer:
        one, why = self._spelling(question), self.undecided(question)
        if one is None or why:
            return OpenAnswer(question.url, question.item, why, _UNDECIDED)
        if question.bystander:
            is_cleared, observed = one.seconds is not None, "kept" if one.seconds is None else "gone from the cache"
        else:
            is_cleared, observed = one.seconds is not None and not one.by, one.state
        means = question.cleared if is_cleared else question.kept
        further = dict(question.further).get(one.by)
        return OpenAnswer(question.url, question.item, observed, f"{means}; {further}" if further else means)

    def _spelling(self, question: Question) -> Spelling | None:
        if question.bystander:
            return self.bystanders.get(question.url)
        return next((one for one in self.spellings if one.url == question.url), None)

    def _keys(self) -> OpenAnswer:
        """Return whether a stack has read the keys of its events as S3 stores them."""
        if not self.by_stack:
            return OpenAnswer("keys of events", "", "not asked: no stack has invalidated the probes", _UNDECIDED)
        expected = self.layout.items
        missing = sorted(item for item in expected if not any(_covers(other, item) for other in self.items))
        strange = sorted(item for item in self.items - expected if item[-1] != "*")
        observed = f"{', '.join(missing)} missing" if missing else "all that the keys give"
        observed += f"; {', '.join(strange)} beside them" if strange else ""
        means = (
            "keys of events are not read as S3 stores them" if missing else "keys of events are read as S3 stores them"
        )
        return OpenAnswer("keys of events", f"{len(self.items)} paths", observed, means)


def _covers(item: str, path: str) -> bool:
    return path.startswith(item[:-1]) if item[-1:] == "*" else path == item


def _may_clear(item: str, url: str) -> bool:
    """Return whether an item may clear a URL, if spellings do not matter."""
    return _covers(item, url) or (item[-1:] == "*" and _covers(f"{unquote(item[:-1])}*", unquote(url)))


def relative(items: Iterable[str], layout: ProbeLayout) -> set[str]:
    """Return the items that may clear probes, relative to their root; wildcards of more than that as ``*``."""
    return {
        item.removeprefix(layout.root) if item.startswith(layout.root) else "*" for item in items if layout.covers(item)
    }
