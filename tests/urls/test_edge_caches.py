"""Laws of what viewers see: a model of the edge caches, which is told nothing but configurations and items.

It knows by itself how CloudFront finds an answer for a URL: with its own decoding, path patterns and rewriting. Viewers
ask for everything, objects change, the plan is carried out, and viewers ask again.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invalidator.distributions.describe import policy_varies_by_query, site_of
from invalidator.events.decode import decode
from invalidator.model import EXACT, Distribution, DistributionId
from invalidator.planning.planner import make_plan
from invalidator.urls import rules
from invalidator.urls.viewers import View
from tests.doubles import configurations as aws
from tests.doubles import strategies as make
from tests.doubles.strategies import Change

Json = dict[str, Any]
Objects = dict[tuple[str, str], int]
"""The version of each object, by bucket and key."""

INDEX: Final = "index.html"


class Answer(NamedTuple):
    """An answer of an origin, with the cache tags in its header."""

    text: str
    tags: frozenset[str] = frozenset()


NOT_FOUND, REFUSED, TO_DIRECTORY = Answer("404"), Answer("403"), Answer("302")

# --- URLs -----------------------------------------------------------------------------------------------


@cache
def decoded(text: str, *, plus_is_space: bool) -> str:
    octets = text.replace("+", " ").encode() if plus_is_space else text.encode()
    return re.sub(rb"%([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), octets).decode()


@cache
def spelt_by_viewers(text: str) -> tuple[str, ...]:
    """The URLs that browsers and people make of a text. Nobody uses one plus sign as a space, the next as itself."""
    usual = "".join(c if c.isascii() and c not in "%?" else "".join(f"%{o:02X}" for o in c.encode()) for c in text)
    styles = (("%20", "+"), ("%20", "%2B"), ("+", "%2B"))
    return tuple({"/" + usual.replace("+", plus).replace(" ", space): None for space, plus in styles})


@cache
def matcher(pattern: str) -> Callable[[str], object]:
    wildcards = {"*": ".*", "?": "."}
    return re.compile("".join(wildcards.get(c) or re.escape(c) for c in pattern.removeprefix("/")), re.DOTALL).fullmatch


@cache
def normalized(text: str, order: str) -> str:
    """The text that a path pattern is compared with: slashes and dots go in this order, and none if it is empty."""
    path = f"/{text}"
    for step in order:
        path = re.sub("//+", "/", path) if step == "/" else without_dots(path)
    return path[1:]


def without_dots(path: str) -> str:
    """The loop of RFC 3986, section 5.2.4."""
    output = ""
    while path:
        if path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path, output = "/" + path[4:], output.rpartition("/")[0]
        else:
            segment = re.match("/[^/]*", path)
            assert segment
            path, output = path[segment.end() :], output + segment[0]
    return output


def last_has_dot(uri: str) -> bool:
    return "." in uri.rpartition("/")[2]


# --- what a CloudFront Function makes of URLs, and the rules that say so ----------------------------------

RULES: Final[dict[str, list[Json]]] = {
    "nothing": [],
    "clean": [{"match": r"^(.*)\.html$", "also": ["/$1"]}],
    "clean only": [{"match": r"^(.*)\.html$", "instead": "/$1"}],
    "language": [
        {"match": "^en/(.*)$", "also": ["/$1"]},
        {"match": r"^en/(.*/)?index\.html$", "also": ["/$1"]},
        {"match": r"^en/(.+)/index\.html$", "also": ["/$1"]},
    ],
    "data": [{"match": r"^data/(.*)\.json$", "also": ["/pages/$1", "#data:$1"]}],
    "data of the bucket": [{"match": r"^data/(.*)\.json$", "also": ["/pages/$1", "#data:$1"], "whole_key": True}],
}


@cache
def parsed(rewriting: str) -> tuple[rules.Rule, ...]:
    return rules.parse(json.dumps(RULES[rewriting]), "RULES")


def rewritten(rewriting: str, uri: str) -> str:
    if rewriting.startswith("clean") and uri[-1] != "/" and not last_has_dot(uri):
        return f"{uri}.html"
    if rewriting == "language" and not uri.startswith(("/en/", "/de/")):
        return f"/en{uri}"
    return uri


def named_by_rules(rewriting: str, key: str) -> set[str]:
    """The URLs, decoded and without their first slash, that the rules name for a key."""
    if rewriting.startswith("clean") and key.endswith(".html"):
        return {key.removesuffix(".html")}
    if rewriting == "language" and key.startswith("en/"):
        rest = key.removeprefix("en/")
        directory = rest.removesuffix(INDEX) if f"/{rest}".endswith(f"/{INDEX}") else rest
        return {rest, directory, directory.removesuffix("/") if directory != rest else rest}
    if rewriting.startswith("data") and key.startswith("data/"):
        return {f"pages/{data_name(key)}"}
    return set()


def data_name(key: str) -> str:
    return key.removeprefix("data/").removesuffix(".json")


# --- the origins ----------------------------------------------------------------------------------------

DOMAINS: Final = {
    "oac": "{}.s3.eu-central-1.amazonaws.com",
    "website": "{}.s3-website.eu-central-1.amazonaws.com",
    "oai": "{}.s3.amazonaws.com",
    "older website": "{}.s3-website-us-east-1.amazonaws.com",
    "older oai": "{}.s3-eu-central-1.amazonaws.com",
    "dualstack": "{}.s3.dualstack.eu-central-1.amazonaws.com",
    "path style": "s3.eu-central-1.amazonaws.com",
    "server": "www.example.net",
}


class Source(NamedTuple):
    """An origin of a distribution. The bucket of a web server is empty."""

    kind: str
    bucket: str
    prefix: str = ""

    @property
    def is_website(self) -> bool:
        return "website" in self.kind

    def described(self, id_: str) -> Json:
        domain, path = DOMAINS[self.kind].format(self.bucket), f"/{self.prefix}".rstrip("/")
        if self.kind in {"oac", "dualstack"}:
            return aws.with_oac(id_, domain, path)
        if "oai" in self.kind:
            return aws.with_oai(id_, domain, path)
        return aws.custom(id_, domain, f"/{self.bucket}{path}" if self.kind == "path style" else path)

    def answer(self, text: str, objects: Objects) -> Answer:
        """Return the answer of a bucket for a URL, decoded and without its first slash."""
        key = self.prefix + text
        if self.is_website and (not key or key[-1] == "/"):
            key += INDEX
        if version := objects.get((self.bucket, key)):
            tags = {f"Data:{data_name(text)}"} if text.startswith("data/") else set[str]()
            return Answer(f"{self.bucket}:{key} {version}", frozenset(tags))
        found = self.is_website and (self.bucket, f"{key}/{INDEX}") in objects
        return TO_DIRECTORY if found else NOT_FOUND


SERVER: Final = Source("server", "")

# --- the distributions ----------------------------------------------------------------------------------

POLICIES: Final = {
    aws.CACHING_OPTIMIZED: False,
    aws.WITH_QUERY_STRINGS: True,
    "mine, without": policy_varies_by_query(aws.policy("none")),
    "mine, with": policy_varies_by_query(aws.policy("all")),
}
VARIES: Final = {**POLICIES, "legacy, without": False, "legacy, with": True}


class Route(NamedTuple):
    """A cache behaviour. Two sources are a group: the second is asked for what the first does not have."""

    pattern: str
    sources: tuple[Source, ...]
    policy: str = aws.CACHING_OPTIMIZED

    @property
    def varies(self) -> bool:
        return VARIES[self.policy]

    def described(self, ids: dict[Source, str]) -> Json:
        target, pattern = "+".join(ids[source] for source in self.sources), {"PathPattern": self.pattern}
        if self.policy in POLICIES:
            return aws.behavior(target, self.policy, **pattern)
        return aws.legacy(target, query_string=self.varies, **pattern)


@dataclass(frozen=True)
class Edge:
    """A distribution, with its function, and with what AWS does not document or leaves to others to decide."""

    routes: tuple[Route, ...]
    root: str = ""
    index_function: bool = False
    bare: bool = False
    rewriting: str = "nothing"
    has_tags: bool = False
    plus_is_space: bool = True
    patterns_see_decoded: bool = False
    patterns_see_root: bool = False
    normalizes: str = ""
    tildes_stay: bool = False
    error_page: str = ""
    error_seconds: int = 10

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple({source: None for route in self.routes for source in route.sources})

    def config(self) -> Json:
        ids = {source: f"origin {number}" for number, source in enumerate(self.sources)}
        groups = {route.sources for route in self.routes if len(route.sources) > 1}
        *others, default = (route.described(ids) for route in self.routes)
        return aws.configuration(
            [source.described(id_) for source, id_ in ids.items()],
            default,
            *others,
            OriginGroups=aws.listed(*(aws.group(f"{ids[a]}+{ids[b]}", ids[a], ids[b]) for a, b in sorted(groups))),
            DefaultRootObject=self.root,
            CustomErrorResponses=aws.listed(*self.error_responses()),
            **({"CacheTagConfig": {"HeaderName": "x-tags"}} if self.has_tags else {}),
        )

    def error_responses(self) -> Iterator[Json]:
        if self.error_page:
            page = {"ResponsePagePath": self.error_page, "ResponseCode": "200"}
            times = {} if self.error_seconds == 10 else {"ErrorCachingMinTTL": self.error_seconds}
            yield {"ErrorCode": 404, **page, **times}
            yield {"ErrorCode": 500, "ErrorCachingMinTTL": 0}

    def route(self, path: str) -> Route:
        text = decoded(path[1:], plus_is_space=False) if self.patterns_see_decoded else path[1:]
        text = normalized(text, self.normalizes)
        text = self.root if not text and self.patterns_see_root else text
        return next(route for route in self.routes if matcher(route.pattern)(text))

    def request(self, path: str) -> str | None:
        """Return the URL to ask the origin for; None if the function refuses."""
        if self.rewriting == "clean only" and path.endswith(".html"):
            return None
        uri = rewritten(self.rewriting, path)
        if uri == "/" and self.root:
            return f"/{self.root}"
        if self.index_function and uri[-1] == "/":
            return uri + INDEX
        return f"{uri}/{INDEX}" if self.index_function and self.bare and not last_has_dot(uri) else uri

    def answer(self, path: str, route: Route, objects: Objects) -> Answer:
        uri = self.request(path)
        return REFUSED if uri is None else self.of_origins(uri, route, objects)

    def shown_for_error(self, objects: Objects) -> Answer:
        """Return the error page. CloudFront asks for it by itself, without the function."""
        page = f"/{self.root}" if self.error_page == "/" else self.error_page
        return self.of_origins(page, self.route(self.error_page), objects)

    def of_origins(self, uri: str, route: Route, objects: Objects) -> Answer:
        text, answer = decoded(uri[1:], plus_is_space=self.plus_is_space), NOT_FOUND
        for source in route.sources:
            answer = source.answer(text, objects) if source.bucket else self.page(text, objects)
            if answer is not NOT_FOUND:
                break
        return answer

    def page(self, text: str, objects: Objects) -> Answer:
        """Return the answer of the web server, which builds some pages from data in the first of the buckets."""
        first, _, name = text.partition("/")
        # Whoever has cache tags may show the data under any number of URLs, which no rule has to name.
        if not self.rewriting.startswith("data") or first not in ({"pages", "tagged"} if self.has_tags else {"pages"}):
            return Answer(f"server: {text}")
        source, name = next((source for source in self.sources if source.bucket), SERVER), name.split("/")[0]
        prefix = "" if self.rewriting == "data of the bucket" else source.prefix
        version = objects.get((source.bucket, f"{prefix}data/{name}.json"))
        return Answer(f"page {text} {version}", frozenset({f"Data:{name}"}))


@dataclass
class EdgeCache:
    """The cache of a distribution's edges, by path and, where it is part of the cache key, query string.

    What is ``passing`` is kept for a minute at most.
    """

    edge: Edge
    kept: dict[str, Answer] = field(default_factory=dict)
    passing: set[str] = field(default_factory=set)

    def ask(self, path: str, objects: Objects) -> None:
        route = self.edge.route(path)
        answer = self.edge.answer(path, route, objects)
        is_error = answer is NOT_FOUND and self.edge.error_page
        answer = self.edge.shown_for_error(objects) if is_error else answer
        # Browsers leave these as they are, and CloudFront's items take neither: it has to compare them encoded. Of the
        # tilde, some report that it does not.
        stored = (path if self.edge.tildes_stay else path.replace("~", "%7E")).replace("*", "%2A")
        for query in ("", "?v=1"):
            url = stored + query if route.varies else stored
            self.kept[url] = answer
            if is_error and self.edge.error_seconds <= 60:
                self.passing.add(url)

    def forget(self, item: str) -> None:
        if item[0] == "#":
            assert self.edge.has_tags, f"CloudFront refuses {item}"
        else:
            assert re.fullmatch(r"/(?:[A-Za-z0-9_.!$&'()+,/:;=@-]|%[0-9A-F]{2}|\?)*\*?", item)
        for url in [url for url, answer in self.kept.items() if matches(item, url, answer)]:
            del self.kept[url]


def matches(item: str, url: str, answer: Answer) -> bool:
    if item[0] == "#":
        return item[1:].lower() in {tag.lower() for tag in answer.tags}
    return url.startswith(item[:-1]) if item[-1] == "*" else url == item


# --- an account -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Distributions, what the settings say of them, the objects before and after a change, and what viewers know."""

    edges: tuple[Edge, ...]
    before: Objects
    after: Objects
    texts: tuple[str, ...]
    bare: bool | None = None
    rewriting: str = "nothing"
    tilde_wildcards: bool = False
    in_flight: bool = False

    @cached_property
    def changed(self) -> list[tuple[str, str]]:
        return [one for one in self.before | self.after if self.before.get(one) != self.after.get(one)]

    def plan(self) -> list[list[str]]:
        """The items for each distribution."""
        names = dict.fromkeys(self.before, "ObjectRemoved:Delete") | dict.fromkeys(self.after, "ObjectCreated:Put")
        event = make.s3(*(Change(key, bucket=bucket, name=names[bucket, key]) for bucket, key in self.changed))
        sites = [
            Distribution(DistributionId(f"E{number}"), site_of(edge.config(), POLICIES.__getitem__))
            for number, edge in enumerate(self.edges)
        ]
        view = View(INDEX, self.bare, parsed(self.rewriting), tilde_wildcards=self.tilde_wildcards)
        batches = make_plan(decode(event).changes, sites, view, allowance=EXACT).batches
        return [[i.path for batch in batches if batch.distribution == site.id for i in batch.items] for site in sites]

    def caches(self, objects: Objects) -> list[EdgeCache]:
        """The caches after viewers have asked for all there is: what is kept for one URL does not depend on others."""
        caches = [EdgeCache(edge) for edge in self.edges]
        for path in dict.fromkeys(path for text in self.texts for path in asked_for(text)):
            for cache_ in caches:
                cache_.ask(path, objects)
        return caches


