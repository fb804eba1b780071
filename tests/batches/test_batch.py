"""A whole archive: each series once, whatever happens to one of them, and whoever is killed."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from archives import PICTURES, SPOTS, results, state, write_picture
from pyarrow import parquet
from small_files import plane

import medcontour as mc
from medcontour import batches
from medcontour.batches.source import Study
from medcontour.batches.worklist import open_worklist
from medcontour.pipeline.settings import Settings

FAST = ["labelmap"]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_series_once_and_the_same_as_by_itself(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    made = mc.batch(
        archive, bundle, tmp_path / "out", progress=lambda *now: told.append(now), target="spot"
    )
    assert (made.found, made.done, made.before) == (PICTURES + 2, PICTURES + 1, 0)
    assert told[-1] == ("batch", PICTURES + 2, PICTURES + 2)
    [reason] = made.failed.values()
    assert reason.startswith("damaged.png cannot be read")
    rows = table(made.folder)
    assert [row["state"] for row in rows] == ["failed"] + ["done"] * (PICTURES + 1)
    assert sum(row["suggested"] not in ("", "0") for row in rows) == SPOTS + 1
    scan = mc.read_scan(archive / "ct")
    (row,) = (row for row in rows if row["series_instance_uid"] == scan.series_instance_uid)
    folder = made.folder / row["study"]
    mc.suggest(scan, bundle, target="spot").save(tmp_path / "alone")
    one, other = (
        json.loads((where / "suggestion.json").read_text())["findings"]
        for where in (folder, tmp_path / "alone")
    )
    assert one == other
    assert {path.name for path in folder.iterdir()} == {
        *(path.name for path in (tmp_path / "alone").iterdir()),
        "study.json",
    }


def test_the_parquet_table_says_what_the_csv_says(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    made = mc.batch(archive, bundle, tmp_path / "out", formats=FAST)
    found = parquet.read_table(made.folder / "summary.parquet").to_pylist()
    for row, plain in zip(found, table(made.folder), strict=True):
        for name, value in row.items():
            kind = str if value is None else type(value)
            assert kind(plain[name]) == ("" if value is None else value)
    (failed,) = (row for row in found if row["state"] == "failed")
    assert failed["findings"] is None
    done = [row for row in found if row["state"] == "done"]
    assert {type(row["findings"]) for row in done} == {int}
    assert {type(row["score"]) for row in done} == {float}


def test_the_same_again_does_nothing_and_takes_up_what_is_new(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = mc.batch(archive, bundle, out, formats=FAST)
    before = state(out)
    again = mc.batch(archive, bundle, out, formats=FAST)
    assert (again.done, again.before, again.skipped) == (0, first.done, 1)
    assert state(out) == before
    write_picture(archive / "new.png", spot=True, seed=9)
    write_picture(archive / "damaged.png", spot=True, seed=8)
    more = mc.batch(archive, bundle, out, formats=FAST)
    assert (more.done, more.before, more.skipped) == (2, first.done, 0)
    assert before.items() <= state(out).items()


def test_what_failed_is_looked_at_again_only_when_that_is_wanted(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    for retry, failed in ((False, 1), (False, 0), (True, 1)):
        made = mc.batch(archive, bundle, tmp_path / "out", formats=FAST, retry_failed=retry)
        assert len(made.failed) == failed


def test_a_series_whose_files_changed_is_done_again(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    first = mc.batch(archive, bundle, tmp_path / "out", formats=FAST)
    picture = next(archive.glob("*_0/*.png"))
    write_picture(picture, spot=False, seed=5)
    again = mc.batch(archive, bundle, tmp_path / "out", formats=FAST)
    assert (again.done, again.before) == (1, first.done - 1)
    found = [row["suggested"] for row in table(again.folder) if row["state"] == "done"]
    assert sum(count not in ("", "0") for count in found) == SPOTS


def test_other_settings_have_a_folder_of_their_own(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = mc.batch(archive, bundle, out, formats=FAST)
    before = state(out)
    other = mc.batch(archive, bundle, out, formats=FAST, seed=1)
    assert other.done == first.done
    assert other.folder != first.folder
    assert before.items() <= state(out).items()
    assert json.loads((other.folder / "run.json").read_text())["settings"]["seed"] == 1


def test_a_lost_worklist_is_made_again_from_the_results(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = mc.batch(archive, bundle, out, formats=FAST)
    before, rows = state(out), table(first.folder)
    (out / "worklist.sqlite").unlink()
    again = mc.batch(archive, bundle, out, formats=FAST)
    assert (again.done, again.before) == (0, first.done)
    assert state(out) == before
    assert table(again.folder) == rows
    shutil.rmtree(first.folder / rows[-1]["study"])
    assert mc.batch(archive, bundle, out, formats=FAST).done == 1
    assert results(first.folder).keys() == {str(Path(f).relative_to(first.folder)) for f in before}


def test_a_damaged_worklist_is_said(archive: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "worklist.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(mc.MedcontourError, match=r"is damaged .* remove it"):
        mc.batch(archive, bundle, tmp_path / "out", formats=FAST)


def test_two_runs_do_not_share_a_worklist(archive: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (
        open_worklist(out / "worklist.sqlite", "run"),
        pytest.raises(mc.MedcontourError, match="Another run works on"),
    ):
        mc.batch(archive, bundle, out, formats=FAST)


def test_what_was_begun_and_never_ended_comes_last(tmp_path: Path) -> None:
    """A series at which the process dies each time does not keep the others waiting."""
    with open_worklist(tmp_path / "worklist.sqlite", "run") as worklist:
        worklist.add({"a": "1", "b": "1"})
        worklist.begin("a")
    with open_worklist(tmp_path / "worklist.sqlite", "run") as worklist:
        assert [row.series for row in worklist.rows()] == ["b", "a"]


@dataclass(frozen=True)
class Growing(batches.FolderSource):
    """A folder into which a file arrives while a series is read."""

    late: Path = Path()

    def read(self, study: Study) -> mc.Scan:
        scan = super().read(study)
        if self.late.parent == Path(study.path):
            shutil.copy(next(self.late.parent.glob("*.dcm")), self.late)
        return scan


def test_a_series_that_changes_while_it_is_read_waits_for_the_next_run(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    series = next((archive / "ct").iterdir())
    run = partial(batches.run_of, partial(mc.load_classifier, bundle), Settings(), FAST)
    growing = Growing(archive, tmp_path / "out", series / "late.dcm")
    made = batches.batch_with(growing, run, tmp_path / "out")
    assert len(made.changed) == 1
    assert not (made.folder / made.changed[0]).exists()
    assert [row["state"] for row in table(made.folder)][:2] == ["failed", "changed"]
    again = mc.batch(archive, bundle, tmp_path / "out", formats=FAST)
    assert (again.done, again.before) == (1, made.done)


@contextmanager
def files_of_at_most(count: int) -> Iterator[None]:
    """As on a disk that is full: no file grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [4_000, 20_000])
