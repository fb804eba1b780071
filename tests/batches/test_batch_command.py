"""The command: what it says, its exit codes, and that it names no patient."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from archives import PICTURES, Loud
from small_files import BIRTH, FAMILY, GIVEN, NUMBER, Answer

import medcontour as mc
from medcontour import batches
from medcontour.pipeline.settings import Settings

Run = Callable[..., Answer]
MARKED = (FAMILY, GIVEN, NUMBER, BIRTH, "1931-04-05", "101112")


def everything(folder: Path) -> str:
    """All that lies in a folder but DICOM objects, with the names of files."""
    texts = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            data = path.read_bytes()
            texts.append(data.decode("latin-1"))
            texts.append(gzip.decompress(data).decode("latin-1") if path.suffix == ".gz" else "")
    return "\n".join(texts)


def told(text: str) -> list[str]:
    return [mark for mark in MARKED if mark.casefold() in text.casefold()]


def test_it_counts_names_the_summary_and_no_patient(
    medcontour: Run, archive: Path, bundle: Path, tmp_path: Path
) -> None:
    (archive / FAMILY).mkdir()
    (archive / FAMILY / f"{GIVEN}.png").write_bytes(b"\x89PNG\r\nnothing")
    (archive / FAMILY / f"{BIRTH}.dcm").write_bytes(bytes(128) + b"DICM nothing")
    out = tmp_path / FAMILY / "out"
    arguments = ("batch", archive, "--classifier", bundle, "--out", out)
    said = medcontour(*arguments)
    assert said.code == 0, said.err
    assert f"{PICTURES + 4} series: {PICTURES + 1} done now, 0 before, 3 could not be" in said.out
    assert "summary.html" in said.out
    assert f"{PICTURES + 4} of {PICTURES + 4} series" in said.err
    again = medcontour(*arguments, "--json", "--paths", tmp_path / "mine.csv")
    document = json.loads(again.out)
    assert (document["done"], document["before"]) == (0, PICTURES + 1)
    assert document["skipped"] == 3
    assert not told(said.out + said.err + again.out + again.err)
    assert not told(everything(out))
    with (tmp_path / "mine.csv").open(encoding="utf-8", newline="") as stream:
        mine = {row["study"]: Path(row["path"]) for row in csv.DictReader(stream)}
    assert len(mine) == PICTURES + 4
    assert all(path.exists() for path in mine.values())
    assert {path.name for path in out.glob("run-*/*") if path.is_dir()} < set(mine)


@pytest.mark.slow
def test_several_workers_name_no_patient_either(
    archive: Path, bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in what they write, nor on the screen, where an error that nobody foresaw does."""
    out = tmp_path / FAMILY / "out"
    run = partial(batches.run_of, partial(mc.load_classifier, bundle), Settings())
    made = batches.batch_with(Loud(archive, out), run, out, workers=2)
    assert made.done == PICTURES
    assert any("not foreseen (KeyError, archives.py" in why for why in made.failed.values())
    said = capfd.readouterr()
    assert not told(said.out + said.err + repr(made.failed) + repr(made.notes))
    assert not told(everything(out))


def test_what_cannot_be_begun_ends_with_one(
    medcontour: Run, archive: Path, bundle: Path, tmp_path: Path
) -> None:
    answer = medcontour(
        "batch", archive, "--classifier", bundle, "--out", tmp_path / "out", "--shard", "3/2"
    )
    assert answer.code == 1
    assert "is no shard" in answer.err
    answer = medcontour("batch", archive, "--classifier", bundle)
    assert answer.code == 2


def test_shards_are_joined(medcontour: Run, archive: Path, bundle: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        answer = medcontour(
            "batch", archive, "--classifier", bundle, "--out", tmp_path / "out",
            "--shard", f"{number}/2", "--export", "report",
        )  # fmt: skip
        assert answer.code == 0, answer.err
    answer = medcontour("batch", "--merge", "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "summary.html" in answer.out
    answer = medcontour("batch", "--merge", "--out", archive)
    assert answer.code == 1
    assert "holds no worklist" in answer.err


@pytest.mark.parametrize("left", ["root", "--classifier"])
def test_without_merge_scans_and_classifier_are_needed(
    medcontour: Run, archive: Path, bundle: Path, tmp_path: Path, left: str
) -> None:
    given = {"root": [archive], "--classifier": ["--classifier", bundle]}
    del given[left]
    words = [word for part in given.values() for word in part]
    answer = medcontour("batch", *words, "--out", tmp_path / "out")
    assert answer.code == 2
