"""A small archive of scans of several kinds, named after patients, and a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import make_archive
from small_files import write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("batch") / "bundle", scale=(0, 255))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Five series: three pictures (one with a spot), a DICOM series, and a damaged picture."""
    return make_archive(tmp_path / "archive")
