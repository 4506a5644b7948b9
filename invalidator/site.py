"""A changed object → the paths under which viewers of a site know it."""

from invalidator.model import Cause, ObjectChange, ObjectKey, UrlPath
from invalidator.paths import spellings


def stale_paths(change: ObjectChange, index_document: str) -> list[tuple[UrlPath, Cause]]:
    """The paths of one object; those of its directory too if it is an index document.

    ``index_document`` is a file name such as ``index.html``; empty, no object is an index document.
    CloudFront caches ``/dir/`` and ``/dir/index.html`` apart, so that clearing one leaves the other stale.
    """
    stale, relation = [], "object"
    for path in spellings(change.key):
        stale.append((path, Cause(change, relation)))
        relation = "other spelling of object"
    if index_document and _is_index(change.key, index_document):
        for path in spellings(ObjectKey(change.key[: -len(index_document)])):
            stale.append((path, Cause(change, "directory of index document")))
    return stale


def _is_index(key: str, name: str) -> bool:
    # Not endswith(name) alone: /reindex.html is no index document.
    return key.endswith(name) and (len(key) == len(name) or key[-len(name) - 1] == "/")
