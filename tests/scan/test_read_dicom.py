"""DICOM series against SimpleITK and pydicom: geometry, order, values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from scan_files import (
    AXIAL,
    OBLIQUE,
    ORIENTATIONS,
    decimals,
    itk_series,
    slice_dataset,
    volume,
    write,
    write_series,
)

from medcontour.scan import read_scan


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("spacing", [(0.7, 0.9), (1.3, 0.45)])
@pytest.mark.parametrize("order", ["ascending", "descending", "mixed"])
def test_geometry_and_values_equal_simpleitk(
    tmp_path: Path, name: str, spacing: tuple[float, float], order: str
) -> None:
    voxels = volume()
    orders = {"ascending": range(5), "descending": range(4, -1, -1), "mixed": [3, 0, 4, 1, 2]}
    write_series(
        tmp_path, voxels, orientation=ORIENTATIONS[name], spacing=spacing, order=orders[order]
    )
    scan, judge = read_scan(tmp_path), itk_series(tmp_path)

    np.testing.assert_array_equal(scan.voxels, sitk.GetArrayFromImage(judge))
    for k in range(5):
        for row, column in ((0, 0), (0, 6), (5, 0), (2, 3)):
            expected = judge.TransformIndexToPhysicalPoint((column, row, k))
            np.testing.assert_allclose(scan.to_lps([(column, row)], k)[0], expected, atol=1e-4)
            by_affine = scan.affine_lps @ [column, row, k, 1]
            np.testing.assert_allclose(by_affine[:3], expected, atol=1e-4)
    assert scan.pixel_spacing == pytest.approx(spacing)
    assert scan.slice_spacing == pytest.approx(2.5)
    assert scan.regular
    assert scan.units == "mm"
    assert scan.notes == ()
    np.testing.assert_array_equal(
        scan.grid.affine_ras, np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine_lps
    )
    assert scan.grid.shape == judge.GetSize()
    on_file = scan.grid.from_scan(scan.voxels)
    assert on_file.shape == scan.grid.shape
    np.testing.assert_array_equal(scan.grid.to_scan(on_file), scan.voxels)
    assert on_file[4, 2, 3] == judge.GetPixel(4, 2, 3)


def test_headers_follow_the_slices_and_hold_no_pixels(tmp_path: Path) -> None:
    write_series(tmp_path, volume(), order=[3, 0, 4, 1, 2])
    scan = read_scan(tmp_path)
    assert len(scan.datasets) == scan.slices
    for dataset, uid, origin in zip(
        scan.datasets, scan.sop_instance_uids, scan.slice_origins_lps, strict=True
    ):
        assert "PixelData" not in dataset
        assert dataset.SOPInstanceUID == uid
        np.testing.assert_array_equal(np.array(dataset.ImagePositionPatient, float), origin)
    first = scan.datasets[0]
    assert scan.study_instance_uid == first.StudyInstanceUID
    assert scan.series_instance_uid == first.SeriesInstanceUID
    assert scan.frame_of_reference_uid == first.FrameOfReferenceUID
    assert scan.source == str(tmp_path.resolve())


def test_printing_a_scan_names_no_patient(tmp_path: Path) -> None:
    write_series(tmp_path, volume())
    assert "secret" not in repr(read_scan(tmp_path)).lower()


def test_index_and_patient_coordinates_are_inverse(tmp_path: Path) -> None:
    write_series(tmp_path, volume(), orientation=OBLIQUE)
    scan = read_scan(tmp_path)
    points = np.random.default_rng(1).uniform(-1, 7, (20, 2))
    np.testing.assert_allclose(scan.to_index(scan.to_lps(points, 3), 3), points, atol=1e-9)


def test_rescale_gives_hounsfield_units(tmp_path: Path) -> None:
    voxels = volume().astype(np.uint16) % 4096
    write_series(tmp_path, voxels, RescaleSlope="0.5", RescaleIntercept="-1024")
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.voxels, sitk.GetArrayFromImage(itk_series(tmp_path)))


def test_a_rescale_of_its_own_for_every_slice(tmp_path: Path) -> None:
    def change(dataset: Dataset, index: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = str(index + 1), "0"

    voxels = volume()
    write_series(tmp_path, voxels, change=change, Modality="PT")
    expected = voxels * np.arange(1, 6)[:, None, None]
    np.testing.assert_array_equal(read_scan(tmp_path).voxels, expected)


def test_monochrome1_is_turned_round_for_a_radiograph_and_kept_for_ct(tmp_path: Path) -> None:
    pixels = volume((6, 7)).astype(np.int16)
    window = {"WindowCenter": "100", "WindowWidth": "401"}
    for modality in ("DX", "CT"):
        inverse = slice_dataset(
            pixels, Modality=modality, PhotometricInterpretation="MONOCHROME1", **window
        )
        write(inverse, tmp_path / f"{modality}.dcm")
    radiograph, tomogram = read_scan(tmp_path / "DX.dcm"), read_scan(tmp_path / "CT.dcm")
    np.testing.assert_array_equal(tomogram.voxels[0], pixels)
    np.testing.assert_array_equal(radiograph.voxels[0], -1.0 - pixels)  # 16 bits, signed
    brightness = np.argsort(radiograph.voxels[0].ravel(), kind="stable")
    np.testing.assert_array_equal(
        pixels.ravel()[brightness], np.sort(pixels, axis=None)[::-1].astype(np.int16)
    )
    # What the stored window shows at its end is still shown there.
    total = -1
    assert radiograph.window == (total - tomogram.window[1], total - tomogram.window[0])
    assert any("MONOCHROME1" in note for note in radiograph.notes)


def test_stored_window_maps_as_pydicom_maps_it(tmp_path: Path) -> None:
    pixels = np.arange(-200, 300, dtype=np.int16).reshape(20, 25)
    path = write(slice_dataset(pixels, WindowCenter="40", WindowWidth="80"), tmp_path / "a.dcm")
    lower, upper = read_scan(path).window
    dataset = pydicom.dcmread(path)
    shown = pydicom.pixels.apply_windowing(pixels, dataset)
    # PS3.3 C.11.2.1.2.1 spreads the window over the output range.
    ours = np.clip((pixels - lower) / (upper - lower), 0, 1)
    theirs = (shown - shown.min()) / (shown.max() - shown.min())
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("first", [["40", "400"], "40"])
def test_the_first_of_several_windows(tmp_path: Path, first: list[str] | str) -> None:
    write_series(tmp_path, volume(), WindowCenter=first, WindowWidth=["81", "900"])
    assert read_scan(tmp_path).window == (-0.5, 79.5)


def test_window_without_one_in_the_file(tmp_path: Path) -> None:
    voxels = volume((3, 40, 40))
    write_series(tmp_path / "ct", voxels)
    write_series(tmp_path / "mr", voxels, Modality="MR")
    write_series(tmp_path / "off", voxels, Modality="MR", WindowCenter="9000", WindowWidth="10")
    assert read_scan(tmp_path / "ct").window == (-160, 240)
    percentiles = np.percentile(voxels, (1, 99))
    assert read_scan(tmp_path / "mr").window == pytest.approx(tuple(percentiles))
    assert read_scan(tmp_path / "off").window == pytest.approx(tuple(percentiles))


def test_gantry_tilt_shears_the_affine_and_nothing_else(tmp_path: Path) -> None:
    voxels = volume()
    step = np.array([0.0, 1.2, 4.0])
    origins = np.array([-50.0, -40.0, 10.0]) + np.arange(5)[:, None] * step
    write_series(tmp_path, voxels, origins=origins, order=[4, 2, 0, 1, 3])
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.regular
    np.testing.assert_allclose(scan.affine_lps[:3, 2], step, atol=1e-9)
    assert any("tilt" in note for note in scan.notes)
    for k, origin in enumerate(origins):
        np.testing.assert_allclose(scan.to_lps([(0, 0)], k)[0], origin, atol=1e-9)
        np.testing.assert_allclose((scan.affine_lps @ [0, 0, k, 1])[:3], origin, atol=1e-9)


def test_uneven_slices_keep_their_own_places(tmp_path: Path) -> None:
    heights = np.array([0.0, 3.0, 6.0, 12.0, 15.0])
    origins = np.array([-50.0, -40.0, 10.0]) + heights[:, None] * np.cross(*OBLIQUE)
    voxels = volume()
    write_series(tmp_path, voxels, orientation=OBLIQUE, origins=origins)
    scan = read_scan(tmp_path)
    assert not scan.regular
    assert any("not evenly spaced (3 to 6 mm)" in note for note in scan.notes)
    np.testing.assert_array_equal(scan.voxels, voxels)
    # SimpleITK judges every slice by itself: as a stack it would resample or warn.
    for k in range(5):
        judge = sitk.ReadImage(str(tmp_path / f"slice{k:03d}.dcm"))
        np.testing.assert_allclose(
            scan.to_lps([(6, 5)], k)[0], judge.TransformIndexToPhysicalPoint((6, 5, 0)), atol=1e-4
        )


def test_rounding_between_slices_keeps_every_point_in_its_own_plane(tmp_path: Path) -> None:
    def change(dataset: Dataset, index: int) -> None:
        jitter = np.random.default_rng(index).uniform(-4e-5, 4e-5, (2, 3))
        dataset.ImageOrientationPatient = decimals(OBLIQUE + jitter)

    write_series(tmp_path, volume((5, 200, 300)), orientation=OBLIQUE, change=change)
    scan = read_scan(tmp_path)
    for k in range(5):
        dataset = pydicom.dcmread(tmp_path / f"slice{k:03d}.dcm")
        cosines = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        rows, columns = np.array(dataset.PixelSpacing, float)
        expected = (
            np.array(dataset.ImagePositionPatient, float)
            + 299 * columns * cosines[0]
            + 199 * rows * cosines[1]
        )
        np.testing.assert_allclose(scan.to_lps([(299, 199)], k)[0], expected, atol=1e-9)


def test_one_file_of_a_series_is_one_slice(tmp_path: Path) -> None:
    paths = write_series(tmp_path, volume(), SliceThickness="2.5")
    scan = read_scan(paths[2])
    judge = sitk.ReadImage(str(paths[2]))
    assert scan.slices == 1
    np.testing.assert_allclose(scan.affine_lps[:3, 3], judge.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(scan.affine_lps[:3, 2], [0, 0, 2.5])


def test_subfolders_and_other_objects_are_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path / "deep" / "deeper", volume())
    structure = slice_dataset(volume((2, 2)), Modality="RTSTRUCT", SeriesInstanceUID="1.9")
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(structure, keyword)
    structure.SOPClassUID = pydicom.uid.RTStructureSetStorage
    write(structure, tmp_path / "structures.dcm")
    segmentation = slice_dataset(volume((6, 7)), Modality="SEG", SeriesInstanceUID="1.10")
    write(segmentation, tmp_path / "seg.dcm")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._slice000.dcm").write_text("a computer's own note")
    np.testing.assert_array_equal(read_scan(tmp_path).voxels, volume())


def test_one_of_several_series(tmp_path: Path) -> None:
    first, second = volume(seed=1), volume((3, 4, 4), seed=2)
    write_series(tmp_path / "a", first, SeriesInstanceUID="1.2.1")
    write_series(tmp_path / "b", second, SeriesInstanceUID="1.2.2", Modality="MR")
    np.testing.assert_array_equal(read_scan(tmp_path, series="1.2.1").voxels, first)
    np.testing.assert_array_equal(read_scan(tmp_path, series="1.2.2").voxels, second)


def test_header_that_pydicom_cannot_parse_is_left_out_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = write_series(tmp_path, volume()[:1])[0]
    raw = path.read_bytes()
    assert raw.count(b"19010203") == 1
    path.write_bytes(raw.replace(b"19010203", b"1901x203"))
    scan = read_scan(path)
    str(scan.datasets[0].get("PatientBirthDate"))
    assert not recwarn.list


def test_axial_without_frame_of_reference(tmp_path: Path) -> None:
    write_series(tmp_path, volume(), orientation=AXIAL, FrameOfReferenceUID=None)
    scan = read_scan(tmp_path)
    assert scan.units == "mm"
    assert scan.frame_of_reference_uid is None


def test_new_uids_do_not_matter_for_the_order(tmp_path: Path) -> None:
    voxels = volume()
    write_series(
        tmp_path,
        voxels,
        change=lambda dataset, index: setattr(
            dataset, "InstanceNumber", int(generate_uid()[-4:]) % 97
        ),
    )
    np.testing.assert_array_equal(read_scan(tmp_path).voxels, voxels)
