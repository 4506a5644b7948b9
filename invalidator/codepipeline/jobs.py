"""Serving a job of CodePipeline: parameters in; success, failure, or "still running" out.

A job that is still running hands CodePipeline a token, with which it comes back later as a new job, so that nothing
waits in Lambda. What is sent has its identity from the first of these jobs: whenever the same job comes again, it makes
the same caller references, and nothing is billed twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from invalidator.aws import sdk
from invalidator.aws.advice import is_denied
from invalidator.by_hand import EVERYTHING, batches_of
from invalidator.codepipeline.answers import JobAnswer, JobDone, JobFailed, JobRunning, Pipeline
from invalidator.codepipeline.progress import Progress, SentBatch
from invalidator.codepipeline.requests import Job, JobRequest, job_request, read_job
from invalidator.delivery.carry_out import in_order
from invalidator.errors import (
    PASSING,
    CdnError,
    ConfigurationError,
    ForbiddenError,
    InvalidatorError,
    InvalidPathError,
    UnconfiguredError,
    UnknownIdError,
)
from invalidator.limits import MAX_JOB_MESSAGE_CHARACTERS, MAX_JOB_SUMMARY_CHARACTERS
from invalidator.model import Batch, DistributionId, Invalidation, Outcome, Plan
from invalidator.runtime.deliver import send
from invalidator.runtime.invocation import Invocation
from invalidator.runtime.log import details_of, log_warnings, logger
from invalidator.runtime.metrics import Tally
from invalidator.settings import environment
from invalidator.settings.ids import DISCOVER

_MAX_NAMED: Final = 20


class JobServices(NamedTuple):
    """The services that a job needs: ids → distributions, sending, an invalidation as it stands, the seconds left."""

    distributions: Callable[[Sequence[str]], list[DistributionId]]
    send: Callable[[tuple[Batch, ...]], Iterable[Outcome]]
    invalidation: Callable[[DistributionId, str], Invalidation]
    seconds_left: Callable[[], float]


def serve_job(event: Any, invocation: Invocation) -> dict[str, Any]:
    """Serve and answer the job in an event. Nothing of the event is logged at any level: it holds credentials.

    Raises EventError or JobError if the job cannot be answered.
    """
    job, tally, clients = read_job(event), Tally(), invocation.clients
    answer = answer_job(job, _services(invocation, tally), clients.now())
    shown = _document(job, answer)
    if isinstance(answer, JobFailed):
        logger.error("job failed", extra=shown, exc_info=answer.error)
        tally.count("Failures")
    else:
        logger.info("job served", extra=shown)
    # Before the answer, which may fail. Not by distribution: whoever writes jobs could name any number of them.
    invocation.publish(tally)
    if not Pipeline(clients.pipeline()).answer(job.id, answer):
        logger.warning("the pipeline does not wait for this job any more", extra={"job": job.id})
    return shown


def _document(job: Job, answer: JobAnswer) -> dict[str, Any]:
    """Return the answer for the log, and for whoever invoked the function by hand."""
    if isinstance(answer, JobFailed):
        return {"job": job.id, "result": "failed", "type": answer.type, "reason": answer.message}
    if isinstance(answer, JobRunning):
        return {"job": job.id, "result": "running", "summary": answer.summary, "percent": answer.percent}
    invalidations = [{"distribution": distribution, "id": id_} for distribution, id_ in answer.invalidations]
    return {"job": job.id, "result": "succeeded", "invalidations": invalidations}


# --- what a job needs of CloudFront and of the settings ---------------------------------------------------


def _services(invocation: Invocation, tally: Tally) -> JobServices:
    def send_batches(batches: tuple[Batch, ...]) -> Iterator[Outcome]:
        # What its distribution has no room for waits in CodePipeline, whole: a token has no place for the parts of a
        # batch, and the next job would send them again with the rest.
        plan = Plan(tuple(replace(batch, apart=True) for batch in batches))
        for outcome in send(plan, invocation.time_left(can_wait=True), invocation, tally):
            if outcome.error is not None:
                details = {"error": str(outcome.error), **details_of(outcome.batch)}
                logger.warning("not invalidated", extra=details)
            yield outcome

    look_up = partial(_distributions, invocation)
    return JobServices(look_up, send_batches, invocation.clients.invalidation, invocation.seconds_left)


def _distributions(invocation: Invocation, ids: Sequence[str]) -> list[DistributionId]:
    """Return the distributions that a job names, or the configured ones. Raises ConfigurationError.

    Where distributions are configured, a job may name only these, or parameters: whoever may edit a pipeline has no
    other rights by this function. The role allows only the parameters of ``pipeline-parameters``.
    """
    named = {DISCOVER if word.lower() == DISCOVER else word for word in ids if not word.startswith("/")}
    configured: set[str] = set()
    with suppress(UnconfiguredError):
        if named:
            configured = {*_looked_up(invocation, ()), *([DISCOVER] if environment.load().discover else [])}
    if strangers := sorted(named - configured) if configured else []:
        raise ConfigurationError(
            f"distributionId: {strangers[0]!r:.80} is not one of the configured distributions: name one of these, or"
            " leave it out; ids of others go into a parameter that --param pipeline-parameters allows"
        )
    try:
        return _looked_up(invocation, ids)
    except UnconfiguredError as error:
        raise ConfigurationError(f"give distributionId in UserParameters; {error}") from error


def _looked_up(invocation: Invocation, ids: Sequence[str]) -> list[DistributionId]:
    settings = environment.load(instead=ids, source="distributionId")
    if settings.discover and not settings.discover_bucket:
        raise ConfigurationError("DISCOVER_BUCKET is missing, without which there is nothing to discover for a job")
    settings, catalog = replace(settings, describe=False), invocation.clients.catalog()
    bucket, seconds = {settings.discover_bucket} - {""}, invocation.share(1 / 4, 3 * sdk.LONGEST_ATTEMPT)
    distributions = catalog.look_up(settings, bucket, invocation.clients.workers(), seconds).certain()
    warnings = [*settings.warnings, *catalog.warnings()]
    log_warnings(warnings)
    if not distributions:
        raise ConfigurationError("; ".join(warnings) or f"no distribution serves bucket {settings.discover_bucket}")
    return [distribution.id for distribution in distributions]


# --- what becomes of it -----------------------------------------------------------------------------------


def answer_job(job: Job, services: JobServices, now: float) -> JobAnswer:
    """Do what a job asks for, as far as that can be done now. Raises nothing: a job is always answered."""
    progress = Progress(job.id, int(now))
    try:
        progress = Progress.of(job, int(now))
        return _Run(job_request(job.parameters), progress, services).answer(now)
    except InvalidatorError as error:
        if _is_passing(error) and not progress.is_late(now):
            return JobRunning(progress.token(), _text(str(error), MAX_JOB_SUMMARY_CHARACTERS), 0)
        return JobFailed(_type(error), _text(str(error)))
    except Exception as error:  # noqa: BLE001 an unanswered job would keep its pipeline waiting
        return JobFailed("JobFailed", _text(f"unexpected, please report it: {type(error).__name__}: {error}"), error)


def _text(text: str, most: int = MAX_JOB_MESSAGE_CHARACTERS) -> str:
    """Cut a text to the room that there is, in characters that CodePipeline takes: names may hold lone surrogates."""
    return text.encode(errors="backslashreplace").decode()[:most]


class _Run:
    """One job of a request: sends the batches that are left, and looks whether the accepted ones are completed."""

    def __init__(self, request: JobRequest, progress: Progress, services: JobServices) -> None:
        self._request, self._progress, self._services = request, progress, services
        self._reserve = min(2 * sdk.LONGEST_ATTEMPT, services.seconds_left() / 4)
        self._accepted: list[Outcome] = []
        self._unaccepted = self._unsent = self._looked = 0
        self._problems: list[tuple[str, CdnError]] = []

    def answer(self, now: float) -> JobAnswer:
        self._serve()
        if not (self._problems or self._unsent or self._waiting()):
            return JobDone(tuple((id_, sent.invalidation) for id_, sent in self._sent()), self._request.wait)
        errors = [error for _, error in self._problems]
        if all(isinstance(error, PASSING) for error in errors) and not self._progress.is_late(now):
            return JobRunning(self._progress.token(), self._summary(), self._percent())
        return JobFailed(_type_of(errors), self._message())

    def _serve(self) -> None:
        """Send what was not accepted before, and look once at what is not completed."""
        distributions = self._services.distributions(self._request.distributions)
        paths = self._request.paths or (EVERYTHING,)
        batches = batches_of(paths, "objectPaths", distributions, f"job {self._progress.job}")
        self._progress.recall(batches)
        self._accepted = [Outcome(batch) for batch in batches if self._progress.get(batch)]
        self._look()
        self._send(tuple(batch for batch in batches if not self._progress.get(batch)))
        self._look()
        self._accepted = in_order(self._accepted, distributions)

    def _send(self, batches: tuple[Batch, ...]) -> None:
        """Send batches, until the token has no room for another one that has to be looked at again."""
        self._unsent = len(batches)
        for outcome in self._services.send(batches):
            self._unsent -= 1
            if outcome.error is not None:
                self._problems.append((outcome.failure, outcome.error))
                self._unaccepted += 1
                continue
            # Perhaps a part of a batch: that is sent again next time, and known by then.
            self._progress.put(outcome.batch, SentBatch(str(outcome.invalidation), not self._request.wait))
            self._accepted.append(outcome)
            if self._request.wait and self._unsent and not self._progress.has_room():
                self._looked = 0
                self._look()
                if not self._progress.has_room():
                    return

    def _sent(self) -> list[tuple[DistributionId, SentBatch]]:
        batches = [outcome.batch for outcome in self._accepted]
        return [(batch.distribution, sent) for batch in batches if (sent := self._progress.get(batch))]

    def _look(self) -> None:
        """See which of the batches not looked at are completed, until the reserve of seconds is left."""
        first, self._looked = self._looked, len(self._accepted)
        for batch in [outcome.batch for outcome in self._accepted[first:]]:
            sent = self._progress.get(batch)
            if sent is None or sent.settled or self._services.seconds_left() < self._reserve:
                continue
            try:
                invalidation = self._services.invalidation(batch.distribution, sent.invalidation)
                self._progress.put(batch, sent._replace(settled=invalidation.is_completed))
            except PASSING:
                continue  # it is looked at again
            except CdnError as error:
                text = f"{sent.invalidation} is accepted, but nobody can see whether it is completed: {error}"
                self._problems.append((f"{batch.distribution}: {text}", error))

    def _waiting(self) -> bool:
        return any(not sent.settled for _, sent in self._sent())

    def _completed(self) -> int:
        return sum(sent.settled for _, sent in self._sent()) if self._request.wait else 0

    def _number(self) -> int:
        return len(self._accepted) + self._unaccepted + self._unsent

    def _percent(self) -> int:
        steps = self._number() * (2 if self._request.wait else 1)
        return 100 * (len(self._accepted) + self._completed()) // steps

    def _summary(self) -> str:
        completed = f", {self._completed():,} completed" if self._request.wait else ""
        number = self._number()
        return f"{len(self._accepted):,} of {number:,} invalidation{'' if number == 1 else 's'} accepted{completed}"

    def _message(self) -> str:
        """Return why a job failed. However much that is, its end says what was accepted: the first of it by id."""
        reasons = [text for text, _ in self._problems] or [
            f"not completed within {self._progress.longest_seconds // 60:,.0f} minutes"
        ]
        names = [f"{sent.invalidation or 'one'} on {id_}" for id_, sent in self._sent()]
        more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
        accepted = f": {', '.join(names[:_MAX_NAMED])}{more}" if names else ""
        end = f"\n{self._summary()}{accepted}."
        return _text("\n".join(reasons), MAX_JOB_MESSAGE_CHARACTERS - len(end)) + end


# --- the type of a failure --------------------------------------------------------------------------------


def _type_of(errors: Sequence[InvalidatorError]) -> str:
    """Return CodePipeline's type for several errors: JobFailed, unless all are of one type.

    An error that passes by itself is not why a job failed, if there is any other.
    """
    types = {_type(error) for error in errors if not isinstance(error, PASSING)} or set(map(_type, errors))
    return types.pop() if len(types) == 1 else "JobFailed"


def _type(error: InvalidatorError) -> str:
    # Secrets Manager and Parameter Store have codes of their own.
    if any(isinstance(cause, ForbiddenError) or is_denied(sdk.code_of(cause)) for cause in sdk.causes_of(error)):
        return "PermissionError"
    if _is_passing(error):
        return "SystemUnavailable"
    # Where distributions cannot be discovered: why not.
    why = error.__cause__ if isinstance(error.__cause__, CdnError) else error
    wrong = ConfigurationError | UnknownIdError | InvalidPathError
    return "ConfigurationError" if isinstance(why, wrong) else "JobFailed"


def _is_passing(error: InvalidatorError) -> bool:
    return any(map(sdk.is_passing, sdk.causes_of(error)))
