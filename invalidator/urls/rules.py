"""Rules: the paths and cache tags that go stale with an object, beside or instead of its own path. Pure.

A rule is ``{"match": regular expression on the key, "also": [templates], "instead": [templates]}``. A template is a
path (``/en/$1/``) or a cache tag (``#product:$1``), in which ``$1`` stands for what the first group matched, and
``${1:url}`` for the same as the value of a query string.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from invalidator.errors import ConfigurationError
from invalidator.limits import MAX_PATH_CHARACTERS
from invalidator.model import UrlPath
from invalidator.urls.encoding import encode_once, encodings, is_path, is_tag

if TYPE_CHECKING:
    from invalidator.urls.safe_regex import Expression

_MAX_RULES: Final = 100
_MAX_CHARACTERS: Final = 1_000
"""The length of an expression or a template."""
_MAX_TEMPLATES: Final = 100
_FIELDS: Final = {"match", "also", "instead", "whole_key"}
_EXPECTED: Final = '{"match": "^(.*)\\\\.html$", "also": ["/$1"]}'

_references = re.compile(r"\$(?:([0-9])|\{(\w+)(:url)?\}|(\$)|)")


class Group(NamedTuple):
    """The number or name of a group, and whether its text is for the value of a query string."""

    name: int | str
    in_query: bool = False


class Template(NamedTuple):
    """A path or a tag in pieces: the literal texts, and between them the groups."""

    literals: tuple[str, ...]
    groups: tuple[Group, ...]
    is_tag: bool

    def fill(self, match: re.Match[str]) -> list[str]:
        """Return every spelling of the path, or the tag, for a match; a group without a part in it is empty."""
        if self.literals[-1].endswith("*") and any(match[group.name] is None for group in self.groups):
            return []  # "/$1*" would be the whole site
        matched = [(match[group.name] or "", group.in_query) for group in self.groups]
        if self.is_tag:
            return [self._joined([text for text, _ in matched]).lower()]  # CloudFront's tags are case-insensitive
        spelt = [encodings(text, in_query=in_query) for text, in_query in matched]
        return list(dict.fromkeys(map(self._joined, zip(*spelt, strict=True) if spelt else [()])))

    def _joined(self, matched: Sequence[str]) -> str:
        first, *others = self.literals
        return first + "".join(text + literal for text, literal in zip(matched, others, strict=True))


class Rule(NamedTuple):
    """The templates to fill for each changed object whose key matches. ``name`` is for people: ``rule 2``.

    The key is matched without the origin path of the distribution. With ``whole_key``, all of it is, and the rule also
    holds for objects that the distribution does not serve.
    """

    name: str
    expression: "Expression"
    also: tuple[Template, ...]
    instead: tuple[Template, ...]
    whole_key: bool = False


class Followed(NamedTuple):
    """The result of a rule for a key: items, and the reasons why some are left out."""

    also: list[UrlPath]
    instead: list[UrlPath]
    problems: list[str]


def follow(rule: Rule, key: str, *, cache_tags: bool) -> Followed | None:
    """Return the items of a rule for a key, without tags unless the distribution has ``cache_tags``; None: no match."""
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
                problems.append(f"a {what} is left out: with the matched text in it, CloudFront would refuse it")


# --- parsing ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def parse(text: str, source: str) -> tuple[Rule, ...]:
    """Return the rules in the JSON text of a variable or parameter. Raises ConfigurationError, naming ``source``."""
    if not text:
        return ()
    from invalidator.strict_json import parse_strictly  # which functions without rules never need

    try:
        values = parse_strictly(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{source}: not JSON: {error}") from error
    if not isinstance(values, list) or len(values) > _MAX_RULES:
        raise ConfigurationError(f"{source}: expected a list of at most {_MAX_RULES} rules, as [{_EXPECTED}]")
    return tuple(_rule(item, f"rule {number}", f"{source}, rule {number}") for number, item in enumerate(values, 1))


def _rule(value: Any, name: str, where: str) -> Rule:
    if not isinstance(value, dict) or not isinstance(value.get("match"), str):
        raise ConfigurationError(f"{where}: expected an object with a regular expression, as {_EXPECTED}")
    if unknown := sorted(set(value) - _FIELDS):
        raise ConfigurationError(f"{where}: {unknown[0]!r:.60} is none of {', '.join(sorted(_FIELDS))}")
    expression = _expression(value["match"], f"{where}, match")
    also, instead = (_templates(value.get(field, []), expression, f"{where}, {field}") for field in ("also", "instead"))
    if not also and not instead:
        raise ConfigurationError(f"{where}: neither 'also' nor 'instead' says what to invalidate, as in {_EXPECTED}")
    whole_key = value.get("whole_key", False)
    if not isinstance(whole_key, bool):
        raise ConfigurationError(f"{where}, whole_key: expected true or false")
    return Rule(name, expression, also, instead, whole_key)


def _expression(text: str, where: str) -> "Expression":
    # Imported here, since most functions have no rules.
    from invalidator.urls.safe_regex import Expression

    if len(text) > _MAX_CHARACTERS:
        raise ConfigurationError(f"{where}: {len(text):,} characters; at most {_MAX_CHARACTERS:,} are taken")
    try:
        return Expression(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigurationError(f"{where}: {text!r:.200} is no regular expression: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {text!r:.200} {error}") from error


def _templates(value: Any, expression: "Expression", where: str) -> tuple[Template, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(texts) > _MAX_TEMPLATES:
        raise ConfigurationError(f'{where}: expected a list of at most {_MAX_TEMPLATES} texts, as ["/$1"]')
    return tuple(_template(text, expression, f"{where}: {text!r:.80}") for text in texts)


def _template(text: str, expression: "Expression", where: str) -> Template:
    is_a_tag = text.startswith("#")
    if not text.startswith(("/", "#")) or len(text) > _MAX_CHARACTERS:
        raise ConfigurationError(
            f"{where} is neither a path, which begins with /, nor a cache tag, which begins with #, of at most"
            f" {_MAX_CHARACTERS:,} characters"
        )
    literals, groups = _pieces(text, expression, where)
    if not text.isprintable():
        raise ConfigurationError(f"{where} holds characters that nobody can see; encode them, as %0A")
    _check(literals, where, is_a_tag=is_a_tag)
    return Template(tuple(literals if is_a_tag else map(encode_once, literals)), tuple(groups), is_a_tag)


def _pieces(text: str, expression: "Expression", where: str) -> tuple[list[str], list[Group]]:
    """Split a template at its references to groups; ``$$`` is a dollar sign."""
    literals, groups = [""], list[Group]()
    end = 0
    for match in _references.finditer(text):
        literals[-1] += text[end : match.start()]
        end = match.end()
        if match[4]:
            literals[-1] += "$"
        else:
            groups.append(Group(_group(match, expression, where), match[3] is not None))
            literals.append("")
    literals[-1] += text[end:]
    if text.startswith("#") and any(group.in_query for group in groups):
        raise ConfigurationError(f"{where}: ':url' is for query strings, and this is a cache tag")
    return literals, groups


def _group(reference: re.Match[str], expression: "Expression", where: str) -> int | str:
    number, name = reference[1], reference[2]
    if name and not name.isdecimal():
        if name in expression.names:
            return name
    elif (number or name) and int(number or name) <= expression.groups:
        return int(number or name)
    if reference[0] == "$":
        raise ConfigurationError(
            f"{where}: behind a $ comes a group, as $1, ${{1}}, ${{name}} or ${{1:url}}; $$ is a dollar sign"
        )
    raise ConfigurationError(
        f"{where}: {reference[0]!r} is no group of the expression, which has {expression.groups} ($$ is a dollar sign)"
    )


def _check(literals: list[str], where: str, *, is_a_tag: bool) -> None:
    """Refuse a template that makes something that CloudFront refuses, whatever is matched."""
    text = "".join(literals)
    if is_a_tag:
        # A group may match nothing or one good character: neither may make a bad tag of the literals.
        if not is_tag(text + ("x" if literals[1:] else "")):
            raise ConfigurationError(
                f"{where} is no cache tag: # and 1 to 256 visible ASCII characters without commas and asterisks"
            )
    elif "*" in text[:-1] or (literals[-1] == "" and "*" in text):
        raise ConfigurationError(f"{where}: CloudFront takes an asterisk at the end of a path only")
    elif len(encode_once(text)) > MAX_PATH_CHARACTERS:
        raise ConfigurationError(f"{where} is longer than {MAX_PATH_CHARACTERS:,} characters, which CloudFront refuses")
