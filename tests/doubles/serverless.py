"""osls's part of a deployment: the template that it makes of serverless.yml, in a millisecond in place of seconds.

A test compares it with the packages that osls itself makes.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.doubles.packaged import ROOT
from tests.doubles.templates import load

STAGE = "dev"
FUNCTIONS = ("invalidate", "connect", "check", "pipeline")
_VARIABLE = re.compile(r"\$\{((?:self|sls|file)[:(][^${}]*)\}")


def template(parameters: Any, dashboard: Any) -> dict[str, Any]:
    """Return the template for what deploy/parameters.js and deploy/dashboard.js compute."""
    service = _Service(parameters, dashboard)
    made: Any = {"Resources": {}, "Outputs": {}}
    for functions in service.list_of("functions"):
        for name, function in functions.items():
            made["Resources"] |= _of_function(name, function, service.filled(parameters["log-retention"]))
    for part in service.list_of("resources"):
        _merge(made, part)
    return dict(made)


@cache
def _file(name: str) -> Any:
    path = ROOT / name
    return load(path.read_text()) if path.exists() else None


class _Service:
    """serverless.yml with the files that it names."""

    def __init__(self, parameters: Any, dashboard: Any) -> None:
        self._root = _file("serverless.yml")
        made = {"parameters": parameters, "dashboard": dashboard, "package": dict.fromkeys(FUNCTIONS, "")}
        self._made = {f"deploy/{name}.js": value for name, value in made.items()}

    def list_of(self, name: str) -> Iterator[Any]:
        """Yield the items of a list, filled in, without those that there are not."""
        return (item for item in self.filled(self._root[name]) if item is not None)

    def filled(self, value: Any) -> Any:
        """Return a value in which every variable has its value."""
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, dict):
            return {name: self.filled(item) for name, item in value.items()}
        found = self._without_variables(value)
        return found if isinstance(found, str) or found is value else self.filled(found)

    def _without_variables(self, value: Any) -> Any:
        """Return a text in which every variable has its value, or the value of a text that is one variable."""
        while isinstance(value, str) and (match := _VARIABLE.search(value)):
            found = self._value(match[1])
            value = found if match[0] == value else f"{value[: match.start()]}{found}{value[match.end() :]}"
        return value

    def _value(self, variable: str) -> Any:
        source, _, otherwise = variable.partition(", ")
        found = self._at(source)
        assert found is not None or otherwise == "null", variable
        return found

    def _at(self, source: str) -> Any:
        kind, _, path = source.partition(":")
        if kind == "sls":
            return {"stage": STAGE, "instanceId": "1"}[path]
        found = self._root
        if kind != "self":
            name = kind.removeprefix("file(").removesuffix(")")
            found = self._made[name] if Path(name).suffix == ".js" else _file(name)
        for step in path.split(".") if path else []:
            found = self._without_variables(found)
            if found is None:
                return None
            found = found[int(step)] if isinstance(found, list) else found.get(step)
        return found


def _of_function(name: str, function: Any, retention: int) -> dict[str, Any]:
    """Return the resources that osls makes of a function."""
    prefix, full_name = name.capitalize(), f"invalidator-{STAGE}-{name}"
    properties = {
        "Handler": function["handler"],
        "Runtime": "python3.13",
        "FunctionName": full_name,
        "MemorySize": function["memorySize"],
        "Timeout": function["timeout"],
        "Architectures": ["arm64"],
        "Description": function["description"],
        "Environment": {"Variables": dict(function["environment"])},
        "Role": {"Fn::GetAtt": [function["role"], "Arn"]},
    }
    after = [f"{prefix}LogGroup", function["role"]]
    log = {"LogGroupName": f"/aws/lambda/{full_name}", "RetentionInDays": retention}
    made: dict[str, Any] = {
        f"{prefix}LogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": log},
        f"{prefix}LambdaFunction": {"Type": "AWS::Lambda::Function", "Properties": properties, "DependsOn": after},
    }
    if "maximumRetryAttempts" in function:
        once = {
            "FunctionName": {"Ref": f"{prefix}LambdaFunction"},
            "DestinationConfig": {},
            "Qualifier": "$LATEST",
            "MaximumEventAgeInSeconds": function["maximumEventAge"],
            "MaximumRetryAttempts": function["maximumRetryAttempts"],
        }
        made[f"{prefix}LambdaEvConf"] = {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": once}
    for event in function.get("events", []):
        made |= _of_queue(prefix, function["role"], event["sqs"])
    return made


def _of_queue(prefix: str, role: str, event: Any) -> dict[str, Any]:
    queue = event["arn"]["Fn::GetAtt"][0]
    properties = {
        "BatchSize": event["batchSize"],
        "MaximumBatchingWindowInSeconds": event["maximumBatchingWindow"],
        "EventSourceArn": event["arn"],
        "FunctionName": {"Fn::GetAtt": [f"{prefix}LambdaFunction", "Arn"]},
        "Enabled": True,
        "FunctionResponseTypes": [event["functionResponseType"]],
        "ScalingConfig": {"MaximumConcurrency": event["maximumConcurrency"]},
    }
    mapping = {"Type": "AWS::Lambda::EventSourceMapping", "DependsOn": [role], "Properties": properties}
    return {f"{prefix}EventSourceMappingSQS{queue}": mapping}


def _merge(made: Any, part: Any) -> None:
    """Put what a part of the resources says into what is there."""
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(made.get(name), dict):
            _merge(made[name], value)
        else:
            made[name] = dict(value) if isinstance(value, dict) else value
