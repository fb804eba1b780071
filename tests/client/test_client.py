"""The client's verbs against a real server process, sync and async, and what it imports."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from medcontour_client import AsyncClient, Client, JobCancelled, ServerError, outlines_of
from server_process import ROOT, Running, running
from write_client import PACKAGE, waiting

import medcontour as mc

KEY = "a key of enough characters"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It shows the sample data, and looks at one slice."""
    out = tmp_path_factory.mktemp("served") / "out"
    studies = str(ROOT / "sample_data")
    with running(out, "--studies", studies, "--slices", "13", key=KEY) as started:
        yield started


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with Client(server.url, KEY) as made:
        yield made


def test_a_study_has_the_scans_own_geometry_and_values(client: Client) -> None:
    scan = mc.read_scan(ROOT / "sample_data" / "ct_study")
    study = client.open("ct_study")
    assert study.shape == scan.voxels.shape
    assert np.array_equal(client.voxels(study), scan.voxels)
    assert np.array_equal(client.plane(study, "column", 7), scan.voxels[:, :, 7])
    points = np.array([[3.5, 7.25], [100.0, 20.0]])
    for k in (0, 39):
        lps = study.to_lps(points, k)
        assert np.array_equal(lps, scan.to_lps(points, k))
        assert np.allclose(study.to_index(lps, k), points)
    assert study.id in {each.id for each in client.studies()}


def test_the_whole_story(client: Client, tmp_path: Path) -> None:
    """Suggested, judged, edited and exported: the RTSTRUCT holds the edit."""
    told = []
    study = client.open("ct_study")
    suggestion = client.suggest(study, told.append)
    assert told
    outlines = outlines_of(suggestion)
    assert client.evidence(study, outlines[0].slice, outlines[0].corners_lps_mm)["status"]
    outlines[0].corners_lps_mm[:, 0] += 2.5
    with client.lease(study):
        report = client.edit(study, outlines)
        client.renew(study)
        with Client(str(client._http.base_url), KEY) as other, pytest.raises(ServerError) as busy:
            other.edit(study, outlines)
        assert busy.value.status == 409
    assert client.edit_report(study) == report
    client.export(study, "rtstruct", edited=True, to=tmp_path / "rtstruct.dcm")
    written = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    corners = [
        np.asarray(contour.ContourData, dtype=float).reshape(-1, 3)
        for roi in written.ROIContourSequence
        for contour in roi.ContourSequence
    ]
    there = min(_farthest(each, outlines[0].corners_lps_mm) for each in corners)
    assert there < 0.1
    again = client.edit_file(study, tmp_path / "rtstruct.dcm")
    assert again["total"]["dice"] == pytest.approx(report["total"]["dice"], abs=1e-3)
    assert client.refine(study)["findings"]


def _farthest(points: np.ndarray, of: np.ndarray) -> float:
    return float(np.linalg.norm(points[:, None] - of[None], axis=-1).min(1).max())


def test_a_click_is_snapped_to(client: Client) -> None:
    study = client.open("ct_study")
    outline = outlines_of(client.suggest(study))[0]
    column, row = study.to_index(outline.corners_lps_mm, outline.slice).mean(0)
    snapped = client.snap(study, points=[[column, row, outline.slice]])
    assert outlines_of(snapped)
    assert outlines_of(client.snap(study, polygons=[outline]))


def test_a_slice_is_mapped(client: Client) -> None:
    mapped = client.contour_map(client.open("ct_study"), 13)
    fractions = [level["area_fraction"] for level in mapped["levels"]]
    assert len(fractions) > 1
    assert fractions == sorted(fractions)


def test_a_series_is_uploaded_and_removed(client: Client) -> None:
    folder = ROOT / "sample_data" / "ct_study"
    study = client.upload(folder)
    assert np.array_equal(study.affines_lps, client.open("ct_study").affines_lps)
    client.remove(study)
    with pytest.raises(ServerError) as gone:
        client.study(study)
    assert gone.value.status == 404


def test_async_does_the_same(server: Running, tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncClient(server.url, KEY) as client:
            study = await client.upload(ROOT / "sample_data" / "radiograph.dcm")
            assert (await client.voxels(study)).shape == study.shape
            await client.remove(study)
            study = await client.open("ct_study")
            suggestion = await client.suggest(study)
            outlines = outlines_of(suggestion)
            async with client.lease(study):
                report = await client.edit(study, outlines)
            assert {part["change"] for part in report["slices"]} == {"unchanged"}
            content = await client.export(study, "seg", to=tmp_path / "seg.dcm")
            assert (tmp_path / "seg.dcm").read_bytes() == content
            info, listed = await asyncio.gather(client.info(), client.studies())
            assert info.target == "nodule"
            assert listed

    # Where a browser was tested before, its loop runs on in this thread.
    with ThreadPoolExecutor() as other:
        other.submit(asyncio.run, story()).result()


def test_the_client_that_waits_is_written_from_the_other() -> None:
    written = (PACKAGE / "client.py").read_text()
    assert written == waiting((PACKAGE / "asynchronous.py").read_text())
    assert not re.search(r"\ba?sync|\bawait", written.partition("class Client")[2])


def test_what_is_refused_is_said_in_a_sentence(server: Running, client: Client) -> None:
    with Client(server.url, "another key of enough letters") as wrong:
        with pytest.raises(ServerError, match="key") as refused:
            wrong.info()
        assert refused.value.status == 401
    with pytest.raises(ServerError) as refused:
        client.open("../medcontour")
    assert refused.value.status == 403
    with Client("http://127.0.0.1:9") as nowhere, pytest.raises(ServerError, match="reached"):
        nowhere.info()
    with pytest.raises(ServerError, match="unencrypted"):
        Client("http://reading-room.example", KEY)


def test_a_job_is_cancelled_where_waiting_is_ended(client: Client) -> None:
    study = client.upload(ROOT / "sample_data" / "ct_study")

    def enough(step: object) -> None:
        raise KeyboardInterrupt

    job = client.begin(study)
    with pytest.raises(KeyboardInterrupt):
        client.result(job, enough)
    with pytest.raises(JobCancelled):
        client.result(job)


def test_it_needs_neither_pytorch_nor_medcontour() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import medcontour_client\n"
        "heavy = {'torch', 'monai', 'medcontour', 'scipy', 'pydicom'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    client = str(ROOT / "plugins" / "client")
    done = subprocess.run(
        [sys.executable, "-c", code, client], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