def test_a_full_disk_stops_and_loses_nothing(
    archive: Path, bundle: Path, tmp_path: Path, room: int
) -> None:
    out = tmp_path / "out"
    with files_of_at_most(room), pytest.raises(mc.MedcontourError, match=r"free some space"):
        mc.batch(archive, bundle, out, formats=FAST)
    assert not list(out.rglob(".partial*"))
    whole = mc.batch(archive, bundle, tmp_path / "whole", formats=FAST)
    made = mc.batch(archive, bundle, out, formats=FAST)
    assert made.done + made.before == whole.done
    by_series = {key.split("/", 1)[1] for key in results(made.folder)}
    assert by_series == {key.split("/", 1)[1] for key in results(whole.folder)}


def test_a_folder_that_cannot_be_written_is_said(archive: Path, bundle: Path) -> None:
    with pytest.raises(mc.MedcontourError, match=r"cannot be made .* choose another"):
        mc.batch(archive, bundle, "/proc/out")


class Small(torch.nn.Module):
    """Finds what is bright, on a device that holds a few images at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        bright = images.mean((1, 2, 3)) * 40 - 9
        return torch.stack([-bright, bright], 1)


def test_where_an_accelerator_runs_out_of_memory_fewer_images_are_tried(
    archive: Path, tmp_path: Path
) -> None:
    labels = ["none", "bright"]
    few = mc.batch(archive / "ct", Small(2), tmp_path / "few", labels=labels, formats=FAST)
    assert (few.done, few.failed) == (1, {})


class Narrow(torch.nn.Module):
    """Finds nothing, and has no memory for images of more than 40 columns."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-1] > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        score = images.mean((1, 2, 3)) - 1000
        return torch.stack([-score, score], 1)


