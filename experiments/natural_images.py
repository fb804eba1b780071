"""Explanation methods on photographs, with small networks that come as files.

    python experiments/natural_images.py DATA --kind imagenet --images 100 --out OUT
    python experiments/natural_images.py DATA --randomise --images 10 --out OUT
    python experiments/natural_images.py DATA --without OUT/images.csv --area-weight 3 --out OTHER

DATA holds ``imagenet_val`` or ``coco``, and ``classifiers`` with ``squeezenet1_0_dc.safetensors``
(torchvision's SqueezeNet 1.0 with a padded last convolution) and
``mobilenet_v1_0.5_160.safetensors``, whose layers ``flatnet.py`` beside it builds: that file's code
is run. It shows how any network is compared from Python; networks with a name go through
``medcontour benchmark``.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from medcontour import benchmark
from medcontour.classifier import Classifier, PhotoInput, load_classifier


class Fire(nn.Module):
    """SqueezeNet's block (Iandola et al. 2016): squeeze by 1 x 1, expand by 1 x 1 and 3 x 3."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, 2 * expanded, H, W)."""
        squeezed = self.squeeze(inputs).relu()
        return torch.cat([self.expand1x1(squeezed).relu(), self.expand3x3(squeezed).relu()], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 with the names of torchvision's weights."""

    def __init__(self) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 7, stride=2),
            nn.ReLU(),
            pool(),
            Fire(96, 16, 64),
            Fire(128, 16, 64),
            Fire(128, 32, 128),
            pool(),
            Fire(256, 32, 128),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            pool(),
            Fire(512, 64, 256),
        )
        last = nn.Conv2d(512, 1000, 1, padding=1)
        self.classifier = nn.Sequential(
            nn.Dropout(), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 3, 227, 227) to (B, 1000) logits."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits


def squeezenet(weights: Path, device: str = "cpu") -> Classifier:
    """Load the network: RGB from 0 to 255 minus (123, 117, 104), warped to 227 x 227."""
    network = SqueezeNet()
    network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    prepare = PhotoInput(
        (227, 227),
        resize=None,
        mean=(123 / 255, 117 / 255, 104 / 255),
        spread=(1 / 255, 1 / 255, 1 / 255),
    )
    return load_classifier(network, preprocessing=prepare, name="squeezenet1_0", device=device)


class WithoutNone(nn.Module):
    """A network of 1001 classes, without its first, which is none of ImageNet's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 1000) logits."""
        logits: Tensor = self.network(inputs)
        return logits[:, 1:]


def mobilenet(folder: Path, device: str = "cpu") -> Classifier:
    """Load MobileNet v1 0.5: RGB from -1 to 1, warped to 160 x 160."""
    sys.path.insert(0, str(folder))
    network = importlib.import_module("flatnet").FlatNet.load(
        str(folder / "mobilenet_v1_0.5_160.safetensors")
    )
    prepare = PhotoInput((160, 160), resize=None, mean=(0.5, 0.5, 0.5), spread=(0.5, 0.5, 0.5))
    return load_classifier(
        WithoutNone(network), preprocessing=prepare, name="mobilenet_v1_0.5_160", device=device
    )


def told(what: str, done: int, total: int) -> None:
    """Say how far the work is."""
    print(what, done, "of", total, flush=True)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", choices=["imagenet", "coco"], default="imagenet")
    parser.add_argument("--network", choices=["mobilenet", "squeezenet"], default="mobilenet")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--methods", default=",".join(benchmark.DEFAULT_METHODS))
    parser.add_argument("--largest-box", type=float, default=0.5)
    parser.add_argument("--area-weight", type=float, help="of the extremal contours")
    parser.add_argument(
        "--without", type=Path, help="images.csv of another run: settings are chosen on others"
    )
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--fidelity", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--randomise", action="store_true", help="the randomisation check, in place of the table"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.randomise and options.area_weight is not None:
        parser.error("the randomisation check takes the contours of the tables: no --area-weight")
    return options


def main() -> None:
    """Run the comparison and print its table."""
    chosen = options()
    chosen.out.mkdir(parents=True, exist_ok=True)
    weights = chosen.data / "classifiers"
    if chosen.network == "mobilenet":
        model = mobilenet(weights, chosen.device)
    else:
        model = squeezenet(weights / "squeezenet1_0_dc.safetensors", chosen.device)
    if chosen.kind == "imagenet":
        dataset = benchmark.read_imagenet(chosen.data / "imagenet_val")
    else:
        dataset = benchmark.read_coco(chosen.data / "coco")
    if chosen.without is not None:
        with chosen.without.open(newline="") as table:
            held = {row["name"] for row in csv.DictReader(table)}
        names = tuple(name for name in dataset.names if name not in held)
        dataset = replace(dataset, names=names)
    contour = benchmark.ExtremalContour(area_weight=chosen.area_weight)
    methods = chosen.methods.split(",")
    drawn = {"images": chosen.images, "seed": chosen.seed, "largest": chosen.largest_box}
    if chosen.randomise:
        found = benchmark.randomise(model, dataset, chosen.out, methods, **drawn, progress=told)
        benchmark.write_randomised(found, chosen.out)
        print(benchmark.randomise_table(found))
        return
    results = benchmark.run(
        model,
        dataset,
        chosen.out,
        methods,
        **drawn,
        runs=chosen.runs,
        contour=contour,
        progress=told,
    )
    benchmark.write_results(results, chosen.out)
    benchmark.write_figures(results, model, chosen.out, chosen.fidelity)
    print(benchmark.method_table(results))


if __name__ == "__main__":
    main()
