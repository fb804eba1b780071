"""Nothing that a workspace keeps or says tells who a patient is, whatever studies are called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

import medcontour as mc
from medcontour.workspace import Setup, Workspace, summary

NAMES = ("mueller_juergen_1961-02-03", "47110815")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_and_said_names_nobody(
    name: str, studies: Path, setup: Setup, suggestion: mc.Suggestion, tmp_path: Path
) -> None:
    image = tmp_path / f"{name}.nii.gz"
    image.write_bytes((studies / "spot.nii.gz").read_bytes())
    workspace = Workspace(tmp_path / "kept", setup, lambda study: tmp_path / f"{study}.nii.gz")
    replace(suggestion, source=mc.read_scan(image)).save(workspace.folder(name), [])
    said = [json.dumps(summary(workspace.suggestion(name)))]
    painted = np.zeros(nibabel.load(image).shape, np.uint8)
    painted[30:50, 8:28, 1] = 1
    label = tmp_path / f"{name}_edit.nii.gz"
    nibabel.save(nibabel.Nifti1Image(painted, nibabel.load(image).affine), label)
    workspace.take_over(name, label, names=["spot"])
    said.append(json.dumps(workspace.edit_report(name)))
    said.append(json.dumps(summary(workspace.after_edit(name))))
    label.write_bytes(b"\x1f\x8bno volume")
    with pytest.raises(mc.MedcontourError) as refused:
        workspace.take_over(name, label)
    said.append(str(refused.value))
    kept = tmp_path / "kept"
    for path in kept.rglob("*"):
        said.append(str(path.relative_to(kept)))
        if path.is_file() and path.name != "salt":
            said.append(path.read_bytes().decode("latin-1"))
    assert not [word for word in name.split("_") for text in said if word in text]


def test_the_same_study_has_another_digest_elsewhere(setup: Setup, tmp_path: Path) -> None:
    here, again, there = (
        Workspace(tmp_path / folder, setup, Path).folder("Li") for folder in ("a", "a", "b")
    )
    assert here == again
    assert here.name != there.name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../spot", "a/b", "a\\b", "C:b", "a\0b", "x" * 999]
)
def test_no_name_leads_out_of_the_workspace(setup: Setup, tmp_path: Path, name: str) -> None:
    folder = Workspace(tmp_path, setup, Path).folder(name)
    assert folder.parent == tmp_path
    assert folder.name.isalnum()
