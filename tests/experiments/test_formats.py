"""The table of formats: every cell within its bound, and a judge that would see half a pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import formats
import numpy as np
import pytest

from medcontour.scan import read_scan


def within(bound: str, cell: str) -> bool:
    if cell == formats.NO_GRID or cell.startswith("refused: "):
        return True
    value, limit = (
        float(text.removesuffix(" %").removesuffix(" pixels")) for text in (cell, bound)
    )
    return value >= limit if 0.9 < limit < 1 else value <= limit


@pytest.mark.slow
@pytest.mark.dicom_tools
def test_every_cell_is_within_its_bound(capsys: pytest.CaptureFixture[str]) -> None:
    rows = formats.table([formats.CASES[4], formats.TILTED, formats.UNEVEN])
    assert len(rows) == 1 + len(formats.JUDGES)
    for _, _, bound, *cells in rows[1:]:
        assert len(cells) == 3
        assert all(within(bound, cell) for cell in cells), (bound, cells)
        assert cells[0] != formats.NO_GRID  # a plain series is judged by all


@pytest.mark.slow
def test_judges_see_half_a_pixel(tmp_path: Path) -> None:
    case = formats.CASES[4]
    series = formats.write_series(case, tmp_path / "series")
    scan = read_scan(series)
    moved = replace(case, origin=tuple(np.add(case.origin, 0.5 * 0.95 * case.along_row)))
    made = formats.Made(case, series, scan, formats.case_suggestion(scan, moved), tmp_path)
    for row in formats.JUDGES:
        form, judge, bound, ask = row
        if judge.startswith(("plastimatch", "dciodvfy")) or form == "SEG FRACTIONAL":
            continue  # a tool that may be absent; what does not depend on the place
        if judge == "nibabel to SimpleITK, mm":
            continue
        seen = ask(made)
        assert not within(bound, seen), (form, judge, seen)
