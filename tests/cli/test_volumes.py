"""`medcontour suggest` with a classifier of volumes, as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from planted_stacks import write_nifti
from planted_volumes import BrightVoxels
from small_files import Answer
from volume_grids import AFFINES

SHAPE = (28, 24, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    write_nifti(folder / "scan.nii.gz", AFFINES["flipped"], SHAPE, np.array([16.0, 11.0, 5.4]))
    torch.jit.save(torch.jit.script(BrightVoxels()), folder / "network.ts")
    return folder


def test_a_surface_from_the_command_line(folder: Path, medcontour: Callable[..., Answer]) -> None:
    command = ("suggest", folder / "scan.nii.gz", "--classifier", folder / "network.ts")
    answer = medcontour(*command, "--labels", "nodule", "--out", folder / "out", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    [finding] = said["findings"]
    assert finding["evidence_volume_mm3"] > 0
    assert finding["volume_mm3"] > 0
    assert "surfaces" in said["files"]
    assert any("whole stack as one input" in note for note in said["notes"])
    assert (folder / "out" / "surfaces" / "nodule_1_evidence.stl").is_file()
    label_map = nib.load(folder / "out" / "labelmap.nii.gz")
    assert 0 < np.asarray(label_map.dataobj).sum() < np.prod(SHAPE) / 4
    # What was written can be converted later, as any suggestion.
    answer = medcontour("convert", folder / "out", "--to", "surfaces", "--out", folder / "meshes")
    assert answer.code == 0, answer.err
    assert (folder / "meshes" / "nodule_1_evidence.vtp").is_file()


def test_nothing_found_and_what_is_refused(folder: Path, medcontour: Callable[..., Answer]) -> None:
    empty = folder / "empty.nii.gz"
    image = nib.load(folder / "scan.nii.gz")
    ramp = np.linspace(0, 1, np.prod(SHAPE)).reshape(SHAPE) < 1e-3
    nib.save(nib.Nifti1Image(ramp.astype(np.float32), image.affine), empty)
    command = ("suggest", empty, "--classifier", folder / "network.ts", "--labels", "nodule")
    answer = medcontour(*command, "--out", folder / "nothing")
    assert answer.code == 0, answer.err
    assert "the score of the stack for nodule is" in answer.out
    answer = medcontour(*command, "--out", folder / "refused", "--slices", "3:5")
    assert answer.code == 1
    assert "the setting slices has no meaning" in answer.err
    assert answer.err.count("\n") <= 3
