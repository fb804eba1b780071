"""Objectives of networks that say where: detectors and segmentation networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from medcontour.errors import MedcontourError
from medcontour.explain.objectives.objective import NAT, ScoreObjective

__all__ = ["BoxObjective", "RegionObjective", "box_overlap"]


def box_overlap(boxes: Tensor, box: Tensor) -> Tensor:
    """Intersection over union of boxes with one box.

    Parameters
    ----------
    boxes
        (..., 4) x0, y0, x1, y1.
    box
        (4,), or anything that broadcasts with `boxes`.

    Examples
    --------
    >>> box_overlap(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([1.0, 0.0, 3.0, 2.0]))
    tensor([0.3333])
    """
    low = torch.maximum(boxes[..., :2], box[..., :2])
    high = torch.minimum(boxes[..., 2:], box[..., 2:])
    both = (high - low).clamp_min(0).prod(-1)
    sizes = [(b[..., 2:] - b[..., :2]).clamp_min(0).prod(-1) for b in (boxes, box)]
    return both / (sizes[0] + sizes[1] - both).clamp_min(1e-9)


class BoxObjective(ScoreObjective):
    """The score of the detection that best matches one box of each image.

    Of the boxes of the class, the largest ``IoU with the chosen box * score``; 0 where the
    detector gives none. The gradient goes through the score alone, not through where the box is.

    Parameters
    ----------
    detector
        From (M, C, H, W), a batch or what a detector takes for one, to either

        - a list of M dictionaries with ``boxes`` (N, 4), ``labels`` (N,) and ``scores`` (N,), as
          torchvision's detectors give; their score threshold should be low, because a box
          under it no longer has a gradient;
        - a pair of boxes (M, N, 4) and scores (M, N) or (M, N, classes), as a dense head gives.

        Boxes are x0, y0, x1, y1 in the detector's own pixels, scores lie in 0 to 1.
    images, background
        (B, C, H, W).
    boxes
        (B, 4), or (4,) for all: the box in question.
    label
        The class. A dense head with scores (M, N) has one class, and the label is not looked at.

    Raises
    ------
    MedcontourError
        For boxes of another shape, or an output that is neither of the two.

    Examples
    --------
    >>> def detector(x):  # one box, as sure as the image is bright
    ...     boxes = torch.tensor([0.0, 0.0, 4.0, 4.0]).expand(len(x), 1, 4)
    ...     return boxes, x.mean((1, 2, 3)).unsqueeze(1)
    >>> images = torch.ones(1, 1, 8, 8)
    >>> box = torch.tensor([0.0, 0.0, 4.0, 2.0])
    >>> BoxObjective(detector, images, 0 * images, box).original_score
    tensor([0.5000])
    """

    def __init__(
        self,
        detector: Callable[[Tensor], Any],
        images: Tensor,
        background: Tensor,
        boxes: Tensor,
        label: int = 1,
    ) -> None:
        if boxes.shape not in ((4,), (len(images), 4)):
            raise MedcontourError(
                f"boxes of shape {tuple(boxes.shape)} do not fit {len(images)} images; give one "
                "box (x0, y0, x1, y1), or one for each image."
            )
        wanted = boxes.to(images).expand(len(images), 4)

        def score(inputs: Tensor, which: Tensor) -> Tensor:
            output = detector(inputs)
            if isinstance(output, tuple) and len(output) == 2:
                found, scores = output
                if scores.ndim == 3:
                    scores = scores[..., label]
                overlap = box_overlap(found.detach(), wanted[which].unsqueeze(1))
                match: Tensor = (overlap * scores).amax(1)
                return match
            if not (isinstance(output, Sequence) and all(isinstance(a, Mapping) for a in output)):
                raise MedcontourError(
                    f"the detector gave {type(output).__name__}, which is neither a list of "
                    "dictionaries (boxes, labels, scores) nor a pair of boxes and scores."
                )
            # The zero keeps an image without any box on the graph.
            none = inputs.flatten(1)[:, :1].sum(1) * 0
            best = []
            for index, one in enumerate(output):
                overlap = box_overlap(one["boxes"].detach(), wanted[which[index]])
                one_match = overlap * one["scores"] * (one["labels"] == label)
                best.append(torch.cat([one_match, none[index : index + 1]]).amax())
            return torch.stack(best)

        super().__init__(score, images, background, least_span=0.01)


class RegionObjective(ScoreObjective):
    """Mean log-odds of one class inside a region, of a segmentation network.

    Parameters
    ----------
    segment
        (M, C, H, W) to (M, classes, h, w) logits (softmax over classes, sigmoid for a single
        one), or a dictionary with them under ``out``, as torchvision's networks give. An output
        of another size is resized to the region's.
    images, background
        (B, C, H, W).
    region
        (H, W) for all, or (B, H, W), bool: where to listen.
    target
        The class.

    Raises
    ------
    MedcontourError
        For a region without pixels or of another shape, or a class that is not there.

    Examples
    --------
    >>> images = torch.ones(1, 1, 8, 8)
    >>> region = torch.zeros(8, 8, dtype=torch.bool)
    >>> region[2:4, 2:4] = True
    >>> RegionObjective(lambda x: 3 * x, images, 0 * images, region, target=0).original_score
    tensor([3.])
    """

    def __init__(
        self,
        segment: Callable[[Tensor], Any],
        images: Tensor,
        background: Tensor,
        region: Tensor,
        target: int,
    ) -> None:
        if region.shape[-2:] != images.shape[-2:] or region.shape[:-2] not in ((), (len(images),)):
            raise MedcontourError(
                f"a region of shape {tuple(region.shape)} does not fit images of shape "
                f"{tuple(images.shape)}; give (H, W), or (B, H, W)."
            )
        inside = region.to(images.device).expand(len(images), *region.shape[-2:]).to(images.dtype)
        pixels = inside.sum((-1, -2))
        if not bool((pixels > 0).all()):
            raise MedcontourError("the region holds no pixel; mark where the class is asked for.")
        weights = inside / pixels[:, None, None]

        def score(inputs: Tensor, which: Tensor) -> Tensor:
            output = segment(inputs)
            logits = output["out"] if isinstance(output, Mapping) else output
            if not 0 <= target < logits.shape[1]:
                raise MedcontourError(
                    f"there is no class {target}; the network gives {logits.shape[1]}, from 0."
                )
            if logits.shape[-2:] != weights.shape[-2:]:
                logits = F.interpolate(
                    logits, weights.shape[-2:], mode="bilinear", align_corners=False
                )
            odds = logits[:, target]
            if logits.shape[1] > 1:
                others = torch.cat([logits[:, :target], logits[:, target + 1 :]], 1)
                odds = odds - others.logsumexp(1)
            mean: Tensor = (odds * weights[which]).sum((-1, -2))
            return mean

        super().__init__(score, images, background, least_span=NAT)
