"""The exceptions of this package.

InvalidatorError
├── ConfigurationError      what the user set or gave cannot be used; names the variable, option or file
│   └── UnconfiguredError   … since no distribution was set or given
├── EventError              an event, a message or a record that cannot be read
├── CdnError                one batch was not accepted
│   ├── ThrottledError      … since the account is throttled: other batches would be, too
│   ├── InProgressError     … since earlier ones of this distribution have to complete first
│   ├── UnavailableError    … as far as we know: there was no answer, and it may be sent again
│   ├── OutOfTimeError      … since it was not sent: the invocation is about to end
│   ├── InvalidPathError    … since a path in it is invalid, and it is not said which
│   ├── ForbiddenError      … since it is not allowed
│   ├── UnknownIdError      … since the account has no such distribution, or that no such invalidation
│   └── ReferenceUsedError  … since its caller reference belongs to other paths
├── StorageError            what is left to do could not be stored
├── ListingError            the objects of a bucket cannot be listed, or not within the bounds
├── EdgeError               a URL cannot be asked: there is no connection, or no answer
├── ObjectError             S3 does not say what an object is like now
├── DeadLettersError        the dead letters cannot be read, given back or sent again
├── NotificationError       a bucket's notification configuration was left as it was
│   ├── NoSuchBucketError   … since there is no such bucket
│   └── UnansweredError     … as far as we know: the answer never came
├── NothingError            there was nothing to do, where there should have been
├── JobError                a job of CodePipeline could not be answered
└── IncompleteError         the end of an invocation in which something was not invalidated
"""

from typing import Final


class InvalidatorError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigurationError(InvalidatorError):
    """Something that the user set or gave is missing, malformed or unreadable.

    The message names the variable, option or file, and never shows a secret's content.
    """


class UnconfiguredError(ConfigurationError):
    """No distribution was set or given."""


class EventError(InvalidatorError):
    """Something that arrived is not what any dialect expects. The message says what was seen instead."""


class CdnError(InvalidatorError):
    """CloudFront refused a batch for good; the message says why and what to do about it."""


class ThrottledError(CdnError):
    """The account's rate of calls is used up for the moment."""


class UnavailableError(CdnError):
    """A fault of the service or of the connection. The batch may or may not have been accepted."""


PASSING: Final = (ThrottledError, UnavailableError)
"""What may go well the next time."""


class InProgressError(CdnError):
    """As many paths as a distribution takes at a time are still in progress there."""


class OutOfTimeError(CdnError):
    """The batch was not sent, since the invocation is about to end."""


class InvalidPathError(CdnError):
    """One path or more of the batch is invalid; CloudFront does not say which, and took none of the others."""


class ForbiddenError(CdnError):
    """Whoever called may not do that; the message names the permission."""


class UnknownIdError(CdnError):
    """There is no distribution, tenant or invalidation with this id."""


class ReferenceUsedError(CdnError):
    """CloudFront knows the caller reference of the batch, with other paths."""


class StorageError(InvalidatorError):
    """A message was not accepted by a queue, as far as we know."""


class ListingError(InvalidatorError):
    """The objects of a bucket cannot be listed or looked at, or that would take more pages or time than there is."""


class EdgeError(InvalidatorError):
    """A URL does not answer; the message says why, as far as that is known."""


class ObjectError(InvalidatorError):
    """S3 does not say what an object is like; the message says why and what to do about it."""


class NotificationError(InvalidatorError):
    """A bucket cannot be connected or disconnected; the message says why and what to do about it."""


class NoSuchBucketError(NotificationError):
    """There is no such bucket."""


class UnansweredError(NotificationError):
    """Something was sent and the answer never came, or was a fault of the service: it may have been done or not."""


class DeadLettersError(InvalidatorError):
    """The dead letters cannot be read, given back, or sent again; the message says why and what to do about it."""


class NothingError(InvalidatorError):
    """What a person asked for comes to nothing; the message says why."""


class JobError(InvalidatorError):
    """What came of a job of CodePipeline could not be told; the message says why. It has to come again."""


class IncompleteError(InvalidatorError):
    """Everything was tried and something failed; raised last, so that whoever sent the event sends it again."""
