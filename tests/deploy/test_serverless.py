"""The deployment: the template that osls makes is complete, least privileged, and agrees with the code."""

import _imp
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
import zipfile
from datetime import UTC, datetime
from importlib.util import MAGIC_NUMBER
from io import StringIO
from pathlib import Path
from tokenize import COMMENT
from typing import Any

import boto3
import pytest

from deploy.bundle import pinned_name
from deploy.zips import without_words
from invalidator import check, custom_resource, handler
from invalidator.aws import sdk
from invalidator.codepipeline import handler as pipeline_handler
from invalidator.connection.heard import Heard
from invalidator.errors import IncompleteError
from invalidator.events.tickets import Ticket, write
from invalidator.limits import MAX_DELAY_SECONDS
from invalidator.local.embedded import embedded_aws
from invalidator.model import Batch, Cause, DistributionId, Item, ObjectChange, ObjectKey, UrlPath
from tests.conftest import SETTINGS
from tests.doubles import strategies as make
from tests.doubles import strict_s3
from tests.doubles.cloudformation import PROPERTIES, QUEUE, STACK, Check, Context, serve_check, variables
from tests.doubles.cloudfront import StrictCloudFront
from tests.doubles.cloudfront_http import serve
from tests.doubles.configurations import behavior, of_buckets
from tests.doubles.configurations import policy as cache_policy
from tests.doubles.packaged import CASES, KEY, ROOT, Package, Packages, alone, needed, osls
from tests.doubles.strategies import Change
from tests.laws.imports import FILES, packaged_with

FUNCTIONS = {
    "invalidate": ("Invalidate", handler),
    "connect": ("Connect", custom_resource),
    "pipeline": ("Pipeline", pipeline_handler),
    "check": ("Check", check),
}
WITH_PIPELINE = [case for case, given in CASES.items() if "pipeline=on" in given]
WITH_CHECK = [case for case, given in CASES.items() if "check=0" not in given]
CASES_WITH = {"pipeline": WITH_PIPELINE, "check": WITH_CHECK}
PACKAGES = ROOT / ".build" / pinned_name()
UNPACKED = shutil.ignore_patterns("__pycache__", "node_modules")
DEPLOYED = [(case, name) for case in CASES for name in FUNCTIONS if case in CASES_WITH.get(name, CASES)]


@pytest.fixture(params=CASES)
def packaged(request: pytest.FixtureRequest, packages: Packages) -> Package:
    """Return each package in turn."""
    return packages[request.param]


def resolved(value: Any) -> Any:
    """Return a value as CloudFormation would fill it in. A reference becomes the name of the resource in brackets."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return "111122223333" if value["Ref"] == "AWS::AccountId" else f"<{value['Ref']}>"
    if set(value) == {"Fn::GetAtt"}:
        return f"<{'.'.join(value['Fn::GetAtt'])}>"
    if set(value) == {"Fn::Sub"}:
        values = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "111122223333"}
        filled = re.sub(r"\$\{([\w:.]+)\}", lambda match: values.get(match[1], f"<{match[1]}>"), value["Fn::Sub"])
        return filled.replace("${!", "${")
    return {name: resolved(item) for name, item in value.items()}


def properties(of: Package, name: str) -> Any:
    return resolved(of.resources[name]["Properties"])


def allowed(of: Package, role: str) -> set[tuple[str, str]]:
    """Return every action that a role may take, with its resource."""
    found = set()
    for policy in properties(of, role)["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, targets = ([x] if isinstance(x, str) else x for x in (statement["Action"], statement["Resource"]))
            found |= {(action, target) for action in actions for target in targets}
    return found


# --- the template ---------------------------------------------------------------------------------------


def test_cfn_lint_has_no_objections(packages: Packages) -> None:
    templates = [packages[case].folder / "cloudformation-template-update-stack.json" for case in CASES]
    linted = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "template.yml", *templates],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


@pytest.mark.parametrize(("case", "name"), DEPLOYED)
def test_a_zip_holds_only_the_modules_that_its_function_imports(packages: Packages, case: str, name: str) -> None:
    module = FUNCTIONS[name][1].__name__.removeprefix("invalidator.")
    needed = packaged_with(module) | (packaged_with("runtime.start") if name not in {"connect", "check"} else set())
    archive = packages[case].zips[name]
    names = {file for file in zipfile.ZipFile(archive).namelist() if file.startswith("invalidator/")}
    sources = {file for file in names if file.endswith(".py")}
    assert sources == {str(FILES[module].relative_to(ROOT)) for module in needed}
    assert names - sources in ({bytecode_of(source) for source in sources}, set())
    of_sources = [item.compress_size for item in zipfile.ZipFile(archive).infolist() if item.filename in sources]
    assert sum(of_sources) < 100 * 1024
    assert archive.stat().st_size < 2_000_000


def bytecode_of(source: str) -> str:
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-313.pyc"


def header_of(source: bytes, magic: bytes, flags: int = 0b11) -> bytes:
    """Return the header of bytecode that has a hash of its source, checked or not: https://peps.python.org/pep-0552/.

    Each version of Python has its own magic number, and hashes with it.
    """
    return magic + flags.to_bytes(4, "little") + _imp.source_hash(int.from_bytes(magic, "little"), source)


@pytest.mark.parametrize(("case", "name"), DEPLOYED)
def test_a_zip_holds_bytecode_of_its_own_sources_for_lambdas_python(packages: Packages, case: str, name: str) -> None:
    archive = zipfile.ZipFile(packages[case].zips[name])
    is_there = any(file.endswith(".pyc") for file in archive.namelist())
    assert is_there == (sys.version_info[:2] == (3, 13))  # the tests package with the Python that runs them
    for source in [file for file in archive.namelist() if file.startswith("invalidator/") and file.endswith(".py")]:
        if is_there:
            header = archive.read(bytecode_of(source))[:16]
            assert header == header_of(archive.read(source), MAGIC_NUMBER)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_zip_holds_the_pinned_packages_and_no_others(packages: Packages, name: str) -> None:
    archive = zipfile.ZipFile(packages["eventbridge"].zips[name])
    theirs = {file for file in archive.namelist() if not file.startswith("invalidator/")}
    modules = {file for file in theirs if file.endswith((".py", ".pyc"))}
    # Without their sources, Python cannot compare them with what they were made of, and takes them as they are.
    assert len({Path(file).suffix for file in modules}) == 1
    for file in modules:
        place, content = Path(file), archive.read(file)
        source = (PACKAGES / place.with_suffix(".py")).read_bytes()
        assert content == source if place.suffix == ".py" else content[:16] == header_of(source, MAGIC_NUMBER, 0b01)
    tops = {file.partition("/")[0].partition(".")[0] for file in modules}
    sdk = {"botocore", "dateutil", "jmespath", "six", "urllib3"}
    assert tops == sdk | ({"aws_lambda_powertools", "typing_extensions"} if name != "connect" else set())
    assert all(
        (PACKAGES / file).exists() for file in theirs if not file.startswith("botocore/data/") and file not in modules
    )
    assert sum(bool(re.search(r"/LICENSE(\.txt)?$", file)) for file in theirs) >= len(tops)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_zip_holds_the_statements_of_the_sources_on_their_lines(packages: Packages, name: str) -> None:
    archive = zipfile.ZipFile(packages["eventbridge"].zips[name])
    for file in [file for file in archive.namelist() if re.fullmatch(r"invalidator/.*[.]py", file)]:
        packed, source = archive.read(file).decode(), (ROOT / file).read_text()
        assert len(packed.splitlines()) <= len(source.splitlines())
        assert dumped(packed) == dumped(source)
        assert not [token for token in tokenize.generate_tokens(StringIO(packed).readline) if token.type == COMMENT]
        assert '"""' not in packed


