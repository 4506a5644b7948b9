"""Keys as a person gives them: checked for what is no key, but looks as if it had been meant as one."""

import re
from typing import Final

import typer

from invalidator.cli.files import with_lines
from invalidator.cli.terminal import narrate
from invalidator.errors import ConfigurationError

# What aws s3 cp, mv, rm and sync print; their progress ends in a carriage return.
_transfer = re.compile(
    r"(?:.*\r)?(?:\(dryrun\) )?(?:(?:download|move): s3://.* to (?!s3://).*"
    r"|(?:upload|copy|move|delete): (?:.* to )?s3://(?P<bucket>[^/]+)/(?P<key>.*\S)\s*)"
    r"|(?:upload|download|copy|move|delete) failed: .*"
    r"|Completed [\d.]+ (?:Bytes|[KMGT]iB|part\(s\)|file\(s\)).*",
    re.DOTALL,
).fullmatch
# Of a move, both keys: one is gone.
_SED: Final = (
    "h;s#^(\\(dryrun\\) )?move: s3://[^/]+/(.*) to .*#\\2#p;"
    "g;s#^(\\(dryrun\\) )?(delete: |(upload|copy|move): .* to )s3://[^/]+/##p"
)
_ALL: Final = (
    " To take the keys of all lines: aws s3 sync … --no-progress |"
    f" sed -nE '{_SED}' | python -m invalidator … --keys-from -"
)


def read_keys(named: list[str] | None, files: list[typer.FileBinaryRead] | None) -> list[str]:
    """Return keys as S3 stores them. Raises ConfigurationError if one of them cannot be meant."""
    texts = with_lines(named, files, "--keys-from")
    for text in texts:
        check_key(text, advice=_ALL)
    if odd := [text for text in texts if text.startswith("/")]:
        more = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
        narrate(f"warning: key {odd[0]!r}{more}: the slash at its beginning is part of it; few keys in S3 have one")
    return texts


def check_key(text: str, source: str = "--key", advice: str = "") -> None:
    """Raise ConfigurationError, with the ``source`` of the text, if it cannot be meant as a key.

    ``advice`` is for whoever gives what aws s3 prints.
    """
    if not text:
        raise ConfigurationError(f"{source}: it is empty")
    if text.lower().startswith("s3://"):
        bucket, _, key = text[5:].partition("/")
        raise ConfigurationError(f"{source}: {text!r} is a URL{_meant(bucket, key, source)}")
    if transfer := _transfer(text):
        meant = _meant(transfer["bucket"], transfer["key"], source) or "."
        raise ConfigurationError(
            f"{source}: {text!r:.200} is a line of what aws s3 prints, and not a key{meant}{advice}"
        )


def _meant(bucket: str | None, key: str | None, source: str) -> str:
    option = f"{source} " if source.startswith("-") else ""
    return f": did you mean --bucket {bucket} {option}{key!r}?" if bucket and key else ""
