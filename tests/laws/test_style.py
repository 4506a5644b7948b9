"""The rules of names and words, which no linter knows."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from tests.laws.imports import FILES, MODULES, ROOT, imports

SOURCES = [file for name in ("invalidator", "tests", "benchmarks", "docs") for file in (ROOT / name).rglob("*.py")]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def trees() -> list[ast.Module]:
    return [ast.parse(file.read_text()) for file in SOURCES]


def defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names of classes, functions and constants of a module."""
    for statement in tree.body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))


def test_a_public_name_stands_for_one_thing_in_the_package() -> None:
    places = defaultdict(list)
    for module in MODULES:
        for name in set(defined(ast.parse(FILES[module].read_text()))):
            places[name].append(module)
    shared = {name: modules for name, modules in places.items() if len(modules) > 1 and not name.startswith("_")}
    assert shared == {"lambda_handler": ["check", "codepipeline.handler", "custom_resource", "handler"]}


def test_a_private_name_stays_in_its_file() -> None:
    names = {(module, name) for module in MODULES for name in imports(module)}
    assert {(module, name) for module, name in names if re.search(r"\._[^_]", name)} == set()


def test_a_docstring_says_what_a_thing_is_or_does() -> None:
    nodes = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    texts = [text for node in nodes if (text := ast.get_docstring(node))]
    assert [text for text in texts if text.split()[0] in {"What", "That", "Those", "Whether", "How"}] == []


def test_a_name_of_a_test_fits_in_seventy_characters() -> None:
    functions = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    tests = [node.name for node in functions if node.name.startswith("test_")]
    assert [name for name in tests if len(name) > 70] == []
