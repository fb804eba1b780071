"""A service that takes what arrives in an archive, and gives its results back once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from archive import Archive
from archives import write_picture
from fault_proxy import fault_proxy
from orthanc_server import Orthanc
from small_files import plane, write_bundle, write_series
from test_batch import FAST

import medcontour as mc
from medcontour.batches.worklist import rows_of


def in_another_process(work: Callable[[], object]) -> int:
    """Begin something that does not return; give the process' number."""
    process = os.fork()
    if process:
        return process
    try:
        work()
    finally:
        os._exit(1)


def until(there: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def stop(process: int) -> None:
    """Kill a process that goes on."""
    assert os.waitpid(process, os.WNOHANG) == (0, 0)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.mark.slow
@pytest.mark.orthanc
def test_a_series_that_arrives_has_its_results_in_the_archive_once(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bundle = write_bundle(tmp_path / "bundle")
    series = write_series(tmp_path / "series", [plane(spot=k == 1, seed=k) for k in range(4)])
    late = tmp_path / "late"
    late.mkdir()
    for name in ("002.dcm", "003.dcm"):
        (series / name).rename(late / name)
    objects = Counter({"SEG": 1, "RTSTRUCT": 1, "SR": 1, "CT": 4})
    with fault_proxy(orthanc.port) as proxy:
        archive = Archive(orthanc, proxy)

        def serve() -> None:
            mc.batch(archive.address(), bundle, tmp_path / "out", push=True, watch=3.0)

        service = in_another_process(serve)
        time.sleep(2)
        archive.put(series)  # the first half
        time.sleep(2)
        archive.put(late)
        until(lambda: archive.modalities() == objects)
        [seg] = archive.objects("SEG")
        [images] = seg.ReferencedSeriesSequence
        assert len({image.ReferencedSOPInstanceUID for image in images.ReferencedInstanceSequence})
        [structure] = archive.objects("RTSTRUCT")
        assert structure.StudyInstanceUID == pydicom.dcmread(series / "000.dcm").StudyInstanceUID
        stop(service)
        [study] = (tmp_path / "out").glob("run-*/*/suggestion.json")
        assert mc.Suggestion.read_json(study).scan.shape[0] == 4
        (tmp_path / "out" / "worklist.sqlite").unlink()  # and what was done with it
        study.unlink()
        study.with_name("study.json").unlink()
        sent = len(proxy.asked("POST"))
        service = in_another_process(serve)
        until(study.exists)
        time.sleep(4)
        stop(service)
        assert archive.modalities() == objects
        assert len(proxy.asked("POST")) == sent


@pytest.mark.slow
def test_a_picture_that_arrives_in_a_folder_is_taken_when_it_is_whole(
    bundle: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    service = in_another_process(
        lambda: mc.batch(root, bundle, tmp_path / "out", formats=FAST, watch=0.5)
    )
    whole = write_picture(tmp_path / "whole.png", spot=True).read_bytes()
    with (root / "slow.png").open("wb") as file:
        for start in range(0, len(whole), 400):
            file.write(whole[start : start + 400])
            file.flush()
            time.sleep(0.3)
    until(lambda: any((tmp_path / "out").glob("run-*/*/suggestion.json")))
    stop(service)
    [rows] = rows_of(tmp_path / "out" / "worklist.sqlite").values()
    assert len(rows) == 1


def test_results_of_a_folder_are_not_stored_anywhere(
    archive: Path, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(mc.MedcontourError, match="medcontour push"):
        mc.batch(archive, bundle, tmp_path / "out", push=True)
    with pytest.raises(mc.MedcontourError, match="Only DICOM objects are stored"):
        mc.batch("dicomweb+http://localhost:1/rs", bundle, tmp_path, push=True, formats=["report"])
    with pytest.raises(mc.MedcontourError, match="no number of seconds"):
        mc.batch(archive, bundle, tmp_path / "out", watch=0.0)
