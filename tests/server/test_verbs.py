"""Suggest, snap, judge, edit, refine, export: over HTTP, as in Python."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from verbs import begun, ended, lease_of, opened, outlines, suggested

import medcontour as mc
from medcontour.contour.polygons import deviation_mm
from medcontour.server import openapi_document
from medcontour.workspace import Setup


@pytest.fixture(scope="module")
def study(client: httpx.Client) -> str:
    return opened(client, "spot.nii.gz")


def test_a_study_is_shown_with_its_exact_geometry(
    client: httpx.Client, study: str, studies: Path
) -> None:
    scan = mc.read_scan(studies / "spot.nii.gz")
    shown = client.get(f"/api/studies/{study}").json()
    assert shown["shape"] == list(scan.voxels.shape)
    for k, affine in enumerate(shown["slice_affines_lps"]):
        assert np.array_equal(affine, scan.slice_affine_lps(k))
    reply = client.get(f"/api/studies/{study}/voxels")
    shape = [int(n) for n in reply.headers["Medcontour-Shape"].split(",")]
    assert np.array_equal(np.frombuffer(reply.content, "<f4").reshape(shape), scan.voxels)
    for axis, name in enumerate(("slice", "row", "column")):
        reply = client.get(f"/api/studies/{study}/planes/{name}/1")
        expected = np.take(scan.voxels, 1, axis=axis)
        shape = [int(n) for n in reply.headers["Medcontour-Shape"].split(",")]
        assert np.array_equal(np.frombuffer(reply.content, "<f4").reshape(shape), expected)
    assert client.get(f"/api/studies/{study}/planes/slice/3").status_code == 404


def test_a_suggestion_is_that_of_python(
    client: httpx.Client, study: str, setup: Setup, studies: Path
) -> None:
    found = suggested(client, study)
    here = mc.suggest(studies / "spot.nii.gz", setup.classifier)
    there = json.loads(here.to_json())
    assert found["findings"] == there["findings"]
    assert found["findings"]


def test_a_job_is_followed_by_events_until_it_has_ended(client: httpx.Client) -> None:
    study = opened(client, "quiet.nii.gz")
    job = begun(client, study, "suggest")
    with client.stream("GET", f"/api/jobs/{job}/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: ")]
    assert [each["state"] for each in told][-1] == "done"
    assert ended(client, job)["result"]["findings"] == []


def test_a_curve_is_judged_as_it_is(client: httpx.Client, study: str) -> None:
    found = suggested(client, study)
    outline = outlines(found)[0]
    look = {"slice": outline["slice"], "corners_lps_mm": outline["corners_lps_mm"]}
    on_it = client.post(f"/api/studies/{study}/evidence", json=look).json()
    [part] = on_it["slices"]
    assert on_it["status"] == "suggested"
    assert part["evidence"]["preserved"] > 0.5 > part["evidence"]["deleted"]
    moved = np.asarray(outline["corners_lps_mm"]) + np.array([-25.0, 10.0, 0.0])
    look["corners_lps_mm"] = moved.tolist()
    beside = client.post(f"/api/studies/{study}/evidence", json=look).json()
    assert beside["status"] != "suggested"
    assert beside["slices"][0]["evidence"]["preserved"] < 0.5


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[900, 900, 900], [901, 900, 900], [900, 901, 900]],
    ],
)
def test_a_curve_off_the_image_is_refused_in_a_sentence(
    client: httpx.Client, study: str, corners: list[list[float]]
) -> None:
    suggested(client, study)
    reply = client.post(
        f"/api/studies/{study}/evidence", json={"slice": 1, "corners_lps_mm": corners}
    )
    assert (reply.status_code, "less than a pixel" in reply.json()["error"]) == (422, True)
    edit = {"outlines": [{"finding": None, "slice": 1, "corners_lps_mm": corners}]}
    headers = lease_of(client, study)
    reply = client.put(f"/api/studies/{study}/edit", json=edit, headers=headers)
    assert (reply.status_code, "less than a pixel" in reply.json()["error"]) == (422, True)
    client.delete(f"/api/leases/{headers['Medcontour-Lease']}")


def test_an_edit_is_kept_exactly_measured_and_exported(
    client: httpx.Client, study: str, studies: Path, tmp_path: Path
) -> None:
    found = suggested(client, study)
    left = outlines(found)
    scan = mc.read_scan(studies / "spot.nii.gz")
    index = scan.to_index(left[0]["corners_lps_mm"], left[0]["slice"]) + np.array([2.0, 0.0])
    left[0]["corners_lps_mm"] = scan.to_lps(index, left[0]["slice"]).tolist()
    triangle = scan.to_lps([[10, 30], [20, 30], [15, 40]], 2)
    left.append({"label": "drawn", "slice": 2, "corners_lps_mm": triangle.tolist()})
    headers = lease_of(client, study)
    reply = client.put(f"/api/studies/{study}/edit", json={"outlines": left}, headers=headers)
    assert reply.status_code == 200, reply.text
    report = reply.json()
    assert [(part["label"], part["change"]) for part in report["slices"]] == [
        ("spot 1", "moved"),
        ("drawn", "new"),
    ]
    assert client.get(f"/api/studies/{study}/edit").json() == report

    file = tmp_path / "labelmap.nii.gz"
    file.write_bytes(
        client.get(f"/api/studies/{study}/export/labelmap", params={"edited": True}).content
    )
    expected = mc.Suggestion.read_json(_kept(client, study, tmp_path))
    [moved, drawn] = [contour.polygon_lps_mm for contour in expected.contours("outline")]
    assert deviation_mm(moved, np.asarray(left[0]["corners_lps_mm"])) < 1e-6
    assert deviation_mm(drawn, triangle) < 1e-6
    again = mc.refine(expected, file, scan)
    assert not any(part.new or part.deleted for part in again.report.slices)
    reply = client.get(f"/api/studies/{study}/export/markups", params={"edited": True})
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert any(name.endswith(".mrk.json") for name in archive.namelist())

    job = ended(client, begun(client, study, "refine", headers=headers))
    assert job["state"] == "done", job
    client.delete(f"/api/leases/{headers['Medcontour-Lease']}")


def _kept(client: httpx.Client, study: str, folder: Path) -> Path:
    file = folder / "suggestion.json"
    reply = client.get(f"/api/studies/{study}/suggestion", params={"edited": True})
    file.write_bytes(reply.content)
    return file


def test_an_edited_file_comes_back_in_any_format(
    client: httpx.Client, tmp_path: Path, studies: Path
) -> None:
    upload = client.post("/api/uploads", content=(studies / "spot.nii.gz").read_bytes())
    study = upload.json()["study"]
    suggested(client, study)
    headers = lease_of(client, study)
    for name in ("labelmap", "nrrd", "coco"):
        content = client.get(f"/api/studies/{study}/export/{name}").content
        reply = client.put(
            f"/api/studies/{study}/edit/file",
            content=content,
            headers=headers,
            params={"names": "spot 1"} if name == "labelmap" else {},
        )
        assert reply.status_code == 200, (name, reply.text)
        assert {part["change"] for part in reply.json()["slices"]} == {"unchanged"}, name
    reply = client.put(f"/api/studies/{study}/edit/file", content=b"no file", headers=headers)
    assert reply.status_code == 422
    assert client.get(f"/api/studies/{study}/edit").status_code == 200  # the one before is kept


def test_clicks_and_drawings_are_searched_on_from(
    client: httpx.Client, study: str, studies: Path
) -> None:
    scan = mc.read_scan(studies / "spot.nii.gz")
    around = scan.to_lps([[36, 14], [44, 14], [44, 22], [36, 22]], 1).tolist()
    given = {"polygons": [{"slice": 1, "corners_lps_mm": around}]}
    for start in (given, {"points": [[23.0, 18.0, 1.0]]}):
        job = ended(client, begun(client, study, "snap", **start))
        assert job["state"] == "done", job
        [finding] = job["result"]["suggestion"]["findings"]
        assert [part["slice"] for part in finding["slices"]] == [1]
    reply = client.post(f"/api/studies/{study}/jobs", json={"kind": "snap"})
    assert reply.status_code == 422
    job = ended(client, begun(client, study, "snap", points=[[999, 0, 0]]))
    assert (job["state"], "outside the image" in job["error"]) == ("failed", True)


def test_a_slice_is_mapped(client: httpx.Client, study: str, setup: Setup, studies: Path) -> None:
    job = ended(client, begun(client, study, "map", slice=1))
    assert job["state"] == "done", job
    here = mc.contour_map(studies / "spot.nii.gz", setup.classifier, 1)
    assert job["result"]["map"]["levels"] == json.loads(here.to_json())["levels"]
    job = ended(client, begun(client, study, "map", slice=3))
    assert (job["state"], "no slice" in job["error"]) == ("failed", True)


def test_what_is_not_there_is_said(client: httpx.Client) -> None:
    for path in ("studies/" + "0" * 24, "jobs/" + "0" * 24, "learned", "nothing"):
        reply = client.get(f"/api/{path}")
        assert reply.status_code == 404
        assert reply.json()["error"]
    fresh = opened(client, "quiet.nii.gz")
    assert client.get(f"/api/studies/{fresh}/export/nothing").status_code == 404
    assert client.get(f"/api/studies/{fresh}/edit").status_code == 404


def test_the_published_document_is_the_servers_own(client: httpx.Client) -> None:
    served = client.get("/api/openapi.json").json()
    assert served == openapi_document()
    kept = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.json"
    assert _shape(json.loads(kept.read_text(encoding="utf-8"))) == _shape(served)


def _shape(document: dict[str, Any]) -> tuple[Any, Any]:
    """Routes and objects; how FastAPI words the rest is another in each of its versions."""
    routes = {(path, method) for path, own in document["paths"].items() for method in own}
    schemas = document["components"]["schemas"].items()
    return routes, {name: sorted(one.get("properties", ())) for name, one in schemas}
