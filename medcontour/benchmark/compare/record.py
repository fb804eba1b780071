"""What a comparison of methods is made of: metrics, records of them, results."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from medcontour.benchmark.compare.outlines import Drawing
from medcontour.benchmark.compare.shortcut_mass import NotPatient
from medcontour.benchmark.data.dataset import Item

__all__ = ["METRICS", "Case", "Metric", "Record", "Results"]


@dataclass(frozen=True)
class Metric:
    """What a column of the tables is.

    Attributes
    ----------
    name, title
        In files, and for people.
    better
        1 where more is better, -1 where less is.
    """

    name: str
    title: str
    better: int


METRICS = (
    Metric("relevance_rank", "relevance rank", 1),
    Metric("relevance_mass", "relevance mass", 1),
    Metric("complexity", "complexity", -1),
    Metric("sparseness", "sparseness", 1),
    Metric("faithfulness_10", "faithfulness (10 runs)", 1),
    Metric("faithfulness_100", "faithfulness (100 runs)", 1),
    Metric("insertion_auc", "insertion AUC", 1),
    Metric("deletion_auc", "deletion AUC", -1),
    Metric("pointing_game", "pointing game", 1),
    Metric("best_iou", "best IoU", 1),
    Metric("outline_dice", "outline Dice", 1),
    Metric("outline_hd95", "outline HD95", -1),
    Metric("outline_apl", "added path length", -1),
    Metric("outline_saved", "drawing saved", 1),
    Metric("outline_saved_near", "drawing saved (2 off)", 1),
    Metric("outline_found", "outline found", 1),
    Metric("mass_outside_body", "mass outside the body", -1),
    Metric("mass_on_marks", "mass on marks", -1),
    Metric("agreement", "agreement of runs", 1),
    Metric("stability", "stability", 1),
    Metric("evaluations", "evaluations", -1),
    Metric("seconds", "seconds", -1),
)


@dataclass(frozen=True)
class Record:
    """One method on one image.

    Attributes
    ----------
    image, method
        Their names.
    key
        Of input, truth, target, network, method and settings: a record with another key is not
        taken up again.
    values
        By the names of `METRICS`; NaN where a metric has no value. Empty after an error.
    error
        What went wrong; empty when nothing did.
    """

    image: str
    method: str
    key: str
    values: dict[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Case:
    """An image as the network takes it.

    Attributes
    ----------
    item
        Where it is from.
    inputs
        (1, C, H, W).
    truth
        (1, H, W) bool.
    target
        (1,) int64: the class that is explained; 0 where the network has none.
    turned
        Whether the input's rows are the image's columns, as many MONAI networks take it: figures
        turn it back.
    drawing
        The image's own pixels and what a reader drew on them, where outlines are judged.
    not_patient
        Where the surround and burnt-in marks are, where outlines are judged.
    """

    item: Item
    inputs: Tensor
    truth: Tensor
    target: Tensor
    turned: bool = False
    drawing: Drawing | None = None
    not_patient: NotPatient | None = None


@dataclass(frozen=True)
class Results:
    """What a run found.

    Attributes
    ----------
    kind, model
        The data set's kind and the network's name.
    methods
        In the order of the tables.
    records
        One an image and method.
    left_out
        By image: why it counts for no method (its object is cropped away, say).
    failed
        By image: what went wrong before any method was run.
    truth_share
        By image: the object's share of the network's input, which is what chance reaches.
    shown
        The first images, for the sheet.
    maps
        By (image, method): the maps of the first images.
    unit
        Of the outlines' lengths, ``"mm"`` or ``"pixel"``; empty without outlines.
    """

    kind: str
    model: str
    methods: tuple[str, ...]
    records: list[Record]
    left_out: dict[str, str]
    failed: dict[str, str]
    truth_share: dict[str, float]
    shown: list[Case] = field(repr=False)
    maps: dict[tuple[str, str], Tensor] = field(repr=False)
    unit: str = ""

    @property
    def errors(self) -> list[Record]:
        """Records of what went wrong, those of an image as a whole first."""
        whole = [Record(name, "", "", error=text) for name, text in self.failed.items()]
        return whole + [record for record in self.records if record.error]

    def values(self, method: str, metric: str) -> dict[str, float]:
        """By image, where there is a value."""
        return {
            r.image: r.values[metric]
            for r in self.records
            if r.method == method and not math.isnan(r.values.get(metric, math.nan))
        }
