"""Methods on the images of a data set, judged alike: the records that tables are made of."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, is_dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medcontour.benchmark.asked import asked_of, unit_of
from medcontour.benchmark.dataset import Dataset, choose, write_list
from medcontour.benchmark.methods import (
    METHODS,
    Explainer,
    ExtremalContour,
    attribution,
    method_named,
)
from medcontour.benchmark.metrics import (
    agreement,
    best_iou,
    complexity,
    deletion_auc,
    faithfulness_correlation,
    insertion_auc,
    pointing_game,
    relevance_mass,
    relevance_rank,
    sparseness,
)
from medcontour.benchmark.model import Model, model_of
from medcontour.benchmark.outlines import NEAR, START
from medcontour.benchmark.record import Asked, Record, Results
from medcontour.benchmark.record_lines import append_lines, read_lines
from medcontour.explain import BACKGROUNDS, PRESETS

__all__ = ["run"]

Progress = Callable[[str, int, int], None]

SHOWN = 6
"""Of so many images the maps are kept, for the sheet."""

STEPS = 50
"""Of the insertion and deletion curves."""


def run(
    model: Model | nn.Module,
    dataset: Dataset,
    out: Path | str,
    methods: Sequence[str] | Mapping[str, Explainer] | None = None,
    *,
    images: int = 100,
    seed: int = 0,
    largest: float = 1.0,
    runs: int = 1,
    contour: ExtremalContour | None = None,
    outlines: bool = False,
    progress: Progress | None = None,
) -> Results:
    """Ask every method about every image, and judge what it gives.

    Records are added to ``out/records.jsonl`` as they come: a run that was stopped goes on there,
    and asks again only what failed. Methods that say so (`Method.together`) are asked about
    several images at once.

    Parameters
    ----------
    model
        A `Model`, or any network for photographs with ImageNet's usual preparation.
    dataset
        What to draw images from.
    out
        The folder, which is there. ``images.csv`` is written to it first.
    methods
        Names from `METHODS`, or by name any callable
        ``method(network, images (B, C, H, W), targets (B,))`` that gives maps, or an
        `Attribution`. None: all of `METHODS`. Records of one's own method are told apart by its
        name, and where it is a dataclass (`ExtremalContour(area_weight=3.0)`) by its settings.
    images, seed, largest
        As of `choose`.
    runs
        Times each method is asked, with other seeds; two or more give the agreement of runs. The
        first run's map is judged.
    contour
        Background and area weight of the extremal contours asked for by name; None: those of
        photographs.
    outlines
        Whether the image's outline is grown from each map and held against what a reader drew
        (see `Drawing`): its Dice, Hausdorff distance and added path length. Of images whose
        object is given by boxes it is not. With it comes how much of each map lies outside the
        body and on burnt-in marks (see `NotPatient`).
    progress
        Called with what is done, how much of it is done and how much there is.

    Raises
    ------
    MedcontourError
        For an unknown method, a class that the network does not have, or outlines in images of
        which some have a pixel spacing and others none.
    """
    out = Path(out)
    model = model if isinstance(model, Model) else model_of(model)
    named = _methods(methods, seed, runs, model, contour)
    chosen = choose(dataset, images, seed, largest)
    unit = unit_of([item for item, _ in chosen]) if outlines else ""
    write_list(chosen, out / "images.csv")
    known = {record.key: record for record in _read(out / "records.jsonl") if not record.error}
    results = Results(dataset.kind, model.name, tuple(named), [], {}, {}, {}, [], {}, unit)
    (out / "maps").mkdir(exist_ok=True)
    work = _Work(model, out, seed, known)
    at_once = max((work.together(repeats) for repeats in named.values()), default=1)
    done, total = 0, len(chosen) * len(named)
    for first in range(0, len(chosen), at_once):
        group = [item for item, _ in chosen[first : first + at_once]]
        asked = [one for item in group if (one := asked_of(model, item, results)) is not None]
        shown = asked[: SHOWN - len(results.shown)]
        results.shown.extend(shown)
        results.truth_share.update({a.item.name: float(a.truth.float().mean()) for a in asked})
        records: dict[tuple[str, str], Record] = {}
        for name, repeats in named.items():
            for record in work.records(name, repeats, asked, shown):
                records[record.image, name] = record
            done += len(group)
            if progress:
                progress(f"{dataset.kind}, {model.name}, images x methods", done, total)
        results.records.extend(records[one.item.name, name] for one in asked for name in named)
        for one in shown:
            for name in named:
                file = work.map_file(records[one.item.name, name].key)
                if file.is_file():
                    results.maps[one.item.name, name] = torch.from_numpy(np.load(file)).float()
    return results


@dataclass(frozen=True)
class _Work:
    """A run's methods, asked about images that have no record yet."""

    model: Model
    out: Path
    seed: int
    known: dict[str, Record]

    def together(self, repeats: list[Explainer]) -> int:
        """Of how many images the method is asked at once."""
        if self.model.answers == "embedding":  # each image has a network of its own
            return 1
        return int(getattr(repeats[0], "together", 1))

    def map_file(self, key: str) -> Path:
        return self.out / "maps" / f"{key}.npy"

    def records(
        self, name: str, repeats: list[Explainer], asked: list[Asked], shown: list[Asked]
    ) -> Iterator[Record]:
        """Records of images, those that are missing made and written; maps of some are kept."""
        told = _told(name, repeats[0])
        keys = {a.item.name: _key(self.model, a, told, self.seed, len(repeats)) for a in asked}
        missing = []
        for one in asked:
            if (record := self.known.get(keys[one.item.name])) is not None:
                yield record
            else:
                missing.append(one)
        most = self.together(repeats)
        for _, group in groupby(missing, key=lambda one: one.inputs.shape):
            alike = list(group)
            for first in range(0, len(alike), most):
                some = alike[first : first + most]
                for record, mask in self._made(name, repeats, some, keys):
                    append_lines(self.out / "records.jsonl", [asdict(record)])
                    if mask is not None and any(record.image == a.item.name for a in shown):
                        np.save(self.map_file(record.key), mask.float().cpu().numpy())
                    yield record

    def _made(
        self, name: str, repeats: list[Explainer], some: list[Asked], keys: dict[str, str]
    ) -> Iterator[tuple[Record, Tensor | None]]:
        try:
            made = self._figures(repeats, some)
        except Exception as error:  # a method is anybody's code
            if len(some) > 1:  # the others do not pay for one of them
                for one in some:
                    yield from self._made(name, repeats, [one], keys)
                return
            text = str(error).strip().splitlines()
            said = f"{type(error).__name__}: {text[-1] if text else 'without a message'}"
            image = some[0].item.name
            yield Record(image, name, keys[image], error=said), None
            return
        for one, (values, mask) in zip(some, made, strict=True):
            yield Record(one.item.name, name, keys[one.item.name], values), mask

    def _figures(
        self, repeats: list[Explainer], some: list[Asked]
    ) -> list[tuple[dict[str, float], Tensor]]:
        """What the records of images of one shape hold, and their maps (H, W)."""
        inputs = torch.cat([one.inputs for one in some])
        targets = torch.cat([one.target for one in some])
        begun = _now(self.model.device)
        contour = getattr(repeats[0], "draws_contour", False)
        # Contours follow an embedding's cosine (Eq. 6); the rest its dot product, which has a
        # gradient at the image itself.
        network = self.model.explained(inputs, cosine=contour)
        found = attribution(repeats[0], network, inputs, targets)
        seconds = (_now(self.model.device) - begun) / len(some)
        others = [
            attribution(method, network, inputs, targets).maps[:, 0] for method in repeats[1:]
        ]
        made = []
        for row, one in enumerate(some):
            maps = found.maps[row]
            values = _judged(self.model, one, maps, [m[row : row + 1] for m in others], self.seed)
            if one.drawing is not None:
                values |= one.drawing.figures(maps[0], contour=contour)
            if one.not_patient is not None:
                values |= one.not_patient.figures(maps[0])
            values |= {"evaluations": float(found.evaluations[row]), "seconds": seconds}
            made.append((values, maps[0]))
        return made


