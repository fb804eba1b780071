"""Cases: images of a data set as the network takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from medcontour.benchmark.compare.outlines import Drawing
from medcontour.benchmark.compare.record import Case, Results
from medcontour.benchmark.compare.shortcut_mass import NotPatient
from medcontour.benchmark.data.dataset import Boxes, Dataset, Item, choose, read_pixels
from medcontour.benchmark.network import index_of, scores
from medcontour.benchmark.truth import truth_in
from medcontour.classifier import Classifier
from medcontour.errors import MedcontourError

__all__ = ["case_of", "unit_of", "usable_cases"]


def usable_cases(
    model: Classifier, dataset: Dataset, *, images: int, seed: int = 0, largest: float = 1.0
) -> Iterator[Case]:
    """The same images as `run` compares methods on, without those that cannot be used."""
    nothing = Results(dataset.kind, model.name, (), [], {}, {}, {}, [], {})
    for item, _ in choose(dataset, images, seed, largest):
        case = case_of(model, item, nothing)
        if case is not None:
            yield case


def unit_of(items: Sequence[Item]) -> str:
    """Give the unit of lengths in images; refuse images of which only some tell a spacing."""
    known = {item.name: item.spacing is not None for item in items}
    if len({*known.values()}) > 1:
        without = next(name for name, there in known.items() if not there)
        raise MedcontourError(
            f"{without} has no pixel spacing, other images have one; give it for all of them, or "
            "for none, for lengths in pixels."
        )
    return "mm" if all(known.values()) else "pixel"


def case_of(model: Classifier, item: Item, results: Results) -> Case | None:
    """Prepare an image; say in `results` why not where it cannot be."""
    try:
        pixels = read_pixels(item.path)
        prepared = model.prepare(pixels, item.spacing or (1.0, 1.0))
        drawn = item.truth((pixels.shape[0], pixels.shape[1]))
        truth = truth_in(prepared, drawn)
    except (MedcontourError, OSError, ValueError) as error:
        results.failed[item.name] = str(error)
        return None
    if not truth.any():
        results.left_out[item.name] = "its object is not on the network's input"
        return None
    inputs = prepared.tensor[None].to(model.device)
    if model.outputs == "embedding":
        target = 0
    else:
        shares = scores(model, inputs)[0]
        right = [index_of(model, name) for name in item.classes]
        if any(not 0 <= index < len(shares) for index in right):
            raise MedcontourError(
                f"{model.name} has {len(shares)} classes, but {item.name} is of class "
                f"{max(right)}, counted from 0; give a network for these classes."
            )
        top = int(shares.argmax())
        if item.must_recognise and top not in right:
            results.left_out[item.name] = "the network takes it for something else"
            return None
        target = max(right, key=lambda index: float(shares[index])) if right else top
    index = abs(prepared.index_from_input)
    boxes = isinstance(item.truth, Boxes)
    drawing = Drawing(pixels, drawn, prepared, item.spacing) if results.unit and not boxes else None
    return Case(
        item,
        inputs,
        truth[None].to(model.device),
        torch.tensor([target], device=model.device),
        turned=bool(index[1, 1] > index[1, 0]),
        drawing=drawing,
        not_patient=NotPatient.of(pixels, prepared) if results.unit else None,
    )
