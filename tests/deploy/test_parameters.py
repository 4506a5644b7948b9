"""The parameters of the deployment: wrong ones are refused with a sentence, right ones have their effect."""

import ast
import atexit
import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.packaged import BUCKET, DISTRIBUTIONS, KEY, ROOT, needed, osls


def _parameters() -> dict[str, str]:
    """Return the default of each parameter."""
    text = (ROOT / "deploy" / "parameters.js").read_text()
    table = re.search(r"^const PARAMETERS = \{\n(.*?)^\};", text, re.MULTILINE | re.DOTALL)
    assert table is not None
    rows = re.findall(r"^  '?([\w-]+)'?: \[\s*('[^']*'|\w+),", table[1], re.MULTILINE)
    constants = dict(re.findall(r"^const (\w+) = ('[^']*');", text, re.MULTILINE))
    return {name: ast.literal_eval(constants.get(default, default)) for name, default in rows}


PARAMETERS = _parameters()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ((DISTRIBUTIONS,), "--param bucket: it is missing"),
        ((BUCKET,), "--param distributions: give exactly one of distributions, secret, parameter (given: none)"),
        ((BUCKET, DISTRIBUTIONS, "secret=x"), "(given: distributions, secret)"),
        (
            (BUCKET, DISTRIBUTIONS, "triger=direct"),
            "--param triger: there is no such parameter: did you mean 'trigger'?",
        ),
        ((BUCKET, DISTRIBUTIONS, "repair=on", "check=0"), "--param repair: only a check repairs: leave this out, or"),
        ((BUCKET, DISTRIBUTIONS, "gather=300", "trigger=direct"), "--param gather: it works only with a queue"),
        ((BUCKET, DISTRIBUTIONS, "deploy-marker=x", "trigger=direct"), "--param deploy-marker: it works only with a"),
        ((BUCKET, DISTRIBUTIONS, "repeat-after=10", "trigger=direct"), "--param repeat-after: it works only with a"),
        (
            (BUCKET, DISTRIBUTIONS, "deploy-marker=x", "prefix=y"),
            "--param deploy-marker: prefix and suffix keep it back",
        ),
        (
            (BUCKET, DISTRIBUTIONS, "window=20"),
            "--param window: bursts are gathered (--param gather); leave this parameter",
        ),
        (
            (BUCKET, DISTRIBUTIONS, "lossless=on"),
            "--param lossless: wildcards that evict nothing are used wherever they",
        ),
        (
            (BUCKET, DISTRIBUTIONS, "max-wildcards=9"),
            "--param max-wildcards: a plan has few, unless it would exceed max-",
        ),
        (
            (BUCKET, DISTRIBUTIONS, "list-pages=9"),
            "--param list-pages: listings are bounded by what they may save; leave",
        ),
        ((BUCKET, DISTRIBUTIONS, "tracing=on"), "--param tracing: the functions no longer send traces to X-Ray; leave"),
        (
            (BUCKET, DISTRIBUTIONS, "constructor=x"),
            "--param constructor: there is no such parameter: docs/configuration",
        ),
        ((BUCKET, DISTRIBUTIONS, "gather"), "--param gather: it has no value: write --param gather=value."),
        ((BUCKET, "distributions="), "--param distributions: it has no value: write --param distributions=value."),
        (
            (BUCKET, DISTRIBUTIONS, "pipeline-parameters=/s"),
            "--param pipeline-parameters: it works only with --param pi",
        ),
    ],
)
def test_a_wrong_parameter_is_explained_in_a_sentence(parameters: tuple[str, ...], words: str) -> None:
    (told,) = objections(*parameters)
    assert words in told


MANY_MISTAKES = {
    "bucket=My_Origin": "expected the name of the origin bucket, not a URL or an ARN; got 'My_Origin'.",
    "distributionz=E1": "there is no such parameter: did you mean 'distributions'?",
    "MAX_PATHS=0": "there is no such parameter: did you mean 'max-paths'?",
    "trigger=direct": "",
    "gather=300": "it works only with a queue: leave it out with --param trigger=direct.",
    "tracing=on": "the functions no longer send traces to X-Ray; leave this parameter out.",
    "pipeline-parameters=/ids": "it works only with --param pipeline=on: add that, or leave this out.",
}


