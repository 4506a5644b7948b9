"""The documents that commands print with --json, held to docs/output.schema.json: all that is printed is in it."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

SCHEMA: Final = Path(__file__).parents[2] / "docs" / "output.schema.json"


@cache
def schema() -> dict[str, Any]:
    """Return the schema as it is published."""
    parsed: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return parsed


def check_document(text: str, command: str) -> None:
    """Assert that a text is the document of this command, and that the schema names all of its fields."""
    document = json.loads(text)
    assert document["command"] == command
    _strict().validate(document)


def contents(text: str) -> dict[str, Any]:
    """Return a document without what all have."""
    parsed: dict[str, Any] = json.loads(text)
    return {name: value for name, value in parsed.items() if name not in {"version", "command"}}


@cache
def _strict() -> Draft202012Validator:
    return Draft202012Validator(_closed(schema()))


def _closed(part: Any) -> Any:
    """Return a schema whose objects have no other fields than it names, and a version and command at most."""
    if isinstance(part, list):
        return [_closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(value) for name, value in part.items()}
    if part.get("type") == "object" and "oneOf" not in part and "properties" in part:
        closed["properties"] = {"version": {}, "command": {}, **closed["properties"]}
        closed["additionalProperties"] = False
    return closed
