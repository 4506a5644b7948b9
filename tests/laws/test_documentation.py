"""Documents are true: their commands print what is shown, their links lead somewhere, their names exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest

from benchmarks import figures, plots, report
from invalidator.codepipeline.answers import JobDone, output_variables
from invalidator.codepipeline.requests import PARAMETERS, job_request
from invalidator.events import decode
from invalidator.settings.environment import GONE
from tests.doubles.strategies import Change, cloudtrail

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(file.relative_to(ROOT)) for folder in (".", "docs", "benchmarks") for file in (ROOT / folder).glob("*.md")
)
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
README = TEXTS["README.md"]

# These differ in every run: references hold upload times, and moto draws ids.
_CHANGING = re.compile(r"invalidator-[0-9a-f]{32}|\b[A-Z0-9]{13}\b")
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def transcript() -> list[tuple[str, str, str]]:
    """Return the document, the command and the shown output of each command in a console block."""
    found = []
    for name, text in TEXTS.items():
        for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
                found.append((name, command, output))
    return found


def prose(text: str) -> str:
    """Return a document without its code blocks."""
    return _FENCED.sub("", text)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of headings: small letters without marks, a number for the second."""
    found: dict[str, int] = {}
    made = set()
    for heading in re.findall(r"^#{1,6} +(.*?)(?: +#+)? *$", prose(text), re.MULTILINE):
        shown = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", heading)
        base = re.sub(r"[^\w\- ]", "", re.sub(r"`|\*", "", shown).lower()).replace(" ", "-")
        number = found.get(base, 0)
        found[base] = number + 1
        made.add(f"{base}-{number}" if number else base)
    return made


def links(text: str) -> list[str]:
    """Return the targets of all links and references outside of code."""
    plain = re.sub(r"`[^`\n]*`", "`", prose(text))
    return re.findall(r"\]\(([^)\s]+)\)", plain) + re.findall(r"^\[[^]]+\]: (\S+)", plain, re.MULTILINE)


