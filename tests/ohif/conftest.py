"""The viewer with the sample study and our objects in it: started once for all its tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from export_cases import suggest
from pydicom.uid import generate_uid

import medcontour as mc
from medcontour.results import Suggestion

SLICES = (14, 15)  # a nodule well off the middle, at the patient's right


@pytest.fixture(scope="session")
def images(sample_data: Path) -> dict[int, pydicom.Dataset]:
    """The slices' images, read and sorted by pydicom."""
    read = [pydicom.dcmread(path) for path in (sample_data / "ct_study").glob("*.dcm")]
    ordered = sorted(read, key=lambda image: image.ImagePositionPatient[2])
    return {k: ordered[k] for k in SLICES}


@pytest.fixture(scope="session")
def results(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ohif_results") / "out"
    scan = mc.read_scan(sample_data / "ct_study")
    classifier = mc.load_classifier(sample_data / "nodule_classifier")
    suggestion = mc.suggest(scan, classifier, "nodule", slices=slice(SLICES[0], SLICES[-1] + 1))
    suggestion.save(out, formats=["rtstruct", "seg", "labelmap"])
    return out


@dataclass(frozen=True)
class Reported:
    """A study of square pixels, what is written of its one finding, and its images by slice."""

    study: Path
    results: Path
    suggestion: Suggestion
    images: dict[int, pydicom.Dataset]


@pytest.fixture(scope="session")
def reported(
    sample_data: Path, results: Path, tmp_path_factory: pytest.TempPathFactory
) -> Reported:
    """The sample study as if its pixels were squares, with the same outlines in pixels."""
    folder = tmp_path_factory.mktemp("square")
    study, out = folder / "study", folder / "out"
    study.mkdir()
    out.mkdir()
    uids: dict[str, str] = {}
    for path in (sample_data / "ct_study").glob("*.dcm"):
        image = pydicom.dcmread(path)
        image.PixelSpacing = [image.PixelSpacing[1]] * 2
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            image[name].value = uids.setdefault(image[name].value, generate_uid())
        image.SOPInstanceUID = generate_uid()
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(study / path.name)
    before, scan = mc.read_scan(sample_data / "ct_study"), mc.read_scan(study)
    found = Suggestion.read_json(results)
    contours = []
    for contour in (*found.contours("outline"), *found.contours("evidence")):
        index = before.to_index(contour.polygon_lps_mm, contour.slice)
        points = scan.to_lps(index, contour.slice)
        area = float(np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2)
        contours.append(replace(contour, polygon_lps_mm=points, area_mm2=area))
    suggestion = suggest(scan, contours)
    suggestion.write_json(out / "suggestion.json")
    for name, file in (("sr", "sr.dcm"), ("parametric-map", "parametric_map.dcm")):
        mc.export(suggestion, scan, name, out / file)
    read = [pydicom.dcmread(path) for path in study.glob("*.dcm")]
    images = {scan.sop_instance_uids.index(image.SOPInstanceUID): image for image in read}
    return Reported(study, out, suggestion, images)


@pytest.fixture(scope="session")
def served(
    chromium: Any,
    sample_data: Path,
    results: Path,
    reported: Reported,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Any, str]]:
    """The browser, and the viewer's address."""
    # Not at the top: where the marker's components are missing, the tests are still collected.
    from ohif_viewer import running_ohif

    studies = {sample_data / "ct_study": results, reported.study: reported.results}
    with running_ohif(tmp_path_factory.mktemp("ohif"), studies) as address:
        yield chromium, address
