"""What a classifier of volumes does not work with: one sentence each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.networks.nets import DenseNet
from PIL import Image
from planted_stacks import AT, SHAPE, suggested, usual_classifier, write_nifti
from volume_grids import affine

import medcontour as mc
from medcontour.errors import MedcontourError
from medcontour.scan import read_scan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"slices": "3:5"}, "the setting slices has no meaning"),
        ({"contours": 2}, "the setting contours has no meaning"),
        ({"area_mm2": 300.0}, "the setting area_mm2 has no meaning"),
        ({"most_seconds": 30.0}, "the setting most_seconds has no meaning"),
        ({"outline": "learned:own.pt"}, "the setting outline has no meaning"),
        ({"most_evaluations": 3.0}, "too few"),
        ({"background": "inpaint"}, "filled in from its surroundings"),
    ],
)
def test_settings_that_volumes_do_not_have_are_refused(
    settings: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(MedcontourError, match=message):
        suggested(tmp_path, "anisotropic", **settings)


def refused(scan: Any, message: str, classifier: Any = None) -> None:
    with pytest.raises(MedcontourError, match=message):
        mc.suggest(scan, classifier or usual_classifier())


def test_scans_that_are_no_stacks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.arange(32 * 32).reshape(32, 32).astype(np.uint8)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "the scan is one image")
    write_nifti(tmp_path / "scan.nii.gz", affine(), SHAPE, AT)
    scan = read_scan(tmp_path / "scan.nii.gz")
    refused(replace(scan, grid=None), "the scan says no place in the patient")
    refused(replace(scan, regular=False), "not evenly spaced")
    refused(replace(scan, voxels=np.stack([scan.voxels] * 3, -1)), "the scan has colour")


def test_too_large_a_volume_is_one_sentence_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nifti(tmp_path / "scan.nii.gz", affine(), SHAPE, AT)
    scan = read_scan(tmp_path / "scan.nii.gz")
    network = DenseNet(3, 1, 2, block_config=(2, 2))
    runs: list[Any] = []
    network.register_forward_pre_hook(
        lambda _, given: runs.append(given) if given[0].device.type != "meta" else None
    )
    classifier = mc.load_classifier(network, labels=["no lesion", "lesion"])
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "12M")
    refused(scan, "16 x 32 x 40 voxels would take about .* more than the 12 MB", classifier)
    assert not runs


def test_what_works_on_planes_refuses_a_classifier_of_volumes(tmp_path: Path) -> None:
    write_nifti(tmp_path / "scan.nii.gz", affine(), SHAPE, AT)
    scan, classifier = read_scan(tmp_path / "scan.nii.gz"), usual_classifier()
    for attempt in (
        lambda: mc.contour_map(scan, classifier, 7),
        lambda: mc.robustness(scan, classifier, 7),
        lambda: mc.snap(scan, classifier, {7: scan.to_lps([[5, 5], [9, 5], [5, 9]], 7)}),
    ):
        with pytest.raises(MedcontourError, match="takes volumes"):
            attempt()
