"""The evidence as numbers on the images, read by highdicom."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from dicom_files import exported
from export_cases import (
    AXIAL,
    CASES,
    EVIDENCE,
    TILTED,
    UNEVEN,
    Case,
    case_suggestion,
    circle,
    suggest,
    write_series,
)

import medcontour as mc
from medcontour.results import NothingToWrite, export, refusal
from medcontour.scan import Scan, read_scan


@pytest.mark.parametrize("case", [AXIAL, CASES[3], TILTED, UNEVEN], ids=lambda case: case.name)
def test_shares_are_those_of_the_ellipses_where_they_lie(case: Case, tmp_path: Path) -> None:
    scan = read_scan(write_series(case, tmp_path / "series"))
    ours = exported("parametric-map", case_suggestion(scan, case), scan, tmp_path)
    frames = hd.imread(tmp_path / "parametric_map.dcm").get_frames()
    slices = sorted({e.k for e in EVIDENCE})
    assert len(frames) == len(slices)
    found = []
    for frame, groups in zip(frames, ours.PerFrameFunctionalGroupsSequence, strict=True):
        place = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        [k] = [k for k in slices if np.allclose(place, case.slice_origin(k), atol=1e-5)]
        found.append(k)
        area = frame.sum() * case.row_spacing * case.column_spacing
        wanted = sum(np.pi * np.prod(e.half_axes) for e in EVIDENCE if e.k == k)
        assert area == pytest.approx(wanted, rel=1e-3)
        rows, columns = np.nonzero(frame == 1)
        centres = case.place(np.stack([columns, rows], axis=1).astype(float), k)
        inside = [e.radius(case, centres) < 1 for e in EVIDENCE if e.k == k]
        assert np.any(inside, axis=0).all()
    assert sorted(found) == slices
    assert frames.max() == 1
    assert frames.min() == 0


def test_frames_of_a_multi_frame_image_are_its_own(series: Path, tmp_path: Path) -> None:
    converted = hd.legacy.LegacyConvertedEnhancedCTImage(
        [hd.imread(path) for path in sorted(series.glob("*.dcm"))], hd.UID(), 9, hd.UID(), 1
    )
    converted.save_as(tmp_path / "enhanced.dcm")
    scan = read_scan(tmp_path / "enhanced.dcm")
    ours = exported("parametric-map", case_suggestion(scan, AXIAL), scan, tmp_path)
    frames = hd.imread(tmp_path / "parametric_map.dcm").get_frames()
    assert len(frames) == scan.slices
    for frame, groups in zip(frames, ours.PerFrameFunctionalGroupsSequence, strict=True):
        height = float(groups.PlanePositionSequence[0].ImagePositionPatient[2])
        heights = [AXIAL.slice_origin(e.k)[2] for e in EVIDENCE]
        assert frame.any() == bool(np.isclose(heights, height).any())


def test_it_is_written_on_request_and_with_evidence_alone(scan: Scan, tmp_path: Path) -> None:
    assert not mc.exporters()["parametric-map"].by_default(scan)
    with pytest.raises(NothingToWrite):
        export(suggest(scan, [circle(scan, 1, (20, 20), 5)]), scan, "parametric-map", tmp_path)


def test_a_radiograph_without_a_frame_of_reference_is_refused(sample_data: Path) -> None:
    sentence = refusal(read_scan(sample_data / "radiograph.dcm"), "parametric-map")
    assert sentence is not None
    assert "no FrameOfReferenceUID (0020,0052)" in sentence
