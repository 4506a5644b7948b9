"""Checks of ``doctor`` about the distributions of a bucket, by what CloudFront and S3 say of them. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from json import dumps
from urllib.parse import unquote

from invalidator.connection.findings import Finding, FindingVerdict
from invalidator.model import DistributionId, ErrorPage, ObjectChange, ObjectKey, Origin, Site
from invalidator.urls.viewers import ERROR_PAGE_SECONDS, View, Viewers
from invalidator.wording import agreed, all_names, count


def check_distributions(
    bucket: str, sites: Mapping[DistributionId, Site], unseen: Collection[str], others: Collection[str]
) -> list[Finding]:
    """Return which configured distributions serve a bucket, and which serve it that are not configured.

    ``sites`` are those of the configured distributions, except the ``unseen`` ones, which cannot be read. ``others``
    serve the bucket and are not configured.
    """
    serving = [id_ for id_, site in sites.items() if site.origins(bucket)]
    if not serving:
        return [_none_serves(bucket, sites, unseen, others)]
    found = [_finding("ok", f"{all_names(serving)} {agreed('serve', serving)} bucket {bucket}")]
    if idle := [id_ for id_ in sites if id_ not in serving]:
        text = f"{all_names(idle)} {agreed('have', idle)} no origin in bucket {bucket}: its changes clear nothing there"
        todo = f"nothing, if you want that; if a domain of your own hides the bucket, {_declare(idle[0], bucket)}"
        found.append(_finding("unknown", text, todo))
    if others:
        text = (
            f"{all_names(others)} {agreed('serve', others)} bucket {bucket} and {agreed('are', others)} not configured:"
            " viewers there keep seeing old objects"
        )
        found.append(_finding("wrong", text, _configure(others)))
    return found


def _finding(verdict: FindingVerdict, text: str, todo: str = "") -> Finding:
    return Finding("distributions", verdict, text, todo)


def _none_serves(bucket: str, sites: Collection[str], unseen: Collection[str], others: Collection[str]) -> Finding:
    add = ""
    if others:
        add = f"{all_names(others)} of this account {agreed('do', others)}: {_configure(others)}"
    if unseen:
        text = f"whether {all_names(unseen)} {agreed('serve', unseen)} bucket {bucket} cannot be read"
        return _finding("unknown", text, add or "run doctor again when it can be read")
    if sites:
        text = f"no configured distribution has an origin in bucket {bucket}: {all_names(sites)}"
        declare = f"if a domain of your own hides the bucket, {_declare(next(iter(sites)), bucket)}"
        return _finding("wrong", text, add or f"correct DISTRIBUTION_IDS; {declare}")
    text = f"no distribution is known to serve bucket {bucket}"
    return _finding("wrong", text, add or "set DISTRIBUTION_IDS to the distributions that serve it")


def _configure(ids: Collection[str]) -> str:
    return f"add {all_names(ids)} to DISTRIBUTION_IDS, or to the secret or parameter that holds the ids"


def _declare(id_: str, bucket: str) -> str:
    return f"say so in the secret or parameter that holds the ids: {dumps([{'id': id_, 'bucket': bucket}])}"


def key_prefix(origin: Origin) -> str:
    """Return the prefix of all keys that viewers get from an origin."""
    return f"{origin.path.strip('/')}/" if origin.path else ""


def check_origin_path(bucket: str, ids: Sequence[str], prefix: str, *, has_keys: bool) -> Finding:
    """Return whether there is anything to serve under an origin path, whose keys have this prefix."""
    path = f"origin path /{prefix[:-1]} of {all_names(ids)}"
    if has_keys:
        return Finding("origin path", "ok", f"{path}: bucket {bucket} has keys that begin with {prefix!r}")
    return Finding(
        "origin path",
        "wrong",
        f"{path}: no key in bucket {bucket} begins with {prefix!r}, so nothing is served and nothing invalidated",
        f"correct the origin path of {all_names(ids)}, or upload to {prefix!r}",
    )


# --- what CloudFront keeps under other URLs -------------------------------------------------------------


def check_error_pages(bucket: str, sites: Mapping[DistributionId, Site], view: View) -> Iterator[Finding]:
    """Yield a finding for each error page from the bucket that CloudFront keeps for long under the URLs that failed."""
    for id_, site in sites.items():
        for page in site.error_pages:
            if page.seconds > ERROR_PAGE_SECONDS and _is_of_bucket(page, bucket, site, view):
                text = f"{id_} keeps its error page {page.path} for {page.seconds:,} s under each URL that failed"
                yield _of_error_page(text, view)


def _is_of_bucket(page: ErrorPage, bucket: str, site: Site, view: View) -> bool:
    """Return whether a change in the bucket is seen at the error page, and is not excluded."""
    name = unquote(page.path[1:]) or site.root_object or view.index_document
    keys = [ObjectKey(key_prefix(origin) + name) for origin in site.origins(bucket)]
    changes = [ObjectChange(bucket, key, "doctor") for key in keys if view.takes(key)]
    return any(Viewers(site, view).stale(change).paths for change in changes)


def _of_error_page(text: str, view: View) -> Finding:
    if view.error_pages:
        todo = f"an ErrorCachingMinTTL of {ERROR_PAGE_SECONDS} seconds or less saves that; so does ERROR_PAGES=ignore"
        return Finding("error pages", "ok", f"{text}: a change of it clears /* ({todo})")
    return Finding("error pages", "unknown", f"{text}: old ones stay so long", "nothing, if you want that")


def check_tildes(bucket: str, keys: Sequence[str], view: View) -> Iterator[Finding]:
    """Yield a finding if one of these keys, the first of many, has a tilde."""
    if found := [key for key in keys if "~" in key and view.takes(key)]:
        text = f"{count(len(found), 'key')} in bucket {bucket} with a tilde, as {found[0]!r:.80}"
        if view.tilde_wildcards:
            yield Finding("tildes", "ok", f"{text}: cleared with all that begins like it, up to the tilde")
        else:
            yield Finding(
                "tildes",
                "unknown",
                f"{text}: it is reported that %7E does not clear what viewers ask for with a raw tilde",
                "rename such objects or, if viewers see old ones, set TILDES=wildcard, which evicts their neighbours",
            )