def make_runs(target: str) -> str:
    """Return the last command that ``make target`` runs."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1]


def normalised(output: str) -> str:
    return "\n".join(_CHANGING.sub("…", line).rstrip() for line in output.splitlines())


# --- what is shown --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "shown"),
    [pytest.param(command, shown, id=f"{name}: {command}") for name, command, shown in transcript()],
)
def test_a_command_prints_what_is_shown(command: str, shown: str) -> None:
    if command.startswith("make "):
        command = make_runs(command.removeprefix("make "))
    python, *arguments = shlex.split(command)
    assert python.endswith("bin/python")
    environ = os.environ | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ,
        check=True,
        stdout=subprocess.PIPE,
        # A block that shows an answer leaves out the log of the function.
        stderr=subprocess.DEVNULL if "invoke" in arguments else subprocess.STDOUT,
        text=True,
    )
    printed, expected = normalised(done.stdout), normalised(shown)
    some_lines = "\n(?:.*\n)+"  # which a line with nothing but an ellipsis stands for
    assert printed == expected or re.fullmatch(some_lines.join(map(re.escape, expected.split("\n…\n"))), printed)


def test_the_readme_shows_the_demo_and_can_be_read_in_a_few_minutes() -> None:
    assert [command for name, command, _ in transcript() if name == "README.md"] == ["make demo"]
    assert len(README.splitlines()) <= 160
    assert len(README.encode()) <= 14_000


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_target_of_make_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)(?:\$ )?make ([a-z-]+)", TEXTS[name], re.MULTILINE)) <= targets


def test_the_action_that_is_shown_can_be_read() -> None:
    section = TEXTS["docs/pipelines.md"].partition("\n## From a pipeline\n")[2].partition("\n## ")[0]
    (shown,) = re.findall(r"UserParameters: '(.*)'", section)
    assert job_request(shown) == ((), ("/", "/blog/*"), True)
    assert job_request("") == ((), (), False)
    table = section.partition("| parameter |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(PARAMETERS)
    for variable in output_variables(JobDone(())):
        assert f"#{{invalidated.{variable}}}" in section


def test_the_figures_are_those_of_the_last_runs() -> None:
    results, played = figures.load(), figures.load_deployment()
    assert report.block("benchmarks", report.readme(results, played)) in README
    assert report.block("deployment", report.overview(played)) in TEXTS["docs/how-it-works.md"]
    assert report.document(results) == TEXTS["benchmarks/results.md"]
    assert report.deployment(played) == TEXTS["benchmarks/deployment.md"]
    assert plots.identifier(results) in plots.SPEED.read_text()
    assert plots.identifier(played) in plots.DEPLOYS.read_text()


# --- links ----------------------------------------------------------------------------------------------


def test_an_anchor_is_that_of_github() -> None:
    text = "# What happens when …\n## `a_b` of [this](x.md), or *that*!\n## C++ § ça\n```sh\n# no\n```\n# C++ § ça\n"
    assert anchors(text) == {"what-happens-when-", "a_b-of-this-or-that", "c--ça", "c--ça-1"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_within_the_project_leads_somewhere(name: str) -> None:
    for target in links(TEXTS[name]):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def test_every_document_is_reached_from_the_readme() -> None:
    reached, new = set[str](), {"README.md"}
    while new:
        reached |= new
        new = {
            os.path.relpath((ROOT / name).parent / path, ROOT)
            for name in new
            for path in (target.partition("#")[0] for target in links(TEXTS[name]) if "://" not in target)
            if path.endswith(".md")
        } - reached
    assert set(DOCUMENTS) <= reached


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_test_that_is_named_exists(name: str) -> None:
    for test, file in re.findall(r"\[`(test_\w+)`\]\(([\w/.]+)\)", TEXTS[name]):
        assert f"def {test}(" in ((ROOT / name).parent / file).read_text(), test


@pytest.mark.parametrize(("name", "rows"), [("README.md", 6), ("docs/failures.md", 20), ("docs/security.md", 20)])
def test_what_is_claimed_in_a_table_is_proved(name: str, rows: int) -> None:
    (table,) = re.findall(r"^\|.*\| proved by \|\n((?:\|.*\n)+)", TEXTS[name], re.MULTILINE)
    claims = table.splitlines()[1:]
    assert len(claims) >= rows
    for claim in claims:
        assert re.search(r"\[`test_\w+`\]\(\S+\) \|$", claim), claim


# --- completeness ---------------------------------------------------------------------------------------


def test_every_variable_is_documented_beside_the_parameter_that_sets_it() -> None:
    text = "".join(file.read_text() for file in (ROOT / "invalidator" / "settings").glob("*.py"))
    variables = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', text))
    template = (ROOT / "serverless.yml").read_text() + (ROOT / "deploy" / "queue.yml").read_text()
    parameters = dict(re.findall(r"^ +([A-Z_]+): \$\{self:custom\.given\.([\w-]+)\}$", template, re.MULTILINE))
    assert len(variables) > len(parameters) > 15
    rows = re.findall(r"^\| (.*?) \| (.*?)\| ", TEXTS["docs/configuration.md"], re.MULTILINE)
    documented = {name: cell for names, cell in rows for name in re.findall(r"`(\w+)`", names)}
    for name in GONE:
        assert f"`{name}`" in TEXTS["docs/upgrading.md"]
    variables = {name for name in variables if not name.startswith("AWS_")}  # those are of the SDK and of Lambda
    for name in variables - {"DISTRIBUTION_ID_", "INVALIDATOR_STACK", *GONE}:  # that is of the command line
        assert documented[name].strip() == (f"`{parameters[name]}`" if name in parameters else ""), name


def test_every_dialect_is_counted() -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    assert f"one of {names[len(decode.DIALECTS)]} *dialects*" in TEXTS["docs/how-it-works.md"]


def test_every_alarm_is_explained() -> None:
    templates = [ROOT / "serverless.yml", *(ROOT / "deploy").glob("*.yml")]
    alarms = {name for file in templates for name in re.findall(r"^ *(\w+Alarm):$", file.read_text(), re.MULTILINE)}
    assert len(alarms) >= 5
    for name in alarms:
        assert f"`{name}`" in TEXTS["docs/operating.md"], name


def test_the_rule_for_cloudtrail_sends_exactly_the_calls_that_matter() -> None:
    (pattern,) = re.findall(r'```json\n({"source": \["aws.s3"\].*?)```', TEXTS["docs/deploying.md"], re.DOTALL)
    sent = set(json.loads(pattern)["detail"]["eventName"])
    known = botocore.session.get_session().get_service_model("s3").operation_names
    event, calls = cloudtrail(Change("a")), sent.union(known)
    events = {name: event | {"detail": event["detail"] | {"eventName": name}} for name in calls}
    changing = {name for name in calls if decode.decode(events[name]).changes}
    assert changing == sent
