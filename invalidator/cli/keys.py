"""Keys as a person gives them: checked for what is no key, but looks as if it had been meant as one."""

import re
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import typer

from invalidator.cli.files import check_standard_input, with_lines
from invalidator.cli.targets import settings_meant
from invalidator.cli.terminal import narrate
from invalidator.errors import CdnError, ConfigurationError
from invalidator.operator.url_keys import UrlObject, objects_behind

# What aws s3 cp, mv, rm and sync print; their progress ends in a carriage return.
_transfer = re.compile(
    r"(?:.*\r)?(?:\(dryrun\) )?(?:(?:download|move): s3://.* to (?!s3://).*"
    r"|(?:upload|copy|move|delete): (?:.* to )?s3://(?P<bucket>[^/]+)/(?P<key>.*\S)\s*)"
    r"|(?:upload|download|copy|move|delete) failed: .*"
    r"|Completed [\d.]+ (?:Bytes|[KMGT]iB|part\(s\)|file\(s\)).*",
    re.DOTALL,
).fullmatch
_is_url = re.compile(r"https?://[^/]", re.IGNORECASE).match
# Of a move, both keys: one is gone.
_SED: Final = (
    "h;s#^(\\(dryrun\\) )?move: s3://[^/]+/(.*) to .*#\\2#p;"
    "g;s#^(\\(dryrun\\) )?(delete: |(upload|copy|move): .* to )s3://[^/]+/##p"
)
_ALL: Final = (
    " To take the keys of all lines: aws s3 sync … --no-progress |"
    f" sed -nE '{_SED}' | python -m invalidator … --keys-from -"
)
_INSIST: Final = " (If that is the key, add --literal)"


class GivenKeys(NamedTuple):
    """The keys of a command, as its options give them: by name and in files."""

    named: list[str]
    files: list[typer.FileBinaryRead]
    bucket: str | None = None
    literal: bool = False
    allow_empty: bool | None = None

    def read(self) -> list[str]:
        """Return keys as S3 stores them. Raises ConfigurationError if one of them cannot be meant."""
        check_standard_input(self.files, "--keys-from")
        texts = with_lines(self.named, self.files, "--keys-from", allow_empty=self.allow_empty)
        return [key_meant(text, self.bucket, literal=self.literal, advice=_ALL) for text in texts]


def key_meant(text: str, bucket: str | None, advice: str = "", *, literal: bool = False) -> str:
    """Return the key that a person gives, or the key of the URL, if only one object can be meant.

    Raises ConfigurationError, with a guess at what was meant, if it looks like something else and is not ``literal``.
    ``advice`` is for whoever gives what aws s3 prints.
    """
    if not text:
        raise ConfigurationError("--key: it is empty")
    if literal:
        return text
    if text.lower().startswith("s3://"):
        theirs, _, key = text[5:].partition("/")
        raise ConfigurationError(f"--key: {text!r} is a URL{_options_meant(theirs, key)}{_INSIST}")
    if transfer := _transfer(text):
        meant = _options_meant(transfer["bucket"], transfer["key"]) or "."
        raise ConfigurationError(f"--key: {text!r:.200} is a line of what aws s3 prints, and not a key{meant}{advice}")
    if _is_url(text):
        return _key_of_url(text, bucket)
    if text.startswith("/") or "?" in text:
        what = "begins with a slash" if text.startswith("/") else "has a query string"
        raise ConfigurationError(f"--key: {text!r:.200} {what}{_meant([_guess(text.partition('?')[0])])}{_INSIST}")
    return text


def _key_of_url(url: str, bucket: str | None) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(f"--key: {url!r:.200} is a URL and not a key: {error}") from error
    found = _objects_at(parts.hostname or "", parts.path or "/", bucket)
    if len(found) == 1:
        narrate(f"{url} is the key {found[0].key!r} in bucket {found[0].bucket}")
        return found[0].key
    guesses = [one.key for one in found] or [_guess(unquote(parts.path))]
    raise ConfigurationError(f"--key: {url!r:.200} is a URL and not a key{_meant(guesses)}{_INSIST}")


def _guess(path: str) -> str:
    """Return the key that is probably meant by a path: of a directory, its page."""
    return f"{path}index.html".lstrip("/") if path.endswith("/") else path.lstrip("/")


def _objects_at(host: str, path: str, bucket: str | None) -> list[UrlObject]:
    """Return the objects that a distribution of the account may serve at a path; none if its host is not known."""
    from invalidator.cli.lookups import find_id, sites_of

    with suppress(CdnError, ConfigurationError):
        if id_ := find_id(host):
            settings = settings_meant([id_])
            found = [
                one for site in sites_of(settings) for one in objects_behind(path, site, settings.view, bucket or "")
            ]
            return [one for one in dict.fromkeys(found) if bucket in (None, one.bucket)]
    return []


def _meant(guesses: list[str]) -> str:
    return f": did you mean {' or '.join(map(repr, guesses))}?" if all(guesses) else ""


def _options_meant(bucket: str | None, key: str | None) -> str:
    return f": did you mean --bucket {bucket} --key {key!r}?" if bucket and key else ""
