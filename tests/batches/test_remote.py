"""A batch over a real Orthanc: which series a query means, and what happens as it goes away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from archive import Archive
from fault_proxy import Answer, Request, fault_proxy
from orthanc_server import Orthanc
from small_files import plane, write_bundle, write_series
from test_batch import FAST, table
from test_batch_command import everything, told

import medcontour as mc
from medcontour.dicomweb import SeriesQuery, faults

pytestmark = pytest.mark.orthanc


@pytest.fixture
def hounsfield(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "hounsfield")


@pytest.fixture
def pacs(orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Three series of two images: of 2024 (one with a spot) and 2025, and an MR."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(faults, "WAITS", (0.01, 0.01))
    with fault_proxy(orthanc.port) as proxy:
        archive = Archive(orthanc, proxy)
        for n, (date, modality) in enumerate(
            [("20240102", "CT"), ("20250607", "CT"), ("20240304", "MR")]
        ):
            folder = tmp_path / f"series{n}"
            write_series(folder, [plane(spot=n == k == 0, seed=k) for k in range(2)])
            for file in folder.iterdir():
                dataset = pydicom.dcmread(file)
                dataset.StudyDate, dataset.Modality = date, modality
                dataset.save_as(file)
            archive.put(folder)
        yield archive


def test_each_series_once_and_only_those_that_are_meant(
    pacs: Archive, hounsfield: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    of_2024 = SeriesQuery("CT", date="20240101-20241231")
    first = mc.batch(pacs.address(), hounsfield, out, formats=FAST, query=of_2024)
    assert (first.found, first.done) == (1, 1)
    [row] = table(first.folder)
    assert (row["modality"], row["suggested"]) == ("CT", "1")
    query = SeriesQuery(description="ct of*")
    whole = mc.batch(pacs.address(), hounsfield, out, formats=FAST, query=query, workers=2)
    assert (whole.found, whole.done, whole.before) == (3, 2, 1)
    assert not told(everything(out))


def test_results_in_the_archive_are_no_scans(
    pacs: Archive, hounsfield: Path, tmp_path: Path
) -> None:
    ct = SeriesQuery("CT", date="20240102")
    made = mc.batch(pacs.address(), hounsfield, tmp_path / "out", formats=["seg"], query=ct)
    [row] = table(made.folder)
    mc.push(made.folder / row["study"], pacs.address())
    again = mc.batch(pacs.address(), hounsfield, tmp_path / "out", formats=FAST)
    assert (again.found, len(again.failed)) == (3, 0)
    assert any("SEG (1)" in note for note in again.notes)


def test_an_archive_that_goes_away_stops_the_batch_and_marks_nothing_as_failed(
    pacs: Archive, hounsfield: Path, tmp_path: Path
) -> None:
    images: list[str] = []

    def rule(request: Request) -> Answer | None:
        images.extend([request.path] if request.image else [])
        return Answer(status=503) if len(images) > 3 else None

    pacs.proxy.rule = rule
    out = tmp_path / "out"
    with pytest.raises(mc.MedcontourError, match="is busy or under maintenance"):
        mc.batch(pacs.address(), hounsfield, out, formats=FAST)
    [summary] = out.glob("run-*/summary.csv")
    assert [row["state"] for row in table(summary.parent)] == ["waiting", "waiting", "done"]
    pacs.proxy.rule = lambda request: None
    again = mc.batch(pacs.address(), hounsfield, out, formats=FAST)
    assert (again.done, again.before) == (2, 1)


def test_a_query_of_a_folder_and_a_date_that_is_none_are_refused(
    hounsfield: Path, tmp_path: Path
) -> None:
    with pytest.raises(mc.MedcontourError, match="this is a folder"):
        mc.batch(tmp_path, hounsfield, tmp_path / "out", query=SeriesQuery("CT"))
    for date in ("2024", "-", "01.02.2024", "20240101-2024"):
        with pytest.raises(mc.MedcontourError, match="is no date"):
            SeriesQuery(date=date)
