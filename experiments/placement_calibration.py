"""Is the p value of the placement test calibrated: contours of networks that know nothing.

Contours are optimised for networks that have learnt nothing of the images (random weights, a
trained network whose last layers are random, labels shuffled), on slices of CT phantoms without a
nodule and on textures. At the 5 % level at most 5 % of them may be told from random places. Beside
that what networks have learnt: the nodules of the sample study and, with ``--data``, breast lesions
and brain tumours that no setting was chosen on. There it should be nearly all.

    python experiments/placement_calibration.py --out results/ --each 60 [--data DATA]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clinical import brain, breast
from localisation import say, write_results
from monai.networks.nets import ResNet
from scipy import ndimage
from scipy.stats import binomtest
from torch import Tensor, nn

import medcontour as mc
from medcontour.explain import PLACEMENT, ExtremalContours, Perturbation
from medcontour.log_odds import log_odds
from medcontour.pipeline.placement import Network
from medcontour.results import Evidence
from medcontour.shortcuts import body_mask

SAMPLE = Path(__file__).resolve().parents[1] / "sample_data"
SIDES = (96, 112)

NOTES = (
    "Each contour is optimised for the class that its network gives the image, with the default "
    "preset and background, and tested as `mc.suggest` does. Intervals are exact (Clopper and "
    "Pearson), over contours.",
    "Random weights: the sample network's layout, drawn anew for each image, its batch norms "
    "fitted to the kind of image. Last layers random: the sample network with its last stage and "
    "layer drawn anew for each. "
    "Shuffled labels: the first, trained on 48 images of the kind with labels from a coin until it "
    "knows them by heart, and explained on these. Logits are scaled to a spread of 3.",
    "Unstable: the network does not call the mirrored image the class, and the contour was tested "
    "in four views that are not mirrored.",
)

Images = Callable[[int, int], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class Row:
    """One contour that was tested."""

    images: str
    network: str
    p_value: float
    views_held: int
    stable_under_mirroring: bool
    evaluations: float


def phantoms(count: int, seed: int) -> tuple[Tensor, list[Tensor]]:
    """(N, 1, H, W) slices of thorax phantoms without a nodule, and each one's body (M, 2)."""
    sys.path.insert(0, str(SAMPLE))
    from phantom import Grid, thorax

    planes: list[np.ndarray] = []
    grid = Grid(shape=(6, *SIDES), spacing=(25.0, 3.6, 3.4), z=-75.0)
    while len(planes) < count:
        planes += list(thorax(10_000 + seed + len(planes), grid, nodules=0, planes=1).ct)
    scaled = np.clip((np.stack(planes[:count]).astype(np.float32) + 1000) / 1400, 0, 1)
    images = torch.from_numpy(scaled)[:, None]
    points = Perturbation.of_images(images, images).points
    return images, [points[torch.from_numpy(body_mask(plane))] for plane in scaled]


def textures(count: int, seed: int) -> tuple[Tensor, list[Tensor]]:
    """(N, 1, H, W) of noise that is alike at two scales, with bright and dark blobs."""
    draw = np.random.default_rng(seed)
    planes = []
    for _ in range(count):
        fine, coarse = (
            ndimage.gaussian_filter(draw.normal(size=SIDES), draw.uniform(*widths))
            for widths in ((0.7, 2.0), (4.0, 12.0))
        )
        plane = fine / fine.std() + coarse / coarse.std()
        for _ in range(draw.integers(2, 7)):
            row, column = draw.uniform(0, SIDES[0]), draw.uniform(0, SIDES[1])
            rows, columns = np.mgrid[: SIDES[0], : SIDES[1]]
            away = np.hypot(rows - row, columns - column)
            plane += draw.normal(0, 2) / (1 + np.exp(away - draw.uniform(3, 12)))
        planes.append((plane - plane.min()) / np.ptp(plane))
    images = torch.from_numpy(np.stack(planes).astype(np.float32))[:, None]
    body = Perturbation.of_images(images, images).points.reshape(-1, 2)
    return images, [body] * count


