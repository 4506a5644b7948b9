"""The numbers of AWS, each with its unit, its source and the date on which the source was read."""

from typing import Final

MAX_ITEMS_PER_CALL: Final = 3_000
"""Items in one CreateInvalidation call.

The documented quota is for the items in progress on a distribution, in any mix of calls, without wildcards; one call
cannot hold more.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html (2026-11-20)
"""

MAX_WILDCARDS_PER_CALL: Final = 15
"""Wildcards, items that end in ``*``, in one CreateInvalidation call; those in progress have this quota, too.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html (2026-11-20)
"""

FREE_PATHS: Final = 1_000
"""Paths a month that an account can invalidate at no charge.

https://aws.amazon.com/cloudfront/pricing/pay-as-you-go/ (2026-11-22)
"""

USD_PER_PATH: Final = 0.005
"""Price in US dollars of each path beyond the free ones; a wildcard or a cache tag is one path.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/PayingForInvalidation.html (2026-11-22)
"""

SECONDS_TO_COMPLETE: Final = 25.0
"""Seconds within which an invalidation completes, 19 times out of 20.

https://aws.amazon.com/about-aws/whats-new/2026/04/cloudfront-invalidation-cache-tag/ (2026-11-20)
"""

MAX_PATH_CHARACTERS: Final = 4_000
"""Length of one invalidation path.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html
(2026-11-20)
"""

MAX_TAG_CHARACTERS: Final = 256
"""Length of a cache tag, without the ``#`` that begins it in an invalidation.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-tags.html (2026-11-22)
"""

ERROR_CACHING_SECONDS: Final = 10
"""Seconds for which CloudFront keeps an error under the URL that failed, unless the configuration says otherwise.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html (2026-11-29)
"""

MAX_KEY_BYTES: Final = 1_024
"""Length of an object key in UTF-8. Encoded, it is at most 3,073 characters: any key makes a valid path.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html (2026-11-20)
"""

MAX_VERSION_CHARACTERS: Final = 1_024
"""Length of the id of an object's version: the longest text, beside the key, that S3 tells of.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html (2026-11-29)
"""

MAX_INVOCATION_SECONDS: Final = 900
"""Longest timeout of a Lambda function.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11-20)
"""

MAX_MESSAGES_PER_EVENT: Final = 4_000
"""S3 notifications in one SQS event: about as many as fit into its 6 MB. The quota is 10,000 messages.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (2026-11-20)
"""

MAX_MESSAGES_PER_CALL: Final = 10
"""Messages that one call of ReceiveMessage returns, or one of SendMessageBatch takes, of MAX_MESSAGE_BYTES together.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html (2026-11-20),
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html (2026-11-28)
"""

MAX_MESSAGE_BYTES: Final = 1_048_576
"""Length of an SQS message in UTF-8. A queue can be set to take less; a longer message is then refused.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html (2026-11-21)
"""

MAX_DELAY_SECONDS: Final = 900
"""Longest delay of an SQS message.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html (2026-11-21)
"""

MAX_RETENTION_SECONDS: Final = 1_209_600
"""Longest time for which an SQS queue keeps a message: fourteen days.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html (2026-11-22)
"""

MAX_CLOUDFORMATION_ANSWER_BYTES: Final = 4_096
"""Length of the answer of a custom resource.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html (2026-11-21)
"""

CALLS_AT_ONCE: Final = 10
"""Calls of CreateInvalidation that an account is allowed at once.

An AWS engineer in https://github.com/aws/aws-sdk-js/issues/3983 (2026-11-20); not in the documentation.
"""

SECONDS_PER_CALL: Final = 2.0
"""Seconds between calls of CreateInvalidation that an account is allowed, after a burst of about ten.

An AWS engineer in https://github.com/aws/aws-sdk-js/issues/3983 (2026-11-20); not in the documentation, so pauses only
begin with it: they become shorter with each call that is let through.
"""

MAX_CONTINUATION_TOKEN_CHARACTERS: Final = 2_048
"""Length of the token that a job of CodePipeline hands to the job that continues it.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutJobSuccessResult.html (2026-11-22)
"""

MAX_JOB_SUMMARY_CHARACTERS: Final = 2_048
"""Length of the summary of a job of CodePipeline.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ExecutionDetails.html (2026-11-22)
"""

MAX_JOB_MESSAGE_CHARACTERS: Final = 5_000
"""Length of the reason for which a job of CodePipeline failed.

https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_FailureDetails.html (2026-11-22)
"""

MAX_VALUES_PER_METRIC: Final = 100
"""Values of one metric in a document of the embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
(2026-11-22)
"""

MAX_DIMENSION_CHARACTERS: Final = 1_024
"""Length of the value of a metric's dimension, in ASCII.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html (2026-11-22)
"""

MAX_NAMESPACE_CHARACTERS: Final = 255
"""Length of the namespace of a metric, in ASCII.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html (2026-11-22)
"""

SECONDS_UNTIL_NOTIFIED: Final = 300
"""Seconds after which a bucket acts on a new notification configuration, typically.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-enable-disable-notification-intro.html (2026-11-30)
"""

SECONDS_OF_UPLOAD: Final = 86_400
"""Seconds that an upload in parts may take, as is assumed here: its object has the time at which it was begun.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html (2026-11-30), which sets no bound.
"""

USD_PER_LISTING: Final = 0.000005
"""Price in US dollars of a page of a listing of a bucket, in us-east-1.

https://aws.amazon.com/s3/pricing/ (2026-11-30)
"""

MAX_ASYNCHRONOUS_EVENT_BYTES: Final = 262_144
"""Length of an event for an asynchronous invocation. The quota has been raised since; more is never sent.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (2026-11-30)
"""
