"""The notebooks in examples run from beginning to end, and hold no output of somebody's run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """One for all of them, where the libraries are imported once; nothing is fetched from it."""
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    environment = os.environ | dict.fromkeys(proxies, NOWHERE) | {"OMP_NUM_THREADS": "1"}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(EXAMPLES), env=environment)
    yield manager
    manager.shutdown_kernel(now=True)


def test_there_are_four() -> None:
    assert len(NOTEBOOKS) == 4


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, kernel: KernelManager) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # no name of the one before
    NotebookClient(notebook, timeout=300, km=kernel).execute()
    assert all(cell.execution_count for cell in code)