@cache
def asked_for(key: str) -> tuple[str, ...]:
    """The URLs that people try for a key, whatever the site makes of them."""
    texts = {key: None, key.removesuffix(".html"): None}
    if f"/{key}".endswith(f"/{INDEX}"):
        directory = key.removesuffix(INDEX)
        texts |= {directory: None, directory.removesuffix("/"): None}
    texts |= {text.removeprefix("en/"): None for text in texts}
    return tuple(path for text in texts for path in spelt_by_viewers(text))


def is_warranted(item: str, edge: Edge, world: World) -> bool:
    """Return whether there is a reason for an item, which may then clear unchanged objects, too."""
    if item == "/*" and edge.error_page and edge.error_seconds > 60:
        # CloudFront asks for the page itself; a rule may be true of its URL, too.
        for one in (world, replace(world, rewriting="nothing")):
            if is_warranted(edge.error_page, replace(edge, error_page=""), one):
                return True
    if world.tilde_wildcards and item in up_to_tildes(edge, world):
        return True
    keys = keys_for_rules(edge, world)
    if item[0] == "#":
        # Whoever wrote the rule said that all with this tag depends on the object.
        tags = {f"#data:{data_name(key)}".lower() for key in keys if key.startswith("data/")}
        return world.rewriting.startswith("data") and item.lower() in tags
    # A wildcard is for the query strings of one path, or, as AWS recommends it, of a file with an extension.
    path = re.sub(r"\?\*$|(\.[^/?]*)\*$", r"\1", item)
    # A plus sign in a URL may be a space or itself: nobody here knows how the origin reads it.
    readings = {decoded(path[1:], plus_is_space=plus_is_space) for plus_is_space in (True, False)}
    routes = list(possible_routes(path, edge))
    # What a rule names is taken to depend on the object, from whatever origin it comes. Else it has to be a URL of the
    # object or of its directory, on the behaviour that serves it. Even so, nothing may have changed: the other origin
    # of a group has the object, too, or there is a 404, or a redirect to the directory, before and after.
    if not readings & {name for key in keys for name in named_by_rules(world.rewriting, key)}:
        routes = [route for route in routes if any(leads_to_change(text, route, edge, world) for text in readings)]
    # Query strings that are cached apart cannot be listed, and the wildcard for them takes what begins alike.
    return bool(routes) and (path == item or any(route.varies for route in routes))


