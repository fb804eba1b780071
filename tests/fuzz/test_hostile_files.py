"""A bounded run over every kind, that the harness sees each fault, and each fault found by it."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bombs
import hostile_files
from hostile_files import build_world, table, try_many, try_one
from kinds import EDIT, KINDS, LOAD, SCAN, Given, World
from originals import SECRETS

import medcontour as mc
from medcontour.errors import MedcontourError
from medcontour.formats.reader import read_edited
from medcontour.results import Suggestion
from medcontour.scan.claims import open_measured

INPUTS, SEED = 8 * len(KINDS), 12


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return build_world(tmp_path_factory.mktemp("hostile") / "whole")


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_in_a_sentence(world: World, tmp_path: Path) -> None:
    kinds = list(KINDS)
    counts, failures = try_many(world, kinds, INPUTS, SEED, tmp_path / "work")
    assert not failures, failures
    printed = table(counts)
    for kind in kinds:
        # Of a suggestion hardly a place may change, since its schema names nearly all.
        assert counts[kind]["read"] > 0 or kind in ("bomb", "suggestion"), printed
        assert counts[kind]["refused"] > 0, printed
    last = printed.splitlines()[-1].split()
    assert last[:5] == ["all", str(INPUTS), *map(str, (INPUTS - int(last[3]), last[3], 0))]


def _raise(given: Given) -> None:
    raise KeyError("planted")


def _hang(given: Given) -> None:
    while True:
        pass


def _wait(given: Given) -> None:
    time.sleep(100)


def _half_written(given: Given) -> None:
    given.out.mkdir()
    (given.out / ".partial-x").write_text("half")
    raise MedcontourError("It was refused.")


def _left_behind(given: Given) -> None:
    given.out.mkdir()
    (given.out / "suggestion.json").write_text("{}")
    raise MedcontourError("It was refused.")


def _greedy(given: Given) -> None:
    try:
        bytearray(2**31)
    except MemoryError as error:
        raise MedcontourError("It is damaged.") from error


def _indiscreet(given: Given) -> None:
    raise MedcontourError(f"The scan of {SECRETS[0]} is damaged.")


def _curt(given: Given) -> None:
    raise MedcontourError("bad")


def _refused(given: Given) -> None:
    raise MedcontourError("It is damaged; save it again.")


@pytest.mark.parametrize(
    ("action", "end", "said"),
    [
        (_raise, "failed", "traceback"),
        (_hang, "failed", "hang"),
        (_wait, "failed", "hang"),
        (_half_written, "failed", "half written"),
        (_left_behind, "failed", "half written"),
        (_greedy, "failed", "memory"),
        (_indiscreet, "failed", "patient data"),
        (_curt, "failed", "no plain sentence"),
        (_refused, "refused", "It is damaged"),
        (lambda given: None, "read", ""),
    ],
)
def test_harness_sees(world: World, tmp_path: Path, action, end: str, said: str) -> None:
    given = Given(tmp_path / "file", tmp_path / "out", world)
    outcome = try_one(given, action, seconds=1 if "hang" in said else 20, patience=2)
    assert (outcome.end, outcome.said[: len(said)]) == (end, said)


def test_an_input_is_the_same_for_one_seed(world: World, tmp_path: Path) -> None:
    written = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        hostile_files.write_damaged(world, "nrrd", 3, 7, tmp_path / place)
        written.append((tmp_path / place / "segmentation.seg.nrrd").read_bytes())
    assert written[0] == written[1]


def _nrrd(world: World, path: Path, line: bytes, body: bytes | None = None) -> Path:
    header, _, whole = (
        (world.root / "out" / "segmentation.seg.nrrd").read_bytes().partition(b"\n\n")
    )
    path.write_bytes(header + b"\n" + line + b"\n\n" + (body or whole))
    return path


@pytest.mark.parametrize("line", [b"data file: /dev/zero", b"line skip: 1000000000"])
def test_nrrd_that_leads_elsewhere_is_refused(world: World, tmp_path: Path, line: bytes) -> None:
    path = _nrrd(world, tmp_path / "edit.seg.nrrd", line)
    with pytest.raises(MedcontourError, match=re.escape(str(path))):
        read_edited(path, world.scan)


def test_nrrd_that_unpacks_to_more_than_it_says_is_refused(world: World, tmp_path: Path) -> None:
    path = _nrrd(world, tmp_path / "edit.seg.nrrd", b"# bomb", gzip.compress(bytes(2**26)))
    with pytest.raises(MedcontourError, match="another number of voxels"):
        read_edited(path, world.scan)


@pytest.mark.parametrize("name", ["volume.nii", "volume.nii.gz"])
def test_nifti_that_claims_more_than_it_holds_is_refused(world: World, tmp_path, name) -> None:
    data = (world.root / name).read_bytes()
    data = bytearray(gzip.decompress(data) if name.endswith("gz") else data)
    data[42:48] = np.array([32767] * 3, "<i2").tobytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    for read in (mc.read_scan, lambda path: read_edited(path, world.scan)):
        with pytest.raises(MedcontourError, match="more values than its bytes can hold"):
            read(path)


def test_dicom_that_claims_more_than_it_holds_is_refused(world: World, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(world.root / "series" / "001.dcm")
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(tmp_path / "slice.dcm")
    with pytest.raises(MedcontourError, match="more values than its bytes can hold"):
        mc.read_scan(tmp_path / "slice.dcm")


def test_packed_rows_that_are_not_as_many_as_said(world: World, tmp_path: Path) -> None:
    """More of them are left out, as pydicom does; pylibjpeg's decoder panics. Fewer are refused."""
    whole = mc.read_scan(world.root / "compressed0.dcm").voxels
    dataset = pydicom.dcmread(world.root / "compressed0.dcm")
    dataset.Rows -= 1
    dataset.save_as(tmp_path / "slice.dcm")
    np.testing.assert_array_equal(mc.read_scan(tmp_path / "slice.dcm").voxels, whole[:, :-1])
    dataset.Rows += 2
    dataset.save_as(tmp_path / "slice.dcm")
    with pytest.raises(MedcontourError, match="cannot be decoded"):
        mc.read_scan(tmp_path / "slice.dcm")


