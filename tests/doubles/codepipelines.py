"""A CodePipeline that keeps the documented rules of an answer, and continues a job as the answer says.

It is called as an SDK client, or over HTTP on loopback (``serve``).
https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutJobSuccessResult.html (2026-11-22)
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from invalidator.errors import JobError
from tests.doubles.loopback import Quiet, serving
from tests.doubles.sdk import client_error, operation_model

Json = dict[str, Any]

CREDENTIALS = {
    "accessKeyId": "ASIARECOGNISABLE0001",
    "secretAccessKey": "recognisable/secret+K7MDENG/bPxRfiCY",
    "sessionToken": "recognisableTokenIQoJb3JpZ2luX2VjEND//////////wEaCXVzLWVhc3QtMSJ",
}
_TARGET = "CodePipeline_20150709."
_MAX_OUTPUT_BYTES = 122_880


class Answer(NamedTuple):
    """The answer to a job: the parameters of the operation. It has a ``token`` if the job continues."""

    is_success: bool
    given: Json

    @property
    def token(self) -> str:
        return str(self.given.get("continuationToken", ""))

    @property
    def type(self) -> str:
        return str(self.given["failureDetails"]["type"])

    @property
    def message(self) -> str:
        return str(self.given["failureDetails"]["message"])

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """Return the pairs of distribution and invalidation."""
        variables = self.given["outputVariables"]
        ids = [variables[name].split(",") for name in ("distributionIds", "invalidationIds")]
        return list(zip(*ids, strict=True))


@dataclass
class StrictCodePipeline:
    """The jobs of an account. ``answers`` are the accepted ones, in order."""

    open: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    answered: dict[str, Answer] = field(default_factory=dict)
    # The errors of the next answers, in order; None lets an answer through.
    faults: deque[tuple[str, int] | None] = field(default_factory=deque)
    # The next answers are accepted, but the function gets no response.
    lose_answers: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def put_job_success_result(self, **given: Any) -> Json:
        """Take a success, as the SDK calls the operation. Raises the SDK's ClientError."""
        return self._take("PutJobSuccessResult", given)

    def put_job_failure_result(self, **given: Any) -> Json:
        """Take a failure, as the SDK calls the operation. Raises the SDK's ClientError."""
        return self._take("PutJobFailureResult", given)

    def new_job(self) -> str:
        """Return the id of a new job that waits for its answer."""
        id_ = f"{next(self._numbers):08x}-abcd-1111-abcd-111111abcdef"
        self.open.add(id_)
        return id_

    def _take(self, operation: str, given: Json) -> Json:
        shape = operation_model("codepipeline", operation).input_shape
        validate_parameters(given, shape)
        _check(given, shape, operation)
        if given.get("continuationToken") and given.get("outputVariables"):
            raise client_error(operation, "ValidationException", 400, "Output variables and a continuation token")
        variables = given.get("outputVariables", {})
        if sum(len((name + value).encode()) for name, value in variables.items()) > _MAX_OUTPUT_BYTES:
            raise client_error(operation, "OutputVariablesSizeExceededException", 400, "Too much of it")
        if fault := self.faults.popleft() if self.faults else None:
            raise client_error(operation, *fault)
        id_ = given["jobId"]
        if id_ not in self.open:
            known = id_ in self.answered
            raise client_error(operation, "InvalidJobStateException" if known else "JobNotFoundException", 400, "No")
        answer = Answer(operation == "PutJobSuccessResult", given)
        self.open.remove(id_)
        self.answered[id_] = answer
        self.answers.append(answer)
        if self.lose_answers:
            self.lose_answers -= 1
            raise client_error(operation, "InternalFailure", 500, "the answer was lost")
        return {}

    def run_to_the_end(
        self,
        invoke: Callable[[Json], object],
        parameters: object,
        *,
        same_id: bool = False,
        bound: int = 200,
        pause: Callable[[], object] = lambda: None,
    ) -> Answer:
        """Play an action: return each token under a new job id or the same, until the job succeeds or fails.

        Lambda invokes a function that raises twice more. ``pause`` is called before each continuation.
        """
        token, id_ = "", self.new_job()
        for _ in range(bound):
            for _ in range(3):
                try:
                    invoke(job(parameters, token, id_))
                    break
                except JobError:
                    continue
            answer = self.answered.pop(id_)
            if not answer.token:
                self.answered[id_] = answer
                return answer
            token = answer.token
            if same_id:
                self.open.add(id_)
            else:
                self.answered[id_] = answer
                id_ = self.new_job()
            pause()
        raise AssertionError(f"no end after {bound} jobs: {self.answers[-1]}")


def job(parameters: object, token: str = "", id_: str = "11111111-abcd-1111-abcd-111111abcdef") -> Json:
    """Return the event of a job, with recognisable credentials. ``parameters`` are text, or become JSON."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    location = {"s3Location": {"bucketName": "codepipeline-us-east-2-1234567890", "objectKey": "App.zip"}, "type": "S3"}
    data = {
        "actionConfiguration": {"configuration": {"FunctionName": "invalidator-dev-pipeline", "UserParameters": text}},
        "inputArtifacts": [{"location": location, "revision": None, "name": "ArtifactName"}],
        "outputArtifacts": [],
        "artifactCredentials": dict(CREDENTIALS),
        "encryptionKey": {"id": "arn:aws:kms:us-west-2:111122223333:key/1", "type": "KMS"},
    }
    more = {"continuationToken": token} if token else {}
    return {"CodePipeline.job": {"id": id_, "accountId": "111111111111", "data": data | more}}


def _check(value: Any, shape: Any, operation: str) -> None:
    """Check the rules that the SDK leaves to the service: lengths, ranges, patterns, enumerations, and Unicode."""
    about = shape.metadata
    if shape.type_name == "structure":
        for name, content in value.items():
            _check(content, shape.members[name], operation)
    elif shape.type_name == "map":
        for name, content in value.items():
            _check(name, shape.key, operation)
            _check(content, shape.value, operation)
    elif shape.type_name == "integer":
        _insist(about.get("min", value) <= value <= about.get("max", value), shape, operation)
    elif shape.type_name == "string":
        _insist(value == value.encode(errors="replace").decode(), shape, operation)
        _insist(about.get("min", 0) <= len(value) <= about.get("max", len(value)), shape, operation)
        _insist(re.fullmatch(about.get("pattern", "(?s:.*)"), value) is not None, shape, operation)
        _insist(value in about.get("enum", [value]), shape, operation)


def _insist(is_so: bool, shape: Any, operation: str) -> None:
    if not is_so:
        raise client_error(operation, "ValidationException", 400, f"{shape.name} breaks a rule")


@contextmanager
def serve(codepipeline: StrictCodePipeline) -> Iterator[str]:
    """Serve it on loopback. Yield the URL of the endpoint."""

    class Handler(Quiet):
        def do_POST(self) -> None:
            given = json.loads(self.body())
            operation = self.headers["X-Amz-Target"].removeprefix(_TARGET)
            status, answer = 200, {}
            try:
                answer = getattr(codepipeline, xform_name(operation))(**given)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                answer = {"__type": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
            self.respond(status, json.dumps(answer).encode(), "application/x-amz-json-1.1")

    with serving(Handler) as address:
        yield f"http://{address}"
