"""What others rely on in `sample_data`, read back by tools that did not write it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch
from monai.bundle import ConfigParser, verify_net_in_out
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.io import imread
from skimage.measure import label as components
from skimage.morphology import ball, disk

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
BUNDLE = SAMPLE / "nodule_classifier"
sys.path.insert(0, str(SAMPLE))

import make_sample  # noqa: E402
from phantom import Grid, Thorax, thorax  # noqa: E402


@pytest.fixture(scope="module")
def series() -> sitk.Image:
    """The CT series as GDCM sorts it."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(SAMPLE / "ct_study")))
    return reader.Execute()


@pytest.fixture(scope="module")
def headers() -> list[pydicom.Dataset]:
    """The series by file name."""
    return [pydicom.dcmread(path) for path in sorted((SAMPLE / "ct_study").iterdir())]


@pytest.fixture(scope="module")
def truth() -> nib.Nifti1Image:
    return nib.load(SAMPLE / "truth" / "nodules.nii.gz")


@pytest.fixture(scope="module")
def nodules() -> list[dict[str, Any]]:
    return json.loads((SAMPLE / "truth" / "nodules.json").read_text())["nodules"]


@pytest.fixture(scope="module")
def again() -> Thorax:
    """The study's phantom, made again."""
    return make_sample.study()


def test_series_is_one_consistent_ct(headers: list[pydicom.Dataset]) -> None:
    for name in (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "Rows",
        "Columns",
        "PixelSpacing",
    ):
        assert len({str(ds[name].value) for ds in headers}) == 1, name
    first = headers[0]
    assert first.Modality == "CT"
    assert first.Rows != first.Columns
    assert first.PixelSpacing[0] != first.PixelSpacing[1]
    assert (first.RescaleSlope, first.RescaleIntercept) == (1, -1024)
    assert first.pixel_array.dtype == np.int16
    assert len({ds.SOPInstanceUID for ds in headers}) == len(headers)
    assert all(ds.SOPInstanceUID.is_valid for ds in headers)
    assert str(first.PatientName) == "Phantom^Thorax"


def test_file_names_do_not_give_the_order_away(headers: list[pydicom.Dataset]) -> None:
    heights = [float(ds.ImagePositionPatient[2]) for ds in headers]
    assert heights != sorted(heights)
    assert heights != sorted(heights, reverse=True)
    steps = np.diff(sorted(heights))
    np.testing.assert_array_equal(steps, float(headers[0].SpacingBetweenSlices))


