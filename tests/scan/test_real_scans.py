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


def read_or_refused(path: Path) -> Scan | None:
    """Give the scan, or None where it is refused, in one sentence: nothing else may be raised."""
    try:
        return read_scan(path)
    except MedcontourError as error:
        message = str(error)
        assert message.endswith(".")
        assert "\n" not in message
        return None


def assert_as_itk(scan: Scan, path: Path) -> bool:
    """Hold a DICOM file's geometry and grey values against ITK's, where ITK can read it."""
    try:
        judge = sitk.ReadImage(str(path))
    except RuntimeError:
        return False
    if judge.GetSize() != (scan.columns, scan.rows, scan.slices):
        return False
    for column, row, k in (
        (0, 0, 0),
        (scan.columns - 1, 0, 0),
        (3, scan.rows - 1, scan.slices - 1),
    ):
        if scan.frame_of_reference_uid:  # ITK gives flat images a spacing by rules of its own
            np.testing.assert_allclose(
                scan.to_lps([(column, row)], k)[0],
                judge.TransformIndexToPhysicalPoint((column, row, k)),
                atol=5e-3,  # ITK makes rounded direction cosines unit vectors
            )
    values = sitk.GetArrayFromImage(judge)
    looked_up = {"ModalityLUTSequence", "RedPaletteColorLookupTableData"}
    if (
        values.shape == scan.voxels.shape
        and scan.voxels.ndim == 3
        and not any("MONOCHROME1" in note for note in scan.notes)
        and not any(keyword in scan.datasets[0] for keyword in looked_up)
    ):
        # Decoders of lossy JPEG may differ by one or two in their rounding.
        there = np.ones(values.shape, bool) if scan.measured is None else scan.measured
        np.testing.assert_allclose(scan.voxels[there], values[there], atol=2)
    return True


@pytest.mark.slow
def test_every_dicom_file_is_read_as_itk_reads_it_or_refused(
    shared_data: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each of the real files by itself, whatever it is; no warning may quote a patient's data."""
    paths = [path for path in sorted((shared_data / "dicom").rglob("*")) if path.is_file()]
    scans = {path: read_or_refused(path) for path in paths}
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")
    read = [path for path, scan in scans.items() if scan is not None]
    dicom = {path: scans[path] for path in read if scans[path].datasets}
    agreed = sum(assert_as_itk(scan, path) for path, scan in dicom.items())
    with capfd.disabled():
        print(f"\n{len(paths)} files: {len(read)} read, {len(paths) - len(read)} refused; "
              f"{agreed} of {len(dicom)} DICOM images held against ITK")  # fmt: skip
    assert len(paths) - len(read) > 50
    assert agreed > 0.8 * len(dicom)


@pytest.mark.slow
def test_every_folder_is_read_or_refused(shared_data: Path) -> None:
    """Series that lie together, mixed with structure sets, plans, doses, texts and indices."""
    folders = [path for path in sorted((shared_data / "dicom").rglob("*")) if path.is_dir()]
    scans = [read_or_refused(folder) for folder in folders]
    assert sum(scan is not None for scan in scans) > 20
    assert sum(scan is None for scan in scans) > 5
    for scan in scans:
        if scan is not None and scan.slices > 1:
            np.testing.assert_allclose(
                [scan.to_lps([(0, 0)], k)[0] for k in range(scan.slices)], scan.slice_origins_lps
            )


def test_every_nifti_is_read_where_nibabel_puts_it(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.nii.gz"))
    assert len(paths) > 10
    for path in paths:
        scan = read_or_refused(path)
        if scan is not None:
            judge = nibabel.load(path)
            np.testing.assert_array_equal(scan.grid.affine_ras, judge.affine)
            for index in ((0, 0, 0), tuple(length - 1 for length in judge.shape[:3])):
                marked = np.zeros(scan.grid.shape, bool)
                marked[index] = True
                [(k, row, column)] = np.argwhere(scan.grid.to_scan(marked))
                expected = (LPS @ judge.affine @ [*index, 1])[:3]
                np.testing.assert_allclose(
                    scan.to_lps([(column, row)], int(k))[0], expected, atol=1e-6
                )


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "no_meta.dcm"])
def test_pydicoms_bad_files_are_refused(shared_data: Path, name: str) -> None:
    with pytest.raises(MedcontourError, match=name):
        read_scan(shared_data / "dicom" / "pydicom" / name)
