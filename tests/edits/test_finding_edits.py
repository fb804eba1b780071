"""What becomes of a finding over its slices, painted as readers paint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from edits import AXIAL, write_series
from export_cases import circle, suggest

import medcontour as mc
from medcontour.results import make_finding
from medcontour.scan import Scan

Paint = Callable[[np.ndarray], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, mc.Suggestion]:
    """Two findings on slices 1 to 3: one about column 15, one about column 42."""
    scan = mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("scan") / "series"))
    whole = suggest(scan, [circle(scan, k, (15, 20), 7) for k in (1, 2, 3)])
    other = suggest(scan, [circle(scan, k, (42, 20), 5) for k in (1, 2, 3)])
    findings = (
        make_finding(whole.slices, 1, scan),
        make_finding(other.slices, 2, scan),
    )
    return scan, replace(whole, findings=findings, source=scan)


def nothing(values: np.ndarray) -> None:
    """Leave it as it is."""


def grow(values: np.ndarray) -> None:
    values[2, 8:32, 5:25] = 1


def shrink(values: np.ndarray) -> None:
    values[1:4, 20:, :30][values[1:4, 20:, :30] == 1] = 0


def shift(values: np.ndarray) -> None:
    values[2, :, :30] = np.roll(values[2, :, :30], 2, axis=1)


def delete(values: np.ndarray) -> None:
    values[values == 1] = 0


def cut(values: np.ndarray) -> None:
    values[1:4, 19:22, :30] = 0


def merge(values: np.ndarray) -> None:
    values[1:4, 18:23, 15:42] = 1
    values[values == 2] = 1


def rename(values: np.ndarray) -> None:
    """The lower half of finding 1 becomes a structure of its own."""
    lower = values[1:4, 19:, :30]
    lower[lower == 1] = 3


def draw(values: np.ndarray) -> None:
    values[4, 30:36, 20:30] = 3


@pytest.mark.parametrize(
    ("paint", "expected"),
    [
        (nothing, {"nodule 1": "kept", "nodule 2": "kept"}),
        (grow, {"nodule 1": "grown", "nodule 2": "kept"}),
        (shrink, {"nodule 1": "shrunk", "nodule 2": "kept"}),
        (shift, {"nodule 1": "moved", "nodule 2": "kept"}),
        (delete, {"nodule 1": "deleted", "nodule 2": "kept"}),
        (cut, {"nodule 1": "split", "nodule 2": "kept"}),
        (merge, {"nodule 1": "merged", "nodule 2": "merged"}),
        (rename, {"nodule 1": "split", "nodule 2": "kept", "nodule 3": "new"}),
        (draw, {"nodule 1": "kept", "nodule 2": "kept", "nodule 3": "new"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_became_of_each_finding(
    made: tuple[Scan, mc.Suggestion], tmp_path: Path, paint: Paint, expected: dict[str, str]
) -> None:
    scan, suggestion = made
    suggestion.save(tmp_path / "out", ["labelmap"])
    image = nibabel.load(tmp_path / "out" / "labelmap.nii.gz")
    before = scan.grid.to_scan(np.asarray(image.dataobj))
    after = before.copy()
    paint(after)
    edited = nibabel.Nifti1Image(scan.grid.from_scan(after), image.affine)
    nibabel.save(edited, tmp_path / "edited.nii.gz")
    names = "".join(f'    {n}   255    0    0        1  1  1    "nodule {n}"\n' for n in (1, 2, 3))
    (tmp_path / "edited.txt").write_text(names)
    report = mc.refine(suggestion, tmp_path / "edited.nii.gz", scan).report
    assert {f.name: f.change for f in report.findings} == expected
    assert report.changed == (paint is not nothing)
    row, column = scan.pixel_spacing
    voxel = row * column * scan.slice_spacing
    for finding in report.findings:
        drawn = (after == finding.number).sum() * voxel
        assert finding.volume_after_mm3 == pytest.approx(drawn, rel=0.1)
    document = json.loads(report.to_json())
    assert [f["change"] for f in document["findings"]] == [f.change for f in report.findings]
    assert all(change in report.to_markdown() for change in expected.values())
