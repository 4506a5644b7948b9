"""The Lambda function: an event in, invalidations out, and an answer by which Lambda knows what to send again."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from invalidator.distributions.concerned import Concerned
from invalidator.distributions.ration import ration
from invalidator.errors import JobError
from invalidator.events.decode import decode
from invalidator.model import ObjectChange, Plan
from invalidator.planning.planner import make_plan
from invalidator.runtime.answer import Served, answer
from invalidator.runtime.budget import brake_on
from invalidator.runtime.clients import AWS, Clients
from invalidator.runtime.deliver import deliver
from invalidator.runtime.gather import Gathering
from invalidator.runtime.invocation import Invocation, InvocationContext, LocalContext
from invalidator.runtime.log import log_contents, log_event, log_plan, logger
from invalidator.runtime.reads import BucketKeys, find_distributions, without_unchanged
from invalidator.settings import environment


def lambda_handler(event: object, context: "InvocationContext | None" = None, clients: Clients = AWS) -> dict[str, Any]:
    """Invalidate what the event says has changed, on every configured distribution.

    Stores what cannot be invalidated now as tickets, if there is a queue for them. Returns for an SQS event
    ``{"batchItemFailures": [{"itemIdentifier"}…]}``, the messages to deliver again, and for any other event
    ``{"invalidations": [{"distribution", "id", "items", "caller_reference"}…], "ignored": n, "tickets": n,
    "excluded": n, "unserved": n, "unchanged": n}``: changes that the settings exclude, that no distribution serves,
    and that wrote what was there before. Answers a job of CodePipeline and returns ``{"job": id, "result": …}``.

    Raises ConfigurationError before anything is done; IncompleteError if something was neither done nor stored and no
    message can be named, so that Lambda retries; JobError or EventError if a job cannot be answered.
    """
    if context is None:  # outside Lambda, where nobody collects metrics
        context, clients = LocalContext(), clients._replace(publish=lambda _documents, _context: None)
    if isinstance(event, dict) and "CodePipeline.job" in event:
        return _serve_job(event, context, clients)
    return _serve(event, context, clients)


# log_event is off even where POWERTOOLS_LOGGER_LOG_EVENT asks for it: an event is shown at DEBUG only.
@logger.inject_lambda_context(log_event=False)
def _serve(event: object, context: "InvocationContext", clients: Clients) -> dict[str, Any]:
    log_event(event)
    invocation = Invocation.configured(clients, context)
    settings = invocation.settings
    decoded = decode(event, context.aws_request_id)
    brake = brake_on(invocation)
    gathering = Gathering(decoded, invocation, brake)
    concerned = find_distributions(replace(decoded, changes=gathering.changes), invocation)
    decoded, known = concerned.decoded, concerned.known
    log_contents(decoded)
    changes, keys = without_unchanged(gathering.changes, invocation), BucketKeys(invocation, gathering.begun).beginning
    allowance = brake.allowance(settings.allowance, len(known))

    def plan_of(changes: list[ObjectChange]) -> tuple[Plan, Concerned]:
        now, divided = ration(changes, concerned, settings.view)
        return make_plan(now, divided.known, settings.view, decoded.tickets, allowance, keys), divided

    plan, divided = plan_of(changes)
    if gathering.holds(plan):
        changes = gathering.changes
        plan, divided = plan_of(changes)
    log_plan(plan)
    result = deliver(plan, changes, divided, invocation)
    return answer(Served(decoded, gathering, len(known), changes, plan, result), invocation)


def _serve_job(event: object, context: "InvocationContext", clients: Clients) -> dict[str, Any]:
    try:
        # By its name: the zip of this function has what it imports, and the function of pipelines has a zip of its own.
        pipelines = import_module("invalidator.codepipeline.handler")
    except ModuleNotFoundError as error:
        if error.name != "invalidator.codepipeline":
            raise
        raise JobError("this function serves no jobs: name the one of the output PipelineFunction") from error
    answer: dict[str, Any] = pipelines.lambda_handler(event, context, clients)
    return answer


if environment.is_lambda():
    from invalidator.runtime.start import begin

    begin()
