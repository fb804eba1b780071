"""What a finding says of itself, held against the voxels that others read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from edits import AXIAL, CASES, TILTED, UNEVEN, Case, smooth_suggestion, write_series
from export_cases import each

import medcontour as mc
from medcontour.results import make_finding
from medcontour.results.document import finding_to_dict
from medcontour.results.finding import diameters_mm, slice_thickness_mm
from medcontour.scan import Scan


@pytest.mark.parametrize("case", each(*CASES, TILTED, UNEVEN), ids=lambda case: case.name)
def test_the_volume_is_that_of_the_voxels(case: Case, tmp_path: Path) -> None:
    """Of every orientation, tilted and uneven stacks too; voxels are counted apart from us."""
    scan = mc.read_scan(write_series(case, tmp_path / "series"))
    [finding] = smooth_suggestion(scan)
    row, column = scan.pixel_spacing
    voxels = finding.mask(scan).sum(axis=(1, 2)) * row * column * slice_thickness_mm(scan)
    assert finding.volume_mm3 == pytest.approx(voxels.sum(), rel=0.03)
    # Two planes' distance along their normal, whatever the table did in between.
    normal = np.cross(*np.reshape(scan.datasets[0].ImageOrientationPatient, (2, 3)).astype(float))
    places = [float(np.dot(d.ImagePositionPatient, normal)) for d in scan.datasets]
    inner = (places[2] - places[0]) / 2
    assert slice_thickness_mm(scan)[1] == pytest.approx(abs(inner), rel=1e-6)


def test_segments_of_another_library_have_the_findings_volumes(tmp_path: Path) -> None:
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "series"))
    suggestion = apart(scan)
    suggestion.save(tmp_path / "out", ["seg"])
    segments = highdicom.seg.segread(tmp_path / "out" / "seg.dcm")
    names = [segment.SegmentLabel for segment in segments.SegmentSequence]
    assert names == [finding.name for finding in suggestion] == ["nodule 1", "nodule 2"]
    uids = {segment.TrackingUID for segment in segments.SegmentSequence}
    assert len(uids) == 2
    assert {str(segment.TrackingID) for segment in segments.SegmentSequence} == set(names)
    row, column = scan.pixel_spacing
    for number, finding in enumerate(suggestion, start=1):
        own = segments.get_volume(segment_numbers=[number]).array[..., 0]
        volume = own.sum() * row * column * scan.slice_spacing
        assert finding.volume_mm3 == pytest.approx(volume, rel=0.03)


def apart(scan: Scan) -> mc.Suggestion:
    """Two findings: the first slice, and the others."""
    suggestion = smooth_suggestion(scan)
    first, *others = suggestion.slices
    findings = (make_finding([first], 1, scan), make_finding(others, 2, scan))
    return replace(suggestion, findings=findings)


def test_structures_of_a_set_are_findings_or_classes(tmp_path: Path) -> None:
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "series"))
    suggestion = apart(scan)
    for merge, names in (
        (False, ["nodule 1", "nodule 1 evidence", "nodule 2", "nodule 2 evidence"]),
        (True, ["nodule", "nodule evidence"]),
    ):
        out = tmp_path / str(merge)
        formats = ["rtstruct", "seg", "labelmap", "nrrd", "markups", "coco", "sr"]
        suggestion.save(out, formats, merge_findings=merge)
        structures = pydicom.dcmread(out / "rtstruct.dcm").StructureSetROISequence
        assert [roi.ROIName for roi in structures] == names
        for name in ("rtstruct.dcm", "seg.dcm", "labelmap.nii.gz", "segmentation.seg.nrrd",
                     "markups", "coco.json", "sr.dcm"):  # fmt: skip
            refined = mc.refine(out, out / name, scan)
            assert not refined.report.changed, (name, merge)
            kept = [finding_to_dict(finding) for finding in refined.suggestion]
            assert kept == [finding_to_dict(finding) for finding in suggestion]
        assert len(mc.Suggestion.read_json(out).findings) == 2  # the JSON keeps them apart


def test_edits_of_a_file_that_says_the_class_alone_are_of_the_findings(tmp_path: Path) -> None:
    """One value for all: each patch is of the finding it lies on, what lies on none is new."""
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "series"))
    suggestion = apart(scan)
    suggestion.save(tmp_path / "out", ["labelmap"], merge_findings=True)
    image = nibabel.load(tmp_path / "out" / "labelmap.nii.gz")
    values = scan.grid.to_scan(np.asarray(image.dataobj)).copy()
    assert set(np.unique(values)) == {0, 1}
    values[1, :, :14] = 0  # of finding 1
    values[3] = 0  # of finding 2, the last slice
    values[3, 10:13, 16:30] = 1  # drawn anew there
    values[4, 12:16, 16:24] = 1  # and on
    values[4, 35:39, 2:9] = 1  # nothing lies here
    edited = nibabel.Nifti1Image(scan.grid.from_scan(values), image.affine)
    nibabel.save(edited, tmp_path / "edited.nii.gz")
    (tmp_path / "edited.txt").write_text('    1   255    0    0        1  1  1    "nodule"\n')
    refined = mc.refine(suggestion, tmp_path / "edited.nii.gz", scan)
    first, second, third = refined.suggestion
    assert [f.id for f in (first, second)] == [f.id for f in suggestion]
    assert [part.slice for part in first.slices] == [1]
    assert [part.slice for part in second.slices] == [2, 3, 4]
    assert [part.slice for part in third.slices] == [4]
    assert (third.number, third.label, third.status) == (3, "nodule", "drawn by a reader")
    drawn = np.zeros_like(values, dtype=bool)
    for finding in refined.suggestion:
        drawn |= finding.mask(scan)
    np.testing.assert_array_equal(drawn, values > 0)


def test_the_longest_diameter_of_an_ellipse() -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    u = np.array([1.0, 2.0, 2.0]) / 3
    v = np.array([2.0, 1.0, -2.0]) / 3
    curve = 7.0 * np.cos(angle)[:, None] * u + 3.0 * np.sin(angle)[:, None] * v + (10, -4, 80)
    assert diameters_mm(curve) == pytest.approx((14.0, 6.0), rel=1e-3)
    assert diameters_mm(np.zeros((5, 3))) == (0.0, 0.0)


def test_a_finding_is_its_strongest_slice(tmp_path: Path) -> None:
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "series"))
    first, second, third = smooth_suggestion(scan).slices
    weak = replace(first, status="no better than random places", score=0.99)
    finding = make_finding([third, weak, second], 1, scan)
    assert [part.slice for part in finding.slices] == [1, 2, 3]
    assert (finding.status, finding.score) == ("suggested", 0.99)
    strong = make_finding([second, third], 1, scan)
    assert finding.volume_mm3 == strong.volume_mm3  # what is exported is what is measured
    assert make_finding([replace(weak, outlines=())], 1, scan).volume_mm3 is None


def test_an_edit_ends_an_outlines_trust_and_leaves_what_is_said_of_evidence(tmp_path: Path) -> None:
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "series"))
    plain = apart(scan)
    figured = tuple(replace(f, conformal_p_value=0.25, trust=0.75) for f in plain)
    replace(plain, findings=figured).save(tmp_path / "out", ["labelmap"])
    image = nibabel.load(tmp_path / "out" / "labelmap.nii.gz")
    labels = np.asarray(image.dataobj).copy()
    across = np.flatnonzero((labels == 1).any(axis=(1, 2)))
    labels[: across[len(across) // 2]][labels[: across[len(across) // 2]] == 1] = 0
    nibabel.save(nibabel.Nifti1Image(labels, image.affine), tmp_path / "edited.nii.gz")
    cut, whole = mc.refine(tmp_path / "out", tmp_path / "edited.nii.gz", scan).suggestion
    assert (cut.conformal_p_value, cut.trust) == (0.25, None)
    assert (whole.conformal_p_value, whole.trust) == (0.25, 0.75)