def up_to_tildes(edge: Edge, world: World) -> set[str]:
    """Return the wildcards of what begins like a URL of a changed object, up to a tilde."""
    prefixes = {source.prefix for source in edge.sources}
    texts = {key.removeprefix(prefix) for _, key in world.changed for prefix in prefixes}
    texts |= {named for text in texts for named in named_by_rules(world.rewriting, text)}
    return {f"{url.partition('~')[0]}*" for text in texts if "~" in text for url in spelt_by_viewers(text)}


def possible_routes(path: str, edge: Edge) -> Iterator[Route]:
    """It is not documented whether a pattern is compared with the URL as it is, or with what it means."""
    texts = {path[1:], *(decoded(path[1:], plus_is_space=plus_is_space) for plus_is_space in (True, False))}
    texts = {normalized(text, order) for text in texts for order in ("", "/.", "./")}
    for text in texts | ({edge.root} if "" in texts else set()):
        yield next(route for route in edge.routes if matcher(route.pattern)(text))


def keys_for_rules(edge: Edge, world: World) -> set[str]:
    """The changed objects in the buckets of a distribution, by the keys that rules are compared with."""
    mine = {(source.prefix, key) for source in edge.sources for bucket, key in world.changed if bucket == source.bucket}
    if world.rewriting == "data of the bucket":
        return {key for _, key in mine}
    return {key.removeprefix(prefix) for prefix, key in mine if key.startswith(prefix)}


