"""The command line as a user calls it, and small files to call it with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_files import Answer, write_bundle, write_series


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DICOM ``study`` and a ``bundle`` that finds its spot."""
    folder = tmp_path_factory.mktemp("cli")
    write_series(folder / "study")
    write_bundle(folder / "bundle")
    return folder


@pytest.fixture
def study(files: Path) -> Path:
    return files / "study"


@pytest.fixture
def bundle(files: Path) -> Path:
    return files / "bundle"


@pytest.fixture
def suggested(
    files: Path, medcontour: Callable[..., Answer], study: Path, bundle: Path
) -> tuple[Path, dict[str, object]]:
    """The folder that `suggest` wrote for the study, and what it said of it as JSON."""
    out = files / "out"
    if not out.exists():
        answer = medcontour("suggest", study, "--classifier", bundle, "--out", out, "--json")
        assert answer.code == 0, answer.err
        (files / "said.json").write_text(answer.out)
        (files / "said.err").write_text(answer.err)
    return out, json.loads((files / "said.json").read_text())
