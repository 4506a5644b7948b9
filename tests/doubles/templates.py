"""CloudFormation's reading of a template: which resources and outputs a stack has with given parameters.

Strict: a function, a tag, a name or a place that is not known here is an error. A reference to a resource becomes its
logical id in brackets, as in ``<Queue>`` and ``<Queue.Arn>``, so that the same text comes of every way to write it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-reference.html (2026-11-30)
"""

import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

STACK_NAME, ACCOUNT, REGION = "invalidator-dev", "111122223333", "us-east-1"

_SECTIONS = {
    *("AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Conditions", "Resources"),
    "Outputs",
}
_OF_RESOURCES = {"Type", "Properties", "Condition", "DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"}
_OF_OUTPUTS = {"Description", "Value", "Condition", "Export"}
_OF_PARAMETERS = {"Type", "Default", "AllowedPattern", "AllowedValues", "ConstraintDescription", "Description"}
_NOTHING = object()
"""AWS::NoValue."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms. Dates are texts, and no name stands twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 it stands so in PyYAML
        first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [name.value for name, _ in node.value]
        assert len(set(names)) == len(names), f"a name stands twice:\n{node.start_mark}"
        return super().construct_mapping(node, deep)

    def short_form(self, name: str, node: yaml.Node) -> dict[str, Any]:
        """Return the long form: ``!Ref X`` is ``{"Ref": X}``, and ``!GetAtt X.Y`` is ``{"Fn::GetAtt": [X, Y]}``."""
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            assert isinstance(node, yaml.MappingNode)
            value = self.construct_mapping(node, deep=True)
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _Loader.short_form)


def load(text: str) -> Any:
    """Read YAML that has the short forms of CloudFormation's functions."""
    return yaml.load(text, _Loader)  # noqa: S506 it is a safe one


@dataclass(frozen=True)
class Deployed:
    """A stack that CloudFormation makes of a template, or its objections to the parameters."""

    resources: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    objections: list[str] = field(default_factory=list)

    def needed_for(self, name: str) -> set[str]:
        """Return the resources that are made before one, and removed after it."""
        found: set[str] = set()
        left = [name]
        while left:
            new = self._named_in(left.pop()) - found
            found |= new
            left += new
        return found

    def _named_in(self, name: str) -> set[str]:
        resource = self.resources[name]
        after = resource.get("DependsOn", [])
        refers = set(re.findall(r"<(\w+)(?:\.\w+)?>", json.dumps(resource))) & self.resources.keys()
        return refers | ({after} if isinstance(after, str) else set(after))


def deployed(template: Mapping[str, Any], given: Mapping[str, str], **pseudo: str) -> Deployed:
    """Return what a stack of this template has with these parameters.

    Args:
        template: As ``load`` reads it.
        given: Values by the names of the parameters.
        pseudo: Values of pseudo parameters that are not the usual ones: ``Partition="aws-cn"``.
    """
    assert template.keys() <= _SECTIONS, template.keys() - _SECTIONS
    read = _Template(template, given, pseudo)
    objections = [*read.objections_to_values()] or [*read.objections_of_rules()]
    if objections:
        return Deployed(objections=objections)
    resources = {name: read.resource(name, of) for name, of in template["Resources"].items() if read.exists(of)}
    outputs = {
        name: read.section(of, _OF_OUTPUTS) for name, of in template.get("Outputs", {}).items() if read.exists(of)
    }
    return Deployed(resources, outputs)