def test_a_series_that_no_memory_holds_fails_alone(archive: Path, tmp_path: Path) -> None:
    narrow = PIL.Image.fromarray(np.uint8(255 * plane(spot=False)[:, :32]))
    narrow.save(archive / "narrow.png")
    made = mc.batch(archive, Narrow(), tmp_path / "out", labels=["none", "x"], formats=FAST)
    assert made.done == 1
    assert sum("does not hold one image" in why for why in made.failed.values()) == PICTURES + 1


@dataclass(frozen=True)
class Fragile(batches.FolderSource):
    """A folder with a series whose reading raises what nobody foresaw."""

    error: Exception | None = None

    def read(self, study: Study) -> mc.Scan:
        if study.uid is not None and self.error is not None:
            raise self.error
        return super().read(study)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("Geheimrat"), "not foreseen (KeyError, test_batch.py, line "),
        (MemoryError("all of it"), "machine's memory does not hold it"),
    ],
)
def test_an_error_that_nobody_foresaw_is_of_its_series_alone(
    archive: Path, bundle: Path, tmp_path: Path, error: Exception, said: str
) -> None:
    run = partial(batches.run_of, partial(mc.load_classifier, bundle), Settings(), FAST)
    made = batches.batch_with(Fragile(archive, tmp_path / "out", error), run, tmp_path / "out")
    assert (made.done, len(made.failed)) == (PICTURES, 2)
    assert any(said in reason for reason in made.failed.values())
    assert "Geheimrat" not in str(made.failed)


def test_a_name_that_is_no_text_is_one_like_others(bundle: Path, tmp_path: Path) -> None:
    """A file's name may be any bytes: of an encoding of long ago, or with a line's end."""
    names = (b"M\xfcller.png", b"two\nlines.png", b"<b>.png")
    for n, name in enumerate(names):
        write_picture(tmp_path / "named" / os.fsdecode(name), spot=n == 0)
    made = mc.batch(tmp_path / "named", bundle, tmp_path / "out", formats=["coco", "report"])
    assert (made.done, made.failed) == (len(names), {})
    for name in ("summary.csv", "summary.html", "*/*.json", "*/report.html"):
        for file in made.folder.glob(name):
            assert "ller" not in file.read_text(encoding="utf-8")
    again = mc.batch(tmp_path / "named", bundle, tmp_path / "out", formats=["coco", "report"])
    assert (again.done, again.before) == (0, len(names))


def test_results_within_the_archive_are_no_scans(archive: Path, bundle: Path) -> None:
    for done in (PICTURES + 1, 0):
        made = mc.batch(archive, bundle, archive / "out", formats=FAST)
        assert (made.found, made.done) == (PICTURES + 2, done)


def test_what_cannot_be_begun_is_said(archive: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(mc.MedcontourError, match="holds the scans themselves"):
        mc.batch(archive, bundle, archive)
    with pytest.raises(mc.MedcontourError, match="is no folder"):
        mc.batch(archive / "damaged.png", bundle, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(mc.MedcontourError, match="no scan"):
        mc.batch(tmp_path / "empty", bundle, tmp_path / "out")
    with pytest.raises(mc.MedcontourError, match="no export format"):
        mc.batch(archive, bundle, tmp_path / "out", formats=["pdf"])
    with pytest.raises(mc.MedcontourError, match="no class"):
        mc.batch(archive, bundle, tmp_path / "out", target="dragon")
