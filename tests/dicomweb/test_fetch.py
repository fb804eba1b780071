"""A series read from a real Orthanc is the series of its files."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from archive import Archive
from fault_proxy import Answer, Request
from small_files import FAMILY, write_series

import medcontour as mc

pytestmark = pytest.mark.orthanc


def _equal(scan: mc.Scan, files: mc.Scan) -> None:
    np.testing.assert_array_equal(scan.voxels, files.voxels)
    np.testing.assert_array_equal(scan.affine_lps, files.affine_lps)
    assert scan.sop_instance_uids == files.sop_instance_uids
    assert scan.frame_of_reference_uid == files.frame_of_reference_uid
    assert scan.modality == files.modality
    assert scan.window == files.window


def test_a_series_in_the_archive_is_that_of_its_files(
    archive: Archive, study: Path, environment: Path
) -> None:
    image, *_ = archive.put(study)
    told: list[tuple[str, int, int]] = []
    scan = mc.read_scan(archive.address(image), progress=lambda *so_far: told.append(so_far))
    _equal(scan, mc.read_scan(study))
    assert told == [("fetch", n + 1, scan.slices) for n in range(scan.slices)]
    assert scan.source == archive.address(image)
    assert len(scan.datasets) == scan.slices
    assert list(environment.iterdir()) == []


def test_the_images_lie_where_nobody_else_reads_while_they_are_fetched(
    archive: Archive, study: Path, environment: Path
) -> None:
    image, *_ = archive.put(study)
    modes = []

    def rule(request: Request) -> None:
        if request.image:
            modes.extend(stat.S_IMODE(path.stat().st_mode) for path in environment.iterdir())
            modes.append(stat.S_IMODE(environment.stat().st_mode))

    archive.proxy.rule = rule
    mc.read_scan(archive.address(image))
    assert set(modes) == {0o700}


def test_a_server_that_gives_frames_alone(archive: Archive, study: Path) -> None:
    image, *_ = archive.put(study)

    def rule(request: Request) -> Answer | None:
        whole = request.image and "metadata" not in request.path
        return Answer(status=406) if whole else None

    archive.proxy.rule = rule
    _equal(mc.read_scan(archive.address(image)), mc.read_scan(study))
    assert archive.proxy.asked(word="/frames/1")


def test_a_server_that_answers_page_by_page(archive: Archive, tmp_path: Path) -> None:
    write_series(tmp_path / "study", [np.full((48, 64), k / 9) + np.eye(48, 64) for k in range(7)])
    image, *_ = archive.put(tmp_path / "study")

    def rule(request: Request) -> Answer | None:
        listing = "/instances?" in request.path
        return Answer(instead=f"{request.path}&limit=3") if listing else None

    archive.proxy.rule = rule
    _equal(mc.read_scan(archive.address(image)), mc.read_scan(tmp_path / "study"))


def test_what_was_received_is_not_fetched_again(
    archive: Archive, study: Path, environment: Path, medcontour: Callable[..., object]
) -> None:
    """The third image breaks off time and again; the next run begins with it."""
    image, *_ = archive.put(study)

    def rule(request: Request) -> Answer | None:
        asked = [r.path for r in archive.proxy.seen if r.image]
        third = request.image and len(dict.fromkeys(asked)) == 3
        return Answer(half=True) if third else None

    archive.proxy.rule = rule
    answer = medcontour("info", archive.address(image))
    assert answer.code == 1
    assert "2 of 4 images were received" in answer.err
    (folder,) = environment.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(list(folder.iterdir())) == 2

    archive.proxy.rule = lambda request: None
    assert medcontour("info", archive.address(image)).code == 0
    tries = sorted(Counter(r.path for r in archive.proxy.seen if r.image).values())
    assert tries == [1, 1, 1, 5]
    assert list(environment.iterdir()) == []


def test_a_fault_that_passes_is_not_noticed(archive: Archive, study: Path) -> None:
    image, *_ = archive.put(study)
    faults = iter([Answer(status=503), Answer(half=True), Answer(status=504)])

    def rule(request: Request) -> Answer | None:
        return next(faults, None) if request.image else None

    archive.proxy.rule = rule
    _equal(mc.read_scan(archive.address(image)), mc.read_scan(study))


def test_what_a_lost_run_left_is_removed_after_a_day(
    archive: Archive, study: Path, environment: Path
) -> None:
    image, *_ = archive.put(study)
    left = environment / "0123"
    left.mkdir(parents=True)
    (left / "1.2.3.dcm").write_bytes(b"an image")
    os.utime(left, (0, 0))
    mc.read_scan(archive.address(image))
    assert not left.exists()


def test_an_archive_is_listed_without_patient_data(
    archive: Archive, study: Path, medcontour: Callable[..., object]
) -> None:
    image, *_ = archive.put(study)
    answer = medcontour("info", archive.address())
    assert answer.code == 0
    assert f"{image.SeriesInstanceUID} " in answer.out
    assert "CT, 4 images" in answer.out
    assert FAMILY not in answer.out + answer.err
    one = medcontour("info", archive.address(image), "--json")
    assert '"modality": "CT"' in one.out
    assert FAMILY not in one.out + one.err


def test_two_series_with_one_description_are_told_apart_by_their_uids(
    archive: Archive, study: Path, bundle: Path, tmp_path: Path, medcontour: Callable[..., object]
) -> None:
    first, second = archive.put(study)[0], archive.put(write_series(tmp_path / "second"))[0]
    assert first.SeriesDescription == second.SeriesDescription
    scan = mc.read_scan(archive.address(second))
    assert second.SOPInstanceUID in scan.sop_instance_uids
    out = tmp_path / "out"
    answer = medcontour("suggest", archive.address(), "--classifier", bundle, "--out", out)
    assert answer.code == 1
    assert first.SeriesInstanceUID in answer.err
    assert second.SeriesInstanceUID in answer.err
    assert FAMILY not in answer.err
    assert not out.exists()


def test_the_files_of_an_archive_can_be_read_by_series_too(archive: Archive, study: Path) -> None:
    image, *_ = archive.put(study)
    scan = mc.read_scan(archive.address(), series=image.SeriesInstanceUID)
    assert scan.series_instance_uid == image.SeriesInstanceUID
    assert pydicom.dcmread(next(study.iterdir())).SOPInstanceUID in scan.sop_instance_uids
