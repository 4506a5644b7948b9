"""The machine of a measurement, in words."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine(*packages: str) -> str:
    """Return cores, processor, Python and the versions of these packages. Needs Linux."""
    return ", ".join([hardware(), *(f"{name} {number}" for name, number in versions(*packages).items())])


def hardware() -> str:
    """Return cores and processor. Needs Linux."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}"


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of these packages, by name."""
    return {"Python": platform.python_version()} | {name: version(name) for name in packages}
