"""The bundle of volumes: it loads as any MONAI bundle, and its scores and places are right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.bundle import ConfigParser, verify_net_in_out

import medcontour as mc
from medcontour.classifier import VolumeNetwork
from medcontour.contour import VolumeGeometry

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
BUNDLE = SAMPLE / "nodule_volume_classifier"
sys.path.insert(0, str(SAMPLE))

import make_sample  # noqa: E402
from phantom import Thorax  # noqa: E402

Voxels = npt.NDArray[np.float32]
SPACING = (4.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def classifier() -> VolumeNetwork:
    made = mc.load_classifier(BUNDLE)
    assert isinstance(made, VolumeNetwork)
    return made


@pytest.fixture(scope="module")
def again() -> Thorax:
    """The sample study's phantom, made again."""
    return make_sample.study()


@pytest.fixture(scope="module")
def affine() -> npt.NDArray[np.float64]:
    return np.asarray(nib.load(SAMPLE / "truth" / "nodules.nii.gz").affine)


def on_file_axes(volume: npt.NDArray[np.generic]) -> Voxels:
    return np.ascontiguousarray(volume.transpose(2, 1, 0), dtype=np.float32)


def score(
    classifier: VolumeNetwork, volume: npt.NDArray[np.int16], affine: npt.NDArray[np.float64]
) -> float:
    prepared = classifier.prepare_volume(on_file_axes(volume), affine)
    with torch.no_grad():
        return float(classifier.score(prepared.tensor[None])[0, 1])


def test_it_is_a_small_bundle_that_runs_no_code_of_its_own() -> None:
    weights = BUNDLE / "models" / "model.pt"
    assert weights.stat().st_size < 6e6
    state = torch.load(weights, weights_only=True)
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float16}
    assert "$" not in (BUNDLE / "configs" / "inference.json").read_text()
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        config_file=str(BUNDLE / "configs" / "inference.json"),
    )


def test_monai_by_itself_gives_the_same_of_the_same_files(classifier: VolumeNetwork) -> None:
    """Loading included: the series' files through the bundle's own preprocessing and network."""
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "inference.json"))
    prepared = parser.get_parsed_content("preprocessing")({"image": str(SAMPLE / "ct_study")})
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(BUNDLE / "models" / "model.pt", weights_only=True))
    with torch.no_grad():
        logits = network.eval()(prepared["image"].as_tensor()[None])[0]
    grid = mc.read_scan(SAMPLE / "ct_study").grid
    assert grid is not None
    voxels = grid.from_scan(mc.read_scan(SAMPLE / "ct_study").voxels)
    ours = classifier.prepare_volume(voxels.astype(np.float32), grid.affine_ras)
    torch.testing.assert_close(ours.tensor, prepared["image"].as_tensor(), atol=1e-4, rtol=0)
    with torch.no_grad():
        scored = classifier.score(ours.tensor[None])[0, 1]
    assert float(scored) == pytest.approx(float(logits[1] - logits[0]), abs=1e-3)


def test_the_sample_study_is_positive_and_its_twin_without_nodules_is_not(
    classifier: VolumeNetwork, again: Thorax, affine: npt.NDArray[np.float64]
) -> None:
    with_nodules = score(classifier, again.ct, affine)
    without = score(classifier, again.without_nodules, affine)
    assert with_nodules > 0 > without
    recorded = json.loads((BUNDLE / "docs" / "evaluation.json").read_text())["sample"]
    assert with_nodules == pytest.approx(recorded["log_odds"], abs=0.05)
    assert without == pytest.approx(recorded["without"], abs=0.05)


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, -1)])
def test_every_voxel_of_the_input_is_where_it_is_said_to_be(
    classifier: VolumeNetwork, flip: tuple[int, int, int]
) -> None:
    shape = (150, 140, 38)
    affine = np.diag([2.1, 1.9, 4.6, 1.0]) @ np.diag([*flip, 1.0])
    for axis, ramp in enumerate(np.indices(shape).astype(np.float32)):
        prepared = classifier.prepare_volume(5 * ramp - 900, affine)
        grid = np.indices(prepared.tensor.shape[1:]).reshape(3, -1)
        place = (prepared.index_from_input @ np.vstack([grid, np.ones(grid.shape[1])]))[:3]
        inside = np.all([(p >= 0) & (p <= n - 1) for p, n in zip(place, shape, strict=True)], 0)
        value = prepared.tensor[0].numpy().ravel().astype(np.float64) * 1100 - 1000
        assert inside.sum() > 10_000
        assert np.abs((value + 900) / 5 - place[axis])[inside].max() < 2e-3


def test_the_page_says_what_was_measured() -> None:
    record = json.loads((BUNDLE / "docs" / "evaluation.json").read_text())
    page = (BUNDLE / "docs" / "README.md").read_text()
    held = record["held_out"]
    for name in ("auc", "sensitivity", "specificity", "inside"):
        assert held[name]["low"] <= held[name]["value"] <= held[name]["high"]
        assert f"{held[name]['value']:.2f} ({held[name]['low']:.2f}" in page


@pytest.mark.slow
def test_its_evidence_lies_in_a_nodule_of_the_sample_study(
    classifier: VolumeNetwork, again: Thorax, affine: npt.NDArray[np.float64]
) -> None:
    prepared = classifier.prepare_volume(on_file_axes(again.ct), affine)
    explain = mc.ExtremalContours(classifier.score, outputs="sigmoid", pixel_spacing=SPACING)
    fit = explain.fit(prepared.tensor[None], target=1)
    grid = VolumeGeometry(*prepared.tensor.shape[1:], SPACING)
    index = grid.to_index(fit.contours.center.double())[0].numpy()[::-1]
    i, j, k = np.round(prepared.index_from_input @ [*index, 1.0])[:3].astype(int)
    assert again.labels[k, j, i] > 0
