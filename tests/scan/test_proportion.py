"""Pictures whose pixels are not square: what a file says of them counts, and pixels stay pixels."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import shapely
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from scan_files import slice_dataset, write

from medcontour.scan import read_scan
from medcontour.scan.proportion import sides

GREY = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
HIGH = 2.25
"""Pixels 2.25 times as high as wide: 450 to the inch along x, 200 along y."""


def png(path: Path) -> None:
    PIL.Image.fromarray(GREY).save(path.with_suffix(".png"), dpi=(450, 200))


def png_of_no_unit(path: Path) -> None:
    """The chunk pHYs with its unit 0: only a ratio."""
    png(path)
    content = path.with_suffix(".png").read_bytes()
    at = content.index(b"pHYs")
    chunk = b"pHYs" + (9).to_bytes(4, "big") + (4).to_bytes(4, "big") + b"\0"
    chunk += zlib.crc32(chunk).to_bytes(4, "big")
    path.with_suffix(".png").write_bytes(content[:at] + chunk + content[at + len(chunk) :])


def jfif(path: Path) -> None:
    PIL.Image.fromarray(GREY).save(path.with_suffix(".jpg"), dpi=(450, 200))


def exif(path: Path, orientation: int = 1) -> None:
    tags = PIL.Image.Exif()
    tags[282], tags[283], tags[296], tags[274] = 450.0, 200.0, 2, orientation
    PIL.Image.fromarray(GREY).save(path.with_suffix(".jpg"), exif=tags)


def turned(path: Path) -> None:
    exif(path, 6)


def tiff(path: Path) -> None:
    tifffile.imwrite(path.with_suffix(".tif"), GREY, resolution=(450, 200))


def tiff_of_no_unit(path: Path) -> None:
    tifffile.imwrite(path.with_suffix(".tif"), GREY, resolution=(9, 4), resolutionunit="NONE")


def dicom(path: Path) -> None:
    dataset = slice_dataset(GREY.astype(np.uint16), Modality="XC", PixelAspectRatio=[9, 4])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        if keyword in dataset:
            del dataset[keyword]
    write(dataset, path.with_suffix(".dcm"))


@pytest.mark.parametrize(
    "make", [png, png_of_no_unit, jfif, exif, turned, tiff, tiff_of_no_unit, dicom]
)
def test_a_circle_is_a_circle_and_covers_as_many_pixels(make, tmp_path: Path) -> None:
    make(tmp_path / "picture")
    scan = read_scan(next(tmp_path.iterdir()))
    high = 1 / HIGH if make is turned else HIGH  # shown upright, columns are rows
    t = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ellipse = np.stack([3 * high * np.cos(t), 3 * np.sin(t)], 1) + 10  # of index, so a circle
    points = scan.to_lps(ellipse, 0)[:, :2]
    radii = np.linalg.norm(points - points.mean(0), axis=1)
    np.testing.assert_allclose(radii, radii.mean(), rtol=1e-3)
    assert shapely.Polygon(points).area == pytest.approx(shapely.Polygon(ellipse).area, rel=1e-3)
    assert scan.units == "pixel"
    assert any("times as high as wide" in note for note in scan.notes)


def test_sizes_go_before_the_ratio(tmp_path: Path) -> None:
    dataset = slice_dataset(GREY.astype(np.uint16), PixelAspectRatio=[9, 4])
    dataset.PixelSpacing = [0.5, 0.25]
    scan = read_scan(write(dataset, tmp_path / "sized.dcm"))
    assert scan.pixel_spacing == pytest.approx((0.5, 0.25))
    assert not any("as high as" in note for note in scan.notes)


@given(st.floats(1 / 15, 15).filter(lambda r: abs(r - 1) > 0.02))
def test_pixels_keep_their_area_whatever_their_shape(ratio: float) -> None:
    height, width, note = sides(ratio)
    assert height * width == pytest.approx(1)
    assert height / width == pytest.approx(ratio)
    assert note


@pytest.mark.parametrize("ratio", [None, 1.0, 1.005, 0.0, -2.0, 1e6, float("nan"), float("inf")])
def test_square_unknown_and_absurd_pixels_are_square(ratio: float | None) -> None:
    assert sides(ratio) == (1.0, 1.0, None)
