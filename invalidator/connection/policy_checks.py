"""Checks of ``doctor`` about the policies that let AWS's services send to a queue or a function. Pure."""

from json import dumps
from typing import Final

from invalidator.connection.findings import Finding
from invalidator.connection.policies import PolicyRequest, allowing_statement, evaluate
from invalidator.notifications.merge import target_arn

_SERVICES: Final = {"s3.amazonaws.com": "S3", "sns.amazonaws.com": "SNS", "events.amazonaws.com": "EventBridge"}
_ACTIONS: Final = {"sqs": "sqs:SendMessage", "lambda": "lambda:InvokeFunction"}


def sending_request(service: str, source: str, target: str) -> PolicyRequest:
    """Return the request by which a service sends an event to the queue or function with the ARN ``target``.

    ``source`` is the ARN of what the event comes from; empty if that is not known.
    """
    arn = target_arn(target)
    known = {"aws:securetransport": "true"}
    if source:
        known["aws:sourcearn"] = source.replace("arn:aws:", f"arn:{arn.partition}:", 1)
    # Only S3 sends an account along. It may be another one, since the owner of the bucket is not known here.
    likely = {"aws:sourceaccount": arn.account} if service == "s3.amazonaws.com" else {}
    return PolicyRequest(service, _ACTIONS[arn.service], target, known, likely)


def check_policy(check: str, policy: str, request: PolicyRequest) -> Finding:
    """Return whether the policy of a queue or function, as JSON, allows a request."""
    source = request.known.get("aws:sourcearn", "")
    sending = f"{_SERVICES[request.service]} call {request.action}{f' for {source}' if source else ''}"
    match evaluate(policy, request):
        case "allowed":
            return Finding(check, "ok", f"{request.resource} lets {sending}")
        case "denied":
            text = f"a statement in the policy of {request.resource} denies that {sending}: no event arrives there"
            return Finding(check, "wrong", text, f"except {request.service} from that statement")
        case "missing":
            text = f"nothing in the policy of {request.resource} lets {sending}: no event arrives there"
            return Finding(check, "wrong", text, f"add to its policy: {dumps(allowing_statement(request))}")
        case "undecided":
            text = f"the policy of {request.resource} may let {sending}: it has conditions that only AWS can decide"
            return Finding(check, "unknown", text, f"check that it allows {request.service} {request.action}")


def check_encryption(queue: str, key: str) -> list[Finding]:
    """Return whether S3 may use the KMS key that encrypts a queue; nothing if there is none.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html (2026-11-22)
    """
    if not key:
        return []
    if key.endswith("alias/aws/sqs"):
        text = f"{queue} is encrypted with {key}, which S3 may not use: no event arrives there"
        return [Finding("queue policy", "wrong", text, "encrypt it with SSE-SQS, or with a key of your own")]
    text = f"{queue} is encrypted with {key}, whose policy is not checked"
    todo = "check that it allows s3.amazonaws.com kms:GenerateDataKey and kms:Decrypt"
    return [Finding("queue policy", "unknown", text, todo)]
