"""template.yml, the deployment without Node.js: it makes the stack of serverless.yml, whatever the parameters are."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from moto import settings as moto_settings
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config

from deploy.released import released
from invalidator import __version__
from invalidator.local.embedded import embedded_aws
from tests.deploy.test_deployed import UNKNOWN_TO_MOTO
from tests.deploy.test_parameters import PARAMETERS, RIGHT, WRONG, answered
from tests.doubles import serverless
from tests.doubles.packaged import BUCKET, CASES, DISTRIBUTIONS, KEY, ROOT, TOPIC, Packages, needed
from tests.doubles.templates import ACCOUNT, REGION, STACK_NAME, Deployed, deployed, load

SOURCE = (ROOT / "template.yml").read_text()
TEMPLATE = load(SOURCE)

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
            "!Split [',', '']",
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
            RuleCondition: !Equals [!Ref Name, rule]
            Assertions: [{{Assert: !Equals [!Ref Name, x], AssertDescription: not that}}]
        Resources:
          Queue: {{Type: X}}
          Missing: {{Type: X, Condition: Not}}
          It: {{Type: X, Properties: {{P: {value}}}}}
    """
    return deployed(load(text), given)


def stack_of_osls(words: tuple[str, ...]) -> Deployed:
    """Return the stack that osls makes with these parameters (``name=value``)."""
    computed = answered(*words)
    assert computed["told"] == []
    return deployed(serverless.template(computed["made"], computed["body"]), {})


@pytest.mark.parametrize("case", CASES)
def test_the_double_of_osls_makes_what_osls_makes(packages: Packages, case: str) -> None:
    packaged = deployed(packages[case].template, {})
    double = stack_of_osls(CASES[case])
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


# --- the same stack, whatever the parameters ------------------------------------------------------------

EXCEPTIONS = [
    (
        "`Prefix` and `Suffix` together with `Trigger=eventbridge` are refused: give one of them, and the other "
        "as `Include`",
        "EventBridge needs a pattern of its own for each key in which the two overlap, and a template cannot "
        "compute these",
    ),
    (
        "`CostAlarmUSD` and `WithDashboard` are `cost-alarm` and `dashboard`",
        "CloudFormation takes no parameter that has the name of a resource",
    ),
    ("Ids and names are separated by commas alone, and no blanks are taken off", "a template cannot tidy up a text"),
    (
        "CloudFormation has its own words for a missing `Bucket` and for a parameter that it does not know, and says "
        "what does not fit together only when every value is right by itself",
        "rules see only known parameters with right values",
    ),
    (
        "`Gather=300` and `RepeatAfter=0` with `Trigger=direct` are taken, and change nothing",
        "a rule cannot tell a default from a given value",
    ),
    (
        "`DiscoverTag` beside ids, `discover` not among them, is taken, and changes nothing",
        "a rule cannot look into a list",
    ),
    (
        "A `DeployMarker` that `Prefix` or `Suffix` keeps back is taken, and is never heard of",
        "a rule cannot compare the beginnings of texts",
    ),
    (
        "`Rules` in brackets that are no JSON are taken; the function then refuses to start, and says why",
        "a pattern cannot read JSON",
    ),
    (
        "The roles may act on each id as one of a distribution and as one of a tenant, and their ARNs name any "
        "partition and account",
        "a template cannot sort a list, and joins it only with literal text. A role reaches the distributions of "
        "its own account and no others",
    ),
    (
        "The role of the pipeline function may read `PipelineParameters` in any account that shares them, in this"
        " Region alone",
        "as above",
    ),
    (
        "A deployment connects the bucket again only if the version, `Bucket`, `Trigger`, `Prefix`, `Suffix`, `Check` "
        "or `Repair` is another",
        "CloudFormation has no value that is new each time; what the bucket does not tell, the check notices within "
        "the hour",
    ),
    (
        "The description of the stack does not name the bucket, and the stack has no tags",
        "only whoever deploys can give tags; give them at first, because others later on write the parameter of the "
        "check anew",
    ),
    ("There is no bucket for the zips", "you name one: they have to be there before the stack is made"),
]
"""What comes out otherwise than with osls, and why. A row for each exception in these tests."""

NAMES = {"cost-alarm": "CostAlarmUSD", "dashboard": "WithDashboard"}
"""Parameters whose own names are those of resources, which CloudFormation does not take twice."""

