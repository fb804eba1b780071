"""Parts of a batch that run apart: each series in one of them, and one summary of all."""

from __future__ import annotations

from pathlib import Path

import pytest
from archives import PICTURES, results
from test_batch import FAST, table

import medcontour as mc
from medcontour import batches


def test_shards_share_a_folder_and_leave_nothing_out(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    made = [
        mc.batch(archive, bundle, out, formats=FAST, shard=f"{number}/3") for number in (3, 1, 2)
    ]
    assert sum(part.found for part in made) == PICTURES + 2
    assert sum(part.done for part in made) == PICTURES + 1
    assert len({part.folder for part in made}) == 1
    rows = table(made[0].folder)
    assert [row["state"] for row in rows] == ["failed"] + ["done"] * (PICTURES + 1)
    again = mc.batch(archive, bundle, out, formats=FAST, shard="3/3")
    assert (again.done, again.before + again.skipped) == (0, again.found)
    whole = mc.batch(archive, bundle, out, formats=FAST)
    assert (whole.done, whole.before) == (0, PICTURES + 1)


def test_shards_in_folders_of_their_own_are_joined(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    for number in (1, 2):
        part = tmp_path / "parts" / f"part{number}"
        mc.batch(archive, bundle, part, formats=FAST, shard=f"{number}/2")
    [joined] = batches.write_summaries(tmp_path / "parts")
    rows = table(joined)
    assert [row["state"] for row in rows] == ["failed"] + ["done"] * (PICTURES + 1)
    for row in rows[1:]:
        assert (joined / row["report"]).is_file()
    assert len({name.split("/")[0] for name in results(joined)}) == 0
    with pytest.raises(mc.MedcontourError, match="holds no worklist"):
        batches.write_summaries(archive)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(mc.MedcontourError, match="is no shard"):
        batches.shard_of(text)
