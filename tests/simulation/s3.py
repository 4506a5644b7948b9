"""S3: the keys of the bucket, and the client that lists them a page at a time."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import takewhile
from math import inf
from typing import Any

from tests.doubles.sdk import client_error
from tests.simulation.weather import Weather
from tests.simulation.world import BEGINNING, World

PAGE = 25
"""Keys in a page. With the thousand of S3, no world would see a second page."""

_LONG_BEFORE = -1e6


class Bucket:
    """A bucket. ``keys`` are in ASCII, in the order in which S3 lists them, ``modified`` the seconds of those written.

    ``page`` is the number of keys in a page, ``unlisted`` counts the pages that failed, by the reason. A bucket that
    ``is_closed`` may never be listed.
    """

    def __init__(self, keys: Iterable[str], *, is_closed: bool = False) -> None:
        self.keys, self.page, self.is_closed = sorted(keys), PAGE, is_closed
        self.modified: dict[str, float] = {}
        self.unlisted: Counter[str] = Counter()

    def write(self, key: str, now: float) -> None:
        """Add a key."""
        self.modified[key] = float(int(now))
        place = bisect_left(self.keys, key)
        if self.keys[place : place + 1] != [key]:
            self.keys.insert(place, key)

    def remove(self, key: str) -> None:
        """Remove a key."""
        place = bisect_left(self.keys, key)
        if self.keys[place : place + 1] == [key]:
            del self.keys[place]


class Client:
    """The client of the SDK. A call takes time, is forbidden or throttled, or is never answered."""

    def __init__(self, world: World, bucket: Bucket, weather: Callable[[], Weather]) -> None:
        self._world, self._bucket, self._weather = world, bucket, weather

    def list_objects_v2(self, **arguments: str) -> Any:
        prefix, token = arguments["Prefix"], arguments.get("ContinuationToken")
        self._world.sleep(self._world.rng.uniform(0.02, 0.1))
        if self._bucket.is_closed:
            raise client_error("ListObjectsV2", "AccessDenied", 403, "not listed")
        if self._world.happens(self._weather().unlisted):
            self._fail()
        if arguments["Bucket"] != "origin":
            return {"IsTruncated": False}
        keys, size = self._bucket.keys, self._bucket.page
        start = bisect_right(keys, token) if token else bisect_left(keys, prefix)
        found = list(takewhile(lambda key: key.startswith(prefix), keys[start : start + size + 1]))
        page = {"Contents": [self._listed(key) for key in found[:size]], "IsTruncated": len(found) > size}
        return page | ({"NextContinuationToken": found[size - 1]} if page["IsTruncated"] else {})

    def _listed(self, key: str) -> dict[str, Any]:
        seconds = self._bucket.modified.get(key, _LONG_BEFORE)
        return {"Key": key, "LastModified": f"{BEGINNING + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.000Z}"}

    def list_object_versions(self, **_: str) -> Any:
        raise NotImplementedError

    def head_object(self, **_: str) -> Any:
        raise NotImplementedError

    def _fail(self) -> None:
        code, status = self._world.rng.choice([("AccessDenied", 403), ("SlowDown", 503), ("no answer", 0)])
        self._bucket.unlisted[code] += 1
        self._world.note(f"a page of the bucket: {code}")
        if not status:
            self._world.sleep(inf)
        raise client_error("ListObjectsV2", code, status, "not listed")
