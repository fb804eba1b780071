"""DICOM of every kind: compressed, colour, radiographs, multi-frame, each modality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless
from scan_files import (
    OBLIQUE,
    enhanced,
    itk_series,
    slice_dataset,
    volume,
    write,
    write_series,
)

from medcontour.scan import read_scan


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_series_equals_plain_one(tmp_path: Path, syntax: str) -> None:
    voxels = volume((3, 32, 40))

    def change(dataset: Dataset, index: int) -> None:
        dataset.compress(syntax, generate_instance_uid=False)

    write_series(tmp_path, voxels, change=change)
    np.testing.assert_array_equal(read_scan(tmp_path).voxels, voxels)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_every_transfer_syntax_gives_the_same_values(name: str) -> None:
    plain = read_scan(get_testdata_file("MR_small.dcm", download=False))
    same = read_scan(get_testdata_file(name, download=False))
    np.testing.assert_array_equal(same.voxels, plain.voxels)
    np.testing.assert_array_equal(same.affine_lps, plain.affine_lps)


def test_modality_lut_is_applied(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    table = Dataset()
    table.LUTDescriptor = [12, 0, 16]
    table.ModalityLUTType = "US"
    table.add_new("LUTData", "US", [value * value for value in range(12)])
    path = write(slice_dataset(pixels, ModalityLUTSequence=[table]), tmp_path / "lut.dcm")
    np.testing.assert_array_equal(read_scan(path).voxels[0], pixels.astype(float) ** 2)


@pytest.mark.parametrize("name", ["examples_rgb_color.dcm", "SC_rgb_small_odd.dcm"])
def test_colour_keeps_its_values(name: str) -> None:
    path = get_testdata_file(name, download=False)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels[0], sitk.GetArrayFromImage(sitk.ReadImage(path))[0])
    assert scan.window == (0, 255)


def test_palette_and_16_bit_colour_span_0_to_255(tmp_path: Path) -> None:
    palette = get_testdata_file("examples_palette.dcm", download=False)
    judge = pydicom.pixels.apply_color_lut(
        pydicom.pixels.pixel_array(palette), pydicom.dcmread(palette)
    )
    scan = read_scan(palette)
    np.testing.assert_allclose(scan.voxels[0], judge / 65535 * 255, atol=1e-3)
    colour = np.random.default_rng(0).integers(0, 2**16, (4, 5, 3)).astype(np.uint16)
    path = write(
        slice_dataset(
            colour, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0
        ),
        tmp_path / "rgb.dcm",
    )
    np.testing.assert_allclose(read_scan(path).voxels[0], colour / 65535 * 255, atol=1e-3)


def test_colour_with_equal_channels_becomes_grey(tmp_path: Path) -> None:
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    path = write(
        slice_dataset(
            np.stack([grey] * 3, -1),
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            Modality="US",
        ),
        tmp_path / "us.dcm",
    )
    np.testing.assert_array_equal(read_scan(path).voxels, grey[None])


def test_radiograph_sizes(tmp_path: Path) -> None:
    pixels = volume((6, 7))

    def read(name: str, **attributes: object) -> tuple[str, np.ndarray, tuple[str, ...]]:
        dataset = slice_dataset(pixels, Modality="DX", **attributes)
        scan = read_scan(write(dataset, tmp_path / f"{name}.dcm"))
        assert scan.frame_of_reference_uid is None
        return scan.units, np.diag(scan.affine_lps), scan.notes

    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType = 1, 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, -0.03

    units, steps, notes = read("pixel", PixelSpacing=["0.2", "0.3"])
    assert (units, steps.tolist()) == ("mm", [0.3, 0.2, 1, 1])
    assert "PixelSpacing" in notes[0]
    units, steps, notes = read("imager", ImagerPixelSpacing=["0.1", "0.4"])
    assert (units, steps.tolist()) == ("mm", [0.4, 0.1, 1, 1])
    assert "detector" in notes[0]
    units, steps, notes = read("ultrasound", SequenceOfUltrasoundRegions=[region])
    assert units == "mm"
    np.testing.assert_allclose(steps, [0.2, 0.3, 1, 1])
    assert "ultrasound region" in notes[0]
    units, steps, notes = read("none")
    assert (units, steps.tolist()) == ("pixel", [1, 1, 1, 1])
    assert "no size" in notes[0]


def test_enhanced_frames_become_slices(tmp_path: Path) -> None:
    voxels, order = np.abs(volume((4, 6, 7))), [2, 0, 3, 1]
    path = write(enhanced(voxels, order), tmp_path / "enhanced.dcm")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels, voxels * np.arange(1, 5)[:, None, None] - 7.0)
    assert [order[number - 1] for number in scan.frame_numbers] == [0, 1, 2, 3]
    assert set(scan.sop_instance_uids) == {pydicom.dcmread(path).SOPInstanceUID}
    assert len(scan.datasets) == 4
    for k in range(4):
        expected = (
            np.array([5.0, 6, 7])
            + k * 2 * np.cross(*OBLIQUE)
            + 3 * 0.9 * OBLIQUE[0]
            + 4 * 0.7 * OBLIQUE[1]
        )
        np.testing.assert_allclose(scan.to_lps([(3, 4)], k)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("modality", "sop_class"),
    [
        ("CT", pydicom.uid.CTImageStorage),
        ("MR", pydicom.uid.MRImageStorage),
        ("PT", pydicom.uid.PositronEmissionTomographyImageStorage),
        ("OT", pydicom.uid.SecondaryCaptureImageStorage),
    ],
)
def test_series_of_each_modality(tmp_path: Path, modality: str, sop_class: str) -> None:
    """PET has a rescale of its own on each slice; secondary captures may be placed as well."""
    voxels = np.abs(volume())

    def change(dataset: Dataset, index: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = str(0.5 * (index + 1)), "3"

    write_series(
        tmp_path, voxels, orientation=OBLIQUE, change=change, Modality=modality,
        SOPClassUID=sop_class,
    )  # fmt: skip
    scan = read_scan(tmp_path)
    slopes = 0.5 * np.arange(1, len(voxels) + 1)[:, None, None]
    np.testing.assert_array_equal(scan.voxels, voxels * slopes + 3)
    assert scan.modality == modality
    expected = itk_series(tmp_path).TransformIndexToPhysicalPoint((3, 2, 4))
    np.testing.assert_allclose(scan.to_lps([(3, 2)], 4)[0], expected, atol=1e-6)
    lower, upper = scan.window
    if modality == "CT":
        assert (lower, upper) == (-160, 240)
    else:
        assert scan.voxels.min() <= lower < upper <= scan.voxels.max()


@pytest.mark.parametrize(
    ("modality", "sop_class"),
    [
        ("CR", pydicom.uid.ComputedRadiographyImageStorage),
        ("DX", pydicom.uid.DigitalXRayImageStorageForPresentation),
        ("MG", pydicom.uid.DigitalMammographyXRayImageStorageForPresentation),
        ("US", pydicom.uid.UltrasoundImageStorage),
        ("OT", pydicom.uid.SecondaryCaptureImageStorage),
    ],
)
def test_single_images_of_each_modality(tmp_path: Path, modality: str, sop_class: str) -> None:
    pixels = volume((6, 7))
    dataset = slice_dataset(
        pixels, Modality=modality, SOPClassUID=sop_class, ImagerPixelSpacing=["0.1", "0.4"]
    )
    scan = read_scan(write(dataset, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(scan.voxels[0], pixels)
    assert (scan.modality, scan.units, scan.slices) == (modality, "mm", 1)
    assert scan.pixel_spacing == pytest.approx((0.1, 0.4))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_enhanced_mr_equals_plain_one(tmp_path: Path, syntax: str) -> None:
    voxels = volume((4, 32, 40))
    dataset = enhanced(voxels, [2, 0, 3, 1])
    dataset.SOPClassUID = pydicom.uid.EnhancedMRImageStorage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.Modality = "MR"
    dataset.compress(syntax, generate_instance_uid=False)
    scan = read_scan(write(dataset, tmp_path / "enhanced.dcm"))
    np.testing.assert_array_equal(scan.voxels, voxels * np.arange(1, 5)[:, None, None] - 7.0)
    assert scan.modality == "MR"
    assert scan.frame_numbers == (2, 4, 1, 3)
