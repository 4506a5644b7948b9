"""An embedded AWS for trying things out: moto behind a real HTTP server on loopback.

Code inside ``embedded_aws()`` reaches that server, and nothing else, through the usual variables of the AWS SDK: it
uses no credentials, no profile and no proxy of the machine.
"""

import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

import boto3
from botocore.exceptions import ClientError, ParamValidationError
from moto.cloudfront.models import CloudFrontBackend, Distribution, Invalidation
from moto.codepipeline.responses import CodePipelineResponse
from moto.server import ThreadedMotoServer

from invalidator.errors import ConfigurationError
from invalidator.runtime import clients
from invalidator.settings import stored

if TYPE_CHECKING:
    from types_boto3_cloudfront.type_defs import DistributionConfigTypeDef

BUCKET: Final = "origin"
REGION: Final = "us-east-1"

_ANYONE: Final = "testing"  # the embedded AWS takes any credentials

# Settings that name something in an AWS account.
_NAMES: Final = ("QUEUE_URL", "DEAD_LETTERS_URL", "RULES_PARAMETER", "DISCOVER_TAG", "DISCOVER_BUCKET")


# What another process needs, to reach the embedded AWS and to know what the function knows.
_SHOWN: Final = (
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DISTRIBUTION_IDS",
    "DISCOVER_BUCKET",
    "QUEUE_URL",
    "DEAD_LETTERS_URL",
)


@dataclass(frozen=True)
class AcceptedInvalidation:
    """An invalidation that a distribution has accepted.

    ``again`` if the call had a known caller reference, so that CloudFront returned an earlier invalidation and created
    none.
    """

    distribution: str
    id: str
    caller_reference: str
    paths: tuple[str, ...]
    again: bool = False


@dataclass
class EmbeddedAws:
    """A running embedded AWS with one bucket or more, and the distributions that serve them.

    ``job_answers`` are the requests of PutJobSuccessResult and PutJobFailureResult that CodePipeline got.
    """

    endpoint: str
    distributions: tuple[str, ...]
    _replays: list[AcceptedInvalidation]
    job_answers: list[dict[str, Any]]
    _seen: set[str] = field(default_factory=set)

    def new_invalidations(self) -> list[AcceptedInvalidation]:
        """Return the invalidations created since the last call, by distribution, then those accepted again."""
        cloudfront = boto3.client("cloudfront")
        found = []
        for distribution in self.distributions:
            pages = cloudfront.get_paginator("list_invalidations").paginate(DistributionId=distribution)
            ids = [item["Id"] for page in pages for item in page["InvalidationList"].get("Items", [])]
            for id_ in [id_ for id_ in ids if id_ not in self._seen]:
                self._seen.add(id_)
                answer = cloudfront.get_invalidation(DistributionId=distribution, Id=id_)
                batch = answer["Invalidation"]["InvalidationBatch"]
                paths = tuple(batch["Paths"].get("Items", []))
                found.append(AcceptedInvalidation(distribution, id_, batch["CallerReference"], paths))
        # Distributions are called at the same time, in any order.
        replays = sorted(self._replays, key=lambda replay: self.distributions.index(replay.distribution))
        del self._replays[: len(replays)]
        return found + replays


@contextmanager
def embedded_aws(buckets: Iterable[str] = (BUCKET,), port: int = 0) -> Iterator[EmbeddedAws]:
    """Start the server, on any free port if ``port`` is 0, with the buckets and two distributions; stop it at the end.

    The distributions have the same ids in every run. Raises ConfigurationError for a port or bucket that cannot be.
    """
    check_port(port)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with _replaying_references() as replays, _taking_answers() as answers, _giving_ids_like_cloudfronts():
        server.start()
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        try:
            with _environment(endpoint):
                _post(endpoint, "/moto-api/reset")
                _post(endpoint, "/moto-api/seed?a=1")
                buckets = list(buckets)
                _make_buckets(buckets)
                distributions = tuple(_make_distribution(buckets, number) for number in (1, 2))
                os.environ["DISTRIBUTION_IDS"] = ",".join(distributions)
                if len(buckets) > 1:
                    # A distribution serves them all as a group of origins, which moto does not know.
                    os.environ["DESCRIBE"] = "off"
                yield EmbeddedAws(endpoint, distributions, replays, answers)
        finally:
            server.stop()


def check_port(port: int) -> None:
    """Raise ConfigurationError if a server cannot listen on this port of loopback."""
    # The server of moto would wait for ever for a port that is in use.
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ConfigurationError(
            f"port {port} cannot be used ({why}); choose another with --port, or 0 for any free one"
        ) from error


