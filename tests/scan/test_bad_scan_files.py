"""What cannot be read is refused in one sentence with the file and the remedy."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import MPEG4HP41, RTStructureSetStorage
from refusals import nifti, png, refusal
from scan_files import (
    AXIAL,
    decimals,
    enhanced,
    rotation,
    slice_dataset,
    volume,
    write,
    write_series,
)

from medcontour.errors import MedcontourError
from medcontour.scan import read_scan


def test_missing_path(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere")


def test_empty_folder(tmp_path: Path) -> None:
    assert "empty folder" in refusal(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").touch()
    assert "empty.dcm is an empty file" in refusal(tmp_path / "empty.dcm")


@pytest.mark.parametrize(
    "name", ["a.dcm", "a.nii", "a.nii.gz", "a.png", "a.jpg", "a.tif", "a.nrrd", "a"]
)
def test_a_text_under_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("This is no image.\n" * 50)
    assert name in refusal(tmp_path / name)


def test_folder_without_dicom(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    assert "holds no DICOM file among its 1 files" in refusal(tmp_path)


def test_folder_with_objects_but_no_image(tmp_path: Path) -> None:
    structures = slice_dataset(
        volume((2, 2)), Modality="RTSTRUCT", SOPClassUID=RTStructureSetStorage
    )
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(structures, keyword)
    write(structures, tmp_path / "structures.dcm")
    write(slice_dataset(volume((6, 7)), Modality="SEG"), tmp_path / "seg.dcm")
    assert "no image (1 RTSTRUCT, 1 SEG)" in refusal(tmp_path)


def test_several_series_are_listed_without_their_descriptions(tmp_path: Path) -> None:
    write_series(tmp_path / "a", volume(), SeriesInstanceUID="1.2.77")
    write_series(tmp_path / "b", volume((3, 4, 5)), SeriesInstanceUID="1.2.88", Modality="MR")
    message = refusal(tmp_path)
    assert "1.2.77 (CT, 7 x 6 x 5)" in message
    assert "1.2.88 (MR, 5 x 4 x 3)" in message
    assert "1.2.77" in refusal(tmp_path, series="1.2.99")
    assert "no DICOM" in refusal(png(tmp_path / "a.png"), series="1.2.77")


def test_slices_at_one_place(tmp_path: Path) -> None:
    origins = np.array([[0, 0, height] for height in (0, 2, 2, 4, 6)], float)
    write_series(tmp_path, volume(), origins=origins)
    message = refusal(tmp_path)
    assert "slice001.dcm" in message
    assert "slice002.dcm" in message


@pytest.mark.parametrize(
    ("subject", "change"),
    [
        ("orientation", {"ImageOrientationPatient": decimals(AXIAL @ rotation(0.03, 0, 0).T)}),
        ("pixel spacing", {"PixelSpacing": decimals((0.7, 0.8))}),
        ("frame of reference", {"FrameOfReferenceUID": "1.9.9"}),
        ("size", {"Rows": 5, "PixelData": volume((5, 7)).tobytes() + b""}),
    ],
)
def test_a_slice_unlike_the_others_is_named(
    tmp_path: Path, subject: str, change: dict[str, object]
) -> None:
    def apply(dataset: Dataset, index: int) -> None:
        if index == 0:
            for keyword, value in change.items():
                setattr(dataset, keyword, value)

    write_series(tmp_path, volume(), change=apply)
    message = refusal(tmp_path)
    assert f"slice000.dcm (1 of 5 slices) differ in {subject}" in message


def test_images_without_a_place_do_not_stack(tmp_path: Path) -> None:
    for number in range(2):
        write(slice_dataset(volume((6, 7)), Modality="DX"), tmp_path / f"{number}.dcm")
    assert "ImagePositionPatient" in refusal(tmp_path)


def test_some_slices_without_a_place(tmp_path: Path) -> None:
    def apply(dataset: Dataset, index: int) -> None:
        if index == 3:
            del dataset.ImagePositionPatient

    write_series(tmp_path, volume(), change=apply)
    assert "slice003.dcm" in refusal(tmp_path)


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageOrientationPatient": None},
        {"PixelSpacing": None},
        {"PixelSpacing": ["0", "1"]},
        {"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]},
        {"ImagePositionPatient": ["1", "2"]},
    ],
)
def test_a_place_that_is_none(tmp_path: Path, attributes: dict[str, object]) -> None:
    complete = {
        "ImagePositionPatient": decimals((1, 2, 3)),
        "ImageOrientationPatient": decimals(((1, 0, 0), (0, 1, 0))),
        "PixelSpacing": decimals((1, 1)),
    }
    dataset = slice_dataset(volume((6, 7)), **{**complete, **attributes})
    message = refusal(write(dataset, tmp_path / "a.dcm"))
    assert re.search("a.dcm has no usable place", message)


def test_cine_and_enhanced_without_places(tmp_path: Path) -> None:
    cine = slice_dataset(volume((6, 7)), NumberOfFrames=5, Modality="US")
    cine.PixelData = volume((5, 6, 7)).tobytes()
    message = refusal(write(cine, tmp_path / "a.dcm"))
    assert "a.dcm holds 5 frames" in message
    assert "an ultrasound clip" in message
    cine.Modality = "NM"
    message = refusal(write(cine, tmp_path / "a.dcm"))
    assert "nuclear medicine" in message
    assert "clip" not in message
    bare = enhanced(volume((4, 6, 7)), [0, 1, 2, 3], places=False)
    assert "b.dcm holds 4 frames" in refusal(write(bare, tmp_path / "b.dcm"))


def test_enhanced_with_frames_at_one_place(tmp_path: Path) -> None:
    dataset = enhanced(volume((4, 6, 7)), [0, 1, 2, 3])
    frames = dataset.PerFrameFunctionalGroupsSequence
    frames[3].PlanePositionSequence = frames[1].PlanePositionSequence
    message = refusal(write(dataset, tmp_path / "a.dcm"))
    assert "a.dcm frame 2 and a.dcm frame 4" in message


def test_transfer_syntax_without_a_decoder(tmp_path: Path) -> None:
    dataset = slice_dataset(volume((6, 7)))
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(40)])
    dataset["PixelData"].is_undefined_length = True
    path = tmp_path / "a.dcm"
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    message = refusal(write(dataset, path))
    assert "a.dcm is stored as MPEG-4" in message
    assert "no decoder is installed" in message


def test_no_pixel_data(tmp_path: Path) -> None:
    stripped = slice_dataset(volume((6, 7)), PixelData=None)
    assert "a.dcm holds no pixel data" in refusal(write(stripped, tmp_path / "a.dcm"))
    for keyword in ("Rows", "Columns"):
        delattr(stripped, keyword)
    assert "b.dcm (CT) holds no pixel data" in refusal(write(stripped, tmp_path / "b.dcm"))


def test_truncated_slice_in_a_series_is_never_passed_over_in_silence(tmp_path: Path) -> None:
    """Cut in its pixels it is refused; cut so that its series is not known, it is counted."""
    paths = write_series(tmp_path, volume((4, 32, 32)))
    whole = paths[2].read_bytes()
    header = len(whole) - 2 * 32 * 32
    ends = set()
    for length in (*range(0, header, 37), header + 100, len(whole) - 2):
        paths[2].write_bytes(whole[:length])
        try:
            scan = read_scan(tmp_path)
            notes = " ".join(scan.notes)
            ends.add((scan.slices, "could not be read" in notes and "number 3" in notes))
        except MedcontourError as error:
            ends.add("slice002.dcm" in str(error))
    assert ends == {True, (3, True)}


def test_damaged_rescale_is_not_left_out(tmp_path: Path) -> None:
    path = write(slice_dataset(volume((6, 7)), RescaleSlope="1234.5"), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"1234.5", b"12xx.5"))
    assert "a.dcm" in refusal(path)


def test_same_value_everywhere(tmp_path: Path) -> None:
    flat = np.full((3, 6, 7), 5, np.int16)
    write_series(tmp_path / "ct", flat)
    for path in (tmp_path / "ct", nifti(tmp_path / "a.nii.gz", flat)):
        assert "has the same value everywhere (5)" in refusal(path)
    PIL.Image.fromarray(flat[0].astype(np.uint8)).save(tmp_path / "a.png")
    assert "has the same value everywhere (5)" in refusal(tmp_path / "a.png")


def test_one_flat_slice_in_a_volume_is_fine(tmp_path: Path) -> None:
    voxels = volume()
    voxels[2] = 5
    write_series(tmp_path, voxels)
    np.testing.assert_array_equal(read_scan(tmp_path).voxels, voxels)


def dicom_seed(name: str) -> Callable[[Path], Path]:
    return lambda folder: Path(get_testdata_file(name, download=False))


SEEDS = {
    "plain": dicom_seed("CT_small.dcm"),
    "jpeg 2000": dicom_seed("MR_small_jp2klossless.dcm"),
    "rle": dicom_seed("MR_small_RLE.dcm"),
    "palette": dicom_seed("examples_palette.dcm"),
    "enhanced": lambda folder: write(
        enhanced(volume((4, 6, 7)), [0, 1, 2, 3]), folder / "enhanced.dcm"
    ),
    "nifti": lambda folder: nifti(folder / "seed.nii", volume()),
    "nifti.gz": lambda folder: nifti(folder / "seed.nii.gz", volume()),
    "png": lambda folder: png(folder / "seed.png"),
}


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_files_are_read_or_refused_but_never_crash(
    tmp_path: Path, seed: str, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    original = SEEDS[seed](tmp_path)
    whole = original.read_bytes()
    dice = random.Random(0)
    path = tmp_path / ("damaged" + "".join(original.suffixes))
    for _ in range(40):
        raw = bytearray(whole)
        if dice.random() < 0.3:
            raw = raw[: dice.randrange(1, len(raw))]
        else:
            end = len(raw) if dice.random() < 0.5 else min(len(raw), 1500)
            for _ in range(dice.choice((1, 3, 10, 30))):
                raw[dice.randrange(end)] = dice.randrange(256)
        path.write_bytes(raw)
        try:
            scan = read_scan(path)
        except MedcontourError:
            continue
        else:
            assert np.isfinite(scan.voxels).all()
            assert np.isfinite(scan.affine_lps).all()
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_colour_and_grey_in_one_series(tmp_path: Path) -> None:
    def apply(dataset: Dataset, index: int) -> None:
        if index == 1:
            dataset.PhotometricInterpretation = "MONOCHROME1"

    write_series(tmp_path, volume(), change=apply)
    assert "photometric" in refusal(tmp_path)


def test_no_transfer_syntax(tmp_path: Path) -> None:
    """Uncompressed pixels are written as the rest of the file is; compressed ones are unknown."""
    path = write(slice_dataset(volume((32, 40))), tmp_path / "a.dcm")
    dataset = pydicom.dcmread(path)
    del dataset.file_meta.TransferSyntaxUID
    dataset.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_scan(path).voxels[0], volume((32, 40)))
    dataset = slice_dataset(volume((32, 40)))
    dataset.compress(pydicom.uid.RLELossless)
    del dataset.file_meta.TransferSyntaxUID
    dataset.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    assert "a.dcm does not say how its pixels are compressed" in refusal(path)


def test_ultrasound_region_that_is_no_calibration(tmp_path: Path) -> None:
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    us = slice_dataset(volume((6, 7)), Modality="US", SequenceOfUltrasoundRegions=[region])
    assert read_scan(write(us, tmp_path / "a.dcm")).units == "pixel"
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.0
    assert read_scan(write(us, tmp_path / "a.dcm")).units == "pixel"


def test_folder_that_may_not_be_opened_as_a_file(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png")
    assert "cannot be opened" in refusal(path / "below")
