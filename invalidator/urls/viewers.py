"""A changed object → the paths under which the viewers of a distribution know it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote

from invalidator.model import Behavior, Cause, ObjectChange, ObjectKey, Origin, Site, UrlPath, with_fields
from invalidator.urls.encoding import spellings
from invalidator.urls.globs import glob, may_be_normalized, normalized, path_pattern
from invalidator.urls.rules import Rule, follow

NO_ORIGIN: Final = "it has no origin in the bucket"
OUTSIDE: Final = "the key is outside of its origin paths"
NO_BEHAVIOR: Final = "none of its cache behaviours leads to the object"
TILDE: Final = "%7E may miss what is cached with a raw tilde; TILDES=wildcard clears that, with its neighbours"

_OBJECT: Final = "object"
_DIRECTORY: Final = "directory of index document"
_BARE: Final = "directory, without its slash, of index document"

ERROR_PAGE_SECONDS: Final = 60
"""An old error page that is gone after this time is worth no eviction of the whole site."""

# A path that looks like that of a file: there is nothing below it.
_is_file = re.compile(r"\.[A-Za-z]\w*$", re.ASCII).search


@dataclass(frozen=True, slots=True)
class View:
    """The settings about URLs, which hold for all distributions.

    ``index_document`` is a file name such as ``index.html``; empty: there are no index documents. ``bare`` says whether
    viewers find that of a directory at ``/dir``, too; None: if the origin is a website endpoint. Changes count of the
    keys that match one of ``include``, if there are any, and none of ``exclude``. With ``error_pages``, the page that
    CloudFront shows for an error is cleared under every URL; with ``tilde_wildcards``, so is all that begins like a URL
    with a tilde, up to that.
    """

    index_document: str = "index.html"
    bare: bool | None = None
    rules: tuple[Rule, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    error_pages: bool = True
    tilde_wildcards: bool = False

    def takes(self, key: str) -> bool:
        """Return whether changes of this key are invalidated."""
        included = not self.include or any(glob(pattern)(key) for pattern in self.include)
        return included and not any(glob(pattern)(key) for pattern in self.exclude)


StalePath = tuple[UrlPath, Cause]


class StalePaths(NamedTuple):
    """The stale paths of one change on one site. ``notes`` say why other paths, or all, are not among them."""

    paths: list[StalePath]
    notes: list[str]


class _OriginsOf(dict[str, list[Origin]]):
    """The origins of a site that lead to each bucket that was asked for."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __missing__(self, bucket: str) -> list[Origin]:
        self[bucket] = found = self._site.origins(bucket)
        return found


