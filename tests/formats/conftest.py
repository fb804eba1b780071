"""A series, its scan and a suggestion for it: axial, five slices, pixels that are not square."""

from __future__ import annotations

from pathlib import Path

import pytest
from export_cases import AXIAL, Study, case_suggestion, write_series

from medcontour.scan import Scan, read_scan


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_series(AXIAL, tmp_path_factory.mktemp("series"))


@pytest.fixture(scope="module")
def scan(series: Path) -> Scan:
    return read_scan(series)


@pytest.fixture(scope="module")
def study(scan: Scan) -> Study:
    return scan, case_suggestion(scan, AXIAL)
