"""Pixels that are no measurement take no part; MONOCHROME1 is turned round by its bits."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from scan_files import slice_dataset, volume, write, write_series

from medcontour import read_scan
from medcontour.errors import MedcontourError
from medcontour.scan.pixels import inversion

ROWS, COLUMNS = 20, 24
ROW, COLUMN = np.mgrid[:ROWS, :COLUMNS]
CIRCLE = np.hypot(ROW - 10, COLUMN - 12) <= 9


def _inside(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-900, 900, (3, ROWS, COLUMNS)).astype(np.int16)


def _padded(value: int) -> np.ndarray:
    return np.where(CIRCLE, _inside(), np.int16(value))


@pytest.mark.parametrize("value", [-2000, -1024, -32768, 3000])
@pytest.mark.parametrize("signed_as", ["SS", "US"])
def test_padding_is_no_measurement(tmp_path: Path, value: int, signed_as: str) -> None:
    def change(dataset: Dataset, index: int) -> None:
        dataset.add_new(0x00280120, signed_as, value if signed_as == "SS" else value % 65536)

    write_series(tmp_path, _padded(value), change=change)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.measured, np.broadcast_to(CIRCLE, scan.measured.shape))
    inside = _inside()[:, CIRCLE]
    np.testing.assert_array_equal(scan.voxels[:, CIRCLE], inside)
    assert (scan.voxels[:, ~CIRCLE] == inside.min()).all()


def test_a_range_of_padding(tmp_path: Path) -> None:
    pixels = _inside()
    pixels[:, ~CIRCLE] = np.random.default_rng(1).integers(-3000, -2000, (~CIRCLE).sum())

    def change(dataset: Dataset, index: int) -> None:
        dataset.add_new(0x00280120, "SS", -2000)
        dataset.add_new(0x00280121, "SS", -3000)

    write_series(tmp_path, pixels, change=change)
    assert (read_scan(tmp_path).measured == CIRCLE).all()


def test_what_the_scanner_gives_as_well_is_padding_at_the_border_alone(tmp_path: Path) -> None:
    """A cyst is black and so is the surround: PixelPaddingValue 0 is the surround."""
    pixels = np.where(CIRCLE, np.abs(_inside()) // 4 + 1, 0).astype(np.int16)
    pixels[:, 9:12, 11:14] = 0
    write_series(tmp_path, pixels, Modality="MR", PixelPaddingValue=0)
    assert (read_scan(tmp_path).measured == CIRCLE).all()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(-2000, np.int16), (-3024, np.int16), (-32768, np.int16), (-3.4e38, np.float32)],
)
def test_a_filling_that_no_header_tells_of(tmp_path: Path, value: float, dtype: type) -> None:
    data = np.where(CIRCLE, _inside(), value).astype(dtype)
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(data.T, np.diag([1.0, 2, 5, 1])), path)
    scan = read_scan(path)
    assert np.count_nonzero(~scan.measured) == 3 * (~CIRCLE).sum()
    assert scan.voxels.min() == _inside()[:, CIRCLE].min()
    assert any("no measurement" in note for note in scan.notes)


def test_magnetic_resonance_below_zero_is_measured(tmp_path: Path) -> None:
    """Phase images take every value from -4096: nothing stands apart."""
    pixels = np.random.default_rng(0).integers(-4096, 4096, (3, ROWS, COLUMNS)).astype(np.int16)
    write_series(tmp_path, pixels, Modality="MR")
    assert read_scan(tmp_path).measured is None


def test_noise_in_air_is_measured(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(-1000, 60, (3, ROWS, COLUMNS)).round()
    write_series(tmp_path, noise.astype(np.int16))
    assert read_scan(tmp_path).measured is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_at_the_border_is_no_measurement(tmp_path: Path, bad: float) -> None:
    data = np.where(CIRCLE, _inside().astype(np.float32), bad)
    nib.save(nib.Nifti1Image(data.T, np.diag([1.0, 2, 5, 1])), tmp_path / "border.nii")
    scan = read_scan(tmp_path / "border.nii")
    assert np.isfinite(scan.voxels).all()
    assert np.isfinite(scan.window).all()
    assert np.count_nonzero(scan.measured) == 3 * CIRCLE.sum()
    data[:, 9, 12] = bad
    nib.save(nib.Nifti1Image(data.T, np.eye(4)), tmp_path / "inside.nii")
    with pytest.raises(MedcontourError, match="not numbers"):
        read_scan(tmp_path / "inside.nii")


def test_the_window_does_not_see_padding(tmp_path: Path) -> None:
    def change(dataset: Dataset, index: int) -> None:
        del dataset.WindowCenter, dataset.WindowWidth

    windows = []
    for value in (-2000, -9000):
        folder = tmp_path / str(value)
        pixels = np.where(CIRCLE, _inside(), np.int16(value))
        write_series(folder, pixels, Modality="MR", PixelPaddingValue=value, WindowCenter=None)
        windows.append(read_scan(folder).window)
    assert windows[0] == windows[1]
    assert windows[0][0] >= -900


@given(
    bits=st.integers(8, 16),
    signed=st.booleans(),
    slope=st.sampled_from([1.0, 0.5, 2.0]),
    intercept=st.sampled_from([0.0, -1024.0, 7.0]),
)
def test_turning_round_keeps_the_range_of_the_bits(bits, signed, slope, intercept) -> None:
    """Turned round twice a value is itself; the lowest stored value becomes the highest."""
    header = Dataset()
    header.BitsStored, header.PixelRepresentation = bits, int(signed)
    header.RescaleSlope, header.RescaleIntercept = str(slope), str(intercept)
    low = -(2 ** (bits - 1)) if signed else 0
    high = low + 2**bits - 1
    total = inversion(header, header)
    assert total - (slope * low + intercept) == slope * high + intercept


@pytest.mark.parametrize("mark", [None, 4095])
@pytest.mark.parametrize("signed", [False, True])
def test_one_bright_marker_does_not_shift_a_radiograph(
    tmp_path: Path, mark: int | None, signed: bool
) -> None:
    pixels = np.abs(volume((6, 7))).astype(np.int16 if signed else np.uint16)
    if mark:
        pixels[0, 0] = mark // 2 if signed else mark
    inverse = slice_dataset(pixels, Modality="DX", PhotometricInterpretation="MONOCHROME1")
    inverse.BitsStored, inverse.HighBit = 12, 11
    expected = (-1 if signed else 4095) - pixels.astype(np.float32)
    scan = read_scan(write(inverse, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(scan.voxels[0], expected)
