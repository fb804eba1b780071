"""Folders as they come: nothing is skipped in silence, and one odd file does not stop the rest."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import MediaStorageDirectoryStorage, generate_uid
from scan_files import AXIAL, CORONAL, OBLIQUE, decimals, slice_dataset, volume, write, write_series

from medcontour.cli.info import describe
from medcontour.errors import MedcontourError
from medcontour.scan import read_scan


def noted(folder: Path, *words: str) -> bool:
    """Whether one note of the scan holds all the words; no note may hold a file's name."""
    notes = read_scan(folder).notes
    assert not any(".dcm" in note or str(folder) in note for note in notes)
    return any(all(word in note for word in words) for note in notes)


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    return write_series(tmp_path / "study", volume())


@pytest.mark.parametrize("cut", [132, 128])
@pytest.mark.parametrize("ending", [".dcm", ""])
def test_a_slice_without_preamble_is_read(series: list[Path], cut: int, ending: str) -> None:
    path = series[4].with_suffix(ending)
    path.write_bytes(series[4].read_bytes()[cut:])
    if ending != ".dcm":
        series[4].unlink()
    np.testing.assert_array_equal(read_scan(path.parent).voxels, volume())
    np.testing.assert_array_equal(read_scan(path).voxels[0], volume()[4])


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_a_bare_data_set_is_read(tmp_path: Path, implicit: bool, little: bool) -> None:
    dataset = slice_dataset(volume((6, 7)), WindowCenter="40")
    del dataset.file_meta
    if not little:
        dataset.PixelData = volume((6, 7)).astype(">i2").tobytes()
    path = tmp_path / "IM0"
    dataset.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    np.testing.assert_array_equal(read_scan(path).voxels[0], volume((6, 7)))


def test_what_is_no_dicom_is_counted(series: list[Path]) -> None:
    (series[0].parent / "readme.txt").write_text("Dose of Secret^Name " * 20)
    assert noted(series[0].parent, "1 of the 6 files", "no DICOM", "number 1")
    (series[0].parent / "broken.dcm").write_bytes(bytes(300))
    assert noted(
        series[0].parent, "1 of the 7 files", "could not be read", "a slice may be missing"
    )
    assert read_scan(series[0].parent).slices == 5


def test_links_are_followed_once_and_broken_ones_counted(
    series: list[Path], tmp_path: Path
) -> None:
    around = tmp_path / "linked"
    around.mkdir()
    (around / "series").symlink_to(series[0].parent)
    (around / "again").symlink_to(series[0].parent)
    (around / "loop").symlink_to(around)
    (around / "one.dcm").symlink_to(series[2])
    scan = read_scan(around)
    np.testing.assert_array_equal(scan.voxels, volume())
    assert scan.notes == ()
    (around / "lost.dcm").symlink_to(tmp_path / "nowhere")
    (around / "out").symlink_to(tmp_path)
    assert noted(around, "links that lead nowhere (1)", "links to a folder around it (1)")


def test_a_pipe_is_no_file(series: list[Path]) -> None:
    os.mkfifo(series[0].parent / "pipe.dcm")
    assert noted(series[0].parent, "pipes, sockets or devices (1)")


@pytest.mark.parametrize("hidden", ["__MACOSX", ".AppleDouble", ".Trashes"])
def test_what_a_computer_hides_is_passed_over(series: list[Path], hidden: str) -> None:
    folder = series[0].parent / hidden
    folder.mkdir()
    (folder / "._slice000.dcm").write_bytes(b"\0\5\x16\7" + bytes(300))
    (series[0].parent / "._slice001.dcm").write_bytes(b"\0\5\x16\7" + bytes(300))
    assert read_scan(series[0].parent).notes == ()
    (folder / "slice.dcm").write_bytes(series[0].read_bytes())
    assert noted(series[0].parent, "hidden DICOM files (1)")


def test_identical_copies_count_once(series: list[Path]) -> None:
    (series[0].parent / "copy.dcm").write_bytes(series[3].read_bytes())
    sent_again = pydicom.dcmread(series[1])
    sent_again.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    sent_again.save_as(series[0].parent / "zz.dcm")
    assert noted(series[0].parent, "2 of 7 files of the series are copies", "numbers 5, 7")
    np.testing.assert_array_equal(read_scan(series[0].parent).voxels, volume())


def test_one_instance_with_two_contents_is_refused(series: list[Path]) -> None:
    other = pydicom.dcmread(series[3])
    other.PixelData = volume((6, 7), seed=9).tobytes()
    other.save_as(series[0].parent / "other.dcm")
    with pytest.raises(MedcontourError, match="same place"):
        read_scan(series[0].parent)


def test_slices_that_share_a_uid_are_no_copies(tmp_path: Path) -> None:
    """Some anonymisers write one SOPInstanceUID into all of a series."""
    write_series(tmp_path, volume(), SOPInstanceUID="1.2.3.4.5")
    np.testing.assert_array_equal(read_scan(tmp_path).voxels, volume())


