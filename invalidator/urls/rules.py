"""Rules: what else goes stale when an object changes, and what in place of its own path. Pure.

A rule is ``{"match": regular expression on the key, "also": [templates], "instead": [templates]}``. A template is a
path (``/en/$1/``) or a cache tag (``#product:$1``), in which ``$1`` stands for what the first group matched.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_PATH_CHARACTERS
from invalidator.model import UrlPath
from invalidator.urls.encoding import as_written, encodings, is_path, is_tag
from invalidator.urls.patterns import Expression

_MAX_RULES: Final = 100
_MAX_CHARACTERS: Final = 1_000
"""Of a pattern or a template."""
_MAX_TEMPLATES: Final = 100
_FIELDS: Final = {"match", "also", "instead", "whole_key"}
_EXPECTED: Final = '{"match": "^(.*)\\\\.html$", "also": ["/$1"]}'

_references = re.compile(r"\$(?:([0-9])|\{(\w+)\}|(\$)|)")


class Template(NamedTuple):
    """A path or a tag, in pieces: what was written, in between what was matched (by number or name of the group)."""

    written: tuple[str, ...]
    groups: tuple[int | str, ...]
    is_tag: bool

    def fill(self, match: re.Match[str]) -> list[str]:
        """Every spelling of the path, or the tag, that this gives for a match; a group with no part in it is empty."""
        if self.written[-1].endswith("*") and any(match[group] is None for group in self.groups):
            return []  # "/$1*" would be the whole site
        matched = [match[group] or "" for group in self.groups]
        if self.is_tag:
            return [self._joined(matched).lower()]  # CloudFront's tags are case-insensitive
        spelt = zip(*map(encodings, matched), strict=True) if matched else [()]
        return list(dict.fromkeys(map(self._joined, spelt)))

    def _joined(self, matched: Sequence[str]) -> str:
        first, *others = self.written
        return first + "".join(text + written for text, written in zip(matched, others, strict=True))


class Rule(NamedTuple):
    """What follows from a change of the objects whose keys match. ``name`` is for people: ``rule 2``.

    The key is the one that the distribution's origin path leaves; with ``whole_key``, that of the bucket, and the
    rule holds for objects, too, that the distribution does not serve by itself.
    """

    name: str
    expression: Expression
    also: tuple[Template, ...]
    instead: tuple[Template, ...]
    whole_key: bool = False


class Followed(NamedTuple):
    """What a rule gives for a key: items, and why some are not among them."""

    also: list[UrlPath]
    instead: list[UrlPath]
    problems: list[str]


def follow(rule: Rule, key: str, *, cache_tags: bool) -> Followed | None:
    """What the rule gives for a key on a distribution that takes cache tags or not; None if it does not match."""
    match = rule.expression.search(key)
    if match is None:
        return None
    problems: list[str] = []
    also, instead = (
        list(_items(templates, match, problems, cache_tags=cache_tags)) for templates in (rule.also, rule.instead)
    )
    return Followed(also, instead, [f"{rule.name}: {problem}" for problem in problems])


def _items(
    templates: tuple[Template, ...], match: re.Match[str], problems: list[str], *, cache_tags: bool
) -> Iterator[UrlPath]:
    for template in templates:
        if template.is_tag and not cache_tags:
            problems.append("its tags are left out, since the distribution does not know objects by cache tags")
            continue
        for text in template.fill(match):
            if (is_tag if template.is_tag else is_path)(text):
                yield UrlPath(text)
            else:
                what = "tag" if template.is_tag else "path"
                problems.append(f"a {what} is left out, since what was matched makes it one that CloudFront refuses")


# --- what a person wrote --------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def parse(text: str, source: str) -> tuple[Rule, ...]:
    """The rules in a JSON text, which came from that variable. Raises ConfigurationError, naming it."""
    try:
        written = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{source}: not JSON: {error}") from error
    if not isinstance(written, list) or len(written) > _MAX_RULES:
        raise ConfigurationError(f"{source}: expected a list of at most {_MAX_RULES} rules, as [{_EXPECTED}]")
    return tuple(_rule(item, f"rule {number}", f"{source}, rule {number}") for number, item in enumerate(written, 1))


def _rule(written: Any, name: str, where: str) -> Rule:
    if not isinstance(written, dict) or not isinstance(written.get("match"), str):
        raise ConfigurationError(f"{where}: expected an object with a regular expression, as {_EXPECTED}")
    if unknown := sorted(set(written) - _FIELDS):
        raise ConfigurationError(f"{where}: {unknown[0]!r:.60} is none of {', '.join(sorted(_FIELDS))}")
    expression = _expression(written["match"], f"{where}, match")
    also, instead = (
        _templates(written.get(field, []), expression, f"{where}, {field}") for field in ("also", "instead")
    )
    if not also and not instead:
        raise ConfigurationError(f"{where}: neither 'also' nor 'instead' says what follows, as in {_EXPECTED}")
    whole_key = written.get("whole_key", False)
    if not isinstance(whole_key, bool):
        raise ConfigurationError(f"{where}, whole_key: expected true or false")
    return Rule(name, expression, also, instead, whole_key)


def _expression(text: str, where: str) -> Expression:
    if len(text) > _MAX_CHARACTERS:
        raise ConfigurationError(f"{where}: {len(text):,} characters; at most {_MAX_CHARACTERS:,} are taken")
    try:
        expression = Expression(text)
        slow = expression.slow_key()
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigurationError(f"{where}: {text!r:.200} is no regular expression: {error}") from error
    if slow:
        raise ConfigurationError(
            f"{where}: {text!r} takes too long on some keys, as {slow!r:.60}: let no two parts of it match the same"
            " characters in a row (for instance [^/]* in place of .*)"
        )
    return expression


def _templates(written: Any, expression: Expression, where: str) -> tuple[Template, ...]:
    texts = [written] if isinstance(written, str) else written
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(texts) > _MAX_TEMPLATES:
        raise ConfigurationError(f'{where}: expected a list of at most {_MAX_TEMPLATES} texts, as ["/$1"]')
    return tuple(_template(text, expression, f"{where}: {text!r:.80}") for text in texts)


def _template(text: str, expression: Expression, where: str) -> Template:
    is_a_tag = text.startswith("#")
    if not text.startswith(("/", "#")) or len(text) > _MAX_CHARACTERS:
        raise ConfigurationError(
            f"{where} is neither a path, which begins with /, nor a cache tag, which begins with #, of at most"
            f" {_MAX_CHARACTERS:,} characters"
        )
    written, groups = [""], list[int | str]()
    end = 0
    for found in _references.finditer(text):
        written[-1] += text[end : found.start()]
        end = found.end()
        if found[3]:
            written[-1] += "$"
        else:
            groups.append(_group(found, expression, where))
            written.append("")
    written[-1] += text[end:]
    if not text.isprintable():
        raise ConfigurationError(f"{where} holds characters that nobody can see; encode them, as %0A")
    _check(written, where, is_a_tag=is_a_tag)
    return Template(tuple(written if is_a_tag else map(as_written, written)), tuple(groups), is_a_tag)


def _group(found: re.Match[str], expression: Expression, where: str) -> int | str:
    number, name = found[1], found[2]
    if name and not name.isdecimal():
        if name in expression.names:
            return name
    elif (number or name) and int(number or name) <= expression.groups:
        return int(number or name)
    raise ConfigurationError(
        f"{where}: {found[0]!r} is no group of the expression, which has {expression.groups} ($$ is a dollar sign)"
    )


def _check(written: list[str], where: str, *, is_a_tag: bool) -> None:
    """Refuse what CloudFront would, whatever is matched."""
    if is_a_tag:
        # What is matched may be empty or one good character: neither may make a bad tag of what was written.
        if not is_tag("".join(written) + ("x" if written[1:] else "")):
            raise ConfigurationError(
                f"{where} is no cache tag: # and 1 to 256 visible ASCII characters without commas and asterisks"
            )
    elif "*" in "".join(written)[:-1] or (written[-1] == "" and "*" in "".join(written)):
        raise ConfigurationError(f"{where}: CloudFront takes an asterisk at the end of a path only")
    elif len(as_written("".join(written))) > MAX_PATH_CHARACTERS:
        raise ConfigurationError(f"{where} is longer than {MAX_PATH_CHARACTERS:,} characters, which CloudFront refuses")