IMAGES: dict[str, Images] = {"CT phantom": phantoms, "texture": textures}


def random_weights(images: Tensor, seed: int) -> nn.Module:
    """The sample network's layout with weights drawn at random."""
    torch.manual_seed(seed)
    network: nn.Module = ResNet(
        "basic",
        [1, 1, 1, 1],
        [12, 24, 48, 64],
        spatial_dims=2,
        n_input_channels=1,
        conv1_t_size=5,
        conv1_t_stride=2,
        no_max_pool=True,
        num_classes=2,
    )
    return _livened(network, images)


def last_layers_random(images: Tensor, seed: int) -> nn.Module:
    """The sample network, trained, but for its last stage and layer."""
    network = random_weights(images, seed)
    trained = _trained()
    own = network.state_dict()
    kept = {name: trained[name] for name in own if not name.startswith(("layer4", "fc"))}
    network.load_state_dict(own | kept)
    return _livened(network, images, fit=("layer4",))


@cache
def _trained() -> dict[str, Tensor]:
    return mc.load_classifier(SAMPLE / "nodule_classifier").network.state_dict()


def shuffled_labels(images: Tensor, seed: int) -> nn.Module:
    """Trained on labels from a coin until it knows them by heart."""
    network = random_weights(images, seed).requires_grad_(True)
    labels = (torch.arange(len(images)) % 2)[torch.randperm(len(images))]
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for _ in range(60):
        network.train()
        for some in torch.randperm(len(images)).split(16):
            loss = nn.functional.cross_entropy(network(images[some]), labels[some])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            if bool((network(images).argmax(1) == labels).all()):
                break
    return network.requires_grad_(False)


@torch.no_grad()
def _livened(network: nn.Module, images: Tensor, fit: Sequence[str] = ("",)) -> nn.Module:
    """Fit batch norms to the images, and scale the logits to a spread of 3 about 0."""
    network.eval().requires_grad_(False)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d) and name.startswith(tuple(fit)):
            module.reset_running_stats()
            module.momentum = None
            module.train()
    network(images)
    network.eval()
    logits = network(images)
    scale = 3 / (logits[:, 1] - logits[:, 0]).std().clamp_min(1e-6)
    network.fc.weight *= scale
    network.fc.bias -= logits.mean(0)
    network.fc.bias *= scale
    return network


NETWORKS = {"random weights": random_weights, "last layers random": last_layers_random}


def null_rows(each: int, seed: int = 0) -> Iterator[Row]:
    """Contours of networks that know nothing: `each` of each kind of network and image."""
    for kind, make in IMAGES.items():
        for name, network_of in NETWORKS.items():
            images, bodies = make(each, seed)
            for number in range(each):
                network = network_of(images[:24], seed + number)
                some = slice(number, number + 1)
                yield from tested(network, images[some], bodies[some], kind, name)
                say(f"{name}, {kind}", number + 1, each)
        images, bodies = make(48, seed + 1)
        network = shuffled_labels(images, seed)
        for number in range(min(each, 48)):
            some = slice(number, number + 1)
            yield from tested(network, images[some], bodies[some], kind, "shuffled labels")
            say(f"shuffled labels, {kind}", number + 1, each)


def tested(
    network: nn.Module, images: Tensor, bodies: Sequence[Tensor], kind: str, name: str
) -> Iterator[Row]:
    """Find a contour of each image for the class that the network gives it, and test it."""
    with torch.no_grad():
        classes = network(images).argmax(1)
    fit = ExtremalContours(network, outputs="softmax").fit(images, classes)
    perturbation = Perturbation.of_images(images, fit.background)
    for index, body in enumerate(bodies):
        judge = Network(lambda x: log_odds(network(x), "softmax"), int(classes[index]))
        curve = fit.contours[index : index + 1].detach()
        placed = judge.placed(perturbation, index, curve, body, seed=index)
        yield Row(
            kind,
            name,
            placed.p_value,
            placed.views_held,
            placed.stable_under_mirroring,
            placed.placement_evaluations,
        )


