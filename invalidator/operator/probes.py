"""The probes of ``prove``: objects with awkward names, the URLs of each, and the questions about them. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from invalidator.events.records import change_by_hand
from invalidator.model import EXACT, Distribution, Item, ObjectChange, ObjectKey, Plan
from invalidator.planning.planner import make_plan
from invalidator.urls.encoding import spellings
from invalidator.urls.viewers import View

PLAIN: Final = "plain"
"""A name without anything about it: if it stays old, nothing is cleared at all."""
_CHANGED: Final = (PLAIN, "red flower", "a+b", "til~de", "star*", "%41", "ü", "x//y", "a//../b", "dir/")
_KEPT: Final = ("starfish", "dir/page", "docs/page", *(f"{name}s" for name in _CHANGED if name[-1] != "/"))
"""Names that stay as they are: one beside each changed one, so that no wildcard clears the changed ones alone."""
QUERY: Final = "?x=1"


class Question(NamedTuple):
    """A question that AWS's documentation leaves open: does an ``item`` clear what is cached as ``url``?

    Both are relative to the probes. If it does, the answer is ``cleared``, else ``kept``. Then ``further`` items are
    sent alone, each with its own answer, until one clears the URL. A ``bystander`` is an object that does not change.
    """

    url: str
    item: str
    cleared: str
    kept: str
    further: tuple[tuple[str, str], ...] = ()
    bystander: bool = False


_WIDE: Final = "only a wildcard clears it"
QUESTIONS: Final = (
    Question("/star*", "/star%2A", "%2A clears *", "%2A does not clear *", (("/star*", _WIDE),)),
    Question("/star%2A", "/star%2A", "%2A clears %2A", "%2A does not clear %2A", (("/star*", _WIDE),)),
    Question("/starfish", "/star%2A", "%2A at the end is a wildcard", "%2A is no wildcard", bystander=True),
    Question(
        "/til~de", "/til%7Ede", "%7E clears ~", "%7E does not clear ~", (("/til*", f"{_WIDE}: TILDES=wildcard does"),)
    ),
    Question("/til%7Ede", "/til%7Ede", "%7E clears %7E", "%7E does not clear %7E", (("/til*", _WIDE),)),
    Question(
        f"/dir/{QUERY}",
        "/dir/?*",
        "/dir/?* clears the query strings of /dir/",
        "/dir/?* clears no query strings",
        ((f"/dir/{QUERY}", "only the whole query string does"), ("/dir/*", "only /dir/* does")),
    ),
    Question("/dir/page", "/dir/?*", "/dir/?* clears all of /dir/", "/dir/?* clears nothing else", bystander=True),
    Question(
        "/x//y",
        "/x//y",
        "items have the slashes of the URL",
        "// does not clear //",
        (("/x/y", "items have single slashes"),),
    ),
    Question(
        "/a//../b",
        "/a//../b",
        "items have the dots of the URL",
        "dots and slashes are taken out of a URL before it is cached",
        (("/b", "slashes are taken out first, then dots"), ("/a/b", "dots are taken out first, then slashes")),
    ),
)


class ProbeLayout(NamedTuple):
    """The place of the probes and the plan for them.

    Their keys begin with ``base`` and their URLs with ``root``. ``urls`` has the name of the object behind each URL,
    relative to ``root``; ``changed`` are the names of those that change, ``kept`` of the others.
    """

    bucket: str
    base: str
    root: str
    plan: Plan
    urls: dict[str, str]
    changed: tuple[str, ...]
    kept: tuple[str, ...] = _KEPT

    @property
    def items(self) -> frozenset[str]:
        """The items of the plan, relative to ``root``."""
        paths = (item.path for batch in self.plan.batches for item in batch.items)
        return frozenset(path.removeprefix(self.root) for path in paths)

    def plan_of_all(self, distributions: Iterable[Distribution], view: View) -> Plan:
        """Return the plan that a stack would make of a change of all probes, if it saved nothing."""
        return make_plan(
            _changes(self.bucket, self.base, self.changed + self.kept), distributions, view, allowance=EXACT
        )

    def covers(self, item: str) -> bool:
        """Return whether an item may clear a probe."""
        return item.startswith(self.root) or (item[-1:] == "*" and self.root.startswith(item[:-1]))


def lay_out(bucket: str, distribution: Distribution, view: View, place: str, name: str) -> ProbeLayout | None:
    """Return the layout of probes in a folder of this name, below a place of the site; None if it is not served.

    Neither ``place``, decoded, nor ``name`` has a slash at its beginning. Rules and exclusions are left out: what a
    rule adds may be anywhere. So are wildcards that save paths.
    """
    plain = View(view.index_document, view.bare)
    index = f"docs/{view.index_document or 'index.html'}"
    root = spellings(ObjectKey(f"{place}{name}"))[0]
    for origin in distribution.site.origins(bucket):
        base = f"{origin.path}/{place}{name}/"[1:] if origin.path else f"{place}{name}/"
        plan = make_plan(_changes(bucket, base, (*_CHANGED, index)), [distribution], plain, allowance=EXACT)
        urls = dict(_urls(plan, root, base))
        if urls.get(f"/{PLAIN}") == PLAIN:
            return ProbeLayout(bucket, base, root, plan, urls, (*_CHANGED, index))
    return None


def _changes(bucket: str, base: str, names: Iterable[str]) -> list[ObjectChange]:
    # The folder of the probes is in each key, so that no two runs share a caller reference.
    return [change_by_hand(bucket, f"{base}{name}", "prove") for name in names]


def _urls(plan: Plan, root: str, base: str) -> Iterator[tuple[str, str]]:
    """Yield each URL, as viewers may spell it, with the name of its object."""
    for batch in plan.batches:
        for item in batch.items:
            if item.path.startswith(f"{root}/"):
                for url in _spelt(item):
                    yield url.removeprefix(root), item.causes[0].source.key.removeprefix(base)


def _spelt(item: Item) -> Iterator[str]:
    """Yield the URLs that an item stands for: browsers send a tilde and an asterisk raw."""
    urls: list[str] = [item.path]
    if item.is_wildcard:
        stem = item.path[:-1]
        urls = [f"{stem[:-1]}{QUERY}"] if stem[-1] == "?" else [stem, f"{stem}{QUERY}"]
    for url in urls:
        yield url.replace("%7E", "~").replace("%2A", "*")
        yield url
