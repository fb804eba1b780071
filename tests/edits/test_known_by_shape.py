"""Files untouched but for names, numbers, order and keys: no change at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from edits import (
    AXIAL,
    copied_structure,
    smooth_suggestion,
    with_slices,
    write_series,
    written,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import medcontour as mc
from medcontour.formats.reader import readers
from medcontour.results import Suggestion, export
from medcontour.results.masks import pixel_coverage, pixel_mask
from medcontour.scan import Scan

SEGMENTATIONS = ("seg-labelmap", "seg-fractional")
LEFT, RIGHT = "pulmonary nodule left", "pulmonary nodule right"
# Outlines and evidence of four ellipses, the third of which is another label's.
LABELS = [LEFT, LEFT, RIGHT, LEFT] * 2

Made = tuple[Scan, Suggestion, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("shape")
    scan = mc.read_scan(write_series(AXIAL, folder / "ct"))
    suggestion = smooth_suggestion(scan, labels=LABELS)
    for name in ("rtstruct", "seg", "labelmap", "markups", "coco"):
        written(suggestion, scan, name, folder)
    return scan, suggestion, folder


def assert_untouched(suggestion: Suggestion, path: Path, scan: Scan) -> None:
    refined = mc.refine(suggestion, path, scan)
    assert not refined.report.changed, [(f.slice, f.label, f.change) for f in refined.report.slices]
    assert refined.suggestion == suggestion
    assert refined.report.total.dice == pytest.approx(1)
    assert not any("Evidence" in note for note in refined.report.notes)


RENAMED = st.sampled_from(
    [
        lambda name, n: name.replace(" ", "_"),
        lambda name, n: name[:16],
        lambda name, n: f"{name}_1",
        lambda name, n: f"GTV {n}",
        lambda name, n: "GTV",
        lambda name, n: "",
        lambda name, n: name.upper(),
        lambda name, n: RIGHT if LEFT in name else LEFT,
        lambda name, n: (
            name.removesuffix(" evidence") if "evidence" in name else f"{name} evidence"
        ),
    ]
)


@pytest.mark.slow
@settings(max_examples=10)
@given(data=st.data())
def test_structure_sets_named_numbered_and_ordered_anew(made: Made, data) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    rename = data.draw(RENAMED)
    numbers = data.draw(st.permutations([3, 1, 2, 12]))
    for roi, number in zip(dataset.StructureSetROISequence, numbers, strict=True):
        roi.ROIName = rename(str(roi.ROIName), number)
    by_old = {r.ROINumber: n for r, n in zip(dataset.StructureSetROISequence, numbers, strict=True)}
    for roi in dataset.StructureSetROISequence:
        roi.ROINumber = by_old[roi.ROINumber]
    kind = data.draw(
        st.sampled_from(["CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR", ""])
    )
    turned, back = data.draw(st.integers(0, 127)), data.draw(st.sampled_from([1, -1]))
    digits, repeated = data.draw(st.sampled_from([6, 2])), data.draw(st.booleans())
    for item in dataset.ROIContourSequence:
        item.ReferencedROINumber = by_old[item.ReferencedROINumber]
        for contour in item.ContourSequence:
            contour.ContourGeometricType = kind
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
            points = np.roll(points, turned, axis=0)[::back]
            points = np.vstack([points, points[:1]]) if repeated else points
            contour.ContourData = [f"{v:.{digits}f}" for v in points.ravel()]
        item.ContourSequence = data.draw(st.permutations(list(item.ContourSequence)))
    dataset.ROIContourSequence = data.draw(st.permutations(list(dataset.ROIContourSequence)))
    dataset.save_as(folder / "renamed.dcm")
    assert_untouched(suggestion, folder / "renamed.dcm", scan)


@settings(max_examples=6)
@given(data=st.data())
def test_curves_copied_turned_and_nameless(made: Made, data) -> None:
    scan, suggestion, folder = made
    other = folder / "other_markups"
    other.mkdir(exist_ok=True)
    rename = data.draw(RENAMED)
    turned, back = data.draw(st.integers(0, 23)), data.draw(st.sampled_from([1, -1]))
    for number, path in enumerate(sorted((folder / "markups").iterdir())):
        document = json.loads(path.read_text())
        markup = document["markups"][0]
        markup["name"] = rename(markup["name"], number)
        if data.draw(st.booleans()):
            del markup["name"]
        points = markup["controlPoints"]
        markup["controlPoints"] = (points[turned:] + points[:turned])[::back]
        (other / f"{number}.mrk.json").write_text(json.dumps(document))
    assert_untouched(suggestion, other, scan)
    one = sorted(other.iterdir())[data.draw(st.integers(0, 7))]
    assert_untouched(suggestion, one, scan)


@settings(max_examples=8)
@given(data=st.data())
def test_annotations_with_keys_dropped_and_categories_anew(made: Made, data) -> None:
    scan, suggestion, folder = made
    document = json.loads((folder / "coco.json").read_text())
    rename = data.draw(RENAMED)
    dropped = data.draw(st.sets(st.sampled_from(["kind", "score", "area", "bbox", "iscrowd"])))
    ids = {c["id"]: c["id"] + data.draw(st.integers(0, 3)) * 10 for c in document["categories"]}
    digits = data.draw(st.sampled_from([2, 12]))
    for category in document["categories"]:
        category["name"] = rename(category["name"], category["id"])
        category["id"] = ids[category["id"]]
    for image in document["images"]:
        if data.draw(st.booleans()):
            del image["slice"]
    for item in document["annotations"]:
        item["category_id"] = ids[item["category_id"]]
        item["segmentation"] = [[round(v, digits) for v in ring] for ring in item["segmentation"]]
        for key in dropped:
            del item[key]
    document["annotations"] = data.draw(st.permutations(document["annotations"]))
    (folder / "renamed.json").write_text(json.dumps(document))
    assert_untouched(suggestion, folder / "renamed.json", scan)


@settings(max_examples=6)
@given(data=st.data())
def test_label_maps_and_segments_numbered_and_named_anew(made: Made, data) -> None:
    scan, suggestion, folder = made
    image = nibabel.load(folder / "labelmap.nii.gz")
    values = np.asarray(image.dataobj)
    new = data.draw(st.lists(st.integers(1, 90), min_size=2, max_size=2, unique=True))
    anew = np.select([values == 1, values == 2], new).astype(np.float32)
    kind = data.draw(st.sampled_from([nibabel.Nifti1Image, nibabel.Nifti2Image]))
    name = data.draw(st.sampled_from(["anew.nii", "anew.nii.gz"]))
    nibabel.save(kind(anew * np.float32(1.0000001), image.affine), folder / name)
    assert_untouched(suggestion, folder / name, scan)
    packed = data.draw(st.booleans())
    nibabel.save(nibabel.Nifti1Image(anew, image.affine), folder / "for_itk.nii")
    itk = sitk.ReadImage(folder / "for_itk.nii")
    sitk.WriteImage(itk, folder / "anew.mha", useCompression=packed)
    assert_untouched(suggestion, folder / "anew.mha", scan)
    dataset = pydicom.dcmread(folder / "seg.dcm")
    rename = data.draw(RENAMED)
    for segment, number in zip(dataset.SegmentSequence, new, strict=True):
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            item = frame.SegmentIdentificationSequence[0]
            if item.ReferencedSegmentNumber == segment.SegmentNumber:
                item.ReferencedSegmentNumber = number + 100
        segment.SegmentLabel = rename(segment.SegmentLabel, number)
        segment.SegmentNumber = number + 100
    dataset.save_as(folder / "anew.dcm")
    assert_untouched(suggestion, folder / "anew.dcm", scan)


def centre(c, scan):
    return pixel_mask(c.polygon_lps_mm, scan, c.slice)


def touched(c, scan):
    return pixel_coverage(c.polygon_lps_mm, scan, c.slice) > 1e-6


def half(c, scan):
    return pixel_coverage(c.polygon_lps_mm, scan, c.slice) >= 0.5


# What lies over something else is known of our own filling alone.
@pytest.mark.parametrize(
    ("fill", "order"),
    [
        *((fill, [kind]) for fill in (centre, touched, half) for kind in ("outline", "evidence")),
        *((centre, order) for order in (["outline", "evidence"], ["evidence", "outline"], ["one"])),
    ],
)
@pytest.mark.parametrize("larger", [False, True], ids=["evidence inside", "evidence around"])
def test_masks_made_of_the_structure_set(made: Made, fill, larger, order, tmp_path: Path) -> None:
    """Of one structure, of both painted over each other, or of both in one label."""
    scan, suggestion, folder = made
    if larger:  # the evidence is all that is around the lesion
        suggestion = swapped(suggestion)
    volume = np.zeros(scan.voxels.shape, np.uint8)
    for number, kind in enumerate(order, start=1):
        for each in ("outline", "evidence") if kind == "one" else (kind,):
            for contour in suggestion.contours(each):
                volume[contour.slice][fill(contour, scan)] = number
    image = nibabel.load(folder / "labelmap.nii.gz")
    path = tmp_path / "m.nii.gz"
    nibabel.save(nibabel.Nifti1Image(scan.grid.from_scan(volume), image.affine), path)
    report = mc.refine(suggestion, path, scan).report
    assert not report.changed, [(f.slice, f.change) for f in report.slices]


def swapped(suggestion: Suggestion) -> Suggestion:
    def other(contours, kind):
        return tuple(replace(c, kind=kind) for c in contours)

    return with_slices(
        suggestion,
        suggestion.source,
        *(
            replace(
                part,
                outlines=other(part.evidence_contours, "outline"),
                evidence_contours=other(part.outlines, "evidence"),
            )
            for part in suggestion.slices
        ),
    )


def test_large_curves_are_the_same_through_24_points(made: Made, tmp_path: Path) -> None:
    """The spline through the points of a curve with corners comes no nearer than millimetres."""
    scan, suggestion, _ = made
    square = np.array([[2, 2], [50, 2], [50, 40], [9, 40], [9, 20], [2, 20]])
    first = suggestion.slices[0]
    outline = replace(first.outlines[0], polygon_lps_mm=scan.to_lps(square, first.slice))
    large = with_slices(
        suggestion, scan, replace(first, outlines=(outline,)), *suggestion.slices[1:]
    )
    path = written(large, scan, "markups", tmp_path)
    assert_untouched(large, path, scan)
    file = next(path.glob("*left_1_slice_2*"))
    document = json.loads(file.read_text())
    document["markups"][0]["controlPoints"][3]["position"][0] += 1.0
    file.write_text(json.dumps(document))
    report = mc.refine(large, path, scan).report
    assert [f.change for f in report.slices if f.slice == 1] == ["moved"]


def test_a_changed_curve_beside_a_copy_of_the_suggested_one_is_the_edit(
    made: Made, tmp_path: Path
) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")

    roi, backup = copied_structure(dataset, "before")
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    points = np.reshape(contour.ContourData, (-1, 3)).astype(float) + np.array([1.5, 0, 0])
    contour.ContourData = [f"{v:.6f}" for v in points.ravel()]
    dataset.ROIContourSequence.append(backup)
    dataset.StructureSetROISequence.append(roi)
    dataset.save_as(tmp_path / "e.dcm")
    report = mc.refine(suggestion, tmp_path / "e.dcm", scan).report
    assert sorted(f.change for f in report.slices) == [
        "moved",
        "unchanged",
        "unchanged",
        "unchanged",
    ]
    assert any("both as suggested and changed" in note for note in report.notes)


def test_an_evidence_curve_put_in_the_outlines_place_is_an_edit(made: Made, tmp_path: Path) -> None:
    scan, suggestion, folder = made
    dataset = pydicom.dcmread(folder / "rtstruct.dcm")
    outline, evidence = (dataset.ROIContourSequence[i].ContourSequence[0] for i in (0, 1))
    outline.ContourData = evidence.ContourData
    dataset.save_as(tmp_path / "e.dcm")
    report = mc.refine(suggestion, tmp_path / "e.dcm", scan).report
    assert [f.change for f in report.slices if f.slice == 1] == ["moved"]


def test_every_format_that_is_written_and_read_reports_no_change(
    made: Made, tmp_path: Path
) -> None:
    scan, suggestion, _ = made
    formats = [name for name in mc.exporters() if name in {*readers(), *SEGMENTATIONS}]
    assert len(formats) >= 8
    for name in formats:
        if mc.exporters()[name].refuses(scan) is None:
            path = tmp_path / mc.exporters()[name].filename
            export(suggestion, scan, name, path)
            assert_untouched(suggestion, path, scan)
