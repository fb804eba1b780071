"""The randomisation check: maps of a network whose weights are made random, layer by layer."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from medcontour.benchmark.compare.cases import usable_cases
from medcontour.benchmark.compare.record import Case
from medcontour.benchmark.compare.records import identity
from medcontour.benchmark.compare.run import Progress
from medcontour.benchmark.compare.training import LEARNING
from medcontour.benchmark.data.dataset import Dataset, choose, write_list
from medcontour.benchmark.methods import (
    Explainer,
    LayerSimilarity,
    attribution,
    likeness,
    method_named,
    similarity_under_randomisation,
)
from medcontour.benchmark.metrics.intervals import mean_interval
from medcontour.benchmark.network import explained, outputs_of
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError
from medcontour.files import replacing
from medcontour.record_lines import append_lines, read_lines

__all__ = ["Randomised", "randomise", "randomise_table", "write_randomised"]

OTHER = "another image's map"


@dataclass(frozen=True)
class Randomised:
    """How like the trained network's maps those of randomised ones are.

    Attributes
    ----------
    model
        Its name.
    images
        How many.
    similar
        By method, for each image: a value for each layer, from the top.
    chance
        By method, for each image: how like its map the one of another image is, both of the
        trained network. A map that is no more like it has moved away. Empty for one image.
    """

    model: str
    images: int
    similar: dict[str, list[list[LayerSimilarity]]]
    chance: dict[str, list[LayerSimilarity]]

    @property
    def layers(self) -> list[str]:
        """The layers' names, from the top."""
        return [step.layer for step in next(iter(self.similar.values()))[0]]

    def interval(self, method: str, layer: int, figure: str) -> tuple[float, float, float]:
        """Mean and 95 % interval over images of ``"iou"`` or ``"rank_correlation"``."""
        return mean_interval([getattr(image[layer], figure) for image in self.similar[method]])

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, for JSON: means with both ends of their intervals."""
        figures = ("iou", "rank_correlation")
        layers = range(len(self.layers))
        return {
            "model": self.model,
            "images": self.images,
            "layers": self.layers,
            "methods": {
                name: {f: [list(self.interval(name, k, f)) for k in layers] for f in figures}
                for name in self.similar
            },
            "chance": {
                name: {f: list(self.chance_interval(name, f)) for f in figures}
                for name, pairs in self.chance.items()
                if pairs
            },
        }

    def chance_interval(self, method: str, figure: str) -> tuple[float, float, float]:
        """Mean and 95 % interval of the same between maps of different images."""
        return mean_interval([getattr(pair, figure) for pair in self.chance[method]])


def randomise(
    model: Classifier,
    dataset: Dataset,
    out: Path,
    methods: Sequence[str] | Mapping[str, Explainer],
    *,
    images: int = 10,
    seed: int = 0,
    largest: float = 1.0,
    layers: int | None = None,
    progress: Progress | None = None,
) -> Randomised:
    """Compare maps before and after the weights are made random (Adebayo et al. 2018).

    From the last layer down, each step leaves the layers of the steps before it random as well.
    The class that is explained stays the same. A method that shows what the network has learnt
    moves away; one that shows the edges of the image does not.

    Parameters
    ----------
    model, dataset, images, seed, largest
        As of `run`.
    out
        The folder, which is there; the list of images is written to it, and records as they come:
        a run that was stopped goes on there.
    methods
        Names, or callables by name.
    layers
        How many, from the top; None goes down to the first.
    progress
        Called with what is done, how much of it is done and how much there is.

    Raises
    ------
    MedcontourError
        For a network without classes, an unknown method, or when no image can be used.
    """
    if model.outputs == "embedding":
        raise MedcontourError(
            f"{model.name} has no classes, and an embedding made random has no class that could "
            "stay the same; give a classifier."
        )
    chosen = choose(dataset, images, seed, largest)
    outputs = outputs_of(model, [item for item, _ in chosen])
    given: Mapping[str, Explainer] = (
        methods
        if isinstance(methods, Mapping)
        else {name: method_named(name, seed=seed, outputs=outputs) for name in methods}
    )
    for name, method in given.items():
        if isinstance(method, LEARNING):
            raise MedcontourError(
                f'The method "{name}" learns from the trained network first, and would show that '
                "for the random one; leave it out."
            )
    write_list(chosen, out / "images.csv")
    usable = list(usable_cases(model, dataset, images=images, seed=seed, largest=largest))
    if not usable:
        raise MedcontourError("None of the images can be used with this network; give others.")
    similar: dict[str, list[list[LayerSimilarity]]] = {name: [] for name in given}
    trained: dict[str, list[Tensor]] = {name: [] for name in given}
    work = _Work(model, out, layers, seed)
    for count, case in enumerate(usable):
        for name, method in given.items():
            maps, likenesses = work.found(name, method, case)
            trained[name].append(maps)
            similar[name].append(likenesses)
        if progress:
            progress(f"randomised {model.name}", count + 1, len(usable))
    chance = {
        name: [
            likeness(OTHER, one, other)
            for one, other in zip(maps, [*maps[1:], maps[0]], strict=True)
            if one is not other and one.shape == other.shape
        ]
        for name, maps in trained.items()
    }
    return Randomised(model.name, len(usable), similar, chance)


@dataclass(frozen=True)
class _Work:
    """What is found of one image after the other, written down as it comes."""

    model: Classifier
    out: Path
    layers: int | None
    seed: int

    def found(
        self, name: str, method: Explainer, case: Case
    ) -> tuple[Tensor, list[LayerSimilarity]]:
        """The trained network's map, and how like it those of randomised ones are."""
        key = self._key(name, method, case)
        kept = self.out / "maps" / f"{key}.npy"
        if (record := self._known.get(key)) is not None and kept.is_file():
            return torch.from_numpy(np.load(kept)), [LayerSimilarity(**one) for one in record]
        network = explained(self.model, case.inputs, cosine=False).network
        maps = attribution(method, network, case.inputs, case.target).maps.cpu()
        steps = similarity_under_randomisation(
            method, network, case.inputs, case.target, layers=self.layers, seed=self.seed
        )
        kept.parent.mkdir(exist_ok=True)
        np.save(kept, maps.numpy())
        record = [asdict(step) for step in steps]
        append_lines(self._file, [{"key": key, "method": name, "layers": record}])
        return maps, steps

    @property
    def _file(self) -> Path:
        return self.out / "randomised.jsonl"

    @cached_property
    def _known(self) -> dict[str, list[dict[str, Any]]]:
        return {line["key"]: line["layers"] for line in read_lines(self._file) if "key" in line}

    def _key(self, name: str, method: Explainer, case: Case) -> str:
        digest = hashlib.sha256(case.inputs.contiguous().cpu().numpy().tobytes())
        settings = [identity(name, method), self.model.weights_sha256, int(case.target)]
        digest.update(json.dumps([*settings, self.layers, self.seed]).encode())
        return digest.hexdigest()[:16]


