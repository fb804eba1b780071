"""Outlines by networks that were trained on a set of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.contour import PlaneGeometry, PlaneShape
from medcontour.outline.drawn import drawn_outline, soft_dice
from medcontour.outline.outliner import Outline
from medcontour.outline.region import boundary_quality, outline_candidates
from medcontour.outline.segmentation import SegmentationNetwork, device_of

__all__ = ["LearnedConstants", "LearnedNetworks", "LearnedOutliner"]


@dataclass(frozen=True)
class LearnedConstants:
    """How a learned outline and the image's own boundaries are weighed against each other.

    Chosen on tuning images of breast ultrasound and brain FLAIR.

    Attributes
    ----------
    agreement
        What the energy of a curve gains, times its soft Dice with the networks' map.
    own
        Energy of the map's own curve before that: it is taken where the image has no clear
        boundary that agrees with the map.
    """

    agreement: float = 8.0
    own: float = -0.5


LEARNED = LearnedConstants()

ZOOMS = (1.1, 0.9)
"""Views in which it is seen whether a map stays."""


@dataclass(frozen=True)
class LearnedNetworks:
    """Networks that were trained on a set of images.

    Attributes
    ----------
    networks
        Their mean is the map.
    threshold
        Probability from which a pixel belongs to the finding.
    """

    networks: Sequence[SegmentationNetwork]
    threshold: float

    def outliner(self, images: Tensor, points: Tensor) -> LearnedOutliner:
        """Draw on (N, C, H, W) inputs of the classifier; (H, W, 2) `points` is where they lie.

        The outliner is for contours on these images, in their order.
        """
        maps = self.maps(images)
        return LearnedOutliner(maps.float().cpu(), self.stability(images, maps).cpu(), points)

    def maps(self, images: Tensor) -> Tensor:
        """(N, H, W) how likely each pixel of (N, C, H, W) inputs belongs to the finding.

        The mean of the networks, over an image and its mirror image; the threshold lies at one
        half.
        """
        mirrored = self._seen(images.flip(-1)).flip(-1)
        return self._shifted((self._seen(images) + mirrored) / 2)

    def stability(self, images: Tensor, maps: Tensor) -> Tensor:
        """(N,) how far what is drawn stays the same when (N, C, H, W) images are altered.

        Mean soft Dice of `maps` and of what is drawn on the image, mirrored and zoomed by 1.1 and
        0.9, moved back.
        """
        views = [self._seen(images.flip(-1)).flip(-1)]
        for zoom in ZOOMS:
            zoomed = self._seen(_zoomed(images, zoom, "border"))
            views.append(_zoomed(zoomed[:, None], 1 / zoom, "zeros")[:, 0])
        return torch.stack([soft_dice(self._shifted(view), maps) for view in views]).mean(0)

    def _seen(self, images: Tensor) -> Tensor:
        """(N, H, W) mean probability of the networks for images as they are."""
        return torch.stack([_probabilities(network, images) for network in self.networks]).mean(0)

    def _shifted(self, probability: Tensor) -> Tensor:
        """Move the threshold to one half."""
        odds = torch.logit(probability, eps=1e-6) - math.log(self.threshold / (1 - self.threshold))
        return odds.sigmoid()


@dataclass(frozen=True)
class LearnedOutliner:
    """An `Outliner` for contours on images that networks drew on.

    It offers the map's own curve and the boundaries of the image near that; where the map holds
    nothing, the boundaries near the evidence.

    Attributes
    ----------
    maps
        (N, H, W) as `LearnedNetworks.maps` gives them.
    stability
        (N,) as `LearnedNetworks.stability` gives it.
    points
        (H, W, 2) plane coordinates of their pixels.
    """

    maps: Tensor
    stability: Tensor
    points: Tensor

    def __call__(
        self,
        images: Tensor,
        plane: PlaneGeometry,
        evidence: PlaneShape,
        polarity: Tensor | None = None,
        *,
        most: int,
        measured: Tensor | None = None,
    ) -> list[list[Outline]]:
        """Boundaries around each evidence contour, the best first: see `Outliner`."""
        found: list[list[Outline]] = []
        for n, drawn in enumerate(self.maps):
            seen = None if measured is None else measured[[n]]
            sign = None if polarity is None else polarity[[n]]
            own = drawn_outline(drawn, self.points, evidence[[n]], LEARNED.own)
            start = evidence[[n]] if own is None else own.contour
            [offered] = outline_candidates(
                images[[n]], plane, start, sign, most=most, measured=seen
            )
            if own is not None:
                around = boundary_quality(
                    images[n], plane, own.contour, None if seen is None else seen[0]
                )
                offered.append(replace(own, quality=around))
            stable = {"map_stability": float(self.stability[n])}
            found.append(_weighed(offered, drawn, self.points, stable)[:most])
        return found


@torch.no_grad()
def _probabilities(network: SegmentationNetwork, images: Tensor, at_once: int = 16) -> Tensor:
    """(N, H, W) of (N, C, H, W) images, where the network stands."""
    parts = []
    device = device_of(network)
    for first in range(0, len(images), at_once):
        some = images[first : first + at_once].to(device)
        seen = network(some).sigmoid()
        size = some.shape[-2:]
        parts.append(F.interpolate(seen, size, mode="bilinear", align_corners=False)[:, 0])
    return torch.cat(parts)


def _zoomed(images: Tensor, zoom: float, beyond: Literal["border", "zeros"]) -> Tensor:
    """(N, C, H, W) images with their middle enlarged by a factor."""
    matrix = torch.tensor([[1 / zoom, 0.0, 0.0], [0.0, 1 / zoom, 0.0]], device=images.device)
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=beyond, align_corners=False)


def _weighed(
    offered: Sequence[Outline], drawn: Tensor, points: Tensor, quality: Mapping[str, float]
) -> list[Outline]:
    """Outlines with what the map says for each, the best first."""
    weighed = []
    for outline in offered:
        dice = float(soft_dice(outline.contour.contains(points).float(), drawn[None]))
        gain = LEARNED.agreement * dice
        own = {**outline.quality, **quality, "map_agreement": dice}
        weighed.append(replace(outline, energy=outline.energy - gain, quality=own))
    return sorted(weighed, key=lambda outline: outline.energy)
