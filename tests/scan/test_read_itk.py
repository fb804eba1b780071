"""NRRD and MetaImage volumes against nibabel: geometry, values, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scan_files import rotation

from medcontour.errors import MedcontourError
from medcontour.scan import read_scan

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ENDINGS = ("nrrd", "nhdr", "mha", "mhd")
DIRECTIONS = {
    "straight": np.eye(3),
    "flipped": np.diag([-1.0, 1.0, -1.0]),
    "turned": np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]),
    "oblique": rotation(0.2, -0.15, 0.3),
}


def image(direction: np.ndarray = DIRECTIONS["oblique"], kind: type = np.int16) -> sitk.Image:
    values = np.random.default_rng(0).permutation(5 * 6 * 7).reshape(5, 6, 7).astype(kind)
    found = sitk.GetImageFromArray(values)
    found.SetSpacing((0.7, 0.9, 3.1))
    found.SetOrigin((-12.5, 30.25, 7.0))
    found.SetDirection(direction.ravel().tolist())
    return found


def saved(folder: Path, ending: str, packed: bool = False, of: sitk.Image | None = None) -> Path:
    path = folder / f"volume.{ending}"
    sitk.WriteImage(image() if of is None else of, str(path), packed)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(MedcontourError) as caught:
        read_scan(path)
    assert str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("turn", DIRECTIONS)
def test_every_voxel_lies_where_nibabel_puts_it(
    tmp_path: Path, turn: str, ending: str, packed: bool
) -> None:
    written = image(DIRECTIONS[turn])
    sitk.WriteImage(written, str(tmp_path / "judge.nii"))
    judge = nibabel.load(tmp_path / "judge.nii")
    scan = read_scan(saved(tmp_path, ending, packed, written))
    np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), judge.get_fdata())
    np.testing.assert_allclose(scan.grid.affine_ras, judge.affine, atol=1e-4)
    data = judge.get_fdata()
    for value in (0, 17, 101, data.size - 1):
        index = np.argwhere(data == value)[0]
        k, row, column = np.argwhere(scan.voxels == value)[0]
        expected = (LPS @ judge.affine @ [*index, 1])[:3]
        np.testing.assert_allclose(scan.to_lps([(column, row)], int(k))[0], expected, atol=1e-4)
    assert scan.notes == ()
    assert scan.units == "mm"


def test_nifti_of_the_same_volume_is_shown_alike(tmp_path: Path) -> None:
    sitk.WriteImage(image(), str(tmp_path / "judge.nii"))
    scan, judge = read_scan(saved(tmp_path, "nrrd")), read_scan(tmp_path / "judge.nii")
    np.testing.assert_array_equal(scan.voxels, judge.voxels)
    np.testing.assert_allclose(scan.affine_lps, judge.affine_lps, atol=1e-4)
    assert (scan.grid.axes, scan.grid.flipped) == (judge.grid.axes, judge.grid.flipped)


@pytest.mark.parametrize("space", ["right-anterior-superior", "left-anterior-superior", "RAS"])
def test_spaces_of_nrrd(tmp_path: Path, space: str) -> None:
    straight = read_scan(saved(tmp_path, "nrrd"))
    path = tmp_path / "volume.nrrd"
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", space.encode()))
    turned = read_scan(path)
    signs = [-1, -1, 1, 1] if space[0] in "rR" else [1, -1, 1, 1]
    np.testing.assert_allclose(
        LPS @ turned.grid.affine_ras, np.diag(signs) @ LPS @ straight.grid.affine_ras, atol=1e-9
    )


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.float64])
def test_kinds_of_values(tmp_path: Path, ending: str, kind: type) -> None:
    written = image(kind=kind)
    scan = read_scan(saved(tmp_path, ending, of=written))
    expected = sitk.GetArrayFromImage(written).transpose()
    np.testing.assert_array_equal(scan.grid.from_scan(scan.voxels), expected)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_colour_and_a_picture_of_two_axes(tmp_path: Path, ending: str) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (5, 6, 7, 3)).astype(np.uint8)
    scan = read_scan(saved(tmp_path, ending, of=sitk.GetImageFromArray(colour, isVector=True)))
    for channel in range(3):
        np.testing.assert_array_equal(
            scan.grid.from_scan(scan.voxels[..., channel]), colour[..., channel].transpose()
        )
    flat = sitk.GetImageFromArray(np.arange(42, dtype=np.int16).reshape(6, 7))
    flat.SetSpacing((0.5, 2.0))
    scan = read_scan(saved(tmp_path, ending, of=flat))
    assert (scan.slices, scan.units) == (1, "mm")
    assert scan.pixel_spacing == pytest.approx((2.0, 0.5))


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_several_volumes_are_refused(tmp_path: Path, ending: str) -> None:
    two = np.zeros((5, 6, 7, 2), np.float32)
    vectors = sitk.GetImageFromArray(two, isVector=True)
    assert "several volumes" in refusal(saved(tmp_path, ending, of=vectors))
    times = sitk.GetImageFromArray(np.zeros((2, 5, 6, 7), np.float32), isVector=False)
    assert "several volumes" in refusal(saved(tmp_path, ending, of=times))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ["nrrd", "mha"])
@pytest.mark.parametrize("part", [0.3, 0.9, 0.99])
def test_truncated(tmp_path: Path, ending: str, packed: bool, part: float) -> None:
    path = saved(tmp_path, ending, packed)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_a_changed_byte_is_noticed_by_the_checksum(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path, ending, packed=True)
    raw = bytearray(path.read_bytes())
    raw[-60] ^= 0x40
    path.write_bytes(bytes(raw))
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_a_header_that_claims_too_much(tmp_path: Path, ending: str, packed: bool) -> None:
    path = saved(tmp_path, ending, packed)
    raw = path.read_bytes()
    for more in (b"9", b"999999 999999"):
        path.write_bytes(re.sub(rb"(sizes: |DimSize = )7 6", rb"\g<1>" + more + b" 6", raw))
        refusal(path)


def test_voxels_in_another_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for ending, key in (("mhd", b"ElementDataFile = "), ("nhdr", b"data file: ")):
        path = saved(tmp_path, ending)
        raw = path.read_bytes()
        name = re.search(re.escape(key) + rb"(.*)\n", raw)[1]
        (tmp_path / "secret").mkdir(exist_ok=True)
        (tmp_path / name.decode()).rename(tmp_path / "secret" / name.decode())
        assert "not beside it" in refusal(path)
        path.write_bytes(raw.replace(key + name, key + b"secret/" + name))
        assert "another folder" in refusal(path)
        path.write_bytes(raw.replace(key + name, key + b"LIST"))
        assert "several files" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_what_does_not_say_where_it_lies(tmp_path: Path) -> None:
    straight = image(np.eye(3))
    path = saved(tmp_path, "mha", of=straight)
    path.write_bytes(re.sub(rb"TransformMatrix = .*\n", b"", path.read_bytes()))
    assert any("does not say how its axes lie" in note for note in read_scan(path).notes)
    path = saved(tmp_path, "nrrd", of=straight)
    path.write_bytes(
        path.read_bytes().replace(b"space: left-posterior-superior", b"space: 3D-left-handed")
    )
    assert "no patient's" in refusal(path)
    path = saved(tmp_path, "mha", of=straight)
    path.write_bytes(path.read_bytes().replace(b"NDims", b"DistanceUnits = cm\nNDims"))
    assert "measured in cm" in refusal(path)
