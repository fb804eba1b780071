"""The repository's own habits: style, types, the order of the rooms, examples that run."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import medcontour

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(medcontour.__path__, "medcontour.")
)


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "--extend-exclude", "*.md", "."],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_runs_clean(command: list[str]) -> None:
    tool = TOOLS / command[0]
    done = subprocess.run(
        [tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_is_under_the_order_of_the_rooms() -> None:
    rooms = {path.parent.name for path in (ROOT / "medcontour").glob("*/__init__.py")}
    contract = (ROOT / "pyproject.toml").read_text().split("[tool.importlinter]")[1]
    assert rooms
    for room in rooms:
        assert f"medcontour.{room}" in contract


def test_every_module_says_what_it_is_and_what_it_offers() -> None:
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.__doc__, name
        for offered in getattr(module, "__all__", []):
            assert hasattr(module, offered), f"{name}.{offered}"


def test_the_examples_in_docstrings_run() -> None:
    """In a process of its own, where no coverage is taken."""
    script = (
        "import doctest, importlib, sys, torch\n"
        "torch.set_num_threads(1)\n"
        "attempted = failed = 0\n"
        "for name in sys.argv[1:]:\n"
        "    result = doctest.testmod(importlib.import_module(name))\n"
        "    attempted, failed = attempted + result.attempted, failed + result.failed\n"
        "print(attempted, 'examples', failed, 'failed')\n"
        "sys.exit(bool(failed) or not attempted)\n"
    )
    environment = {name: value for name, value in os.environ.items() if "COV_CORE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script, "medcontour", *MODULES],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
