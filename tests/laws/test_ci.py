"""A hosted CI and the hooks before a commit run the project's own targets, and may only read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EXAMPLE = ROOT / "examples" / "github-actions.yml"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def workflow(file: Path) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(file.read_text())
    return read


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job["steps"]]


def test_a_hosted_ci_runs_what_ci_run_runs() -> None:
    (file,) = WORKFLOWS
    assert [step["run"] for step in steps(file) if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_a_hosted_ci_has_the_tested_pythons_and_the_node_that_packages() -> None:
    (file,) = WORKFLOWS
    given = {step["uses"].partition("@")[0]: step.get("with", {}) for step in steps(file) if "uses" in step}
    (tested,) = re.findall(r"^for version in (.*); do$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert given["actions/setup-python"]["python-version"].split() == tested.split()
    assert given["actions/setup-node"]["node-version"] == "lts/*"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_only_read_and_keeps_no_credentials(file: Path) -> None:
    found = workflow(file)
    assert found["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in found["jobs"].values())
    assert "pull_request_target" not in found[True]  # YAML takes "on" for a boolean
    assert "secrets." not in file.read_text()
    (checkout,) = [step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_ends_and_only_in_a_pull_request_a_push_replaces_it(file: Path) -> None:
    found = workflow(file)
    assert all(job["timeout-minutes"] <= 30 for job in found["jobs"].values())
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


def test_osls_is_of_one_version_wherever_it_is_called() -> None:
    (pinned,) = re.findall(r"^OSLS := osls@(\d+\.\d+\.\d+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    files = [ROOT / "serverless.yml", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.yml")]
    called = [called for file in files for called in re.findall(r"\bnpx +(?:--\S+ +)*(\S+)", file.read_text())]
    assert len(called) >= 5
    assert set(called) == {f"osls@{pinned}"}


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
