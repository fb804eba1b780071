"""What a reader does: click, draw, save, go on, and ask for the next study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from label_server import LabelServer, running_server

import medcontour as mc

pytestmark = pytest.mark.monailabel


@pytest.fixture
def outline(by_command: Path, studies: Path) -> tuple[int, np.ndarray]:
    """Slice of the first finding, and voxels (i, j, k) of ``oblique`` inside its outline."""
    finding = mc.Suggestion.read_json(by_command).for_export().slices[0]
    label = np.asarray(nibabel.load(by_command / "labelmap.nii.gz").dataobj)
    return finding.slice, np.argwhere(label[..., finding.slice])


def by_slice(answer: Any) -> dict[int, Any]:
    """What was found on each slice, of the response's JSON."""
    findings = answer.params["findings"]
    return {part["slice"]: part for finding in findings for part in finding["slices"]}


def test_a_click_gives_the_outline_there(server: LabelServer, outline, tmp_path: Path) -> None:
    """As 3D Slicer's and OHIF's point prompts, and MITK's."""
    k, inside = outline
    i, j = inside.mean(0).round().astype(int)
    answer = server.infer(
        "snap",
        "oblique",
        tmp_path,
        {"foreground": [[int(i), int(j), int(k)]], "background": [], "label": "my segment"},
    )
    label = np.asarray(nibabel.load(answer.file).dataobj)
    source = nibabel.load(server.studies / "oblique.nii.gz")
    assert label.shape == source.shape
    assert set(np.argwhere(label)[:, 2]) == {k}
    assert label[i, j, k] == 1
    [finding] = answer.params["findings"]
    [part] = finding["slices"]
    assert part["slice"] == k
    assert part["evidence"]["evaluations"] > 0


def test_a_click_on_exchanged_axes_is_the_same_place(
    server: LabelServer, outline, tmp_path: Path
) -> None:
    k, inside = outline
    i, j = inside.mean(0).round().astype(int)
    columns, slices = (nibabel.load(server.studies / "oblique.nii.gz").shape[a] for a in (0, 2))
    click = [slices - 1 - int(k), columns - 1 - int(i), int(j)]
    answer = server.infer("snap", "flipped", tmp_path, {"foreground": [click]})
    assert np.asarray(nibabel.load(answer.file).dataobj)[tuple(click)] == 1


def test_a_drawing_is_a_start(server: LabelServer, outline, tmp_path: Path) -> None:
    """As 3D Slicer's scribbles: all segments of the scene, one of them the drawing."""
    k, inside = outline
    source = nibabel.load(server.studies / "oblique.nii.gz")
    painted = np.zeros(source.shape, np.uint8)
    (i0, j0), (i1, j1) = inside.min(0) - 1, inside.max(0) + 2
    painted[i0:i1, j0:j1, k] = 2
    painted[:5, :5, :] = 1  # another segment
    nibabel.save(nibabel.Nifti1Image(painted, source.affine), tmp_path / "scene.nii.gz")
    info = [{"name": "nodule", "id": 1}, {"name": "foreground_scribbles", "id": 2}]
    with (tmp_path / "scene.nii.gz").open("rb") as file:
        answer = server.infer(
            "snap_drawing", "oblique", tmp_path, {"label_info": info}, {"label": file}
        )
    label = np.asarray(nibabel.load(answer.file).dataobj)
    assert label[(*inside.mean(0).round().astype(int), k)] == 1
    assert not label[:5, :5].any()