def test_all_mistakes_are_told_at_once_and_stop_packaging_at_once(tmp_path: Path) -> None:
    """Run osls itself: nothing stands around the sentences, and nothing was made before."""
    arguments = [word for parameter in MANY_MISTAKES for word in ("--param", parameter)]
    done = osls("package", "--package", str(tmp_path / "out"), *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    told = {f"--param {given.partition('=')[0]}: {words}" for given, words in MANY_MISTAKES.items() if words}
    assert sorted(done.stderr.splitlines()) == sorted(told)
    assert not (tmp_path / "out").exists()


def test_a_name_with_one_slip_is_known_again() -> None:
    """Leave out a letter, double one, exchange two, or write the name as a variable."""
    slips = {
        wrong: name
        for name in PARAMETERS
        for at in range(1, len(name))
        for wrong in (
            name[:at] + name[at + 1 :],
            name[:at] + name[at - 1 :],
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
            name.upper().replace("-", "_"),
        )
        if wrong not in PARAMETERS
    }
    suggested = {
        told.removeprefix("--param ").partition(":")[0]: re.findall("did you mean '(.*)'", told)
        for told in objections(BUCKET, DISTRIBUTIONS, *(f"{wrong}=x" for wrong in slips))
    }
    assert suggested == {wrong: [name] for wrong, name in slips.items()}


@pytest.mark.parametrize(
    ("name", "meant"), [("topic", "alarm-topic"), ("DISTRIBUTION_IDS", "distributions"), ("ids", ""), ("", "")]
)
def test_a_name_is_suggested_only_if_it_is_near(name: str, meant: str) -> None:
    (told,) = objections(BUCKET, DISTRIBUTIONS, f"{name}=x")
    assert re.findall("did you mean '(.*)'", told) == [meant] * bool(meant)


@pytest.mark.parametrize(
    "given",
    [
        (DISTRIBUTIONS, "bukket=my-origin"),
        (DISTRIBUTIONS, "bucket=s3://my-origin"),
        (BUCKET, "distribution=E1"),
        (BUCKET, "distributions=d111.cloudfront.net", "discover-tag=team"),
        (BUCKET, DISTRIBUTIONS, "discover_tag=team"),
        (BUCKET, DISTRIBUTIONS, "trigger=dirct", "gather=300"),
        (BUCKET, DISTRIBUTIONS, "gather=5m", "trigger=direct"),
        (BUCKET, DISTRIBUTIONS, "deploy-marker=.deployed", "prefix=*"),
        (BUCKET, DISTRIBUTIONS, "deploy-marker=.deployed", "trigger=direct", "prefix=blog/"),
        (BUCKET, DISTRIBUTIONS, "pipeline=yes", "pipeline-parameters=/ids"),
        (BUCKET, DISTRIBUTIONS, "pipelin=on", "pipeline-parameters=/ids"),
        (BUCKET, DISTRIBUTIONS, "max-path=1", "max-path=2"),
        (BUCKET, DISTRIBUTIONS, "check=1h", "repair=on"),
        (BUCKET, DISTRIBUTIONS, "check=0", "repair=yes"),
    ],
)
def test_one_slip_is_one_sentence(given: tuple[str, ...]) -> None:
    assert len(objections(*given)) == 1


def objections(*parameters: str) -> list[str]:
    """Return the lines with which deploy/parameters.js stops a command."""
    answer = answered(*parameters)
    assert "made" not in answer
    return [line for text in answer["told"] for line in text.splitlines()]


def computed(*parameters: str) -> Any:
    """Return what deploy/parameters.js makes of parameters, without osls."""
    answer = answered(*parameters)
    assert answer["told"] == []
    return answer["made"]


def answered(*parameters: str) -> Any:
    """Return what deploy/ computes: "told" about mistakes or, without any, "made" and the "body" of the dashboard."""
    node = _node()
    assert node.stdin is not None
    assert node.stdout is not None
    node.stdin.write(json.dumps(parameters) + "\n")
    node.stdin.flush()
    return json.loads(node.stdout.readline())


@cache
def _node() -> "subprocess.Popen[str]":
    """Start a process that answers one line with parameters after the other."""
    program = """
        const parameters = require('./deploy/parameters.js');
        const dashboard = require('./deploy/dashboard.js');
        const answer = async (param) => {
          const named = Object.fromEntries(param.map((word) => word.split(/=(.*)/s)));
          const resolveVariable = async (text) => named[/^param:([\\w-]+), null$/.exec(text)[1]] ?? null;
          const told = [];
          console.error = (text) => told.push(text);
          process.exit = (status) => { throw `exit ${status}`; };
          const made = await parameters({ options: { param }, resolveVariable }).catch((thrown) => {
            if (thrown !== 'exit 1') throw thrown;
          });
          const body = made && (await dashboard({ resolveVariable: async () => made }));
          console.log(JSON.stringify({ told, made, body }));
        };
        require('readline').createInterface({ input: process.stdin }).on('line', (line) => answer(JSON.parse(line)));
    """
    node = subprocess.Popen(
        [needed("node"), "-e", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(node.communicate)
    return node


def keys(*patterns: Any) -> Any:
    return {"bucket": {"name": ["my-origin"]}, "object": {"key": list(patterns)}}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ([], "event-detail", {"bucket": {"name": ["my-origin"]}}),
        (["prefix=a/"], "event-detail", keys({"prefix": "a/"})),
        (["suffix=.js"], "event-detail", keys({"suffix": ".js"})),
        (["prefix=a", "suffix=\\x"], "event-detail", keys({"wildcard": "a*\\\\x"})),
        (["prefix=a\\b", "suffix=.js"], "event-detail", keys({"wildcard": "a\\\\b*.js"})),
        # A key that matches both can be shorter than both together, if they overlap.
        (["prefix=blog/", "suffix=/a.html"], "event-detail", keys({"wildcard": "blog/*/a.html"}, "blog/a.html")),
        (["prefix=aba", "suffix=aba"], "event-detail", keys({"wildcard": "aba*aba"}, "ababa", "aba")),
        (["prefix= a b"], "prefix", " a b"),
        (["index-document=none"], "index-document", ""),
        (["log-retention=365"], "log-retention", 365),
        (["cost-alarm=0.05"], "cost-threshold", 0.05),
        (["cost-alarm=999999.99"], "cost-threshold", 999999.99),
        (["cost-alarm=2.50"], "cost-alarm", "2.50"),
        (["cost-alarm=20"], "costs", "on"),
        (["check=5"], "checks", "on"),
        (["check=0"], "checks", "off"),
        ([], "costs", "off"),
    ],
)
def test_parameters_become_what_the_templates_need(given: list[str], name: str, value: Any) -> None:
    assert computed(BUCKET, DISTRIBUTIONS, *given)[name] == value


WRONG = [
    *("bucket=a", "bucket=-ab", "bucket=s3://a", "bucket=a b c", "bucket=a_b"),
    *("distributions=e1", "distributions=E1;E2", "distributions=https://E1"),
    *("suffix=*x", "alarm-topic=arn:aws:sns:us-east-1:111122223333:ops:tail", "alarm-topic=ops"),
    *("secret=a b", "secret=arn:aws:secretsmanager:*", "secret=arn:aws:secretsmanager:us-east-1:111122223333:secret:a"),
    *("parameter=/", "parameter=a//b", "parameter=arn:aws:ssm:us-east-1:1:document/x", "parameter=a*"),
    *("parameter=arn:aws:ssm:us-east-1:111122223333:parameterids", "index-document= a"),
    *("settings-ttl=86401", "settings-ttl=1h", "rules={}", "rules=[", "rules=[{'match': 'x'}]"),
    *("max-paths=0", "max-paths=1000001", "max-paths=01", "max-paths=-1"),
    *("repeat-after=-1", "repeat-after=901", "repeat-after=ten"),
    *("check=4", "check=05", "check=721", "check=1h", "check=off", "check=-60", "repair=yes"),
    *("gather=-1", "gather=901", "gather=1e2", "gather=on", "deploy-marker=/x", "deploy-marker=s3://origin/x"),
    *("pipeline=yes", "pipeline-parameters=a", "pipeline-parameters=/a/", "pipeline-parameters=/a*"),
    *("pipeline-parameters=/*/a", "pipeline-parameters=/*", "pipeline-parameters=/a,b", "pipeline-parameters=/a/**"),
    *("dashboard=yes", "cost-alarm=0", "cost-alarm=0.00", "cost-alarm=1.234", "cost-alarm=-1", "cost-alarm=1,50"),
    *("cost-alarm=.5", "cost-alarm=05", "cost-alarm=5 USD", "cost-alarm=1000000", "cost-alarm=1e3"),
    *("kms-key=alias/mine", "kms-key=arn:aws:kms:us-east-1:111122223333:alias/mine", f"kms-key={KEY}/x"),
    "kms-key=1234abcd-12ab-34cd-56ef-1234567890ab",
    *("skip-unchanged=on", "skip-unchanged=versions+"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_parameter_cannot_be_is_refused(wrong: str) -> None:
    refused(wrong, "")


EXPECTED = [
    ("bucket=My_Origin", "the name of the origin bucket, not a URL or an ARN"),
    ("distributions=d111.cloudfront.net", "ids separated by commas, as E1A2B3C4D5E6F7, or discover"),
    ("trigger=sns", "queue, direct or eventbridge"),
    ("prefix=a*", "how keys begin, without a wildcard"),
    ("log-retention=31", "one of these numbers of days: 1, 3, 5,"),
    ("kms-key=alias/mine", "the ARN of a KMS key, not of an alias, as arn:aws:kms:"),
    ("alarm-topic=ops", "the ARN of an SNS topic"),
    ("index-document=a/b", "the name of a file without a directory, or none"),
    ("max-paths=0", "a number of paths from 1 to 1000000"),
    ("check=721", "a number of minutes from 5 to 720, or 0"),
    ("repair=yes", "on or off"),
    ("gather=901", "a number of seconds from 0 to 900"),
    ("deploy-marker=/x", "the key of an object, without a slash in front"),
]


@pytest.mark.parametrize(("wrong", "expected"), EXPECTED)
def test_a_refusal_says_what_is_expected(wrong: str, expected: str) -> None:
    refused(wrong, expected)


def refused(wrong: str, expected: str) -> None:
    name, _, value = wrong.partition("=")
    rest = [given for given in (BUCKET, DISTRIBUTIONS) if not given.startswith(f"{name}=")]
    (told,) = objections(*rest, wrong)
    assert told.startswith(f"--param {name}: expected {expected}")
    assert told.endswith(f"; got '{value}'.")


def test_blanks_around_ids_do_not_matter() -> None:
    made = computed(BUCKET, "distributions= E1 ,, E2\tE3 ")
    assert made["distributions"] == "E1,E2,E3"
    assert [arn["Fn::Sub"].rpartition("/")[2] for arn in made["statements"][0]["Resource"]] == ["E1", "E2", "E3"]


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("secret", "arn:aws-us-gov:secretsmanager:us-gov-east-1:111122223333:secret:cloudfront/ids-a1B2c3"),
        ("parameter", "arn:aws:ssm:eu-central-1:111122223333:parameter/cloudfront/ids"),
    ],
)
def test_an_arn_is_taken_as_it_is(name: str, arn: str) -> None:
    made = computed(BUCKET, f"{name}={arn}")
    assert (made[name], made["statements"][-1]["Resource"]) == (arn, [arn])


def allowed(*given: str, role: str = "statements") -> set[tuple[str, str]]:
    """Return the allowed actions on distributions, each with the last part of the ARN."""
    statements = [
        item
        for item in computed(BUCKET, *given)[role]
        if all(action.startswith("cloudfront:") for action in item["Action"])
    ]
    assert all(item["Resource"] for item in statements)  # IAM takes no empty one
    texts = [
        (item["Action"], arn["Fn::Sub"]) if isinstance(arn, dict) else (item["Action"], arn)
        for item in statements
        for arn in item["Resource"]
    ]
    return {
        (name.removeprefix("cloudfront:"), arn.rpartition("::${AWS::AccountId}:")[2])
        for names, arn in texts
        for name in names
    }


@pytest.mark.parametrize("trigger", ["queue", "direct", "eventbridge"])
def test_a_key_adds_two_rights_on_it_to_the_functions_that_need_them(trigger: str) -> None:
    given = (BUCKET, DISTRIBUTIONS, f"trigger={trigger}", "pipeline=on")
    without, with_key = computed(*given), computed(*given, f"kms-key={KEY}")
    added = [statement for statement in with_key["statements"] if statement not in without["statements"]]
    assert added == [{"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": [KEY]}]
    assert [statement for statement in with_key["statements"] if statement not in added] == without["statements"]
    for others in ("pipeline-statements", "connect-statements"):
        assert with_key[others] == without[others]
    of_check = [statement for statement in with_key["check-statements"] if statement not in without["check-statements"]]
    assert of_check == ([] if trigger == "direct" else added)  # without a queue it sends to the function


@pytest.mark.parametrize(
    ("given", "on_bucket", "on_objects"),
    [
        ([], ["s3:ListBucket"], []),
        (["skip-unchanged=versions"], ["s3:ListBucket", "s3:ListBucketVersions"], []),
        (["skip-unchanged=versions+metadata"], ["s3:ListBucket", "s3:ListBucketVersions"], ["s3:GetObjectVersion"]),
    ],
)
def test_the_function_may_see_of_the_bucket_what_the_parameters_take(
    given: list[str], on_bucket: list[str], on_objects: list[str]
) -> None:
    allowed = {
        statement["Resource"][0]["Fn::Sub"]: statement["Action"]
        for statement in computed(BUCKET, DISTRIBUTIONS, *given)["statements"]
        if str(statement["Resource"]).count(":s3:::")
    }
    expected = {"arn:${AWS::Partition}:s3:::my-origin": on_bucket, "arn:${AWS::Partition}:s3:::my-origin/*": on_objects}
    assert allowed == {arn: actions for arn, actions in expected.items() if actions}


RIGHT = [
    *("max-paths=1", "max-paths=999999", "max-paths=1000000"),
    *("repeat-after=0", "repeat-after=10", "repeat-after=900"),
    *("gather=0", "gather=99", "gather=899", "gather=900", "deploy-marker=.deployed", "deploy-marker=a b/ü"),
    *("check=0", "check=5", "check=9", "check=10", "check=99", "check=100", "check=699", "check=710", "check=720"),
    *("repair=on", "repair=off"),
    *("pipeline=on", "pipeline=off", "dashboard=on", "dashboard=off"),
    "skip-unchanged=versions+metadata",
]


@pytest.mark.parametrize("given", RIGHT)
def test_what_a_parameter_can_be_reaches_the_templates(given: str) -> None:
    name, _, value = given.partition("=")
    assert computed(BUCKET, DISTRIBUTIONS, given)[name] == value


ONE, TENANT = "distribution/E1", "distribution-tenant/dt_1"
ANY, ANY_TENANT, ANY_POLICY = "distribution/*", "distribution-tenant/*", "cache-policy/*"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ["distributions=E1"],
            {("CreateInvalidation", ONE), ("GetDistributionConfig", ONE), ("GetCachePolicyConfig", ANY_POLICY)},
        ),
        (["distributions=E1", "describe=off"], {("CreateInvalidation", ONE)}),
        (["distributions=dt_1", "describe=off"], {("CreateInvalidationForDistributionTenant", TENANT)}),
        (
            ["distributions=E1,dt_1"],
            {
                ("CreateInvalidation", ONE),
                ("CreateInvalidationForDistributionTenant", TENANT),
                ("GetDistributionConfig", ANY),
                ("GetDistributionTenant", TENANT),
                ("GetCachePolicyConfig", ANY_POLICY),
            },
        ),
        (
            ["distributions=E1,discover", "describe=off"],
            {
                ("CreateInvalidation", ANY),
                ("CreateInvalidationForDistributionTenant", ANY_TENANT),
                ("ListDistributions", "*"),
                ("ListDistributionTenants", "*"),
            },
        ),
        (
            ["distributions=discover", "discover-tag=team", "describe=off"],
            {
                ("CreateInvalidation", ANY),
                ("CreateInvalidationForDistributionTenant", ANY_TENANT),
                ("ListDistributions", "*"),
                ("ListDistributionTenants", "*"),
                ("ListTagsForResource", ANY),
            },
        ),
    ],
)
def test_the_function_may_do_to_distributions_what_the_parameters_take(
    given: list[str], expected: set[tuple[str, str]]
) -> None:
    assert allowed(*given) == expected