IDS = ["E1A2B3C4D5E6F7", "E7F6D5C4B3A2E1", "dt_1wFXwCQzpJbJnDg3j8XuV1LhPZ4", "dt_2", "discover"]
SOURCES = {
    "secret": ["cloudfront/ids", f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:ids-a1B2c3"],
    "parameter": ["ids", "/cloudfront/ids", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/ids"],
}
VALUES = {
    "discover-tag": ["team", "invalidate=yes or no"],
    "trigger": ["queue", "direct", "eventbridge"],
    "gather": ["300", "0", "60"],
    "deploy-marker": [".deployed", "blog/a b/ü.html"],
    "repeat-after": ["0", "10"],
    "check": ["0", "5", "60", "720"],
    "repair": ["on", "off"],
    "prefix": ["blog/", "a b"],
    "suffix": [".html", "\\x"],
    "settings-ttl": ["0", "86400"],
    "index-document": ["none", "default.htm"],
    "directory-urls": ["slash", "bare"],
    "error-pages": ["clear", "ignore"],
    "tildes": ["exact", "wildcard"],
    "describe": ["on", "off"],
    "rules": ["[]", '[{"match": "^(.*)[.]html$", "also": ["/$1", "#page:$1"]}]'],
    "rules-parameter": ["rules", "/cloudfront/rules", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/a/b"],
    "include": ["blog/*.html", "*.css, *.js"],
    "exclude": ["assets/*.????????.js"],
    "max-paths": ["1", "1000000"],
    "pipeline": ["on", "off"],
    "pipeline-parameters": ["/sites/*", "/a,/b/c.d,/e/*"],
    "skip-unchanged": ["versions", "versions+metadata"],
    "dashboard": ["on", "off"],
    "cost-alarm": ["2.50", "0.05", "100"],
    "monthly-budget": ["5", "2.50"],
    "kms-key": [KEY],
    "alarm-topic": [TOPIC],
    "log-retention": ["1", "3653"],
}

EACH_SOURCE = [
    *(DISTRIBUTIONS, "distributions=discover", "distributions=dt_1,E1"),
    *(f"{name}={text}" for name, texts in SOURCES.items() for text in texts),
]

Words = tuple[str, ...]


def listed_ids() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(IDS), min_size=1, max_size=4).map(lambda ids: f"distributions={','.join(ids)}")


def named(values: dict[str, list[str]]) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{name}={value}" for name, texts in values.items() for value in texts])


def parameters(sources: st.SearchStrategy[Any]) -> st.SearchStrategy[Words]:
    """Return a strategy for parameters: the bucket, these sources, and any others, each once."""
    others = st.fixed_dictionaries({}, optional={name: st.sampled_from(texts) for name, texts in VALUES.items()})
    return st.builds(
        lambda source, more: (BUCKET, *source, *(f"{name}={value}" for name, value in more.items())), sources, others
    )


ONE_SOURCE = (listed_ids() | named(SOURCES)).map(lambda word: (word,))
SEVERAL_SOURCES = st.sampled_from(
    [(), (DISTRIBUTIONS, "secret=x"), ("secret=x", "parameter=y"), (DISTRIBUTIONS, "secret=x", "parameter=y")]
)


def name_of(parameter: str) -> str:
    """Return the name of a parameter in the template."""
    return NAMES.get(parameter) or "".join(word.capitalize() for word in parameter.split("-"))


def stack_of_template(words: Words, **pseudo: str) -> Deployed:
    """Return the stack that CloudFormation makes of template.yml with these parameters (``name=value``)."""
    pairs = (word.split("=", 1) for word in words)
    return deployed(TEMPLATE, {name_of(name): value for name, value in pairs}, **pseudo)


def expected_objections(words: Words, told: list[str]) -> list[str]:
    """Return what the template has to say of parameters that are right by themselves, where deploy/ has told this."""
    said = dict(word.split("=", 1) for word in words)
    sentences = [sentence for text in told for sentence in text.splitlines()]
    expected = [in_the_template(sentence) for sentence in sentences if is_told(sentence, said)]
    if said.get("trigger") == "eventbridge" and "prefix" in said and "suffix" in said:
        expected.append(
            "Prefix: with Trigger=eventbridge, this template cannot have Suffix, too: give one of them, and the other"
            " as Include, as in Include=blog/*.html."
        )
    return sorted(expected)


def is_told(sentence: str, said: dict[str, str]) -> bool:
    """Return whether CloudFormation can say it, too: the exceptions are in the table."""
    name = sentence.removeprefix("--param ").partition(":")[0]
    is_default = said.get(name) == PARAMETERS[name]
    return (
        not is_default and not (name == "discover-tag" and "distributions" in said) and "keep it back" not in sentence
    )


def in_the_template(sentence: str) -> str:
    """Return a sentence of deploy/mistakes.js with the names that the template has."""
    sentence = re.sub(r" \(given: [^)]*\)", "", sentence.removeprefix("--param ").replace("--param ", ""))
    names = "|".join(sorted(PARAMETERS, key=len, reverse=True))
    return re.sub(
        rf"^({names})(?=:)|\b({names})(?==)|(?<=exactly one of )(.*?)(?=, as)",
        lambda match: ", ".join(name_of(name) for name in match[0].split(", ")),
        sentence,
    )


def canonical(value: Any, name: str = "") -> Any:
    """Return a property in the one form that all ways to write it have."""
    if name in {"PolicyDocument", "AssumeRolePolicyDocument"}:
        return sorted(rights(value))
    if name == "DashboardBody" and isinstance(value, str):
        return canonical(json.loads(value))
    if name in {"Threshold", "RetentionInDays", "EvaluationPeriods"}:
        return float(value)
    if isinstance(value, dict):
        return {key: canonical(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def rights(document: Any) -> set[str]:
    """Return every right that a policy gives, apart from those on what cannot exist, and parts of others."""
    assert document.keys() == {"Version", "Statement"}
    assert document["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = []
    for statement in document["Statement"]:
        assert statement.get("Resource") != [], "IAM takes no empty list"
        for action in listed(statement["Action"]):
            for resource in listed(statement.get("Resource", "-")):
                found += narrowed(statement, action, resource)
    return {json.dumps(right, sort_keys=True) for right in found if not any(covers(other, right) for other in found)}


def covers(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether a right ends with * and the other is a part of it."""
    wide, narrow = one["Resource"], other["Resource"]
    return wide.endswith("/*") and wide != narrow and narrow.startswith(wide[:-1]) and one == other | {"Resource": wide}


def narrowed(statement: dict[str, Any], action: str, resource: str) -> Iterator[dict[str, Any]]:
    """Yield a right as osls writes it, which knows more of the ARNs of what is listed: see EXCEPTIONS."""
    right = {**statement, "Action": action, "Resource": resource}
    here = {"StringEquals": {"aws:RequestedRegion": REGION}}
    if match := re.fullmatch(r"arn:(?:\*:cloudfront::\*|aws:cloudfront::\d+):distribution\*/(.*)", resource):
        is_of_tenants = "Tenant" in action
        if match[1] == "*" or match[1].startswith("dt_") == is_of_tenants:
            kind = "distribution-tenant" if is_of_tenants else "distribution"
            yield right | {"Resource": f"arn:aws:cloudfront::{ACCOUNT}:{kind}/{match[1]}"}
    elif resource.startswith("arn:*:ssm:*:*:") and right.get("Condition") == here:
        del right["Condition"]
        yield right | {"Resource": resource.replace("arn:*:ssm:*:*:", f"arn:aws:ssm:{REGION}:{ACCOUNT}:")}
    else:
        yield right


def assert_same_stacks(template: Deployed, osls: Deployed) -> None:
    assert template.objections == osls.objections == []
    assert template.resources.keys() == osls.resources.keys() - OF_OSLS
    for name, ours in template.resources.items():
        theirs = osls.resources[name]
        for key in (theirs.keys() | ours.keys()) - {"DependsOn", "Metadata"}:
            assert without_exceptions(ours, key) == without_exceptions(theirs, key), (name, key)
    outputs = {name: of for name, of in osls.outputs.items() if name not in OF_OSLS}
    assert canonical(template.outputs) == canonical(outputs)


def without_exceptions(resource: dict[str, Any], key: str) -> Any:
    value = canonical(resource.get(key), key)
    left_out = {"AWS::Lambda::Function": "Code", "Custom::BucketNotification": "Deployment"}.get(resource["Type"])
    return {name: of for name, of in value.items() if name != left_out} if key == "Properties" else value


def assert_the_bucket_is_connected_last(stack: Deployed) -> None:
    for name, resource in stack.resources.items():
        needed = stack.needed_for(name)
        assert name not in needed, f"{name} would have to be made before itself"
        if resource["Type"] == "AWS::Lambda::Function":
            function = name.removesuffix("LambdaFunction")
            assert {f"{function}Role", f"{function}LogGroup"} <= needed
    of_osls = {*OF_OSLS, "Connection", "CheckSchedule"}
    assert stack.needed_for("Connection") - OF_OSLS == stack.resources.keys() - of_osls
    assert "CheckSchedule" not in stack.resources or "Connection" in stack.needed_for("CheckSchedule")


@pytest.mark.parametrize("case", CASES)
def test_the_template_makes_the_stacks_of_osls_packages(packages: Packages, case: str) -> None:
    words = tuple(word for word in CASES[case] if case != "eventbridge" or not word.startswith("suffix="))
    osls = deployed(packages[case].template, {}) if words == CASES[case] else stack_of_osls(words)
    assert_same_stacks(stack_of_template(words), osls)
    assert_the_bucket_is_connected_last(stack_of_template(words))
    assert_the_bucket_is_connected_last(osls)


def test_each_parameter_alone_makes_the_same_stack() -> None:
    triggers = cycle(VALUES["trigger"])
    sources = cycle(EACH_SOURCE)
    for name, texts in VALUES.items():
        for text in texts:
            values = {"trigger": next(triggers), name: text}
            assert_same(BUCKET, next(sources), *(f"{name}={value}" for name, value in values.items()))


@pytest.mark.parametrize("trigger", VALUES["trigger"])
def test_all_parameters_together_make_the_same_stack(trigger: str) -> None:
    for number, source in (pair for start in (0, 1) for pair in enumerate(EACH_SOURCE, start)):
        values = {name: texts[number % len(texts)] for name, texts in VALUES.items()}
        on = {"check": "60", "describe": "on", "pipeline": "on", "deploy-marker": "blog/a.html"}
        left_out = {
            "discover-tag": source != "distributions=discover",
            "deploy-marker": trigger == "direct",
            "gather": trigger == "direct",
            "repeat-after": trigger == "direct",
            "suffix" if number % 2 else "prefix": trigger == "eventbridge",
        }
        words = {**values, **on, "prefix": "blog/", "suffix": ".html", "trigger": trigger}
        given = [f"{name}={value}" for name, value in words.items() if not left_out.get(name)]
        assert_same(BUCKET, source, *given)
        assert stack_of_template((BUCKET, source, *given)).resources


@given(parameters(ONE_SOURCE))
def test_both_make_the_same_stack_or_say_the_same(words: Words) -> None:
    assert_same(*words)


def assert_same(*words: str) -> None:
    computed, template = answered(*words), stack_of_template(words)
    expected = expected_objections(words, computed["told"])
    assert sorted(template.objections) == expected
    if not expected and not computed["told"]:
        osls = deployed(serverless.template(computed["made"], computed["body"]), {})
        assert_same_stacks(template, osls)
        assert_the_bucket_is_connected_last(template)


@given(parameters(SEVERAL_SOURCES))
def test_both_want_one_source_of_ids(words: Words) -> None:
    expected = expected_objections(words, answered(*words)["told"])
    assert sorted(stack_of_template(words).objections) == expected
    assert any("give exactly one of Distributions, Secret, Parameter" in sentence for sentence in expected)


def test_what_connects_the_bucket_again_is_another_version_or_parameter() -> None:
    words = (BUCKET, "distributions=discover")
    before = stack_of_template(words).resources["Connection"]["Properties"]
    assert re.match(rf"{re.escape(__version__)}\b", before["Deployment"])
    for other in ("trigger=direct", "prefix=a", "suffix=a", "check=0", "repair=on"):
        assert stack_of_template((*words, other)).resources["Connection"]["Properties"] != before, other


def test_the_template_names_no_partition_region_or_stack() -> None:
    elsewhere = {"Partition": "aws-cn", "Region": "cn-north-1", "AccountId": "444455556666", "StackName": "site-prod"}
    for case in ("discover", "direct"):
        made = json.dumps(stack_of_template(CASES[case], **elsewhere).resources)
        given = json.dumps(CASES[case])
        for word in ("arn:aws:", REGION, ACCOUNT, STACK_NAME):
            assert word in given or word not in made
        assert stack_of_template(CASES[case], **elsewhere).objections == []


# --- the parameters -------------------------------------------------------------------------------------


@cache
def table() -> dict[str, tuple[str, str | None, str]]:
    """Return the default, the pattern and the words of each parameter in deploy/parameters.js."""
    program = """
        const { readFileSync } = require('fs');
        const path = require('path').resolve('deploy/parameters.js');
        const made = new module.constructor(path);
        made.filename = path;
        made._compile(`${readFileSync(path)}; module.exports = PARAMETERS`, path);
        const rows = Object.entries(made.exports);
        const texts = rows.map(([name, [value, { source }, words]]) => [name, [value, source, words]]);
        console.log(JSON.stringify(Object.fromEntries(texts)));
    """
    done = subprocess.run([needed("node"), "-e", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name: (row[0], row[1], row[2]) for name, row in json.loads(done.stdout).items()}


def constraints(default: str, pattern: str | None, words: str) -> dict[str, Any]:
    """Return what the template has to say of a parameter with this default, pattern and words."""
    made: dict[str, Any] = {"Type": "String", "ConstraintDescription": f"expected {words}".replace("…", "...")}
    made |= {"Default": default} if default or re.fullmatch(pattern or "", "") is None else {}
    if pattern is None:
        return made | {"Default": default, "AllowedPattern": r"^$|^\[[\s\S]*\]$"}  # no pattern can check JSON
    if re.fullmatch(r"\^\([\w|]+\)\$", pattern):
        return made | {"AllowedValues": [*([""] if default == "" else []), *pattern[2:-2].split("|")]}
    may_be_empty = default == "" and re.fullmatch(pattern, "") is None
    return made | {"AllowedPattern": f"^$|{pattern}" if may_be_empty else pattern}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_takes_the_same_values_at_both_doors(name: str) -> None:
    expected = constraints(*table()[name])
    if name == "bucket":  # has to be given
        expected = {key: value for key, value in expected.items() if key != "Default"}
        expected["AllowedPattern"] = expected["AllowedPattern"].removeprefix("^$|")
    found = dict(TEMPLATE["Parameters"][name_of(name)])
    assert 0 < len(found.pop("Description")) <= 130
    assert found == expected


def test_the_template_has_all_parameters_and_no_others() -> None:
    assert TEMPLATE["Parameters"].keys() == {name_of(name) for name in PARAMETERS}
    others = {"".join(word.capitalize() for word in name.split("-")): name for name in NAMES}
    assert others.keys() <= TEMPLATE["Resources"].keys()  # so they could not have their own names


def test_values_are_refused_and_taken_alike_with_the_same_words() -> None:
    for word in WRONG:
        name, told = word.partition("=")[0], answered(*with_needed(word))["told"]
        words = re.findall("expected .*(?=; got)", "".join(told), re.DOTALL)
        expected = [f"Parameter {name_of(name)} failed to satisfy constraint: {words[0]}".replace("…", "...")]
        assert stack_of_template(with_needed(word)).objections == (expected if word not in CHECKED_LATER else []), word
    for word in [*RIGHT, *(f"{name}={value}" for name, values in VALUES.items() for value in values)]:
        assert not [text for text in stack_of_template(with_needed(word)).objections if "constraint" in text], word


CHECKED_LATER = {"rules=[{'match': 'x'}]"}


@pytest.mark.parametrize(
    ("words", "objection"),
    [
        ((DISTRIBUTIONS,), "Parameters: [Bucket] must have values"),
        ((BUCKET, DISTRIBUTIONS, "max-wildcards=9"), "Parameters: [MaxWildcards] do not exist in the template"),
        (
            (BUCKET, "distributions=E1, E2"),
            "Parameter Distributions failed to satisfy constraint: expected ids separated",
        ),
        ((BUCKET, DISTRIBUTIONS, "pipeline=on", "pipeline-parameters=/a /b"), "Parameter PipelineParameters failed to"),
    ],
)
def test_what_cloudformation_refuses_in_its_own_way(words: Words, objection: str) -> None:
    (told,) = stack_of_template(words).objections
    assert told.startswith(objection)


def with_needed(word: str) -> Words:
    """Return a parameter with the two that are needed beside it."""
    return (*(given for given in (BUCKET, DISTRIBUTIONS) if given.partition("=")[0] != word.partition("=")[0]), word)


def test_the_parameters_are_grouped_as_on_the_page() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = {group["Label"]["default"]: group["Parameters"] for group in groups}
    assert sorted(name for names in grouped.values() for name in names) == sorted(TEMPLATE["Parameters"])
    for name in PARAMETERS:
        row = re.compile(rf"^\|.*?\| `{name}` \|", re.MULTILINE)
        assert any(row.search(text) and name_of(name) in grouped.get(title, []) for title, text in sections.items()), (
            name
        )


def test_the_template_can_be_read_by_all_tools() -> None:
    assert SOURCE.isascii()  # consoles show other characters as question marks
    assert not [token for token in yaml.scan(SOURCE) if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]
    assert "Transform" not in TEMPLATE  # so it needs no CAPABILITY_AUTO_EXPAND
    for name in serverless.FUNCTIONS:
        zipped = f".build/{name}.zip"
        assert TEMPLATE["Resources"][f"{name.capitalize()}LambdaFunction"]["Properties"]["Code"] == zipped
        assert f"\n      Code: {zipped}\n" in SOURCE  # in this form, because releases are made by replacing it


def test_what_the_templates_cannot_do_is_documented() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    section = page.partition("\n## What the templates cannot do\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (.*?) \| (.*?) \|$", section, re.MULTILINE)[1:] == EXCEPTIONS


# --- the AWS CLI ----------------------------------------------------------------------------------------


STACK = "invalidator-dev"


def answering(answered: Event) -> Any:
    """Return what answers moto's CloudFormation as the connecting function would, which moto would start in Docker."""

    def answer(self: LambdaFunction, event: dict[str, Any]) -> tuple[str, bool, str]:
        body = {"Status": "SUCCESS", "PhysicalResourceId": "my-origin"}
        body |= {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        with urlopen(Request(event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT")):  # noqa: S310
            answered.set()
        return "null", False, ""

    return answer


@pytest.mark.filterwarnings("ignore:Tried to parse AWS:")  # what moto's CloudFormation does not know
@pytest.mark.parametrize("way", ["clone", "release"])
def test_the_aws_cli_deploys_the_template_with_those_zips(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setitem(default_user_config, "lambda", {"use_docker": False})
    answered = Event()
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", answering(answered))
    monkeypatch.setattr(LambdaSimpleBackend, "invoke", LambdaBackend.invoke)
    zips = packages["discover"].zips
    folder = tmp_path / (".build" if way == "clone" else "dist")
    folder.mkdir()
    for name, archive in zips.items():
        shutil.copy(archive, folder / f"{name}.zip")
    if way == "clone":
        shutil.copy(ROOT / "template.yml", tmp_path)
    else:
        (folder / "invalidator.yml").write_text(released(SOURCE, __version__))
    # moto cannot make dashboards that show alarms.
    more = {"pipeline": "on", "dashboard": "off"}
    with embedded_aws(["my-origin", "my-code"]) as aws:
        host, _, port = aws.endpoint.rpartition(":")
        monkeypatch.setattr(moto_settings, "moto_server_host", lambda: host)
        monkeypatch.setattr(moto_settings, "moto_server_port", lambda: port)
        # moto takes the first part of another name for the bucket in which a template is.
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://localhost:{port}")
        typed(tmp_path, way, " ".join(["", *(f"{name_of(name)}={value}" for name, value in more.items())]))
        assert answered.wait(60)  # moto asks in a thread, which must not outlive it
        functions = boto3.client("lambda").list_functions()["Functions"]
        resources = boto3.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    hashes = {name: base64.b64encode(sha256(file.read_bytes()).digest()).decode() for name, file in zips.items()}
    assert {function["FunctionName"]: function["CodeSha256"] for function in functions} == {
        f"{STACK}-{name}": digest for name, digest in hashes.items()
    }
    words = (BUCKET, "distributions=discover", *(f"{name}={value}" for name, value in more.items()))
    expected = stack_of_template(words, StackName=STACK).resources
    assert {resource["LogicalResourceId"] for resource in resources if "LogicalResourceId" in resource} == {
        name for name, resource in expected.items() if resource["Type"] not in UNKNOWN_TO_MOTO
    }


def typed(folder: Path, way: str, more: str) -> None:
    """Type the commands of the AWS CLI on the page, with more parameters, where only the zips and template are."""
    page = (ROOT / "docs" / "deploying.md").read_text()
    first = {"clone": "make zips\n", "release": "aws s3 cp dist"}[way]
    (block,) = [
        text
        for text in re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)
        if "aws cloudformation" in text and text.startswith(first)
    ]
    commands = block.removeprefix("make zips\n").replace("--region eu-central-1 ", "") + more
    assert commands.startswith("aws ")
    assert f"--stack-name {STACK} " in commands
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), "HOME": str(folder)}
    done = subprocess.run(["sh", "-ec", commands], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
