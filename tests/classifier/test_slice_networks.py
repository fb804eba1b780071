"""Networks that score a stack from its slices: found out, and explained by the pooled score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.networks import nets
from monai.transforms import (
    Compose,
    EnsureChannelFirst,
    Orientation,
    ScaleIntensityRange,
    Spacing,
    Transpose,
)
from torch import Tensor, nn

import medcontour as mc
from medcontour.classifier import (
    Classifier,
    NetworkClassifier,
    SliceNetwork,
    VolumeNetwork,
    load_classifier,
    takes_volumes,
)
from medcontour.contour import VolumeGeometry
from medcontour.errors import MedcontourError
from medcontour.explain import Perturbation, ScoreObjective

SLICES, ROWS, COLUMNS = 12, 48, 40
PATCH = np.s_[10:20, 24:34]
SPACING = (5.0, 1.0, 1.0)
TWO = ["no lesion", "lesion"]


class BrightPixels(nn.Module):
    """(M, 1, H, W) to (M, 1): how much is brighter than a half after a small blur."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 9)

    def forward(self, slices: Tensor) -> Tensor:
        return torch.relu(self.blur(slices) - 0.5).flatten(1).sum(1, keepdim=True) / 20


def pooled(mode: str) -> nets.MILModel:
    """MONAI's network of multiple instances whose score is known: bright pixels, pooled."""
    network = nets.MILModel(1, mode, False, BrightPixels(), 1)
    with torch.no_grad():
        network.myfc.weight.fill_(6.0)
        network.myfc.bias.fill_(-6.0)
        if mode == "att":
            for layer, weight in ((network.attention[0], 1.0), (network.attention[2], 5 / 2048)):
                layer.weight.fill_(weight)
                layer.bias.zero_()
    return network


def stack(*bright: int) -> Tensor:
    """(slices, rows, columns) of noise with a patch on some slices."""
    made = 0.1 * torch.randn(SLICES, ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    for number in bright:
        made[number][PATCH] += 1
    return made


def as_file(volume: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return volume.permute(2, 1, 0).contiguous().numpy()


AS_IS = Compose([EnsureChannelFirst(), Transpose((0, 3, 2, 1))])


class Reshaping(nn.Module):
    """(B, channels, slices, H, W) or (B, slices, channels, H, W) to (B, 2), by layers of planes."""

    def __init__(self, slices_first: bool, channels: int = 3) -> None:
        super().__init__()
        self.slices_first = slices_first
        self.features = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(4, 2)

    def forward(self, stack: Tensor) -> Tensor:
        bags = stack if self.slices_first else stack.transpose(1, 2)
        features = self.features(bags.flatten(0, 1)).reshape(bags.shape[0], bags.shape[1], -1)
        scores: Tensor = self.head(features).amax(1)
        return scores


@pytest.mark.parametrize("mode", ["max", "mean", "att"])
def test_a_network_that_pools_over_slices_takes_volumes(mode: str) -> None:
    network = pooled(mode)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = load_classifier(network, labels=["lesion"], preprocessing=AS_IS)
    assert type(made) is SliceNetwork
    assert takes_volumes(made)
    volume = stack(5, 6)
    prepared = made.prepare_volume(as_file(volume), np.eye(4))
    assert torch.equal(prepared.tensor[0], volume)
    with torch.no_grad():
        own = network(volume[None, :, None])
    assert made.score(prepared.tensor[None]).numpy() == pytest.approx(own.numpy())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with pytest.raises(MedcontourError, match="takes volumes"):
        made.prepare(np.zeros((32, 32), np.float32), (1.0, 1.0))


@pytest.mark.parametrize("slices_first", [True, False])
@pytest.mark.parametrize("scripted", [False, True])
def test_which_axis_holds_the_slices_is_found_out(
    slices_first: bool, scripted: bool, tmp_path: Path
) -> None:
    network: Any = Reshaping(slices_first).eval()
    if scripted:
        torch.jit.save(torch.jit.script(network), tmp_path / "net.ts")
        made: Classifier = load_classifier(tmp_path / "net.ts")
    else:
        made = load_classifier(network)
    assert type(made) is (SliceNetwork if slices_first else VolumeNetwork)
    assert made.labels == ("class 0", "class 1")
    assert takes_volumes(made)
    prepared = made.prepare_volume(as_file(stack(3)), np.eye(4))
    assert prepared.tensor.shape == (3, SLICES, ROWS, COLUMNS)  # one grey channel repeated
    assert made.score(prepared.tensor[None]).shape == (1, 2)


def test_networks_of_planes_stay_so() -> None:
    for network in (
        nets.DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1)),
        nets.ViT(1, (32, 32), (16, 16), 32, 64, 1, 2, num_classes=2, spatial_dims=2),
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ):
        assert type(load_classifier(network, labels=TWO)) is NetworkClassifier


@pytest.mark.parametrize("network", [Reshaping(True, 1), Reshaping(False, 1), pooled("max")])
def test_where_planes_are_meant_a_network_that_pools_over_slices_is_refused(
    network: nn.Module,
) -> None:
    made = NetworkClassifier(network, TWO, preprocessing=EnsureChannelFirst())
    with pytest.raises(MedcontourError, match="pools over slices"):
        made.prepare(np.zeros((32, 32), np.float32), (1.0, 1.0))