def test_saved_labels_are_reported_and_started_from(
    studies: Path, sample_data: Path, by_command: Path, outline, tmp_path: Path
) -> None:
    own = tmp_path / "studies"
    own.mkdir()
    for study in ("oblique", "quiet", "flipped"):
        (own / f"{study}.nii.gz").write_bytes((studies / f"{study}.nii.gz").read_bytes())
    (own / "drawn.nii.gz").write_bytes((studies / "quiet.nii.gz").read_bytes())
    k, inside = outline
    conf = ["classifier", str(sample_data / "nodule_classifier"), "most_seconds", "none"]
    with running_server(tmp_path / "server", own, *conf) as server:
        first = server.infer("suggestion", "oblique", tmp_path)
        suggested = nibabel.load(first.file)
        grown = np.asarray(suggested.dataobj).copy()
        (i0, j0), (i1, j1) = inside.min(0) - 2, inside.max(0) + 3
        grown[i0:i1, j0:j1, k] = 1
        nibabel.save(nibabel.Nifti1Image(grown, suggested.affine), tmp_path / "edit.nii.gz")
        saved = server.save_label("oblique", tmp_path / "edit.nii.gz", ["nodule"])
        assert saved.status_code == 200, saved.text
        report = saved.json()["edit_report"]
        changes = {part["slice"]: part["change"] for part in report["slices"]}
        assert changes.pop(k) == "moved"
        assert set(changes.values()) <= {"unchanged"}
        (kept,) = own.glob("medcontour/*/edited")
        assert json.loads((kept / "edit_report.json").read_text()) == report
        assert mc.Suggestion.read_json(kept).edited
        assert (own / "labels" / "final" / "oblique.nii.gz").is_file()

        again = server.infer("suggestion", "oblique", tmp_path, {"start_from_edit": True})
        resumed, before = by_slice(again), by_slice(first)
        assert resumed.keys() == before.keys()
        assert resumed[k] != before[k]
        assert all(resumed[other] == before[other] for other in before if other != k)

        # Nothing was suggested for this one: all that is drawn is new, under the name it has.
        drawn = np.zeros(suggested.shape, np.uint8)
        drawn[100:120, 60:80, 1] = 1
        affine = nibabel.load(own / "drawn.nii.gz").affine
        nibabel.save(nibabel.Nifti1Image(drawn, affine), tmp_path / "drawn.nii.gz")
        saved = server.save_label("drawn", tmp_path / "drawn.nii.gz", ["vessel"])
        [part] = saved.json()["edit_report"]["slices"]
        assert (part["label"], part["change"], part["slice"]) == ("vessel", "new", 1)

        # The labelled studies are not offered; of the others the one without findings comes last.
        offered = server.post("/activelearning/weakest_evidence", json={}).json()
        assert [study["id"] for study in offered["order"]] == ["flipped", "quiet"]
        assert offered["id"] == "flipped"
        assert offered["order"][1]["evidence_strength"] is None
        assert offered["path"] == str(own / "flipped.nii.gz")

        # Bare voxels, as OHIF sends them; nothing changed, so nothing is said to be.
        bare = np.asarray(nibabel.load(again.file).dataobj).astype(np.uint8)
        (tmp_path / "label.bin").write_bytes(bare.tobytes(order="F"))
        saved = server.save_label("oblique", tmp_path / "label.bin", ["nodule"])
        changes = {finding["change"] for finding in saved.json()["edit_report"]["findings"]}
        assert changes == {"kept"}

        # Another image under the name of one before is looked at anew.
        (own / "quiet.nii.gz").write_bytes((studies / "quiet.nii.gz").read_bytes())
        assert server.infer("suggestion", "quiet", tmp_path).params["findings"] == []
        (own / "quiet.nii.gz").write_bytes((own / "oblique.nii.gz").read_bytes())
        assert server.infer("suggestion", "quiet", tmp_path).params["findings"]
    assert "Traceback" not in server.log.read_text()


def test_studies_with_weaker_evidence_come_first(server: LabelServer, tmp_path: Path) -> None:
    strengths = {}
    for study in ("oblique", "flipped"):
        findings = by_slice(server.infer("suggestion", study, tmp_path)).values()
        strengths[study] = np.mean(
            [
                max(0, f["evidence"]["preserved"] - f["evidence"]["deleted"])
                if f["status"].startswith("suggested")
                else 0
                for f in findings
            ]
        )
    offered = server.post("/activelearning/weakest_evidence", json={}).json()
    order = {study["id"]: study["evidence_strength"] for study in offered["order"]}
    assert [*order] == [*sorted(strengths, key=lambda s: (strengths[s], s)), "quiet"]
    for study, strength in strengths.items():
        assert order[study] == pytest.approx(strength)
