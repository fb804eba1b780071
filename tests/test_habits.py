"""The repository's own habits: versions, rooms, docstrings, examples that run."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import medcontour

ROOT = Path(__file__).resolve().parents[1]

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(medcontour.__path__, "medcontour.")
)


def test_the_lowest_versions_allowed_are_those_that_are_tried() -> None:
    tried = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / ".ci" / "lowest.txt").read_text(), re.M))
    for line in requires("medcontour") or ():
        requirement = Requirement(line)
        extra = requirement.marker is not None
        if extra and not requirement.marker.evaluate({"extra": "test"}):
            continue
        (lowest,) = (s.version for s in requirement.specifier if s.operator == ">=")
        assert Version(tried[requirement.name.lower()]) == Version(lowest), line


def test_every_module_says_what_it_is_and_what_it_offers() -> None:
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.__doc__, name
        for offered in getattr(module, "__all__", []):
            assert hasattr(module, offered), f"{name}.{offered}"


@pytest.mark.slow
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
