"""The exceptions of this package.

InvalidatorError
├── ConfigurationError      a setting is missing, malformed or unreadable; names the variable
├── EventError              an event, a message or a record that cannot be read
├── CdnError                CloudFront did not accept one batch
│   ├── ThrottledError      … because of the account's call rate: later calls would fare no better
│   ├── UnavailableError    … or its answer never arrived: the same batch may be sent again
│   └── OutOfTimeError      … or the time that the invocation has left did not allow a call
└── IncompleteError         the end of an invocation in which something was not invalidated
"""


class InvalidatorError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigurationError(InvalidatorError):
    """A setting is missing, malformed or unreadable. The message names the variable, never a secret's content."""


class EventError(InvalidatorError):
    """Something that arrived is not what any dialect expects. The message says what was seen instead."""


class CdnError(InvalidatorError):
    """CloudFront refused a batch for good; the message says why and what to do about it."""


class ThrottledError(CdnError):
    """The account's rate of calls is used up for the moment."""


class UnavailableError(CdnError):
    """A fault of the service or of the connection. The batch may or may not have been accepted."""


class OutOfTimeError(CdnError):
    """The batch was not sent, since the invocation is about to end."""


class IncompleteError(InvalidatorError):
    """Everything was tried and something failed; raised last, so that whoever sent the event sends it again."""
