"""A hosted CI and the hooks before a commit run the project's own targets, and may only read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI, RELEASE = (ROOT / ".github" / "workflows" / name for name in ("ci.yml", "release.yml"))
EXAMPLE = ROOT / "examples" / "github-actions.yml"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def workflow(file: Path) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(file.read_text())
    return read


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job["steps"]]


def test_a_hosted_ci_runs_what_ci_run_runs() -> None:
    assert [step["run"] for step in steps(CI) if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_hosted_ci_has_the_tested_pythons_and_the_node_that_packages(file: Path) -> None:
    given = {step["uses"].partition("@")[0]: step.get("with", {}) for step in steps(file) if "uses" in step}
    (tested,) = re.findall(r"^for version in (.*); do$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert given["actions/setup-python"]["python-version"].split() == tested.split()
    assert given["actions/setup-node"]["node-version"] == "lts/*"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_what_runs_our_code_may_only_read_and_keeps_no_credentials(file: Path) -> None:
    found = workflow(file)
    assert found["permissions"] == {"contents": "read"}
    for job in found["jobs"].values():
        checks_out = any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"])
        assert checks_out != ("permissions" in job)
    assert "pull_request_target" not in found[True]  # YAML takes "on" for a boolean
    assert "secrets." not in file.read_text()
    (checkout,) = [step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_ends(file: Path) -> None:
    assert all(job["timeout-minutes"] <= 30 for job in workflow(file)["jobs"].values())


def test_a_release_is_of_a_tag_that_passed_ci() -> None:
    found = workflow(RELEASE)
    assert found[True] == {"push": {"tags": ["v*.*.*"]}}
    jobs = found["jobs"]
    assert [step["run"] for step in jobs["build"]["steps"] if "run" in step] == [".ci/run", "make release"]
    assert [jobs[name]["needs"] for name in ("github", "pypi")] == ["build", "github"]


def test_pypi_trusts_an_environment_and_gets_no_other_right() -> None:
    job = workflow(RELEASE)["jobs"]["pypi"]
    assert (job["environment"], job["permissions"]) == ("pypi", {"id-token": "write"})


def test_no_expression_is_written_into_a_script_of_a_workflow() -> None:
    scripts = [step["run"] for file in WORKFLOWS for step in steps(file) if "run" in step]
    assert not any("${{" in script for script in scripts)


def test_only_in_a_pull_request_a_push_replaces_a_run() -> None:
    found = workflow(CI)
    is_request = "github.event_name == 'pull_request'"
    assert found["concurrency"]["cancel-in-progress"] == f"${{{{ {is_request} }}}}"
    # A group keeps only its last waiting run, so each commit of the main branch has a group of its own.
    assert found["concurrency"]["group"] == f"ci-${{{{ {is_request} && github.ref || github.sha }}}}"


@pytest.mark.parametrize("file", [*WORKFLOWS, EXAMPLE], ids=lambda file: file.name)
def test_an_action_is_one_commit_of_which_the_version_is_told(file: Path) -> None:
    used = re.findall(r"uses: *(.*)", file.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_an_action_is_the_same_commit_everywhere() -> None:
    texts = [file.read_text() for file in (*WORKFLOWS, EXAMPLE)]
    used = {action for text in texts for action in re.findall(r"uses: *(\S+)@(\S+)", text)}
    assert len(used) == len({name for name, _ in used})


def test_the_example_takes_credentials_when_all_is_built() -> None:
    names = [step.get("uses", step.get("run", "")).partition("@")[0] for step in steps(EXAMPLE)]
    (taken,) = [number for number, name in enumerate(names) if name == "aws-actions/configure-aws-credentials"]
    before, after = names[:taken], names[taken + 1 :]
    assert any("public" in name for name in before)
    assert all(re.match(r"aws s3 sync |your-org/invalidator", name) for name in after)


def test_a_checkout_keeps_no_credentials() -> None:
    checkouts = [step["with"] for step in steps(EXAMPLE) if step.get("uses", "").startswith("actions/checkout@")]
    assert [given["persist-credentials"] for given in checkouts] == [False]


def test_osls_is_the_locked_one_wherever_it_is_called() -> None:
    files = [ROOT / "serverless.yml", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.yml")]
    texts = [file.read_text() for file in files if file.name != "CHANGELOG.md"]
    called = [called for text in texts for called in re.findall(r"([^\s`]*osls\S*) (?:deploy|invoke|remove) ", text)]
    assert len(called) >= 5
    assert set(called) == {"deploy/node_modules/.bin/osls"}
    assert not any(re.search(r"\bnpx ", text) for text in texts)  # it downloads what it does not find


def test_osls_and_all_that_it_needs_have_their_hashes() -> None:
    wanted = json.loads((ROOT / "deploy" / "package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / "deploy" / "package-lock.json").read_text())["packages"]
    assert locked.pop("")["dependencies"] == wanted
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert "osls" in wanted
    for name, package in locked.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name  # the registry is a choice of who installs


def test_osls_is_installed_as_it_is_locked_and_runs_no_scripts() -> None:
    texts = [(ROOT / name).read_text() for name in ("Makefile", "README.md", "docs/deploying.md", "docs/upgrading.md")]
    assert all("npm ci --prefix deploy" in text for text in texts)
    assert not any(re.search(r"npm (i|install|add)\b", text) for text in texts)
    assert "ignore-scripts=true" in (ROOT / "deploy" / ".npmrc").read_text().splitlines()


def hashed(file: Path) -> set[str]:
    """Return the requirements of a file, without their markers, after a look at the hashes of each."""
    found = set()
    for line in re.sub(r"\\\n +", "", re.sub(r"^ *#.*\n", "", file.read_text(), flags=re.MULTILINE)).splitlines():
        requirement, *hashes = line.split("--hash=sha256:")
        assert re.fullmatch(r"[\w.-]+==[\w.]+ (; .+ )?", requirement), line
        assert hashes, line
        assert all(re.fullmatch(r"[0-9a-f]{64} ?", given) for given in hashes), line
        found.add(requirement.partition(" ")[0])
    return found


def test_every_requirement_is_of_one_version_with_its_hashes() -> None:
    names = (
        "requirements.txt",
        "requirements-cli.txt",
        "requirements-local.txt",
        "deploy/requirements-lambda.txt",
        "deploy/requirements-checkov.txt",
        "deploy/requirements-release.txt",
        "deploy/requirements-uv.txt",
        "deploy/requirements-cdk.txt",
    )
    every, few, local, deployed, checkov, release, uv, cdk = (hashed(ROOT / name) for name in names)
    assert few < every
    assert local < every
    assert deployed < every
    assert any(requirement.startswith("checkov==") for requirement in checkov)
    assert {name for name in every if name.startswith(("hatchling==", "pyyaml=="))} < release
    assert [requirement.partition("==")[0] for requirement in uv] == ["uv"]
    assert {requirement.partition("==")[0] for requirement in cdk} > {"aws-cdk-lib", "python-hcl2"}


def test_whatever_is_installed_from_a_file_must_have_its_hashes() -> None:
    files = [ROOT / "Makefile", ROOT / "action.yml", *ROOT.glob("examples/*.yml"), *ROOT.glob("docs/*.md")]
    commands = [
        command
        for file in files
        for command in re.findall(r"pip (?:--python \S+ )?install (.*)", file.read_text().replace("\\\n", ""))
        if re.search(r"requirement|-r ", command)
    ]
    assert len(commands) >= 4
    assert all("--require-hashes" in command for command in commands)


def test_what_runs_before_a_commit_are_the_projects_own_targets() -> None:
    read = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = read["repos"]
    assert repository["repo"] == "local"  # a repository of hooks would be a second list of versions
    hooks = repository["hooks"]
    for hook in hooks:
        program, target = hook["entry"].split()
        assert program == "make"
        assert target in TARGETS
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
    (parts,) = re.findall(r"^check: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [hook["entry"].removeprefix("make ") for hook in hooks] == parts.split()


def test_what_checkov_or_bandit_may_pass_over_has_a_reason() -> None:
    lines = (ROOT / "deploy" / "checkov.yml").read_text().partition("skip-check:\n")[2].splitlines()
    reasons, skipped = lines[::2], lines[1::2]
    assert len(reasons) == len(skipped) > 5
    assert all(re.fullmatch(r"  # \S.{30,}\.", reason) for reason in reasons)
    assert all(re.fullmatch(r"  - CKV_AWS_\d+", name) for name in skipped)
    for file in ROOT.glob("invalidator/**/*.py"):
        for number, line in enumerate(file.read_text().splitlines()):
            assert "nosec" not in line or re.search(r"# nosec B\d{3}$", line), f"{file}:{number + 1}"


def test_the_templates_are_checked_by_ci_while_the_tests_run() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make .* templates >\S+ 2>&1 &.*\n(?:.*\n)*?make .* test( .*)?$", text, re.MULTILINE)
    assert 'wait "$templates" || failed=$?' in text


def test_the_worlds_are_played_by_ci_while_the_other_tests_run() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert re.search(r" simulate .*>\S+ 2>&1\n\t\} &\n\tsimulation=\$!\n(?:.*\n)*?make .* test ", text)
    assert 'wait "$simulation" || failed=$?' in text
    assert text.endswith('exit "${failed:-0}"\n')
