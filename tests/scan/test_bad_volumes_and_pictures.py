"""NIfTI files and pictures that cannot be read are refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
from refusals import cut, nifti, png, refusal
from scan_files import volume


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(tmp_path: Path, bad: float) -> None:
    data = volume().astype(np.float32)
    data[2, 3, 3:5] = bad
    message = refusal(nifti(tmp_path / "a.nii", data))
    assert "2 values" in message
    assert "nan_to_num" in message
    data[:] = np.nan
    assert "210 values" in refusal(nifti(tmp_path / "b.nii", data))


def test_several_volumes(tmp_path: Path) -> None:
    message = refusal(nifti(tmp_path / "a.nii", volume((4, 5, 6, 3))))
    assert "4 x 5 x 6 x 3" in message


def test_affines_that_place_nothing(tmp_path: Path) -> None:
    two_axes_alike = np.eye(4)
    two_axes_alike[:3, 1] = (1, 0, 0)
    for number, affine in enumerate((np.diag([1.0, 1, 0, 1]), two_axes_alike)):
        image = nibabel.Nifti1Image(volume(), None)
        image.set_sform(affine, 1)
        nibabel.save(image, tmp_path / f"{number}.nii")
        assert "affine that places no voxels" in refusal(tmp_path / f"{number}.nii")
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    assert "right angles" in refusal(nifti(tmp_path / "sheared.nii", volume(), sheared))


def test_other_units(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(volume(), np.eye(4))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "a.nii")
    assert "micrometres" in refusal(tmp_path / "a.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.99])
def test_truncated_nifti(tmp_path: Path, name: str, part: float) -> None:
    path = nifti(tmp_path / name, volume((20, 20, 20)))
    assert "truncated" in refusal(cut(path, part))


def test_damaged_gzip_is_noticed_by_its_checksum(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", np.zeros((9, 9, 9), np.int16))
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_truncated_png(tmp_path: Path, part: float) -> None:
    assert "truncated" in refusal(cut(png(tmp_path / "a.png"), part))


def test_several_pictures(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(volume((20, 30), seed).astype(np.uint8)) for seed in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=pages[1:])
    for name in ("a.tif", "a.png"):
        assert "3 pictures" in refusal(tmp_path / name)


def test_nifti_that_is_no_grey_volume(tmp_path: Path) -> None:
    assert "complex" in refusal(nifti(tmp_path / "a.nii", volume().astype(np.complex64)))
    assert "1 dimension" in refusal(nifti(tmp_path / "b.nii", np.arange(9, dtype=np.int16)))
