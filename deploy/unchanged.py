"""Notice that files were made of the same inputs before, so that they need not be made again.

A record beside the files holds a seal: a hash of their inputs and of their contents. It is that of the files only if
nothing changed, neither what they are made of nor what was made, whoever wrote last.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path


def hash_inputs(files: Iterable[Path], *words: str) -> str:
    """Return a hash of the names and contents of files, in any order, and of what else matters, as hexadecimal digits.

    Each part is hashed before it is added, so that no two lists of parts are the same text.
    """
    found = {str(file).encode(): file.read_bytes() for file in files}
    parts = [part for name in sorted(found) for part in (name, found[name])]
    return _hash_all([*parts, b"", *(word.encode() for word in words)])


def seal(inputs: str, contents: Iterable[bytes]) -> str:
    """Return the seal of files with these contents, made of these inputs, as hexadecimal digits."""
    return _hash_all([inputs.encode(), *contents])


def is_sealed(record: Path, inputs: str, files: Iterable[Path]) -> bool:
    """Return true if the record holds the seal of these files for these inputs. A missing file is no error."""
    try:
        return record.read_text() == seal(inputs, [file.read_bytes() for file in files])
    except FileNotFoundError:
        return False


def _hash_all(parts: Iterable[bytes]) -> str:
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()
