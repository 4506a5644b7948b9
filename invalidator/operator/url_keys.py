"""The objects behind a URL, by what their changes would clear. Pure."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from invalidator.errors import EventError
from invalidator.events.records import change_by_hand
from invalidator.model import Site
from invalidator.urls.viewers import View, Viewers


class UrlObject(NamedTuple):
    """An object that viewers may get under a URL."""

    bucket: str
    key: str


def objects_behind(path: str, site: Site, view: View, bucket: str) -> list[UrlObject]:
    """Return the objects whose change clears the path of a URL, as far as they are named like it.

    ``bucket`` is asked where the site may ask any; empty: there is none. With more than one, nobody can say which.
    """
    viewers = Viewers(site, view)
    found = []
    for candidate in dict.fromkeys(_candidates(path, site, view, bucket)):
        try:
            change = change_by_hand(*candidate, "url")
        except EventError:  # no key, as in front of the first slash
            continue
        # Where query strings count, all of them are cleared.
        cleared = {unquote(stale.removesuffix("*").removesuffix("?")) for stale, _ in viewers.stale(change).paths}
        if unquote(path) in cleared:
            found.append(candidate)
    return found


def _candidates(path: str, site: Site, view: View, bucket: str) -> Iterator[UrlObject]:
    names = [unquote(path)[1:], unquote(path.replace("+", " "))[1:]]
    if path.endswith("/"):
        names += [name + index for name in names for index in (view.index_document, site.root_object) if index]
    for origin_bucket in sorted(site.buckets({bucket} if bucket else ())):
        for origin in site.origins(origin_bucket):
            prefix = f"{origin.path.strip('/')}/" if origin.path else ""
            for name in names:
                yield UrlObject(origin_bucket, prefix + name)