def test_truth_lies_on_the_series_grid(series: sitk.Image, truth: nib.Nifti1Image) -> None:
    read = sitk.ReadImage(str(SAMPLE / "truth" / "nodules.nii.gz"))
    assert read.GetSize() == series.GetSize()
    assert read.GetSpacing() == series.GetSpacing()
    assert read.GetOrigin() == series.GetOrigin()
    assert read.GetDirection() == series.GetDirection()
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(series.GetDirection(), (3, 3)) * series.GetSpacing()
    lps[:3, 3] = series.GetOrigin()
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    for affine, code in (truth.get_sform(coded=True), truth.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_array_equal(affine, ras)


def test_truth_is_one_integer_a_nodule(
    series: sitk.Image, truth: nib.Nifti1Image, nodules: list[dict[str, Any]]
) -> None:
    labels = np.asarray(truth.dataobj)
    assert labels.dtype == np.uint8
    assert 3 <= len(nodules) <= 6
    assert np.unique(labels).tolist() == [0, *(n["label"] for n in nodules)]
    assert len({n["touches_vessel"] for n in nodules}) == 2
    hu = sitk.GetArrayFromImage(series).transpose(2, 1, 0)
    for nodule in nodules:
        mask = labels == nodule["label"]
        index = np.argwhere(mask)
        assert components(mask).max() == 1
        centre = series.TransformContinuousIndexToPhysicalPoint(index.mean(axis=0))
        np.testing.assert_allclose(nodule["centre_lps_mm"], centre, atol=1e-3)
        assert nodule["slices"] == np.unique(index[:, 2]).tolist()
        assert nodule["volume_mm3"] == pytest.approx(
            len(index) * np.prod(series.GetSpacing()), abs=0.1
        )
        # What the mask covers is denser than the lung that surrounds it.
        shell = binary_dilation(mask, ball(3)) & ~binary_dilation(mask, ball(1))
        assert np.median(hu[mask]) > np.median(hu[shell]) + 250


@pytest.mark.slow
def test_generator_makes_the_committed_study(
    again: Thorax, series: sitk.Image, truth: nib.Nifti1Image, tmp_path: Path
) -> None:
    np.testing.assert_array_equal(again.labels.transpose(2, 1, 0), np.asarray(truth.dataobj))
    committed = sitk.GetArrayFromImage(series)
    # Another processor may round a few voxels the other way.
    assert np.abs(again.ct - committed).max() <= 1
    assert (again.ct != committed).mean() < 1e-3
    make_sample.write_ct(tmp_path, again)
    for path in tmp_path.iterdir():
        fresh = pydicom.dcmread(path, stop_before_pixels=True)
        assert fresh == pydicom.dcmread(SAMPLE / "ct_study" / path.name, stop_before_pixels=True)


@pytest.mark.slow
def test_generator_makes_the_committed_volume_and_radiograph(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    make_sample.write_volume(tmp_path)
    make_sample.write_radiograph(tmp_path)
    for name in ("volume.nii.gz", "truth/volume_lesion.nii.gz"):
        fresh, committed = nib.load(tmp_path / name), nib.load(SAMPLE / name)
        np.testing.assert_array_equal(fresh.affine, committed.affine)
        difference = np.asarray(fresh.dataobj).astype(int) - np.asarray(committed.dataobj)
        assert np.abs(difference).max() <= 1
        assert (difference != 0).mean() < 1e-3
    pixels = [pydicom.dcmread(p / "radiograph.dcm").pixel_array for p in (tmp_path, SAMPLE)]
    np.testing.assert_allclose(pixels[0].astype(int), pixels[1].astype(int), atol=50)


def test_another_seed_is_another_patient() -> None:
    grid = Grid((4, 80, 104), (12.0, 3.8, 3.4), -40.0)
    one, two = (thorax(seed, grid, 0, planes=1).ct.astype(int) for seed in (1, 2))
    assert (np.abs(one - two) > 200).mean() > 0.02


def test_a_phantom_differs_from_its_twin_only_at_nodules() -> None:
    grid = Grid((20, 80, 104), (5.0, 3.8, 3.4), -70.0)
    phantom = thorax(3, grid, 3, planes=1)
    assert len(phantom.nodules) == 3
    changed = phantom.ct != phantom.without_nodules
    assert changed[phantom.labels > 0].mean() > 0.99
    assert not changed[~binary_dilation(phantom.labels > 0, ball(4))].any()


def test_volume_is_oblique_anisotropic_and_not_ras() -> None:
    volume = nib.load(SAMPLE / "volume.nii.gz")
    lesion = nib.load(SAMPLE / "truth" / "volume_lesion.nii.gz")
    np.testing.assert_allclose(volume.get_sform(), volume.get_qform(), atol=1e-5)
    assert volume.header["sform_code"] > 0
    assert volume.header["qform_code"] > 0
    assert nib.aff2axcodes(volume.affine) != ("R", "A", "S")
    assert nib.affines.obliquity(volume.affine).max() > np.deg2rad(5)
    zooms = volume.header.get_zooms()
    assert max(zooms) > 2 * min(zooms)
    np.testing.assert_array_equal(volume.affine, lesion.affine)
    mask = np.asarray(lesion.dataobj) > 0
    assert components(mask).max() == 1
    image = np.asarray(volume.dataobj)
    shell = binary_dilation(mask, ball(3)) & ~binary_dilation(mask, ball(1))
    assert np.median(image[mask]) > 1.5 * np.median(image[shell])


def test_radiograph_has_no_frame_of_reference_and_shows_its_nodule() -> None:
    ds = pydicom.dcmread(SAMPLE / "radiograph.dcm")
    assert ds.Modality == "CR"
    assert "FrameOfReferenceUID" not in ds
    assert "PixelSpacing" not in ds
    assert len(ds.ImagerPixelSpacing) == 2
    assert ds.PhotometricInterpretation == "MONOCHROME2"
    assert ds.BitsAllocated == 16
    shadow = imread(SAMPLE / "truth" / "radiograph_nodule.png") > 0
    pixels = ds.pixel_array
    assert pixels.shape == shadow.shape
    ring = binary_dilation(shadow, disk(8)) & ~binary_dilation(shadow, disk(3))
    spread = pixels[ring].std()
    assert pixels[shadow].mean() > pixels[ring].mean() + spread


@pytest.mark.dicom_tools
def test_dciodvfy_finds_no_error() -> None:
    for path in [*sorted((SAMPLE / "ct_study").iterdir()), SAMPLE / "radiograph.dcm"]:
        told = subprocess.run(
            ["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False
        )
        text = told.stdout + told.stderr
        assert "Image" in text
        assert "Error" not in text, f"{path.name}: {text}"


def test_everything_is_small() -> None:
    total = sum(
        path.stat().st_size
        for path in SAMPLE.rglob("*")
        if path.is_file() and not re.search(r"/(__pycache__|\..+)/", path.as_posix())
    )
    assert total < 25e6
    assert (BUNDLE / "models" / "model.pt").stat().st_size < 2e6


@pytest.fixture(scope="module")
def parser() -> ConfigParser:
    parser = ConfigParser()
    parser.read_meta(str(BUNDLE / "configs" / "metadata.json"))
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    return parser


@pytest.fixture(scope="module")
def network(parser: ConfigParser) -> torch.nn.Module:
    network = parser.get_parsed_content("network_def")
    state = torch.load(BUNDLE / "models" / "model.pt", weights_only=True)
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float16}
    network.load_state_dict(state, strict=True)
    return network.eval()


def log_odds(network: torch.nn.Module, images: list[torch.Tensor]) -> NDArray[np.float64]:
    with torch.no_grad():
        logits = torch.cat([network(image[None]) for image in images]).double()
    return (logits[:, 1] - logits[:, 0]).numpy()


def test_bundle_passes_monais_own_check(parser: ConfigParser) -> None:
    channels = parser["_meta_#network_data_format#outputs#pred#channel_def"]
    assert channels == {"0": "no nodule", "1": "nodule"}
    assert "$" not in (BUNDLE / "configs" / "inference.json").read_text()
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        config_file=str(BUNDLE / "configs" / "inference.json"),
    )


def test_bundle_classifies_the_sample_study(
    parser: ConfigParser,
    network: torch.nn.Module,
    headers: list[pydicom.Dataset],
    truth: nib.Nifti1Image,
    nodules: list[dict[str, Any]],
) -> None:
    """Files go through the bundle's whole preprocessing, loading included."""
    prepare = parser.get_parsed_content("preprocessing")
    order = sorted(range(len(headers)), key=lambda i: float(headers[i].ImagePositionPatient[2]))
    paths = sorted((SAMPLE / "ct_study").iterdir())
    images = [prepare({"image": str(paths[i])})["image"].as_tensor() for i in order]
    found = log_odds(network, images) > 0
    labels = np.asarray(truth.dataobj)
    expected = (labels > 0).any(axis=(0, 1))
    # At the held-out accuracy of 0.95 that the bundle is built for, 40 slices have 5 or more wrong
    # in 5 % of draws; calling every slice negative would get `1 - expected.mean()`, far below.
    accuracy = (found == expected).mean()
    assert accuracy >= 36 / 40
    assert 1 - expected.mean() < 0.75
    for nodule in nodules:
        assert found[nodule["slices"]].any(), nodule["label"]
    told = re.search(r"Accuracy over its slices: ([0-9.]+)\.", readme())
    assert told
    assert float(told[1]) == pytest.approx(accuracy, abs=1e-3)


def test_answer_comes_from_the_nodules(
    parser: ConfigParser, network: torch.nn.Module, again: Thorax
) -> None:
    prepare = parser.get_parsed_content("preprocessing").transforms[1:]

    def score(volume: NDArray[np.int16]) -> NDArray[np.float64]:
        images = []
        for hu in volume[(again.labels > 0).any(axis=(1, 2))]:
            data = {"image": torch.as_tensor(hu.T.astype(np.float32))}
            for step in prepare:
                data = step(data)
            images.append(data["image"].as_tensor())
        return log_odds(network, images)

    with_nodules, without = score(again.ct), score(again.without_nodules)
    found = with_nodules > 0
    assert (without[found] <= 0).mean() >= 0.9
    assert np.median(with_nodules[found] - without[found]) > 3


def readme() -> str:
    return (BUNDLE / "docs" / "README.md").read_text()


def test_bundle_readme_reports_held_out_figures() -> None:
    row = re.search(r"\| 20 mm2 and more \|(.+)\|", readme())
    assert row
    _, _, accuracy, *_ = (float(v) for v in row[1].split("|"))
    assert accuracy >= 0.95