def randomise_table(found: Randomised) -> str:
    """Give the check as Markdown: a row a layer, from the top."""
    heads = [f"{method}: {word}" for method in found.similar for word in ("IoU", "rank corr.")]
    lines = [f"{found.model} made random from its last layer down, {found.images} images.", ""]
    lines += ["| random down to | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for layer, name in enumerate(found.layers):
        cells = [
            "{:.2f} ({:.2f} to {:.2f})".format(*found.interval(method, layer, figure))
            for method in found.similar
            for figure in ("iou", "rank_correlation")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if found.images > 1:
        cells = [
            "{:.2f} ({:.2f} to {:.2f})".format(*found.chance_interval(method, figure))
            for method in found.similar
            for figure in ("iou", "rank_correlation")
        ]
        lines.append(f"| {OTHER} | {' | '.join(cells)} |")
    lines += [
        "",
        "- IoU of where a map reaches half of its largest value (of a contour, the contour), and "
        "Spearman's correlation of its pixels, each with the map of the trained network: 1 means "
        "that the map does not depend on the weights. Means with 95 % bootstrap intervals.",
        f"- {OTHER.capitalize()}: how like each other maps of different images are. What is no "
        "more like has moved away.",
    ]
    return "\n".join(lines) + "\n"


def write_randomised(found: Randomised, out: Path) -> list[str]:
    """Write ``table.md``, ``table.csv`` and ``figures/randomised.png``.

    Returns
    -------
    list of str
        The files' names.
    """
    (out / "figures").mkdir(exist_ok=True)
    with replacing(out / "table.md") as file:
        file.write_text(randomise_table(found), encoding="utf-8")
    with (
        replacing(out / "table.csv") as file,
        file.open("w", newline="", encoding="utf-8") as rows,
    ):
        writer = csv.writer(rows)
        writer.writerow(("method", "layer", "figure", "images", "mean", "low", "high"))
        for method in found.similar:
            for layer, name in enumerate(found.layers):
                for figure in ("iou", "rank_correlation"):
                    numbers = (f"{v:.6g}" for v in found.interval(method, layer, figure))
                    writer.writerow((method, name, figure, found.images, *numbers))
            for figure in ("iou", "rank_correlation"):
                numbers = (f"{v:.6g}" for v in found.chance_interval(method, figure))
                writer.writerow((method, OTHER, figure, len(found.chance[method]), *numbers))
    with replacing(out / "figures" / "randomised.png") as file:
        _figure(found).savefig(file, dpi=130, format="png")
    return ["table.md", "table.csv", "figures/randomised.png"]


def _figure(found: Randomised) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    places = torch.arange(1 + len(found.layers)).tolist()
    for axis, (name, title) in zip(
        axes, (("iou", "IoU of contours"), ("rank_correlation", "rank correlation")), strict=True
    ):
        for method in found.similar:
            steps = [found.interval(method, layer, name) for layer in range(len(found.layers))]
            mean, low, high = zip((1.0, 1.0, 1.0), *steps, strict=True)
            (line,) = axis.plot(places, mean, marker=".", label=method)
            axis.fill_between(places, low, high, alpha=0.15)
            chance = found.chance_interval(method, name)[0]
            axis.axhline(chance, color=line.get_color(), linestyle=":", linewidth=0.8)
        axis.set_title(f"{title} with the trained network's map", fontsize=9)
        axis.set_xticks(places, ["trained", *found.layers], rotation=90, fontsize=6)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("random down to; dotted: between different images", fontsize=8)
    return figure
