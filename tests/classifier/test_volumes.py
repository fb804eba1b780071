"""Networks of volumes: what they take is found out, and each voxel's place is known exactly."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.data import PILReader
from monai.networks import nets
from monai.transforms import (
    CenterSpatialCrop,
    Compose,
    CropForeground,
    CropForegroundd,
    EnsureChannelFirst,
    EnsureChannelFirstd,
    Flip,
    Lambda,
    LoadImage,
    LoadImaged,
    Orientation,
    Orientationd,
    Resize,
    Resized,
    ResizeWithPadOrCrop,
    ResizeWithPadOrCropd,
    Rotate90,
    ScaleIntensityRanged,
    Spacing,
    Spacingd,
    SpatialPad,
    Transpose,
    Zoom,
)
from torch import nn
from volume_grids import AFFINES

from medcontour.classifier import (
    NetworkClassifier,
    Prepared,
    VolumeNetwork,
    load_classifier,
    takes_volumes,
)
from medcontour.errors import MedcontourError

SHAPE = (31, 26, 14)
TWO = ["no lesion", "lesion"]
Array = npt.NDArray[np.float64]


class Net(nn.Module):
    """(B, channels, D, H, W) to (B, 2)."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, 2, 3, padding=1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self.convolution(volumes).mean((2, 3, 4))
        return means


def classifier_of(steps: Any) -> VolumeNetwork:
    transforms = steps if callable(steps) else Compose([EnsureChannelFirst(), *steps])
    made = load_classifier(Net(), labels=TWO, preprocessing=transforms)
    assert isinstance(made, VolumeNetwork)
    return made


def ramps() -> list[npt.NDArray[np.float32]]:
    """Volumes of their own i, j and k, away from 0, which padding has."""
    return [axis.astype(np.float32) + 100 for axis in np.indices(SHAPE)]


def noise(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def placed(prepared: Prepared) -> Array:
    """(3, depth, height, width): the index (i, j, k) that each voxel of the input is at."""
    grid = np.indices(prepared.tensor.shape[1:]).reshape(3, -1)
    found = prepared.index_from_input @ np.vstack([grid, np.ones(grid.shape[1])])
    return np.asarray(found[:3].reshape(3, *prepared.tensor.shape[1:]))


def off_ramp(classifier: VolumeNetwork, affine_ras: Array) -> Array:
    """How far values are from where index_from_input says, in voxels, away from the border."""
    differences = []
    for axis, ramp in enumerate(ramps()):
        prepared = classifier.prepare_volume(ramp, affine_ras)
        place = placed(prepared)
        inside = np.all(
            [(own > 2) & (own < length - 3) for own, length in zip(place, SHAPE, strict=True)], 0
        )
        assert inside.sum() > 100
        values = prepared.tensor[0].numpy().astype(np.float64) - 100
        differences.append((values - place[axis])[inside])
    return np.concatenate(differences)


LINEAR = "bilinear"
EXACT: dict[str, Callable[[], list[Any]]] = {
    "nothing": lambda: [],
    "spacing": lambda: [Spacing((1.0, 1.0, 1.0), mode=LINEAR)],
    "spacing align_corners": lambda: [Spacing((1.0, 1.3, 2.0), mode=LINEAR, align_corners=True)],
    "orientation": lambda: [Orientation("RAS")],
    "orientation otherwise": lambda: [Orientation("SPL")],
    "resize": lambda: [Resize((24, 20, 20), mode="trilinear")],
    "resize align_corners": lambda: [Resize((24, 20, 20), mode="trilinear", align_corners=True)],
    "crop foreground": lambda: [CropForeground(select_fn=lambda x: x > 103, margin=1)],
    "pad or crop": lambda: [ResizeWithPadOrCrop((24, 30, 16))],
    "pad": lambda: [SpatialPad((40, 40, 17), method="end")],
    "crop": lambda: [CenterSpatialCrop((20, 19, 12))],
    "flip": lambda: [Flip((0, 2))],
    "rotate by 90": lambda: [Rotate90(1, (0, 2))],
    "transpose": lambda: [Transpose((0, 3, 1, 2))],
    "zoom": lambda: [Zoom(1.2, mode="trilinear", keep_size=False)],
    "bundle's usual": lambda: [
        Orientation("RAS"),
        Spacing((1.0, 1.0, 2.0), mode=LINEAR),
        CropForeground(select_fn=lambda x: x > 0),
        ResizeWithPadOrCrop((28, 30, 18)),
    ],
    "and another": lambda: [
        Spacing((1.1, 1.1, 1.1), mode=LINEAR),
        Orientation("LPS"),
        Resize((24, 24, 24), mode="trilinear"),
        Transpose((0, 3, 2, 1)),
    ],
}


@pytest.mark.parametrize("grid", AFFINES)
@pytest.mark.parametrize("name", EXACT)
def test_every_voxel_is_where_index_from_input_says(name: str, grid: str) -> None:
    off = off_ramp(classifier_of(EXACT[name]()), AFFINES[grid])
    assert np.abs(off).max() < 2e-3  # float32 of values about 130


def test_nearest_is_right_on_average() -> None:
    off = off_ramp(classifier_of([Resize((24, 20, 28), mode="nearest")]), AFFINES["oblique"])
    assert abs(off.mean()) < 0.02


@pytest.mark.parametrize("lazy", [False, True])
def test_a_bundles_dictionary_transforms(lazy: bool) -> None:
    steps = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", "RAS"),
            Spacingd("image", (1.0, 1.0, 2.0), mode=LINEAR),
            ScaleIntensityRanged("image", 0, 1, 0, 1),
            CropForegroundd(["image", "label"], "image", allow_missing_keys=True),
            Resized("image", (30, 28, 16), mode="trilinear"),
            ResizeWithPadOrCropd("image", (32, 32, 16)),
        ],
        lazy=lazy,
    )
    off = off_ramp(classifier_of(steps), AFFINES["oblique and flipped"])
    # Lazily MONAI resamples once where it crops and resizes, from other places along the way.
    assert np.abs(off).max() < 2e-3


