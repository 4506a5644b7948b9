"""A proof on a clock, with an edge and a stack in memory: each open question either way, and what goes wrong."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5

import pytest

from invalidator.errors import CdnError, EdgeError
from invalidator.events.records import change_by_hand
from invalidator.local.edge import EdgeAssumptions
from invalidator.model import Behavior, Distribution, DistributionId, Invalidation, ObjectKey, Origin, Plan, Site
from invalidator.operator.freshness import EdgeAnswer
from invalidator.operator.probes import ProbeLayout, lay_out
from invalidator.operator.proof import OpenAnswer, Proof
from invalidator.operator.prove import ProofWorld, try_probes
from invalidator.planning.planner import make_plan
from invalidator.urls.viewers import View

VIEW = View()
OVER = "the time of --timeout is over: give it more seconds"
UNLISTED = "CloudFront lists no invalidation that names the probes: 'invalidator status' shows what it lists"


def distribution(path: str = "", *, query_strings: bool = True, pattern: str = "*") -> Distribution:
    behaviors = [Behavior(pattern, (Origin("origin", path),), query_strings), Behavior("*", ())]
    return Distribution(DistributionId("E1"), Site(tuple(behaviors), "index.html"))


def layout_of(one: Distribution, place: str = "") -> ProbeLayout:
    layout = lay_out("origin", one, VIEW, place, "prove-1")
    assert layout is not None
    return layout


LAYOUT = layout_of(distribution())


@dataclass
class World:
    """A bucket, an edge that caches, and the stack that invalidates some seconds after each upload, if there is one.

    An edge that ``forgets`` nothing ignores invalidations. One that does not cache has no hits.
    """

    layout: ProbeLayout = LAYOUT
    assumptions: EdgeAssumptions = field(default_factory=EdgeAssumptions)
    caches: bool = True
    forgets: bool = True
    query_strings: bool = True
    stack: Callable[[list[str]], list[str]] | None = None
    refuses: frozenset[str] = frozenset()
    clock: float = 1_000.0
    end: float = 1_600.0
    objects: dict[str, str] = field(default_factory=dict)
    cached: dict[str, str] = field(default_factory=dict)
    accepted: list[tuple[float, Invalidation]] = field(default_factory=list)
    uploaded: list[tuple[float, str]] = field(default_factory=list)
    done: int = 0
    told: list[str] = field(default_factory=list)
    fails_at: str = ""
    pop: str = "FRA56-P1"
    takes: float = 3.0

    def put(self, key: str) -> str:
        self.clock += 0.1
        assert key.startswith(self.layout.base)
        self.uploaded.append((self.clock, key))
        body = f"{key} {len(self.uploaded)}"
        self.objects[key] = f'"{md5(body.encode(), usedforsecurity=False).hexdigest()}"'
        return self.objects[key]

    def ask(self, path: str) -> EdgeAnswer:
        self.clock += 0.05
        self._work()
        if path == self.fails_at:
            raise EdgeError("no answer")
        place = path if self.query_strings else path.partition("?")[0]
        etag = self.cached.get(place)
        hit = etag is not None
        if etag is None:
            prefix = self.layout.base.removesuffix(self.layout.root[1:] + "/")
            etag = self.objects.get(f"{prefix}{self.assumptions.key(path)}", "")
            if self.caches:
                self.cached[place] = etag
        status = 200 if etag else 403
        return EdgeAnswer(status, etag, x_cache="Hit from cloudfront" if hit and etag else "Miss", pop=self.pop)

    def send(self, plan: Plan) -> list[str]:
        paths = [item.path for batch in plan.batches for item in batch.items]
        if not set(paths) - self.refuses:
            raise CdnError("refused")
        self._accept(path for path in paths if path not in self.refuses)
        return [f"{path} refused" for path in paths if path in self.refuses]

    def _accept(self, paths: Iterable[str]) -> None:
        id_ = f"I{len(self.accepted)}"
        created = datetime(2026, 11, 29, tzinfo=UTC)
        self.accepted.append((self.clock, Invalidation(DistributionId("E1"), id_, "InProgress", created, tuple(paths))))

    def _work(self) -> None:
        """Let the stack invalidate what was uploaded ten seconds ago, and the edge forget what it ``takes`` later."""
        due = [key for at, key in self.uploaded if at + 10 <= self.clock]
        if self.stack and len(due) == len(self.uploaded) > self.done:
            self._accept(self.stack(due[self.done :]))
            self.done = len(due)
        for number, (at, one) in enumerate(self.accepted):
            if one.status == "InProgress" and at + self.takes <= self.clock:
                self.accepted[number] = (at, one._replace(status="Completed"))
                if self.forgets:
                    self.cached = {
                        url: etag
                        for url, etag in self.cached.items()
                        if not any(self.assumptions.names(item, url) for item in one.items)
                    }

    def sent(self) -> list[Invalidation]:
        self._work()
        return [one for _, one in self.accepted]

    def pause(self, seconds: float) -> None:
        self.clock += seconds

    def prove(self, patience: float = 0.0) -> Proof:
        ports = ProofWorld(
            self.put, self.ask, self.send, self.sent, lambda: self.end - self.clock, lambda: self.clock, self.pause,
            self.told.append,
        )  # fmt: skip
        return try_probes(self.layout, ports, patience)


def means(proof: Proof) -> dict[tuple[str, str], str]:
    return {(answer.asked, answer.invalidated): answer.means for answer in proof.answers()}


def answer_for(proof: Proof, asked: str) -> OpenAnswer:
    return next(answer for answer in proof.answers() if answer.asked == asked)


# --- an edge as plans count on --------------------------------------------------------------------------


def test_viewers_get_new_objects_at_every_spelling() -> None:
    world = World()
    proof = world.prove()
    assert proof.is_good
    assert {one.url for one in proof.spellings if one.is_proof} >= {
        "/plain", "/plain?x=1", "/red%20flower", "/red+flower", "/a%2Bb", "/til~de", "/til%7Ede", "/star*", "/star%2A",
        "/%2541", "/%C3%BC", "/x//y", "/a//../b", "/docs/index.html", "/dir/", "/dir/?x=1",
    }  # fmt: skip
    assert all(3 <= (one.seconds or 0) < 10 for one in proof.spellings if one.is_proof)
    assert len(world.accepted) == 1  # nothing is left to find out
    assert proof.items == {item.removeprefix("/prove-1") for item in world.accepted[0][1].items}


def test_the_index_document_is_proved_where_a_function_serves_it() -> None:
    class Rewriting(EdgeAssumptions):
        def key(self, url: str) -> str:
            key = super().key(url)
            return f"{key}index.html" if key.endswith("docs/") else key

    states = []
    for assumptions in (EdgeAssumptions(), Rewriting()):
        (one,) = [one for one in World(assumptions=assumptions).prove().spellings if one.url == "/docs/"]
        states.append(one.state[:12])
    assert states == ["not served h", "new after 3."]


@pytest.mark.parametrize(("path", "place"), [("/prod", ""), ("", "assets/"), ("/prod/v1", "assets/img/")])
def test_probes_are_below_the_origin_path_and_the_path_of_the_url(path: str, place: str) -> None:
    layout = layout_of(distribution(path, pattern=f"/{place}*"), place)
    assert layout.base == f"{path}/{place}prove-1/"[1:] if path else f"{place}prove-1/"
    assert layout.root == f"/{place}prove-1"
    world = World(layout)
    assert world.prove().is_good
    assert {key for _, key in world.uploaded if not key.startswith(layout.base)} == set()
    assert {item for _, one in world.accepted for item in one.items if not item.startswith(layout.root)} == set()


def test_a_place_that_the_bucket_does_not_serve_has_no_layout() -> None:
    assert lay_out("origin", distribution(pattern="/assets/*"), VIEW, "", "prove-1") is None
    assert lay_out("other", distribution(), VIEW, "", "prove-1") is None


@pytest.mark.parametrize("query_strings", [True, False])
@pytest.mark.parametrize("missing", ["", "docs/page"])
def test_no_wildcard_of_a_stack_takes_the_place_of_exact_paths(missing: str, *, query_strings: bool) -> None:
    one = distribution(query_strings=query_strings)
    layout = layout_of(one)
    changes = [change_by_hand("origin", f"{layout.base}{name}", "1") for name in layout.changed]
    keys = [ObjectKey(f"{layout.base}{name}") for name in (*layout.changed, *layout.kept) if name != missing]
    plan = make_plan(changes, [one], VIEW, list_objects=lambda _bucket, _prefix: keys)
    wide = [item.path for batch in plan.batches for item in batch.items if item.wide]
    assert wide == (["/prove-1/docs/*"] if missing else [])


# --- open questions, either way -------------------------------------------------------------------------

STAR, TILDE, QUERY = ("/star*", "/star%2A"), ("/til~de", "/til%7Ede"), ("/dir/?x=1", "/dir/?*")
FISH, PAGE = ("/starfish", "/star%2A"), ("/dir/page", "/dir/?*")
SLASHES, DOTS = ("/x//y", "/x//y"), ("/a//../b", "/a//../b")
TAKEN_OUT = "dots and slashes are taken out of a URL before it is cached"


@pytest.mark.parametrize(
    ("assumptions", "answers"),
    [
        (
            EdgeAssumptions(),
            {
                STAR: "%2A clears *",
                FISH: "%2A is no wildcard",
                TILDE: "%7E clears ~",
                QUERY: "/dir/?* clears the query strings of /dir/",
                PAGE: "/dir/?* clears nothing else",
                SLASHES: "items have the slashes of the URL",
                DOTS: "items have the dots of the URL",
            },
        ),
        (EdgeAssumptions("wildcard"), {FISH: "%2A at the end is a wildcard"}),
        (EdgeAssumptions("nothing"), {STAR: "%2A does not clear *; only a wildcard clears it"}),
        (
            EdgeAssumptions(escaped_tilde=False),
            {TILDE: "%7E does not clear ~; only a wildcard clears it: TILDES=wildcard does"},
        ),
        (
            EdgeAssumptions(query_wildcard=False),
            {QUERY: "/dir/?* clears no query strings; only the whole query string does"},
        ),
        (
            EdgeAssumptions(normalizes="urls"),
            {
                SLASHES: "// does not clear //; items have single slashes",
                DOTS: f"{TAKEN_OUT}; slashes are taken out first, then dots",
            },
        ),
        (EdgeAssumptions(normalizes="both"), {SLASHES: "items have the slashes of the URL"}),
    ],
)
def test_each_open_question_is_answered_either_way(
    assumptions: EdgeAssumptions, answers: dict[tuple[str, str], str]
) -> None:
    proof = World(assumptions=assumptions).prove()
    assert {asked: means(proof)[asked] for asked in answers} == answers
    assert proof.is_good is not any("does not" in text or "no query" in text for text in answers.values())


def test_dots_that_are_taken_out_before_slashes_are_found_out() -> None:
    class DotsFirst(EdgeAssumptions):
        def names(self, item: str, url: str) -> bool:
            return super().names(item, url.replace("a//../b", "a/b"))

    assert means(World(assumptions=DotsFirst()).prove())[DOTS] == (
        f"{TAKEN_OUT}; dots are taken out first, then slashes"
    )


def test_without_query_strings_in_the_cache_key_nothing_is_asked_of_them() -> None:
    world = World(layout_of(distribution(query_strings=False)), query_strings=False)
    proof = world.prove()
    assert proof.is_good
    assert [answer.observed for answer in proof.answers() if answer.asked == "/dir/?x=1"] == [
        "not asked: query strings are not in the cache key"
    ]
    assert not [one.url for one in proof.spellings if "?" in one.url]


# --- a stack --------------------------------------------------------------------------------------------


def planned(keys: list[str], view: View = VIEW) -> list[str]:
    layout = LAYOUT._replace(changed=tuple(key.removeprefix(LAYOUT.base) for key in keys), kept=())
    plan = layout.plan_of_all([distribution()], view)
    return [item.path for batch in plan.batches for item in batch.items]


def test_what_a_stack_sends_is_waited_for_and_nothing_else_is_sent() -> None:
    world = World(stack=planned)
    proof = world.prove(patience=120)
    assert proof.by_stack
    assert proof.is_good
    assert len(world.accepted) == 2  # for the uploads, and for the overwritten probes
    assert all((one.seconds or 0) >= 10 for one in proof.spellings if one.is_proof)
    assert answer_for(proof, "keys of events").means == "keys of events are read as S3 stores them"


def test_keys_that_a_stack_decodes_once_too_often_are_found_out() -> None:
    def decoding(keys: list[str]) -> list[str]:
        return planned([key.replace("+", " ").replace("%41", "A") for key in keys])

    proof = World(stack=decoding).prove(patience=120)
    assert not proof.is_good
    answer = answer_for(proof, "keys of events")
    assert answer.means == "keys of events are not read as S3 stores them"
    assert answer.observed.startswith("/%2541, /%2541?*, /a%2Bb")
    assert "/A, /A" not in answer.observed.partition("beside")[0]
    assert "; /A, /a%20b" in answer.observed
    assert "/%2541" in {one.url for one in proof.old}


def test_a_wider_item_of_a_stack_leaves_a_question_open() -> None:
    proof = World(stack=lambda keys: planned(keys, View(tilde_wildcards=True))).prove(patience=120)
    assert proof.is_good
    assert answer_for(proof, "/til~de") == ("/til~de", "/til%7Ede", "/til%7Ede was not sent", "not decided")
    everything = World(stack=lambda keys: [*planned(keys), "/*"]).prove(patience=120)
    assert everything.is_good
    assert answer_for(everything, "/star*").observed == "* was sent, too"


def test_what_a_stack_sends_later_for_the_uploads_is_waited_for() -> None:
    class Late(World):
        def _work(self) -> None:
            super()._work()
            if len(self.accepted) == 1 and self.clock >= self.accepted[0][0] + 8:
                self._accept(["/prove-1/*"])

    world = Late(stack=planned)
    proof = world.prove(patience=120)
    assert proof.is_good
    assert world.accepted[1][1].items == ("/prove-1/*",)
    assert answer_for(proof, "/star*").means == "%2A clears *"


def test_all_that_a_stack_sends_in_parts_is_counted() -> None:
    class Piecemeal(World):
        def _work(self) -> None:
            for _, key in self.uploaded[self.done :]:
                if self.uploaded[self.done][0] + 10 <= self.clock:
                    self.done += 1
                    self._accept(planned([key]))
            super()._work()

    world = Piecemeal(stack=planned, takes=0.0)
    proof = world.prove(patience=120)
    assert proof.is_good
    assert len(world.accepted) > 30
    assert answer_for(proof, "keys of events").means == "keys of events are read as S3 stores them"


def test_a_stack_that_does_nothing_is_replaced_by_the_own_plan() -> None:
    world = World(end=3_000.0)
    proof = world.prove(patience=120)
    assert not proof.by_stack
    assert proof.old == []
    assert len(world.accepted) == 1
    assert not proof.is_good
    assert proof.problems[0].startswith("the stack has not invalidated what was uploaded")


# --- what goes wrong ------------------------------------------------------------------------------------


def test_an_edge_that_forgets_nothing_proves_that_all_is_old() -> None:
    world = World(forgets=False)
    proof = world.prove()
    assert not proof.is_good
    assert {one.url for one in proof.old} == {one.url for one in proof.spellings if one.is_proof}
    assert {answer.observed for answer in proof.answers()[:-1]} == {"not even /plain is cleared"}
    assert {answer.means for answer in proof.answers()} == {"not decided"}
    assert len(world.accepted) == 1  # nothing more is paid for
    assert world.clock < world.end  # it does not wait longer than there is hope


def test_an_edge_that_never_caches_proves_nothing() -> None:
    proof = World(caches=False).prove()
    assert not proof.is_good
    assert proof.old == []
    assert {one.state for one in proof.spellings} == {"not cached", "not served here (403)"}
    assert {answer.means for answer in proof.answers()} == {"not decided"}


def test_an_invalidation_that_is_lost_is_waited_for_until_the_time_is_over() -> None:
    world = World()
    world.send = lambda plan: []  # type: ignore[method-assign]  # noqa: ARG005
    proof = world.prove()
    assert not proof.is_good
    assert world.clock == pytest.approx(world.end, abs=5)
    assert {answer.means for answer in proof.answers()} == {"not decided"}
    assert proof.problems == [UNLISTED, OVER]


@pytest.mark.parametrize("stack", [None, planned])
def test_an_invalidation_that_is_never_listed_is_a_problem(stack: Callable[[list[str]], list[str]] | None) -> None:
    world = World(stack=stack)
    first = 1 if stack else 0  # that a stack invalidates is known by its first one
    world.sent = lambda: World.sent(world)[:first]  # type: ignore[method-assign]
    proof = world.prove(patience=120 if stack else 0)
    assert proof.old == []
    assert proof.problems == [UNLISTED]
    assert not proof.is_good
    assert world.clock < world.end - 400  # the URLs are new: it does not wait as long as it may
    assert world.told[-1] == "waiting for CloudFront to list the invalidation"


def test_an_invalidation_whose_urls_are_new_is_waited_for_in_words() -> None:
    world = World()
    world.sent = lambda: [one._replace(status="InProgress") for one in World.sent(world)]  # type: ignore[method-assign]
    assert world.prove().old == []
    assert "waiting for CloudFront to complete the invalidation" in world.told


def test_a_stack_is_heard_out_where_nothing_is_cached() -> None:
    world = World(stack=planned, caches=False)
    proof = world.prove(patience=24)  # a quiet time of three seconds, of which the stack takes ten
    assert proof.problems == []
    assert answer_for(proof, "keys of events").means == "keys of events are read as S3 stores them"


@pytest.mark.parametrize("seconds", [1, 2.7, 3.4, 4.2, 5, 6, 7, 8, 9])
def test_an_edge_is_not_asked_when_the_time_is_over(seconds: float) -> None:
    class Counting(World):
        def ask(self, path: str) -> EdgeAnswer:
            assert self.clock < self.end
            return super().ask(path)

    world = Counting(end=1_000.0 + seconds, assumptions=EdgeAssumptions("nothing"))
    sent_late = []
    send = world.send

    def noting(plan: Plan) -> list[str]:
        if world.accepted and world.clock >= world.end:
            sent_late.append(plan)
        return send(plan)

    world.send = noting  # type: ignore[method-assign]
    try:
        problems = world.prove().problems
    except EdgeError as error:
        problems = [str(error)]
    assert OVER in problems
    assert "no answer" not in " ".join(problems)
    assert sent_late == []


def test_an_item_that_cloudfront_refuses_is_a_problem_among_answers() -> None:
    refused = "/prove-1/a//../b"
    proof = World(refuses=frozenset({refused})).prove()
    assert proof.problems == [f"{refused} refused"]
    assert not proof.is_good
    assert [one.url for one in proof.old] == ["/a//../b"]
    assert answer_for(proof, "/a//../b").observed == "/a//../b was not sent"
    assert means(proof)[TILDE] == "%7E clears ~"


def test_a_plan_that_is_refused_ends_it() -> None:
    everything = frozenset(item.path for batch in LAYOUT.plan.batches for item in batch.items)
    with pytest.raises(CdnError, match="refused"):
        World(refuses=everything).prove()


def test_what_another_edge_answers_proves_nothing() -> None:
    world = World()
    send = world.send

    def moving(plan: Plan) -> list[str]:
        world.pop = "FRA60-P2"
        return send(plan)

    world.send = moving  # type: ignore[method-assign]
    proof = world.prove()
    assert not proof.is_good
    assert len(proof.old) == len([one for one in proof.spellings if one.is_proof])
    assert "the edge FRA60-P2 answered in place of FRA56-P1, which has another cache" in world.told


def test_an_edge_that_stops_answering_is_told_of_and_asked_again() -> None:
    world = World()
    send = world.send

    def failing(plan: Plan) -> list[str]:
        world.fails_at = "/prove-1/plain"
        return send(plan)

    world.send = failing  # type: ignore[method-assign]
    proof = world.prove()
    assert "no answer" in world.told
    assert [one.url for one in proof.old] == ["/plain"]
