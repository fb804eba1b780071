"""NIfTI volumes against nibabel and SimpleITK: geometry, display orientation, the way back."""

from __future__ import annotations

import struct
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scan_files import rotation

from medcontour.errors import MedcontourError
from medcontour.formats.labelmap.reader import read as read_labels
from medcontour.scan import read_scan

LPS = np.diag([-1.0, -1.0, 1.0])
PERMUTATIONS = list(permutations(range(3)))
SIGNS = list(product((1, -1), repeat=3))


def write_nifti(
    path: Path,
    affine: np.ndarray,
    shape: tuple[int, ...] = (5, 6, 7),
    dtype: type = np.int16,
) -> np.ndarray:
    data = np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape).astype(dtype)
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return data


def axes_affine(
    order: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...]
) -> np.ndarray:
    """File axis a runs along patient axis `order[a]`, with sign and spacing."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis in range(3):
        affine[order[axis], axis] = signs[axis] * spacing[axis]
    affine[:3, 3] = (-20, 30, 40)
    return affine


@pytest.mark.parametrize("order", PERMUTATIONS)
@pytest.mark.parametrize("turn", ["straight", "oblique"])
def test_every_voxel_lies_where_nibabel_puts_it(
    tmp_path: Path, order: tuple[int, ...], turn: str
) -> None:
    for number, signs in enumerate(SIGNS):
        affine = axes_affine(order, signs, (0.8, 1.1, 0.9))
        if turn == "oblique":
            affine[:3, :3] = rotation(0.2, -0.15, 0.3) @ affine[:3, :3]
        path = tmp_path / f"{number}.nii.gz"
        data = write_nifti(path, affine)
        scan = read_scan(path)
        stored = nibabel.load(path).affine

        np.testing.assert_array_equal(scan.grid.affine_ras, stored)
        assert scan.grid.shape == data.shape
        np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), data)
        np.testing.assert_array_equal(scan.grid.to_scan(data), scan.voxels)
        # Every value occurs once, so that it names its voxel.
        for value in (0, 17, 101, data.size - 1):
            i, j, k = np.argwhere(data == value)[0]
            s, r, c = np.argwhere(scan.voxels == value)[0]
            expected = LPS @ nibabel.affines.apply_affine(stored, (i, j, k))
            np.testing.assert_allclose(scan.to_lps([(c, r)], int(s))[0], expected, atol=1e-9)
            np.testing.assert_allclose((scan.affine_lps @ [c, r, s, 1])[:3], expected, atol=1e-9)


# LPS directions of (columns, rows, slices) that a radiologist expects.
DISPLAY = {
    "axial": ([1, 0, 0], [0, 1, 0], [0, 0, 1]),
    "coronal": ([1, 0, 0], [0, 0, -1], [0, 1, 0]),
    "sagittal": ([0, 1, 0], [0, 0, -1], [1, 0, 0]),
}


@pytest.mark.parametrize(("plane", "across"), [("axial", 2), ("coronal", 1), ("sagittal", 0)])
@pytest.mark.parametrize("order", PERMUTATIONS)
def test_thick_slices_are_shown_as_a_radiologist_expects(
    tmp_path: Path, plane: str, across: int, order: tuple[int, ...]
) -> None:
    for number, signs in enumerate(SIGNS):
        spacing = tuple(5.0 if order[axis] == across else 0.8 for axis in range(3))
        path = tmp_path / f"{number}.nii"
        write_nifti(path, axes_affine(order, signs, spacing))
        scan = read_scan(path)
        for axis, direction in enumerate(DISPLAY[plane]):
            step = scan.affine_lps[:3, axis]
            np.testing.assert_allclose(step / np.linalg.norm(step), direction, atol=1e-6)
        assert scan.slice_spacing == pytest.approx(5)


def test_even_voxels_are_cut_axially(tmp_path: Path) -> None:
    path = tmp_path / "even.nii"
    write_nifti(path, axes_affine((1, 2, 0), (1, -1, 1), (1.0, 1.1, 1.15)))
    np.testing.assert_allclose(read_scan(path).affine_lps[:3, 2], [0, 0, 1.1], atol=1e-6)


def test_geometry_and_values_equal_simpleitk(tmp_path: Path) -> None:
    affine = axes_affine((0, 1, 2), (1, 1, 1), (0.8, 0.9, 3.0))
    affine[:3, :3] = rotation(0.2, -0.15, 0.3) @ affine[:3, :3]
    path = tmp_path / "a.nii.gz"
    write_nifti(path, affine, dtype=np.float32)
    scan, judge = read_scan(path), sitk.ReadImage(str(path))
    values = sitk.GetArrayFromImage(judge)
    for s, r, c in ((0, 0, 0), (6, 5, 4), (2, 3, 1)):
        k, j, i = np.argwhere(values == scan.voxels[s, r, c])[0]
        expected = judge.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))
        np.testing.assert_allclose(scan.to_lps([(c, r)], s)[0], expected, atol=1e-4)


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    image = nibabel.Nifti1Image(data, np.eye(4))
    image.header.set_slope_inter(0.25, -3)
    nibabel.save(image, tmp_path / "a.nii.gz")
    scan = read_scan(tmp_path / "a.nii.gz")
    expected = nibabel.load(tmp_path / "a.nii.gz").get_fdata()
    np.testing.assert_allclose(scan.grid.from_scan(scan.voxels), expected)
    assert expected.max() != data.max()


def test_sform_is_taken_before_qform_and_the_difference_said(tmp_path: Path) -> None:
    sform = axes_affine((0, 1, 2), (-1, 1, 1), (1, 1, 2))
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), sform)
    image.set_sform(sform, 1)
    image.set_qform(np.diag([1.0, 1, 2, 1]), 1)
    nibabel.save(image, tmp_path / "both.nii")
    image.set_sform(None, 0)
    nibabel.save(image, tmp_path / "qform.nii")
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "neither.nii")

    both = read_scan(tmp_path / "both.nii")
    np.testing.assert_array_equal(both.grid.affine_ras, sform)
    assert any("sform" in note and "qform" in note for note in both.notes)
    qform = read_scan(tmp_path / "qform.nii")
    np.testing.assert_array_equal(qform.grid.affine_ras, np.diag([1.0, 1, 2, 1]))
    assert qform.notes == ()
    assert any("guess" in note for note in read_scan(tmp_path / "neither.nii").notes)


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 1, 1), (1, 6, 7), (6, 1, 7)])
def test_one_slice(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = write_nifti(tmp_path / "flat.nii", np.diag([0.8, 0.9, 1.1, 1.0]), shape)
    scan = read_scan(tmp_path / "flat.nii")
    assert scan.voxels.shape in {(1, 6, 7), (1, 7, 6)}
    assert scan.grid.shape == (*shape, 1)[:3]
    np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), data.reshape(scan.grid.shape))


def test_a_trailing_axis_of_one_volume(tmp_path: Path) -> None:
    data = write_nifti(tmp_path / "a.nii", np.eye(4), (5, 6, 7, 1))
    scan = read_scan(tmp_path / "a.nii")
    np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), data[..., 0])


def test_nifti_2_and_endings_in_capitals(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti2Image(data, np.eye(4)), tmp_path / "a.nii.gz")
    (tmp_path / "a.nii.gz").rename(tmp_path / "A.NII.GZ")
    scan = read_scan(tmp_path / "A.NII.GZ")
    np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), data)


def test_rgb_nifti(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    packed = np.ascontiguousarray(colour).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nibabel.save(nibabel.Nifti1Image(packed, np.eye(4)), tmp_path / "rgb.nii")
    scan = read_scan(tmp_path / "rgb.nii")
    assert scan.voxels.shape == (5, 4, 3, 3)
    for channel in range(3):
        np.testing.assert_array_equal(
            scan.grid.from_scan(scan.voxels[..., channel]), colour[..., channel]
        )


def with_sform(path: Path, values: list[float], qform: np.ndarray | None) -> Path:
    """A NIfTI whose sform has a code and these twelve numbers."""
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    image.set_sform(np.eye(4), 2)
    image.set_qform(qform, 0 if qform is None else 1)
    nibabel.save(image, path)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<12f", raw, 280, *values)
    path.write_bytes(bytes(raw))
    return path


@pytest.mark.parametrize("number", [0.0, np.nan, np.inf, 1.0])
def test_an_sform_without_use_beside_a_good_qform(tmp_path: Path, number: float) -> None:
    qform = axes_affine((0, 1, 2), (-1, 1, 1), (1.5, 2, 3))
    scan = read_scan(with_sform(tmp_path / "a.nii", [number] * 12, qform))
    np.testing.assert_allclose(scan.grid.affine_ras, qform, atol=1e-6)
    assert any("sform places no voxels" in note and "qform is used" in note for note in scan.notes)
    with pytest.raises(MedcontourError, match="places no voxels"):
        read_scan(with_sform(tmp_path / "b.nii", [number] * 12, None))


def test_a_qform_without_use_beside_a_good_sform(tmp_path: Path) -> None:
    sform = axes_affine((0, 1, 2), (-1, 1, 1), (1.5, 2, 3))
    path = with_sform(tmp_path / "a.nii", list(sform[:3].ravel()), np.eye(4))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<3f", raw, 256, 9.0, 9.0, 9.0)  # a quaternion that is no rotation
    path.write_bytes(bytes(raw))
    scan = read_scan(path)
    np.testing.assert_allclose(scan.grid.affine_ras, sform, atol=1e-6)
    assert any("qform places no voxels" in note for note in scan.notes)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_is_known_by_its_content(tmp_path: Path, kind: type) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(kind(data, np.eye(4)), tmp_path / "a.nii")
    path = (tmp_path / "a.nii").rename(tmp_path / "a")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), data)


def test_a_label_map_goes_by_the_affine_that_its_scan_goes_by(tmp_path: Path) -> None:
    qform = axes_affine((0, 1, 2), (-1, 1, 1), (1.5, 2, 3))
    path = with_sform(tmp_path / "labels.nii", [0.0] * 12, qform)
    scan = read_scan(path)
    shapes = read_labels(path, scan).shapes
    assert len(shapes) == 59  # each value but 0 once
    for shape in shapes:
        np.testing.assert_array_equal(shape.values, scan.voxels[shape.slice] == shape.number)
