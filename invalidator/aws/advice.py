"""Advice on the errors of AWS: one table for all services, by operation and error code. Pure."""

from typing import Final

_BUCKET: Final = "this bucket"
_QUEUE: Final = "this queue"
_FUNCTION: Final = "this function"
_DISTRIBUTION: Final = "this distribution"

# Operation → the IAM action that allows it, and the resource of that. For all others it is cloudfront:<operation>.
_ACTIONS: Final = {
    "GetBucketLocation": ("s3:GetBucketLocation", _BUCKET),
    "GetBucketNotificationConfiguration": ("s3:GetBucketNotification", _BUCKET),
    "PutBucketNotificationConfiguration": ("s3:PutBucketNotification", _BUCKET),
    "ListObjectsV2": ("s3:ListBucket", _BUCKET),
    "ListObjectVersions": ("s3:ListBucketVersions", _BUCKET),
    # S3 answers HEAD for a version of an object.
    "HeadObject": ("s3:GetObjectVersion", "this object, and kms:Decrypt on its key if it is encrypted with one,"),
    # Without s3:ListBucket, S3 answers 403 for an object that does not exist.
    "GetObject": ("s3:GetObject", "this object and s3:ListBucket on its bucket"),
    "PutObject": ("s3:PutObject", "this object, and kms:GenerateDataKey on its key if it is encrypted with one,"),
    "DeleteObjects": ("s3:DeleteObject", "this object, and s3:DeleteObjectVersion on its versions,"),
    "SendMessageBatch": ("sqs:SendMessage", _QUEUE),
    "ReceiveMessage": ("sqs:ReceiveMessage", _QUEUE),
    "DeleteMessage": ("sqs:DeleteMessage", _QUEUE),
    "ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility", _QUEUE),
    "ListDeadLetterSourceQueues": ("sqs:ListDeadLetterSourceQueues", _QUEUE),
    "GetQueueUrl": ("sqs:GetQueueUrl", _QUEUE),
    "GetQueueAttributes": ("sqs:GetQueueAttributes", _QUEUE),
    "Invoke": ("lambda:InvokeFunction", _FUNCTION),
    "GetEventSourceMapping": ("lambda:GetEventSourceMapping", "this event source mapping"),
    "DescribeRule": ("events:DescribeRule", "this rule"),
    "PutParameter": ("ssm:PutParameter", "this parameter"),
    "GetFunctionConfiguration": ("lambda:GetFunctionConfiguration", _FUNCTION),
    "DescribeStacks": ("cloudformation:DescribeStacks", "this stack"),
    "GetPolicy": ("lambda:GetPolicy", _FUNCTION),
    "GetSecretValue": ("secretsmanager:GetSecretValue", "this secret, and kms:Decrypt on its key if that is yours,"),
    "GetParameter": ("ssm:GetParameter", "this parameter, and kms:Decrypt on its key if that is yours,"),
    "GetCachePolicyConfig": ("cloudfront:GetCachePolicyConfig", "this cache policy"),
    # AWS has no resource to grant these on.
    "GetMetricStatistics": ("cloudwatch:GetMetricStatistics", "*"),
    "ListDistributions": ("cloudfront:ListDistributions", "*"),
    "ListDistributionTenants": ("cloudfront:ListDistributionTenants", "*"),
    "PutJobSuccessResult": ("codepipeline:PutJobSuccessResult", "*"),
    "PutJobFailureResult": ("codepipeline:PutJobFailureResult", "*"),
}

# An answer to HEAD has no body, so that its code is the HTTP status.
_DENIED: Final = {"AccessDenied", "AccessDeniedException", "403"}

_NO_DISTRIBUTION: Final = "this account has no such distribution: correct the list of distributions"
_NO_VIEWERS: Final = (
    "this account has no such distribution, or it is multi-tenant: correct the list of distributions, or list its"
    " tenants (dt_…) in its place"
)
_NO_QUEUE: Final = "check the name, the account and the Region of the queue"
_NO_QUEUE_TO_SEND_TO: Final = "correct QUEUE_URL and DEAD_LETTERS_URL"
_BAD_PATH: Final = "CloudFront accepts no such path: correct the path, or the key that it comes from"
_EXPIRED: Final = "the credentials have expired: renew them"
_INVALID: Final = "the credentials are not valid: check which ones are in use"

_REMEDIES: Final = {
    "NoSuchBucket": "check the name of the bucket",
    "NoSuchDistribution": _NO_DISTRIBUTION,
    "EntityNotFound": _NO_DISTRIBUTION,
    "NoSuchInvalidation": "this distribution has no such invalidation: check both ids",
    "TooManyInvalidationsInProgress": "try again in half a minute, when earlier invalidations have completed",
    "SlowDown": "the bucket gets more requests than S3 serves: try again in a minute",
    "OperationAborted": "something else is changing the bucket: try again",
    "AWS.SimpleQueueService.NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "ResourceNotFoundException": "check the name, the account and the Region",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidAccessKeyId": _INVALID,
    "InvalidClientTokenId": _INVALID,
    "UnrecognizedClientException": _INVALID,
    "SignatureDoesNotMatch": "the credentials are not valid: check the secret key",
    # Errors of the SDK itself, by their class.
    "NoCredentialsError": "log in, or set AWS_PROFILE",
    "NoRegionError": "set AWS_DEFAULT_REGION, or give --region",
    "EndpointConnectionError": "check the Region and the connection",
}
# What the same code means for one operation.
_REMEDIES_OF_OPERATIONS: Final = {
    ("SendMessageBatch", "AWS.SimpleQueueService.NonExistentQueue"): _NO_QUEUE_TO_SEND_TO,
    ("SendMessageBatch", "QueueDoesNotExist"): _NO_QUEUE_TO_SEND_TO,
    ("DescribeStacks", "ValidationError"): "check the name of the stack, the account and the Region",
    ("CreateInvalidation", "InvalidArgument"): _BAD_PATH,
    ("CreateInvalidation", "NoSuchDistribution"): _NO_VIEWERS,
    ("CreateInvalidationForDistributionTenant", "InvalidArgument"): _BAD_PATH,
}


def is_denied(code: str) -> bool:
    """Return whether an error code means that a permission is missing."""
    return code in _DENIED


def remedy(operation: str, code: str, resource: str = "") -> str:
    """Return what to do about an error, as the end of a sentence; empty if nothing is known.

    ``operation`` is AWS's name of the call, empty if there was none. ``resource`` names what was asked for, where a
    person cannot see it beside the advice.
    """
    if is_denied(code):
        action, usual = _ACTIONS.get(operation, (f"cloudfront:{operation}", _DISTRIBUTION))
        return f"grant {action} on {resource or usual} to the identity that made the call"
    return _REMEDIES_OF_OPERATIONS.get((operation, code)) or _REMEDIES.get(code, "")
