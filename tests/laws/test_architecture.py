"""The import ladder, and other rules that no test of behaviour would notice."""

import ast
import re

import pytest

from tests.laws.imports import FILES, MODULES, ROOT, imports, ours

LADDER = (
    {"errors", "limits", "strict_json", "wording", "workers"},
    {"model", "ttl_cache"},
    {"urls", "aws"},
    {"events", "settings", "notifications"},
    {"planning", "distributions", "connection"},
    {"delivery", "operator", "by_hand", "custom_resource"},
    {"runtime"},
    {"codepipeline", "check"},
    {"handler"},
    {"local"},
    {"cli"},
    {"__main__"},
)
"""A module imports its own package, or a lower rung."""

RUNG = {name: number for number, names in enumerate(LADDER) for name in names}

AWS = {"boto3", "botocore", "moto"}
MAY_IMPORT_AWS = {"aws", "notifications.bucket", "settings.stored", "local"}
MAY_IMPORT_POWERTOOLS = {"runtime"}
# local, too, to point the SDK at the embedded AWS, by which it decides nothing; custom_resource and check, whose
# variables say what the stack has deployed, and which have no settings.
MAY_SEE_ENVIRONMENT = {"settings", "local", "custom_resource", "check"}


def package_of(module: str) -> str:
    return module.partition(".")[0]


def is_among(module: str, names: set[str]) -> bool:
    return bool({module, package_of(module)} & names)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_the_ladder_only(module: str) -> None:
    here = package_of(module)
    others = {package_of(other) for other in ours(module)} - {here}
    assert [other for other in others if RUNG[other] >= RUNG[here]] == []


def test_one_command_runs_the_handler_and_two_the_embedded_aws() -> None:
    commands = {module: ours(module) for module in MODULES if package_of(module) == "cli"}
    assert [module for module, names in commands.items() if "handler" in names] == ["cli.invoke"]
    embedded = [module for module, names in commands.items() if "local" in map(package_of, names)]
    assert embedded == ["cli.demo", "cli.local"]


@pytest.mark.parametrize("module", MODULES)
def test_aws_is_at_the_edge(module: str) -> None:
    others = {name.split(".")[0] for name in imports(module)}
    assert is_among(module, MAY_IMPORT_AWS) or not others & AWS
    assert is_among(module, MAY_IMPORT_POWERTOOLS) or "aws_lambda_powertools" not in others
    assert "aws_xray_sdk" not in others


@pytest.mark.parametrize("module", MODULES)
def test_only_settings_reads_the_environment(module: str) -> None:
    assert is_among(module, MAY_SEE_ENVIRONMENT) or not re.search(r"os\.environ|getenv", FILES[module].read_text())


@pytest.mark.parametrize("module", MODULES)
def test_only_the_terminal_writes_to_the_terminal(module: str) -> None:
    text = FILES[module].read_text()
    if module != "cli.terminal":
        assert not re.search(r"\bText\(|\bConsole\(|\becho\(|\.write\(", text) or package_of(module) != "cli"
        assert not re.search(r"(?<![\w.])print\(", text) or module == "runtime.metrics"


@pytest.mark.parametrize("module", MODULES)
def test_numbers_of_aws_stand_in_limits(module: str) -> None:
    text = re.sub(r'""".*?"""', "", FILES[module].read_text(), flags=re.DOTALL)
    assert module == "limits" or not re.search(r"\b(900|1_?024|3_?000|4_?000)\b", text)


def test_every_number_in_limits_has_its_source_and_date() -> None:
    _, _, *statements = ast.parse(FILES["limits"].read_text()).body  # docstring and import aside
    assert statements
    for number, entry in zip(statements[::2], statements[1::2], strict=True):
        assert isinstance(number, ast.AnnAssign)
        assert re.search(r"https://\S+\s(.*\s)?\(20\d\d-\d\d-\d\d\)", ast.unparse(entry).replace("\\n", "\n"))


def test_the_packages_begin_with_nothing() -> None:
    inits = [file for file in FILES.values() if file.name == "__init__.py" and file.parent.name != "invalidator"]
    assert inits
    assert [file for file in inits if file.read_text()] == []


def test_nothing_is_mocked() -> None:
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"unittest", "unittest.mock", "mock", "patch"}
