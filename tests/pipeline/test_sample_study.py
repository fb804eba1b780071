"""The sample study end to end, read back by pydicom, nibabel, SimpleITK, shapely and MONAI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch
from jsonschema import Draft7Validator
from monai.bundle import ConfigParser
from result_files import OF_DICOM
from sample_run import SampleRun
from scipy.ndimage import gaussian_filter
from shapely import Polygon, contains_xy
from shapely.geometry.polygon import orient

import medcontour as mc
from medcontour.pipeline.allowance import PLACEMENTS, most_a_slice
from medcontour.pipeline.settings import Settings
from medcontour.results import suggestion_schema

BLURS = {  # of (192, 192) inputs: standard deviation along each side, and kernel radius
    "blur": (20.0, 10),
    "gaussian": (12.0, 36),
    "wide": (24.0, 72),
}


@pytest.fixture(scope="module")
def document(sample_run: SampleRun) -> dict[str, Any]:
    return json.loads((sample_run.folder / "suggestion.json").read_text())


def test_what_is_written_keeps_to_the_published_schema(document: dict[str, Any]) -> None:
    Draft7Validator(suggestion_schema()).validate(document)


@pytest.fixture(scope="module")
def headers(sample_run: SampleRun) -> list[pydicom.Dataset]:
    """The study's headers from foot to head."""
    found = [pydicom.dcmread(path) for path in sample_run.study.glob("*.dcm")]
    return sorted(found, key=lambda header: float(header.ImagePositionPatient[2]))


@pytest.fixture(scope="module")
def series(sample_run: SampleRun) -> sitk.Image:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(sample_run.study))
    return sitk.ReadImage(names)


def rois(sample_run: SampleRun) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Contours by ROI name: the SOPInstanceUID that each refers to and its (n, 3) points."""
    dataset = pydicom.dcmread(sample_run.folder / "rtstruct.dcm")
    names = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    return {
        names[roi.ReferencedROINumber]: [
            (
                str(item.ContourImageSequence[0].ReferencedSOPInstanceUID),
                np.array(item.ContourData, dtype=float).reshape(-1, 3),
            )
            for item in roi.ContourSequence
        ]
        for roi in dataset.ROIContourSequence
    }


def slices_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What was found, slice by slice."""
    parts = [part for finding in document["findings"] for part in finding["slices"]]
    return sorted(parts, key=lambda part: part["slice"])


