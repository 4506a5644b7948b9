"""The door for jobs of CodePipeline: parameters in; success, failure, or "still running" out.

A job that is still running hands CodePipeline a token, with which it comes back as a new job later, so that nothing
waits in Lambda. What is sent has its identity from the first of these jobs: whenever the same job comes again, it
makes the same caller references, and nothing is billed twice.

https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html and
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutJobSuccessResult.html (read on 2026-11-22)
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from invalidator.aws import sdk
from invalidator.errors import (
    PASSING,
    CdnError,
    ConfigurationError,
    EventError,
    ForbiddenError,
    InProgressError,
    InvalidatorError,
    InvalidPathError,
    JobError,
    OutOfTimeError,
    UnknownIdError,
)
from invalidator.limits import (
    MAX_CONTINUATION_TOKEN_CHARACTERS,
    MAX_JOB_MESSAGE_CHARACTERS,
    MAX_JOB_SUMMARY_CHARACTERS,
)
from invalidator.model import Batch, DistributionId, Invalidation, Outcome
from invalidator.planning.by_hand import EVERYTHING, batches_of

_KEY: Final = "CodePipeline.job"
_DISTRIBUTIONS: Final = ("distributionId", "distributionIds")
_PARAMETERS: Final = (*_DISTRIBUTIONS, "objectPaths", "wait")
_EXAMPLE: Final = '{"distributionId": "E1A2B3C4D5E6F7", "objectPaths": ["/*"], "wait": true}'

_LONGEST_SECONDS: Final = 3_600
"""For which a job is continued: far longer than anything takes, and a small part of the 24 hours that there are."""

_PASSING: Final = (*PASSING, InProgressError, OutOfTimeError)
_is_job_id = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_is_entry = re.compile(r"([0-9a-f]{8})([+-])(\w{0,64})(?<!-)").fullmatch
_NAME_DIGITS: Final = 8
_SHOWN: Final = 20
_DENIED: Final = {"AccessDenied", "AccessDeniedException"}
_ALLOW: Final = "allow the role codepipeline:PutJobSuccessResult and codepipeline:PutJobFailureResult"
# The pipeline was stopped, or somebody has answered already.
_OVER: Final = {"JobNotFoundException", "InvalidJobStateException"}


class Job(NamedTuple):
    """A job as far as it is of interest here, and so without its credentials. ``token`` is that of the one before."""

    id: str
    parameters: str
    token: str = ""
    is_readable: bool = True


def read(event: Any) -> Job:
    """The job in an event; one of which nothing but the id can be read is failed later.

    Raises EventError, which quotes nothing, if there is not even an id to answer to.
    """
    job = event[_KEY]
    id_ = job.get("id") if isinstance(job, dict) else None
    if not (isinstance(id_, str) and _is_job_id(id_)):
        raise EventError(f"a {_KEY} that is not as CodePipeline sends them, and cannot be answered")
    try:
        data = job["data"]
        parameters = data["actionConfiguration"]["configuration"].get("UserParameters") or ""
        token = data.get("continuationToken") or ""
    except (KeyError, TypeError, AttributeError):
        parameters = token = None
    if isinstance(parameters, str) and isinstance(token, str):
        return Job(id_, parameters, token)
    return Job(id_, "", is_readable=False)


# --- what is wanted -------------------------------------------------------------------------------------


class Wish(NamedTuple):
    """What a job asks for. Without ``distributions`` those that are configured are meant."""

    distributions: tuple[str, ...]
    paths: tuple[str, ...]
    wait: bool


def wish_of(text: str) -> Wish:
    """What UserParameters ask for. Raises ConfigurationError."""
    given = _object(text)
    distributions = [word for name in _DISTRIBUTIONS for word in _texts(given, name)]
    words = [word for text in distributions for word in re.split(r"[\s,]+", text) if word]
    if distributions and not words:
        raise _wrong("distributionId is empty; leave it out for the configured distributions")
    wait = given.get("wait", False)
    if not isinstance(wait, bool):
        raise _wrong("wait is neither true nor false")
    return Wish(tuple(words), tuple(_texts(given, "objectPaths")) or (EVERYTHING,), wait)


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text, object_pairs_hook=_once) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise _wrong(f"they are not JSON ({error})") from None
    if not isinstance(given, dict):
        raise _wrong("they are JSON, but no object")
    if unknown := [name for name in given if name not in _PARAMETERS]:
        raise _wrong(f"there is no {unknown[0]!r:.80}; there are {', '.join(_PARAMETERS)}")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    given = dict(pairs)
    if len(given) < len(pairs):
        raise _wrong("a name is there twice")
    return given


def _texts(given: dict[str, Any], name: str) -> list[str]:
    """A text, or several. What is there has to say something: a list that is empty by mistake must not mean all."""
    if name not in given:
        return []
    value = given[name]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _wrong(f"{name} is neither a text nor a list of some")
    return texts


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"UserParameters: {what}. Expected for instance {_EXAMPLE}")


# --- what is known of it --------------------------------------------------------------------------------


class Sent(NamedTuple):
    """A batch that was accepted: the id of its invalidation, if that is known, and whether that is all there is to it.

    It is if it is completed, or nobody waits for that.
    """

    invalidation: str
    settled: bool


@dataclass(slots=True)
class Known:
    """What was done so far: by the first digits of a caller reference, what was sent under it.

    ``job`` is the first of the jobs, ``since`` when it came, in seconds.
    """

    job: str
    since: int
    sent: dict[str, Sent] = field(default_factory=dict)

    def token(self) -> str:
        """All that has room: of some 200 that they are settled, then what is needed to look at others, then ids.

        What has no room is sent again, and CloudFront answers with the earlier invalidation. That must not be much:
        CloudFront lets through no more than some ten calls at once.
        """
        token = f"{self.job} {self.since}"
        entry = 1 + _NAME_DIGITS + 1
        room = MAX_CONTINUATION_TOKEN_CHARACTERS - len(token) - entry * sum(sent.settled for sent in self.sent.values())
        for name, (invalidation, settled) in sorted(self.sent.items(), key=lambda item: item[1].settled):
            needed = len(invalidation) + (0 if settled else entry)
            has_room = needed <= room
            room -= needed if has_room else 0
            longer = f"{token} {name}{'+' if settled else '-'}{invalidation if has_room else ''}"
            if (settled or has_room) and len(longer) <= MAX_CONTINUATION_TOKEN_CHARACTERS:
                token = longer
        return token


def known_of(job: Job, now: int) -> Known:
    """What the token of a job says, or nothing if it is the first.

    Raises ConfigurationError if it is none of ours, and EventError if the job cannot be read.
    """
    if not job.is_readable:
        raise EventError(f"a {_KEY} that is not as CodePipeline sends them")
    if not job.token:
        return Known(job.id, now)
    first, _, rest = job.token.partition(" ")
    since, *entries = rest.split(" ")
    found = [_is_entry(entry) for entry in entries]
    if not (_is_job_id(first) and re.fullmatch(r"[0-9]{1,12}", since) and all(found)):
        raise ConfigurationError("the continuation token is none that was given out here; run the action again")
    return Known(first, int(since), {entry[1]: Sent(entry[3], entry[2] == "+") for entry in found if entry})


def _name(batch: Batch) -> str:
    """Enough of a caller reference to tell it from the others of a job."""
    return batch.caller_reference.removeprefix("invalidator-")[:_NAME_DIGITS]


# --- what comes of it -----------------------------------------------------------------------------------


class Done(NamedTuple):
    """All was accepted and, if that was wanted, is completed. An id may be empty, if it is not known any more."""

    invalidations: tuple[tuple[DistributionId, str], ...]
    completed: bool = False


class Running(NamedTuple):
    """CodePipeline shall come again with this token."""

    token: str
    summary: str
    percent: int


class Failed(NamedTuple):
    """``type`` is one of those of a JobFailure; ``error`` is what nobody had thought of."""

    type: str
    message: str
    error: Exception | None = None


Verdict = Done | Running | Failed


class Work(NamedTuple):
    """What a job needs others for. ``left`` is the seconds until the invocation has to end."""

    distributions: Callable[[Sequence[str]], list[DistributionId]]
    send: Callable[[tuple[Batch, ...]], Iterable[Outcome]]
    look: Callable[[DistributionId, str], Invalidation]
    left: Callable[[], float]


def verdict_of(job: Job, work: Work, now: float) -> Verdict:
    """Do what a job asks for, as far as that can be done now. Raises nothing: a job is always answered."""
    known = Known(job.id, int(now))
    is_late = False
    try:
        known = known_of(job, int(now))
        is_late = now - known.since > _LONGEST_SECONDS
        return _verdict(wish_of(job.parameters), known, work, is_late=is_late)
    except InvalidatorError as error:
        if _is_passing(error) and not is_late:
            return Running(known.token(), _text(str(error), MAX_JOB_SUMMARY_CHARACTERS), 0)
        return Failed(_type(error), _text(str(error)))
    except Exception as error:  # noqa: BLE001 an unanswered job would keep its pipeline waiting
        return Failed("JobFailed", _text(f"unexpected, please report it: {type(error).__name__}: {error}"), error)


def _text(text: str, most: int = MAX_JOB_MESSAGE_CHARACTERS) -> str:
    """As much as there is room for, of what CodePipeline takes: there may be halves of surrogate pairs in names."""
    return text.encode(errors="backslashreplace").decode()[:most]


def _verdict(wish: Wish, known: Known, work: Work, *, is_late: bool) -> Verdict:
    reserve = min(2 * sdk.LONGEST_ATTEMPT, work.left() / 4)
    distributions = work.distributions(wish.distributions)
    batches = batches_of(wish.paths, "objectPaths", distributions, f"job {known.job}")
    # Only what is still meant: the list of distributions may have changed since the first job.
    known.sent = {_name(batch): known.sent[_name(batch)] for batch in batches if _name(batch) in known.sent}
    accepted = [batch for batch in batches if _name(batch) in known.sent]
    problems: list[tuple[str, CdnError]] = []
    for outcome in work.send(tuple(batch for batch in batches if _name(batch) not in known.sent)):
        if outcome.error is None:
            # Perhaps a part of a batch: that is sent again next time, and known by then.
            known.sent[_name(outcome.batch)] = Sent(str(outcome.invalidation), settled=not wish.wait)
            accepted.append(outcome.batch)
        else:
            problems.append((outcome.failure, outcome.error))
    left = len(problems)
    # They were served at the same time; a job that comes again is to get the same answer.
    order = {id_: number for number, id_ in enumerate(distributions)}
    accepted.sort(key=lambda batch: (order[batch.distribution], batch.items[0].path))
    if wish.wait:
        problems += _look(accepted, known, work, reserve)
    standing = _Standing([(batch.distribution, known.sent[_name(batch)]) for batch in accepted], left, wait=wish.wait)
    if standing.is_done and not problems:
        return Done(tuple((id_, sent.invalidation) for id_, sent in standing.accepted), wish.wait)
    errors = [error for _, error in problems]
    if all(isinstance(error, _PASSING) for error in errors) and not is_late:
        return Running(known.token(), standing.summary, standing.percent)
    told = [text for text, _ in problems] or [f"not completed within {_LONGEST_SECONDS // 60} minutes"]
    # However much failed: what was accepted is seen.
    end = f"\n{standing.summary}{standing.shown}."
    return Failed(_type_of(errors), _text("\n".join(told), MAX_JOB_MESSAGE_CHARACTERS - len(end)) + end)


def _look(accepted: list[Batch], known: Known, work: Work, reserve: float) -> Iterator[tuple[str, CdnError]]:
    """See which are completed, until ``reserve`` seconds are left. Yields what keeps some from being seen."""
    for batch in accepted:
        sent = known.sent[_name(batch)]
        if sent.settled or work.left() < reserve:
            continue
        try:
            completed = work.look(batch.distribution, sent.invalidation).is_completed
            known.sent[_name(batch)] = sent._replace(settled=completed)
        except _PASSING:
            continue  # it is looked at again
        except CdnError as error:
            text = f"{batch.distribution}: {sent.invalidation} is accepted, but nobody can see whether it is completed"
            yield f"{text}: {error}", error


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far a job is: what was accepted, and how many batches were not."""

    accepted: list[tuple[DistributionId, Sent]]
    left: int
    wait: bool

    @property
    def _completed(self) -> int:
        return sum(sent.settled for _, sent in self.accepted) if self.wait else 0

    @property
    def is_done(self) -> bool:
        return not self.left and (not self.wait or self._completed == len(self.accepted))

    @property
    def summary(self) -> str:
        completed = f", {self._completed:,} completed" if self.wait else ""
        return f"{len(self.accepted):,} of {_count(len(self.accepted) + self.left)} accepted{completed}"

    @property
    def shown(self) -> str:
        """Which were accepted: the first of them."""
        found = [f"{sent.invalidation or 'one'} on {id_}" for id_, sent in self.accepted]
        more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        return f": {', '.join(found[:_SHOWN])}{more}" if found else ""

    @property
    def percent(self) -> int:
        steps = (len(self.accepted) + self.left) * (2 if self.wait else 1)
        return 100 * (len(self.accepted) + self._completed) // steps