@contextmanager
def _environment(endpoint: str) -> Iterator[None]:
    """Set the SDK's variables for the embedded AWS, and set the machine's again at the end."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("AWS_", "DISTRIBUTION_ID")) or name in _NAMES or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": _ANYONE,
        "AWS_SECRET_ACCESS_KEY": _ANYONE,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    _disconnect()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        _disconnect()


def variables() -> dict[str, str]:
    """Return the variables by which another process here is what the function is: on this AWS, with these settings."""
    others = {"INVALIDATOR_STACK": "", "no_proxy": "127.0.0.1"}
    return {name: os.environ[name] for name in _SHOWN if name in os.environ} | others


def _disconnect() -> None:
    """Forget the connections to another AWS."""
    boto3.DEFAULT_SESSION = None
    clients.forget()
    stored.forget_stored()


@contextmanager
def _replaying_references() -> Iterator[list[AcceptedInvalidation]]:
    """Make moto return the earlier invalidation for a known reference with the same paths, as CloudFront does.

    Also names the status of invalidations as CloudFront does, so that the SDK's own waiter ends. Yields the list that
    collects the repeated answers.
    """
    replays: list[AcceptedInvalidation] = []
    create = CloudFrontBackend.create_invalidation

    def create_or_replay(backend: CloudFrontBackend, dist_id: str, paths: list[str], caller_ref: str) -> Invalidation:
        for earlier in backend.invalidations.get(dist_id, []):
            if (earlier.caller_ref, earlier.paths) == (caller_ref, paths):
                replays.append(AcceptedInvalidation(dist_id, earlier.id, caller_ref, tuple(paths), again=True))
                return earlier
        invalidation = create(backend, dist_id, paths, caller_ref)
        invalidation.status = "Completed"  # moto has another word
        return invalidation

    setattr(CloudFrontBackend, "create_invalidation", create_or_replay)  # noqa: B010 a method, to the type checker
    try:
        yield replays
    finally:
        setattr(CloudFrontBackend, "create_invalidation", create)  # noqa: B010


@contextmanager
def _giving_ids_like_cloudfronts() -> Iterator[None]:
    """Let the ids of distributions begin with E, so that a secret or parameter may hold them."""
    make = Distribution.__init__

    def make_alike(distribution: Distribution, *given: Any) -> None:
        make(distribution, *given)
        id_ = f"E{distribution.distribution_id[1:]}"
        distribution.arn = distribution.arn.replace(distribution.distribution_id, id_)
        distribution.distribution_id = distribution.id = id_

    setattr(Distribution, "__init__", make_alike)  # noqa: B010 a method, to the type checker
    try:
        yield
    finally:
        setattr(Distribution, "__init__", make)  # noqa: B010


@contextmanager
def _taking_answers() -> Iterator[list[dict[str, Any]]]:
    """Add the two operations that answer jobs to moto's CodePipeline. Yields the list that collects the answers."""
    answers: list[dict[str, Any]] = []

    def answer(response: CodePipelineResponse) -> str:
        answers.append(json.loads(response.body))
        return "{}"

    names = ("put_job_success_result", "put_job_failure_result")
    for name in names:
        setattr(CodePipelineResponse, name, answer)
    try:
        yield answers
    finally:
        for name in names:
            delattr(CodePipelineResponse, name)


def _post(endpoint: str, path: str) -> None:
    with urlopen(Request(endpoint + path, method="POST"), timeout=10):  # nosec B310
        pass


def _make_buckets(names: list[str]) -> None:
    s3 = boto3.client("s3")
    for name in names:
        try:
            s3.create_bucket(Bucket=name)
        except (ClientError, ParamValidationError) as error:
            raise ConfigurationError(f"the embedded AWS cannot have a bucket {name!r}: {error}") from error


def _make_distribution(buckets: list[str], number: int) -> str:
    config: DistributionConfigTypeDef = {
        "CallerReference": f"embedded {number}",
        "Comment": f"embedded distribution {number}",
        "Enabled": True,
        "DefaultRootObject": "index.html",
        "Origins": {
            "Quantity": len(buckets),
            "Items": [
                {
                    "Id": bucket,
                    "DomainName": f"{bucket}.s3.{REGION}.amazonaws.com",
                    "S3OriginConfig": {"OriginAccessIdentity": ""},
                }
                for bucket in buckets
            ],
        },
        "DefaultCacheBehavior": {"TargetOriginId": buckets[0], "ViewerProtocolPolicy": "redirect-to-https"},
    }
    return boto3.client("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]["Id"]
