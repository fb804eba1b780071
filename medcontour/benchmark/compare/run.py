"""Methods on the images of a data set, judged alike: the records that tables are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medcontour.benchmark.compare.cases import case_of, unit_of
from medcontour.benchmark.compare.record import Record, Results
from medcontour.benchmark.compare.records import MethodRecords
from medcontour.benchmark.compare.training import with_training
from medcontour.benchmark.data.dataset import Dataset, choose, write_list
from medcontour.benchmark.methods import (
    DEFAULT_METHODS,
    Explainer,
    ExtremalContour,
    method_named,
)
from medcontour.benchmark.network import classifier_of, outputs_of
from medcontour.classifier import Classifier
from medcontour.log_odds import Outputs
from medcontour.record_lines import read_lines

__all__ = ["run"]

Progress = Callable[[str, int, int], None]

SHOWN = 6
"""Of so many images the maps are kept, for the sheet."""


def run(
    model: Classifier | nn.Module | str,
    dataset: Dataset,
    out: Path | str,
    methods: Sequence[str] | Mapping[str, Explainer] | None = None,
    *,
    images: int = 100,
    seed: int = 0,
    largest: float = 1.0,
    runs: int = 1,
    stability: int = 0,
    contour: ExtremalContour | None = None,
    outlines: bool = False,
    learn_from: Dataset | None = None,
    progress: Progress | None = None,
) -> Results:
    """Run every method on every image, and judge what it gives.

    Records are added to ``out/records.jsonl`` as they come: a run that was stopped goes on there,
    and runs again only what failed. Methods that say so (`Method.together`) take several images
    at once.

    Parameters
    ----------
    model
        A classifier, a name or path as `load_classifier` takes them, or any network for
        photographs with ImageNet's usual preparation.
    dataset
        What to draw images from.
    out
        The folder, which is there. ``images.csv`` is written to it first.
    methods
        Names from `METHODS`, or by name any callable
        ``method(network, images (B, C, H, W), targets (B,))`` that gives maps, or an
        `Attribution`. None: `DEFAULT_METHODS`. Records of one's own method are told apart by its
        name, and where it is a dataclass (`ExtremalContour(area_weight=3.0)`) by its settings.
        `AmortisedContour`, `NeuralMask` and `Iba` learn first, from images that are not compared.
    images, seed, largest
        As of `choose`.
    runs
        Times each method is run, with other seeds; two or more give the agreement of runs. The
        first run's map is judged.
    stability
        Times each image is explained once more by the first run, with noise of 1 % of its range
        added: how alike the map stays (`agreement`) is a column.
    contour
        Background and area weight of ``extremal-contour`` where `methods` names it; None: the
        defaults.
    outlines
        Whether the image's outline is grown from each map and held against what a reader drew
        (see `Drawing`): its Dice, Hausdorff distance and added path length. Of images whose
        object is given by boxes it is not. With it comes how much of each map lies outside the
        body and on burnt-in marks (see `NotPatient`).
    learn_from
        Where methods that learn first take their images; None: from `dataset`, those that are not
        compared.
    progress
        Called with what is done, how much of it is done and how much there is.

    Raises
    ------
    MedcontourError
        For an unknown method, a class that the network does not have, or outlines in images of
        which some have a pixel spacing and others none.
    """
    out = Path(out)
    model = classifier_of(model)
    chosen = choose(dataset, images, seed, largest)
    outputs = outputs_of(model, [item for item, _ in chosen])
    named = _methods(methods, seed, runs, outputs, contour)
    named = with_training(named, model, dataset, images, seed, largest, learn_from)
    unit = unit_of([item for item, _ in chosen]) if outlines else ""
    write_list(chosen, out / "images.csv")
    known = {record.key: record for record in _read(out / "records.jsonl") if not record.error}
    results = Results(dataset.kind, model.name, tuple(named), [], {}, {}, {}, [], {}, unit)
    (out / "maps").mkdir(exist_ok=True)
    made = MethodRecords(model, out, seed, known, stability)
    at_once = max((made.together(repeats) for repeats in named.values()), default=1)
    done, total = 0, len(chosen) * len(named)
    for first in range(0, len(chosen), at_once):
        group = [item for item, _ in chosen[first : first + at_once]]
        cases = [one for item in group if (one := case_of(model, item, results)) is not None]
        shown = cases[: SHOWN - len(results.shown)]
        results.shown.extend(shown)
        results.truth_share.update({a.item.name: float(a.truth.float().mean()) for a in cases})
        records: dict[tuple[str, str], Record] = {}
        for name, repeats in named.items():
            for record in made.records(name, repeats, cases, shown):
                records[record.image, name] = record
            done += len(group)
            if progress:
                progress(f"{dataset.kind}, {model.name}, images x methods", done, total)
        results.records.extend(records[one.item.name, name] for one in cases for name in named)
        for one in shown:
            for name in named:
                file = made.map_file(records[one.item.name, name].key)
                if file.is_file():
                    results.maps[one.item.name, name] = torch.from_numpy(np.load(file)).float()
    return results


def _methods(
    methods: Sequence[str] | Mapping[str, Explainer] | None,
    seed: int,
    runs: int,
    outputs: Outputs,
    contour: ExtremalContour | None,
) -> dict[str, list[Explainer]]:
    if isinstance(methods, Mapping):
        return {name: [method] * runs for name, method in methods.items()}
    names = DEFAULT_METHODS if methods is None else tuple(dict.fromkeys(methods))
    return {
        name: [
            method_named(name, seed=seed + k, outputs=outputs, contour=contour) for k in range(runs)
        ]
        for name in names
    }


def _read(file: Path) -> Iterator[Record]:
    for record in read_lines(file):
        with suppress(TypeError):  # of another revision
            yield Record(**record)
