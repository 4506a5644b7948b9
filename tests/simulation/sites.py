"""The sites of distributions: how CloudFront describes them, and under which URLs viewers know an object."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from random import Random

from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.configurations import CACHING_OPTIMIZED, Json, behavior, configuration, of_buckets, policy, with_oac

BUCKET = "origin"
POLICY = "0f0f0f0f-0000-4000-8000-000000000001"
"""A cache policy of the account with query strings in its cache key."""
MARKER = ".deployed"
"""The key whose upload says that a deploy is done; nobody views it."""
PARENT = "EPARENT"
"""The distribution of the tenants, which has no viewers of its own."""

Place = tuple[str, str]
"""A distribution, and a path or wildcard on it."""


def viewed_at(key: str) -> list[str]:
    """Return the paths under which viewers ask for an object that is served under its own key."""
    paths = ["/" + key.replace(" ", "%20")] + (["/" + key.replace(" ", "+")] if " " in key else [])
    return paths + [path.removesuffix("index.html") for path in paths if path.endswith("/index.html")]


@dataclass(frozen=True)
class Site:
    """The way from a URL to an object: an origin path in front of the key, and query strings in the cache key."""

    path: str = ""
    queries: bool = False

    def config(self) -> Json:
        """Return the DistributionConfig."""
        origin = with_oac("it", f"{BUCKET}.s3.eu-central-1.amazonaws.com", self.path)
        return configuration([origin], behavior("it", POLICY if self.queries else CACHING_OPTIMIZED))

    def viewed_at(self, key: str) -> list[str]:
        """Return the URLs at which viewers ask for an object: none, if it is outside of the origin path."""
        return _viewed_at(self.path.removeprefix("/"), self.queries, key)


@cache
def _viewed_at(path: str, queries: bool, key: str) -> list[str]:
    if path and not key.startswith(f"{path}/"):
        return []
    paths = viewed_at(key.removeprefix(f"{path}/") if path else key)
    return paths + [f"{path}?v=1" for path in paths] if queries else paths


class Sites:
    """The distributions that serve the bucket, by id. ``listed`` are those that the settings name, in their order.

    ``exact`` are the wildcards that clear one object with all its query strings.
    """

    def __init__(self, sites: dict[str, Site], listed: Iterable[str], *, discover: bool = False) -> None:
        self.all, self.listed, self.discover = sites, list(listed), discover
        self.exact: set[Place] = set()

    @property
    def setting(self) -> str:
        """Return the value of DISTRIBUTION_IDS."""
        return ",".join([*self.listed, *(["discover"] if self.discover else [])])

    @property
    def served(self) -> list[str]:
        """Return the distributions that the function has to serve."""
        return [*self.listed, *self.discovered]

    @property
    def discovered(self) -> list[str]:
        """Return the distributions that it has to discover."""
        return [id_ for id_ in self.all if id_ not in self.listed] if self.discover else []

    def places(self, key: str, distributions: Iterable[str]) -> list[Place]:
        """Return the places at which an object is viewed on these distributions."""
        if key == MARKER:
            return []
        return [(id_, path) for id_ in distributions for path in self.all[id_].viewed_at(key)]

    def describe(self, account: StrictCloudFront) -> None:
        """Let an account have these distributions, and one that serves another bucket."""
        account.policies[POLICY] = policy("all")
        account.configs["EOTHER"] = of_buckets("other")
        for id_, site in self.all.items():
            if id_.startswith("dt_"):
                account.configs[PARENT] = site.config() | {"ConnectionMode": "tenant-only"}
                account.tenants[id_] = (PARENT, {})
            else:
                account.configs[id_] = site.config()


def sites_of(rng: Random, count: int, plain: float = 0.5) -> Sites:
    """Draw the sites of a world, and how the settings name them. The share ``plain`` has plain sites, all listed."""
    ids = [f"E{number}" for number in range(1, count + 1)]
    if rng.random() < plain:
        return Sites(dict.fromkeys(ids, Site()), ids)
    paths, queries = rng.choice([["", "/prod"], ["/prod"], [""]]), rng.choice([[False, True], [False]])
    sites = {id_: Site(rng.choice(paths), rng.choice(queries)) for id_ in ids}
    if rng.random() < 0.3:
        sites["dt_1"] = Site(rng.choice(paths), rng.choice(queries))
    listed = list(sites)
    discover = rng.random() < 0.4
    if discover:
        listed = rng.sample(listed, rng.randint(0, len(listed)))
    return Sites(sites, listed, discover=discover)


def prompt_sites(rng: Random) -> Sites:
    """Draw the sites of a world in which everything has to be accepted soon: mostly with query strings."""
    sites = {f"E{number}": Site("", rng.random() < 0.7) for number in range(1, rng.randint(1, 2) + 1)}
    return Sites(sites, sites)
