"""Which bucket and distributions a command is about, by its options and by the settings: one law for all commands.

The bucket is the one that is named or else, as with --stack, DISCOVER_BUCKET. The distributions are those of
--distribution-id; else, of a bucket that is named, those that serve it; else the configured ones.
"""

import re
from collections.abc import Iterable

from invalidator.errors import ConfigurationError, UnconfiguredError
from invalidator.model import Distribution
from invalidator.settings import environment
from invalidator.settings.environment import Settings, check_bucket_name
from invalidator.settings.ids import DISCOVER, OPTION
from invalidator.wording import all_names

# A domain, an alias, or a URL of one.
_host = re.compile(r"(?:https?://)?((?:[\w*-]+\.)+[\w-]+)(?:[/:?#].*)?", re.ASCII | re.IGNORECASE).fullmatch


def settings_meant(ids: list[str], bucket: str | None = None) -> Settings:
    """Return the settings, with these ids in place of the configured ones, or those that serve a bucket that is named.

    Raises ConfigurationError, with the id to use if one of the words is a domain of a distribution of the account.
    """
    if bucket is not None:
        check_bucket_name(bucket, "--bucket")
        ids = ids or [DISCOVER]
    for word in ids:
        if (host := _host(word)) and (id_ := _id_of(host[1])):
            raise ConfigurationError(f"{OPTION}: {word!r} is not a distribution id: did you mean {id_}?")
    try:
        return environment.load(instead=ids)
    except UnconfiguredError as error:
        where = f"give {OPTION}, --bucket for those that serve it, or --stack"
        raise UnconfiguredError(f"{where}; {error}") from error


def _id_of(host: str) -> str:
    from invalidator.cli.lookups import find_id

    return find_id(host)


def bucket_meant(settings: Settings, bucket: str | None) -> str | None:
    """Return the bucket that was named or is configured, if there is one.

    Raises ConfigurationError if distributions are to be discovered and there is none.
    """
    meant = bucket or settings.discover_bucket or None
    if settings.discover and not meant:
        raise ConfigurationError("--bucket: give the bucket whose distributions are to be discovered")
    return meant


def origin_bucket(bucket: str | None) -> str:
    """Return the bucket that was named or is configured. Raises ConfigurationError if there is none."""
    meant = environment.discover_bucket() if bucket is None else bucket
    if bucket is None and not meant:
        raise ConfigurationError("--bucket: give the origin bucket, or the stack that serves it with --stack")
    check_bucket_name(meant, "--bucket")
    return meant


def check_served(distributions: Iterable[Distribution], settings: Settings, bucket: str) -> None:
    """Raise ConfigurationError if none of these distributions has an origin in a bucket."""
    if any(distribution.site.origins(bucket) for distribution in distributions):
        return
    tagged = f" with the tag {settings.discover_tag}" if settings.discover_tag else ""
    among = f"of this account{tagged}" if settings.discover else f"among {all_names(settings.distributions)}"
    raise unserved(among, bucket)


def unserved(among: str, bucket: str) -> ConfigurationError:
    """Return the error that says that no distribution among these serves a bucket, which may not even exist."""
    return ConfigurationError(
        f"no distribution {among} has an origin in bucket {bucket!r}: check the name, or give {OPTION}"
    )
