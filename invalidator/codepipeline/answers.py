"""The answers to jobs of CodePipeline, and the only calls that give them.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutJobSuccessResult.html (read on 2026-11-22)
"""

from typing import Any, Final, NamedTuple

from invalidator.aws import sdk
from invalidator.errors import JobError
from invalidator.model import DistributionId

# The pipeline was stopped, or somebody has answered already.
_OVER: Final = {"JobNotFoundException", "InvalidJobStateException"}


class JobDone(NamedTuple):
    """Everything was accepted and, if that was asked for, is completed. An unknown invalidation has an empty id."""

    invalidations: tuple[tuple[DistributionId, str], ...]
    completed: bool = False


class JobRunning(NamedTuple):
    """CodePipeline shall come again with this token."""

    token: str
    summary: str
    percent: int


class JobFailed(NamedTuple):
    """``type`` is one of a JobFailure's; ``error`` is one that nobody had thought of."""

    type: str
    message: str
    error: Exception | None = None


JobAnswer = JobDone | JobRunning | JobFailed


class Pipeline:
    """Takes the answers, through an SDK client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def answer(self, job: str, answer: JobAnswer) -> bool:
        """Answer a job. False if CodePipeline does not wait for it any more. Raises JobError if that cannot be done."""
        try:
            self._answer(job, answer)
        except sdk.ERRORS as error:
            if sdk.code_of(error) in _OVER:
                return False
            raise JobError(f"job {job} could not be answered: {sdk.message_with_advice(error)}") from error
        return True

    def _answer(self, job: str, answer: JobAnswer) -> None:
        details: dict[str, Any]
        if isinstance(answer, JobFailed):
            details = {"type": answer.type, "message": answer.message}
            self._client.put_job_failure_result(jobId=job, failureDetails=details)
        elif isinstance(answer, JobRunning):
            details = {"summary": answer.summary, "percentComplete": answer.percent}
            self._client.put_job_success_result(jobId=job, continuationToken=answer.token, executionDetails=details)
        else:
            details = {"summary": job_summary(answer), "percentComplete": 100}
            variables = output_variables(answer)
            self._client.put_job_success_result(jobId=job, executionDetails=details, outputVariables=variables)


def job_summary(done: JobDone) -> str:
    """Return the summary of a job that is done, in a few words."""
    number = len(done.invalidations)
    return f"{number:,} invalidation{'' if number == 1 else 's'} {'completed' if done.completed else 'accepted'}"


def output_variables(done: JobDone) -> dict[str, str]:
    """Return the variables for later actions: the ids of the invalidations and, in the same order, the distributions.

    Invalidations whose id is not known any more, since a token had no room for it, are left out.
    """
    known = [(distribution, invalidation) for distribution, invalidation in done.invalidations if invalidation]
    return {
        "invalidationIds": ",".join(invalidation for _, invalidation in known),
        "distributionIds": ",".join(distribution for distribution, _ in known),
    }