def looked_at(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those where evidence was looked for: not taken in because an outline goes on."""
    return [part for part in slices_of(document) if part["evidence"] is not None]


def test_everything_of_the_contract_is_there(sample_run: SampleRun) -> None:
    found = {path.name for path in sample_run.folder.iterdir()}
    assert found == OF_DICOM


def test_sure_slices_get_suggestions(sample_run: SampleRun, document: dict[str, Any]) -> None:
    asked = set(range(sample_run.slices.start, sample_run.slices.stop))
    assert {int(k) for k in document["slice_scores"]} == asked
    positive = {int(k) for k, score in document["slice_scores"].items() if score > 0.5}
    assert {part["slice"] for part in slices_of(document)} == positive
    assert any(finding["status"] == "suggested" for finding in document["findings"])


def test_the_label_map_has_the_scans_grid(sample_run: SampleRun, series: sitk.Image) -> None:
    """Its affine, read by nibabel, is ITK's of the DICOM series, in the precision of the file."""
    written = nibabel.load(sample_run.folder / "labelmap.nii.gz")
    assert written.shape == series.GetSize()
    direction = np.reshape(series.GetDirection(), (3, 3))
    affine_lps = np.eye(4)
    affine_lps[:3, :3] = direction * series.GetSpacing()
    affine_lps[:3, 3] = series.GetOrigin()
    affine_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine_lps
    for affine in (written.affine, written.get_sform(), written.get_qform()):
        np.testing.assert_array_equal(affine.astype(np.float32), affine_ras.astype(np.float32))
    by_itk = sitk.ReadImage(str(sample_run.folder / "labelmap.nii.gz"))
    np.testing.assert_allclose(by_itk.GetOrigin(), series.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(by_itk.GetSpacing(), series.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(by_itk.GetDirection(), series.GetDirection(), atol=1e-6)
    values = sitk.GetArrayFromImage(by_itk)
    outlined = {c.slice for c in sample_run.suggestion.for_export().contours("outline")}
    assert outlined
    assert set(np.flatnonzero(values.any((1, 2))).tolist()) == outlined


def test_structure_set_points_lie_in_their_slices_plane(
    sample_run: SampleRun, headers: list[pydicom.Dataset]
) -> None:
    found = rois(sample_run)
    by_uid = {str(header.SOPInstanceUID): header for header in headers}
    strong = [finding for finding in sample_run.suggestion if finding.exported]
    assert [name for name in found if name.endswith("evidence")] == [
        f"{finding.name} evidence" for finding in strong
    ]
    for finding in strong:
        assert [uid for uid, _ in found[f"{finding.name} evidence"]] == [
            part.sop_instance_uid
            for part in finding.slices
            if part.exported and part.evidence_contours
        ]
    for uid, points in (curve for curves in found.values() for curve in curves):
        header = by_uid[uid]
        row, column = np.reshape(np.array(header.ImageOrientationPatient, float), (2, 3))
        offsets = points - np.array(header.ImagePositionPatient, float)
        assert np.abs(offsets @ np.cross(row, column)).max() < 1e-3
        spacing = np.array(header.PixelSpacing, float)
        column_row = np.stack([offsets @ row / spacing[1], offsets @ column / spacing[0]], 1)
        assert column_row.min() >= -0.5 - 1e-6
        assert (column_row <= np.array([header.Columns, header.Rows]) - 0.5 + 1e-6).all()


def test_the_structure_set_rasterised_is_the_label_map(
    sample_run: SampleRun, series: sitk.Image, headers: list[pydicom.Dataset]
) -> None:
    label_map = sitk.GetArrayFromImage(sitk.ReadImage(str(sample_run.folder / "labelmap.nii.gz")))
    index = {str(header.SOPInstanceUID): k for k, header in enumerate(headers)}
    rasterised = np.zeros(label_map.shape, bool)
    outlines = {n: c for n, c in rois(sample_run).items() if not n.endswith("evidence")}
    for uid, points in (curve for curves in outlines.values() for curve in curves):
        k = index[uid]
        places = [series.TransformPhysicalPointToContinuousIndex(p.tolist()) for p in points]
        polygon = orient(Polygon([place[:2] for place in places]))
        assert polygon.is_valid
        row, column = np.mgrid[: label_map.shape[1], : label_map.shape[2]]
        rasterised[k] |= contains_xy(polygon, column, row)
    assert 2 * (rasterised & (label_map > 0)).sum() >= 0.98 * (
        rasterised.sum() + (label_map > 0).sum()
    )


def test_the_evidence_is_what_the_network_says_of_the_curve(
    sample_run: SampleRun, document: dict[str, Any], headers: list[pydicom.Dataset]
) -> None:
    """Preserved and deleted, rendered anew from the JSON with MONAI, numpy and scipy alone."""
    parser = ConfigParser(
        json.loads((sample_run.bundle / "configs" / "inference.json").read_text())
    )
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(
        torch.load(sample_run.bundle / "models" / "model.pt", weights_only=True)
    )
    network.eval()
    files = {
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path
        for path in sample_run.study.glob("*.dcm")
    }
    for finding in looked_at(document):
        header = headers[finding["slice"]]
        assert str(header.SOPInstanceUID) == finding["sop_instance_uid"]
        prepared = parser.get_parsed_content("preprocessing")(
            {"image": str(files[finding["sop_instance_uid"]])}
        )
        image = np.asarray(prepared["image"])  # (1, column, row) of 192 x 192
        assert image.shape == (1, 192, 192)
        x, y = places_of_input(header)
        [contour] = finding["evidence_contours"]
        mask = 1 / (1 + np.exp(-100 * gap(contour["parameters"], x, y)))
        background = background_of(image, contour["quality"]["background"])

        def probability(pixels: np.ndarray) -> float:
            with torch.no_grad():
                logits = network(torch.from_numpy(pixels[None]).float())[0]
            return float(logits.softmax(0)[1])

        evidence = finding["evidence"]
        for variant, said in (
            (image, finding["score"]),
            (background, evidence["background"]),
            (background + mask * (image - background), evidence["preserved"]),
            (image - mask * (image - background), evidence["deleted"]),
        ):
            assert probability(variant) == pytest.approx(said, abs=5e-3)


def places_of_input(header: pydicom.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of the input's pixels in units of half the slice's longer side, from its middle.

    The longer side is resized to 192 pixels (centres at (i + 1/2) / scale - 1/2), the shorter one
    by the same factor, and then padded on both sides.
    """
    row_mm, column_mm = (float(value) for value in header.PixelSpacing)
    longest = max(header.Rows, header.Columns)
    unit = max(header.Rows * row_mm, header.Columns * column_mm) / 2
    places = []
    for length, spacing in ((header.Columns, column_mm), (header.Rows, row_mm)):
        resized = round(length * 192 / longest)
        number = np.arange(192) - (192 - resized) // 2
        index = (number + 0.5) * length / resized - 0.5
        places.append((index - (length - 1) / 2) * spacing / unit)
    x, y = np.meshgrid(*places, indexing="ij")
    return x, y


def gap(parameters: dict[str, Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Radius of the curve minus the distance from its center, both in its frame."""
    assert parameters["parametrisation"] == "log"
    p, q = parameters["frame"]
    values, vectors = np.linalg.eigh([[p, q], [q, -p]])
    inverse = vectors @ np.diag(np.exp(-values)) @ vectors.T
    u, v = np.einsum(
        "ij,jkl->ikl", inverse, np.stack([x, y]) - np.reshape(parameters["center"], (2, 1, 1))
    )
    angle = np.arctan2(v, u)
    waves = sum(
        a * np.cos(k * angle) + b * np.sin(k * angle)
        for k, (a, b) in enumerate(parameters["harmonics"], start=1)
    )
    return np.exp(parameters["size"] + waves) - np.hypot(u, v)


def background_of(image: np.ndarray, name: str) -> np.ndarray:
    if name == "mean":
        return np.broadcast_to(image.mean((1, 2), keepdims=True), image.shape)
    sigma, radius = BLURS[name]
    return gaussian_filter(image, (0, sigma, sigma), mode="mirror", radius=(0, radius, radius))


def test_polygons_in_the_json_are_points_of_the_curve_it_gives(
    document: dict[str, Any], headers: list[pydicom.Dataset]
) -> None:
    for finding in slices_of(document):
        header = headers[finding["slice"]]
        row_mm, column_mm = (float(value) for value in header.PixelSpacing)
        unit = max(header.Rows * row_mm, header.Columns * column_mm) / 2
        for contour in (*finding["evidence_contours"], *finding["outlines"]):
            offsets = np.array(contour["polygon_lps_mm"]) - np.array(
                header.ImagePositionPatient, float
            )  # an axial series: x along columns, y along rows
            x = (offsets[:, 0] - (header.Columns - 1) / 2 * column_mm) / unit
            y = (offsets[:, 1] - (header.Rows - 1) / 2 * row_mm) / unit
            assert np.abs(gap(contour["parameters"], x[None], y[None])).max() < 1e-6
            polygon = Polygon(offsets[:, :2])
            assert contour["area_mm2"] == pytest.approx(polygon.area, rel=5e-3)


def test_figures_of_the_evidence_agree_with_each_other(document: dict[str, Any]) -> None:
    for finding in looked_at(document):
        evidence = finding["evidence"]
        count, p_value = evidence["placements"], evidence["p_value"]
        # (g + 1) / (n + 1), the worst view's of four; a view stops at the first that does as well.
        assert 16 <= count <= 76
        assert evidence["views_tested"] == 4
        assert (p_value == 0.05) == (evidence["views_held"] == 4) == (count == 76)
        assert evidence["placement_evaluations"] == (count + 4) / 2
        # The search, the choice of a background, the outlines; the placement test is told apart.
        assert evidence["evaluations"] <= most_a_slice(Settings()) - PLACEMENTS
        for name in ("preserved", "deleted", "background", "random_preserved", "random_deleted"):
            assert 0 <= evidence[name] <= 1
        if finding["status"].startswith("suggested"):
            assert p_value <= 0.05
            assert evidence["preserved"] > evidence["random_preserved"]
            assert evidence["deleted"] < evidence["random_deleted"]


def test_the_run_is_on_record(document: dict[str, Any], sample_run: SampleRun) -> None:
    run = document["run"]
    evaluations = [finding["evidence"]["evaluations"] for finding in looked_at(document)]
    assert run["evaluations_per_contour"] == pytest.approx(np.mean(evaluations), abs=0.01)
    assert run["peak_memory_mb"] > 0
    assert run["slices_looked_at"] == 3
    assert document["classifier"]["sha256"] == sample_run.classifier.weights_sha256
    assert document["scan"]["units"] == "mm"


def test_no_patient_data_is_written_but_in_dicom(
    sample_run: SampleRun, headers: list[pydicom.Dataset]
) -> None:
    name, number = str(headers[0].PatientName), str(headers[0].PatientID)
    assert len(name) > 3
    assert len(number) > 3
    for path in sample_run.folder.rglob("*.*"):
        if path.is_file() and path.suffix != ".dcm":
            content = path.read_bytes().lower()
            for word in (name, name.replace("^", " "), number):
                assert word.lower().encode() not in content, path.name
    for dicom in ("rtstruct.dcm", "seg.dcm", "sr.dcm"):
        assert pydicom.dcmread(sample_run.folder / dicom).PatientID == number


@pytest.mark.slow
def test_a_slice_alone_has_the_contour_that_it_has_among_others(sample_run: SampleRun) -> None:
    """To half a pixel: rounding, which a search makes larger, does not come from the batch."""
    scan, k = sample_run.scan, 19
    one, other = (
        [
            contour
            for part in mc.suggest(
                scan, sample_run.classifier, slices=slices, outline="none"
            ).slices
            for contour in part.evidence_contours
            if part.slice == k
        ]
        for slices in (str(k), f"{k - 2}:{k + 1}")
    )
    alone, among = (Polygon(scan.to_index(c.polygon_lps_mm, k)) for [c] in (one, other))
    assert alone.exterior.hausdorff_distance(among.exterior) < 0.5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(sample_run: SampleRun, tmp_path: Path) -> None:
    scores = sample_run.suggestion.slice_scores
    surest = max(scores, key=lambda k: scores[k])
    documents = []
    for number in range(2):
        scan, classifier = mc.read_scan(sample_run.study), mc.load_classifier(sample_run.bundle)
        folder = tmp_path / str(number)
        mc.suggest(scan, classifier, slices=slice(surest, surest + 1), seed=7).save(
            folder, ["labelmap", "nrrd", "markups"]
        )
        document = json.loads((folder / "suggestion.json").read_text())
        assert document.pop("run")
        documents.append(json.dumps(document))
    assert documents[0] == documents[1]
    files = sorted(path.relative_to(tmp_path / "0") for path in (tmp_path / "0").rglob("*.*"))
    for path in files:
        if path.name != "suggestion.json":
            first, second = ((tmp_path / number / path).read_bytes() for number in "01")
            assert first == second, path