def _type_of(errors: Sequence[InvalidatorError]) -> str:
    """What CodePipeline calls what went wrong; where it is not the same for all, or nothing of it, JobFailed.

    What passes by itself is not why a job failed, if there is anything else.
    """
    types = {_type(error) for error in errors if not isinstance(error, _PASSING)} or set(map(_type, errors))
    return types.pop() if len(types) == 1 else "JobFailed"


def _type(error: InvalidatorError) -> str:
    # Secrets Manager and Parameter Store say it in their words.
    if any(isinstance(cause, ForbiddenError) or sdk.code_of(cause) in _DENIED for cause in _causes(error)):
        return "PermissionError"
    if _is_passing(error):
        return "SystemUnavailable"
    # Where distributions cannot be discovered: why not.
    why = error.__cause__ if isinstance(error.__cause__, CdnError) else error
    wrong = ConfigurationError | UnknownIdError | InvalidPathError
    return "ConfigurationError" if isinstance(why, wrong) else "JobFailed"


def _is_passing(error: InvalidatorError) -> bool:
    return any(isinstance(cause, _PASSING) or sdk.is_passing(cause) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it; Powertools raises its own without naming the cause."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _count(number: int) -> str:
    return f"{number:,} invalidation{'' if number == 1 else 's'}"


# --- the answer -----------------------------------------------------------------------------------------


class Pipeline:
    """What takes the answers, through an SDK client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def answer(self, job: str, verdict: Verdict) -> bool:
        """Tell CodePipeline what came of a job. False if it does not wait for that any more.

        Raises JobError if the answer cannot be given.
        """
        try:
            self._answer(job, verdict)
        except sdk.ERRORS as error:
            if sdk.code_of(error) in _OVER:
                return False
            told = sdk.explained(error, {"AccessDeniedException": _ALLOW})
            raise JobError(f"job {job} could not be answered: {told}") from error
        return True

    def _answer(self, job: str, verdict: Verdict) -> None:
        if isinstance(verdict, Failed):
            details = {"type": verdict.type, "message": verdict.message}
            self._client.put_job_failure_result(jobId=job, failureDetails=details)
        elif isinstance(verdict, Running):
            about = {"summary": verdict.summary, "percentComplete": verdict.percent}
            self._client.put_job_success_result(jobId=job, continuationToken=verdict.token, executionDetails=about)
        else:
            summary = f"{_count(len(verdict.invalidations))} {'completed' if verdict.completed else 'accepted'}"
            about = {"summary": summary, "percentComplete": 100}
            self._client.put_job_success_result(jobId=job, executionDetails=about, outputVariables=outputs(verdict))


def result(job: Job, verdict: Verdict) -> dict[str, Any]:
    """The same for a log, and for whoever invoked the function by hand."""
    if isinstance(verdict, Failed):
        return {"job": job.id, "result": "failed", "type": verdict.type, "reason": verdict.message}
    if isinstance(verdict, Running):
        return {"job": job.id, "result": "running", "summary": verdict.summary, "percent": verdict.percent}
    found = [{"distribution": distribution, "id": id_} for distribution, id_ in verdict.invalidations]
    return {"job": job.id, "result": "succeeded", "invalidations": found}


def outputs(done: Done) -> dict[str, str]:
    """The variables for later actions: the ids of the invalidations and, in the same order, of their distributions.

    Of so many that a token has no room for all ids, those that are not known any more are left out.
    """
    known = [(distribution, invalidation) for distribution, invalidation in done.invalidations if invalidation]
    return {
        "invalidationIds": ",".join(invalidation for _, invalidation in known),
        "distributionIds": ",".join(distribution for distribution, _ in known),
    }


def connect() -> Pipeline:
    """The CodePipeline of the Region that the function is in. Raises ConfigurationError if the SDK cannot be set up."""
    return Pipeline(sdk.client("codepipeline", attempts=3))
