"""Who may import whom, and other rules that no single test of behaviour would notice."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "invalidator"
MODULES = sorted(file.stem for file in PACKAGE.glob("*.py") if file.stem != "__init__")

BOTTOM = {"errors", "limits", "model"}
ROOTS = {
    "handler",
    "custom_resource",
    "letters",
    "dead_letters",
    "policies",
    "doctor",
    "examination",
    "cli",
    "console",
    "create",
    "invalidations",
    "status",
    "previews",
    "waiting",
    "wording",
    "snapshots",
    "plot",
    "freshness",
    "edge",
    "objects",
    "verify",
    "output",
    "local",
    "queue_worker",
    "demo",
    "__main__",
}
MAY_IMPORT = {
    "errors": set[str](),
    "limits": set[str](),
    "model": {"errors", "limits"},
    "paths": BOTTOM,
    "tickets": BOTTOM | {"paths"},
    "events": BOTTOM | {"tickets"},
    "patterns": BOTTOM,
    "rules": BOTTOM | {"paths", "patterns"},
    "site": BOTTOM | {"paths", "patterns", "rules"},
    "distributions": BOTTOM,
    "knapsack": BOTTOM,
    "cover": BOTTOM | {"knapsack"},
    "coalesce": BOTTOM | {"cover"},
    "settings": BOTTOM | {"coalesce", "distributions", "paths", "rules", "sdk", "site"},
    "planner": BOTTOM | {"coalesce", "paths", "site", "tickets"},
    "written": BOTTOM | {"paths", "planner"},
    "codepipeline": BOTTOM | {"sdk", "written"},
    "pacing": BOTTOM,
    "workers": BOTTOM,
    "tracing": BOTTOM | {"sdk", "settings", "workers"},
    "service": BOTTOM | {"planner", "pacing", "workers"},
    "sdk": BOTTOM,
    "cloudfront": BOTTOM | {"sdk"},
    "catalog": BOTTOM | {"cloudfront", "distributions", "pacing", "settings", "workers"},
    "sqs": BOTTOM | {"sdk"},
    "versions": BOTTOM,
    "listings": BOTTOM | {"sdk", "versions"},
    "notifications": BOTTOM | {"events"},
    "s3": BOTTOM | {"sdk", "notifications"},
    "custom_resource": BOTTOM | {"s3", "sdk", "notifications"},
    "metrics": BOTTOM | {"service", "settings"},
    "handler": set(MODULES) - ROOTS,
    "local": {"handler"} | set(MODULES) - ROOTS,
    "queue_worker": {"handler", "local"} | set(MODULES) - ROOTS,
    "demo": {"handler", "local", "queue_worker"} | set(MODULES) - ROOTS,
    "letters": BOTTOM | {"coalesce", "events", "planner", "site", "tickets"},
    "dead_letters": BOTTOM | {"letters", "sdk", "sqs"},
    "policies": {"patterns"},
    "doctor": BOTTOM | {"notifications", "policies"},
    "examination": BOTTOM | {"catalog", "distributions", "doctor", "notifications", "s3", "sdk", "settings", "workers"},
    "output": BOTTOM
    | {"dead_letters", "distributions", "doctor", "freshness", "invalidations", "letters", "local", "notifications"}
    | {"wording"},
    "snapshots": BOTTOM,
    "plot": BOTTOM,
    "previews": BOTTOM
    | {"coalesce", "events", "handler", "output", "planner", "settings", "snapshots"}
    | {"wording", "workers", "written"},
    "console": BOTTOM | {"cloudfront", "distributions", "handler", "output", "settings", "snapshots", "workers"},
    "waiting": BOTTOM,
    "wording": set[str](),
    "create": BOTTOM
    | {"console", "handler", "invalidations", "output", "previews", "service", "settings", "waiting"}
    | {"wording", "workers", "written"},
    "freshness": BOTTOM | {"wording"},
    "edge": BOTTOM | {"freshness", "workers"},
    "objects": BOTTOM | {"freshness", "sdk"},
    "verify": BOTTOM | {"console", "edge", "freshness", "objects", "output", "workers"},
    "invalidations": BOTTOM | {"pacing", "wording", "workers"},
    "status": BOTTOM | {"console", "handler", "invalidations", "output", "wording"},
    "cli": set(MODULES) - {"__main__"},
    "__main__": {"cli"},
}
AWS = {"boto3", "botocore", "moto"}
MAY_IMPORT_AWS = {"sdk", "cloudfront", "s3", "listings", "settings", "local", "queue_worker", "demo"}
MAY_IMPORT_POWERTOOLS = {"handler", "metrics", "settings", "tracing"}
# local, too, to point the SDK at the embedded AWS; it decides nothing by it.
MAY_SEE_ENVIRONMENT = {"settings", "local"}


def imports(module: str) -> set[str]:
    """The full names of everything that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(module: str) -> set[str]:
    parts = [name.split(".") for name in imports(module)]
    return {part[1] for part in parts if part[0] == "invalidator" and part[1] in MODULES}


def test_every_module_has_its_place() -> None:
    assert set(MODULES) == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downward_only(module: str) -> None:
    assert ours(module) <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", MODULES)
def test_aws_is_at_the_edge(module: str) -> None:
    others = {name.split(".")[0] for name in imports(module)}
    assert module in MAY_IMPORT_AWS or not others & AWS
    assert module in MAY_IMPORT_POWERTOOLS or "aws_lambda_powertools" not in others
    assert module == "tracing" or "aws_xray_sdk" not in others


@pytest.mark.parametrize("module", MODULES)
def test_only_settings_reads_the_environment(module: str) -> None:
    text = (PACKAGE / f"{module}.py").read_text()
    assert module in MAY_SEE_ENVIRONMENT or not re.search(r"environ|getenv", text)


@pytest.mark.parametrize("module", MODULES)
def test_numbers_of_aws_stand_in_limits(module: str) -> None:
    text = re.sub(r'""".*?"""', "", (PACKAGE / f"{module}.py").read_text(), flags=re.DOTALL)
    assert module == "limits" or not re.search(r"\b(900|1_?024|3_?000|4_?000)\b", text)


def test_every_number_in_limits_has_its_source_and_date() -> None:
    _, _, *statements = ast.parse((PACKAGE / "limits.py").read_text()).body  # docstring and import aside
    assert statements
    for number, entry in zip(statements[::2], statements[1::2], strict=True):
        assert isinstance(number, ast.AnnAssign)
        assert re.search(r"https://\S+\s(.*\s)?\(20\d\d-\d\d-\d\d\)", ast.unparse(entry).replace("\\n", "\n"))


def test_nothing_is_mocked() -> None:
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"unittest", "unittest.mock", "mock", "patch"}