class Viewers:
    """The viewers of a site, who know each object by its URLs."""

    def __init__(self, site: Site, view: View) -> None:
        self._site, self._view = site, view
        self._patterns = [(path_pattern(behavior.pattern), behavior) for behavior in site.behaviors]
        # Where all URLs go the same way, there is nothing to look up for each of them.
        self._uniform = len(site.behaviors) == 1 and not site.behaviors[0].query_strings
        self._relative_rules = [rule for rule in view.rules if not rule.whole_key]
        self._whole_rules = [rule for rule in view.rules if rule.whole_key]
        self._origins = _OriginsOf(site)
        # The last part of every key that viewers may find at the URL of a directory.
        self._directory_names = tuple(filter(None, (view.index_document, site.root_object)))
        # With the slash, since /reindex.html is no index document.
        self._index_end = f"/{view.index_document}"
        self._index_names = {path[1:] for path in spellings(ObjectKey(view.index_document))}
        # With all its query strings, the item for a page is another.
        self._error_pages = {item: page for page in site.error_pages for item in (page.path, f"{page.path}*")}
        self._may_keep_elsewhere = any((self._error_pages, view.rules))

    def stale(self, change: ObjectChange) -> StalePaths:
        """Return every path under which a cache may have kept the object, or something that depends on it."""
        paths: list[StalePath] = []
        return StalePaths(paths, self.collect(change, paths))

    def collect(self, change: ObjectChange, paths: list[StalePath]) -> list[str]:
        """Add those paths to ``paths``, and return the notes. A large event takes a list for all its changes."""
        origins = self._origins[change.bucket]
        if not origins:
            return [NO_ORIGIN]
        notes: list[str] = []
        before, reason, rules = len(paths), OUTSIDE, self._view.rules
        moved = self._follow(self._whole_rules, change.key, change, origins, paths, notes) if rules else []
        for origin in origins:
            key = _relative(change.key, origin)
            if key is not None:
                reason = NO_BEHAVIOR
                instead = moved
                if rules:
                    instead = moved + self._follow(self._relative_rules, key, change, [origin], paths, notes)
                self._add_object(change, key, origin, instead, paths)
        if self._may_keep_elsewhere or "~" in change.key:
            self._add_kept_elsewhere(change, origins, paths, before, notes)
        return notes if notes or len(paths) > before else [reason]

    def urls(self, key: ObjectKey, origin: Origin) -> tuple[UrlPath, ...]:
        """Return the paths at which viewers may find an object that has not changed; no tags, no wildcards.

        The paths of an index document do not include those of its directory, with which its own begins.
        """
        relative = _relative(key, origin)
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

    def _add_object(
        self, change: ObjectChange, key: ObjectKey, origin: Origin, instead: list[UrlPath], paths: list[StalePath]
    ) -> None:
        """Add the URLs of the object itself, unless rules put it elsewhere, and those of its directory."""
        if not instead:
            self._add_url(change, _OBJECT, key, origin, paths)
        if key.endswith(self._directory_names):
            self._add_directories(change, key, origin, instead, paths)

    def _add_directories(
        self, change: ObjectChange, key: ObjectKey, origin: Origin, instead: list[UrlPath], paths: list[StalePath]
    ) -> None:
        """Add the URLs at which the object is found as the root or as the index document of a directory.

        CloudFront caches ``/dir/`` and ``/dir/index.html`` apart, so that clearing one leaves the other stale. Where
        rules put an index document elsewhere, its directory is there, too.
        """
        root = self._site.root_object
        if root and key == root:
            self._add_url(change, "default root object", ObjectKey(""), origin, paths)
        directory = self._directory_of(key)
        if directory is None or (instead and any(self._directories_of(instead))):  # these are added with their rules
            return
        if directory or not root:
            self._add_url(change, _DIRECTORY, directory, origin, paths)
        if self._is_bare(origin) and (url := _without_slash(directory)):
            self._add_url(change, _BARE, url, origin, paths)

    def _directory_of(self, key: str) -> ObjectKey | None:
        """Return the directory of an index document, with its slash; None if the key is not that of one."""
        name = self._view.index_document
        return ObjectKey(key[: -len(name)]) if name and (key.endswith(self._index_end) or key == name) else None

    def _is_bare(self, origin: Origin) -> bool:
        return origin.is_website if self._view.bare is None else self._view.bare

    def _add_moved(self, change: ObjectChange, directory: UrlPath, paths: list[StalePath], *, is_bare: bool) -> None:
        paths += ((item, Cause(change, _DIRECTORY)) for item in self._varied(directory))
        if is_bare and (path := _without_slash(directory)):
            paths += ((item, Cause(change, _BARE)) for item in self._varied(UrlPath(path)))

    def _directories_of(self, items: list[UrlPath]) -> Iterator[UrlPath]:
        """Yield the directory of each path that is one of an index document, perhaps with all its query strings."""
        for item in items:
            directory, _, name = item.rpartition("/")
            if (
                name.removesuffix("*").removesuffix("?") in self._index_names
                and directory[:1] != "#"
                and "?" not in directory
            ):
                yield UrlPath(f"{directory}/")

    def _add_url(
        self, change: ObjectChange, relation: str, url: ObjectKey, origin: Origin, paths: list[StalePath]
    ) -> None:
        is_object = relation == _OBJECT
        for path in spellings(url):
            cause = with_fields(Cause, (change, relation))
            if self._uniform:  # nearly always, and there may be thousands
                paths.append((path, cause))
            else:
                paths += [(item, cause) for item in self._reached(path, url, origin, is_object=is_object)]
            if is_object:
                relation = "other spelling of object"

    def _reached(self, path: UrlPath, url: str, origin: Origin, *, is_object: bool = False) -> tuple[UrlPath, ...]:
        """Return the items for a path, if it leads to that origin; ``is_object``: it is that of an object itself."""
        behaviors = [behavior for behavior in self._behaviors(path, url) if origin in behavior.origins]
        return _items(path, behaviors, is_object=is_object) if behaviors else ()

    def _behaviors(self, path: UrlPath, url: str) -> list[Behavior]:
        """Return the behaviours that may decide about a URL: the first that match it, encoded or decoded.

        It is not documented which of the two CloudFront compares, nor whether the default root object is ``/`` to it.
        It normalizes what it compares, and asks the origin for the URL as it is.
        """
        encoded = path[1:]
        if encoded == url and url and not may_be_normalized(path):  # nearly always
            return [self._first(url)]
        texts = normalized(encoded) | normalized(url)
        return [self._first(text) for text in (texts | {self._site.root_object} if "" in texts else texts)]

    def _first(self, text: str) -> Behavior:
        for matches, behavior in self._patterns:
            if matches(text):
                return behavior
        raise LookupError("a site without a default behaviour")

    # --- what depends on it -----------------------------------------------------------------------------

    def _follow(
        self,
        rules: list[Rule],
        key: str,
        change: ObjectChange,
        origins: list[Origin],
        paths: list[StalePath],
        notes: list[str],
    ) -> list[UrlPath]:
        """Add the paths and tags that the rules give. Return those that replace the object's own path."""
        replaced: list[UrlPath] = []
        for rule in rules:
            followed = follow(rule, key, cache_tags=self._site.cache_tags)
            if followed is not None:
                notes += followed.problems
                replaced += followed.instead
                cause = Cause(change, f"{rule.name} for")
                paths += ((item, cause) for path in followed.also + followed.instead for item in self._varied(path))
        if replaced and self._directory_of(key) is not None:
            for directory in self._directories_of(replaced):
                self._add_moved(change, directory, paths, is_bare=any(map(self._is_bare, origins)))
        return replaced

    def _varied(self, path: UrlPath) -> tuple[UrlPath, ...]:
        """Return the items for a path that a rule gives, which may come from any origin."""
        if self._uniform or path[0] == "#" or "?" in path or path[-1] == "*":
            return (path,)
        return _items(path, self._behaviors(path, unquote(path[1:])))

    # --- what CloudFront keeps under other URLs ---------------------------------------------------------

    def _add_kept_elsewhere(
        self, change: ObjectChange, origins: list[Origin], paths: list[StalePath], before: int, notes: list[str]
    ) -> None:
        if self._error_pages:
            self._add_failed_urls(change, origins, paths, before, notes)
        if "~" in change.key or self._view.rules:
            self._add_tildes(change, paths, before, notes)

    def _add_failed_urls(
        self, change: ObjectChange, origins: list[Origin], paths: list[StalePath], before: int, notes: list[str]
    ) -> None:
        """Add all URLs if the change is seen at an error page: CloudFront keeps that under each URL that failed.

        CloudFront itself asks for the page, so that no function, and no rule, moves it.
        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html
        (2026-11-29)
        """
        unmoved = self._unmoved(change, origins) if self._view.rules else ()
        pages = [self._error_pages[item] for item, _ in (*unmoved, *paths[before:]) if item in self._error_pages]
        for page in dict.fromkeys(pages):
            if page.seconds > ERROR_PAGE_SECONDS and self._view.error_pages:
                paths.append((UrlPath("/*"), Cause(change, "error page, kept under each URL that failed, of")))
            else:
                notes.append(f"URLs that failed may show the old error page {page.path} for {page.seconds:,} s")

    def _unmoved(self, change: ObjectChange, origins: list[Origin]) -> list[StalePath]:
        """Return the paths under which the object is found without any rule."""
        paths: list[StalePath] = []
        for origin in origins:
            key = _relative(change.key, origin)
            if key is not None:
                self._add_object(change, key, origin, [], paths)
        return paths

    def _add_tildes(self, change: ObjectChange, paths: list[StalePath], before: int, notes: list[str]) -> None:
        """Add what begins like each URL with a tilde: it is reported that ``%7E`` clears nothing.

        https://github.com/aws/aws-sdk/issues/525 (2026-11-29)
        """
        starts = dict.fromkeys(item.partition("%7E")[0] for item, _ in paths[before:] if "%7E" in item)
        if starts and not self._view.tilde_wildcards:
            notes.append(TILDE)
        elif starts:
            cause = Cause(change, "what begins like the URL, up to its tilde, of")
            paths += ((UrlPath(f"{start}*"), cause) for start in starts)


def _items(path: UrlPath, behaviors: list[Behavior], *, is_object: bool = False) -> tuple[UrlPath, ...]:
    """Return the path, with all its query strings if they are cached apart.

    ``/a.jpg*`` is what the documentation recommends for a file. But ``/dir/*`` would take all of the directory along,
    and ``/about*`` or ``/v1.2*`` perhaps as much: there, ``/about?*`` is an item of its own.
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html (2026-11-22)
    """
    if not [behavior for behavior in behaviors if behavior.query_strings]:
        return (path,)
    if is_object and _is_file(path):
        return (UrlPath(f"{path}*"),)
    return (path, UrlPath(f"{path}?*"))


def _without_slash(directory: str) -> ObjectKey:
    """Return the URL of a directory without its slash; empty if that is the URL of another directory, or of none."""
    return ObjectKey(directory[:-1] if directory[-2:-1] not in ("", "/") else "")


def _relative(key: ObjectKey, origin: Origin) -> ObjectKey | None:
    """Return the key without the origin path, as viewers know it; None if CloudFront cannot ask for it."""
    if not origin.path:
        return key
    prefix = f"{origin.path[1:]}/"
    return ObjectKey(key[len(prefix) :]) if key.startswith(prefix) else None
