"""The memory that may be taken, and what is no file."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
import torch
from edits import AXIAL, smooth_suggestion, write_series
from small_files import call, write_bundle

import medcontour as mc
from medcontour.classifier.bundle_files import read_files
from medcontour.classifier.weights import read_states
from medcontour.errors import MedcontourError
from medcontour.formats.coco.reader import MOST_MASKS, decode_rle
from medcontour.formats.reader import read_edited
from medcontour.formats.rtstruct.xor import combined
from medcontour.limits import check_file, check_memory, memory_limit, peak_memory_mb


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1000", 1000),
        ("4G", 2**32),
        ("4 GB", 2**32),
        ("4gib", 2**32),
        (" 0.5g ", 2**29),
        ("7k", 7 * 2**10),
        ("300MB", 300 * 2**20),
    ],
)
def test_the_limit_is_what_the_variable_says(monkeypatch, text: str, count: int) -> None:
    monkeypatch.setenv("MEDCONTOUR_MEMORY", text)
    assert memory_limit() == count


@pytest.mark.parametrize("text", ["much", "-3G", "0", "4X", "50%", "1e9"])
def test_what_is_no_size_is_refused(monkeypatch, text: str) -> None:
    monkeypatch.setenv("MEDCONTOUR_MEMORY", text)
    with pytest.raises(MedcontourError, match="set it to bytes or to a size"):
        memory_limit()


def test_by_default_it_is_a_quarter_of_the_machine_at_most(monkeypatch) -> None:
    monkeypatch.delenv("MEDCONTOUR_MEMORY", raising=False)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory_limit() <= machine / 4 + 2**20


def test_a_refusal_says_how_much_and_what_to_do(monkeypatch) -> None:
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "1G")
    check_memory(2**30, "x.png", "crop it")
    with pytest.raises(MedcontourError) as refused:
        check_memory(3.2 * 2**30, "x.png", "crop it")
    for part in ("x.png", "3.2 GB", "1 GB", "crop it", "MEDCONTOUR_MEMORY", "to 4G"):
        assert part in str(refused.value)


def test_group_13_pipes_sockets_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    there = socket.socket(socket.AF_UNIX)
    there.bind(str(tmp_path / "socket"))
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "socket", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(MedcontourError, match="no file"):
            check_file(path)
    there.close()
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "absent", Path("a\0b")):
        check_file(path)


@pytest.fixture(scope="module")
def suggestion(tmp_path_factory: pytest.TempPathFactory) -> mc.Suggestion:
    scan = mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("scan") / "series"))
    return smooth_suggestion(scan)


@pytest.mark.parametrize(
    "place", ["configs/metadata.json", "configs/inference.json", "models/model.pt"]
)
def test_group_13_a_pipe_in_a_bundle(place: str, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (bundle / place).unlink()
    os.mkfifo(bundle / place)
    for given in ({"spec": bundle}, {"spec": torch.nn.Identity(), "weights": bundle / place}):
        with pytest.raises(MedcontourError, match="is a pipe and no file"):
            mc.load_classifier(**given)


def test_group_13_a_classifier_or_an_edit_that_is_a_device(suggestion: mc.Suggestion) -> None:
    for read in (mc.load_classifier, lambda path: read_edited(path, suggestion.source)):
        with pytest.raises(MedcontourError, match="is a device and no file"):
            read(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["rtstruct", "coco", "markups"])
def test_group_13_nothing_is_written_over_a_pipe(
    name: str, suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(MedcontourError, match=r"is a pipe and no file|would be replaced"):
        mc.export(suggestion, suggestion.source, name, tmp_path / "out")
    assert (tmp_path / "out").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_group_13_weights_larger_than_memory_are_refused(tmp_path: Path, monkeypatch) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "1G")
    for name in ("model.pt", "model.safetensors", "model.ts"):
        os.truncate(shutil.copy(bundle / "models" / "model.pt", tmp_path / name), 2**40)
        with pytest.raises(MedcontourError, match=r"would take about 1\.02e\+03 GB of memory"):
            mc.load_classifier(torch.nn.Identity(), weights=tmp_path / name)


def test_group_13_states_that_hold_one_another_are_looked_at_once(tmp_path: Path) -> None:
    inside: dict[str, object] = {"weight": torch.zeros(2)}
    for _ in range(4):
        inside = {str(key): inside for key in range(1000)}
    torch.save(inside["0"], tmp_path / "model.pt")
    (state,) = read_states(tmp_path / "model.pt")
    assert list(state) == ["weight"]


def test_group_13_a_configuration_that_repeats_or_nests_without_end(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    config = bundle / "configs" / "inference.json"
    yaml = config.with_suffix(".yaml")
    lists = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    deep = f'{{"postprocessing": {"[" * 400}{"]" * 400}}}'
    config.unlink()
    for path, text in ((yaml, "\n".join(lists)), (config, deep)):
        path.write_text(text)
        with pytest.raises(MedcontourError, match="repeat or nest without end"):
            read_files(bundle)


def test_group_13_masks_that_memory_does_not_hold(
    suggestion: mc.Suggestion, tmp_path: Path, monkeypatch
) -> None:
    """Few bytes of a label map or COCO stand for a mask for each value."""
    scan = suggestion.source
    suggestion.save(tmp_path / "out", ["labelmap"])
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "50M")
    image = nibabel.load(tmp_path / "out" / "labelmap.nii.gz")
    many = np.arange(np.prod(image.shape), dtype=np.uint32).reshape(image.shape)
    nibabel.save(nibabel.Nifti1Image(many, image.affine), tmp_path / "many.nii.gz")
    pixels = scan.rows * scan.columns
    drawn = {"size": [scan.rows, scan.columns], "counts": [pixels]}
    item = {"image_id": 1, "category_id": 1, "segmentation": drawn}
    document = {"images": [{"id": 1, "slice": 0}], "categories": [{"id": 1, "name": "x"}]}
    document["annotations"] = [item] * (60 * 2**20 // (4 * pixels))
    (tmp_path / "many.json").write_text(json.dumps(document))
    for name in ("many.nii.gz", "many.json"):
        with pytest.raises(MedcontourError, match="more than the 50 MB allowed"):
            read_edited(tmp_path / name, scan)


def test_group_13_masks_beyond_what_anybody_draws_are_refused_at_once(
    tmp_path: Path, suggestion: mc.Suggestion
) -> None:
    """A file of two megabytes holds masks for hours."""
    scan = suggestion.source
    drawn = {"size": [scan.rows, scan.columns], "counts": [scan.rows * scan.columns]}
    item = {"image_id": 1, "category_id": 1, "segmentation": drawn}
    document = {"images": [{"id": 1, "slice": 0}], "categories": [{"id": 1, "name": "x"}]}
    document["annotations"] = [item] * (MOST_MASKS + 1)
    (tmp_path / "many.json").write_text(json.dumps(document))
    with pytest.raises(MedcontourError, match=f"holds {MOST_MASKS + 1} masks, and at most"):
        read_edited(tmp_path / "many.json", scan)


def test_group_13_a_run_length_without_end_is_no_number() -> None:
    """Read as one number, ten million digits would take hours."""
    with pytest.raises(ValueError, match="without end"):
        decode_rle("o" * 10_000_000 + "1", 10, 10)


def test_group_13_thousands_of_contours_that_meet_no_other_stay(suggestion: mc.Suggestion) -> None:
    """As they are; two squares, one in the other, are a ring."""
    scan = suggestion.source
    square = np.array([[0, 0], [0, 0.4], [0.4, 0.4], [0.4, 0]])
    apart = [square + np.array([column, row]) for column in range(50) for row in range(1, 51)]
    ring = [square * 100 + (100, 60), square * 50 + (110, 70)]
    polygons = [scan.to_lps(points, 0) for points in (*apart, *ring)]
    found = combined(polygons, scan, 0)
    assert len(found) == len(apart) + 1
    for points in polygons[: len(apart)]:
        assert any(points is kept for kept in found)


def test_group_13_a_description_beside_a_label_map_is_not_read_to_its_end(
    suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    suggestion.save(tmp_path, ["labelmap"])
    names = {
        shape.name for shape in read_edited(tmp_path / "labelmap.nii.gz", suggestion.source).shapes
    }
    os.truncate(tmp_path / "labelmap.txt", 2**40)
    again = read_edited(tmp_path / "labelmap.nii.gz", suggestion.source).shapes
    assert {shape.name for shape in again} == names


def test_group_13_the_command_line_refuses_a_pipe_everywhere(tmp_path: Path, capsys) -> None:
    os.mkfifo(tmp_path / "pipe")
    bundle = write_bundle(tmp_path / "bundle")
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    for command in (
        ["info", pipe],
        ["suggest", pipe, "--classifier", bundle, "--out", out],
        ["suggest", bundle, "--classifier", pipe, "--out", out],
        ["convert", pipe, "--to", "coco", "--out", out],
        ["refine", pipe, pipe, "--out", out],
    ):
        answer = call(command, capsys)
        assert answer.code == 1, command
        assert "is a pipe and no file" in answer.err, command
    assert not out.exists()


def test_the_peak_of_memory_is_told_with_and_without_a_resource_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = psutil.Process().memory_info().rss >> 20
    assert peak_memory_mb() >= 0.9 * held
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory_mb() >= 0.9 * held
