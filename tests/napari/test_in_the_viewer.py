"""The plugin in a real viewer, in an environment of its own: `plugins/napari/tests`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import ROOT, Running, running

pytestmark = pytest.mark.napari

PLUGIN = ROOT / "plugins" / "napari"
KEY = "a key of enough characters"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It looks at one slice of what is uploaded."""
    out = tmp_path_factory.mktemp("served") / "out"
    with running(out, "--slices", "13", key=KEY) as started:
        yield started


@pytest.mark.parametrize("file", sorted(path.name for path in PLUGIN.glob("tests/test_*.py")))
def test_in_the_viewer(file: str, server: Running) -> None:
    """Each file by itself; what fails in it is shown."""
    python = Path(os.environ["MEDCONTOUR_NAPARI"]) / "bin" / "python"
    display = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24"]
    done = subprocess.run(
        [*display, python, "-m", "pytest", "-q", "-c", PLUGIN / "tests" / "pytest.ini", file],
        cwd=PLUGIN / "tests",
        env={k: v for k, v in os.environ.items() if not k.startswith(("COV_", "PYTEST_"))}
        | {"MEDCONTOUR_SERVER": server.url, "MEDCONTOUR_KEY": KEY, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_manifest_is_valid() -> None:
    npe2 = Path(os.environ["MEDCONTOUR_NAPARI"]) / "bin" / "npe2"
    subprocess.run([npe2, "validate", "medcontour-napari"], check=True, capture_output=True)
