"""A changed object → the paths under which the viewers of a distribution know it. Pure."""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote

from invalidator.model import Behavior, Cause, ObjectChange, ObjectKey, Origin, Site, UrlPath
from invalidator.urls.encoding import spellings
from invalidator.urls.patterns import glob, path_pattern
from invalidator.urls.rules import Rule, follow

NO_ORIGIN: Final = "it has no origin in the bucket"
OUTSIDE: Final = "the key is outside of its origin paths"
NO_BEHAVIOR: Final = "none of its cache behaviours leads to the object"

# What looks like a file: nothing is below it.
_FILE: Final = re.compile(r"\.[A-Za-z]\w*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class View:
    """What the settings say of all distributions.

    ``index_document`` is a file name such as ``index.html``; empty, no object is an index document. ``bare`` says
    whether viewers find that of a directory at ``/dir``, too; None: if the origin is a website endpoint. Keys have
    to match one of ``include``, if there are any, and none of ``exclude``.
    """

    index_document: str = "index.html"
    bare: bool | None = None
    rules: tuple[Rule, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, key: str) -> bool:
        """Whether changes of this key are to be invalidated at all."""
        included = not self.include or any(glob(pattern)(key) for pattern in self.include)
        return included and not any(glob(pattern)(key) for pattern in self.exclude)


Paths = list[tuple[UrlPath, Cause]]


class Stale(NamedTuple):
    """The paths of one object on one site, and what there is to say about those that are not among them."""

    paths: Paths
    notes: tuple[str, ...] = ()


class Viewers:
    """What the viewers of a site see of objects."""

    def __init__(self, site: Site, view: View) -> None:
        self._site, self._view = site, view
        self._patterns = [(path_pattern(behavior.pattern), behavior) for behavior in site.behaviors]
        # Where all URLs go the same way, there is nothing to look up for each of them.
        self._uniform = len(site.behaviors) == 1 and not site.behaviors[0].query_strings
        self._relative_rules = [rule for rule in view.rules if not rule.whole_key]
        self._whole_rules = [rule for rule in view.rules if rule.whole_key]
        self._known: dict[str, list[Origin]] = {}
        # How the keys end of what is perhaps found at the URL of a directory.
        self._directory_names = tuple(filter(None, (view.index_document, site.root_object)))

    def stale(self, change: ObjectChange) -> Stale:
        """Every path under which a cache may have kept the object, or what depends on it."""
        paths: Paths = []
        notes = self.collect(change, paths)
        return Stale(paths, tuple(notes))

    def collect(self, change: ObjectChange, paths: Paths) -> list[str]:
        """Add those paths to others. Returns what there is to say about those that are not added."""
        origins = self._known.get(change.bucket)
        if origins is None:
            origins = self._known[change.bucket] = self._site.origins(change.bucket)
        if not origins:
            return [NO_ORIGIN]
        notes: list[str] = []
        before, why_not = len(paths), OUTSIDE
        replaced = bool(self._whole_rules) and self._follow(self._whole_rules, change.key, change, paths, notes)
        for origin in origins:
            key = _without(origin.path, change.key) if origin.path else change.key
            if key is not None:
                why_not = NO_BEHAVIOR
                followed = self._relative_rules and self._follow(self._relative_rules, key, change, paths, notes)
                if not (replaced or followed):
                    self._add_object(change, key, origin, paths)
                if key.endswith(self._directory_names):
                    self._add_directories(change, key, origin, paths)
        return notes if notes or len(paths) > before else [why_not]

    def urls(self, key: ObjectKey, origin: Origin) -> tuple[UrlPath, ...]:
        """The paths at which an object may be found that is not known to have changed; no tags, no wildcards.

        Of an index document without those of its directory, with which its own begins.
        """
        relative = _without(origin.path, key) if origin.path else key
        paths = () if relative is None else spellings(relative)
        if not self._uniform:
            paths = tuple(path for path in paths if relative is not None and self._reached(path, relative, origin))
        return self._ruled(key, relative, paths) if self._view.rules else paths

    def _ruled(self, key: ObjectKey, relative: ObjectKey | None, paths: tuple[UrlPath, ...]) -> tuple[UrlPath, ...]:
        also: list[UrlPath] = []
        for rule in self._view.rules:
            text = key if rule.whole_key else relative
            followed = None if text is None else follow(rule, text, cache_tags=False)
            if followed:
                also += (*followed.also, *followed.instead)
                paths = () if followed.instead else paths
        return tuple(dict.fromkeys((*paths, *(path for path in also if path[-1] != "*"))))

    # --- what is served from the object -----------------------------------------------------------------

    def _add_object(self, change: ObjectChange, key: ObjectKey, origin: Origin, paths: Paths) -> None:
        spelt, relation = spellings(key), "object"
        if self._uniform and len(spelt) == 1:  # nearly always, and there may be thousands
            paths.append((spelt[0], Cause(change, relation)))
            return
        for path in spelt:
            cause = Cause(change, relation)
            paths += [(item, cause) for item in self._reached(path, key, origin, _FILE)]
            relation = "other spelling of object"

    def _add_directories(self, change: ObjectChange, key: ObjectKey, origin: Origin, paths: Paths) -> None:
        """The URLs at which the object is found as the root or as the index document of a directory.

        CloudFront caches ``/dir/`` and ``/dir/index.html`` apart, so that clearing one leaves the other stale.
        """
        root, index = self._site.root_object, self._view.index_document
        if root and key == root:
            self._add_url("", Cause(change, "default root object"), origin, paths)
        # Not endswith(index) alone: /reindex.html is no index document.
        if not index or not key.endswith(index) or (key != index and key[-len(index) - 1] != "/"):
            return
        directory = key[: -len(index)]
        if directory or not root:
            self._add_url(directory, Cause(change, "directory of index document"), origin, paths)
        if directory and (origin.is_website if self._view.bare is None else self._view.bare):
            cause = Cause(change, "directory, without its slash, of index document")
            self._add_url(directory[:-1], cause, origin, paths)

    def _add_url(self, url: str, cause: Cause, origin: Origin, paths: Paths) -> None:
        for path in spellings(ObjectKey(url)):
            paths += [(item, cause) for item in self._reached(path, url, origin)]

    def _reached(
        self, path: UrlPath, url: str, origin: Origin, wide: re.Pattern[str] | None = None
    ) -> tuple[UrlPath, ...]:
        """The items for a path, if it leads to that origin."""
        if self._uniform:
            return (path,)
        behaviors = [behavior for behavior in self._behaviors(path, url) if origin in behavior.origins]
        return _items(path, behaviors, wide) if behaviors else ()

    def _behaviors(self, path: UrlPath, url: str) -> list[Behavior]:
        """Those that may decide about a URL: the first that matches, whether CloudFront decodes it before or not."""
        # For the default root object, it is not documented whether "/" is compared or the object's name.
        texts = {path[1:], url, url or self._site.root_object}
        return [next(behavior for matches, behavior in self._patterns if matches(text)) for text in texts]

    # --- what depends on it -----------------------------------------------------------------------------

    def _follow(
        self,
        rules: list[Rule],
        key: str,
        change: ObjectChange,
        paths: Paths,
        notes: list[str],
    ) -> bool:
        """Add what the rules give. True if one of them replaces the object's own path."""
        replaced = False
        for rule in rules:
            followed = follow(rule, key, cache_tags=self._site.cache_tags)
            if followed is not None:
                notes += followed.problems
                replaced = replaced or bool(followed.instead)
                cause = Cause(change, f"{rule.name} for")
                paths += ((item, cause) for path in followed.also + followed.instead for item in self._varied(path))
        return replaced

    def _varied(self, path: UrlPath) -> tuple[UrlPath, ...]:
        """The items for what a rule gives, which may come from any origin."""
        if self._uniform or path[0] == "#" or "?" in path or path[-1] == "*":
            return (path,)
        return _items(path, self._behaviors(path, unquote(path[1:])))


def _items(path: UrlPath, behaviors: list[Behavior], wide: re.Pattern[str] | None = None) -> tuple[UrlPath, ...]:
    """The path, with all query strings if they are cached apart.

    ``/a.jpg*`` is what the documentation recommends for a file. But ``/dir/*`` would take all of the directory along,
    and ``/about*`` or ``/v1.2*`` perhaps as much: there, what begins with a question mark is an item of its own.
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html (2026-11-22)
    """
    if not any(behavior.query_strings for behavior in behaviors):
        return (path,)
    if wide and wide.search(path):
        return (UrlPath(f"{path}*"),)
    return (path, UrlPath(f"{path}?*"))


def _without(origin_path: str, key: ObjectKey) -> ObjectKey | None:
    """The key as viewers know it; None if CloudFront cannot ask for it."""
    prefix = f"{origin_path[1:]}/"
    return ObjectKey(key[len(prefix) :]) if key.startswith(prefix) else None
