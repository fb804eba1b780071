"""Medical comparisons: the parts are kept apart, and the slices say what the volume says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import clinical
import nibabel as nib
import numpy as np
import organ_slices
import pytest
import torch

from medcontour.benchmark import read_folder

SHAPE, SPACING = (48, 40, 36), (1.5, 2.0, 3.0)


def write_volumes(folder: Path) -> np.ndarray:
    """CT and MR with one ball of the organ; turned to LPS, which the script has to undo."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"))
    ball = ((grid - np.array([30, 12, 20])[:, None, None, None]) ** 2).sum(0) < 100
    affine = np.diag([*SPACING, 1.0])
    for image, labels, names in organ_slices.VOLUMES.values():
        for name, values in ((image, ball * 200.0 - 100), (labels, ball * 5.0)):
            ras = nib.Nifti1Image(values.astype(np.float32), affine)
            turned = ras.as_reoriented(np.array([[0, -1], [1, -1], [2, 1]]))
            nib.save(turned, folder / f"{name}.nii.gz")
        (folder / f"{names}.json").write_text(json.dumps({"4": "gallbladder", "5": "liver"}))
    return ball


def test_slices_carry_the_volume_and_parts_never_touch(tmp_path: Path) -> None:
    ball = write_volumes(tmp_path)
    organ_slices.make_parts(tmp_path, "liver", tmp_path)
    places: dict[str, dict[str, list[int]]] = {}
    for part in ("train", "report"):
        data = read_folder(tmp_path / part)
        with (tmp_path / part / "labels.csv").open(newline="") as table:
            labels = {Path(row["file"]).stem: row["label"] for row in csv.DictReader(table)}
        assert len(data) == len(labels)
        for name in data.names:
            kind, plane, place = name.split("_")
            axis = organ_slices.PLANES[plane]
            own = ball.take(int(place), axis).T[::-1]  # the patient's right to the right, head up
            item = data.item(name)
            np.testing.assert_array_equal(item.truth(own.shape), own)
            assert labels[name] == ("organ" if own.any() else "no organ")
            across, up = (k for k in range(3) if k != axis)
            assert item.spacing == (SPACING[up], SPACING[across])
            places.setdefault(f"{kind} {plane}", {}).setdefault(part, []).append(int(place))
    assert len(places) == 6
    for parts in places.values():
        gaps = np.abs(np.subtract.outer(parts["train"], parts["report"]))
        assert gaps.min() >= 3


@pytest.mark.slow
def test_the_network_learns_from_labels_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organ_slices, "STEPS", 40)
    labels = torch.arange(16) % 2
    inputs = -torch.ones(16, 3, 96, 96)
    for k in range(1, 16, 2):
        inputs[k, :, 30 + k : 50 + k, 40 : 60 - k // 2] = 2.0
    network = organ_slices.train(inputs, labels)
    with torch.no_grad():
        assert (network(inputs).argmax(1) == labels).float().mean() > 0.9


@pytest.mark.shared_data
def test_reported_images_are_no_tuning_images_and_named_rightly(shared_data: Path) -> None:
    for make in (clinical.breast, clinical.brain):
        names = {part: set(make(shared_data, part, 6)[1].names) for part in ("tuning", "reported")}
        assert {len(some) for some in names.values()} == {6}
        assert not names["tuning"] & names["reported"]
    file = shared_data / "brain_mri" / "predictions_mobilenet_v1_0.5_160.csv"
    with file.open(newline="") as table:
        told = {
            Path(row["file"]).stem: (row["label"], row["pred"]) for row in csv.DictReader(table)
        }
    model, data = clinical.brain(shared_data, "reported", 12)
    assert model.labels == clinical.TUMOURS
    # Who made the network says of the same slices that it names them.
    assert sum(told[name][0] == told[name][1] for name in data.names) >= 11
    assert data.item(data.names[0]).spacing == (0.49, 0.49)