def leads_to_change(text: str, route: Route, edge: Edge, world: World) -> bool:
    """Return whether a URL, decoded and without its first slash, is one of a changed object, by the settings."""
    ends_in_slash = text[-1:] in {"", "/"}
    # With "instead", an object is not viewed under its own key.
    keys = {text} if world.rewriting != "clean only" or not text.endswith(".html") else set[str]()
    if not text and edge.root:
        keys.add(edge.root)
    elif ends_in_slash:
        keys.add(text + INDEX)
    for source in route.sources:
        # The settings say for all origins whether /dir is a directory, too; or else a website endpoint says it.
        bare = not ends_in_slash and (source.is_website if world.bare is None else world.bare)
        asked = {*keys, f"{text}/{INDEX}"} if bare else keys
        if any((source.bucket, source.prefix + key) in world.changed for key in asked):
            return True
    return False


def check(world: World, plan: list[list[str]]) -> None:
    """Carry out a plan, and see what became of what the caches kept."""
    for cache_, now, items in zip(world.caches(world.before), world.caches(world.after), plan, strict=True):
        assert not items or {bucket for bucket, _ in world.changed} & {source.bucket for source in cache_.edge.sources}
        before = {url: answer for url, answer in cache_.kept.items() if url not in cache_.passing}
        unchanged = {url: answer for url, answer in before.items() if answer.text == now.kept[url].text}
        for _ in range(2 if world.in_flight else 1):
            # The first time, each request that is on its way to the origin comes back with the old answer.
            cache_.kept = dict(before)
            for item in items:
                cache_.forget(item)
        stale = cache_.kept.keys() - unchanged.keys()
        assert not stale, f"kept, though the origin has another answer by now: {sorted(stale)}"
        warranted = [item for item in items if is_warranted(item, cache_.edge, world)]
        evicted = unchanged.keys() - cache_.kept.keys()
        vain = [url for url in evicted if not any(matches(item, url, unchanged[url]) for item in warranted)]
        assert not vain, f"evicted, though nothing is wrong with it: {sorted(vain)}"


