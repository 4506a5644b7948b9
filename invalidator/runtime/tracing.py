"""Traces of AWS X-Ray, through Powertools' Tracer: a subsegment for each invocation, and one in it for each call.

This module is imported only where ``settings.tracing`` says so: with the X-Ray SDK, a cold start takes some 15 ms more,
about 7 % (medians of 25 processes with a first event, Python 3.11, 2026-11-22).
In a trace are times, operations, distributions, queues, HTTP statuses and the words of errors, but nothing else of an
event, of what is invalidated or of an answer.

The SDK keeps what it is in the middle of for each thread. A thread of ``workers`` gets a segment of its own that stands
for what was going on where it was started: what it traces is sent when it ends, under that, and does not touch
what other threads are about to send. A call that is left behind, and ends in a later invocation or never, is missing
from the trace, and nothing else is.
"""

import logging
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, Generic, NamedTuple, TypeVar

from aws_lambda_powertools import Tracer

from invalidator.aws import sdk
from invalidator.settings import environment
from invalidator.workers import Workers

T = TypeVar("T")

_RECORDED: Final = {
    "CreateInvalidation": {"request_descriptors": {"DistributionId": {"rename_to": "distribution_id"}}},
    "CreateInvalidationForDistributionTenant": {"request_descriptors": {"Id": {"rename_to": "distribution_id"}}},
    "GetDistributionConfig": {"request_descriptors": {"Id": {"rename_to": "distribution_id"}}},
}
"""What a trace has of CloudFront's calls beside their names, as the SDK's own list has it for other services."""


def traced(
    serve: Callable[[Callable[[], Workers[Any]]], T],
    workers: Callable[[], Workers[Any]],
    warn: Callable[[str], None],
) -> T:
    """What ``serve`` returns for these workers, or raise what it raises; traced in Lambda, as far as X-Ray asks for it.

    Where the X-Ray SDK is missing or fails to start, there is one warning in the life of a process and no trace.
    """
    tracer = _tracer(warn)
    if tracer is None:
        return serve(workers)
    recorder = tracer.provider
    # The SDK tells invocations by their trace only, but those of an event that comes again have the same.
    recorder.clear_trace_entities()  # type: ignore[attr-defined]
    served: list[T] = []

    # Under its name it is in the trace. Event, context and answer stay out of the Tracer's hands. Of an exception, the
    # trace has all there is without "capture_error", which would add the attributes that ours do not have.
    @tracer.capture_lambda_handler(capture_response=False, capture_error=False)
    def lambda_handler(event: object, context: object) -> None:  # noqa: ARG001
        served.append(serve(lambda: _Traced(workers(), recorder)))

    lambda_handler(None, None)
    return served[0]


@cache
def _tracer(warn: Callable[[str], None]) -> Tracer | None:
    """None where there is nothing to trace with, as without the SDK, or outside of Lambda."""
    try:
        tracer = Tracer(environment.service_name(), patch_modules=["botocore"])
        from aws_xray_sdk.ext import boto_utils  # type: ignore[import-untyped]
    except Exception as error:  # noqa: BLE001 whatever it is: what there is to do is done without traces
        what = " (use Powertools' layer, or add aws-xray-sdk)" if isinstance(error, ImportError) else ""
        warn(f"POWERTOOLS_TRACE_DISABLED: nothing is traced: {error}{what}")
        return None
    # It would complain of a call that was left behind and ends.
    logging.getLogger("aws_xray_sdk.core.context").setLevel(logging.ERROR)
    boto_utils.whitelist["services"]["cloudfront"] = {"operations": _RECORDED}
    emitter = tracer.provider.emitter  # type: ignore[attr-defined]
    send = emitter.send_entity
    emitter.send_entity = lambda entity: send(_Shown(entity))
    return None if tracer.disabled else tracer


class _Shown(NamedTuple):
    """A segment as it is sent: without the credentials that AWS may have quoted in an error."""

    entity: Any

    def serialize(self) -> str:
        """JSON."""
        return sdk.without_tokens(self.entity.serialize())


class _Traced(Generic[T]):
    """Workers whose calls are traced under what is going on where they are started."""

    def __init__(self, workers: Workers[T], recorder: Any) -> None:
        self._workers, self._recorder = workers, recorder

    def start(self, call: Callable[[], T]) -> None:
        """Begin a call."""
        self._workers.start(partial(self._under, self._here(), call))

    def wait(self, seconds: float) -> T | None:
        """What a call returned, or raise what it raised."""
        return self._workers.wait(seconds)

    def _here(self) -> Any:
        """A segment that stands for the one that is open in this thread."""
        from aws_xray_sdk.core.models.facade_segment import FacadeSegment  # type: ignore[import-untyped]

        entity = self._recorder.get_trace_entity()
        segment = FacadeSegment("facade", entityid=entity.id, traceid=entity.trace_id, sampled=entity.sampled)
        segment.save_origin_trace_header(self._recorder.current_segment().get_origin_trace_header())
        return segment

    def _under(self, segment: Any, call: Callable[[], T]) -> T:
        self._recorder.set_trace_entity(segment)
        return call()