def _told(name: str, method: Explainer) -> str:
    """Tell a method apart from others of its name by its settings."""
    return f"{name} {method!r}" if is_dataclass(method) else name


def _methods(
    methods: Sequence[str] | Mapping[str, Explainer] | None,
    seed: int,
    runs: int,
    model: Model,
    contour: ExtremalContour | None,
) -> dict[str, list[Explainer]]:
    if isinstance(methods, Mapping):
        return {name: [method] * runs for name, method in methods.items()}
    names = tuple(METHODS) if methods is None else tuple(dict.fromkeys(methods))
    # Of an embedding, likeness stands beside 0: logits of two classes.
    answers = "softmax" if model.answers == "embedding" else model.answers
    return {
        name: [
            method_named(name, seed=seed + k, answers=answers, contour=contour) for k in range(runs)
        ]
        for name in names
    }


def _key(model: Model, asked: Asked, method: str, seed: int, runs: int) -> str:
    digest = hashlib.sha256(asked.inputs.contiguous().cpu().numpy().tobytes())
    digest.update(asked.truth.cpu().numpy().tobytes())
    settings = [method, seed, runs, STEPS, repr(PRESETS.get("fast")), repr(PRESETS.get("paper"))]
    network = [model.name, model.weights_sha256, model.answers, int(asked.target)]
    if asked.drawing is not None:
        settings += ["outlines", START, NEAR, asked.item.spacing]
    if asked.not_patient is not None:
        settings += ["shortcuts"]
    digest.update(json.dumps([asked.item.name, settings, network]).encode())
    return digest.hexdigest()[:16]


def _judged(
    model: Model, asked: Asked, maps: Tensor, others: list[Tensor], seed: int
) -> dict[str, float]:
    truth, images = asked.truth, asked.inputs
    score = model.score_of(images, asked.target)
    blurred = BACKGROUNDS["blur"]
    given = {
        "relevance_rank": relevance_rank(maps, truth),
        "relevance_mass": relevance_mass(maps, truth),
        "complexity": complexity(maps),
        "sparseness": sparseness(maps),
        "faithfulness_10": faithfulness_correlation(score, images, maps, runs=10, seed=seed),
        "faithfulness_100": faithfulness_correlation(score, images, maps, runs=100, seed=seed),
        "insertion_auc": insertion_auc(score, images, maps, steps=STEPS, baseline=blurred),
        "deletion_auc": deletion_auc(score, images, maps, steps=STEPS),
        "pointing_game": pointing_game(maps, truth),
        "best_iou": best_iou(maps, truth),
    }
    if others:
        given["agreement"] = agreement(torch.stack([maps, *others]))
    return {name: float(value[0]) for name, value in given.items()}


def _now(device: torch.device) -> float:
    if device.type == "cuda":  # work that is queued is not done
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _read(file: Path) -> Iterator[Record]:
    for record in read_lines(file):
        with suppress(TypeError):  # of another revision
            yield Record(**record)