# --- random accounts ------------------------------------------------------------------------------------

BUCKETS: Final = ("origin", "www.example.org", "shop")
# Each family has names of which one may be taken for another.
FAMILIES: Final = (
    ("a.jpg", "a.jpg2", "images/a.jpg", "dir/a.jpg"),
    ("dir", "dir/", f"dir/{INDEX}", "dir/a.jpg", "dir/reindex.html"),
    ("reindex.html", "about.html", "about", f"about/{INDEX}"),
    ("a b.jpg", "a+b.jpg", "a b+c.jpg", "a%20b.jpg"),
    (f"blog/a b/{INDEX}", f"blog/a+b/{INDEX}", "blog/a b.html"),
    ("x.html.html", "x.html", "x", "~x"),
    ("*", "a*.html", "what?", "é.html", "100%.css", "R&D (1),'$=@;:!.jpg"),
    ("dir//a.jpg", "/a.jpg", "x/../dir/a.jpg", "./a.jpg", f"dir/./{INDEX}", f"/{INDEX}", "blog//../a"),
    ("~x", "dir/~a.jpg", "dir/a.jpg", f"~me/{INDEX}", "about.html"),
)
DATA: Final = ("data/red.json", "data/Blue.json", "a.jpg")
OTHER_FAMILIES: Final = {
    "language": (("en/about.html", f"en/dir/{INDEX}", f"en/{INDEX}", "de/about.html", "en/a b.html", "about.html"),),
    "data": (DATA,),
    "data of the bucket": (DATA,),
}
PREFIXES: Final = (("",), ("", "prod/"), ("", "prod/", "prod2/"), ("", "staging/", "prod/"), ("", "prod/", "prod/v1/"))
PATTERNS: Final = (
    *("*.jpg", "/images/*", "blog/*", "?.html", "*.html", "/pages/*", "tagged/*", "a?b.jpg", "*%20*", "dir/*", INDEX),
    *("/en/*", "*/", "a*"),
)


