"""Make the zips of the functions: whole folders of modules, the modules beside them, and their bytecode.

``python -I deploy/zips.py FOLDER [TAG]`` writes a zip for each function. With a TAG, such as ``cpython-313``, it ends
with 3 if it is not that Python; else the zips hold bytecode, without which each cold start compiles the sources, for 40
of its 260 ms (Python 3.13 under Lambda's runtime client, 2026-11-22). Bytecode holds a hash of its source; Python
compiles a source that does not match. (-I: environment variables could change the bytecode.)

Comments and docstrings, which nobody reads in Lambda, are left out; every statement stays on its line, so that a
traceback names the lines of the repository. The same sources and Python give the same bytes.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode, compile  # noqa: A004
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT: Final = Path(__file__).parents[1]

COMMON: Final = ("__init__", "errors", "limits", "model")
HANDLER: Final = (*COMMON, "handler", "ttl_cache", "workers")
STEPS: Final = ("aws", "delivery", "distributions", "events", "planning", "runtime", "settings", "urls")
FUNCTIONS: Final = {
    "invalidate": (HANDLER, STEPS),
    # Jobs of CodePipeline have a function of their own, so that no other zip holds their modules.
    "pipeline": ((*HANDLER, "by_hand"), (*STEPS, "codepipeline")),
    "connect": ((*COMMON, "custom_resource"), ("aws", "notifications")),
}
"""The modules and folders of each function, by its name in serverless.yml."""

WRONG_PYTHON: Final = 3


def main() -> int:
    """Write the zips."""
    folder, *tag = sys.argv[1:]
    if tag and tag != [sys.implementation.cache_tag]:
        return WRONG_PYTHON
    Path(folder).mkdir(exist_ok=True)
    for name, (modules, folders) in FUNCTIONS.items():
        sources = [*(f"{module}.py" for module in modules), *(f"{place}/*.py" for place in folders)]
        files = sorted(file for pattern in sources for file in (ROOT / "invalidator").glob(pattern))
        _write(Path(folder) / f"{name}.zip", files, tag)
    return 0


def _write(archive: Path, files: list[Path], tag: list[str]) -> None:
    written = io.BytesIO()
    with ZipFile(written, "w") as zipped:
        for file in files:
            source = without_words(file.read_text())
            place = file.relative_to(ROOT)
            _add(zipped, place.as_posix(), source.encode())
            if tag:
                bytecode = place.parent / "__pycache__" / f"{place.stem}.{tag[0]}.pyc"
                _add(zipped, bytecode.as_posix(), _compiled(source, place))
    # At once, since others may be reading it.
    part = archive.with_suffix(".part")
    part.write_bytes(written.getvalue())
    part.replace(archive)


def _add(zipped: ZipFile, name: str, content: bytes) -> None:
    entry = ZipInfo(name)  # with a time of its own, 1980, and not that of the file
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
    zipped.writestr(entry, content, compresslevel=9)


def _compiled(source: str, place: Path) -> bytes:
    with TemporaryDirectory() as folder:
        file, bytecode = Path(folder) / "source.py", Path(folder) / "bytecode"
        file.write_text(source)
        mode = PycInvalidationMode.CHECKED_HASH
        compile(str(file), str(bytecode), place.as_posix(), doraise=True, optimize=2, invalidation_mode=mode)
        return bytecode.read_bytes()


def without_words(source: str) -> str:
    """Return a program without its comments and docstrings, each statement on the line on which it was."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for text, is_alone in _texts(ast.parse(source)):
        first, last = text.lineno - 1, text.end_lineno or text.lineno
        lines[first:last] = [f"{' ' * text.col_offset}pass" if is_alone else "", *[""] * (last - first - 1)]
    return "\n".join([*lines, ""])


def _texts(tree: ast.Module) -> Iterator[tuple[ast.Expr, bool]]:
    """Yield the statements that are nothing but a text, and whether one is the whole of a body."""
    for node in ast.walk(tree):
        held = getattr(node, "body", None)  # a lambda's is no list
        body: list[ast.stmt] = held if isinstance(held, list) else []
        for statement in body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement, len(body) == 1 and not isinstance(node, ast.Module)


if __name__ == "__main__":
    sys.exit(main())
