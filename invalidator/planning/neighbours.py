"""The unchanged objects that a distribution serves beside the changed ones: a wildcard may evict them. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from invalidator.errors import ListingError
from invalidator.model import ObjectChange, ObjectKey, Origin, Site, UrlPath
from invalidator.urls.encoding import encode_once
from invalidator.urls.viewers import View, Viewers

ListObjects = Callable[[str, str], Iterable[ObjectKey]]
"""A function from a bucket and a prefix to the keys in the bucket that begin with it. It raises ListingError."""


class Neighbours:
    """The neighbours of the changed objects on a site.

    Objects that come from elsewhere, or from a bucket without changes that cannot be listed, are not known: each path
    pattern that leads there counts as one object. ``warnings`` name such buckets.
    """

    def __init__(self, changes: Sequence[ObjectChange], site: Site, view: View, list_objects: ListObjects) -> None:
        self._changes, self._site, self._view, self._list_objects = changes, site, view, list_objects
        self.warnings: list[str] = []

    def urls(self, prefix: str) -> Iterator[tuple[UrlPath, ...]]:
        """Yield all URLs of each neighbour with a URL that begins with ``prefix``, and perhaps those of others.

        Raises ListingError if a bucket with changes cannot be listed.
        """
        changed = self._changed()
        sources = self._sources(changed, prefix)
        # Several buckets may have the same object, and rules give the same path for many. Hashes take less room.
        seen = set[int]() if len(sources) > 1 or self._view.rules else None
        for bucket, origin in sources:
            try:
                for urls in self._listed(bucket, origin, changed.get(bucket, ()), prefix):
                    yield urls if seen is None else _unseen(urls, seen)
            except ListingError as error:
                if bucket in changed:
                    raise
                self.warnings.append(f"{error}; each path pattern that leads there counts as one object")
                yield from ((path,) for path in self._pattern_prefixes(bucket))
        yield from ((path,) for path in self._pattern_prefixes())

    def _changed(self) -> dict[str, set[ObjectKey]]:
        keys: dict[str, set[ObjectKey]] = {}
        for change in self._changes:
            keys.setdefault(change.bucket, set()).add(change.key)
        return keys

    def _sources(self, changed: Mapping[str, set[ObjectKey]], prefix: str) -> list[tuple[str, Origin]]:
        """Return the origins whose objects may have URLs that begin with ``prefix``, each with its bucket."""
        return [
            (bucket, origin)
            for bucket in sorted(self._site.buckets(changed.keys()))
            for origin in self._site.origins(bucket)
            if bucket in changed or self._view.rules or _overlap(self._pattern_prefixes(bucket), prefix)
        ]

    def _listed(
        self, bucket: str, origin: Origin, changed: Collection[ObjectKey], prefix: str
    ) -> Iterator[tuple[UrlPath, ...]]:
        viewers = Viewers(self._site, self._view)
        for key in self._list_objects(bucket, self._key_prefix(origin, prefix)):
            if key not in changed and (urls := viewers.urls(key, origin)):
                yield urls

    def _key_prefix(self, origin: Origin, prefix: str) -> str:
        """Return a prefix of the keys of all objects that may have URLs that begin with ``prefix``."""
        if any(rule.whole_key for rule in self._view.rules):
            return ""
        # A rule may give any path for any object of the origin.
        return _key_prefix(origin, "/" if self._view.rules else prefix)

    def _pattern_prefixes(self, bucket: str | None = None) -> Iterator[UrlPath]:
        """Yield the prefixes of the URLs, as viewers spell them, that lead to a bucket, or (None) to no bucket."""
        for behavior in self._site.behaviors:
            if bucket in {origin.bucket for origin in behavior.origins} or not (bucket or behavior.origins):
                yield UrlPath("/" + encode_once(re.split("[*?]", behavior.pattern.removeprefix("/"))[0]))


def _unseen(urls: tuple[UrlPath, ...], seen: set[int]) -> tuple[UrlPath, ...]:
    """Return the URLs that are not in ``seen``, and add them to it."""
    new = tuple(url for url in urls if hash(url) not in seen)
    seen.update(map(hash, new))
    return new


def _overlap(prefixes: Iterable[str], prefix: str) -> bool:
    """Return whether a URL can begin both with one of the prefixes and with the other."""
    return any(prefix.startswith(one) or one.startswith(prefix) for one in prefixes)


def _key_prefix(origin: Origin, prefix: str) -> str:
    # A space or a plus sign may be spelt in other ways, and bytes that are no text cannot be listed by.
    key = unquote(re.split(r"\+|%20|%2B", prefix)[0], errors="surrogateescape")
    text = re.split("[\udc80-\udcff]", key)[0]
    return f"{origin.path}{text}"[1:]
