"""The exceptions of this package.

InvalidatorError
├── ConfigurationError      a setting or argument cannot be used; names the variable, option or file
│   └── UnconfiguredError   no distribution was set or given
├── EventError              an event, a message or a record that cannot be read
├── CdnError                CloudFront did not accept one batch
│   ├── ThrottledError      the account is throttled: other batches would be, too
│   ├── InProgressError     earlier invalidations of the distribution have to complete first
│   ├── UnavailableError    there was no answer; the batch may have been accepted
│   ├── OutOfTimeError      it was not sent, or nobody asked: there was time for others only
│   ├── InvalidPathError    a path in it is invalid; CloudFront does not say which
│   ├── ForbiddenError      the identity in use has no permission
│   ├── UnknownIdError      the account has no such distribution, or it no such invalidation
│   │   └── TenantsOnlyError  the distribution has no viewers of its own
│   └── ReferenceUsedError  its caller reference belongs to other paths
├── StorageError            a queue did not store a message
├── ListingError            the objects of a bucket cannot be listed within the bounds
├── EdgeError               a URL does not answer
├── StackError              a stack or its function cannot be read
├── HeardError              nobody knows until when changes were heard
├── OvertakenError          somebody else has written what was about to be written
├── ObjectError             S3 does not show an object as it is now
├── DeadLettersError        dead letters cannot be read, given back or sent again
├── NotificationError       a bucket's notification configuration was left as it was
│   ├── NoSuchBucketError   there is no such bucket
│   └── UnansweredError     the answer never came: it may have been done
├── NothingError            there is nothing to do, where something was expected
├── JobError                a job of CodePipeline could not be answered
└── IncompleteError         an invocation ends in which something was not invalidated
"""

from typing import Final


class InvalidatorError(Exception):
    """Base of the errors that this package raises on purpose."""


class ConfigurationError(InvalidatorError):
    """A setting or argument is missing, malformed or unreadable.

    The message names the variable, option or file, and never shows the content of a secret.
    """


class UnconfiguredError(ConfigurationError):
    """No distribution was set or given."""


class EventError(InvalidatorError):
    """An event or a part of it is of no known dialect. The message says what arrived instead."""


class CdnError(InvalidatorError):
    """CloudFront refused a batch. The message says why and what to do."""


class ThrottledError(CdnError):
    """The account makes too many calls at the moment."""


class UnavailableError(CdnError):
    """The service or the connection failed. The batch may or may not have been accepted."""


class InProgressError(CdnError):
    """The distribution has as many paths in progress as it takes at a time."""


class OutOfTimeError(CdnError):
    """The batch was not sent, or the distribution not asked for, because there was no time left."""


PASSING: Final = (ThrottledError, UnavailableError, InProgressError, OutOfTimeError)
"""Errors that pass by themselves: the same call may go well the next time."""


class InvalidPathError(CdnError):
    """At least one path of the batch is invalid. CloudFront does not say which, and took none of them."""


class ForbiddenError(CdnError):
    """The caller has no permission for this call; the message names it."""


class UnknownIdError(CdnError):
    """There is no distribution, tenant or invalidation with this id."""


class TenantsOnlyError(UnknownIdError):
    """CloudFront invalidates no distribution whose viewers go to its tenants only: it says that there is none."""


class ReferenceUsedError(CdnError):
    """CloudFront knows the caller reference of the batch with other paths."""


class HeardError(InvalidatorError):
    """The parameter that says until when the changes of a bucket were heard cannot be read or written."""


class OvertakenError(InvalidatorError):
    """Somebody else has written since, so that what was about to be written may not be true any more."""


class StorageError(InvalidatorError):
    """A queue did not accept a message, as far as is known."""


class ListingError(InvalidatorError):
    """The objects of a bucket cannot be listed, or not within the pages and the time that are allowed."""


class SpendingError(InvalidatorError):
    """The cost of the month cannot be read."""


class EdgeError(InvalidatorError):
    """A URL does not answer. The message says why, as far as that is known."""


class StackError(InvalidatorError):
    """A stack cannot be read. The message says why and what to do."""


class ObjectError(InvalidatorError):
    """S3 does not show an object. The message says why and what to do."""


class NotificationError(InvalidatorError):
    """A bucket cannot be connected or disconnected. The message says why and what to do."""


class NoSuchBucketError(NotificationError):
    """There is no such bucket."""


class UnansweredError(NotificationError):
    """A request got no answer, or the service failed: the change may have been made or not."""


class DeadLettersError(InvalidatorError):
    """Dead letters cannot be read, given back or sent again. The message says why and what to do."""


class NothingError(InvalidatorError):
    """A person asked for something that comes to nothing. The message says why."""


class JobError(InvalidatorError):
    """A job of CodePipeline could not be answered. The message says why. The job has to come again."""


class IncompleteError(InvalidatorError):
    """Everything was tried and something failed. Raised last, so that the sender sends the event again."""
