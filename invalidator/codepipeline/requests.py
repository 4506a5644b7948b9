"""A job of CodePipeline → what it asks for. Pure.

https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html (read on 2026-11-22)
"""

import re
from typing import Any, Final, NamedTuple

from invalidator.errors import ConfigurationError, EventError
from invalidator.strict_json import parse_strictly

_KEY: Final = "CodePipeline.job"
_DISTRIBUTIONS: Final = ("distributionId", "distributionIds")
PARAMETERS: Final = (*_DISTRIBUTIONS, "objectPaths", "wait")
_EXAMPLE: Final = '{"distributionId": "E1A2B3C4D5E6F7", "objectPaths": ["/*"], "wait": true}'

is_job_id = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class Job(NamedTuple):
    """A job without its credentials. ``token`` is the one that an earlier job of the same action was answered with."""

    id: str
    parameters: str
    token: str = ""
    is_readable: bool = True


class JobRequest(NamedTuple):
    """The parameters of a job. Without ``distributions`` the configured ones are meant, without ``paths`` all paths."""

    distributions: tuple[str, ...]
    paths: tuple[str, ...]
    wait: bool


def read_job(event: Any) -> Job:
    """Return the job in an event; a job of which only the id can be read is failed later.

    Raises EventError, which quotes nothing, if there is not even an id to answer to.
    """
    job = event[_KEY]
    id_ = job.get("id") if isinstance(job, dict) else None
    if not (isinstance(id_, str) and is_job_id(id_)):
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


def job_request(text: str) -> JobRequest:
    """Return what UserParameters ask for. Raises ConfigurationError."""
    parameters = _parameters(text)
    distributions = [word for name in _DISTRIBUTIONS for word in _strings(parameters, name)]
    words = [word for string in distributions for word in re.split(r"[\s,]+", string) if word]
    if distributions and not words:
        raise _wrong("distributionId is empty; leave it out for the configured distributions")
    wait = parameters.get("wait", False)
    if not isinstance(wait, bool):
        raise _wrong("wait is neither true nor false")
    return JobRequest(tuple(words), tuple(_strings(parameters, "objectPaths")), wait)


def _parameters(text: str) -> dict[str, Any]:
    try:
        parameters = parse_strictly(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise _wrong(f"they are not JSON ({error})") from None
    if not isinstance(parameters, dict):
        raise _wrong("they are JSON, but no object")
    if unknown := [name for name in parameters if name not in PARAMETERS]:
        raise _wrong(f"there is no {unknown[0]!r:.80}; there are {', '.join(PARAMETERS)}")
    return parameters


def _strings(parameters: dict[str, Any], name: str) -> list[str]:
    """Return one or several strings. An empty list is refused: sent by mistake, it must not mean everything."""
    if name not in parameters:
        return []
    value = parameters[name]
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not strings or not all(isinstance(string, str) for string in strings):
        raise _wrong(f"{name} is neither a string nor a list of strings")
    return strings


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"UserParameters: {what}. Expected for instance {_EXAMPLE}")
