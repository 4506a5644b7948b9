"""The imports of the package's modules, read from their sources."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "invalidator"


def name_of(file: Path) -> str:
    """Return the name of a module within the package, as ``urls.encoding``. That of the package itself is empty."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {name_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}
MODULES = sorted(name for name, file in FILES.items() if file.name != "__init__.py")


@cache
def imports(module: str) -> set[str]:
    """Return the full names of all imports in a module, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(module: str) -> set[str]:
    """Return the package's own modules that a module imports."""
    found = set()
    for name in imports(module):
        inside = name.removeprefix("invalidator.")
        if name != inside:
            found |= {inside, inside.rpartition(".")[0]} & set(MODULES)
    return found


def packaged_with(module: str) -> set[str]:
    """Return the modules that a zip needs for a module: all that it imports, directly or not, and their packages."""
    needed, found = set[str](), {"", module}
    while found - needed:
        needed |= found
        found = {name.rpartition(".")[0] for name in needed}.union(*map(ours, needed))
    return needed
