"""Group 15: names that every system takes, and folders that a killed run does not litter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from edits import AXIAL, smooth_suggestion, with_slices, write_series
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_files import call

import medcontour as mc
import medcontour.cli
from medcontour.cli.app import SEVERAL, app
from medcontour.errors import MedcontourError
from medcontour.files import file_stem, make_folder, one_line, replacing, replacing_folder
from medcontour.formats.reader import read_edited

HOSTILE = (
    "x" * 400,
    "x" * 399 + "y",
    "..",
    "../../etc/passwd",
    ".hidden",
    "CON",
    "nul.tar",
    "com1",
    "a\x00b\x1b[2J\r\nc",
    "a b [2J c",
    "Nodule",
    "nodule",
    "é",
    "e\u0301",
    "\u202egnp",
    "-rf",
    "lung / nodule: <new>?*|",
    "病" * 200,
    " ",
)


@given(st.text(max_size=500))
def test_group_15_any_text_gives_a_name_that_every_system_takes(text: str) -> None:
    stem = file_stem(text)
    assert 0 < len(stem.encode()) <= 81
    assert stem.isprintable()
    assert not set(stem) & set('/\\:*?"<>| ')
    assert stem[0] not in ".-"
    assert stem[-1] != "."
    assert stem.split(".")[0].casefold() not in ("con", "prn", "aux", "nul", "com1", "lpt9")
    assert one_line(one_line(text)) == one_line(text)


@pytest.fixture(scope="module")
def suggestion(tmp_path_factory: pytest.TempPathFactory) -> mc.Suggestion:
    scan = mc.read_scan(write_series(AXIAL, tmp_path_factory.mktemp("scan") / "series"))
    return smooth_suggestion(scan)


def test_group_15_hostile_labels_are_files_structures_and_come_back(
    suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    finding = suggestion.slices[0]
    named = with_slices(
        suggestion, suggestion.source, *(replace(finding, label=text) for text in HOSTILE)
    )
    formats = ["markups", "rtstruct", "seg", "nrrd", "labelmap", "coco"]
    saved = named.save(tmp_path / "out", formats)
    assert not saved.left_out
    files = [path.name for path in (tmp_path / "out" / "markups").iterdir()]
    contours = len(finding.outlines) + len(finding.evidence_contours)
    assert len({name.casefold() for name in files}) == contours * len(HOSTILE)
    assert all(name.isprintable() and len(name.encode()) < 130 for name in files)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    for name in ("rtstruct.dcm", "seg.dcm", "coco.json", "markups", "segmentation.seg.nrrd"):
        shapes = read_edited(tmp_path / "out" / name, suggestion.source).shapes
        structures = {(shape.name, shape.number) for shape in shapes}
        assert len(structures) >= len(HOSTILE), name
        assert all(shape.name.isprintable() for shape in shapes)


def test_group_15_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from medcontour.files import replacing, replacing_folder
folder = Path(sys.argv[1])
(folder / "markups").mkdir()
(folder / "markups" / "a.txt").write_text("mine")
with replacing(folder / "a.json") as one, replacing_folder(folder / "markups") as two:
    one.write_text("half")
    (two / "b.txt").write_text("half")
    held = two.with_name(f"{two.name[:-15]}00000000markups")
    held.mkdir()
    (folder / "markups").rename(held / "old")
    print("now", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with replacing(tmp_path / "beside.json") as file:  # of a run that goes on: left alone
            file.write_text("whole")
        assert len(list(tmp_path.glob(".partial-*"))) == 3
        process.send_signal(signal.SIGKILL)
    with replacing(tmp_path / "other.json") as file:
        file.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "beside.json",
        "markups",
        "other.json",
    ]
    assert (tmp_path / "markups" / "a.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "age", "kept"),
    [
        (".partial-0a1b2c3d-1-abcdefghout.json", 0, True),  # of another machine, perhaps at work
        (".partial-0a1b2c3d-1-abcdefghout.json", 7200, False),
        (".partial-abcdefghout.json", 7200, False),
        (".partial-notes.txt", 7200, True),  # nothing of ours
        ("partial-abcdefghout.json", 7200, True),
    ],
)
def test_group_15_only_our_own_and_only_the_stale_is_removed(
    name: str, age: float, kept: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("x")
    os.utime(tmp_path / name, (time.time() - age,) * 2)
    make_folder(tmp_path)
    assert (tmp_path / name).exists() == kept


def test_group_15_nothing_is_written_without_a_name(
    suggestion: mc.Suggestion, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for write in (
        lambda: suggestion.save(""),
        lambda: suggestion.write_json(""),
        lambda: mc.export(suggestion, suggestion.source, "rtstruct", ""),
        lambda: mc.export(suggestion, suggestion.source, "markups", ""),
        lambda: make_folder(""),
    ):
        with pytest.raises(MedcontourError, match="no name; say where to write"):
            write()
    with pytest.raises(MedcontourError, match="The path of the scan is empty"):
        mc.read_scan("")
    assert not list(tmp_path.iterdir())
    with replacing_folder(tmp_path / "x") as folder:
        (folder / "y").write_text("z")
    assert (tmp_path / "x" / "y").read_text() == "z"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--out", ""], "is empty; give it"),
        (["--out="], "is empty; give it"),
        ([""], "is empty; give it"),
        (["--export", "seg", "--export", "sr"], "is given twice; give it once"),
        (["--out=a", "--out", "b"], "is given twice; give it once"),
    ],
)
def test_group_15_an_empty_value_and_an_option_given_twice(
    more: list[str], words: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call(["suggest", "scan.nii.gz", "--classifier", "bundle", *more], capsys)
    assert answer.code == 1
    assert words in answer.err
    assert not list(tmp_path.iterdir())


def test_options_that_may_be_given_several_times_are_known() -> None:
    """`SEVERAL` names those whose commands take a list, and no others."""
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    parameters = [p for c in commands for p in (*c.params, *_below(c)) if getattr(p, "multiple", 0)]
    assert {option for p in parameters for option in p.opts} == set(SEVERAL)


def _below(command: Any) -> list[Any]:
    return [p for c in getattr(command, "commands", {}).values() for p in c.params]


TALKATIVE = """
import sys
from pathlib import Path
import medcontour as mc
from medcontour.benchmark.data.dataset import read_pixels
from medcontour.formats.reader import read_edited
scan = mc.read_scan(sys.argv[1])
for path in sorted(Path(sys.argv[2]).iterdir()):
    for read in (mc.read_scan, lambda path: read_edited(path, scan), read_pixels):
        try:
            read(path)
        except mc.MedcontourError:
            pass
"""


def test_group_15_c_libraries_do_not_write_to_the_terminal(tmp_path: Path) -> None:
    """Libtiff, GDCM and ITK have much to say of damaged files, past Python."""
    values = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)
    folder = tmp_path / "damaged"
    folder.mkdir()
    for kind in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        path = folder / f"{kind}.tiff"
        Image.fromarray(values).save(path, compression=kind)
        data = bytearray(path.read_bytes())
        data[100:160] = bytes(60)
        path.write_bytes(data)
    header = "ObjectType = Image\nNDims = 3\nDimSize = 40 30 1\nElementType = MET_UCHAR\n"
    for end in ("CompressedData = True\n", "Nonsense = 3\nBinaryData = True\n"):
        path = folder / f"{len(end)}.mha"
        path.write_bytes(f"{header}{end}ElementDataFile = LOCAL\n".encode() + bytes(900))
    Image.fromarray(values).save(tmp_path / "whole.png")
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TALKATIVE, tmp_path / "whole.png", folder],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout + told.stderr == ""
