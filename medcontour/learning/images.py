"""The images that are learned from: the classifier's inputs, with what is drawn on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from skimage.draw import polygon2mask
from torch import Tensor

from medcontour.classifier import Classifier
from medcontour.limits import check_memory
from medcontour.pipeline.found import POSITIVE
from medcontour.pipeline.planes import plane_batches
from medcontour.results.masks import Mask
from medcontour.scan import Scan

__all__ = ["LearningImage", "Polygons", "drawn", "images_of", "same_size", "sampled"]

BATCH = 8

Polygons = Sequence[npt.NDArray[np.float64]]
"""Of one image: each (V, 2), as (row, column) index of the classifier's input."""


@dataclass(frozen=True, eq=False)
class LearningImage:
    """One slice.

    Attributes
    ----------
    scan, slice
        Which of the scans, from 0, and which of its slices.
    inputs
        (C, H, W) as the classifier takes it.
    index_from_input
        As of `medcontour.classifier.Prepared`.
    score
        Probability of the class.
    mask
        (H, W) from 0 to 1, what a reader drew; None where nobody did.
    """

    scan: int
    slice: int
    inputs: Tensor
    index_from_input: npt.NDArray[np.float64]
    score: float
    mask: npt.NDArray[np.float32] | None = None

    @property
    def positive(self) -> bool:
        """Whether the finding is on it: what a reader drew says so, else the classifier."""
        return self.score > POSITIVE if self.mask is None else bool(self.mask.max() > 0)


def images_of(
    scan: Scan, number: int, classifier: Classifier, target: int, truth: Mask | None
) -> list[LearningImage]:
    """The slices of a scan, scored.

    Parameters
    ----------
    scan, number
        The scan, and which of all it is.
    classifier, target
        What scores it, and the class.
    truth
        (slices, rows, columns) what a reader drew.
    """
    images = []
    for batch in plane_batches(scan, classifier, range(scan.slices), BATCH):
        with torch.no_grad():
            scores = classifier.score(batch.inputs)[:, target].sigmoid().tolist()
        for k, inputs, score in zip(batch.slices, batch.inputs, scores, strict=True):
            mask = None if truth is None else _on_inputs(truth[k], batch.index_from_input, inputs)
            images.append(
                LearningImage(number, k, inputs.cpu(), batch.index_from_input, score, mask)
            )
    return images


def _on_inputs(
    mask: Mask, index_from_input: npt.NDArray[np.float64], inputs: Tensor
) -> npt.NDArray[np.float32]:
    """(H, W) what share of each pixel of the input a mask of the source plane covers."""
    height, width = inputs.shape[-2:]
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    share = np.zeros((height, width), np.float32)
    thirds = (-1 / 3, 0.0, 1 / 3)
    for row, column in ((row, column) for row in thirds for column in thirds):
        at = np.stack([rows + row, columns + column, np.ones_like(rows)], -1) @ index_from_input.T
        x, y = np.rint(at[..., 0]).astype(int), np.rint(at[..., 1]).astype(int)
        there = (y >= 0) & (y < mask.shape[0]) & (x >= 0) & (x < mask.shape[1])
        share += there & mask[y * there, x * there]
    return np.asarray(share / len(thirds) ** 2, np.float32)


def drawn(polygons: Polygons, shape: tuple[int, int]) -> Mask:
    """(H, W) the pixels inside any of some polygons."""
    mask = np.zeros(shape, dtype=np.bool_)
    for polygon in polygons:
        mask |= polygon2mask(shape, polygon)
    return mask


def sampled(images: Iterable[LearningImage], most: int, seed: int) -> list[LearningImage]:
    """At most so many images, drawn at random, in their order."""
    listed = list(images)
    order = np.random.default_rng(seed).permutation(len(listed))[:most]
    return [listed[n] for n in sorted(order.tolist())]


def same_size(images: Sequence[LearningImage]) -> list[LearningImage]:
    """The images, those smaller than the largest continued at their right and lower borders.

    Raises
    ------
    MedcontourError
        Where memory does not hold them.
    """
    height = max(image.inputs.shape[-2] for image in images)
    width = max(image.inputs.shape[-1] for image in images)
    each = 4 * images[0].inputs.shape[0] * height * width
    check_memory(
        2 * each * len(images),
        f"Learning from {len(images)} images of {width} x {height} pixels",
        "give fewer scans",
    )
    return [_continued(image, height, width) for image in images]


def _continued(image: LearningImage, height: int, width: int) -> LearningImage:
    down, right = height - image.inputs.shape[-2], width - image.inputs.shape[-1]
    if not (down or right):
        return image
    inputs = F.pad(image.inputs[None], (0, right, 0, down), mode="replicate")[0]
    mask = None if image.mask is None else np.pad(image.mask, ((0, down), (0, right)))
    return replace(image, inputs=inputs, mask=mask)
