"""On a disk that is really full, and on one that is really read-only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import namespace

from medcontour.batches.worklist import rows_of

BATCH = "import sys; from medcontour.cli import main; sys.argv[0] = 'medcontour'; main()"
SCRIPT = """
batch() { "$python" -c "$program" batch "$archive" --classifier "$bundle" --out "$disk/out" \\
    --export labelmap,report 2>&1; echo "exit $?"; }
mount -t tmpfs -o size=200k tmpfs "$disk" && batch
mount -o remount,size=100m "$disk" && batch
mount -o remount,ro "$disk" && batch
cp -r "$disk/out" "$copy"
"""


@pytest.mark.slow
@pytest.mark.mount_namespace
def test_a_full_and_a_read_only_disk_stop_it_and_lose_nothing(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    given = {"archive": archive, "bundle": bundle, "disk": disk, "copy": copy}
    ran = subprocess.run(
        [*namespace("mount"), "bash", "-c", SCRIPT],
        env=os.environ
        | {name: str(path) for name, path in given.items()}
        | {"python": sys.executable, "program": BATCH},
        capture_output=True,
        text=True,
        timeout=600,
    )
    full, again, read_only, _ = ran.stdout.split("exit ")
    assert "free some space" in full, ran.stdout + ran.stderr
    assert again.startswith("1\n")
    assert read_only.startswith("0\n")
    assert "(Read-only file system); choose another" in read_only
    assert ran.stdout.endswith("exit 1\n")
    assert "Traceback" not in ran.stdout
    assert not list(copy.rglob(".partial*"))
    [rows] = rows_of(copy / "worklist.sqlite").values()
    assert sorted(row.state for row in rows) == ["done"] * 4 + ["failed"]
