"""The machine that something was measured on, in words."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine(*packages: str) -> str:
    """Cores, processor, Python, and the versions of these packages. Needs Linux."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    versions = "".join(f", {name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}{versions}"