def test_the_volume_is_what_load_image_gives(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    nib.save(nib.Nifti1Image(values, AFFINES["oblique"]), tmp_path / "a.nii.gz")
    loaded = LoadImage()(tmp_path / "a.nii.gz")
    seen: list[Any] = []

    def keep(image: Any) -> Any:
        seen.append(image)
        return image[None]

    classifier_of(keep).prepare_volume(values, AFFINES["oblique"])
    torch.testing.assert_close(seen[-1].as_tensor(), loaded.as_tensor())
    np.testing.assert_allclose(seen[-1].affine, loaded.affine, atol=1e-5)


def test_a_reader_told_to_turn_axes_round_is_refused() -> None:
    steps = Compose([LoadImage(PILReader(reverse_indexing=False)), EnsureChannelFirst()])
    with pytest.raises(MedcontourError, match="reverse_indexing"):
        classifier_of(steps).prepare_volume(ramps()[2], AFFINES["oblique"])


def test_without_preprocessing_slices_rows_columns_from_0_to_1() -> None:
    made = load_classifier(Net(), labels=TWO)
    assert takes_volumes(made)
    prepared = made.prepare_volume(ramps()[0], np.eye(4))
    assert prepared.tensor.shape == (1, *SHAPE[::-1])
    assert (float(prepared.tensor.min()), float(prepared.tensor.max())) == (0.0, 1.0)
    assert np.allclose(placed(prepared)[0], 30 * prepared.tensor[0].numpy(), atol=1e-5)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "DenseNet": lambda: nets.DenseNet(3, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1)),
    "ResNet": lambda: nets.ResNet(
        "basic", [1, 1, 1, 1], [4, 8, 8, 8], n_input_channels=1, num_classes=2
    ),
    "SEResNet": lambda: nets.SENet(
        3, 1, "se_bottleneck", [1, 1, 1, 1], 4, 2, inplanes=16, num_classes=2, dropout_prob=None
    ),
    "ViT": lambda: _only_scores(nets.ViT(1, 32, 16, 32, 64, 1, 2, classification=True)),
}


class _only_scores(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.network(volumes)[0]
        return scores


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_volumes_are_told_from_networks_of_planes(name: str) -> None:
    made = load_classifier(NETWORKS[name]())
    assert takes_volumes(made)
    assert len(made.labels) == 2
    prepared = made.prepare_volume(noise(32, 32, 32), np.eye(4))
    assert made.score(prepared.tensor[None]).shape == (1, 2)
    with pytest.raises(MedcontourError, match="takes volumes"):
        made.prepare(np.zeros((32, 32), np.float32), (1.0, 1.0))


@pytest.mark.parametrize("frozen", [False, True])
def test_torchscript(frozen: bool, tmp_path: Path) -> None:
    script = torch.jit.script(NETWORKS["DenseNet"]().eval())
    torch.jit.save(torch.jit.freeze(script) if frozen else script, tmp_path / "net.ts")
    made = load_classifier(tmp_path / "net.ts", labels=TWO)
    assert takes_volumes(made)
    prepared = made.prepare_volume(noise(24, 24, 16), np.eye(4))
    assert made.score(prepared.tensor[None]).shape == (1, 2)


def test_a_network_of_planes_is_none_of_volumes() -> None:
    planes = nets.DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(1, 1))
    assert not takes_volumes(load_classifier(planes, labels=TWO))
    both = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    both.register_parameter("other", nn.Parameter(torch.zeros(1, 1, 1, 1, 1)))
    assert type(load_classifier(both, labels=TWO)) is NetworkClassifier