MAKING = {("CreateInvalidation", ONE), ("GetInvalidation", ONE)}
MAKING_ANY = {("CreateInvalidation", ANY), ("GetInvalidation", ANY)}
OF_TENANTS = ("CreateInvalidationForDistributionTenant", "GetInvalidationForDistributionTenant")
MAKING_ALL = MAKING_ANY | {(action, ANY_TENANT) for action in OF_TENANTS}
LISTING = {("ListDistributions", "*"), ("ListDistributionTenants", "*")}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["distributions=E1"], MAKING),
        (["distributions=dt_1"], {(action, TENANT) for action in OF_TENANTS}),
        (["distributions=E1,dt_1"], MAKING | {(action, TENANT) for action in OF_TENANTS}),
        (["distributions=E1", "pipeline-parameters=/sites/*"], MAKING_ALL),
        (["secret=x"], MAKING_ALL),
        (["parameter=x"], MAKING_ALL),
        (["distributions=E1,discover"], MAKING_ALL | LISTING),
        (["distributions=discover", "discover-tag=team"], MAKING_ALL | LISTING | {("ListTagsForResource", ANY)}),
    ],
)
def test_the_function_of_pipelines_may_do_to_distributions_what_jobs_take(
    given: list[str], expected: set[tuple[str, str]]
) -> None:
    assert allowed(*given, "pipeline=on", role="pipeline-statements") == expected
    assert allowed(*given, "pipeline=on") == allowed(*(word for word in given if not word.startswith("pipeline")))


