"""Sites generated for measuring, the same in every run: one of 5,000 objects with five deploys, and trees of any size.

A key is relative to the root of the distribution: ``/`` in front of it makes a URL. No character of a key needs
encoding.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

INDEX: Final = "index.html"
"""The default root object, and the index document of every directory."""


def urls_of(key: str) -> list[str]:
    """Return the URLs of an object: its own and, for an index document, that of its directory."""
    url = "/" + key
    return [url, url.removesuffix(INDEX)] if url.endswith("/" + INDEX) else [url]


def urls_of_all(keys: Iterable[str]) -> list[str]:
    """Return the URLs of all these objects."""
    return [url for key in keys for url in urls_of(key)]


# --- 5,000 objects --------------------------------------------------------------------------------------

_YEARS: Final = range(2015, 2025)
_MONTHS: Final = range(1, 13)


@dataclass(frozen=True)
class Blog:
    """The keys of a site, and the changed keys of each deploy by its name."""

    keys: list[str]
    deploys: dict[str, list[str]]


def blog() -> Blog:
    """Return ten years of posts with tags, styles, scripts and pictures: 5,000 objects, and five deploys."""
    posts = [f"posts/{year}/{month:02}/p{post}/{INDEX}" for year in _YEARS for month in _MONTHS for post in range(20)]
    tags = [f"tags/t{tag}/{INDEX}" for tag in range(300)]
    images = [f"images/{number // 50}/im{number}.jpg" for number in range(2_175)]
    keys = [INDEX, "sitemap.xml", "feed.xml", "404.html", "robots.txt", *posts, *tags]
    keys += [f"assets/{kind}/{kind[0]}{number}.{kind}" for kind in ("css", "js") for number in range(60)]
    keys += images
    draw = random.Random(7)  # noqa: S311 the same in every run; the order of what is drawn matters
    edited = [posts[-17], INDEX, "feed.xml", "sitemap.xml", *(tags[tag] for tag in (1, 2, 9))]
    deploys = {
        "edit of 7": edited,
        "300 images": draw.sample(images, 300),
        "200 mixed": draw.sample(keys, 200),
        "300 tags + 40 posts": tags + draw.sample(posts, 40),
        "all 5000": list(keys),
    }
    return Blog(keys, deploys)


# --- any number -----------------------------------------------------------------------------------------

_OBJECTS_A_DIRECTORY: Final = 40
_NAMES: Final = ("docs", "blog", "products", "images", "assets", "en", "de", "api", "guides", "archive")
_EXTENSIONS: Final = ("html", "html", "jpg", "jpg", "webp", "css", "js", "json")


@dataclass(frozen=True)
class Tree:
    """A site with directories of several levels. A tenth of its objects changed.

    The parent of each directory and object is drawn at random, older directories more often: the largest have
    thousands of objects, most a few dozen. Each directory has an index document. Objects come in the order in which
    they were drawn, not in the order of their keys. The changes are scattered all over the site or, if ``clustered``,
    nine tenths of them are in directories of which every object changed.
    """

    objects: int
    clustered: bool = False
    seed: int = 7

    @property
    def changes(self) -> int:
        """Return the number of changed objects."""
        return self.objects // 10

    @cached_property
    def _parents(self) -> list[int]:
        """Return the number of each directory's parent, which is always smaller. The first directory is the root."""
        draw = random.Random(self.seed)  # noqa: S311
        count = max(1, self.objects // _OBJECTS_A_DIRECTORY)
        return [0, *(int(number * draw.random() ** 1.5) for number in range(1, count))]

    @cached_property
    def _directories(self) -> list[str]:
        paths = [""]
        for number, parent in enumerate(self._parents[1:], start=1):
            paths.append(f"{paths[parent]}{_NAMES[number % len(_NAMES)]}-{number}/")
        return paths

    def _places(self) -> Iterator[int]:
        """Yield the directory of each object, the index documents first."""
        draw, count = random.Random(self.seed + 1), len(self._parents)  # noqa: S311
        yield from range(count)
        for _ in range(self.objects - count):
            yield int(count * draw.random() ** 2)

    def keys(self) -> Iterator[str]:
        """Yield every key of the site."""
        directories = self._directories
        for number, place in enumerate(self._places()):
            if number < len(directories):
                yield f"{directories[place]}{INDEX}"
            else:
                yield f"{directories[place]}{number:x}.{_EXTENSIONS[number % len(_EXTENSIONS)]}"

    def changed(self) -> list[str]:
        """Return the changed keys, in the order of the site."""
        numbers = self._clusters() if self.clustered else set[int]()
        draw = random.Random(self.seed + 2)  # noqa: S311
        while len(numbers) < self.changes:
            numbers.add(draw.randrange(self.objects))
        return [key for number, key in enumerate(self.keys()) if number in numbers]

    def _clusters(self) -> set[int]:
        """Return the numbers of the objects in directories of which every object changed."""
        within = self._objects_within()
        draw, left = random.Random(self.seed + 3), self.changes * 9 // 10  # noqa: S311
        inside = [False] * len(within)
        for directory in draw.sample(range(len(within)), len(within)):
            if self.changes // 100 <= within[directory] <= left:
                inside[directory] = True
                left -= within[directory]
        for number, parent in enumerate(self._parents):
            inside[number] |= inside[parent]
        return {number for number, place in enumerate(self._places()) if inside[place]}

    def _objects_within(self) -> list[int]:
        """Return the number of objects below each directory."""
        counts = [0] * len(self._parents)
        for place in self._places():
            counts[place] += 1
        for number in range(len(counts) - 1, 0, -1):
            counts[self._parents[number]] += counts[number]
        return counts