def test_a_voxel_of_the_bag_is_where_index_from_input_says() -> None:
    steps = Compose(
        [
            EnsureChannelFirst(),
            Orientation("RAS"),
            Spacing((1.0, 1.3, 4.0), mode="bilinear"),
            ScaleIntensityRange(0, 1, 0, 1),
            Transpose((0, 3, 1, 2)),
        ]
    )
    made = load_classifier(pooled("max"), labels=["lesion"], preprocessing=steps)
    assert takes_volumes(made)
    affine = np.diag([-0.8, 1.1, 2.5, 1.0])
    shape = (31, 26, 14)
    for axis, ramp in enumerate(np.indices(shape).astype(np.float32)):
        prepared = made.prepare_volume(ramp + 100, affine)
        grid = np.indices(prepared.tensor.shape[1:]).reshape(3, -1)
        place = (prepared.index_from_input @ np.vstack([grid, np.ones(grid.shape[1])]))[:3]
        inside = np.all([(p > 2) & (p < n - 3) for p, n in zip(place, shape, strict=True)], 0)
        off = prepared.tensor[0].numpy().ravel() - 100 - place[axis]
        assert inside.sum() > 100
        assert np.abs(off[inside]).max() < 2e-3


def test_a_bag_too_large_for_memory_is_refused_before_the_network_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features = nn.Sequential(
        *(nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3), nn.AdaptiveAvgPool2d(1))
    )
    network = nets.MILModel(2, "att", False, features, 8)
    made = load_classifier(network, labels=TWO, preprocessing=AS_IS)
    assert takes_volumes(made)
    network.register_forward_pre_hook(
        lambda _, given: pytest.fail("it ran") if given[0].device.type != "meta" else None
    )
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "17M")
    with pytest.raises(MedcontourError, match="12 x 48 x 40 voxels"):
        made.prepare_volume(as_file(stack(5)), np.eye(4))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["max", "mean", "att"])
def test_the_surface_lies_on_the_two_slices_with_a_patch_and_on_the_patch(mode: str) -> None:
    made = load_classifier(pooled(mode), labels=["lesion"], preprocessing=AS_IS)
    assert takes_volumes(made)
    volume = stack(5, 6)
    tensor = made.prepare_volume(as_file(volume), np.eye(4)).tensor[None]
    explain = mc.ExtremalContours(made.score, outputs="sigmoid", pixel_spacing=SPACING)
    fit = explain.fit(tensor, target=0)
    grid = VolumeGeometry(SLICES, ROWS, COLUMNS, SPACING)
    inside = fit.contours.contains(grid.voxel_centres())[0].numpy()
    assert np.flatnonzero(inside.any((1, 2))).tolist() == [5, 6]
    truth = np.zeros_like(inside)
    truth[5:7][(slice(None), *PATCH)] = True
    assert 2 * (inside & truth).sum() / (inside.sum() + truth.sum()) > 0.7
    assert float(fit.preserved) > 0.9
    assert float(fit.deleted) < 0.1


@pytest.mark.slow
def test_suggest_finds_the_two_slices_and_the_patch_on_them(tmp_path: Path) -> None:
    body = torch.zeros(SLICES, ROWS, COLUMNS)
    body[:, 4:44, 4:36] = 0.2
    scan = tmp_path / "stack.nii.gz"
    volume = as_file(body + stack(5, 6))
    nib.save(nib.Nifti1Image(volume, np.diag([*SPACING[::-1], 1.0])), scan)
    classifier = load_classifier(pooled("att"), labels=["lesion"], preprocessing=AS_IS)
    (finding,) = mc.suggest(scan, classifier)
    assert finding.suggested
    assert [part.slice for part in finding.slices] == [5, 6]
    assert finding.evidence_surface is not None
    assert finding.evidence_surface.volume_mm3 == pytest.approx(2 * 100 * SPACING[0], rel=0.3)
    read = mc.read_scan(scan)
    assert read.grid is not None
    truth = np.zeros((SLICES, ROWS, COLUMNS), bool)
    truth[5:7][(slice(None), *PATCH)] = True
    truth = np.asarray(read.grid.to_scan(truth.transpose(2, 1, 0)))
    mask = finding.mask(read, "evidence")
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["max", "mean", "att"])
def test_slices_apart_are_explained_one_by_one_through_the_pooled_score(mode: str) -> None:
    """As docs/how-to/choose-a-classifier.md shows it."""
    network, slices = pooled(mode), stack(3, 9)[:, None]

    def by_itself(inputs: Tensor, which: Tensor, ground: Tensor) -> Tensor:
        bags = ground.repeat(len(inputs), 1, 1, 1, 1)
        bags[torch.arange(len(inputs)), which] = inputs
        scores: Tensor = network(bags)[:, 0]
        return scores

    explain = mc.ExtremalContours(
        network,
        background="mean",
        objective=lambda images, ground: ScoreObjective(
            lambda inputs, which: by_itself(inputs, which, ground), images, ground
        ),
    )
    fit = explain.fit(slices)
    assert fit.original_score is not None
    assert fit.background_score is not None
    gained = (fit.original_score - fit.background_score).numpy()
    assert sorted(np.argsort(gained)[-2:].tolist()) == [3, 9]
    assert gained[[3, 9]].min() > 100 * np.delete(gained, [3, 9]).max()
    points = Perturbation.of_images(slices, slices).points
    inside = (fit.contours.mask(points) > 0.5).numpy()
    truth = np.zeros((ROWS, COLUMNS), bool)
    truth[PATCH] = True
    for number in (3, 9):
        assert 2 * (inside[number] & truth).sum() / (inside[number].sum() + truth.sum()) > 0.7
