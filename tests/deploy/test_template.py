"""What the tests of template.yml rest on: CloudFormation's reading of templates, and the templates of osls."""

from typing import Any

import pytest

from tests.deploy.test_parameters import answered
from tests.doubles import serverless
from tests.doubles.packaged import CASES, Packages
from tests.doubles.templates import Deployed, deployed, load

# What osls adds, and its own names of what it uploads.
OF_OSLS = {"ServerlessDeploymentBucket", "ServerlessDeploymentBucketPolicy", "ServerlessDeploymentBucketName"}

# --- the evaluator and the double of osls ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("!Sub '${AWS::StackName}-${!x}-${Queue}-${Queue.Arn}'", "invalidator-dev-${x}-<Queue>-<Queue.Arn>"),
        ("!Sub ['${a}:${Name}', {a: !Join ['+', !Split [',', !Ref List]]}]", "1+2:x"),
        ("!Split [',', !Join ['', ['a/', !Join [',a/', !Split [',', !Ref List]]]]]", ["a/1", "a/2"]),
        ("!Select [1, !Split [',', !Ref List]]", "2"),
        ("[!If [Is, a, b], !If [Not, a, !Ref AWS::NoValue]]", ["a"]),
        ("{a: !If [Not, 1, !Ref AWS::NoValue], b: 2012-10-17}", {"b": "2012-10-17"}),
        ("!If [Both, !GetAtt Queue.Arn, !Ref Missing]", "<Queue.Arn>"),
    ],
)
def test_templates_are_read_as_cloudformation_reads_them(value: str, filled: Any) -> None:
    assert small(value, {"Name": "x", "List": "1,2"}).resources["It"] == {"Type": "X", "Properties": {"P": filled}}


@pytest.mark.parametrize(
    "value",
    [
        *("!Ref Missing", "!GetAtt No.Arn", "!Sub '${Missing}'", "!Base64 x", "{Ref: Queue, b: 1}", "{Fn::Foo: x}"),
        *(
            "!Sub ['x', {a: b}]",
            "!Join [!Ref Name, [a]]",
            "!Join ['', [!Split [',', !Ref List]]]",
            "!Select [2, !Split [',', !Ref List]]",
            "{a: }",
        ),
        "!Join ['', [!If [Not, a, !Ref AWS::NoValue]]]",
    ],
)
def test_what_is_not_known_of_templates_is_an_error(value: str) -> None:
    with pytest.raises((AssertionError, KeyError, IndexError)):
        small(value, {"Name": "x", "List": "1,2"})


@pytest.mark.parametrize(
    ("given", "objection"),
    [
        ({"Name": "x y"}, "Parameter Name failed to satisfy constraint: a word"),
        ({"Name": "x", "List": "1,2,x"}, "Parameter List failed to satisfy constraint: digits"),
        ({"Nam": "x", "Name": "x"}, "Parameters: [Nam] do not exist in the template"),
        ({}, "Parameters: [Name] must have values"),
        ({"Name": "rule"}, "not that"),
    ],
)
def test_objections_are_those_of_cloudformation(given: dict[str, str], objection: str) -> None:
    assert small("1", given).objections == [objection]


def small(value: str, given: dict[str, str]) -> Deployed:
    """Deploy a template with a resource that has this property."""
    text = f"""
        Parameters:
          Name: {{Type: String, AllowedPattern: '\\w+', ConstraintDescription: a word}}
          List: {{Type: String, Default: '', AllowedPattern: '[\\d,]*', ConstraintDescription: digits}}
        Conditions:
          Is: !Equals [!Ref Name, x]
          Not: !Not [!Condition Is]
          Both: !And [!Condition Is, !Or [!Condition Not, !Condition Is]]
        Rules:
          R:
            RuleCondition: !Contains [[rule, other], !Ref Name]
            Assertions: [{{Assert: !Equals [!Ref Name, x], AssertDescription: not that}}]
        Resources:
          Queue: {{Type: X}}
          Missing: {{Type: X, Condition: Not}}
          It: {{Type: X, Properties: {{P: {value}}}}}
    """
    return deployed(load(text), given)


def of_osls(words: tuple[str, ...]) -> Deployed:
    """Return the stack that osls makes with these parameters (``name=value``)."""
    computed = answered(*words)
    assert computed["told"] == []
    return deployed(serverless.template(computed["made"], computed["body"]), {})


@pytest.mark.parametrize("case", CASES)
def test_the_double_of_osls_makes_what_osls_makes(packages: Packages, case: str) -> None:
    packaged = deployed(packages[case].template, {})
    double = of_osls(CASES[case])
    for stack in (packaged, double):
        stack.resources["Connection"]["Properties"].pop("Deployment")
        for name, resource in stack.resources.items():
            resource["Properties"].pop("Code", None)
            stack.resources[name] = resource | {"DependsOn": listed(resource.get("DependsOn"))}
    assert double.resources == {name: of for name, of in packaged.resources.items() if name not in OF_OSLS}
    assert double.outputs == {name: of for name, of in packaged.outputs.items() if name not in OF_OSLS}


def listed(value: Any) -> list[Any]:
    """Return a list of what is one or is none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
