"""The deployment agrees with the code."""

import re
from pathlib import Path
from typing import Any

import yaml

from invalidator import handler
from tests.test_architecture import MODULES, ours

ROOT = Path(__file__).parent.parent


class _CloudFormation(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, such as !Sub."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {f"Fn::{suffix}": loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {f"Fn::{suffix}": loader.construct_sequence(node, deep=True)}


_CloudFormation.add_multi_constructor("!", _short_form)
CONFIG: dict[str, Any] = yaml.load((ROOT / "serverless.yml").read_text(), _CloudFormation)  # noqa: S506 it is a SafeLoader


def test_the_handler_exists() -> None:
    module, _, function = CONFIG["functions"]["invalidate"]["handler"].rpartition(".")
    assert (module, callable(getattr(handler, function))) == ("invalidator.handler", True)


def test_every_variable_is_one_that_is_read() -> None:
    text = (ROOT / "invalidator" / "settings.py").read_text()
    for name in CONFIG["provider"]["environment"]:
        assert f'"{name}"' in text


def test_the_role_may_do_one_thing_on_the_listed_distributions() -> None:
    (statement,) = CONFIG["provider"]["iam"]["role"]["statements"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "cloudfront:CreateInvalidation")
    assert _evaluate(statement["Resource"], distributions="E1,E2,E3") == [
        f"arn:aws:cloudfront::*:distribution/{id_}" for id_ in ("E1", "E2", "E3")
    ]


def test_all_events_that_change_what_a_viewer_sees_trigger_it() -> None:
    triggers = {event["s3"]["event"] for event in CONFIG["functions"]["invalidate"]["events"]}
    assert triggers == {"s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"}
    assert all(event["s3"]["existing"] for event in CONFIG["functions"]["invalidate"]["events"])


def test_what_the_function_does_not_import_is_not_packaged() -> None:
    needed: set[str] = set()
    waiting = {"handler"}
    while waiting:
        module = waiting.pop()
        needed.add(module)
        waiting |= ours(module) - needed
    excluded = re.search(r"!invalidator/{(.*)}\.py", " ".join(CONFIG["package"]["patterns"]))
    assert excluded is not None
    assert set(excluded[1].split(",")) == set(MODULES) - needed


def _evaluate(value: Any, **parameters: str) -> Any:
    """CloudFormation's Split and Join, and the parameters of the command line."""
    if isinstance(value, dict):
        ((function, arguments),) = value.items()
        first, second = (_evaluate(argument, **parameters) for argument in arguments)
        return second.split(first) if function == "Fn::Split" else first.join(second)
    if isinstance(value, list):
        return [_evaluate(item, **parameters) for item in value]
    return re.sub(r"\$\{param:(\w+)\}", lambda match: parameters[match[1]], value)
