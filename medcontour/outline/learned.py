"""Outlines by networks that were taught on the outlines of a set of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from skimage import measure
from torch import Tensor

from medcontour.contour import FourierContour, PlaneGeometry, Shape, fit_polygon
from medcontour.outline.outliner import Inputs, Outline
from medcontour.outline.region import boundary_quality, outline_candidates
from medcontour.outline.segmentation import SegmentationNetwork

__all__ = ["LearnedConstants", "LearnedOutliner", "largest_part", "probabilities"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LearnedConstants:
    """How a learned outline and the image's own boundaries are weighed against each other.

    Attributes
    ----------
    disagreement
        What a curve costs that encloses other than the networks' map says, times (1 - soft Dice).
    own
        Energy of the map's own curve where the map is certain.
    """

    disagreement: float = 4.0
    own: float = -3.0


LEARNED = LearnedConstants()

LEAST_PIXELS = 4
"""Of the classifier's input: a smaller part of a map is no outline."""


@dataclass(frozen=True)
class LearnedOutliner:
    """Networks of one set, as an `Outliner`: the map's own curve, and boundaries near it.

    Attributes
    ----------
    networks
        Their mean is the map.
    level
        Probability from which a pixel belongs to the finding.
    """

    networks: Sequence[SegmentationNetwork]
    level: float

    def map(self, images: Tensor) -> Tensor:
        """(N, H, W) how likely each pixel of (N, C, H, W) inputs belongs to the finding.

        The level lies at one half.
        """
        mean = torch.stack([probabilities(network, images) for network in self.networks]).mean(0)
        odds = torch.logit(mean, eps=1e-6) - torch.logit(torch.tensor(self.level))
        return odds.sigmoid()

    def __call__(
        self,
        images: Tensor,
        plane: PlaneGeometry,
        evidence: Shape,
        polarity: Tensor | None = None,
        *,
        most: int,
        measured: Tensor | None = None,
        inputs: Inputs | None = None,
    ) -> list[list[Outline]]:
        """Boundaries around each evidence contour, the best first: see `Outliner`."""
        if inputs is None:
            raise TypeError("learned outlines are drawn on the classifier's inputs; give them")
        maps = self.map(inputs.images).float().cpu()
        found: list[list[Outline]] = []
        for n, drawn in enumerate(maps):
            own = evidence[[n]]
            seen = None if measured is None else measured[[n]]
            curve = _curve_of(drawn, inputs.points, own)
            sign = None if polarity is None else polarity[[n]]
            start = own if curve is None else curve
            offered = outline_candidates(images[[n]], plane, start, sign, most=most, measured=seen)[
                0
            ]
            if curve is not None:
                quality = boundary_quality(
                    images[n], plane, curve, None if seen is None else seen[0]
                )
                offered.append(Outline(curve, LEARNED.own, clear=True, quality=quality))
            found.append(_weighed(offered, drawn, inputs.points)[:most])
        return found


@torch.no_grad()
def probabilities(network: SegmentationNetwork, images: Tensor, at_once: int = 16) -> Tensor:
    """(N, H, W) of (N, C, H, W) images: the mean over an image and its mirror image."""
    parts = []
    for first in range(0, len(images), at_once):
        some = images[first : first + at_once]
        seen = network(some).sigmoid() + network(some.flip(-1)).sigmoid().flip(-1)
        parts.append(
            F.interpolate(seen / 2, some.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        )
    return torch.cat(parts)


def largest_part(probability: npt.NDArray[np.floating], level: float = 0.5) -> Mask:
    """Where a map is above a level: the largest part that hangs together, its holes filled.

    Examples
    --------
    >>> largest_part(np.array([[0.9, 0.0, 0.8], [0.9, 0.0, 0.0]])).tolist()
    [[True, False, False], [True, False, False]]
    """
    parts, count = ndimage.label(probability > level)
    if not count:
        return np.zeros(probability.shape, dtype=np.bool_)
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    filled: Mask = ndimage.binary_fill_holes(parts == largest)
    return filled


def _curve_of(drawn: Tensor, points: Tensor, evidence: Shape) -> FourierContour | None:
    """The curve of a map's part that evidence lies on, else of its largest; None where none is."""
    numbers = drawn.numpy()
    parts, _ = ndimage.label(numbers > 0.5)
    under = parts[evidence.to("cpu").contains(points)[0].numpy()]
    touched = np.bincount(under, minlength=2)[1:]
    part = parts == 1 + int(np.argmax(touched)) if touched.any() else largest_part(numbers)
    if part.sum() < LEAST_PIXELS:
        return None
    filled = ndimage.binary_fill_holes(part)
    alone = np.pad(np.where(filled, numbers.clip(0.51), numbers.clip(max=0.49)), 1)
    outer = torch.from_numpy(max(measure.find_contours(alone, 0.5), key=len)[:-1] - 1)
    return fit_polygon(_between(points, outer)).to(torch.float32)


def _between(points: Tensor, index: Tensor) -> Tensor:
    """(V, 2) plane coordinates at (row, column) indices of the inputs; affine, so also beyond."""
    origin = points[0, 0].double()
    down, right = points[1, 0].double() - origin, points[0, 1].double() - origin
    return origin + index[:, :1] * down + index[:, 1:] * right


def _weighed(offered: Sequence[Outline], drawn: Tensor, points: Tensor) -> list[Outline]:
    """Outlines with what the map says against each, the best first."""
    weighed = []
    for outline in offered:
        inside = outline.contour.contains(points)[0].float()
        dice = 2 * (inside * drawn).sum() / (inside.sum() + drawn.sum()).clamp_min(1e-6)
        cost = LEARNED.disagreement * (1 - float(dice))
        weighed.append(replace(outline, energy=outline.energy + cost))
    return sorted(weighed, key=lambda outline: outline.energy)