def test_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "models").mkdir()
    arguments = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_features": 8}
    arguments |= {"growth_rate": 4, "block_config": [1, 1]}
    torch.save(nets.DenseNet(**arguments).state_dict(), tmp_path / "models" / "model.pt")
    steps = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
        {"_target_": "Spacingd", "keys": "image", "pixdim": [1, 1, 2]},
        {"_target_": "ResizeWithPadOrCropd", "keys": "image", "spatial_size": [32, 32, 16]},
    ]
    config = {
        "network_def": {"_target_": "DenseNet", **arguments},
        "preprocessing": {"_target_": "Compose", "transforms": steps},
    }
    (tmp_path / "configs" / "inference.json").write_text(json.dumps(config))
    names = {"outputs": {"pred": {"channel_def": {"0": "no nodule", "1": "nodule"}}}}
    metadata = {"name": "nodules", "network_data_format": names}
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    made = load_classifier(tmp_path)
    assert takes_volumes(made)
    assert made.labels == ("no nodule", "nodule")
    assert made.prepare_volume(ramps()[0], AFFINES["flipped"]).tensor.shape == (1, 32, 32, 16)


def test_three_channels_of_one() -> None:
    made = load_classifier(Net(channels=3), labels=TWO)
    assert takes_volumes(made)
    tensor = made.prepare_volume(ramps()[0], np.eye(4)).tensor
    assert len(tensor) == 3
    assert torch.equal(tensor[0], tensor[2])


def refused(network: nn.Module, transforms: Any, volume: Any, message: str) -> None:
    made = load_classifier(network, labels=TWO, preprocessing=transforms)
    assert takes_volumes(made)
    with pytest.raises(MedcontourError, match=message):
        made.prepare_volume(volume, np.eye(4))


def test_what_does_not_fit_is_said() -> None:
    volume = ramps()[0]
    first = EnsureChannelFirst()
    refused(Net(channels=4), first, volume, "takes 4 channel")
    refused(Net(), Resize((8, 8, 8)), volume, "needs channels first")
    refused(Net(), lambda image: image, volume, "not \\(channels, depth, height, width\\)")
    moving = Compose([first, Lambda(lambda x: x[..., ::2])])
    refused(Net(), moving, volume, "changes the volume .* without saying where")
    nan = volume.copy()
    nan[3, 3, 3] = np.nan
    refused(Net(), first, nan, "The volume holds nan")
    fixed = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(1024, 2))
    refused(fixed, first, volume, "does not take an input of shape")


@pytest.mark.parametrize("scripted", [False, True])
def test_too_large_a_volume_is_refused_before_the_network_runs(
    scripted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network: Any = NETWORKS["DenseNet"]().eval()
    runs: list[Any] = []
    if scripted:
        network = torch.jit.script(network)
    else:
        network.register_forward_pre_hook(
            lambda _, given: runs.append(given) if given[0].device.type != "meta" else None
        )
    steps = Compose([EnsureChannelFirst(), Resize((192, 192, 192))])
    made = load_classifier(network, labels=TWO, preprocessing=steps)
    assert takes_volumes(made)
    monkeypatch.setenv("MEDCONTOUR_MEMORY", "1G")
    with pytest.raises(MedcontourError) as raised:
        made.prepare_volume(ramps()[0], np.eye(4))
    text = str(raised.value)
    for said in ("192 x 192 x 192 voxels", "1 GB allowed", "MEDCONTOUR_MEMORY", "Resize"):
        assert said in text
    assert not runs


def test_memory_is_told_as_it_is_taken() -> None:
    """What is kept for gradients, by the meta device and by running the network."""
    from medcontour.classifier.volume_memory import kept_bytes

    for name, network in itertools.islice(((n, make()) for n, make in NETWORKS.items()), 3):
        kept: dict[int, torch.Tensor] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, torch.Tensor] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.detach()
            return tensor

        network.eval().requires_grad_(False)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(torch.zeros(1, 1, 32, 32, 32, requires_grad=True))
        real = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
        told = kept_bytes(network, (1, 32, 32, 32))
        assert told == pytest.approx(real, rel=0.02), name