class _Template:
    """A template with values for its parameters."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str], pseudo: Mapping[str, str]) -> None:
        self._resources = template["Resources"]
        self._conditions = template.get("Conditions", {})
        self._rules = template.get("Rules", {})
        self._parameters = template.get("Parameters", {})
        defaults = {name: of["Default"] for name, of in self._parameters.items() if "Default" in of}
        self._texts: dict[str, str] = {**defaults, **given}
        usual = {"Partition": "aws", "Region": REGION, "AccountId": ACCOUNT, "StackName": STACK_NAME}
        values = {**usual, "URLSuffix": "amazonaws.com", **pseudo}
        arn = "arn:{Partition}:cloudformation:{Region}:{AccountId}:stack/{StackName}/1".format(**values)
        self._pseudo = {f"AWS::{name}": value for name, value in {**values, "StackId": arn}.items()}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Split": self._split,
            "Fn::Select": self._select,
            "Fn::If": self._if,
        }
        self._truths: dict[str, Callable[[Any], bool]] = {
            "Condition": self._condition,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda parts: not self._only(parts),
            "Fn::And": lambda parts: all(self.is_true(part) for part in self._some(parts)),
            "Fn::Or": lambda parts: any(self.is_true(part) for part in self._some(parts)),
        }

    # --- parameters and rules -----------------------------------------------------------------------------

    def objections_to_values(self) -> Iterator[str]:
        """Yield a sentence about each wrong parameter, as CloudFormation does."""
        for name in self._texts.keys() - self._parameters.keys():
            yield f"Parameters: [{name}] do not exist in the template"
        for name, of in self._parameters.items():
            assert of.keys() <= _OF_PARAMETERS, (name, of)
            assert of["Type"] == "String", (name, of)
            if name not in self._texts:
                yield f"Parameters: [{name}] must have values"
                continue
            assert isinstance(self._texts[name], str), f"the default of {name} is no text"
            if not _is_allowed(self._texts[name], of):
                yield f"Parameter {name} failed to satisfy constraint: {of['ConstraintDescription']}"

    def objections_of_rules(self) -> Iterator[str]:
        """Yield the description of each assertion that does not hold."""
        for name, rule in self._rules.items():
            assert rule.keys() <= {"RuleCondition", "Assertions"}, name
            _refuse_what_rules_cannot(rule)
            if "RuleCondition" in rule and not self.is_true(rule["RuleCondition"]):
                continue
            for assertion in rule["Assertions"]:
                assert assertion.keys() == {"Assert", "AssertDescription"}, name
                if not self.is_true(assertion["Assert"]):
                    yield assertion["AssertDescription"]

    # --- conditions ---------------------------------------------------------------------------------------

    def exists(self, of: Mapping[str, Any]) -> bool:
        """Return whether there is this resource or output."""
        return "Condition" not in of or self._condition(of["Condition"])

    def is_true(self, value: Any) -> bool:
        """Return whether a condition holds."""
        ((name, argument),) = value.items()
        return self._truths[name](argument)

    def _condition(self, name: str) -> bool:
        return self.is_true(self._conditions[name])

    def _only(self, parts: Any) -> bool:
        (part,) = parts
        return self.is_true(part)

    @staticmethod
    def _some(parts: Any) -> Any:
        assert 2 <= len(parts) <= 10, "Fn::And and Fn::Or take 2 to 10 conditions"
        return parts

    def _equals(self, sides: Any) -> bool:
        one, other = (self._text(side) for side in sides)
        return one == other

    # --- values -------------------------------------------------------------------------------------------

    def resource(self, name: str, of: Mapping[str, Any]) -> dict[str, Any]:
        """Return a resource with everything filled in."""
        assert re.fullmatch("[A-Za-z0-9]+", name), name
        made = self.section(of, _OF_RESOURCES)
        after = made.get("DependsOn", [])
        for other in [after] if isinstance(after, str) else after:
            # What CloudFormation does if the other one does not exist is not documented.
            assert self._resources[other].get("Condition") in {None, of.get("Condition")}, (name, other)
        return made

    def section(self, of: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
        """Return a resource or an output with everything filled in."""
        assert of.keys() <= known, of.keys() - known
        return {name: self._filled(value) for name, value in of.items() if name != "Condition"}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._filled, value) if item is not _NOTHING]
        if isinstance(value, dict):
            return self._called_or_filled(value)
        assert value is not None, "CloudFormation takes no null"
        return value

    def _called_or_filled(self, value: dict[str, Any]) -> Any:
        if functions := [name for name in value if name == "Ref" or name.startswith("Fn::")]:
            assert len(value) == 1, f"nothing stands beside a function: {value}"
            return self._functions[functions[0]](value[functions[0]])
        items = {name: self._filled(item) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not _NOTHING}

    def _text(self, value: Any) -> str:
        found = self._filled(value)
        assert isinstance(found, (str, int, float)), f"no text: {value} is {found}"
        return str(found)

    def _list(self, value: Any) -> list[Any]:
        found = self._filled(value)
        assert isinstance(found, list), f"no list: {value} is {found}"
        return found

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in self._pseudo:
            return self._pseudo[name]
        return self._texts[name] if name in self._parameters else f"<{self._there(name)}>"

    def _there(self, name: str) -> str:
        assert self.exists(self._resources[name]), f"{name} does not exist"
        return name

    def _get_att(self, parts: Any) -> str:
        name, attribute = parts
        return f"<{self._there(name)}.{attribute}>"

    def _sub(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})
        given = {name: self._text(value) for name, value in names.items()}
        unused = given.keys() - set(re.findall(r"\$\{(\w+)\}", text))
        assert not unused, f"not in the text: {unused}"

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in given:
                return given[name]
            return self._get_att(name.split(".", 1)) if "." in name else self._text({"Ref": name})

        return re.sub(r"\$\{([^}]+)\}", fill, text)

    def _join(self, argument: Any) -> str:
        delimiter, parts = argument
        assert isinstance(delimiter, str), "the delimiter has to be a literal"
        if isinstance(parts, list):
            return delimiter.join(self._text(part) for part in parts)
        return delimiter.join(map(str, self._list(parts)))

    def _split(self, argument: Any) -> list[str]:
        delimiter, text = argument
        assert isinstance(delimiter, str), "the delimiter has to be a literal"
        whole = self._text(text)
        assert whole, "what comes of an empty text is not documented"
        return whole.split(delimiter)

    def _select(self, argument: Any) -> Any:
        index, parts = argument
        return self._list(parts)[int(index)]

    def _if(self, argument: Any) -> Any:
        name, then, otherwise = argument
        return self._filled(then if self._condition(name) else otherwise)


def _is_allowed(text: str, parameter: Mapping[str, Any]) -> bool:
    """Return whether a parameter may have this value."""
    if text not in parameter.get("AllowedValues", [text]):
        return False
    # CloudFormation is written in Java, whose \w and \d are ASCII.
    return re.fullmatch(parameter.get("AllowedPattern", "(?s).*"), text, re.ASCII) is not None


def _refuse_what_rules_cannot(value: Any) -> None:
    """Fail at a function that is no rule's."""
    for item in value if isinstance(value, list) else []:
        _refuse_what_rules_cannot(item)
    for name, item in value.items() if isinstance(value, dict) else []:
        known = {"RuleCondition", "Assertions", "Assert", "AssertDescription", "Ref"}
        assert name in known | {f"Fn::{function}" for function in ("And", "Or", "Not", "Equals")}, name
        _refuse_what_rules_cannot(item)