@cache
def one_of(*options: Any) -> st.SearchStrategy[Any]:
    """One of the options. Hypothesis prepares each strategy anew, which takes longer than to draw from it."""
    return st.sampled_from(options)


@cache
def some_of(least: int, most: int, *options: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(one_of(*options), min_size=least, max_size=most, unique=True)


@cache
def changes_of(*objects: tuple[str, str]) -> st.SearchStrategy[dict[tuple[str, str], int]]:
    return st.dictionaries(one_of(*objects), one_of(2, 0), min_size=1, max_size=6)


@st.composite
def accounts(draw: st.DrawFn) -> World:
    rewriting = draw(one_of(*sorted(RULES)))
    names = (INDEX, *draw(one_of(*OTHER_FAMILIES.get(rewriting, FAMILIES))))
    prefixes = draw(one_of(*PREFIXES))
    buckets = BUCKETS[: draw(one_of(1, 2, 3))]
    objects = [(bucket, prefix + name) for name in names for prefix in prefixes for bucket in buckets]
    missing = draw(some_of(0, 3, *objects))
    changed = draw(changes_of(*objects))
    before = {one: 1 for one in objects if one not in missing}
    after = {one: version for one, version in (before | changed).items() if version}
    texts = dict.fromkeys((*names, *(key for _, key in objects), "pages/red", "pages/Blue", "tagged/red/1"))
    texts |= {key.removeprefix(prefix): None for key in texts for prefix in prefixes}
    bare = draw(one_of(None, True, False))
    # A website endpoint always redirects /dir: where there is one, the settings must not say otherwise.
    kinds = [kind for kind in DOMAINS if bare is not False or "website" not in kind]
    sources = [Source(kind, bucket, prefix) for kind in kinds for bucket in buckets for prefix in prefixes]
    sources = [source if source.kind != "server" else SERVER for source in sources]
    edges = draw(distributions(tuple(sources), rewriting, bare is True))
    tilde_wildcards = draw(one_of(False, True))
    edges = [replace(edge, tildes_stay=edge.tildes_stay and tilde_wildcards) for edge in edges]
    in_flight = draw(one_of(False, True))
    return World(tuple(edges), before, after, tuple(texts), bare, rewriting, tilde_wildcards, in_flight)


@cache
def distributions(sources: tuple[Source, ...], rewriting: str, bare: bool) -> st.SearchStrategy[list[Edge]]:
    return st.lists(distribution(sources, rewriting, bare), min_size=1, max_size=3)


@st.composite
def distribution(draw: st.DrawFn, sources: tuple[Source, ...], rewriting: str, bare: bool) -> Edge:
    def route(pattern: str) -> Route:
        return Route(pattern, tuple(draw(some_of(1, 2, *mine))), draw(one_of(*sorted(VARIES))))

    mine = draw(some_of(1, 4, *sources))
    mine += [SERVER] if rewriting.startswith("data") and SERVER not in mine else []
    patterns = draw(some_of(0, 3, *PATTERNS))
    flags = [draw(one_of(False, True)) for _ in range(7)]
    error_page, error_seconds = draw(
        one_of(("", 10), ("/index.html", 10), ("/index.html", 300), ("/about.html", 61), ("/", 86_400))
    )
    return Edge(
        tuple(route(pattern) for pattern in (*patterns, "*")),
        draw(one_of("", INDEX, "about.html")),
        index_function=flags[0],
        bare=bare,
        # The rules are the same for all. With "instead", all have to see to it that they are true.
        rewriting=rewriting if rewriting == "clean only" or flags[1] else "nothing",
        has_tags=flags[2],
        plus_is_space=flags[3],
        patterns_see_decoded=flags[4],
        patterns_see_root=flags[5],
        normalizes=draw(one_of("", "/.", "./")),
        tildes_stay=flags[6],
        error_page=error_page,
        error_seconds=error_seconds,
    )


@make.times(20)
@given(accounts())
def test_nothing_stale_is_kept_and_nothing_else_is_evicted(world: World) -> None:
    check(world, world.plan())


# --- examples -------------------------------------------------------------------------------------------

PROD: Final = Source("oac", "origin", "prod/")
WEBSITE: Final = Source("website", "origin")


def only(pattern: str, **more: Any) -> Edge:
    """Return a distribution of which one behaviour leads to the bucket, and any other to a server."""
    routes = (Route(pattern, (PROD,)),)
    return Edge(routes if pattern == "*" else (*routes, Route("*", (SERVER,))), **more)


@pytest.mark.parametrize(
    ("edge", "key", "items"),
    [
        (Edge((Route("*", (PROD,)),)), "prod/a.jpg", ["/a.jpg"]),
        (Edge((Route("*", (PROD,)),)), "prod2/a.jpg", []),
        (Edge((Route("*", (SERVER,)),)), "prod/a.jpg", []),
        (Edge((Route("images/*", (SERVER,)), Route("*", (PROD,)))), "prod/images/a.jpg", []),
        (
            Edge((Route("images/*", (PROD,)), Route("*", (SERVER,)))),
            "prod/images/a b.jpg",
            ["/images/a%20b.jpg", "/images/a+b.jpg"],
        ),
        (Edge((Route("*", (WEBSITE,)),)), f"dir/{INDEX}", ["/dir", "/dir/", f"/dir/{INDEX}"]),
        (Edge((Route("*", (PROD,), "mine, with"),)), f"prod/dir/{INDEX}", ["/dir/", "/dir/?*", f"/dir/{INDEX}*"]),
        (
            Edge((Route("*.html", (PROD,)), Route("*", (SERVER,))), "a.html", patterns_see_root=True),
            "prod/a.html",
            ["/", "/a.html"],
        ),
        (only("dir/*", normalizes="/."), "prod//dir/a.jpg", ["//dir/a.jpg"]),
        (only("dir/*", normalizes="./"), "prod/x/../dir/a.jpg", ["/x/../dir/a.jpg"]),
        (only("a", normalizes="/."), "prod/x//../a", ["/x//../a"]),
        (only("x/a", normalizes="./"), "prod/x//../a", ["/x//../a"]),
        (only("*", error_page="/e.html", error_seconds=61), "prod/e.html", ["/*"]),
        (only("*", error_page="/e.html", error_seconds=60), "prod/e.html", ["/e.html"]),
        (only("*", error_page="/e.html", error_seconds=61), "prod/a.html", ["/a.html"]),
        (only("*", tildes_stay=True), "prod/a/~b", ["/a/*"]),
    ],
)
def test_examples(edge: Edge, key: str, items: list[str]) -> None:
    tildes = edge.tildes_stay
    texts = (key, key.removeprefix("prod/"), "", "missing")
    world = World((edge,), {}, {("origin", key): 1}, texts, tilde_wildcards=tildes)
    assert world.plan() == [items]
    check(world, [items])


@pytest.mark.parametrize(
    ("items", "complaint"), [([], "kept"), (["/b.jpg"], "kept"), (["/a.jpg", "/b.jpg"], "evicted"), (["/*"], "evicted")]
)
def test_the_model_complains_of_a_plan_with_too_little_or_too_much(items: list[str], complaint: str) -> None:
    before = {("origin", key): 1 for key in ("prod/a.jpg", "prod/b.jpg")}
    world = World((Edge((Route("*", (PROD,)),)),), before, before | {("origin", "prod/a.jpg"): 2}, ("a.jpg", "b.jpg"))
    with pytest.raises(AssertionError, match=complaint):
        check(world, [items])
