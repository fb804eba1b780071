"""What stands in the files beside geometry, and what happens when they cannot be written."""

from __future__ import annotations

import gzip
import json
import re
import resource
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import scipy.interpolate
import SimpleITK as sitk
import slicerio
from export_cases import (
    AXIAL,
    BIRTH_DATE,
    ELLIPSES,
    PATIENT,
    PATIENT_ID,
    TILTED,
    UNEVEN,
    Ellipse,
    case_suggestion,
    dice,
    placed,
    suggest,
    write_series,
)
from PIL import Image

from medcontour.errors import MedcontourError
from medcontour.export.markups import control_points
from medcontour.scan import Scan, read_scan
from medcontour.suggestion import (
    NothingToWrite,
    PlacedContour,
    Suggestion,
    export,
    exporters,
    format_names,
    refusal,
)

SEGMENTATIONS = ["seg", "seg-fractional", "seg-labelmap"]
FORMATS = ["coco", "labelmap", "markups", "nrrd", "rtstruct", *SEGMENTATIONS]
DICOM = ["rtstruct", *SEGMENTATIONS]
Study = tuple[Scan, Suggestion]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    scan = read_scan(write_series(AXIAL, tmp_path_factory.mktemp("series")))
    return scan, case_suggestion(scan, AXIAL)


def polygon_on(scan: Scan, k: int, centre: tuple[float, float], radius: float) -> PlacedContour:
    """A circle in pixels about (column, row)."""
    t = np.arange(128) * 2 * np.pi / 128
    points = scan.to_lps(np.stack([np.cos(t), np.sin(t)], 1) * radius + centre, k)
    return PlacedContour("outline", k, {}, points, 1.0)


def files_in(path: Path) -> dict[str, bytes]:
    found = [path] if path.is_file() else sorted(path.iterdir())
    return {item.name: item.read_bytes() for item in found}


# Finding formats


def test_the_formats_of_the_contract_are_installed() -> None:
    assert {name: found.filename for name, found in exporters().items()} == {
        "coco": "coco.json",
        "labelmap": "labelmap.nii.gz",
        "markups": "markups",
        "nrrd": "segmentation.seg.nrrd",
        "overlay": "overlay",
        "png": "labels.png",
        "report": "report.html",
        "rtstruct": "rtstruct.dcm",
        "seg": "seg.dcm",
        "seg-fractional": "seg_fractional.dcm",
        "seg-labelmap": "seg_labelmap.dcm",
    }


def test_an_unknown_format_names_the_known_ones(study: Study, tmp_path: Path) -> None:
    known = "coco, labelmap, markups, nrrd, overlay, png, report, rtstruct, seg, seg-fractional"
    with pytest.raises(MedcontourError, match=known):
        export(study[1], study[0], "stl", tmp_path / "out")


@contextmanager
def installed(folder: Path, entry_point: str, module: str) -> Iterator[None]:
    """A package "thirdparty" on the path with one entry point and one module."""
    info = folder / "thirdparty-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[medcontour.exporters]\n{entry_point}\n")
    (folder / "thirdparty_export.py").write_text(textwrap.dedent(module))
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("thirdparty_export", None)


def test_another_package_adds_a_format(study: Study, tmp_path: Path) -> None:
    module = """
        from medcontour.suggestion import Exporter
        def write(suggestion, scan, path):
            path.write_text(f"{len(suggestion.findings)} findings")
        exporter = Exporter("count", "count.txt", write, lambda scan: None)
    """
    with installed(tmp_path, "count = thirdparty_export:exporter", module):
        export(study[1], study[0], "count", tmp_path / "count.txt")
        assert "count" in format_names()
        saved = replace(study[1], source=study[0]).save(tmp_path / "out", ["count"])
        assert saved.files == ["suggestion.json", "count.txt"]
    assert (tmp_path / "count.txt").read_text() == "3 findings"
    assert "count" not in format_names()


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import a_module_that_is_missing", "cannot be loaded.*a_module_that_is_missing"),
        ("exporter = 'no exporter'", "is no medcontour.suggestion.Exporter"),
    ],
)
def test_a_broken_package_is_named(study: Study, tmp_path: Path, module: str, reason: str) -> None:
    with installed(tmp_path, "broken = thirdparty_export:exporter", module):
        with pytest.raises(MedcontourError, match=f'"broken" of the package thirdparty {reason}'):
            exporters()
        # It stands in no other format's way.
        export(study[1], study[0], "rtstruct", tmp_path / "rtstruct.dcm")


