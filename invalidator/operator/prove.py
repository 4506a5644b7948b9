"""Prove on a live distribution that viewers get new objects: fill its cache, overwrite, invalidate, and look.

Nothing here is removed: whoever calls it removes the probes, whatever happens.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from invalidator.errors import CdnError, EdgeError
from invalidator.model import Cause, Invalidation, Item, Plan, Request, UrlPath
from invalidator.operator.freshness import EdgeAnswer
from invalidator.operator.probes import QUESTIONS, ProbeLayout
from invalidator.operator.proof import Proof, Spelling, has, is_hit, relative
from invalidator.planning.batches import make_batches
from invalidator.wording import count

_PAUSE: Final = 1.0
_QUIET: Final = 15.0
"""Seconds without news, after all invalidations are completed, after which no more news is expected."""
_SHARE_QUIET: Final = 1 / 8
"""The same for a stack, as a share of the patience with it."""

_NO_STACK: Final = (
    "the stack has not invalidated what was uploaded, so that another plan was sent: 'invalidator doctor' may say why"
)
_UNLISTED: Final = "CloudFront lists no invalidation that names the probes: 'invalidator status' shows what it lists"
_TIME_OVER: Final = "the time of --timeout is over: give it more seconds"


class ProofWorld(NamedTuple):
    """Everything that a proof touches.

    ``put`` uploads a new version of a key, and returns its ETag. ``ask`` returns the answer of the edge for a path.
    ``send`` sends a plan, and returns why some of it was not accepted; it raises CdnError if nothing was. ``sent``
    returns the invalidations of the distribution since the beginning. ``left`` returns the seconds that are left,
    ``now`` the time in seconds; ``pause`` lets some pass. ``tell`` takes the present state.
    """

    put: Callable[[str], str]
    ask: Callable[[str], EdgeAnswer]
    send: Callable[[Plan], list[str]]
    sent: Callable[[], Sequence[Invalidation]]
    left: Callable[[], float]
    now: Callable[[], float]
    pause: Callable[[float], object]
    tell: Callable[[str], object]


def try_probes(layout: ProbeLayout, world: ProofWorld, patience: float = 0.0) -> Proof:
    """Return what viewers get after an invalidation of overwritten probes.

    Waits so many seconds for the first invalidation by a stack, and then for those of that. If none comes, and without
    patience, it sends the plan of the layout. Raises InvalidatorError.
    """
    return _Course(layout, world).run(patience)


class _Course:
    """The course of a proof. ``etags`` are those of the newest versions, by name."""

    def __init__(self, layout: ProbeLayout, world: ProofWorld) -> None:
        self._layout, self._world = layout, world
        self._proof = Proof(layout)
        self._etags: dict[str, str] = {}
        self._known: set[str] = set()
        self._overwritten = 0.0
        self._quiet = _QUIET

    def run(self, patience: float) -> Proof:
        proof, layout, world = self._proof, self._layout, self._world
        self._put("uploading", (*layout.kept, *layout.changed))
        if patience:
            self._await_stack(patience)
        self._fill()
        self._put("overwriting", layout.changed)
        self._overwritten = world.now()
        if not proof.by_stack:
            proof.problems += world.send(layout.plan)
        proof.items = relative(_items(self._cleared(proof.spellings)), layout)
        for one in proof.bystanders.values():
            self._look_at_bystander(one)
        self._quiet = _QUIET
        self._send_further()
        return proof

    def _await_stack(self, patience: float) -> None:
        """Wait until a stack has invalidated what was uploaded, which it would otherwise do later on."""
        world, proof = self._world, self._proof
        world.tell("waiting for the stack to invalidate what was uploaded")
        # Part of what it has to do may come later than the rest, under the same wildcard.
        self._quiet = patience * _SHARE_QUIET
        proof.by_stack = bool(self._settle([], min(patience, world.left() / 2)))
        if not proof.by_stack:
            self._quiet = _QUIET
            self._note(_NO_STACK)

    def _put(self, doing: str, names: Sequence[str]) -> None:
        self._world.tell(f"{doing} {count(len(names), 'probe')}")
        for name in names:
            self._etags[name] = self._world.put(f"{self._layout.base}{name}")

    def _note(self, problem: str) -> None:
        if problem not in self._proof.problems:
            self._proof.problems.append(problem)

    def _ask(self, one: Spelling) -> EdgeAnswer:
        if self._world.left() <= 0:
            raise EdgeError(_TIME_OVER)
        answer = self._world.ask(f"{self._layout.root}{one.url}")
        pop = self._proof.pop = self._proof.pop or answer.pop
        if answer.pop != pop:
            raise EdgeError(f"the edge {answer.pop} answered in place of {pop}, which has another cache")
        return answer

    def _fill(self) -> None:
        """Ask for each URL twice: the second time, it should come out of the cache."""
        proof = self._proof
        proof.spellings = [Spelling(url, name) for url, name in sorted(self._layout.urls.items())]
        proof.bystanders = {q.url: Spelling(q.url, q.url[1:]) for q in QUESTIONS if q.bystander}
        every = [*proof.spellings, *proof.bystanders.values()]
        self._world.tell(f"filling the cache: {count(len(every), 'URL')}")
        for one in every:
            answer = self._ask(one)
            one.status, one.served = answer.status, has(answer, self._etags[one.name])
            one.cached = one.served and is_hit(self._ask(one))

    # --- waiting ----------------------------------------------------------------------------------------

    def _cleared(self, spellings: Sequence[Spelling]) -> list[Invalidation]:
        """Wait until these spellings are new, as long as there is time. Returns the invalidations that did it."""
        found = self._settle(spellings, self._world.left())
        if not found:
            self._note(_UNLISTED)
        return found

    def _settle(self, spellings: Sequence[Spelling], most: float) -> list[Invalidation]:
        """Wait until invalidations that concern the probes are completed and no more news comes.

        Notes when each spelling is new. Returns the invalidations, none of which was returned before.
        """
        begun = quiet_since = self._world.now()
        before: tuple[int, int] | None = None
        while True:
            waiting = self._look(spellings)
            found = self._new_invalidations()  # after the look, so that they have what made URLs new
            now = self._world.now()
            if before != (state := (len(found), len(waiting))):
                before, quiet_since = state, now
            is_quiet, are_new = now - quiet_since >= self._quiet, bool(spellings) and not waiting
            if now - begun >= most or self._is_settled(found, is_quiet=is_quiet, are_new=are_new):
                self._known |= {one.id for one in found}
                return found
            if are_new:
                self._world.tell(f"waiting for CloudFront to {'complete' if found else 'list'} the invalidation")
            self._world.pause(_PAUSE)

    def _is_settled(self, found: Sequence[Invalidation], *, is_quiet: bool, are_new: bool) -> bool:
        if found:
            return all(one.is_completed for one in found) and (is_quiet or are_new)
        # If nothing was cached, nothing shows that a stack has done its work: it may still be gathering.
        is_due = not self._proof.by_stack or any(one.is_proof for one in self._proof.spellings)
        return is_quiet and are_new and is_due

    def _new_invalidations(self) -> list[Invalidation]:
        new = [one for one in self._world.sent() if one.id not in self._known]
        return [one for one in new if any(map(self._layout.covers, one.items))]

    def _look(self, spellings: Sequence[Spelling]) -> list[Spelling]:
        """Ask for each spelling that is not new yet. Returns those that are still not."""
        proving = [one for one in spellings if one.is_proof]
        waiting = [one for one in proving if one.seconds is None]
        for one in list(waiting):
            try:
                is_new = has(self._ask(one), self._etags[one.name])
            except EdgeError as error:  # it has answered before
                self._world.tell(str(error))
                continue
            if is_new:
                one.seconds = self._world.now() - self._overwritten
                waiting.remove(one)
        if waiting:
            self._world.tell(f"waiting: {len(waiting)} of {count(len(proving), 'URL')} still have the old object")
        return waiting

    def _look_at_bystander(self, one: Spelling) -> None:
        try:
            if not is_hit(self._ask(one)):
                one.seconds = self._world.now() - self._overwritten
        except EdgeError as error:
            one.cached = False
            self._note(str(error))

    # --- further invalidations --------------------------------------------------------------------------

    def _send_further(self) -> None:
        """Send items one after the other for each question whose own item did not clear its URL."""
        for turn in range(max(len(question.further) for question in QUESTIONS)):
            waiting = {one.url: one for one in self._proof.old if one.seconds is None}
            wanted = self._wanted(waiting, turn)
            if wanted and self._is_accepted(sorted(set(wanted.values()))):
                self._cleared([waiting[url] for url in wanted])
                for url, item in wanted.items():
                    waiting[url].by = item if waiting[url].seconds is not None else ""

    def _wanted(self, urls: Collection[str], turn: int) -> dict[str, str]:
        """Return the item to send next for each of these URLs."""
        asked = [question for question in QUESTIONS if question.url in urls and not self._proof.undecided(question)]
        return {question.url: question.further[turn][0] for question in asked if turn < len(question.further)}

    def _is_accepted(self, items: Sequence[str]) -> bool:
        """Send items alone if there is time, and return whether CloudFront took them."""
        if self._world.left() <= 0:
            return False
        paths = [UrlPath(f"{self._layout.root}{item}") for item in items]
        made = tuple(Item(path, (Cause(Request(path, "prove"), "asked of"),)) for path in paths)
        batches = make_batches(self._layout.plan.batches[0].distribution, made)
        try:
            self._proof.problems += self._world.send(Plan(tuple(batches)))
        except CdnError as error:
            self._note(str(error))
            return False
        return True


def _items(invalidations: Sequence[Invalidation]) -> list[str]:
    return [item for one in invalidations for item in one.items]
