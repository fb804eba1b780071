"""Python in a process of its own, where some modules cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_FORBID = """
import importlib.abc, sys

class Forbidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} here", name=name)

for name in {modules!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Forbidden())
"""


def python_without(
    modules: Sequence[str], code: str, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """Run `code` where `modules` are missing, even those that Python itself had loaded."""
    environment = {name: value for name, value in os.environ.items() if "COV_CORE" not in name}
    return subprocess.run(
        [sys.executable, "-c", _FORBID.format(modules=tuple(modules)) + code, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