# Refusals


def test_uneven_slices_have_no_label_map(tmp_path: Path) -> None:
    scan = read_scan(write_series(UNEVEN, tmp_path / "series"))
    for name in ("labelmap", "nrrd"):
        assert refusal(scan, name) == (
            f"The slices are not evenly spaced, so the scan cannot be written as {name}; "
            "formats that work: coco, markups, rtstruct, seg, seg-fractional, seg-labelmap."
        )
        with pytest.raises(MedcontourError, match="not evenly spaced"):
            export(case_suggestion(scan, UNEVEN), scan, name, tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()


def test_a_tilted_gantry_has_no_slicer_segmentation(tmp_path: Path) -> None:
    scan = read_scan(write_series(TILTED, tmp_path))
    sentence = refusal(scan, "nrrd")
    assert sentence is not None
    assert "tilted gantry" in sentence
    assert "coco, labelmap, markups, rtstruct, seg, seg-fractional" in sentence


@pytest.mark.parametrize("name", DICOM)
def test_dicom_formats_refuse_other_sources(name: str, tmp_path: Path) -> None:
    volume = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nib.save(nib.Nifti1Image(volume, np.diag([1.0, 1.0, 2.0, 1.0])), tmp_path / "volume.nii")
    sentence = refusal(read_scan(tmp_path / "volume.nii"), name)
    assert sentence is not None
    assert "this scan is not DICOM" in sentence
    assert sentence.endswith(
        f"written as {name}; formats that work: coco, labelmap, markups, nrrd."
    )


@pytest.mark.parametrize("name", DICOM)
def test_ct_without_a_frame_of_reference_is_refused(name: str, tmp_path: Path) -> None:
    scan = read_scan(write_series(AXIAL, tmp_path, FrameOfReferenceUID=None))
    sentence = refusal(scan, name)
    assert sentence is not None
    assert "no FrameOfReferenceUID" in sentence
    assert "labelmap, markups, nrrd" in sentence


def test_a_suggestion_for_another_scan_is_refused(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    moved = replace(scan, slice_origins_lps=scan.slice_origins_lps + np.array([0, 0, 0.5]))
    other = replace(scan, series_instance_uid="1.2.3")
    fewer = replace(scan, voxels=scan.voxels[:4])
    renamed = replace(scan, sop_instance_uids=tuple(reversed(scan.sop_instance_uids)))
    for wrong in (moved, other, fewer, renamed):
        with pytest.raises(MedcontourError, match="another scan"):
            export(suggestion, wrong, "rtstruct", tmp_path / "rtstruct.dcm")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_found(name: str, study: Study, tmp_path: Path) -> None:
    """Only a label map has a meaning without contours: all voxels are background."""
    scan = study[0]
    path = tmp_path / "out.nii.gz"
    if name == "labelmap":
        export(suggest(scan, []), scan, name, path)
        assert not nib.load(path).get_fdata().any()
        assert (tmp_path / "out.txt").read_text().count("\n") == 1
        return
    with pytest.raises(NothingToWrite, match=f"no contour .*to write as {name[:3]}"):
        export(suggest(scan, []), scan, name, path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", DICOM)
def test_a_curve_without_area_is_left_out(name: str, study: Study, tmp_path: Path) -> None:
    scan = study[0]
    line = polygon_on(scan, 2, (20.0, 20.0), 3.0)
    line = replace(line, polygon_lps_mm=line.polygon_lps_mm[[0, 32, 0]] + (0.31, 0.17, 0))
    with pytest.raises(NothingToWrite):
        export(suggest(scan, [line]), scan, name, tmp_path / "out.dcm")


# Whole or not at all


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file may grow beyond `bytes_left`: writing then fails half way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_leaves_what_was_there(name: str, study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    whole, path = (tmp_path / part / exporters()[name].filename for part in ("whole", "full"))
    whole.parent.mkdir()
    path.parent.mkdir()
    export(suggestion, scan, name, whole)
    half = max(map(len, files_in(whole).values())) // 2
    with full_disk(half), pytest.raises(MedcontourError, match="could not be written"):
        export(suggestion, scan, name, path)
    assert not list(path.parent.iterdir())

    export(suggestion, scan, name, path)
    before = {item: files_in(item) for item in path.parent.iterdir()}
    with full_disk(half), pytest.raises(MedcontourError, match="could not be written"):
        export(suggestion, scan, name, path)
    assert {item: files_in(item) for item in path.parent.iterdir()} == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_folder_is_named(name: str, study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    path = tmp_path / "absent" / exporters()[name].filename
    with pytest.raises(MedcontourError, match=f"{re.escape(str(path.parent))}.*cannot be written"):
        export(suggestion, scan, name, path)


def test_a_new_export_replaces_the_curves_of_the_last(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    export(suggestion, scan, "markups", tmp_path / "markups")
    export(suggest(scan, [polygon_on(scan, 4, (20, 20), 5)]), scan, "markups", tmp_path / "markups")
    assert list(files_in(tmp_path / "markups")) == ["nodule_slice_4.mrk.json"]
    assert list(tmp_path.iterdir()) == [tmp_path / "markups"]


def test_a_folder_with_other_files_is_left_alone(study: Study, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(MedcontourError, match="choose a new or an empty folder"):
        export(study[1], study[0], "markups", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.doc"]


@pytest.mark.parametrize("name", ["labelmap", "nrrd", "markups", "coco"])
def test_the_same_suggestion_gives_the_same_bytes(name: str, study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        export(suggestion, scan, name, folder / exporters()[name].filename)
        written.append(
            {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        )
    assert written[0] == written[1]
    # No time stamp that would differ on another day (gzip holds one in bytes 4 to 8).
    for filename, content in written[0].items():
        if filename.endswith(".gz"):
            assert content[4:8] == bytes(4)
        assert not re.search(rb"20\d\d-\d\d-\d\d", content)


@pytest.mark.parametrize("name", ["labelmap", "nrrd", "markups", "coco"])
def test_no_patient_data(name: str, study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    export(suggestion, scan, name, tmp_path / exporters()[name].filename)
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        content = path.read_bytes()
        content += gzip.decompress(content) if path.suffix == ".gz" else b""
        for secret in (PATIENT_ID, BIRTH_DATE, *PATIENT.split("^")):
            for encoding in ("utf-8", "latin-1"):
                assert secret.encode(encoding) not in content


# Label maps of other sources


@pytest.mark.parametrize("permutation", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_label_map_has_the_affine_to_the_bit(
    permutation: tuple[int, ...], signs: tuple[int, ...], ending: str, tmp_path: Path
) -> None:
    turn = np.array(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = turn[:, permutation] * signs * np.array([0.83, 1.17, 3.1])[list(permutation)]
    affine[:3, 3] = (-31.7, 12.9, 44.1)
    shape = tuple(np.array([40, 36, 7])[list(permutation)])
    rng = np.random.default_rng(1)
    source = tmp_path / f"source{ending}"
    nib.save(nib.Nifti1Image(rng.integers(0, 99, shape, dtype=np.int16), affine), source)
    scan = read_scan(source)
    assert scan.voxels.shape[0] == 7
    circle = polygon_on(scan, 4, (17.3, 20.6), 8.2)
    target = tmp_path / f"labelmap{ending}"
    export(suggest(scan, [circle]), scan, "labelmap", target)

    image, label_map = nib.load(source), nib.load(target)
    assert label_map.affine.tobytes() == image.affine.tobytes()
    assert label_map.shape == image.shape
    assert label_map.get_data_dtype() == np.uint8
    by_itk, source_by_itk = sitk.ReadImage(str(target)), sitk.ReadImage(str(source))
    assert by_itk.GetSize() == source_by_itk.GetSize()
    np.testing.assert_allclose(by_itk.GetDirection(), source_by_itk.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(by_itk.GetOrigin(), source_by_itk.GetOrigin(), atol=1e-5)

    # Each labelled voxel lies in the circle's plane and within it, by nibabel's affine.
    centre_ras = (scan.to_lps([[17.3, 20.6]], 4) * (-1, -1, 1))[0]
    offsets = nib.affines.apply_affine(label_map.affine, np.argwhere(label_map.get_fdata() == 1))
    offsets = offsets - centre_ras
    spacing = np.array([0.83, 1.17, 3.1])
    in_pixels = offsets @ turn / spacing
    assert len(offsets) == pytest.approx(np.pi * 8.2**2, rel=0.03)
    assert np.abs(in_pixels[:, 2]).max() < 0.01
    assert np.linalg.norm(in_pixels[:, :2], axis=1).max() < 8.2


def test_seg_nrrd_of_a_nifti_source_lies_on_its_label_map(tmp_path: Path) -> None:
    affine = np.array([[0, 0, -3, 40], [-0.9, 0, 0, 20], [0, 1.2, 0, -7], [0, 0, 0, 1.0]])
    volume = np.random.default_rng(2).normal(size=(30, 34, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "volume.nii.gz")
    scan = read_scan(tmp_path / "volume.nii.gz")
    suggestion = suggest(scan, [polygon_on(scan, 2, (13.2, 14.1), 6.0)])
    export(suggestion, scan, "nrrd", tmp_path / "s.seg.nrrd")
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    ours, label_map = (
        sitk.ReadImage(str(tmp_path / name)) for name in ("s.seg.nrrd", "labelmap.nii.gz")
    )
    assert np.array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(label_map))
    for last in ((0, 0, 0), tuple(length - 1 for length in ours.GetSize())):
        np.testing.assert_allclose(
            ours.TransformIndexToPhysicalPoint(last),
            label_map.TransformIndexToPhysicalPoint(last),
            atol=1e-4,
        )


@pytest.mark.parametrize("name", ["labelmap", "nrrd"])
def test_plain_image_lies_where_itk_puts_the_image(name: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (40, 50), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    scan = read_scan(tmp_path / "photo.png")
    path = tmp_path / exporters()[name].filename
    export(suggest(scan, [polygon_on(scan, 0, (31.2, 12.4), 7.5)]), scan, name, path)
    written = sitk.ReadImage(str(path))
    photo = sitk.JoinSeries(sitk.ReadImage(str(tmp_path / "photo.png")))
    assert written.GetSize() == photo.GetSize()
    assert written.GetOrigin() == photo.GetOrigin()
    assert written.GetSpacing() == photo.GetSpacing()
    assert written.GetDirection() == photo.GetDirection()
    rows, columns = np.mgrid[:40, :50]
    disk = np.hypot(columns - 31.2, rows - 12.4) < 7.5
    assert dice(sitk.GetArrayFromImage(written)[0] == 1, disk) > 0.99


def test_a_label_map_needs_a_nifti_name(study: Study, tmp_path: Path) -> None:
    with pytest.raises(MedcontourError, match=r"end it in .nii.gz"):
        export(study[1], study[0], "labelmap", tmp_path / "labelmap.mha")


# Names and colours


def test_itksnap_reads_the_label_names(study: Study, tmp_path: Path) -> None:
    scan = study[0]
    contours = [polygon_on(scan, 1, (15, 15), 5), polygon_on(scan, 1, (40, 20), 5)]
    suggestion = suggest(scan, contours, labels=["nodule", 'so-called "scar"'])
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    row = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([01])\s+([01])\s+"([^"]*)"')
    lines = (tmp_path / "labelmap.txt").read_text("utf-8").splitlines()
    rows = [row.fullmatch(line).groups() for line in lines]  # type: ignore[union-attr]
    assert rows[0] == ("0", "0", "0", "0", "0", "0", "0", "Clear Label")
    assert [(r[0], r[7]) for r in rows[1:]] == [("1", "nodule"), ("2", "so-called 'scar'")]
    assert all(r[4:7] == ("1", "1", "1") for r in rows[1:])
    assert rows[1][1:4] != rows[2][1:4]
    assert set(np.unique(nib.load(tmp_path / "labelmap.nii.gz").get_fdata())) == {0, 1, 2}


def test_seg_nrrd_fields(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    export(suggestion, scan, "nrrd", tmp_path / "s.seg.nrrd")
    header = nrrd.read_header(str(tmp_path / "s.seg.nrrd"))
    assert header["space"] == "left-posterior-superior"
    assert header["kinds"] == ["domain"] * 3
    assert header["type"] == "uint8"
    columns, rows, slices = AXIAL.columns, AXIAL.rows, len(AXIAL.heights)
    expected = {
        "Segment0_ID": "Segment_1",
        "Segment0_Name": "nodule",
        "Segment0_NameAutoGenerated": "0",
        "Segment0_ColorAutoGenerated": "0",
        "Segment0_Extent": f"0 {columns - 1} 0 {rows - 1} 0 {slices - 1}",
        "Segment0_LabelValue": "1",
        "Segment0_Layer": "0",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    assert {key: header[key] for key in expected} == expected
    colour = [float(part) for part in header["Segment0_Color"].split()]
    assert len(colour) == 3
    assert 0 <= min(colour) < max(colour) <= 1
    [segment] = slicerio.read_segmentation(str(tmp_path / "s.seg.nrrd"))["segments"]
    assert segment["terminology"]["type"] == ["DCM", "111099", "Selected region"]


def test_overlapping_labels_go_to_layers_of_the_seg_nrrd(study: Study, tmp_path: Path) -> None:
    scan = study[0]
    radii = {"läsion": 9.0, "kern": 4.0, "apart": 3.0}
    contours = [
        polygon_on(scan, 2, (20.2, 20.3), radii["läsion"]),
        polygon_on(scan, 2, (22.1, 19.4), radii["kern"]),
        polygon_on(scan, 3, (44.6, 30.1), radii["apart"]),
    ]
    suggestion = suggest(scan, contours, labels=list(radii))
    path = tmp_path / "s.seg.nrrd"
    export(suggestion, scan, "nrrd", path)
    assert "Segment0_Name:=läsion\n".encode() in path.read_bytes()
    read = slicerio.read_segmentation(str(path))
    assert read["voxels"].shape == (2, AXIAL.columns, AXIAL.rows, len(AXIAL.heights))
    for segment, radius in zip(read["segments"], radii.values(), strict=True):
        voxels = read["voxels"][segment["layer"]] == segment["labelValue"]
        assert voxels.sum() == pytest.approx(np.pi * radius**2, rel=0.05)
    np.testing.assert_allclose(
        (read["ijkToLPS"] @ (0, 0, 3, 1))[:3], AXIAL.slice_origin(3), atol=1e-9
    )
    # In one volume the later label is seen.
    export(suggestion, scan, "labelmap", tmp_path / "labelmap.nii.gz")
    counts = np.bincount(nib.load(tmp_path / "labelmap.nii.gz").get_fdata().astype(int).ravel())
    assert counts[2] == pytest.approx(np.pi * 4.0**2, rel=0.05)
    assert counts[1] == pytest.approx(np.pi * (9.0**2 - 4.0**2), rel=0.05)


def test_markup_files_are_what_slicer_expects(study: Study, tmp_path: Path) -> None:
    scan, suggestion = study
    export(suggestion, scan, "markups", tmp_path / "markups")
    documents = {p.name: json.loads(p.read_text("utf-8")) for p in (tmp_path / "markups").iterdir()}
    assert "nodule_slice_1.mrk.json" in documents
    assert "nodule_evidence_slice_1.mrk.json" in documents
    for document in documents.values():
        assert document["@schema"].endswith("/markups-schema-v1.0.3.json#")
        [markup] = document["markups"]
        assert markup["type"] == "ClosedCurve"
        assert (markup["coordinateSystem"], markup["coordinateUnits"]) == ("LPS", "mm")
        assert markup["locked"] is False
        assert markup["fixedNumberOfControlPoints"] is False
        assert markup["labelFormat"] == "%N-%d"
        points = markup["controlPoints"]
        assert 16 <= len(points) <= 32
        assert [p["id"] for p in points] == [str(n) for n in range(1, len(points) + 1)]
        for point in points:
            assert set(point) == {
                "id", "label", "description", "associatedNodeID", "position", "orientation",
                "selected", "locked", "visibility", "positionStatus",
            }  # fmt: skip
            assert (len(point["position"]), len(point["orientation"])) == (3, 9)
            assert (point["selected"], point["locked"], point["visibility"]) == (True, False, True)
            assert point["positionStatus"] == "defined"
        assert markup["display"]["pointLabelsVisibility"] is False
    colour = {
        kind: {
            tuple(d["markups"][0]["display"]["selectedColor"])
            for d in documents.values()
            if ("evidence" in d["markups"][0]["name"]) == (kind == "evidence")
        }
        for kind in ("evidence", "outline")
    }
    assert len(colour["evidence"]) == len(colour["outline"]) == 1
    assert colour["evidence"] != colour["outline"]
    names = [d["markups"][0]["name"] for d in documents.values()]
    assert len(set(names)) == len(names) == 8


def test_slicers_spline_through_the_points_keeps_the_shape() -> None:
    """A closed cubic spline through the control points (24, to be dragged) is the curve."""

    def corners(n: int) -> list[np.ndarray]:
        t = np.arange(n) * 2 * np.pi / n
        r = 10 + 2 * np.cos(3 * t) + np.sin(2 * t)
        lobed = np.stack([r * np.cos(t), r * np.sin(t), 0 * t], axis=1)
        return [Ellipse(0, (20, 20), (12, 4)).outline(AXIAL, n), lobed]

    for polygon, dense in zip(corners(256), corners(8192), strict=True):
        points = control_points(polygon)
        assert len(points) == 24
        spline = scipy.interpolate.CubicSpline(
            np.arange(25), np.vstack([points, points[:1]]), bc_type="periodic"
        )
        drawn = spline(np.linspace(0, 24, 512, endpoint=False))
        apart = np.linalg.norm(drawn[:, None] - dense[None], axis=2).min(axis=1)
        assert apart.max() < 0.1  # mm, of curves 24 mm long


def test_labels_that_make_no_file_name_still_have_a_file_each(study: Study, tmp_path: Path) -> None:
    scan = study[0]
    contours = [polygon_on(scan, 1, (x, 20), 4) for x in (10, 25, 40)]
    suggestion = suggest(scan, contours, labels=["mass/cyst", "mass cyst", "Mass:cyst"])
    export(suggestion, scan, "markups", tmp_path / "markups")
    written = [json.loads(c)["markups"][0]["name"] for c in files_in(tmp_path / "markups").values()]
    assert sorted(written) == [
        "Mass:cyst slice 1", "mass cyst slice 1", "mass/cyst slice 1"
    ]  # fmt: skip
    names = {name.casefold() for name in files_in(tmp_path / "markups")}
    assert len(names) == 3


def test_placed_ellipse_fits_its_area() -> None:
    """The judge judged: the ellipse's polygon has its closed-form area."""
    contour = placed("outline", ELLIPSES[0], AXIAL)
    x, y, _ = contour.polygon_lps_mm.T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert area == pytest.approx(contour.area_mm2, rel=1e-3)