def dumped(source: str) -> list[str]:
    """Return the statements of a program with their places, without those that are texts or do nothing."""
    return [
        ast.dump(node, include_attributes=True)
        for body in (getattr(node, "body", None) for node in ast.walk(ast.parse(source)))
        for node in (body if isinstance(body, list) else [])
        if not isinstance(node, (ast.Pass, ast.FunctionDef, ast.ClassDef))
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def test_the_same_sources_make_the_same_zips_whatever_lies_about(packages: Packages, tmp_path: Path) -> None:
    assert packages["queue"].zips  # the pinned packages are there
    made = []
    for number, copied in enumerate(("a", "b")):
        root = tmp_path / copied
        for folder in ("deploy", "invalidator"):
            shutil.copytree(ROOT / folder, root / folder, ignore=UNPACKED)
        foreign = root / bytecode_of("invalidator/errors.py")
        foreign.parent.mkdir()
        foreign.write_bytes(b"foreign" * number)
        (root / "zips").mkdir()
        (root / "zips" / PACKAGES.name).symlink_to(PACKAGES)
        environ = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONOPTIMIZE": str(number)}
        program = [sys.executable, "-Es", "-m", "deploy.zips", "zips", str(sys.implementation.cache_tag)]
        subprocess.run(program, cwd=root, env=environ, check=True)
        made.append({file.name: file.read_bytes() for file in (root / "zips").glob("*.zip")})
    assert made[0].keys() == {f"{name}.zip" for name in FUNCTIONS}
    assert made[0] == made[1]


def test_zips_for_another_python_than_the_one_at_hand_are_not_made(tmp_path: Path) -> None:
    program = [sys.executable, "-Es", "-m", "deploy.zips", str(tmp_path / "zips"), "cpython-1"]
    done = subprocess.run(program, cwd=ROOT, check=False)
    assert done.returncode == 3
    assert not (tmp_path / "zips").exists()


@pytest.mark.parametrize(
    ("source", "packed"),
    [
        ('"""It."""\n\nX = 1  # one\n', "\n\nX = 1\n"),
        ('class A(Exception):\n    """It."""\n', "class A(Exception):\n    pass\n"),
        ('def f():\n    """It.\n\n    More.\n    """\n    ...\n', "def f():\n\n\n\n\n    ...\n"),
        ('def f():\n    # why\n    return "# no comment"\n', 'def f():\n\n    return "# no comment"\n'),
        ('X = 1\n"""About X."""\n', "X = 1\n\n"),
        ('X = "\x0c\u2028"  # odd\n', 'X = "\x0c\u2028"\n'),
        ("def f(): ...\n", "def f(): ...\n"),
    ],
)
def test_words_are_left_out_and_nothing_else(source: str, packed: str) -> None:
    assert without_words(source) == packed


@pytest.mark.parametrize("source", ['"""It."""; X = 1\n', 'class A: "It."\n', 'X = 1; "It."\n'])
def test_what_shares_its_line_with_a_docstring_is_refused(source: str) -> None:
    with pytest.raises(SyntaxError):
        without_words(source)


def make_zips(folder: Path, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Let package.js answer a command of osls in a copy of the project, where nothing is on the PATH."""
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=UNPACKED)
    script = """
        const resolveVariable = async () => 'my-origin';
        require('./deploy/package.js')({ resolveVariable }).then((made) => console.log(JSON.stringify(made)));
    """
    program, environ = [needed("node"), "-e", script, command], {"PATH": str(folder), **environ}
    return subprocess.run(program, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_without_any_python_packaging_ends_with_a_sentence(tmp_path: Path) -> None:
    done = make_zips(tmp_path, "package")
    assert done.stderr.startswith("The zips were not made, for which Python 3.11 or later is needed")


def test_a_python_that_is_named_and_none_is_said_to_be_none(tmp_path: Path) -> None:
    done = make_zips(tmp_path, "deploy", PYTHON="/no/such")
    assert "Python 3.11 or later is needed. PYTHON=/no/such is no such Python." in done.stderr


def test_why_pip_cannot_get_the_packages_is_said(tmp_path: Path) -> None:
    done = make_zips(tmp_path, "package", PYTHON=sys.executable, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.stderr.startswith("The zips were not made.\n")
    assert "pip cannot get the packages of requirements-lambda.txt: ERROR: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_needs_no_zips_makes_none(tmp_path: Path) -> None:
    done = make_zips(tmp_path, "info", PYTHON="/no/such")
    assert json.loads(done.stdout) == {name: {} for name in FUNCTIONS}
    assert not (tmp_path / ".build").exists()


def zips_by_make(python: str) -> subprocess.CompletedProcess[str]:
    """Run "make zips" in the project, with this Python."""
    program, environ = ["make", "zips", f"PYTHON={python}"], {"PATH": os.environ["PATH"]}
    return subprocess.run(program, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_make_zips_makes_those_that_osls_takes(packages: Packages) -> None:
    before = {name: file.read_bytes() for name, file in packages["discover"].zips.items()}
    with alone(ROOT / ".osls.lock"):
        done = zips_by_make(sys.executable)
    assert done.returncode == 0, done.stderr
    assert (done.stderr == "") == (sys.version_info[:2] == (3, 13))
    assert {name: (ROOT / ".build" / f"{name}.zip").read_bytes() for name in FUNCTIONS} == before


def test_make_zips_without_a_python_ends_with_a_sentence() -> None:
    done = zips_by_make("/no/such")
    assert done.returncode == 2
    assert done.stderr.startswith("make: the zips were not made, for which Python 3.11 or later is needed.")


@pytest.mark.parametrize(("case", "name"), DEPLOYED)
def test_the_functions_are_as_they_should_be(packages: Packages, case: str, name: str) -> None:
    packaged = packages[case]
    prefix, module = FUNCTIONS[name]
    function = properties(packaged, f"{prefix}LambdaFunction")
    assert function["Handler"] == f"{module.__name__}.lambda_handler"
    assert callable(module.lambda_handler)
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["Role"] == f"<{prefix}Role.Arn>"
    assert function["Description"]
    assert function["MemorySize"] >= 256
    log = properties(packaged, f"{prefix}LogGroup")
    assert log["LogGroupName"] == f"/aws/lambda/{function['FunctionName']}"
    assert log["RetentionInDays"] == int(packaged.given.get("log-retention", "30"))


def test_an_invocation_has_time_for_a_throttled_account(packaged: Package) -> None:
    # Time for eight attempts of a call that hangs, or for the pauses between them.
    assert properties(packaged, "InvalidateLambdaFunction")["Timeout"] >= 8 * sdk.LONGEST_ATTEMPT


@pytest.mark.parametrize("case", WITH_PIPELINE)
def test_a_job_of_codepipeline_is_answered_before_codepipeline_gives_it_up(packages: Packages, case: str) -> None:
    function = properties(packages[case], "PipelineLambdaFunction")
    assert function["Timeout"] >= 8 * sdk.LONGEST_ATTEMPT
    # Lambda makes three attempts by default, with pauses of one and two minutes between them.
    assert 3 * function["Timeout"] + 60 + 120 < 20 * 60
    kinds = ("AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission")
    others = {name for name, resource in packages[case].resources.items() if resource["Type"] in kinds}
    assert not [name for name in others if "Pipeline" in json.dumps(packages[case].resources[name])]


def test_the_functions_need_no_layer(packaged: Package) -> None:
    assert not [name for name, resource in packaged.resources.items() if "Layers" in resource["Properties"]]


@pytest.mark.parametrize(("case", "function"), DEPLOYED)
def test_every_variable_is_one_that_is_read(packages: Packages, case: str, function: str) -> None:
    modules = packaged_with(FUNCTIONS[function][1].__name__.removeprefix("invalidator."))
    text = "".join(FILES[module].read_text() for module in modules)
    for name in properties(packages[case], f"{FUNCTIONS[function][0]}LambdaFunction")["Environment"]["Variables"]:
        assert f'"{name}"' in text


def test_without_a_pipeline_there_is_nothing_of_it(packages: Packages) -> None:
    for case in set(CASES) - set(WITH_PIPELINE):
        assert "ipeline" not in json.dumps(packages[case].template)
        assert "pipeline" not in packages[case].zips
    assert 0 < len(WITH_PIPELINE) < len(CASES)


def test_without_a_check_there_is_nothing_of_it(packages: Packages) -> None:
    for case in set(CASES) - set(WITH_CHECK):
        assert not re.search("[Cc]heck|heard|Heard|Disconnected|CaughtUp", json.dumps(packages[case].template))
        assert "check" not in packages[case].zips
    assert 0 < len(WITH_CHECK) < len(CASES)


@pytest.mark.parametrize("case", WITH_CHECK)
def test_the_check_knows_what_was_deployed(packages: Packages, case: str) -> None:
    wiring = {"QUEUE_URL": "<Queue>", "MAPPING": "<InvalidateEventSourceMappingSQSQueue>", "RULE": "<Rule>"}
    names = {"direct": [], "eventbridge": [*wiring]}.get(case, ["QUEUE_URL", "MAPPING"])
    connected = variables(properties(packages[case], "Connection"))
    del connected["STACK_ID"]
    assert properties(packages[case], "CheckLambdaFunction")["Environment"]["Variables"] == {
        **connected,
        **{name: wiring[name] for name in names},
        "REPAIR": packages[case].given.get("repair", "off"),
        "HEARD_PARAMETER": "<Heard>",
        "POWERTOOLS_SERVICE_NAME": "invalidator-dev",
    }
    heard = properties(packages[case], "Heard")
    assert (heard["Type"], heard["Tier"], heard["Value"]) == ("String", "Standard", "{}")


@pytest.mark.parametrize("case", WITH_CHECK)
def test_the_check_comes_as_often_as_it_is_asked_for(packages: Packages, case: str) -> None:
    minutes = int(packages[case].given.get("check", "60"))
    schedule, permission = (properties(packages[case], f"Check{name}") for name in ("Schedule", "Permission"))
    assert schedule["ScheduleExpression"] == f"rate({minutes} minutes)"
    assert [target["Arn"] for target in schedule["Targets"]] == ["<CheckLambdaFunction.Arn>"]
    assert permission == {
        "FunctionName": "<CheckLambdaFunction.Arn>",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": f"arn:aws:events:us-east-1:111122223333:rule/{schedule['Name']}",
    }
    assert properties(packages[case], "CheckLambdaFunction")["Timeout"] == 900


@pytest.mark.parametrize("case", WITH_PIPELINE)
def test_the_pipeline_function_has_the_same_distributions_but_no_keys(packages: Packages, case: str) -> None:
    known = properties(packages[case], "PipelineLambdaFunction")["Environment"]["Variables"]
    others = properties(packages[case], "InvalidateLambdaFunction")["Environment"]["Variables"]
    assert known == {name: others[name] for name in known}
    names = {"DISTRIBUTION_IDS", "DISTRIBUTION_IDS_SECRET", "DISTRIBUTION_IDS_PARAMETER"}
    names |= {"SETTINGS_TTL", "DISCOVER_TAG", "DISCOVER_BUCKET", "POWERTOOLS_SERVICE_NAME"}
    assert set(known) == names
    assert known["DISCOVER_BUCKET"] == "my-origin"


@pytest.mark.parametrize("case", WITH_PIPELINE)
def test_the_stack_tells_the_name_that_actions_of_pipelines_need(packages: Packages, case: str) -> None:
    assert packages[case].template["Outputs"]["PipelineFunction"]["Value"] == {"Ref": "PipelineLambdaFunction"}


@pytest.mark.parametrize("case", CASES)
def test_the_stack_tells_the_queues_that_an_operator_needs(packages: Packages, case: str) -> None:
    outputs = packages[case].template["Outputs"]
    assert outputs["Function"]["Value"] == {"Ref": "InvalidateLambdaFunction"}
    assert outputs["DeadLetters"]["Value"] == {"Ref": "DeadLetters"}
    assert outputs.get("Queue", {}).get("Value") == (None if case == "direct" else {"Ref": "Queue"})
    mapping = {"Ref": "InvalidateEventSourceMappingSQSQueue"}
    assert outputs.get("EventSourceMapping", {}).get("Value") == (None if case == "direct" else mapping)
    assert outputs.get("Rule", {}).get("Value") == ({"Ref": "Rule"} if case == "eventbridge" else None)


@pytest.mark.parametrize(
    ("case", "variable", "value"),
    [
        ("queue", "DISTRIBUTION_IDS", "E1A2B3C4D5E6F7,E7F6D5C4B3A2E1"),
        ("discover", "DISTRIBUTION_IDS", "discover,dt_1wFXwCQzpJbJnDg3j8XuV1LhPZ4"),
        ("direct", "DISTRIBUTION_IDS_SECRET", "cloudfront/ids"),
        ("eventbridge", "DISTRIBUTION_IDS_PARAMETER", "/cloudfront/ids"),
    ],
)
def test_the_distributions_come_from_where_the_parameter_says(
    packages: Packages, case: str, variable: str, value: str
) -> None:
    variables = properties(packages[case], "InvalidateLambdaFunction")["Environment"]["Variables"]
    assert variables["INDEX_DOCUMENT"] == ("default.htm" if case == "direct" else "index.html")
    given = {name: text for name, text in variables.items() if name.startswith("DISTRIBUTION") and text}
    assert given == {variable: value}


def test_what_the_function_is_to_know_of_urls_reaches_it(packages: Packages) -> None:
    variables = properties(packages["discover"], "InvalidateLambdaFunction")["Environment"]["Variables"]
    assert {name: text for name, text in variables.items() if text and name in SETTINGS - {"INDEX_DOCUMENT"}} == {
        "QUEUE_URL": "<Queue>",
        "DEAD_LETTERS_URL": "<DeadLetters>",
        "STACK_ID": "<AWS::StackId>",
        "DISCOVER_BUCKET": "my-origin",
        "DESCRIBE": "on",
        "SETTINGS_TTL": "60",
        "DIRECTORY_URLS": "bare",
        "ERROR_PAGES": "ignore",
        "TILDES": "wildcard",
        "DISCOVER_TAG": "invalidate=yes",
        "RULES": '[{"match": "^(.*)[.]html$", "also": ["/$1", "#page:$1"]}]',
        "RULES_PARAMETER": "/cloudfront/rules",
        "EXCLUDE": "assets/*.????????.js",
        "MAX_PATHS": "3000",
        "SKIP_UNCHANGED": "versions",
        "GATHER": "60",
        "DEPLOY_MARKER": ".deployed",
        "REPEAT_AFTER": "10",
        "MONTHLY_BUDGET": "5",
    }
    variables = properties(packages["direct"], "InvalidateLambdaFunction")["Environment"]["Variables"]
    assert (variables["DESCRIBE"], variables["SKIP_UNCHANGED"], variables["MONTHLY_BUDGET"]) == ("off", "", "")
    assert (variables["ERROR_PAGES"], variables["TILDES"]) == ("clear", "exact")
    variables = properties(packages["eventbridge"], "InvalidateLambdaFunction")["Environment"]["Variables"]
    assert (variables["MAX_PATHS"], variables["SKIP_UNCHANGED"]) == ("500", "versions+metadata")


def test_the_function_knows_the_queues_that_there_are(packages: Packages) -> None:
    for case, expected in {"queue": True, "direct": False, "eventbridge": True}.items():
        variables = properties(packages[case], "InvalidateLambdaFunction")["Environment"]["Variables"]
        queues = {name: value for name, value in variables.items() if name.endswith("_URL")}
        assert queues == ({"QUEUE_URL": "<Queue>", "DEAD_LETTERS_URL": "<DeadLetters>"} if expected else {})


# --- triggers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["queue", "eventbridge"])
def test_a_queue_gathers_many_changes_and_loses_none(packages: Packages, case: str) -> None:
    mapping = properties(packages[case], "InvalidateEventSourceMappingSQSQueue")
    queue = properties(packages[case], "Queue")
    timeout = properties(packages[case], "InvalidateLambdaFunction")["Timeout"]
    assert mapping["EventSourceArn"] == "<Queue.Arn>"
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (4000, 2)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert queue["VisibilityTimeout"] >= 6 * timeout + mapping["MaximumBatchingWindowInSeconds"]
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "<DeadLetters.Arn>", "maxReceiveCount": 5}


def test_a_burst_and_a_second_clearing_wait_on_a_queue_only(packages: Packages) -> None:
    def of(case: str) -> tuple[str | None, str | None, str | None]:
        variables = properties(packages[case], "InvalidateLambdaFunction")["Environment"]["Variables"]
        return variables.get("GATHER"), variables.get("DEPLOY_MARKER"), variables.get("REPEAT_AFTER")

    assert of("queue") == ("300", "", "0")
    assert of("discover") == ("60", ".deployed", "10")
    assert of("eventbridge") == ("0", "", "0")
    assert of("direct") == (None, None, None)


@pytest.mark.parametrize("case", CASES)
def test_a_ticket_may_go_round_as_often_as_it_has_to(packages: Packages, case: str) -> None:
    # By default, Lambda stops a function that has sent to its own queue about 16 times in a row.
    function = properties(packages[case], "InvalidateLambdaFunction")
    assert function.get("RecursiveLoop") == ("Allow" if "Queue" in packages[case].resources else None)


@pytest.mark.parametrize("case", ["queue", "eventbridge"])
def test_what_is_given_up_is_kept_for_ten_days_at_least(packages: Packages, case: str) -> None:
    queue, letters = properties(packages[case], "Queue"), properties(packages[case], "DeadLetters")
    kept = letters["MessageRetentionPeriod"] - queue["MessageRetentionPeriod"]  # the age of a message is not reset
    assert kept == 10 * 24 * 60 * 60
    tries = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
    assert tries < queue["MessageRetentionPeriod"]


def test_dead_letters_are_kept_for_two_weeks(packaged: Package) -> None:
    letters = properties(packaged, "DeadLetters")
    assert letters["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


def test_no_queue_may_have_the_dead_letters_where_there_is_none(packages: Packages) -> None:
    allowed = {case: properties(packages[case], "DeadLetters")["RedriveAllowPolicy"] for case in CASES}
    permissions = {case: policy.pop("redrivePermission") for case, policy in allowed.items()}
    assert permissions == dict.fromkeys(CASES, "allowAll") | {"direct": "denyAll"}
    assert not any(allowed.values())


def test_queues_and_logs_have_the_given_key_or_those_of_aws(packaged: Package) -> None:
    key = packaged.given.get("kms-key")
    queues = [name for name in packaged.resources if packaged.resources[name]["Type"] == "AWS::SQS::Queue"]
    logs = [name for name in packaged.resources if packaged.resources[name]["Type"] == "AWS::Logs::LogGroup"]
    assert set(queues) >= {"DeadLetters"}
    assert set(logs) >= {"InvalidateLogGroup", "ConnectLogGroup"}
    for name in queues:
        kept = {field: value for field, value in properties(packaged, name).items() if "Kms" in field or "Sse" in field}
        assert kept == ({"KmsMasterKeyId": key} if key else {"SqsManagedSseEnabled": True})
    assert [properties(packaged, name).get("KmsKeyId") for name in logs] == [key] * len(logs)
    assert key or not re.search(r"\bkms\b|Kms", json.dumps(packaged.template))


def sending_to(of: Package, policy: str) -> Any:
    """Return the services that may send to each queue, and the condition."""
    found = properties(of, policy)
    (statement,) = found["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Resource"] == found["Queues"][0].replace(">", ".Arn>")
    return statement["Principal"], statement["Condition"]


def test_only_this_bucket_of_this_account_may_send_to_the_queue(packages: Packages) -> None:
    principal, condition = sending_to(packages["queue"], "QueuePolicy")
    assert principal == {"Service": "s3.amazonaws.com"}
    assert condition == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::my-origin"},
        "StringEquals": {"aws:SourceAccount": "111122223333"},
    }


def test_a_direct_event_that_fails_three_times_is_kept(packages: Packages) -> None:
    retries = properties(packages["direct"], "OnFailure")
    assert retries["FunctionName"] == "<InvalidateLambdaFunction>"
    assert retries["MaximumRetryAttempts"] == 2
    assert retries["DestinationConfig"] == {"OnFailure": {"Destination": "<DeadLetters.Arn>"}}
    assert retries["Qualifier"] == "$LATEST"
    assert properties(packages["direct"], "BucketPermission") == {
        "FunctionName": "<InvalidateLambdaFunction.Arn>",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceArn": "arn:aws:s3:::my-origin",
        "SourceAccount": "111122223333",
    }
    assert "Queue" not in packages["direct"].resources


def test_a_rule_of_eventbridge_fills_the_queue(packages: Packages) -> None:
    rule = properties(packages["eventbridge"], "Rule")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created", "Object Deleted", "Object ACL Updated"],
        "detail": {"bucket": {"name": ["my-origin"]}, "object": {"key": [{"wildcard": "blog/*.html"}]}},
    }
    (target,) = rule["Targets"]
    assert (target["Arn"], target["DeadLetterConfig"]) == ("<Queue.Arn>", {"Arn": "<DeadLetters.Arn>"})
    for policy in ("QueuePolicy", "DeadLettersPolicy"):
        principal, condition = sending_to(packages["eventbridge"], policy)
        assert principal == {"Service": "events.amazonaws.com"}
        assert condition == {"ArnEquals": {"aws:SourceArn": "<Rule.Arn>"}}  # the ARN contains the account


@pytest.mark.parametrize(
    ("case", "target"),
    [("queue", "<Queue.Arn>"), ("direct", "<InvalidateLambdaFunction.Arn>"), ("eventbridge", "eventbridge")],
)
def test_the_bucket_is_connected_to_the_stack(packages: Packages, case: str, target: str) -> None:
    connection = properties(packages[case], "Connection")
    assert (connection["Bucket"], connection["Target"]) == ("my-origin", target)
    assert connection["EntryId"] == "<AWS::StackName>"
    fixed = properties(packages[case], "ConnectLambdaFunction")["Environment"]["Variables"]
    starting = {"CHECK_FUNCTION": "<CheckLambdaFunction>", "HEARD_PARAMETER": "<Heard>"}
    told = starting if case in WITH_CHECK else {}
    assert fixed == variables(connection) | {"STACK_ID": "<AWS::StackId>"} | told
    assert connection["ServiceToken"] == "<ConnectLambdaFunction.Arn>"
    # A function that cannot start never answers, and CloudFormation waits an hour by default.
    timeout = properties(packages[case], "ConnectLambdaFunction")["Timeout"]
    assert timeout < connection["ServiceTimeout"] <= 600


def test_the_bucket_is_connected_last_so_that_nothing_fails_meanwhile(packaged: Package) -> None:
    before = set(packaged.resources["Connection"]["DependsOn"])
    waiting = ["ConnectLambdaFunction", "DeadLetters", *before]
    while waiting:
        name = waiting.pop()
        before.add(name)
        text = json.dumps(packaged.resources[name])
        referred = set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', text))
        referred |= set(packaged.resources[name].get("DependsOn", []))
        waiting += [other for other in referred & set(packaged.resources) if other not in before]
    # A check that came before would find nothing connected; one that came while all is removed would connect it again.
    after = {"CheckSchedule"} & set(packaged.resources)
    assert set(packaged.resources) - before == {"Connection", "ServerlessDeploymentBucketPolicy"} | after
    assert all("Connection" in packaged.resources[name]["DependsOn"] for name in after)


def test_a_request_to_connect_never_comes_late(packaged: Package) -> None:
    late = properties(packaged, "ConnectLambdaEvConf")
    assert late["FunctionName"] == "<ConnectLambdaFunction>"
    assert late["MaximumRetryAttempts"] == 0
    assert late["MaximumEventAgeInSeconds"] <= properties(packaged, "Connection")["ServiceTimeout"] / 2


@pytest.mark.parametrize("case", WITH_CHECK)
def test_a_check_never_comes_late(packages: Packages, case: str) -> None:
    """It could put the entry back after its stack has been removed."""
    late = properties(packages[case], "CheckLambdaEvConf")
    assert late["FunctionName"] == "<CheckLambdaFunction>"
    assert (late["MaximumRetryAttempts"], late["MaximumEventAgeInSeconds"]) == (0, 300)


def test_each_deployment_asks_for_the_connection_anew(packages: Packages) -> None:
    asked = {properties(packages[case], "Connection")["Deployment"] for case in CASES}
    assert len(asked) == len(CASES)


def test_prefix_and_suffix_reach_the_bucket(packages: Packages) -> None:
    for case, expected in {"queue": ("", ""), "direct": ("blog/", ".html")}.items():
        connection = properties(packages[case], "Connection")
        assert (connection["Prefix"], connection["Suffix"]) == expected


@pytest.mark.parametrize("step", ["create", "update"])
def test_nobody_reads_the_deployment_bucket_in_public_or_without_tls(packaged: Package, step: str) -> None:
    template = json.loads((packaged.folder / f"cloudformation-template-{step}-stack.json").read_text())
    bucket = template["Resources"]["ServerlessDeploymentBucket"]["Properties"]
    blocked = {f"{verb}Public{what}" for verb, what in (("Block", "Acls"), ("Block", "Policy"), ("Ignore", "Acls"))}
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys({*blocked, "RestrictPublicBuckets"}, True)
    policy = template["Resources"]["ServerlessDeploymentBucketPolicy"]["Properties"]
    assert policy["Bucket"] == {"Ref": "ServerlessDeploymentBucket"}
    (denied,) = policy["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    ends = [arn["Fn::Join"][1][-1] for arn in denied["Resource"]]
    assert ends == ["/*", {"Ref": "ServerlessDeploymentBucket"}]  # all objects, and the bucket itself


# --- permissions ----------------------------------------------------------------------------------------


def writing_to(log_group: str) -> set[tuple[str, str]]:
    return {("logs:CreateLogStream", f"<{log_group}.Arn>"), ("logs:PutLogEvents", f"<{log_group}.Arn>")}


RECEIVING = {(f"sqs:{name}", "<Queue.Arn>") for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
STORING = {("sqs:SendMessage", "<Queue.Arn>"), ("sqs:SendMessage", "<DeadLetters.Arn>")}
USING_THE_KEY = {(f"kms:{name}", KEY) for name in ("Decrypt", "GenerateDataKey")}
KEEPING = {("sqs:SendMessage", "<DeadLetters.Arn>")}


def cloudfront(resource: str, *actions: str) -> set[tuple[str, str]]:
    arn = resource if resource == "*" else f"arn:aws:cloudfront::111122223333:{resource}"
    return {(f"cloudfront:{action}", arn) for action in actions}


def parameter(name: str) -> set[tuple[str, str]]:
    return {("ssm:GetParameter", f"arn:aws:ssm:us-east-1:111122223333:parameter/{name}")}


def of_bucket(*actions: str, objects: str = "") -> set[tuple[str, str]]:
    return {(f"s3:{action}", f"arn:aws:s3:::my-origin{objects}") for action in actions}


DISCOVERING = cloudfront("*", "ListDistributions", "ListDistributionTenants") | cloudfront(
    "distribution/*", "ListTagsForResource"
)
POLICIES = cloudfront("cache-policy/*", "GetCachePolicyConfig")
INVALIDATING_ANY = cloudfront("distribution/*", "CreateInvalidation") | cloudfront(
    "distribution-tenant/*", "CreateInvalidationForDistributionTenant"
)
DESCRIBING_ANY = (
    POLICIES
    | cloudfront("distribution/*", "GetDistributionConfig")
    | cloudfront("distribution-tenant/*", "GetDistributionTenant")
)
MAY = {
    "queue": RECEIVING
    | STORING
    | POLICIES
    | of_bucket("ListBucket")
    | cloudfront("distribution/E1A2B3C4D5E6F7", "CreateInvalidation", "GetDistributionConfig")
    | cloudfront("distribution/E7F6D5C4B3A2E1", "CreateInvalidation", "GetDistributionConfig"),
    "discover": RECEIVING
    | STORING
    | INVALIDATING_ANY
    | DESCRIBING_ANY
    | DISCOVERING
    | of_bucket("ListBucket", "ListBucketVersions")
    | {("cloudwatch:GetMetricStatistics", "*")}
    | parameter("cloudfront/rules"),
    "direct": KEEPING
    | USING_THE_KEY
    | INVALIDATING_ANY
    | of_bucket("ListBucket")
    | {("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:cloudfront/ids-??????")},
    "eventbridge": RECEIVING
    | STORING
    | USING_THE_KEY
    | INVALIDATING_ANY
    | DESCRIBING_ANY
    | of_bucket("ListBucket", "ListBucketVersions")
    | of_bucket("GetObjectVersion", objects="/*")
    | parameter("cloudfront/ids"),
}
BY_JOBS = (
    INVALIDATING_ANY
    | cloudfront("distribution/*", "GetInvalidation")
    | cloudfront("distribution-tenant/*", "GetInvalidationForDistributionTenant")
    | {("codepipeline:PutJobSuccessResult", "*"), ("codepipeline:PutJobFailureResult", "*")}
)
MAY_FOR_PIPELINES = {
    "discover": BY_JOBS | DISCOVERING,
    "eventbridge": BY_JOBS | parameter("cloudfront/ids") | parameter("sites/*") | parameter("shop/ids"),
}


REMEMBERING = {
    (f"ssm:{name}", "arn:aws:ssm:us-east-1:111122223333:parameter/<Heard>") for name in ("GetParameter", "PutParameter")
}
MAPPING = "arn:aws:lambda:us-east-1:111122223333:event-source-mapping:<InvalidateEventSourceMappingSQSQueue>"
LOOKING = of_bucket("GetBucketLocation", "GetBucketNotification", "ListBucketVersions") | REMEMBERING
AT_THE_QUEUE = {
    ("sqs:GetQueueAttributes", "<Queue.Arn>"),
    ("sqs:SendMessage", "<Queue.Arn>"),
    ("lambda:GetEventSourceMapping", MAPPING),
}
MAY_FOR_CHECKS = {
    "discover": LOOKING | AT_THE_QUEUE | of_bucket("PutBucketNotification"),
    "direct": LOOKING
    | {(f"lambda:{name}", "<InvalidateLambdaFunction.Arn>") for name in ("GetPolicy", "InvokeFunction")},
    "eventbridge": LOOKING | AT_THE_QUEUE | {("events:DescribeRule", "<Rule.Arn>")} | USING_THE_KEY,
}


@pytest.mark.parametrize("case", CASES)
def test_each_role_may_do_what_it_needs_on_what_it_needs(packages: Packages, case: str) -> None:
    assert allowed(packages[case], "InvalidateRole") == MAY[case] | writing_to("InvalidateLogGroup")
    assert allowed(packages[case], "ConnectRole") == writing_to("ConnectLogGroup") | {
        (f"s3:{name}", "arn:aws:s3:::my-origin")
        for name in ("GetBucketLocation", "GetBucketNotification", "PutBucketNotification")
    } | ({("lambda:InvokeFunction", "<CheckLambdaFunction.Arn>")} | REMEMBERING if case in WITH_CHECK else set())
    roles = {name for name, resource in packages[case].resources.items() if resource["Type"] == "AWS::IAM::Role"}
    assert roles == {"InvalidateRole", "ConnectRole"} | {
        f"{FUNCTIONS[name][0]}Role" for name, cases in CASES_WITH.items() if case in cases
    }
    if case in WITH_CHECK:
        assert allowed(packages[case], "CheckRole") == MAY_FOR_CHECKS[case] | writing_to("CheckLogGroup")
    if case in MAY_FOR_PIPELINES:
        assert allowed(packages[case], "PipelineRole") == MAY_FOR_PIPELINES[case] | writing_to("PipelineLogGroup")
    for role in roles:
        (trust,) = properties(packages[case], role)["AssumeRolePolicyDocument"]["Statement"]
        assert trust == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


def test_the_rights_of_a_deployer_name_every_service_of_the_stack(packaged: Package) -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    table = page.partition("\n### What you must be allowed to do\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) - {"service"}
    assert {"CloudFormation", "EventBridge"} <= told
    named_otherwise = {"Events": "EventBridge"}
    kinds = [resource["Type"] for resource in packaged.resources.values()]
    services = {kind.split("::")[1] for kind in kinds if kind.startswith("AWS::")}
    assert {named_otherwise.get(name, name) for name in services} <= told


def test_no_arn_is_tied_to_a_partition(packages: Packages) -> None:
    assert "arn:aws" not in json.dumps(packages["queue"].template)


# Lambda's own calls in the name of the role: it polls the queue, or keeps failed events if there is no queue. (It also
# writes the log.) And those of SQS, which uses the key in the name of who sends and receives.
BY_LAMBDA = {
    "queue": RECEIVING,
    "discover": RECEIVING,
    "direct": KEEPING | USING_THE_KEY,
    "eventbridge": RECEIVING | USING_THE_KEY,
}


def ticket_of_many_attempts(distribution: str) -> Any:
    """Return a ticket that is given up after one more attempt."""
    change = ObjectChange("origin", ObjectKey("b"), "b")
    item = Item(UrlPath("/b"), (Cause(change, "object"),))
    batch = Batch(DistributionId(distribution), (item,), f"invalidator-{'0' * 32}", attempts=4, apart=True)
    return json.loads(write(Ticket(batch, "AccessDenied")))


def uploaded_again(key: str) -> Any:
    """Return the event of an object that existed before, in a bucket with versions."""
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket="origin", VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        version = s3.put_object(Bucket="origin", Key=key, Body=b"1")["VersionId"]
    return make.s3_record(Change(key, version=version)) | {"eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def messages_in(url: str) -> int:
    """Count the messages of a queue, the delayed ones included."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))


def an_account() -> StrictCloudFront:
    """Return an account with distributions of all kinds and a cache policy. E2 has tenants."""
    config = of_buckets("origin") | {"DefaultCacheBehavior": behavior("origin", "mine")}
    account = StrictCloudFront(
        {"E1ABCDEFGH"},
        configs={"E1ABCDEFGH": config, "E2": config | {"ConnectionMode": "tenant-only"}},
        policies={"mine": cache_policy("none")},
        tenants={"dt_1": ("E2", {}), "dt_2": ("E2", {})},
    )
    account.tags = {id_: {"invalidate": "yes"} for id_ in account.configs}
    return account


@pytest.mark.parametrize("case", CASES)
def test_the_function_may_make_exactly_the_calls_that_it_makes(
    packages: Packages, case: str, called: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_aws(), serve(an_account()) as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", account)
        boto3.client("secretsmanager").create_secret(Name="cloudfront/ids", SecretString="E1ABCDEFGH dt_2 E0MISSINGX")
        boto3.client("ssm").put_parameter(Name="/cloudfront/ids", Value="E1ABCDEFGH dt_2 E0MISSINGX", Type="String")
        boto3.client("ssm").put_parameter(Name="/cloudfront/rules", Value="[]", Type="String")
        listed = {"queue": "E1ABCDEFGH E0MISSINGX", "discover": "discover dt_2 E0MISSINGX"}.get(case, "")
        queues = {
            f"<{name}>": boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
            for name in ("Queue", "DeadLetters")
        }
        variables = properties(packages[case], "InvalidateLambdaFunction")["Environment"]["Variables"]
        for name, value in variables.items():
            monkeypatch.setenv(name, listed if name == "DISTRIBUTION_IDS" else queues.get(value, value))
        boto3.client("s3").put_object(Bucket="origin", Key="other")  # that a wildcard would evict
        changed = [uploaded_again("a"), *(make.s3_record(Change(key)) for key in "bcd")]
        event = {"Records": [*changed, ticket_of_many_attempts("E0MISSINGX")]}
        called.clear()
        if case == "direct":
            with pytest.raises(IncompleteError, match="E0MISSINGX: /a and 3 more not invalidated"):
                handler.lambda_handler(event)
        else:
            assert handler.lambda_handler(event)["tickets"] == 2
        made = set(called)
        stored = {name for name, url in queues.items() if messages_in(url)}
    assert made == {action for action, _ in MAY[case] - BY_LAMBDA[case]}
    assert stored == {queue.replace(".Arn", "") for action, queue in MAY[case] - BY_LAMBDA[case] if "Send" in action}


def a_job(**wished: Any) -> Any:
    """Return a job of CodePipeline with these parameters."""
    event = json.loads((ROOT / "events" / "codepipeline-job.json").read_text())
    event["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"]["UserParameters"] = json.dumps(wished)
    return event


@pytest.mark.parametrize("case", WITH_PIPELINE)
def test_the_pipeline_function_may_make_exactly_the_calls_that_it_makes(
    packages: Packages, case: str, called: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_aws() as aws, serve(an_account()) as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFRONT", account)
        boto3.client("ssm").put_parameter(Name="/cloudfront/ids", Value="E1ABCDEFGH dt_2", Type="String")
        variables = properties(packages[case], "PipelineLambdaFunction")["Environment"]["Variables"]
        given = {"DISTRIBUTION_IDS": "discover dt_2" if case == "discover" else "", "DISCOVER_BUCKET": "origin"}
        for name, value in (variables | given).items():
            monkeypatch.setenv(name, value)
        called.clear()
        handler.lambda_handler(a_job(wait=True))
        handler.lambda_handler(a_job(objectPaths=["no path"]))
        made = set(called)
        answers = aws.job_answers
    assert made == {action for action, _ in MAY_FOR_PIPELINES[case]}
    assert ["failureDetails" in answer for answer in answers] == [False, True]


def test_the_connection_may_make_exactly_the_calls_that_it_makes(
    packages: Packages, called: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    event: dict[str, Any] = {"RequestType": "Create", "StackId": STACK, "ResourceProperties": PROPERTIES}
    s3 = strict_s3.StrictS3({"origin": "us-east-1"}, {QUEUE})
    double = Check()
    double.hear(Heard(datetime.now(UTC)))
    with strict_s3.serve(s3) as endpoint, serve_check(double) as others:
        endpoints = dict.fromkeys(["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_SSM"], others)
        endpoints |= {"AWS_ENDPOINT_URL": endpoint, "CHECK_FUNCTION": "check", "HEARD_PARAMETER": "heard"}
        for name, value in (endpoints | variables(PROPERTIES)).items():
            monkeypatch.setenv(name, value)
        connected = custom_resource._carry_out(event, Context())
        custom_resource._start_check()
        custom_resource._carry_out(event | {"RequestType": "Delete", "PhysicalResourceId": connected}, Context())
    of_role = allowed(packages["discover"], "ConnectRole") - writing_to("ConnectLogGroup")
    assert called == {action for action, _ in of_role}


# --- alarms ---------------------------------------------------------------------------------------------


ONLY_WITH = {
    "OldMessagesAlarm": "Queue",
    "TicketsAlarm": "Queue",
    "PipelineErrorsAlarm": "PipelineLambdaFunction",
    "DisconnectedAlarm": "CheckLambdaFunction",
    "CatchUpAlarm": "CheckLambdaFunction",
    "CheckErrorsAlarm": "CheckLambdaFunction",
    "NoChecksAlarm": "CheckLambdaFunction",
}
OF_CHECKS = {"CheckErrorsAlarm", "NoChecksAlarm", "DisconnectedAlarm", "CatchUpAlarm"}
# Statistic, seconds and number of periods. A single ticket for a busy distribution is normal; tickets for a quarter of
# an hour are not. Alarms of the check look at as many periods as minutes lie between two checks.
WITHIN = {
    "DeadLettersAlarm": ("Maximum", 60, 1),
    "ErrorsAlarm": ("Sum", 60, 1),
    "PipelineErrorsAlarm": ("Sum", 60, 1),
    "CheckErrorsAlarm": ("Sum", 2 * 60, 60),
    "DisconnectedAlarm": ("Maximum", 2 * 60, 60),
    "CatchUpAlarm": ("Maximum", 2 * 60, 60),
    "NoChecksAlarm": ("Sum", 2 * 60, 60),
    "OldMessagesAlarm": ("Maximum", 60, 1),
    "TicketsAlarm": ("Maximum", 15 * 60, 1),
    "FreshnessAlarm": ("p95", 15 * 60, 1),
    "CostAlarm": ("Sum", 24 * 60 * 60, 1),
    "BudgetAlarm": ("Maximum", 24 * 60 * 60, 1),
}


@pytest.mark.parametrize(
    ("alarm", "metric", "dimension", "threshold"),
    [
        ("DeadLettersAlarm", "AWS/SQS ApproximateNumberOfMessagesVisible", "QueueName <DeadLetters.QueueName>", 0),
        ("ErrorsAlarm", "AWS/Lambda Errors", "FunctionName <InvalidateLambdaFunction>", 0),
        ("PipelineErrorsAlarm", "AWS/Lambda Errors", "FunctionName <PipelineLambdaFunction>", 0),
        ("CheckErrorsAlarm", "AWS/Lambda Errors", "FunctionName <CheckLambdaFunction>", 0),
        ("NoChecksAlarm", "AWS/Lambda Invocations", "FunctionName <CheckLambdaFunction>", 1),
        ("DisconnectedAlarm", "invalidator Disconnected", "service <AWS::StackName>", 0),
        ("CatchUpAlarm", "invalidator NotCaughtUp", "service <AWS::StackName>", 0),
        ("OldMessagesAlarm", "AWS/SQS ApproximateAgeOfOldestMessage", "QueueName <Queue.QueueName>", 20 * 60),
        ("TicketsAlarm", "invalidator SecondsRefused", "service <AWS::StackName>", 15 * 60),
        ("FreshnessAlarm", "invalidator UploadToInvalidation", "service <AWS::StackName>", 15 * 60 * 1000),
        ("CostAlarm", "invalidator EstimatedCostUSD", "service <AWS::StackName>", None),
        ("BudgetAlarm", "invalidator BudgetUsed", "service <AWS::StackName>", 50),
    ],
)
def test_what_goes_wrong_raises_an_alarm(
    packaged: Package, alarm: str, metric: str, dimension: str, threshold: int | None
) -> None:
    if ONLY_WITH.get(alarm, alarm) not in packaged.resources:
        assert alarm not in packaged.resources
        return
    found = properties(packaged, alarm)
    assert f"{found['Namespace']} {found['MetricName']}" == metric
    assert [f"{item['Name']} {item['Value']}" for item in found["Dimensions"]] == [dimension]
    expected = float(packaged.given["cost-alarm"]) if threshold is None else threshold
    is_about_silence = alarm == "NoChecksAlarm"  # of a new stack, too, of which it must not tell
    comparison = "LessThanThreshold" if is_about_silence else "GreaterThanThreshold"
    assert (found["ComparisonOperator"], found["Threshold"]) == (comparison, expected)
    assert found["TreatMissingData"] == ("missing" if is_about_silence else "notBreaching")
    statistic = found.get("Statistic") or found["ExtendedStatistic"]
    within = WITHIN[alarm]
    if alarm in OF_CHECKS:
        within = within[0], within[1], int(packaged.given.get("check", "60"))
    assert (statistic, found["Period"], int(found["EvaluationPeriods"])) == within
    # A single one of them is enough, or, if there are none, all have to be missing.
    assert found.get("DatapointsToAlarm", within[2]) == (within[2] if is_about_silence else 1)
    topics = [packaged.given["alarm-topic"]] if "alarm-topic" in packaged.given else []
    assert (found["AlarmActions"], found["OKActions"]) == (topics, topics)
    assert found.get("InsufficientDataActions", []) == (topics if is_about_silence else [])


def test_every_alarm_is_one_of_these(packaged: Package) -> None:
    alarms = {name for name, resource in packaged.resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms <= set(WITHIN)
    assert ("CostAlarm" in alarms) == ("cost-alarm" in packaged.given)
    assert ("BudgetAlarm" in alarms) == ("monthly-budget" in packaged.given)
    for alarm in alarms:
        told = properties(packaged, alarm)["AlarmDescription"]
        assert told.endswith("; what to do: docs/operating.md")
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (2026-11-22)
        assert len(told) + len("a" * 63) <= 1024  # leaves room for the longest name of a bucket


@pytest.mark.parametrize("case", ["queue", "eventbridge"])
def test_a_message_that_waits_is_one_that_is_neither_held_back_nor_hidden(packages: Packages, case: str) -> None:
    queue = properties(packages[case], "Queue")
    # SQS leaves messages that were received three times out of the age of the oldest message:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    assert (
        MAX_DELAY_SECONDS < properties(packages[case], "OldMessagesAlarm")["Threshold"] < 2 * queue["VisibilityTimeout"]
    )


def test_the_parameter_is_as_it_was_so_that_no_upgrade_writes_it_anew(packages: Packages) -> None:
    """CloudFormation writes the value with each other change of it, and what the checks have noted would be lost."""
    description = "Until when the changes of my-origin were heard, and what is still to be caught up with"
    name = {"Fn::Sub": "${AWS::StackName}-heard"}
    assert packages["discover"].resources["Heard"]["Properties"] == {
        "Name": name,
        "Description": description,
        "Type": "String",
        "Tier": "Standard",
        "Value": "{}",
    }


def test_the_stack_says_what_it_is(packaged: Package) -> None:
    assert "my-origin" in packaged.template["Description"]
    state = json.loads((packaged.folder / "serverless-state.json").read_text())
    assert state["service"]["provider"]["stackTags"] == {
        "service": "invalidator",
        "stage": "dev",
        "bucket": "my-origin",
    }


# --- by hand --------------------------------------------------------------------------------------------


def test_the_function_runs_on_the_embedded_aws_by_osls() -> None:
    with embedded_aws(["origin"]) as aws:
        distributions = f"distributions={','.join(aws.distributions)}"
        done = osls(
            *("invoke", "local", "--function", "invalidate", "--path", "events/s3-put.json"),
            *("--param", "bucket=origin", "--param", distributions),
            VIRTUAL_ENV=sys.prefix,
            AWS_ENDPOINT_URL=aws.endpoint,
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        sent = {item.distribution: item.paths for item in aws.new_invalidations()}
    assert sent == dict.fromkeys(aws.distributions, ("/blog/", "/blog/index.html"))
    assert '"invalidations": [' in done.stdout