def localizer(like: Path, **changes: object) -> Dataset:
    dataset = copy.deepcopy(pydicom.dcmread(like))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "SCOUT"], "PixelSpacing": ["2", "2"]}, "localizer"),
        ({"ImageOrientationPatient": decimals(CORONAL)}, "another plane"),
        (
            {
                "ImagePositionPatient": None,
                "SOPClassUID": pydicom.uid.SecondaryCaptureImageStorage,
            },
            "without a place",
        ),
    ],
)
def test_what_is_no_slice_of_a_series_is_left_out_and_said(
    series: list[Path], changes: dict[str, object], said: str
) -> None:
    write(localizer(series[0], **changes), series[0].parent / "a localizer.dcm")
    scan = read_scan(series[0].parent)
    np.testing.assert_array_equal(scan.voxels, volume())
    assert noted(series[0].parent, "1 of 6 images", said, "number 1")


def test_a_series_of_localizers_alone_is_read(tmp_path: Path) -> None:
    write_series(tmp_path, volume(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert read_scan(tmp_path).slices == 5


def test_two_stacks_in_a_series_are_not_chosen_between(tmp_path: Path) -> None:
    for number, orientation in enumerate((AXIAL, CORONAL)):
        write_series(tmp_path / str(number), volume(), orientation=orientation)
    with pytest.raises(MedcontourError, match="orientation"):
        read_scan(tmp_path)


@pytest.mark.parametrize("wrong", ["header", "pixels"])
def test_a_bad_file_of_another_series_stops_nothing(tmp_path: Path, wrong: str) -> None:
    write_series(tmp_path / "a", volume(), SeriesInstanceUID="1.2.1")
    bad = write_series(tmp_path / "b", volume((3, 4, 4)), SeriesInstanceUID="1.2.2")[1]
    raw = bad.read_bytes()
    bad.write_bytes(raw[:300] if wrong == "header" else raw.replace(b"\x28\x00\x10\x00US", b""))
    facts = describe(str(tmp_path))
    assert [(found["uid"], found["slices"]) for found in facts["series"]] == [
        ("1.2.1", 5), ("1.2.2", 2),
    ]  # fmt: skip
    assert any("could not be read" in note and "number 7" in note for note in facts["notes"])
    scan = read_scan(tmp_path, series="1.2.1")
    np.testing.assert_array_equal(scan.voxels, volume())


def test_an_index_stands_for_its_folder_and_says_what_is_missing(
    tmp_path: Path, series: list[Path]
) -> None:
    medium = FileSet()
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.StudyDate, dataset.StudyTime = "1", "20200101", "120000"
        dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
        medium.add(dataset)
    medium.write(tmp_path / "disc")
    index = tmp_path / "disc" / "DICOMDIR"
    assert pydicom.dcmread(index).file_meta.MediaStorageSOPClassUID == MediaStorageDirectoryStorage
    for path in (index, index.parent):
        scan = read_scan(path)
        np.testing.assert_array_equal(scan.voxels, volume())
        assert scan.notes == ()
    next(
        path for path in sorted(index.parent.rglob("*")) if path.is_file() and path != index
    ).unlink()
    assert noted(index.parent, "DICOMDIR", "images that are not there (1)")


def test_cosines_that_jitter_in_the_fourth_digit(tmp_path: Path) -> None:
    def change(dataset: Dataset, index: int) -> None:
        jitter = np.random.default_rng(index).uniform(-5e-4, 5e-4, (2, 3))
        dataset.ImageOrientationPatient = decimals((OBLIQUE + jitter).round(4))

    write_series(tmp_path, volume((5, 200, 300)), orientation=OBLIQUE, change=change)
    scan = read_scan(tmp_path)
    for k in range(5):
        dataset = pydicom.dcmread(tmp_path / f"slice{k:03d}.dcm")
        cosines = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        rows, columns = np.array(dataset.PixelSpacing, float)
        place = np.array(dataset.ImagePositionPatient, float)
        expected = place + 299 * columns * cosines[0] + 199 * rows * cosines[1]
        np.testing.assert_allclose(scan.to_lps([(299, 199)], k)[0], expected, atol=1e-9)
    assert any("directions of the slices differ" in note for note in scan.notes)


def test_size_at_the_detector_beside_a_place(series: list[Path]) -> None:
    for path in series:
        dataset = pydicom.dcmread(path)
        dataset.ImagerPixelSpacing = dataset.PixelSpacing
        del dataset.PixelSpacing
        dataset.save_as(path)
    with pytest.raises(MedcontourError, match="PixelSpacing is missing, and ImagerPixelSpacing"):
        read_scan(series[0].parent)
    scan = read_scan(series[0])
    assert scan.pixel_spacing == pytest.approx((0.7, 0.9))
    assert scan.frame_of_reference_uid is None
    assert any("projection" in note and "detector" in note for note in scan.notes)
