"""The second clearing: what was accepted is sent once more, since a request on its way may bring back the old object.

The model of an edge here knows the race: a viewer's request reads the object when it begins, and its answer is cached
when it ends, whatever was invalidated in between.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from io import StringIO
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invalidator.aws.cloudfront import CloudFront
from invalidator.aws.listings import Listings
from invalidator.aws.queues import Queue
from invalidator.delivery import pacing
from invalidator.distributions.catalog import Catalog
from invalidator.errors import IncompleteError
from invalidator.events import tickets
from invalidator.events.decode import decode
from invalidator.events.tickets import Ticket
from invalidator.handler import lambda_handler
from invalidator.model import Batch, DistributionId, ObjectChange
from invalidator.operator.dead_letters import DeadLetter, contents_of
from invalidator.planning.batches import make_batches, repeat_of, with_next_reference
from invalidator.runtime.metrics import Document, Name
from invalidator.urls.viewers import View
from tests.doubles import strategies as make
from tests.doubles.clock import Clock, OnClock, on
from tests.doubles.cloudfront import DENIED, IN_PROGRESS, THROTTLED, Invalidation, StrictCloudFront
from tests.doubles.codepipelines import StrictCodePipeline
from tests.doubles.configurations import of_buckets
from tests.doubles.queues import StrictQueues
from tests.doubles.strategies import Change, simple_plan
from tests.doubles.versioned_s3 import VersionedS3
from tests.test_handler import DEAD_LETTERS, QUEUE, lines_of

UPLOADED = datetime(2026, 11, 20, 9, 30, 12, 345_000, UTC).timestamp()
"""When all objects of the test events were written: the beginning of a world."""
VISIBILITY = 722.0
AFTER = 10


class Killed(BaseException):
    """The invocation was cut off."""


@dataclass
class MortalQueues(StrictQueues):
    """Queues with which the next call may end the invocation: ``before`` or ``after`` something is stored."""

    killing: str = ""

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803
        """Send messages, as the SDK calls the operation."""
        killing, self.killing = self.killing, ""
        if killing == "before":
            raise Killed
        answer = super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        if killing == "after":
            raise Killed
        return answer


@dataclass
class Waiting:
    """A message on the queue of the function."""

    id: str
    body: str
    visible_at: float
    received: int = 0


@dataclass
class World:
    """The function behind its queue, distributions with their edges, and viewers. Times are in seconds."""

    ids: str = "E1,E2"
    after: int = AFTER
    # What goes wrong in each invocation, in turn.
    troubles: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    now: float = 0.0
    cloudfront: StrictCloudFront = field(init=False)
    queues: MortalQueues = field(default_factory=lambda: MortalQueues({QUEUE, DEAD_LETTERS}))
    messages: list[Waiting] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    origin: Counter[str] = field(default_factory=Counter)
    edges: dict[tuple[str, str], int] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.cloudfront = StrictCloudFront(set(self.ids.split(",")))
        self._catalog = Catalog(CloudFront(self.cloudfront), lambda: self.now, lambda _: None)

    # --- what happens -------------------------------------------------------------------------------------

    def at(self, time: float, action: Callable[[], object]) -> None:
        heappush(self._due, (time, next(self._numbers), action))

    def run(self, until: float = 1e6) -> "World":
        """Let everything happen that is due until then."""
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heappop(self._due)
            action()
        return self

    def send(self, *bodies: Any, delay: float = 0.0) -> "World":
        """Put messages on the queue."""
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.messages.append(Waiting(f"m{next(self._numbers)}", text, self.now + delay))
            self.at(self.now + delay, self.invoke)
        return self

    def upload(self, key: str, notified: float = 1.0) -> None:
        self.origin[key] += 1
        self.send(make.s3(Change(key, f"{self.origin[key]:04X}")), delay=notified)

    def view(self, distribution: str, key: str, latency: float) -> None:
        place, version = (distribution, f"/{key}"), self.origin[key]
        if place not in self.edges:
            self.at(self.now + latency, lambda: self.edges.update({place: version}))

    def invoke(self) -> None:
        """Let the function receive all messages that are due."""
        received = [message for message in self.messages if message.visible_at <= self.now]
        if not received:
            return
        trouble = self.troubles.pop(0) if self.troubles else ""
        before = len(self.cloudfront.accepted)
        failed = self._handle(received, trouble)
        for accepted in self.cloudfront.accepted[before:]:
            for path in accepted.paths:
                self.edges.pop((accepted.distribution, path), None)
        for message in received:
            if message.id in failed or trouble == "delivered twice":
                message.visible_at = self.now + (VISIBILITY if message.id in failed else 0.0)
                self.at(message.visible_at, self.invoke)
            else:
                self.messages.remove(message)
        self._take_stored()

    def _take_stored(self) -> None:
        stored, self.queues.messages = self.queues.messages, []
        for message in stored:
            if message.url == QUEUE:
                self.send(message.body, delay=message.delay)
            else:
                self.letters.append(message.body)

    def _handle(self, received: list[Waiting], trouble: str) -> set[str]:
        """Return the messages that come again."""
        if trouble == "throttled":
            self.cloudfront.broken = dict.fromkeys(self.ids.split(","), THROTTLED)
        self.cloudfront.lose_answers = 1_000 if trouble == "unanswered" else 0
        self.queues.killing = trouble.removeprefix("killed ") if trouble.startswith("killed") else ""
        self.queues.broken = {QUEUE: ("AccessDenied", 403)} if trouble == "not stored" else {}
        event = make.sqs(*[message.body for message in received])
        for message, record in zip(received, event["Records"], strict=True):
            message.received += 1
            record |= {"messageId": message.id, "attributes": {"ApproximateReceiveCount": str(message.received)}}
        try:
            return {item["itemIdentifier"] for item in self.answer(event)["batchItemFailures"]}
        except Killed:
            return {message.id for message in received}
        finally:
            self.cloudfront.broken = {}

    def answer(self, event: Any) -> dict[str, Any]:
        clock = Clock()
        cdn = CloudFront(self.cloudfront)
        edge = on(
            clock,
            cloudfront=lambda: cdn,
            catalog=lambda: self._catalog,
            queue=partial(Queue, self.queues),
            # What else is in the bucket nobody may know: nothing is widened.
            listings=lambda: Listings(VersionedS3(broken={"ListObjectsV2": ("AccessDenied", 403)})),
            now=lambda: UPLOADED + self.now,
            publish=lambda documents, _: self.documents.extend(documents),
            pipeline=lambda: StrictCodePipeline({"11111111-abcd-1111-abcd-111111abcdef"}),
        )
        variables = {
            "DISTRIBUTION_IDS": self.ids,
            "QUEUE_URL": QUEUE,
            "DEAD_LETTERS_URL": DEAD_LETTERS,
            "REPEAT_AFTER": str(self.after),
        }
        with pytest.MonkeyPatch.context() as environ:
            for name, value in (variables | self.variables).items():
                environ.setenv(name, value)
            return lambda_handler(event, OnClock(aws_request_id="request", clock=clock), edge)

    # --- what there is to see -----------------------------------------------------------------------------

    @property
    def tickets(self) -> list[Batch]:
        """Return the batches that wait."""
        found = [json.loads(message.body) for message in self.messages]
        return [tickets.read(document, "m").batch for document in found if document.get("type") == tickets.KIND]

    @property
    def firsts(self) -> list[Invalidation]:
        """Return what was accepted for the first time."""
        return [item for item in self.cloudfront.accepted if not any(map(partial(is_second, item), self.accepted))]

    @property
    def accepted(self) -> list[Invalidation]:
        return self.cloudfront.accepted

    @property
    def stale(self) -> dict[tuple[str, str], int]:
        """Return what edges have of an object that has changed since."""
        return {place: version for place, version in self.edges.items() if version != self.origin[place[1][1:]]}

    def total(self, name: Name) -> float:
        """Return the sum of a metric over all distributions."""
        return sum(sum(document.values.get(name, ())) for document in self.documents)


def is_second(item: Invalidation, first: Invalidation) -> bool:
    batch = Batch(DistributionId(first.distribution), (), first.reference)
    return (item.distribution, item.reference) == (first.distribution, repeat_of(batch).caller_reference)


def sent(world: World) -> list[tuple[str, tuple[str, ...]]]:
    """Return what was accepted, as it was billed."""
    return sorted((item.distribution, item.paths) for item in world.accepted)


def quantity_of(world: World) -> int:
    return sum(len(item.paths) for item in world.accepted)


# --- once more, and no more -------------------------------------------------------------------------------


def test_what_is_accepted_is_sent_once_more_under_its_own_reference() -> None:
    world = World()
    world.send(make.s3(Change("a b"), Change("c"))).run(0.0)
    firsts = sent(world)
    assert len(firsts) == 2
    assert [(message.visible_at, json.loads(message.body)["since"]) for message in world.messages] == [
        (10.0, "2026-11-20T09:30:22.345Z")
    ] * 2
    world.run()
    assert sent(world) == sorted(firsts * 2)
    assert len({item.reference for item in world.accepted}) == 4
    assert (world.messages, world.letters, world.cloudfront.calls) == ([], [], 4)


def test_without_the_setting_it_is_sent_once() -> None:
    world = World(after=0).send(make.s3(Change("a"))).run()
    assert (len(world.accepted), world.cloudfront.calls) == (2, 2)


def test_without_a_queue_nothing_is_repeated_and_a_warning_says_so(log: StringIO) -> None:
    world = World(variables={"QUEUE_URL": ""})
    world.answer(make.s3(Change("a")))
    world.answer(make.s3(Change("b")))
    assert world.run().cloudfront.calls == 4
    assert [line["message"] for line in lines_of(log) if line["level"] == "WARNING"] == [
        "REPEAT_AFTER does nothing without a queue on which the second clearing can wait: set QUEUE_URL"
    ]


def test_an_event_that_is_no_queues_is_repeated_as_well() -> None:
    world = World()
    answer = world.answer(make.s3(Change("a")))
    world._take_stored()
    assert (len(answer["invalidations"]), answer["tickets"]) == (2, 0)
    assert len(world.run().accepted) == 4


TROUBLES = ("throttled", "unanswered", "not stored", "killed before", "killed after", "delivered twice")


@pytest.mark.parametrize("later", ["", *TROUBLES])
@pytest.mark.parametrize("first", TROUBLES)
def test_in_any_trouble_the_price_is_exactly_twice_that_of_one(first: str, later: str) -> None:
    event = make.s3(Change("a"), Change("b/index.html"))
    calm = World(after=0).send(event).run()
    for troubles in ([first, later], ["", first, later], [first, first, later, later]):
        world = World(troubles=[*troubles]).send(event).run()
        assert sent(world) == sorted(sent(calm) * 2), troubles
        assert quantity_of(world) == 2 * quantity_of(calm) == len(world.firsts) * 6
        assert (world.messages, world.letters) == ([], [])


def test_what_waited_as_a_ticket_is_repeated_once_it_is_accepted() -> None:
    world = World(ids="E1", troubles=["throttled", "throttled"]).send(make.s3(Change("a"))).run(0.0)
    assert [batch.repeat for batch in world.tickets] == [False]
    world.run()
    assert sent(world) == [("E1", ("/a",))] * 2
    assert world.now >= 30 + 30 + AFTER


def test_a_ticket_of_an_older_version_is_repeated_once() -> None:
    world = World(ids="E1").send(tickets.write(Ticket(plain(("/a", "/b")), "Throttling"))).run()
    assert sent(world) == [("E1", ("/a", "/b"))] * 2


def test_the_parts_of_a_batch_with_an_invalid_path_are_repeated() -> None:
    world = World(ids="E1")
    world.cloudfront.rejects = {"/bad"}
    world.send(make.s3(Change("a"), Change("b"), Change("bad"), Change("c"))).run()
    assert Counter(world.cloudfront.paths("E1")) == Counter({"/a": 2, "/b": 2, "/c": 2})
    assert [tickets.read(json.loads(body)).batch.repeat for body in world.letters] == [False]


def test_a_large_plan_that_was_stored_first_is_repeated_once() -> None:
    event = make.s3(*(Change(f"{number}") for number in range(1_200)))
    world = World(ids="E1", variables={"MAX_PATHS": "1000000"}).send(event).run()
    assert [len(item.paths) for item in world.accepted] == [1_200] * 2


def test_cache_tags_are_repeated() -> None:
    rules = {"RULES": '[{"match": "^(a)$", "also": ["#tag:$1"]}]'}
    world = World(ids="E1", variables=rules)
    world.cloudfront.configs["E1"] = of_buckets("origin") | {"CacheTagConfig": {"HeaderName": "x-amz-meta-cache-tag"}}
    assert sent(world.send(make.s3(Change("a"))).run()) == [("E1", ("#tag:a", "/a"))] * 2


def test_a_job_of_a_pipeline_is_not_repeated() -> None:
    configuration = {"FunctionName": "f", "UserParameters": json.dumps({"objectPaths": ["/a"]})}
    job = {
        "id": "11111111-abcd-1111-abcd-111111abcdef",
        "accountId": "111122223333",
        "data": {"actionConfiguration": {"configuration": configuration}},
    }
    world = World(ids="E1")
    world.answer({"CodePipeline.job": job})
    assert (sent(world), world.queues.messages) == ([("E1", ("/a",))], [])


# --- alone ------------------------------------------------------------------------------------------------


def test_a_second_clearing_is_never_merged_with_new_changes() -> None:
    world = World(ids="E1").send(make.s3(Change("a", "01"))).run(0.0)
    world.at(10.0, lambda: world.send(make.s3(Change("a", "02"), Change("b"))))
    world.run()
    assert Counter(sent(world)) == {("E1", ("/a",)): 2, ("E1", ("/a", "/b")): 2}


def test_a_second_clearing_that_is_not_due_is_nothing_put_off(log: StringIO) -> None:
    world = World(variables={"STACK_ID": "stack"}).send(make.s3(Change("a"))).run(0.0)
    planned = [line for line in lines_of(log) if line["message"] == "second clearing planned"]
    assert [(line["level"], line["seconds"], line["items"], line["repeat"]) for line in planned] == [
        ("INFO", AFTER, 1, True)
    ] * 2
    assert not [line for line in lines_of(log) if line["level"] != "INFO"]
    world.run()
    created = [line for line in lines_of(log) if line["message"] == "invalidation created"]
    assert [line.get("repeat", False) for line in created] == [False, False, True, True]
    names: tuple[Name, ...] = ("Tickets", "SecondsRefused", "Failures", "ForeignTickets")
    assert [world.total(name) for name in names] == [0, 0, 0, 0]


def test_its_price_counts_and_its_age_does_not_count_as_freshness() -> None:
    world = World(variables={"MONTHLY_BUDGET": ""}, after=900).send(make.s3(Change("a")), delay=2.0).run()
    delays = [value for document in world.documents for value in document.values.get("UploadToInvalidation", ())]
    assert delays == [2_000] * 2
    assert world.total("EstimatedCostUSD") == pytest.approx(4 * 0.005)


def test_a_second_clearing_that_is_refused_is_as_old_as_it_is_late() -> None:
    world = World(ids="E1", after=900, troubles=["", "throttled", "throttled"]).send(make.s3(Change("a"))).run()
    assert sent(world) == [("E1", ("/a",))] * 2
    assert world.total("Tickets") == 2
    assert 0 < world.total("SecondsRefused") <= 30


def test_one_that_cannot_be_stored_is_a_failure_and_comes_again(log: StringIO) -> None:
    world = World(ids="E1", troubles=["not stored"]).send(make.s3(Change("a"))).run(0.0)
    assert (len(world.accepted), [message.visible_at for message in world.messages]) == (1, [VISIBILITY])
    (error,) = [line for line in lines_of(log) if line["level"] == "ERROR"]
    assert (error["message"], error["repeat"]) == ("invalidation failed", True)
    assert error["not_stored"].startswith(f"{QUEUE}: AccessDenied")
    assert world.total("Failures") == 1
    assert sent(world.run()) == [("E1", ("/a",))] * 2
    world.queues.broken = {QUEUE: ("AccessDenied", 403)}
    with pytest.raises(IncompleteError, match="E1: /b invalidated, but the second clearing is not stored"):
        world.answer(make.s3(Change("b")))


def test_what_is_given_up_stays_a_second_clearing() -> None:
    world = World(ids="E1").send(make.s3(Change("a"), Change("b"))).run(0.0)
    world.at(9.0, world.send(make.s3(Change("c")), delay=9.0).invoke)
    world.cloudfront.rejects = {"/b", "/c"}
    world.run()
    given_up = sorted((tickets.read(json.loads(body)).batch for body in world.letters), key=lambda batch: batch.items)
    assert [(batch.items[0].path, batch.repeat) for batch in given_up] == [("/b", True), ("/c", False)]
    # So it is repeated no more when a person sends it back.
    letter = DeadLetter("l1", "r1", next(body for body in world.letters if '"repeat"' in body), "2026-11-20", "")
    (again,) = contents_of(letter, lambda _: [], View()).bodies
    world.cloudfront.rejects = set()
    world.send(again).run()
    assert Counter(world.cloudfront.paths("E1")) == {"/a": 2, "/b": 2}


def test_what_is_given_up_for_one_reason_is_a_letter_for_each_clearing() -> None:
    world = World(ids="E1")
    second = repeat_of(plain(("/a",)))
    given_up = {"attempts": 10, "apart": False}
    for batch in plain(("/a",)), second:
        world.send(json.dumps(json.loads(tickets.write(Ticket(batch, ""))) | given_up))
    world.cloudfront.faults.extend([DENIED] * 2)
    world.run()
    found = [tickets.read(json.loads(body)).batch for body in world.letters]
    assert sorted((batch.caller_reference, batch.repeat) for batch in found) == sorted(
        (batch.caller_reference, batch.repeat) for batch in (plain(("/a",)), second)
    )


# --- room -------------------------------------------------------------------------------------------------


def plain(paths: tuple[str, ...]) -> Batch:
    document = {
        "type": tickets.KIND,
        "distribution": "E1",
        "caller_reference": f"invalidator-{'0' * 32}",
        "attempts": 0,
        "apart": False,
        "since": "2026-11-20T09:30:12Z",
        "why": "",
        "items": [[path, "object", path] for path in paths],
    }
    return tickets.read(document, "m").batch


@pytest.mark.parametrize(
    ("number", "form", "seconds"),
    [(1_500, "/{}", AFTER), (1_501, "/{}", 30), (7, "/{}*", AFTER), (8, "/{}*", 30), (3_000, "/{}", 30)],
)
def test_what_has_no_room_beside_itself_waits_until_it_is_complete(number: int, form: str, seconds: int) -> None:
    batch = plain(tuple(form.format(place) for place in range(number)))
    assert pacing.seconds_to_repeat(batch, AFTER) == seconds
    assert pacing.seconds_to_repeat(batch, 60) == 60


def test_what_finds_no_room_is_cut_and_stays_apart_from_new_changes() -> None:
    paths = tuple(f"/{number:04}" for number in range(2_000))
    crowded = Ticket(repeat_of(plain(paths)), "TooManyInvalidationsInProgress")
    document = json.loads(tickets.write(crowded)) | {"apart": False, "crowded": 2}
    second = tickets.read(document, "m").batch
    new = plain(("/0001", "/new"))
    made = simple_plan([], ["E1"], left=[second, new]).batches
    assert sorted(len(batch.items) for batch in made if batch.repeat) == [500, 750, 750]
    assert [[item.path for item in batch.items] for batch in made if not batch.repeat] == [["/0001", "/new"]]
    assert {item.path for batch in made if batch.repeat for item in batch.items} == {*paths}


def test_on_a_full_distribution_it_is_retried_and_sent_once() -> None:
    world = World(ids="E1").send(make.s3(*(Change(f"{number}") for number in range(4)))).run(0.0)
    for time in (10.0, 45.0, 150.0):
        world.at(time - 1, lambda: world.cloudfront.broken.update({"E1": IN_PROGRESS}))
    world.run()
    assert Counter(world.cloudfront.paths("E1")) == {f"/{number}": 2 for number in range(4)}


# --- references and tickets -------------------------------------------------------------------------------


@given(st.lists(make.keys, min_size=1, max_size=4, unique=True))
def test_the_reference_of_a_second_clearing_follows_from_the_first(keys: list[str]) -> None:
    for batch in simple_plan(changes_of(keys), ["E1", "E2"]).batches:
        second = repeat_of(batch)
        assert (second.items, second.distribution) == (batch.items, batch.distribution)
        assert (second.repeat, second.is_fixed, second.attempts, second.crowded) == (True, True, 0, 0)
        assert second == repeat_of(batch)
        others = {batch.caller_reference, with_next_reference(batch).caller_reference}
        others |= {again.caller_reference for again in make_batches(batch.distribution, batch.items)}
        assert second.caller_reference not in others


def changes_of(keys: list[str]) -> list[ObjectChange]:
    return decode(make.s3(*map(Change, keys))).changes


# --- the race ---------------------------------------------------------------------------------------------


def raced(after: int) -> World:
    """Return a world in which a request is on its way from before the upload until after the invalidation."""
    world = World(ids="E1", after=after)
    world.at(0.0, lambda: world.view("E1", "a", latency=4.0))
    world.at(1.0, lambda: world.upload("a"))
    return world.run()


def test_a_request_on_its_way_brings_the_old_back_unless_cleared_again() -> None:
    assert raced(after=0).stale == {("E1", "/a"): 0}
    assert raced(after=AFTER).stale == {}


_times = st.integers(0, 400).map(lambda tenths: tenths / 10)
_keys = st.sampled_from("ab")
_uploads = st.lists(st.tuples(_times, _keys, st.integers(1, 50)), min_size=1, max_size=5)
_views = st.lists(st.tuples(_times, st.sampled_from(["E1", "E2"]), _keys, st.integers(1, 99)), max_size=12)


@example([(1.0, "a", 10)], [(0.0, "E1", "a", 99)], [])
@example([(1.0, "a", 10), (1.5, "b", 10)], [(0.0, "E1", "a", 99), (1.0, "E2", "b", 99)], ["killed before"])
@make.times(2)
@given(_uploads, _views, st.lists(st.sampled_from(["", *TROUBLES]), max_size=6))
def test_no_request_shorter_than_the_wait_leaves_anything_old(
    uploads: list[tuple[float, str, int]], views: list[tuple[float, str, str, int]], troubles: list[str]
) -> None:
    world = World(troubles=[*troubles])
    for at, key, notified in uploads:
        world.at(at, partial(world.upload, key, notified / 10))
    for at, distribution, key, latency in views:
        world.at(at, partial(world.view, distribution, key, latency / 10))
    world.run()
    assert (world.stale, world.messages, world.letters) == ({}, [], [])
    firsts, paths = world.firsts, quantity_of(world)
    once = sum(len(item.paths) for item in firsts)
    assert paths <= 2 * once
    if not {"not stored", "killed before", "killed after", "delivered twice"}.intersection(troubles):
        # Otherwise the same message may come again beside others, in a batch that has its own second clearing.
        assert paths == 2 * once
        assert all(number % 2 == 0 for number in Counter(sent(world)).values())
