"""What is kept for a study, and when it is looked at anew."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import planted
import pytest
from export_cases import with_slices

import medcontour as mc
from medcontour.workspace import Setup, Workspace, evidence_strength, weakest_first


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every scan that a workspace looks at."""
    seen: list[str] = []
    own = Workspace.suggest

    def counted(self: Workspace, scan: mc.Scan, progress: object = None) -> mc.Suggestion:
        seen.append(Path(scan.source).name)
        return own(self, scan)

    monkeypatch.setattr(Workspace, "suggest", counted)
    return seen


def _content(suggestion: mc.Suggestion | None) -> str:
    """All of it but where its scan is, which is written as seen from the folder it is kept in."""
    assert suggestion is not None
    return replace(suggestion, settings=suggestion.settings | {"scan": None}).to_json()


def _edit(suggestion: mc.Suggestion, path: Path) -> None:
    """Save the suggestion's label map with a few columns more."""
    assert suggestion.source is not None
    mc.export(suggestion.for_export(), suggestion.source, "labelmap", path)
    image = nibabel.load(path)
    voxels = np.asarray(image.dataobj).copy()
    i, j, k = np.argwhere(voxels).max(0)
    voxels[i - 2 : i + 3, j - 6 : j + 1, k] = 1
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), path)


def test_a_study_is_looked_at_once_while_nothing_changes(
    workspace: Workspace, studies: Path, looked_at: list[str]
) -> None:
    first, again = workspace.suggestion("spot"), workspace.suggestion("spot")
    assert looked_at == ["spot.nii.gz"]
    assert first.slices
    assert _content(again) == _content(first)
    assert again.source is not None
    assert again.source.source == str(studies / "spot.nii.gz")


@pytest.mark.parametrize("what", ["settings", "images", "damaged"])
def test_a_study_is_looked_at_anew_where_something_did(
    workspace: Workspace, studies: Path, looked_at: list[str], what: str
) -> None:
    workspace.suggestion("quiet")
    if what == "settings":
        workspace.setup = Setup(workspace.setup.classifier, mc.Settings(seed=1))
    elif what == "images":
        kept = (workspace.folder("quiet") / "suggestion.json").stat().st_mtime_ns
        os.utime(studies / "quiet.nii.gz", ns=(kept + 1, kept + 1))
    else:
        (workspace.folder("quiet") / "suggestion.json").write_text("{")
    workspace.suggestion("quiet")
    assert looked_at == ["quiet.nii.gz"] * 2


def test_an_edit_is_measured_kept_and_searched_on_from(
    suggested: Workspace, suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    workspace, before = suggested, suggested.suggestion("spot")
    assert _content(before) == _content(suggestion)
    assert workspace.edit_report("spot") is None
    with pytest.raises(mc.MedcontourError, match="nothing to start from"):
        workspace.after_edit("spot")
    _edit(suggestion, tmp_path / "edit.nii.gz")
    refined = workspace.take_over("spot", tmp_path / "edit.nii.gz", names=["spot"])
    assert refined.report.changed
    assert workspace.edit_report("spot") == json.loads(refined.report.to_json())
    assert mc.Suggestion.read_json(workspace.folder("spot") / "edited").edited
    assert _content(workspace.kept("spot")) == _content(before)  # the suggestion stays

    after = workspace.after_edit("spot")
    assert not after.edited
    assert [p.slice for p in after.slices] == [p.slice for p in before.slices]
    assert _content(after) != _content(before)
    assert _content(workspace.suggestion("spot")) == _content(after)


def test_names_that_come_apart_from_a_label_map_are_its_values(
    workspace: Workspace, suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    """Nothing was suggested: all that is drawn is new, under the name it has."""
    _edit(suggestion, tmp_path / "edit.nii.gz")
    (tmp_path / "edit.txt").unlink()
    assert workspace.kept("quiet") is None
    name = 'the "vessel"'
    report = workspace.take_over("quiet", tmp_path / "edit.nii.gz", names=[name]).report
    assert [(f.label, f.change) for f in report.slices] == [(name.replace('"', "'"), "new")]


def test_an_edit_that_cannot_be_read_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "edit.nii.gz").write_bytes(b"\x1f\x8bno volume")
    with pytest.raises(mc.MedcontourError):
        workspace.take_over("quiet", tmp_path / "edit.nii.gz", names=["spot"])
    assert workspace.edit_report("quiet") is None


def test_studies_with_weaker_evidence_come_first_and_those_without_findings_last(
    suggested: Workspace,
) -> None:
    workspace = suggested
    order = weakest_first(workspace, ["quiet", "spot", "absent"], most_new=0)
    assert (list(order.strengths), order.not_looked_at) == (["spot"], 2)
    order = weakest_first(workspace, ["quiet", "spot"])
    assert list(order.strengths) == ["spot", "quiet"]
    assert order.strengths["quiet"] is None
    spot = workspace.suggestion("spot")
    [part] = spot.slices
    assert part.evidence is not None
    strength = part.evidence.preserved - part.evidence.deleted
    assert order.strengths["spot"] == pytest.approx(strength)
    weak = with_slices(spot, workspace.scan("spot"), replace(part, status="collapsed"))
    assert evidence_strength(weak) == 0.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (mc.Settings(target="lung"), 'no class "lung"'),
        (mc.Settings(most_evaluations=5), "cannot be done in 5"),
        (mc.Settings(most_seconds=0.5), "cannot be done in 0.5"),
    ],
)
def test_what_no_study_could_be_looked_at_with_is_refused(settings: mc.Settings, said: str) -> None:
    with pytest.raises(mc.MedcontourError, match=said):
        Setup(planted.classifier(planted.Spots()), settings)
