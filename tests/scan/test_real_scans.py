"""Real files: geometry and values against the label maps and conversions that came with them."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from medcontour.errors import MedcontourError
from medcontour.scan import read_scan
from medcontour.scan.scan import Scan

pytestmark = pytest.mark.shared_data

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def assert_same_volume(scan: Scan, path: Path, atol: float = 1e-3) -> None:
    """Hold the scan against a NIfTI of the same voxels, read by nibabel alone."""
    judge = nibabel.load(path)
    values = np.asarray(judge.dataobj)
    to_judge = np.linalg.inv(LPS @ judge.affine) @ scan.affine_lps
    s, r, c = (axis.ravel() for axis in np.indices(scan.voxels.shape))
    index = np.rint((to_judge @ np.stack([c, r, s, np.ones_like(s)]))[:3]).astype(int)
    corner = np.array([scan.columns - 1, scan.rows - 1, scan.slices - 1, 1])
    offset = to_judge @ corner
    np.testing.assert_allclose(offset, np.rint(offset), atol=atol)
    np.testing.assert_allclose(to_judge[:3, 3], np.rint(to_judge[:3, 3]), atol=atol)
    np.testing.assert_array_equal(values[tuple(index)], scan.voxels.ravel())


def test_siemens_ct_lies_on_its_label_map(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "siemens_ct_totalseg"
    scan = read_scan(folder / "example_ct_dicom")
    labels = read_scan(folder / "example_seg_dicom.nii.gz")
    assert scan.voxels.shape == labels.voxels.shape
    np.testing.assert_allclose(scan.affine_lps, labels.affine_lps, atol=1e-4)
    judge = nibabel.load(folder / "example_seg_dicom.nii.gz")
    assert scan.grid.shape == judge.shape
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "example_ct_dicom")))
    np.testing.assert_array_equal(scan.voxels, sitk.GetArrayFromImage(reader.Execute()))


@pytest.mark.parametrize("kind", ["", "_rle", "_jpegls", "_j2k", "_jpeg"])
def test_lossless_compressions_equal_their_nifti(shared_data: Path, kind: str) -> None:
    folder = shared_data / "dicom" / "dicom2nifti" / "generic" / f"compressed{kind}"
    assert_same_volume(read_scan(folder / "001"), folder / "001_ground_truth.nii.gz")


@pytest.mark.parametrize("vendor", ["siemens_multiframe", "hitachi"])
def test_enhanced_and_oblique_equal_their_nifti(shared_data: Path, vendor: str) -> None:
    folder = shared_data / "dicom" / "dicom2nifti" / vendor / "anatomical"
    scan = read_scan(folder / "001")
    assert_same_volume(scan, folder / "001_ground_truth.nii.gz", atol=2e-2)
    assert bool(scan.frame_numbers) == (vendor == "siemens_multiframe")


def test_missing_slice_and_gantry_tilt(shared_data: Path) -> None:
    failing = shared_data / "dicom" / "dicom2nifti" / "failing"
    gap = read_scan(failing / "sliceincrement" / "001")
    assert not gap.regular
    tilted = read_scan(failing / "gantrytilting" / "001")
    assert tilted.regular
    assert abs(tilted.affine_lps[:3, 1] @ tilted.affine_lps[:3, 2]) > 0.1
    for scan, name in ((gap, "sliceincrement"), (tilted, "gantrytilting")):
        places = sorted(
            tuple(float(value) for value in pydicom.dcmread(path).ImagePositionPatient)
            for path in (failing / name / "001").iterdir()
        )
        np.testing.assert_array_equal(sorted(map(tuple, scan.slice_origins_lps)), places)


def test_anisotropic_oriented_ct_equals_simpleitk(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "rt_utils" / "oriented_data"
    scan = read_scan(folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    judge = reader.Execute()
    np.testing.assert_array_equal(scan.voxels, sitk.GetArrayFromImage(judge).astype(np.float32))
    for point in ((0, 0, 0), (99, 0, 1), (0, 49, 2), (30, 20, 1)):
        np.testing.assert_allclose(
            scan.to_lps([point[:2]], point[2])[0],
            judge.TransformIndexToPhysicalPoint(point),
            atol=1e-3,
        )


@pytest.mark.parametrize(
    "name",
    [
        "totalseg/example_ct.nii.gz",
        "totalseg/example_mr_sm.nii.gz",
        "totalseg/example_seg.nii.gz",
        "sct/t2.nii.gz",
    ],
)
def test_nifti_lies_where_nibabel_puts_it(shared_data: Path, name: str) -> None:
    path = shared_data / "ct_mr_nifti" / name
    scan = read_scan(path)
    assert_same_volume(scan, path, atol=1e-9)
    np.testing.assert_array_equal(scan.grid.affine_ras, nibabel.load(path).affine)
    np.testing.assert_array_equal(
        scan.grid.from_scan(scan.voxels), np.asarray(nibabel.load(path).dataobj)
    )


def test_every_dicom_file_is_read_or_refused(
    shared_data: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [path for path in (shared_data / "dicom").rglob("*") if path.is_file()]
    outcomes = {"read": 0, "refused": 0}
    for path in paths:
        try:
            scan = read_scan(path)
        except MedcontourError:
            outcomes["refused"] += 1
        else:
            assert np.isfinite(scan.voxels).all()
            outcomes["read"] += 1
    assert min(outcomes.values()) > 50
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "no_meta.dcm"])
def test_pydicoms_bad_files_are_refused(shared_data: Path, name: str) -> None:
    with pytest.raises(MedcontourError, match=name):
        read_scan(shared_data / "dicom" / "pydicom" / name)