def sample_rows(slices: slice | None) -> Iterator[Row]:
    """Contours of the sample network on the nodules of the sample study."""
    import nibabel as nib

    truth = np.asarray(nib.load(SAMPLE / "truth" / "nodules.nii.gz").dataobj).T
    with_nodule = set(np.flatnonzero(truth.any((1, 2))).tolist())
    scan = mc.read_scan(SAMPLE / "ct_study")
    classifier = mc.load_classifier(SAMPLE / "nodule_classifier")
    for part in mc.suggest(scan, classifier, slices=slices).slices:
        evidence = part.evidence
        if part.slice not in with_nodule or evidence is None or evidence.views_held is None:
            continue
        yield _row("sample study, slices with a nodule", evidence)


def lesion_rows(data: Path, count: int) -> Iterator[Row]:
    """Contours of networks of real images on lesions that they name rightly: `count` a kind."""
    for kind, images in (("breast lesions", breast), ("brain tumours", brain)):
        classifier, dataset = images(data, "reported", count)
        for number, name in enumerate(dataset.names):
            item = dataset.item(name)
            suggestion = mc.suggest(mc.read_scan(item.path), classifier, target=item.classes[0])
            for part in suggestion.slices:
                if part.evidence is not None and part.evidence.views_held is not None:
                    yield _row(kind, part.evidence)
            say(kind, number + 1, len(dataset.names))


def _row(images: str, evidence: Evidence) -> Row:
    """One contour of a network that has learnt something, as `mc.suggest` tested it."""
    assert evidence.views_held is not None
    return Row(
        images,
        "trained",
        evidence.p_value,
        evidence.views_held,
        evidence.stable_under_mirroring,
        evidence.placement_evaluations,
    )


def table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Shares with their exact intervals, a row each kind of network and image."""
    groups = dict.fromkeys((row.network, row.images) for row in rows)
    nulls = [row for row in rows if row.network != "trained"]
    parts = [
        (*names, [row for row in rows if (row.network, row.images) == names]) for names in groups
    ]
    if nulls:
        parts.append(("all that know nothing", "", nulls))
    return [
        {
            "network": network,
            "images": images,
            "contours": len(some),
            f"p <= {PLACEMENT.level}": share([row.p_value <= PLACEMENT.level for row in some]),
            "unstable": share([not row.stable_under_mirroring for row in some]),
            "views held": float(np.mean([row.views_held for row in some])),
            "evaluations": float(np.mean([row.evaluations for row in some])),
        }
        for network, images, some in parts
    ]


def share(flags: Sequence[bool]) -> tuple[float, tuple[float, float]]:
    """How many are true, with the exact 95 % interval."""
    found = binomtest(sum(flags), len(flags)).proportion_ci(method="exact")
    return sum(flags) / len(flags), (float(found.low), float(found.high))


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=30, help="contours a kind of network and image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder of busi, brain_mri and classifiers")
    parser.add_argument("--lesions", type=int, default=60, help="of each kind, from --data")
    parser.add_argument("--slices", help="of the sample study, as START:STOP; by default all")
    given = parser.parse_args()
    started = time.perf_counter()
    rows = list(null_rows(given.each, given.seed))
    ends = [int(end) for end in given.slices.split(":")] if given.slices else None
    rows += sample_rows(slice(*ends) if ends else None)
    if given.data is not None:
        rows += lesion_rows(given.data, given.lesions)
    write_results(
        given.out,
        "Calibration of the placement test",
        NOTES,
        {"Contours that beat all random places in every altered view": table(rows)},
        {"each": given.each, "seed": given.seed, "seconds": time.perf_counter() - started},
        [asdict(row) for row in rows],
    )


if __name__ == "__main__":
    main()
