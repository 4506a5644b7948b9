"""The Lambda function of pipelines: a job of CodePipeline in, its answer out."""

from typing import Any

from invalidator.codepipeline.jobs import serve_job
from invalidator.errors import JobError
from invalidator.runtime.clients import AWS, Clients
from invalidator.runtime.invocation import Invocation, InvocationContext
from invalidator.runtime.log import logger
from invalidator.settings import environment


@logger.inject_lambda_context(log_event=False)
def lambda_handler(event: object, context: "InvocationContext", clients: Clients = AWS) -> dict[str, Any]:
    """Serve the job in an event, answer it and return ``{"job": id, "result": …}``.

    Raises JobError or EventError if there is none, or it cannot be answered.
    """
    if not (isinstance(event, dict) and "CodePipeline.job" in event):
        raise JobError("the event has no job of CodePipeline, and this function serves nothing else")
    return serve_job(event, Invocation.begin(clients, context))


if environment.is_lambda():
    from invalidator.runtime.start import begin

    begin(serves_jobs=True)
