"""PNG, JPEG and TIFF images against imageio's and Pillow's own reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.io
import tifffile

from medcontour.errors import MedcontourError
from medcontour.scan import read_scan

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (20, 30)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("ending", ["png", "tif", "TIFF"])
@pytest.mark.parametrize(
    "pixels", [GREY, GREY.astype(np.uint16) * 200, COLOUR], ids=["grey", "16 bits", "colour"]
)
def test_values_are_kept(tmp_path: Path, ending: str, pixels: np.ndarray) -> None:
    path = tmp_path / f"image.{ending}"
    PIL.Image.fromarray(pixels).save(path)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels[0], skimage.io.imread(path))
    np.testing.assert_array_equal(scan.affine_lps, np.eye(4))
    assert scan.units == "pixel"
    assert scan.grid is None
    assert scan.modality == "OT"
    assert scan.source == str(path.resolve())


def test_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "image.jpeg"
    PIL.Image.fromarray(COLOUR).save(path)
    np.testing.assert_array_equal(read_scan(path).voxels[0], skimage.io.imread(path))


def test_alpha_is_left_out(tmp_path: Path) -> None:
    alpha = np.concatenate([COLOUR, GREY[..., None]], -1)
    PIL.Image.fromarray(alpha).save(tmp_path / "colour.png")
    PIL.Image.fromarray(np.stack([GREY, GREY.T.reshape(20, 30)], -1)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_scan(tmp_path / "colour.png").voxels[0], COLOUR)
    np.testing.assert_array_equal(read_scan(tmp_path / "grey.png").voxels[0], GREY)


def test_palette_becomes_colour(tmp_path: Path) -> None:
    palette = PIL.Image.fromarray(COLOUR).quantize(16)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        read_scan(tmp_path / "palette.png").voxels[0], np.asarray(palette.convert("RGB"))
    )


def test_colour_with_equal_channels_becomes_grey(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.stack([GREY] * 3, -1)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_scan(tmp_path / "grey.png").voxels, GREY[None])


def test_orientation_noted_by_a_camera_is_applied(tmp_path: Path) -> None:
    image = PIL.Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_scan(tmp_path / "turned.png").voxels[0], np.rot90(GREY, -1))


@pytest.mark.parametrize("name", ["turned.tif", "turned.png"])
@pytest.mark.parametrize("code", range(1, 9))
def test_every_orientation_of_a_camera(tmp_path: Path, code: int, name: str) -> None:
    """The eight orientations of EXIF, each told by where the first row and column are shown."""
    image = PIL.Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = code
    image.save(tmp_path / name, exif=exif)
    mirrored = GREY[:, ::-1] if code in (2, 4, 5, 7) else GREY
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}[code]
    scan = read_scan(tmp_path / name)
    np.testing.assert_array_equal(scan.voxels[0], np.rot90(mirrored, turns))


def test_a_telephones_photograph_is_read_without_its_preview(tmp_path: Path) -> None:
    photograph, preview = PIL.Image.fromarray(COLOUR), PIL.Image.fromarray(COLOUR[:10, :15])
    photograph.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    with PIL.Image.open(tmp_path / "a.jpg") as stored:
        assert stored.n_frames == 2
        expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(read_scan(tmp_path / "a.jpg").voxels[0], expected)


def test_kinds_of_pixels_that_pictures_come_in(tmp_path: Path) -> None:
    black_white = PIL.Image.fromarray(GREY > 127)
    black_white.save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_scan(tmp_path / "bits.png").voxels[0], 255.0 * (GREY > 127))
    PIL.Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "print.tif")
    np.testing.assert_allclose(read_scan(tmp_path / "print.tif").voxels[0], COLOUR, atol=1)
    floats = GREY.astype(np.float32) / 7 - 5
    PIL.Image.fromarray(floats).save(tmp_path / "floats.tif")
    np.testing.assert_array_equal(read_scan(tmp_path / "floats.tif").voxels[0], floats)
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        PIL.Image.fromarray(COLOUR).save(tmp_path / "packed.tif", compression=compression)
        np.testing.assert_array_equal(read_scan(tmp_path / "packed.tif").voxels[0], COLOUR)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_of_other_programs(tmp_path: Path, dtype: str, byteorder: str) -> None:
    """What Pillow cannot read (a few kinds with the high byte first) is refused, never wrong."""
    kind = np.dtype(dtype)
    low, high = (-5e8, 5e8) if kind.kind == "f" else (np.iinfo(kind).min, np.iinfo(kind).max)
    pixels = RANDOM.uniform(low, high, (20, 30)).astype(kind)
    for name, options in (("plain", {}), ("big", {"bigtiff": True}), ("tiled", {"tile": (16, 16)})):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, byteorder=byteorder, **options)
        if byteorder == ">" and (name == "big" or dtype == "uint32"):
            with pytest.raises(MedcontourError, match="export it again as PNG"):
                read_scan(path)
        else:
            np.testing.assert_array_equal(read_scan(path).voxels[0], pixels.astype(np.float32))


def test_tiff_in_planes_and_with_white_as_zero(tmp_path: Path) -> None:
    planes = np.moveaxis(COLOUR, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.tif").voxels[0], COLOUR)
    tifffile.imwrite(tmp_path / "b.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_scan(tmp_path / "b.tif").voxels[0], 255.0 - GREY)


def test_kind_is_told_by_content(tmp_path: Path) -> None:
    PIL.Image.fromarray(GREY).save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(tmp_path / "no_ending")
    np.testing.assert_array_equal(read_scan(tmp_path / "no_ending").voxels[0], GREY)