def test_a_read_of_any_length_takes_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"abc")
    with open_measured(tmp_path / "small") as file:
        assert file.read(1) == b"a"
        assert file.read(2**62) == b"bc"
        assert file.read(2**62) == b""


def _change(document, keys, value) -> None:
    for key in keys[:-1]:
        document = document[key]
    document[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["scan", "shape"], [5, -1, 60]),
        (["scan", "modality"], None),
        (["findings", 0, "slices", 0, "slice"], 99),
        (["findings", 0, "score"], float("nan")),
        (["findings", 0, "score"], 10**400),
        (["findings", 0, "label"], {}),
        (["findings", 0, "status"], "fine"),
        (["findings", 0, "slices", 0, "outlines", 0, "polygon_lps_mm", 0, 1], 1e300),
        (["findings", 0, "slices", 0, "outlines", 0, "slice"], -1),
        (["settings", "scan"], []),
        (["notes"], [None]),
    ],
)
def test_garbled_suggestion_is_refused(world: World, tmp_path: Path, keys, value) -> None:
    document = json.loads((world.root / "out" / "suggestion.json").read_text())
    _change(document, keys, value)
    (tmp_path / "suggestion.json").write_text(json.dumps(document))
    with pytest.raises(MedcontourError, match="run `medcontour suggest` again"):
        Suggestion.read_json(tmp_path)


def test_deeply_nested_json_is_refused(world: World, tmp_path: Path) -> None:
    path = tmp_path / "suggestion.json"
    path.write_text('{"schema": ' + "[" * 100_000 + "]" * 100_000 + "}")
    for read in (Suggestion.read_json, lambda path: read_edited(path, world.scan)):
        with pytest.raises(MedcontourError, match=re.escape(str(path))):
            read(path)


LIARS = ("nifti-more", "run-length", "safetensors")
"""What is damaged as well."""


@pytest.mark.parametrize("bomb", bombs.BOMBS)
def test_group_13_bombs_giants_and_pipes_are_refused_in_no_time(world, tmp_path, bomb: str) -> None:
    """Of 1 GiB unpacked, with 64 MiB allowed: refused before it is unpacked, with the reason."""
    path = bombs.BOMBS[bomb](world.root, tmp_path, 64)
    actions = (SCAN, EDIT, LOAD)
    for number, action in enumerate(actions):
        (tmp_path / str(number)).mkdir()
        given = Given(path, tmp_path / str(number) / "out", world)
        outcome = try_one(given, action, memory=2**27)
        assert outcome.end == "refused", outcome
        assert "damaged" not in outcome.said or bomb in LIARS, outcome
        large = ("sparse", "coco-masks") if action is EDIT else ()
        large += ("dicom", "nifti", "png") if action is not LOAD else ("weights",)
        if bomb in large:
            assert "MEDCONTOUR_MEMORY" in outcome.said


@pytest.mark.parametrize("value", [1e300, float("nan"), float("inf")])
def test_points_far_outside_are_refused(world: World, tmp_path: Path, value: float) -> None:
    document = json.loads((world.root / "out" / "coco.json").read_text())
    document["annotations"][0]["segmentation"][0][3] = value
    (tmp_path / "coco.json").write_text(json.dumps(document))
    with pytest.raises(MedcontourError, match="far outside the scan"):
        read_edited(tmp_path / "coco.json", world.scan)


def test_specks_are_fitted_quickly_and_kept(world: World, tmp_path: Path) -> None:
    """Painted noise: every speck is an outline of its own, kept exactly."""
    labels = nib.load(world.root / "out" / "labelmap.nii.gz")
    values = np.asarray(labels.dataobj).copy()
    values[2:20:3, 40, 4] = 77
    nib.save(nib.Nifti1Image(values, labels.affine), tmp_path / "edit.nii")
    edit = tmp_path / "edit.nii"
    refined = mc.refine(world.suggestion, edit, world.scan, include_other=True)
    (finding,) = (f for f in refined.suggestion if f.label == "label 77")
    assert len(finding.outlines) == 6
    assert all(c.quality["fit_dice"] > 0.9 for c in finding.outlines)
    areas = [c.area_mm2 for c in finding.outlines]
    np.testing.assert_allclose(areas, 0.5 * 0.8 * 1.3)  # halfway to the four neighbours


@pytest.mark.parametrize("value", [1.5, True, "x", ["a"]])
def test_classes_that_are_not_named_are_refused(world: World, tmp_path: Path, value) -> None:
    shutil.copytree(world.root / "bundle", tmp_path / "bundle")
    path = tmp_path / "bundle" / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = value
    path.write_text(json.dumps(metadata))
    with pytest.raises(MedcontourError, match="does not number its classes from 0"):
        mc.load_classifier(tmp_path / "bundle")


def test_what_a_file_says_does_not_break_a_sentence() -> None:
    said = str(MedcontourError(f"There is no label {'x' * 99_999}\n\x1b[2J\u202e; choose another."))
    assert said.isprintable()
    assert said.endswith("; choose another.")
    assert len(said) < 10_000
