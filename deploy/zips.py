"""Make the zips of the functions: the modules that each imports, and the packages that these run with.

``python -Es -m deploy.zips FOLDER [TAG]`` writes a zip for each function. With a TAG, such as ``cpython-313``, it ends
with 3 if it is not that Python; else the zips hold bytecode, without which each cold start compiles the sources. Our
bytecode holds a hash of its source; Python compiles a source that does not match. Of others' modules there is then
nothing but bytecode: with their sources, a zip would have 2.3 MB in place of 1.6. (-Es: environment variables could
change the bytecode.)

Comments and docstrings, which nobody reads in Lambda, are left out; every statement stays on its line, so that a
traceback names the lines of the repository. The same sources, pinned packages and Python give the same bytes, so that
zips of the same are left as they are.
"""

import ast
import io
import marshal
import sys
import tokenize
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from deploy.bundle import POWERTOOLS, SDK, BundleError, modules, others, pinned
from deploy.unchanged import hash_inputs, is_sealed, seal

ROOT: Final = Path(__file__).parents[1]

FUNCTIONS: Final = {
    "invalidate": ("invalidator.handler", (*SDK, *POWERTOOLS)),
    "pipeline": ("invalidator.codepipeline.handler", (*SDK, *POWERTOOLS)),
    "check": ("invalidator.check", (*SDK, *POWERTOOLS)),
    "connect": ("invalidator.custom_resource", SDK),
}
"""The module of each function, and the modules of others that it runs with, by its name in serverless.yml."""

WRONG_PYTHON: Final = 3

_UNCHECKED_HASH, _CHECKED_HASH = 0b01, 0b11  # the flags of bytecode (PEP 552)


def main() -> int:
    """Write the zips."""
    folder, *tag = sys.argv[1:]
    if tag and tag != [sys.implementation.cache_tag]:
        return WRONG_PYTHON
    Path(folder).mkdir(exist_ok=True)
    try:
        packages = pinned(Path(folder))
    except BundleError as error:
        sys.exit(str(error))
    archives = [Path(folder) / f"{name}.zip" for name in FUNCTIONS]
    inputs, record = _inputs(packages, tag), Path(folder) / "zips.seal"
    if not is_sealed(record, inputs, archives):
        contents = [_zipped(_members(name, packages, tag)) for name in FUNCTIONS]
        for archive, content in zip(archives, contents, strict=True):
            _write(archive, content)
        _write(record, seal(inputs, contents).encode())
    return 0


def _inputs(packages: Path, tag: list[str]) -> str:
    """Return a hash of all that the zips are made of, and of what makes them."""
    ours = [*(ROOT / "invalidator").rglob("*.py"), *(ROOT / "deploy").glob("*.py")]
    return hash_inputs(ours, packages.name, sys.version, zlib.ZLIB_RUNTIME_VERSION, *tag)


def _members(name: str, packages: Path, tag: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files in the zip of a function."""
    module, patterns = FUNCTIONS[name]
    texts = {file.relative_to(ROOT): file.read_text("utf-8") for file in sorted(imported_by(module))}
    yield from _ours(texts, tag)
    yield from _theirs(packages, modules(packages, patterns), tag)
    yield from others(packages, texts.values())


def imported_by(module: str) -> set[Path]:
    """Return the files of a module of ours and of all of ours that it imports, anywhere in it, directly or not."""
    found, names = set[Path](), [module]
    while names:
        package, *inside = names.pop().split(".")
        places = [ROOT.joinpath(package, *inside[:end]) for end in range(len(inside) + 1) if package == "invalidator"]
        files = {file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")}
        for file in filter(Path.is_file, files - found):
            found.add(file)
            names += _imports(file)
    return found


@cache
def _imports(file: Path) -> set[str]:
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _ours(texts: dict[Path, str], tag: list[str]) -> Iterator[tuple[str, bytes]]:
    for place, text in texts.items():
        source = without_words(text).encode()
        yield place.as_posix(), source
        if tag:
            bytecode = place.parent / "__pycache__" / f"{place.stem}.{tag[0]}.pyc"
            yield bytecode.as_posix(), _compiled(source, place, _CHECKED_HASH)


def _theirs(packages: Path, files: list[Path], tag: list[str]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        source, place = file.read_bytes(), file.relative_to(packages)
        if tag:
            bytecode = place.with_suffix(".pyc")
            yield bytecode.as_posix(), _compiled(source, place, _UNCHECKED_HASH)
        else:
            yield place.as_posix(), source


def _zipped(members: Iterable[tuple[str, bytes]]) -> bytes:
    written = io.BytesIO()
    with ZipFile(written, "w") as zipped:
        for name, content in members:
            _add(zipped, name, content)
    return written.getvalue()


def _write(file: Path, content: bytes) -> None:
    # At once, since others may be reading it, or writing the same.
    with NamedTemporaryFile(dir=file.parent, delete=False) as part:
        part.write(content)
    Path(part.name).replace(file)


def _add(zipped: ZipFile, name: str, content: bytes) -> None:
    entry = ZipInfo(name)  # with a time of its own, 1980, and not that of the file
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    zipped.writestr(entry, content, compresslevel=9)


@cache
def _compiled(source: bytes, place: Path, flags: int) -> bytes:
    # As py_compile writes it (PEP 552), but without a folder and two files for each of a thousand modules.
    code = compile(source, place.as_posix(), "exec", dont_inherit=True, optimize=2)
    return MAGIC_NUMBER + flags.to_bytes(4, "little") + source_hash(source) + marshal.dumps(code)


@cache
def without_words(source: str) -> str:
    """Return a program without its comments and docstrings, each statement on the line on which it was.

    Raises SyntaxError if that is no program with the same statements.
    """
    tree, lines = ast.parse(source), source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for body in _bodies(tree):
        _leave_texts_out(body, lines)
    without = "\n".join(lines)
    if _statements(ast.parse(without)) != _statements(tree):
        raise SyntaxError("a docstring shares its line with a statement")
    return without


def _leave_texts_out(body: list[ast.stmt], lines: list[str]) -> None:
    texts = [statement for statement in body if _is_text(statement)]
    for text in texts:
        first, last = text.lineno - 1, text.end_lineno or text.lineno
        # A body of nothing else has to keep a statement.
        kept = f"{' ' * text.col_offset}pass" if text is body[0] and len(texts) == len(body) else ""
        lines[first:last] = [kept, *[""] * (last - first - 1)]


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    bodies = (getattr(node, "body", None) for node in ast.walk(tree))
    return (body for body in bodies if isinstance(body, list))  # a lambda's is none


def _is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _statements(tree: ast.Module) -> list[tuple[type, int]]:
    """Return the statements of a program that do something, and their lines."""
    found = (node for body in _bodies(tree) for node in body)
    return [(type(node), node.lineno) for node in found if not (_is_text(node) or isinstance(node, ast.Pass))]


if __name__ == "__main__":
    sys.exit(main())
