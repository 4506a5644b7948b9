"""Uploads: deploys, some of them large, and a trickle that never stops."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.simulation.sites import MARKER

HOUR = 3_600.0
UNCHANGING = [f"{directory}/{n}.txt" for directory in ("posts", "posts/1", "img", "assets", "all") for n in range(9)]
"""Objects that nobody uploads again, beside all those that are."""


@dataclass(frozen=True)
class Upload:
    """A new version of an object, or its removal, at some time."""

    at: float
    key: str
    removed: bool = False


def uploads_of(rng: Random, bad_paths: int, *, few: bool = False) -> list[Upload]:
    """Return the uploads of an hour: a few deploys, some of them large, over the same keys again and again."""
    keys = ["index.html", *(f"posts/{n}/index.html" for n in range(20)), *(f"img/a {n}.jpg" for n in range(5))]
    keys += [f"assets/{n}.css" for n in range(40)]
    uploads: list[Upload] = []
    for _ in range(rng.randint(1, 2 if few else 5)):
        at = rng.uniform(0, HOUR / 2)
        if rng.random() < 0.02 and not few:
            chosen = [f"all/{n}.html" for n in range(rng.randint(2_900, 5_000))]
            gap = 0.003
        else:
            chosen = [rng.choice(keys) for _ in range(rng.randint(1, 2 if few else rng.choice([2, 10, 60])))]
            gap = rng.choice([0.0, 0.02, 1.0])
        for _ in range(bad_paths):
            place = rng.randrange(len(chosen))
            chosen[place] = f"bad/{chosen[place].removeprefix('bad/')}"
        for key in chosen:
            uploads.append(Upload(at, key, removed=rng.random() < 0.1))
            at += gap
    return sorted(uploads, key=lambda upload: upload.at)


def prompt_uploads(rng: Random) -> list[Upload]:
    """Return a deploy, in which each object changes once, and a trickle that goes on for long after it."""
    at = rng.uniform(60, 600)
    deploy = [Upload(at, f"assets/{n}.css") for n in range(rng.choice([10, 20, 30]))]
    return sorted([*deploy, *trickle(rng, HOUR / 2)], key=lambda upload: upload.at)


def marking(rng: Random, uploads: list[Upload]) -> Iterator[Upload]:
    """Yield uploads of the marker after some of these: at the end of a deploy, or in the middle."""
    for upload in rng.sample(uploads, min(len(uploads), 3)):
        yield Upload(upload.at + rng.choice([0.0, 1.0, 10.0]), MARKER)


def below(rng: Random, uploads: list[Upload], path: str) -> list[Upload]:
    """Return the uploads with most of their keys under an origin path."""
    return [
        Upload(upload.at, f"{path.removeprefix('/')}/{upload.key}", upload.removed) if rng.random() < 0.8 else upload
        for upload in uploads
    ]


def trickle(rng: Random, until: float) -> Iterator[Upload]:
    """Yield an upload every 20 seconds."""
    at = rng.uniform(0, 20.0)
    while at < until:
        yield Upload(at, f"news/{rng.randrange(9)}.html")
        at += 20.0
