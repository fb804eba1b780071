"""Measurement reports (DICOM SR) that come back, ours and those of others."""

from __future__ import annotations

import re
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from edits import AXIAL, CASES, TILTED, UNEVEN, Case, smooth_suggestion, write_series, written
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import medcontour as mc
from medcontour.contour.polygons import deviation_mm
from medcontour.errors import MedcontourError
from medcontour.formats.place import plane_mm
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion
from medcontour.scan import Scan

Made = tuple[Scan, Suggestion, Path]


@pytest.fixture(
    scope="module", params=[AXIAL, CASES[3], TILTED, UNEVEN], ids=lambda case: case.name
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    case: Case = request.param
    folder = tmp_path_factory.mktemp("report")
    scan = mc.read_scan(write_series(case, folder / "ct"))
    suggestion = smooth_suggestion(scan)
    return scan, suggestion, written(suggestion, scan, "sr", folder)


def polygons(report: Dataset) -> list[Dataset]:
    """The items with coordinates in space, in the order of the file."""

    def inside(item: Dataset) -> list[Dataset]:
        own = [item] if item.get("ValueType") == "SCOORD3D" else []
        return own + [x for child in item.get("ContentSequence", []) for x in inside(child)]

    return inside(report)


def counts(refined: mc.Refined) -> list[int]:
    names = ("unchanged", "moved", "new", "deleted")
    return [sum(getattr(f, name) for f in refined.report.findings) for name in names]


def test_an_unedited_report_is_no_change(made: Made) -> None:
    scan, suggestion, path = made
    shapes = read_edited(path, scan).shapes
    contours = list(suggestion.contours("outline"))
    assert len(shapes) == len(contours)
    assert {shape.name for shape in shapes} == {"nodule 1"}
    for contour, shape in zip(contours, shapes, strict=True):
        assert shape.slice == contour.slice
        np.testing.assert_allclose(shape.polygon_lps_mm, contour.polygon_lps_mm, atol=1e-3)
    refined = mc.refine(suggestion, path, scan)
    assert not refined.report.changed
    assert refined.suggestion == suggestion


def test_a_moved_polygon_is_an_edit(made: Made, tmp_path: Path) -> None:
    scan, suggestion, path = made
    report = pydicom.dcmread(path)
    item = polygons(report)[0]
    points = np.reshape(item.GraphicData, (-1, 3)).astype(float)
    along_row = np.asarray(scan.affine_lps[:3, 0]) / np.linalg.norm(scan.affine_lps[:3, 0])
    item.GraphicData = (points + 2 * along_row).ravel().tolist()
    report.save_as(tmp_path / "edited.dcm")
    refined = mc.refine(suggestion, tmp_path / "edited.dcm", scan)
    assert counts(refined) == [3, 1, 0, 0]
    k = next(iter(suggestion.contours("outline"))).slice
    [moved] = [c for c in refined.suggestion.contours("outline") if "edit" in c.quality]
    assert moved.slice == k
    there = plane_mm(points[:-1] + 2 * along_row, scan, k)
    assert deviation_mm(plane_mm(moved.polygon_lps_mm, scan, k), there) < 1e-3


@pytest.fixture
def axial(tmp_path: Path) -> Made:
    scan = mc.read_scan(write_series(AXIAL, tmp_path / "ct"))
    suggestion = smooth_suggestion(scan)
    return scan, suggestion, written(suggestion, scan, "sr", tmp_path)


def test_coordinates_on_an_image_are_those_of_its_slice(axial: Made, tmp_path: Path) -> None:
    """As viewers write what is drawn: closed polylines, the first pixel's centre at (0.5, 0.5)."""
    scan, suggestion, _ = axial
    files = {header.SOPInstanceUID: header for header in scan.datasets}
    groups = []
    for contour in suggestion.contours("outline"):
        index = scan.to_index(contour.polygon_lps_mm, contour.slice) + 0.5
        image = files[scan.sop_instance_uids[contour.slice]]
        region = hd.sr.ImageRegion(
            "POLYLINE",
            np.concatenate([index, index[:1]]),
            hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
        )
        tracking = hd.sr.TrackingIdentifier(hd.UID(), "nodule 1")
        groups.append(hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(tracking, region))
    _report(groups, scan).save_as(tmp_path / "drawn.dcm")
    refined = mc.refine(suggestion, tmp_path / "drawn.dcm", scan)
    assert counts(refined) == [4, 0, 0, 0]


def _report(groups: list[object], scan: Scan, *others: Dataset) -> Dataset:
    person = hd.sr.ObserverContext(
        codes.DCM.Person, hd.sr.PersonObserverIdentifyingAttributes("Reader^A")
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[*scan.datasets, *others],
        content=hd.sr.MeasurementReport(
            hd.sr.ObservationContext(person), codes.SCT.ImagingProcedure, groups
        ),
        series_instance_uid=hd.UID(),
        series_number=9,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="another",
    )


def test_what_is_no_polygon_is_left_out_and_named(axial: Made, tmp_path: Path) -> None:
    scan, suggestion, path = axial
    report = pydicom.dcmread(path)
    polygons(report)[0].GraphicType = "ELLIPSE"
    report.save_as(tmp_path / "edited.dcm")
    refined = mc.refine(suggestion, tmp_path / "edited.dcm", scan)
    assert counts(refined)[1:] == [0, 0, 0]  # what cannot be read was not removed
    assert any(re.search("no closed polygon, 1", note) for note in refined.report.notes)


def test_a_report_of_no_regions_is_refused(axial: Made, tmp_path: Path) -> None:
    """A dose report is an SR too: nothing of it says that every outline was removed."""
    scan, suggestion, path = axial
    report = pydicom.dcmread(path)
    report.ContentSequence = report.ContentSequence[:3]
    report.save_as(tmp_path / "dose.dcm")
    with pytest.raises(MedcontourError, match="no measurement groups"):
        mc.refine(suggestion, tmp_path / "dose.dcm", scan)


def test_regions_that_only_name_a_segmentation_are_refused(axial: Made, tmp_path: Path) -> None:
    scan, suggestion, _ = axial
    segments = pydicom.dcmread(written(suggestion, scan, "seg", tmp_path))
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(hd.UID(), "nodule 1"),
        referenced_segment=hd.sr.ReferencedSegment(
            segments.SOPClassUID,
            segments.SOPInstanceUID,
            1,
            source_series=hd.sr.SourceSeriesForSegmentation(scan.series_instance_uid),
        ),
    )
    _report([group], scan, segments).save_as(tmp_path / "named.dcm")
    with pytest.raises(MedcontourError, match="only name a segmentation"):
        mc.refine(suggestion, tmp_path / "named.dcm", scan)