def readable(*given: str) -> set[str]:
    """Return the ends of the ARNs of the secrets and parameters that the pipeline function may read."""
    return {
        arn["Fn::Sub"].rpartition("${AWS::AccountId}:")[2]
        for statement in computed(BUCKET, *given, "pipeline=on")["pipeline-statements"]
        if statement["Action"] in ("ssm:GetParameter", "secretsmanager:GetSecretValue")
        for arn in statement["Resource"]
    }


def test_the_pipeline_function_may_read_the_parameters_of_jobs() -> None:
    assert readable(DISTRIBUTIONS, "rules-parameter=/rules") == set()
    assert readable(DISTRIBUTIONS, "pipeline-parameters= /sites/* , /a.b/c-d_e") == {
        "parameter/sites/*",
        "parameter/a.b/c-d_e",
    }
    assert readable("parameter=/ids", "pipeline-parameters=/x") == {"parameter/ids", "parameter/x"}
    assert readable("secret=ids", "pipeline-parameters=/x") == {"secret:ids-??????", "parameter/x"}


def test_every_parameter_is_documented_with_its_default() -> None:
    assert len(PARAMETERS) > 10
    page = (ROOT / "docs" / "configuration.md").read_text()
    for name, value in PARAMETERS.items():
        assert f"| `{name}` | {f'`{value}`' if value else ''}".rstrip() in page, name
