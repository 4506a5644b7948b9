"""Clients of the AWS SDK, and how the errors of all services are read and explained."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar
from xml.etree import ElementTree as ET  # nosec B405

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from invalidator.errors import PASSING, ConfigurationError, InvalidatorError

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session

_T = TypeVar("_T")

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 10.0

LONGEST_ATTEMPT: Final = _CONNECT_SECONDS + _READ_SECONDS
"""Seconds after which an attempt of a call is given up."""

ERRORS: Final = (ClientError, BotoCoreError, ResponseParserError, ET.ParseError, OSError)
"""The errors that a call may raise: a refusal, no answer, or an answer that cannot be read.

OSError is raised where credentials come from a program or a file that does not exist.
"""

NO_ANSWER: Final = (HTTPClientError, NoConnectionError)
"""The errors of a call that got no answer."""

# The codes that the SDK's standard mode takes for throttling and for failures that pass; HTTP 429 means the first, HTTP
# 5xx the second: https://docs.aws.amazon.com/boto3/latest/guide/retries.html (2026-11-20)
_THROTTLED: Final = {
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
_UNAVAILABLE: Final = {"RequestTimeout", "RequestTimeoutException"}

_NAMES_OF_A_REGION: Final = {"secretsmanager", "ssm", "cloudformation"}
"""Services where a name means something else in another Region, so that none is assumed."""

_ONE_AT_A_TIME: Final = Lock()
"""Only one thread makes a client at a time, since a session is not made for more:

https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions (2026-11-29)
"""

_PAUSES_SECONDS: Final = (1.0, 3.0)
"""Pauses between the three attempts of a read."""

_TOKEN: Final = re.compile(r"(x-amz-security-token[\s:=]+)[\w+/=%-]+", re.IGNORECASE)


def config(*, attempts: int) -> "Config":
    """Return the configuration of all clients: short timeouts, and at most ``attempts`` attempts of each call."""
    from botocore.config import Config

    return Config(
        retries={"total_max_attempts": attempts, "mode": "standard"},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        user_agent_extra="invalidator",
    )


def client(service: str, *, attempts: int, region: str = "", raw_times: bool = False) -> Any:
    """Return a client that makes at most ``attempts`` attempts of each call, for a Region or else the configured one.

    Without a configured Region it is us-east-1, which signs for CloudFront, and from where S3 redirects to the Region
    of a bucket; secrets, parameters and stacks need one. With ``raw_times``, the times in answers are texts, as the
    service writes them. Raises ConfigurationError if the SDK's own configuration cannot be used.
    """
    try:
        with _ONE_AT_A_TIME:
            return _client(service, attempts, region, raw_times=raw_times)
    except Exception as error:  # a file that is damaged, its own or the user's, raises anything
        raise ConfigurationError(f"the AWS SDK cannot be set up: {message_with_advice(error)}") from error


def _client(service: str, attempts: int, region: str, *, raw_times: bool) -> Any:
    session = _session(raw_times=raw_times)
    assumed = None if service in _NAMES_OF_A_REGION else "us-east-1"
    chosen = region or session.get_config_variable("region") or assumed
    return session.create_client(service, region_name=chosen, config=config(attempts=attempts))


def open_connection(client: Any) -> None:
    """Open the connection over which the next call of a client goes. Raises one of ERRORS.

    Nothing is called: a request without a signature is refused, costs nothing and is in no trail.
    """
    client._endpoint.http_session.send(AWSRequest("GET", client.meta.endpoint_url).prepare())  # noqa: SLF001


@cache
def _session(*, raw_times: bool) -> "Session":
    """Return a session, whose clients share its data and credentials: another one would read them again."""
    # Imported here, and without boto3, which would only import resources and S3 transfers on top: a process that
    # makes a client without it takes 12 to 17 % less CPU time (medians of 31 pairs, Python 3.13 and 3.11, 2026-11-21).
    import botocore.session

    session = botocore.session.get_session()
    session.register("needs-retry", _tell_unanswered)
    if raw_times:
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return session


def _tell_unanswered(caught_exception: Exception | None = None, **_: object) -> None:
    if isinstance(caught_exception, NO_ANSWER):
        from invalidator.aws import unanswered

        unanswered.tell_unanswered(str(caught_exception))


def forget_sessions() -> None:
    """Read the configuration of the SDK anew for the next client."""
    _session.cache_clear()


# --- what an error is -----------------------------------------------------------------------------------


def code_of(error: BaseException) -> str:
    """Return the service's code of an error; empty if no service refused the call."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def status_of(error: ClientError) -> int:
    """Return the HTTP status of an answer; 0 if it has none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_throttled(error: ClientError) -> bool:
    """Return whether the service refused a call because there are too many."""
    return code_of(error) in _THROTTLED or status_of(error) == HTTPStatus.TOO_MANY_REQUESTS


def is_unavailable(error: ClientError) -> bool:
    """Return whether the service failed, so that nobody knows whether it did what it was asked for."""
    return code_of(error) in _UNAVAILABLE or status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_passing(error: BaseException) -> bool:
    """Return whether an error, ours or the SDK's, passes by itself: the same call may go well the next time."""
    if isinstance(error, ClientError):
        return is_throttled(error) or is_unavailable(error)
    return isinstance(error, (*PASSING, *NO_ANSWER))


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors behind it. Powertools raises its own without naming the cause."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def patiently(read: Callable[[], _T], pause: Callable[[float], object]) -> _T:
    """Return what ``read`` returns, in at most three attempts, with ``pause(seconds)`` between them.

    Raises what the third attempt raises, and at once what does not pass by itself.
    """
    for seconds in _PAUSES_SECONDS:
        try:
            return read()
        except PASSING:
            pause(seconds)
    return read()


# --- what an error says ---------------------------------------------------------------------------------


def message_of(error: Exception) -> str:
    """Return the service's code and message of an error, without the session tokens that AWS may quote in it.

    Includes the argument that a service objects to and why, where it says that.
    """
    return _TOKEN.sub(r"\1...", _message(error))


def message_with_advice(error: Exception) -> str:
    """Return the message of an error, followed by what to do about it, if that is known, in parentheses."""
    # Imported here, since most invocations meet no error.
    from invalidator.aws import advice

    operation = error.operation_name if isinstance(error, ClientError) else ""
    todo = advice.remedy(operation, code_of(error) or type(error).__name__)
    return f"{message_of(error).rstrip('.')} ({todo})" if todo else message_of(error)


@contextmanager
def raising(kind: type[InvalidatorError], place: str) -> Iterator[None]:
    """Raise the SDK's errors as errors of this kind that name the place; so, too, for an answer that cannot be read."""
    try:
        yield
    except ERRORS as error:
        raise kind(f"{place}: {message_with_advice(error)}") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise kind(f"{place}: the answer cannot be read: {error!r}") from error


def _message(error: Exception) -> str:
    if isinstance(error, ET.ParseError):  # which the SDK does not catch where it reads the location of a bucket
        return f"Unable to parse response: {error}"
    if isinstance(error, ResponseParserError):  # which quotes the whole answer, as a page of a proxy
        return f"{str(error).partition(chr(10))[0]:.200}"
    if not isinstance(error, ClientError):
        return str(error)
    details = error.response.get("Error", {})
    texts = [str(value) for name, value in details.items() if value and name.startswith(("Message", "Argument"))]
    return f"{code_of(error) or 'unknown error'}: {'; '.join(texts)}".rstrip(": ")
