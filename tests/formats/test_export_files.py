"""Formats by name, what is refused, and what happens when files cannot be written."""

from __future__ import annotations

import gzip
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from export_cases import (
    AXIAL,
    BIRTH_DATE,
    PATIENT,
    PATIENT_ID,
    TILTED,
    UNEVEN,
    Study,
    case_suggestion,
    circle,
    files_in,
    suggest,
    write_series,
)
from third_party import installed

from medcontour.errors import MedcontourError
from medcontour.plugins import EXPORTERS
from medcontour.results import (
    NothingToWrite,
    export,
    exporters,
    format_names,
    refusal,
)
from medcontour.scan import read_scan

SEGMENTATIONS = ["seg", "seg-fractional", "seg-labelmap"]


FORMATS = ["coco", "labelmap", "markups", "nrrd", "rtstruct", *SEGMENTATIONS]


DICOM = ["rtstruct", *SEGMENTATIONS, "sr", "parametric-map"]


# Finding formats


def test_the_formats_of_the_contract_are_installed() -> None:
    assert {name: found.filename for name, found in exporters().items()} == {
        "coco": "coco.json",
        "labelmap": "labelmap.nii.gz",
        "markups": "markups",
        "nrrd": "segmentation.seg.nrrd",
        "overlay": "overlay",
        "parametric-map": "parametric_map.dcm",
        "png": "labels.png",
        "report": "report.html",
        "rtstruct": "rtstruct.dcm",
        "seg": "seg.dcm",
        "seg-fractional": "seg_fractional.dcm",
        "seg-labelmap": "seg_labelmap.dcm",
        "sr": "sr.dcm",
        "surfaces": "surfaces",
    }


def test_an_unknown_format_names_the_known_ones(study: Study, tmp_path: Path) -> None:
    known = "coco, labelmap, markups, nrrd, overlay, parametric-map, png, report, rtstruct, seg"
    with pytest.raises(MedcontourError, match=known):
        export(study[1], study[0], "stl", tmp_path / "out")


def test_another_package_adds_a_format(study: Study, tmp_path: Path) -> None:
    module = """
        from medcontour.results import Exporter
        def write(suggestion, scan, path):
            path.write_text(f"{len(suggestion.findings)} findings")
        added = Exporter("count", "count.txt", write, lambda scan: None)
    """
    with installed(tmp_path, EXPORTERS, "count", module):
        export(study[1], study[0], "count", tmp_path / "count.txt")
        assert "count" in format_names()
        saved = replace(study[1], source=study[0]).save(tmp_path / "out", ["count"])
        assert saved.files == ["suggestion.json", "count.txt"]
    assert (tmp_path / "count.txt").read_text() == "1 findings"
    assert "count" not in format_names()


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import a_module_that_is_missing", "cannot be loaded.*a_module_that_is_missing"),
        ("added = 'no exporter'", "is no medcontour.results.exporter.Exporter"),
    ],
)
def test_a_broken_package_is_named(study: Study, tmp_path: Path, module: str, reason: str) -> None:
    with installed(tmp_path, EXPORTERS, "broken", module):
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
            "formats that work: coco, markups, parametric-map, rtstruct, seg, seg-fractional, "
            "seg-labelmap, sr."
        )
        with pytest.raises(MedcontourError, match="not evenly spaced"):
            export(case_suggestion(scan, UNEVEN), scan, name, tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()


def test_a_tilted_gantry_has_no_slicer_segmentation(tmp_path: Path) -> None:
    scan = read_scan(write_series(TILTED, tmp_path))
    sentence = refusal(scan, "nrrd")
    assert sentence is not None
    assert "tilted gantry" in sentence
    assert "coco, labelmap, markups, parametric-map, rtstruct, seg, seg-fractional" in sentence


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


@pytest.mark.parametrize("name", [name for name in DICOM if name != "sr"])
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
    line = circle(scan, 2, (20.0, 20.0), 3.0)
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
    export(suggest(scan, [circle(scan, 4, (20, 20), 5)]), scan, "markups", tmp_path / "markups")
    assert list(files_in(tmp_path / "markups")) == ["nodule_1_slice_5.mrk.json"]
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
