"""The examples for Terraform and CDK deploy what template.yml describes, with the files of a release."""

import ast
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.released import released
from deploy.zips import FUNCTIONS
from invalidator import __version__
from tests.doubles.packaged import ROOT, needed
from tests.doubles.templates import Deployed, deployed, load

EXAMPLES = ROOT / "examples"
RELEASE = f"invalidator-{__version__}"
TEMPLATE = released((ROOT / "template.yml").read_text(), __version__)
PROVIDER: Any = json.loads((Path(__file__).parent / "terraform_provider.json").read_text())


def run(script: str, *arguments: str, folder: Path = ROOT, **environ: str) -> Any:
    """Run a script in the environment with CDK and a reader of Terraform's language. Return the JSON that it prints."""
    python = ROOT / ".venv-cdk" / "bin" / "python"
    if not (ROOT / ".venv-cdk" / ".ready").exists():
        assert not os.environ.get("CI"), "CI has to have .venv-cdk"
        pytest.skip("make .venv-cdk/.ready installs what this test needs")
    command = [str(python), "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# --- Terraform ------------------------------------------------------------------------------------------

READ = """
import json, pathlib, sys, hcl2
options = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
print(json.dumps(hcl2.loads(pathlib.Path(sys.argv[1]).read_text(), serialization_options=options)))
"""
OF_ALL = {"for_each", "depends_on", "lifecycle"}
"""Arguments that every resource has: https://developer.hashicorp.com/terraform/language/block/resource (2026-11-30)."""


@cache
def terraform() -> Any:
    return run(READ, str(EXAMPLES / "terraform" / "main.tf"))


def resources() -> dict[str, dict[str, Any]]:
    """Return the arguments of each resource, by its type and name."""
    return {
        f"{kind}.{name}": arguments
        for block in terraform()["resource"]
        for kind, named in block.items()
        for name, arguments in named.items()
    }


def kinds(value: Any) -> set[str]:
    """Return the types of the provider that a value may stand for. An expression may be of any type."""
    if isinstance(value, str):
        return {"string", *({"bool", "list(string)", "map(string)"} if value.startswith("${") else ())}
    return {"bool"} if isinstance(value, bool) else {"list(string)"} if isinstance(value, list) else {"map(string)"}


def test_terraforms_provider_knows_each_argument_of_the_example() -> None:
    for name, arguments in resources().items():
        known = PROVIDER["resources"][name.partition(".")[0]]
        required = {argument for argument, kind in known.items() if kind.endswith(", required")}
        assert required <= arguments.keys(), name
        for argument in arguments.keys() - OF_ALL:
            assert known[argument].removesuffix(", required") in kinds(arguments[argument]), f"{name}: {argument}"


def test_terraform_finds_everything_to_which_the_example_refers() -> None:
    (local,) = terraform()["locals"]
    text = json.dumps(resources())
    referred = set(re.findall(r"\baws_\w+\.\w+", text))
    assert referred <= resources().keys()
    assert set(re.findall(r"\blocal\.(\w+)", text)) == local.keys()
    assert all(name in of for name in re.findall(r"each\.value\.(\w+)", text) for of in local["stacks"].values())


def test_terraform_deploys_the_files_of_a_release_for_each_bucket() -> None:
    (local,), found = terraform()["locals"], resources()
    stack, zips = found["aws_cloudformation_stack.invalidator"], found["aws_s3_object.zip"]
    assert local["release"] == RELEASE
    assert set(json.loads(zips["for_each"].removeprefix("${toset(").removesuffix(")}"))) == set(FUNCTIONS)
    assert f"${{path.module}}/{zips['key']}" == zips["source"] == "${path.module}/${local.release}/${each.key}.zip"
    assert stack["template_body"] == '${file("${path.module}/${local.release}/invalidator.yml")}'
    common, each = re.fullmatch(r"\$\{merge\(\{(.*)\}, (.*)\)\}", stack["parameters"], re.DOTALL).groups()  # type: ignore[union-attr]
    assert each == "each.value"
    values = {'"eventbridge"': "eventbridge", "local.release": RELEASE, "aws_s3_bucket.code.id": "invalidator-code-1"}
    parameters = {name: values[value] for name, value in re.findall(r"(\w+) = ([^,]+)", common)}
    assert len(local["stacks"]) > 1
    for name, given in local["stacks"].items():
        made = deployed(load(TEMPLATE), parameters | given, StackName=name)
        assert made.objections == []
        for function in FUNCTIONS:
            if of := made.resources.get(f"{function.capitalize()}LambdaFunction"):
                place = {"S3Bucket": "invalidator-code-1", "S3Key": f"{RELEASE}/{function}.zip"}
                assert of["Properties"]["Code"] == place
        check_connection(made)


def test_terraform_has_switched_eventbridge_on_when_a_stack_is_made() -> None:
    found = resources()
    owner, stack = found["aws_s3_bucket_notification.origin"], found["aws_cloudformation_stack.invalidator"]
    assert (owner["for_each"], owner["bucket"], owner["eventbridge"]) == (
        "${local.stacks}",
        "${each.value.Bucket}",
        True,
    )
    assert stack["for_each"] == "${local.stacks}"
    assert set(stack["depends_on"]) == {"${aws_s3_bucket_notification.origin}", "${aws_s3_object.zip}"}
    # What the template makes of a role has a name that CloudFormation chooses.
    assert stack["capabilities"] == ["CAPABILITY_IAM"]
    assert not re.search(r"^ +(RoleName|ManagedPolicyName|Path):", TEMPLATE, re.MULTILINE)
    assert "Transform" not in load(TEMPLATE)


def check_connection(made: Deployed) -> None:
    """Look that a stack hears of the bucket from EventBridge."""
    assert made.resources["Connection"]["Properties"]["Target"] == "eventbridge"
    assert "Rule" in made.resources


# --- CDK ------------------------------------------------------------------------------------------------

SYNTHESISE = """
import json, sys, app
refused = []
for name, value in json.loads(sys.argv[1]):
    try:
        app.check({name: value})
    except SystemExit as stop:
        refused.append(str(stop))
print(json.dumps({"stacks": app.STACKS, "refused": refused}))
"""
WRONG = [("Bucket", "s3://my-origin"), ("Gather", "ten"), ("Trigger", "sns")]


def one_form(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value in the form that is right for both. CDK leaves an attribute a text, and sorts what comes first."""
    if isinstance(attribute := value.get("Fn::GetAtt"), str):
        return {"Fn::GetAtt": attribute.split(".", 1)}
    after = value.get("DependsOn", [])
    return value | ({"DependsOn": sorted([after] if isinstance(after, str) else after)} if after else {})


def test_cdk_makes_the_stacks_of_the_template_and_refuses_wrong_values(tmp_path: Path) -> None:
    needed("node")
    shutil.copytree(EXAMPLES / "cdk", tmp_path, dirs_exist_ok=True)
    (tmp_path / RELEASE).mkdir()
    (tmp_path / RELEASE / "invalidator.yml").write_text(TEMPLATE)
    for function in FUNCTIONS:
        (tmp_path / RELEASE / f"{function}.zip").write_text(function)
    said = run(SYNTHESISE, json.dumps(WRONG), folder=tmp_path, CDK_OUTDIR="out", CDK_VALIDATION="false")
    template = json.loads(json.dumps(load(TEMPLATE)), object_hook=one_form)
    declared = template["Parameters"]
    assert said["refused"] == [
        f"{name} is {value!r}: {declared[name]['ConstraintDescription']}" for name, value in WRONG
    ]
    assert len(said["stacks"]) > 1
    for name, given in said["stacks"].items():
        text = (tmp_path / "out" / f"{name}.template.json").read_text()
        synthesised = json.loads(text, object_hook=one_form)
        # What CDK adds, to look whether the account is bootstrapped.
        del synthesised["Parameters"]["BootstrapVersion"], synthesised["Rules"]["CheckBootstrapVersion"]
        code = {"CodeBucket": "code", "CodeKey": ""}
        expected = deployed(template, {"Trigger": "eventbridge"} | code | given, StackName=name)
        made = deployed(synthesised, {}, StackName=name)
        assert (made.objections, expected.objections) == ([], [])
        for function in FUNCTIONS:
            logical = f"{function.capitalize()}LambdaFunction"
            if logical in expected.resources:
                place = made.resources[logical]["Properties"].pop("Code")
                assert (tmp_path / "out" / f"asset.{place['S3Key']}").read_text() == function
                del expected.resources[logical]["Properties"]["Code"]
        assert made.resources == expected.resources
        assert made.outputs == expected.outputs
        check_connection(made)


def test_both_examples_deploy_the_same_stacks() -> None:
    (local,) = terraform()["locals"]
    (shown,) = re.findall(r"^STACKS = (\{.*?^\})", (EXAMPLES / "cdk" / "app.py").read_text(), re.DOTALL | re.MULTILINE)
    assert ast.literal_eval(shown) == local["stacks"]
