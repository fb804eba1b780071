"""Files that others made: read as they are, or refused with a sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

import medcontour as mc
from medcontour.contour.polygons import region
from medcontour.errors import MedcontourError
from medcontour.formats.place import plane_mm
from medcontour.formats.reader import read_edited
from medcontour.formats.shapes import Edited
from medcontour.scan import Scan

pytestmark = pytest.mark.shared_data


def areas(edited: Edited, scan: Scan) -> dict[str, float]:
    """Summed over slices, by name."""
    row, column = scan.pixel_spacing
    total: Counter[str] = Counter()
    for shape in edited.shapes:
        if shape.values is None:
            total[shape.name] += region(plane_mm(shape.polygon_lps_mm, scan, shape.slice)).area
        else:
            total[shape.name] += float((shape.values >= 0.5).sum()) * row * column
    return dict(total)


def shoelace(contour: pydicom.Dataset) -> float:
    x, y, _ = np.reshape(contour.ContourData, (-1, 3)).astype(float).T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def test_varian_structure_set_that_names_other_images(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dcpt_headphantom"
    scan = mc.read_scan(folder)
    (path,) = folder.glob("RS*.dcm")
    dataset = pydicom.dcmread(path)
    named = {
        image.ReferencedSOPInstanceUID
        for roi in dataset.ROIContourSequence
        for contour in roi.get("ContourSequence", [])
        for image in contour.get("ContourImageSequence", [])
    }
    assert not named & set(scan.sop_instance_uids)
    edited = read_edited(path, scan)
    heights = set(np.round(scan.slice_origins_lps[:, 2], 2))
    names = {int(roi.ROINumber): roi.ROIName for roi in dataset.StructureSetROISequence}
    want: Counter[str] = Counter()
    for roi in dataset.ROIContourSequence:
        for contour in roi.get("ContourSequence", []):
            if round(float(contour.ContourData[2]), 2) in heights:
                want[names[int(roi.ReferencedROINumber)]] += shoelace(contour)
    found = areas(edited, scan)
    assert found.keys() == want.keys() == {"BODY", "BrainStem", "CTV"}
    for name in want:
        assert found[name] == pytest.approx(want[name], rel=1e-3)


def test_mim_ring_drawn_as_a_keyhole(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "rt_utils" / "mock_data"
    scan = mc.read_scan(folder)
    edited = read_edited(folder / "invalid_reference_rt.dcm", scan)
    assert Counter(shape.name for shape in edited.shapes) == dict.fromkeys(
        ("ROI-1", "ROI-2", "ROI-3", "ROI-4"), 2
    )
    ring = next(s for s in edited.shapes if s.name == "ROI-4")
    (part,) = (
        p for p in region(plane_mm(ring.polygon_lps_mm, scan, ring.slice)).geoms if p.area > 1
    )
    assert part.interiors or part.area < 0.9 * part.convex_hull.area
    one, two = (
        read_edited(folder.parent / name, scan)
        for name in ("mock_data/non_existent_reference_rt.dcm", "empty/dummy_rt.dcm")
    )
    assert areas(one, scan) == areas(two, scan) == areas(edited, scan)
    # A writer that made up a frame of reference, and names this scan's images.
    (roi,) = {shape.name for shape in read_edited(folder / "rt.dcm", scan).shapes}
    assert roi == "ROI-1"
    oblique = mc.read_scan(folder.parent / "oriented_data")
    with pytest.raises(MedcontourError, match="lies in a slice"):
        read_edited(folder / "invalid_reference_rt.dcm", oblique)


def test_structure_set_with_an_empty_structure(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dicompyler"
    scan = mc.read_scan(folder / "ct.0.dcm")
    edited = read_edited(folder / "rtss.dcm", scan)
    assert {shape.name for shape in edited.shapes} == {"BODY"}
    assert any("without contours, 1" in note for note in edited.notes)
    with pytest.raises(MedcontourError, match="another kind"):
        read_edited(folder / "rtplan.dcm", scan)


@pytest.mark.parametrize(
    ("seg", "nrrd"), [("liver.dcm", "liver_seg.nrrd"), ("24x38x3/seg/label.seg", None)]
)
def test_dcmqi_segmentations_equal_their_nrrd(
    shared_data: Path, seg: str, nrrd: str | None
) -> None:
    folder = shared_data / "dicom" / "dcmqi_liver"
    scan = mc.read_scan(folder / ("ct-3slice" if nrrd else "24x38x3/image"))
    judge = sitk.GetArrayFromImage(sitk.ReadImage(folder / (nrrd or "24x38x3/nrrd/label.nrrd")))
    for path in (folder / seg, folder / (nrrd or "24x38x3/nrrd/label.nrrd")):
        volume = np.zeros(scan.voxels.shape[:3], dtype=bool)
        for shape in read_edited(path, scan).shapes:
            volume[shape.slice] |= shape.values >= 0.5
        # Both run along the same rows and columns; slices may be counted from the other end.
        assert np.array_equal(volume, judge > 0) or np.array_equal(volume[::-1], judge > 0)


def test_partial_overlaps_keep_every_segment(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dcmqi_liver"
    scan = mc.read_scan(folder / "ct-3slice")
    edited = read_edited(folder / "partial_overlaps.dcm", scan)
    found = areas(edited, scan)
    assert len(found) == 5
    row, column = scan.pixel_spacing
    parts = [folder / f"partial_overlaps-{n}.nrrd" for n in (1, 2, 3)]
    want = sum((sitk.GetArrayFromImage(sitk.ReadImage(p)) > 0).sum() for p in parts)
    assert sum(found.values()) == pytest.approx(float(want) * row * column)
    with pytest.raises(MedcontourError, match="another grid"):
        read_edited(folder / "sparse_labelmap_ppv5_seg.nrrd", scan)


def test_organ_map_on_the_scan_is_read_whole(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "siemens_ct_totalseg"
    scan = mc.read_scan(folder / "example_ct_dicom")
    path = folder / "example_seg_dicom.nii.gz"
    values = sitk.GetArrayFromImage(sitk.ReadImage(path))
    counts: Counter[int] = Counter()
    for shape in read_edited(path, scan).shapes:
        counts[shape.number] += int((shape.values >= 0.5).sum())
    assert counts == {int(v): int((values == v).sum()) for v in np.unique(values) if v}


def test_every_dicom_file_is_read_or_refused(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "dicom"
    scan = mc.read_scan(folder / "dicompyler" / "ct.0.dcm")
    files = [p for p in sorted((folder / "pydicom").rglob("*.dcm")) if p.stat().st_size < 3e5]
    assert len(files) > 20
    refusals = []
    for path in files:
        try:
            read_edited(path, scan)
        except MedcontourError as error:
            refusals.append(str(error))
    assert len(refusals) > 0
    assert all(sentence.endswith(".") for sentence in refusals)
